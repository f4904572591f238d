"""Wrong answers to lesson 03."""
import numpy as np

from minifcn.ops.im2col import col2im, im2col
from wrong_answers import Wrong

wrong = Wrong()

wrong("branches", says="the way through the product is missing")(2)
wrong("branches", says="m also goes straight into the sum")(-1.0)
wrong("branches", says="were multiplied")(-2)
wrong("branches", says="its sign")(3)
wrong("branches", says="one number is asked for")("one")

wrong("best_step", says="good step in float64")(1e-5)
wrong("best_step", says="drowns in rounding")(1.2e-7)
wrong("best_step", says="square root")(4.9e-4)
wrong("best_step", says="h*h/6")(0.3)

wrong("middle", says="the farther left the weight")(1 * 1 + 3 * 0 + 0 * 2 + -1 * -1)
wrong("middle", says="one place alone")(-1)
wrong("middle", says="one place alone")(6)
wrong("middle", says="sum of dy")(3)
wrong("middle", says="the lower two see it as well")(5)

wrong("most_patches", says="stride 1")(9)
wrong("most_patches", says="along one side")(2)
wrong("most_patches", says="share a row")(1)

def judge(slope, *, back=True):
    """numeric_gradient with another slope, a function of (f, x, dy, i, h) that may move x[i]."""
    def numeric_gradient(f, x, dy, h=1e-5):
        x = x.copy()
        gradient = np.empty_like(x)
        for i in np.ndindex(x.shape):
            centre = x[i]
            gradient[i] = slope(f, x, dy, i, h)
            if back:
                x[i] = centre
        return gradient

    return numeric_gradient


def two_sided(f, x, dy, i, h):
    x[i] += h
    above = np.copy(f(x))
    x[i] -= 2 * h
    return np.sum((above - f(x)) * dy) / (2 * h)


wrong("numeric_gradient", says="each must be nudged alone")(
    lambda f, x, dy, h=1e-5: (f(x + h) - f(x - h)) / (2 * h) * dy)
wrong("numeric_gradient", says="not put back")(judge(two_sided, back=False))
wrong("numeric_gradient", says="divide by 2 * h")(judge(lambda *args: 2 * two_sided(*args)))
wrong("numeric_gradient", says="then multiplies by h")(judge(lambda *args: two_sided(*args) * args[4] ** 2))
wrong("numeric_gradient", says="minus")(judge(lambda *args: -two_sided(*args)))
wrong("numeric_gradient", says="multiplied by dy")(judge(lambda f, x, dy, i, h: two_sided(f, x, 1, i, h)))


@wrong("numeric_gradient", says="keep a copy")
@judge
def a_view(f, x, dy, i, h):
    x[i] += h
    above = f(x)
    x[i] -= 2 * h
    return np.sum((above - f(x)) * dy) / (2 * h)


@wrong("numeric_gradient", says="one-sided, f(x + h) - f(x)")
@judge
def ahead(f, x, dy, i, h):
    here = np.copy(f(x))
    x[i] += h
    return np.sum((f(x) - here) * dy) / h


@wrong("numeric_gradient", says="leads back to x[i] itself")
@judge
def back_to_the_centre(f, x, dy, i, h):
    x[i] += h
    above = np.copy(f(x))
    x[i] -= h
    return np.sum((above - f(x)) * dy) / (2 * h)


def backward(dw=None, dx=None):
    """conv2d_backward with other lines for dw and dx, functions of (rows, cols, w, back)."""
    def conv2d_backward(dy, cache):
        x, w, _, stride, pad, _ = cache
        n, f, k = len(dy), w.shape[0], w.shape[2]
        rows, cols = dy.reshape(n, f, -1), im2col(x, k, stride, pad)

        def back(columns):
            return col2im(columns, x.shape, k, stride, pad)

        right_dw = (rows @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
        right_dx = back(w.reshape(f, -1).T @ rows)
        return (right_dx if dx is None else dx(rows, cols, w, back),
                right_dw if dw is None else dw(rows, cols, w, back), dy.sum(axis=(0, 2, 3)))

    return conv2d_backward


@wrong("conv2d_backward", says="the mean over two images")
@backward
def batch_mean(rows, cols, w, back):
    return (rows @ cols.swapaxes(1, 2)).mean(axis=0).reshape(w.shape)


@wrong("conv2d_backward", says="still to be added")
@backward
def no_batch_sum(rows, cols, w, back):
    return rows @ cols.swapaxes(1, 2)


@wrong("conv2d_backward", says="first image's alone")
@backward
def first_image(rows, cols, w, back):
    return (rows[0] @ cols[0].T).reshape(w.shape)


@wrong("conv2d_backward", says="to be reshaped")
@backward
def columns_of_w(rows, cols, w, back):
    return (rows @ cols.swapaxes(1, 2)).sum(axis=0)


@wrong("conv2d_backward", says="reshape is no transpose")
@backward
def reshaped_columns(rows, cols, w, back):
    return (rows @ cols.reshape(len(cols), cols.shape[2], -1)).sum(axis=0).reshape(w.shape)


wrong("conv2d_backward", says="gradient of the columns")(
    backward(dx=lambda rows, cols, w, back: w.reshape(len(w), -1).T @ rows))
wrong("conv2d_backward", says="reshape is no transpose")(
    backward(dx=lambda rows, cols, w, back: back(w.reshape(-1, len(w)) @ rows)))
wrong("conv2d_backward", says="twice")(
    backward(dx=lambda rows, cols, w, back: 2 * back(w.reshape(len(w), -1).T @ rows)))
wrong("conv2d_backward", says="half a turn")(
    backward(dw=lambda rows, cols, w, back:
             (rows @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)[..., ::-1, ::-1]))
wrong("conv2d_backward", says="at dilation 2")(
    lambda dy, cache: (col2im(cache[1].reshape(4, -1).T @ dy.reshape(2, 4, -1), cache[0].shape, 3, *cache[3:5]),
                       *backward()(dy, cache)[1:]))
wrong("conv2d_backward", says="3 arrays")(lambda dy, cache: dy)


@wrong("conv2d_backward", says="writes into its argument dy")
def in_place(dy, cache):
    result = backward()(dy, cache)
    dy *= 2
    return result


def sums(array):
    return array.sum(axis=(0, 2, 3))


wrong("scale_backward", says="the other factor: y moves")(lambda dy, cache: (dy, sums(dy * cache[0]), sums(dy)))
wrong("scale_backward", says="each dy is still to be multiplied")(
    lambda dy, cache: (cache[1][:, None, None] * dy, sums(dy), sums(dy)))
wrong("scale_backward", says="no mean")(
    lambda dy, cache: (cache[1][:, None, None] * dy, (dy * cache[0]).mean(axis=(0, 2, 3)), sums(dy)))
wrong("scale_backward", says="one axis is still to be summed")(
    lambda dy, cache: (cache[1][:, None, None] * dy, (dy * cache[0]).sum(axis=(2, 3)), sums(dy)))
wrong("scale_backward", says="sum over n, h and w")(
    lambda dy, cache: (cache[1][:, None, None] * dy, dy * cache[0], sums(dy)))
wrong("scale_backward", says="its own a[c]")(
    lambda dy, cache: (cache[1][:, None, None] * dy, np.sum(dy * cache[0]), sums(dy)))
wrong("scale_backward", says="its own b[c]")(
    lambda dy, cache: (cache[1][:, None, None] * dy, sums(dy * cache[0]), np.sum(dy)))
wrong("scale_backward", says="a has no part in it")(
    lambda dy, cache: (cache[1][:, None, None] * dy, sums(dy * cache[0]), sums(cache[1][:, None, None] * dy)))
wrong("scale_backward", says="first image's alone")(
    lambda dy, cache: (cache[1][:, None, None] * dy, sums(dy * cache[0]), dy[0].sum(axis=(1, 2))))


def contrast_backward(through_mean):
    def answer(dy, cache):
        x, s = cache
        centred = x - x.mean(axis=(2, 3), keepdims=True)
        scaled = s[:, None, None] * dy
        return scaled + through_mean(dy, scaled), sums(dy * centred)
    return answer


wrong("contrast_backward", says="as given")(contrast_backward(lambda dy, scaled: 0))
wrong("contrast_backward", says="with a minus")(
    contrast_backward(lambda dy, scaled: scaled.mean(axis=(2, 3), keepdims=True)))
wrong("contrast_backward", says="share of 1 / (H * W)")(
    contrast_backward(lambda dy, scaled: -scaled.sum(axis=(2, 3), keepdims=True)))
wrong("contrast_backward", says="not only this one")(contrast_backward(lambda dy, scaled: -scaled / 20))
wrong("contrast_backward", says="over the batch")(
    contrast_backward(lambda dy, scaled: -scaled.mean(axis=(0, 2, 3), keepdims=True)))
wrong("contrast_backward", says="over all of them")(contrast_backward(lambda dy, scaled: -scaled.mean()))
wrong("contrast_backward", says="s is missing")(
    contrast_backward(lambda dy, scaled: -dy.mean(axis=(2, 3), keepdims=True)))
wrong("contrast_backward", says="the given line was right")(
    lambda dy, cache: (cache[1][:, None, None] * (dy - dy.mean(axis=(2, 3), keepdims=True)), sums(dy * cache[0])))
wrong("contrast_backward", says="2 arrays")(lambda dy, cache: np.ones_like(dy))

"""Wrong answers to lesson 05."""
import numpy as np

from minifcn.ops import col2im, conv2d, conv_transpose2d, im2col
from wrong_answers import Wrong

wrong = Wrong()

wrong("middle", says="one cell alone")(1000)
wrong("middle", says="kernel is turned")(4321)
wrong("middle", says="write down the four stamps")(1111)
wrong("middle", says="one number is asked for")((3, 1234))

wrong("side", says="last of H stamps starts")(lambda size, k, stride, pad: stride * size + k - 2 * pad)
wrong("side", says="makes maps smaller")(lambda size, k, stride, pad: (size + 2 * pad - k) // stride + 1)
wrong("side", says="so twice")(lambda size, k, stride, pad: stride * (size - 1) + k - pad)
wrong("side", says="cut off here, not put on")(lambda size, k, stride, pad: stride * (size - 1) + k + 2 * pad)
wrong("side", says="hangs over")(lambda size, k, stride, pad: stride * size)


def stamped(x, w, b, stride, pad, *, add=True, turned=False, cut=True):
    """Transposed convolution with one thing wrong."""
    (n, _, height, width), (_, f, k, _) = x.shape, w.shape
    y = np.zeros((n, f, stride * (height - 1) + k, stride * (width - 1) + k))
    w = w[..., ::-1, ::-1] if turned else w
    for h, v in np.ndindex(height, width):
        place = np.s_[:, :, stride * h:stride * h + k, stride * v:stride * v + k]
        stamp = np.einsum("nc,cfij->nfij", x[:, :, h, v], w)
        y[place] = y[place] + stamp if add else stamp
    if cut:
        y = y[:, :, pad:y.shape[2] - pad, pad:y.shape[3] - pad]
    return y + b[:, None, None], (x, w, stride, pad)


@wrong("transposed", says="overlap is lost")
def without_overlap(x, w, b, stride, pad):
    return stamped(x, w, b, stride, pad, add=False)


@wrong("transposed", says="kernel is turned")
def turned_kernel(x, w, b, stride, pad):
    return stamped(x, w, b, stride, pad, turned=True)


@wrong("transposed", says="cut off on every side")
def uncut(x, w, b, stride, pad):
    return stamped(x, w, b, stride, pad, cut=False)


@wrong("transposed", says="shifted by P")
def cut_at_the_end(x, w, b, stride, pad):
    y, cache = stamped(x, w, b, stride, pad, cut=False)
    return y[:, :, :y.shape[2] - 2 * pad, :y.shape[3] - 2 * pad], cache


@wrong("transposed", says="bias is missing")
def without_bias(x, w, b, stride, pad):
    return stamped(x, w, 0 * b, stride, pad)


@wrong("transposed", says="should have")
def a_convolution(x, w, b, stride, pad):
    return conv2d(x, w.swapaxes(0, 1).copy(), b, stride=stride, pad=pad)[0], (x, w, stride, pad)


def fast(x, w, stride, pad, matrix, extra=0):
    """The matrix form without its bias, on a map that is too large by `extra`."""
    (n, c, height, width), (_, f, k, _) = x.shape, w.shape
    shape = (n, f, *(stride * (side - 1) + k - 2 * pad + extra for side in (height, width)))
    return col2im(matrix @ x.reshape(n, c, -1), shape, k, stride, pad)


@wrong("transposed", says="(F*K*K, C) without a transpose")
def reshaped_only(x, w, b, stride, pad):
    return fast(x, w, stride, pad, w.reshape(-1, len(w))) + b[:, None, None], (x, w, stride, pad)


@wrong("transposed", says="exchanged before the reshape")
def axes_exchanged(x, w, b, stride, pad):
    return fast(x, w, stride, pad, w.swapaxes(0, 1).reshape(-1, len(w))) + b[:, None, None], (x, w, stride, pad)


@wrong("transposed", says="padding already taken off")
def padded_shape(x, w, b, stride, pad):
    return fast(x, w, stride, pad, w.reshape(len(w), -1).T, 2 * pad) + b[:, None, None], (x, w, stride, pad)


@wrong("transposed", says="are k, stride and pad given")
def padding_forgotten(x, w, b, stride, pad):
    (n, c, height, width), (_, f, k, _) = x.shape, w.shape
    shape = (n, f, *(stride * (side - 1) + k - 2 * pad for side in (height, width)))
    return col2im(w.reshape(c, -1).T @ x.reshape(n, c, -1), shape, k, stride, 0), (x, w, stride, pad)


@wrong("transposed", says="shape it as (F, 1, 1)")
def bias_along_the_rows(x, w, b, stride, pad):
    return fast(x, w, stride, pad, w.reshape(len(w), -1).T) + b, (x, w, stride, pad)


@wrong("transposed", says="should be (F*K*K, C) @ (C, H*W)")
def untransposed(x, w, b, stride, pad):
    return fast(x, w, stride, pad, w.reshape(len(w), -1)) + b[:, None, None], (x, w, stride, pad)


@wrong("transposed", says="[pad:-pad] is [0:0]")
def cut_by_minus_nothing(x, w, b, stride, pad):
    y, cache = stamped(x, w, b, stride, pad, cut=False)
    return y[:, :, pad:-pad, pad:-pad], cache


@wrong("transposed", says="two things")
def no_cache(x, w, b, stride, pad):
    return conv_transpose2d(x, w, b, stride=stride, pad=pad)[0]


@wrong("transposed", says="in this order")
def other_cache(x, w, b, stride, pad):
    return conv_transpose2d(x, w, b, stride=stride, pad=pad)[0], (w, x, stride, pad)


def gradients(dy, cache):
    x, w, stride, pad = cache
    n, c = x.shape[:2]
    cols = im2col(dy, w.shape[2], stride, pad)
    dx = (w.reshape(c, -1) @ cols).reshape(x.shape)
    dw = (x.reshape(n, c, -1) @ cols.swapaxes(1, 2)).reshape(n, *w.shape)
    return dx, dw, dy.sum((2, 3))


@wrong("transposed_backward", says="not averaged")
def mean_bias(dy, cache):
    dx, dw, db = gradients(dy, cache)
    return dx, dw.sum(0), dy.mean((0, 2, 3))


@wrong("transposed_backward", says="gradients add")
def one_image(dy, cache):
    dx, dw, db = gradients(dy, cache)
    return dx, dw[0], db.sum(0)


@wrong("transposed_backward", says="gradients add")
def all_images(dy, cache):
    dx, dw, db = gradients(dy, cache)
    return dx, dw, db.sum(0)


@wrong("transposed_backward", says="transpose it first")
def dw_of_the_transpose(dy, cache):
    dx, dw, db = gradients(dy, cache)
    return dx, dw.sum(0).reshape(len(dw[0]), -1).T.reshape(dw[0].shape), db.sum(0)


@wrong("transposed_backward", says="without a half turn")
def turned_dx(dy, cache):
    x, w, stride, pad = cache
    dx, dw, db = gradients(dy, (x, w[..., ::-1, ::-1], stride, pad))
    return dx, dw.sum(0), db.sum(0)


@wrong("transposed_backward", says="stride and padding of the forward pass")
def unpadded_columns(dy, cache):
    x, w, stride, pad = cache
    dx, dw, db = gradients(np.pad(dy, ((0, 0), (0, 0), (0, 2 * pad), (0, 2 * pad))), (x, w, stride, 0))
    return dx, dw.sum(0), db.sum(0)


@wrong("transposed_backward", says="needs the stride and the padding of the forward pass")
def padding_forgotten_backward(dy, cache):
    x, w, stride, _ = cache
    return gradients(dy, (x, w, stride, 0))


@wrong("transposed_backward", says="sum over them first")
def reshaped_too_early(dy, cache):
    dx, dw, db = gradients(dy, cache)
    return dx, dw.reshape(dw.shape[1:]), db.sum(0)


@wrong("transposed_backward", says="the two matrices do not fit")
def transposed_again(dy, cache):
    x, w, stride, pad = cache
    cols = im2col(dy, w.shape[2], stride, pad)
    return (w.reshape(len(w), -1).T @ cols).reshape(x.shape), w, dy.sum((0, 2, 3))


@wrong("transposed_backward", says="w was reshaped to (F*K*K, C)")
def reshaped_backward(dy, cache):
    x, w, stride, pad = cache
    dx = w.reshape(-1, len(w)).T @ im2col(dy, w.shape[2], stride, pad)
    return dx.reshape(x.shape), w, dy.sum((0, 2, 3))


@wrong("transposed_backward", says="three gradients")
def no_bias(dy, cache):
    return gradients(dy, cache)[0]


wrong("line", says="too far to the right")(lambda s: 1 - abs(np.arange(2 * s) - s) / s)
wrong("line", says="too far to the left")(lambda s: 1 - abs(np.arange(2 * s) - (s - 1)) / s)
wrong("line", says="whose centre lies on a pixel")(lambda s: 1 - abs(np.arange(2 * s - 1) - (s - 1)) / s)
wrong("line", says="it sums to 1")(lambda s: (1 - abs(np.arange(2 * s) - (s - 0.5)) / s) / s)
wrong("line", says="next cell's centre")(lambda s: 1 - abs(np.arange(2 * s) - (s - 0.5)) / (2 * s))
wrong("line", says="must weigh more")(lambda s: abs(np.arange(2 * s) - (s - 0.5)) / s)
wrong("line", says="for one side")(lambda s: 1 - (np.arange(s) + 0.5) / s)
wrong("line", says="only its line")(lambda s: np.outer(np.arange(2 * s), np.arange(2 * s)))
wrong("line", says="divide them by S")(lambda s: 1 - abs(np.arange(2 * s) - (s - 0.5)))
wrong("line", says="absolute value")(lambda s: 1 - (np.arange(2 * s) - (s - 0.5)) / s)
wrong("line", says="no pixel lies on a cell's centre")(
    lambda s: np.concatenate((np.linspace(0, 1, s), np.linspace(1, 0, s))))
wrong("line", says="its ends are 0")(lambda s: 1 - abs(np.linspace(-1, 1, 2 * s)))

wrong("overlaps", says="the two numbers multiply")((1, 2))
wrong("overlaps", says="no multiple")((4, 4))
wrong("overlaps", says="one axis first")((2, 4))
wrong("overlaps", says="other way round")((4, 1))

wrong("paper_side", says="nothing is cut off")(512)
wrong("paper_side", says="after cropping")(500)
wrong("paper_side", says="starts at 32 * 15")(576)
wrong("paper_side", says="how long is it")(480)
wrong("paper_side", says="one number")((544, 544))

"""Judges of lesson 03: backward passes, by the gradient checker."""
import functools

import numpy as np

from lessons.check.judge import NotWritten, Wrong, exercise, gradient, run, value
from minifcn.gradcheck import numeric_gradient
from minifcn.ops.conv import conv2d
from minifcn.ops.im2col import col2im, conv_size, im2col


def number(answer):
    """The answer as one float. Raises NotWritten, and Wrong for what is no number."""
    answer = value(answer)
    if np.ndim(answer) or not isinstance(answer, int | float | np.number):
        raise Wrong(f"one number is asked for, not {answer!r}")
    return float(answer)


@exercise
def branches(answer):
    answer = number(answer)
    x, w1, w2 = 2.0, 3.0, -0.5
    dp = float(numeric_gradient(lambda p: (p + w2 * p - 1) ** 2 / 2, np.array(w1 * x)))
    ds = w1 * x * (1 + w2) - 1
    suspects = {
        ds: "that is what comes straight from the sum; the way through the product is missing",
        ds * w2: "that is what comes through the product alone; p also goes straight into the sum",
        ds * ds * w2: "the two ways were multiplied: slopes multiply along one way, and add where ways meet",
        ds - ds * w2: "the way through the product comes with its sign: w2 is negative",
        ds * w1 * x + ds: "through the product p gets dq times the other factor, w2, not times itself",
    }
    same("dp", answer, dp, suspects)
    return "nudging p by a little moves the loss just so: 2 straight from the sum, -1 through the product"


@exercise
def best_step(answer):
    answer = number(answer)
    best = (1.5 * float(np.finfo(np.float32).eps)) ** (1 / 3)
    if not best / 6 <= answer <= 6 * best:
        if 1e-6 <= answer <= 5e-5:
            raise Wrong("that is a good step in float64, whose epsilon is 2e-16. Float32 rounds more coarsely, so its "
                        "step must be larger")
        if answer <= 1e-6:
            raise Wrong(f"so small a step drowns in rounding: {answer:g} is of the size of epsilon itself")
        if answer < best:
            raise Wrong("too small: is that the square root? It belongs to one-sided differences, whose error is h; "
                        "here it is h squared, and the root a third one")
        raise Wrong("so large a step is far from Taylor's straight line: the error h*h/6 is larger than rounding asks")
    return f"the third root of 1.5 epsilon is {best:.1e}; the curves below will show it"


@exercise
def middle(answer):
    answer = number(answer)
    w, dy = np.array([[1.0, 0], [2, -1]]), np.array([[1.0, 3], [0, -1]])
    x = np.zeros((1, 1, 3, 3))
    truth = numeric_gradient(lambda x: conv2d(x, w[None, None])[0], x, dy[None, None])[0, 0, 1, 1]
    suspects = {
        float(np.sum(w * dy)): "each dy was multiplied by the weight at its own place. But place (0, 0) sees the "
                               "middle pixel under w[1, 1]: the farther right the place, the farther left the weight",
        float(dy[1, 1] * w[0, 0]): "that is the share of one place alone; four places see this pixel, and their "
                                   "shares add",
        float(np.sum(dy)): "that is the sum of dy: each is still to be multiplied by the weight the pixel lies under",
    }
    same("dx[1, 1]", answer, float(truth), suspects)
    return "four places, four shares: -1 + 6 + 0 - 1"


@exercise
def most_patches(answer):
    answer = number(answer)
    ones = np.ones((1, 1, 7, 8))
    truth = float(col2im(im2col(ones, 3, 2, 0), ones.shape, 3, 2, 0).max())
    suspects = {
        9: "that is the largest count at stride 1. At stride 2 kernels that start at pixels 0, 2 and 4 overlap less",
        2: "that is the most along one side: rows and columns both overlap",
        1: "patches of 3 that move by 2 still share a row of pixels",
        3: "rows and columns are covered independently: the count is a product of the two",
    }
    same("the largest count", answer, truth, suspects)
    return "two kernels at most along each side, 2 x 2; now run it with stride 2"


@exercise
def bias_of_ones(answer):
    answer = number(answer)
    u, v = conv_size(7, 3, 2, 1), conv_size(9, 3, 2, 1)
    suspects = {
        u * v: "that is one image's share; the two images of the batch share the bias",
        1: "the bias was copied to every place of every image: all of these add, it is no mean",
        2: "that is one pixel of two images; all places add",
        2 * 7 * 9: "dy has the size of the output, not of the input",
        2 * conv_size(7, 3, 2) * conv_size(9, 3, 2): "the padding is missing in the shape formula",
        2 * 7 * 9 * 9: "no weights and no patches here: the bias is only added, once for every output",
        2 * 3 * u * v: "the channels of the input do not matter: a filter has one map and one bias",
    }
    same("each number of db", answer, 2 * u * v, suspects)
    return f"2 images of {u} x {v} places"


def same(name, answer, truth, suspects):
    """Raise Wrong unless answer is truth; in a suspect's words where it is that number."""
    if abs(answer - truth) < 1e-4:
        return
    words = next((words for number, words in suspects.items() if abs(answer - number) < 1e-4), None)
    raise Wrong(f"{name} is not {answer:g}" + (f": {words}" if words else ""))


def judge_parts(answer, args, judges, given=()):
    """Judge the arrays of the tuple that answer(*args) returns, {name: judge}, each by its own judge.

    Says which are right so far where some are still None, and raises NotWritten; `given` names those that were there.
    """
    missing = np.empty(0)

    def filled(*args):
        result = answer(*args)
        if isinstance(result, tuple) and any(part is not None for part in result):
            return tuple(missing if part is None else part for part in result)
        return result

    result = run(functools.wraps(answer)(filled) if callable(answer) else answer, *args)
    if not isinstance(result, tuple) or len(result) != len(judges):
        raise Wrong(f"{len(judges)} arrays are to be returned, {', '.join(judges)}")
    for mine, judge in zip(result, judges.values(), strict=True):
        if mine is not missing:
            judge(mine)
    left = [name for name, mine in zip(judges, result, strict=True) if mine is missing]
    if left:
        done = [name for name in judges if name not in left and name not in given]
        if done:
            print(f"{' and '.join(done)} right so far; {' and '.join(left)} still None")
        raise NotWritten


@exercise
def conv2d_backward(answer):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)

    def conv(x, w, b):
        return conv2d(x, w, b, stride=2, pad=1)

    y, cache = conv(x, w, b)
    dy = rng.normal(size=y.shape)
    rows, cols = dy.reshape(2, 4, -1), im2col(x, 3, 2, 1)
    each = rows @ cols.swapaxes(1, 2)
    dcols = w.reshape(4, -1).T @ rows

    def judge_dw(dw):
        gradient(lambda w: conv(x, w, b)[0], w, dy, dw, "dw", suspects={
            "the gradients of the images are still to be added: there is one for each": each,
            "that is the first image's alone: all images share w, so their gradients add": each[0].reshape(w.shape),
            "that is the last image's alone: all images share w, so their gradients add": each[1].reshape(w.shape),
            "reshape is no transpose: it gives the right shape, with the numbers in the wrong places (swapaxes)":
                (rows @ cols.reshape(2, cols.shape[2], -1)).sum(axis=0).reshape(w.shape)})

    def judge_dx(dx):
        gradient(lambda x: conv(x, w, b)[0], x, dy, dx, "dx", suspects={
            "that is the gradient of the columns; col2im brings it back to the image": dcols,
            "reshape is no transpose: w.reshape(f, -1).T is meant, w.reshape(-1, f) has its shape but not its order":
                col2im(w.reshape(-1, 4) @ rows, x.shape, 3, 2, 1),
            "the columns of x were put back; it is those of the gradient that are wanted, W.T @ dY":
                col2im(cols, x.shape, 3, 2, 1)})

    def judge_db(db):
        gradient(lambda b: conv(x, w, b)[0], b, dy, db, "db")

    judge_parts(answer, (dy, cache), {"dx": judge_dx, "dw": judge_dw, "db": judge_db}, given=("db",))
    return "dx, dw and db are what central differences say, for 2 images, 3 channels, 4 filters, stride 2, padding 1"


@exercise
def scale_backward(answer):
    rng = np.random.default_rng(1)
    x, a, b, dy = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3), rng.normal(size=3), rng.normal(size=(2, 3, 4, 5))

    def scale(x, a, b):
        return a[:, None, None] * x + b[:, None, None]

    def sums(array):
        return array.sum(axis=(0, 2, 3))

    def judge_dx(dx):
        gradient(lambda x: scale(x, a, b), x, dy, dx, "dx", suspects={
            "dy must be multiplied by the other factor: y moves a[c] times as much as x": dy,
            "that is dy * x, which belongs to a: each factor gets dy times the other": dy * x})

    def judge_da(da):
        gradient(lambda a: scale(x, a, b), a, dy, da, "da", suspects={
            "that is db: each dy is still to be multiplied by the other factor, x": sums(dy),
            "a was copied to every pixel of every image: its gradient is a sum, no mean": sums(dy * x) / 40,
            "dy and x are summed before they are multiplied: the sum of products is wanted": sums(dy) * sums(x),
            "that is the first image's alone: the images share a, so their gradients add": sums((dy * x)[:1])})

    def judge_db(db):
        gradient(lambda b: scale(x, a, b), b, dy, db, "db", suspects={
            "b was copied to every pixel of every image: its gradient is a sum, no mean": sums(dy) / 40,
            "a has no part in it: y moves as much as b does": sums(a[:, None, None] * dy),
            "that is the first image's alone: the images share b, so their gradients add": sums(dy[:1])})

    judge_parts(answer, (dy, (x, a)), {"dx": judge_dx, "da": judge_da, "db": judge_db})
    return "dx, da and db are what central differences say"


@exercise
def contrast_backward(answer):
    rng = np.random.default_rng(2)
    x, s, dy = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=3), rng.normal(size=(2, 3, 4, 5))

    def contrast(x, s):
        return s[:, None, None] * (x - x.mean(axis=(2, 3), keepdims=True))

    centred, scaled = x - x.mean(axis=(2, 3), keepdims=True), s[:, None, None] * dy
    mean = scaled.mean(axis=(2, 3), keepdims=True)

    def judge_dx(dx):
        gradient(lambda x: contrast(x, s), x, dy, dx, "dx", suspects={
            "as given: the way through the mean is still missing, and every pixel has a share in it": scaled,
            "the way through the mean comes with a minus: y falls when the mean rises": scaled + mean,
            "each pixel has only a share of 1 / (H * W) in the mean": scaled - 20 * mean,
            "the mean is that of one map, one image and one channel; this one runs over the batch as well":
                scaled - scaled.mean(axis=(0, 2, 3), keepdims=True),
            "that is the way through the mean alone; the straight one belongs to it": -mean + 0 * x,
            "the gradient of the mean passes the scale too: s is missing in it":
                scaled - dy.mean(axis=(2, 3), keepdims=True)})

    def judge_ds(ds):
        gradient(lambda s: contrast(x, s), s, dy, ds, "ds", suspects={
            "s multiplies x minus its mean, not x: the given line was right": (dy * x).sum(axis=(0, 2, 3)),
            "that is the first image's alone: the images share s": (dy * centred)[0].sum(axis=(1, 2))})

    judge_parts(answer, (dy, (x, s)), {"dx": judge_dx, "ds": judge_ds})
    return "dx and ds are what central differences say: with the mean's way back the error is gone"

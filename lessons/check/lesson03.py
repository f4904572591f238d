"""Judges of lesson 03: backward passes, by the gradient checker."""
import functools

import numpy as np

from lessons.check.judge import CLOSE, NotWritten, Wrong, equal, exercise, gradient, near, run, value
from minifcn import gradcheck
from minifcn.ops.conv import conv2d
from minifcn.ops.im2col import col2im, im2col


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
    dm = float(gradcheck.numeric_gradient(lambda m: (m + w2 * m - 1) ** 2 / 2, np.array(w1 * x)))
    ds = w1 * x * (1 + w2) - 1
    suspects = {
        ds: "that is what comes straight from the sum; the way through the product is missing",
        ds * w2: "that is what comes through the product alone; m also goes straight into the sum",
        ds * ds * w2: "the two ways were multiplied: slopes multiply along one way, and add where ways meet",
        ds - ds * w2: "the way through the product comes with its sign: w2 is negative",
        ds * w1 * x + ds: "through the product m gets dt times the other factor, w2, not times itself",
    }
    same("dm", answer, dm, suspects)
    return "this is what a nudge of m measures: 2 come straight from the sum, -1 through the product"


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
def numeric_gradient(answer):
    rng = np.random.default_rng(3)
    x, dy = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))

    def f(x):
        return np.sin(x) * x

    def mixed(x):  # outputs that see two elements
        return np.stack([f(x), x * x[::-1, ::-1]])

    h = 1e-5
    ahead, behind = (f(x + h) - f(x)) / h * dy, (f(x) - f(x - h)) / h * dy  # f takes each element by itself
    slope = gradcheck.numeric_gradient(f, x)
    one_sided = "that is one-sided, {}: right to five digits, where two-sided differences are to ten"
    equal(run(answer, f, x, dy), slope * dy, "the gradient", close=1e-8, suspects={
        "that would be right for a dy of ones: the difference is still to be multiplied by dy": slope,
        "the two nudges lie 2h apart: divide by 2 * h": 2 * slope * dy,
        "/ 2 * h divides by 2 and then multiplies by h: write / (2 * h)": slope * dy * h**2,
        "the second nudge leads back to x[i] itself, not to the other side of it": ahead / 2,
        one_sided.format("f(x + h) - f(x)"): ahead,
        one_sided.format("f(x) - f(x - h)"): behind})

    both, left = rng.normal(size=(2, 2, 3)), {}
    moved = x.copy()
    for i in np.ndindex(x.shape):  # what comes of not going back to the centre
        left[i] = gradcheck.numeric_gradient(mixed, moved, both)[i]
        moved[i] -= h
    truth = gradcheck.numeric_gradient(mixed, x, both)
    equal(run(answer, mixed, x, both), truth, "the gradient", close=1e-8, suspects={
        "x[i] is not put back: the slopes after the first are measured at the wrong place":
            np.array([*left.values()]).reshape(x.shape),
        "all elements are nudged at once: each must be nudged alone, for an output may see several":
            (mixed(x + h) - mixed(x - h)) / (2 * h) * both})
    equal(run(answer, lambda x: x, x, dy), dy, "the gradient of f(x) = x", close=1e-8, suspects={
        "0, for this f hands back x itself, and your second nudge changes what you have kept: keep a copy": 0 * dy})
    return "equal to the library's, for outputs that see one element or several, and for an f that hands back x itself"


@exercise
def middle(answer):
    answer = number(answer)
    w, dy = np.array([[1.0, 0], [2, -1]]), np.array([[1.0, 3], [0, -1]])
    x = np.zeros((1, 1, 3, 3))
    truth = gradcheck.numeric_gradient(lambda x: conv2d(x, w[None, None])[0], x, dy[None, None])[0, 0, 1, 1]
    one_place = "that is the share of one place alone; four places see this pixel, and their shares add"
    suspects = {
        float(np.sum(w * dy)): "each dy was multiplied by the weight at its own place. But place (0, 0) sees the "
                               "middle pixel under w[1, 1]: the farther right the place, the farther left the weight",
        float(dy[1, 1] * w[0, 0]): one_place,
        float(dy[0, 1] * w[1, 0]): one_place,
        float(dy[0, 0] * w[1, 1] + dy[0, 1] * w[1, 0]): "that is the upper two places; the lower two see it as well",
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
    return "two kernels at most along each side, 2 x 2; now look"


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
            "exactly half, the mean over two images: they share w, so their gradients add":
                each.mean(axis=0).reshape(w.shape),
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
    y, cache = conv2d(x, w, b, dilation=2)
    try:
        back, _, _ = run(answer, np.ones_like(y), cache)
        handed_on = near(back, gradcheck.numeric_gradient(lambda x: conv2d(x, w, dilation=2)[0], x), CLOSE)
    except ValueError:
        handed_on = False
    if not handed_on:
        raise Wrong("dx is right at stride 2 and padding 1, but not at dilation 2: give dilation to col2im as well")
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
            "a[c] is used by every pixel of every image: sum over n, h and w": dy * x,
            "the sum runs over the channels too, but each has its own a[c]": np.sum(dy * x),
            "a was copied to every pixel of every image: its gradient is a sum, no mean": sums(dy * x) / 40,
            "dy and x are summed before they are multiplied: the sum of products is wanted": sums(dy) * sums(x),
            "that is the first image's alone: the images share a, so their gradients add": sums((dy * x)[:1])})

    def judge_db(db):
        gradient(lambda b: scale(x, a, b), b, dy, db, "db", suspects={
            "b was copied to every pixel of every image: its gradient is a sum, no mean": sums(dy) / 40,
            "b[c] is used by every pixel of every image: sum over n, h and w": dy,
            "the sum runs over the channels too, but each has its own b[c]": np.sum(dy),
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
            "a pixel moves the mean, and the mean moves every pixel of the map, not only this one":
                scaled * (1 - 1 / 20),
            "the mean is that of one map, one image and one channel; this one runs over the batch as well":
                scaled - scaled.mean(axis=(0, 2, 3), keepdims=True),
            "the mean is that of one map, one image and one channel; this one runs over all of them":
                scaled - scaled.mean(),
            "that is the way through the mean alone; the straight one belongs to it": -mean + 0 * x,
            "the gradient of the mean passes the scale too: s is missing in it":
                scaled - dy.mean(axis=(2, 3), keepdims=True)})

    def judge_ds(ds):
        gradient(lambda s: contrast(x, s), s, dy, ds, "ds", suspects={
            "s multiplies x minus its mean, not x: the given line was right": (dy * x).sum(axis=(0, 2, 3)),
            "that is the first image's alone: the images share s": (dy * centred)[0].sum(axis=(1, 2))})

    judge_parts(answer, (dy, (x, s)), {"dx": judge_dx, "ds": judge_ds})
    return "dx and ds are what central differences say: with the mean's way back the error is gone"

"""Judges of lesson 04: pooling and receptive fields."""
from types import SimpleNamespace

import numpy as np

from lessons.check.judge import Wrong, equal, exercise, gradient, number, run, value
from minifcn.nets import build
from minifcn.nets.geometry import Grid, receptive_field
from minifcn.ops import max_pool2d, max_pool2d_backward
from minifcn.ops.pool import pool_size

SIDE, POOLINGS = 127, 5


@exercise
def sides(answer):
    answer = value(answer)
    if not isinstance(answer, tuple | list) or len(answer) != 3:
        raise Wrong("three numbers are asked for: (rounded up, rounded down, pixels that no cell sees)")
    up = down = SIDE
    for _ in range(POOLINGS):
        up, down = pool_size(up, 2, 2, ceil=True), pool_size(down, 2, 2)
    mine_up, mine_down, unseen = map(number, answer)
    if (mine_up, mine_down) == (down, up):
        raise Wrong("the first two are the other way round: rounding up comes first")
    if mine_up != up:
        raise Wrong(f"rounded up it is not {mine_up:g} cells: halve {SIDE} five times, always up: 64, 32, and on")
    if mine_down != down:
        raise Wrong(f"rounded down it is not {mine_down:g} cells: halve {SIDE} five times, always down: 63, 31, and on")
    if unseen == POOLINGS:
        raise Wrong("one number is dropped at every pooling, but a number of a later map stands for more than one "
                    f"of the {SIDE} pixels")
    lost = SIDE - down * 2**POOLINGS
    if unseen != lost:
        raise Wrong(f"not {unseen:g} unseen pixels: {down} cells of {2**POOLINGS} pixels each see how many of {SIDE}?")
    return f"{SIDE} pixels become {up} cells rounded up; rounded down {down}, and {lost} pixels are lost"


def _backward(dy, cache, *, add=True, ties="first", corner="cut", whole=False, gives="dy"):
    """The backward pass of max pooling in loops, right by default, with the mistakes that are likely."""
    x, _, k, stride, pad = cache
    dx = np.zeros(x.shape)
    for n, c, u, v in np.ndindex(dy.shape):
        top, left = stride * u - pad, stride * v - pad
        a, b = max(top, 0), max(left, 0)
        seen = x[n, c, a:a + k, b:b + k] if whole else x[n, c, a:top + k, b:left + k]
        places = np.argwhere(seen == seen.max())
        share = 1 / len(places) if ties == "shared" else 1
        places = {"first": places[:1], "last": places[-1:]}.get(ties, places)
        row0, column0 = {"cut": (a, b), "uncut": (top, left), "unpadded": (stride * u, stride * v)}[corner]
        for i, j in places:
            row, column = row0 + i, column0 + j  # below 0, NumPy counts from the far edge
            if row < x.shape[2] and column < x.shape[3]:
                given = share * dy[n, c, u, v] if gives == "dy" else seen.max()
                dx[n, c, row, column] = given + (dx[n, c, row, column] if add else 0)
    return dx


def _everywhere(dy, cache):
    """Each window's dy at every pixel of the map that equals its maximum, inside the window or not."""
    x, y, *_ = cache
    return np.einsum("ncuv,ncuvhw->nchw", dy, y[..., None, None] == x[:, :, None, None])


@exercise
def pool_backward(answer):
    rng = np.random.default_rng(0)
    for k, stride, pad in ((2, 2, 0), (3, 2, 0), (3, 2, 1)):
        x = rng.permutation(2 * 3 * 5 * 6).reshape(2, 3, 5, 6) - 200.0
        y, cache = max_pool2d(x, k, stride=stride, pad=pad, ceil=True)
        dy = rng.normal(size=y.shape)
        where = f"dx (K = {k}, S = {stride}, P = {pad})"
        try:
            mine = run(answer, dy, cache)
        except (ValueError, IndexError) as error:
            if not pad:
                error.add_note(f"{where}: the map is 5 x 6, and its last windows may hang over the edge")
                raise
            raise Wrong(f"{where}: {error}. With padding the first windows start at row -P: cut them at row 0, "
                        "and count the winner's place from there") from error
        suspects = {
            "a pixel that wins several windows must collect from all: = where += is needed":
                _backward(dy, cache, add=False),
            "the largest value itself is at the winner; its gradient dy belongs there": _backward(dy, cache, gives="y"),
            "with padding, window u starts at row S*u - P: winners lie P too far down and right":
                _backward(dy, cache, corner="unpadded"),
            "a window that was cut at row 0 has its place counted from row 0 too, not from the negative row":
                _backward(dy, cache, corner="uncut"),
            "a window that was cut at row 0 still ends at row S*u - P + K, so it is less than K high: here it reaches "
            "too far":
                _backward(dy, cache, whole=True),
        }
        if k == stride:  # where nothing overlaps or hangs over
            suspects["dy went to every pixel of the window, not to the winner alone"] = \
                dy.repeat(2, axis=2).repeat(2, axis=3)[:, :, :5, :6]

        def pooled(a, k=k, stride=stride, pad=pad):
            return max_pool2d(a, k, stride=stride, pad=pad, ceil=True)[0]

        gradient(pooled, x, dy, mine, where, suspects=suspects)
    x = rng.integers(-3, 0, size=(2, 2, 6, 7)).astype(float)
    y, cache = max_pool2d(x, 3, stride=2, ceil=True)
    dy = rng.normal(size=y.shape)
    mine = run(answer, dy, cache)
    equal(mine, max_pool2d_backward(dy, cache), "dx where numbers tie", suspects={
        "every one of the equal pixels was given the gradient: only the first may have it":
            _backward(dy, cache, ties="all"),
        "the last of the equal pixels has the gradient: it belongs to the first in row order":
            _backward(dy, cache, ties="last"),
        "the gradient went to every equal pixel of the map: compare within the window only":
            _everywhere(dy, cache),
        "equal pixels share the gradient: a possible choice, but here the first in row order gets all of it":
            _backward(dy, cache, ties="shared"),
    })
    return "the gradient by central differences for windows side by side, overlapping and padded; ties go to the first"


@exercise
def bits(answer):
    answer = number(answer)
    places = 4**POOLINGS
    if answer == places:
        raise Wrong(f"{places} is how many places there are: how many bits does it take to name one of them?")
    if answer == POOLINGS:
        raise Wrong(f"{POOLINGS} bits name one of {2**POOLINGS} rows: the column is still to be said")
    if answer == 2**POOLINGS:
        raise Wrong(f"{2**POOLINGS} is the side of the cell: how many pixels are in it, and what is log2 of that?")
    if answer != np.log2(places):
        raise Wrong(f"not {answer:g}: five halvings, and each forgets one of four places")
    return (f"a cell of {2**POOLINGS} x {2**POOLINGS} pixels has {places} places, and log2 of that is "
            f"{int(np.log2(places))}; the number itself, one of 256 grey levels, takes 8")


def _mean(x, k, stride):
    """The mean of every window, in loops."""
    rows, columns = range(0, x.shape[2] - k + 1, stride), range(0, x.shape[3] - k + 1, stride)
    return np.stack([np.stack([x[:, :, i:i + k, j:j + k].mean(axis=(2, 3)) for j in columns], -1) for i in rows], 2)


def _mean_backward(dy, shape, k, stride, *, add=True, share=True):
    dx, (u, v) = np.zeros(shape), dy.shape[2:]
    for i, j in np.ndindex(k, k):
        tap = (..., slice(i, i + stride * (u - 1) + 1, stride), slice(j, j + stride * (v - 1) + 1, stride))
        dx[tap] = (dx[tap] if add else 0) + dy / (k * k if share else 1)
    return dx


@exercise
def average_pool_backward(answer):
    rng = np.random.default_rng(1)
    for k, stride in ((2, 2), (3, 2), (3, 1)):
        x = rng.normal(size=(2, 3, 5, 7))
        dy = rng.normal(size=_mean(x, k, stride).shape)
        mine = run(answer, dy, x.shape, k, stride)

        def mean(a, k=k, stride=stride):
            return _mean(a, k, stride)

        gradient(mean, x, dy, mine, f"dx (K = {k}, S = {stride})", suspects={
            "every pixel got all of dy: it entered the mean with weight 1/K^2 and gets that share":
                _mean_backward(dy, x.shape, k, stride, share=False),
            "divided by K: a window of K x K has K^2 pixels": k * _mean_backward(dy, x.shape, k, stride),
            "a pixel in several windows gets a share from each: = where += is needed":
                _mean_backward(dy, x.shape, k, stride, add=False),
            "every pixel got all of dy, and where windows overlap only the last one's":
                _mean_backward(dy, x.shape, k, stride, add=False, share=False),
        })
    return "the gradient by central differences, for windows side by side and overlapping"


def _field(layers, *, before=True, reach=True, dilated=True, product=True, pixels=True, spread=False, steps=True,
           added=False, last=False):
    """(r, j), right by default, with the mistakes that are likely."""
    r = j = 1
    for k, stride, dilation in layers:
        if not before:
            j *= stride
        r += (dilation if dilated else 1) * (k - 1 if reach else k) * (j if pixels else 1)
        if added or last:
            j = stride + (j if added else 0)
        elif before and steps:
            j = j * stride * (dilation if spread else 1) if product else j + stride - 1
    return r, j


@exercise
def field_and_step(answer):
    rng = np.random.default_rng(2)
    for _ in range(5):
        layers = [(int(k), int(s), int(d)) for k, s, d in
                  zip(rng.integers(2, 6, 6), rng.integers(1, 4, 6), rng.integers(1, 4, 6), strict=True)]
        objects = [SimpleNamespace(kernel=k, stride=s, pad=0, dilation=d) for k, s, d in layers]
        grid = Grid()
        for layer in objects:
            grid = grid.after(layer)
        mine = run(answer, layers)
        if not isinstance(mine, tuple | list) or len(mine) != 2:
            raise Wrong("two numbers are asked for, r and j")
        if tuple(mine) == _field(layers)[::-1]:
            raise Wrong("r and j are the other way round: r comes first")
        for options, words in (
            ({"before": False}, "the step is multiplied by the stride too early: the window lies on cells that are as "
                                "far apart as before this layer"),
            ({"reach": False}, "from the first to the last of K cells it is K - 1 steps, not K"),
            ({"dilated": False}, "dilation is left out: the cells of the window lie D apart"),
            ({"product": False}, "steps multiply: two halvings set cells 4 apart, not 3"),
            ({"pixels": False}, "D(K - 1) counts cells of the layer below: in pixels it is as many times their step j"),
            ({"steps": False}, "the step stays 1: every layer multiplies it by its stride"),
            ({"added": True}, "j is multiplied by the stride, not increased by it"),
            ({"last": True}, "j is this layer's stride alone: the steps of the layers before it multiply with it"),
            ({"spread": True}, "a dilated window still moves on by S cells: D is in r, not in j"),
        ):
            if tuple(mine) == _field(layers, **options):
                raise Wrong(words)
        truth = receptive_field(objects), grid.step
        for n, letter in ((1, "j"), (0, "r")):  # r is made of the steps, so a wrong j comes first
            if mine[n] != truth[n]:
                raise Wrong(f"{letter} is {mine[n]}, and should be {truth[n]}, for layers (K, S, D) {layers}")
    return "r and j are the library's for five nets of random layers"


@exercise
def without_pool1(answer):
    answer = number(answer)
    layers = dict(build("fcn8s", classes=2).body.layers)
    with_pool1 = receptive_field(layers.values())
    del layers["pool1"]
    truth = receptive_field(layers.values())
    if answer == with_pool1 - 1:
        raise Wrong("pool1's own window adds a single pixel, true; but its stride is in every step after it")
    if answer == with_pool1 / 2:
        raise Wrong("nearly: what conv1_1 adds lies before pool1 and is not halved, and what pool1 adds is gone")
    if answer == with_pool1 / 2 - 1 or answer == (with_pool1 + 2) / 2 - 1:
        raise Wrong("the image's own pixel and conv1_1 lie before pool1: their 3 pixels are not halved")
    if answer == truth - 3:
        raise Wrong("half of all that is added after pool1, right; the 3 pixels seen before it are still to be added")
    if answer >= with_pool1:
        raise Wrong(f"with pool1 it is {with_pool1}: without a halving the field is smaller")
    if answer != truth:
        raise Wrong(f"not {answer:g}: 3 pixels before pool1, and half of all that is added after it")
    return f"{truth} pixels, where it was {with_pool1}; now measure it"

"""The judge of lesson 09, How good is it?"""
from functools import cache

import numpy as np

from lessons.check.judge import Wrong, equal, exercise, near, number, run, value
from minifcn import load
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.metrics import ConfusionMatrix, resolution_bound
from minifcn.ops import bilinear_kernel, conv_transpose2d


@exercise
def confusion(answer):
    rng = np.random.default_rng(9)
    truth = rng.integers(0, 20, size=(13, 17)).astype(np.uint8)  # the last class is never there, nor named
    guess = np.where(rng.random(truth.shape) < 0.6, truth, rng.integers(0, 20, size=truth.shape)).astype(np.uint8)
    truth[0, 3], guess[0, 3] = 19, 19
    truth[rng.random(truth.shape) < 0.1] = 255
    classes = 21
    try:
        mine = run(answer, truth, guess, classes)
    except ValueError as error:
        if "broadcast" in str(error):
            raise Wrong(f"one of the maps was cut to the known pixels and the other was not: {error}") from None
        if "reshape" in str(error):
            raise Wrong(f"{error}: pairs that never occur are missing at the end, so np.bincount has to be told the "
                        "number of cells, minlength=classes**2. And is every void pixel left out?") from None
        raise
    right = ConfusionMatrix(classes).update(guess, truth).counts
    known = truth != 255
    if np.shape(mine) == right.shape and np.asarray(mine).dtype.kind == "f":
        raise Wrong("counts are asked for, whole numbers, not shares")
    if np.ndim(mine) == 1 and np.size(mine) > classes**2:
        raise Wrong("there are pairs beyond the last cell: is every void pixel left out? Then the counts are still to "
                    "be reshaped")
    small = truth[known] * np.uint8(classes) + guess[known]  # wraps at 256
    equal(mine, right, "counts", suspects={
        "rows and columns have changed places: truth * classes + guess puts the truth into the rows": right.T,
        "uint8 ends at 255, and 20 * 21 + 20 is 440: astype(int) before you multiply":
            np.bincount(small, minlength=classes**2).reshape(classes, classes),
        "void pixels were counted as class 0: leave out the pixels whose truth is 255":
            ConfusionMatrix(classes).update(guess, np.where(known, truth, 0)).counts,
    })
    return "equal to ConfusionMatrix on 13 x 17 pixels of 21 classes, one in ten of them void"


@exercise
def iu(answer):
    rng = np.random.default_rng(1)
    counts = rng.integers(1, 40, size=(5, 5))
    counts[3], counts[:, 3] = 0, 0  # neither there nor named: NaN
    counts[4] = 0                   # not there, but named: 0
    with np.errstate(all="ignore"):
        mine = run(answer, counts)
    right = ConfusionMatrix(5)
    right.counts = counts
    mine, truth = np.asarray(mine, float), right.iu
    if mine.ndim == 0:
        raise Wrong("one number for every class is asked for, not their mean")
    if mine.shape != truth.shape:
        equal(mine, truth, "iu")
    rest = ~np.isnan(truth)
    hits, t, p = np.diag(counts), counts.sum(axis=1), counts.sum(axis=0)
    with np.errstate(all="ignore"):
        if near(mine[:3], (hits / t)[:3]):
            raise Wrong("IU: that is the accuracy, n / t: the union is t + p - n")
        if near(mine[:3], (hits / (2 * t - hits))[:3]):
            raise Wrong("IU: the rows' sums are taken twice; t sums the rows, p the columns")
    if np.isnan(mine[4]):
        raise Wrong("a class that is not there but named has IU 0, and it is to count: only what is neither there nor "
                    "named is NaN")
    union = t + p - hits
    with np.errstate(all="ignore"):
        equal(mine[rest], truth[rest], "IU", suspects={
            "the hits are counted twice in the union, once in each sum: take them off once": (hits / (t + p))[rest],
            "that is Dice, 2 n / (t + p): the union is t + p - n": (2 * hits / (t + p))[rest],
            "that is n / p: the union is t + p - n": (hits / p)[rest],
            "in per cent; a number from 0 to 1 is asked for": 100 * truth[rest],
            "the hits were taken off the union twice; they stand in both sums, and in the union they count once":
                (hits / (union - hits))[rest],
            "divided by all pixels; the union is that of the class, t + p - n": (hits / counts.sum())[rest],
        })
    if not np.isnan(mine[3]):
        raise Wrong(f"a class that is neither there nor named has IU {mine[3]:g} here: there is nothing to divide by, "
                    "NaN is asked for, so that a mean can leave it out")
    return "equal to ConfusionMatrix.iu, a class that is nowhere and one that is only named among them"


@cache
def _val():
    """(truths, 8s's ConfusionMatrix on val)."""
    data, net, matrix = VOCSegmentation(harbour.root(), "val"), load("harbour-fcn8s"), ConfusionMatrix(7)
    truths = []
    for image, labels in (data[i] for i in range(len(data))):
        matrix.update(net.predict(image), labels)
        truths.append(labels)
    return np.stack(truths), matrix


@exercise
def empty_mean_iu(answer):
    answer = number(answer)
    empty = ConfusionMatrix(7)
    data = VOCSegmentation(harbour.root(), "val")
    for labels in (data.labels(i) for i in range(len(data))):
        empty.update(np.zeros_like(labels), labels)
    right = 100 * empty.mean_iu
    if abs(answer - 100 * empty.pixel_accuracy) < 0.15:
        raise Wrong("that is the IU of background alone: the mean goes over seven classes")
    if abs(answer - 100 / 7) < 0.15:
        raise Wrong("that is its mean accuracy: the IU of background is not 1, for everything else was taken for it")
    if abs(answer - right / 100) < 0.002:
        raise Wrong("in per cent, please: a hundred times as much")
    if answer == round(right):
        raise Wrong("the right way; write it with one decimal")
    if abs(answer - right) > 0.06:
        raise Wrong("background has an IU, hits over union, and the six others have 0: add and divide by seven")
    return f"the empty answer scores {right:.1f}"


@exercise
def culprit(answer):
    pair = value(answer)
    data, net, matrix = VOCSegmentation(harbour.root(), "hard"), load("harbour-fcn8s"), ConfusionMatrix(7)
    if not isinstance(pair, tuple | list) or len(pair) != 2:
        raise Wrong("two names are asked for: (true class, the name it is given)")
    strange = [name for name in pair if name not in data.classes]
    if strange:
        raise Wrong(f"{strange[0]!r} is none of the classes {', '.join(data.classes)}")
    for image, labels in (data[i] for i in range(len(data))):
        matrix.update(net.predict(image), labels)
    wrong = matrix.counts * (1 - np.eye(7, dtype=int))
    wrong[:, 0] = wrong[0] = 0
    right = tuple(data.classes[k] for k in np.unravel_index(wrong.argmax(), wrong.shape))
    i, j = (data.classes.index(name) for name in pair)
    if i == j:
        raise Wrong("that is on the diagonal, where the right pixels lie: which class is taken for another?")
    if (pair[1], pair[0]) == right:
        raise Wrong(f"the other way round: rows are the truth. {matrix.counts[i, j]} pixels of {pair[0]} are named "
                    f"{pair[1]}, {matrix.counts[j, i]} of {pair[1]} are named {pair[0]}")
    if data.classes[0] in pair:
        raise Wrong("background does not count here: which thing is taken for which other thing?")
    if tuple(pair) != right:
        raise Wrong(f"{matrix.counts[i, j]} pixels of {pair[0]} are named {pair[1]}; another pair has {wrong.max()}")
    return f"{wrong.max()} pixels of {right[0]} are named {right[1]}"


@exercise
def in_a_voc_program(answer):
    answer = number(answer)
    _, matrix = _val()
    right = 100 * matrix.iu.sum() / 21
    if abs(answer - 100 * (matrix.iu.sum() + 14) / 21) < 0.2:
        raise Wrong("that is with 1 for each class that is absent; 0 was asked for")
    if abs(answer - 100 * matrix.mean_iu) < 0.2:
        raise Wrong("that is with absent classes left out, as it should be; here they count as 0")
    if abs(answer - right / 100) < 0.002:
        raise Wrong("in per cent, please: a hundred times as much")
    if abs(answer - 100 * matrix.mean_iu / 21) < 0.1:
        raise Wrong("85.86 is the mean of seven IUs and not their sum")
    if answer == round(right):
        raise Wrong("the right way; write it with one decimal")
    if abs(answer - right) > 0.15:
        raise Wrong("the sum of the seven IUs stays what it is; it is divided by another number")
    return f"{right:.1f}, a third of what the net deserves"


@exercise
def middle(answer):
    answer = number(answer)
    row = np.array([[0, 0, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0]] * 4)
    assert not resolution_bound(row, 2, 4).any()
    cells = np.array([-1, answer, -1]).reshape(1, 1, 1, 3)
    scores, _ = conv_transpose2d(cells, bilinear_kernel(1, 8, float), stride=4, pad=2)
    named = scores[0, 0, 0] > 0
    words = "".join(".#"[int(thing)] for thing in named)
    if not named.any():
        raise Wrong(f"{words}: still no pixel is above 0; the thing's own pixels are 1/8 of a cell from the centre")
    if named.sum() > 2:
        raise Wrong(f"{words}: too much, the pixels beside the thing are above 0 too; they are 3/8 of a cell from the "
                    "centre")
    if not near(named.astype(float), row[0].astype(float)):
        raise Wrong(f"{words}: not the two pixels of the thing")
    return f"{words}, exactly the thing, from three cells of four pixels"

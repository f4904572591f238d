"""The judge of lesson 00, The whole game."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, run, value
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import build


@exercise
def share_right(answer):
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 7, size=(9, 14)).astype(np.uint8)
    guess = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, 7, size=truth.shape)).astype(np.uint8)
    guess[:3] = 0
    truth[rng.random(truth.shape) < 0.2] = 255
    known = truth != 255
    try:
        mine = run(answer, guess, truth)
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        raise Wrong(f"one of the maps was cut to the known pixels and the other was not: {error}") from None
    if np.size(mine) > 1:
        raise Wrong("one number is asked for, not one for every pixel: the mean is still to be taken")
    right = ConfusionMatrix(7).update(guess, truth).pixel_accuracy
    equal(mine, right, "the share", suspects={
        "void pixels count as wrong here: leave them out of both maps before you take the mean":
            np.mean(guess == truth),
        "void pixels count as right here: leave them out of both maps before you take the mean":
            np.mean((guess == truth) | ~known),
        "that is the share of wrong pixels": 1 - right,
        "in per cent; a number from 0 to 1 is asked for": 100 * right,
        "that is how many pixels are right, not their share": np.sum(guess == truth),
        "only pixels that are not background were counted: background (0) is a class like the others, void is 255":
            np.mean((guess == truth)[known & (truth != 0)]),
    })
    return "equal to the pixel accuracy of ConfusionMatrix, on random maps with a fifth of the pixels void"


@exercise
def by_hand(answer):
    scores = np.array([[[2, 1], [0, 3]], [[1, 4], [-1, 2]], [[-3, 2], [5, 4]]])
    mine = np.asarray(value(answer))
    right = scores.argmax(axis=0)
    if mine.shape != (2, 2):
        raise Wrong(f"a map of 2 x 2 names is asked for, [[., .], [., .]], not of shape {mine.shape}")
    if mine.dtype.kind not in "biuf":
        raise Wrong("the number of the class is asked for, not its name: 0 background, 1 boat, 2 person")
    if np.array_equal(mine, right):
        return "each pixel has the class with the highest score"
    if np.array_equal(mine, scores.max(axis=0)):
        raise Wrong("these are the highest scores; asked is whose they are: 0 background, 1 boat, 2 person")
    if np.array_equal(mine, np.abs(scores).argmax(axis=0)):
        raise Wrong("a score of -3 is low, not high: the sign counts")
    if np.array_equal(mine, right + 1):
        raise Wrong("classes are counted from 0: 0 background, 1 boat, 2 person")
    if np.array_equal(mine, right.T):
        raise Wrong("rows and columns have changed places: the first row holds the two upper pixels")
    i, j = np.argwhere(mine != right)[0]
    raise Wrong(f"look at row {i}, column {j} (from 0) again: its scores are {', '.join(map(str, scores[:, i, j]))}")


@exercise
def name_pixels(answer):
    scores = 2 * np.random.default_rng(4).normal(size=(5, 4, 6)) - 1  # of both signs
    mine = run(answer, scores)
    if np.ndim(mine) == 0:
        raise Wrong("one number for all of it: without an axis, argmax and max run over classes and pixels together")
    if np.ndim(mine) == 1 and np.array_equal(mine, scores.max(axis=0).argmax(axis=0)):
        raise Wrong("max has done away with the classes, so that argmax looks for the best row: argmax alone is enough")
    equal(mine, scores.argmax(axis=0), "the map of names", suspects={
        "these are the highest scores themselves; argmax gives their indices": scores.max(axis=0),
        "that is the lowest score's class": scores.argmin(axis=0),
        "classes are counted from 0, as argmax does": scores.argmax(axis=0) + 1,
        "that is the score furthest from 0; a score of -9 is low": np.abs(scores).argmax(axis=0),
        "for every class and row, that is the best column: the classes lie along axis 0": scores.argmax(axis=2),
        "for every class and column, that is the best row: the classes lie along axis 0": scores.argmax(axis=1),
    })
    return "the class with the highest score, at 4 x 6 pixels of 5 classes"


def _cells(height, width):
    """(channels, cells of a map) at the end of mini's body."""
    y = np.zeros((1, 3, height, width), np.float32)
    for layer in build("fcn32s", classes=7).body.layers.values():
        y = layer.forward(y)
    return y.shape[1], y.shape[2] * y.shape[3]


def _one_number(answer, height, width):
    if np.size(answer) > 1:
        raise Wrong("height and width are two numbers; how many cells is that together?")
    if isinstance(answer, str):
        raise Wrong(f"a number is asked for, not {answer!r}")
    if answer in (height, width):
        raise Wrong("that is one side of the map, in cells: height times width is asked for")


@exercise
def cells(answer):
    answer = value(answer)
    channels, right = _cells(128, 160)
    _one_number(answer, 4, 5)
    if answer == right:
        return "4 x 5 cells"
    if answer in (128 * 160 / 2**5, 128 * 160 / 2**6):
        raise Wrong("a pooling halves the height and the width, so a quarter of the cells is left each time")
    if answer in (4 * right, 16 * right):
        raise Wrong("there are five poolings, not three or four: 128 -> 64 -> 32 -> ...")
    if answer == channels * right:
        raise Wrong("that is the cells of all maps together; how many has each?")
    raise Wrong("halve the height, 128, five times, and the width, 160; then multiply")


@exercise
def cells_of_larger(answer):
    answer = value(answer)
    channels, right = _cells(256, 320)
    _one_number(answer, 8, 10)
    if answer == right:
        return "8 x 10 cells, four times as many"
    if answer == right / 4:
        raise Wrong("as many as before? Nothing in the layers asks for a fixed size: each side is divided by 32 again")
    if answer == right / 2:
        raise Wrong("height and width have both doubled")
    if answer == channels * right:
        raise Wrong("that is the cells of all maps together; how many has each?")
    raise Wrong("divide each side, 256 and 320, by 32; then multiply")

"""Plausible wrong answers to lesson 00."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()


@wrong("share_right", says="count as wrong")
def void_is_wrong(guess, truth):
    return (guess == truth).mean()


@wrong("share_right", says="count as right")
def void_is_right(guess, truth):
    return ((guess == truth) | (truth == 255)).mean()


@wrong("share_right", says="per cent")
def percent(guess, truth):
    known = truth != 255
    return 100 * (guess[known] == truth[known]).mean()


@wrong("share_right", says="wrong pixels")
def share_wrong(guess, truth):
    known = truth != 255
    return (guess[known] != truth[known]).mean()


@wrong("share_right", says="not their share")
def how_many(guess, truth):
    return np.sum(guess == truth)


@wrong("share_right", says="background (0) is a class")
def without_background(guess, truth):
    known = (truth != 255) & (truth != 0)
    return (guess[known] == truth[known]).mean()


@wrong("share_right", says="argument truth")
def writes(guess, truth):
    truth[truth == 255] = guess[truth == 255]
    return (guess == truth).mean()


@wrong("share_right", says="mean is still to be taken")
def a_map(guess, truth):
    return (guess == truth)[truth != 255]


@wrong("share_right", says="the other was not")
def only_one_cut(guess, truth):
    return (guess[truth != 255] == truth).mean()


wrong("by_hand", says="not its name")([["background", "boat"], ["person", "person"]])
wrong("by_hand", says="whose they are")([[2, 4], [5, 4]])
wrong("by_hand", says="sign")([[2, 1], [2, 2]])
wrong("by_hand", says="counted from 0")([[1, 2], [3, 3]])
wrong("by_hand", says="changed places")([[0, 2], [1, 2]])
wrong("by_hand", says="2 x 2")([0, 1, 2, 2])
wrong("by_hand", says="row 1, column 1")([[0, 1], [2, 0]])


@wrong("name_pixels", says="scores themselves")
def highest(scores):
    return scores.max(axis=0)


@wrong("name_pixels", says="lie along axis 0")
def last_axis(scores):
    return scores.argmax(axis=-1)


@wrong("name_pixels", says="lie along axis 0")
def middle_axis(scores):
    return scores.argmax(axis=1)


@wrong("name_pixels", says="furthest from 0")
def furthest(scores):
    return np.abs(scores).argmax(axis=0)


@wrong("name_pixels", says="without an axis")
def no_axis(scores):
    return scores.argmax()


@wrong("name_pixels", says="done away with the classes")
def max_first(scores):
    return scores.max(axis=0).argmax(axis=0)


@wrong("name_pixels", says="counted from 0")
def from_one(scores):
    return scores.argmax(axis=0) + 1


wrong("cells", says="together")((4, 5))
wrong("cells", says="one side")(5)
wrong("cells", says="a number is asked for")("4 x 5")
wrong("cells", says="a quarter")(640)
wrong("cells", says="five poolings")(80)
wrong("cells", says="how many has each")(3840)
wrong("cells", says="five times")(9)

wrong("cells_of_larger", says="together")((8, 10))
wrong("cells_of_larger", says="one side")(8)
wrong("cells_of_larger", says="how many has each")(80 * 192)
wrong("cells_of_larger", says="as many as before")(20)
wrong("cells_of_larger", says="both doubled")(40)
wrong("cells_of_larger", says="by 32")(160)

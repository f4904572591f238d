"""Plausible wrong answers to lesson 09."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()


@wrong("confusion", says="changed places")
def swapped(truth, guess, classes):
    known = truth != 255
    pairs = guess[known].astype(int) * classes + truth[known]
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@wrong("confusion", says="minlength")
def too_short(truth, guess, classes):
    known = truth != 255
    return np.bincount(truth[known].astype(int) * classes + guess[known]).reshape(classes, classes)


@wrong("confusion", says="uint8")
def wraps(truth, guess, classes):
    known = truth != 255
    return np.bincount(truth[known] * np.uint8(classes) + guess[known], minlength=classes**2).reshape(classes, classes)


@wrong("confusion", says="void")
def void_is_background(truth, guess, classes):
    truth = np.where(truth == 255, 0, truth)
    return np.bincount((truth.astype(int) * classes + guess).ravel(), minlength=classes**2).reshape(classes, classes)


@wrong("confusion", says="void")
def void_kept(truth, guess, classes):
    pairs = (truth.astype(int) * classes + guess).ravel()
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


@wrong("confusion", says="argument truth")
def writes(truth, guess, classes):
    guess = guess[truth != 255]
    truth[truth == 255] = 0
    return np.zeros((classes, classes), int)


@wrong("iu", says="counted twice")
def without_the_hits(counts):
    return np.diag(counts) / (counts.sum(axis=1) + counts.sum(axis=0))


@wrong("confusion", says="the other was not")
def guess_not_cut(truth, guess, classes):
    return np.bincount(truth[truth != 255].astype(int) * classes + guess, minlength=classes**2)


@wrong("iu", says="rows' sums are taken twice")
def rows_twice(counts):
    return np.diag(counts) / (2 * counts.sum(axis=1) - np.diag(counts))


@wrong("iu", says="divided by all pixels")
def of_all(counts):
    return np.diag(counts) / counts.sum()


@wrong("iu", says="Dice")
def dice(counts):
    return 2 * np.diag(counts) / (counts.sum(axis=1) + counts.sum(axis=0))


@wrong("confusion", says="not shares")
def shares(truth, guess, classes):
    known = truth != 255
    counts = np.bincount(truth[known].astype(int) * classes + guess[known], minlength=classes**2)
    return counts.reshape(classes, classes) / counts.sum()


@wrong("confusion", says="still to be reshaped")
def void_kept_and_flat(truth, guess, classes):
    return np.bincount((truth.astype(int) * classes + guess).ravel(), minlength=classes**2)


@wrong("iu", says="not there but named")
def nan_where_not_there(counts):
    t, p, hits = counts.sum(axis=1), counts.sum(axis=0), np.diag(counts)
    return np.where(t > 0, hits / (t + p - hits), np.nan)


@wrong("iu", says="per cent")
def percent(counts):
    return 100 * np.diag(counts) / (counts.sum(axis=1) + counts.sum(axis=0) - np.diag(counts))


@wrong("iu", says="that is the accuracy")
def accuracy(counts):
    return np.diag(counts) / counts.sum(axis=1)


@wrong("iu", says="n / p")
def precision(counts):
    return np.diag(counts) / counts.sum(axis=0)


@wrong("iu", says="neither there nor named")
def zero_where_absent(counts):
    hits = np.diag(counts)
    return np.nan_to_num(hits / (counts.sum(axis=1) + counts.sum(axis=0) - hits))


@wrong("iu", says="not their mean")
def the_mean(counts):
    hits = np.diag(counts)
    return np.nanmean(hits / (counts.sum(axis=1) + counts.sum(axis=0) - hits))


wrong("empty_mean_iu", says="IU of background alone")(58.4)
wrong("empty_mean_iu", says="mean accuracy")(14.3)
wrong("empty_mean_iu", says="in per cent")(0.083)
wrong("empty_mean_iu", says="divide by seven")(9.7)

wrong("empty_mean_iu", says="one decimal")(8)
wrong("culprit", says="diagonal")(("boat", "boat"))
wrong("culprit", says="other way round")(("person", "boat"))
wrong("culprit", says="background does not count")(("boat", "background"))
wrong("culprit", says="another pair has")(("buoy", "boat"))
wrong("culprit", says="none of the classes")(("boat", "vest"))
wrong("culprit", says="two names")("person")

wrong("in_a_voc_program", says="not their sum")(4.1)
wrong("in_a_voc_program", says="one decimal")(29)
wrong("in_a_voc_program", says="that is with 1")(95.3)
wrong("in_a_voc_program", says="left out")(85.9)
wrong("in_a_voc_program", says="in per cent")(0.286)
wrong("in_a_voc_program", says="divided by another number")(57.2)

wrong("middle", says="no pixel")(0.0)
wrong("middle", says="too much")(1)
wrong("middle", says="a number is asked for")("0.35")
wrong("middle", says="no pixel")(1 / 8)

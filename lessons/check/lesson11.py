"""The judge of lesson 11, Broken on purpose. What speaks against a diagnosis is taken from the saved runs."""
from functools import cache

import numpy as np

from lessons import broken
from lessons.check.judge import NotWritten, Wrong, exercise, number, value
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.images import nearest
from minifcn.metrics import IGNORE, ConfusionMatrix

SUSPECTS = {"summed loss": "sum", "BGR means": "means", "smooth masks": "smooth", "border counted": "void",
            "IU per batch": "batches", "8s straight away": "straight", "col2im without +=": "overlap"}


@cache
def _counted():
    """The counted pixels of the first eight training images, at the size of the runs."""
    data = VOCSegmentation(harbour.root(), "train")
    return sum(np.count_nonzero(nearest(data.labels(i), 96, 120) != IGNORE) for i in range(8))


def _close(a, b, by=0.02):
    return abs(a - b) <= by * abs(b)


@exercise
def rate_for_sum(answer):
    answer, right = number(answer), 0.04 / _counted()
    for factor, words in (
            (_counted() ** 2, "the other way round: the sum's gradient is the larger one, so its rate must be smaller"),
            (_counted() / 8, "divided by the number of images; but the sum goes over pixels"),
            (_counted() / 0.04, "that is 1 over the number of pixels: the rate for the mean is 0.04, not 1"),
            (25.0, "that is 1 over the number of pixels: the rate for the mean is 0.04, not 1")):
        if _close(answer, right * factor):
            raise Wrong(words)
    if _close(answer, 0.04 / (8 * 96 * 120)):
        raise Wrong("void pixels are not in the sum: divide by those that are counted")
    if not _close(answer, right):
        raise Wrong("a step is rate times gradient, and the sum's gradient is `counted` times the mean's: with which "
                    "rate does the product stay what it is?")
    return f"0.04 / {_counted():,} = {right:.2g}: the same steps"


@exercise
def first_sum(answer):
    answer, right = number(answer), _counted() * np.log(7)
    if _close(answer, np.log(7)):
        raise Wrong("that is the mean's, ln 7; how many pixels are added up?")
    if _close(answer, 8 * 96 * 120 * np.log(7)):
        raise Wrong("all pixels of eight images; but void ones add nothing")
    if _close(answer, 8 * np.log(7)):
        raise Wrong("eight images, but the sum goes over their pixels")
    if not _close(answer, right, 0.01):
        raise Wrong("scores of zero cost ln 7 at every counted pixel, and the sum adds these up")
    return f"{_counted():,} times ln 7 is {right:,.0f}"


@exercise
def invented(answer):
    cases = [(np.array([[2, 2, 6, 6]]), np.array([[2, 4, 6]]), [4]),
             (np.array([[5, 5, 255, 0]]), np.array([[5, 3, 1, 0]]), [1, 3]),
             (np.array([[5, 5, 6, 0]]), np.array([[5, 255, 0, 0]]), []),
             (np.array([[0, 255, 3]]), np.array([[0, 0, 3]]), [])]
    for before, after, right in cases:
        if not callable(value(answer)):
            raise Wrong("a function is asked for: give its name, without brackets after it")
        mine = answer(before.astype(np.uint8), after.astype(np.uint8))
        if mine is None or mine is ...:  # not judge.run, for which an empty list is not written yet
            raise NotWritten
        try:
            listed = sorted(int(k) for k in mine)
        except TypeError as error:
            raise Wrong(f"a list of classes is asked for, not {mine!r}") from error
        shown = f"before {before[0].tolist()}, after {after[0].tolist()}: {listed}, and should be {right}"
        if listed == right:
            continue
        if 255 in listed:
            raise Wrong(f"{shown}. 255 is void and no class")
        if set(listed) & set(before.ravel().tolist()):
            raise Wrong(f"{shown}. What was there before is not invented: what of `after` is not in `before`?")
        raise Wrong(shown)
    return "on four masks, one of them with void made where there was none, which invents no class"


@exercise
def two_pictures(answer):
    answer = value(answer)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("two numbers are asked for: (mean of the two pictures' IUs, IU counted once)")
    mine = tuple(float(part) for part in answer)
    truth, guess = np.array([[1] * 8 + [0] * 2, [1] * 2 + [0] * 8]), np.array([[1] * 8 + [0] * 2, [0] * 10])
    each = [ConfusionMatrix(2).update(g, t).iu[1] for g, t in zip(guess, truth, strict=True)]
    right = (float(np.mean(each)), float(ConfusionMatrix(2).update(guess, truth).iu[1]))
    if np.allclose(mine, right[::-1], atol=0.005):
        raise Wrong("the other way round: the mean of the pictures first, then the one count")
    if abs(mine[0] - right[0]) > 0.005:
        raise Wrong(f"the buoy's IU is {each[0]:g} in the first picture and {each[1]:g} in the second; their mean is "
                    f"not {mine[0]:g}")
    if abs(mine[1] - right[1]) > 0.005:
        raise Wrong("counted once: all pixels that are buoy in both maps, over all that are buoy in at least one, both "
                    "pictures taken together")
    return f"{right[0]:g} and {right[1]:g}: the same two answers, two numbers"


@exercise
def factor(answer):
    answer = number(answer)
    if _close(answer, 100):
        raise Wrong("the step of w is 100 times as large; and the score is w times the feature, which is 100 times as "
                    "large too")
    if _close(answer, 200):
        raise Wrong("the two factors of 100 multiply")
    if not _close(answer, 100**2):
        raise Wrong("dw = dscore * f, then w moves by rate * dw, then the score by f times that: how often is f in it?")
    return "f enters twice, once in the gradient and once in the score: 100 * 100"


@cache
def _runs():
    return {name: broken.read(letter) for letter, name in broken.LETTERS.items()}


def _against(guess, name):
    """What in a run's saved numbers and pictures speaks against a wrong guess."""
    its, healthy, again = _runs()[name], _runs()["healthy"], _runs()["healthy-again"]
    truth, right_truth = its["truth"], healthy["truth"]
    first, final, a_final = its["steps"][0], its["mean_iu"][-1], healthy["mean_iu"][-1]
    luck = abs(a_final - again["mean_iu"][-1])
    if guess == "sum":
        return (f"a sum over some {_counted():,} pixels would start near {_counted() * np.log(7):,.0f}; this run's "
                f"first loss is {first:.3f}, ln 7, as it should be")
    if not np.isfinite(its["steps"]).all():
        return f"it would leave the first loss at ln 7, since all scores start at zero; here it is {first:,.0f}"
    if guess == "batches":
        return (f"its validation loss ends at {its['val_loss'][-1]:.4f}, A's at {healthy['val_loss'][-1]:.4f}: another "
                "ruler for the answers leaves the loss as it is")
    if guess == "straight":
        return (f"8s from the first step on draws finer than 32s by epoch 4; this run has a mean IU of "
                f"{its['mean_iu'][3]:.2f} then (A: {healthy['mean_iu'][3]:.2f}), and its picture is nothing but blobs")
    if guess == "void":
        void, right_void = (np.count_nonzero(labels == IGNORE) for labels in (truth, right_truth))
        return (f"with it no void would be left; in its truth {void} pixels of the two pictures that were kept are "
                f"void (in A's {right_void})")
    if guess == "smooth":
        both = (truth != IGNORE) & (right_truth != IGNORE)
        differ = np.count_nonzero((truth != right_truth) & both)
        return (f"its truth and A's differ in {differ} pixels where both have a class: nothing was made up along the "
                "borders. (Look at the truth, not at the answer)")
    if not np.array_equal(truth, right_truth):
        return "its truth is not A's (look closely at the borders), and this suspect touches no label"
    if np.array_equal(its["val_loss"], healthy["val_loss"]):
        return "its losses are A's to the last digit: every step was the same, and only what is said of them differs"
    if guess == "overlap" and its["steps"][1] != healthy["steps"][1]:
        return (f"its second loss is {its['steps'][1]:.4f}, A's {healthy['steps'][1]:.4f}: a wrong gradient in the "
                "body is seen in the third loss at the earliest, for in the first step the body gets none")
    if its["steps"][1] == healthy["steps"][1]:
        return (f"its second loss is A's to the last digit, {its['steps'][1]:.4f}: net and input were the same until "
                f"then, and other means change every input. And it ends {a_final - final:.2f} behind A, where A and A' "
                f"lie {luck:.3f} apart")
    return (f"it ends {final - a_final:.2f} ahead of A, where A and A' lie {luck:.3f} apart; why should wrong means "
            "help? Look at its picture after epoch 4")


def _diagnosis(letter):
    """The judge of one case."""
    def case(answer):
        guess, name = value(answer), broken.LETTERS[letter]
        if guess not in SUSPECTS:
            raise Wrong(f"{guess!r} is none of the seven: {', '.join(SUSPECTS)}")
        if SUSPECTS[guess] != name:
            raise Wrong(f"not {guess}: {_against(SUSPECTS[guess], name)}")
        return f"{guess}. The line is shown in section {6 if letter == 'G' else 5}"

    case.__name__ = f"case_{letter.lower()}"
    return exercise(case)


case_b, case_c, case_d, case_e, case_f, case_g, case_h = map(_diagnosis, "BCDEFGH")

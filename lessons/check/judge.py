"""What every judge of an exercise needs: call the answer, compare what comes, say in words what is wrong with it.

A judge is a function of one answer, decorated with @exercise. It compares with the library or asks the gradient
checker, and returns the words for a right answer; it knows no answer key. An answer of None (or ...) is not written
yet, which is no mistake.
"""
import functools
import inspect
from pathlib import Path
from types import TracebackType

import numpy as np

from minifcn.gradcheck import numeric_gradient

CLOSE = 1e-6  # relative to the size of the array: the answers are computed in float64


class Wrong(AssertionError):
    """An answer that is not right yet. A notebook shows the words alone, without a traceback."""

    def _render_traceback_(self):  # asked for by IPython
        return [f"not right yet: {self}"]


class NotWritten(Exception):
    """The answer is None, or gives None."""


def exercise(judge):
    """Make a check of a judge: it prints what is to be said, and raises Wrong for a wrong answer.

    What the answer itself raises comes through, with the answer's own lines in the traceback and none of the judge's.
    """
    @functools.wraps(judge)
    def check(answer):
        __tracebackhide__ = True  # asked for by IPython
        try:
            praise = judge(answer)
        except NotWritten:
            print("not written yet")
        except Wrong:
            raise
        except Exception as error:
            raise error.with_traceback(_without_judges(error.__traceback__)) from None
        else:
            print(f"right: {praise}")

    check.is_exercise = True
    return check


def _without_judges(traceback):
    if traceback is None:
        return None
    rest = _without_judges(traceback.tb_next)
    if Path(traceback.tb_frame.f_code.co_filename).parent == Path(__file__).parent:
        return rest
    return TracebackType(rest, traceback.tb_frame, traceback.tb_lasti, traceback.tb_lineno)


def exercises(module):
    """{name: check} of the checks that a module defines."""
    return {name: check for name, check in vars(module).items() if getattr(check, "is_exercise", False)}


def value(answer):
    """The answer itself, a number or a text or a tuple of them. Raises NotWritten."""
    parts = answer if isinstance(answer, tuple | list) else (answer,)
    if not len(parts) or any(part is None or part is ... for part in parts):
        raise NotWritten
    return answer


def number(answer):
    """The answer as one float. Raises NotWritten, and Wrong for what is no number."""
    value(answer)
    if isinstance(answer, tuple | list) or np.ndim(answer) or np.asarray(answer).dtype.kind not in "iuf":
        raise Wrong(f"a number is asked for, not {answer!r}")
    return float(answer)


def run(answer, *args, **options):
    """What the answer, a function, makes of copies of the arguments. Raises NotWritten; Wrong where it changes them."""
    if not callable(value(answer)):
        raise Wrong(f"a function is asked for, not {type(answer).__name__}: give its name, without brackets after it")
    given = [_copy(arg) for arg in args]
    result = answer(*given, **options)
    # a cache holds None where there is no bias: only what is not a tuple within a tuple is looked at
    value(result if not isinstance(result, tuple) else tuple(part for part in result if not isinstance(part, tuple)))
    names = [*inspect.signature(answer).parameters]
    for i, (before, after) in enumerate(zip(args, given, strict=True)):
        if not _same(before, after):
            name = names[min(i, len(names) - 1)]
            raise Wrong(f"the function writes into its argument {name}: whoever called it may need that again")
    return result


def equal(mine, truth, name, *, suspects=None, close=CLOSE):
    """Raise Wrong, with words about what may have happened, unless `mine` equals `truth` within rounding.

    suspects {words: what a likely mistake would give}: where `mine` equals one of these, its words are said.
    """
    value(mine)
    if isinstance(mine, tuple) and np.ndim(truth) > 1:
        raise Wrong(f"{name}: one array is asked for, not a tuple of {len(mine)}")
    mine, truth = np.asarray(mine), np.asarray(truth)
    for words, wrong in (suspects or {}).items():
        wrong = np.asarray(wrong)
        if wrong.shape == mine.shape and not near(wrong, truth, close) and near(mine, wrong, close):
            raise Wrong(f"{name}: {words}")
    if mine.shape != truth.shape:
        raise Wrong(f"{name} has shape {mine.shape}, and should have {truth.shape}{_about_shape(mine, truth)}")
    if mine.dtype.kind not in "biuf":
        raise Wrong(f"{name} holds {mine.dtype}, and should hold numbers")
    if near(mine, truth, close):
        return
    raise Wrong(f"{name} {_difference(mine, truth, close)}")


def gradient(f, x, dy, mine, name, *, suspects=None):
    """Raise Wrong unless `mine` is the gradient of sum(f(x) * dy) for x, by central differences (float64)."""
    equal(mine, numeric_gradient(f, x, dy), name, suspects=suspects)


def near(a, b, close=CLOSE):
    """Whether all of a lies within `close` of b, relative to b's size. NaN is near nothing."""
    if a.shape != b.shape:
        return False
    return bool(np.all(np.abs(np.subtract(a, b, dtype=float)) <= close * (_size(b) + 1e-12)))


def _difference(mine, truth, close):
    """Words for arrays of one shape that are not equal."""
    if not np.isfinite(mine).all():
        return f"has {np.count_nonzero(~np.isfinite(mine))} elements that are no finite numbers"
    if not mine.any():
        return "is 0 everywhere"
    if truth.ndim and truth.any():
        factor = float(np.vdot(truth, mine) / np.vdot(truth, truth))
        if near(mine, factor * truth, close):
            return f"is exactly {_times(factor)} what it should be"
    if truth.ndim >= 2 and truth.shape[-1] == truth.shape[-2] and near(mine, truth.swapaxes(-1, -2), close):
        return "has its last two axes swapped"
    if truth.ndim >= 2 and near(mine, truth[..., ::-1, ::-1], close):
        return "is turned by half a turn (both last axes run backwards)"
    wrong = ~(np.abs(np.subtract(mine, truth, dtype=float)) <= close * (_size(truth) + 1e-12))
    if not truth.ndim:
        return f"is {mine:.6g}, and should be {truth:.6g}"
    worst = np.unravel_index(np.abs(np.subtract(mine, truth, dtype=float)).argmax(), truth.shape)
    where = ", ".join(map(str, worst))
    return (f"is wrong in {np.count_nonzero(wrong)} of {wrong.size} elements{_where(wrong)}, most at [{where}]: "
            f"{mine[worst]:.6g}, and should be {truth[worst]:.6g}")


def _times(factor):
    names = {2: "twice", 0.5: "half", -1: "minus", 3: "three times", 4: "four times", 1 / 3: "a third of",
             0.25: "a quarter of"}
    return next((words for number, words in names.items() if abs(factor - number) < 1e-6), f"{factor:.6g} times")


def _where(wrong):
    """Whether wrong elements lie at the border of the last two axes, or in the middle only."""
    if wrong.ndim < 2 or min(wrong.shape[-2:]) < 3:
        return ""
    inside = wrong[..., 1:-1, 1:-1]
    if not inside.any():
        return ", all along the border"
    return ", none of them along the border" if np.count_nonzero(inside) == np.count_nonzero(wrong) else ""


def _about_shape(mine, truth):
    if mine.size == truth.size and sorted(mine.shape) == sorted(truth.shape):
        return ": the same axes in another order"
    if mine.size == truth.size:
        return ": as many numbers, to be reshaped"
    if mine.ndim == truth.ndim + 1:
        return ": one axis is still to be summed over"
    return ""


def _size(a):
    return np.abs(a).max() if a.size else 0.0


def _copy(arg):
    if isinstance(arg, tuple):
        return tuple(_copy(part) for part in arg)
    return arg.copy() if isinstance(arg, np.ndarray | dict) else arg


def _same(before, after):
    if isinstance(before, tuple):
        return all(_same(a, b) for a, b in zip(before, after, strict=True))
    return not isinstance(before, np.ndarray) or np.array_equal(before, after, equal_nan=True)

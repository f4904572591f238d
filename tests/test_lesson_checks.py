"""The judges of the lessons: each refuses plausible wrong answers, in words that help."""
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from lessons.check import judge

LESSONS = sorted(path.stem for path in Path(judge.__file__).parent.glob("lesson*.py"))
WRONG = [(lesson, *answer) for lesson in LESSONS
         for answer in import_module(f"wrong_answers.{lesson}").wrong.answers]


def name(parameter):
    return getattr(parameter, "__name__", None) if callable(parameter) else str(parameter)[:40]


@pytest.mark.parametrize(("lesson", "exercise", "answer", "says"), WRONG, ids=name)
def test_a_wrong_answer_is_refused_in_words_that_help(lesson, exercise, answer, says):
    check = judge.exercises(import_module(f"lessons.check.{lesson}"))[exercise]
    with pytest.raises(judge.Wrong) as refused:
        check(answer)
    assert says in str(refused.value)


@pytest.mark.parametrize("lesson", LESSONS)
def test_each_exercise_has_two_wrong_answers_and_knows_an_unwritten_one(lesson, capsys):
    for exercise, check in judge.exercises(import_module(f"lessons.check.{lesson}")).items():
        assert sum((lesson, exercise) == answer[:2] for answer in WRONG) >= 2, exercise
        check(None)
        assert capsys.readouterr().out == "not written yet\n"


@judge.exercise
def double(answer):
    x = np.arange(12.0).reshape(3, 4) + 1
    judge.equal(judge.run(answer, x), 2 * x, "y", suspects={"that is the square": x * x})
    return "y is 2 x"


def test_a_right_answer_is_praised(capsys):
    double(lambda x: x + x)
    assert capsys.readouterr().out == "right: y is 2 x\n"


@pytest.mark.parametrize("nothing", [None, ..., lambda x: None, lambda x: ...])
def test_nothing_written_is_no_mistake(nothing, capsys):
    double(nothing)
    assert capsys.readouterr().out == "not written yet\n"


def writes(x):
    x *= 2
    return x


def off_inside(x):
    y = 2 * x
    y[1, 1:3] = 0
    return y


def off_at_the_border(x):
    y = 2 * x
    y[0, 1] = np.pi
    return y


@pytest.mark.parametrize(("answer", "says"), [
    (lambda x: 4 * x, "exactly twice"), (lambda x: x, "exactly half"), (lambda x: -2 * x, "exactly minus"),
    (lambda x: x * x, "that is the square"), (lambda x: 0 * x, "0 everywhere"), (lambda x: x / 0, "no finite"),
    (lambda x: 2 * x.T, "axes in another order"), (lambda x: 2 * x[..., None], "shape (3, 4, 1)"),
    (lambda x: 2 * x[:, ::-1][::-1], "half a turn"), (writes, "argument x"), (off_inside, "none of them along the"),
    (off_at_the_border, "most at [0, 1]: 3.14159, and should be 4"), (off_at_the_border, "all along the border"),
    (lambda x: (x, x), "not a tuple"), (lambda x: "xy", "shape"), (3, "a function is asked for"),
])
def test_what_is_wrong_is_said(answer, says):
    with np.errstate(all="ignore"), pytest.raises(judge.Wrong) as refused:
        double(answer)
    assert says in str(refused.value)


def test_what_an_answer_raises_shows_its_own_lines_and_not_those_of_the_judge():
    def reaches_too_far(x):
        return x[7]

    with pytest.raises(IndexError) as error:
        double(reaches_too_far)
    shown = [frame for frame in error.traceback if "__tracebackhide__" not in frame.frame.f_locals]
    names = [frame.name for frame in shown]
    assert names[-1] == "reaches_too_far" and not {"check", "run"} & set(names)


def test_a_notebook_shows_the_words_alone():
    assert judge.Wrong("too small")._render_traceback_() == ["not right yet: too small"]

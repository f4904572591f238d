"""Lesson 11's program and its mistakes: each changes one line, and really does what is said of it."""
import inspect
import json

import numpy as np
import pytest

from lessons import broken
from lessons.build import SOURCE
from minifcn.datasets import VOCSegmentation
from minifcn.gradcheck import assert_gradient
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import build
from minifcn.ops import col2im, conv2d, im2col

TEXT = next(SOURCE.glob("11_*.py")).read_text(encoding="utf-8")


@pytest.fixture
def few(monkeypatch):
    """Data sets have eight images only: enough for a step."""
    monkeypatch.setattr(VOCSegmentation, "__len__", lambda self: 8)


@pytest.mark.parametrize("piece", broken.PROGRAM, ids=lambda piece: piece.__name__)
def test_the_program_is_literally_what_stands_in_the_lesson(piece):
    assert inspect.getsource(piece).rstrip() in TEXT


def test_every_letter_is_a_run_that_was_kept():
    assert sorted(broken.LETTERS.values()) == sorted(broken.NAMES)
    for letter in broken.LETTERS:
        run = broken.read(letter)
        assert run["steps"].shape == (250,) and run["iu"].shape == (10, 7)
        assert run["truth"].shape == run["epoch4"].shape == run["epoch10"].shape == (2, 96, 120)
    assert sum(path.stat().st_size for path in broken.RUNS.iterdir()) < 300_000


def test_only_the_ruler_differs_where_only_the_ruler_was_changed():
    healthy, batches = broken.read("A"), broken.read("D")
    assert np.array_equal(healthy["steps"], batches["steps"]) and np.array_equal(healthy["iu"], batches["iu"])
    assert not np.array_equal(healthy["mean_iu"], batches["mean_iu"])


@pytest.mark.parametrize("mistake", broken.MISTAKES)
def test_a_mistake_is_one_line(mistake):
    right, wrong = broken.MISTAKES[mistake]
    text = "".join(inspect.getsource(piece) for piece in broken.PROGRAM)
    assert text.count(right) == 1 and wrong not in text and "\n" not in right + wrong
    assert set(broken.program(mistake)) == {piece.__name__ for piece in broken.PROGRAM}


def test_a_line_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setitem(broken.MISTAKES, "void", ("no such line", ""))
    with pytest.raises(ValueError, match="void: its line is in the program 0 times"):
        broken.program("void")


def first_step(mistake):
    """(net, losses, labels) after the first epoch: one step on eight images."""
    run = broken.program(mistake)
    x, labels = run["load"]("train")
    net, losses = next(run["train"](x, labels))
    return net, losses, labels


@pytest.mark.parametrize("mistake", [None, *broken.MISTAKES])
def test_every_run_takes_its_first_step(few, mistake):
    net, (loss,), labels = first_step(mistake)
    guess = np.log(7)  # scores start at zero
    assert loss == pytest.approx(guess * (np.count_nonzero(labels != 255) if mistake == "sum" else 1), rel=1e-5)
    assert net.name == ("fcn8s" if mistake == "straight" else "fcn32s")
    assert net.grads["score_fr.w"].any() and not net.grads["conv1_1.w"].any()  # behind weights of zero


def test_smoothed_masks_invent_classes_and_lose_void(few):
    _, right = broken.program()["load"]("val")
    _, wrong = broken.program("smooth")["load"]("val")
    both = (right != 255) & (wrong != 255)
    assert 0.01 < np.mean(right[both] != wrong[both]) < 0.1
    assert np.count_nonzero(wrong == 255) < 0.8 * np.count_nonzero(right == 255)
    assert all(set(np.unique(mask)) <= set(np.unique(stored)) for mask, stored in zip(
        right, (VOCSegmentation(broken.harbour.root(), "val").labels(i) for i in range(8)), strict=True))


def test_a_counted_border_is_background_and_nothing_else_changes(few):
    x, right = broken.program()["load"]("val")
    wrong_x, wrong = broken.program("void")["load"]("val")
    assert np.array_equal(wrong, np.where(right == 255, 0, right)) and np.array_equal(x, wrong_x)
    assert wrong.dtype == right.dtype == np.uint8 and (right == 255).any()


def test_the_right_means_are_the_nets_own_and_the_wrong_ones_shift_each_channel(few):
    x, labels = broken.program()["load"]("val")
    shifted, same = broken.program("means")["load"]("val")
    assert x.dtype == shifted.dtype == np.float32 and np.array_equal(labels, same)
    shift = (shifted - x).reshape(8, 3, -1)
    np.testing.assert_allclose(shift, np.broadcast_to(np.array([[0.3749], [0.1770], [0.0831]]), shift.shape), atol=1e-4)
    grey = np.full((1, 2, 2, 3), 128, np.uint8)
    assert not build("fcn32s", classes=7).preprocess(grey).any()


def test_iu_per_batch_is_another_number_and_the_rest_the_same(rng):
    class Net:
        def forward(self, x):
            return x

    scores = rng.normal(size=(8, 7, 5, 6))
    labels = rng.integers(0, 3, size=(8, 5, 6)).astype(np.uint8)
    labels[:4] = 6
    right, wrong = (broken.program(mistake)["score"](Net(), scores, labels) for mistake in (None, "batches"))
    assert np.array_equal(right[0], wrong[0]) and right[1] == wrong[1] and np.array_equal(right[2], wrong[2])
    assert right[3] == ConfusionMatrix(7).update(scores.argmax(axis=1), labels).mean_iu != wrong[3]


def test_overwriting_fails_the_gradient_check(rng):
    x, w, dy = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=(2, 4, 5, 6))
    dcols = w.reshape(4, -1).T @ dy.reshape(2, 4, -1)
    right, wrong = (broken.program(mistake)["col2im"](dcols, x.shape, 3, 1, 1) for mistake in (None, "overlap"))
    np.testing.assert_array_equal(right, col2im(dcols, x.shape, 3, 1, 1))
    assert_gradient(lambda x: conv2d(x, w, pad=1)[0], x, dy, right, "x")
    with pytest.raises(AssertionError, match="dx is wrong"):
        assert_gradient(lambda x: conv2d(x, w, pad=1)[0], x, dy, wrong, "x")
    assert im2col(x, 3, 1, 1).shape == dcols.shape


def test_a_layer_by_hand_has_the_gradients_of_the_librarys(rng):
    dscores = rng.normal(size=(1, 7, 32, 40)).astype(np.float32)
    x = rng.normal(size=(1, 3, 32, 40)).astype(np.float32)
    grads = []
    for by_hand in (False, True):
        net = build("fcn8s", classes=7)
        for name in ("score_fr.w", "score_pool4.w", "score_pool3.w"):
            net.params[name][...] = 0.1
        if by_hand:
            net.body.layers.update({name: broken.ByHand(layer) for name, layer in net.body.layers.items()
                                    if isinstance(layer, broken.Conv2d)})
        net.forward(x, train=True)
        net.backward(dscores)
        grads.append(dict(net.grads))
    for name, grad in grads[0].items():
        np.testing.assert_allclose(grads[1][name], grad, rtol=1e-3, atol=1e-4 * np.abs(grad).max(), err_msg=name)


def test_a_run_is_recorded_and_read(few, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(broken, "RUNS", tmp_path)
    monkeypatch.setattr(broken, "PICTURES", (1, 3))
    assert broken.main(["B"]) == 0
    assert capsys.readouterr().out.count("sum  epoch") == 10
    run = broken.read("B")
    assert run["steps"].shape == (10,) and np.isnan(run["steps"][-1]) and run["epoch10"].shape == (2, 96, 120)
    assert json.loads((tmp_path / "sum.json").read_text())["steps"][-1] is None


def test_a_run_that_is_none_is_refused(capsys):
    with pytest.raises(SystemExit):
        broken.main(["Z"])
    assert "no run 'Z'" in capsys.readouterr().err

"""Softmax cross-entropy at every pixel."""
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifcn.gradcheck import assert_gradient
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.loss import total_weight


@pytest.fixture
def loss_of(on):
    """(loss, dscores) of scores and labels."""
    def both(scores, labels, **options):
        loss, cache = on(softmax_cross_entropy)(scores, labels, **options)
        return loss, on(softmax_cross_entropy_backward)(cache)
    return both


def example(rng, n=2, c=4, height=3, width=5):
    """Scores, and labels with a fifth of the pixels ignored."""
    labels = rng.integers(0, c, size=(n, height, width)).astype(np.uint8)
    labels[rng.random(labels.shape) < 0.2] = 255
    return rng.normal(size=(n, c, height, width)) * 3, labels


def by_definition(scores, labels, weights):
    """(sum of a[t] * -log p[t], sum of a[t]) over counted pixels."""
    total = count = 0
    for n, i, j in np.ndindex(labels.shape):
        t = labels[n, i, j]
        if t != 255:
            e = [math.exp(s) for s in scores[n, :, i, j]]
            total -= weights[t] * math.log(e[t] / sum(e))
            count += weights[t]
    return total, count


@given(n=st.integers(1, 3), c=st.integers(1, 5), height=st.integers(1, 4), width=st.integers(1, 4),
       weighted=st.booleans())
def test_values_are_those_of_the_definition(loss_of, rng, n, c, height, width, weighted):
    scores, labels = example(rng, n, c, height, width)
    a = rng.random(c) + 0.5 if weighted else None
    total, count = by_definition(scores, labels, np.ones(c) if a is None else a)
    mean, _ = loss_of(scores, labels, class_weight=a)
    np.testing.assert_allclose(mean, total / (count or 1), rtol=1e-12, atol=1e-14)
    summed, _ = loss_of(scores, labels, class_weight=a, reduction="sum")
    np.testing.assert_allclose(summed, total, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("class_weight", [None, np.array([0.5, 2, 0, 1])])
def test_parts_of_a_batch_add_up_to_its_mean(on, loss_of, rng, class_weight):
    scores, labels = example(rng, n=3)
    loss, dscores = loss_of(scores, labels, class_weight=class_weight)
    counted = total_weight(labels, class_weight=class_weight)
    a = np.ones(4) if class_weight is None else class_weight
    assert counted == pytest.approx(by_definition(scores, labels, a)[1])
    parts = [loss_of(scores[s], labels[s], class_weight=class_weight, counted=counted)
             for s in (slice(0, 1), slice(1, 3))]
    np.testing.assert_allclose(sum(part[0] for part in parts), loss, rtol=1e-12)
    np.testing.assert_allclose(np.concatenate([part[1] for part in parts]), dscores, rtol=1e-12)


def test_what_is_no_class_has_no_weight(rng):
    with pytest.raises(ValueError, match="labels 1..7 are not all classes 0..2 or 255"):
        total_weight(np.array([[[1, 7]]]), class_weight=np.ones(3))
    with pytest.raises(TypeError, match="must be integers"):
        total_weight(np.ones((1, 2, 2)), class_weight=np.ones(3))


def test_the_mean_over_no_image_is_0(loss_of):
    loss, dscores = loss_of(np.empty((0, 3, 4, 5)), np.empty((0, 4, 5), int))
    assert loss == 0 and dscores.shape == (0, 3, 4, 5)


def test_a_batch_without_a_counted_pixel_weighs_nothing(loss_of, rng):
    scores, labels = example(rng)
    labels[...] = 255
    assert total_weight(labels) == total_weight(labels, class_weight=np.ones(4)) == 0
    loss, dscores = loss_of(scores, labels, counted=0.0)
    assert loss == 0 and not dscores.any()


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("class_weight", [None, np.array([0.5, 2, 0, 1])])
def test_gradient_is_that_of_central_differences(loss_of, rng, reduction, class_weight):
    scores, labels = example(rng)
    options = {"reduction": reduction, "class_weight": class_weight}
    _, dscores = loss_of(scores, labels, **options)
    assert_gradient(lambda s: softmax_cross_entropy(s, labels, **options)[0], scores, 1.0, dscores, "scores")


@pytest.mark.parametrize("classes", [2, 7, 21])
def test_uniform_scores_cost_log_c(loss_of, rng, classes):
    labels = rng.integers(0, classes, size=(2, 3, 5))
    np.testing.assert_allclose(loss_of(np.full((2, classes, 3, 5), 4.2), labels)[0], math.log(classes))


def test_ignored_pixels_change_neither_loss_nor_gradient(loss_of, rng):
    scores, labels = example(rng)
    loss, dscores = loss_of(scores, labels)
    ignored = np.broadcast_to((labels == 255)[:, None], scores.shape)
    assert not dscores[ignored].any()
    other_loss, other_dscores = loss_of(np.where(ignored, rng.normal(size=scores.shape) * 1e3, scores), labels)
    assert loss == other_loss
    np.testing.assert_array_equal(dscores, other_dscores)


def test_another_label_can_be_the_ignored_one(loss_of, rng):
    scores, labels = example(rng)
    marked = np.where(labels == 255, -1, labels.astype(int))
    assert loss_of(scores, labels)[0] == loss_of(scores, marked, ignore=-1)[0]
    scores, labels = rng.normal(size=(1, 3, 2, 2)), np.array([[[0, 1], [2, 1]]])
    assert loss_of(scores, labels, ignore=0)[0] == loss_of(scores, np.where(labels == 0, 255, labels))[0]


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_the_loss_over_no_pixel_at_all_is_zero_with_zero_gradient(loss_of, rng, reduction):
    loss, dscores = loss_of(rng.normal(size=(2, 3, 4, 5)), np.full((2, 4, 5), 255, np.uint8), reduction=reduction)
    assert loss == 0 and not dscores.any()


def test_the_sum_is_the_mean_times_the_counted_pixels(loss_of, rng):
    scores, labels = example(rng)
    count = np.count_nonzero(labels != 255)
    mean, dmean = loss_of(scores, labels)
    total, dtotal = loss_of(scores, labels, reduction="sum")
    np.testing.assert_allclose(total, mean * count)
    np.testing.assert_allclose(dtotal, dmean * count)


def test_class_weights_of_one_are_none_at_all_and_their_scale_does_not_matter_to_the_mean(loss_of, rng):
    scores, labels = example(rng)
    for weight in (1.0, 7.0):
        for weighted, plain in zip(loss_of(scores, labels, class_weight=np.full(4, weight)), loss_of(scores, labels),
                                   strict=True):
            np.testing.assert_allclose(weighted, plain)


def test_images_of_a_batch_count_by_their_pixels(loss_of, rng):
    """The mean is over all counted pixels of the batch, not a mean of means."""
    scores, labels = example(rng)
    labels[0, 1:] = 255
    sums = sum(loss_of(scores[i:i + 1], labels[i:i + 1], reduction="sum")[0] for i in range(2))
    np.testing.assert_allclose(loss_of(scores, labels)[0], sums / np.count_nonzero(labels != 255))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_huge_scores_do_not_overflow(loss_of, dtype):
    scores = np.array([1e30, -1e30, 0], dtype).reshape(1, 3, 1, 1)
    for label, wanted in ((0, 0), (1, 2e30), (2, 1e30)):
        loss, dscores = loss_of(scores, np.full((1, 1, 1), label))
        np.testing.assert_allclose(loss, wanted, rtol=1e-6)
        np.testing.assert_array_equal(dscores[0, :, 0, 0], [1 - (label == 0), -(label == 1.0), -(label == 2.0)])


def test_adding_a_number_to_all_scores_of_a_pixel_changes_nothing(loss_of, rng):
    scores, labels = example(rng)
    np.testing.assert_allclose(loss_of(scores + 100, labels)[0], loss_of(scores, labels)[0])


@pytest.mark.parametrize("weight_dtype", [None, np.float32, np.float64])
@pytest.mark.parametrize("label_dtype", [np.uint8, np.int32, np.int64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_of_the_scores_stays(loss_of, rng, dtype, label_dtype, weight_dtype):
    scores, labels = example(rng)
    a = None if weight_dtype is None else np.ones(4, weight_dtype)
    loss, dscores = loss_of(scores.astype(dtype), labels.astype(label_dtype), class_weight=a)
    assert loss.dtype == dscores.dtype == dtype and loss.shape == ()


def test_a_million_pixels_in_float32_lose_no_digits(loss_of, rng):
    scores, labels = example(rng, 1, 2, 1000, 1000)
    exact, _ = loss_of(scores, labels)
    single, _ = loss_of(scores.astype(np.float32), labels)
    np.testing.assert_allclose(single, exact, rtol=1e-6)


@pytest.mark.parametrize("label", [4, 254, -1])
def test_a_label_that_is_no_class_is_an_error_that_names_it(rng, label):
    scores, labels = example(rng)
    labels = labels.astype(int)
    labels[1, 2, 3] = label
    with pytest.raises(ValueError, match=rf"{label}.* not all classes 0\.\.3 or 255"):
        softmax_cross_entropy(scores, labels)


@pytest.mark.parametrize(("labels", "options", "error", "message"), [
    (np.zeros((2, 3, 5)), {}, TypeError, "integers, not float64"),
    (np.zeros((2, 5, 3), int), {}, ValueError, "do not fit"),
    (np.zeros((2, 4, 3, 5), int), {}, ValueError, "do not fit"),
    (np.zeros((2, 3, 5), int), {"reduction": "none"}, ValueError, "neither mean nor sum"),
    (np.zeros((2, 3, 5), int), {"class_weight": np.ones(5)}, ValueError, "class_weight"),
])
def test_what_does_not_fit_is_a_clear_error(labels, options, error, message):
    with pytest.raises(error, match=message):
        softmax_cross_entropy(np.zeros((2, 4, 3, 5)), labels, **options)


def test_arrays_of_two_libraries_are_an_error_that_names_both(cupy):
    with pytest.raises(TypeError, match="cupy and numpy"):
        softmax_cross_entropy(cupy.asarray(np.zeros((1, 2, 3, 3))), np.zeros((1, 3, 3), int))

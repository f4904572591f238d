"""One confusion matrix, four scores."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifcn.metrics import ConfusionMatrix, resolution_bound

# 3 classes: 10 pixels of class 0, 6 of 1, 4 of 2
TRUTH = np.repeat([0, 0, 1, 1, 2, 2], [8, 2, 5, 1, 1, 3])
GUESS = np.repeat([0, 1, 1, 2, 0, 2], [8, 2, 5, 1, 1, 3])
NAMES = ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")


def test_rows_are_truth_and_columns_predictions():
    matrix = ConfusionMatrix(3).update(GUESS, TRUTH)
    np.testing.assert_array_equal(matrix.counts, [[8, 2, 0], [0, 5, 1], [1, 0, 3]])


def test_the_four_scores_are_those_worked_out_by_hand():
    matrix = ConfusionMatrix(3).update(GUESS, TRUTH)
    iu = np.array([8 / 11, 5 / 8, 3 / 5])  # hits over the union of truth and prediction
    np.testing.assert_allclose(matrix.iu, iu)
    np.testing.assert_allclose(matrix.accuracy, [8 / 10, 5 / 6, 3 / 4])
    np.testing.assert_allclose(matrix.pixel_accuracy, 16 / 20)
    np.testing.assert_allclose(matrix.mean_accuracy, (8 / 10 + 5 / 6 + 3 / 4) / 3)
    np.testing.assert_allclose(matrix.mean_iu, iu.mean())
    np.testing.assert_allclose(matrix.fw_iu, (10 * iu[0] + 6 * iu[1] + 4 * iu[2]) / 20)
    assert matrix.scores() == {name: getattr(matrix, name) for name in NAMES}
    assert list(matrix.scores()) == list(NAMES)


@given(seed=st.integers(0, 99), cuts=st.lists(st.integers(0, 12), max_size=4))
def test_scores_do_not_depend_on_the_batch_size(seed, cuts):
    rng = np.random.default_rng(seed)
    truth, guess = rng.integers(0, 5, size=(2, 12, 6, 5))
    whole, pieces = ConfusionMatrix(5).update(guess, truth), ConfusionMatrix(5)
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 12], strict=True):
        pieces.update(guess[a:b], truth[a:b])
    assert pieces.scores() == whole.scores()


def test_void_is_outside_the_matrix():
    with_void = ConfusionMatrix(3).update(np.append(GUESS, [0, 1, 2]), np.append(TRUTH, [255, 255, 255]))
    np.testing.assert_array_equal(with_void.counts, ConfusionMatrix(3).update(GUESS, TRUTH).counts)


def test_labels_that_are_no_class_are_outside_the_matrix():
    matrix = ConfusionMatrix(2).update(np.zeros(4, int), np.array([-1, 2, 0, 254]))
    assert matrix.counts.sum() == 1


def test_a_class_absent_from_truth_and_prediction_is_left_out():
    matrix = ConfusionMatrix(4).update(GUESS, TRUTH)
    assert np.isnan(matrix.iu[3]) and np.isnan(matrix.accuracy[3])
    assert matrix.scores() == ConfusionMatrix(3).update(GUESS, TRUTH).scores()


def test_a_class_predicted_but_absent_from_the_truth_has_iu_0_and_counts():
    matrix = ConfusionMatrix(3).update(np.array([0, 0, 2, 1]), np.array([0, 0, 0, 1]))
    np.testing.assert_allclose(matrix.iu, [2 / 3, 1, 0])
    assert np.isnan(matrix.accuracy[2])
    np.testing.assert_allclose(matrix.mean_iu, (2 / 3 + 1 + 0) / 3)
    np.testing.assert_allclose(matrix.mean_accuracy, (2 / 3 + 1) / 2)
    np.testing.assert_allclose(matrix.fw_iu, (3 * 2 / 3 + 1 * 1) / 4)


def test_before_the_first_pixel_every_score_is_nan():
    assert all(np.isnan(score) for score in ConfusionMatrix(3).scores().values())


def test_a_perfect_prediction_scores_one():
    assert set(ConfusionMatrix(3).update(TRUTH, TRUTH).scores().values()) == {1.0}


def test_small_integers_do_not_overflow():
    """Class 20 times 21 classes is more than a byte holds."""
    matrix = ConfusionMatrix(21).update(np.full(300, 19, np.uint8), np.full(300, 20, np.uint8))
    assert matrix.counts[20, 19] == 300


def test_predictions_may_come_from_the_gpu(xp):
    matrix = ConfusionMatrix(3).update(xp.asarray(GUESS), TRUTH)
    assert matrix.scores() == ConfusionMatrix(3).update(GUESS, TRUTH).scores()


def test_shapes_that_differ_are_an_error():
    with pytest.raises(ValueError, match=r"predicted \(1, 4\) and labels \(4, 1\)"):
        ConfusionMatrix(2).update(np.zeros((1, 4), int), np.zeros((4, 1), int))


def test_a_prediction_that_is_no_class_is_an_error():
    with pytest.raises(ValueError, match=r"predictions 0\.\.3 are not all classes 0\.\.2"):
        ConfusionMatrix(3).update(np.array([0, 3]), np.array([0, 1]))


def blocks(height=40, width=36):
    """A 2 x 2 chessboard of classes 0..3 with a void line."""
    labels = np.zeros((height, width), np.uint8)
    labels[:height // 2, width // 2:], labels[height // 2:, :width // 2], labels[height // 2:, width // 2:] = 1, 2, 3
    labels[height // 2 - 1] = 255
    return labels


@pytest.mark.parametrize("factor", [2, 4, 8, 16, 32])
def test_the_bound_of_a_step_has_the_size_of_the_labels_and_none_but_their_classes(factor):
    labels = blocks()
    bound = resolution_bound(labels, 5, factor)
    assert bound.shape == labels.shape and set(np.unique(bound)) <= {0, 1, 2, 3}


@pytest.mark.parametrize("factor", [1, 2, 8, 32])
def test_one_class_everywhere_survives_every_step(factor):
    assert (resolution_bound(np.full((37, 21), 2, np.uint8), 4, factor) == 2).all()


def test_a_step_of_one_pixel_loses_nothing_that_is_labelled():
    labels = blocks()
    assert ConfusionMatrix(4).update(resolution_bound(labels, 4, 1), labels).mean_iu == 1


def test_a_coarser_step_bounds_lower_and_a_thin_line_is_lost():
    labels = np.zeros((64, 64), np.uint8)
    labels[:, 20:23] = 1
    labels[30:, 30:] = 2
    bounds = [ConfusionMatrix(3).update(resolution_bound(labels, 3, factor), labels) for factor in (4, 8, 32)]
    fine, middle, coarse = (bound.mean_iu for bound in bounds)
    assert 1 > fine > middle > coarse
    assert bounds[-1].iu[1] == 0

"""The judge is judged: a right gradient passes, one wrong element is enough to fail."""
import numpy as np
import pytest

from minifcn.gradcheck import assert_gradient, numeric_gradient


def cube(x):
    return x**3


@pytest.fixture
def case(rng):
    """(x, dy, dx) of a function whose gradient is known."""
    x, dy = rng.normal(size=(2, 3, 4)), rng.normal(size=(2, 3, 4))
    return x, dy, 3 * x**2 * dy


def test_the_right_gradient_passes(case):
    assert_gradient(cube, *case)


def test_the_numeric_gradient_is_exact_for_parabolas(rng):
    x, dy = rng.normal(size=(3, 4)), rng.normal(size=4)
    np.testing.assert_allclose(numeric_gradient(lambda x: (x**2).sum(axis=0), x, dy), 2 * x * dy, rtol=1e-9)


def test_a_function_may_return_one_number(rng):
    x = rng.normal(size=5)
    assert_gradient(lambda x: np.sum(x**2), x, 1.0, 2 * x)


def test_a_function_may_return_a_view_of_its_argument(rng):
    x, dy, dx = rng.normal(size=(3, 4)), rng.normal(size=(2, 2)), np.zeros((3, 4))
    dx[1:, 1:3] = dy
    assert_gradient(lambda x: x[1:, 1:3], x, dy, dx)


@pytest.mark.parametrize("factor", [-1, 0, 0.99, 1.0001, 2, np.nan, np.inf])
def test_one_wrong_element_fails_and_is_named_with_both_values(case, factor):
    x, dy, dx = case
    dx[1, 2, 3] *= factor
    with pytest.raises(AssertionError, match=r"dw is wrong in 1 of 24 elements, most at \[1, 2, 3\]") as failure:
        assert_gradient(cube, x, dy, dx, "w")
    assert f"{dx[1, 2, 3]:.6g} given" in str(failure.value)


def test_a_small_element_beside_large_ones_is_not_overlooked():
    x = np.full(10, 100.0)
    x[4] = 1.0
    dx = 3 * x**2
    dx[4] = 4.0  # 3 is right, the others are 30000
    with pytest.raises(AssertionError, match=r"\[4\]"):
        assert_gradient(cube, x, np.ones(10), dx)


def test_two_axes_swapped_fail(rng):
    x, w, dy = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), rng.normal(size=(3, 3))
    assert_gradient(lambda w: x @ w, w, dy, x.T @ dy, "w")
    with pytest.raises(AssertionError, match="dw is wrong"):
        assert_gradient(lambda w: x @ w, w, dy, dy.T @ x, "w")


def test_another_shape_fails_even_if_it_broadcasts(case):
    x, dy, dx = case
    with pytest.raises(AssertionError, match=r"dx has shape \(1, 2, 3, 4\), x has \(2, 3, 4\)"):
        assert_gradient(cube, x, dy, dx[None])
    with pytest.raises(AssertionError, match="dx has shape None"):
        assert_gradient(cube, x, dy, None)


def test_a_gradient_of_zeros_must_be_zeros(rng):
    x = rng.normal(size=3)
    assert_gradient(lambda x: 0 * x, x, np.ones(3), np.zeros(3))
    with pytest.raises(AssertionError):
        assert_gradient(lambda x: 0 * x, x, np.ones(3), np.array([0, 1e-9, 0]))


def test_float32_is_refused():
    with pytest.raises(TypeError, match="float64, not float32"):
        numeric_gradient(cube, np.ones(3, np.float32))


def test_x_is_not_touched(case):
    x, dy, dx = case
    x.flags.writeable = False
    assert_gradient(cube, x, dy, dx)

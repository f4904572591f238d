"""relu and dropout."""
import numpy as np
import pytest

from minifcn.gradcheck import assert_gradient
from minifcn.ops import dropout, dropout_backward, relu, relu_backward


@pytest.mark.parametrize("shape", [(3,), (2, 3, 5, 4), (2, 1, 700, 401)])  # the last is cut into pieces
def test_relu_keeps_what_is_positive_and_so_does_its_gradient(on, rng, shape):
    x, dy = rng.normal(size=shape), rng.normal(size=shape)
    y, cache = on(relu)(x)
    np.testing.assert_array_equal(y, np.where(x > 0, x, 0))
    np.testing.assert_array_equal(on(relu_backward)(dy, cache), np.where(x > 0, dy, 0))


def test_relu_gradient_is_that_of_central_differences(on, rng):
    x = rng.normal(size=(2, 3, 4, 5))
    x += np.copysign(0.1, x)  # away from the kink
    y, cache = on(relu)(x)
    dy = rng.normal(size=y.shape)
    assert_gradient(lambda x: relu(x)[0], x, dy, on(relu_backward)(dy, cache))


def test_relu_gradient_is_zero_at_zero(on):
    _, cache = on(relu)(np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_array_equal(on(relu_backward)(np.full(3, 5.0), cache), [0, 0, 5])


def test_relu_lets_nan_through(on):
    assert np.isnan(on(relu)(np.array([np.nan, 1.0]))[0][0])


def test_relu_reads_views(on, rng):
    x, dy = rng.normal(size=(4, 6)), rng.normal(size=(6, 4))
    y, cache = on(relu)(x.T)
    np.testing.assert_array_equal(y, np.where(x.T > 0, x.T, 0))
    np.testing.assert_array_equal(on(relu_backward)(np.asfortranarray(dy), cache), np.where(x.T > 0, dy, 0))


def test_dropout_zeroes_a_share_p_and_scales_the_rest(on, rng, xp):
    y, _ = on(dropout)(np.ones((50, 40, 10)), 0.3, xp.random.default_rng(1))
    np.testing.assert_allclose(y[y != 0], 1 / 0.7)
    assert abs(np.mean(y == 0) - 0.3) < 0.02  # 6 standard deviations


def test_dropout_gradient_goes_through_the_same_mask(on, rng, xp):
    x = rng.normal(size=(4, 5, 6, 7))
    y, cache = on(dropout)(x, 0.5, xp.random.default_rng(1))
    dy = rng.normal(size=x.shape)
    np.testing.assert_allclose(on(dropout_backward)(dy, cache), dy * (y / x), rtol=1e-12)


def test_dropout_is_decided_by_the_generator(on, rng, xp):
    x = rng.normal(size=(4, 5, 6, 7))
    first, again, other = (on(dropout)(x, 0.5, xp.random.default_rng(seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_dropout_of_nothing_changes_nothing(on, rng, xp):
    x = rng.normal(size=(3, 4))
    np.testing.assert_array_equal(on(dropout)(x, 0, xp.random.default_rng(1))[0], x)


@pytest.mark.parametrize("p", [-0.1, 1, float("nan")])
def test_dropout_of_everything_or_less_than_nothing_is_an_error(p):
    with pytest.raises(ValueError, match="is not in"):
        dropout(np.ones(3), p, np.random.default_rng(1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, xp, dtype):
    x = rng.normal(size=(3, 4)).astype(dtype)
    generator = xp.random.default_rng(1)
    for op, backward, options in ((relu, relu_backward, ()), (dropout, dropout_backward, (0.3, generator))):
        y, cache = on(op)(x, *options)
        assert y.dtype == on(backward)(y, cache).dtype == dtype


def test_arrays_of_two_libraries_are_an_error_that_names_both(cupy):
    generator = np.random.default_rng(1)
    for op, backward, options in ((relu, relu_backward, ()), (dropout, dropout_backward, (0.3, generator))):
        y, cache = op(np.ones(3), *options)
        with pytest.raises(TypeError, match="cupy and numpy"):
            backward(cupy.asarray(y), cache)

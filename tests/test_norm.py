"""Local response normalisation."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minifcn.gradcheck import assert_gradient
from minifcn.ops import local_response_norm, local_response_norm_backward

OPTIONS = {"size": 3, "alpha": 0.7, "beta": 0.6, "k": 1.5}  # strong enough for every term to be seen


@given(channels=st.integers(1, 9), size=st.sampled_from([1, 3, 5, 7]))
def test_values_are_those_of_the_definition(on, rng, channels, size):
    x = rng.normal(size=(2, channels, 3, 2))
    wanted = np.empty_like(x)
    for c in range(channels):
        around = [e for e in range(channels) if abs(e - c) <= size // 2]
        wanted[:, c] = x[:, c] / (1.5 + 0.7 / size * sum(x[:, e] ** 2 for e in around)) ** 0.6
    np.testing.assert_allclose(on(local_response_norm)(x, **OPTIONS | {"size": size})[0], wanted, rtol=1e-12)


@pytest.mark.parametrize("size", [1, 3, 5])
def test_gradient_is_that_of_central_differences(on, rng, size):
    options = OPTIONS | {"size": size}
    x = rng.normal(size=(2, 4, 3, 2))
    y, cache = on(local_response_norm)(x, **options)
    dy = rng.normal(size=y.shape)
    dx = on(local_response_norm_backward)(dy, cache)
    assert_gradient(lambda x: local_response_norm(x, **options)[0], x, dy, dx)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, dtype):
    y, cache = on(local_response_norm)(rng.normal(size=(2, 6, 3, 2)).astype(dtype))
    assert y.dtype == on(local_response_norm_backward)(y, cache).dtype == dtype


@pytest.mark.parametrize("size", [0, 4])
def test_an_even_neighbourhood_is_an_error(size):
    with pytest.raises(ValueError, match="odd number of channels"):
        local_response_norm(np.ones((1, 3, 2, 2)), size=size)


def test_arrays_of_two_libraries_are_an_error_that_names_both(cupy):
    y, cache = local_response_norm(np.ones((1, 3, 2, 2)))
    with pytest.raises(TypeError, match="cupy and numpy"):
        local_response_norm_backward(cupy.asarray(y), cache)

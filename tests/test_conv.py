"""Convolution: its values by definition, its three gradients by adjoints everywhere and by differences in between."""
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.signal import correlate2d

from minifcn.gradcheck import assert_gradient
from minifcn.ops import conv2d, conv2d_backward

METHODS = ("auto", "im2col", "winograd")
GRID = [dict(zip(("stride", "k", "pad", "dilation", "groups"), numbers, strict=True))
        for numbers in product((1, 2, 3), (1, 2, 3, 5), (0, 1, 2), (1, 2), (1, 2))]


def conv_by_definition(x, w, b, stride=1, pad=0, dilation=1, groups=1):
    """y[n,f,u,v] = b[f] + the sum of w[f] times the patch at (S*u, S*v) of the channels of f's group."""
    n, c, height, width = x.shape
    f, per_group, k, _ = w.shape
    xpad = np.zeros((n, c, height + 2 * pad, width + 2 * pad))
    xpad[:, :, pad:pad + height, pad:pad + width] = x
    reach = dilation * (k - 1) + 1
    tops, lefts = range(0, height + 2 * pad - reach + 1, stride), range(0, width + 2 * pad - reach + 1, stride)
    y = np.empty((n, f, len(tops), len(lefts)))
    for (u, top), (v, left), i in product(enumerate(tops), enumerate(lefts), range(f)):
        first = i // (f // groups) * per_group
        patch = xpad[:, first:first + per_group, top:top + reach:dilation, left:left + reach:dilation]
        y[:, i, u, v] = b[i] + (patch * w[i]).sum(axis=(1, 2, 3))
    return y


def arrays(rng, k, groups, height=10, width=9, **_):
    return rng.normal(size=(2, 4, height, width)), rng.normal(size=(6, 4 // groups, k, k)), rng.normal(size=6)


def options(case):
    return {name: value for name, value in case.items() if name != "k"}


def methods(case):
    can_winograd = case["k"] == 3 and case["stride"] == case["dilation"] == case["groups"] == 1
    return METHODS if can_winograd else METHODS[:2]


@pytest.mark.parametrize("case", GRID, ids=str)
def test_values_and_gradients_over_the_grid(on, rng, case):
    """Values as defined. For gradients, conv(x, w) is linear in both: <dy, conv(x', w)> == <dx, x'> and
    <dy, conv(x, w')> == <dw, w'> for random x' and w' leave no room for another dx and dw."""
    x, w, b = arrays(rng, **case)
    other_x, other_w, _ = arrays(rng, **case)
    wanted = conv_by_definition(x, w, b, **options(case))
    dy = rng.normal(size=wanted.shape)
    from_x = np.sum(dy * conv_by_definition(other_x, w, 0 * b, **options(case)))
    from_w = np.sum(dy * conv_by_definition(x, other_w, 0 * b, **options(case)))
    for method in methods(case):
        y, cache = on(conv2d)(x, w, b, **options(case), method=method)
        dx, dw, db = on(conv2d_backward)(dy, cache)
        np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-11)
        np.testing.assert_allclose(np.sum(dx * other_x), from_x, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(np.sum(dw * other_w), from_w, rtol=1e-10, atol=1e-10)
        np.testing.assert_allclose(db, dy.sum(axis=(0, 2, 3)), rtol=1e-12)


# Any value of one option meets any value of another in every fifth case.
@pytest.mark.parametrize("case", GRID[::5], ids=str)
def test_gradients_are_those_of_central_differences(on, rng, case):
    fits = max(1, case["dilation"] * (case["k"] - 1) + 1 - 2 * case["pad"])
    x, w, b = arrays(rng, height=fits + 3, width=fits + 2, **case)
    for method in methods(case):
        def conv(x, w, b, method=method):
            return conv2d(x, w, b, **options(case), method=method)[0]

        y, cache = on(conv2d)(x, w, b, **options(case), method=method)
        dy = rng.normal(size=y.shape)  # not ones: with ones, dw with its filters swapped would pass
        dx, dw, db = on(conv2d_backward)(dy, cache)
        assert_gradient(lambda x: conv(x, w, b), x, dy, dx, "x")  # noqa: B023
        assert_gradient(lambda w: conv(x, w, b), w, dy, dw, "w")  # noqa: B023
        assert_gradient(lambda b: conv(x, w, b), b, dy, db, "b")  # noqa: B023


@given(k=st.integers(1, 5), stride=st.integers(1, 3), pad=st.integers(0, 6), n=st.integers(1, 4), c=st.integers(1, 5),
       f=st.integers(1, 5), height=st.integers(1, 11), width=st.integers(1, 11))
def test_any_shape_gives_what_the_definition_says(on, rng, k, stride, pad, n, c, f, height, width):
    assume(min(height, width) + 2 * pad >= k)
    x, w, b = rng.normal(size=(n, c, height, width)), rng.normal(size=(f, c, k, k)), rng.normal(size=f)
    y, cache = on(conv2d)(x, w, b, stride=stride, pad=pad)
    np.testing.assert_allclose(y, conv_by_definition(x, w, b, stride, pad), rtol=0, atol=1e-12)
    dx, dw, _ = on(conv2d_backward)(y, cache)
    np.testing.assert_allclose(np.sum(dw * w) + np.sum(y.sum(axis=(0, 2, 3)) * b), np.sum(y * y), rtol=1e-11)
    np.testing.assert_allclose(np.sum(dx * x), np.sum(dw * w), rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_it_is_what_scipy_calls_correlation(on, rng, method):
    x, w = rng.normal(size=(2, 3, 8, 7)), rng.normal(size=(4, 3, 3, 3))
    y, _ = on(conv2d)(x, w, method=method)
    wanted = [[sum(map(correlate2d, image, filter_, ["valid"] * 3)) for filter_ in w] for image in x]
    np.testing.assert_allclose(y, wanted, rtol=0, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, dtype, method):
    x, w, b = (a.astype(dtype) for a in arrays(rng, k=3, groups=1))
    y, cache = on(conv2d)(x, w, b, pad=1, method=method)
    assert {a.dtype for a in (y, *on(conv2d_backward)(y, cache))} == {np.dtype(dtype)}


@pytest.mark.parametrize("method", METHODS)
def test_what_is_not_needed_is_none(on, rng, method):
    x, w, b = arrays(rng, k=3, groups=1)
    y, cache = on(conv2d)(x, w, b, method=method)
    assert on(conv2d_backward)(y, cache, need_dx=False)[0] is None
    assert on(conv2d_backward)(y, cache, need_dw=False)[1:] == (None, None)
    y, cache = on(conv2d)(x, w, method=method)
    assert on(conv2d_backward)(y, cache)[2] is None


@pytest.mark.parametrize("method", METHODS)
def test_backward_twice_gives_the_same_twice(on, rng, method):
    x, w, b = arrays(rng, k=3, groups=1)
    y, cache = on(conv2d)(x, w, b, method=method)
    for first, second in zip(on(conv2d_backward)(y, cache), on(conv2d_backward)(y, cache), strict=True):
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", METHODS)
def test_views_are_as_good_as_arrays(on, rng, method):
    x, w, b = arrays(rng, k=3, groups=1)
    plain, _ = on(conv2d)(x, w, b, method=method)
    wide = np.repeat(x, 2, axis=3)[:, ::-1, :, ::2][:, ::-1]
    turned = np.asfortranarray(w)
    np.testing.assert_array_equal(on(conv2d)(wide, turned, b, method=method)[0], plain)


wrong = [
    ((6, 4, 3, 2), {}, "square"),
    ((6, 3, 3, 3), {}, "4 channels"),
    ((6, 4, 3), {}, r"w \(F,C,K,K\)"),
    ((6, 4, 3, 3), {"stride": (1, 2)}, "stride must be one whole number"),
    ((6, 4, 3, 3), {"stride": 0}, "at least 1"),
    ((6, 4, 3, 3), {"pad": -1}, "at least 0"),
    ((6, 4, 3, 3), {"dilation": 0}, "at least 1"),
    ((6, 2, 3, 3), {"groups": 3}, "groups"),
    ((6, 4, 3, 3), {"method": "fft"}, "none of auto, im2col, winograd"),
    ((6, 4, 3, 3), {"method": "winograd", "stride": 2}, "winograd takes 3x3"),
    ((6, 4, 5, 5), {"method": "winograd"}, "winograd takes 3x3"),
]


@pytest.mark.parametrize(("w_shape", "options", "message"), wrong, ids=str)
def test_what_it_cannot_do_is_a_clear_error(w_shape, options, message):
    with pytest.raises(ValueError, match=message):
        conv2d(np.zeros((2, 4, 6, 5)), np.zeros(w_shape), np.zeros(6), **options)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("height", [1, 2])
def test_a_kernel_that_fits_nowhere_is_a_clear_error(height, method):
    with pytest.raises(ValueError, match=f"reach 3 does not fit {height} pixels"):
        conv2d(np.zeros((1, 2, height, 7)), np.zeros((3, 2, 3, 3)), method=method)


def test_a_bias_of_another_length_is_an_error():
    with pytest.raises(ValueError, match="one number a filter"):
        conv2d(np.zeros((1, 2, 3, 3)), np.zeros((3, 2, 3, 3)), np.zeros(2))


def test_mixed_dtypes_are_an_error():
    with pytest.raises(TypeError, match="float32.*float64"):
        conv2d(np.zeros((1, 2, 3, 3), np.float32), np.zeros((3, 2, 3, 3)))


def test_arrays_of_two_libraries_are_an_error_that_names_both(cupy):
    x, w = np.zeros((1, 2, 3, 3)), np.zeros((3, 2, 3, 3))
    with pytest.raises(TypeError, match="cupy and numpy"):
        conv2d(x, cupy.asarray(w))
    y, cache = conv2d(x, w)
    with pytest.raises(TypeError, match="cupy and numpy"):
        conv2d_backward(cupy.asarray(y), cache)

"""Max pooling."""
import math
from itertools import product

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from minifcn.gradcheck import assert_gradient
from minifcn.ops import max_pool2d, max_pool2d_backward
from minifcn.ops.pool import pool_size


def windows(size, k, stride, pad, ceil, dilation):
    """The pixels of every window along one side, those of the image. With ceil the last may hang over, where the one
    before it leaves something unseen and it does not start beyond the image."""
    last = size + pad - dilation * (k - 1) - 1
    starts = [s for s in range(-pad, size + pad, stride) if s <= last or ceil and s - stride < last and s < size]
    return [[p for p in range(s, s + dilation * k, dilation) if 0 <= p < size] for s in starts]


def pool_by_definition(x, dy, k, stride, pad, ceil, dilation):
    """Maxima, and every dy given to the first pixel in row order that has the maximum."""
    rows, columns = (windows(side, k, stride, pad, ceil, dilation) for side in x.shape[2:])
    y, dx = np.full((*x.shape[:2], len(rows), len(columns)), -np.inf), np.zeros(x.shape)
    for (u, high), (v, wide) in product(enumerate(rows), enumerate(columns)):
        for n, c in np.ndindex(x.shape[:2]):
            for i, j in product(high, wide):
                y[n, c, u, v] = max(y[n, c, u, v], x[n, c, i, j])
            first = next(((i, j) for i, j in product(high, wide) if x[n, c, i, j] == y[n, c, u, v]), None)
            if first:
                dx[n, c, *first] += dy[n, c, u, v]
    return y, dx


def distinct(rng, *shape):
    """No two numbers alike, and all of them negative: zeros of a padding would win."""
    return rng.permutation(math.prod(shape)).reshape(shape) - math.prod(shape) - 1.0


@given(k=st.integers(1, 4), stride=st.integers(1, 4), pad=st.integers(0, 3), ceil=st.booleans(),
       dilation=st.integers(1, 3), height=st.integers(1, 9), width=st.integers(1, 9))
@example(k=2, stride=2, pad=0, ceil=True, dilation=2, height=4, width=6)  # windows as if side by side, and overlapping
def test_values_and_gradient_are_those_of_the_definition(on, rng, k, stride, pad, ceil, dilation, height, width):
    assume(pad <= dilation * (k // 2) and min(height, width) + 2 * pad > dilation * (k - 1))
    x = rng.integers(-4, 0, size=(2, 3, height, width)).astype(float)  # many ties
    y, cache = on(max_pool2d)(x, k, stride=stride, pad=pad, ceil=ceil, dilation=dilation)
    dy = rng.normal(size=y.shape)
    wanted, dwanted = pool_by_definition(x, dy, k, stride, pad, ceil, dilation)
    np.testing.assert_array_equal(y, wanted)
    np.testing.assert_allclose(on(max_pool2d_backward)(dy, cache), dwanted, rtol=1e-13)


@pytest.mark.parametrize(("k", "stride", "pad", "ceil", "dilation"), [
    (2, 2, 0, False, 1), (3, 2, 1, True, 1), (3, 1, 1, False, 1), (2, 3, 0, True, 1), (2, 1, 0, True, 4),
    (3, 2, 2, True, 2), (2, 2, 0, True, 2), (2, 1, 3, True, 3)])
def test_gradient_is_that_of_central_differences(on, rng, k, stride, pad, ceil, dilation):
    options = {"stride": stride, "pad": pad, "ceil": ceil, "dilation": dilation}
    x = distinct(rng, 2, 3, 7, 6)
    y, cache = on(max_pool2d)(x, k, **options)
    dy = rng.normal(size=y.shape)
    dx = on(max_pool2d_backward)(dy, cache)
    assert_gradient(lambda x: max_pool2d(x, k, **options)[0], x, dy, dx)


@pytest.mark.parametrize(("k", "pad", "dilation"), [(2, 0, 2), (2, 1, 4), (3, 1, 3)])
def test_a_dilated_window_is_one_over_every_dth_pixel(on, rng, k, pad, dilation):
    x = distinct(rng, 2, 3, 11, 10)
    y, _ = on(max_pool2d)(x, k, stride=1, pad=pad * dilation, dilation=dilation)
    for i, j in np.ndindex(dilation, dilation):
        grid = np.s_[:, :, i::dilation, j::dilation]
        np.testing.assert_array_equal(y[grid], on(max_pool2d)(x[grid], k, stride=1, pad=pad)[0])


def test_a_window_that_steps_over_the_whole_image_sees_nothing(on):
    y, cache = on(max_pool2d)(np.ones((1, 1, 1, 3)), 2, stride=1, pad=1, dilation=2)
    np.testing.assert_array_equal(y, np.full((1, 1, 1, 3), -np.inf))
    np.testing.assert_array_equal(on(max_pool2d_backward)(np.ones_like(y), cache), np.zeros((1, 1, 1, 3)))


def test_without_a_stride_windows_lie_side_by_side(on, rng):
    x = distinct(rng, 2, 3, 6, 9)
    np.testing.assert_array_equal(on(max_pool2d)(x, 3)[0], x.reshape(2, 3, 2, 3, 3, 3).max(axis=(3, 5)))


def test_padding_never_wins(on):
    x = np.full((1, 2, 3, 4), -7.0)
    np.testing.assert_array_equal(on(max_pool2d)(x, 3, stride=1, pad=1)[0], x)
    np.testing.assert_array_equal(on(max_pool2d)(x, 2, ceil=True)[0], np.full((1, 2, 2, 2), -7))


def test_minus_infinity_can_be_the_maximum(on):
    x = np.full((1, 1, 2, 2), -np.inf)
    y, cache = on(max_pool2d)(x, 2)
    np.testing.assert_array_equal(on(max_pool2d_backward)(np.ones_like(y), cache), [[[[1, 0], [0, 0]]]])


def test_ties_go_to_the_first_in_row_order(on):
    x = np.array([[0, 1, 1], [1, 1, 0.0]]).reshape(1, 1, 2, 3)
    _, cache = on(max_pool2d)(x, 2, stride=1)
    dx = on(max_pool2d_backward)(np.array([[[[2.0, 3.0]]]]), cache)
    np.testing.assert_array_equal(dx[0, 0], [[0, 5, 0], [0, 0, 0]])


@pytest.mark.parametrize("place", [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_nan_comes_through(on, place):
    x = np.arange(8.0).reshape(1, 2, 2, 2)
    x[0, 1][place] = np.nan
    np.testing.assert_array_equal(on(max_pool2d)(x, 2)[0][0, :, 0, 0], [3, np.nan])


@pytest.mark.parametrize(("size", "k", "stride", "pad", "floor", "ceil"), [
    (5, 2, 2, 0, 2, 3),    # the last window sees one pixel
    (224, 2, 2, 0, 112, 112),
    (4, 2, 3, 0, 1, 2),    # it starts on the last pixel
    (3, 2, 3, 0, 1, 1),    # it would start beyond the image: dropped
    (3, 3, 2, 1, 2, 2),
    (4, 3, 2, 1, 2, 3),
    (1, 2, 2, 0, None, 1),  # the image is smaller than the window
    (1, 2, 2, 1, 1, 1),    # (1 + 2 - 2)/2 rounds up to a second window, which would see padding only
])
def test_sizes_are_those_of_pytorch_onnx_and_caffe(size, k, stride, pad, floor, ceil):
    assert pool_size(size, k, stride, pad, ceil=True) == ceil
    if floor is None:
        with pytest.raises(ValueError, match="window of 2 does not fit 1 pixels"):
            pool_size(size, k, stride, pad)
    else:
        assert pool_size(size, k, stride, pad) == floor


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, dtype):
    y, cache = on(max_pool2d)(distinct(rng, 2, 3, 5, 4).astype(dtype), 2, ceil=True)
    assert y.dtype == on(max_pool2d_backward)(y, cache).dtype == dtype


def test_views_are_as_good_as_arrays(on, rng):
    x = distinct(rng, 2, 3, 6, 5)
    view = np.asfortranarray(np.repeat(x, 2, axis=3))[..., ::2]
    y, cache = on(max_pool2d)(view, 2, ceil=True)
    plain, plain_cache = on(max_pool2d)(x, 2, ceil=True)
    np.testing.assert_array_equal(y, plain)
    dy = np.asfortranarray(rng.normal(size=y.shape))
    np.testing.assert_array_equal(on(max_pool2d_backward)(dy, cache), on(max_pool2d_backward)(dy, plain_cache))


@pytest.mark.parametrize(("k", "stride", "pad", "dilation", "message"), [
    (2, 2, 2, 1, "at most half a window"), (3, 0, 1, 1, "stride must be"), (0, 1, 0, 1, "window must be"),
    (3, 1, -1, 1, "pad must be"), ((2, 2), 2, 0, 1, "window must be"), (2, 1.5, 0, 1, "stride must be"),
    (3, 1, 0, 0, "dilation must be"), (3, 1, 3, 2, "at most half a window"),
    (3, 1, 0, 3, "a window of 7 does not fit 5 pixels")])
def test_impossible_windows_are_an_error(k, stride, pad, dilation, message):
    with pytest.raises(ValueError, match=message):
        max_pool2d(np.zeros((1, 1, 5, 5)), k, stride=stride, pad=pad, dilation=dilation)


def test_arrays_of_two_libraries_are_an_error_that_names_both(cupy, rng):
    y, cache = max_pool2d(distinct(rng, 1, 2, 4, 4), 2)
    with pytest.raises(TypeError, match="cupy and numpy"):
        max_pool2d_backward(cupy.asarray(y), cache)


@pytest.mark.parametrize(("k", "stride", "pad", "height"), [(2, 2, 0, 6), (2, 2, 0, 7), (3, 2, 1, 8), (2, 3, 0, 8)])
def test_after_a_relu_it_can_stop_gradients_for_it(on, rng, k, stride, pad, height):
    """Half of the numbers are 0, many windows have nothing else: nothing may come through them."""
    x = np.maximum(rng.integers(-9, 5, size=(2, 3, height, 7)), 0).astype(float)
    y, cache = on(max_pool2d)(x, k, stride=stride, pad=pad, ceil=True)
    dy = rng.normal(size=y.shape)
    plain = on(max_pool2d_backward)(dy, cache)
    assert plain[x == 0].any()
    np.testing.assert_array_equal(on(max_pool2d_backward)(dy, cache, rectified=True), plain * (x > 0))


@pytest.mark.parametrize(("k", "stride", "pad", "dilation"), [(2, 2, 0, 1), (3, 2, 1, 1), (2, 1, 0, 2)])
@pytest.mark.parametrize("large", [False, True])
def test_maps_may_lie_in_memory_channels_last(on, rng, monkeypatch, large, k, stride, pad, dilation):
    if large:
        monkeypatch.setattr("minifcn.backend.PIECE", 16)  # many pieces
    x = rng.integers(-4, 4, size=(3, 5, 9, 8)).astype(np.float32)
    last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    options = {"stride": stride, "pad": pad, "dilation": dilation}
    y, cache = on(max_pool2d)(x, k, **options)
    y_last, cache_last = on(max_pool2d)(last, k, **options)
    np.testing.assert_array_equal(y, y_last)
    dy = rng.normal(size=y.shape).astype(np.float32)
    wanted = on(max_pool2d_backward)(dy, cache)
    for laid in (dy, np.ascontiguousarray(dy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)):
        np.testing.assert_allclose(on(max_pool2d_backward)(laid, cache_last), wanted, rtol=1e-6)

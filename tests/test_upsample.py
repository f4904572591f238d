"""Making maps larger."""
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy.ndimage import map_coordinates, zoom
from scipy.signal import convolve2d

from minifcn.gradcheck import assert_gradient
from minifcn.ops import (
    bilinear_kernel,
    conv2d,
    conv_transpose2d,
    conv_transpose2d_backward,
    crop,
    crop_backward,
)
from minifcn.ops.upsample import resize_bilinear


def spread_by_definition(x, w, b, stride=1, pad=0):
    """Every pixel of x lays its number times the kernel into y, S pixels from its neighbour's; then P are cut off."""
    n, c, height, width = x.shape
    f, k = w.shape[1], w.shape[2]
    y = np.zeros((n, f, stride * (height - 1) + k, stride * (width - 1) + k))
    for i, j, row, column in np.ndindex(n, c, height, width):
        y[i, :, stride * row:stride * row + k, stride * column:stride * column + k] += x[i, j, row, column] * w[j]
    return y[:, :, pad:y.shape[2] - pad, pad:y.shape[3] - pad] + b.reshape(-1, 1, 1)


def kernel(kind, rng, k=4):
    """Kernels that take the fast road for separate channels, and kernels that look as if they might."""
    w = bilinear_kernel(3, k, np.float64)
    if kind == "dense":
        return rng.normal(size=(3, 2, k, k))
    if kind == "separable":  # another line for every channel, rows unlike columns
        w[range(3), range(3)] = rng.normal(size=(3, k, 1)) * rng.normal(size=(3, 1, k))
    if kind == "diagonal, not separable":
        w[range(3), range(3)] = rng.normal(size=(3, k, k))
    if kind == "nearly separable":
        w[1, 1, 0, 0] *= 1 + 1e-9
    if kind == "not diagonal":
        w[0, 1, 2, 3] = 0.5
    if kind == "one channel empty":
        w[2, 2] = 0
    return w


KINDS = ("dense", "bilinear", "separable", "diagonal, not separable", "nearly separable", "not diagonal",
         "one channel empty")


@given(kind=st.sampled_from(KINDS), k=st.integers(4, 6), stride=st.integers(1, 4), pad=st.integers(0, 2),
       height=st.integers(1, 5), width=st.integers(1, 5))
def test_values_and_gradients_are_those_of_the_definition(on, rng, kind, k, stride, pad, height, width):
    assume(stride * (min(height, width) - 1) + k > 2 * pad)
    w = kernel(kind, rng, k)
    x, b = rng.normal(size=(2, 3, height, width)), rng.normal(size=w.shape[1])
    y, cache = on(conv_transpose2d)(x, w, b, stride=stride, pad=pad)
    np.testing.assert_allclose(y, spread_by_definition(x, w, b, stride, pad), rtol=0, atol=1e-13)
    dy, other_x, other_w = rng.normal(size=y.shape), rng.normal(size=x.shape), rng.normal(size=w.shape)
    dx, dw, db = on(conv_transpose2d_backward)(dy, cache)
    from_x = spread_by_definition(other_x, w, 0 * b, stride, pad)  # linear in x and in w: this leaves no room for
    from_w = spread_by_definition(x, other_w, 0 * b, stride, pad)  # other gradients
    np.testing.assert_allclose(np.sum(dx * other_x), np.sum(dy * from_x), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(np.sum(dw * other_w), np.sum(dy * from_w), rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(db, dy.sum(axis=(0, 2, 3)), rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("stride", "pad"), [(1, 0), (2, 1), (3, 2)])
def test_gradients_are_those_of_central_differences(on, rng, kind, stride, pad):
    w = kernel(kind, rng)
    x, b = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=w.shape[1])

    def up(x, w, b):
        return conv_transpose2d(x, w, b, stride=stride, pad=pad)[0]

    y, cache = on(conv_transpose2d)(x, w, b, stride=stride, pad=pad)
    dy = rng.normal(size=y.shape)
    dx, dw, db = on(conv_transpose2d_backward)(dy, cache)
    assert_gradient(lambda x: up(x, w, b), x, dy, dx, "x")
    assert_gradient(lambda w: up(x, w, b), w, dy, dw, "w")
    assert_gradient(lambda b: up(x, w, b), b, dy, db, "b")


@given(k=st.integers(1, 5), stride=st.integers(1, 3), pad=st.integers(0, 2), u=st.integers(1, 4), v=st.integers(1, 4))
def test_it_is_the_adjoint_of_convolution(on, rng, k, stride, pad, u, v):
    """<conv(x), y> == <x, conv_transpose(y)> for every x and y: that is what transposed means."""
    height, width = stride * (u - 1) + k - 2 * pad, stride * (v - 1) + k - 2 * pad
    assume(min(height, width) >= 1)
    w = rng.normal(size=(4, 3, k, k))
    x, y = rng.normal(size=(2, 3, height, width)), rng.normal(size=(2, 4, u, v))
    there, _ = on(conv2d)(x, w, np.zeros(4), stride=stride, pad=pad)
    back, _ = on(conv_transpose2d)(y, w, np.zeros(3), stride=stride, pad=pad)
    np.testing.assert_allclose(np.sum(there * y), np.sum(x * back), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_it_is_what_scipy_calls_convolution_of_x_with_zeros_in_between(on, rng, stride):
    x, w = rng.normal(size=(2, 2, 3, 4)), rng.normal(size=(2, 3, 4, 4))
    sparse = np.zeros((2, 2, stride * 2 + 1, stride * 3 + 1))
    sparse[:, :, ::stride, ::stride] = x
    wanted = [[sum(convolve2d(sparse[n, c], w[c, f]) for c in range(2)) for f in range(3)] for n in range(2)]
    np.testing.assert_allclose(on(conv_transpose2d)(x, w, stride=stride)[0], wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize("kind", ["dense", "bilinear"])
def test_nan_in_the_kernel_comes_through(on, rng, kind):
    w = kernel(kind, rng)
    w[0, 0, 1, 1] = np.nan
    x = rng.normal(size=(1, 3, 2, 3))
    np.testing.assert_allclose(on(conv_transpose2d)(x, w, stride=2)[0],
                               spread_by_definition(x, w, np.zeros(w.shape[1]), 2), rtol=1e-13)


def test_weights_changed_in_place_count_at_once(on, rng):
    x, w = rng.normal(size=(1, 3, 3, 2)), kernel("bilinear", rng)
    on(conv_transpose2d)(x, w, stride=2)
    w[0, 1] = w[0, 0]
    np.testing.assert_allclose(on(conv_transpose2d)(x, w, stride=2)[0], spread_by_definition(x, w, np.zeros(3), 2))


@pytest.mark.parametrize("kind", ["dense", "bilinear"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, dtype, kind):
    w = kernel(kind, rng).astype(dtype)
    x, b = rng.normal(size=(2, 3, 3, 2)).astype(dtype), np.ones(w.shape[1], dtype)
    y, cache = on(conv_transpose2d)(x, w, b, stride=2, pad=1)
    assert {a.dtype for a in (y, *on(conv_transpose2d_backward)(y, cache))} == {np.dtype(dtype)}


@pytest.mark.parametrize("kind", ["dense", "bilinear"])
def test_what_is_not_needed_is_none(on, rng, kind):
    w = kernel(kind, rng)
    y, cache = on(conv_transpose2d)(rng.normal(size=(2, 3, 3, 2)), w, np.ones(w.shape[1]))
    assert on(conv_transpose2d_backward)(y, cache, need_dx=False)[0] is None
    assert on(conv_transpose2d_backward)(y, cache, need_dw=False)[1:] == (None, None)
    y, cache = on(conv_transpose2d)(rng.normal(size=(2, 3, 3, 2)), w)
    assert on(conv_transpose2d_backward)(y, cache)[2] is None


@pytest.mark.parametrize(("x_shape", "w_shape", "options", "error", "message"), [
    ((1, 2, 3, 3), (2, 3, 4, 2), {}, ValueError, "square"),
    ((1, 3, 3, 3), (2, 3, 4, 4), {}, ValueError, "with one C"),
    ((1, 2, 3, 3), (2, 3, 4, 4), {"stride": 0}, ValueError, "at least 1"),
    ((1, 2, 3, 3), (2, 3, 4, 4), {"stride": (2, 2)}, ValueError, "one whole number"),
    ((1, 2, 3, 3), (2, 3, 4, 4), {"pad": -1}, ValueError, "at least"),
    ((1, 2, 1, 1), (2, 3, 4, 4), {"pad": 2}, ValueError, "leave a map of 0 pixels"),
])
def test_what_it_cannot_do_is_a_clear_error(x_shape, w_shape, options, error, message):
    with pytest.raises(error, match=message):
        conv_transpose2d(np.zeros(x_shape), np.zeros(w_shape), **options)


def test_mixed_dtypes_and_libraries_are_errors(cupy):
    x, w = np.zeros((1, 2, 3, 3)), np.zeros((2, 3, 4, 4))
    with pytest.raises(TypeError, match="float64.*float32"):
        conv_transpose2d(x, w.astype(np.float32))
    with pytest.raises(TypeError, match="cupy and numpy"):
        conv_transpose2d(x, cupy.asarray(w))
    y, cache = conv_transpose2d(x, w)
    with pytest.raises(TypeError, match="cupy and numpy"):
        conv_transpose2d_backward(cupy.asarray(y), cache)


@pytest.mark.parametrize(("k", "start", "peak", "total"), [
    (2, [0.5, 0.5], 0.5, 1), (3, [0.5, 1, 0.5], 1, 2), (4, [0.25, 0.75, 0.75, 0.25], 0.75, 2),
    (16, [0.0625, 0.1875, 0.3125], 0.9375, 8), (32, [0.03125, 0.09375], 0.96875, 16),
    (63, [0.03125, 0.0625, 0.09375], 1, 32), (64, [0.015625, 0.046875], 0.984375, 32)])
def test_the_bilinear_kernel_is_the_authors(k, start, peak, total):
    w = bilinear_kernel(2, k, np.float64)
    line = w[0, 0].sum(axis=1) / total  # the outer product of a line with itself
    np.testing.assert_allclose(line[:len(start)], start)
    assert (line.max(), line.sum()) == (peak, total)
    np.testing.assert_allclose(w[1, 1], np.outer(line, line))
    assert not w[0, 1].any() and not w[1, 0].any()
    assert bilinear_kernel(2, k).dtype == np.float32


@pytest.mark.parametrize(("factor", "k"), [(2, 4), (3, 5), (4, 8), (8, 16), (5, 9)])
def test_away_from_the_border_it_interpolates_between_cell_centres(on, rng, factor, k):
    x = rng.normal(size=(1, 2, 5, 4))
    y, _ = on(conv_transpose2d)(x, bilinear_kernel(2, k, np.float64), stride=factor)
    centre = (k - 1) / 2  # where the centre of cell 0 lies in y
    rows, columns = (np.arange(size * factor - factor + k) for size in (5, 4))
    inside = np.ix_(*(i[(i >= centre) & (i <= centre + factor * (size - 1))] for i, size in ((rows, 5), (columns, 4))))
    at = np.meshgrid((rows - centre) / factor, (columns - centre) / factor, indexing="ij")
    for channel in range(2):
        wanted = map_coordinates(x[0, channel], at, order=1, mode="nearest")
        np.testing.assert_allclose(y[0, channel][inside], wanted[inside], rtol=0, atol=1e-13)


def test_crop_cuts_out_and_its_gradient_puts_back(on, rng):
    """<crop(x), y> == <x, crop_backward(y)>, and zeros around."""
    x = rng.normal(size=(2, 3, 7, 6))
    y, cache = on(crop)(x, 2, 4, 3)
    np.testing.assert_array_equal(y, x[:, :, 2:6, 2:5])
    dx = on(crop_backward)(y, cache)
    assert dx.shape == x.shape and np.count_nonzero(dx) == y.size
    np.testing.assert_allclose(np.sum(y * y), np.sum(x * dx))


def test_crop_keeps_the_dtype(on):
    y, cache = on(crop)(np.ones((1, 1, 3, 3), np.float32), 1, 2, 2)
    assert y.dtype == on(crop_backward)(y, cache).dtype == np.float32


@pytest.mark.parametrize(("offset", "height", "width"), [(-1, 2, 2), (1, 5, 2), (2, 1, 4)])
def test_crop_beyond_the_map_is_an_error(offset, height, width):
    with pytest.raises(ValueError, match="outside a map of 5 x 5"):
        crop(np.zeros((1, 1, 5, 5)), offset, height, width)


@pytest.mark.parametrize(("height", "width"), [(10, 8), (15, 12), (5, 4)])
def test_resizing_is_scipys_and_does_not_fade_at_the_border(on, rng, height, width):
    x = rng.normal(size=(2, 3, 5, 4))
    wanted = zoom(x, (1, 1, height / 5, width / 4), order=1, mode="nearest", grid_mode=True)
    np.testing.assert_allclose(on(resize_bilinear)(x, height, width), wanted, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (7, 3), (2, 30)])
def test_resizing_leaves_a_constant_and_the_dtype_alone(on, height, width):
    y = on(resize_bilinear)(np.full((1, 2, 3, 1), 5, np.float32), height, width)
    assert y.shape == (1, 2, height, width) and y.dtype == np.float32
    np.testing.assert_allclose(y, 5, rtol=1e-6)

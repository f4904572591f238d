"""The fast roads give what the plain forms give, to the bit the same however many threads there are."""
from itertools import product

import numpy as np
import pytest

from minifcn import ops
from minifcn.ops import (
    col2im,
    conv,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    im2col,
    max_pool2d,
    max_pool2d_backward,
    relu,
    relu_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
    upsample,
)
from minifcn.ops import groups as plain
from minifcn.ops.fast import bilinear, blocks, columns, filters, winograd
from minifcn.ops.fast.strips import BUDGET, WORTH, cut, partial_sums

TOLERANCE = {np.float32: 1e-5, np.float64: 1e-12}
# (N, C, F, H, W): odd sizes, single pixels, lines, more images than fit one strip, more strips than images
SHAPES = [(2, 3, 4, 7, 5), (1, 2, 3, 1, 1), (3, 5, 2, 13, 9), (1, 1, 1, 4, 4), (7, 3, 5, 3, 6), (2, 4, 3, 1, 11),
          (2, 2, 2, 11, 1), (1, 6, 2, 9, 17), (5, 8, 8, 2, 3)]
BUDGETS = (1, 700, 1 << 17)  # numbers a strip: every row on its own, a few rows, whole images together


def assert_equal_within_rounding(found, wanted):
    """||found - wanted|| / ||wanted|| in proportion to the dtype."""
    assert found.dtype == wanted.dtype and found.shape == wanted.shape
    error = np.linalg.norm((found - wanted).astype(float)) / max(np.linalg.norm(wanted), 1e-30)
    assert error <= TOLERANCE[wanted.dtype.type], f"relative error {error:.1e}"


def random(rng, dtype, *shape):
    return rng.normal(size=shape).astype(dtype)


def compare(on, rng, road, dtype, shape, k, **options):
    """A road against the plain form: forward, with and without bias, dW, db, and dX where it is the road's own."""
    n, c, f, height, width = shape
    g = options.get("groups", 1)
    x, w = random(rng, dtype, n, c * g, height, width), random(rng, dtype, f * g, c, k, k)
    b = random(rng, dtype, f * g)
    wanted_y, cache = plain.conv2d(x, w, b, **options)
    assert_equal_within_rounding(on(road.conv2d)(x, w, b, **options)[0], wanted_y)
    assert_equal_within_rounding(on(road.conv2d)(x, w, **options)[0] + b.reshape(-1, 1, 1), wanted_y)
    dy = random(rng, dtype, *wanted_y.shape)
    assert_equal_within_rounding(on(road.conv2d)(x, w, b, **options, relu=True)[0], np.maximum(wanted_y, 0))
    dx, *wanted = plain.conv2d_backward(dy, cache)
    for found, right in zip(on(road.weight_gradient)(dy, x, w.shape, **options), wanted, strict=True):
        assert_equal_within_rounding(found, right)
    if road is not columns or options.get("stride", 1) == 1:
        assert_equal_within_rounding(on(road.input_gradient)(dy, w, x.shape, **options), dx)
    if road is winograd:
        y, cache = on(conv2d)(x, w, b, **options, method="winograd", keep=True)
        assert_equal_within_rounding(y, wanted_y)
        assert_equal_within_rounding(on(conv2d_backward)(dy, cache, need_dx=False)[1], wanted[0])


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
class TestRoads:
    """Every road on every shape it takes."""

    def test_winograd(self, on, rng, strips, shape, dtype, budget):
        strips(budget)
        for pad in (1, 2, 3):
            compare(on, rng, winograd, dtype, shape, 3, pad=pad)

    def test_winograd_of_many_filters(self, on, rng, strips, monkeypatch, shape, dtype, budget):
        """Blocks of one row and more, slices that do not divide the channels."""
        strips(budget)
        monkeypatch.setattr(winograd, "LARGE", 0)
        monkeypatch.setattr(winograd, "SLICE", 3)
        monkeypatch.setattr(winograd, "BLOCK", 1)
        for pad in (1, 2, 3):
            compare(on, rng, winograd, dtype, shape, 3, pad=pad)

    def test_filters(self, on, rng, strips, monkeypatch, shape, dtype, budget):
        monkeypatch.setattr(filters, "SHARE", budget // 8 + 1)
        monkeypatch.setattr(filters, "BLOCK", budget)
        for k, stride, dilation in ((1, 1, 1), (1, 2, 1), (3, 1, 1), (3, 2, 2), (5, 3, 1)):
            compare(on, rng, filters, dtype, shape, k, pad=k // 2 * dilation, stride=stride, dilation=dilation)

    def test_columns_of_few_channels(self, on, rng, strips, monkeypatch, shape, dtype, budget):
        strips(budget)
        monkeypatch.setattr(columns, "FEW", 100)
        for k, stride in product((2, 3, 5), (1, 2, 3)):
            compare(on, rng, columns, dtype, shape, k, pad=k // 2 + 1, stride=stride)

    def test_columns(self, on, rng, strips, monkeypatch, shape, dtype, budget):
        strips(budget)
        monkeypatch.setattr(columns, "FEW", 1)
        for k, stride, dilation, groups in ((1, 1, 1, 1), (1, 2, 1, 2), (3, 1, 2, 1), (3, 2, 2, 2), (3, 1, 1, 3)):
            pad = k // 2 * dilation
            compare(on, rng, columns, dtype, shape, k, pad=pad, stride=stride, dilation=dilation, groups=groups)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_bilinear(on, rng, shape, dtype):
    n, c, _, height, width = shape
    x = random(rng, dtype, n, c, height, width)
    for k, stride, pad in ((4, 2, 1), (5, 3, 0), (16, 8, 4), (4, 2, 0)):
        w = upsample.bilinear_kernel(c, k, dtype)
        w[range(c), range(c)] *= random(rng, dtype, c, 1, 1)
        wanted, cache = upsample.conv_transpose2d(x, w, stride=stride, pad=pad)
        y, fast_cache = on(conv_transpose2d)(x, w, stride=stride, pad=pad)
        assert_equal_within_rounding(y, wanted)
        dy = random(rng, dtype, *y.shape)
        dx, _, _ = upsample.conv_transpose2d_backward(dy, cache)
        assert_equal_within_rounding(on(conv_transpose2d_backward)(dy, fast_cache)[0], dx)


# w (F,C,K,K) and options that take: columns, columns of few channels, Winograd in strips and by products, filters
ROADS = [((40, 60, 5), {"pad": 2}), ((64, 3, 7), {"stride": 2}), ((96, 160, 3), {"pad": 1}),
         ((384, 320, 3), {"pad": 1}), ((600, 300, 7), {})]


@pytest.mark.parametrize("method", ["auto", "im2col"])
@pytest.mark.parametrize(("w_shape", "options"), ROADS, ids=str)
def test_in_float32_everything_stays_within_1e_5_of_float64(on, rng, w_shape, options, method):
    f, c, k = w_shape
    x, w = random(rng, np.float32, 1, c, 25, 22), random(rng, np.float32, f, c, k, k)
    b = random(rng, np.float32, f)
    exact, exact_cache = conv.conv2d(x.astype(float), w.astype(float), b.astype(float), **options)
    dy = random(rng, np.float32, *exact.shape)
    exact_gradients = conv.conv2d_backward(dy.astype(float), exact_cache)
    y, cache = on(conv2d)(x, w, b, **options, method=method)
    for found, wanted in zip((y, *on(conv2d_backward)(dy, cache)), (exact, *exact_gradients), strict=True):
        assert_equal_within_rounding(found, wanted.astype(np.float32))


def test_these_are_all_the_roads():
    modules = [ops._road("auto", (f, c, k, k), 25 * 22, options.get("stride", 1), 1, 1)
               for (f, c, k), options in ROADS]
    assert modules == [columns, columns, winograd, winograd, filters]
    assert columns._few(3, 7, 1) and 36 * 384 * 320 >= winograd.LARGE > 36 * 96 * 160


def test_many_channels_and_pixels_go_to_winograd(rng):
    x, w = random(rng, np.float32, 2, 64, 70, 61), random(rng, np.float32, 64, 64, 3, 3)
    for backward in (lambda result: result[0], lambda result: conv2d_backward(x[:, :, :68, :59], result[1])[1]):
        by_choice, by_name = (backward(conv2d(x, w, method=method)) for method in ("auto", "winograd"))
        np.testing.assert_array_equal(by_choice, by_name)


def test_filters_of_many_megabytes_are_read_once(rng, monkeypatch):
    x, w = random(rng, np.float32, 1, 128, 9, 8), random(rng, np.float32, 64, 128, 7, 7)
    plain_y, plain_cache = conv2d(x, w, method="im2col")
    monkeypatch.setattr("minifcn.ops.FILTERS_FROM", w.size)
    monkeypatch.setattr(columns, "conv2d", None)
    y, cache = conv2d(x, w)
    for found, wanted in zip((y, *conv2d_backward(y, cache)[:2]), (plain_y, *conv2d_backward(y, plain_cache)[:2]),
                             strict=True):
        assert_equal_within_rounding(found, wanted)


def everything(rng):
    """Forward and backward of every op that uses threads, as one list of arrays."""
    results = []
    for c, f, k, options in ((16, 24, 3, {"pad": 1}), (20, 9, 3, {"method": "winograd"}), (20, 9, 1, {}),
                             (160, 800, 3, {}), (12, 8, 3, {"stride": 2, "pad": 1}), (3, 16, 3, {"pad": 1}),
                             (8, 6, 3, {"groups": 2, "dilation": 2})):
        x, w = random(rng, np.float32, 3, c, 29, 31), random(rng, np.float32, f, c // options.get("groups", 1), k, k)
        y, cache = conv2d(x, w, random(rng, np.float32, f), **options)
        results += [y, *conv2d_backward(y, cache)]
    x = random(rng, np.float32, 4, 8, 120, 110)
    for op, backward in ((relu, relu_backward), (lambda x: max_pool2d(x, 3, stride=2, pad=1), max_pool2d_backward)):
        y, cache = op(x)
        results += [y, backward(y, cache)]
    y, cache = conv_transpose2d(x[:, :, :20, :20], upsample.bilinear_kernel(8, 16), stride=8)
    results += [y, *conv_transpose2d_backward(y, cache)[:2]]
    loss, cache = softmax_cross_entropy(x, rng.integers(0, 8, size=(4, 120, 110)))
    return [*results, loss, softmax_cross_entropy_backward(cache)]


def test_the_number_of_threads_and_the_hour_do_not_change_a_bit(strips):
    strips(20_000, threads=1)
    wanted = everything(np.random.default_rng(3))
    for threads in (1, 2, 3, 3, 2):
        strips(threads=threads)
        for found, first in zip(everything(np.random.default_rng(3)), wanted, strict=True):
            np.testing.assert_array_equal(found, first)


def test_what_a_call_returns_is_not_overwritten_by_the_next(rng):
    """Buffers are reused, results are not among them."""
    x, w = random(rng, np.float32, 2, 128, 9, 8), random(rng, np.float32, 128, 128, 3, 3)
    first, cache = conv2d(x, w, pad=1)
    dw = conv2d_backward(first, cache)[1]
    kept, kept_dw = first.copy(), dw.copy()
    second, cache = conv2d(-x, w, pad=1)
    conv2d_backward(second, cache)
    np.testing.assert_array_equal(first, kept)
    np.testing.assert_array_equal(dw, kept_dw)


@pytest.mark.parametrize("budget", [1000, 1 << 20])
@pytest.mark.parametrize("n", [1, 2, 7])
@pytest.mark.parametrize("u", [1, 5, 40])
@pytest.mark.parametrize("row", [1, 90, 5000])
def test_strips_cover_every_row_of_every_image_once_and_keep_to_the_budget(strips, n, u, row, budget):
    strips(budget)
    seen = np.zeros((n, u), int)
    for a, b, p, q in cut(n, u, row, np):
        seen[a:b, p:q] += 1
        assert (b - a) * (q - p) * row <= max(budget, row)
    np.testing.assert_array_equal(seen, 1)
    if n * u > 1 and n * u * row >= WORTH:
        assert len(cut(n, u, row, np)) > 1  # two threads have something to do


@pytest.mark.parametrize("size", [1, 1 << 20, 1 << 24, 1 << 30])
def test_partial_sums_take_all_strips_in_order(size):
    strips = cut(5, 33, BUDGET["cpu"] // 3, np)
    parts = partial_sums(strips, size)
    assert sum(parts, []) == strips and 2 <= len(parts) <= 8


def test_only_a_kernel_that_really_is_separable_is_taken_apart(rng):
    w = upsample.bilinear_kernel(3, 4)
    a, b = bilinear.separable_lines(w)
    np.testing.assert_allclose(a[:, :, None] * b[:, None], w[range(3), range(3)])
    for *spoilt, value in ((0, 1, 2, 2, 1e-30), (1, 1, 0, 0, 0.0626), (2, 2, 1, 1, np.nan), (2, 2, 1, 1, np.inf)):
        other = w.copy()
        other[tuple(spoilt)] = value
        assert bilinear.separable_lines(other) is None
    assert bilinear.separable_lines(w[:2]) is None


@pytest.mark.parametrize(("k", "stride", "pad"), [(4, 2, 1), (4, 2, 0), (6, 2, 2), (3, 3, 1), (9, 3, 0), (2, 1, 0)])
def test_blocks_of_strides_fold_and_unfold_as_col2im_and_im2col_do(k, stride, pad, xp, on, rng):
    shape = (2, 3, stride * 4 + k - 2 * pad, stride * 2 + k - 2 * pad)
    cols, y = rng.normal(size=(2, 3 * k * k, 5 * 3)), rng.normal(size=shape)
    there = col2im(cols, shape, k, stride, pad)
    np.testing.assert_allclose(on(blocks.fold)(cols, shape, k, stride, pad), there, rtol=1e-12, atol=1e-12)
    np.testing.assert_array_equal(on(blocks.unfold)(y, k, stride, pad), im2col(y, k, stride, pad))


@pytest.mark.parametrize("method", ["auto", "winograd", "im2col"])
@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("shape", [(2, 16, 17, 9, 8), (1, 18, 16, 11, 13), (3, 17, 16, 4, 5), (1, 16, 16, 1, 2)],
                         ids=str)
def test_pooling_in_passing_is_pooling_afterwards(on, rng, monkeypatch, shape, large, method):
    """On maps that tiles of 4 and windows of 2 fit, and on those that hang over by 1, 2 and 3."""
    if large:
        monkeypatch.setattr(winograd, "LARGE", 0)
    n, c, f, height, width = shape
    x, w = random(rng, np.float64, n, c, height, width), random(rng, np.float64, f, c, 3, 3)
    b = random(rng, np.float64, f) - 3  # below 0 mostly: what hangs over must not win as a 0 that is none
    y, _ = conv2d(x, w, b, pad=1, relu=True, method=method)
    wanted, _ = max_pool2d(y, 2, ceil=True)
    found, _ = on(conv2d)(x, w, b, pad=1, relu=True, pool=True, method=method)
    np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)


def test_pooling_in_passing_goes_with_a_relu_only(rng):
    x, w = random(rng, np.float32, 1, 2, 5, 5), random(rng, np.float32, 3, 2, 3, 3)
    with pytest.raises(ValueError, match="pool=True goes with relu=True"):
        conv2d(x, w, pool=True)


def test_how_a_map_lies_in_memory_does_not_change_a_bit(rng):
    for c, f, k, options in ((16, 24, 3, {"pad": 1}), (3, 9, 3, {"stride": 2}), (20, 9, 1, {}), (12, 8, 5, {"pad": 2}),
                             (160, 800, 3, {"dilation": 2}), (8, 6, 3, {"groups": 2})):
        x, w = random(rng, np.float32, 2, c, 29, 31), random(rng, np.float32, f, c // options.get("groups", 1), k, k)
        last = np.ascontiguousarray(x.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        (y, cache), (y_last, cache_last) = conv2d(x, w, **options), conv2d(last, w, **options)
        dy = random(rng, np.float32, *y.shape)
        dy_last = np.ascontiguousarray(dy.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
        gradients, gradients_last = conv2d_backward(dy, cache)[:2], conv2d_backward(dy_last, cache_last)[:2]
        for one, other in zip((y, *gradients), (y_last, *gradients_last), strict=True):
            np.testing.assert_array_equal(one, other)

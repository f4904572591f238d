"""im2col strip by strip: the columns of a few output rows at a time, made, used and overwritten while in the cache.

The letters are those of ops/conv.py; L = K*K*C/G numbers see a pixel of the output. This is the road for every shape
that has no faster one.
"""
from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.fast.strips import (
    add_product,
    bias_sums,
    channels_last,
    cut,
    empty_map,
    padded_for_input,
    padded_rows,
    partial_sums,
    product,
)
from minifcn.ops.im2col import conv_size, taps

FEW = 8  # channels, as those of an image: below, runs of a pixel's channels are too short to copy, and rows are copied


def _few(c, k, groups):
    return c < FEW and k > 1 and groups == 1


def _cut(n, u, v, c, k, groups, xp):
    return cut(n, u, c * k * k * v, xp, times=2 if _few(c, k, groups) else 1)  # for few channels calls are short


def _columns(x, strip, k, stride, pad, dilation, groups, v, xp):
    """im2col of one strip, turned: (G, pixels, L). L in the order C,K,K where there are few channels, else K,K,C.

    Where there are few channels one more column is all ones: its filter is the bias, and its gradient db.
    """
    a, b, p, q = strip
    c = x.shape[1]
    if k == stride == groups == 1 and not pad:
        pixels = x[a:b, :, p:q].transpose(0, 2, 3, 1)  # they are their own columns
        return xp.ascontiguousarray(pixels).reshape(1, -1, c)
    bottom = (q - 1) * stride + dilation * (k - 1) + 1
    if _few(c, k, groups):
        planes = padded_rows(x, a, b, p * stride, bottom, pad, 0, xp, channels_first=True)
        cols = scratch("columns", (c * k * k + 1, b - a, q - p, v), x.dtype, xp)
        cols[-1] = 1
        for i, j, high, wide in taps(k, stride, dilation, q - p, v):
            cols[i * k + j:-1:k * k] = planes[:, :, high, wide]
        return cols.reshape(1, c * k * k + 1, -1).swapaxes(1, 2)
    rows = padded_rows(x, a, b, p * stride, bottom, pad, 0, xp)
    image, row, pixel, channel = rows.strides
    shape = groups, b - a, q - p, v, k, k, c // groups
    strides = (channel * shape[-1], image, row * stride, pixel * stride, row * dilation, pixel * dilation, channel)
    cols = scratch("columns", shape, x.dtype, xp)
    cols[...] = xp.lib.stride_tricks.as_strided(rows, shape, strides)
    return cols.reshape(groups, -1, k * k * shape[-1])


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False):
    """As ops.conv.conv2d, without ever holding all the columns."""
    xp = array_module(x)
    f, c, k, _ = w.shape
    if _few(c, k, groups):
        y = _convolve(x, _with_bias(w, b, xp), None, k, stride, pad, dilation, relu)
    else:
        filters = w.transpose(0, 2, 3, 1).reshape(groups, f // groups, -1).swapaxes(1, 2)
        y = _convolve(x, filters, b, k, stride, pad, dilation, relu)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def input_gradient(dy, w, x_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dX, for stride 1: the same with dY and the turned, transposed filters; see strips.padded_for_input."""
    xp = array_module(dy)
    f, c, k, _ = w.shape
    dy, pad = padded_for_input(dy, k, pad, dilation)
    turned = w.reshape(groups, f // groups, c, k, k)[..., ::-1, ::-1]
    if _few(f, k, groups):
        filters = _with_bias(turned[0].swapaxes(0, 1), None, xp)
    else:
        filters = turned.transpose(0, 3, 4, 1, 2).reshape(groups, -1, c)
    return _convolve(dy, filters, None, k, 1, pad, dilation, False)


def _with_bias(w, b, xp):
    """Filters (F,C,K,K) for few channels, (1, L + 1, F): the bias, 0 where there is none, belongs to the ones."""
    column = xp.zeros(len(w), w.dtype) if b is None else b
    return xp.concatenate([w.reshape(len(w), -1), column[:, None]], axis=1).T[None]


def _convolve(x, filters, b, k, stride, pad, dilation, relu):
    """filters (G, L, F/G), in the order of the columns."""
    xp = array_module(x)
    groups, _, per_group = filters.shape
    n, c, height, width = x.shape
    f = groups * per_group
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    y = empty_map((n, f, u, v), x.dtype, xp)
    last = channels_last(y)

    def strip_job(strip):
        a, e, p, q = strip
        cols = _columns(x, strip, k, stride, pad, dilation, groups, v, xp)
        out = last[a:e, p:q].reshape(-1, groups, per_group)  # several images in a strip are whole: always a view
        product(cols, filters, out.swapaxes(0, 1), xp)
        out = out.reshape(-1, f)
        if b is not None:
            out += b
        if relu:
            xp.maximum(out, 0, out=out)

    run_strips(strip_job, _cut(n, u, v, c, k, groups, xp), xp)
    return y


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW.T = X @ dY.T and db, summed over strips: each partial sum in strip order, then those in order."""
    xp = array_module(x)
    f, per_group, k, _ = w_shape
    n, c = x.shape[:2]
    u, v = dy.shape[2:]
    last = channels_last(dy)
    parts = partial_sums(_cut(n, u, v, c, k, groups, xp), f * per_group * k * k)
    few = _few(c, k, groups)
    sums = xp.empty((len(parts), groups, per_group * k * k + few, f // groups), x.dtype)
    db = None if few else xp.zeros((len(parts), f), x.dtype)

    def part_job(g):
        for number, strip in enumerate(parts[g]):
            a, e, p, q = strip
            seen = _columns(x, strip, k, stride, pad, dilation, groups, v, xp).swapaxes(1, 2)
            rows = last[a:e, p:q]
            if not few:
                db[g] += bias_sums(rows, xp)
            rows = rows.reshape(-1, groups, f // groups).swapaxes(0, 1)
            add_product(seen, rows, sums[g], number == 0, xp)

    run_strips(part_job, range(len(parts)), xp)
    dw = sums.sum(axis=0).swapaxes(1, 2)
    if few:
        return xp.ascontiguousarray(dw[..., :-1].reshape(w_shape)), dw[0, :, -1]
    dw = dw.reshape(f, k, k, per_group).transpose(0, 3, 1, 2)
    return xp.ascontiguousarray(dw.reshape(w_shape)), db.sum(axis=0)

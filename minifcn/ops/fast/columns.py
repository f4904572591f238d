"""im2col strip by strip: the columns of a few output rows at a time, made, used and overwritten while in the cache.

The letters are those of ops/conv.py. This is the road for every shape that has no faster one.
"""
from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.fast.strips import cut, padded_rows, partial_sums
from minifcn.ops.im2col import conv_size, taps


def _columns(x, strip, k, stride, pad, dilation, v, xp):
    """im2col of one strip: (C, K*K, b-a, q-p, V)."""
    a, b, p, q = strip
    if k == 1 and stride == 1 and pad == 0 and b - a == 1:
        return x[a, :, None, None, p:q]  # the rows are their own columns
    top, bottom = p * stride, (q - 1) * stride + dilation * (k - 1) + 1
    rows = padded_rows(x, a, b, top, bottom, pad, 0, xp)
    cols = scratch("columns", (x.shape[1], k * k, b - a, q - p, v), x.dtype, xp)
    for i, j, high, wide in taps(k, stride, dilation, q - p, v):
        cols[:, i * k + j] = rows[:, :, high, wide]
    return cols


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False):
    """As ops.conv.conv2d, without ever holding all the columns."""
    xp = array_module(x)
    n, c, height, width = x.shape
    f, _, k, _ = w.shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    y = xp.empty((n, f, u, v), x.dtype)
    filters = w.reshape(groups, f // groups, -1)

    def strip_job(strip):
        a, e, p, q = strip
        cols = _columns(x, strip, k, stride, pad, dilation, v, xp).reshape(groups, filters.shape[2], -1)
        if e - a == 1:
            out = y[a].reshape(groups, f // groups, u * v)[:, :, p * v:q * v]
        else:
            out = scratch("product", (groups, f // groups, cols.shape[2]), x.dtype, xp)
        xp.matmul(filters, cols, out=out)
        if b is not None:
            out += b.reshape(groups, -1, 1)
        if relu:
            xp.maximum(out, 0, out=out)
        if e - a > 1:
            y[a:e, :, p:q] = out.reshape(f, e - a, q - p, v).swapaxes(0, 1)

    run_strips(strip_job, cut(n, u, c * k * k * v, xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW = dY @ X.T summed over strips: each partial sum in strip order, then those in order."""
    xp = array_module(x)
    f, k = w_shape[0], w_shape[2]
    n, c = x.shape[:2]
    u, v = dy.shape[2:]
    parts = partial_sums(cut(n, u, c * k * k * v, xp), f * w_shape[1] * k * k)
    sums = xp.empty((len(parts), groups, f // groups, w_shape[1] * k * k), x.dtype)

    def part_job(g):
        for number, strip in enumerate(parts[g]):
            a, e, p, q = strip
            cols = _columns(x, strip, k, stride, pad, dilation, v, xp).reshape(groups, sums.shape[3], -1)
            if e - a == 1:
                rows = dy[a].reshape(groups, f // groups, u * v)[:, :, p * v:q * v]
            else:
                rows = scratch("rows", (f, e - a, q - p, v), x.dtype, xp)
                rows[...] = dy[a:e, :, p:q].swapaxes(0, 1)
                rows = rows.reshape(groups, f // groups, -1)
            if number == 0:
                xp.matmul(rows, cols.swapaxes(1, 2), out=sums[g])
            else:
                sums[g] += xp.matmul(rows, cols.swapaxes(1, 2), out=scratch("dw", sums.shape[1:], x.dtype, xp))

    run_strips(part_job, range(len(parts)), xp)
    return sums.sum(axis=0).reshape(w_shape)

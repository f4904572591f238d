"""im2col strip by strip: the columns of a few output rows at a time, made, used and overwritten while in the cache.

The letters are those of ops/conv.py. A strip is (images a:b, output rows p:q); several images share a strip only where
a whole image gives too few columns for a good matrix product.
"""
import numpy as np

from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.im2col import conv_size, taps

# Numbers a strip's columns may have. Measured on 2 cores with 1 MB of L2 each: 2^16..2^18 are within 5 % of each
# other, 2^20 is 20 % slower. A GPU wants launches few and large instead.
BUDGET = {"cpu": 1 << 17, "gpu": 1 << 27}


def partial_sums(strips, size):
    """Deal the strips to the partial sums of a gradient of `size` numbers, 2 to 8 of them by its size.

    Their number must not depend on the number of threads, or the bits would.
    """
    sums = min(8, max(2, (1 << 24) // size))
    parts = [strips[len(strips) * g // sums:len(strips) * (g + 1) // sums] for g in range(sums)]
    return [part for part in parts if part]


def cut(n, u, columns_per_row, xp):
    """Cut N images of U output rows into strips (a, b, p, q)."""
    budget = BUDGET["cpu" if xp is np else "gpu"]
    rows = max(1, budget // columns_per_row)
    if rows < u:
        rows = -(-u // -(-u // rows))  # as equal as possible
        return [(i, i + 1, p, min(p + rows, u)) for i in range(n) for p in range(0, u, rows)]
    images = max(1, rows // u)
    return [(i, min(i + images, n), 0, u) for i in range(0, n, images)]


def padded_rows(x, a, b, top, bottom, pad, extra, xp):
    """Rows top..bottom of the padded images a:b, and `extra` zero columns at the right end: (C, b-a, rows, W+2P+extra).

    Rows and columns beyond the image are zero. Only what the strip needs is copied, channels first.
    """
    _, c, height, width = x.shape
    out = scratch("padded", (c, b - a, bottom - top, width + 2 * pad + extra), x.dtype, xp)
    first = min(max(top, pad), bottom)
    last = max(min(bottom, height + pad), first)
    out[:, :, :first - top] = 0
    out[:, :, last - top:] = 0
    out[:, :, first - top:last - top, :pad] = 0
    out[:, :, first - top:last - top, pad + width:] = 0
    out[:, :, first - top:last - top, pad:pad + width] = x[a:b, :, first - pad:last - pad].swapaxes(0, 1)
    return out


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


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1):
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
            xp.matmul(filters, cols, out=out)
            if b is not None:
                out += b.reshape(groups, -1, 1)
        else:
            out = scratch("product", (groups, f // groups, cols.shape[2]), x.dtype, xp)
            xp.matmul(filters, cols, out=out)
            if b is not None:
                out += b.reshape(groups, -1, 1)
            y[a:e] = out.reshape(f, e - a, u, v).swapaxes(0, 1)

    run_strips(strip_job, cut(n, u, c * k * k * v, xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def weight_gradient(dy, x, w_shape, stride, pad, dilation, groups):
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
                rows = scratch("rows", (f, e - a, u, v), x.dtype, xp)
                rows[...] = dy[a:e].swapaxes(0, 1)
                rows = rows.reshape(groups, f // groups, -1)
            if number == 0:
                xp.matmul(rows, cols.swapaxes(1, 2), out=sums[g])
            else:
                sums[g] += xp.matmul(rows, cols.swapaxes(1, 2), out=scratch("dw", sums.shape[1:], x.dtype, xp))

    run_strips(part_job, range(len(parts)), xp)
    return sums.sum(axis=0).reshape(w_shape)


def input_gradient(dy, w, pad, dilation, groups, conv):
    """dX of a stride-1 convolution: a convolution, by `conv`, of dY with the turned, transposed filters.

    dx[c,h,w] = sum_{f,i,j} w[f,c,i,j] dy[f, h + P - D*i, w + P - D*j]: read the kernel backwards and it is one, padded
    by D(K-1) - P. Where that is negative dY is cropped first: those outputs saw nothing but padding.
    """
    f, per_group, k, _ = w.shape
    turned = w.reshape(groups, f // groups, per_group, k, k).swapaxes(1, 2)[..., ::-1, ::-1]
    turned = turned.reshape(groups * per_group, f // groups, k, k)
    pad = dilation * (k - 1) - pad
    if pad < 0:
        dy, pad = dy[:, :, -pad:dy.shape[2] + pad, -pad:dy.shape[3] + pad], 0
    return conv(dy, turned, pad=pad, dilation=dilation, groups=groups)[0]

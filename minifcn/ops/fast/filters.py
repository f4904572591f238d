"""Convolution with filters of many megabytes: they are dealt to the workers, and each is read once.

VGG16's fc6 has 4096 filters of 512 x 7 x 7 numbers, 0.4 GB, for a map of 12 x 16: whoever goes over them for every row
of the map waits for memory alone. The columns of the whole map are made first (20 MB there), then every worker takes
some filters.

The letters are those of ops/conv.py; L = C*K*K numbers in a filter. A block is the output rows p:q of all images.
"""
import numpy as np

from minifcn.backend import array_module, run_strips, scratch, shares
from minifcn.buffers import empty
from minifcn.ops.fast.strips import padded_rows
from minifcn.ops.im2col import conv_size, taps

SHARE = 1 << 25  # numbers a worker takes at a time: the same for any number of workers, and so are the bits
BLOCK = 1 << 25  # numbers of columns at a time: larger maps go over the filters again


def _shares(count, size, xp):
    """Slices of 0..count, each of about SHARE numbers where one item has `size`, two at least; a GPU takes all."""
    return shares(count, 2 * -(-count * size // (2 * SHARE)) if xp is np else 1)


def _blocks(u, numbers_per_row):
    rows = max(1, BLOCK // numbers_per_row)
    return [(p, min(p + rows, u)) for p in range(0, u, rows)]


def _columns(x, block, k, stride, pad, dilation, v, xp):
    """im2col of a block, its images side by side: (L, N*(q-p)*V). Each worker copies some channels."""
    p, q = block
    n, c = x.shape[:2]
    if k == stride == n == 1 and not pad:
        return x[0, :, p:q].reshape(c, -1)  # the map is its own columns
    bottom = (q - 1) * stride + dilation * (k - 1) + 1
    planes = padded_rows(x, 0, n, p * stride, bottom, pad, 0, xp, channels_first=True)
    cols = scratch("filters' columns", (c, k * k, n, q - p, v), x.dtype, xp)

    def some(s):
        for i, j, high, wide in taps(k, stride, dilation, q - p, v):
            cols[s, i * k + j] = planes[s, :, high, wide]

    run_strips(some, _shares(c, k * k * n * (q - p) * v, xp), xp)
    return cols.reshape(c * k * k, -1)


def _places(dy, block, xp):
    """The rows p:q of (N,F,U,V) as (F, N*(q-p)*V)."""
    p, q = block
    return xp.ascontiguousarray(dy[:, :, p:q].swapaxes(0, 1)).reshape(dy.shape[1], -1)


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False):
    """As ops.conv.conv2d, for one group."""
    xp = array_module(x)
    n, _, height, width = x.shape
    f, _, k, _ = w.shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    y, filters = empty((n, f, u, v), x.dtype, xp), w.reshape(f, -1)
    for p, q in _blocks(u, filters.shape[1] * n * v):
        cols = _columns(x, (p, q), k, stride, pad, dilation, v, xp)

        def some(s, p=p, q=q, cols=cols):
            out = xp.matmul(filters[s], cols, out=scratch("out", (s.stop - s.start, cols.shape[1]), x.dtype, xp))
            if b is not None:
                out += b[s, None]
            if relu:
                xp.maximum(out, 0, out=out)
            y[:, s, p:q] = out.reshape(-1, n, q - p, v).swapaxes(0, 1)

        run_strips(some, _shares(f, filters.shape[1], xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW = dY @ X.T and db, some filters at a time."""
    xp = array_module(x)
    f, c, k, _ = w_shape
    u, v = dy.shape[2:]
    dw = empty((f, c * k * k), x.dtype, xp)
    for block in _blocks(u, dw.shape[1] * len(x) * v):
        cols, rows = _columns(x, block, k, stride, pad, dilation, v, xp), _places(dy, block, xp)

        def some(s, first=block[0] == 0, cols=cols, rows=rows):
            if first:
                xp.matmul(rows[s], cols.T, out=dw[s])
            else:
                dw[s] += rows[s] @ cols.T

        run_strips(some, _shares(f, dw.shape[1], xp), xp)
    return dw.reshape(w_shape), dy.sum(axis=(0, 2, 3))


def input_gradient(dy, w, x_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dX = col2im(W.T @ dY), some channels at a time."""
    xp = array_module(dy)
    n, c, height, width = x_shape
    f, _, k, _ = w.shape
    u, v = dy.shape[2:]
    filters = w.reshape(f, c, k * k)
    dx = xp.zeros((c, n, height + 2 * pad, width + 2 * pad), dy.dtype)
    for p, q in _blocks(u, c * k * k * n * v):
        rows = _places(dy, (p, q), xp)

        def some(s, p=p, q=q, rows=rows):
            cols = (filters[:, s].reshape(f, -1).T @ rows).reshape(-1, k, k, n, q - p, v)
            for i, j, high, wide in taps(k, stride, dilation, q - p, v):
                dx[s, :, p * stride:][:, :, high, wide] += cols[:, i, j]

        run_strips(some, _shares(c, f * k * k, xp), xp)
    return xp.ascontiguousarray(dx[:, :, pad:pad + height, pad:pad + width].swapaxes(0, 1))

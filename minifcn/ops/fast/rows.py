"""im2col with K copies of the image instead of K*K: only the column shifts are copied, the row shifts are views.

The letters are those of ops/conv.py; one group, no dilation. Measured on 2 cores, batches of 8 at the sizes of the mini
body: strip-wise im2col takes 1.02 to 1.4 times as long forwards, 1.15 to 1.56 times for dW.
"""
from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.fast.strips import cut, partial_sums
from minifcn.ops.im2col import conv_size

WIDE = 128  # columns a matrix product should have at least: several narrow images lie side by side


def _fill_shifts(out, x, strip, k, stride, pad, v):
    """out[r,c,j,n,v] = xpad[n, c, S*p + r, S*v + j]: the rows of a strip in their K column shifts, zero beyond."""
    a, b, p, _ = strip
    _, _, height, width = x.shape
    top = p * stride - pad
    first = min(max(0, -top), len(out))
    last = max(min(len(out), height - top), first)
    out[:first] = 0
    out[last:] = 0
    source = x[a:b, :, top + first:top + last].transpose(2, 1, 0, 3)
    for j in range(k):
        left = max(0, -((j - pad) // stride))  # the places left..right are where this shift lies within the image
        right = max(left, min(v, (width - 1 + pad - j) // stride + 1))
        shifted = out[first:last, :, j]
        shifted[..., :left] = 0
        shifted[..., right:] = 0
        if right > left:
            start = left * stride + j - pad
            shifted[..., left:right] = source[..., start:start + (right - left - 1) * stride + 1:stride]


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False):
    """As ops.conv.conv2d, for dilation and groups of 1.

    R (rows,C,K,images,V) holds the shifted rows: the patches of output row u, kernel rows outermost, are the K*C*K*V
    numbers from row S*u on, and those of row u + 1 overlap them. One product a row, straight into y.
    """
    xp = array_module(x)
    n, c, height, width = x.shape
    f, _, k, _ = w.shape
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    y = xp.empty((n, f, u, v), x.dtype)
    filters = xp.ascontiguousarray(w.swapaxes(1, 2)).reshape(f, -1)  # (F, K*C*K), kernel rows outermost

    def strip_job(strip):
        a, e, p, q = strip
        rows = scratch("rows", ((q - p - 1) * stride + k, c, k, e - a, v), x.dtype, xp)
        _fill_shifts(rows, x, strip, k, stride, pad, v)
        row, _, shift, _, _ = rows.strides
        shape = (q - p, filters.shape[1], (e - a) * v)
        patches = xp.lib.stride_tricks.as_strided(rows, shape, (stride * row, shift, rows.itemsize))
        one = e - a == 1
        out = y[a, :, p:q].swapaxes(0, 1) if one else scratch("product", (q - p, f, shape[2]), x.dtype, xp)
        xp.matmul(filters, patches, out=out)
        if b is not None:
            out += b.reshape(-1, 1)
        if relu:
            xp.maximum(out, 0, out=out)
        if not one:
            y[a:e, :, p:q] = out.reshape(q - p, f, e - a, v).transpose(2, 1, 0, 3)

    run_strips(strip_job, cut(n, u, c * k * v * stride, xp, wide=-(-WIDE // v)), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW, for stride, dilation and groups of 1: dW[:,:,i,:] = dY @ X_i.T, X_i (C*K, U*V) the shifted rows from i on."""
    xp = array_module(x)
    f, c, k, _ = w_shape
    n = len(x)
    u, v = dy.shape[2:]
    parts = partial_sums(cut(n, u, c * k * v, xp, one_image=True), f * c * k * k)
    sums = xp.empty((len(parts), k, f, c * k), x.dtype)

    def part_job(g):
        for number, strip in enumerate(parts[g]):
            a, _, p, q = strip
            shifts = scratch("rows", (c, k, q - p + k - 1, v), x.dtype, xp)
            _fill_shifts(shifts.transpose(2, 0, 1, 3)[:, :, :, None], x, strip, k, 1, pad, v)
            rows = dy[a].reshape(f, u * v)[:, p * v:q * v]
            for i in range(k):
                seen = shifts[:, :, i:i + q - p].reshape(c * k, -1).T
                if number == 0:
                    xp.matmul(rows, seen, out=sums[g, i])
                else:
                    sums[g, i] += xp.matmul(rows, seen, out=scratch("dw", (f, c * k), x.dtype, xp))

    run_strips(part_job, range(len(parts)), xp)
    return xp.ascontiguousarray(sums.sum(axis=0).reshape(k, f, c, k).transpose(1, 2, 0, 3))

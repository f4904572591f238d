"""Cutting a batch into strips of rows that stay in a core's cache, and what fast convolutions do with them.

The letters are those of ops/conv.py. A strip is (images a:b, output rows p:q).
"""
import numpy as np

from minifcn.backend import array_module, scratch, shares
from minifcn.buffers import empty

# Numbers a strip's columns may have. Measured on 2 cores with 2 MB of L2 each, 8 maps of 16 to 64 channels: 2^20 take
# 0.5 to 0.8 of the time of 2^17. One thread alone would not mind, but two wait for each other at every call of NumPy.
# A GPU wants launches few and large anyway.
BUDGET = {"cpu": 1 << 20, "gpu": 1 << 27}
SMALL = 10**6  # multiply-adds of a product: see product()
# Numbers of all strips together from which there are several. Below it is more sums and more calls that count: conv4_1,
# conv5_1 and fc6 of mini, 4 images, take 0.86 to 0.92 of the time backward in one strip.
WORTH = 1 << 20


def cut(n, u, numbers_per_row, xp, times=1):
    """Cut N images of U output rows into strips (a, b, p, q) within `times` the budget, as equal as possible.

    Where there is WORTH to do there are two at least, and an even number of them wherever it can be, so that two
    threads have alike to do. A strip has several images only where these are whole.
    """
    budget = BUDGET["cpu"] * times if xp is np else BUDGET["gpu"]
    if not n:
        return []
    images = min(n, max(1, budget // (numbers_per_row * u)))
    per_image = -(-u // max(1, min(u, budget // numbers_per_row))) if images == 1 else 1
    groups = -(-n // images)
    if xp is np and n * u * numbers_per_row >= WORTH and groups * per_image % 2:
        if groups < n:
            groups += 1
        else:
            per_image = min(u, per_image + 1)
    images, rows = -(-n // groups), -(-u // per_image)
    return [(i, min(i + images, n), p, min(p + rows, u)) for i in range(0, n, images) for p in range(0, u, rows)]


def partial_sums(strips, size):
    """Deal the strips to the partial sums of a gradient of `size` numbers, 8 of them at most, by its size.

    Their number must not depend on the number of threads, or the bits would.
    """
    sums = min(8, max(2, (1 << 24) // size))
    return [strips[part] for part in shares(len(strips), sums)]


def channels_last(x):
    """(N,C,H,W) as a contiguous (N,H,W,C): a view where the channels of a pixel lie side by side, else a copy."""
    return array_module(x).ascontiguousarray(x.transpose(0, 2, 3, 1))


def empty_map(shape, dtype, xp):
    """An uninitialised map (N,C,H,W) that lies in memory as (N,H,W,C).

    So do the maps that the fast roads make: whatever is cut out of them comes in runs of C numbers, on which copies and
    additions go several times as fast as on the rows of a small map.
    """
    n, c, height, width = shape
    return empty((n, height, width, c), dtype, xp).transpose(0, 3, 1, 2)


def padded_rows(x, a, b, top, bottom, pad, extra, xp, channels_first=False):
    """Rows top..bottom of the padded images a:b, and `extra` zero columns at the right end: (b-a, rows, W+2P+extra, C).

    (C, b-a, rows, W+2P+extra) with channels_first=True. Rows and columns beyond the image are zero. Only what the strip
    needs is copied, and nothing where no zero is needed.
    """
    _, c, height, width = x.shape
    if not channels_first and pad == extra == 0 and bottom <= height:
        return x[a:b, :, top:bottom].transpose(0, 2, 3, 1)
    sizes = b - a, bottom - top, width + 2 * pad + extra
    if channels_first:
        out = scratch("planes", (c, *sizes), x.dtype, xp)
        images = out.transpose(1, 2, 3, 0)
    else:
        images = out = scratch("padded", (*sizes, c), x.dtype, xp)
    first = min(max(top, pad), bottom)
    last = max(min(bottom, height + pad), first)
    images[:, :first - top] = 0
    images[:, last - top:] = 0
    inner = images[:, first - top:last - top]
    inner[:, :, :pad] = 0
    inner[:, :, pad + width:] = 0
    inner[:, :, pad:pad + width] = x[a:b, :, first - pad:last - pad].transpose(0, 2, 3, 1)
    return out


def product(a, b, out, xp):
    """out = a @ b, (..., L, K) @ (..., K, M), for large L and small K and M: so many rows of a at a time.

    OpenBLAS multiplies matrices of up to SMALL multiply-adds as they are, and copies larger ones together first.
    Measured with AVX-512, (36, 320, 64) @ (36, 64, 64): 0.72 of the time.
    """
    rows, work = a.shape[-2], b.shape[-2] * b.shape[-1]
    size = SMALL // work // 16 * 16
    if xp is not np or size < 64 or rows <= size:
        xp.matmul(a, b, out=out)
        return
    whole = rows // size * size
    pieces = [m[..., :whole, :].reshape(*m.shape[:-2], whole // size, size, m.shape[-1]) for m in (a, out)]
    np.matmul(pieces[0], b[..., None, :, :], out=pieces[1])
    if whole < rows:
        np.matmul(a[..., whole:, :], b, out=out[..., whole:, :])


def add_product(a, b, to, first, xp):
    """to += a @ b, or, the first time, to = a @ b."""
    if first:
        xp.matmul(a, b, out=to)
    else:
        to += xp.matmul(a, b, out=scratch("dw", to.shape, to.dtype, xp))


def bias_sums(dy, xp):
    """(..., V, F) -> (F,): each row of V pixels first, or rounding errors would grow with the pixels."""
    return xp.matmul(xp.ones(dy.shape[-2], dy.dtype), dy).reshape(-1, dy.shape[-1]).sum(axis=0)


def padded_for_input(dy, k, pad, dilation=1):
    """(dY, padding) whose convolution with the turned, transposed filters is dX, for stride 1.

    dx[c,h,w] = sum_{f,i,j} w[f,c,i,j] dy[f, h + P - D*i, w + P - D*j]: read the kernel backwards and it is one, padded
    by D(K-1) - P. Where that is negative dY is cropped: those outputs saw nothing but padding.
    """
    pad = dilation * (k - 1) - pad
    if pad < 0:
        dy, pad = dy[:, :, -pad:dy.shape[2] + pad, -pad:dy.shape[3] + pad], 0
    return dy, pad

"""Cutting a batch into strips of rows that stay in a core's cache, and what all fast convolutions do with them.

The letters are those of ops/conv.py. A strip is (images a:b, output rows p:q).
"""
import numpy as np

from minifcn.backend import scratch

# Numbers a strip's columns may have. Measured on 2 cores with 1 MB of L2 each, 8 maps of 64 channels and 32x40 pixels:
# 2^17 to 2^20 are within 6 % of each other, 2^15 takes twice as long. A GPU wants launches few and large instead.
BUDGET = {"cpu": 1 << 17, "gpu": 1 << 27}


def cut(n, u, numbers_per_row, xp, wide=1, one_image=False, times=1):
    """Cut N images of U output rows into strips (a, b, p, q) within `times` the budget, as equal as possible.

    A strip has at least `wide` images, and more where whole images are small; with one_image=True never more than one.
    """
    budget = BUDGET["cpu"] * times if xp is np else BUDGET["gpu"]
    images = 1 if one_image else min(n, max(wide, budget // (numbers_per_row * u)))
    images = -(-n // -(-n // images))
    rows = max(1, min(u, budget // (numbers_per_row * images)))
    rows = -(-u // -(-u // rows))
    return [(i, min(i + images, n), p, min(p + rows, u)) for i in range(0, n, images) for p in range(0, u, rows)]


def partial_sums(strips, size):
    """Deal the strips to the partial sums of a gradient of `size` numbers, 2 to 8 of them by its size.

    Their number must not depend on the number of threads, or the bits would.
    """
    sums = min(8, max(2, (1 << 24) // size))
    parts = [strips[len(strips) * g // sums:len(strips) * (g + 1) // sums] for g in range(sums)]
    return [part for part in parts if part]


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

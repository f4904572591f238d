"""The mathematics: stateless pairs  op(...) -> y, cache   and   op_backward(dy, cache) -> gradients.

Arrays are N,C,H,W; NumPy in, NumPy out, CuPy in, CuPy out; float32 stays float32 and float64 stays float64; no
argument is ever written into. The plain forms are in im2col.py, conv.py, linear.py, pool.py, upsample.py, pointwise.py,
norm.py and loss.py. Here a road is chosen for the two that have fast ones; in memory their maps lie channels last.
"""
from math import prod

import numpy as np

from minifcn.backend import array_module
from minifcn.ops import groups as plain_conv
from minifcn.ops import upsample as plain_upsample
from minifcn.ops.conv import check_conv
from minifcn.ops.fast import bilinear, blocks, columns, filters, winograd
from minifcn.ops.fast.strips import channels_last
from minifcn.ops.im2col import col2im, im2col
from minifcn.ops.linear import linear, linear_backward
from minifcn.ops.loss import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.norm import local_response_norm, local_response_norm_backward
from minifcn.ops.pointwise import dropout, dropout_backward, relu, relu_backward
from minifcn.ops.pool import average_pool2d, average_pool2d_backward, max_pool2d, max_pool2d_backward
from minifcn.ops.upsample import bilinear_kernel, crop, crop_backward

__all__ = [
    "average_pool2d", "average_pool2d_backward", "bilinear_kernel", "col2im", "conv2d", "conv2d_backward",
    "conv_transpose2d", "conv_transpose2d_backward", "crop", "crop_backward", "dropout", "dropout_backward", "im2col",
    "linear", "linear_backward", "local_response_norm", "local_response_norm_backward", "max_pool2d",
    "max_pool2d_backward", "relu", "relu_backward", "softmax_cross_entropy", "softmax_cross_entropy_backward",
]

# Channels in and out, and pixels of all images, from which Winograd's fewer products are worth its transforms. Measured
# on 2 cores against the columns' road, forward, dX and dW of 8 maps: 32 -> 64 channels at 32x40 take 0.65 to 0.83 of
# its time, 128 -> 128 at 16x20 0.66 to 0.68; 16 -> 32 at 64x80 0.92 to 1.06 and 128 -> 128 at 8x10 1.09 to 1.15, before
# dW is spared tiles that were kept; 128 -> 192 at 4x5 1.27 to 1.68.
WINOGRAD_FROM = (16, 384)
# Numbers in all filters from which reading them again and again costs more than anything else. Measured on 2 cores, of
# VGG16 on 375 x 500 pixels: fc6 takes 0.10 of the time that it takes by columns, fc7 0.15.
FILTERS_FROM = 1 << 23


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, method="auto", relu=False, pool=False,
           keep=False):
    """y[n,f,u,v] = b[f] + sum_{c,i,j} w[f,c,i,j] xpad[n, c, S*u + D*i, S*v + D*j]

    x (N,C,H,W)   w (F,C/G,K,K)   b (F,) or None   ->   y (N,F,U,V), cache
    relu=True: max(y, 0) instead, made while y is still in the cache; conv2d_backward then takes what relu_backward made
    of the gradient. pool=True, together with relu=True: and then max_pool2d(y, 2, ceil=True) instead, for inference.
    keep=True: conv2d_backward will come, and may take up to 16 MB of what was computed on the way.
    method "im2col" is the plain form of ops/conv.py, group by group; "winograd" takes 3x3 kernels, stride 1, dilation 1
    and one group; "auto" takes whichever fast road suits the shape, with the same result within rounding (below 1e-5 in
    float32).
    Raises ValueError for what does not fit together, TypeError for mixed dtypes or devices.
    """
    if pool and not relu:
        raise ValueError("pool=True goes with relu=True: below its border a map counts as 0, which no ReLU exceeds")
    check_conv(x, w, b, stride, pad, dilation, groups)
    road = _road(method, w.shape, x[:, 0].size, stride, dilation, groups)
    options = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    tiles = None
    if road is plain_conv:
        y, cache = road.conv2d(x, w, b, **options)
        y = array_module(y).maximum(y, 0) if relu else y
    elif road is winograd:
        tiles = winograd.kept_tiles(x, pad) if keep else None
        y, cache = road.conv2d(x, w, b, **options, relu=relu, pool=pool, tiles=tiles)
    else:
        y, cache = road.conv2d(x, w, b, **options, relu=relu)
    if pool and road is not winograd:
        y, _ = max_pool2d(y, 2, ceil=True)
    return y, (*cache, tiles, method)


def kept_numbers(x_shape, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """How many numbers conv2d(..., keep=True) remembers besides x and w."""
    n, _, height, width = x_shape
    if _road("auto", w_shape, n * height * width, stride, dilation, groups) is not winograd:
        return 0
    return prod(winograd.kept_shape(x_shape, pad) or (0,))


def conv2d_backward(dy, cache, *, need_dx=True, need_dw=True):
    """The gradients of conv2d, by the road that it took.

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (F,C/G,K,K), db (F,); what is not needed, and db where there was no b: None
    """
    *cache, tiles, method = cache
    x, w, has_b, stride, pad, dilation, groups = cache
    array_module(dy, x)
    road = _road(method, w.shape, x[:, 0].size, stride, dilation, groups)
    if road is plain_conv:
        return plain_conv.conv2d_backward(dy, tuple(cache), need_dx=need_dx, need_dw=need_dw)
    dx = dw = db = None
    if road is not filters:
        dy = channels_last(dy).transpose(0, 3, 1, 2)  # once, for both
    options = {"stride": stride, "pad": pad, "dilation": dilation, "groups": groups}
    if need_dw:
        kept = {"tiles": tiles} if road is winograd else {}
        dw, db = road.weight_gradient(dy, x, w.shape, **options, **kept)
        db = db if has_b else None
    if need_dx and road is columns and stride > 1:  # dX is no plain convolution of dY then
        dx, _, _ = plain_conv.conv2d_backward(dy, tuple(cache), need_dw=False)
    elif need_dx:
        dx = road.input_gradient(dy, w, x.shape, **options)
    return dx, dw, db


def _road(method, w_shape, pixels, stride, dilation, groups):
    """The module whose conv2d is to be used."""
    f, c, k, _ = w_shape
    plain_kernel = dilation == groups == 1
    possible = k == 3 and stride == 1 and plain_kernel
    if method == "winograd" and not possible:
        raise ValueError(f"winograd takes 3x3 kernels, stride 1, dilation 1, one group; not {w_shape}, "
                         f"stride {stride}, dilation {dilation}, {groups} groups")
    if method not in ("auto", "im2col", "winograd"):
        raise ValueError(f"method {method!r} is none of auto, im2col, winograd")
    if method == "im2col":
        return plain_conv
    if method == "winograd" or possible and min(c, f) >= WINOGRAD_FROM[0] and pixels >= WINOGRAD_FROM[1]:
        return winograd
    if groups == 1 and f * c * k * k >= FILTERS_FROM:
        return filters
    return columns


def conv_transpose2d(x, w, b=None, *, stride=1, pad=0):
    """ypad[n, f, S*h + i, S*w + j] += x[n,c,h,w] w[c,f,i,j], summed over c, h, w, i, j; y is ypad less P on every side

    x (N,C,H,W)   w (C,F,K,K)   b (F,) or None   ->   y (N,F,U,V), cache,   U = S*(H - 1) + K - 2P
    Raises ValueError for what does not fit together, TypeError for mixed dtypes or devices.
    """
    plain_upsample.check_conv_transpose(x, w, b, stride, pad)
    lines = _lines(w)
    if lines is None:
        fold = blocks.fold if w.shape[2] % stride == 0 else col2im
        return plain_upsample.conv_transpose2d(x, w, b, stride=stride, pad=pad, fold=fold)
    y = bilinear.conv_transpose2d(x, w, lines, stride=stride, pad=pad)
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y, (x, w, b is not None, stride, pad)


def conv_transpose2d_backward(dy, cache, *, need_dx=True, need_dw=True):
    """The gradients of conv_transpose2d.

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (C,F,K,K), db (F,); what is not needed, and db where there was no b: None
    """
    x, w, _, stride, pad = cache
    array_module(dy, x)
    lines = _lines(w) if need_dx else None
    dx, dw, db = plain_upsample.conv_transpose2d_backward(
        dy, cache, need_dx=need_dx and lines is None, need_dw=need_dw,
        unfold=blocks.unfold if w.shape[2] % stride == 0 else im2col)
    if lines is not None:
        dx = bilinear.input_gradient(dy, x.shape, lines, stride=stride, pad=pad)
    return dx, dw, db


def _lines(w):
    return bilinear.separable_lines(w) if array_module(w) is np else None

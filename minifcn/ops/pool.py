"""Max pooling, and average pooling.

N images, C channels, H x W pixels in, U x V windows out, K window side, S stride, P padding on every side, D dilation
(a window's pixels lie D apart).
"""
import math

import numpy as np

from minifcn.backend import array_module, pieces, run_strips, shares
from minifcn.buffers import empty_like
from minifcn.ops.fast import kernels
from minifcn.ops.im2col import check_whole


def pool_size(size, k, stride, pad=0, ceil=False, dilation=1):
    """How many windows lie along one side: (size + 2P - D(K - 1) - 1) / S + 1, rounded down, or up with ceil=True.

    A last window that would start beyond image and left padding is dropped: it would see nothing of the image.
    """
    reach = dilation * (k - 1) + 1
    if size + 2 * pad < reach and not ceil:
        raise ValueError(f"a window of {reach} does not fit {size} pixels padded by {pad} on both sides")
    windows = (math.ceil if ceil else math.floor)((size + 2 * pad - reach) / stride) + 1
    if ceil and (windows - 1) * stride >= size + pad:
        windows -= 1
    return max(windows, 1)


def max_pool2d(x, k, *, stride=None, pad=0, ceil=False, dilation=1):
    """y[n,c,u,v] = max_{i,j} x[n, c, S*u + D*i - P, S*v + D*j - P], over those i, j that lie within the image

    x (N,C,H,W)   ->   y (N,C,U,V), cache.   stride None means k. Padding never wins: it is not in the maximum at all.
    A dilated window over an image narrower than D may step over all of it: its maximum is -inf.
    """
    stride = k if stride is None else stride
    check_whole(window=(k, 1), stride=(stride, 1), pad=(pad, 0), dilation=(dilation, 1))
    if pad > dilation * (k // 2):
        raise ValueError(f"padding {pad} of a window of {k}, dilation {dilation}: at most half a window, or some would "
                         "see nothing else")
    if x.ndim != 4:
        raise ValueError(f"x must be (N,C,H,W), not {x.shape}")
    xp = array_module(x)
    u, v = (pool_size(side, k, stride, pad, ceil, dilation) for side in x.shape[2:])
    y = empty_like(x, (*x.shape[:2], u, v), xp)  # laid out as x is

    def some(piece):
        images, channels, windows = piece
        seen, out = x[images, channels], y[piece]
        taps = _taps(x.shape, y.shape, windows, k, stride, pad, dilation)
        # without padding the first pixel of every window lies in the image
        out[...] = -math.inf if pad else seen[next(taps)[1]]
        for here, pixels in taps:
            xp.maximum(out[here], seen[pixels], out=out[here])

    if xp is np:
        run_strips(some, _pieces(x, u, True))
    else:
        kernels.max_pool2d(x, y, k, stride, pad, dilation)
    cache = (x, y, k, stride, pad)  # where each maximum was is found again from x and y, which are kept anyway
    return y, cache if dilation == 1 else (*cache, dilation)  # lesson 04 unpacks that of windows without gaps


def max_pool2d_backward(dy, cache, *, rectified=False):
    """dx = dy at the first largest pixel of each window in row order, 0 elsewhere; overlapping windows add up.

    dy (N,C,U,V)   ->   dx (N,C,H,W)
    rectified=True: x came of a ReLU, and dx is the gradient before it. What the ReLU stops is found here among a
    window's maxima, a fourth of its pixels: a maximum of 0 hands nothing back.
    """
    x, y, k, stride, pad, dilation = (*cache, 1)[:6]
    xp = array_module(dy, x)
    height, width = x.shape[2:]
    u, v = y.shape[2:]
    dx = empty_like(x, xp=xp)
    if dy.strides != y.strides:  # laid out otherwise, it would be read number by number
        dy, given = empty_like(y, xp=xp), dy
        dy[...] = given

    apart = stride >= dilation * (k - 1) + 1 and not pad  # no pixel lies in two windows
    each_once = apart and k == stride and u * k >= height and v * k >= width  # every pixel lies in one

    def some(piece):
        images, channels, windows = piece
        seen, dseen, out, dout = x[images, channels], dx[images, channels], y[piece], dy[piece]
        if not each_once:
            bottom = windows.stop * stride if windows.stop < u else height
            dseen[:, :, windows.start * stride if apart else 0:bottom if apart else height] = 0
        open_ = out > 0 if rectified else xp.ones_like(out, bool)  # windows whose maximum has not been met yet
        for here, pixels in _taps(x.shape, y.shape, windows, k, stride, pad, dilation):
            hit = seen[pixels] == out[here]
            hit &= open_[here]
            open_[here] ^= hit
            if each_once:
                xp.multiply(dout[here], hit, out=dseen[pixels])
            else:
                dseen[pixels] += dout[here] * hit

    if xp is np:
        run_strips(some, _pieces(x, u, apart))
    else:
        kernels.max_pool2d_backward(x, y, dy, dx, k, stride, pad, dilation, rectified)
    return dx


def average_pool2d(x, k):
    """y[n,c,u,v] = 1/K^2 sum_{i,j} x[n, c, u + i, v + j], stride 1, no padding: the end of GoogLeNet as a classifier.

    x (N,C,H,W)   ->   y (N,C,H-K+1,W-K+1), cache.   Raises ValueError where the window does not fit.
    """
    u, v = (pool_size(side, k, 1) for side in x.shape[2:])
    y = sum(x[:, :, i:i + u, j:j + v] for i in range(k) for j in range(k))
    y /= k * k
    return y, (x.shape, k)


def average_pool2d_backward(dy, cache):
    """dx = dy / K^2 at all pixels of each window, added up where windows overlap. dy (N,C,U,V)   ->   dx (N,C,H,W)"""
    shape, k = cache
    dx = array_module(dy).zeros(shape, dy.dtype)
    u, v = dy.shape[2:]
    share = dy / (k * k)
    for i in range(k):
        for j in range(k):
            dx[:, :, i:i + u, j:j + v] += share
    return dx


def _pieces(x, u, apart):
    """Pieces of x, (images, channels, rows of windows) as slices.

    Whole images, or some rows of windows where these lie apart, else some channels: no two pieces write to one pixel.
    """
    n, c = x.shape[:2]
    count = pieces(x.size)
    images = shares(n, min(n, count))
    some = shares(u if apart else c, -(-count // len(images)))
    return [(i, slice(None), s) if apart else (i, s, slice(0, u)) for i in images for s in some]


def _taps(shape, out_shape, windows, k, stride, pad, dilation):
    """Yield, for every place (i, j) in the window, the windows that have it in the image, and where they have it.

    Both as indices of an array (N,C,...); of the rows of windows some only are asked for.
    """
    for i in range(k):
        for j in range(k):
            high, rows = _within(dilation * i - pad, shape[2], windows, stride)
            wide, columns = _within(dilation * j - pad, shape[3], slice(0, out_shape[3]), stride)
            if rows.stop > rows.start and columns.stop > columns.start:
                yield (slice(None), slice(None), high, wide), (slice(None), slice(None), rows, columns)


def _within(start, size, windows, stride):
    """Those w of `windows` with 0 <= start + stride * w < size, from the first of them on, and the pixels: slices."""
    first = max(windows.start, -(start // stride))
    last = min(windows.stop - 1, (size - 1 - start) // stride)
    a = start + stride * first
    return slice(first - windows.start, last + 1 - windows.start), slice(a, a + stride * (last - first) + 1, stride)

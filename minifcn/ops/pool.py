"""Max pooling, and average pooling.

N images, C channels, H x W pixels in, U x V windows out, K window side, S stride, P padding on every side, D dilation
(a window's pixels lie D apart).
"""
import math

from minifcn.backend import array_module, spread
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
    n, c, height, width = x.shape
    u, v = (pool_size(side, k, stride, pad, ceil, dilation) for side in (height, width))
    y = xp.empty((n, c, u, v), x.dtype)
    planes, out = x.reshape(n * c, height, width), y.reshape(n * c, u, v)

    def some(s):
        out[s] = -math.inf
        for seen, rows, columns in _taps(height, width, u, v, k, stride, pad, dilation):
            xp.maximum(out[s][(slice(None), *seen)], planes[s, rows, columns], out=out[s][(slice(None), *seen)])

    spread(some, n * c, x.size, xp)
    cache = (x, y, k, stride, pad)  # where each maximum was is found again from x and y, which are kept anyway
    return y, cache if dilation == 1 else (*cache, dilation)  # lesson 04 unpacks that of windows without gaps


def max_pool2d_backward(dy, cache):
    """dx = dy at the first largest pixel of each window in row order, 0 elsewhere; overlapping windows add up.

    dy (N,C,U,V)   ->   dx (N,C,H,W)
    """
    x, y, k, stride, pad, dilation = (*cache, 1)[:6]
    xp = array_module(dy, x)
    n, c, height, width = x.shape
    u, v = y.shape[2:]
    dx = xp.empty(x.shape, dy.dtype)
    planes, out, dplanes, dout = (a.reshape(n * c, *a.shape[2:]) for a in (x, y, dx, dy))

    side_by_side = k == stride and dilation == 1 and not pad
    each_once = side_by_side and u * k >= height and v * k >= width  # every pixel lies in one window

    def some(s):
        if not each_once:
            dplanes[s] = 0
        open_ = xp.ones(out[s].shape, bool)  # windows whose maximum has not been met yet
        for seen, rows, columns in _taps(height, width, u, v, k, stride, pad, dilation):
            seen = (slice(None), *seen)
            hit = planes[s, rows, columns] == out[s][seen]
            hit &= open_[seen]
            open_[seen] ^= hit
            if not each_once:
                dplanes[s, rows, columns] += dout[s][seen] * hit
            else:
                xp.multiply(dout[s][seen], hit, out=dplanes[s, rows, columns])

    spread(some, n * c, x.size, xp)
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


def _taps(height, width, u, v, k, stride, pad, dilation):
    """Yield, for every place (i, j) in the window, the windows that have it in the image, and where they have it."""
    for i in range(k):
        for j in range(k):
            windows_high, rows = _within(dilation * i - pad, height, u, stride)
            windows_wide, columns = _within(dilation * j - pad, width, v, stride)
            if rows.stop > rows.start and columns.stop > columns.start:
                yield (windows_high, windows_wide), rows, columns


def _within(start, size, windows, stride):
    """Windows w with 0 <= start + stride * w < size, and the pixels that this gives, both as slices."""
    first = max(0, -(start // stride))
    last = min(windows - 1, (size - 1 - start) // stride)
    a = start + stride * first
    return slice(first, last + 1), slice(a, a + stride * (last - first) + 1, stride)

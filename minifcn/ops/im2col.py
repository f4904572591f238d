"""Patches <-> columns: the idea everything else stands on.

N images, C channels, H x W pixels in, U x V places of the kernel out, K kernel side, S stride, P zero padding on every
side, D dilation (the kernel's elements lie D pixels apart).
"""
import numpy as np

from minifcn.backend import array_module


def conv_size(size, k, stride=1, pad=0, dilation=1):
    """How many places the kernel fits along one side: floor((size + 2P - D(K - 1) - 1) / S) + 1.

    Raises ValueError where it fits nowhere.
    """
    reach = dilation * (k - 1) + 1
    if size + 2 * pad < reach:
        raise ValueError(f"a kernel of reach {reach} does not fit {size} pixels padded by {pad} on both sides")
    return (size + 2 * pad - reach) // stride + 1


def check_whole(**numbers):
    """Raise ValueError unless each name=(value, least) is one whole number of at least `least`."""
    for name, (value, least) in numbers.items():
        if not isinstance(value, int | np.integer) or value < least:
            raise ValueError(f"{name} must be one whole number of at least {least}, not {value!r}")


def taps(k, stride, dilation, u, v):
    """Yield every kernel offset (i, j) with the padded rows and columns that it meets at the U x V places."""
    for i in range(k):
        for j in range(k):
            yield i, j, _places(i * dilation, stride, u), _places(j * dilation, stride, v)


def _places(start, stride, count):
    return slice(start, start + stride * (count - 1) + 1, stride)


def im2col(x, k, stride, pad, dilation=1):
    """(N,C,H,W) -> (N, C*K*K, U*V): one column per output pixel, holding the patch it sees."""
    check_whole(kernel=(k, 1), stride=(stride, 1), pad=(pad, 0), dilation=(dilation, 1))
    xp = array_module(x)
    n, c, height, width = x.shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    xpad = xp.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = xp.empty((n, c, k, k, u, v), x.dtype)
    for i, j, rows, columns in taps(k, stride, dilation, u, v):
        cols[:, :, i, j] = xpad[:, :, rows, columns]
    return cols.reshape(n, c * k * k, u * v)


def col2im(cols, x_shape, k, stride, pad, dilation=1):
    """(N, C*K*K, U*V) -> (N,C,H,W): the adjoint of im2col, every patch added back in place."""
    xp = array_module(cols)
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = xp.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for i, j, rows, columns in taps(k, stride, dilation, u, v):
        xpad[:, :, rows, columns] += cols[:, :, i, j]  # a pixel seen by many patches collects from all
    return xpad[:, :, pad:pad + height, pad:pad + width]

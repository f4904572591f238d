"""Transposed convolution with a kernel that treats each channel on its own: what upsampling layers mostly are.

The dense form multiplies C times too many zeros. A separable kernel (the bilinear one is) needs two small matrix
products a channel: y = R x S^T, with R (U,H) and S (V,W) holding the one-dimensional kernel at every stride.
Measured on 2 cores, 21 classes, 64x64 kernel, 12x16 cells -> 416x544: 18 times as fast as the plain form.
"""
import numpy as np

from minifcn.backend import array_module, run_strips
from minifcn.buffers import empty
from minifcn.ops.upsample import conv_transpose_size


def separable_lines(w):
    """(C,K) a, (C,K) b with w[c,c] the outer product of a[c] and b[c], to the last bits, zeros elsewhere; else None.

    A look at all the numbers at every call (of NumPy arrays: asking a GPU would halt it): weights change in place.
    """
    c = len(w)
    if w.shape[0] != w.shape[1]:
        return None
    diagonal = w[np.arange(c), np.arange(c)]
    if np.count_nonzero(w) != np.count_nonzero(diagonal):
        return None
    peak = np.abs(diagonal).reshape(c, -1).argmax(axis=1)
    row, column = np.divmod(peak, w.shape[2])
    top = diagonal[np.arange(c), row, column]
    if not np.isfinite(w).all() or not top.all():
        return None
    a, b = diagonal[np.arange(c), :, column], diagonal[np.arange(c), row] / top[:, None]
    close = np.abs(a[:, :, None] * b[:, None, :] - diagonal) <= 4 * np.finfo(w.dtype).eps * np.abs(diagonal)
    return (a, b) if close.all() else None


def _matrix(line, size, out, stride, pad):
    """M (C,out,size) with M[c, S*h + i - P, h] = line[c,i]: one-dimensional transposed convolution as a matrix."""
    c, k = line.shape
    matrix = np.zeros((c, stride * (size - 1) + k, size), line.dtype)
    for h in range(size):
        matrix[:, stride * h:stride * h + k, h] = line
    return matrix[:, pad:pad + out]


def _both(lines, shape, stride, pad):
    (a, b), (height, width) = lines, shape[2:]
    k = a.shape[1]
    u, v = conv_transpose_size(height, k, stride, pad), conv_transpose_size(width, k, stride, pad)
    return _matrix(a, height, u, stride, pad), _matrix(b, width, v, stride, pad)


def conv_transpose2d(x, w, lines, *, stride, pad):
    """As ops.upsample.conv_transpose2d without b, for a kernel that separable_lines() took apart."""
    xp = array_module(x)
    x = xp.ascontiguousarray(x)
    n, c = x.shape[:2]
    high, wide = _both(lines, x.shape, stride, pad)
    y = empty((n, c, high.shape[1], wide.shape[1]), x.dtype, xp)
    run_strips(lambda s: xp.matmul(high[s[1]] @ x[s], wide[s[1]].swapaxes(1, 2), out=y[s]), _parts(n, c, xp), xp)
    return y


def input_gradient(dy, x_shape, lines, *, stride, pad):
    """dx = R^T dy S."""
    xp = array_module(dy)
    high, wide = _both(lines, x_shape, stride, pad)
    dx = xp.empty(x_shape, dy.dtype)
    run_strips(lambda s: xp.matmul(high[s[1]].swapaxes(1, 2) @ dy[s], wide[s[1]], out=dx[s]),
               _parts(*x_shape[:2], xp), xp)
    return dx


def _parts(n, c, xp):
    """Indices of all images and channels, four channels of an image at a time; a GPU takes an image whole."""
    step = 4 if xp is np else c
    return [(i, slice(j, min(j + step, c))) for i in range(n) for j in range(0, c, step)]

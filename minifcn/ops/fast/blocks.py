"""Transposed convolution whose kernel is a whole number m of strides: K = m*S, as upsampling kernels are (K = 2S).

Cut into blocks of S x S, patches overlap by whole blocks: m*m additions of whole maps take the place of K*K strided
ones. On a GPU each addition is a kernel launch, and K = 64 would need 4096 of them.
"""
from minifcn.backend import array_module


def fold(cols, x_shape, k, stride, pad):
    """As im2col.col2im: (N, C*K*K, H*W) -> (N,C,U,V), every patch added in its place."""
    n, c, u, v = x_shape
    m, high, wide = k // stride, _patches(u, k, stride, pad), _patches(v, k, stride, pad)
    cols = cols.reshape(n, c, m, stride, m, stride, high, wide)
    blocks = array_module(cols).zeros((n, c, high + m - 1, stride, wide + m - 1, stride), cols.dtype)
    for i in range(m):
        for j in range(m):
            blocks[:, :, i:i + high, :, j:j + wide] += cols[:, :, i, :, j].transpose(0, 1, 4, 2, 5, 3)
    whole = blocks.reshape(n, c, (high + m - 1) * stride, (wide + m - 1) * stride)
    return whole[:, :, pad:pad + u, pad:pad + v]


def unfold(y, k, stride, pad):
    """As im2col.im2col, its adjoint: (N,C,U,V) -> (N, C*K*K, H*W)."""
    xp = array_module(y)
    n, c, u, v = y.shape
    m, high, wide = k // stride, _patches(u, k, stride, pad), _patches(v, k, stride, pad)
    blocks = xp.pad(y, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    blocks = blocks.reshape(n, c, high + m - 1, stride, wide + m - 1, stride)
    cols = xp.empty((n, c, m, stride, m, stride, high, wide), y.dtype)
    for i in range(m):
        for j in range(m):
            cols[:, :, i, :, j] = blocks[:, :, i:i + high, :, j:j + wide].transpose(0, 1, 3, 5, 2, 4)
    return cols.reshape(n, c * k * k, high * wide)


def _patches(size, k, stride, pad):
    return (size + 2 * pad - k) // stride + 1

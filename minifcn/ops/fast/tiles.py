"""The transforms of Winograd's F(4x4, 3x3), on the tiles of a strip: out of a map, and back into one.

The letters are those of winograd.py. A strip is (images a:e, rows of tiles p:q), `wide` tiles in a row; all arrays have
the channels last. Every two-sided product L z R^T is one matrix product with the Kronecker square of L.
"""
import numpy as np

from minifcn.backend import array_module, scratch
from minifcn.ops.fast.strips import bias_sums, padded_rows, product

BT = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
               [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]])
G = np.array([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
              [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]])
AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

SQUARES = {"BT": np.kron(BT, BT), "G": np.kron(G, G), "AT": np.kron(AT, AT)}


def square_of(name, x):
    """The Kronecker square of a transform, where and of what dtype x is."""
    return array_module(x).asarray(SQUARES[name], dtype=x.dtype)


def transform(square, x, out, xp):
    """out = square @ x, the places within a tile first in both."""
    made, taken = square.shape
    product(x.reshape(taken, -1).T, square.T, out.reshape(made, -1).T, xp)


def input_tiles(x, strip, pad, wide, xp, out=None):
    """B^T d B of a strip's tiles: (36, tiles, C)."""
    a, e, p, q = strip
    c = x.shape[1]
    rows = padded_rows(x, a, e, 4 * p, 4 * q + 2, pad, 4 * wide + 2 - x.shape[3] - 2 * pad, xp)
    image, row, pixel, channel = rows.strides
    shape = 6, 6, e - a, q - p, wide, c
    tiles = scratch("tiles", shape, x.dtype, xp)
    # neighbours share two rows or columns
    tiles[...] = xp.lib.stride_tricks.as_strided(rows, shape, (row, pixel, image, 4 * row, 4 * pixel, channel))
    if out is None:
        out = scratch("transformed", (36, (e - a) * (q - p) * wide, c), x.dtype, xp)
    transform(square_of("BT", x), tiles, out, xp)
    return out


def output_tiles(dy, strip, wide, xp, out=None):
    """A dY A^T of a strip's tiles, (36, tiles, F): the adjoint of what makes 4x4 outputs of 36 products."""
    a, e, p, q = strip
    f = dy.shape[1]
    rows = padded_rows(dy, a, e, 4 * p, 4 * q, 0, 4 * wide - dy.shape[3], xp)
    tiles = scratch("tiles", (4, 4, e - a, q - p, wide, f), dy.dtype, xp)
    tiles[...] = _split(rows, q - p, wide)
    if out is None:
        out = scratch("products", (36, (e - a) * (q - p) * wide, f), dy.dtype, xp)
    transform(square_of("AT", dy).T, tiles, out, xp)
    return out


def output_sums(dproducts, wide, xp):
    """dY summed over images and pixels, (F,): the adjoint of how finish() adds b."""
    return bias_sums(dproducts[7].reshape(-1, wide, dproducts.shape[2]), xp)


def _split(rows, high, wide):
    """Rows (images, 4*high, 4*wide, F) as (4, 4, images, high, wide, F), a view: by place in the tile first."""
    return rows.reshape(len(rows), high, 4, wide, 4, -1).transpose(2, 4, 0, 1, 3, 5)


def finish(products, y, strip, b, relu, pool, size, xp):
    """y[strip] = A^T products A + b, with relu=True rectified, with pool=True then halved; of `size` (U, V) in all.

    products (36, tiles, F), which are changed; y (N,U,V,F) or, halved, (N, ceil(U/2), ceil(V/2), F).
    """
    a, e, p, q = strip
    f = y.shape[3]
    high, wide = q - p, -(-size[1] // 4)
    if b is not None:
        products[7] += b  # the product (1, 1) goes into all 16 outputs alike
    out = scratch("out", (4, 4, e - a, high, wide, f), y.dtype, xp)
    transform(square_of("AT", y), products, out, xp)
    rows, columns = size[0] - 4 * p, size[1]  # the last tiles hang over
    direct = not pool and 4 * high <= rows and 4 * wide == columns
    whole = y[a:e, 4 * p:4 * q] if direct else scratch("whole", (e - a, 4 * high, 4 * wide, f), y.dtype, xp)
    if relu:
        xp.maximum(out, 0, out=_split(whole, high, wide))
    else:
        _split(whole, high, wide)[...] = out
    if pool:
        whole[:, rows:] = 0
        whole[:, :, columns:] = 0
        halves = scratch("halves", (e - a, 2 * high, 4 * wide, f), y.dtype, xp)
        xp.maximum(whole[:, ::2], whole[:, 1::2], out=halves)
        to = y[a:e, 2 * p:2 * q]
        xp.maximum(*(halves[:, :to.shape[1], i::2][:, :, :to.shape[2]] for i in (0, 1)), out=to)
    elif not direct:
        y[a:e, 4 * p:4 * q] = whole[:, :rows, :columns]

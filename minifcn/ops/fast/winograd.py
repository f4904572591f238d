"""3x3 stride-1 convolution by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144.

d a 6x6 input tile, g a 3x3 filter, Y a 4x4 output tile [Lavin & Gray 2015, arXiv 1509.09308]:

    Y  = A^T [ (G g G^T) * (B^T d B) ] A      summed over channels inside the brackets: 36 matrix products
    dg = G^T [ (A dY A^T) * (B^T d B) ] G     the adjoint in g: 36 matrix products again, summed over tiles
    dX = the same forward pass on dY with the filters turned and transposed

Every two-sided product L z R^T is one matrix product with the Kronecker square of L, so BLAS does all the arithmetic.
"""
import numpy as np

from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.fast.strips import cut, padded_rows, partial_sums
from minifcn.ops.im2col import conv_size

BT = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
               [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]])
G = np.array([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
              [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]])
AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])


def _square(matrix, x):
    """The Kronecker square of a transform, where and of what dtype x is."""
    return array_module(x).asarray(np.kron(matrix, matrix), dtype=x.dtype)


def _input_tiles(x, strip, pad, wide, square, xp):
    """B^T d B of a strip's tiles: (36, C, tiles). By phase first: each of the 36 taps is then a contiguous slice."""
    a, e, p, q = strip
    c, height, width = x.shape[1:]
    high = q - p
    rows = padded_rows(x, a, e, 4 * p, 4 * (q + 1), pad, 4 * (wide + 1) - width - 2 * pad, xp)
    phases = scratch("phases", (4, 4, c, e - a, high + 1, wide + 1), x.dtype, xp)
    phases[...] = rows.reshape(c, e - a, high + 1, 4, wide + 1, 4).transpose(3, 5, 0, 1, 2, 4)
    tiles = scratch("tiles", (6, 6, c, e - a, high, wide), x.dtype, xp)
    for i in range(6):
        for j in range(6):
            tiles[i, j] = phases[i % 4, j % 4, :, :, i // 4:i // 4 + high, j // 4:j // 4 + wide]
    transformed = scratch("transformed", (36, c * (e - a) * high * wide), x.dtype, xp)
    xp.matmul(square, tiles.reshape(36, -1), out=transformed)
    return transformed.reshape(36, c, -1)


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1):
    """As ops.conv.conv2d, for w (F,C,3,3) and stride, dilation and groups of 1; the error in float32 is about 3e-6."""
    xp = array_module(x)
    n, c, height, width = x.shape
    f = w.shape[0]
    u, v = conv_size(height, 3, pad=pad), conv_size(width, 3, pad=pad)
    high, wide = -(-u // 4), -(-v // 4)
    y = xp.empty((n, f, u, v), x.dtype)
    filters = (_square(G, x) @ w.reshape(f * c, 9).T).reshape(36, f, c)
    into, back = _square(BT, x), _square(AT, x)

    def strip_job(strip):
        a, e, p, q = strip
        tiles = _input_tiles(x, strip, pad, wide, into, xp)
        products = scratch("products", (36, f, tiles.shape[2]), x.dtype, xp)
        xp.matmul(filters, tiles, out=products)
        out = scratch("out", (16, f * tiles.shape[2]), x.dtype, xp)
        xp.matmul(back, products.reshape(36, -1), out=out)
        if b is not None:
            out.reshape(16, f, -1)[...] += b.reshape(-1, 1)
        out = out.reshape(4, 4, f, e - a, q - p, wide).transpose(3, 2, 4, 0, 5, 1)  # images, filters, rows, columns
        if 4 * q <= u and v % 4 == 0:
            y[a:e, :, 4 * p:4 * q].reshape(out.shape)[...] = out
        else:  # the last tiles hang over
            whole = scratch("whole", (e - a, f, 4 * (q - p), 4 * wide), x.dtype, xp)
            whole.reshape(out.shape)[...] = out
            y[a:e, :, 4 * p:4 * q] = whole[:, :, :u - 4 * p, :v]

    run_strips(strip_job, cut(n, high, 36 * (c + f) * wide, xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW (F,C,3,3), for stride, dilation and groups of 1."""
    xp = array_module(x)
    n, c = x.shape[:2]
    f, u, v = dy.shape[1:]
    high, wide = -(-u // 4), -(-v // 4)
    into, spread_out = _square(BT, x), _square(AT.T, x)
    parts = partial_sums(cut(n, high, 36 * (c + f) * wide, xp), 36 * f * c)
    sums = xp.empty((len(parts), 36, f, c), x.dtype)

    def part_job(g):
        for number, strip in enumerate(parts[g]):
            a, e, p, q = strip
            tiles = _input_tiles(x, strip, pad, wide, into, xp)
            rows = padded_rows(dy, a, e, 4 * p, 4 * q, 0, 4 * wide - v, xp)
            phases = scratch("phases", (4, 4, f, e - a, q - p, wide), x.dtype, xp)
            phases[...] = rows.reshape(f, e - a, q - p, 4, wide, 4).transpose(3, 5, 0, 1, 2, 4)
            dproducts = scratch("products", (36, f * tiles.shape[2]), x.dtype, xp)
            xp.matmul(spread_out, phases.reshape(16, -1), out=dproducts)
            dproducts = dproducts.reshape(36, f, -1)
            if number == 0:
                xp.matmul(dproducts, tiles.swapaxes(1, 2), out=sums[g])
            else:
                sums[g] += xp.matmul(dproducts, tiles.swapaxes(1, 2), out=scratch("dw", (36, f, c), x.dtype, xp))

    run_strips(part_job, range(len(parts)), xp)
    return (_square(G.T, x) @ sums.sum(axis=0).reshape(36, f * c)).T.reshape(f, c, 3, 3)

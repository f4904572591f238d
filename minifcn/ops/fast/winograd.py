"""3x3 stride-1 convolution by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144.

d a 6x6 input tile, g a 3x3 filter, Y a 4x4 output tile [Lavin & Gray 2015, arXiv 1509.09308]:

    Y  = A^T [ (G g G^T) * (B^T d B) ] A      summed over channels inside the brackets: 36 matrix products
    dg = G^T [ (A dY A^T) * (B^T d B) ] G     the adjoint in g: 36 matrix products again, summed over tiles
    dX = the same forward pass on dY with the filters turned and transposed

Every two-sided product L z R^T is one matrix product with the Kronecker square of L, so BLAS does all the arithmetic.
Where the transformed filters are small, each worker takes strips of tiles from the image to the result. Where they are
not (512 channels: 38 MB), strips would read all of them again and again: there the tiles of many rows are transformed
first, some channels a worker, and then every worker takes some filters through all of them.
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

LARGE = 1 << 22  # numbers in the transformed filters from which they, and not the tiles, are dealt to the workers
SLICE = 64  # channels or filters that a worker then takes at a time
STRIP, BLOCK = 16, 64  # numbers of transformed tiles at a time, in strips' budgets: of a strip, of those of many rows


def _square(matrix, x):
    """The Kronecker square of a transform, where and of what dtype x is."""
    return array_module(x).asarray(np.kron(matrix, matrix), dtype=x.dtype)


def _slices(count, xp):
    """Slices of 0..count; a GPU takes all at once."""
    return [slice(i, min(i + SLICE, count)) for i in range(0, count, SLICE)] if xp is np else [slice(0, count)]


def _phases(x, strip, pad, high, wide, xp):
    """The rows of a strip's tiles by place modulo 4: (4, 4, C, images, high, wide), zero beyond the image."""
    a, e, p, _ = strip
    rows = padded_rows(x, a, e, 4 * p, 4 * (p + high), pad, 4 * wide - x.shape[3] - 2 * pad, xp)
    phases = scratch("phases", (4, 4, x.shape[1], e - a, high, wide), x.dtype, xp)
    phases[...] = rows.reshape(x.shape[1], e - a, high, 4, wide, 4).transpose(3, 5, 0, 1, 2, 4)
    return phases


def _input_tiles(x, strip, pad, wide, square, xp, out=None):
    """B^T d B of a strip's tiles: (36, C, tiles). By phase first: the 36 taps are then four blocks to copy."""
    a, e, p, q = strip
    c, high = x.shape[1], q - p
    phases = _phases(x, strip, pad, high + 1, wide + 1, xp)
    tiles = scratch("tiles", (6, 6, c, e - a, high, wide), x.dtype, xp)
    # the last two rows and columns of a tile are the first two of the next
    for i, down in (slice(0, 4), 0), (slice(4, 6), 1):
        for j, right in (slice(0, 4), 0), (slice(4, 6), 1):
            here = phases[:i.stop - i.start, :j.stop - j.start]
            tiles[i, j] = here[..., down:down + high, right:right + wide]
    if out is None:
        out = scratch("transformed", (36, c, (e - a) * high * wide), x.dtype, xp)
    xp.matmul(square, tiles.reshape(36, -1), out=out.reshape(36, -1))
    return out


def _output_tiles(dy, strip, wide, square, xp):
    """A dY A^T of a strip's tiles: (36, F, tiles), the adjoint of what makes 4x4 outputs of 36 products."""
    phases = _phases(dy, strip, 0, strip[3] - strip[2], wide, xp)
    out = scratch("products", (36, dy.shape[1], phases[0, 0, 0].size), dy.dtype, xp)
    xp.matmul(square, phases.reshape(16, -1), out=out.reshape(36, -1))
    return out


def _finish(products, y, strip, b, relu, wide, square, xp):
    """y[strip] = A^T products A + b, the negative ones 0 with relu=True; products (36, F, tiles), y (N,F,U,V)."""
    a, e, p, q = strip
    f, u, v = y.shape[1:]
    out = scratch("out", (products[0].size, 16), y.dtype, xp)
    xp.matmul(products.reshape(36, -1).T, square.T, out=out)
    if b is not None:
        out.reshape(f, -1)[...] += b[:, None]
    whole = scratch("whole", (e - a, f, q - p, 4, wide, 4), y.dtype, xp)
    _quads(whole, xp)[...] = _quads(out, xp).reshape(f, e - a, q - p, wide, 4, -1).transpose(1, 0, 2, 4, 3, 5)
    whole = whole.reshape(e - a, f, 4 * (q - p), 4 * wide)[:, :, :u - 4 * p, :v]  # the last tiles hang over
    if relu:
        xp.maximum(whole, 0, out=y[a:e, :, 4 * p:4 * q])
    else:
        y[a:e, :, 4 * p:4 * q] = whole


def _quads(x, xp):
    """Four float32 at the end as one number of 16 bytes: a fourth of the elements to copy."""
    return x.view(np.complex128) if xp is np and x.dtype == np.float32 else x


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False):
    """As ops.conv.conv2d, for w (F,C,3,3) and stride, dilation and groups of 1; the error in float32 is about 3e-6."""
    xp = array_module(x)
    n, c, height, width = x.shape
    f = w.shape[0]
    u, v = conv_size(height, 3, pad=pad), conv_size(width, 3, pad=pad)
    high, wide = -(-u // 4), -(-v // 4)
    y = xp.empty((n, f, u, v), x.dtype)
    into, back, spread_out = _square(BT, x), _square(AT, x), _square(G, x)

    def filters(s):
        return (spread_out @ w[s].reshape(-1, 9).T).reshape(36, -1, c)

    if 36 * c * f < LARGE or xp is not np:
        every = xp.empty((36, f, c), x.dtype)
        # on the workers, too: BLAS with threads of its own keeps a core busy for a while after its work is done
        run_strips(lambda s: every.__setitem__((slice(None), s), filters(s)), _slices(f, xp), xp)

        def strip_job(strip):
            tiles = _input_tiles(x, strip, pad, wide, into, xp)
            products = scratch("products", (36, f, tiles.shape[2]), x.dtype, xp)
            _finish(xp.matmul(every, tiles, out=products), y, strip, b, relu, wide, back, xp)

        run_strips(strip_job, cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), xp)
    else:
        for block in cut(n, high, 36 * c * wide, xp, times=BLOCK):
            a, e, p, q = block
            tiles = scratch("block", (36, c, (e - a) * (q - p) * wide), x.dtype, xp)
            _transform_all(x, block, pad, wide, into, tiles, xp)

            def filters_job(s, block=block, tiles=tiles):
                products = scratch("products", (36, s.stop - s.start, tiles.shape[2]), x.dtype, xp)
                xp.matmul(filters(s), tiles, out=products)
                _finish(products, y[:, s], block, None if b is None else b[s], relu, wide, back, xp)

            run_strips(filters_job, _slices(f, xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def _transform_all(x, block, pad, wide, square, tiles, xp):
    """tiles = B^T d B of a block, some channels a worker."""
    run_strips(lambda s: tiles.__setitem__((slice(None), s), _input_tiles(x[:, s], block, pad, wide, square, xp)),
               _slices(x.shape[1], xp), xp)


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW (F,C,3,3), for stride, dilation and groups of 1."""
    xp = array_module(x)
    n, c = x.shape[:2]
    f, u, v = dy.shape[1:]
    high, wide = -(-u // 4), -(-v // 4)
    into, spread_out, back = _square(BT, x), _square(AT.T, x), _square(G.T, x)
    if 36 * c * f < LARGE or xp is not np:
        parts = partial_sums(cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), 36 * f * c)
        sums = xp.empty((len(parts), 36, f, c), x.dtype)

        def part_job(g):
            for number, strip in enumerate(parts[g]):
                tiles = _input_tiles(x, strip, pad, wide, into, xp)
                dproducts = _output_tiles(dy, strip, wide, spread_out, xp)
                if number == 0:
                    xp.matmul(dproducts, tiles.swapaxes(1, 2), out=sums[g])
                else:
                    sums[g] += xp.matmul(dproducts, tiles.swapaxes(1, 2), out=scratch("dw", (36, f, c), x.dtype, xp))

        run_strips(part_job, range(len(parts)), xp)
        dw = xp.empty((f, c, 3, 3), x.dtype)

        def sum_job(s):
            total = sums[:, :, s].sum(axis=0).reshape(36, -1)
            dw[s] = (back @ total).T.reshape(-1, c, 3, 3)

        run_strips(sum_job, _slices(f, xp), xp)
        return dw

    total = xp.zeros((f, c, 3, 3), x.dtype)
    for block in cut(n, high, 36 * c * wide, xp, times=BLOCK):
        a, e, p, q = block
        tiles = scratch("block", (36, c, (e - a) * (q - p) * wide), x.dtype, xp)
        _transform_all(x, block, pad, wide, into, tiles, xp)

        def filters_job(s, block=block, tiles=tiles):
            dproducts = _output_tiles(dy[:, s], block, wide, spread_out, xp)
            dw = xp.matmul(dproducts, tiles.swapaxes(1, 2),
                           out=scratch("dw", (36, s.stop - s.start, c), x.dtype, xp))
            total[s] += (back @ dw.reshape(36, -1)).T.reshape(-1, c, 3, 3)

        run_strips(filters_job, _slices(f, xp), xp)
    return total

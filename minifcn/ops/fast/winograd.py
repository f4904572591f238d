"""3x3 stride-1 convolution by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144.

d a 6x6 input tile, g a 3x3 filter, Y a 4x4 output tile [Lavin & Gray 2015, arXiv 1509.09308]:

    Y  = A^T [ (G g G^T) * (B^T d B) ] A      summed over channels inside the brackets: 36 matrix products
    dg = G^T [ (A dY A^T) * (B^T d B) ] G     the adjoint in g: 36 matrix products again, summed over tiles
    dX = the same forward pass on dY with the filters turned and transposed

Every two-sided product L z R^T is one matrix product with the Kronecker square of L, so BLAS does all the arithmetic.
Where the transformed filters are small, each worker takes strips of tiles from the image to the result. Where they are
not (512 channels: 38 MB), strips would read all of them again and again: there the tiles of many rows are transformed
first, and then every worker takes some of the 36 products.
"""
import numpy as np

from minifcn.backend import array_module, run_strips, scratch
from minifcn.ops.fast.strips import bias_sums, channels_last, cut, empty_map, padded_rows, partial_sums, product
from minifcn.ops.im2col import conv_size

BT = np.array([[4, 0, -5, 0, 1, 0], [0, -4, -4, 1, 1, 0], [0, 4, -4, -1, 1, 0],
               [0, -2, -1, 2, 1, 0], [0, 2, -1, -2, 1, 0], [0, 4, 0, -5, 0, 1]])
G = np.array([[1 / 4, 0, 0], [-1 / 6, -1 / 6, -1 / 6], [-1 / 6, 1 / 6, -1 / 6],
              [1 / 24, 1 / 12, 1 / 6], [1 / 24, -1 / 12, 1 / 6], [0, 0, 1]])
AT = np.array([[1, 1, 1, 1, 1, 0], [0, 1, -1, 2, -2, 0], [0, 1, 1, 4, 4, 0], [0, 1, -1, 8, -8, 1]])

LARGE = 1 << 22  # numbers in the transformed filters from which the products, and not the tiles, are dealt to the workers
PRODUCTS = [slice(i, i + 3) for i in range(0, 36, 3)]  # that a worker then takes at a time
SLICE = 64  # filters that it transforms at a time
STRIP, BLOCK = 2, 8  # numbers of transformed tiles at a time, in strips' budgets: of a strip, of those of many rows


def _square(matrix, x):
    """The Kronecker square of a transform, where and of what dtype x is."""
    return array_module(x).asarray(np.kron(matrix, matrix), dtype=x.dtype)


def _transform(square, x, out, xp):
    """out = square @ x, the places within a tile first in both."""
    made, taken = square.shape
    product(x.reshape(taken, -1).T, square.T, out.reshape(made, -1).T, xp)


def _slices(count, xp):
    """Slices of 0..count; a GPU takes all at once."""
    return [slice(i, min(i + SLICE, count)) for i in range(0, count, SLICE)] if xp is np else [slice(0, count)]


def _input_tiles(x, strip, pad, wide, square, xp, out=None):
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
    _transform(square, tiles, out, xp)
    return out


def _output_tiles(dy, strip, wide, square, xp, out=None):
    """A dY A^T of a strip's tiles, (36, tiles, F): the adjoint of what makes 4x4 outputs of 36 products. And db."""
    a, e, p, q = strip
    f = dy.shape[1]
    rows = padded_rows(dy, a, e, 4 * p, 4 * q, 0, 4 * wide - dy.shape[3], xp)
    tiles = scratch("tiles", (4, 4, e - a, q - p, wide, f), dy.dtype, xp)
    tiles[...] = _split(rows, q - p, wide)
    if out is None:
        out = scratch("products", (36, (e - a) * (q - p) * wide, f), dy.dtype, xp)
    _transform(square, tiles, out, xp)
    return out, bias_sums(rows, xp)


def _split(rows, high, wide):
    """Rows (images, 4*high, 4*wide, F) as (4, 4, images, high, wide, F), a view: by place in the tile first."""
    return rows.reshape(len(rows), high, 4, wide, 4, -1).transpose(2, 4, 0, 1, 3, 5)


def _finish(products, y, strip, b, relu, pool, size, square, xp):
    """y[strip] = A^T products A + b, with relu=True rectified, with pool=True then halved; of `size` (U, V) in all.

    products (36, tiles, F), y (N,U,V,F) or, halved, (N, ceil(U/2), ceil(V/2), F).
    """
    a, e, p, q = strip
    f = y.shape[3]
    high, wide = q - p, -(-size[1] // 4)
    out = scratch("out", (4, 4, e - a, high, wide, f), y.dtype, xp)
    _transform(square, products, out, xp)
    whole = scratch("whole", (e - a, 4 * high, 4 * wide, f), y.dtype, xp)
    if b is None:
        _split(whole, high, wide)[...] = out
    else:
        xp.add(out, b, out=_split(whole, high, wide))
    rows, columns = size[0] - 4 * p, size[1]  # the last tiles hang over
    if pool:
        whole[:, rows:] = 0
        whole[:, :, columns:] = 0
        halves = scratch("halves", (e - a, 2 * high, 4 * wide, f), y.dtype, xp)
        xp.maximum(whole[:, ::2], whole[:, 1::2], out=halves)
        xp.maximum(halves, 0, out=halves)
        to = y[a:e, 2 * p:2 * q]
        xp.maximum(*(halves[:, :to.shape[1], i::2][:, :, :to.shape[2]] for i in (0, 1)), out=to)
    elif relu:
        xp.maximum(whole[:, :rows, :columns], 0, out=y[a:e, 4 * p:4 * q])
    else:
        y[a:e, 4 * p:4 * q] = whole[:, :rows, :columns]


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False, pool=False):
    """As ops.conv2d, for w (F,C,3,3) and stride, dilation and groups of 1; the error in float32 is about 3e-6."""
    xp = array_module(x)
    n, c, height, width = x.shape
    f = w.shape[0]
    u, v = conv_size(height, 3, pad=pad), conv_size(width, 3, pad=pad)
    high, wide = -(-u // 4), -(-v // 4)
    y = empty_map((n, f, -(-u // 2), -(-v // 2)) if pool else (n, f, u, v), x.dtype, xp)
    last = channels_last(y)
    into, back, spread_out = _square(BT, x), _square(AT, x), _square(G, x)

    if 36 * c * f < LARGE or xp is not np:
        filters = xp.empty((36, c, f), x.dtype)

        def filters_job(s):
            filters[..., s] = (spread_out @ w[s].transpose(2, 3, 1, 0).reshape(9, -1)).reshape(36, c, -1)

        def strip_job(strip):
            tiles = _input_tiles(x, strip, pad, wide, into, xp)
            products = scratch("products", (36, tiles.shape[1], f), x.dtype, xp)
            product(tiles, filters, products, xp)
            _finish(products, last, strip, b, relu, pool, (u, v), back, xp)

        # on the workers, too: BLAS with threads of its own keeps a core busy for a while after its work is done
        run_strips(filters_job, _slices(f, xp), xp)
        run_strips(strip_job, cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), xp)
    else:
        filters = scratch("filters", (36, f, c), x.dtype, xp)
        run_strips(lambda s: xp.matmul(spread_out, w[s].reshape(-1, 9).T, out=filters[:, s].reshape(36, -1)),
                   _slices(f, xp), xp)
        for block in cut(n, high, 36 * c * wide, xp, times=BLOCK):
            tiles = _transform_all(x, block, pad, wide, into, xp)
            products = scratch("all products", (36, tiles.shape[1], f), x.dtype, xp)

            def products_job(s, tiles=tiles, products=products):
                xp.matmul(tiles[s], filters[s].swapaxes(1, 2), out=products[s])

            def finish_job(part, block=block, products=products):
                _finish(_tiles_of(products, part, block, wide), last, part, b, relu, pool, (u, v), back, xp)

            run_strips(products_job, PRODUCTS, xp)
            run_strips(finish_job, _parts(block, 36 * f * wide, xp), xp)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def _parts(block, numbers_per_row, xp):
    """A block's strips."""
    a, e, p, q = block
    return [(a + i, a + j, p + r, p + s) for i, j, r, s in cut(e - a, q - p, numbers_per_row, xp, times=STRIP)]


def _tiles_of(everything, part, block, wide):
    """Of what a block's tiles came to, (36, tiles, ...), that of one of its strips: a view."""
    (a, e, p, q), (i, j, r, s) = block, part
    high = q - p
    return everything[:, ((i - a) * high + r - p) * wide:((j - 1 - a) * high + s - p) * wide]


def _transform_all(x, block, pad, wide, square, xp):
    """B^T d B of a block, (36, tiles, C), some rows of tiles a worker."""
    a, e, p, q = block
    tiles = scratch("block", (36, (e - a) * (q - p) * wide, x.shape[1]), x.dtype, xp)
    run_strips(lambda part: _input_tiles(x, part, pad, wide, square, xp, _tiles_of(tiles, part, block, wide)),
               _parts(block, 36 * x.shape[1] * wide, xp), xp)
    return tiles


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dW (F,C,3,3) and db, for stride, dilation and groups of 1."""
    xp = array_module(x)
    n, c = x.shape[:2]
    f, u, v = dy.shape[1:]
    high, wide = -(-u // 4), -(-v // 4)
    into, spread_out, back = _square(BT, x), _square(AT.T, x), _square(G.T, x)
    if 36 * c * f < LARGE or xp is not np:
        parts = partial_sums(cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), 36 * f * c)
        sums = xp.empty((len(parts), 36, f, c), x.dtype)
        db = xp.zeros((len(parts), f), x.dtype)

        def part_job(g):
            for number, strip in enumerate(parts[g]):
                tiles = _input_tiles(x, strip, pad, wide, into, xp)
                dproducts, db_part = _output_tiles(dy, strip, wide, spread_out, xp)
                db[g] += db_part
                _add_product(dproducts.swapaxes(1, 2), tiles, sums[g], number == 0, xp)

        run_strips(part_job, range(len(parts)), xp)
    else:
        sums, db = xp.empty((1, 36, f, c), x.dtype), []
        for number, block in enumerate(cut(n, high, 36 * c * wide, xp, times=BLOCK)):
            tiles = _transform_all(x, block, pad, wide, into, xp)
            dproducts = scratch("all products", (36, tiles.shape[1], f), x.dtype, xp)
            parts = _parts(block, 36 * f * wide, xp)
            db_parts = xp.empty((len(parts), f), x.dtype)

            def output_job(k, block=block, dproducts=dproducts, parts=parts, db_parts=db_parts):
                _, db_parts[k] = _output_tiles(dy, parts[k], wide, spread_out, xp,
                                               _tiles_of(dproducts, parts[k], block, wide))

            def products_job(s, number=number, dproducts=dproducts, tiles=tiles):
                _add_product(dproducts[s].swapaxes(1, 2), tiles[s], sums[0, s], number == 0, xp)

            run_strips(output_job, range(len(parts)), xp)
            run_strips(products_job, PRODUCTS, xp)
            db.append(db_parts.sum(axis=0))
        db = xp.asarray(db)
    dw = xp.empty((f, c, 3, 3), x.dtype)

    def sum_job(s):
        total = sums[:, :, s].sum(axis=0).reshape(36, -1)
        dw[s] = (back @ total).T.reshape(-1, c, 3, 3)

    run_strips(sum_job, _slices(f, xp), xp)
    return dw, db.sum(axis=0)


def _add_product(a, b, to, first, xp):
    """to += a @ b, or, the first time, to = a @ b."""
    if first:
        xp.matmul(a, b, out=to)
    else:
        to += xp.matmul(a, b, out=scratch("dw", to.shape, to.dtype, xp))

"""3x3 stride-1 convolution by Winograd's F(4x4, 3x3): 36 multiplications for 16 outputs instead of 144.

d a 6x6 input tile, g a 3x3 filter, Y a 4x4 output tile [Lavin & Gray 2015, arXiv 1509.09308]:

    Y  = A^T [ (G g G^T) * (B^T d B) ] A      summed over channels inside the brackets: 36 matrix products
    dg = G^T [ (A dY A^T) * (B^T d B) ] G     the adjoint in g: 36 matrix products again, summed over tiles
    dX = the same forward pass on dY with the filters turned and transposed

Where the transformed filters are small, each worker takes strips of tiles from the image to the result. Where they are
not (512 channels: 38 MB), strips would read all of them again and again: there the tiles of many rows are transformed
first, and then every worker takes some of the 36 products. Measured on 2 cores, 512 -> 512 channels at 72x88: 0.75 of
the time that strips take.
"""
from math import prod

import numpy as np

from minifcn.backend import array_module, run_strips, scratch, shares
from minifcn.buffers import empty
from minifcn.ops.fast.strips import add_product, channels_last, cut, empty_map, padded_for_input, partial_sums, product
from minifcn.ops.fast.tiles import finish, input_tiles, output_sums, output_tiles, square_of
from minifcn.ops.im2col import conv_size

LARGE = 1 << 22  # numbers in the transformed filters from which the products are dealt to the workers, not the tiles
PRODUCTS = [slice(i, i + 3) for i in range(0, 36, 3)]  # that a worker then takes at a time
SLICE = 64  # filters, or channels, of which it transforms at most so many at a time
KEEP = 1 << 22  # numbers of transformed tiles up to which they are kept for dW
STRIP, BLOCK = 2, 8  # numbers of transformed tiles at a time, in strips' budgets: of a strip, of those of many rows


def _slices(count, xp):
    """Slices of 0..count; a GPU takes all at once."""
    return shares(count, -(-count // SLICE) if xp is np else 1)


def _filters(w, turned, large, xp):
    """G g G^T of all filters, as what the tiles are multiplied by: (36, C, F), or turned (36, F, C)."""
    f, c = w.shape[:2]
    taps, square = w.reshape(f, c, 9), square_of("G", w)
    if turned or large:
        out = scratch("filters", (36, f, c), w.dtype, xp)
        if turned:
            square = xp.ascontiguousarray(square[:, ::-1])
        run_strips(lambda s: xp.matmul(square, taps[s].reshape(-1, 9).T, out=out[:, s].reshape(36, -1)),
                   _slices(f, xp), xp)
        return out if turned else out.swapaxes(1, 2)
    out = scratch("filters", (36, c, f), w.dtype, xp)  # so that OpenBLAS need not turn them for each of many products
    run_strips(lambda s: xp.matmul(square, taps[:, s].transpose(1, 2, 0), out=out[:, s].swapaxes(0, 1)),
               _slices(c, xp), xp)
    return out


def kept_shape(x_shape, pad):
    """The shape of the transformed tiles that conv2d keeps for weight_gradient, or None for many tiles."""
    n, c, height, width = x_shape
    high, wide = (-(-conv_size(side, 3, pad=pad) // 4) for side in (height, width))
    shape = 36, n * high * wide, c
    return shape if prod(shape) <= KEEP else None


def kept_tiles(x, pad):
    """An array for them, for conv2d to fill, or None."""
    shape = kept_shape(x.shape, pad)
    return shape and empty(shape, x.dtype, array_module(x))


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1, relu=False, pool=False, tiles=None):
    """As ops.conv2d, for w (F,C,3,3) and stride, dilation and groups of 1; the error in float32 is about 3e-6."""
    y = _convolve(x, w, b, pad, relu=relu, pool=pool, kept=tiles)
    return y, (x, w, b is not None, stride, pad, dilation, groups)


def input_gradient(dy, w, x_shape, *, stride=1, pad=0, dilation=1, groups=1):
    """dX, for stride, dilation and groups of 1."""
    dy, pad = padded_for_input(dy, 3, pad)
    return _convolve(dy, w, None, pad, turned=True)


def _convolve(x, w, b, pad, turned=False, relu=False, pool=False, kept=None):
    xp = array_module(x)
    n, c, height, width = x.shape
    f = w.shape[1 if turned else 0]
    u, v = conv_size(height, 3, pad=pad), conv_size(width, 3, pad=pad)
    high, wide = -(-u // 4), -(-v // 4)
    y = empty_map((n, f, -(-u // 2), -(-v // 2)) if pool else (n, f, u, v), x.dtype, xp)
    last = channels_last(y)
    large = 36 * c * f >= LARGE and xp is np
    filters = _filters(w, turned, large, xp)
    whole = 0, n, 0, high

    if not large:
        def strip_job(strip):
            tiles = input_tiles(x, strip, pad, wide, xp, _tiles_of(kept, strip, whole, wide))
            products = scratch("products", (36, tiles.shape[1], f), x.dtype, xp)
            product(tiles, filters, products, xp)
            finish(products, last, strip, b, relu, pool, (u, v), xp)

        run_strips(strip_job, cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), xp)
        return y

    for block in cut(n, high, 36 * c * wide, xp, times=BLOCK):
        tiles = _transform_all(x, block, pad, wide, xp, _tiles_of(kept, block, whole, wide))
        products = scratch("all products", (36, tiles.shape[1], f), x.dtype, xp)

        def products_job(s, tiles=tiles, products=products):
            xp.matmul(tiles[s], filters[s], out=products[s])

        def finish_job(part, block=block, products=products):
            finish(_tiles_of(products, part, block, wide), last, part, b, relu, pool, (u, v), xp)

        run_strips(products_job, PRODUCTS, xp)
        run_strips(finish_job, _parts(block, 36 * f * wide, xp), xp)
    return y


def _parts(block, numbers_per_row, xp):
    """A block's strips."""
    a, e, p, q = block
    return [(a + i, a + j, p + r, p + s) for i, j, r, s in cut(e - a, q - p, numbers_per_row, xp, times=STRIP)]


def _tiles_of(everything, part, block, wide):
    """Of what a block's tiles came to, (36, tiles, ...), that of one of its strips: a view. None of None."""
    (a, _, p, q), (i, j, r, s) = block, part
    high = q - p
    if everything is None:
        return None
    return everything[:, ((i - a) * high + r - p) * wide:((j - 1 - a) * high + s - p) * wide]


def _transform_all(x, block, pad, wide, xp, tiles=None):
    """B^T d B of a block, (36, tiles, C), some rows of tiles a worker."""
    a, e, p, q = block
    if tiles is None:
        tiles = scratch("block", (36, (e - a) * (q - p) * wide, x.shape[1]), x.dtype, xp)
    run_strips(lambda part: input_tiles(x, part, pad, wide, xp, _tiles_of(tiles, part, block, wide)),
               _parts(block, 36 * x.shape[1] * wide, xp), xp)
    return tiles


def weight_gradient(dy, x, w_shape, *, stride=1, pad=0, dilation=1, groups=1, tiles=None):
    """dW (F,C,3,3) and db, for stride, dilation and groups of 1; tiles: what conv2d has kept."""
    xp = array_module(x)
    n, c = x.shape[:2]
    f, u, v = dy.shape[1:]
    high, wide = -(-u // 4), -(-v // 4)
    kept, whole = tiles, (0, n, 0, high)
    if 36 * c * f < LARGE or xp is not np:
        parts = partial_sums(cut(n, high, 36 * (c + f) * wide, xp, times=STRIP), 36 * f * c)
        sums, db = empty((len(parts), 36, f, c), x.dtype, xp), xp.zeros((len(parts), f), x.dtype)

        def part_job(g):
            for number, strip in enumerate(parts[g]):
                tiles = _tiles_of(kept, strip, whole, wide)
                tiles = input_tiles(x, strip, pad, wide, xp) if tiles is None else tiles
                dproducts = output_tiles(dy, strip, wide, xp)
                db[g] += output_sums(dproducts, wide, xp)
                add_product(dproducts.swapaxes(1, 2), tiles, sums[g], number == 0, xp)

        run_strips(part_job, range(len(parts)), xp)
    else:
        sums, db = empty((1, 36, f, c), x.dtype, xp), xp.zeros((1, f), x.dtype)
        for number, block in enumerate(cut(n, high, 36 * c * wide, xp, times=BLOCK)):
            tiles = _tiles_of(kept, block, whole, wide)
            tiles = _transform_all(x, block, pad, wide, xp) if tiles is None else tiles
            dproducts = scratch("all products", (36, tiles.shape[1], f), x.dtype, xp)

            def output_job(part, block=block, dproducts=dproducts):
                output_tiles(dy, part, wide, xp, _tiles_of(dproducts, part, block, wide))

            def products_job(s, number=number, dproducts=dproducts, tiles=tiles):
                add_product(dproducts[s].swapaxes(1, 2), tiles[s], sums[0, s], number == 0, xp)

            run_strips(output_job, _parts(block, 36 * f * wide, xp), xp)
            run_strips(products_job, PRODUCTS, xp)
            db += output_sums(dproducts, wide, xp)
    dw = xp.empty((f, c, 3, 3), x.dtype)

    def sum_job(s):
        total = (sums[:, :, s].sum(axis=0) if len(sums) != 1 else sums[0, :, s]).reshape(36, -1)
        product(total.T, square_of("G", x), dw[s].reshape(-1, 9), xp)

    run_strips(sum_job, _slices(f, xp), xp)
    return dw, db.sum(axis=0)

"""Wrong answers to lesson 08."""
import numpy as np

from minifcn.ops import bilinear_kernel, conv_transpose2d, conv_transpose2d_backward
from wrong_answers import Wrong

wrong = Wrong()


def enlarged(score, pad=0):
    return conv_transpose2d(score, bilinear_kernel(score.shape[1], 4, score.dtype), stride=2, pad=pad)


def part(fine, offset, like):
    return fine[:, :, offset:offset + like.shape[2], offset:offset + like.shape[3]]


@wrong("fuse", says="not at `offset`")
def cropped_at_the_corner(score, fine, offset):
    up, cache = enlarged(score)
    return up + part(fine, 0, up), (cache, fine.shape, offset)


@wrong("fuse", says="pad=1")
def padded(score, fine, offset):
    up, cache = enlarged(score, 1)
    return up + part(fine, offset, up), (cache, fine.shape, offset)


@wrong("fuse", says="stride=2 is missing")
def not_enlarged(score, fine, offset):
    up, cache = conv_transpose2d(score, bilinear_kernel(score.shape[1], 4, score.dtype))
    return up + part(fine, offset, up), (cache, fine.shape, offset)


@wrong("fuse", says="not of one size")
def cut_without_an_end(score, fine, offset):
    up, cache = enlarged(score)
    return up + fine[:, :, offset:, offset:], (cache, fine.shape, offset)


@wrong("fuse", says="still to be added")
def skip_forgotten(score, fine, offset):
    up, cache = enlarged(score)
    return up, (cache, fine.shape, offset)


@wrong("fuse", says="concatenated")
def concatenated(score, fine, offset):
    up, cache = enlarged(score)
    return np.concatenate([up, part(fine, offset, up)], axis=1), (cache, fine.shape, offset)


@wrong("fuse", says="writes into its argument fine")
def in_place(score, fine, offset):
    up, cache = enlarged(score)
    cut = part(fine, offset, up)
    cut += up
    return cut, (cache, fine.shape, offset)


def both(dy, cache):
    up_cache, shape, offset = cache
    dfine = np.zeros(shape)
    part(dfine, offset, dy)[...] = dy
    return conv_transpose2d_backward(dy, up_cache)[0], dfine


@wrong("fuse_backward", says="dfine has dy's shape")
def not_put_back(dy, cache):
    return both(dy, cache)[0], dy


@wrong("fuse_backward", says="dscore has dy's shape")
def not_through_the_upsampling(dy, cache):
    return dy, both(dy, cache)[1]


@wrong("fuse_backward", says="dscore is a tuple of 3")
def all_three(dy, cache):
    return conv_transpose2d_backward(dy, cache[0]), both(dy, cache)[1]


@wrong("fuse_backward", says="each term gets all of it")
def shared_out(dy, cache):
    return both(dy / 2, cache)


@wrong("fuse_backward", says="from `offset` on")
def at_the_corner(dy, cache):
    dfine = np.zeros(cache[1])
    part(dfine, 0, dy)[...] = dy
    return both(dy, cache)[0], dfine


@wrong("fuse_backward", says="wrong order")
def exchanged(dy, cache):
    return both(dy, cache)[::-1]


@wrong("fuse_backward", says="dscore is exactly twice")
def counted_twice(dy, cache):
    dscore, dfine = both(dy, cache)
    return 2 * dscore, dfine


wrong("nothing_left", says="argmax of equal scores")(0)
wrong("nothing_left", says="IU of background alone")(0.584)
wrong("nothing_left", says="1/7")(0.143)
wrong("nothing_left", says="fraction")(8.3)
wrong("nothing_left", says="three decimals")(0.08)
wrong("offsets_16s", says="19 is the crop of 32s")((5, 19))
wrong("offsets_16s", says="wrong order")((27, 5))
wrong("offsets_16s", says="counts cells")((80, 27))
wrong("offsets_16s", says="crop of 8s")((5, 31))
wrong("offsets_16s", says="where score_fr begins")((6.5, 27))
wrong("offsets_4s", says="steps halve")((17, 35))
wrong("offsets_4s", says="into score_pool3")((9, 33))
wrong("offsets_4s", says="counts cells")((68, 33))
wrong("offsets_4s", says="into it is positive")((-17, 33))
wrong("offsets_4s", says="final offset is positive")((17, -33))
wrong("sizes_8s", says="height and width are exchanged")(((16, 12), (26, 34), (54, 70), (440, 568)))
wrong("sizes_8s", says="halved five times")(((5, 9), (26, 34), (54, 70), (440, 568)))
wrong("sizes_8s", says="exchanged")(((16, 12), (34, 26), (70, 54), (568, 440)))
wrong("sizes_8s", says="round up")(((11, 15), (24, 32), (50, 66), (408, 536)))
wrong("sizes_8s", says="takes 6 cells off")(((18, 22), (38, 46), (78, 94), (632, 760)))
wrong("sizes_8s", says="more than 2 times")(((12, 16), (24, 32), (48, 64), (384, 512)))
wrong("sizes_8s", says="before its crop")(((12, 16), (26, 34), (54, 70), (375, 500)))

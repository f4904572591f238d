"""The exercises of lesson 08."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, gradient, near, number, run, value
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.layers import Conv2d, ConvTranspose2d, MaxPool2d
from minifcn.metrics import ConfusionMatrix
from minifcn.nets.geometry import Grid
from minifcn.ops import bilinear_kernel, conv_transpose2d, conv_transpose2d_backward, crop
from minifcn.ops.im2col import conv_size
from minifcn.ops.pool import pool_size
from minifcn.ops.upsample import conv_transpose_size

OFFSET = 3


def _maps():
    rng = np.random.default_rng(8)
    return rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(2, 3, 13, 16))


def _enlarged(score, pad=0):
    return conv_transpose2d(score, bilinear_kernel(score.shape[1], 4, score.dtype), stride=2, pad=pad)


def _fused(score, fine, offset=OFFSET):
    up, _ = _enlarged(score)
    return up + crop(fine, offset, *up.shape[2:])[0]


def _small(score, fine):
    """What comes without a stride."""
    up, _ = conv_transpose2d(score, bilinear_kernel(score.shape[1], 4, score.dtype))
    return up + crop(fine, OFFSET, *up.shape[2:])[0]


@exercise
def fuse(answer):
    score, fine = _maps()
    try:
        result = run(answer, score, fine, OFFSET)
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        raise Wrong("the part of fine and the enlarged map are not of one size: the part runs from `offset` to "
                    f"offset + the rows (columns) of the enlarged map. NumPy says: {error}") from None
    if not isinstance(result, tuple) or len(result) != 2:
        raise Wrong("two things are to be returned: y and the cache")
    up, _ = _enlarged(score)
    padded, _ = _enlarged(score, 1)
    high, wide = up.shape[2:]
    equal(result[0], _fused(score, fine), "y", suspects={
        "that is the enlarged map alone: the skip is still to be added": up,
        "that is the part of fine alone: the enlarged scores are missing": crop(fine, OFFSET, high, wide)[0],
        "the part of fine begins at its first cell, and not at `offset`": _fused(score, fine, 0),
        "the part of fine is taken from its middle, and not from `offset` on":
            up + fine[:, :, (13 - high) // 2:, (16 - wide) // 2:][:, :, :high, :wide],
        "the map was enlarged with pad=1, as in the case by hand: P is 0 here":
            padded + crop(fine, OFFSET, *padded.shape[2:])[0],
        "the map was not enlarged by 2: stride=2 is missing": _small(score, fine),
        "the two are to be added; this is their product": up * crop(fine, OFFSET, high, wide)[0],
        "concatenated; the scores are to be added": np.concatenate([up, crop(fine, OFFSET, high, wide)[0]], axis=1),
    })
    return "equal to the library's upsampling and crop on maps of 3 x 4 and 13 x 16, offset 3"


@exercise
def fuse_backward(answer):
    score, fine = _maps()
    up, up_cache = _enlarged(score)
    dy = np.random.default_rng(9).normal(size=up.shape)
    result = run(answer, dy, (up_cache, fine.shape, OFFSET))
    if not isinstance(result, tuple) or len(result) != 2:
        raise Wrong("two gradients are to be returned: dscore, dfine")
    dscore, dfine = value(result)
    if isinstance(dscore, tuple):
        raise Wrong(f"dscore is a tuple of {len(dscore)}: conv_transpose2d_backward returns dx, dw and db, and "
                    "dx alone is asked for")
    if np.shape(dscore) == fine.shape and np.shape(dfine) == score.shape:
        raise Wrong("the two gradients are in the wrong order: dscore, dfine")
    if np.shape(dfine) == dy.shape:
        raise Wrong(f"dfine has dy's shape {dy.shape}, and should have fine's, {fine.shape}: the cells that were cut "
                    "off have a gradient too, 0")
    if np.shape(dscore) == dy.shape:
        raise Wrong(f"dscore has dy's shape {dy.shape}, and should have score's, {score.shape}: the gradient has to go "
                    "back through the upsampling")
    if near(np.asarray(dscore), conv_transpose2d_backward(dy, up_cache)[0] / 2):
        raise Wrong("dscore is exactly half what it should be: a sum does not share its gradient out, each term gets "
                    "all of it")
    corner = np.zeros(fine.shape)
    corner[:, :, :dy.shape[2], :dy.shape[3]] = dy
    ones = np.ones(fine.shape)
    ones[:, :, OFFSET:OFFSET + dy.shape[2], OFFSET:OFFSET + dy.shape[3]] = dy
    gradient(lambda s: _fused(s, fine), score, dy, dscore, "dscore")
    gradient(lambda f: _fused(score, f), fine, dy, dfine, "dfine", suspects={
        "dy lies at the first cell; it belongs where y was cut out, from `offset` on": corner,
        "what was cut off has not changed y: its gradient is 0, not 1": ones,
    })
    return "both gradients agree with central differences"


@exercise
def nothing_left(answer):
    mine = number(answer)
    val = VOCSegmentation(harbour.root(), "val")
    matrix = ConfusionMatrix(len(val.classes))
    for i in range(len(val)):
        labels = val[i][1]
        matrix.update(np.zeros(labels.shape, np.uint8), labels)
    truth = matrix.mean_iu
    share = float(matrix.counts[0].sum() / matrix.counts.sum())
    if 1 < mine <= 100:
        raise Wrong("write it as a fraction: 0.619 for 61.9 per cent")
    if mine == 0:
        raise Wrong("0 would be right if no pixel were named rightly; but argmax of equal scores names class 0, "
                    "background, and that is right somewhere")
    if abs(mine - share) < 0.002:
        raise Wrong("that is the IU of background alone (and the pixel accuracy); mean IU is the mean over all 7 "
                    "classes, six of which have no hit")
    if abs(mine - 1 / 7) < 0.002:
        raise Wrong("1/7 would need a background IU of 1; but every pixel is predicted background, and only part of "
                    "them are")
    if abs(mine - share / 6) < 0.002:
        raise Wrong("divided by 6: background is one of the classes, there are 7")
    if abs(mine - round(truth, 2)) < 1e-6:
        raise Wrong("the right way; write it with three decimals")
    if abs(mine - truth) > 0.002:
        raise Wrong(f"not {mine:.3g}: what is the IU of background if it is named everywhere, and that of the others?")
    return "within 0.002 of what is measured; now run the change"


@exercise
def offsets_16s(answer):
    mine = _pair(answer)
    right, last = _crops(("pool4",)), _crops(("pool4", "pool3"))
    if mine == right[::-1]:
        raise Wrong("the two are in the wrong order: first into score_pool4, then into upscore16")
    if mine[0] == 80:
        raise Wrong("80 pixels lie between the two origins; the offset counts cells of score_pool4, 16 pixels each")
    if mine[0] == -right[0]:
        raise Wrong("the skip begins further out (-91.5) than upscore2 (-11.5): the offset into it is positive")
    if mine[0] in (6, 7) or mine[0] == 6.5:
        raise Wrong("into score_pool4: (12.5 + 91.5) / 16 is where score_fr begins; upscore2 begins 1.5 cells of 16 "
                    "pixels before it")
    if mine[0] != right[0]:
        raise Wrong(f"into score_pool4 it is not {mine[0]:g}: where does upscore2 begin, and how many cells of 16 "
                    "pixels before that does score_pool4?")
    if mine[1] == -right[1]:
        raise Wrong("the final offset is positive: upscore16 begins before the image")
    if mine[1] == 19:
        raise Wrong("19 is the crop of 32s; upscore16 begins elsewhere, at -11.5 - 15.5")
    if mine[1] == last[-1]:
        raise Wrong("that is where the crop of 8s begins; for 16s go on from upscore2, K = 32 and S = 16")
    if mine[1] != right[1]:
        raise Wrong(f"the final offset is not {mine[1]:g}: the sum begins where upscore2 does, at -11.5, and upscore16 "
                    "(K - 1)/2 = 15.5 pixels before that")
    return "as the library derives them from VGG's layers with P = 100"


@exercise
def offsets_4s(answer):
    mine = _pair(answer)
    right = _crops(("pool4", "pool3", "pool2"))[-2:]
    before = _crops(("pool4", "pool3"))
    if mine == right[::-1]:
        raise Wrong("the two are in the wrong order: first into score_pool2, then into upscore4")
    if mine[0] == before[1]:
        raise Wrong("9 is the offset into score_pool3; score_pool2 has cells of 4 pixels")
    if mine[0] == 18.5:
        raise Wrong("into score_pool2: that is where upscore_pool4 begins; upscore_pool3 comes between, and begins 1.5 "
                    "cells of 4 pixels before it")
    if mine[0] == 68:
        raise Wrong("68 pixels lie between the two origins; the offset counts cells of score_pool2, 4 pixels each")
    if mine[0] == -right[0]:
        raise Wrong("the skip begins further out (-97.5) than upscore_pool3 (-29.5): the offset into it is positive")
    if mine[0] != right[0]:
        raise Wrong(f"into score_pool2 it is not {mine[0]:g}: upscore_pool3 begins at -23.5 - 1.5 * 4")
    if mine[1] == -right[1]:
        raise Wrong("the final offset is positive: upscore4 begins before the image")
    if mine[1] == before[-1]:
        raise Wrong("31 is the final offset of 8s; upscore4 (K = 8) begins 3.5 pixels before upscore_pool3")
    if mine[1] == 35:
        raise Wrong("the final offsets 19, 27, 31 grow by 8, by 4, ...: the steps halve")
    if mine[1] != right[1]:
        raise Wrong(f"the final offset is not {mine[1]:g}: upscore4 (K = 8) begins (K - 1)/2 = 3.5 pixels before "
                    "upscore_pool3")
    return "as the library derives them from VGG's layers; now run the change"


@exercise
def sizes_8s(answer):
    answer = value(answer)
    names = ("score_fr", "upscore2", "upscore_pool4", "upscore8")
    try:
        mine = [tuple(int(side) for side in value(pair)) for pair in answer]
    except TypeError:
        raise Wrong("four pairs are asked for, each (height, width)") from None
    if [len(pair) for pair in mine] != [2] * 4:
        raise Wrong("four pairs are asked for, each (height, width)")
    right = list(zip(_sides(375), _sides(500), strict=True))
    if mine == [pair[::-1] for pair in right]:
        raise Wrong("heights and widths are exchanged: (height, width), the image is 375 high")
    if mine[:3] == right[:3] and mine[3] == (375, 500):
        raise Wrong("upscore8 is asked for before its crop, which makes it as large as the image")
    for name, got, due in zip(names, mine, right, strict=True):
        if got != due:
            raise Wrong(f"{name} is not {got[0]} x {got[1]}" + _about_size(name, got, due, mine))
    return "as the layers of VGG give them with P = 100"


def _about_size(name, got, due, mine):
    if got == due[::-1]:
        return ": height and width are exchanged, the image is 375 high"
    if name == "score_fr":
        if got == tuple(_sides(side, ceil=False)[0] for side in (375, 500)):
            return ": the poolings round up, as Caffe's do"
        if got == tuple(_sides(side, pad=1)[0] for side in (375, 500)):
            return ": the image is padded by 100"
        if got == tuple(side + 6 for side in due):
            return ": that is pool5; fc6, 7 x 7 and not padded, takes 6 cells off"
        return ": 573 and 698 are to be halved five times, each time rounded up, and fc6 takes 6 cells off"
    before = mine[("score_fr", "upscore2", "upscore_pool4", "upscore8").index(name) - 1]
    factor = 8 if name == "upscore8" else 2
    if name != "score_fr" and got == tuple(factor * side for side in before):
        return f": with P = 0 the map grows to {factor} * (n - 1) + {2 * factor}, more than {factor} times"
    return ": S * (n - 1) + K - 2P for the upsampling" if name != "score_fr" else ""


def _pair(answer):
    answer = value(answer)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise Wrong("two numbers are asked for: the offset into the skip, and the final one")
    return tuple(number(part) for part in answer)


def _vgg(pad=100, ceil=True):
    layers = {}
    for i, convs in enumerate((2, 2, 3, 3, 3), 1):
        for j in range(convs):
            layers[f"conv{i}_{j + 1}"] = Conv2d(None, 1, 1, 3, pad=pad if i == 1 and j == 0 else 1)
        layers[f"pool{i}"] = MaxPool2d(2, ceil=ceil)
    return layers | {"fc6": Conv2d(None, 1, 1, 7)}


def _crops(skips):
    """The offsets into each skip, and the one in the end."""
    grids, grid, offsets = {}, Grid(), []
    for name, layer in _vgg().items():
        grids[name] = grid = grid.after(layer)
    for skip in skips:
        grid = grid.after(ConvTranspose2d(1, 4, 2))
        offsets.append(grids[skip].offset(grid))
    step = int(grid.step)
    return *offsets, grid.after(ConvTranspose2d(1, 2 * step, step)).offset(Grid())


def _sides(side, pad=100, ceil=True):
    """Of score_fr, upscore2, upscore_pool4 and upscore8."""
    for layer in _vgg(pad, ceil).values():
        if isinstance(layer, MaxPool2d):
            side = pool_size(side, layer.kernel, layer.stride, layer.pad, layer.ceil)
        else:
            side = conv_size(side, layer.kernel, layer.stride, layer.pad, layer.dilation)
    sides = [side]
    for k, stride in ((4, 2), (4, 2), (16, 8)):
        sides.append(conv_transpose_size(sides[-1], k, stride))
    return sides

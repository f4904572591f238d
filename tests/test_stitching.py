"""Shift-and-stitch: a coarse net's own answers, at every pixel."""
import numpy as np
import pytest
from tiny_nets import NAMES, PADS, image, randomise, tiny_net

from minifcn.analysis.stitching import coarse_scores, shift_and_stitch
from minifcn.backend import to_numpy
from minifcn.nets import build
from minifcn.ops import conv2d, max_pool2d

STEP, FIELD = 4, 9  # of coarse(): 2 * 2, and 3 + (2 - 1) * 2 + (2 - 1) * 4


def coarse(xp, dtype=np.float64):
    """A net without padding."""
    rng = np.random.default_rng(1)
    first, second = (xp.asarray(rng.normal(size=shape).astype(dtype)) for shape in ((2, 3, 3, 3), (4, 2, 2, 2)))
    return lambda x: conv2d(max_pool2d(conv2d(x, first, stride=2)[0], 2)[0], second)[0]


@pytest.mark.parametrize("height, width", [(22, 19), (FIELD, 12), (11, FIELD)])
def test_the_result_is_the_net_run_on_the_patch_round_every_pixel(rng, xp, height, width):
    x = image(rng, height, width)
    dense = to_numpy(shift_and_stitch(coarse(xp), xp.asarray(x), STEP))
    assert dense.shape == (2, 4, height - FIELD + 1, width - FIELD + 1)
    for i, j in np.ndindex(dense.shape[2:]):
        patch = coarse(np)(x[:, :, i:i + FIELD, j:j + FIELD])
        np.testing.assert_allclose(dense[:, :, i:i + 1, j:j + 1], patch, rtol=1e-12)


def test_shifts_by_several_pixels_give_some_of_the_cells(rng):
    x = image(rng, 22, 19)
    dense = shift_and_stitch(coarse(np), x, STEP)
    np.testing.assert_allclose(shift_and_stitch(coarse(np), x, 2, step=2), dense[:, :, ::2, ::2], rtol=1e-12)
    np.testing.assert_array_equal(shift_and_stitch(coarse(np), x, 1, step=4), coarse(np)(x))


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("size", [(1, 1), (37, 45), (64, 33)])
def test_the_net_s_own_scores_are_among_them_whatever_its_padding(rng, pad, size):
    run, x = coarse_scores(tiny_net("fcn32s", rng, pad=pad)), image(rng, *size, n=1)
    own = run(x)
    dense = shift_and_stitch(run, x, 4, step=8)
    assert np.isfinite(dense).all()
    np.testing.assert_array_equal(dense[:, :, ::4, ::4], own)


def test_memory_is_that_of_one_run(rng):
    """No more than the images it was given, each grown by its shift."""
    shapes = []
    shift_and_stitch(lambda x: shapes.append(x.shape) or coarse(np)(x), image(rng, 21, 30), STEP)
    assert sorted(shapes) == [(2, 3, 21 + down, 30 + right) for down in range(4) for right in range(4)]


def test_float32_stays(rng):
    assert shift_and_stitch(coarse(np, np.float32), image(rng, dtype=np.float32), STEP).dtype == np.float32


@pytest.mark.parametrize("name", NAMES)
def test_coarse_scores_are_those_that_are_upsampled_first(rng, name):
    net, x = tiny_net(name, rng), image(rng)
    wanted = net.layers["score_fr"].forward(net.body.forward(x)["drop7"])
    np.testing.assert_array_equal(coarse_scores(net)(x), wanted)


def test_coarse_scores_of_two_streams_are_their_mean(rng):
    net = build("fcn32s", classes=2, modality="color-hha")
    randomise(net, rng)
    x = rng.normal(size=(1, 6, 37, 45)).astype(np.float32)
    maps = net.body.forward(x)
    both = [net.layers[f"score_fr{end}"].forward(maps[f"drop7{end}"]) for end in ("color", "hha")]
    np.testing.assert_allclose(coarse_scores(net)(x), (both[0] + both[1]) / 2, rtol=1e-6)

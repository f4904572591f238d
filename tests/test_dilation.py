"""Strides made dilations: the numbers of shift-and-stitch, of the same weights, in one run."""
from importlib import import_module

import numpy as np
import pytest
from tiny_nets import PADS, image, labels_for, randomise, tiny_net
from tiny_runs import CLASSES, COLORS, assert_same_bits

from minifcn.analysis.dilation import dilated
from minifcn.analysis.stitching import coarse_scores, shift_and_stitch
from minifcn.gradcheck import assert_gradient
from minifcn.layers import Conv2d, MaxPool2d, ReLU
from minifcn.model import Model
from minifcn.nets import BODIES, build
from minifcn.nets.body import Body
from minifcn.nets.fcn import FCN, Head
from minifcn.nets.geometry import Grid, reach
from minifcn.nets.googlenet import BLOCKS
from minifcn.nets.joints import Concat
from minifcn.nets.structure import rows
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.preprocess import Preprocessing

STEPS = (1, 2, 4, 8, 16, 32)


def scores(net, step, x):
    """Those of the dilated net from the original's cell 0 on, and those of shift-and-stitch."""
    made, tap = dilated(net, step), net.body.coarse
    first = made.body.grids[tap].offset(Grid(step, net.body.grids[tap].origin))
    run = coarse_scores(net)
    return coarse_scores(made)(x)[:, :, first:, first:], shift_and_stitch(run, x, 32 // step, step)


def clear(net, step, count, side):
    """Which of `count` cells see nothing but the image and what the first layer pads it with: (count,) bool."""
    grid, field = net.body.grids[net.body.coarse], net.body.fields[net.body.coarse]
    pad = next(iter(net.body.layers.values())).pad
    centre = grid.origin + step * np.arange(count)
    return (centre - (field - 1) / 2 >= -pad) & (centre + (field - 1) / 2 <= side - 1 + pad)


def assert_equal_where_clear(net, step, x):
    mine, stitched = scores(net, step, x)
    assert mine.shape == stitched.shape
    inside = np.outer(*(clear(net, step, *sides) for sides in zip(mine.shape[2:], x.shape[2:], strict=True)))
    between = inside.copy()
    between[::32 // step, ::32 // step] = False
    assert between.any() and stitched[:, :, inside].any()
    np.testing.assert_allclose(mine[:, :, inside], stitched[:, :, inside], rtol=0, atol=1e-10 * abs(stitched).max())
    return mine, stitched


# ---- equal, and where

@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("step", [4, 8, 16])
def test_scores_are_those_of_shift_and_stitch_where_no_inner_padding_is_seen(rng, pad, step):
    mine, stitched = assert_equal_where_clear(tiny_net("fcn32s", rng, pad=pad), step, image(rng, 230, 261, n=1))
    assert abs(mine - stitched).max() > 1e-3 * abs(stitched).max()  # elsewhere they are others


def plain_body(rng, ceil, pad):
    """Only the first layer may pad. A convolution of stride 2, poolings side by side and overlapping, two branches."""
    def conv(c_in, k, stride=1, pad=0):
        return Conv2d(rng, c_in, 2, k, stride, pad, dtype=np.float64)

    layers = {
        "conv1": conv(3, 3, 2, pad), "relu1": ReLU(), "pool1": MaxPool2d(3, 2, ceil=ceil), "conv2": conv(2, 3),
        "pool2": MaxPool2d(2, ceil=ceil), "left": conv(2, 3), "mid": conv(2, 1), "right": conv(2, 3), "both": Concat(),
        "pool3": MaxPool2d(2, ceil=ceil), "pool4": MaxPool2d(2, ceil=ceil), "conv3": conv(4, 2),
    }
    inputs = {"left": ("pool2",), "mid": ("pool2",), "both": ("left", "right")}
    return Body("plain", layers, {"conv3": 2}, False, Preprocessing(), inputs=inputs)


@pytest.mark.parametrize("ceil", [False, True])
@pytest.mark.parametrize("step, height, width, pad", [
    (1, 101, 94, 0), (2, 125, 142, 0), (8, 133, 119, 0), (2, 91, 78, 9)])
def test_without_inner_padding_they_are_so_everywhere(rng, ceil, step, height, width, pad):
    body = plain_body(rng, ceil, pad)
    net = FCN("fcn32s", body, Head(body, 2, dtype=np.float64))
    randomise(net, rng)
    mine, stitched = scores(net, step, image(rng, height, width, n=1))
    assert stitched.std() > 1e-3
    np.testing.assert_allclose(mine, stitched, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("size", [(1, 1), (3, 38), (33, 41), (64, 96), (97, 70)])
def test_the_original_s_scores_are_every_factor_th_to_the_border_whatever_the_padding(rng, pad, size):
    net, x = tiny_net("fcn32s", rng, pad=pad), image(rng, *size)
    own = coarse_scores(net)(x)
    for step in STEPS:
        made, factor = dilated(net, step), 32 // step
        first = made.body.grids["drop7"].offset(Grid(step, net.body.grids["drop7"].origin))
        np.testing.assert_allclose(coarse_scores(made)(x)[:, :, first::factor, first::factor], own, rtol=1e-12)


def thin(monkeypatch):
    """The papers' nets with few channels where that can be had: geometry does not depend on it."""
    few = {"vgg": {"STAGES": ((2, 2), (2, 2), (2, 2, 2), (2, 2, 2), (2, 2, 2)), "FC": 4}, "alexnet": {"FC": 4},
           "googlenet": {"BLOCKS": {name: (2, 2, 2, 2, 2, 2) for name in BLOCKS}}}
    for name, values in few.items():
        for key, value in values.items():
            monkeypatch.setattr(import_module(f"minifcn.nets.{name}"), key, value)


@pytest.mark.parametrize("body, height, width", [
    ("mini", 230, 261), ("vgg16", 211, 237), ("alexnet", 163, 190), ("googlenet", 527, 529)])
def test_so_it_is_for_every_body(rng, monkeypatch, body, height, width):
    thin(monkeypatch)
    net = build("fcn32s", body, 2, dtype=np.float64)
    randomise(net, rng)
    mine, stitched = assert_equal_where_clear(net, 16, image(rng, height, width, n=1))
    np.testing.assert_allclose(mine[:, :, ::2, ::2], stitched[:, :, ::2, ::2], rtol=1e-9)  # to the border


# ---- the net round them

@pytest.mark.parametrize("body", BODIES)
@pytest.mark.parametrize("step", STEPS)
def test_steps_are_finer_receptive_fields_stay_and_crops_fit_images_of_any_size(monkeypatch, body, step):
    thin(monkeypatch)
    net = build("fcn32s", body, 2, seed=None)
    made, tap = dilated(net, step), net.body.coarse
    assert made.body.grids[tap].step == step == max(grid.step for grid in made.body.grids.values())
    assert made.body.fields == net.body.fields
    for side in (1, 2, 31, 32, 33, 100, 157, 500, 513):
        *_, up, score = rows(made, side, side + 16)
        begin, grid = score.layer.offset, up.grid
        assert begin >= 0 and grid.step == 1 and grid.origin + begin == 0
        assert up.shape[2] >= begin + side and up.shape[3] >= begin + side + 16


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("step", STEPS)
def test_upsampled_scores_lie_where_the_original_s_do(rng, pad, step):
    """Filters that hand on their centre make scores of a slope that slope, moved by half of each window."""
    net = tiny_net("fcn32s", rng, pad=pad)
    for name in net.learned:
        w = net.params[name]
        w[...] = 0
        if w.ndim == 4:
            w[0, 0, w.shape[2] // 2, w.shape[3] // 2] = 1
    margin, _ = reach(net)
    x = np.zeros((1, 3, 70, 2 * margin + 101))
    x[:, 0] = np.arange(x.shape[3])
    inner = np.s_[0, 0, 35, margin:-margin]
    own, fine = net.forward(x)[inner], dilated(net, step).forward(x)[inner]
    np.testing.assert_allclose(np.diff(fine / own.mean()), np.diff(own / own.mean()).mean(), rtol=1e-9)
    np.testing.assert_allclose(fine, own, rtol=1e-12)


def test_a_step_it_has_already_changes_nothing(rng):
    net, x = tiny_net("fcn32s", rng), image(rng)
    np.testing.assert_array_equal(dilated(net, 32).forward(x), net.forward(x))


def test_weights_are_shared_and_live(rng):
    net, x = tiny_net("fcn32s", rng), image(rng)
    made = dilated(net, 8)
    assert list(made.params) == list(net.params) and made.learned == net.learned
    assert all(np.shares_memory(made.params[name], net.params[name]) for name in net.learned)
    before, own = made.forward(x), net.forward(x)
    net.params["conv1_1.w"][...] *= 2
    assert (made.forward(x) != before).any()
    made.params["conv1_1.w"][...] /= 2
    np.testing.assert_array_equal(net.forward(x), own)


def test_it_learns_and_leaves_the_original_s_backward_pass_alone(rng):
    net, x = tiny_net("fcn32s", rng, learn_upsampling=True), image(rng, 13, 11, n=1)
    labels, own = labels_for(rng, x), net.forward(x, train=True)
    net.backward(own)
    grads, made = dict(net.grads), dilated(net, 4)
    assert not made.grads
    _, cache = softmax_cross_entropy(made.forward(x, train=True), labels)
    made.backward(softmax_cross_entropy_backward(cache))
    net.backward(own)
    assert_same_bits(dict(net.grads), grads)
    for name in ("conv5_1.w", "fc6.b", "upscore.w"):
        w = made.params[name]

        def loss(value, w=w):
            kept, w[...] = w.copy(), value
            found, _ = softmax_cross_entropy(made.forward(x), labels)
            w[...] = kept
            return found

        assert_gradient(loss, w, 1.0, made.grads[name], name)


def test_two_heads_and_two_streams_come_along(rng):
    x = rng.normal(size=(1, 6, 37, 45)).astype(np.float32)
    for options in ({"classes": (4, 3)}, {"classes": 2, "modality": "color-hha"}):
        net = build("fcn32s", **options)
        randomise(net, rng)
        made = dilated(net, 8)
        image = x[:, :net.preprocess.channels]
        both = made.forward(image), net.forward(image)
        assert made.classes == net.classes and made.preprocess == net.preprocess and made.learned == net.learned
        assert [s.shape for s in both[0]] == [s.shape for s in both[1]]


def test_what_is_frozen_stays_frozen():
    made = dilated(build("fcn32s-fixed", classes=2), 8)
    assert made.learned == ["score_fr.w", "score_fr.b"]


def test_a_model_predicts_with_it_in_tiles_too(rng):
    net, meta = tiny_net("fcn32s", rng, dtype=np.float32), {"classes": CLASSES[:2], "colors": COLORS[:2].tolist()}
    image = rng.integers(0, 256, (61, 500, 3), dtype=np.uint8)
    net.params["score_fr.b"][...] -= Model(net, meta).scores(image[None]).mean(axis=(0, 2, 3))  # both classes somewhere
    model = Model(dilated(net, 8), meta)
    labels = model.predict(image)
    assert labels.shape == (61, 500) and np.bincount(labels.ravel()).min() > 1000
    assert (labels != Model(net, meta).predict(image)).sum() > 1000
    np.testing.assert_array_equal(model.predict(image, tile=64), labels)


def test_nets_with_skips_and_steps_that_strides_cannot_give_are_refused(rng):
    with pytest.raises(ValueError, match="fcn8s adds scores of finer maps"):
        dilated(tiny_net("fcn8s", rng), 4)
    for step in (0, 3, 64):
        with pytest.raises(ValueError, match=f"a step of {step}: strides of tiny can give 1, 2, 4, 8, 16, 32"):
            dilated(tiny_net("fcn32s", rng), step)

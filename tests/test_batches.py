"""Batches: what is drawn is derived, what is varied stays true to its mask, what is padded does not count."""
import threading
import time

import numpy as np
import pytest
from tiny_runs import folder, scene

from minifcn.batches import SCALE, Batches, Vary, nearest
from minifcn.datasets import VOCSegmentation
from minifcn.nets import build
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.preprocess import Preprocessing

ALL = Vary(mirror=True, scale=SCALE, crop=30)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return VOCSegmentation(folder(tmp_path_factory.mktemp("data"), train=7), "train")


def batches(data, size=2, vary=ALL, seed=1, stage=0, max_side=None, **options):
    return Batches(data, size, Preprocessing(), vary, seed, stage, max_side, **options)


def bits(some):
    return [(x.tobytes(), labels.tobytes(), x.shape) for x, labels in some]


class Marked:
    """Images that say which they are: image i is filled with 10 i, and so is its mask, with i."""

    def __init__(self, count, size=lambda i: (5, 7)):
        self.count, self.size = count, size

    def __len__(self):
        return self.count

    def __getitem__(self, i):
        return np.full((*self.size(i), 3), 10 * i, np.uint8), np.full(self.size(i), i, np.uint8)


# ---- the order

@pytest.mark.parametrize("count, size, steps", [(7, 1, 7), (8, 2, 4), (7, 3, 2), (3, 8, 1)])
def test_every_image_comes_once_an_epoch(count, size, steps):
    """What does not fill a batch is left out; too few for one batch are one all the same."""
    some = batches(Marked(count), size, Vary())
    seen = [int(image[0, 0]) for _, labels in some.epoch(0) for image in labels]
    assert some.steps == steps and len(seen) == len(set(seen)) == steps * min(size, count)


def test_what_an_epoch_leaves_out_comes_in_another():
    some = batches(Marked(7), 3, Vary())
    seen = {int(image[0, 0]) for epoch in range(6) for _, labels in some.epoch(epoch) for image in labels}
    assert seen == set(range(7))


def test_an_epoch_comes_again_the_same_and_others_do_not(data):
    first = bits(batches(data).epoch(2))
    assert first == bits(batches(data).epoch(2)) == bits(batches(data, threads=5, ahead=0).epoch(2))
    for other in (batches(data).epoch(3), batches(data, seed=2).epoch(2), batches(data, stage=1).epoch(2)):
        assert first != bits(other)


@pytest.mark.parametrize("first", range(4))
def test_an_epoch_can_begin_anywhere(data, first):
    assert bits(batches(data).epoch(1))[first:] == bits(batches(data).epoch(1, first))


def test_memory_of_images_changes_nothing(data, monkeypatch):
    some = batches(data)
    first, again = bits(some.epoch(0)), bits(some.epoch(0))
    monkeypatch.setattr("minifcn.batches.CACHE_BYTES", 0)
    assert first == again == bits(batches(data).epoch(0))


# ---- read ahead

def test_batches_are_made_ahead_and_never_more_than_asked():
    class Counted(Marked):
        asked = []

        def __getitem__(self, i):
            self.asked.append(i)
            return super().__getitem__(i)

    images = Counted(20)
    coming = batches(images, 1, Vary(), ahead=3, threads=2).epoch(0)
    next(coming)
    end = time.monotonic() + 5
    while len(images.asked) < 4 and time.monotonic() < end:
        time.sleep(0.001)
    time.sleep(0.02)
    assert len(images.asked) == 4
    coming.close()


def test_an_epoch_left_early_leaves_no_thread_behind(data):
    coming = batches(data, 1).epoch(0)
    next(coming)
    coming.close()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("batches")]


def test_what_goes_wrong_on_a_thread_is_heard(data):
    class Bad(Marked):
        def __getitem__(self, i):
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        list(batches(Bad(3), 1).epoch(0))


# ---- how images are varied

@pytest.mark.parametrize("vary", [Vary(), Vary(mirror=True), Vary(scale=SCALE), Vary(crop=20), ALL, Vary(crop=100)])
def test_a_mask_never_gains_a_value(vary):
    image, labels = scene(0)
    for seed in range(20):
        varied, mask = vary(image, labels, np.random.default_rng(seed))
        assert varied.shape == (*mask.shape, 3) and varied.dtype == mask.dtype == np.uint8
        assert set(np.unique(mask)) <= set(np.unique(labels))


@pytest.mark.parametrize("vary", [Vary(), Vary(mirror=True), Vary(crop=20), Vary(mirror=True, crop=20)])
def test_image_and_mask_move_together(vary):
    labels = np.random.default_rng(0).integers(0, 200, (33, 41), dtype=np.uint8)
    image = np.repeat(labels[:, :, None], 3, axis=2)
    for seed in range(10):
        varied, mask = vary(image, labels, np.random.default_rng(seed))
        np.testing.assert_array_equal(varied[..., 0], mask)


def test_a_scaled_mask_lies_on_its_scaled_image():
    """A black disc on white: after scaling, what is darker than half is disc, but for a pixel at its border."""
    labels = (np.hypot(*(np.mgrid[:60, :80] - 35)) < 20).astype(np.uint8)
    image = np.repeat(255 - 255 * labels[:, :, None], 3, axis=2)
    sizes = set()
    for seed in range(10):
        varied, mask = Vary(scale=SCALE)(image, labels, np.random.default_rng(seed))
        sizes.add(mask.shape)
        assert ((varied[..., 0] < 128) != mask).mean() < 0.02
    assert len(sizes) == 10 and all(44 <= height <= 90 and 59 <= width <= 120 for height, width in sizes)


def test_half_of_them_are_mirrored_and_crops_fall_everywhere():
    labels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    image = np.zeros((3, 4, 3), np.uint8)
    rngs = [np.random.default_rng(seed) for seed in range(400)]
    mirrored = [bool((Vary(mirror=True)(image, labels, rng)[1] == labels[:, ::-1]).all()) for rng in rngs]
    assert 0.4 < np.mean(mirrored) < 0.6
    corners = {int(Vary(crop=2)(image, labels, np.random.default_rng(seed))[1][0, 0]) for seed in range(200)}
    assert corners == {0, 1, 2, 4, 5, 6}


def test_a_crop_larger_than_the_image_takes_all_of_it():
    image, labels = scene(0)
    np.testing.assert_array_equal(Vary(crop=1000)(image, labels, np.random.default_rng(0))[1], labels)


def test_images_of_a_batch_vary_each_in_its_own_way():
    ramp = np.arange(100, dtype=np.uint8).reshape(10, 10)

    class Same(Marked):
        def __getitem__(self, i):
            return np.zeros((10, 10, 3), np.uint8), ramp

    _, labels = next(batches(Same(8), 8, Vary(mirror=True, crop=4)).epoch(0))
    assert len({image.tobytes() for image in labels}) > 5


def test_options_do_not_interact(data):
    """With crops on or off the same images are mirrored."""
    def mirrored(vary):
        ramp = np.tile(np.arange(40, dtype=np.uint8), (30, 1))
        image = np.repeat(ramp[..., None], 3, axis=2)
        some = (vary(image, ramp, np.random.default_rng(seed))[1] for seed in range(30))
        return [int(labels[0, 0]) > int(labels[0, -1]) for labels in some]

    assert mirrored(Vary(mirror=True)) == mirrored(ALL) == mirrored(Vary(mirror=True, crop=8))


@pytest.mark.parametrize("size", [(33, 41), (1, 1), (7, 100), (66, 82)])
def test_nearest_copies_pixels(size):
    labels = scene(0)[1]
    resized = nearest(labels, *size)
    assert resized.shape == size and resized.dtype == np.uint8
    rows, columns = ((np.arange(n) + 0.5) * old / n for n, old in zip(size, labels.shape, strict=True))
    np.testing.assert_array_equal(resized, labels[rows.astype(int)[:, None], columns.astype(int)])


def test_max_side_shrinks_images_and_their_masks(data):
    for x, labels in batches(data, 1, Vary(), max_side=20).epoch(0):
        assert x.shape[2:] == labels.shape[1:] and max(labels.shape[1:]) == 20
        assert set(np.unique(labels)) <= {0, 1, 2, 255}


# ---- padding

def test_smaller_images_are_padded_right_and_below_with_zeros_and_void():
    images = Marked(3, size=lambda i: [(5, 7), (8, 4), (3, 9)][i])
    x, labels = next(batches(images, 3, Vary()).epoch(0))
    assert x.shape == (3, 3, 8, 9) and labels.shape == (3, 8, 9)
    assert x.dtype == np.float32 and labels.dtype == np.uint8
    for image, mask in zip(x, labels, strict=True):
        i = int(mask[0, 0])
        height, width = images.size(i)
        assert (mask[:height, :width] == i).all() and (image[:, :height, :width] == (10 * i - 128) / 64).all()
        for part in ((slice(height, None), slice(None)), (slice(None), slice(width, None))):
            assert (mask[part] == 255).all() and (image[:, *part] == 0).all()


def test_padding_counts_for_nothing(data, rng):
    """The loss of a padded batch is the mean over the pixels that images have, its gradient 0 elsewhere."""
    x, labels = next(batches(data, 4, Vary()).epoch(0))
    net = build("fcn8s", "mini", 3)
    for name, value in net.params.items():
        if not net.fixed(name):
            value[...] = 0.1 * rng.standard_normal(value.shape)
    scores = net.forward(x)
    loss, cache = softmax_cross_entropy(scores, labels)
    p = np.exp(scores.astype(np.float64))
    p /= p.sum(axis=1, keepdims=True)
    costs = [-np.log(p[n, labels[n, i, j], i, j]) for n, i, j in np.argwhere(labels != 255)]
    sizes = {tuple(np.argwhere(image != 255).max(axis=0)) for image in labels}
    assert len(sizes) > 1
    assert float(loss) == pytest.approx(np.mean(costs), rel=1e-5)
    gradient = softmax_cross_entropy_backward(cache)
    assert not gradient.transpose(0, 2, 3, 1)[labels == 255].any()

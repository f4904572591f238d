"""minifcn.load and the Model it gives: images in, classes of their pixels out."""
import subprocess
import sys

import numpy as np
import pytest
from tiny_runs import random_model, scene

import minifcn
from minifcn import checkpoint, model
from minifcn.errors import InputError
from minifcn.images import resize
from minifcn.model import shrunk_size


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (33, 41), (64, 64)])
def test_an_image_of_any_size_is_named_pixel_by_pixel(size):
    net = random_model()
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    before = image.copy()
    labels, p = net.predict(image), net.probabilities(image)
    assert labels.shape == size and labels.dtype == np.uint8
    assert p.shape == (3, *size) and p.dtype == np.float32
    np.testing.assert_allclose(p.sum(axis=0), 1, atol=1e-5)
    np.testing.assert_array_equal(p.argmax(axis=0), labels)
    np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(net.predict(image), labels)


def test_probabilities_are_the_softmax_of_the_scores():
    net, (image, _) = random_model(), scene(0)
    scores = net.scores(image[None])[0].astype(np.float64)
    expected = np.exp(scores) / np.exp(scores).sum(axis=0)
    np.testing.assert_allclose(net.probabilities(image), expected, atol=1e-6)


@pytest.mark.parametrize("image", [
    np.zeros((5, 5, 3)), np.zeros((5, 5), np.uint8), np.zeros((3, 5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8),
    np.zeros((1, 5, 5, 3), np.uint8), np.zeros((0, 5, 3), np.uint8), [[[1, 2, 3]]], "boat.jpg", None])
def test_what_is_no_image_is_refused_in_words(image):
    net = random_model()
    for call in (net.predict, net.probabilities):
        with pytest.raises(ValueError, match=r"\(H,W,3\)|nothing to name"):
            call(image)


def test_more_classes_than_labels_can_tell_are_refused():
    with pytest.raises(ValueError, match="256 classes, and labels tell 255"):
        random_model(classes=[f"class {k}" for k in range(256)])


# ---- tiles

def mixed(name, image, seed=0):
    """A net with random weights whose classes all win somewhere in the image: their mean scores are made equal."""
    net = random_model(name, seed)
    net.net.params["score_fr.b"][...] -= net.scores(image[None]).mean(axis=(0, 2, 3))
    return net


def textured(height, width):
    """Noise in patches of every size: what a net sees from far and from near."""
    rng = np.random.default_rng(1)
    layers = [resize(rng.integers(0, 256, (-(-height // k), -(-width // k), 3), dtype=np.uint8), height, width)
              for k in (1, 8, 64)]
    return np.mean(layers, axis=0).astype(np.uint8)


@pytest.mark.parametrize("name, size, tile", [("fcn8s", (640, 250), 170), ("fcn32s", (70, 601), 96)])
def test_tiles_give_the_labels_of_the_whole_image(name, size, tile, monkeypatch):
    image = textured(*size)
    net = mixed(name, image)
    whole = net.predict(image)
    assert len(np.unique(whole)) == 3 and np.bincount(whole.ravel()).min() > 100
    scores = np.sort(net.scores(image[None])[0], axis=0)
    tie = scores[-1] - scores[-2] < 1e-5 * np.abs(scores).max()  # the last bits may depend on the shape of a product
    assert tie.mean() < 0.001
    np.testing.assert_array_equal(np.where(tie, 0, net.predict(image, tile)), np.where(tie, 0, whole))

    monkeypatch.setattr(model, "reach", lambda net: (0, 32))  # without what lies around them they would not
    assert (net.predict(image, tile) != whole).sum() > 100


def test_tiles_bound_what_is_computed_at_once(monkeypatch):
    net, image = random_model(), textured(64, 900)
    widths = []
    strips = net.score_strips
    monkeypatch.setattr(net, "score_strips", lambda images: widths.append(images.shape[2]) or strips(images))
    net.predict(image, 100)
    margin, step = model.reach(net.net)
    assert max(widths) <= 96 + 2 * margin < 900 and all(width % step == 0 or width < 900 for width in widths)


@pytest.mark.parametrize("tile", [1, 31, 33, 1000])
def test_a_tile_of_any_size_will_do(tile):
    net, image = random_model(), textured(40, 70)
    np.testing.assert_array_equal(net.predict(image, tile), net.predict(image))


# ---- max_side

@pytest.mark.parametrize("size, max_side, small", [
    ((100, 50), None, (100, 50)), ((100, 50), 100, (100, 50)), ((100, 50), 40, (40, 20)), ((50, 101), 40, (20, 40)),
    ((1000, 2), 100, (100, 1)), ((1, 1), 1, (1, 1)), ((33, 41), 1, (1, 1))])
def test_the_longer_side_is_shrunk_and_the_shape_kept(size, max_side, small):
    assert shrunk_size(*size, max_side) == small


def test_large_images_are_shrunk_for_the_net_and_their_scores_enlarged_again():
    net, (image, _) = random_model(max_side=20), scene(0)
    labels = net.predict(image)
    assert labels.shape == image.shape[:2]
    np.testing.assert_array_equal(net.predict(image, 8), labels)
    small = random_model().scores(resize(image, 16, 20)[None])
    assert net.scores(image[None]).shape == (1, 3, *image.shape[:2])
    assert np.abs(net.scores(image[None])).max() <= np.abs(small).max() * (1 + 1e-5)  # interpolated: never beyond


# ---- load

def test_load_gives_what_was_saved(tmp_path):
    mine, (image, _) = random_model("fcn16s", max_side=20), scene(0)
    checkpoint.save(tmp_path / "net.safetensors", mine.net, mine.meta)
    for source in (tmp_path / "net.safetensors", str(tmp_path / "net.safetensors")):
        back = minifcn.load(source)
        assert (back.classes, back.max_side) == (("ground", "disc", "bar"), 20)
        np.testing.assert_array_equal(back.predict(image), mine.predict(image))
        np.testing.assert_array_equal(back.probabilities(image), mine.probabilities(image))


def test_an_unknown_name_says_which_there_are(tmp_path, monkeypatch):
    monkeypatch.setattr(model, "SHIPPED", tmp_path)
    net = random_model()
    for name in ("harbour-fcn8s", "harbour-fcn32s"):
        checkpoint.save(tmp_path / f"{name}.safetensors", net.net, net.meta)
    assert minifcn.load("harbour-fcn32s").classes == net.classes
    with pytest.raises(InputError, match="harbour-fcn9s.*harbour-fcn32s, harbour-fcn8s"):
        minifcn.load("harbour-fcn9s")


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = "import sys, minifcn; print({'matplotlib', 'scipy', 'cupy', 'PIL', 'numpy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_scores_enlarged_a_few_rows_at_a_time_are_the_same_scores(monkeypatch):
    net, image = random_model(max_side=20), textured(33, 41)
    whole, labels = net.scores(image[None]), net.predict(image)
    monkeypatch.setattr(model, "STRIP", 3 * 41 * 5)
    strips = list(net.score_strips(image[None]))
    assert [rows.stop - rows.start for rows, _ in strips] == [5, 5, 5, 5, 5, 5, 3]
    np.testing.assert_allclose(np.concatenate([scores for _, (scores,) in strips], axis=2), whole, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(net.predict(image), labels)

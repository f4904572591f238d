"""Labels as pictures, judged by their pixels: what stays untouched, what stands out, what is named beneath."""
import numpy as np
import pytest

from minifcn.overlay import flat, key, legend, lit, near_border, overlay, overlay_with_legend, percent

COLORS = np.uint8([(0, 0, 0), (0, 114, 178), (240, 228, 66), (255, 255, 255)])
CLASSES = ("background", "boat", "person", "sheep")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def scene(rng, height=48, width=70):
    """A photograph of noise; a boat with a person in it, void around the person."""
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    labels = np.zeros((height, width), np.uint8)
    labels[20:40, 10:60] = 1
    labels[8:25, 30:42] = 255
    labels[10:23, 32:40] = 2
    return image, labels


def test_overlay_leaves_background_and_void_as_they_were(rng):
    image, labels = scene(rng)
    before, out = image.copy(), overlay(image, labels, COLORS)
    untouched = (labels == 0) | (labels == 255)
    np.testing.assert_array_equal(out[untouched], image[untouched])
    np.testing.assert_array_equal(image, before)
    assert np.any(out[~untouched] != image[~untouched])


@pytest.mark.parametrize("alpha", [0.0, 0.3, 0.5, 1.0])
def test_overlay_is_alpha_colour_inside_an_object(rng, alpha):
    image, labels = scene(rng)
    inside = (labels == 1) & ~near_border(labels, 3)
    expected = (1 - alpha) * image[inside] + alpha * COLORS[1]
    assert np.abs(overlay(image, labels, COLORS, alpha)[inside] - expected).max() <= 1.5  # two roundings


def test_overlay_without_a_background_class_paints_class_0(rng):
    image, labels = scene(rng)
    out = overlay(image, labels, COLORS, background=None)
    sky = (labels == 0) & ~near_border(labels, 3)
    assert np.abs(out[sky] - image[sky] / 2).max() <= 1  # class 0 is black here
    np.testing.assert_array_equal(out[labels == 255], image[labels == 255])


def test_outlines_stand_out_from_their_class_by_lightness(rng):
    image, labels = np.full((48, 70, 3), 128, np.uint8), scene(rng)[1]
    out = overlay(image, labels, COLORS).astype(np.int64).sum(axis=2) / 3
    for c, lighter in ((1, True), (2, False)):  # blue is dark, yellow is light
        border = (labels == c) & near_border(labels, 1)
        inside = (labels == c) & ~near_border(labels, 1)
        assert (out[border].min() > out[inside].max() + 40) if lighter else (out[border].max() < out[inside].min() - 40)


def test_outlines_grow_with_the_image():
    for side, thickness in ((100, 1), (1000, 2), (4000, 8)):
        labels = np.zeros((8, side), np.uint8)
        labels[:, side // 2:] = 1
        out = overlay(np.zeros((8, side, 3), np.uint8), labels, COLORS)
        inside = out[4, -1]
        assert np.sum(np.any(out[4, side // 2:] != inside, axis=1)) == thickness


def test_a_border_is_near_both_of_its_sides():
    labels = np.zeros((5, 9), np.uint8)
    labels[:, 4:] = 1
    for reach in (1, 2, 3):
        assert np.flatnonzero(near_border(labels, reach)[2]).tolist() == list(range(4 - reach, 4 + reach))
    assert not near_border(np.zeros((3, 4), np.uint8), 2).any()


def test_lit_pixels_are_brighter_than_all_right_ones_whatever_the_palette(rng):
    truth = rng.integers(0, 5, (30, 41)).astype(np.uint8)
    truth[truth == 4] = 255
    predicted = rng.integers(0, 4, truth.shape).astype(np.uint8)
    colors = np.uint8([(0, 0, 0), (255, 255, 255), (0, 0, 255), (255, 255, 0)])
    out = lit(predicted, truth, colors)
    wrong = (predicted != truth) & (truth != 255)
    assert out[wrong].min() > out[~wrong].max() + 30
    assert len(np.unique(out[wrong], axis=0)) == len(np.unique(out[~wrong], axis=0)) == 4  # every class is still seen


def test_void_is_never_lit():
    predicted, truth = np.ones((4, 5), np.uint8), np.full((4, 5), 255, np.uint8)
    np.testing.assert_array_equal(lit(predicted, truth, COLORS), lit(predicted, predicted, COLORS))


def test_flat_paints_classes_and_void():
    np.testing.assert_array_equal(flat(np.uint8([[1, 2, 255]]), COLORS)[0], [COLORS[1], COLORS[2], (224, 224, 192)])
    assert flat(np.uint8([[255]]), np.zeros((256, 3), np.uint8))[0, 0].tolist() == [224, 224, 192]  # VOC's 256 colours


@pytest.mark.parametrize(("height", "width", "drawn"),
                         [(128, 160, (480, 384)), (300, 700, (700, 300)), (1, 1, (480, 480))])
def test_overlay_with_legend_enlarges_only_small_images_and_by_whole_numbers(rng, height, width, drawn):
    labels = np.zeros((height, width), np.uint8)
    image = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    out = overlay_with_legend(image, labels, CLASSES, COLORS)
    factor = drawn[0] // width
    assert out.width == drawn[0] and out.height > drawn[1] + 13
    np.testing.assert_array_equal(np.asarray(out)[:drawn[1]:factor, ::factor], image)  # all background: untouched


def test_a_tall_narrow_image_does_not_become_a_tower():
    out = overlay_with_legend(np.zeros((3000, 5, 3), np.uint8), np.zeros((3000, 5), np.uint8), CLASSES, COLORS)
    assert out.width == 480 and out.height < 3100


def test_legend_grows_with_the_image():
    heights = []
    for height, width in ((480, 640), (1500, 2000)):
        out = overlay_with_legend(np.zeros((height, width, 3), np.uint8), np.ones((height, width), np.uint8),
                                  CLASSES, COLORS)
        heights.append(out.height - height)
    assert heights[1] > 2.5 * heights[0]


def test_legend_names_only_the_classes_that_are_there(rng):
    image, labels = scene(rng)
    out = np.asarray(overlay_with_legend(image, labels, CLASSES, COLORS))
    beneath = {tuple(color) for color in np.unique(out[48 * 7:].reshape(-1, 3), axis=0).tolist()}
    assert tuple(COLORS[1]) in beneath and tuple(COLORS[2]) in beneath
    without = np.asarray(overlay_with_legend(image, np.where(labels == 2, 0, labels), CLASSES, COLORS))
    assert not np.any(np.all(without[48 * 7:] == COLORS[2], axis=-1))


def test_legend_wraps_and_shortens_to_its_width():
    entries = [([COLORS[1]], f"class {i}") for i in range(9)]
    assert legend(entries, 300).height > legend(entries, 900).height
    assert legend([([COLORS[1]], "a very long name " * 40)], 300).size == (300, legend(entries[:1], 300).height)


def test_key_lists_present_classes_and_void_once():
    assert [name for _, name in key(COLORS, CLASSES, {1, 3})] == ["boat", "sheep"]
    assert [name for _, name in key(COLORS, CLASSES, {0, 255})] == ["background", "void, not counted"]


def test_a_small_share_is_not_called_nothing():
    assert [percent(share) for share in (0, 0.0001, 0.0005, 0.1234, 1)] == ["0.0 %", "< 0.1 %", "0.1 %", "12.3 %",
                                                                            "100.0 %"]

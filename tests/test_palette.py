"""Label colours: VOC's table to the number, and colours that stay apart for every kind of colour vision."""
import itertools

import numpy as np
import pytest
from PIL import Image

from minifcn.palette import VOID_COLOR, distinct_colors, voc_colors, write_label_png

VOC = {0: (0, 0, 0), 1: (128, 0, 0), 2: (0, 128, 0), 3: (128, 128, 0), 4: (0, 0, 128), 5: (128, 0, 128),
       6: (0, 128, 128), 7: (128, 128, 128), 8: (64, 0, 0), 9: (192, 0, 0), 10: (64, 128, 0), 11: (192, 128, 0),
       12: (64, 0, 128), 13: (192, 0, 128), 14: (64, 128, 128), 15: (192, 128, 128), 16: (0, 64, 0), 17: (128, 64, 0),
       18: (0, 192, 0), 19: (128, 192, 0), 20: (0, 64, 128), 21: (128, 64, 128), 255: (224, 224, 192)}

# Linear RGB as dichromats see it: Vienot, Brettel and Mollon 1999 for the two common kinds, another model than the one
# the colours were chosen by, and Machado, Oliveira and Fernandes 2009 for the rare third, which the former leave out.
SIGHT = {
    "full": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "protanopia": ((0.11238, 0.88762, 0), (0.11238, 0.88762, 0), (0.00401, -0.00401, 1)),
    "deuteranopia": ((0.29275, 0.70725, 0), (0.29275, 0.70725, 0), (-0.02234, 0.02234, 1)),
    "tritanopia": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def lab(rgb, sight):
    """One sRGB colour as somebody sees it, in CIELAB (D65), where 2.3 is the smallest step people notice."""
    linear = [c / 255 / 12.92 if c <= 10 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in rgb]
    r, g, b = np.clip(np.array(SIGHT[sight]) @ linear, 0, 1)
    x, y, z = ((0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505, 0.2126 * r + 0.7152 * g + 0.0722 * b,
               (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089)
    fx, fy, fz = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return np.array((116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)))


def test_voc_colors_are_the_published_table():
    colors = voc_colors()
    assert colors.shape == (256, 3) and colors.dtype == np.uint8
    assert {index: tuple(colors[index].tolist()) for index in VOC} == VOC
    assert len({tuple(color) for color in colors.tolist()}) == 256


def test_the_void_color_is_entry_255_of_voc():
    assert tuple(voc_colors()[255].tolist()) == VOID_COLOR


@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("n", [7, 12, 21])
def test_distinct_colors_can_be_told_apart_by_everybody(n, sight):
    seen = [lab(color, sight) for color in distinct_colors(n).tolist()]
    closest = min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2))
    assert closest > 15, f"{closest:.1f} apart at the closest, for {sight}"


def test_distinct_colors_begin_dark_and_never_repeat():
    colors = distinct_colors(255)
    assert colors.shape == (255, 3) and colors.dtype == np.uint8
    assert tuple(colors[0]) == (0, 0, 0)
    assert len({tuple(color) for color in colors.tolist()} | {VOID_COLOR}) == 256


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 40])
def test_distinct_colors_of_few_classes_are_the_first_of_many(n):
    np.testing.assert_array_equal(distinct_colors(n), distinct_colors(60)[:n])


def test_distinct_colors_stay_what_they_are():
    """Pictures made years apart must compare: the ninth to twelfth colour, pinned."""
    assert distinct_colors(12)[8:].tolist() == [[128, 0, 255], [85, 43, 0], [43, 0, 128], [0, 255, 128]]


def test_label_png_holds_indices_and_shows_colors(tmp_path):
    labels = np.array([[0, 1, 2], [6, 255, 3]], np.uint8)
    colors = distinct_colors(7)
    write_label_png(tmp_path / "labels.png", labels, colors)
    with Image.open(tmp_path / "labels.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.array(image), labels)
        shown = np.array(image.convert("RGB"))
    np.testing.assert_array_equal(shown[labels != 255], colors[labels[labels != 255]])
    assert tuple(shown[1, 1].tolist()) == VOID_COLOR

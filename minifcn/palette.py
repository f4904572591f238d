"""Colours for labels: VOC's own, and a set that people without full colour vision can tell apart."""
import numpy as np
from PIL import Image

VOID = 255
VOID_COLOR = (224, 224, 192)
GOLDEN_ANGLE = np.pi * (3 - 5**0.5)

# Okabe and Ito's eight, dark first; none of the three common kinds of colour blindness mixes two of them up
OKABE_ITO = ((0, 0, 0), (0, 114, 178), (230, 159, 0), (240, 228, 66),
             (86, 180, 233), (204, 121, 167), (0, 158, 115), (213, 94, 0))


def voc_colors(n=256):
    """(n,3) uint8. Of the index's bits red collects b0, b3, b6, green b1, b4, b7, blue b2, b5, each first worth 128."""
    index = np.arange(n)
    colors = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        colors[:, bit % 3] |= ((index >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


def distinct_colors(n):
    """(n,3) uint8: Okabe and Ito's eight, then hues a golden angle apart (they never meet) at three lightnesses."""
    colors = list(OKABE_ITO[:n])
    step = 0
    while len(colors) < n:
        color = _oklch((0.72, 0.5, 0.86)[step % 3], (0.13, 0.1, 0.07)[step // 3 % 3], step * GOLDEN_ANGLE)
        if color not in colors and color != VOID_COLOR:
            colors.append(color)
        step += 1
    return np.array(colors, np.uint8).reshape(n, 3)


def _oklch(lightness, chroma, hue):
    """Lightness, chroma and hue of Ottosson's Oklab, where equal steps look equal -> 8-bit sRGB."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cones = np.array([lightness + 0.3963377774 * a + 0.2158037573 * b,
                      lightness - 0.1055613458 * a - 0.0638541728 * b,
                      lightness - 0.0894841775 * a - 1.2914855480 * b]) ** 3
    linear = np.array([(4.0767416621, -3.3077115913, 0.2309699292),
                       (-1.2684380046, 2.6097574011, -0.3413193965),
                       (-0.0041960863, -0.7034186147, 1.7076147010)]) @ cones
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return tuple(np.round(255 * encoded).astype(int).tolist())


def write_label_png(path, labels, colors):
    """labels (H,W) uint8 as a palette PNG: the file holds the indices, and shows as colors (C,3); 255 as VOID_COLOR."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:len(colors)] = colors
    palette[VOID] = VOID_COLOR
    image = Image.fromarray(np.asarray(labels, np.uint8))
    image.putpalette(palette.tobytes())
    image.save(path, "PNG", optimize=True)

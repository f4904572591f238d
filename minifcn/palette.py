"""Colours for labels: VOC's own, and a set that people without full colour vision can tell apart."""
import numpy as np
from PIL import Image

from minifcn.metrics import IGNORE

VOID_COLOR = (224, 224, 192)

# Okabe and Ito's eight, made to be told apart with any colour vision; the dark one first, for background
OKABE_ITO = ((0, 0, 0), (0, 114, 178), (230, 159, 0), (240, 228, 66),
             (86, 180, 233), (204, 121, 167), (0, 158, 115), (213, 94, 0))

# what full sight and sight without the red, green or blue cones make of linear RGB [Machado, Oliveira, Fernandes 2009]
VISIONS = np.array((
    ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
))


def voc_colors(n=256):
    """(n,3) uint8. Of the index's bits red collects b0, b3, b6, green b1, b4, b7, blue b2, b5, each first worth 128."""
    index = np.arange(n)
    colors = np.zeros((n, 3), np.uint8)
    for bit in range(8):
        colors[:, bit % 3] |= ((index >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colors


def distinct_colors(n):
    """(n,3) uint8: Okabe and Ito's eight, then each time the colour farthest from all before it and from void's.

    Far means by the poorest of the four VISIONS. The first colours are the same whatever n is.
    """
    levels = np.array((0, 43, 85, 128, 170, 213, 255), np.uint8)
    lattice = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), axis=-1).reshape(-1, 3)
    seen, colors = _as_seen(lattice), list(OKABE_ITO[:n])
    taken = _as_seen(np.array((*OKABE_ITO, VOID_COLOR)))
    nearest = np.min([_distance(seen, taken[:, k]) for k in range(taken.shape[1])], axis=0)
    while len(colors) < n:
        k = nearest.round(6).argmax()  # rounded: the last bit of a cube root must not choose
        colors.append(lattice[k])
        nearest = np.minimum(nearest, _distance(seen, seen[:, k]))
    return np.array(colors, np.uint8).reshape(n, 3)


def _as_seen(colors):
    """(n,3) sRGB -> (4,n,3) CIELAB, where equal distances look about equal, for each of VISIONS."""
    encoded = colors / 255
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    left = np.clip(linear @ VISIONS.transpose(0, 2, 1), 0, 1)
    xyz = left @ np.array(((0.4124, 0.2126, 0.0193), (0.3576, 0.7152, 0.1192), (0.1805, 0.0722, 0.9505)))
    ratio = xyz / (0.9505, 1, 1.089)
    x, y, z = np.moveaxis(np.where(ratio > 0.008856, np.cbrt(ratio), 7.787 * ratio + 16 / 116), -1, 0)
    return np.stack((116 * y - 16, 500 * (x - y), 200 * (y - z)), axis=-1)


def _distance(seen, color):
    """(4,n,3), (4,3) -> (n,): the distance for the vision that sees the least of it."""
    return np.sqrt(((seen - color[:, None]) ** 2).sum(axis=-1)).min(axis=0)


def write_label_png(path, labels, colors):
    """labels (H,W) uint8 as a palette PNG: the file holds the indices, and shows as colors (C,3); 255 as VOID_COLOR."""
    palette = np.zeros((256, 3), np.uint8)
    palette[:len(colors)] = colors
    palette[IGNORE] = VOID_COLOR
    image = Image.fromarray(np.asarray(labels, np.uint8))
    image.putpalette(palette.tobytes())
    image.save(path, "PNG", optimize=True)

"""What the pixels of foreign masks mean: class numbers, or colours that a label map gives a class.

Which of the two is decided for a folder as a whole, from all that its masks hold: a single black mask could be either.
"""
from collections import Counter
from typing import NamedTuple

import numpy as np

from minifcn.datasets.importing.common import VOID_NAMES, Label
from minifcn.errors import InputError
from minifcn.images import opened, read_labels
from minifcn.metrics import IGNORE
from minifcn.palette import VOID_COLOR, voc_colors

GREYS = np.repeat(np.arange(256), 3).reshape(256, 3)


class Mask(NamedTuple):
    """A decoded mask."""

    codes: np.ndarray  # (H,W)
    colors: np.ndarray  # (K,3): the colour of every code
    numbered: bool  # the codes are numbers from the file, not just an order of its colours


class Meaning(NamedTuple):
    """The class of every colour (r, g, b), or of every number."""

    colored: bool
    table: dict


def decode(path):
    """A colour file whose every pixel is grey holds numbers, which some tool has saved threefold."""
    with opened(path) as image:
        palette = image.getpalette() if image.mode == "P" else None
        if image.mode in ("RGB", "RGBA", "CMYK", "LA", "PA") and image.format not in ("JPEG", "MPO"):
            rgb = np.asarray(image.convert("RGB")).astype(np.int32)
            if (rgb == rgb[..., :1]).all():
                return Mask(rgb[..., 0], GREYS, True)
            packed, codes = np.unique(rgb @ np.array([1 << 16, 1 << 8, 1], np.int32), return_inverse=True)
            return Mask(codes.reshape(rgb.shape[:2]), packed[:, None] >> np.array([16, 8, 0]) & 255, False)
    colors = GREYS.copy()
    if palette:
        colors[:len(palette) // 3] = np.array(palette).reshape(-1, 3)
    return Mask(read_labels(path), colors, True)


def convert(path, meaning):
    """A mask file -> labels (H,W) uint8."""
    codes, colors, _ = decode(path)
    keys = map(tuple, colors.tolist()) if meaning.colored else range(len(colors))
    return np.array([meaning.table.get(key, IGNORE) for key in keys], np.uint8)[codes]  # what is not there: any number


class Used:
    """What a folder of masks holds: its numbers and colours, how many pixels of each, and a file with it."""

    def __init__(self, paths):
        self.numbers, self.colors, self.where = Counter(), Counter(), {}
        self.colored = None  # the first file without numbers
        for path in paths:
            codes, colors, numbered = decode(path)
            counts = np.bincount(codes.ravel(), minlength=len(colors)).tolist()
            for code, (count, color) in enumerate(zip(counts, map(tuple, colors.tolist()), strict=True)):
                if count:
                    self.colors[color] += count
                    self.where.setdefault(color, path)
                    if numbered:
                        self.numbers[code] += count
                        self.where.setdefault(code, path)
            if not numbered:
                self.colored = self.colored or path

    def listed(self, keys):
        """For messages: the commonest of these numbers or colours, their pixels, and a file with the first."""
        keys = sorted(keys, key=lambda key: -self._count(key))
        some = ", ".join(f"{key} ({self._count(key):,} pixels)" for key in keys[:6])
        return f"{some}{f' and {len(keys) - 6} more' if len(keys) > 6 else ''}; see {self.where[keys[0]]}"

    def _count(self, key):
        return (self.colors if isinstance(key, tuple) else self.numbers)[key]


def understand(folder, paths, labels, foreground):
    """-> Labels, one a line of the label map or made up where there is none, and the Meaning of the folder's masks."""
    used = Used(paths)
    if foreground is not None:
        return _binary(folder, used, labels, foreground)
    explicit = {label.color for label in labels or () if label.color}
    if used.colored or (explicit and set(used.colors) <= explicit | {VOID_COLOR}):
        return _colors(folder, used, labels)
    return _numbers(folder, used, labels)


def _colors(folder, used, labels):
    if labels is None:
        raise InputError(f"{folder}: colour masks without a label map; put a labelmap.txt with lines name:r,g,b beside "
                         f"it. Colours: {used.listed(used.colors)}")
    if not any(label.color for label in labels):  # names only: VOC's colours, as CVAT has it
        labels = [Label(label.name, tuple(color))
                  for label, color in zip(labels, voc_colors(len(labels)).tolist(), strict=True)]
    classes = dict(zip((label.color for label in labels), _line_classes(labels), strict=True))
    table = {VOID_COLOR: IGNORE} | classes
    if unknown := set(used.colors) - set(table):
        raise InputError(f"{folder}: colours that are not in the label map: {used.listed(unknown)}")
    return labels, Meaning(True, table)


def _numbers(folder, used, labels):
    values = set(used.numbers) - {IGNORE}
    if values <= {0} and IGNORE in used.numbers:
        raise InputError(f"{folder}: masks of only 0 and {IGNORE}, and {IGNORE} means ignored: all foreground would be "
                         f"lost. If {IGNORE} is your foreground, add: --foreground {IGNORE}")
    if labels is None:
        if values != set(range(len(values))):
            raise InputError(f"{folder}: numbers with gaps, and no label map: {used.listed(values)}. "
                             f"What are classes 0..{max(values)}? --classes NAME,NAME,...")
        labels = [Label("background"), *(Label(f"class{k}") for k in range(1, len(values)))]
    if labels[0].name == "__ignore__":  # labelme counts the lines of such a list from -1
        labels = labels[1:]
    if unknown := values - set(range(len(labels))):
        raise InputError(f"{folder}: values that are not one of {len(labels)} classes or {IGNORE}: "
                         f"{used.listed(unknown)}")
    return labels, Meaning(False, {IGNORE: IGNORE} | dict(enumerate(_line_classes(labels))))


def _binary(folder, used, labels, foreground):
    if used.colored:
        raise InputError(f"{used.colored}: a colour mask; --foreground is for masks of 0 and one other number")
    if unknown := set(used.numbers) - {0, foreground}:
        raise InputError(f"{folder}: --foreground {foreground} is for masks of 0 and {foreground}; these also hold "
                         f"{used.listed(unknown)}")
    if foreground not in used.numbers:
        raise InputError(f"{folder}: no mask holds {foreground}, only 0")
    if labels is None or len(labels) != 2:
        labels = [Label("background"), Label("foreground")]
    return labels, Meaning(False, {0: 0, foreground: 1})


def _line_classes(labels):
    """The class of every line of a label map; lines that mean void take no number."""
    known = [label.name for label in labels if label.name not in VOID_NAMES]
    return [known.index(label.name) if label.name in known else IGNORE for label in labels]

"""Folders of photographs and of masks: CVAT's segmentation masks, labelme's VOC export, and whatever is like them.

A mask holds class numbers, or colours that a label map gives a class. Which of the two is decided for the folder as a
whole, from everything that its masks hold: a single mask of black pixels could be either.
"""
from collections import Counter
from functools import partial

import numpy as np
from PIL import Image

from minifcn.datasets.importing import common
from minifcn.datasets.importing.common import IMAGE_SUFFIXES, VOID_NAMES, Item, Label, Source
from minifcn.datasets.voc import PARTS, VOC_CLASSES, read_lines
from minifcn.errors import InputError
from minifcn.images import opened, read_labels
from minifcn.metrics import IGNORE
from minifcn.palette import VOID_COLOR, voc_colors

IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "photos")
MASK_FOLDERS = ("segmentationclasspng", "segmentationclass", "masks", "mask", "labels", "annotations")
LABEL_MAPS = ("labelmap.txt", "class_names.txt", "label_colors.txt", "classes.txt", "labels.txt")
TAILS = ("", "_mask", "-mask", "_label", "_labels", "_seg", "_gt", "_L", ".jpg", ".jpeg", ".png")  # a.jpg, a_mask.png


def folders(src):
    """The folders of photographs and of masks in src, None where there is none."""
    children = {path.name.lower(): path for path in src.iterdir() if path.is_dir()} if src.is_dir() else {}
    images = next((children[name] for name in IMAGE_FOLDERS if name in children), None)
    masks = next((children[name] for name in MASK_FOLDERS
                  if name in children and common.visible(children[name], IMAGE_SUFFIXES)), None)
    return images, masks


def read(src, chosen=None, foreground=None):
    """-> Source. `chosen`: Labels instead of a label map. `foreground`: the number that means class 1, 0 being 0."""
    images, masks = folders(src)
    if images is None:
        raise InputError(f"{src}: {masks.name} but no photographs: no folder images or JPEGImages "
                         "(CVAT: export with 'Save images')")
    found = next((src / name for name in LABEL_MAPS if (src / name).is_file()), None)
    labels = chosen or (common.read_label_map(found) if found else None)
    if labels is None and masks.name == PARTS[1]:
        labels = [Label(name) for name in VOC_CLASSES]
    pairs, notes = paired(images, masks)
    used = Used(mask for _, _, mask in pairs)
    if foreground is not None:
        labels, table = binary(used, labels, foreground, masks)
    elif used.colored or (labels and any(label.color for label in labels) and used.colors_known(labels)):
        labels, table = by_color(used, labels, masks)
    else:
        if not found and all((src / part).is_dir() for part in PARTS):
            raise InputError(f"{src}: in VOC layout already; train on it: python -m minifcn.train --data {src}")
        labels, table = by_number(used, labels, masks)
    classes = common.count_checked([label.name for label in labels if label.name not in VOID_NAMES], found or src)
    colors = [label.color for label in labels if label.name not in VOID_NAMES]
    splits = listed_splits(src)
    items = [Item(image, partial(lambda image: image, image), partial(convert, mask, table),
                  splits.get(key) or common.split_of(image.parent.relative_to(src))) for key, image, mask in pairs]
    kind = {"labelmap.txt": "CVAT segmentation masks", "class_names.txt": "labelme's VOC export"}.get(
        found.name if found else None, f"{images.name}/ and {masks.name}/")
    kind += ", colours" if isinstance(next(iter(table)), tuple) else ", class numbers"
    return Source(kind, classes, items, np.array(colors, np.uint8) if all(colors) else None, notes)


def paired(images, masks):
    """Photographs and masks of one name -> [(key, image, mask)], and notes about those without a partner."""
    def by_key(folder):
        files = {}
        for path in common.visible(folder, IMAGE_SUFFIXES):
            key = str(path.relative_to(folder).with_suffix("").as_posix())
            if key in files:
                raise InputError(f"{path}: there is {files[key].name} as well; which of the two?")
            files[key] = path
        return files

    photographs, masks_of = by_key(images), by_key(masks)
    tail = max(TAILS, key=lambda tail: sum(key + tail in masks_of for key in photographs))
    pairs = [(key, path, masks_of[key + tail]) for key, path in photographs.items() if key + tail in masks_of]
    if not pairs:
        raise InputError(f"{masks}: no mask is called like an image in {images} ({next(iter(photographs), 'none there')})")
    notes = []
    if alone := [key for key in photographs if key + tail not in masks_of]:
        notes.append(f"{len(alone)} images without a mask left out: {', '.join(alone[:3])}{', ...' * (len(alone) > 3)}")
    if len(masks_of) > len(pairs):
        notes.append(f"{len(masks_of) - len(pairs)} masks without an image left out")
    return pairs, notes


def listed_splits(src):
    """{key: train, val or test} as lists in ImageSets/Segmentation have it (CVAT's may be called Validation.txt)."""
    splits = {}
    for path in sorted((src / PARTS[2]).glob("*.txt")):
        if split := common.split_of(path.relative_to(path.parent)):
            splits.update((key, split) for key in read_lines(path))
    return splits


def decoded(path):
    """A mask -> codes (H,W), the colour of every code (K,3), and whether the codes are numbers that the file holds.

    A colour file whose every pixel is grey is one of numbers that some tool has saved threefold.
    """
    with opened(path) as image:
        if image.mode in ("P", "L", "1") or image.mode.startswith("I") or image.format in ("JPEG", "MPO"):
            palette = image.getpalette() if image.mode == "P" else None
        else:
            rgb = np.asarray(image.convert("RGB")).astype(np.int32)
            if (rgb == rgb[..., :1]).all():
                return rgb[..., 0].astype(np.uint8), np.repeat(np.arange(256), 3).reshape(256, 3), True
            packed, codes = np.unique(rgb @ np.array([1 << 16, 1 << 8, 1], np.int32), return_inverse=True)
            return codes.reshape(rgb.shape[:2]), packed[:, None] >> np.array([16, 8, 0]) & 255, False
    colors = np.repeat(np.arange(256), 3).reshape(256, 3)
    if palette:
        colors[:len(palette) // 3] = np.array(palette).reshape(-1, 3)
    return read_labels(path), colors, True


class Used:
    """What a folder of masks holds: numbers and colours, how many pixels of each, and a file that has it."""

    def __init__(self, paths):
        self.numbers, self.colors, self.where, self.colored = Counter(), Counter(), {}, None
        for path in paths:
            codes, colors, numbered = decoded(path)
            if not numbered:
                self.colored = self.colored or path
            for code, count in enumerate(np.bincount(codes.ravel())):
                if count:
                    for kind, key in ((self.numbers, code),) * numbered + ((self.colors, tuple(map(int, colors[code]))),):
                        kind[key] += int(count)
                        self.where.setdefault(key, path)

    def colors_known(self, labels):
        return set(self.colors) <= {label.color for label in labels} | {VOID_COLOR}

    def listed(self, keys):
        """For messages: the commonest of `keys`, their pixels, and a file."""
        counts = {key: self.numbers.get(key, 0) or self.colors[key] for key in keys}
        keys = sorted(counts, key=lambda key: -counts[key])
        some = ", ".join(f"{key} ({counts[key]:,} pixels)" for key in keys[:6])
        return f"{some}{f' and {len(keys) - 6} more' if len(keys) > 6 else ''}; see {self.where[keys[0]]}"


def by_color(used, labels, masks):
    """The class of every colour. Without colours of its own a label map means VOC's, as CVAT does."""
    if labels is None:
        raise InputError(f"{masks}: colour masks without a label map: put a labelmap.txt with lines name:r,g,b beside it. "
                         f"Colours: {used.listed(used.colors)}")
    if not any(label.color for label in labels):
        colors = voc_colors(len(labels)).tolist()
        labels = [Label(label.name, tuple(color)) for label, color in zip(labels, colors, strict=True)]
    numbers = _numbers(labels)
    table = {VOID_COLOR: IGNORE} | {label.color: n for label, n in zip(labels, numbers, strict=True) if label.color}
    if unknown := set(used.colors) - set(table):
        raise InputError(f"{masks}: colours that are not in the label map: {used.listed(unknown)}")
    return labels, table


def by_number(used, labels, masks):
    """The class of every number: its line in the label map. Without one, classes are numbered as they are."""
    values = set(used.numbers) - {IGNORE}
    if values <= {0} and IGNORE in used.numbers:
        raise InputError(f"{masks}: the masks hold only 0 and {IGNORE}, and {IGNORE} means ignored: all your foreground "
                         f"would be lost. If {IGNORE} is the foreground, add: --foreground {IGNORE}")
    if labels is None:
        if values != set(range(len(values))):
            raise InputError(f"{masks}: numbers with gaps, and no label map: {used.listed(values)}. Classes 0..{max(values)} "
                             "need names: --classes a,b,c")
        labels = [Label("background"), *(Label(f"class {k}") for k in range(1, len(values)))]
    if labels[0].name == "__ignore__":  # labelme counts such a list from -1
        labels = labels[1:]
    if unknown := values - set(range(len(labels))):
        raise InputError(f"{masks}: values that are not one of {len(labels)} classes or {IGNORE}: {used.listed(unknown)}")
    return labels, dict(enumerate(_numbers(labels))) | {IGNORE: IGNORE}


def binary(used, labels, foreground, masks):
    """0 and one other number."""
    labels = labels if labels and len(labels) == 2 else [Label("background"), Label("foreground")]
    if used.colored:
        raise InputError(f"{used.colored}: a colour mask; --foreground is for masks of 0 and one other number")
    if unknown := set(used.numbers) - {0, foreground}:
        raise InputError(f"{masks}: with --foreground {foreground} the masks may hold only 0 and {foreground}, "
                         f"but there is {used.listed(unknown)}")
    if not used.numbers[foreground]:
        raise InputError(f"{masks}: no mask holds {foreground}, only 0")
    return labels, {0: 0, foreground: 1}


def _numbers(labels):
    """The class of every line of a label map; lines that mean void take no number."""
    known = [label.name for label in labels if label.name not in VOID_NAMES]
    return [known.index(label.name) if label.name in known else IGNORE for label in labels]


def convert(path, table):
    """A mask -> labels (H,W) uint8 by the table of its colours or numbers."""
    codes, colors, _ = decoded(path)
    keys = (tuple(map(int, color)) for color in colors) if isinstance(next(iter(table)), tuple) else range(len(colors))
    return np.array([table.get(key, IGNORE) for key in keys], np.uint8)[codes]

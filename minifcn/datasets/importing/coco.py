"""COCO annotations: one JSON for many photographs, with polygons or run lengths.

Objects may overlap and COCO does not say which lies on top: small ones are drawn over large ones, so that nothing is
hidden whole. Crowds, and boxes without an outline, become 255: something is there, but its pixels are not known.
"""
from functools import partial

import numpy as np

from minifcn.datasets.importing import common
from minifcn.datasets.importing.common import VOID_NAMES, Item, Source, naming, on_a_page, plain_name
from minifcn.errors import InputError
from minifcn.metrics import IGNORE


def recognises(data):
    return isinstance(data, dict) and all(isinstance(data.get(key), list) for key in ("images", "annotations"))


def read(documents, photographs, chosen):
    """[(path, JSON)] -> Source. Several files (train, val) are one data set; classes go by their names."""
    found = {}
    for path, data in documents:
        with naming(f"{path}: categories"):
            for category in sorted(data["categories"], key=lambda category: category["id"]):
                found[plain_name(category["name"])] = None
    classes = common.drawn_classes(list(found), chosen, documents[0][0])
    items, outlined = [], []
    for path, data in documents:
        with naming(path):
            numbers = {}
            for category in data["categories"]:
                name = plain_name(category["name"])
                numbers[category["id"]] = IGNORE if name in VOID_NAMES else classes.index(name)
            objects = {entry["id"]: [] for entry in data["images"]}
            for annotation in data["annotations"]:
                objects[annotation["image_id"]].append(annotation)
                outlined.append(bool(annotation.get("segmentation")))
            split = common.split_of(path.relative_to(photographs.folder))
            for entry in data["images"]:
                image = photographs.find(entry["file_name"], path)
                labels = partial(draw, path, entry, objects[entry["id"]], numbers, classes.index("background"))
                items.append(Item(image, partial(lambda image: image, image), labels, split))
    if outlined and not any(outlined):
        raise InputError(f"{documents[0][0]}: only boxes, no outline of anything: annotations for detection")
    notes = [f"boxes without an outline, now {IGNORE} (ignored): {outlined.count(False)}"] if not all(outlined) else []
    return Source("COCO annotations", classes, items, notes=notes)


def draw(path, entry, annotations, numbers, background):
    """The annotations of one image -> labels (H,W)."""
    with naming(f"{path}: image {entry['file_name']}"):
        labels = common.canvas(entry["height"], entry["width"], background)
    drawn = []
    for annotation in annotations:
        with naming(f"{path}: annotation {annotation.get('id')}"):
            known = annotation.get("segmentation") and not annotation.get("iscrowd")
            number = numbers[annotation["category_id"]]
            drawn.append((np.flatnonzero(covered(annotation, labels.shape)), number if known else IGNORE, bool(known)))
    for pixels, number, _ in sorted(drawn, key=lambda one: (one[2], -len(one[0]))):  # the unknown first, then by size
        labels.ravel()[pixels] = number
    return labels


def covered(annotation, size):
    """(H,W) bool: the pixels of one annotation: its run lengths, or all its polygons together, or else its box."""
    outline = annotation.get("segmentation")
    if isinstance(outline, dict):
        return run_lengths(outline, size)
    pixels = np.zeros(size, bool)
    if not outline:
        x, y, width, height = annotation["bbox"]
        outline = [[x, y, x + width, y, x + width, y + height, x, y + height]]
    for polygon in outline:
        pixels |= inside(np.array(polygon, float).reshape(-1, 2), size)
    return pixels


def inside(points, size):
    """(H,W) bool: pixels whose centre lies inside the polygon, points (K,2) as x, y; even-odd where it crosses itself.

    Pixel (r, c) covers [c, c+1) x [r, r+1). Centres on an edge belong to the right of it, so that two polygons
    with a common edge neither overlap nor leave a gap.
    """
    if not on_a_page(points):
        raise ValueError("points that are nowhere near an image")
    pixels = np.zeros(size, bool)
    x0, y0 = points.T
    x1, y1 = np.roll(points, -1, axis=0).T
    for row in range(max(0, int(y0.min(initial=0))), min(size[0], int(y0.max(initial=0)) + 1)):
        y = row + 0.5
        crossed = (y0 <= y) != (y1 <= y)
        x = x0[crossed] + (y - y0[crossed]) * ((x1 - x0)[crossed] / (y1 - y0)[crossed])
        ends = np.clip(np.ceil(np.sort(x) - 0.5), 0, size[1]).astype(int)
        for left, right in zip(ends[::2], ends[1::2], strict=True):
            pixels[row, left:right] ^= True
    return pixels


def run_lengths(rle, size):
    """(H,W) bool from {size: [H, W], counts}: lengths of runs of 0 and 1 in turn, down the columns."""
    counts = rle["counts"]
    counts = np.array(uncompressed(counts) if isinstance(counts, str) else counts)
    if tuple(rle["size"]) != size or (counts < 0).any() or counts.sum() != size[0] * size[1]:
        raise ValueError(f"run lengths over {rle['size']} pixels do not fill an image of {list(size)}")
    return np.repeat(np.arange(len(counts)) % 2 == 1, counts).reshape(size[::-1]).T


def uncompressed(text):
    """COCO's compressed counts -> numbers. A character is 48 + 6 bits: five of the number, lowest first, and 32 if more
    follow; 16 in the last is the sign. From the fourth number on, it is the difference to the last but one.
    """
    counts, value, shift = [], 0, 0
    for byte in text.encode("ascii"):
        value |= (byte - 48 & 31) << shift
        shift += 5
        if byte - 48 & 32:
            continue
        if byte - 48 & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value = shift = 0
    return counts

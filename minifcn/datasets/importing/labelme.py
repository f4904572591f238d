"""labelme's own files: one JSON a photograph, with outlines, the photograph beside it or embedded.

Shapes are drawn as labelme draws them when it exports masks itself, in the order of the file, later ones on top.
"""
import base64
import math
from functools import partial

import numpy as np
from PIL import Image, ImageDraw

from minifcn.datasets.importing import common
from minifcn.datasets.importing.common import VOID_NAMES, Embedded, Item, Source, naming, on_a_page, plain_name
from minifcn.errors import InputError
from minifcn.images import opened, read_image
from minifcn.metrics import IGNORE

LINE_WIDTH, POINT_RADIUS = 10, 5  # labelme's
POINTS = {"polygon": 3, "oriented_rectangle": 4, "rectangle": 2, "circle": 2, "line": 2, "linestrip": 2,
          "point": 1, "points": 1, "mask": 2}  # least number of points of every kind of shape


def recognises(data):
    return isinstance(data, dict) and isinstance(data.get("shapes"), list)


def read(documents, photographs, chosen):
    """[(path, JSON)] -> Source."""
    found = set()
    for path, data in documents:
        with naming(path):
            found |= {plain_name(shape["label"]) for shape in data["shapes"]}
    found = sorted(found, key=lambda name: (name != "background", name))
    classes = common.drawn_classes(found, chosen, documents[0][0].parent)
    items = []
    for path, data in documents:
        image = partial(photograph, path, data, photographs)
        items.append(Item(path, image, partial(draw, path, data, image, classes),
                          common.split_of(path.parent.relative_to(photographs.folder))))
    return Source("labelme JSON", classes, items)


def photograph(path, data, photographs):
    """The embedded image where there is one, as in labelme itself, else the file."""
    if data.get("imageData"):  # only a flag: see without_image
        with naming(f"{path}: imageData"):
            return Embedded(base64.b64decode(common.load_json(path)["imageData"]), f"{path}: imageData")
    if not data.get("imagePath"):
        raise InputError(f"{path}: has neither imageData nor imagePath")
    return photographs.find(data["imagePath"], path)


def without_image(data):
    """The document with its embedded image forgotten: all of a data set's at once may not fit into memory."""
    return {**data, "imageData": bool(data.get("imageData"))}


def draw(path, data, image, classes):
    """All shapes of a file -> labels (H,W)."""
    height, width = data.get("imageHeight"), data.get("imageWidth")
    if not height or not width:
        height, width = read_image(image()).shape[:2]
    with naming(path):
        labels = common.canvas(height, width, classes.index("background"))
    for k, shape in enumerate(data["shapes"]):
        with naming(f"{path}: shape {k} ({shape['label']})"):
            name = plain_name(shape["label"])
            labels[covered(shape, labels.shape)] = IGNORE if name in VOID_NAMES else classes.index(name)
    return labels


def covered(shape, size):
    """(H,W) bool: the pixels of one shape."""
    kind = shape.get("shape_type") or "polygon"
    points = np.array(shape["points"], float).reshape(-1, 2)
    if kind not in POINTS:
        raise ValueError(f"a shape of kind {kind!r} cannot be drawn")
    if len(points) < POINTS[kind] or not on_a_page(points):
        raise ValueError(f"a {kind} needs {POINTS[kind]} points in pixels, not {shape['points']}")
    if kind == "mask":
        return _painted(shape, points, size)
    image = Image.new("L", size[::-1])
    pen = ImageDraw.Draw(image)
    if kind == "circle":
        _disc(pen, points[0], math.dist(*points[:2]))
    elif kind == "rectangle":
        pen.rectangle([*points.min(axis=0), *points.max(axis=0)], fill=1)
    elif kind in ("line", "linestrip"):
        pen.line(points.ravel().tolist(), fill=1, width=LINE_WIDTH)
    elif kind in ("point", "points"):
        for point in points:
            _disc(pen, point, POINT_RADIUS)
    else:
        pen.polygon(points.ravel().tolist(), fill=1, outline=1)
    return np.array(image, bool)


def _disc(pen, centre, radius):
    pen.ellipse([*(centre - radius), *(centre + radius)], fill=1)


def _painted(shape, points, size):
    """A shape painted with the brush: a small PNG, and the corners of where it lies."""
    with opened(Embedded(base64.b64decode(shape["mask"]), "its mask")) as image:
        part = np.array(image.convert("L")) > 0
    left, top = points.min(axis=0).astype(int)
    if left < 0 or top < 0:
        raise ValueError(f"a mask that starts at {left}, {top}")
    out = np.zeros(size, bool)
    room = out[top:top + part.shape[0], left:left + part.shape[1]]
    room[...] = part[:room.shape[0], :room.shape[1]]
    return out

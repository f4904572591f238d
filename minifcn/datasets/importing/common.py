"""What every kind of foreign data set is turned into on its way to VOC layout, and the reading that all kinds share."""
import io
import json
import re
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from minifcn.datasets.voc import read_lines, repeated
from minifcn.errors import InputError
from minifcn.metrics import IGNORE

IMAGE_SUFFIXES = frozenset(".jpg .jpeg .png .bmp .tif .tiff .webp .gif .ppm .pgm .jp2 .avif".split())
VOID_NAMES = frozenset(("void", "ignore", "ignored", "__ignore__"))


@dataclass
class Item:
    """One photograph with its labels, both read only when called for."""

    path: Path  # of the photograph or its annotation, below the source folder; its ID is made from the name
    image: Callable  # () -> a path, or Embedded
    labels: Callable  # () -> uint8 (H,W)
    split: str | None = None  # where the source itself has a training and a validation set


@dataclass
class Source:
    """A foreign data set, understood."""

    kind: str
    classes: tuple  # names, in the order of their numbers
    items: list
    colors: Any = None  # (C,3) uint8 where the source has them
    notes: list = field(default_factory=list)  # for the user: what was left out or decided


class Embedded(io.BytesIO):
    """The bytes of an image that is part of another file, with a name for messages."""

    def __init__(self, data, name):
        super().__init__(data)
        self.name = name

    def __str__(self):
        return self.name


def visible(folder, suffixes):
    """All files below with one of the suffixes, in order, without hidden ones (._a.png and other droppings)."""
    files = (path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
    return sorted(path for path in files if not any(part.startswith(".") for part in path.relative_to(folder).parts))


@contextmanager
def naming(where):
    """What breaks over the content of a file becomes an InputError that says where."""
    try:
        yield
    except InputError:
        raise
    except KeyError as error:
        raise InputError(f"{where}: {error} is missing") from error
    except (ValueError, TypeError, IndexError, AttributeError, ArithmeticError) as error:
        raise InputError(f"{where}: {error}") from error


def load_json(path):
    with naming(path):
        try:
            return json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, RecursionError) as error:
            raise InputError(f"{path}: {error}") from error


def canvas(height, width, value):
    """(H,W) uint8 of one value; sizes come from files and may be anything."""
    height, width = int(height), int(width)
    if not (height > 0 and width > 0 and height * width <= Image.MAX_IMAGE_PIXELS):
        raise ValueError(f"an image of {width} x {height} pixels")
    return np.full((height, width), value, np.uint8)


def on_a_page(points):
    """Whether coordinates are numbers that pixels could have; false for NaN."""
    return bool((np.abs(points) < 1e6).all())


def split_of(path):
    """train, val or test where a folder or the name of a list says so (train2017, Validation, ...), else None."""
    words = re.findall(r"[a-z]+", "/".join(path.parts).lower())
    splits = {"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}
    return next((splits[word] for word in words if word in splits), None)


class Photographs:
    """The image files below a folder, found by the name that an annotation gives them."""

    def __init__(self, folder):
        self.folder = folder
        self.by_name = {}
        for path in visible(folder, IMAGE_SUFFIXES):
            self.by_name.setdefault(path.name, []).append(path)

    def find(self, written, annotation):
        """The file. `written` is relative to the annotation, or a path on another computer: then the name has to do,
        and its folders decide between several.
        """
        parts = tuple(re.split(r"[\\/]", str(written)))
        if (beside := annotation.parent.joinpath(*parts)).is_file():
            return beside
        found = self.by_name.get(parts[-1], [])
        for fits in (lambda path: path.parts[-len(parts):] == parts, lambda path: path.parent == annotation.parent):
            found = [path for path in found if fits(path)] or found
        if not found:
            raise InputError(f"{annotation}: no image called {parts[-1]} in {self.folder} or below")
        if len(found) > 1:
            raise InputError(f"{annotation}: {written} could be {found[0]} or {found[1]}")
        return found[0]


class Label(NamedTuple):
    """A line of a label map."""

    name: str
    color: tuple | None = None


def read_label_map(path):
    """Lines `name`, `name:r,g,b:...` (CVAT), `name r g b` or `r g b name` -> Labels, in order."""
    labels = [_label(line, path) for line in read_lines(path) if not line.startswith("#")]
    if twice := repeated(label.name for label in labels) or repeated(label.color for label in labels if label.color):
        raise InputError(f"{path}: {twice[0]} is there twice")
    return labels


def _label(line, path):
    three = r"(\d+)[,\s]+(\d+)[,\s]+(\d+)"
    if match := re.fullmatch(rf"{three}[,:\s]+(\S.*)", line):
        *color, name = match.groups()
    elif match := re.fullmatch(rf"(.*?\S)\s*[,:\s]\s*{three}(?::.*)?", line):
        name, *color = match.groups()
    else:
        return Label(plain_name(line.partition(":")[0].strip()))
    color = tuple(map(int, color))
    if max(color) > 255:
        raise InputError(f"{path}: {line!r}: a colour is three numbers 0..255")
    return Label(plain_name(name), color)


def plain_name(name):
    return "background" if name == "_background_" else str(name)  # labelme's spelling


def read_classes(option):
    """--classes: names with commas between, or a file with one a line -> Labels; None for None."""
    if option is None:
        return None
    if Path(option).is_file():
        return read_label_map(Path(option))
    names = [plain_name(name.strip()) for name in option.split(",")]
    if "" in names or repeated(names):
        raise InputError(f"--classes {option}: different names with commas between, or a file with one a line")
    return [Label(name) for name in names]


def count_checked(classes, where):
    if not 2 <= len(classes) <= IGNORE:
        raise InputError(f"{where}: {len(classes)} classes ({', '.join(classes[:5])}); 2 to {IGNORE} are possible")
    return tuple(classes)


def drawn_classes(found, chosen, where):
    """The classes of outlines on a background: names `found`, in order, or `chosen` Labels that include them all."""
    names = found if chosen is None else [label.name for label in chosen]
    if unknown := sorted(set(found) - set(names) - VOID_NAMES):
        raise InputError(f"{where}: {', '.join(unknown)}: not among the --classes")
    names = [name for name in dict.fromkeys(names) if name not in VOID_NAMES]
    return count_checked(names if "background" in names else ["background", *names], where)

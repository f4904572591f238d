"""Harbour, the embedded data set: generated scenes by the water that make an FCN's story visible.

Context is necessary, a small view cannot decide: boats, huts and quays are of the same planks, sheep and clouds of the
same fluff, lighthouses, buoys, flags and parasols of the same red and white, life vests as orange as kites, crates and
doors. A small step is necessary: masts, sail edges, legs, tower sides. And one failure is built in, that of the papers'
last comparison figure: in the split `hard` life vests lie in boats with nobody in them, labelled boat; in training
every vest is worn.

Each scene follows from its number alone. Masks are equal to the bit on every machine, images within rounding.
"""
import os
import secrets
import shutil
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn.datasets.harbour_scene import draw
from minifcn.errors import InputError
from minifcn.metrics import IGNORE
from minifcn.palette import distinct_colors, write_label_png

VERSION = 1  # of the scenes: a change of any mask makes a new one
CLASSES = ("background", "boat", "hut", "person", "sheep", "lighthouse", "buoy")
SPLITS = {"train": range(200), "val": range(200, 260), "hard": range(260, 276)}
JPEG = {"quality": 82, "subsampling": 0}  # colour at full resolution, or red and white bands would bleed


def scene(seed, hard=False):
    """Scene number `seed` -> image (128,160,3) uint8 RGB, labels (128,160) uint8 with 255, void, along every border."""
    image, labels = draw(seed, hard)
    return image, outline(labels)


def outline(labels):
    """The pixels on both sides of every border between classes become void: a border is two pixels wide."""
    border = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        there, here = np.moveaxis(labels, axis, 0), np.moveaxis(border, axis, 0)  # views: here writes border
        differ = there[1:] != there[:-1]
        here[1:] |= differ
        here[:-1] |= differ
    return np.where(border, np.uint8(IGNORE), labels)


README = """# Harbour

{total} generated scenes, 160 x 128 pixels, {counts}.
Made by `python -m minifcn.datasets harbour`; scene NNN follows from its number. Licence: that of minifcn (MIT).

VOC layout: `JPEGImages`, `SegmentationClass` (palette PNGs; 255 = void, one pixel on each side of every border),
`ImageSets/Segmentation`, `classes.txt`. In the split `hard` life vests lie in boats with nobody in them.
"""


def make(out):
    """Write the whole set, VOC layout, into the folder `out`; an older Harbour there is replaced, nothing else is.

    Made beside its place and moved there when complete: `out` never holds half a set. InputError where it cannot be.
    """
    out = Path(out)
    if out.exists() and not _is_harbour(out) and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: is there already and is not Harbour; name another folder")
    name = f".{out.name}-{secrets.token_hex(4)}"
    new, old = out.with_name(name + "-new"), out.with_name(name + "-old")
    try:
        _write(new)
        if out.exists():
            out.rename(old)
        new.rename(out)
    except OSError as problem:
        if not _is_harbour(out):  # else somebody else made it meanwhile
            raise InputError(f"{out}: cannot write the data set there: {problem.strerror or problem}") from problem
    finally:
        if old.exists() and not out.exists():
            old.rename(out)
        for folder in (new, old):
            shutil.rmtree(folder, ignore_errors=True)
    return out


def root():
    """Where Harbour is: data/harbour of a checkout, else the user's cache folder, made there on first use."""
    checkout = Path(__file__).resolve().parents[2] / "data" / "harbour"
    if _is_harbour(checkout):
        return checkout
    cached = _cache() / f"harbour-{VERSION}"
    if not _is_harbour(cached):
        print(f"making the data set Harbour in {cached}", file=sys.stderr)
        make(cached)
    return cached


def _cache():
    """$MINIFCN_CACHE, or a folder minifcn where this system keeps what can be made again."""
    if os.environ.get("MINIFCN_CACHE"):
        return Path(os.environ["MINIFCN_CACHE"]).expanduser()
    named = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME")
    usual = {"darwin": "~/Library/Caches", "win32": "~/AppData/Local"}.get(sys.platform, "~/.cache")
    return Path(named or usual).expanduser() / "minifcn"


def _is_harbour(folder):
    names = folder / "classes.txt"
    return names.is_file() and names.read_text().split() == list(CLASSES)


def _write(folder):
    lists = {**SPLITS, "trainval": [*SPLITS["train"], *SPLITS["val"]]}
    images, masks, sets = (folder / name for name in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"))
    for place in (images, masks, sets):
        place.mkdir(parents=True)
    for name, seeds in lists.items():
        (sets / f"{name}.txt").write_text("".join(f"harbour_{seed:03d}\n" for seed in seeds), newline="\n")
    todo = [(seed, split == "hard") for split, seeds in SPLITS.items() for seed in seeds]
    colors = distinct_colors(len(CLASSES))
    for seed, hard in tqdm(todo, desc="Harbour", unit="scene", disable=None):  # None: no bar where no terminal
        image, labels = scene(seed, hard)
        Image.fromarray(image).save(images / f"harbour_{seed:03d}.jpg", **JPEG)
        write_label_png(masks / f"harbour_{seed:03d}.png", labels, colors)
    counts = ", ".join(f"{len(seeds)} {name}" for name, seeds in SPLITS.items())
    (folder / "README.md").write_text(README.format(total=len(todo), counts=counts), newline="\n")
    (folder / "classes.txt").write_text("".join(f"{name}\n" for name in CLASSES), newline="\n")

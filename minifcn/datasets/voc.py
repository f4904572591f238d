"""PASCAL VOC as released, and every folder laid out like it.

JPEGImages/ID.jpg           photograph, .jpg .jpeg or .png
SegmentationClass/ID.png    palette or grey PNG of class numbers, 255 = void
ImageSets/Segmentation/     train.txt, val.txt, ...: one ID a line
classes.txt                 one name a line; without it the 21 classes of VOC
"""
import copy
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from minifcn.errors import InputError
from minifcn.images import IMPORT_HINT, read_image, read_labels
from minifcn.metrics import IGNORE
from minifcn.palette import distinct_colors, voc_colors

VOC_CLASSES = tuple(
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor".split()
)
PARTS = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")  # the first wins where an ID has several
HOW = (
    "VOC 2012: unpack https://thor.robots.ox.ac.uk/pascal/VOC/voc2012/VOCtrainval_11-May-2012.tar there; "
    "own data: JPEGImages/ID.jpg, SegmentationClass/ID.png, ImageSets/Segmentation/{train,val}.txt and classes.txt, "
    f"or: {IMPORT_HINT}"
)


def find_root(path):
    """The folder with the three parts: path itself, or VOC<year> below it as the archives unpack; the newest year."""
    path = Path(path).expanduser()
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. {HOW}")
    above = (path, path / "VOCdevkit", path / "TrainVal" / "VOCdevkit")  # VOC 2011 has the extra level
    years = [folder for parent in above for folder in parent.glob("VOC20[0-9][0-9]")]
    candidates = [path, *sorted(years, key=lambda folder: folder.name, reverse=True)]
    missing = {folder: [part for part in PARTS if not (folder / part).is_dir()] for folder in candidates}
    for folder in sorted(candidates, key=lambda folder: len(missing[folder])):  # stable: whole ones first, in order
        if not missing[folder]:
            return folder
        if len(missing[folder]) < len(PARTS):
            raise InputError(f"{folder}: has no {' and no '.join(missing[folder])}. {HOW}")
    raise InputError(f"{path}: no data set in VOC layout here or below. {HOW}")


def read_lines(path):
    """The lines of a text file, stripped, without empty ones; a byte order mark is no part of the first."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return [line.strip() for line in lines if line.strip()]


def read_classes(root):
    """The names in classes.txt, or VOC's."""
    path = root / "classes.txt"
    if not path.exists():
        return VOC_CLASSES
    names = read_lines(path)
    if twice := repeated(names):
        raise InputError(f"{path}: class {twice[0]!r} is there twice")
    if not 2 <= len(names) <= IGNORE:
        raise InputError(f"{path}: {len(names)} classes; 2 to {IGNORE} are possible (background counts)")
    return tuple(names)


def split_names(root):
    """The splits there are: names of the lists in ImageSets/Segmentation."""
    return sorted(path.stem for path in (root / PARTS[2]).glob("*.txt"))


def read_split(root, split):
    """The IDs of a split, in the order of its list."""
    path = root / PARTS[2] / f"{split}.txt"
    if not path.is_file():
        raise InputError(f"{path}: no such split; there are: {', '.join(split_names(root)) or 'none'}")
    ids = read_lines(path)
    if not ids:
        raise InputError(f"{path}: the split is empty")
    if twice := repeated(ids):
        raise InputError(f"{path}: {twice[0]} is there twice" + (f", and {len(twice) - 1} more" if twice[1:] else ""))
    return ids


def repeated(items):
    """What occurs more than once."""
    return [item for item, count in Counter(items).items() if count > 1]


class VOCSegmentation:
    """One split of a data set in VOC layout: dataset[i] -> image uint8 (H,W,3) RGB, labels uint8 (H,W).

    Labels are 0..C-1 or 255, always: whatever else a mask holds is an InputError that names file and values.
    `root` may be a parent of the folder itself; `.root` says which was taken. `ids` are taken instead of the split's
    where given. Threads may share it.
    """

    def __init__(self, root, split="train", ids=None):
        self.root = find_root(root)
        self.split = split
        self.classes = read_classes(self.root)
        self.ids = read_split(self.root, split) if ids is None else list(ids)
        self._folders = {}

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        labels = self.labels(i)
        return read_image(self.image_path(i), size=labels.shape), labels

    def image_path(self, i):
        return self._find(PARTS[0], self.ids[i], IMAGE_SUFFIXES, "image")

    def label_path(self, i):
        return self._find(PARTS[1], self.ids[i], (".png",), "mask")

    def labels(self, i):
        path = self.label_path(i)
        labels = read_labels(path)
        known = (labels < len(self.classes)) | (labels == IGNORE)
        if not known.all():
            strange = np.unique(labels[~known]).tolist()
            which = ", ".join(map(str, strange[:8])) + (f" and {len(strange) - 8} more" if strange[8:] else "")
            raise InputError(
                f"{path}: {f'values {which} are' if strange[1:] else f'value {which} is'} not one of "
                f"{len(self.classes)} classes or {IGNORE}; is it a colour mask? try: {IMPORT_HINT}"
            )
        return labels

    @cached_property
    def colors(self):
        """(C,3) uint8: the palette of the first mask where it tells the classes apart, else one that does."""
        count = len(self.classes)
        try:
            with Image.open(self.label_path(0)) as image:
                palette = image.getpalette() or []  # None where the mask is grey
        except (InputError, OSError):  # reading that mask will say what is wrong with it
            palette = []
        colors = np.array(palette[: 3 * count], np.uint8).reshape(-1, 3)
        if len(np.unique(colors, axis=0)) == count:
            return colors
        return voc_colors(count) if self.classes == VOC_CLASSES else distinct_colors(count)

    def check(self, progress=None):
        """Read every image and mask to its end, on worker threads; raise InputError for the first bad one in ID order.

        progress() is called once an image. Returns (n,C) bool: which classes are in which image.
        """
        present = np.array(self.each(lambda i: values(self[i][1]), progress))
        used = np.flatnonzero(present.any(axis=0))
        if set(used) == {IGNORE}:
            raise InputError(f"{self.root / PARTS[1]}: every pixel of {self.split} is void ({IGNORE}): "
                             "nothing to learn from, nothing to score")
        if self.split == "train" and set(used) == {0, IGNORE}:  # other splits may lack objects
            raise InputError(
                f"{self.root / PARTS[1]}: the masks of {self.split} hold only 0 and {IGNORE}, and {IGNORE} is "
                f"ignored: nothing to learn. Is it your foreground? {IMPORT_HINT} --foreground {IGNORE}"
            )
        return present[:, : len(self.classes)]

    def subset(self, n, seed):
        """n of the images, chosen by seed, in their order here; every class is in one of them where that is possible.

        All of them for n >= len.
        """
        if n < 1:
            raise InputError(f"a subset of {n} images; at least 1 is needed")
        if n >= len(self):
            return self.take(self.ids)
        present = np.array(self.each(lambda i: values(self.labels(i))))[:, : len(self.classes)]
        return self.take([self.ids[i] for i in cover(present, n, seed)])

    def take(self, ids):
        """The same data set with these IDs only."""
        part = copy.copy(self)
        part.ids = list(ids)
        return part

    def _find(self, part, name, suffixes, kind):
        """The file of an ID. Folders are listed once: a stat for every suffix and case would cost more."""
        folder = (self.root / part / name).parent
        if folder not in self._folders:
            files = sorted(folder.iterdir(), reverse=True) if folder.is_dir() else []
            self._folders[folder] = {(file.stem, file.suffix.lower()): file for file in files}
        for suffix in suffixes:
            if path := self._folders[folder].get((name.rpartition("/")[2], suffix)):
                return path
        raise InputError(
            f"{self.root / part / name}{suffixes[0]}: no such {kind}, but {self.split}.txt lists it"
            + (f" (looked for {', '.join(suffixes)})" if len(suffixes) > 1 else "")
        )

    def each(self, read, progress=None):
        """[read(i) for every image], on threads: Pillow's decoders release the GIL. progress() after each, in order."""
        pool = ThreadPoolExecutor(min(8, os.cpu_count() or 1))
        try:
            results = []
            for result in pool.map(read, range(len(self))):
                results.append(result)
                if progress:
                    progress()
            return results
        finally:
            pool.shutdown(cancel_futures=True)


def values(labels):
    """(256,) bool: the values that occur."""
    return np.bincount(labels.ravel(), minlength=256) > 0


def cover(present, n, seed):
    """n images out of present (images,C) bool, sorted, that show as many classes as a greedy choice finds.

    The rarest class not yet seen goes first, and of its images one that brings most other unseen classes; between
    equals, and for the places left when all are seen, the seed decides.
    """
    order = np.random.default_rng(seed).permutation(len(present))
    rarity = present.sum(axis=0)
    unseen = rarity > 0
    chosen = []
    while unseen.any() and len(chosen) < n:
        rarest = np.flatnonzero(unseen)[rarity[unseen].argmin()]
        holders = order[present[order, rarest]]
        chosen.append(holders[(present[holders] & unseen).sum(axis=1).argmax()])
        unseen &= ~present[chosen[-1]]
    rest = order[~np.isin(order, chosen)]
    return sorted([*chosen, *rest[: n - len(chosen)]])

"""What all data sets share: one split, its images and the class of each of their pixels, read when asked for."""
import copy
import os
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np

from minifcn.errors import InputError
from minifcn.images import read_image
from minifcn.metrics import IGNORE
from minifcn.palette import distinct_colors


def kinds(classes):
    """The class names of every kind of labels: a tuple of one tuple of names, or of two (semantic and geometric)."""
    return (tuple(classes),) if isinstance(classes[0], str) else tuple(map(tuple, classes))


def per_kind(parts):
    """What there is one of for every kind of labels: itself for one kind, a tuple for two."""
    parts = tuple(parts)
    return parts if len(parts) > 1 else parts[0]


def each_kind(parts):
    """The other way round: a tuple of what there is of each kind."""
    return parts if isinstance(parts, tuple) else (parts,)


class Segmentation:
    """One split of a data set: dataset[i] -> image uint8 (H,W,3) RGB, labels uint8 (H,W), 0..C-1 or 255 for void.

    A data set with two kinds of labels has (H,W,2) of them, and `classes`, `colors` and `left_out` are then tuples of
    two; see kinds(). What a file holds beyond these labels is an InputError that names file and values, at reading.
    Threads may share a data set.

    A reader is a subclass that says where image and labels of an ID lie, and how labels are read: image_path(i),
    label_path(i), labels(i).
    """

    classes: tuple  # names, in the order of their numbers
    left_out = ()  # numbers of the classes that the mean scores leave out
    note = None  # what is to be said whenever figures of this split are shown

    def __init__(self, root, split, ids):
        self.root, self.split, self.ids = root, split, list(ids)
        self._folders = {}
        if not self.ids:
            raise InputError(f"{root}: no image in split {split}")

    def __len__(self):
        return len(self.ids)

    def __getitem__(self, i):
        labels = self.labels(i)
        return self.image(i, labels.shape[:2]), labels

    def image(self, i, size):
        """The image of ID i; its labels have this size (H, W), and another one is an InputError."""
        return read_image(self.image_path(i), size=size)

    @cached_property
    def colors(self):
        """(C,3) uint8: a colour for every class."""
        return per_kind(distinct_colors(len(names)) for names in kinds(self.classes))

    def check(self, progress=None):
        """Read every image and its labels to the end, on worker threads; InputError for the first bad one in ID order.

        Returns (counts, sizes): for every kind of labels an int64 (n,C), the pixels of each class in each image, and
        (n,2) heights and widths. progress() is called once an image.
        """
        def one(i):
            labels = self[i][1]
            return *pixels(labels, self.classes), labels.shape[:2]

        *counts, sizes = map(np.array, zip(*self.each(one, progress), strict=True))
        for some in counts:
            if not some.any():
                raise InputError(f"{self.root}: every pixel of {self.split} is void ({IGNORE}): nothing to learn from, "
                                 "nothing to score")
        return tuple(counts), sizes

    def subset(self, n, seed):
        """n of the images, chosen by seed, in their order here; every class is in one of them where that is possible.

        All of them for n >= len.
        """
        if n < 1:
            raise InputError(f"a subset of {n} images; at least 1 is needed")
        if n >= len(self):
            return self.take(self.ids)
        present = np.array(self.each(lambda i: np.concatenate(pixels(self.labels(i), self.classes)))) > 0
        return self.take([self.ids[i] for i in cover(present, n, seed)])

    def take(self, ids):
        """The same data set with these IDs only."""
        part = copy.copy(self)
        part.ids = list(ids)
        return part

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

    def _find(self, folder, name, suffixes, what):
        """The file of an ID. Folders are listed once: a stat for every suffix and case would cost more."""
        parent = (folder / name).parent
        if parent not in self._folders:
            files = sorted(parent.iterdir(), reverse=True) if parent.is_dir() else []
            self._folders[parent] = {(file.stem, file.suffix.lower()): file for file in files}
        for suffix in suffixes:
            if path := self._folders[parent].get((name.rpartition("/")[2], suffix)):
                return path
        raise InputError(
            f"{folder / name}{suffixes[0]}: no such {what}, but {self.split}.txt lists it"
            + (f" (looked for {', '.join(suffixes)})" if len(suffixes) > 1 else "")
        )


def pixels(labels, classes):
    """[(C,) int64: the pixels of every class], one array for each kind of labels (H,W) or (H,W,2)."""
    layers = np.atleast_3d(labels)
    return [np.bincount(layers[..., k].ravel(), minlength=256)[:len(names)] for k, names in enumerate(kinds(classes))]


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

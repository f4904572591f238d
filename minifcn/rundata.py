"""The data of a run: opened, read through once, counted."""
from dataclasses import dataclass
from math import log

import numpy as np

from minifcn import cli
from minifcn.batches import SCALE
from minifcn.datasets import harbour, open_dataset
from minifcn.datasets.base import Segmentation, kinds, per_kind
from minifcn.datasets.voc import split_names
from minifcn.errors import InputError
from minifcn.model import shrunk_size


@dataclass
class Data:
    """The splits of a run, and for each kind of labels how many pixels a class has in an image: (n,C).

    `hard`: a third split, where there is one: it is in the pictures at the end.
    """

    train: Segmentation
    val: Segmentation
    train_counts: tuple
    val_counts: tuple
    sizes: np.ndarray  # (n,2) height and width of the training images
    hard: Segmentation | None = None

    @property
    def classes(self):
        """How many classes the nets are to know, a pair for two kinds of labels."""
        return per_kind(map(len, kinds(self.train.classes)))

    def pixels(self, args):
        """How many pixels a batch counts, on average: those of the sizes that images are trained at."""
        stored = self.sizes.prod(axis=1)
        trained = np.array([np.prod(shrunk_size(height, width, args.max_side)) for height, width in self.sizes], float)
        if args.scale:
            trained *= scaled_area()
        if args.crop:
            trained = np.minimum(trained, args.crop**2)
        share = self.train_counts[0].sum(axis=1) / stored
        return float((share * trained).mean()) * min(args.batch, len(self.train))


def scaled_area():
    """By how much --scale enlarges the area of images on average: the mean of f^2 for log f spread evenly."""
    low, high = SCALE
    return (high**2 - low**2) / (2 * log(high / low))


def open_data(args):
    """Data of the run, every file of it read once: a bad one must show now and not in hour three.

    InputError for a bad one, and where the classes to validate on are not those to train on.
    """
    train, val = opened(args, args.dataset, args.split), opened(args, args.val_dataset, args.val_split)
    if kinds(train.classes) != kinds(val.classes):
        mine, theirs = (" and ".join(str(len(names)) for names in kinds(part.classes)) for part in (train, val))
        raise InputError(f"--dataset {args.dataset} ({train.root}) has {mine} classes, --val-dataset "
                         f"{args.val_dataset} ({val.root}) {theirs}{', of other names' if mine == theirs else ''}: a "
                         "net is validated on the classes that it learns")
    if args.subset:
        train = train.subset(args.subset, args.seed)
    if args.val_subset:
        val = val.subset(args.val_subset, args.seed)
    parts = [train, val]
    if args.dataset == "voc" and "hard" in split_names(train.root):
        parts.append(opened(args, "voc", "hard"))
    with cli.progress_bar(sum(map(len, parts)), "checking", "images") as bar:
        (train_counts, sizes), (val_counts, _), *_ = [part.check(bar.update) for part in parts]
    return Data(train, val, train_counts, val_counts, sizes, *parts[2:])


def opened(args, name, split):
    """A split of a data set of the run, its images masked where --keep asks for it."""
    options = {"modality": args.modality} if name == "nyud" else {}
    dataset = open_dataset(name, args.data or harbour.root(), split, **options)
    if args.keep:
        from minifcn.analysis.masking import Masked

        return Masked(dataset, args.keep)
    return dataset


def median_weights(counts):
    """a_c = median frequency / f_c, with f_c the share of class c in the images that have it [Eigen & Fergus 2015].

    counts (n,C), an image a row -> float32 (C,), 0 for a class without a pixel.
    """
    there = counts > 0
    pixels = (there * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = counts.sum(axis=0) / np.maximum(pixels, 1)
    present = frequency > 0
    return np.where(present, np.median(frequency[present]) / np.where(present, frequency, 1), 0).astype(np.float32)

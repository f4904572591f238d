"""The data of a run: opened, read through once, counted."""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from minifcn import cli
from minifcn.backend import threads
from minifcn.batches import SCALE
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.datasets.voc import split_names
from minifcn.model import shrunk_size


@dataclass
class Data:
    """The splits of a run, and how many pixels each class has in them."""

    train: VOCSegmentation
    val: VOCSegmentation
    train_counts: np.ndarray  # (n,C), an image a row
    val_counts: np.ndarray
    sizes: np.ndarray  # (n,2) height and width of the training images

    def pixels(self, args):
        """How many pixels a step counts, on average: those of the sizes that images are trained at."""
        stored = self.sizes.prod(axis=1)
        trained = np.array([np.prod(shrunk_size(height, width, args.max_side)) for height, width in self.sizes], float)
        if args.scale:  # the mean of f^2 for log f spread evenly between the bounds
            low, high = SCALE
            trained *= (high**2 - low**2) / (2 * np.log(high / low))
        if args.crop:
            trained = np.minimum(trained, args.crop**2)
        share = self.train_counts.sum(axis=1) / stored
        return float((share * trained).mean()) * min(args.batch, len(self.train))


def open_data(args):
    """Data of the run, every file of it read once: a bad one must show now and not in hour three."""
    root = args.data or harbour.root()
    train, val = VOCSegmentation(root, "train"), VOCSegmentation(root, "val")
    if args.subset:
        train = train.subset(args.subset, args.seed)
    parts = [train, val]
    if "hard" in split_names(train.root):  # it is in the pictures at the end
        parts.append(VOCSegmentation(root, "hard"))
    with cli.progress_bar(sum(map(len, parts)), "checking", "images") as bar:
        for part in parts:
            part.check(bar.update)
    (train_counts, sizes), (val_counts, _) = counted(train), counted(val)
    return Data(train, val, train_counts, val_counts, sizes)


def counted(dataset):
    """(n,C) pixels of each class in each image, and (n,2) heights and widths."""
    def one(i):
        labels = dataset.labels(i)
        return np.bincount(labels.ravel(), minlength=256)[:len(dataset.classes)], labels.shape

    with ThreadPoolExecutor(threads()) as pool:
        counts, sizes = zip(*pool.map(one, range(len(dataset))), strict=True)
    return np.array(counts), np.array(sizes)


def median_weights(counts):
    """a_c = median frequency / f_c, with f_c the share of class c in the images that have it [Eigen & Fergus 2015].

    counts (n,C), an image a row -> float32 (C,), 0 for a class without a pixel.
    """
    there = counts > 0
    pixels = (there * counts.sum(axis=1, keepdims=True)).sum(axis=0)
    frequency = counts.sum(axis=0) / np.maximum(pixels, 1)
    present = frequency > 0
    return np.where(present, np.median(frequency[present]) / np.where(present, frequency, 1), 0).astype(np.float32)

"""Batches for training: chosen, varied and put together ahead of time on worker threads.

Every random choice is derived from (seed, stage, what it is for, epoch or step): a resumed run, and one with more
threads, draw the same.
"""
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from minifcn.images import nearest, resize
from minifcn.metrics import IGNORE
from minifcn.model import shrunk_size

SCALE = (0.75, 1.5)  # the factors between which --scale varies images
ORDER, VARY = 0, 1  # what a random choice is for
CACHE_BYTES = 1 << 29


@dataclass(frozen=True)
class Vary:
    """How images are varied: mirrored half of the time, scaled by a factor from `scale`, cut to crop x crop pixels."""

    mirror: bool = False
    scale: tuple | None = None
    crop: int | None = None

    def __call__(self, image, labels, rng):
        """uint8 (H,W,C), (H,W) -> the same kind; labels are only ever cut, mirrored, and resized to the nearest."""
        mirrored, factor, at = rng.random() < 0.5, rng.random(), rng.random(2)  # always drawn: options do not interact
        if self.scale:
            low, high = self.scale
            factor = low * (high / low) ** factor
            height, width = (max(1, round(side * factor)) for side in labels.shape[:2])
            image, labels = resize(image, height, width), nearest(labels, height, width)
        if self.crop:
            top, left = (int(r * (max(0, side - self.crop) + 1)) for r, side in zip(at, labels.shape[:2], strict=True))
            part = slice(top, top + self.crop), slice(left, left + self.crop)
            image, labels = image[part], labels[part]
        if self.mirror and mirrored:
            image, labels = image[:, ::-1], labels[:, ::-1]
        return image, labels


def steps_per_epoch(images, batch):
    """How many full batches there are; a set smaller than a batch is one."""
    return images // min(batch, images)


def steps_and_parts(args, images):
    """(steps an epoch, batches a step) of a run over so many images."""
    if args.round:
        return args.round, args.accumulate
    batches = steps_per_epoch(images, args.batch)
    parts = min(args.accumulate, batches)
    return batches // parts, parts


class Batches:
    """The batches of a stage: iter(epoch, first) yields x float32 (N,C,H,W) and labels uint8 (N,H,W) (or (N,H,W,2) for
    two kinds), preprocessed.

    Images of one batch that differ in size are padded at the right and below, x with zeros and labels with 255. The
    last images of an epoch that do not fill a batch are left out (they are others in every epoch), except where there
    are too few for a single one. With steps=N an epoch is N batches of images drawn with replacement, as the authors
    draw theirs.
    """

    def __init__(self, dataset, size, preprocess, vary, seed, stage, max_side=None, steps=None, ahead=4, threads=2):
        self.dataset, self.preprocess, self.vary, self.max_side = dataset, preprocess, vary, max_side
        self.replace = steps is not None
        self.size = size if self.replace else min(size, len(dataset))
        self.seed, self.stage, self.ahead, self.threads = seed, stage, ahead, threads
        self.steps = steps or steps_per_epoch(len(dataset), size)
        self._cache, self._cached_bytes = {}, 0

    def epoch(self, epoch, first=0):
        """Batches `first`, first + 1, ... of an epoch, `ahead` of them being made while one is used."""
        rng = np.random.default_rng([self.seed, self.stage, ORDER, epoch])
        images = len(self.dataset)
        order = rng.integers(images, size=self.steps * self.size) if self.replace else rng.permutation(images)
        with ThreadPoolExecutor(self.threads, thread_name_prefix="batches") as pool:
            coming = []
            try:
                for step in range(first, self.steps):
                    coming.append(pool.submit(self._batch, order, epoch, step))
                    if len(coming) > self.ahead:
                        yield coming.pop(0).result()
                while coming:
                    yield coming.pop(0).result()
            finally:
                for future in coming:
                    future.cancel()

    def _batch(self, order, epoch, step):
        samples = []
        for k, i in enumerate(order[step * self.size:(step + 1) * self.size]):
            rng = np.random.default_rng([self.seed, self.stage, VARY, epoch, step, k])
            samples.append(self.vary(*self._sample(int(i)), rng))
        height, width = (max(labels.shape[axis] for _, labels in samples) for axis in (0, 1))
        x = np.zeros((len(samples), self.preprocess.channels, height, width), np.float32)
        labels = np.full((len(samples), height, width, *samples[0][1].shape[2:]), IGNORE, np.uint8)
        for k, (image, truth) in enumerate(samples):
            h, w = truth.shape[:2]
            x[k, :, :h, :w] = self.preprocess(image[None])[0]
            labels[k, :h, :w] = truth
        return x, labels

    def _sample(self, i):
        """An image and its labels, shrunk to max_side; the first CACHE_BYTES of them are kept in memory."""
        if i in self._cache:
            return self._cache[i]
        image, labels = self.dataset[i]
        size = shrunk_size(*labels.shape[:2], self.max_side)
        sample = resize(image, *size), nearest(labels, *size)
        if self._cached_bytes < CACHE_BYTES:  # threads may overshoot by an image each
            self._cached_bytes += sum(part.nbytes for part in sample)
            self._cache[i] = sample
        return sample

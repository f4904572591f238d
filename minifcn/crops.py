"""Square pieces of labelled images, each named after the class in its middle: what a classifier learns from."""
from functools import lru_cache

import numpy as np

MIDDLE_GREY = 128  # beyond the image; 0 once it is preprocessed, as convolutions pad


def cut(image, row, column, side):
    """The side x side piece of an image whose middle is the pixel (row, column): uint8 (H,W,3) -> (side,side,3).

    Row and column side // 2 of the piece are that pixel; what lies beyond the image is grey.
    """
    height, width = image.shape[:2]
    top, left = row - side // 2, column - side // 2
    piece = np.full((side, side, 3), MIDDLE_GREY, np.uint8)
    rows, columns = slice(max(0, top), min(height, top + side)), slice(max(0, left), min(width, left + side))
    piece[rows.start - top:rows.stop - top, columns.start - left:columns.stop - left] = image[rows, columns]
    return piece


class Crops:
    """Pieces of a data set's images, every class equally often: draw(rng, n) -> uint8 (n,side,side,3), classes (n,)."""

    def __init__(self, dataset, side):
        self.side = side
        self._sample = lru_cache(1024)(dataset.__getitem__)  # images are drawn again and again
        there = [np.unique(dataset.labels(i)) for i in range(len(dataset))]
        self.images_with = {k: [i for i, classes in enumerate(there) if k in classes]
                            for k in range(len(dataset.classes))}
        self.classes = [k for k, images in self.images_with.items() if images]

    def draw(self, rng, n):
        """n pieces: a class, an image that has it, a pixel of it, and whether it is mirrored, all evenly drawn."""
        pieces, names = np.empty((n, self.side, self.side, 3), np.uint8), rng.choice(self.classes, n)
        for piece, k in zip(pieces, names, strict=True):
            image, labels = self._sample(int(rng.choice(self.images_with[k])))
            pixels = np.flatnonzero(labels == k)
            row, column = divmod(int(rng.choice(pixels)), labels.shape[1])
            piece[...] = cut(image, row, column, self.side)[:, ::rng.choice((1, -1))]
        return pieces, names

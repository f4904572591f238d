"""How good is a segmentation? Four scores from one confusion matrix, counted over the whole set.

n_ij = pixels of true class i predicted as j; t_i = sum_j n_ij, pixels of true class i; p_i = sum_j n_ji, pixels
predicted as i; C classes. A mean of per-image scores is another, wrong number: it depends on how the images were
grouped.
"""
import numpy as np

from minifcn.backend import to_numpy

IGNORE = 255


class ConfusionMatrix:
    """Counts of (truth, prediction) pairs and the papers' four scores of them [CVPR section 5, PAMI section 5].

    `counts[i, j]` are the pixels of true class i predicted as j. Pixels whose label lies outside 0..C-1 (255: void)
    are outside the matrix. A class absent from truth and prediction is left out of the means; one that is absent from
    the truth but predicted has IU 0 and is counted, while its accuracy is left out. The classes of `left_out` are left
    out of both means whatever happens, as SIFT Flow's three that its test set lacks.
    """

    def __init__(self, classes, left_out=()):
        self.classes, self.left_out = classes, tuple(left_out)
        self.counts = np.zeros((classes, classes), np.int64)

    def update(self, predicted, labels):
        """Add the pixels of one image or batch: two integer arrays of one shape. Returns self."""
        predicted, labels = to_numpy(predicted), to_numpy(labels)
        if predicted.shape != labels.shape:
            raise ValueError(f"predicted {predicted.shape} and labels {labels.shape} differ in shape")
        counted = (labels >= 0) & (labels < self.classes)
        truth, guess = labels[counted].astype(np.int64), predicted[counted].astype(np.int64)
        if guess.size and not 0 <= guess.min() <= guess.max() < self.classes:
            raise ValueError(f"predictions {guess.min()}..{guess.max()} are not all classes 0..{self.classes - 1}")
        pairs = np.bincount(truth * self.classes + guess, minlength=self.classes**2)
        self.counts += pairs.reshape(self.classes, self.classes)
        return self

    @property
    def iu(self):
        """IU_i = n_ii / (t_i + p_i - n_ii) of each class, NaN where a class is neither there nor predicted: (C,)."""
        hits, truth, guess = np.diag(self.counts), self.counts.sum(axis=1), self.counts.sum(axis=0)
        return _ratio(hits, truth + guess - hits)

    @property
    def accuracy(self):
        """n_ii / t_i of each class, NaN where a class is not there: (C,)."""
        return _ratio(np.diag(self.counts), self.counts.sum(axis=1))

    @property
    def pixel_accuracy(self):
        """sum_i n_ii / sum_i t_i; NaN before the first counted pixel, like every score here."""
        return float(_ratio(np.trace(self.counts), self.counts.sum()))

    @property
    def mean_accuracy(self):
        """(1/C) sum_i n_ii / t_i."""
        return _mean(np.delete(self.accuracy, self.left_out))

    @property
    def mean_iu(self):
        """(1/C) sum_i IU_i."""
        return _mean(np.delete(self.iu, self.left_out))

    @property
    def fw_iu(self):
        """Frequency-weighted IU: (sum_k t_k)^-1 sum_i t_i IU_i."""
        truth = self.counts.sum(axis=1)
        return float(_ratio(np.sum(np.where(truth > 0, truth * np.nan_to_num(self.iu), 0)), truth.sum()))

    def scores(self):
        """The four scores in the papers' order, by name."""
        return {name: getattr(self, name) for name in ("pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu")}


def _ratio(a, b):
    return np.divide(a, b, out=np.full(np.shape(b), np.nan), where=np.asarray(b) > 0)


def _mean(values):
    """Mean of what is not NaN, NaN of nothing; np.nanmean would warn about the latter."""
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else float("nan")


def resolution_bound(labels, classes, factor):
    """The truth, resampled: what is left of it in cells of `factor` pixels. (H,W) labels -> (H,W) labels.

    Every factor x factor cell is given the shares of its classes (void counts for nothing), the shares are upsampled
    bilinearly between the cell centres, as upscore does, and every pixel takes the largest. The papers call the score
    of this a bound for nets of that step [PAMI 6.3; they do not say how they resampled]. It is a mark rather than a
    bound: a net's scores need not be shares, and other numbers in the same cells can draw the truth better.
    """
    from minifcn.ops import bilinear_kernel, conv_transpose2d, crop

    height, width = labels.shape
    cells_high, cells_wide = -(-height // factor), -(-width // factor)
    padded = np.full((cells_high * factor, cells_wide * factor), IGNORE, labels.dtype)
    padded[:height, :width] = labels
    onehot = padded == np.arange(classes).reshape(-1, 1, 1)
    cells = onehot.reshape(classes, cells_high, factor, cells_wide, factor).sum(axis=(2, 4), dtype=np.float32)
    if factor == 1:
        return cells.argmax(axis=0).astype(np.uint8)
    kernel = bilinear_kernel(1, 2 * factor)  # S even: K = 2S with P = S/2 makes S*(U - 1) + K - 2P equal S*U
    scores, _ = conv_transpose2d(cells[:, None], kernel, stride=factor, pad=factor // 2)
    return crop(scores[:, 0][None], 0, height, width)[0][0].argmax(axis=0).astype(np.uint8)

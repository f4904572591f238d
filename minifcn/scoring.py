"""How good is a net on a split? One confusion matrix over all its images, for each kind of labels."""
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from minifcn.backend import to_device, to_numpy
from minifcn.datasets.base import kinds, per_kind
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix
from minifcn.ops import softmax_cross_entropy

BATCH_PIXELS = 1 << 18  # images of one size are scored together up to this many pixels


def evaluate(model, dataset, progress=None, each=None):
    """(ConfusionMatrix, mean loss) of a Model over a data set, at the labels' own resolution.

    Of two heads a tuple of two matrices, and the sum of their losses. progress(n) is called after n more images,
    each(i, labels, predicted) for every image. Raises InputError where net and data have other numbers of classes.
    """
    matrices, loss = score(model, dataset, progress, each)
    return per_kind(matrices), loss


def score(model, dataset, progress=None, each=None):
    """evaluate(), with a list of matrices: one for each head."""
    mine, theirs = ([len(names) for names in kinds(some.classes)] for some in (model, dataset))
    if mine != theirs:
        raise InputError(f"the net knows {' and '.join(map(str, mine))} classes, {dataset.root} has "
                         f"{' and '.join(map(str, theirs))}: name the net's own data with --data")
    matrices, losses = empty_matrices(dataset), [0.0] * len(mine)
    for numbers, images, labels in _groups(dataset):
        predicted = np.empty_like(labels)
        for rows, scores in model.score_strips(images):
            for k, some in enumerate(scores):
                truth = to_device(of_kind(labels, k, len(scores))[:, rows], model.net.device)
                losses[k] += float(softmax_cross_entropy(some, truth, reduction="sum")[0])
                of_kind(predicted, k, len(scores))[:, rows] = to_numpy(some.argmax(axis=1))
        for i, truth, guess in zip(numbers, labels, predicted, strict=True):
            for k, matrix in enumerate(matrices):
                matrix.update(of_kind(guess, k, len(matrices)), of_kind(truth, k, len(matrices)))
            if each:
                each(i, truth, guess)
        if progress:
            progress(len(numbers))
    return matrices, sum(loss / max(1, matrix.counts.sum()) for loss, matrix in zip(losses, matrices, strict=True))


def of_kind(labels, k, count):
    """Labels of kind k of `count`: all of them where there is one kind, (..., H, W, 2)[..., k] where there are two."""
    return labels if count == 1 else labels[..., k]


def empty_matrices(dataset):
    """A ConfusionMatrix for each kind of labels, which leaves out what the data set does."""
    names = kinds(dataset.classes)
    left_out = dataset.left_out if len(names) > 1 else (dataset.left_out,)
    return [ConfusionMatrix(len(some), out) for some, out in zip(names, left_out, strict=True)]


def _groups(dataset):
    """Yield (indices, images (N,H,W,3), labels (N,H,W)) of neighbours of one size, read ahead on threads."""
    group = []
    with ThreadPoolExecutor(2, thread_name_prefix="reading") as pool:
        for start in range(0, len(dataset), 32):  # not all at once: a data set need not fit into memory
            numbers = range(start, min(start + 32, len(dataset)))
            for i, (image, labels) in zip(numbers, pool.map(dataset.__getitem__, numbers), strict=True):
                if group and (group[0][2].shape != labels.shape or (len(group) + 1) * labels.size > BATCH_PIXELS):
                    yield _stacked(group)
                    group = []
                group.append((i, image, labels))
    yield _stacked(group)


def _stacked(group):
    numbers, images, labels = zip(*group, strict=True)
    return numbers, np.stack(images), np.stack(labels)


def of_image(truth, guess, count, classes):
    """Mean IU of one image, by its first kind of labels."""
    return ConfusionMatrix(classes).update(of_kind(guess, 0, count), of_kind(truth, 0, count)).mean_iu


def seen(dataset, i):
    """What a picture shows of an image beside predictions: itself in colour, and its truth of the first kind."""
    image, truth = dataset[i]
    return {"image": image[..., :3].astype(np.uint8), "truth": of_kind(truth, 0, len(kinds(dataset.classes)))}


def first(parts):
    """What belongs to the first head: itself where there is one."""
    return parts[0] if isinstance(parts, tuple) else parts

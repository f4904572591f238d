"""Softmax cross-entropy at every pixel, with pixels that do not count.

N images, C classes, H x W pixels, p = softmax(scores) over the classes, t = the label of a pixel.
"""
import numpy as np

from minifcn.backend import array_module, run_strips
from minifcn.buffers import empty
from minifcn.ops.fast.strips import cut


def softmax_cross_entropy(scores, labels, *, ignore=255, reduction="mean", class_weight=None, counted=None):
    """loss = sum over counted pixels of a[t] * (-log p[t]),   divided by the sum of their a[t] for reduction="mean"

    scores (N,C,H,W)   labels (N,H,W) integers   class_weight a (C,) or None, all ones   ->   loss (0-d array), cache
    Pixels labelled `ignore` count for nothing. The mean over no pixel is 0. The sum is what the authors train with:
    it is the mean times the number of counted pixels, and so is its gradient.
    counted: what the mean divides by instead, where this is a part of a batch: total_weight() of the whole. The losses
    of the parts then add up to that of the batch, and so do the gradients.
    Raises ValueError for shapes that do not fit, labels out of range (on a CPU) and another reduction, TypeError for
    labels that are no integers.
    """
    xp = array_module(scores, labels, class_weight)
    if scores.ndim != 4 or labels.shape != (scores.shape[0], *scores.shape[2:]):
        raise ValueError(f"scores (N,C,H,W) and labels (N,H,W) do not fit: {scores.shape} and {labels.shape}")
    if reduction not in ("mean", "sum"):
        raise ValueError(f"reduction {reduction!r} is neither mean nor sum")
    c = scores.shape[1]
    if class_weight is not None and class_weight.shape != (c,):
        raise ValueError(f"class_weight must be ({c},), one number a class, not {class_weight.shape}")
    p = empty(scores.shape, scores.dtype, xp)
    weight = xp.empty(labels.shape, scores.dtype)
    target = xp.empty(labels.shape, labels.dtype)
    strips = _strips(scores.shape, xp)
    totals = xp.empty((len(strips), 2), xp.float64)  # of loss and weight: a float32 sum of 10^6 pixels loses digits

    def some(number):
        s, maps = strips[number]
        known = _known(labels[s], c, ignore, target[s])
        weight[s] = known if class_weight is None else xp.where(known, class_weight[target[s]], 0)
        z = p[maps]
        # the largest exponent is 0: exp cannot overflow
        xp.subtract(scores[maps], scores[maps].max(axis=1, keepdims=True), out=z)
        z_target = xp.take_along_axis(z, target[s][:, None].astype(xp.intp), axis=1)[:, 0]
        xp.exp(z, out=z)
        partition = z.sum(axis=1)
        totals[number, 0] = ((xp.log(partition) - z_target) * weight[s]).sum(dtype=xp.float64)
        totals[number, 1] = weight[s].sum(dtype=xp.float64)
        z /= partition[:, None]

    run_strips(some, range(len(strips)), xp)
    total, own = totals.sum(axis=0)
    counted = own if counted is None else xp.asarray(counted, dtype=xp.float64)
    scale = 1 / xp.where(counted > 0, counted, 1) if reduction == "mean" else xp.ones((), xp.float64)
    return (total * scale).astype(scores.dtype), (p, target, weight, scale)


def total_weight(labels, *, ignore=255, class_weight=None):
    """The sum of a[t] over counted pixels, a float. labels and class_weight as in softmax_cross_entropy."""
    if class_weight is None:
        return float((labels != ignore).sum())
    target = np.empty_like(labels)
    known = _known(labels, len(class_weight), ignore, target)
    return float(class_weight[target[known]].sum(dtype=np.float64))


def _known(labels, c, ignore, target):
    """Which pixels count. Fills target with their labels, and with 0, as any class will do, for the others."""
    xp = array_module(labels)
    if labels.dtype.kind not in "iu":
        raise TypeError(f"labels must be integers, not {labels.dtype}")
    known = labels != ignore
    xp.multiply(labels, known, out=target)
    if xp is np and not 0 <= target.min() <= target.max() < c:  # on a GPU the question would halt the step
        raise ValueError(f"labels {target.min()}..{target.max()} are not all classes 0..{c - 1} or {ignore}")
    return known


def softmax_cross_entropy_backward(cache):
    """dscores = a[t] * (p - onehot(t)) at counted pixels, 0 elsewhere; divided by the sum of a[t] for the mean.

    -> (N,C,H,W)
    """
    p, target, weight, scale = cache
    xp = array_module(p)
    dscores = empty(p.shape, p.dtype, xp)
    kind = np.result_type(target.dtype, np.min_scalar_type(p.shape[1]))  # bytes compare faster than words
    classes = xp.arange(p.shape[1], dtype=kind).reshape(1, -1, 1, 1)

    def some(strip):
        s, maps = strip
        xp.subtract(p[maps], classes == target[s][:, None], out=dscores[maps])
        dscores[maps] *= (weight[s] * scale.astype(p.dtype))[:, None]

    run_strips(some, _strips(p.shape, xp), xp)
    return dscores


def _strips(shape, xp):
    """What is done at a time: (indices of labels (N,H,W), indices of scores (N,C,H,W))."""
    n, c, height, width = shape
    return [((slice(a, b), slice(p, q)), (slice(a, b), slice(None), slice(p, q)))
            for a, b, p, q in cut(n, height, c * width, xp)]

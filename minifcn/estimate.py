"""How long a run will take: its steps, measured here before the first one, times how many there will be."""
import time
from collections import namedtuple

import numpy as np

from minifcn.backend import single_threaded_blas, to_device
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.scoring import BATCH_PIXELS, of_kind
from minifcn.step import Step

Seconds = namedtuple("Seconds", "step inference head")  # a training step; an image scored; a step of the head alone


def measure(net, n, trained, whole, device):
    """The Seconds of a net on noise, the better of two runs; its weights are overwritten.

    Training takes n images of the size `trained`, scoring takes as many of the size `whole` as go together.
    """
    for name in net.learned:
        w = net.params[name]
        w.fill(1 / w[0].size)  # zeros that nobody wrote take no memory, and are read faster than weights
    together = max(1, min(n, BATCH_PIXELS // (whole[0] * whole[1])))
    rng, channels, net = np.random.default_rng(0), net.preprocess.channels, net.to_device(device)
    x, images = (to_device(rng.standard_normal((count, channels, *size), dtype=np.float32), device)
                 for count, size in ((n, trained), (together, whole)))
    with single_threaded_blas():
        maps = net.body.forward(x)
        inference = _quickest(lambda: _score(net, images)) / together
        head = _quickest(lambda: _head_step(net, maps, x))
        stepper, labels = Step(net), _labels(net, x)
        step = _quickest(lambda: [float(loss) for loss, _ in stepper.of_batch(x, labels, (0, 0, 0))])
    return Seconds(step, inference, head)


def _score(net, x):
    for scores in _scores(net, net.body.forward(x), x, False):
        float(scores.sum())


def _scores(net, maps, x, train):
    return [head.forward(maps, *x.shape[2:], train) for head in net.heads]


def _head_step(net, maps, x):
    """All of a training step that happens above the body; to read the loss is to wait for the GPU."""
    labels = _labels(net, x)
    for k, (head, scores) in enumerate(zip(net.heads, _scores(net, maps, x, True), strict=True)):
        loss, cache = softmax_cross_entropy(scores, of_kind(labels, k, len(net.heads)))
        head.backward(softmax_cross_entropy_backward(cache))
        float(loss)


def _labels(net, x):
    """Labels of every pixel for every head: all class 0."""
    kinds = (len(net.heads),) if len(net.heads) > 1 else ()
    return to_device(np.zeros((len(x), *x.shape[2:], *kinds), np.uint8), net.device)


def _quickest(job):
    began = time.perf_counter()
    job()
    first = time.perf_counter() - began
    if first > 2:
        return first
    began = time.perf_counter()
    job()
    return min(first, time.perf_counter() - began)


def duration(seconds):
    """"2.1 hours", "3 minutes": as precisely as it is known."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 5400:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours" if seconds < 172800 else f"{seconds / 86400:.1f} days"

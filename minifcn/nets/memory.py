"""How much memory a net takes, from the sizes of its maps alone."""
from collections import Counter
from math import prod

from minifcn.layers import Conv2d, Dropout, LocalResponseNorm, MaxPool2d, ReLU, Scale
from minifcn.nets.graph import active
from minifcn.nets.joints import Concat
from minifcn.nets.structure import rows


def step_bytes(net, n, height, width, slots=2):
    """About how many bytes a training step on n images holds at its peak.

    What is kept for the backward pass: the input, what every ReLU, pooling, normalisation, dropout, scale and
    concatenation gives (a convolution's own output is let go once its ReLU has it), and transformed tiles. What the
    loss keeps: scores, probabilities and their gradient in full size, and as much as three maps for the labels. On top
    of both the gradients before and after the largest map, or while the loss is computed one more map of scores. Where
    nothing below the head is trained, the way forward may need more than the loss. Weights, gradients and `slots` of
    the optimiser are always there. Not counted: buffers of some 10 MB a thread, blocks that wait for the next map, and,
    where a second process computes half of a batch, a Python with weights and gradients of its own (for mini 130 MB).
    """
    kept = largest = n * net.preprocess.channels * height * width
    trained, shapes = False, {"data": (n, net.preprocess.channels, height, width)}
    for row in rows(net, height, width, n):
        shapes[row.name] = row.shape
        if row.name not in net.body.layers:
            continue
        if isinstance(row.layer, Conv2d) and row.layer.learn:
            kept += row.layer.kept_numbers(shapes[row.sources[0]])
        size = prod(row.shape)
        largest = max(largest, size)
        if active(row.layer):
            trained = True
            kept += size * _kept(row.layer)
    scores = n * sum(head.classes for head in net.heads) * height * width
    loss = 3 * (scores + n * len(net.heads) * height * width)
    learned = sum(net.params[name].size for name in net.learned)
    way = 2 * largest + loss if trained else _forward_peak(net, n, height, width)
    peak = kept + max(way, loss + scores)
    return _item(net) * (peak + _weights(net) + (1 + slots) * learned)


def inference_bytes(net, n, height, width):
    """About how many bytes inference on n images holds at its peak: the weights, and the maps that are still needed."""
    return _item(net) * (_forward_peak(net, n, height, width) + _weights(net))


def _forward_peak(net, n, height, width):
    """How many numbers the maps that are still needed have together, at most."""
    found = rows(net, height, width, n)
    uses = Counter(source for row in found for source in row.sources)
    sizes = {"data": n * net.preprocess.channels * height * width}
    peak = 0
    for row in found:
        if isinstance(row.layer, ReLU) and uses[row.sources[0]] == 1:  # the convolution's own map, rectified in passing
            sizes[row.name] = sizes.pop(row.sources[0])
            continue
        sizes[row.name] = prod(row.shape)
        peak = max(peak, sum(sizes.values()))
        for source in row.sources:
            uses[source] -= 1
            if not uses[source]:
                del sizes[source]
    return peak


def _kept(layer):
    """How many maps of its output's size a layer and the next one remember."""
    if isinstance(layer, Dropout):
        return 2 if layer.p else 0  # its mask, too
    if isinstance(layer, LocalResponseNorm):
        return 2  # its divisor, too
    return int(isinstance(layer, ReLU | MaxPool2d | Concat | Scale))


def _item(net):
    return next(iter(net.params.values())).itemsize


def _weights(net):
    return sum(value.size for value in net.params.values())

"""How much memory a training step takes, from the sizes of its maps alone."""
from minifcn.layers import Conv2d, Dropout, MaxPool2d, ReLU
from minifcn.ops.im2col import conv_size
from minifcn.ops.pool import pool_size


def step_bytes(net, n, height, width, slots=2):
    """About how many bytes a training step on n images holds at its peak.

    What is kept for the backward pass: the input, and what every ReLU, pooling and dropout gives (a convolution's own
    output is let go once its ReLU has it). What the loss keeps: scores, probabilities and their gradient in full size,
    and as much as three maps for the labels. On top of both the gradients before and after the largest map (of a frozen
    body: the largest map twice on the way forward, before there is a loss), or while the loss is computed one more map
    of scores. Weights, gradients and `slots` of the optimiser are always there; buffers of some MB are not counted.
    """
    item = next(iter(net.params.values())).itemsize
    kept = largest = n * 3 * height * width
    c, h, w = 3, height, width
    for layer in net.body.layers.values():
        if isinstance(layer, Conv2d):
            c = layer.params["w"].shape[0]
            h, w = (conv_size(side, layer.kernel, layer.stride, layer.pad, layer.dilation) for side in (h, w))
        elif isinstance(layer, MaxPool2d):
            h, w = (pool_size(side, layer.kernel, layer.stride, layer.pad, layer.ceil) for side in (h, w))
        size = n * c * h * w
        largest = max(largest, size)
        if isinstance(layer, ReLU | MaxPool2d) or isinstance(layer, Dropout) and layer.p:
            kept += 0 if net.frozen else size
    scores = n * net.classes * height * width
    loss = 3 * (scores + n * height * width)
    learned = sum(net.params[name].size for name in net.learned)
    weights = sum(value.size for value in net.params.values())
    peak = kept + max(2 * largest + (0 if net.frozen else loss), loss + scores)
    return item * (peak + weights + (1 + slots) * learned)

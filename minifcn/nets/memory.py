"""How much memory a training step takes, from the sizes of its maps alone."""
from minifcn.layers import Conv2d, Dropout, MaxPool2d, ReLU
from minifcn.ops.im2col import conv_size
from minifcn.ops.pool import pool_size


def step_bytes(net, n, height, width, slots=2):
    """About how many bytes a training step on n images holds at its peak.

    What is kept for the backward pass: the input, and what every ReLU, pooling and dropout gives (a convolution's own
    output is let go once its ReLU has it). On top the two largest maps and their gradients, the full-size scores four
    times (scores, probabilities, gradient, one temporary), and weights, gradients and `slots` of the optimiser.
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
    scores = 4 * n * net.classes * height * width
    learned = sum(net.params[name].size for name in net.learned)
    weights = sum(value.size for value in net.params.values())
    return item * (max(kept + 2 * largest, kept + scores) + weights + (1 + slots) * learned)

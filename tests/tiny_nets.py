"""Nets of a few channels, for tests that look at every weight, at every size, or at nothing but the geometry."""
import numpy as np

from minifcn.layers import Conv2d, Dropout, MaxPool2d, ReLU
from minifcn.nets.body import Body
from minifcn.nets.fcn import FCN, SKIPS, Head
from minifcn.preprocess import Preprocessing

NAMES = ("fcn32s", "fcn16s", "fcn8s")
PADS = (1, 100)  # maps that fit the image, and the papers' padding


def tiny_body(rng, pad=1, convs=(1, 1, 1, 1, 1), width=2, dropout=0.0, dtype=np.float64):
    """`convs` 3x3 convolutions before each of five poolings, then fc6 and fc7; `width` channels everywhere.

    pad=1: maps fit the image, as in mini. More: conv1_1 alone pads by that and fc6 is 7x7 without padding, as in VGG.
    """
    fits = pad == 1
    layers = {}

    def conv(name, k, pad):
        layers[name] = Conv2d(rng, width if layers else 3, width, k, pad=pad, dtype=dtype)
        layers[f"relu_{name}"] = ReLU()

    for i, count in enumerate(convs, 1):
        for j in range(1, count + 1):
            conv(f"conv{i}_{j}", 3, pad if i == j == 1 else 1)
        layers[f"pool{i}"] = MaxPool2d(2)
    conv("fc6", 3 if fits else 7, 1 if fits else 0)
    layers["drop6"] = Dropout(dropout)
    conv("fc7", 1, 0)
    layers["drop7"] = Dropout(dropout)
    return Body("tiny", layers, {"pool3": width, "pool4": width, "drop7": width}, fits, Preprocessing())


def tiny_net(name, rng, classes=2, learn_upsampling=False, dtype=np.float64, **options):
    """A net over tiny_body() with random weights and biases in every layer that learns."""
    body = tiny_body(rng, dtype=dtype, **options)
    net = FCN(name, body, Head(body, classes, SKIPS[name], learn_upsampling=learn_upsampling, dtype=dtype))
    randomise(net, rng)
    return net


def randomise(net, rng):
    """Zeros prove nothing: draw all learned parameters anew, and upsampling too where it is learned."""
    for name in net.learned:
        w = net.params[name]
        if name.endswith(".b"):
            w[...] = rng.uniform(0.1, 0.5, size=w.shape)  # positive: of so few channels a ReLU must not kill all
        else:
            inputs = 4 * len(w) if name.startswith("up") else w[0].size  # K = 2S: 2 x 2 cells reach every pixel
            w[...] = rng.normal(size=w.shape) * (2 / inputs) ** 0.5


def image(rng, height=37, width=45, n=2, dtype=np.float64):
    return rng.normal(size=(n, 3, height, width)).astype(dtype)


def labels_for(rng, x, classes=2):
    """Random labels, a third of them void."""
    labels = rng.integers(0, classes, (len(x), *x.shape[2:]))
    labels[rng.random(labels.shape) < 1 / 3] = 255
    return labels

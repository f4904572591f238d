"""mini: a small body in the manner of VGG, that learns from random weights in minutes on a CPU.

Five poolings (step 32), 3x3 convolutions padded by 1, so that every map covers the whole image and no more; 0.9 million
weights. Poolings round up, so that any image of 1x1 and more goes through.
"""
from minifcn.layers import Conv2d, Dropout, MaxPool2d, ReLU
from minifcn.nets.body import Body
from minifcn.preprocess import Preprocessing

STAGES = ((16,), (32,), (64, 64), (128, 128), (128, 128))


def mini(rng_for, dtype, *, classifier=False, dropout=0.0, preprocess=None):
    """The body, a classifier's or not; rng_for(name) gives each layer random numbers of its own."""
    preprocess = preprocess or Preprocessing()
    layers, c_in = {}, preprocess.channels

    def conv(name, c_out, k):
        nonlocal c_in
        layers[name] = Conv2d(rng_for(name), c_in, c_out, k, pad=k // 2, dtype=dtype)
        c_in = c_out

    for i, widths in enumerate(STAGES, 1):
        for j, width in enumerate(widths, 1):
            conv(f"conv{i}_{j}", width, 3)
            layers[f"relu{i}_{j}"] = ReLU()
        layers[f"pool{i}"] = MaxPool2d(2)
    for name, k in (("fc6", 3), ("fc7", 1)):
        conv(name, 192, k)
        layers[name.replace("fc", "relu")] = ReLU()
        layers[name.replace("fc", "drop")] = Dropout(dropout)
    channels = {"pool3": 64, "pool4": 128, "drop7": 192}
    return Body("mini", layers, channels, True, preprocess, side=96)

"""CaffeNet, which the papers' FCN-AlexNet stands on: AlexNet with its poolings before the normalisations.

[Krizhevsky et al. 2012; BVLC reference CaffeNet.] conv2, conv4 and conv5 have two groups, one for each of the two GPUs
of the time. The FCN pads its image by 100 in conv1, the classifier not at all.
"""
from minifcn.layers import Conv2d, Dropout, LocalResponseNorm, MaxPool2d, ReLU
from minifcn.nets.body import Body
from minifcn.preprocess import PIXEL_RMS, VOC_MEAN

FC = 4096


def alexnet(rng_for, dtype, *, classifier=False, dropout=0.5, preprocess=VOC_MEAN):
    """The body; rng_for(name) gives each layer random numbers of its own."""
    layers, c_in = {}, preprocess.channels

    def conv(name, c_out, k, stride=1, pad=0, groups=1):
        nonlocal c_in
        rms = 1 if layers else PIXEL_RMS
        layers[name] = Conv2d(rng_for(name), c_in, c_out, k, stride, pad, groups=groups, rms=rms, dtype=dtype)
        layers[f"relu{name[-1]}"] = ReLU()
        c_in = c_out

    def pool(number, norm):
        layers[f"pool{number}"] = MaxPool2d(3, 2)
        if norm:
            layers[f"norm{number}"] = LocalResponseNorm()

    conv("conv1", 96, 11, stride=4, pad=0 if classifier else 100)
    pool(1, norm=True)
    conv("conv2", 256, 5, pad=2, groups=2)
    pool(2, norm=True)
    conv("conv3", 384, 3, pad=1)
    conv("conv4", 384, 3, pad=1, groups=2)
    conv("conv5", 256, 3, pad=1, groups=2)
    pool(5, norm=False)
    for name, k in (("fc6", 6), ("fc7", 1)):
        conv(name, FC, k)
        layers[f"drop{name[-1]}"] = Dropout(dropout)
    return Body("alexnet", layers, {"pool5": 256, "drop7": FC}, False, preprocess, side=227)

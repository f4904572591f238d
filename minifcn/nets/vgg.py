"""VGG16 as the body of an FCN, and as the classifier that it comes from [Simonyan & Zisserman 2015, net D].

13 convolutions of 3x3 in five stages, each ended by a pooling; fc6, 7x7, and fc7, 1x1, are convolutions here. The FCN
pads its image by 100 in conv1_1, so that fc6 finds room over images of any size; every other padding fits. After mean
subtraction that border is zero, the mean colour.
"""
from minifcn.layers import Conv2d, Dropout, MaxPool2d, ReLU
from minifcn.nets.body import Body
from minifcn.preprocess import PIXEL_RMS, VOC_MEAN

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
FC = 4096


def vgg16(rng_for, dtype, *, classifier=False, dropout=0.5, preprocess=VOC_MEAN):
    """The body; rng_for(name) gives each layer random numbers of its own."""
    layers, c_in = {}, preprocess.channels

    def conv(name, c_out, k, pad):
        nonlocal c_in
        rms = 1 if layers else PIXEL_RMS
        layers[name] = Conv2d(rng_for(name), c_in, c_out, k, pad=pad, rms=rms, dtype=dtype)
        c_in = c_out

    for i, widths in enumerate(STAGES, 1):
        for j, width in enumerate(widths, 1):
            conv(f"conv{i}_{j}", width, 3, pad=1 if layers or classifier else 100)
            layers[f"relu{i}_{j}"] = ReLU()
        layers[f"pool{i}"] = MaxPool2d(2)
    for name, k in (("fc6", 7), ("fc7", 1)):
        conv(name, FC, k, pad=0)
        layers[name.replace("fc", "relu")] = ReLU()
        layers[name.replace("fc", "drop")] = Dropout(dropout)
    channels = {"pool3": 256, "pool4": 512, "pool5": 512, "drop7": FC}
    return Body("vgg16", layers, channels, False, preprocess, side=224)

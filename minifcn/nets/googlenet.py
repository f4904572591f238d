"""GoogLeNet [Szegedy et al. 2015], with BVLC's names and settings, the two extra losses of its training left out.

The papers' FCN-GoogLeNet was never released. They say: the final average pooling is removed, the score is a 1x1
convolution, upsampled by 32, dropout stays where the classifier had it [CVPR 4.1]. Padding by 100 in the first layer,
as in the other two nets, is derived here and not published: by that every image of 1x1 and more goes through.
"""
from minifcn.layers import AveragePool2d, Conv2d, Dropout, LocalResponseNorm, MaxPool2d, ReLU
from minifcn.nets.body import Body
from minifcn.nets.joints import Concat
from minifcn.preprocess import PIXEL_RMS, VOC_MEAN

# 1x1, 3x3 reduce, 3x3, 5x5 reduce, 5x5, pool projection
BLOCKS = {
    "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
}


def googlenet(rng_for, dtype, *, classifier=False, dropout=0.4, preprocess=VOC_MEAN, norm=True,
              last_pool=3):
    """The body; rng_for(name) gives each layer random numbers of its own.

    norm=False leaves out the two local response normalisations, last_pool=2 makes the last pooling 2x2: so torchvision
    has it.
    """
    layers, inputs, c_in = {}, {}, preprocess.channels

    def add(name, layer, *sources):
        layers[name] = layer
        if sources:
            inputs[name] = sources
        return name

    def conv(name, c_in, c_out, k, *source, stride=1, pad=None):
        rms = 1 if layers else PIXEL_RMS
        pad = k // 2 if pad is None else pad
        add(name, Conv2d(rng_for(name), c_in, c_out, k, stride, pad, rms=rms, dtype=dtype), *source)
        block, _, part = name.rpartition("/")
        return add(f"{block}/relu_{part}", ReLU())

    def block(name, c_in):
        one, reduce3, three, reduce5, five, project = BLOCKS[name]
        before, name = list(layers)[-1], f"inception_{name}"
        parts = (
            conv(f"{name}/1x1", c_in, one, 1, before),
            (conv(f"{name}/3x3_reduce", c_in, reduce3, 1, before), conv(f"{name}/3x3", reduce3, three, 3))[-1],
            (conv(f"{name}/5x5_reduce", c_in, reduce5, 1, before), conv(f"{name}/5x5", reduce5, five, 5))[-1],
            (add(f"{name}/pool", MaxPool2d(3, 1, pad=1), before), conv(f"{name}/pool_proj", c_in, project, 1))[-1],
        )
        add(f"{name}/output", Concat(), *parts)
        return one + three + five + project

    def normalise(name):
        if norm:
            add(name, LocalResponseNorm())

    conv("conv1/7x7_s2", c_in, 64, 7, stride=2, pad=3 if classifier else 100)
    add("pool1/3x3_s2", MaxPool2d(3, 2))
    normalise("pool1/norm1")
    conv("conv2/3x3_reduce", 64, 64, 1)
    conv("conv2/3x3", 64, 192, 3)
    normalise("conv2/norm2")
    add("pool2/3x3_s2", MaxPool2d(3, 2))
    c = 192
    for name in BLOCKS:
        c = block(name, c)
        if name == "3b":
            add("pool3/3x3_s2", MaxPool2d(3, 2))
        elif name == "4e":
            add("pool4/3x3_s2", MaxPool2d(last_pool, 2))
    if classifier:
        add("pool5/7x7_s1", AveragePool2d(7))
    last = add("pool5/drop_7x7_s1", Dropout(dropout))
    return Body("googlenet", layers, {last: c}, False, preprocess, 224, "loss3/classifier", inputs)

"""The three classifiers the papers start from: up to their last map before the scores, and whole."""
import torch
import torch.nn.functional as F

from peers.layers import lrn, max_pool


def vgg16_convs(p, x, pad, first="conv1_1", last=5):
    """The maps pool1 .. pool5, or as far as `last`, by name."""
    maps = {}
    for stage, convs in enumerate((2, 2, 3, 3, 3)[:last], 1):
        for i in range(1, convs + 1):
            name = f"conv{stage}_{i}"
            x = p.relu(first, x, padding=pad) if name == "conv1_1" else p.relu(name, x, padding=1)
        maps[f"pool{stage}"] = x = max_pool(x, 2)
    return maps


def vgg16(p, x, first="conv1_1"):
    """The maps pool1 .. pool5 and fc7, of an image with 100 pixels of padding."""
    maps = vgg16_convs(p, x, 100, first)
    return maps | {"fc7": p.relu("fc7", p.relu("fc6", maps["pool5"]))}


def alexnet_convs(p, x, pad):
    """CaffeNet: it pools before it normalises; conv2, conv4 and conv5 see half of the channels each."""
    x = lrn(max_pool(p.relu("conv1", x, stride=4, padding=pad), 3))
    x = lrn(max_pool(p.relu("conv2", x, padding=2, groups=2), 3))
    x = p.relu("conv3", x, padding=1)
    x = p.relu("conv4", x, padding=1, groups=2)
    return max_pool(p.relu("conv5", x, padding=1, groups=2), 3)


def alexnet(p, x):
    return p.relu("fc7", p.relu("fc6", alexnet_convs(p, x, 100)))


def inception(p, block, x):
    """Four views of one map, side by side: 1x1, 3x3, 5x5, and the strongest neighbour."""
    def relu(name, x, pad=0):
        return p.relu(f"inception_{block}/{name}", x, padding=pad)

    return torch.cat([
        relu("1x1", x),
        relu("3x3", relu("3x3_reduce", x), 1),
        relu("5x5", relu("5x5_reduce", x), 2),
        relu("pool_proj", F.max_pool2d(x, 3, stride=1, padding=1)),
    ], dim=1)


def googlenet(p, x, pad):
    x = lrn(max_pool(p.relu("conv1/7x7_s2", x, stride=2, padding=pad), 3))
    x = lrn(p.relu("conv2/3x3", p.relu("conv2/3x3_reduce", x), padding=1))
    for blocks in (("3a", "3b"), ("4a", "4b", "4c", "4d", "4e"), ("5a", "5b")):
        x = max_pool(x, 3)
        for block in blocks:
            x = inception(p, block, x)
    return x


def fully_connected(p, x):
    """The layers 6 to 8 of AlexNet and VGG16."""
    x = F.relu(p.linear("fc6", x.flatten(1)))
    return p.linear("fc8", F.relu(p.linear("fc7", x)))


CLASSIFIERS = {
    "vgg16": lambda p, x: fully_connected(p, vgg16_convs(p, x, 1)["pool5"]),
    "alexnet": lambda p, x: fully_connected(p, alexnet_convs(p, x, 0)),
    "googlenet": lambda p, x: p.linear("loss3/classifier", F.avg_pool2d(googlenet(p, x, 3), 7).flatten(1)),
}

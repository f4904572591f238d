"""ILSVRC classifiers as torchvision and timm store them: VGG16, with batch normalisation or without, and GoogLeNet."""
from functools import partial
from typing import NamedTuple

import numpy as np

from minifcn.errors import InputError
from minifcn.nets import build
from minifcn.nets.googlenet import BLOCKS
from minifcn.nets.surgery import convolutional
from minifcn.nets.vgg import STAGES
from minifcn.preprocess import Preprocessing
from minifcn.weights.folding import as_bgr, centred, with_norm
from minifcn.weights.layouts import Layout

MEAN = tuple(255 * mean for mean in (0.485, 0.456, 0.406))  # torchvision's, R, G, B, in grey levels
STD = tuple(255 * std for std in (0.229, 0.224, 0.225))
CAFFE_MEAN = (123, 117, 104)  # R, G, B of the features that were Caffe's once
VGG16 = {"name": "classifier", "body": "vgg16", "classes": 1000}
# without normalisation, and with its last pooling 2x2, as torchvision has it
GOOGLENET = {"name": "classifier", "body": "googlenet", "classes": 1000, "norm": False, "last_pool": 2}
TRANSFORMED = Preprocessing("RGB", (127.5, 127.5, 127.5), 1 / 127.5)  # transform_input brings -1..1 about
ALEXNET = {"features.0": (64, 3, 11, 11), "features.3": (192, 64, 5, 5), "features.6": (384, 192, 3, 3),
           "features.8": (256, 384, 3, 3), "features.10": (256, 256, 3, 3), "classifier.1": (4096, 9216),
           "classifier.4": (4096, 4096), "classifier.6": (1000, 4096)}
NORM = ("weight", "bias", "running_mean", "running_var")
COUNTERS = {"*.num_batches_tracked": "counters of training"}


class Source(NamedTuple):
    """Where a layer of ours lies: a layer of theirs, with biases or not, and the batch normalisation after it."""

    layer: str
    bias: bool = True
    norm: str | None = None


def layouts():
    """A Layout for every net."""
    net = build(seed=None, **VGG16)
    fc = {"fc6": Source("classifier.0"), "fc7": Source("classifier.3"), "fc8": Source("classifier.6")}
    yield _layout("torchvision's vgg16", VGG16, net.params, features(2) | fc, _vgg16)
    yield _layout("torchvision's vgg16_bn", VGG16, net.params, features(3) | fc, _vgg16, COUNTERS)
    fc = {"fc6": Source("pre_logits.fc1"), "fc7": Source("pre_logits.fc2")}  # convolutions already
    shapes = {**net.params, **{f"{name}.w": convolutional(net)[f"{name}.w"] for name in fc}}
    yield _layout("timm's vgg16", VGG16, shapes, features(2) | fc | {"fc8": Source("head.fc")}, _vgg16)
    net = build(seed=None, **GOOGLENET)
    shapes = {name: w[..., 1:4, 1:4] if name.endswith("/5x5.w") else w for name, w in net.params.items()}
    yield _layout("torchvision's googlenet", GOOGLENET, shapes, inception(), _googlenet,
                  COUNTERS | {"aux[12].*": "the extra losses, untrained as published"})
    wanted = {f"{name}.{kind}": ("", shape if kind == "weight" else shape[:1])
              for name, shape in ALEXNET.items() for kind in ("weight", "bias")}
    yield Layout("torchvision's alexnet", {}, wanted, _alexnet)


def features(step):
    """{our layer: Source} of VGG16's convolutions, in a row in which each takes `step` places and each pooling one."""
    found, n = {}, 0
    for i, widths in enumerate(STAGES, 1):
        for j in range(1, len(widths) + 1):
            found[f"conv{i}_{j}"] = Source(f"features.{n}", norm=f"features.{n + 1}" if step == 3 else None)
            n += step
        n += 1
    return found


def inception():
    """{our layer: Source} of torchvision's GoogLeNet."""
    parts = {"1x1": "branch1", "3x3_reduce": "branch2.0", "3x3": "branch2.1", "5x5_reduce": "branch3.0",
             "5x5": "branch3.1", "pool_proj": "branch4.1"}
    names = {"conv1/7x7_s2": "conv1", "conv2/3x3_reduce": "conv2", "conv2/3x3": "conv3",
             **{f"inception_{block}/{part}": f"inception{block}.{name}" for block in BLOCKS
                for part, name in parts.items()}}
    return {ours: Source(f"{name}.conv", False, f"{name}.bn") for ours, name in names.items()} | {
        "loss3/classifier": Source("fc")}


def _layout(title, recipe, like, sources, convert, left_out=None):
    """`like`: arrays of the shapes that the weights have in the file, by our names."""
    tensors = {}
    for ours, (layer, bias, norm) in sources.items():
        shape = like[f"{ours}.w"].shape
        tensors[f"{layer}.weight"] = f"{ours}.w", shape
        tensors |= {f"{layer}.bias": (f"{ours}.b", shape[:1])} if bias else {}
        tensors |= {f"{norm}.{part}": (f"in {ours}", shape[:1]) for part in NORM} if norm else {}
    return Layout(title, recipe, tensors, partial(convert, sources=sources), left_out or {})


def _params(contents, sources, eps):
    """Weights and biases by our names, batch normalisation folded into them."""
    params = {}
    for ours, (layer, bias, norm) in sources.items():
        w, b = contents.array(f"{layer}.weight"), contents.array(f"{layer}.bias") if bias else np.float32(0)
        if norm:
            gamma, beta, mean, variance = (contents.array(f"{norm}.{part}") for part in NORM)
            if variance.min() < 0:
                raise InputError(f"{contents.path}: {norm}.running_var: {variance.min():g} is no variance")
            w, b = with_norm(w, b, gamma, beta, mean, variance, eps)
        params |= {f"{ours}.w": w, f"{ours}.b": b}
    return params


def _vgg16(contents, sources):
    """Scaling and the order of the channels go into conv1_1, so that the mean is all that is left to preprocess."""
    mean, std, notes = MEAN, STD, []
    fc = [name for name in sources if name.startswith("fc")]
    if all(_no_numbers(contents, sources[name].layer) for name in fc):
        notes.append(f"{', '.join(fc)}: NaN, as published; only the convolutions are of use, which were Caffe's once")
        sources = {name: source for name, source in sources.items() if name not in fc}
        mean, std, fc = CAFFE_MEAN, (1, 1, 1), []
    params = _params(contents, sources, eps=1e-5)
    params["conv1_1.w"] = as_bgr(params["conv1_1.w"], std)
    divided = f" and the division by {', '.join(f'{s:g}' for s in std)}" if std == STD else ""
    notes.append(f"conv1_1: the order BGR{divided} folded in")
    for name in fc:
        w = params[f"{name}.w"]
        params[f"{name}.w"] = w.reshape(len(w), -1)
    if sources["conv1_1"].norm:
        notes.append("batch normalisation folded into the convolutions before it")
    return params, Preprocessing("BGR", mean[::-1], 1.0), notes


def _no_numbers(contents, layer):
    return any(np.isnan(contents.array(f"{layer}.{kind}", finite=False)).any() for kind in ("bias", "weight"))


def _googlenet(contents, sources):
    params = _params(contents, sources, eps=1e-3)
    for name, w in params.items():
        if name.endswith("/5x5.w"):
            params[name] = centred(w, 5)
    return params, TRANSFORMED, [
        "batch normalisation folded into the convolutions before it",
        "inception_*/5x5: 3x3 kernels, as published, in the middle of 5x5 of zeros",
        "input -1..1: as published, with transform_input"]


def _alexnet(contents):
    raise InputError(f"{contents.path}: torchvision's alexnet has 64 filters in features.0, no groups and no "
                     "normalisation; the body alexnet is CaffeNet: take bvlc_reference_caffenet.caffemodel")

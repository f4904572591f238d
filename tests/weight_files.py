"""Weight files as other programs write them, and what the nets in them compute, from their definitions."""
from importlib import import_module

import numpy as np

from minifcn import nets
from minifcn.nets import vgg
from minifcn.ops import average_pool2d, conv2d, linear, max_pool2d, relu

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # torchvision's, of RGB in 0..1

# ---- nets of few weights


def narrow(monkeypatch):
    """VGG16 with a few channels a layer, AlexNet with few in fc6 and fc7, under their own names."""
    monkeypatch.setattr(vgg, "STAGES", ((4, 4), (4, 4), (6, 6, 6), (8, 8, 8), (8, 8, 8)))
    monkeypatch.setattr(vgg, "FC", 12)
    monkeypatch.setattr(import_module("minifcn.nets.alexnet"), "FC", 12)  # by attribute that is the function

    def narrow_vgg16(*args, **options):
        body = vgg.vgg16(*args, **options)
        body.channels = {"pool3": 6, "pool4": 8, "pool5": 8, "drop7": 12}
        return body

    monkeypatch.setitem(nets.BODIES, "vgg16", narrow_vgg16)


def randomise(net, seed=0):
    """Random weights and biases in every layer, the constants too: nothing may come out right because it is zero."""
    rng = np.random.default_rng(seed)
    for w in net.params.values():
        fill(rng, w)
    return net


def fill(rng, w):
    """Uniform with variance 2 / inputs, biases small; a row at a time, which takes no memory."""
    high = (6 / w[0].size) ** 0.5 if w.ndim > 1 else 0.1
    for row in w.reshape(len(w), -1):
        row[...] = high * (2 * rng.random(row.shape, dtype=np.float32) - 1)
    return w


def random_image(seed=0, side=224):
    return np.random.default_rng(seed).integers(0, 256, (1, side, side, 3), np.uint8)


def relative_error(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


# ---- torchvision and timm


def vgg16_names(norm=False):
    """The names of torchvision's convolutions in their order."""
    found, n = [], 0
    for convs in (2, 2, 3, 3, 3):
        for _ in range(convs):
            found.append(f"features.{n}")
            n += 3 if norm else 2
        n += 1
    return found


def vgg16_tensors(net, norm=False, timm=False, rng=None):
    """The tensors of a file with the shapes of our classifier `net`, random."""
    rng = np.random.default_rng(1) if rng is None else rng
    theirs = vgg16_names(norm) + (["pre_logits.fc1", "pre_logits.fc2", "head.fc"] if timm else
                                  ["classifier.0", "classifier.3", "classifier.6"])
    ours = [name for name in net.params if name.endswith(".w")]
    tensors = {}
    for name, like in zip(theirs, ours, strict=True):
        shape = net.params[like].shape
        if name.startswith("pre_logits"):
            k = 7 if name.endswith("fc1") else 1
            shape = (shape[0], shape[1] // k**2, k, k)
        tensors[f"{name}.weight"] = fill(rng, np.empty(shape, np.float32))
        tensors[f"{name}.bias"] = fill(rng, np.empty(shape[0], np.float32))
        if norm and name.startswith("features"):
            tensors |= norm_tensors(rng, f"features.{int(name.rpartition('.')[2]) + 1}", shape[0])
    return tensors


def norm_tensors(rng, name, channels):
    return {f"{name}.weight": rng.uniform(0.5, 1.5, channels).astype(np.float32),
            f"{name}.bias": rng.normal(size=channels).astype(np.float32),
            f"{name}.running_mean": rng.normal(size=channels).astype(np.float32),
            f"{name}.running_var": rng.uniform(0.05, 2, channels).astype(np.float32),
            f"{name}.num_batches_tracked": np.array(7)}


def googlenet_tensors(net, aux=True):
    """torchvision's file for GoogLeNet with its 364 tensors, random."""
    rng, tensors = np.random.default_rng(2), {}

    def conv(name, *shape):
        tensors[f"{name}.conv.weight"] = fill(rng, np.empty(shape, np.float32))
        tensors.update(norm_tensors(rng, f"{name}.bn", shape[0]))

    def full(name, *shape):
        tensors[f"{name}.weight"], tensors[f"{name}.bias"] = (
            fill(rng, np.empty(shape, np.float32)), fill(rng, np.empty(shape[0], np.float32)))

    conv("conv1", 64, 3, 7, 7)
    conv("conv2", 64, 64, 1, 1)
    conv("conv3", 192, 64, 3, 3)
    for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
        shapes = {part: net.params[f"inception_{block}/{part}.w"].shape
                  for part in ("1x1", "3x3_reduce", "3x3", "5x5_reduce", "5x5", "pool_proj")}
        shapes["5x5"] = (*shapes["5x5"][:2], 3, 3)  # torchvision's well-known slip
        for part, shape in zip(("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1"),
                               shapes.values(), strict=True):
            conv(f"inception{block}.{part}", *shape)
    for name, channels in (("aux1", 512), ("aux2", 528)) if aux else ():
        conv(f"{name}.conv", 128, channels, 1, 1)
        full(f"{name}.fc1", 1024, 2048)
        full(f"{name}.fc2", 1000, 1024)
    full("fc", 1000, 1024)
    return tensors


def scaled(images, mean=MEAN, std=STD):
    """torchvision's preprocessing: uint8 (N,H,W,3) -> float64 (N,3,H,W)."""
    return ((images / 255 - mean) / std).transpose(0, 3, 1, 2)


class Reference:
    """Layers by the names of torchvision's tensors, in float64, batch normalisation as it is defined."""

    def __init__(self, tensors):
        self.tensors = tensors

    def get(self, name):
        return self.tensors[name].astype(np.float64)

    def conv(self, name, x, pad=0, stride=1):
        b = self.get(f"{name}.bias") if f"{name}.bias" in self.tensors else None
        return conv2d(x, self.get(f"{name}.weight"), b, stride=stride, pad=pad)[0]

    def norm(self, name, x, eps):
        gamma, beta, mean, var = (self.get(f"{name}.{part}")[:, None, None]
                                  for part in ("weight", "bias", "running_mean", "running_var"))
        return gamma * (x - mean) / np.sqrt(var + eps) + beta

    def full(self, name, x):
        w = self.get(f"{name}.weight")
        return linear(x.reshape(len(x), -1), w.reshape(len(w), -1), self.get(f"{name}.bias"))[0]

    def vgg16_features(self, x):
        norm, n = "features.1.running_var" in self.tensors, 0
        for convs in (2, 2, 3, 3, 3):
            for _ in range(convs):
                x = self.conv(f"features.{n}", x, pad=1)
                x = relu(self.norm(f"features.{n + 1}", x, 1e-5) if norm else x)[0]
                n += 3 if norm else 2
            x, n = max_pool2d(x, 2)[0], n + 1
        return x

    def vgg16(self, x, fc=("classifier.0", "classifier.3", "classifier.6")):
        x = self.vgg16_features(x)
        for name in fc[:2]:
            x = relu(self.full(name, x))[0]
        return self.full(fc[2], x)

    def googlenet(self, x):
        def block(name, x, pad=0, stride=1):
            return relu(self.norm(f"{name}.bn", self.conv(f"{name}.conv", x, pad, stride), 1e-3))[0]

        def pool(x, k):
            return max_pool2d(x, k, stride=2, ceil=True)[0]

        x = pool(block("conv1", x, 3, 2), 3)
        x = pool(block("conv3", block("conv2", x), 1), 3)
        for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
            i = f"inception{name}"
            x = np.concatenate([
                block(f"{i}.branch1", x), block(f"{i}.branch2.1", block(f"{i}.branch2.0", x), 1),
                block(f"{i}.branch3.1", block(f"{i}.branch3.0", x), 1),
                block(f"{i}.branch4.1", max_pool2d(x, 3, stride=1, pad=1, ceil=True)[0])], axis=1)
            x = pool(x, {"3b": 3, "4e": 2}[name]) if name in ("3b", "4e") else x
        return self.full("fc", average_pool2d(x, 7)[0])

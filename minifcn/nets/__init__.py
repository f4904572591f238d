"""Nets by name: build("fcn8s", body="vgg16", classes=21)."""
from functools import partial
from zlib import crc32

import numpy as np

from minifcn.nets.alexnet import alexnet
from minifcn.nets.classifier import Classifier
from minifcn.nets.fcn import FCN, NETS, SKIPS, Head
from minifcn.nets.googlenet import googlenet
from minifcn.nets.mini import mini
from minifcn.nets.modality import MODALITIES, with_modality
from minifcn.nets.vgg import vgg16

__all__ = ["BODIES", "FCN", "MODALITIES", "NETS", "SKIPS", "build"]

BODIES = {"mini": mini, "vgg16": vgg16, "alexnet": alexnet, "googlenet": googlenet}
SUFFIXES = ("_sem", "_geo")  # of the layers of two heads, as SIFT Flow's are called: semantic and geometric


def build(name, body="mini", classes=21, seed=0, *, modality="color", preprocess=None, learn_upsampling=False,
          dtype=np.float32, **options):
    """A net with fresh weights: a name in NETS ("fcn32s", "fcn16s", "fcn8s", ...) or "classifier", over a body.

    classes: how many, or a pair for two heads over one body; modality: what the input is, a name in MODALITIES;
    learn_upsampling: False, True, or "2x"; preprocess: another than the body's; `options` go to the body (dropout).
    Every layer draws from (seed, its name): layers of one name start alike in every net. With seed=None all start at
    zero, which takes neither time nor memory: to look at a net, or to load weights into it. Raises ValueError for names
    that are unknown, fewer than 2 classes, skips that a body has not, a preprocess whose channels are not the
    modality's, and a classifier of two heads or two streams.
    """
    if name not in (*NETS, "classifier"):
        raise ValueError(f"net {name!r} is none of {', '.join(NETS)}, classifier")
    if body not in BODIES:
        raise ValueError(f"body {body!r} is none of {', '.join(BODIES)}")
    if learn_upsampling not in (False, True, "2x"):
        raise ValueError(f"learn_upsampling {learn_upsampling!r} is none of False, True, 2x")
    several = classes if isinstance(classes, tuple | list) else (classes,)
    if not 1 <= len(several) <= len(SUFFIXES) or min(several) < 2:
        raise ValueError(f"{classes} classes: a net needs at least 2 to choose from, and has at most two heads")
    if name == "classifier" and (len(several) > 1 or modality == "color-hha"):
        raise ValueError("a classifier has one head, over one stream")

    def rng_for(layer):
        return None if seed is None else np.random.default_rng([seed, crc32(layer.encode())])

    make = partial(BODIES[body], dtype=dtype, classifier=name == "classifier", **options)
    made = with_modality(make, rng_for, modality, preprocess)
    if name == "classifier":
        return Classifier(rng_for, made, classes, dtype)
    net = NETS[name]
    if "coarse" in net:
        made = made.until(net["coarse"])
    suffixes = SUFFIXES if len(several) > 1 else ("",)
    heads = [Head(made, count, net.get("skips", ()), net.get("scales"), suffix, learn_upsampling, dtype)
             for count, suffix in zip(several, suffixes, strict=True)]
    fcn = FCN(name, made, *heads)
    return fcn.freeze_body() if net.get("fixed") else fcn

"""Nets by name: build("fcn8s", body="mini", classes=7)."""
from zlib import crc32

import numpy as np

from minifcn.nets.classifier import Classifier
from minifcn.nets.fcn import FCN, SKIPS, Head
from minifcn.nets.mini import mini

BODIES = {"mini": mini}


def build(name, body="mini", classes=21, seed=0, *, learn_upsampling=False, dtype=np.float32, **options):
    """A net with fresh weights: "fcn32s", "fcn16s", "fcn8s" or "classifier" over a body, `options` going to the latter.

    Every layer draws from (seed, its name): layers of one name start alike in every net. Raises ValueError for names
    that are unknown and fewer than 2 classes.
    """
    if name not in (*SKIPS, "classifier"):
        raise ValueError(f"net {name!r} is none of {', '.join(SKIPS)}, classifier")
    if body not in BODIES:
        raise ValueError(f"body {body!r} is none of {', '.join(BODIES)}")
    if classes < 2:
        raise ValueError(f"{classes} classes: a net needs at least 2 to choose from")

    def rng_for(layer):
        return np.random.default_rng([seed, crc32(layer.encode())])

    body = BODIES[body](rng_for, dtype, **options)
    if name == "classifier":
        return Classifier(rng_for, body, classes, dtype)
    return FCN(name, body, Head(body, SKIPS[name], classes, learn_upsampling, dtype), classes)

"""The papers' models by the names of the authors' folders: (weights by name, x) -> scores, a pair of two heads.

Kernels, strides and offsets are typed in as the authors' prototxts have them [fcn.berkeleyvision.org].
"""
from functools import partial

from peers.bodies import alexnet, googlenet, vgg16, vgg16_convs
from peers.layers import Layers, crop

# A head is the three streams of figure 3: p its layers, score(name, pool) a score layer on a map, x the image.


def head32s(p, score, x):
    return crop(p.up("upscore", score("score_fr", "fc7"), 32), 19, x)


def head16s(p, score, x):
    up = p.up("upscore2", score("score_fr", "fc7"), 2)
    up = p.up("upscore16", up + crop(score("score_pool4", "pool4"), 5, up), 16)
    return crop(up, 27, x)


def head8s(p, score, x):
    up = p.up("upscore2", score("score_fr", "fc7"), 2)
    up = p.up("upscore_pool4", up + crop(score("score_pool4", "pool4"), 5, up), 2)
    up = p.up("upscore8", up + crop(score("score_pool3", "pool3"), 9, up), 8)
    return crop(up, 31, x)


def on(p, maps):
    """Score layers on the maps of one body."""
    return lambda name, pool: p.conv(name, maps[pool])


def fcn(head, weights, x, first="conv1_1"):
    p = Layers(weights)
    return head(p, on(p, vgg16(p, x, first)), x)


def at_once(weights, x):
    """FCN-8s whose streams are scaled to about the same size, to be trained in one go [PAMI 4.3]."""
    p = Layers(weights)
    maps = vgg16(p, x)
    return head8s(p, on(p, maps | {"pool4": 0.01 * maps["pool4"], "pool3": 0.0001 * maps["pool3"]}), x)


def cut_off(stage, stride, offset, weights, x):
    """A net that ends at a pool and is scored there [PAMI table 3]."""
    p, pool = Layers(weights), f"pool{stage}"
    score = p.conv(f"score_{pool}", vgg16_convs(p, x, 100, last=stage)[pool])
    return crop(p.up("upscore", score, stride), offset, x)


def two_heads(head, weights, x):
    """SIFT Flow: 33 semantic and 3 geometric classes over one body."""
    maps = vgg16(Layers(weights), x)
    return tuple(head(p, on(p, maps), x) for p in (Layers(weights, "_sem"), Layers(weights, "_geo")))


def late_fusion(head, weights, x):
    """Two streams, one sees colours and one HHA; their scores meet half and half."""
    color, hha = Layers(weights, "color"), Layers(weights, "hha")
    of_color, of_hha = on(color, vgg16(color, x[:, :3])), on(hha, vgg16(hha, x[:, 3:]))
    return head(Layers(weights), lambda *layer: 0.5 * of_color(*layer) + 0.5 * of_hha(*layer), x)


def fcn_alexnet(weights, x):
    p = Layers(weights)
    return crop(p.up("upscore", p.conv("score_fr", alexnet(p, x)), 32), 18, x)


def fcn_googlenet(weights, x):
    """Never released: padding 100 as in the others, and the offset that follows from it."""
    p = Layers(weights)
    return crop(p.up("upscore", p.conv("score_fr", googlenet(p, x, 100)), 32), 98, x)


HEADS = {"fcn32s": head32s, "fcn16s": head16s, "fcn8s": head8s}
FORWARD = {
    **{f"{data}-{name}": partial(fcn, head) for data in ("voc", "pascalcontext") for name, head in HEADS.items()},
    "voc-fcn32s-fixed": partial(fcn, head32s),
    "voc-fcn8s-atonce": at_once,
    "voc-fcn-pool5": partial(cut_off, 5, 32, 115),
    "voc-fcn-pool4": partial(cut_off, 4, 16, 107),
    "voc-fcn-pool3": partial(cut_off, 3, 8, 103),
    "voc-fcn-alexnet": fcn_alexnet,
    "voc-fcn-googlenet": fcn_googlenet,
    **{f"siftflow-{name}": partial(two_heads, head) for name, head in HEADS.items()},
    "nyud-fcn32s-color": partial(fcn, head32s),
    "nyud-fcn32s-hha": partial(fcn, head32s),
    "nyud-fcn32s-color-d": partial(fcn, head32s, first="conv1_1_bgrd"),
    "nyud-fcn32s-color-hha": partial(late_fusion, head32s),
    "nyud-fcn16s-color-hha": partial(late_fusion, head16s),
}

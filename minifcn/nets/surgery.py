"""Net surgery: parameters of one net as those of another, without learning anything anew [authors' surgery.py].

A fully connected layer over a map of C x K x K, (F, C*K*K), is a convolution with as many K x K kernels, (F,C,K,K): the
same numbers in the same order [CVPR 3.1, PAMI 3.1]. Over a larger map it has more than one place to fit, and answers
with a map of answers.
"""
import numpy as np

LAST = ("fc8", "loss3/classifier")  # the layer that names an image's class, in VGG16 and AlexNet, and in GoogLeNet


def convolutional(net):
    """The parameters of a Classifier as those of an FCN over the same body, by name: views, nothing is copied.

    Its last layer becomes score_fr (the papers drop it for one that starts at zero: their classes are others).
    """
    params = {}
    for name, w in _scoring(net.params).items():
        layer, _, kind = name.rpartition(".")
        if kind == "w" and w.ndim == 2:
            kernel = 1 if layer == "score_fr" else net.body.layers[layer].kernel
            w = w.reshape(len(w), -1, kernel, kernel)
        params[name] = w
    return params


def into(net, *sources):
    """What goes into an FCN from a trained net: ({name: array}, [names of what stays fresh]).

    sources: parameters by name, of a classifier or an FCN over the same body; for two streams one for both, or one for
    each. Fully connected layers become convolutions; the first layer takes depth where the net does; score and
    upsampling layers of other classes are left out. Raises ValueError where a layer of the body has another shape.
    """
    streams = net.body.streams
    if len(sources) not in (1, len(streams)):
        raise ValueError(f"{len(sources)} sources for {len(streams)} streams: one for all is needed, or one for each")
    found = {}
    for suffix, params in zip(streams, sources * len(streams), strict=False):
        params = _with_depth(_scoring(params), net)
        for end in ("", suffix):  # what has two streams already goes into two streams by its own names
            found |= transplant(params, net, end)
            for name, w in params.items():
                layer, _, kind = name.rpartition(".")
                mine = f"{layer}{end}.{kind}"
                if layer + end in net.body.layers and mine not in found:
                    raise ValueError(f"{name} has shape {w.shape}, {mine} here {net.params[mine].shape}: another body")
    return found, [name for name in net.params if not net.fixed(name) and name not in found]


def transplant(params, net, suffix=""):
    """{name: array} of what `net` has, too, in its shapes: views of the same numbers in the same order.

    `suffix` is added to the layers' names: "conv1_1.w" goes into "conv1_1hha.w". What `net` has not, or with another
    number of filters or weights, is left out.
    """
    mine, found = net.params, {}
    for name, w in params.items():
        layer, _, kind = name.rpartition(".")
        name = f"{layer}{suffix}.{kind}"
        if name in mine and len(w) == len(mine[name]) and w.size == mine[name].size:
            found[name] = w.reshape(mine[name].shape)
    return found


def widen(w):
    """Filters of a first layer for one channel more, (F,C,K,K) -> (F,C+1,K,K): its slice is the mean of the others."""
    return np.concatenate([w, w.mean(axis=1, keepdims=True)], axis=1)


def expand_score(old, new):
    """Weights or biases of a score layer for more classes, (C,...) and (D,...) -> (D,...): the first C are the old."""
    if old.shape[1:] != new.shape[1:] or len(old) > len(new):
        raise ValueError(f"a score layer of shape {old.shape} does not fit into one of {new.shape}")
    return np.concatenate([old, new[len(old):]])


def _scoring(params):
    """A classifier's last layer under the name of a score layer."""
    return {f"score_fr.{name.rpartition('.')[2]}" if name.startswith(tuple(f"{last}." for last in LAST)) else name: w
            for name, w in params.items()}


def _with_depth(params, net):
    """The first layer of a colour net also as that of early fusion, where `net` has one."""
    first = next(iter(net.body.layers))
    plain = first.removesuffix("_bgrd")
    if first == plain or f"{plain}.w" not in params:
        return params
    return {**params, f"{first}.w": widen(params[f"{plain}.w"]), f"{first}.b": params[f"{plain}.b"]}

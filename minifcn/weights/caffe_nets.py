"""Nets as Caffe stores them: the papers' models, and the ILSVRC classifiers that they start from.

Names, shapes and numbers are ours, for ours are the authors'. (Most of what is told here of published files was read
from the networks' definitions and from other people's code, not from the files themselves.)
"""
from functools import partial

from minifcn.errors import InputError
from minifcn.nets import build
from minifcn.nets.models import MODELS
from minifcn.preprocess import VOC_MEAN, Preprocessing
from minifcn.weights.layouts import Layout

VGG_MEAN = Preprocessing("BGR", (103.939, 116.779, 123.68), 1.0)  # VGG's authors
GOOGLENET_MEAN = Preprocessing("BGR", (104, 117, 123), 1.0)  # BVLC's train_val.prototxt
CLASSIFIERS = {"vgg16": ("VGG16 in Caffe", VGG_MEAN, {}), "alexnet": ("CaffeNet", VOC_MEAN, {}),
               "googlenet": ("GoogLeNet in Caffe", GOOGLENET_MEAN, {"loss[12]/*": "the extra losses of its training"})}


def layouts():
    """A Layout for every net."""
    for model, recipe in MODELS.items():
        yield _layout(model, recipe, _as_it_is, model=model)
    for body, (title, mean, left_out) in CLASSIFIERS.items():
        recipe = {"name": "classifier", "body": body, "classes": 1000, "preprocess": mean}
        yield _layout(title, recipe, _caffenet if body == "alexnet" else _as_it_is, left_out=left_out)


def _layout(title, recipe, convert, **other):
    net = build(seed=None, **recipe)
    tensors = {name: (name, w.shape) for name, w in net.params.items()}
    convert = partial(convert, names=list(tensors), preprocess=net.preprocess)
    return Layout(title, {**recipe, "preprocess": net.preprocess}, tensors, convert, **other)


def _as_it_is(contents, names, preprocess):
    return {name: contents.array(name) for name in names}, preprocess, []


def _caffenet(contents, names, preprocess):
    """AlexNet has CaffeNet's shapes and normalises before it pools: only the graph tells them apart, if it is there."""
    fed = contents.bottoms.get("norm1")
    if fed and "pool1" not in fed:
        raise InputError(f"{contents.path}: AlexNet, for its norm1 is fed by {fed[0]}; the body alexnet is CaffeNet, "
                         "which pools first, as in the papers: take bvlc_reference_caffenet.caffemodel")
    params, preprocess, _ = _as_it_is(contents, names, preprocess)
    notes = ["trained on images less a mean image; here less the mean of each channel"]
    if not fed:
        notes.append("taken for CaffeNet: AlexNet has the same shapes, and no norm1 in the file tells which it is")
    return params, preprocess, notes

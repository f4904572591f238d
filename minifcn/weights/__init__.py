"""Other people's weight files, as parameters of our nets: torchvision's and timm's classifiers, Caffe's, the papers'.

    weights = read("fcn8s-heavy-pascal.caffemodel")
    net = weights.build()

Which net it is, is told by the names and shapes of the tensors, never by the name of the file.
"""
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from minifcn.errors import InputError
from minifcn.nets import build
from minifcn.preprocess import Preprocessing
from minifcn.weights import caffe_nets, torch_nets
from minifcn.weights.formats import is_safetensors, open_file, open_safetensors
from minifcn.weights.layouts import recognise

__all__ = ["Weights", "is_checkpoint", "read"]


@dataclass
class Weights:
    """A file's parameters by our names, float32, and what build() needs to make their net.

    net: "classifier" or a name in NETS; classes: how many, or a pair; model: a name in MODELS, or None; options: what
    the body is built with ("norm", "last_pool"); notes: lines on what was folded or left out. Parameters are views of
    the file's own memory where they can be.
    """

    path: Path
    format: str
    title: str
    net: str
    body: str
    params: dict
    classes: int | tuple
    preprocess: Preprocessing
    modality: str = "color"
    model: str | None = None
    options: dict = field(default_factory=dict)
    notes: list = field(default_factory=list)

    def build(self):
        """The net with these weights. InputError where they are not all of them."""
        net = build(self.net, self.body, self.classes, None, modality=self.modality, preprocess=self.preprocess,
                    **self.options)
        if fresh := [name for name in net.params if name not in self.params]:
            raise InputError(f"{self.path}: no whole net, for {', '.join(fresh)} are missing; an FCN can start from it "
                             f"as it is: python -m minifcn.train --weights {self.path}")
        net.load(self.params)
        return net


def read(path, as_model=None):
    """The Weights of a file, safetensors, torch's .pth, or .caffemodel.

    as_model: the name in MODELS of what it is, where its tensors do not tell. InputError, one line, for a file that is
    missing, damaged, not of a net known here, or not to the last tensor, and for a checkpoint of minifcn's own.
    """
    contents = open_file(path)
    return convert(contents, layout_of(contents, as_model))


def is_checkpoint(path):
    """Whether a file is a checkpoint of minifcn's own, which checkpoint.read() reads; InputError for a damaged file."""
    return is_safetensors(path) and "minifcn" in open_safetensors(path).metadata


def layout_of(contents, as_model=None):
    """The Layout that a file's contents are in."""
    if "minifcn" in contents.metadata:
        raise InputError(f"{contents.path}: a checkpoint of minifcn's own; minifcn.load opens it as it is")
    return recognise(contents, [*caffe_nets.layouts(), *torch_nets.layouts()], as_model)


def convert(contents, layout):
    """The Weights of a file in a layout."""
    params, preprocess, notes = layout.convert(contents)
    left_out = Counter(layout.reason(name) for name in contents.tensors if name not in layout.tensors)
    notes += [f"left out: {count} tensors, {reason}" for reason, count in left_out.items()]
    options = {key: value for key, value in layout.recipe.items() if key != "preprocess"}
    return Weights(contents.path, contents.format, layout.title, options.pop("name"), options.pop("body"), params,
                   options.pop("classes"), preprocess, options.pop("modality", "color"), layout.model, options, notes)

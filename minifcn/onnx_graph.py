"""A Model as an ONNX graph: from the image as people have it to scores and labels."""
import json

import numpy as np
from onnx import TensorProto, helper

import minifcn
from minifcn.datasets.base import kinds
from minifcn.nets.classifier import Classifier
from minifcn.onnx_layers import Drawing
from minifcn.preprocess import ORDERS

OPSET, IR_VERSION = 17, 8  # every operator in the form that it had until opset 22


def draw(model):
    """A Model -> the ModelProto without its arrays, and those: {name: array}.

    Input "image": uint8 (N,H,W,C), uint16 where a channel is depth. Outputs "scores" float32 (N,classes,H,W) and
    "labels" uint8 (N,H,W), both followed by "_sem" and "_geo" where there are two heads; of a classifier "scores"
    (N,classes) alone. Metadata, JSON texts as in checkpoints: minifcn, net, body, classes, max_side.
    """
    net, to = model.net, Drawing()
    outputs = _heads(to, net, _preprocess(to, net.preprocess))
    sides = [net.side] * 2 if isinstance(net, Classifier) else ["H", "W"]
    kind = helper.np_dtype_to_tensor_dtype(net.preprocess.dtype)
    image = helper.make_tensor_value_info("image", kind, ["N", *sides, net.preprocess.channels])
    drawn = helper.make_model(
        helper.make_graph(to.nodes, net.name, [image], outputs), doc_string=describe(model), ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)], producer_name="minifcn", producer_version=minifcn.__version__)
    meta = {"minifcn": minifcn.__version__, "net": net.name, "body": net.body.name, "classes": model.classes,
            "max_side": model.max_side}
    helper.set_model_props(drawn, {key: json.dumps(value) for key, value in meta.items()})
    return drawn, to.arrays


def describe(model):
    """A sentence for people: the net, what images it takes, and what is done about their size."""
    net = model.net
    classes = " and ".join(str(len(names)) for names in kinds(model.classes))
    text = f"{net.name} over {net.body.name}, {classes} classes; images are {net.preprocess.images}"
    if model.max_side is None:
        return text
    return (f"{text}. Resizing is not in the graph: shrink images to at most {model.max_side} pixels a side, and "
            "enlarge their scores, never their labels")


def _preprocess(to, preprocess):
    """"image", (N,H,W,C) as people have it, becomes what the net is given: Preprocessing.__call__, node by node."""
    x = to.node("Cast", "image", output="image.float", to=TensorProto.FLOAT)
    x = to.node("Transpose", x, output="image.planes", perm=[0, 3, 1, 2])
    x = to.node("Gather", x, to.array("order", np.array(ORDERS[preprocess.order])), output="image.ordered", axis=1)
    mean = to.array("mean", np.float32(preprocess.mean).reshape(-1, 1, 1))
    if "D" in preprocess.order:
        x = _log_depth(to, preprocess, x, mean)
    x = to.node("Sub", x, mean, output="image.centred")
    return to.node("Mul", x, to.array("scale", np.array(preprocess.scale, np.float32)), output="data")


def _log_depth(to, preprocess, x, mean):
    """Of depth the natural logarithm, and its mean where it is 0, unknown."""
    depth = to.array("depth", np.array([channel == "D" for channel in preprocess.order]).reshape(-1, 1, 1))
    known = to.node("Greater", x, to.array("depth.zero", np.zeros((), np.float32)), output="depth.known")
    log = to.node("Log", x, output="depth.log")  # -inf where it is not known, which is not chosen
    log = to.node("Where", known, log, mean, output="depth.filled")
    return to.node("Where", depth, log, x, output="image.depth")


def _heads(to, net, data):
    """Append all of a net; its outputs: two for each head, the scores alone of a classifier."""
    maps = {"data": data}
    if isinstance(net, Classifier):
        to.layers(net.graph, maps)
        return [_scores(to, "scores", net.classes)]
    to.layers(net.body, maps)
    outputs = []
    for head in net.heads:
        scores, labels = f"scores{head.suffix}", f"labels{head.suffix}"
        to.layers(head.graph, maps)
        outputs.append(_scores(to, scores, head.classes, "H", "W"))
        best = to.node("ArgMax", scores, output=f"{labels}.wide", axis=1, keepdims=0)
        to.node("Cast", best, output=labels, to=TensorProto.UINT8)
        outputs.append(helper.make_tensor_value_info(labels, TensorProto.UINT8, ["N", "H", "W"]))
    return outputs


def _scores(to, name, classes, *sides):
    """The output that the last node gives, under this name."""
    to.nodes[-1].output[0] = name
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", classes, *sides])

"""The layers of a net as ONNX nodes: one small function for each kind.

Everything is of opset 17, where these operators have the forms that consumers from 2022 on read. Maps are called as the
layers that make them, weights as in checkpoints. Dropout is left out, as always but in training.
"""
import numpy as np
from onnx import helper

from minifcn import layers
from minifcn.nets import joints

ROWS_AND_COLUMNS = np.array([2, 3])  # the axes H and W


class Drawing:
    """Nodes in order, and by name the arrays that they use: the net's own, nothing is copied."""

    def __init__(self):
        self.nodes, self.arrays = [], {}

    def node(self, op, *inputs, output, **attributes):
        """Append a node that is called as its output; that name."""
        self.nodes.append(helper.make_node(op, inputs, [output], output, **attributes))
        return output

    def array(self, name, value):
        """Add an array; its name."""
        self.arrays[name] = value
        return name

    def params(self, name, layer):
        """Add a layer's parameters; their names."""
        return [self.array(f"{name}.{key}", value) for key, value in layer.params.items()]

    def layers(self, graph, maps):
        """Append all layers of a Graph; maps {name of a map there: its name here} grows by theirs."""
        for name, layer, sources in graph.walk():
            maps[name] = LAYERS[type(layer)](self, name, layer, *(maps[source] for source in sources))


# ---- (drawing, name, layer, names of what it is fed) -> name of what it gives

def _windows(layer):
    return {"kernel_shape": [layer.kernel] * 2, "strides": [layer.stride] * 2, "pads": [layer.pad] * 4}


def _conv(to, name, layer, x):
    return to.node("Conv", x, *to.params(name, layer), output=name, **_windows(layer),
                   dilations=[layer.dilation] * 2, group=layer.groups)


def _conv_transpose(to, name, layer, x):
    """A kernel that treats each channel on its own, as the bilinear one does, becomes one of as many groups."""
    w = layer.params["w"]
    diagonal = w[np.arange(len(w)), np.arange(len(w))]
    alone = np.count_nonzero(w) == np.count_nonzero(diagonal)
    kernel = to.array(f"{name}.w", diagonal[:, None] if alone else w)
    return to.node("ConvTranspose", x, kernel, output=name, **_windows(layer), group=len(w) if alone else 1)


def _max_pool(to, name, layer, x):
    rounds = layer.ceil and layer.stride > 1  # or nothing is rounded, and onnx's own evaluator gets padded ones wrong
    return to.node("MaxPool", x, output=name, **_windows(layer), dilations=[layer.dilation] * 2, ceil_mode=int(rounds))


def _average_pool(to, name, layer, x):
    return to.node("AveragePool", x, output=name, **_windows(layer))


def _relu(to, name, layer, x):
    return to.node("Relu", x, output=name)


def _dropout(to, name, layer, x):
    return x


def _norm(to, name, layer, x):
    return to.node("LRN", x, output=name, **layer.options, bias=1.0)


def _scale(to, name, layer, x):
    return to.node("Mul", x, to.array(f"{name}.w", layer.params["w"].reshape(-1, 1, 1)), output=name)


def _linear(to, name, layer, x):
    flat = to.node("Flatten", x, output=f"{name}.flat")  # what is flat already stays as it is
    return to.node("Gemm", flat, *to.params(name, layer), output=name, transB=1)


def _sum(to, name, layer, *maps):
    if layer.factor == 1:
        return to.node("Sum", *maps, output=name)
    total = to.node("Sum", *maps, output=f"{name}.sum")
    return to.node("Mul", total, to.array(f"{name}.factor", np.array(layer.factor, np.float32)), output=name)


def _concat(to, name, layer, *maps):
    return to.node("Concat", *maps, output=name, axis=1)


def _crop(to, name, layer, x, like):
    """As much as `like` is large, which is known only when the graph runs."""
    size = to.node("Shape", like, output=f"{name}.size", start=2, end=4)
    starts = to.array(f"{name}.starts", np.array([layer.offset] * 2))
    ends = to.node("Add", size, starts, output=f"{name}.ends")
    return to.node("Slice", x, starts, ends, to.array("rows_and_columns", ROWS_AND_COLUMNS), output=name)


def _channels(to, name, layer, x):
    bounds = {"starts": layer.some.start, "ends": layer.some.stop, "axes": 1}
    return to.node("Slice", x, *(to.array(f"{name}.{key}", np.array([i])) for key, i in bounds.items()), output=name)


LAYERS = {
    layers.Conv2d: _conv, layers.ConvTranspose2d: _conv_transpose, layers.MaxPool2d: _max_pool,
    layers.AveragePool2d: _average_pool, layers.ReLU: _relu, layers.Dropout: _dropout,
    layers.LocalResponseNorm: _norm, layers.Scale: _scale, layers.Linear: _linear,
    joints.Sum: _sum, joints.Concat: _concat, joints.Crop: _crop, joints.Channels: _channels,
}

"""What an FCN is made from: a net of the same convolutions that names an image of one size, whole.

    pool5 (C,K,K) -> flattened -> fc6 -> relu -> fc7 -> relu -> fc8: one score a class

Its fully connected layers hold the same numbers as an FCN's convolutions, in the same order: see surgery.py.
"""
import numpy as np

from minifcn.layers import Linear
from minifcn.nets.graph import Graph
from minifcn.nets.net import Net


class Classifier(Net):
    """The body's layers, those named fc... fully connected, and a last one for the classes, fc8 but in GoogLeNet.

    `side`: of the images it takes.
    """

    def __init__(self, rng_for, body, classes, dtype=np.float32):
        super().__init__("classifier", body, classes)
        self.side = body.side
        layers, inputs = {}, {}
        for name, layer, sources in body.walk():
            if name.startswith("fc"):
                w, b = layer.params["w"], layer.params["b"]
                layer = Linear(w.reshape(len(w), -1), b)
            layers[name], inputs[name] = layer, sources
        w = np.zeros((classes, body.channels[body.coarse]), dtype)
        if (rng := rng_for(body.last)) is not None:
            rng.standard_normal(dtype=dtype, out=w)
            w *= w.shape[1] ** -0.5  # no ReLU follows
        layers[body.last] = Linear(w, np.zeros(classes, dtype))
        self.graph = Graph(layers, inputs)
        self.graph.find_needs({"data": False})

    @property
    def layers(self):
        """All layers by name, in the order of the forward pass."""
        return self.graph.layers

    def forward(self, x, train=False):
        """Scores of every class for every image: x (N,C,side,side), preprocessed -> (N,classes).

        Raises ValueError for images of another size: fully connected layers have no weights for them.
        """
        wanted = self.preprocess.channels, self.side, self.side
        if x.ndim != 4 or x.shape[1:] != wanted:
            raise ValueError(f"x must be (N,{','.join(map(str, wanted))}) for this classifier, not {x.shape}; "
                             "an FCN made from it takes any size (minifcn.nets.surgery)")
        return self.graph.forward({"data": x}, train)[self.body.last]

    def backward(self, dscores):
        """Fill `grads` from the gradient of the scores, (N,classes)."""
        self.graph.backward({self.body.last: dscores})

"""What an FCN is made from: a net of the same convolutions that names an image of one size, whole.

    pool5 (C,K,K) -> flattened -> fc6 -> relu -> fc7 -> relu -> fc8: one score a class

Its fully connected layers hold the same numbers as an FCN's convolutions, in the same order: see surgery.py.
"""
import numpy as np

from minifcn.layers import Linear
from minifcn.nets.geometry import Grid
from minifcn.nets.net import Net


class Classifier(Net):
    """The body's layers, those named fc... fully connected, and fc8 for the classes. `side`: of the images it takes."""

    def __init__(self, rng_for, body, classes, dtype=np.float32):
        super().__init__("classifier", body, classes)
        grid, self.side, self.layers = Grid(), None, {}
        for name, layer in body.layers.items():
            if name.startswith("fc"):
                self.side = self.side or grid.step * layer.kernel  # fc6 fits into the last map in one place
                w, b = layer.params["w"], layer.params["b"]
                layer = Linear(w.reshape(len(w), -1), b)
            self.layers[name] = layer
            grid = grid.after(layer)
        numbers = body.channels[body.coarse]
        w = rng_for("fc8").standard_normal((classes, numbers), dtype=dtype)
        w *= numbers**-0.5  # no ReLU follows
        self.layers["fc8"] = Linear(w, np.zeros(classes, dtype))

    def forward(self, x, train=False):
        """Scores of every class for every image: x (N,3,side,side), preprocessed -> (N,classes).

        Raises ValueError for images of another size: fully connected layers have no weights for them.
        """
        if x.ndim != 4 or x.shape[1:] != (3, self.side, self.side):
            raise ValueError(f"x must be (N,3,{self.side},{self.side}) for this classifier, not {x.shape}; "
                             "an FCN made from it takes any size (minifcn.nets.surgery)")
        for layer in self.layers.values():
            x = layer.forward(x, train)
        return x

    def backward(self, dscores):
        """Fill `grads` from the gradient of the scores, (N,classes)."""
        for layer in reversed(self.layers.values()):
            dscores = layer.backward(dscores)

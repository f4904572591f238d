"""What every net is to those who train, save and load it: layers by name, and their parameters."""
from types import MappingProxyType
from zlib import crc32

from minifcn.backend import to_device
from minifcn.layers import ConvTranspose2d, Dropout, Scale


class Net:
    """Named layers over a body; what they compute is the subclasses' affair."""

    def __init__(self, name, body, classes):
        self.name, self.body, self.classes, self.device = name, body, classes, "cpu"
        self.preprocess = body.preprocess

    @property
    def params(self):
        """Read-only mapping of the live arrays: "conv1_1.w", "score_fr.b", "upscore2.w", ..., fixed ones included."""
        return self._named("params")

    @property
    def grads(self):
        """Gradients of the last backward pass by parameter name; names that are trained only."""
        return self._named("grads")

    @property
    def learned(self):
        """The names of the parameters that training changes."""
        return [f"{name}.{key}" for name, layer in self.layers.items() if layer.learn for key in layer.params]

    def fixed(self, name):
        """Whether a parameter is a constant by design: an upsampling kernel that is not trained, or a scale."""
        layer = self.layers[name.rpartition(".")[0]]
        return isinstance(layer, ConvTranspose2d | Scale) and not layer.learn

    def _named(self, what):
        return MappingProxyType({f"{name}.{key}": value for name, layer in self.layers.items()
                                 for key, value in getattr(layer, what).items()})

    def reseed(self, *key):
        """Let dropout draw from `key`, whole numbers such as (seed, stage, step): a resumed run draws the same."""
        for name, layer in self.layers.items():
            if isinstance(layer, Dropout):
                layer.seed = [*key, crc32(name.encode())]

    def to_device(self, device):
        """Move all weights to "cpu" or "gpu". Returns the net."""
        for layer in self.layers.values():
            layer.to_device(device)
        self.device = device
        return self

    def load(self, params):
        """Copy arrays by name, as the authors go from 32s to 16s to 8s; what only one side has stays as it is.

        Returns the names that were copied. Raises ValueError where a name is the same and its shape is not.
        """
        mine = self.params
        names = [name for name in params if name in mine]
        for name in names:
            if mine[name].shape != params[name].shape:
                raise ValueError(f"{name} has shape {mine[name].shape} here and {params[name].shape} there: "
                                 "another body, or another number of classes")
        for name in names:
            mine[name][...] = to_device(params[name], self.device)
        return names

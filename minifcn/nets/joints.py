"""Joints: layers without weights where maps meet or part. Several maps in, and a gradient back for each of them."""
import numpy as np

from minifcn.backend import array_module
from minifcn.layers import Layer
from minifcn.ops import crop, crop_backward


class Joint(Layer):
    """forward(*maps, train=False) -> y, backward(dy) -> a gradient for each of the maps, None where it has none."""

    def forward(self, *maps, train=False):
        y, cache = self._join(*maps)
        self.cache = cache if train else None
        return y

    def shape(self, first, *others):
        return first


class Sum(Joint):
    """y = (a + b + ...) * factor. A sum hands its gradient to all of its terms."""

    def __init__(self, factor=1.0):
        super().__init__()
        self.factor = factor

    def _join(self, first, *others):
        y = first + others[0] if others else first.copy()
        for term in others[1:]:
            y += term
        if self.factor != 1:
            y *= self.factor
        return y, (1 + len(others),)

    def _backward(self, dy, cache):
        return (dy if self.factor == 1 else dy * self.factor,) * cache[0]


class Concat(Joint):
    """The channels of all maps, one map after the other."""

    def shape(self, first, *others):
        return first[0], first[1] + sum(other[1] for other in others), *first[2:]

    def _join(self, *maps):
        return array_module(*maps).concatenate(maps, axis=1), ([m.shape[1] for m in maps],)

    def _backward(self, dy, cache):
        ends = np.cumsum(cache[0])
        return tuple(dy[:, end - c:end] for c, end in zip(cache[0], ends, strict=True))


class Crop(Joint):
    """crop: of the first map as much as the second is large, from cell `offset` on."""

    def __init__(self, offset):
        super().__init__()
        self.offset = offset

    def shape(self, first, like):
        return *first[:2], *like[2:]

    def _join(self, x, like):
        return crop(x, self.offset, *like.shape[2:])

    def _backward(self, dy, cache):
        return crop_backward(dy, cache), None


class Channels(Joint):
    """Channels start..stop of one map: what a stream of its own is given. Nobody asks for their gradient."""

    def __init__(self, start, stop):
        super().__init__()
        self.some = slice(start, stop)

    def shape(self, shape):
        return shape[0], self.some.stop - self.some.start, *shape[2:]

    def _join(self, x):
        return x[:, self.some], ()

    def _backward(self, dy, cache):
        return (None,)

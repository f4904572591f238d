"""Layers as a graph: each is fed by the one before it or by those that are named; gradients take the same ways back."""
from collections import Counter

from minifcn.nets.fusion import fused


class Graph:
    """Named layers, in an order in which they can run.

    layers: {"conv1_1": layer, ...}; inputs: {"fuse_pool4": ("upscore2", "score_pool4c"), ...} for the layers that are
    not fed by the one before them alone. A source that is no layer is a map that forward() is given: the image is
    "data", as in Caffe, and feeds the first layer unless that says otherwise. taps: what forward() hands out, the last
    layer's map unless said.
    """

    def __init__(self, layers, inputs=None, taps=()):
        self.layers, self.inputs = dict(layers), dict(inputs or {})
        self.taps = tuple(taps) or tuple(layers)[-1:]
        for tap in self.taps:
            if tap not in self.layers:
                raise ValueError(f"tap {tap!r} is none of the layers {', '.join(self.layers)}")

    def _uses(self):
        """How many layers ask for each map, or the caller."""
        return Counter(source for *_, sources in self.walk() for source in sources) + Counter(self.taps)

    def add(self, name, layer, *sources):
        """Append a layer that is fed by `sources`; its name."""
        self.layers[name], self.inputs[name] = layer, sources
        return name

    def walk(self):
        """Yield (name, layer, names of its sources), in order."""
        before = "data"
        for name, layer in self.layers.items():
            yield name, layer, self.inputs.get(name, (before,))
            before = name

    def forward(self, maps, train=False):
        """{given name: map} -> {tap: its map}. What no later layer asks for is let go on the way."""
        maps = dict(maps)
        uses = self._uses()
        options = fused(self, uses, train)
        for name, layer, sources in self.walk():
            y = layer.forward(*(maps[source] for source in sources), train=train and active(layer),
                              **options.get(name, {}))
            for source in sources:
                uses[source] -= 1
                if not uses[source]:
                    del maps[source]
            maps[name] = y
        return {tap: maps[tap] for tap in self.taps}

    def backward(self, douts):
        """{tap: gradient of its map} -> {source: gradient}, for those given maps that have one.

        What several layers used collects from all of them. Layers before which nothing is learned are left out.
        """
        grads = dict(douts)
        for name, layer, sources in reversed(list(self.walk())):
            dy = grads.pop(name, None)
            if dy is None or not active(layer):
                continue
            dxs = layer.backward(dy)
            for source, dx in zip(sources, dxs if isinstance(dxs, tuple) else (dxs,), strict=True):
                if dx is not None:
                    grads[source] = grads[source] + dx if source in grads else dx
        return grads

    def find_needs(self, learns):
        """Tell every layer whether anything before it is trained; learns: {given name: whether before that}."""
        learns = dict(learns)
        for name, layer, sources in self.walk():
            layer.need_dx = any(learns[source] for source in sources)
            learns[name] = active(layer)
        return learns

    def until(self, names):
        """What it takes to get to the maps of these names: ({layer name: layer}, {layer name: sources})."""
        needed, layers, inputs = set(names), {}, {}
        for name, layer, sources in reversed(list(self.walk())):
            if name in needed:
                layers[name], inputs[name] = layer, sources
                needed.update(sources)
        return dict(reversed(layers.items())), inputs


def active(layer):
    """Whether a backward pass has anything to do here: a gradient to hand down, or weights to train."""
    return layer.need_dx or bool(layer.learn and layer.params)

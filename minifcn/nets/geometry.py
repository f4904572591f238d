"""Where the cells of a map lie in the image: crop offsets computed from the layers, never typed in.

A map has two numbers an axis: its step J, in image pixels, and the image coordinate a of the centre of its cell 0; cell
i is centred on a + J*i. A layer of kernel reach K_d = D*(K - 1) + 1, stride S and padding P changes them to

    convolution, pooling      a + ((K_d - 1)/2 - P) * J,    J * S
    transposed convolution    a - ((K - 1)/2 - P) * J/S,    J / S

as Caffe's coord_map.py composes them. "Why pad by 100, why crop at 19" are asked more often than anything: with VGG
and P = 100 this gives a = -19 for the upsampled map, and the image starts 19 cells into it.
"""
from dataclasses import dataclass

from minifcn.layers import ConvTranspose2d
from minifcn.nets.joints import Crop


@dataclass(frozen=True)
class Grid:
    """The cells of a map along one axis, the same along the other: `step` and `origin` in image pixels."""

    step: float = 1
    origin: float = 0

    def after(self, layer):
        """The grid of what `layer` makes of a map with this one."""
        if isinstance(layer, ConvTranspose2d):
            step = self.step / layer.stride
            return Grid(step, self.origin - ((layer.kernel - 1) / 2 - layer.pad) * step)
        if isinstance(layer, Crop):
            return Grid(self.step, self.origin + layer.offset * self.step)
        reach = layer.dilation * (layer.kernel - 1)
        return Grid(self.step * layer.stride, self.origin + (reach / 2 - layer.pad) * self.step)

    def offset(self, other):
        """How many cells lie before the first of `other`: o = (a_other - a) / J, a whole number of either sign.

        Raises ValueError where the grids do not fall on each other.
        """
        if self.step != other.step or not self.meets(other):
            raise ValueError(f"{self} and {other} do not fall on each other: no crop can align them")
        return round((other.origin - self.origin) / self.step)

    def meets(self, other):
        """Whether a cell of this grid, prolonged, falls on the first of `other`."""
        return (other.origin - self.origin) / self.step % 1 == 0


def grids(graph, given):
    """{name: Grid} of every map in a graph, `given` those that it is given.

    Raises ValueError where maps are added or joined whose cells do not fall on each other.
    """
    found = dict(given)
    for name, layer, sources in graph.walk():
        first, *others = (found[source] for source in sources)
        if not isinstance(layer, Crop) and any(other != first for other in others):
            raise ValueError(f"{name} joins maps of different grids: {first} and {others}")
        found[name] = first.after(layer)
    return found


def receptive_field(layers):
    """Pixels along one axis that a cell sees after these layers: r = 1 + sum of D(K - 1) * (step before the layer)."""
    grid, field = Grid(), 1
    for layer in layers:
        field += layer.dilation * (layer.kernel - 1) * grid.step
        grid = grid.after(layer)
    return int(field)


def fields(graph, maps, given):
    """{name: pixels along one axis that a cell sees}, the most by any way there; `maps` the grids, `given` as there.

    What a transposed convolution makes sees up to ceil(K/S) cells of what it was given.
    """
    seen = dict(given)
    for name, layer, sources in graph.walk():
        if isinstance(layer, ConvTranspose2d):
            cells = -(-layer.kernel // layer.stride)
        else:
            cells = layer.dilation * (layer.kernel - 1) + 1
        seen[name] = int(max(seen[source] + (cells - 1) * maps[source].step for source in sources))
    return seen


def reach(net):
    """(margin, step): how far from a pixel the image can matter to its scores, rounded up to whole steps of the net.

    Half the receptive field of the coarsest map, and that map's cells themselves lie up to two steps away: each of the
    upsampling layers looks at the cells on both sides, their steps halving.
    """
    step = int(max(grid.step for grid in net.body.grids.values()))
    margin = max(net.body.fields.values()) // 2 + 2 * step
    return -(-margin // step) * step, step

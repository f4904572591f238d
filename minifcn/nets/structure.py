"""What a net is made of, layer by layer, for an image of a given size: without computing a number of it.

Shapes are (N,C,H,W). A multiply-add is one product and its addition; those of an upsampling layer are not counted in
totals, as in the papers, and weights of fixed upsampling are stored but not learned.
"""
from dataclasses import dataclass
from math import prod

from minifcn.layers import Conv2d, Linear
from minifcn.nets.classifier import Classifier
from minifcn.nets.geometry import Grid, fields, grids
from minifcn.nets.joints import Crop


@dataclass(frozen=True)
class Row:
    """A layer: its map's shape, grid and receptive field, and what it costs.

    `depth`: convolutions and fully connected layers on the longest way to here, itself included.
    """

    name: str
    layer: object
    sources: tuple
    shape: tuple
    grid: Grid
    field: int
    depth: int
    learned: int
    stored: int
    products: int


def rows(net, height, width, n=1):
    """A Row for every layer of a net, in the order of the forward pass."""
    data = (n, net.preprocess.channels, height, width)
    shapes, depths, found = {"data": data}, {"data": 0}, []
    graphs = [net.graph] if isinstance(net, Classifier) else [net.body, *(head.graph for head in net.heads)]
    maps, seen = {"data": Grid()}, {"data": 1}
    for graph in graphs:
        maps = grids(graph, maps)
        seen = fields(graph, maps, seen)
        for name, layer, sources in graph.walk():
            shapes[name] = layer.shape(*(shapes[source] for source in sources))
            learned = sum(w.size for w in layer.params.values()) if layer.learn else 0
            depths[name] = max(depths[source] for source in sources) + isinstance(layer, Conv2d | Linear)
            found.append(Row(
                name, layer, sources, shapes[name], maps[name], seen[name], depths[name], learned,
                sum(w.size for w in layer.params.values()), _products(layer, shapes[sources[0]], shapes[name])))
    return found


def crops(found):
    """The offsets of a net's crops, in order; those of 0 are left out."""
    return [row.layer.offset for row in found if isinstance(row.layer, Crop) and row.layer.offset]


def _products(layer, given, shape):
    """Multiply-adds."""
    if isinstance(layer, Conv2d):
        return layer.params["w"][0].size * prod(shape)
    if isinstance(layer, Linear):
        return layer.params["w"].size * shape[0]
    return 0


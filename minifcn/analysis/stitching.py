"""Shift-and-stitch: finer scores from a net as it is, run on shifted images, the results interlaced [CVPR, PAMI 3.2].

A net of step f answers once every f pixels. With its image moved by t pixels it answers t pixels beside: f shifts an
axis, f^2 in all, and there is an answer for every pixel. dilation.py gets the same numbers in one run.
"""
import numpy as np

from minifcn.backend import array_module
from minifcn.layers import ConvTranspose2d
from minifcn.nets.graph import Graph


def shift_and_stitch(run, x, factor, step=1):
    """Scores `factor` times as fine along both axes: x (N,C,H,W), preprocessed -> (N,F,U,V), cells `step` pixels apart.

    run(x) -> (N,F,u,v), of cells factor * step pixels apart; see coarse_scores(). Cell 0 stays where it is: if run's
    cell i lies on pixel a + factor * step * i, cell t of the result lies on pixel a + step * t.

    Images move to the right and down, as in the papers, and zeros, the mean colour, move in. The first layer pads with
    zeros anyway, so its padding makes no difference. That of later layers does: the map of every shift begins and ends
    at other places of the image, and a cell that sees such a zero has the score of its own shift alone. So the result
    stands wherever the receptive field stays within the image and the first layer's padding, and everywhere for nets
    that pad nowhere else. Images grow by their shift, lest they lose pixels, and being of different sizes are run one
    after the other: memory is that of one run, and of the result.
    """
    xp = array_module(x)
    dense, height, width = None, 0, 0
    for i, j in np.ndindex(factor, factor):  # to cells i, i + factor, ... belongs the shift that brings them to one
        down, right = -i % factor, -j % factor
        moved = xp.pad(x, ((0, 0), (0, 0), (down * step, 0), (right * step, 0)))
        some = run(moved)[:, :, min(down, 1):, min(right, 1):]  # a shifted image's cell 0 lies before the others
        n, f, u, v = some.shape
        if dense is None:
            dense = xp.empty((n, f, u * factor, v * factor), some.dtype)
        dense[:, :, i::factor, j::factor][:, :, :u, :v] = some
        height, width = height + u * (j == 0), width + v * (i == 0)
    return dense[:, :, :height, :width]


def coarse_scores(net):
    """run(x) -> the scores of an FCN's first head before they are upsampled for the first time, (N,classes,u,v)."""
    graph = net.head.graph
    score = next(sources[0] for _, layer, sources in graph.walk() if isinstance(layer, ConvTranspose2d))
    before = Graph(*graph.until([score]))
    return lambda x: before.forward(net.body.forward(x))[score]

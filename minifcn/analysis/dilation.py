"""The same net at a finer step: strides become dilations [PAMI 3.2; CVPR: filter rarefaction; elsewhere: a trous].

Take the stride S of a layer away, and its map is S times as fine. For the next filter to see the cells that it saw, and
not their new neighbours, it is spread:

    f'_ij = f_(i/S, j/S) where S divides i and j, else 0

and so is every one after it, poolings too; from stride to stride the factors multiply. No weight changes and no
receptive field; filters see as coarsely as before, but at more places. These are the scores of shift-and-stitch, in one
run. The authors tried it, and prefer upsampling with skips.
"""
from copy import copy

from minifcn.layers import Conv2d, ConvTranspose2d, MaxPool2d
from minifcn.nets.fcn import FCN, Head


def dilated(net, step):
    """An FCN without skips over the same weights, live, whose coarsest map has cells `step` pixels apart.

    What is written into params of the one is in those of the other. Only the upsampling is made anew, bilinear, for the
    new step. Model(dilated(model.net, 8), model.meta) predicts with it; what is saved is the original.

    The scores of the original are among its own, at every factor-th cell, to the border and whatever the padding. The
    cells between them are those of shift_and_stitch() wherever that stands: where the receptive field lies within the
    image and the first layer's padding, and everywhere if no other layer pads. In front of them are cells that neither
    has, where poolings round up: see _spread(). body.grids of the two tell which is which.

    Raises ValueError for nets with skips, whose scores are fine already, and for a step that strides cannot give.
    """
    if sum(isinstance(layer, ConvTranspose2d) for layer in net.head.layers.values()) > 1:
        raise ValueError(f"{net.name} adds scores of finer maps: only a net without skips, such as fcn32s, is dilated")
    body = _finer(net.body, step)
    made = FCN(net.name, body, *(_over(body, head, net.device) for head in net.heads))
    made.device = net.device
    return made


def _finer(body, step):
    """The body with maps no coarser than `step`."""
    steps = [grid.step for grid in body.grids.values()]
    possible = [s for s in range(1, max(steps) + 1) if all(s % other == 0 or other % s == 0 for other in steps)]
    if step not in possible:
        raise ValueError(f"a step of {step}: strides of {body.name} can give {', '.join(map(str, possible))}")
    finer = {name: max(1, grid.step // step) for name, grid in body.grids.items()}  # how many times, of every map
    made = copy(body)
    made.layers = {name: _spread(layer, finer[sources[0]], finer[name]) for name, layer, sources in body.walk()}
    return made


def _spread(layer, before, after):
    """A layer over a map `before` times as fine as its own was, that gives one `after` times as fine.

    A pooling that rounds up has windows that hang over the border, by up to S - 1 pixels. Without its stride it keeps
    them, as padding: on the far side they are cells that the original has, on the near side cells in front of them.
    """
    made = copy(layer)
    if isinstance(layer, Conv2d | MaxPool2d):
        made.stride = layer.stride * before // after
        over = 0
        if isinstance(layer, MaxPool2d) and layer.ceil:  # but no window without a pixel
            over = min(layer.stride - made.stride, layer.dilation * (layer.kernel - 1) - layer.pad)
        made.pad, made.dilation = before * (layer.pad + over), before * layer.dilation
    return made


def _over(body, head, device):
    """The head over another body: its score layers' weights, and upsampling for that body's step."""
    made = Head(body, head.classes, suffix=head.suffix, learn_upsampling=head.learn_upsampling, dtype=head.dtype)
    for name, layer in made.layers.items():
        if isinstance(layer, ConvTranspose2d):
            layer.to_device(device)
        else:
            layer.params, layer.learn = head.layers[name].params, head.layers[name].learn
    return made

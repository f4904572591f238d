"""Judges of lesson 07: the layers of FCN-32s, forwards and backwards; its first loss and its first gradients."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, run, value
from minifcn.nets import build
from minifcn.ops import bilinear_kernel, conv_transpose2d, softmax_cross_entropy, softmax_cross_entropy_backward

SIZE = (37, 45)  # no multiple of 32: the last map is larger than the image


def _net():
    """FCN-32s in float64 with random scores, as those of a trained net, and an image."""
    rng = np.random.default_rng(0)
    net = build("fcn32s", classes=3, dtype=np.float64)
    for name in ("score_fr.w", "score_fr.b"):
        net.params[name][...] = rng.normal(size=net.params[name].shape)
    return net, rng.normal(size=(2, 3, *SIZE)), rng


@exercise
def shapes(answer):
    mine = value(answer)
    if len(mine) != 4 or any(len(value(shape)) != 3 for shape in mine):
        raise Wrong("four shapes are asked for, each (channels, height, width), as a tuple of tuples; N is left out")
    net = build("fcn32s", classes=7)
    x, truth = np.zeros((1, 3, 128, 160), np.float32), {}
    for name, layer in net.layers.items():
        x = layer.forward(x)
        truth[name] = x.shape[1:]
    for name, shape in zip(("pool4", "fc6", "score_fr", "upscore"), mine, strict=True):
        shape, should = tuple(int(side) for side in shape), truth[name]
        if shape == should:
            continue
        if shape[0] == should[0] and shape[1:] == should[:0:-1]:
            raise Wrong(f"{name}: height before width; a scene is 128 high and 160 wide")
        if shape == (*should[1:], should[0]):
            raise Wrong(f"{name}: channels first, then height and width")
        if name == "fc6" and shape[1:] == (2, 3):
            raise Wrong("fc6: it is padded by 1, so its 3 x 3 kernel can be laid around every cell: the map keeps its "
                        "size")
        if name == "pool4" and shape[1:] in ((16, 20), (4, 5)):
            raise Wrong("pool4: four poolings, four halvings; that is one "
                        + ("too few" if shape[1:] == (16, 20) else "too many"))
        if shape[1:] != should[1:]:
            raise Wrong(f"{name}: {shape[1]} x {shape[2]} cells are not right; count the halvings before it, and what "
                        "the upsampling makes of them")
        raise Wrong(f"{name}: the cells are right, but not {shape[0]} channels; a layer has as many as it has filters")
    return "pool4, fc6, score_fr and upscore as a run of the net has them"


@exercise
def forward32s(answer):
    net, x, _ = _net()
    truth = net.forward(x)
    for layer in net.layers.values():
        layer.cache = None
    def whole(layers, x):
        given = value(answer)(layers, x)
        if isinstance(given, tuple) and len(given) == 2 and given[0] is not None and given[1] is None:
            raise Wrong("the cache is None: crop(x, offset, height, width) returns the cut map and a cache")
        return given

    mine = run(whole, dict(net.layers), x)
    if not isinstance(mine, tuple) or len(mine) != 2:
        raise Wrong("two things are asked for: the scores, and the cache of crop, which the way back needs")
    scores, cache = mine
    up = x
    for layer in net.layers.values():
        up = layer._infer(up)[0]
    high, wide = up.shape[2] - SIZE[0], up.shape[3] - SIZE[1]
    middle = up[:, :, high // 2:high // 2 + SIZE[0], wide // 2:wide // 2 + SIZE[1]]
    end = up[:, :, high:, wide:]
    offset = "cut {} of the upsampled map; in this net map and image begin at the same pixel, so the offset is 0"
    equal(scores, truth, "scores", suspects={
        offset.format("from the middle"): middle, offset.format("from the end"): end,
        offset.format("from pixel (19, 19), as in the authors' net,"): up[:, :, 19:19 + SIZE[0], 19:19 + SIZE[1]],
        "as large as the upsampled map: cut them to the image, whose size has to be noted before the loop": up,
    })
    if any(layer.cache is None for layer in net.layers.values()):
        raise Wrong("the scores are right, but no layer remembers what its backward pass needs: forward(x, train=True)")
    if not isinstance(cache, tuple) or cache[0] != up.shape:
        raise Wrong("the scores are right; return with them the second thing that crop returns")
    return f"equal to the library's on images of {SIZE[0]} x {SIZE[1]}, and every layer remembers"


@exercise
def backward32s(answer):
    net, x, rng = _net()
    labels = rng.integers(0, 3, (2, *SIZE))
    _, loss_cache = softmax_cross_entropy(net.forward(x, train=True), labels)
    dscores = softmax_cross_entropy_backward(loss_cache)
    net.backward(dscores)
    truth = {name: g.copy() for name, g in net.grads.items()}
    for layer in net.layers.values():
        layer.grads = {}
    cache, up, order = net.head.graph.layers["score"].cache, x, []
    for name, layer in net.layers.items():
        up = layer._infer(up)[0]
        layer.backward = _watched(name, layer.backward, up.shape, order)
    try:
        mine = run(answer, dict(net.layers), dscores, cache)
    except (ValueError, IndexError, AttributeError, TypeError) as error:
        raise Wrong(f"it stops on the way: {error}") from error
    if not isinstance(mine, dict):
        raise Wrong(f"a dictionary of gradients by name is asked for, not {type(mine).__name__}")
    if missing := [name for name in truth if name not in mine]:
        raise Wrong(f"no gradient for {missing[0]}" + (f" and {len(missing) - 1} more" if missing[1:] else "")
                    + ": every layer has to be walked through, from the last to the first")
    for name in reversed(truth):
        equal(mine[name], truth[name], f"the gradient of {name}")
    return f"all {len(truth)} gradients are those of the library"


def _watched(name, backward, shape, order):
    """A layer's backward that looks at the gradient it is handed, and notes the layer's name in `order`."""
    def watched(dy):
        if not order and name != "upscore":
            raise Wrong(f"the way back begins with {name}; the last layer, upscore, is the first on the way back")
        if np.shape(dy) != shape and not order:
            raise Wrong(f"upscore is handed a gradient of shape {np.shape(dy)}, but made a map of {shape}: what crop "
                        "has cut off is missing, and crop_backward(dscores, cache) brings it back")
        if np.shape(dy) != shape:
            raise Wrong(f"{name} is handed a gradient of shape {np.shape(dy)}, but made a map of {shape}: each layer "
                        f"takes what the backward of the layer above it has returned, here that of {order[-1]}")
        order.append(name)
        return backward(dy)
    return watched


@exercise
def start_loss(answer):
    mine = float(value(answer))
    truth, _ = softmax_cross_entropy(np.zeros((1, 7, 2, 3)), np.zeros((1, 2, 3), int))
    for wrong, words in ((np.log2(7), "that is log2 of 7; the loss has the natural logarithm"),
                         (np.log10(7), "that is log10 of 7; the loss has the natural logarithm"),
                         (1 / 7, "1/7 is the probability of the right class; the loss is minus its logarithm"),
                         (-np.log(7), "the sign: minus the logarithm of a probability below 1 is positive"),
                         (0, "0 would be the loss of a net that is sure and right; this one is neither")):
        if np.isclose(mine, wrong, atol=0.005):
            raise Wrong(words)
    if not np.isclose(mine, truth, atol=0.01):
        raise Wrong(f"not {mine:g}: all seven scores are 0, so all seven probabilities are equal; what is each?")
    return "minus the logarithm of 1/7, whatever the labels are"


@exercise
def with_gradient(answer):
    mine = int(value(answer))
    net = build("fcn32s", classes=7)
    rng = np.random.default_rng(0)
    scores = net.forward(rng.normal(size=(1, 3, 64, 64)).astype(np.float32), train=True)
    _, cache = softmax_cross_entropy(scores, rng.integers(0, 7, (1, 64, 64)))
    net.backward(softmax_cross_entropy_backward(cache))
    truth = sum(bool(g.any()) for g in net.grads.values())
    if mine == 22:
        raise Wrong("all of them it would be if the gradient came through the score layer; with which numbers is it "
                    "multiplied there on its way down?")
    if mine == 0:
        raise Wrong("then nothing could ever be learned; look at dw of the score layer: it is dy times x, and neither "
                    "is 0")
    if mine == 1:
        raise Wrong("one layer has a gradient, and it has two arrays: weights and bias")
    if mine == 20:
        raise Wrong("that is how many have none")
    if mine != truth:
        raise Wrong(f"not {mine}: which layers lie above the zeros, and which below?")
    return "only score_fr.w and score_fr.b; in the next step every one"


@exercise
def corner(answer):
    mine = float(value(answer))
    small = np.zeros((1, 1, 4, 5))
    small[0, 0, 0, 0] = 1
    truth = conv_transpose2d(small, bilinear_kernel(1, 64, np.float64), stride=32, pad=16)[0][0, 0, 0, 0]
    line = truth**0.5
    if np.isclose(mine, 1):
        raise Wrong("1 it is nearly in the cell's own middle, 15.5 pixels further down and right")
    if np.isclose(mine, line, atol=0.006):
        raise Wrong("that is the factor of one axis; the pixel is off the middle along both")
    if np.isclose(mine, 0.25, atol=0.001):
        raise Wrong("nearly: the pixel is 15.5 pixels off the middle, not 16, along both axes")
    if np.isclose(mine, 2 * line - 1, atol=0.005):
        raise Wrong("the two axes are multiplied, not added")
    if not np.isclose(mine, truth, atol=0.003):
        raise Wrong(f"not {mine:g}: along one axis the value falls from 1 in the middle to 0 at 32 pixels from it")
    return f"(1 - 15.5/32) squared = {truth:.4f}: at the border the map fades"

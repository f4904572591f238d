"""Wrong answers to lesson 07."""
from minifcn.ops import crop, crop_backward
from wrong_answers import Wrong

wrong = Wrong()

wrong("shapes", says="keeps its size")(((128, 8, 10), (192, 2, 3), (7, 2, 3), (7, 128, 160)))
wrong("shapes", says="one too few")(((128, 16, 20), (192, 4, 5), (7, 4, 5), (7, 128, 160)))
wrong("shapes", says="one too many")(((128, 4, 5), (192, 4, 5), (7, 4, 5), (7, 128, 160)))
wrong("shapes", says="channels first")(((8, 10, 128), (4, 5, 192), (4, 5, 7), (128, 160, 7)))
wrong("shapes", says="N is left out")(((1, 128, 8, 10), (1, 192, 4, 5), (1, 7, 4, 5), (1, 7, 128, 160)))
wrong("shapes", says="not 192 channels")(((128, 8, 10), (192, 4, 5), (192, 4, 5), (7, 128, 160)))
wrong("shapes", says="height before width")(((128, 10, 8), (192, 4, 5), (7, 4, 5), (7, 128, 160)))
wrong("shapes", says="what the upsampling makes")(((128, 8, 10), (192, 4, 5), (7, 4, 5), (7, 160, 192)))


def _chain(layers, x, train=True):
    for layer in layers.values():
        x = layer.forward(x, train)
    return x


@wrong("forward32s", says="cut them to the image")
def not_cut(layers, x):
    up = _chain(layers, x)
    return up, (up.shape, 0)


@wrong("forward32s", says="cut from the middle")
def cut_from_the_middle(layers, x):
    up = _chain(layers, x)
    high, wide = up.shape[2] - x.shape[2], up.shape[3] - x.shape[3]
    y = up[:, :, high // 2:high // 2 + x.shape[2], wide // 2:wide // 2 + x.shape[3]]
    return y, (up.shape, high // 2)


@wrong("forward32s", says="from pixel (19, 19)")
def cut_as_the_authors(layers, x):
    return crop(_chain(layers, x), 19, *x.shape[2:])


@wrong("forward32s", says="the cache is None")
def cut_by_hand(layers, x):
    return _chain(layers, x)[:, :, :x.shape[2], :x.shape[3]], None


@wrong("forward32s", says="train=True")
def nothing_remembered(layers, x):
    return crop(_chain(layers, x, train=False), 0, *x.shape[2:])


@wrong("forward32s", says="two things are asked for")
def scores_alone(layers, x):
    return crop(_chain(layers, x), 0, *x.shape[2:])[0]


def _grads(layers):
    return {f"{name}.{key}": g for name, layer in layers.items() for key, g in layer.grads.items()}


@wrong("backward32s", says="crop_backward(dscores, cache) brings it back")
def not_put_back(layers, dscores, cache):
    d = dscores
    for layer in reversed(layers.values()):
        d = layer.backward(d)
    return _grads(layers)


@wrong("backward32s", says="first on the way back")
def in_forward_order(layers, dscores, cache):
    d = crop_backward(dscores, cache)
    for layer in layers.values():
        d = layer.backward(d)
    return _grads(layers)


@wrong("backward32s", says="has returned, here that of upscore")
def gradient_not_handed_on(layers, dscores, cache):
    d = crop_backward(dscores, cache)
    for layer in reversed(layers.values()):
        layer.backward(d)
    return _grads(layers)


@wrong("backward32s", says="stops on the way")
def old_gradient_added(layers, dscores, cache):
    d = crop_backward(dscores, cache)
    for layer in reversed(layers.values()):
        d = d + layer.backward(d)
    return _grads(layers)


@wrong("backward32s", says="from the last to the first")
def the_head_alone(layers, dscores, cache):
    d = crop_backward(dscores, cache)
    for layer in list(layers.values())[:-3:-1]:
        d = layer.backward(d)
    return _grads(layers)


@wrong("backward32s", says="exactly twice")
def counted_twice(layers, dscores, cache):
    d = 2 * crop_backward(dscores, cache)
    for layer in reversed(layers.values()):
        d = layer.backward(d)
    return _grads(layers)


wrong("start_loss", says="natural")(2.807)
wrong("start_loss", says="minus its logarithm")(1 / 7)
wrong("start_loss", says="what is each")(7)
wrong("with_gradient", says="multiplied there")(22)
wrong("with_gradient", says="ever be learned")(0)
wrong("with_gradient", says="weights and bias")(1)
wrong("corner", says="own middle")(1)
wrong("corner", says="along both")(0.516)
wrong("corner", says="15.5")(0.25)

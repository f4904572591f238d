"""Which layers of a graph are computed in passing: where nobody else looks at a map, there is no need to write it."""
from minifcn.layers import Conv2d, MaxPool2d, ReLU


def fused(graph, uses, train):
    """{layer name: options of its forward()}; uses: {name: how many ask for its map}.

    A convolution that only a ReLU looks at rectifies its strips while they are in the cache, and at inference pools
    them, too. In training the pooling after a ReLU stops gradients for it, among its maxima: they are fewer.
    """
    options, convs = {}, {}  # convs: {ReLU: the convolution that does its work}
    for name, layer, sources in graph.walk():
        source = sources[0]
        before = graph.layers.get(source)
        if len(sources) > 1 or uses[source] > 1:
            continue
        if isinstance(layer, ReLU) and isinstance(before, Conv2d):
            options[source], options[name], convs[name] = {"relu": True}, {"done": True}, source
        elif isinstance(layer, MaxPool2d) and isinstance(before, ReLU):
            if train:
                options.setdefault(source, {})["masked"], options[name] = True, {"rectified": True}
            elif source in convs and layer.halves:
                options[convs[source]]["pool"], options[name] = True, {"done": True}
    return options

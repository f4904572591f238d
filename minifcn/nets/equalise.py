"""Features of one size, so that all skips can be trained at once [PAMI 4.2, "all-at-once"].

The authors multiply pool4 by 0.01 and pool3 by 0.0001, constants that roughly equalise the features of their VGG16;
without, training at once tends to diverge. Other weights have features of other sizes: here they are measured.
"""
from itertools import islice

from minifcn.layers import Scale

IMAGES = 8


def equalise(net, inputs):
    """Set the constants of an -atonce net to root mean square of the coarse map / that of each scaled tap.

    inputs: an iterable of x (N,C,H,W), of which the first IMAGES are looked at. Returns {tap: root mean square}.
    """
    sums, counts = {}, {}
    for x in islice(inputs, IMAGES):
        for tap, features in net.body.forward(x).items():
            sums[tap] = sums.get(tap, 0) + float((features * features).sum())
            counts[tap] = counts.get(tap, 0) + features.size
    sizes = {tap: (sums[tap] / counts[tap]) ** 0.5 for tap in sums}
    for head in net.heads:
        for _, layer, (source, *_) in head.graph.walk():
            if isinstance(layer, Scale):
                coarse = source.replace(next(tap for tap in net.body.channels if source.startswith(tap)),
                                        net.body.coarse)
                layer.params["w"][...] = sizes[coarse] / max(sizes[source], 1e-12)
    return sizes

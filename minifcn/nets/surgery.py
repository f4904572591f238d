"""From a classifier to a fully convolutional net, without learning anything anew."""


def convolutional(net):
    """The parameters of a Classifier as those of an FCN over the same body, by name: views, nothing is copied.

    A fully connected layer over a map of C x K x K, (F, C*K*K), is a convolution with as many K x K kernels,
    (F,C,K,K): the same numbers in the same order [CVPR 3.1, PAMI 3.1]. Over a larger map it has more than one place to
    fit, and answers with a map of answers. fc8 becomes score_fr (the papers drop it for one that starts at zero: their
    classes are others).
    """
    params = {}
    for name, w in net.params.items():
        layer, _, kind = name.rpartition(".")
        if kind == "w" and layer.startswith("fc"):
            kernel = 1 if layer == "fc8" else net.body.layers[layer].kernel
            w = w.reshape(len(w), -1, kernel, kernel)
        params[name.replace("fc8.", "score_fr.")] = w
    return params

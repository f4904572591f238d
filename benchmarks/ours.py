"""The jobs of a case as minifcn does them."""
import numpy as np

import minifcn  # noqa: F401  before NumPy starts BLAS
from benchmarks import cases
from minifcn import ops
from minifcn.backend import single_threaded_blas
from minifcn.nets import build
from minifcn.optim import SGD, Adam
from minifcn.step import Step


def prepare(case):
    """(job, scores): job() does it once; scores() gives what a peer must agree with, None for an op."""
    single_threaded_blas().__enter__()  # as python -m minifcn.train does, once for the whole run
    if case.group == "nets":
        return net_job(case.kind, case.options)
    return op_job(case.kind, case.options), None


def net_of(options):
    return cases.weights(build(options["net"], options["body"], options["classes"], None, dropout=0))


def net_job(kind, options):
    net, x = net_of(options), cases.image(options)
    if kind == "inference":
        return lambda: net.forward(x), lambda: net.forward(x)
    labels = cases.labels(options).astype(np.uint8)
    optimizer, stepper = _optimizer(options, net.params), Step(net)

    def step():
        loss, grads = stepper.gradients(iter([(x, labels)]), 1, (0, 0, 0))
        optimizer.step(grads)
        return float(loss)

    return step, lambda: net.forward(x)


def _optimizer(options, params):
    """That of the default run for mini, the papers' for VGG16; at rates that leave the weights about as they are."""
    if options["body"] == "mini":
        return Adam(params, 1e-9)
    return SGD(params, 1e-9, momentum=0.9, weight_decay=5e-4)


def op_job(kind, o):
    x = cases.noise("x", o["x"])
    what, _, way = kind.partition(" ")
    if what == "conv":
        w, pad = cases.noise("w", o["w"], 0.02), o["pad"]
        if way == "forward":
            b = cases.noise("b", len(w))
            return lambda: ops.conv2d(x, w, b, pad=pad)[0]
        y, cache = ops.conv2d(x, w, pad=pad)
        dy = cases.noise("dy", y.shape)
        needs = {"need_dx": way == "dX", "need_dw": way == "dW"}
        return lambda: ops.conv2d_backward(dy, cache, **needs)[way == "dW"]
    if what == "pool":
        if way == "forward":
            return lambda: ops.max_pool2d(x, 2, ceil=True)[0]
        y, cache = ops.max_pool2d(x, 2, ceil=True)
        dy = cases.noise("dy", y.shape)
        return lambda: ops.max_pool2d_backward(dy, cache)
    if what == "upscore":
        w = ops.bilinear_kernel(x.shape[1], o["k"])
        if way == "forward":
            return lambda: ops.conv_transpose2d(x, w, stride=o["stride"])[0]
        y, cache = ops.conv_transpose2d(x, w, stride=o["stride"])
        dy = cases.noise("dy", y.shape)
        return lambda: ops.conv_transpose2d_backward(dy, cache, need_dw=False)[0]
    if what == "relu":
        if way == "forward":
            return lambda: ops.relu(x)[0]
        _, cache = ops.relu(x)
        dy = cases.noise("dy", x.shape)
        return lambda: ops.relu_backward(dy, cache)
    if what == "loss":
        labels = cases.labels({"n": 1, "classes": x.shape[1], "height": x.shape[2], "width": x.shape[3]})

        def loss():
            return ops.softmax_cross_entropy_backward(ops.softmax_cross_entropy(x, labels)[1])
        return loss
    params, grads = {"w": x.copy()}, {"w": x}
    optimizer = SGD(params, 1e-9, momentum=0.9, weight_decay=5e-4) if what == "sgd" else Adam(params, 1e-9)
    return lambda: optimizer.step(grads)

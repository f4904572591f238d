"""The jobs of a case in PyTorch, in its default memory format and in channels_last.

The nets are those that the tests compare ours with: functional, without a wrapper that would cost time.
"""
import sys
from pathlib import Path

import torch
import torch.nn.functional as F

from benchmarks import cases, ours

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from peers.mini import forward as mini_forward  # noqa: E402 (the tests are not installed)
from peers.models import FORWARD  # noqa: E402


def prepare(case, channels_last=False):
    to = (lambda t: t.contiguous(memory_format=torch.channels_last) if t.ndim == 4 else t) if channels_last else (
        lambda t: t)
    if case.group == "nets":
        return net_job(case.kind, case.options, to)
    return op_job(case.kind, case.options, to), None


def net_job(kind, options, to):
    net = ours.net_of(options)
    p = {name: to(torch.from_numpy(w)) for name, w in net.params.items()}
    learned = [p[name].requires_grad_(kind == "step") for name in net.learned]
    del net
    x = to(torch.from_numpy(cases.image(options)))
    labels = torch.from_numpy(cases.labels(options))

    def forward():
        if options["body"] == "mini":
            return mini_forward(p, x, options["net"])
        return FORWARD[f"voc-{options['net']}"](p, x)

    def inference():
        with torch.inference_mode():
            return forward()

    def scores():
        return inference().contiguous().numpy()

    if kind == "inference":
        return inference, scores
    if options["body"] == "mini":
        optimizer = torch.optim.Adam(learned, lr=1e-9)
    else:
        optimizer = torch.optim.SGD(learned, lr=1e-9, momentum=0.9, weight_decay=5e-4)

    def step():
        optimizer.zero_grad()
        loss = F.cross_entropy(forward(), labels, ignore_index=255)
        loss.backward()
        optimizer.step()
        return float(loss.detach())

    return step, scores


def op_job(kind, o, to):
    x = to(torch.from_numpy(cases.noise("x", o["x"])))
    what, _, way = kind.partition(" ")
    if what == "conv":
        w, pad = to(torch.from_numpy(cases.noise("w", o["w"], 0.02))), o["pad"]
        if way == "forward":
            b = torch.from_numpy(cases.noise("b", len(w)))
            return _quiet(lambda: F.conv2d(x, w, b, padding=pad))
        dy = to(torch.from_numpy(cases.noise("dy", F.conv2d(x, w, padding=pad).shape)))
        mask = [way == "dX", way == "dW", False]
        arguments = dy, x, w, [0], [1, 1], [pad, pad], [1, 1], False, [0, 0], 1, mask
        return _quiet(lambda: torch.ops.aten.convolution_backward(*arguments)[way == "dW"])
    if what == "pool":
        if way == "forward":
            return _quiet(lambda: F.max_pool2d(x, 2, ceil_mode=True))
        return _backward(lambda x: F.max_pool2d(x, 2, ceil_mode=True), x, to)
    if what == "upscore":
        c, k = x.shape[1], o["k"]
        w = to(torch.from_numpy(ours.ops.bilinear_kernel(c, k)[range(c), range(c)][:, None].copy()))

        def up(x):  # a kernel a channel: for PyTorch that is much faster than the dense form
            return F.conv_transpose2d(x, w, stride=o["stride"], groups=c)
        return _quiet(lambda: up(x)) if way == "forward" else _backward(up, x, to)
    if what == "relu":
        return _quiet(lambda: F.relu(x)) if way == "forward" else _backward(F.relu, x, to)
    if what == "loss":
        labels = torch.from_numpy(cases.labels({"n": 1, "classes": x.shape[1], "height": x.shape[2],
                                                "width": x.shape[3]}))

        def loss():
            leaf = x.detach().requires_grad_()
            F.cross_entropy(leaf, labels, ignore_index=255).backward()
            return leaf.grad
        return loss
    w = x.clone().requires_grad_()
    w.grad = x
    optimizer = (torch.optim.SGD([w], lr=1e-9, momentum=0.9, weight_decay=5e-4) if what == "sgd"
                 else torch.optim.Adam([w], lr=1e-9))
    return optimizer.step


def _quiet(job):
    def quiet():
        with torch.inference_mode():
            return job()
    return quiet


def _backward(op, x, to):
    """The gradient alone: the forward pass is done once, its graph kept."""
    leaf = x.detach().requires_grad_()
    y = op(leaf)
    dy = to(torch.from_numpy(cases.noise("dy", tuple(y.shape))))
    return lambda: torch.autograd.grad(y, leaf, dy, retain_graph=True)[0]

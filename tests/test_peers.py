"""The same nets in PyTorch, written from the figure and sharing no line with ours, give the same numbers."""
import numpy as np
import pytest
from peers import torch
from peers.mini import forward
from tiny_nets import NAMES, image, labels_for, randomise

from minifcn.nets import build
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import SGD, Adam

F = torch.nn.functional

pytestmark = pytest.mark.peers
CLASSES = 3


def pair(name, dtype, learn_upsampling=False):
    """Our net with random weights and biases, and the same weights as PyTorch's leaves."""
    net = build(name, classes=CLASSES, dtype=dtype, learn_upsampling=learn_upsampling)
    randomise(net, np.random.default_rng(1))
    return net, {key: torch.tensor(w, requires_grad=key in net.learned) for key, w in net.params.items()}


def torch_loss(p, x, labels, name, reduction):
    return F.cross_entropy(forward(p, x, name), labels, ignore_index=255, reduction=reduction)


def our_loss(net, x, labels, reduction):
    """The loss; the gradients are then in net.grads."""
    loss, cache = softmax_cross_entropy(net.forward(x, train=True), labels, reduction=reduction)
    net.backward(softmax_cross_entropy_backward(cache))
    return float(loss)


def relative_error(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


@pytest.mark.parametrize("dtype, tolerance", [(np.float32, 1e-5), (np.float64, 1e-10)])
@pytest.mark.parametrize("height, width", [(1, 1), (33, 7), (61, 83)])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_pytorch(rng, name, height, width, dtype, tolerance):
    net, p = pair(name, dtype)
    x = image(rng, height, width, dtype=dtype)
    with torch.no_grad():
        wanted = forward(p, torch.tensor(x), name).numpy()
    assert relative_error(net.forward(x), wanted) < tolerance


@pytest.mark.parametrize("learn_upsampling", [False, True])
@pytest.mark.parametrize("name", NAMES)
def test_gradients_of_the_summed_loss_are_those_of_pytorch(rng, name, learn_upsampling):
    net, p = pair(name, np.float64, learn_upsampling)
    x = image(rng, 61, 83)
    labels = labels_for(rng, x, CLASSES)
    wanted = torch_loss(p, torch.tensor(x), torch.tensor(labels), name, "sum")
    wanted.backward()
    np.testing.assert_allclose(our_loss(net, x, labels, "sum"), wanted.item(), rtol=1e-12)
    assert set(net.grads) == {key for key, w in p.items() if w.requires_grad}
    for key, dw in net.grads.items():
        assert relative_error(dw, p[key].grad.numpy()) < 1e-9, key


def sgd(net, p):
    """Caffe keeps the rate in the velocity, PyTorch outside: at a constant rate that is the same."""
    ours = SGD(net.params, 0.002, momentum=0.9, weight_decay=0.01, multipliers={"*.b": (2, 0)})
    weights, biases = ([w for key, w in p.items() if w.requires_grad and key.endswith(end)] for end in (".w", ".b"))
    return ours, torch.optim.SGD([{"params": weights}, {"params": biases, "lr": 0.004, "weight_decay": 0}],
                                 lr=0.002, momentum=0.9, weight_decay=0.01)


def adam(net, p):
    ours = Adam(net.params, 1e-3, weight_decay=0.01)
    return ours, torch.optim.Adam([w for w in p.values() if w.requires_grad], lr=1e-3, weight_decay=0.01)


@pytest.mark.parametrize("optimizers", [sgd, adam])
def test_ten_steps_lead_to_the_weights_of_pytorch(rng, optimizers):
    net, p = pair("fcn8s", np.float64)
    before = {key: w.copy() for key, w in net.params.items()}
    ours, theirs = optimizers(net, p)
    x = image(rng, 33, 47)
    labels = labels_for(rng, x, CLASSES)
    losses = []
    for _ in range(10):
        losses.append(our_loss(net, x, labels, "mean"))
        ours.step(net.grads)
        theirs.zero_grad()
        wanted = torch_loss(p, torch.tensor(x), torch.tensor(labels), "fcn8s", "mean")
        wanted.backward()
        theirs.step()
        np.testing.assert_allclose(losses[-1], wanted.item(), rtol=1e-9)
    assert np.isfinite(losses).all()
    for key, w in net.params.items():
        assert relative_error(w, p[key].detach().numpy()) < 1e-9, key
        assert (w != before[key]).any() or net.fixed(key)

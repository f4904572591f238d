"""Every net of the papers gives the numbers of the same net in PyTorch, written from the authors' prototxts."""
import numpy as np
import pytest
from peers import torch
from peers.bodies import CLASSIFIERS
from peers.data import draw, labels_for, photograph
from peers.layers import Layers, bilinear
from peers.models import FORWARD

from minifcn.nets import build
from minifcn.nets.models import MODELS
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import SGD

pytestmark = pytest.mark.peers
DTYPES = {np.float64: 1e-10, np.float32: 1e-5}  # and the relative error allowed to scores
SIZES = [(1, 1), (33, 97), (61, 83), (125, 167)]
CHANNELS = {"color-d": 4, "color-hha": 6}


def random_net(arguments, dtype=np.float64):
    net = build(seed=None, dropout=0, dtype=dtype, **arguments)
    for name, w in net.params.items():
        if name in net.learned or not name.startswith(("upscore", "scale")):
            draw(name, w)
    return net


def shared(net):
    """A net's weights as PyTorch's, in the same memory; upsampling that is fixed comes from the paper instead."""
    p = {name: torch.from_numpy(w).requires_grad_(name in net.learned) for name, w in net.params.items()}
    fixed = {name: bilinear(len(w), w.shape[-1]) for name, w in p.items()
             if name.startswith("upscore") and name not in net.learned}
    return p | fixed


def channels(model):
    return CHANNELS.get(MODELS[model].get("modality"), 3)


def heads(scores):
    return scores if isinstance(scores, tuple) else (scores,)


def maps(scores):
    """The scores of each head as maps: a classifier's (N,C) become (N,C,1,1)."""
    return [s.reshape(*s.shape[:2], *(s.shape[2:] or (1, 1))) for s in heads(scores)]


def relative_error(found, wanted):
    return np.linalg.norm(found - wanted) / np.linalg.norm(wanted)


def assert_scores(found, wanted, tolerance):
    for ours, theirs in zip(heads(found), heads(wanted), strict=True):
        assert 0.1 < abs(ours).mean() < 20
        assert relative_error(ours, theirs.numpy()) < tolerance


def our_loss(net, x, reduction="sum"):
    """The loss; its gradients are then in net.grads."""
    scores = net.forward(x, train=True)
    losses, caches = zip(*(softmax_cross_entropy(s, labels_for(s), reduction=reduction) for s in maps(scores)),
                         strict=True)
    dscores = tuple(softmax_cross_entropy_backward(c).reshape(s.shape)
                    for c, s in zip(caches, heads(scores), strict=True))
    net.backward(dscores if len(dscores) > 1 else dscores[0])
    return float(sum(losses))


def their_loss(scores, reduction="sum"):
    return sum(torch.nn.functional.cross_entropy(s, torch.from_numpy(labels_for(s.detach().numpy())), ignore_index=255,
                                                 reduction=reduction) for s in maps(scores))


def assert_gradients(net, x, forward):
    """Each of PyTorch's gradients is compared when it is there, and dropped: all together are another gigabyte."""
    p, errors = shared(net), {}

    def compare(name, w):
        errors[name] = relative_error(net.grads[name], w.grad.numpy())
        w.grad = None

    loss = our_loss(net, x)
    for name in net.learned:
        p[name].register_post_accumulate_grad_hook(lambda w, name=name: compare(name, w))
    wanted = their_loss(forward(p, torch.from_numpy(x)))
    wanted.backward()
    np.testing.assert_allclose(loss, wanted.item(), rtol=1e-12)
    assert errors.keys() == net.grads.keys() == set(net.learned)
    assert max(errors.values()) < 1e-9, max(errors, key=errors.get)


@pytest.mark.parametrize("k, model", list(enumerate(MODELS)))
def test_scores_are_those_of_pytorch(k, model):
    photographs = [photograph(i, *SIZES[i % 4], channels(model)) for i in (k, k + 1)]
    p = shared(random_net(MODELS[model]))
    with torch.no_grad():
        wanted = [FORWARD[model](p, torch.from_numpy(x).double()) for x in photographs]
    for dtype, tolerance in DTYPES.items():
        net = random_net(MODELS[model], dtype)
        for x, scores in zip(photographs, wanted, strict=True):
            assert_scores(net.forward(x.astype(dtype)), scores, tolerance)


@pytest.mark.parametrize("model, learn_upsampling", [*((model, False) for model in MODELS),
                                                     ("voc-fcn8s", True), ("voc-fcn8s", "2x")])
def test_gradients_of_the_summed_loss_are_those_of_pytorch(model, learn_upsampling):
    net = random_net(MODELS[model] | {"learn_upsampling": learn_upsampling})
    assert_gradients(net, photograph(1, 33, 47, channels(model)).astype(np.float64), FORWARD[model])


@pytest.mark.parametrize("body, side", [("vgg16", 224), ("alexnet", 227), ("googlenet", 224)])
def test_classifiers_are_those_of_pytorch(body, side):
    x = np.concatenate([photograph(k, side, side) for k in (1, 6)])
    net = random_net({"name": "classifier", "body": body, "classes": 1000})

    def forward(p, x):
        return CLASSIFIERS[body](Layers(p), x)

    with torch.no_grad():
        wanted = forward(shared(net), torch.from_numpy(x).double())
    assert_gradients(net, x.astype(np.float64), forward)
    for dtype, tolerance in DTYPES.items():
        net = random_net({"name": "classifier", "body": body, "classes": 1000}, dtype)
        assert_scores(net.forward(x.astype(dtype)), wanted, tolerance)


# ---- ten steps of training, batch 1

RECIPES = {  # model: reduction, lr, momentum, the ending of those that learn twice as fast and do not decay
    "voc-fcn32s": ("sum", 1e-10, 0.99, ".b"),
    "voc-fcn-alexnet": ("mean", 1e-4, 0.9, "score_fr.b"),
}
STEPS = [(17, 31), (33, 7), (25, 41), (1, 9), (29, 13)] * 2  # the sizes of ten photographs


def ours_after_ten_steps(model):
    reduction, lr, momentum, biases = RECIPES[model]
    net = random_net(MODELS[model])
    sgd = SGD(net.params, lr, momentum, weight_decay=5e-4, multipliers={f"*{biases}": (2, 0)})
    losses = []
    for k, size in enumerate(STEPS):
        losses.append(our_loss(net, photograph(k, *size).astype(np.float64), reduction))
        sgd.step(net.grads)
    return losses, dict(net.params)


def theirs_after_ten_steps(model):
    reduction, lr, momentum, biases = RECIPES[model]
    p = shared(random_net(MODELS[model]))
    groups = [[w for name, w in p.items() if w.requires_grad and name.endswith(biases) == doubled]
              for doubled in (False, True)]
    sgd = torch.optim.SGD([{"params": groups[0]}, {"params": groups[1], "lr": 2 * lr, "weight_decay": 0}],
                          lr=lr, momentum=momentum, weight_decay=5e-4, foreach=False)
    losses = []
    for k, size in enumerate(STEPS):
        sgd.zero_grad()
        loss = their_loss(FORWARD[model](p, torch.from_numpy(photograph(k, *size)).double()), reduction)
        loss.backward()
        sgd.step()
        losses.append(loss.item())
    return losses, {name: w.detach().numpy() for name, w in p.items()}


@pytest.mark.parametrize("model", list(RECIPES))
def test_ten_steps_of_a_recipe_move_every_weight_as_pytorch_does(model):
    losses, ours = ours_after_ten_steps(model)
    wanted, theirs = theirs_after_ten_steps(model)
    np.testing.assert_allclose(losses, wanted, rtol=1e-9)
    for name, w in ours.items():
        if not name.startswith("upscore"):
            before = np.empty_like(w)
            draw(name, before)
            assert relative_error(w, theirs[name]) < 1e-9, name
            assert relative_error(w - before, theirs[name] - before) < 1e-9, name

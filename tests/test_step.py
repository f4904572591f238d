"""The gradients of a step: of halves that two processes compute, the same as of the whole, to the bit however many."""
import os
import signal

import numpy as np
import pytest
from tiny_nets import labels_for, randomise

from minifcn import backend, helper
from minifcn import step as module
from minifcn.nets import build
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.step import Step

WEIGHTS = np.array([0.5, 1.5, 2.0])


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Batches of tests are small: divide them all the same."""
    monkeypatch.setattr(module, "PIXELS", 1)
    yield
    helper.stop()


@pytest.fixture
def calls(monkeypatch):
    """The sizes of the parts that were computed in this process."""
    sizes, real = [], module.Part.gradients
    monkeypatch.setattr(module.Part, "gradients", lambda self, x, *rest: sizes.append(len(x)) or real(self, x, *rest))
    return sizes


def made(rng, classes=3, name="fcn8s", dtype=np.float64, **options):
    net = build(name, "mini", classes, dtype=dtype, **options)
    randomise(net, rng)
    return net


def batch(rng, n=5, height=33, width=47, classes=3, dtype=np.float64):
    x = rng.normal(size=(n, 3, height, width)).astype(dtype)
    return x, labels_for(rng, x, classes).astype(np.uint8)


def taken(net, *batches, threads, key=(0, 1, 2), **options):
    """(loss, gradients) of a step on so many threads."""
    with backend.using_threads(threads):
        loss, grads = Step(net, **options).gradients(iter(batches), len(batches), key)
        return loss, {name: g.copy() for name, g in grads.items()}


def assert_same(one, other):
    assert one[0] == other[0] and one[1].keys() == other[1].keys()
    for name, g in one[1].items():
        assert g.tobytes() == other[1][name].tobytes(), name


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("weights", [None, [WEIGHTS]])
@pytest.mark.parametrize("n", [2, 5])
def test_gradients_of_the_halves_add_up_to_those_of_the_batch(rng, calls, reduction, weights, n):
    net, (x, labels) = made(rng), batch(rng, n)
    labels[0] = 255  # halves that count unlike many pixels
    loss, grads = taken(net, (x, labels), threads=2, reduction=reduction, weights=weights)
    assert calls == [n - n // 2]  # the other half was computed elsewhere
    whole, cache = softmax_cross_entropy(net.forward(x, train=True), labels, reduction=reduction,
                                         class_weight=weights and WEIGHTS)
    net.backward(softmax_cross_entropy_backward(cache))
    np.testing.assert_allclose(loss, whole, rtol=1e-12)
    assert grads.keys() == net.grads.keys()
    for name, g in net.grads.items():
        np.testing.assert_allclose(grads[name], g, rtol=1e-9, atol=1e-12 * abs(g).max(), err_msg=name)


@pytest.mark.parametrize("options", [{}, {"dropout": 0.5}, {"learn_upsampling": True}])
def test_the_bits_are_the_same_on_any_number_of_threads(rng, calls, options):
    net, data = made(rng, dtype=np.float32, **options), batch(rng, 5, dtype=np.float32)
    one, two, five = (taken(net, data, threads=threads) for threads in (1, 2, 5))
    assert calls == [3, 2, 3, 3]  # both halves here, then the larger one each time
    assert_same(one, two)
    assert_same(one, five)


def test_weights_that_have_changed_are_those_that_count(rng):
    """As an optimiser changes them: in place, between the steps of one Step."""
    net, data = made(rng), batch(rng)
    with backend.using_threads(2):
        stepper = Step(net)
        stepper.gradients(iter([data]), 1, (0, 0, 0))
        randomise(net, rng)
        changed = stepper.gradients(iter([data]), 1, (0, 0, 0))
    assert_same(changed, taken(net, data, threads=1))


def test_bits_do_not_depend_on_who_limits_the_threads_of_blas(rng):
    """A product this large BLAS would share among its own threads, which round otherwise."""
    net = made(rng, 21, dtype=np.float32, learn_upsampling=True)
    data = batch(rng, 4, 150, 203, 21, np.float32)
    assert_same(taken(net, data, threads=1), taken(net, data, threads=2))


@pytest.mark.parametrize("change", ["freeze", "fixed"])
def test_a_net_that_is_changed_between_two_steps_is_changed_in_both_halves(rng, change):
    net, data = made(rng), batch(rng)
    with backend.using_threads(2):
        stepper = Step(net)
        stepper.gradients(iter([data]), 1, (0, 0, 0))
        if change == "fixed":
            net.params["upscore8.w"][...] *= 2
        else:
            net.layers["conv1_1"].learn, net.layers["conv1_1"].grads = False, {}
            net.find_needs()
        changed = stepper.gradients(iter([data]), 1, (0, 0, 0))
    assert_same(changed, taken(net, data, threads=1, key=(0, 0, 0)))
    assert ("conv1_1.w" in changed[1]) == (change == "fixed")


def test_batches_of_other_sizes_follow_one_another(rng):
    net, sizes = made(rng), [(2, 33, 47), (7, 61, 20), (3, 9, 11)]
    for n, height, width in sizes:
        data = batch(rng, n, height, width)
        assert_same(taken(net, data, threads=2), taken(net, data, threads=1))


def test_several_batches_a_step_are_averaged(rng):
    net, first, second = made(rng), batch(rng), batch(rng, 2)
    loss, grads = taken(net, first, second, threads=2)
    assert_same((loss, grads), taken(net, first, second, threads=1))
    parts = [taken(net, some, threads=1) for some in (first, second)]
    np.testing.assert_allclose(loss, sum(part[0] for part in parts) / 2, rtol=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(g, sum(part[1][name] for part in parts) / 2, rtol=1e-9, atol=1e-15)


def test_two_heads(rng):
    net, (x, labels) = made(rng, (3, 2)), batch(rng, 3, classes=2)
    labels = np.stack([labels, labels_for(rng, x, 2).astype(np.uint8)], axis=-1)
    assert_same(taken(net, (x, labels), threads=2), taken(net, (x, labels), threads=1))


def test_halves_drop_different_features_and_each_step_others(rng):
    """The two halves are equal images: without dropout each would have half of the gradient."""
    net, (x, labels) = made(rng, dropout=0.5), batch(rng, 1)
    data = np.concatenate([x, x]), np.concatenate([labels, labels])
    losses = {float(taken(net, data, threads=1, key=key)[0]) for key in ((0, 0, 0), (0, 0, 1))}
    part = module.Part(net, "mean", [None])
    halves = {float(part.gradients(x, labels, (0, 0, 0, k), [None])[0]) for k in (0, 1)}
    assert len(losses) == len(halves) == 2


@pytest.mark.parametrize("net, n, height", [("fcn8s", 1, 99), ("frozen", 4, 99), ("fcn8s", 4, 30)])
def test_what_is_not_worth_it_is_not_divided(rng, calls, monkeypatch, net, n, height):
    """One image, a body that is not trained, and few pixels."""
    monkeypatch.setattr(module, "PIXELS", 4 * 35 * 30 + 1)
    frozen, net = net == "frozen", made(rng)
    if frozen:
        net.freeze_body()
    taken(net, batch(rng, n, height, 35), threads=2)
    assert calls == [n] and helper._second["process"] is None


def test_nets_with_many_parameters_are_not_divided(rng, calls, monkeypatch):
    monkeypatch.setattr(module, "SMALL", 1000)
    taken(made(rng), batch(rng), threads=2)
    assert calls == [5]


def test_on_a_gpu_nothing_is_divided(rng, calls, cupy):
    net, data = made(rng), batch(rng)
    expected = taken(net, data, threads=1)
    net.to_device("gpu")
    with backend.using_threads(2):
        loss, grads = Step(net).gradients(iter([data]), 1, (0, 1, 2))
    assert calls == [3, 2, 5]
    np.testing.assert_allclose(backend.to_numpy(loss), expected[0], rtol=1e-9)
    assert {backend.array_module(g) for g in grads.values()} == {cupy}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_without_the_second_process_a_run_goes_on_to_the_same_bits(rng, calls, capsys):
    net, data = made(rng), batch(rng)
    expected = taken(net, data, threads=1)
    with backend.using_threads(2):
        stepper = Step(net)
        stepper.gradients(iter([data]), 1, (0, 1, 2))
        os.kill(helper._second["process"].pid, signal.SIGKILL)
        calls.clear()
        for _ in range(2):
            assert_same(stepper.gradients(iter([data]), 1, (0, 1, 2)), expected)
    assert calls[-2:] == [3, 2] and len(calls) in (4, 5)  # where its death showed late, one half was computed twice
    warning, = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: the second process, which computes half of a batch, is lost (")


@pytest.mark.parametrize("weights", [None, [WEIGHTS]])
def test_what_fails_in_both_halves_fails_as_ever(rng, weights):
    net, (x, labels) = made(rng), batch(rng)
    labels[:, 0, 0] = 77
    with pytest.raises(ValueError, match="not all classes 0..2 or 255"):
        taken(net, (x, labels), threads=2, weights=weights)

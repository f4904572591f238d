"""What a net is made of and what it keeps: parameters, caches, frozen bodies, dropout, seeds, devices and memory."""
import tracemalloc

import cupy_standin
import numpy as np
import pytest
from tiny_nets import NAMES, PADS, image, labels_for, randomise, tiny_net

from minifcn.backend import to_device, to_numpy
from minifcn.nets import build
from minifcn.nets.memory import step_bytes
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import SGD
from minifcn.preprocess import NYUD_MEAN, VOC_MEAN


def arrays_in(thing, seen=None):
    """Every array that can be reached from an object, by id."""
    seen = {} if seen is None else seen
    if id(thing) in seen:
        return {}
    seen[id(thing)] = thing
    if isinstance(thing, np.ndarray):
        return {id(thing): thing}
    parts = [] if isinstance(thing, type) else list(getattr(thing, "__dict__", {}).values())
    parts += thing.values() if isinstance(thing, dict) else thing if isinstance(thing, list | tuple) else ()
    return {key: array for part in parts for key, array in arrays_in(part, seen).items()}


# --- params and grads --------------------------------------------------------------------------------------------

def test_params_are_a_read_only_mapping_of_the_live_arrays(rng):
    net, x = tiny_net("fcn8s", rng), image(rng)
    before = net.forward(x)
    net.params["score_fr.b"][...] += 1
    assert (net.forward(x) != before).any()
    with pytest.raises(TypeError):
        net.params["score_fr.b"] = np.zeros(2)
    with pytest.raises(TypeError):
        del net.params["score_fr.b"]
    with pytest.raises(TypeError):
        net.grads["score_fr.b"] = np.zeros(2)


def test_fixed_upsampling_is_among_the_parameters_dense_but_not_among_the_gradients(rng):
    net = build("fcn8s", classes=3)
    assert net.params["upscore8.w"].shape == (3, 3, 16, 16)
    assert net.fixed("upscore2.w") and not net.fixed("score_fr.w")
    net.backward(net.forward(image(rng, dtype=np.float32), train=True))
    assert set(net.params) - set(net.grads) == {"upscore2.w", "upscore_pool4.w", "upscore8.w"}
    assert list(net.grads) == net.learned


def test_upsampling_that_is_learned_is_a_parameter_like_any_other(rng):
    net = build("fcn8s", classes=3, learn_upsampling=True)
    assert net.learned == list(net.params) and not net.fixed("upscore2.w")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays_all_the_way(rng, dtype):
    net = build("fcn8s", classes=3, dtype=dtype, dropout=0.5, learn_upsampling=True)
    assert {w.dtype for w in net.params.values()} == {np.dtype(dtype)}
    scores = net.forward(image(rng, dtype=dtype), train=True)
    kept = {a.dtype for a in arrays_in(net).values() if a.dtype.kind == "f"}
    net.backward(scores)
    assert {scores.dtype, *kept, *(dw.dtype for dw in net.grads.values())} == {np.dtype(dtype)}


# --- what is kept ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_inference_keeps_nothing_but_the_weights(rng, name):
    net, x = tiny_net(name, rng, dropout=0.5), image(rng)
    weights = {id(w) for w in net.params.values()}
    net.forward(x)
    assert set(arrays_in(net)) == weights
    net.backward(net.forward(x, train=True))
    assert set(arrays_in(net)) > weights
    net.forward(x)
    assert set(arrays_in(net)) == weights | {id(dw) for dw in net.grads.values()}


def test_backward_after_inference_raises(rng):
    net, x = tiny_net("fcn8s", rng), image(rng)
    with pytest.raises(RuntimeError, match="train=True"):
        net.backward(np.zeros((2, 2, 37, 45)))
    net.forward(x, train=True)
    scores = net.forward(x)
    with pytest.raises(RuntimeError, match="nothing was kept"):
        net.backward(scores)


def test_a_step_writes_into_no_argument(rng):
    net, x = tiny_net("fcn8s", rng), image(rng)
    weights = {name: w.copy() for name, w in net.params.items()}
    x.flags.writeable = False
    dscores = np.array(net.forward(x, train=True))
    dscores.flags.writeable = False
    net.backward(dscores)
    for name, w in net.params.items():
        np.testing.assert_array_equal(w, weights[name])


# --- freezing, dropout, seeds ------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
def test_a_frozen_body_leaves_the_gradients_of_the_head_as_they_were(rng, name):
    net, x = tiny_net(name, rng, learn_upsampling=True), image(rng)
    dscores = rng.normal(size=net.forward(x, train=True).shape)
    net.backward(dscores)
    whole = dict(net.grads)
    assert net.freeze_body() is net
    net.forward(x, train=True)
    assert all(layer.cache is None for layer in net.body.layers.values())
    net.backward(dscores)
    head = [key for key in whole if key.startswith(("score", "upscore"))]
    assert list(net.grads) == net.learned == head
    for key in head:
        np.testing.assert_array_equal(net.grads[key], whole[key])


def test_gradients_that_nobody_needs_are_not_computed(rng):
    """That of the image is not; with a frozen body, neither are those of its taps."""
    net, x = tiny_net("fcn8s", rng), image(rng)
    scores = net.forward(x, train=True)
    dtaps = net.head.backward(scores)
    assert all(d is not None for d in dtaps.values()) and net.body.backward(dtaps) is None
    net.freeze_body().forward(x, train=True)
    assert net.head.backward(scores) == {}


def test_training_with_a_frozen_body_changes_the_head_alone(rng):
    net, x = tiny_net("fcn8s", rng).freeze_body(), image(rng)
    before = {name: w.copy() for name, w in net.params.items()}
    optimizer = SGD(net.params, 0.1, weight_decay=0.1)
    for _ in range(2):
        net.backward(net.forward(x, train=True))
        optimizer.step(net.grads)
    changed = {name for name, w in net.params.items() if (w != before[name]).any()}
    assert changed == {f"score_{tap}.{key}" for tap in ("fr", "pool4", "pool3") for key in "wb"}


def test_reseeding_makes_dropout_draw_the_same_again(rng):
    net, x = tiny_net("fcn8s", rng, dropout=0.5, width=8), image(rng, 97, 131)

    def scores(*key):
        net.reseed(*key)
        return net.forward(x, train=True)

    first = scores(0, 1, 7)
    assert (scores(0, 1, 8) != first).any()
    np.testing.assert_array_equal(scores(0, 1, 7), first)
    masks = [net.layers[name].cache[0] for name in ("drop6", "drop7")]
    assert masks[0].shape == masks[1].shape and (masks[0] != masks[1]).any()  # each layer draws its own


def test_inference_knows_no_dropout(rng):
    x = image(rng, dtype=np.float32)
    scores = []
    for dropout in (0.0, 0.9):
        net = build("fcn8s", classes=3, dropout=dropout)
        randomise(net, np.random.default_rng(1))
        scores.append(net.forward(x))
    np.testing.assert_array_equal(*scores)


def test_the_same_seed_gives_a_layer_the_same_weights_whatever_the_net():
    nets = [build(name, classes=classes, seed=3) for name, classes in (("fcn32s", 3), ("fcn16s", 7), ("fcn8s", 3))]
    other = build("fcn8s", classes=3, seed=4)
    for name in nets[0].params:
        if name.startswith(("conv", "fc")):
            np.testing.assert_array_equal(nets[0].params[name], nets[1].params[name])
            np.testing.assert_array_equal(nets[0].params[name], nets[2].params[name])
            if name.endswith(".w"):
                assert (nets[0].params[name] != other.params[name]).all()
    w, v = nets[0].params["conv4_2.w"], nets[0].params["conv5_1.w"]
    assert w.shape == v.shape and (w != v).all()  # layers of one shape do not draw alike


@pytest.mark.parametrize("args, options, message", [
    (["fcn4s"], {}, "net 'fcn4s' is none of fcn32s, fcn16s, fcn8s"),
    (["fcn8s", "maxi"], {}, "body 'maxi' is none of .*mini"),
    (["fcn8s"], {"classes": 1}, "1 classes: a net needs at least 2"),
    (["fcn8s"], {"preprocess": NYUD_MEAN["color-d"]}, "modality color has 3 channels, not those of BGRD"),
    (["fcn8s"], {"preprocess": VOC_MEAN, "modality": "color-hha"}, "color-hha has 6 channels, not those of BGR"),
    (["fcn8s"], {"preprocess": "x"}, "'x' is no Preprocessing"),
    (["classifier"], {"classes": (3, 2)}, "a classifier has one head"),
    (["classifier"], {"modality": "color-hha"}, "a classifier has one head, over one stream"),
], ids=str)
def test_what_build_does_not_know_is_a_clear_error(args, options, message):
    with pytest.raises(ValueError, match=message):
        build(*args, **options)


# --- devices -----------------------------------------------------------------------------------------------------

def train(net, rng, device, steps=2):
    """A few steps; the losses."""
    x = image(rng)
    x, labels = to_device(x, device), to_device(labels_for(rng, x), device)
    optimizer, losses = SGD(net.params, 0.1, weight_decay=0.01, multipliers={"*.b": (2, 0)}), []
    for step in range(steps):
        net.reseed(0, step)
        scores = net.forward(x, train=True)
        loss, cache = softmax_cross_entropy(scores, labels)
        net.backward(softmax_cross_entropy_backward(cache))
        optimizer.step(net.grads)
        losses.append(loss)
    return losses


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pad", PADS)
def test_training_gives_the_same_numbers_on_the_gpu(cupy, name, pad):
    on_cpu, on_gpu = (tiny_net(name, np.random.default_rng(1), pad=pad, learn_upsampling=True) for _ in range(2))
    assert on_gpu.to_device("gpu") is on_gpu and on_gpu.device == "gpu"
    losses = [train(net, np.random.default_rng(2), net.device) for net in (on_cpu, on_gpu)]
    np.testing.assert_allclose(*([float(loss) for loss in some] for some in losses), rtol=1e-10)
    on_gpu.to_device("cpu")
    for key, w in on_gpu.params.items():
        np.testing.assert_allclose(w, on_cpu.params[key], rtol=0, atol=1e-10)


def test_a_training_step_never_waits_for_the_gpu(cupy, rng):
    """The host runs ahead of the device; a single look at a number would stop it, every step."""
    net = tiny_net("fcn8s", rng, dropout=0.5).to_device("gpu")
    cupy_standin.waits.clear()
    train(net, rng, "gpu")
    assert not cupy_standin.waits


def test_weights_are_loaded_to_wherever_the_net_lies(cupy, rng):
    net, other = tiny_net("fcn16s", rng).to_device("gpu"), tiny_net("fcn32s", rng)
    net.load(other.params)
    np.testing.assert_array_equal(to_numpy(net.params["fc6.w"]), other.params["fc6.w"])
    randomise(other, rng)
    net.to_device("cpu").load(other.to_device("gpu").params)
    np.testing.assert_array_equal(net.params["fc6.w"], to_numpy(other.params["fc6.w"]))


# --- memory ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("frozen", [False, True])
def test_the_memory_foretold_is_what_a_step_takes(rng, strips, monkeypatch, frozen):
    """Within a tenth; the second step finds buffers, gradients and velocities in place."""
    strips(threads=2)
    monkeypatch.setattr("minifcn.buffers.LEAST", 1 << 60)  # no block waits for the next map
    net, x = build("fcn8s", classes=7), image(rng, 129, 161, n=6, dtype=np.float32)
    if frozen:
        net.freeze_body()
    labels = labels_for(rng, x, 7)

    def step():
        loss, cache = softmax_cross_entropy(net.forward(x, train=True), labels)
        net.backward(softmax_cross_entropy_backward(cache))
        optimizer.step(net.grads)
        return loss

    optimizer = SGD(net.params, 0.1)
    step()
    tracemalloc.start()
    step()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    there_before = x.nbytes + sum(w.nbytes for w in (*net.params.values(), *net.grads.values(),
                                                     *optimizer.state.values()))
    told = step_bytes(net, *x[:, 0].shape, slots=1)
    assert 0.9 < (peak + there_before) / told < 1.1

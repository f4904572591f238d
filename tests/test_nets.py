"""FCN-32s, 16s and 8s: their sizes, their gradients, how they grow out of each other, and what they keep."""
import cupy_standin
import numpy as np
import pytest
from tiny_nets import randomise, tiny_net

from minifcn.backend import to_device, to_numpy
from minifcn.gradcheck import assert_gradient
from minifcn.nets import build
from minifcn.nets.memory import step_bytes
from minifcn.ops import conv2d, conv_transpose2d, crop, softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import SGD

NAMES = ("fcn32s", "fcn16s", "fcn8s")
PADS = (1, 100)  # maps that fit the image, and the papers' padding


def image(rng, height=37, width=45, n=2, dtype=np.float64):
    return rng.normal(size=(n, 3, height, width)).astype(dtype)


def labels_for(rng, x, classes=2):
    """Random labels, a third of them void."""
    labels = rng.integers(0, classes, (len(x), *x.shape[2:]))
    labels[rng.random(labels.shape) < 1 / 3] = 255
    return labels


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


# --- sizes -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pad", PADS)
def test_scores_are_as_large_as_the_image_whatever_its_size(rng, name, pad):
    """All sides from 1 to 70, and all small ones with all small ones: roundings differ from step to step."""
    net = tiny_net(name, rng, classes=3, pad=pad, dtype=np.float32)
    sides = [(height, height * 37 % 71) for height in range(1, 71)]
    if pad == 1:
        sides += [(height, width) for height in range(1, 10) for width in range(1, 10)]
    for height, width in sides:
        assert net.forward(image(rng, height, width, dtype=np.float32)).shape == (2, 3, height, width)


@pytest.mark.parametrize("name", NAMES)
def test_the_papers_padding_of_100_is_more_than_enough_and_less_than_81_73_69_is_not(rng, name):
    """fcn-8s crops least: its last map begins 69 cells before an image that is not padded at all."""
    least = {"fcn32s": 81, "fcn16s": 73, "fcn8s": 69}[name]
    x = image(rng, 67, 64, n=1)
    assert tiny_net(name, rng, pad=least).forward(x).shape == (1, 2, 67, 64)
    with pytest.raises(ValueError, match="lies outside"):
        tiny_net(name, rng, pad=least - 1).forward(x)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8)], ids=str)
def test_an_image_of_another_shape_is_a_clear_error(rng, shape):
    with pytest.raises(ValueError, match=r"x must be \(N,3,H,W\)"):
        tiny_net("fcn8s", rng).forward(np.zeros(shape))


# --- gradients ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("learn_upsampling", [False, True])
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("pad", PADS)
def test_the_gradient_of_the_loss_is_right_in_every_parameter(rng, name, pad, learn_upsampling):
    """The whole net, loss and void pixels included: of the smallest nets every element on its own, of those with 100
    pixels of padding or large kernels to learn by random directions d: loss(w + t d) has the slope <dw, d> at t = 0."""
    net = tiny_net(name, rng, pad=pad, learn_upsampling=learn_upsampling)
    x = image(rng)
    labels = labels_for(rng, x)
    scores = net.forward(x, train=True)
    _, cache = softmax_cross_entropy(scores, labels)
    net.backward(softmax_cross_entropy_backward(cache))
    assert list(net.grads) == net.learned
    for key, dw in net.grads.items():
        assert np.abs(dw).max() > 1e-6, f"{key} does not matter here, so nothing is proved"
        w = net.params[key]
        start = w.copy()

        def loss(value, w=w, start=start):
            w[...] = value
            found = softmax_cross_entropy(net.forward(x), labels)[0]
            w[...] = start
            return found

        if pad == 1 and not learn_upsampling:
            assert_gradient(loss, start, 1.0, dw, key)
        else:
            d = rng.normal(size=(4, *w.shape))
            d /= np.sqrt(w.size)
            assert_gradient(lambda t, d=d, start=start: loss(start + np.tensordot(t, d, 1)), np.zeros(4),  # noqa: B023
                            1.0, np.tensordot(d, dw, w.ndim), f" <{key}, d>")


@pytest.mark.parametrize("name", NAMES)
def test_backward_twice_gives_the_same_twice(rng, name):
    net = tiny_net(name, rng, learn_upsampling=True)
    dscores = rng.normal(size=net.forward(image(rng), train=True).shape)
    kept = dscores.copy()
    net.backward(dscores)
    first = dict(net.grads)
    net.backward(dscores)
    for key, dw in net.grads.items():
        np.testing.assert_array_equal(dw, first[key])
    np.testing.assert_array_equal(dscores, kept)


def test_gradients_of_a_batch_are_the_sum_of_those_of_its_images(rng):
    net, x = tiny_net("fcn8s", rng), image(rng)
    dscores = rng.normal(size=net.forward(x, train=True).shape)
    net.backward(dscores)
    together, apart = dict(net.grads), []
    for i in range(2):
        net.forward(x[i:i + 1], train=True)
        net.backward(dscores[i:i + 1])
        apart.append(net.grads)
    for key, dw in together.items():
        np.testing.assert_allclose(apart[0][key] + apart[1][key], dw, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays_all_the_way(rng, dtype):
    net = build("fcn8s", classes=3, dtype=dtype, dropout=0.5, learn_upsampling=True)
    assert {w.dtype for w in net.params.values()} == {np.dtype(dtype)}
    scores = net.forward(image(rng, dtype=dtype), train=True)
    kept = {a.dtype for a in arrays_in(net).values() if a.dtype.kind == "f"}
    net.backward(scores)
    assert {scores.dtype, *kept, *(dw.dtype for dw in net.grads.values())} == {np.dtype(dtype)}


# --- from 32s to 16s to 8s ---------------------------------------------------------------------------------------

def test_parameters_carry_the_papers_names():
    head = {
        "fcn32s": ["score_fr.w", "score_fr.b", "upscore.w"],
        "fcn16s": ["score_fr.w", "score_fr.b", "upscore2.w", "score_pool4.w", "score_pool4.b", "upscore16.w"],
        "fcn8s": ["score_fr.w", "score_fr.b", "upscore2.w", "score_pool4.w", "score_pool4.b", "upscore_pool4.w",
                  "score_pool3.w", "score_pool3.b", "upscore8.w"],
    }
    bodies = []
    for name in NAMES:
        params = list(build(name, classes=3).params)
        assert params[-len(head[name]):] == head[name]
        bodies.append(params[:-len(head[name])])
    assert bodies[0] == bodies[1] == bodies[2]
    assert bodies[0][:2] == ["conv1_1.w", "conv1_1.b"] and bodies[0][-2:] == ["fc7.w", "fc7.b"]


@pytest.mark.parametrize("coarse, fine, new", [("fcn32s", "fcn16s", "score_pool4"), ("fcn16s", "fcn8s", "score_pool3")])
def test_moving_on_carries_all_by_name_and_starts_the_new_score_layer_at_zero(rng, coarse, fine, new):
    old = build(coarse, classes=3)
    randomise(old, rng)
    net = build(fine, classes=3, seed=1)
    copied = net.load(old.params)
    assert set(net.learned) - set(copied) == {f"{new}.w", f"{new}.b"}
    assert set(old.learned) <= set(copied)
    for name in copied:
        np.testing.assert_array_equal(net.params[name], old.params[name])
        assert not np.shares_memory(net.params[name], old.params[name])
    assert not net.params[f"{new}.w"].any() and not net.params[f"{new}.b"].any()


@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("height, width", [(1, 1), (37, 45), (64, 97)])
def test_16s_first_gives_exactly_the_32s_score_map_through_its_two_upsamplings(rng, pad, height, width):
    coarse, fine = tiny_net("fcn32s", rng, 3, pad=pad), tiny_net("fcn16s", rng, 3, pad=pad)
    for w in (fine.params["score_pool4.w"], fine.params["score_pool4.b"]):
        w[...] = 0  # as build() leaves it
    fine.load(coarse.params)
    x = image(rng, height, width)
    taps = coarse.body.forward(x)
    score_fr, _ = conv2d(taps["drop7"], coarse.params["score_fr.w"], coarse.params["score_fr.b"])
    if pad == 1:  # every map covers the image, the upsampled ones a little more at the far ends
        up, _ = conv_transpose2d(score_fr, fine.params["upscore2.w"], stride=2, pad=1)
        up, _ = crop(up, 0, *taps["pool4"].shape[2:])
        scores, _ = crop(conv_transpose2d(up, fine.params["upscore16.w"], stride=16, pad=8)[0], 0, height, width)
    else:
        up, _ = conv_transpose2d(score_fr, fine.params["upscore2.w"], stride=2)
        scores, _ = crop(conv_transpose2d(up, fine.params["upscore16.w"], stride=16)[0], 27, height, width)
    found = fine.forward(x)
    assert found.any() and (found == scores).all()


@pytest.mark.parametrize("name", NAMES)
def test_scores_of_mini_are_its_fused_maps_upsampled(rng, name):
    """The figure of the papers as sums of cropped maps; mini itself, in float32."""
    net = build(name, classes=3)
    randomise(net, rng)
    p, x = net.params, image(rng, dtype=np.float32)
    taps = net.body.forward(x)

    def score(layer, tap):
        return conv2d(taps[tap], p[f"{layer}.w"], p[f"{layer}.b"])[0]

    def up(layer, scores, factor, like):
        y, _ = conv_transpose2d(scores, p[f"{layer}.w"], stride=factor, pad=factor // 2)
        return y[:, :, :like.shape[2], :like.shape[3]]

    fused = score("score_fr", "drop7")
    if name != "fcn32s":
        fused = up("upscore2", fused, 2, taps["pool4"]) + score("score_pool4", "pool4")
    if name == "fcn8s":
        fused = up("upscore_pool4", fused, 2, taps["pool3"]) + score("score_pool3", "pool3")
    last, factor = {"fcn32s": ("upscore", 32), "fcn16s": ("upscore16", 16), "fcn8s": ("upscore8", 8)}[name]
    np.testing.assert_array_equal(net.forward(x), up(last, fused, factor, x))


def test_load_refuses_another_number_of_classes_and_changes_nothing(rng):
    net, other = tiny_net("fcn8s", rng, classes=3), tiny_net("fcn8s", rng, classes=4)
    before = {name: w.copy() for name, w in net.params.items()}
    with pytest.raises(ValueError, match="score_fr.w has shape .*3.* here and .*4.* there"):
        net.load(other.params)
    for name, w in net.params.items():
        np.testing.assert_array_equal(w, before[name])


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

def test_the_memory_foretold_is_what_a_step_takes(rng):
    """Within a third, measured by what NumPy allocates during a step."""
    import tracemalloc

    net = build("fcn8s", classes=3)
    x = image(rng, 97, 131, dtype=np.float32)
    labels = labels_for(rng, x, 3)
    told = step_bytes(net, *x[:, 0].shape, slots=1)
    tracemalloc.start()
    optimizer = SGD(net.params, 0.1)
    _, cache = softmax_cross_entropy(net.forward(x, train=True), labels)
    net.backward(softmax_cross_entropy_backward(cache))
    optimizer.step(net.grads)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    weights = sum(w.nbytes for w in net.params.values())
    assert 0.7 < (peak + weights) / told < 1.3

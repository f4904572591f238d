"""FCN-32s, 16s and 8s: their sizes, their gradients, and how they grow out of each other."""
import numpy as np
import pytest
from tiny_nets import NAMES, PADS, image, labels_for, randomise, tiny_net

from minifcn.gradcheck import assert_gradient
from minifcn.nets import build
from minifcn.nets.fcn import FCN, SKIPS, Head
from minifcn.ops import conv2d, conv_transpose2d, crop, softmax_cross_entropy, softmax_cross_entropy_backward

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
def test_the_papers_padding_of_100_could_be_81_73_or_69_and_no_less(rng, name):
    """So far inside an image that is not padded the last map would begin."""
    least = {"fcn32s": 81, "fcn16s": 73, "fcn8s": 69}[name]
    x = image(rng, 67, 64, n=1)
    assert tiny_net(name, rng, pad=least).forward(x).shape == (1, 2, 67, 64)
    with pytest.raises(ValueError, match="lies outside"):
        tiny_net(name, rng, pad=least - 1).forward(x)


@pytest.mark.parametrize("name", NAMES)
def test_padding_an_upsampling_layer_by_p_is_cropping_what_it_makes_by_p(rng, name):
    """One body, one head that pads and one that crops: there it is the upsampled map that begins before the skip."""
    net, x = tiny_net(name, rng, classes=3), image(rng)
    scores = net.forward(x)
    net.body.fits = False
    cropping = FCN(name, net.body, Head(net.body, 3, SKIPS[name], dtype=np.float64))
    cropping.load(net.params)
    np.testing.assert_allclose(cropping.forward(x), scores, rtol=0, atol=1e-12)


@pytest.mark.parametrize("shape", [(2, 1, 8, 8), (3, 8, 8), (1, 3, 0, 8), (0, 3, 8, 8)], ids=str)
def test_an_image_of_another_shape_is_a_clear_error(rng, shape):
    with pytest.raises(ValueError, match=r"x must be \(N,3,H,W\)"):
        tiny_net("fcn8s", rng).forward(np.zeros(shape))


# --- gradients ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pad, learn_upsampling", [(1, False), (1, True), (100, True)])
@pytest.mark.parametrize("name", NAMES)
def test_the_gradient_of_the_loss_is_right_in_every_parameter(rng, name, pad, learn_upsampling):
    """The whole net, loss and void pixels included: without the large kernels every element on its own, with them along
    random directions d: loss(w + t d) has the slope <dw, d> at t = 0."""
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

        if not learn_upsampling:
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


@pytest.mark.parametrize("options, message", [
    ({"classes": 4}, r"score_fr.w has shape \(3, 2, 1, 1\) here and \(4, 2, 1, 1\) there"),
    ({"classes": 3, "width": 5}, r"conv1_1.w has shape \(2, 3, 3, 3\) here and \(5, 3, 3, 3\) there"),
], ids=["classes", "body"])
def test_load_refuses_other_shapes_and_changes_nothing(rng, options, message):
    net, other = tiny_net("fcn8s", rng, classes=3), tiny_net("fcn8s", rng, **options)
    before = {name: w.copy() for name, w in net.params.items()}
    with pytest.raises(ValueError, match=message):
        net.load(other.params)
    for name, w in net.params.items():
        np.testing.assert_array_equal(w, before[name])

"""Net surgery: a classifier becomes an FCN, one stream becomes two, colour gets depth, and nothing else changes."""
import numpy as np
import pytest
from tiny_runs import assert_same_bits
from weight_files import narrow, randomise, relative_error

from minifcn.nets import build
from minifcn.nets.models import MODELS
from minifcn.nets.surgery import convolutional, expand_score, into, transplant, widen


@pytest.fixture(autouse=True)
def few_weights(monkeypatch):
    narrow(monkeypatch)


def classifier(body="vgg16", classes=1000, seed=0):
    return randomise(build("classifier", body, classes, None), seed)


def fcn(model, seed=1):
    return randomise(build(seed=None, **MODELS[model]), seed)


def layers(names):
    """Of names of parameters, those of their layers, once each."""
    return list(dict.fromkeys(name.rpartition(".")[0] for name in names))


# ---- a classifier made convolutional

@pytest.mark.parametrize("body", ["vgg16", "alexnet", "googlenet"])
def test_every_parameter_of_a_classifier_has_its_place_in_an_fcn(body):
    net, target = classifier(body), build("fcn32s", body, 1000, None)
    params = convolutional(net)
    assert set(target.load(params)) == set(params) == set(target.learned)
    for name, w in zip(params, net.params.values(), strict=True):
        assert np.shares_memory(params[name], w) and (params[name].reshape(-1) == w.reshape(-1)).all()


@pytest.mark.parametrize(("body", "kernel"), [("vgg16", 7), ("alexnet", 6)])
def test_convolutions_over_the_classifiers_own_map_are_the_classifier(rng, body, kernel):
    net, target = classifier(body), build("fcn32s", body, 1000, None)
    target.load(convolutional(net))
    x = rng.normal(size=(2, 3, net.side, net.side)).astype(np.float32)
    wanted = net.forward(x)
    y = net.body.forward(x)["pool5"]  # padded as the classifier pads
    assert y.shape[2:] == (kernel, kernel)
    for name, layer in target.body.layers.items():
        if name.endswith(("6", "7")):
            y = layer.forward(y)
    y = target.head.layers["score_fr"].forward(y)
    assert y.shape == (2, 1000, 1, 1) and relative_error(y[:, :, 0, 0], wanted) < 1e-5


# ---- from net to net

def test_into_an_fcn_go_all_layers_of_a_classifier_but_its_last():
    net, target = classifier(), fcn("voc-fcn8s")
    found, fresh = into(target, net.params)
    assert fresh == [f"{name}.{kind}" for name in ("score_fr", "score_pool4", "score_pool3") for kind in "wb"]
    assert_same_bits(found, {name: w for name, w in convolutional(net).items() if not name.startswith("score")})


def test_of_as_many_classes_the_last_layer_goes_along():
    net = classifier(classes=21)
    found, fresh = into(fcn("voc-fcn16s"), net.params)
    assert fresh == ["score_pool4.w", "score_pool4.b"]
    np.testing.assert_array_equal(found["score_fr.w"][:, :, 0, 0], net.params["fc8.w"])
    np.testing.assert_array_equal(found["score_fr.b"], net.params["fc8.b"])


def test_the_papers_stages_hand_on_everything_but_the_skip_that_is_added():
    first, second = fcn("voc-fcn32s"), fcn("voc-fcn16s", seed=2)
    found, fresh = into(second, first.params)
    assert fresh == ["score_pool4.w", "score_pool4.b"]
    assert_same_bits(found, {name: w for name, w in first.params.items() if name != "upscore.w"})


def test_score_and_upsampling_layers_of_other_classes_stay_behind():
    found, fresh = into(fcn("pascalcontext-fcn16s"), fcn("voc-fcn16s").params)
    assert layers(fresh) == ["score_fr", "score_pool4"]
    assert not [name for name in found if "score" in name] and "fc7.w" in found


def test_over_one_body_two_heads_start_fresh():
    found, fresh = into(fcn("siftflow-fcn32s"), classifier().params)
    assert layers(fresh) == ["score_fr_sem", "score_fr_geo"] and len(found) == 30


def test_two_streams_from_one_classifier_are_the_same_twice():
    net = classifier()
    found, fresh = into(fcn("nyud-fcn32s-color-hha"), net.params)
    assert layers(fresh) == ["score_frcolor", "score_frhha"] and len(found) == 60
    for layer in ("conv1_1", "conv5_3", "fc6", "fc7"):
        for stream in ("color", "hha"):
            assert (found[f"{layer}{stream}.w"].reshape(-1) == net.params[f"{layer}.w"].reshape(-1)).all()


def test_two_streams_from_two_fcns_have_each_its_own_and_all_that_was_learned():
    color, hha = fcn("nyud-fcn32s-color", 2), fcn("nyud-fcn32s-hha", 3)
    target = fcn("nyud-fcn32s-color-hha")
    found, fresh = into(target, color.params, hha.params)
    assert fresh == []
    wanted = {f"{layer}{stream}.{kind}": net.params[f"{layer}.{kind}"]
              for stream, net in (("color", color), ("hha", hha)) for layer in layers(net.learned) for kind in "wb"}
    assert_same_bits({name: w for name, w in found.items() if name != "upscore.w"}, wanted)


def test_scores_of_two_streams_are_the_mean_of_the_fcns_they_came_from(rng):
    color, hha, target = fcn("nyud-fcn32s-color", 2), fcn("nyud-fcn32s-hha", 3), fcn("nyud-fcn32s-color-hha")
    target.load(into(target, color.params, hha.params)[0])
    for net in (color, hha):
        net.params["upscore.w"][...] = target.params["upscore.w"]
    x = 64 * rng.normal(size=(1, 6, 33, 41)).astype(np.float32)
    wanted = (color.forward(x[:, :3]) + hha.forward(x[:, 3:])) / 2
    assert relative_error(target.forward(x), wanted) < 1e-5


def test_a_net_of_two_streams_goes_into_another_by_its_own_names():
    before, after = fcn("nyud-fcn32s-color-hha"), fcn("nyud-fcn16s-color-hha", 2)
    found, fresh = into(after, before.params)
    assert layers(fresh) == ["score_pool4color", "score_pool4hha"]
    assert_same_bits(found, {name: w for name, w in before.params.items() if name != "upscore.w"})


def test_depth_starts_as_the_mean_of_the_colours():
    net, target = classifier(), fcn("nyud-fcn32s-color-d")
    found, fresh = into(target, net.params)
    assert layers(fresh) == ["score_fr"] and "conv1_1.w" not in found
    w, before = found["conv1_1_bgrd.w"], net.params["conv1_1.w"]
    np.testing.assert_array_equal(w[:, :3], before)
    np.testing.assert_allclose(w[:, 3], (before[:, 0] + before[:, 1] + before[:, 2]) / 3, rtol=1e-5, atol=1e-7)
    np.testing.assert_array_equal(found["conv1_1_bgrd.b"], net.params["conv1_1.b"])
    assert w.dtype == np.float32 and w.shape == target.params["conv1_1_bgrd.w"].shape


def test_early_fusion_goes_into_early_fusion_as_it_is():
    before = fcn("nyud-fcn32s-color-d", 2)
    found, fresh = into(fcn("nyud-fcn32s-color-d"), before.params)
    assert fresh == []
    assert_same_bits(found, dict(before.params))


def test_features_alone_leave_the_rest_fresh():
    features = {name: w for name, w in classifier().params.items() if name.startswith("conv")}
    found, fresh = into(fcn("voc-fcn32s"), features)
    assert_same_bits(found, features)
    assert layers(fresh) == ["fc6", "fc7", "score_fr"]


def test_a_layer_of_another_shape_belongs_to_another_body():
    params = dict(classifier().params) | {"conv3_1.w": np.zeros((9, 4, 3, 3), np.float32)}
    with pytest.raises(ValueError, match=r"conv3_1.w has shape \(9, 4, 3, 3\), conv3_1.w here \(6, 4, 3, 3\)"):
        into(fcn("voc-fcn32s"), params)
    with pytest.raises(ValueError, match="conv3_1hha.w"):
        into(fcn("nyud-fcn32s-color-hha"), classifier().params, params)


@pytest.mark.parametrize(("model", "count"), [("voc-fcn32s", 2), ("nyud-fcn32s-color-hha", 3)])
def test_there_is_one_source_for_all_streams_or_one_for_each(model, count):
    with pytest.raises(ValueError, match=f"{count} sources"):
        into(fcn(model), *[classifier().params] * count)


# ---- single cuts

def test_a_transplant_copies_numbers_in_their_order_whatever_the_shape(rng):
    target = fcn("nyud-fcn32s-color-hha")
    shape = target.params["fc6hha.w"].shape
    w = rng.normal(size=(shape[0], np.prod(shape[1:])))
    found = transplant({"fc6.w": w, "fc6.b": np.zeros(3), "fc9.w": w}, target, "hha")
    assert list(found) == ["fc6hha.w"] and found["fc6hha.w"].shape == shape and np.shares_memory(found["fc6hha.w"], w)
    np.testing.assert_array_equal(found["fc6hha.w"].reshape(len(w), -1), w)
    assert transplant({"fc6.w": w}, target) == {}


def test_as_many_numbers_of_other_filters_are_no_transplant():
    target = fcn("voc-fcn32s")
    assert transplant({"fc7.w": np.zeros((24, 6))}, target) == {} and target.params["fc7.w"].shape == (12, 12, 1, 1)


def test_filters_widened_by_a_channel_see_the_mean_of_the_others(rng):
    w, x = rng.normal(size=(4, 3, 5, 5)), rng.normal(size=(3, 5, 5))
    wide = widen(w)
    assert wide.shape == (4, 4, 5, 5)
    depth = rng.normal(size=(5, 5))
    np.testing.assert_allclose(np.einsum("fcij,cij->f", wide, np.concatenate([x, depth[None]])),
                               np.einsum("fcij,cij->f", w, x + depth / 3), rtol=1e-12)


def test_a_score_layer_for_more_classes_keeps_those_it_had(rng):
    for old, new in (((3, 8, 1, 1), (5, 8, 1, 1)), ((3,), (5,)), ((5, 2), (5, 2))):
        old, new = rng.normal(size=old), rng.normal(size=new)
        larger = expand_score(old, new)
        np.testing.assert_array_equal(larger, [*old, *new[len(old):]])
        assert not np.shares_memory(larger, new)


@pytest.mark.parametrize(("old", "new"), [((5, 8), (3, 8)), ((3, 8), (5, 9)), ((3,), (5, 8))])
def test_a_score_layer_does_not_shrink_nor_see_other_features(old, new):
    with pytest.raises(ValueError, match="does not fit"):
        expand_score(np.zeros(old), np.zeros(new))

"""Layers as a graph: what is handed out, what is kept, and where gradients go."""
import weakref

import numpy as np
import pytest
from test_layers import SHAPE, distinct, float64_conv

from minifcn.gradcheck import assert_gradient
from minifcn.layers import MaxPool2d, ReLU
from minifcn.nets.graph import Graph
from minifcn.nets.joints import Channels, Concat, Crop, Sum


def stack(rng):
    """Two convolutions with a tap after the first: what lies there is used twice, by the second and by the caller."""
    layers = {"conv1": float64_conv(rng, 4, 3, 3, pad=1), "relu1": ReLU(), "conv2": float64_conv(rng, 3, 2, 2)}
    for name in ("conv1", "conv2"):
        layers[name].params["b"][...] = rng.normal(size=layers[name].params["b"].shape)
    return Graph(layers, taps=["relu1", "conv2"])


def test_taps_hand_out_what_lies_there(rng):
    net, x = stack(rng), distinct(rng)
    relu1 = net.layers["relu1"].forward(net.layers["conv1"].forward(x))
    outputs = net.forward({"data": x})
    assert list(outputs) == ["relu1", "conv2"]
    np.testing.assert_array_equal(outputs["relu1"], relu1)
    np.testing.assert_array_equal(outputs["conv2"], net.layers["conv2"].forward(relu1))


@pytest.mark.parametrize("tap", [None, "conv1"])
def test_a_convolution_is_rectified_in_passing_unless_somebody_asks_for_its_map(rng, tap):
    net, x = stack(rng), distinct(rng)
    layers, calls = net.layers, []
    forward = layers["conv1"].forward
    layers["conv1"].forward = lambda x, **options: calls.append(options.get("relu", False)) or forward(x, **options)
    outputs = Graph(layers, taps=[name for name in (tap, "relu1", "conv2") if name]).forward({"data": x})
    assert calls == [tap is None]
    assert tap is None or outputs[tap].min() < 0
    np.testing.assert_array_equal(outputs["relu1"], np.maximum(forward(x), 0))


def pooled(rng, tap=()):
    """Convolution, ReLU, pooling, and the same once more."""
    layers = {}
    for i, (c, f) in enumerate(((3, 5), (5, 4)), 1):
        layers |= {f"conv{i}": float64_conv(rng, c, f, 3, pad=1), f"relu{i}": ReLU(), f"pool{i}": MaxPool2d(2)}
        layers[f"conv{i}"].params["b"][...] = rng.normal(size=f)
    return Graph(layers, taps=[*tap, "pool2"])


def test_at_inference_convolutions_pool_in_passing_and_gradients_are_stopped_by_poolings(rng):
    net, x = pooled(rng), rng.normal(size=(2, 3, 11, 9))
    seen = {}
    for name, layer in net.layers.items():
        forward = layer.forward
        layer.forward = lambda *a, name=name, forward=forward, **o: seen.__setitem__(name, o) or forward(*a, **o)
    apart = pooled(np.random.default_rng(0), tap=("conv1", "relu1", "conv2", "relu2"))  # nothing is in passing there
    for name, layer in apart.layers.items():
        layer.params = net.layers[name].params
    fast, plain = net.forward({"data": x}), apart.forward({"data": x})
    assert seen["conv1"]["pool"] and seen["pool2"]["done"]
    np.testing.assert_allclose(fast["pool2"], plain["pool2"], rtol=1e-12)
    fast, plain = net.forward({"data": x}, train=True), apart.forward({"data": x}, train=True)
    assert "pool" not in seen["conv1"] and seen["pool1"]["rectified"] and seen["relu1"]["masked"]
    dy = rng.normal(size=fast["pool2"].shape)
    np.testing.assert_allclose(net.backward({"pool2": dy})["data"], apart.backward({"pool2": dy})["data"], rtol=1e-10,
                               atol=1e-12)
    for name in ("conv1", "conv2"):
        for key, value in net.layers[name].grads.items():
            np.testing.assert_allclose(value, apart.layers[name].grads[key], rtol=1e-10, atol=1e-12)


def test_a_tap_that_is_used_twice_collects_both_gradients(rng):
    net, x = stack(rng), distinct(rng)
    douts = {tap: rng.normal(size=y.shape) for tap, y in net.forward({"data": x}, train=True).items()}
    kept = {tap: dy.copy() for tap, dy in douts.items()}
    dx = net.backward(douts)["data"]

    def both(x):
        return sum(np.sum(y * kept[tap]) for tap, y in net.forward({"data": x}).items())

    assert_gradient(both, x, 1.0, dx, "x")
    conv1 = net.layers["conv1"]
    for key, dw in conv1.grads.items():
        def of_param(value, key=key):
            conv1.params = {**conv1.params, key: value}
            return both(x)
        assert_gradient(of_param, conv1.params[key], 1.0, dw, key)
    for tap in douts:
        np.testing.assert_array_equal(douts[tap], kept[tap])  # the caller's arrays stay as they were


def test_layers_after_the_last_gradient_have_none_to_give(rng):
    net = stack(rng)
    y = net.forward({"data": distinct(rng)}, train=True)["relu1"]
    assert net.backward({"relu1": y})["data"].shape == SHAPE
    assert net.layers["conv1"].grads and not net.layers["conv2"].grads


def test_without_taps_the_last_layer_is_the_tap(rng):
    assert list(Graph({"a": ReLU(), "b": ReLU()}).forward({"data": distinct(rng)})) == ["b"]


def test_a_tap_that_is_no_layer_is_an_error_that_names_them():
    with pytest.raises(ValueError, match="'pool9' is none of the layers conv, relu"):
        Graph({"conv": ReLU(), "relu": ReLU()}, taps=["pool9"])


# --- joints ------------------------------------------------------------------------------------------------------

def two_ways(rng):
    """One map goes two ways that differ in everything, and both are joined in three ways."""
    layers = {
        "stem": float64_conv(rng, 4, 3, 3, pad=1), "left": float64_conv(rng, 3, 2, 3), "up": float64_conv(rng, 3, 2, 1),
        "right": Crop(1), "sum": Sum(0.5), "both": Concat(), "relu": ReLU()}
    inputs = {"left": ("stem",), "up": ("stem",), "right": ("up", "left"), "sum": ("left", "right", "left"),
              "both": ("sum", "right")}
    return Graph(layers, inputs)


def test_joined_maps_are_what_their_equations_say(rng):
    graph, x = two_ways(rng), distinct(rng)
    stem = graph.layers["stem"].forward(x)
    left, up = graph.layers["left"].forward(stem), graph.layers["up"].forward(stem)
    right = up[..., 1:1 + left.shape[2], 1:1 + left.shape[3]]
    wanted = np.concatenate([(left + right + left) / 2, right], axis=1)
    np.testing.assert_allclose(graph.forward({"data": x})["relu"], np.maximum(wanted, 0), rtol=1e-12)


def test_a_gradient_goes_back_by_every_way(rng):
    graph, x = two_ways(rng), distinct(rng)
    dy = rng.normal(size=graph.forward({"data": x}, train=True)["relu"].shape)
    dx = graph.backward({"relu": dy})["data"]
    assert_gradient(lambda x: graph.forward({"data": x})["relu"], x, dy, dx, "x")


def test_streams_see_channels_of_their_own(rng):
    x = distinct(rng)
    graph = Graph({"a": Channels(0, 1), "b": Channels(1, 4), "both": Concat()},
                  {"a": ("data",), "b": ("data",), "both": ("b", "a")})
    np.testing.assert_array_equal(graph.forward({"data": x})["both"], x[:, [1, 2, 3, 0]])


def test_joints_foretell_their_shapes():
    a, b = (2, 3, 7, 6), (2, 5, 7, 6)
    assert Sum().shape(a, a) == a and Concat().shape(a, b, a) == (2, 11, 7, 6)
    assert Crop(1).shape(a, (2, 9, 4, 3)) == (2, 3, 4, 3) and Channels(1, 3).shape(b) == (2, 2, 7, 6)


# --- what is kept and what is left out ---------------------------------------------------------------------------

def test_a_map_is_let_go_when_nobody_needs_it_any_more(rng):
    """Each layer looks at which of the maps before it are still there."""
    class Watching(ReLU):
        def forward(self, x, train=False):
            there.append([name for name, ref in maps.items() if ref() is not None])
            y = super().forward(x, train)
            maps[f"y{len(maps)}"] = weakref.ref(y)
            return y

    maps, there = {}, []
    graph = Graph({f"layer{i}": Watching() for i in range(5)}, {"layer3": ("layer1",)}, taps=["layer2", "layer4"])
    given = distinct(rng)
    graph.forward({"data": given})
    assert there == [[], ["y0"], ["y1"], ["y1", "y2"], ["y2", "y3"]]


def test_layers_below_which_nothing_is_learned_remember_nothing(rng):
    graph = stack(rng)
    graph.layers["conv1"].learn = False
    graph.find_needs({"data": False})
    y = graph.forward({"data": distinct(rng)}, train=True)["conv2"]
    assert [layer.cache is None for layer in graph.layers.values()] == [True, True, False]
    assert graph.backward({"conv2": y}) == {} and graph.layers["conv2"].grads and not graph.layers["conv1"].grads


def test_a_graph_is_cut_with_all_that_leads_to_the_cut(rng):
    layers, inputs = two_ways(rng).until(["right"])
    assert list(layers) == ["stem", "left", "up", "right"]
    x, whole = distinct(rng), two_ways(rng)
    whole.taps = ("right",)
    layers, inputs = whole.until(["right"])
    np.testing.assert_array_equal(Graph(layers, inputs).forward({"data": x})["right"],
                                  whole.forward({"data": x})["right"])

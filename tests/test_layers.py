"""Layers: ops that own weights, remember what they need, and hand out gradients."""
import pickle

import numpy as np
import pytest

from minifcn.backend import to_device, to_numpy
from minifcn.gradcheck import assert_gradient
from minifcn.layers import (
    AveragePool2d,
    Conv2d,
    ConvTranspose2d,
    Dropout,
    Linear,
    LocalResponseNorm,
    MaxPool2d,
    ReLU,
    Scale,
)
from minifcn.ops import bilinear_kernel

SHAPE = (2, 4, 7, 6)


def float64_conv(rng, *args, **options):
    return Conv2d(rng, *args, **options, dtype=np.float64)


LAYERS = {
    "conv": lambda rng: float64_conv(rng, 4, 6, 3, stride=2, pad=1),
    "grouped dilated conv": lambda rng: float64_conv(rng, 4, 6, 3, pad=1, dilation=2, groups=2),
    "conv without bias": lambda rng: float64_conv(rng, 4, 3, 2, bias=False),
    "learned upsampling": lambda rng: ConvTranspose2d(4, 5, 3, pad=1, learn=True, dtype=np.float64),
    "fixed upsampling": lambda rng: ConvTranspose2d(4, 4, 2, pad=1, dtype=np.float64),
    "fully connected": lambda rng: Linear(np.empty((3, 4 * 7 * 6)), np.empty(3)),
    "scale": lambda rng: Scale(4, 0.01, dtype=np.float64),
    "pooling": lambda rng: MaxPool2d(2),
    "overlapping pooling": lambda rng: MaxPool2d(3, 2, pad=1),
    "average pooling": lambda rng: AveragePool2d(5),
    "relu": lambda rng: ReLU(),
    "dropout": lambda rng: Dropout(0.4),
    "response norm": lambda rng: LocalResponseNorm(size=3, alpha=0.5),
}
WITH_WEIGHTS = list(LAYERS)[:6]


def distinct(rng, shape=SHAPE):
    """Random numbers around 0, no two of them close, none of them close to 0: far from every kink."""
    n = np.prod(shape)
    return (rng.permutation(n) - n / 2 + 0.5).reshape(shape) * (4 / n)


def made(name, rng):
    """A layer whose weights and biases are all random."""
    layer = LAYERS[name](rng)
    for w in layer.params.values():
        w[...] = rng.normal(size=w.shape)
    return layer


def with_param(layer, name, x):
    """What the layer gives for x, as a function of one of its parameters."""
    def forward(value):
        layer.params = {**layer.params, name: value}
        return layer.forward(x)
    return forward


@pytest.mark.parametrize("name", LAYERS)
def test_backward_gives_the_gradient_of_forward(rng, name):
    layer, x = made(name, rng), distinct(rng)
    dy = rng.normal(size=layer.forward(x, train=True).shape)
    dx = layer.backward(dy)
    assert_gradient(lambda x: layer.forward(x, train=True), x, dy, dx, "x")  # dropout keeps its mask with its seed
    for key, dw in layer.grads.items():
        assert_gradient(with_param(layer, key, x), layer.params[key], dy, dw, key)


@pytest.mark.parametrize("name", LAYERS)
def test_what_is_learned_has_a_gradient_and_nothing_else_has(rng, name):
    layer = made(name, rng)
    dy = np.ones(layer.forward(distinct(rng), train=True).shape)
    layer.backward(dy)
    assert set(layer.grads) == (set() if name in ("fixed upsampling", "scale") else set(layer.params))
    layer.learn = False
    layer.backward(dy)
    assert layer.grads == {}


@pytest.mark.parametrize("name", LAYERS)
def test_a_copy_computes_the_same_and_remembers_nothing(rng, name):
    """As it goes to another process."""
    layer, x = made(name, rng), distinct(rng)
    y = layer.forward(x, train=True)
    layer.backward(np.ones(y.shape))
    copied = pickle.loads(pickle.dumps(layer))
    assert copied.grads == {}
    with pytest.raises(RuntimeError, match="without forward"):
        copied.backward(y)
    np.testing.assert_array_equal(copied.forward(x, train=True), y)


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_an_input_gradient_that_nobody_needs_is_none(rng, name):
    layer = made(name, rng)
    y = layer.forward(distinct(rng), train=True)
    layer.backward(y)
    grads = layer.grads
    layer.need_dx = False
    assert layer.backward(y) is None
    for key in grads:
        np.testing.assert_array_equal(layer.grads[key], grads[key])


@pytest.mark.parametrize("name", LAYERS)
def test_gradients_are_assigned_not_added(rng, name):
    layer = made(name, rng)
    dy = rng.normal(size=layer.forward(distinct(rng), train=True).shape)
    dx, grads = layer.backward(dy), dict(layer.grads)
    np.testing.assert_array_equal(layer.backward(dy), dx)
    for key, dw in grads.items():
        np.testing.assert_array_equal(layer.grads[key], dw)


@pytest.mark.parametrize("name", LAYERS)
def test_inference_forgets_what_training_kept(rng, name):
    layer, x = made(name, rng), distinct(rng)
    with pytest.raises(RuntimeError, match=f"{type(layer).__name__}.backward without forward"):
        layer.backward(x)
    y = layer.forward(x, train=True)
    layer.forward(x)
    assert layer.cache is None
    with pytest.raises(RuntimeError, match="train=True"):
        layer.backward(y)


@pytest.mark.parametrize("name", LAYERS)
def test_training_and_inference_give_the_same_but_for_dropout(rng, name):
    layer, x = made(name, rng), distinct(rng)
    if name == "dropout":
        np.testing.assert_array_equal(layer.forward(x), x)
    else:
        np.testing.assert_array_equal(layer.forward(x, train=True), layer.forward(x))


@pytest.mark.parametrize("name", LAYERS)
def test_to_the_gpu_and_back(cupy, rng, name):
    """The GPU gives the same numbers; the weights come back as they went; nothing is remembered across the move."""
    layer, x = made(name, rng), distinct(rng)
    y, before = layer.forward(x, train=True), layer.params
    dy = rng.normal(size=y.shape)
    dx, grads = layer.backward(dy), layer.grads
    assert layer.to_device("gpu") is layer and layer.cache is None and layer.grads == {}
    assert all(isinstance(w, cupy.ndarray) for w in layer.params.values())
    if name != "dropout":  # CuPy draws other random numbers
        np.testing.assert_allclose(to_numpy(layer.forward(to_device(x, "gpu"), train=True)), y, atol=1e-12)
        np.testing.assert_allclose(to_numpy(layer.backward(to_device(dy, "gpu"))), dx, atol=1e-12)
        assert set(layer.grads) == set(grads)
        for key, dw in grads.items():
            np.testing.assert_allclose(to_numpy(layer.grads[key]), dw, atol=1e-11)
    layer.to_device("cpu")
    for key, w in before.items():
        np.testing.assert_array_equal(layer.params[key], w)


def test_fresh_weights_keep_the_variance_through_a_relu(rng):
    layer = Conv2d(rng, 30, 40, 5)
    assert layer.params["w"].dtype == layer.params["b"].dtype == np.float32
    np.testing.assert_allclose(layer.params["w"].std(), (2 / (30 * 5 * 5)) ** 0.5, rtol=0.02)
    assert not layer.params["b"].any()


def test_grouped_weights_count_the_channels_of_one_group(rng):
    layer = Conv2d(rng, 60, 40, 5, groups=2)
    assert layer.params["w"].shape == (40, 30, 5, 5)
    np.testing.assert_allclose(layer.params["w"].std(), (2 / (30 * 5 * 5)) ** 0.5, rtol=0.02)


def test_score_layers_start_at_zero_and_draw_nothing():
    assert not Conv2d(None, 3, 4, 1).params["w"].any()


def test_weights_for_large_inputs_are_as_much_smaller(rng):
    unit, pixels = (Conv2d(np.random.default_rng(1), 3, 4, 5, rms=rms).params["w"] for rms in (1, 64))
    np.testing.assert_allclose(64 * pixels, unit, rtol=1e-6)


@pytest.mark.parametrize("name", LAYERS)
def test_the_shape_foretold_is_the_shape_that_comes(rng, name):
    layer = made(name, rng)
    assert layer.shape(SHAPE) == layer.forward(distinct(rng)).shape


def test_upsampling_starts_bilinear():
    np.testing.assert_array_equal(ConvTranspose2d(3, 4, 2).params["w"], bilinear_kernel(3, 4))


def test_poolings_of_layers_round_up(rng):
    x = rng.normal(size=(2, 3, 7, 5))
    y = MaxPool2d(2).forward(x)
    assert y.shape == (2, 3, 4, 3)
    np.testing.assert_array_equal(y[..., -1, -1], x[..., -1, -1])


def test_dropout_draws_from_its_seed(rng):
    layer, x = Dropout(0.5), rng.normal(size=(3, 5, 7))
    layer.seed = [3, 1]
    first = layer.forward(x, train=True)
    np.testing.assert_array_equal(layer.forward(x, train=True), first)
    layer.seed = [3, 2]
    assert (layer.forward(x, train=True) != first).any()

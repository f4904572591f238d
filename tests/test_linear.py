"""linear: the fully connected layer."""
import numpy as np
import pytest

from minifcn.gradcheck import assert_gradient
from minifcn.ops import conv2d, linear, linear_backward


def test_values_are_those_of_the_definition(on, rng):
    x, w, b = rng.normal(size=(3, 5)), rng.normal(size=(4, 5)), rng.normal(size=4)
    wanted = [[b[f] + sum(w[f, i] * image[i] for i in range(5)) for f in range(4)] for image in x]
    np.testing.assert_allclose(on(linear)(x, w, b)[0], wanted, rtol=1e-13)
    np.testing.assert_allclose(on(linear)(x, w)[0], np.array(wanted) - b, rtol=1e-12)


@pytest.mark.parametrize("shape", [(3, 24), (3, 2, 4, 3)])
def test_gradients(on, rng, shape):
    x, w, b = rng.normal(size=shape), rng.normal(size=(5, 24)), rng.normal(size=5)
    y, cache = on(linear)(x, w, b)
    dy = rng.normal(size=y.shape)
    dx, dw, db = on(linear_backward)(dy, cache)
    assert_gradient(lambda x: linear(x, w, b)[0], x, dy, dx, "x")
    assert_gradient(lambda w: linear(x, w, b)[0], w, dy, dw, "w")
    assert_gradient(lambda b: linear(x, w, b)[0], b, dy, db, "b")


def test_over_a_map_it_is_a_convolution_in_one_place(on, rng):
    x, w, b = rng.normal(size=(2, 3, 4, 4)), rng.normal(size=(5, 48)), rng.normal(size=5)
    as_convolution, _ = conv2d(x, w.reshape(5, 3, 4, 4), b)
    np.testing.assert_allclose(on(linear)(x, w, b)[0], as_convolution[:, :, 0, 0], rtol=1e-12)


def test_what_is_not_needed_is_none_and_float32_stays(on, rng):
    x, w = rng.normal(size=(2, 6)).astype(np.float32), rng.normal(size=(3, 6)).astype(np.float32)
    y, cache = on(linear)(x, w)
    dx, dw, db = on(linear_backward)(y, cache)
    assert db is None and {a.dtype for a in (y, dx, dw)} == {np.dtype(np.float32)}
    assert on(linear_backward)(y, cache, need_dx=False)[0] is None
    assert on(linear_backward)(y, cache, need_dw=False)[1] is None


def test_another_number_of_inputs_is_refused(rng):
    with pytest.raises(ValueError, match=r"has 30 numbers an image, w \(3, 24\) takes 24"):
        linear(rng.normal(size=(2, 5, 3, 2)), rng.normal(size=(3, 24)))

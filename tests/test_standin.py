"""The stand-in for CuPy is as strict as CuPy and has nothing that CuPy has not; and what it is for."""
import types

import cupy_standin
import numpy as np
import pytest

from minifcn.backend import to_device
from minifcn.nets import build
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import SGD, Adam

x = cupy_standin.module.asarray(np.arange(6.0).reshape(2, 3))
host = np.ones((2, 3))


def names(thing, prefix=""):
    """Every name in the stand-in, dotted."""
    for name, value in vars(thing).items():
        if not name.startswith("_"):
            yield prefix + name
            if isinstance(value, types.SimpleNamespace):
                yield from names(value, f"{prefix}{name}.")


def test_every_name_exists_in_cupy():
    cupy = pytest.importorskip("cupy", reason="CuPy is not installed", exc_type=ImportError)
    own = {"_host", "_key", "__dict__", "__weakref__"}
    wanted = [*names(cupy_standin.module), *(f"ndarray.{name}" for name in set(vars(cupy_standin.ndarray)) - own)]
    for name in wanted:
        found = cupy
        for part in name.split("."):
            assert hasattr(found, part), f"CuPy has no {name}"
            found = getattr(found, part)


def test_its_arrays_belong_to_cupy():
    assert type(x).__module__.partition(".")[0] == "cupy"


def test_a_name_it_lacks_is_an_error_that_says_so():
    with pytest.raises(AttributeError, match="cupy.einsum"):
        cupy_standin.module.einsum  # noqa: B018
    with pytest.raises(AttributeError, match="tolist"):
        x.tolist()


@pytest.mark.parametrize("convert", [np.asarray, np.array, lambda a: np.concatenate([a, a]), np.shape, np.sum, np.exp,
                                     lambda a: np.add(host, a), lambda a: np.matmul(host.T, a)])
def test_numpy_functions_are_refused(convert):
    with pytest.raises(TypeError, match="of a CuPy array"):
        convert(x)


def write_to_host():
    host[...] = x


def write_from_host():
    x[...] = host


def index_by_host():
    return x[np.array([0])]


@pytest.mark.parametrize("mix", [
    lambda: x + host, lambda: host + x, lambda: x @ host.T, lambda: x == host, lambda: host > x,
    lambda: x.__iadd__(host), lambda: host.__iadd__(x), write_to_host, write_from_host, index_by_host,
    lambda: cupy_standin.module.maximum(x, host), lambda: cupy_standin.module.exp(x, out=host),
    lambda: cupy_standin.module.where(x > 0, x, host), lambda: cupy_standin.module.exp([1.0])])
def test_arrays_of_the_host_are_refused(mix):
    with pytest.raises(TypeError, match="CuPy"):
        mix()


@pytest.mark.parametrize("wait", [float, int, bool, lambda a: a.item(), lambda a: a.get(), lambda a: x[x > a]])
def test_everything_that_waits_for_the_device_is_noted(wait):
    number = cupy_standin.module.asarray(np.array(2))
    cupy_standin.waits.clear()
    wait(number)
    assert len(cupy_standin.waits) == 1


def test_computing_does_not_wait():
    cupy_standin.waits.clear()
    y = x.copy()
    y[0] += (y[1] * 2 - y.sum(axis=0)).astype(np.float32)
    y[y > 1] = 0  # writing by mask: the shape is known
    product = cupy_standin.module.maximum(y, 0, out=y).T @ x / 2
    assert not cupy_standin.waits and product.shape == (3, 3)


def test_reductions_and_elements_are_arrays():
    for single in (x.sum(), x.max(), x[1, 2], x.sum() + 1, 1 / x.sum()):
        assert type(single) is cupy_standin.ndarray and single.shape == ()


def test_results_are_c_ordered_whatever_the_operands_are():
    assert (x.T + x.T).strides == (16, 8)


def test_views_share_memory():
    y = x.copy()
    y.reshape(6)[0] = 7
    y.T[2, 1] = 8
    np.testing.assert_array_equal(y.get(), [[7, 1, 2], [3, 4, 8]])


def test_an_index_out_of_range_wraps_around():
    table = cupy_standin.module.arange(3)
    index = cupy_standin.module.asarray(np.array([1, 4]))
    np.testing.assert_array_equal(table[index].get(), [1, 1])
    np.testing.assert_array_equal(cupy_standin.module.take_along_axis(table, index, axis=0).get(), [1, 1])


def test_memory_comes_without_zeros():
    assert np.isnan(cupy_standin.module.empty((2, 2), np.float32).get()).all()


def test_asarray_copies_from_the_host():
    a = np.zeros(2)
    b = cupy_standin.module.asarray(a)
    a += 1
    np.testing.assert_array_equal(b.get(), 0)


def test_an_op_that_writes_into_its_argument_is_caught(on):
    with pytest.raises(ValueError, match="read-only"):
        on(lambda x: x.__iadd__(1))(np.ones(3))


def test_an_op_that_waits_for_the_device_is_caught(on, xp):
    def waits(x):
        return x * float(x[0])

    if xp is cupy_standin.module:
        with pytest.raises(AssertionError, match="waits waits for the device"):
            on(waits)(np.ones(3))


# --- what it is for ------------------------------------------------------------------------------------------------

def training_step(net, optimizer, x, labels, weights):
    net.reseed(0, 1, 2)
    loss, cache = softmax_cross_entropy(net.forward(x, train=True), labels, class_weight=weights)
    net.backward(softmax_cross_entropy_backward(cache))
    optimizer.step(net.grads)
    return loss


@pytest.mark.parametrize("optimizer", [lambda params: SGD(params, 0.01, weight_decay=5e-4, multipliers={"*.b": (2, 0)}),
                                       lambda params: Adam(params, 0.001)])
@pytest.mark.parametrize("name", ["fcn32s", "fcn8s"])
def test_a_whole_training_step_stays_on_the_gpu_and_does_not_wait(cupy, rng, name, optimizer):
    net = build(name, classes=3, dropout=0.5).to_device("gpu")
    arrays = rng.normal(size=(2, 3, 37, 45)).astype(np.float32), rng.integers(0, 3, (2, 37, 45)), np.ones(3, np.float32)
    arrays = [cupy.asarray(a) for a in arrays]
    optimizer = optimizer(net.params)
    cupy_standin.waits.clear()
    losses = [training_step(net, optimizer, *arrays) for _ in range(2)]
    assert not cupy_standin.waits
    assert float(losses[0]) == pytest.approx(np.log(3)) and float(losses[1]) != float(losses[0])


def test_on_the_gpu_a_net_learns_what_it_learns_on_the_cpu(cupy, rng):
    x, labels = rng.normal(size=(2, 3, 37, 45)).astype(np.float32), rng.integers(0, 3, (2, 37, 45))
    losses = {}
    for device in ("cpu", "gpu"):
        net = build("fcn8s", classes=3).to_device(device)
        optimizer = SGD(net.params, 0.01)
        arrays = [to_device(a, device) for a in (x, labels)]
        losses[device] = [float(training_step(net, optimizer, *arrays, None)) for _ in range(3)]
    np.testing.assert_allclose(losses["gpu"], losses["cpu"], rtol=1e-5)

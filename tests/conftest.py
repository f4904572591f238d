"""What all tests share: random numbers, the array library, and ops called under supervision."""
import minifcn  # noqa: F401, I001  before NumPy: the package may still choose what NumPy does with threads

import sys
from functools import cache

import cupy_standin
import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from tiny_runs import random_model
from tiny_server import serving

from minifcn import backend, checkpoint
from minifcn.datasets import download

settings.register_profile("minifcn", deadline=None, derandomize=True, database=None, max_examples=30,
                          suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("minifcn")


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@cache
def _gpu_works():
    return backend.gpu_problem() is None


@pytest.fixture(params=["numpy", "cupy"])
def xp(request, monkeypatch):
    """NumPy, then CuPy: the real one where a GPU works, its stand-in elsewhere."""
    return np if request.param == "numpy" else request.getfixturevalue("cupy")


@pytest.fixture
def cupy(monkeypatch):
    """CuPy, or its stand-in where no GPU works."""
    if not _gpu_works():
        monkeypatch.setitem(sys.modules, "cupy", cupy_standin.module)
        cupy_standin.waits.clear()
    return sys.modules["cupy"]


@pytest.fixture
def on(xp):
    """on(op)(x, ...) calls op with NumPy arguments moved to xp and gives its results as NumPy arrays.

    Meanwhile arguments (and what the cache keeps of them) cannot be written to, and no op may wait for the device.
    """
    def under_supervision(op):
        def call(*args, **options):
            args = [_locked(xp, a) for a in args]
            options = {name: _locked(xp, value) for name, value in options.items()}
            cupy_standin.waits.clear()
            results = op(*args, **options)
            assert not cupy_standin.waits, f"{op.__name__} waits for the device: {cupy_standin.waits}"
            return tuple(map(_back, results)) if isinstance(results, tuple) else _back(results)
        return call
    return under_supervision


def _locked(xp, value):
    if not isinstance(value, np.ndarray):
        return value
    moved = xp.asarray(value).view() if xp is np else xp.asarray(value)
    host = getattr(moved, "_host", moved)
    if isinstance(host, np.ndarray):  # memory of a GPU cannot be locked
        host.flags.writeable = False
    return moved


def _back(value):
    """Arrays come home; a cache is nobody's business."""
    return value if value is None or isinstance(value, tuple) else backend.to_numpy(value)


@pytest.fixture
def strips(monkeypatch):
    """strips(numbers=1000, threads=2): strips of at most that many numbers, on that many threads."""
    from minifcn.ops.fast.strips import BUDGET

    def cut(numbers=None, threads=None):
        if numbers is not None:
            monkeypatch.setitem(BUDGET, "cpu", numbers)
            monkeypatch.setitem(BUDGET, "gpu", numbers)
        if threads is not None:
            monkeypatch.setitem(backend._settings, "threads", threads)
    return cut


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A checkpoint of a net with random weights."""
    model = random_model()
    path = tmp_path_factory.mktemp("net") / "net.safetensors"
    checkpoint.save(path, model.net, model.meta)
    return path


@pytest.fixture
def site(monkeypatch):
    """A server on this machine that downloads may come from, without pauses."""
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as server:
        yield server

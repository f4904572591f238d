"""Memory that is used again, and never while somebody still looks at it."""
import gc

import numpy as np
import pytest

from minifcn import buffers
from minifcn.buffers import empty, empty_like


@pytest.fixture(autouse=True)
def store(monkeypatch):
    monkeypatch.setattr(buffers, "LEAST", 1000)
    monkeypatch.setattr(buffers, "LIMIT", 100_000)
    monkeypatch.setattr(buffers, "SLACK", 5000)
    monkeypatch.setattr(buffers, "_waiting", [])
    monkeypatch.setattr(buffers, "_bytes", {"used": 0, "most": 10**9})


def address(a):
    return a.__array_interface__["data"][0]


def test_a_block_is_used_again_once_its_array_is_gone():
    first, second = empty((10, 100), np.float32), empty((10, 100), np.float32)
    at = address(first)
    assert address(second) != at
    del first
    assert address(empty((5, 199), np.float32)) == at


@pytest.mark.parametrize("view", [
    lambda a: a[3:5], lambda a: a.T, lambda a: a.reshape(-1)[::7], lambda a: a.view(np.int32)[1:].T,
    lambda a: a[None, 2], memoryview,
    lambda a: np.frombuffer(a, np.uint8), lambda a: np.broadcast_to(a[0], (9, 100)),
    lambda a: np.lib.stride_tricks.as_strided(a, (3, 3), (4, 4)), lambda a: iter(a), lambda a: a[:, 5:].transpose(),
    lambda a: np.ndarray((7,), np.float32, a), lambda a: a.flat, lambda a: np.asarray(a)[1:].view(np.recarray),
], ids=range(14))
def test_whatever_looks_at_a_block_keeps_it(view):
    array = empty((10, 100), np.float32)
    array[...] = 3
    seen, at = view(array), address(array)
    del array
    gc.collect()
    others = [empty((10, 100), np.float32) for _ in range(3)]
    for other in others:
        other[...] = 7
    assert at not in map(address, others)
    del seen
    gc.collect()
    assert address(empty((10, 100), np.float32)) == at


def test_blocks_that_are_much_too_large_are_left_alone():
    at = address(empty((10_000,), np.float32))
    assert address(empty((1000,), np.float32)) != at and address(empty((5000,), np.float32)) == at


def waiting():
    return sum(block.size for block in buffers._waiting)


def test_a_block_comes_back_even_if_garbage_is_collected_before():
    array = empty((1000,), np.float32)
    at = address(array)
    gc.collect()
    del array
    assert address(empty((1000,), np.float32)) == at


def test_no_more_waits_than_the_limit():
    arrays = [empty((2000 + i,), np.float64) for i in range(20)]
    del arrays
    assert 0 < waiting() <= 100_000


def test_with_those_in_use_no_more_is_held_than_was_ever_needed():
    buffers._bytes["most"] = 0
    for size in (4000, 9000, 20_000, 50_000, 4000, 70_000, 8000, 69_000):
        array = empty((size,), np.uint8)
        assert waiting() + array.size <= 75_000
        del array


def test_small_arrays_are_numpys_own():
    assert empty((3, 4), np.float32).base is None and empty((0, 9), np.float64).shape == (0, 9)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1), (3, 1, 0, 2)])
def test_axes_lie_in_memory_as_those_of_the_other(axes):
    x = np.zeros((3, 4, 5, 6)).transpose(axes)
    for found, shape in (empty_like(x), x.shape), (empty_like(x, (7, 5, 4, 9)), (7, 5, 4, 9)):
        assert found.shape == shape and found.dtype == x.dtype
        assert np.argsort(found.strides).tolist() == np.argsort(x.strides).tolist()

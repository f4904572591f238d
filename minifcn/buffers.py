"""Memory for maps that is used again.

What is freed in large pieces goes back to the system, and new memory comes cleared, page by page: measured on 2 cores,
0.1 to 0.2 s of 0.95 s that inference of FCN-8s over VGG16 takes, and more the longer the process has slept. So blocks
of maps that nobody needs any longer wait here for the next map: LIMIT bytes at most, and, with those in use, hardly
more than have been in use together before.
"""
import threading
import weakref
from math import prod

import numpy as np

LEAST, LIMIT = 1 << 20, 1 << 29  # bytes: of a block from which it waits, of all that wait together
WASTE = 2  # a block is not used for less than so manieth of it
SLACK = 1 << 26  # bytes that may be held beyond what has been in use together


class _Block:
    def __init__(self, size):
        self.memory, self.size, self.alarm = np.empty(size, np.uint8), size, None


_waiting = []
_used = set()  # whoever is not here may be collected, alarm and all, before its array is gone
_bytes = {"used": 0, "most": 0}  # of blocks in use, and the most there ever were
_lock = threading.RLock()  # the alarm may go off in the middle of anything, here too


def empty(shape, dtype, xp=np):
    """An uninitialised array; CuPy has such a store of its own."""
    size = prod(shape) * np.dtype(dtype).itemsize
    if xp is not np or size < LEAST:
        return xp.empty(shape, dtype)
    block = _take(size)
    # over a memoryview: NumPy then takes this array, not the block, for what its views are views of, and the alarm goes
    # off when the last of them is gone
    array = np.frombuffer(memoryview(block.memory), np.uint8, size)
    block.alarm = weakref.ref(array, lambda _: _give_back(block))
    return array.view(dtype).reshape(shape)


def memory_order(x):
    """The axes of x, the one with the longest strides first."""
    return sorted(range(x.ndim), key=lambda axis: -x.strides[axis])


def empty_like(x, shape=None, xp=np):
    """An uninitialised array, of another shape if told so, whose axes lie in memory in the order of those of x."""
    shape = x.shape if shape is None else shape
    axes = memory_order(x)
    back = sorted(range(x.ndim), key=axes.__getitem__)
    return empty([shape[axis] for axis in axes], x.dtype, xp).transpose(back)


def _take(size):
    with _lock:
        block = min((block for block in _waiting if block.size >= size), key=lambda block: block.size, default=None)
        if block is None or block.size > WASTE * size:
            try:
                block = _Block(size)
            except MemoryError:  # what waits is in the way
                _waiting.clear()
                block = _Block(size)
        else:
            _waiting.remove(block)
        _used.add(block)
        _bytes["used"] += block.size
        _bytes["most"] = max(_bytes.values())
        _let_go()
    return block


def _give_back(block):
    block.alarm = None
    with _lock:
        _used.discard(block)
        _bytes["used"] -= block.size
        _waiting.append(block)
        _let_go()


def _let_go():
    """The smallest first: large ones cost most to have made anew."""
    while sum(block.size for block in _waiting) > min(LIMIT, _bytes["most"] + SLACK - _bytes["used"]):
        _waiting.remove(min(_waiting, key=lambda block: block.size))

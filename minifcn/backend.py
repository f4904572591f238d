"""Which array library an array belongs to, moving arrays, picking a device that works, and worker threads."""
import os
import sys
import threading
from contextlib import contextmanager
from functools import cache, partial
from itertools import pairwise
from math import prod

import numpy as np

from minifcn.errors import InputError


def array_module(*arrays):
    """Return numpy or cupy, whichever made the arrays; None entries are skipped. Never imports cupy.

    Raises TypeError where both kinds come together, or something that is neither.
    """
    kinds = {type(a).__module__.partition(".")[0] for a in arrays if a is not None}
    if other := kinds - {"numpy", "cupy"}:
        raise TypeError(f"an array of NumPy or CuPy is needed, not something of {' and '.join(sorted(other))}")
    if not kinds <= {"numpy"} and not kinds <= {"cupy"}:
        raise TypeError(f"arrays of {' and '.join(sorted(kinds))} together: move the batch or the net with to_device()")
    return sys.modules["cupy"] if kinds == {"cupy"} else np


def to_numpy(array):
    """The array in host memory; NumPy arrays are returned as they are, a CuPy array is waited for and copied."""
    return array.get() if type(array).__module__.partition(".")[0] == "cupy" else np.asarray(array)


def to_device(array, device):
    """The array on "cpu" or "gpu"; it is copied only where it lies elsewhere. Raises InputError for another name."""
    if device == "cpu":
        return to_numpy(array)
    if device != "gpu":
        raise InputError(f"device {device!r} is neither cpu nor gpu")
    try:
        import cupy
    except ImportError:
        raise InputError(f"device gpu cannot be used: {gpu_problem()}") from None
    return cupy.asarray(array)


# --- choosing a device -------------------------------------------------------------------------------------------

def gpu_problem():
    """Why the GPU cannot be used, in a few words, or None after a kernel has run on it and given the right answer.

    CuPy imports on machines where nothing of it works, and without a driver even counting devices raises.
    """
    try:
        import cupy
    except ModuleNotFoundError as error:
        if error.name != "cupy":
            return f"importing CuPy failed ({_first_line(error)})"
        return 'CuPy is not installed (with an NVIDIA GPU: pip install "minifcn[cuda13]", or cuda12)'
    except Exception as error:  # a broken CUDA installation fails in ways of its own
        return f"importing CuPy failed ({_first_line(error)})"
    try:
        if cupy.cuda.runtime.getDeviceCount() == 0:
            return "CuPy sees no GPU"
        ones = cupy.ones((8, 8), np.float32)
        total = float((ones @ ones + 1).sum())  # a matrix product and a compiled kernel: both libraries are there
        return None if total == 576.0 else f"the GPU computed {total} where 576 is right"
    except Exception as error:
        return _first_line(error)


def choose_device(name="auto"):
    """("cpu" or "gpu", one line that says why). "auto" falls back to the CPU; "gpu" without one is an InputError."""
    if name == "cpu":
        return "cpu", "cpu: asked for"
    if name not in ("auto", "gpu"):
        raise InputError(f"device {name!r} is none of auto, cpu, gpu")
    problem = gpu_problem()
    if problem is None:
        return "gpu", f"gpu: {_gpu_name()}"
    if name == "gpu":
        raise InputError(f"device gpu cannot be used: {problem}")
    return "cpu", f"cpu, since {problem}"


def _gpu_name():
    import cupy

    name = cupy.cuda.runtime.getDeviceProperties(cupy.cuda.Device().id)["name"]
    return name.decode() if isinstance(name, bytes) else name


def _first_line(error):
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0]}" if text else type(error).__name__


# --- worker threads ----------------------------------------------------------------------------------------------
# NumPy's copies and ufuncs use one core, and all of them release the GIL: work is cut into strips, the strips are
# dealt to worker threads, and BLAS takes one thread in each of them for as long as that lasts.

_settings = {"threads": None}
_local = threading.local()
_lock = threading.Lock()
_limited = 0


def threads():
    """How many worker threads ops use: set_threads(), else the cores this process may run on."""
    if _settings["threads"] is None:
        try:
            _settings["threads"] = len(os.sched_getaffinity(0))
        except AttributeError:  # macOS, Windows
            _settings["threads"] = os.cpu_count() or 1
    return _settings["threads"]


def set_threads(count):
    """Use `count` >= 1 worker threads from now on. Results do not depend on it, to the bit."""
    if count < 1:
        raise InputError(f"threads {count}: at least 1 is needed")
    _settings["threads"] = count


@contextmanager
def using_threads(count):
    """set_threads(count) within it."""
    before = threads()
    set_threads(count)
    try:
        yield
    finally:
        set_threads(before)


class _Worker(threading.Thread):
    """A thread that does one job after the other. It takes 50 microseconds a job less than one of an executor does, of
    which a step of a small net has seventy.
    """

    def __init__(self):
        super().__init__(name="minifcn", daemon=True)
        self._given, self._done = threading.Lock(), threading.Lock()  # free once there is a job, once it is done
        self._given.acquire()
        self._done.acquire()
        self._job = self._error = None
        self.start()

    def run(self):
        _local.inside = True
        while True:
            self._given.acquire()
            try:
                self._job()
            except BaseException as error:
                self._error = error
            self._job = None
            self._done.release()

    def give(self, job):
        self._job, self._error = job, None
        self._given.release()

    def wait(self):
        """What went wrong, or None. Ctrl-C waits, too: the job still writes into somebody's arrays."""
        interrupt = None
        while True:
            try:
                self._done.acquire()
                return self._error or interrupt
            except KeyboardInterrupt as error:
                interrupt = error


_workers = []
_busy = threading.Lock()  # whoever holds it has the workers
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_workers.clear)  # threads stay behind


@cache
def _blas():
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController().select(user_api="blas")


class single_threaded_blas:
    """Within it BLAS takes one thread a call. The limit is the process's: it is set by the first to enter only."""

    def __enter__(self):
        global _limited
        with _lock:
            _limited += 1
            if _limited == 1:
                _settings["limiter"] = _blas().limit(limits=1)
                _settings["limiter"].__enter__()

    def __exit__(self, *error):
        global _limited
        with _lock:
            _limited -= 1
            if _limited == 0:
                _settings.pop("limiter").__exit__(*error)


def run_strips(job, strips, xp=np):
    """Call job(strip) for every strip: on worker threads for NumPy, one after the other for CuPy.

    Each worker takes one run of strips: what is computed never depends on which thread happened to be free, and what a
    core has computed of a map it mostly finds in its own cache when the next layer comes.
    """
    strips = list(strips)
    workers = min(threads(), len(strips)) if xp is np else 1

    def work(run):
        for strip in strips[run]:
            job(strip)

    with single_threaded_blas():
        alone = workers <= 1 or getattr(_local, "inside", False)  # a job that runs strips itself runs them inline
        if alone or not _busy.acquire(blocking=False):
            work(slice(None))
            return
        errors = []
        try:
            while len(_workers) < workers - 1:
                _workers.append(_Worker())
            first, *others = shares(len(strips), workers)
            for worker, run in zip(_workers, others, strict=False):
                worker.give(partial(work, run))
            _local.inside = True
            try:
                work(first)  # this thread is one of the workers: to wake another takes longer than many a strip
            finally:
                _local.inside = False
                # for all of them even if one has failed: the others still write into the caller's arrays
                errors = [error for worker, _ in zip(_workers, others, strict=False) if (error := worker.wait())]
        finally:
            _busy.release()
        if errors:
            raise errors[0]


def shares(count, pieces):
    """0..count in so many slices, as equal as possible; none of them empty."""
    edges = [count * k // pieces for k in range(pieces + 1)]
    return [slice(a, b) for a, b in pairwise(edges) if a < b]


# Numbers of a map in one call of NumPy. Measured on 2 cores with 2 MB of L2 each, pooling 8 maps of 16 channels: with
# 2^17 it takes 1.7 times as long, since two threads wait for each other at every call, with 2^22, which the cache
# cannot hold, 1.5 times.
PIECE = 1 << 19


def pieces(size):
    """Into how many pieces so many numbers are cut; an even number of them, for two threads have alike to do."""
    return 1 if size <= PIECE // 8 else 2 * -(-size // (2 * PIECE))


def spread(job, count, size, xp=np):
    """Call job(slice) over 0..count, of `size` numbers in all, in pieces that stay in a core's cache.

    For CuPy, where a slice would be one more kernel launch, one slice takes all.
    """
    run_strips(job, shares(count, pieces(size) if xp is np else 1), xp)


def scratch(name, shape, dtype, xp=np):
    """An uninitialised buffer, this thread's own and reused: fresh memory costs page faults on every strip."""
    if xp is not np:
        return xp.empty(shape, dtype)
    size = prod(shape) * np.dtype(dtype).itemsize
    buffers = _local.__dict__.setdefault("buffers", {})
    if name not in buffers or buffers[name].nbytes < size:
        buffers[name] = np.empty(size, np.uint8)
    return np.ndarray(shape, dtype, buffers[name])

"""Which library an array belongs to, which device works, and what threads do."""
import re
import sys
import threading
import time
from itertools import pairwise

import cupy_standin
import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from minifcn import backend
from minifcn.backend import (
    array_module,
    choose_device,
    gpu_problem,
    run_strips,
    scratch,
    set_threads,
    spread,
    to_device,
    to_numpy,
    using_threads,
)
from minifcn.errors import InputError

# --- arrays --------------------------------------------------------------------------------------------------------

def test_arrays_decide_which_library_computes(xp):
    a = xp.asarray(np.ones(2))
    assert array_module(a) is xp and array_module(a, None, a + a) is xp


def test_no_array_at_all_means_numpy():
    assert array_module(None) is np


def test_a_mixture_is_an_error_that_names_both_and_the_way_out(cupy):
    with pytest.raises(TypeError, match="cupy and numpy together: move .* with to_device"):
        array_module(np.ones(2), cupy.asarray(np.ones(2)))


def test_what_is_no_array_is_an_error():
    with pytest.raises(TypeError, match="builtins"):
        array_module([1.0, 2.0])


def test_arrays_move_to_the_device_and_back(cupy, rng):
    a = rng.normal(size=(2, 3))
    there = to_device(a, "gpu")
    assert array_module(there) is cupy and to_device(there, "gpu") is there
    np.testing.assert_array_equal(to_device(there, "cpu"), a)
    np.testing.assert_array_equal(to_numpy(there), a)


def test_what_is_on_the_cpu_is_not_copied(rng):
    a = rng.normal(size=3)
    assert to_device(a, "cpu") is a and to_numpy(a) is a


# --- devices -------------------------------------------------------------------------------------------------------

NO_DRIVER = '''
class CUDARuntimeError(RuntimeError): pass
def __getattr__(name):  # whatever is asked of it
    raise CUDARuntimeError("cudaErrorInsufficientDriver: driver too old\\nand a second line")
'''
NO_IMPORT = "raise OSError('libcuda.so.1: cannot open shared object file')"
NO_LIBRARY = '''
class cuda:
    class runtime:
        getDeviceCount = staticmethod(lambda: {count})
def ones(*args): {ones}
'''
PROBLEMS = {
    "installed without a driver": (NO_DRIVER, "cudaErrorInsufficientDriver: driver too old"),
    "cannot be imported": (NO_IMPORT, "importing CuPy failed .*libcuda.so.1"),
    "lacks what it needs": ("import no_such_module", "importing CuPy failed .*no_such_module"),
    "no GPU": (NO_LIBRARY.format(count=0, ones="pass"), "CuPy sees no GPU"),
    "a library is missing": (NO_LIBRARY.format(count=1, ones="raise ImportError('libcublas.so.13')"), "libcublas"),
    "the GPU cannot count": (NO_LIBRARY.format(count=1, ones="import numpy; return numpy.zeros((8, 8))"),
                             "computed 64.0 where 576 is right"),
}


@pytest.fixture(params=PROBLEMS)
def problem(request, monkeypatch, tmp_path):
    """A machine on which CuPy does not work, in one of many ways: what should be said about it."""
    source, message = PROBLEMS[request.param]
    (tmp_path / "cupy.py").write_text(source)
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    yield message
    sys.modules.pop("cupy", None)  # before the real one, if there was one, comes back


def test_auto_falls_back_to_the_cpu_with_one_line_that_says_why(problem):
    device, why = choose_device("auto")
    assert device == "cpu" and "\n" not in why
    assert re.match(f"cpu, since .*{problem}", why)


def test_asking_for_a_gpu_that_does_not_work_is_a_loud_error_of_one_line(problem):
    with pytest.raises(InputError, match=f"device gpu cannot be used: .*{problem}") as error:
        choose_device("gpu")
    assert "\n" not in str(error.value)


def test_without_cupy_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    assert re.match(r"cpu, since CuPy is not installed .*minifcn\[cuda13\]", choose_device("auto")[1])


def test_a_gpu_that_works_is_taken_and_named(cupy):
    assert gpu_problem() is None
    for name in ("auto", "gpu"):
        device, why = choose_device(name)
        assert device == "gpu" and re.match(r"gpu: \w+", why)


def test_the_cpu_can_be_asked_for(cupy):
    assert choose_device("cpu")[0] == "cpu"


def test_an_unknown_device_is_an_error():
    with pytest.raises(InputError, match="'tpu' is none of auto, cpu, gpu"):
        choose_device("tpu")


# --- threads -------------------------------------------------------------------------------------------------------

@pytest.fixture(params=[1, 2, 3])
def threads(request, monkeypatch):
    monkeypatch.setitem(backend._settings, "threads", request.param)
    return request.param


def blas_threads():
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_every_strip_is_done_once_by_the_worker_it_was_dealt_to(threads):
    done = {}
    run_strips(lambda strip: done.setdefault(strip, []).append(threading.get_ident()), range(11))
    assert sorted(done) == list(range(11)) and all(len(by) == 1 for by in done.values())
    order = [by for strip in range(11) for by in done[strip]]
    assert len(set(order)) == threads == 1 + sum(a != b for a, b in pairwise(order))  # each takes one run of strips


def test_a_job_may_run_strips_itself(threads):
    done = []
    run_strips(lambda i: run_strips(lambda j: done.append((i, j)), range(3)), range(5))
    assert sorted(done) == [(i, j) for i in range(5) for j in range(3)]


def test_no_strips_are_no_work(threads):
    run_strips(lambda strip: 1 / 0, [])


def test_for_cupy_strips_come_one_after_the_other_on_this_thread(threads):
    done = []
    run_strips(lambda strip: done.append((strip, threading.get_ident())), range(5), cupy_standin.module)
    assert done == [(strip, threading.get_ident()) for strip in range(5)]


def test_blas_takes_one_thread_inside_and_its_own_number_again_outside(threads):
    with threadpool_limits(2, user_api="blas"):
        before, inside = blas_threads(), []
        run_strips(lambda strip: inside.append(blas_threads()), range(4))
        assert inside == [{1}] * 4 and blas_threads() == before


def test_an_error_in_a_strip_comes_out_once_all_workers_are_done(threads):
    """Otherwise they would go on writing into arrays that the caller has given up."""
    done = []

    def job(strip):
        if strip == 0:
            raise ValueError("strip 0")
        time.sleep(0.02)
        done.append(strip)

    with threadpool_limits(2, user_api="blas"):
        before = blas_threads()
        with pytest.raises(ValueError, match="strip 0"):
            run_strips(job, range(6))
        count = len(done)
        assert blas_threads() == before
    time.sleep(0.1)
    assert len(done) == count


def test_fewer_threads_than_one_are_an_error(monkeypatch):
    monkeypatch.setitem(backend._settings, "threads", None)
    assert backend.threads() >= 1
    set_threads(3)
    assert backend.threads() == 3
    with pytest.raises(InputError, match="threads 0: at least 1"):
        set_threads(0)


def test_other_threads_for_a_while(monkeypatch):
    monkeypatch.setitem(backend._settings, "threads", 3)
    with pytest.raises(ZeroDivisionError), using_threads(2):
        assert backend.threads() == 2
        1 / 0  # noqa: B018
    assert backend.threads() == 3


@pytest.mark.parametrize(("count", "size"), [(1, 10), (7, 10), (7, 1 << 21), (1000, 1 << 22), (3, 1 << 30)])
def test_spread_covers_everything_once(threads, count, size):
    seen = np.zeros(count, int)

    def job(piece):
        seen[piece] += 1

    spread(job, count, size)
    np.testing.assert_array_equal(seen, 1)


def test_spread_gives_cupy_all_at_once():
    pieces = []
    spread(pieces.append, 1000, 1 << 30, cupy_standin.module)
    assert pieces == [slice(0, 1000)]


def test_buffers_are_reused_by_name_and_each_thread_has_its_own():
    mine = scratch("test", (3, 4), np.float32)
    assert mine.shape == (3, 4) and mine.dtype == np.float32
    assert np.shares_memory(mine, scratch("test", (2, 5), np.float32))
    assert not np.shares_memory(mine, scratch("other", (3, 4), np.float32))
    theirs = []
    thread = threading.Thread(target=lambda: theirs.append(scratch("test", (3, 4), np.float32)))
    thread.start()
    thread.join()
    assert not np.shares_memory(mine, theirs[0])


def test_a_buffer_grows_with_the_demand():
    scratch("test", (2,), np.float32)
    assert scratch("test", (1000, 10), np.float64).shape == (1000, 10)

"""The CUDA kernels: NVRTC takes them. What they compute is tested where the array code is, as "cupy"."""
import ctypes
import re
import site
from itertools import chain
from pathlib import Path

import numpy as np
import pytest

from minifcn.ops.fast import kernels
from minifcn.optim import SGD, Adam


def nvrtc():
    """The library, of CUDA or of the package nvidia-cuda-nvrtc; None where there is none."""
    folders = [Path(folder, "nvidia") for folder in site.getsitepackages()] + [Path("/usr/local")]
    for path in sorted(chain.from_iterable(folder.glob("cu*/**/libnvrtc.so*") for folder in folders)):
        try:
            return ctypes.CDLL(str(path))
        except OSError:
            continue
    return None


def compiled(library, code):
    """(status, log, PTX) of a source."""
    program = ctypes.c_void_p()
    assert library.nvrtcCreateProgram(ctypes.byref(program), code.encode(), b"kernels.cu", 0, None, None) == 0
    options = (ctypes.c_char_p * 1)(b"--gpu-architecture=compute_80")
    status = library.nvrtcCompileProgram(program, 1, options)
    found = []
    for what in ("ProgramLog", "PTX"):
        size = ctypes.c_size_t()
        getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        text = ctypes.create_string_buffer(max(size.value, 1))
        getattr(library, f"nvrtcGet{what}")(program, text)
        found.append(text.value.decode())
    return status, *found


@pytest.mark.parametrize("dtype", kernels.REALS)
def test_nvrtc_compiles_every_kernel(dtype):
    library = nvrtc()
    if library is None:
        pytest.skip("no NVRTC here: it comes with CUDA, or with pip install nvidia-cuda-nvrtc-cu12")
    status, log, ptx = compiled(library, kernels.source(dtype))
    assert status == 0, log
    names = re.findall(r"__global__ void (\w+)", kernels.SOURCE)
    assert names and all(f".entry {name}(" in ptx for name in names)
    assert (".f64" in ptx) == (dtype == "float64")  # no double by accident, which most GPUs compute slowly
    assert compiled(library, kernels.source(dtype).replace("Real *w", "Unreal *w"))[0] != 0


@pytest.mark.parametrize("dtype", kernels.REALS)
@pytest.mark.parametrize("optimizer", [
    lambda params: SGD(params, 0.1, momentum=0.8, weight_decay=0.01), lambda params: SGD(params, 0.1),
    lambda params: Adam(params, 0.1), lambda params: Adam(params, 0.1, weight_decay=0.02)])
def test_optimisers_step_as_their_array_code_does(cupy, rng, optimizer, dtype):
    start, grads = rng.normal(size=(2, 7, 111)).astype(dtype)
    on_host, there = {"w": start.copy()}, {"w": cupy.asarray(start)}
    first, second = optimizer(on_host), optimizer(there)
    for scale in (1, -2, 3):
        first.step({"w": grads * dtype_of(scale, dtype)})
        second.step({"w": cupy.asarray(grads * dtype_of(scale, dtype))})
    eps = 8 * np.finfo(dtype).eps
    np.testing.assert_allclose(there["w"].get(), on_host["w"], rtol=eps, atol=eps)
    for name, value in first.state.items():
        np.testing.assert_allclose(second.state[name].get(), value, rtol=eps, atol=eps)


def dtype_of(number, dtype):
    return np.dtype(dtype).type(number)


def test_the_stand_in_runs_every_thread_of_the_grid(cupy):
    threads = 3 * kernels.THREADS
    code = 'extern "C" __global__ void mark(double *x) { x[blockIdx.x * blockDim.x + threadIdx.x] += gridDim.x; }'
    x = cupy.zeros(threads)
    cupy.RawKernel(code, "mark")((3,), (kernels.THREADS,), (x,))
    np.testing.assert_array_equal(x.get(), np.full(threads, 3.0))

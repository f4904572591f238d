"""CUDA kernels on a host: the same source as C++, run one thread of the grid after the other.

For kernels whose threads do not talk to each other. It takes a C++ compiler: where there is none, whatever needs a
kernel is skipped.
"""
import ctypes
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest

compiler = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
PRELUDE = """
#include <cmath>
using std::sqrt;
struct Dim { unsigned x, y, z; };
static Dim blockIdx, blockDim, threadIdx, gridDim;
#define __global__
#define __device__ static
extern "C" void stand(unsigned block, unsigned thread, unsigned blocks, unsigned threads) {
    blockIdx.x = block; threadIdx.x = thread; gridDim.x = blocks; blockDim.x = threads;
}
"""


@cache
def _library(code):
    if compiler is None:
        pytest.skip("no C++ compiler here to run CUDA kernels on the host")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "kernels.so")
        subprocess.run([compiler, "-O1", "-shared", "-fPIC", "-x", "c++", "-o", path, "-"], input=PRELUDE + code,
                       text=True, check=True)
        return ctypes.CDLL(str(path))  # stays loaded when its file is gone


def _argument(value):
    if isinstance(value, np.generic):
        return np.ctypeslib.as_ctypes_type(value.dtype)(value.item())
    return ctypes.c_void_p(value._host.ctypes.data)


class RawKernel:
    """As cupy.RawKernel, for the stand-in's arrays."""

    def __init__(self, code, name):
        self.library = _library(code)
        self.function = self.library[name]
        self.function.restype = None

    def __call__(self, grid, block, arguments):
        arguments = [_argument(value) for value in arguments]
        for b in range(grid[0]):
            for t in range(block[0]):
                self.library.stand(b, t, grid[0], block[0])
                self.function(*arguments)

"""minifcn: fully convolutional networks, written by hand in NumPy, running unchanged on a GPU through CuPy."""
import os
import sys

__version__ = "0.1.0"


def _wide_blas():
    """Let OpenBLAS use AVX-512 on AMD processors that have it: it knows them as "Zen" and takes AVX2 kernels.

    Measured on an AMD EPYC with AVX-512: matrix products 1.8 times as fast, a training step of mini 1.17 times. It is
    read when NumPy loads, so it works where minifcn is imported first, as its commands do; a choice that somebody has
    made by setting OPENBLAS_CORETYPE stands.
    """
    if "numpy" in sys.modules or "OPENBLAS_CORETYPE" in os.environ:
        return
    try:
        with open("/proc/cpuinfo") as file:
            processor = file.read(8192)  # the first processor's entry is enough
    except OSError:
        return
    flags = set(processor.partition("\nflags")[2].partition("\n")[0].split())
    if "AuthenticAMD" in processor and {"avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl"} <= flags:
        os.environ["OPENBLAS_CORETYPE"] = "SkylakeX"


_wide_blas()


def __getattr__(name):
    if name == "load":  # imported when asked for: `import minifcn` stays fast
        from minifcn.model import load
        return load
    raise AttributeError(f"module 'minifcn' has no attribute {name!r}")

"""The machine a benchmark ran on: what it is, and how fast its matrix products are."""
import platform
import time
from importlib import metadata
from pathlib import Path

import numpy as np

import minifcn  # noqa: F401  before NumPy starts BLAS

PACKAGES = ("numpy", "torch", "onnxruntime", "cupy-cuda12x", "cupy-cuda13x")


def describe(threads):
    """{"processor": ..., "threads": ..., versions by package}."""
    from threadpoolctl import threadpool_info

    blas = next((f"{info['internal_api']} {info['version']} ({info.get('architecture')})" for info in threadpool_info()
                 if info["user_api"] == "blas"), "unknown")
    versions = {}
    for name in PACKAGES:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"processor": processor(), "threads": threads, "system": platform.system(),
            "python": platform.python_version(), "BLAS": blas, **versions}


def processor():
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def matrix_rate(threads, side=2048, times=5):
    """Multiply-adds a second of float32 matrix products in NumPy's BLAS."""
    from threadpoolctl import threadpool_limits

    a = np.random.default_rng(0).standard_normal((side, side), dtype=np.float32)
    best = float("inf")
    with threadpool_limits(threads):
        for _ in range(times + 1):
            began = time.perf_counter()
            a @ a
            best = min(best, time.perf_counter() - began)
    return side**3 / best

"""A contender's process: it prepares cases, runs them when told to, and answers in JSON, a line each.

Commands: "prepare CASE", "scores FILE", "run TIMES", "settle", "peak".
"""
import ctypes
import gc
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.cases import CASES

CONTENDERS = ("minifcn", "PyTorch", "PyTorch channels_last", "ONNX Runtime")


def takes(contender, case):
    """Whether a contender has this case: ONNX Runtime has inference only."""
    return contender != "ONNX Runtime" or case.kind == "inference"


def preparer(contender, threads):
    """prepare(case) -> (job, scores) of a contender, with so many threads. ImportError where it is not installed."""
    if contender == "minifcn":
        from benchmarks import ours
        from minifcn.backend import set_threads

        set_threads(threads)
        return ours.prepare
    if contender == "ONNX Runtime":
        from benchmarks import onnx_runtime

        return lambda case: onnx_runtime.prepare(case, threads)
    import torch

    torch.set_num_threads(threads)
    from benchmarks import pytorch

    return lambda case: pytorch.prepare(case, contender.endswith("channels_last"))


def serve(contender, threads):
    prepare, job, scores = preparer(contender, threads), None, None
    answer({"ready": contender})
    for line in sys.stdin:
        command, _, argument = line.strip().partition(" ")
        if command == "prepare":
            job = scores = None  # memory of the case before goes first
            job, scores = prepare(CASES[argument])
            answer({})
        elif command == "scores":
            np.save(argument, scores())
            answer({})
        elif command == "run":
            answer({"seconds": run(job, int(argument))})
        elif command == "settle":
            settle()
            answer({})
        elif command == "peak":
            answer({"bytes": peak()})


def run(job, times):
    """The seconds of one run, on average over so many in a row."""
    began = time.perf_counter()
    for _ in range(times):
        job()
    return (time.perf_counter() - began) / times


def settle():
    """Give back what preparing took, and count the peak from here on (Linux)."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")


def peak():
    """The most bytes this process has held since settle()."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def answer(what):
    print(json.dumps(what), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))

"""Contenders side by side: a process each, taking turns, so that whatever else the machine does hits them alike."""
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.worker import takes

ROOT = Path(__file__).resolve().parents[1]
PAUSE = 0.2  # seconds: some thread pools spin for a while after their work is done
AGREE = 1e-5  # relative error of scores


class Contender:
    """One process of benchmarks.worker. RuntimeError where it does not come up, its last words in it."""

    def __init__(self, name, threads):
        self.name = name
        environment = dict(os.environ, OMP_NUM_THREADS=str(threads), PYTHONPATH=str(ROOT))
        self.errors = tempfile.TemporaryFile("w+")
        self.process = subprocess.Popen([sys.executable, "-m", "benchmarks.worker", name, str(threads)], cwd=ROOT,
                                        env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=self.errors)
        self._answer()

    def ask(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self):
        line = self.process.stdout.readline()
        if not line:
            self.process.wait()
            self.errors.seek(0)
            last = self.errors.read().strip().splitlines() or ["no word"]
            raise RuntimeError(f"{self.name}: {last[-1]}")
        return json.loads(line)

    def close(self):
        self.process.stdin.close()
        self.process.wait()


def compete(contenders, case, rounds):
    """{name: [seconds of every round]}; a first run of each is not counted. Checks first that all scores agree."""
    members = [c for c in contenders if takes(c.name, case)]
    for c in members:
        c.ask("prepare", case.name)
    if case.group == "nets":
        check(members)
    times = {}
    for c in members:
        warm = c.ask("run", 1)["seconds"]
        times[c] = max(1, min(1000, int(1 / max(warm, 1e-6))))  # short ones for a second
    seconds = {c.name: [] for c in members}
    for number in range(rounds):
        for c in members[number % len(members):] + members[:number % len(members)]:  # nobody is always first
            time.sleep(PAUSE)
            seconds[c.name].append(c.ask("run", times[c])["seconds"])
    return seconds


def check(members):
    """ValueError unless the scores of all agree with those of the first."""
    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number, c in enumerate(members):
            path = Path(folder, f"{number}.npy")
            c.ask("scores", path)
            found.append(np.load(path))
    for c, scores in zip(members[1:], found[1:], strict=True):
        error = np.linalg.norm(scores - found[0]) / np.linalg.norm(found[0])
        if not error < AGREE:
            raise ValueError(f"{c.name} gives other scores than {members[0].name}: relative error {error:.1g}")


def summary(seconds):
    """{name: median}, and how often as fast as the fastest of the others minifcn is (None without others)."""
    medians = {name: median(values) for name, values in seconds.items()}
    others = [value for name, value in medians.items() if name != "minifcn"]
    return medians, min(others) / medians["minifcn"] if others else None


def peak(name, case, threads):
    """Bytes that a process of its own holds at most in three runs of a case, interpreter and libraries with it."""
    c = Contender(name, threads)
    c.ask("prepare", case.name)
    c.ask("settle")
    c.ask("run", 3)
    found = c.ask("peak")["bytes"]
    c.close()
    return found

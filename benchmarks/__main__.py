"""python -m benchmarks: everything, or some of it, with a table and a JSON file of it."""
import argparse
import datetime
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import median

from benchmarks import machine
from benchmarks.cases import NETS, OPS, SCALING
from benchmarks.contest import Contender, compete, peak, summary
from benchmarks.worker import CONTENDERS, takes

PARTS = ("nets", "ops", "memory", "scaling", "startup")
MEMORY = [case for case in NETS if case.options["body"] == "vgg16" and case.options["height"] == 375]
STARTUPS = {
    "python -c pass": ["-c", "pass"],
    "python -c 'import minifcn'": ["-c", "import minifcn"],
    "python -m minifcn.train --help": ["-m", "minifcn.train", "--help"],
    "python -c 'import torch'": ["-c", "import torch"],
}


def parser():
    p = argparse.ArgumentParser(
        "python -m benchmarks", description="Time minifcn and every peer that is installed (pip install -e "
        "'.[dev,peers]'), taking turns on the same weights, images and threads; scores are compared first.")
    p.add_argument("parts", nargs="*", metavar="PART", help=f"some of {', '.join(PARTS)} (default: all)")
    p.add_argument("--only", metavar="TEXT", help="cases with this in their names")
    p.add_argument("--rounds", type=int, default=7, metavar="N", help="how often each is timed (default: %(default)s)")
    p.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), metavar="N",
                   help="of each contender (default: the cores there are)")
    p.add_argument("--without", action="append", default=[], choices=CONTENDERS[1:], help="leave out a peer")
    p.add_argument("--out", type=Path, metavar="FILE", help="write all times as JSON")
    return p


def main(argv=None):
    p = parser()
    args = p.parse_args(argv)
    if unknown := set(args.parts) - set(PARTS):
        p.error(f"{', '.join(sorted(unknown))}: parts are {', '.join(PARTS)}")
    parts = args.parts or PARTS
    results = {"date": datetime.date.today().isoformat(), "machine": machine.describe(args.threads),
               "multiply-adds a second": machine.matrix_rate(args.threads), "rounds": args.rounds}
    print(", ".join(f"{key} {value}" for key, value in results["machine"].items()))
    print(f"matrix products: {results['multiply-adds a second'] / 1e9:.0f} * 10^9 multiply-adds a second\n")
    names = [name for name in CONTENDERS if name not in args.without]
    try:
        if {"nets", "ops", "scaling"} & set(parts):
            contenders = start(names, args.threads)
            names = [c.name for c in contenders]
            for part, some in (("nets", NETS), ("ops", OPS)):
                if part in parts:
                    results[part] = contest(contenders, chosen(some, args.only), args.rounds)
            if "scaling" in parts:
                results["scaling"] = scaling(contenders, chosen(SCALING, args.only), args.rounds)
            for c in contenders:
                c.close()
        if "memory" in parts:
            results["memory"] = memory(names, chosen(MEMORY, args.only), args.threads)
        if "startup" in parts:
            results["startup"] = startup(args.rounds)
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    finally:
        if args.out:
            args.out.write_text(json.dumps(results, indent=1) + "\n")
    return 0


def start(names, threads):
    """The contenders that are installed; who is not is named."""
    found = []
    for name in names:
        try:
            found.append(Contender(name, threads))
        except RuntimeError as error:
            if name == "minifcn":
                raise
            print(f"without {error}")
    return found


def chosen(some, only):
    return [case for case in some if not only or only in case.name]


def contest(contenders, some, rounds):
    """Print a row for each case; {case: {contender: [seconds]}}."""
    found = {}
    names = "".join(f"{c.name:>24}" for c in contenders)
    print(f"{f'median of {rounds}':46}{names}{'best peer / ours':>20}")
    for case in some:
        found[case.name] = seconds = compete(contenders, case, rounds)
        medians, ratio = summary(seconds)
        unit, count = case.unit
        cells = "".join(f"{rate(medians[c.name], unit, count) if c.name in medians else '':>24}" for c in contenders)
        print(f"{case.name:46}{cells}{'' if ratio is None else f'{ratio:20.2f}'}", flush=True)
    print()
    return found


def rate(seconds, unit, count):
    """The time of a run, or how many of a unit a second."""
    if unit:
        return f"{count / seconds:.1f} {unit}/s"
    return f"{seconds:.3f} s" if seconds >= 0.1 else f"{1000 * seconds:.2f} ms"


def scaling(contenders, some, rounds):
    """Cost a pixel against the image's area, ours alone: {case: [seconds]}."""
    ours = [c for c in contenders if c.name == "minifcn"]
    found, print_row = {}, "{:46}{:>12}{:>22}".format
    print(print_row("cost against area", "", "microseconds a pixel"))
    for case in some:
        found[case.name] = compete(ours, case, min(rounds, 3))["minifcn"]
        seconds = median(found[case.name])
        pixels = case.options["height"] * case.options["width"]
        print(print_row(case.name, f"{seconds:.3f} s", f"{1e6 * seconds / pixels:.2f}"), flush=True)
    print()
    return found


def memory(names, some, threads):
    """The peak of a process that does nothing else: {case: {contender: bytes}}."""
    found = {}
    print(f"{'peak memory of the process':46}" + "".join(f"{name:>24}" for name in names))
    for case in some:
        found[case.name] = {name: peak(name, case, threads) for name in names if takes(name, case)}
        cells = (f"{found[case.name][name] / 1e6:,.0f} MB" if name in found[case.name] else "" for name in names)
        print(f"{case.name:46}" + "".join(f"{cell:>24}" for cell in cells), flush=True)
    print()
    return found


def startup(rounds):
    """How long commands take that do nothing: {command: [seconds]}."""
    found = {name: [] for name in STARTUPS}
    for _ in range(rounds):
        for name, arguments in STARTUPS.items():
            began = time.perf_counter()
            subprocess.run([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            found[name].append(time.perf_counter() - began)
    for name, seconds in found.items():
        print(f"{name:46}{median(seconds):>10.2f} s")
    return found


if __name__ == "__main__":
    sys.exit(main())

"""`import minifcn` is light, and nothing imports from a line below it in the house order."""
import ast
import subprocess
import sys
from pathlib import Path

import pytest

import minifcn

PACKAGE = Path(minifcn.__file__).parent
# The order in which minifcn is read. What is not in it, the commands and what serves them, may import what it likes.
ORDER = ["errors", "cli", "backend", "buffers", "ops.fast.kernels", "ops.fast.strips", "ops.im2col", "ops.conv",
         "ops.groups", "ops.linear", "ops.pool", "ops.upsample", "ops.pointwise", "ops.norm", "ops.loss", "ops.fast",
         "ops", "gradcheck", "layers", "preprocess", "nets.joints", "nets.fusion", "nets.graph", "nets.geometry",
         "nets.body", "nets.mini", "nets.vgg", "nets.alexnet", "nets.googlenet", "nets.modality", "nets.net",
         "nets.fcn", "nets.classifier", "nets.surgery", "nets.structure", "nets.memory", "nets.models", "nets",
         "optim", "metrics", "palette", "images", "overlay", "datasets", "checkpoint", "model", "plot"]
HEAVY = ["matplotlib", "scipy", "cupy", "PIL", "safetensors", "threadpoolctl", "tqdm"]


def modules():
    """{dotted name below minifcn: path}, packages without __init__."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        parts = path.relative_to(PACKAGE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = modules()


def imported(path):
    """The modules of minifcn that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute here"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.startswith("minifcn."):
                name = name.removeprefix("minifcn.")
                yield name if name in MODULES else name.rpartition(".")[0]


def place(module):
    """Where a module stands: its own line or that of the package it is in, None for the commands."""
    if module.endswith("__main__"):
        return None
    while module and module not in ORDER:
        module = module.rpartition(".")[0]
    return ORDER.index(module) if module else None


def fresh(code):
    """What a new interpreter prints."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout


def test_importing_minifcn_imports_nothing_heavy():
    found = fresh("import sys, minifcn; print(*sys.modules)").split()
    assert "minifcn" in found and not set(HEAVY) & set(found)


def test_nets_and_ops_need_nothing_but_numpy():
    """Until one is used: a learner's first cell answers at once."""
    found = fresh("import sys, minifcn.nets, minifcn.optim, minifcn.metrics, minifcn.gradcheck; print(*sys.modules)")
    assert not set(HEAVY) & set(found.split())


@pytest.mark.parametrize("module", [name for name in MODULES if place(name) is not None])
def test_nothing_imports_from_a_line_below_it(module):
    for other in imported(MODULES[module]):
        if other:
            at = place(other)
            assert at is not None and at <= place(module), f"{module} imports {other}, which stands below it"


def test_there_is_a_place_for_every_line_of_the_order():
    assert not set(ORDER) - set(MODULES), "no such module: the order above is out of date"

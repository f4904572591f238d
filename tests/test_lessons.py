"""The lessons: notebooks are what their texts say, run from a clean kernel, solved and unsolved, and can be heard."""
import ast
import re
import sys
from importlib import import_module

import pytest

from lessons import build
from lessons.check import judge

SOURCES = build.sources()
IDS = [source.stem[:2] for source in SOURCES]
ALLOWED = {"numpy", "matplotlib", "PIL", "minifcn", "lessons"}  # what a lesson may import, beside the standard library
BOTH = pytest.mark.parametrize("solved", [True, False], ids=["solved", "unsolved"])
EACH = pytest.mark.parametrize("source", SOURCES, ids=IDS)

# what ipykernel, matplotlib, Pillow and minifcn import themselves; put before the first cell, which then may not
# import anything else: no SciPy, no framework
GUARD = """
import importlib.abc, sys
ALLOWED = sys.stdlib_module_names | {loaded.partition('.')[0] for loaded in sys.modules} | {
    'numpy', 'matplotlib', 'mpl_toolkits', 'PIL', 'minifcn', 'lessons', 'safetensors', 'threadpoolctl', 'tqdm',
    'cycler', 'kiwisolver', 'pyparsing', 'packaging', 'dateutil', 'six', 'contourpy', 'fontTools', 'matplotlib_inline'}
class Guard(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] not in ALLOWED:
            raise ModuleNotFoundError(f'a lesson imports {name}', name=name)
sys.meta_path.insert(0, Guard())
"""


def written(source, solved):
    nbformat = pytest.importorskip("nbformat", reason="the extra lessons is not installed")
    return nbformat.read(build.target(source, solved), as_version=4)


def essence(notebook):
    return notebook.metadata, [(cell.id, cell.cell_type, cell.source, cell.metadata) for cell in notebook.cells]


def printed(notebook):
    return "".join(output.text for cell in notebook.cells for output in cell.get("outputs", [])
                   if output.output_type == "stream" and output.name == "stdout")


def checks(source):
    """{name: check} of the exercises of a lesson."""
    return judge.exercises(import_module(f"lessons.check.lesson{source.stem[:2]}"))


def run(source, solved, folder, training):
    """The lesson's notebook, executed under guard; nothing may be written to stderr."""
    pytest.importorskip("nbclient", reason="the extra lessons is not installed")
    from nbformat.v4 import new_code_cell

    made = build.notebook(source, solved, training)
    made.cells.insert(0, new_code_cell(GUARD))
    build.execute(made, folder)
    for cell in made.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text
    return made


@BOTH
@EACH
def test_a_notebook_is_its_text(source, solved):
    """Anything but outputs: after a change of a text run python -m lessons.build."""
    pytest.importorskip("jupytext", reason="the extra lessons is not installed")
    assert essence(written(source, solved)) == essence(build.notebook(source, solved))


@BOTH
@EACH
def test_a_notebook_was_executed_and_every_figure_is_described(source, solved):
    code = [cell for cell in written(source, solved).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        for output in cell.outputs:
            assert output.get("name") != "stderr", output.text
            if "image/png" in output.get("data", {}):
                assert len(output.metadata["image/png"].get("alt", "")) >= 40, cell.source


@EACH
def test_a_lesson_imports_what_runs_in_a_browser(source):
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else (
            [node.module] if isinstance(node, ast.ImportFrom) else [])
        for name in names:
            assert name.partition(".")[0] in ALLOWED | sys.stdlib_module_names, name


@EACH
def test_every_exercise_of_a_lesson_is_judged_in_it(source):
    called = re.findall(r"^check\.(\w+)\(", source.read_text(encoding="utf-8"), re.MULTILINE)
    assert called and sorted(called) == sorted(checks(source))


@pytest.mark.lessons
@EACH
def test_a_solved_lesson_runs(source):
    made = run(source, True, build.target(source, True).parent, training=True)
    assert "not written yet" not in printed(made)
    assert printed(made).count("right: ") == len(checks(source))


@pytest.mark.lessons
@EACH
def test_an_unsolved_lesson_runs(source):
    made = run(source, False, build.target(source, False).parent, training=False)
    assert printed(made).count("not written yet\n") == len(checks(source))


def test_a_solution_becomes_what_is_left_to_write():
    text = "def f(x):\n    a = 1\n    # --- solution\n    y = x + a\n    # --- yours\n    # y = None  # one line\n" \
           "    # --- end\n    return y"
    assert build.choose(text, solved=True) == "def f(x):\n    a = 1\n    y = x + a\n    return y"
    assert build.choose(text, solved=False) == "def f(x):\n    a = 1\n    y = None  # one line\n    return y"
    with pytest.raises(ValueError, match="do not match"):
        build.choose("# --- solution\ny = 1\n# --- end", solved=True)

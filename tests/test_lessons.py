"""The lessons: notebooks are what their texts say, run from a clean kernel, solved and unsolved, and can be heard."""
import ast
import inspect
import re
import subprocess
import sys
from importlib import import_module
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import minifcn
from lessons import build
from lessons.check import judge
from minifcn import ops
from minifcn.ops.conv import conv2d, conv2d_backward
from minifcn.ops.im2col import _places, col2im, im2col, taps
from minifcn.palette import OKABE_ITO

SOURCES = build.sources()
IDS = [source.stem[:2] for source in SOURCES]
ALLOWED = {"numpy", "matplotlib", "PIL", "minifcn", "lessons"}  # what a lesson may import, beside the standard library
BOTH = pytest.mark.parametrize("solved", [True, False], ids=["solved", "unsolved"])
EACH = pytest.mark.parametrize("source", SOURCES, ids=IDS)

LITERAL = [("02", taps), ("02", _places), ("02", im2col), ("02", conv2d), ("03", col2im), ("03", conv2d_backward)]

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
    import nbformat

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
    from nbformat.v4 import new_code_cell

    made = build.notebook(source, solved, training)
    made.cells.insert(0, new_code_cell(GUARD))
    build.execute(made, folder)
    for cell in made.cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.text
    return made


@pytest.mark.lessons
@BOTH
@EACH
def test_a_notebook_is_its_text(source, solved):
    """Anything but outputs: after a change of a text run python -m lessons.build."""
    assert essence(written(source, solved)) == essence(build.notebook(source, solved))


@pytest.mark.lessons
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


def imported(source):
    """The names that a lesson imports: "numpy", "minifcn.ops.conv2d", ..."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@EACH
def test_a_lesson_imports_what_runs_in_a_browser_and_nothing_of_other_lessons(source):
    for name in imported(source):
        package, _, rest = name.partition(".")
        assert package in ALLOWED | sys.stdlib_module_names, name
        if package == "lessons":
            assert rest == "draw" or rest.endswith(f".lesson{source.stem[:2]}"), name


def test_every_op_of_an_fcn_is_in_a_lesson():
    texts = "".join(source.read_text(encoding="utf-8") for source in SOURCES)
    for name in ops.__all__:
        if not name.startswith(("local_response_norm", "linear", "average_pool2d")):  # of other bodies, of classifiers
            assert re.search(rf"\b{name}\(", texts), name


@pytest.mark.lessons
@pytest.mark.parametrize(("number", "function"), LITERAL, ids=lambda part: getattr(part, "__name__", part))
def test_the_plain_convolution_is_literally_what_the_lessons_arrive_at(number, function):
    source, = (source for source in SOURCES if source.stem.startswith(number))
    cells = [cell.source for cell in build.notebook(source, solved=True).cells if cell.cell_type == "code"]
    assert any(inspect.getsource(function).rstrip() in cell for cell in cells)


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


def test_the_first_cell_finds_the_clone_beside_it_and_above_it(tmp_path):
    def run(folder):
        return subprocess.run([sys.executable, build.SOURCE / "first_cell.py"], cwd=folder, capture_output=True,
                              text=True)

    (tmp_path / "minifcn").symlink_to(build.LESSONS.parent, target_is_directory=True)
    (tmp_path / "elsewhere").mkdir()
    for folder in (tmp_path, build.LESSONS.parent, build.LESSONS, build.LESSONS / "solutions"):
        assert run(folder).stdout.startswith(f"minifcn {minifcn.__version__}, NumPy")
    assert "clone the repository here" in run(tmp_path / "elsewhere").stderr


def test_figures_keep_white_and_the_colours_of_classes(rng):
    pixels = rng.integers(0, 256, (40, 50, 3), np.uint8)  # far more than 256 colours
    pixels[:10], pixels[10:12, :8] = 255, OKABE_ITO
    file = BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    few = Image.open(BytesIO(build.few_colors(file.getvalue())))
    assert few.mode == "P"
    few = np.asarray(few.convert("RGB"))
    np.testing.assert_array_equal(few[:10], pixels[:10])
    np.testing.assert_array_equal(few[10:12, :8], pixels[10:12, :8])
    assert np.abs(few.astype(int) - pixels).mean() < 20

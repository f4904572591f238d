"""python -m lessons.build [NUMBER ...]: make the notebooks, solved and unsolved, from the texts in lessons/src.

A text is a lesson in jupytext's percent format, solved. Beyond that format it knows

    tags=["training"]     a code cell that trains, or needs what was trained; quick runs leave it out
    tags=["answer"]       a cell of the solved notebook alone
    # --- solution        in a code cell: the lines up to "yours" are in the solved notebook, those up to "end",
    # --- yours           written as comments, in the unsolved one
    # --- end

and before a lesson's first code cell comes src/first_cell.py.
"""
import argparse
import re
import sys
import time
from base64 import b64decode, b64encode
from io import BytesIO
from pathlib import Path

LESSONS = Path(__file__).parent
SOURCE = LESSONS / "src"
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
BLOCK = re.compile(r"^ *# --- solution\n(.*?)^ *# --- yours\n(.*?)^ *# --- end\n?", re.DOTALL | re.MULTILINE)


def sources():
    """The texts of all lessons, in order."""
    return sorted(SOURCE.glob("[0-9][0-9]_*.py"))


def target(source, solved):
    """Where a lesson's notebook lies."""
    return (LESSONS / "solutions" if solved else LESSONS) / f"{source.stem}.ipynb"


def notebook(source, solved, training=True):
    """The notebook of a text, without outputs; training=False leaves out what trains.

    Raises ValueError where the marks of a solution do not match.
    """
    import jupytext
    from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

    cells, first = [], True
    for cell in jupytext.reads(source.read_text(encoding="utf-8"), fmt="py:percent").cells:
        tags = cell.metadata.get("tags", [])
        if "answer" in tags and not solved or "training" in tags and not training:
            continue
        make = new_code_cell if cell.cell_type == "code" else new_markdown_cell
        if first and cell.cell_type == "code":
            cells.append(new_code_cell((SOURCE / "first_cell.py").read_text(encoding="utf-8").rstrip()))
            first = False
        cells.append(make(choose(cell.source, solved), metadata={"tags": tags} if tags else {}))
    for i, cell in enumerate(cells):
        cell["id"] = f"{source.stem[:2]}-{i:03d}"  # random ones would differ in every build
    return new_notebook(cells=cells, metadata=METADATA)


def choose(text, solved):
    """A cell's text with its solutions, or with what is left to write in their place."""
    def chosen(match):
        if solved:
            return match[1]
        return re.sub(r"^( *)# ?", r"\1", match[2], flags=re.MULTILINE)

    chosen_text = BLOCK.sub(chosen, text + "\n").rstrip("\n")
    if "# ---" in chosen_text:
        raise ValueError(f"solution, yours and end do not match in:\n{text}")
    return chosen_text


def execute(notebook, folder, timeout=180):
    """Run it from a clean kernel in `folder`, outputs put in; a cell that fails raises CellExecutionError."""
    from nbclient import NotebookClient

    NotebookClient(notebook, timeout=timeout, kernel_name="python3", record_timing=False,
                   resources={"metadata": {"path": str(folder)}}).execute()
    notebook.metadata = METADATA
    return notebook


def shrink(notebook):
    """Let its figures have 256 colours each: a third of the bytes in the repository, to the same eye."""
    for output in (output for cell in notebook.cells for output in cell.get("outputs", [])):
        if png := output.get("data", {}).get("image/png"):
            output.data["image/png"] = b64encode(few_colors(b64decode(png))).decode()


def few_colors(png):
    """PNG bytes -> PNG bytes with a palette. White and the colours of classes stay exactly what they are."""
    import numpy as np
    from PIL import Image

    from minifcn.palette import OKABE_ITO, VOID_COLOR

    image = Image.open(BytesIO(png)).convert("RGB")
    exact = np.array([*OKABE_ITO, VOID_COLOR, (255, 255, 255)])
    chosen = np.array(image.quantize(256 - len(exact), kmeans=2).getpalette()).reshape(-1, 3)
    palette = np.concatenate((exact, chosen))
    red, green, blue = np.moveaxis(np.asarray(image).astype(np.int32), -1, 0)
    found, where = np.unique(red << 16 | green << 8 | blue, return_inverse=True)
    there = np.stack((found >> 16, found >> 8 & 255, found & 255), axis=1)
    # the nearest by its square distance; Pillow's own search is not exact
    nearest = ((palette**2).sum(axis=1) - 2 * there @ palette.T).argmin(axis=1).astype(np.uint8)
    few, small = Image.fromarray(nearest[where].reshape(red.shape)), BytesIO()
    few.putpalette(palette.astype(np.uint8).tobytes())
    few.save(small, "PNG", optimize=True)
    return small.getvalue()


def parser():
    p = argparse.ArgumentParser(
        "python -m lessons.build", description="Make lessons/*.ipynb and lessons/solutions/*.ipynb, executed, from the "
        "texts lessons/src/*.py. Needs the extra: pip install -e '.[lessons]'")
    p.add_argument("number", nargs="*", help="lessons to make, such as 02 03 (default: all)")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    known = {source.stem[:2]: source for source in sources()}
    if unknown := [number for number in args.number if number not in known]:
        parser().error(f"no lesson {unknown[0]}; there are {', '.join(known)}")
    try:
        import jupytext  # noqa: F401 (so that it is missed now, not after the first lesson)
        import nbclient  # noqa: F401
        import nbformat
    except ModuleNotFoundError as error:
        parser().error(f"{error.name} is not installed: pip install -e '.[lessons]'")
    for number in args.number or known:
        for solved in (True, False):
            path, began = target(known[number], solved), time.monotonic()
            made = execute(notebook(known[number], solved), path.parent)
            shrink(made)
            path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
            print(f"{path.relative_to(LESSONS.parent)}  {time.monotonic() - began:.0f} s, "
                  f"{path.stat().st_size / 1e6:.1f} MB", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

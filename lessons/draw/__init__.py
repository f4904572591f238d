"""Figures of the lessons: one style, one way to show them, always with a description in words.

Drawings that one lesson alone needs are in a module of its number beside this one. Colours are Okabe and Ito's, which
can be told apart with any colour vision; lines differ in style too.
"""
from io import BytesIO

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from minifcn.overlay import flat
from minifcn.palette import distinct_colors

BLACK, BLUE, ORANGE, YELLOW, SKY, PURPLE, GREEN, RED = (tuple(c / 255) for c in distinct_colors(8))
LINES = ("-", "--", ":", "-.")
DPI = 110
STYLE = {
    "font.size": 10, "axes.titlesize": 10.5, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "legend.fontsize": 9, "axes.spines.top": False, "axes.spines.right": False, "figure.constrained_layout.use": True,
    "savefig.facecolor": "white",
}


def panels(rows, columns, width=9.0, height=None, **options):
    """A figure and its axes, (rows, columns) of them always; width and height in inches."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height or width * rows / columns * 0.9))
        return figure, figure.subplots(rows, columns, squeeze=False, **options)


class Shown:
    """A figure as a notebook shows it: a PNG with its description, for those who hear it instead of seeing it."""

    def __init__(self, figure, description):
        description = " ".join(description.split())
        if len(description) < 40:
            raise ValueError(f"describe what is to be seen, not just {description!r}")
        file = BytesIO()
        with matplotlib.rc_context(STYLE):
            figure.savefig(file, format="png", dpi=DPI)
        self.png, self.description = file.getvalue(), description
        self.width = round(figure.get_figwidth() * DPI)

    def _repr_mimebundle_(self, include=None, exclude=None):  # asked for by IPython
        from base64 import b64encode

        data = {"image/png": b64encode(self.png).decode(), "text/plain": f"Figure: {self.description}"}
        return data, {"image/png": {"alt": self.description, "width": self.width}}


def show(figure, description):
    """The figure as the value of a cell: write it on the cell's last line. The description says what is to be seen."""
    return Shown(figure, description)


def numbers(axes, array, title="", *, form="{:g}", colors=None, lit=None, size=11):
    """Draw a small matrix as cells with their numbers in them.

    colors (H,W,3) fills the cells (default white), lit (H,W) bool frames some of them thickly.
    """
    array = np.atleast_2d(array)
    height, width = array.shape
    fill = np.ones((height, width, 3)) if colors is None else np.asarray(colors)
    axes.imshow(fill, vmin=0, vmax=1)
    for i, j in np.ndindex(height, width):
        dark = fill[i, j] @ (0.299, 0.587, 0.114) < 0.5
        axes.text(j, i, form.format(array[i, j]), ha="center", va="center", fontsize=size,
                  color="white" if dark else "black")
    cells(axes, height, width)
    if lit is not None:
        for i, j in np.argwhere(lit):
            axes.add_patch(matplotlib.patches.Rectangle((j - 0.5, i - 0.5), 1, 1, fill=False, lw=3, ec=RED, zorder=3))
    axes.set_title(title)


def cells(axes, height, width, color="0.6"):
    """Lines between the cells of an image, and no ticks."""
    for i in range(height + 1):
        axes.plot((-0.5, width - 0.5), (i - 0.5, i - 0.5), color=color, lw=0.8, zorder=2)
    for j in range(width + 1):
        axes.plot((j - 0.5, j - 0.5), (-0.5, height - 0.5), color=color, lw=0.8, zorder=2)
    axes.set(xlim=(-0.6, width - 0.4), ylim=(height - 0.4, -0.6))
    bare(axes)


def bare(axes):
    """No ticks and no frame."""
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)


def picture(axes, image, title="", **options):
    """An image, or a map of numbers, without ticks."""
    shown = axes.imshow(image, **{"cmap": "cividis", "interpolation": "nearest", **options})
    axes.set_title(title)
    bare(axes)
    return shown


def labels(axes, labels, colors, title=""):
    """A label map (H,W) in the colours of its classes, void pale."""
    return picture(axes, flat(labels, colors), title)


def legend(figure, classes, colors, present=None):
    """The names of the classes with their colours, below the figure; `present` picks some by number."""
    chosen = range(len(classes)) if present is None else [k for k in present if k < len(classes)]
    patches = [matplotlib.patches.Patch(facecolor=np.array(colors[k]) / 255, edgecolor="0.4", label=classes[k])
               for k in chosen]
    figure.legend(handles=patches, loc="outside lower center", ncols=min(len(patches), 7), frameon=False)

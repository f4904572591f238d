"""Drawings of lesson 07: what FCN-32s says, what one cell becomes, losses from three starts, errors near borders."""
import numpy as np

from lessons.draw import BLACK, BLUE, ORANGE, YELLOW, cells, legend, panels, picture
from minifcn.overlay import flat, lit


def row(image, truth, said, colors, classes, height=3.3):
    """An image, its truth, and what nets say of it with the errors lit: {title: labels}."""
    figure, axes = panels(1, 2 + len(said), 9, height)
    picture(axes[0, 0], image, "the scene")
    picture(axes[0, 1], flat(truth, colors), "the truth")
    for panel, (title, labels) in zip(axes[0, 2:], said.items(), strict=True):
        picture(panel, lit(labels, truth, colors), title)
    legend(figure, classes, colors, _present(truth, *said.values()))
    return figure


def one_cell(small, large):
    """A map with a single 1 in it, and what the upsampling makes of it."""
    figure, ((left, right),) = panels(1, 2, 9, 3.7)
    rows, columns = small.shape
    picture(left, small, f"a score map of {rows} x {columns} cells", cmap="cividis", vmin=0, vmax=1)
    cells(left, rows, columns)
    for i, j in np.ndindex(rows, columns):
        left.text(j, i, f"{small[i, j]:g}", ha="center", va="center", color="black" if small[i, j] else "white")
    height, width = large.shape
    shown = picture(right, large, f"the same map upsampled to {height} x {width}", cmap="cividis", vmin=0, vmax=1)
    for level, style in ((0.75, "-"), (0.5, "--"), (0.25, ":")):
        right.contour(large, (level,), colors="white", linewidths=1.5, linestyles=style)
        right.plot([], [], style, color="white", lw=1.5, label=f"{level:g}")
    key = right.legend(loc="lower right", facecolor="black", edgecolor="0.6", title="lines of equal value", ncols=3)
    for text in (*key.get_texts(), key.get_title()):
        text.set_color("white")
    for k in range(1, rows):
        right.axhline(k * height / rows - 0.5, color="0.6", lw=0.7)
    for k in range(1, columns):
        right.axvline(k * width / columns - 0.5, color="0.6", lw=0.7)
    figure.colorbar(shown, ax=right, shrink=0.8)
    return figure


def losses(runs, levels):
    """Loss at every step of several runs {name: losses}, and levels {name: loss} to compare with."""
    figure, ((axes,),) = panels(1, 1, 9, 3.8)
    looks = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (BLACK, ":", "^"))
    for (name, values), (color, style, marker) in zip(runs.items(), looks, strict=False):
        axes.plot(range(1, len(values) + 1), values, style, color=color, marker=marker, markersize=4, markevery=5,
                  label=name)
    for name, level in levels.items():
        axes.axhline(level, color="0.55", lw=1)
        axes.text(len(values), level, name, va="bottom", ha="right", fontsize=9, color="0.3")
    axes.set(xlabel="step", ylabel="loss of the batch", xlim=(0, len(values) + 1), ylim=(0, None))
    axes.legend(frameon=False, loc="lower left", ncols=3)
    return figure


def borders(truth, near, said, colors, rates):
    """Where the pixels near borders lie, where the errors do, and the share of wrong pixels by distance."""
    figure, ((where, errors, axes),) = panels(1, 3, 9, 3.0, width_ratios=(1, 1, 1.1))
    shade = flat(truth, colors) / 255
    shade[~near] = 0.75 + 0.25 * shade[~near]
    picture(where, shade, "within 8 pixels of a border\n(the rest is pale)")
    wrong = (said != truth) & (truth != 255)
    shown = np.full((*truth.shape, 3), 0.25)
    shown[near] = 0.5
    shown[wrong] = YELLOW
    picture(errors, shown, "errors of FCN-32s (yellow)\nnear borders (grey) and inside")
    names = [f"{low}-{high}" if high < 999 else f"over {low - 1}" for low, high in rates]
    bars = axes.bar(range(len(rates)), [100 * rate for rate in rates.values()], color=BLUE, edgecolor="black", lw=0.6)
    axes.bar_label(bars, [f"{100 * rate:.0f}" if rate >= 0.1 else f"{100 * rate:.1f}" for rate in rates.values()],
                   fontsize=9)
    axes.margins(y=0.1)
    axes.set_xticks(range(len(rates)), names)
    axes.set(xlabel="pixels from the border", title="% wrong, all validation scenes")
    return figure


def limits(image, truth, said, colors, classes):
    """The scene, its truth, and several labellings with their errors lit: {title: labels}."""
    figure, axes = panels(2, 3, 9, 5.5)
    picture(axes[0, 0], image, "the scene")
    picture(axes[0, 1], flat(truth, colors), "the truth")
    for panel, (title, labels) in zip((axes[0, 2], *axes[1]), said.items(), strict=True):
        picture(panel, lit(labels, truth, colors), title)
    legend(figure, classes, colors, _present(truth, *said.values()))
    return figure


def _present(*labels):
    return sorted(set().union(*(np.unique(part).tolist() for part in labels)) - {255})

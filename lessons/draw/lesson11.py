"""Drawings of lesson 11: runs beside a healthy one, masks as the loss saw them, and what the wrong lines were."""
import inspect

import numpy as np

from lessons import broken, draw
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.metrics import IGNORE
from minifcn.overlay import lit

RUN = {"color": draw.BLUE, "lw": 1.8, "ls": "-"}
HEALTHY = {"color": draw.BLACK, "lw": 1.4, "ls": "--"}
AGAIN = {"color": "0.5", "lw": 1.4, "ls": ":"}
SHOWN = 1  # which of the kept pictures the case files show

read = broken.read


def line(letter):
    """A run's line as it should be and as it was."""
    right, wrong = broken.MISTAKES[broken.LETTERS[letter]]
    piece, = (piece for piece in broken.PROGRAM if right in inspect.getsource(piece))
    return f"{letter}, in {piece.__name__}\n  - {right}\n  + {wrong}"


def _val():
    return VOCSegmentation(harbour.root(), "val")


def answers(runs):
    """What each net says of one scene in the end, wrong pixels bright."""
    figure, axes = draw.panels(2, 4, width=9, height=4.5)
    data = _val()
    for place, (letter, run) in zip(axes.flat, runs.items(), strict=True):
        named, truth = run["epoch10"][SHOWN], run["truth"][SHOWN]
        right = np.mean((named == truth)[truth != IGNORE])
        draw.picture(place, lit(named, truth, data.colors), f"{letter}: {100 * right:.0f} % right")
    draw.legend(figure, data.classes, data.colors, (0, 1, 2, 3, 5))
    return figure


def _losses(place, run, healthy=None):
    epochs = np.arange(1, len(run["loss"]) + 1)
    steps = run["steps"]
    place.plot((np.arange(len(steps)) + 1) * len(epochs) / len(steps), steps, color=draw.SKY, lw=0.9,
               label="each step")
    place.plot(epochs, run["val_loss"], marker="o", ms=3.5, label="validation", **RUN)
    if healthy is not None:
        place.plot(epochs, healthy["val_loss"], label="validation, A", **HEALTHY)
    if np.isfinite(steps).all():
        place.set(ylim=(0, 2.1))
        place.axhline(np.log(7), color="0.7", lw=0.8)
        place.text(10, np.log(7) - 0.04, "ln 7", ha="right", va="top", fontsize=9)
    else:
        place.plot((1 + np.arange(2)) / 25, steps[:2], "o", color=draw.SKY, ms=5)
        place.set(yscale="log", ylim=(0.1, 1e10))
        place.text(5, 1e7, "two steps,\nthen nan", ha="center", fontsize=10)
    place.set(title="loss", xlabel="epoch", xlim=(0, 10.3))
    place.set_xticks((1, 4, 7, 10))
    place.legend(frameon=False, loc=(0.3, 0.25 if not np.isfinite(steps).all() else 0.58))


def _mean_iu(place, letter, run, healthy=None, again=None):
    epochs = np.arange(1, len(run["loss"]) + 1)
    place.plot(epochs, run["mean_iu"], marker="o", ms=3.5, label=letter, **RUN)
    if healthy is not None:
        place.plot(epochs, healthy["mean_iu"], label="A", **HEALTHY)
    if again is not None:
        place.plot(epochs, again["mean_iu"], label="A'", **AGAIN)
    place.set(title="mean IU, validation", xlabel="epoch", ylim=(0, 0.85), xlim=(0.5, 10.3))
    place.set_xticks((1, 4, 7, 10))
    below = healthy is not None and run["mean_iu"][-1] < healthy["mean_iu"][-1] - 0.01
    place.annotate(f"{run['mean_iu'][-1]:.3f}", (10, run["mean_iu"][-1]), (0, -11 if below else 8), va="center",
                   textcoords="offset points", ha="right", fontsize=9.5, color=draw.BLUE)
    place.legend(frameon=False, loc="lower right", bbox_to_anchor=(1, 0.12))


def _classes(place, run, names, healthy=None):
    place.bar(range(7), 100 * run["iu"][-1], color=draw.SKY, edgecolor=draw.BLUE, lw=0.8)
    for k, iu in enumerate(run["iu"][-1]):
        near = healthy is not None and 0 <= healthy["iu"][-1][k] - iu < 0.075  # the number would lie on A's line
        place.text(k, 100 * iu + (-5.5 if near else 1.2), f"{100 * iu:.0f}", ha="center", fontsize=9)
    if healthy is not None:
        place.hlines(100 * healthy["iu"][-1], np.arange(7) - 0.45, np.arange(7) + 0.45, **HEALTHY)
    place.set_xticks(range(7), names, rotation=40, ha="right", rotation_mode="anchor")
    place.set(title="IU of each class, %" + ("" if healthy is None else " (dashed: A)"), ylim=(0, 100))


def _pictures(places, run, data):
    truth = run["truth"][SHOWN]
    draw.labels(places[0], truth, data.colors, "truth, as the loader gave it")
    for place, epoch in zip(places[1:], broken.KEPT, strict=True):
        draw.picture(place, lit(run[f"epoch{epoch}"][SHOWN], truth, data.colors), f"epoch {epoch}, bright: wrong")


def case(letter, runs):
    """All that is kept of a run: losses, mean IU, IU of each class, and one scene, with A's (and A') beside."""
    run, data = runs[letter], _val()
    healthy, again = (None, None) if letter == "A" else (runs["A"], runs["A'"])
    figure, axes = draw.panels(2, 3, width=9, height=5.9, height_ratios=(1, 0.95))
    _losses(axes[0, 0], run, healthy)
    _mean_iu(axes[0, 1], letter, run, healthy, again)
    _classes(axes[0, 2], run, data.classes, healthy)
    _pictures(axes[1], run, data)
    draw.legend(figure, data.classes, data.colors, (0, 1, 2, 3, 5))
    figure.suptitle(f"Run {letter}", x=0.01, ha="left", fontsize=12, weight="bold")
    return figure


def log_book(runs):
    """The numbers of all runs as text."""
    rows = [f"{'':4}{'the first four losses':34}{'val loss, epoch 1, 4, 10':30}{'mean IU, epoch 4, 10'}"]
    for letter, run in runs.items():
        first = "".join(f"{loss:<8.5g}" if loss < 100 else f"{loss:<10.3g}" for loss in run["steps"][:4])
        loss = "".join(f"{run['val_loss'][epoch - 1]:<9.4f}" for epoch in (1, 4, 10))
        iu = "".join(f"{run['mean_iu'][epoch - 1]:<8.3f}" for epoch in (4, 10))
        rows.append(f"{letter:4}{first:34}{loss:30}{iu}")
    return "\n".join(rows)


def rows_of_pixels(columns):
    """[{title: labels of a row of pixels}, ...]: a column each, in the colours of Harbour's classes."""
    figure, axes = draw.panels(len(columns[0]), len(columns), width=9, height=3.6, width_ratios=(4, 8))
    data = _val()
    for places, named in zip(axes.T, columns, strict=True):
        most = max(len(np.ravel(row)) for row in named.values())
        for place, (title, row) in zip(places, named.items(), strict=True):
            row = np.atleast_2d(row)
            colors = np.array([data.colors[k] / 255 if k < 7 else (1, 1, 1) for k in row.ravel()]).reshape(1, -1, 3)
            draw.numbers(place, row, colors=colors, size=12)
            place.set_xlim(-0.6, most - 0.4)
            place.set_title(title, loc="left")
    draw.legend(figure, data.classes, data.colors)
    return figure


def corner(images):
    """{title: labels}: one corner of one scene, large enough to see single pixels."""
    figure, axes = draw.panels(1, len(images), width=9, height=3.6)
    data = _val()
    for place, (title, labels) in zip(axes[0], images.items(), strict=True):
        draw.labels(place, labels[18:82, 56:120], data.colors, title)
    draw.legend(figure, data.classes, data.colors)
    return figure


def taps(kept):
    """{title: (9,9) map}: how many of the nine contributions each pixel has received."""
    figure, axes = draw.panels(1, len(kept), width=6.4, height=3.3)
    for place, (title, counts) in zip(axes[0], kept.items(), strict=True):
        draw.numbers(place, counts, title, size=11)
    return figure


def losses(curves, title, ceiling=1e6):
    """{name: losses}: one line each on a logarithmic axis; a line that ends early has become nan."""
    figure, axes = draw.panels(1, 1, width=7.5, height=3.8)
    place = axes[0, 0]
    styles = ((draw.BLACK, "--", "s"), (draw.ORANGE, "-", "o"), (draw.BLUE, ":", "^"))
    for (name, values), (color, style, marker) in zip(curves.items(), styles, strict=False):
        values = np.array(values)
        shown = values[np.isfinite(values) & (values < ceiling)]
        place.plot(range(1, len(shown) + 1), shown, style, color=color, marker=marker, ms=4, label=name)
        if len(shown) < len(values):
            place.annotate("off the scale,\nthen nan", (len(shown), shown[-1]), (10, -16), textcoords="offset points",
                           va="center", fontsize=9.5)
    place.set(yscale="log", xlabel="step", ylabel="loss", title=title)
    place.set_yticks((0.5, 1, 2, 10, 100, 1000, 1e4, 1e5), ("0.5", "1", "2", "10", "100", "1000", "10⁴", "10⁵"))
    place.minorticks_off()
    place.grid(axis="y", color="0.9")
    place.legend(frameon=False, loc="upper right")
    return figure


def overfit(curves):
    """{name: losses} of learning two pictures by heart."""
    figure, axes = draw.panels(1, 1, width=7, height=3.2)
    styles = ((draw.BLACK, "--"), (draw.ORANGE, "-"))
    for (name, values), (color, style) in zip(curves.items(), styles, strict=True):
        axes[0, 0].plot(range(1, len(values) + 1), values, style, color=color, lw=1.6, label=name)
    axes[0, 0].set(xlabel="step", ylabel="loss", ylim=(0, 2.1), title="the same two pictures in every step")
    axes[0, 0].legend(frameon=False)
    return figure

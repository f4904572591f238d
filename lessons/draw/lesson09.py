"""Drawings of lesson 09: answers beside their truth, matrices, and rulers that are bent."""
import numpy as np
from matplotlib import colormaps

from lessons import draw
from minifcn.metrics import IGNORE, ConfusionMatrix
from minifcn.ops import bilinear_kernel, conv_transpose2d
from minifcn.overlay import lit

PAMI_BOUND = {128: 50.9, 64: 73.3, 32: 86.1, 16: 92.8, 8: 96.4, 4: 98.5}  # PAMI 6.3, VOC 2011 val
PAMI_NETS = {8: 65.5, 16: 65.0, 32: 63.6}  # PAMI table 3, the same images
STYLES = {"8s": ("o", "-", draw.BLUE), "16s": ("s", "--", draw.ORANGE), "32s": ("^", ":", draw.BLACK)}


def without_void(truth):
    """The truth (N,H,W), every void pixel named like one beside it: a line two pixels wide goes half to either side."""
    full = truth.copy()
    left, right, upper, lower = np.s_[:, :, :-1], np.s_[:, :, 1:], np.s_[:, :-1], np.s_[:, 1:]
    while (full == IGNORE).any():
        for place, beside in ((right, left), (left, right), (lower, upper), (upper, lower)):
            full[place] = np.where(full[place] == IGNORE, full[beside], full[place])
    return full


def two_answers(image, truth, a, b, dataset):
    figure, axes = draw.panels(2, 2, width=7.5, height=6.4)
    draw.picture(axes[0, 0], image, "the picture")
    draw.labels(axes[0, 1], truth, dataset.colors, "the truth (pale lines: void)")
    for name, answer, place in (("A: FCN-8s", a, axes[1, 0]), ("B: made up", b, axes[1, 1])):
        share = np.mean((answer == truth)[truth != IGNORE])
        draw.picture(place, lit(answer, truth, dataset.colors),
                     f"{name}, {100 * share:.0f} % of this picture right\n(bright: wrong; grey: wrongly background)")
    draw.legend(figure, dataset.classes, dataset.colors, np.unique(truth[truth != IGNORE]))
    return figure


def by_hand(truth, guess):
    """Truth and guess with what differs framed, and an empty matrix."""
    figure, axes = draw.panels(1, 3, width=8, height=2.9, width_ratios=(1, 1, 1.1))
    draw.numbers(axes[0, 0], truth, "truth", size=14)
    draw.numbers(axes[0, 1], guess, "guess (framed: wrong)", lit=truth != guess, size=14)
    draw.numbers(axes[0, 2], np.zeros((3, 3)), "counts: yours to fill in", form="?", size=14)
    for k in range(3):
        axes[0, 2].text(k, 2.75, f"{k}", ha="center", va="center", fontsize=10)
        axes[0, 2].text(-0.75, k, f"{k}", ha="center", va="center", fontsize=10)
    axes[0, 2].text(1, 3.15, "named", ha="center", va="center", fontsize=10)
    axes[0, 2].text(-1.15, 1, "truly", ha="center", va="center", fontsize=10, rotation=90)
    axes[0, 2].set(xlim=(-1.4, 2.6), ylim=(3.4, -0.6))
    return figure


def matrices(named, classes):
    """{title: ConfusionMatrix} side by side, rows in per cent, accuracy and IU beside each row."""
    figure, axes = draw.panels(1, len(named), width=9, height=4.5)
    count = len(classes)
    for place, (title, matrix) in zip(axes[0], named.items(), strict=True):
        share = 100 * matrix.counts / matrix.counts.sum(axis=1, keepdims=True)
        place.imshow(share, cmap="Blues", vmin=0, vmax=100)
        for i, j in np.ndindex(count, count):
            text = f"{share[i, j]:.0f}" if share[i, j] >= 0.5 else "·"
            place.text(j, i, text, ha="center", va="center", fontsize=10, color="w" if share[i, j] > 50 else "k")
        for i in range(count):
            place.text(count + 0.1, i, f"{100 * matrix.accuracy[i]:.0f}", ha="center", va="center", fontsize=10)
            place.text(count + 1.1, i, f"{100 * matrix.iu[i]:.0f}", ha="center", va="center", fontsize=10,
                       weight="bold")
        place.text(count + 0.1, -0.75, "acc.", ha="center", fontsize=10)
        place.text(count + 1.1, -0.75, "IU", ha="center", fontsize=10, weight="bold")
        place.set_xticks(range(count), classes, rotation=45, ha="right", rotation_mode="anchor")
        place.set_yticks(range(count), classes if place is axes[0, 0] else [])
        place.set(xlim=(-0.5, count + 1.7), ylim=(count - 0.5, -1.35), xlabel="named")
        place.set_title(f"{title}, mean IU {100 * matrix.mean_iu:.1f}")
        place.spines[:].set_visible(False)
        place.tick_params(length=0)
    axes[0, 0].set_ylabel("truly: per cent of its pixels (dot: 0)")
    return figure


def batches(sizes, dots):
    """{net: [[score for every order] for every size]}."""
    figure, axes = draw.panels(1, 1, width=7.5, height=4)
    for name, scores in dots.items():
        marker, line, color = STYLES[name]
        axes[0, 0].plot(range(len(sizes)), np.mean(scores, axis=1), line, color=color, lw=1.2)
        for k, some in enumerate(scores):
            spread = np.linspace(-0.16, 0.16, len(some))
            axes[0, 0].plot(k + spread, some, marker, color=color, ms=4.5, mfc="none")
        axes[0, 0].annotate(f"{name}: {scores[-1][0]:.1f}", (len(sizes) - 1, scores[-1][0]), (12, 0),
                            textcoords="offset points", va="center", fontsize=10)
    axes[0, 0].set_xticks(range(len(sizes)), sizes)
    axes[0, 0].set(xlabel="pictures in a batch", ylabel="mean of the batches' mean IUs", ylim=(50, 90),
                   xlim=(-0.5, len(sizes) + 0.4))
    axes[0, 0].grid(axis="y", color="0.9")
    return figure


def made_up(truth, nearest, smooth, dataset):
    """A corner of a truth, shrunk in two ways; a cross where a class was made up."""
    figure, axes = draw.panels(1, 3, width=9, height=3.7)
    classes = len(dataset.classes)
    invented = (smooth < classes) & (smooth != nearest)
    for i, j in np.argwhere(invented):
        around = truth[max(0, 4 * i - 4):4 * i + 8, max(0, 4 * j - 4):4 * j + 8]
        invented[i, j] = smooth[i, j] not in around
    high, wide = slice(0, 32), slice(0, 26)
    draw.labels(axes[0, 0], truth[:128, :104], dataset.colors, "truth")
    draw.labels(axes[0, 1], nearest[high, wide], dataset.colors, "a quarter, nearest pixel copied")
    shown = np.where(smooth < classes, smooth, IGNORE)
    draw.labels(axes[0, 2], shown[high, wide], dataset.colors, "a quarter, smoothed")
    y, x = np.nonzero(invented[high, wide])
    axes[0, 2].plot(x, y, "x", color="white", ms=7, mew=3.2)
    axes[0, 2].plot(x, y, "x", color="black", ms=6, mew=1.4, label="a class that is nowhere near")
    axes[0, 2].legend(loc="upper center", bbox_to_anchor=(0.5, 0), frameon=False)
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def all_ways(scored, asked):
    """{way: [score of each answer]}, the first way being the right one."""
    figure, axes = draw.panels(1, 1, width=9, height=0.46 * len(scored) + 1.3)
    table = np.array(list(scored.values()))
    off = np.clip((table - table[0]) / 25, -1, 1)
    fill = colormaps["PuOr_r"](0.5 + 0.32 * off)[..., :3]
    overtook = np.array([[(row[k] > row[:k]).any() for k in range(len(asked))] for row in table])
    place = axes[0, 0]
    draw.numbers(place, table, form="{:.1f}", colors=fill, lit=overtook, size=10.5)
    place.set_aspect("auto")
    place.set_xticks(range(len(asked)), asked)
    place.set_yticks(range(len(scored)), scored)
    place.tick_params(length=0, top=True, labeltop=True, labelbottom=False, labelsize=10)
    place.set_xlabel("framed: overtook an answer that is better; orange: above its mean IU, violet: below")
    return figure


def bound_pictures(truth, at_best, dataset):
    figure, axes = draw.panels(2, 3, width=9, height=5.9)
    draw.labels(axes[0, 0], truth, dataset.colors, "truth")
    for place, (factor, labels) in zip(axes.flat[1:], at_best.items(), strict=False):
        score = ConfusionMatrix(len(dataset.classes)).update(labels, truth).mean_iu
        draw.picture(place, lit(labels, truth, dataset.colors), f"by {factor}: mean IU {100 * score:.1f}")
    for place in axes.flat[1 + len(at_best):]:
        draw.bare(place)
        place.text(0.5, 0.5, "bright: wrong\ndark: right, or void", ha="center", va="center", fontsize=11)
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def curve(factors, scores, reached, best=None):
    """Mean IU against the factor: Harbour and what the nets reached; beside it the papers' figures, or in it `best`."""
    figure, axes = draw.panels(1, 1 if best else 2, width=6 if best else 9, height=4.2, sharey=True)
    ours, theirs = axes[0, 0], axes[0, -1]

    def line(place, points, style, color, name, shown, **options):
        place.plot(list(points), list(points.values()), style, color=color, label=name, **options)
        for factor, (dx, dy) in shown.items():
            place.annotate(f"{points[factor]:.1f}", (factor, points[factor]), (dx, dy), textcoords="offset points",
                           ha="center", va="center", fontsize=9.5, color=color,
                           bbox={"fc": "white", "ec": "none", "pad": 0.8})

    left, right = {8: (-17, -9), 16: (-17, -9), 32: (21, 0)}, {8: (10, 10), 16: (10, 10), 32: (12, 10)}
    if best:
        line(ours, best, "--D", draw.GREEN, "cells fitted to the truth", {8: (0, 12), 16: (15, 8), 32: (21, 0)}, ms=6,
             mfc="none")
    line(ours, dict(zip(factors, scores, strict=True)), "-o", draw.BLUE, "truth, resampled", {**left, 16: (18, 0)},
         ms=4)
    line(ours, reached, ":^", draw.BLACK, "nets: 8s, 16s, 32s", left, ms=8)
    if not best:
        line(theirs, PAMI_BOUND, "-o", draw.BLUE, "truth, resampled", right, ms=4)
        line(theirs, PAMI_NETS, ":^", draw.BLACK, "nets: 8s, 16s, 32s", dict.fromkeys(PAMI_NETS, (0, -14)), ms=8)
        theirs.set_title("VOC 2011 val, as published (PAMI)")
    for place, ticks in ((theirs, sorted(PAMI_BOUND)), (ours, factors)):  # ours last: with `best` it is the only one
        place.set_xscale("log", base=2)
        place.set_xticks(ticks, [str(factor) for factor in ticks])
        place.minorticks_off()
        place.set(xlabel="factor", ylim=(45, 104), xlim=(ticks[0] / 1.2, ticks[-1] * 1.6))
        place.grid(axis="y", color="0.9")
    ours.set(title="Harbour, val", ylabel="mean IU")
    ours.legend(loc="lower left", frameon=False)
    return figure


def interpolated(middle=None):
    """Cells of shares, and of scores (-1, middle, -1), enlarged by 4: thing less background over twelve pixels."""
    figure, axes = draw.panels(1, 1, width=7.5, height=3.3)
    place = axes[0, 0]
    place.axvspan(4.5, 6.5, color="0.88", lw=0)
    place.text(5.5, 0.66, "the thing", ha="center", fontsize=10)
    place.axhline(0, color="0.3", lw=0.8)
    kernel = bilinear_kernel(1, 8, float)
    lines = [(0, "true shares: -1, 0, -1", "--s", draw.ORANGE)]
    if middle is not None:
        lines.append((float(middle), f"scores: -1, {float(middle):g}, -1", "-o", draw.BLUE))
    for centre, name, style, color in lines:
        cells = np.array([-1, centre, -1], float).reshape(1, 1, 1, 3)
        enlarged, _ = conv_transpose2d(cells, kernel, stride=4, pad=2)
        y = enlarged[0, 0, 1] / 0.875  # the only row of cells fades to 0.875 in the second row of pixels
        place.plot(range(2, 10), y[2:10], style, color=color, ms=6, label=name)
    for edge in (3.5, 7.5):
        place.axvline(edge, color="0.6", lw=0.8, ls=":")
    place.set_xticks(range(12))
    place.set(xlim=(-0.5, 11.5), ylim=(-1.1, 0.85), xlabel="pixel (dotted: between cells of four pixels)",
              ylabel="thing less background")
    place.legend(loc="upper left", frameon=False)
    return figure

"""Drawings of lesson 04: poolings, and what a cell sees of the image."""
import numpy as np
from matplotlib.patches import Rectangle

from lessons.draw import BLACK, BLUE, LINES, ORANGE, RED, bare, numbers, panels, picture

GREY = (0.86, 0.86, 0.86)


def halvings(rows, first=0):
    """rows {title: [map, map pooled once more, ...]} of grey levels 0 to 255; first: how often the first was pooled."""
    columns = max(map(len, rows.values()))
    figure, axes = panels(len(rows), columns, width=1.5 * columns, height=1.75 * len(rows) + 0.2)
    for row, (title, maps) in zip(axes, rows.items(), strict=True):
        for n, (ax, a) in enumerate(zip(row, maps, strict=True), first):
            picture(ax, a, f"{a.shape[0]} x {a.shape[1]}", cmap="gray", vmin=0, vmax=255)
            ax.set_xlabel("the image" if not n else f"{n} pooling{'s' if n > 1 else ''}")
        row[0].set_ylabel(title, fontsize=10)
    return figure


def _window_colours(height, width, k, stride):
    """Every second window grey, for windows that lie side by side."""
    fill = np.ones((height, width, 3))
    for i, j in np.ndindex(height, width):
        if (i // stride + j // stride) % 2 and k == stride:
            fill[i, j] = GREY
    return fill


def smallest(x, y, lit):
    """x with its windows in white and grey and the winners framed, and y."""
    figure, axes = panels(1, 2, width=6.2, height=3.0, width_ratios=(2, 1.2))
    k = len(x) // len(y)
    numbers(axes[0, 0], x, "x: four windows, their largest framed", colors=_window_colours(*x.shape, k, k), lit=lit,
            size=13)
    numbers(axes[0, 1], y, "y: one number a window", colors=_window_colours(*y.shape, 1, 1), size=13)
    return figure


def slices(x, taps, y):
    """The maps that the taps of the window pick out of x, and their maximum; who wins is framed."""
    figure, axes = panels(1, len(taps) + 2, height=2.3, width_ratios=(2, *(1 for _ in taps), 1))
    numbers(axes[0, 0], x, "x", size=11)
    for ax, ((i, j), tap) in zip(axes[0, 1:], taps.items(), strict=False):
        numbers(ax, tap, f"tap ({i}, {j})", lit=tap == y, size=11)
    numbers(axes[0, -1], y, "largest: y", size=11)
    return figure


def rounding(cases):
    """cases [(title, pixels, [(start, stop) of each window])]: strips of pixels, windows as brackets below."""
    figure, axes = panels(len(cases), 1, width=7.5, height=1.4 * len(cases) + 0.2)
    for ax, (title, size, windows) in zip(axes[:, 0], cases, strict=True):
        seen = np.zeros(size, bool)
        for start, stop in windows:
            seen[max(start, 0):stop] = True
        for i in (*range(min(start for start, _ in windows), 0), *range(size, max(stop for _, stop in windows))):
            ax.add_patch(Rectangle((i, 0), 1, 1, fill=False, ec="0.6", ls=":"))  # windows reach where no pixel is
        for i in range(size):
            ax.add_patch(Rectangle((i, 0), 1, 1, fc=GREY if seen[i] else "white", ec="0.4",
                                   hatch=None if seen[i] else "////"))
            ax.text(i + 0.5, 0.5, str(i), ha="center", va="center", fontsize=10,
                    bbox=None if seen[i] else {"fc": "white", "ec": "none", "pad": 1.5})
        for w, (start, stop) in enumerate(windows):
            depth = -0.3 - 0.55 * (w % 2)
            ax.plot((start + 0.1, start + 0.1, stop - 0.1, stop - 0.1), (-0.08, depth, depth, -0.08), color=BLUE,
                    ls="--" if start < 0 or stop > size else "-", lw=2)
            ax.text((start + stop) / 2, depth - 0.08, f"window {w}", fontsize=9.5, va="top", ha="center", color=BLUE,
                    bbox={"fc": "white", "ec": "none", "pad": 0.5})
        ax.set(xlim=(-1.3, 7.7), ylim=(-1.35, 1.1))
        ax.set_title(title, loc="left")
        bare(ax)
    return figure


def routes(cases):
    """cases [(title, dy, dx)]: where the gradient of each window goes."""
    figure, axes = panels(1, 2 * len(cases), height=2.7, width_ratios=(1, 1.7) * len(cases))
    for i, (title, dy, dx) in enumerate(cases):
        numbers(axes[0, 2 * i], dy, "dy", size=12)
        numbers(axes[0, 2 * i + 1], dx, f"dx, {title}", lit=dx != 0, size=12)
    return figure


def twins(images, pooled):
    """Pictures by title, a piece of the last enlarged, and the one map that pooling makes of all of them."""
    k = next(iter(images.values())).shape[0] // pooled.shape[0]
    *_, (name, last) = images.items()
    top, left = 6 * k, 2 * k
    height, width = 4 * k, 5 * k
    piece = last[top:top + height, left:left + width]
    figure, axes = panels(2, 3, height=5.2)
    shown = {**images, f"a piece of \"{name}\", with its cells": piece, "what pooling leaves of each": pooled}
    for ax, (title, image) in zip(axes.flat, shown.items(), strict=True):
        picture(ax, image, title)
    _frame(axes.flat[3], (top, top + height - 1, left, left + width - 1), width=1.6)
    for i in range(k, height, k):
        axes.flat[4].axhline(i - 0.5, color="0.5", lw=0.8)
    for j in range(k, width, k):
        axes.flat[4].axvline(j - 0.5, color="0.5", lw=0.8)
    return figure


def growing(layers, size=16, top=2):
    """How far down the image one cell sees after 1, 2, ... layers. layers [(name, K, S, P)].

    Every cell lies over the pixel that its window is centred on; the numbers below the image count the ways.
    """
    maps, grids = [size], [(1, 0.0)]
    for _, k, stride, pad in layers:
        step, origin = grids[-1]
        maps.append((maps[-1] + 2 * pad - k) // stride + 1)
        grids.append((step * stride, origin + ((k - 1) / 2 - pad) * step))
    centre = grids[-1][1] + top * grids[-1][0]
    columns = -(-len(layers) // 2)  # two rows of drawings
    heights = [columns] * columns + [len(layers)] * columns
    figure, axes = panels(2, columns, height=5.6, height_ratios=(columns + 1.4, len(layers) + 1.4))
    for depth, ax in enumerate(axes.flat, 1):
        step, origin = grids[depth]
        ways = {int(np.floor((centre - origin) / step)): 1}
        _row(ax, depth, maps[depth], grids[depth], ways)
        for level in range(depth, 0, -1):
            _, k, stride, pad = layers[level - 1]
            (step, origin), (step_below, origin_below) = grids[level], grids[level - 1]
            below = {}
            for cell, count in ways.items():
                for tap in range(k):
                    i = stride * cell - pad + tap
                    below[i] = below.get(i, 0) + count
                    ax.plot((origin + step * cell, origin_below + step_below * i), (level, level - 1), color="0.45",
                            lw=1, zorder=1)
            ways = below
            _row(ax, level - 1, maps[level - 1], grids[level - 1], ways)
        for i, count in ways.items():
            ax.text(i, -0.42, str(count), ha="center", va="center", fontsize=9.5)
        ax.text(-1.1, -0.42, "ways", ha="right", va="center", fontsize=9.5)
        ax.set_yticks(range(depth + 1), ["image", *(layer[0] for layer in layers[:depth])])
        ax.set(xlim=(-0.9, size - 0.1), ylim=(-0.75, heights[depth - 1] + 0.3), xticks=[])
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        name = layers[depth - 1][0]
        ax.set_title(f"after {name}: sees {len(ways)} pixels, cells lie {grids[depth][0]} apart")
    return figure


def _row(ax, level, count, grid, lit):
    """The cells of one layer: those that are seen filled, the others as rings."""
    step, origin = grid
    for i in range(count):
        ax.plot(origin + step * i, level, "o", ms=7, mec=BLUE if i in lit else "0.6", mew=1.2,
                mfc=BLUE if i in lit else "white", zorder=3)


def _frame(ax, box, style="-", color=RED, width=2.2):
    """box (top, bottom, left, right), both ends included."""
    top, bottom, left, right = box
    for edge, lw in (("white", width + 1.8), (color, width)):
        ax.add_patch(Rectangle((left - 0.5, top - 0.5), right - left + 1, bottom - top + 1, fill=False, ec=edge, lw=lw,
                               ls=style if edge != "white" else "-"))


def seen(cases, framed="the computed field"):
    """cases [(title, image, sensitivity (H,W), box)]: pixels that move a cell, the more the brighter, and a frame."""
    widths = [case[1].shape[1] / case[1].shape[0] for case in cases]
    width = max(2.2 * sum(widths) + 0.5, 5.2)
    figure, axes = panels(1, len(cases), width=width, height=3.4, width_ratios=widths)
    for ax, (title, image, heat, box) in zip(axes[0], cases, strict=True):
        dim = image.mean(axis=2) * 0.45
        picture(ax, dim, title, cmap="gray", vmin=0, vmax=255)
        relative = np.where(heat > 0, (heat / heat.max()) ** 0.5, np.nan)
        shown = ax.imshow(relative, cmap="cividis", vmin=0, vmax=1, alpha=0.85)
        _frame(ax, box)
    shrink = 0.5 if len(cases) > 1 else 1
    bar = figure.colorbar(shown, ax=axes[0].tolist(), orientation="horizontal", shrink=shrink, aspect=40, pad=0.04,
                          ticks=[0, 0.5, 1])
    bar.ax.set_xticklabels(["0", "1/4", "1"])
    bar.set_label(f"gradient, as a part of the largest (framed: {framed})")
    return figure


def bell(cases):
    """cases [(title, {label: profile along the field})]: each profile in parts of its sum."""
    figure, axes = panels(1, len(cases), height=3.3)
    for ax, (title, profiles) in zip(axes[0], cases, strict=True):
        styles = zip(LINES, (BLACK, BLUE, ORANGE), (1.6, 2.2, 2.2), strict=False)
        for (ls, color, lw), (label, profile) in zip(styles, profiles.items(), strict=False):
            profile = np.asarray(profile, float)
            ax.plot(np.arange(len(profile)) - (len(profile) - 1) / 2, 100 * profile / profile.sum(), ls=ls, color=color,
                    lw=lw, label=label)
        ax.set(title=title, xlabel="pixels from the middle of the cell")
        ax.set_ylim(bottom=0)
    axes[0, 0].set_ylabel("share of the gradient, % a row")
    figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, frameon=False)
    return figure


def what_is_it(rows, sides):
    """rows [(name, image, row, column)]: patches of growing side round one spot, the spot itself in the middle."""
    figure, axes = panels(1, len(rows) * len(sides), width=2.25 * len(rows) * len(sides), height=2.5)
    for n, (name, image, i, j) in enumerate(rows):
        for ax, side in zip(axes[0, n * len(sides):], sides, strict=False):
            patch = np.full((side, side, 3), 255, np.uint8)
            top, left = i - side // 2, j - side // 2
            a, b = max(top, 0), max(left, 0)
            part = image[a:top + side, b:left + side]
            patch[a - top:a - top + part.shape[0], b - left:b - left + part.shape[1]] = part
            picture(ax, patch, f"{name}: {side} x {side} pixels")
    return figure

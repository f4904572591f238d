"""Drawings of lesson 01: three tasks on one scene, a matrix row folded to a kernel, maps of answers over a scene."""
import numpy as np
from matplotlib.patches import Rectangle

from lessons.draw import BLUE, ORANGE, RED, YELLOW, legend, numbers, panels, picture
from minifcn.overlay import flat, overlay

WHITE_EDGE = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 1.5}


def tasks(image, labels, classes, colors, several):
    """The same scene three times: names beneath it, boxes, the class of every pixel.

    A box is drawn around all pixels of a class, or around each of its regions for the classes named in `several`.
    """
    figure, ((name, box, mask),) = panels(1, 3, 9, 3.3)
    there = [k for k in np.unique(labels) if 0 < k < len(classes)]
    picture(name, image, "naming")
    name.set_xlabel(", ".join(classes[k] for k in there))
    picture(box, image, "boxing")
    for k in there:
        around = boxes(labels == k) if classes[k] in several else [ends(np.argwhere(labels == k))]
        for number, (top, left, bottom, right) in enumerate(around):
            for width, color in ((3.5, "white"), (1.8, np.array(colors[k]) / 255)):
                box.add_patch(Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, lw=width,
                                        ec=color))
            at = (bottom + 1, "top") if number % 2 else (top - 2, "bottom")  # neighbours' names would overlap
            box.text(left, at[0], classes[k], fontsize=9, va=at[1], bbox=WHITE_EDGE)
    picture(mask, overlay(image, labels, colors, alpha=0.85), "segmenting")
    legend(figure, classes, colors, there)
    return figure


def ends(pixels):
    """(top, left, bottom, right) of pixels (n,2), ends one past the last."""
    return *np.min(pixels, axis=0), *(np.max(pixels, axis=0) + 1)


def boxes(mask, least=60):
    """The ends of every connected region of at least `least` pixels."""
    left, found = {(int(i), int(j)) for i, j in np.argwhere(mask)}, []
    while left:
        region, edge = set(), [left.pop()]
        while edge:
            i, j = pixel = edge.pop()
            region.add(pixel)
            near = {(i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)} & left
            left -= near
            edge += near
        if len(region) >= least:
            found.append(ends(list(region)))
    return sorted(found)


def crops(image, middles, pieces, probabilities, classes, side):
    """A scene with square crops framed in it, the crops, and beneath each what a classifier says of it."""
    figure, axes = panels(2, 1 + len(middles), 9, 4.3, width_ratios=(1.67,) + (1,) * len(middles))
    scene = picture(axes[0, 0], image, "the scene").axes
    axes[1, 0].set_visible(False)
    for number, ((row, column), piece, p) in enumerate(zip(middles, pieces, probabilities, strict=True), 1):
        style = ("-", "--", ":")[number - 1]
        scene.add_patch(Rectangle((column - side // 2, row - side // 2), side, side, fill=False, lw=2, ec="white",
                                  ls=style))
        scene.text(column, row, str(number), fontsize=10, ha="center", va="center", bbox=WHITE_EDGE)
        picture(axes[0, number], piece, f"crop {number}")
        axes[0, number].plot(side // 2, side // 2, "+", color="white", ms=11, mew=4)
        axes[0, number].plot(side // 2, side // 2, "+", color="black", ms=9, mew=1.5)
        bars = axes[1, number]
        bars.barh(range(len(classes)), p, color=[RED if k == p.argmax() else "0.7" for k in range(len(classes))])
        bars.text(p.max() - 0.03, p.argmax(), f"{p.max():.2f}", ha="right", va="center", fontsize=9, color="black")
        bars.set_yticks(range(len(classes)), classes if number == 1 else [""] * len(classes))
        bars.set(xlim=(0, 1), xticks=(0, 0.5, 1), xlabel="probability")
        bars.invert_yaxis()
    scene.set(xlim=(-0.5, image.shape[1] - 0.5), ylim=(image.shape[0] - 0.5, -0.5))
    return figure


def folding(w, x, y, place):
    """A row of the matrix, the same row folded to a kernel w, where that lies on a map x, and the map of answers y."""
    figure, axes = panels(1, 4, 9, 2.5, width_ratios=(4, 2, 4, 3))
    figure.get_layout_engine().set(wspace=0.14)
    row, kernel, plane, answers = axes[0]
    k = len(w)
    numbers(row, w.reshape(1, -1), "one row of W")
    numbers(kernel, w, f"folded: {k} x {k}")
    u, v = place
    lit = np.zeros(x.shape, bool)
    lit[u:u + k, v:v + k] = True
    shade = np.where(lit[..., None], (1.0, 0.87, 0.6), 1.0)
    numbers(plane, x, f"a {x.shape[0]} x {x.shape[1]} map, place ({u}, {v})", colors=shade)
    lit = np.zeros(y.shape, bool)
    lit[u, v] = True
    numbers(answers, y, "a map of answers", lit=lit, form="{:g}")
    for a, b in ((row, kernel), (kernel, plane), (plane, answers)):
        a.annotate("", (0, 0.5), (1, 0.5), xycoords=b.transAxes, textcoords=a.transAxes,
                   arrowprops={"arrowstyle": "->", "color": "0.3", "lw": 1.5, "shrinkA": 4, "shrinkB": 4})
    return figure


def agreement(image, difference, same):
    """How far the turned net and the classifier on crops lie apart, cell by cell, over the scene."""
    figure, ((seen, apart),) = panels(1, 2, 9, 3.5)
    height, width = image.shape[:2]
    over = (-0.5, width - 0.5, height - 0.5, -0.5)
    picture(seen, image, "the scene, a line every 32 pixels")
    rows, columns = difference.shape
    lines(seen, rows, columns, over, "white")
    shown = picture(apart, difference, "largest difference of a score, cell by cell", extent=over, vmin=0,
                    cmap="cividis")
    for i, j in np.ndindex(difference.shape):
        x, y = (j + 0.5) * width / columns - 0.5, (i + 0.5) * height / rows - 0.5
        dark = difference[i, j] < 0.55 * difference.max()
        apart.text(x, y, f"{difference[i, j]:.1f}" + ("" if same[i, j] else "\nother name"), ha="center", va="center",
                   fontsize=9, color="white" if dark else "black")
    figure.colorbar(shown, ax=apart, shrink=0.85, label="difference")
    return figure


def heat(image, probabilities, classes, colors):
    """The probability of each class in every cell of the map, over the scene; and the likeliest name of each cell."""
    figure, axes = panels(2, 4, 9, 4.5)
    height, width = image.shape[:2]
    rows, columns = probabilities.shape[1:]
    dark = np.repeat(0.6 * image.mean(axis=2, keepdims=True) / 255, 3, axis=2)
    over = (-0.5, width - 0.5, height - 0.5, -0.5)
    for panel, name, p in zip(axes.flat, classes, probabilities, strict=False):
        picture(panel, dark, name)
        panel.imshow(np.broadcast_to(YELLOW, (*p.shape, 3)), extent=over, alpha=0.8 * p, interpolation="nearest")
        for i, j in np.argwhere(p >= 0.05):
            panel.text((j + 0.5) * width / columns - 0.5, (i + 0.5) * height / rows - 0.5, f"{p[i, j]:.1f}",
                       ha="center", va="center", fontsize=9, color="white" if p[i, j] < 0.5 else "black")
        panel.set(xlim=over[:2], ylim=over[2:])
    panel = axes.flat[len(classes)]
    picture(panel, flat(probabilities.argmax(axis=0), colors), "the likeliest", extent=over)
    lines(panel, rows, columns, over, "0.4")
    legend(figure, classes, colors, np.unique(probabilities.argmax(axis=0)))
    return figure


def lines(axes, rows, columns, over, color):
    """The borders between cells, over an image with these ends."""
    left, right, bottom, top = over
    for i in range(1, rows):
        axes.axhline(top + i * (bottom - top) / rows, color=color, lw=1)
    for j in range(1, columns):
        axes.axvline(left + j * (right - left) / columns, color=color, lw=1)


def halvings(image, steps):
    """The scene as a map of each step could paint it at best: one colour a cell."""
    figure, axes = panels(2, 3, 9, 5.2)
    for panel, step in zip(axes.flat, steps, strict=True):
        rows, columns = image.shape[0] // step, image.shape[1] // step
        mean = image.reshape(rows, step, columns, step, 3).mean(axis=(1, 3)) / 255
        title = "the image" if step == 1 else f"after pool{int(np.log2(step))}"
        picture(panel, mean, f"{title}: {rows} x {columns} cells, step {step}")
    return figure


def stitching(image, truth, maps, colors, classes):
    """Names at several steps beside the scene and its truth."""
    figure, axes = panels(2, 3, 9, 5.2) if maps.keys() - {32, 16} else panels(1, 4, 9, 2.7)
    height, width = truth.shape
    over = (-0.5, width - 0.5, height - 0.5, -0.5)
    picture(axes[0, 0], image, "the scene")
    picture(axes[0, 1], flat(truth, colors), "the truth")
    left, there = list(axes.flat[2:]), np.unique(truth)
    for step, (names, share) in maps.items():
        panel, runs, there = left.pop(0), (32 // step) ** 2, np.union1d(there, names)
        picture(panel, flat(names, colors), f"step {step}: {runs} run{'s' * (runs > 1)}, {100 * share:.0f} % right",
                extent=over)
        if step >= 16:
            lines(panel, *names.shape, over, "0.4")
    for panel in left:
        panel.set_visible(False)
    legend(figure, classes, colors, there[there < len(classes)])
    return figure


def work(layers, crops, once):
    """Multiplications layer by layer: twenty crops against one run."""
    figure, ((axes,),) = panels(1, 1, 9, 3.3)
    at = np.arange(len(layers))
    for shift, values, color, hatch, label in ((-0.21, crops, ORANGE, "//", "20 crops, one by one"),
                                               (0.21, once, BLUE, "", "one run over the scene")):
        bars = axes.bar(at + shift, values, 0.42, color=color, label=label, hatch=hatch, edgecolor="black", lw=0.6)
        axes.bar_label(bars, [f"{v:.0f}" if v >= 10 else f"{v:.1f}" if v >= 0.1 else f"{v:.2f}"[1:] for v in values],
                       fontsize=9, padding=1)
    axes.set_xticks(at, layers)
    axes.margins(y=0.08)
    axes.set(ylabel="million multiplications")
    axes.legend(frameon=False, loc="upper right")
    return figure

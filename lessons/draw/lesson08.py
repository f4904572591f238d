"""The drawings of lesson 08."""
import numpy as np
from matplotlib.patches import FancyBboxPatch, Rectangle

from lessons import draw
from minifcn.overlay import flat, lit


def opening(image, truth, predicted, classes, colors, zoom):
    """Image, truth and predictions {title: labels} with errors lit, in whole and zoomed on rows and columns."""
    figure, axes = draw.panels(2, 2 + len(predicted), height=4.15)
    rows, columns = zoom
    pictures = {"image": image, "truth": flat(truth, colors)}
    pictures |= {title: lit(labels, truth, colors) for title, labels in predicted.items()}
    for (title, picture), whole, part in zip(pictures.items(), *axes, strict=True):
        draw.picture(whole, picture, title)
        whole.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5), columns.stop - columns.start,
                                  rows.stop - rows.start, fill=False, ec="white", lw=1.5, ls="--"))
        draw.picture(part, picture[rows, columns])
    axes[1, 0].set_xlabel("the dashed part", fontsize=10)
    draw.legend(figure, classes, colors, sorted(set(np.unique(truth)) - {255}))
    return figure


def graph(sizes):
    """FCN-8s: down the body on the left, up the scores on the right; sizes {name: (channels, height, width)}."""
    figure, axes = draw.panels(1, 1, height=6.4)
    axes = axes[0, 0]
    axes.set(xlim=(0, 9), ylim=(0.15, 6.45))
    draw.bare(axes)
    level = {"image": 5.9, "pool3": 4.2, "pool4": 2.5, "drop7": 0.8}

    def box(x, y, title, name, fill, width=1.75, height=0.78, hatch=None):
        axes.add_patch(FancyBboxPatch((x - width / 2, y - height / 2), width, height, boxstyle="round,pad=0.04",
                                      fc=fill, ec="0.2", lw=1.2))
        c, high, wide = sizes[name]
        axes.text(x, y + 0.17, title, ha="center", va="center", fontsize=11, weight="bold")
        axes.text(x, y - 0.18, f"{c} x {high} x {wide}", ha="center", va="center", fontsize=10)

    def arrow(a, b, text="", side=0.12, style="-", at=0.5):
        axes.annotate("", b, a, arrowprops={"arrowstyle": "-|>", "lw": 1.6, "color": "0.15", "ls": style})
        if text:
            x, y = a[0] + at * (b[0] - a[0]), a[1] + at * (b[1] - a[1])
            axes.text(x + side, y, text, ha="left" if side > 0 else "right", va="center", fontsize=10)

    body, score, fused, sky = 1.55, 4.3, 7.0, (0.86, 0.93, 0.98)
    for name, title in (("image", "image"), ("pool3", "pool3"), ("pool4", "pool4"), ("drop7", "fc7")):
        box(body, level[name], title, name, "0.93")
    for a, b, text in (("image", "pool3", "conv1_1 … pool3"), ("pool3", "pool4", "conv4_1 … pool4"),
                       ("pool4", "drop7", "conv5_1, …, pool5,\nfc6, fc7")):
        arrow((body, level[a] - 0.45), (body, level[b] + 0.45), text)
    for tap, name in (("pool3", "score_pool3"), ("pool4", "score_pool4"), ("drop7", "score_fr")):
        arrow((body + 0.94, level[tap]), (score - 0.94, level[tap]))
        box(score, level[tap], name, name, sky)
    for tap in ("pool3", "pool4"):
        axes.add_patch(FancyBboxPatch((fused - 0.2, level[tap] - 0.2), 0.4, 0.4, boxstyle="circle,pad=0.05",
                                      fc="white", ec="0.2", lw=1.4))
        axes.text(fused, level[tap] - 0.02, "+", ha="center", va="center", fontsize=17)
        arrow((score + 0.94, level[tap]), (fused - 0.3, level[tap]))
    axes.plot((score + 0.94, fused), (level["drop7"],) * 2, color="0.15", lw=1.6)
    for a, b, text in (("drop7", "pool4", "upscore2\ntwice as large"),
                       ("pool4", "pool3", "upscore_pool4\ntwice as large"),
                       ("pool3", "image", "upscore8\n8 times as large")):
        start = level[a] + (0.3 if a != "drop7" else 0)
        stop = level[b] - (0.3 if b != "image" else 0.45)
        arrow((fused, start), (fused, stop), text, at=0.46)
    box(fused, level["image"], "scores", "scores", sky)
    for tap, text in (("image", "step 1"), ("pool3", "step 8"), ("pool4", "step 16"), ("drop7", "step 32")):
        axes.text(0.05, level[tap], text.replace(" ", "\n"), ha="left", va="center", fontsize=10, style="italic")
    return figure


def small_case(coarse, up, fine, total):
    """Four matrices of the case by hand; what is above 0 is filled."""
    figure, axes = draw.panels(1, 4, height=2.6)
    for place, (title, a) in zip(axes[0], {"coarse": coarse, "coarse, twice as large": up, "fine": fine,
                                           "their sum": total}.items(), strict=True):
        fill = np.where((a > 0)[..., None], draw.YELLOW, (1.0, 1.0, 1.0))
        draw.numbers(place, a, title, colors=fill, size=12)
    return figure


def training(image, named, truth, colors):
    """A scene, and what is made of it {title: labels}, errors lit."""
    figure, axes = draw.panels(1, 1 + len(named), height=2.75)
    draw.picture(axes[0, 0], image, "the scene")
    for place, (title, labels) in zip(axes[0, 1:], named.items(), strict=True):
        draw.picture(place, lit(labels, truth, colors), title)
    return figure


def branches(there, own, sums):
    """Signed maps of one class: above each branch's own {name: map}, below the sums so far {name: map}.

    there (H,W): where the class is.
    """
    figure, axes = draw.panels(2, 4, height=3.9)
    top = max(np.abs(a).max() for a in (*own.values(), *sums.values()))
    signed = {"cmap": "PuOr_r", "vmin": -top, "vmax": top}
    for place, (name, a) in zip(axes[0], own.items(), strict=False):
        draw.picture(place, a, name, **signed)
    draw.picture(axes[0, 3], there, "truth", cmap="gray", vmin=0, vmax=1)
    draw.bare(axes[1, 0])
    axes[1, 0].text(0.5, 0.5, "the sum so far:", ha="center", va="center", fontsize=11, transform=axes[1, 0].transAxes)
    for place, (name, a) in zip(axes[1, 1:], sums.items(), strict=True):
        shown = draw.picture(place, a, name, **signed)
    bar = figure.colorbar(shown, ax=axes, shrink=0.9, pad=0.01)
    bar.set_label("score of person\n(orange: for it)")
    return figure


def switched(image, maps, classes, colors):
    """An image and label maps {title: labels}, two rows."""
    figure, axes = draw.panels(2, (len(maps) + 2) // 2, height=4.7)
    places = iter(axes.flat)
    draw.picture(next(places), image, "image")
    for title, labels in maps.items():
        draw.labels(next(places), labels, colors, title)
    draw.legend(figure, classes, colors)
    return figure


def members(measured, parts):
    """Bars of mean IU: {how they were trained: values of `parts`}."""
    figure, axes = draw.panels(1, 1, width=8, height=3.3)
    axes, at = axes[0, 0], np.arange(len(parts))
    for k, ((name, values), fill, hatch) in enumerate(zip(measured.items(), (draw.YELLOW, draw.SKY, draw.BLUE),
                                                          ("//", "..", None), strict=True)):
        heights = [100 * value for value in values]
        bars = axes.bar(at + 0.27 * (k - 1), heights, 0.25, color=fill, edgecolor="0.2", hatch=hatch, label=name)
        axes.bar_label(bars, [f"{h:.0f}" for h in heights], fontsize=10)
    axes.set_xticks(at, parts)
    axes.set(ylabel="mean IU, per cent", ylim=(0, 112), yticks=range(0, 101, 20))
    axes.legend(frameon=False, loc="upper left", ncols=3)
    return figure


def ruler(side, pad, cells, origin, step, up, offset):
    """The axes of FCN-32s on VGG below one another, in pixels of the image: image, padded, cells, upsampled, crop."""
    figure, axes = draw.panels(1, 1, height=4.4)
    axes = axes[0, 0]
    axes.set(xlim=(-pad - 6, side + pad + 6), ylim=(0.1, 4.55), xlabel="pixels of the image")
    names = (f"image\n0 to {side - 1}", f"padded by {pad}\n−{pad} to {side + pad - 1}",
             f"score_fr\n{cells} cells, {step} apart", f"upscore\n−{offset} to {up - offset - 1}")
    bars = ((0, side, "0.85", None), (-pad, side + pad, "white", ".."),
            (origin - step / 2 + 0.5, origin + (cells - 0.5) * step + 0.5, (0.86, 0.93, 0.98), None),
            (-offset, up - offset, (0.99, 0.9, 0.72), None))
    for y, (start, stop, fill, hatch) in zip((4, 3, 2, 1), bars, strict=True):
        axes.add_patch(Rectangle((start - 0.5, y - 0.28), stop - start, 0.56, fc=fill, ec="0.2", lw=1.2, hatch=hatch))
    axes.add_patch(Rectangle((-0.5, 2.72), side, 0.56, fc="0.85", ec="0.2"))
    for i in range(cells):
        x = origin + step * i
        axes.plot((x - step / 2,) * 2, (1.72, 2.28), color="0.2", lw=1.2)
        axes.plot(x, 1.85, "o", color=draw.BLUE, ms=5)
        axes.text(x, 2.09, f"{x:g}", ha="center", va="center", fontsize=10)
    for a, b, align in ((-offset - 0.5, -0.5, "right"), (side - 0.5, up - offset - 0.5, "left")):
        axes.annotate("", (b, 0.58), (a, 0.58), arrowprops={"arrowstyle": "<|-|>", "color": "0.15", "lw": 1.3,
                                                           "shrinkA": 0, "shrinkB": 0})
        axes.text(b - 3 if align == "right" else a + 3, 0.46, f"{b - a:g} cut off", ha=align, va="top", fontsize=10)
        axes.plot((b if align == "right" else a,) * 2, (0.3, 4.4), "--", color=draw.RED, lw=1.6)
    _name_rows(axes, (4, 3, 2, 1), names)
    return figure


def skip_ruler(rows, crops):
    """Where maps begin: rows (text, origin, step, fill), drawn in pairs; crops [(row, of, cells)] are cut off there."""
    figure, axes = draw.panels(1, 1, height=3.9)
    axes = axes[0, 0]
    axes.set(xlim=(-104, 58), ylim=(0.05, len(rows) + 0.45), xlabel="pixels of the image")
    for k, (_, origin, step, fill) in enumerate(rows):
        y = len(rows) - k
        start = origin - step / 2
        for i in range(int((62 - start) // step) + 1):
            axes.add_patch(Rectangle((start + step * i, y - 0.25), step, 0.5, fc=fill, ec="0.35", lw=0.8, zorder=1))
            axes.plot(origin + step * i, y, "o", color=draw.BLUE, ms=3.5)
        for _, of, cells in (crop for crop in crops if crop[0] == k):
            for i in range(cells):
                axes.text(origin + step * i, y - 0.31, f"{i + 1}", ha="center", va="top", fontsize=9)
            x = rows[of][1] - rows[of][2] / 2
            axes.plot((x, x), (y - 0.42, y + 1.35), "--", color=draw.RED, lw=1.8, zorder=3)
    axes.axvline(-0.5, color="0.3", lw=1.4, ls=":", zorder=0)  # behind the cells: some have their dots there
    axes.text(0.8, 0.32, "the image begins here", ha="left", va="center", fontsize=10)
    _name_rows(axes, range(len(rows), 0, -1), [text for text, *_ in rows])
    return figure


def _name_rows(axes, at, names):
    """Names left of the axes, where no line crosses them."""
    axes.set_yticks(list(at), names, fontsize=10)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)


def coverage(side, rows):
    """Which pixels of the image have a score: rows (padding, first, last + 1)."""
    figure, axes = draw.panels(1, 1, height=2.9)
    axes = axes[0, 0]
    at, names = range(len(rows), 0, -1), []
    for y, (pad, first, stop) in zip(at, rows, strict=True):
        axes.add_patch(Rectangle((-0.5, y - 0.32), side, 0.64, fc="0.85", ec="0.2"))
        axes.add_patch(Rectangle((first - 0.5, y - 0.19), stop - first, 0.38, fc=(0.99, 0.9, 0.72), ec="0.2",
                                 hatch="//"))
        names.append(f"P = {pad}\n{side - (min(stop, side) - max(first, 0))} without score")
    low, high = min(first for _, first, _ in rows), max(stop for *_, stop in rows)
    axes.set(xlim=(low - 8, high + 8), ylim=(0.5, len(rows) + 0.5), xlabel="pixels of the image")
    _name_rows(axes, at, names)
    return figure


def cost(shifts, curves, marked):
    """Mean IU against the error of the crop: curves {net: values}; some shifts are marked with a number."""
    figure, axes = draw.panels(1, 1, width=7.5, height=3.4)
    axes = axes[0, 0]
    for (name, values), style, color, marker in zip(curves.items(), draw.LINES, (draw.BLACK, draw.ORANGE), "os",
                                                    strict=False):
        axes.plot(shifts, [100 * v for v in values], style, color=color, marker=marker, ms=5, lw=1.8, label=name)
        for x, value in zip(shifts, values, strict=True):
            if x in marked:
                above = 9 if value == max(c[shifts.index(x)] for c in curves.values()) else -15
                axes.annotate(f"{100 * value:.0f}", (x, 100 * value), (0, above), textcoords="offset points",
                              ha="center", fontsize=10)
    axes.set(xlabel="pixels by which the scores lie too far up and to the left", ylabel="mean IU, per cent",
             ylim=(0, 100), xticks=shifts)
    axes.grid(axis="y", color="0.9")
    axes.legend(frameon=False)
    return figure

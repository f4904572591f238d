"""Drawings of lesson 02: kernels on grids of numbered cells, the column matrix, a kernel sliding over both.

One drawing area a frame, in units of cells, y downwards. What a window sees is orange with a solid frame, what a tap
sees is blue with a dashed one, padding is grey, what is not there yet is empty.
"""
import numpy as np
from matplotlib.patches import Rectangle

from lessons import draw
from minifcn.ops.im2col import conv_size, im2col, taps

PATCH = {"fill": (1.0, 0.86, 0.6), "edge": (0.72, 0.32, 0.0), "style": "-"}
TAP = {"fill": (0.75, 0.89, 0.98), "edge": draw.BLUE, "style": "--"}
GREY = (0.88, 0.88, 0.88)


def _area(axes, width, height):
    axes.set(xlim=(-0.15, width + 0.15), ylim=(height + 0.15, -0.15), aspect="equal")
    draw.bare(axes)


def _grid(axes, left, top, texts, *, size=9, fill=None):
    """Cells with texts (rows of strings); fill {(row, column): colour}."""
    for row, line in enumerate(texts):
        for column, text in enumerate(line):
            axes.add_patch(Rectangle((left + column, top + row), 1, 1, ec="0.6", lw=0.8,
                                     fc=(fill or {}).get((row, column), "white")))
            axes.text(left + column + 0.5, top + row + 0.53, text, ha="center", va="center", fontsize=size)


def _frame(axes, left, top, width, height, look, lw=2.4):
    axes.add_patch(Rectangle((left, top), width, height, fill=False, ec=look["edge"], ls=look["style"], lw=lw,
                             zorder=4))


def _room(figure):
    """Space above the titles, which else touch the figure's edge."""
    figure.get_layout_engine().set(h_pad=0.09)
    return figure


def _cells(rows, columns, look):
    return {(row, column): look["fill"] for row in rows for column in columns}


def kernel_at_work(image, maps):
    """A scene, and two maps of signed responses beside it, the second first; white where nearly nothing comes out."""
    figure, axes = draw.panels(1, 3, height=2.7)
    draw.picture(axes[0, 0], image, "the scene")
    limit = 0.8 * np.abs(maps).max()
    for ax, values, title in zip(axes[0, 1:], maps[::-1], "AB", strict=True):
        draw.picture(ax, values, f"map {title}", cmap="PuOr_r", vmin=-limit, vmax=limit)
    return _room(figure)


def on_paper(x, w):
    """A 2 x 2 kernel and its four places on a 3 x 3 input, with their sums; the last one's is left open."""
    figure, axes = draw.panels(1, 1, height=2.25)
    ax = axes[0, 0]
    _area(ax, 26.4, 5.9)
    ax.text(1.2, 0.5, "kernel", ha="center", fontsize=10)
    _grid(ax, 0.2, 1.5, [[f"{number:g}" for number in row] for row in w], size=11)
    for number, (u, v) in enumerate(np.ndindex(2, 2)):
        left = 4.2 + 5.8 * number
        _grid(ax, left, 1, [[f"{number:g}" for number in row] for row in x], size=11,
              fill=_cells((u, u + 1), (v, v + 1), PATCH))
        _frame(ax, left + v, 1 + u, 2, 2, PATCH)
        patch = x[u:u + 2, v:v + 2]
        terms = " + ".join(f"{a:g}·{b:g}" for a, b in zip(w.ravel(), patch.ravel(), strict=True))
        result = "?" if (u, v) == (1, 1) else f"{np.sum(w * patch):g}"
        for text, y in ((f"place u = {u}, v = {v}", 0.5), (terms, 4.7), (f"= {result}", 5.6)):
            ax.text(left + 1.5, y, text, ha="center", fontsize=10)
    return figure


def rulers(cases):
    """One side of an image a case: its pixels, its padding, and the first places of the kernel below it.

    cases: (title, size, k, stride, pad, dilation, how many places are drawn)
    """
    depths = [2.2 + 0.65 * drawn for *_, drawn in cases]
    widest = max(size + 2 * pad for _, size, _, _, pad, _, _ in cases)
    figure, axes = draw.panels(1, 1, width=6.5, height=6.5 * sum(depths) / (widest + 5.4))
    ax = axes[0, 0]
    ax.set(xlim=(-5, widest + 0.4), ylim=(sum(depths) - 0.8, -0.2), aspect="equal")
    draw.bare(ax)
    for number, (title, size, k, stride, pad, dilation, drawn) in enumerate(cases):
        top = sum(depths[:number])
        ax.text(-5, top + 0.55, title, va="center", fontsize=10)
        line = [""] * pad + [str(pixel) for pixel in range(size)] + [""] * pad
        grey = {(0, column): GREY for column, text in enumerate(line) if not text}
        _grid(ax, 0, top, [line], size=10, fill=grey)
        for u in range(drawn):
            start, y = stride * u, top + 1.45 + 0.65 * u
            ax.plot((start + 0.5, start + dilation * (k - 1) + 0.5), (y, y), color=PATCH["edge"], lw=2)
            ax.plot([start + dilation * i + 0.5 for i in range(k)], [y] * k, "o", color=PATCH["edge"], ms=6)
            ax.text(-0.3, y, f"place {u}", ha="right", va="center", fontsize=9)
    return figure


def _image(axes, left, top, x, *, title="", fill=None, size=9):
    texts = [[f"{number:g}" for number in row] for row in x]
    _grid(axes, left, top, texts, fill=fill, size=size)
    axes.text(left, top - 0.25, title, fontsize=9, va="bottom")


def columns_unnamed(x, k, place, named_rows=4, named_columns=3):
    """Both channels of x with one window lit, its column in im2col(x) lit, and names for the first rows and columns."""
    _, c, height, width = x.shape
    u, v = conv_size(height, k), conv_size(width, k)
    figure, axes = draw.panels(1, 1, height=4.7)
    ax = axes[0, 0]
    _area(ax, 20, c * k * k + 2.3)
    window = _cells(range(place[0], place[0] + k), range(place[1], place[1] + k), PATCH)
    for channel in range(c):
        top = 2.2 + channel * (height + 1.5)
        _image(ax, 0, top, x[0, channel], title=f"x, channel c = {channel}", fill=window, size=10)
        _frame(ax, place[1], top + place[0], k, k, PATCH)
    left, top = 11.5, 2.2
    cols = im2col(x, k, 1, 0)[0]
    column = place[0] * v + place[1]
    _grid(ax, left, top, [[f"{number:g}" for number in row] for row in cols], size=10,
          fill=_cells(range(c * k * k), [column], PATCH))
    _frame(ax, left + column, top, 1, c * k * k, PATCH)
    for row, (channel, i, j) in enumerate(np.ndindex(c, k, k)):
        known = row < named_rows
        ax.text(left - 0.3, top + row + 0.53, f"tap c={channel}, i={i}, j={j}" if known else "tap ?", ha="right",
                va="center", fontsize=9)
        ax.text(left + u * v + 0.3, top + row + 0.53, f"row {row}", va="center", fontsize=9, color="0.35")
    for col, (a, b) in enumerate(np.ndindex(u, v)):
        ax.text(left + col + 0.5, top - 0.2, f"{a},{b}" if col < named_columns else "?", ha="center", va="bottom",
                fontsize=9)
    ax.text(left - 0.3, top - 0.2, "place u,v:", ha="right", va="bottom", fontsize=9)
    ax.text(left, top - 1.2, "the column matrix X", va="bottom", fontsize=10.5)
    return figure


def tap_meets(height, width, k, stride, pad, chosen):
    """The padded image once a tap (i, j, whether it is lit): the pixels that this tap meets at all places."""
    figure, axes = draw.panels(1, len(chosen), height=3.1)
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    slices = {(i, j): (rows, columns) for i, j, rows, columns in taps(k, stride, 1, u, v)}
    down, across = height + 2 * pad, width + 2 * pad
    inside = {(row, column) for row in range(pad, pad + height) for column in range(pad, pad + width)}
    for ax, (i, j, given) in zip(axes[0], chosen, strict=True):
        _area(ax, across + 0.9, down + 0.9)
        fill = {cell: GREY for cell in np.ndindex(down, across) if cell not in inside}
        if given:
            rows, columns = slices[i, j]
            met = _cells(range(down)[rows], range(across)[columns], TAP)
            fill |= met
            for row, column in met:
                _frame(ax, column + 0.95, row + 0.95, 0.9, 0.9, TAP, lw=1.8)
        _grid(ax, 0.9, 0.9, [[""] * across] * down, fill=fill)
        for row in range(down):
            ax.text(0.7, row + 1.43, row, ha="right", va="center", fontsize=9)
        for column in range(across):
            ax.text(column + 1.4, 0.75, column, ha="center", va="bottom", fontsize=9)
        ax.set_title(f"tap i = {i}, j = {j}" + ("" if given else ": yours to mark"))
    return _room(figure)


def appearances(height, width, k):
    """How often every pixel stands in the column matrix, stride 1, without padding and with 1.

    With padding the corners and the pixels that all taps meet are left to the reader.
    """
    figure, axes = draw.panels(1, 2, height=2.6)
    names = np.arange(1, height * width + 1).reshape(1, 1, height, width)
    for ax, pad in zip(axes[0], (0, 1), strict=True):
        count = np.bincount(im2col(names, k, 1, pad).ravel(), minlength=names.size + 1)[1:].reshape(height, width)
        hidden = (pad > 0) & ((count == count[0, 0]) | (count == k**2))
        share = np.where(hidden, 0, count / k**2)[..., None]
        draw.numbers(ax, np.where(hidden, "?", count.astype(str)), f"{k} x {k}, padding {pad}", form="{}",
                     colors=1 - share * (1 - np.array(PATCH["fill"])))
    return _room(figure)


def sliding(x, w, frames, blank):
    """The kernel slides over the image, and over the column matrix: W beside X gives Y, frame by frame.

    x (1,C,H,W), w (F,C,K,K). A frame is ("place", u, v, f): columns up to this place are there, and Y[f] at it is
    being made; or ("tap", c, i, j): all is there, and one row is lit. blank (f, u, v) is left to the reader.
    """
    (_, c, height, width), (f, _, k, _) = x.shape, w.shape
    u_all, v_all = conv_size(height, k), conv_size(width, k)
    cols = im2col(x, k, 1, 0)[0]
    filters = w.reshape(f, -1)
    y = filters @ cols
    hidden = blank[0], blank[1] * v_all + blank[2]
    deep, places = cols.shape
    x_left, top = deep + 3.2, 1.6
    y_top = top + deep + 1.2
    figure, axes = draw.panels(len(frames) // 2, 2, height=3.85 * len(frames) / 2)
    for number, (ax, (kind, *where)) in enumerate(zip(axes.flat, frames, strict=True)):
        _area(ax, x_left + places, y_top + f + 0.5)
        if kind == "place":
            u, v, shown = where
            here = u * v_all + v
            seen = [_cells(range(u, u + k), range(v, v + k), PATCH)] * c
            fill_x, fill_w = _cells(range(deep), [here], PATCH), _cells([shown], range(deep), PATCH)
            fill_y, look = _cells([shown], [here], PATCH), PATCH
            title = f"place u = {u}, v = {v}, filter f = {shown}"
        else:
            channel, i, j = where
            row = (channel * k + i) * k + j
            here = places
            met = _cells(range(i, i + u_all), range(j, j + v_all), TAP)
            seen = [met if number_c == channel else {} for number_c in range(c)]
            fill_x, fill_w, fill_y = _cells([row], range(places), TAP), _cells(range(f), [row], TAP), {}
            look = TAP
            title = f"tap c = {channel}, i = {i}, j = {j}, at all places"
        ax.set_title(f"{number + 1}. {title}", loc="left", fontweight="bold")
        for channel in range(c):
            left = channel * (width + 1.2)
            _image(ax, left, top + 0.2, x[0, channel], title=f"x, c = {channel}", fill=seen[channel])
            for filter_number in range(f):
                at = left + filter_number * (k + 0.3), top + height + 1.9
                if kind == "place":
                    lit = _cells(range(k), range(k), PATCH) if filter_number == shown else {}
                else:
                    lit = {(i, j): TAP["fill"]} if channel == where[0] else {}
                _grid(ax, *at, [[f"{n:g}" for n in line] for line in w[filter_number, channel]], fill=lit)
                ax.text(at[0], at[1] - 0.2, f"w[{filter_number},{channel}]", va="bottom", fontsize=9)
            if kind == "place":
                _frame(ax, left + v, top + 0.2 + u, k, k, PATCH)
            elif channel == where[0]:
                _frame(ax, left + j, top + 0.2 + i, v_all, u_all, TAP)
        _grid(ax, x_left, top, [[f"{n:g}" if col <= here else "" for col, n in enumerate(line)] for line in cols],
              fill=fill_x)
        _grid(ax, 0, y_top, [[f"{n:g}" for n in line] for line in filters], fill=fill_w)
        made = {(a, b): f"{y[a, b]:g}" for a in range(f) for b in range(places)
                if b < here or b == here and a <= (shown if kind == "place" else f)}
        made |= {hidden: "?"} if hidden in made else {}
        _grid(ax, x_left, y_top, [[made.get((a, b), "") for b in range(places)] for a in range(f)], fill=fill_y)
        if kind == "place":
            _frame(ax, x_left + here, top, 1, deep, look)
            _frame(ax, 0, y_top + shown, deep, 1, look)
            _frame(ax, x_left + here, y_top + shown, 1, 1, look)
        else:
            _frame(ax, x_left, top + row, places, 1, look)
            _frame(ax, row, y_top, 1, f, look)
        for row_number, (channel, a, b) in enumerate(np.ndindex(c, k, k)):
            ax.text(x_left - 0.2, top + row_number + 0.53, f"{channel},{a},{b}", ha="right", va="center", fontsize=9)
        for column, (a, b) in enumerate(np.ndindex(u_all, v_all)):
            ax.text(x_left + column + 0.5, top - 0.2, f"{a},{b}", ha="center", va="bottom", fontsize=9)
        ax.text(x_left - 0.2, top - 0.2, "c,i,j", ha="right", va="bottom", fontsize=9)
        ax.text(x_left, top - 1.1, "X: column = patch", va="bottom", fontsize=9)
        ax.text(0, y_top - 0.2, "W: row = filter", va="bottom", fontsize=9)
        ax.text(x_left, y_top - 0.2, "Y = W @ X", va="bottom", fontsize=9)
    _room(figure).get_layout_engine().set(wspace=0.05)
    return figure


def filling(x, k, steps):
    """The column matrix after a few steps of each loop: over places, over taps."""
    _, c, height, width = x.shape
    u, v = conv_size(height, k), conv_size(width, k)
    cols = im2col(x, k, 1, 0)[0]
    figure, axes = draw.panels(1, 2, height=3.3)
    for ax, look, title in zip(axes[0], (PATCH, TAP), ("places", "taps"), strict=True):
        _area(ax, u * v + 3, len(cols))
        if look is PATCH:
            lit = _cells(range(len(cols)), range(steps), look)
        else:
            lit = _cells([channel * k * k + step for channel in range(c) for step in range(steps)], range(u * v), look)
        _grid(ax, 1.5, 0, [[f"{n:g}" if (row, col) in lit else "" for col, n in enumerate(line)]
                           for row, line in enumerate(cols)], fill=lit)
        for step in range(steps):
            if look is PATCH:
                _frame(ax, 1.5 + step, 0, 1, len(cols), look)
            else:
                for channel in range(c):
                    _frame(ax, 1.5, channel * k * k + step, u * v, 1, look)
        ax.set_title(f"after {steps} steps of the loop over {title}")
    return _room(figure)


def costs(names, before, after, work, hidden):
    """Bars a layer: gigabytes of its input and of its columns, and multiply-adds; those of layer `hidden` are open."""
    figure, axes = draw.panels(1, 2, height=4.6, sharey=True)
    shown = [name != hidden for name in names]
    rows = np.arange(len(names))
    axes[0, 0].barh(rows - 0.2, np.where(shown, before, 0), 0.4, color=draw.SKY, edgecolor="black", lw=0.6,
                    label="its input x")
    axes[0, 0].barh(rows + 0.2, np.where(shown, after, 0), 0.4, color=draw.BLUE, edgecolor="black", lw=0.6, hatch="//",
                    label="its columns X")
    axes[0, 0].set(title="memory", xlabel="gigabytes (float32)", xlim=(0, 1.2))
    axes[0, 0].legend(loc="lower right", frameon=False)
    axes[0, 1].barh(rows, np.where(shown, work, 0), 0.6, color=draw.ORANGE, edgecolor="black", lw=0.6)
    axes[0, 1].set(title="work", xlabel="billions of multiply-adds")
    for ax in axes[0]:
        ax.text(0.02 * ax.get_xlim()[1], names.index(hidden), "? yours to draw", va="center", fontsize=9.5)
    axes[0, 0].set_yticks(rows, names)
    axes[0, 0].invert_yaxis()
    return figure

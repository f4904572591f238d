"""Drawings of lesson 03: slopes, a graph with numbers on its edges, stamps, copies, and where a gradient is wrong."""
import numpy as np
from matplotlib.patches import Circle, FancyArrowPatch

from lessons.draw import BLACK, BLUE, LINES, ORANGE, RED, cells, numbers, panels, picture

SIGNED = "PuOr_r"
PALE = np.array((0.86, 0.92, 0.98))  # behind numbers that belong together
WARM = np.array((1.0, 0.9, 0.75))  # behind gradients


def filled(shape, color=WARM, where=True):
    """(H,W,3) white, `color` at `where`."""
    fill = np.ones((*shape, 3))
    fill[np.broadcast_to(where, shape)] = color
    return fill


def nudge(scene, wanted, made, at, weights, losses, start, loss, slope):
    """What goes in, what is wanted, what comes out, and the loss while one weight is turned."""
    figure, axes = panels(2, 2, 9, 6.4)
    picture(axes[0, 0], scene, "the scene", cmap="gray")
    limit = np.abs(wanted).max()
    picture(axes[0, 1], wanted, "wanted", cmap=SIGNED, vmin=-limit, vmax=limit)
    picture(axes[1, 0], made, "what our nine weights make of it", cmap=SIGNED, vmin=-limit, vmax=limit)
    plot = axes[1, 1]
    plot.plot(weights, losses, color=BLACK, label="the loss")
    reach = 0.9 * loss / abs(slope)
    ends = np.array((start - reach, start + reach))
    plot.plot(ends, loss + slope * (ends - start), color=RED, ls="--", lw=2,
              label=f"the slope there, {slope:.3f}".replace("-", "−"))
    plot.plot(start, loss, "o", color=BLACK, ms=8, zorder=3, label="where the weight is now")
    plot.set(xlabel=f"the weight [{at[0]}, {at[1]}], the other eight held still", ylabel="loss", ylim=(0, None))
    plot.legend(frameon=False)
    return figure


NODES = {"x": (0.1, 1.75), "w1": (0.1, 0.25), "times": (1.7, 1.0), "fork": (3.4, 1.0), "w2": (3.6, -1.0),
         "times2": (5.1, 0.0), "plus": (6.8, 1.0), "loss": (8.7, 1.0)}
SIGNS = {"times": "×", "times2": "×", "plus": "+", "loss": "L"}
EDGES = (  # from, to, bend, what goes along, where its label stands
    ("x", "times", 0, "x", (-0.4, 1.75)), ("w1", "times", 0, "w1", (-0.4, 0.25)),
    ("times", "fork", 0, "m", (2.55, 1.0)), ("fork", "plus", -0.4, "m up", (5.1, 1.72)),
    ("fork", "times2", 0, "m down", (3.85, 0.2)), ("w2", "times2", 0, "w2", (3.05, -1.0)),
    ("times2", "plus", 0, "t", (6.45, 0.2)), ("plus", "loss", 0, "s", (7.75, 1.0)))


def graph(values, gradients=None):
    """m = w1 x;  t = w2 m;  s = m + t;  L: values over the edges and, where given, gradients under them.

    gradients has, beside the names of values, the two parts of dm: "m up" by the direct way, "m down" by the product.
    """
    figure, axes = panels(1, 1, 9, 3.3)
    axes = axes[0, 0]
    for start, end, bend, name, place in EDGES:
        axes.add_patch(FancyArrowPatch(
            NODES[start], NODES[end], arrowstyle="-|>", mutation_scale=14, shrinkA=9 if start == "fork" else 4,
            shrinkB=3 if end == "fork" else 14, lw=1.2, color="0.35", connectionstyle=f"arc3,rad={bend}", zorder=1))
        part = name.startswith("m ")  # one of the two copies of m
        label(axes, *place, "m" if part else f"{name} = {values[name]:g}",
              gradients and (f"{gradients[name]:g}" if part else f"d{name} = {gradients[name]:g}"))
    axes.plot(*NODES["fork"], "o", color=BLACK, ms=8, zorder=4)
    for name, sign in SIGNS.items():
        axes.add_patch(Circle(NODES[name], 0.24, fc="white", ec=BLACK, lw=1.5, zorder=4))
        axes.text(*NODES[name], sign, ha="center", va="center", fontsize=13, zorder=5)
    axes.text(8.7, 0.5, f"L = {values['L']:g}", ha="center", va="center")
    axes.set(xlim=(-1.0, 9.1), ylim=(-1.45, 2.1), aspect="equal")
    axes.axis("off")
    return figure


def label(axes, x, y, above, below):
    """A value, and under it the gradient that comes back along the same edge."""
    axes.text(x, y + 0.18, above.replace("-", "−"), ha="center", va="center", fontsize=10.5)
    if below:
        axes.text(x, y - 0.2, f"← {below}".replace("-", "−"), ha="center", va="center", fontsize=10.5,
                  fontweight="bold", color=RED)


def product(w, x, y, dy, dw, f, q):
    """Y = W X with one weight lit, what it meets in X and reaches in Y; and the same for its gradient."""
    figure, axes = panels(1, 5, 9, 2.2)
    row, line = np.arange(len(y))[:, None] == f, np.arange(len(x))[:, None] == q
    one = np.zeros(w.shape, bool)
    one[f, q] = True
    for place, array, title, lit, color in zip(axes[0], (w, x, y, dy, dw), ("W", "X", "Y = W X", "dY", "dW"),
                                               (one, line, row, row, one), (PALE, PALE, PALE, WARM, WARM), strict=True):
        lit = np.broadcast_to(lit, array.shape)
        numbers(place, array, title, colors=filled(array.shape, color, lit), lit=lit & one if lit is one else None)
    return figure


def given(**arrays):
    """Small matrices side by side, gradients on a warm ground."""
    widths = [array.shape[1] + 0.6 for array in arrays.values()]
    figure, axes = panels(1, len(arrays), 9, 2.9, width_ratios=widths)
    for place, (name, array) in zip(axes[0], arrays.items(), strict=True):
        numbers(place, array, name, colors=filled(array.shape) if name.startswith("d") else None, size=12)
    return figure


def stamps(x, w, dy, dx, dw):
    """Above: every number of dy stamps the filter onto dx. Below: every number of dy weighs a patch of x for dw."""
    figure, axes = panels(2, 5, 9, 4.4)
    for column, (u, v) in enumerate(np.ndindex(2, 2)):
        seen = np.zeros(x.shape, bool)
        seen[u:u + 2, v:v + 2] = True
        stamp = np.zeros(x.shape)
        stamp[seen] = (dy[u, v] * w).ravel() + 0.0  # no -0
        numbers(axes[0, column], stamp, f"{dy[u, v]:g} · filter", colors=filled(x.shape, WARM, seen))
        numbers(axes[1, column], x, f"{dy[u, v]:g} · patch ({u}, {v})", colors=filled(x.shape, PALE, seen))
    numbers(axes[0, 4], dx, "all four: dx", colors=filled(dx.shape))
    numbers(axes[1, 4], dw, "all four: dw", colors=filled(dw.shape))
    return figure


def copies(matrix, places, side):
    """The matrix of im2col, with its ones, and its transpose."""
    figure, axes = panels(1, 2, 9, 4.9, width_ratios=(1, 1.75))
    for place, array, title in ((axes[0, 0], matrix, "A: im2col\nevery row copies one pixel"),
                                (axes[0, 1], matrix.T, "Aᵀ: col2im\nevery row adds up the copies of one pixel")):
        place.imshow(array, cmap="Blues", vmin=0, vmax=1.4)
        cells(place, *array.shape)
        place.set_title(title)
    rows = f"{len(matrix)} numbers of cols: {len(matrix) // places} taps, {places} places each"
    axes[0, 0].set(xlabel=f"{side} × {side} pixels of x, row by row", ylabel=rows)
    axes[0, 1].set(xlabel=rows, ylabel="pixels of x")
    return figure


def counts(maps):
    """{title: map}: how many patches see each pixel, the number written into the pixel."""
    figure, axes = panels(1, len(maps), 9, 3.3)
    top = max(array.max() for array in maps.values())
    for place, (title, array) in zip(axes[0], maps.items(), strict=True):
        place.imshow(array, cmap="cividis", vmin=0, vmax=top)
        for (i, j), count in np.ndenumerate(array):
            place.text(j, i, f"{count:g}", ha="center", va="center", fontsize=10,
                       color="white" if count < 0.55 * top else "black")
        cells(place, *array.shape)
        place.set_title(title)
    return figure


def v_curve(steps, errors, lines, best):
    """The error of a difference quotient against its step: {name: errors}, {name: best h}; thin {name: predicted}."""
    figure, axes = panels(1, 1, 9, 4.8)
    axes = axes[0, 0]
    floor = 2e-12
    for name, (predicted, at) in lines.items():
        axes.loglog(steps, predicted, color="0.55", lw=0.9, zorder=0)
        offset = (9, 5) if predicted[0] > predicted[-1] else (12, -9)  # to the right of the line
        axes.annotate(name, (at, np.interp(np.log(at), np.log(steps), predicted)), xytext=offset, color="0.25",
                      textcoords="offset points", fontsize=10)
    for (name, error), color, line, marker in zip(errors.items(), (ORANGE, BLUE, BLACK), LINES, "s^o", strict=False):
        axes.loglog(steps, np.maximum(error, floor), ls=line, marker=marker, ms=4, color=color, label=name)
        axes.plot([best[name]] * 2, (floor, error.min()), color=color, lw=1, ls=":")
        axes.plot(best[name], floor, marker=marker, color=color, ms=9, clip_on=False, zorder=5)
    axes.set(xlabel="step h   (marks on the axis: the best h as predicted)", ylabel="relative error of the slope",
             ylim=(floor, 3), xlim=(steps[0], steps[-1]))
    axes.legend(frameon=False, loc="lower left")
    return figure


def claims(truth, wrong):
    """A gradient, and four that claim to be it, {name: map}, as A to D in another order; a dot where one is right."""
    names = [*wrong]
    maps = {"as it should be": truth} | {"ABCD"[k]: wrong[names[n]] for k, n in enumerate((3, 0, 1, 2))}
    figure, axes = panels(1, len(maps), 9, 2.4)
    scale = np.sqrt(np.mean(truth**2))
    for place, (title, array) in zip(axes[0], maps.items(), strict=True):
        shown = place.imshow(array / scale, cmap=SIGNED, vmin=-3, vmax=3)
        right = np.argwhere((np.abs(array - truth) < 1e-6 * scale) & (array is not truth))
        place.plot(right[:, 1], right[:, 0], "o", mfc=BLACK, mec="white", mew=0.7, ms=4.5)
        cells(place, *array.shape, color="0.75")
        place.set_title(title, fontsize=10)
    figure.colorbar(shown, ax=axes[0].tolist(), location="bottom", shrink=0.5, aspect=40, extend="both",
                    label="in units of the root mean square of dx   (dots: right)")
    return figure


def turned(dy, w, dx, at):
    """dx as a convolution: dy with a rim of zeros, a window in it, the turned filter, and the number they give."""
    figure, axes = panels(1, 4, 9, 2.9, width_ratios=(4.6, 2.6, 2.6, 3.6))
    rim = np.pad(dy, 1)
    inside = np.pad(np.ones(dy.shape, bool), 1)
    window = np.zeros(rim.shape, bool)
    window[at[0]:at[0] + 2, at[1]:at[1] + 2] = True
    one = np.zeros(dx.shape, bool)
    one[at] = True
    numbers(axes[0, 0], rim, "dy, a rim of K − 1 zeros", colors=filled(rim.shape, WARM, inside), lit=window)
    numbers(axes[0, 1], w, "the filter")
    numbers(axes[0, 2], w[::-1, ::-1], "turned by half a turn", lit=np.ones(w.shape, bool))
    numbers(axes[0, 3], dx, "dx", colors=filled(dx.shape), lit=one)
    for place in axes[0]:
        place.set_aspect("equal", anchor="C")
    return figure


def gates(x, y, dy, dx):
    """What a ReLU lets through, there and back."""
    figure, axes = panels(1, 4, 9, 2.3)
    open_ = x > 0
    for place, array, title, color in ((axes[0, 0], x, "x", PALE), (axes[0, 1], y, "y = max(x, 0)", PALE),
                                       (axes[0, 2], dy, "dy", WARM), (axes[0, 3], dx, "dx", WARM)):
        numbers(place, array, title, colors=filled(x.shape, color, open_))
    return figure


def flat_errors(error, scale):
    """The error of dx, one map a channel, with its number in every pixel."""
    figure, axes = panels(1, len(error), 9, 2.8)
    for channel, (place, array) in enumerate(zip(axes[0], error, strict=True)):
        place.imshow(array / scale, cmap=SIGNED, vmin=-1, vmax=1)
        for (i, j), number in np.ndenumerate(array):
            place.text(j, i, f"{number:.2f}".replace("-", "−"), ha="center", va="center", fontsize=10,
                       color="white" if abs(number) > 0.75 * scale else "black")
        cells(place, *array.shape)
        place.set_title(f"channel {channel}")
    return figure

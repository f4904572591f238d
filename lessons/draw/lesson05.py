"""Drawings of lesson 05: stamps, the matrix W, what interpolates and what does not."""
import matplotlib
import numpy as np
from matplotlib.patches import Rectangle

from lessons import draw
from minifcn.overlay import lit
from minifcn.palette import VOID_COLOR

TINTS = np.array(((1, 1, 1), (0.80, 0.89, 0.97), (1, 0.90, 0.68), (0.86, 0.86, 0.86), (0.97, 0.78, 0.68)))


def question(image, cells, large, name):
    """The image, the map of a class's scores as numbers, and what is made of it."""
    figure, (axes,) = draw.panels(1, 3, height=2.75)
    low, high = cells.min(), cells.max()
    draw.picture(axes[0], image, f"the image, {image.shape[0]} x {image.shape[1]}")
    colors = matplotlib.colormaps["cividis"]((cells - low) / (high - low))[..., :3]
    draw.numbers(axes[1], cells, f'scores of "{name}", {cells.shape[0]} x {cells.shape[1]}', form="{:.0f}",
                 colors=colors)
    draw.picture(axes[2], large, f"enlarged, {large.shape[0]} x {large.shape[1]}", cmap="cividis", vmin=low, vmax=high)
    levels = np.arange(5 * np.ceil(low / 5), high, 5)
    axes[2].contour(large, levels=levels, linewidths=1, colors=["white" if level < 0 else "black" for level in levels],
                    linestyles=["--" if level < 0 else "-" for level in levels])
    return figure


def stamps(x, w, strides=(1, 2)):
    """For each stride: the stamp of every cell of x alone, and the sum of them all."""
    figure, all_axes = draw.panels(len(strides), x.size + 1, height=4.1)
    k = len(w)
    for axes, stride in zip(all_axes, strides, strict=True):
        sums = np.zeros([stride * (side - 1) + k for side in x.shape], int)
        count = np.zeros_like(sums)
        for n, (h, v) in enumerate(np.ndindex(x.shape)):
            one, place = np.zeros_like(sums), np.s_[stride * h:stride * h + k, stride * v:stride * v + k]
            one[place] = x[h, v] * w
            sums += one
            count[place] += 1
            _written(axes[n], one, TINTS[(one > 0) * (n + 1)], f"stamp of the {x[h, v]}", 11 - stride)
        grey = np.array((1, 1, 0.88, 0.88, 0.7))[count]
        _written(axes[-1], sums, np.repeat(grey[..., None], 3, axis=2), f"stride {stride}: the sum", 11 - stride)
    return figure


def _written(axes, array, colors, title, size=10, frame=None):
    """Whole numbers in cells, zeros left out; frame (row, column, height, width) is outlined."""
    axes.imshow(colors, vmin=0, vmax=1)
    for i, j in np.argwhere(array):
        axes.text(j, i, f"{array[i, j]:g}", ha="center", va="center", fontsize=size)
    draw.cells(axes, *array.shape)
    if frame is not None:
        row, column, height, width = frame
        axes.add_patch(Rectangle((column - 0.5, row - 0.5), width, height, fill=False, lw=2.5, ec="black", zorder=3))
    axes.set_title(title)


def matrix(big, shape, out, row, column):
    """W with one row and one column framed, and both of them as pictures."""
    figure = draw.panels(1, 1, height=4.3)[0]
    figure.clear()
    grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.5))
    wide, left, right = (figure.add_subplot(place) for place in (grid[0, :], grid[1, 0], grid[1, 1]))

    def tinted(array, kind):
        return TINTS[(array > 0) * kind]

    colors = tinted(big, 3)
    colors[row], colors[:, column] = tinted(big[row], 1), tinted(big[:, column], 2)
    colors[row, column] = TINTS[4 if big[row, column] else 0]
    rows, columns = big.shape
    _written(wide, big, colors, f"W: {rows} rows, one for each output; {columns} columns, one for each input",
             frame=(row, 0, 1, big.shape[1]))
    wide.add_patch(Rectangle((column - 0.5, -0.5), 1, big.shape[0], fill=False, lw=2.5, ls="--", ec="black", zorder=4))
    wide.set_xticks(range(0, big.shape[1], 4))
    wide.set_yticks(range(big.shape[0]))
    wide.tick_params(length=0)
    _written(left, big[row].reshape(shape), tinted(big[row], 1).reshape(*shape, 3),
             f"row {row} (solid) as a picture: what output {row} sees")
    _written(right, big[:, column].reshape(out), tinted(big[:, column], 2).reshape(*out, 3),
             f"column {column} (dashed): where input {column} goes")
    return figure


def comes_back(rows, shape):
    """rows of (title, pixels), the first of shape (H, W), others perhaps smaller; each row has one grey scale."""
    figure, all_axes = draw.panels(len(rows), max(map(len, rows)), height=4.3)
    for axes, row in zip(all_axes, rows, strict=True):
        low, high = row[0][1].min(), row[0][1].max()
        for some, (title, picture) in zip(axes, row, strict=True):
            step = round((shape[0] * shape[1] / picture.size) ** 0.5)
            draw.picture(some, picture.reshape([side // step for side in shape]), title, cmap="gray", vmin=low,
                         vmax=high)
    return figure


def fractional(x, kernel, y, stride, at):
    """The map, the map with zeros between, the turned kernel, the result: one window and what comes of it framed."""
    figure, (axes,) = draw.panels(1, 4, height=2.9, gridspec_kw={"width_ratios": (1.8, 5.6, 2.4, 4.2)})
    k = len(kernel)
    spread = np.zeros([stride * (side - 1) + 1 + 2 * (k - 1) for side in x.shape], int)
    spread[k - 1:1 - k:stride, k - 1:1 - k:stride] = x
    _written(axes[0], x, TINTS[(x > 0) * 1], "the map")
    _written(axes[1], spread, TINTS[(spread > 0) * 1], "zeros between and around", 9, frame=(*at, k, k))
    _written(axes[2], kernel, TINTS[(kernel > 0) * 2], "turned kernel", frame=(0, 0, k, k))
    _written(axes[3], y, TINTS[(y > 0) * 3], "the result", 9, frame=(*at, 1, 1))
    return figure


def hats(cells, stride):
    """One line of cells, each cell's stamp, and their sum."""
    figure, ((axes,),) = draw.panels(1, 1, height=3.5)
    size, f = len(cells) * stride, np.arange(-stride, (len(cells) + 1) * stride)
    total = np.zeros(len(f))
    for h, value in enumerate(cells):
        centre = stride * h + (stride - 1) / 2
        hat = value * np.maximum(0, 1 - np.abs(f - centre) / stride)
        total += hat
        reach = np.array((centre - stride, centre, centre + stride))
        axes.plot(reach, (0, value, 0), ls=draw.LINES[1 + h % 3], color=(draw.BLUE, draw.RED, draw.GREEN)[h % 3],
                  label="what each cell gives, fading over S pixels" if not h else None)
        axes.plot(centre, value, "s", ms=9, mfc="white", mec="black", zorder=4,
                  label="the cells, in the middle of their S pixels" if not h else None)
    inside = (f >= 0) & (f < size)
    axes.plot(f[inside], total[inside], "o", color="black", ms=4, zorder=5, label="their sum: the pixels")
    for left, right in ((0, stride / 2), (size - stride / 2, size)):
        axes.axvspan(left - 0.5, right - 0.5, color="0.9", zorder=0)
    axes.set(xlim=(-0.5, size - 0.5), ylim=(0, 1.45 * max(cells)), xlabel="pixel", ylabel="value",
             xticks=range(0, size, stride // 2))
    axes.legend(loc="upper left", ncols=2, frameon=False)
    return figure


def three_maps(maps, titles):
    """Two maps on one scale, and their difference."""
    figure, (axes,) = draw.panels(1, 3, height=2.5)
    low, high = min(a.min() for a in maps[:2]), max(a.max() for a in maps[:2])
    for some, array, title in zip(axes[:2], maps, titles, strict=False):
        shown = draw.picture(some, array, title, cmap="cividis", vmin=low, vmax=high)
    figure.colorbar(shown, ax=axes[1], shrink=0.75)
    top = np.abs(maps[2]).max()
    shown = draw.picture(axes[2], maps[2], titles[2], cmap="PuOr_r", vmin=-top, vmax=top)
    figure.colorbar(shown, ax=axes[2], shrink=0.75)
    return figure


def steps(once, in_steps, stride, labels, titles, classes, colors):
    """The two profiles that one cell leaves behind, and the two label maps."""
    figure, (axes,) = draw.panels(1, 3, height=3.2)
    at = (np.arange(len(once)) - (len(once) - 1) / 2) / stride
    axes[0].plot(at, once, "-", color="black", label="32 at once")
    axes[0].plot(at, in_steps, "--", color=draw.RED, lw=2, label="2, then 2, then 8")
    axes[0].set(xlim=(-1.6, 1.6), ylim=(0, 1.3), xlabel="distance from the cell's centre, in cells",
                title="what a cell of 1 gives")
    axes[0].legend(loc="upper center", ncols=1, frameon=False)
    for some, array, title in zip(axes[1:], labels, titles, strict=True):
        draw.labels(some, array, colors, title)
    draw.legend(figure, classes, colors, np.unique(labels))
    return figure


def counts(maps, titles):
    """How many stamps reach each pixel, as numbers on shades of grey."""
    figure, (axes,) = draw.panels(1, len(maps), width=min(9.0, 4.5 * len(maps)), height=3.7)
    for some, array, title in zip(axes, maps, titles, strict=True):
        shade = 1 - 0.55 * array / array.max()
        draw.numbers(some, array, title, colors=np.repeat(shade[..., None], 3, axis=2), size=10)
    return figure


def textures(maps, titles):
    """Maps that ought to be flat, as numbers on shades of grey, all on one scale around each map's mean."""
    figure, (axes,) = draw.panels(1, len(maps), height=3.1)
    reach = max(np.abs(array - array.mean()).max() for array in maps)
    for some, array, title in zip(axes, maps, titles, strict=True):
        shade = 0.6 + 0.4 * (array - array.mean()) / reach
        rounded = array.round(1) + 0.0  # -0.0 becomes 0.0
        draw.numbers(some, rounded, title, form="{:.1f}", colors=np.repeat(shade[..., None], 3, axis=2), size=10)
    return figure


def side_by_side(maps, titles):
    """Maps on one scale."""
    figure, (axes,) = draw.panels(1, len(maps), width=7.5, height=3.1)
    low, high = min(a.min() for a in maps), max(a.max() for a in maps)
    for some, array, title in zip(axes, maps, titles, strict=True):
        draw.picture(some, array, title, cmap="cividis", vmin=low, vmax=high)
    return figure


def misplaced(truth, predictions, titles, classes, colors):
    """The true labels, and predictions with the wrong pixels lit."""
    figure, (axes,) = draw.panels(1, 1 + len(predictions), height=3.1)
    draw.labels(axes[0], truth, colors, "the truth")
    for some, labels, title in zip(axes[1:], predictions, titles, strict=True):
        draw.picture(some, lit(labels, truth, colors), title)
    present = [k for k in np.unique(truth) if k < len(classes)] + [len(classes)]
    draw.legend(figure, [*classes, "void, not counted"], [*colors, VOID_COLOR], present)
    return figure

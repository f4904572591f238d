"""The pictures of a run: curves, the confusion matrix, predictions beside their truth, the worst images.

matplotlib is used through its objects, without pyplot: no window, no display, nothing global. Panels of pixels are set
in strips instead (overlay.py), so that a pixel of a small label stays a pixel.
"""
import numpy as np
from PIL import Image, ImageDraw

from minifcn.metrics import IGNORE
from minifcn.overlay import beside, caption, flat, key, legend, lit, near_border, stack

WIDTH, GAP, MARGIN = 1000, 8, 12  # pixels: what a README shows without shrinking it


def curves(log, path):
    """Write two panels over the epochs of all stages: the losses; mean IU and pixel accuracy.

    log: the rows of log.csv, dicts with stage, epoch, loss, val_loss, mean_iu, pixel_accuracy as numbers or text; what
    is missing, empty or not finite leaves a gap. Epochs may count on from stage to stage or begin anew in each.
    """
    figure = _figure(10, 3.8)
    epochs, starts = _epochs(log)
    panels = [("loss", [("loss", "training", "-", "o"), ("val_loss", "validation", "--", "s")]),
              ("validation score", [("mean_iu", "mean IU", "-", "o"), ("pixel_accuracy", "pixel accuracy", "--", "s")])]
    for place, (title, lines) in enumerate(panels, start=1):
        axes = figure.add_subplot(1, 2, place)
        for (column, name, style, marker), color in zip(lines, ("#0b3c6f", "#d9730d"), strict=True):
            values = np.array([_number(row.get(column)) for row in log])
            if column == "mean_iu" and np.isfinite(values).any():
                best = int(np.nanargmax(values))
                axes.plot(epochs[best], values[best], "o", markersize=10, color=color, fillstyle="none")  # a ring
                name = f"mean IU, best {values[best]:.3f}"
            axes.plot(epochs, values, style, marker=marker, markersize=3, color=color, label=name)
        for stage, start in starts:
            axes.axvline(start, color="0.6", linewidth=1, linestyle=":")
            axes.annotate(stage, (start, 1), (3, 3), xycoords=axes.get_xaxis_transform(),
                          textcoords="offset points", color="0.3", fontsize=9)
        top = 1.05 * axes.get_ylim()[1] if title == "loss" else 1
        axes.set(xlabel="epoch", ylabel=title, xlim=(0.5, max(epochs, default=1) + 0.5), ylim=(0, top))
        axes.xaxis.get_major_locator().set_params(integer=True, min_n_ticks=1)
        axes.grid(axis="y", color="0.9")
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False)
    figure.savefig(path)


def confusion(counts, classes, path):
    """Write the confusion matrix, each row divided by its sum: where the pixels of a true class went, in per cent.

    counts (C,C), counts[i, j] = pixels of true class i predicted as j. Figures stand in the cells up to 25 classes. A
    class without a true pixel has an empty, hatched row.
    """
    count, total = len(classes), counts.sum(axis=1, keepdims=True)
    share = np.divide(100 * counts, total, out=np.full(counts.shape, np.nan), where=total > 0)
    few = count <= 25
    side = count * (0.5 if few else 0.2)
    figure = _figure(side + 2.5, side + 2)
    axes = figure.add_subplot()
    picture = axes.imshow(share, cmap="Blues", vmin=0, vmax=100)  # more is darker, for every eye
    empty = np.flatnonzero(total[:, 0] == 0)
    for i in empty:
        axes.axhspan(i - 0.5, i + 0.5, facecolor="0.95", edgecolor="0.75", hatch="////", linewidth=0)
    if few:
        for i, j in np.argwhere(counts > 0):
            text = f"{share[i, j]:.0f}" if share[i, j] >= 0.5 else "·"  # there are some, but not half a per cent
            axes.text(j, i, text, ha="center", va="center", fontsize=9, color="w" if share[i, j] > 50 else "k")
    else:
        figure.colorbar(picture, ax=axes, shrink=0.6)
    turned = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if few else {"rotation": 90}
    lettering = {"fontsize": 9 if few else 7, "parse_math": False}  # a name may hold dollars
    axes.set_xticks(range(count), classes, **lettering, **turned)
    axes.set_yticks(range(count), classes, **lettering)
    axes.set_title("per cent of each true class's pixels", fontsize=10)
    axes.set(xlabel="prediction", ylabel="truth (hatched: no such pixels)" if len(empty) else "truth")
    figure.savefig(path, bbox_inches="tight")


def predictions(rows, classes, colors, path):
    """Write the papers' figure: image, truth and each net's prediction in a row, errors lit, IU beneath.

    rows: one dict an image: "title", "image" (H,W,3) uint8, "truth" (H,W), "predictions" {net: (H,W)} in the order of
    the columns and the same nets in every row, "iu" {net: its mean IU on this image}, and "zoom": (top, left, height,
    width) of the window enlarged beneath its row, or None. Images may differ in size.
    """
    nets = list(rows[0]["predictions"])
    width = min(320, (WIDTH - 2 * MARGIN - GAP * (1 + len(nets))) // (2 + len(nets)))
    strips = [_headers(["image", "truth", *nets], width)]
    for row in rows:
        panels = _panels(row["image"], row["truth"], row["predictions"].values(), colors)
        lines = [beside([_fit(panel, width, row["zoom"]) for panel in panels], GAP)]
        if row["zoom"] is not None:
            top, left, zoom_height, zoom_width = row["zoom"]
            windows = [panel[top:top + zoom_height, left:left + zoom_width] for panel in panels]
            lines.append(beside([_fit(window, width, frame=True) for window in windows], GAP))
        best = max(row["iu"].values())
        scores = [caption(f"mean IU {row['iu'][net]:.2f}", width, bold=row["iu"][net] == best) for net in nets]
        lines.append(beside([caption(row["title"], 2 * width + GAP, align="left"), *scores], GAP))
        strips.append(stack(lines, GAP // 2))
    _save(strips, rows, classes, colors, path)


def worst(rows, classes, colors, path):
    """Write a grid of images, truth and prediction with errors lit beside each, two images a line.

    rows: dicts of "id", "image" (H,W,3) uint8, "truth" (H,W), "prediction" (H,W), "iu".
    """
    width = (WIDTH - 2 * MARGIN - 7 * GAP) // 6
    blocks = []
    for row in rows:
        panels = _panels(row["image"], row["truth"], [row["prediction"]], colors)
        text = f"{row['id']}   mean IU {row['iu']:.2f}"
        blocks.append(stack([beside([_fit(panel, width) for panel in panels], GAP),
                             caption(text, 3 * width + 2 * GAP, align="left")]))
    lines = [blocks[i:i + 2] for i in range(0, len(blocks), 2)]
    headers = [_headers(["image", "truth", "prediction"], width)] * len(lines[0])
    strips = [beside(line, 3 * GAP) for line in [headers, *lines]]
    _save(strips, [{**row, "predictions": {"": row["prediction"]}} for row in rows], classes, colors, path)


def choose_rows(scored, labels):
    """The images worth showing, each chosen by a rule that its title states: a list of {"index", "title"}.

    scored: one dict an image, "id" and "iu" {net: mean IU on it} from the first stage to the last
    labels: the function index -> (H,W) truth, such as `dataset.labels`
    The median by the last net's IU, the largest gain from the first net to the last (with two nets or more) and the
    thinnest object; no image twice, ties to the lower index, images without a counted pixel (IU NaN) left out.
    """
    last = [list(row["iu"].values())[-1] for row in scored]
    gain = [value - list(row["iu"].values())[0] for row, value in zip(scored, last, strict=True)]
    left = sorted((i for i in range(len(scored)) if np.isfinite(last[i])), key=lambda i: last[i])
    picks = []

    def pick(rule, i):
        picks.append({"index": i, "title": f"{rule} ({scored[i]['id']})"})
        left.remove(i)

    if left:
        pick("median image", left[(len(left) - 1) // 2])
    left.sort()
    if left and len(scored[0]["iu"]) > 1:
        pick("largest gain", max(left, key=lambda i: gain[i]))
    if left:
        pick("thinnest object", max(left, key=lambda i: thinness(labels(i))))
    return picks


def thinness(labels):
    """Perimeter over area of the class region where that is largest, times the square root of the image's area.

    So it does not depend on the image's size. Regions below 2 % of the image are specks or scraps behind others;
    void is no region, but its border with one counts. 0 where there is no region.
    """
    edges = np.zeros(256)
    for a, b in ((labels[1:], labels[:-1]), (labels[:, 1:], labels[:, :-1])):
        for side in (a[a != b], b[a != b]):  # an edge belongs to both of its sides
            edges += np.bincount(side, minlength=256)
    area = np.bincount(labels.ravel(), minlength=256)
    objects = area >= 0.02 * labels.size
    objects[IGNORE] = False
    return float(np.max(edges[objects] / area[objects], initial=0) * labels.size**0.5)


def zoom_window(truth, predictions):
    """(top, left, height, width) of the window, a quarter of each side, where the nets differ most along a border.

    predictions: {net: (H,W)}. Counted are pixels near a change of the truth where the first net and the last disagree
    (a single net: where it errs); where they never do, pixels near a change. Of equal windows the most central one.
    """
    nets = list(predictions.values())
    first = nets[0] if len(nets) > 1 else truth
    height, width = (max(1, -(-side // 4)) for side in truth.shape)
    near = near_border(truth, max(2, max(truth.shape) // 40))
    for counted in (near & (first != nets[-1]) & (truth != IGNORE), near):
        sums = _window_sums(counted, height, width)
        if sums.any():
            break
    best = np.argwhere(sums == sums.max())
    top, left = best[np.square(best - best.mean(axis=0)).sum(axis=1).argmin()]
    return int(top), int(left), height, width


def _window_sums(counted, height, width):
    """The sum over every height x width window, by its top left corner: (H - height + 1, W - width + 1)."""
    sums = np.pad(counted.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    return sums[height:, width:] - sums[:-height, width:] - sums[height:, :-width] + sums[:-height, :-width]


def _figure(width, height):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _number(text):
    try:
        return float(text)
    except (TypeError, ValueError):
        return float("nan")


def _epochs(log):
    """The epoch of every row over all stages, and where each stage starts: list, [(name, epoch)]."""
    epochs, starts, offset, last = [], [], 0, {}
    for row in log:
        if row["stage"] != last.get("stage"):
            done = epochs[-1] if epochs else 0
            offset = done if _number(row["epoch"]) <= done else 0  # begins anew, or counts on
            starts.append((row["stage"], done + 0.5))
        epochs.append(offset + _number(row["epoch"]))
        last = row
    return epochs, starts


def _panels(image, truth, predictions, colors):
    return [image, flat(truth, colors), *(lit(predicted, truth, colors) for predicted in predictions)]


def _headers(names, width):
    return beside([caption(name, width, 14, bold=True) for name in names], GAP)


def _fit(panel, width, zoom=None, frame=False):
    """A panel as wide as its column and at most a quarter taller than wide, with its window framed: a PIL image."""
    height, wide, _ = panel.shape
    scale = min(width / wide, 1.25 * width / height)
    size = max(1, round(scale * wide)), max(1, round(scale * height))
    times = max(1, round(4 * scale))  # whole pixels first, then their mean: edges neither blur nor jump
    big = Image.fromarray(np.repeat(np.repeat(panel, times, axis=0), times, axis=1))
    small = big.resize(size, Image.Resampling.BOX)
    if zoom is not None:
        top, left, zoom_height, zoom_width = zoom
        _frame(small, *(round(scale * end) for end in (left, top, left + zoom_width, top + zoom_height)))
    if frame:
        _frame(small, 0, 0, *size)
    page = Image.new("RGB", (width, size[1]), (255, 255, 255))
    page.paste(small, ((width - size[0]) // 2, 0))
    return page


def _frame(picture, left, top, right, bottom):
    """Draw a frame inside these bounds, black, white, black, so that it shows on anything; at least seven pixels."""
    right, bottom = max(right, left + 7), max(bottom, top + 7)
    for inset, color in enumerate(("black", "white", "black")):
        box = [left + inset, top + inset, right - 1 - inset, bottom - 1 - inset]
        ImageDraw.Draw(picture).rectangle(box, outline=color)


def _save(strips, rows, classes, colors, path):
    shown = [row["truth"] for row in rows] + [p for row in rows for p in row["predictions"].values()]
    present = set().union(*(np.unique(labels).tolist() for labels in shown))
    page = stack(strips, GAP)
    page = stack([page, legend(key(colors, classes, present), page.width),
                  caption("swatches: in the truth, predicted rightly (dark), predicted wrongly (light)", page.width,
                          size=12, align="left")])
    sheet = Image.new("RGB", (page.width + 2 * MARGIN, page.height + 2 * MARGIN), (255, 255, 255))
    sheet.paste(page, (MARGIN, MARGIN))
    sheet.save(path)

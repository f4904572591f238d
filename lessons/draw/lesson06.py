"""Drawings of lesson 06: where a loss is large, one pixel's numbers, a narrow valley, loss curves."""
import numpy as np
from matplotlib.patches import ConnectionPatch, Rectangle

from lessons import draw

VOID = 255


def scene(image, labels, classes, colors, top, left, side=32):
    """A photograph, its truth, and a window of the truth enlarged, in which the border is seen."""
    figure, axes = draw.panels(1, 3, height=3.0)
    draw.picture(axes[0, 0], image, "the picture")
    draw.labels(axes[0, 1], labels, colors, "the truth")
    window = labels[top:top + side, left:left + side]
    draw.labels(axes[0, 2], window, colors, f"{side} x {side} pixels of it; pale: void")
    axes[0, 1].add_patch(Rectangle((left - 0.5, top - 0.5), side, side, fill=False, ec="white", lw=1.5))
    for row in (0, side):
        figure.add_artist(ConnectionPatch((left + side - 0.5, top + row - 0.5), (-0.5, row - 0.5), "data", "data",
                                          axesA=axes[0, 1], axesB=axes[0, 2], color="0.5", lw=1))
    draw.legend(figure, classes, colors, np.unique(labels[labels != VOID]))
    return figure


def hurt(labels, predicted, losses, colors, shares, marks):
    """The prediction, the loss of every pixel, and how much of all loss lies on how few pixels."""
    figure, axes = draw.panels(1, 3, height=3.0, width_ratios=(1, 1, 0.75))
    draw.labels(axes[0, 0], predicted, colors, "what the net says")
    shown = np.ma.masked_where(labels == VOID, losses)
    with_void = draw.matplotlib.colormaps["cividis"].with_extremes(bad="black")
    mesh = draw.picture(axes[0, 1], shown, "loss of every pixel (void: black)", cmap=with_void, vmin=0, vmax=6)
    scale = axes[0, 1].inset_axes((0.05, -0.13, 0.9, 0.05))
    figure.colorbar(mesh, cax=scale, orientation="horizontal", extend="max", ticks=[0, np.log(7), 4, 6])
    scale.set_xticklabels(["0", "ln 7", "4", "6"])
    ax = axes[0, 2]
    ax.plot(100 * np.arange(1, len(shares) + 1) / len(shares), 100 * shares, color=draw.BLUE, lw=2)
    for pixels, share in marks:
        ax.plot(100 * pixels, 100 * share, "o", color=draw.BLACK, ms=6)
        ax.annotate(f"{pixels:.0%} of the pixels:\n{share:.0%} of the loss", (100 * pixels, 100 * share), (9, -4),
                    textcoords="offset points", va="top", fontsize=9)
    ax.set(xlim=(-1, 60), ylim=(0, 104), xlabel="% of the pixels, largest loss first",
           ylabel="% of the loss", title="how few hold how much?")
    return figure


def pixel(scores, label):
    """One pixel: its scores, their exponentials, the probabilities, and the gradient for a label."""
    e = np.exp(scores)
    p = e / e.sum()
    onehot = np.arange(len(scores)) == label
    rows = ((scores, "scores s", ("0", "ln 2", "ln 4")), (e, "$e^s$, in sum 7", ("1", "2", "4")),
            (p, "probabilities p", ("1/7", "2/7", "4/7")),
            (p - onehot, f"gradient p - onehot({label})", ("1/7", "-5/7", "4/7")))
    figure, axes = draw.panels(1, 4, height=2.6)
    for ax, (values, title, texts) in zip(axes[0], rows, strict=True):
        bars = ax.bar(range(3), values, color=[draw.ORANGE if k == label else draw.SKY for k in range(3)],
                      ec=draw.BLACK, lw=0.8)
        bars[label].set_hatch("//")
        reach = np.abs(values).max()
        for k, value in enumerate(values):
            ax.text(k, value + 0.04 * reach * (-1 if value < 0 else 1), texts[k], ha="center",
                    va="top" if value < 0 else "bottom", fontsize=11)
        ax.axhline(0, color=draw.BLACK, lw=0.8)
        ax.set(title=title, xticks=range(3), xticklabels=["class 0", "class 1\n(label)", "class 2"], yticks=[],
               ylim=(min(-0.02 * reach, values.min() - 0.25 * reach), values.max() + 0.25 * reach))
        ax.spines[["left", "bottom"]].set_visible(False)
        ax.tick_params(bottom=False)
    return figure


def costs(p, losses, slopes):
    """Two losses of the probability of the true class, and their gradients for its score."""
    figure, axes = draw.panels(1, 2, height=3.0)
    for (name, values), color, style in zip(losses.items(), (draw.BLUE, draw.RED), draw.LINES, strict=False):
        axes[0, 0].plot(p, values, style, color=color, lw=2, label=name)
        axes[0, 1].plot(p, slopes[name], style, color=color, lw=2, label=name)
    for known, text in ((1 / 7, "ln 7 = 1.95"), (2 / 7, "ln 7/2 = 1.25"), (4 / 7, "ln 7/4 = 0.56")):
        axes[0, 0].plot(known, -np.log(known), "o", color=draw.BLACK)
        axes[0, 0].annotate(text, (known, -np.log(known)), (8, 3), textcoords="offset points")
    axes[0, 0].set(xlabel="probability p of the true class", title="what the pixel pays", ylim=(0, 6))
    axes[0, 1].set(xlabel="probability p of the true class", title="gradient for the true class's score")
    axes[0, 1].annotate("here the net is\nmost wrong", (0.005, -0.02), (0.02, -0.52), arrowprops={"arrowstyle": "->"})
    for ax in axes[0]:
        ax.legend(frameon=False, loc="upper right" if ax is axes[0, 0] else "lower right")
    return figure


def depth(forward, backward):
    """{name: size of the numbers layer by layer}, forwards and backwards, for each way to draw the weights."""
    figure, axes = draw.panels(1, 2, height=3.3, sharey=True)
    looks = zip((draw.RED, draw.BLUE, draw.BLACK), ("--", "-", ":"), "vos", strict=True)
    for name, (color, style, marker) in zip(forward, looks, strict=False):
        for ax, sizes in ((axes[0, 0], forward[name]), (axes[0, 1], backward[name])):
            ax.plot(range(len(sizes)), sizes, style, marker=marker, color=color, lw=1.8, ms=5, label=name)
    for ax in axes[0]:
        ax.set(yscale="log", xticks=range(9))
        ax.axhline(1, color="0.8", lw=0.8, zorder=0)
    axes[0, 0].set(title="forwards: the maps", xlabel="after layer", ylabel="root mean square")
    axes[0, 1].set(title="backwards: their gradients", xlabel="gradient of the map after layer")
    axes[0, 0].legend(frameon=False, loc="upper left")
    return figure


def valley(paths, curvature, values):
    """Steps down a narrow valley, seen from above, and the height against the step."""
    figure, axes = draw.panels(2, 2, height=5.6)
    looks = list(zip((draw.BLUE, draw.BLACK, draw.RED), ("-", "--", ":"), "o^s", strict=True))
    for ax, (name, path), (color, _, marker) in zip(axes.ravel(), paths.items(), looks, strict=False):
        across = max(1.5, 1.05 * np.abs(path[:, 1]).max())
        x, y = np.meshgrid(np.linspace(-9, 11.5, 120), np.linspace(-across, across, 120))
        height = (curvature[0] * x**2 + curvature[1] * y**2) / 2
        ax.contour(x, y, height, levels=np.geomspace(0.5, max(150, height.max()), 9), colors="0.75", linewidths=0.8)
        ax.plot(*path.T, "-", marker=marker, color=color, lw=1.1, ms=3.5)
        ax.plot(*path[0], "o", color=draw.BLACK, ms=7)
        ax.plot(0, 0, "*", color=draw.BLACK, ms=11)
        ax.set(title=name, xlabel="$w_0$ (along the valley)", ylabel="$w_1$ (across)", xlim=(-9, 11.5),
               ylim=(-across, across))
    ax = axes[1, 1]
    for (name, height), (color, style, _), at in zip(values.items(), looks, (60, 60, 25), strict=True):
        ax.plot(height, style, color=color, lw=2)
        ax.annotate(name.replace(", ", ",\n"), (at, height[at]), (6, 0), textcoords="offset points",
                    va="center", fontsize=9)
    ax.set(yscale="log", xlabel="step", ylabel="height", title="how far down?", ylim=(1e-2, 3e4), xlim=(0, 60))
    return figure


def curves(losses, guess, title="", top=3.2):
    """{name: losses}, one line each, with what guessing costs."""
    figure, axes = draw.panels(1, 1, width=8, height=3.4)
    ax = axes[0, 0]
    looks = zip((draw.BLUE, draw.ORANGE, draw.BLACK, draw.RED), ("-", "--", ":", "-."), strict=True)
    for (name, values), (color, style) in zip(losses.items(), looks, strict=False):
        ax.plot(values, style, color=color, lw=2, label=name)
    ax.axhline(guess, color="0.6", lw=1)
    ax.text(1.0, guess, " guessing:\n ln 7 = 1.946", transform=ax.get_yaxis_transform(), va="center", fontsize=9)
    ax.set(xlabel="step", ylabel="mean loss", title=title, ylim=(0, top))
    ax.set_xlim(0)
    ax.xaxis.get_major_locator().set_params(integer=True)
    if len(losses) > 1:
        ax.legend(frameon=False, loc="upper right", ncols=1)
    return figure


def before_after(images, labels, maps, classes, colors):
    """{step: labels (N,H,W) as predicted then}, one row an image, between the picture and the truth."""
    figure, axes = draw.panels(len(images), 2 + len(maps), height=1.2 * len(images) + 0.45)
    for n, row in enumerate(axes):
        draw.picture(row[0], images[n], "the picture" if n == 0 else "")
        for ax, (step, predicted) in zip(row[1:], maps.items(), strict=False):
            draw.labels(ax, predicted[n], colors, f"step {step}" if n == 0 else "")
        draw.labels(row[-1], labels[n], colors, "the truth" if n == 0 else "")
    draw.legend(figure, classes, colors)
    return figure


def outlined(image, labels, predictions, colors):
    """The truth and {title: predicted labels}, each laid over the picture."""
    from minifcn.overlay import overlay

    figure, axes = draw.panels(1, 1 + len(predictions), height=2.5)
    for ax, (title, shown) in zip(axes[0], ({"the truth": labels} | predictions).items(), strict=True):
        draw.picture(ax, overlay(image, shown, colors), title)
    return figure

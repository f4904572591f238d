"""Drawings of lesson 00: pictures and their names, and what lies between."""
from pathlib import Path

import numpy as np
from matplotlib.cbook import get_sample_data
from matplotlib.patches import Patch, Rectangle

from lessons import draw
from minifcn.datasets import harbour
from minifcn.metrics import IGNORE
from minifcn.overlay import lit, overlay


def named(image, labels, model):
    """A picture, and the same tinted by class."""
    figure, axes = draw.panels(1, 2, width=9, height=4.5)
    draw.picture(axes[0, 0], image, "the picture")
    draw.picture(axes[0, 1], overlay(image, labels, model.colors), "the name of every pixel (background: not tinted)")
    # large patches: a notebook's figure has 256 colours, and of two small patches alike both may be given one
    patches = [Patch(facecolor=np.array(model.colors[k]) / 255, edgecolor="0.4", label=model.classes[k])
               for k in np.unique(labels) if k]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches) or 1, frameon=False, handlelength=4.5,
                  handleheight=1.8)
    return figure


def three_nets(image, truth, guesses, dataset):
    figure, axes = draw.panels(2, 3, width=9, height=5.9)
    draw.picture(axes[0, 0], image, "the picture")
    draw.labels(axes[0, 1], truth, dataset.colors, "the truth (pale: void)")
    draw.bare(axes[0, 2])
    axes[0, 2].text(0.5, 0.5, "below\n\ndark: right, or void\nbright: wrong, in the colour\nof the wrong name\n"
                    "(grey: background)", ha="center", va="center", fontsize=11)
    for place, (name, guess) in zip(axes[1], guesses.items(), strict=True):
        draw.picture(place, lit(guess, truth, dataset.colors), f"FCN-{name}")
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def scores_by_hand(scores, names):
    figure, axes = draw.panels(1, 4, width=9, height=2.8)
    for place, some, name in zip(axes[0], scores, names, strict=False):
        draw.numbers(place, some, f"scores of {name}", size=14)
    draw.numbers(axes[0, 3], np.zeros((2, 2)), "names: yours", form="?", size=14)
    return figure


def as_numbers(image, part, corner):
    """A picture with a frame, and what is in the frame with the amount of red."""
    figure, axes = draw.panels(1, 2, width=9, height=3.9, width_ratios=(1, 1.25))
    draw.picture(axes[0, 0], image, "the picture: 128 x 160 pixels")
    (top, left), (height, width) = corner, part.shape[:2]
    for color, line in (("white", 4), ("black", 1.6)):
        axes[0, 0].add_patch(Rectangle((left - 0.5, top - 0.5), width, height, fill=False, ec=color, lw=line))
    draw.numbers(axes[0, 1], part[:, :, 0], "in the frame: how much red, 0 to 255", form="{:d}",
                 colors=part / 255, size=9)
    return figure


def shrinking(image, maps, names):
    """The liveliest maps of some layers, all drawn at one size."""
    figure, axes = draw.panels(3, len(names), width=9, height=4.9)
    for column, name in zip(axes.T, names, strict=True):
        features = maps[name][0]
        _, height, width = features.shape
        chosen = np.argsort(-features.std(axis=(1, 2)))[:3]
        for place, k in zip(column, chosen, strict=True):
            draw.picture(place, features[k])
        column[0].set_title(f"{name}: {len(features)} maps\nof {height} x {width}")
    return figure


def head(steps, dataset):
    """Scores of every class at every step, and the names they give."""
    classes = len(dataset.classes)
    figure, axes = draw.panels(len(steps), classes + 1, width=9, height=4.9)
    for row, scores in zip(axes, steps, strict=True):
        limit = np.abs(scores).max() / 2  # the largest are far below 0: they may fade out
        for place, some in zip(row, scores[0], strict=False):
            draw.picture(place, some, cmap="PuOr_r", vmin=-limit, vmax=limit)
        draw.labels(row[-1], scores[0].argmax(axis=0).astype(np.uint8), dataset.colors)
        row[0].set_ylabel(f"{scores.shape[2]} x {scores.shape[3]}", fontsize=9.5)
    for place, name in zip(axes[0], (*dataset.classes, "names"), strict=True):
        place.set_title(name, fontsize=9.5)
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def covered(pictures, names, share, dataset):
    """Pictures with something covered, and their names below, {part: ...} each."""
    figure, axes = draw.panels(2, len(pictures), width=9, height=4.4)
    for column, part in zip(axes.T, pictures, strict=True):
        whom = "him" if part == "nothing" else "the rest"
        draw.picture(column[0], pictures[part], f"{part} covered: {100 * share[part]:.0f} %\nof {whom} is person")
        draw.labels(column[1], names[part], dataset.colors)
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def sizes(truths, guesses, dataset):
    """What a net says of one scene in several sizes, errors lit."""
    figure, axes = draw.panels(1, len(truths), width=9, height=4.3)
    for place, truth, guess in zip(axes[0], truths, guesses, strict=True):
        share = np.mean((guess == truth)[truth != IGNORE])
        height, width = truth.shape
        draw.picture(place, lit(guess, truth, dataset.colors),
                     f"{height} x {width} pixels: {100 * share:.0f} % right (bright: wrong)")
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def sample():
    """Where the portrait lies that comes with matplotlib; a scene of Harbour where matplotlib came without it."""
    portrait = Path(get_sample_data("grace_hopper.jpg", asfileobj=False))
    if portrait.exists():
        return portrait
    print("This matplotlib came without the portrait that the text below speaks of: here is a harbour instead.")
    return harbour.root() / "JPEGImages" / "harbour_250.jpg"


def fresh(image, truth, guess, dataset):
    figure, axes = draw.panels(1, 3, width=9, height=3.2)
    share = np.mean((guess == truth)[truth != IGNORE])
    draw.picture(axes[0, 0], image, "never seen before")
    draw.labels(axes[0, 1], truth, dataset.colors, "the truth")
    draw.picture(axes[0, 2], lit(guess, truth, dataset.colors), f"FCN-8s: {100 * share:.0f} % right (bright: wrong)")
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure


def failing(scenes, guesses, dataset):
    figure, axes = draw.panels(3, 3, width=9, height=7.6)
    for row, (image, truth), guess in zip(axes, scenes, guesses, strict=True):
        draw.picture(row[0], image)
        draw.labels(row[1], truth, dataset.colors)
        draw.picture(row[2], lit(guess, truth, dataset.colors))
    for place, title in zip(axes[0], ("vests in boats", "the truth", "FCN-8s (bright: wrong)"), strict=True):
        place.set_title(title)
    draw.legend(figure, dataset.classes, dataset.colors)
    return figure

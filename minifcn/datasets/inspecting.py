"""Looking at a data set in VOC layout before a net does: figures, a picture, and everything wrong with it."""
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageOps

from minifcn.datasets import voc
from minifcn.datasets.voc import PARTS, VOCSegmentation
from minifcn.errors import InputError
from minifcn.images import nearest, resize
from minifcn.metrics import IGNORE, ConfusionMatrix, resolution_bound
from minifcn.overlay import PAPER, beside, caption, flat, legend, overlay, percent, stack
from minifcn.palette import VOID_COLOR

FACTORS = (32, 16, 8)  # steps of fcn32s, fcn16s, fcn8s
BOUND_IMAGES = 50  # enough to choose a net by
SHOWN, PANEL, GAP = 4, 420, 8  # images in the picture; the longer side of each, and what is between, in pixels
CLOSE = 0.03  # mean IU that is not worth a finer net
HARD = 0.7  # a class whose bound is below this gets a line


class Seen(NamedTuple):
    """What one image and its mask hold; problem instead where they cannot be used."""

    size: tuple = None  # (H, W)
    counts: np.ndarray = None  # (256,) pixels of every value
    palette: tuple = None
    problem: str = None


def inspect(root, split=None, out=None, say=print):
    """Say what the data set holds and what is wrong with it, and draw some of it; InputError if anything is wrong.

    All splits together unless one is named. The picture is inspect-<folder>.png here unless `out` names another.
    """
    from tqdm import tqdm

    root = voc.find_root(root)
    classes = voc.read_classes(root)
    lists, problems = read_lists(root)
    if split is not None:
        voc.read_split(root, split)
    names = list(dict.fromkeys(name for each in ([split] if split else lists) for name in lists[each]))
    if not names:
        raise InputError(f"{root / PARTS[2]}: no split lists any image")
    data = VOCSegmentation(root, split or next(name for name in lists if lists[name]), ids=names)
    with tqdm(total=len(data), desc="reading", disable=None, leave=False) as bar:
        seen = data.each(lambda i: look(data, i), progress=bar.update)
    problems += [one.problem for one in seen if one.problem]
    good = [i for i, one in enumerate(seen) if not one.problem]

    say(f"{root}: {len(classes)} classes; " + ", ".join(f"{name} {len(ids)}" for name, ids in lists.items()))
    if good:
        say(sizes([seen[i].size for i in good]))
        counts = np.array([seen[i].counts for i in good])
        if not counts[:, 1:IGNORE].any() and counts[:, IGNORE].any():
            problems.append(f"{root / PARTS[1]}: masks of only 0 and {IGNORE}, and {IGNORE} is ignored; "
                            f"python -m minifcn.datasets import SRC OUT --foreground {IGNORE}")
        table(data, counts, bounds(data, good), say)
        for line in remarks(data, lists, {data.ids[i]: seen[i] for i in good}):
            say(f"note: {line}")
        out = Path(out or f"inspect-{root.resolve().name}.png")
        chosen = voc.cover(counts[:, :len(classes)] > 0, SHOWN, seed=0)
        save(picture(data, [good[k] for k in chosen]), out)
        say(f"picture: {out}")
    for line in problems:
        say(f"wrong: {line}")
    if problems:
        raise InputError(f"{root}: {len(problems)} thing{'s'[:len(problems) != 1]} wrong, listed above")
    say("nothing wrong")


def read_lists(root):
    """{split: IDs without repetition}, in the order in which they are used, and what is wrong with the lists."""
    lists, problems = {}, []
    order = {name: k for k, name in enumerate(("train", "val", "trainval"))}
    for name in sorted(voc.split_names(root), key=lambda name: (order.get(name, len(order)), name)):
        try:
            voc.read_split(root, name)
        except InputError as error:
            problems.append(str(error))
        lists[name] = list(dict.fromkeys(voc.read_lines(root / PARTS[2] / f"{name}.txt")))
    for name in ("train", "val"):
        if name not in lists:
            problems.append(f"{root / PARTS[2] / name}.txt: missing; training needs train.txt and val.txt")
    if both := set(lists.get("train", ())) & set(lists.get("val", ())):
        problems.append(f"{root / PARTS[2]}: {len(both)} images are in train and in val ({min(both)}): "
                        "validation would be too good")
    return lists, problems


def look(data, i):
    try:
        labels = data[i][1]
        with Image.open(data.label_path(i)) as mask:
            palette = tuple(mask.getpalette()[:3 * len(data.classes)]) if mask.mode == "P" else None
    except InputError as error:
        return Seen(problem=str(error))
    return Seen(labels.shape, np.bincount(labels.ravel(), minlength=256), palette)


def sizes(shapes):
    (low_h, low_w), (high_h, high_w) = np.min(shapes, axis=0), np.max(shapes, axis=0)
    if (low_h, low_w) == (high_h, high_w):
        return f"{len(shapes)} image{'s'[:len(shapes) != 1]} of {low_w} x {low_h} pixels"
    return f"{len(shapes)} images, {low_w} to {high_w} pixels wide, {low_h} to {high_h} high"


def bounds(data, good):
    """{step: confusion matrix of the truth, resampled in cells of that size}, over evenly chosen images."""
    matrices = {factor: ConfusionMatrix(len(data.classes)) for factor in FACTORS}
    for i in np.unique(np.linspace(0, len(good) - 1, BOUND_IMAGES).astype(int)):
        labels = data.labels(good[i])
        for factor, matrix in matrices.items():
            matrix.update(resolution_bound(labels, len(data.classes), factor), labels)
    return matrices


def table(data, counts, matrices, say):
    """One line a class: its pixels, its images, and the IU of the truth itself in cells of 32, 16, 8 pixels."""
    width = max(10, *map(len, data.classes))
    say(f"\n{'':{width + 4}}{'pixels':>10}{'images':>9}   IU in cells of " + "".join(f"{f:6d}" for f in FACTORS))
    shares, images = counts.sum(axis=0) / counts.sum(), (counts > 0).sum(axis=0)
    for k, name in [*enumerate(data.classes), (IGNORE, "ignored")]:
        best = [matrices[f].iu[k] for f in FACTORS] if k != IGNORE else []
        figures = "".join("     -" if np.isnan(value) else f"{value:6.2f}" for value in best)
        say(f"{k:3d} {name:{width}}{percent(shares[k]):>10}{images[k]:9d}{'':18}{figures}".rstrip())
    say(f"{'':4}{'mean IU':{width}}{'':37}" + "".join(f"{matrices[f].mean_iu:6.2f}" for f in FACTORS))
    say("\n" + advice({f: matrices[f].mean_iu for f in FACTORS}))
    finest = np.nan_to_num(matrices[8].iu, nan=1)
    if finest.min() < HARD:
        say(f"Thin or small even for step 8: {data.classes[finest.argmin()]}, of which the truth itself keeps "
            f"{finest.min():.2f}. Larger images would help; do not shrink these (--max-side).")
    say("")


def advice(bound):
    """Which net do my objects need? {step: mean IU of the truth in such cells} -> a sentence."""
    reach = ", ".join(f"fcn{f}s {bound[f]:.2f}" for f in FACTORS)
    net = next(f for f in FACTORS if bound[f] >= bound[8] - CLOSE)
    why = {32: "your objects are large, fcn32s is fine enough", 16: "fcn16s is fine enough, fcn32s too coarse",
           8: "your objects need fcn8s"}[net]
    return f"Which net? The truth itself, in cells as coarse as theirs, scores {reach}: {why}."


def remarks(data, lists, seen):
    """What may be meant but deserves a look."""
    where = defaultdict(list)
    for split, ids in lists.items():
        counts = sum((seen[name].counts for name in ids if name in seen), np.zeros(256, int))
        for k, name in enumerate(data.classes):
            where[name] += [split] * bool(counts[k])
    if never := [name for name in data.classes if not where[name]]:
        yield f"in no mask: {', '.join(never)}"
    unlearned = [name for name in data.classes if "val" in where[name] and "train" not in where[name]]
    if unlearned and all(name in seen for name in lists.get("train", ())):  # with --split val nobody looked
        yield f"in val but not in train, so it cannot be learned: {', '.join(unlearned)}"
    palettes = defaultdict(list)
    for name, one in seen.items():
        palettes[one.palette].append(name)
    if len(palettes) > 1:
        odd = min(palettes.values(), key=len)
        yield (f"the masks have {len(palettes)} different palettes ({odd[0]}.png has another than most): "
               "do equal numbers mean equal classes?")
    listed = {name for ids in lists.values() for name in ids}
    if loose := sorted({path.stem for path in (data.root / PARTS[1]).glob("*.png")} - listed):
        yield f"masks in no list: {len(loose)} ({loose[0]}.png ...)"


def picture(data, chosen):
    """Rows of image, mask and overlay, and what the colours mean: a PIL image."""
    background = data.classes.index("background") if "background" in data.classes else None
    rows, present = [beside([caption(name, PANEL) for name in ("image", "mask", "overlay")], GAP)], set()
    for i in chosen:
        image, labels = data[i]
        present |= set(np.unique(labels).tolist())
        scale = PANEL / max(labels.shape)
        height, width = (max(1, round(scale * side)) for side in labels.shape)
        name = f"{data.ids[i]}, {labels.shape[1]} x {labels.shape[0]}"
        image = resize(image, height, width)
        labels = nearest(labels, height, width)
        panels = (image, flat(labels, data.colors), overlay(image, labels, data.colors, background=background))
        frames = [ImageOps.pad(Image.fromarray(panel), (PANEL, height), color=PAPER) for panel in panels]
        rows += [beside(frames, GAP), caption(name, 3 * PANEL + 2 * GAP)]
    entries = [([data.colors[k]], name) for k, name in enumerate(data.classes) if k in present]
    entries += [([VOID_COLOR], "ignored")] if IGNORE in present else []
    return ImageOps.expand(stack([*rows, legend(entries, 3 * PANEL + 2 * GAP)], GAP), GAP, PAPER)


def save(image, path):
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except (OSError, ValueError) as error:  # ValueError: a suffix that is no image's
        raise InputError(f"{path}: cannot be written ({error})") from error

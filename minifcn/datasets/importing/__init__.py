"""Turning data sets as people have them into VOC layout: labelme, CVAT, COCO, or folders of images and masks."""
import os
import shutil
from pathlib import Path

import numpy as np

from minifcn.datasets.importing import coco, common, folders, labelme
from minifcn.datasets.voc import PARTS, repeated
from minifcn.errors import InputError
from minifcn.images import opened, read_image
from minifcn.palette import distinct_colors, write_label_png

LOOKED_FOR = (
    "labelme JSON, COCO annotations, CVAT's segmentation masks (labelmap.txt, SegmentationClass/, JPEGImages/), "
    "labelme's VOC export (class_names.txt), images/ with masks/"
)


def import_folder(src, out, *, foreground=None, seed=0, val_share=0.2, classes=None, say=print):
    """Write `src` in VOC layout to the folder `out`, which must be empty or not there. Says what it found and did.

    Masks are never resampled. Images that are no JPEG or PNG are written as PNG, others copied as they are. A training
    and a validation set of the source are kept; otherwise a share is drawn for validation by seed.
    """
    src, out = Path(src).expanduser(), Path(out).expanduser()
    if not 0 < val_share < 1:
        raise InputError(f"--val-share {val_share}: a share between 0 and 1")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out}: exists already; name a new folder")
    source = recognise(src, common.read_classes(classes), foreground)
    say(f"{src}: {source.kind}, {len(source.items)} images, {len(source.classes)} classes")
    splits, note = divide(source.items, seed, val_share)
    for line in [*source.notes, *note]:
        say(f"note: {line}")
    draft = out.with_name(f".{out.name}.{os.getpid()}.tmp")  # renamed when whole: there is never half an import
    try:
        pixels, seen = write(source, splits, draft)
        if out.exists():
            out.rmdir()
        draft.rename(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    summarise(source, splits, pixels, seen, out, say)


def recognise(src, chosen, foreground):
    """Find out what src is, and read it -> Source."""
    if src.is_file() and src.suffix.lower() == ".json":
        files, folder = [src], src.parent.parent if src.parent.name == "annotations" else src.parent
    elif src.is_dir():
        files, folder = common.visible(src, {".json"}), src
    else:
        raise InputError(f"{src}: {'no folder; unpack it first' if src.exists() else 'no such folder'}")
    documents = {labelme: [], coco: []}
    for path in files:
        data = common.load_json(path)
        if labelme.recognises(data):
            documents[labelme].append((path, labelme.without_image(data)))
        elif coco.recognises(data):
            documents[coco].append((path, data))
    found = [kind for kind, some in documents.items() if some]
    mask_folder = folders.find(src)[1]
    if len(found) + bool(mask_folder) > 1:
        seen = [*(documents[kind][0][0] for kind in found), *([mask_folder] if mask_folder else [])]
        raise InputError(f"{src}: annotations of several kinds ({' and '.join(map(str, seen))}); which is meant? "
                         "Move the others away, or name the JSON file or its folder")
    if mask_folder:
        return folders.read(src, chosen, foreground)
    if not found:
        raise InputError(f"{src}: no annotations that are known here. Looked for {LOOKED_FOR}")
    if foreground is not None:
        raise InputError("--foreground is for folders of masks; these are outlines")
    return found[0].read(documents[found[0]], common.Photographs(folder), chosen)


def divide(items, seed, val_share):
    """-> {split: positions of its items}, and notes."""
    given = {item.split for item in items}
    if {"train", "val"} <= given and None not in given:
        splits = {name: [k for k, item in enumerate(items) if item.split == name] for name in sorted(given)}
        return splits, ["kept the training and validation sets of the source; --val-share and --seed have no effect"]
    if len(items) < 2:
        raise InputError(f"{len(items)} image with labels; at least 2 are needed, to train and to validate")
    count = min(max(1, round(val_share * len(items))), len(items) - 1)
    val = np.sort(np.random.default_rng(seed).permutation(len(items))[:count])
    return {"train": np.setdiff1d(np.arange(len(items)), val), "val": val}, []


def ids(items):
    """The names of the files, with those of their folders before them where names alone are not unique."""
    names = [item.path.stem for item in items]
    if repeated(name.lower() for name in names):
        top = os.path.commonpath([item.path.parent for item in items])
        names = ["_".join(item.path.relative_to(top).with_suffix("").parts) for item in items]
    names = ["_".join(name.split()) for name in names]
    if twice := repeated(name.lower() for name in names):
        raise InputError(f"two images would be called {twice[0]}; rename one")
    return names


def write(source, splits, folder):
    """The data set in VOC layout -> pixels of every class (256,) and images with it (256,)."""
    from tqdm import tqdm

    for part in PARTS:
        (folder / part).mkdir(parents=True)
    colors = source.colors if source.colors is not None else distinct_colors(len(source.classes))
    pixels, seen = np.zeros(256, np.int64), np.zeros(256, np.int64)
    names = ids(source.items)
    for name, item in zip(tqdm(names, "importing", disable=None, leave=False), source.items, strict=True):
        labels = item.labels()
        save_image(item.image(), labels.shape, folder / PARTS[0] / name)
        write_label_png(folder / PARTS[1] / f"{name}.png", labels, colors)
        counts = np.bincount(labels.ravel(), minlength=256)
        pixels, seen = pixels + counts, seen + (counts > 0)
    (folder / "classes.txt").write_text("\n".join(source.classes) + "\n", encoding="utf-8")
    for split, some in {**splits, "trainval": sorted([*splits["train"], *splits["val"]])}.items():
        text = "".join(f"{names[k]}\n" for k in some)
        (folder / PARTS[2] / f"{split}.txt").write_text(text, encoding="utf-8")
    return pixels, seen


def save_image(image, size, target):
    """Copy a photograph that fits its mask and can be read to the end."""
    from PIL import Image

    rgb = read_image(image, size)
    with opened(image) as file:
        suffix = {"JPEG": ".jpg", "MPO": ".jpg", "PNG": ".png"}.get(file.format)
    target = target.with_name(target.name + (suffix or ".png"))
    if suffix is None:
        Image.fromarray(rgb).save(target)
    else:
        target.write_bytes(image.getvalue() if isinstance(image, common.Embedded) else Path(image).read_bytes())


def summarise(source, splits, pixels, seen, out, say):
    say(f"wrote {out}: " + ", ".join(f"{len(some)} {name}" for name, some in splits.items()))
    width = max(map(len, source.classes))
    for k, name in enumerate(source.classes):
        say(f"  {k:3d} {name:{width}}  {pixels[k] / pixels.sum():7.2%} of the pixels, in {seen[k]} images")
    say(f"  255 {'ignored':{width}}  {pixels[255] / pixels.sum():7.2%} of the pixels, in {seen[255]} images")
    say(f"look at it:   python -m minifcn.datasets inspect {out}")
    say(f"train on it:  python -m minifcn.train --data {out}")

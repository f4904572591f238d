"""Tiny data sets in VOC layout, and the commands run as people run them: what the tests of the commands share."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from minifcn import cli
from minifcn.palette import write_label_png

CLASSES = ("ground", "disc", "bar")
COLORS = np.array([[20, 60, 20], [240, 200, 40], [60, 90, 250]], np.uint8)  # a class is its colour: easily learned
SIZES = ((33, 41), (41, 33), (37, 45), (29, 39))


def scene(seed, height=33, width=41):
    """A disc and a bar on the ground, noise over all, a void border around: image (H,W,3), labels (H,W), uint8."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    away = np.hypot(rows - height * rng.uniform(0.3, 0.7), columns - width * rng.uniform(0.2, 0.5))
    left = round(width * rng.uniform(0.65, 0.75))
    labels[:, left:left + 7] = 2
    labels[away < 11] = 255
    labels[away < 10] = 1
    image = COLORS[np.where(labels == 255, 0, labels)] + rng.integers(0, 15, (height, width, 3), dtype=np.uint8)
    return image, labels


def folder(root, train=4, val=2, classes=CLASSES, sizes=SIZES):
    """Scenes in VOC layout, t0, t1, ... for training and v0, v1, ... for validation, of differing odd sizes."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for split, count in (("train", train), ("val", val)):
        names = [f"{split[0]}{k}" for k in range(count)]
        for k, name in enumerate(names):
            image, labels = scene(1000 * (split == "val") + k, *sizes[k % len(sizes)])
            Image.fromarray(image).save(root / f"JPEGImages/{name}.png")
            write_label_png(root / f"SegmentationClass/{name}.png", labels, COLORS)
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(names) + "\n")
    (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


def run(command, *argv):
    """The exit status of a command, in this process: `command` is its module."""
    with pytest.raises(SystemExit) as end:
        cli.run(lambda: command.main([str(word) for word in argv]))
    return end.value.code or 0


def start(module, *argv, **options):
    """A command in a process of its own, its output piped."""
    return subprocess.Popen([sys.executable, "-W", "error", "-m", f"minifcn.{module}", *map(str, argv)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)

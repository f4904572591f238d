"""Tiny data sets in VOC layout, and the commands run as people run them: what the tests of the commands share."""
import io
import os
import subprocess
import sys
from collections import namedtuple
from contextlib import redirect_stderr, redirect_stdout

import numpy as np
import pytest
from PIL import Image

from minifcn import backend, checkpoint, cli
from minifcn.model import Model
from minifcn.nets import build
from minifcn.palette import voc_colors, write_label_png

CLASSES = ("ground", "disc", "bar")
COLORS = np.array([[20, 60, 20], [240, 200, 40], [60, 90, 250]], np.uint8)  # a class is its colour: easily learned
SIZES = ((33, 41), (41, 33), (37, 45), (29, 39))
Result = namedtuple("Result", "status out err")


def scene(seed, height=33, width=41):
    """A disc in a ring of void and a bar on the ground, under noise: image (H,W,3), labels (H,W), uint8."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((height, width), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    left = round(width * rng.uniform(0.65, 0.75))
    labels[:, left:left + width // 6] = 2
    away = np.hypot(rows - height * rng.uniform(0.3, 0.7), columns - width * rng.uniform(0.2, 0.5))
    radius = 0.3 * height
    labels[away < radius + 1] = 255
    labels[away < radius] = 1
    image = COLORS[np.where(labels == 255, 0, labels)] + rng.integers(0, 6, (height, width, 3), dtype=np.uint8)
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


def no_gpu():
    """Why commands run on the CPU here, where runs are the same to the bit."""
    return "the tests want none"


def run(command, *argv):
    """A command in this process, as its module's last line runs it: Result(status, out, err)."""
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8") for _ in range(2))
    before = dict(backend._settings)
    try:
        with redirect_stdout(out), redirect_stderr(err), pytest.MonkeyPatch.context() as patch:
            patch.setattr(backend, "gpu_problem", no_gpu)
            with pytest.raises(SystemExit) as end:
                cli.run(lambda: command.main([str(word) for word in argv]))
    finally:
        backend._settings.update(before)  # --threads is for this run alone
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode())
    return Result(end.value.code or 0, *texts)


def done(command, *argv):
    """What a command prints that must succeed, with nothing on stderr but its own warnings."""
    result = run(command, *argv)
    assert result.status == 0 and all(line.startswith("warning: ") for line in result.err.splitlines()), result
    return result.out


def refused(command, *argv):
    """The message of a command that must refuse: one line on stderr, status 2, no traceback, no warning."""
    result = run(command, *argv)
    assert result.status == 2, result
    assert result.err.startswith("error: ") and result.err.endswith("\n") and result.err.count("\n") == 1, result.err
    return result.err[len("error: "):-1]


def process(module, *argv, **options):
    """A command in a process of its own, its output piped."""
    options["env"] = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    return subprocess.Popen([sys.executable, "-m", f"minifcn.{module}", *map(str, argv)], text=True,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def weights(path):
    """{name: array} of a checkpoint."""
    return checkpoint.read(path).params


def assert_same_bits(mine, other):
    """Two dicts of arrays: the same names, and the same bits in each."""
    assert mine.keys() == other.keys()
    for name, value in mine.items():
        assert value.dtype == other[name].dtype and value.tobytes() == other[name].tobytes(), name


def random_model(name="fcn8s", seed=0, max_side=None, classes=CLASSES):
    """A Model whose weights and biases are all random: none of its layers gives 0."""
    rng = np.random.default_rng(seed)
    net = build(name, "mini", len(classes))
    for key, value in net.params.items():
        if not net.fixed(key):
            value[...] = rng.standard_normal(value.shape) * (2 / np.prod(value.shape[1:])) ** 0.5
    return Model(net, {"classes": list(classes), "colors": voc_colors(len(classes)).tolist(), "max_side": max_side,
                       "net": name})

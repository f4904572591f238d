"""python -m lessons.broken [RUN ...]: the runs of lesson 11, a healthy one and seven with one wrong line each.

The program is the five pieces from `load` to `score`, the same that stand in the lesson. A mistake is a line of its
text, exchanged before it is compiled; everything else, the order of the images included, is the same in every run.
"""
import argparse
import inspect
import json
import sys
import time
import warnings
from pathlib import Path

import numpy as np
from PIL import Image

import minifcn
from minifcn.backend import single_threaded_blas
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.layers import Conv2d
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import build
from minifcn.nets.surgery import convolutional
from minifcn.ops import conv2d_backward, softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.im2col import conv_size, taps
from minifcn.optim import SGD

RUNS = Path(__file__).parent / "runs"
PICTURES = (46, 8)   # validation images whose labels are kept,
KEPT = (4, 10)       # after these epochs


def load(split):
    """Harbour at three quarters of its size: x (N,3,96,120) float32, labels (N,96,120) uint8, 255 void."""
    data, images, labels = VOCSegmentation(harbour.root(), split), [], []
    for image, truth in (data[i] for i in range(len(data))):
        images.append(np.array(Image.fromarray(image).resize((120, 96), Image.Resampling.BILINEAR)))
        stored = Image.fromarray(truth + np.uint8(1))  # as many data sets store it: 0 void, 1 background, 2 boat, ...
        small = np.array(stored.resize((120, 96), Image.Resampling.NEAREST))
        labels.append(small - np.uint8(1))  # uint8: 0 - 1 is 255 again
    mean = np.float32((128, 128, 128))  # red, green, blue, as the classifier has learned them
    x = (np.stack(images) - mean) / 64
    return x.transpose(0, 3, 1, 2), np.stack(labels)


def col2im(cols, x_shape, k, stride, pad):
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for i, j, rows, columns in taps(k, stride, 1, u, v):
        xpad[:, :, rows, columns] += cols[:, :, i, j]
    return xpad[:, :, pad:pad + height, pad:pad + width]


class ByHand(Conv2d):
    """A layer of the library that hands its gradient down by our own col2im."""

    def __init__(self, layer):
        vars(self).update(vars(layer))

    def _backward(self, dy, cache):
        x, w = cache[:2]
        _, dw, db = conv2d_backward(dy, cache, need_dx=False)
        self.grads = {"w": dw, "b": db}
        if self.need_dx:  # dX = col2im(W.T @ dY)
            dcols = w.reshape(len(w), -1).T @ dy.reshape(*dy.shape[:2], -1)
            return col2im(dcols, x.shape, self.kernel, self.stride, self.pad)


def train(x, labels, batch=8, rate=0.04, seed=0):
    """Yields (net, losses of all its steps) after every epoch."""
    stages = (("fcn32s", 4), ("fcn16s", 3), ("fcn8s", 3))  # each starts from what the one before learned
    before = convolutional(minifcn.load("harbour-classifier").net)
    before = {name: w for name, w in before.items() if not name.startswith("score")}  # scores start at zero
    rng, step, steps = np.random.default_rng(seed), 0, len(x) // batch * sum(epochs for _, epochs in stages)
    for name, epochs in stages:
        net = build(name, classes=7)
        net.load(before)
        net.body.layers.update({k: ByHand(conv) for k, conv in net.body.layers.items() if isinstance(conv, Conv2d)})
        optimizer = SGD(net.params, rate, momentum=0.9)
        for _ in range(epochs):
            losses = []
            for some in rng.permutation(len(x)).reshape(-1, batch):
                scores = net.forward(x[some], train=True)
                loss, cache = softmax_cross_entropy(scores, labels[some], reduction="mean")
                net.backward(softmax_cross_entropy_backward(cache))
                optimizer.lr = rate * min(1, (steps - step) / 100)  # over the last hundred steps it goes down to 0
                optimizer.step(net.grads)
                losses.append(float(loss))
                step += 1
            yield net, losses
        before = net.params


def score(net, x, labels):
    """The labels that the net gives, its loss, the IU of every class and their mean."""
    batches = [slice(i, i + 4) for i in range(0, len(x), 4)]
    scores = np.concatenate([net.forward(x[some]) for some in batches])
    named = scores.argmax(axis=1).astype(np.uint8)
    loss, _ = softmax_cross_entropy(scores, labels)
    iu = ConfusionMatrix(7).update(named, labels).iu
    mean_iu = ConfusionMatrix(7).update(named, labels).mean_iu
    return named, float(loss), iu, mean_iu


PROGRAM = (load, col2im, ByHand, train, score)
MISTAKES = {  # name: (the line as it should be, the line as it was), each without its indentation
    "sum": ('loss, cache = softmax_cross_entropy(scores, labels[some], reduction="mean")',
            'loss, cache = softmax_cross_entropy(scores, labels[some], reduction="sum")'),
    "means": ("mean = np.float32((128, 128, 128))  # red, green, blue, as the classifier has learned them",
              "mean = np.float32((104.007, 116.669, 122.679))  # blue, green, red, from somebody's VGG code"),
    "smooth": ("small = np.array(stored.resize((120, 96), Image.Resampling.NEAREST))",
               "small = np.array(stored.resize((120, 96), Image.Resampling.BILINEAR))"),
    "void": ("labels.append(small - np.uint8(1))  # uint8: 0 - 1 is 255 again",
             "labels.append(np.maximum(small, 1) - np.uint8(1))  # no negative labels"),
    "batches": ("mean_iu = ConfusionMatrix(7).update(named, labels).mean_iu",
                "mean_iu = np.mean([ConfusionMatrix(7).update(named[s], labels[s]).mean_iu for s in batches])"),
    "straight": ('stages = (("fcn32s", 4), ("fcn16s", 3), ("fcn8s", 3))  '
                 "# each starts from what the one before learned",
                 'stages = (("fcn8s", 10),)'),
    "overlap": ("xpad[:, :, rows, columns] += cols[:, :, i, j]",
                "xpad[:, :, rows, columns] = cols[:, :, i, j]"),
}
LETTERS = {"A": "healthy", "A'": "healthy-again",  # A' takes the images in another order
           "B": "sum", "C": "void", "D": "batches", "E": "overlap", "F": "means", "G": "straight", "H": "smooth"}
NAMES = ("healthy", "healthy-again", *MISTAKES)


def program(mistake=None):
    """The program's pieces by name, with the line of a mistake exchanged."""
    text = "\n\n".join(inspect.getsource(piece) for piece in PROGRAM)
    if mistake is not None:
        right, wrong = MISTAKES[mistake]
        if text.count(right) != 1:
            raise ValueError(f"{mistake}: its line is in the program {text.count(right)} times: {right}")
        text = text.replace(right, wrong)
    names = dict(globals())
    exec(compile(text, f"<{mistake or 'healthy'}>", "exec"), names)
    return {piece.__name__: names[piece.__name__] for piece in PROGRAM}


def record(name):
    """Train a run from beginning to end and write what is kept of it: NAME.json, the log, and NAME.npz, labels."""
    run = program(name if name in MISTAKES else None)
    x, labels = run["load"]("train")
    val_x, val_labels = run["load"]("val")
    log, kept = {"run": name, "steps": [], "epochs": []}, {"truth": val_labels[list(PICTURES)]}
    for net, losses in run["train"](x, labels, seed=int(name == "healthy-again")):
        named, val_loss, iu, mean_iu = run["score"](net, val_x, val_labels)
        log["steps"] += losses
        log["epochs"].append({"net": net.name, "loss": float(np.mean(losses)), "val_loss": val_loss,
                              "mean_iu": float(mean_iu), "iu": iu.tolist()})
        epoch = len(log["epochs"])
        if epoch in KEPT:
            kept[f"epoch{epoch}"] = named[list(PICTURES)]
        yield f"{name}  epoch {epoch:2}  {net.name}  loss {np.mean(losses):9.3f}  val loss {val_loss:7.3f}  " \
              f"mean IU {mean_iu:.3f}"
    RUNS.mkdir(exist_ok=True)
    (RUNS / f"{name}.json").write_text(json.dumps(_rounded(log), indent=1) + "\n", encoding="utf-8")
    np.savez_compressed(RUNS / f"{name}.npz", **kept)


def read(letter):
    """A saved run by its letter: what record() has kept, as arrays by name, NaN where a number was none."""
    path = RUNS / LETTERS[letter]
    log = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    columns = {key: [epoch[key] for epoch in log["epochs"]] for key in ("loss", "val_loss", "mean_iu", "iu")}
    run = {key: np.array(column, float) for key, column in {"steps": log["steps"], **columns}.items()}
    with np.load(path.with_suffix(".npz")) as kept:
        return run | dict(kept)


def _rounded(value):
    """Five digits of every number, None where it is none: a log is to be read, and JSON knows no NaN."""
    if isinstance(value, float):
        return float(f"{value:.5g}") if np.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _rounded(part) for key, part in value.items()}
    return [_rounded(part) for part in value] if isinstance(value, list) else value


def parser():
    p = argparse.ArgumentParser(
        "python -m lessons.broken", description="Train the runs of lesson 11, each about half a minute on two cores, "
        "and write their logs and labels to lessons/runs. RUN is a letter of the lesson (" + " ".join(LETTERS) +
        ") or a name: " + ", ".join(NAMES) + ". (The names are the lesson's answers.)")
    p.add_argument("run", nargs="*", help="runs to train (default: all)")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    names = [LETTERS.get(run, run) for run in args.run] or NAMES
    if unknown := [name for name in names if name not in NAMES]:
        parser().error(f"no run {unknown[0]!r}; there are {', '.join(LETTERS)} and {', '.join(NAMES)}")
    with single_threaded_blas(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # one run is meant to overflow
        for name in names:
            began = time.monotonic()
            for line in record(name):
                print(f"{line}  {time.monotonic() - began:5.1f} s", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())

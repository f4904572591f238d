"""python -m minifcn.pretrain: train the classifier that an FCN is made from, on pieces named after their middle."""
import time
import warnings
from pathlib import Path

import numpy as np

from minifcn import checkpoint, cli
from minifcn.backend import choose_device, set_threads, single_threaded_blas, threads, to_device, to_numpy
from minifcn.crops import Crops
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import BODIES, build
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.optim import Adam, Cosine

DRAW, DROP, JUDGE = 0, 1, 2  # what a random choice is for
JUDGED = 512  # validation pieces
EVERY = 100  # steps from one line, and one save, to the next


def parser():
    p = cli.Parser(
        "python -m minifcn.pretrain",
        "Train a classifier: it names the thing in the middle of a square piece of an image. An FCN made from it, by "
        "python -m minifcn.train --weights OUT, starts with a body that knows the things. Without arguments: body "
        "mini, on Harbour, some minutes on two cores.",
        ["python -m minifcn.pretrain --out runs/classifier.safetensors",
         "python -m minifcn.train --weights runs/classifier.safetensors"])
    p.add_argument("--data", metavar="DIR", help="folder in VOC layout (default: Harbour)")
    p.add_argument("--body", choices=tuple(BODIES), default="mini", help="default: %(default)s")
    p.add_argument("--steps", type=int, default=1500, metavar="N", help="steps of training (default: %(default)s)")
    p.add_argument("--batch", type=int, default=32, metavar="N", help="pieces a step (default: %(default)s)")
    p.add_argument("--lr", type=float, default=2e-3, metavar="X",
                   help="Adam's rate; it falls to 0 along a cosine (default: %(default)s)")
    p.add_argument("--dropout", type=float, default=0.3, metavar="P", help="after fc6 and fc7 (default: %(default)s)")
    p.add_argument("--seed", type=int, default=0, metavar="N", help="decides every random choice (default: 0)")
    cli.add_machine(p)
    p.add_argument("--out", type=Path, default=Path("runs/classifier.safetensors"), metavar="FILE",
                   help=f"saved every {EVERY} steps (default: %(default)s)")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    for name, least in (("steps", 1), ("batch", 1), ("seed", 0), ("threads", 1)):
        if getattr(args, name) is not None and getattr(args, name) < least:
            raise InputError(f"--{name} {getattr(args, name)}: at least {least} is needed")
    if not args.lr > 0 or not 0 <= args.dropout < 1:
        raise InputError(f"--lr {args.lr} must be above 0, --dropout {args.dropout} from 0 to below 1")
    if args.out.exists():
        raise InputError(f"{args.out}: is there already; choose another --out")
    if args.threads is not None:
        set_threads(args.threads)
    device, why = choose_device(args.device)
    cli.output_folder(args.out.parent)
    root = args.data or harbour.root()
    train, val = VOCSegmentation(root, "train"), VOCSegmentation(root, "val")
    net = build("classifier", args.body, len(train.classes), args.seed, dropout=args.dropout).to_device(device)
    crops = Crops(train, net.side)
    judged, truth = Crops(val, net.side).draw(np.random.default_rng([args.seed, JUDGE]), JUDGED)
    print(f"classifier, body {args.body}, {sum(net.params[name].size for name in net.learned):,} learned parameters, "
          f"float32, {threads()} threads\ndevice {why}\n{train.root}: pieces of {net.side} x {net.side} pixels from "
          f"{len(train)} training and {len(val)} validation images, {len(train.classes)} classes; guessing is right in "
          f"1 of {len(crops.classes)}\n{args.steps} steps of {args.batch}; adam, lr {args.lr:g}, seed {args.seed}")
    optimizer, rate = Adam(net.params, args.lr), Cosine(args.lr, args.steps, warmup=min(50, args.steps))
    losses, began = [], time.monotonic()
    bar = cli.progress_bar(args.steps, "training", "steps", smoothing=0.05)
    with bar, single_threaded_blas(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what overflows ends in a loss that is told in words
        for step in range(args.steps):
            images, names = crops.draw(np.random.default_rng([args.seed, DRAW, step]), args.batch)
            net.reseed(args.seed, DROP, step)
            scores = net.forward(to_device(net.preprocess(images), device), train=True)
            loss, cache = softmax_cross_entropy(scores[:, :, None, None], to_device(names, device)[:, None, None])
            net.backward(softmax_cross_entropy_backward(cache)[:, :, 0, 0])
            optimizer.lr = rate(step)
            optimizer.step(net.grads)
            losses.append(loss)
            bar.update()
            if (step + 1) % EVERY and step + 1 < args.steps:
                continue
            mean, losses = float(sum(losses)) / len(losses), []  # the GPU is waited for here only
            if not np.isfinite(mean):
                raise InputError(f"the loss is not finite any more (step {step + 1}): try --lr {args.lr / 10:g}")
            matrix = ConfusionMatrix(len(train.classes)).update(named(net, judged), truth)
            scored = {"accuracy": matrix.pixel_accuracy, "mean_accuracy": matrix.mean_accuracy}
            checkpoint.save(args.out, net, {
                "classes": list(train.classes), "colors": train.colors.tolist(), "options": {"dropout": args.dropout},
                "data": train.root.name, "seed": args.seed, "step": step + 1, "scores": scored})
            bar.write(f"step {step + 1:5}/{args.steps}   loss {mean:.3f}   right {matrix.pixel_accuracy:.3f} of "
                      f"{JUDGED} validation pieces   {time.monotonic() - began:.0f} s")
    for name, share in zip(train.classes, matrix.accuracy, strict=True):
        print(f"{name:20} {share:.3f}")
    print(f"saved to {args.out}; an FCN from it: python -m minifcn.train --weights {args.out}")
    return 0


def named(net, pieces, at_once=64):
    """The most likely class of every piece: uint8 (n,side,side,3) -> (n,)."""
    return np.concatenate([
        to_numpy(net.forward(to_device(net.preprocess(pieces[i:i + at_once]), net.device)).argmax(axis=1))
        for i in range(0, len(pieces), at_once)])


if __name__ == "__main__":
    cli.run(main)

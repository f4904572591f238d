"""What a run says before its first step, and when it fails: what it will do, and what guessing would score."""
from math import log

import minifcn
from minifcn import checkpoint
from minifcn.backend import threads
from minifcn.batches import SCALE, steps_per_epoch
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix
from minifcn.model import find, shrunk_size
from minifcn.nets import build
from minifcn.nets.memory import step_bytes
from minifcn.nets.surgery import convolutional


def announce(args, stages, data, why):
    """Print what will run, where, on what, in how much memory, and what guessing would score."""
    classes = len(data.train.classes)
    net = build(stages[-1].net, args.body, classes, dropout=args.dropout)
    if args.freeze:
        net.freeze_body()
    learned = sum(net.params[name].size for name in net.learned)
    highest, widest = (int(side) for side in data.sizes.max(axis=0))
    height, width = shrunk_size(highest, widest, args.max_side)
    if args.scale:
        height, width = round(height * SCALE[1]), round(width * SCALE[1])
    if args.crop:
        height, width = min(height, args.crop), min(width, args.crop)
    batch = min(args.batch, len(data.train))
    megabytes = step_bytes(net, batch, height, width, slots=2 if args.optimizer == "adam" else 1) / 1e6
    epochs = " + ".join(str(stage.epochs) for stage in stages)
    guess = ConfusionMatrix(classes)
    val_counts = data.val_counts.sum(axis=0)
    guess.counts[:, val_counts.argmax()] = val_counts
    print(f"minifcn {minifcn.__version__}: {' -> '.join(stage.net for stage in stages)}, body {args.body}, "
          f"{learned:,} learned parameters, float32, {threads()} threads")
    print(f"device {why}")
    print(f"{data.train.root}: {len(data.train)} training and {len(data.val)} validation images, up to "
          f"{widest} x {highest}, {classes} classes")
    steps = steps_per_epoch(len(data.train), batch)
    print(f"{epochs} epochs of {steps} steps of {batch}; {args.optimizer}, lr {stages[0].lr:g}, "
          f"{args.reduction} loss, seed {args.seed}; a step takes about {megabytes:,.0f} MB")
    if args.reduction == "sum":
        pixels = data.pixels(args)
        print(f"a step counts about {pixels:,.0f} pixels: with sgd this rate is {stages[0].lr * pixels:g} for the mean")
    print(f"guessing costs log {classes} = {log(classes):.3f}; all {data.val.classes[val_counts.argmax()]} scores "
          f"mean IU {guess.mean_iu:.3f}")
    if absent := [name for name, count in zip(data.train.classes, data.train_counts.sum(axis=0), strict=True)
                  if not count]:
        print(f"no training pixel of: {', '.join(absent)}")


def fitting(source, net):
    """The parameters of a checkpoint that go into `net`, a classifier's turned into convolutions on the way.

    Score layers for other classes are left out, and that is said. Raises InputError for another body.
    """
    read = checkpoint.read(find(source))
    if read.meta["body"] != net.body.name:
        raise InputError(f"{source}: has body {read.meta['body']}, this net has {net.body.name}")
    mine = net.params
    given = convolutional(checkpoint.restore(read)) if read.meta["net"] == "classifier" else read.params
    params = {name: value for name, value in given.items()
              if name in mine and (value.shape == mine[name].shape or not name.startswith(("score", "up")))}
    fresh = [name for name in net.learned if name not in params]
    print(f"weights of {source} ({read.meta['net']}, {len(read.meta['classes'])} classes)"
          + (f"; fresh: {', '.join(fresh)}" if fresh else ""))
    return params


def diverged(args, stage, epoch, step, lr):
    """The InputError for a loss that is no number any more."""
    causes = [f"the rate: it was {lr:.3g}, try --lr {stage.lr / 10:.3g}"]
    if args.reduction == "sum":
        causes.insert(0, "a summed loss with a rate for a mean: --reduction mean, or divide the rate by the pixels")
    if args.balance == "median":
        causes.append("--balance median with a very rare class")
    last = args.out / "last.safetensors"
    return InputError(f"the loss is not finite any more ({stage.net}, epoch {epoch + 1}, step {step}). The last good "
                      f"state is in {last}. Likely: {'; '.join(causes)}. Begin anew with another --out, from that "
                      f"state if you like: --weights {last}")

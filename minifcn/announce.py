"""What a run says before its first step, and when it fails: what it will do, in what time, and what guessing scores."""
from math import log

import minifcn
from minifcn.backend import choose_device, threads
from minifcn.batches import SCALE, steps_and_parts
from minifcn.datasets.base import kinds
from minifcn.errors import InputError
from minifcn.estimate import duration, measure
from minifcn.features import feature_bytes, room_for
from minifcn.metrics import ConfusionMatrix
from minifcn.model import shrunk_size
from minifcn.nets.memory import step_bytes
from minifcn.plan import check_multipliers, frozen, weight_decay
from minifcn.recipes import RECIPES
from minifcn.rundata import scaled_area


def announce(run, why):
    """Print what will run, where, on what, in how much memory and time, and what guessing would score.

    InputError where a stage's net cannot be built, or no net has what an option names.
    """
    args, data, stages = run.args, run.data, run.stages
    nets = [run.build(number) for number in range(len(stages))]
    check_multipliers(args, nets)
    learned = sum(nets[-1].params[name].size for name in nets[-1].learned)
    print(f"minifcn {minifcn.__version__}: {' -> '.join(stage.net for stage in stages)}, body {args.body}, "
          f"{learned:,} learned parameters, float32, {threads()} threads")
    print(f"device {why}")
    highest, widest = (int(side) for side in data.sizes.max(axis=0))
    names = kinds(data.train.classes)
    print(f"{data.train.root}: {len(data.train)} training and {len(data.val)} validation images, up to "
          f"{widest} x {highest}, {' and '.join(str(len(some)) for some in names)} classes")
    for note in filter(None, (data.train.note, data.val.note)):
        print(note)
    steps, parts = steps_and_parts(args, len(data.train))
    batch = min(args.batch, len(data.train))
    each = f"{parts} x {batch}" if parts > 1 else str(batch)
    memory = max(step_bytes(net, batch, *_largest(args, data), slots=2 if args.optimizer == "adam" else 1)
                 for net in nets)
    rates = " -> ".join(f"{lr:g}" for lr in dict.fromkeys(stage.lr for stage in stages))
    print(f"{' + '.join(str(stage.epochs) for stage in stages)} epochs of {steps} steps of {each}; {args.optimizer}, "
          f"lr {rates}, {args.reduction} loss, seed {args.seed}; a step takes about {memory / 1e6:,.0f} MB")
    _say_rate(args, stages, data.pixels(args))
    if args.recipe and not args.weights:
        print(f"warning: the weights are random, where this recipe starts from {RECIPES[args.recipe].start}. From "
              "scratch the papers found training not feasible (CVPR), then substantially worse (PAMI): expect the "
              "large classes, roughly placed, and little more"
              + ("" if RECIPES[args.recipe].random else "; and its rate is one for weights that have learned"))
    _remember(run, nets)
    if not args.resume:
        _say_time(run, nets, why)
    guess = ConfusionMatrix(len(names[0]))
    counts = data.val_counts[0].sum(axis=0)
    guess.counts[:, counts.argmax()] = counts
    print(f"guessing costs log {len(names[0])} = {log(len(names[0])):.3f}; all {names[0][counts.argmax()]} scores "
          f"mean IU {guess.mean_iu:.3f}")
    for some, counts in zip(names, data.train_counts, strict=True):
        if absent := [name for name, count in zip(some, counts.sum(axis=0), strict=True) if not count]:
            print(f"no training pixel of: {', '.join(absent)}")


def _largest(args, data):
    """Height and width of the largest batch that can come."""
    height, width = shrunk_size(*map(int, data.sizes.max(axis=0)), args.max_side)
    return _varied(args, (height, width), SCALE[1])


def _typical(args, data):
    """Height and width of an image in the middle of all, as the net is given it whole."""
    return shrunk_size(*map(int, _median(data.sizes)), args.max_side)


def _varied(args, size, factor):
    """Height and width of an image once --scale, here by this factor, and --crop have changed it."""
    height, width = (round(side * factor) if args.scale else side for side in size)
    return (min(height, args.crop), min(width, args.crop)) if args.crop else (height, width)


def _median(sizes):
    return sorted(map(tuple, sizes), key=lambda size: size[0] * size[1])[len(sizes) // 2]


def _say_rate(args, stages, pixels):
    """A rate for a sum in terms of one for a mean, and the other way round."""
    if args.reduction == "sum":
        print(f"a step counts about {pixels:,.0f} pixels: with sgd this rate is {stages[0].lr * pixels:g} for the mean")
    elif args.optimizer == "sgd" and "sum" in (args.lr_reduction, args.decay_reduction):
        told = []
        if args.lr_reduction == "sum":
            told.append(f"rate of {stages[0].lr / pixels:g} for the sum is {stages[0].lr:g} for the mean")
        if args.decay_reduction == "sum":
            told.append(f"decay of {args.weight_decay:g} for the sum is {weight_decay(args, pixels):g} for the mean")
        print(f"a step counts about {pixels:,.0f} pixels: the recipe's {', its '.join(told)}")


def _remember(run, nets):
    """Decide and say whether the features of bodies that are not trained are kept on disk."""
    args, data = run.args, run.data
    still = [net for net, stage in zip(nets, run.stages, strict=True) if frozen(args, stage.net)]
    varied = args.mirror or args.scale or args.crop or args.batch > 1  # then hardly an input comes twice
    if not still or varied:
        return
    each = max(feature_bytes(net, *_typical(args, data)) for net in still)
    size = each * (len(data.train) + len(data.val))
    run.remembers = room_for(size, args.out / "features")
    if run.remembers:
        print(f"features of the body that is not trained are kept in {args.out / 'features'}: about "
              f"{size / 1e9:.1f} GB until they are no longer needed")
    else:
        print(f"the body's features, about {size / 1e9:.1f} GB, are computed anew every time: the disk of {args.out} "
              "has not twice that free")


def _say_time(run, nets, why):
    """How long the run will take, from steps that are measured now."""
    args = run.args
    where = [run.device]
    if args.recipe and run.device == "gpu":
        where.append("cpu")  # to see what it would be without
    times = [_estimated(run, nets, device) for device in where]
    for device, (total, step) in zip(where, times, strict=True):
        print(f"on this {device}: {step} a step, measured; the whole run about {duration(total)}")
    if args.recipe and run.device == "cpu" and choose_device("auto")[0] == "cpu":
        print("on a gpu: not measured, there is none here")
    for net in nets:
        net.to_device("cpu")


def _estimated(run, nets, device):
    """(seconds of the whole run, the last net's step in words)."""
    args, data = run.args, run.data
    steps, parts = steps_and_parts(args, len(data.train))
    batch = min(args.batch, len(data.train))
    whole = _typical(args, data)
    total, seen = 0.0, False
    for net, stage in zip(nets, run.stages, strict=True):
        took = measure(net, batch, _varied(args, whole, scaled_area()**0.5), whole, device)
        inference = took.inference * len(data.val)
        if run.remembers and frozen(args, stage.net):
            if not seen:
                total += took.inference * (len(data.train) + len(data.val))
            seen, step, inference = True, took.head, took.head * len(data.val)
        else:
            step = took.step
        total += stage.epochs * (steps * parts * step + inference) + took.inference * len(data.val)
    return total, f"{1000 * parts * step:.0f} ms" if step < 1 else f"{parts * step:.1f} s"


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

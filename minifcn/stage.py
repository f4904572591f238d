"""A run and the net of each of its stages: built, given its weights, brought to the device."""
from dataclasses import dataclass

from minifcn import checkpoint
from minifcn.backend import threads, to_device
from minifcn.batches import Batches, Vary
from minifcn.errors import InputError
from minifcn.features import remember, taps_of
from minifcn.nets import build
from minifcn.nets.equalise import equalise
from minifcn.plan import frozen
from minifcn.preprocess import Preprocessing
from minifcn.recipes import RECIPES
from minifcn.rundata import Data


@dataclass
class Run:
    """What every stage of a run needs to know."""

    args: object
    data: Data
    stages: list
    options: dict  # for build(), beside name, body and classes
    preprocess: Preprocessing | None  # None: the body's own
    device: str
    remembers: bool = False  # whether bodies that are not trained keep their features on disk

    def build(self, number, seed=None):
        """The net of a stage, its body frozen where the stage leaves it alone. InputError where there is none."""
        name, body = self.stages[number].net, self.args.body
        try:
            net = build(name, body, self.data.classes, seed, preprocess=self.preprocess, **self.options)
        except ValueError as error:
            raise InputError(f"--net {name} --body {body}: {error}; --net fcn32s goes with every body") from error
        return net.freeze_body() if frozen(self.args, name) else net


def prepared(run, number, start, last):
    """The net of a stage with the weights that it begins or goes on with, on the device."""
    args = run.args
    net = run.build(number, args.seed)
    copied = ()
    if number:  # by name: what is new, a score layer and its upsampling, starts at zero and bilinear
        copied = net.load(checkpoint.read(args.out / f"{run.stages[number - 1].net}.safetensors").params)
    elif start:
        copied = start.load_into(net)
        recipe = RECIPES.get(args.recipe)
        if recipe and recipe.goes_on and not any(name.startswith("score_fr") for name in copied):
            print(f"warning: these weights have no score layers for these classes, where {args.recipe} goes on from "
                  f"{recipe.start}: its rate is far too low for layers that begin at zero")
    if last:
        copied = net.load(last.params)
    net.to_device(run.device)
    scales = [name for name in net.params if name.startswith("scale_") and name not in copied]
    if args.equalise and scales:
        some = Batches(run.data.train, 1, net.preprocess, Vary(), args.seed, number, args.max_side, threads=threads())
        sizes = equalise(net, (to_device(x, run.device) for x, _ in some.epoch(0)))
        print("features of " + ", ".join(f"{tap} {size:.3g}" for tap, size in sizes.items())
              + ": scaled to the size of the last")
    if run.remembers and frozen(args, run.stages[number].net):
        every = [run.build(k) for k in range(len(run.stages)) if frozen(args, run.stages[k].net)]
        remember(net, args.out / "features", {tap for each in every for tap in taps_of(each)})
    return net

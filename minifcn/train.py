"""python -m minifcn.train: train FCN-32s, then 16s, then 8s, or one of them; without arguments on Harbour."""
import math
import os
import shutil
import signal
import sys
import time
import warnings

import numpy as np

from minifcn import checkpoint, cli, plot, report
from minifcn.announce import announce, diverged
from minifcn.arguments import parse
from minifcn.backend import choose_device, set_threads, single_threaded_blas, threads, to_device
from minifcn.batches import SCALE, Batches, Vary, steps_and_parts
from minifcn.datasets.base import kinds
from minifcn.model import Model
from minifcn.optim import Cosine
from minifcn.plan import make_optimizer, net_options, plan, preprocessing
from minifcn.preprocess import Preprocessing
from minifcn.rundata import median_weights, open_data
from minifcn.runfolder import BEGINNING, add_row, describe, last_scores, read_last, read_log, save_arguments, save_last
from minifcn.scoring import score
from minifcn.stage import Run, prepared
from minifcn.start import read_start
from minifcn.step import Step
from minifcn.tables import one_class_warning


def main(argv=None):
    args = parse(argv)
    if args.threads is not None:
        set_threads(args.threads)
    device, why = choose_device(args.device)
    if args.resume and (results := report.read_results(args.out)):
        print(f"{args.out}: this run is finished\n\n{results['table']}")
        return 0
    cli.output_folder(args.out)
    data = open_data(args)
    stages = plan(args, data.pixels(args))
    last, state = read_last(args, stages, data.train)
    start = read_start(args.weights) if args.weights and not last else None
    run = Run(args, data, stages, net_options(args, start), None, device)
    if last:
        run.options, run.preprocess = last.meta["options"], Preprocessing(**last.meta["preprocess"])
    else:
        run.preprocess = preprocessing(args, start)
    announce(run, why)
    log = read_log(args, stages, state)
    total = sum(stage.epochs for stage in stages) * len(data.train)
    bar = cli.progress_bar(total, "training", "images", smoothing=0.05)
    with Stop() as stop, bar, single_threaded_blas(), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # what overflows ends in a loss that is told in words
        for number in range(state["stage"], len(stages)):
            net = prepared(run, number, start, last)
            optimizer = make_optimizer(args, net, stages[number].lr, data.pixels(args))
            if last:
                optimizer.state = {key: to_device(value, device) for key, value in last.optimizer.items()}
                optimizer.steps = last.meta["optimizer_steps"]
            last = start = None
            if not args.resume:  # not before: what is refused up to here leaves the folder free
                save_arguments(args)
            state = train_stage(run, net, optimizer, number, state, log, bar, stop)
            if stop.signal:
                bar.close()
                print(f"stopped and saved; go on with: python -m minifcn.train --resume {args.out}")
                return 128 + stop.signal
    shutil.rmtree(args.out / "features", ignore_errors=True)
    print(f"\n{report.finish(args.out, [stage.net for stage in stages], data, device)}")
    best = max(log, key=lambda row: float(row["mean_iu"]))
    print(f"\nbest mean IU {float(best['mean_iu']):.3f} ({best['stage']}, epoch {best['epoch']}), saved to "
          f"{args.out / 'best.safetensors'}\nlook at {args.out / 'predictions.png'}; curves.png, worst.png, "
          "confusion.png, log.csv and a checkpoint of every stage lie beside it")
    return 0


def train_stage(run, net, optimizer, number, state, log, bar, stop):
    """Train one net to its end, or until told to stop; returns the state to go on from, which is saved too."""
    args, data, stage = run.args, run.data, run.stages[number]
    vary = Vary(args.mirror, SCALE if args.scale else None, args.crop)
    per_epoch, parts = steps_and_parts(args, len(data.train))
    batches = Batches(data.train, args.batch, net.preprocess, vary, args.seed, number, args.max_side,
                      args.round and per_epoch * parts, threads=threads())
    steps = stage.epochs * per_epoch
    rate = Cosine(stage.lr, steps, warmup=min(100, max(5, steps // 20), steps // 2))
    if args.schedule == "fixed":
        rate = lambda step: stage.lr  # noqa: E731
    weights = None if args.balance == "none" else [to_device(median_weights(counts), net.device)
                                                   for counts in data.train_counts]
    stepper = Step(net, args.reduction, weights)
    state = dict(state)
    if state["epoch"] == state["step"] == 0:
        save_last(run, net, optimizer, state)  # from now on a killed run can go on
    saved, warned = time.monotonic(), False
    bar.set_description(stage.net)
    per_step = len(data.train) / per_epoch  # an epoch of --round N counts as the images of the set, too
    bar.n = bar.initial = (sum(s.epochs for s in run.stages[:number]) + state["epoch"]) * len(data.train)
    while state["epoch"] < stage.epochs:
        epoch, began = state["epoch"], time.monotonic()
        pending, coming = [], batches.epoch(epoch, state["step"] * parts)
        while state["step"] < per_epoch:
            step = epoch * per_epoch + state["step"]
            loss, grads = stepper.gradients(coming, parts, (args.seed, number, step))
            pending.append(loss)
            # to read a loss is to wait for the GPU: there, only now and then
            due = net.device == "cpu" or len(pending) == 10 or state["step"] + 1 == per_epoch or stop.signal
            if due:
                losses = [float(loss) for loss in pending]
                pending = []
                if not np.isfinite(losses).all():
                    bad = state["step"] + 2 - len(losses) + int(np.argmin(np.isfinite(losses)))
                    raise diverged(args, stage, epoch, bad, optimizer.lr)
                state["loss_sum"] += math.fsum(losses[:-1])
                bar.set_postfix_str(f"loss {losses[-1]:.4g}", refresh=False)
            # saved before the step is taken: this loss proves the weights good, the next ones may be infinite
            if due and (stop.signal or time.monotonic() - saved > args.save_every):
                now = time.monotonic()
                state["seconds"] += now - began
                save_last(run, net, optimizer, state)
                began, saved = now, time.monotonic()
                if stop.signal:
                    return state
            if due:
                state["loss_sum"] += losses[-1]
            optimizer.lr = rate(step)
            optimizer.step(grads)
            state["step"] += 1
            bar.update(per_step)
        model, lr = Model(net, describe(run, state, stage.net)), rate((epoch + 1) * per_epoch - 1)
        try:
            matrices, val_loss = score(model, data.val, stop.obey)
        except Stopped:  # one image's loss proves the weights good; scoring begins anew when the run goes on
            matrices, (_, val_loss) = None, score(model, data.val.take(data.val.ids[:1]))
        if not np.isfinite(val_loss):
            raise diverged(args, stage, epoch, state["step"], lr)
        seconds = state["seconds"] + time.monotonic() - began
        if matrices is None:
            state["seconds"] = seconds
            save_last(run, net, optimizer, state)
            return state
        matrix, loss = matrices[0], state["loss_sum"] / per_epoch
        state |= {"epoch": epoch + 1, "step": 0, "loss_sum": 0.0, "seconds": 0.0}
        add_row(args, log, {"stage": stage.net, "epoch": epoch + 1, "step": (epoch + 1) * per_epoch, "lr": lr,
                            "loss": loss, "val_loss": val_loss, **matrix.scores(), "seconds": seconds})
        second = f"   geometric {matrices[1].pixel_accuracy:.3f}" if matrices[1:] else ""
        bar.write(f"{stage.net}  epoch {epoch + 1:3}/{stage.epochs}   loss {loss:.4g}   val loss {val_loss:.3f}   "
                  f"pixel acc {matrix.pixel_accuracy:.3f}   mean IU {matrix.mean_iu:.3f}{second}   {seconds:.1f} s")
        if epoch > 0 and not warned and (warning := one_class_warning(matrix, kinds(data.val.classes)[0])):
            bar.write(warning, file=sys.stderr)
            warned = True
        if matrix.mean_iu > state["best"]:
            state["best"] = matrix.mean_iu
            checkpoint.save(args.out / "best.safetensors", net, describe(run, state, stage.net, matrix.scores()))
        if stop.signal or state["epoch"] == stage.epochs:
            save_last(run, net, optimizer, state)
        if stop.signal:
            return state
    checkpoint.save(args.out / f"{stage.net}.safetensors", net, describe(run, state, stage.net, last_scores(log)))
    plot.curves(log, args.out / "curves.png")
    return BEGINNING | {"stage": number + 1, "best": state["best"]}


class Stopped(Exception):
    """The net was being scored when a signal came."""


class Stop:
    """Ctrl-C and SIGTERM finish the step: within, `signal` is the number of the one that came. A second one kills."""

    def obey(self, images):
        """Called by score() after every few images, so that nobody waits for all of them."""
        if self.signal:
            raise Stopped

    def __enter__(self):
        self.signal, self.before = 0, {}
        for number in (signal.SIGINT, signal.SIGTERM):
            self.before[number] = signal.signal(number, self._note)
        return self

    def _note(self, number, frame):
        self.signal = number
        self.__exit__()
        os.write(2, b"\nstopping after this step\n")  # print() may be what was interrupted

    def __exit__(self, *error):
        for number, handler in self.before.items():
            signal.signal(number, handler)


if __name__ == "__main__":
    cli.run(main)

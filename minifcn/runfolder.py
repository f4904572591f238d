"""The folder of a run: what is written there while it trains, and read again to go on.

arguments.json   the options that it began with          log.csv       a row an epoch
last             the state to go on from, with optimiser  best          the best validation mean IU
fcn32s, ...      the net at the end of each stage         results.json  the tables, once all is done
"""
import csv
import io
import json
from zlib import crc32

from minifcn import checkpoint
from minifcn.batches import steps_and_parts
from minifcn.datasets.base import each_kind, kinds, per_kind
from minifcn.errors import InputError
from minifcn.plan import model_name

COLUMNS = ("stage", "epoch", "step", "lr", "loss", "val_loss", "pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu",
           "seconds")
# where in a run something is: finished epochs of a stage and steps of the epoch, its loss so far, the best mean IU
BEGINNING = {"stage": 0, "epoch": 0, "step": 0, "loss_sum": 0.0, "best": -1.0, "seconds": 0.0}


def describe(run, state, net, scores=None):
    """The metadata of a checkpoint, beside what the net itself knows; `step` counts the stage's, as in log.csv."""
    args, train = run.args, run.data.train
    steps, _ = steps_and_parts(args, len(train))
    meta = {"classes": per_kind(map(list, kinds(train.classes))),
            "colors": per_kind(some.tolist() for some in each_kind(train.colors)),
            "max_side": args.max_side, "options": run.options, "data": train.root.name, "split": train.split,
            "dataset": args.val_dataset, "val_split": args.val_split, "ids": _digest(train), "seed": args.seed,
            "state": state, "epoch": state["epoch"], "step": state["epoch"] * steps + state["step"], "scores": scores}
    model = model_name(args, net, train.classes)
    return meta | ({"model": model} if model else {})


def save_last(run, net, optimizer, state):
    """Save all that a run needs to go on to the same bits."""
    meta = {**describe(run, state, net.name), "optimizer_steps": optimizer.steps}
    checkpoint.save(run.args.out / "last.safetensors", net, meta, optimizer)


def read_last(args, stages, train):
    """(Checkpoint, state) of the run in args.resume; (None, BEGINNING) where it was killed before its first save."""
    path = args.out / "last.safetensors"
    for left in args.out.glob(".*.tmp") if args.resume else ():  # by a run that was killed while it wrote
        left.unlink(missing_ok=True)
    if not args.resume or not path.exists():
        return None, BEGINNING
    last = checkpoint.read(path)
    state = last.meta.get("state")
    whole = isinstance(state, dict) and state.keys() == BEGINNING.keys() and state["stage"] in range(len(stages))
    if "optimizer_steps" not in last.meta or not whole:
        raise InputError(f"{path}: not a checkpoint to go on from; last.safetensors of a run is")
    before, now = kinds(last.meta["classes"]), kinds(train.classes)
    if before != now or last.meta["ids"] != _digest(train):
        raise InputError(f"{path}: was trained on {last.meta['ids']} of {len(before[0])} classes, "
                         f"{train.root} has {_digest(train)} of {len(now[0])}: no longer the same data")
    if last.meta["net"] != stages[state["stage"]].net:
        raise InputError(f"{path}: holds {last.meta['net']}, this run is at {stages[state['stage']].net}")
    return last, state


def read_log(args, stages, state):
    """The rows of log.csv up to where `state` is: what came after it was lost and will come again."""
    path = args.out / "log.csv"
    if not args.resume or not path.exists():
        return []
    order = [stage.net for stage in stages]
    with open(path, newline="") as file:
        rows = [row for row in csv.DictReader(file) if tuple(row) == COLUMNS and row["stage"] in order]
    return [row for row in rows if (order.index(row["stage"]), int(row["epoch"])) <= (state["stage"], state["epoch"])]


def last_scores(log):
    """The validation scores of the log's last epoch, by name."""
    return {name: float(log[-1][name]) for name in COLUMNS[6:-1]}


def add_row(args, log, row):
    """Append an epoch to the log and write it anew, whole."""
    log.append({name: f"{value:.6g}" if isinstance(value, float) else str(value) for name, value in row.items()})
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(log)
    checkpoint.write(args.out / "log.csv", text.getvalue().encode())


def _digest(dataset):
    """How many images, and a number that tells one choice of them from another."""
    return f"{len(dataset)} images (IDs {crc32(' '.join(dataset.ids).encode()):08x})"


def save_arguments(args):
    checkpoint.write(args.out / "arguments.json", (json.dumps(args.saved, indent=1) + "\n").encode())

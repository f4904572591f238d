"""The options of python -m minifcn.train."""
import argparse
import json
import math
from collections import namedtuple
from pathlib import Path

from minifcn.cli import Parser, add_machine
from minifcn.errors import InputError
from minifcn.nets import BODIES, SKIPS

STAGED = tuple(SKIPS)
SHARES = (5 / 9, 2 / 9, 2 / 9)  # of the epochs: 54 are 30 + 12 + 12
Stage = namedtuple("Stage", "net epochs lr")
DROPOUT = 0.0
ON_RESUME = ("resume", "device", "threads", "save_every")  # what may be said beside --resume


def parser():
    p = Parser(
        "python -m minifcn.train",
        "Train a fully convolutional network. Without arguments: FCN-32s, then 16s, then 8s, body mini, "
        "on Harbour, the embedded data set; a few minutes on two cores. Everything that comes of it lies "
        "in one folder: checkpoints, log.csv, curves and pictures of what was predicted.",
        ["python -m minifcn.train --data my/photos --max-side 320 --scale",
         "python -m minifcn.train --net fcn8s --epochs 5 --out runs/short",
         "python -m minifcn.train --resume runs/harbour"])
    what = p.add_argument_group("what is trained on what")
    what.add_argument("--data", metavar="DIR", help="folder in VOC layout (default: Harbour); see python -m "
                                                    "minifcn.datasets import --help for other layouts")
    what.add_argument("--subset", type=int, metavar="N", help="take N training images, with every class if possible")
    what.add_argument("--net", choices=("staged", *SKIPS), default="staged",
                      help="staged is 32s, 16s, 8s, each from the one before (default: %(default)s)")
    what.add_argument("--body", choices=tuple(BODIES), default="mini",
                      help="the layers before the scores (default: %(default)s)")
    what.add_argument("--weights", metavar="FILE", help="start from a checkpoint or a shipped net (harbour-fcn8s); "
                                                        "score layers for other classes start fresh")
    what.add_argument("--freeze", choices=("body",), help="keep the body's weights, train the score layers alone")
    how = p.add_argument_group("how")
    how.add_argument("--epochs", type=int, default=54, metavar="N",
                     help="passes over the training images; staged gives 5/9 to 32s, 2/9 to 16s and to 8s "
                          "(default: %(default)s)")
    how.add_argument("--batch", type=int, default=8, metavar="N",
                     help="images a step; smaller ones are padded, with void labels (default: %(default)s)")
    how.add_argument("--optimizer", choices=("adam", "sgd"), default="adam",
                     help="sgd: momentum 0.9, decay 5e-4, biases twice the rate, as in the papers (default: adam)")
    how.add_argument("--lr", type=float, metavar="X", help="learning rate; every stage rises to it "
                     "in its first steps and falls to 0 along a cosine (default: adam 0.002, sgd 0.02 for the "
                     "mean loss)")
    how.add_argument("--reduction", choices=("mean", "sum"), default="mean",
                     help="sum: the papers' loss; the rate that equals it for the mean is printed")
    how.add_argument("--balance", choices=("none", "median"), default="none",
                     help="median: weight classes by median frequency / their frequency")
    how.add_argument("--dropout", type=float, default=DROPOUT, metavar="P",
                     help="after fc6 and fc7 (default: %(default)s)")
    vary = p.add_argument_group("how images are varied and sized")
    vary.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=True,
                      help="mirror half of them (default: yes)")
    vary.add_argument("--scale", action="store_true", help="scale each by a factor from 0.75 to 1.5")
    vary.add_argument("--crop", type=int, metavar="N", help="cut N x N pixels out of each")
    vary.add_argument("--max-side", type=int, metavar="N",
                      help="shrink longer images, for prediction too; scores are those at full size")
    run = p.add_argument_group("the run")
    run.add_argument("--seed", type=int, default=0, metavar="N",
                     help="decides every random choice (default: %(default)s)")
    add_machine(run)
    run.add_argument("--save-every", type=float, default=60, metavar="SECONDS",
                     help="how often the state to go on from is saved (default: %(default)s)")
    run.add_argument("--out", type=Path, metavar="DIR", help="folder for results (default: runs/<name of the data>)")
    run.add_argument("--resume", type=Path, metavar="DIR",
                     help="go on with a stopped or killed run, to the same bits as if it had never stopped")
    return p


def parse(argv=None):
    """The options, checked; with --resume those of the run that goes on. `saved` is what arguments.json holds."""
    args = parser().parse_args(argv)
    if args.resume:
        args = _resumed(args, argv)
    for name, least in (("epochs", 1), ("batch", 1), ("subset", 1), ("crop", 1), ("max_side", 1), ("threads", 1),
                        ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: at least {least} is needed")
    if args.lr is not None and not 0 < args.lr < math.inf:
        raise InputError(f"--lr {args.lr}: a rate above 0 is needed")
    if not args.save_every >= 0:
        raise InputError(f"--save-every {args.save_every}: seconds from 0 on are needed")
    if args.freeze and not args.weights:
        raise InputError("--freeze body without --weights would keep a body of random numbers; "
                         "give it one that has learned, such as --weights harbour-fcn8s")
    if not 0 <= args.dropout < 1:
        raise InputError(f"--dropout {args.dropout}: a share from 0 to below 1 is needed")
    if args.net == "staged" and args.epochs < len(STAGED):
        raise InputError(f"--epochs {args.epochs}: staged training needs at least {len(STAGED)}, one a net")
    if args.data and not args.resume:
        args.data = str(Path(args.data).expanduser().absolute())  # the run may go on from another folder
    if args.out is None:
        args.out = Path("runs") / (Path(args.data).resolve().name if args.data else "harbour")
    if not args.resume and args.out.exists() and (not args.out.is_dir() or _holds_something(args.out)):
        more = f", or go on with it: --resume {args.out}" if (args.out / "arguments.json").exists() else ""
        raise InputError(f"{args.out}: holds something already; choose another --out{more}")
    args.saved = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()
                  if name not in ON_RESUME}
    return args


def _holds_something(folder):
    """Whether files are in it that anybody meant to be there: no .DS_Store, no unfinished one of a killed run."""
    return any(not path.name.startswith(".") for path in folder.iterdir())


def plan(args, pixels):
    """The stages of a run, in order; `pixels` are those that a step counts, by which a sum exceeds a mean."""
    lr = args.lr
    if lr is None:
        lr = {"adam": 2e-3, "sgd": 2e-2}[args.optimizer]  # adam divides by the gradient's size: sum or mean is one
        if args.optimizer == "sgd" and args.reduction == "sum":
            lr /= pixels
    if args.net != "staged":
        return [Stage(args.net, args.epochs, lr)]
    later = max(1, round(args.epochs * SHARES[1]))
    epochs = (max(1, args.epochs - 2 * later), later, later)
    return [Stage(net, n, lr) for net, n in zip(STAGED, epochs, strict=True)]


def _resumed(args, argv):
    """Options as saved by the run in args.resume; only those in ON_RESUME may be given anew."""
    path = args.resume / "arguments.json"
    if not path.is_file():
        raise InputError(f"{args.resume}: no run to go on with here (no arguments.json)")
    try:
        saved = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error})") from error
    silent = parser()
    for action in silent._actions:
        action.default = argparse.SUPPRESS
    given = vars(silent.parse_args(argv))
    if other := [name for name in given if name not in ON_RESUME]:
        raise InputError(f"--{other[0].replace('_', '-')} cannot be changed when a run goes on: --resume takes the "
                         "options that it began with")
    for name, value in saved.items():
        setattr(args, name, value)
    args.out = args.resume
    return args

"""The options of python -m minifcn.train."""
import argparse
import json
import math
from pathlib import Path

from minifcn.cli import Parser, add_machine
from minifcn.datasets import READERS
from minifcn.errors import InputError
from minifcn.nets import BODIES, MODALITIES, NETS, SKIPS
from minifcn.recipes import RECIPES

STAGED = tuple(SKIPS)
ON_RESUME = ("resume", "device", "threads", "save_every")  # what may be said beside --resume
RANDOM = "random"  # --weights random: a recipe is to go without those that it starts from


def parser():
    p = Parser(
        "python -m minifcn.train",
        "Train a fully convolutional network. Without arguments: FCN-32s, then 16s, then 8s, body mini, "
        "on Harbour, the embedded data set; a few minutes on two cores. Everything that comes of it lies "
        "in one folder: checkpoints, log.csv, curves and pictures of what was predicted.",
        ["python -m minifcn.train --data my/photos --max-side 320 --scale",
         "python -m minifcn.train --net fcn8s --epochs 5 --out runs/short",
         "python -m minifcn.train --recipe voc-small --data VOCdevkit --weights vgg16.safetensors",
         "python -m minifcn.train --resume runs/harbour"])
    what = p.add_argument_group("what is trained on what")
    what.add_argument("--recipe", choices=tuple(RECIPES), metavar="NAME",
                      help="the authors' training of one of their models, or voc-small; what else is said stands above "
                           "it. The list: python -m minifcn.recipes")
    what.add_argument("--data", metavar="DIR", help="folder in VOC layout (default: Harbour); see python -m "
                                                    "minifcn.datasets import --help for other layouts. With --dataset "
                                                    "or --recipe the folder that python -m minifcn.datasets filled "
                                                    "(default: data)")
    what.add_argument("--dataset", choices=READERS, default="voc", help="what lies there: voc is every folder in VOC "
                                                                        "layout (default: %(default)s)")
    what.add_argument("--split", default="train", help="the list to train on (default: %(default)s)")
    what.add_argument("--val-dataset", choices=READERS, help="what is validated on, if that is another")
    what.add_argument("--val-split", default="val", help="the list to validate on (default: %(default)s)")
    what.add_argument("--subset", type=int, metavar="N", help="take N training images, with every class if possible")
    what.add_argument("--val-subset", type=int, metavar="N", help="take N validation images likewise")
    what.add_argument("--net", type=names, default=["staged"], metavar="NET[,NET...]",
                      help=f"one of {', '.join(NETS)}, or several one after the other, each from the one before; "
                           "staged is 32s, 16s, 8s (default). -fixed leaves the body as it is")
    what.add_argument("--body", choices=tuple(BODIES), default="mini",
                      help="the layers before the scores (default: %(default)s)")
    what.add_argument("--modality", choices=MODALITIES, default="color",
                      help="the input, for nyud (default: %(default)s)")
    what.add_argument("--weights", nargs="+", metavar="FILE",
                      help="start from a checkpoint, a shipped net (harbour-fcn8s), or weights of VGG16, AlexNet or "
                           "GoogLeNet as torchvision, timm or Caffe have them (python -m minifcn.weights FILE looks at "
                           "one); score layers for other classes start fresh. color-hha takes two: of colour, of HHA")
    what.add_argument("--freeze", choices=("body",), help="keep the body's weights, train the score layers alone")
    what.add_argument("--upsampling", choices=("fixed", "2x", "learned"), default="fixed",
                      help="2x: layers that upsample by 2 learn, as in the papers' text; learned: all do "
                           "(default: %(default)s bilinear, as released)")
    what.add_argument("--equalise", action="store_true",
                      help="set the constants of an -atonce net so that the features of all its skips are as large as "
                           "those of the last layer, by the first training images (default: the released 0.01, 0.0001)")
    how = p.add_argument_group("how")
    how.add_argument("--epochs", type=wholes, default=[54], metavar="N[,N...]",
                     help="passes over the training images, of each net or of all: staged gives 5/9 to 32s, 2/9 to 16s "
                          "and to 8s (default: 54)")
    how.add_argument("--round", type=int, metavar="N", help="an epoch is N steps of images drawn with replacement, as "
                                                            "the authors draw them")
    how.add_argument("--batch", type=int, default=8, metavar="N",
                     help="images a step; smaller ones are padded, with void labels (default: %(default)s)")
    how.add_argument("--accumulate", type=int, default=1, metavar="N",
                     help="a step takes the mean gradient of N batches (default: %(default)s)")
    how.add_argument("--optimizer", choices=("adam", "sgd"), default="adam",
                     help="sgd is the papers' (default: adam)")
    how.add_argument("--lr", type=rates, metavar="X[,X...]", help="learning rate, of each net or of all "
                     "(default: adam 0.002, sgd 0.02 for the mean loss)")
    how.add_argument("--schedule", choices=("cosine", "fixed"), default="cosine",
                     help="cosine: every net's rate rises in its first steps and falls to 0 (default: %(default)s)")
    how.add_argument("--momentum", type=float, default=0.9, metavar="X", help="of sgd (default: %(default)s)")
    how.add_argument("--weight-decay", type=float, metavar="X", help="default: sgd 0.0005, adam 0")
    how.add_argument("--multiplier", action="append", type=multiplier, metavar="NAMES=A,B",
                     help="parameters of these names (* and ? stand for any letters) have A times the rate and B times "
                          "the decay; may be given again, the last that fits counts (default: sgd *.b=2,0, as in the "
                          "papers)")
    how.add_argument("--reduction", choices=("mean", "sum"), default="mean",
                     help="sum: the papers' loss; the rate that equals it for the mean is printed, and taken where a "
                          "recipe's sum is made a mean")
    how.add_argument("--balance", choices=("none", "median"), default="none",
                     help="median: weight classes by median frequency / their frequency")
    how.add_argument("--dropout", type=float, metavar="P",
                     help="after fc6 and fc7 (default: mini 0, googlenet 0.4, the others 0.5)")
    vary = p.add_argument_group("how images are varied and sized")
    vary.add_argument("--mirror", action=argparse.BooleanOptionalAction, default=True,
                      help="mirror half of them (default: yes)")
    vary.add_argument("--scale", action="store_true", help="scale each by a factor from 0.75 to 1.5")
    vary.add_argument("--crop", type=int, metavar="N", help="cut N x N pixels out of each")
    vary.add_argument("--max-side", type=int, metavar="N",
                      help="shrink longer images, for prediction too; scores are those at full size")
    vary.add_argument("--keep", choices=("foreground", "background", "shape"),
                      help="mask the rest, or show the masks alone: the papers' study of what a net looks at")
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


def names(text):
    """"fcn32s,fcn8s" -> the list of nets."""
    return text.split(",")


def wholes(text):
    """"12,8" -> a list of whole numbers."""
    return [int(part) for part in text.split(",")]


def rates(text):
    """"1e-3,1e-5" -> a list of numbers."""
    return [float(part) for part in text.split(",")]


def multiplier(text):
    """Check "*.b=2,0"; it stays text."""
    factors(text)
    return text


def factors(text):
    """"*.b=2,0" -> ("*.b", (2, 0))."""
    pattern, _, numbers = text.rpartition("=")
    rate, decay = map(float, numbers.split(","))
    if not pattern or not 0 <= rate < math.inf or not 0 <= decay < math.inf:
        raise ValueError
    return pattern, (rate, decay)


def parse(argv=None):
    """The options, checked; with --resume those of the run that goes on. `saved` is what arguments.json holds."""
    given = parser()
    args = given.parse_args(argv)
    if args.resume:
        args = _resumed(args, argv)
    else:
        if args.recipe:
            args = _with_recipe(given, args, argv)
        _complete(args)
    _check(args)
    if not args.resume and args.out.exists() and (not args.out.is_dir() or _holds_something(args.out)):
        more = f", or go on with it: --resume {args.out}" if (args.out / "arguments.json").exists() else ""
        raise InputError(f"{args.out}: holds something already; choose another --out{more}")
    args.saved = {name: str(value) if isinstance(value, Path) else value for name, value in vars(args).items()
                  if name not in ON_RESUME}
    return args


def _said(argv):
    """{name: value} of the options that were given, without any default."""
    silent = parser()
    for action in silent._actions:
        action.default = argparse.SUPPRESS
    return vars(silent.parse_args(argv))


def _with_recipe(given, args, argv):
    """The options with the recipe's in place of the defaults; what was said stands as it is."""
    recipe, said = RECIPES[args.recipe], _said(argv)
    options = dict(recipe.options)
    if not args.weights or args.weights == [RANDOM]:
        if recipe.random is None and not args.weights:
            raise InputError(f"--recipe {args.recipe} starts from {recipe.start}: name the file with --weights, or say "
                             f"--weights {RANDOM} to see how little is learned without")
        options |= recipe.random or {}
    nets = options["net"]
    silent = [option for option in ("epochs", "lr") if option not in said]
    if len(nets) > 1 and said.get("net", nets) != nets and silent:
        raise InputError(f"--net {','.join(args.net)}: epochs and rates of recipe {args.recipe} are those of "
                         f"{', '.join(nets)}; say {' and '.join(f'--{option}' for option in silent)} as well")
    given.set_defaults(**options)
    again = given.parse_args(argv)
    meant = options.get("reduction", "mean")
    again.lr_reduction, again.decay_reduction = (
        again.reduction if option in said else meant for option in ("lr", "weight_decay"))
    return again


def _complete(args):
    """Fill in what depends on other options."""
    if args.weights == [RANDOM]:
        args.weights = None
    if args.net == ["staged"]:
        args.net = list(STAGED)
    if not args.recipe:
        args.lr_reduction = args.decay_reduction = args.reduction  # the one that rate and decay are meant for
    sgd = args.optimizer == "sgd"
    if args.weight_decay is None:
        args.weight_decay = 5e-4 if sgd else 0.0
    if args.multiplier is None:
        args.multiplier = ["*.b=2,0"] if sgd else []
    args.val_dataset = args.val_dataset or args.dataset
    if args.data is None and (args.recipe or args.dataset != "voc"):
        args.data = "data"
    if args.data:
        args.data = str(Path(args.data).expanduser().absolute())  # the run may go on from another folder
    if args.out is None:
        args.out = Path("runs") / (args.recipe or (Path(args.data).resolve().name if args.data else "harbour"))


def _check(args):
    for name, least in (("batch", 1), ("accumulate", 1), ("round", 1), ("subset", 1), ("val_subset", 1), ("crop", 1),
                        ("max_side", 1), ("threads", 1), ("seed", 0)):
        value = getattr(args, name)
        if value is not None and value < least:
            raise InputError(f"--{name.replace('_', '-')} {value}: at least {least} is needed")
    for net in args.net:
        if net not in NETS:
            raise InputError(f"--net {net}: none of {', '.join(('staged', *NETS))}")
    if len(set(args.net)) < len(args.net):
        raise InputError(f"--net {','.join(args.net)}: the same net twice")
    if min(args.epochs) < 1:
        raise InputError(f"--epochs {','.join(map(str, args.epochs))}: at least 1 is needed")
    for option in ("epochs", "lr"):
        values = getattr(args, option)
        if values and len(values) not in (1, len(args.net)):
            raise InputError(f"--{option} {','.join(map(str, values))}: one for all, or one for each of "
                             f"{', '.join(args.net)}")
    if len(args.epochs) == 1 and args.epochs[0] < len(args.net):
        raise InputError(f"--epochs {args.epochs[0]}: {len(args.net)} nets one after the other need at least "
                         f"{len(args.net)}, one a net")
    if args.lr and not all(0 < lr < math.inf for lr in args.lr):
        raise InputError(f"--lr {','.join(map(str, args.lr))}: a rate above 0 is needed")
    if not args.save_every >= 0:
        raise InputError(f"--save-every {args.save_every}: seconds from 0 on are needed")
    if not args.weights and (args.freeze or args.net[0].endswith("-fixed")):
        asked = "--freeze body" if args.freeze else f"--net {args.net[0]}"
        raise InputError(f"{asked} without --weights would keep a body of random numbers; "
                         "give it one that has learned, such as --weights harbour-fcn8s")
    if args.dropout is not None and not 0 <= args.dropout < 1:
        raise InputError(f"--dropout {args.dropout}: a share from 0 to below 1 is needed")
    if not 0 <= args.momentum < 1 or not 0 <= args.weight_decay < math.inf:
        raise InputError(f"--momentum {args.momentum} must be from 0 to below 1, --weight-decay {args.weight_decay} "
                         "from 0 on")
    if args.modality != "color" and "nyud" not in (args.dataset, args.val_dataset):
        raise InputError(f"--modality {args.modality}: only --dataset nyud has such images")


def _holds_something(folder):
    """Whether files are in it that anybody meant to be there: no .DS_Store, no unfinished one of a killed run."""
    return any(not path.name.startswith(".") for path in folder.iterdir())


def _resumed(args, argv):
    """Options as saved by the run in args.resume; only those in ON_RESUME may be given anew."""
    path = args.resume / "arguments.json"
    if not path.is_file():
        raise InputError(f"{args.resume}: no run to go on with here (no arguments.json)")
    try:
        saved = dict(json.loads(path.read_text()))
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: damaged ({error})") from error
    if other := [name for name in _said(argv) if name not in ON_RESUME]:
        raise InputError(f"--{other[0].replace('_', '-')} cannot be changed when a run goes on: --resume takes the "
                         "options that it began with")
    for name, value in saved.items():
        setattr(args, name, value)
    args.out = args.resume
    return args

"""What a run will do: its stages, each a net with its epochs and rate, and the options that nets are built with."""
from collections import namedtuple

from minifcn.arguments import STAGED, factors
from minifcn.datasets import context, nyud, siftflow
from minifcn.datasets.base import kinds
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.errors import InputError
from minifcn.nets import NETS
from minifcn.nets.models import MODELS
from minifcn.optim import SGD, Adam, fits
from minifcn.preprocess import NYUD_MEAN
from minifcn.recipes import RECIPES

Stage = namedtuple("Stage", "net epochs lr")
CLASSES = {  # the papers', by how many there are: so MODELS tells them apart
    21: VOC_CLASSES, 60: context.CLASSES, 40: nyud.CLASSES, (33, 3): (siftflow.SEMANTIC, siftflow.GEOMETRIC)}
SHARES = (5 / 9, 2 / 9, 2 / 9)  # of the epochs of staged training: 54 are 30 + 12 + 12


def plan(args, pixels):
    """The stages of a run, in order; `pixels` are those that a step counts, by which a sum exceeds a mean."""
    lr = args.lr or [{"adam": 2e-3, "sgd": 2e-2}[args.optimizer]]
    if args.optimizer == "sgd":  # adam divides by the gradient's size: sum or mean is one
        if args.lr is None and args.reduction == "sum":
            lr = [lr[0] / pixels]
        elif args.lr_reduction != args.reduction:
            lr = [rate * pixels if args.reduction == "mean" else rate / pixels for rate in lr]
    if len(lr) == 1:
        lr *= len(args.net)
    return [Stage(*stage) for stage in zip(args.net, _epochs(args), lr, strict=True)]


def _epochs(args):
    """Of each net."""
    if len(args.epochs) > 1 or len(args.net) == 1:
        return args.epochs
    total, = args.epochs
    later = max(1, round(total * SHARES[1])) if args.net == list(STAGED) else total // len(args.net)
    return [total - later * (len(args.net) - 1)] + [later] * (len(args.net) - 1)


def weight_decay(args, pixels):
    """The decay of a run: a recipe's for the sum is as many times smaller for the mean, as its gradients are."""
    if args.optimizer == "adam" or args.decay_reduction == args.reduction:
        return args.weight_decay
    return args.weight_decay / pixels if args.reduction == "mean" else args.weight_decay * pixels


def make_optimizer(args, net, lr, pixels):
    """The optimiser of a stage, over the net's live parameters; --multiplier may name some of another stage's alone."""
    multipliers = {pattern: pair for pattern, pair in map(factors, args.multiplier) if fits(pattern, net.params)}
    decay = weight_decay(args, pixels)
    if args.optimizer == "adam":
        return Adam(net.params, lr, weight_decay=decay, multipliers=multipliers)
    return SGD(net.params, lr, args.momentum, decay, multipliers)


def check_multipliers(args, nets):
    """InputError where a --multiplier names no parameter of any stage's net."""
    for pattern, _ in map(factors, args.multiplier):
        if not any(fits(pattern, net.params) for net in nets):
            raise InputError(f"--multiplier {pattern}: matches none of {', '.join(nets[-1].params)}")


def net_options(args, start=None):
    """What nets of this run are built with beside name, body and classes; checkpoints hold them too.

    start: the Weights that it starts from, whose net may need options of its own.
    """
    options = {"dropout": args.dropout} if args.dropout is not None else {}
    if args.modality != "color":
        options["modality"] = args.modality
    if args.upsampling != "fixed":
        options["learn_upsampling"] = {"2x": "2x", "learned": True}[args.upsampling]
    return options | (start.options if start else {})


def preprocessing(args, start=None):
    """What the nets of this run are fed; None: what their body is by itself.

    The means are those of the data, by the recipe or the modality, where the weights that the run starts from have
    learned with the same scale and order of channels; the first layer of HHA or depth starts from one of BGR, too [as
    the authors' do]. Other weights of colour keep their own. InputError where neither can be.
    """
    model = MODELS.get(args.recipe, {})
    if args.modality != "color":
        wanted = NYUD_MEAN[args.modality]
    else:
        wanted = model.get("preprocess") if model.get("modality", "color") == "color" else None
    if not start:
        return wanted
    theirs = start.preprocess
    if args.modality == "color" and theirs.order in ("RGB", "BGR"):
        agree = wanted and (wanted.order, wanted.scale) == (theirs.order, theirs.scale)
        return wanted if agree else theirs
    if wanted and theirs.order in ("BGR", wanted.order) and theirs.scale == wanted.scale:
        return wanted
    raise InputError(f"--modality {args.modality}: {start.files[0]} has learned with {theirs.order} times "
                     f"{theirs.scale:g}, another input; weights of BGR times 1, as Caffe's, can be taken")


def model_name(args, net, classes):
    """The papers' name of a stage's net in a recipe, None where it is none of theirs or its classes are others."""
    if not args.recipe:
        return None
    wanted = dict(MODELS[RECIPES[args.recipe].model], name=net)
    if (args.body, args.modality) != (wanted["body"], wanted.get("modality", "color")):
        return None
    if kinds(classes) != kinds(CLASSES[wanted["classes"]]):
        return None  # data of one's own
    return next((name for name, model in MODELS.items() if model == wanted), None)


def frozen(args, net):
    """Whether a stage leaves its body as it is."""
    return bool(args.freeze or NETS[net].get("fixed"))

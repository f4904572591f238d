"""python -m minifcn.weights: what somebody's weight file holds, and the same as a checkpoint of ours."""
from math import prod
from pathlib import Path

from minifcn import checkpoint, cli
from minifcn.datasets.base import each_kind
from minifcn.errors import InputError
from minifcn.recipes import RECIPES
from minifcn.weights import convert, layout_of
from minifcn.weights.contents import printable
from minifcn.weights.formats import open_file
from minifcn.weights.labels import classes_and_colors


def parser():
    p = cli.Parser(
        "python -m minifcn.weights",
        "Say what a weight file holds, or convert it. Read are safetensors, torch's .pth, and Caffe's .caffemodel; "
        "which net it is, is told by names and shapes: torchvision's and timm's VGG16, torchvision's GoogLeNet, "
        "Caffe's VGG16, CaffeNet and GoogLeNet, and every model that the papers' authors released. With --out an FCN "
        "becomes a checkpoint that predict, evaluate and export take, a classifier one that train --weights takes "
        "(which takes the file itself, too).",
        ["python -m minifcn.weights VGG_ILSVRC_16_layers.caffemodel",
         "python -m minifcn.weights fcn8s-heavy-pascal.caffemodel --out voc-fcn8s.safetensors",
         "python -m minifcn.weights nyud.caffemodel --as nyud-fcn32s-hha --out hha.safetensors"])
    p.add_argument("file", type=Path, metavar="FILE", help="a weight file, or a checkpoint")
    p.add_argument("--as", dest="as_model", metavar="MODEL",
                   help="which model it is, where its tensors do not tell: a name that python -m minifcn.nets lists")
    p.add_argument("--out", type=Path, metavar="NEW", help="write a checkpoint, .safetensors")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    if args.out and args.out.exists():
        raise InputError(f"{args.out}: is there already; choose another --out")
    if args.file.is_file():
        print(f"reading {args.file}, {args.file.stat().st_size / 1e6:,.1f} MB")
    contents = open_file(args.file)
    print(f"{contents.format}, {len(contents.tensors)} tensors, "
          f"{sum(prod(tensor.shape) for tensor in contents.tensors.values()):,} parameters\n")
    if "minifcn" in contents.metadata and not args.out:
        print(table(contents, {name: name for name in contents.tensors}))
        print("\n".join(printable(f"{key}: {text}", 1 << 16) for key, text in contents.metadata.items()))
        return 0
    try:
        layout = layout_of(contents, args.as_model)
    except InputError:
        print(table(contents, {}))
        raise
    print(table(contents, {name: ours for name, (ours, _) in layout.tensors.items()}))
    weights = convert(contents, layout)
    print(f"{description(weights)}\n")
    if args.out:
        save(weights, args.out)
    return 0


def table(contents, ours):
    """A line for every tensor: its name, shape and dtype in the file, and where it goes."""
    wide = max(map(len, contents.tensors), default=0)
    lines = []
    for name, tensor in contents.tensors.items():
        shape = " x ".join(map(str, tensor.shape)) or "()"
        lines.append(f"{name:{wide}}  {shape:20}{tensor.dtype:10}{ours.get(name, '-')}\n")
    return "".join(lines)


def description(weights):
    """Which net it is, what was done to it, and what it wants images to be."""
    classes = " and ".join(map(str, each_kind(weights.classes)))
    given = "".join(f", {key}={value}" for key, value in weights.options.items())
    scale = "" if weights.preprocess.scale == 1 else f", times {weights.preprocess.scale:g}"
    return "\n".join([
        f"{weights.title}: {weights.net}, body {weights.body}{given}, {classes} classes",
        *weights.notes,
        f"input: {weights.preprocess.order}, grey levels less {', '.join(f'{m:g}' for m in weights.preprocess.mean)}"
        f"{scale}"])


def save(weights, path):
    """Write a checkpoint that minifcn.load opens."""
    net = weights.build()
    names, colors = classes_and_colors(weights.model, weights.classes)
    options = weights.options | ({} if weights.modality == "color" else {"modality": weights.modality})
    meta = {"classes": names, "colors": colors, "options": options, "max_side": None}
    if weights.model:
        meta |= {"model": weights.model, **scored_on(weights.model)}
    cli.output_folder(path.parent)
    checkpoint.save(path, net, meta)
    print(f"saved to {path}")


def scored_on(model):
    """Where the authors scored it: the data set and the split that evaluate takes unless told."""
    if model not in RECIPES:
        return {}
    options = RECIPES[model].options
    return {"dataset": options.get("val_dataset", options["dataset"]), "val_split": options["val_split"]}


if __name__ == "__main__":
    cli.run(main)

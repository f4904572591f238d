"""python -m minifcn.predict: name the pixels of photographs with a trained net."""
import sys
from pathlib import Path

import numpy as np

from minifcn import cli
from minifcn.backend import choose_device, set_threads
from minifcn.datasets.base import each_kind, kinds
from minifcn.datasets.nyud import read_depth
from minifcn.errors import InputError
from minifcn.images import read_image
from minifcn.model import load
from minifcn.overlay import overlay_with_legend
from minifcn.palette import write_label_png

MADE = ("", "-geometric")  # what the names of the files of each head end in


def parser():
    p = cli.Parser(
        "python -m minifcn.predict",
        "Segment images with a trained net. For each one: NAME.png, a palette PNG of class numbers as large as the "
        "image, and NAME-overlay.jpg, the image with outlines, colours and a legend of names. A net with two heads "
        "writes NAME-geometric.png and its overlay, too.",
        ["python -m minifcn.predict harbour-fcn8s boat.jpg",
         "python -m minifcn.predict runs/photos/best.safetensors folder/ --masks-only --out masks"])
    p.add_argument("checkpoint", help="a .safetensors checkpoint of a run, or a shipped net such as harbour-fcn8s")
    p.add_argument("images", nargs="+", type=Path, metavar="IMAGE",
                   help="image files of any kind that Pillow opens, or folders of them")
    p.add_argument("--out", type=Path, default=Path("predictions"), metavar="DIR", help="default: %(default)s")
    p.add_argument("--masks-only", action="store_true", help="write the label PNGs alone: a plain folder of masks")
    p.add_argument("--second", type=Path, metavar="DIR",
                   help="for nets of colour and HHA, or of colour and depth: the folder of the other images, of the "
                        "same names (depth: 16-bit PNGs of millimetres)")
    p.add_argument("--tile", type=int, metavar="N",
                   help="compute in parts of N x N pixels: bounds the memory that large images take, same result")
    cli.add_machine(p)
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    if args.tile is not None and args.tile < 1:
        raise InputError(f"--tile {args.tile}: at least 1 is needed")
    if args.threads is not None:
        set_threads(args.threads)
    device, why = choose_device(args.device)
    model = load(args.checkpoint, device)
    files = found(args.images, args.out)
    cli.output_folder(args.out)
    order = model.net.preprocess.order
    if (args.second is None) != (len(order) == 3):
        advice = "leave --second out" if args.second else "name the folder of the other images with --second"
        raise InputError(f"{args.checkpoint}: takes {model.net.preprocess.images}: {advice}")
    classes, colors = kinds(model.classes), each_kind(model.colors)
    print(f"{model.meta['net']}, {' and '.join(str(len(names)) for names in classes)} classes, {why}")
    bad = 0
    with cli.progress_bar(len(files), "predicting", "images") as bar:
        for path in files:
            try:
                image = read_image(path)
                if args.second:
                    image = with_second(image, args.second / f"{path.stem}.png", order)
            except InputError as error:
                if len(files) == 1:
                    raise
                bad += 1  # one bad file among many is no reason to lose the rest
                bar.write(f"error: {error}", file=sys.stderr)
                bar.update()
                continue
            predicted = each_kind(model.predict(image, args.tile))
            shown = image[..., :3].astype(np.uint8)
            for labels, names, palette, made in zip(predicted, classes, colors, MADE, strict=False):
                write_label_png(args.out / f"{path.stem}{made}.png", labels, palette)
                if not args.masks_only:
                    picture = overlay_with_legend(shown, labels, names, palette)
                    picture.save(args.out / f"{path.stem}{made}-overlay.jpg", quality=92)
            bar.write(f"{path} -> {args.out / path.stem}.png: {share(predicted[0], classes[0])}")
            bar.update()
    print(f"{len(files) - bad} of {len(files)} images segmented; results are in {args.out}")
    return 2 if bad else 0


def with_second(image, path, order):
    """The image with the channels of another beside its own: HHA, or depth in millimetres."""
    size = image.shape[:2]
    second = read_depth(path, size) if "D" in order else read_image(path, size)
    return np.concatenate([image, second], axis=2)


def found(paths, out):
    """The image files among paths and in the folders among them.

    An InputError where two would write the same file in the folder `out`, or one over an image.
    """
    from PIL import Image

    suffixes = {suffix for suffix, kind in Image.registered_extensions().items() if kind in Image.OPEN}
    files = []
    for path in paths:
        if path.is_dir():
            inside = sorted(file for file in path.iterdir() if file.suffix.lower() in suffixes and file.is_file())
            if not inside:
                raise InputError(f"{path}: no images in this folder")
            files += inside
        elif path.exists():
            files.append(path)
        else:
            raise InputError(f"{path}: no such image")
    files = list(dict.fromkeys(files))
    by_name = {}
    for file in files:
        if other := by_name.get(file.stem.casefold()):
            raise InputError(f"{other} and {file} would both become {file.stem}.png: predict them into two folders")
        by_name[file.stem.casefold()] = file  # some systems take A.png and a.png for one
    images = {file.resolve() for file in files}
    for file in files:
        for made in (out / f"{file.stem}{kind}{end}" for kind in MADE for end in (".png", "-overlay.jpg")):
            if made.resolve() in images:
                raise InputError(f"{made}: the labels of {file} would be written over this image; choose another --out")
    return files


def share(labels, classes):
    """"boat 12 %, person 3 %": the classes of an image, largest first."""
    counts = np.bincount(labels.ravel(), minlength=len(classes))
    order = [i for i in np.argsort(-counts, kind="stable") if counts[i]]
    parts = [f"{classes[i]} {100 * counts[i] / labels.size:.0f} %" for i in order[:6]]
    return ", ".join(parts) + (f" and {len(order) - 6} more" if len(order) > 6 else "")


if __name__ == "__main__":
    cli.run(main)

"""python -m minifcn.analysis: the papers' analyses of any data set and net, the papers' figures beside."""
import argparse

from minifcn import cli
from minifcn.analysis import bound, masking
from minifcn.backend import choose_device, set_threads
from minifcn.datasets import READERS, harbour, open_dataset
from minifcn.datasets.base import kinds
from minifcn.evaluate import opened
from minifcn.model import load

DATA = "data set folder (default: Harbour, the embedded one)"
EXAMPLES = {
    "bound": ["python -m minifcn.analysis bound",
              "python -m minifcn.analysis bound --data VOCdevkit --split seg11valid",
              "python -m minifcn.analysis bound --dataset siftflow --data data --split test"],
    "masking": ["python -m minifcn.analysis masking harbour-fcn8s",
                "python -m minifcn.analysis masking voc-fcn32s.safetensors --data VOCdevkit --split seg11valid",
                "python -m minifcn.train --keep shape --out runs/shape",
                "python -m minifcn.analysis masking runs/shape --keep shape"],
}


def parser():
    p = cli.Parser(
        "python -m minifcn.analysis",
        "Two analyses of the papers. bound: the mean IU of the truth itself, made as coarse as the scores of nets are. "
        "masking: what a net still knows when it is shown objects alone, or everything but objects. Each has a --help "
        "of its own.",
        [line for lines in EXAMPLES.values() for line in lines])
    p.add_argument("command", choices=tuple(COMMANDS))
    p.add_argument("rest", nargs=argparse.REMAINDER, metavar="...", help="options of the command")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    return COMMANDS[args.command](args.rest)


def bound_main(argv):
    p = cli.Parser(
        "python -m minifcn.analysis bound",
        "Resample the true labels in cells of 128, 64, 32, 16, 8 and 4 pixels and score what is left of them: what a "
        "net that knows everything would lose to coarseness alone.", EXAMPLES["bound"])
    p.add_argument("--data", metavar="DIR", help=DATA)
    p.add_argument("--dataset", choices=READERS, default="voc", help="what lies there: voc is every folder in VOC "
                                                                     "layout (default: %(default)s)")
    p.add_argument("--split", default="val", help="which of its lists (default: %(default)s)")
    args = p.parse_args(argv)
    root = args.data or (harbour.root() if args.dataset == "voc" else "data")
    dataset = open_dataset(args.dataset, root, args.split)
    print(f"the truth of {len(dataset)} images of {dataset.root} ({dataset.split}), in cells of so many pixels\n")
    with cli.progress_bar(len(dataset), "resampling", "images") as bar:
        matrices = bound.bound(dataset, bar.update)
    print(f"{bound.table(matrices)}\n\n{bound.NOTE}")
    return 0


def masking_main(argv):
    p = cli.Parser(
        "python -m minifcn.analysis masking",
        "Score a net on images of which the labels mask a part, in the mean colour: the background (Reference-FG), or "
        "the objects (Reference-BG). Class 0 counts as background, whatever it is called; void is always masked.",
        EXAMPLES["masking"])
    p.add_argument("checkpoint", help="a .safetensors checkpoint of a run, or a shipped net such as harbour-fcn8s")
    p.add_argument("--data", metavar="DIR", help=DATA)
    p.add_argument("--split", help="which of its lists (default: what the net was validated on, else val)")
    p.add_argument("--keep", choices=masking.KEEP, help="what train --keep kept when this net was trained: it is shown "
                                                        "that alone (FG-only, BG-only, Shape)")
    cli.add_machine(p)
    args = p.parse_args(argv)
    if args.threads is not None:
        set_threads(args.threads)
    device, why = choose_device(args.device)
    model = load(args.checkpoint, device)
    dataset = opened(model, args.data, None, args.split)
    print(f"{model.meta['net']} on {len(dataset)} images of {dataset.root} ({dataset.split}); {why}\n"
          f"mean IU without background, which is class 0, {kinds(dataset.classes)[0][0]}\n")
    rows = sum(trained == args.keep for trained, *_ in masking.TABLE_8.values())
    with cli.progress_bar(rows * len(dataset), "scoring", "images") as bar:
        matrices = masking.study(model, dataset, args.keep, bar.update)
    print(f"{masking.table(matrices)}\n\nthe papers' are those of FCN-32s on VOC")
    return 0


COMMANDS = {"bound": bound_main, "masking": masking_main}

if __name__ == "__main__":
    cli.run(main)

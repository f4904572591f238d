"""python -m minifcn.evaluate: how good is a trained net on a split? The four scores of the papers, and every class."""
import sys
from pathlib import Path

import numpy as np

from minifcn import cli, plot
from minifcn.backend import choose_device, set_threads
from minifcn.datasets import READERS, harbour, open_dataset
from minifcn.datasets.base import kinds, per_kind
from minifcn.model import load
from minifcn.scoring import evaluate as evaluate  # where those look for it who score a net of their own
from minifcn.scoring import first, of_image, score, seen
from minifcn.tables import json_text, one_class_warning, summary

WORST = 12  # images in worst.png


def parser():
    p = cli.Parser(
        "python -m minifcn.evaluate",
        "Score a trained net on a split of a data set: pixel accuracy, mean accuracy, mean IU and frequency-weighted "
        "IU from one confusion matrix over the whole split, and the IU of every class. A net of the papers has their "
        "figures beside its own.",
        ["python -m minifcn.evaluate harbour-fcn8s --split hard",
         "python -m minifcn.evaluate runs/photos/best.safetensors --data my/photos --out scores",
         "python -m minifcn.evaluate fcn8s-heavy-pascal.safetensors --data data --split seg11valid"])
    p.add_argument("checkpoint", help="a .safetensors checkpoint of a run, or a shipped net such as harbour-fcn8s")
    p.add_argument("--data", metavar="DIR", help="data set folder (default: Harbour, the embedded one; data, which "
                                                    "python -m minifcn.datasets fills, for a net of the papers and "
                                                    "for every data set that is not in VOC layout)")
    p.add_argument("--dataset", choices=READERS, help="what it is (default: what the net was trained on; voc is every "
                                                      "folder in VOC layout)")
    p.add_argument("--split", help="which of its lists (default: what the net was validated on, else val)")
    cli.add_machine(p)
    p.add_argument("--out", type=Path, metavar="DIR",
                   help="also write scores.json, confusion.png and worst.png there (default: print only)")
    return p


def main(argv=None):
    args = parser().parse_args(argv)
    if args.threads is not None:
        set_threads(args.threads)
    device, why = choose_device(args.device)
    model = load(args.checkpoint, device)
    dataset = opened(model, args.data, args.dataset, args.split)
    if args.out:
        cli.output_folder(args.out)
    names, theirs = kinds(model.classes), kinds(dataset.classes)
    for mine, other in zip(names, theirs, strict=False):
        if mine != other and len(mine) == len(other):
            print(f"warning: the net's classes are named {', '.join(mine)}, the data's {', '.join(other)}",
                  file=sys.stderr)
    name = model.meta["net"]
    print(f"{name} on {len(dataset)} images of {dataset.root} ({dataset.split}); {why}")
    if dataset.note:
        print(dataset.note)
    iu = {}

    def each(i, truth, guess):
        iu[i] = of_image(truth, guess, len(theirs), len(theirs[0]))

    with cli.progress_bar(len(dataset), "scoring", "images") as bar:
        matrices, loss = score(model, dataset, bar.update, each)
    print(summary(model, dataset, matrices), f"mean loss {loss:.4f}", sep="\n\n")
    if warning := one_class_warning(matrices[0], theirs[0]):
        print(warning, file=sys.stderr)
    if args.out:
        scores = [{**matrix.scores(), "iu": dict(zip(some, matrix.iu.tolist(), strict=True))}
                  for matrix, some in zip(matrices, theirs, strict=True)]
        (args.out / "scores.json").write_text(json_text(per_kind(scores)))
        plot.confusion(matrices[0].counts, theirs[0], args.out / "confusion.png")
        draw_worst(model, dataset, iu, args.out / "worst.png")
        print(f"\nscores.json, confusion.png and worst.png are in {args.out}")
    return 0


def opened(model, data, name, split):
    """The split of a data set that a net is to be scored on; what is not said is what it was trained with."""
    meta = model.meta
    name = name or meta.get("dataset", "voc")
    options = {"modality": meta.get("options", {}).get("modality", "color")} if name == "nyud" else {}
    root = data or (harbour.root() if name == "voc" and "model" not in meta else "data")
    return open_dataset(name, root, split or meta.get("val_split", "val"), **options)


def draw_worst(model, dataset, iu, path):
    """The WORST images of a data set by their own mean IU, {index: IU}, with errors lit; by the first head's labels."""
    order = sorted((i for i, value in iu.items() if np.isfinite(value)), key=lambda i: iu[i])[:WORST]
    rows = [{"id": dataset.ids[i], **seen(dataset, i), "prediction": first(model.predict(dataset[i][0])), "iu": iu[i]}
            for i in order]
    if rows:
        plot.worst(rows, kinds(dataset.classes)[0], first(dataset.colors), path)


if __name__ == "__main__":
    cli.run(main)

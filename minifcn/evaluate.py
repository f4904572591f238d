"""python -m minifcn.evaluate: how good is a trained net on a split? The four scores of the papers, and every class."""
import json
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from minifcn import cli, plot
from minifcn.backend import choose_device, set_threads, to_device, to_numpy
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix
from minifcn.model import load
from minifcn.ops import softmax_cross_entropy

WORST = 12  # images in worst.png
BATCH_PIXELS = 1 << 18  # images of one size are scored together up to this many pixels


def evaluate(model, dataset, progress=None, each=None):
    """(ConfusionMatrix, mean loss) of a Model over a data set, at the labels' own resolution.

    progress(n) is called after n more images, each(i, labels, predicted) for every image.
    """
    if len(model.classes) != len(dataset.classes):
        raise InputError(f"the net knows {len(model.classes)} classes, {dataset.root} has {len(dataset.classes)}: "
                         "name the net's own data with --data")
    matrix = ConfusionMatrix(len(dataset.classes))
    loss = 0.0
    for numbers, images, labels in _groups(dataset):
        predicted = np.empty_like(labels)
        for rows, scores in model.score_strips(images):
            some, _ = softmax_cross_entropy(scores, to_device(labels[:, rows], model.net.device), reduction="sum")
            loss += float(some)
            predicted[:, rows] = to_numpy(scores.argmax(axis=1))
        for i, truth, guess in zip(numbers, labels, predicted, strict=True):
            matrix.update(guess, truth)
            if each:
                each(i, truth, guess)
        if progress:
            progress(len(numbers))
    return matrix, loss / max(1, matrix.counts.sum())


def _groups(dataset):
    """Yield (indices, images (N,H,W,3), labels (N,H,W)) of neighbours of one size, read ahead on threads."""
    group = []
    with ThreadPoolExecutor(2, thread_name_prefix="reading") as pool:
        for start in range(0, len(dataset), 32):  # not all at once: a data set need not fit into memory
            numbers = range(start, min(start + 32, len(dataset)))
            for i, (image, labels) in zip(numbers, pool.map(dataset.__getitem__, numbers), strict=True):
                if group and (group[0][2].shape != labels.shape or (len(group) + 1) * labels.size > BATCH_PIXELS):
                    yield _stacked(group)
                    group = []
                group.append((i, image, labels))
    yield _stacked(group)


def _stacked(group):
    numbers, images, labels = zip(*group, strict=True)
    return numbers, np.stack(images), np.stack(labels)


def table(matrices):
    """The papers' table, in percent: {net name: ConfusionMatrix} -> text."""
    lines = [f"{'':12}{'pixel acc.':>12}{'mean acc.':>12}{'mean IU':>12}{'f.w. IU':>12}"]
    for name, matrix in matrices.items():
        lines.append(f"{name:12}" + "".join(f"{100 * value:12.1f}" for value in matrix.scores().values()))
    return "\n".join(lines)


def class_table(matrices, classes):
    """IU of every class, in percent: {net name: ConfusionMatrix} -> text. A class that is nowhere has a dash."""
    width = max(12, *(len(name) + 2 for name in classes))
    lines = [f"{'IU of':{width}}" + "".join(f"{name:>10}" for name in matrices)]
    for i, name in enumerate(classes):
        values = [100 * matrix.iu[i] for matrix in matrices.values()]
        lines.append(f"{name:{width}}" + "".join(f"{'-':>10}" if np.isnan(v) else f"{v:10.1f}" for v in values))
    return "\n".join(lines)


def one_class_warning(matrix, classes):
    """A line that says so when a single class takes over 99 % of the predicted pixels, else None."""
    share = matrix.counts.sum(axis=0) / max(1, matrix.counts.sum())
    if share.max() <= 0.99:
        return None
    return (f"warning: {100 * share.max():.1f} % of the predicted pixels are {classes[share.argmax()]}: so far the net "
            "says the same everywhere; train longer, or try --balance median or another --lr")


def json_text(scores):
    """Scores as JSON text; a NaN, which JSON does not know, becomes null."""
    def known(value):
        if isinstance(value, dict):
            return {name: known(part) for name, part in value.items()}
        if isinstance(value, list):
            return [known(part) for part in value]
        return None if value != value else value

    return json.dumps(known(scores), indent=1) + "\n"


def draw_worst(model, dataset, iu, path):
    """The WORST images of a data set by their own mean IU, {index: IU}, with errors lit."""
    order = sorted((i for i, value in iu.items() if np.isfinite(value)), key=lambda i: iu[i])[:WORST]
    rows = []
    for i in order:
        image, truth = dataset[i]
        rows.append({"id": dataset.ids[i], "image": image, "truth": truth, "prediction": model.predict(image),
                     "iu": iu[i]})
    if rows:
        plot.worst(rows, dataset.classes, dataset.colors, path)


def parser():
    p = cli.Parser(
        "python -m minifcn.evaluate",
        "Score a trained net on a split of a data set in VOC layout: pixel accuracy, mean accuracy, mean IU and "
        "frequency-weighted IU from one confusion matrix over the whole split, and the IU of every class.",
        ["python -m minifcn.evaluate harbour-fcn8s --split hard",
         "python -m minifcn.evaluate runs/photos/best.safetensors --data my/photos --out scores"])
    p.add_argument("checkpoint", help="a .safetensors checkpoint of a run, or a shipped net such as harbour-fcn8s")
    p.add_argument("--data", metavar="DIR", help="data set folder (default: Harbour, the embedded one)")
    p.add_argument("--split", default="val", help="which list of ImageSets/Segmentation (default: %(default)s)")
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
    dataset = VOCSegmentation(args.data or harbour.root(), args.split)
    if args.out:
        cli.output_folder(args.out)
    if model.classes != dataset.classes and len(model.classes) == len(dataset.classes):
        print(f"warning: the net's classes are named {', '.join(model.classes)}, the data's "
              f"{', '.join(dataset.classes)}", file=sys.stderr)
    name = model.meta["net"]
    print(f"{name} on {len(dataset)} images of {dataset.root} ({args.split}); {why}")
    iu = {}

    def each(i, truth, guess):
        iu[i] = ConfusionMatrix(len(dataset.classes)).update(guess, truth).mean_iu

    with cli.progress_bar(len(dataset), "scoring", "images") as bar:
        matrix, loss = evaluate(model, dataset, bar.update, each)
    print(table({name: matrix}), class_table({name: matrix}, dataset.classes), f"mean loss {loss:.4f}", sep="\n\n")
    if warning := one_class_warning(matrix, dataset.classes):
        print(warning, file=sys.stderr)
    if args.out:
        scores = {**matrix.scores(), "iu": dict(zip(dataset.classes, matrix.iu.tolist(), strict=True))}
        (args.out / "scores.json").write_text(json_text(scores))
        plot.confusion(matrix.counts, dataset.classes, args.out / "confusion.png")
        draw_worst(model, dataset, iu, args.out / "worst.png")
        print(f"\nscores.json, confusion.png and worst.png are in {args.out}")
    return 0


if __name__ == "__main__":
    cli.run(main)

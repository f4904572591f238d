"""What a run leaves at its end: the papers' table and the pictures, drawn from the checkpoints of its stages."""
import json
import sys

import numpy as np

from minifcn import checkpoint, plot
from minifcn.cli import progress_bar
from minifcn.datasets import VOCSegmentation
from minifcn.datasets.voc import split_names
from minifcn.evaluate import class_table, draw_worst, evaluate, json_text, one_class_warning, table
from minifcn.metrics import ConfusionMatrix
from minifcn.model import load

TITLES = {"fcn32s": "FCN-32s", "fcn16s": "FCN-16s", "fcn8s": "FCN-8s"}


def finish(out, names, val, device):
    """Score the stages' checkpoints on the validation split, write table and pictures into `out`; the text to print."""
    models = {name: load(out / f"{name}.safetensors", device) for name in names}
    matrices, per_image = {}, {name: {} for name in names}
    with progress_bar(len(names) * len(val), "scoring", "images") as bar:
        for name, model in models.items():
            def each(i, truth, guess, name=name):
                per_image[name][i] = _iu(guess, truth, len(val.classes))

            matrices[name], _ = evaluate(model, val, bar.update, each)
    last = names[-1]
    scored = [{"id": id_, "iu": {name: per_image[name][i] for name in names}} for i, id_ in enumerate(val.ids)]
    rows = [row(models, val, pick["index"], pick["title"]) for pick in plot.choose_rows(scored, val.labels)]
    if "hard" in split_names(val.root):
        rows.append(_hardest(models, VOCSegmentation(val.root, "hard")))
    plot.predictions(rows, val.classes, val.colors, out / "predictions.png")
    plot.confusion(matrices[last].counts, val.classes, out / "confusion.png")
    draw_worst(models[last], val, per_image[last], out / "worst.png")
    text = table({TITLES[name]: matrix for name, matrix in matrices.items()})
    text += "\n\n" + class_table({TITLES[name]: matrix for name, matrix in matrices.items()}, val.classes)
    if warning := one_class_warning(matrices[last], val.classes):
        text += "\n\n" + warning
    results = {"table": text, "scores": {name: {**matrix.scores(), "iu": matrix.iu.tolist()}
                                         for name, matrix in matrices.items()}}
    checkpoint.write(out / "results.json", json_text(results).encode())
    return text


def read_results(out):
    """results.json of a finished run, None where there is none."""
    try:
        return json.loads((out / "results.json").read_text())
    except FileNotFoundError:
        return None
    except ValueError:  # cannot be by our writing: draw it again
        print(f"{out / 'results.json'}: damaged, made anew", file=sys.stderr)
        return None


def _iu(predicted, truth, classes):
    return ConfusionMatrix(classes).update(predicted, truth).mean_iu


def row(models, dataset, i, title):
    """One row of predictions.png."""
    image, truth = dataset[i]
    predictions = {TITLES[name]: model.predict(image) for name, model in models.items()}
    return {"title": title, "image": image, "truth": truth, "predictions": predictions,
            "iu": {name: _iu(labels, truth, len(dataset.classes)) for name, labels in predictions.items()},
            "zoom": plot.zoom_window(truth, predictions)}


def _hardest(models, hard):
    """The row of the image of split "hard" on which the last net does worst."""
    model = list(models.values())[-1]
    iu = {}
    evaluate(model, hard, each=lambda i, truth, guess: iu.update({i: _iu(guess, truth, len(hard.classes))}))
    i = min(iu, key=lambda i: iu[i] if np.isfinite(iu[i]) else np.inf)
    return row(models, hard, i, f"worst of split hard ({hard.ids[i]})")

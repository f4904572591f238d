"""What a run leaves at its end: the papers' table and the pictures, drawn from the checkpoints of its stages."""
import json
import sys

import numpy as np

from minifcn import checkpoint, plot
from minifcn.cli import progress_bar
from minifcn.datasets.base import kinds, per_kind
from minifcn.evaluate import draw_worst
from minifcn.model import load
from minifcn.scoring import first, of_image, of_kind, score, seen
from minifcn.tables import class_table, json_text, one_class_warning, table, title


def finish(out, names, data, device):
    """Score the stages' checkpoints on the validation split, write table and pictures into `out`; the text to print."""
    val = data.val
    classes, colors = kinds(val.classes), first(val.colors)
    models = {name: load(out / f"{name}.safetensors", device) for name in names}
    matrices, per_image = {}, {name: {} for name in names}
    with progress_bar(len(names) * len(val), "scoring", "images") as bar:
        for name, model in models.items():
            def each(i, truth, guess, name=name):
                per_image[name][i] = of_image(truth, guess, len(classes), len(classes[0]))

            matrices[name], _ = score(model, val, bar.update, each)
    last = names[-1]
    scored = [{"id": id_, "iu": {name: per_image[name][i] for name in names}} for i, id_ in enumerate(val.ids)]
    labels = lambda i: of_kind(val.labels(i), 0, len(classes))  # noqa: E731
    rows = [row(models, val, pick["index"], pick["title"]) for pick in plot.choose_rows(scored, labels)]
    if data.hard:
        rows.append(_hardest(models, data.hard))
    plot.predictions(rows, classes[0], colors, out / "predictions.png")
    plot.confusion(matrices[last][0].counts, classes[0], out / "confusion.png")
    draw_worst(models[last], val, per_image[last], out / "worst.png")
    text = ""
    for k, some in enumerate(classes):
        named = {title(name) + (", geometric" if k else ""): found[k] for name, found in matrices.items()}
        text += ("\n\n" if k else "") + f"{table(named)}\n\n{class_table(named, some)}"
    if warning := one_class_warning(matrices[last][0], classes[0]):
        text += "\n\n" + warning
    scores = {name: per_kind({**matrix.scores(), "iu": matrix.iu.tolist()} for matrix in found)
              for name, found in matrices.items()}
    checkpoint.write(out / "results.json", json_text({"table": text, "scores": scores}).encode())
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


def row(models, dataset, i, heading):
    """One row of predictions.png."""
    shown, image = seen(dataset, i), dataset[i][0]
    count = len(kinds(dataset.classes)[0])
    predictions = {title(name): first(model.predict(image)) for name, model in models.items()}
    return {"title": heading, **shown, "predictions": predictions,
            "iu": {name: of_image(shown["truth"], labels, 1, count) for name, labels in predictions.items()},
            "zoom": plot.zoom_window(shown["truth"], predictions)}


def _hardest(models, hard):
    """The row of the image of split "hard" on which the last net does worst."""
    model, count = list(models.values())[-1], len(kinds(hard.classes)[0])
    iu = {}
    score(model, hard, each=lambda i, truth, guess: iu.update({i: of_image(truth, guess, 1, count)}))
    i = min(iu, key=lambda i: iu[i] if np.isfinite(iu[i]) else np.inf)
    return row(models, hard, i, f"worst of split hard ({hard.ids[i]})")

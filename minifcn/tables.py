"""Scores in words: the papers' table, every class's IU, and the papers' figures beside ours."""
import json
from math import isnan, nan

import numpy as np

from minifcn.datasets.base import kinds
from minifcn.metrics import ConfusionMatrix
from minifcn.published import CONTEXT_NOTE, PUBLISHED


def title(net):
    """"fcn8s-atonce" -> "FCN-8s at-once", "fcn-pool4" -> "FCN-pool4"."""
    first, *rest = net.removeprefix("fcn").removeprefix("-").split("-")
    return " ".join([f"FCN-{first}", *rest]).replace("atonce", "at-once")


def table(matrices, published=()):
    """The papers' table, in percent: {net name: ConfusionMatrix}, and rows of published.py beneath -> text."""
    rows = [(name, *(100 * value for value in matrix.scores().values())) for name, matrix in matrices.items()]
    width = max(12, *(len(name) + 2 for name, *_ in (*rows, *published)))
    lines = [f"{'':{width}}{'pixel acc.':>12}{'mean acc.':>12}{'mean IU':>12}{'f.w. IU':>12}"]
    for name, *values in (*rows, *published):
        figures = [f"{'-':>12}" if isnan(value) else f"{value:12.1f}" for value in values]
        lines.append(f"{name:{width}}" + "".join(figures))
    return "\n".join(lines)


def class_table(matrices, classes):
    """IU of every class, in percent: {net name: ConfusionMatrix} -> text. A class that is nowhere has a dash."""
    width = max(12, *(len(name) + 2 for name in classes))
    wide = [max(10, len(name) + 2) for name in matrices]
    lines = [f"{'IU of':{width}}" + "".join(f"{name:>{w}}" for name, w in zip(matrices, wide, strict=True))]
    for i, name in enumerate(classes):
        values = [100 * matrix.iu[i] for matrix in matrices.values()]
        lines.append(f"{name:{width}}" + "".join(f"{'-':>{w}}" if np.isnan(v) else f"{v:{w}.1f}"
                                                 for v, w in zip(values, wide, strict=True)))
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


def summary(model, dataset, matrices):
    """The tables of a net: its scores, the papers' beside them where it is one of theirs, and every class's IU."""
    name, known = model.meta["net"], PUBLISHED.get(model.meta.get("model"))
    one, *second = matrices
    rows = {name: one}
    if dataset.classes[0] == "background" and known and known.note == CONTEXT_NOTE:
        rows[f"{name}, without background"] = ConfusionMatrix(one.classes, left_out=(0,))
        rows[f"{name}, without background"].counts = one.counts
    parts = [table(rows, known.rows if known else ())]
    if known and known.split != dataset.split:
        parts.append(f"the papers' figures are those of {known.split}")
    if known and known.note:
        parts.append(known.note)
    parts.append(class_table({name: one}, kinds(dataset.classes)[0]))
    if one.left_out:
        out = ", ".join(kinds(dataset.classes)[0][k] for k in one.left_out)
        parts.append(f"the means leave out what the test set lacks: {out}")
    for matrix in second:
        parts.append(table({"geometric": matrix}, [(source, value, nan, nan, nan)
                                                   for source, value in (known.geometric if known else ())]))
        parts.append(class_table({"geometric": matrix}, kinds(dataset.classes)[1]))
    return "\n\n".join(parts)

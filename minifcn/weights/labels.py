"""The names and colours of the classes of published nets, in the order of their scores."""
from minifcn.datasets.base import kinds, per_kind
from minifcn.datasets.context import CLASSES as CONTEXT
from minifcn.datasets.nyud import CLASSES as NYUD
from minifcn.datasets.siftflow import GEOMETRIC, SEMANTIC
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.palette import distinct_colors, voc_colors

CLASSES = {"voc": VOC_CLASSES, "pascalcontext": CONTEXT, "nyud": NYUD, "siftflow": (SEMANTIC, GEOMETRIC)}


def classes_and_colors(model, count):
    """Lists of names and of colours of a model in MODELS, two of each for two heads; for None of `count` classes."""
    data = (model or "").partition("-")[0]
    names = CLASSES.get(data) or tuple(f"class {k}" for k in range(count))
    choose = distinct_colors if data in ("nyud", "siftflow") else voc_colors  # as the readers of the data sets do
    return per_kind(kinds(names)), per_kind(choose(len(some)).tolist() for some in kinds(names))

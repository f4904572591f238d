"""SIFT Flow: outdoor scenes of 256 x 256 pixels with two kinds of labels, semantic and geometric [Liu et al. 2009].

Two of its 2688 images have no labels: 2486 are for training and 200 for test, not the customary 2488 and 200.
"""
from pathlib import Path
from typing import NamedTuple

import numpy as np

from minifcn.datasets.base import Segmentation, per_kind
from minifcn.datasets.files import find_folder, look_up, one_of, read_ids, way_out
from minifcn.datasets.matfile import read_array
from minifcn.errors import InputError
from minifcn.metrics import IGNORE

SEMANTIC = tuple(
    "awning balcony bird boat bridge building bus car cow crosswalk desert door fence field grass moon mountain person "
    "plant pole river road rock sand sea sidewalk sign sky staircase streetlight sun tree window".split()
)
GEOMETRIC = ("sky", "horizontal", "vertical")
ABSENT = tuple(map(SEMANTIC.index, ("cow", "desert", "moon")))  # from every test image: the papers' means omit them
UNLABELLED = {"highway_bost181", "street_urb506"}
SCENES = "spatial_envelope_256x256_static_8outdoorcategories"


class Kind(NamedTuple):
    """One kind of labels."""

    folder: str
    classes: tuple
    left_out: tuple
    first: int  # the lowest number in its files
    table: np.ndarray  # the labels of that number and of those after it


KINDS = {
    "semantic": Kind("SemanticLabels", SEMANTIC, ABSENT, 0, np.array([IGNORE, *range(33)], np.uint8)),
    "geometric": Kind("GeoLabels", GEOMETRIC, (), -1, np.array([IGNORE, IGNORE, *range(3)], np.uint8)),
}


class SIFTFlow(Segmentation):
    """One split, trainval or test; with labels="both" uint8 (H,W,2), "semantic" or "geometric" (H,W). See base.py.

    Images/SCENES/ID.jpg, SemanticLabels/SCENES/ID.mat and GeoLabels/SCENES/ID.mat with the variable S, and the lists
    trainval.txt and test.txt beside these folders. `root` may be a parent of the folder.
    """

    def __init__(self, root, split, ids=None, labels="both"):
        one_of(("trainval", "test"), split, "SIFT Flow: split")
        one_of(("both", *KINDS), labels, "SIFT Flow: labels")
        path = Path(root).expanduser()
        parts = [f"{folder}/{SCENES}" for folder in ("Images", *(kind.folder for kind in KINDS.values()))]
        how = way_out("siftflow", path)
        found = find_folder(path, [path, path / "sift-flow", path / "SiftFlowDataset"], parts, how)
        self._kinds = tuple(KINDS.values()) if labels == "both" else (KINDS[labels],)
        self.classes = per_kind(kind.classes for kind in self._kinds)
        self.left_out = per_kind(kind.left_out for kind in self._kinds)
        super().__init__(found, split, read_split(found, split, how) if ids is None else ids)

    def image_path(self, i):
        return self._find(self.root / "Images" / SCENES, self.ids[i], (".jpg",), "image")

    def label_path(self, i, kind=0):
        return self._find(self.root / self._kinds[kind].folder / SCENES, self.ids[i], (".mat",), "label file")

    def labels(self, i):
        layers = []
        for k, kind in enumerate(self._kinds):
            path = self.label_path(i, k)
            layers.append(look_up(read_array(path, "S"), kind.table, path, kind.first))
        if len({layer.shape for layer in layers}) > 1:
            raise InputError(f"{path}: its size is not that of the semantic labels")
        return np.stack(layers, axis=-1) if layers[1:] else layers[0]


def read_split(root, split, how):
    """The IDs of the authors' list. Without their trainval.txt: all that has both labels and is not in test.txt.

    `how` is the way out where a list is missing: the data's own archive is not known to hold any (unverified).
    """
    listed = root / f"{split}.txt"
    if split == "trainval" and not listed.is_file():
        labelled = [{path.stem for path in (root / kind.folder / SCENES).glob("*.mat")} for kind in KINDS.values()]
        return sorted(set.intersection(*labelled) - UNLABELLED - set(read_split(root, "test", how)))
    return read_ids(listed, how)

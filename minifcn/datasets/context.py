"""PASCAL-Context: every pixel of VOC 2010's images, objects and surroundings [Mottaghi et al. 2014].

459 classes were drawn; the task is the 59 commonest, in FCN's order (VOC's 20 first; other code orders by number), and
background, 0, which is everything else. It is learned and scored like a class: nothing is void [as released].
"""
from pathlib import Path

import numpy as np

from minifcn.datasets.base import Segmentation
from minifcn.datasets.files import find_folder, look_up, one_of, read_ids, way_out
from minifcn.datasets.matfile import read_array
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.palette import voc_colors

CLASSES = VOC_CLASSES + tuple(
    "bag bed bench book building cabinet ceiling clothes computer cup door fence floor flower food grass ground "
    "keyboard light mountain mouse curtain platform sign plate road rock shelves sidewalk sky snow bedcloth track tree "
    "truck wall water window wood".split()
)
NUMBERS = (  # of classes 1 to 59 among the 459
    2, 23, 25, 31, 34, 45, 59, 65, 72, 98, 397, 113, 207, 258, 284, 308, 347, 368, 416, 427,
    9, 18, 22, 33, 44, 46, 68, 80, 85, 104, 115, 144, 158, 159, 162, 187, 189, 220, 232, 259,
    260, 105, 296, 355, 295, 324, 326, 349, 354, 360, 366, 19, 415, 420, 424, 440, 445, 454, 458,
)
TABLE = np.zeros(460, np.uint8)
TABLE[list(NUMBERS)] = np.arange(1, 60)


class PASCALContext(Segmentation):
    """One split, train or val of VOC 2010's ImageSets/Main (4998 and 5105 images), with 60 classes; see base.py.

    Labels are trainval/ID.mat, LabelMap; images VOC2010/JPEGImages/ID.jpg. `root` is a folder that holds both, each as
    its archive unpacks; the labels may lie in pascal-context below it.
    """

    classes = CLASSES
    colors = voc_colors(len(CLASSES))

    def __init__(self, root, split, ids=None):
        one_of(("train", "val"), split, "PASCAL-Context: split")
        path = Path(root).expanduser()
        how = way_out("context", path)
        # below first: where case does not count, VOC 2011's TrainVal would be taken for trainval
        found = find_folder(path, [path / "pascal-context", path], ("trainval",), how)
        self.voc = find_folder(path, [path / "VOCdevkit" / "VOC2010", path / "VOC2010", path],
                               ("JPEGImages", "ImageSets/Main"), how)
        listed = self.voc / "ImageSets" / "Main" / f"{split}.txt"
        super().__init__(found, split, read_ids(listed, how) if ids is None else ids)

    def image_path(self, i):
        return self._find(self.voc / "JPEGImages", self.ids[i], (".jpg",), "image")

    def label_path(self, i):
        return self._find(self.root / "trainval", self.ids[i], (".mat",), "label file")

    def labels(self, i):
        path = self.label_path(i)
        return look_up(read_array(path, "LabelMap"), TABLE, path)

"""NYUDv2 in the layout of the papers' authors: indoor scenes with depth, 40 classes [Silberman 2012; Gupta 2013, 2014].

data/images/img_ID.png       RGB
data/depth/img_ID.png        depth in millimetres, 16 bits (inferred from the authors' mean of its logarithm)
data/hha/img_ID.png          horizontal disparity, height above ground, angle with gravity, in this order
segmentation/img_ID.mat      the matrix `segmentation`, 1 to 40, 0 = void
train.txt, val.txt, test.txt, trainval.txt: IDs, one a line (381, 414, 654, 795)
"""
from pathlib import Path

import numpy as np

from minifcn.datasets.base import Segmentation
from minifcn.datasets.files import find_folder, look_up, one_of, read_ids, way_out
from minifcn.datasets.matfile import read_array
from minifcn.errors import InputError
from minifcn.images import opened, read_image
from minifcn.metrics import IGNORE

CLASSES = (
    "wall", "floor", "cabinet", "bed", "chair", "sofa", "table", "door", "window", "bookshelf", "picture", "counter",
    "blinds", "desk", "shelves", "curtain", "dresser", "pillow", "mirror", "floor mat", "clothes", "ceiling", "books",
    "refridgerator", "television", "paper", "towel", "shower curtain", "box", "whiteboard", "person", "night stand",
    "toilet", "sink", "lamp", "bathtub", "bag", "otherstructure", "otherfurniture", "otherprop",
)
TABLE = np.array([IGNORE, *range(40)], np.uint8)
MODALITIES = {"color": ("images",), "hha": ("hha",), "color-d": ("images", "depth"), "color-hha": ("images", "hha")}


class NYUD(Segmentation):
    """One split, train, val, trainval or test. See base.py; its images, by `modality`:

    color       uint8 (H,W,3)   RGB
    hha         uint8 (H,W,3)   HHA, the channels in the order of the file
    color-d     uint16 (H,W,4)  RGB, and depth in millimetres, where 0 is unknown
    color-hha   uint8 (H,W,6)   RGB, then HHA

    Without trainval.txt, trainval is train and val. `root` may be a parent of the folder.
    """

    classes = CLASSES

    def __init__(self, root, split, ids=None, modality="color"):
        self.modality = one_of(MODALITIES, modality, "NYUD: modality")
        path = Path(root).expanduser()
        how = way_out("nyud", path)
        parts = (*(f"data/{folder}" for folder in MODALITIES[modality]), "segmentation")
        found = find_folder(path, [path, path / "nyud"], parts, how)
        super().__init__(found, split, read_split(found, split, how) if ids is None else ids)

    def image_path(self, i):
        return self._file(MODALITIES[self.modality][0], i)

    def label_path(self, i):
        return self._find(self.root / "segmentation", f"img_{self.ids[i]}", (".mat",), "label file")

    def labels(self, i):
        path = self.label_path(i)
        return look_up(read_array(path, "segmentation"), TABLE, path)

    def image(self, i, size):
        parts = [(read_depth if folder == "depth" else read_image)(self._file(folder, i), size)
                 for folder in MODALITIES[self.modality]]
        return parts[0] if not parts[1:] else np.concatenate(parts, axis=2)  # beside depth, colours become uint16

    def _file(self, folder, i):
        return self._find(self.root / "data" / folder, f"img_{self.ids[i]}", (".png",), "image")


def read_split(root, split, how):
    """The IDs of a list; `how` is the way out where it is missing."""
    listed = root / f"{split}.txt"
    if split == "trainval" and not listed.is_file():
        return read_split(root, "train", how) + read_split(root, "val", how)
    return read_ids(listed, how)


def read_depth(path, size):
    """A 16-bit PNG of millimetres -> uint16 (H,W,1)."""
    with opened(path) as image:
        if not image.mode.startswith("I"):
            raise InputError(f"{path}: an image of mode {image.mode}; depth in millimetres needs 16 bits of grey")
        depth = np.array(image)
    if depth.shape != tuple(size):
        raise InputError(f"{path}: depth is {depth.shape[1]} x {depth.shape[0]}, its labels are {size[1]} x {size[0]}")
    return depth.astype(np.uint16)[..., None]

"""SBD, the Semantic Boundaries Dataset: VOC's 21 classes on 11355 images of VOC 2011 [Hariharan et al. 2011].

The papers' nets for VOC learn from its train split, 8498 images. That overlaps VOC's val: validate on the split
seg11valid of voc.py. Pixels of no class are 0; no 255, void along the borders, is described (nor ruled out).
"""
from pathlib import Path

from minifcn.datasets.base import Segmentation
from minifcn.datasets.files import find_folder, known, read_ids, way_out
from minifcn.datasets.matfile import read_array
from minifcn.datasets.voc import SBD_FOLDER, VOC_CLASSES
from minifcn.palette import voc_colors


class SBD(Segmentation):
    """One split, train or val (or any list beside them), of benchmark_RELEASE/dataset; see base.py.

    img/ID.jpg, cls/ID.mat with the struct GTcls, train.txt, val.txt. `root` may be a parent of the folder.
    """

    classes = VOC_CLASSES
    colors = voc_colors(len(VOC_CLASSES))

    def __init__(self, root, split, ids=None):
        path = Path(root).expanduser()
        how = way_out("sbd", path)
        found = find_folder(path, [path, path / "dataset", path / SBD_FOLDER], ("img", "cls"), how)
        super().__init__(found, split, read_ids(found / f"{split}.txt", how) if ids is None else ids)

    def image_path(self, i):
        return self._find(self.root / "img", self.ids[i], (".jpg",), "image")

    def label_path(self, i):
        return self._find(self.root / "cls", self.ids[i], (".mat",), "label file")

    def labels(self, i):
        path = self.label_path(i)
        return known(read_array(path, "GTcls", "Segmentation"), len(self.classes), path)

"""PASCAL VOC as released, 2007 to 2012, and every folder laid out like it.

JPEGImages/ID.jpg           photograph, .jpg .jpeg or .png
SegmentationClass/ID.png    palette or grey PNG of class numbers, 255 = void
ImageSets/Segmentation/     train.txt, val.txt, ...: one ID a line
classes.txt                 one name a line; without it the 21 classes of VOC
"""
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from minifcn.datasets.base import Segmentation
from minifcn.datasets.base import cover as cover  # inspecting.py takes it from here
from minifcn.datasets.files import find_folder, known, read_ids, read_lines, repeated, way_out
from minifcn.errors import InputError
from minifcn.images import IMPORT_HINT, read_labels
from minifcn.metrics import IGNORE
from minifcn.palette import distinct_colors, voc_colors

VOC_CLASSES = tuple(
    "background aeroplane bicycle bird boat bottle bus car cat chair cow diningtable dog horse motorbike person "
    "pottedplant sheep sofa train tvmonitor".split()
)
PARTS = ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation")
IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png")  # the first wins where an ID has several
SEG11VALID = "seg11valid"
PUBLISHED = 736  # IDs in the authors' list
SBD_FOLDER = "benchmark_RELEASE/dataset"  # where SBD's archive unpacks to


def find_root(path):
    """The folder with the three parts: path itself, or VOC<year> below it as the archives unpack; the newest year."""
    path = Path(path).expanduser()
    how = (f"VOC 2012: python -m minifcn.datasets voc2012 --root {path}, or unpack VOCtrainval_11-May-2012.tar there; "
           "own data: JPEGImages/ID.jpg, SegmentationClass/ID.png, ImageSets/Segmentation/{train,val}.txt and "
           f"classes.txt, or: {IMPORT_HINT}")
    return find_folder(path, [path, *years(path)], PARTS, how)


def years(path):
    """The folders VOC<year> where the archives put them, the newest first."""
    above = (path, path / "VOCdevkit", path / "TrainVal" / "VOCdevkit")  # VOC 2011 has the extra level
    found = [folder for parent in above for folder in parent.glob("VOC20[0-9][0-9]")]
    return sorted(found, key=lambda folder: folder.name, reverse=True)


def read_classes(root):
    """The names in classes.txt, or VOC's."""
    path = root / "classes.txt"
    if not path.exists():
        return VOC_CLASSES
    names = read_lines(path)
    if twice := repeated(names):
        raise InputError(f"{path}: class {twice[0]!r} is there twice")
    if not 2 <= len(names) <= IGNORE:
        raise InputError(f"{path}: {len(names)} classes; 2 to {IGNORE} are possible (background counts)")
    return tuple(names)


def split_names(root):
    """The splits there are: names of the lists in ImageSets/Segmentation."""
    return sorted(path.stem for path in (root / PARTS[2]).glob("*.txt"))


def read_split(root, split):
    """The IDs of a split, in the order of its list."""
    return read_ids(root / PARTS[2] / f"{split}.txt", f"there are: {', '.join(split_names(root)) or 'none'}")


def read_seg11valid(path, root):
    """The images on which the papers' nets for VOC are scored: VOC 2011 segmentation val without SBD train.

    From a list seg11valid.txt, in `path` or among the lists of `root`; else computed, where `path` holds VOC 2011 and
    SBD as their archives unpack. The authors' list has 736 IDs from 2007_000033 to 2011_003271; the sha256 of its file
    is 4ca991bd72c251fd2485eaa9e29536502ea3800d1b1c17c151fd6a04bcfbc2cc. All of them are in VOC 2012 too.
    """
    lists = (root / PARTS[2] / f"{SEG11VALID}.txt", path / f"{SEG11VALID}.txt")
    for file in lists:
        if file.is_file():
            return read_ids(file, "")
    val = [folder / PARTS[2] / "val.txt" for folder in years(path) if folder.name == "VOC2011"]
    sbd = path / SBD_FOLDER / "train.txt"
    if not val or not sbd.is_file():
        raise InputError(f"{lists[1]}: no such list. Put the authors' there (data/pascal/{SEG11VALID}.txt of their "
                         f"repository); or have VOC 2011 and SBD in {path}, from whose lists it is computed: "
                         f"python -m minifcn.datasets voc2011 --root {path}, the same with sbd")
    learned = set(read_ids(sbd, ""))
    return [name for name in read_ids(val[0], way_out("voc2011", path)) if name not in learned]


class VOCSegmentation(Segmentation):
    """One split of a data set in VOC layout: dataset[i] -> image uint8 (H,W,3) RGB, labels uint8 (H,W), see base.py.

    `root` may be a parent of the folder itself; `.root` says which was taken. `ids` are taken instead of the split's
    where given. The split seg11valid is that of read_seg11valid.
    """

    def __init__(self, root, split="train", ids=None):
        found = find_root(root)
        self.classes = read_classes(found)
        if ids is None:
            listed = split != SEG11VALID
            ids = read_split(found, split) if listed else read_seg11valid(Path(root).expanduser(), found)
        super().__init__(found, split, ids)

    @property
    def note(self):
        if self.split == SEG11VALID and len(self) != PUBLISHED:
            return f"{SEG11VALID} has {len(self)} images here; the papers' scores are of {PUBLISHED}"

    def image_path(self, i):
        return self._find(self.root / PARTS[0], self.ids[i], IMAGE_SUFFIXES, "image")

    def label_path(self, i):
        return self._find(self.root / PARTS[1], self.ids[i], (".png",), "mask")

    def labels(self, i):
        path = self.label_path(i)
        return known(read_labels(path), len(self.classes), path, hint=f"; is it a colour mask? try: {IMPORT_HINT}")

    @cached_property
    def colors(self):
        """(C,3) uint8: the palette of the first mask where it tells the classes apart, else one that does."""
        count = len(self.classes)
        try:
            with Image.open(self.label_path(0)) as image:
                palette = image.getpalette() or []  # None where the mask is grey
        except (InputError, OSError):  # reading that mask will say what is wrong with it
            palette = []
        colors = np.array(palette[: 3 * count], np.uint8).reshape(-1, 3)
        if len(np.unique(colors, axis=0)) == count:
            return colors
        return voc_colors(count) if self.classes == VOC_CLASSES else distinct_colors(count)

    def check(self, progress=None):
        """Segmentation.check; and training masks of background and void alone are an InputError."""
        counts, sizes = super().check(progress)
        used = counts[0].sum(axis=0)
        if self.split == "train" and used[0] and not used[1:].any() and used[0] < sizes.prod(axis=1).sum():
            raise InputError(
                f"{self.root / PARTS[1]}: the masks of {self.split} hold only 0 and {IGNORE}, and {IGNORE} is "
                f"ignored: nothing to learn. Is it your foreground? {IMPORT_HINT} --foreground {IGNORE}"
            )
        return counts, sizes

"""What does a net look at? Parts of its input are masked by the labels, and what it still knows is scored [PAMI 6.1].

In the papers object pixels decide, context helps, and a shape alone is surprisingly telling.
"""
import numpy as np

from minifcn.datasets.base import kinds
from minifcn.datasets.files import one_of
from minifcn.errors import InputError
from minifcn.metrics import IGNORE, ConfusionMatrix
from minifcn.preprocess import ORDERS, VOC_MEAN
from minifcn.scoring import of_kind, score

KEEP = ("foreground", "background", "shape")
TABLE_8 = {  # [PAMI] row: (what a net was trained on, what it is shown, its mean IU without background in percent)
    "Reference": (None, None, 84.8),
    "Reference-FG": (None, "foreground", 81.0),
    "Reference-BG": (None, "background", 19.8),
    "FG-only": ("foreground", "foreground", 76.1),
    "BG-only": ("background", "background", 37.8),
    "Shape": ("shape", "shape", 29.1),
}


class Masked:
    """A data set whose images show what is kept; pixels of the rest have the mean colour of a Preprocessing.

    keep: "foreground", every class but number 0; "background", class 0; or "shape", neither: the foreground is white.
    Void pixels are masked whatever is kept, since they may be either: the papers do not say (unverified), nor how their
    shapes were coloured. Of two kinds of labels the first decides. All else is the data set's own.
    """

    def __init__(self, dataset, keep, preprocess=VOC_MEAN):
        self.dataset, self.keep, self.preprocess = dataset, one_of(KEEP, keep, "keep"), preprocess
        self.color = mean_color(preprocess)

    def __getattr__(self, name):
        return getattr(self.dataset, name)

    def __len__(self):
        return len(self.dataset)

    def __getitem__(self, i):
        image, labels = self.dataset[i]
        if image.shape[2] != len(self.color):
            raise InputError(f"{self.root}: images of {image.shape[2]} channels cannot be masked with a mean colour of "
                             f"{self.preprocess.order}")
        first = of_kind(labels, 0, len(kinds(self.classes)))
        kept = first == 0 if self.keep == "background" else (first > 0) & (first != IGNORE)
        shown = 255 if self.keep == "shape" else image
        return np.where(kept[..., None], shown, self.color).astype(image.dtype), labels

    def take(self, ids):
        return Masked(self.dataset.take(ids), self.keep, self.preprocess)

    def subset(self, n, seed):
        return Masked(self.dataset.subset(n, seed), self.keep, self.preprocess)


def mean_color(preprocess):
    """The pixel that becomes zero, to half a grey level: (C,), in the order of an image. Unknown depth, 0, does so."""
    color = np.zeros(preprocess.channels, int)
    for channel, name, mean in zip(ORDERS[preprocess.order], preprocess.order, preprocess.mean, strict=True):
        color[channel] = 0 if name == "D" else round(mean)
    return color


def study(model, dataset, trained=None, progress=None):
    """{row of TABLE_8: ConfusionMatrix that leaves out class 0, too} of a Model, for the rows of nets trained like it.

    trained: what its training kept, as in Masked; None: everything. progress(n) is called after n more images.
    """
    preprocess = model.net.preprocess if trained is None else VOC_MEAN  # train masks before there is a net
    found = {}
    for row, (kept, shown, _) in TABLE_8.items():
        if kept == trained:
            matrices, _ = score(model, Masked(dataset, shown, preprocess) if shown else dataset, progress)
            found[row] = ConfusionMatrix(matrices[0].classes, left_out=(0, *matrices[0].left_out))
            found[row].counts = matrices[0].counts
    return found


def table(matrices):
    """Mean IU without background in percent, ours and the papers' -> text."""
    lines = [f"{'':14}{'ours':>8}{'PAMI':>8}"]
    lines += [f"{row:14}{100 * matrix.mean_iu:8.1f}{TABLE_8[row][2]:8.1f}" for row, matrix in matrices.items()]
    return "\n".join(lines)

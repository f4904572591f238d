"""A trained net with all it needs to name the pixels of an image: `minifcn.load(...)`.

    model = minifcn.load("harbour-fcn8s")
    labels = model.predict(image)         # uint8 (H,W,3) RGB -> uint8 (H,W)
"""
from pathlib import Path

import numpy as np

from minifcn import checkpoint
from minifcn.backend import array_module, choose_device, to_device, to_numpy
from minifcn.datasets.base import kinds, per_kind
from minifcn.errors import InputError
from minifcn.images import resize
from minifcn.nets.geometry import reach
from minifcn.ops.upsample import resize_bilinear

STRIP = 1 << 23  # scores that are enlarged at a time
SHIPPED = Path(__file__).parent / "weights"


def find(source):
    """The path of a checkpoint file, of the best one in a run's folder, or of a shipped net. Raises InputError."""
    path = Path(source)
    if (path / "best.safetensors").is_file():  # the folder of a run
        return path / "best.safetensors"
    if path.is_dir():
        raise InputError(f"{source}: a folder without best.safetensors; name a checkpoint file")
    if path.exists() or path.suffix:
        return path
    shipped = SHIPPED / f"{source}.safetensors"
    if not shipped.is_file():
        names = ", ".join(sorted(file.stem for file in SHIPPED.glob("*.safetensors")))
        raise InputError(f"{source}: no such checkpoint file, and none of the shipped nets: {names or '(none)'}")
    return shipped


def load(source, device="cpu"):
    """The Model of a checkpoint file, or of a shipped one by name ("harbour-fcn8s"). Raises InputError."""
    read = checkpoint.read(find(source))
    device, _ = choose_device(device)
    net = checkpoint.restore(read).to_device(device)
    try:
        return Model(net, read.meta)
    except (ValueError, TypeError, OverflowError) as error:
        raise InputError(f"{read.path}: its metadata are damaged ({error})") from error


class Model:
    """A net, the names and colours of its classes, and the size it wants images in.

    A net with two heads has two tuples of names and two arrays of colours, and every answer is a tuple of two. Raises
    ValueError for more than 255 classes.
    """

    def __init__(self, net, meta):
        self.net, self.meta, self.max_side = net, meta, meta.get("max_side")
        self.classes = per_kind(kinds(meta["classes"]))
        checkpoint.check_labels(net.name, [len(names) for names in kinds(self.classes)])
        colors = [meta["colors"]] if isinstance(net.classes, int) else meta["colors"]
        self.colors = per_kind(np.array(some, np.uint8).reshape(len(names), 3)
                               for some, names in zip(colors, kinds(self.classes), strict=True))

    def predict(self, image, tile=None):
        """The most likely class of every pixel: image uint8 (H,W,3) RGB -> uint8 (H,W), as large as the image.

        Nets of NYUDv2 take other images: (H,W,3) HHA, (H,W,6) RGB and HHA, or uint16 (H,W,4) RGB and depth.
        tile=N bounds the memory of large images: cores of N pixels are computed one by one, each with as much of the
        image around it as can matter to it. (Images that are shrunk to max_side have no need of it.)
        """
        height, width = self._checked(image).shape[:2]
        if tile is None or max(height, width) <= tile or self._small(height, width) != (height, width):
            return per_kind(self._labels(image))
        margin, step = reach(self.net)
        tile = max(step, tile // step * step)  # poolings must fall on the same pixels as in the whole image
        labels = [np.empty((height, width), np.uint8) for _ in kinds(self.classes)]
        for top in range(0, height, tile):
            for left in range(0, width, tile):
                y, x = max(0, top - margin), max(0, left - margin)
                some = self._labels(image[y:top + tile + margin, x:left + tile + margin])
                for whole, part in zip(labels, some, strict=True):
                    core = whole[top:top + tile, left:left + tile]
                    core[...] = part[top - y:, left - x:][:core.shape[0], :core.shape[1]]
        return per_kind(labels)

    def probabilities(self, image):
        """softmax of the scores: image uint8 (H,W,3) RGB -> float32 (C,H,W)."""
        (_, scores), = self.score_strips(self._checked(image)[None], rows=len(image))
        return per_kind(to_numpy(_softmax(some))[0] for some in scores)

    def scores(self, images):
        """uint8 (N,H,W,3) -> scores (N,C,H,W), on the net's device."""
        (_, scores), = self.score_strips(images, rows=images.shape[1])
        return per_kind(scores)

    def score_strips(self, images, rows=None):
        """uint8 (N,H,W,3) -> yields (slice of rows, [scores (N,C,rows,W) of every head]) from top to bottom.

        Images longer than max_side are shrunk for the net, and its scores are enlarged again (its labels never are),
        by default as many rows at a time as STRIP numbers allow: large photographs would fill the memory otherwise.
        """
        if self.net.name == "classifier":
            raise InputError("this net names whole images, not their pixels; an FCN that starts from it does: "
                             "python -m minifcn.train --weights ...")
        n, height, width = images.shape[:3]
        small = self._small(height, width)
        if small != (height, width):
            images = np.stack([resize(image, *small) for image in images])
        scores = self.net.forward(to_device(self.net.preprocess(images), self.net.device))
        scores = list(scores) if isinstance(scores, tuple) else [scores]
        if small == (height, width):
            yield slice(0, height), scores
            return
        rows = rows or max(1, STRIP // (n * sum(some.shape[1] for some in scores) * width))
        for top in range(0, height, rows):
            some = slice(top, min(top + rows, height))
            yield some, [resize_bilinear(part, height, width, some) for part in scores]

    def _labels(self, image):
        """[labels (H,W) of every head]."""
        strips = [[to_numpy(some.argmax(axis=1))[0] for some in scores] for _, scores in self.score_strips(image[None])]
        return [np.concatenate(parts).astype(np.uint8) for parts in zip(*strips, strict=True)]

    def _small(self, height, width):
        return shrunk_size(height, width, self.max_side)

    def _checked(self, image):
        """The image, if it is one that the net takes."""
        wants = self.net.preprocess
        if not isinstance(image, np.ndarray) or image.dtype != wants.dtype or image.shape[2:] != (wants.channels,):
            what = f"{image.dtype} {image.shape}" if isinstance(image, np.ndarray) else type(image).__name__
            raise ValueError(f"an image is a NumPy array {wants.dtype} (H,W,{wants.channels}), {wants.images}, not "
                             f"{what}; see minifcn.images.read_image")
        if 0 in image.shape:
            raise ValueError(f"an image of {image.shape[0]} x {image.shape[1]} pixels has nothing to name")
        return image


def shrunk_size(height, width, max_side):
    """(height, width) with the longer side at most max_side, shape kept; None leaves them as they are."""
    longest = max(height, width)
    if max_side is None or longest <= max_side:
        return height, width
    return max(1, round(height * max_side / longest)), max(1, round(width * max_side / longest))


def _softmax(scores):
    xp = array_module(scores)
    e = xp.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)

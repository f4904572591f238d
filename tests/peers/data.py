"""What both sides are given: weights that are random in every layer, photographs, and labels."""
import os
from functools import cache
from pathlib import Path
from zlib import crc32

import numpy as np
from PIL import Image

VOC_MEAN = (104.00698793, 116.66876762, 122.67891434)  # B, G, R
GREY = 64  # about the size of a photograph's grey levels round their mean
SCORES = ("score", "fc8", "loss3/classifier")


def draw(name, w):
    """Fill weights or biases: maps as large as grey levels down to the score layers, and scores of order 1.

    The numbers are those of float32 in every dtype, and depend on the name and the shape only.
    """
    if name.endswith(".b"):
        low, high = -0.1 * GREY, 0.3 * GREY  # mostly positive: over the black border, too, most ReLUs let something by
    else:
        inputs = 4 * len(w) if name.startswith("up") else w[0].size  # K = 2S: 2 x 2 cells reach a pixel
        high = (6 / inputs) ** 0.5  # variance 2 / inputs: a ReLU halves it
        low = -high
    if name.startswith(SCORES):
        low, high = low / GREY, high / GREY
    rng = np.random.default_rng(crc32(name.encode()))
    for row in w.reshape(len(w), -1):  # a filter at a time: fc6 is large enough once
        row[...] = low + (high - low) * rng.random(row.shape, dtype=np.float32)


@cache
def pictures():
    """Four photographs of VOC and four of CamVid where MINIFCN_SAMPLES has them, else waves of colour."""
    samples = os.environ.get("MINIFCN_SAMPLES")
    if not samples:
        return [waves(k) for k in range(8)]
    return [Image.open(path).convert("RGB") for data in ("voc-sample", "camvid")
            for path in sorted(Path(samples, data, "JPEGImages").glob("*.jpg"))[:4]]


def waves(k):
    rows, columns, channels = np.ogrid[:120, :160, :3]
    levels = 127 + 120 * np.sin(rows / (7 + k) + channels) * np.cos(columns / (17 - k) - k * channels)
    return Image.fromarray(levels.astype(np.uint8))


def photograph(k, height, width, channels=3):
    """Photograph k, resized: float32 (1,channels,height,width), BGR less the mean; further channels are of the next."""
    x = [np.float32(pictures()[i % 8].resize((width, height)))[..., ::-1] - np.float32(VOC_MEAN) for i in (k, k + 1)]
    return np.concatenate(x, axis=2).transpose(2, 0, 1)[None, :channels].copy()


def labels_for(scores, seed=0):
    """Random labels for scores (N,classes,...), a third of them 255 where there are several."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, scores.shape[1], (len(scores), *scores.shape[2:]))
    labels.reshape(-1)[2::3] = 255
    return labels

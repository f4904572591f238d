"""What the papers report, in percent, beside which ours are printed.

Rows are (source, pixel accuracy, mean accuracy, mean IU, frequency-weighted IU); NaN where a figure was not given.
[CVPR] is the paper of 2015, [PAMI] the article of 2017; "released" are the authors' weights as their page scores them.
"""
from dataclasses import dataclass
from math import nan

RELEASED = "released"


@dataclass(frozen=True)
class Published:
    """The rows of a model, the split that they were scored on, and what is to be known about them."""

    split: str
    rows: tuple
    geometric: tuple = ()  # (source, pixel accuracy) of SIFT Flow's second head
    note: str = ""


CONTEXT_NOTE = ("whether the published means of PASCAL-Context count background is unverified: the papers speak of 59 "
                "classes, the authors' script averages 60")

PUBLISHED = {
    "voc-fcn32s": Published("seg11valid", (
        ("CVPR table 2", 89.1, 73.3, 59.4, 81.4), ("PAMI table 3", 90.5, 76.5, 63.6, 83.5),
        (RELEASED, nan, nan, 63.6, nan))),
    "voc-fcn16s": Published("seg11valid", (
        ("CVPR table 2", 90.0, 75.7, 62.4, 83.0), ("PAMI table 3", 91.0, 78.1, 65.0, 84.3),
        (RELEASED, nan, nan, 65.0, nan))),
    "voc-fcn8s": Published("seg11valid", (
        ("CVPR table 2", 90.3, 75.9, 62.7, 83.2), ("PAMI table 3", 91.2, 77.6, 65.5, 84.5),
        (RELEASED, nan, nan, 65.5, nan))),
    "voc-fcn8s-atonce": Published("seg11valid", (
        ("PAMI table 3", 91.1, 78.5, 65.4, 84.4), (RELEASED, nan, nan, 65.4, nan))),
    "voc-fcn32s-fixed": Published("seg11valid", (
        ("CVPR table 2", 83.0, 59.7, 45.4, 72.0), ("PAMI table 3", 82.9, 64.6, 46.6, 72.3))),
    "voc-fcn-pool5": Published("seg11valid", (("PAMI table 3", 87.4, 60.5, 50.0, 78.5),)),
    "voc-fcn-pool4": Published("seg11valid", (("PAMI table 3", 78.7, 31.7, 22.4, 67.0),)),
    "voc-fcn-pool3": Published("seg11valid", (("PAMI table 3", 70.9, 13.7, 9.2, 57.6),)),
    "voc-fcn-alexnet": Published("seg11valid", (
        ("CVPR table 1", nan, nan, 39.8, nan), (RELEASED, nan, nan, 48.0, nan)),
        note="39.8 was trained on the 1,112 images of VOC 2011 train alone"),
    "voc-fcn-googlenet": Published("seg11valid", (("CVPR table 1", nan, nan, 42.5, nan),),
                                   note="trained on the 1,112 images of VOC 2011 train alone; never released"),
    "pascalcontext-fcn32s": Published("val", (("PAMI", 65.5, 49.1, 36.7, 50.9),), note=CONTEXT_NOTE),
    "pascalcontext-fcn16s": Published("val", (("PAMI", 66.9, 51.3, 38.4, 52.3),), note=CONTEXT_NOTE),
    "pascalcontext-fcn8s": Published("val", (("PAMI", 67.5, 52.3, 39.1, 53.0),), note=CONTEXT_NOTE),
    "nyud-fcn32s-color": Published("test", (("CVPR", 60.0, 42.2, 29.2, 43.9), ("PAMI", 61.8, 44.7, 31.6, 46.0))),
    "nyud-fcn32s-color-d": Published("test", (("CVPR", 61.5, 42.4, 30.5, 45.5), ("PAMI", 62.1, 44.8, 31.7, 46.3))),
    "nyud-fcn32s-hha": Published("test", (("CVPR", 57.1, 35.2, 24.2, 40.4), ("PAMI", 58.3, 35.7, 25.2, 41.7))),
    "nyud-fcn32s-color-hha": Published("test", (("CVPR", 64.3, 44.9, 32.8, 48.0), ("PAMI", 65.3, 44.0, 33.3, 48.6))),
    "nyud-fcn16s-color-hha": Published("test", (("CVPR", 65.4, 46.1, 34.0, 49.5),)),
    "siftflow-fcn16s": Published("test", (("CVPR", 85.2, 51.7, 39.5, 76.1),), (("CVPR", 94.3),)),
    "siftflow-fcn8s": Published("test", (("PAMI", 85.9, 53.9, 41.2, 77.2),), (("PAMI", 94.6),)),
}

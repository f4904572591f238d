"""From an image to a net's input and nowhere else: every net carries one Preprocessing, and its checkpoints do too."""
from dataclasses import asdict, dataclass
from numbers import Real
from reprlib import repr as brief

import numpy as np

# where the net's channels lie in an image: BGR as Caffe's nets want it, D depth, HHA as its files store it
ORDERS = {"RGB": (0, 1, 2), "BGR": (2, 1, 0), "HHA": (0, 1, 2), "BGRD": (2, 1, 0, 3), "BGRHHA": (2, 1, 0, 3, 4, 5)}
LARGEST = float(np.finfo(np.float32).max)
PIXEL_RMS = 64  # about the root mean square of a photograph's grey levels round their mean


@dataclass(frozen=True)
class Preprocessing:
    """x[n, c] = (image[n, ..., order[c]] - mean[c]) * scale, with mean in the order of the net's channels.

    order: a name in ORDERS; mean in grey levels 0..255. Depth, D, comes in millimetres, and its natural logarithm is
    what the mean is taken from; where it is 0, unknown, x is 0, as padding is.
    """

    order: str = "RGB"
    mean: tuple = (128.0, 128.0, 128.0)
    scale: float = 1 / 64

    def __post_init__(self):
        if self.order not in tuple(ORDERS) or np.shape(self.mean) != (self.channels,):
            raise ValueError(f"order {brief(self.order)} must be one of {', '.join(ORDERS)}, with a mean for each "
                             f"channel, not {brief(self.mean)}")
        for number in (*self.mean, self.scale):
            if not isinstance(number, Real) or not abs(number) <= LARGEST:
                raise ValueError(f"mean and scale must be finite numbers, not {brief(number)}")
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))

    @property
    def channels(self):
        """How many channels images and input have."""
        return len(self.order)

    @property
    def images(self):
        """What images are, in words."""
        return {"HHA": "HHA", "BGRD": "RGB and depth in mm", "BGRHHA": "RGB and HHA"}.get(self.order, "RGB")

    @property
    def dtype(self):
        """What images are made of: bytes, or more where a channel is depth."""
        return np.dtype(np.uint16 if "D" in self.order else np.uint8)

    def __call__(self, images):
        """uint8 (N,H,W,C), or uint16 where one is depth -> float32 (N,C,H,W)."""
        x = images.transpose(0, 3, 1, 2)[:, ORDERS[self.order]].astype(np.float32, order="C")
        if "D" in self.order:
            depth = x[:, self.order.index("D")]
            known = depth > 0
            np.log(depth, out=depth, where=known)
            depth[~known] = self.mean[self.order.index("D")]
        x -= np.float32(self.mean).reshape(-1, 1, 1)
        x *= np.float32(self.scale)
        return x

    def to_dict(self):
        return asdict(self)


# means of the authors' data layers, in grey levels, nothing scaled [fcn.berkeleyvision.org]
VOC_MEAN = Preprocessing("BGR", (104.00698793, 116.66876762, 122.67891434), 1.0)
CONTEXT_MEAN = Preprocessing("BGR", (104.007, 116.669, 122.679), 1.0)
SIFTFLOW_MEAN = Preprocessing("BGR", (114.578, 115.294, 108.353), 1.0)
NYUD_MEAN = {
    "color": Preprocessing("BGR", (116.190, 97.203, 92.318), 1.0),
    "hha": Preprocessing("HHA", (132.431, 94.076, 118.477), 1.0),
    "color-d": Preprocessing("BGRD", (116.190, 97.203, 92.318, 7.844), 1.0),
    "color-hha": Preprocessing("BGRHHA", (116.190, 97.203, 92.318, 132.431, 94.076, 118.477), 1.0),
}

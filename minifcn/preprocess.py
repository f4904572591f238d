"""From an image to a net's input and nowhere else: every net carries one Preprocessing, and its checkpoints do too."""
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Preprocessing:
    """x[n, c] = (image[n, ..., order[c]] - mean[c]) * scale, with mean in the order of the net's channels.

    order "RGB" or "BGR" (Caffe's nets), mean in grey levels 0..255.
    """

    order: str = "RGB"
    mean: tuple = (128.0, 128.0, 128.0)
    scale: float = 1 / 64

    def __post_init__(self):
        if self.order not in ("RGB", "BGR") or len(self.mean) != 3:
            raise ValueError(f"order {self.order!r} must be RGB or BGR, with three means, not {self.mean}")
        object.__setattr__(self, "mean", tuple(map(float, self.mean)))

    def __call__(self, images):
        """uint8 (N,H,W,3) RGB -> float32 (N,3,H,W)."""
        images = images if self.order == "RGB" else images[..., ::-1]
        x = images.transpose(0, 3, 1, 2).astype(np.float32, order="C")
        x -= np.float32(self.mean).reshape(3, 1, 1)
        x *= np.float32(self.scale)
        return x

    def to_dict(self):
        return asdict(self)

"""What is timed: nets at inference and in training, and every op alone at the sizes of those nets."""
from dataclasses import dataclass, field
from zlib import crc32

import numpy as np


@dataclass(frozen=True)
class Case:
    """A job by name. `group`: nets or ops; `kind`: inference, step, or the op's name; `options`: what of.

    `unit`: what a run makes and how many of it, where seconds alone do not say it.
    """

    name: str
    group: str
    kind: str
    options: dict = field(default_factory=dict)
    unit: tuple = ("", 1)


def _net(net, kind, height, width, body="vgg16", n=1, classes=21, **more):
    name = f"{kind} {net}/{body} {height}x{width}" + (f" x {n}" if n > 1 else "")
    return Case(name, "nets", kind, {"net": net, "body": body, "n": n, "height": height, "width": width,
                                     "classes": classes}, **more)


NETS = [
    _net("fcn8s", "inference", 375, 500),
    _net("fcn8s", "inference", 500, 500),
    _net("fcn32s", "inference", 375, 500),
    _net("fcn8s", "step", 375, 500),
    _net("fcn8s", "step", 500, 500),
    _net("fcn32s", "step", 375, 500),
    # the default run: batches of 8 harbours
    _net("fcn8s", "inference", 128, 160, "mini", 8, 7, unit=("images", 8)),
    _net("fcn32s", "step", 128, 160, "mini", 8, 7, unit=("images", 8)),
    _net("fcn16s", "step", 128, 160, "mini", 8, 7, unit=("images", 8)),
    _net("fcn8s", "step", 128, 160, "mini", 8, 7, unit=("images", 8)),
]

# VGG16 on 375 x 500 pixels, padded by 100: name, channels in and out, height and width in, kernel, padding
VGG_CONVS = [
    ("conv1_1", 3, 64, 375, 500, 3, 100), ("conv1_2", 64, 64, 573, 698, 3, 1),
    ("conv2_1", 64, 128, 287, 349, 3, 1), ("conv2_2", 128, 128, 287, 349, 3, 1),
    ("conv3_1", 128, 256, 144, 175, 3, 1), ("conv3_2", 256, 256, 144, 175, 3, 1),
    ("conv4_1", 256, 512, 72, 88, 3, 1), ("conv4_2", 512, 512, 72, 88, 3, 1), ("conv5_1", 512, 512, 36, 44, 3, 1),
    ("fc6", 512, 4096, 18, 22, 7, 0), ("fc7", 4096, 4096, 12, 16, 1, 0), ("score_fr", 4096, 21, 12, 16, 1, 0),
    ("score_pool4", 512, 21, 36, 44, 1, 0), ("score_pool3", 256, 21, 72, 88, 1, 0),
]
MINI_CONVS = [
    ("mini conv1_1", 3, 16, 128, 160, 3, 1), ("mini conv2_1", 16, 32, 64, 80, 3, 1),
    ("mini conv3_2", 64, 64, 32, 40, 3, 1), ("mini conv4_2", 128, 128, 16, 20, 3, 1),
    ("mini fc6", 128, 192, 4, 5, 3, 1),
]
POOLS = [(64, 573, 698), (128, 287, 349), (256, 144, 175), (512, 72, 88), (512, 36, 44)]
UPSCORES = [("upscore2", 21, 12, 16, 4, 2), ("upscore8", 21, 54, 70, 16, 8), ("upscore32", 21, 12, 16, 64, 32)]


def _ops():
    for n, convs in ((1, VGG_CONVS), (8, MINI_CONVS)):
        for name, c, f, height, width, k, pad in convs:
            shapes = {"x": (n, c, height, width), "w": (f, c, k, k), "pad": pad}
            for kind in ("forward", "dX", "dW") if not name.endswith("conv1_1") else ("forward", "dW"):
                yield Case(f"{name} {kind}", "ops", f"conv {kind}", shapes)
    for i, shape in enumerate(POOLS, 1):
        for kind in ("forward", "backward"):
            yield Case(f"pool{i} {kind}", "ops", f"pool {kind}", {"x": (1, *shape)})
    for name, c, height, width, k, stride in UPSCORES:
        for kind in ("forward", "dX"):
            yield Case(f"{name} {kind}", "ops", f"upscore {kind}",
                       {"x": (1, c, height, width), "k": k, "stride": stride})
    yield Case("relu 64x573x698 forward", "ops", "relu forward", {"x": (1, 64, 573, 698)})
    yield Case("relu 64x573x698 backward", "ops", "relu backward", {"x": (1, 64, 573, 698)})
    yield Case("softmax loss 21x375x500, both ways", "ops", "loss", {"x": (1, 21, 375, 500)})
    yield Case("SGD with momentum, 10^7 parameters", "ops", "sgd", {"x": (10**7,)})
    yield Case("Adam, 10^7 parameters", "ops", "adam", {"x": (10**7,)})


OPS = list(_ops())
SCALING = [_net("fcn8s", "inference", side, side) for side in (128, 256, 512, 1024, 2048)]
CASES = {case.name: case for case in (*NETS, *SCALING, *OPS)}


# ---- the same numbers for everybody

def noise(name, shape, scale=1.0):
    """float32 numbers that depend on the name only."""
    x = np.random.default_rng(crc32(name.encode())).standard_normal(shape, dtype=np.float32)
    x *= np.float32(scale)
    return x


def image(options):
    """A batch as a net takes it: grey levels less their mean, smooth as photographs are."""
    n, height, width = options["n"], options["height"], options["width"]
    coarse = noise("image", (n, 3, height // 16 + 2, width // 16 + 2), 60)
    smooth = coarse.repeat(16, axis=2).repeat(16, axis=3)[:, :, :height, :width]
    return np.ascontiguousarray(smooth + noise("grain", (n, 3, height, width), 8))


def labels(options):
    rng = np.random.default_rng(1)
    return rng.integers(0, options["classes"], (options["n"], options["height"], options["width"])).astype(np.int64)


def weights(net):
    """Fill a net of ours with numbers that keep the size of its maps: scores of order 1."""
    for name in net.learned:
        w = net.params[name]
        if w.ndim == 1:
            w[...] = noise(name, w.shape, 0.1)
            continue
        w[...] = noise(name, w.shape, (2 / w[0].size) ** 0.5)
        if name.startswith("conv1_1"):
            w /= 64
        if name.startswith("score"):
            w *= 0.5
    return net

"""Fully convolutional networks: FCN-32s, 16s and 8s over any body, one code for all [CVPR figure 3, PAMI figure 3].

    32s    score_fr -> upscore (32x)
    16s    score_fr -> upscore2 (2x) -> + score_pool4 -> upscore16 (16x)
    8s     score_fr -> upscore2 (2x) -> + score_pool4 -> upscore_pool4 (2x) -> + score_pool3 -> upscore8 (8x)

and in the end the scores are cropped to the image. What is upsampled is always the last score map, never the features.
"""
from types import MappingProxyType

import numpy as np

from minifcn.layers import Conv2d, ConvTranspose2d, Scale
from minifcn.nets.geometry import Grid
from minifcn.nets.graph import Graph
from minifcn.nets.joints import Crop, Joint, Sum
from minifcn.nets.net import Net

SKIPS = {"fcn32s": (), "fcn16s": ("pool4",), "fcn8s": ("pool4", "pool3")}
SCALES = {"pool4": 0.01, "pool3": 0.0001}  # of the released fcn8s-atonce
# every net: its skips; constants that make their features alike in size, so that all can be trained at once; the pool
# at which a body ends that is scored there; whether its body is left as it is
NETS = {
    **{name: {"skips": skips} for name, skips in SKIPS.items()},
    "fcn8s-atonce": {"skips": SKIPS["fcn8s"], "scales": SCALES},
    **{f"fcn-{pool}": {"coarse": pool} for pool in ("pool5", "pool4", "pool3")},
    "fcn32s-fixed": {"fixed": True},
    "fcn8s-fixed": {"skips": SKIPS["fcn8s"], "fixed": True},
    "fcn8s-atonce-fixed": {"skips": SKIPS["fcn8s"], "scales": SCALES, "fixed": True},
}


class Head:
    """Scores of the coarse map, made finer by one skip after the other, as large as the image in the end.

    Score layers start at zero: a fresh skip adds nothing, so 16s starts as what 32s has learned. Over several streams
    each is scored, and the mean of the scores taken. `suffix` tells the layers of one head from those of another.
    learn_upsampling: False, True, or "2x" for those alone that upsample by 2, as in the papers' text.
    """

    def __init__(self, body, classes, skips=(), scales=None, suffix="", learn_upsampling=False, dtype=np.float32):
        self.body, self.classes, self.scales, self.suffix = body, classes, scales or {}, suffix
        self.learn_upsampling, self.dtype = learn_upsampling, dtype
        self.graph, self.grids = Graph({}), {"data": Grid(), **body.grids}
        score, name = self._score(body.short, body.coarse), "upscore2"
        for skip in skips:
            if skip not in body.channels:
                raise ValueError(f"body {body.name} has no {skip} to add to the scores")
            up = self._upscore(name, score, skip + body.streams[0])
            score = self._sum(f"fuse_{skip}{suffix}", up, self._score(skip, skip))
            name = f"upscore_{skip}"
        step = round(self.grids[score].step)
        up = self._upscore(f"upscore{step}" if skips else "upscore", score, "data")
        self.graph.taps = (self._add(f"score{suffix}", Crop(self.grids[up].offset(Grid())), up, "data"),)

    @property
    def layers(self):
        """The layers that are no joints, by name."""
        return MappingProxyType({name: layer for name, layer in self.graph.layers.items()
                                 if not isinstance(layer, Joint)})

    def _add(self, name, layer, *sources):
        self.graph.add(name, layer, *sources)
        self.grids[name] = self.grids[sources[0]].after(layer)
        return name

    def _score(self, short, tap):
        """A 1x1 convolution to the classes; over several streams one of each, and their mean."""
        scores = []
        for stream in self.body.streams:
            source, end = tap + stream, stream + self.suffix
            if tap in self.scales:
                scale = Scale(self.body.channels[tap], self.scales[tap], self.dtype)
                source = self._add(f"scale_{tap}{end}", scale, source)
            layer = Conv2d(None, self.body.channels[tap], self.classes, 1, dtype=self.dtype)
            scores.append(self._add(f"score_{short}{end}", layer, source))
        if len(scores) == 1:
            return scores[0]
        name = "score_fused" if tap == self.body.coarse else f"score_{short}_fused"
        return self._add(name, Sum(1 / len(scores)), *scores)

    def _upscore(self, name, score, target):
        """Upsampling to the step of another map, bilinear as long as it is not trained.

        K = 2S interpolates linearly, and so does K = 2S - 1: of these the first by which cells fall on the target's.
        (VGG's scores lie between the pixels: 64. AlexNet's and GoogLeNet's lie on them: 63.) Padded by S/2, S cells
        come of every one: the map covers what it covered.
        """
        grid, onto = self.grids[score], self.grids[target]
        step = round(grid.step / onto.step)
        learn = self.learn_upsampling == "2x" and step == 2 or self.learn_upsampling is True
        for k in (2 * step, 2 * step - 1):
            layer = ConvTranspose2d(self.classes, k, step, step // 2 if self.body.fits else 0, learn, self.dtype)
            if grid.after(layer).meets(onto):
                break
        return self._add(name + self.suffix, layer, score)

    def _sum(self, name, up, fine):
        """Two maps added where both are. In the papers' padded nets the skip is the larger, in mini the upsampled."""
        before = self.grids[fine].offset(self.grids[up])  # cells of the skip before the first of the other
        if before > 0:
            fine = self._add(f"{fine}c", Crop(before), fine, up)
        else:
            up = self._add(f"{up}c", Crop(-before), up, fine)
        return self._add(name, Sum(), up, fine)

    def forward(self, taps, height, width, train=False):
        """{tap: map} -> scores (N,C,height,width)."""
        image = np.empty((0, 0, height, width))  # its size is all that is asked for
        return self.graph.forward({**taps, "data": image}, train)[self.graph.taps[0]]

    def backward(self, dscores):
        """dscores (N,C,H,W) -> {tap: gradient}, for the taps that need one."""
        return self.graph.backward({self.graph.taps[0]: dscores})


class FCN(Net):
    """A body and a head, or several heads over it. build() makes them."""

    def __init__(self, name, body, *heads):
        self.heads = heads
        super().__init__(name, body, heads[0].classes if len(heads) == 1 else tuple(head.classes for head in heads))
        self._trained = False
        self.find_needs()

    @property
    def head(self):
        """The first head."""
        return self.heads[0]

    @property
    def layers(self):
        """All layers by name, in the order of the forward pass."""
        return MappingProxyType({**self.body.layers, **{k: v for head in self.heads for k, v in head.layers.items()}})

    def forward(self, x, train=False):
        """Scores of every class at every pixel: x (N,C,H,W), preprocessed -> (N,classes,H,W), for any H, W >= 1.

        A tuple of them where there are several heads. With train=False nothing is kept for a backward pass, and
        backward raises RuntimeError.
        """
        channels = self.preprocess.channels
        if x.ndim != 4 or x.shape[1] != channels or 0 in x.shape:
            raise ValueError(f"x must be (N,{channels},H,W) with at least one pixel, not {x.shape}")
        self._trained = train
        taps = self.body.forward(x, train)
        scores = tuple(head.forward(taps, *x.shape[2:], train) for head in self.heads)
        return scores if len(scores) > 1 else scores[0]

    def backward(self, dscores):
        """Fill `grads` from the gradient of the scores, (N,classes,H,W), or a tuple of one for each head."""
        if not self._trained:
            raise RuntimeError("backward without forward(x, train=True) before it: nothing was kept")
        dtaps = {}
        for head, d in zip(self.heads, dscores if len(self.heads) > 1 else (dscores,), strict=True):
            for tap, dtap in head.backward(d).items():
                dtaps[tap] = dtaps[tap] + dtap if tap in dtaps else dtap
        self.body.backward(dtaps)

    def freeze_body(self):
        """Train the head alone: the body's weights stay, and its backward pass is left out. Returns the net."""
        for layer in self.body.layers.values():
            layer.learn, layer.grads = False, {}
        self.find_needs()
        return self

    def find_needs(self):
        """Find out anew which gradients are needed, after a change of what is trained."""
        learns = self.body.find_needs({"data": False})
        for head in self.heads:
            head.graph.find_needs(learns)

"""Fully convolutional networks: FCN-32s, 16s and 8s over any body, one code for all [CVPR figure 3, PAMI figure 3].

    32s    score_fr -> upscore (32x)
    16s    score_fr -> upscore2 (2x) -> + score_pool4 -> upscore16 (16x)
    8s     score_fr -> upscore2 (2x) -> + score_pool4 -> upscore_pool4 (2x) -> + score_pool3 -> upscore8 (8x)

and in the end the scores are cropped to the image. What is upsampled is always the last score map, never the features.
"""
from types import MappingProxyType

import numpy as np

from minifcn.layers import Conv2d, ConvTranspose2d
from minifcn.nets.geometry import Grid, overlap
from minifcn.nets.net import Net
from minifcn.ops import crop, crop_backward

SKIPS = {"fcn32s": (), "fcn16s": ("pool4",), "fcn8s": ("pool4", "pool3")}


class Head:
    """Scores of the coarse map, made finer by one skip after the other, as large as the image in the end.

    Score layers start at zero: a fresh skip adds nothing, so 16s starts as what 32s has learned.
    """

    def __init__(self, body, skips, classes, learn_upsampling=False, dtype=np.float32):
        self.skips, self.coarse = tuple(skips), body.coarse
        self.grids = {}
        grid = Grid()
        for name, layer in body.layers.items():
            grid = grid.after(layer)
            self.grids[name] = grid
        self.layers = {}

        def score(name, tap):
            self.layers[name] = Conv2d(None, body.channels[tap], classes, 1, zero=True, dtype=dtype)

        def upscore(name, factor, grid):
            # K = 2S interpolates linearly. Padded by S/2, S cells come of every one: the map covers what it covered.
            pad = factor // 2 if body.fits else 0
            self.layers[name] = ConvTranspose2d(classes, 2 * factor, factor, pad, learn_upsampling, dtype)
            return grid.after(self.layers[name])

        score("score_fr", self.coarse)
        grid = self.grids[self.coarse]
        before = None
        for skip in self.skips:
            factor = round(grid.step / self.grids[skip].step)
            grid = upscore(f"upscore_{before}" if before else f"upscore{factor}", factor, grid)
            score(f"score_{skip}", skip)
            self.grids[f"up_to_{skip}"] = grid
            into_skip = max(0, self.grids[skip].offset(grid))
            grid = Grid(grid.step, self.grids[skip].origin + into_skip * grid.step)
            before = skip
        step = round(grid.step)
        self.final = upscore(f"upscore{step}" if before else "upscore", step, grid)
        self.caches = []

    def forward(self, taps, height, width, train):
        """{tap: map} -> scores (N,C,height,width)."""
        names = iter(self.layers)
        score = self.layers[next(names)].forward(taps[self.coarse], train)
        caches = []
        for skip in self.skips:
            up = self.layers[next(names)].forward(score, train)
            fine = self.layers[next(names)].forward(taps[skip], train)
            in_up, in_fine, high, wide = overlap(
                self.grids[f"up_to_{skip}"], self.grids[skip], up.shape[2:], fine.shape[2:])
            up, up_cache = crop(up, in_up, high, wide)
            fine, fine_cache = crop(fine, in_fine, high, wide)
            score = up + fine
            caches.append((up_cache, fine_cache))
        up = self.layers[next(names)].forward(score, train)
        scores, cache = crop(up, self.final.offset(Grid()), height, width)
        self.caches = [*caches, cache] if train else []
        return scores

    def backward(self, dscores):
        """forward from the bottom up: dscores (N,C,H,W) -> {tap: gradient}."""
        names = iter(reversed(self.layers))
        *caches, cache = self.caches
        dtaps = {}
        d = self.layers[next(names)].backward(crop_backward(dscores, cache))
        for skip, (up_cache, fine_cache) in zip(reversed(self.skips), reversed(caches), strict=True):
            # a sum hands its gradient to both terms
            dtaps[skip] = self.layers[next(names)].backward(crop_backward(d, fine_cache))
            d = self.layers[next(names)].backward(crop_backward(d, up_cache))
        dtaps[self.coarse] = self.layers[next(names)].backward(d)
        return dtaps


class FCN(Net):
    """A body and a head. build() makes them."""

    def __init__(self, name, body, head, classes):
        super().__init__(name, body, classes)
        self.head, self.frozen = head, False
        self._trained = False

    @property
    def layers(self):
        """All layers by name, in the order of the forward pass."""
        return MappingProxyType({**self.body.layers, **self.head.layers})

    def forward(self, x, train=False):
        """Scores of every class at every pixel: x (N,3,H,W), preprocessed -> (N,classes,H,W), for any H, W >= 1.

        With train=False nothing is kept for a backward pass, and backward raises RuntimeError.
        """
        if x.ndim != 4 or x.shape[1] != 3 or 0 in x.shape:
            raise ValueError(f"x must be (N,3,H,W) with at least one pixel, not {x.shape}")
        self._trained = train
        taps = self.body.forward(x, train and not self.frozen)
        return self.head.forward(taps, *x.shape[2:], train)

    def backward(self, dscores):
        """Fill `grads` from the gradient of the scores, (N,classes,H,W)."""
        if not self._trained:
            raise RuntimeError("backward without forward(x, train=True) before it: nothing was kept")
        dtaps = self.head.backward(dscores)
        if not self.frozen:
            self.body.backward(dtaps)

    def freeze_body(self):
        """Train the head alone: the body's weights stay, and its backward pass is left out. Returns the net."""
        self.frozen = True
        for layer in self.body.layers.values():
            layer.learn, layer.grads = False, {}
        for name, layer in self.head.layers.items():
            layer.need_dx = not name.startswith("score_")
        return self

"""Steps downhill: SGD with momentum as Caffe takes it, and Adam.

w a parameter, g its gradient, v what is remembered of it; all updates are in place, and go through all of these once,
in pieces that stay in a core's cache.
"""
from fnmatch import fnmatchcase
from math import cos, pi

import numpy as np

from minifcn.backend import array_module, run_strips, scratch, shares
from minifcn.ops.fast import kernels

PIECE = 1 << 17  # numbers of a parameter at a time: with all that is remembered of them they stay in a core's cache


def fits(pattern, names):
    """Whether one of the names is like the pattern."""
    return any(fnmatchcase(name, pattern) for name in names)


class _Optimizer:
    """What both share: which parameters, at which rate and decay."""

    def __init__(self, params, lr, weight_decay, multipliers):
        self.params, self.lr, self.weight_decay = params, lr, weight_decay
        self.multipliers = dict(multipliers or {})
        self.state, self.steps = {}, 0  # "what.parameter" -> array: with these two a resumed run goes on
        for pattern in self.multipliers:
            if not fits(pattern, params):
                raise ValueError(f"multipliers name {pattern!r}, which matches none of {', '.join(params)}")

    def _factors(self, name):
        """(rate, decay) factors of a parameter: those of the last pattern that its name matches, else 1 and 1."""
        factors = [f for pattern, f in self.multipliers.items() if fnmatchcase(name, pattern)]
        return factors[-1] if factors else (1, 1)

    def _remembered(self, what, name):
        key = f"{what}.{name}"
        if key not in self.state:
            w = self.params[name]
            self.state[key] = array_module(w).zeros(w.shape, w.dtype)
        return self.state[key]

    def step(self, grads):
        """One step, for the names in grads only; a gradient of None is skipped."""
        self.steps += 1
        jobs = []
        for name, g in grads.items():
            if g is None:
                continue
            xp = array_module(g)
            rate, decay = self._factors(name)
            options = rate * self.lr, decay * self.weight_decay, xp
            arrays = self.params[name], g, *self._remembered_of(name)
            if not arrays[0].flags.c_contiguous or xp is not np:  # reshape() would update a copy
                self._some(arrays, *options)
                continue
            arrays = [a.reshape(-1) for a in arrays]
            jobs += [([a[s] for a in arrays], *options) for s in shares(g.size, -(-g.size // PIECE))]
        jobs.sort(key=lambda job: job[0][0].size)
        run_strips(lambda job: self._some(*job), jobs[::2] + jobs[1::2])  # large and small ones for every worker

    def _some(self, arrays, rate, decay, xp):
        """Update some numbers: of a parameter, its gradient, and what is remembered of it."""
        w, g, *remembered = arrays
        if xp is not np and all(a.flags.c_contiguous for a in arrays):
            self._launch(w, g, rate, decay, *remembered)
            return
        change = scratch("change", g.shape, g.dtype, xp)
        if decay:  # the gradient of weight_decay / 2 * |w|^2
            xp.multiply(w, decay, out=change)
            change += g
        else:
            change[...] = g
        self._update(w, change, rate, *remembered, xp)


class SGD(_Optimizer):
    """v <- momentum * v + lr * a * (g + weight_decay * d * w),   w <- w - v

    The rate is inside the velocity and decay is part of the gradient, as in Caffe, with which the papers trained
    [fcn.berkeleyvision.org solvers]. multipliers={"*.b": (2, 0)} gives a and d by name pattern; the last that matches
    counts, and a pattern that matches nothing is a ValueError.
    """

    def __init__(self, params, lr, momentum=0.9, weight_decay=0.0, multipliers=None):
        super().__init__(params, lr, weight_decay, multipliers)
        self.momentum = momentum

    def _remembered_of(self, name):
        return [self._remembered("velocity", name)]

    def _launch(self, w, g, rate, decay, v):
        kernels.sgd(w, g, v, rate, self.momentum, decay)

    def _update(self, w, g, rate, v, xp):
        g *= rate
        v *= self.momentum
        v += g
        w -= v


class Adam(_Optimizer):
    """m <- b1 m + (1 - b1) g,   s <- b2 s + (1 - b2) g^2,   w <- w - lr * a * m' / (sqrt(s') + eps)

    with m' = m / (1 - b1^t) and s' = s / (1 - b2^t), t the number of steps [Kingma & Ba 2015, algorithm 1].
    """

    def __init__(self, params, lr, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, multipliers=None):
        super().__init__(params, lr, weight_decay, multipliers)
        self.betas, self.eps = betas, eps

    def _remembered_of(self, name):
        return [self._remembered("mean", name), self._remembered("square", name)]

    def _launch(self, w, g, rate, decay, m, s):
        kernels.adam(w, g, m, s, rate, decay, self.betas, self.steps, self.eps)

    def _update(self, w, g, rate, m, s, xp):
        b1, b2 = self.betas
        bias1, bias2 = 1 - b1**self.steps, 1 - b2**self.steps
        other = scratch("other", g.shape, g.dtype, xp)
        s *= b2
        xp.multiply(g, g, out=other)
        other *= 1 - b2
        s += other
        m *= b1
        g *= 1 - b1
        m += g
        xp.sqrt(s, out=other)
        other *= bias2**-0.5
        other += self.eps
        xp.multiply(m, rate / bias1, out=g)
        g /= other
        w -= g


class Cosine:
    """lr(t) = lr * (1 + cos(pi t / T)) / 2: from lr down to 0 over T steps, with a linear rise over `warmup` steps."""

    def __init__(self, lr, steps, warmup=0):
        self.lr, self.steps, self.warmup = lr, steps, warmup

    def __call__(self, step):
        """The rate of step 0, 1, ..., T - 1."""
        rise = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rise * self.lr * (1 + cos(pi * min(step / self.steps, 1))) / 2

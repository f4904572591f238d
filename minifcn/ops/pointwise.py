"""Operations that look at one value at a time."""
import numpy as np

from minifcn.backend import array_module, spread
from minifcn.buffers import empty_like, memory_order


def relu(x):
    """y = max(x, 0), for x of any shape.   ->   y, cache"""
    xp = array_module(x)
    y = empty_like(x, xp=xp)
    flat_y, flat_x = _flat(y, x)
    spread(lambda s: xp.maximum(flat_x[s], 0, out=flat_y[s]), x.size, x.size, xp)
    return y, (y,)  # y tells as much as x where the gradient passes, and the next layer keeps y anyway


def relu_backward(dy, cache):
    """dx = dy where x > 0, else 0 (at 0 itself too)."""
    (y,) = cache
    xp = array_module(dy, y)
    dx = empty_like(y, xp=xp)
    flat_dx, flat_y, flat_dy = _flat(dx, y, dy)
    spread(lambda s: xp.multiply(flat_dy[s], flat_y[s] > 0, out=flat_dx[s]), y.size, y.size, xp)
    return dx


def _flat(first, *others):
    """One line of numbers each, in the order in which the first, one piece of memory, has them: of it, always a view.

    Maps (N,C,H,W) may lie in memory as (N,H,W,C).
    """
    axes = memory_order(first)
    return [a.transpose(axes).reshape(-1) for a in (first, *others)]


def dropout(x, p, rng):
    """y = x * mask / (1 - p), every value kept with probability 1 - p ("inverted": inference then needs no scaling).

    x of any shape, 0 <= p < 1, rng a NumPy or CuPy Generator   ->   y, cache.   Raises ValueError for another p.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout probability {p} is not in [0, 1)")
    if p == 0:
        return x, (None,)
    xp = array_module(x)
    kept = xp.asarray(rng.random(x.shape, dtype=np.float32)) >= p
    scale = kept.astype(x.dtype) / (1 - float(p))
    return x * scale, (scale,)


def dropout_backward(dy, cache):
    """dx = dy * mask / (1 - p), with the mask of the forward pass."""
    (scale,) = cache
    array_module(dy, scale)
    return dy if scale is None else dy * scale

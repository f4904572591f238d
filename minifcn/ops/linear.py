"""The fully connected layer: every number out is a weighted sum of all numbers in.

N images, L numbers in each (flattened in the order C,H,W), F numbers out.
"""
from minifcn.backend import array_module


def linear(x, w, b=None):
    """y[n,f] = b[f] + sum_l w[f,l] x[n,l]

    x (N,L), or (N,C,H,W) which is flattened   w (F,L)   b (F,) or None   ->   y (N,F), cache
    Over a map of C x K x K it is a convolution that fits in one place: w.reshape(F,C,K,K) [PAMI 3.1]. Raises ValueError
    where x has not L numbers an image.
    """
    array_module(x, w, b)
    flat = x.reshape(len(x), -1)
    if flat.shape[1] != w.shape[1]:
        raise ValueError(f"x {x.shape} has {flat.shape[1]} numbers an image, w {w.shape} takes {w.shape[1]}")
    y = flat @ w.T
    if b is not None:
        y += b
    return y, (x, w, b is not None)


def linear_backward(dy, cache, *, need_dx=True, need_dw=True):
    """dX = dY @ W,   dW = dY.T @ X,   db = dY summed over images.

    dy (N,F)   ->   dx of x's shape, dw (F,L), db (F,); what is not needed, and db where there was no b: None
    """
    x, w, has_b = cache
    dx = (dy @ w).reshape(x.shape) if need_dx else None
    dw = dy.T @ x.reshape(len(x), -1) if need_dw else None
    return dx, dw, dy.sum(axis=0) if need_dw and has_b else None

"""Convolution and its three gradients as matrix products: the plain im2col form.

N images, C channels, F filters, H x W pixels in, U x V pixels out, K kernel side, S stride, P zero padding
on every side, D dilation. (As everywhere in this field, a "convolution" does not turn its kernel.)
"""
from minifcn.backend import array_module
from minifcn.ops.im2col import check_whole, col2im, conv_size, im2col


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1):
    """y[n,f,u,v] = b[f] + sum_{c,i,j} w[f,c,i,j] xpad[n, c, S*u + D*i, S*v + D*j]

    x (N,C,H,W)   w (F,C,K,K)   b (F,) or None   ->   y (N,F,U,V), cache
    As matrices, one image at a time:  Y = W @ X  with  X = im2col(x).
    """
    n, _, height, width = x.shape
    f, _, k, _ = w.shape
    cols = im2col(x, k, stride, pad, dilation)
    y = w.reshape(f, -1) @ cols  # (F, C*K*K) @ (N, C*K*K, U*V)
    y = y.reshape(n, f, conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation))
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y, (x, w, b is not None, stride, pad, dilation)  # not cols: nine times x, and cheap to make again


def conv2d_backward(dy, cache, *, need_dx=True, need_dw=True):
    """dW = dY @ X.T,   dX = col2im(W.T @ dY),   db = dY summed over images and pixels.

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (F,C,K,K), db (F,); what is not needed, and db where there was no b: None
    """
    x, w, has_b, stride, pad, dilation = cache
    n, f, k = len(dy), w.shape[0], w.shape[2]
    rows = dy.reshape(n, f, -1)
    dx = dw = db = None
    if need_dw:
        cols = im2col(x, k, stride, pad, dilation)
        dw = (rows @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
        db = dy.sum(axis=(0, 2, 3)) if has_b else None
    if need_dx:
        dx = col2im(w.reshape(f, -1).T @ rows, x.shape, k, stride, pad, dilation)
    return dx, dw, db


def check_conv(x, w, b, stride, pad, dilation, groups):
    """Raise ValueError or TypeError, in words, for what conv2d cannot do."""
    array_module(x, w, b)  # all on one device, or a clear error
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(f"x must be (N,C,H,W) and w (F,C,K,K), not {x.shape} and {w.shape}")
    if w.shape[2] != w.shape[3]:
        raise ValueError(f"kernels are square here, not {w.shape[2]} x {w.shape[3]}")
    check_whole(stride=(stride, 1), pad=(pad, 0), dilation=(dilation, 1), groups=(groups, 1))
    if w.shape[0] % groups or x.shape[1] != w.shape[1] * groups:
        raise ValueError(f"x has {x.shape[1]} channels; {groups} groups of w {w.shape} take {w.shape[1] * groups}")
    if not x.dtype == w.dtype == (x if b is None else b).dtype:
        raise TypeError(f"x {x.dtype}, w {w.dtype} and b {None if b is None else b.dtype} must have one dtype")
    if b is not None and b.shape != (w.shape[0],):
        raise ValueError(f"b must be ({w.shape[0]},), one number a filter, not {b.shape}")

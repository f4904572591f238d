"""Groups: G plain convolutions side by side, the filters of group g seeing the channels of group g only.

So AlexNet was cut in two halves, one a GPU. The letters are those of ops/conv.py.
"""
from minifcn.backend import array_module
from minifcn.ops import conv


def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1, groups=1):
    """As ops.conv.conv2d, for w (F,C/G,K,K)."""
    xp = array_module(x)
    biases = [None] * groups if b is None else xp.split(b, groups)
    parts = [conv.conv2d(*part, stride=stride, pad=pad, dilation=dilation)[0]
             for part in zip(xp.split(x, groups, axis=1), xp.split(w, groups), biases, strict=True)]
    return _join(xp, parts, axis=1), (x, w, b is not None, stride, pad, dilation, groups)


def conv2d_backward(dy, cache, *, need_dx=True, need_dw=True):
    """As ops.conv.conv2d_backward."""
    x, w, *options, groups = cache
    xp = array_module(dy, x)
    parts = zip(xp.split(dy, groups, axis=1), xp.split(x, groups, axis=1), xp.split(w, groups), strict=True)
    dx, dw, db = zip(*(conv.conv2d_backward(dy, (x, w, *options), need_dx=need_dx, need_dw=need_dw)
                       for dy, x, w in parts), strict=True)
    return _join(xp, dx, axis=1), _join(xp, dw), _join(xp, db)


def _join(xp, parts, axis=0):
    if len(parts) == 1 or parts[0] is None:
        return parts[0]
    return xp.concatenate(parts, axis=axis)

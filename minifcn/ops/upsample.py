"""Making maps larger: transposed convolution, the bilinear kernel, and cropping.

N images, C channels in, F channels out, H x W pixels in, U x V pixels out, K kernel side, S stride, P padding.
"""
import numpy as np

from minifcn.backend import array_module, run_strips
from minifcn.ops.im2col import check_whole, col2im, im2col


def conv_transpose_size(size, k, stride=1, pad=0):
    """S*(size - 1) + K - 2P. Raises ValueError where nothing is left."""
    out = stride * (size - 1) + k - 2 * pad
    if out < 1:
        raise ValueError(f"{size} pixels, kernel {k}, stride {stride} and padding {pad} leave a map of {out} pixels")
    return out


def conv_transpose2d(x, w, b=None, *, stride=1, pad=0, fold=col2im):
    """ypad[n, f, S*h + i, S*w + j] += x[n,c,h,w] w[c,f,i,j], summed over c, h, w, i, j; y is ypad less P on every side

    x (N,C,H,W)   w (C,F,K,K)   b (F,) or None   ->   y (N,F,U,V), cache
    As matrices: Y = col2im(W.T @ X), which is what conv2d with the same numbers does backwards to its dY. Called
    deconvolution, up-convolution and fractionally strided convolution too [PAMI 3.3]; it undoes nothing.
    """
    n, c, height, width = x.shape
    f, k = w.shape[1], w.shape[2]
    u, v = conv_transpose_size(height, k, stride, pad), conv_transpose_size(width, k, stride, pad)
    cols = w.reshape(c, -1).T @ x.reshape(n, c, -1)  # (N, F*K*K, H*W)
    y = fold(cols, (n, f, u, v), k, stride, pad)
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y, (x, w, b is not None, stride, pad)


def conv_transpose2d_backward(dy, cache, *, need_dx=True, need_dw=True, unfold=im2col):
    """dX = W @ im2col(dY),   dW = X @ im2col(dY).T,   db = dY summed over images and pixels.

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (C,F,K,K), db (F,); what is not needed, and db where there was no b: None
    """
    x, w, has_b, stride, pad = cache
    n, c = x.shape[:2]
    dx = dw = db = None
    cols = unfold(dy, w.shape[2], stride, pad) if need_dx or need_dw else None  # (N, F*K*K, H*W)
    if need_dx:
        dx = (w.reshape(c, -1) @ cols).reshape(x.shape)
    if need_dw:
        dw = (x.reshape(n, c, -1) @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
        db = dy.sum(axis=(0, 2, 3)) if has_b else None
    return dx, dw, db


def check_conv_transpose(x, w, b, stride, pad):
    """Raise ValueError or TypeError, in words, for what conv_transpose2d cannot do."""
    array_module(x, w, b)
    if x.ndim != 4 or w.ndim != 4 or x.shape[1] != w.shape[0]:
        raise ValueError(f"x must be (N,C,H,W) and w (C,F,K,K) with one C, not {x.shape} and {w.shape}")
    if w.shape[2] != w.shape[3]:
        raise ValueError(f"kernels are square here, not {w.shape[2]} x {w.shape[3]}")
    check_whole(stride=(stride, 1), pad=(pad, 0))
    if not x.dtype == w.dtype == (x if b is None else b).dtype:
        raise TypeError(f"x {x.dtype}, w {w.dtype} and b {None if b is None else b.dtype} must have one dtype")
    if b is not None and b.shape != (w.shape[1],):
        raise ValueError(f"b must be ({w.shape[1]},), one number a channel out, not {b.shape}")


def bilinear_kernel(channels, k, dtype=np.float32):
    """The weights (channels, channels, K, K) that make conv_transpose2d interpolate each channel on its own.

    w[i] = 1 - |i - c| / f   with   f = floor((K + 1) / 2),   c = f - 1 for odd K, f - 1/2 for even K;
    the outer product of w with itself on the diagonal, zeros elsewhere [authors' surgery.py]. To upsample by S take
    K = 2S - S % 2 and stride S. Near the border the result fades: cells outside count as zero.
    """
    f = (k + 1) // 2
    centre = f - 1 if k % 2 else f - 0.5
    line = 1 - abs(np.arange(k) - centre) / f
    w = np.zeros((channels, channels, k, k), dtype)
    w[np.arange(channels), np.arange(channels)] = np.outer(line, line)
    return w


def crop(x, offset, height, width):
    """y[..., u, v] = x[..., offset + u, offset + v], `height` x `width` of them (a view).   ->   y, cache

    Raises ValueError where x does not reach that far.
    """
    if offset < 0 or offset + height > x.shape[-2] or offset + width > x.shape[-1]:
        raise ValueError(f"{height} x {width} from {offset} on lies outside a map of {x.shape[-2]} x {x.shape[-1]}")
    return x[..., offset:offset + height, offset:offset + width], (x.shape, offset)


def crop_backward(dy, cache):
    """dx = dy where it was cut out, 0 around it."""
    shape, offset = cache
    height, width = dy.shape[-2:]
    if shape == dy.shape:
        return dy
    dx = array_module(dy).zeros(shape, dy.dtype)
    dx[..., offset:offset + height, offset:offset + width] = dy
    return dx


def resize_bilinear(x, height, width, rows=slice(None)):
    """(N,C,H,W) -> (N,C,height,width): y = R x S^T, interpolated linearly between pixel centres, constant beyond them.

    `rows` asks for some of the rows only. Not a layer, but what turns scores of a shrunk image into scores of the
    image: at the border, unlike the transposed convolution, it does not fade. No backward pass.
    """
    xp = array_module(x)
    down = xp.asarray(_between(x.shape[2], height)[rows], dtype=x.dtype)
    across = xp.asarray(_between(x.shape[3], width).T, dtype=x.dtype)
    n, c = x.shape[:2]
    planes, y = x.reshape(n * c, *x.shape[2:]), xp.empty((n, c, len(down), width), x.dtype)
    out = y.reshape(n * c, len(down), width)
    run_strips(lambda i: xp.matmul(down @ planes[i], across, out=out[i]), range(n * c), xp)
    return y


def _between(size, out):
    """(out, size) weights: pixel i of `out` looks at (i + 1/2) * size / out - 1/2 among `size` pixels."""
    at = np.clip((np.arange(out) + 0.5) * size / out - 0.5, 0, size - 1)
    low = np.minimum(at.astype(int), max(size - 2, 0))
    weights = np.zeros((out, size))
    weights[np.arange(out), low] = 1 - (at - low)
    weights[np.arange(out), np.minimum(low + 1, size - 1)] += at - low
    return weights

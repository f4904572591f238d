"""Local response normalisation across channels: CaffeNet and GoogLeNet have it between their first layers."""
from minifcn.backend import array_module


def local_response_norm(x, *, size=5, alpha=1e-4, beta=0.75, k=1.0):
    """y_c = x_c / d_c^beta,   d_c = k + alpha/size * sum of x^2 over the `size` channels around c

    x (N,C,H,W)   ->   y of the same shape, cache.   Channels beyond the first and last count as zero.
    Krizhevsky et al. 2012 section 3.3, with Caffe's alpha/size. Raises ValueError for an even size.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"size must be an odd number of channels, not {size}")
    d = k + alpha / size * _around(x * x, size)
    return x * d**-beta, (x, d, size, alpha, beta)


def local_response_norm_backward(dy, cache):
    """dx_c = dy_c d_c^-beta - 2 alpha beta / size * x_c * sum of dy_e x_e d_e^(-beta - 1) over the e around c."""
    x, d, size, alpha, beta = cache
    array_module(dy, x)
    return dy * d**-beta - 2 * alpha * beta / size * x * _around(dy * x * d ** (-beta - 1), size)


def _around(a, size):
    """Sum of `size` channels around each channel: being "around" is mutual, so this serves both directions."""
    total = a.copy()
    for shift in range(1, min(size // 2, a.shape[1] - 1) + 1):
        total[:, shift:] += a[:, :-shift]
        total[:, :-shift] += a[:, shift:]
    return total

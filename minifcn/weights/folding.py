"""What other people's layers do that ours do not, put into the numbers of ours. Exact but for rounding."""
import numpy as np


def as_bgr(w, std):
    """Filters on (RGB - mean) / std -> filters on BGR - mean, both in grey levels: (F,3,K,K), std (3,).

    w . (x - mean) / std = (w / std) . (x - mean). Padding by zero stays padding by the mean colour.
    """
    return np.ascontiguousarray((w / np.float32(std).reshape(3, 1, 1))[:, ::-1])


def with_norm(w, b, gamma, beta, mean, variance, eps):
    """Filters and biases, then batch normalisation by running figures -> filters and biases: (F,C,K,K), all else (F,).

    gamma (w.x + b - mean) / sqrt(variance + eps) + beta, gathered by w and the rest.
    """
    factor = gamma / np.sqrt(variance + np.float32(eps))
    return w * factor.reshape(-1, 1, 1, 1), (b - mean) * factor + beta


def centred(w, k):
    """K x K filters as k x k filters, the rest zero: padded by as much more they give the same. (F,C,K,K)."""
    pad = (k - w.shape[2]) // 2
    return np.pad(w, ((0, 0), (0, 0), (pad, pad), (pad, pad)))

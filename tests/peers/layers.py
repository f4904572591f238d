"""The layers that all the nets are made of, with Caffe's rounding."""
import torch
import torch.nn.functional as F


class Layers:
    """Layers by name over weights by name; those of one stream, or of one of two heads, end in the same suffix."""

    def __init__(self, weights, suffix=""):
        self.weights, self.suffix = weights, suffix

    def conv(self, name, x, **options):
        name += self.suffix
        return F.conv2d(x, self.weights[f"{name}.w"], self.weights[f"{name}.b"], **options)

    def relu(self, name, x, **options):
        """A convolution and its ReLU."""
        return F.relu(self.conv(name, x, **options))

    def linear(self, name, x):
        return F.linear(x, self.weights[f"{name}.w"], self.weights[f"{name}.b"])

    def up(self, name, x, stride):
        return F.conv_transpose2d(x, self.weights[f"{name}{self.suffix}.w"], stride=stride)


def max_pool(x, k):
    return F.max_pool2d(x, k, stride=2, ceil_mode=True)


def lrn(x):
    return F.local_response_norm(x, 5, alpha=1e-4, beta=0.75, k=1.0)


def crop(x, offset, like):
    return x[:, :, offset:offset + like.shape[2], offset:offset + like.shape[3]]


def bilinear(channels, k):
    """(channels, channels, k, k): a tent of half width (k + 1) // 2 for every channel, none between channels."""
    half = (k + 1) // 2
    centre = half - 1 if k % 2 else half - 0.5
    tent = 1 - (torch.arange(k, dtype=torch.float64) - centre).abs() / half
    return torch.einsum("cd,i,j->cdij", torch.eye(channels, dtype=torch.float64), tent, tent)

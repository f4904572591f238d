"""Layers: ops that own weights. They remember what their backward pass needs, and only when told that one will come."""
import numpy as np

from minifcn.backend import array_module, to_device
from minifcn.ops import (
    average_pool2d,
    average_pool2d_backward,
    bilinear_kernel,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    dropout,
    dropout_backward,
    kept_numbers,
    linear,
    linear_backward,
    local_response_norm,
    local_response_norm_backward,
    max_pool2d,
    max_pool2d_backward,
    relu,
    relu_backward,
)
from minifcn.ops.im2col import conv_size
from minifcn.ops.pool import pool_size
from minifcn.ops.upsample import conv_transpose_size


class Layer:
    """forward(x, train=False) -> y, backward(dy) -> dx; `params` and `grads` by name ("w", "b").

    Gradients are assigned by each backward pass, never added: calling it twice is harmless. `learn` says whether the
    weights are to be trained, `need_dx` whether anything before this layer is.
    """

    kernel, stride, pad, dilation = 1, 1, 0, 1  # what geometry needs to know of a layer

    def __init__(self):
        self.params, self.grads = {}, {}
        self.learn, self.need_dx = True, True
        self.cache = None

    def forward(self, x, train=False, **options):
        y, cache = self._forward(x, **options) if train else self._infer(x, **options)
        self.cache = cache if train else None  # inference remembers nothing
        return y

    def _infer(self, x, **options):
        return self._forward(x, **options)

    def backward(self, dy):
        if self.cache is None:
            raise RuntimeError(f"{type(self).__name__}.backward without forward(x, train=True) before it")
        return self._backward(dy, self.cache)

    def __getstate__(self):
        """What is pickled or copied: not what it remembers, nor the gradients, which the next passes make anew."""
        return self.__dict__ | {"cache": None, "grads": {}}

    def shape(self, shape):
        """The shape of y for an x of `shape`: (N,C,H,W), or (N,F) between fully connected layers."""
        n, c, *sides = shape
        return n, self._channels(c), *map(self._side, sides)

    def _channels(self, c):
        return c

    def _side(self, side):
        return side

    def to_device(self, device):
        """Move the weights to "cpu" or "gpu"; what is remembered of a forward pass is dropped. Returns the layer."""
        self.params = {name: to_device(value, device) for name, value in self.params.items()}
        self.grads, self.cache = {}, None
        return self


class Conv2d(Layer):
    """conv2d with the weights it owns: w (F,C/G,K,K), and b (F,) unless bias=False.

    Weights are drawn with variance 2 / (C/G K K) for inputs of root mean square `rms` [He et al. 2015]; without an rng
    they are zero, as new score layers start.
    """

    def __init__(self, rng, c_in, c_out, k, stride=1, pad=0, dilation=1, groups=1, bias=True, rms=1, dtype=np.float32):
        super().__init__()
        self.kernel, self.stride, self.pad, self.dilation, self.groups = k, stride, pad, dilation, groups
        w = np.zeros((c_out, c_in // groups, k, k), dtype)  # memory that nobody writes to costs nothing
        if rng is not None:
            rng.standard_normal(dtype=dtype, out=w)  # float32 from the start: VGG's fc6 in float64 takes 0.8 GB
            w *= (2 / w[0].size) ** 0.5 / rms  # a ReLU halves the variance, the 2 restores it
        self.params = {"w": w} | ({"b": np.zeros(c_out, dtype)} if bias else {})

    def _channels(self, c):
        return len(self.params["w"])

    def _side(self, side):
        return conv_size(side, self.kernel, self.stride, self.pad, self.dilation)

    def _forward(self, x, relu=False, pool=False, keep=True):
        return conv2d(x, **self.params, stride=self.stride, pad=self.pad, dilation=self.dilation, groups=self.groups,
                      relu=relu, pool=pool, keep=keep and self.learn)

    def _infer(self, x, **options):
        return self._forward(x, **options, keep=False)

    def kept_numbers(self, shape):
        """How many numbers it remembers for its backward pass, besides an input of this shape."""
        return kept_numbers(shape, self.params["w"].shape, stride=self.stride, pad=self.pad, dilation=self.dilation,
                            groups=self.groups)

    def _backward(self, dy, cache):
        self.grads = {}  # those of the last step go before new ones come: fc6's alone are 0.4 GB
        dx, dw, db = conv2d_backward(dy, cache, need_dx=self.need_dx, need_dw=self.learn)
        self.grads = ({"w": dw} | ({"b": db} if "b" in self.params else {})) if self.learn else {}
        return dx


class Linear(Layer):
    """linear with the weights it is given: w (F,L), b (F,)."""

    def __init__(self, w, b):
        super().__init__()
        self.params = {"w": w, "b": b}

    def shape(self, shape):
        return shape[0], len(self.params["w"])

    def _forward(self, x):
        return linear(x, **self.params)

    def _backward(self, dy, cache):
        dx, dw, db = linear_backward(dy, cache, need_dx=self.need_dx, need_dw=self.learn)
        self.grads = {"w": dw, "b": db} if self.learn else {}
        return dx


class ConvTranspose2d(Layer):
    """conv_transpose2d, C -> C, no bias; it starts bilinear and stays so unless learn=True, as the authors' do."""

    def __init__(self, channels, k, stride, pad=0, learn=False, dtype=np.float32):
        super().__init__()
        self.kernel, self.stride, self.pad, self.learn = k, stride, pad, learn
        self.params = {"w": bilinear_kernel(channels, k, dtype)}

    def _side(self, side):
        return conv_transpose_size(side, self.kernel, self.stride, self.pad)

    def _forward(self, x):
        return conv_transpose2d(x, self.params["w"], stride=self.stride, pad=self.pad)

    def _backward(self, dy, cache):
        dx, dw, _ = conv_transpose2d_backward(dy, cache, need_dx=self.need_dx, need_dw=self.learn)
        self.grads = {"w": dw} if self.learn else {}
        return dx


class MaxPool2d(Layer):
    """max_pool2d. The nets round up (ceil=True), as Caffe does: no pixel at the right or lower border is dropped.

    With done=True x is pooled already, by the convolution that made it; with rectified=True it came of a ReLU, for
    which the backward pass stops gradients, too.
    """

    def __init__(self, k, stride=None, pad=0, ceil=True, dilation=1):
        super().__init__()
        self.kernel, self.stride, self.pad, self.ceil, self.dilation = k, stride or k, pad, ceil, dilation

    def _side(self, side):
        return pool_size(side, self.kernel, self.stride, self.pad, self.ceil, self.dilation)

    @property
    def halves(self):
        """Whether it is the pooling that conv2d can do in passing."""
        return (self.kernel, self.stride, self.pad, self.ceil, self.dilation) == (2, 2, 0, True, 1)

    def _forward(self, x, done=False, rectified=False):
        if done:
            return x, None
        y, cache = max_pool2d(x, self.kernel, stride=self.stride, pad=self.pad, ceil=self.ceil, dilation=self.dilation)
        return y, (cache, rectified)

    def _backward(self, dy, cache):
        cache, rectified = cache
        return max_pool2d_backward(dy, cache, rectified=rectified)


class AveragePool2d(Layer):
    """average_pool2d."""

    def __init__(self, k):
        super().__init__()
        self.kernel = k

    def _side(self, side):
        return conv_size(side, self.kernel)

    def _forward(self, x):
        return average_pool2d(x, self.kernel)

    def _backward(self, dy, cache):
        return average_pool2d_backward(dy, cache)


class ReLU(Layer):
    """relu; with done=True x is rectified already, by the convolution that made it.

    With masked=True the only layer after it hands back gradients that are stopped already.
    """

    def _forward(self, x, done=False, masked=False):
        y, cache = (x, (x,)) if done else relu(x)
        return y, () if masked else cache

    def _backward(self, dy, cache):
        return relu_backward(dy, cache) if cache else dy


class Dropout(Layer):
    """dropout while training, nothing at inference. `seed` is set anew before every step: see nets.fcn.FCN.reseed."""

    def __init__(self, p):
        super().__init__()
        self.p, self.seed = p, 0

    def _forward(self, x):
        rng = array_module(x).random.default_rng(self.seed) if self.p else None
        return dropout(x, self.p, rng)

    def _infer(self, x):
        return x, None

    def _backward(self, dy, cache):
        return dropout_backward(dy, cache)


class Scale(Layer):
    """y[n,c] = w[c] * x[n,c]: a constant a channel, never trained, as Caffe's Scale layers in FCN-8s at-once."""

    def __init__(self, channels, value, dtype=np.float32):
        super().__init__()
        self.learn = False
        self.params = {"w": np.full(channels, value, dtype)}

    def _forward(self, x):
        w = self.params["w"].reshape(-1, 1, 1)
        return x * w, (w,)

    def _backward(self, dy, cache):
        return dy * cache[0]


class LocalResponseNorm(Layer):
    """local_response_norm with CaffeNet's constants."""

    def __init__(self, size=5, alpha=1e-4, beta=0.75):
        super().__init__()
        self.options = {"size": size, "alpha": alpha, "beta": beta}

    def _forward(self, x):
        return local_response_norm(x, **self.options)

    def _backward(self, dy, cache):
        return local_response_norm_backward(dy, cache)

"""One step of training: the loss and its gradients, over one batch or several.

Of a small net a batch is divided in two halves, whose gradients add up to those of the batch, and a second process
computes one of them: data parallelism. Two threads of one Python wait for each other at every call of NumPy, and a
small net's calls are short. Measured on 2 cores against two threads: FCN-8s over mini, 8 images of 128x160, takes 0.83
of the time, FCN-32s over GoogLeNet, 4 images of 375x500, 0.62.
"""
import sys

from minifcn.backend import shares, single_threaded_blas, threads, to_device, using_threads
from minifcn.datasets.base import each_kind, per_kind
from minifcn.helper import Helper, Lost
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.loss import total_weight
from minifcn.scoring import of_kind

# Learned parameters up to which a batch is divided: each process has weights and gradients. With the 57 million of
# AlexNet a step of 4 images of 224x224 takes 1.2 times as long.
SMALL = 1 << 23
# Pixels of a batch from which it is divided. Measured: 2 images of 90x91 take 0.7 of the time, of 32x32 as long.
PIXELS = 1 << 14


class Part:
    """The gradients of a part of a batch, here or in a second process."""

    def __init__(self, net, reduction, weights):
        self.net, self.reduction, self.weights = net, reduction, weights

    def gradients(self, x, labels, key, counted):
        """(loss, {name: gradient}) of this part; `counted` is, of every head, what the batch's mean divides by."""
        net = self.net
        net.reseed(*key)
        scores = each_kind(net.forward(x, train=True))
        found = [softmax_cross_entropy(some, of_kind(labels, k, len(scores)), reduction=self.reduction,
                                       class_weight=a, counted=count)
                 for k, (some, a, count) in enumerate(zip(scores, self.weights, counted, strict=True))]
        net.backward(per_kind(softmax_cross_entropy_backward(cache) for _, cache in found))
        return sum(loss for loss, _ in found), dict(net.grads)

    def elsewhere(self, params, count, *given):
        """gradients(*given), in another process: by the weights of the original, on so many threads."""
        self.net.load(params)
        with using_threads(count):
            return self.gradients(*given)


class Step:
    """Computes gradients(...) of a net: of the mean loss or the sum, with class weights (an array a head) or None."""

    def __init__(self, net, reduction="mean", weights=None):
        self.net = net
        self._part = Part(net, reduction, weights or [None] * len(each_kind(net.classes)))
        self._helper, self._learned = None, None
        self._alone = False  # whether the second process was lost

    def gradients(self, batches, parts, key):
        """(loss, gradients) of one step: the means over `parts` batches, from an iterator of x and labels.

        `key`, whole numbers, is what dropout draws by: (seed, stage, step).
        """
        total, grads = 0, {}
        with single_threaded_blas():  # always: it rounds otherwise on another number of threads
            for part in range(parts):
                x, labels = (to_device(array, self.net.device) for array in next(batches))
                for loss, some in self.of_batch(x, labels, (*key, part) if parts > 1 else key):
                    total = total + loss
                    _add(grads, some)
        if parts > 1:
            for g in grads.values():
                g /= parts
        return total / parts, grads

    def of_batch(self, x, labels, key):
        """[(loss, gradients)] of the parts of a batch, to be added up in this order: whoever computes them, to the bit.

        The first are this process's own; the others may lie in memory that the next step changes.
        """
        weights, part = self._part.weights, self._part
        if not self._divides(x):
            return [part.gradients(x, labels, key, [None] * len(weights))]
        counted = [total_weight(of_kind(labels, k, len(weights)), class_weight=a) for k, a in enumerate(weights)]
        theirs, mine = ((x[s], labels[s], (*key, k), counted) for k, s in enumerate(shares(len(x), 2)))
        count = threads()
        if count > 1 and not self._alone:
            def here():  # the larger half: this process begins first, and has the odd thread
                with using_threads(count - count // 2):
                    return part.gradients(*mine)
            if self._learned != self.net.learned:  # a copy would go on with those of before
                self._helper, self._learned = Helper(part), self.net.learned
            try:
                return self._helper.both(here, "elsewhere", dict(self.net.params), count // 2, *theirs)
            except Lost as error:
                from tqdm import tqdm

                tqdm.write(f"warning: the second process, which computes half of a batch, is lost ({error}); this "
                           "stage goes on without it, to the same result", sys.stderr)
                self._alone = True
        return [part.gradients(*given) for given in (mine, theirs)]

    def _divides(self, x):
        """Whether a batch is divided. A step of the head alone is too short for that."""
        net = self.net
        if net.device != "cpu" or len(x) < 2 or x[:, 0].size < PIXELS:
            return False
        params = net.params
        body_learns = any(layer.learn and layer.params for layer in net.body.layers.values())
        return body_learns and sum(params[name].size for name in net.learned) <= SMALL


def _add(sums, grads):
    for name, g in grads.items():
        if name in sums:
            sums[name] += g
        else:
            sums[name] = g

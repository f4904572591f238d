"""One step of training: the loss and its gradients, over one batch or several."""
from minifcn.backend import to_device
from minifcn.datasets.base import each_kind, per_kind
from minifcn.ops import softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.scoring import of_kind


def gradients(args, net, batches, parts, key, weights):
    """(loss, gradients) of one step: the means over `parts` batches, from an iterator of x and labels."""
    total, grads = 0, {}
    for part in range(parts):
        x, labels = (to_device(array, net.device) for array in next(batches))
        net.reseed(*key, *([part] if parts > 1 else []))
        total = total + backward(args, net, x, labels, weights)
        for name, g in net.grads.items():
            if name in grads:
                grads[name] += g
            else:
                grads[name] = g
    if parts > 1:
        for g in grads.values():
            g /= parts
    return total / parts, grads


def backward(args, net, x, labels, weights):
    """Forward, loss, backward: fills net.grads. Returns the loss, on the net's device; of two heads the sum."""
    scores = net.forward(x, train=True)
    scores = each_kind(scores)
    weights = weights or [None] * len(scores)
    found = [softmax_cross_entropy(some, of_kind(labels, k, len(scores)), reduction=args.reduction, class_weight=a)
             for k, (some, a) in enumerate(zip(scores, weights, strict=True))]
    net.backward(per_kind(softmax_cross_entropy_backward(cache) for _, cache in found))
    return sum(loss for loss, _ in found)

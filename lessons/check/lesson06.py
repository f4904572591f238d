"""Judges of lesson 06: softmax, the gradient of the loss, the first loss summed, its rate, a step of SGD."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, gradient, near, number, run, value
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.ops import softmax_cross_entropy
from minifcn.optim import SGD

VOID = 255


def _fitting(answer, *args, hint):
    """run, with a hint where NumPy cannot bring two shapes together."""
    try:
        return run(answer, *args)
    except ValueError as error:
        if "broadcast" not in str(error):
            raise
        raise Wrong(f"{error}: {hint}") from error


def _over_all(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum()


@exercise
def softmax(answer):
    rng = np.random.default_rng(0)
    scores = rng.normal(size=(2, 4, 3, 5)) * 2

    def by_definition(scores, axis=1):
        e = np.exp(scores - scores.max(axis=axis, keepdims=True))
        return e / e.sum(axis=axis, keepdims=True)

    def tried(scores):
        with np.errstate(all="ignore"):  # an overflow is told in words
            return _fitting(answer, scores, hint="keepdims=True keeps the axis of max and sum, with length 1")

    equal(tried(scores), by_definition(scores), "p", suspects={
        "the probabilities add up to 1 along the width, and should over the classes: axis 1": by_definition(scores, 3),
        "the probabilities add up to 1 along the height, and should over the classes: axis 1": by_definition(scores, 2),
        "the probabilities add up to 1 over the images, and should over the classes: axis 1": by_definition(scores, 0),
        "one sum was taken over the whole array; every pixel has its own, over the classes":
            np.exp(scores) / np.exp(scores).sum(),
        "the largest score is subtracted above the fraction line and not below it: divide by the sum of the same "
        "exponentials": np.exp(scores - scores.max(axis=1, keepdims=True)) / np.exp(scores).sum(axis=1, keepdims=True),
        "the sum is over the whole array; every pixel has its own, over the classes": _over_all(scores),
        "these are the exponentials; they are still to be divided by each pixel's sum": np.exp(scores),
        "these are the logarithms of the probabilities": np.log(by_definition(scores)),
    })
    if not np.isfinite(tried(scores + 1000)).all():
        raise Wrong("right for small scores, but with scores near 1000 exp overflows and p is nan: subtract the "
                    "largest score of the pixel first")
    scores[0, :, 0, 0] += 5000
    lone = tried(scores)
    if not np.isfinite(lone).all():
        raise Wrong("p is nan at some pixels when one pixel has scores far above all others: each pixel needs its own "
                    "largest score subtracted, not that of the whole array (max over axis 1, keepdims=True)")
    equal(lone, by_definition(scores), "p for scores of very different sizes")
    return "equal to the definition on random 3 x 5 maps, and finite for scores of 1000 and 5000"


@exercise
def loss_backward(answer):
    rng = np.random.default_rng(1)
    scores, labels = rng.normal(size=(2, 4, 3, 5)) * 2, rng.integers(0, 4, size=(2, 3, 5))
    labels.reshape(-1)[[2, 7, 8, 19, 23, 28, 29]] = VOID
    _, (p, target, _, _) = softmax_cross_entropy(scores, labels)
    known = labels != VOID
    onehot = np.arange(4).reshape(1, -1, 1, 1) == target[:, None]
    count, mask = known.sum(), known[:, None]
    mine = _fitting(answer, (p, target, known), hint="target and known are (N,H,W) and p is (N,C,H,W); target[:, None] "
                                                     "is (N,1,H,W), and meets it")
    gradient(
        lambda s: softmax_cross_entropy(s, labels)[0], scores, 1.0, mine, "dscores",
        suspects={
            "that is the gradient of the sum: divide by the number of counted pixels": (p - onehot) * mask,
            "void pixels have a gradient: multiply by known": (p - onehot) / count,
            "void pixels have a gradient, and nothing is divided by the number of counted pixels": p - onehot,
            "divided by the number of all pixels, void ones included; the mean is over known.sum() of them":
                (p - onehot) * mask / known.size,
            "divided by the size of p; the mean is over pixels, known.sum() of them, and not over classes too":
                (p - onehot) * mask / p.size,
            "divided by the number of images; the mean is over the counted pixels": (p - onehot) * mask / len(p),
            "brackets are missing: mask and division are for the whole of (p - onehot)": p - onehot * mask / count,
            "that is p, and nothing was subtracted at the label": p * mask / count,
            "the sign is turned: it is p - onehot, what is minus what should be": (onehot - p) * mask / count,
        })
    return "equal to central differences on two 3 x 5 maps of 4 classes with 7 void pixels"


def _two_pictures():
    """The labels of the two pictures of the lesson."""
    train = VOCSegmentation(harbour.root(), "train")
    return np.stack([train.labels(i) for i in (75, 43)])


def _guess(given, truth, suspects, otherwise, close):
    """Raise Wrong unless the number is within `close` of the truth."""
    for words, wrong in suspects.items():
        if abs(given - wrong) <= close * abs(wrong):
            raise Wrong(words)
    if not abs(given - truth) <= close * abs(truth):
        raise Wrong(otherwise)


@exercise
def start_sum(answer):
    given, labels = number(answer), _two_pictures()
    truth, _ = softmax_cross_entropy(np.zeros((2, 7, *labels.shape[1:])), labels, reduction="sum")
    counted = np.count_nonzero(labels != VOID)
    _guess(given, truth, {
        "that is the mean loss, what one pixel costs; the sum is over all counted ones": np.log(7),
        "void pixels are in this sum, and they cost nothing": labels.size * np.log(7),
        "that is the number of counted pixels; each of them costs ln C": counted,
        "that is the logarithm to the base 10; the natural one is meant, np.log": counted * np.log10(7),
        "that is the logarithm to the base 2; the natural one is meant, np.log": counted * np.log2(7),
        "that is for 21 classes; Harbour has 7": counted * np.log(21),
        "36,305 is the number of both pictures together": 2 * truth,
        "that is for one picture; there are two": truth / 2,
    }, "another number: each counted pixel costs the same at the start, as it has 7 equal probabilities", 2e-3)
    return f"the library says {truth:.0f} for equal scores and these labels"


@exercise
def sum_rate(answer):
    given, labels = number(answer), _two_pictures()
    counted = np.count_nonzero(labels != VOID)
    _guess(given, 0.01 / counted, {
        "multiplied instead of divided: the sum's gradient is longer, so its rate must be smaller": 0.01 * counted,
        "void pixels were counted in M; they add nothing to the gradient": 0.01 / labels.size,
        "divided by the number of images; the mean is over pixels": 0.01 / 2,
        "divided by the numbers in the score map; the mean is over pixels, not over classes": 0.01 / counted / 7,
        "momentum is in this number: it is the same for both losses, so it does not matter here": 0.001 / counted,
        "36,305 is the number of both pictures together": 0.02 / counted,
        "that is the rate of the papers' FCN-32s; the rule of section 6 is asked for, not a number": 1e-10,
        "rounded too much: give the quotient itself": 3e-7,
    }, "another number: rate times gradient is to be the same, and the gradients differ by the factor M", 0.02)
    scores = np.random.default_rng(2).normal(size=(2, 7, *labels.shape[1:]))
    mean, total = (softmax_cross_entropy(scores, labels, reduction=r)[0] for r in ("mean", "sum"))
    return f"rate times loss is the same for random scores: {0.01 * mean:.4f} and {given * total:.4f}"


def _steps(flaw=None):
    """Parameters before and after two steps of the update with a flaw in it, the gradients and rates of the steps."""
    rng = np.random.default_rng(3)
    shapes = {"conv1.w": (3, 2), "conv1.b": (3,)}
    start = {name: rng.normal(size=shape) for name, shape in shapes.items()}
    gradients = [{name: rng.normal(size=shape) for name, shape in shapes.items()} for _ in range(3)]
    rates, momentum, decay = (0.1, 0.1, 0.03), 0.9, 0.05
    end = {}
    for name, w in start.items():
        a, d = (2, 0) if name.endswith(".b") else (1, 1)
        if flaw == "factors":
            a, d = 1, 1
        v = np.zeros_like(w)
        for rate, grads in zip(rates, gradients, strict=True):
            g = grads[name] + (0 if flaw == "decay" else decay * d * w)
            kept = 0 if flaw == "momentum" else momentum
            if flaw == "rate outside":
                v = kept * v + a * g
                w = w - rate * v
            elif flaw == "decay outside":
                v = kept * v + rate * a * grads[name]
                w = w - v - rate * decay * d * w
            elif flaw == "decay without rate":
                v = kept * v + rate * a * grads[name] + decay * d * w
                w = w - v
            elif flaw == "rate twice":
                v = kept * v + rate * a * g
                w = w - rate * v
            elif flaw == "momentum last":
                v = kept * (v + rate * a * g)
                w = w - v
            elif flaw == "momentum added":
                v = v + kept * v + rate * a * g
                w = w - v
            elif flaw == "old velocity":
                w = w - v
                v = kept * v + rate * a * (grads[name] + decay * d * w)
            else:
                v = kept * v + rate * a * g
                w = w + v if flaw == "uphill" else w - v
        end[name] = w
    return start, end, gradients, rates, momentum, decay


FLAWS = {
    "momentum": "the velocity is forgotten from step to step: v = ... makes a new array; v *= and v += change the one "
                "that is kept",
    "decay": "weight decay is missing: g + weight_decay * d * w is what goes into the velocity",
    "factors": "the factors a and d are missing: biases take twice the rate and no decay",
    "rate outside": "equal as long as the rate stays the same, and the check changes it: here the rate stands inside "
                    "the velocity, v += rate * ..., and not in the last line",
    "decay outside": "weight decay goes past the velocity: it is part of the gradient here",
    "decay without rate": "brackets are missing: the rate multiplies g + weight_decay * d * w, both terms of it",
    "rate twice": "the rate is in the velocity already, and is taken once more in the last line: w -= v",
    "momentum last": "momentum also multiplies the new gradient: shrink the old velocity first, v *= momentum, then "
                     "add",
    "momentum added": "v += momentum * v + ... keeps the whole old velocity and adds to it: v *= momentum, then "
                      "v += ...",
    "old velocity": "the weights move by the old velocity: w -= v comes last",
    "uphill": "these steps go uphill: w -= v",
}


@exercise
def sgd_step(answer):
    start, _, gradients, rates, momentum, decay = _steps()
    value(answer)
    if not callable(answer):
        raise Wrong(f"a function is asked for, not {type(answer).__name__}: give its name, without brackets after it")
    params, theirs = ({name: w.copy() for name, w in start.items()} for _ in range(2))
    live, velocity = dict(params), {name: np.zeros_like(w) for name, w in start.items()}
    library = SGD(theirs, rates[0], momentum, decay, {"*.b": (2, 0)})
    for rate, grads in zip(rates, gradients, strict=True):
        given = {name: g.copy() for name, g in grads.items()}
        returned = answer(params, given, velocity, rate, momentum, decay)
        moved = any(not np.array_equal(live[name], start[name]) for name in start)
        if returned is None or returned is ...:
            if moved:
                raise Wrong("the parameters move, but the function returns None: its last line is return params")
            value(None)  # not written yet
        if any(not np.array_equal(given[name], grads[name]) for name in grads):
            raise Wrong("the step writes into the gradients: whoever called it may need them again")
        library.lr = rate
        library.step(grads)
    if any(params[name] is not live[name] for name in live):
        raise Wrong("a new array was put into params; the layers hold the old ones, which did not move: change w in "
                    "place, w -= v")
    if not moved:
        raise Wrong("nothing moved. If a line says w = w - v: that makes a new array that no layer knows of; w -= v "
                    "changes the one they hold")
    for flaw, words in FLAWS.items():
        wrong = _steps(flaw)[1]
        if all(near(params[name], wrong[name]) for name in wrong):
            raise Wrong(words)
    for name in theirs:
        equal(params[name], theirs[name], f"{name} after three steps")
    return "equal to minifcn.optim.SGD after three steps with two rates, weights and biases"

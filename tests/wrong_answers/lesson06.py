"""Wrong answers to lesson 06."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()


def softmax_over(scores, axis):
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@wrong("softmax", says="exp overflows")
def nothing_subtracted(scores):
    e = np.exp(scores)
    return e / e.sum(axis=1, keepdims=True)


@wrong("softmax", says="each pixel needs its own largest")
def one_largest_for_all(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum(axis=1, keepdims=True)


@wrong("softmax", says="along the width")
def over_the_last_axis(scores):
    return softmax_over(scores, -1)


@wrong("softmax", says="over the images")
def over_the_first_axis(scores):
    return softmax_over(scores, 0)


@wrong("softmax", says="whole array")
def one_sum(scores):
    e = np.exp(scores - scores.max())
    return e / e.sum()


@wrong("softmax", says="writes into its argument scores")
def in_place(scores):
    scores -= scores.max(axis=1, keepdims=True)
    return softmax_over(scores, 1)


@wrong("softmax", says="shape")
def sum_of_classes_only(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e.sum(axis=1)


@wrong("softmax", says="keepdims=True")
def axes_lost(scores):
    e = np.exp(scores - scores.max(axis=1))
    return e / e.sum(axis=1)


@wrong("softmax", says="not below it")
def subtracted_above_only(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / np.exp(scores).sum(axis=1, keepdims=True)


@wrong("softmax", says="every pixel has its own")
def one_sum_after_all(scores):
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum()


def onehot(cache):
    return np.arange(cache[0].shape[1]).reshape(1, -1, 1, 1) == cache[1][:, None]


@wrong("loss_backward", says="gradient of the sum")
def not_divided(cache):
    return (cache[0] - onehot(cache)) * cache[2][:, None]


@wrong("loss_backward", says="multiply by known")
def no_mask(cache):
    return (cache[0] - onehot(cache)) / cache[2].sum()


@wrong("loss_backward", says="number of all pixels")
def divided_by_all(cache):
    return (cache[0] - onehot(cache)) * cache[2][:, None] / cache[2].size


@wrong("loss_backward", says="not over classes")
def divided_by_classes_too(cache):
    return (cache[0] - onehot(cache)) * cache[2][:, None] / cache[0].size


@wrong("loss_backward", says="number of images")
def divided_by_images(cache):
    return (cache[0] - onehot(cache)) * cache[2][:, None] / len(cache[0])


@wrong("loss_backward", says="sign is turned")
def turned(cache):
    return (onehot(cache) - cache[0]) * cache[2][:, None] / cache[2].sum()


@wrong("loss_backward", says="nothing was subtracted")
def without_onehot(cache):
    return cache[0] * cache[2][:, None] / cache[2].sum()


@wrong("loss_backward", says="brackets are missing")
def without_brackets(cache):
    return cache[0] - onehot(cache) * cache[2][:, None] / cache[2].sum()


@wrong("loss_backward", says="target[:, None]")
def axes_that_do_not_meet(cache):
    return (cache[0] - onehot(cache)) * cache[2] / cache[2].sum()


@wrong("loss_backward", says="writes into its argument cache")
def in_the_cache(cache):
    p = cache[0]
    p -= onehot(cache)
    p *= cache[2][:, None] / cache[2].sum()
    return p


wrong("start_sum", says="the mean loss")(np.log(7))
wrong("start_sum", says="void pixels are in this sum")(40960 * np.log(7))
wrong("start_sum", says="base 10")(36305 * np.log10(7))
wrong("start_sum", says="base 2")(36305 * np.log2(7))
wrong("start_sum", says="each of them costs")(36305)
wrong("start_sum", says="for one picture")(36305 * np.log(7) / 2)
wrong("start_sum", says="both pictures together")(2 * 36305 * np.log(7))
wrong("start_sum", says="another number")(12345.0)
wrong("start_sum", says="a number is asked for")("70646")

wrong("sum_rate", says="multiplied instead of divided")(0.01 * 36305)
wrong("sum_rate", says="void pixels were counted")(0.01 / 40960)
wrong("sum_rate", says="number of images")(0.005)
wrong("sum_rate", says="not over classes")(0.01 / 36305 / 7)
wrong("sum_rate", says="momentum")(0.001 / 36305)
wrong("sum_rate", says="both pictures together")(0.02 / 36305)
wrong("sum_rate", says="the rule of section 6")(1e-10)
wrong("sum_rate", says="rounded too much")(3e-7)
wrong("sum_rate", says="another number")(1e-5)


def step(update):
    """An answer to sgd_step of what it does to one parameter: update(w, g, v, a, d, rate, momentum, decay)."""
    def answer(params, grads, velocity, rate, momentum, weight_decay):
        for name, g in grads.items():
            a, d = (2, 0) if name.endswith(".b") else (1, 1)
            update(params[name], g, velocity[name], a, d, rate, momentum, weight_decay)
        return params
    answer.__name__ = update.__name__
    return answer


@wrong("sgd_step", says="forgotten from step to step")
@step
def a_new_velocity(w, g, v, a, d, rate, momentum, decay):
    v = momentum * v + rate * a * (g + decay * d * w)
    w -= v


@wrong("sgd_step", says="nothing moved")
@step
def a_new_weight(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * (g + decay * d * w)
    w = w - v


@wrong("sgd_step", says="weight decay is missing")
@step
def no_decay(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * g
    w -= v


@wrong("sgd_step", says="factors a and d are missing")
@step
def all_alike(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * (g + decay * w)
    w -= v


@wrong("sgd_step", says="inside the velocity")
@step
def rate_outside(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += a * (g + decay * d * w)
    w -= rate * v


@wrong("sgd_step", says="goes past the velocity")
@step
def decay_outside(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * g
    w -= v + rate * decay * d * w


@wrong("sgd_step", says="both terms of it")
@step
def decay_without_rate(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * g + decay * d * w
    w -= v


@wrong("sgd_step", says="once more in the last line")
@step
def rate_twice(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * (g + decay * d * w)
    w -= rate * v


@wrong("sgd_step", says="shrink the old velocity first")
@step
def momentum_last(w, g, v, a, d, rate, momentum, decay):
    v += rate * a * (g + decay * d * w)
    v *= momentum
    w -= v


@wrong("sgd_step", says="keeps the whole old velocity")
@step
def momentum_added(w, g, v, a, d, rate, momentum, decay):
    v += momentum * v + rate * a * (g + decay * d * w)
    w -= v


@wrong("sgd_step", says="w -= v comes last")
@step
def the_old_velocity(w, g, v, a, d, rate, momentum, decay):
    w -= v
    v *= momentum
    v += rate * a * (g + decay * d * w)


@wrong("sgd_step", says="uphill")
@step
def plus(w, g, v, a, d, rate, momentum, decay):
    v *= momentum
    v += rate * a * (g + decay * d * w)
    w += v


@wrong("sgd_step", says="writes into the gradients")
@step
def into_the_gradient(w, g, v, a, d, rate, momentum, decay):
    g += decay * d * w
    v *= momentum
    v += rate * a * g
    w -= v


@wrong("sgd_step", says="the function returns None")
def no_return(params, grads, velocity, rate, momentum, weight_decay):
    for name, g in grads.items():
        velocity[name] *= momentum
        velocity[name] += rate * g
        params[name] -= velocity[name]


@wrong("sgd_step", says="a new array was put into params")
def new_arrays(params, grads, velocity, rate, momentum, weight_decay):
    for name, g in grads.items():
        velocity[name] = momentum * velocity[name] + rate * g
        params[name] = params[name] - velocity[name]
    return params

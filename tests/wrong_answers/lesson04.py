"""Wrong answers to lesson 04."""
import numpy as np

from lessons.check.lesson04 import _backward, _everywhere, _field, _mean_backward
from wrong_answers import Wrong

wrong = Wrong()

wrong("sides", says="other way round")((3, 4, 31))
wrong("sides", says="stands for more than one")((4, 3, 5))
wrong("sides", says="not 1 unseen")((4, 3, 1))
wrong("sides", says="rounded up it is not 3")((3, 3, 31))
wrong("sides", says="three numbers")(4)


@wrong("pool_backward", says="collect from all")
def overwrites(dy, cache):
    return _backward(dy, cache, add=False)


@wrong("pool_backward", says="only the first may have it")
def pays_all_ties(dy, cache):
    return _backward(dy, cache, ties="all")


@wrong("pool_backward", says="first in row order")
def pays_the_last(dy, cache):
    return _backward(dy, cache, ties="last")


@wrong("pool_backward", says="starts at row S*u - P")
def forgets_padding(dy, cache):
    return _backward(dy, cache, corner="unpadded")


@wrong("pool_backward", says="counted from row 0 too")
def counts_from_the_negative_row(dy, cache):
    return _backward(dy, cache, corner="uncut")


@wrong("pool_backward", says="reaches too far")
def cuts_only_the_start(dy, cache):
    return _backward(dy, cache, whole=True)


@wrong("pool_backward", says="a possible choice")
def shares_ties(dy, cache):
    return _backward(dy, cache, ties="shared")


@wrong("pool_backward", says="within the window only")
def pays_equal_pixels_elsewhere(dy, cache):
    return _everywhere(dy, cache)


@wrong("pool_backward", says="the largest value itself")
def gives_the_value(dy, cache):
    return _backward(dy, cache, gives="y")


@wrong("pool_backward", says="not to the winner alone")
def gives_to_all(dy, cache):
    x, _, k, _, _ = cache
    return dy.repeat(k, axis=2).repeat(k, axis=3)[:, :, :x.shape[2], :x.shape[3]]


@wrong("pool_backward", says="cut them at row 0")
def starts_at_negative_rows(dy, cache):
    x, _, k, stride, pad = cache
    dx = np.zeros(x.shape)
    for n, c, u, v in np.ndindex(dy.shape):
        top, left = stride * u - pad, stride * v - pad
        seen = x[n, c, top:top + k, left:left + k]
        i, j = np.unravel_index(seen.argmax(), seen.shape)
        dx[n, c, top + i, left + j] += dy[n, c, u, v]
    return dx


@wrong("pool_backward", says="has shape")
def as_large_as_dy(dy, cache):
    return dy


@wrong("pool_backward", says="argument dy")
def doubles_dy(dy, cache):
    dy *= 2
    return _backward(dy, cache)


wrong("bits", says="how many places")(1024)
wrong("bits", says="column")(5)
wrong("bits", says="side of the cell")(32)
wrong("bits", says="five halvings")(6)


@wrong("average_pool_backward", says="that share")
def without_share(dy, x_shape, k, stride):
    return _mean_backward(dy, x_shape, k, stride, share=False)


@wrong("average_pool_backward", says="divided by K")
def divides_by_k(dy, x_shape, k, stride):
    return k * _mean_backward(dy, x_shape, k, stride)


@wrong("average_pool_backward", says="= where += is needed")
def loses_overlap(dy, x_shape, k, stride):
    return _mean_backward(dy, x_shape, k, stride, add=False)


@wrong("average_pool_backward", says="0 everywhere")
def forgets_to_add(dy, x_shape, k, stride):
    return np.zeros(x_shape)


@wrong("field_and_step", says="too early")
def multiplies_first(layers):
    return _field(layers, before=False)


@wrong("field_and_step", says="K - 1 steps")
def whole_kernel(layers):
    return _field(layers, reach=False)


@wrong("field_and_step", says="dilation is left out")
def no_dilation(layers):
    return _field(layers, dilated=False)


@wrong("field_and_step", says="steps multiply")
def adds_steps(layers):
    return _field(layers, product=False)


@wrong("field_and_step", says="counts cells of the layer below")
def cells_for_pixels(layers):
    return _field(layers, pixels=False)


@wrong("field_and_step", says="the step stays 1")
def forgets_the_stride(layers):
    return _field(layers, steps=False)


@wrong("field_and_step", says="not increased by it")
def adds_the_stride(layers):
    return _field(layers, added=True)


@wrong("field_and_step", says="stride alone")
def forgets_earlier_strides(layers):
    return _field(layers, last=True)


@wrong("field_and_step", says="j is")
def field_and_step_both_wrong(layers):
    r, j = _field(layers)
    return r + 1, j + 1


@wrong("field_and_step", says="D is in r, not in j")
def dilates_the_step(layers):
    return _field(layers, spread=True)


@wrong("field_and_step", says="other way round")
def step_first(layers):
    return _field(layers)[::-1]


@wrong("field_and_step", says="two numbers")
def field_alone(layers):
    return _field(layers)[0]


wrong("without_pool1", says="every step after it")(213)
wrong("without_pool1", says="not halved")(107)
wrong("without_pool1", says="still to be added")(105)
wrong("without_pool1", says="smaller")(425)
wrong("without_pool1", says="half of all that is added")(109)

# %% [markdown]
# # 04 · Pooling and what a pixel sees
#
# **What is lost at every halving?** Five times, a fully convolutional net keeps one number of every four and drops the
# other three. Something must be lost, and something must be won, or nobody would do it.
#
# At the end you can
#
# - pool a map by hand, in loops and by slices, and say how large the result is, for odd sizes too;
# - send a gradient back through a maximum, also where two numbers tie and where windows overlap;
# - say in bits what a pooled map no longer knows;
# - compute how many pixels one cell of a map sees, and measure it with a backward pass.
#
# *About 40 minutes to read, an hour and 40 minutes with the exercises, seconds to run. You need lessons 02 (windows and
# taps) and 03 (gradients and how to check them).*

# %%
import math
from itertools import product

import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson04 as check
from lessons.draw import lesson04 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.ops import max_pool2d, max_pool2d_backward

val = VOCSegmentation(harbour.root(), "val")
rng = np.random.default_rng(4)

# %% [markdown]
# ## 1 · A mast vanishes
#
# Max pooling cuts a map into windows of 2 x 2 and keeps the largest number of each. Here it is done five times to one
# scene, in two ways. In the upper row large means *bright*, in the lower row large means *dark* (255 minus the
# brightness).
#
# **Predict.** The boat on the left has a mast, six pixels wide and much darker than the sky. In which row is it still
# there after three poolings?

# %%
scene, _ = val[29]
bright, dark = [scene.mean(axis=2)], [255 - scene.mean(axis=2)]
for maps in (bright, dark):
    for _ in range(5):
        maps.append(max_pool2d(maps[-1][None, None], 2)[0][0, 0])  # what this lesson builds
draw.show(figures.halvings({"brightness": bright, "darkness": dark}),
          """Two rows of six grey maps, from 128 x 160 down to 4 x 5 numbers. Upper row, largest brightness: the
          dark mast before the sky is thinner after two poolings and gone after three. Lower row, largest darkness:
          the mast stays and swells, until after five poolings it is a block as wide as its cell, 32 pixels.""")

# %% [markdown]
# A maximum answers one question: *is there something large in this window?* The mast is not large in brightness, and
# after three poolings no trace of it is left. It is large in darkness, and *that* it is there survives every pooling.
# *Where* it is does not: after five poolings the answer is "somewhere in these 32 pixels". In a net the numbers are
# the answers of learned filters, not brightness, but it is the same there: **what stays, where goes**.

# %% [markdown]
# ## 2 · The smallest case, by hand
#
# **Predict.** Four windows of 2 x 2 lie side by side on the 4 x 4 map below. Write down the four numbers of `y`, and
# where in its window each of them stands, before you run the cell.

# %%
x = np.array([[3, 8, 1, 9],
              [12, 6, 5, 2],
              [0, 11, 15, 4],
              [7, 13, 10, 14]])


def pool_by_hand(x, k):
    """The largest number of every k x k window, the windows side by side."""
    return np.array([[x[top:top + k, left:left + k].max() for left in range(0, x.shape[1], k)]
                     for top in range(0, x.shape[0], k)])


y = pool_by_hand(x, 2)
assert y.tolist() == [[12, 9], [13, 15]]
winners = x == y.repeat(2, axis=0).repeat(2, axis=1)  # each y over its own window again
draw.show(figures.smallest(x, y, winners),
          """A 4 x 4 matrix in four windows of 2 x 2; framed are the largest of each: 12 at the lower left of its
          window, 9 at the upper right, 13 at the lower right, 15 at the upper left. Beside it y with 12, 9 in the
          first row and 13, 15 in the second. The place within the window is not in y.""")

# %% [markdown]
# Look at `y` alone. It says that there was a 12 in the first window. It does not say at which of the four positions,
# nor what the other three numbers were.

# %% [markdown]
# ## 3 · Max pooling
#
# ### Shapes
#
# Letters as in lesson 02: a side of $H$ pixels, padded by $P$ at either end; $U$ windows of side $K$, one every $S$
# pixels (the stride). Window $u$, counted from 0, covers the pixels from $Su - P$ to $Su - P + K - 1$.
#
# In a convolution the last window must fit wholly: $S(U-1) + K \le H + 2P$, so
#
# $$U = \left\lfloor \frac{H + 2P - K}{S} \right\rfloor + 1.$$
#
# A maximum has a choice. The largest of two numbers is as well defined as the largest of four, so the last window may
# hang over the edge and look at what is there. Then we round up:
#
# $$U = \left\lceil \frac{H + 2P - K}{S} \right\rceil + 1,$$
#
# with one exception: where the last window would *start* beyond the image, $S(U-1) - P \ge H$, it sees no pixel at
# all and is dropped.
#
# **Predict.** A side of 5 with $K = S = 2$: how many windows are there when we round down, and how many when we round
# up? Which pixel does nobody look at?

# %%
def pool_size(size, k, stride, pad=0, ceil=True):
    """How many windows lie along one side."""
    count = (math.ceil if ceil else math.floor)((size + 2 * pad - k) / stride) + 1
    if ceil and (count - 1) * stride >= size + pad:  # it would see nothing of the image
        count -= 1
    return count


def spans(size, k, stride, pad=0, ceil=True):
    """Where every window starts, and where it stops."""
    return [(stride * u - pad, stride * u - pad + k) for u in range(pool_size(size, k, stride, pad, ceil))]


assert (pool_size(5, 2, 2, ceil=False), pool_size(5, 2, 2, ceil=True)) == (2, 3)
cases = [("K = 2, S = 2, rounded down: pixel 4 is in no window", 5, spans(5, 2, 2, ceil=False)),
         ("K = 2, S = 2, rounded up: the last window hangs over the edge", 5, spans(5, 2, 2)),
         ("K = 3, S = 2, P = 1: windows overlap and reach into the padding", 5, spans(5, 3, 2, pad=1)),
         ("K = 2, S = 2, P = 1, rounded up: window 2 would start at pixel 3, outside, and is dropped", 3,
          spans(3, 2, 2, pad=1))]
draw.show(figures.rounding(cases),
          """Four strips of pixels with windows as brackets below. Five pixels, windows of two, rounded down: two
          windows, pixel 4 hatched because none sees it. Rounded up: a third window of which half hangs over the
          edge. Windows of three every two pixels with padding one: three windows, the first and the last reach over
          the edge, pixels 1 and 3 each lie in two. Three pixels, windows of two, padding one: two windows see all
          three pixels, the first with one half over the edge; a third would see none.""")

# %% [markdown]
# **Why do our nets round up?** Because Caffe does, in which FCN was written. (PyTorch rounds down unless told
# otherwise.) It has a merit one can see: rounded down, a pixel at the right or lower edge may have no influence on the
# answer and get no gradient. Rounded up, with $K \ge S$, every pixel is in a window.
#
# Now a real net. In the FCN papers an image of 500 pixels is padded by 100, and VGG's first convolution leaves 698 of
# the 700 (a 3 x 3 window takes 2). Then come five poolings.
#
# **Predict.** 698, 349, and then?

# %%
for size, k in product(range(3, 20), (2, 3)):
    assert pool_by_hand(np.zeros((size, size)), k).shape == (pool_size(size, k, k),) * 2

vgg = [698]
for _ in range(5):
    vgg.append(pool_size(vgg[-1], 2, 2))
assert vgg == [698, 349, 175, 88, 44, 22]  # 349 is odd: rounded down it would have been 174

# %% [markdown]
# **Exercise 1: a side of 127.** Five poolings with $K = S = 2$, nothing between them. How many cells (places of the
# last map) are left when every pooling rounds up? How many when every one rounds down? And in the second case, how
# many of the 127 pixels does no cell see? Write the three numbers.

# %%
# --- solution
sides = (4, 3, 31)
# --- yours
# sides = None  # (cells rounded up, cells rounded down, pixels that no cell sees)
# --- end
check.sides(sides)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Halve 127 step by step, once rounding up each time, once rounding down.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# For the last number: along one axis, a cell after five poolings covers 32 pixels. How many do all cells together
# cover?
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Up: 127, 64, 32, ... Down: 127, 63, 31, ... The pixels unseen are 127 - 32 times the cells.
#
# </details>

# %% [markdown]
# ### Forward
#
# For every image $n$ and every channel $c$ on its own,
#
# $$y_{n,c,u,v} = \max_{i,j}\; x_{n,\,c,\,Su+i-P,\,Sv+j-P}, \qquad 0 \le i, j < K,$$
#
# over those $i, j$ that lie within the image. Channels do not mix, and there is nothing to learn. In loops, straight
# from the definition:

# %%
def pool_loops(x, k, stride, pad=0, ceil=True):
    """x (N,C,H,W) -> y (N,C,U,V), window by window."""
    y = np.empty((*x.shape[:2], *(pool_size(size, k, stride, pad, ceil) for size in x.shape[2:])), x.dtype)
    for n, c, u, v in np.ndindex(y.shape):
        top, left = stride * u - pad, stride * v - pad
        seen = x[n, c, max(top, 0):top + k, max(left, 0):left + k]  # NumPy cuts what lies beyond the far edge
        y[n, c, u, v] = seen.max()
    return y


batch = -rng.permutation(2 * 3 * 7 * 10).reshape(2, 3, 7, 10).astype(float)  # odd, not square, nowhere above 0
pool_loops(batch, 3, 2, pad=1).shape

# %% [markdown]
# **Fast, for any window.** As in lesson 02, loop over the $K \cdot K$ taps, the positions within a window, instead of
# over the windows. Tap $(i, j)$ of *all* windows is one slice of the map: every $S$-th row from row $i$, every $S$-th
# column from column $j$. A convolution adds up weighted slices; pooling takes their maximum.
#
# **Predict.** The 4 x 4 map gives four slices of 2 x 2. Which four numbers are in the slice of tap (1, 0)?

# %%
slices = {(i, j): x[i::2, j::2] for i, j in np.ndindex(2, 2)}
assert np.array_equal(np.maximum.reduce(list(slices.values())), y)
draw.show(figures.slices(x, slices, y),
          """The 4 x 4 matrix, its four slices and their maximum. Tap (0, 0): 3, 1, 0, 15. Tap (0, 1): 8, 9, 11, 4.
          Tap (1, 0): 12, 5, 7, 10. Tap (1, 1): 6, 2, 13, 14. Framed in each slice is the number that wins its
          window; there is one for each window: 15, 9, 12 and 13.""")

# %% [markdown]
# Padding, and windows that hang over the far edge, become one thing: a frame of $-\infty$ round the map, so wide that
# every window fits.

# %%
def framed(x, k, stride, pad, u, v):
    """x in a frame of -inf: `pad` before, and after it whatever U x V windows reach."""
    height, width = x.shape[2:]
    below, right = (max(0, stride * (count - 1) + k - size - pad) for count, size in ((u, height), (v, width)))
    return np.pad(x, ((0, 0), (0, 0), (pad, below), (pad, right)), constant_values=-np.inf)


def pool_taps(x, k, stride, pad=0, ceil=True):
    """As pool_loops, K*K maxima of shifted slices."""
    u, v = (pool_size(size, k, stride, pad, ceil) for size in x.shape[2:])
    xpad = framed(x, k, stride, pad, u, v)
    y = np.full((*x.shape[:2], u, v), -np.inf, x.dtype)
    for i, j in np.ndindex(k, k):
        y = np.maximum(y, xpad[:, :, i:i + stride * (u - 1) + 1:stride, j:j + stride * (v - 1) + 1:stride])
    return y


for k, stride, pad, ceil in [(2, 2, 0, True), (2, 2, 0, False), (3, 2, 1, True), (3, 1, 1, False), (2, 3, 0, True)]:
    library, _ = max_pool2d(batch, k, stride=stride, pad=pad, ceil=ceil)
    assert np.array_equal(pool_loops(batch, k, stride, pad, ceil), library)
    assert np.array_equal(pool_taps(batch, k, stride, pad, ceil), library)

# %% [markdown]
# Both are equal to the library, number for number, and from here on the library's `max_pool2d` is used. It takes the
# same $K \cdot K$ maxima, but cuts each slice to the part that lies in the image, and needs no frame.
#
# **Fast, where windows lie side by side.** If $K = S$ and nothing hangs over, no loop is needed: split each side into
# two axes, *which window* and *where in it*, and take the maximum over both "where in it" axes.
#
# **Predict.** `x.reshape(n, c, h // k, k, w // k, k)` has six axes, counted from 0. Which two must go?

# %%
some = batch[:, :, :6]  # (2, 3, 6, 10): both sides even
by_reshape = some.reshape(2, 3, 3, 2, 5, 2).max(axis=(3, 5))
assert np.array_equal(by_reshape, max_pool2d(some, 2)[0])
by_reshape.shape

# %% [markdown]
# > **Why not simpler?** Why not zeros? `np.pad` pads with zeros unless told otherwise. A zero changes no sum, but among
# > negative numbers it is the maximum. What changes no maximum is $-\infty$. Take a map that is $-7$ everywhere.

# %%
frozen = np.full((1, 1, 3, 4), -7.0)
with_zeros = pool_loops(np.pad(frozen, ((0, 0), (0, 0), (1, 1), (1, 1))), 3, 1)  # zeros round the map, then no padding
assert np.all(max_pool2d(frozen, 3, stride=1, pad=1)[0] == -7)
assert np.count_nonzero(with_zeros == 0) == 10  # the border, 10 of 12 numbers: a 0 that was never there
with_zeros[0, 0]

# %% [markdown]
# In a net such a mistake can hide for long: after a ReLU, $\max(x, 0)$, nothing is negative, and zeros do no harm.

# %% [markdown]
# ### What to remember
#
# The backward pass must know *where* each maximum was. One could note an index for each window. There is no need: the
# winner is the pixel that is equal to `y`. So `x` and `y` together tell the place. The cache, which `max_pool2d`
# returns beside `y`, holds references to both, not copies, and `y` is kept anyway: it goes into a convolution, whose
# `dw` needs it (lesson 03).

# %%
y4, cache4 = max_pool2d(x[None, None].astype(float), 2)
assert np.array_equal(cache4[0][0, 0], x) and cache4[1] is y4  # x, y, and the numbers k, stride, pad
np.argwhere(winners)  # found above from x and y alone

# %% [markdown]
# ### Backward
#
# Change one pixel by very little. If it is the largest of its window, `y` changes by as much: the derivative is 1. If
# it is not, `y` stays: the derivative is 0. So **the gradient of a window goes to its winner alone**:
#
# $$\mathrm{dx}_p = \sum_{\text{windows } w \text{ won by } p} \mathrm{dy}_w .$$
#
# The sum is there because windows may overlap: a pixel that wins several windows collects from all of them, as in
# lesson 03's `col2im`.
#
# **Predict.** On our 4 x 4 map, `dy` is 1, 2, 3, 4. Once with windows of 2 x 2 side by side, once with windows of
# 3 x 3 that move by one. Where do the four numbers go?

# %%
dy4 = np.array([[[[1.0, 2.0], [3.0, 4.0]]]])
dx_apart = max_pool2d_backward(dy4, cache4)
y_overlap, cache_overlap = max_pool2d(x[None, None].astype(float), 3, stride=1)
dx_overlap = max_pool2d_backward(dy4, cache_overlap)
assert np.all(y_overlap == 15) and dx_overlap[0, 0, 2, 2] == 1 + 2 + 3 + 4
draw.show(figures.routes([("K = 2, S = 2", dy4[0, 0], dx_apart[0, 0]), ("K = 3, S = 1", dy4[0, 0], dx_overlap[0, 0])]),
          """dy is 1, 2, 3, 4 twice. With windows of 2 x 2 side by side, dx holds 1, 2, 3 and 4 at the four winners,
          row 1 column 0, row 0 column 3, row 3 column 1, row 2 column 2, and zeros elsewhere. With overlapping
          windows of 3 x 3 the number 15 at row 2, column 2 wins all four: dx is 10 there and zero elsewhere.""")

# %% [markdown]
# In lesson 03 the backward pass of a linear layer was its matrix transposed. So it is here, with one difference. Write
# pooling as a matrix $M$ with one row for each window and a single 1 in it, at the winner. Then $y = Mx$ and
# $\mathrm{dx} = M^T \mathrm{dy}$. But another $x$ has other winners, and so another $M$: pooling is linear only as
# long as the winners stay the same.

# %%
M = np.zeros((4, 16))
M[np.arange(4), [4, 3, 13, 10]] = 1  # where 12, 9, 13 and 15 stand in x, counted row by row
assert np.array_equal(M @ x.ravel(), y4.ravel())
assert np.array_equal(M.T @ dy4.ravel(), dx_apart.ravel())
other = x.T  # the same numbers, other winners
assert not np.array_equal(M @ other.ravel(), pool_by_hand(other, 2).ravel())

# %% [markdown]
# **Ties.** If two pixels share the largest value, which of them gets the gradient? Not both in full: `y` is *one*
# number, and its gradient would be counted twice in every earlier layer. The library, like Caffe, gives it to the
# first in row order, the one that `np.argmax` names.
#
# **Exercise 2: half of pooling is missing.** The forward pass is given, the backward pass is yours: any window, any
# stride, any padding. Loops as in `pool_loops` will do; taps are faster and harder. Think of ties, of overlaps, and
# of the padding: window $u$ starts at row $Su - P$, which may be negative.

# %%
def pool_backward(dy, cache):
    """dx = dy at the first largest pixel of each window in row order, 0 elsewhere; overlapping windows add up.

    dy (N,C,U,V), cache = (x, y, k, stride, pad)   ->   dx (N,C,H,W), as large as x
    """
    x, y, k, stride, pad = cache
    # --- solution
    dx = np.zeros(x.shape)
    for n, c, u, v in np.ndindex(dy.shape):
        top, left = max(stride * u - pad, 0), max(stride * v - pad, 0)
        seen = x[n, c, top:stride * u - pad + k, left:stride * v - pad + k]
        i, j = np.unravel_index(seen.argmax(), seen.shape)
        dx[n, c, top + i, left + j] += dy[n, c, u, v]
    return dx
    # --- yours
    # return None  # yours to write
    # --- end


check.pool_backward(pool_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `pool_loops` visits every window. You need the same loop and the same slice, but the place of the largest value.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Start with `dx` full of zeros. For each window find the place of the first maximum: `seen.argmax()` counts row by
# row through the slice, and `np.unravel_index(number, seen.shape)` makes a row and a column of it. They are counted
# from the corner of the slice, which was cut at the edge: `max(top, 0)`, not `top`.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dx[n, c, max(top, 0) + i, max(left, 0) + j] += dy[n, c, u, v]`, with `+=` because the next window may have the same
# winner.
#
# </details>

# %% [markdown] tags=["answer"]
# **And fast.** By taps, as the library does it. A window is *open* until its maximum has been met; the taps come in
# row order, so the first of several equal pixels closes it.

# %% tags=["answer"]
def pool_backward_taps(dy, cache):
    """As pool_backward, one step for each tap."""
    x, y, k, stride, pad = cache
    u, v = y.shape[2:]
    xpad = framed(x, k, stride, pad, u, v)
    dxpad, open_ = np.zeros(xpad.shape), np.ones(y.shape, bool)
    for i, j in np.ndindex(k, k):
        tap = (..., slice(i, i + stride * (u - 1) + 1, stride), slice(j, j + stride * (v - 1) + 1, stride))
        hit = (xpad[tap] == y) & open_
        open_ &= ~hit
        dxpad[tap] += dy * hit
    return dxpad[:, :, pad:pad + x.shape[2], pad:pad + x.shape[3]]


y, cache = max_pool2d(batch.round(-1), 3, stride=2, pad=1, ceil=True)  # rounded to tens: many ties
dy = np.random.default_rng(0).normal(size=y.shape)
assert np.array_equal(pool_backward_taps(dy, cache), max_pool2d_backward(dy, cache))

# %% [markdown]
# ### Check
#
# The gradient check of lesson 03 moves every number by $h = 10^{-5}$ up and down. For a maximum the numbers must lie
# further apart than that: if the move makes another pixel the winner, the difference spans a kink, and there is no
# one slope to find. So the data are a **shuffled `arange`**: all distinct, 1 apart, in random order, and here all
# negative.

# %%
def check_gradient(backward, x, k, **options):
    """Compare a backward pass of max pooling with central differences; raise AssertionError where it is wrong."""
    y, cache = max_pool2d(x, k, **options)
    dy = rng.normal(size=y.shape)
    assert_gradient(lambda x: max_pool2d(x, k, **options)[0], x, dy, backward(dy, cache))


distinct = rng.permutation(2 * 3 * 6 * 6).reshape(2, 3, 6, 6) - 216.0
check_gradient(max_pool2d_backward, distinct, 2)
check_gradient(max_pool2d_backward, distinct, 3, stride=2, pad=1, ceil=True)
check_gradient(max_pool2d_backward, distinct, 3, stride=1, pad=1)
distinct[0, 0]

# %% [markdown]
# **Predict.** What does the check say to the same, correct, backward pass when all four numbers of a window are
# equal?

# %%
level = np.full((1, 1, 2, 2), 5.0)
y, cache = max_pool2d(level, 2)
one = np.ones(y.shape)
try:
    assert_gradient(lambda x: max_pool2d(x, 2)[0], level, one, max_pool2d_backward(one, cache))
except AssertionError as error:
    print(error)

# %% [markdown]
# It fails, and nobody has made a mistake. Move one of the equal pixels up, and `y` follows; move it down, and `y`
# stays, since another is as large. The slope is 1 on one side and 0 on the other, and the central difference is their
# mean, 1/2. At a tie there is no derivative but a choice, which the check cannot judge. So ties need a test of their
# own: every `dy` goes to exactly one pixel, hence **the sum of `dx` equals the sum of `dy`**.
#
# Are ties rare? After a ReLU whole windows are 0. Count them in the shipped net.

# %%
net = minifcn.load("harbour-fcn8s").net
a = net.preprocess(scene[None])
for name in ("conv1_1", "relu1_1"):
    a = net.body.layers[name].forward(a)
seen = a.reshape(*a.shape[:2], 64, 2, 80, 2)
top = seen.max(axis=(3, 5), keepdims=True)
tied = (seen == top).sum(axis=(3, 5), keepdims=True) > 1
print(f"pool1: {tied.mean():.0%} of the windows have a tie, {(tied & (top > 0)).mean():.1%} one that is not 0")

# %% [markdown]
# Half of all windows tie, nearly always at 0. There the choice does no harm: where a ReLU gives 0, its slope is 0 as
# well, so the ReLU before the pooling stops that gradient, whoever received it.

# %% [markdown]
# ## 4 · Break it
#
# Below is a fast backward pass by taps, with one thing forgotten: if two pixels of a window are equal to `y`, both are
# paid.
#
# **Predict.** What does the gradient check say on distinct numbers? And what is the sum of `dx` where every window
# holds its largest number twice?

# %%
def pays_all_ties(dy, cache):
    x, y, k, stride, _ = cache  # without padding, for windows that fit
    dx, (u, v) = np.zeros(x.shape), y.shape[2:]
    for i, j in np.ndindex(k, k):
        tap = (..., slice(i, i + stride * (u - 1) + 1, stride), slice(j, j + stride * (v - 1) + 1, stride))
        dx[tap] += dy * (x[tap] == y)
    return dx


check_gradient(pays_all_ties, distinct, 2)  # passes

pairs = distinct[:, :, :, :3].repeat(2, axis=3)  # every number twice, side by side
y, cache = max_pool2d(pairs, 2)
dy = rng.normal(size=y.shape)
for backward in (max_pool2d_backward, pays_all_ties):
    print(f"{backward.__name__}: the sum of dx is {backward(dy, cache).sum() / dy.sum():.9g} times the sum of dy")

# %% [markdown]
# Exactly twice, and the gradient check saw nothing: among distinct numbers there are no ties. The next mistake it does
# find, but only on the right data: `=` where `+=` belongs.
#
# **Predict.** For which windows does the check complain, those side by side or those that overlap?

# %%
def overwrites(dy, cache):
    x, y, k, stride, _ = cache
    dx = np.zeros(x.shape)
    for n, c, u, v in np.ndindex(dy.shape):
        seen = x[n, c, stride * u:stride * u + k, stride * v:stride * v + k]
        i, j = np.unravel_index(seen.argmax(), seen.shape)
        dx[n, c, stride * u + i, stride * v + j] = dy[n, c, u, v]  # the window before is forgotten
    return dx


for k, stride in [(2, 2), (3, 1)]:
    try:
        check_gradient(overwrites, distinct, k, stride=stride)
        print(f"K = {k}, S = {stride}: passed")
    except AssertionError as error:
        print(f"K = {k}, S = {stride}: {error}")

# %% [markdown]
# And padding with zeros? There the check will *never* complain. It asks whether `dx` is the gradient of the function
# it is given, and of the wrong function it is. Only a comparison with the definition shows the mistake.

# %%
def pads_with_zeros(x):
    return max_pool2d(np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1))), 3, stride=2)


y, cache = pads_with_zeros(distinct)
dy = rng.normal(size=y.shape)
dx = max_pool2d_backward(dy, cache)[:, :, 1:-1, 1:-1]  # what went to the padding is cut away
assert_gradient(lambda x: pads_with_zeros(x)[0], distinct, dy, dx)  # passes
wrong = y != max_pool2d(distinct, 3, stride=2, pad=1)[0]
print(f"{wrong.sum()} of {wrong.size} numbers are wrong, and the gradient check passes")

# %% [markdown]
# | mistake | hidden where | shown by |
# | --- | --- | --- |
# | zeros in the padding | nothing is negative | negative data, compared with the definition |
# | `=` for `+=` | windows lie side by side | overlapping windows, gradient check |
# | every tie is paid | numbers are distinct | ties, sum of `dx` against sum of `dy` |
#
# Test where the mistake would show.

# %% [markdown]
# ## 5 · What is lost
#
# Three poolings by 2 are one pooling by 8. Here are four pictures that differ in nearly every pixel:
#
# 1. the scene;
# 2. the scene with the 64 pixels of every 8 x 8 cell shuffled;
# 3. every maximum repeated over its cell;
# 4. every maximum at its winner's place, all else 0. (This is called *unpooling*, and needs no new code: the backward
#    pass puts numbers where the winners were, so give it `y` in place of `dy`.)
#
# **Predict.** Pool all four. How do the results differ?

# %%
image = scene.transpose(2, 0, 1)[None].astype(float)
pooled, cache_8 = max_pool2d(image, 8)
assert np.array_equal(pooled, max_pool2d(max_pool2d(max_pool2d(image, 2)[0], 2)[0], 2)[0])

in_cells = image.reshape(3, 16, 8, 20, 8).transpose(0, 1, 3, 2, 4).reshape(3, 16, 20, 64)
order = rng.random((1, 16, 20, 64)).argsort(axis=-1)  # another order in each cell, the same for all colours
shuffled = np.take_along_axis(in_cells, np.broadcast_to(order, in_cells.shape), axis=-1)
shuffled = shuffled.reshape(3, 16, 20, 8, 8).transpose(0, 1, 3, 2, 4).reshape(image.shape)
repeated = pooled.repeat(8, axis=2).repeat(8, axis=3)
placed = max_pool2d_backward(pooled, cache_8)

for twin in (shuffled, repeated, placed):
    assert np.array_equal(max_pool2d(twin, 8)[0], pooled)  # not nearly: equal
shown = {name: a[0].transpose(1, 2, 0).astype(np.uint8) for name, a in
         {"scene": image, "shuffled": shuffled, "repeated": repeated, "placed": placed}.items()}
draw.show(figures.twins(shown, pooled[0].transpose(1, 2, 0).astype(np.uint8)),
          """Six panels. The scene; the scene with the pixels of each 8 x 8 cell shuffled, edges torn to noise; blocks
          of 8 x 8 in one colour; a black picture with a few bright dots, the winners, and a piece of it enlarged: in
          each cell the red, the green and the blue winner at places of their own; and the one map of 16 x 20 cells
          that pooling makes of all four.""")

# %% [markdown]
# They do not differ at all. A pooling by 8 cannot tell these pictures apart, nor countless others. What is gone is
#
# - the losers: 63 numbers of 64, which may be anything below the winner;
# - the winner's place. Only the fourth picture still has it, because the backward pass looked it up in `x`.
#
# The place can be measured: in a window of 2 x 2, to name one of four takes $\log_2 4 = 2$ bits, and in an 8 x 8 cell
# $\log_2 64 = 6$.
#
# **Exercise 3: bits.** How many bits would each number after *five* poolings need beside it to say where in its cell
# it comes from? Is that more or less than the number itself takes, one of 256 grey levels?

# %%
# --- solution
bits = 10
# --- yours
# bits = None  # a number
# --- end
check.bits(bits)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# How many pixels does one cell cover after five halvings?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# To name one of $m$ places takes $\log_2 m$ bits.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Two bits a halving.
#
# </details>
#
# To be fair: in a net "a bar at the left of the cell" and "a bar at the right" may be two channels, and so training can
# save some of the place. But the room is limited. In our small net a cell of pool3 has 64 numbers for the 192 of its
# 8 x 8 pixels in three colours, and a cell of pool5 has 128 for 3072.

# %% [markdown]
# ### Move the image by one pixel
#
# One often reads that pooling makes a net invariant to small moves. Look closer, in one dimension: two bright pixels
# in a row of eight, windows of 2.
#
# **Predict** the three pooled rows.

# %%
row = np.array([0, 0, 9, 9, 0, 0, 0, 0])
for shift in (0, 1, 2):
    moved = np.roll(row, shift)
    print(f"moved by {shift}:", moved, "->", moved.reshape(4, 2).max(axis=1))

# %% [markdown]
# Moved by 2, the stride, the pooled row moves by one cell and is otherwise the same. Moved by 1, it becomes wider,
# because the pair now lies in two windows: no move of the pooled row gives that. So pooling is **not** invariant. What
# is true is weaker: *the more poolings, the less a small move changes.* Ten scenes, moved by one pixel:
#
# **Predict.** Unpooled, about 86 of 100 pixels change. How many of 100 cells change after five poolings?

# %%
print("poolings  cells changed  mean change (grey levels)")
for n in range(6):
    there = np.stack([val[i][0].mean(axis=2) for i in range(10)])[None]
    a, b = there[..., :-32], there[..., 1:-31]
    if n:
        a, b = max_pool2d(a, 2**n)[0], max_pool2d(b, 2**n)[0]
    print(f"{n:8d}  {(a != b).mean():13.0%}  {np.abs(a - b).mean():11.1f}")

# %% [markdown]
# Read one way, the last column is what pooling wins: an answer that hardly depends on where exactly a thing stands.
# Read the other way, it is what pooling loses: a map that does not notice a move by one pixel cannot know a border to
# one pixel. It is one and the same property.

# %% [markdown]
# ## 6 · Average pooling, for contrast
#
# Why the largest, and not the mean? Use the same taps, but add instead of comparing.
#
# **Predict.** The mast is 112 grey levels darker than the sky, and 6 pixels wide. After five poolings a cell is 32
# pixels wide. By how much is the mast's cell darker than its neighbour, if each cell is a mean?

# %%
def average_pool(x, k, stride):
    """x (N,C,H,W) -> y (N,C,U,V): the mean of each window; windows must fit."""
    u, v = (pool_size(size, k, stride, ceil=False) for size in x.shape[2:])
    y = np.zeros((*x.shape[:2], u, v))
    for i, j in np.ndindex(k, k):
        y += x[:, :, i:i + stride * (u - 1) + 1:stride, j:j + stride * (v - 1) + 1:stride] / k**2
    return y


fading = [dark[0]]
for _ in range(5):
    fading.append(average_pool(fading[-1][None, None], 2, 2)[0, 0])
for name, maps in {"largest": dark, "mean": fading}.items():
    contrast = [round(a[48 >> n, 38 >> n] - a[48 >> n, 16 >> n]) for n, a in enumerate(maps)]
    print(f"{name:8} mast darker than the sky by", contrast)
draw.show(figures.halvings({"largest": dark[3:], "mean": fading[3:]}, first=3),
          """Darkness of the scene after three, four and five poolings. Upper row, the largest: the mast stands out
          as light as in the image. Lower row, the mean: the mast fades into the sky, and after five poolings only a
          shade of it is left.""")

# %% [markdown]
# 14 grey levels are left; $112 \cdot 6/32 = 21$ was a good guess (the sky is not even). A mean tells how much of the
# window is dark, and a thin mast is a small part of a large window. A maximum tells whether *anything* in it is dark.
# For "is there a mast?" the maximum is the better answer. Its price: it does not say how much, and a single outlier
# wins.
#
# Average pooling is linear, with the same matrix for every $x$. So there are no winners to remember, only the shape
# of `x`, and the backward pass is that matrix transposed.
#
# **Exercise 4: backward through a mean.** Each pixel enters the mean of a window with weight $1/K^2$. What does it
# get back? Windows may overlap.

# %%
def average_pool_backward(dy, x_shape, k, stride):
    """dy (N,C,U,V), and the shape of x   ->   dx (N,C,H,W), the gradient of average_pool."""
    u, v = dy.shape[2:]
    dx = np.zeros(x_shape)
    for i, j in np.ndindex(k, k):
        rows, columns = slice(i, i + stride * (u - 1) + 1, stride), slice(j, j + stride * (v - 1) + 1, stride)
        # --- solution
        dx[:, :, rows, columns] += dy / k**2
        # --- yours
        # dx = None  # one line
        # --- end
    return dx


check.average_pool_backward(average_pool_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `average_pool` reads a slice of `x` for each tap. The backward pass visits the same slices of `dx`.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Nobody wins: every pixel of a window gets the same share, and a pixel in several windows gets one from each.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dx[:, :, rows, columns] += ...`, and the shares of one window add up to its `dy`.
#
# </details>

# %% [markdown]
# ## 7 · What a pixel sees
#
# So a halving loses the place. What does it win? Take one cell, deep in the net: *which pixels of the image can change
# its number at all?* They are its **receptive field**.
#
# Two numbers describe layer $l$ along one axis: $r_l$, how many pixels one of its cells sees, and the step $j_l$, how
# many pixels apart neighbouring cells lie (a new letter $j$, not that of a tap). The image is layer 0, and a pixel
# sees itself: $r_0 = j_0 = 1$.
#
# A cell of layer $l$ looks at $K$ cells of layer $l-1$ that lie $D$ cells apart ($D$ is the dilation, mostly 1). From
# the first of them to the last it is $D(K-1)$ cells, which are $D(K-1)\,j_{l-1}$ pixels. And each of them sees
# $r_{l-1}$ pixels:
#
# $$r_l = r_{l-1} + D(K-1)\, j_{l-1}, \qquad j_l = S\, j_{l-1}.$$
#
# Padding moves windows but makes them no wider: it is not in the formula.
#
# **Predict.** Layers: a 3 x 3 convolution, a pooling by 2, and the same again. What is $r$ after each of the four?
# Which adds most?

# %%
layers = [("conv 3x3", 3, 1, 1), ("pool 2x2", 2, 2, 0), ("conv 3x3", 3, 1, 1), ("pool 2x2", 2, 2, 0)]  # K, S, P
draw.show(figures.growing(layers),
          """Four drawings of one axis, the image of 16 pixels at the bottom and one to four layers above, lines
          from one cell at the top down to every pixel it sees. After conv: 3 pixels. After pool: 4. After the
          second conv: 8. After the second pool: 10. Below each pixel the number of ways that lead from it to the
          cell, in the last drawing 1, 2, 4, 5, 6, 6, 5, 4, 2, 1.""")

# %% [markdown]
# 3, 4, 8, 10. The first convolution adds 2 pixels; the second, with the same kernel, adds 4, because the pooling
# between them has set the cells 2 pixels apart. **That is what a halving wins: from here on every layer reaches twice
# as far.** (The rows called "ways" are for later.)
#
# **Exercise 5: the formula in code.** Two lines are missing.

# %%
def field_and_step(layers):
    """(r, j) after `layers`, each of them (K, S, D): how many pixels a cell sees, and how far apart cells lie."""
    r, j = 1, 1
    for k, stride, dilation in layers:
        # --- solution
        r = r + dilation * (k - 1) * j
        j = j * stride
        # --- yours
        # r, j = None, None  # two lines
        # --- end
    return r, j


check.field_and_step(field_and_step)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The two equations above, in the order in which they stand.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The window reaches over cells of the layer *below*, so `r` needs the step as it was before this layer's stride.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `r = r + dilation * (k - 1) * ...`, and only then `j = j * ...`.
#
# </details>

# %% [markdown]
# Now a whole net, with the library's `receptive_field` and `Grid`. The *body* of the shipped net is all that comes
# before the classes are scored: eight convolutions and five poolings, then fc6 and fc7, once fully connected and now
# convolutions (lesson 01). Its last map is called drop7.
#
# How many pixels a cell sees is one question; *which*, another. For that `Grid` keeps the step $j$ and the `origin`,
# the pixel on which cell 0 is centred. (Cell $i$ is centred on origin $+\,j\,i$.) A layer's first window starts $P$
# cells before cell 0, and its middle is $D(K-1)/2$ cells further on: the origin moves by
# $\left(D(K-1)/2 - P\right) j_{l-1}$ pixels.
#
# **Predict.** In this body every 3 x 3 convolution pads by 1. Do convolutions move the origin? Do poolings? (The
# middle of two pixels lies between them: expect halves.)

# %%
from minifcn.nets.geometry import Grid, receptive_field

grid, above = Grid(), []
print("layer    K  S    r   j  origin")
for name, layer in net.body.layers.items():
    grid, above = grid.after(layer), [*above, layer]
    if "relu" not in name:
        print(f"{name:8} {layer.kernel}  {layer.stride}  {receptive_field(above):3}  {grid.step:2}  {grid.origin:6}")

# %% [markdown]
# conv1_1 adds 2 pixels to $r$; fc6, a 3 x 3 convolution too, adds 64. Without pooling, $n$ such convolutions see
# $1 + 2n$ pixels: 214 would take 107 of them. The body has nine, and five poolings.
#
# For VGG16, the body of the papers, with an fc6 of 7 x 7, the papers give 404 pixels.
#
# **Predict.** pool5 of VGG16 sees 212. What does fc6 add, and what does fc7 (1 x 1)?

# %%
from minifcn.layers import Conv2d, MaxPool2d

conv3, pool = Conv2d(rng, 1, 1, 3, pad=1), MaxPool2d(2)  # channels do not matter here: one will do
pool5 = [conv3, conv3, pool] * 2 + [conv3, conv3, conv3, pool] * 3
fc6, fc7 = Conv2d(rng, 1, 1, 7), Conv2d(rng, 1, 1, 1)
assert receptive_field(pool5) == 212
assert receptive_field([*pool5, fc6]) == receptive_field([*pool5, fc6, fc7]) == 212 + 6 * 32 == 404

# %% [markdown]
# ## 8 · Measured
#
# Which pixels can change a cell is a question for the backward pass: set `dy` to 1 at one cell of a map and to 0
# elsewhere, go back to the image, and see which pixels have a gradient.

# %%
net.body.layers["conv1_1"].need_dx = True  # training needs no gradient of the image, so it is off by default


def sensitivity(net, name, image, row, column):
    """How strongly every pixel moves one cell of a map, all its channels added up: (H,W)."""
    maps = net.body.forward(net.preprocess(image[None]), train=True)  # train: keep the caches for backward
    dy = np.zeros_like(maps[name])
    dy[:, :, row, column] = 1
    heat = np.abs(net.body.backward({name: dy})[0]).sum(axis=0)
    return np.where(heat > 1e-5 * heat.max(), heat, 0)  # below lies rounding: fast convolutions compute whole tiles


def bounds(heat):
    """(top, bottom, left, right) of all pixels with a gradient, both ends included."""
    rows, columns = np.flatnonzero(heat.any(axis=1)), np.flatnonzero(heat.any(axis=0))
    return tuple(int(i) for i in (rows[0], rows[-1], columns[0], columns[-1]))


top, bottom, left, right = bounds(sensitivity(net, "pool3", scene, 8, 6))
bottom - top + 1, right - left + 1

# %% [markdown]
# 30 rows and 30 columns. Now the place too: a field of $r$ pixels round the pixel on which the cell is centred. A cell
# of drop7 sees more than a scene has, 214 pixels, so nine scenes are laid out as one picture; a fully convolutional
# net takes any size.
#
# **Predict.** Will every pixel of the computed square have a gradient? Will all have the same?

# %%
def layers_up_to(net, name):
    """All layers of the body, from the image to that one."""
    names = list(net.body.layers)
    return [net.body.layers[n] for n in names[:names.index(name) + 1]]


def field_of(net, name, row, column):
    """(top, bottom, left, right) of the receptive field of one cell, by computation."""
    r, grid = receptive_field(layers_up_to(net, name)), Grid()
    for layer in layers_up_to(net, name):
        grid = grid.after(layer)
    top, left = (int(grid.origin + grid.step * i - (r - 1) / 2) for i in (row, column))
    return top, top + r - 1, left, left + r - 1


rows_of_three = [np.concatenate([val[i][0] for i in three], axis=1) for three in ((0, 1, 2), (20, 29, 22), (6, 7, 8))]
nine = np.concatenate(rows_of_three)
cases = []
for name, image, row, column in (("pool3", scene, 8, 6), ("pool4", scene, 4, 4), ("drop7", nine, 6, 7)):
    heat, computed = sensitivity(net, name, image, row, column), field_of(net, name, row, column)
    assert bounds(heat) == computed  # measured on the trained net = computed from K, S and P
    side = computed[1] - computed[0] + 1
    cases.append((f"{name}: {side} x {side} pixels", image, heat, computed))
draw.show(figures.seen(cases),
          """Three dimmed pictures with the pixels that move one cell lit up and the computed field framed. pool3: a
          patch of 30 x 30 in one scene. pool4: 70 x 70. drop7: 214 x 214 in a picture of nine scenes. The lit patch
          reaches the frame on every side and never leaves it; its middle is bright, its border barely lit.""")

# %% [markdown]
# No pixel outside the frame is lit, inside it all but a few are, and the lit patch reaches the frame on all sides: the
# formula is right, to the pixel. (A ReLU that gives 0 blocks the gradient, and a pooling lets it through to one pixel
# of four, but among 64 channels there is nearly always another way. In a narrow net the measured field can be smaller,
# never larger.)
#
# But look how unevenly it is lit.

# %% [markdown]
# ### A bell
#
# Go back to the figure of the growing field, to the rows called "ways": along how many ways each pixel is connected to
# the cell. For the outermost pixel it is one, for the middle ones many. To count them, go down from the cell: every
# window hands its count to all its $K$ taps, and counts that meet are added (`col2im` along one axis).
#
# **Predict.** Three convolutions with $K = 3$, one after the other, see seven pixels. How many ways has each? (27 in
# all.)

# %%
def ways(layers):
    """How many ways lead from each pixel of the field to the cell, along one axis."""
    count = np.ones(1)
    for layer in reversed(list(layers)):
        below = np.zeros(layer.stride * (len(count) - 1) + layer.kernel)
        for i in range(layer.kernel):
            below[i:i + layer.stride * (len(count) - 1) + 1:layer.stride] += count
        count = below
    return count


assert ways([conv3, conv3, conv3]).tolist() == [1, 3, 6, 7, 6, 3, 1]
assert ways([conv3, pool, conv3, pool]).tolist() == [1, 2, 4, 5, 6, 6, 5, 4, 2, 1]
assert all(len(ways(above[:n])) == receptive_field(above[:n]) for n in range(len(above)))  # the field once more
ways(above[:5])  # up to conv2_1 and its ReLU

# %% [markdown]
# Each layer smooths the counts with a small box, and many boxes one after the other make a bell (the central limit
# theorem). Can the counts predict the gradient? Each way contributes a product of weights. In a *fresh*, untrained net
# these have random signs, and $n$ numbers of random sign add up to about $\sqrt n$ times one of them, not $n$ times.
# So we expect the square root of the counts. Measured: four fresh nets and the trained one, the mean over 24 scenes.
#
# **Predict.** Training lets a net use what helps. Will the trained net's bell be wider or narrower than the fresh one?

# %%
fresh = [minifcn.nets.build("fcn8s", classes=7, seed=seed) for seed in range(4)]
for each in fresh:
    each.body.layers["conv1_1"].need_dx = True


def mean_field(nets, name, row, column):
    """The gradient within the field of one cell, mean of 24 passes over the nets and as many scenes: (r,r)."""
    top, bottom, left, right = field_of(nets[0], name, row, column)
    heats = [sensitivity(nets[i % len(nets)], name, val[i][0], row, column) for i in range(24)]
    return np.mean(heats, axis=0)[top:bottom + 1, left:right + 1]


def middle(field):
    """The share of its middle, half as wide and half as high."""
    q = len(field) // 4
    return field[q:-q, q:-q].sum() / field.sum()


cases = []
for name, row, column in (("pool3", 8, 10), ("pool4", 4, 5)):
    root = np.sqrt(ways(layers_up_to(net, name)))
    by_count = np.outer(root, root)  # along both axes: the ways multiply
    new, old = mean_field(fresh, name, row, column), mean_field([net], name, row, column)
    assert abs(middle(new) - middle(by_count)) < 0.05
    print(f"{name}: the middle quarter holds {middle(by_count):.0%} of the gradient by count, {middle(new):.0%} in the "
          f"fresh nets, {middle(old):.0%} in the trained one")
    profiles = {"root of the ways": by_count, "fresh nets": new, "trained net": old}
    cases.append((f"{name}, {len(root)} pixels", {label: field.sum(axis=1) for label, field in profiles.items()}))
draw.show(figures.bell(cases),
          """Gradient across the field, for pool3 (30 pixels) and pool4 (70 pixels), each in per cent a row. Three
          curves, all bells: the root of the number of ways, the fresh nets, which follow it closely, and the
          trained net, which is narrower. At the edge of the field little is left, less than a sixth of the middle.""")

# %% [markdown]
# The fresh nets follow the count closely: the bell is in the architecture, before anything is learned. About a quarter
# of the area has more than half of the gradient. Luo, Li, Urtasun and Zemel (2016) called this the **effective
# receptive field**: bell-shaped, and a fraction of the computed one. In the nets they trained it widened; in this
# small one it has narrowed. So the computed field tells what a cell cannot see, but not how much it uses of the rest.

# %% [markdown]
# ## 9 · What and where
#
# Two things, A and B, seen through 10 pixels and through 30: the fields of pool2 and pool3. The classes are boat, hut,
# person, sheep, lighthouse and buoy.
#
# **Predict.** What is A, and what is B? How sure are you?

# %%
spots = {"A": (57, 61, 51), "B": (7, 81, 125)}  # which scene, row, column
patches = [(name, val[which][0], i, j) for name, (which, i, j) in spots.items()]
draw.show(figures.what_is_it(patches, (10, 30)),
          """Two things at two sizes. At 10 pixels: white above red in both. At 30 pixels: something red and white in
          both; A has straight sides and a small dark window, B is narrower at its top and grows wider downwards.""")

# %%
patches = [(val.classes[val[which][1][i, j]], val[which][0], i, j) for which, i, j in spots.values()]
draw.show(figures.what_is_it(patches, (70,)),
          """The same two spots at 70 pixels. A is a tall tower with more stripes, a lighthouse; B is a short cone
          that floats beside a boat, a buoy. The titles name the classes.""")

# %% [markdown]
# At 10 pixels both are white above red, and no amount of learning tells a lighthouse from a buoy by that. At 30 the
# tower's window may help. At 70, the field of pool4, there is no doubt. **To know *what* a pixel belongs to, one needs
# a large field. To know *where* the border runs, one needs a small step.** The maps of one net:
#
# | map | step $j$ | field $r$ | knows |
# | --- | --- | --- | --- |
# | pool3 | 8 | 30 | where, to 8 pixels; of what, a patch |
# | pool4 | 16 | 70 | something of both |
# | drop7 | 32 | 214 | what, with all its surroundings; where, to 32 pixels |
#
# Each halving buys field and pays with step. No single map has both, and the lessons that follow are about that. Lesson
# 05 makes coarse maps large again, lesson 07 finds out how good that can be, and lesson 08 combines all three maps.
#
# There is another way, taken by DeepLab (Chen and others, 2015): do not halve, and spread the kernel instead. If pool5
# has stride 1 and fc6 is dilated by 2, its weights two cells apart, the field stays as it was and the step is 16. The
# price: every layer from there on has four times the cells to compute.

# %%
spread = dict(net.body.layers) | {"pool5": MaxPool2d(2, stride=1), "fc6": Conv2d(rng, 1, 1, 3, dilation=2, pad=2)}
grid = Grid()
for layer in spread.values():
    grid = grid.after(layer)
assert (receptive_field(spread.values()), grid.step) == (214, 16)

# %% [markdown]
# ## 10 · More exercises
#
# **Exercise 6: predict a figure.** Take pool1 out of the body, and nothing else. How many pixels along one
# axis does a cell of drop7 see then? Write the number down before you run the cell that measures it.

# %%
# --- solution
without_pool1 = 108
# --- yours
# without_pool1 = None  # a number
# --- end
check.without_pool1(without_pool1)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The table of the body: what does each layer add to $r$, and which of these numbers contain pool1's stride?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# All steps after pool1 are half of what they were, so everything that is added after pool1 is halved. What is added
# before stays, and what pool1 added itself goes.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# 3 pixels after conv1_1; 4 after pool1; 214 in the end. So 3 + (214 - 4)/2.
#
# </details>
#
# Now the change itself. Which pixels *can* move a cell does not depend on training: a fresh net will do.

# %%
changed = minifcn.nets.build("fcn8s", classes=7)
changed.body.layers["conv1_1"].need_dx = True
assert bounds(sensitivity(changed, "drop7", scene, 2, 2)) == (0, 127, 0, 159)  # before: the whole scene
del changed.body.layers["pool1"]
heat = sensitivity(changed, "drop7", scene, 4, 5)  # steps of 16: twice as many cells along either side
top, bottom, left, right = bounds(heat)
assert bottom - top == right - left and without_pool1 in (None, bottom - top + 1)  # as wide as you said
draw.show(figures.seen([("drop7 without pool1", scene, heat, bounds(heat))], framed="all that has a gradient"),
          """A dimmed scene with the pixels lit that move one cell of drop7 when pool1 is gone: a square that is
          smaller than the scene, its side the number that was asked for, brightest in its middle.""")

# %% [markdown]
# **Exercise 7: in your own words.** Somebody says: "Max pooling makes a net invariant to translation, so it cannot
# matter for segmentation where things are." What is right about this, what is wrong, and which of the experiments
# above shows it? Three or four sentences will do.

# %% [markdown] tags=["answer"]
# *One answer.* Moved by exactly the step, the pooled map moves by one cell: that is equivariance, not invariance,
# and the map still says which cell. Moved by less, the pooled map changes, only the less the more poolings there are
# (the table of moved scenes); in the small row of eight it even became wider. What is really gone is the place
# *within* a cell: the shuffled scene has the same pooled map as the scene. For segmentation that matters very much,
# since a border to the pixel is just what lies within a cell, 10 bits a number after five poolings, and it has to
# come back from finer maps.

# %% [markdown]
# ## Three sentences to remember
#
# 1. Max pooling keeps the largest number of each window and forgets where it was, two bits at every halving; its
#    gradient goes to that winner alone, and a pixel that wins several windows collects from all.
# 2. Each layer widens the receptive field by $D(K-1)$ times the step, so a halving doubles what all later layers add;
#    a backward pass from one cell shows the field, and that its middle counts far more than its border.
# 3. To know *what*, a cell needs a large field; to know *where*, a small step; a halving pays for the one with the
#    other.
#
# **Next:** lesson 05 (Upsampling). The maps have become small; how does one become large again?

# %% [markdown]
# # 06 · A loss for every pixel, and a step downhill
#
# **How does one number say how wrong a whole map is, and how does that number move a million weights?**
#
# At the end you can write the loss of a segmentation net and its gradient from memory, say what a fresh net must cost
# before you run it, translate a learning rate from one loss to another, and train a net to know two pictures by heart.
#
# You need lessons 02 (Convolution is a matrix product) and 03 (Running it backwards): what a convolution is, what a
# backward pass is, what a gradient check says. Whole nets are taken from the library as they are; lessons 07 and 08
# take them apart. About an hour to read, another with the exercises, half a minute to run.

# %%
import warnings

import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson06 as check
from lessons.draw import lesson06 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient, numeric_gradient
from minifcn.layers import Dropout
from minifcn.nets import build
from minifcn.ops import (conv2d, conv2d_backward, dropout, dropout_backward, relu, relu_backward,
                         softmax_cross_entropy, softmax_cross_entropy_backward)
from minifcn.optim import SGD

# %% [markdown]
# ## 1 · Where does it hurt?
#
# Here is a picture that the shipped net was not trained on, and what should be said of it. Every pixel has a label:
# the number of its class. A pale line runs around every thing. Its pixels are labelled 255, *void*: the one who drew
# the truth did not want to say where exactly the hut ends, and nobody is to be blamed for either answer.

# %%
model = minifcn.load("harbour-fcn8s")
image, truth = VOCSegmentation(harbour.root(), "val")[8]
print(f"{truth.size} pixels, {np.mean(truth == 255):.0%} of them void, labels {np.unique(truth)}")
draw.show(figures.scene(image, truth, model.classes, model.colors, top=34, left=50),
          """A harbour scene with huts, boats, people and a lighthouse; its label map in flat colours; and a window of
          32 x 32 pixels of the map, in which a pale void border about two pixels wide separates person, hut and
          background.""")

# %% [markdown]
# For every pixel the net gives seven probabilities, one a class, that add up to 1. Each pixel is then charged
# $-\log p$, where $p$ is the probability of the *true* class: nothing if the net was sure of it, much if it thought it
# unlikely (`log` is the natural logarithm, ln, throughout). Section 2 says why just that. That charge is the pixel's
# **loss**; void pixels are not charged.
#
# **Predict.** Where in this picture will the loss be large: evenly everywhere, along the borders, or in whole regions?
# And how many percent of the pixels will hold half of all the loss?

# %%
p = model.probabilities(image)                                      # (7, 128, 160)
known = truth != 255
p_true = np.take_along_axis(p, np.where(known, truth, 0)[None], axis=0)[0]
losses = -np.log(p_true)                                            # (128, 160)
dearest = np.sort(losses[known])[::-1]
shares = np.cumsum(dearest) / dearest.sum()
marks = [(np.searchsorted(shares, share) / len(shares), share) for share in (0.5, 0.8)]
print(f"mean loss of the counted pixels: {losses[known].mean():.3f}, median: {np.median(losses[known]):.4f}")
draw.show(figures.hurt(truth, p.argmax(axis=0), losses, model.colors, shares, marks),
          """The net's prediction; a map of the loss of every pixel, dark nearly everywhere, bright in a few regions
          that the net names wrongly and along some borders; and a curve: 4 % of the pixels hold half of the loss, 8 %
          hold 80 % of it.""")

# %% [markdown]
# Most pixels cost next to nothing. Half of the loss sits on a few percent of them: stretches that the net names
# wrongly *and surely*, and some borders. A training step works where it is bright here. The rest of this lesson makes
# that precise: the charge, its gradient, and the step.

# %% [markdown]
# ## 2 · One pixel, on paper
#
# One pixel, three classes, scores $s = (0, \ln 2, \ln 4)$. Scores are any real numbers; probabilities must be positive
# and add up to 1. Make them positive with $e^s$, then divide by the sum. That is **softmax**:
#
# $$p_c = \frac{e^{s_c}}{\sum_k e^{s_k}}$$
#
# **Predict**, on paper: what are the three probabilities? What does the pixel cost, $-\log p_t$, if its true class $t$
# is 0, 1, 2?

# %%
s = np.log([1.0, 2.0, 4.0])
e = np.exp(s)
p = e / e.sum()
np.testing.assert_allclose(p, [1 / 7, 2 / 7, 4 / 7])
np.testing.assert_allclose(-np.log(p), np.log([7, 7 / 2, 7 / 4]))
print("p", p.round(4), "  cost for the label 0, 1, 2:", -np.log(p).round(4))

# %% [markdown]
# **Why the logarithm?** Take the pixels one by one: the net's probability that *all* labels are as they are is the
# product of the $p_t$ of all pixels. We want it large. A product of eighteen thousand numbers below 1 is 0 for a
# computer; its logarithm is a sum of eighteen thousand moderate numbers. Minus turns "large" into "small": downhill.

# %%
assert np.prod(p_true[known], dtype=np.float64) == 0.0
total = losses[known].sum(dtype=np.float64)
print(f"log of the product: {-total:.0f}, so the product is about 10^{-total / np.log(10):.0f}")

# %% [markdown]
# ### Its gradient
#
# Which way should each score move? Write the loss out, with $t$ for the true class:
#
# $$L = -\log p_t = -s_t + \log \sum_k e^{s_k}$$
#
# For a class $c$ that is *not* the label only the second term depends on $s_c$, and
# $\partial L / \partial s_c = e^{s_c} / \sum_k e^{s_k} = p_c$. For the label itself the first term adds $-1$:
# $\partial L / \partial s_t = p_t - 1$. Both in one line, with onehot$(t)$ for the vector that is 1 at $t$ and 0
# elsewhere:
#
# $$\frac{\partial L}{\partial s} = p - \mathrm{onehot}(t)$$
#
# What is, minus what should be. **Predict**, for label 1: the three numbers, and their sum.

# %%
ds = p - np.array([0, 1, 0])
np.testing.assert_allclose(ds, [1 / 7, -5 / 7, 4 / 7])
np.testing.assert_allclose(ds.sum(), 0, atol=1e-15)
assert_gradient(lambda s: np.log(np.exp(s).sum()) - s[1], s, 1.0, ds, "s")
draw.show(figures.pixel(s, 1),
          """Four bar charts for classes 0, 1, 2: scores 0, ln 2, ln 4; their exponentials 1, 2, 4; probabilities
          1/7, 2/7, 4/7; and the gradient for label 1: 1/7, -5/7, 4/7, the only negative bar being that of the
          label.""")

# %% [markdown]
# Going downhill raises the score of the label and lowers the others, each in proportion to the probability that it has
# wrongly. The three numbers add up to 0 always: adding one number to all three scores changes no probability, so the
# loss cannot slope in that direction.
#
# **Predict.** A step of rate 0.1 against the gradient, $s - 0.1\,ds$. The slope says that the loss, 1.2528 now, falls
# by about 0.1 times the sum of the squares of the gradient: $0.1 \cdot 42/49 = 0.0857$. Will it fall by more or by
# less?

# %%
def cost(s, t):
    return np.log(np.exp(s).sum()) - s[t]

fall = cost(s, 1) - cost(s - 0.1 * ds, 1)
print(f"predicted {0.1 * (ds**2).sum():.4f}, really {fall:.4f}")
assert 0 < fall < 0.1 * (ds**2).sum()

# %% [markdown]
# By a little less: the slope itself gets smaller on the way. That is all there is to training. The rest is doing it
# for every pixel, handing $ds$ to the layers below (lesson 03), and choosing the 0.1.
#
# > **Why not simpler?** What we care about is how many pixels are wrong: why not minimise that? Because it has no
# > slope: move a weight a little and no pixel changes its name. Then why not $1 - p_t$, which has one? Its gradient
# > for the true class's score is $-p_t(1 - p_t)$, that of $-\log p_t$ is $-(1 - p_t)$. Where the net is surely wrong,
# > $p_t$ near 0, the first is near 0 too: the pixel that is most wrong would be told least.

# %%
q = np.linspace(0.003, 1, 300)
slope = {"-log p": -(1 - q), "1 - p": -q * (1 - q)}
at_worst = {name: values[0] for name, values in slope.items()}
assert at_worst["-log p"] < -0.99 and at_worst["1 - p"] > -0.01
draw.show(figures.costs(q, {"-log p": -np.log(q), "1 - p": 1 - q}, slope),
          """Left: the cost -log p rises without bound as p goes to 0, 1 - p only to 1; marked are ln 7, ln 7/2 and
          ln 7/4. Right: their gradients for the true class's score. At p near 0 that of -log p is -1, that of 1 - p
          is 0.""")

# %% [markdown]
# ## 3 · Every pixel, by loops
#
# A map of scores has one such pixel at every place. The loss of the map is the **mean over the counted pixels**, those
# not labelled 255. Straight from the definition:

# %%
def loss_loops(scores, labels, ignore=255):
    """scores (N,C,H,W), labels (N,H,W) -> mean of -log p[t] over the pixels that are not `ignore`"""
    total, counted = 0.0, 0
    for n, i, j in np.ndindex(labels.shape):
        t = labels[n, i, j]
        if t != ignore:
            e = np.exp(scores[n, :, i, j])
            total -= np.log(e[t] / e.sum())
            counted += 1
    return total / counted

# %% [markdown]
# **Predict**, on paper: an image of 2 x 2 pixels, all with the scores $(0, \ln 2, \ln 4)$ of above, and the labels
# `[[2, 1], [255, 0]]`. What is the loss? (It is the logarithm of a simple number.)

# %%
tiny_scores = np.tile(s.reshape(1, 3, 1, 1), (1, 1, 2, 2))
tiny_labels = np.array([[[2, 1], [255, 0]]])
print(loss_loops(tiny_scores, tiny_labels))
assert np.isclose(loss_loops(tiny_scores, tiny_labels), np.log(7 / 2))  # (ln 7/4 + ln 7/2 + ln 7) / 3: three pixels

# %% [markdown]
# ## 4 · Softmax cross-entropy, the layer
#
# Now the same in arrays, under the five headings that every layer of this course gets.
#
# ### Shapes
#
# $N$ images, $C$ classes, $H \times W$ pixels. Scores $(N,C,H,W)$ and labels $(N,H,W)$ go in. One number comes out,
# and the gradient has the shape of the scores.
#
# **Predict.** Two images, 7 classes, 5 x 6 pixels, 9 of the 60 pixels void. How many numbers has the gradient, and how
# many of them are exactly 0?

# %%
rng = np.random.default_rng(6)
scores = rng.normal(size=(2, 7, 5, 6)) * 3
labels = rng.integers(0, 7, size=(2, 5, 6))
labels.reshape(-1)[rng.permutation(60)[:9]] = 255
loss, cache = softmax_cross_entropy(scores, labels)
dscores = softmax_cross_entropy_backward(cache)
assert loss.shape == () and dscores.shape == scores.shape and np.count_nonzero(dscores == 0) == 9 * 7
print(f"loss {loss:.4f}; gradient {dscores.shape}, {dscores.size} numbers, {np.count_nonzero(dscores == 0)} of them 0")

# %% [markdown]
# ### Forward
#
# > **Why not simpler?** Why not `np.exp(scores)`, as above? Because $e^{1000}$ is no float64 (the largest is about
# > $e^{709}$; in float32, with which nets compute, $e^{88}$), and infinity divided by infinity is nan. Scores that
# > large do occur: one step too long is enough. And a small probability rounds to 0, which has no logarithm.

# %%
with np.errstate(all="ignore"):  # the warnings are the point, but not here
    e = np.exp(np.array([0.0, 1000.0]))
    print("exp:", e, " p:", e / e.sum())
    assert np.isnan((e / e.sum())[1])
    p32 = np.exp(np.float32([-200, 0]))
    print("p of the first class in float32:", p32[0], " its cost:", -np.log(p32[0]), " and should be 200")
    assert np.isinf(-np.log(p32[0]))

# %% [markdown]
# The cure for the first costs one subtraction. With $m$ the largest score *of the pixel*,
#
# $$\frac{e^{s_c - m}}{\sum_k e^{s_k - m}} = \frac{e^{-m}\,e^{s_c}}{e^{-m}\sum_k e^{s_k}} = p_c$$
#
# so subtracting it changes nothing, and now the largest exponent is 0: nothing can overflow, and no sum is below one.
# The cure for the second is not to take the logarithm of $p$ at all: with $z = s - m$,
# $-\log p_t = \log \sum_k e^{z_k} - z_t$.
#
# **Exercise 1: softmax.** Write it for whole maps, such that scores of any size do no harm.

# %%
def softmax(scores):
    """p[n, c, i, j] = exp(scores[n, c, i, j]) / sum over k of exp(scores[n, k, i, j]), for scores of any size

    scores (N,C,H,W)   ->   p (N,C,H,W), which adds up to 1 over the classes of every pixel
    """
    # --- solution
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)
    # --- yours
    # return None  # yours to write: two lines
    # --- end

check.softmax(softmax)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The formula just above the exercise, and the axes: N, C, H, W are 0, 1, 2, 3. Which of them do the probabilities of
# one pixel lie along?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Subtract each pixel's own largest score, take `np.exp`, divide by each pixel's sum. `keepdims=True` keeps the summed
# axis with length 1, so that the result fits its array again.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `e = np.exp(scores - scores.max(axis=..., keepdims=True))`, and then `e` divided by its sum along the same axis.
#
# </details>

# %% [markdown]
# The whole forward pass in arrays. Two lines deserve a look. `take_along_axis` picks at every pixel the entry of its
# label: `z[n, t, i, j]` for all n, i, j at once. And void pixels borrow class 0, since an index must be some class,
# and are multiplied by 0 afterwards.

# %%
def loss_forward(scores, labels, ignore=255):
    known = labels != ignore
    target = np.where(known, labels, 0)                     # any class will do where unknown: masked below
    z = scores - scores.max(axis=1, keepdims=True)
    z_target = np.take_along_axis(z, target[:, None], axis=1)[:, 0]
    e = np.exp(z)
    partition = e.sum(axis=1)
    losses = (np.log(partition) - z_target) * known         # -log p[t] (N,H,W), 0 where void
    return losses.sum() / known.sum(), (e / partition[:, None], target, known)

mine, mine_cache = loss_forward(scores, labels)
np.testing.assert_allclose(mine, loss_loops(scores, labels))
np.testing.assert_allclose(mine, loss)                       # the library's, from the cell on shapes
print(f"loops, arrays and library agree: {mine:.6f}")

# %% [markdown]
# ### What to remember
#
# The gradient is $p - \mathrm{onehot}(t)$ where the pixel is known, 0 where not: so `p`, `target` and `known` are
# kept. The scores themselves are not needed again. `p` is the large one: **predict** how many MB, for one VOC
# photograph of 375 x 500 pixels, 21 classes, in float32.

# %%
megabytes = 21 * 375 * 500 * 4 / 1e6
print(f"{megabytes:.2f} MB an image, and as much again for the gradient")

# %% [markdown]
# ### Backward
#
# $$\frac{\partial L}{\partial s_{n,c,i,j}} = \frac{1}{M}\,\bigl(p_{n,c,i,j} - [\,c = t_{n,i,j}\,]\bigr)
# \text{ where known, } 0 \text{ elsewhere}$$
#
# with $M$ the number of counted pixels: the mean divides by it, so its gradient does.
#
# **Exercise 2: the gradient of the loss.** Two lines are missing.

# %%
def loss_backward(cache):
    """dscores = (p - onehot(target)) / M at the M known pixels, 0 elsewhere

    p (N,C,H,W)   target (N,H,W) integers   known (N,H,W) bool   ->   dscores (N,C,H,W)
    """
    p, target, known = cache
    classes = np.arange(p.shape[1]).reshape(1, -1, 1, 1)
    # --- solution
    onehot = classes == target[:, None]
    dscores = (p - onehot) * known[:, None] / known.sum()
    # --- yours
    # onehot = None   # (N,C,H,W): 1 where the class is that of target, else 0
    # dscores = None
    # --- end
    return dscores

check.loss_backward(loss_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The docstring's first line. And the shapes: `classes` is (1,C,1,1), `target` and `known` are (N,H,W); what must they
# become to meet `p`?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Comparing `classes` with `target[:, None]`, which is (N,1,H,W), gives True exactly at the label: a onehot for every
# pixel. Multiplying by `known[:, None]` gives 0 at void pixels; the number of counted pixels is the sum of `known`.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `onehot = classes == target[:, None]`, then `dscores = (p - onehot) * ... / known.sum()`.
#
# </details>

# %% [markdown]
# ### Check
#
# The judge of every gradient is the one of lesson 03: move each score a little up and down, watch the loss. From here
# on the library's pair is used; it does what you have just written.

# %%
assert_gradient(lambda scores: softmax_cross_entropy(scores, labels)[0], scores, 1.0, dscores, "scores")
per_pixel = dscores.sum(axis=1)
np.testing.assert_allclose(per_pixel, 0, atol=1e-15)
print(f"all {dscores.size} elements agree with central differences; over the classes they add up to 0 at every pixel")

# %% [markdown]
# ### Void, done wrong
#
# What if the 255 is not treated? As an index for 7 classes it is an error, which is the kind outcome. Three unkind
# ones run without complaint:
#
# 1. the mask is read as signed bytes: 255 becomes -1, and Python's -1 is the *last* class, the buoy;
# 2. void pixels are turned into background and counted;
# 3. they cost nothing, but the mean divides by all pixels.
#
# **Predict.** The right loss of the picture at the top is 0.374. Does it rise or fall with each of them? Which one
# changes it most?

# %%
scores8 = model.scores(image[None])
right, _ = softmax_cross_entropy(scores8, truth[None])
as_buoy, _ = softmax_cross_entropy(scores8, np.where(known, truth, 6)[None])
as_background, _ = softmax_cross_entropy(scores8, np.where(known, truth, 0)[None])
by_all = softmax_cross_entropy(scores8, truth[None], reduction="sum")[0] / truth.size
assert truth.astype(np.int8).min() == -1 and by_all < right < as_background < as_buoy
print(f"right {right:.3f}   as the last class {as_buoy:.3f}   as background {as_background:.3f}   by all {by_all:.3f}")

# %% [markdown]
# The last class pays for it all: every outline would be taught to be a buoy. Background is worse than it looks, too:
# each thing would shrink by its half of the border. The third changes every gradient by the same factor, a slightly
# smaller rate, and nobody notices until losses are compared.
#
# ### Classes that weigh more
#
# About three quarters of VOC's pixels are background. One can let a class count more: `class_weight` gives each pixel
# the weight $a_t$ of its label, the loss becomes $\sum a_t(-\log p_t) / \sum a_t$, and the gradient gets the same
# factors. (The authors found it unnecessary.) **Predict**: what do weights of 5 for *every* class change in the mean?
# And what does a weight of 20 for the buoy change in the gradient of the *sum*?

# %%
five, _ = softmax_cross_entropy(scores, labels, class_weight=np.full(7, 5.0))
weights = np.array([1, 1, 1, 1, 1, 1, 20.0])
_, plain_cache = softmax_cross_entropy(scores, labels, reduction="sum")
_, buoy_cache = softmax_cross_entropy(scores, labels, reduction="sum", class_weight=weights)
plain, buoy = (softmax_cross_entropy_backward(c)[:, 0] for c in (plain_cache, buoy_cache))
np.testing.assert_allclose(buoy, plain * np.where(labels == 6, 20, 1))
assert np.isclose(five, loss)
print(f"mean {loss:.4f}, with all weights 5: {five:.4f}; the gradient at {np.sum(labels == 6)} buoy pixels: 20 times")

# %% [markdown]
# ## 5 · ReLU
#
# Between the convolutions stands the shortest layer of all. Section 9 needs it.
#
# ### Shapes
# Any shape in, the same shape out: one value at a time.
#
# ### Forward
# $y = \max(x, 0)$. Without it, two convolutions in a row would be one convolution: a matrix times a matrix is a
# matrix.
# ### What to remember
# $y$ alone: it is positive exactly where $x$ is. The next layer keeps $y$ anyway, so this costs nothing.
# ### Backward
# $dx = dy$ where $x > 0$, else 0. At 0 itself there is a kink, and one may choose; we choose 0.
# ### Check
# **Predict.** What do central differences say *at* the kink, if $dy = 1$?

# %%
x = np.array([-2.0, -0.5, 0.5, 3.0])
dy = np.array([10.0, 20.0, 30.0, 40.0])
y, relu_cache = relu(x)
dx = relu_backward(dy, relu_cache)
np.testing.assert_array_equal(y, np.maximum(x, 0))
np.testing.assert_array_equal(dx, dy * (y > 0))
assert_gradient(lambda x: relu(x)[0], x, dy, dx, "x")
print("y", y, " dx", dx, "  at the kink:", numeric_gradient(lambda x: relu(x)[0], np.zeros(1)))

# %% [markdown]
# One half: the mean of the two slopes, and neither of them. So gradient checks keep their inputs away from 0.
#
# ## 6 · Dropout
#
# ### Shapes
# Any shape in, the same shape out.
# ### Forward
# While training, each value is set to 0 with probability $p$, by a fresh draw every step, and the others are divided
# by $1 - p$. No feature can rely on one other feature being there. The division is there so that *nothing* needs doing
# later: at inference the layer is off, and passes on what it gets. (The papers keep dropout of 0.5 after fc6 and fc7,
# and report that leaving it out made little or no difference. Our small body has it there too, set to 0.)
#
# **Predict.** A million ones go through dropout with $p = 0.5$. Which values come out, and what is their mean? And
# what would be the mean without the division?

# %%
ones = np.ones(1_000_000)
y, dropout_cache = dropout(ones, 0.5, np.random.default_rng(0))
assert set(np.unique(y)) == {0.0, 2.0} and abs(y.mean() - 1) < 0.01
assert np.array_equal(Dropout(0.5).forward(ones, train=False), ones)  # the layer, at inference
print(f"values {np.unique(y)}, mean {y.mean():.3f}; without the division {np.mean(y > 0):.3f}, "
      "half of what inference then gives to the next layer")

# %% [markdown]
# ### What to remember
# The mask, with the division in it.
# ### Backward
# $dx = dy \cdot \text{mask} / (1 - p)$, with the mask *of the forward pass*.
# ### Check
# The check calls the forward pass many times, and every call must draw the same mask: the generator is made anew with
# the same seed. With a running generator each difference would compare two different masks.

# %%
x, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
_, same_cache = dropout(x, 0.3, np.random.default_rng(1))
dx = dropout_backward(dy, same_cache)
assert_gradient(lambda x: dropout(x, 0.3, np.random.default_rng(1))[0], x, dy, dx, "x")
running = np.random.default_rng(1)
try:
    assert_gradient(lambda x: dropout(x, 0.3, running)[0], x, dy, dx, "x")
except AssertionError as error:
    print("with a new mask every time:", error)

# %% [markdown]
# ## 7 · Guessing costs ln C
#
# A fresh net of this library has score layers that are all 0, as the papers' have: whatever the layers below say,
# every score is 0 at every pixel. **Predict**, to three digits: what is the loss of a fresh net with 7 classes, on any
# picture with any labels? With VOC's 21?

# %%
train = VOCSegmentation(harbour.root(), "train")
images, labels = (np.stack(part) for part in zip(train[75], train[43], strict=True))
for classes in (7, 21):
    net = build("fcn8s", classes=classes)
    x = net.preprocess(images)
    first, _ = softmax_cross_entropy(net.forward(x), labels)
    assert np.isclose(first, np.log(classes))
    print(f"{classes} classes: loss {first:.4f}, ln {classes} = {np.log(classes):.4f}")

# %% [markdown]
# Equal scores are equal probabilities, $1/C$ each, and $-\log(1/C) = \ln C$, whichever the label. So the first loss of
# a net with fresh score layers is known before anything is run: **another number than ln C at step 0 is a bug**, and a
# cheap one to find. It cannot show everything: while all scores are equal, a wrong label costs as much as a right one.
#
# **Predict.** Now the score layers are drawn at random instead. Will the first loss be lower, equal or higher?

# %%
net = build("fcn8s", classes=7)
for name, w in net.params.items():
    if name.startswith("score") and name.endswith(".w"):
        w[...] = np.random.default_rng(0).normal(size=w.shape) * (2 / w.shape[1]) ** 0.5
random_start, _ = softmax_cross_entropy(net.forward(x), labels)
assert random_start > np.log(7)
print(f"random score layers: {random_start:.3f}")

# %% [markdown]
# Higher. A random opinion is mostly wrong, and to be surely wrong is dear. (The papers tried random score layers as
# well: no better, no faster.)
#
# ## 8 · Sum or mean, and the rate that goes with each
#
# The papers' code does not divide: its loss is the *sum* over the counted pixels of the image. **Predict**: for the
# picture at the top, with its mean loss of 0.374 and 18,318 counted pixels, what is the sum? (You have seen the
# number, in section 2.) And by which factor do the gradients differ?

# %%
counted = np.count_nonzero(known)
mean, mean_cache = softmax_cross_entropy(scores8, truth[None])
total, sum_cache = softmax_cross_entropy(scores8, truth[None], reduction="sum")
dmean, dsum = softmax_cross_entropy_backward(mean_cache), softmax_cross_entropy_backward(sum_cache)
np.testing.assert_allclose(total, counted * mean, rtol=1e-6)
np.testing.assert_allclose(dsum, counted * dmean, rtol=1e-5, atol=1e-7)
print(f"{counted} counted pixels: mean {mean:.4f}, sum {total:.0f}; the gradients differ by the factor {counted}")

# %% [markdown]
# A step is rate times gradient. So *the same steps* are taken with
#
# $$\text{rate for the mean} = M \cdot \text{rate for the sum}$$
#
# and a rate means nothing unless it is said which of the two losses it belongs to. "Why 1e-14?" is one of the
# questions that readers of FCN code ask most. Here are the rates as released for VOC, where a photograph of 375 x 500
# has 187,500 pixels:
#
# | net | starts from | rate for the sum | the same for the mean | once momentum 0.99 has built up |
# |---|---|---|---|---|
# | FCN-32s | VGG16, a classifier | 1e-10 | 1.9e-5 | 1.9e-3 |
# | FCN-16s | FCN-32s | 1e-12 | 1.9e-7 | 1.9e-5 |
# | FCN-8s | FCN-16s | 1e-14 | 1.9e-9 | 1.9e-7 |
# | FCN-AlexNet | CaffeNet, a classifier | (trained on the mean) | 1e-4 | 1e-3, momentum 0.9 |
#
# The last column multiplies by $1/(1 - \text{momentum})$; section 10 says why. 16s and 8s start from a net that is
# nearly right, and each was given a hundredth of the rate before. A rate belongs to a net, too: those see pixel values
# from about -123 to 151, ours sees them divided by 64. Copy the *rule* from this table, not a number.

# %%
np.testing.assert_allclose([375 * 500 * rate for rate in (1e-10, 1e-12, 1e-14)], [1.875e-5, 1.875e-7, 1.875e-9])
print("sum, VOC photograph, 21 classes, fresh net:", round(375 * 500 * np.log(21)), " mean:", round(np.log(21), 3))

# %% [markdown]
# What happens to those who copy a number? **Predict** the first six losses of a small net, divided by $M$ where they
# are sums: (a) mean with 0.01, (b) *sum* with 0.01, (c) *mean* with the paper's 1e-10.

# %% tags=["training"]
def first_losses(reduction, rate, momentum, steps=6):
    net = build("fcn32s", classes=7)
    optimizer = SGD(net.params, rate, momentum)
    losses = []
    for _ in range(steps):
        small, t = x[:, :, ::2, ::2], labels[:, ::2, ::2]
        loss, cache = softmax_cross_entropy(net.forward(small, train=True), t, reduction=reduction)
        losses.append(float(loss) / (np.count_nonzero(t != 255) if reduction == "sum" else 1))
        net.backward(softmax_cross_entropy_backward(cache))
        optimizer.step(net.grads)
    return " ".join(f"{loss:>9.4g}" for loss in losses)

with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)  # NumPy warns of the overflow; here it is what we came to see
    print("mean, 0.01 ", first_losses("mean", 0.01, 0.9))
    print("sum,  0.01 ", first_losses("sum", 0.01, 0.9))
    print("mean, 1e-10", first_losses("mean", 1e-10, 0.99))

# %% [markdown]
# The mean's rate on the sum: nan after two steps. The sum's rate on the mean: ln 7 for ever, and no error at all.
# Where a loss does either, ask first what it is divided by.
#
# ## 9 · How large should the weights start?
#
# The score layer may start at 0. May the others? One number of a convolution's output is a sum of $CKK$ products
# $w\,x$. If the weights are drawn independently with mean 0 and variance $\sigma^2$, the mixed terms of the square
# average out, and
#
# $$\mathrm{E}[y^2] = C K K\,\sigma^2\,\mathrm{E}[x^2]$$
#
# $y$ is as likely to be positive as negative, so ReLU cuts away half of its mean square. Each layer multiplies the
# mean square by $\frac12 CKK\sigma^2$, and keeps it if
#
# $$\sigma^2 = \frac{2}{C K K}$$
#
# which is He's rule, and what the library's `Conv2d` draws. Backwards it is the same sum over $FKK$ products, and the
# same half is masked.
#
# **Predict.** Eight layers, as many filters as channels, numbers of size 1 go in. How large are they after eight
# layers if $\sigma$ is half as large as He says? Twice as large? Zero?

# %%
def through_eight_layers(std, channels=64):
    """(sizes of the maps after 0..8 layers, sizes of the gradients at 0..8), as root mean squares; no padding"""
    rng = np.random.default_rng(2)
    x = np.abs(rng.normal(size=(2, channels, 32, 40)))
    forward, backward, caches = [rms(x)], [], []
    for _ in range(8):
        y, conv_cache = conv2d(x, std * rng.normal(size=(channels, channels, 3, 3)))
        x, relu_cache = relu(y)
        forward.append(rms(x))
        caches.append((conv_cache, relu_cache))
    dy = rng.normal(size=x.shape)
    backward.append(rms(dy))
    for conv_cache, relu_cache in reversed(caches):
        dy, _, _ = conv2d_backward(relu_backward(dy, relu_cache), conv_cache, need_dw=False)
        backward.append(rms(dy))
    return forward, backward[::-1]

def rms(a):
    return np.sqrt(np.mean(a**2))

# %%
he = (2 / (64 * 3 * 3)) ** 0.5
sizes = {"twice He's": through_eight_layers(2 * he), "He's": through_eight_layers(he),
         "half of He's": through_eight_layers(he / 2)}
for name, (forward, backward) in sizes.items():
    print(f"{name:12} after 8 layers {forward[-1]:9.4f}, gradient of the input {backward[0]:9.4f}")
assert np.isclose(sizes["twice He's"][0][-1] / sizes["He's"][0][-1], 2**8)
assert max(through_eight_layers(0)[0][1:]) == 0  # zero: 0 from the first layer on
draw.show(figures.depth({k: v[0] for k, v in sizes.items()}, {k: v[1] for k, v in sizes.items()}),
          """Size of maps and of gradients over eight layers, logarithmic. With He's standard deviation both stay near
          1; with twice as much the maps double with every layer, to above 300, with half of it they halve, to 0.005;
          the gradients do the same on the way back.""")

# %% [markdown]
# He's rule stays near 1. (It wanders by some tens of percent: 64 filters are only a sample.) The same draws times 2
# end exactly $2^8$ times higher, times ½ exactly $2^8$ times lower: a small factor, once for every layer. Where
# weights are inherited from a classifier, as in the papers, the question was answered there.
#
# ### Zero here, not there
#
# **Predict.** A net of two layers: `w1` (8 filters 3 x 3), ReLU, then `w2`, the scores. For each of three starts: does
# it learn?
#
# | | `w1` | `w2` |
# |---|---|---|
# | a | He | 0 |
# | b | 0 | 0 |
# | c | 0.1 everywhere | 0 |

# %% tags=["training"]
def two_layers(w1, steps=200, rate=0.2):
    """Train from w1 (8,3,3,3); prints what the first gradients are, where the loss ends, how many filters differ."""
    w1, b1, w2, b2 = w1.copy(), np.zeros(8), np.zeros((7, 8, 1, 1)), np.zeros(7)
    small, t, sizes = np.float64(x[:, :, ::4, ::4]), labels[:, ::4, ::4], []
    for _ in range(steps):
        y, cache1 = conv2d(small, w1, b1, pad=1)
        h, cache2 = relu(y)
        scores, cache3 = conv2d(h, w2, b2)
        loss, cache4 = softmax_cross_entropy(scores, t)
        dh, dw2, db2 = conv2d_backward(softmax_cross_entropy_backward(cache4), cache3)
        _, dw1, db1 = conv2d_backward(relu_backward(dh, cache2), cache1)
        sizes.append((rms(dw1), rms(dw2)))
        for w, g in ((w1, dw1), (b1, db1), (w2, dw2), (b2, db2)):
            w -= rate * g
    print(f"dw1 at step 0: {sizes[0][0]:.4f}, at step 1: {sizes[1][0]:.4f}   dw2: {sizes[0][1]:.4f}   "
          f"loss {loss:.3f}   different filters: {len(np.unique(w1.reshape(8, -1).round(6), axis=0))}")
    return loss

two_layers(np.random.default_rng(0).normal(size=(8, 3, 3, 3)) * (2 / 27) ** 0.5)  # a
stuck = two_layers(np.zeros((8, 3, 3, 3)))                                        # b
_ = two_layers(np.full((8, 3, 3, 3), 0.1))                                        # c

# %% [markdown]
# **(a) learns.** $dX = W^T dY$ (lesson 03): through zero score weights nothing reaches `w1`, at step 0. But
# $dW = dY X^T$, and neither factor is 0: the scores *differ* (each class has its own $p - \mathrm{onehot}$), the
# features differ (drawn at random). So `w2` moves at once, and from step 1 on `w1` does.
#
# **(b) is stuck.** Features 0 make $dw_2 = 0$; weights 0 make $dw_1 = 0$; for ever. Only the biases of the scores
# learn.
#
# **(c) has one filter eight times.** Equal weights give equal features, these get equal gradients, so they stay equal:
# nothing breaks the *symmetry*. The score layer needs no random start because the labels break its symmetry; nothing
# breaks that of the filters, except the draw.
#
# "All outputs and gradients are zero" has an entry of its own among the authors' questions and answers. It almost
# always means (b): the pretrained weights were not loaded.
#
# And where does (b) end? Biases know how often each class occurs, and nothing of the picture. The best they can do is
# to give every pixel the classes' shares $q_c$ as probabilities, which costs $-\sum_c q_c \ln q_c$, the *entropy* of
# the labels. A loss that stops there has learned to count.

# %% tags=["training"]
t = labels[:, ::4, ::4]
q = np.bincount(t[t != 255], minlength=7) / np.count_nonzero(t != 255)
entropy = -np.sum(q * np.log(q))
print(f"entropy {entropy:.3f}; (b) ended at {stuck:.3f}")
assert entropy < stuck < entropy + 0.01

# %% [markdown]
# ## 10 · A step downhill: SGD with momentum
#
# The weights of a net are a point in a space of a million dimensions, the loss is a height above it. Two dimensions
# show what matters: a valley, gentle along, steep across. $f(w) = \frac12(w_0^2 + 100\,w_1^2)$ has the gradient
# $g = (w_0, 100\,w_1)$ and the *curvatures* 1 and 100.
#
# Plain gradient descent steps by $-\text{rate} \cdot g$. **Momentum** keeps a velocity $v$ that remembers earlier
# steps:
#
# $$v \leftarrow \mu\,v + \text{rate} \cdot g, \qquad w \leftarrow w - v$$
#
# **Predict**, on paper: from $w = (10, 1)$ with rate 0.01, where is $w$ after two steps, plainly ($\mu = 0$) and with
# $\mu = 0.9$?

# %%
curvature = np.array([1.0, 100.0])

def descend(rate, momentum, steps):
    """The points from (10, 1) on: (steps + 1, 2)"""
    w, v = np.array([10.0, 1.0]), np.zeros(2)
    path = [w]
    for _ in range(steps):
        g = curvature * w
        v = momentum * v + rate * g
        w = w - v
        path.append(w)
    return np.array(path)

print("plain:\n", descend(0.01, 0.0, 2), "\nwith momentum:\n", descend(0.01, 0.9, 2))
np.testing.assert_allclose(descend(0.01, 0.0, 2)[2], [9.801, 0.0], atol=1e-12)
np.testing.assert_allclose(descend(0.01, 0.9, 2)[2], [9.711, -0.9], atol=1e-12)

# %% [markdown]
# In both, $v = (0.1, 1)$ leads to $(9.9, 0)$. Then the gradient is $(9.9, 0)$. Plainly that is a step of $(0.099, 0)$.
# With momentum it is $0.9 \cdot (0.1, 1) + (0.099, 0) = (0.189, 0.9)$: along the valley nearly twice as long a step,
# and across it runs past the bottom.
#
# **How large may the rate be?** A plain step multiplies each coordinate by $1 - \text{rate} \cdot \text{curvature}$.
# It shrinks only while that lies between -1 and 1:
#
# $$\text{rate} < \frac{2}{\text{largest curvature}}$$
#
# **Predict.** The bound for this valley? Then draw in your mind 60 steps at 0.018, the same with $\mu = 0.9$, and 25
# plain ones at 0.021.

# %%
paths = {"plain, rate 0.018": descend(0.018, 0.0, 60), "momentum 0.9, rate 0.018": descend(0.018, 0.9, 60),
         "plain, rate 0.021": descend(0.021, 0.0, 25)}
heights = {name: (path**2 @ curvature) / 2 for name, path in paths.items()}
np.testing.assert_allclose(paths["plain, rate 0.021"][25, 1], (1 - 0.021 * 100) ** 25)  # -1.1 to the 25th
draw.show(figures.valley(paths, curvature, heights),
          """Three paths from (10, 1) in a narrow valley. Plain at rate 0.018: zigzag across, then a crawl along the
          floor that after 60 steps is still at 3.4. With momentum: wide swings that die out, and it ends close to the
          bottom. Plain at 0.021: each swing across is larger than the last. Fourth panel: height against step, the
          third one rising.""")

# %% [markdown]
# (The drawings are stretched across; to scale the valley is ten times as narrow.) Across, plain descent is done in
# twenty steps. Along the floor each step shrinks the distance by 1.8 %, and the rate cannot be raised: 0.02 is the
# bound. Momentum gets out of this. Across, successive gradients point to and fro and cancel in $v$; along, they agree
# and add up, to $1 + \mu + \mu^2 + \dots = 1/(1-\mu)$ steps in one. That is 10 for 0.9 and 100 for 0.99: the last
# column of the table in section 8.
#
# > **Why not simpler?** If momentum 0.9 makes steps ten times as long, why not ten times the rate? Because the bound
# > is about the steep direction. There the gradients cancel in $v$; without $v$ nothing cancels. (Momentum itself
# > raises the bound, but only to $2(1 + \mu)$ over the curvature: 0.038 here, not 0.2.)

# %%
ten_times = descend(0.18, 0.0, 5)
print("across, at ten times the rate:", ten_times[:, 1])
assert np.allclose(ten_times[5, 1], (1 - 18) ** 5) and abs(descend(0.018, 0.9, 60)[-1, 1]) < 0.5
assert abs(descend(0.037, 0.9, 400)[-1, 1]) < 1 < abs(descend(0.039, 0.9, 400)[-1, 1])

# %% [markdown]
# A net's loss has no single curvature: it changes from place to place. A rate that was fine for 40 steps can be beyond
# the bound at the 41st, and the loss jumps. Watch for it below; it is no bug.
#
# ### The optimiser
#
# What steps a net is the same update, once for every parameter, with two refinements of the papers' recipe.
#
# - **Weight decay** $\lambda$ adds $\frac\lambda2 |w|^2$ to the loss, so $\lambda w$ to the gradient: weights that
#   nothing needs fade.
# - **Biases** get twice the rate, and no decay: factors $a = 2$, $d = 0$, where weights have 1 and 1.
#
# $$v \leftarrow \mu\,v + \text{rate} \cdot a\,(g + \lambda\,d\,w), \qquad w \leftarrow w - v$$
#
# The updates must be **in place**: the layers hold these very arrays. `w -= v` changes the array; `w = w - v` makes a
# new one that no layer knows of.
#
# **Exercise 3: the step.** Three lines are missing; when they are there, let the last one return `params`.

# %%
def sgd_step(params, grads, velocity, rate, momentum, weight_decay):
    """v <- momentum * v + rate * a * (g + weight_decay * d * w),   w <- w - v,   in place, for every name in grads

    params, grads, velocity: {name: array}; velocity starts at 0   ->   params, the same dictionary
    """
    for name, g in grads.items():
        w, v = params[name], velocity[name]
        a, d = (2, 0) if name.endswith(".b") else (1, 1)
        # --- solution
        v *= momentum
        v += rate * a * (g + weight_decay * d * w)
        w -= v
    return params
    # --- yours
    #     # three lines, each changing v or w in place
    # return None  # params, when the three lines are there
    # --- end

check.sgd_step(sgd_step)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The formula in the docstring is read from left to right: first the old velocity shrinks, then the gradient is added,
# then the weights move. What do `*=`, `+=` and `-=` do to a NumPy array?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The rate is inside the velocity and stays out of the last line. The decay belongs to the gradient:
# `g + weight_decay * d * w`. Do not write into `g`.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `v *= momentum`, then `v += rate * a * (...)`, then `w -= ...`; at the end `return params`.
#
# </details>

# %% [markdown]
# The library's `SGD` is that, with the factors given by name patterns. Against the formula, three steps, the rate
# changing on the way:

# %%
w = {"score.w": rng.normal(size=(3, 2)), "score.b": rng.normal(size=3)}
formula = {name: a.copy() for name, a in w.items()}
v = {name: np.zeros_like(a) for name, a in w.items()}
optimizer = SGD(w, lr=0.1, momentum=0.9, weight_decay=0.01, multipliers={"*.b": (2, 0)})
for rate in (0.1, 0.1, 0.02):
    optimizer.lr = rate
    g = {name: rng.normal(size=a.shape) for name, a in w.items()}
    optimizer.step(g)
    for name, (a, d) in {"score.w": (1, 1), "score.b": (2, 0)}.items():
        v[name] = 0.9 * v[name] + rate * a * (g[name] + 0.01 * d * formula[name])
        formula[name] = formula[name] - v[name]
assert all(np.allclose(w[name], formula[name]) for name in w)
print("three steps of minifcn.optim.SGD, equal to the formula")

# %% [markdown]
# The conference version of the paper takes 20 images a step and $\mu = 0.9$, the journal version one image and
# $\mu = 0.99$. An example that lies 20 images back still weighs $0.9$ in the first and $0.99^{20} = 0.82$ in the
# second: there the momentum does the averaging over images that the batch does here.
#
# *Adam*, the other optimiser of the library, also remembers the mean square of every weight's gradient and divides
# each step by its root. So a loss multiplied by 1000 changes Adam's steps hardly at all, and sum or mean matters
# little to it.
#
# ## 11 · Two pictures by heart
#
# Now everything at once. Before a net is trained on two hundred pictures for minutes, it should learn *two* by heart
# in seconds: a net that cannot has a mistake in it, and no amount of data will mend that. This is the first test of
# any new net, and the cell below is the whole loop.
#
# **Predict.** Sketch the curve before you look: where does it start, is it smooth, where does it end? And what will
# the net draw first: outlines, small things, large areas?

# %% tags=["training"]
net = build("fcn8s", classes=7)
optimizer = SGD(net.params, lr=0.01, momentum=0.9, multipliers={"*.b": (2, 0)})
losses, maps = [], {}
for step in range(80):
    scores = net.forward(x, train=True)
    loss, cache = softmax_cross_entropy(scores, labels)
    losses.append(float(loss))
    maps[step] = scores.argmax(axis=1)
    net.backward(softmax_cross_entropy_backward(cache))
    optimizer.step(net.grads)
assert np.isclose(losses[0], np.log(7), atol=1e-4) and losses[-1] < 0.4
print(f"loss {losses[0]:.3f} -> {losses[-1]:.3f}, "
      f"{np.mean((maps[79] == labels)[labels != 255]):.1%} of the counted pixels right")

# %% tags=["training"]
draw.show(figures.curves({"two pictures, FCN-8s": losses}, np.log(7), "Learning two pictures by heart", top=2.2),
          f"""A loss curve over 80 steps: it starts at ln 7 = 1.946, falls smoothly to {min(losses[:25]):.2f} in the
          first 25 steps, jumps to {max(losses[20:]):.2f} and comes back within ten, and ends at {losses[-1]:.2f}.""")

# %% tags=["training"]
steps = (0, 5, 15, 30, 79)
draw.show(figures.before_after(images, labels, {k: maps[k] for k in steps}, train.classes, train.colors),
          """Two rows, one a picture: the photograph, the prediction at steps 0, 5, 15, 30 and 79, the truth. At step 0
          everything is background, at step 5 nearly everything; at step 15 large areas of boat, hut and person; at step
          79 the things of the truth, with rounded outlines.""")

# %% [markdown]
# At step 0 all scores are equal and `argmax` takes the first class. Then come the commonest classes, in the large;
# then things; edges and small parts last, if at all. Lesson 08 (Skips) says where edges come from. The jump in the
# curve is the one of section 10: the rate was beyond the bound there for some steps. A smaller rate would have been
# slower, and smoother.
#
# ### The same, with a mistake in it
#
# **Predict** each curve: (1) the step goes *uphill*, a sign is wrong. (2) Momentum 0: the same rate, without the
# velocity. (3) The labels are shifted to the right by 24 pixels, as by a wrong crop.

# %% tags=["training"]
def curve(labels, sign=1, momentum=0.9, steps=80):
    net = build("fcn8s", classes=7)
    optimizer, losses = SGD(net.params, lr=0.01, momentum=momentum, multipliers={"*.b": (2, 0)}), []
    for _ in range(steps):
        scores = net.forward(x, train=True)
        loss, cache = softmax_cross_entropy(scores, labels)
        losses.append(float(loss))
        net.backward(softmax_cross_entropy_backward(cache))
        optimizer.step({name: sign * g for name, g in net.grads.items()})
    return losses, scores.argmax(axis=1)

shifted = np.full_like(labels, 255)
shifted[:, :, 24:] = labels[:, :, :-24]
with warnings.catch_warnings():
    warnings.simplefilter("ignore", RuntimeWarning)
    uphill, _ = curve(labels, sign=-1, steps=6)
plain, _ = curve(labels, momentum=0.0)
of_shifted, drawn_shifted = curve(shifted)

# %% tags=["training"]
print("uphill:", *(f"{loss:.4g}" for loss in uphill))
draw.show(figures.curves({"right": losses, "labels shifted": of_shifted, "no momentum": plain, "uphill": uphill},
                         np.log(7), "Which of these would worry you?"),
          f"""Four loss curves from ln 7. Uphill leaves the figure within two steps. Without momentum the loss falls
          slowly, to {plain[-1]:.2f}. The right run and that with shifted labels fall alike, jumping up for some steps,
          to {losses[-1]:.2f} and {of_shifted[-1]:.2f}.""")

# %% [markdown]
# A wrong sign leaves at once and ends in nan. Without momentum the same rate is slower, as in the valley. But the
# shifted labels: would this curve have told you?

# %% tags=["training"]
draw.show(figures.outlined(images[0], labels[0], {"learned from the truth": maps[79][0],
                                                  "learned from shifted labels": drawn_shifted[0]}, train.colors),
          """One picture three times, with classes laid over it: the truth; what the net learned from it, on the same
          things; and what it learned from shifted labels: the shapes of hut, boat and people, all about 24 pixels to
          the right of the things themselves.""")

# %% [markdown]
# ## 12 · Break it
#
# Three one-line mistakes in the loss, each in a program that runs without complaint: the division by $M$ forgotten in
# backward, the void mask forgotten in backward, softmax taken over the wrong axis in both passes (`axis=3`, the width,
# instead of `axis=1`). **Predict** what the gradient check says about each: how many elements are wrong, and where?

# %%
def loss_and_gradient(scores, labels, mistake):
    axis = 3 if mistake == "softmax over the width" else 1
    e = np.exp(scores - scores.max(axis=axis, keepdims=True))
    p = e / e.sum(axis=axis, keepdims=True)
    known = labels != 255
    target = np.where(known, labels, 0)[:, None]
    losses = -np.log(np.take_along_axis(p, target, axis=1)[:, 0]) * known
    onehot = np.arange(scores.shape[1]).reshape(1, -1, 1, 1) == target
    mask = 1 if mistake == "no void mask" else known[:, None]
    counted = 1 if mistake == "not divided" else known.sum()
    return losses.sum() / known.sum(), (p - onehot) * mask / counted

# %%
few = np.array([[[0, 1, 255], [2, 2, 0]]])  # 1 image, 2 x 3 pixels, one void
some = rng.normal(size=(1, 4, 2, 3))        # 4 classes: 24 scores
for mistake in ("none", "not divided", "no void mask", "softmax over the width"):
    _, dscores = loss_and_gradient(some, few, mistake)
    try:
        assert_gradient(lambda s, m=mistake: loss_and_gradient(s, few, m)[0], some, 1.0, dscores, "scores")
        print(f"{mistake:>22}: passes")
    except AssertionError as error:
        print(f"{mistake:>22}: {error}")

# %% [markdown]
# *Not divided*: the 20 numbers of the five counted pixels are all wrong, by the factor 5; the four of the void pixel
# are 0 either way. *No void mask*: exactly the four of the void pixel. *Wrong axis*: 15, scattered over void pixels
# too. A check that fails names the worst element: look whether the wrong ones are all, some, or one kind of pixel.
#
# The wrong axis has a second witness. **Predict**: the first loss of a fresh net, 7 classes, pictures 160 pixels wide,
# with softmax over the width?

# %%
zeros = np.zeros((2, 7, 128, 160))
first, _ = loss_and_gradient(zeros, labels, "softmax over the width")
assert np.isclose(first, np.log(160))
print(f"{first:.3f} = ln 160, and not ln 7 = {np.log(7):.3f}")

# %% [markdown]
# ## 13 · Exercises
#
# **Exercise 4: the first loss, summed.** The loop of section 11 is run with `reduction="sum"` instead, on the same two
# pictures: 7 classes, score layers at 0, 40,960 pixels, of which 36,305 are not void. Write down the loss at step 0
# before you run anything.

# %%
# --- solution
start_sum = 36305 * np.log(7)
# --- yours
# start_sum = None  # your number, or an expression
# --- end
check.start_sum(start_sum)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Section 7 says what one pixel costs at the start, section 8 what a sum is.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Every counted pixel costs the same. Void ones cost nothing.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The number of counted pixels times `np.log(...)` of the number of classes.
#
# </details>
#
# **Exercise 5: the rate that belongs to it.** With the mean the loop ran at 0.01. Which rate takes the same steps on
# the sum?

# %%
# --- solution
sum_rate = 0.01 / 36305
# --- yours
# sum_rate = None  # your number, or an expression
# --- end
check.sum_rate(sum_rate)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The formula above the table of section 8.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The sum's gradient is $M$ times as long. For the same step the rate must be $M$ times as short. Which pixels does $M$
# count?
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `0.01 / ...`, a number near 3e-7.
#
# </details>
#
# **Now the change.** Here is the loop again, for 20 steps, with the sum. Put your rate into its first line. **Predict
# the figure**, drawn per pixel: where will this curve lie beside that of section 11? Then run it. (And then with ten
# times your rate.)

# %% tags=["training"]
# --- solution
rate = sum_rate
# --- yours
# rate = 1e-10  # the paper's: put yours in its place
# --- end
net = build("fcn8s", classes=7)
optimizer, sums = SGD(net.params, lr=rate, momentum=0.9, multipliers={"*.b": (2, 0)}), []
for _ in range(20):
    loss, cache = softmax_cross_entropy(net.forward(x, train=True), labels, reduction="sum")
    sums.append(float(loss) / 36305)
    net.backward(softmax_cross_entropy_backward(cache))
    optimizer.step(net.grads)
draw.show(figures.curves({"mean, rate 0.01": losses[:20], f"sum / 36305, rate {rate:.3g}": sums}, np.log(7),
                         "The same steps, told twice?", top=2.6),
          f"""Two loss curves over 20 steps from ln 7: with the mean, solid, down to {losses[19]:.3f}; with the sum at
          the rate {rate:.3g}, dashed, to {sums[-1]:.3f}.""")

# %% [markdown]
# **Exercise 6, in your own words.** The net learned two pictures by heart from *shifted* labels nearly as well as from
# right ones. What then does the test of section 11 prove, what does it not prove, and which look of ten seconds tells
# the two apart? Write three sentences before you open the solution.

# %% [markdown] tags=["answer"]
# *An answer.* A net that learns two pictures by heart has a loss, gradients and an optimiser that work together:
# nothing is cut off, no sign is wrong, the rate is usable. It says nothing about whether the labels belong to the
# pixels, for a net with a million weights learns any labels for two pictures: shifted, mirrored, or those of the other
# picture. What tells them apart is to lay what the net is given, and what it says, over the picture, and to look;
# after that, the score on pictures it has not seen (lesson 09, How good is it?).

# %% [markdown]
# ## Three sentences to remember
#
# 1. The loss of a pixel is $-\log$ of the probability of its true class, its gradient is $p - \mathrm{onehot}$, void
#    pixels have neither, and a net that knows nothing costs $\ln C$.
# 2. A learning rate belongs to a loss: the sum's gradient is the mean's times the number of counted pixels, so its
#    rate must be that much smaller.
# 3. Weights start random and of size $(2/CKK)^{1/2}$, except the score layer, which may start at 0; and before a net
#    sees all the data it must learn two pictures by heart, *and you must look at them*.
#
# **Next:** lesson 07 (FCN-32s) takes a classifier, turns it into a net for every pixel, and trains it with this loop.

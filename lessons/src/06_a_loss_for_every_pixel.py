# %% [markdown]
# # 06 · A loss for every pixel, and a step downhill
#
# **How does one number say how wrong a whole map is, and how does that number move 850,000 weights?**
#
# At the end you can
#
# - write the loss of a segmentation net and its gradient from memory;
# - say what a fresh net must cost before you run it;
# - translate a learning rate from one loss to another;
# - train a net to know two pictures by heart, and say what that proves.
#
# *About 45 minutes to read, an hour and a half with the exercises, half a minute to run. You need lessons 02 (the
# convolution) and 03 (gradients and how to check them, ReLU). Whole nets are taken from the library as they are;
# lessons 07 and 08 take them apart.*

# %%
import warnings

import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson06 as check
from lessons.draw import lesson06 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.layers import Dropout
from minifcn.nets import build
from minifcn.ops import (conv2d, conv2d_backward, dropout, dropout_backward, relu, relu_backward,
                         softmax_cross_entropy, softmax_cross_entropy_backward)
from minifcn.optim import SGD

# %% [markdown]
# ## 1 · Where does it hurt?
#
# Here is a picture that the shipped net was not trained on, and its truth: every pixel's label, the number of its
# class. A pale line runs around every thing. Its pixels are labelled 255, *void*: where exactly the hut ends, the truth
# does not say, and no answer there counts as wrong.

# %%
model = minifcn.load("harbour-fcn8s")
image, truth = VOCSegmentation(harbour.root(), "val")[8]
print(f"{truth.size} pixels, {np.mean(truth == 255):.0%} of them void, labels {np.unique(truth)}")
draw.show(figures.scene(image, truth, model.classes, model.colors, top=34, left=50),
          """A harbour scene with huts, boats, people and a lighthouse; its label map in flat colours; and a window of
          32 x 32 pixels of the map, in which a pale void border about two pixels wide separates person, hut and
          background.""")

# %% [markdown]
# For every pixel the net gives seven probabilities, one for each class, which add up to 1. The pixel's **loss**, what
# it costs, is $-\log p$, where $p$ is the probability of the *true* class: 0 if the net was sure of it, much if it
# thought it unlikely. (`log` is the natural logarithm, ln, throughout; section 2 says why a logarithm.) Void pixels
# cost nothing.
#
# **Predict.** Where in this picture will the loss be large: evenly everywhere, along the borders, or in whole regions?
# And how many percent of the pixels will hold half of all the loss?

# %%
p = model.probabilities(image)                                      # (7, 128, 160)
known = truth != 255
p_true = np.take_along_axis(p, np.where(known, truth, 0)[None], axis=0)[0]
losses = -np.log(p_true)                                            # (128, 160)
largest_first = np.sort(losses[known])[::-1]
shares = np.cumsum(largest_first) / largest_first.sum()
marks = [(np.searchsorted(shares, share) / len(shares), share) for share in (0.5, 0.8)]
print(f"mean loss of the counted pixels: {losses[known].mean():.3f}, median: {np.median(losses[known]):.4f}")
draw.show(figures.hurt(truth, p.argmax(axis=0), losses, model.colors, shares, marks),
          """The net's prediction; a map of the loss of every pixel, dark nearly everywhere, bright in a few regions
          that the net names wrongly and along some borders; and a curve: 4 % of the pixels hold half of the loss, 8 %
          hold 80 % of it.""")

# %% [markdown]
# Most pixels cost next to nothing. Half of the loss lies on 4 % of them: regions that the net names wrongly *and is
# sure of*, and some borders. A training step works where it is bright here. The rest of this lesson makes that precise:
# the loss, its gradient, and the step.

# %% [markdown]
# ## 2 · One pixel, on paper
#
# One pixel, three classes, scores $s = (0, \ln 2, \ln 4)$. Scores are any real numbers; probabilities must be positive
# and add up to 1. So make them positive with $e^s$, then divide by the sum. That is **softmax**:
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
# **Why the logarithm?** Take the pixels as independent: then the probability that the net gives to *all* labels of the
# picture is the product of the $p_t$ of its pixels. We want it large. A product of 18,000 numbers below 1 is 0 for a
# computer; its logarithm is a sum of 18,000 moderate numbers. The minus turns "as large as possible" into "as small as
# possible".

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
# A step against the gradient raises the score of the label and lowers the others, each in proportion to the probability
# that it has wrongly. The three numbers always add up to 0: adding one number to all three scores changes no
# probability, so the loss has no slope in that direction.
#
# **Predict.** Take such a step with the rate 0.1: $s - 0.1\,ds$. To first order the loss, 1.2528 now, falls by the sum
# of gradient times step, $0.1 \cdot (1 + 25 + 16)/49 = 0.0857$. Will it really fall by more or by less?

# %%
def cost(s, t):
    return np.log(np.exp(s).sum()) - s[t]

fall = cost(s, 1) - cost(s - 0.1 * ds, 1)
print(f"first order {0.1 * (ds**2).sum():.4f}, really {fall:.4f}")
assert 0 < fall < 0.1 * (ds**2).sum()

# %% [markdown]
# By a little less: the slope itself gets smaller on the way. That is all there is to training. The rest is doing it
# for every pixel, handing $ds$ to the layers below (lesson 03), and choosing the 0.1.
#
# > **Why not simpler?** We care about how many pixels are wrong: why not minimise that number? Because it has no slope:
# > move a weight a little and no pixel changes its name. Then why not $1 - p_t$, which has one? Its gradient for the
# > true class's score is $-p_t(1 - p_t)$; that of $-\log p_t$ is $-(1 - p_t)$. **Predict** both for a pixel that is
# > surely wrong, $p_t$ near 0.

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
# With $1 - p_t$ the pixel that is most wrong would be told the least.
#
# ## 3 · Every pixel, by loops
#
# A map of scores has one such pixel at every place. The loss of the map is the **mean over the counted pixels**, those
# not labelled 255. Straight from the definition:

# %%
def loss_loops(scores, labels, ignore=255):
    """scores (N,C,H,W), labels (N,H,W) -> mean of -log p[t] over the pixels that are not `ignore`"""
    total, counted = 0.0, 0
    for n, h, w in np.ndindex(labels.shape):
        t = labels[n, h, w]
        if t != ignore:
            e = np.exp(scores[n, :, h, w])
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
# Now the same in arrays, under the five headings that every layer in these lessons gets.
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
# > **Why not simpler?** Why not `np.exp(scores)`, as above? Because float64 ends near $e^{709}$, and float32, with
# > which nets compute, near $e^{88}$: beyond it is infinity, and infinity divided by infinity is nan. Scores that large
# > do occur: one step too long is enough. And a small probability rounds to 0, whose logarithm is minus infinity.

# %%
with np.errstate(all="ignore"):  # the warnings are the point, but not here
    e = np.exp(np.array([0.0, 1000.0]))
    print("exp:", e, " p:", e / e.sum())
    assert np.isnan((e / e.sum())[1])
    p32 = np.exp(np.float32([-200, 0]))
    print("p of the first class in float32:", p32[0], " its cost:", -np.log(p32[0]), " and should be 200")
    assert np.isinf(-np.log(p32[0]))

# %% [markdown]
# The cure for the first is one subtraction. With $m$ the largest score *of the pixel*,
#
# $$\frac{e^{s_c - m}}{\sum_k e^{s_k - m}} = \frac{e^{-m}\,e^{s_c}}{e^{-m}\sum_k e^{s_k}} = p_c$$
#
# so it changes nothing, and now the largest exponent is 0: nothing overflows, and no sum is below 1. The cure for the
# second is never to take the logarithm of $p$: with $z = s - m$, $-\log p_t = \log \sum_k e^{z_k} - z_t$.
#
# **Exercise 1: softmax.** Write it for whole maps, so that scores of any size do no harm.

# %%
def softmax(scores):
    """p[n, c, h, w] = exp(scores[n, c, h, w]) / sum over k of exp(scores[n, k, h, w]), for scores of any size

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
# label: `z[n, t, h, w]` for all n, h, w at once. And void pixels borrow class 0, since an index must be some class;
# their loss is then multiplied by 0.

# %%
def loss_forward(scores, labels, ignore=255):
    known = labels != ignore
    target = np.where(known, labels, 0)                     # any class will do where unknown: masked below
    z = scores - scores.max(axis=1, keepdims=True)
    z_target = np.take_along_axis(z, target[:, None], axis=1)[:, 0]
    e = np.exp(z)
    sums = e.sum(axis=1)
    losses = (np.log(sums) - z_target) * known              # -log p[t] (N,H,W), 0 where void
    return losses.sum() / known.sum(), (e / sums[:, None], target, known)

mine, mine_cache = loss_forward(scores, labels)
np.testing.assert_allclose(mine, loss_loops(scores, labels))
np.testing.assert_allclose(mine, loss)                       # the library's, from the cell on shapes
print(f"loops, arrays and library agree: {mine:.6f}")

# %% [markdown]
# ### What to remember
#
# The gradient will need $p$ and the labels, but not the scores: `p`, `target` and `known` are kept. `p` is the large
# one, 16 MB for one VOC photograph of 375 x 500 pixels and 21 classes in float32.
#
# ### Backward
#
# The gradient of section 2 at every pixel that counts, divided by the number $M$ of these, since the loss is their
# mean:
#
# $$\frac{\partial L}{\partial s_{n,c,h,w}} = \frac{1}{M}\,\bigl(p_{n,c,h,w} - \mathrm{onehot}(t_{n,h,w})_c\bigr)
# \text{ where known, } 0 \text{ elsewhere}$$
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
# As in lesson 03: move each score a little up and down, and watch the loss. From here on the library's pair is used; it
# does what you have just written.

# %%
assert_gradient(lambda scores: softmax_cross_entropy(scores, labels)[0], scores, 1.0, dscores, "scores")
np.testing.assert_allclose(dscores.sum(axis=1), 0, atol=1e-15)
print(f"all {dscores.size} elements agree with central differences; over the classes they add up to 0 at every pixel")

# %% [markdown]
# ### Void, done wrong
#
# What if nobody thinks of the 255? Used as an index for 7 classes it is an error, and that is the best case. Three
# other cases run without complaint:
#
# 1. the labels are read as signed bytes: 255 becomes -1, and Python's -1 is the *last* class, the buoy;
# 2. void pixels are turned into background, and count;
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
# With 1 every outline would be taught to be a buoy. With 2 every thing would shrink by its half of the border. 3
# changes every gradient by the same factor, a slightly smaller rate, and nobody notices until losses are compared.

# %% [markdown]
# ## 5 · Guessing costs ln C
#
# In a fresh net of this library, as in the papers', the score layers are all 0: whatever the layers below say, every
# score of every pixel is 0. **Predict**, to three digits: the loss of a fresh net with 7 classes, on any picture with
# any labels. And with VOC's 21?

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
# Equal scores are equal probabilities, $1/C$ each, and $-\log(1/C) = \ln C$, whatever the label. So the first loss of
# such a net is known before anything is run: **another number than ln C at step 0 is a bug**, and a cheap one to find.
# (Random score layers would cost more: a random opinion is mostly wrong. The papers found them no better and no
# faster.) But it does not find every bug: while all scores are equal, a wrong label costs as much as a right one.
#
# ## 6 · Sum or mean, and the rate that goes with each
#
# The papers' code does not divide: its loss is the *sum* over the counted pixels of the image. **Predict**: for the
# picture at the top, with its mean loss of 0.374 over 18,318 counted pixels, what is the sum? (Section 2 has printed
# it, with a minus.) And by which factor do the gradients differ?

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
# and a rate means nothing unless one says which of the two losses it belongs to. "Why 1e-14?" is one of the questions
# that readers of FCN code ask most. Here are the rates as released for VOC, where a photograph of 375 x 500 has 187,500
# pixels:
#
# | net | starts from | rate for the sum | the same for the mean | once momentum 0.99 has built up |
# |---|---|---|---|---|
# | FCN-32s | VGG16, a classifier | 1e-10 | 1.9e-5 | 1.9e-3 |
# | FCN-16s | FCN-32s | 1e-12 | 1.9e-7 | 1.9e-5 |
# | FCN-8s | FCN-16s | 1e-14 | 1.9e-9 | 1.9e-7 |
# | FCN-AlexNet | CaffeNet, a classifier | (trained on the mean) | 1e-4 | 1e-3, momentum 0.9 |
#
# The last column multiplies by $1/(1 - \text{momentum})$; section 8 says why. In it 1e-10 and 1e-4 are
# the same rate within a factor of two. 16s and 8s start from nets that are nearly right, and get a hundredth of the
# rate of the stage before. And a rate belongs to a net: theirs see pixel values from about -123 to 151, ours the same
# divided by 64. Take the *rule* from this table, not a number.
#
# What happens to those who take a number? The mean's rate on a sum is $M$ times too large, and the loss is nan within a
# few steps. The sum's rate on a mean is $M$ times too small: ln C for ever, and no error at all. Where a loss does
# either, ask first what it is divided by. In section 12 you will see both symptoms.
#
# ## 7 · How large should the weights start?
#
# The score layer may start at 0. May the others? One number of a convolution's output is a sum of $CKK$ products
# $w\,x$. If the weights are drawn independently with mean 0 and variance $\sigma^2$, then in its square the products of
# two different weights are 0 on average, and only the $CKK$ squares are left:
#
# $$\mathrm{E}[y^2] = C K K\,\sigma^2\,\mathrm{E}[x^2]$$
#
# Then comes ReLU. (Without it two convolutions in a row would be one: a matrix times a matrix is a matrix.) $y$ is as
# likely to be positive as negative, so ReLU takes away half of its mean square. Convolution and ReLU together multiply
# the mean square by $\frac12 CKK\sigma^2$, and keep it if
#
# $$\sigma^2 = \frac{2}{C K K}$$
#
# which is He's rule, and what the library's `Conv2d` draws. For the gradients on their way back the same holds with
# $FKK$ products.
#
# **Predict.** Eight layers, with as many filters as channels; the root mean square of the input is 1. What is it after
# eight layers with He's $\sigma$, with half, with twice as much?

# %%
def through_eight_layers(std, channels=64):
    """(root mean squares of the maps after 0..8 layers, and of their gradients)"""
    rng = np.random.default_rng(2)
    x = np.abs(rng.normal(size=(2, channels, 32, 40)))
    forward, backward, caches = [rms(x)], [], []
    for _ in range(8):
        y, conv_cache = conv2d(x, std * rng.normal(size=(channels, channels, 3, 3)), pad=1)
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
draw.show(figures.depth({k: v[0] for k, v in sizes.items()}, {k: v[1] for k, v in sizes.items()}),
          """Root mean squares of maps and of gradients over eight layers, logarithmic. With He's standard deviation
          both stay near 1; with twice as much the maps double with every layer, to about 300, with half of it they
          halve, to 0.005; the gradients do the same on the way back.""")

# %% [markdown]
# He's rule stays near 1, not exactly: 64 filters are only a sample. The same draws, doubled, end $2^8$ times higher;
# halved, $2^8$ times lower: a small factor, but once for every layer. Where weights are inherited from a classifier, as
# in the papers, this was settled there.
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
    """Train from w1 (8,3,3,3) and w2 = 0; prints the first gradients, the last loss, how many filters differ."""
    w1, w2, sizes = w1.copy(), np.zeros((7, 8, 1, 1)), []
    small, t = np.float64(x[:, :, ::4, ::4]), labels[:, ::4, ::4]  # section 5's two pictures, every fourth pixel
    for _ in range(steps):
        y, cache1 = conv2d(small, w1, pad=1)
        h, cache2 = relu(y)
        scores, cache3 = conv2d(h, w2)
        loss, cache4 = softmax_cross_entropy(scores, t)
        dh, dw2, _ = conv2d_backward(softmax_cross_entropy_backward(cache4), cache3)
        _, dw1, _ = conv2d_backward(relu_backward(dh, cache2), cache1)
        sizes.append((rms(dw1), rms(dw2)))
        w1 -= rate * dw1
        w2 -= rate * dw2
    print(f"dw1 at step 0: {sizes[0][0]:.4f}, at step 1: {sizes[1][0]:.4f}   dw2: {sizes[0][1]:.4f}   "
          f"loss {loss:.3f}   different filters: {len(np.unique(w1.reshape(8, -1).round(6), axis=0))}")

two_layers(np.random.default_rng(0).normal(size=(8, 3, 3, 3)) * (2 / 27) ** 0.5)  # a
two_layers(np.zeros((8, 3, 3, 3)))                                                # b
two_layers(np.full((8, 3, 3, 3), 0.1))                                            # c

# %% [markdown]
# **(a) learns.** At step 0 $dX = W^T dY$ (lesson 03) lets nothing through the zero weights to `w1`. But
# $dW = dY X^T$ is not 0, since neither factor is. So `w2` moves at once, and from step 1 on `w1` does.
#
# **(b) is stuck.** Features 0 make $dw_2 = 0$, weights 0 make $dw_1 = 0$, for ever. (With biases those of the scores
# would learn how often each class occurs, and nothing of the picture.) The authors' FAQ has a question for
# outputs and gradients that are all zero. It almost always means this: the pretrained weights were not loaded.
#
# **(c) has one filter eight times.** Equal weights give equal features, these get equal gradients, so they stay equal:
# nothing breaks the *symmetry*. In the score layer the labels break it; among filters only the draw does.
#
# ## 8 · A step downhill: SGD with momentum
#
# The weights of a net are a point in a space of 850,000 dimensions, the loss is a height above it. Two dimensions show
# what matters: a valley, gentle along, steep across. $f(w) = \frac12(w_0^2 + 100\,w_1^2)$ has the gradient
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
# In both, $v = (0.1, 1)$ leads to $(9.9, 0)$. There the gradient is $(9.9, 0)$: plainly a step of $(0.099, 0)$. With
# momentum it is $0.9 \cdot (0.1, 1) + (0.099, 0) = (0.189, 0.9)$: along the valley nearly twice as long, and across it
# runs past the bottom.
#
# **How large may the rate be?** A plain step multiplies each coordinate by $1 - \text{rate} \cdot \text{curvature}$.
# It shrinks only while that lies between -1 and 1:
#
# $$\text{rate} < \frac{2}{\text{largest curvature}}$$
#
# **Predict.** What is the bound for this valley? Then sketch 60 steps at 0.018, the same with $\mu = 0.9$, and 25 plain
# ones at 0.021.

# %%
paths = {"plain, rate 0.018": descend(0.018, 0.0, 60), "momentum 0.9, rate 0.018": descend(0.018, 0.9, 60),
         "plain, rate 0.021": descend(0.021, 0.0, 25)}
heights = {name: (path**2 @ curvature) / 2 for name, path in paths.items()}
np.testing.assert_allclose(paths["plain, rate 0.021"][25, 1], (1 - 0.021 * 100) ** 25)  # -1.1 to the 25th
assert abs(descend(0.037, 0.9, 400)[-1, 1]) < 1 < abs(descend(0.039, 0.9, 400)[-1, 1])  # 0.038: with momentum
draw.show(figures.valley(paths, curvature, heights),
          """Three paths from (10, 1) in a narrow valley. Plain at rate 0.018: zigzag across, then a crawl along the
          floor that after 60 steps is still at 3.4. With momentum: wide swings that die out, and it ends close to the
          bottom. Plain at 0.021: each swing across is larger than the last. Fourth panel: height against step, the
          third one rising.""")

# %% [markdown]
# (The drawings are stretched across; drawn to scale the valley is much narrower.) Across, plain descent is done in
# twenty steps. Along the floor each step shrinks the distance by 1.8 %, and the rate cannot be raised: 0.02 is the
# bound. Momentum gets out of this. Across, successive gradients change their sign and cancel in $v$; along, they agree
# and add up, to $1 + \mu + \mu^2 + \dots = 1/(1-\mu)$ steps in one. That is 10 for 0.9 and 100 for 0.99: the last
# column of the table in section 6. (Momentum raises the bound, too, but only to $2(1 + \mu)$ over the curvature, 0.038
# here. Ten times the rate is no substitute for it: 0.18 would multiply the distance across by $1 - 18 = -17$ a step.)
#
# A net's curvature changes from place to place. A rate that was fine for 20 steps can be beyond the bound at the next,
# and the loss jumps. Watch for it below.
#
# ### The optimiser
#
# A net takes the same step, once for every parameter. Its gradient comes from one or a few pictures at
# a time, not from all: hence *stochastic* gradient descent, **SGD**. The papers' recipe has two refinements.
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
# **Exercise 3: the step.** Three lines are missing. When they are written, return `params` in place of None.

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
    # return None  # then: return params
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
# The library's `SGD` is that; `multipliers={"*.b": (2, 0)}` gives it $a$ and $d$ for the names that end in `.b`. Its
# other optimiser, *Adam*, also remembers the mean square of every weight's gradient, and divides each step by the root
# of it. A loss multiplied by 1000 hardly changes such steps: sum or mean matters little to Adam.
#
# ## 9 · Dropout
#
# Apart from cropping (lessons 07 and 08), one layer of the papers' nets has not been in any lesson yet.
#
# ### Shapes
#
# Any shape in, the same shape out.
#
# ### Forward
#
# While training, each value is set to 0 with probability $p$, by a fresh draw every step, and the others are divided
# by $1 - p$: the mean stays, so at inference the layer passes on what it gets. No feature can rely on one other
# feature being there. (The papers keep dropout of 0.5 after VGG's late layers fc6 and fc7, and report that leaving
# it out made little or no difference. Our small nets have it there too, with $p = 0$.)
#
# ### What to remember
#
# The mask: 0 or $1/(1 - p)$.
#
# ### Backward
#
# $dx = dy \cdot \text{mask}$, with the mask *of the forward pass*.
#
# ### Check
#
# The check calls the forward pass many times, and each call must draw the same mask: a new generator with the same
# seed. **Predict.** A million ones, $p = 0.5$: which values come out, and what is their mean?

# %%
ones = np.ones(1_000_000)
dropped, _ = dropout(ones, 0.5, np.random.default_rng(0))
assert set(np.unique(dropped)) == {0.0, 2.0} and abs(dropped.mean() - 1) < 0.01
assert np.array_equal(Dropout(0.5).forward(ones, train=False), ones)  # at inference
a, dy = rng.normal(size=(3, 4)), rng.normal(size=(3, 4))
_, cache = dropout(a, 0.3, np.random.default_rng(1))
assert_gradient(lambda a: dropout(a, 0.3, np.random.default_rng(1))[0], a, dy, dropout_backward(dy, cache), "a")
print(f"values {np.unique(dropped)}, mean {dropped.mean():.3f}")

# %% [markdown]
# ## 10 · Two pictures by heart
#
# Now everything at once. Before a net is trained on two hundred pictures for minutes, it should learn *two* by heart
# in seconds. If it cannot, it has a mistake in it that no amount of data will mend. This is the first test of any new
# net, and the cell below is the whole loop.
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
          """Two rows, one a picture: the scene, the prediction at steps 0, 5, 15, 30 and 79, the truth. At step 0
          everything is background, at step 5 nearly everything; at step 15 large areas of boat, hut and person; at step
          79 the things of the truth, with rounded outlines.""")

# %% [markdown]
# At step 0 all scores are equal and `argmax` takes the first class. Then come large areas of the commonest classes,
# then things; edges and small parts last, if at all. Lesson 08 (Skips) says where edges come from.
#
# And the jump? With rate 0.01 and momentum 0.9 the bound of section 8 is a curvature of $2 \cdot 1.9 / 0.01 = 380$.
# While this net learned, its largest curvature (measured apart from this lesson) was about 310 at step 18 and 550 at
# step 22. At half the rate the jump comes later, near step 38, and is lower. Try it.
#
# ### The same, with a mistake in it
#
# **Predict** both curves: (1) the step goes *uphill*, a sign is wrong. (2) The labels are shifted to the right by 24
# pixels, as by a wrong crop.

# %% tags=["training"]
def curve(labels, sign=1, steps=80):
    net = build("fcn8s", classes=7)
    optimizer, losses = SGD(net.params, lr=0.01, momentum=0.9, multipliers={"*.b": (2, 0)}), []
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
of_shifted, drawn_shifted = curve(shifted)

# %% tags=["training"]
print("uphill:", *(f"{loss:.4g}" for loss in uphill))
draw.show(figures.curves({"correct": losses, "labels shifted": of_shifted, "uphill": uphill}, np.log(7),
                         "Which of these would worry you?"),
          f"""Three loss curves from ln 7. Uphill leaves the figure within two steps. The correct run and that with
          shifted labels fall alike, jumping up for some steps, to {losses[-1]:.2f} and {of_shifted[-1]:.2f}.""")

# %% [markdown]
# A wrong sign leaves at once and ends in nan. But the shifted labels: would this curve have told you?

# %% tags=["training"]
draw.show(figures.outlined(images[0], labels[0], {"learned from the truth": maps[79][0],
                                                  "learned from shifted labels": drawn_shifted[0]}, train.colors),
          """One picture three times, with classes laid over it: the truth; what the net learned from it, on the same
          things; and what it learned from shifted labels: the shapes of hut, boat and people, all about 24 pixels to
          the right of the things themselves.""")

# %% [markdown]
# ## 11 · Break it
#
# Three mistakes in programs that run without complaint: in backward the division by $M$ is forgotten; in backward the
# void mask is forgotten; in *both* passes void counts as background. **Predict** what the gradient check says about
# each: how many elements are wrong, and which?

# %%
few = np.array([[[0, 1, 255], [2, 2, 0]]])                      # 1 image, 2 x 3 pixels, one void
some = np.random.default_rng(0).normal(size=(1, 4, 2, 3))       # 4 classes: 24 scores
_, (p, target, known_few) = loss_forward(some, few)
difference = p - (np.arange(4).reshape(1, -1, 1, 1) == target[:, None])
trials = {"correct": (few, difference * known_few[:, None] / 5),
          "not divided": (few, difference * known_few[:, None]),
          "no void mask": (few, difference / 5),
          "void as background, twice": (np.where(few == 255, 0, few), difference / 6)}
for name, (used, dscores) in trials.items():
    try:
        assert_gradient(lambda s, used=used: loss_forward(s, used)[0], some, 1.0, dscores, "scores")
        print(f"{name:>26}: passes")
    except AssertionError as error:
        print(f"{name:>26}: {error}")

# %% [markdown]
# *Not divided*: the 20 numbers of the five counted pixels are all wrong, by the factor 5; the four of the void pixel
# are 0 either way. *No void mask*: exactly the four of the void pixel. The third passes: the check compares backward
# with forward, and here both make the same mistake. What it cannot see, only a look at the loss or the picture can.
#
# ## 12 · More exercises
#
# **Exercise 4: the first loss, summed.** The loop of section 10 is run with `reduction="sum"` instead, on the same two
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
# Section 5 says what one pixel costs at the start, section 6 what a sum is.
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
# The formula above the table of section 6.
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
# `0.01 / ...`, a number between 2e-7 and 3e-7. Leave the division to Python.
#
# </details>
#
# **Now the change.** Here is the loop again, for 20 steps, with the sum. Put your rate into its first line. **Predict
# the figure**, drawn per pixel: where will this curve lie beside that of section 10? Then run it. Then predict and run
# it with the mean's rate, 0.01. (NumPy will warn of an overflow.)

# %% tags=["training"]
# --- solution
rate = sum_rate
# --- yours
# rate = 1e-10  # change me: this is the papers' rate
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
# **Exercise 6: in your own words.** From *shifted* labels the net learned its two pictures about as well as from right
# ones. What then does the test of section 10 prove, what does it not prove, and which quick look tells the two apart?
# Write three sentences before you open the solution.

# %% [markdown] tags=["answer"]
# *One answer.* A net that learns two pictures by heart has a loss, gradients and an optimiser that work together:
# nothing is cut off, no sign is wrong, the rate is usable. It says nothing about whether the labels belong to the
# pixels, for a net with 850,000 weights learns any labels for two pictures: shifted, mirrored, or those of the other
# picture. What tells them apart is to lay what the net is given, and what it says, over the picture, and to look;
# after that, the score on pictures it has not seen (lesson 09).

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
# **Next:** lesson 07 (FCN-32s). It takes a classifier, turns it into a net for every pixel, and trains it with this
# loop.

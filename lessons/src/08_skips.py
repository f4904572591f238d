# %% [markdown]
# # 08 · Skips: 16s and 8s
#
# **FCN-32s knows what is in a scene and cannot say where it ends. Where is the fine outline, and how does it get back
# in?** The body had it, on its way to the coarse map. A *skip* is a short cut by which it comes back.
#
# At the end you can
#
# - fuse a coarse score map with a fine one, forward and backward, and write FCN-8s on one page;
# - say what each of its three branches contributes, and what is left when one of them is switched off;
# - derive every crop offset of the papers' nets (why pad by 100, why cut off 19) instead of typing it in.
#
# *About 45 minutes to read, an hour and a half with the exercises, ten seconds to run. You need lessons 03 (gradients
# and how to check them), 04 (what a cell sees, and where it lies), 05 (the layer that enlarges), 06 (the loss) and 07
# (FCN-32s).*

# %%
from math import ceil

import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson08 as check
from lessons.draw import lesson08 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.layers import Conv2d, ConvTranspose2d, MaxPool2d
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import build
from minifcn.nets.geometry import Grid
from minifcn.ops import (
    bilinear_kernel,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    max_pool2d,
    max_pool2d_backward,
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
)
from minifcn.optim import SGD

val = VOCSegmentation(harbour.root(), "val")
images, labels = (np.stack(some) for some in zip(*(val[i] for i in range(len(val))), strict=True))
models = {name: minifcn.load(f"harbour-{name}") for name in ("fcn32s", "fcn16s", "fcn8s")}
classes, colors = models["fcn8s"].classes, models["fcn8s"].colors
print(f"{len(images)} validation images of {images.shape[1]} x {images.shape[2]} pixels, {len(classes)} classes")

# %% [markdown]
# ## 1 · One scene, three nets
#
# Three shipped nets name the pixels of a scene that they have never seen. Their bodies are built alike; only what
# comes after differs. Right pixels are dimmed, wrong ones bright (bright grey: wrongly called background).
#
# **Predict.** A leg of the person in front is about 10 pixels wide. The finest map that 32s scores has cells of 32
# pixels, 16s of 16, 8s of 8. Which net draws legs, and which cannot tell two people from one?

# %%
EXAMPLE = 32
predicted = {name: model.predict(images[EXAMPLE]) for name, model in models.items()}
wrong = {name: np.count_nonzero((p != labels[EXAMPLE]) & (labels[EXAMPLE] != 255)) for name, p in predicted.items()}
titled = {f"{name.replace('fcn', 'FCN-')}\n{wrong[name]} pixels wrong": p for name, p in predicted.items()}
figure = figures.opening(images[EXAMPLE], labels[EXAMPLE], titled, classes, colors, (slice(46, 118), slice(70, 160)))
draw.show(figure, f"""A scene with two boats and three people, its truth, and what FCN-32s, 16s and 8s make of it,
    wrong pixels bright; below, two people enlarged. 32s joins the two people into one blob without legs
    ({wrong["fcn32s"]} pixels wrong), 16s parts them and rounds their legs to a point ({wrong["fcn16s"]}), 8s begins to
    part the legs ({wrong["fcn8s"]}).""")

# %% [markdown]
# Over all 60 scenes (`features` are the maps that a body hands to its head: pool3, pool4 and drop7):

# %%
def mean_iu(predicted, truth=labels):
    return ConfusionMatrix(len(classes)).update(predicted, truth).mean_iu


def head_of(net, features):
    """The scores that a net's head makes of the maps of a body, {name: map}."""
    return net.head.forward(features, *labels.shape[1:], train=False)


x = models["fcn8s"].net.preprocess(images)
features = {name: model.net.body.forward(x) for name, model in models.items()}
scores = {name: head_of(model.net, features[name]) for name, model in models.items()}
iu = {name: mean_iu(s.argmax(axis=1)) for name, s in scores.items()}
for name in models:
    print(f"{name:7s} mean IU {100 * iu[name]:.1f}")
assert iu["fcn32s"] < iu["fcn16s"] < iu["fcn8s"]

# %% [markdown]
# ## 2 · What, and where
#
# The fine outline is not lost: the body made finer maps on its way to the coarse one. Lesson 04 measured what their
# cells see. A cell of `drop7` (fc7 after its dropout) sees 214 pixels, more than the image has: it can tell the
# planks of a boat from the planks of a hut by the water around. It knows **what**, but there are only 4 x 5 such
# cells. A cell of `pool3` sees 30 pixels, a few planks, and there are 16 x 20 of them: it knows **where**. `pool4`,
# 8 x 10 cells that see 70 pixels, lies between.
#
# The papers' idea: let all three score the classes, and add. A 1 x 1 convolution turns the features of each into
# **scores**, one map a class. The coarsest score map is made twice as large, so that it lies on the next finer one,
# and the two are added. The sum is made twice as large and added to the next. The last sum is made eight times as
# large.
#
# **Predict.** How many channels, rows and columns has each of the three score maps?

# %%
net = models["fcn8s"].net
L = net.layers  # by name: "conv1_1", ..., "upscore8"
scored = {"score_fr": "drop7", "score_pool4": "pool4", "score_pool3": "pool3"}  # score layer: the map that it scores
own = {name: L[name].forward(features["fcn8s"][source]) for name, source in scored.items()}
maps = {"image": x, **features["fcn8s"], **own, "scores": scores["fcn8s"]}
draw.show(figures.graph({name: a.shape[1:] for name, a in maps.items()}), """FCN-8s as a graph. On the left the body
    goes down from the image over pool3 (step 8) and pool4 (step 16) to fc7 (step 32). From each of the three a 1 x 1
    convolution goes to the right: score_pool3, score_pool4, score_fr, 7 channels each. On the right the scores go up:
    score_fr 2x larger (upscore2), plus score_pool4, 2x larger (upscore_pool4), plus score_pool3, 8x larger (upscore8),
    as large as the image.""")

# %% [markdown]
# Without the upper plus it is FCN-16s (`upscore16` goes all the way up from the lower one), without both FCN-32s.
#
# Read the right side once more. **What is enlarged is the last score map**, 7 channels here, 21 in the papers. It is
# never pool5, and never fc7: those are features. (To take it for pool5 is a common misreading of the papers' figure 3.
# It would bypass fc6 and fc7, which in FCN's VGG hold 89 % of all parameters and see furthest.)
#
# ## 3 · The smallest case, by hand
#
# One class, "boat": above 0 means boat. A coarse map of 2 x 2 cells says: the left half. A fine map of 4 x 4 cells
# knows little of boats, but has seen something thin in the two upper rows, one column further to the right: a mast.
#
# Enlarging by 2 with K = 4, S = 2, P = 1 (lesson 05): every cell is spread over 4 x 4 with the weights ¼, ¾, ¾, ¼
# each way, and the outer ring is cut off.
#
# **Predict.** On paper: the upper row of the enlarged map, the upper row of the sum, and which pixels are then boat.

# %%
coarse = np.array([[16.0, -16], [16, -16]])
fine = np.array([[0.0, 0, 10, 0], [0, 0, 10, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
kernel = bilinear_kernel(1, 4, np.float64)
up, up_cache = conv_transpose2d(coarse[None, None], kernel, stride=2, pad=1)
total = up[0, 0] + fine
assert up[0, 0, 0].tolist() == [9, 6, -6, -9]      # 16 * 3/4 * 3/4, 16 * 3/4 * (3/4 - 1/4), ...
assert total[0].tolist() == [9, 6, 4, -9]
draw.show(figures.small_case(coarse, up[0, 0], fine, total), """Four small matrices, cells above 0 filled. Coarse 2x2:
    16 and -16 in both rows. Enlarged: 9 6 -6 -9 in the outer rows, 12 8 -8 -12 in the inner ones, left half filled.
    Fine: 10 in the third column of the upper two rows. Sum: the upper rows are 9 6 4 -9 and 12 8 2 -12, so that there
    three columns are filled, below two.""")

# %% [markdown]
# The fine map decides where the coarse map hesitates, and cannot where the coarse map is sure: 10 in the last column
# of the second row would have changed nothing.
#
# **Backward, by hand.** Let the loss want more of the pixel in row 0, column 2: `dtotal` is 1 there and 0
# elsewhere. A sum hands its gradient to *both* terms, all of it. The fine map gets exactly `dtotal`. The coarse map
# gets it through the enlargement: that pixel was made of ¾ · ¼ of cell (0, 0) and ¾ · ¾ of cell (0, 1), and of
# nothing of the lower row.
#
# **Predict** `dcoarse`, on paper.

# %%
dtotal = np.zeros((4, 4))
dtotal[0, 2] = 1
dcoarse = conv_transpose2d_backward(dtotal[None, None], up_cache)[0][0, 0]
assert (16 * dcoarse).tolist() == [[3, 9], [0, 0]]
assert_gradient(lambda c: conv_transpose2d(c[None, None], kernel, stride=2, pad=1)[0][0, 0] + fine,
                coarse, dtotal, dcoarse, "coarse")
print("dfine is dtotal itself; dcoarse, in sixteenths:\n", 16 * dcoarse)

# %% [markdown]
# ## 4 · Fusing, as a layer
#
# The papers' nets upsample with P = 0, and their skip is the *larger* map: the part of it that lies under the
# upsampled one has to be cut out first. The cell at which to start is the **offset**. Where it comes from is
# section 13; here it is given.
#
# ### Shapes
#
# score (N,C,h,w), the last score map; fine (N,C,H,W), the scores of the skip; K = 4, S = 2, P = 0. The upsampled
# map has $S(h - 1) + K - 2P = 2h + 2$ rows, and so has the sum: `y` (N,C,2h+2,2w+2). It fits if offset + 2h + 2 ≤ H,
# and the widths likewise.
#
# ### Forward
#
# $$y_{n,c,u,v} = \text{up}_{n,c,u,v} + \text{fine}_{n,c,o+u,o+v}$$
#
# with $\text{up}$ the scores enlarged by 2 and $o$ the offset, the same in both directions.
#
# **Exercise 1: fuse.** Two lines are missing.

# %%
def fuse(score, fine, offset):
    """The coarse scores, twice as large, plus what of the fine scores begins at `offset` and is as large.

    score (N,C,h,w)   fine (N,C,H,W)   ->   y (N,C,2h+2,2w+2), cache
    """
    kernel = bilinear_kernel(score.shape[1], 4, score.dtype)
    # --- solution
    up, up_cache = conv_transpose2d(score, kernel, stride=2)
    y = up + fine[:, :, offset:offset + up.shape[2], offset:offset + up.shape[3]]
    # --- yours
    # up, up_cache = None, None  # conv_transpose2d with this kernel
    # y = None  # plus a part of fine
    # --- end
    return y, (up_cache, fine.shape, offset)


check.fuse(fuse)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `conv_transpose2d(x, w, stride=..., pad=...)` returns the result and a cache. The case by hand used it with pad=1;
# here P is 0, its default.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The second line needs the part of `fine` from row and column `offset` on, as many rows and columns as `up` has.
# Those are its third and fourth axes.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `up, up_cache = conv_transpose2d(score, kernel, stride=...)`
#
# `y = up + fine[:, :, offset:offset + up.shape[2], ...]`
#
# </details>
#
# ### What to remember
#
# No numbers at all: the gradient of a sum does not depend on what was added. Only the geometry: where the crop began,
# and how large the map was that it was cut from. The upsampling keeps its own cache.
#
# ### Backward
#
# - dy goes to both terms, whole: not half of it to each;
# - through the upsampling as in lesson 05: $\text{up} = W^T \text{score}$ with its matrix W, so
#   $d\text{score} = W\,dy$;
# - through the crop as in lesson 07: cells that were cut off have not changed y, so their gradient is 0:
#
# $$d\text{fine}_{n,c,o+u,o+v} = dy_{n,c,u,v} \quad \text{inside the crop}, \qquad 0 \quad \text{outside}.$$
#
# **Exercise 2: fuse, backwards.** All of it is missing.

# %%
def fuse_backward(dy, cache):
    """The gradients of fuse: dy (N,C,2h+2,2w+2)   ->   dscore (N,C,h,w), dfine (N,C,H,W)"""
    up_cache, fine_shape, offset = cache
    # --- solution
    dscore, _, _ = conv_transpose2d_backward(dy, up_cache, need_dw=False)
    dfine = np.zeros(fine_shape, dy.dtype)
    dfine[:, :, offset:offset + dy.shape[2], offset:offset + dy.shape[3]] = dy
    return dscore, dfine
    # --- yours
    # return None  # yours to write: dscore and dfine
    # --- end

# %% [markdown]
# ### Check
#
# Judged by central differences, for both inputs:

# %%
check.fuse_backward(fuse_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `conv_transpose2d_backward(dy, cache)` returns three gradients, dx, dw and db; you need the first. Its cache is
# `up_cache`.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# dfine is as large as fine was before it was cut: begin with zeros of `fine_shape`, then put dy where y was taken
# from.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dfine = np.zeros(fine_shape, dy.dtype)`, then `dfine[:, :, offset:..., offset:...] = dy`.
#
# </details>

# %% [markdown]
# ## 5 · Break it
#
# A skip means that pool4 is used twice: by `score_pool4`, and by conv5_1 and all that follows. If it changes a
# little, y changes along both ways, so its gradient is the **sum** of what comes back along both.
#
# Here is the smallest net with a skip. The deep way is a pooling, a score, an enlargement; the other is a score.

# %%
rng = np.random.default_rng(8)
pool4 = rng.permutation(2 * 4 * 6).reshape(1, 2, 4, 6) / 10.0  # distinct numbers: no ties at the pooling
deep_w, skip_w = rng.normal(size=(1, 2, 1, 1)), rng.normal(size=(1, 2, 1, 1))


def tiny(pool4):
    pooled, pool_cache = max_pool2d(pool4, 2, stride=2)
    deep, deep_cache = conv2d(pooled, deep_w)
    up, up_cache = conv_transpose2d(deep, kernel, stride=2, pad=1)
    skip, skip_cache = conv2d(pool4, skip_w)
    return up + skip, (pool_cache, deep_cache, up_cache, skip_cache)


dy = rng.normal(size=(1, 1, 4, 6))
y, (pool_cache, deep_cache, up_cache, skip_cache) = tiny(pool4)
from_skip = conv2d_backward(dy, skip_cache)[0]
ddeep = conv_transpose2d_backward(dy, up_cache)[0]
from_deep = max_pool2d_backward(conv2d_backward(ddeep, deep_cache)[0], pool_cache)
assert_gradient(lambda p: tiny(p)[0], pool4, dy, from_skip + from_deep, "pool4")
print("from_skip + from_deep: the gradient check passes")

# %% [markdown]
# **Predict.** Somebody writes `dpool4 = from_skip`, and a line below `dpool4 = from_deep`: an `=` where a `+=`
# belongs. The deep way goes through a 2 x 2 max pooling, which passes gradients to one in four. In how many of the 48
# elements is the result wrong?

# %%
try:
    assert_gradient(lambda p: tiny(p)[0], pool4, dy, from_deep, "pool4")
except AssertionError as says:
    print(says)

# %% [markdown]
# In all of them: every element of pool4 feeds `score_pool4`. No shape is wrong and no error is raised; training
# would run, and what lies below pool4 would never hear from the skip.

# %% [markdown]
# ## 6 · FCN-8s on one page
#
# Now the real net: layers of the library, weights as shipped. Two small helpers run a stretch of the body, and run
# it back.

# %%
names = list(net.body.layers)
cut = [names.index(name) + 1 for name in ("pool3", "pool4", "drop7")]
to_pool3, to_pool4, to_fc7 = names[:cut[0]], names[cut[0]:cut[1]], names[cut[1]:cut[2]]


def along(stretch, x):
    for name in stretch:
        x = L[name].forward(x, train=True)
    return x


def back_along(stretch, d):
    for name in reversed(stretch):
        d = L[name].backward(d)
    return d


print(*to_pool4, sep=" → ")

# %%
def forward(x):
    pool3 = along(to_pool3, x)
    pool4 = along(to_pool4, pool3)
    fc7 = along(to_fc7, pool4)
    up2 = L["upscore2"].forward(L["score_fr"].forward(fc7, train=True), train=True)
    fuse4 = up2 + L["score_pool4"].forward(pool4, train=True)
    up4 = L["upscore_pool4"].forward(fuse4, train=True)
    fuse3 = up4 + L["score_pool3"].forward(pool3, train=True)
    return L["upscore8"].forward(fuse3, train=True)


assert np.array_equal(forward(x[:2]), net.forward(x[:2]))
print("equal to net.forward, to the last bit")  # mini's dropout has p = 0: train=True only remembers

# %% [markdown]
# No crop: mini, our body, pads every layer so that its maps begin where the image begins. (They may *end* later,
# since poolings round up: if 32 does not divide the image's sides, the enlarged map reaches beyond the skip, and the
# library cuts it.)
#
# **Backward reads as forward from the bottom up.** Hold the two cells beside each other. Where forward adds, one
# gradient goes two ways. Where forward uses a map twice, two gradients are added.

# %%
def backward(dscores):
    dfuse3 = L["upscore8"].backward(dscores)
    dpool3, dup4 = L["score_pool3"].backward(dfuse3), dfuse3          # fuse3 = up4 + ...: dfuse3 goes to both
    dfuse4 = L["upscore_pool4"].backward(dup4)
    dpool4, dup2 = L["score_pool4"].backward(dfuse4), dfuse4          # fuse4 = up2 + ...: dfuse4 goes to both
    dfc7 = L["score_fr"].backward(L["upscore2"].backward(dup2))
    dpool4 = dpool4 + back_along(to_fc7, dfc7)                        # pool4 was used twice: it collects from both
    dpool3 = dpool3 + back_along(to_pool4, dpool4)                    # and so was pool3
    back_along(to_pool3, dpool3)


loss, cache = softmax_cross_entropy(forward(x[:2]), labels[:2])
dscores = softmax_cross_entropy_backward(cache)
backward(dscores)
mine = {name: grad.copy() for name, grad in net.grads.items()}
net.forward(x[:2], train=True)
net.backward(dscores)
assert len(mine) == len(net.grads) and all(np.array_equal(mine[name], net.grads[name]) for name in mine)
print(f"{len(mine)} gradients, all equal to net.grads; loss {float(loss):.3f}")

# %% [markdown]
# ## 7 · What a fresh skip does
#
# 16s is not trained from random weights. It starts from a trained 32s, whose arrays are copied **by name**. What
# has a new name keeps its start: bilinear kernels, and a new score layer that is **zero** (lesson 07).

# %%
def fresh_16s():
    net = build("fcn16s", classes=7)
    copied = net.load(models["fcn32s"].net.params)
    return net, [name for name in net.params if name not in copied]


net16, new = fresh_16s()
print("not copied:", *new)
assert not net16.params["score_pool4.w"].any() and not net16.params["score_pool4.b"].any()

# %% [markdown]
# So the skip adds 0 everywhere. What remains of 16s is `score_fr`, enlarged by 2 and then by 16; 32s enlarges it by
# 32 at once.
#
# **Predict.** Does the fresh 16s give *exactly* the scores of the 32s that it started from?

# %%
fresh = head_of(net16, features["fcn32s"])  # the body is a copy of the body of 32s: the same maps
two_steps = features["fcn32s"]["drop7"]
for name in ("score_fr", "upscore2", "upscore16"):
    two_steps = net16.layers[name].forward(two_steps)
assert np.array_equal(fresh, two_steps)  # to the last bit: there is nothing but score_fr in it
same = np.mean(fresh.argmax(axis=1) == scores["fcn32s"].argmax(axis=1))
print(f"mean IU {100 * iu['fcn32s']:.1f} as 32s, {100 * mean_iu(fresh.argmax(axis=1)):.1f} as fresh 16s; "
      f"{100 * same:.1f} % of the pixels have the same name")
assert 0.9 < same < 1

# %% [markdown]
# Nearly, and the rest is not the skip's doing: two steps cut off the peaks that one step keeps (lesson 05), and let the
# scores fade more at the image's border. That costs 1.4 points of mean IU, which training soon makes up for.
#
# **Why this matters: staged training.** A fresh skip changes next to nothing, so every stage starts from a net that
# works. And it can learn: zero weights have a gradient that is not zero (lesson 07).
#
# > **Why not simpler?** Why not start the new score layer at random, as every other layer? Because the net it is
# > added to works already, and random scores are noise on top of its answers:

# %%
noisy, _ = fresh_16s()
w = noisy.params["score_pool4.w"]
w[...] = np.random.default_rng(0).normal(size=w.shape) * (2 / w.shape[1]) ** 0.5  # He's start (lesson 06)
started = mean_iu(head_of(noisy, features["fcn32s"]).argmax(axis=1))
print(f"mean IU at the start: {100 * mean_iu(fresh.argmax(axis=1)):.1f} with zeros, {100 * started:.1f} at random")
assert started < mean_iu(fresh.argmax(axis=1)) - 0.1

# %% [markdown]
# ## 8 · Training the skip, live
#
# Fifty steps of 8 images each, out of a hundred of the training images. We train **the new layer alone**, 7 x 128
# weights and 7 biases, while the trained 32s around it stands still. So what it is added to is always the same, and is
# computed once.
#
# **Predict.** The fresh 16s has 60.5. Training *all* its 837,806 numbers on the same fifty batches gives 67.4. How much
# of that gain do the 903 numbers reach alone: a tenth, half, nearly all?

# %% tags=["training"]
train = VOCSegmentation(harbour.root(), "train")
train_images, train_labels = (np.stack(some) for some in zip(*(train[i] for i in range(0, len(train), 2)), strict=True))
train_x = net.preprocess(train_images)


def train_features(net):
    """What the body of a net makes of the training images: {name: map}."""
    batches = [net.body.forward(train_x[i:i + 20]) for i in range(0, len(train_x), 20)]
    return {name: np.concatenate([batch[name] for batch in batches]) for name in batches[0]}


def learn_skip(net, maps, steps=50):
    score_fr, upscore2, score_pool4, upscore16 = net.head.layers.values()
    up2 = upscore2.forward(score_fr.forward(maps["drop7"]))  # stands still
    optimiser, rng = SGD(score_pool4.params, 5e-3, momentum=0.9), np.random.default_rng(0)
    for _ in range(steps):
        batch = rng.choice(len(train_x), 8, replace=False)
        fuse4 = up2[batch] + score_pool4.forward(maps["pool4"][batch], train=True)
        _, cache = softmax_cross_entropy(upscore16.forward(fuse4, train=True), train_labels[batch])
        score_pool4.backward(upscore16.backward(softmax_cross_entropy_backward(cache)))
        optimiser.step(score_pool4.grads)


learn_skip(net16, train_features(net16))
trained = head_of(net16, features["fcn32s"]).argmax(axis=1)
print(f"mean IU {100 * mean_iu(fresh.argmax(axis=1)):.1f} → {100 * mean_iu(trained):.1f}")
assert mean_iu(trained) > mean_iu(fresh.argmax(axis=1)) + 0.03

# %% [markdown]
# Nearly all.
#
# **Predict.** In the scene that gained most, which wrong pixels are put right, those inside of things or
# those along their outlines?

# %% tags=["training"]
def wrong_pixels(named):
    return np.count_nonzero((named != labels) & (labels != 255), axis=(1, 2))


gained = wrong_pixels(fresh.argmax(axis=1)) - wrong_pixels(trained)
k = gained.argmax()
captions = {f"{what}: {wrong_pixels(named)[k]} wrong": named[k]
            for what, named in (("fresh skip", fresh.argmax(axis=1)), ("trained skip", trained))}
draw.show(figures.training(images[k], captions, labels[k], colors), f"""The scene that gained most, and its names by
    16s, errors bright. {"; ".join(captions)}. The trained skip sharpens the sail's edges, finds most of the round buoy,
    and no longer calls the water below the boat boat. {np.count_nonzero(gained > 0)} of 60 scenes gained.""")

# %% [markdown]
# Both. Most of what is mended lies near outlines, since most errors do; and here the buoy comes back, and the water
# below the boat. The body was trained for 32s, nobody asked it at pool4 for what 32s lacks, and yet it lay there; 903
# numbers pick it up.
#
# With everything trained for longer, the shipped stages (750 steps for 32s, then 300 for 16s, then 300 for 8s) reach
# **61.9 → 77.9 → 85.9**. Is that the skips, or only the longer training? 32s alone, trained for as many steps as all
# three together, stays at 63 (README, where another seed says the same).
#
# The papers go the same way, with a learning rate 100 times smaller at each new stage. They also trained 8s *at
# once*, and had to shrink pool4 and pool3 by fixed factors (0.01 and 0.0001) before scoring them: without, training
# tended to diverge.

# %% [markdown]
# ## 9 · Each branch's own score map
#
# Back to the shipped 8s. Enlarging is linear, and so is adding: the scores of 8s are the **sum of three full-size
# maps**, one a branch, each enlarged to the image in its own number of steps.

# %%
def enlarge(score, *upscores):
    for name in upscores:
        score = L[name].forward(score)
    return score


parts = {
    "coarse": enlarge(own["score_fr"], "upscore2", "upscore_pool4", "upscore8"),
    "pool4": enlarge(own["score_pool4"], "upscore_pool4", "upscore8"),
    "pool3": enlarge(own["score_pool3"], "upscore8"),
}
np.testing.assert_allclose(sum(parts.values()), scores["fcn8s"], atol=1e-3)
print("coarse + pool4 + pool3 = the scores of 8s")

# %% [markdown]
# **Predict.** Here are the maps of the class *person*, in the scene of the beginning. Which branch will show
# people? Which will show only edges of people? Will any of them be right on its own?

# %%
PERSON = classes.index("person")
fuse4 = enlarge(own["score_fr"], "upscore2") + own["score_pool4"]
fuse3 = enlarge(fuse4, "upscore_pool4") + own["score_pool3"]
sums = {"+ score_pool4": fuse4, "+ score_pool3": fuse3, "8 times as large": scores["fcn8s"]}
one_class = [{name: a[EXAMPLE, PERSON] for name, a in some.items()} for some in (own, sums)]
draw.show(figures.branches(labels[EXAMPLE] == PERSON, *one_class), """Maps of the score of person. Upper row, what each
    branch says by itself: score_fr, 4 x 5 cells, weakly for or against; score_pool4, 8 x 10, strongly for some cells in
    each person; score_pool3, 16 x 20, weakly for people and other speckles; then where people are. Lower row, below
    each branch, the sum so far, from coarse cells to three clear figures.""")

# %% [markdown]
# The branch that knows *what* is far from sure. pool4 carries most of it, and is sure in a few cells of each person;
# pool3 speckles. Only the sum draws three figures. (One class's map does not name a pixel: the largest of seven does.
# So look at the names next.)
#
# ## 10 · Switch one off
#
# Since the scores are a sum, a branch is switched off by leaving its map out.
#
# **Predict.** 8s scores 85.9. Its coarse branch is, layer for layer, a 32s (and 32s alone
# scores 61.9). What does the coarse branch score alone? And the other two without it?

# %%
def switched(*on):
    """Labels named by the branches that are on, of (coarse, pool4, pool3)."""
    return sum(switch * part for switch, part in zip(on, parts.values(), strict=True)).argmax(axis=1)


titles = {(1, 1, 1): "8s", (0, 1, 1): "without coarse", (1, 0, 1): "without pool4", (1, 1, 0): "without pool3",
          (1, 0, 0): "coarse alone", (0, 1, 0): "pool4 alone", (0, 0, 1): "pool3 alone"}
named = {title: switched(*on) for on, title in titles.items()}
matrices = {title: ConfusionMatrix(7).update(some, labels) for title, some in named.items()}
print(f"{'':16s}mean IU   IU of " + " ".join(f"{name[:6]:>6s}" for name in classes))
for title, matrix in matrices.items():
    print(f"{title:16s}{100 * matrix.mean_iu:7.1f}         " + " ".join(f"{100 * value:6.0f}" for value in matrix.iu))
assert matrices["coarse alone"].mean_iu < iu["fcn32s"] - 0.15
counts = matrices["without coarse"].counts  # rows: the truth, columns: the name given
assert counts[classes.index("background"), classes.index("sheep")] > 0.1 * counts[classes.index("background")].sum()
assert counts[classes.index("hut"), classes.index("boat")] > 0.15 * counts[classes.index("hut")].sum()

# %%
CLOUDS = 1
clouds = {title: some[CLOUDS] for title, some in named.items()}
draw.show(figures.switched(images[CLOUDS], clouds, classes, colors), """
    A scene with clouds, a lighthouse, people, boat and buoy, named by 8s and by what is left of it. Without the
    coarse branch clouds become sheep, stripes of the lighthouse become buoys, and half of the sail becomes
    lighthouse. Without pool4 or pool3 the large things keep their names, with worse outlines; without pool3 the
    buoy at the right is lost. Coarse alone gives three large blobs. pool4 alone sees sheep beside the sail; pool3
    alone calls the boat lighthouse and its mast a person.""")

# %% [markdown]
# Without the coarse branch the net does not draw the same things less well: it names *other things*. Of 100
# background pixels 11 become sheep, most visibly the clouds, which are white and woolly too, and of 100 hut pixels 18
# become boat: both are planks (these shares are in `matrices["without coarse"].counts`). A view of 30 or 70 pixels
# does not settle which. The branch that sees 214 pixels did.
#
# And the coarse branch alone is far below 32s, though it is built like one, and *was* one: 8s was trained from 16s,
# and 16s from the shipped 32s. After two stages of training together it has nearly given up people (IU 13) and buoys
# (IU 7). It no longer has to find them: the others do.
#
# **Exercise 3: predict a figure.** Switch off all three: every score is 0. Which class does
# `argmax` then name, and what is the mean IU? The IU of a class is hits / (its true pixels + pixels named so −
# hits), counted over the whole set, and the mean is over the 7 classes. You need one measured number: 58.4 % of the
# counted validation pixels are background. First write the number you expect (as a fraction, 0.619 for 61.9), then
# run the change below.

# %%
# --- solution
nothing_left = 0.584 / 7
# --- yours
# nothing_left = None  # what is asked: the mean IU that you expect
# --- end
check.nothing_left(nothing_left)

# %%
on = (1, 1, 1)  # change me: to (0, 0, 0)
print(f"mean IU {mean_iu(switched(*on)):.4f}")

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `argmax` of equal numbers gives the first of them: class 0, background, at every pixel.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# For background all of its pixels are hits, and *every* pixel is named so. The six other classes have no hits.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# (IU of background + 6 · 0) / 7.
#
# </details>

# %% [markdown]
# ## 11 · Is it an ensemble?
#
# Three scorers whose scores are added: that looks like an ensemble. In an ensemble each member learns to be right on
# its own; they make different mistakes, and the sum averages these out. Let us build one and compare. The body of 8s
# stands still. Each of its three maps gets a fresh score layer, and these three are trained in two ways, with the same
# batches and the same number of steps:
#
# - **apart**: each against the truth, as if it were the whole net; then their scores are added;
# - **together**: their *sum* against the truth, as in FCN-8s.
#
# **Predict.** Which members will be better alone? Which sum will be better?

# %% tags=["training"]
maps = train_features(net)


def learn(members, steps=60):
    """Fresh score layers for {name: factor}, trained so that their sum is right -> {name: scores on val}"""
    score = {name: Conv2d(None, maps[name].shape[1], 7, 1) for name in members}
    upscore = {name: ConvTranspose2d(7, 2 * factor, factor, factor // 2) for name, factor in members.items()}
    optimisers, rng = {name: SGD(score[name].params, 1e-2, momentum=0.9) for name in members}, np.random.default_rng(0)
    for _ in range(steps):
        batch = rng.choice(len(train_x), 8, replace=False)
        total = sum(upscore[name].forward(score[name].forward(maps[name][batch], True), True) for name in members)
        _, cache = softmax_cross_entropy(total, train_labels[batch])
        dtotal = softmax_cross_entropy_backward(cache)
        for name in members:  # the same gradient for every member
            score[name].backward(upscore[name].backward(dtotal))
            optimisers[name].step(score[name].grads)
    return {name: upscore[name].forward(score[name].forward(features["fcn8s"][name])) for name in members}


factors = {"drop7": 32, "pool4": 16, "pool3": 8}
together = learn(factors)
apart = {name: learn({name: factor})[name] for name, factor in factors.items()}

# %% tags=["training"]
def alone_and_added(maps):
    return [mean_iu(some.argmax(axis=1)) for some in (*maps.values(), sum(maps.values()))]


measured = {"trained apart": alone_and_added(apart), "trained together": alone_and_added(together),
            "shipped 8s": alone_and_added(parts)}
assert all(measured["trained apart"][k] > measured["trained together"][k] + 0.1 for k in range(3))
assert abs(measured["trained together"][3] - measured["trained apart"][3]) < 0.02
in_words = "; ".join(f"{name}: " + ", ".join(f"{100 * v:.0f}" for v in values) for name, values in measured.items())
draw.show(figures.members(measured, ("coarse alone", "pool4 alone", "pool3 alone", "their sum")), f"""Bars of mean IU
    of coarse, pool4, pool3 alone, and their sum. {in_words}. Trained apart, the members are far better alone. Trained
    together they are as poor alone as the branches of 8s, and yet the two sums are equally good.""")

# %% [markdown]
# Trained apart, each member is a usable segmenter. Trained together, none is: they are as poor alone as the branches
# of the shipped 8s. And yet their sum is no worse. (Train longer and it is better: by 2 points after 200 steps. The
# shipped 8s has one advantage more: its body, too, learned with the sum.)
#
# The reason is in `learn`: one `dtotal`, softmax of the **sum** minus the truth, goes back to all members. Each learns
# what the others leave over. Where the sum is surely right, that gradient is nearly zero, however wrong a member's own
# map is. How the sum is shared out is not even determined: add 20 to the *person* scores of one branch's map and
# take 20 from those of another, and the sum stays, and with it the loss.
#
# **Exercise 4: in your own words.** A friend says: "FCN-8s is an ensemble of three segmenters." What is right in
# that, what is wrong, and which measurement of this lesson would you show? Three sentences.

# %% [markdown] tags=["answer"]
# *One answer.* Right: its scores are a sum of three score maps from three depths, added as the votes of an ensemble.
# Wrong: nobody trained the members to be right by themselves; only their sum met the loss, so each learned what the
# others left over. I would show the bars: on the same features, members trained apart score 53, 74 and 56 alone, those
# trained together 32, 45 and 30, and yet the two sums are equally good. *(Figures of one run; yours may differ by a
# point or two.)*

# %% [markdown]
# ## 12 · Adding scores is stacking features, only cheaper
#
# The second of the papers (PAMI) defines a skip by concatenation: stack the features of both depths, then score them
# with one 1 x 1 convolution. What is run is: score each, then add.
#
# **Predict.** How large is the difference?

# %%
rng = np.random.default_rng(0)
deep, finer = rng.normal(size=(1, 192, 4, 5)), rng.normal(size=(1, 128, 8, 10))     # like fc7 and pool4
w_deep, w_finer = rng.normal(size=(7, 192, 1, 1)), rng.normal(size=(7, 128, 1, 1))

larger_scores, _ = conv_transpose2d(conv2d(deep, w_deep)[0], bilinear_kernel(7, 4, float), stride=2, pad=1)
added = larger_scores + conv2d(finer, w_finer)[0]

larger, _ = conv_transpose2d(deep, bilinear_kernel(192, 4, float), stride=2, pad=1)
stacked = conv2d(np.concatenate([larger, finer], axis=1), np.concatenate([w_deep, w_finer], axis=1))[0]
np.testing.assert_allclose(added, stacked, atol=1e-10)
print("the same scores; enlarged on the way:", larger[0].size, "numbers, or", larger_scores[0].size)

# %% [markdown]
# There is none. A 1 x 1 convolution is one matrix at every cell, and a matrix of two parts beside each other gives
# the sum of what each part gives: `[A B] [x; y] = A x + B y`. And enlarging does the same to every channel, so it
# may come before or after scoring. After is cheaper: 7 channels instead of 192; in the papers' nets 21 instead of
# 4096, a 195th of the numbers.
#
# ## 13 · Crops, derived
#
# Maps that are added must lie on each other. The papers' nets pad the image by 100 pixels, then do not pad fc6 and
# the upsampling, and put things right with crops whose offsets stand in their files as bare numbers. Why 100, why
# 19? Readers of FCN code ask this more than anything else. You will now compute both.
#
# Two numbers say where a map lies (lesson 04): its **step** $j$, the image pixels from cell to cell, and its **origin**
# $a$, the pixel on which cell 0 is centred. The image itself has $j = 1$, $a = 0$. A convolution or pooling changes
# them to
#
# $$a' = a + \Bigl(\frac{K-1}{2} - P\Bigr) j, \qquad j' = j S .$$
#
# Now VGG16, as the papers use it: the first convolution padded by P = 100, all other 3 x 3 ones by 1, five 2 x 2
# poolings, then fc6, 7 x 7 and **not** padded.
#
# **Predict** the origin of fc7, on paper. Most layers move nothing.

# %%
def vgg(pad):
    def conv(k, pad):
        return Conv2d(None, 1, 1, k, pad=pad)

    layers = {}
    for block, convs in enumerate((2, 2, 3, 3, 3), 1):
        for k in range(1, convs + 1):
            layers[f"conv{block}_{k}"] = conv(3, 1 if layers else pad)  # the first one alone has the great padding
        layers[f"pool{block}"] = MaxPool2d(2)
    return layers | {"fc6": conv(7, 0), "fc7": conv(1, 0)}


def grids_after(layers):
    """{name: Grid} after each layer; a Grid knows its step and origin."""
    found, grid = {}, Grid()
    for name, layer in layers.items():
        found[name] = grid = grid.after(layer)
    return found


grids = grids_after(vgg(100))
for name, note in {"conv1_1": "0 + (1 - 100) * 1", "pool1": "+ 1/2 * 1", "pool2": "+ 1/2 * 2", "pool3": "+ 1/2 * 4",
                   "pool4": "+ 1/2 * 8", "pool5": "+ 1/2 * 16", "fc6": "+ 3 * 32", "fc7": "+ 0"}.items():
    print(f"{name:8s} step {grids[name].step:2d}   origin {grids[name].origin:6.1f}   {note}")
assert grids["fc7"] == Grid(32, (1 - 100) * 1 + (1 + 2 + 4 + 8 + 16) / 2 + 3 * 32) == Grid(32, 12.5)

# %% [markdown]
# **Upsampling** runs the other way: cell u is *spread* over the new cells S·u − P to S·u − P + K − 1, centred on
# S·u + (K − 1)/2 − P, and new cells lie j/S apart. So the old cell 0, at pixel a, lies (K − 1)/2 − P new cells
# after the new cell 0:
#
# $$a' = a - \Bigl(\frac{K-1}{2} - P\Bigr) \frac{j}{S}, \qquad j' = \frac{j}{S}.$$
#
# **Predict.** 32s has K = 64, S = 32, P = 0: on which pixel of the image does cell 0 of `upscore` lie?

# %%
upscore = grids["fc7"].after(ConvTranspose2d(1, 64, 32))
assert upscore == Grid(1, 12.5 - 63 / 2 * 1) == Grid(1, -19)
print("cell 0 lies on pixel -19: pixel 0 is cell", upscore.offset(Grid()))

# %% [markdown]
# **That is the 19.** Nothing but 12.5 − 31.5, with its sign turned.
#
# How many cells are there? Convolutions: side + 2P − K + 1. Poolings, as in Caffe, round **up**: ceil(side / 2).
# Upsampling: S·(side − 1) + K − 2P.
#
# **Predict.** An image side of 96 is 296 when padded, and 294 after the first convolution. How many cells has
# `score_fr`?

# %%
def side_after(layers, side):
    """The side of the map after these layers; 0 if some kernel finds no place."""
    for layer in layers.values():
        side += 2 * layer.pad - layer.kernel
        side = (ceil(side / layer.stride) if isinstance(layer, MaxPool2d) else side // layer.stride) + 1
        if side < 1:
            return 0
    return side


SIDE = 96
cells = side_after(vgg(100), SIDE)
up = 32 * (cells - 1) + 64
assert (cells, up) == (4, 160) and 19 + SIDE <= up
figure = figures.ruler(SIDE, 100, cells, 12.5, 32, up, 19)
draw.show(figure, """Four rulers in image pixels, below one another. The image: 0 to 95. Padded by 100: -100 to 195.
    score_fr: 4 cells, 32 apart, centred on 12.5, 44.5, 76.5 and 108.5. upscore: 160 cells from -19 to 140. Dashed lines
    at the image's borders cut 19 cells off at the left and 45 at the right.""")

# %% [markdown]
# ### Why 100
#
# P stands in one place, the first layer. It moves every origin by −P, and adds cells at the ends. So the final
# offset of 32s is P − 81 in general. With P below 81 it would be negative: the score map begins *inside* the image,
# and no crop can add what is not there. VGG's own padding is P = 1.
#
# **Predict.** How many pixels at the left of the image then have no score?

# %%
rows = []
for pad in (1, 41, 81, 100):
    first = int(grids_after(vgg(pad))["fc7"].origin - 63 / 2)
    rows.append((pad, first, first + 32 * (side_after(vgg(pad), 500) - 1) + 64))
    assert first == 81 - pad
draw.show(figures.coverage(500, rows), f"""An image of 500 pixels as a grey bar, four times, over it hatched the
    pixels that upscore reaches for padding 1, 41, 81 and 100. With 1 it reaches pixels {rows[0][1]} to {rows[0][2] - 1}
    only, with 41 {rows[1][1]} to {rows[1][2] - 1}, with 81 it begins exactly with the image, with 100 19 pixels
    before it.""")

# %% [markdown]
# Is 81 enough at the other end too, whatever the image's size? And fc6 is 7 x 7 and needs as many cells of pool5. Try
# all paddings and sizes.
#
# **Predict.** An image of 192 x 192 with P = 1: how many cells has fc7?

# %%
def covered(pad, sides):
    """Whether upscore covers the whole image, for every side."""
    layers, offset = vgg(pad), pad - 81
    cells = [side_after(layers, side) for side in sides]
    return offset >= 0 and all(n and offset + side <= 32 * (n - 1) + 64 for n, side in zip(cells, sides, strict=True))


enough = [next(pad for pad in range(70, 110) if covered(pad, range(least, 600))) for least in (64, 1)]
print(f"smallest padding for all images of 64 to 599 pixels: {enough[0]}; of 1 to 599: {enough[1]}")
assert enough == [81, 97] and covered(100, range(1, 600))
assert (side_after(vgg(1), 192), side_after(vgg(1), 193)) == (0, 1)

# %% [markdown]
# None: with P = 1 no image below 193 x 193 gets through. With 81 every image of 64 pixels or more is covered; with 97
# every image, a single pixel too; 100 is a round number above both. The authors call it convenient, not necessary. It
# is not free: all of VGG computes a border of zeros, 100 pixels wide.
#
# **Exercise 5: the offsets of 16s, by hand.** `upscore2` (K = 4, S = 2, P = 0) enlarges `score_fr` (step 32, origin
# 12.5). `score_pool4` (step 16, origin −91.5, from the table above) is cropped to it, and they are added. `upscore16`
# (K = 32, S = 16, P = 0) enlarges the sum, and that is cropped to the image. Which two offsets?

# %%
# --- solution
offsets_16s = 5, 27  # upscore2: 12.5 - 1.5 * 16 = -11.5, (-11.5 + 91.5) / 16 = 5; upscore16: -11.5 - 15.5 = -27
# --- yours
# offsets_16s = None, None  # what is asked: into score_pool4, into upscore16
# --- end
check.offsets_16s(offsets_16s)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The formula for upsampling, with j/S = 16 for upscore2 and j/S = 1 for upscore16.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The origin of upscore2 is 12.5 − 1.5 · 16. To begin there, score_pool4 has to skip as many cells *of 16 pixels* as
# lie between the two origins. The sum lies where upscore2 lies.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# First offset: (−11.5 − (−91.5)) / 16. Second: upscore16 begins at −11.5 − 15.5, the image at 0.
#
# </details>
#
# **Exercise 6: predicted sizes.** An image of 375 x 500 pixels goes through FCN-8s with P = 100. Write
# (height, width) of `score_fr`, `upscore2`, `upscore_pool4` and `upscore8` (before its crop), with paper and the
# rules for sizes above: 375 + 200 − 2 = 573, then five halvings, rounded up, …

# %%
# --- solution
sizes_8s = (12, 16), (26, 34), (54, 70), (440, 568)
# --- yours
# sizes_8s = None, None, None, None  # what is asked: each (height, width)
# --- end
check.sizes_8s(sizes_8s)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# After the first convolution (P = 100) only poolings and fc6 change the size. A sum is as large as the enlarged
# map, since the skip is cropped to it.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# 573 → 287 → 144 → 72 → 36 → 18, and fc6 takes off 6. Then 2n + 2, again 2n + 2, and 8(n − 1) + 16 = 8n + 8.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Heights: 12, 26, 54, 440. Widths begin with 500 + 198 = 698 → 349 → 175 → …
#
# </details>
#
# All offsets from the layers, in one function:

# %%
def crops(skips, pad=100):
    """The offset into each skip, and the one in the end."""
    grids, offsets = grids_after(vgg(pad)), []
    grid = grids["fc7"]
    for skip in skips:
        grid = grid.after(ConvTranspose2d(1, 4, 2))
        offsets.append(grids[skip].offset(grid))
    step = int(grid.step)
    return *offsets, grid.after(ConvTranspose2d(1, 2 * step, step)).offset(Grid())


for net_name, skips in (("32s", ()), ("16s", ("pool4",)), ("8s", ("pool4", "pool3"))):
    print(f"{net_name:4s} padded by 100: {crops(skips)}    by 110: {crops(skips, 110)}")
assert crops(()) == (19,) and crops(("pool4",)) == (5, 27) and crops(("pool4", "pool3")) == (5, 9, 31)

# %%
sky, sand = (0.86, 0.93, 0.98), (0.99, 0.9, 0.72)
rows = [("upscore2\nfrom −11.5", -11.5, 16, sand), ("score_pool4\nfrom −91.5", -91.5, 16, sky),
        ("upscore_pool4\nfrom −23.5", -23.5, 8, sand), ("score_pool3\nfrom −95.5", -95.5, 8, sky)]
draw.show(figures.skip_ruler(rows, [(1, 0, 5), (3, 2, 9)]), """Two pairs of rulers. upscore2 begins at -11.5 with
    cells of 16 pixels, score_pool4 at -91.5: five of its cells, numbered, lie before the dashed line where upscore2
    begins. upscore_pool4 begins at -23.5 with cells of 8 pixels, score_pool3 at -95.5: nine of its cells lie before
    that.""")

# %% [markdown]
# The skips' offsets do not depend on P: it moves both maps alike.
#
# **Exercise 7: predict a figure.** Suppose somebody adds one more skip, pool2 (step 4), for
# an FCN-4s, P = 100. First write the two numbers you expect: the offset into `score_pool2` (origin −97.5), and the
# final one, of `upscore4` (K = 8, S = 4). You know that `upscore_pool4` begins at −23.5; next comes `upscore_pool3`
# (K = 4, S = 2). Then run the change.

# %%
# --- solution
offsets_4s = 17, 33  # upscore_pool3: -23.5 - 1.5 * 4 = -29.5, (-29.5 + 97.5) / 4 = 17; upscore4: -29.5 - 3.5
# --- yours
# offsets_4s = None, None  # what is asked: into score_pool2, into upscore4
# --- end
check.offsets_4s(offsets_4s)

# %%
skips = ("pool4", "pool3")  # change me: one more skip
print("offsets:", crops(skips))

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# It is exercise 5 once more, one level finer: `upscore_pool3` enlarges the sum at step 8, and j/S is now 4.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The sum at step 8 lies where upscore_pool4 lies, at −23.5. The new origin is 1.5 cells of 4 pixels before that.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# upscore_pool3 begins at −23.5 − 1.5 · 4; from there to −97.5 it is 4 pixels a cell; upscore4 begins 3.5 pixels
# before upscore_pool3.
#
# </details>
#
# **Why mini needs no crop.** It pads every convolution by (K − 1)/2, fc6 too, and the upsampling by S/2. Then cell 0 of
# every map covers just the first j pixels, its centre is (j − 1)/2, and maps of one step lie on each other.

# %%
mini = net.head.grids
assert all(mini[name] == Grid(step, (step - 1) / 2) for name, step in (("pool3", 8), ("pool4", 16), ("drop7", 32)))
assert mini["upscore2"] == mini["pool4"] and mini["upscore_pool4"] == mini["pool3"]
print("mini's origins:", *(f"{name} {mini[name].origin}" for name in ("pool3", "pool4", "drop7")))

# %% [markdown]
# ## 14 · What a wrong crop costs
#
# Copy the 19 of 32s into a 16s, and its scores lie 8 pixels off; into an 8s, 12. Nothing fails: all the shapes fit.
# (They lie too far down and to the right. Measured here is the other direction, which costs the same.)
#
# **Predict.** 8s scores 85.9 with its maps in place. How much if they lie 4 pixels too far up and to the left? 12?
# 16? And does 32s lose more or less?

# %%
shifts = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32)
high, wide = labels.shape[1:]
curves = {}
for name in ("fcn8s", "fcn32s"):
    best = scores[name].argmax(axis=1)
    curves[name.replace("fcn", "FCN-")] = [mean_iu(best[:, d:, d:], labels[:, :high - d, :wide - d]) for d in shifts]
in_words = ["falls from " + ", ".join(f"{100 * curve[shifts.index(d)]:.0f} at {d}" for d in (0, 4, 8, 16))
            for curve in curves.values()]
draw.show(figures.cost(shifts, curves, (0, 4, 8, 16, 32)), f"""Mean IU against the error of the crop in pixels. FCN-8s
    {in_words[0]}; FCN-32s {in_words[1]}. The finer net loses faster.""")

# %% [markdown]
# Four pixels cost 8s as much as leaving out its pool4 branch did.
#
# **Predict.** And if the crop *inside* the net is wrong, by one cell of a skip?

# %%
for name, rest in (("pool4", ("upscore_pool4", "upscore8")), ("pool3", ("upscore8",))):
    off = np.zeros_like(own[f"score_{name}"])
    off[:, :, :-1, :-1] = own[f"score_{name}"][:, :, 1:, 1:]  # begins one cell too late
    wrongly = scores["fcn8s"] - parts[name] + enlarge(off, *rest)
    print(f"{name} one cell off: {100 * mean_iu(wrongly.argmax(axis=1)):.1f}    "
          f"without {name}: {100 * matrices[f'without {name}'].mean_iu:.1f}    in place: {100 * iu['fcn8s']:.1f}")

# %% [markdown]
# A skip in the wrong place is worse than none.
#
# ## 15 · And further?
#
# | mean IU | 32s | 16s | 8s |
# |---|---|---|---|
# | Harbour, mini | 61.9 | 77.9 | 85.9 |
# | PASCAL VOC (seg11valid), VGG, PAMI table 3 | 63.6 | 65.0 | 65.5 |
#
# The steps get smaller, and the papers stop at pool3. A finer map helps only where the coarser one is too coarse.
# (VOC's photographs are about 500 pixels wide and the things in them large; Harbour's masts and legs were made thin on
# purpose.) And the finer the map, the less it knows: VGG cut off at pool5 and scored there reaches 50.0, at pool4 22.4,
# at pool3 9.2 (PAMI table 3).
#
# ## Three sentences to remember
#
# 1. A skip adds **scores**: the last score map, enlarged, plus a 1 x 1 score of a finer map; the gradient of that sum
#    goes whole to both.
# 2. A fresh skip is zero and changes nearly nothing, so nets are built in stages; once trained together, the branches
#    are no ensemble: only their sum means anything.
# 3. A map lies where its step and origin say, and both follow from K, S and P of its layers: compute the crop,
#    never type it in.
#
# **Next:** lesson 09 (How good is it?). Four scores from one matrix, and four wrong ways to compute one of them.

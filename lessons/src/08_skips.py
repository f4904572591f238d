# %% [markdown]
# # 08 · Skips: 16s and 8s
# **FCN-32s knows what is in the picture and cannot say where it ends. Where is the fine outline, and how does it
# get back in?**
#
# At the end you can
# - fuse a coarse score map with a fine one, forward and backward, and write FCN-8s on one page;
# - say what each of its three branches contributes, and what is left when one of them is switched off;
# - derive every crop offset of the papers' nets (why pad by 100, why cut off 19) instead of typing it in.
#
# You need lessons 02 to 07: convolution and its gradients, receptive fields, upsampling, the loss, FCN-32s. Reading
# takes about 45 minutes, the exercises another 45, running everything half a minute.

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
from minifcn.nets.geometry import Grid, overlap, receptive_field
from minifcn.ops import (
    bilinear_kernel,
    conv2d,
    conv2d_backward,
    conv_transpose2d,
    conv_transpose2d_backward,
    crop,
    crop_backward,
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
# ## The picture first
# Three shipped nets name the pixels of a scene that they have never seen. Their bodies are built alike, layer for
# layer; only what comes after differs. Wrong pixels are lit.
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
    wrong pixels lit; below, two people enlarged. 32s joins the two people into one blob without legs
    ({wrong["fcn32s"]} pixels wrong), 16s parts them and rounds their legs to a point ({wrong["fcn16s"]}), 8s begins to
    part the legs ({wrong["fcn8s"]}).""")

# %% [markdown]
# That is one picture. Over all 60:

# %%
def mean_iu(predicted, truth=labels):
    return ConfusionMatrix(len(classes)).update(predicted, truth).mean_iu


x = models["fcn8s"].net.preprocess(images)
scores = {name: model.net.forward(x) for name, model in models.items()}
iu = {name: mean_iu(s.argmax(axis=1)) for name, s in scores.items()}
for name in models:
    print(f"{name:7s} mean IU {100 * iu[name]:.1f}")
assert iu["fcn32s"] < iu["fcn16s"] < iu["fcn8s"]

# %% [markdown]
# ## What, and where
# The fine outline is not lost for good. Finer maps were computed on the way to the coarse one; FCN-32s uses them
# once and looks at the last map only. This is what the body passes through (lesson 04 computed such figures):

# %%
net = models["fcn8s"].net
names = list(net.body.layers)
for tap, channels in net.body.channels.items():
    before = [net.body.layers[name] for name in names[:names.index(tap) + 1]]
    step = int(np.prod([layer.stride for layer in before]))
    print(f"{tap:6s} a cell every {step:2d} pixels, each sees {receptive_field(before):3d} pixels, {channels} channels")

# %% [markdown]
# A cell of `drop7` (fc7 after its dropout; this is what `score_fr` scores) sees 214 pixels, more than the image
# has: it can tell the planks of a boat from the planks of a hut by the water around. It knows **what**. But there
# are only 4 × 5 such cells. A cell of `pool3` sees 30 pixels, a few planks, and there are 16 × 20 of them: it knows
# **where**.
#
# The papers' idea: ask all three, and add what they say. Each is asked in the language of classes: a 1×1
# convolution turns the features of a tap into **scores**, one map a class. The coarsest score map is made twice as
# large, so that it lies on the next finer one, and the two are added. The sum is made twice as large and added to
# the next. The last sum is made eight times as large.

# %%
scored = {"score_fr": "drop7", "score_pool4": "pool4", "score_pool3": "pool3"}   # score layer: the tap it scores
one = net.body.forward(x[:1])
sizes = {"image": x[0].shape, **{tap: one[tap][0].shape for tap in one}, "scores": scores["fcn8s"][0].shape}
sizes |= {name: net.layers[name].forward(one[tap])[0].shape for name, tap in scored.items()}
draw.show(figures.graph(sizes), """FCN-8s as a graph. On the left the body goes down from the image over pool3 (step 8)
    and pool4 (step 16) to fc7 (step 32). From each of the three a 1x1 convolution goes to the right: score_pool3,
    score_pool4, score_fr, 7 channels each. On the right the scores go up: score_fr 2x larger (upscore2), plus
    score_pool4, 2x larger (upscore_pool4), plus score_pool3, 8x larger (upscore8), cropped, as large as the image.""")

# %% [markdown]
# Cover parts of the figure and you see the others: without the top plus it is FCN-16s (and `upscore16` goes all the
# way up from the lower plus), without both it is FCN-32s.
#
# Read the right side once more. **What is enlarged is the last score map**, 7 channels here, 21 in the papers. It
# is never pool5, and never fc7: those are features, and all the work of fc6 and fc7 lies between pool5 and a score.
# To take it for the features is a common misreading of the papers' figure 3. We count below what it would cost.

# %% [markdown]
# ## The smallest case by hand
# One class, "boat": above 0 means boat. A coarse map of 2 × 2 cells says: the left half. A fine map of 4 × 4 cells
# knows little of boats, but has seen something thin in the two upper rows, one column further to the right: a mast.
#
# Enlarging by 2 with K = 4, S = 2, P = 1 (lesson 05): every cell is spread over 4 × 4 with the weights ¼, ¾, ¾, ¼
# each way, and the outer ring is cut off.
#
# **Predict** on paper: the upper row of the enlarged map, the upper row of the sum, and which pixels are then boat.

# %%
coarse = np.array([[16.0, -16], [16, -16]])
fine = np.array([[0.0, 0, 10, 0], [0, 0, 10, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
kernel = bilinear_kernel(1, 4, np.float64)
up = conv_transpose2d(coarse[None, None], kernel, stride=2, pad=1)[0][0, 0]
total = up + fine
assert up[0].tolist() == [9, 6, -6, -9]      # 16 * 3/4 * 3/4, 16 * 3/4 * (3/4 - 1/4), ...
assert total[0].tolist() == [9, 6, 4, -9]
draw.show(figures.small_case(coarse, up, fine, total), """Four small matrices, cells above 0 filled. Coarse 2x2: 16
    and -16 in both rows. Enlarged: 9 6 -6 -9 in the outer rows, 12 8 -8 -12 in the inner ones, left half filled. Fine:
    10 in the third column of the upper two rows. Sum: the upper rows are 9 6 4 -9 and 12 8 2 -12, so that there three
    columns are filled, below two.""")

# %% [markdown]
# The fine map decides nothing on its own. It tips the balance where the coarse map hesitates, and cannot where the
# coarse map is sure: 10 in the last column would have changed nothing. And the loss sees the sum only.
#
# **Backward, by hand.** Let the loss want more of the pixel in row 0, column 2: `dtotal` is 1 there and 0
# elsewhere. A sum hands its gradient to *both* terms, all of it. The fine map gets exactly `dtotal`. The coarse map
# gets it through the enlargement: that pixel was made of ¾ · ¼ of cell (0, 0) and ¾ · ¾ of cell (0, 1), and of
# nothing of the lower row.
#
# **Predict** `dcoarse`.

# %%
dtotal = np.zeros((4, 4))
dtotal[0, 2] = 1
_, cache = conv_transpose2d(coarse[None, None], kernel, stride=2, pad=1)
dcoarse = conv_transpose2d_backward(dtotal[None, None], cache)[0][0, 0]
assert (16 * dcoarse).tolist() == [[3, 9], [0, 0]]
assert_gradient(lambda c: conv_transpose2d(c[None, None], kernel, stride=2, pad=1)[0][0, 0] + fine,
                coarse, dtotal, dcoarse, "coarse")
print("dfine is dtotal itself; dcoarse, in sixteenths:\n", 16 * dcoarse)

# %% [markdown]
# ## Fusing, as a layer
# The papers' nets differ from the case above in one point: they upsample with P = 0, and their skip is the *larger*
# map, so the part of it that lies under the upsampled one has to be cut out first. At which cell to start is the
# **offset**. Where it comes from is the second half of this lesson; here it is given.
#
# ### Shapes
# score (N,C,h,w), the last score map; fine (N,C,H,W), the scores of the skip; K = 4, S = 2, P = 0. The upsampled
# map has $U = S(h - 1) + K - 2P = 2h + 2$ rows, and so has the sum: `y` (N,C,2h+2,2w+2). It fits if offset + 2h + 2
# ≤ H.
#
# **Predict**: how large does a score map of 12 × 16 become?

# %%
twice_as_large, _ = conv_transpose2d(np.zeros((1, 1, 12, 16)), kernel, stride=2)
assert twice_as_large.shape == (1, 1, 2 * 12 + 2, 2 * 16 + 2)
print(twice_as_large.shape)

# %% [markdown]
# ### Forward
# $$y_{n,c,u,v} = \text{up}_{n,c,u,v} + \text{fine}_{n,c,o+u,o+v}$$
#
# with $\text{up}$ the scores enlarged by 2 and $o$ the offset, the same in both directions.
#
# **Exercise 1.** Two lines are missing.

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
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The second line needs the part of `fine` from row and column `offset` on, as many rows and columns as `up` has.
# Those are its third and fourth axes.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `up, up_cache = conv_transpose2d(score, kernel, stride=...)`
#
# `y = up + fine[:, :, offset:offset + up.shape[2], ...]`
# </details>

# %% [markdown]
# ### What to remember
# No numbers at all. The gradient of a sum does not depend on what was added (that of a product would). Only the
# geometry: where the crop began and how large the map was that it was cut from. The upsampling keeps its own cache.

# %% [markdown]
# ### Backward
# - dy goes to both terms, whole: not half of it to each;
# - through the upsampling as in lesson 05: with $\text{up} = W^T \text{score}$, so $d\text{score} = W dy$;
# - through the crop: cells that were cut off have not changed y, so their gradient is 0:
#
# $$d\text{fine}_{n,c,i,j} = dy_{n,c,i-o,j-o} \quad \text{inside the crop}, \qquad 0 \quad \text{outside}.$$
#
# **Exercise 2.** All of it is missing.

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
# Judged by central differences, for both inputs:

# %%
check.fuse_backward(fuse_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `conv_transpose2d_backward(dy, cache)` returns three gradients, dx, dw and db; you need the first. Its cache is
# `up_cache`.
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# dfine is as large as fine was before it was cut: begin with zeros of `fine_shape`, then put dy where y was taken
# from.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dfine = np.zeros(fine_shape, dy.dtype)`, then `dfine[:, :, offset:..., offset:...] = dy`.
# </details>
#
# The library has the crop as an operation of its own (`minifcn/ops/upsample.py`), so that it can stand wherever two
# maps must be cut to each other. From here on it is used, and with it the layer `ConvTranspose2d`.

# %%
rng = np.random.default_rng(4)
whole = rng.normal(size=(1, 2, 7, 9))
part, crop_cache = crop(whole, 2, 4, 5)  # from row and column 2 on, 4 rows and 5 columns
dpart = rng.normal(size=part.shape)
dwhole = crop_backward(dpart, crop_cache)
assert_gradient(lambda whole: crop(whole, 2, 4, 5)[0], whole, dpart, dwhole, "whole")
print(f"{whole.shape} cut to {part.shape}; of {dwhole.size} gradients {np.count_nonzero(dwhole)} are not 0")

# %% [markdown]
# ## Break it: a tensor used twice
# A skip means that pool4 is used twice: by `score_pool4`, and by conv5_1 and all that follows. If it changes a
# little, y changes along both ways, so its gradient is the sum of what comes back along both:
#
# $$d\text{pool4} = W_s^T d\text{fuse} + (\text{what comes back through fc7, ..., conv5}).$$
#
# Here is the smallest net with a skip. The deep way is a pooling, a score, an enlargement; the other is a score.

# %%
rng = np.random.default_rng(8)
pool4 = rng.permutation(2 * 4 * 6).reshape(1, 2, 4, 6) / 10.0  # distinct numbers: no ties at the pooling
deep_w, skip_w, kernel = rng.normal(size=(1, 2, 1, 1)), rng.normal(size=(1, 2, 1, 1)), bilinear_kernel(1, 4, float)


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
# **Predict.** Somebody writes `dpool4 = from_deep` a line below `dpool4 = from_skip`: an `=` where a `+=` belongs.
# The deep way goes through a 2×2 max pooling, which passes gradients to one in four. In how many of the 48 elements
# is the result wrong?

# %%
try:
    assert_gradient(lambda p: tiny(p)[0], pool4, dy, from_deep, "pool4")
except AssertionError as says:
    print(says)

# %% [markdown]
# In all of them: every element of pool4 feeds `score_pool4`. No shape is wrong and no error is raised; training
# would run, and what lies below pool4 would never hear from the skip. Only the gradient check says it.

# %% [markdown]
# ## FCN-8s on one page
# Now the real net: layers of the library, weights as shipped. Two small helpers run a stretch of the body, and run
# it back.

# %%
L = net.layers  # by name: "conv1_1", ..., "upscore8"
cut = [names.index(tap) + 1 for tap in ("pool3", "pool4", "drop7")]
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
print("equal to net.forward, to the last bit")

# %% [markdown]
# **Backward reads as forward from the bottom up.** Hold the two cells beside each other: the last line of forward
# is the first of backward. Where forward adds, one gradient goes two ways. Where forward uses a map twice, two
# gradients are added.

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
# No crop was needed: mini pads every layer so that its maps begin where the image begins. Where they *end* depends
# on the image: poolings round up, so if 32 does not divide its sides, the enlarged map reaches beyond the skip at
# the right and below. `overlap` in `minifcn/nets/geometry.py` finds what two maps share, whichever is larger.

# %%
odd = net.body.forward(np.zeros((1, 3, 100, 130), np.float32))
up2, fine4 = L["upscore2"].forward(L["score_fr"].forward(odd["drop7"])), L["score_pool4"].forward(odd["pool4"])
shared = overlap(net.head.grids["up_to_pool4"], net.head.grids["pool4"], up2.shape[2:], fine4.shape[2:])
print("enlarged:", up2.shape[2:], " skip:", fine4.shape[2:], " offsets", shared[:2], "and shared", shared[2:])
assert shared == (0, 0, 7, 9)

# %% [markdown]
# ## What a fresh skip does
# 16s is not trained from random weights. It starts from a trained 32s, whose arrays are copied **by name**. What
# has a new name keeps its start: bilinear kernels, and a new score layer that is **zero**.

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
fresh = net16.forward(x)
own_scores = net16.layers["score_fr"].forward(net16.body.forward(x[:4])["drop7"])
two_steps = net16.layers["upscore16"].forward(net16.layers["upscore2"].forward(own_scores))
assert np.array_equal(net16.forward(x[:4]), two_steps)  # to the last bit: there is nothing but score_fr in it
same = np.mean(fresh.argmax(axis=1) == scores["fcn32s"].argmax(axis=1))
apart_by = abs(fresh - scores["fcn32s"])
print(f"mean IU {100 * iu['fcn32s']:.1f} as 32s, {100 * mean_iu(fresh.argmax(axis=1)):.1f} as fresh 16s")
print(f"{100 * same:.1f} % of the pixels have the same name; scores differ by {apart_by.mean():.1f} on average, "
      f"by {apart_by[..., 32:-32, 32:-32].max():.0f} at most inside and by {apart_by.max():.0f} at the border")
assert 0.9 < same < 1

# %% [markdown]
# Nearly, and the rest is not the skip's doing. Enlarging in two steps is not the same as in one:

# %%
rows = np.zeros((1, 1, 5, 5), np.float32)
rows[..., 2] = 1  # in every row one cell of 1
once = ConvTranspose2d(1, 64, 32, 16).forward(rows)[0, 0, 80]
twice = ConvTranspose2d(1, 32, 16, 8).forward(ConvTranspose2d(1, 4, 2, 1).forward(rows))[0, 0, 80]
draw.show(figures.tents(once, twice, 32), """A single cell of 1 among zeros, enlarged 32 times. In one step it becomes a
    tent with its tip at 1 and its feet at the neighbouring cells. In two steps, 2x and then 16x, the tip is cut off at
    three quarters, and the feet reach a little beyond the neighbours.""")

# %% [markdown]
# The 2× step puts cells a quarter to the left and right of each old centre, with ¾ of its value; the 16× step draws
# straight lines between *those*, and the tip is lost. Also, at the image's border scores fade towards 0 with every
# step, since cells outside count as zero: there the differences are largest. That costs 1.4 points of mean IU,
# which training soon makes up for.
#
# **Why this matters: staged training.** A fresh skip changes next to nothing, so every stage starts from a net that
# works. And it can learn: the gradient *of* the zero weights is not zero. Only what lies behind them hears nothing
# through the skip, for the one step in which they are still zero.
#
# **Predict** from lesson 03's formulas, dw = dy xᵀ and dx = wᵀ dy: which of the two is zero here?

# %%
_, cache = softmax_cross_entropy(net16.forward(x[:8], train=True), labels[:8])
dfuse = net16.layers["upscore16"].backward(softmax_cross_entropy_backward(cache))
dpool4 = net16.layers["score_pool4"].backward(dfuse)
dw = net16.layers["score_pool4"].grads["w"]
assert dw.any() and not dpool4.any()
print(f"largest element of dw: {abs(dw).max():.3f}; of what goes on to pool4: {abs(dpool4).max():.0f}")

# %% [markdown]
# > **Why not simpler?** Why not start the new score layer at random, as every other layer? Because the net it is
# > added to works already, and random scores are noise on top of its answers:

# %%
noisy, _ = fresh_16s()
w = noisy.params["score_pool4.w"]
w[...] = np.random.default_rng(0).normal(size=w.shape) * (2 / w.shape[1]) ** 0.5  # He's start (lesson 06)
started = mean_iu(noisy.forward(x).argmax(axis=1))
print(f"mean IU at the start: {100 * mean_iu(fresh.argmax(axis=1)):.1f} with zeros, {100 * started:.1f} at random")
assert started < mean_iu(fresh.argmax(axis=1)) - 0.1

# %% [markdown]
# ## Training the skip, live
# Fifty steps of 8 images each, two rounds through the 200 training images, a few seconds. The loop trains the
# parameters that it is told to.
#
# We run it twice, both times from the fresh 16s: once on everything; once on **the new layer alone**, 7 × 128
# weights and 7 biases, while the trained 32s around it stands still.
#
# **Predict.** The fresh 16s has 60.5. How much will everything reach? And the 903 numbers alone: a tenth of that
# gain, half of it, nearly all?

# %% tags=["training"]
train = VOCSegmentation(harbour.root(), "train")
train_images, train_labels = (np.stack(some) for some in zip(*(train[i] for i in range(len(train))), strict=True))
train_x = net16.preprocess(train_images)


def learn(net, learned, steps=50, rate=5e-3):
    optimizer = SGD({name: net.params[name] for name in learned}, rate, momentum=0.9)
    rng, losses = np.random.default_rng(0), []
    for _ in range(steps):
        batch = rng.choice(len(train_x), 8, replace=False)
        loss, cache = softmax_cross_entropy(net.forward(train_x[batch], train=True), train_labels[batch])
        net.backward(softmax_cross_entropy_backward(cache))
        optimizer.step({name: net.grads[name] for name in learned})
        losses.append(float(loss))
    return losses


everything, _ = fresh_16s()
losses = {"everything": learn(everything, everything.learned)}
after = everything.forward(x).argmax(axis=1)
print(f"{sum(everything.params[name].size for name in everything.learned):,} numbers trained: "
      f"mean IU {100 * mean_iu(fresh.argmax(axis=1)):.1f} → {100 * mean_iu(after):.1f}")

# %% tags=["training"]
skip_alone, _ = fresh_16s()
skip_alone.freeze_body()  # its backward pass is left out, which is faster
new_layer = ["score_pool4.w", "score_pool4.b"]
losses["the skip alone"] = learn(skip_alone, new_layer)
after_alone = skip_alone.forward(x).argmax(axis=1)
print(f"{sum(skip_alone.params[name].size for name in new_layer):,} numbers trained: "
      f"mean IU {100 * mean_iu(fresh.argmax(axis=1)):.1f} → {100 * mean_iu(after_alone):.1f}")
assert mean_iu(after_alone) > mean_iu(fresh.argmax(axis=1)) + 0.03

# %% tags=["training"]
def wrong_pixels(named):
    return np.count_nonzero((named != labels) & (labels != 255), axis=(1, 2))


fresh_named = fresh.argmax(axis=1)
gained = wrong_pixels(fresh_named) - wrong_pixels(after_alone)
k = gained.argmax()
captions = [f"{what}: {wrong_pixels(named)[k]} wrong"
            for what, named in (("fresh", fresh_named), ("trained", after_alone))]
figure = figures.training(losses, (captions[0], fresh_named[k]), (captions[1], after_alone[k]), labels[k], colors)
draw.show(figure, f"""Left, the loss over 50 steps: the curves of training everything and of training the skip alone lie
    close together and fall alike. Right, the scene that gained most, with its errors lit: {captions[0]} pixels with the
    fresh skip, {captions[1]} after training the skip alone. {np.count_nonzero(gained > 0)} of 60 scenes gained.""")

# %% [markdown]
# Nearly all of it. The body was trained for 32s, nobody asked it for outlines at pool4, and yet they lay there; 903
# numbers pick them up. With everything trained for longer, the shipped stages (750 steps for 32s, then 300 for 16s,
# then 300 for 8s) reach **61.9 → 77.9 → 85.9**. Is that the skips, or only the longer training? 32s alone, trained
# for as many steps as all three together, stays at 62.3 (README, where two more seeds say the same).
#
# The papers go the same way, with a learning rate 100 times smaller at each new stage. They also trained 8s *at
# once*, and had to shrink pool4 and pool3 by fixed factors (0.01 and 0.0001) before scoring them: without, training
# tended to diverge.

# %% [markdown]
# ## Each branch's own score map
# Back to the shipped 8s. Enlarging is linear, and so is adding: the scores of 8s are the **sum of three full-size
# maps**, one a branch, each enlarged to the image in its own number of steps. Nothing is lost by taking them apart.

# %%
taps = net.body.forward(x)
own = {name: L[name].forward(taps[tap]) for name, tap in scored.items()}


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
own_maps = {name: score[EXAMPLE, PERSON] for name, score in own.items()}
sums = {"score_fr": own["score_fr"], "+ score_pool4": fuse4, "+ score_pool3": fuse3, "8× larger": scores["fcn8s"]}
figure = figures.branches(labels[EXAMPLE] == PERSON, own_maps, {name: s[EXAMPLE, PERSON] for name, s in sums.items()},
                          "score of person (orange: for it)")
draw.show(figure, """Maps of the score of person. Upper row: where people are, then what each branch says by itself:
    score_fr, 4 x 5 cells, weakly for or against; score_pool4, 8 x 10, strongly for a few cells in each person;
    score_pool3, 16 x 20, weakly for people and other speckles. Lower row: the sums on the way, from coarse cells to
    three clear figures.""")

# %% [markdown]
# The branch that knows *what* says little about people: its cells are far from sure. pool4 carries most of it, and
# is sure in a few cells of each person; pool3 speckles. Only the last sum draws three figures. (One class's map
# does not name a pixel: the largest of seven does. So look at the names next.)
#
# ## Switch one off
# Since the scores are a sum, a branch is switched off by leaving its map out.
#
# **Predict**, before you run the cell: 8s scores 85.9. Its coarse branch is, layer for layer, a 32s (and 32s alone
# scores 61.9). What does the coarse branch score alone? And the other two without it?

# %%
def switched(*on):
    """Labels named by the branches that are on, of (coarse, pool4, pool3)."""
    return sum(switch * part for switch, part in zip(on, parts.values(), strict=True)).argmax(axis=1)


print("coarse pool4 pool3   mean IU     " + " ".join(f"{name[:6]:>6s}" for name in classes))
for on in ((1, 1, 1), (0, 1, 1), (1, 0, 1), (1, 1, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)):
    matrix = ConfusionMatrix(7).update(switched(*on), labels)
    marks = "".join(f"{'on' if switch else '-':^6s}" for switch in on)
    print(f"{marks}    {100 * matrix.mean_iu:5.1f}     " + " ".join(f"{100 * value:6.0f}" for value in matrix.iu))
assert mean_iu(switched(1, 0, 0)) < iu["fcn32s"] - 0.15

# %%
CLOUDS = 1
titles = {(1, 1, 1): "8s", (0, 1, 1): "without coarse", (1, 0, 1): "without pool4", (1, 1, 0): "without pool3",
          (1, 0, 0): "coarse alone", (0, 1, 0): "pool4 alone", (0, 0, 1): "pool3 alone"}
maps = {title: switched(*on)[CLOUDS] for on, title in titles.items()}
draw.show(figures.switched(images[CLOUDS], maps, classes, colors), """A scene with clouds, a lighthouse, people, a
    boat and a buoy, named by 8s and by what is left of it. Without the coarse branch clouds become sheep,
    stripes of the lighthouse become buoys, and half of the sail becomes lighthouse. Without pool4 or pool3 all things
    are found, with worse outlines. Coarse alone gives three large blobs. pool4 alone sees sheep beside the sail; pool3
    alone calls the boat lighthouse and its mast a person.""")

# %% [markdown]
# What do the pixels of each class become, where they are not named rightly?

# %%
def fate(on):
    """For each class how much of it is named rightly, and its most frequent wrong name."""
    counts = ConfusionMatrix(7).update(switched(*on), labels).counts
    share = 100 * counts / counts.sum(axis=1, keepdims=True)
    wrong = share * (1 - np.eye(7))
    return [f"{share[c, c]:2.0f} % right, {wrong[c].max():2.0f} % {classes[wrong[c].argmax()]}" for c in range(7)]


fates = [fate(on) for on in ((1, 1, 1), (0, 1, 1), (1, 0, 0))]
print(f"{'':12s}{'8s':28s}{'without coarse':28s}coarse alone")
for name, *told in zip(classes, *fates, strict=True):
    print(f"{name:12s}" + "".join(f"{some:28s}" for some in told))
assert fates[1][0].endswith("sheep") and fates[1][2].endswith("boat")

# %% [markdown]
# Without the coarse branch this is not a weaker segmenter that draws the same things less well. It names *other
# things*: of 100 background pixels 11 become sheep, since Harbour's clouds and sheep are of the same fluff, and of
# 100 hut pixels 18 become boat, since both are planks. A view of 30 or 70 pixels does not settle that. The branch
# that sees 214 pixels did.
#
# And the coarse branch alone is far below 32s, though it is built like one, and *was* one: 8s was trained from 16s,
# and 16s from the shipped 32s. After two stages of training together it finds 14 % of the people's pixels and 8 %
# of the buoys'. It no longer has to: the others name them.

# %% [markdown]
# **Exercise 3: change the code, and predict the figure.** Switch off all three: every score is 0. Which class does
# `argmax` then name, and what is the mean IU? The IU of a class is hits / (its true pixels + pixels named so −
# hits), counted over the whole set, and the mean is over the 7 classes. You need one measured number: 58.4 % of the
# counted validation pixels are background. First write the number you expect (as a fraction, 0.619 for 61.9), then
# run the change below.

# %%
# --- solution
nothing_left = 0.584 / 7
# --- yours
# nothing_left = None  # the mean IU that you expect
# --- end
check.nothing_left(nothing_left)

# %%
on = (1, 1, 1)  # change this to (0, 0, 0), and run it
print(f"mean IU {mean_iu(switched(*on)):.4f}")

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `argmax` of equal numbers gives the first of them: class 0, background, at every pixel.
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# For background all of its pixels are hits, and *every* pixel is named so. The six other classes have no hits.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# (IU of background + 6 · 0) / 7.
# </details>

# %% [markdown]
# ## Is it an ensemble?
# Three scorers whose scores are added: that looks like a committee. In a committee each member learns to be right
# on its own; they make different mistakes, and the sum averages these out. Let us build one and compare. The body
# of 8s stands still, so that all have the very same features. Each tap gets a fresh score layer, and these three
# are trained in two ways, with the same batches and the same number of steps:
# - **apart**: each against the truth, as if it were the whole net; then their scores are added;
# - **together**: their *sum* against the truth, as in FCN-8s.
#
# **Predict.** Which members will be better alone? Which sum will be better?

# %% tags=["training"]
batches = [net.body.forward(train_x[i:i + 20]) for i in range(0, len(train_x), 20)]
features = {tap: np.concatenate([batch[tap] for batch in batches]) for tap in scored.values()}


def learn_sum(members, steps=200, rate=1e-2):
    """Fresh score layers for {tap: factor}, trained so that their sum is right -> {tap: scores on val}"""
    score = {tap: Conv2d(None, features[tap].shape[1], 7, 1, zero=True) for tap in members}
    upscore = {tap: ConvTranspose2d(7, 2 * factor, factor, factor // 2) for tap, factor in members.items()}
    optimizers, rng = {tap: SGD(score[tap].params, rate, momentum=0.9) for tap in members}, np.random.default_rng(0)
    for _ in range(steps):
        batch = rng.choice(len(train_x), 8, replace=False)
        total = sum(upscore[tap].forward(score[tap].forward(features[tap][batch], True), True) for tap in members)
        _, cache = softmax_cross_entropy(total, train_labels[batch])
        dtotal = softmax_cross_entropy_backward(cache)
        for tap in members:  # the same gradient for every member
            score[tap].backward(upscore[tap].backward(dtotal))
            optimizers[tap].step(score[tap].grads)
    return {tap: upscore[tap].forward(score[tap].forward(taps[tap])) for tap in members}


factors = {"drop7": 32, "pool4": 16, "pool3": 8}
together = learn_sum(factors)
apart = {tap: learn_sum({tap: factor})[tap] for tap, factor in factors.items()}

# %% tags=["training"]
def alone_and_added(maps):
    return [mean_iu(some.argmax(axis=1)) for some in (*maps.values(), sum(maps.values()))]


measured = {"trained apart": alone_and_added(apart), "trained together": alone_and_added(together),
            "shipped 8s": alone_and_added(parts)}
assert all(measured["trained apart"][k] > measured["trained together"][k] + 0.1 for k in range(3))
assert measured["trained together"][3] > measured["trained apart"][3]
in_words = "; ".join(f"{name}: " + ", ".join(f"{100 * v:.0f}" for v in values) for name, values in measured.items())
draw.show(figures.members(measured, ("coarse alone", "pool4 alone", "pool3 alone", "their sum")), f"""Bars of mean IU
    of coarse, pool4, pool3 alone, and their sum. {in_words}. Trained apart, the members are far better alone. Trained
    together they are as poor alone as the branches of 8s, and their sum is a little better.""")

# %% [markdown]
# Trained apart, each member is a usable segmenter. Trained together, none is, and they are as poor alone as the
# branches of the shipped 8s. Their sum is no worse for it. Here it is 2 points better, and there is a reason: a sum
# of members trained apart is *one* of the sums that training together may choose from, and it goes for the one with
# the least loss. (After 100 steps the two sums were level, after 300 it was 85.0 against 83.3. The shipped 8s has
# one advantage more: its body, too, learned with the sum.)
#
# The reason is in `learn_sum`: one `dtotal`, softmax of the **sum** minus the truth, goes back to all members. Each
# learns what the others leave over. Where the sum is surely right, that gradient is nearly zero, and nobody has to
# mend anything, however wrong its own map is.
#
# > **Why not simpler?** Why not read a branch's map as what that branch believes? Because it is not even
# > determined. Move 20 points of *person* from one branch's bias to another's: the sum stays (but for the border,
# > where enlarged biases fade), and with it the loss. Each of the two by itself has changed its mind.

# %%
b_coarse, b_pool4 = L["score_fr"].params["b"], L["score_pool4"].params["b"]
before = b_coarse.copy(), b_pool4.copy()
b_coarse[PERSON] += 20
b_pool4[PERSON] -= 20
moved, moved_coarse = net.forward(x[:4]), L["score_fr"].forward(taps["drop7"][:4])
b_coarse[...], b_pool4[...] = before  # as it was
inside = (..., slice(32, -32), slice(32, -32))
np.testing.assert_allclose(moved[inside], scores["fcn8s"][:4][inside], atol=1e-3)
shares = [100 * np.mean(score[:4].argmax(axis=1) == PERSON) for score in (own["score_fr"], moved_coarse)]
print(f"scores as before; coarse cells with person as best class: {shares[0]:.0f} % before, {shares[1]:.0f} % now")

# %% [markdown]
# **Exercise 4, in your own words.** A friend says: "FCN-8s is an ensemble of three segmenters." What is right in
# that, what is wrong, and which measurement of this lesson would you show? Three sentences.

# %% [markdown] tags=["answer"]
# *One answer.* Right: its scores are a sum of three score maps from three depths, added as a committee adds votes.
# Wrong: nobody trained the members to be right by themselves; only their sum met the loss, so each learned what the
# others left over, and how the sum is shared out among them is not even determined. I would show the bars: on the
# same features, members trained apart score 54, 76 and 60 alone, those trained together 37, 48 and 33, and yet the
# latter's sum is no worse. *(Figures of one run; yours may differ by a point or two.)*

# %% [markdown]
# ## Add scores, not features
# The journal paper (PAMI) defines a skip by concatenation: stack the features of both depths, then score them with
# one 1×1 convolution. What is run is: score each, then add. **Predict**: how large is the difference?

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
# There is none. A 1×1 convolution is one matrix at every cell, and a matrix of two parts beside each other gives
# the sum of what each part gives: `[A B] [x; y] = A x + B y`. And enlarging does the same to every channel, so it
# may come before or after scoring. After is cheaper: 7 channels instead of 192.
#
# In the papers' nets it is 21 channels instead of 4096. Count, for an image of 500 × 500, where fc7 is 16 × 16:

# %%
C, FC7, POOL4 = 21, 4096, 512
enlarged = (2 * 16 + 2) ** 2
print(f"to learn for the pool4 skip       {POOL4 * C + C:>13,}    (a 1x1 convolution, 512 to 21)")
print(f"enlarging scores: stored kernel   {C * C * 16:>13,}    map {C * enlarged:>11,} numbers")
print(f"enlarging fc7:    stored kernel   {FC7 * FC7 * 16:>13,}    map {FC7 * enlarged:>11,} numbers")
fc6_fc7 = (512 * 49 + 1) * 4096 + (4096 + 1) * 4096
print(f"pool5 instead: parameters unused  {fc6_fc7:>13,}    of 134,346,581, fc6 and fc7")
assert round(100 * fc6_fc7 / 134_346_581) == 89

# %% [markdown]
# (Stored kernels count zeros too: a bilinear one is zero off its diagonal.) Enlarging fc7 needs 195 times the
# memory for the very same scores.
#
# The misreading itself, to enlarge **pool5** and add it to pool4, raises no error, because the two happen to have
# as many channels (512 in VGG, 128 in mini). At pool3 it does (256 in VGG, 64 in mini). It would bypass fc6 and
# fc7: 89 % of all parameters, and the layers that see furthest, the *what*.

# %%
for tap, before in (("pool3", "conv3_2"), ("pool4", "conv4_2"), ("pool5", "conv5_2")):
    print(f"mini's {tap}: {len(net.params[f'{before}.b'])} channels")
unused = sum(net.params[f"{name}.{key}"].size for name in ("fc6", "fc7") for key in "wb")
learned = sum(net.params[name].size for name in net.learned)
print(f"fc6 and fc7 of mini: {unused:,} of {learned:,} parameters, {100 * unused / learned:.0f} %")

# %% [markdown]
# ## Crops, derived
# Maps that are added must lie on each other. The papers' nets pad the image by 100 pixels, then do not pad fc6 and
# the upsampling, and put things right with crops whose offsets stand in their files as bare numbers. Why 100, why
# 19? These are the questions that readers of FCN code ask most. You will now compute both.
#
# **What a map needs to say**: its **step** J, how many image pixels lie from cell to cell, and its **origin** a,
# where the centre of its cell 0 lies in the image. Cell i is centred on pixel a + J·i. For the image itself J = 1,
# a = 0.
#
# **Smallest cases.** A 3×3 convolution without padding: cell 0 sees pixels 0, 1, 2; its centre is 1. Padded by 1:
# it sees −1, 0, 1; centre 0. A 2×2 pooling: cell 0 sees pixels 0 and 1; its centre is ½, between two pixels, and J
# = 2.
#
# **Predict** the origin after one more 2×2 pooling.
#
# From the definition: cell i of a layer sees the cells S·i − P to S·i − P + K − 1 of the map before. Ask back
# through all layers:

# %%
def sees(layers, cell):
    """The first and the last pixel that a cell depends on, padding included."""
    first = last = cell
    for layer in reversed(layers):
        first = layer.stride * first - layer.pad
        last = layer.stride * last - layer.pad + layer.kernel - 1
    return first, last


def conv(k, pad):
    return Conv2d(None, 1, 1, k, pad=pad, zero=True)


pool = MaxPool2d(2)
for layers in ([conv(3, 0)], [conv(3, 1)], [pool], [pool, pool]):
    print(sees(layers, 0), "centre", sum(sees(layers, 0)) / 2)
assert sum(sees([pool, pool], 0)) / 2 == 1.5

# %% [markdown]
# The short form follows: seen from its own input, cell 0 is centred on cell (K − 1)/2 − P, and cells lie J pixels
# apart there. So
#
# $$a' = a + \Bigl(\frac{K-1}{2} - P\Bigr) J, \qquad J' = J S .$$
#
# Now VGG16, as the papers use it: the first convolution padded by P = 100, all other 3×3 ones by 1, five poolings,
# then fc6, 7×7 and **not** padded.

# %%
def vgg(pad):
    layers = {}
    for i, convs in enumerate((2, 2, 3, 3, 3), 1):
        for j in range(1, convs + 1):
            layers[f"conv{i}_{j}"] = conv(3, pad if (i, j) == (1, 1) else 1)
        layers[f"pool{i}"] = MaxPool2d(2)
    return layers | {"fc6": conv(7, 0), "fc7": conv(1, 0)}


def places(layers):
    """{name: (step, origin)} after each layer."""
    step, origin, found = 1, 0, {}
    for name, layer in layers.items():
        origin, step = origin + ((layer.kernel - 1) / 2 - layer.pad) * step, step * layer.stride
        found[name] = step, origin
    return found


found = places(vgg(100))
notes = {"conv1_1": "0 + (1 - 100) * 1", "pool1": "+ 1/2 * 1", "pool2": "+ 1/2 * 2", "pool3": "+ 1/2 * 4",
         "pool4": "+ 1/2 * 8", "pool5": "+ 1/2 * 16", "fc6": "+ 3 * 32", "fc7": "+ 0"}
for name, note in notes.items():
    print(f"{name:8s} step {found[name][0]:2d}   origin {found[name][1]:6.1f}   {note}")

# %% [markdown]
# The library keeps the same two numbers in a `Grid`. Three ways, one answer: asking back, the formula, the library.

# %%
layers, grid, vgg_grids = vgg(100), Grid(), {}
for name, layer in layers.items():
    vgg_grids[name] = grid = grid.after(layer)
    assert (grid.step, grid.origin) == found[name]
first, last = sees(list(layers.values()), 0)
assert vgg_grids["fc7"] == Grid(32, 12.5) and (first + last) / 2 == 12.5 and last - first + 1 == 404
print(f"cell 0 of fc7 sees pixels {first} to {last}: {last - first + 1} of them (lesson 04), centred on 12.5")

# %% [markdown]
# **Upsampling** runs the other way: cell i is *spread* over the new cells S·i − P to S·i − P + K − 1, centred on
# S·i + (K − 1)/2 − P, and new cells lie J/S apart. So the old cell 0, at pixel a, lies (K − 1)/2 − P new cells
# after the new cell 0:
#
# $$a' = a - \Bigl(\frac{K-1}{2} - P\Bigr) \frac{J}{S}, \qquad J' = \frac{J}{S}.$$
#
# **Predict** for 32s, K = 64, S = 32, P = 0: on which pixel of the image does cell 0 of `upscore` lie?

# %%
upscore = vgg_grids["fc7"].after(ConvTranspose2d(1, 64, 32))
assert upscore == Grid(1, 12.5 - 63 / 2 * 1) == Grid(1, -19)
assert upscore.offset(Grid()) == 19
print("cell 0 lies on pixel -19: pixel 0 is cell", upscore.offset(Grid()))

# %% [markdown]
# **That is the 19.** Nothing but 12.5 − 31.5, with its sign turned.
#
# How many cells are there? Convolutions: side + 2P − K + 1. Poolings, as in Caffe, round **up**: ceil(side / 2).
# Upsampling: S·(side − 1) + K − 2P.
#
# **Predict** for an image side of 96: padded it is 296, after the first convolution 294. How many cells has
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
# P stands in one place, the first layer. It moves every origin by −P, and adds cells at the ends. So the final
# offset of 32s is P − 81 in general. With P below 81 it would be negative: the score map begins *inside* the image,
# and no crop can add what is not there. VGG's own padding is P = 1.
#
# **Predict**: how many pixels at the left of the image then have no score?

# %%
rows = []
for pad in (1, 41, 81, 100):
    first = int(places(vgg(pad))["fc7"][1] - 63 / 2)
    rows.append((pad, first, first + 32 * (side_after(vgg(pad), 500) - 1) + 64))
    assert first == 81 - pad
draw.show(figures.coverage(500, rows), f"""An image of 500 pixels as a grey bar, four times, over it hatched the
    pixels that upscore reaches for padding 1, 41, 81 and 100. With 1 it reaches pixels {rows[0][1]} to {rows[0][2] - 1}
    only, with 41 {rows[1][1]} to {rows[1][2] - 1}, with 81 it begins exactly with the image, with 100 19 pixels
    before it.""")

# %% [markdown]
# Is 81 enough at the other end too, whatever the image's size? And fc6 is 7×7 and needs as many cells of pool5:
# what is the smallest image that gets through at all? Try them all.
#
# **Predict**: an image of 192 × 192 with P = 1. How many cells has fc7?

# %%
def fit(pad, sides):
    """Whether the upsampled map covers the whole image, for every side."""
    layers = vgg(pad)
    offset = 63 / 2 - places(layers)["fc7"][1]
    cells = {side: side_after(layers, side) for side in sides}
    return all(cells[side] and 0 <= offset and offset + side <= 32 * (cells[side] - 1) + 64 for side in sides)


smallest = {pad: next(side for side in range(1, 300) if side_after(vgg(pad), side)) for pad in (1, 41, 81, 96, 97)}
print("smallest image with an output:", ", ".join(f"{side} with P = {pad}" for pad, side in smallest.items()))
enough = next(pad for pad in range(60, 110) if fit(pad, range(64, 600)))
any_image = next(pad for pad in range(60, 110) if fit(pad, range(1, 600)))
print(f"smallest padding for all images of 64 to 599 pixels: {enough}; of 1 to 599: {any_image}")
assert (enough, any_image) == (81, 97) and fit(100, range(1, 600))
assert smallest[1] == 193 and side_after(vgg(1), 192) == 0

# %% [markdown]
# None: without more padding, an image below 193 × 193 has no output. With 81 every image of some size is covered;
# with 97 every image, a single pixel too; 100 is a round number above both. The authors call it convenient, not
# necessary. It is not free: all of VGG computes a border of zeros, 100 pixels wide.

# %% [markdown]
# **Exercise 5: the offsets of 16s, by hand.** `upscore2` (K = 4, S = 2) enlarges `score_fr` (step 32, origin 12.5).
# `score_pool4` (step 16, origin −91.5, from the table above) is cropped to it, and they are added. `upscore16` (K =
# 32, S = 16) enlarges the sum, and that is cropped to the image. Which two offsets?

# %%
# --- solution
offsets_16s = 5, 27  # upscore2: 12.5 - 1.5 * 16 = -11.5, (-11.5 + 91.5) / 16 = 5; upscore16: -11.5 - 15.5 = -27
# --- yours
# offsets_16s = None, None  # into score_pool4, into upscore16
# --- end
check.offsets_16s(offsets_16s)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The formula for upsampling, with J/S = 16 for upscore2 and J/S = 1 for upscore16.
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The origin of upscore2 is 12.5 − 1.5 · 16. To begin there, score_pool4 has to skip as many cells *of 16 pixels* as
# lie between the two origins. The sum lies where upscore2 lies.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# First offset: (−11.5 − (−91.5)) / 16. Second: upscore16 begins at −11.5 − 15.5, the image at 0.
# </details>
#
# **Exercise 6: predicted sizes.** An image of 500 × 375 pixels (375 high) goes through FCN-8s with P = 100. Write
# (height, width) of `score_fr`, `upscore2`, `upscore_pool4` and `upscore8` (before its crop), with paper and the
# two rules above: 375 + 200 − 2 = 573, then five halvings, rounded up, …

# %%
# --- solution
sizes_8s = (12, 16), (26, 34), (54, 70), (440, 568)
# --- yours
# sizes_8s = None, None, None, None  # each (height, width)
# --- end
check.sizes_8s(sizes_8s)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# After the first convolution (P = 100) only poolings and fc6 change the size. A sum is as large as the enlarged
# map, since the skip is cropped to it.
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# 573 → 287 → 144 → 72 → 36 → 18, and fc6 takes off 6. Then 2n + 2, again 2n + 2, and 8(n − 1) + 16 = 8n + 8.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Heights: 12, 26, 54, 440. Widths begin with 500 + 198 = 698 → 349 → 175 → …
# </details>
#
# All of it from the layers, in one function. For 8s it also gives the two offsets you have not computed:

# %%
def crops(skips, pad=100):
    """The offset into each skip, and the one in the end."""
    grids, grid = {}, Grid()
    for name, layer in vgg(pad).items():
        grids[name] = grid = grid.after(layer)
    offsets = []
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
rows = [("upscore2: from −11.5", -11.5, 16, sand), ("score_pool4: from −91.5", -91.5, 16, sky),
        ("upscore_pool4: from −23.5", -23.5, 8, sand), ("score_pool3: from −95.5", -95.5, 8, sky)]
draw.show(figures.skip_ruler(rows, [(1, 0, 5), (3, 2, 9)]), """Two pairs of rulers. upscore2 begins at -11.5 with
    cells of 16 pixels, score_pool4 at -91.5: five of its cells, numbered, lie before the dashed line where upscore2
    begins. upscore_pool4 begins at -23.5 with cells of 8 pixels, score_pool3 at -95.5: nine of its cells lie before
    that.""")

# %% [markdown]
# The skips' offsets do not depend on P: it moves both maps alike.
#
# **Exercise 7: change the code, and predict the figure.** Suppose somebody adds one more skip, pool2 (step 4), for
# an FCN-4s, P = 100. First write the two numbers you expect: the offset into `score_pool2` (origin −97.5), and the
# final one, of `upscore4` (K = 8, S = 4). You know that `upscore_pool4` begins at −23.5. Then run the change.

# %%
# --- solution
offsets_4s = 17, 33  # upscore_pool3: -23.5 - 1.5 * 4 = -29.5, (-29.5 + 97.5) / 4 = 17; upscore4: -29.5 - 3.5
# --- yours
# offsets_4s = None, None  # into score_pool2, into upscore4
# --- end
check.offsets_4s(offsets_4s)

# %%
skips = ("pool4", "pool3")  # change this: one more skip
print("offsets:", crops(skips))

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# It is Exercise 5 once more, one level finer: `upscore_pool3` (K = 4, S = 2) enlarges the sum at step 8, and J/S is
# now 4.
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Look at 5, 9, … and at 19, 27, 31, …: what would come next? Then check it with the formula.
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# upscore_pool3 begins at −23.5 − 1.5 · 4; from there to −97.5 it is 4 pixels a cell; upscore4 begins 3.5 pixels
# before upscore_pool3.
# </details>
#
# **Why mini needs no crop.** All its kernels are padded by (K − 1)/2, fc6 too, and move no centre; every pooling's
# first cell covers just the first J pixels, so its centre is (J − 1)/2; and its upsampling layers are padded by
# S/2, which undoes that: $a' = \frac{J-1}{2} - \bigl(\frac{2S-1}{2} - \frac S2\bigr)\frac JS = \frac{J/S - 1}{2}$,
# the centre of the first cell of step J/S.

# %%
mini_grids = net.head.grids
for tap, step in (("pool3", 8), ("pool4", 16), ("drop7", 32)):
    assert mini_grids[tap] == Grid(step, (step - 1) / 2)
    print(f"mini's {tap}: step {step:2d}, origin {mini_grids[tap].origin}")
assert mini_grids["up_to_pool4"].offset(mini_grids["pool4"]) == 0
assert mini_grids["up_to_pool3"].offset(mini_grids["pool3"]) == 0
assert net.head.final.offset(Grid()) == 0

# %% [markdown]
# ## What a wrong crop costs
# Copy the 19 of 32s into a 16s, and its scores lie 8 pixels off; into an 8s, 12. Nothing fails: all the shapes fit.
# The picture even looks right, at a glance.
#
# **Predict.** 8s scores 85.9 with its maps in place. How much if they lie 4 pixels too far up and to the left? 8?
# 16? And does 32s lose more or less?

# %%
shifts = (0, 1, 2, 4, 6, 8, 12, 16, 24, 32)
high, wide = labels.shape[1:]
curves = {name: [mean_iu(scores[name].argmax(axis=1)[:, d:, d:], labels[:, :high - d, :wide - d]) for d in shifts]
          for name in ("fcn8s", "fcn32s")}
figure = figures.cost(shifts, {name.replace("fcn", "FCN-"): c for name, c in curves.items()}, (0, 4, 8, 16, 32))
draw.show(figure, "Mean IU against the error of the crop in pixels. FCN-8s falls from "
          + ", ".join(f"{100 * curves['fcn8s'][shifts.index(d)]:.0f} at {d}" for d in (0, 4, 8, 16)) + "; FCN-32s from "
          + ", ".join(f"{100 * curves['fcn32s'][shifts.index(d)]:.0f} at {d}" for d in (0, 4, 8, 16))
          + ". The finer net loses faster.")

# %% [markdown]
# Four pixels cost 8s as much as leaving out its pool4 branch did. (These are pixels of 160 × 128 scenes; where
# objects are three times as large, about three times the error costs as much.) A crop that is wrong inside the net,
# by one cell of a skip, does this:

# %%
for name, part in (("pool4", "score_pool4"), ("pool3", "score_pool3")):
    off = np.zeros_like(own[part])
    off[:, :, :-1, :-1] = own[part][:, :, 1:, 1:]  # begins one cell too late
    others = sum(parts[other] for other in parts if other != name)
    wrongly = others + enlarge(off, *(("upscore_pool4", "upscore8") if name == "pool4" else ("upscore8",)))
    print(f"{name} one cell off: {100 * mean_iu(wrongly.argmax(axis=1)):.1f}    "
          f"without {name}: {100 * mean_iu(others.argmax(axis=1)):.1f}    in place: {100 * iu['fcn8s']:.1f}")

# %% [markdown]
# A skip in the wrong place is worse than none.

# %% [markdown]
# ## And further?
# | mean IU | 32s | 16s | 8s |
# |---|---|---|---|
# | Harbour, mini | 61.9 | 77.9 | 85.9 |
# | PASCAL VOC (seg11valid), VGG, PAMI table 3 | 63.6 | 65.0 | 65.5 |
#
# The steps get smaller: +16.0 then +8.0 here, +1.4 then +0.5 there. The papers stop at pool3, since going further
# gave no gain worth having. There is less and less to win: a finer map helps only where the coarser one is too
# coarse. (VOC's images are 500 pixels wide and their objects large; Harbour's masts and legs were made thin on
# purpose.) And the finer the tap, the less it knows: VGG cut off at pool5 and scored there reaches 50.0, at pool4
# 22.4, at pool3 9.2 (PAMI table 3). Lesson 09 asks how much of an error is a matter of resolution at all.
#
# ## To remember
# 1. A skip adds **scores**: the last score map, enlarged, plus a 1×1 score of a finer map; the gradient of that sum
#    goes whole to both.
# 2. A fresh skip is zero and changes nothing, so nets are built in stages; but once trained together, the branches
#    are no committee: only their sum means anything.
# 3. A map lies where its step and origin say, and both follow from K, S and P of its layers: compute the crop,
#    never type it in.
#
# Next, lesson 09: how good is it? Four scores from one matrix, and four wrong ways to compute one of them.

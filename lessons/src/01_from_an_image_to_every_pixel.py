# %% [markdown]
# # 01 · From an image's name to every pixel's
#
# **A classifier gives a picture one name. How does the same net, with the same numbers in it, come to name every part
# of a picture?**
#
# By a change of view, not by training. Such a net hands on maps: grids of numbers, one grid for each channel. Its fully
# connected layers are convolutions that happen to fit in one place of their map. Give them a larger map and they fit in
# many. That is the first half of a fully convolutional network (FCN).
#
# At the end you can
#
# - say what naming, boxing and segmenting each leave out;
# - turn a classifier into a net for images of any size, by reshaping, and say why the order of the numbers matters;
# - read the map of answers it gives, and say what each cell of it looked at;
# - predict how large that map is, how much work it saves, and why it is so small.
#
# *About half an hour to read, an hour with the exercises, seconds to run. You need Python, NumPy arrays with their
# `reshape`, and a little calculus in one place.*

# %%
from timeit import repeat

import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson01 as check
from lessons.draw import lesson01 as figures
from minifcn.crops import cut
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.nets import build
from minifcn.ops import conv2d, conv2d_backward

val = VOCSegmentation(harbour.root(), "val")
image, labels = val[20]
print(image.shape, labels.shape, val.classes)

# %% [markdown]
# ## 1 · Three questions to one scene
#
# Harbour is the data set in this repository: 276 drawn scenes, 128 x 160 pixels each, with the class of every pixel.

# %%
draw.show(figures.tasks(image, labels, val.classes, val.colors, several=["person"]), """One scene three times.
    Naming: boat, hut, person, sheep. Boxing: a rectangle with a name around boat, hut and sheep and around three
    regions of people; the sheep's box lies inside the hut's. Segmenting: every pixel in the colour of its class; the
    two people beside the hut are one yellow region.""")

# %% [markdown]
# | task | its answer | what it cannot say |
# |---|---|---|
# | naming (classification) | a list of names | where, and how many |
# | boxing (detection) | a rectangle and a name for each thing | which of the pixels in the box are the thing |
# | segmenting (semantic segmentation) | a class for every pixel | how many: people who touch become one region |
#
# There are four people; their mask has three regions, so it gives only three boxes.
#
# **Predict.** Look at the hut's box. Which share of its pixels is hut: a third, a half, or two thirds?

# %%
HUT, SHEEP = val.classes.index("hut"), val.classes.index("sheep")
rows, columns = np.nonzero(labels == HUT)
box = labels[rows.min():rows.max() + 1, columns.min():columns.max() + 1]
print(f"in the hut's box {np.mean(box == HUT):.0%} of the pixels are hut, {np.mean(box == SHEEP):.0%} are sheep")
print("names, from the mask alone:", [val.classes[k] for k in np.unique(labels) if 0 < k < 255])

# %% [markdown]
# A third. Names and boxes follow from the mask, but no mask follows from a box, and no box from a name. The mask is the
# finest of the three answers; the net we begin with gives the coarsest. (255 is *void*: a line two pixels wide along
# every border, where nothing is asked.)
#
# ## 2 · A net that gives one name
#
# `harbour-classifier` takes a crop of 96 x 96 pixels and names the thing **in its middle**. What lies outside the image
# is filled with grey. Its scores, one for each class, become probabilities by a softmax: exponentials, divided by their
# sum.
#
# **Predict.** Three crops are cut below: around the second person in the boat, around the sheep, and around a piece of
# sky just above the roof. Of which will the net be least sure?

# %%
def softmax(scores):
    """Scores -> probabilities that sum to 1 along axis 1, the classes."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


model = minifcn.load("harbour-classifier")
net = model.net
print(f"right for {model.meta['scores']['accuracy']:.0%} of the crops from scenes it was not trained on")
middles = [(62, 30), (78, 90), (20, 100)]
pieces = np.stack([cut(image, row, column, net.side) for row, column in middles])
scores = net.forward(net.preprocess(pieces))
print("crops", pieces.shape, "  scores", scores.shape, "  names", [val.classes[k] for k in scores.argmax(axis=1)])
draw.show(figures.crops(image, middles, pieces, softmax(scores), val.classes, net.side), """Left the scene with three
    crops framed, numbered in their middles. Right the crops, a cross in each middle, and beneath each a bar for each
    class: person 0.9 for the first, sheep 1.0 for the second; the third, sky just above the roof, is background 0.7
    and hut 0.2.""")

# %% [markdown]
# ## 3 · Where it stops
#
# Why not give the classifier the whole scene? It is a chain: convolutions, poolings (each halves height and width) and
# ReLUs (they replace negative numbers by 0), then three fully connected layers `fc6`, `fc7`, `fc8`.
#
# **Predict.** Which layer is the first that cannot take the larger image?

# %%
def walk(x):
    """Send x through the classifier's layers; print the shapes that leave poolings and fully connected layers."""
    for name, layer in net.layers.items():
        x = layer.forward(x)
        if name.startswith(("pool", "fc")):
            print(f"  {name:6}{x.shape}")


print("a crop")
walk(net.preprocess(pieces[:1]))
print("the scene")
try:
    walk(net.preprocess(image[None]))
except ValueError as refusal:
    print("  fc6 refuses:", refusal)

# %% [markdown]
# Convolutions and poolings do the same thing at every place, however many places there are. `fc6` has one weight for
# each of its inputs: 128 channels x 3 x 3 cells, flattened, are 1152. The scene brings 128 x 4 x 5 = 2560.
#
# ## 4 · The smallest case, by hand
#
# A map with one channel and 2 x 2 cells, and a fully connected layer with 4 inputs and 2 outputs:
#
# $$x = \begin{pmatrix}1&2\\3&4\end{pmatrix}\ \to\ \text{flattened}\ (1,2,3,4),\qquad
#   W=\begin{pmatrix}1&0&0&-1\\1&1&1&1\end{pmatrix},\qquad
#   y = W\,(1,2,3,4)^{\top}.$$
#
# **Predict.** Compute both outputs on paper before you run the cell.

# %%
x = np.array([[1.0, 2], [3, 4]])
W = np.array([[1.0, 0, 0, -1], [1, 1, 1, 1]])
y = W @ x.reshape(4)
assert y.tolist() == [1 - 4, 1 + 2 + 3 + 4]
y

# %% [markdown]
# Now fold each row of $W$ back into 2 x 2, the way $x$ was unfolded. Multiply cell by cell and add: the same sum,
# written as a square. A square of weights laid on a map is a **kernel**, and to lay it on every place where it fits is
# a **convolution**: a weighted sum of each patch. Here the library's `conv2d` is a black box; lesson 02 opens it.
#
# It takes `x` as (N,C,H,W) and `w` as (F,C,K,K): N images, C channels, H x W cells; F filters, one for each output; K
# is the kernel's side. It gives `y` and a cache, kept for the gradients.
#
# **Predict.** In how many places does a 2 x 2 kernel fit into a 2 x 2 map? What shape has the result?

# %%
w = W.reshape(2, 1, 2, 2)
y, _ = conv2d(x[None, None], w)
assert y.shape == (1, 2, 1, 1) and y.ravel().tolist() == [-3, 10]
print(w[0, 0], w[1, 0], y.shape, sep="\n")

# %% [markdown]
# One place, one answer for each filter: a fully connected layer is a convolution whose kernel is as large as its map.
# And a kernel can do what the matrix could not: take a larger map.
#
# **Predict.** The same kernels over a map of 3 x 4 cells: how many answers does each give? (In a row of H cells the
# first place of a kernel of side K is 0, the last is H - K.) And what is the first kernel's answer at place (0, 0)?

# %%
larger = np.array([[1.0, 2, 0, 1], [3, 4, 1, 0], [0, 1, 2, 2]])
y, _ = conv2d(larger[None, None], w)
assert y.shape == (1, 2, 3 - 2 + 1, 4 - 2 + 1)
assert y[0, :, 0, 0].tolist() == [-3, 10]  # the corner is the 2 x 2 map from above
draw.show(figures.folding(w[0, 0], larger, y[0, 0], (1, 2)), """A row of four weights, 1 0 0 -1, folded to a 2 x 2
    kernel, laid on a 3 x 4 map at place (1, 2), over the cells 1, 0, 2, 2. Its answer there, 1 - 2 = -1, is framed
    in the 2 x 3 map of answers: -3 1 0 above, 2 2 -1 below.""")

# %% [markdown]
# ## 5 · Loops, from the definition
#
# Without `conv2d`: go to every place, cut the patch, ask the fully connected layer.
#
# **Exercise 1: one patch.** One line is missing: the answers for a patch. An array's `ravel()` flattens it in the order
# C, H, W, the last index running fastest: the order in which the layer has always had its inputs.

# %%
def slide(x, w, k):
    """What a fully connected layer says of every k x k patch: x (C,H,W), w (F,C*k*k) -> y (F, H-k+1, W-k+1)."""
    _, height, width = x.shape
    y = np.zeros((len(w), height - k + 1, width - k + 1))
    for u in range(height - k + 1):
        for v in range(width - k + 1):
            patch = x[:, u:u + k, v:v + k]  # (C,k,k)
            # --- solution
            y[:, u, v] = w @ patch.ravel()
            # --- yours
            # return None  # yours to write, instead of this line: put the F answers for the patch into y[:, u, v]
            # --- end
    return y


check.slide(slide)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The cell with `y = W @ x.reshape(4)` does it for one patch with one channel.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The patch has as many numbers as a row of `w`. Flatten it; then one matrix product gives all F answers at once.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `y[:, u, v] = w @ ...` with the patch flattened by `ravel()`.
#
# </details>
#
# ## 6 · The fast form: the same numbers, folded
#
# **Exercise 2: the folding.** Write the folding itself, from its docstring. It is one line.

# %%
def as_kernel(w, k):
    """The matrix of a fully connected layer over (C,k,k) maps as kernels: w (F, C*k*k) -> (F,C,k,k).

    Row f has the weight of input [c, i, j] at number (c*k + i)*k + j; the kernels have it at [f, c, i, j].
    """
    # --- solution
    return w.reshape(len(w), -1, k, k)
    # --- yours
    # return None  # yours to write: one line
    # --- end


check.as_kernel(as_kernel)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `W.reshape(2, 1, 2, 2)` did it above for F = 2, C = 1, k = 2.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# `reshape` counts with the last axis running fastest: element [c, i, j] of a (C,k,k) array is number (c*k + i)*k + j.
# That is the docstring's numbering, so nothing has to be moved. You know F and k; let NumPy work out C.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `return w.reshape(len(w), ?, k, k)`, with -1 for the size that NumPy is to work out.
#
# </details>
#
# **Predict.** The shape of the answers for x (3,6,7), five outputs and kernels of 4 x 4. Then we compare with the
# layer, place by place.

# %%
rng = np.random.default_rng(1)
x = rng.normal(size=(3, 6, 7))  # C = 3, not square
w = rng.normal(size=(5, 3 * 4 * 4))  # F = 5, K = 4
right = w.reshape(5, 3, 4, 4)
y, _ = conv2d(x[None], right)
assert y.shape == (1, 5, 6 - 4 + 1, 7 - 4 + 1)
for u, v in np.ndindex(3, 4):
    assert np.allclose(y[0, :, u, v], w @ x[:, u:u + 4, v:v + 4].ravel())
print(y.shape, "and all", y.size, "answers are the layer's")

# %% [markdown]
# > **Why not simpler?** Fold in any order that gives the right shape: `w.reshape(F, K, K, C)`, its axes then put in
# > order. But that hands most weights to another cell and channel. Nothing complains; the answers are wrong.
#
# **Predict.** How many of the 48 weights in a row are still in their place?

# %%
wrong = w.reshape(5, 4, 4, 3).transpose(0, 3, 1, 2)
assert wrong.shape == right.shape
in_place, x_first = (wrong == right)[0].sum(), x[:, :4, :4]
assert not np.allclose(conv2d(x_first[None], wrong)[0].ravel(), w @ x_first.ravel())
print("weights in their place:", in_place)
print("the layer says ", (w @ x_first.ravel()).round(1))
print("wrongly folded ", conv2d(x_first[None], wrong)[0].ravel().round(1))

# %% [markdown]
# Two: the first weight and the last. Every order of flattening has its own way back, and only that one.
#
# ## 7 · The fully connected layer, as a convolution
#
# ### Shapes
#
# x (N,C,H,W), w (F,C,K,K), b (F,) → y (N, F, H-K+1, W-K+1). With H = W = K that is (N,F,1,1): the classifier. After
# it, a layer that takes L numbers sees a map of L channels and 1 x 1 cell, so its kernel is 1 x 1: `fc7` and `fc8`
# become **1 x 1 convolutions**, w (F,L,1,1). They mix the channels of a cell and look at no other cell.
#
# ### Forward
#
# $$y_f = b_f + \sum_l w_{fl}\,x_l \quad\text{in one place;}\qquad
#   y_{fuv} = b_f + \sum_{c,i,j} w_{fcij}\; x_{c,\,u+i,\,v+j}\quad\text{in every place.}$$
#
# ### What to remember
#
# x and w: the gradient for w needs x, the gradient for x needs w.
#
# ### Backward
#
# In one place $\partial y_f / \partial w_{fl} = x_l$ and $\partial y_f / \partial x_l = w_{fl}$. So for a gradient dy
# that arrives from above, $dw_{fl} = dy_f\,x_l$ (an outer product), $dx_l = \sum_f dy_f\,w_{fl}$ and $db_f = dy_f$. In
# many places the same weights are used again and again, so their gradients **add up**. Lesson 03 derives this slowly.
#
# ### Check
#
# `assert_gradient` moves every number of an input a little up and down, and compares the change with the gradient.
#
# **Predict.** The map is 6 x 7, the kernel 4 x 4. `dw` is a sum of how many outer products?

# %%
y, cache = conv2d(x[None], right)
dy = rng.normal(size=y.shape)  # any gradient from above
dx, dw, _ = conv2d_backward(dy, cache)
every_place = list(np.ndindex(3, 4))
by_hand = sum(np.outer(dy[0, :, u, v], x[:, u:u + 4, v:v + 4].ravel()) for u, v in every_place)
assert np.allclose(dw.reshape(5, -1), by_hand)
assert_gradient(lambda w: conv2d(x[None], w)[0], right, dy, dw, "w")
assert_gradient(lambda x: conv2d(x, right)[0], x[None], dy, dx, "x")
print("dw is the sum of", len(every_place), "outer products; both gradients pass")

# %% [markdown]
# ## 8 · Turning the shipped classifier
#
# Its weights have names, `conv1_1.w`, `conv1_1.b` and so on.

# %%
for name in ("conv5_2.w", "conv5_2.b", "fc6.w", "fc6.b", "fc7.w", "fc8.w", "fc8.b"):
    print(f"{name:11}{net.params[name].shape}")

# %% [markdown]
# **Exercise 3: the turning.** Write the whole function, from its docstring. `fc6` looked at 3 x 3 cells, `fc7` and
# `fc8` at one. The FCN calls its last layer `score_fr`, as the papers do.

# %%
def turned(params):
    """The parameters of the classifier as those of an FCN: {name: array} -> {name: array}.

    fc6.w (F, C*3*3) -> (F,C,3,3); fc7.w and fc8.w (F,C) -> (F,C,1,1). fc8.w and fc8.b are called score_fr.w and
    score_fr.b. Everything else, all biases included, keeps its shape and its name.
    """
    # --- solution
    kernels = {"fc6.w": 3, "fc7.w": 1, "fc8.w": 1}
    result = {}
    for name, value in params.items():
        if name in kernels:
            k = kernels[name]
            value = value.reshape(len(value), -1, k, k)
        result[name.replace("fc8", "score_fr")] = value
    return result
    # --- yours
    # return None  # yours to write: a loop over params.items(); about eight lines
    # --- end


check.turned(turned)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Exercise 2 folds one matrix. Three arrays need that; all others go into the result as they are.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# A small dictionary, `{"fc6.w": 3, "fc7.w": 1, "fc8.w": 1}`, says which arrays are folded and how large their kernel
# is. `name.replace("fc8", "score_fr")` changes the names that contain fc8 and no others.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Inside the loop: `if name in kernels:`, then `k = kernels[name]` and `value = value.reshape(len(value), -1, k, k)`.
# After the `if`, for every name: `result[...] = value`.
#
# </details>
#
# The library has this function too, `convolutional`; from here on we use it. `build` makes an FCN-32s with random
# weights, and `load` copies the classifier's over them. (The papers' classifiers knew 1000 other classes, so their last
# layer was dropped and a new one began at zero. Our classes are the same, so we keep it.)

# %%
from minifcn.nets.surgery import convolutional

params = convolutional(net)
fcn = build("fcn32s", classes=7)
fcn.load(params)
before, after = (np.concatenate([w.ravel() for w in p.values()]) for p in (net.params, params))
assert np.array_equal(before, after)
print(f"{before.size:,} numbers before, the same {after.size:,} in the same order after")

# %% [markdown]
# FCN-32s also enlarges its answer to the size of the image. We look at the map before that: what its layer `score_fr`
# gives.
#
# One thing is new: `fc6` of the FCN is **padded** by 1, a ring of zeros around its map. So its 3 x 3 kernel can be laid
# around *every* cell, those at the border included, and the map keeps its size.
#
# **Predict.** There are five poolings. What shape has the answer for the three crops
# of 96 x 96? For the scene of 128 x 160?

# %%
def score_map(x):
    """The map of scores before it is enlarged: x (N,3,H,W), preprocessed -> (N,7,H/32,W/32)."""
    features = fcn.body.forward(x)["drop7"]  # what fc7 gives, after its ReLU
    return fcn.layers["score_fr"].forward(features)


x_crops, x_scene = net.preprocess(pieces), net.preprocess(image[None])
assert score_map(x_crops).shape == (3, 7, 96 // 32, 96 // 32)
assert score_map(x_scene).shape == (1, 7, 128 // 32, 160 // 32)
print(score_map(x_crops).shape, score_map(x_scene).shape)

# %% [markdown]
# ## 9 · Where the two agree
#
# For a crop the FCN gives 3 x 3 answers, the classifier one.
#
# **Predict.** Which of the nine cells equals the classifier's answer? To the last digit?

# %%
nine = score_map(x_crops)
error = np.abs(nine - scores[:, :, None, None]).max(axis=(0, 1)) / np.abs(scores).max()
print(error.round(6))
assert error[1, 1] < 1e-5  # float32: the same sums in another order differ in their last digits
assert np.delete(error.ravel(), 4).min() > 1e-2

# %% [markdown]
# Only in the middle does the kernel of `fc6` lie where the classifier's lay: there the turned net **is** the
# classifier. In the other eight cells the kernel hangs over the border, as the classifier's never did.
#
# Now the scene. Cell (i, j) of its map stands for one block of 32 x 32 pixels. The crop with this block in its middle
# is 3 x 3 blocks large: rows 32i - 32 to 32i + 63, with row 32i + 16 in the middle. A **sliding window** asks the
# classifier about all those crops, one by one.
#
# **Predict.** Will the twenty answers equal the twenty cells (to 1e-5) everywhere, somewhere or nowhere? And where will
# they differ most?

# %%
def sliding_window(image):
    """The classifier asked around every 32 x 32 block: uint8 (H,W,3) -> scores (7, H/32, W/32)."""
    rows, columns = image.shape[0] // 32, image.shape[1] // 32
    answers = np.empty((7, rows, columns))
    for i, j in np.ndindex(rows, columns):
        crop = cut(image, 32 * i + 16, 32 * j + 16, 96)
        answers[:, i, j] = net.forward(net.preprocess(crop[None]))[0]
    return answers


windows, cells = sliding_window(image), score_map(x_scene)[0]
difference = np.abs(windows - cells).max(axis=0)
same = windows.argmax(axis=0) == cells.argmax(axis=0)
print(f"same name in {same.sum()} of {same.size} cells; scores lie between {cells.min():.0f} and {cells.max():.0f}")
assert difference.min() > 1e-5
assert difference[1:3, 1:4].max() < np.delete(difference.ravel(), (6, 7, 8, 11, 12, 13)).min()
draw.show(figures.agreement(image, difference, same), """Left the scene with a line every 32 pixels: 4 x 5 blocks.
    Right for each block the largest difference between a score of the turned net and of the classifier on the crop
    around it: 0.4 to 1.7 in the six blocks inside, 2.8 to 9.6 along the edge. Two blocks, both at the edge, get
    another name.""")

# %% [markdown]
# Nowhere, but nearly in the six blocks whose crops lie inside the scene. The convolutions of both nets are padded, like
# `fc6`: where a crop ends they see zeros, and in the scene they see the real neighbours. At the scene's edge the
# difference is larger: there the classifier sees grey and computes features of it, layer after layer, where the FCN has
# zeros in every layer.
#
# **Predict.** Take the padding away: where do the crops and the whole agree then? A small net will show it: a
# convolution with a ReLU, then a fully connected layer over 4 x 4 cells, as a kernel.

# %%
x = rng.normal(size=(1, 2, 12, 13))
first, last = rng.normal(size=(6, 2, 3, 3)), rng.normal(size=(5, 6, 4, 4))


def tiny(x, pad):
    return conv2d(np.maximum(conv2d(x, first, pad=pad)[0], 0), last)[0]


for pad, side in ((0, 6), (1, 4)):  # crops of this side give one answer
    whole, apart = tiny(x, pad)[0], []
    for u, v in np.ndindex(whole.shape[1:]):
        crop = x[:, :, u:u + side, v:v + side]
        apart.append(np.abs(tiny(crop, pad)[0, :, 0, 0] - whole[:, u, v]).max())
    assert (max(apart) < 1e-10) == (pad == 0)
    print(f"pad {pad}: {len(apart)} places, crop and whole differ by {min(apart):.1e} to {max(apart):.1e}")

# %% [markdown]
# Without padding: in every place, up to rounding. (With it, such small crops differ much more than ours did: of their
# 4 x 4 cells twelve touch the zeros.) That is the price of padding, which keeps the maps from shrinking.
#
# ## 10 · What it saves
#
# Neighbouring crops overlap, and the classifier works on the overlap again and again. The work of a convolution is its
# number of multiplications: the cells that it gives, times its weights.
#
# **Exercise 4: predict the saving.** In the layers up to pool5, how many times as many multiplications do the twenty
# crops (96 x 96) take as one run over the scene (128 x 160)?

# %%
# --- solution
times = 20 * 96 * 96 / (128 * 160)
# --- yours
# times = None  # a number
# --- end

check.times(times)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The weights are the same. Only the number of cells differs.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# In every layer the number of cells is the number of pixels, divided by the same power of 4. So compare pixels.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Pixels in twenty crops, divided by pixels in the scene.
#
# </details>

# %%
def multiplications(height, width, answers):
    """{layer: millions of multiplications} on one image of height x width that gives so many answers."""
    millions = {}
    for name, layer in net.layers.items():
        if name.startswith("pool"):
            height, width = height // 2, width // 2
        if "w" in layer.params:
            cells_out = answers if name.startswith("fc") else height * width
            millions[name] = cells_out * layer.params["w"].size / 1e6
    return millions


crop, once = multiplications(96, 96, 1), multiplications(128, 160, 20)
print(f"all layers: {20 * sum(crop.values()):.0f} million for the crops, {sum(once.values()):.0f} million for one run")
draw.show(figures.work(list(crop), [20 * v for v in crop.values()], list(once.values())), """Bars of the
    multiplications in each layer: for twenty crops nine times as many as for one run in every convolution, 425
    million against 47 in conv3_2 and conv4_2; equally many in fc6, fc7 and fc8, 4.4 million and less.""")

# %% [markdown]
# In `fc6`, `fc7` and `fc8` nothing is saved: twenty answers are twenty answers. What is shared is the work below them,
# and that is nearly all of it. (The papers' example: AlexNet, a classifier, takes 1.2 ms for a crop of 227 x 227 in a
# batch, and 22 ms for an image of 500 x 500, which gives 10 x 10 answers: over five times faster than a hundred crops.)
#
# **Predict.** Over all layers the ratio is 8.8. Will it be larger or smaller in seconds?

# %%
tasks = (lambda: sliding_window(image), lambda: score_map(net.preprocess(image[None])))
crops_seconds, run_seconds = (min(repeat(task, number=1, repeat=7)) for task in tasks)  # the fastest of seven
print(f"twenty crops take {crops_seconds / run_seconds:.0f} times as long as one run")

# %% [markdown]
# Usually larger: twenty small calls also pay twenty times for what every call costs.
#
# ## 11 · The heat map
#
# **Predict.** The sheep stands in front of the hut. Which of the 4 x 5 cells will be lit for `sheep`, which for `hut`?
# And which class for the clouds, of the same white fluff as the sheep?

# %%
p = softmax(score_map(x_scene))[0]  # (7, 4, 5)
draw.show(figures.heat(image, p, val.classes, val.colors), """Seven panels, one a class, with its probability in each
    of 4 x 5 cells over the grey scene, written where it is 0.05 or more. Sheep: 1.0 in the two cells of the sheep,
    0.2 in the three cells at the top right. Hut: 0.8 and 1.0 in the cells above the sheep. Boat: 0.8 or 0.9 in three
    cells at the left. Person: 0.9, 0.6 and 0.7 at the people. Lighthouse and buoy: nothing. Last panel: the likeliest
    class of each cell.""")

# %% [markdown]
# This net was trained to name crops; nobody asked it for a map. (The middle cloud lies across four cells; one of them
# says sheep, but only with 0.2, and so do two cells without any cloud.)
#
# ## 12 · Why is the map small?
#
# Each of the five poolings halves height and width, so from one cell to the next is a **step** of $2^5 = 32$ pixels.
# (The nets round up: H pixels give $\lceil H/32\rceil$ cells.) If each cell could have only one colour, the scene would
# look like this.
#
# **Look.** At which step do you lose the faces? The people in the boat? The sheep?

# %%
draw.show(figures.halvings(image, (1, 2, 4, 8, 16, 32)), """The scene painted with one colour a cell, as large as the
    image and after each pooling: 128 x 160 cells, 64 x 80, 32 x 40, 16 x 20, 8 x 10 and 4 x 5. At step 8 a person is
    a few cells, at step 32 twenty squares of brown, grey and green are left.""")

# %% [markdown]
# Why pool at all, then? Because a cell has to *see* enough to name what it sees: planks may be boat, hut or quay, and
# only their surroundings tell which. How far a cell sees is the subject of lesson 04.
#
# ## 13 · A finer map, the expensive way
#
# Shift the image by a few pixels, and the cells fall on other places. Run the net on many shifts and interlace the
# answers: the map becomes as fine as you like. The papers call it **shift-and-stitch**.
#
# **Exercise 5: predict a figure.** Step 16 takes 2 shifts down x 2 across = 4 runs. How many runs does
# step 8 take?

# %%
# --- solution
runs = (32 // 8) ** 2
# --- yours
# runs = None  # a number
# --- end

check.runs(runs)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# A map of step 32 has 4 x 5 cells for this scene. How many has a map of step 8?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Every run gives 20 of them.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# 32 / 8 shifts down, and for each of them as many across.
#
# </details>
#
# Then add steps 8 and 4 to the list in the next cell. Before you run it: will every finer map have more pixels right?

# %%
def stitched(step):
    """The likeliest class every `step` pixels, from (32 / step)^2 runs on shifted images: (H/step, W/step)."""
    n = 32 // step  # shifts along an axis
    around = np.pad(x_scene, ((0, 0), (0, 0), (16, 16), (16, 16)))
    names = np.empty((4 * n, 5 * n), np.uint8)
    for a, b in np.ndindex(n, n):
        top, left = step * a + step // 2, step * b + step // 2  # cells then lie in the middles of step x step blocks
        shifted = around[:, :, top:top + 128, left:left + 160]
        names[a::n, b::n] = score_map(shifted)[0].argmax(axis=0)
    return names


def share_right(names, step):
    """Enlarged to the image by repeating: the share of right pixels among those that are not void."""
    full = names.repeat(step, axis=0).repeat(step, axis=1)
    return np.mean((full == labels)[labels != 255])


# --- solution
steps = (32, 16, 8, 4)
# --- yours
# steps = (32, 16)  # change me: add 8 and 4
# --- end
maps = {step: (names := stitched(step), share_right(names, step)) for step in steps}
draw.show(figures.stitching(image, labels, maps, val.colors, val.classes), """The scene, its truth, and the likeliest
    class at several steps, with the runs it took and the share of right pixels: 71 % in twenty squares at step 32 (1
    run), 69 % at step 16 (4 runs). In finer maps the outlines of boat, sheep, hut and people begin to show.""")

# %% [markdown]
# A name for every pixel would take 32 x 32 = 1024 runs. And finer is not always better: between the old cells the net
# takes a cloud for a sheep, and makes people and boat too wide. It was trained to name middles, never asked where a
# thing ends. The papers do something cheaper and better: they enlarge the map of scores inside the net (lesson 05), and
# train the whole for every pixel (lessons 06 and 07).
#
# ## 14 · Break it
#
# Fold `fc6` of the real net in the wrong order, as in the box above.
#
# **Predict.** Will `assert_gradient` find the mistake?

# %%
broken = dict(params)
broken["fc6.w"] = net.params["fc6.w"].reshape(192, 3, 3, 128).transpose(0, 3, 1, 2)
fcn.load(broken)
print("names, turned wrongly:", np.array(val.classes)[score_map(x_scene)[0].argmax(axis=0)], sep="\n")
error = np.abs(score_map(x_crops)[:, :, 1, 1] - scores).max()
print(f"the classifier's scores are missed by up to {error:.0f}")
fcn.load(params)

x, w = rng.normal(size=(1, 128, 3, 4)), broken["fc6.w"][:2].astype(float)
y, cache = conv2d(x, w, pad=1)
dy = rng.normal(size=y.shape)
assert_gradient(lambda x: conv2d(x, w, pad=1)[0], x, dy, conv2d_backward(dy, cache)[0], "x")
print("and its gradient is right")

# %% [markdown]
# It will not: a gradient check compares a forward pass with its own backward pass. The wrongly turned net is as
# differentiable as any, only not the one that was trained. Whether the forward pass is right needs another judge: here,
# the classifier.
#
# ## 15 · More exercises
#
# **Exercise 6: in your own words.** Twenty crops and one run give nearly the same twenty answers. Explain to a friend
# who knows what a convolution is: what exactly is computed once instead of nine times, why is nothing saved in `fc7`,
# and why are the answers only *nearly* the same? Write three or four sentences before you look at ours in the solved
# lesson.

# %% [markdown] tags=["answer"]
# *One answer.* A convolution does the same thing at every place, so the features of a piece of the image do not
# depend on which crop it is in. The twenty crops overlap ninefold, and the one run computes the features up to pool5
# once for all of them. `fc7` comes when the overlap is used up: it turns the 192 numbers of one cell into 192 others,
# and twenty cells need that twenty times either way. The answers differ because the layers are padded: at the edge of
# a crop a convolution sees zeros where, in the scene, it sees the neighbouring pixels.

# %% [markdown]
# ## Three sentences to remember
#
# 1. A fully connected layer over a map of C x K x K is a K x K convolution that fits in one place: the same numbers,
#    reshaped in the order in which the map was flattened.
# 2. Run on a larger image, the turned classifier answers with a map, and computes what crops share only once.
# 3. That map has one cell for every 32 x 32 pixels, because five poolings have halved it five times.
#
# **Next:** lesson 02 (Convolution is a matrix product). It opens the black box: what `conv2d` does, and why everyone
# does it as a matrix product.

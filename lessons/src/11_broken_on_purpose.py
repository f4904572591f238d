# %% [markdown]
# # 11 · Broken on purpose
#
# **Which line is wrong?** A program that trains a net seldom crashes over a mistake. The loss falls, the curves look
# like curves, and the net is worse than it should be. Here are eight runs of one program. In A every line is as it
# should be; in each of B to H one line was changed, as people change it, by a slip or by habit. You get what one gets
# in practice, curves and pictures, and name the line.
#
# At the end you can
#
# - read the log of a healthy run closely, and say before the first step what it must begin with;
# - tell a mistake in the data from one in the steps and from one in the ruler, and either from luck;
# - name, for each of seven mistakes, the cheapest test that would have caught it before the training.
#
# *About 40 minutes to read, an hour and a half with the exercises, half a minute to run. You need lessons 03 (col2im
# and the gradient check), 06 (the loss and its rate), 07 and 08 (the nets) and 09 (mean IU).*

# %%
import warnings

import numpy as np
from PIL import Image

import minifcn
from lessons import draw
from lessons.check import lesson11 as check
from lessons.draw import lesson11 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.layers import Conv2d
from minifcn.metrics import ConfusionMatrix
from minifcn.nets import build
from minifcn.nets.surgery import convolutional
from minifcn.ops import conv2d, conv2d_backward, softmax_cross_entropy, softmax_cross_entropy_backward
from minifcn.ops.im2col import conv_size, taps
from minifcn.optim import SGD

runs = {letter: figures.read(letter) for letter in ("A", "A'", "B", "C", "D", "E", "F", "G", "H")}

# %% [markdown]
# Eight answers to one scene. A pixel has the colour of the class that the net gives it: dark where that is right or
# not counted, bright where it is wrong (background: black and grey). Each run is judged by the truth that its own
# loader gave it. Only A is known to be sound.
#
# **Predict.** Which of the seven others have a mistake that matters? Which is worst, which is best? Note your order
# down; sections 5 and 6 come back to them.

# %%
draw.show(figures.answers({letter: run for letter, run in runs.items() if letter != "A'"}), """
Eight answers to a scene with a hut, boats, people and a lighthouse. A: hut and people as blobs, 80 % of the pixels
right. B calls everything background. C, E and H look like A with more bright pixels, 75 to 78 %, H with thin
bright lines inside the outlines. D is like A to the pixel, F nearly. G is clearly finer than A, 87 %.""")

# %% [markdown]
# ## 1 · The program
#
# All runs were made by the program of the next four cells. It trains as lessons 07 and 08 did: from the body of the
# shipped classifier, first 32s, then 16s, then 8s. It is short so that ten epochs take half a minute: the images are
# shrunk to three quarters, and the whole set is kept in memory.
#
# `python -m lessons.broken A` trains and writes a run again (any letter, or none for all of them). What is kept of
# each, in `lessons/runs`, is the loss of every step, the scores of every epoch, and two validation pictures with
# their labels after epochs 4 and 10. This notebook reads those logs; it rebuilds only pieces live.
#
# Read the program with one question in mind, line by line: *if this line were wrong, what would I see?*
#
# **The loader.** Harbour's files hold 255 for void. Many data sets hold 0 there and count the classes from 1 (NYUDv2
# and SIFT Flow do), and so do the masks here while they are being shrunk. Taking 1 off at the end makes 255 of the
# 0: `uint8` wraps.

# %%
def load(split):
    """Harbour at three quarters of its size: x (N,3,96,120) float32, labels (N,96,120) uint8, 255 void."""
    data, images, labels = VOCSegmentation(harbour.root(), split), [], []
    for image, truth in (data[i] for i in range(len(data))):
        images.append(np.array(Image.fromarray(image).resize((120, 96), Image.Resampling.BILINEAR)))
        stored = Image.fromarray(truth + np.uint8(1))  # as many data sets store it: 0 void, 1 background, 2 boat, ...
        small = np.array(stored.resize((120, 96), Image.Resampling.NEAREST))
        labels.append(small - np.uint8(1))  # uint8: 0 - 1 is 255 again
    mean = np.float32((128, 128, 128))  # red, green, blue, as the classifier has learned them
    x = (np.stack(images) - mean) / 64
    return x.transpose(0, 3, 1, 2), np.stack(labels)


x, labels = load("train")
print(x.shape, x.dtype, labels.shape, np.unique(labels), f"void: {np.mean(labels == 255):.1%}")

# %% [markdown]
# **The convolutions' backward pass**, as lesson 03 arrived at it: $dX = \mathrm{col2im}(W^T dY)$. The library has
# faster ways; `ByHand` takes over a layer's parameters and uses ours, so that this line is in the program too.

# %%
def col2im(cols, x_shape, k, stride, pad):
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for i, j, rows, columns in taps(k, stride, 1, u, v):
        xpad[:, :, rows, columns] += cols[:, :, i, j]
    return xpad[:, :, pad:pad + height, pad:pad + width]


class ByHand(Conv2d):
    """A layer of the library that hands its gradient down by our own col2im."""

    def __init__(self, layer):
        vars(self).update(vars(layer))

    def _backward(self, dy, cache):
        x, w = cache[:2]
        _, dw, db = conv2d_backward(dy, cache, need_dx=False)
        self.grads = {"w": dw, "b": db}
        if self.need_dx:  # dX = col2im(W.T @ dY)
            dcols = w.reshape(len(w), -1).T @ dy.reshape(*dy.shape[:2], -1)
            return col2im(dcols, x.shape, self.kernel, self.stride, self.pad)

# %% [markdown]
# **The loop.** Three stages; each takes over by name what the one before has learned (lesson 08). Score layers start
# at zero. The rate is constant at first and falls to 0 over the last hundred of the 250 steps.

# %%
def train(x, labels, batch=8, rate=0.04, seed=0):
    """Yields (net, losses of all its steps) after every epoch."""
    stages = (("fcn32s", 4), ("fcn16s", 3), ("fcn8s", 3))  # each starts from what the one before learned
    before = convolutional(minifcn.load("harbour-classifier").net)
    before = {name: w for name, w in before.items() if not name.startswith("score")}  # scores start at zero
    rng, step, steps = np.random.default_rng(seed), 0, len(x) // batch * sum(epochs for _, epochs in stages)
    for name, epochs in stages:
        net = build(name, classes=7)
        net.load(before)
        net.body.layers.update({k: ByHand(conv) for k, conv in net.body.layers.items() if isinstance(conv, Conv2d)})
        optimizer = SGD(net.params, rate, momentum=0.9)
        for _ in range(epochs):
            losses = []
            for some in rng.permutation(len(x)).reshape(-1, batch):
                scores = net.forward(x[some], train=True)
                loss, cache = softmax_cross_entropy(scores, labels[some], reduction="mean")
                net.backward(softmax_cross_entropy_backward(cache))
                optimizer.lr = rate * min(1, (steps - step) / 100)  # over the last hundred steps it goes down to 0
                optimizer.step(net.grads)
                losses.append(float(loss))
                step += 1
            yield net, losses
        before = net.params

# %% [markdown]
# **The ruler.** After every epoch: the loss and the scores on the 60 validation pictures.

# %%
def score(net, x, labels):
    """The labels that the net gives, its loss, the IU of every class and their mean."""
    batches = [slice(i, i + 4) for i in range(0, len(x), 4)]
    scores = np.concatenate([net.forward(x[some]) for some in batches])
    named = scores.argmax(axis=1).astype(np.uint8)
    loss, _ = softmax_cross_entropy(scores, labels)
    iu = ConfusionMatrix(7).update(named, labels).iu
    mean_iu = ConfusionMatrix(7).update(named, labels).mean_iu
    return named, float(loss), iu, mean_iu

# %% [markdown]
# ## 2 · Seven suspects, on paper
#
# These are the seven. One of them is in each of B to H, each once.

# %%
print(*check.SUSPECTS, sep="\n")

# %% [markdown]
# Before you meet them in curves, meet them in the smallest case: what exactly does each do?
#
# ### Summed loss
#
# The loss is summed over the counted pixels instead of averaged, and the rate stays the mean's (lesson 06).
#
# **Exercise 1: a rate for the sum.** The rate for the mean is 0.04. Which rate would take the same steps with the sum?

# %%
counted = np.count_nonzero(labels[:8] != 255)  # in the first eight images
# --- solution
rate_for_sum = 0.04 / counted
# --- yours
# rate_for_sum = None  # a number, or an expression with `counted`
# --- end
print(f"{counted:,} counted pixels")
check.rate_for_sum(rate_for_sum)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# A step is rate times gradient. How much larger is the gradient of the sum?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The mean is the sum divided by the number of counted pixels, and so is its gradient.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `0.04 / ...`, so that rate times gradient stays what it was.
#
# </details>
#
# Seen the other way: whoever takes 0.04 for the sum takes a rate of over 3,000 for the mean.
#
# ### BGR means
#
# Every net wants its images as those that it learned from: ours red, green, blue, each less 128, divided by 64. The
# papers' nets want blue, green, red, less 104.007, 116.669, 122.679. Now somebody copies these three numbers into our
# loader: blue's mean is taken from red, and the net has learned with neither.
#
# **Predict.** A pixel (200, 128, 60) becomes (1.125, 0, -1.0625) with the right means. And with the wrong ones? Is
# the difference the same for every pixel?

# %%
pixel, right, wrong = np.array([200, 128, 60]), np.array([128, 128, 128]), np.array([104.007, 116.669, 122.679])
shift = (right - wrong) / 64
assert np.allclose((pixel - wrong) / 64, (pixel - right) / 64 + shift)
print("right", (pixel - right) / 64, " wrong", ((pixel - wrong) / 64).round(3), " difference", shift.round(3))

# %% [markdown]
# Each channel is shifted by a constant, a little. What does a convolution make of a constant shift $c$?
#
# $$w \cdot (x + c) + b = w \cdot x + \bigl(b + \textstyle\sum w\,c\bigr)$$
#
# The same as another bias. So one move of the first layer's biases undoes the whole mistake (except along the image's
# border, where the padding is 0 and was not shifted). **Predict** what training will make of it.

# %%
rng = np.random.default_rng(0)
some, w, b = rng.normal(size=(2, 3, 6, 7)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
shifted, _ = conv2d(some + shift.reshape(3, 1, 1), w, b)
other_bias, _ = conv2d(some, w, b + w.sum(axis=(2, 3)) @ shift)
assert np.allclose(shifted, other_bias)
print("a shifted image is another bias; here by", (w.sum(axis=(2, 3)) @ shift).round(2))

# %% [markdown]
# ### Smooth masks
#
# The masks are shrunk as photographs are: smoothly. By hand: a row of four pixels, two of hut (2), two of buoy (6),
# is to become a row of three.
#
# **Predict.** The three numbers, once copied from the nearest pixel, once smooth. And the names that belong to them?

# %%
def shrunk(row, how, size):
    """A row of labels as the loader shrinks it: stored with 0 for void, resized, back again."""
    stored = Image.fromarray(np.array([row], np.uint8) + np.uint8(1))
    return np.array(stored.resize((size, 1), how)) - np.uint8(1)


near, smooth = Image.Resampling.NEAREST, Image.Resampling.BILINEAR
two, outline = (2, 2, 6, 6), (5, 5, 5, 255, 255, 0, 0, 0)
assert shrunk(two, smooth, 3).tolist() == [[2, 4, 6]]
copied, smoothed = shrunk(outline, near, 6), shrunk(outline, smooth, 6)
rows = [{"hut, buoy": two, "copied": shrunk(two, near, 3), "smooth": shrunk(two, smooth, 3)},
        {"lighthouse, void (255), background": outline, "copied": copied, "smooth": smoothed}]
draw.show(figures.rows_of_pixels(rows), f"""Rows of coloured cells. 2 2 6 6, hut and buoy, becomes 2 6 6 by copying
    and 2 4 6 by smoothing: a sheep between hut and buoy. 5 5 5 255 255 0 0 0, lighthouse, void, background, becomes
    {copied[0].tolist()} by copying and {smoothed[0].tolist()} by smoothing: the void has shrunk, and a boat stands
    where half of it was.""")

# %% [markdown]
# Between hut and buoy there is now a sheep, since 4 lies between 2 and 6. And where a thing meets void, which is
# stored as 0, whatever lies between appears, here a boat: the border of every thing is lined with classes of smaller
# numbers.
#
# > **Why not simpler?** Why store void as 0 at all, and not leave it at 255? Then a mixture of 5 and 255 is no class,
# > and the library's loss refuses it. That is the kind outcome of the same mistake:

# %%
left_at_255 = np.array(Image.fromarray(np.array([outline], np.uint8)).resize((6, 1), smooth))
try:
    softmax_cross_entropy(np.zeros((1, 7, 1, 6), np.float32), left_at_255[None])
except ValueError as error:
    print(left_at_255, error)

# %% [markdown]
# **Exercise 2: a test for masks.** Write the test that would catch it. It gets a mask before and after any change of
# size.

# %%
def invented(before, after):
    """The classes that are in the mask `after` and not in `before`, as a sorted list; 255 is void and no class.

    before (H,W) uint8   after (U,V) uint8   ->   list of ints, empty where nothing was invented
    """
    # --- solution
    return sorted(set(after.ravel().tolist()) - set(before.ravel().tolist()) - {255})
    # --- yours
    # return None  # yours to write, one or two lines
    # --- end

check.invented(invented)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `np.unique(mask)`, or a Python `set` of its numbers.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The difference of two sets, and 255 taken out.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `sorted(set(after.ravel().tolist()) - ... - {255})`
#
# </details>
#
# ### Border counted
#
# Void pixels are turned into background: somebody saw the wrap from 0 to 255, took it for a bug and "mended" it.
#
# **Predict.** A buoy five pixels wide in a row of nine; its two border pixels and the pixel outside each are void.
# The net answers perfectly. What is the buoy's IU with void left out? With void as background?

# %%
with_void = np.array([[0, 255, 255, 6, 6, 6, 255, 255, 0]])
perfect = np.array([[0, 0, 6, 6, 6, 6, 6, 0, 0]])
left_out = ConfusionMatrix(7).update(perfect, with_void).iu[6]
as_background = ConfusionMatrix(7).update(perfect, np.where(with_void == 255, 0, with_void)).iu[6]
assert left_out == 1 and as_background == 3 / 5
print(f"left out: {left_out:g}, as background: {as_background:g}")

# %% [markdown]
# Every thing is too large by a pixel all round, as far as this truth is concerned, and small things lose most. The
# net, which is taught so, will draw them thinner.
#
# ### IU per batch
#
# Mean IU is computed in every validation batch, and these are averaged (lesson 09).
#
# **Exercise 3: one class, counted twice.** Two pictures of ten pixels. In the first, eight are buoy, and all eight are
# found. In the second, two are buoy, and neither is found. Nothing else is called buoy. What is the mean of the two
# pictures' IUs of *buoy*? And its IU, counted once over both?

# %%
# --- solution
two_pictures = (0.5, 0.8)  # (1 + 0) / 2, and 8 / (10 + 8 - 8)
# --- yours
# two_pictures = None  # (mean of the two IUs, counted once)
# --- end
check.two_pictures(two_pictures)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# IU is hits over the pixels that are buoy in the truth or in the answer.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# In the first picture 8 of 8, in the second 0 of 2. Then put both pictures side by side and count again.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `(1 + 0) / 2`, and `8 / (8 + 2)`.
#
# </details>
#
# ### 8s straight away
#
# Not by way of 32s and 16s, but all three branches from the first step. The papers warn of it: in their nets the
# features of pool3 and pool4 are much larger than those of fc7, and training tended to diverge unless they were
# scaled down first (by 0.0001 and 0.01; lesson 08).
#
# **Exercise 4: a large feature.** The smallest case is one weight: score $= w f$, with $f$ a feature. Let $g$ be the
# gradient that arrives at the score. After one step of SGD, the score has changed. The same for a feature that is 100
# times as large, with the same $g$ and the same rate: by which factor has *its* score changed more?

# %%
# --- solution
factor = 100 * 100  # dw = g f, so w changes by -rate g f, and w f by -rate g f^2
# --- yours
# factor = None  # a number
# --- end
check.factor(factor)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Lesson 03: $dw = dscore \cdot f$. SGD: $w \leftarrow w - \text{rate} \cdot dw$.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# So $w$ changes by $-\text{rate} \cdot g f$. And the score is $w f$.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The score changes by $-\text{rate} \cdot g f^2$. Put $100 f$ in place of $f$.
#
# </details>
#
# ### col2im without +=
#
# One character: `=` where `+=` should be. What nine patches hand back to a pixel is not added; the last one
# overwrites the others.
#
# **Predict.** A 5 x 5 image, a 3 x 3 kernel, padded by 1, and every patch hands back a 1. What does each pixel
# receive, with `+=` and with `=`?

# %%
def overwriting(cols, x_shape, k, stride, pad):
    """col2im with the one wrong character."""
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = np.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for i, j, rows, columns in taps(k, stride, 1, u, v):
        xpad[:, :, rows, columns] = cols[:, :, i, j]
    return xpad[:, :, pad:pad + height, pad:pad + width]


ones = np.ones((1, 9, 25))
received = {"+=": col2im(ones, (1, 1, 5, 5), 3, 1, 1)[0, 0], "=": overwriting(ones, (1, 1, 5, 5), 3, 1, 1)[0, 0]}
draw.show(figures.taps(received), """Two 5 x 5 tables. With += nine inside, six along the edges, four in the corners:
    each pixel hears from every patch that saw it. With = a one everywhere.""")

# %% [markdown]
# One contribution of nine survives in each layer, and eight 3 x 3 layers lie above the first. It is not nonsense,
# though: it is a part of the right sum. **Predict**: will such a net learn nothing, or less?

# %% [markdown]
# ## 3 · A healthy run, read closely
#
# **Predict**, before you run the cell:
#
# 1. Where does the loss begin? (Score layers start at zero; seven classes.)
# 2. The skips come in after epochs 4 and 7. What will they do to the curve of mean IU?
# 3. Will training loss and validation loss part company?
# 4. What can the picture after epoch 4, 32s, show at best?

# %%
assert abs(runs["A"]["steps"][0] - np.log(7)) < 1e-4
draw.show(figures.case("A", runs), """Run A. The loss starts at ln 7, falls to 1.0 within an epoch and to 0.3 in the
    end, validation a little above it at 0.40. Mean IU: 0.26, then flat near 0.42 by epoch 4, rising again from epoch
    5 on to 0.670. IU per class from 58 %, boat, to 83 %, background, the others between 64 and 70. Pictures: after
    epoch 4 a hut as a great blob and a piece of a person; after epoch 10 people, a boat and the lighthouse are
    there, as blobs. The truth has pale void lines along all borders.""")

# %% [markdown]
# **Loss at the start.** 1.9459 = ln 7. Guessing costs that, whatever the labels; so it says nothing about labels,
# and everything about how the loss is added up.
#
# **Training and validation** fall together and stay close: 0.30 and 0.40. Were they to part, with validation rising,
# the net would be learning the 200 pictures by heart. If both fall and the scores stay bad, look at how the scores are
# counted.
#
# **Mean IU** flattens near 0.42 by epoch 4 and rises again from epoch 5 on: 16s has pool4's cells, half as large. 8s
# adds less here, for it comes when the rate is already falling.
#
# **IU per class,** in per cent. None is at 0. Boats are worst: masts and sails are thin.
#
# **Pictures.** After epoch 4 there are blobs of 32 pixels, after epoch 10 they are finer. The truth has its pale
# lines. (Ten epochs are few. The shipped 8s, at full size and with over five times as many steps, reaches 0.859.)
#
# ### Luck
#
# A' is the same program, with the images in another order. Nothing else differs.
#
# **Predict.** By how much do A and A' differ at the end? And on the way?

# %%
apart = np.abs(runs["A"]["mean_iu"] - runs["A'"]["mean_iu"])
print("A  ", runs["A"]["mean_iu"].round(3), "\nA' ", runs["A'"]["mean_iu"].round(3), "\napart", apart.round(3))

# %% [markdown]
# On the way by up to six hundredths, at the end by half of one: a rate that goes down to 0 lets the noise settle. Nor
# does A' flatten before epoch 5: the bend in A's curve was luck too, in part. (One pair says little about luck, but it
# gives its size.) A difference of 0.005 at the end is no symptom; one of 0.1 is.
#
# There is a sharper comparison. A and B to H take the *same* images in the same order from the same weights, and a
# program that does the same gives the same numbers, to the last digit. (On one machine. If you train these runs again
# on another, train A there too.) So look at the *first* number that differs from A's. It says which part of the
# program was changed:
#
# | first number to differ | what was changed |
# |---|---|
# | the first loss | how the loss is added up (all scores are zero, so nothing else can be seen) |
# | the second loss | images, labels or net: they have had their say in the first gradient |
# | the third loss, and not the second | ? |
# | no loss at all, only a score | the ruler |
#
# **Predict** the third row. In the first step the score weights are zero, so the body gets no gradient (lesson 08),
# and only the score layer moves. In the second step the body gets its first gradient, and its weights move for the
# first time. Which change shows in the third loss and not in the second?

# %% [markdown] tags=["answer"]
# *One answer.* A change in the backward pass of the *body*. Input, labels, net, loss and the score layer's own
# gradient are as before: the first two losses depend on nothing else.

# %% [markdown]
# ## 4 · The line-up
#
# The log book of all nine. Keep it in view while you look at the cases.

# %%
print(figures.log_book(runs))

# %% [markdown]
# For each case look, and write down a name from the list in section 2. If it is wrong, the check says what speaks
# against it. Read the *truth* of each as well as the answer: it is what the loss has seen. Some cases are hard;
# leave one open and come back when others are solved.
#
# ### Case B

# %%
draw.show(figures.case("B", runs), """Run B. The loss begins at 164,150, is 741 million in the second step and nan
    from the third on. Mean IU 0.083 in all epochs; background has IU 58, all other classes 0. Everything is named
    background. The truth looks like A's.""")

# %% [markdown]
# **Exercise 5: case B.** Which of the seven is it?

# %%
# --- solution
case_b = "summed loss"
# --- yours
# case_b = None  # one of the seven names, as a text
# --- end
check.case_b(case_b)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The first number of the log book.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Divide it by 1.9459. Have you seen the result, or one close to it?
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# It is the number of counted pixels in a batch.
#
# </details>
#
# ### Case C

# %%
draw.show(figures.case("C", runs), """Run C. The loss starts at ln 7 and falls; validation ends at 0.49 where A has
    0.40. Mean IU ends at 0.582, A 0.670, and every class is lower, buoys and boats by more than background. The
    truth has no pale lines: things are thinner, with dark gaps between those that touch. In the answer there are
    bright rims.""")

# %% [markdown]
# **Exercise 6: case C.** Which of the seven is it?

# %%
# --- solution
case_c = "border counted"
# --- yours
# case_c = None  # one of the seven names
# --- end
check.case_c(case_c)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Lay its truth beside A's.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# What was pale along every border in A, and what is there now?
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# It is dark there: background. These pixels are taught, and judged.
#
# </details>
#
# ### Case D

# %%
draw.show(figures.case("D", runs), """Run D. Losses lie on A's. Mean IU runs just below A's all the way and ends at
    0.654, where A has 0.670. Yet the IUs of all seven classes are A's, 83 58 70 64 66 64 65, and the pictures are
    A's too.""")

# %% [markdown]
# **Exercise 7: case D.** Which of the seven is it?

# %%
# --- solution
case_d = "IU per batch"
# --- yours
# case_d = None  # one of the seven names
# --- end
check.case_d(case_d)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The log book: compare all losses with A's, digit by digit. Then the bars.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Nothing that the net does has changed. Take the mean of the seven bars, and compare it with the reported one.
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# The mean of the bars is A's 0.670, the reported one 0.654: the mean IU was not made from these seven.
#
# </details>
#
# ### Case E

# %%
draw.show(figures.case("E", runs), """Run E. It starts like A, at ln 7, and is a little ahead after one epoch; then it
    falls behind steadily, training and validation loss alike: 0.48 and 0.55 at the end, where A has 0.30 and 0.40.
    Mean IU 0.572 against 0.670, all classes lower. The truth is A's, with its pale lines.""")

# %% [markdown]
# **Exercise 8: case E.** Which of the seven is it?

# %%
# --- solution
case_e = "col2im without +="
# --- yours
# case_e = None  # one of the seven names
# --- end
check.case_e(case_e)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The first four losses in the log book, beside A's.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Two are equal, the third is not. The table in section 3 has a row for that.
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# Data, net and loss are sound. The body learns, but too little: what is handed down to it is only a part.
#
# </details>
#
# ### Case F

# %%
draw.show(figures.case("F", runs), """Run F. Loss, mean IU, the bars and the pictures cannot be told from A's by eye:
    mean IU ends at 0.666, between A's 0.670 and A' with 0.665; validation loss at 0.399, A 0.404. The truth is A's.""")

# %% [markdown]
# **Exercise 9: case F.** Which of the seven is it? (If you cannot tell yet, do G and H first.)

# %%
# --- solution
case_f = "BGR means"
# --- yours
# case_f = None  # one of the seven names
# --- end
check.case_f(case_f)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# It is not A: which is the first number in the log book that differs?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The second loss. So images, labels or net were changed. The labels look sound, the picture after epoch 4 is as
# coarse as 32s. What is left?
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# Which of the seven can a single move of the first biases undo?
#
# </details>
#
# ### Case G

# %%
draw.show(figures.case("G", runs), """Run G. From the first epoch on it is ahead of A: mean IU 0.40 after one epoch,
    0.72 after four, 0.786 at the end; every class is higher by 6 to 16 points. The picture after
    epoch 4 is finer than A's after epoch 10. The truth is A's.""")

# %% [markdown]
# **Exercise 10: case G.** Which of the seven is it?

# %%
# --- solution
case_g = "8s straight away"
# --- yours
# case_g = None  # one of the seven names
# --- end
check.case_g(case_g)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The picture after epoch 4. What can a 32s draw?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# It is finer than any 32s can be, in an epoch in which A has no skip yet. Mean IU is 0.72 then, A's 0.42.
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# The skips were there from the beginning.
#
# </details>
#
# ### Case H

# %%
draw.show(figures.case("H", runs), """Run H. Much like C and E: validation loss ends at 0.54, mean IU at 0.581, all
    classes lower than A's. But in the truth the pale lines are thin and broken, and beside them run thin lines of
    other classes: blue, boat, along the lighthouse and around people and hut. The answers have thin bright lines in
    the same places, inside regions that are named rightly.""")

# %% [markdown]
# **Exercise 11: case H.** Which of the seven is it?

# %%
# --- solution
case_h = "smooth masks"
# --- yours
# case_h = None  # one of the seven names
# --- end
check.case_h(case_h)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Its truth, at the edges of lighthouse and hut.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# There is no boat around a hut. Where does it come from?
#
# </details>
# <details><summary>Hint 3: nearly the answer</summary>
#
# Boat is 1. What lies between a hut, 2, and void, stored as 0?
#
# </details>
#
# **Exercise 12: in your own words.** C, E and H end within a hundredth of each other, 0.582, 0.572 and 0.581, a tenth
# below A. "It has not converged", says somebody, "train longer." What do you answer, and which three looks, none
# longer than a minute, tell the three apart?

# %% [markdown] tags=["answer"]
# *One answer.* Longer training helps none of them to what A can do. C and H are taught a wrong truth, and judged by
# it: C that every border is background, H that every thing is lined with other things; a net that learned it
# perfectly would still be wrong. E has the right truth and poor steps: longer training may make up for a part of
# that, at many times the price. *The looks:* (1) the labels as the loss gets them: is there any 255? No: C. (2) One
# mask before and after the loader: any class invented? Yes: H. (3) Both sound, and training loss too high: not the
# data, so the steps; the gradient check takes a second. A score alone tells none of this.

# %% [markdown]
# ## 5 · What it was
#
# **Stop here until all seven are right.** Then, for each: the line, why it shows as it does, and the cheapest test
# that would have caught it. (G has a section of its own.)
#
# ### B

# %%
print(figures.line("B"))

# %% [markdown]
# The first step was 84,000 times too long. In the second the average pixel costs 8,800 instead of 1.8, and that step's
# gradient throws the weights so far that in the third something is larger than the largest float32. The `argmax` of
# nan is 0: everything is background, and mean IU is that of the empty answer, 0.083 (lesson 09). Of the seven it is
# the easiest to notice.
#
# **Cheapest test: the first loss.** ln C, before any training. One forward pass.
#
# **Exercise 13: predict a figure.** The cell below computes the loss of a fresh net for the first
# eight images. First write down what it will be with `reduction="sum"`; then change the line, and run it.

# %%
# --- solution
first_sum = counted * np.log(7)
# --- yours
# first_sum = None  # the number that you expect
# --- end
check.first_sum(first_sum)

# %%
fresh = build("fcn32s", classes=7)
loss, _ = softmax_cross_entropy(fresh.forward(x[:8]), labels[:8], reduction="mean")  # change me
print(f"first loss {loss:,.4f};  ln 7 = {np.log(7):.4f}")

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Exercise 1 printed how many pixels are counted.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Each of them costs ln 7.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `counted * np.log(7)`
#
# </details>
#
# (With Adam instead of SGD this mistake hides: Adam divides each gradient by its own size, so a factor of 84,000
# cancels. The first loss still gives it away.)
#
# ### C

# %%
print(figures.line("C"))

# %% [markdown]
# The truth says *background* on a rim around every thing, one pixel of which is the thing's own. The net learns to
# draw thinner, and cannot know exactly where the rim ends; so both losses stay higher. And the scores are counted with
# the same wrong truth, since both come from one loader: this validation score is not the one that others print
# (lesson 09).
#
# **Predict.** Give C's answers to A's truth, void left out. How far behind A's are they then?

# %%
fair = runs["A"]["truth"]
for letter in ("A", "C"):
    answer = runs[letter]["epoch10"]
    print(f"{letter}: {np.mean(answer[fair != 255] == fair[fair != 255]):.1%} of the two pictures' pixels right, "
          f"{np.mean(answer > 0):.1%} named as some thing")

# %% [markdown]
# C draws its things thinner, mostly by pixels that are void in A's truth and count for nothing. On these two pictures
# it names as many of the others rightly as A. So most of the distance to A was in how C was *scored*.
#
# **Cheapest test: count the labels** as they leave the loader. Void must be there, in a share that you know.

# %%
as_c_saw_it = runs["C"]["truth"]
print("A:", np.unique(runs["A"]["truth"]), f"void {np.mean(runs['A']['truth'] == 255):.1%}")
print("C:", np.unique(as_c_saw_it), f"void {np.mean(as_c_saw_it == 255):.1%}")

# %% [markdown]
# ### D

# %%
print(figures.line("D"))

# %% [markdown]
# Nothing is wrong with the net; it *is* A's. Only the number is another: a class that is rare in a batch swings
# between 0 and 1 there, and counts as much as where it is frequent. Here it is 0.654 instead of 0.670, three times as
# far from A as A' is, while every loss is A's to the digit. With other batches it would be other numbers, and that is
# the trouble: it depends on something that has nothing to do with the net.
#
# **Cheapest test: score the same answers in batches of another size.** A mean IU that is counted once does not
# change. Here with the shipped 8s. **Predict** which way the wrong one goes as batches get smaller.

# %%
val = VOCSegmentation(harbour.root(), "val")
images, truth = (np.stack(part) for part in zip(*(val[i] for i in range(len(val))), strict=True))
shipped = minifcn.load("harbour-fcn8s")
named = np.concatenate([shipped.scores(images[i:i + 4]).argmax(axis=1) for i in range(0, 60, 4)]).astype(np.uint8)
for size in (1, 4, 20):
    parts = [slice(i, i + size) for i in range(0, 60, size)]
    per_batch = np.mean([ConfusionMatrix(7).update(named[s], truth[s]).mean_iu for s in parts])
    once = ConfusionMatrix(7)
    for s in parts:
        once.update(named[s], truth[s])
    print(f"batches of {size:2}: per batch {100 * per_batch:.1f}, counted once {100 * once.mean_iu:.1f}")

# %% [markdown]
# With twenty pictures in a batch every class is in each of them, and the two hardly differ: a large batch hides the
# mistake.

# %% [markdown]
# ### E

# %%
print(figures.line("E"))

# %% [markdown]
# Each layer hands down one of nine contributions, so the gradient gets smaller from layer to layer, and points
# elsewhere. The score layers, fc7 and fc6 lie above the first wrong line and learn soundly; they make do with what the
# body offers them. The run looks like a net that learns a little slowly: no jump, no nan, nothing that points
# anywhere. In the first epoch it is even ahead, by no more than luck. **This is the most expensive kind of mistake.**
#
# **Cheapest test: the gradient check**, on a convolution of a few numbers. A second.

# %%
small, w, dy = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=(2, 4, 5, 6))
dcols = w.reshape(4, -1).T @ dy.reshape(2, 4, -1)
for way in (col2im, overwriting):
    try:
        assert_gradient(lambda x: conv2d(x, w, pad=1)[0], small, dy, way(dcols, small.shape, 3, 1, 1), "x")
        print(f"{way.__name__}: dx is right")
    except AssertionError as error:
        print(f"{way.__name__}: {error}")

# %% [markdown]
# There is a test that does *not* catch it, although it is a good one otherwise. **Predict**: can a net with this
# mistake learn two pictures by heart? Here are 80 steps, live, with the program of section 1.

# %% tags=["training"]
two = np.tile([75, 43], 8)  # the same two pictures, eight times an epoch
sound, curves = col2im, {}
for name, way in (("+=", sound), ("=", overwriting)):
    col2im = way  # ByHand calls whatever has this name
    curves[name] = [loss for _, losses in train(x[two], labels[two], batch=2) for loss in losses]
col2im = sound
print({name: round(losses[-1], 3) for name, losses in curves.items()})
draw.show(figures.overfit(curves), f"""Loss of two runs on the same two pictures over 80 steps, both starting at ln
    7. With += it falls to {curves["+="][-1]:.2f}, with = to {curves["="][-1]:.2f}: behind, and on its way too.""")

# %% [markdown]
# It gets down too, only more slowly; neither has finished after these steps, and nobody would be alarmed. Overfitting
# two pictures (lesson 06) catches a net that *cannot* learn. Whether it learns as well as it should, only a comparison
# with the right gradient says.
#
# ### F

# %%
print(figures.line("F"))

# %% [markdown]
# The quiet one. By section 2 a constant shift is another bias, and the net had 250 steps to move its biases. Measured,
# it does no harm here: 0.666, between A and A'. So why care? Because it waits. Take weights that are *not* trained
# on, and the shift is there in full. The shipped 8s, scored as it should be and through F's loader:

# %%
through_f = (images.transpose(0, 3, 1, 2) - np.float32((104.007, 116.669, 122.679)).reshape(3, 1, 1)) / np.float32(64)
named_f = np.concatenate([shipped.net.forward(through_f[i:i + 4]).argmax(axis=1) for i in range(0, 60, 4)])
right, wrong = (ConfusionMatrix(7).update(some.astype(np.uint8), truth).mean_iu for some in (named, named_f))
assert wrong < right
print(f"mean IU {100 * right:.2f} with the means it was trained with, {100 * wrong:.2f} with F's")

# %% [markdown]
# Not quite a point. (Harbour's light varies from scene to scene; that may have taught the nets to live with shifts.)
# But where nothing is trained there is no luck either. **A pretrained net, scored before the first step, must give
# its published number to the last digit that is printed.** 85.0 for 85.9 is a wrong loader, not bad luck.
#
# **Cheapest test: compare the loader's x with the net's own.** A net here carries its preprocessing with it,
# `net.preprocess`. Better than testing: use that, and type no means at all.

# %%
three = np.stack([np.array(Image.fromarray(train_image).resize((120, 96), Image.Resampling.BILINEAR))
                  for train_image, _ in (VOCSegmentation(harbour.root(), "train")[i] for i in range(3))])
assert np.allclose(x[:3], fresh.preprocess(three))
grey = np.full((1, 1, 1, 3), 128, np.uint8)
print("x is what the net's own preprocessing gives; middle grey becomes", fresh.preprocess(grey).ravel())

# %% [markdown]
# ### H

# %%
print(figures.line("H"))

# %%
draw.show(figures.corner({"A's truth": runs["A"]["truth"][1], "C's": runs["C"]["truth"][1],
                          "H's": runs["H"]["truth"][1]}), """The same corner of three truths, magnified: in A pale
    lines of void between person, lighthouse and boat; in C black in their place; in H thin lines of white, black and
    blue, and single pixels of other classes, along every border.""")

# %% [markdown]
# The truth itself is wrong along every border: nearly half of the void is gone, and of the other pixels three in a
# hundred have another class. The net cannot draw lines one pixel wide, so its losses stay higher, and where it is
# right it is told that it is not. All classes lose. The loader asked for a smooth *image*, rightly, and the next line
# copied that.
#
# **Cheapest test: your `invented`,** for one mask. Here for the two that were kept:

# %%
for before, after in zip(runs["A"]["truth"], runs["H"]["truth"], strict=True):
    more = set(np.unique(after).tolist()) - set(np.unique(before).tolist()) - {255}
    print("classes in the mask:", np.unique(before), " invented:", [val.classes[k] for k in sorted(more)])

# %% [markdown]
# (Where all classes are in the picture already, it sees nothing: run it over many masks. The surest test is to look
# at one mask, magnified.)

# %% [markdown]
# ## 6 · The case of G

# %%
print(figures.line("G"))

# %% [markdown]
# "8s straight away" stands in many lists of mistakes, and in our suspects'. Measured, it is the *best* of the eight:
# 0.786 where the staged run has 0.670, after as many steps. (At full size, trained as the shipped nets were, it is
# likewise: 0.881 straight, 0.859 in stages.) Each stage of A had only three or four epochs, and for the
# first four the fine branches did not exist.
#
# Was the warning wrong, then? Exercise 4 says on what it depends: the size of the features that the skips look at.
# **Predict**: in the body of our classifier, is pool3 larger than fc7's output, or smaller?

# %%
before = {name: w for name, w in convolutional(minifcn.load("harbour-classifier").net).items() if "score" not in name}


def sizes(net):
    """Root mean squares of what the three score layers look at."""
    return {tap: float(np.sqrt(np.mean(features**2))) for tap, features in net.body.forward(x[:8]).items()}


ours = build("fcn8s", classes=7)
ours.load(before)
print({tap: round(size, 2) for tap, size in sizes(ours).items()})
assert sizes(ours)["pool3"] < sizes(ours)["drop7"]

# %% [markdown]
# Smaller. Our skips are gentler than the coarse branch; nothing can blow up there first. In the papers' VGG it is the
# other way round: they scaled pool3 by 0.0001 and pool4 by 0.01 to make the three alike.
#
# So what would convince us? **The same net with features as in VGG.** That can be had without changing what the net
# says: $\mathrm{relu}(a z) = a\,\mathrm{relu}(z)$ for $a > 0$, so multiply a layer's weights and bias by $a$ and
# divide the next layer's weights by $a$, and everything after it is as before. We make pool3 a hundred times as
# large, and let that fade away layer by layer until fc7.

# %%
def grown(name):
    """A fresh net over the classifier's body, with pool3 100 times and pool4 10 times as large, and fc7 as it was."""
    net, scale = build(name, classes=7), 1.0
    net.load(before)
    for layer, power in zip(("conv3_2", "conv4_1", "conv4_2", "conv5_1", "conv5_2", "fc6", "fc7"),
                            (2, 1.5, 1, 0.75, 0.5, 0.25, 0), strict=True):
        net.params[f"{layer}.w"][...] *= 10**power / scale
        net.params[f"{layer}.b"][...] *= 10**power
        scale = 10**power
    return net


print({tap: round(size, 2) for tap, size in sizes(grown("fcn8s")).items()})
same = [net.body.forward(x[:8])["drop7"] for net in (ours, grown("fcn8s"))]
assert np.allclose(*same, atol=1e-4)

# %% [markdown]
# Fc7 is what it was, so all that a 32s can say is what it was. Now 15 steps, live, at the rate of all our runs: 32s;
# 8s straight away; and 8s with the papers' cure. (They scale the features by a constant. For SGD, scaling features by
# $1/s$ is dividing the rate of their score weights by $s^2$: exercise 4 read backwards. So we do that.)
#
# **Predict.** The score of 8s moves $10^4$ times as far by pool3 as it should in its first step. Which loss do you
# expect in the second?

# %% tags=["training"]
def first_steps(net, **cure):
    optimizer, order, losses = SGD(net.params, 0.04, momentum=0.9, **cure), np.random.default_rng(0), []
    for some in order.permutation(200).reshape(25, 8)[:15]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # one of them is meant to overflow
            loss, cache = softmax_cross_entropy(net.forward(x[some], train=True), labels[some])
            net.backward(softmax_cross_entropy_backward(cache))
            optimizer.step(net.grads)
        losses.append(float(loss))
    return losses


scaled = {"score_pool3.w": (1e-4, 1), "score_pool4.w": (1e-2, 1)}  # (rate, decay) times this: 1/100^2 and 1/10^2
curves = {"32s": first_steps(grown("fcn32s")), "8s straight away": first_steps(grown("fcn8s")),
          "8s, skips scaled": first_steps(grown("fcn8s"), multipliers=scaled)}
for name, losses in curves.items():
    print(f"{name:18}", *(f"{loss:<10.4g}" for loss in losses[:6]), "...", f"{losses[-1]:.3g}")
assert np.isfinite(curves["32s"]).all() and not np.isfinite(curves["8s straight away"]).all()
draw.show(figures.losses(curves, "pool3 100 times as large, pool4 10 times"), """Losses of 15 steps on a logarithmic
    axis. 32s falls from 1.95 to 1.3. 8s straight away jumps to 30, 270 and 70,000, leaves the scale, and is nan
    from the sixth step on. 8s with its skips scaled falls like 32s, and a little lower, to about 1.0.""")

# %% [markdown]
# There it is: the same function, the same rate, and 8s straight away is nan within six steps where 32s learns. Scaling
# the skips cures it. (The papers' other way is staging, with a rate divided by 100 for each new skip.)
#
# **The verdict.** Not a mistake *here*; a mistake where the skips' features are large. "Never train 8s at once" is a
# rule without its reason. The reason is a product, rate times the features' mean square, and it can be measured in one
# forward pass, as above. Measure before you follow it.

# %% [markdown]
# ## 7 · A checklist
#
# Where did the seven sit, and who could have seen them?
#
# | | training loss | validation loss | scores | truth, looked at |
# |---|---|---|---|---|
# | data: C, H | too high | too high | low | **shows it** |
# | input: F | as ever | as ever | as ever | sound |
# | steps: B, E | **nan**, or too high | with it | low | sound |
# | ruler: D | as ever | as ever | **do not fit** the classes' | sound |
# | order of stages: G | lower | lower | **higher** | sound |
#
# | symptom | suspects | cheapest test |
# |---|---|---|
# | first loss is not ln C | loss summed, score layer not at zero | one forward pass |
# | nan, or a jump by orders of magnitude | a sum's rate, a rate too high, large skips | first loss, sizes of features |
# | loss stays at ln C | a rate for the sum, gradient cut off | how far do weights move in a step? |
# | loss stops at 1.35, what the classes' shares alone can give | weights not loaded, dead ReLUs | are all features 0? |
# | both losses too high, truth sound | a wrong gradient, a rate too low | gradient check |
# | both too high, errors along borders | masks smoothed, void counted or shifted | `np.unique`, one mask magnified |
# | validation far above training | too few pictures, or two loaders | score training pictures as validation ones |
# | a score does not fit the pictures | the ruler | another batch size; a perfect answer must get 100 |
# | a point below the published number | preprocessing, class order | score the net before the first step |
#
# Four of these cost a minute together, and belong before every training: **the first loss; the labels' values; one
# picture and its mask, magnified; two pictures learned by heart.** The last lets E through: the gradient check belongs
# with every backward pass that you write, once.
#
# ## Three sentences to remember
#
# 1. Know the first loss before you run, run something healthy beside it, and look for the first number that differs:
#    it says which part of the program was changed.
# 2. Data, steps and ruler fail in different columns: look at the truth as the loss sees it, at the losses of the first
#    steps, and at whether a score fits its parts.
# 3. The final score tells that something is wrong, never what; three different mistakes ended within a hundredth here,
#    one mistake cost no more than luck, and what many call a mistake scored best.
#
# **Next:** your own pictures. `python -m minifcn.datasets inspect` runs the tests on data for you,
# `python -m minifcn.train` the loop; now you know what to watch.

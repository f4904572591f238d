# %% [markdown]
# # 05 · Upsampling
#
# **How does a map get larger?** Five halvings have made 4 x 5 cells of an image of 128 x 160 pixels (lesson 04). The
# net has a score for every cell, and needs one for every pixel. This lesson builds the layer that goes back up. It has
# four names: *deconvolution*, *up-convolution*, *transposed convolution*, *fractionally strided convolution*. They mean
# one operation, and it is not the inverse of anything.
#
# At the end you can
#
# - enlarge a small map on paper, and say beforehand how large it will be;
# - write the layer, forward and backward, from its docstring alone;
# - say what exactly is transposed, and why nothing is undone;
# - derive the weights that interpolate, and why the kernel has twice the stride's size;
# - recognise a checkerboard, a lost overlap and a shifted map when you see one.
#
# *About 45 minutes to read, two hours with the exercises, seconds to run. You need lessons 02 (im2col) and 03
# (gradients and how to check them), and 04 for where small maps come from.*

# %%
import numpy as np
from PIL import Image

import minifcn
from lessons import draw
from lessons.check import lesson05 as check
from lessons.draw import lesson05 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.gradcheck import assert_gradient
from minifcn.ops import (bilinear_kernel, col2im, conv2d, conv2d_backward, conv_transpose2d,
                         conv_transpose2d_backward, im2col)

# %% [markdown]
# The shipped FCN-32s of lesson 00, cut open just before its last layer. `score_fr` gives each of the 4 x 5 cells a
# score for each class; we look at the class *sheep*.

# %%
model = minifcn.load("harbour-fcn32s")
image, truth = VOCSegmentation(harbour.root(), "val")[20]
x = model.net.preprocess(image[None])
coarse = model.net.body.forward(x, train=False)["drop7"]  # what score_fr is given
scores = model.net.head.layers["score_fr"].forward(coarse)
large = model.net.forward(x)
sheep = model.classes.index("sheep")
print(f"{scores.shape} -> {large.shape}")
print(scores[0, sheep].round().astype(int))

# %% [markdown]
# **Predict.** The last layer makes 20,480 numbers of these 20. Where on the large map do you expect the largest value,
# how does it change from cell to cell, and what happens at the map's border? (In the figure contour lines lie 5 apart:
# dashed below 0, solid from 0 on.)

# %%
draw.show(figures.question(image, scores[0, sheep], large[0, sheep], "sheep"),
          "Three panels: a harbour image of 128 x 160 pixels with a sheep in front of a hut; the 4 x 5 map of scores "
          "for sheep, written as numbers, 9 and 9 where the sheep is and negative around it; and the 128 x 160 map "
          "made of it with contour lines: one bright hill that slopes evenly, in dark surroundings whose values shrink "
          "towards 0 at the border.")

# %% [markdown]
# The hill has its top where the largest numbers were, and slopes evenly from cell to cell. At the border the values
# shrink towards 0: the corner of the cell with -24 is not nearly as dark as its middle. Nobody asked for that. By the
# end you can say where the slopes come from, and the border.

# %% [markdown]
# ## 1 · The smallest case, by hand
#
# A convolution *gathers*: each output pixel looks at a patch and weighs it with the kernel. The way back *scatters*:
#
# > **Each cell of the small map stamps the kernel into the output, scaled by its own value. Stamps lie S pixels apart.
# > Where they overlap, they add.**
#
# Take a 2 x 2 map and a 2 x 2 kernel. The map's numbers are chosen so that each digit of a sum tells who stamped it:
#
# $$x = \begin{pmatrix} 1 & 10 \\ 100 & 1000 \end{pmatrix} \qquad
#   w = \begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}$$
#
# **Exercise 1: the middle.** On paper, with stride 1: how large is the result, and what number stands in its middle?

# %%
# --- solution
middle = 4 * 1 + 3 * 10 + 2 * 100 + 1 * 1000
# --- yours
# middle = None  # your number
# --- end
check.middle(middle)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The stamp of the 1 covers rows 0, 1 and columns 0, 1 of the result. The stamp of the 10 lies one column further right.
# Where do the other two lie?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The result is 3 x 3, and its middle is the only pixel that all four stamps cover. Each covers it with another corner.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The stamp of the 1 covers the middle with its lower right corner: 4 times 1. The stamp of the 10 with its lower left
# corner: 3 times 10. And so on.
#
# </details>
#
# **Predict.** And with stride 2: how large is the result, and how many of its pixels are reached twice?

# %%
tiny_x = np.array(((1, 10), (100, 1000)))
tiny_w = np.array(((1, 2), (3, 4)))
draw.show(figures.stamps(tiny_x, tiny_w),
          "Two rows of tables. Stride 1: the stamps of 1, 10, 100 and 1000, each 2 x 2 numbers at its own place in a "
          "3 x 3 table, and their sum 1 12 20, 103 1234 2040, 300 3400 4000: the middle is reached by four stamps. "
          "Stride 2: 4 x 4 tables, the stamps lie side by side and no pixel is reached twice.")

# %% [markdown]
# At stride 2 this kernel's stamps touch without overlapping. And look at 1234 again: the 1000 met the kernel's *first*
# number, the 1 met its *last*. Seen from an output pixel the kernel is turned by half a turn. Remember that for
# section 4.

# %% [markdown]
# ## 2 · Loops from the definition
#
# With N images, C channels in, F channels out, and a K x K kernel of its own for each pair of channels, cell $(a, e)$
# of the map (row, column) puts number $(i, j)$ of its stamp here:
#
# $$y^{pad}_{n,\,f,\;S a+i,\;S e+j} \mathrel{+}= x_{n,c,a,e}\; w_{c,f,i,j} \qquad\text{for all } c, a, e, i, j$$
#
# and $y$ is $y^{pad}$ without its outer $P$ rows and columns on every side. A convolution *puts* padding around its
# input. This layer runs the other way, so it *cuts* padding off its output.
#
# **Exercise 2: the side.** How long is one side of $y$?

# %%
def side(size, k, stride, pad):
    """Pixels along one side of the result, for `size` cells along that side of the map."""
    # --- solution
    return stride * (size - 1) + k - 2 * pad
    # --- yours
    # return None  # yours to write: one line
    # --- end

check.side(side)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The figure above: at stride 1 two cells became 3 pixels, at stride 2 they became 4.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The stamps start at 0, S, 2S, ... Where does the last of `size` of them start? It is K pixels long.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The last stamp starts at S * (size - 1), so all stamps together are S * (size - 1) + K long. P goes off at *both*
# ends.
#
# </details>
#
# Now the definition as loops: slow, and easy to believe.

# %%
def loops(x, w, stride, pad):
    (n, c, height, width), (_, f, k, _) = x.shape, w.shape
    y = np.zeros((n, f, stride * (height - 1) + k, stride * (width - 1) + k))
    for image, channel, a, e in np.ndindex(n, c, height, width):
        top, left = stride * a, stride * e
        y[image, :, top:top + k, left:left + k] += x[image, channel, a, e] * w[channel]  # w[channel] is (F,K,K)
    return y[:, :, pad:y.shape[2] - pad, pad:y.shape[3] - pad]

rng = np.random.default_rng(0)
x, w = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 2, 5, 5))
y = loops(x, w, stride=3, pad=1)
assert y.shape == (2, 2, 3 * (4 - 1) + 5 - 2, 3 * (5 - 1) + 5 - 2)
assert np.allclose(y, conv_transpose2d(x, w, stride=3, pad=1)[0])
print(f"{x.shape} -> {y.shape}, equal to minifcn.ops.conv_transpose2d")

# %% [markdown]
# From here on we use the library's `conv_transpose2d`. You write your own fast one in section 5.

# %% [markdown]
# ## 3 · What is transposed? The matrix W
#
# A convolution is linear: every output is a weighted sum of inputs. Write the image as one long vector $x$ and the
# result as one long vector $y$. Then there is a matrix with $y = W x$, one row for each output, one column for each
# input. (In lesson 02 W was the small matrix of filters. This W is large, and mostly zeros.) Let us fill it in for a
# 5 x 5 image, a 3 x 3 kernel, stride 2.
#
# **Predict.** What shape has W? How many numbers other than 0 are in a row? Which column has most of them, and how
# many?

# %%
def matrix(w, height, width, stride):
    k = len(w)
    u_side, v_side = (height - k) // stride + 1, (width - k) // stride + 1
    big = np.zeros((u_side * v_side, height * width))
    for u, v, i, j in np.ndindex(u_side, v_side, k, k):
        big[u * v_side + v, (stride * u + i) * width + stride * v + j] = w[i, j]  # output (u, v) sees that pixel
    return big

nine = np.arange(1.0, 10).reshape(3, 3)
W = matrix(nine, 5, 5, stride=2)
assert W.shape == (4, 25) and np.all((W > 0).sum(axis=1) == 9) and (W > 0).sum(axis=0).argmax() == 12
draw.show(figures.matrix(W, (5, 5), (2, 2), row=0, column=12),
          "The matrix W with 4 rows and 25 columns; each row holds the kernel's numbers 1 to 9 in three groups of "
          "three at another place. Row 0, framed, drawn as a 5 x 5 picture is the kernel in the upper left corner. "
          "Column 12, the central pixel, holds 9 7 3 1: all four outputs see it, each with another corner.")

# %% [markdown]
# A row, drawn as a picture, is what an output sees: the kernel at its place. It is also what a *stamp* looks like. In
# $W x$ each output *gathers* along its row. Now use the rows the other way: each of the 4 small cells *scatters* its
# row over the 25, scaled by its own value, and the rows are added. A sum of the rows of W, weighted by y, is $W^T y$.
# That is our operation:

# %%
image5 = rng.normal(size=(1, 1, 5, 5))
down = conv2d(image5, nine[None, None], stride=2)[0]
assert np.allclose(W @ image5.ravel(), down.ravel())            # a convolution is W x

up = conv_transpose2d(tiny_x[None, None] * 1.0, nine[None, None], stride=2)[0]
assert np.allclose(W.T @ tiny_x.ravel(), up.ravel())            # the transposed convolution is W^T y
print((W.T @ tiny_x.ravel()).reshape(5, 5).astype(int))

# %% [markdown]
# Same kernel, same stride, nothing turned by hand; hence *transposed* convolution, PyTorch's word and ours. For larger
# shapes nobody builds W. The adjoint test of lesson 03 does without: for every x and y these two must be equal,
#
# $$\langle \mathrm{conv}(x),\, y\rangle = \langle x,\, \mathrm{convT}(y)\rangle$$
#
# And $W^T$ is known from there: if $y = W x$, then $dx = W^T dy$. What carries a *gradient* back through a convolution
# carries a *map* up here.

# %%
x, w = rng.normal(size=(2, 3, 7, 9)), rng.normal(size=(4, 3, 3, 3))  # for conv2d: 3 channels in, 4 out
there, cache = conv2d(x, w, stride=2, pad=1)
y = rng.normal(size=there.shape)
back, _ = conv_transpose2d(y, w, stride=2, pad=1)                    # the same w: 4 channels in, 3 out
print(f"{x.shape} -> {there.shape} -> {back.shape}:  {np.sum(there * y):.9f} = {np.sum(x * back):.9f}")
assert np.isclose(np.sum(there * y), np.sum(x * back), rtol=1e-12)

dx, _, _ = conv2d_backward(y, cache)     # y in the part of dy
assert np.allclose(dx, back)             # convolution's dx is the transposed convolution of dy

# %% [markdown]
# | | forward | backward, to x |
# |---|---|---|
# | convolution | $W x$ | $W^T dy$ |
# | transposed convolution | $W^T x$ | $W\, dy$ |
#
# The layer of Caffe, the framework that FCN's authors used, is just that: the code of its convolution with forward and
# backward exchanged.

# %% [markdown]
# ### No inverse
#
# The transpose of a matrix is not its inverse.
#
# **Predict.** W above has 4 rows and 25 columns. If $W^T$ undid $W$, what would $W^T W$ be? Can any matrix undo $W$?

# %%
print("rank of W^T W:", np.linalg.matrix_rank(W.T @ W), "of", W.shape[1])

# %% [markdown]
# It would have to be the identity, and that has rank 25. But $W$ has rank 4, so for every matrix $M$ the product $M W$
# has rank 4 at most: no matrix undoes $W$. Four numbers do not determine 25.
#
# > **Why not simpler?** Why not say *deconvolution*, as the papers do? Because in astronomy and microscopy that word
# > means the inverse: given the blurred picture, find the sharp one. Here is a case in which the inverse exists. A
# > 3 x 3 blur at stride 1, padded by 1, has a square matrix, and this one can be inverted.
#
# **Predict.** What do you get from the blurred picture y by solving $W x = y$? What by the transposed convolution,
# $W^T y$? (This kernel is symmetric, so $W^T = W$.)

# %%
picture = image[:120, :150].mean(axis=2).reshape(24, 5, 30, 5).mean(axis=(1, 3)).ravel()  # 24 x 30 = 720 pixels
units = np.eye(720).reshape(720, 1, 24, 30)  # 720 pictures, each with one pixel of 1: what conv2d makes of them ...
blur = np.outer((1, 2, 1), (1, 2, 1))[None, None] / 16
W1 = conv2d(units, blur, pad=1)[0].reshape(720, 720).T  # ... are the columns of its matrix
y1 = W1 @ picture
solved, back1 = np.linalg.solve(W1, y1), W1.T @ y1
print(f"largest error: solved {np.abs(solved - picture).max():.1e}, "
      f"transposed {np.abs(back1 - picture).max():.0f} grey levels of 255")
assert np.allclose(W1.T, W1) and np.allclose(solved, picture) and not np.allclose(back1, picture, atol=20)

# %% [markdown]
# Solving gives the picture back. The transposed convolution gives the picture blurred *twice*.
#
# With stride 2 there are 180 equations for 720 pixels, so infinitely many pictures fit. `lstsq` finds one of them,
# which explains every number of y. **Predict.** Will it look like the picture we started from?

# %%
halve = np.outer((1, 3, 3, 1), (1, 3, 3, 1))[None, None] / 64
W2 = conv2d(units, halve, stride=2, pad=1)[0].reshape(720, 180).T
y2 = W2 @ picture
guess = np.linalg.lstsq(W2, y2, rcond=None)[0]
assert np.allclose(W2 @ guess, y2) and not np.allclose(guess, picture, atol=20)
rows = [[("x, 24 x 30", picture), ("stride 1: y = W x", y1), ("$W^T y$", back1), ("solve W x = y", solved)],
        [("x, 24 x 30", picture), ("stride 2: y, 12 x 15", y2), ("$4\\,W^T y$", 4 * W2.T @ y2),
         ("lstsq: fits y", guess)]]
draw.show(figures.comes_back(rows, (24, 30)),
          "Two rows of small grey pictures. Above, stride 1: a picture, its blur, the transposed convolution of the "
          "blur, which is blurrier still, and the solution of W x = y, which is the picture again. Below, stride 2: "
          "the picture, its half-size version, 4 W^T y, a smooth enlargement, and a least-squares solution with false "
          "light and dark bands.")

# %% [markdown]
# It fits, and it is another picture. What a halving threw away is gone: upsampling gives *size* back, not detail.
# (The factor 4: y has a quarter as many pixels, and each stamp of this kernel sums to 1. Section 6 puts the factor into
# the kernel.)

# %% [markdown]
# ## 4 · Fractionally strided: the same numbers, gathered
#
# The fourth name comes from asking what an *output* pixel collects. Spread the map: put S - 1 zeros between its cells
# and K - 1 - P zeros around it. Then slide a kernel over it one pixel at a time, at stride 1. Measured in cells of the
# map that is a step of 1/S: a fractional stride. And the kernel is turned by half a turn, as in 1234.
#
# **Predict.** A 2 x 2 map, K = 3, S = 2, P = 0. How large is the spread map with its zeros? How large the result? Which
# of the map's cells does the middle of the result meet, and with which of the kernel's numbers 1 to 9?

# %%
def fractional(x, w, stride, pad):
    (n, c, height, width), k = x.shape, w.shape[2]
    spread = np.zeros((n, c, stride * (height - 1) + 1, stride * (width - 1) + 1), x.dtype)
    spread[:, :, ::stride, ::stride] = x
    turned = w[:, :, ::-1, ::-1].swapaxes(0, 1)  # conv2d wants (F,C,K,K)
    return conv2d(spread, turned, pad=k - 1 - pad)[0]

small = fractional(tiny_x[None, None] * 1.0, nine[None, None], stride=2, pad=0)[0, 0]
assert np.array_equal(small, (W.T @ tiny_x.ravel()).reshape(5, 5))
draw.show(figures.fractional(tiny_x, nine[::-1, ::-1], small, stride=2, at=(2, 2)),
          "Four tables: the map 1 10 100 1000; the same with a row and a column of zeros between and two around, "
          "7 x 7, a 3 x 3 window framed in its middle that holds all four numbers in its corners; the turned kernel, "
          "9 to 1; and the 5 x 5 result, its middle framed: 1379 = 9 + 70 + 300 + 1000.")

# %%
for stride, pad, k in ((1, 0, 3), (2, 1, 4), (3, 1, 5), (3, 0, 2)):
    x, w = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 2, k, k))
    assert np.allclose(fractional(x, w, stride, pad), conv_transpose2d(x, w, stride=stride, pad=pad)[0])
print("stamps and fractional strides: the same numbers")

# %% [markdown]
# It explains the name, and it is a poor way to compute: with S = 32 all but about one in 1024 numbers of the spread map
# are zeros that we put there. The next section does without them.

# %% [markdown]
# ## 5 · The layer
#
# ### Shapes
#
# | | shape | |
# |---|---|---|
# | x | (N, C, H, W) | |
# | w | **(C, F, K, K)** | channels *in* first |
# | b | (F,) | one number for each channel out; FCN's upsampling layers have none |
# | y | (N, F, U, V) | U = S (H - 1) + K - 2P, V likewise |
#
# In `conv2d` the weights are (F, C, K, K), channels *out* first. Here it is the same array, read from the other end:
# with the w of the adjoint test, (4, 3, 3, 3), `conv2d` went from 3 channels to 4, and `conv_transpose2d` from 4 back
# to 3. First axis: channels of the *small* map; second: of the *large* one. PyTorch keeps the same order.
#
# (A convolution rounds down: K = 3, S = 2 makes 2 pixels of 5, and of 6. The way back from 2 gives the smaller, 5.)
#
# ### Forward
#
# **Exercise 3: forward.** Lessons 02 and 03 gave you the tools: `im2col(x, k, stride, pad)` turns (N,C,H,W) into
# patches (N, C\*K\*K, places), and `col2im(cols, shape, k, stride, pad)` adds patches back into a map of that
# (unpadded) shape. Everything else is in the docstring. No loops of your own.

# %%
def transposed(x, w, b, stride, pad):
    """ypad[n, f, S*a + i, S*e + j] += x[n,c,a,e] w[c,f,i,j], summed over c, a, e, i, j; y is ypad less P on every side,
    plus b[f].

    x (N,C,H,W)   w (C,F,K,K)   b (F,)   ->   y (N,F,U,V), cache = (x, w, stride, pad),   U = S*(H - 1) + K - 2P
    """
    # --- solution
    n, c, height, width = x.shape
    _, f, k, _ = w.shape
    u, v = stride * (height - 1) + k - 2 * pad, stride * (width - 1) + k - 2 * pad
    cols = w.reshape(c, -1).T @ x.reshape(n, c, -1)  # (F*K*K, C) @ (N, C, H*W): every cell's stamps
    y = col2im(cols, (n, f, u, v), k, stride, pad) + b[:, None, None]
    # --- yours
    # y = None  # yours to write, four or five lines
    # --- end
    return y, (x, w, stride, pad)

check.transposed(transposed)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The line of `conv2d_backward` (lesson 03) that makes dx of dy. By section 3 this is the line you want.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# One column for each cell of x: all its stamps, F\*K\*K numbers. A stamp is a sum over the channels c, so the columns
# are one matrix product of w, reshaped to (C, F\*K\*K) and transposed, with x, reshaped to (N, C, H\*W). Then `col2im`
# puts the stamps in their places, adds them, and cuts off the padding.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `cols = w.reshape(c, -1).T @ x.reshape(n, c, -1)`, then `col2im(cols, (n, f, u, v), ...)` with u and v from exercise
# 2, then b, shaped so that it goes along the channels: `b[:, None, None]`.
#
# </details>

# %% [markdown]
# ### What to remember
#
# The layer is linear in x and linear in w. The gradient of each needs the other: so x and w, and the stride and padding
# to know where the stamps were. Not y, and not the columns, which are K² F / C times as large as x. (Where the kernel
# is fixed, nobody asks for dw, and x is not needed either.)
#
# ### Backward
#
# **Predict.** Forward is a product, then col2im. Which two steps is backward, in which order?
#
# **Exercise 4: backward.** Again from the docstring alone. (The table in section 3 says what dx is.)

# %%
def transposed_backward(dy, cache):
    """The gradients of sum(y * dy) with respect to x, w and b, where y, cache = transposed(x, w, b, stride, pad).

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (C,F,K,K), db (F,)
    """
    x, w, stride, pad = cache
    # --- solution
    n, c = x.shape[:2]
    cols = im2col(dy, w.shape[2], stride, pad)  # (N, F*K*K, H*W): what each cell's stamp reached
    dx = (w.reshape(c, -1) @ cols).reshape(x.shape)
    dw = (x.reshape(n, c, -1) @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
    db = dy.sum(axis=(0, 2, 3))
    # --- yours
    # dx, dw, db = None, None, None  # yours to write, four or five lines
    # --- end
    return dx, dw, db

check.transposed_backward(transposed_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# dx is conv's forward, and db is what it was in lesson 03. For dw, write forward as cols = W.T @ X, with W the small
# matrix of weights again, (C, F\*K\*K), and X the cells, (C, H\*W); then ask for the gradient of W in this product.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The gradient of the columns is dcols = im2col(dY): col2im added each number of a stamp into one pixel, so each gets
# that pixel's gradient. From cols = W.T @ X follow dX = W @ dcols and dW = X @ dcols.T.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dcols = im2col(dy, k, stride, pad)` is (N, F\*K\*K, H\*W). `dx = w.reshape(c, -1) @ dcols`, to be reshaped.
# `dw = x.reshape(n, c, -1) @ dcols.swapaxes(1, 2)` has one gradient for each image: sum over them, then reshape.
#
# </details>

# %% [markdown] tags=["answer"]
# **Where the lines come from.** With W the small matrix of weights, (C, F·K·K), and X the cells, (C, H·W), let
# $A = W^T X$ be the columns, so $y = \mathrm{col2im}(A)$. col2im is the transpose of
# im2col, so $dA = \mathrm{im2col}(dy)$. With $a_{qp} = \sum_c w_{cq}\, x_{cp}$ the chain rule gives
# $dx_{cp} = \sum_q w_{cq}\, dA_{qp}$, that is $dX = W\, dA$, and $dw_{cq} = \sum_p x_{cp}\, dA_{qp}$, that is
# $dW = X\, dA^T$. The first is a convolution of dy, as promised: im2col, then a product.

# %% [markdown]
# ### Check
#
# The library's pair passes the gradient check. Its dx is conv's forward; its dw is conv's, with x and dy exchanged.

# %%
x, w, b = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(3, 2, 4, 4)), rng.normal(size=2)
y, cache = conv_transpose2d(x, w, b, stride=2, pad=1)
dy = rng.normal(size=y.shape)
dx, dw, db = conv_transpose2d_backward(dy, cache)
assert_gradient(lambda x: conv_transpose2d(x, w, b, stride=2, pad=1)[0], x, dy, dx, "x")
assert_gradient(lambda w: conv_transpose2d(x, w, b, stride=2, pad=1)[0], w, dy, dw, "w")
assert_gradient(lambda b: conv_transpose2d(x, w, b, stride=2, pad=1)[0], b, dy, db, "b")

conv_dy, conv_cache = conv2d(dy, w, stride=2, pad=1)
assert np.allclose(dx, conv_dy)                                    # its backward is conv's forward
assert np.allclose(dw, conv2d_backward(x, conv_cache)[1])          # x as the gradient, dy as the input
print("checked by central differences; dx is conv2d(dy, w)")

# %% [markdown]
# ## 6 · Which numbers? Interpolation
#
# The layer can have any kernel. One choice makes it *interpolate*, and FCN's upsampling layers start from it.
#
# **By hand.** Two neighbouring cells hold 0 and 8, and S = 4. Each cell owns four pixels and stands in the middle of
# them: between the second and the third. Draw a straight line from one cell's centre to the next, which is 4 pixels
# away. The four pixels between lie 1/2, 3/2, 5/2 and 7/2 pixels from the first cell. What are their values?
#
#     cell            0               8
#     pixel     .   .   a   b   c   d   .   .
#
# They are 1, 3, 5 and 7. A pixel at distance d from a cell takes the share 1 - d/S of it, and the rest, d/S, of the
# other one.
#
# Now from gathering to stamping. What does *one cell* give to the pixels? To a pixel at distance d it gives 1 - d/S of
# its value, as long as d < S; further away, the pixel lies between two other cells. The distances that occur are 1/2,
# 3/2, ..., S - 1/2, on either side: **2S pixels. That is why K = 2S.**
#
# **Exercise 5: the line.** Write the stamp of a cell along one line.

# %%
def line(stride):
    """The 2S weights with which a cell reaches the pixels along one axis, the leftmost first. S is even."""
    # --- solution
    i = np.arange(2 * stride)
    return 1 - np.abs(i - (stride - 0.5)) / stride
    # --- yours
    # return None  # yours to write, one or two lines
    # --- end

check.line(line)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# For S = 4 the leftmost pixel is 7/2 away from the cell, so it gets 1 - 3.5/4 = 1/8. The next gets 3/8. Where is the
# cell's centre, if the leftmost pixel is number 0?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Pixel i lies |i - c| from the centre c. Pixel 0 lies S - 1/2 from it. That is c.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# 1 - |i - c| / S with i = `np.arange(2 * stride)` and c = `stride - 0.5`.
#
# </details>

# %% [markdown] tags=["answer"]
# **And an odd S?** There a cell's centre falls on a pixel, and only 2S - 1 pixels are nearer than S: K = 2S - 1, with
# the centre at S - 1. `bilinear_kernel` knows both.

# %% [markdown]
# **Two dimensions.** Interpolate along the rows, then along the columns: a pixel's share of a cell is the product of
# the shares along both axes. The kernel is the *outer product* of the line with itself, $w_{ij} = w_i w_j$. This is
# *bilinear* interpolation.
#
# **Predict.** What do the weights of the 8 x 8 kernel for S = 4 sum to? Think of what must hold for a map that is 1
# everywhere.

# %%
kernel = bilinear_kernel(1, 8, np.float64)[0, 0]
one = kernel.sum(axis=0) / 4  # the sum along one axis leaves the other axis's line, times 4
print("along one axis:", one)
assert np.allclose(kernel, np.outer(one, one))
assert np.allclose(one[:4] + one[4:], 1)  # the two cells that reach a pixel: 7/8 + 1/8, 5/8 + 3/8, ...
print("sum of the kernel:", kernel.sum())

# %% [markdown]
# **Exactly S times as large.** A stamp is 2S long, and its cell owns only the S pixels in its middle. So it hangs over
# by S/2 on either side. Cut off P = S/2 and
#
# $$U = S\,(H - 1) + K - 2P = S H - S + 2S - S = S H .$$
#
# The map covers exactly what it covered before, with S pixels for each cell along a side, and no crop is needed. (P is
# a whole number because S is even.)

# %%
def enlarge(x, stride):
    w = bilinear_kernel(x.shape[1], 2 * stride, x.dtype)
    return conv_transpose2d(x, w, stride=stride, pad=stride // 2)[0]

for stride in (2, 4, 8, 16, 32):
    assert enlarge(np.ones((1, 1, 3, 5)), stride).shape == (1, 1, stride * 3, stride * 5)
assert np.allclose(enlarge(scores, 32), large, atol=1e-4)  # the last layer of FCN-32s is this and nothing else
print(f"{scores.shape} -> {enlarge(scores, 32).shape}: the map at the top of this lesson")

# %% [markdown]
# Along one line it looks like this. **Predict** before you look: where does the sum bend? What happens outside the
# first and the last cell's centre?

# %%
draw.show(figures.hats((3, 8, 5, 6), stride=8),
          "One line of four cells with the values 3, 8, 5 and 6, each in the middle of its 8 pixels. A triangle over "
          "each, as high as the cell and reaching 8 pixels to either side. The sum, drawn as dots, runs straight from "
          "cell to cell and bends only at the cells; in the grey half cells at both ends it falls to about half.")

# %% [markdown]
# The sum passes through every cell's centre and is straight in between. In the outermost half cells (grey) one of the
# two cells that a pixel should mix does not exist. Nothing is stamped from there, as if the cells outside were 0. So
# the map **fades** towards the border.
#
# Pillow's `resize` interpolates too, but repeats the outermost cells. The two should differ in a frame of S/2 pixels.
#
# **Predict.** For S = 32, which share of Pillow's value is left to a pixel at the border, in the middle of a side? And
# in the corner?

# %%
def resized(plane, height, width):
    return np.array(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR))

pillow = np.stack([resized(plane, 128, 160) for plane in scores[0]])
inside = (slice(None), slice(16, -16), slice(16, -16))
assert np.allclose(large[0][inside], pillow[inside], atol=1e-4)
assert np.allclose(large[0, :, 0, 80] / pillow[:, 0, 80], 1 - 15.5 / 32, rtol=1e-4)
assert np.allclose(large[0, :, 0, 0] / pillow[:, 0, 0], (1 - 15.5 / 32) ** 2, rtol=1e-4)
draw.show(figures.three_maps((large[0, sheep], pillow[sheep], large[0, sheep] - pillow[sheep]),
                             ("transposed convolution", "Pillow's resize", "the first less the second")),
          "Two maps of scores for sheep, 128 x 160, alike inside; the transposed convolution's fades at the border, "
          "Pillow's does not. Their difference is 0 inside and grows over the outer 16 pixels, most in the corners.")

# %% [markdown]
# A border pixel lies 15.5 pixels from its cell's centre and takes 1 - 15.5/32 = 0.516 of it; a corner pixel that
# squared, 0.266. Does it matter? The factor at a pixel is positive and the same for all classes. So the *largest*
# score stays the largest, and the labels stay as they are. The probabilities do not: with all scores nearer to 0 they
# become more equal.

# %%
same = np.mean(large[0].argmax(axis=0) == pillow.argmax(axis=0))
print(f"different scores at the border, the same class at {same:.0%} of the pixels")
assert same > 0.999  # all of them, but for a tie that rounding may decide

# %% [markdown]
# > **Why not simpler?** Why not copy each cell S x S times? That *is* a transposed convolution, with K = S and ones for
# > weights. But it draws every border along the cells' edges. Take the true labels of our image, give each cell of
# > 8 x 8 pixels the share of every class in it, enlarge these shares, and take the class with the largest:

# %%
known = truth != 255  # 255 is void: no class, not counted
shares = np.stack([truth == k for k in range(7)]).reshape(1, 7, 16, 8, 20, 8).mean(axis=(3, 5))
copied = shares.repeat(8, axis=2).repeat(8, axis=3)
ones = np.eye(7)[:, :, None, None] * np.ones((8, 8))
assert np.allclose(copied, conv_transpose2d(shares, ones, stride=8)[0])
right = {name: (array.argmax(axis=1)[0] == truth)[known].mean()
         for name, array in (("copied", copied), ("interpolated", enlarge(shares, 8)))}
print(", ".join(f"{name}: {part:.1%} of the pixels right" for name, part in right.items()))
assert right["copied"] < right["interpolated"]

# %% [markdown]
# ### By 32 at once, or in steps of 2, 2 and 8?
#
# FCN-8s enlarges in steps, adding finer scores in between (lesson 08). Suppose it added nothing. Would 2 x 2 x 8 give
# the same map as 32 at once?
#
# **Predict.** Along one line, one cell of 1 among zeros: how high is the highest pixel after 32 at once? After 2? After
# 2 and 2 again? (Enlarging by 2, the nearest pixels lie a quarter of a cell from the cell's centre.)

# %%
once, in_steps = enlarge(scores, 32), enlarge(enlarge(enlarge(scores, 2), 2), 8)
single = np.zeros((1, 1, 9, 9))
single[..., 4] = 1  # a column of ones, so that a row shows what one cell gives along a line
profiles = [made[0, 0, 144] for made in (enlarge(single, 32), enlarge(enlarge(enlarge(single, 2), 2), 8))]
assert np.allclose([profile.max() for profile in profiles], (1 - 0.5 / 32, 0.75))
labels = [made[0].argmax(axis=0) for made in (once, in_steps)]
differ = np.mean(labels[0] != labels[1])
print(f"highest pixel {profiles[0].max():.3f} and {profiles[1].max():.3f}; {differ:.1%} of the labels differ")
draw.show(figures.steps(*profiles, 32, labels, ("32 at once", "2, then 2, then 8"), model.classes, model.colors),
          "Left two profiles of a single cell: a pointed triangle of height 1 reaching one cell to either side, and a "
          "rounder, lower bump of height 0.75 reaching further. Right two label maps of the image, alike but for "
          "slightly different outlines of the regions.")

# %% [markdown]
# Not equal. Interpolating what was interpolated cuts off the peak: after the first step no pixel stands on the cell's
# centre any more. The two nearest hold 3/4 each, and later steps only ever see those: between 3/4 and 3/4 they put 3/4.
# What is lost in the middle is given to the neighbours.

# %% [markdown]
# ## 7 · Checkerboards
#
# The kernel can also be *learned*. Then mind the overlap. How many stamps reach each pixel? Stamp ones with a kernel of
# ones, and every pixel counts its stamps.
#
# **Predict.** S = 2. Which counts occur, away from the border, for K = 3? For K = 4?

# %%
def stamps_a_pixel(k, stride):
    return conv_transpose2d(np.ones((1, 1, 4, 4)), np.ones((1, 1, k, k)), stride=stride)[0][0, 0]

draw.show(figures.counts((stamps_a_pixel(3, 2), stamps_a_pixel(4, 2)), ("K = 3, S = 2", "K = 4, S = 2")),
          "Two tables of counts. K = 3, S = 2: inside, pixels are reached by 1, 2 or 4 stamps in a checkerboard. "
          "K = 4, S = 2: inside every pixel is reached by 4 stamps; only towards the border there are fewer, 2 and 1.")

# %% [markdown]
# With K = 3 some pixels collect four times as many terms as others. Before anything is learned, with random weights,
# the enlarged map carries a grid that is not in the data. So it is whenever K is no multiple of S. If it is one,
# $(K/S)^2$ stamps reach every pixel inside. Is that enough?
#
# **Predict.** Enlarge a map of ones with *one* kernel: a random one with K = 3, a random one with K = 4, the bilinear
# one. Which results are flat inside?

# %%
flat = np.ones((1, 1, 8, 8))
draw_w = np.random.default_rng(3)
kernels = (draw_w.normal(size=(1, 1, 3, 3)), draw_w.normal(size=(1, 1, 4, 4)), bilinear_kernel(1, 4, np.float64))
made = [conv_transpose2d(flat, w, stride=2)[0][0, 0, 4:10, 4:10] for w in kernels]
assert [bool(np.ptp(y) < 1e-12) for y in made] == [False, False, True]
draw.show(figures.textures(made, ("random, K = 3", "random, K = 4", "bilinear, K = 4")),
          "Three 6 x 6 pieces of enlarged flat maps, with their numbers. The random kernel with K = 3 leaves a pattern "
          "that repeats every 2 pixels, and so does the random one with K = 4; the bilinear one gives 1.0 everywhere.")

# %% [markdown]
# Only the bilinear one. With S = 2 a pixel in an even row and an even column is reached by the kernel's weights in even
# rows and even columns, and by no others. So there are S x S kinds of pixels, each with weights of its own, and a flat
# map stays flat only if the weights of every kind have the same sum. K = 4 gives all kinds equally *many* weights, no
# more. For the bilinear kernel every sum is 1: that is the line `one[:4] + one[4:]` in section 6, on both axes. So a
# layer that learns does well to start there, with K = 2S, as the papers' skips do. (The nets that the authors released
# keep it fixed; they found no significant difference.)
#
# **Exercise 6: predict a figure.** Change to K = 5, S = 3. What are the fewest and the most stamps that reach one pixel
# inside? First your numbers:

# %%
# --- solution
overlaps = (1, 4)
# --- yours
# overlaps = None  # (fewest, most)
# --- end
check.overlaps(overlaps)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Take one axis. Stamps start at 0, 3, 6, 9, ... and are 5 long. Which of them cover pixel 6? Pixel 7? Pixel 8?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Along one axis a pixel is reached by one stamp or by two. In the plane, a pixel is reached by every pair of a row's
# stamp and a column's stamp.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The fewest is 1 times 1, the most is 2 times 2.
#
# </details>
#
# Now change k and stride in the cell below, and run it.

# %%
# --- solution
k, stride = 5, 3
# --- yours
# k, stride = 2, 2  # change me
# --- end
count = stamps_a_pixel(k, stride)
draw.show(figures.counts((count,), (f"K = {k}, S = {stride}",)),
          f"A table of how many stamps reach each pixel for K = {k}, S = {stride}: the counts that occur are "
          f"{', '.join(f'{m:g}' for m in np.unique(count))}.")

# %% [markdown]
# ## 8 · Each class on its own
#
# The scores of *sheep* should not be mixed into those of *boat*. So the (C, C, K, K) weights of FCN's upsampling layers
# hold the bilinear kernel on the diagonal, and zeros elsewhere.
#
# **Predict.** Every weight is multiplied with 4 x 5 cells. For 7 classes and K = 64, how many products are that? In how
# many of them is the weight not 0?

# %%
w = bilinear_kernel(7, 64)
alone = [conv_transpose2d(scores[:, c:c + 1], w[c:c + 1, c:c + 1], stride=32, pad=16)[0] for c in range(7)]
assert np.allclose(np.concatenate(alone, axis=1), large, atol=1e-4)
products, needed = w.size * 4 * 5, np.count_nonzero(w) * 4 * 5
print(f"{products:,} products, {needed:,} of them needed: {products // needed} times fewer")
assert products == 7 * needed

# %% [markdown]
# C times fewer, one channel at a time. With the papers' 21 classes the layer stores 21 x 21 x 64 x 64 = 1,806,336
# numbers, of which 86,016 are not zero. `minifcn.ops.conv_transpose2d` recognises such weights (a diagonal of outer
# products) and takes a short way.

# %% [markdown]
# ## 9 · Break it
#
# **One character missing: `=` for `+=`.** Later stamps overwrite earlier ones instead of adding to them. Backward stays
# as it was.
#
# **Predict.** Of a bilinear stamp, which part survives? What will the enlarged map look like? Will the gradient check
# notice?

# %%
def overwritten(x, w, stride, pad):
    (n, _, height, width), k = x.shape, w.shape[2]
    y = np.zeros((n, 1, stride * (height - 1) + k, stride * (width - 1) + k))
    for a, e in np.ndindex(height, width):
        y[:, 0, stride * a:stride * a + k, stride * e:stride * e + k] = x[:, 0, a, e] * w[0, 0]  # the overlap is lost
    return y[:, :, pad:y.shape[2] - pad, pad:y.shape[3] - pad]

wrong = overwritten(scores[:, sheep:sheep + 1], bilinear_kernel(1, 64), stride=32, pad=16)[0, 0]
draw.show(figures.side_by_side((large[0, sheep], wrong), ("+=  (added)", "=  (overwritten)")),
          "Two maps of scores for sheep. With += a smooth hill. With = a pattern of tiles: in each the values start "
          "near 0 at its upper left, move away from 0 to the lower right, and break off where the next stamp begins.")

# %%
x, w = rng.normal(size=(1, 1, 3, 4)), rng.normal(size=(1, 1, 4, 4))
y, cache = conv_transpose2d(x, w, stride=2, pad=1)
dy = rng.normal(size=y.shape)
dx, dw, _ = conv_transpose2d_backward(dy, cache)
try:
    assert_gradient(lambda x: overwritten(x, w, 2, 1), x, dy, dx, "x")
except AssertionError as error:
    print(error)
else:
    raise AssertionError("the gradient check should have noticed")

# %% [markdown]
# Only the last stamp in each place survives; of most stamps that leaves the upper left quarter. The gradient check
# notices at once: this forward and this backward do not belong together.
#
# **One wrong cut.** Instead of P = S/2 on every side, leave the map whole and take the first S·H rows and S·W columns.
# The size is right. Backward is written to match.
#
# **Predict.** Will the gradient check notice *this*? In which direction, and how far, does the map move?

# %%
def shifted(x, w, stride):
    y, cache = conv_transpose2d(x, w, stride=stride)
    return y[:, :, :stride * x.shape[2], :stride * x.shape[3]], (y.shape, cache)

def shifted_backward(dy, cache):
    shape, cache = cache
    whole = np.zeros(shape)
    whole[:, :, :dy.shape[2], :dy.shape[3]] = dy
    return conv_transpose2d_backward(whole, cache)

y, cache = shifted(x, w, 2)
dy = rng.normal(size=y.shape)
assert_gradient(lambda x: shifted(x, w, 2)[0], x, dy, shifted_backward(dy, cache)[0], "x")
print("the gradient check has nothing to say")

# %% [markdown]
# It asks whether backward belongs to forward, and it does. It cannot know where the map *should* lie. For that one has
# to look. Take the shares of the true labels in cells of 8 x 8 pixels again, and enlarge them both ways. Right pixels
# are shown dark, wrong ones light:

# %%
placed = enlarge(shares, 8).argmax(axis=1)[0]
moved = shifted(shares, bilinear_kernel(7, 16, np.float64), 8)[0].argmax(axis=1)[0]
accuracy = [np.mean((some == truth)[known]) for some in (placed, moved)]
assert accuracy[0] > accuracy[1] + 0.05
draw.show(figures.misplaced(truth, (placed, moved), [f"P = S/2: {accuracy[0]:.1%} right",
                                                     f"cut at the end: {accuracy[1]:.1%} right"],
                            model.classes, model.colors),
          "The true labels of the image; these labels enlarged from 16 x 20 cells with P = S/2, wrong pixels light, in "
          "thin places only; and the same with the cut at the end: everything lies 4 pixels too far down and to the "
          "right, and every region has a light rim on two sides.")

# %% [markdown]
# Half a cell, S/2 = 4 pixels, down and to the right. No shape is wrong and no error is raised: a net could be trained
# like this for days. So lesson 08 computes its crops and types none of them in.

# %% [markdown]
# ## 10 · More exercises
#
# **Exercise 7: predict a figure.** In the papers' FCN-32s an image of 500 x 500 pixels gives a score map of 16 x 16
# cells (why 16 and not 500/32 is lesson 08's affair). Its `upscore` has K = 64, S = 32 and **P = 0**. How long is a
# side of what it makes? First your number:

# %%
# --- solution
paper_side = 32 * (16 - 1) + 64
# --- yours
# paper_side = None  # your number
# --- end
check.paper_side(paper_side)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Your own formula of exercise 2.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Nothing is cut off, so the stamps hang over the cells' own pixels at both ends.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The last of 16 stamps starts at 32 * 15 and is 64 long.
#
# </details>
#
# Now change the cell below to 16 cells on a side and P = 0, and run it.

# %%
# --- solution
cells, pad = 16, 0
# --- yours
# cells, pad = 4, 16  # change me
# --- end
y = conv_transpose2d(np.ones((1, 1, cells, cells), np.float32), bilinear_kernel(1, 64), stride=32, pad=pad)[0]
print(f"{cells} x {cells} cells, P = {pad}: {y.shape[2]} x {y.shape[3]} pixels")

# %% [markdown]
# It is larger than the image; lesson 08 crops it.
#
# **Exercise 8: in your own words.** The weights of the bilinear kernel for S = 32 sum to 1024, those of any other to
# S². Why S², and what would the enlarged map look like if they summed to 1?

# %% [markdown] tags=["answer"]
# *One answer.* A map that is 1 everywhere must stay 1, so the weights that reach one output pixel must sum to 1.
# There are S x S kinds of output pixels, and every weight of the kernel serves exactly one kind: all together they sum
# to S². With a sum of 1 the map would be S² times too small, 1024 times for S = 32: the largest class would be the
# same, but softmax would see almost equal scores everywhere.

# %% [markdown]
# **Exercise 9: in your own words.** A friend says: *"FCN first convolves and pools, then deconvolves. Deconvolution
# undoes convolution, so in the end the net has the pixels back that it lost on the way."* What is right about this,
# what is wrong, and what would you show the friend?

# %% [markdown] tags=["answer"]
# *One answer.* Right: the layer brings maps back from the small size to the large one, along the connections of a
# strided convolution. Wrong: going back along the same connections is multiplying by $W^T$, not by an inverse. A
# strided convolution has far more inputs than outputs, so many pictures give the same small map, and nothing can tell
# which it was. I would show the second row of the pictures in section 3: the size is back, the detail is not. And
# what FCN enlarges is a map of scores, no image. Detail has to come from earlier maps that still have it (lesson 08).

# %% [markdown]
# ## Three sentences to remember
#
# 1. A transposed convolution stamps the kernel once for every input cell, scaled, S apart, and adds: H cells become
#    S (H - 1) + K - 2P pixels. In code: a matrix product, then `col2im`.
# 2. It is conv's backward used as a forward, and conv's forward is its backward; it is a transpose and no inverse, so
#    it brings back size and not detail.
# 3. With the bilinear kernel, K = 2S and P = S/2 it makes a map exactly S times as large and interpolates, fading
#    only at the border; K no multiple of S gives checkerboards, and a wrong cut gives a shift that no gradient check
#    can see.
#
# **Next:** lesson 06 (A loss for every pixel, and a step downhill). The scores are as large as the image now. It
# compares them with the truth, pixel by pixel, and takes a first step downhill.

# %% [markdown]
# # 02 · Convolution is a matrix product
#
# **What is im2col, why does everyone do it, and what does it cost?**
#
# Nearly all the work of a fully convolutional network is convolution. Written down as it is defined, a convolution is
# a nest of loops, and in Python the network of the papers would need a day or two for one photo. Written as *one matrix
# product* it is a dozen lines of NumPy, and thousands of times as fast. All one has to know is where every number goes.
#
# At the end you can
#
# - compute a convolution on paper, and say how many places a kernel has;
# - name, for every number of the column matrix, the pixel it comes from, and the way back;
# - rebuild the library's `conv2d`, line by line;
# - predict the memory and the multiplications of any convolution before you run it.
#
# *About 40 minutes to read, an hour and 40 minutes with the puzzles and exercises, seconds to run. You need Python,
# NumPy's slices and `reshape`, and the product of two matrices. No calculus: that is lesson 03.*

# %%
import inspect
import time

import numpy as np

from lessons import draw
from lessons.check import lesson02 as check
from lessons.draw import lesson02 as figures
from minifcn import ops
from minifcn.datasets import VOCSegmentation, harbour

rng = np.random.default_rng(2)

# %% [markdown]
# ## 1 · A kernel at work
#
# A *kernel* is a small square of numbers. It is laid on the image; every number is multiplied by the pixel under it,
# and the products are added up. That gives one number. Then the kernel moves on by one pixel, until it has been
# everywhere it fits: the results make a new map.
#
# Here are two kernels of 3 x 3. The first subtracts what is on the left from what is on the right. The second
# subtracts what is above from what is below.

# %%
right_less_left = [[-1, 0, 1], [-1, 0, 1], [-1, 0, 1]]
below_less_above = [[-1, -1, -1], [0, 0, 0], [1, 1, 1]]
edges = np.array([[right_less_left], [below_less_above]], float)  # (2, 1, 3, 3): two filters, one channel

scene = VOCSegmentation(harbour.root(), "val")[8][0]
grey = scene.mean(axis=2).round()[None, None]  # (1, 1, 128, 160): one image, one channel, brightness 0 to 255
responses, _ = ops.conv2d(grey, edges)  # the library's; you will have written it by the end
responses.shape

# %% [markdown]
# **Predict.** The scene shows a hut with upright boards and a lighthouse with stripes that lie flat. One of the maps
# below was made by `right_less_left`, the other by `below_less_above`. Which is which? (Orange: the result is positive;
# purple: negative; white: near 0.)

# %%
draw.show(figures.kernel_at_work(scene, responses[0]), """
    A Harbour scene with a boarded hut and a striped lighthouse, and two maps of it, A and B. Map A shows the stripes
    of the lighthouse, the planks of the boats and the roof; the boards of the hut are missing in it. Map B shows the
    boards of the hut, the masts and the sides of the lighthouse; its stripes are missing. All even surfaces are white.
    """)

# %% [markdown]
# In map A the lighthouse has its stripes and the hut has lost its boards. A stripe that lies flat differs from what
# is *below* it, so A was made by `below_less_above`. Within a board nothing changes from above to below, and the map is
# white.
#
# These two kernels were chosen by hand. A network learns its kernels, thousands of them, and applies them in the same
# way.
#
# ## 2 · The smallest case, on paper
#
# A 3 x 3 input and a 2 x 2 kernel. The kernel fits in two places across and two down, so there are four results.
#
# **Predict.** Three are worked out below. What is the fourth?

# %%
x_small = np.arange(1.0, 10).reshape(3, 3)
w_small = np.array([[1.0, 2], [3, 4]])
draw.show(figures.on_paper(x_small, w_small), """
    A 2 x 2 kernel, 1 2 / 3 4, and its four places on the 3 x 3 input 1 to 9; the four pixels under it are lit. Place
    0,0: 1·1 + 2·2 + 3·4 + 4·5 = 37. Place 0,1: 1·2 + 2·3 + 3·5 + 4·6 = 47. Place 1,0: 1·4 + 2·5 + 3·7 + 4·8 = 67.
    Place 1,1: 1·5 + 2·6 + 3·8 + 4·9, and the result is left open.
    """)

# %%
y_small = np.zeros((2, 2))
for u, v in np.ndindex(2, 2):  # two loops: every place
    for i, j in np.ndindex(2, 2):  # two more: every number of the kernel
        y_small[u, v] += w_small[i, j] * x_small[u + i, v + j]
assert np.array_equal(y_small, [[37, 47], [67, 77]])
y_small

# %% [markdown]
# Some words from here on. A **place** $(u, v)$ is a position of the kernel, and there is one result for each. The
# square under the kernel at a place is its *window*, the pixels in it are a *patch*. A **tap** $(i, j)$ is one of the
# kernel's own numbers. A place and a tap together give a pixel: $(u + i, v + j)$.
#
# ## 3 · The definition
#
# In full there are more letters. Capital ones are sizes; small ones count from 0 up to them, without reaching them.
#
# | letter | what it counts |
# |---|---|
# | $n$ of $N$ | images |
# | $c$ of $C$ | channels of the input (3 for a colour photo, 64 or 512 deeper in a network) |
# | $f$ of $F$ | filters, which are the channels of the result |
# | $u, v$ of $U \times V$ | places |
# | $i, j$ of $K \times K$ | taps |
#
# The input has $H \times W$ pixels, and three settings say where the kernel goes. The **stride** $S$ is how far it
# moves from place to place. The **padding** $P$ is how many rows and columns of zeros are put around the image. The
# **dilation** $D$ is how far the taps lie apart (1: side by side). Each filter has one more number, its *bias* $b[f]$:
#
# $$y[n,f,u,v] = b[f] + \sum_{c,i,j} w[f,c,i,j]\; x_\text{pad}[n,\, c,\, S u + D i,\, S v + D j]$$
#
# **Predict.** How many nested loops is that in code, and how often is the innermost line run?

# %%
def conv_by_loops(x, w, b, stride=1, pad=0, dilation=1):
    """y[n,f,u,v] = b[f] + sum_{c,i,j} w[f,c,i,j] xpad[n, c, S*u + D*i, S*v + D*j]"""
    (N, C, height, width), (F, _, K, _) = x.shape, w.shape
    xpad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    U, V = (count_places(side, K, stride, pad, dilation) for side in (height, width))
    y = np.empty((N, F, U, V), x.dtype)
    for n, f, u, v in np.ndindex(N, F, U, V):
        y[n, f, u, v] = b[f]
        for c, i, j in np.ndindex(C, K, K):
            y[n, f, u, v] += w[f, c, i, j] * xpad[n, c, stride * u + dilation * i, stride * v + dilation * j]
    return y


def count_places(size, K, stride=1, pad=0, dilation=1):
    """How many places the kernel has along one side: count the starts from which its last tap is still inside."""
    last_tap = dilation * (K - 1)
    return sum(start + last_tap < size + 2 * pad for start in range(0, size + 2 * pad, stride))

# %% [markdown]
# Seven loops: four in the first `np.ndindex`, three in the second. The innermost line is run $N F U V \cdot C K K$
# times, and makes one *multiply-add* each time. That product is the cost of a convolution; section 5 returns to it.
#
# Is the code right? It agrees with the small case, and with the library in a case in which no two sizes are equal (why
# that matters is shown in section 6).

# %%
y = conv_by_loops(x_small[None, None], w_small[None, None], np.zeros(1))  # one image, one channel, one filter
assert np.array_equal(y[0, 0], y_small)

x, w, b = rng.normal(size=(2, 5, 9, 13)), rng.normal(size=(8, 5, 3, 3)), rng.normal(size=8)
settings = dict(stride=2, pad=1, dilation=2)
np.testing.assert_allclose(conv_by_loops(x, w, b, **settings), ops.conv2d(x, w, b, **settings)[0])
conv_by_loops(x, w, b, **settings).shape

# %% [markdown]
# > **The name.** In mathematics a convolution *turns* its kernel by half a turn before laying it on. In this field
# > nobody does: `w[f,c,0,0]` meets the upper left pixel of the patch, which mathematicians call a cross-correlation. To
# > a network that learns its kernels it makes no difference. NumPy has both, in one dimension:

# %%
line, kernel = np.array([1, 2, 3, 4]), np.array([1, 10])
print("as here:  ", np.correlate(line, kernel, "valid"), " 1·1 + 10·2 and so on")
print("turned:   ", np.convolve(line, kernel, "valid"), " 10·1 + 1·2 and so on")

# %% [markdown]
# ## 4 · The layer
#
# ### Shapes
#
# How large is the result? Height and width follow the same rule, so one side is enough.
#
# **Predict.** In the figure, A is complete. In B the stride is 2: how many places are there in all, and is any pixel
# seen by none? In C the taps lie 3 pixels apart: how many places? Finish B and C before you read on.

# %%
draw.show(figures.rulers([("A   7 pixels, P = 1, K = 3", 7, 3, 1, 1, 1, 7),  # size, K, S, P, D, places drawn
                          ("B   8 pixels, K = 3, S = 2", 8, 3, 2, 0, 1, 2),
                          ("C   10 pixels, K = 3, D = 3", 10, 3, 1, 0, 3, 1)]), """
    Three rows of pixels with the places of a kernel below them, dots where its three taps lie. A: 7 pixels with one
    grey pixel of padding at each end, and all its 7 places, each starting one further to the right. B: 8 pixels, the
    first two places of stride 2, on pixels 0 to 2 and 2 to 4. C: 10 pixels, the first place of a dilated kernel, its
    taps on pixels 0, 3 and 6.
    """)

# %% [markdown]
# The kernel *reaches* over $D(K-1) + 1$ pixels. The first place starts at 0, and no place can start later than at
# $H + 2P - D(K-1) - 1$, from where the kernel reaches just to the end of the padded side. From 0 to there in steps of
# $S$, both ends counted:
#
# $$U = \left\lfloor \frac{H + 2P - D(K - 1) - 1}{S} \right\rfloor + 1$$
#
# The rounding down is where pixels are lost: when $S$ does not divide the numerator, the remainder is the width of a
# strip at the right and lower edge that no window reaches. In B: $(8 - 3)/2 = 2$, remainder 1; 3 places, and pixel 7 is
# seen by none. In C: $10 - 7 = 3$, so 4 places.

# %%
def size_by_formula(size, K, stride=1, pad=0, dilation=1):
    return (size + 2 * pad - dilation * (K - 1) - 1) // stride + 1


for size, K, stride, pad, dilation in np.ndindex(12, 5, 4, 4, 4):
    K, stride, dilation = K + 1, stride + 1, dilation + 1
    if size + 2 * pad > dilation * (K - 1):  # the kernel fits somewhere
        assert size_by_formula(size, K, stride, pad, dilation) == count_places(size, K, stride, pad, dilation)
size_by_formula(7, 3, pad=1), size_by_formula(8, 3, stride=2), size_by_formula(10, 3, dilation=3)

# %% [markdown]
# The formula agrees with counting in all these cases. The library's `conv_size` is the same formula, and says so where
# the kernel fits nowhere; from here on we use that.
#
# Worth knowing by heart: $K = 3$, $P = 1$, $S = 1$ keeps the size (case A). So does nearly every layer of an FCN.

# %%
from minifcn.ops.im2col import conv_size

assert all(conv_size(size, 3, pad=1) == size for size in range(1, 300))
try:
    conv_size(4, 3, dilation=2)
except ValueError as error:
    print(error)

# %% [markdown]
# **Exercise 1: dilated.** A side of 20 pixels, no padding, $K = 3$, dilation $D = 4$, stride $S = 2$. How many places
# are there? And how many pixels lie behind the last tap of the last place? (Do not count those that are missed between
# the taps.)

# %%
# --- solution
places, left_over = 6, 1
# --- yours
# places, left_over = None, None  # two numbers
# --- end
check.dilated((places, left_over))

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Draw it like case C: put the three taps of the first place under pixels 0 to 19.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The taps lie on pixels 0, 4 and 8. So the kernel reaches over 9 pixels, though it looks at only three of them.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The last start possible is 20 - 9 = 11. Steps of 2 from 0 up to 11: how many, and how far from 11 does the last one
# stop?
#
# </details>

# %% [markdown]
# ### Forward
#
# #### From a sum to a product of matrices
#
# Three steps lead from the loops to a matrix product. First: for one filter and one place, the sum over $c, i, j$ is
# the *dot product of two vectors*, the filter written in one line and the patch written in one line.

# %%
x, w = rng.normal(size=(1, 3, 6, 7)), rng.normal(size=(5, 3, 2, 2))
u, v = 4, 2
patch = x[0, :, u:u + 2, v:v + 2]  # (3, 2, 2): all channels under the window
one_number = w[1].reshape(-1) @ patch.reshape(-1)  # (12,) @ (12,)
assert np.isclose(one_number, np.sum(w[1] * patch))
one_number

# %% [markdown]
# Second: *all filters* at this place. Write each filter in a row: the matrix $W$, of shape $(F, C K K)$. (The
# letter is also that of the width. In the formulas from here on $W$ is this matrix; in code, sides are `height` and
# `width`.) Matrix times vector gives one number for each filter.
#
# Third: *all places*. Set their patches side by side as columns: the *column matrix* $X$, of shape $(C K K, U V)$.
# Matrix times matrix gives one number for every filter and every place, which is the whole result:
#
# $$Y = W X$$

# %%
W = w.reshape(5, -1)
columns = [x[0, :, u:u + 2, v:v + 2].reshape(-1) for u, v in np.ndindex(5, 6)]
X = np.stack(columns, axis=1)
Y = W @ X
print(W.shape, "@", X.shape, "=", Y.shape)
np.testing.assert_allclose(Y.reshape(1, 5, 5, 6), ops.conv2d(x, w)[0])

# %% [markdown]
# Making $X$ is called *im2col*, image to columns. To make it well one has to know what stands where in it.
#
# #### Eight puzzles
#
# Each is one line to write. The picture shows two channels of 3 x 4 pixels (numbered, so that you can see where they
# go) and the column matrix for a 2 x 2 kernel, stride 1, no padding. One window and its column are lit.

# %%
x_named = np.arange(1.0, 25).reshape(1, 2, 3, 4)
draw.show(figures.columns_unnamed(x_named, 2, (1, 0)), """
    Two channels of 3 x 4 pixels, numbered 1 to 12 and 13 to 24, and beside them the column matrix, 8 rows by 6 columns.
    The window at place u=1, v=0 is lit in both channels, pixels 5 6 9 10 and 17 18 21 22, and so is column 3, which
    holds these eight numbers from top to bottom. The first three columns are named 0,0 and 0,1 and 0,2, the others have
    question marks; the first four rows are named c=0 with i,j = 0,0 and 0,1 and 1,0 and 1,1, the other four have
    question marks.
    """)

# %% [markdown]
# **Puzzle 1: the shape.** How many rows and columns has $X$? Count them in the picture ($C = 2$, $K = 2$, $U = 2$,
# $V = 3$), then write both in letters.

# %%
def columns_shape(C, K, U, V):
    """(rows, columns) of the column matrix."""
    # --- solution
    return C * K * K, U * V
    # --- yours
    # return None  # rows, U * V
    # --- end

check.columns_shape(columns_shape)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The lit column: which numbers does it hold, and how many are they?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# A column holds one whole patch, over all channels. There is one column for each place.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# A patch has $K$ times $K$ numbers in each of $C$ channels.
#
# </details>

# %% [markdown]
# **Puzzle 2: the column of a place.** Places are numbered like words on a page: along the first row of places, then
# along the next. In the picture (1, 0) is column 3, because a whole row of $V = 3$ places comes before it.

# %%
def column_of_place(u, v, U, V):
    """The number of the column that belongs to place (u, v)."""
    # --- solution
    return u * V + v
    # --- yours
    # return None  # u * (places in a whole row) + ...
    # --- end

check.column_of_place(column_of_place)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Which names belong to columns 3, 4 and 5 of the picture?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Before place $(u, v)$ come $u$ whole rows of places and, in its own row, $v$ more.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# One of $U$ and $V$ is not needed. How many places are there in one row?
#
# </details>

# %% [markdown]
# **Puzzle 3: the row of a tap.** The same with three indices: a channel is a page, $i$ the line on it, $j$ the word in
# the line. What would you write beside the question marks at the rows of the picture?

# %%
def row_of_tap(c, i, j, K):
    """The number of the row that holds what tap (i, j) sees of channel c."""
    # --- solution
    return (c * K + i) * K + j
    # --- yours
    # return None  # c * (taps in a whole channel) + i * ... + ...
    # --- end

check.row_of_tap(row_of_tap)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Row 4 of the picture begins with pixel 13, the first one of channel 1. How many rows come before it, and why?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Before tap $(i, j)$ of channel $c$ come $c$ whole channels, then $i$ whole lines of taps, then $j$ taps.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# A whole channel has $K K$ taps, a whole line has $K$.
#
# </details>

# %% [markdown]
# **Puzzle 4: the way back.** Which place does column `number` belong to? (`//` and `%` give the whole part and the
# remainder of a division; `divmod` gives both.)

# %%
def place_of_column(number, U, V):
    """(u, v) of the column with this number."""
    # --- solution
    return number // V, number % V
    # --- yours
    # return None  # two expressions
    # --- end

check.place_of_column(place_of_column)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Puzzle 2: the number was $u V + v$, and $v$ is less than $V$.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Divide by the number of places in a row: the whole part counts rows, the remainder is the position in the row.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Column 5 in the picture: $5 = 1 \cdot 3 + 2$ is place (1, 2).
#
# </details>

# %% [markdown]
# **Puzzle 5: the way back for rows.** Which channel and tap does row `number` belong to?

# %%
def tap_of_row(number, K):
    """(c, i, j) of the row with this number."""
    # --- solution
    return number // (K * K), number // K % K, number % K
    # --- yours
    # return None  # three expressions
    # --- end

check.tap_of_row(tap_of_row)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Puzzle 3, read backwards, from its last term to its first.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# $j$ is what remains after division by $K$. Of the whole part, $i$ is what remains after one more division by $K$.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# The channel is `number // (K * K)`; the middle one is `number // K` with something done to it.
#
# </details>

# %% [markdown]
# **Puzzle 6: the pixel.** Now with stride $S$ and padding $P$ ($D = 1$). In the column of place $(u, v)$ and the row of
# tap $(i, j)$ stands a pixel of the padded image. Which row and column of the *image itself*, without its padding, is
# that? (For a pixel of the padding your numbers will lie outside the image, as they should.)

# %%
def pixel(i, j, u, v, S, P):
    """(row, column), in the image without padding, of the pixel that tap (i, j) meets at place (u, v)."""
    # --- solution
    return S * u + i - P, S * v + j - P
    # --- yours
    # return None
    # --- end

check.pixel(pixel)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The definition in section 3: the indices of $x_\text{pad}$.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Padding pushes the image down and to the right: pixel (0, 0) of the image is pixel $(P, P)$ of the padded one.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# In the padded image the row is $S u + i$. Take the padding off again.
#
# </details>

# %% [markdown]
# **Puzzle 7: all that a tap meets.** A column is one place, all taps. A row is one tap, all places. In the picture
# below a 5 x 6 image is padded by 1 (grey), the kernel is 3 x 3 and moves by 2. The pixels that tap (0, 0) meets are
# lit, and those of tap (1, 2). Mark those of tap (2, 1).

# %%
draw.show(figures.tap_meets(5, 6, 3, 2, 1, [(0, 0, True), (1, 2, True), (2, 1, False)]), """
    A padded image of 7 x 8 pixels, three times. Tap 0,0 meets the pixels in rows 0, 2, 4 and columns 0, 2, 4. Tap 1,2
    meets those in rows 1, 3, 5 and columns 2, 4, 6: the same lattice, pushed down by 1 and to the right by 2. For tap
    2,1 nothing is marked.
    """)

# %% [markdown]
# The rows that a tap meets are evenly spaced, so they are one *slice*. Write it as `slice(start, stop, step)`, where
# `stop` itself is not included. It must meet exactly $U$ rows.

# %%
def rows_met(i, S, U):
    """The slice of padded rows that a tap in line i of the kernel meets at U places, S apart."""
    # --- solution
    return slice(i, i + S * (U - 1) + 1, S)
    # --- yours
    # return None
    # --- end

check.rows_met(rows_met)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The first row met is that of place $u = 0$, the last that of place $u = U - 1$. Puzzle 6 says which these are, in the
# padded image.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# From $i$ to $S(U - 1) + i$, in steps of $S$. An open end, `slice(i, None, S)`, would run on to the edge, past the last
# place.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Since `stop` is not included, it is one more than the last row met.
#
# </details>

# %% [markdown]
# **Puzzle 8: how often?** A 3 x 3 kernel, stride 1, padding 1, and an image much larger than the kernel. How often does
# a pixel from the middle of the image stand in $X$? And the pixel in its upper left corner?

# %%
# --- solution
inner, corner = 9, 4
# --- yours
# inner, corner = None, None
# --- end
check.appearances((inner, corner))

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# A pixel stands in $X$ once for every window that it lies in.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# With padding 1 there is a window centred on every pixel of the image. Whose windows cover the one you look at?
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Its own, and those of its neighbours. How many neighbours has a corner?
#
# </details>

# %% [markdown]
# The same question for every pixel of a small image, 4 x 5. On the right your two numbers belong where the question
# marks are. **Predict** the sum of the numbers in each panel from the shape of $X$, before you add them up. In one
# panel it is less than the size of $X$: why?

# %%
draw.show(figures.appearances(4, 5, 3), """
    Two maps of 4 x 5 numbers, how often each pixel stands in the column matrix of a 3 x 3 kernel. Without padding the
    rows are 1 2 3 2 1, 2 4 6 4 2, 2 4 6 4 2 and 1 2 3 2 1: a corner stands there once, the pixels in the middle 6 times
    as the image is narrow. With padding 1 the ten pixels along the edges stand there 6 times; the four corners and the
    six pixels in the middle are question marks.
    """)

# %% [markdown]
# Without padding $X$ has $9 \cdot 2 \cdot 3 = 54$ numbers, all of them pixels, so the left panel adds up to 54. With
# padding it has $9 \cdot 4 \cdot 5 = 180$; the right panel adds up to $4 \cdot 4 + 10 \cdot 6 + 6 \cdot 9 = 130$, and
# the other 50 are zeros of the padding.
#
# #### The kernel slides over the column matrix
#
# Now all of it together. In each frame, from the upper left: the image with the window on it; to its right $X$, one
# column for each place; below each channel its part of the two filters, `w[f,c]`, and below them $W$, one row for each
# filter. Where a row of $W$ and a column of $X$ meet stands their product, a number of $Y$.
#
# **Predict.** In frame 3 one number is missing. Work it out: only three of its eight products are not 0.
#
# Frame 4 lights a row of $X$ instead of a column. Read these six numbers in two lines of three: what do they show?

# %%
w_named = np.array([[1.0, 0, 0, -1, 0, 2, 0, 0], [0, 1, 0, 0, -1, 0, 0, 1]]).reshape(2, 2, 2, 2)
frames = [("place", 0, 0, 0), ("place", 0, 1, 1), ("place", 1, 1, 1), ("tap", 1, 0, 1)]
draw.show(figures.sliding(x_named, w_named, frames, blank=(1, 1, 1)), """
    Four frames. In each: two channels of 3 x 4 numbered pixels, the column matrix X of 8 rows and 6 columns, the matrix
    W of 2 rows and 8 columns, and Y of 2 rows and 6 columns. Frame 1: the window at place 0,0 covers pixels 1 2 5 6 and
    13 14 17 18; column 0 of X holds them; with row 0 of W, 1 0 0 -1 0 2 0 0, it gives Y = 1 - 6 + 2·14 = 23. Frame 2:
    the window has moved to place 0,1, column 1 is lit, row 1 of W gives 8. Frame 3: place 1,1, column 4 with 6 7 10 11
    18 19 22 23, row 1 of W is 0 1 0 0 -1 0 0 1, and the number of Y is a question mark. Frame 4: all is filled in; of
    channel 1 the pixels 14 15 16 and 18 19 20 are lit, which tap c=1, i=0, j=1 meets at the six places, and so are row
    5 of X, which holds them in this order, and column 5 of W.
    """)

# %%
W, X = w_named.reshape(2, -1), ops.im2col(x_named, 2, 1, 0)[0]
Y = W @ X
np.testing.assert_allclose(Y.reshape(1, 2, 2, 3), conv_by_loops(x_named, w_named, np.zeros(2)))
assert np.array_equal(X[5].reshape(2, 3), x_named[0, 1, 0:2, 1:4])
print(Y)
print(X[5].reshape(2, 3))

# %% [markdown]
# The missing number is $7 - 18 + 23 = 12$. And row 5 is *a piece of channel 1, shifted by one pixel*: what tap $(0, 1)$
# meets at all places. Remember: **columns of $X$ are patches, rows of $X$ are shifted images.** (Column 5 of $W$ holds
# the weights that the filters give to this one.)
#
# #### im2col, a column at a time
#
# The obvious way: go from place to place, cut out the patch, write it down as a column.

# %%
def im2col_by_places(x, K, stride=1, pad=0):
    """(N,C,H,W) -> (N, C*K*K, U*V), by a loop over places."""
    N, C, height, width = x.shape
    U, V = conv_size(height, K, stride, pad), conv_size(width, K, stride, pad)
    xpad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = np.empty((N, C * K * K, U * V), x.dtype)
    for u, v in np.ndindex(U, V):
        patch = xpad[:, :, stride * u:stride * u + K, stride * v:stride * v + K]  # (N, C, K, K)
        cols[:, :, u * V + v] = patch.reshape(N, C * K * K)
    return cols


x = rng.normal(size=(2, 3, 9, 7))
assert np.array_equal(im2col_by_places(x, 3, stride=2, pad=1), ops.im2col(x, 3, stride=2, pad=1))
im2col_by_places(x_named, 2)[0].astype(int)

# %% [markdown]
# Right, and slow: one turn of a Python loop for every place. Our scene of 128 x 160, padded by 1, has 20,480 of them.
#
# #### im2col, a row at a time
#
# Fill the matrix by rows instead. One row is what one tap meets at all places, and by puzzle 7 that is *one slice down
# and one across*: NumPy copies the whole shifted image at once, and so for all images and channels together.
#
# **Predict.** How many turns has a loop over taps, for a 3 x 3 kernel on the scene?

# %%
draw.show(figures.filling(x_named, 2, 2), """
    The column matrix of the numbered pixels, 8 rows by 6 columns, after two steps of two loops. Over places: columns 0
    and 1 are filled, 2 of 6. Over taps: rows 0, 1, 4 and 5 are filled, each tap's row in both channels, so that half of
    the matrix is there.
    """)

# %% [markdown]
# Nine turns, for an image of any size: $K K$ instead of $U V$. First we write the slice of puzzle 7, for a tap that
# starts at any pixel:

# %%
def _places(start, stride, count):
    return slice(start, start + stride * (count - 1) + 1, stride)

# %% [markdown]
# Then all taps, each with its two slices. With dilation a tap in line $i$ starts at pixel $D i$ instead of $i$; nothing
# else changes. (From here on the code is the library's, where `n`, `c`, `k`, `u`, `v` are the *sizes* $N$, $C$, $K$,
# $U$, $V$: no loop runs over places any more, so the small letters are free.)

# %%
def taps(k, stride, dilation, u, v):
    """Yield every kernel offset (i, j) with the padded rows and columns that it meets at the U x V places."""
    for i in range(k):
        for j in range(k):
            yield i, j, _places(i * dilation, stride, u), _places(j * dilation, stride, v)


for i, j, rows, columns in taps(2, 1, 1, 2, 3):
    print(f"tap ({i}, {j}) meets", x_named[0, 0, rows, columns].astype(int).tolist(), "of channel 0")

# %% [markdown]
# Compare these four with rows 0 to 3 of $X$ above. To put each into its row we could compute the row's number, as in
# puzzle 3. It is easier to give the matrix *six axes* while it is filled, `(n, c, k, k, u, v)`: then the tap is an
# index.

# %%
u, v = 2, 3
cols = np.empty((1, 2, 2, 2, u, v))
for i, j, rows, columns in taps(2, 1, 1, u, v):
    cols[:, :, i, j] = x_named[:, :, rows, columns]  # (1, 2, u, v) on both sides
matrix = cols.reshape(1, 2 * 2 * 2, u * v)
assert np.array_equal(matrix[0], X)
assert np.shares_memory(cols, matrix)  # reshape copied nothing

# %% [markdown]
# `reshape` moves no number. An array lies in memory as one long line, its last axis running fastest, and `reshape` only
# counts along that line in another way: the axes `(c, k, k)` become one, which numbers the rows as in puzzle 3, and
# `(u, v)` another, which numbers the columns as in puzzle 2.
#
# Here is the whole function. Two helpers come from the library: `check_whole` complains if a setting is not a whole
# number, and `array_module` returns the module that made `x`: NumPy or, on a GPU, CuPy, which has the same functions.

# %%
from minifcn.backend import array_module
from minifcn.ops.im2col import check_whole


def im2col(x, k, stride, pad, dilation=1):
    """(N,C,H,W) -> (N, C*K*K, U*V): one column per output pixel, holding the patch it sees."""
    check_whole(kernel=(k, 1), stride=(stride, 1), pad=(pad, 0), dilation=(dilation, 1))
    xp = array_module(x)
    n, c, height, width = x.shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    xpad = xp.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    cols = xp.empty((n, c, k, k, u, v), x.dtype)
    for i, j, rows, columns in taps(k, stride, dilation, u, v):
        cols[:, :, i, j] = xpad[:, :, rows, columns]
    return cols.reshape(n, c * k * k, u * v)


x = rng.normal(size=(2, 3, 9, 7))
assert np.array_equal(im2col(x, 3, 2, 1), im2col_by_places(x, 3, 2, 1))
im2col(x, 3, 2, 1).shape

# %% [markdown]
# > **Why not simpler?** Why not `reshape` in whatever way gives the right shape? Any order of the rows would do, *as
# > long as the columns of $W$ have the same*. `reshape` gives both the same, since both have their axes in the order
# > $c, i, j$. The two mistakes below raise no error and give the right shape; every number is wrong:

# %%
w = rng.normal(size=(4, 3, 3, 3))
truth = conv_by_loops(x, w, np.zeros(4))
X, W = im2col(x, 3, 1, 0), w.reshape(4, -1)
shuffled = rng.permutation(27)
same = W[:, shuffled] @ X[:, shuffled]  # the same order on both sides
np.testing.assert_allclose(same.reshape(truth.shape), truth)

wrong_w = w.reshape(-1, 4).T @ X  # (27, 4) turned into (4, 27): the filters are torn apart
wrong_taps = w.swapaxes(2, 3).reshape(4, -1) @ X  # i and j swapped before the reshape: every kernel is transposed
for wrong in (wrong_w, wrong_taps):
    assert not np.isclose(wrong.reshape(truth.shape), truth).any()

# %% [markdown]
# > **Why not simpler?** Why not NumPy's `sliding_window_view`? It shows all patches *without copying anything*. But it
# > has a step in memory for each of $c, i, j, u, v$, and a matrix has only two steps, one from row to row and one from
# > column to column. The moment the view is reshaped into a matrix, everything is copied after all:

# %%
view = np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))  # (n, c, u, v, k, k)
matrix = view.transpose(0, 1, 4, 5, 2, 3).reshape(2, 27, -1)
assert np.shares_memory(view, x) and not np.shares_memory(matrix, x)
assert np.array_equal(matrix, im2col(x, 3, 1, 0)) and matrix.nbytes == im2col(x, 3, 1, 0).nbytes

# %% [markdown]
# #### conv2d
#
# Columns, product, reshape, bias. `@` multiplies the last two axes and repeats over the ones before: one $W$ for all
# $N$ images. What is returned beside `y` is the *cache*, the subject of the next heading.

# %%
def conv2d(x, w, b=None, *, stride=1, pad=0, dilation=1):
    """y[n,f,u,v] = b[f] + sum_{c,i,j} w[f,c,i,j] xpad[n, c, S*u + D*i, S*v + D*j]

    x (N,C,H,W)   w (F,C,K,K)   b (F,) or None   ->   y (N,F,U,V), cache
    As matrices, one image at a time:  Y = W @ X  with  X = im2col(x).
    """
    n, _, height, width = x.shape
    f, _, k, _ = w.shape
    cols = im2col(x, k, stride, pad, dilation)
    y = w.reshape(f, -1) @ cols  # (F, C*K*K) @ (N, C*K*K, U*V)
    y = y.reshape(n, f, conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation))
    if b is not None:
        y += b.reshape(-1, 1, 1)
    return y, (x, w, b is not None, stride, pad, dilation)  # not cols: nine times x, and cheap to make again

# %% [markdown]
# It has to agree with the seven loops for any stride, padding and dilation, and with the maps of section 1:

# %%
w, b = rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
for stride, pad, dilation in np.ndindex(3, 3, 2):
    settings = dict(stride=stride + 1, pad=pad, dilation=dilation + 1)
    mine, _ = conv2d(x, w, b, **settings)
    np.testing.assert_allclose(mine, conv_by_loops(x, w, b, **settings), atol=1e-12)
    np.testing.assert_allclose(mine, ops.conv2d(x, w, b, **settings)[0], atol=1e-12)
assert np.array_equal(conv2d(grey, edges)[0], responses)
mine.shape

# %% [markdown]
# And this is the library's plain form, letter for letter (section 5 names a faster one). Ask Python for the source of
# both:

# %%
im2col_py, conv_py = inspect.getmodule(conv_size), ops.conv  # the files minifcn/ops/im2col.py and conv.py
for mine, home in ((_places, im2col_py), (taps, im2col_py), (im2col, im2col_py), (conv2d, conv_py)):
    library = getattr(home, mine.__name__)
    assert inspect.getsource(mine).strip() == inspect.getsource(library).strip()
    print(f"{home.__name__}.{mine.__name__}: the same {len(inspect.getsource(mine).splitlines())} lines")

# %% [markdown]
# ### What to remember
#
# In training a layer is run forwards, then backwards. What the way back needs is kept in between, in the cache. Lesson
# 03 derives what that is: the columns $X$ for the gradient of the weights, and $W$ for the gradient of the input.
#
# **Predict.** Yet the cache of `conv2d` holds `x`, and not the columns: "nine times x", says its last line. That is for
# a 3 x 3 kernel with stride 1. How many times is it with stride 2? (The maps below are those of VGG's conv5 for a photo
# of 500 x 500.)

# %%
x = np.zeros((1, 512, 44, 44), np.float32)
for stride in (1, 2):
    cols = im2col(x, 3, stride, 1)
    print(f"stride {stride}: x {x.nbytes / 1e6:.1f} MB, columns {cols.nbytes / 1e6:.1f} MB")
    assert cols.nbytes == 9 / stride**2 * x.nbytes

# %% [markdown]
# A quarter of the places, so 2.25 times. In an FCN nearly all convolutions have stride 1. The columns of *one* layer
# exist while it is computed. Keeping those of *all* layers until the way back would take nine times the memory of their
# inputs; making them a second time takes one copy. So: **remember the input, not the columns.**
#
# ### Backward
#
# Lesson 03: the gradients of the matrix product are two more matrix products, and what im2col has
# copied, a function called `col2im` adds together again. It uses `taps` unchanged.
#
# ### Check
#
# Forward was checked above against the seven loops. Gradients are checked against differences, in lesson 03.
#
# ## 5 · What it costs, and what it buys
#
# $X$ holds $N \cdot C K K \cdot U V$ numbers. The seven loops make $N F U V \cdot C K K$ multiply-adds. **Predict.**
# How many does the matrix product make?

# %% [markdown]
# The same. A product of $(F, CKK)$ with $(CKK, UV)$ makes $F \cdot CKK \cdot UV$ multiply-adds: im2col saves none. It
# saves the Python loops, and it gains a routine that is carefully tuned on every processor: a matrix product keeps all
# arithmetic units busy, and uses each number many times once it is fetched from memory. The ratios below are from one
# run on one machine; yours will differ.

# %%
def seconds(f, *args, repeat=3):
    """The shortest of a few runs."""
    times = []
    for _ in range(repeat):
        began = time.perf_counter()
        f(*args)
        times.append(time.perf_counter() - began)
    return min(times)


x, w = rng.normal(size=(1, 8, 20, 26)).astype(np.float32), rng.normal(size=(12, 8, 3, 3)).astype(np.float32)
b = np.zeros(12, np.float32)
multiply_adds = 12 * 18 * 24 * 8 * 3 * 3
loops, plain = seconds(conv_by_loops, x, w, b, repeat=1), seconds(conv2d, x, w, b, repeat=20)
by_places, by_taps = seconds(im2col_by_places, x, 3, 1, 0), seconds(im2col, x, 3, 1, 0, repeat=20)
print(f"loops:  {multiply_adds / loops / 1e6:8.1f} million multiply-adds a second")
print(f"conv2d: {multiply_adds / plain / 1e6:8.1f} million, {loops / plain:.0f} times as fast")
print(f"making the columns by taps: {by_places / by_taps:.0f} times as fast as by places")

# %% [markdown]
# **Why the copying pays.** Making $X$ copies each pixel up to $K K$ times, which computes nothing. But then every
# number of $X$ is used $F$ times, once for each filter. **Predict.** What share of the time of `conv2d` goes into the
# columns: does it rise or fall from 8 filters to 512?

# %%
from minifcn.backend import single_threaded_blas

x = rng.normal(size=(1, 64, 32, 40)).astype(np.float32)
for F in (8, 64, 512):
    w = rng.normal(size=(F, 64, 3, 3)).astype(np.float32)
    with single_threaded_blas():  # on one core, where so short a measurement is steadier
        share = seconds(im2col, x, 3, 1, 0, repeat=40) / seconds(conv2d, x, w, repeat=40)
    print(f"{F:3} filters: making the columns takes {share:.2f} of the time")

# %% [markdown]
# The share falls as filters are added: the copy stays the same, the product grows.
#
# That is why everyone does it. Caffe, in which the FCNs of the papers were written, computed its convolutions like
# this. Later libraries make the columns a piece at a time, in fast memory, use each piece and throw it away: the same
# product, without the ninefold memory. So does `ops.conv2d`, the library's default. (For 3 x 3 kernels on large maps
# with many channels it uses Winograd's method, which does need fewer multiplications.)
#
# ### A whole network
#
# Now FCN-32s, on the layers of VGG, for one image of 500 x 500. Its first layer pads by 100 (lesson 08 derives why).
# `layers` lists each convolution with its channels, filters, kernel, side before and side after.

# %%
layers, side, channels = [], 500, 3
for stage, (filters, how_many) in enumerate([(64, 2), (128, 2), (256, 3), (512, 3), (512, 3)], start=1):
    for number in range(1, how_many + 1):
        after = conv_size(side, 3, pad=100 if stage == number == 1 else 1)
        layers.append((f"conv{stage}_{number}", channels, filters, 3, side, after))
        side, channels = after, filters
    side = -(-side // 2)  # a pool halves the map, rounding up
layers += [("fc6", 512, 4096, 7, side, side - 6), ("fc7", 4096, 4096, 1, side - 6, side - 6)]
layers[:3]

# %% [markdown]
# **Exercises 2 and 3: the bytes, then the multiply-adds.** Look at conv1_2 in the list. How many bytes do its columns
# take, at 4 bytes for each number (float32)? And how many multiply-adds does the layer make? Write expressions; do not
# make the columns.

# %%
# --- solution
column_bytes = 4 * 64 * 3 * 3 * 698 * 698
# --- yours
# column_bytes = None  # an expression
# --- end
check.column_bytes(column_bytes)

# %%
# --- solution
conv1_2_multiply_adds = 64 * 698 * 698 * 64 * 3 * 3
# --- yours
# conv1_2_multiply_adds = None  # an expression
# --- end
check.multiply_adds(conv1_2_multiply_adds)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Puzzle 1 gives the shape of the columns. The tuple for conv1_2 above has all the numbers.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The columns have $C K K$ rows and $U V$ columns. Each of their numbers meets $F$ filters.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# $C = F = 64$, $K = 3$, $U = V = 698$ (500 + 2 · 100 - 3 + 1), and 4 bytes for each number.
#
# </details>

# %% [markdown]
# **Predict.** Which layer has the largest columns, and which the most work? Are they the same? In the figure conv1_2 is
# left for you: draw in your two numbers. A billion is $10^9$, a gigabyte is a billion bytes.

# %%
names = [name for name, *_ in layers]
before = [4 * c * side**2 / 1e9 for _, c, _, _, side, _ in layers]
columns = [4 * c * k**2 * after**2 / 1e9 for _, c, _, k, _, after in layers]
work = [f * after**2 * c * k**2 / 1e9 for _, c, f, k, _, after in layers]
draw.show(figures.costs(names, before, columns, work, hidden="conv1_2"), f"""
    Bars for the 15 convolutions of an FCN-32s on a 500 x 500 image, conv1_2 left open. Memory: the columns of conv2_2
    take {columns[3]:.2f} GB, its input {before[3]:.2f}; from stage to stage they shrink, to {columns[-3]:.2f} GB in
    conv5 and {columns[-2]:.2f} in fc6; fc7's columns are no larger than its input. Work, in billions of
    multiply-adds: conv1_1 takes {work[0]:.1f}, the first layers of stages 2 to 4 about 9 and the others there about 18,
    conv5 {work[-3]:.1f} each, and fc6 most of all, {work[-2]:.1f}.
    """)

# %%
hours = sum(work) * 1e9 / (multiply_adds / loops) / 3600
print(f"{sum(work):.0f} billion multiply-adds; the seven loops, at the pace measured, take {hours:.0f} hours")

# %% [markdown]
# The largest columns are those of conv1_2, the most work is fc6, a 7 x 7 kernel with 4,096 filters. Halving a map
# leaves a quarter of the places; up to stage 4 channels and filters double with it. So from stage to stage the columns
# halve, and the work of conv2_2, conv3_2 and conv4_2 is about the same. Memory is spent early, where maps are large.
#
# ### Where im2col does nothing
#
# fc7 and the score layers of an FCN are 1 x 1 convolutions. **Predict.** What do the columns of a 1 x 1 kernel look
# like, with stride 1 and no padding?

# %%
x = rng.normal(size=(2, 3, 4, 5))
assert np.array_equal(im2col(x, 1, 1, 0), x.reshape(2, 3, 20))
assert np.shares_memory(x, x.reshape(2, 3, 20))
im2col(x, 1, 1, 0).shape

# %% [markdown]
# The patch of a place is its pixel, so the columns are the image itself, and `reshape` makes them without copying a
# number. A 1 x 1 convolution is one small matrix, applied at every pixel.
#
# At the other extreme, a kernel *as large as its input* has one place. $X$ is one column, and $Y = W X$ is a fully
# connected layer: with this equality lesson 01 turned a classifier into an FCN.
#
# **Exercise 4: 1 x 1.** Write the 1 x 1 convolution without im2col. The last line is given.

# %%
def conv1x1(x, w, b):
    """y[n,f,u,v] = b[f] + sum_c w[f,c,0,0] x[n,c,u,v]:  x (N,C,H,W), w (F,C,1,1), b (F,) -> y (N,F,H,W)"""
    n, c, height, width = x.shape
    # --- solution
    y = w.reshape(-1, c) @ x.reshape(n, c, height * width)
    # --- yours
    # y = None  # one matrix product: (F, C) with (N, C, H*W)
    # --- end
    return None if y is None else y.reshape(n, len(w), height, width) + b.reshape(-1, 1, 1)

check.conv1x1(conv1x1)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The product in `conv2d`, and the first assertion of the cell before.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Both `w` and `x` have to become matrices, by `reshape`. Nothing is transposed: channels are the columns of the one
# and the rows of the other already.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `w.reshape(..., c) @ x.reshape(n, c, ...)`
#
# </details>

# %% [markdown]
# ## 6 · Break it
#
# **A lost stride.** A slice that holds `count` pixels can be written in a shorter way than in `_places`, or so it
# seems.
#
# **Predict.** For which strides does this go wrong? Does NumPy raise an error?

# %%
def shorter(start, stride, count):
    return slice(start, start + count)  # one wrong line: the stride is lost


def im2col_with(slices, x, k, stride):
    """im2col without padding, the slices made by another function."""
    u, v = conv_size(x.shape[2], k, stride), conv_size(x.shape[3], k, stride)
    parts = [x[:, :, slices(i, stride, u), slices(j, stride, v)] for i, j in np.ndindex(k, k)]
    return np.stack(parts, axis=2).reshape(len(x), -1, u * v)


def verdict(mine, truth):
    """What assert_allclose has to say about it, in one line."""
    try:
        np.testing.assert_allclose(mine, truth)
    except AssertionError as error:
        return "; ".join(line for line in str(error).splitlines() if "Mismatched" in line or "Max absolute" in line)
    return "passes"


x = rng.normal(size=(2, 3, 9, 7))
for stride in (1, 2):
    print(f"stride {stride}:", verdict(im2col_with(shorter, x, 3, stride), im2col(x, 3, stride, 0)))

# %% [markdown]
# With stride 1 all is well. With stride 2 the slice still has the right number of pixels, so nothing complains, but
# they are the wrong ones, except at place (0, 0). A test with stride 1 alone would have passed.
#
# **Swapped axes.** Two mistakes of another kind: one swaps $u$ and $v$ in the last `reshape`, the other confuses rows
# and columns of $X$ and multiplies by $X^T$.
#
# **Predict.** Which of them does the smallest case of section 2 find?

# %%
def swapped_places(x, w):
    u, v = conv_size(x.shape[2], w.shape[2]), conv_size(x.shape[3], w.shape[2])
    return (w.reshape(len(w), -1) @ im2col(x, w.shape[2], 1, 0)).reshape(len(x), len(w), v, u)  # wrong: u, v


def transposed_columns(x, w):
    u, v = conv_size(x.shape[2], w.shape[2]), conv_size(x.shape[3], w.shape[2])
    return (w.reshape(len(w), -1) @ im2col(x, w.shape[2], 1, 0).swapaxes(1, 2)).reshape(len(x), len(w), u, v)


x, w = x_small[None, None], w_small[None, None]
for wrong in (swapped_places, transposed_columns):
    print(f"{wrong.__name__:18} on the 3 x 3 input:", verdict(wrong(x, w), conv2d(x, w)[0]))
im2col(x, 2, 1, 0)[0].astype(int)

# %% [markdown]
# Neither! The result is square, so $V \times U$ is $U \times V$. And look at $X$: it is its own transpose, since
# $u + i$ does not change when $u$ and $i$ are swapped, and there are as many places as taps. The case that is easiest
# on paper does not see the mistakes that are easiest to make. Now a case in which no two sizes are equal:

# %%
x, w = rng.normal(size=(3, 5, 8, 10)), rng.normal(size=(4, 5, 2, 2))
truth = conv2d(x, w)[0]
print("swapped_places:", swapped_places(x, w).shape, "instead of", truth.shape)
try:
    transposed_columns(x, w)
except ValueError as error:
    print("transposed_columns:", str(error).partition(", with")[0])
print("swapped_places, swapped back:", verdict(swapped_places(x, w).swapaxes(2, 3), truth))

# %% [markdown]
# Both are found at once, by their shapes. Swapping back does not help, as the last line shows: `reshape` to $(V, U)$ is
# not a transposition, it cuts the rows of places at the wrong lengths. **Test with sizes that are all different.**

# %% [markdown]
# ## 7 · More exercises
#
# **Exercise 5: predict a figure.** What if we did turn the kernels, as mathematicians do? The cell after the hints
# turns both edge kernels of section 1 by half a turn, once you have changed its first line. *Before that*, write down
# the factor by which it will multiply both maps.

# %%
# --- solution
factor = -1
# --- yours
# factor = None  # a number: your prediction
# --- end
check.turned(factor)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Write `right_less_left` on paper and turn the paper upside down.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The ones are now on the left, the minus ones on the right: left less right.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Each number of the turned kernel is the same multiple of the number that stood there before.
#
# </details>

# %%
# --- solution
changed = edges[..., ::-1, ::-1]
# --- yours
# changed = edges  # change this line: edges[..., ::-1, ::-1]
# --- end
responses_changed, _ = ops.conv2d(grey, changed)
print(f"the maps were multiplied by {np.vdot(responses, responses_changed) / np.vdot(responses, responses):g}")

# %% [markdown]
# **Exercise 6: in your own words.** A friend says: "im2col makes convolution fast because it needs fewer
# multiplications. The way back needs the columns, so they ought to be kept." Half of each sentence is right: which
# half? Answer in three or four sentences.

# %% [markdown] tags=["answer"]
# *One answer.* im2col does make convolution fast, but the number of multiply-adds is exactly that of the seven loops,
# $N F U V C K K$. What changes is how they are carried out: as one matrix product, a tuned routine that keeps the
# arithmetic units busy and reuses each number it has fetched, instead of as single steps of an interpreter. And the way
# back does need the columns, but keeping them would take about $K K$ times the memory of the input in every layer, only
# to save one copy, which is little work beside the product when there are many filters. They are made again.

# %% [markdown]
# ## Three sentences to remember
#
# 1. A convolution is $Y = W X$: a row of $W$ is a filter, a column of $X$ is the patch at one place, a row of $X$ is
#    the image as one tap meets it.
# 2. im2col saves no multiplication and costs $K K$ times the memory, but it turns a convolution into the best tuned
#    routine there is, and $K K$ copies of slices make it, whatever the size of the image.
# 3. `reshape` is right where both sides have their axes in the same order, and only sizes that are all different show
#    when they have not.
#
# **Next:** lesson 03 (Running it backwards). Where do dW, dX and db come from? From $Y = W X$, in two lines, and from
# the question: where did each pixel go?

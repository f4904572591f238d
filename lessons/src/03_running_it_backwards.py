# %% [markdown]
# # 03 · Running it backwards
#
# **Where do dW, dX and db come from, and how does a gradient check know?**
#
# Lesson 02 ended with a convolution as one matrix product, `Y = W @ X`. That is the way forwards. A net learns on the
# way back: it asks of every single weight which way the loss would move if that weight moved. This is the longest
# lesson, and the one the others lean on.
#
# At the end you can
#
# - measure a slope with two forward passes, and say what the number means;
# - derive the backward pass of a matrix product and of a convolution, index by index, and write it in a few lines;
# - build the judge: a gradient check, with a step you have chosen for a reason;
# - look at a wrong gradient and say which line is wrong.
#
# *About 50 minutes to read, two hours and 20 minutes with the exercises, seconds to run. You need lesson 02 (im2col and
# the matrix product) and the derivative of $x^2$.*

# %%
import numpy as np

from lessons import draw
from lessons.check import lesson03 as check
from lessons.draw import lesson03 as figures
from minifcn.backend import array_module
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.nets import build
from minifcn.ops.conv import conv2d
from minifcn.ops.im2col import conv_size, im2col, taps

rng = np.random.default_rng(3)

# %% [markdown]
# ## 1 · A gradient is something you can measure
#
# One scene, one 3 x 3 filter, nine weights. Somewhere there is a filter that finds horizontal edges; its output is
# what we want. Ours starts with random weights. The *loss* is one number that says how far off we are: half the mean of
# the squared differences.

# %%
scene = VOCSegmentation(harbour.root(), "val")[0][0].mean(axis=2)[None, None] / 255 - 0.5  # (1,1,H,W): grey
edges = np.array([[1.0, 2, 1], [0, 0, 0], [-1, -2, -1]])[None, None]  # above less below
wanted, _ = conv2d(scene, edges, pad=1)
start = rng.normal(size=(1, 1, 3, 3)) / 2


def loss(w):
    y, _ = conv2d(scene, w, pad=1)
    return np.mean((y - wanted) ** 2) / 2


print(f"loss {loss(start):.4f}")

# %% [markdown]
# Now nudge one weight, the one in the top row's middle, by a thousandth. The loss moves a little. Divide what the loss
# moved by what the weight moved: that is the slope.

# %%
nudged = start.copy()
nudged[0, 0, 0, 1] += 0.001
slope = (loss(nudged) - loss(start)) / 0.001
print(f"slope {slope:.4f}")

# %% [markdown]
# **Predict.** The slope is negative. Does the loss rise or fall when the weight grows? In a drawing of the loss against
# this weight, is the weight left or right of the lowest point? (In the maps orange is positive, purple negative.)

# %%
line = np.linspace(-3, 6, 31)
losses = []
for value in line:
    moved = start.copy()
    moved[0, 0, 0, 1] = value
    losses.append(loss(moved))
made, _ = conv2d(scene, start, pad=1)
draw.show(figures.nudge(scene[0, 0], wanted[0, 0], made[0, 0], (0, 1), line, losses, start[0, 0, 0, 1], loss(start),
                        slope), f"""A grey harbour scene; the edges that are wanted; the map that nine random
          weights make, a pale negative of the scene; and the loss against one weight, a parabola. The weight
          stands at {start[0, 0, 0, 1]:.2f}, where the dashed tangent has the slope {slope:.3f}: to the right it goes
          down.""")

# %% [markdown]
# Do this for each of the nine weights, and you have **the gradient**: an array of the weights' shape, a slope in every
# place. We write `dw` for it, always meaning *how much the loss moves per unit that `w` moves*.
#
# **Predict.** Take a small step against all nine slopes at once. What happens to the loss?

# %%
dw_measured = np.empty_like(start)
for i in np.ndindex(start.shape):
    nudged = start.copy()
    nudged[i] += 0.001
    dw_measured[i] = (loss(nudged) - loss(start)) / 0.001
assert loss(start - 0.5 * dw_measured) < loss(start)
print(dw_measured[0, 0].round(3))
print(f"loss {loss(start):.4f}, after one step against the slopes {loss(start - 0.5 * dw_measured):.4f}")

# %% [markdown]
# It falls. That is all of learning; lesson 06 repeats it until the loss is small. The trouble is the price: each slope
# costs a forward pass of its own.

# %%
net = build("fcn8s", classes=7)
parameters = sum(p.size for p in net.params.values())
print(f"our small FCN-8s has {parameters:,} weights: as many forward passes for one step")

# %% [markdown]
# The *backward pass* gets all of these numbers for the price of about two forward passes. This lesson takes it apart
# down to single products, builds it up again to a convolution, and keeps the nudging as its judge: slow, but hard to
# fool.
#
# ## 2 · One product, and the chain rule
#
# The smallest case: one weight, one input, `y = w * x`. Something later makes a loss of `y`; what, we need not know.
# We are told one number, `dy`: how much the loss moves per unit that `y` moves.
#
# Nudge `w` by a little, $\delta$. Then `y` moves by $x\,\delta$, and the loss by $dy \cdot x\,\delta$. Per unit of `w`:
#
# $$dw = dy \cdot x \qquad\text{and in the same way}\qquad dx = dy \cdot w .$$
#
# That is the chain rule: slopes along a path multiply. Everything below is made of this pair of lines: each factor's
# gradient is `dy` times **the other** factor.
#
# **Predict.** `w = 3`, `x = 2`, and the loss is `(y - 4)**2 / 2`, so `dy = y - 4`. On paper: what are `dw` and `dx`?

# %%
w, x = 3.0, 2.0
y = w * x
dy = y - 4  # the slope of (y - 4)**2 / 2
dw, dx = dy * x, dy * w
print(f"y = {y:g}, dy = {dy:g}, dw = {dw:g}, dx = {dx:g}")

nudged_loss = ((w + 1e-6) * x - 4) ** 2 / 2
assert abs((nudged_loss - (y - 4) ** 2 / 2) / 1e-6 - dw) < 1e-4  # the judge agrees

# %% [markdown]
# The backward line needed `dy`, which comes from what follows, and `x` and `w`, which the forward pass had at hand. It
# must *remember* them for the way back.
#
# ### A value used twice
#
# Nets are not chains. In an FCN the map pool4 feeds both the next layer and a skip. Here is the smallest such graph:
# `m` goes into a product, and also straight into the sum.

# %%
x, w1, w2 = 2.0, 3.0, -0.5
m = w1 * x
t = w2 * m
s = m + t
L = (s - 1) ** 2 / 2
values = {"x": x, "w1": w1, "w2": w2, "m": m, "t": t, "s": s, "L": L}
draw.show(figures.graph(values), f"""A graph from left to right: x = {x:g} and w1 = {w1:g} go into a product m =
          {m:g}; m forks, one branch straight to a sum, the other through a product with w2 = {w2:g} that gives t =
          {t:g}; the sum s = {s:g} goes into the loss L = {L:g}.""")

# %% [markdown]
# Start at the right: `L = (s - 1)**2 / 2`, so `ds = s - 1 = 2`. A sum passes a nudge of either term on unchanged, so
# **both** terms get `ds`. A product you know. What about `m`? A nudge of `m` reaches the loss by two ways at once, and
# their effects **add**.
#
# **Exercise 1: the fork.** Work out `dm` on paper: what comes back through the product, and what comes back straight
# from the sum?

# %%
# --- solution
dm_on_paper = 1.0
# --- yours
# dm_on_paper = None  # a number
# --- end
check.branches(dm_on_paper)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# At the fork: two arrows leave it, so two numbers come back to it. `ds` is 2.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The straight way brings `ds` itself. The other way first brings `dt = ds`, and then goes back through the product
# `t = w2 * m`, where `m` gets `dt` times the other factor.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dm = ds + dt * w2`
#
# </details>

# %%
ds = s - 1
dm_straight, dt = ds, ds  # a sum hands its gradient to both of its terms
dw2, dm_product = dt * m, dt * w2
dm = dm_straight + dm_product  # m was used twice: the gradients add
dw1, dx = dm * x, dm * w1
gradients = {"x": dx, "w1": dw1, "w2": dw2, "m": dm, "t": dt, "s": ds, "m up": dm_straight, "m down": dm_product}
draw.show(figures.graph(values, gradients), f"""The same graph with a gradient under every value, running from right
          to left: ds = {ds:g}; the sum gives {dm_straight:g} to the straight branch and dt = {dt:g} to the other;
          through the product come dw2 = {dw2:g} and {dm_product:g}; at the fork {dm_straight:g} and {dm_product:g} add
          to dm = {dm:g}; then dw1 = {dw1:g} and dx = {dx:g}.""")

# %% [markdown]
# Three rules are enough for whatever in an FCN multiplies and adds: convolutions, skips, upsampling.
#
# | forward | backward |
# |---|---|
# | product, `y = w * x` | `dw = dy * x` and `dx = dy * w`: each gets `dy` times the other |
# | sum, `s = m + t` | `dm = ds` and `dt = ds`: copied to both |
# | copy, one `m` used in two places | `dm` is the sum of what comes back from both |
#
# The last two are mirror images, and explain half of what follows: **what is added forwards is copied backwards, and
# what is copied forwards is added backwards.** In code, gradients are therefore collected with
# `+=`. A plain `=` would let the second branch erase what the first one brought.
#
# ## 3 · A matrix product, number by number
#
# Lesson 02 turned a convolution into `Y = W @ X`: row `f` of `W` is a filter, column `p` of `X` is the patch at place
# number `p`, and `q` counts the numbers of a patch. With all indices written,
#
# $$y_{fp} = \sum_q w_{fq}\, x_{qp}.$$
#
# Take 2 x 2 matrices, and let some loss have told us `dY`.

# %%
W = np.array([[1.0, 2], [3, 4]])
X = np.array([[5.0, 6], [7, 8]])
Y = W @ X
dY = np.array([[1.0, 0], [2, -1]])
print(Y)

# %% [markdown]
# Follow one weight, $w_{01} = 2$. Write out the four sums and look for it:
#
# $$y_{00} = w_{00}\,x_{00} + \mathbf{w_{01}}\,x_{10} \qquad y_{01} = w_{00}\,x_{01} + \mathbf{w_{01}}\,x_{11}$$
# $$y_{10} = w_{10}\,x_{00} + w_{11}\,x_{10} \qquad y_{11} = w_{10}\,x_{01} + w_{11}\,x_{11}$$
#
# It is used in two places, both in row 0 of `Y`. Each use is a product, so each brings back `dy` times the other
# factor; two uses, so they add:
#
# $$dw_{01} = dy_{00}\,x_{10} + dy_{01}\,x_{11}.$$
#
# **Predict.** What number is that?

# %%
dw_01 = dY[0, 0] * X[1, 0] + dY[0, 1] * X[1, 1]
draw.show(figures.product(W, X, Y, dY, dY @ X.T, 0, 1), f"""Five 2 x 2 matrices. In W the weight at row 0, column 1 is
          lit; in X row 1, which it multiplies; in Y row 0, which it reaches. In dY the same row 0 is lit, and in dW
          the place (0, 1) with the number {dw_01:g}: row 0 of dY times row 1 of X.""")

# %% [markdown]
# Now with letters. The weight $w_{fq}$ is used in row $f$ of $Y$, once in every column $p$, each time beside
# $x_{qp}$. The number $x_{qp}$ is used in column $p$ of $Y$, once in every row $f$, each time beside $w_{fq}$.
# Therefore
#
# $$dw_{fq} = \sum_p dy_{fp}\, x_{qp} \qquad\qquad dx_{qp} = \sum_f w_{fq}\, dy_{fp}.$$
#
# As code this is the forward loop with its line run backwards, twice:

# %%
dW, dX = np.zeros_like(W), np.zeros_like(X)
for f, q, p in np.ndindex(2, 2, 2):
    # forward:  Y[f, p] += W[f, q] * X[q, p]
    dW[f, q] += dY[f, p] * X[q, p]
    dX[q, p] += dY[f, p] * W[f, q]
print("dW", dW, "dX", dX, sep="\n")
assert dW[0, 1] == dw_01

# %% [markdown]
# Read the two sums as matrix products again. A product sums over the *last* index of its left factor and the *first*
# index of its right factor. In $\sum_p dy_{fp}\,x_{qp}$ the index $p$ comes last in both, so the right one must be
# transposed: $(X^T)_{pq} = x_{qp}$. In $\sum_f w_{fq}\,dy_{fp}$ the index $f$ comes first in both, so the left one
# must be. Hence
#
# $$dW = dY\,X^T \qquad\qquad dX = W^T\,dY .$$

# %%
assert np.array_equal(dW, dY @ X.T)
assert np.array_equal(dX, W.T @ dY)

# %% [markdown]
# **A memory aid, and where it misleads.** Take 4 filters, patches of 3 numbers, 5 places: `dY` is 4 x 5, `X` is 3 x 5,
# and `dW` must be 4 x 3. Of all the ways to multiply the two, only `dY @ X.T` has that shape. People find their
# backward passes that way, and it works, until the matrices are square.
#
# **Predict.** The two can be multiplied in either order, each transposed or not: eight candidates. For our 2 x 2
# matrices, how many have the right shape? How many are right?

# %%
candidates = {
    "dY @ X.T": dY @ X.T, "dY @ X": dY @ X, "dY.T @ X.T": dY.T @ X.T, "dY.T @ X": dY.T @ X,
    "X @ dY.T": X @ dY.T, "X @ dY": X @ dY, "X.T @ dY.T": X.T @ dY.T, "X.T @ dY": X.T @ dY,
}
for name, candidate in candidates.items():
    print(f"{name:<12} shape {candidate.shape}   {'right' if np.array_equal(candidate, dW) else 'wrong'}")
assert sum(np.array_equal(candidate, dW) for candidate in candidates.values()) == 1

# %% [markdown]
# Shapes remind; they do not prove.
#
# **The bias.** $y_{fp} = \dots + b_f$: one number, copied to every place of its map. Copied forwards, so added
# backwards:
#
# $$db_f = \sum_p dy_{fp},$$
#
# and over all images of the batch too, for they share the bias.
#
# ## 4 · The judge
#
# We nudged weights to measure slopes. Made careful, this becomes a *gradient check*: it treats the forward pass as a
# black box, measures every slope, and compares them with what a backward pass claims. Three choices make it careful:
# how to take the difference, how large a step, and how close is close enough.
#
# ### Two sides are better than one
#
# Taylor's series says how a smooth function looks from `x`, a step `h` to the right or to the left:
#
# $$f(x \pm h) = f(x) \;\pm\; h f'(x) \;+\; \tfrac{h^2}{2} f''(x) \;\pm\; \tfrac{h^3}{6} f'''(x) + \dots$$
#
# Subtract $f(x)$ and divide by $h$, as we did above, and an error of the first power of `h` is left. Subtract the left
# value from the right one instead: the terms that do not change sign cancel, $f''$ among them.
#
# $$\frac{f(x+h) - f(x)}{h} = f' + \tfrac{h}{2} f'' + \dots \qquad\qquad
# \frac{f(x+h) - f(x-h)}{2h} = f' + \tfrac{h^2}{6} f''' + \dots$$
#
# Make $h$ ten times smaller, and the first error shrinks ten times, the second a hundred times.
#
# ### How small a step?
#
# If smaller is better, why not $10^{-15}$? Because a computer keeps about 16 digits (float64) or 7 (float32). Each
# value of `f` is off by up to half a unit in its last place, a fraction $\varepsilon/2$ of itself, where
# $\varepsilon$ is `np.finfo(dtype).eps`. The difference of two such values can be off by $\varepsilon |f|$, and we
# divide that by a tiny number: the slope is off by
#
# $$\frac{\varepsilon\,|f|}{2h}\quad\text{(two-sided)}\qquad\qquad \frac{\varepsilon\,|f|}{h}\quad\text{(one-sided)}.$$
#
# (`x + h` is rounded too, which costs about as much again.) So Taylor's error grows with `h`, and that of rounding
# shrinks. For $f = e^x$, where $f = f' = f'''$, the relative error of the two-sided slope is about
#
# $$\frac{h^2}{6} + \frac{\varepsilon}{2h},\qquad\text{least where}\quad \frac{h}{3} = \frac{\varepsilon}{2h^2},
# \qquad\text{that is at}\quad h = \sqrt[3]{1.5\,\varepsilon}.$$
#
# For float64 ($\varepsilon = 2.2\cdot10^{-16}$) this is $7\cdot10^{-6}$. We take $10^{-5}$: another function has
# another $f'''$, so only the power of ten matters.
#
# **Exercise 2: the best step.** In float32, $\varepsilon = 1.2\cdot10^{-7}$. Which step do you expect to be best? (Any
# number of the right size will do.)

# %%
# --- solution
best_step_float32 = (1.5 * 1.2e-7) ** (1 / 3)
# --- yours
# best_step_float32 = None  # a number, such as 1e-5
# --- end
check.best_step(best_step_float32)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The last formula, with another $\varepsilon$.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# The third root of a number near $10^{-7}$: $10^{-6}$ would give $10^{-2}$, $10^{-9}$ would give $10^{-3}$.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `(1.5 * np.finfo(np.float32).eps) ** (1 / 3)`
#
# </details>
#
# Now measure it. At 50 points, for every step from $10^{-15}$ to 1, how far is the measured slope from $e^x$?
#
# **Predict.** Sketch error against step, both axes in powers of ten. Where does the curve fall, where does it rise, and
# how steep is each side?

# %%
steps = 10.0 ** np.arange(-15, 0.01, 0.25)
points = np.linspace(0.5, 1.5, 50)


def slope_errors(dtype, two_sided):
    x = points.astype(dtype)
    errors = []
    for h in steps.astype(dtype):
        left = x - h if two_sided else x
        slopes = (np.exp(x + h) - np.exp(left)) / (2 * h if two_sided else h)
        errors.append(np.sqrt(np.mean((slopes / np.exp(x.astype(np.float64)) - 1) ** 2)))
    return np.array(errors)


errors = {"float32, two-sided": slope_errors(np.float32, True),
          "float64, one-sided": slope_errors(np.float64, False),
          "float64, two-sided": slope_errors(np.float64, True)}

# %%
eps32, eps64 = np.finfo(np.float32).eps, np.finfo(np.float64).eps
best = {"float32, two-sided": (1.5 * eps32) ** (1 / 3),
        "float64, one-sided": (2 * eps64) ** 0.5,  # where h/2 and eps/h have equal and opposite slopes
        "float64, two-sided": (1.5 * eps64) ** (1 / 3)}
for name, error in errors.items():
    measured = steps[error.argmin()]
    print(f"{name}: best h predicted {best[name]:.1e}, measured {measured:.1e}, error there {error.min():.0e}")
    assert 0.1 < measured / best[name] < 10
predicted = {"h / 2": (steps / 2, 1e-5), "h² / 6": (steps**2 / 6, 1e-4),  # thin lines, and where to name them
             "ε / 2h, float64": (eps64 / (2 * steps), 1e-12), "ε / 2h, float32": (eps32 / (2 * steps), 1e-6)}
draw.show(figures.v_curve(steps, errors, predicted, best), f"""Three V-shaped curves, relative error of a slope
          against the step, both logarithmic. Float64 two-sided falls to {errors['float64, two-sided'].min():.0e}
          near 1e-5; float64 one-sided to {errors['float64, one-sided'].min():.0e} near 2e-8; float32 two-sided only
          to {errors['float32, two-sided'].min():.0e} near 5e-3. Left of the lowest points all rise as 1/h:
          rounding. Right of them they rise as h, or as h squared for the two-sided ones: Taylor.""")

# %% [markdown]
# On the left is rounding: every curve falls as $1/h$. On the right is Taylor: the one-sided curve rises as $h$, the
# two-sided ones as $h^2$, twice as steep. At the far left float32 is flat: there `x + h` is rounded to `x` itself,
# the slope is measured as 0, and the error is 100 %.
#
# This is why the library works as it does. Two-sided, for the deeper valley. In float64, for float32 is six digits
# worse at its best, and at $h = 10^{-5}$ its slopes are off in the third digit. With a tolerance of $10^{-6}$, for in
# float64 at $h = 10^{-5}$ ten digits are good, and six can be asked for safely.
#
# ### No loss needed
#
# We want to check one layer, not a whole net; where does `dy` come from? If each output moves by a little
# $\Delta y_k$, the loss moves by $\sum_k dy_k\,\Delta y_k$: that is what `dy` means. The function $\sum_k y_k\,dy_k$
# with `dy` held fixed moves by just as much. So it may stand in for any loss whose gradient at `y` is `dy`, and we
# may choose `dy` as we like.
#
# **Exercise 3: the judge.** Write the heart of it. With `y = f(x)`, how fast does $\sum_k y_k\,dy_k$ grow with `x[i]`?
# Nudge `x[i]` to both sides, call `f` each time, and put `x[i]` back.

# %%
def numeric_gradient(f, x, dy, h=1e-5):
    """The gradient of sum(f(x) * dy) with respect to x, by central differences, one element at a time."""
    x = x.copy()
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        # --- solution
        centre = x[i]
        x[i] = centre + h
        above = np.copy(f(x))  # a copy: f may hand back x itself, which changes in the next line
        x[i] = centre - h
        gradient[i] = np.sum((above - f(x)) * dy) / (2 * h)
        x[i] = centre
        # --- yours
        # gradient = None  # yours instead: about six lines, with gradient[i] = ... among them
        # --- end
    return gradient


check.numeric_gradient(numeric_gradient)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The right one of Taylor's two formulas, with $f(x \pm h)$ replaced by `np.sum(f(x) * dy)`.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Remember `centre = x[i]`. Set `x[i] = centre + h` and keep a copy of `f(x)`; set `x[i] = centre - h` and call `f`
# again; take the difference times `dy`, summed; in the end `x[i] = centre`.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `above = np.copy(f(x))`, and, after the other nudge, `gradient[i] = np.sum((above - f(x)) * dy) / (...)`
#
# </details>
#
# These few lines know nothing of transposes or of calculus, only the forward pass: that is what makes them a judge. The
# library's are the same, and refuse float32. Ask them for the `dW` of section 3:

# %%
from minifcn.gradcheck import assert_gradient, numeric_gradient

assert np.allclose(numeric_gradient(lambda W: W @ X, W, dY), dY @ X.T)
numeric_gradient(lambda W: W @ X, W, dY)

# %% [markdown]
# ### How close is close?
#
# Suppose a claimed slope and a measured one differ by $10^{-7}$. Is that good? It depends on how large the slopes are.
#
# > **Why not simpler?** Why not ask that they differ by less than $10^{-6}$? A loss averaged over a million pixels
# > has gradients of $10^{-7}$: everything would pass. Why not divide each difference by its own slope? A slope that
# > is truly 0 is measured as $10^{-10}$, and is then "100 % wrong". Why not divide the norm of all differences by the
# > norm of the gradient? One wrong element among a million hardly moves a norm.

# %%
tiny = 1e-7 * dY
assert np.abs(2 * tiny - tiny).max() < 1e-6  # a gradient that is twice too large, and "close enough"
measured = numeric_gradient(lambda x: x**3, np.array([0.0, 1.0]), 1.0)
print("slopes of x**3 at 0 and 1: true [0 3], measured", measured)
print("relative error, each for itself:", np.abs(measured - [0, 3]) / np.abs(measured))

right, claimed = np.ones(1_000_000), np.ones(1_000_000)
claimed[7] = 1.01  # wrong by a hundredth
print(f"relative error by norms: {np.linalg.norm(claimed - right) / np.linalg.norm(right):.0e}")

# %% [markdown]
# So each difference is looked at by itself, but compared with the size of the *whole* gradient, its root mean square,
# plus the slope's own. The library asks of each element $i$, with $n$ the measured gradient:
#
# $$|dx_i - n_i| \;\le\; 10^{-6}\,\bigl(\mathrm{rms}(n) + |n_i| + 10^{-12}\bigr)$$
#
# (the $10^{-12}$ lets a gradient of zeros pass), and names the worst element when one fails:

# %%
def verdict(f, x, dy, dx, name):
    """What the gradient check says, as a line of text."""
    try:
        assert_gradient(f, x, dy, dx, name)
    except AssertionError as error:
        return str(error)
    return f"d{name} passes"


print(verdict(lambda W: W @ X, W, dY, dY @ X.T, "W"))
print(verdict(lambda W: W @ X, W, dY, dY @ X, "W"))  # of the right shape, and wrong

# %% [markdown]
# ### Why `dy` is random
#
# > **Why not simpler?** Why not `dy` of ones, which is the loss "sum of all outputs"? Ones are the same everywhere,
# > and hide what mixes things up. With ones all filters have equal gradients: swap two, and nobody notices.

# %%
swapped = (np.ones((2, 2)) @ X.T)[::-1]
print("dy of ones:  ", verdict(lambda W: W @ X, W, np.ones((2, 2)), swapped, "W"))
random_dY = rng.normal(size=(2, 2))
print("random dy:   ", verdict(lambda W: W @ X, W, random_dY, (random_dY @ X.T)[::-1], "W"))

# %% [markdown]
# The same goes for `x`, `w` and the sizes: random numbers, sides that differ, more than one image and one channel, a
# stride that does not divide evenly.
#
# ### Where the judge errs, and what it cannot know
#
# Taylor needs a smooth function. At a kink, such as that of $\max(x, 0)$ at 0, the two nudges land on different sides.
#
# **Predict.** Which slope is measured exactly at 0? And at $3\cdot10^{-6}$, with $h = 10^{-5}$?

# %%
for at in (1e-3, 3e-6, 0.0, -3e-6, -1e-3):
    measured = numeric_gradient(lambda x: np.maximum(x, 0), np.array([at]), 1.0)[0]
    print(f"x = {at:<7g} measured slope {measured:.2f}")

# %% [markdown]
# Near a kink the judge is wrong and the backward pass may be right. So keep the inputs of a check away from kinks by
# more than `h`. And know the judge's other limits:
#
# - **It does not know whether the forward pass is right.** It compares backward with forward. If both leave out the
#   padding, they agree.
# - **It speaks of the shapes and settings it was given.** A mistake that shows only at stride 3 passes at stride 2.
# - **It does not say why.** It names an element and two values; the rest is up to you. Section 9 is practice.
# - **It is slow.** Two forward passes an element: for small arrays, in tests, never in training.
#
# ## 5 · A convolution, by hand
#
# A 3 x 3 input, a 2 x 2 filter, no padding, stride 1. The filter fits in 2 x 2 places, and `y[u, v]` is the sum of
# `w[i, j] * x[u + i, v + j]`. Some loss has told us `dy`.

# %%
x = np.array([[1.0, 2, 0], [0, 1, 3], [2, 1, 1]])
w = np.array([[1.0, 0], [2, -1]])
y = np.zeros((2, 2))
for u, v in np.ndindex(2, 2):
    for i, j in np.ndindex(2, 2):
        y[u, v] += w[i, j] * x[u + i, v + j]
dy = np.array([[1.0, 3], [0, -1]])
draw.show(figures.given(x=x, w=w, y=y, dy=dy), """Four small matrices: x with rows 1 2 0, 0 1 3, 2 1 1; the filter w
          with rows 1 0, 2 -1; the output y with rows 0 1, 3 2; and dy with rows 1 3, 0 -1.""")

# %% [markdown]
# Every term of `y` is a product, `y += w * x`. You know what a product gives back: `dw += dy * x` and `dx += dy * w`.
# That is the whole backward pass of a convolution; what follows only makes it fast.
#
# **Exercise 4: the middle.** The pixel `x[1, 1]` is seen from all four places, each time under another weight. On
# paper: what is `dx[1, 1]`?

# %%
# --- solution
dx_middle = 4.0
# --- yours
# dx_middle = None  # a number
# --- end
check.middle(dx_middle)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Which place `(u, v)` sees `x[1, 1]` under which weight `(i, j)`? `u + i = 1` and `v + j = 1`.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Place (0, 0) sees it under `w[1, 1]`, place (1, 1) under `w[0, 0]`. Find the other two; each brings
# `dy[u, v] * w[i, j]`.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dy[0,0]*w[1,1] + dy[0,1]*w[1,0] + dy[1,0]*w[0,1] + dy[1,1]*w[0,0]`
#
# </details>

# %%
dw, dx = np.zeros_like(w), np.zeros_like(x)
for u, v in np.ndindex(2, 2):
    for i, j in np.ndindex(2, 2):
        # forward:  y[u, v] += w[i, j] * x[u + i, v + j]
        dw[i, j] += dy[u, v] * x[u + i, v + j]
        dx[u + i, v + j] += dy[u, v] * w[i, j]
draw.show(figures.stamps(x, w, dy, dx, dw), """Upper row: each of the four numbers of dy stamps the filter,
          multiplied by it, onto its own 2 x 2 place of a 3 x 3 sheet; the four sheets add to dx with rows 1 3 0, 2 4
          -3, 0 -2 1. Lower row: the four 2 x 2 patches of x are lit, each weighed by its number of dy; they add to dw
          with rows 6 -1, 2 9.""")

# %% [markdown]
# Two pictures to keep. For `dx`, **every output pixel stamps the filter back onto the patch it saw**, as strongly as
# its `dy` says; where stamps overlap, they add. For `dw`, **every output pixel hands in the patch it saw**, weighed
# by its `dy`.
#
# ## 6 · With everything: images, channels, filters, stride, padding
#
# The full definition from lesson 02 (N images, C channels, F filters, U x V places, K x K kernel, stride S):
#
# $$y_{nfuv} = b_f + \sum_{c,i,j} w_{fcij}\; x^{\mathrm{pad}}_{n,\,c,\,Su+i,\,Sv+j}$$
#
# Seven indices, and still one product a term. Padding puts zeros around `x`. They are not part of `x`, so the gradient
# of the rim is cut off. (The dilation D is 1 here, and left out.)
#
# **Predict.** Which shapes must `dx`, `dw` and `db` have? And how often do the inner lines run, compared with the one
# of the forward pass?

# %%
def conv2d_backward_loops(dy, x, w, stride, pad):
    """The gradients of conv2d, straight from its definition.   ->   dx, dw, db"""
    height, width = x.shape[2:]
    xpad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    dxpad, dw, db = np.zeros_like(xpad), np.zeros_like(w), np.zeros(len(w))
    for n, f, u, v in np.ndindex(dy.shape):
        db[f] += dy[n, f, u, v]
        for c, i, j in np.ndindex(w.shape[1:]):
            # forward:  y[n, f, u, v] += w[f, c, i, j] * xpad[n, c, stride * u + i, stride * v + j]
            dw[f, c, i, j] += dy[n, f, u, v] * xpad[n, c, stride * u + i, stride * v + j]
            dxpad[n, c, stride * u + i, stride * v + j] += dy[n, f, u, v] * w[f, c, i, j]
    return dxpad[:, :, pad:pad + height, pad:pad + width], dw, db


# %% [markdown]
# A gradient always has the shape of the thing it is the gradient of: one slope for each number. Now the judge.

# %%
x, w, b = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
y, _ = conv2d(x, w, b, stride=2, pad=1)
dy = rng.normal(size=y.shape)
dx, dw, db = conv2d_backward_loops(dy, x, w, 2, 1)
assert dx.shape == x.shape and dw.shape == w.shape and db.shape == b.shape

print(verdict(lambda x: conv2d(x, w, b, stride=2, pad=1)[0], x, dy, dx, "x"))
print(verdict(lambda w: conv2d(x, w, b, stride=2, pad=1)[0], w, dy, dw, "w"))
print(verdict(lambda b: conv2d(x, w, b, stride=2, pad=1)[0], b, dy, db, "b"))

# %% [markdown]
# Right, and hopelessly slow: each inner line runs as often as the forward one, in Python. Lesson 02 cured that with
# `im2col`. The cure works backwards too.
#
# ## 7 · With matrices: `col2im`
#
# Forwards there are two steps: `X = im2col(x)` copies patches into columns, then `Y = W @ X`. Backwards, in reverse
# order:
#
# 1. through the product: `dW = dY @ X.T`, done, and `dX = W.T @ dY`, the gradient of the *columns*;
# 2. through the copying: from the columns' gradient to the image's.
#
# Section 2 has told us the rule for step 2: what was copied is added. Every pixel collects from all the columns it was
# copied into. Let us see it as a matrix. `im2col` only copies, so it is linear: with image and columns each laid out
# as one long vector, there is a matrix `A` of zeros and ones with `cols = A @ x`. Feed `im2col` nine images with a
# single 1 in each: what comes out are the nine columns of `A`.
#
# **Predict.** For a 3 x 3 image and a 2 x 2 kernel `A` is 16 x 9. How many ones are in each row? In each column?

# %%
units = np.eye(9).reshape(9, 1, 3, 3)  # nine images, each with a single 1
A = im2col(units, 2, 1, 0).reshape(9, 16).T
image = rng.normal(size=(1, 1, 3, 3))
assert np.allclose(A @ image.ravel(), im2col(image, 2, 1, 0).ravel())
print("ones in each row:", A.sum(axis=1).astype(int))
print("ones in each column, laid out as the image:", *A.sum(axis=0).astype(int).reshape(3, 3), sep="\n")
draw.show(figures.copies(A, 4, 3), """Left, the matrix A of im2col, 16 rows and 9 columns: exactly one square of
          each row is filled, for each number of cols is a copy of one pixel. Right, its transpose, 9 rows and 16
          columns: the rows have 1, 2 or 4 filled squares, four in the row of the middle pixel, which lies in all four
          patches.""")

# %% [markdown]
# `cols = A @ x` is a matrix product, and its backward pass is in section 3: `dx = A.T @ dcols`. The transpose of
# copying is adding. Nobody builds `A` (for one 128 x 160 image of 64 channels and a 3 x 3 kernel it would have
# $1.5\cdot10^{13}$ numbers). But we have `im2col` as a loop over the K x K taps of the kernel, one slice each. To
# transpose that loop, swap the two sides of its line, and add:
#
# ```python
# cols[:, :, i, j] = xpad[:, :, rows, columns]      # im2col: read
# xpad[:, :, rows, columns] += cols[:, :, i, j]     # its transpose: write back, adding
# ```
#
# By hand first, on the 3 x 3 image of section 5. **Predict.** Put `im2col(x)` straight back in this way. Is it `x`
# again?

# %%
x = np.array([[1.0, 2, 0], [0, 1, 3], [2, 1, 1]])[None, None]
cols = im2col(x, 2, 1, 0).reshape(1, 1, 2, 2, 2, 2)  # (N, C, K, K, U, V)
back = np.zeros_like(x)
for i, j, rows, columns in taps(2, 1, 1, 2, 2):  # kernel 2, stride 1, dilation 1, 2 x 2 places
    back[:, :, rows, columns] += cols[:, :, i, j]
print(back[0, 0])
assert np.array_equal(back[0, 0], x[0, 0] * A.sum(axis=0).reshape(3, 3))
assert np.array_equal(back.ravel(), A.T @ cols.ravel())

# %% [markdown]
# No: each pixel comes back as many times as it was copied, once at the corners, four times in the middle. `col2im` is
# the *transpose* of `im2col`, not its inverse, and a gradient wants the transpose. (Where no matrix is written down,
# the transpose is called the *adjoint*.)
#
# With images, channels, stride and padding added, this is the library's function, to the letter. At the end the rim of
# padding is cut off.

# %%
def col2im(cols, x_shape, k, stride, pad, dilation=1):
    """(N, C*K*K, U*V) -> (N,C,H,W): the adjoint of im2col, every patch added back in place."""
    xp = array_module(cols)
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad, dilation), conv_size(width, k, stride, pad, dilation)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = xp.zeros((n, c, height + 2 * pad, width + 2 * pad), cols.dtype)
    for i, j, rows, columns in taps(k, stride, dilation, u, v):
        xpad[:, :, rows, columns] += cols[:, :, i, j]  # a pixel seen by many patches collects from all
    return xpad[:, :, pad:pad + height, pad:pad + width]


assert np.array_equal(col2im(im2col(x, 2, 1, 0), x.shape, 2, 1, 0), back)
col2im(im2col(x, 2, 1, 0), x.shape, 2, 1, 0)

# %% [markdown]
# (`array_module` is lesson 02's: the module that made the array, NumPy or CuPy, so that the same lines run on a GPU.)
#
# > **Why not simpler?** Why not `=`, as in `im2col`? With `=` every pixel keeps only what the *last* tap wrote.
# > Put back the columns of an image of ones, and see how often each pixel is counted.

# %%
def col2im_assigning(cols, x_shape, k, stride, pad):
    n, c, height, width = x_shape
    u, v = conv_size(height, k, stride, pad), conv_size(width, k, stride, pad)
    cols = cols.reshape(n, c, k, k, u, v)
    xpad = np.zeros((n, c, height + 2 * pad, width + 2 * pad))
    for i, j, rows, columns in taps(k, stride, 1, u, v):
        xpad[:, :, rows, columns] = cols[:, :, i, j]  # the one wrong character
    return xpad[:, :, pad:pad + height, pad:pad + width]


def show_counts(stride):
    ones = np.ones((1, 1, 7, 8))
    cols = im2col(ones, 3, stride, 0)  # kernel 3, no padding
    added, assigned = (back(cols, ones.shape, 3, stride, 0)[0, 0] for back in (col2im, col2im_assigning))
    return draw.show(figures.counts({f"added, stride {stride}": added, f"assigned, stride {stride}": assigned}),
                     f"""Two 7 x 8 maps for a 3 x 3 kernel at stride {stride}. Added: {added[0, 0]:g} at the top left,
                     {added[3, 3]:g} in the middle, {added.max():g} at most. Assigned: nowhere more than
                     {assigned.max():g}, for all reports on a pixel but the last are lost.""")


show_counts(1)

# %% [markdown]
# Nine patches see a pixel in the middle, and eight of their reports are lost.
#
# **Exercise 5: predict a figure.** Change the stride from 1 to 2. What is the largest number in the left map now?
# Write it first, then look. Look at the last column, too.

# %%
# --- solution
largest_count = 4
# --- yours
# largest_count = None  # a whole number
# --- end
check.most_patches(largest_count)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# Along one side first: kernels of 3 start at pixels 0, 2 and 4. Which pixels do they cover?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Pixel 2 is the last of the first kernel and the first of the second. Pixel 3 lies in one only. No pixel lies in three.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Rows and columns are covered independently: the most along one side, squared.
#
# </details>

# %%
# --- solution
show_counts(2)
# --- yours
# # when you have predicted, run here: show_counts(2), then show_counts(3)
#
# --- end

# %% [markdown]
# At stride 2 neighbouring patches share one row or one column of pixels, so the counts are 1, 2 and 4. (This lattice
# comes back in lesson 05, as a checkerboard.) The last column shows 0: there are eight columns, but the last kernel
# ends at the seventh. No patch sees those pixels, so they cannot move the loss: their gradient is 0. At stride 3 no
# patches overlap, and `=` would do.
#
# ### A second judge: the adjoint test
#
# For any matrix $\langle A x, c\rangle = \langle x, A^T c\rangle$, where $\langle\cdot,\cdot\rangle$ multiplies two
# arrays element by element and sums: both sides are $\sum_{r,k} c_r A_{rk} x_k$. So whatever claims to be the
# transpose of `im2col` must satisfy
#
# $$\langle \mathrm{im2col}(x),\, c\rangle = \langle x,\, \mathrm{col2im}(c)\rangle
# \quad\text{for every } x \text{ and } c.$$
#
# Two random arrays, two sums, any size, exact up to rounding. It cannot say where a mistake is, and only linear
# operations have an adjoint. But it takes milliseconds, where differences would run `im2col` twice for each of the
# 42,240 numbers of this `x`.

# %%
x = rng.normal(size=(2, 16, 33, 40))
cols = im2col(x, 3, 2, 1)
c = rng.normal(size=cols.shape)
there, here = np.sum(cols * c), np.sum(x * col2im(c, x.shape, 3, 2, 1))
print(f"<im2col(x), c> = {there:.10f}\n<x, col2im(c)> = {here:.10f}")
print(f"with = for +=:   {np.sum(x * col2im_assigning(c, x.shape, 3, 2, 1)):.10f}")
assert np.isclose(there, here, rtol=1e-10)

# %% [markdown]
# ## 8 · Convolution, under five headings
#
# Every layer in these lessons is summed up like this.
#
# ### Shapes
#
# `x (N,C,H,W)`, `w (F,C,K,K)`, `b (F,)` give `y (N,F,U,V)` with $U = \lfloor (H + 2P - K)/S \rfloor + 1$. As
# matrices, for each image: `W (F, C·K·K) @ X (C·K·K, U·V)`.
#
# ### Forward
#
# `Y = W @ X + b` with `X = im2col(x)`.
#
# ### What to remember
#
# `x` and `w`, for `dW` needs `X` and `dX` needs `W`. Not `X` itself: it is up to K·K times as large as `x`, and
# quickly made again.

# %%
x, w, b = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3)), rng.normal(size=4)
y, cache = conv2d(x, w, b, stride=2, pad=1)
print("remembered:", [part.shape if isinstance(part, np.ndarray) else part for part in cache])

# %% [markdown]
# The cache is a plain tuple: `x`, `w`, whether there was a bias, stride, pad, dilation.
#
# ### Backward
#
# **Exercise 6: two lines are missing.** This is the library's own function, without the two lines that matter. `rows`
# is `dY`: for each image F rows of U·V numbers; `cols` is `X`. Mind two things: the batch is a leading axis of both, so
# `.T` would reverse all three axes; and all images share one `w`. (`need_dx=False` spares the first layer a gradient
# that nobody wants, that of the image; `need_dw=False` is for weights that are held fixed.)

# %%
def conv2d_backward(dy, cache, *, need_dx=True, need_dw=True):
    """dW = dY @ X.T,   dX = col2im(W.T @ dY),   db = dY summed over images and pixels.

    dy (N,F,U,V)   ->   dx (N,C,H,W), dw (F,C,K,K), db (F,); what is not needed, and db where there was no b: None
    """
    x, w, has_b, stride, pad, dilation = cache
    n, f, k = len(dy), w.shape[0], w.shape[2]
    rows = dy.reshape(n, f, -1)
    dx = dw = db = None
    if need_dw:
        cols = im2col(x, k, stride, pad, dilation)
        # --- solution
        dw = (rows @ cols.swapaxes(1, 2)).sum(axis=0).reshape(w.shape)
        # --- yours
        # dw = None  # yours: a product for each image, then the batch, then w's shape
        # --- end
        db = dy.sum(axis=(0, 2, 3)) if has_b else None
    if need_dx:
        # --- solution
        dx = col2im(w.reshape(f, -1).T @ rows, x.shape, k, stride, pad, dilation)
        # --- yours
        # dx = None  # yours: the gradient of the columns, then back to the image
        # --- end
    return dx, dw, db


check.conv2d_backward(conv2d_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The docstring's first line has both products. Print the shapes of `rows`, `cols` and `w.reshape(f, -1)`; on arrays
# with three axes `@` multiplies the last two, image by image.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# `X.T` for every image is `cols` with its last two axes swapped. The images share `w`, so their gradients add. `W` is
# `w.reshape(f, -1)`; its transpose meets `rows`, and what comes out are columns.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dw = (rows @ cols.swapaxes(1, 2)).sum(axis=...).reshape(...)` and
# `dx = col2im(w.reshape(f, -1).T @ ..., x.shape, k, stride, pad, dilation)`
#
# </details>
#
# ### Check
#
# The library's function is these lines; from here on we use it. Against the loops, against the judge, and once as
# adjoints: without its bias a convolution is linear in `x`.

# %%
from minifcn.ops.conv import conv2d_backward
from minifcn.ops.im2col import col2im

dy = rng.normal(size=y.shape)
dx, dw, db = conv2d_backward(dy, cache)
for mine, loops in zip((dx, dw, db), conv2d_backward_loops(dy, x, w, 2, 1), strict=True):
    assert np.allclose(mine, loops, rtol=1e-12)
assert_gradient(lambda x: conv2d(x, w, b, stride=2, pad=1)[0], x, dy, dx, "x")
assert_gradient(lambda w: conv2d(x, w, b, stride=2, pad=1)[0], w, dy, dw, "w")
assert_gradient(lambda b: conv2d(x, w, b, stride=2, pad=1)[0], b, dy, db, "b")
assert np.isclose(np.sum(conv2d(x, w, stride=2, pad=1)[0] * dy), np.sum(x * dx), rtol=1e-10)
dx.shape, dw.shape, db.shape

# %% [markdown]
# ## 9 · Break it
#
# Eight backward passes, each wrong in one place. All run without complaint and give arrays of the right shape. We
# choose C·K·K = F = 9, so that `W` is square and even a forgotten transpose runs.
#
# **Predict** as you read them. One leaves *part* of its gradient right: which one, and which part? Three would have
# passed with a batch of a single image: which?

# %%
x, w, b = rng.normal(size=(2, 1, 7, 9)), rng.normal(size=(9, 1, 3, 3)), rng.normal(size=9)
y, cache = conv2d(x, w, b, stride=2, pad=1)
dy = rng.normal(size=y.shape)
dx, dw, db = conv2d_backward(dy, cache)
rows, cols = dy.reshape(2, 9, -1), im2col(x, 3, 2, 1)
dcols = w.reshape(9, -1).T @ rows
dxpad = col2im(dcols, (2, 1, 9, 11), 3, 2, 0)  # before the rim of padding is cut off

wrong_dx = {
    "= for +=": col2im_assigning(dcols, x.shape, 3, 2, 1),
    "W for W.T": col2im(w.reshape(9, -1) @ rows, x.shape, 3, 2, 1),
    "branch counted twice": dx + dx,
    "rim cut at one end": dxpad[:, :, :7, :9],
}
shifted = im2col(np.pad(x, ((0, 0), (0, 0), (0, 2), (0, 2))), 3, 2, 0)
wrong_dw = {
    "X padded at one end": (rows @ shifted.swapaxes(1, 2)).sum(axis=0).reshape(w.shape),
    "no sum over the batch": (rows[0] @ cols[0].T).reshape(w.shape),
    "mean over the batch": (rows @ cols.swapaxes(1, 2)).mean(axis=0).reshape(w.shape),
}
wrong_db = {"first image only": dy[0].sum(axis=(1, 2))}

# %%
for name, wrong in wrong_dx.items():
    print(f"{name:<23}", verdict(lambda x: conv2d(x, w, b, stride=2, pad=1)[0], x, dy, wrong, "x"))
for name, wrong in wrong_dw.items():
    print(f"{name:<23}", verdict(lambda w: conv2d(x, w, b, stride=2, pad=1)[0], w, dy, wrong, "w"))
for name, wrong in wrong_db.items():
    print(f"{name:<23}", verdict(lambda b: conv2d(x, w, b, stride=2, pad=1)[0], b, dy, wrong, "b"))

# %% [markdown]
# All caught. The words say *that* it is wrong, and how often. *Where* it is wrong says why. The left panel is `dx` of
# the first image as it should be. A to D are the four wrong ones, in another order, with a dot where a pixel is right.
#
# **Predict.** Which is which?

# %%
measured = numeric_gradient(lambda x: conv2d(x, w, b, stride=2, pad=1)[0], x, dy)
maps = {name: wrong[0, 0] for name, wrong in wrong_dx.items()}
draw.show(figures.claims(measured[0, 0], maps), """The gradient dx, 7 x 9 numbers of both signs, and four wrong ones.
          A: the same picture, one pixel lower and farther right. B: dots at every second pixel of every second row,
          20 of 63, mark the right ones. C: another picture altogether. D: the same picture, stronger.""")

# %% [markdown]
# - **A** is the right picture at the wrong place, one pixel down and to the right: the **rim was cut at one end**. `X`
#   **padded at one end** is the same mistake on the way into `dw`.
# - **B** is right on a lattice, where a pixel lies in only one patch and there is nothing to add: **`=` for `+=`**.
#   Exercise 5 drew the same lattice, without padding.
# - **C** has no pattern at all: **`W` for `W.T`**. Look for a forgotten transpose, or for a `reshape` in its place.
# - **D** is the right picture, twice as strong: the **branch was counted twice**. Look for a fork that is added at both
#   ends. (Exactly half, as with the **mean over the batch** of two, is the same symptom with another number.)
# - **No sum over the batch** leaves `dw` wrong everywhere, and so does **first image only** with `db`. With a single
#   image these two and the mean would have passed.

# %%
right = np.isclose(wrong_dx["= for +="], measured, atol=1e-6)[0, 0]
assert right[::2, ::2].all() and right.sum() == 20
assert np.allclose(wrong_dx["branch counted twice"], 2 * measured)
assert np.allclose(wrong_dx["rim cut at one end"][:, :, 1:, 1:], measured[:, :, :-1, :-1])

# %% [markdown]
# ## 10 · Surprise: `dx` is a convolution
#
# Look at `dx[1, 1]` in section 5 once more: a 2 x 2 window of `dy` times the filter, with the filter's numbers in
# reverse order. Is that so everywhere? At stride 1 the definition says that place $u$ sees row $a$ of the image (row
# $a + P$ of the padded one) under weight $i = a + P - u$; columns likewise, with $v$, $e$ and $j$. Collect what comes
# back to pixel $(a, e)$ from all places that see it:
#
# $$dx_{ncae} = \sum_f \sum_{u,v} w_{f,\,c,\,a+P-u,\,e+P-v}\; dy_{nfuv}.$$
#
# The index of `w` *falls* as `u` rises. Count it from the other end, $i' = K-1-(a+P-u)$, so that
# $u = a + i' - (K-1-P)$:
#
# $$dx_{ncae} = \sum_{f,\,i',\,j'} \underbrace{w_{f,\,c,\,K-1-i',\,K-1-j'}}_{w'_{c f i' j'}}\;\;
# dy_{n,\,f,\;a + i' - (K-1-P),\;e + j' - (K-1-P)}$$
#
# which is, letter for letter, a convolution over `dy`: padding $P' = K-1-P$, filters $w'$ turned by half a turn, and
# with F and C swapped, for now the sum runs over F. (Where an index of `dy` falls outside the map nothing comes back:
# that is the padding with zeros. P may be K - 1 at most.)

# %%
x, w = rng.normal(size=(2, 3, 5, 6)), rng.normal(size=(4, 3, 3, 3))
w_turned = w[:, :, ::-1, ::-1].swapaxes(0, 1)  # (C, F, K, K)
for pad in (0, 1, 2):
    y, cache = conv2d(x, w, pad=pad)
    dy = rng.normal(size=y.shape)
    assert np.allclose(conv2d(dy, w_turned, pad=2 - pad)[0], conv2d_backward(dy, cache)[0])
    print(f"padding {pad}: dx is a convolution with padding {2 - pad}")

# %% [markdown]
# On the numbers of section 5, K = 2 and P = 0. **Predict.** In the figure the framed window gives the framed number.
# Move it to the top left corner: which number does it give? Is it the one you find in `dx`?

# %%
w = np.array([[1.0, 0], [2, -1]])
dy = np.array([[1.0, 3], [0, -1]])
by_convolution = conv2d(dy[None, None], w[None, None, ::-1, ::-1], pad=1)[0][0, 0]
assert np.array_equal(by_convolution, [[1, 3, 0], [2, 4, -3], [0, -2, 1]])  # the sum of four stamps
draw.show(figures.turned(dy, w, by_convolution, (1, 1)), """Four matrices. dy with rows 1 3, 0 -1 inside a rim of
          zeros, 4 x 4 in all, a 2 x 2 window framed in its middle; the filter with rows 1 0, 2 -1; the same turned by
          half a turn, rows -1 2, 0 1; and dx, 3 x 3, with its middle number 4 framed: the sum of window times
          turned filter.""")

# %% [markdown]
# So whatever runs convolutions quickly can also run them backwards. At stride 2 the same holds with zeros put between
# the numbers of `dy`, and then a *small* map gives a *large* one: an operation that makes maps larger, found by running
# a convolution backwards. Lesson 05 is about nothing else.
#
# ## 11 · ReLU, under five headings
#
# The smallest layer there is, and the first that is not linear.
#
# ### Shapes
#
# Any shape in, the same out.
#
# ### Forward
#
# $y = \max(x, 0)$, each number for itself.
#
# ### What to remember
#
# Where `x` was positive. `y` tells as much, since $y > 0$ exactly where $x > 0$, and the next layer keeps `y` anyway.
#
# ### Backward
#
# Where $x > 0$ the output is a copy of the input, slope 1. Where $x < 0$ it is 0 whatever `x` does, slope 0. So
# $dx = dy$ where $x > 0$, else 0. At the kink itself there is no slope; everybody takes 0.
#
# **Predict** `dx` for `x` with rows 2, -1, 3 and -4, 5, -2, and `dy` with rows 1, 7, -3 and 6, 2, 8.

# %%
from minifcn.ops import relu, relu_backward

x, dy = np.array([[2.0, -1, 3], [-4, 5, -2]]), np.array([[1.0, 7, -3], [6, 2, 8]])
y, cache = relu(x)
dx = relu_backward(dy, cache)
assert np.array_equal(dx, dy * (x > 0)) and np.array_equal(y, np.maximum(x, 0))
draw.show(figures.gates(x, y, dy, dx), """Four 2 x 3 matrices, three places shaded where x is positive: x; y with
          zeros where x is negative; dy with rows 1 7 -3, 6 2 8; and dx with rows 1 0 -3, 0 2 0: the gradient passes
          where x did.""")

# %% [markdown]
# A gate: what did not pass forwards does not come back. A negative `dy` passes as well as a positive one; the sign that
# counts is that of `x`.
#
# ### Check
#
# Away from the kink, as section 4 said.

# %%
x = rng.normal(size=(2, 3, 5, 6))
x += 0.1 * np.sign(x)  # no number nearer to 0 than 0.1
dy = rng.normal(size=x.shape)
assert_gradient(lambda x: relu(x)[0], x, dy, relu_backward(dy, relu(x)[1]), "x")
print(verdict(lambda x: relu(x)[0], x, dy, dy * (dy > 0), "x"))  # a gate on the wrong sign

# %% [markdown]
# ## 12 · What it costs, and back to the scene
#
# Count multiplications. Forwards, each of the N·F·U·V outputs is a sum of C·K·K products. `dW = dY @ X.T` pairs the
# same three sides in another order, and so does `dX = W.T @ dY`.
#
# **Predict.** How many times the multiplications of a forward pass does a backward pass need?

# %%
F, CKK, UV = 64, 64 * 9, 32 * 40  # conv3_2 of our nets
forward = F * CKK * UV  # W @ X: its two outer sides, times the side that is summed over
backward = F * UV * CKK + CKK * F * UV  # dY @ X.T, and W.T @ dY
assert backward == 2 * forward
print(f"forward {forward:,}, backward {backward:,}")

# %% [markdown]
# Twice. That is exact for the products; `im2col` once more and `col2im` come on top, and the first layer, which needs
# no `dX`, has only half of it to do. So a step of training costs about three forward passes, however many weights there
# are.
#
# Now the nine slopes of section 1 again, from a single backward pass. The loss was
# $\frac{1}{2}\,\mathrm{mean}\,(y - y_{\mathrm{wanted}})^2$; its slope along one `y` is the difference, divided by how
# many there are.
#
# **Predict.** We measured one-sided, with $h = 0.001$, on a loss that is a parabola in each weight. Will the nine
# differences between the two be of one sign, or of both?

# %%
y, cache = conv2d(scene, start, pad=1)
dy = (y - wanted) / y.size
_, dw, _ = conv2d_backward(dy, cache, need_dx=False)
print("measured, ten forward passes:", dw_measured[0, 0].round(5), sep="\n")
print("one backward pass:", dw[0, 0].round(5), sep="\n")
assert np.allclose(dw, dw_measured, rtol=0, atol=1e-4) and np.all(dw_measured > dw)
assert_gradient(loss, start, 1.0, dw, "w")

# %% [markdown]
# Of one sign: the difference is Taylor's $\frac{h}{2} f''$, and like the parabola of section 1 all nine curve upwards,
# so every measured slope is a little too high. Two-sided differences have no such error on a parabola ($f''' = 0$):
# the judge of section 4 agrees.
#
# ## 13 · More exercises
#
# ### A layer of your own
#
# Here is a small layer, one scale and one shift for each channel. (The authors' FCN-8s that is trained in one go has
# such scales, fixed and without a shift, in front of its skips.) The forward pass is given.
#
# **Exercise 7: backward through a scale.** Write the backward pass, all of it.

# %%
def scale(x, a, b):
    """y[n,c,h,w] = a[c] * x[n,c,h,w] + b[c].     x (N,C,H,W)   a (C,)   b (C,)   ->   y (N,C,H,W), cache"""
    return a[:, None, None] * x + b[:, None, None], (x, a)


def scale_backward(dy, cache):
    """dy (N,C,H,W)   ->   dx (N,C,H,W), da (C,), db (C,)"""
    # --- solution
    x, a = cache
    return a[:, None, None] * dy, (dy * x).sum(axis=(0, 2, 3)), dy.sum(axis=(0, 2, 3))
    # --- yours
    # x, a = cache
    # return None, None, None  # yours: dx, da, db
    # --- end


check.scale_backward(scale_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# The table of three rules in section 2. Each term of `y` is a product `a * x`, plus `b`. What was copied?
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Write the loop: `y[n,c,h,w] += a[c] * x[n,c,h,w]`, and its two mirror lines. `a[c]` and `b[c]` are used for all n,
# h, w, so their gradients are sums over these three axes.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `da` is `(dy * x).sum(axis=...)`; `db` is a sum as well; `dx` is `dy` times the other factor, reshaped as in the
# forward pass.
#
# </details>
#
# ### Find the bug
#
# A layer that lifts contrast: it subtracts from every map its own mean $m$ over the pixels, then scales. The backward
# pass that comes with it is wrong.
#
# $$y = s\,(x - m), \qquad m_{nc} = \frac{1}{HW}\sum_{h,w} x_{nchw}$$

# %%
def contrast(x, s):
    """y = s[c] * (x - mean of x over the pixels).     x (N,C,H,W)   s (C,)   ->   y (N,C,H,W), cache"""
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    return s[:, None, None] * centred, (x, s)


def contrast_backward_given(dy, cache):
    x, s = cache
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    ds = (dy * centred).sum(axis=(0, 2, 3))
    dcentred = s[:, None, None] * dy
    dx = dcentred
    return dx, ds


# %%
x, s = rng.normal(size=(2, 3, 4, 5)), np.array([1.0, -2.0, 3.0])
y, cache = contrast(x, s)
dy = rng.normal(size=y.shape)
dx, ds = contrast_backward_given(dy, cache)
print(verdict(lambda x: contrast(x, s)[0], x, dy, dx, "x"))
print(verdict(lambda s: contrast(x, s)[0], s, dy, ds, "s"))

# %% [markdown]
# The check has done its part: `ds` is right, `dx` wrong in every element. Now it is your turn. Here is the error of
# `dx`.

# %%
error = dx - numeric_gradient(lambda x: contrast(x, s)[0], x, dy)
assert np.ptp(error, axis=(2, 3)).max() < 1e-8
draw.show(figures.flat_errors(error[0], np.abs(error[0]).max()), f"""The error of dx for the first image, three maps
          of 4 x 5 pixels, a channel each: within each map the error is the same number in all pixels,
          {error[0, 0, 0, 0]:.2f}, {error[0, 1, 0, 0]:.2f} and {error[0, 2, 0, 0]:.2f}.""")

# %% [markdown]
# One number a map, the same in every pixel.
#
# **Exercise 8: the forgotten way.** Which way from `x` to the loss has been forgotten? Write the backward pass right.

# %%
def contrast_backward(dy, cache):
    """dy (N,C,H,W)   ->   dx (N,C,H,W), ds (C,)"""
    # --- solution
    x, s = cache
    centred = x - x.mean(axis=(2, 3), keepdims=True)
    ds = (dy * centred).sum(axis=(0, 2, 3))
    dcentred = s[:, None, None] * dy
    dmean = -dcentred.sum(axis=(2, 3), keepdims=True)  # the mean was copied to every pixel, with a minus
    dx = dcentred + dmean / (x.shape[2] * x.shape[3])  # and every pixel had a share of 1 / HW in it
    return dx, ds
    # --- yours
    # return None  # yours: copy the given one, and mend it
    # --- end


check.contrast_backward(contrast_backward)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# `x` is used twice in the formula.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Draw the graph: `x` forks, one branch straight into the difference, the other through the mean. The mean is copied
# to all pixels of its map (with a minus), so its gradient is a sum over them. Each pixel has a share of `1 / (H * W)`
# in the mean.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `dmean = -dcentred.sum(axis=(2, 3), keepdims=True)`, and `dx = dcentred + dmean / (...)`
#
# </details>
#
# **Exercise 9: in your own words.** A friend reads `im2col` and says: "It copies numbers from the image into columns.
# So on the way back `col2im` must copy them from the columns into the image. The `+=` is a slip." Explain, without a
# formula, what a gradient is and why it must be `+=`. Then explain why the friend's version would still get *some*
# pixels right.

# %% [markdown] tags=["answer"]
# *One answer.* A gradient says how much the loss moves when one number is nudged. A pixel in the middle was copied
# into nine columns. Nudge it, and nine numbers move at once, each moves the loss in its own way, and the loss moves
# by all of these together: so the pixel's gradient is the sum of nine. What comes back through `col2im` are not
# pixels that return to their place; they are nine reports about the same pixel. Copying keeps the last report and
# loses eight. Only pixels that lie in a single patch have a single report, and for those assigning and adding are the
# same: at stride 1 without padding the four corners, at stride 2 a lattice.

# %% [markdown]
# ## Three sentences to remember
#
# 1. A gradient is a number you can measure: nudge, see how the loss moves, divide; the backward pass only gets all of
#    them at once, by giving back for every product `y += w * x` the two mirror lines `dw += dy * x` and
#    `dx += dy * w`.
# 2. What is copied forwards is added backwards: `im2col` copies and `col2im` adds, a bias is copied and `db` is a
#    sum, a map used by two branches collects from both.
# 3. A gradient check compares backward with forward by two-sided differences in float64, with a step near $10^{-5}$, a
#    random `dy` and sizes that all differ; it finds almost every wrong line, and knows nothing of a wrong forward pass.
#
# **Next:** lesson 04 (Pooling and what a pixel sees) halves the maps. What does a maximum give back, and how much of
# the image does a pixel of the last map see?

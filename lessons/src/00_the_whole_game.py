# %% [markdown]
# # 00 · The whole game
#
# **What does it look like when it works?** Here is a picture, and here are three lines that put a name to every
# pixel of it. First we try what they can do. Then we take them apart, as far as it goes without mathematics, and see
# for each part which lesson explains it. Wherever it says **Predict**, stop and guess before you read on: a wrong
# guess is remembered best.
#
# At the end you can
#
# - name the pixels of a picture with a trained net, and light up those it gets wrong;
# - follow the picture through the net: numbers in, ever smaller maps, seven scores for every pixel, one name;
# - say what such a net looks at, and show a picture on which it fails.
#
# *About 20 minutes to read, 45 minutes with the exercises, seconds to run. You need Python and NumPy arrays.*

# %%
import numpy as np

import minifcn
from lessons import draw
from lessons.check import lesson00 as check
from lessons.draw import lesson00 as figures
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.images import read_image, resize
from minifcn.metrics import ConfusionMatrix

# the three lines
image = read_image(harbour.root() / "JPEGImages" / "harbour_224.jpg")
model = minifcn.load("harbour-fcn8s")
labels = model.predict(image)

draw.show(figures.named(image, labels, model), """
A drawn harbour: a lighthouse, a hut, a sheep, a man in a life vest, two boats with people in them, a ball-shaped
buoy. Beside it the same picture with every thing tinted in the colour of its class and outlined; the outlines are
good, with rounded corners, but the man's head has the colour of the hut behind it.""")

# %% [markdown]
# Nobody told the net where the man is. (It has not got all of him: look at his head.) It has learned from 200 such
# pictures with their answers, and this one was not among them. It names each of the 20,480 pixels: background, boat,
# hut, person, sheep, lighthouse or buoy. That is **semantic segmentation**, and the net is a **fully convolutional
# network**, an FCN (Long, Shelhamer and Darrell, 2015).
#
# ## 1 · Three nets, one picture
#
# There are three of them, the same but for their last few layers: FCN-32s, 16s and 8s. The number says how many
# pixels apart a net decides; in between it interpolates. For this picture we have the **truth**, so we can light up
# what is wrong. (Along its borders the truth has a pale line, called **void**: these pixels do not count. In files
# void is the number 255.)
#
# **Predict.** Where will the coarser nets go wrong first: in the middle of large things, along borders, at small
# things, at thin ones?

# %%
val = VOCSegmentation(harbour.root(), "val")
_, truth = val[val.ids.index("harbour_224")]
nets = {name: minifcn.load(f"harbour-fcn{name}") for name in ("32s", "16s", "8s")}
guesses = {name: net.predict(image) for name, net in nets.items()}
draw.show(figures.three_nets(image, truth, guesses, val), """
The picture, its truth, and what the three nets say, right pixels dark and wrong ones bright. FCN-32s has rough blobs:
the man is taken for hut down to his waist, half of hull and sail are lost. FCN-16s has most of the man and the sail,
with broad errors around them. FCN-8s is wrong along borders, at the sheep's legs, and at the man's head.""")

# %% [markdown]
# Borders and thin things go first, such as the sheep's legs. FCN-32s even loses half a man.
#
# **Exercise 1: the share of right pixels.** Compare, leave out void, take the mean. `guess == truth` is a map of True
# and False, and the mean of such a map is the share of True.

# %%
def share_right(guess, truth):
    """The share of pixels that are named rightly, void (255) left out: two (H,W) maps -> a number from 0 to 1."""
    # --- solution
    known = truth != 255
    return (guess[known] == truth[known]).mean()
    # --- yours
    # return None  # yours to write: one line to find the pixels that count, one to compare them
    # --- end


check.share_right(share_right)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# First find the pixels that count: `truth != 255` is a map that is True there.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Such a map can pick pixels: `guess[known]` and `truth[known]` are those that count, in the same order.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `known = truth != 255`, then the mean of `guess[known] == truth[known]`.
#
# </details>
#
# The library calls this score `pixel_accuracy`. It knows better ones; lesson 09 says what is wrong with this one.

# %%
for name, guess in guesses.items():
    print(f"FCN-{name}: {100 * ConfusionMatrix(7).update(guess, truth).pixel_accuracy:.1f} % of the pixels are right")

# %% [markdown]
# ## 2 · What does it look at?
#
# Cover a part of a picture, and see which names change **elsewhere**. In another scene a man in a life vest stands
# before a hut. We put a grey square of 20 x 20 pixels on his head, or his chest, or his legs; of the rest of him not
# one pixel is touched.
#
# **Predict.** In which of the three cases is the rest of him no longer called a person?

# %%
def cover(image, top, left, side=20):
    """The picture with a square of grey on it."""
    covered = image.copy()
    covered[top:top + side, left:left + side] = 128
    return covered


quay, quay_truth = val[val.ids.index("harbour_229")]
corners = {"nothing": (0, 0, 0), "head": (32, 110), "chest": (50, 110), "legs": (70, 110)}
covered = {part: cover(quay, *corner) for part, corner in corners.items()}
after = {part: model.predict(picture) for part, picture in covered.items()}
rest = {part: (quay_truth == 3) & (picture == quay).all(axis=2) for part, picture in covered.items()}
share = {part: np.mean(after[part][rest[part]] == 3) for part in corners}  # of what is left of him, class 3 is person
draw.show(figures.covered(covered, after, share, val), """
The scene with and without covers, and the names below. With nothing covered 94 per cent of the man are person, with
his head or his legs covered 94 and 81 per cent of the rest of him. With his chest covered 18 per cent are; arms and
legs have become hut.""")

# %% [markdown]
# His head does not matter, his vest does: cover it, and arms and legs, untouched, turn into hut. In the 200 pictures
# everybody wears a vest, so to this net a person is what wears one.
#
# Change the numbers and run the cell again. How small a square still hides the man?
#
# **Exercise 2: in your own words.** Why does the name of a pixel on his leg depend on pixels on his chest? Would it not
# be safer to look only at the pixel itself and its nearest neighbours? (What else in a harbour is orange? What else is
# made of planks?)

# %% [markdown] tags=["answer"]
# *One answer.* In these pictures hardly anything can be named by its colour. Vests are as orange as doors, kites and
# crates, hulls are of the same planks as huts, buoys as red and white as lighthouses. Dark trousers could be a door,
# and a patch of planks is a boat because there is water around it. So the net must look around, and it does. The
# price: where the surest sign is hidden, the names of the pixels around it are lost too. What is around a pixel is
# called *context*, and how much of it a pixel sees is the subject of lesson 04.

# %% [markdown]
# ## 3 · The smallest case, by hand
#
# How does a net *name* a pixel? It does not. It gives each pixel one **score** for every class, any number, and the
# class with the highest score is the name. Four pixels, three classes:

# %%
names = ("background", "boat", "person")
small = np.array([[[2, 1], [0, 3]],      # scores of background, for 2 x 2 pixels
                  [[1, 4], [-1, 2]],     # scores of boat
                  [[-3, 2], [5, 4]]])    # scores of person
draw.show(figures.scores_by_hand(small, names), """
Three maps of 2 x 2 scores. Background: 2 1 over 0 3. Boat: 1 4 over -1 2. Person: -3 2 over 5 4. Beside them an empty
map of 2 x 2 names with question marks.""")

# %% [markdown]
# **Exercise 3: four names.** Name the four pixels on paper, by number: 0 background, 1 boat, 2 person.

# %%
# --- solution
by_hand = [[0, 1], [2, 2]]
# --- yours
# by_hand = None  # what is asked: [[., .], [., .]]
# --- end
check.by_hand(by_hand)

# %% [markdown]
# **Exercise 4: the name of every pixel.** Now for any number of classes and pixels: one line. NumPy's `argmax` gives
# the *index* of the largest number along an axis, where `max` gives the number itself.

# %%
def name_pixels(scores):
    """The class with the highest score at every pixel: (C,H,W) -> (H,W)."""
    # --- solution
    return scores.argmax(axis=0)
    # --- yours
    # return None  # yours to write: one line
    # --- end


check.name_pixels(name_pixels)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# An array of shape (C, H, W) has three axes: class, row, column, numbered 0, 1, 2.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# For each pixel you compare the scores of all *classes*. Along which axis do these lie?
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `scores.argmax(axis=...)`.
#
# </details>
#
# That is the last thing the net does. Everything before it serves to get good scores.
#
# ## 4 · Taking it apart
#
# ### Numbers in
#
# **Predict.** What is the shape of the array `image`? How many numbers is that?

# %%
assert image.shape == (128, 160, 3) and image.size == 61_440  # rows, columns; red, green and blue, each from 0 to 255
face = image[44:52, 59:69]  # eight rows, ten columns of the man's face
draw.show(figures.as_numbers(image, face, (44, 59)), """
The picture with a small frame on the face of the man in front, and the 8 x 10 pixels within the frame enlarged, the
amount of red written into each: around 230 on the skin, down to about 100 at the eyes.""")

# %% [markdown]
# The net wants numbers around 0, so an amount of colour $v$ becomes $(v - 128) / 64$; and it wants the three colours
# as three maps, so the axes change places.
#
# **Predict.** What do 128, 192 and 0 become? What is the new shape, with an axis in front that counts pictures?

# %%
net = nets["8s"].net
x = net.preprocess(image[None])
assert np.array_equal((np.array([128, 192, 0]) - 128) / 64, [0, 1, -2])
assert np.allclose(x[0, 0], (image[:, :, 0] - 128.0) / 64)  # the map of red
x.shape

# %% [markdown]
# ### The body: many maps, ever smaller
#
# Now the picture goes through the layers of the **body**, one after the other. A *convolution* makes new maps of the
# old ones, each looking for something in the neighbourhood of a pixel: an edge, a stripe, later a shape. A *pooling*
# halves height and width.
#
# **Exercise 5: the cells.** The maps have 128 x 160 cells at first, and there are five poolings. How many cells has
# each map at the end?

# %%
# --- solution
cells = 20  # 4 x 5
# --- yours
# cells = None  # a whole number
# --- end
check.cells(cells)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# A pooling halves the height *and* the width.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Halve 128 five times, then 160 five times.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# Halving five times is dividing by 32: `(128 / 32) * (160 / 32)`.
#
# </details>
#
# Here is the whole body. Its last layer is called `drop7`.

# %%
maps = {}
y = x
for name, layer in net.body.layers.items():
    y = maps[name] = layer.forward(y)  # that is all: each layer takes what the one before it gave
for name in ("pool1", "pool2", "pool3", "pool4", "pool5", "drop7"):
    _, channels, height, width = maps[name].shape
    print(f"{name}: {channels:3} maps of {height:2} x {width:2} cells")

# %% [markdown]
# Some of these maps, three of each size, bright where their numbers are large. In which columns do you still find the
# man?

# %%
draw.show(figures.shrinking(image, maps, ("pool1", "pool2", "pool3", "pool4", "drop7")), """
Three maps each after pool1, pool2, pool3, pool4 and at the end, all drawn at the size of the picture. After pool1 one
still recognises the harbour by its edges; the cells grow, and at the end 4 x 5 cells are left, each lit for something
that cannot be read off.""")

# %% [markdown]
# On the left it is known exactly *where* something is, but not *what*. On the right each cell has 192 numbers about
# what is there, and there are only 20 cells. How to get both, what and where, is what these lessons are about.
#
# ### The head: scores, made large again
#
# The **head** turns the 192 maps into seven maps of scores, one for each class. Then it enlarges them, and on the way
# it adds scores made from finer maps: these are the *skips*. The whole head of FCN-8s is four lines.
#
# **Predict.** The maps have 4 x 5, then 8 x 10, then 16 x 20 cells, and at last as many as the picture has pixels. At
# which of the four sizes does the man in front first appear in the names? (Scores above 0 are orange, those below
# violet.)

# %%
head = net.head.layers
coarse = head["score_fr"].forward(maps["drop7"])                                                 # 4 x 5
finer = head["upscore2"].forward(coarse) + head["score_pool4"].forward(maps["pool4"])            # 8 x 10
finest = head["upscore_pool4"].forward(finer) + head["score_pool3"].forward(maps["pool3"])       # 16 x 20
scores = head["upscore8"].forward(finest)                                                        # 128 x 160
assert scores.shape == (1, 7, 128, 160)
draw.show(figures.head((coarse, finer, finest, scores), val), """
Seven columns, a class each, and four rows: the scores on 4 x 5, 8 x 10, 16 x 20 cells and 128 x 160 pixels. In the
top row a few high cells roughly where each thing is; row by row they take shape. The last column shows the names
which the highest scores give: on 4 x 5 cells there is no man, from 8 x 10 on there is, at 16 x 20 the sail is a
triangle, and at last borders are smooth.""")

# %% [markdown]
# At 4 x 5 nobody is there, at 8 x 10 the man is, in two pieces. The names come from the scores as in exercise 4:

# %%
again = scores[0].argmax(axis=0)
assert np.array_equal(again, model.predict(image))
f"all {again.size} pixels are named as by model.predict"

# %% [markdown]
# That is the whole of it. More than 800,000 numbers sit inside these layers, and training has found them, starting
# from random ones, in three minutes on two processor cores. What you have seen, and where it is explained:
#
# | what you saw | the question | lesson |
# |---|---|---|
# | a net that names pixels | made from one that names pictures? | 01 · From an image's name to every pixel's |
# | convolutions | what is a convolution? | 02 · Convolution is a matrix product |
# | "training has found them" | how does a layer learn? | 03 · Running it backwards |
# | `pool1` to `pool5` | what is lost, and what does a cell see? | 04 · Pooling and what a pixel sees |
# | `upscore2`, `upscore8` | how does a map get larger? | 05 · Upsampling |
# | good scores | how good, and how do they get better? | 06 · A loss for every pixel, and a step downhill |
# | FCN-32s | why so coarse? | 07 · FCN-32s |
# | `+ score_pool4`, `+ score_pool3` | what do the finer maps add? | 08 · Skips: 16s and 8s |
# | 93 % right | is that good? | 09 · How good is it? |
# | it works | what does it look like when it does not? | 11 · Broken on purpose |
#
# ## 5 · Playing with it
#
# ### A larger picture
#
# None of the layers asks how large the picture is. So let us enlarge it, to twice its height and width.
#
# **Exercise 6: predict a figure.** How many cells has a map at the end of the body now? And write down, for yourself:
# will more of the names be right than before, or fewer?

# %%
# --- solution
cells_of_larger = 80  # 8 x 10
# --- yours
# cells_of_larger = None  # a whole number
# --- end
check.cells_of_larger(cells_of_larger)

# %% [markdown]
# <details><summary>Hint 1: where to look</summary>
#
# 256 x 320 pixels, and the same five halvings.
#
# </details>
# <details><summary>Hint 2: the idea</summary>
#
# Twice as many cells downwards, and twice as many across.
#
# </details>
# <details><summary>Hint 3: nearly the line</summary>
#
# `(256 / 32) * (320 / 32)`.
#
# </details>

# %%
larger = resize(image, 256, 320)
larger_truth = truth.repeat(2, axis=0).repeat(2, axis=1)
y = net.preprocess(larger[None])
for layer in net.body.layers.values():
    y = layer.forward(y)
assert y.shape == (1, 192, 8, 10)
draw.show(figures.sizes((truth, larger_truth), (labels, model.predict(larger)), val), """
The names of the picture, 93 per cent right, and of the enlarged one, 71 per cent right. In the enlarged one the man
has fallen apart into background, lighthouse, buoy and person, the large buoy into buoy, sheep and background.""")

# %% [markdown]
# A name for every pixel, but worse ones. Each cell looks at so many *pixels* around it, however large the things in
# them are. The net has learned what a man looks like at one size; twice as large, he is something it has never seen.
#
# ### A scene it has never seen
#
# Each scene of this harbour is drawn from its number. 0 to 199 were for training; on 200 to 259 the net is scored, and
# names 94.7 % of the pixels rightly. Number 900 is in neither.
#
# **Predict.** Better, worse, or much the same?

# %%
number = 900  # try your own
fresh, its_truth = harbour.scene(number)
draw.show(figures.fresh(fresh, its_truth, model.predict(fresh), val), """
A scene with two men ashore, one behind the other, a parasol, a cone-shaped buoy and a boat with two people; its
truth; and the net's names with wrong pixels bright: everything is found, the parasol and crates rightly called
background, errors along borders only.""")

# %% [markdown]
# A good one; over many fresh scenes it is much the same. (A hard one is number 914.)
#
# ### Your own photograph
#
# Put the path of a photograph between the quotation marks. Without one you see Grace Hopper, whose portrait comes
# with matplotlib. But the net has seen 200 *drawn harbours* and nothing else; it knows seven names, and "I do not
# know" is not among them.
#
# **Predict.** What will it say to a portrait?

# %%
path = ""  # such as "holiday.jpg"
photo = read_image(path or figures.sample())
scale = 160 / max(photo.shape[:2])  # things should be about as large as in a harbour
photo = resize(photo, *(round(scale * side) for side in photo.shape[:2]))
draw.show(figures.named(photo, model.predict(photo), model), """
A photograph and the names of its pixels. For the portrait of Grace Hopper: her coat and most of the flag behind her
are person, parts of her cap and chin lighthouse, shirt, tie and a shoulder sheep, much of her face background.""")

# %% [markdown]
# Mostly nonsense, and not a sign of doubt. To teach the net your photographs, you name the pixels of some of them and
# train it further; the project's README says how.
#
# ### Where it fails
#
# Even at home it can be fooled. Here life vests lie in boats, with nobody in them. In the 200 pictures every vest was
# worn by somebody.
#
# **Predict.** What will the net call them?

# %%
hard = VOCSegmentation(harbour.root(), "hard")
scenes = [hard[i] for i in (0, 12, 9)]
draw.show(figures.failing(scenes, [model.predict(picture) for picture, _ in scenes], hard), """
Three scenes with orange vests heaped in boats. In the truth they are part of the boat. In the net's answer there are
bright patches of person in each boat, where nobody is; in the last scene a red and white flag is lighthouse.""")

# %% [markdown]
# People, of course: you have seen what it looks at. The papers' last comparison of nets ends with the same failure, in
# a photograph: life jackets in a boat, taken for people. No layer is broken and no number is wrong. The net has learned
# what goes together in its pictures, and here it does not.
#
# ## Three sentences to remember
#
# 1. A fully convolutional net turns a picture of any size into one score for every class at every pixel, and the
#    class with the highest score is the name.
# 2. On the way down maps get small and know what, but not where; on the way up they get large again, and finer maps
#    give back the where.
# 3. It names a pixel by what is around it, which is why it works, and why it fails where the surroundings mislead.
#
# **Next:** lesson 01 (From an image's name to every pixel's). It takes a net that can only say "there is a boat in
# this picture", changes not a single one of its numbers, and lets it say where.

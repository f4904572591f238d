"""A small painter for Harbour's scenes: dice, a canvas, shapes.

What decides a label is whole-number arithmetic from first to last, so that masks are equal to the bit on every machine:
positions are ticks (32 to a pixel), a shape's cover is how many of a pixel's 4 x 4 samples lie inside it, and random
numbers come from the raw words of PCG64, which NumPy promises never to change. (Pillow's polygons have changed between
releases, sines differ between C libraries.) Only colours are floats.
"""
from dataclasses import dataclass

import numpy as np

HEIGHT, WIDTH = 128, 160
TICKS = 32     # to a pixel
SAMPLES = 4    # to a pixel's side, for cover
FULL = SAMPLES * SAMPLES
INK = (24, 30, 42)  # of shadows

# sixteen directions of length 100, typed in rather than computed: no sine decides a pixel
COMPASS = ((100, 0), (92, 38), (71, 71), (38, 92), (0, 100), (-38, 92), (-71, 71), (-92, 38),
           (-100, 0), (-92, -38), (-71, -71), (-38, -92), (0, -100), (38, -92), (71, -71), (92, -38))


class Dice:
    """Whole random numbers, the same in every NumPy: made of the bit generator's raw 64-bit words."""

    def __init__(self, *seed):
        self.bits = np.random.PCG64(np.random.SeedSequence(seed))

    def between(self, low, high):
        """A whole number from low to high, both included."""
        return low + (int(self.bits.random_raw()) * (high - low + 1) >> 64)

    def chance(self, percent):
        return self.between(1, 100) <= percent

    def pick(self, things):
        return things[self.between(0, len(things) - 1)]

    def field(self, height, width):
        """(height, width) floats in -1..1: for colours only."""
        words = np.asarray(self.bits.random_raw(height * width)).reshape(height, width)
        return ((words >> np.uint64(40)).astype(np.float32) / 2**23 - 1)


def quad(a, b, c, steps=8):
    """Points on the parabola that leaves a towards b and arrives at c (a quadratic Bezier curve), c left out."""
    def on(i, t):
        return (a[i] * (steps - t) ** 2 + 2 * b[i] * t * (steps - t) + c[i] * t * t) // (steps * steps)
    return [(on(0, t), on(1, t)) for t in range(steps)]


def smooth(points, times=2):
    """A closed polygon with its corners cut off, `times` over (Chaikin)."""
    for _ in range(times):
        ends = zip(points, points[1:] + points[:1], strict=True)
        points = [p for a, b in ends for p in (_towards(a, b, 1), _towards(a, b, 3))]
    return points


def _towards(a, b, quarters):
    return tuple((p * (4 - quarters) + q * quarters) // 4 for p, q in zip(a, b, strict=True))


class Canvas:
    """image (H,W,3) float32 in 0..255, labels (H,W) uint8; shapes are painted back to front, corners in ticks."""

    def __init__(self, dice):
        self.image = np.zeros((HEIGHT, WIDTH, 3), np.float32)
        self.labels = np.zeros((HEIGHT, WIDTH), np.uint8)
        self.dice = dice  # for colours only
        self.soft = noise(dice, 12)
        self.fine = noise(dice, 3)

    def colour(self, choices):
        """One of them, a little darker or lighter and of another cast each time: no colour belongs to one thing."""
        base, light = self.dice.pick(choices), self.dice.between(-4, 4)
        return tuple(min(max(c + light + self.dice.between(-2, 2), 0), 255) for c in base)

    def polygon(self, points, paint, label=None, alpha=1.0, clip=None):
        """Paint a polygon, even-odd. label None leaves the labels as they are: shadows, reflections, decoration."""
        xs, ys = zip(*points, strict=True)
        box, samples = _sample_box(min(xs), min(ys), max(xs), max(ys))
        if box is None:
            return
        x, y = samples
        inside = np.zeros((len(y), len(x)), bool)
        for (ax, ay), (bx, by) in zip(points, points[1:] + points[:1], strict=True):
            rows = (ay <= y) != (by <= y)
            if rows.any():
                crossing = ax + (y[rows] - ay) * (bx - ax) // (by - ay)
                inside[rows] ^= x <= crossing[:, None]
        self._fill(box, inside, paint, label, alpha, clip)

    def ellipse(self, x, y, rx, ry, paint, label=None, alpha=1.0, clip=None):
        box, samples = _sample_box(x - rx, y - ry, x + rx, y + ry)
        if box is None:
            return
        dx, dy = samples[0] - x, samples[1][:, None] - y
        inside = (dx * ry) ** 2 + (dy * rx) ** 2 <= (rx * ry) ** 2
        self._fill(box, inside, paint, label, alpha, clip)

    def _fill(self, box, inside, paint, label, alpha, clip):
        rows, columns = box
        height, width = inside.shape
        cover = inside.reshape(height // SAMPLES, SAMPLES, width // SAMPLES, SAMPLES).sum(axis=(1, 3))
        share = (cover * (alpha / FULL)).astype(np.float32)[..., None]
        if clip is not None:
            share = share * clip[rows, columns, None]
        colour = paint(self, rows, columns) if callable(paint) else np.array(paint, np.float32)
        self.image[rows, columns] += share * (colour - self.image[rows, columns])
        if label is not None:
            self.labels[rows, columns][2 * cover >= FULL] = label


def _sample_box(left, top, right, bottom):
    """The pixels (row slice, column slice) a shape can touch, and the ticks of the samples in them (x, y)."""
    x0, x1 = max(left // TICKS, 0), min(right // TICKS + 1, WIDTH)
    y0, y1 = max(top // TICKS, 0), min(bottom // TICKS + 1, HEIGHT)
    if x0 >= x1 or y0 >= y1:
        return None, None
    step = TICKS // SAMPLES
    x = np.arange(x0 * SAMPLES, x1 * SAMPLES, dtype=np.int64) * step + step // 2
    y = np.arange(y0 * SAMPLES, y1 * SAMPLES, dtype=np.int64) * step + step // 2
    return (slice(y0, y1), slice(x0, x1)), (x, y)


class Frame:
    """A thing's own coordinates: percent of its size, x to the right (left where mirrored), y up from its foot."""

    def __init__(self, canvas, x, y, size, mirrored=False):
        self.canvas, self.x, self.y, self.size, self.sign = canvas, x, y, size, -1 if mirrored else 1

    def at(self, u, v):
        return self.x + self.sign * (u * self.size // 100), self.y - v * self.size // 100

    def pixels(self, percent):
        """A length in pixels, for textures."""
        return percent * self.size / 100 / TICKS

    def polygon(self, points, paint, label=None, **how):
        self.canvas.polygon([self.at(u, v) for u, v in points], paint, label, **how)

    def bar(self, left, bottom, right, top, paint, label=None, **how):
        self.polygon([(left, bottom), (right, bottom), (right, top), (left, top)], paint, label, **how)

    def ellipse(self, u, v, ru, rv, paint, label=None, **how):
        x, y = self.at(u, v)
        self.canvas.ellipse(x, y, ru * self.size // 100, rv * self.size // 100, paint, label, **how)

    def shadow(self, u, width, depth, alpha=0.3):
        """What it throws on the ground."""
        self.ellipse(u, 0, width, depth, INK, alpha=alpha)


@dataclass
class Spot:
    """Where a thing goes: its foot (x, y), the scale there (`unit` ticks to a design pixel), its dice, the water."""

    canvas: Canvas
    dice: Dice
    x: int
    y: int
    unit: int
    sea: np.ndarray  # (H,W) float32, 1 where there is water: reflections are clipped to it

    def frame(self, size):
        """Coordinates for a thing `size` design pixels large, facing either way."""
        return Frame(self.canvas, self.x, self.y, size * self.unit, self.dice.chance(50))


def noise(dice, cell):
    """(H,W) smooth noise in -1..1: random values every `cell` pixels, interpolated."""
    grid = dice.field(HEIGHT // cell + 2, WIDTH // cell + 2)
    for axis, size in ((0, HEIGHT), (1, WIDTH)):
        at, t = np.divmod(np.arange(size, dtype=np.float32) / cell, 1)
        at, t = at.astype(int), t * t * (3 - 2 * t)
        shape = (-1, 1) if axis == 0 else (1, -1)
        grid = grid.take(at, axis) * (1 - t.reshape(shape)) + grid.take(at + 1, axis) * t.reshape(shape)
    return grid


def fluffy(canvas, dice, x, y, rx, ry, paint, label):
    """A heap of lumps: the outline of sheep and clouds alike."""
    canvas.ellipse(x, y, rx * 70 // 100, ry * 70 // 100, paint, label)
    for k in range(0, 16, 2):
        dx, dy = COMPASS[k + dice.between(0, 1)]
        r = dice.between(36, 54)
        canvas.ellipse(x + dx * rx // 190, y - dy * ry // 190, rx * r // 100, ry * r * 115 // 10000, paint, label)

"""Where a Harbour scene happens: sky, hills, water and land."""
from typing import NamedTuple

import numpy as np

from minifcn.datasets.harbour_canvas import HEIGHT, TICKS, WIDTH, fluffy, noise, smooth
from minifcn.datasets.harbour_textures import blend, fluff, pixels

RIGHT, FLOOR = WIDTH * TICKS, HEIGHT * TICKS
SAND, FOAM = (226, 208, 164), (240, 244, 240)


class Mood(NamedTuple):
    """The colours of an hour and its weather; `light` multiplies everything."""

    zenith: tuple
    haze: tuple  # the sky at the horizon
    sun: tuple
    hills: tuple  # far, near
    sea: tuple  # far, near
    light: tuple


MOODS = (
    Mood((88, 154, 214), (218, 234, 240), (255, 246, 220), ((140, 170, 176), (108, 144, 122)),
         ((138, 184, 200), (42, 100, 136)), (1.01, 1.0, 0.98)),  # a fair day
    Mood((122, 128, 176), (252, 202, 146), (255, 230, 168), ((178, 146, 156), (128, 122, 120)),
         ((232, 184, 152), (70, 92, 128)), (1.03, 0.98, 0.93)),  # evening
    Mood((146, 160, 176), (216, 220, 222), (240, 240, 236), ((160, 172, 180), (122, 140, 130)),
         ((166, 180, 186), (66, 96, 108)), (0.98, 0.99, 1.0)),  # overcast
    Mood((112, 186, 198), (248, 236, 206), (255, 248, 226), ((150, 180, 176), (112, 146, 124)),
         ((164, 204, 200), (52, 118, 124)), (1.02, 1.0, 0.97)),  # morning
)
# meadow, dry grass, sand: light far away, dark near
LAND = (((128, 164, 86), (84, 124, 60)), ((172, 166, 100), (126, 126, 66)), ((214, 194, 146), (178, 148, 98)))


class Place:
    """The empty scene. `horizon` in ticks; `land` (H,W) bool and `sea` (H,W) share of water in a pixel."""

    def __init__(self, canvas, dice):
        self.horizon = dice.between(34 * FLOOR, 46 * FLOOR) // 100
        self.mood = canvas.dice.pick(MOODS)
        self._sky(canvas, dice)
        self._hills(canvas, dice)
        self._water(canvas)
        self._shore(canvas, dice)

    def unit(self, y):
        """Ticks to a design pixel for a thing with its foot at y: 1.7 pixels times 0.7 far away to 1.3 in front."""
        return 544 * (70 * (FLOOR - self.horizon) + 60 * (y - self.horizon)) // ((FLOOR - self.horizon) * 1000)

    def rows(self, wet):
        """The pixel rows, below the horizon and above the lower edge, with room on water (wet) or on land."""
        first, last = self.horizon // TICKS + 12, HEIGHT - 5
        return [row for row in range(first, last) if np.count_nonzero(self.land[row] != wet) >= 30]

    def stretch(self, y, wet):
        """The ticks (left, right) of the row at y that are water (wet) or land."""
        columns = np.flatnonzero(self.land[y // TICKS] != wet)
        return int(columns[0]) * TICKS, int(columns[-1] + 1) * TICKS

    def _sky(self, canvas, dice):
        last = self.horizon / TICKS
        tone = blend(self.mood.zenith, self.mood.haze, 0, last)
        canvas.polygon([(0, 0), (RIGHT, 0), (RIGHT, FLOOR), (0, FLOOR)], tone)
        x, y = canvas.dice.between(10, WIDTH - 10), canvas.dice.between(8, int(last * 0.8))
        self.sun = x
        yy, xx = pixels(slice(0, HEIGHT), slice(0, WIDTH))
        far = np.sqrt((xx - x) ** 2 + (yy - y) ** 2)[..., None]
        glow = 0.55 * np.exp(-far / 26) + 0.9 * np.clip(7.5 - far, 0, 1)
        canvas.image += np.clip(glow, 0, 1) * (np.array(self.mood.sun, np.float32) - canvas.image)
        for _ in range(dice.between(1, 3)):
            rx, ry = dice.between(12, 24) * TICKS, dice.between(6, 12) * TICKS
            at = dice.between(0, RIGHT), dice.between(4 * TICKS, self.horizon * 70 // 100)
            fluffy(canvas, dice, *at, rx, ry, fluff((240, 239, 236)), 0)

    def _hills(self, canvas, dice):
        for colour, lift in zip(self.mood.hills, (15, 9), strict=True):
            foot = tuple(0.6 * a + 0.4 * b for a, b in zip(colour, self.mood.haze, strict=True))
            ridge = [(RIGHT * k // 8, self.horizon - dice.between(1, lift) * TICKS) for k in range(-1, 10)]
            hill = smooth(ridge + [(RIGHT * 2, FLOOR), (-RIGHT, FLOOR)])
            last = self.horizon / TICKS
            canvas.polygon(hill, blend(colour, foot, last - lift, last + 2))

    def _water(self, canvas):
        first = self.horizon / TICKS
        tone = blend(*self.mood.sea, first, HEIGHT)
        waves = noise(canvas.dice, 4)

        def paint(canvas, rows, columns):
            y, x = pixels(rows, columns)
            depth = (y - first) / (HEIGHT - first)
            ripple = waves[(126 * np.sqrt(np.clip(depth, 0, 1))).astype(int), (x * 0.35 / (0.4 + depth)).astype(int)]
            crest = np.clip(ripple - 0.35, 0, 1) * 80 + ripple * 11 + 6 * canvas.soft[rows, columns]
            glitter = 60 * np.clip(ripple - 0.05, 0, 1) * np.exp(-((x - self.sun) / (7 + 16 * depth)) ** 2)
            return tone(canvas, rows, columns) + (crest + glitter)[..., None] * np.array((1, 1, 0.92), np.float32)

        canvas.polygon([(0, self.horizon), (RIGHT, self.horizon), (RIGHT, FLOOR), (0, FLOOR)], paint)

    def _shore(self, canvas, dice):
        """Land on the left, on the right, or along the front, edged with foam and wet and dry sand."""
        high, form = FLOOR - self.horizon, dice.between(1, 100)
        if form <= 14:
            level = self.horizon + high * dice.between(38, 52) // 100
            line = [(RIGHT * k // 5, level + high * dice.between(-7, 7) // 100) for k in range(-1, 7)]
            outline = smooth(line + [(RIGHT * 2, FLOOR * 2), (-RIGHT, FLOOR * 2)])
        else:
            top, foot = RIGHT * dice.between(34, 60) // 100, RIGHT * dice.between(28, 68) // 100
            line = [(top, self.horizon - TICKS), (top + dice.between(-14, 14) * TICKS, self.horizon + high * 2 // 5),
                    (foot, self.horizon + high * 4 // 5), (foot, FLOOR * 2)]
            edge = -RIGHT
            if form > 57:
                line, edge = [(RIGHT - x, y) for x, y in line], RIGHT * 2
            outline = smooth(line + [(edge, FLOOR * 2), (edge, self.horizon - TICKS)])
            outline = [(x, max(y, self.horizon)) for x, y in outline]
        for grow, colour, alpha in ((90, FOAM, 0.5), (55, tuple(0.78 * c for c in SAND), 1), (20, SAND, 1)):
            for dx, dy in ((grow, grow // 2), (-grow, grow // 2), (0, -grow // 2)):
                canvas.polygon([(x + dx, max(y + dy, self.horizon)) for x, y in outline], colour, None, alpha=alpha)
        canvas.polygon(outline, self._ground(*canvas.dice.pick(LAND)), label=1)
        self.land = canvas.labels == 1
        canvas.labels[:] = 0  # the label only served to find it
        self.sea = (~self.land).astype(np.float32)
        self.sea[:self.horizon // TICKS + 1] = 0

    def _ground(self, light, dark):
        tone = blend(light, dark, self.horizon / TICKS, HEIGHT)

        def paint(canvas, rows, columns):
            y, x = pixels(rows, columns)
            tufts = canvas.fine[(y * 1.7).astype(int) % HEIGHT, (x * 2.3).astype(int) % WIDTH]
            return tone(canvas, rows, columns) + (12 * canvas.soft[rows, columns] + 17 * tufts)[..., None]
        return paint

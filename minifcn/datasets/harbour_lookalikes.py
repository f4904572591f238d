"""What only looks like something in Harbour's scenes: background, made by the very calls that make the labelled things.

Planks that are no boat and no hut, red and white that is no lighthouse and no buoy, orange that is nobody's vest, fluff
that is no sheep (clouds: harbour_place.py). What is thinner than two pixels leaves the labels behind it as they are.
"""
from minifcn.datasets.harbour_canvas import INK, TICKS, fluffy, quad
from minifcn.datasets.harbour_textures import WHITE, cloth, fluff, planks, red_white
from minifcn.datasets.harbour_things import CREAM, ORANGE, WOOD

BACKGROUND = 0
POST = (132, 104, 82)


def quay(spot, side):
    """A jetty from the shore at the spot out over the water: to the right (side 1) or the left (-1)."""
    canvas, x, y, unit = spot.canvas, spot.x, spot.y, spot.unit
    wood, pitch = canvas.colour(WOOD), 3.2 * unit / TICKS
    reach, deck, front = side * spot.dice.between(24, 48) * unit, 5 * unit, spot.dice.between(6, 9) * unit
    tip, edge, brink = x + reach, y - front, y - front // 3

    def strip(top, bottom, paint, label, end=tip, **how):
        canvas.polygon([(x, bottom), (tip, bottom), (end, top), (x, top)], paint, label, **how)

    strip(y, y + front, tuple(0.4 * c for c in wood), None, alpha=0.4, clip=spot.sea)
    strip(brink, y, tuple(0.25 * c for c in wood), BACKGROUND)
    for k in range(1, 5):
        post = x + reach * k // 4 - side * unit
        canvas.polygon([(post - unit, edge), (post + unit, edge), (post + unit, y + unit), (post - unit, y + unit)],
                       planks((92, 74, 62), pitch, upright=True))
    strip(edge - deck, edge, planks(wood, pitch, edge / TICKS), BACKGROUND, end=x + reach * 92 // 100)
    strip(edge, brink, planks(tuple(0.8 * c for c in wood), pitch, edge / TICKS), BACKGROUND)


def flag(spot):
    frame = spot.frame(spot.dice.between(27, 35))
    frame.bar(-1, 0, 1, 100, (216, 210, 200))
    top, bottom = quad((1, 98), (24, 106), (46, 94)), quad((46, 68), (24, 80), (1, 70)) + [(1, 70)]
    stripes = red_white(frame.pixels(10), frame.y / TICKS, upright=spot.canvas.dice.chance(50))
    frame.polygon(top + [(46, 94)] + bottom, stripes, BACKGROUND)


def parasol(spot):
    frame = spot.frame(spot.dice.between(18, 23))
    frame.shadow(10, 40, 6)
    frame.bar(-2, 0, 2, 80, CREAM)
    dome = quad((-48, 62), (-36, 100), (0, 100)) + quad((0, 100), (36, 100), (48, 62)) + [(48, 62)]
    frame.polygon(dome, red_white(frame.pixels(16), frame.x / TICKS, upright=True), BACKGROUND)


def lifering(spot):
    frame = spot.frame(spot.dice.between(16, 19))
    frame.bar(-5, 0, 5, 92, planks(POST, 2.5, upright=True))
    band = frame.pixels(24)
    frame.ellipse(0, 66, 36, 36, red_white(band, frame.at(0, 66)[1] / TICKS - band / 2), BACKGROUND)
    frame.ellipse(0, 66, 17, 17, planks(POST, 2.5, upright=True), BACKGROUND)


def crates(spot):
    """Fish boxes, as orange and as banded as a vest."""
    frame = spot.frame(spot.dice.between(11, 15))
    frame.shadow(10, 90, 10)
    for u, v in ((-70, 0), (2, 0), (-34, 46))[:spot.dice.between(1, 3)]:
        frame.bar(u, v, u + 70, v + 48, cloth(spot.canvas.colour(ORANGE)), BACKGROUND)
        frame.bar(u + 8, v + 18, u + 62, v + 26, (236, 234, 214), BACKGROUND)
        frame.bar(u, v, u + 70, v + 6, INK, alpha=0.25)


def bush(spot):
    leaves = spot.canvas.colour(ORANGE + ((94, 134, 74), (120, 146, 78), (206, 160, 70)))
    size = spot.dice.between(6, 9) * spot.unit
    fluffy(spot.canvas, spot.dice, spot.x, spot.y - size * 70 // 100, size, size * 85 // 100, fluff(leaves), BACKGROUND)


def kite(spot):
    frame = spot.frame(spot.dice.between(17, 24))
    paint = cloth(spot.canvas.colour(ORANGE))
    frame.polygon([(0, 0), (32, 62), (0, 100), (-32, 62)], paint)
    frame.polygon([(0, 0), (32, 62), (0, 62)], INK, alpha=0.15)
    frame.bar(-31, 59, 31, 63, (236, 234, 214))
    for k, (u, v) in enumerate(((-4, -14), (5, -28), (-2, -42))):  # its tail
        frame.polygon([(u - 7, v + 4), (u + 7, v - 4), (u + 7, v + 4), (u - 7, v - 4)], paint if k % 2 else WHITE)


def gull(spot):
    frame = spot.frame(spot.dice.between(5, 8))
    wing = quad((0, 0), (20, 34), (60, 30)) + quad((60, 30), (24, 16), (0, -10))
    for side in (-1, 1):
        frame.polygon([(side * u, v) for u, v in wing], (250, 250, 248), alpha=0.9)

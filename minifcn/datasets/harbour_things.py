"""What has a label in Harbour's scenes: boats, huts, people, sheep, lighthouses, buoys.

Every function paints one thing at a `spot`. `spot.dice` decide shapes, so labels; `canvas.dice` decide colours only.
"""
from minifcn.datasets.harbour_canvas import COMPASS, INK, TICKS, Frame, Spot, fluffy, quad, smooth
from minifcn.datasets.harbour_textures import cloth, fluff, planks, red_white

BOAT, HUT, PERSON, SHEEP, LIGHTHOUSE, BUOY = range(1, 7)

WOOD = ((172, 86, 66), (198, 164, 112), (98, 122, 144), (150, 110, 80), (212, 206, 190), (112, 136, 112))
SAIL = ((240, 234, 218), (222, 204, 168), (184, 92, 70), (150, 174, 186), (158, 66, 54))
ORANGE = ((244, 124, 32), (238, 102, 36), (250, 146, 44), (230, 116, 50))
VEST = ORANGE * 5 + ((222, 70, 48), (238, 186, 54), (64, 126, 168))  # mostly, not only
DOOR = ORANGE + ((70, 52, 46), (60, 98, 108), (150, 60, 52), (226, 216, 194))
SKIN = ((236, 194, 160), (224, 178, 140), (176, 122, 88), (122, 80, 56))
CLOTHES = ((58, 70, 98), (86, 74, 66), (52, 84, 82), (104, 58, 64), (68, 68, 76))
HAIR = ((60, 42, 34), (110, 74, 44), (196, 160, 96), (150, 146, 140), (38, 34, 36))
CAP = ((58, 84, 122), (150, 60, 60), (214, 200, 170))
STRAW = ((222, 190, 122), (236, 196, 70), (92, 82, 74))
DARK, CREAM, SPAR = (52, 46, 46), (238, 232, 218), (78, 62, 50)


def person(spot, height=0):
    """Feet at the spot; in a boat the near side, painted later, hides the legs. Everybody wears a life vest."""
    frame, colour = spot.frame(height or spot.dice.between(25, 34)), spot.canvas.colour
    skin, trousers, sleeves = colour(SKIN), cloth(colour(CLOTHES)), cloth(colour(CLOTHES))
    frame.shadow(2, 26, 3)
    for u in (-11, 11):
        frame.bar(u - 8, 2, u + 8, 42, trousers, PERSON)
        frame.bar(u - 9, 0, u + 10, 7, DARK, PERSON)
    hanging, waving = ((18, 82), (27, 76), (36, 46), (24, 43)), ((12, 82), (22, 69), (43, 95), (31, 104))
    for side, arm in ((-1, hanging), (1, waving if spot.dice.chance(15) else hanging)):
        frame.polygon([(side * u, v) for u, v in arm], sleeves, PERSON)
        frame.ellipse(side * (arm[2][0] + arm[3][0]) // 2, (arm[2][1] + arm[3][1]) // 2, 7, 7, skin, PERSON)
    frame.ellipse(0, 84, 7, 8, skin, PERSON)
    vest(frame, 0, 58, cloth(colour(VEST)), PERSON)
    frame.ellipse(0, 90, 12, 12, skin, PERSON)
    for u in (-4, 5):
        frame.ellipse(u, 89, 2, 2, INK, alpha=0.7)
    _headwear(frame, spot.dice.between(1, 3), colour)


def _headwear(frame, kind, colour):
    if kind == 1:
        hair = quad((-13, 90), (-12, 106), (0, 103)) + quad((0, 103), (12, 106), (13, 92)) + [(13, 92), (5, 96)]
        frame.polygon(hair, colour(HAIR), PERSON)
    elif kind == 2:
        cap = quad((-13, 93), (-12, 109), (0, 107)) + quad((0, 107), (12, 109), (13, 93))
        frame.polygon(cap, cloth(colour(CAP)), PERSON)
    else:
        brim = [(-18, 94), (18, 94), (11, 97), (8, 106), (-8, 106), (-11, 97)]
        frame.polygon(brim, cloth(colour(STRAW)), PERSON)


def vest(frame, u, v, paint, label, turned=COMPASS[0]):
    """A life vest about (u, v), `turned` along a compass direction: the very same worn and lying about."""
    c, s = turned

    def patch(points, *what, **how):
        frame.polygon([(u + (a * c - b * s) // 100, v + (a * s + b * c) // 100) for a, b in points], *what, **how)

    patch([(-22, 26), (-9, 27), (0, 20), (9, 27), (22, 26), (24, 2), (21, -22), (-21, -22), (-24, 2)], paint, label)
    reflecting = (236, 234, 214)
    patch([(-23, -9), (23, -9), (23, -2), (-23, -2)], reflecting, label)
    for side in (-12, 12):
        patch([(side - 2, 26), (side + 2, 26), (side + 2, -2), (side - 2, -2)], reflecting, label)
    patch([(-1, 20), (1, 20), (1, -22), (-1, -22)], INK, alpha=0.35)


def boat(spot, hard=False):
    """Far side, mast and sails, crew, near side: so people stand in the boat. hard: vests lie in it instead."""
    dice, colour, sea = spot.dice, spot.canvas.colour, spot.sea
    length = dice.between(42, 60)
    frame, wood = spot.frame(length), colour(WOOD)
    sheer = quad((-50, 25), (0, 15), (55, 32), 12) + [(55, 32)]
    hull = sheer + quad((55, 32), (46, 6), (35, 0), 5) + quad((-36, 0), (-46, 2), (-50, 25), 5)
    for k, alpha in ((1, 0.26), (2, 0.16)):  # what the water gives back, paler the deeper
        mirrored = [(u + (2 if i % 2 else -2) * k, -v * k // 3) for i, (u, v) in enumerate(hull)]
        frame.polygon(mirrored, tuple(0.5 * c for c in wood), alpha=alpha, clip=sea)
    frame.ellipse(-2, 0, 46, 4, INK, alpha=0.35, clip=sea)
    far_side = quad((-50, 25), (0, 22), (55, 32), 12) + quad((55, 32), (0, 10), (-50, 25), 12)
    frame.polygon(far_side, tuple(0.45 * c for c in wood), BOAT)
    if dice.chance(62):
        _rig(frame, dice, length)
    crew = dice.between(1, 2) if dice.chance(70) else 0
    for along in ((), (dice.between(-30, 28),), (dice.between(-32, -10), dice.between(8, 30)))[crew]:
        if not hard:
            person(Spot(spot.canvas, dice, *frame.at(along, 9), spot.unit, sea), height=25)
    frame.polygon(hull, planks(wood, 3.2 * spot.unit / TICKS, frame.at(0, 25)[1] / TICKS), BOAT)
    rim = colour((CREAM, (70, 54, 46), (196, 72, 56), (226, 186, 96)))
    frame.polygon(sheer + [(u, v - 4) for u, v in reversed(sheer)], cloth(rim), BOAT)
    frame.polygon([(-47, 9), (44, 9), (35, 0), (-36, 0)], INK, alpha=0.22)
    for _ in range(dice.between(2, 3) if hard else 0):  # on the seats, over the side, in the bow: on nobody
        lying = Frame(spot.canvas, *frame.at(dice.between(-36, 38), dice.between(12, 30)), 24 * spot.unit)
        vest(lying, 0, 0, cloth(colour(ORANGE)), BOAT, dice.pick(COMPASS))
    frame.polygon([(-40, -1), (-36, 2), (36, 2), (42, -1)], (238, 244, 244), alpha=0.5, clip=sea)


def _rig(frame, dice, length):
    colour = frame.canvas.colour
    sail = planks(colour(SAIL), frame.pixels(480 / length), upright=frame.canvas.dice.chance(50))
    half, top = 170 // length, dice.between(94, 106)  # the mast is as thick on any boat
    frame.bar(-half, 14, half, top, SPAR, BOAT)
    if dice.chance(80):
        frame.polygon(quad((half, top - 4), (26, 66), (37, 28)) + [(37, 28), (half, 26)], sail, BOAT)
        frame.bar(0, 24, 39, 28, SPAR, BOAT)
    if dice.chance(45):
        frame.polygon(quad((-half, top - 10), (-20, 56), (-36, 30)) + [(-36, 30), (-half, 30)], sail, BOAT)
    pennant = cloth(colour(((206, 60, 52), (62, 104, 160), (240, 196, 76))))
    frame.polygon([(0, top), (-15, top - 4), (0, top - 9)], pennant, BOAT)


def hut(spot):
    """A gable in front, or the eaves."""
    dice, colour = spot.dice, spot.canvas.colour
    frame, wall, rise = spot.frame(dice.between(27, 44)), dice.between(48, 70), dice.between(36, 46)
    ridge, pitch, foot = wall + rise, 3.2 * spot.unit / TICKS, frame.y / TICKS
    frame.shadow(6, 62, 5)
    if dice.chance(50):
        frame.bar(22, wall, 36, ridge + 2, planks((150, 92, 76), pitch / 2), HUT)
        frame.bar(20, ridge, 38, ridge + 6, (84, 66, 62), HUT)
    front = planks(colour(WOOD), pitch, foot, upright=spot.canvas.dice.chance(35))
    frame.polygon([(-50, 0), (50, 0), (50, wall), (0, ridge - 4), (-50, wall)], front, HUT)
    frame.bar(25, 0, 50, wall, INK, alpha=0.12)
    eaves = [(-50, wall), (0, ridge - 10), (50, wall)]
    frame.polygon(eaves + [(u, v - 13) for u, v in reversed(eaves)], INK, alpha=0.2)
    roof = planks(colour(WOOD), pitch, foot)
    if dice.chance(50):
        for side in (-1, 1):
            frame.polygon([(0, ridge + 2), (side * 62, wall - 8), (side * 58, wall - 16), (0, ridge - 14)], roof, HUT)
    else:
        frame.polygon([(-61, wall - 4), (61, wall - 4), (44, ridge), (-44, ridge)], roof, HUT)
        frame.bar(-61, wall - 7, 61, wall - 3, (70, 56, 52), HUT)
    left, high = dice.between(-38, -14), wall * 72 // 100
    frame.bar(left - 2, 0, left + 22, high + 3, CREAM, HUT)
    frame.bar(left, 0, left + 20, high, cloth(colour(DOOR)), HUT)
    sill = wall * 34 // 100
    frame.bar(11, sill - 3, 39, high + 3, CREAM, HUT)
    frame.bar(14, sill, 36, high, cloth(colour(((70, 92, 110), (250, 214, 120), (120, 156, 176)))), HUT)
    frame.bar(24, sill, 26, high, CREAM, HUT)


def sheep(spot):
    frame = spot.frame(spot.dice.between(12, 17))
    frame.shadow(4, 100, 11)
    for u in (-52, -20, 24, 52):
        frame.bar(u - 11, 0, u + 11, 50, DARK, SHEEP)
    wool = fluff(spot.canvas.colour(((234, 231, 224),)))
    fluffy(spot.canvas, spot.dice, *frame.at(0, 85), frame.size, frame.size * 64 // 100, wool, SHEEP)
    v = 60 if spot.dice.chance(30) else 98  # grazing, or looking up
    face = cloth(spot.canvas.colour((DARK,)))
    muzzle = [(66, v + 22), (96, v + 34), (122, v + 6), (116, v - 30), (98, v - 34), (80, v - 12)]
    frame.polygon(smooth(muzzle), face, SHEEP)
    frame.polygon(smooth([(72, v + 20), (58, v + 30), (50, v + 16), (66, v + 8)]), face, SHEEP)  # an ear
    frame.ellipse(88, v + 30, 20, 13, wool, SHEEP)
    frame.ellipse(104, v + 8, 5, 5, CREAM)


def lighthouse(spot):
    height = spot.dice.between(46, 64)
    frame, foot, neck = spot.frame(height), 720 // height, 490 // height  # as thick at any height
    frame.shadow(3, foot + 6, 3)
    middle, radius = frame.x / TICKS, frame.pixels(foot)
    stripes = red_white(frame.pixels(100 / 6), frame.y / TICKS, cylinder=(middle, radius))
    frame.polygon([(-foot, 0), (foot, 0), (neck, 82), (-neck, 82)], stripes, LIGHTHOUSE)
    frame.bar(-3, 0, 4, 13, DARK, LIGHTHOUSE)
    for v in (34, 60):
        frame.bar(-2, v, 2, v + 5, (64, 76, 92), LIGHTHOUSE)
    frame.bar(-neck - 3, 81, neck + 3, 85, (62, 60, 68), LIGHTHOUSE)
    frame.bar(-neck + 1, 84, neck - 1, 94, cloth((252, 226, 140)), LIGHTHOUSE)
    for u in (-neck + 1, 0, neck - 2):
        frame.bar(u, 84, u + 1, 94, DARK, LIGHTHOUSE)
    roof = quad((neck + 2, 93), (3, 97), (0, 106)) + quad((0, 106), (-3, 97), (-neck - 2, 93)) + [(-neck - 2, 93)]
    frame.polygon(roof, cloth(spot.canvas.colour(((70, 70, 82), (176, 54, 48), (62, 92, 96)))), LIGHTHOUSE)


def buoy(spot):
    """A ball, or a cone with a ball on top."""
    frame, sea = spot.frame(spot.dice.between(8, 10)), spot.sea
    band, middle = frame.pixels(62), frame.x / TICKS
    frame.ellipse(4, -8, 100, 34, INK, alpha=0.25, clip=sea)
    frame.ellipse(0, -34, 70, 30, (200, 60, 50), alpha=0.2, clip=sea)
    if spot.dice.chance(70):
        stripes = red_white(band, frame.y / TICKS - frame.pixels(72), cylinder=(middle, frame.pixels(100)))
        frame.ellipse(0, 96, 100, 104, stripes, BUOY)
        frame.ellipse(-36, 140, 22, 18, (255, 255, 255), alpha=0.35)
    else:
        stripes = red_white(band, frame.y / TICKS, cylinder=(middle, frame.pixels(78)))
        frame.polygon([(-80, 6), (80, 6), (36, 170), (-36, 170)], stripes, BUOY)
        frame.bar(-98, 0, 98, 50, stripes, BUOY)
        frame.ellipse(0, 196, 46, 46, stripes, BUOY)
    lapping = quad((-104, 6), (0, 26), (104, 6)) + quad((104, 6), (0, -14), (-104, 6))
    frame.polygon(lapping, (240, 246, 246), alpha=0.45, clip=sea)

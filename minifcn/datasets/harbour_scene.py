"""One Harbour scene: who takes part, where each stands, and the light over all of it."""
import numpy as np

from minifcn.datasets import harbour_lookalikes as lookalikes
from minifcn.datasets import harbour_things as things
from minifcn.datasets.harbour_canvas import HEIGHT, TICKS, WIDTH, Canvas, Dice, Spot
from minifcn.datasets.harbour_place import RIGHT, Place

# who paints it, and about how far it reaches to either side in design pixels
ASHORE = {"hut": (things.hut, 22), "person": (things.person, 9), "sheep": (things.sheep, 16),
          "lighthouse": (things.lighthouse, 8), "flag": (lookalikes.flag, 8), "parasol": (lookalikes.parasol, 10),
          "lifering": (lookalikes.lifering, 7), "crates": (lookalikes.crates, 10), "bush": (lookalikes.bush, 9)}
AFLOAT = {"boat": (things.boat, 27), "buoy": (things.buoy, 8), "quay": (lookalikes.quay, 0)}


def draw(seed, hard=False):
    """Scene number `seed` -> image (128,160,3) uint8, labels (128,160) uint8 up to the very borders."""
    canvas, dice = Canvas(Dice(seed, 0)), Dice(seed, 1)
    place = Place(canvas, dice)
    for fly in [lookalikes.gull] * dice.between(0, 3) + [lookalikes.kite] * dice.chance(35):
        y = dice.between(place.horizon * 60 // 100, place.horizon * 90 // 100)
        fly(Spot(canvas, dice, dice.between(0, RIGHT), y, place.unit(place.horizon), place.sea))
    taken = []
    for number, (y, kind) in enumerate(sorted(_cast(dice, place))):  # far things first, near ones hide them
        own = Dice(seed, 2 + number)  # how one thing looks does not move the next
        paint, half = (AFLOAT | ASHORE)[kind]
        unit, (left, right) = place.unit(y), place.stretch(y, wet=kind in AFLOAT)
        if kind == "quay":
            side = -1 if left == 0 else 1
            paint(Spot(canvas, own, right if side < 0 else left, y, unit, place.sea), side)
            continue
        spot = Spot(canvas, own, _free(own, left, right, half * unit, taken), y, unit, place.sea)
        paint(spot, hard) if kind == "boat" else paint(spot)
    return _light(canvas, place.mood), canvas.labels


def _cast(dice, place):
    """Who takes part: (y of its foot, kind). Everything stands where there is ground, or water, for it."""
    cast = ["boat"] * dice.between(1, 2) + ["hut"] * dice.between(0, 2) + ["sheep"] * dice.between(0, 2)
    cast += ["person"] * dice.between(1, 2) + ["lighthouse"] * dice.chance(60) + ["buoy"] * dice.between(0, 2)
    for kind, percent in (("quay", 40), ("flag", 25), ("parasol", 14), ("lifering", 14), ("crates", 25), ("bush", 25)):
        cast += [kind] * dice.chance(percent)
    return [(dice.pick(place.rows(kind in AFLOAT)) * TICKS + dice.between(0, TICKS - 1), kind) for kind in cast]


def _free(dice, left, right, half, taken):
    """Of a few places the one least in the way of what is there already."""
    margin = min(half * 2 // 3, (right - left) // 3)
    tries = [dice.between(left + margin, right - margin) for _ in range(8)]
    x = min(tries, key=lambda x: sum(max(0, min(x + half, b) - max(x - half, a)) for a, b in taken))
    taken.append((x - half, x + half))
    return x


def _light(canvas, mood):
    """The light of the hour, some days more of it, less in the corners; and grain."""
    y, x = np.linspace(-1, 1, HEIGHT)[:, None], np.linspace(-1, 1, WIDTH)
    exposure = canvas.dice.between(97, 103) / 100
    light = exposure * np.array(mood.light) * (1.02 - 0.025 * (x * x + y * y) ** 2)[..., None]
    grain = 2.5 * canvas.dice.field(HEIGHT, WIDTH)[..., None]
    return np.clip(canvas.image * light + grain + 0.5, 0, 255).astype(np.uint8)

"""The textures of Harbour. A look-alike is made by the same call as what it looks like.

Each function returns a paint: (canvas, rows, columns of a box) -> colours (h,w,3). Floats: colours decide no label.
"""
import numpy as np

from minifcn.datasets.harbour_canvas import HEIGHT

RED, WHITE = (204, 58, 50), (240, 236, 226)


def pixels(rows, columns):
    """Pixel centres of a box: y (h,1) and x (1,w)."""
    y, x = np.arange(rows.start, rows.stop), np.arange(columns.start, columns.stop)
    return y[:, None].astype(np.float32) + 0.5, x[None].astype(np.float32) + 0.5


def planks(base, pitch, top=0.0, upright=False):
    """Boards `pitch` pixels wide, each of its own tone, with dark grooves and grain."""
    def paint(canvas, rows, columns):
        y, x = pixels(rows, columns)
        across, along = (x, y) if upright else (y, x)
        board, place = np.divmod((across - top) / pitch, 1)
        tone = 10 * np.sin(board * 12.9)
        groove = -58 * np.clip(1.25 - np.minimum(place, 1 - place) * pitch / 0.8, 0, 1)
        grain = canvas.fine[(across * 5).astype(int) % HEIGHT, (along * 0.6).astype(int)]
        return np.array(base, np.float32) + (tone + groove + 9 * grain + 5 * canvas.soft[rows, columns])[..., None]
    return paint


def fluff(base):
    """Wool and cloud: lit from above, billowing."""
    def paint(canvas, rows, columns):
        y, _ = pixels(rows, columns)
        down = (y - rows.start) / (rows.stop - rows.start)
        tone = 8 - 26 * down**2 + 9 * canvas.fine[rows, columns] + 6 * canvas.soft[rows, columns]
        return np.array(base, np.float32) + tone[..., None] * np.array((1, 1, 0.8), np.float32)
    return paint


def red_white(pitch, start=0.0, upright=False, cylinder=None):
    """Bands of red and white, `pitch` pixels each; cylinder: (middle, radius) in pixels of the thing to look round."""
    def paint(canvas, rows, columns):
        y, x = pixels(rows, columns)
        place = ((x if upright else y) - start) / pitch % 2
        white = np.clip((np.minimum(place, 2 - place) - 0.5) * 2 * pitch, -0.5, 0.5) + 0.5
        colour = np.array(RED) + white[..., None] * (np.array(WHITE, np.float32) - RED)
        if cylinder:
            across = (x - cylinder[0]) / cylinder[1]
            colour = colour * (1.02 - 0.26 * np.clip(across + 0.25, -1, 1) ** 2 * np.sign(across))[..., None]
        return colour + 5 * canvas.fine[rows, columns, None]
    return paint


def cloth(base):
    """A flat dyed thing: vest, kite, crate, door."""
    def paint(canvas, rows, columns):
        y, _ = pixels(rows, columns)
        down = (y - rows.start) / (rows.stop - rows.start)
        return np.array(base, np.float32) + (8 - 18 * down + 5 * canvas.fine[rows, columns])[..., None]
    return paint


def blend(top, bottom, first, last):
    """From colour `top` at row `first` to colour `bottom` at row `last`."""
    def paint(canvas, rows, columns):
        y, x = pixels(rows, columns)
        t = np.clip((y - first) / (last - first), 0, 1) + 0 * x
        return np.array(top, np.float32) * (1 - t[..., None]) + np.array(bottom, np.float32) * t[..., None]
    return paint

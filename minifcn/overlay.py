"""Labels as something to look at: laid over their image, or with their errors lit, and what the colours mean.

H x W pixels, C classes, 255 = void. Everything but the lettering is NumPy; the pictures are made of strips
(PIL images) set beside and below one another, as a page is made of boxes.
"""
from functools import cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from minifcn.metrics import IGNORE
from minifcn.palette import VOID_COLOR

INK, PAPER = (40, 40, 40), (255, 255, 255)


def overlay(image, labels, colors, alpha=0.5, background=0):
    """(1 - alpha) image + alpha colour where a class was named, with an outline inside each border: (H,W,3) uint8.

    image (H,W,3) uint8   labels (H,W)   colors (C,3) uint8. Pixels of class `background` (None: there is no such
    class) and void ones stay exactly as they were. An outline is a darker shade of a light colour and a lighter one of
    a dark colour, so that it is seen without seeing the colour; it grows with the image: one pixel for every 500.
    """
    named = labels != IGNORE if background is None else (labels != IGNORE) & (labels != background)
    faded = np.floor((1 - alpha) * np.arange(256)).astype(np.uint8)  # tables: a photograph in float32 is 300 MB
    tint = np.rint(alpha * np.float32(colors)).astype(np.uint8)  # floor there, so that the sum is never above 255
    out = image.copy()
    out[named] = faded[image[named]] + tint[labels[named]]
    outline = named & near_border(labels, max(1, round(max(labels.shape) / 500)))
    out[outline] = _contrast(colors)[labels[outline]]
    return out


def lit(predicted, truth, colors):
    """The predicted classes with the wrong pixels lit: (H,W,3) uint8.

    Right pixels and void ones are their class's colour darkened to at most 140 of 255 in every channel; wrong ones are
    the (wrongly) predicted class's colour lightened to at least 175. So an error is brighter than whatever is right,
    for every palette and every eye, and both keep their hue.
    """
    wrong = (predicted != truth) & (truth != IGNORE)
    dark, light = _shades(colors)
    return np.where(wrong[..., None], light[predicted], dark[predicted])


def flat(labels, colors):
    """Labels in their plain colours, void in its own: (H,W,3) uint8."""
    table = np.zeros((IGNORE + 1, 3), np.uint8)
    table[:len(colors)] = colors
    table[IGNORE] = VOID_COLOR
    return table[labels]


def overlay_with_legend(image, labels, classes, colors):
    """The overlay in full resolution, a legend of the classes in it with their shares beneath: a PIL image.

    Images narrower than 480 pixels are enlarged by a whole number, so that the legend has room; lettering grows with
    the image. A class called "background" is not painted.
    """
    background = classes.index("background") if "background" in classes else None
    height, width = labels.shape
    factor = max(1, min(-(-480 // width), 2000 // height))  # 2000: a narrow, tall image need not become a tower
    image, shown = (np.repeat(np.repeat(a, factor, axis=0), factor, axis=1) for a in (image, labels))
    picture = Image.fromarray(overlay(image, shown, colors, background=background))
    size = max(13, round((picture.width * picture.height) ** 0.5 / 45))

    entries = []
    for c, count in sorted(enumerate(np.bincount(labels.ravel(), minlength=IGNORE + 1)), key=lambda pair: -pair[1]):
        if count:
            name = "void" if c == IGNORE else classes[c]
            swatch = [] if c in (IGNORE, background) else [colors[c]]  # what is not painted has a crossed swatch
            entries.append((swatch, f"{name} {percent(count / labels.size)}"))
    return stack([picture, legend(entries, max(480, picture.width), size)])


def percent(share):
    """A share in words: "12.3 %", and never "0.0 %" for what is there."""
    return "< 0.1 %" if 0 < share < 0.0005 else f"{100 * share:.1f} %"


def legend(entries, width, size=13):
    """Strip of (swatch colours, text) pairs, set in lines no longer than `width`: a PIL image. No colours, a cross."""
    line, pad = round(1.8 * size), size // 2
    strip = Image.new("RGB", (width, line * len(entries) + 2 * pad), PAPER)
    draw = ImageDraw.Draw(strip)
    x, y = pad, pad
    for swatch, text in entries:
        text = _fit_text(text, width - 4 * pad - 4 * size, size)
        box = size * max(1.4, len(swatch))
        length = box + 0.5 * size + _font(size).getlength(text)
        if x > pad and x + length > width - pad:
            x, y = pad, y + line
        top, bottom = y + 0.4 * size, y + 1.4 * size
        for i, color in enumerate(swatch):
            left, right = x + box * i / len(swatch), x + box * (i + 1) / len(swatch)
            draw.rectangle([left, top, right, bottom], fill=tuple(int(v) for v in color))
        pen = max(1, size // 13)
        draw.rectangle([x, top, x + box, bottom], outline=INK, width=pen)
        if not swatch:
            draw.line([x, bottom, x + box, top], fill=INK, width=pen)
        draw.text((x + box + 0.5 * size, y + 0.9 * size), text, fill=INK, font=_font(size), anchor="lm")
        x += length + 1.5 * size
    return strip.crop((0, 0, width, y + line + pad))


def key(colors, classes, present):
    """Legend entries of the panels: a class in the truth, predicted rightly, predicted wrongly."""
    dark, light = _shades(colors)
    entries = [([colors[c], dark[c], light[c]], classes[c]) for c in range(len(classes)) if c in present]
    return entries + ([([VOID_COLOR], "void, not counted")] if IGNORE in present else [])


def caption(text, width, size=13, bold=False, align="middle"):
    """One line of text in a strip of that width, shortened where it does not fit: a PIL image."""
    strip = Image.new("RGB", (width, round(1.7 * size)), PAPER)
    x, anchor = {"left": (0, "lm"), "middle": (width / 2, "mm")}[align]
    text = _fit_text(text, width, size, bold)
    ImageDraw.Draw(strip).text((x, 0.85 * size), text, fill=INK, font=_font(size, bold), anchor=anchor)
    return strip


def stack(strips, gap=0):
    """PIL images one below the other."""
    page = Image.new("RGB", (max(s.width for s in strips), sum(s.height + gap for s in strips) - gap), PAPER)
    y = 0
    for strip in strips:
        page.paste(strip, (0, y))
        y += strip.height + gap
    return page


def beside(strips, gap=0):
    """PIL images one to the right of the other."""
    page = Image.new("RGB", (sum(s.width + gap for s in strips) - gap, max(s.height for s in strips)), PAPER)
    x = 0
    for strip in strips:
        page.paste(strip, (x, 0))
        x += strip.width + gap
    return page


def _mix(a, b, share):
    return np.rint((1 - share) * np.float32(a) + share * np.float32(b)).astype(np.uint8)


def _shades(colors):
    """(C,3) darkened to 0..140 and (C,3) lightened to 175..255."""
    return _mix(0, colors, 140 / 255), _mix(255, colors, 80 / 255)


def _contrast(colors):
    """(C,3): black or white, whichever a colour is further from, with a third of the colour left."""
    light = colors @ np.float32([0.299, 0.587, 0.114]) > 128  # Rec. 601 luma
    return _mix(np.where(light, 0, 255)[:, None], colors, 1 / 3)


def near_border(labels, reach):
    """Pixels at most `reach` steps along rows and columns from a pixel of another label: (H,W) bool."""
    near = np.zeros(labels.shape, bool)
    across, down = labels[:, 1:] != labels[:, :-1], labels[1:] != labels[:-1]
    near[:, 1:] |= across
    near[:, :-1] |= across
    near[1:] |= down
    near[:-1] |= down
    for _ in range(reach - 1):
        wider = near.copy()
        wider[1:] |= near[:-1]
        wider[:-1] |= near[1:]
        wider[:, 1:] |= near[:, :-1]
        wider[:, :-1] |= near[:, 1:]
        near = wider
    return near


@cache
def _font(size, bold=False):
    """DejaVu Sans, which matplotlib brings along: Latin, Greek, Cyrillic and more on every machine."""
    from matplotlib.font_manager import FontProperties, findfont

    return ImageFont.truetype(findfont(FontProperties(family="DejaVu Sans", weight=("normal", "bold")[bold])), size)


def _fit_text(text, width, size, bold=False):
    """The text, or as much of it as fits and an ellipsis."""
    if _font(size, bold).getlength(text) <= width:
        return text
    while text and _font(size, bold).getlength(text + "…") > width:
        text = text[:-1]
    return text + "…"

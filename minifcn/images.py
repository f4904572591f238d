"""Reading photographs and label masks, whatever tool wrote them.

A photograph becomes uint8 (H,W,3) RGB. A mask becomes uint8 (H,W): its numbers are classes, so nothing here ever
converts, scales or resamples it.
"""
import threading
import warnings
from contextlib import contextmanager

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from minifcn.errors import InputError

IMPORT_HINT = "python -m minifcn.datasets import SRC OUT"
_opening = threading.Lock()


@contextmanager
def opened(path):
    """Pillow's image at path, pixels not yet read. What goes wrong in the block with the file is an InputError."""
    try:
        # Pillow only warns about a bomb until it is twice too large; the filter is global, hence the lock
        with _opening, warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            image = Image.open(path)
        with image:
            if image.format == "EPS":  # a program that Pillow would hand to Ghostscript
                raise InputError(f"{path}: EPS is a program, not an image; save it as PNG")
            yield image
    except InputError:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise InputError(f"{path}: more than {Image.MAX_IMAGE_PIXELS:,} pixels; cut it into parts, "
                         "or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it") from error
    except UnidentifiedImageError as error:
        raise InputError(f"{path}: not an image, or one of a kind that Pillow cannot open") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or f'unreadable or truncated image ({error})'}") from error
    except Exception as error:  # over a damaged file Pillow's decoders raise nearly anything
        raise InputError(f"{path}: damaged image ({error})") from error


def read_image(path, size=None):
    """Any image that Pillow opens -> uint8 (H,W,3) RGB: grey, palette, alpha (dropped), CMYK, 16 bits, EXIF-rotated.

    A photograph that its EXIF data says to turn is turned. `size` is the (height, width) of its mask where it has one:
    when only the image as stored fits, the mask was drawn on that, and the image stays unturned. A size that
    neither way fits is an InputError, as is a file that cannot be read to its end.
    """
    with opened(path) as image:
        turned = ImageOps.exif_transpose(image)
        fits = {way.size[::-1]: way for way in (image, turned)}  # turned last: it wins a square
        chosen = turned if size is None else fits.get(tuple(size))
        if chosen is not None:
            return _rgb(chosen)
        found = " or, turned as its EXIF data says, ".join(f"{w} x {h}" for h, w in fits)
    raise InputError(f"{path}: image is {found} pixels, but its mask is {size[1]} x {size[0]}; "
                     "export the mask at the image's size")


def _rgb(image):
    if image.mode.startswith("I") or image.mode == "F":  # convert() would cut these off at 255
        return np.repeat(_eight_bits(np.asarray(image))[:, :, None], 3, axis=2)
    if "transparency" in image.info:
        image = image.convert("RGBA")
    return np.array(image.convert("RGB"))


def _eight_bits(values):
    """Grey of 16 or 32 bits or floats, (H,W) -> uint8 (H,W). Full scale of 16 bits, 65535 = 257 * 255, becomes 255."""
    low, high = values.min(), values.max()
    if values.dtype.kind == "f" and 0 <= low <= high <= 1:
        scale = 255
    elif values.dtype.itemsize > 2 and 0 <= low <= high <= 255:
        scale = 1
    elif 0 <= low <= high <= 65535:
        scale = 1 / 257
    else:
        raise ValueError(f"grey values {low:g}..{high:g} are neither 8 nor 16 bits")
    return np.rint(values * scale).astype(np.uint8)


def resize(image, height, width):
    """uint8 (H,W,3) -> uint8 (height,width,3): bilinear, averaged over the area when shrinking. Never for labels.

    Of more channels than the three of colour, HHA is treated alike; a fourth alone is depth, with holes, and taken from
    the nearest pixel.
    """
    if image.shape[:2] == (height, width):
        return image
    if image.shape[2] > 3:
        color, rest = image[..., :3].astype(np.uint8), image[..., 3:]
        rest = resize(rest, height, width) if rest.shape[2] == 3 else nearest(rest, height, width)
        return np.concatenate([resize(color, height, width).astype(image.dtype), rest], axis=2)
    return np.array(Image.fromarray(image).resize((width, height), Image.Resampling.BILINEAR))


def nearest(labels, height, width):
    """(H,W) or (H,W,K) -> (height,width) or (height,width,K), each pixel a copy of the nearest.

    A mask must never hold a value that it did not.
    """
    if labels.shape[:2] == (height, width):
        return labels
    if labels.ndim == 3:
        return np.stack([nearest(part, height, width) for part in np.moveaxis(labels, 2, 0)], axis=2)
    return np.array(Image.fromarray(labels).resize((width, height), Image.Resampling.NEAREST))


def read_labels(path):
    """A mask of class numbers (palette or grey) -> uint8 (H,W), the numbers as stored; an InputError otherwise."""
    with opened(path) as image:
        if image.format in ("JPEG", "MPO"):
            raise InputError(f"{path}: a JPEG mask, and compression has changed its values; save masks as PNG")
        if image.mode not in ("P", "L", "1") and not image.mode.startswith("I"):
            raise InputError(f"{path}: a colour mask ({image.mode}) instead of class numbers; try: {IMPORT_HINT}")
        # a grey PNG of 2 or 4 bits is spread over 0..255 by Pillow: undo that
        spread = {"L;2": 85, "L;4": 17}.get(str(image.tile[0][3]), 1) if image.format == "PNG" else 1
        values = np.array(image)
    if values.min() < 0 or values.max() > 255:
        raise InputError(f"{path}: values {values.min()}..{values.max()} are no class numbers 0..255")
    return values.astype(np.uint8) // spread

"""What readers of data sets are made of: folders found, lists read, the numbers in a file made labels."""
from collections import Counter

import numpy as np

from minifcn.errors import InputError
from minifcn.metrics import IGNORE


def way_out(name, path):
    """How to get the data set called `name`, for messages."""
    return f"python -m minifcn.datasets {name} --root {path} gets it"


def find_folder(path, candidates, parts, how):
    """The first of the candidates, folders at `path` and below it, that has all parts; InputError, ending in `how`."""
    if not path.is_dir():
        raise InputError(f"{path}: no such folder. {how}")
    missing = {folder: [part for part in parts if not (folder / part).is_dir()] for folder in candidates}
    best = min(candidates, key=lambda folder: len(missing[folder]))
    if not missing[best]:
        return best
    looked = [best] if len(missing[best]) < len(parts) else candidates
    raise InputError(f"{', '.join(map(str, looked))}: has no {' and no '.join(missing[best])}. {how}")


def read_lines(path):
    """The lines of a text file, stripped, without empty ones; a byte order mark is no part of the first."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not a UTF-8 text file") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return [line.strip() for line in lines if line.strip()]


def read_ids(path, how):
    """The IDs of a list, one a line, in its order; `how` is the way out where there is no such list."""
    if not path.is_file():
        raise InputError(f"{path}: no such split; {how}")
    ids = read_lines(path)
    if not ids:
        raise InputError(f"{path}: the split is empty")
    if twice := repeated(ids):
        raise InputError(f"{path}: {twice[0]} is there twice" + (f", and {len(twice) - 1} more" if twice[1:] else ""))
    return ids


def repeated(items):
    """What occurs more than once."""
    return [item for item, count in Counter(items).items() if count > 1]


def one_of(choices, value, what):
    """The value, if it is among the choices; an InputError that lists them otherwise."""
    if value not in choices:
        raise InputError(f"{what} {value!r} is none of {', '.join(choices)}")
    return value


def known(values, classes, path, hint=""):
    """Numbers (H,W) that are labels already, as uint8; an InputError where one is neither 0..classes-1 nor 255."""
    strange = ((values < 0) | (values >= classes)) & (values != IGNORE)
    if strange.any():
        raise _strangers(values[strange], f"{classes} classes or {IGNORE}{hint}", path)
    return values.astype(np.uint8, copy=False)


def look_up(values, table, path, first=0):
    """Numbers (H,W) -> uint8 labels by a table (K,) whose entries are those of first, first + 1, ...; else InputError.

    The numbers are compared as stored and never cast before: uint8(-1) would be 255, and uint8(258) would be 2.
    """
    last = first + len(table) - 1
    if values.min() < first or values.max() > last:
        raise _strangers(values[(values < first) | (values > last)], f"the numbers {first}..{last}", path)
    return table[values.astype(np.intp) - first]


def _strangers(values, possible, path):
    found = np.unique(values).tolist()
    which = ", ".join(map(str, found[:8])) + (f" and {len(found) - 8} more" if found[8:] else "")
    return InputError(f"{path}: {f'values {which} are' if found[1:] else f'value {which} is'} not one of {possible}")

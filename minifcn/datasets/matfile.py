"""One array out of a MATLAB file of version 5 to 7, read as what it is: bytes from a stranger.

After a header of 128 bytes a file is a row of elements: a type, a length, and so many bytes, padded to a multiple of 8;
four bytes or fewer stand in the place of the second half of these eight. A matrix is an element made of elements: its
class, its sizes, its name, and then numbers, column by column, or, for a struct, the fields' names and their matrices.
A variable is a matrix, as a rule compressed.

By hand, as scipy's reader ends the whole process where a damaged file names a type that there is not (scipy pull
request 25349). What is not asked for is not read.
"""
import struct
import zlib

import numpy as np

from minifcn.errors import InputError

FILE_BYTES = 8 << 20  # no label file of our data sets comes near
UNPACKED_BYTES = 64 << 20  # a file can hold a thousand times its own size
MATRIX, COMPRESSED = 14, 15  # types of elements, and those of numbers:
NUMBERS = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 9: "f8", 12: "i8", 13: "u8"}
STRUCT, NUMERIC, COMPLEX = 2, range(6, 16), 0x800  # classes of matrices; a flag beside the class


def read_array(path, name, field=None):
    """Variable `name`, or a field of the struct `name`: an array (H,W) of integers of any width.

    MATLAB computes in doubles, so whole ones are taken, as int64. InputError, one line, where the file is missing, too
    large, damaged, of version 7.3 (HDF5), or holds something else.
    """
    content = _content(path)
    try:
        order = {b"IM": "<", b"MI": ">"}[content[126:128]]
        if content[124:126] in (b"\0\2", b"\2\0"):
            raise InputError("MAT version 7.3 (HDF5); save it as version 7")
        found = _variable(content, order, name)
        if field is not None:
            found, name = _field(found, order, name, field), f"{name}.{field}"
        return _whole(_numbers(found, order, name), name)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (KeyError, ValueError, StopIteration, struct.error, zlib.error) as error:
        raise InputError(f"{path}: not a MAT file of version 5 to 7, or a damaged one") from error


def _content(path):
    try:
        if (size := path.stat().st_size) > FILE_BYTES:
            raise InputError(f"{path}: {size:,} bytes; a file of labels has at most {FILE_BYTES:,}")
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _elements(data, order):
    """Yield (type, content) of each element in a row of them."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}2I", data, at)
        start, end = at + 8, at + 8 + size + (0 if kind == COMPRESSED else -size % 8)
        if kind >> 16:
            kind, size, start, end = kind & 0xFFFF, kind >> 16, at + 4, at + 8
        if start + size > min(end, len(data)):
            raise ValueError("an element is longer than what it is in")
        yield kind, data[start:start + size]
        at = end


def _variable(content, order, name):
    """The contents of the matrix of that name."""
    names = []
    for kind, part in _elements(memoryview(content)[128:], order):
        if kind == COMPRESSED:
            unpacked = zlib.decompressobj().decompress(part, UNPACKED_BYTES + 1)
            if len(unpacked) > UNPACKED_BYTES:
                raise InputError(f"unpacks to more than {UNPACKED_BYTES:,} bytes")
            kind, part = next(_elements(memoryview(unpacked), order))
        if kind == MATRIX:
            names.append(_head(part, order)[2])
            if names[-1] == name:
                return part
    raise InputError(f"no variable {name}; there are: {', '.join(names) or 'none'}")


def _head(matrix, order):
    """(flags, of which the lowest byte is the class; sizes; name; the elements after these) of a matrix."""
    elements = _elements(matrix, order)
    (_, flags), (_, sizes), (_, name) = next(elements), next(elements), next(elements)
    sizes = np.frombuffer(sizes, f"{order}i4").tolist()
    return struct.unpack_from(f"{order}I", flags)[0], sizes, bytes(name).decode("latin-1"), elements


def _field(matrix, order, name, field):
    """The contents of the matrix that is this field of a struct."""
    flags, sizes, _, elements = _head(matrix, order)
    if flags & 0xFF == STRUCT and sizes == [1, 1]:
        length = struct.unpack(f"{order}i", next(elements)[1])[0]
        names = bytes(next(elements)[1])
        for at in range(0, len(names), length):
            _, part = next(elements)
            if names[at:at + length].partition(b"\0")[0] == field.encode():
                return part
    raise InputError(f"{name} is no struct with a field {field}")


def _numbers(matrix, order, name):
    """(H,W) as stored: doubles that are whole numbers often as integers."""
    flags, sizes, _, elements = _head(matrix, order)
    if flags & 0xFF not in NUMERIC or flags & COMPLEX or len(sizes) != 2 or min(sizes) < 1:
        raise InputError(f"{name} is no matrix of real numbers")
    kind, data = next(elements)
    numbers = np.frombuffer(data, f"{order}{NUMBERS[kind]}").reshape(sizes, order="F")
    return np.array(numbers, numbers.dtype.newbyteorder("="), order="C")


def _whole(numbers, name):
    if numbers.dtype.kind != "f":
        return numbers
    with np.errstate(invalid="ignore"):
        whole = numbers.astype(np.int64)
    if (whole != numbers).any():  # NaN too
        raise InputError(f"{name} holds {numbers[whole != numbers][0]:g}, which is no whole number")
    return whole

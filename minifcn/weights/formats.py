"""Which format a weight file is in, told by its first bytes and never by its name."""
import os
from functools import partial
from math import prod
from pathlib import Path
from stat import S_ISREG

import numpy as np

from minifcn.checkpoint import read_header
from minifcn.errors import InputError
from minifcn.weights.caffe import open_caffe
from minifcn.weights.contents import Contents, Tensor, words
from minifcn.weights.torchfile import ZIP, open_torch


def open_file(path):
    """The Contents of a safetensors, torch or Caffe file; InputError where it is none of them, or damaged."""
    path = Path(path)
    if is_safetensors(path):
        return open_safetensors(path)
    if _start(path).startswith((ZIP, b"\x80")):  # a pickle, of protocol 2 or above
        return open_torch(path)
    return open_caffe(path)


def is_safetensors(path):
    """Whether a file begins as one: its header, a JSON text, follows eight bytes that tell how long it is."""
    return _start(path)[8:] == b"{"


def _start(path):
    try:
        if not S_ISREG(os.stat(path).st_mode):  # to open a pipe is to wait for somebody to write into it
            raise InputError(f"{path}: no regular file")
        with open(path, "rb") as file:
            return file.read(9)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def open_safetensors(path):
    """The Contents of a safetensors file; the library checks its header against the file before anything is read."""
    from safetensors import SafetensorError, safe_open

    try:
        file = safe_open(path, framework="numpy")
        header, start = read_header(path)
        tensors = {}
        for name in file.keys():  # noqa: SIM118 (it is no mapping)
            dtype, shape = header[name]["dtype"], tuple(header[name]["shape"])
            load = partial(file.get_tensor, name)
            if dtype == "BF16":
                load = partial(_bfloat16, path, start + header[name]["data_offsets"][0], shape)
            tensors[name] = Tensor(shape, dtype, load)
        texts = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: a damaged safetensors file ({words(error)})") from error
    return Contents(path, "safetensors", tensors, texts)


def _bfloat16(path, offset, shape):
    """A tensor of a type that NumPy has not, as float32, of which it is the upper half."""
    upper = np.fromfile(path, "<u2", prod(shape), offset=offset)
    return (upper.astype(np.uint32) << 16).view(np.float32).reshape(shape)

"""Checkpoints: safetensors files that hold all that a run needs to go on, and cannot be half written.

Tensors are the net's parameters by name and, in the checkpoint a run goes on from, the optimiser's state as
"optimizer.<what>.<parameter>". Fixed upsampling kernels are left out while they are bilinear. The
metadata are JSON texts by name: net, body, options (for nets.build), classes, colors (two lists of each for two heads),
preprocess, max_side, model (the papers' name of it), data, split, state, scores.
"""
import json
import os
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from reprlib import repr as brief

import numpy as np

import minifcn
from minifcn.backend import to_numpy
from minifcn.datasets.base import each_kind, kinds, per_kind
from minifcn.errors import InputError
from minifcn.metrics import IGNORE
from minifcn.ops import bilinear_kernel
from minifcn.preprocess import Preprocessing

OPTIMIZER = "optimizer."
REQUIRED = ("net", "body", "classes", "colors", "preprocess")
KINDS = {"net": str, "body": str, "preprocess": dict, "options": dict, "max_side": int | None, "model": str,
         "dataset": str, "val_split": str}


@dataclass
class Checkpoint:
    """What a file holds: meta by name, params and optimiser state as NumPy arrays by name."""

    path: Path
    meta: dict
    params: dict
    optimizer: dict


def save(path, net, meta, optimizer=None):
    """Write the net, its metadata (JSON values) and an optimiser's state; the file is there whole or not at all."""
    stored = {name: to_numpy(value) for name, value in net.params.items()}
    stored = {name: value for name, value in stored.items() if not (net.fixed(name) and _bilinear(value))}
    state = {} if optimizer is None else {OPTIMIZER + key: value for key, value in optimizer.state.items()}
    tensors = {name: np.ascontiguousarray(to_numpy(value)) for name, value in {**stored, **state}.items()}
    meta = {"minifcn": minifcn.__version__, "net": net.name, "body": net.body.name,
            "preprocess": net.preprocess.to_dict(), **meta}
    write_tensors(path, tensors, {key: json.dumps(value) for key, value in meta.items()})


def _bilinear(w):
    """Whether a constant is an upsampling kernel, and still the one that it started as."""
    return w.ndim == 4 and np.array_equal(w, bilinear_kernel(w.shape[0], w.shape[2], w.dtype))


def write(path, data):
    """Replace a file by these bytes at one instant."""
    with replaced(path) as beside, open(beside, "wb") as file:
        file.write(data)


def write_tensors(path, tensors, metadata=None):
    """Replace a safetensors file by these arrays at one instant, without a copy of them in memory."""
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    with replaced(path) as beside:
        try:
            save_file(tensors, beside, metadata)
        except SafetensorError as error:  # a full disk comes as one, too
            raise OSError(f"{path}: {error}") from error


@contextmanager
def replaced(path):
    """A path beside this one: what is written there is flushed to the disk, and renamed to `path` if nothing fails.

    Whatever kills the program meanwhile, `path` holds the previous bytes or the new ones.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield beside
        with open(beside, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(beside, path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise
    if os.name == "posix":  # the rename itself is on the disk once the folder is
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def read(path):
    """A Checkpoint, params float32 and finite. Raises InputError for a file that is missing, damaged, or not ours."""
    from safetensors import SafetensorError, safe_open

    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such checkpoint")
    way_out = f"somebody else's weights become one: python -m minifcn.weights {path} --out NEW.safetensors"
    try:
        with open(path, "rb") as file:
            if file.read(9)[8:] != b"{":  # where the header begins
                raise InputError(f"{path}: no checkpoint of minifcn's, or a damaged one; {way_out}")
        with safe_open(path, framework="numpy") as file:
            read_header(path)
            texts = file.metadata() or {}
            if "minifcn" not in texts:
                raise InputError(f"{path}: a safetensors file, but no checkpoint of minifcn's; {way_out}")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (it is no mapping)
    except InputError:
        raise
    except (SafetensorError, OSError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: a damaged safetensors file ({error})") from error
    try:
        meta = {key: json.loads(text) for key, text in texts.items()}
        _check(meta)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"{path}: its metadata are damaged ({error})") from error
    state = {name.removeprefix(OPTIMIZER): value for name, value in tensors.items() if name.startswith(OPTIMIZER)}
    params = {name: as_weights(value, f"{path}: {name}") for name, value in tensors.items()
              if not name.startswith(OPTIMIZER)}
    return Checkpoint(path, meta, params, state)


def _check(meta):
    """ValueError or TypeError for metadata that nothing can be made of; whether they fit a net is for restore()."""
    if missing := [key for key in REQUIRED if key not in meta]:
        raise ValueError(f"they lack {', '.join(missing)}")
    for key, kind in KINDS.items():
        if key in meta and not isinstance(meta[key], kind):
            raise ValueError(f"{key} {brief(meta[key])}")
    if meta.get("max_side") is not None and meta["max_side"] < 1:
        raise ValueError(f"max_side {meta['max_side']}")
    heads = meta["classes"]
    heads = heads if isinstance(heads, list) and heads and isinstance(heads[0], list) else [heads]
    if len(heads) > 2 or not all(isinstance(names, list) and names and {*map(type, names)} == {str} for names in heads):
        raise ValueError(f"classes {brief(meta['classes'])}")
    Preprocessing(**meta["preprocess"])


def as_weights(found, where, finite=True):
    """An array as float32. InputError, a line that begins with `where`, for other than floats, and NaN or infinity."""
    if found.dtype.kind != "f":
        raise InputError(f"{where}: {found.dtype}, and weights are floating-point numbers")
    with np.errstate(over="ignore"):
        found = found.astype(np.float32, copy=False)
    if finite and not np.isfinite(found).all():
        raise InputError(f"{where}: holds NaN or infinity; a damaged file, or training that diverged")
    return found


def read_header(path):
    """(header, where the data begin) of a safetensors file that its library has found sound.

    {name: {"dtype", "shape", "data_offsets"}}, and "__metadata__". ValueError where a name is there twice, of which
    libraries take one or the other.
    """
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        return json.loads(file.read(size), object_pairs_hook=_once), 8 + size


def _once(pairs):
    if len(found := dict(pairs)) < len(pairs):
        raise ValueError("a name is in its header twice")
    return found


def restore(checkpoint):
    """The net of a checkpoint, with its weights. Raises InputError where the two do not agree."""
    from minifcn.nets import build

    meta = checkpoint.meta
    try:
        classes = per_kind(map(len, kinds(meta["classes"])))
        _compare_classes(checkpoint.params, each_kind(classes))
        check_labels(meta["net"], each_kind(classes))
        preprocess = Preprocessing(**meta["preprocess"])
        net = build(meta["net"], meta["body"], classes, None, preprocess=preprocess, dtype=np.float32,
                    **meta.get("options", {}))
        copied = net.load(checkpoint.params)
    except (ValueError, TypeError, LookupError) as error:
        raise InputError(f"{checkpoint.path}: {error}") from error
    missing = [name for name in net.params if not net.fixed(name) and name not in copied]
    extra = [name for name in checkpoint.params if name not in net.params]
    if missing or extra:
        what = f"lacks {', '.join(missing)}" if missing else f"holds {', '.join(extra)}, which {net.name} has not"
        raise InputError(f"{checkpoint.path}: {what}")
    return net


def check_labels(net, counts):
    """ValueError where a net has more classes than labels can tell; a classifier gives none."""
    if net != "classifier" and max(counts) > IGNORE:
        raise ValueError(f"{max(counts)} classes, and labels tell {IGNORE}: they are bytes, of which one says void")


def _compare_classes(params, counts):
    """ValueError where score layers have not as many biases as there are classes.

    To be known before there is a net: upsampling kernels grow with the square of a number that anybody can write.
    """
    from minifcn.nets import SUFFIXES
    from minifcn.nets.surgery import LAST

    for count, suffix in zip(counts, SUFFIXES if len(counts) > 1 else ("",), strict=True):
        biases = [name for name in params
                  if fnmatchcase(name, f"score_*{suffix}.b") or name.removesuffix(".b") in LAST]
        if not biases:
            raise ValueError(f"lacks score_*{suffix}.b")
        for name in biases:
            if params[name].shape != (count,):
                raise ValueError(f"{name} has shape {params[name].shape}, for {count} classes")

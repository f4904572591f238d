"""A layout is how somebody stores one net: which tensors by which names and shapes. By these a file is recognised."""
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from minifcn.errors import InputError
from minifcn.nets.models import MODELS


@dataclass(frozen=True)
class Layout:
    """title: in words; recipe: what build() makes of it; tensors: {name in the file: (our layer or parameter, shape)}.

    convert: contents -> (parameters by our names, the Preprocessing they go with, lines on what was done).
    left_out: {pattern of names that may be there, too: what they are}; model: its name in MODELS, if it is one of them.
    """

    title: str
    recipe: dict
    tensors: dict
    convert: Callable
    left_out: dict = field(default_factory=dict)
    model: str | None = None

    @property
    def shapes(self):
        """{name in the file: shape}."""
        return {name: shape for name, (_, shape) in self.tensors.items()}

    def reason(self, name):
        """Why a tensor of the file is left out; None where it must not be there."""
        return next((why for pattern, why in self.left_out.items() if fnmatchcase(name, pattern)), None)


def recognise(contents, layouts, as_model=None):
    """The layout of a file: that from which its names and shapes differ least, and they must not differ at all.

    InputError where they do, where no layout comes near, and where two nets look alike that see images differently, as
    NYUDv2's of colour and of HHA; as_model then tells which.
    """
    if as_model is not None:
        if as_model not in MODELS:
            raise InputError(f"--as {as_model}: none of {', '.join(MODELS)}")
        layouts = [layout for layout in layouts if layout.model == as_model]
    given = {name: tensor.shape for name, tensor in contents.tensors.items()}

    def differences(layout):
        kept = {(name, shape) for name, shape in given.items() if not layout.reason(name)}
        return len(kept ^ set(layout.shapes.items()))

    best = min(layouts, key=differences)
    _compare(contents.path, given, best, as_model or "net that is known here")
    alike = [layout.model for layout in layouts if layout.shapes == best.shapes
             and layout.recipe.get("preprocess") != best.recipe.get("preprocess")]
    if alike:
        raise InputError(f"{contents.path}: {' or '.join([best.model, *alike])}, its tensors do not tell which; "
                         f"--as {best.model} would (in Python as_model=)")
    return best


def _compare(path, given, layout, what):
    """InputError where a file is not in a layout to the last tensor; `what` it is none of where it is not at all."""
    wanted = layout.shapes
    missing = [name for name in wanted if name not in given]
    if 2 * len(missing) > len(wanted):
        raise InputError(f"{path}: no {what}; its tensors are {_some(list(given)) or 'none at all'}")
    if missing:
        raise InputError(f"{path}: looks like {layout.title}, but lacks {_some(missing)}")
    for name, shape in wanted.items():
        if given[name] != shape:
            raise InputError(f"{path}: looks like {layout.title}, but {name} has shape {given[name]}, not {shape}")
    if extra := [name for name in given if name not in wanted and not layout.reason(name)]:
        raise InputError(f"{path}: looks like {layout.title}, but has {_some(extra)} besides")


def _some(names):
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if names[3:] else "")

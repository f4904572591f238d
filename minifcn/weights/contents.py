"""What a weight file holds, before anybody knows what net it is: tensors by name, read when they are asked for."""
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from minifcn.checkpoint import as_weights
from minifcn.errors import InputError


def printable(text, longest=100):
    """Somebody else's name or words as they can be shown: one line, not too long, nothing that a terminal obeys."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[:longest + 1])
    return text if len(text) <= longest else f"{text[:longest - 3]}..."


def words(error):
    """What another library says of a file."""
    return printable(" ".join(str(error).split()), 300)


@dataclass(frozen=True)
class Tensor:
    """A tensor's shape, its dtype in the words of its file, and how to get it as an array."""

    shape: tuple
    dtype: str
    load: Callable


@dataclass(frozen=True)
class Contents:
    """A file, its format in words, {name: Tensor}; the texts that a safetensors file carries; a caffemodel's graph.

    bottoms: {layer: names of the maps that it is fed}, as far as the file tells. All names are made printable.
    """

    path: Path
    format: str
    tensors: dict
    metadata: dict = field(default_factory=dict)
    bottoms: dict = field(default_factory=dict)

    def __post_init__(self):
        tensors = {printable(name): tensor for name, tensor in self.tensors.items()}
        if len(tensors) < len(self.tensors):
            raise InputError(f"{self.path}: two of its tensors have names that look alike")
        object.__setattr__(self, "tensors", tensors)

    def array(self, name, finite=True):
        """A tensor as a float32 array. InputError where it cannot be read, is no float, or holds NaN or infinity."""
        try:
            found = self.tensors[name].load()
        except Exception as error:  # a library for each format, and each with errors of its own
            raise InputError(f"{self.path}: {name}: cannot be read ({words(error)})") from error
        return as_weights(found, f"{self.path}: {name}", finite)

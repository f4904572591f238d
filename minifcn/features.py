"""The maps of a body that is not trained, kept on disk: each image goes through it once and not once an epoch.

The papers' row "only the last layer" [PAMI table 3, FCN-32s fixed] costs a hundredth of a training run this way.
"""
import shutil
from hashlib import blake2b
from math import prod

import numpy as np

from minifcn import checkpoint
from minifcn.backend import to_device, to_numpy
from minifcn.nets.structure import rows


class Remembered:
    """A body that looks first whether it has seen an input before, to the bit, and asks the real one only if not.

    `folder` holds a safetensors file for each input, named after a hash of its numbers, with the maps of the taps in
    it. Only for a body whose weights stay: for what it remembers it has no backward pass.
    """

    def __init__(self, body, folder, taps):
        self.body, self.folder, self.taps = body, folder, tuple(taps)
        folder.mkdir(parents=True, exist_ok=True)

    def __getattr__(self, name):
        return getattr(self.body, name)

    def forward(self, x, train=False):
        """{tap: map}, as the body itself gives them."""
        from safetensors.numpy import load_file

        host = np.ascontiguousarray(to_numpy(x))
        path = self.folder / f"{blake2b(host, digest_size=16).hexdigest()}.safetensors"
        if path.exists():
            device = "cpu" if host is x else "gpu"
            return {tap: to_device(array, device) for tap, array in load_file(path).items()}
        maps = self.body.forward(x)
        kept = {tap: maps[tap] for tap in self.taps}
        checkpoint.write_tensors(path, {tap: np.ascontiguousarray(to_numpy(a)) for tap, a in kept.items()})
        return kept


def remember(net, folder, taps):
    """Let a net's body remember what it has seen: the net."""
    net.body = Remembered(net.body, folder, taps)
    return net


def taps_of(net):
    """The taps that a net's heads look at."""
    sources = {source for head in net.heads for *_, sources in head.graph.walk() for source in sources}
    return [tap for tap in net.body.taps if tap in sources]


def feature_bytes(net, height, width):
    """How many bytes the maps of one image take."""
    taps = taps_of(net)
    item = next(iter(net.params.values())).itemsize
    return item * sum(prod(row.shape) for row in rows(net, height, width) if row.name in taps)


def room_for(size, folder):
    """Whether so many bytes fit into a folder to be, those there included, and as much again is left free beside it."""
    there = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    return shutil.disk_usage(folder.parent).free + there > 2 * size

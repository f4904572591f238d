"""What a run starts from: weights of ours or of others, and what they ask of the net and of its input."""
from dataclasses import dataclass, field

from minifcn import checkpoint, weights
from minifcn.datasets.base import kinds
from minifcn.errors import InputError
from minifcn.model import find
from minifcn.nets.surgery import into
from minifcn.preprocess import Preprocessing

BODY_OPTIONS = ("norm", "last_pool")  # of build(): what makes another body of it


@dataclass
class Start:
    """Parameters by name, one for each file; options for build(), and the preprocessing that goes with them."""

    files: list
    params: list = field(default_factory=list)
    bodies: list = field(default_factory=list)
    options: dict = field(default_factory=dict)
    preprocess: Preprocessing | None = None
    lines: list = field(default_factory=list)

    def load_into(self, net):
        """Copy what fits, and return its names; say what it was and what stays fresh. InputError for another body."""
        for file, body in zip(self.files, self.bodies, strict=True):
            if body != net.body.name:
                raise InputError(f"{file}: has body {body}, this net has {net.body.name}; --body {body} takes it")
        try:
            params, fresh = into(net, *self.params)
        except ValueError as error:
            raise InputError(f"{' and '.join(self.files)}: {error}") from error
        print("\n".join(self.lines) + (f"; fresh: {', '.join(fresh)}" if fresh else ""))
        return net.load(params)


def read_start(files):
    """The Start of --weights FILE...: checkpoints, shipped nets, and whatever python -m minifcn.weights reads.

    Preprocessing is that of the first: where there are two, a net of two streams has means of its own.
    """
    start = Start(list(map(str, files)))
    for file in start.files:
        path = find(file)
        if not path.is_file():
            raise InputError(f"{path}: no such checkpoint, nor another file of weights")
        if weights.is_checkpoint(path):
            read = checkpoint.read(path)
            count = " and ".join(str(len(names)) for names in kinds(read.meta["classes"]))
            body, params, preprocess = read.meta["body"], read.params, Preprocessing(**read.meta["preprocess"])
            given, notes = read.meta.get("options", {}), []
            what = f"{read.meta['net']}, {count} classes"
        else:
            read = weights.read(path)
            body, params, preprocess, given, notes = read.body, read.params, read.preprocess, read.options, read.notes
            what = read.title
        start.lines += [*notes, f"weights of {file} ({what})"]
        start.params.append(params)
        start.bodies.append(body)
        start.options |= {key: given[key] for key in BODY_OPTIONS if key in given}
        start.preprocess = start.preprocess or preprocess
    return start

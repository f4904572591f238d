"""Data sets: a class for every pixel. `python -m minifcn.datasets --help` makes, inspects and imports them."""
from importlib import import_module

from minifcn.errors import InputError

# the class that reads a data set, in the module of its name; imported late: `import minifcn` needs no Pillow
READERS = {"voc": "VOCSegmentation", "sbd": "SBD", "context": "PASCALContext", "nyud": "NYUD", "siftflow": "SIFTFlow",
            "camvid": "CamVid"}

__all__ = ["DATASETS", "open_dataset", *READERS.values()]


def open_dataset(name, root, split, **options):
    """The reader called `name`, a key of DATASETS, on a split of the data set in the folder `root` or below it."""
    if name not in READERS:
        raise InputError(f"data set {name!r} is none of {', '.join(READERS)}")
    return _reader(name)(root, split, **options)


def _reader(name):
    return getattr(import_module(f"minifcn.datasets.{name}"), READERS[name])


def __getattr__(name):
    if name == "DATASETS":
        return {key: _reader(key) for key in READERS}
    for key, reader in READERS.items():
        if name == reader:
            return _reader(key)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

"""Data sets: a class for every pixel. `python -m minifcn.datasets --help` makes, inspects and imports them."""

__all__ = ["VOCSegmentation"]


def __getattr__(name):
    if name == "VOCSegmentation":  # late: Pillow is not needed for `import minifcn`
        from minifcn.datasets.voc import VOCSegmentation

        return VOCSegmentation
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

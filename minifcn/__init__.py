"""minifcn: fully convolutional networks, written by hand in NumPy, running unchanged on a GPU through CuPy."""

__version__ = "0.1.0"

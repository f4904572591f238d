"""What goes wrong because of what somebody gave us: one readable line, never a traceback."""


class InputError(ValueError):
    """A file, folder or option that cannot be used. The message is one line: the thing, its value, the way out.

    The commands print it to stderr and exit with status 2; a program that calls minifcn catches it as a ValueError.
    """

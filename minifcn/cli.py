"""What all commands share: how they end."""
import errno
import os
import sys

from minifcn.errors import InputError


def run(main):
    """Run main() and exit with its status; what somebody gave us wrong is one line on stderr and status 2."""
    try:
        status = main()
    except InputError as error:
        status = _say(error)
    except MemoryError as error:
        status = _say(f"out of memory ({error}); try a smaller --batch, --crop or --max-side")
    except OSError as error:
        if error.errno == errno.EPIPE:  # `... | head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 0
        elif error.errno in (errno.ENOSPC, errno.EDQUOT):
            status = _say(f"{error.filename or 'the output folder'}: the disk is full; what was saved before is whole")
        elif error.filename is not None:
            status = _say(f"{error.filename}: {error.strerror}")
        else:
            raise
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    sys.exit(status)


def _say(error):
    print("error:", " ".join(str(error).split()), file=sys.stderr)
    return 2


def output_folder(path):
    """Make a folder for results and check that it can be written to; an InputError in words if not."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".minifcn-writable"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        raise InputError(f"{path}: cannot be written to ({error.strerror})") from error
    return path

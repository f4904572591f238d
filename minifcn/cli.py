"""What all commands share: how they are told what to do, and how they end."""
import argparse
import errno
import os
import sys
import textwrap

from minifcn.errors import InputError


class OneLine(argparse.ArgumentParser):
    """An ArgumentParser whose errors are one line like all others."""

    def error(self, message):
        raise InputError(f"{message}; what there is: {self.prog} --help")


class Parser(OneLine):
    """That of a command; its help ends in examples, one a line."""

    def __init__(self, prog, description, examples):
        super().__init__(prog, description=textwrap.fill(description, 80),
                         epilog="\n  ".join(["examples:", *examples]),
                         formatter_class=argparse.RawDescriptionHelpFormatter)


def add_machine(group):
    """The options of every command that computes: --device and --threads."""
    group.add_argument("--device", choices=("auto", "cpu", "gpu"), default="auto",
                       help="auto: the GPU if a kernel runs on it, else the CPU (default: %(default)s)")
    group.add_argument("--threads", type=int, metavar="N", help="cores to use (default: all there are)")


def run(main):
    """Run main() and exit with its status; what somebody gave us wrong is one line on stderr and status 2."""
    # whoever reads a pipe sees each line when it comes, and any name can be printed anywhere
    sys.stdout.reconfigure(line_buffering=True, errors="backslashreplace")
    try:
        status = main()
    except InputError as error:
        status = _say(error)
    except MemoryError as error:
        status = _say(f"out of memory ({error}); try a smaller --batch, --crop or --max-side (train), --tile (predict)")
    except OSError as error:
        if error.errno == errno.EPIPE:  # `... | head` has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            status = 141
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


def progress_bar(total, what, unit, **options):
    """A tqdm bar on stderr, shown on terminals only, gone when done."""
    from tqdm import tqdm

    return tqdm(total=total, desc=what, unit=f" {unit}", disable=None, leave=False, dynamic_ncols=True, **options)

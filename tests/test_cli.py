"""What all commands share: however they end, it is said in one line."""
import errno
import io
import os
import subprocess
import sys

import pytest

from minifcn import cli
from minifcn.errors import InputError


def ending(capsys, raised=None, status=None):
    """(status, stdout, stderr) of a command that ends so."""
    def main():
        if raised:
            raise raised
        return status

    with pytest.raises(SystemExit) as end:
        cli.run(main)
    return end.value.code, *capsys.readouterr()


@pytest.mark.parametrize("raised, status, line", [
    (InputError("a.png: bad"), 2, "error: a.png: bad"),
    (InputError("first\n  second\n"), 2, "error: first second"),
    (MemoryError("1 TiB"), 2, "error: out of memory (1 TiB); try a smaller --batch, --crop or --max-side (train), "
                             "--tile (predict)"),
    (OSError(errno.ENOSPC, "Full"), 2, "error: the output folder: the disk is full; what was saved before is whole"),
    (OSError(errno.EDQUOT, "Quota", "run/x"), 2, "error: run/x: the disk is full; what was saved before is whole"),
    (OSError(errno.EACCES, "Permission denied", "run/x"), 2, "error: run/x: Permission denied"),
    (FileNotFoundError(errno.ENOENT, "No such file", "x"), 2, "error: x: No such file"),
    (KeyboardInterrupt(), 130, "interrupted")])
def test_what_goes_wrong_is_one_line(capsys, raised, status, line):
    assert ending(capsys, raised) == (status, "", line + "\n")


@pytest.mark.parametrize("status", [0, 2, 143])
def test_a_command_gives_its_own_status(capsys, status):
    assert ending(capsys, status=status) == (status, "", "")


@pytest.mark.parametrize("bug", [ValueError("shape"), OSError("no number"), KeyError("w")])
def test_mistakes_of_our_own_keep_their_traceback(capsys, bug):
    with pytest.raises(type(bug)):
        cli.run(lambda: (_ for _ in ()).throw(bug))


def test_any_name_can_be_printed_anywhere(monkeypatch):
    out = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit) as end:
        cli.run(lambda: print("süße Robbe \udcff"))
    assert not end.value.code and out.buffer.getvalue() == b"s\\xfc\\xdfe Robbe \\udcff" + os.linesep.encode()


def test_each_line_comes_when_it_is_printed(monkeypatch):
    """Through a pipe as well: `python -m minifcn.train | tee log` is looked at while it runs."""
    out = io.TextIOWrapper(io.BytesIO(), "utf-8")
    monkeypatch.setattr(sys, "stdout", out)
    with pytest.raises(SystemExit):
        cli.run(lambda: print("epoch 1") or print(out.buffer.getvalue().decode().strip(), end=""))
    out.flush()
    assert out.buffer.getvalue().decode().split() == ["epoch", "1", "epoch", "1"]


@pytest.mark.skipif(os.name != "posix", reason="pipes are closed as POSIX has them")
def test_a_pipe_that_has_seen_enough_ends_a_command_without_a_word():
    """As in python -m minifcn.train | head -1, with a reader that is gone at once."""
    code = "from minifcn import cli; cli.run(lambda: [print(line) for line in range(10000)])"
    running = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    running.stdout.close()
    assert running.stderr.read() == ""
    assert running.wait(timeout=60) == 128 + 13  # as a shell tells of SIGPIPE


def test_options_are_refused_in_one_line_that_names_the_help():
    parser = cli.Parser("python -m minifcn.test", "What it does.", ["python -m minifcn.test x"])
    parser.add_argument("--count", type=int)
    for argv in (["--count", "x"], ["--other"], ["word"]):
        with pytest.raises(InputError, match=r"python -m minifcn\.test --help"):
            parser.parse_args(argv)


def test_help_says_what_it_does_and_ends_in_examples_one_a_line():
    text = cli.Parser("python -m minifcn.test", "What it does. " * 20, ["one", "two"]).format_help()
    assert text.endswith("examples:\n  one\n  two\n") and max(map(len, text.splitlines())) <= 80


def test_an_output_folder_is_made_and_nothing_is_left_in_it(tmp_path):
    out = cli.output_folder(tmp_path / "a/b")
    assert out == tmp_path / "a/b" and out.is_dir() and not list(out.iterdir())
    assert cli.output_folder(out) == out


@pytest.mark.parametrize("module", ["train", "evaluate", "predict", "datasets"])
def test_every_command_has_a_help_worth_reading(module):
    done = subprocess.run([sys.executable, "-m", f"minifcn.{module}", "--help"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"python -m minifcn.{module}" in done.stdout and "examples" in done.stdout

"""Unpacking archives that come from anywhere: only regular files of names that are expected, and no more than expected.

Nothing is extracted by tarfile or zipfile themselves: links and devices are never made, so none can be written through,
and what is not asked for is left out.
"""
import lzma
import os
import re
import tarfile
import zipfile
import zlib
from collections import namedtuple
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath
from stat import S_IFMT, S_IFREG

from minifcn import cli
from minifcn.datasets.download import BLOCK, check_room, digest, naming
from minifcn.errors import InputError

MEMBERS = 500_000  # ten times those of the largest archive here
RATIO = 100  # bytes unpacked for one of the archive; a bomb has about 1000
HARMLESS = 1 << 26  # bytes unpacked that are no bomb whatever the ratio
BYTES = 50e9
Member = namedtuple("Member", "name size regular open")


def unpack(archive, folder, wanted, name=None):
    """Unpack what is wanted of a tar (plain or compressed) or zip into a folder -> how many files: 0, all were there.

    wanted is a regular expression for whole names of members (ASCII, /); its group 1 is the file's place below the
    folder. `name` is the archive's official one: a stamp in the folder says that it was unpacked there to its end.
    The whole archive is judged before the first file is written, and each file is there whole or not at all.
    InputError where it is damaged, has nothing that is wanted, or what no honest archive has: names that lead out
    of the folder, wanted links or devices, a file twice (in any case of letters), far more than its size suggests.
    """
    archive, folder = Path(archive), Path(folder)
    stamp = _stamp(folder, name or archive.name)
    text = f"{archive.stat().st_size} bytes, sha256 {digest(archive, 'sha256')}\n"
    if stamp.is_file() and stamp.read_text() == text:
        return 0
    folder.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with _members(archive) as members:
        chosen = list(_chosen(archive, members, re.compile(wanted, re.ASCII)))
        if not chosen:
            raise InputError(f"{archive}: has nothing of what {name or archive.name} holds; is it another archive?")
        size = sum(member.size for member, _ in chosen)
        check_room(folder, size)
        with cli.progress_bar(size, f"unpacking {archive.name}", "B", unit_scale=True) as bar:
            for member, place in chosen:
                _write(member, folder / place)
                bar.update(member.size)
    mark_unpacked(folder, name or archive.name, text)
    return len(chosen)


def is_unpacked(folder, name):
    """Whether the archive of that official name was unpacked there to its end."""
    return _stamp(Path(folder), name).is_file()


def mark_unpacked(folder, name, text="converted\n"):
    """Say in a folder that all of an archive is there; the text tells the archive from others of its name."""
    _stamp(Path(folder), name).write_text(text)


def _stamp(folder, name):
    return folder / f".minifcn-unpacked-{name}"


@contextmanager
def _members(archive):
    """An iterator over the Members of a tar or zip, told apart by content. What is wrong with it is an InputError."""
    try:
        with open(archive, "rb") as file:
            if file.read(2) == b"PK":
                with zipfile.ZipFile(file) as opened:
                    yield _of_zip(opened)
            else:
                file.seek(0)
                with tarfile.open(fileobj=file) as opened:
                    yield _of_tar(opened)
    except InputError:
        raise
    except (tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, RuntimeError, ValueError,
            OSError) as error:
        if getattr(error, "filename", None) is not None:  # a file could not be written: not the archive's fault
            raise
        reason = str(error).partition("\n")[0].rstrip(":")
        raise InputError(f"{archive}: damaged, cut short, or neither tar nor zip ({reason}); delete it and fetch it "
                         "again") from error


def _of_zip(opened):
    for member in opened.infolist():
        kind = S_IFMT(member.external_attr >> 16)  # 0 where it was made on a system without
        regular = kind in (0, S_IFREG) and not member.is_dir()
        yield Member(member.filename, member.file_size, regular, partial(opened.open, member))


def _of_tar(opened):
    for member in opened:
        yield Member(member.name, member.size, member.isreg(), partial(opened.extractfile, member))
    opened.fileobj.seek(opened.offset)
    if opened.fileobj.read(512) != bytes(512):  # tarfile takes any nonsense after the first member for the end
        raise tarfile.ReadError("it has no end")
    while opened.fileobj.read(BLOCK):  # only at its end gzip compares its checksum
        pass


def _chosen(archive, members, wanted):
    """Yield (member, place) of all that is wanted; refuse what no honest archive has."""
    allowed = min(BYTES, max(HARMLESS, RATIO * archive.stat().st_size))
    places = set()
    for count, member in enumerate(members, 1):
        name = str(PurePosixPath(member.name.replace("\\", "/")))
        place = (match := wanted.fullmatch(name)) and match[1]
        allowed -= member.size
        wrong = ""
        if name.startswith("/") or ".." in name.split("/") or name[1:2] == ":":
            wrong = "it leads out of the folder"
        elif allowed < 0 or count > MEMBERS:
            wrong = "up to there it holds more than an honest archive of its size"
        elif place and not member.regular:
            wrong = "it is no regular file"
        elif place and place.lower() in places:
            wrong = "it is there twice"
        if wrong:
            raise InputError(f"{archive}: {member.name!r}: {wrong}; nothing was unpacked, fetch it from its publisher")
        if place:
            places.add(place.lower())
            yield member, place


def _write(member, target):
    """Copy one file, through a name of its own, counting what really comes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f".{target.name}.part")
    left = member.size
    try:
        with member.open() as source, naming(target), open(beside, "wb") as file:
            while block := source.read(BLOCK):
                left -= len(block)
                if left < 0:
                    break
                file.write(block)
        if left:
            raise tarfile.ReadError(f"{member.name!r} has another length than it says")
        os.replace(beside, target)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise

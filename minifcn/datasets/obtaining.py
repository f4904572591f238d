"""Getting a published data set: fetched or taken from files that were, unpacked, its lists put beside it."""
import os
import re
import shutil
import sys
from pathlib import Path

from minifcn.datasets.download import Unavailable, fetch, matches
from minifcn.datasets.files import read_lines
from minifcn.datasets.unpack import is_unpacked, mark_unpacked, unpack
from minifcn.errors import InputError


def obtain(source, root, by_hand=(), remove_archives=False):
    """Put a Source of sources.py below the folder root, and say where it lies; what is there already stays.

    by_hand are files fetched by hand, taken instead of fetching them. What is fetched is kept in root/archives unless
    remove_archives. InputError where something can be had neither way.
    """
    root = Path(root).expanduser()
    given = assigned(source, by_hand)
    converted = any(file in given for file in source.converted)
    if not any(archive in given for archive in source.archives):
        converted |= any(is_unpacked(root / source.folder, file.name) for file in source.converted)
    if not converted:
        try:
            for archive in source.archives:
                _unpack(archive, root, given.get(archive), remove_archives)
        except Unavailable as problem:
            if not source.converted:
                raise
            print(f"warning: {problem}. Instead NYU's own files, which lack HHA, are fetched and converted",
                  file=sys.stderr)
            converted = True
    if converted:
        _convert(source, root, given, remove_archives)
    for listed in source.lists:
        _list(listed, root, given.get(listed), listed.optional or converted)
    print(f"{source.title}: in {root / source.folder}\nnext: {source.then.format(root=root)}")


def assigned(source, by_hand):
    """{File: path}: which file of the source each one is by its name (what follows a dot may differ)."""
    known = {_stem(file.name): file for file in (*source.archives, *source.lists, *source.converted)}
    given = {}
    for path in map(Path, by_hand):
        file = known.get(_stem(path.name))
        if file is None and len(source.archives) == 1:
            file = source.archives[0]
        if file is None or file in given:
            names = ", ".join(file.name for file in known.values())
            raise InputError(f"--archive {path}: {'which' if file is None else 'one more'} of {names} is it? Give it "
                             "the name that it was published under")
        if not path.is_file():
            raise InputError(f"--archive {path}: no such file")
        if not matches(path, file.checksums):
            raise InputError(f"--archive {path}: its checksum is not that of {file.name}: not fetched to its end, or "
                             "another file")
        given[file] = path
    return given


def _stem(name):
    return name.partition(".")[0].lower()


def _fetch(file, root):
    """The path of a file that is fetched where it is not kept already."""
    return fetch(file.addresses, _kept(file, root), checksums=file.checksums, size=file.size, limit=file.limit)


def _kept(file, root):
    return root / "archives" / file.name


def _unpack(archive, root, path, remove):
    folder = root / archive.folder
    if path or not is_unpacked(folder, archive.name):
        path = path or _fetch(archive, root)
        print(f"unpacking {path}")
        count = unpack(path, folder, archive.wanted, archive.name)
    else:
        count = 0
    print(f"{folder}: {f'{count:,} files' if count else f'everything of {archive.name} is there already'}")
    if remove:
        _kept(archive, root).unlink(missing_ok=True)


def _convert(source, root, given, remove):
    from minifcn.datasets.nyud_original import convert, hdf5

    folder = root / source.folder
    if any((folder / listed.name).is_file() for listed in source.lists):
        print(f"{folder}: a data set is there already")
        return
    hdf5(source.converted[0].name)  # missing, it is missed before gigabytes are fetched
    convert(*(given.get(file) or _fetch(file, root) for file in source.converted), folder)
    mark_unpacked(folder, source.converted[0].name)
    if remove:
        for file in source.converted:
            _kept(file, root).unlink(missing_ok=True)


def _list(listed, root, path, optional):
    target = root / listed.folder / listed.name
    try:
        if path is None:
            fetch(listed.addresses, target, checksums=listed.checksums, limit=listed.limit, looks_right=is_list)
        elif not is_list(path):
            raise InputError(f"--archive {path}: no list of IDs, one a line")
        else:
            os.replace(shutil.copyfile(path, target.with_name(f"{target.name}.part")), target)
    except InputError as problem:
        if not optional:
            raise
        print(f"warning: {problem}", file=sys.stderr)


def is_list(path):
    """Whether a file holds IDs, one a line: letters, digits and the signs that are in names."""
    try:
        lines = read_lines(path)
    except InputError:
        return False
    return bool(lines) and all(re.fullmatch(r"\w[\w.-]*", line, re.ASCII) for line in lines)

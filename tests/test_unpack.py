"""Unpacking archives, honest and other ones."""
import errno
import io
import os
import shutil
import stat
import tarfile
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from refusal import refused

from minifcn.datasets import unpack
from minifcn.datasets.unpack import is_unpacked
from minifcn.errors import InputError

WANTED = r"top/((?:images|masks)/\w+\.(?:jpg|png)|list\.txt)"
FILES = {f"images/{k}.jpg": np.random.default_rng(k).bytes(700 + 317 * k) for k in range(5)}
FILES["list.txt"] = b"0\n1\n2\n"
KINDS = ("w", "w:gz", "zip")


def entry(name, data=b"", **attributes):
    """A member of a tar, of any kind."""
    info = tarfile.TarInfo(name)
    info.size = len(data)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, data


def link(name, target, kind=tarfile.SYMTYPE):
    return entry(name, type=kind, linkname=str(target))


def tar(path, *entries, mode="w"):
    with tarfile.open(path, mode) as archive:
        for info, data in entries:
            archive.addfile(info, io.BytesIO(data))
    return path


def packed(path, kind="w", files=FILES, top="top/"):
    """An archive of the files, whatever path is called."""
    if kind != "zip":
        return tar(path, *(entry(top + name, data) for name, data in files.items()), mode=kind)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(top + name, data)
    return path


def found(folder):
    """{name: content} of all that lies in a folder, without the stamp."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".minifcn-unpacked-")}


def opened(archive, folder, name=None):
    return unpack.unpack(archive, folder, WANTED, name)


# ---- honest ones

@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_known_by_its_content_and_only_what_is_wanted_is_unpacked(tmp_path, kind):
    archive = packed(tmp_path / "called.nothing", kind, FILES | {"images/x.exe": b"x", "more/a.jpg": b"x"})
    assert opened(archive, tmp_path / "out") == len(FILES)
    assert found(tmp_path / "out") == FILES


def test_names_are_taken_as_the_folder_that_they_mean(tmp_path):
    archive = packed(tmp_path / "a.tar", top="./top//")
    assert opened(archive, tmp_path / "out") == len(FILES) and found(tmp_path / "out") == FILES
    turned = {name.replace("/", "\\"): data for name, data in FILES.items()}
    archive = packed(tmp_path / "a.zip", "zip", turned, top="top\\")
    assert opened(archive, tmp_path / "zipped") == len(FILES) and found(tmp_path / "zipped") == FILES


def test_folders_links_and_devices_that_nobody_wants_are_left_out(tmp_path):
    archive = tar(tmp_path / "a.tar", entry("top", type=tarfile.DIRTYPE), link("top/link", "/etc"),
                  entry("top/null", type=tarfile.CHRTYPE), entry("top/list.txt", b"1"))
    assert opened(archive, tmp_path / "out") == 1
    assert set(os.listdir(tmp_path / "out")) == {"list.txt", ".minifcn-unpacked-a.tar"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_unpacked_is_not_unpacked_again(tmp_path, kind):
    archive, out = packed(tmp_path / "a", kind), tmp_path / "out"
    assert not is_unpacked(out, "official.tar")
    opened(archive, out, "official.tar")
    (out / "list.txt").write_text("mine now")
    assert is_unpacked(out, "official.tar") and opened(archive, out, "official.tar") == 0
    assert found(out)["list.txt"] == b"mine now"


def test_another_archive_of_the_same_name_is_unpacked_over_the_first(tmp_path):
    opened(packed(tmp_path / "a.tar"), tmp_path / "out")
    assert opened(packed(tmp_path / "a.tar", files={"list.txt": b"other"}), tmp_path / "out") == 1
    assert found(tmp_path / "out") == FILES | {"list.txt": b"other"}


def test_an_unpacking_that_was_stopped_is_done_again_and_leaves_no_half_file(tmp_path, monkeypatch):
    archive, out, replace = packed(tmp_path / "a.tar"), tmp_path / "out", os.replace

    def stopping(source, target):
        if target.name == "2.jpg":
            raise KeyboardInterrupt
        replace(source, target)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", stopping)
        opened(archive, out)
    assert found(out) == {name: FILES[name] for name in ("images/0.jpg", "images/1.jpg")}
    assert not is_unpacked(out, "a.tar")
    assert opened(archive, out) == len(FILES) and found(out) == FILES


# ---- hostile ones

HOSTILE = {
    "traversal": ([entry("top/../../evil.txt", b"x")], "leads out"),
    "traversal in a name that is wanted": ([entry("top/images/../../list.txt", b"x")], "leads out"),
    "backslashes": ([entry("top\\..\\..\\evil.txt", b"x")], "leads out"),
    "absolute": ([entry("/top/list.txt", b"x")], "leads out"),
    "drive": ([entry("C:/top/list.txt", b"x")], "leads out"),
    "symbolic link": ([link("top/list.txt", "/etc/hostname")], "no regular file"),
    "hard link": ([entry("top/images/1.jpg", b"x"), link("top/list.txt", "top/images/1.jpg", tarfile.LNKTYPE)],
                  "no regular file"),
    "device": ([entry("top/list.txt", type=tarfile.CHRTYPE, devmajor=1, devminor=5)], "no regular file"),
    "pipe": ([entry("top/list.txt", type=tarfile.FIFOTYPE)], "no regular file"),
    "folder": ([entry("top/images/a.jpg", type=tarfile.DIRTYPE)], "no regular file"),
    "twice": ([entry("top/list.txt", b"1"), entry("./top/list.txt", b"2")], "twice"),
    "twice where case does not count": ([entry("top/images/a.jpg", b"1"), entry("top/images/A.jpg", b"2")], "twice"),
}


@pytest.mark.parametrize("entries, why", HOSTILE.values(), ids=HOSTILE)
def test_what_no_honest_tar_has_is_refused_before_anything_is_written(tmp_path, entries, why):
    archive = tar(tmp_path / "a.tar", entry("top/images/0.jpg", b"fine"), *entries)
    refused(lambda: opened(archive, tmp_path / "out"), archive, repr(entries[-1][0].name), why)
    assert os.listdir(tmp_path / "out") == [] and sorted(os.listdir(tmp_path)) == ["a.tar", "out"]


def test_nothing_is_written_through_a_link_of_the_archive(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    archive = tar(tmp_path / "a.tar", link("top", tmp_path / "elsewhere"), link("top/images", tmp_path / "elsewhere"),
                  entry("top/images/0.jpg", b"x"))
    assert opened(archive, tmp_path / "out") == 1 and found(tmp_path / "out") == {"images/0.jpg": b"x"}
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("name, mode, why", [
    ("../evil.txt", 0, "leads out"), ("/top/list.txt", 0, "leads out"), ("top/List.txt", 0, ""),
    ("top/list.txt", stat.S_IFLNK, "no regular file"), ("top/images/0.JPG", 0, ""), ("top/images/0.jpg", 0, "twice"),
    ("./top/images/0.jpg", 0, "twice"),
])
def test_what_no_honest_zip_has_is_refused(tmp_path, name, mode, why):
    info = zipfile.ZipInfo(name)
    info.external_attr = (mode | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("top/images/0.jpg", "fine")
        archive.writestr(info, "x")
    if why:
        refused(lambda: opened(tmp_path / "a.zip", tmp_path / "out"), tmp_path / "a.zip", repr(name), why)
    else:  # of a name that is not wanted
        assert opened(tmp_path / "a.zip", tmp_path / "out") == 1


@pytest.mark.parametrize("kind", ["w:gz", "zip"])
@pytest.mark.parametrize("name", ["images/bomb.jpg", "nobody/wants.this"])
def test_a_bomb_is_refused_by_its_ratio(tmp_path, monkeypatch, kind, name):
    monkeypatch.setattr(unpack, "HARMLESS", 10_000)
    archive = packed(tmp_path / "a", kind, FILES | {name: bytes(3_000_000)})
    assert archive.stat().st_size * unpack.RATIO < 3_000_000
    refused(lambda: opened(archive, tmp_path / "out"), archive, f"top/{name}", "more than an honest archive")
    assert not os.listdir(tmp_path / "out")


def test_limits_of_bytes_and_members(tmp_path, monkeypatch):
    archive, total = packed(tmp_path / "a"), sum(map(len, FILES.values()))
    for limit, most in (("BYTES", total), ("MEMBERS", len(FILES))):
        with monkeypatch.context() as patch:
            patch.setattr(unpack, limit, most - 1)
            refused(lambda: opened(archive, tmp_path / "out"), "more than an honest archive")
    monkeypatch.setattr(unpack, "BYTES", total)
    monkeypatch.setattr(unpack, "MEMBERS", len(FILES))
    assert opened(archive, tmp_path / "out") == len(FILES)


def test_bytes_are_counted_as_they_come(tmp_path):
    """Where the archive's own figure is wrong, the file is not there at all."""
    for said in (3, 5):
        member = unpack.Member("a", said, True, lambda: io.BytesIO(b"four"))
        with pytest.raises(tarfile.ReadError, match="another length"):
            unpack._write(member, tmp_path / "a")
        assert not list(tmp_path.iterdir())


# ---- damaged ones

@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_cut_short_anywhere_is_refused_in_one_line(tmp_path, kind):
    whole = packed(tmp_path / "a", kind).read_bytes()
    if kind == "w":
        content = len(whole.rstrip(b"\0"))
        whole = whole[:content + -content % 512 + 512]  # its end is a block of zeros, padded with many more
    for size in (0, 1, 3, 100, 511, 512, 513, 1024, 2048, len(whole) // 2, len(whole) - 513, len(whole) - 512,
                 len(whole) - 9, len(whole) - 1):
        (tmp_path / "a").write_bytes(whole[:size])
        refused(lambda: opened(tmp_path / "a", tmp_path / "out"), tmp_path / "a", "delete it and fetch it again")
    assert not found(tmp_path / "out")


@pytest.mark.parametrize("kind", ["w:gz", "w:xz", "zip"])
def test_bytes_changed_anywhere_are_found_or_change_no_file(tmp_path, kind):
    whole, refusals = packed(tmp_path / "a", kind).read_bytes(), 0
    for at in range(100, len(whole) - 800, 331):
        (tmp_path / "a").write_bytes(whole[:at] + b"\xff?" + whole[at + 2:])
        out = tmp_path / str(at)
        try:
            opened(tmp_path / "a", out)
        except InputError:
            assert not is_unpacked(out, "a")
            refusals += 1
        else:  # a time in a header
            assert found(out) == FILES
    assert refusals > 15


def test_a_damaged_archive_takes_the_stamp_of_the_one_before_away(tmp_path):
    opened(packed(tmp_path / "a"), tmp_path / "out")
    (tmp_path / "a").write_bytes(packed(tmp_path / "a").read_bytes()[:1000])
    refused(lambda: opened(tmp_path / "a", tmp_path / "out"), tmp_path / "a")
    assert not is_unpacked(tmp_path / "out", "a")


@pytest.mark.parametrize("content", [b"<html>Not found</html>" * 99, b"PK and nothing else", b"", bytes(10240)])
def test_what_is_no_archive_of_these_is_refused(tmp_path, content):
    (tmp_path / "a.tar").write_bytes(content)
    refused(lambda: opened(tmp_path / "a.tar", tmp_path / "out"), tmp_path / "a.tar")


def test_an_archive_of_other_things_is_refused(tmp_path):
    archive = packed(tmp_path / "a.tar", top="other/")
    refused(lambda: opened(archive, tmp_path / "out", "official.tar"), archive, "official.tar")


# ---- disks

def test_room_is_looked_for_before_anything_is_written(tmp_path, monkeypatch):
    archive = packed(tmp_path / "a.tgz", "w:gz", {"images/a.jpg": bytes(20_000_000)})
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=10_000_000))
    refused(lambda: opened(archive, tmp_path / "out"), tmp_path / "out", "0.02 GB", "0.01 GB are free")
    assert not os.listdir(tmp_path / "out")


def test_a_disk_that_fills_up_is_told_by_the_name_of_the_file(tmp_path, monkeypatch):
    class Full(io.BytesIO):
        def write(self, data):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    archive = packed(tmp_path / "a.tar")
    monkeypatch.setattr(unpack, "open", lambda name, mode: Full() if mode == "wb" else open(name, mode), raising=False)
    with pytest.raises(OSError, match="No space") as error:
        opened(archive, tmp_path / "out")
    assert error.value.filename == str(tmp_path / "out/images/0.jpg")

"""Fetching files from servers that are not as they should be."""
import errno
import hashlib
import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from refusal import refused
from tiny_server import file, plain, serving, status

from minifcn import __version__
from minifcn.datasets import download
from minifcn.datasets.download import fetch

DATA = np.random.default_rng(0).bytes(100_003)
WRONG = DATA[:-1] + b"?"


def checksum(data, kind="sha256"):
    return f"{kind}:{hashlib.new(kind, data).hexdigest()}"


RIGHT = (checksum(DATA),)


def beginning(path, data):
    """What an earlier run has left."""
    path.with_name(f"{path.name}.part").write_bytes(data)


def only(folder):
    return [path.name for path in folder.iterdir()]


# ---- servers as they should be

def test_a_file_is_fetched_whole_and_never_again(site, tmp_path):
    address, target = site.at("/f", file(DATA)), tmp_path / "new/folder/f"
    for _ in range(2):
        assert fetch([address], target, checksums=RIGHT, size=len(DATA)) == target
        assert target.read_bytes() == DATA and only(target.parent) == ["f"]
    assert len(site.asked) == 1 and site.asked[0].agent == f"minifcn/{__version__}"


def test_a_file_there_that_is_another_is_replaced(site, tmp_path, capsys):
    (tmp_path / "f").write_bytes(WRONG)
    fetch([site.at("/f", file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and "not the file that was published" in capsys.readouterr().out


def test_without_a_published_checksum_the_one_it_has_is_told(site, tmp_path, capsys):
    address = site.at("/f", file(DATA))
    fetch([address], tmp_path / "f")
    assert f"f: no checksum is published to compare with; its sha256 is {RIGHT[0][7:]}\n" in capsys.readouterr().out
    fetch([address], tmp_path / "f")
    assert len(site.asked) == 1


def test_any_of_several_checksums_will_do(site, tmp_path):
    """As where clients un-gzip in transit."""
    fetch([site.at("/f", file(DATA))], tmp_path / "f", checksums=(checksum(WRONG), checksum(DATA, "md5")))
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_file_sent_in_chunks_has_no_length_and_needs_none(site, tmp_path):
    def chunks(handler):
        body = b"".join(b"%x\r\n%b\r\n" % (len(DATA[k:k + 999]), DATA[k:k + 999]) for k in range(0, len(DATA), 999))
        handler.send(200, body + b"0\r\n\r\n", Transfer_Encoding="chunked")

    fetch([site.at("/f", chunks)], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_redirection_is_followed_and_asks_for_the_same_bytes(site, tmp_path):
    beginning(tmp_path / "f", DATA[:40_000])
    fetch([site.at("/old", status(302, Location=site.at("/f", file(DATA))))], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges("/f") == ["bytes=40000-"]


@pytest.mark.parametrize("location", ["file:///etc/hostname", "ftp://127.0.0.1/f", "data:,hello"])
def test_only_http_and_https_are_spoken_even_after_a_redirection(site, tmp_path, location):
    refused(lambda: fetch([location], tmp_path / "f"), "unknown url type")
    refused(lambda: fetch([site.at("/f", status(302, Location=location))], tmp_path / "f"), "/f (",
            "unknown url type: ftp" if location.startswith("ftp") else "not allowed")
    assert not only(tmp_path)


# ---- transfers that end early

def test_a_transfer_that_breaks_off_asks_only_for_what_is_missing(site, tmp_path):
    fetch([site.at("/f", file(DATA, stop=30_000))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA
    assert site.ranges() == [None, "bytes=30000-", "bytes=60000-", "bytes=90000-"]


def test_what_stalls_is_asked_for_again(site, tmp_path):
    address = site.at("/f", file(DATA, stop=30_000, then_stall=True), file(DATA))
    fetch([address], tmp_path / "f", checksums=RIGHT, timeout=0.2)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == [None, "bytes=30000-"]


def test_a_killed_run_leaves_what_had_come_to_the_next(site, tmp_path):
    address, part = site.at("/f", file(DATA, stop=70_000, then_stall=True), file(DATA)), tmp_path / "f.part"
    code = f"from minifcn.datasets.download import fetch; fetch([{address!r}], {str(tmp_path / 'f')!r})"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.DEVNULL) as running:
        deadline = time.monotonic() + 60
        while not (part.exists() and part.stat().st_size > 50_000) and time.monotonic() < deadline:
            time.sleep(0.01)
        running.kill()
    come = part.stat().st_size
    assert 50_000 < come < len(DATA) and only(tmp_path) == ["f.part"]
    fetch([address], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == [None, f"bytes={come}-"]


def test_ctrl_c_leaves_what_had_come_to_the_next_run(site, tmp_path, monkeypatch):
    blocks = iter([DATA[:12_345]])
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(download, "_read", lambda *_: next(blocks, None) or exec("raise KeyboardInterrupt"))
        fetch([site.at("/f", file(DATA))], tmp_path / "f")
    assert only(tmp_path) == ["f.part"]
    fetch([site.at("/f", file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == [None, "bytes=12345-"]


def test_the_next_address_goes_on_where_the_last_gave_up(site, tmp_path):
    first = site.at("/first", file(DATA, stop=60_000), status(503))
    fetch([first, site.at("/second", file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges("/second") == ["bytes=60000-"]
    assert len(site.ranges("/first")) == 1 + download.TRIES


def test_tries_count_only_while_nothing_comes(site, tmp_path):
    fetch([site.at("/f", file(DATA, stop=5000))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and len(site.asked) == 21 > 4 * download.TRIES


@pytest.mark.parametrize("code", [429, 500, 503])
def test_what_may_pass_is_tried_again(site, tmp_path, code):
    fetch([site.at("/f", status(code), file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and len(site.asked) == 2


# ---- ranges that are not honoured

def test_a_server_that_ignores_the_range_sends_all_of_it(site, tmp_path):
    beginning(tmp_path / "f", b"x" * 40_000)
    fetch([site.at("/f", plain(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == ["bytes=40000-"]


@pytest.mark.parametrize("told", ["bytes 39999-100002/100003", "bytes 40001-100002/100003", "40000", "bytes */*"])
def test_another_range_than_the_one_asked_for_is_not_written(site, tmp_path, told):
    beginning(tmp_path / "f", DATA[:40_000])

    def other(handler):
        handler.send(206, DATA[40_000:], Content_Length=len(DATA) - 40_000, Content_Range=told)

    fetch([site.at("/f", other, file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == ["bytes=40000-", None]


def test_more_than_the_rest_of_the_file_is_not_written(site, tmp_path):
    beginning(tmp_path / "f", DATA[:40_000])

    def more(handler):
        handler.send(206, DATA[40_000:] + b"more", Content_Length=len(DATA) - 40_000 + 4,
                     Content_Range="bytes 40000-100006/100003")

    fetch([site.at("/f", more)], tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_part_that_is_all_of_it_already_is_taken(site, tmp_path):
    beginning(tmp_path / "f", DATA)
    fetch([site.at("/f", file(DATA))], tmp_path / "f", checksums=RIGHT)
    beginning(tmp_path / "g", DATA)
    fetch([site.at("/g", file(DATA))], tmp_path / "g", checksums=RIGHT, size=len(DATA))
    assert (tmp_path / "f").read_bytes() == (tmp_path / "g").read_bytes() == DATA
    assert site.ranges() == ["bytes=100003-"]  # where its size is known nobody need be asked


@pytest.mark.parametrize("size", [None, len(DATA)])
def test_a_part_longer_than_the_file_is_begun_anew(site, tmp_path, size):
    beginning(tmp_path / "f", DATA + b"more")
    fetch([site.at("/f", file(DATA))], tmp_path / "f", size=size)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == ["bytes=100007-", None]


# ---- contents that are not what was published

def test_a_wrong_beginning_is_found_out_and_all_of_it_fetched(site, tmp_path):
    """From an address that had another file, or from before the power failed."""
    beginning(tmp_path / "f", b"x" * 40_000)
    fetch([site.at("/f", file(DATA))], tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges() == ["bytes=40000-", None]


def test_what_has_a_wrong_checksum_is_removed_and_the_next_address_tried(site, tmp_path):
    addresses = [site.at("/wrong", file(WRONG)), site.at("/right", file(DATA))]
    fetch(addresses, tmp_path / "f", checksums=RIGHT)
    assert (tmp_path / "f").read_bytes() == DATA and site.ranges("/right") == [None] == site.ranges("/wrong")


@pytest.mark.parametrize("answer, reason", [
    (file(WRONG), "another checksum"),
    (file(DATA, length=90_000), "another checksum"),  # tells too short a length, and is believed
    (file(DATA, length=110_000), "broke off at 100,003 of 110,000 bytes"),
    (plain(b"Not here any more.", Content_Type="text/html; charset=utf-8"), "text/html"),
    (status(204), "HTTP 204 No Content"),
    (status(404), "HTTP 404 Not Found"),
    (status(500), "HTTP 500 Internal Server Error"),
    (status(416, Content_Range="bytes */0"), "HTTP 416"),
    (file(DATA, stop=0), "broke off at 0 of 100,003 bytes"),
    (lambda handler: handler.send(200), "broke off at 0 of all bytes"),
    (status(200), "broke off at 0 of all bytes"),
    (lambda handler: handler.server.released.wait(10), "timed out"),
    (lambda handler: handler.wfile.write(b"no\x1b[2Jnsense\r\n\r\n"), "(no [2Jnsense)"),
    (lambda handler: None, "closed connection without response"),
    (status(302, Location="http://[/"), "IPv6"),
    (lambda handler: handler.send(200, b"5\r\nhel", Transfer_Encoding="chunked"), "IncompleteRead"),
])
def test_whatever_is_wrong_with_every_address_is_one_line(site, tmp_path, answer, reason):
    bad, gone = site.at("/bad", answer), site.at("/gone", status(410))
    refused(lambda: fetch([bad, gone], tmp_path / "f", checksums=RIGHT, timeout=0.2),
            f"f: could not be fetched from {bad} (", reason, f" nor from {gone} (HTTP 410 Gone)", "--archive FILE")
    assert not (tmp_path / "f").exists() and len(site.ranges("/gone")) == 1


def test_a_host_that_is_not_there_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(download, "PAUSE", 0)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serving() as gone:
        address = gone.at("/f", plain(DATA))
    refused(lambda: fetch([address], tmp_path / "f"), address, "refused")


def test_a_file_of_another_size_is_not_even_begun(site, tmp_path):
    longer = site.at("/f", file(DATA + b"more"))
    refused(lambda: fetch([longer], tmp_path / "f", size=len(DATA)), "has 100,007 bytes, the published one 100,003")
    assert not only(tmp_path)


def endless(handler):
    """Send for as long as somebody reads, without a word on how much there is."""
    handler.send(200)
    while not handler.server.released.is_set():
        handler.wfile.write(DATA)


def test_a_body_without_an_end_is_given_up_at_the_limit(site, tmp_path):
    addresses = [site.at("/endless", endless), site.at("/right", file(DATA))]
    refused(lambda: fetch(addresses[:1], tmp_path / "f", limit=300_000), "/endless (", "more than 300,000 bytes")
    assert not only(tmp_path)
    fetch(addresses, tmp_path / "f", limit=300_000)
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_file_of_unknown_length_may_be_as_long_as_the_limit(site, tmp_path):
    fetch([site.at("/f", lambda handler: handler.send(200, DATA))], tmp_path / "f", limit=len(DATA))
    assert (tmp_path / "f").read_bytes() == DATA


def test_a_file_that_is_announced_too_long_is_not_even_begun(site, tmp_path):
    refused(lambda: fetch([site.at("/f", file(DATA))], tmp_path / "f", limit=100_000), "100,003 bytes",
            "more than 100,000")
    assert not only(tmp_path)


def test_what_does_not_look_right_is_not_kept(site, tmp_path):
    addresses = [site.at("/page", plain(b"Moved")), site.at("/f", file(DATA))]
    refused(lambda: fetch(addresses[:1], tmp_path / "f", looks_right=lambda path: False), "/page (", "something else")
    assert not only(tmp_path)
    fetch(addresses, tmp_path / "f", looks_right=lambda path: path.read_bytes() == DATA)
    assert (tmp_path / "f").read_bytes() == DATA


# ---- disks

def test_a_disk_without_room_is_told_before_anything_comes(site, tmp_path):
    refused(lambda: fetch([site.at("/f", file(DATA))], tmp_path / "f", size=10**18), tmp_path, "1000000000.00 GB")
    assert not site.asked


def test_a_disk_without_room_for_what_is_announced_is_told_before_it_comes(site, tmp_path, monkeypatch):
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: SimpleNamespace(free=100_000))
    refused(lambda: fetch([site.at("/f", file(DATA))], tmp_path / "f"), tmp_path, "are needed there")
    assert not only(tmp_path)


def test_a_disk_that_fills_up_is_told_by_the_name_of_the_file(site, tmp_path, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space") as error:
        fetch([site.at("/f", file(DATA))], tmp_path / "f")
    assert error.value.filename == str(tmp_path / "f.part")


def test_a_folder_that_cannot_be_is_told_by_its_name(site, tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(OSError) as error:
        fetch([site.at("/f", file(DATA))], tmp_path / "taken/f")
    assert str(tmp_path / "taken") in str(error.value.filename)

"""Fetching large files over HTTP: resumed where they broke off, checked, and under their own name only when whole.

What has come of a file lies beside it as NAME.part. It is gone on with by the next request, address or run.
"""
import hashlib
import http.client
import os
import re
import shutil
import time
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

from minifcn import __version__, cli
from minifcn.errors import InputError

BLOCK = 1 << 18
TRIES = 4  # requests to one address in a row that bring nothing
LIMIT = 50 * 10**9  # bytes; twenty times the largest archive here
PAUSE = 0.5  # seconds before the next request, doubled by each in a row that brought nothing


class Unavailable(InputError):
    """No address has the file."""


class _Failed(Exception):
    """Why an address is given up, in a few printable words: some of them are the server's."""

    def __init__(self, reason):
        super().__init__("".join(letter if letter.isprintable() else " " for letter in reason[:200]).strip())


class _BrokeOff(_Failed):
    """Why a request brought nothing or not all: the next one may."""


def fetch(addresses, path, *, checksums=(), size=None, limit=LIMIT, looks_right=None, timeout=30):
    """Fetch a file from the first of the addresses (http, https) that has it right -> its Path. One there is kept.

    checksums are texts like "md5:6cd6...", any of which will do: what a client un-gzips in transit has another than
    what was published. size in bytes, if known; no more than limit is taken, whatever a server sends. looks_right(path)
    judges what came. timeout in seconds without a byte. Unavailable, an InputError, names every address and what was
    wrong with it.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    if path.exists():
        if matches(path, checksums):
            return path
        print(f"{path}: not the file that was published; fetching it again")
    path.parent.mkdir(parents=True, exist_ok=True)
    check_room(path.parent, (size or 0) - _length(part))
    reasons = []
    for address in addresses:
        print(f"fetching {address}" + (f", from byte {_length(part):,} on" if part.exists() else ""))
        try:
            _fetch_from(address, part, checksums, size, limit, timeout)
            if looks_right and not looks_right(part):
                part.unlink()
                raise _Failed("what came is something else")
        except _Failed as reason:
            reasons.append(f"{address} ({reason})")
            continue
        if not checksums:
            print(f"{path.name}: no checksum is published to compare with; its sha256 is {digest(part, 'sha256')}")
        os.replace(part, path)
        return path
    raise Unavailable(f"{path.name}: could not be fetched from {' nor from '.join(reasons)}. Try again later (what has "
                      "come is kept), or fetch it by hand and name it: --archive FILE")


def _fetch_from(address, part, checksums, size, limit, timeout):
    while True:
        from_here = not part.exists()
        _download(address, part, size, limit, timeout)
        if matches(part, checksums):
            return
        part.unlink()
        if from_here:  # else its beginning may have been wrong: once more, from the first byte on
            raise _Failed("what came has another checksum than what was published")


def _download(address, part, size, limit, timeout):
    """Request what is missing until nothing is, or nothing comes any more."""
    furthest, in_vain = _length(part), 0
    while True:
        try:
            return _request(address, part, size, limit, timeout)
        except _BrokeOff as reason:
            in_vain = 0 if _length(part) > furthest else in_vain + 1
            furthest = max(furthest, _length(part))
            if in_vain == TRIES:
                raise
            print(f"{reason}; trying again")
            time.sleep(PAUSE * 2**in_vain)


def _request(address, part, size, limit, timeout):
    """Append to the part what the server has beyond it; return when that was all."""
    offset = _length(part)
    if offset == size or (response := _answer(address, part, offset, timeout)) is None:
        return
    with response:
        offset, end = _extent(response, part, offset, size)
        if (end or 0) > limit:
            raise _Failed(f"its file has {end:,} bytes, more than {limit:,}, which would be plenty")
        check_room(part.parent, (end or 0) - _length(part))
        offset = _append(response, part, offset, end, limit)
    if end is None and offset > limit:
        part.unlink()
        raise _Failed(f"more than {limit:,} bytes came, which would be plenty")
    if offset < (end or 1):  # a connection that closes at once is no empty file
        raise _BrokeOff(f"broke off at {offset:,} of {f'{end:,}' if end else 'all'} bytes")


def _answer(address, part, offset, timeout):
    """The response to a request for the bytes from offset on; None where the server says that there are none left."""
    request = urllib.request.Request(address, headers={"Range": f"bytes={offset}-"} if offset else {})
    try:
        return _opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and offset and _content_range(error.headers) == (None, offset):
            return None
        if error.code == 416:
            part.unlink(missing_ok=True)
        may_pass = error.code in (408, 416, 429) or error.code >= 500
        raise (_BrokeOff if may_pass else _Failed)(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _BrokeOff(_why(error)) from error


def _extent(response, part, offset, size):
    """Where in the file the bytes of a response begin and where the file ends (None: not known)."""
    if response.status not in (200, 206) or response.headers.get_content_type() == "text/html":
        raise _Failed(f"HTTP {response.status} {response.reason}, {response.headers.get_content_type()}: not the file")
    start, total = (0, response.length) if response.status == 200 else _content_range(response.headers)
    if size is not None and total not in (None, size):
        raise _Failed(f"its file has {total:,} bytes, the published one {size:,}")
    if start not in (0, offset):  # 0: all of it, whatever was asked for
        part.unlink(missing_ok=True)  # the next request is for all of it: no range to get wrong
        raise _BrokeOff(f"asked for byte {offset:,} on, it sent others")
    return start, size if total is None else total


def _append(response, part, offset, end, limit):
    """Write the body from offset on, up to end, or a byte beyond limit; return where it ended.

    Ctrl-C leaves all that has come.
    """
    last = limit + 1 if end is None else end
    bar = cli.progress_bar(end, part.stem, "B", initial=offset, unit_scale=True)
    with bar, naming(part), open(part, "r+b" if offset else "wb") as file:
        file.seek(offset)
        while block := _read(response, min(BLOCK, last - offset)):
            file.write(block)
            offset += len(block)
            bar.update(len(block))
        file.flush()
        os.fsync(file.fileno())
    return offset


def _opener():
    """urllib's, without the handlers of ftp:, file: and data: that a redirection could lead to."""
    opener = urllib.request.OpenerDirector()
    for name in ("ProxyHandler", "UnknownHandler", "HTTPHandler", "HTTPSHandler", "HTTPRedirectHandler",
                 "HTTPDefaultErrorHandler", "HTTPErrorProcessor"):
        opener.add_handler(getattr(urllib.request, name)())
    opener.addheaders = [("User-Agent", f"minifcn/{__version__}")]
    return opener


def _content_range(headers):
    """(first byte, bytes in all) of a Content-Range, None for either that it does not tell."""
    told = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(?:(\d+)|\*)", headers.get("Content-Range", ""))
    return tuple(None if number is None else int(number) for number in told.groups()) if told else (None, None)


def _read(response, count):
    """Up to count bytes as soon as there are some, b"" at the end. Only here an OSError is the network's."""
    try:
        return response.read1(count) if count > 0 else b""
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise _BrokeOff(f"broke off ({_why(error)})") from error


def _why(error):
    error = getattr(error, "reason", error)  # urllib wraps what the connection raised
    if isinstance(error, TimeoutError):
        return "timed out"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _length(path):
    return path.stat().st_size if path.exists() else 0


def matches(path, checksums):
    """Whether a file has one of the checksums; any file has where none are known."""
    pairs = [checksum.split(":") for checksum in checksums]
    return not pairs or any(digest(path, kind) == known for kind, known in pairs)


def digest(path, kind):
    """A file's checksum, in hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, kind).hexdigest()


def check_room(folder, needed):
    """InputError where a folder's disk has fewer free bytes than needed."""
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise InputError(f"{folder}: {needed / 1e9:.2f} GB are needed there, {free / 1e9:.2f} GB are free; make room, "
                         "or name another folder")


@contextmanager
def naming(path):
    """Lets an OSError name the file that was written: a full disk's does not of itself."""
    try:
        yield
    except OSError as error:
        if error.filename is None:
            error.filename = str(path)
        raise

"""One array out of a MATLAB file: what is in it, and one line about everything that may be wrong with it."""
import struct
import zlib

import h5py
import numpy as np
import pytest
from refusal import refused
from scipy.io import savemat
from scipy.sparse import csc_matrix

from minifcn.datasets import matfile
from minifcn.datasets.matfile import read_array
from minifcn.errors import InputError

LABELS = np.arange(35, dtype=np.uint16).reshape(5, 7) * 3


@pytest.fixture
def path(tmp_path):
    return tmp_path / "x.mat"


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32])
def test_integers_come_as_stored(path, dtype):
    labels = (LABELS - np.int32(60 if np.iinfo(dtype).min else 0)).astype(dtype)  # below 0 where that can be
    for packed in (False, True):
        savemat(path, {"other": [[1]], "S": labels}, do_compression=packed)
        found = read_array(path, "S")
        np.testing.assert_array_equal(found, labels)
        assert found.dtype == dtype and found.flags.c_contiguous and found.flags.writeable


def element(kind, content):
    """An element of a file with the most significant byte first."""
    return struct.pack(">2I", kind, len(content)) + content + bytes(-len(content) % 8)


def test_the_other_order_of_bytes_is_read(path):
    """As the format's description says; scipy writes the one order only."""
    matrix = (element(6, struct.pack(">2I", 9, 0)) + element(5, struct.pack(">2i", 2, 3)) + struct.pack(">2H", 1, 1)
              + b"S\0\0\0" + element(3, struct.pack(">6h", 1, -2, 3, 400, 5, 6)))
    path.write_bytes(bytes(124) + b"\1\0MI" + element(14, matrix))
    found = read_array(path, "S")
    assert found.tolist() == [[1, 3, 5], [-2, 400, 6]] and found.dtype.isnative


def test_whole_doubles_are_integers_and_others_are_refused(path):
    savemat(path, {"S": LABELS - 1.0})
    found = read_array(path, "S")
    assert found.dtype.kind == "i" and (found == LABELS.astype(int) - 1).all()
    for wrong in (0.5, np.nan, np.inf, 1e300):
        labels = LABELS.astype(float)
        labels[3, 2] = wrong
        savemat(path, {"S": labels})
        refused(lambda: read_array(path, "S"), path, f"S holds {wrong:g}", "whole number")


def test_a_field_is_found_by_its_name_wherever_it_stands_in_the_struct(path):
    parts = {"Boundaries": csc_matrix(LABELS == 15), "Segmentation": LABELS, "Extra": np.ones((5, 7))}
    for order in (list(parts), list(parts)[::-1]):
        savemat(path, {"GTcls": {name: parts[name] for name in order}}, do_compression=True)
        np.testing.assert_array_equal(read_array(path, "GTcls", "Segmentation"), LABELS)


@pytest.mark.parametrize("value, field, words", [
    ("text", None, "S is no matrix"), (np.array([["a", 1]], object), None, "S is no matrix"),
    (csc_matrix(LABELS.astype(float)), None, "S is no matrix"), (np.ones((2, 3, 4)), None, "S is no matrix"),
    (1j * LABELS, None, "S is no matrix"), (np.zeros((0, 0)), None, "S is no matrix"),
    ({"a": LABELS}, None, "S is no matrix"), (LABELS, "a", "S is no struct with a field a"),
    ({"b": LABELS}, "a", "S is no struct with a field a"), ({"a": "text"}, "a", "S.a is no matrix")])
def test_what_is_not_a_matrix_of_numbers_is_refused(path, value, field, words):
    savemat(path, {"S": value})
    refused(lambda: read_array(path, "S", field), path, words)


def test_a_missing_variable_is_named_and_so_are_those_there_are(path):
    savemat(path, {"LabelMap": LABELS, "names": "sky"})
    refused(lambda: read_array(path, "S"), path, "no variable S; there are: LabelMap, names")


def test_version_7_3_is_named(path):
    with h5py.File(path, "w", userblock_size=512) as file:
        file["S"] = LABELS
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(124) + struct.pack("<H2s", 0x0200, b"IM"))
    refused(lambda: read_array(path, "S"), path, "7.3")


def test_a_file_that_is_missing_or_something_else_is_refused(path):
    refused(lambda: read_array(path, "S"), path, "No such file")
    for content in (b"", b"\0" * 9, b"<html>404</html>" * 40, b"\x89PNG\r\n\x1a\n" + bytes(200)):
        path.write_bytes(content)
        refused(lambda: read_array(path, "S"), path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_damaged_file_is_one_line_or_read_all_the_same(path, packed, rng):
    """Cut anywhere; or with a byte changed anywhere, which can also leave a file that is sound."""
    savemat(path, {"GTcls": {"Segmentation": LABELS, "Boundaries": csc_matrix(LABELS == 15)}}, do_compression=packed)
    whole = path.read_bytes()
    for end in range(0, len(whole), 5):
        path.write_bytes(whole[:end])
        refused(lambda: read_array(path, "GTcls", "Segmentation"), path)
    outcomes = set()
    for at in range(len(whole)):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.integers(8)]) + whole[at + 1:])
        try:
            outcomes.add(read_array(path, "GTcls", "Segmentation").ndim)
        except InputError as error:
            outcomes.add("refused")
            assert str(error).startswith(f"{path}: ") and "\n" not in str(error)
    assert outcomes == {2, "refused"}


def test_a_type_that_there_is_not_is_refused(path):
    """scipy's reader would end the process over it."""
    savemat(path, {"S": LABELS})
    content = path.read_bytes()
    tag = struct.pack("<2I", 4, 2 * LABELS.size)
    assert content.count(tag) == 1
    for kind in (0, 8, 10, 11, 14, 15, 17, 19, 20, 255, 65535):
        path.write_bytes(content.replace(tag, struct.pack("<2I", kind, 2 * LABELS.size)))
        refused(lambda: read_array(path, "S"), path, "damaged")


def test_sizes_that_are_not_those_of_the_numbers_are_refused(path):
    savemat(path, {"S": LABELS})
    content = path.read_bytes()
    tag = struct.pack("<2i", *LABELS.shape)
    assert content.count(tag) == 1
    for sizes in ((5, 8), (-1, 7), (7, -5), (1 << 30, 1 << 30), (0, 7)):
        path.write_bytes(content.replace(tag, struct.pack("<2i", *sizes)))
        refused(lambda: read_array(path, "S"), path)


def test_large_files_and_bombs_are_refused_before_they_are_read(path, monkeypatch):
    monkeypatch.setattr(matfile, "UNPACKED_BYTES", 100_000)
    savemat(path, {"GTcls": {"Segmentation": np.zeros((400, 500), np.uint8)}}, do_compression=True)
    assert path.stat().st_size < 1000
    refused(lambda: read_array(path, "GTcls", "Segmentation"), path, "unpacks to more than 100,000 bytes")
    savemat(path, {"GTcls": {"Segmentation": np.zeros((300, 300), np.uint8)}}, do_compression=True)
    assert read_array(path, "GTcls", "Segmentation").shape == (300, 300)
    monkeypatch.setattr(matfile, "FILE_BYTES", 200)
    refused(lambda: read_array(path, "GTcls", "Segmentation"), path, "a file of labels has at most 200")


def test_what_a_bomb_says_of_its_own_size_is_not_believed(path, monkeypatch):
    savemat(path, {"S": np.zeros((400, 500), np.uint8)})
    header, element = path.read_bytes()[:128], path.read_bytes()[128:]
    lie = zlib.compress(element[:4] + struct.pack("<I", 64) + element[8:])
    path.write_bytes(header + struct.pack("<2I", 15, len(lie)) + lie)
    monkeypatch.setattr(matfile, "UNPACKED_BYTES", 100_000)
    refused(lambda: read_array(path, "S"), path, "unpacks to more than")

"""What all readers of data sets have in common; and the machinery for two kinds of labels."""
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import archives
import numpy as np
import pytest
from PIL import Image
from refusal import refused

from minifcn.datasets import DATASETS, open_dataset
from minifcn.datasets.base import Segmentation, kinds, per_kind
from minifcn.errors import InputError

# name: (split, its IDs, how its archive is made)
ALL = {
    "voc": ("val", archives.VAL, archives.voc),
    "sbd": ("train", (*archives.TRAIN, archives.VAL[0]), archives.sbd),
    "context": ("train", (*archives.TRAIN, archives.MAIN[0]),
                lambda root: (archives.voc(root, 2010), archives.context(root))[1]),
    "nyud": ("test", ("5001", "5002"), archives.nyud),
    "siftflow": ("trainval", ("coast_natu975", "highway_bost164", "opencountry_land660"), archives.siftflow),
    "camvid": ("train", ("0006R0_f00930", "0001TP_006690"), archives.camvid),
}
STRANGERS = {"voc": [(21, 254)], "sbd": [(-1, 21, 256)], "context": [(-1, 460, 65536)], "nyud": [(-1, 41, 255, 256)],
             "siftflow": [(-1, 34, 255, 256), (-2, 4, 255)], "camvid": [(12, 255)]}  # by kind of labels


@pytest.fixture(params=ALL)
def name(request):
    return request.param


@pytest.fixture
def folder(name, tmp_path):
    return ALL[name][2](tmp_path)


def opened(name, root):
    return open_dataset(name, root, ALL[name][0])


def label_files(data):
    """Every file that holds labels of the first image."""
    several = len(kinds(data.classes)) > 1
    return [data.label_path(0, kind) for kind in range(2)] if several else [data.label_path(0)]


def write(path, numbers):
    """The same numbers in a label file of the same kind."""
    if path.suffix == ".png":
        Image.fromarray(numbers.astype(np.uint8)).save(path)
    else:
        variable = {"trainval": "LabelMap", "segmentation": "segmentation"}.get(path.parent.name, "S")
        archives.save_mat(path, **({"GTcls": {"Segmentation": numbers}} if path.parent.name == "cls"
                                   else {variable: numbers}))


# ---- every reader

def test_an_item_is_an_rgb_image_and_labels_that_are_classes_or_void(name, folder, tmp_path):
    data = opened(name, tmp_path)
    assert isinstance(data, Segmentation) and type(data) is DATASETS[name]
    assert (data.root, data.split, data.ids) == (folder, ALL[name][0], list(ALL[name][1]))
    assert len(data) == len(data.ids) and data.note is None
    for i, id_ in enumerate(data.ids):
        image, labels = data[i]
        assert image.dtype == labels.dtype == np.uint8 and image.shape == (*archives.size(id_), 3)
        layers = np.atleast_3d(labels)
        assert layers.shape == (*archives.size(id_), len(kinds(data.classes)))
        for k, names in enumerate(kinds(data.classes)):
            assert set(np.unique(layers[..., k])) <= {*range(len(names)), 255}
        np.testing.assert_array_equal(image, np.asarray(Image.open(data.image_path(i)).convert("RGB")))
        np.testing.assert_array_equal(labels, data.labels(i))
        assert labels.flags.writeable and labels.flags.c_contiguous


def test_the_root_is_found_from_the_folder_itself_or_a_parent(name, folder, tmp_path):
    between = folder.relative_to(tmp_path).parts
    for depth in range(len(between) + 1):
        assert opened(name, tmp_path.joinpath(*between[:depth])).root == folder


def test_check_counts_every_pixel_of_every_kind_in_one_reading(name, folder, tmp_path, monkeypatch):
    data, steps, read = opened(name, tmp_path), [], []
    one = type(data).labels
    monkeypatch.setattr(type(data), "labels", lambda self, i: read.append(i) or one(self, i))
    counts, sizes = data.check(progress=lambda: steps.append(1))
    assert len(steps) == len(data) and sorted(read) == list(range(len(data)))
    assert sizes.tolist() == [list(archives.size(id_)) for id_ in data.ids]
    assert len(counts) == len(kinds(data.classes))
    for k, (some, names) in enumerate(zip(counts, kinds(data.classes), strict=True)):
        assert some.dtype == np.int64 and some.shape == (len(data), len(names))
        for i in range(len(data)):
            layer = np.atleast_3d(one(data, i))[..., k]
            assert some[i].tolist() == [(layer == c).sum() for c in range(len(names))]


def test_colors_tell_the_classes_apart(name, folder, tmp_path):
    data = opened(name, tmp_path)
    colors = data.colors if len(kinds(data.classes)) > 1 else (data.colors,)
    for some, names in zip(colors, kinds(data.classes), strict=True):
        assert some.dtype == np.uint8 and some.shape == (len(names), 3) and len(np.unique(some, axis=0)) == len(names)
        assert len(set(names)) == len(names)


def test_a_number_that_is_no_class_is_refused_with_its_file_and_value(name, folder, tmp_path):
    """As it stands in the file: 256 and -1 would be 0 and 255 as bytes."""
    data = opened(name, tmp_path)
    for path, strangers in zip(label_files(data), STRANGERS[name], strict=True):
        numbers = np.ones(archives.size(data.ids[0]), np.int32)
        for number in strangers:
            numbers[3, 4] = number
            write(path, numbers)
            refused(lambda: data[0], path, f"value {number} is not one of")
        numbers[2, 2:5] = strangers[0], strangers[1], strangers[0]
        write(path, numbers)
        found = sorted({strangers[0], strangers[1], strangers[-1]})
        refused(lambda: data[0], path, f"values {', '.join(map(str, found))} are not one of")
        write(path, np.ones_like(numbers))


def test_labels_of_another_size_than_the_image_are_refused(name, folder, tmp_path):
    data = opened(name, tmp_path)
    for path in label_files(data):
        before = path.read_bytes()
        write(path, np.ones(archives.size(data.ids[0])[::-1], np.int16))
        refused(lambda: data[0], data.ids[0])
        path.write_bytes(before)
    data.check()


def test_a_damaged_or_missing_file_is_found_by_check_and_named(name, folder, tmp_path):
    data = opened(name, tmp_path)
    for path in (data.image_path(1), data.label_path(1)):
        before = path.read_bytes()
        path.write_bytes(before[:len(before) // 2])
        refused(data.check, path)
        path.unlink()
        refused(opened(name, tmp_path).check, path.stem, "no such", f"{data.split}.txt")
        path.write_bytes(before)
    data.check()


def test_nothing_but_void_is_nothing_to_learn_from(name, folder, tmp_path):
    if name == "context":
        pytest.skip("has no void")
    data = opened(name, tmp_path)
    void = {"voc": 255, "sbd": 255, "camvid": 11, "siftflow": 0, "nyud": 0}[name]
    for i in range(len(data)):
        write(data.label_path(i), np.full(archives.size(data.ids[i]), void, np.int16))
    refused(data.check, folder, "every pixel", "void", "nothing to learn")


def test_what_is_not_there_is_said_with_the_way_to_get_it(name, folder, tmp_path):
    command = f"python -m minifcn.datasets {'voc2012' if name == 'voc' else name} --root "
    refused(lambda: opened(name, tmp_path / "nowhere"), tmp_path / "nowhere", "no such folder", command)
    (tmp_path / "empty").mkdir()
    refused(lambda: opened(name, tmp_path / "empty"), tmp_path / "empty", "has no", command)
    labels = opened(name, tmp_path).label_path(0).parent
    shutil.rmtree(labels)
    refused(lambda: opened(name, tmp_path), "has no", labels.name, command)


def test_a_list_may_be_given_instead_of_the_splits(name, folder, tmp_path):
    split, ids, _ = ALL[name]
    data = open_dataset(name, tmp_path, split, ids=ids[:0:-1])
    assert data.ids == list(ids[:0:-1])
    assert data[0][1].tolist() == opened(name, tmp_path)[len(ids) - 1][1].tolist()
    refused(lambda: open_dataset(name, tmp_path, split, ids=[]), "no image")


def test_another_split_is_refused(name, folder, tmp_path):
    refused(lambda: open_dataset(name, tmp_path, "fold3"), "fold3")


def test_threads_may_share_a_data_set(name, folder, tmp_path):
    data = opened(name, tmp_path)
    barrier = threading.Barrier(6)

    def read(_):
        barrier.wait()
        return [data[i][1].tobytes() for i in range(len(data))]

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(read, range(6)))
    assert all(result == results[0] for result in results)


# ---- two kinds of labels

def test_two_kinds_of_labels_go_through_all_of_it(tmp_path):
    archives.siftflow(tmp_path)
    data = open_dataset("siftflow", tmp_path, "trainval")
    semantic, geometric = kinds(data.classes)
    assert (len(semantic), len(geometric)) == (33, 3)
    assert [colors.shape for colors in data.colors] == [(33, 3), (3, 3)] and data.left_out == ((8, 10, 15), ())
    assert [some.shape for some in data.check()[0]] == [(3, 33), (3, 3)]
    part = data.subset(2, seed=0)
    assert len(part) == 2 and part.take(part.ids[:1])[0][1].shape[2] == 2


def test_a_subset_covers_the_classes_of_both_kinds(tmp_path):
    """Only one image has the third geometric class: it is in every subset."""
    folder = archives.siftflow(tmp_path, trainval=[f"i{k}" for k in range(9)])
    for k in range(9):
        numbers = archives.raw(f"i{k}", (1, 2), np.int16)
        numbers[:3] = 3 if k == 4 else 1
        write(folder / f"GeoLabels/{archives.SCENES}/i{k}.mat", numbers)
    data = open_dataset("siftflow", tmp_path, "trainval")
    assert all("i4" in data.subset(2, seed).ids for seed in range(8))
    assert len({tuple(data.subset(2, seed).ids) for seed in range(8)}) > 1


def test_kinds_tells_one_from_two():
    assert kinds(("a", "b")) == kinds(["a", "b"]) == (("a", "b"),)
    assert kinds((("a", "b"), ("c",))) == kinds([["a", "b"], ["c"]]) == (("a", "b"), ("c",))
    assert per_kind([("a", "b")]) == ("a", "b") and per_kind(iter([1, 2])) == (1, 2)


# ---- by name

def test_an_unknown_name_is_refused():
    refused(lambda: open_dataset("cityscapes", ".", "train"), "'cityscapes'", *DATASETS)
    assert list(DATASETS) == list(ALL) and issubclass(InputError, ValueError)


def test_names_cost_nothing_until_one_is_used():
    code = ("import sys, minifcn.datasets as d; print(*{'PIL', 'scipy', 'h5py'} & set(sys.modules)); "
            "d.open_dataset; d.SBD; print(*{'scipy', 'h5py'} & set(sys.modules)); d.nothing")
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == [] and "has no attribute 'nothing'" in result.stderr

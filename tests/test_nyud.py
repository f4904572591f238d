"""NYUDv2: colour, depth and HHA in the authors' layout; and NYU's own file converted into that layout."""
import sys
from hashlib import sha256

import archives
import numpy as np
import pytest
from PIL import Image
from refusal import refused

from minifcn.datasets.nyud import CLASSES, NYUD
from minifcn.datasets.nyud_original import class_table, convert


@pytest.fixture
def folder(tmp_path):
    return archives.nyud(tmp_path)


# ---- the authors' layout

def test_0_is_void_and_the_classes_start_at_0(folder):
    data = NYUD(folder, "test")
    for i, name in enumerate(data.ids):
        raw = archives.raw(name, range(41), int)
        np.testing.assert_array_equal(data.labels(i), np.where(raw == 0, 255, raw - 1))
    assert len(CLASSES) == 40 and (CLASSES[0], CLASSES[19], CLASSES[39]) == ("wall", "floor mat", "otherprop")


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, float])
def test_labels_may_be_stored_as_any_numbers(folder, dtype):
    archives.save_mat(folder / "segmentation/img_5001.mat", segmentation=archives.raw("5001", (0, 1, 40), dtype))
    assert set(np.unique(NYUD(folder, "test").labels(0))) == {0, 39, 255}


def test_colour_comes_as_rgb_and_hha_in_the_order_of_its_file(folder):
    for i, name in enumerate(("5001", "5002")):
        color, hha = archives.photograph(name), archives.photograph(name, seed=1)
        np.testing.assert_array_equal(NYUD(folder, "test")[i][0], color)
        np.testing.assert_array_equal(NYUD(folder, "test", modality="hha")[i][0], hha)
        both = NYUD(folder, "test", modality="color-hha")[i][0]
        assert both.dtype == np.uint8 and both.shape == (*archives.size(name), 6)
        np.testing.assert_array_equal(both, np.concatenate([color, hha], axis=2))


def test_depth_comes_in_millimetres_beside_colour(folder):
    """All 16 bits of it; read as a picture it would be 8 bits, and 2550 mm would be 10."""
    image, labels = NYUD(folder, "test", modality="color-d")[1]
    assert image.dtype == np.uint16 and image.shape == (*labels.shape, 4)
    np.testing.assert_array_equal(image[..., :3], archives.photograph("5002"))
    np.testing.assert_array_equal(image[..., 3], archives.depth("5002"))
    assert {0, 2550, 9999} <= set(np.unique(image[..., 3]))


def test_depth_of_8_bits_or_of_another_size_is_refused(folder):
    path = folder / "data/depth/img_5001.png"
    archives.save_image(path, archives.depth("5001").astype(np.uint8))
    data = NYUD(folder, "test", modality="color-d")
    refused(lambda: data[0], path, "16 bits")
    archives.save_image(path, archives.depth("5001")[:, 2:])
    refused(data.check, path, "its labels are")


def test_check_reads_the_images_of_its_own_modality(folder):
    (folder / "data/hha/img_5002.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    NYUD(folder, "test").check()
    refused(NYUD(folder, "test", modality="color-hha").check, "hha", "img_5002.png")
    refused(lambda: NYUD(folder, "test", modality="lidar"), "'lidar'", "color, hha, color-d, color-hha")


def test_trainval_is_its_list_or_train_and_val(folder):
    assert NYUD(folder, "trainval").ids == ["5003", "5004", "5011"]
    archives.save_list(folder / "trainval.txt", ["5011", "5003"])
    assert NYUD(folder, "trainval").ids == ["5011", "5003"]
    (folder / "trainval.txt").unlink()
    (folder / "val.txt").unlink()
    refused(lambda: NYUD(folder, "trainval"), folder / "val.txt", "python -m minifcn.datasets nyud --root")


# ---- NYU's own file

@pytest.fixture(scope="module")
def original(tmp_path_factory):
    pytest.importorskip("h5py")
    return archives.nyud_original(tmp_path_factory.mktemp("original"))


def spoiled(original, tmp_path, spoil):
    """A copy of the original after spoil(h5py file)."""
    import h5py

    path = tmp_path / "spoiled.mat"
    path.write_bytes(original[0].read_bytes())
    with h5py.File(path, "a") as file:
        spoil(file)
    return path


def test_the_map_of_894_names_is_the_published_one():
    table = class_table()
    assert sha256(table[1:].tobytes()).hexdigest() == "9c75cdc1ff39748751966fe8d8493b1d2ca3acda9ec861b2f70f52221d65a7bd"
    assert table[0] == 0 and table.shape == (895,) and table.dtype == np.uint8


def test_the_converted_data_set_is_the_original_cropped(original, tmp_path):
    """Axes swapped, not reshaped; numbers from 1 on; rows 45 to 469, columns 40 to 599."""
    mat, splits, (images, depths, labels) = original
    out = convert(mat, splits, tmp_path / "nyud")
    trainval, test = (NYUD(out, split, modality="color-d") for split in ("trainval", "test"))
    assert (trainval.ids, test.ids) == (["5003", "5001"], ["5002"])
    for data, i, number in ((trainval, 0, 3), (trainval, 1, 1), (test, 0, 2)):
        image, found = data[i]
        assert image.shape == (425, 560, 4)
        np.testing.assert_array_equal(image[..., :3], images[number - 1, 45:470, 40:600])
        np.testing.assert_allclose(image[..., 3], 1000 * depths[number - 1, 45:470, 40:600], atol=0.501)
        expected = class_table()[labels[number - 1, 45:470, 40:600]].astype(int) - 1
        np.testing.assert_array_equal(found, np.where(expected < 0, 255, expected))
    for split in ("train", "val"):  # how the authors divided trainval is in neither file
        refused(lambda split=split: NYUD(out, split), f"{split}.txt")
    refused(lambda: convert(mat, splits, out), out, "there is a data set already")


def test_what_was_interrupted_is_no_data_set_and_can_be_done_again(original, tmp_path, monkeypatch):
    save, count = Image.Image.save, []

    def stops(self, *args, **options):
        count.append(1)
        if len(count) == 4:
            raise KeyboardInterrupt
        return save(self, *args, **options)

    monkeypatch.setattr(Image.Image, "save", stops)
    with pytest.raises(KeyboardInterrupt):
        convert(*original[:2], tmp_path / "nyud")
    refused(lambda: NYUD(tmp_path / "nyud", "test"), "test.txt")
    monkeypatch.undo()
    NYUD(convert(*original[:2], tmp_path / "nyud"), "test", modality="color-d").check()


def test_links_and_data_outside_the_file_are_not_followed(original, tmp_path):
    import h5py

    (tmp_path / "secret").write_bytes(b"s" * 3 * 640 * 480 * 4)
    layout = h5py.VirtualLayout((3, 640, 480), np.float32)
    layout[:] = h5py.VirtualSource(original[0], "depths", (3, 640, 480))
    for name, put in {
        "labels": lambda file: file.__setitem__("labels", h5py.ExternalLink(original[0], "labels")),
        "images": lambda file: file.__setitem__("images", h5py.SoftLink("/rawDepths")),
        "depths": lambda file: file.create_dataset("depths", (3, 640, 480), np.float32,
                                                   external=[(tmp_path / "secret", 0, 3 * 640 * 480 * 4)])}.items():
        path = spoiled(original, tmp_path, lambda file, name=name, put=put: (file.__delitem__(name), put(file)))
        refused(lambda path=path: convert(path, original[1], tmp_path / "out"), path, name,
                "link" if name != "depths" else "not an array in this file")
    path = spoiled(original, tmp_path, lambda file: (file.__delitem__("depths"),
                                                     file.create_virtual_dataset("depths", layout)))
    refused(lambda: convert(path, original[1], tmp_path / "out"), path, "depths", "not an array in this file")
    assert not (tmp_path / "out").exists()


def test_files_that_are_not_the_original_are_refused(original, tmp_path):
    out = tmp_path / "out"
    cases = {"has no variable depths": lambda file: file.__delitem__("depths"),
             "labels is float32": lambda file: (file.__delitem__("labels"), file.copy("depths", "labels")),
             "images is uint8 (3, 640, 480)": lambda file: (
                 file.__delitem__("images"), file.__setitem__("images", np.zeros((3, 640, 480), np.uint8))),
             "value 895 is not one of": lambda file: file["labels"].__setitem__((0, 300, 200), 895),
             "do not fit": lambda file: file["depths"].__setitem__((2, 300, 200), np.nan)}
    for words, spoil in cases.items():
        path = spoiled(original, tmp_path, spoil)
        refused(lambda path=path: convert(path, original[1], out), path, words)
    cut = tmp_path / "cut.mat"
    cut.write_bytes(original[0].read_bytes()[:5000])
    for path in (cut, original[1], tmp_path / "missing.mat"):
        refused(lambda path=path: convert(path, original[1], out), path, "MATLAB 7.3")
    assert not list(out.glob("*.txt"))


def test_splits_count_from_1_and_name_each_image_once(original, tmp_path):
    for train, test, words in (([0, 1], [2], "0..2"), ([1, 4], [2], "1..4"), ([1, 2], [2], "twice")):
        path = tmp_path / "splits.mat"
        archives.save_mat(path, trainNdxs=np.array([train], np.uint16).T, testNdxs=np.array([test], np.uint16).T)
        refused(lambda path=path: convert(original[0], path, tmp_path / "out"), path, words)


def test_without_h5py_the_way_to_install_it_is_named(original, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "h5py", None)
    refused(lambda: convert(*original[:2], tmp_path / "out"), 'pip install "minifcn[nyud]"')

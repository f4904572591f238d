"""CamVid of the SegNet tutorial: 11 is void, and the lists are of another machine."""
import archives
import numpy as np
import pytest
from PIL import Image
from refusal import refused

from minifcn.datasets.camvid import SEGNET_WEIGHTS, CamVid


@pytest.fixture
def folder(tmp_path):
    return archives.camvid(tmp_path)


def test_11_is_void_and_the_classes_stay(folder):
    data = CamVid(folder, "val")
    raw = archives.raw(data.ids[0], range(12), int)
    np.testing.assert_array_equal(data.labels(0), np.where(raw == 11, 255, raw))
    (counts,), sizes = data.check()
    assert counts.sum() == (raw < 11).sum() < sizes.prod()


def test_there_are_11_classes_without_road_marking(folder):
    data = CamVid(folder, "test")
    assert len(data.classes) == len(data.colors) == len(SEGNET_WEIGHTS) == 11
    known = {name: (*color, weight)
             for name, color, weight in zip(data.classes, data.colors.tolist(), SEGNET_WEIGHTS, strict=True)}
    assert known["Pavement"] == (60, 40, 222, 0.9051) and known["SignSymbol"] == (192, 128, 128, 9.6446)
    assert known["Sky"] == (128, 128, 128, 0.2595) and known["Bicyclist"] == (0, 128, 192, 7.3614)


def test_only_the_names_in_a_list_count(folder):
    data = CamVid(folder, "train")
    assert data.ids == ["0006R0_f00930", "0001TP_006690"]  # its order, not that of the names
    assert data.image_path(1) == folder / "train/0001TP_006690.png"
    assert data.label_path(1) == folder / "trainannot/0001TP_006690.png"
    archives.save_list(folder / "train.txt", ["C:/x/0001TP_006690.png C:/y/0001TP_006690.png", "", "0006R0_f00930"])
    assert CamVid(folder, "train").ids == ["0001TP_006690", "0006R0_f00930"]


def test_without_a_list_the_folder_is_the_list(folder):
    (folder / "train.txt").unlink()
    assert CamVid(folder, "train").ids == ["0001TP_006690", "0006R0_f00930"]
    for path in (folder / "val").iterdir():
        path.unlink()
    (folder / "val.txt").unlink()
    refused(lambda: CamVid(folder, "val"), folder, "no image in split val")


def test_a_list_that_pairs_different_images_or_repeats_one_is_refused(folder):
    archives.save_list(folder / "val.txt", ["/SegNet/CamVid/val/a.png /SegNet/CamVid/valannot/b.png"])
    refused(lambda: CamVid(folder, "val"), folder / "val.txt", "pairs a with b")
    archives.save_list(folder / "val.txt", ["/SegNet/CamVid/val/a.png /SegNet/CamVid/valannot/a.png"] * 2)
    refused(lambda: CamVid(folder, "val"), folder / "val.txt", "a is there twice")


def test_a_colour_mask_of_the_original_packaging_is_refused(folder):
    data = CamVid(folder, "val")
    Image.fromarray(archives.photograph(data.ids[0])).save(data.label_path(0))
    refused(lambda: data[0], data.label_path(0), "colour mask")

"""SBD: labels are a field of a struct in a MATLAB file, and its train split holds images of VOC's val."""
import archives
import numpy as np
import pytest
from refusal import refused

from minifcn.datasets.sbd import SBD
from minifcn.datasets.voc import VOC_CLASSES, VOCSegmentation
from minifcn.palette import voc_colors

NAME = archives.VAL[1]  # all of the split val


@pytest.fixture
def folder(tmp_path):
    return archives.sbd(tmp_path)


def label(folder, **fields):
    archives.save_mat(folder / f"cls/{NAME}.mat", GTcls=fields)


def test_labels_are_the_classes_and_not_the_instances(folder):
    data = SBD(folder, "val")
    np.testing.assert_array_equal(data[0][1], archives.raw(NAME, range(21)))
    assert data.classes == VOC_CLASSES and (data.colors == voc_colors(21)).all()


def test_the_field_is_found_by_its_name(folder):
    """The first field of some files is another one, and of the same shape."""
    labels = archives.raw(NAME, (0, 15, 20))
    label(folder, Other=labels // 5, Segmentation=labels)
    np.testing.assert_array_equal(SBD(folder, "val").labels(0), labels)
    label(folder, Segmentation=labels, Other=labels // 5)
    np.testing.assert_array_equal(SBD(folder, "val").labels(0), labels)
    label(folder, Segmentations=labels)
    refused(lambda: SBD(folder, "val").labels(0), f"{NAME}.mat", "no struct with a field Segmentation")


def test_255_stays_void_and_uncategorised_pixels_are_background(folder):
    label(folder, Segmentation=archives.raw(NAME, (0, 3, 255)))
    data = SBD(folder, "val")
    assert set(np.unique(data.labels(0))) == {0, 3, 255}
    (counts,), sizes = data.check()
    assert counts[0, 0] > 0 and counts.sum() < sizes.prod()


def test_any_list_beside_the_official_ones_is_a_split(folder):
    archives.save_list(folder / "train_noval.txt", archives.TRAIN)
    assert SBD(folder, "train_noval").ids == list(archives.TRAIN)
    refused(lambda: SBD(folder, "test"), folder / "test.txt", "no such split")


def test_no_image_of_seg11valid_is_in_its_train_split_though_some_of_vocs_val_are(tmp_path):
    archives.voc(tmp_path, 2011)
    archives.sbd(tmp_path)
    train = set(SBD(tmp_path, "train").ids)
    assert train & set(VOCSegmentation(tmp_path, "val").ids)
    assert not train & set(VOCSegmentation(tmp_path, "seg11valid").ids)

"""PASCAL-Context: 459 classes mapped to the 59 of the task and background, in FCN's order."""
import archives
import numpy as np
import pytest
from refusal import refused

from minifcn.datasets.context import CLASSES, NUMBERS, PASCALContext
from minifcn.datasets.voc import VOC_CLASSES

NAME = archives.TRAIN[0]


@pytest.fixture
def root(tmp_path):
    archives.voc(tmp_path, 2010)
    return archives.context(tmp_path)


def labels_of(root, numbers):
    archives.save_mat(root / f"trainval/{NAME}.mat", LabelMap=numbers)
    return PASCALContext(root, "train").labels(0)


def test_every_number_has_the_class_of_the_table(root):
    """Above 255 too: as a byte, 258, motorbike, would be 2, aeroplane."""
    numbers = np.arange(460, dtype=np.uint16).reshape(20, 23)
    archives.save_image(root / f"VOCdevkit/VOC2010/JPEGImages/{NAME}.jpg", np.zeros((20, 23, 3), np.uint8))
    expected = np.zeros((20, 23), int)
    for task, number in enumerate(NUMBERS, start=1):
        expected[number // 23, number % 23] = task
    np.testing.assert_array_equal(labels_of(root, numbers), expected)
    assert PASCALContext(root, "train").check()[0][0][0].tolist() == [460 - 59, *[1] * 59]


@pytest.mark.parametrize("number, name", [
    (2, "aeroplane"), (258, "motorbike"), (284, "person"), (427, "tvmonitor"), (9, "bag"), (59, "car"), (458, "wood"),
    (68, "ceiling"), (415, "track"), (397, "diningtable"), (19, "bedcloth"), (80, "clothes"), (115, "door"),
    (0, "background"), (1, "background"), (255, "background"), (459, "background")])
def test_numbers_have_the_names_of_fcns_list(root, number, name):
    """In tables of other code classes are in the order of these numbers: there, bag is the second."""
    assert CLASSES[labels_of(root, np.full(archives.size(NAME), number, np.uint16))[0, 0]] == name


def test_there_are_60_classes_of_which_the_first_21_are_vocs(root):
    assert len(CLASSES) == 60 == len(NUMBERS) + 1 and CLASSES[:21] == VOC_CLASSES and len(set(NUMBERS)) == 59
    assert NUMBERS[10] > NUMBERS[11]  # not ascending


def test_background_is_scored_and_nothing_is_void(root):
    data = PASCALContext(root, "val")
    (counts,), sizes = data.check()
    assert (counts.sum(axis=1) == sizes.prod(axis=1)).all() and counts[:, 0].all() and data.left_out == ()


def test_splits_are_those_of_detection(root):
    """Segmentation lists fewer images: only those with VOC's own masks."""
    assert PASCALContext(root, "train").ids == [*archives.TRAIN, archives.MAIN[0]]
    assert PASCALContext(root, "val").ids == [*archives.VAL, archives.MAIN[1]]
    refused(lambda: PASCALContext(root, "trainval"), "'trainval'", "train, val")


def test_labels_may_lie_below_and_images_beside(tmp_path):
    """As archives are unpacked side by side, with VOC 2011's TrainVal."""
    archives.voc(tmp_path, 2011)
    archives.voc(tmp_path, 2010)
    archives.context(tmp_path / "pascal-context")
    data = PASCALContext(tmp_path, "val")
    assert data.root == tmp_path / "pascal-context" and data.voc == tmp_path / "VOCdevkit/VOC2010"
    data.check()


def test_both_halves_are_needed(tmp_path):
    command = "python -m minifcn.datasets context"
    archives.voc(tmp_path, 2010)
    refused(lambda: PASCALContext(tmp_path, "val"), "has no trainval", command)
    archives.context(tmp_path / "labels")
    refused(lambda: PASCALContext(tmp_path / "labels", "val"), "has no JPEGImages and no ImageSets/Main", command)

"""SIFT Flow: two kinds of labels, each with a void of its own, and lists that do not come with the data."""
import archives
import numpy as np
import pytest
from refusal import refused

from minifcn.datasets.siftflow import GEOMETRIC, SEMANTIC, SIFTFlow

NAME = "street_par151"  # all of the split test


@pytest.fixture
def folder(tmp_path):
    return archives.siftflow(tmp_path)


def label(folder, kind, numbers):
    archives.save_mat(folder / f"{kind}/{archives.SCENES}/{NAME}.mat", S=numbers)


def test_classes_start_at_0_and_void_is_255_in_both_kinds(folder):
    labels = SIFTFlow(folder, "test").labels(0)
    semantic = archives.raw(NAME, range(34), int)
    np.testing.assert_array_equal(labels[..., 0], np.where(semantic == 0, 255, semantic - 1))
    geometric = archives.raw(NAME, (-1, 1, 2, 3), int)
    np.testing.assert_array_equal(labels[..., 1], np.where(geometric == -1, 255, geometric - 1))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, float])
def test_minus_1_is_void_whatever_it_is_stored_as(folder, dtype):
    """Made a byte before it is replaced, -1 is 255, and 255 - 1 would be a class number, 254."""
    label(folder, "GeoLabels", archives.raw(NAME, (-1, 0, 3), dtype))
    assert set(np.unique(SIFTFlow(folder, "test", labels="geometric").labels(0))) == {2, 255}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, float])
def test_labels_without_void_may_have_no_sign(folder, dtype):
    label(folder, "GeoLabels", archives.raw(NAME, (1, 2, 3), dtype))
    assert set(np.unique(SIFTFlow(folder, "test", labels="geometric").labels(0))) == {0, 1, 2}


def test_one_kind_alone_is_a_data_set_like_others(folder):
    both = SIFTFlow(folder, "test")
    for k, (kind, classes) in enumerate((("semantic", SEMANTIC), ("geometric", GEOMETRIC))):
        data = SIFTFlow(folder, "test", labels=kind)
        assert data.classes == classes == both.classes[k] and data.colors.shape == (len(classes), 3)
        np.testing.assert_array_equal(data.labels(0), both.labels(0)[..., k])
        assert data.label_path(0) == both.label_path(0, k) and len(data.check()[0]) == 1
    refused(lambda: SIFTFlow(folder, "test", labels="depth"), "'depth'", "both, semantic, geometric")


def test_the_means_leave_out_what_no_test_image_shows(folder):
    semantic, geometric = (SIFTFlow(folder, "test", labels=kind) for kind in ("semantic", "geometric"))
    assert [SEMANTIC[k] for k in semantic.left_out] == ["cow", "desert", "moon"] and geometric.left_out == ()
    assert SIFTFlow(folder, "test").left_out == (semantic.left_out, ())


def test_names_are_in_the_order_of_the_numbers():
    assert len(SEMANTIC) == 33 and list(SEMANTIC) == sorted(SEMANTIC) and GEOMETRIC == ("sky", "horizontal", "vertical")


def test_without_its_list_trainval_is_what_has_both_labels_and_is_not_for_test(folder):
    listed = SIFTFlow(folder, "trainval").ids
    (folder / "trainval.txt").unlink()
    assert SIFTFlow(folder, "trainval").ids == listed
    semantic, geometric = (folder / kind / archives.SCENES for kind in ("SemanticLabels", "GeoLabels"))
    archives.save_mat(semantic / "half_labelled.mat", S=archives.raw("half_labelled", (0, 1)))
    for kind in (semantic, geometric):  # one of the two without annotation: files of void would not make it labelled
        archives.save_mat(kind / "highway_bost181.mat", S=archives.raw("highway_bost181", (0,)))
    assert SIFTFlow(folder, "trainval").ids == listed


def test_a_missing_test_list_is_asked_for(folder):
    (folder / "trainval.txt").unlink()
    (folder / "test.txt").unlink()
    command = "python -m minifcn.datasets siftflow --root"
    for split in ("trainval", "test"):
        refused(lambda split=split: SIFTFlow(folder, split), folder / "test.txt", command)


def test_kinds_of_different_sizes_are_refused(folder):
    height, width = archives.size(NAME)
    label(folder, "GeoLabels", np.ones((height, width - 2)))
    refused(lambda: SIFTFlow(folder, "test").labels(0), "GeoLabels", NAME, "size")

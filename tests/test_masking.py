"""Images of which the labels hide a part, and what a net still knows of them."""
import numpy as np
import pytest
from refusal import refused
from tiny_runs import CLASSES, done, folder, random_model

from minifcn import train
from minifcn.analysis.masking import KEEP, TABLE_8, Masked, mean_color, study, table
from minifcn.datasets import VOCSegmentation
from minifcn.metrics import ConfusionMatrix
from minifcn.preprocess import NYUD_MEAN, VOC_MEAN, Preprocessing
from minifcn.scoring import evaluate

MEAN = (123, 117, 104)  # of VOC, as RGB


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "shapes", val=3)


@pytest.fixture(scope="module")
def val(data):
    return VOCSegmentation(data, "val")


@pytest.mark.parametrize("keep", KEEP)
def test_what_is_kept_is_shown_and_the_rest_is_the_mean_colour(val, keep):
    for (image, labels), (masked, same) in zip(val, Masked(val, keep), strict=True):
        np.testing.assert_array_equal(same, labels)
        assert masked.dtype == np.uint8 and masked.shape == image.shape
        for at in np.ndindex(labels.shape):
            is_object = labels[at] in (1, 2)
            shown = {"foreground": image[at] if is_object else MEAN,
                     "background": image[at] if labels[at] == 0 else MEAN,  # void, 255, is hidden here, too
                     "shape": (255, 255, 255) if is_object else MEAN}[keep]
            assert tuple(masked[at]) == tuple(shown), at


@pytest.mark.parametrize("preprocess", [VOC_MEAN, Preprocessing(), Preprocessing("RGB", (10, 20.4, 30.6)),
                                        *NYUD_MEAN.values()], ids=lambda p: f"{p.order}-{p.mean[0]:g}")
def test_the_mean_colour_is_what_becomes_zero(preprocess):
    depth = "D" in preprocess.order
    pixel = mean_color(preprocess).astype(np.uint16 if depth else np.uint8)
    assert (pixel == mean_color(preprocess)).all()
    x = preprocess(pixel.reshape(1, 1, 1, -1))
    assert abs(x).max() <= 0.5 * preprocess.scale


def test_another_colour_is_that_of_another_net(val):
    masked, labels = Masked(val, "foreground", Preprocessing("BGR", (1, 2, 3)))[0]
    assert (masked[labels == 0] == (3, 2, 1)).all()


class Deep:
    """Two kinds of labels, of which the second says the contrary; images with more channels than colour."""

    root, classes = "deep", (("ground", "disc"), ("far", "near"))

    def __getitem__(self, i):
        labels = np.array([[0, 1, 255]], np.uint8)
        return np.full((1, 3, 6), 7, np.uint8), np.stack([labels, [[1, 0, 0]]], axis=2)


def test_of_two_kinds_of_labels_the_first_decides():
    masked, labels = Masked(Deep(), "background", NYUD_MEAN["color-hha"])[0]
    assert labels.shape == (1, 3, 2)
    assert (masked[0, 0] == 7).all() and (masked[0, 1:] == mean_color(NYUD_MEAN["color-hha"])).all()


def test_a_colour_that_does_not_fit_the_images_is_refused():
    refused(lambda: Masked(Deep(), "background")[0], "deep", "6 channels", "BGR")


def test_what_cannot_be_kept_is_refused(val):
    refused(lambda: Masked(val, "sky"), "keep", "sky", "foreground, background, shape")


def test_it_is_the_same_data_set_otherwise(val):
    masked = Masked(val, "shape")
    assert len(masked) == 3 and masked.ids == val.ids and masked.classes == val.classes and masked.note == val.note
    assert masked.root == val.root and masked.split == "val" and masked.left_out == () and masked.colors is val.colors
    np.testing.assert_array_equal(masked.labels(1), val.labels(1))
    np.testing.assert_array_equal(masked.check()[0][0], val.check()[0][0])
    one = masked.take(["v2"])
    assert one.ids == ["v2"] and masked.subset(2, 0).ids == val.subset(2, 0).ids
    for part in (one, masked.subset(1, 0)):
        np.testing.assert_array_equal(part[0][0], masked[val.ids.index(part.ids[0])][0])


def test_the_study_scores_a_net_on_what_it_is_shown_without_the_background(val):
    model, counts = random_model(), []
    model.net.params["score_fr.b"][...] -= model.scores(val[0][0][None]).mean(axis=(0, 2, 3))  # or it says one class
    found = study(model, val, progress=counts.append)
    assert list(found) == ["Reference", "Reference-FG", "Reference-BG"] and sum(counts) == 9
    own = model.net.preprocess
    for row, data in zip(found, (val, Masked(val, "foreground", own), Masked(val, "background", own)), strict=True):
        wanted, _ = evaluate(model, data)
        np.testing.assert_array_equal(found[row].counts, wanted.counts)
        assert found[row].mean_iu == np.nanmean(wanted.iu[1:])
    assert len({matrix.mean_iu for matrix in found.values()}) == 3 and min(m.mean_iu for m in found.values()) > 0


def test_the_study_leaves_out_what_the_data_set_does(val):
    some = val.take(val.ids)
    some.left_out = (2,)
    assert [matrix.left_out for matrix in study(random_model(), some).values()] == [(0, 2)] * 3


@pytest.mark.parametrize("keep, row", [
    ("foreground", "FG-only"), ("background", "BG-only"), ("shape", "Shape")])
def test_a_net_trained_on_masks_is_shown_the_same_masks(val, keep, row):
    model = random_model()
    found = study(model, val, keep)
    assert list(found) == [row]
    np.testing.assert_array_equal(found[row].counts, evaluate(model, Masked(val, keep))[0].counts)


def test_the_papers_figures_stand_beside():
    matrix = ConfusionMatrix(3, left_out=(0,))
    matrix.counts[...] = [[5, 0, 0], [0, 3, 1], [0, 0, 4]]
    lines = table(dict.fromkeys(TABLE_8, matrix)).splitlines()
    assert [line.split() for line in lines[1:]] == [
        ["Reference", "77.5", "84.8"], ["Reference-FG", "77.5", "81.0"], ["Reference-BG", "77.5", "19.8"],
        ["FG-only", "77.5", "76.1"], ["BG-only", "77.5", "37.8"], ["Shape", "77.5", "29.1"]]


def test_train_sees_what_is_kept(data, tmp_path):
    text = done(train, "--data", data, "--keep", "shape", "--net", "fcn32s", "--epochs", 1, "--out", tmp_path / "run")
    assert "best mean IU" in text and (tmp_path / "run/best.safetensors").exists()
    assert CLASSES[1] in text

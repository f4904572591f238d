"""Scores over a split: one confusion matrix at the labels' own resolution, however images are grouped."""
import json
import re
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CLASSES, done, folder, random_model, refused, run

from minifcn import checkpoint, evaluate, scoring, tables
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix
from minifcn.palette import write_label_png


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Validation images of two sizes, several of one size in a row."""
    sizes = ((33, 41), (33, 41), (33, 41), (41, 33), (33, 41))
    return folder(tmp_path_factory.mktemp("data") / "shapes", train=1, val=10, sizes=sizes)


@pytest.fixture(scope="module")
def val(data):
    return VOCSegmentation(data, "val")


def one_by_one(model, dataset):
    """The definition: every image alone, -log p summed over all counted pixels."""
    matrix, loss = ConfusionMatrix(3), 0.0
    for i in range(len(dataset)):
        image, labels = dataset[i]
        matrix.update(model.predict(image), labels)
        p = model.probabilities(image).astype(np.float64)
        known = labels != 255
        loss -= np.log(np.take_along_axis(p, np.where(known, labels, 0)[None], axis=0)[0][known]).sum()
    return matrix, loss / matrix.counts.sum()


@pytest.mark.parametrize("max_side", [None, 25])
@pytest.mark.parametrize("pixels", [1, 33 * 41 * 2, 1 << 18])
def test_scores_do_not_depend_on_how_images_are_grouped(val, monkeypatch, pixels, max_side):
    model = random_model(max_side=max_side)
    monkeypatch.setattr(scoring, "BATCH_PIXELS", pixels)
    matrix, loss = evaluate.evaluate(model, val)
    expected, expected_loss = one_by_one(model, val)
    np.testing.assert_array_equal(matrix.counts, expected.counts)
    assert loss == pytest.approx(expected_loss, rel=1e-5)


def test_neighbours_of_one_size_go_through_the_net_together(val, monkeypatch):
    model, groups = random_model(), []
    strips = model.score_strips
    monkeypatch.setattr(model, "score_strips", lambda images: groups.append(images.shape[:3]) or strips(images))
    evaluate.evaluate(model, val)
    assert groups == [(3, 33, 41), (1, 41, 33), (4, 33, 41), (1, 41, 33), (1, 33, 41)]


def test_every_image_is_told_of_with_its_own_labels(val):
    model, told, counts = random_model(), [], []

    def each(i, truth, guess):
        np.testing.assert_array_equal(truth, val.labels(i))
        np.testing.assert_array_equal(guess, model.predict(val[i][0]))
        told.append(i)

    evaluate.evaluate(model, val, counts.append, each)
    assert told == list(range(10)) and sum(counts) == 10


def test_a_net_of_other_classes_is_refused(val):
    with pytest.raises(InputError, match="2 classes.*3"):
        evaluate.evaluate(random_model(classes=CLASSES[:2]), val)


def test_void_pixels_alone_have_no_loss(tmp_path):
    data = folder(tmp_path)
    write_label_png(data / "SegmentationClass/v0.png", np.full((33, 41), 255, np.uint8), np.zeros((3, 3)))
    (data / "ImageSets/Segmentation/val.txt").write_text("v0\n")
    matrix, loss = evaluate.evaluate(random_model(), VOCSegmentation(data, "val"))
    assert loss == 0 and np.isnan(matrix.mean_iu)


# ---- the tables

def test_the_tables_are_those_of_the_papers():
    matrix = ConfusionMatrix(3)
    matrix.counts[:2, :2] = [[6, 2], [1, 1]]
    text = tables.table({"FCN-32s": matrix, "FCN-8s": matrix})
    assert len({len(line) for line in text.splitlines()}) == 1
    assert re.search(r"^FCN-8s +70\.0 +62\.5 +45\.8 +58\.3$", text, re.MULTILINE)
    text = tables.class_table({"FCN-8s": matrix}, ("sky", "a thing of a long name", "void where"))
    assert re.search(r"^sky +66\.7$", text, re.MULTILINE) and re.search(r"^void where +-$", text, re.MULTILINE)
    assert len({len(line) for line in text.splitlines()}) == 1


@pytest.mark.parametrize("counts, said", [([[99, 1], [0, 0]], False), ([[992, 1], [5, 2]], True),
                                          ([[0, 0], [0, 0]], False)])
def test_one_class_everywhere_is_said_above_99_percent(counts, said):
    matrix = ConfusionMatrix(2)
    matrix.counts[:] = counts
    line = tables.one_class_warning(matrix, ("sea", "land"))
    assert (line is not None) == said
    assert not said or line.startswith("warning: 99.7 % of the predicted pixels are sea")


# ---- the command

def test_the_command_prints_scores_classes_and_loss(saved, data, val):
    text = done(evaluate, saved, "--data", data)
    matrix, loss = evaluate.evaluate(random_model(), val)
    assert text.startswith(f"fcn8s on 10 images of {data} (val); cpu")
    assert f"{100 * matrix.mean_iu:.1f}" in text and f"mean loss {loss:.4f}" in text
    assert all(re.search(rf"^{name} +[\d.]+$", text, re.MULTILINE) for name in CLASSES)
    assert re.search("on 1 images of .* \\(train\\)", done(evaluate, saved, "--data", data, "--split", "train"))


def test_with_out_it_writes_scores_and_pictures(saved, data, tmp_path):
    text = done(evaluate, saved, "--data", data, "--out", tmp_path / "new/scores")
    assert str(tmp_path / "new/scores") in text
    scores = json.loads((tmp_path / "new/scores/scores.json").read_text())
    assert scores["iu"].keys() == set(CLASSES) and 0 <= scores["mean_iu"] <= 1
    for name in ("confusion.png", "worst.png"):
        Image.open(tmp_path / "new/scores" / name).verify()


def test_classes_that_are_nowhere_have_no_number_in_the_files_either(tmp_path):
    """NaN is not JSON: other programs cannot read it."""
    classes = (*CLASSES, "nowhere")
    mine = folder(tmp_path / "data", classes=classes)
    model = random_model(classes=classes)
    model.net.params["score_fr.b"][3] = -1e9
    checkpoint.save(tmp_path / "net.safetensors", model.net, model.meta)
    done(evaluate, tmp_path / "net.safetensors", "--data", mine, "--out", tmp_path / "out")
    text = (tmp_path / "out/scores.json").read_text()
    assert json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in scores.json"))["iu"]["nowhere"] is None


@pytest.mark.parametrize("options, words", [
    (("--split", "tst"), ("tst.txt", "train, val")), (("--data", "nowhere"), ("nowhere", "VOC 2012")),
    (("--threads", 0), ("0", "at least 1")), (("--threads", "many"), ("many",))])
def test_what_cannot_be_evaluated_is_refused(saved, data, options, words):
    message = refused(evaluate, saved, "--data", data, *options)
    assert all(word in message for word in words), message


def test_a_bad_mask_is_refused(saved, tmp_path):
    data = folder(tmp_path)
    write_label_png(data / "SegmentationClass/v1.png", np.full((41, 33), 7, np.uint8), np.zeros((3, 3)))
    message = refused(evaluate, saved, "--data", data)
    assert "v1.png" in message and "7" in message


@pytest.mark.parametrize("meta, name, root", [
    ({}, None, "harbour"), ({"dataset": "voc"}, None, "harbour"), ({"model": "voc-fcn8s"}, None, "data"),
    ({"dataset": "nyud"}, None, "data"), ({}, "camvid", "data")])
def test_without_data_it_looks_where_its_help_says(monkeypatch, meta, name, root):
    asked = []
    monkeypatch.setattr(evaluate, "open_dataset", lambda name, root, *_, **__: asked.append(str(root)))
    evaluate.opened(SimpleNamespace(meta=meta), None, name, None)
    assert asked == [str(harbour.root()) if root == "harbour" else root]
    told = " ".join(run(evaluate, "--help").out.split())
    assert "default: Harbour, the embedded one; data, which python -m minifcn.datasets fills, for a net of the" in told


def test_help_is_no_error():
    result = run(evaluate, "--help")
    assert result.status == 0 and result.err == "" and "examples:\n  python -m minifcn.evaluate" in result.out

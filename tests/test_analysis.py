"""The command: python -m minifcn.analysis bound and masking."""
import re

import pytest
from tiny_runs import CLASSES, done, folder, random_model, refused, run

from minifcn.analysis import __main__ as command
from minifcn.analysis.bound import bound
from minifcn.analysis.masking import study
from minifcn.datasets import VOCSegmentation


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "shapes", train=1, val=2)


def test_bound_prints_ours_and_the_papers(data):
    text = done(command, "bound", "--data", data)
    mine = " +".join(f"{100 * matrix.mean_iu:.1f}" for matrix in bound(VOCSegmentation(data, "val")).values())
    assert text.startswith(f"the truth of 2 images of {data} (val)")
    assert re.search(f"^mean IU +{mine}$", text, re.MULTILINE)
    assert re.search(r"^PAMI .* 50\.9 +73\.3 .* 98\.5$", text, re.MULTILINE) and "a mark rather than a bound" in text
    assert "of 1 images" in done(command, "bound", "--data", data, "--split", "train")


def test_masking_prints_ours_and_the_papers(saved, data):
    text = done(command, "masking", saved, "--data", data)
    assert text.startswith(f"fcn8s on 2 images of {data} (val); cpu") and f"class 0, {CLASSES[0]}" in text
    found = study(random_model(), VOCSegmentation(data, "val"))
    for row, papers in (("Reference", "84.8"), ("Reference-FG", "81.0"), ("Reference-BG", "19.8")):
        assert re.search(f"^{row} +{100 * found[row].mean_iu:.1f} +{papers}$", text, re.MULTILINE), text


@pytest.mark.parametrize("keep, row", [
    ("foreground", "FG-only"), ("background", "BG-only"), ("shape", "Shape")])
def test_masking_takes_nets_that_were_trained_on_masks(saved, data, keep, row):
    lines = done(command, "masking", saved, "--data", data, "--keep", keep).splitlines()
    assert sum(line.startswith(row) for line in lines) == 1 and not any(line.startswith("Reference") for line in lines)


def test_harbour_is_analysed_unless_told_otherwise():
    assert "16 images of" in done(command, "bound", "--split", "hard")
    assert "16 images of" in done(command, "masking", "harbour-fcn32s", "--split", "hard")


@pytest.mark.parametrize("words, told", [
    ((), ("command", "--help")), (("bounds",), ("bounds", "masking")), (("masking",), ("checkpoint", "--help")),
    (("bound", "--data", "nowhere"), ("nowhere",)), (("bound", "--split", "tst"), ("tst.txt", "train")),
    (("bound", "--dataset", "coco"), ("coco",)), (("masking", "nix"), ("nix", "harbour-fcn8s")),
    (("masking", "harbour-fcn8s", "--keep", "sky"), ("sky", "shape")),
    (("masking", "harbour-fcn8s", "--threads", 0), ("0", "at least 1"))])
def test_what_cannot_be_analysed_is_refused(words, told):
    message = refused(command, *words)
    assert all(word in message for word in told), message


def test_a_net_of_other_classes_is_refused(data):
    message = refused(command, "masking", "harbour-fcn8s", "--data", data)
    assert "7 classes" in message and "3" in message


@pytest.mark.parametrize("words", [(), ("bound",), ("masking",)])
def test_help_is_no_error(words):
    result = run(command, *words, "--help")
    assert result.status == 0 and result.err == ""
    assert f"examples:\n  python -m minifcn.analysis {(*words, 'bound')[0]}" in result.out

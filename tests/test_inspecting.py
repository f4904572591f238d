"""Looking at a data set, and the command around it."""
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minifcn.cli import run
from minifcn.datasets.__main__ import main
from minifcn.datasets.inspecting import advice, inspect
from minifcn.errors import InputError
from minifcn.palette import distinct_colors, write_label_png

SIZE = 48


def photograph(seed=0, side=SIZE):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8))


def data_set(root, classes=("ground", "boat", "mast"), **splits):
    """VOC layout: {split: {id: labels}}."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True, exist_ok=True)
    (root / "classes.txt").write_text("\n".join(classes))
    for split, masks in splits.items():
        (root / f"ImageSets/Segmentation/{split}.txt").write_text("".join(f"{name}\n" for name in masks))
        for k, (name, labels) in enumerate(masks.items()):
            photograph(k, len(labels)).save(root / f"JPEGImages/{name}.jpg")
            write_label_png(root / f"SegmentationClass/{name}.png", labels, distinct_colors(len(classes)))
    return root


def scene(side=SIZE, *, mast=True):
    """Ground, a boat of 32 x 32, a mast one pixel wide on it, and one void row."""
    labels = np.zeros((side, side), np.uint8)
    labels[side - 32:, :32] = 1
    if mast:
        labels[:side - 32, 16] = 2
    labels[0] = 255
    return labels


def inspected(root, *options):
    """What the command prints about a sound data set."""
    said = []
    inspect(root, *options, say=said.append)
    return "\n".join(map(str, said))


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_sound_data_set_gets_its_figures(tmp_path):
    root = data_set(tmp_path / "mine", train={"a": scene(), "b": scene(mast=False)}, val={"c": scene(64)})
    said = inspected(root)
    assert "3 classes; train 2, val 1" in said and "nothing wrong" in said
    assert "3 images, 48 to 64 pixels wide, 48 to 64 high" in said
    total, void, boat, mast = 2 * 48**2 + 64**2, 48 + 48 + 64, 3 * 32**2, 15 + 31
    for name, pixels, images in (("boat", boat, 3), ("mast", mast, 2), ("ignored", void, 3)):
        assert re.search(rf"{name} +{100 * pixels / total:.1f} % +{images}\b", said), said


def test_bounds_tell_thin_things_from_thick_ones(tmp_path):
    said = inspected(data_set(tmp_path / "mine", train={"a": scene(), "b": scene()}, val={"c": scene()}))
    bound = {name: list(map(float, re.search(rf"{name} .*", said)[0].split()[-3:])) for name in ("boat", "mast")}
    assert sorted(bound["boat"]) == bound["boat"] and bound["boat"][-1] > 0.95 and max(bound["mast"]) < 0.4
    assert "Thin or small even for step 8: mast" in said and "Which net?" in said


@pytest.mark.parametrize("bound, words", [
    ({32: 0.95, 16: 0.96, 8: 0.97}, "fcn32s is fine enough"), ({32: 0.5, 16: 0.96, 8: 0.97}, "fcn16s is fine enough"),
    ({32: 0.5, 16: 0.8, 8: 0.97}, "your objects need fcn8s"),
])
def test_the_advice_is_the_coarsest_net_that_loses_nothing(bound, words):
    assert words in advice(bound) and "fcn16s 0." in advice(bound)


def test_the_picture_shows_image_mask_and_overlay(tmp_path):
    labels = scene()
    root = data_set(tmp_path / "mine", train={"a": labels}, val={"b": labels})
    assert "inspect-mine.png" in inspected(root)
    picture = np.asarray(Image.open("inspect-mine.png"))
    assert picture.shape[1] > 3 * 400
    for color in distinct_colors(3):
        assert (picture == color).all(axis=2).mean() > 0.001
    inspected(root, "val", tmp_path / "deep" / "p.jpg")
    assert Image.open(tmp_path / "deep" / "p.jpg").height < picture.shape[0]


def test_everything_wrong_is_listed_at_once(tmp_path, capsys):
    bad = scene()
    bad[3, 3] = 7
    root = data_set(tmp_path / "mine", train={k: scene() for k in "abcdef"} | {"bad": bad}, val={"f": scene()})
    (root / "JPEGImages/a.jpg").unlink()
    (root / "SegmentationClass/b.png").unlink()
    photograph(side=20).save(root / "JPEGImages/c.jpg")
    (root / "JPEGImages/d.jpg").write_bytes((root / "JPEGImages/d.jpg").read_bytes()[:-100])
    photograph().save(root / "SegmentationClass/e.png")
    (root / "ImageSets/Segmentation/test.txt").write_text("f\nf\n")
    (root / "ImageSets/Segmentation/extra.txt").write_text("")
    with pytest.raises(InputError, match="9 things wrong"):
        main(["inspect", str(root)])
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("wrong: ")]
    for word in ("a.jpg", "b.png", "c.jpg", "d.jpg", "e.png", "bad.png: value 7", "f is there twice", "split is empty",
                 "in train and in val (f)"):
        assert sum(word in line for line in lines) == 1, (word, lines)


def test_what_deserves_a_look_is_noted(tmp_path):
    root = data_set(tmp_path / "mine", ("ground", "boat", "mast", "ghost"),
                    train={"a": scene(mast=False), "x": scene()}, val={"b": scene()})
    (root / "ImageSets/Segmentation/train.txt").write_text("a\n")
    write_label_png(root / "SegmentationClass/b.png", scene(), distinct_colors(4)[::-1])
    said = inspected(root)
    assert "in no mask: ghost" in said and "in val but not in train, so it cannot be learned: mast" in said
    assert "masks in no list: 1 (x.png" in said and "2 different palettes" in said


def test_binary_masks_and_missing_lists_are_wrong(tmp_path, capsys):
    root = data_set(tmp_path / "mine", train={"a": np.where(scene() == 0, 0, 255).astype(np.uint8)})
    with pytest.raises(InputError):
        main(["inspect", str(root)])
    said = capsys.readouterr().out
    assert "--foreground 255" in said and "val.txt: missing" in said


def ends(*arguments):
    """The exit status of the command, run in this process."""
    with pytest.raises(SystemExit) as end:
        run(lambda: main(list(arguments)))
    return end.value.code


def test_the_command_ends_in_one_line_and_status_2(tmp_path, capsys):
    for arguments in (["inspect", "nowhere"], ["import", "nowhere", "out"]):
        assert ends(*arguments) == 2
        error = capsys.readouterr().err
        assert error.startswith("error: nowhere") and error.count("\n") == 1
    data_set(tmp_path / "src", train={"a": scene(), "b": scene()})
    (tmp_path / "src/ImageSets").rename(tmp_path / "lists")
    assert ends("import", "src", "out") == 0 and ends("inspect", "out") == 0
    capsys.readouterr()
    assert ends("inspect", "out", "--out", "out/classes.txt/p.png") == 2
    assert "cannot be written" in capsys.readouterr().err


def test_the_command_runs_as_a_module():
    command = [sys.executable, "-m", "minifcn.datasets", "inspect", "nowhere"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    assert done.returncode == 2 and "VOCtrainval_11-May-2012.tar" in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize("name, words", [("camvid", "101 images of 480 x 360"), ("voc-sample", "1 image of 334 x 500")])
def test_real_photographs(name, words):
    if not os.environ.get("MINIFCN_SAMPLES"):
        pytest.skip("real photographs are looked for where MINIFCN_SAMPLES points; it is not set")
    said = inspected(Path(os.environ["MINIFCN_SAMPLES"]) / name, "val")
    assert words in said and "your objects need fcn8s" in said and "nothing wrong" in said


def test_of_a_split_alone_nothing_is_said_about_the_others(tmp_path):
    root = data_set(tmp_path / "mine", train={"a": scene()}, val={"b": scene()})
    assert "cannot be learned" not in inspected(root, "val")

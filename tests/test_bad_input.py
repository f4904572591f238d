"""Whatever is wrong with what somebody gives: one readable line on stderr, status 2, and nothing half done."""
import errno
import json
import os

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CLASSES, COLORS, done, folder, process, refused, run

from minifcn import checkpoint, evaluate, plot, predict, train
from minifcn.datasets import VOCSegmentation
from minifcn.palette import write_label_png
from minifcn.step import Step


@pytest.fixture
def data(tmp_path):
    return folder(tmp_path / "shapes")


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """A data set that nothing is done to."""
    return folder(tmp_path_factory.mktemp("data") / "shapes")


def mask(data, name, labels, colors=COLORS):
    write_label_png(data / f"SegmentationClass/{name}.png", np.asarray(labels, np.uint8), colors)


def cut(path, share):
    content = path.read_bytes()
    path.write_bytes(content[:int(share * len(content))])


# ---- data sets: what is wrong, and words that the message must have

def colour_mask(data):
    Image.new("RGB", (33, 41), (128, 0, 0)).save(data / "SegmentationClass/t1.png")


def all_void(data):
    for name in ("t0", "t1", "t2", "t3"):
        mask(data, name, np.full(VOCSegmentation(data).labels(int(name[1])).shape, 255))


SPOILED = {
    "image missing": (lambda data: (data / "JPEGImages/t2.png").unlink(), ("t2", "no such image", "train.txt")),
    "mask missing": (lambda data: (data / "SegmentationClass/v1.png").unlink(), ("v1.png", "no such mask", "val.txt")),
    "mask of another size": (lambda data: mask(data, "t1", np.ones((41, 34))), ("t1", "33 x 41", "34 x 41")),
    "colour mask": (colour_mask, ("t1.png", "colour mask", "minifcn.datasets import")),
    "values out of range": (lambda data: mask(data, "t3", np.arange(29 * 39).reshape(29, 39) % 6),
                            ("t3.png", "3, 4, 5", "3 classes or 255")),
    "truncated image": (lambda data: cut(data / "JPEGImages/t1.png", 0.5), ("t1.png",)),
    "truncated mask": (lambda data: cut(data / "SegmentationClass/v0.png", 0.7), ("v0.png",)),
    "empty image": (lambda data: cut(data / "JPEGImages/v0.png", 0), ("v0.png",)),
    "empty split": (lambda data: (data / "ImageSets/Segmentation/val.txt").write_text("\n"), ("val.txt", "empty")),
    "missing split": (lambda data: (data / "ImageSets/Segmentation/val.txt").unlink(), ("val.txt", "there are: train")),
    "nothing but void": (all_void, ("255", "nothing to learn")),
    "no layout": (lambda data: (data / "JPEGImages").rename(data / "images"), ("JPEGImages", "VOC 2012")),
    "a class twice": (lambda data: (data / "classes.txt").write_text("a\nb\na\n"), ("classes.txt", "'a'", "twice")),
}


@pytest.mark.parametrize("what", SPOILED)
def test_bad_data_are_refused_before_the_first_step(data, tmp_path, what):
    spoil, words = SPOILED[what]
    spoil(data)
    message = refused(train, "--data", data, "--out", tmp_path / "run")
    assert all(word in message for word in words), message
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_a_missing_folder_says_how_to_get_voc(tmp_path):
    message = refused(train, "--data", tmp_path / "VOC", "--out", tmp_path / "run")
    assert f"{tmp_path / 'VOC'}: no such folder" in message and "VOCtrainval_11-May-2012.tar" in message


def test_a_file_that_goes_bad_later_is_told_in_one_line_too(data, tmp_path, monkeypatch):
    """It was whole when all were checked; images are read again while training."""
    done_checking = train.announce
    monkeypatch.setattr(train, "announce", lambda *args: (cut(data / "JPEGImages/t1.png", 0.5), done_checking(*args)))
    assert "t1.png" in refused(train, "--data", data, "--net", "fcn8s", "--epochs", 1, "--out", tmp_path / "run")


# ---- options

@pytest.mark.parametrize("argv, word", [
    (("--epochs", 0), "--epochs 0"), (("--epochs", -2), "--epochs -2"), (("--epochs", "two"), "two"),
    (("--epochs", 2), "at least 3"), (("--epochs", 1.5), "1.5"), (("--batch", 0), "--batch 0"),
    (("--subset", 0), "--subset 0"), (("--crop", 0), "--crop 0"), (("--max-side", 0), "--max-side 0"),
    (("--threads", 0), "--threads 0"), (("--seed", -1), "--seed -1"), (("--lr", 0), "--lr 0"),
    (("--lr", -1), "--lr -1"), (("--lr", "nan"), "--lr nan"), (("--lr", "inf"), "--lr inf"),
    (("--dropout", 1), "--dropout 1"), (("--dropout", -0.1), "--dropout -0.1"),
    (("--save-every", -1), "--save-every -1"), (("--save-every", "nan"), "--save-every nan"),
    (("--net", "fcn4s"), "fcn4s"), (("--body", "vgg99"), "vgg99"), (("--optimizer", "lion"), "lion"),
    (("--epoch-count", 3), "--epoch-count"), (("--data",), "--data"), (("x",), "x")])
def test_options_of_no_use_are_refused(tmp_path, argv, word, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert word in refused(train, *argv)
    assert not list(tmp_path.iterdir())


def test_a_net_that_a_body_has_not_the_maps_for_is_refused(sound, tmp_path):
    for net, lacks in (("fcn8s", "no pool4"), ("fcn-pool3", "no pool3")):
        message = refused(train, "--data", sound, "--body", "alexnet", "--net", net, "--out", tmp_path / "run")
        assert f"--net {net} --body alexnet" in message and lacks in message and "--net fcn32s" in message


@pytest.mark.parametrize("command, argv", [(train, ()), (evaluate, ("NET",)), (predict, ("NET", "IMAGE"))])
def test_a_gpu_that_is_not_there_is_refused(sound, saved, command, argv, tmp_path):
    argv = [{"NET": saved, "IMAGE": sound / "JPEGImages/t0.png"}.get(word, word) for word in argv]
    data = () if command is predict else ("--data", sound)
    message = refused(command, *argv, *data, "--device", "gpu", "--out", tmp_path / "out")
    assert "gpu" in message and "the tests want none" in message and not (tmp_path / "out").exists()


# ---- checkpoints

@pytest.mark.parametrize("share", [0, 0.0001, 0.01, 0.5, 0.9999])
def test_a_damaged_checkpoint_is_refused_by_every_command(sound, saved, tmp_path, share):
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(saved.read_bytes()[:int(share * saved.stat().st_size)])
    for message in (refused(train, "--data", sound, "--weights", path, "--out", tmp_path / "run"),
                    refused(evaluate, path, "--data", sound),
                    refused(predict, path, sound / "JPEGImages", "--out", tmp_path / "out")):
        assert str(path) in message and ("damaged" in message or share == 0 and "0 bytes" in message)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name, word", [("harbour-fcn99s", "harbour-fcn99s: no such checkpoint file, and none of"),
                                        ("missing.safetensors", "missing.safetensors: no such checkpoint")])
def test_a_checkpoint_that_is_not_there_is_refused(sound, tmp_path, name, word):
    assert word in refused(train, "--data", sound, "--weights", name, "--out", tmp_path / "run")
    assert word in refused(evaluate, name, "--data", sound)
    assert word in refused(predict, name, sound / "JPEGImages/t0.png")


def test_a_checkpoint_of_another_body_is_refused(sound, saved, tmp_path):
    from safetensors.numpy import save

    read = checkpoint.read(saved)
    path = tmp_path / "other.safetensors"
    meta = {key: json.dumps(value) for key, value in {**read.meta, "body": "vgg99"}.items()}
    path.write_bytes(save(read.params, meta))
    message = refused(train, "--data", sound, "--weights", path, "--out", tmp_path / "run")
    assert "body vgg99" in message and "mini" in message
    assert "vgg99" in refused(evaluate, path, "--data", sound)


def test_a_checkpoint_of_another_class_count_is_refused_where_it_cannot_be_used(saved, tmp_path):
    data = folder(tmp_path / "shapes", classes=(*CLASSES, "star"))
    message = refused(evaluate, saved, "--data", data)
    assert "3 classes" in message and "has 4" in message


# ---- where results go

def test_an_occupied_folder_is_refused_and_left_as_it_is(sound, tmp_path):
    out = tmp_path / "run"
    out.mkdir()
    (out / "thesis.txt").write_text("dear")
    message = refused(train, "--data", sound, "--out", out)
    assert f"{out}: holds something already; choose another --out" in message and "--resume" not in message
    assert [path.name for path in out.iterdir()] == ["thesis.txt"]
    (out / "arguments.json").write_text("{}")
    assert f"--resume {out}" in refused(train, "--data", sound, "--out", out)


def test_a_folder_with_hidden_files_alone_is_free(sound, tmp_path, monkeypatch):
    """What file managers put there, and what a killed run had begun to write."""
    for draw in ("curves", "confusion", "predictions", "worst"):
        monkeypatch.setattr(plot, draw, lambda *args: None)
    (tmp_path / "run").mkdir()
    for name in (".DS_Store", ".arguments.json.77.tmp"):
        (tmp_path / "run" / name).touch()
    done(train, "--data", sound, "--net", "fcn8s", "--epochs", 1, "--out", tmp_path / "run")


@pytest.mark.parametrize("way", ["file", "file above"])
def test_a_folder_that_cannot_be_made_is_refused(sound, saved, tmp_path, way):
    file = tmp_path / "file"
    file.write_text("in the way")
    out = file if way == "file" else file / "run"
    for message in (refused(train, "--data", sound, "--out", out),
                    refused(evaluate, saved, "--data", sound, "--out", out),
                    refused(predict, saved, sound / "JPEGImages/t0.png", "--out", out)):
        assert str(out) in message
    assert file.read_text() == "in the way"


def test_a_folder_that_cannot_be_written_to_is_refused(sound, tmp_path, monkeypatch):
    def denied(path, content):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    monkeypatch.setattr("pathlib.Path.write_bytes", denied)  # access rights do not bind root, who runs many tests
    message = refused(train, "--data", sound, "--out", tmp_path / "run")
    assert f"{tmp_path / 'run'}: cannot be written to (Permission denied)" in message


@pytest.mark.parametrize("call", range(1, 8))
def test_a_full_disk_is_told_and_what_was_saved_before_is_whole(sound, tmp_path, monkeypatch, call):
    """At whichever file of the run it happens; when there is room again, the run goes on."""
    for draw in ("curves", "confusion", "predictions", "worst"):
        monkeypatch.setattr(plot, draw, lambda *args: None)
    calls = 0
    fsync = os.fsync

    def full(number):
        nonlocal calls
        calls += 1
        if calls >= 2 * call:  # each file is flushed, and then its folder
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        fsync(number)

    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        message = refused(train, "--data", sound, "--net", "fcn8s", "--epochs", 1, "--out", out)
    assert "the disk is full" in message and not list(out.glob(".*"))
    for path in out.glob("*.safetensors"):
        checkpoint.read(path)
    assert (out / "arguments.json").exists()
    done(train, "--resume", out)


def test_a_full_disk_is_told_by_predict_and_evaluate(sound, saved, tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    assert "disk is full" in refused(predict, saved, sound / "JPEGImages/t0.png", "--out", tmp_path)
    assert "disk is full" in refused(evaluate, saved, "--data", sound, "--out", tmp_path)


def test_too_little_memory_names_the_way_out(sound, tmp_path, monkeypatch):
    def too_much(*args):
        raise MemoryError("Unable to allocate 1.00 TiB")

    monkeypatch.setattr(Step, "gradients", too_much)
    message = refused(train, "--data", sound, "--out", tmp_path / "run")
    assert "out of memory" in message and "--batch" in message and "--max-side" in message


# ---- the same in a process of its own

@pytest.mark.parametrize("argv", [("train", "--data", "nowhere"), ("train", "--epochs", "x"),
                                  ("evaluate", "nothing"), ("predict", "harbour-fcn99s", "x.jpg")])
def test_the_process_ends_with_one_line_and_status_2(tmp_path, argv):
    running = process(*argv, cwd=tmp_path)
    out, err = running.communicate(timeout=60)
    assert running.returncode == 2 and out == ""
    assert err.startswith("error: ") and err.count("\n") == 1


def test_a_divergence_prints_one_line_and_no_warning_of_python(sound, tmp_path):
    running = process("train", "--data", sound, "--lr", "1e30", "--epochs", 3, "--batch", 2, "--threads", 2,
                      "--out", tmp_path / "run")
    _, err = running.communicate(timeout=60)
    assert running.returncode == 2 and err.startswith("error: the loss is not finite") and err.count("\n") == 1


def test_nothing_is_said_on_stderr_when_all_goes_well(sound, saved, tmp_path):
    assert run(evaluate, saved, "--data", sound, "--out", tmp_path / "scores").err == ""
    running = process("predict", saved, sound / "JPEGImages", "--out", tmp_path / "out")
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "") and "6 of 6 images" in out

"""Training from the command line to the pictures: what a run says, what it leaves behind, what its options do."""
import csv
import json
import math
import os
import re
import signal
from pathlib import Path

import numpy as np
import pytest
import tiny_runs
from PIL import Image
from tiny_runs import CLASSES, COLORS, assert_same_bits, done, folder, refused, run, weights

import minifcn
from minifcn import announce, arguments, backend, checkpoint, evaluate, plan, plot, predict, step, train
from minifcn.datasets import VOCSegmentation
from minifcn.estimate import Seconds
from minifcn.metrics import ConfusionMatrix
from minifcn.nets.fcn import FCN
from minifcn.runfolder import COLUMNS
from minifcn.step import Step

NETS = ["fcn32s", "fcn16s", "fcn8s"]
PICTURES = ["confusion.png", "curves.png", "predictions.png", "worst.png"]
SCORES = {"pixel_accuracy", "mean_accuracy", "mean_iu", "fw_iu"}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture(scope="module")
def staged(data, tmp_path_factory):
    """A whole staged run: its folder and what it printed."""
    out = tmp_path_factory.mktemp("runs") / "staged"
    result = run(train, "--data", data, "--epochs", 5, "--batch", 2, "--out", out)
    assert result.status == 0, result
    return out, result


@pytest.fixture
def quick(monkeypatch):
    """No pictures: drawing them takes longer than training a tiny net."""
    for draw in ("curves", "confusion", "predictions", "worst"):
        monkeypatch.setattr(plot, draw, lambda *args: None)


def rows(out):
    with open(out / "log.csv", newline="") as file:
        return list(csv.DictReader(file))


# ---- what a run leaves and says

def test_a_staged_run_leaves_checkpoints_figures_and_pictures(staged):
    out, _ = staged
    nets = [f"{name}.safetensors" for name in (*NETS, "best", "last")]
    assert sorted(path.name for path in out.iterdir()) == sorted(
        [*nets, *PICTURES, "arguments.json", "log.csv", "results.json"])
    for name in PICTURES:
        with Image.open(out / name) as picture:
            assert min(picture.size) > 100


def test_the_log_has_a_row_an_epoch(staged):
    log = rows(staged[0])
    assert tuple(log[0]) == COLUMNS
    assert [(row["stage"], row["epoch"]) for row in log] == [
        ("fcn32s", "1"), ("fcn32s", "2"), ("fcn32s", "3"), ("fcn16s", "1"), ("fcn8s", "1")]
    assert [row["step"] for row in log] == ["2", "4", "6", "2", "2"]
    for row in log:
        assert all(math.isfinite(float(row[name])) for name in COLUMNS[1:])


def test_before_it_starts_a_run_says_what_will_run_and_what_guessing_scores(staged, data):
    out = staged[1].out
    val = VOCSegmentation(data, "val")
    guess = ConfusionMatrix(3)
    for i in range(len(val)):
        guess.update(np.zeros_like(val.labels(i)), val.labels(i))
    for words in ("fcn32s -> fcn16s -> fcn8s, body mini", "learned parameters", "device cpu", f"{data}: 4 training and "
                  "2 validation images, up to 45 x 41, 3 classes", "3 + 1 + 1 epochs of 2 steps of 2",
                  "guessing costs log 3 = 1.099", f"all ground scores mean IU {guess.mean_iu:.3f}"):
        assert words in out
    assert out.index("guessing") < out.index("fcn32s  epoch   1/3")


def test_at_its_end_a_run_prints_the_papers_table_and_where_everything_lies(staged, data):
    out, result = staged
    model, val = minifcn.load(out / "fcn16s.safetensors"), VOCSegmentation(data, "val")
    matrix, _ = evaluate.evaluate(model, val)
    line = "FCN-16s     " + "".join(f"{100 * score:12.1f}" for score in matrix.scores().values())
    assert re.search(r"pixel acc\. +mean acc\. +mean IU +f\.w\. IU\n", result.out) and line in result.out
    for name in CLASSES:
        assert re.search(rf"^{name} +[\d.-]+ +[\d.-]+ +[\d.-]+$", result.out, re.MULTILINE)
    assert f"saved to {out / 'best.safetensors'}" in result.out and str(out / "predictions.png") in result.out
    best = max(float(row["mean_iu"]) for row in rows(out))
    assert f"best mean IU {best:.3f}" in result.out
    results = json.loads((out / "results.json").read_text())
    assert results["table"] in result.out and results["scores"]["fcn16s"]["mean_iu"] == matrix.mean_iu


@pytest.mark.parametrize("name", [*NETS, "best", "last"])
def test_a_checkpoint_says_all_about_itself_and_predicts(staged, data, name):
    read = checkpoint.read(staged[0] / f"{name}.safetensors")
    meta = read.meta
    assert meta["minifcn"] == minifcn.__version__
    assert meta["net"] == (name if name in NETS else "fcn8s" if name == "last" else meta["net"]) in NETS
    assert (meta["body"], tuple(meta["classes"]), meta["data"], meta["split"]) == ("mini", CLASSES, "shapes", "train")
    np.testing.assert_array_equal(meta["colors"], COLORS)
    assert meta["preprocess"] == {"order": "RGB", "mean": [128.0] * 3, "scale": 1 / 64} and meta["max_side"] is None
    assert meta["seed"] == 0 and (meta["net"], str(meta["epoch"]), str(meta["step"])) in [
        (row["stage"], row["epoch"], row["step"]) for row in rows(staged[0])]
    assert bool(read.optimizer) == (name == "last"), "the optimiser's state is in last alone"
    if name != "last":
        assert meta["scores"].keys() == SCORES and all(0 <= score <= 1 for score in meta["scores"].values())
    image, labels = VOCSegmentation(data, "val")[0]
    model = minifcn.load(staged[0] / f"{name}.safetensors")
    assert model.classes == CLASSES
    predicted = model.predict(image)
    assert predicted.shape == labels.shape and predicted.dtype == np.uint8 and predicted.max() < 3


def test_a_single_net_has_one_stage(data, tmp_path, quick):
    out = tmp_path / "new" / "run"
    text = done(train, "--data", data, "--net", "fcn16s", "--epochs", 1, "--out", out)
    assert "fcn16s, body mini" in text and "FCN-16s" in text and "FCN-8s" not in text
    assert sorted(path.name for path in out.glob("fcn*")) == ["fcn16s.safetensors"]
    assert len(rows(out)) == 1


def test_the_folder_of_a_run_is_named_after_its_data(data, tmp_path, quick, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done(train, "--data", data, "--net", "fcn32s", "--epochs", 1)
    assert (tmp_path / "runs/shapes/best.safetensors").exists()
    assert arguments.parse([]).out.as_posix() == "runs/harbour"


@pytest.mark.parametrize("epochs", [3, 4, 5, 8, 9, 54, 100])
def test_the_stages_share_the_epochs(epochs, tmp_path):
    stages = plan.plan(arguments.parse(["--epochs", str(epochs), "--out", str(tmp_path / "run")]), pixels=1)
    assert sum(stage.epochs for stage in stages) == epochs and min(stage.epochs for stage in stages) >= 1
    assert [stage.net for stage in stages] == NETS


def test_the_same_seed_gives_the_same_bits_on_any_number_of_threads(data, tmp_path, quick, monkeypatch):
    """Every option that draws random numbers is on, and on several threads a second process computes half of it."""
    monkeypatch.setattr(step, "PIXELS", 1)
    bits = []
    for name, seed, threads in (("a", 3, 1), ("b", 3, 2), ("c", 3, 5), ("d", 4, 1)):
        done(train, "--data", data, "--epochs", 3, "--batch", 2, "--scale", "--crop", 36, "--dropout", 0.3,
             "--seed", seed, "--threads", threads, "--out", tmp_path / name)
        bits.append(weights(tmp_path / name / "fcn8s.safetensors"))
    assert_same_bits(bits[0], bits[1])
    assert_same_bits(bits[0], bits[2])
    assert any((bits[0][name] != bits[3][name]).any() for name in bits[0])


def test_the_log_holds_the_mean_loss_of_an_epoch_and_the_rate_of_its_last_step(data, tmp_path, quick, monkeypatch):
    losses, real = [], Step.gradients
    monkeypatch.setattr(Step, "gradients", lambda *args: losses.append(real(*args)) or losses[-1])
    done(train, "--data", data, "--net", "fcn32s", "--epochs", 5, "--batch", 1, "--lr", 0.01, "--out", tmp_path / "run")
    log = rows(tmp_path / "run")
    assert len(losses) == 20
    for k, row in enumerate(log):
        assert float(row["loss"]) == pytest.approx(np.mean([loss for loss, _ in losses[4 * k:4 * k + 4]]), rel=1e-5)
        rise = min(1, (4 * k + 4) / 5)  # the first five steps are a warm-up
        assert float(row["lr"]) == pytest.approx(rise * 0.005 * (1 + math.cos(math.pi * (4 * k + 3) / 20)), rel=1e-5)


def test_dropout_draws_anew_in_every_step_of_every_stage(data, tmp_path, quick, monkeypatch):
    keys, real = [], FCN.reseed
    monkeypatch.setattr(FCN, "reseed", lambda net, *key: keys.append(key) or real(net, *key))
    monkeypatch.setattr(announce, "measure", lambda *args: Seconds(1, 1, 1))  # by steps of its own
    done(train, "--data", data, "--epochs", 4, "--batch", 2, "--seed", 7, "--dropout", 0.5, "--out", tmp_path / "run")
    assert keys == [(7, stage, step) for stage, steps in enumerate((4, 2, 2)) for step in range(steps)]


def test_the_best_is_the_best_and_not_the_latest(data, tmp_path, quick, monkeypatch):
    matrices = []
    for hits in (1, 5, 5, 3):
        matrices.append(ConfusionMatrix(3))
        matrices[-1].counts[:2, :2] = [[hits, 1], [2, 3]]
    coming = iter(matrices)
    monkeypatch.setattr(train, "score", lambda *args: ([next(coming)], 0.5))
    done(train, "--data", data, "--net", "fcn8s", "--epochs", 4, "--out", tmp_path / "run")
    meta = checkpoint.read(tmp_path / "run/best.safetensors").meta
    assert meta["epoch"] == 2 and meta["scores"] == matrices[1].scores()
    assert checkpoint.read(tmp_path / "run/fcn8s.safetensors").meta["epoch"] == 4


def test_a_gpu_does_the_same(data, tmp_path, quick, monkeypatch, cupy):
    """On a real GPU where there is one; else on its stand-in, where whatever is not device-blind fails."""
    monkeypatch.setattr(tiny_runs, "no_gpu", lambda: None)
    monkeypatch.setattr(backend, "_gpu_name", lambda: "a GPU")
    out = tmp_path / "gpu"
    options = ("--data", data, "--epochs", 3, "--batch", 2, "--balance", "median")
    assert "device gpu: a GPU" in done(train, *options, "--out", out)
    done(train, *options, "--device", "cpu", "--out", tmp_path / "cpu")
    for mine, other in zip(rows(out), rows(tmp_path / "cpu"), strict=True):
        assert float(mine["val_loss"]) == pytest.approx(float(other["val_loss"]), rel=0.01)

    image, labels = VOCSegmentation(data, "val")[0]
    model = minifcn.load(out / "best.safetensors", "gpu")
    p = minifcn.load(out / "best.safetensors").probabilities(image)
    np.testing.assert_allclose(model.probabilities(image), p, atol=1e-4)
    assert model.predict(image, 16).shape == labels.shape


def test_a_run_on_a_gpu_that_was_stopped_goes_on(data, tmp_path, quick, monkeypatch, cupy):
    monkeypatch.setattr(tiny_runs, "no_gpu", lambda: None)
    monkeypatch.setattr(backend, "_gpu_name", lambda: "a GPU")
    real = Step.gradients
    with monkeypatch.context() as patch:
        patch.setattr(Step, "gradients", lambda *args: signal.raise_signal(signal.SIGTERM) or real(*args))
        assert run(train, "--data", data, "--epochs", 3, "--out", tmp_path / "run").status == 128 + signal.SIGTERM
    text = done(train, "--resume", tmp_path / "run")
    assert "device gpu" in text and len(rows(tmp_path / "run")) == 3


# ---- what it learns

def test_8s_overfits_two_images(tmp_path, quick):
    """The training images are the validation images too: mean IU above 0.9 in sixty steps, about two seconds."""
    data = folder(tmp_path / "data", train=2, sizes=((64, 96), (80, 64)))
    lists = data / "ImageSets/Segmentation"
    (lists / "val.txt").write_text((lists / "train.txt").read_text())
    done(train, "--data", data, "--net", "fcn8s", "--epochs", 30, "--batch", 1, "--no-mirror", "--out",
         tmp_path / "run")
    assert float(rows(tmp_path / "run")[-1]["mean_iu"]) > 0.9


def test_frozen_bodies_keep_their_weights_and_new_score_layers_learn(staged, data, tmp_path, quick):
    start = staged[0] / "fcn8s.safetensors"
    text = done(train, "--data", data, "--net", "fcn8s", "--epochs", 2, "--weights", start, "--freeze", "body",
                "--out", tmp_path / "run")
    assert f"weights of {start} (fcn8s, 3 classes)" in text and "fresh" not in text
    before, after = weights(start), weights(tmp_path / "run/fcn8s.safetensors")
    for name in before:
        assert (before[name] == after[name]).all() == (not name.startswith("score")), name


def test_weights_of_other_classes_lend_their_body(staged, tmp_path, quick):
    data = folder(tmp_path / "data", classes=(*CLASSES, "star"))
    text = done(train, "--data", data, "--net", "fcn16s", "--epochs", 1, "--lr", "1e-30", "--weights",
                staged[0] / "fcn8s.safetensors", "--out", tmp_path / "run")
    assert "3 classes); fresh: score_fr.w, score_fr.b, score_pool4.w, score_pool4.b" in text
    assert "no training pixel of: star" in text
    before, after = weights(staged[0] / "fcn8s.safetensors"), weights(tmp_path / "run/fcn16s.safetensors")
    assert after["score_fr.b"].shape == (4,)
    for name in set(before) - {"score_fr.w", "score_fr.b", "score_pool4.w", "score_pool4.b", "score_pool3.w",
                               "score_pool3.b"}:
        np.testing.assert_array_equal(before[name], after[name])


def test_a_net_trained_on_smaller_images_is_scored_and_predicts_at_full_size(data, tmp_path, quick):
    text = done(train, "--data", data, "--net", "fcn8s", "--epochs", 1, "--max-side", 20, "--out", tmp_path / "run")
    model, val = minifcn.load(tmp_path / "run/best.safetensors"), VOCSegmentation(data, "val")
    assert model.max_side == 20
    matrix, loss = evaluate.evaluate(model, val)
    row = rows(tmp_path / "run")[0]
    assert matrix.counts.sum() == sum((val.labels(i) != 255).sum() for i in range(len(val)))
    assert float(row["mean_iu"]) == pytest.approx(matrix.mean_iu, rel=1e-5)
    assert float(row["val_loss"]) == pytest.approx(loss, rel=1e-5)
    assert all(model.predict(val[i][0]).shape == val.labels(i).shape for i in range(len(val)))
    assert "FCN-8s" in text


def test_the_papers_summed_loss_says_what_rate_equals_it_for_the_mean(data, tmp_path, quick):
    text = done(train, "--data", data, "--net", "fcn32s", "--epochs", 1, "--batch", 1, "--reduction", "sum",
                "--optimizer", "sgd", "--lr", "1e-6", "--balance", "median", "--out", tmp_path / "run")
    train_set = VOCSegmentation(data, "train")
    pixels = np.mean([(train_set.labels(i) != 255).sum() for i in range(4)])
    assert f"a step counts about {pixels:,.0f} pixels: with sgd this rate is {1e-6 * pixels:g} for the mean" in text
    assert weights(tmp_path / "run/fcn32s.safetensors")["score_fr.w"].any()


def test_a_multiplier_may_name_a_layer_that_only_a_later_stage_has(data, tmp_path, quick):
    done(train, "--data", data, "--net", "fcn32s,fcn16s", "--epochs", 2, "--multiplier", "score_pool4.*=0,0", "--out",
         tmp_path / "run")
    assert not weights(tmp_path / "run/fcn16s.safetensors")["score_pool4.w"].any()


def test_a_multiplier_that_names_nothing_is_refused_before_the_first_step(data, tmp_path):
    message = refused(train, "--data", data, "--multiplier", "score_pol4.*=0,0", "--out", tmp_path / "run")
    assert "--multiplier score_pol4.*" in message and "score_pool4.w" in message
    assert not list((tmp_path / "run").iterdir())


def test_a_subset_is_trained_on_and_every_class_is_in_it(data, tmp_path, quick):
    text = done(train, "--data", data, "--net", "fcn32s", "--epochs", 1, "--subset", 2, "--out", tmp_path / "run")
    assert ": 2 training and 2 validation images" in text and "1 epochs of 1 steps of 2" in text
    assert checkpoint.read(tmp_path / "run/best.safetensors").meta["ids"].startswith("2 images")


# ---- what it warns of and how it fails

@pytest.mark.parametrize("options", [("--lr", "1e30"), ("--lr", "1e30", "--save-every", 0),
                                     ("--lr", "1e30", "--optimizer", "sgd"), ("--lr", "1e4", "--optimizer", "sgd")])
def test_the_first_loss_that_is_not_finite_stops_a_run_and_the_last_good_state_stays(data, tmp_path, options):
    message = refused(train, "--data", data, "--epochs", 3, "--batch", 2, "--out", tmp_path / "run", *options)
    assert "loss is not finite" in message and "last.safetensors" in message and "--lr" in message
    assert not list(tmp_path.glob("run/fcn*")) and not list(tmp_path.glob("run/best*"))
    model = minifcn.load(tmp_path / "run/last.safetensors")
    _, loss = evaluate.evaluate(model, VOCSegmentation(data, "train"))
    assert math.isfinite(loss)


def test_a_net_that_the_last_step_ruined_is_not_kept(data, tmp_path, quick):
    """The loss of its only step is fine: the validation split alone shows what the step has done."""
    message = refused(train, "--data", data, "--net", "fcn8s", "--epochs", 1, "--batch", 4, "--optimizer", "sgd",
                      "--lr", "1e30", "--no-mirror", "--out", tmp_path / "run")
    assert "epoch 1, step 1" in message
    best = minifcn.load(tmp_path / "run/last.safetensors")
    assert math.isfinite(evaluate.evaluate(best, VOCSegmentation(data, "val"))[1])


def test_a_summed_loss_and_balance_are_named_among_the_causes(data, tmp_path):
    message = refused(train, "--data", data, "--epochs", 3, "--batch", 2, "--out", tmp_path / "run", "--optimizer",
                      "sgd", "--lr", "1e20", "--reduction", "sum", "--balance", "median")
    assert "--reduction mean" in message and "--balance median" in message and "try --lr 1e+19" in message


def test_a_net_that_says_one_class_everywhere_is_told_so(data, tmp_path, quick):
    """The rate is so low that the score layer of a new net, which starts at zero, stays there."""
    result = run(train, "--data", data, "--net", "fcn32s", "--epochs", 2, "--lr", "1e-30", "--out", tmp_path / "run")
    assert result.status == 0 and "warning: 100.0 % of the predicted pixels are" in result.err + result.out
    assert result.err.count("warning") == 1 and "--balance median" in result.err  # not in the first epoch: it is early


def test_a_run_that_is_refused_leaves_its_folder_free(data, tmp_path, quick):
    options = ("--data", data, "--net", "fcn32s", "--epochs", 1, "--out", tmp_path / "run")
    refused(train, *options, "--weights", tmp_path / "missing.safetensors")
    done(train, *options)


# ---- real photographs

def test_four_photographs_of_voc_train_evaluate_and_predict(tmp_path, quick):
    if not os.environ.get("MINIFCN_SAMPLES"):
        pytest.skip("real photographs are looked for where MINIFCN_SAMPLES points; it is not set")
    data = Path(os.environ["MINIFCN_SAMPLES"]) / "voc-sample"
    text = done(train, "--data", data, "--net", "fcn8s", "--epochs", 1, "--batch", 3, "--crop", 224, "--out",
                tmp_path / "run")
    assert "3 training and 1 validation images" in text and "21 classes" in text
    best = tmp_path / "run/best.safetensors"
    assert "aeroplane" in done(evaluate, best, "--data", data)
    photographs = sorted((data / "JPEGImages").iterdir())
    text = done(predict, best, *photographs, "--out", tmp_path / "masks", "--tile", 256)
    assert f"{len(photographs)} of {len(photographs)} images segmented" in text
    for path in photographs:
        with Image.open(path) as photograph, Image.open(tmp_path / f"masks/{path.stem}.png") as mask:
            assert mask.size == photograph.size and mask.mode == "P"

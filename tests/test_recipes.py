"""The authors' training by name: the settings of their solvers, on miniatures of their data sets."""
import json
import signal
from types import SimpleNamespace

import archives
import numpy as np
import pytest
from tiny_runs import assert_same_bits, done, refused, run, weights

import minifcn
from minifcn import arguments, checkpoint, evaluate, nets, plan, plot, recipes, train
from minifcn.datasets import context, nyud, open_dataset, siftflow
from minifcn.datasets.base import kinds
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.nets import build
from minifcn.nets.models import MODELS
from minifcn.optim import SGD
from minifcn.preprocess import NYUD_MEAN, VOC_MEAN, Preprocessing
from minifcn.published import PUBLISHED
from minifcn.recipes import RECIPES
from minifcn.step import Step

AUTHORS = {  # rate, rounds x steps
    "voc-fcn32s": (1e-10, 25, 4000), "voc-fcn16s": (1e-12, 25, 4000), "voc-fcn8s": (1e-14, 25, 4000),
    "voc-fcn8s-atonce": (1e-10, 75, 4000), "voc-fcn-alexnet": (1e-4, 25, 4000),
    "pascalcontext-fcn32s": (1e-10, 50, 8000), "pascalcontext-fcn16s": (1e-12, 50, 8000),
    "pascalcontext-fcn8s": (1e-14, 50, 8000), "siftflow-fcn32s": (1e-10, 50, 2000),
    "siftflow-fcn16s": (1e-12, 50, 2000), "siftflow-fcn8s": (1e-12, 50, 2000),
    "nyud-fcn32s-color": (1e-10, 50, 2000), "nyud-fcn32s-hha": (1e-10, 50, 2000),
    "nyud-fcn32s-color-d": (1e-10, 50, 2000), "nyud-fcn32s-color-hha": (1e-12, 50, 2000),
}
DATA = {"voc": ("sbd", "train", "voc", "seg11valid"), "pascalcontext": ("context", "train", "context", "val"),
        "siftflow": ("siftflow", "trainval", "siftflow", "test"), "nyud": ("nyud", "trainval", "nyud", "test")}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Where `python -m minifcn.datasets` would have put them all: miniatures."""
    root = tmp_path_factory.mktemp("archives")
    for year in (2010, 2011, 2012):
        archives.voc(root, year)
    for make in (archives.sbd, archives.context, archives.nyud, archives.siftflow):
        make(root)
    return root


@pytest.fixture
def small(monkeypatch):
    """Bodies of VGG16 and AlexNet become mini's, with the same input: their names and heads stay. No pictures."""
    for draw in ("curves", "confusion", "predictions", "worst"):
        monkeypatch.setattr(plot, draw, lambda *args: None)
    for body in ("vgg16", "alexnet"):
        def narrow(rng_for, dtype, *, body=body, dropout=0.5, preprocess=VOC_MEAN, classifier=False):
            made = nets.mini(rng_for, dtype, dropout=dropout, preprocess=preprocess)
            made.name = body
            return made
        monkeypatch.setitem(nets.BODIES, body, narrow)


def trained(root, name, out, *options):
    """What a recipe prints that is trained for a step or so."""
    return done(train, "--recipe", name, "--weights", "random", "--data", root, "--round", 1, "--epochs", 1, "--out",
                out, *options)


def classes_of(name):
    """The classes of a recipe's data."""
    return {"voc": VOC_CLASSES, "pascalcontext": context.CLASSES, "nyud": nyud.CLASSES,
            "siftflow": (siftflow.SEMANTIC, siftflow.GEOMETRIC)}[name.split("-")[0]]


def parsed(*argv):
    return arguments.parse(["--out", "nowhere", *map(str, argv)])


@pytest.mark.parametrize("name", AUTHORS)
def test_settings_of_the_authors_solvers(name):
    args = parsed("--recipe", name, "--weights", "random")
    lr, rounds, steps = AUTHORS[name]
    assert (args.lr, args.epochs, args.round, args.batch, args.seed) == ([lr], [rounds], steps, 1, 1337)
    assert (args.optimizer, args.schedule, args.weight_decay) == ("sgd", "fixed", 5e-4)
    assert not args.mirror and not args.scale and args.crop is None and args.max_side is None and args.dropout == 0.5
    alexnet = name == "voc-fcn-alexnet"
    assert (args.momentum, args.accumulate, args.reduction) == ((0.9, 20, "mean") if alexnet else (0.99, 1, "sum"))
    assert (args.dataset, args.split, args.val_dataset, args.val_split) == DATA[name.split("-")[0]]
    stage, = plan.plan(args, pixels=187_500)
    assert stage.lr == lr and plan.weight_decay(args, 187_500) == 5e-4
    model = MODELS[name]
    assert (stage.net, args.body, args.modality) == (model["name"], model["body"], model.get("modality", "color"))
    assert plan.model_name(args, stage.net, classes_of(name)) == name


@pytest.mark.parametrize("count", [11, 21])
def test_a_net_of_other_classes_is_none_of_the_papers(count):
    args = parsed("--recipe", "voc-small", "--weights", "vgg16")
    assert plan.model_name(args, "fcn8s-atonce", VOC_CLASSES) == "voc-fcn8s-atonce"
    assert plan.model_name(args, "fcn8s-atonce", tuple(f"class {k}" for k in range(count))) is None


def test_biases_have_twice_the_rate_and_no_decay_and_in_alexnet_that_of_the_scores_alone():
    net = build("fcn8s", classes=3, seed=None)

    def factors(name):
        optimizer = plan.make_optimizer(parsed("--recipe", name, "--weights", "random"), net, 1e-10, 1)
        assert isinstance(optimizer, SGD)
        return {key: optimizer._factors(key) for key in net.learned}

    for key, found in factors("voc-fcn8s").items():
        assert found == ((2, 0) if key.endswith(".b") else (1, 1))
    for key, found in factors("voc-fcn-alexnet").items():
        assert found == ((2, 0) if key == "score_fr.b" else (1, 1))


def test_a_mean_takes_the_rate_and_decay_that_equal_the_sums():
    args = parsed("--recipe", "voc-fcn32s", "--weights", "random", "--reduction", "mean")
    stage, = plan.plan(args, pixels=187_500)
    assert stage.lr == pytest.approx(1.875e-5) and plan.weight_decay(args, 187_500) == pytest.approx(5e-4 / 187_500)
    args = parsed("--recipe", "voc-fcn32s", "--weights", "random", "--reduction", "mean", "--lr", "1e-6")
    assert plan.plan(args, pixels=187_500)[0].lr == 1e-6


def test_a_rate_or_decay_that_is_said_stands_even_where_it_equals_the_recipes():
    mean = "--recipe", "voc-fcn32s", "--weights", "random", "--reduction", "mean"
    args = parsed(*mean, "--weight-decay", "5e-4")
    assert plan.weight_decay(args, 187_500) == 5e-4
    assert plan.plan(args, pixels=187_500)[0].lr == pytest.approx(1.875e-5)
    args = parsed(*mean, "--lr", "1e-10")
    assert plan.plan(args, pixels=187_500)[0].lr == 1e-10
    assert plan.weight_decay(args, 187_500) == pytest.approx(5e-4 / 187_500)


def test_other_nets_than_those_of_a_recipe_of_several_need_epochs_and_rates_of_their_own():
    small = "--recipe", "voc-small", "--weights", "vgg16", "--net", "fcn32s"
    for more in ((), ("--epochs", 3)):
        message = refused(train, *small, *more, "--out", "nowhere")
        assert "--net fcn32s" in message and "voc-small" in message and "--lr" in message
        assert ("--epochs" in message) == (not more)
    args = parsed(*small, "--epochs", 3, "--lr", 1e-3)
    assert (args.net, args.epochs, args.lr) == (["fcn32s"], [3], [1e-3])


def test_what_is_said_stands_above_the_recipe():
    args = parsed("--recipe", "voc-fcn32s", "--weights", "x.safetensors", "--epochs", 3, "--momentum", 0.5, "--mirror")
    assert (args.epochs, args.momentum, args.mirror, args.round) == ([3], 0.5, True, 4000)


@pytest.mark.parametrize("name", [name for name in RECIPES if name != "voc-small"])
def test_without_weights_a_recipe_says_what_it_starts_from(name):
    assert RECIPES[name].start in refused(train, "--recipe", name, "--out", "nowhere")


@pytest.mark.parametrize("name", [name for name in AUTHORS if "atonce" not in name])
def test_a_recipe_trains_saves_and_is_scored_beside_the_papers_figures(root, small, tmp_path, name):
    text = trained(root, name, tmp_path / "run", "--round", 2, "--epochs", 2)
    assert "the weights are random" in text
    assert "2 epochs of 2 steps of " + ("20 x 1" if "alexnet" in name else "1") in text
    model = minifcn.load(tmp_path / "run")
    wanted = MODELS[name]["classes"]
    assert tuple(map(len, kinds(model.classes))) == (wanted if isinstance(wanted, tuple) else (wanted,))
    assert model.net.preprocess == MODELS[name]["preprocess"] and model.meta["model"] == name
    text = done(evaluate, tmp_path / "run", "--data", root)
    _, split, dataset, val = DATA[name.split("-")[0]]
    assert f"({val})" in text
    if name in PUBLISHED:
        source, *figures = PUBLISHED[name].rows[-1]
        line = next(line for line in text.splitlines() if line.startswith(source))
        assert [part for part in line.split() if part != "-"][-1] == str([f for f in figures if f == f][-1])


def test_validation_data_of_other_classes_are_refused(root, tmp_path):
    message = refused(train, "--dataset", "sbd", "--val-dataset", "siftflow", "--val-split", "test", "--data", root,
                      "--out", tmp_path / "run")
    assert "sbd" in message and "21 classes" in message and "siftflow" in message and "33 and 3" in message


def test_sift_flow_leaves_out_what_its_test_set_lacks_and_has_a_geometric_table(root, small, tmp_path):
    trained(root, "siftflow-fcn8s", tmp_path / "run")
    text = done(evaluate, tmp_path / "run", "--data", root, "--out", tmp_path / "scores")
    assert "the means leave out what the test set lacks: cow, desert, moon" in text
    assert "geometric" in text and "94.6" in text
    scores = json.loads((tmp_path / "scores/scores.json").read_text())
    assert [len(some["iu"]) for some in scores] == [33, 3]


def test_context_is_scored_with_and_without_background(root, small, tmp_path):
    trained(root, "pascalcontext-fcn32s", tmp_path / "run")
    text = done(evaluate, tmp_path / "run", "--data", root)
    assert "fcn32s, without background" in text and "unverified" in text


@pytest.mark.parametrize("modality", ["hha", "color-d", "color-hha"])
def test_nets_of_every_input_predict_what_their_data_set_gives(root, small, tmp_path, modality):
    trained(root, f"nyud-fcn32s-{modality}", tmp_path / "run", "--max-side", 20)
    model = minifcn.load(tmp_path / "run")
    assert model.net.preprocess == NYUD_MEAN[modality]
    image, labels = open_dataset("nyud", root, "test", modality=modality)[0]
    assert model.predict(image).shape == labels.shape
    with pytest.raises(ValueError, match="an image is a NumPy array"):
        model.predict(image[..., :2])


def test_weights_keep_the_input_that_they_learned_with_where_the_recipes_has_another_scale_or_order(root, tmp_path):
    trained(root, "voc-fcn32s", tmp_path / "run", "--body", "mini", "--weights", "harbour-fcn8s", "--lr", "1e-40",
            "--max-side", 20)
    assert minifcn.load(tmp_path / "run").net.preprocess == minifcn.load("harbour-fcn8s").net.preprocess


def test_a_recipe_that_goes_on_from_another_net_says_so_where_the_weights_have_no_scores(root, small, tmp_path):
    trained(root, "voc-fcn32s", tmp_path / "whole")
    read = checkpoint.read(tmp_path / "whole/best.safetensors")
    bare = tmp_path / "bare.safetensors"
    checkpoint.write_tensors(bare, {name: w for name, w in read.params.items() if not name.startswith("score")},
                             {key: json.dumps(value) for key, value in read.meta.items()})
    for name, weights_from, warned in (("voc-fcn16s", bare, True), ("voc-fcn16s", tmp_path / "whole", False),
                                       ("voc-fcn32s", bare, False)):
        text = trained(root, name, tmp_path / f"{name}-{warned}", "--weights", weights_from)
        assert ("warning" in text and f"{name} goes on from voc-fcn32s" in text) == warned


def test_where_scale_and_order_agree_the_means_are_the_recipes():
    start = SimpleNamespace(preprocess=Preprocessing("BGR", (103.939, 116.779, 123.68), 1.0), files=["vgg16"])
    for name in AUTHORS:
        found = plan.preprocessing(parsed("--recipe", name, "--weights", "vgg16"), start)
        assert found == MODELS[name]["preprocess"]


def test_weights_of_another_input_are_refused_for_a_modality(root, tmp_path):
    options = "--dataset", "nyud", "--data", root, "--split", "trainval", "--val-split", "test", "--net", "fcn32s"
    for modality in ("hha", "color-d"):
        message = refused(train, *options, "--modality", modality, "--weights", "harbour-fcn8s", "--out",
                          tmp_path / "run")
        assert f"--modality {modality}" in message and "harbour-fcn8s" in message and "RGB" in message


def test_two_streams_start_from_a_net_of_colour_and_one_of_hha(root, small, tmp_path):
    for modality in ("color", "hha"):
        trained(root, f"nyud-fcn32s-{modality}", tmp_path / modality, "--seed", len(modality))
    text = trained(root, "nyud-fcn32s-color-hha", tmp_path / "both", "--lr", "1e-40", "--weights", tmp_path / "color",
                   tmp_path / "hha")
    assert "fresh" not in text
    both = weights(tmp_path / "both/fcn32s.safetensors")
    for modality in ("color", "hha"):
        one = weights(tmp_path / modality / "best.safetensors")
        for name, value in one.items():
            layer, _, kind = name.rpartition(".")
            np.testing.assert_allclose(both[f"{layer}{modality}.{kind}"], value, rtol=0, atol=1e-30)


def test_a_recipe_that_is_stopped_goes_on_to_the_same_bits(root, small, tmp_path, monkeypatch):
    """Rounds drawn with replacement, gradients of 20 batches a step, two of them."""
    options = ("--recipe", "voc-fcn-alexnet", "--weights", "random", "--data", root, "--round", 3, "--epochs", 2)
    done(train, *options, "--out", tmp_path / "whole")
    steps, real = [], Step.gradients

    def stop_at_the_second(*args):
        steps.append(1)
        if len(steps) == 5:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(Step, "gradients", stop_at_the_second)
    assert run(train, *options, "--out", tmp_path / "parts").status == 130
    monkeypatch.setattr(Step, "gradients", real)
    done(train, "--resume", tmp_path / "parts")
    assert_same_bits(weights(tmp_path / "whole/fcn32s.safetensors"), weights(tmp_path / "parts/fcn32s.safetensors"))


def test_gradients_of_several_batches_are_their_mean(root, small, tmp_path):
    """Half the rate of a sum of two, so that one step of --accumulate 2 equals one of a batch of both."""
    data = ("--data", root, "--dataset", "siftflow", "--split", "test", "--val-split", "test", "--net", "fcn32s",
            "--epochs", 1, "--optimizer", "sgd", "--no-mirror")
    done(train, *data, "--batch", 1, "--accumulate", 3, "--round", 1, "--out", tmp_path / "three")
    done(train, *data, "--batch", 1, "--round", 1, "--out", tmp_path / "one")
    three, one = (weights(tmp_path / name / "fcn32s.safetensors") for name in ("three", "one"))
    for name in one:  # there is a single image: the mean of it thrice is it
        np.testing.assert_allclose(three[name], one[name], rtol=1e-5, atol=1e-7)


def test_the_list_of_recipes_names_them_all_and_what_they_start_from():
    text = done(recipes)
    for name, recipe in RECIPES.items():
        line = next(line for line in text.splitlines() if line.startswith(name + " "))
        assert recipe.start in line and f"{recipe.options['lr'][0]:g}" in line
    assert "100000" in text and "400000" in text


def test_published_figures_belong_to_models_that_there_are():
    assert set(PUBLISHED) <= set(MODELS)
    for published in PUBLISHED.values():
        for _, *figures in published.rows:
            assert len(figures) == 4 and all(value != value or 0 < value < 100 for value in figures)


def test_a_checkpoint_knows_its_options(root, small, tmp_path):
    trained(root, "nyud-fcn32s-color-d", tmp_path / "run", "--upsampling", "learned")
    meta = checkpoint.read(tmp_path / "run/best.safetensors").meta
    assert meta["options"] == {"dropout": 0.5, "modality": "color-d", "learn_upsampling": True}
    assert "upscore.w" in minifcn.load(tmp_path / "run").net.learned

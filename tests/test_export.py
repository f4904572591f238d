"""ONNX files: ONNX Runtime gives the scores and labels of every kind of net, at every size; or there is no file."""
import json
import sys

import numpy as np
import pytest
from tiny_nets import randomise, tiny_body
from tiny_runs import done, random_model, refused
from weight_files import narrow

import minifcn
from minifcn import checkpoint, export
from minifcn.datasets.base import per_kind
from minifcn.layers import Conv2d, MaxPool2d
from minifcn.model import Model
from minifcn.nets import build
from minifcn.nets.body import Body
from minifcn.nets.fcn import FCN, SKIPS, Head
from minifcn.palette import voc_colors

onnx = pytest.importorskip("onnx", reason="onnx is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
from onnx.reference import ReferenceEvaluator  # noqa: E402 (onnx may not be there)

from minifcn import onnx_file, onnx_graph, onnx_layers  # noqa: E402

pytestmark = pytest.mark.peers

SIZES = [(1, 1), (37, 53), (64, 3), (2, 101)]
FCNS = {
    "mini 32s": {"name": "fcn32s"},
    "mini 16s": {"name": "fcn16s"},
    "mini 8s": {"name": "fcn8s"},
    "mini 8s, two heads": {"name": "fcn8s", "classes": (4, 3)},
    "mini 16s that learns to upsample": {"name": "fcn16s", "learn_upsampling": True},
    "mini 32s, early fusion": {"name": "fcn32s", "modality": "color-d"},
    "mini 16s, late fusion": {"name": "fcn16s", "modality": "color-hha"},
    "vgg16 8s": {"name": "fcn8s", "body": "vgg16"},
    "vgg16 8s at once": {"name": "fcn8s-atonce", "body": "vgg16"},
    "vgg16 pool3": {"name": "fcn-pool3", "body": "vgg16"},
    "alexnet 32s": {"name": "fcn32s", "body": "alexnet", "dropout": 0.5},
    "googlenet 32s": {"name": "fcn32s", "body": "googlenet", "dropout": 0.5},
}


def model_of(rng, name, body="mini", classes=4, **options):
    """A Model of few channels with random weights and biases: zeros prove nothing."""
    net = build(name, body, classes, None, **options)
    randomise(net, rng)
    counts = classes if isinstance(classes, tuple) else (classes,)
    names, colors = ([f"class {i}" for i in range(n)] for n in counts), (voc_colors(n).tolist() for n in counts)
    return Model(net, {"classes": per_kind(names), "colors": per_kind(colors), "options": options})


def exported(model, folder):
    """The path of a model's file, made by the command of its checkpoint; and what was printed."""
    checkpoint.save(folder / "net.safetensors", model.net, model.meta)
    return folder / "net.onnx", done(export, folder / "net.safetensors", "--onnx", folder / "net.onnx")


def images(rng, net, *size):
    """Two images as the net takes them; of depth a third is unknown."""
    channels = net.preprocess.channels
    some = rng.integers(0, 256, (2, *size, channels), np.uint8)
    if "D" not in net.preprocess.order:
        return some
    depth = rng.integers(1, 2**16, some.shape[:3]) * (rng.random(some.shape[:3]) > 1 / 3)
    return np.concatenate([some[..., :3], depth[..., None]], axis=3).astype(np.uint16)


def heads(scores):
    return scores if isinstance(scores, tuple) else (scores,)


def assert_same(found, wanted):
    """Scores of one head, and their labels where there are any; where two classes are as likely, either will do."""
    scores, *labels = found
    assert np.ptp(wanted, axis=1).max() > 0.01
    assert np.linalg.norm(scores - wanted) <= 1e-5 * np.linalg.norm(wanted)
    for some in labels:
        second, first = np.sort(wanted, axis=1)[:, -2:].swapaxes(0, 1)
        clear = first - second > 1e-5 * np.abs(wanted).max()
        assert some.dtype == np.uint8 and clear.mean() > 0.9
        np.testing.assert_array_equal(some[clear], wanted.argmax(axis=1)[clear])


def assert_same_at(sizes, rng, net, run):
    """run({"image": images}) gives what the net does."""
    for size in sizes:
        image = images(rng, net, *size)
        wanted = heads(net.forward(net.preprocess(image)))
        found = run(None, {"image": image})
        each = len(found) // len(wanted)
        for k, scores in enumerate(wanted):
            assert_same(found[each * k:each * k + each], scores)


def runner(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run


def attributes(graph, op):
    return [{a.name: onnx.helper.get_attribute_value(a) for a in node.attribute} for node in graph.node
            if node.op_type == op]


# ---- what comes out

@pytest.mark.parametrize("kind", FCNS)
def test_one_file_gives_the_scores_and_labels_of_the_net_at_every_size(rng, tmp_path, monkeypatch, kind):
    narrow(monkeypatch)
    model = model_of(rng, **FCNS[kind])
    path, _ = exported(model, tmp_path)
    assert_same_at(SIZES, rng, model.net, runner(path))


@pytest.mark.parametrize("body", ["mini", "googlenet"])
def test_a_classifier_gives_the_scores_of_whole_images(rng, tmp_path, body):
    model = model_of(rng, "classifier", body)
    path, _ = exported(model, tmp_path)
    assert_same_at([(model.net.side, model.net.side)], rng, model.net, runner(path))


@pytest.mark.parametrize("runtime", [lambda model: runner(model.SerializeToString()),
                                     lambda model: ReferenceEvaluator(model).run], ids=["onnxruntime", "onnx"])
def test_dilated_windows_give_the_same(rng, tmp_path, runtime):
    body = tiny_body(rng, dtype=np.float32)
    layers = dict(list(body.layers.items())[:4])
    layers["wide_pool"] = MaxPool2d(3, 1, pad=2, dilation=2)
    layers["wide_conv"] = Conv2d(rng, 2, 2, 3, pad=3, dilation=3)
    body = Body("wide", layers | body.layers, body.channels, True, body.preprocess)
    net = FCN("fcn8s", body, Head(body, 3, SKIPS["fcn8s"]))
    randomise(net, rng)
    model = Model(net, {"classes": ["a", "b", "c"], "colors": voc_colors(3).tolist()})
    path, = onnx_file.write(tmp_path / "net.onnx", *onnx_graph.draw(model))
    assert_same_at(SIZES[:2], rng, net, runtime(onnx.load(path)))


# ---- what is in the file

def test_the_file_says_what_it_takes_and_what_it_is(tmp_path):
    path, printed = exported(random_model(max_side=20), tmp_path)
    model = onnx.load(path)
    assert (model.ir_version, model.opset_import[0].version) == (8, 17)
    shapes = {value.name: [side.dim_param or side.dim_value for side in value.type.tensor_type.shape.dim]
              for value in (*model.graph.input, *model.graph.output)}
    assert shapes == {"image": ["N", "H", "W", 3], "scores": ["N", 3, "H", "W"], "labels": ["N", "H", "W"]}
    meta = {entry.key: json.loads(entry.value) for entry in model.metadata_props}
    assert meta == {"minifcn": minifcn.__version__, "net": "fcn8s", "body": "mini", "max_side": 20,
                    "classes": ["ground", "disc", "bar"]}
    resizing = "Resizing is not in the graph: shrink images to at most 20 pixels a side"
    assert resizing in printed and resizing in model.doc_string
    assert f"{path}: " in printed and "onnxruntime gives the net's scores" in printed


def test_where_nothing_is_resized_nothing_is_said_of_it(tmp_path):
    assert "Resizing" not in exported(random_model(), tmp_path)[1]


def test_two_heads_are_told_apart_by_their_suffixes(rng):
    model, _ = onnx_graph.draw(model_of(rng, "fcn32s", classes=(4, 3)))
    assert [out.name for out in model.graph.output] == ["scores_sem", "labels_sem", "scores_geo", "labels_geo"]
    assert "4 and 3 classes" in model.doc_string


def test_upsampling_that_treats_each_channel_alone_is_stored_so_and_other_is_dense(rng):
    model = model_of(rng, "fcn16s")
    w = model.net.params["upscore2.w"]
    w[0, 1, 2, 3] = 1e-30  # a look at the largest would miss it
    drawn, arrays = onnx_graph.draw(model)
    assert [a["group"] for a in attributes(drawn.graph, "ConvTranspose")] == [1, 4]
    assert arrays["upscore2.w"] is w and arrays["upscore16.w"].shape == (4, 1, 32, 32)


def test_poolings_round_up_where_there_is_something_to_round(rng):
    drawn, _ = onnx_graph.draw(model_of(rng, "fcn32s", "googlenet"))
    assert all(a["ceil_mode"] == (a["strides"] != [1, 1]) for a in attributes(drawn.graph, "MaxPool"))


def test_no_weight_is_copied_on_its_way_to_the_file(rng, monkeypatch):
    narrow(monkeypatch)
    net = model_of(rng, "fcn8s-atonce", "vgg16").net
    _, arrays = onnx_graph.draw(Model(net, {"classes": list("abcd"), "colors": voc_colors(4).tolist()}))
    assert set(net.params) <= set(arrays)
    assert all(np.shares_memory(arrays[name], net.params[name]) for name in net.params if not name.startswith("up"))


def test_weights_beyond_2_gb_have_a_file_of_their_own(rng, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_file, "LIMIT", 100_000)
    model = model_of(rng, "fcn8s")
    path, printed = exported(model, tmp_path)
    beside = onnx_file.beside(path)
    assert f"{path}: " in printed and f"{beside}: " in printed and "keep the two together" in printed
    assert path.stat().st_size < 100_000 < beside.stat().st_size
    assert_same_at(SIZES[:2], rng, model.net, runner(path))
    path.unlink()
    assert str(beside) in refused(export, tmp_path / "net.safetensors", "--onnx", path)


# ---- whole and sound, or not at all

def broken_relu(to, name, layer, x):
    return x


def failing(*args, **options):
    raise RuntimeError("no such\noperator")


@pytest.mark.parametrize("where, what, by, words", [
    (onnx_layers.LAYERS, onnx_layers.layers.ReLU, broken_relu, ("net.onnx: not written", "relative error")),
    (vars(onnxruntime), "InferenceSession", failing, ("net.onnx: not written", "cannot run it: no such operator"))])
def test_a_graph_that_is_not_the_net_leaves_no_file(saved, tmp_path, monkeypatch, where, what, by, words):
    monkeypatch.setitem(where, what, by)
    message = refused(export, saved, "--onnx", tmp_path / "net.onnx")
    assert all(word in message for word in words) and not list(tmp_path.iterdir())


def test_whatever_stops_it_leaves_no_file(saved, tmp_path, monkeypatch):
    monkeypatch.setattr(onnx.checker, "check_model", failing)
    with pytest.raises(RuntimeError, match="operator"):
        export.write_onnx(saved, tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_without_onnxruntime_nothing_is_compared_and_that_is_said(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert "not compared" in done(export, saved, "--onnx", tmp_path / "net.onnx")
    assert (tmp_path / "net.onnx").is_file()


def test_without_onnx_it_says_what_to_install(saved, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert 'pip install "minifcn[onnx]"' in refused(export, saved, "--onnx", tmp_path / "net.onnx")


def test_nothing_is_written_over(saved, tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"mine")
    message = refused(export, saved, "--onnx", tmp_path / "net.onnx")
    assert "net.onnx: exists already" in message and (tmp_path / "net.onnx").read_bytes() == b"mine"


def test_a_folder_that_cannot_be_written_to_is_refused(saved, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "file: cannot be written to" in refused(export, saved, "--onnx", tmp_path / "file/net.onnx")


@pytest.mark.parametrize("argv, word", [(("no.safetensors",), "no.safetensors"), (("text.safetensors",), "damaged"),
                                        (("harbour-fcn9s",), "harbour-fcn9s")])
def test_what_is_no_checkpoint_is_refused(tmp_path, monkeypatch, argv, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.safetensors").write_text("a net")
    assert word in refused(export, *argv, "--onnx", "new/net.onnx") and not (tmp_path / "new").exists()


def test_the_file_must_be_named(saved):
    assert "--onnx" in refused(export, saved)

"""Caffe's files, written here byte by byte: every model of the papers, every way to store numbers, and damage."""
import sys

import numpy as np
import pytest
from refusal import refused as refuses
from tiny_runs import assert_same_bits, done, refused
from weight_files import narrow, random_image, randomise

import minifcn
from minifcn import weights
from minifcn.datasets.base import each_kind, kinds
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.nets import build
from minifcn.nets.models import MODELS
from minifcn.weights import __main__ as command
from minifcn.weights import caffe
from minifcn.weights.formats import open_file

# ---- protobuf, from the wire up: what goes into a file is a list of parts, each of them bytes or an array


def varint(n):
    found = bytearray()
    while n > 127:
        found.append(n & 127 | 128)
        n >>= 7
    return bytes(found) + bytes([n])


def number(field, value):
    return varint(field << 3) + varint(value)


def nested(field, *parts):
    """A length-delimited field."""
    return [varint(field << 3 | 2) + varint(sum(memoryview(part).nbytes for part in parts)), *parts]


def dims(*shape):
    """The shape of a BlobProto, as it is written since 2015."""
    return nested(7, *nested(1, *map(varint, shape)))


def legacy(*shape):
    """The shape of a BlobProto, as it was in 2014: always of four numbers."""
    return [number(field, n) for field, n in enumerate((1,) * (4 - len(shape)) + shape, 1)]


def data(w):
    return nested(5, np.ascontiguousarray(w, "<f4"))


def layer(version, name, blobs=(), bottoms=()):
    """A layer; each of its blobs is a list of parts."""
    if version == 1:
        field, names, fed, holds, parts = 2, 4, 2, 6, [number(5, 4)]
    else:
        field, names, fed, holds, parts = 100, 1, 3, 7, nested(2, b"Convolution")
    parts = nested(names, name) + parts
    for bottom in bottoms:
        parts += nested(fed, bottom)
    for blob in blobs:
        parts += nested(holds, *blob)
    return nested(field, *parts)


def caffemodel(path, params, version=2, shape=dims, bottoms=None):
    """Write {our name: array}, with layers that have no weights around them; bottoms: {layer: what feeds it}."""
    layers = {}
    for name, w in params.items():
        layers.setdefault(name.rpartition(".")[0], []).append([*shape(*w.shape), *data(w)])
    with open(path, "wb") as file:
        file.writelines([*nested(1, b"some net"), *layer(version, b"data")])
        for name, blobs in layers.items():
            file.writelines(layer(version, name.encode(), blobs, [b"data"]))
        for name, fed in (bottoms or {}).items():
            file.writelines(layer(version, name, bottoms=[fed]))
    return path


def written(path, *parts):
    path.write_bytes(b"".join(bytes(part) for part in parts))
    return path


# ---- whole nets

def test_vgg16_in_full_size_as_its_authors_stored_it(tmp_path):
    net = randomise(build("classifier", "vgg16", 1000, None))
    path = caffemodel(tmp_path / "any name", net.params, 1, legacy)
    found = weights.read(path)
    path.unlink()
    assert (found.title, found.format, found.net, found.body, found.classes, found.model) == (
        "VGG16 in Caffe", "caffemodel V1", "classifier", "vgg16", 1000, None)
    assert (found.preprocess.order, found.preprocess.mean) == ("BGR", (103.939, 116.779, 123.68))
    assert_same_bits(found.params, dict(net.params))
    x = found.preprocess(random_image())
    np.testing.assert_array_equal(found.build().forward(x), net.forward(x))


def test_fcn8s_in_full_size_becomes_a_checkpoint_that_scores_as_it_did(tmp_path):
    net = randomise(build(seed=None, **MODELS["voc-fcn8s"]))
    path, out = caffemodel(tmp_path / "any name", net.params), tmp_path / "made" / "net.safetensors"
    images = random_image()[:, :61, :83]
    wanted = net.forward(net.preprocess(images))
    del net
    text = done(command, path, "--out", out)
    path.unlink()
    model = minifcn.load(out)
    out.unlink()
    assert "caffemodel V2, 39 tensors, 134,489,759 parameters" in text
    assert "voc-fcn8s: fcn8s, body vgg16, 21 classes\ninput: BGR, grey levels less 104.007, 116.669, 122.679\n" in text
    assert model.classes == VOC_CLASSES
    assert [model.meta[key] for key in ("model", "dataset", "val_split")] == ["voc-fcn8s", "voc", "seg11valid"]
    np.testing.assert_array_equal(model.scores(images), wanted)


AMBIGUOUS = ["nyud-fcn32s-color", "nyud-fcn32s-hha"]


@pytest.mark.parametrize("model", MODELS)
def test_every_model_of_the_papers_is_told_by_its_tensors(tmp_path, monkeypatch, model):
    narrow(monkeypatch)
    net = randomise(build(seed=None, **MODELS[model]))
    path, out = caffemodel(tmp_path / "file", net.params), tmp_path / "net.safetensors"
    if model in AMBIGUOUS:
        refuses(lambda: weights.read(path), path, *AMBIGUOUS, "--as")
        done(command, path, "--as", model, "--out", out)
    else:
        done(command, path, "--out", out)
    found = weights.read(path, model)
    assert_same_bits(found.params, dict(net.params))
    loaded = minifcn.load(out)
    assert loaded.meta["model"] == model.replace("-fixed", "")  # the numbers do not tell what was not trained
    assert loaded.net.preprocess == found.preprocess == net.preprocess
    assert tuple(len(names) for names in kinds(loaded.classes)) == each_kind(net.classes)
    x = net.preprocess(np.random.default_rng(0).integers(1, 256, (1, 33, 41, net.preprocess.channels), np.uint16))
    for mine, theirs in zip(each_kind(loaded.net.forward(x)), each_kind(net.forward(x)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


# ---- classifiers that need a word

@pytest.fixture
def caffenet(monkeypatch):
    narrow(monkeypatch)
    return dict(randomise(build("classifier", "alexnet", 1000, None)).params)


def test_caffenet_pools_before_it_normalises(tmp_path, caffenet):
    found = weights.read(caffemodel(tmp_path / "file", caffenet, 1, legacy, {b"norm1": b"pool1", b"pool1": b"conv1"}))
    assert (found.title, found.net, found.body) == ("CaffeNet", "classifier", "alexnet")
    assert found.notes == ["trained on images less a mean image; here less the mean of each channel"]
    assert_same_bits(found.params, caffenet)


def test_alexnet_normalises_before_it_pools_and_is_refused(tmp_path, caffenet):
    path = caffemodel(tmp_path / "file", caffenet, 1, legacy, {b"norm1": b"conv1", b"pool1": b"norm1"})
    refuses(lambda: weights.read(path), path, "AlexNet", "norm1 is fed by conv1", "bvlc_reference_caffenet")


def test_where_no_graph_tells_alexnet_from_caffenet_that_is_said(tmp_path, caffenet):
    notes = weights.read(caffemodel(tmp_path / "file", caffenet)).notes
    assert "taken for CaffeNet" in notes[-1]


def test_googlenets_extra_losses_are_left_out(tmp_path):
    net = randomise(build("classifier", "googlenet", 1000, None))
    extra = {f"loss{k}/{name}.{kind}": np.ones(shape, np.float32) for k in (1, 2)
             for name in ("conv", "fc", "classifier") for kind, shape in (("w", (3, 2)), ("b", (3,)))}
    found = weights.read(caffemodel(tmp_path / "file", {**net.params, **extra}, 1, legacy))
    assert (found.title, found.preprocess.mean) == ("GoogLeNet in Caffe", (104, 117, 123))
    assert found.notes == ["left out: 12 tensors, the extra losses of its training"]
    assert_same_bits(found.params, dict(net.params))


# ---- numbers on the wire

W = np.arange(6, dtype="<f4").reshape(2, 3)
STORED = {
    "packed": [*dims(2, 3), *data(W)],
    "one by one": [*nested(7, number(1, 2), number(1, 3)), *(varint(5 << 3 | 5) + w.tobytes() for w in W.reshape(-1))],
    "in chunks": [*dims(2, 3), *data(W.reshape(-1)[:2]), *data(W.reshape(-1)[2:])],
    "numbers before their shape": [*data(W), *dims(2, 3)],
    "in double precision": [*dims(2, 3), *nested(8, W.astype("<f8"))],
    "in both precisions, the double one counts": [*dims(2, 3), *data(-W), *nested(8, W.astype("<f8"))],
    "in four dimensions": [*legacy(2, 3), *data(W)],
    "in both shapes, the older counts": [*dims(7), *legacy(2, 3), *data(W)],
    "with gradients and what nobody knows": [*dims(2, 3), *data(W), *nested(6, W + 1), *nested(77, b"?")],
}


@pytest.mark.parametrize("case", STORED)
@pytest.mark.parametrize("version", [1, 2])
def test_weights_can_be_stored_in_many_ways(tmp_path, case, version):
    contents = open_file(written(tmp_path / "file", *layer(version, b"fc", [STORED[case]])))
    assert list(contents.tensors) == ["fc.w"] and contents.tensors["fc.w"].shape == (2, 3)
    np.testing.assert_array_equal(contents.array("fc.w"), W)


@pytest.mark.parametrize("shape", [(4, 3, 1, 1), (1, 3, 5, 5), (3, 5), (1, 5)])
def test_weights_of_four_dimensions_are_a_matrix_where_the_first_two_are_one(tmp_path, shape):
    w = np.ones(shape, "<f4")
    path = written(tmp_path / "file", *layer(1, b"x", [[*legacy(*shape), *data(w)], [*legacy(5), *data(np.ones(5))]]))
    assert [tensor.shape for tensor in open_file(path).tensors.values()] == [shape, (5,)]


def test_names_need_not_be_utf8(tmp_path):
    assert list(open_file(written(tmp_path / "file", *layer(2, b"\xff", [STORED["packed"]]))).tensors) == [r"\xff.w"]


# ---- what is damaged

GOOD = layer(2, b"fc", [STORED["packed"]])
BROKEN = {
    "empty": ([], ["0 bytes"]),
    "text": ([b"hello, this is no weight file"], ["no caffemodel or a damaged one"]),
    "a varint of 11 bytes": ([*GOOD, varint(3 << 3), b"\x80" * 10 + b"\x01"], ["damaged"]),
    "a length beyond the file": ([*GOOD, varint(100 << 3 | 2), varint(5), b"1234"], ["damaged"]),
    "a length of 2^40": ([*GOOD, varint(100 << 3 | 2), varint(1 << 40)], ["damaged"]),
    "a blob longer than its layer": (nested(100, varint(7 << 3 | 2), varint(99)) + GOOD, ["damaged"]),
    "a group that does not end": ([*GOOD, varint(9 << 3 | 3)], ["damaged"]),
    "a field of number 0": ([*GOOD, b"\x02\x01a"], ["damaged"]),
    "half a number": (layer(2, b"fc", [[*dims(2), *nested(5, b"12345")]]), ["damaged"]),
    "no weights": (layer(2, b"data"), ["no caffemodel with weights"]),
    "too few numbers": (layer(2, b"fc", [[*dims(2, 4), *data(W)]]), ["fc.w: 6 numbers for the shape (2, 4)"]),
    "33 dimensions": (layer(2, b"fc", [[*dims(*[1 << 62] * 33), *data(W)]]), ["fc.w: 33 dimensions", "at most 32"]),
    "a shape that overflows": (layer(2, b"fc", [[*dims(1 << 62, 1 << 62), *data(W)]]), ["fc.w: 6 numbers"]),
    "a shape below zero": (layer(2, b"fc", [[*dims((1 << 64) - 2, (1 << 64) - 3), *data(W)]]), ["fc.w", "(-2, -3)"]),
    "the same layer twice": (GOOD + GOOD, ["fc.w: is there twice"]),
    "version 0": (nested(2, *nested(1, *nested(1, b"conv1"))), ["version 0", "upgrade_net_proto_binary"]),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_file_is_refused(tmp_path, case):
    parts, words = BROKEN[case]
    path = written(tmp_path / "file", *parts)
    refuses(lambda: weights.read(path), path, *words)
    refused(command, path)


@pytest.mark.parametrize("parts", [nested(2) * 100_001, nested(100) * 100_001, nested(100, *nested(7) * 100_001),
                                   number(9, 1) * 100_001], ids=["V1", "V2", "blobs", "others"])
def test_a_file_of_too_many_parts_is_refused_before_they_are_made(tmp_path, monkeypatch, parts):
    monkeypatch.setattr(caffe, "_messages", None)
    path = written(tmp_path / "file", *([parts] if isinstance(parts, bytes) else parts))
    refuses(lambda: weights.read(path), path, "more than 100,000 parts")


def test_a_file_beyond_protobufs_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(caffe, "LIMIT", 20)
    refuses(lambda: open_file(written(tmp_path / "file", *GOOD)), "at most 20")


@pytest.fixture
def small(monkeypatch):
    """{name: array} of a narrow FCN-16s."""
    narrow(monkeypatch)
    return dict(randomise(build(seed=None, **MODELS["voc-fcn16s"])).params)


@pytest.mark.parametrize("part", [0.001, 0.01, 0.2, 0.5, 0.8, 0.999])
def test_a_file_that_was_cut_is_refused(tmp_path, small, part):
    path = caffemodel(tmp_path / "file", small)
    path.write_bytes(path.read_bytes()[:int(part * path.stat().st_size)])
    refuses(lambda: weights.read(path), path, "damaged")


def with_nan(w):
    w = w.copy()
    w.reshape(-1)[-1] = np.nan
    return w


WRONG = {
    "cut between two layers": ({"upscore16.w": None}, ["voc-fcn16s", "lacks upscore16.w"]),
    "no biases": ({"score_fr.b": None}, ["lacks score_fr.b"]),
    "a layer more": ({"fc9.w": W}, ["has fc9.w besides"]),
    "NaN": ({"conv3_2.w": with_nan}, ["conv3_2.w: holds NaN"]),
    "NaN in a constant": ({"upscore2.w": with_nan}, ["upscore2.w: holds NaN"]),
    "other classes": ({"score_fr.w": lambda w: w[:5], "score_fr.b": lambda w: w[:5]},
                      ["score_fr.w has shape (5, 12, 1, 1), not (21, 12, 1, 1)"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_net_that_is_wrong_is_refused_and_the_tensor_named(tmp_path, small, case):
    changes, words = WRONG[case]
    for name, change in changes.items():
        if (w := change(small[name]) if callable(change) else change) is None:
            del small[name]
        else:
            small[name] = w
    path = caffemodel(tmp_path / "file", small)
    refuses(lambda: weights.read(path), path, *words)


def test_without_protobuf_it_is_said_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "google.protobuf.message", None)
    path = written(tmp_path / "file", *GOOD)
    refuses(lambda: weights.read(path), path, 'pip install "minifcn[caffe]"')

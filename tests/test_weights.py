"""Other people's files: recognised by what is in them, folded without changing a score, refused in one line."""
import json
import os
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from refusal import refused as refuses
from safetensors.numpy import save, save_file
from tiny_runs import done, refused, run
from weight_files import (
    Reference,
    googlenet_tensors,
    narrow,
    random_image,
    relative_error,
    scaled,
    vgg16_tensors,
)

import minifcn
from minifcn import weights
from minifcn.nets import build
from minifcn.weights import __main__ as command
from minifcn.weights import folding
from minifcn.weights.formats import open_file

SHIPPED = Path(minifcn.__file__).parent / "weights/harbour-fcn8s.safetensors"


@pytest.fixture
def small(monkeypatch):
    """The shapes of a narrow VGG16, and {name: array} of it as torchvision stores it."""
    narrow(monkeypatch)
    return vgg16_tensors(build("classifier", "vgg16", 1000, None))


@pytest.fixture(scope="module")
def googlenet(tmp_path_factory):
    """torchvision's GoogLeNet: (path, tensors)."""
    path, tensors = tmp_path_factory.mktemp("weights") / "any name", googlenet_tensors(build("classifier", "googlenet"))
    save_file(tensors, path)
    return path, tensors


def saved(path, tensors):
    save_file(tensors, path)
    return path


# ---- folding

def test_a_filter_on_scaled_rgb_is_another_on_bgr_less_the_mean(rng):
    x, w = rng.normal(size=(2, 3, 9, 7)), rng.normal(size=(4, 3, 3, 3))
    std = np.array([2.0, 3.0, 5.0])
    bgr = folding.as_bgr(w, std)
    wanted = np.einsum("fcij,ncij->nf", w, x[:, :, :3, :3] / std[:, None, None])
    np.testing.assert_allclose(np.einsum("fcij,ncij->nf", bgr, x[:, ::-1, :3, :3]), wanted, rtol=1e-12)


# ---- torchvision and timm

@pytest.mark.parametrize("norm", [False, True])
def test_torchvisions_vgg16_scores_as_it_does_on_scaled_rgb(tmp_path, monkeypatch, norm):
    narrow(monkeypatch)
    tensors = vgg16_tensors(build("classifier", "vgg16", 1000, None), norm)
    found = weights.read(saved(tmp_path / "file", tensors))
    assert (found.title, found.net, found.body, found.classes, found.model) == (
        f"torchvision's vgg16{'_bn' * norm}", "classifier", "vgg16", 1000, None)
    assert found.preprocess.order == "BGR" and found.preprocess.scale == 1
    np.testing.assert_allclose(found.preprocess.mean, (103.53, 116.28, 123.675), rtol=1e-6)
    assert any("conv1_1" in note for note in found.notes) and any("normalisation" in n for n in found.notes) == norm
    net, images = found.build(), random_image()
    wanted = Reference(tensors).vgg16(scaled(images))
    assert relative_error(net.forward(net.preprocess(images)), wanted) < 1e-5


def test_timms_vgg16_in_full_size_has_convolutions_for_fc6_and_fc7(tmp_path):
    tensors = vgg16_tensors(build("classifier", "vgg16", 1000, None), timm=True)
    path, images = saved(tmp_path / "model.safetensors", tensors), random_image()
    wanted = Reference(tensors).vgg16(scaled(images), ("pre_logits.fc1", "pre_logits.fc2", "head.fc"))
    assert tensors["pre_logits.fc1.weight"].shape == (4096, 512, 7, 7)
    del tensors
    found = weights.read(path)
    path.unlink()
    assert found.title == "timm's vgg16" and found.params["fc6.w"].shape == (4096, 25088)
    net = found.build()
    assert relative_error(net.forward(net.preprocess(images)), wanted) < 1e-5


def test_torchvisions_googlenet_is_folded_embedded_and_fed_as_it_was(googlenet):
    path, tensors = googlenet
    assert len(tensors) == 364
    found = weights.read(path)
    assert (found.title, found.body, found.options) == ("torchvision's googlenet", "googlenet",
                                                        {"norm": False, "last_pool": 2})
    assert (found.preprocess.order, found.preprocess.mean, found.preprocess.scale) == ("RGB", (127.5,) * 3, 1 / 127.5)
    assert any("3x3 kernels" in note for note in found.notes)
    assert any("untrained" in note and "18" in note for note in found.notes), found.notes
    net, images = found.build(), random_image()
    wanted = Reference(tensors).googlenet(scaled(images, 0.5, 0.5))
    assert relative_error(net.forward(net.preprocess(images)), wanted) < 1e-5


def test_googlenet_without_its_extra_losses_is_the_same_net(googlenet, tmp_path):
    path, tensors = googlenet
    less = {name: w for name, w in tensors.items() if not name.startswith("aux")}
    mine, other = weights.read(saved(tmp_path / "file", less)).params, weights.read(path).params
    assert mine.keys() == other.keys() and all((mine[name] == other[name]).all() for name in mine)


def test_of_features_that_were_caffes_only_the_convolutions_are_taken(small, tmp_path):
    for name in small:
        if name.startswith("classifier"):
            small[name][...] = np.nan
    path = saved(tmp_path / "file", small)
    found = weights.read(path)
    assert not [name for name in found.params if name.startswith("fc")] and "NaN" in found.notes[0]
    assert (found.preprocess.order, found.preprocess.mean, found.preprocess.scale) == ("BGR", (104, 117, 123), 1)
    refuses(found.build, path, "fc6.w", "no whole net")
    images = random_image()
    wanted = Reference(small).vgg16_features(scaled(images, np.array((123, 117, 104)) / 255, 1 / 255))
    net = build("classifier", "vgg16", 1000, None)
    net.load(found.params)
    assert relative_error(net.body.forward(found.preprocess(images))["pool5"], wanted) < 1e-5


def test_if_only_one_layer_lacks_numbers_the_file_is_damaged(small, tmp_path):
    small["classifier.3.weight"][...] = np.nan
    path = saved(tmp_path / "file", small)
    refuses(lambda: weights.read(path), path, "classifier.3.weight: holds NaN")


def test_a_variance_below_zero_is_none(tmp_path, monkeypatch):
    narrow(monkeypatch)
    tensors = vgg16_tensors(build("classifier", "vgg16", 1000, None), norm=True)
    tensors["features.4.running_var"][1] = -2
    path = saved(tmp_path / "file", tensors)
    refuses(lambda: weights.read(path), path, "features.4.running_var: -2 is no variance")


def test_numbers_of_other_widths_become_float32(small, tmp_path):
    half = weights.read(saved(tmp_path / "half", {name: w.astype(np.float16) for name, w in small.items()}))
    double = weights.read(saved(tmp_path / "double", {name: w.astype(np.float64) for name, w in small.items()}))
    for name, w in weights.read(saved(tmp_path / "single", small)).params.items():
        assert w.dtype == half.params[name].dtype == double.params[name].dtype == np.float32
        assert (w == double.params[name]).all()
        np.testing.assert_allclose(half.params[name], w, rtol=1e-3, atol=1e-6)


def test_bfloat16_is_the_upper_half_of_float32(tmp_path, rng):
    wanted = (rng.normal(size=(2, 3)).astype(np.float32).view(np.uint32) & 0xFFFF0000).view(np.float32)
    upper = (wanted.view(np.uint32) >> 16).astype("<u2").tobytes()
    header = {"a": entry([1], 0, 2, "BF16"), "w": entry([2, 3], 2, 14, "BF16"), "e": entry([0, 4], 14, 14, "BF16")}
    (tmp_path / "file").write_bytes(raw(header, bytes(2) + upper))
    contents = open_file(tmp_path / "file")
    assert contents.array("e").shape == (0, 4)
    found = contents.array("w")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, wanted)


def test_numbers_too_large_for_float32_are_refused(small, tmp_path):
    double = {name: w.astype(np.float64) for name, w in small.items()}
    double["features.0.bias"][1] = 1e300
    refuses(lambda: weights.read(saved(tmp_path / "file", double)), "features.0.bias", "infinity")


# ---- what is not taken

def changed(tensors, **changes):
    """Tensors by name, some others put in, or taken out where they are None."""
    changes = {name.replace("__", "."): w for name, w in changes.items()}
    return {name: w for name, w in (tensors | changes).items() if w is not None}


WRONG = {
    "nan": ({"features__7__weight": "nan"}, ["features.7.weight", "NaN"]),
    "infinity": ({"classifier__6__bias": "inf"}, ["classifier.6.bias", "infinity"]),
    "missing": ({"features__14__bias": None}, ["torchvision's vgg16", "lacks features.14.bias"]),
    "extra": ({"features__40__weight": np.zeros((3, 3), np.float32)}, ["features.40.weight besides"]),
    "classes": ({"classifier__6__weight": np.zeros((10, 12), np.float32), "classifier__6__bias": np.zeros(10, "f4")},
                ["classifier.6.weight", "(10, 12)", "(1000, 12)"]),
    "channels": ({"features__0__weight": np.zeros((4, 1, 3, 3), np.float32)}, ["(4, 1, 3, 3)", "(4, 3, 3, 3)"]),
    "integers": ({"features__2__bias": np.zeros(4, np.int64)}, ["features.2.bias", "int64"]),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_tensor_that_is_wrong_is_named(small, tmp_path, case):
    changes, words = WRONG[case]
    for name, value in changes.items():
        if isinstance(value, str):
            small[name.replace("__", ".")].reshape(-1)[-1] = float(value)
    changes = {name: value for name, value in changes.items() if not isinstance(value, str)}
    path = saved(tmp_path / "file", changed(small, **changes))
    refuses(lambda: weights.read(path), path, *words)


def test_torchvisions_alexnet_is_refused_with_the_reason(tmp_path):
    shapes = {"features.0": (64, 3, 11, 11), "features.3": (192, 64, 5, 5), "features.6": (384, 192, 3, 3),
              "features.8": (256, 384, 3, 3), "features.10": (256, 256, 3, 3), "classifier.1": (4096, 9216),
              "classifier.4": (4096, 4096), "classifier.6": (1000, 4096)}
    tensors = {f"{name}.weight": np.zeros(shape, np.float16) for name, shape in shapes.items()}
    tensors |= {f"{name}.bias": np.zeros(shape[0], np.float16) for name, shape in shapes.items()}
    refuses(lambda: weights.read(saved(tmp_path / "file", tensors)), "no groups", "caffenet")


def test_a_net_that_is_not_known_is_refused(tmp_path):
    path = saved(tmp_path / "file", {"layer1.0.conv1.weight": np.zeros((2, 2), np.float32)})
    refuses(lambda: weights.read(path), path, "no net that is known here", "layer1.0.conv1.weight")
    result = run(command, path)
    assert result.status == 2 and "layer1.0.conv1.weight  2 x 2" in result.out
    refuses(lambda: weights.read(saved(tmp_path / "file", {})), "none at all")


def test_a_file_that_is_none_is_refused(tmp_path):
    refuses(lambda: weights.read(tmp_path / "none"), tmp_path / "none", "No such file")
    refuses(lambda: weights.read(tmp_path), tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes in this file system")
def test_a_pipe_is_refused_before_it_is_opened(tmp_path):
    """Nobody writes into it: to open it would take for ever."""
    os.mkfifo(tmp_path / "pipe")
    for call in (weights.read, weights.is_checkpoint):
        refuses(lambda call=call: call(tmp_path / "pipe"), tmp_path / "pipe", "no regular file")
    assert "no regular file" in refused(command, tmp_path / "pipe")


# ---- damaged safetensors files

def raw(header, data=b"", length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, start, end, dtype="F32"):
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, end]}


DAMAGED = {
    "header cut": raw({"a": entry([2], 0, 8)}, b"0" * 8)[:20],
    "header of 10^18 bytes": raw({"a": entry([2], 0, 8)}, b"0" * 8, length=10**18),
    "data cut": raw({"a": entry([2], 0, 8)}, b"0" * 7),
    "more data": raw({"a": entry([2], 0, 8)}, b"0" * 9),
    "shape and bytes differ": raw({"a": entry([3], 0, 8)}, b"0" * 8),
    "a shape that overflows": raw({"a": entry([1 << 62, 1 << 62], 0, 8)}, b"0" * 8),
    "overlap": raw({"a": entry([2], 0, 8), "b": entry([2], 4, 12)}, b"0" * 12),
    "a hole": raw({"a": entry([2], 0, 8), "b": entry([2], 12, 20)}, b"0" * 20),
    "negative": raw({"a": entry([-2], 0, 8)}, b"0" * 8),
    "a dtype that is none": raw({"a": entry([2], 0, 8, "F31")}, b"0" * 8),
    "a name twice": raw(b'{"a": %b, "a": %b}' % ((json.dumps(entry([2], 0, 8)).encode(),) * 2), b"0" * 8),
    "a text twice": raw(b'{"__metadata__": {"minifcn": "1", "minifcn": "2"}}'),
    "no JSON": raw(b'{"a": [}'),
    "no UTF-8": raw(b'{"\xff\xfe": 1}'),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_safetensors_file_is_refused(tmp_path, case):
    path = tmp_path / "file"
    path.write_bytes(DAMAGED[case])
    refuses(lambda: weights.read(path), path, "damaged safetensors file")
    refused(command, path)


@pytest.mark.parametrize("keep", [0, 1, 7, 8])
def test_a_few_bytes_are_no_file(tmp_path, keep):
    path = tmp_path / "file"
    path.write_bytes(save({"a": np.zeros(2, np.float32)})[:keep])
    refuses(lambda: weights.read(path), path)


# ---- what reading takes

@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19\x2e."])
def test_without_torch_its_files_are_told_what_reads_them(tmp_path, monkeypatch, start):
    monkeypatch.setitem(sys.modules, "torch", None)
    path = tmp_path / "vgg16.pth"
    path.write_bytes(start)
    refuses(lambda: weights.read(path), path, "pip install \"torch", "timm/vgg16.tv_in1k")


def test_a_zip_archive_of_numpys_is_no_torch_file(tmp_path):
    np.savez_compressed(tmp_path / "file.npz", w=np.zeros(3))
    refuses(lambda: weights.read(tmp_path / "file.npz"), "file.npz: a zip archive, no torch file")


# ---- the command

def test_names_are_shown_escaped_and_cut(tmp_path):
    path = saved(tmp_path / "file", {"\x1b[2J\nname": np.zeros(1, np.float32), "é" * 5000: np.zeros(1, np.float32)})
    result = run(command, path)
    for text in (result.out, result.err):
        assert r"\x1b[2J\nname" in text and "é" * 97 + "..." in text and len(text) < 1000
    assert "\x1b" not in result.out


def test_the_command_says_what_a_file_holds_and_converts_it(googlenet, tmp_path):
    path, _ = googlenet
    out = tmp_path / "made" / "net.safetensors"
    text = done(command, path, "--out", out)
    assert "safetensors, 364 tensors, 13," in text and f"reading {path}, 5" in text
    assert "torchvision's googlenet: classifier, body googlenet, norm=False, last_pool=2, 1000 classes" in text
    assert "input: RGB, grey levels less 127.5, 127.5, 127.5, times 0.00784314" in text
    lines = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.startswith(("conv1", "aux1.conv"))}
    assert lines["conv1.conv.weight"] == [*"64 x 3 x 7 x 7 F32 conv1/7x7_s2.w".split()]
    assert lines["conv1.bn.running_var"][-1] == "conv1/7x7_s2" and lines["aux1.conv.conv.weight"][-1] == "-"
    model = minifcn.load(out)
    assert model.net.name == "classifier" and model.classes[999] == "class 999" and len(model.colors) == 1000
    assert model.net.preprocess == weights.read(path).preprocess
    x = model.net.preprocess(random_image())
    np.testing.assert_array_equal(model.net.forward(x), weights.read(path).build().forward(x))
    assert "choose another --out" in refused(command, path, "--out", out)


def test_a_checkpoint_of_ours_is_known_as_one(tmp_path):
    text = done(command, SHIPPED)
    assert "score_pool3.w" in text and 'classes: ["background", "boat"' in text and 'net: "fcn8s"' in text
    assert weights.is_checkpoint(SHIPPED) and not weights.is_checkpoint(__file__)
    refuses(lambda: weights.read(SHIPPED), SHIPPED, "minifcn.load")
    assert "minifcn.load" in refused(command, SHIPPED, "--out", tmp_path / "new.safetensors")


@pytest.mark.parametrize(("argv", "says"), [(("--as", "fcn9s"), "--as fcn9s"), (("--as", "voc-fcn8s"), "no voc-fcn8s")])
def test_what_a_file_is_not_it_cannot_be_taken_as(googlenet, argv, says):
    assert says in refused(command, googlenet[0], *argv)

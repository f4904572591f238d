"""Files that torch has saved, in both of its layouts: what they hold scores as in torch, and nothing in them is run."""
import os
import pickle
import tarfile
import zipfile

import numpy as np
import pytest
from peers import torch
from peers.bodies import CLASSIFIERS, vgg16_convs
from peers.layers import Layers
from refusal import refused as refuses
from tiny_runs import assert_same_bits, done
from weight_files import googlenet_tensors, narrow, random_image, relative_error, scaled, vgg16_names, vgg16_tensors

from minifcn import weights
from minifcn.nets import build
from minifcn.weights import __main__ as command

pytestmark = pytest.mark.peers
LAYOUTS = ["legacy", "zip"]
FC = ["classifier.0", "classifier.3", "classifier.6"]


@pytest.fixture
def path(tmp_path):
    """Where a file is written that is gone after the test, for it may be large."""
    path = tmp_path / "any name"
    yield path
    path.unlink()


def saved(path, held, layout):
    if isinstance(held, dict):
        held = {name: torch.from_numpy(w) if isinstance(w, np.ndarray) else w for name, w in held.items()}
    torch.save(held, path, _use_new_zipfile_serialization=layout == "zip")
    return path


def in_torch(tensors):
    """The layers of torchvision's VGG16 under the names of the authors, in torch and in double precision."""
    ours = [f"conv{i}_{j}" for i, convs in enumerate((2, 2, 3, 3, 3), 1) for j in range(1, convs + 1)]
    return Layers({f"{mine}.{kind[0]}": torch.from_numpy(tensors[f"{theirs}.{kind}"]).double()
                   for mine, theirs in zip([*ours, "fc6", "fc7", "fc8"], vgg16_names() + FC, strict=True)
                   for kind in ("weight", "bias")})


# ---- whole nets

def test_vgg16_in_full_size_in_the_legacy_layout_scores_as_in_torch(path):
    tensors = vgg16_tensors(build("classifier", "vgg16", 1000, None))
    saved(path, tensors, "legacy")
    images = random_image()
    wanted = CLASSIFIERS["vgg16"](in_torch(tensors), torch.from_numpy(scaled(images))).numpy()
    del tensors
    found = weights.read(path)
    assert (found.title, found.format) == ("torchvision's vgg16", "torch, legacy layout")
    net = found.build()
    assert relative_error(net.forward(net.preprocess(images)), wanted) < 1e-5


def test_caffes_features_in_full_size_in_the_zip_layout_are_those_of_torch(path):
    tensors = vgg16_tensors(build("classifier", "vgg16", 1000, None))
    for name in FC:
        tensors[f"{name}.weight"][...] = tensors[f"{name}.bias"][...] = np.nan
    saved(path, tensors, "zip")
    images, grey = random_image(), 1 / 255
    x = torch.from_numpy(scaled(images, np.array((123, 117, 104)) * grey, grey))
    wanted = vgg16_convs(in_torch(tensors), x, 1)["pool5"].numpy()
    del tensors
    found = weights.read(path)
    assert (found.title, found.format) == ("torchvision's vgg16", "torch, zip layout")
    assert not [name for name in found.params if name.startswith("fc")]
    body = build("classifier", "vgg16", 1000, None, preprocess=found.preprocess)
    body.load(found.params)
    assert relative_error(body.body.forward(body.preprocess(images))["pool5"], wanted) < 1e-5


@pytest.mark.parametrize("layout", LAYOUTS)
def test_googlenet_is_the_same_in_every_format(path, tmp_path, layout):
    from safetensors.numpy import save_file

    tensors = googlenet_tensors(build("classifier", "googlenet", 1000, None))
    save_file(tensors, tmp_path / "other")
    saved(path, tensors, layout)
    assert f"torch, {layout} layout, 364 tensors" in done(command, path)
    assert_same_bits(weights.read(path).params, weights.read(tmp_path / "other").params)


# ---- what else torch can save

@pytest.fixture
def small(monkeypatch):
    narrow(monkeypatch)
    return vgg16_tensors(build("classifier", "vgg16", 1000, None))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_tensors_may_be_parameters_strided_and_of_half_precision(path, small, layout):
    wanted = {name: w.astype(np.float16).astype(np.float32) for name, w in small.items()}
    held = {name: torch.from_numpy(w).half() for name, w in small.items()}
    held["features.2.weight"] = held["features.2.weight"].contiguous(memory_format=torch.channels_last)
    held["features.5.bias"] = torch.nn.Parameter(held["features.5.bias"])
    found = weights.read(saved(path, held, layout))
    np.testing.assert_array_equal(found.params["conv1_2.w"], wanted["features.2.weight"])
    np.testing.assert_array_equal(found.params["conv2_1.b"], wanted["features.5.bias"])


REFUSED = {
    "a module": (lambda held: torch.nn.Conv2d(3, 4, 3), ["more than tensors"]),
    "a training checkpoint": (lambda held: {"epoch": 3, "state_dict": held}, ["a dict of", "int", "state_dict()"]),
    "a list": (lambda held: list(held.values()), ["holds a list"]),
    "one tensor": (lambda held: held["features.0.bias"], ["holds a Tensor"]),
    "nothing": (lambda held: {}, ["none at all"]),
    "a shape without the numbers": (
        lambda held: held | {"features.0.weight": torch.zeros(1).expand(1 << 40)}, ["features.0.weight has shape"]),
    "bfloat16": (lambda held: held | {"features.2.bias": torch.zeros(4, dtype=torch.bfloat16)},
                 ["features.2.bias: cannot be read"]),
    "a number for a name": (lambda held: held | {3: torch.zeros(4)}, ["3: no name"]),
    **{kind: (lambda held, make=make: held | {"features.2.bias": make(torch.zeros(4, 2))},
              ["features.2.bias: a nested, sparse, quantised or empty tensor"])
       for kind, make in {"sparse": torch.Tensor.to_sparse, "sparse, by rows": torch.Tensor.to_sparse_csr,
                          "meta": lambda x: x.to("meta"),
                          "quantised": lambda x: torch.quantize_per_tensor(x, 0.1, 0, torch.qint8)}.items()},
    "NaN": (lambda held: held | {"features.2.bias": torch.full((4,), torch.nan)}, ["features.2.bias: holds NaN"]),
}


@pytest.mark.filterwarnings("ignore")  # torch's, of kinds of tensors that it will change
@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_dict_of_good_tensors_is_refused(path, small, layout, case):
    change, words = REFUSED[case]
    saved(path, change({name: torch.from_numpy(w) for name, w in small.items()}), layout)
    refuses(lambda: weights.read(path), path, *words)


@pytest.mark.filterwarnings("ignore")
def test_a_nested_tensor_is_refused(path, small):
    """In the zip layout: from the other torch may get anything."""
    some = torch.zeros(4, 2)
    saved(path, small | {"features.2.bias": torch.nested.nested_tensor([some, some[:2]])}, "zip")
    refuses(lambda: weights.read(path), path, "features.2.bias: a nested, sparse, quantised or empty tensor")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("part", [0.0001, 0.01, 0.3, 0.8, 0.999])
def test_a_file_that_was_cut_is_refused(path, small, layout, part):
    saved(path, small, layout)
    path.write_bytes(path.read_bytes()[:20 + int(part * path.stat().st_size)])
    refuses(lambda: weights.read(path), path, "damaged")


# ---- hostile files

class Hostile:
    """Unpickled, it makes a folder."""

    def __init__(self, canary):
        self.canary = canary

    def __reduce__(self):
        return os.mkdir, (str(self.canary),)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_in_a_file_is_run(path, small, tmp_path, layout):
    canary = tmp_path / "canary"
    saved(path, small | {"features.0.weight": Hostile(canary)}, layout)
    refuses(lambda: weights.read(path), path, "more than tensors")
    assert not canary.exists()
    torch.load(path, weights_only=False)
    assert canary.is_dir()  # it would have been


def test_nothing_in_a_bare_pickle_is_run(path, tmp_path):
    canary = tmp_path / "canary"
    path.write_bytes(pickle.dumps(Hostile(canary)))
    refuses(lambda: weights.read(path), path, "damaged")
    assert not canary.exists()


def test_a_compressed_archive_is_refused_before_it_is_unpacked(path, small, tmp_path):
    with zipfile.ZipFile(saved(tmp_path / "other", small, "zip")) as good:
        with zipfile.ZipFile(path, "w") as bad:
            for entry in good.namelist():
                kind = zipfile.ZIP_DEFLATED if entry.endswith("data.pkl") else zipfile.ZIP_STORED
                bad.writestr(entry, good.read(entry), kind)
    refuses(lambda: weights.read(path), path, "torch compresses nothing")


def test_the_tar_archives_of_2016_are_refused(path, tmp_path):
    (tmp_path / "storages").write_bytes(b"x")
    with tarfile.open(path, "w") as archive:
        archive.add(tmp_path / "storages", "storages")
    refuses(lambda: weights.read(path), path, "none of torch's")


def test_a_torch_that_can_be_fooled_is_not_trusted(path, small, monkeypatch):
    saved(path, small, "zip")
    monkeypatch.setattr(torch, "__version__", torch.torch_version.TorchVersion("2.9.1+cpu"))
    refuses(lambda: weights.read(path), path, "torch 2.9.1", "torch>=2.10", "safetensors")

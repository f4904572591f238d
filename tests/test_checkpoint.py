"""Checkpoints: all comes back as it was, a file is there whole or not at all, and damage is told in one line."""
import errno
import json
import os

import numpy as np
import pytest

import minifcn
from minifcn import checkpoint
from minifcn.errors import InputError
from minifcn.nets import build
from minifcn.optim import Adam
from minifcn.preprocess import Preprocessing
from minifcn.start import read_start

META = {"classes": ["sky", "süße Robbe"], "colors": [[0, 0, 0], [9, 8, 7]], "max_side": None, "options": {}}
# metadata that a damaged file may hold: the right keys, and values that are of no use
BAD_META = {"net": ["fcn9s", 3, None, ["fcn8s"]], "body": ["vgg99", None], "classes": [3, None, ["a"], [1, 2, 3], {}],
            "colors": [None, "red", [[1, 2]], [[0, 0, 0], [300, 0, 0]], [[0, 0, 0], [-1, 0, 0]], [[0, 0, 0]]],
            "preprocess": [None, 5, {"order": "GRB"}, {"mean": [1, 2]}, {"mean": "abc"}, {"std": 3},
                           {"scale": float("nan")}, {"order": "BGRD", "mean": [1, 2, 3, 4]}],
            "options": [{"width": 3}, {"preprocess": "x"}, {"dtype": "U9"}, 7, None], "max_side": [0, -3, 1.5, "x"],
            "model": [["voc-fcn8s"]], "dataset": [5], "val_split": [None]}
# those of them that anything asks for, whatever net it makes
UNREADABLE = {"body": [None], "classes": [5, None, [], {}, [1, 2], [["a", "b"], 3], [["a", "b"]] * 3],
              "preprocess": [5, {"mean": 5}], "options": [None, 7], "max_side": [0]}


@pytest.fixture(scope="module")
def net():
    net = build("fcn16s", "mini", 2, seed=3)
    rng = np.random.default_rng(1)
    for name, value in net.params.items():
        if not net.fixed(name):
            value[...] = rng.standard_normal(value.shape)
    net.preprocess = Preprocessing("BGR", (104.0, 117.5, 123.25), 1.0)
    return net


@pytest.fixture(scope="module")
def saved(net, tmp_path_factory):
    path = tmp_path_factory.mktemp("checkpoint") / "net.safetensors"
    checkpoint.save(path, net, META)
    return path


def refused(path, *words):
    with pytest.raises(InputError) as error:
        minifcn.load(path)
    message = str(error.value)
    assert str(path) in message and "\n" not in message and all(word in message for word in words), message


def with_meta(saved, path, **changes):
    """A copy of a checkpoint with other metadata."""
    from safetensors.numpy import save

    read = checkpoint.read(saved)
    meta = {key: json.dumps(value) for key, value in {**read.meta, **changes}.items()}
    path.write_bytes(save(read.params, meta))
    return path


# ---- there and back

def test_all_comes_back_to_the_bit(net, saved):
    back = checkpoint.restore(checkpoint.read(saved))
    assert (back.name, back.body.name, back.classes, back.preprocess) == ("fcn16s", "mini", 2, net.preprocess)
    for name, value in net.params.items():
        assert back.params[name].dtype == np.float32 and back.params[name].tobytes() == value.tobytes()
    model = minifcn.load(saved)
    assert model.classes == ("sky", "süße Robbe") and model.colors.tolist() == META["colors"]


def test_any_program_can_read_it(saved):
    """It is a safetensors file; fixed upsampling is not in it, for it is bilinear by definition."""
    from safetensors.numpy import load_file

    tensors = load_file(saved)
    assert "conv1_1.w" in tensors and "score_pool4.b" in tensors and not [name for name in tensors if "upscore" in name]


def test_the_optimiser_comes_back_and_is_told_from_the_weights(net, tmp_path):
    optimizer = Adam(net.params, 0.0)
    optimizer.step({name: np.ones_like(net.params[name]) for name in net.learned})
    path = tmp_path / "last.safetensors"
    checkpoint.save(path, net, META, optimizer)
    read = checkpoint.read(path)
    assert read.optimizer.keys() == optimizer.state.keys() and len(read.optimizer) == 2 * len(net.learned)
    assert all((read.optimizer[key] == value).all() for key, value in optimizer.state.items())
    assert read.params.keys() == set(net.learned)


def test_learned_upsampling_is_stored(tmp_path):
    net = build("fcn32s", "mini", 2, learn_upsampling=True)
    net.params["upscore.w"][...] += 1
    checkpoint.save(tmp_path / "net.safetensors", net, META | {"options": {"learn_upsampling": True}})
    back = checkpoint.restore(checkpoint.read(tmp_path / "net.safetensors"))
    np.testing.assert_array_equal(back.params["upscore.w"], net.params["upscore.w"])


# ---- written whole or not at all

def test_a_file_is_replaced_at_one_instant(tmp_path, monkeypatch):
    """Where the rename would come, the old file is whole and the new one is complete beside it, on the disk."""
    path, seen, flushed = tmp_path / "file", [], []
    path.write_bytes(b"old")
    rename, fsync = os.replace, os.fsync
    monkeypatch.setattr(os, "fsync", lambda number: flushed.append(os.fstat(number).st_size) or fsync(number))

    def watched(source, target):
        seen.append((path.read_bytes(), source.read_bytes(), source.parent == path.parent, flushed == [8]))
        rename(source, target)

    monkeypatch.setattr(os, "replace", watched)
    checkpoint.write(path, b"new, all")
    assert seen == [(b"old", b"new, all", True, True)]
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"new, all"


@pytest.mark.parametrize("call", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()])
def test_where_writing_fails_the_old_file_stays_and_nothing_beside_it(tmp_path, monkeypatch, call, error):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fails(*args):
        raise error

    monkeypatch.setattr(os, call, fails)
    with pytest.raises(type(error)):
        checkpoint.write(path, b"new, all")
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"old"


def test_so_it_is_in_the_middle_of_the_bytes(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(OSError), checkpoint.replaced(path) as beside:
        beside.write_bytes(b"ne")
        raise OSError(errno.ENOSPC, "No space left on device")
    assert [file.name for file in tmp_path.iterdir()] == ["file"] and path.read_bytes() == b"old"


def test_tensors_that_cannot_be_written_are_an_oserror(tmp_path):
    with pytest.raises(OSError, match="safetensors"):
        checkpoint.write_tensors(tmp_path / "no" / "folder.safetensors", {"w": np.zeros(3, np.float32)})


# ---- damage

@pytest.mark.parametrize("share", [0, 1e-6, 1e-5, 0.001, 0.01, 0.3, 0.9, 0.999999])
def test_a_truncated_file_is_refused(saved, tmp_path, share):
    path = tmp_path / "cut.safetensors"
    content = saved.read_bytes()
    path.write_bytes(content[:int(share * len(content))])
    refused(path, "damaged")


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff" * 64, b"PK\x03\x04" + bytes(100), bytes(1000),
                                     b"\x02" + bytes(7) + b"{}", b"\x04" + bytes(7) + b"null"])
def test_what_is_no_safetensors_file_is_refused(tmp_path, content):
    path = tmp_path / "garbage.safetensors"
    path.write_bytes(content)
    refused(path)


@pytest.mark.parametrize("content", [b"\x0a\x08VGG_ILSVRC_16_layers", b"PK\x03\x04" + bytes(100), None],
                         ids=["caffemodel", "pth", "safetensors"])
def test_other_peoples_weights_are_told_what_makes_a_checkpoint_of_them(tmp_path, content):
    from safetensors.numpy import save

    path = tmp_path / "vgg16"
    path.write_bytes(content or save({"weight": np.ones((2, 2), np.float32)}))
    refused(path, "no checkpoint of minifcn's", f"python -m minifcn.weights {path} --out NEW.safetensors")


def test_another_programs_file_is_refused(tmp_path):
    from safetensors.numpy import save_file

    for k, metadata in enumerate((None, {"format": "pt"}, {"minifcn": "no JSON"}, {"minifcn": '"0.1.0"'})):
        path = tmp_path / f"{k}.safetensors"
        save_file({"weight": np.ones((2, 2), np.float32)}, path, metadata)
        refused(path)
    header = b'{"w":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'  # a type that NumPy has not
    path = tmp_path / "half.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    refused(path)


def changed(saved, path, **changes):
    """A copy of a checkpoint with other tensors."""
    from safetensors.numpy import save

    read = checkpoint.read(saved)
    path.write_bytes(save(read.params | changes, {key: json.dumps(value) for key, value in read.meta.items()}))
    return path


@pytest.mark.parametrize("values, word", [([1, np.nan], "NaN"), ([np.inf, 1], "infinity"), ([1e300, 1], "infinity"),
                                          (np.array([1, 2], np.int64), "int64")], ids=str)
def test_weights_that_are_no_finite_numbers_are_refused_by_name(saved, tmp_path, values, word):
    path = changed(saved, tmp_path / "bad.safetensors", **{"score_fr.b": np.asarray(values)})
    refused(path, "score_fr.b", word)
    with pytest.raises(InputError, match=f"score_fr.b.*{word}"):
        read_start([path])


def test_a_header_that_tells_a_thing_twice_is_refused(saved, tmp_path):
    content = saved.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = content[8:8 + length].replace(b'"net":', b'"net":"fcn8s","net":', 1)
    path = tmp_path / "twice.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + content[8 + length:])
    refused(path, "damaged", "twice")


def test_a_file_that_is_not_there_or_a_folder_is_refused(tmp_path):
    refused(tmp_path / "missing.safetensors", "no such checkpoint")
    refused(tmp_path, "a folder without best.safetensors")


@pytest.mark.parametrize("key, value", [(key, value) for key, values in BAD_META.items() for value in values])
def test_metadata_of_no_use_are_refused(saved, tmp_path, key, value):
    refused(with_meta(saved, tmp_path / "bad.safetensors", **{key: value}))


@pytest.mark.parametrize("key, value", [(key, value) for key, values in UNREADABLE.items() for value in values])
def test_so_they_are_where_a_run_starts_from_them(saved, tmp_path, key, value):
    path = with_meta(saved, tmp_path / "bad.safetensors", **{key: value})
    with pytest.raises(InputError, match=f"bad.safetensors: its metadata are damaged .*{key}|mean"):
        read_start([path])


@pytest.mark.parametrize("made", [{}, {"classes": (3, 2)}, {"modality": "color-hha"}, {"name": "classifier"}], ids=str)
def test_classes_are_counted_before_a_net_is_made_for_them(tmp_path, monkeypatch, made):
    """A file of 3 MB can name so many that their net takes hundreds of GB."""
    net = build(**{"name": "fcn8s", "classes": 3, "seed": None} | made)
    path, names = tmp_path / "net.safetensors", [f"class {k}" for k in range(5000)]
    meta = META | {"classes": names, "options": {key: made[key] for key in made if key == "modality"}}
    checkpoint.save(path, net, meta | {"classes": [names, names]} if "classes" in made else meta)
    monkeypatch.setattr("minifcn.nets.build", None)
    refused(path, "has shape (3,), for 5000 classes")


def test_more_classes_than_labels_can_tell_are_refused(saved, tmp_path):
    names, colors = [f"class {k}" for k in range(256)], [[0, 0, 0]] * 256
    tensors = {name: np.zeros(256, np.float32) for name in ("score_fr.b", "score_pool4.b")}
    path = changed(saved, tmp_path / "many.safetensors", **tensors)
    refused(with_meta(path, path, classes=names, colors=colors), "256 classes, and labels tell 255")


def test_metadata_nested_too_deeply_are_refused(saved, tmp_path):
    from safetensors.numpy import save

    path = tmp_path / "deep.safetensors"
    path.write_bytes(save(checkpoint.read(saved).params, {"minifcn": '"0"', "scores": "[" * 100_000}))
    refused(path, "its metadata are damaged")


def test_a_header_damaged_anywhere_is_refused_or_harmless(saved, tmp_path, rng):
    """One byte changed, 150 times: an InputError, or a model; nothing else."""
    content = bytearray(saved.read_bytes())
    length = int.from_bytes(content[:8], "little")
    path = tmp_path / "bad.safetensors"
    refusals = 0
    for place in rng.integers(0, 8 + length, 150):
        kept, content[place] = content[place], rng.integers(256)
        path.write_bytes(content)
        content[place] = kept
        try:
            minifcn.load(path)
        except InputError as error:
            assert "\n" not in str(error)
            refusals += 1
    assert refusals > 50


@pytest.mark.parametrize("other", [("fcn8s", 2), ("fcn32s", 2), ("fcn16s", 5)])
def test_weights_that_are_not_the_named_nets_are_refused(saved, tmp_path, other):
    """As when somebody edits the metadata: fcn8s wants layers that are not there, fcn32s has no use for one."""
    name, classes = other
    changes = {"net": name, "classes": [str(c) for c in range(classes)], "colors": [[c, c, c] for c in range(classes)]}
    refused(with_meta(saved, tmp_path / "bad.safetensors", **changes), "score_")

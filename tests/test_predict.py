"""Photographs of every kind in, palette PNGs and overlays out."""
import re

import numpy as np
import pytest
from PIL import Image
from tiny_runs import CLASSES, done, random_model, refused, run, scene

import minifcn
from minifcn import checkpoint, predict
from minifcn.datasets.base import kinds, per_kind
from minifcn.images import read_image, read_labels
from minifcn.nets import build
from minifcn.palette import voc_colors

ORIENTATION, TURN_LEFT = 0x0112, 8  # EXIF: stored lying on its side


def photograph(height=33, width=41):
    return Image.fromarray(scene(0, height, width)[0])


def stored(path, kind, height=33, width=41):
    """A photograph as the kinds of files that people have."""
    rgb = photograph(height, width)
    grey = np.asarray(rgb.convert("L"))
    if kind == "16-bit":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif kind == "turned":
        exif = Image.Exif()
        exif[ORIENTATION] = TURN_LEFT
        path = path.with_suffix(".jpg")
        rgb.save(path, exif=exif)
        return path
    elif kind == "transparent palette":
        rgb.quantize(16).save(path, transparency=0)
        return path
    else:
        image = rgb.convert(kind)
    path = path.with_suffix(".tif" if kind == "CMYK" else ".png")
    image.save(path)
    return path


# ---- kinds of images

@pytest.mark.parametrize("kind", ["RGB", "L", "1", "P", "LA", "RGBA", "CMYK", "16-bit", "turned",
                                  "transparent palette"])
def test_any_kind_of_image_becomes_a_palette_png_of_its_size(saved, tmp_path, kind):
    path = stored(tmp_path / "photo.png", kind)
    done(predict, saved, path, "--out", tmp_path / "out")
    image = read_image(path)
    assert image.shape == ((41, 33, 3) if kind == "turned" else (33, 41, 3))
    with Image.open(tmp_path / "out/photo.png") as mask:
        assert mask.mode == "P" and mask.size == image.shape[1::-1]
        assert mask.getpalette()[:9] == voc_colors(3).ravel().tolist()
        labels = np.array(mask)
    np.testing.assert_array_equal(labels, random_model().predict(image))
    np.testing.assert_array_equal(read_labels(tmp_path / "out/photo.png"), labels)


@pytest.mark.parametrize("size", [(1, 1), (3, 200), (200, 3)])
def test_images_of_odd_shapes(saved, tmp_path, size):
    photograph(*size).save(tmp_path / "photo.png")
    done(predict, saved, tmp_path / "photo.png", "--out", tmp_path / "out")
    with Image.open(tmp_path / "out/photo.png") as mask, Image.open(tmp_path / "out/photo-overlay.jpg") as overlay:
        assert mask.size == size[::-1] and overlay.width >= 100


def test_tiles_and_threads_are_asked_for_by_option(saved, tmp_path):
    photograph(70, 90).save(tmp_path / "photo.png")
    for name, options in (("whole", ()), ("tiles", ("--tile", 32)), ("threads", ("--threads", 3))):
        done(predict, saved, tmp_path / "photo.png", "--out", tmp_path / name, "--masks-only", *options)
    whole = read_labels(tmp_path / "whole/photo.png")
    np.testing.assert_array_equal(read_labels(tmp_path / "tiles/photo.png"), whole)
    np.testing.assert_array_equal(read_labels(tmp_path / "threads/photo.png"), whole)


# ---- what is written

def test_each_image_has_its_labels_an_overlay_and_a_line(saved, tmp_path):
    for name in ("a", "b"):
        photograph().save(tmp_path / f"{name}.png")
    text = done(predict, saved, tmp_path / "b.png", tmp_path / "a.png", "--out", tmp_path / "new/out")
    out = tmp_path / "new/out"
    assert sorted(path.name for path in out.iterdir()) == ["a-overlay.jpg", "a.png", "b-overlay.jpg", "b.png"]
    share = rf"({'|'.join(CLASSES)}) \d+ %"
    assert re.search(rf"b\.png -> {out / 'b.png'}: {share}(, {share})*\n.*a\.png -> {out / 'a.png'}", text)
    assert text.startswith("fcn8s, 3 classes, cpu") and f"2 of 2 images segmented; results are in {out}" in text


def test_a_folder_becomes_a_plain_folder_of_masks(saved, tmp_path):
    """Other files in it are left alone, also those that Pillow could only write."""
    (tmp_path / "in").mkdir()
    for name in ("one.png", "two.JPG", "three.tif"):
        photograph().save(tmp_path / "in" / name)
    for name in ("notes.txt", "paper.pdf", "Thumbs.db"):
        (tmp_path / "in" / name).write_text("no image")
    (tmp_path / "in/folder.png").mkdir()
    done(predict, saved, tmp_path / "in", "--masks-only", "--out", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["one.png", "three.png", "two.png"]


def test_shares_are_the_largest_first():
    labels = np.repeat(np.arange(8, dtype=np.uint8), [1, 2, 3, 4, 5, 6, 7, 72]).reshape(10, 10)
    assert predict.share(labels, "abcdefgh") == "h 72 %, g 7 %, f 6 %, e 5 %, d 4 %, c 3 % and 2 more"
    assert predict.share(labels[:1] * 0, "abc") == "a 100 %"


# ---- what is refused

def test_a_bad_file_among_many_does_not_lose_the_rest(saved, tmp_path):
    (tmp_path / "in").mkdir()
    for name in ("a", "c"):
        photograph().save(tmp_path / f"in/{name}.png")
    (tmp_path / "in/b.png").write_bytes((tmp_path / "in/a.png").read_bytes()[:300])
    result = run(predict, saved, tmp_path / "in", "--out", tmp_path / "out")
    assert result.status == 2
    assert re.fullmatch(r"error: .*b\.png: .*\n", result.err)
    assert "2 of 3 images segmented" in result.out
    assert sorted(path.name for path in (tmp_path / "out").glob("*.png")) == ["a.png", "c.png"]


@pytest.mark.parametrize("content", [b"", b"no image", None])
def test_a_bad_file_alone_is_refused(saved, tmp_path, content):
    photograph().save(tmp_path / "whole.png")
    path = tmp_path / "photo.png"
    path.write_bytes((tmp_path / "whole.png").read_bytes()[:300] if content is None else content)
    assert "photo.png" in refused(predict, saved, path, "--out", tmp_path / "out")


def test_two_images_of_one_name_are_refused_before_either_is_read(saved, tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        photograph().save(tmp_path / name / "photo.png")
    message = refused(predict, saved, tmp_path / "a", tmp_path / "b/photo.png", "--out", tmp_path / "out")
    assert all(str(tmp_path / name / "photo.png") in message for name in "ab") and not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["photo.png", "x-overlay.jpg"])
def test_an_image_is_never_written_over(saved, tmp_path, name):
    photograph().save(tmp_path / name)
    photograph().save(tmp_path / "x.tif")
    before = (tmp_path / name).read_bytes()
    message = refused(predict, saved, tmp_path, "--out", tmp_path)
    assert name in message and "--out" in message and (tmp_path / name).read_bytes() == before


def test_masks_may_be_made_again(saved, tmp_path):
    photograph().save(tmp_path / "photo.jpg")
    for _ in range(2):
        done(predict, saved, tmp_path / "photo.jpg", "--out", tmp_path / "out")


@pytest.mark.parametrize("argv, word", [
    (("missing.jpg",), "missing.jpg"), ((".",), "no images"), (("--tile", 0, "x.jpg"), "--tile 0"),
    (("--tile", "big", "x.jpg"), "big"), (("--threads", -1, "x.jpg"), "-1"), ((), "IMAGE")])
def test_what_cannot_be_predicted_is_refused(saved, tmp_path, monkeypatch, argv, word):
    monkeypatch.chdir(tmp_path)
    assert word in refused(predict, saved, *argv)


def test_help_is_no_error():
    result = run(predict, "--help")
    assert result.status == 0 and result.err == "" and "examples:\n  python -m minifcn.predict" in result.out


# --- two heads, and inputs of more than three channels -----------------------------------------------------------

@pytest.fixture
def nets(tmp_path):
    """save(name, **options) -> a checkpoint of a net of random scores."""
    def save(classes, **options):
        net = build("fcn16s", classes=per_kind(map(len, kinds(classes))), **options)
        for name in net.learned:
            if name.startswith("score"):
                net.params[name][...] = np.random.default_rng(1).standard_normal(net.params[name].shape)
        colors = per_kind(voc_colors(len(names)).tolist() for names in kinds(classes))
        path = tmp_path / "net.safetensors"
        checkpoint.save(path, net, {"classes": classes, "colors": colors, "options": options})
        return path
    return save


def test_a_net_with_two_heads_writes_both(nets, tmp_path, rng):
    path = nets((("a", "b", "c"), ("sky", "ground")))
    Image.fromarray(rng.integers(0, 255, (21, 33, 3), np.uint8)).save(tmp_path / "photo.png")
    done(predict, path, tmp_path / "photo.png", "--out", tmp_path / "out")
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "photo-geometric-overlay.jpg", "photo-geometric.png", "photo-overlay.jpg", "photo.png"]
    both = minifcn.load(path).predict(np.asarray(Image.open(tmp_path / "photo.png")))
    for labels, name in zip(both, ("photo", "photo-geometric"), strict=True):
        np.testing.assert_array_equal(np.array(Image.open(tmp_path / f"out/{name}.png")), labels)


@pytest.mark.parametrize("modality", ["color-hha", "color-d"])
def test_a_net_of_two_inputs_takes_the_second_from_a_folder(nets, tmp_path, rng, modality):
    path = nets(("a", "b", "c"), modality=modality)
    for folder in ("color", "second"):
        (tmp_path / folder).mkdir()
    color = rng.integers(0, 255, (21, 33, 3), np.uint8)
    second = (rng.integers(0, 255, (21, 33, 3), np.uint8) if modality == "color-hha"
              else rng.integers(0, 9999, (21, 33, 1)).astype(np.uint16))
    Image.fromarray(color).save(tmp_path / "color/x.png")
    Image.fromarray(second if second.shape[2] == 3 else second[..., 0]).save(tmp_path / "second/x.png")
    done(predict, path, tmp_path / "color", "--second", tmp_path / "second", "--out", tmp_path / "out")
    wanted = minifcn.load(path).predict(np.concatenate([color, second], axis=2))
    np.testing.assert_array_equal(np.array(Image.open(tmp_path / "out/x.png")), wanted)
    assert "--second" in refused(predict, path, tmp_path / "color", "--out", tmp_path / "other")


def test_a_net_of_colour_alone_wants_no_second_folder(saved, tmp_path, rng):
    Image.fromarray(rng.integers(0, 255, (21, 33, 3), np.uint8)).save(tmp_path / "photo.png")
    assert "--second" in refused(predict, saved, tmp_path / "photo.png", "--second", tmp_path, "--out", tmp_path / "o")

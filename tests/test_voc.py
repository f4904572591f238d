"""The reader of VOC layout, and of the images and masks in it."""
import os
import struct
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import archives
import numpy as np
import pytest
from PIL import Image, PngImagePlugin
from refusal import refused

from minifcn.datasets import VOCSegmentation
from minifcn.datasets.voc import VOC_CLASSES
from minifcn.images import read_image, read_labels, resize
from minifcn.palette import voc_colors

CLASSES = ("ground", "boat", "hut")
ORIENTATION, TURN_LEFT = 0x0112, 8  # EXIF: stored lying on its side


def photograph(height=20, width=30, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mask(*values, height=20, width=30):
    """Upright stripes of the values, one pixel wide, in the palette mode of VOC."""
    image = Image.frombytes("P", (width, height), np.resize(np.array(values, np.uint8), width).tobytes() * height)
    image.putpalette([0, 0, 0, 250, 10, 10, 10, 200, 30] + [7] * (256 - 3) * 3)
    return image


def folder(root, masks, classes=CLASSES, split="train", suffix=".jpg"):
    """A data set in VOC layout: {id: mask or values} with a photograph each."""
    for part in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / part).mkdir(parents=True, exist_ok=True)
    for k, (name, values) in enumerate(masks.items()):
        image = values if isinstance(values, Image.Image) else mask(*values)
        image.save(root / f"SegmentationClass/{name}.png")
        Image.fromarray(photograph(image.height, image.width, k)).save(root / f"JPEGImages/{name}{suffix}")
    (root / f"ImageSets/Segmentation/{split}.txt").write_text("\n".join(masks) + "\n")
    if classes:
        (root / "classes.txt").write_text("\n".join(classes) + "\n")
    return root


# ---- the layout

def test_an_item_is_an_rgb_image_and_the_labels_as_stored(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {"a": (0, 1, 255), "b": (2, 0)}, suffix=".png"))
    image, labels = data[1]
    assert (data.ids, data.classes, len(data), data.split) == (["a", "b"], CLASSES, 2, "train")
    np.testing.assert_array_equal(image, photograph(seed=1))
    np.testing.assert_array_equal(labels, np.asarray(mask(2, 0)))
    assert image.dtype == labels.dtype == np.uint8
    assert data.image_path(0).name == "a.png" and data.label_path(0).name == "a.png"


@pytest.mark.parametrize("below", ["", "VOC2012", "VOCdevkit/VOC2007", "TrainVal/VOCdevkit/VOC2011"])
def test_the_root_is_found_from_any_parent(tmp_path, below):
    place = folder(tmp_path / "data" / below, {"a": (0, 1)}, classes=None)
    for parent in [place, *place.parents]:
        if parent == tmp_path:
            break
        data = VOCSegmentation(parent)
        assert data.root == place and data.classes == VOC_CLASSES and len(data.classes) == 21


def test_the_newest_year_is_taken(tmp_path):
    folder(tmp_path / "VOCdevkit/VOC2012", {"new": (0,)})
    folder(tmp_path / "TrainVal/VOCdevkit/VOC2011", {"old": (0,)})
    folder(tmp_path / "VOCdevkit/VOC2007", {"older": (0,)})
    assert VOCSegmentation(tmp_path).root == tmp_path / "VOCdevkit/VOC2012"


def test_a_missing_folder_says_how_to_get_voc_and_how_own_data_lies(tmp_path):
    hints = "VOCtrainval_11-May-2012.tar", "JPEGImages/ID.jpg", "classes.txt", "python -m minifcn.datasets import"
    refused(lambda: VOCSegmentation(tmp_path / "nowhere"), tmp_path / "nowhere", "no such folder", *hints)
    refused(lambda: VOCSegmentation(tmp_path), tmp_path, *hints)
    (tmp_path / "JPEGImages").mkdir()
    refused(lambda: VOCSegmentation(tmp_path), "no SegmentationClass and no ImageSets/Segmentation", *hints)
    whole = folder(tmp_path / "VOCdevkit/VOC2012", {"a": (0, 1)})
    assert VOCSegmentation(tmp_path).root == whole


def test_classes_txt_may_have_blank_lines_and_a_byte_order_mark(tmp_path):
    root = folder(tmp_path, {"a": (0, 1)})
    (root / "classes.txt").write_bytes("\ufeffsky\r\n\r\n  tall tree \r\n".encode())
    assert VOCSegmentation(root).classes == ("sky", "tall tree")


@pytest.mark.parametrize("text, words", [
    (b"sky\nsea\nsky\n", ("'sky'", "twice")), (b"sky\n", ("1 classes",)), (b"\xff\xfe\x00", ("UTF-8",)),
    ("\n".join(map(str, range(256))).encode(), ("256 classes",)),
])
def test_a_bad_classes_txt_is_refused(tmp_path, text, words):
    root = folder(tmp_path, {"a": (0, 1)})
    (root / "classes.txt").write_bytes(text)
    refused(lambda: VOCSegmentation(root), "classes.txt", *words)


def test_a_bad_split_is_refused(tmp_path):
    root = folder(tmp_path, {"a": (0, 1)})
    lists = root / "ImageSets/Segmentation"
    (lists / "val.txt").write_text("\n \n")
    (lists / "hard.txt").write_text("a\nb\na\nb\na\n")
    refused(lambda: VOCSegmentation(root, "test"), "test.txt", "no such split", "hard, train, val")
    refused(lambda: VOCSegmentation(root, "val"), "val.txt", "empty")
    refused(lambda: VOCSegmentation(root, "hard"), "hard.txt", "a is there twice", "1 more")


def test_an_id_without_image_or_mask_is_refused(tmp_path):
    root = folder(tmp_path, {"a": (0, 1), "b": (0, 1), "c": (0, 1)})
    (root / "JPEGImages/b.jpg").unlink()
    (root / "SegmentationClass/c.png").unlink()
    data = VOCSegmentation(root)
    refused(lambda: data[1], "JPEGImages", "b.jpg", "no such image", ".jpeg, .png")
    refused(lambda: data[2], "SegmentationClass", "c.png", "no such mask")
    refused(data.check, "b.jpg")


def test_suffixes_are_found_in_any_case_and_ids_may_lie_in_subfolders(tmp_path):
    root = folder(tmp_path, {"a": (0, 1)})
    (root / "JPEGImages/a.jpg").rename(root / "JPEGImages/a.Jpeg")
    (root / "SegmentationClass/a.png").rename(root / "SegmentationClass/a.PNG")
    for part, name in (("JPEGImages", "b.jpg"), ("SegmentationClass", "b.png")):
        (root / part / "sub").mkdir()
        (mask(2) if name == "b.png" else Image.fromarray(photograph())).save(root / part / "sub" / name)
    (root / "ImageSets/Segmentation/train.txt").write_text("a\nsub/b\n")
    data = VOCSegmentation(root)
    assert data.image_path(0).name == "a.Jpeg"
    assert (data[1][1] == 2).all()


def test_colors_are_the_masks_own_palette_where_it_tells_the_classes_apart(tmp_path):
    own = VOCSegmentation(folder(tmp_path / "own", {"a": (0, 1)}))
    assert own.colors.tolist() == [[0, 0, 0], [250, 10, 10], [10, 200, 30]]
    more = VOCSegmentation(folder(tmp_path / "more", {"a": (0, 1)}, classes=[*CLASSES, "x", "y"]))
    grey = VOCSegmentation(folder(tmp_path / "grey", {"a": mask(0, 1).convert("L").point(lambda v: 0)}))
    for data in (more, grey):
        assert data.colors.shape == (len(data.classes), 3) and data.colors.dtype == np.uint8
        assert len(np.unique(data.colors, axis=0)) == len(data.classes)


# ---- check

def test_check_counts_the_pixels_of_every_class_in_every_image(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {"a": (0, 1, 255), "b": (2,), "c": mask(0, 0, 1, height=11, width=9)}))
    steps = []
    (counts,), sizes = data.check(progress=lambda: steps.append(1))
    assert counts.tolist() == [[200, 200, 0], [0, 0, 600], [66, 33, 0]] and len(steps) == 3
    assert sizes.tolist() == [[20, 30], [20, 30], [11, 9]]


def test_check_raises_the_first_bad_file_in_id_order(tmp_path):
    masks = {f"{k:02d}": (0, 1) for k in range(40)}
    masks["31"], masks["17"] = (0, 7), (3, 0, 9)
    data = VOCSegmentation(folder(tmp_path, masks))
    refused(data.check, "17.png", "values 3, 9 are not one of 3 classes or 255", "python -m minifcn.datasets import")


def test_a_mask_of_another_size_is_refused(tmp_path):
    root = folder(tmp_path, {"a": (0, 1)})
    mask(0, 1, height=10, width=15).save(root / "SegmentationClass/a.png")
    refused(VOCSegmentation(root).check, "a.jpg", "30 x 20", "15 x 10")


def test_a_truncated_image_or_mask_is_found(tmp_path):
    root = folder(tmp_path, {"a": (0, 1), "b": (0, 1)})
    for path in (root / "JPEGImages/b.jpg", root / "SegmentationClass/a.png"):
        path.write_bytes(path.read_bytes()[:-40])
        refused(VOCSegmentation(root).check, path.name)


def test_masks_of_void_and_background_only_are_no_training_set(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {"a": (0, 255), "b": (0,)}))
    refused(data.check, "only 0 and 255", "--foreground 255")
    assert (data[0][1] == np.asarray(mask(0, 255))).all()  # one such image is fine


def test_threads_may_share_a_data_set(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {str(k): (k % 3, 255) for k in range(12)}))
    barrier = threading.Barrier(8)

    def read(k):
        barrier.wait()
        return [data[i][1].max() for i in range(12)], data.colors.sum()

    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(read, range(8)))
    assert all(result == results[0] for result in results)


# ---- subset

def test_a_subset_keeps_every_class_and_the_order_and_depends_on_the_seed(tmp_path):
    masks = {f"{k:02d}": (0, 1) for k in range(30)} | {"12": (0, 2)}
    data = VOCSegmentation(folder(tmp_path, masks))
    drawn = [data.subset(3, seed=seed).ids for seed in range(6)]
    for ids in drawn:
        assert len(ids) == 3 and "12" in ids and ids == sorted(ids)
    assert len({tuple(ids) for ids in drawn}) > 1
    assert data.subset(3, seed=4).ids == drawn[4]
    part = data.subset(3, seed=0)
    assert part.classes == data.classes and len(part) == 3 and len(data) == 30
    assert part.check()[0][0].any(axis=0).all()


def test_a_subset_of_fewer_images_than_classes_takes_those_that_show_most(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {"a": (0,), "b": (1,), "c": (0, 1), "d": (0, 1, 2), "e": (0, 1)}))
    assert data.subset(1, seed=3).ids == ["d"]


def test_a_subset_as_large_as_the_set_is_the_set(tmp_path):
    data = VOCSegmentation(folder(tmp_path, {"b": (0,), "a": (1,)}))
    assert data.subset(2, seed=0).ids == data.subset(99, seed=0).ids == ["b", "a"]
    refused(lambda: data.subset(0, seed=0), "0 images")


# ---- images

@pytest.mark.parametrize("mode", ["L", "1", "LA", "P", "RGBA", "CMYK", "I;16", "I", "F"])
def test_every_mode_of_pillow_becomes_rgb(tmp_path, mode):
    grey = np.linspace(0, 255, 20 * 30).reshape(20, 30).round().astype(np.uint8)
    if mode == "I;16":
        image = Image.fromarray(grey.astype(np.uint16) * 257)
    elif mode == "I":
        image = Image.fromarray(grey.astype(np.int32) * 257)
    elif mode == "F":
        image = Image.fromarray((grey / 255).astype(np.float32))
    else:
        rgb = Image.fromarray(grey).convert("RGB")
        image = rgb.quantize(256) if mode == "P" else rgb.convert(mode)
    path = tmp_path / ("x.tif" if mode in ("CMYK", "F", "I") else "x.png")
    image.save(path)
    result = read_image(path)
    assert result.shape == (20, 30, 3) and result.dtype == np.uint8
    if mode != "1":
        np.testing.assert_allclose(result, np.repeat(grey[:, :, None], 3, axis=2), atol=3)


def test_a_palette_with_transparency_becomes_rgb_without_a_warning(tmp_path, recwarn):
    mask(0, 1, 2).save(tmp_path / "x.png", transparency=b"\x00\x80\xff")
    assert read_image(tmp_path / "x.png")[0, :3].tolist() == [[0, 0, 0], [250, 10, 10], [10, 200, 30]]
    assert not recwarn.list


def test_exif_turns_an_image_unless_only_the_stored_one_fits_its_mask(tmp_path):
    exif = Image.Exif()
    exif[ORIENTATION] = TURN_LEFT
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:, 15:] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png", exif=exif)
    turned = np.rot90(pixels)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png"), turned)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", size=(30, 20)), turned)
    np.testing.assert_array_equal(read_image(tmp_path / "x.png", size=(20, 30)), pixels)
    refused(lambda: read_image(tmp_path / "x.png", size=(25, 25)), "30 x 20 or, turned", "20 x 30", "25 x 25")


def test_what_is_no_image_is_refused_with_its_name(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    refused(lambda: read_image(path), path, "No such file")
    path.write_text("hello")
    refused(lambda: read_image(path), path, "not an image")
    Image.fromarray(photograph(90, 90)).save(path)
    path.write_bytes(path.read_bytes()[:-900])
    refused(lambda: read_image(path), path, "truncated")
    Image.fromarray(photograph()).save(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 500)
    refused(lambda: read_image(path), path, "more than 500 pixels")
    Image.fromarray(photograph()).save(tmp_path / "x.eps")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    refused(lambda: read_image(tmp_path / "x.eps"), "x.eps", "EPS")


def test_resize_averages_when_shrinking_and_leaves_the_right_size_alone():
    image = photograph(64, 96)
    assert resize(image, 64, 96) is image
    small = resize(image, 8, 12)
    assert small.shape == (8, 12, 3) and small.std() < image.std() / 4


# ---- masks

@pytest.mark.parametrize("mode", ["P", "L", "I;16"])
def test_label_values_are_read_as_stored(tmp_path, mode):
    values = np.arange(256).reshape(8, 32)
    if mode == "P":
        image = Image.frombytes("P", (32, 8), values.astype(np.uint8).tobytes())
        image.putpalette(list(range(256)) * 3)
    else:
        image = Image.fromarray(values.astype(np.uint8 if mode == "L" else np.uint16))
    image.save(tmp_path / "x.png")
    labels = read_labels(tmp_path / "x.png")
    np.testing.assert_array_equal(labels, values)
    assert labels.dtype == np.uint8


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_masks_of_few_bits_keep_their_numbers(tmp_path, bits):
    """Pillow spreads grey of 2 and 4 bits over 0..255: read so, class 1 of 16 would be class 17."""
    values = np.arange(16).reshape(2, 8) % 2**bits
    packed = np.packbits((values[:, :, None] >> np.arange(bits)[::-1] & 1).reshape(2, -1), axis=1)
    with open(tmp_path / "x.png", "wb") as file:
        file.write(b"\x89PNG\r\n\x1a\n")
        PngImagePlugin.putchunk(file, b"IHDR", struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0))
        PngImagePlugin.putchunk(file, b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in packed)))
        PngImagePlugin.putchunk(file, b"IEND", b"")
    np.testing.assert_array_equal(read_labels(tmp_path / "x.png"), values)


@pytest.mark.parametrize("mode, name, words", [
    ("RGB", "x.png", ("colour mask (RGB)", "python -m minifcn.datasets import")), ("RGBA", "x.png", ("colour mask",)),
    ("L", "x.jpg", ("JPEG mask", "PNG")),
])
def test_colour_masks_and_jpeg_masks_are_refused(tmp_path, mode, name, words):
    Image.fromarray(photograph()).convert(mode).save(tmp_path / name)
    refused(lambda: read_labels(tmp_path / name), name, *words)


def test_label_values_beyond_a_byte_are_refused(tmp_path):
    Image.fromarray(np.full((4, 5), 300, np.uint16)).save(tmp_path / "x.png")
    refused(lambda: read_labels(tmp_path / "x.png"), "x.png", "300")


# ---- VOC as released, and the authors' validation set

def test_masks_are_of_classes_and_lists_those_of_segmentation(tmp_path):
    """Beside them lie masks of instances, and the lists of detection, with images that have no mask."""
    root = archives.voc(tmp_path)
    data = VOCSegmentation(tmp_path, "trainval")
    assert data.root == root and data.ids == sorted((*archives.TRAIN, *archives.VAL))
    for i, name in enumerate(data.ids):
        np.testing.assert_array_equal(data[i][1], archives.raw(name, archives.VALUES["voc"]))
    assert (data.colors == voc_colors(21)).all()
    refused(lambda: VOCSegmentation(tmp_path, "test"), "test.txt", "there are: train, trainval, val")


def test_seg11valid_is_val_of_2011_without_what_sbd_learns_from_with_files_of_2012(tmp_path):
    archives.voc(tmp_path, 2011)
    newest = archives.voc(tmp_path, 2012, val=(*archives.VAL, "2012_000003"))
    archives.sbd(tmp_path)
    data = VOCSegmentation(tmp_path, "seg11valid")
    assert data.root == newest and data.ids == [archives.VAL[1], archives.VAL[2]]
    data.check()
    assert "2 images" in data.note and "736" in data.note
    assert VOCSegmentation(tmp_path, "val").note is None


@pytest.mark.parametrize("place", ["seg11valid.txt", "VOCdevkit/VOC2012/ImageSets/Segmentation/seg11valid.txt"])
def test_a_list_of_seg11valid_comes_before_what_is_computed(tmp_path, place):
    for make in (lambda: archives.voc(tmp_path, 2011), lambda: archives.voc(tmp_path), lambda: archives.sbd(tmp_path)):
        make()
    (tmp_path / place).write_text(f"{archives.VAL[2]}\n")
    assert VOCSegmentation(tmp_path, "seg11valid").ids == [archives.VAL[2]]


def test_as_many_ids_as_published_need_no_note(tmp_path):
    archives.voc(tmp_path)
    (tmp_path / "seg11valid.txt").write_text("".join(f"2007_{k:06d}\n" for k in range(736)))
    data = VOCSegmentation(tmp_path, "seg11valid")
    assert len(data) == 736 and data.note is None and "735 images" in data.take(data.ids[1:]).note


def test_without_list_and_without_both_data_sets_seg11valid_is_refused_with_the_ways_out(tmp_path):
    archives.voc(tmp_path)
    archives.sbd(tmp_path)  # but no VOC 2011
    ways = tmp_path / "seg11valid.txt", "python -m minifcn.datasets", "voc2011", "sbd"
    refused(lambda: VOCSegmentation(tmp_path, "seg11valid"), *ways)
    archives.voc(tmp_path, 2011)
    (tmp_path / "benchmark_RELEASE/dataset/train.txt").unlink()
    refused(lambda: VOCSegmentation(tmp_path, "seg11valid"), *ways)


# ---- real photographs

def samples(name):
    if not os.environ.get("MINIFCN_SAMPLES"):
        pytest.skip("real photographs are looked for where MINIFCN_SAMPLES points; it is not set")
    return Path(os.environ["MINIFCN_SAMPLES"]) / name


def test_voc_as_released():
    data = VOCSegmentation(samples("voc-sample"))
    (counts,), _ = data.check()
    assert data.classes == VOC_CLASSES and data.colors[15].tolist() == [192, 128, 128]
    assert [data.classes[c] for c in np.flatnonzero(counts[0])] == ["background", "bottle", "person"]


def test_camvid_in_voc_layout():
    data = VOCSegmentation(samples("camvid"), "val")
    assert (len(data), len(data.classes), data[0][0].shape) == (101, 11, (360, 480, 3))
    assert data.subset(5, seed=0).check()[0][0].any(axis=0).all()

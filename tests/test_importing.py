"""Data sets as people have them, into VOC layout: made here small, with every value known."""
import base64
import io
import json

import numpy as np
import pytest
from PIL import Image, ImageDraw
from refusal import refused

from minifcn.datasets import VOCSegmentation
from minifcn.datasets.importing import coco, import_folder

HEIGHT, WIDTH = 12, 17


def photograph(seed=0, height=HEIGHT, width=WIDTH):
    return Image.fromarray(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def numbers(*values, height=HEIGHT, width=WIDTH):
    """(H,W) uint8: upright stripes."""
    return np.tile(np.resize(np.array(values, np.uint8), width), (height, 1))


def colored(labels, colors):
    return Image.fromarray(np.array(colors, np.uint8)[labels])


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(path)


def text(path, *lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")


def imported(src, out=None, **options):
    """Import and read back: {id: labels}, the data set of both splits, and what was said."""
    out, said = out or src.parent / "out", []
    import_folder(src, out, say=said.append, **options)
    data = VOCSegmentation(out, "trainval")
    data.check()
    return dict(zip(data.ids, map(data.labels, range(len(data))), strict=True)), data, "\n".join(said)


def plain(src, *masks, images="images", folder="masks", tail="", suffix=".png"):
    """images/ and masks/ with one mask for every array given."""
    for k, labels in enumerate(masks):
        save(src / images / f"p{k}.jpg", photograph(k))
        save(src / folder / f"p{k}{tail}{suffix}", labels)
    return src


# ---- the frame

def test_the_split_is_drawn_by_seed_and_reported(tmp_path):
    src = plain(tmp_path / "src", *[numbers(0, 1)] * 10)
    drawn = []
    for k, seed in enumerate((0, 0, 1, 2, 3)):
        _, data, said = imported(src, tmp_path / f"out{k}", seed=seed)
        train, val = (VOCSegmentation(data.root, split).ids for split in ("train", "val"))
        assert (len(train), len(val)) == (8, 2) and sorted(train + val) == data.ids
        drawn.append(tuple(val))
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1
    assert "8 train, 2 val" in said and "background" in said and "50.00%" not in said
    assert f"python -m minifcn.datasets inspect {data.root}" in said
    assert f"python -m minifcn.train --data {data.root}" in said
    assert len(VOCSegmentation(imported(src, tmp_path / "half", val_share=0.5)[1].root, "val")) == 5


def test_masks_are_never_changed_and_images_are_copied(tmp_path):
    labels = np.random.default_rng(0).integers(0, 3, (HEIGHT, WIDTH), dtype=np.uint8)
    labels[0, :4] = 255
    src = plain(tmp_path / "src", labels, labels)
    result, data, _ = imported(src)
    np.testing.assert_array_equal(result["p1"], labels)
    assert data.image_path(0).read_bytes() == (src / "images/p0.jpg").read_bytes()
    assert data.classes == ("background", "class1", "class2")


def test_an_occupied_folder_is_refused_and_a_failed_import_leaves_nothing(tmp_path):
    src = plain(tmp_path / "src", numbers(0, 1), numbers(0, 1))
    text(tmp_path / "out/mine.txt", "precious")
    refused(lambda: import_folder(src, tmp_path / "out"), tmp_path / "out", "exists already")
    (src / "images/p1.jpg").write_bytes((src / "images/p1.jpg").read_bytes()[:-50])
    refused(lambda: import_folder(src, tmp_path / "new"), "p1.jpg")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "src"]
    (tmp_path / "empty").mkdir()
    (src / "images/p1.jpg").unlink()
    save(src / "images/p1.jpg", photograph())
    assert len(imported(src, tmp_path / "empty")[0]) == 2


def test_what_is_unknown_or_of_several_kinds_is_refused(tmp_path):
    refused(lambda: import_folder(tmp_path / "nowhere", tmp_path / "out"), "no such folder")
    text(tmp_path / "src/notes.txt", "hello")
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "out"), "Looked for labelme JSON, COCO")
    refused(lambda: import_folder(tmp_path / "src/notes.txt", tmp_path / "out"), "unpack it first")
    plain(tmp_path / "src", numbers(0, 1))
    text(tmp_path / "src/a.json", json.dumps({"shapes": []}))
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "out"), "several kinds", "a.json", "masks")
    text(tmp_path / "src/a.json", '{"shapes": [')
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "out"), "a.json")
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "out", val_share=1.0), "--val-share 1.0")


def test_a_data_set_in_voc_layout_needs_no_import(tmp_path):
    _, data, _ = imported(plain(tmp_path / "src", numbers(0, 1), numbers(0, 1)))
    refused(lambda: import_folder(data.root, tmp_path / "again"), "in VOC layout already", f"--data {data.root}")


# ---- images/ and masks/

@pytest.mark.parametrize("tail, suffix", [("", ".png"), ("_mask", ".tif"), ("-mask", ".bmp"), ("", ".gif")])
def test_masks_may_have_any_suffix(tmp_path, tail, suffix):
    result, _, _ = imported(plain(tmp_path / "src", numbers(0, 1, 2), numbers(2, 0), tail=tail, suffix=suffix))
    np.testing.assert_array_equal(result["p0"], numbers(0, 1, 2))


def test_photographs_of_other_kinds_become_png_and_unpaired_files_are_named(tmp_path):
    src = plain(tmp_path / "src", numbers(0, 1), numbers(0, 1), numbers(1, 0))
    (src / "images/p1.jpg").unlink()
    save(src / "images/p1.tif", photograph(1))
    (src / "images/p2.jpg").rename(src / "images/other.jpg")
    result, data, said = imported(src)
    assert list(result) == ["p0", "p1"] and data.image_path(1).suffix == ".png"
    np.testing.assert_array_equal(data[1][0], np.asarray(photograph(1)))
    assert "want of a mask: 1 (other)" in said and "want of an image: 1 (p2)" in said


def test_folders_called_train_and_val_keep_their_split_and_their_names_apart(tmp_path):
    for split, count in (("train", 2), ("val", 1)):
        for k in range(count):
            save(tmp_path / "src/images" / split / f"{k}.png", photograph(k))
            save(tmp_path / "src/masks" / split / f"{k}.png", numbers(0, k + 1))
    result, data, said = imported(tmp_path / "src")
    assert list(result) == ["train_0", "train_1", "val_0"] and "kept the training and validation sets" in said
    assert VOCSegmentation(data.root, "val").ids == ["val_0"]


def test_names_come_from_classes_and_gaps_need_them(tmp_path):
    src = plain(tmp_path / "src", numbers(0, 3), numbers(0, 3, 255))
    refused(lambda: import_folder(src, tmp_path / "out"), "gaps", "3 (", "--classes")
    result, data, said = imported(src, classes="sky,sea,land,boat")
    assert data.classes == ("sky", "sea", "land", "boat") and result["p0"].max() == 3
    refused(lambda: import_folder(src, tmp_path / "no", classes="sky,sea,land"), "3 (168 pixels)", "p0.png")
    refused(lambda: import_folder(src, tmp_path / "no", classes="sky,,land"), "--classes sky,,land")
    text(tmp_path / "names.txt", "sky", "sea", "land", "big boat")
    assert imported(src, tmp_path / "out2", classes=str(tmp_path / "names.txt"))[1].classes[3] == "big boat"
    text(src / "classes.txt", "a", "b", "void", "d")
    refused(lambda: import_folder(src, tmp_path / "no", classes="sky,sea,land,boat"), "classes.txt as well")
    result, data, _ = imported(src, tmp_path / "out3")
    assert data.classes == ("a", "b", "d") and result["p0"].max() == 2  # void takes no number


def test_masks_of_0_and_255_stop_and_offer_foreground(tmp_path):
    src = plain(tmp_path / "src", numbers(0, 255), numbers(0), numbers(255, 0, 0))
    refused(lambda: import_folder(src, tmp_path / "out"), "only 0 and 255", "--foreground 255")
    result, data, _ = imported(src, foreground=255)
    assert data.classes == ("background", "foreground")
    np.testing.assert_array_equal(result["p2"], numbers(1, 0, 0))
    assert imported(src, tmp_path / "named", foreground=255, classes="road,crack")[1].classes == ("road", "crack")
    refused(lambda: import_folder(src, tmp_path / "no", foreground=200), "these also hold 255")
    save(src / "masks/p0.png", numbers(0, 255, 254, 1))
    refused(lambda: import_folder(src, tmp_path / "no", foreground=255), "these also hold", "254 (", "p0.png")


def test_grey_saved_threefold_holds_numbers(tmp_path):
    grey = [Image.fromarray(numbers(*values)).convert("RGB") for values in ((0, 255), (255, 0))]
    refused(lambda: import_folder(plain(tmp_path / "binary", *grey), tmp_path / "out"), "--foreground 255")
    result, _, _ = imported(plain(tmp_path / "src", *[Image.fromarray(numbers(0, 1, 2)).convert("RGB")] * 2))
    np.testing.assert_array_equal(result["p0"], numbers(0, 1, 2))


def test_photographs_that_exif_turns_fit_masks_drawn_either_way(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # stored lying on its side
    src = plain(tmp_path / "src", numbers(0, 1), numbers(0, 1, height=WIDTH)[:, :HEIGHT])
    for name in ("p0", "p1"):
        photograph().save(src / f"images/{name}.jpg", exif=exif, quality=95)
    _, data, _ = imported(src)
    stored, turned = data[0][0].astype(int), data[1][0].astype(int)
    assert stored.shape == (HEIGHT, WIDTH, 3) and abs(np.rot90(stored, -1) - turned).max() == 0


def test_jpeg_masks_and_sizes_that_differ_are_refused(tmp_path):
    refused(lambda: import_folder(plain(tmp_path / "a", numbers(0, 1), suffix=".jpg"), tmp_path / "out"), "JPEG mask")
    src = plain(tmp_path / "b", numbers(0, 1), numbers(0, 1, height=6))
    refused(lambda: import_folder(src, tmp_path / "out"), "p1.jpg", "17 x 12", "17 x 6")
    only = plain(tmp_path / "c", numbers(0, 1))
    refused(lambda: import_folder(only, tmp_path / "out"), "at least 2")


# ---- colours

COLORS = [(10, 20, 30), (200, 0, 0), (0, 99, 0)]


@pytest.mark.parametrize("name, lines", [
    ("labelmap.txt", ["# label:color_rgb:parts:actions", "sky:10,20,30::", "red boat:200,0,0:hull:", "tree:0,99,0::"]),
    ("classes.txt", ["sky 10 20 30", "red boat, 200, 0, 0", "tree:0,99,0"]),
    ("label_colors.txt", ["10 20 30 sky", "200 0 0\tred boat", "0 99 0 tree"]),
])
def test_colour_masks_are_understood_through_the_label_map(tmp_path, name, lines):
    labels = numbers(0, 1, 2)
    src = plain(tmp_path / "src", colored(labels, COLORS), colored(labels[:, ::-1], COLORS).convert("RGBA"))
    text(src / name, *lines)
    result, data, said = imported(src)
    np.testing.assert_array_equal(result["p0"], labels)
    np.testing.assert_array_equal(result["p1"], labels[:, ::-1])
    assert data.classes == ("sky", "red boat", "tree") and data.colors.tolist() == [list(c) for c in COLORS]
    assert "colours" in said


def test_unknown_colours_are_listed_with_their_pixels(tmp_path):
    src = plain(tmp_path / "src", colored(numbers(0, 1, 2), COLORS), colored(numbers(0, 1), COLORS))
    refused(lambda: import_folder(src, tmp_path / "out"), "without a label map", "(10, 20, 30) (180 pixels)")
    text(src / "labelmap.txt", "sky:10,20,30::", "tree:0,99,0::")
    refused(lambda: import_folder(src, tmp_path / "out"), "not in the label map: (200, 0, 0) (168 pixels)", "p0.png")
    text(src / "labelmap.txt", "sky:10,20,300::", "tree:0,99,0::")
    refused(lambda: import_folder(src, tmp_path / "out"), "labelmap.txt", "0..255")
    text(src / "labelmap.txt", "sky:10,20,30::", "tree:10,20,30::")
    refused(lambda: import_folder(src, tmp_path / "out"), "labelmap.txt", "(10, 20, 30) is there twice")


def test_voc_masks_that_were_turned_into_colours_find_their_classes_again(tmp_path):
    colors = [(0, 0, 0)] * 256
    colors[15], colors[255] = (192, 128, 128), (224, 224, 192)
    masks = [colored(numbers(0, 15, 255), colors)] * 2
    src = plain(tmp_path / "src", *masks, images="JPEGImages", folder="SegmentationClass")
    text(src / "ImageSets/Segmentation/train.txt", "p0")
    result, data, _ = imported(src)
    assert data.classes[15] == "person"
    np.testing.assert_array_equal(result["p0"], numbers(0, 15, 255))


# ---- CVAT

def cvat(src, *masks):
    text(src / "labelmap.txt", "# label:color_rgb:parts:actions", "background:0,0,0::", "boat:200,0,0::",
         "ignored:224,224,192::", "tree:0,99,0::")
    text(src / "ImageSets/Segmentation/default.txt", *(f"p{k}" for k in range(len(masks))))
    return plain(src, *masks, images="JPEGImages", folder="SegmentationClass")


CVAT_COLORS = [(0, 0, 0), (200, 0, 0), (224, 224, 192), (0, 99, 0)]


def palette_mask(order):
    """Stripes of background, boat, ignored, tree as a palette file whose indices are in another order."""
    image = Image.frombytes("P", (WIDTH, HEIGHT), np.array(order, np.uint8)[numbers(0, 1, 2, 3)].tobytes())
    image.putpalette(np.array(CVAT_COLORS, np.uint8)[np.argsort(order)].tobytes())
    return image


@pytest.mark.parametrize("mask", [
    colored(numbers(0, 1, 2, 3), CVAT_COLORS), Image.fromarray(numbers(0, 1, 2, 3)), palette_mask([2, 0, 3, 1]),
], ids=["colours", "numbers", "palette in another order"])
def test_cvat_masks_of_colours_or_numbers(tmp_path, mask):
    result, data, said = imported(cvat(tmp_path / "src", mask, mask, colored(numbers(0), CVAT_COLORS).convert("L")))
    assert data.classes == ("background", "boat", "tree") and "CVAT" in said
    np.testing.assert_array_equal(result["p0"], numbers(0, 1, 255, 2))
    assert not result["p2"].any()


def test_cvat_subsets_are_kept_and_missing_photographs_explained(tmp_path):
    masks = [colored(numbers(0, 1), CVAT_COLORS)] * 3
    src = cvat(tmp_path / "src", *masks)
    text(src / "ImageSets/Segmentation/Train.txt", "p0", "p2")
    text(src / "ImageSets/Segmentation/Validation.txt", "p1")
    _, data, _ = imported(src)
    assert VOCSegmentation(data.root, "val").ids == ["p1"]
    (src / "JPEGImages").rename(src / "elsewhere")
    refused(lambda: import_folder(src, tmp_path / "no"), "no photographs", "Save images")


# ---- labelme

def test_labelmes_voc_export_without_imagesets(tmp_path):
    mask = Image.frombytes("P", (WIDTH, HEIGHT), numbers(0, 1, 2, 3).tobytes())
    mask.putpalette([9] * 768)  # its colours mean nothing
    mask.putpixel((0, 0), 255)
    src = plain(tmp_path / "src", mask, mask, images="JPEGImages", folder="SegmentationClassPNG")
    text(src / "class_names.txt", "_background_", "boat", "hut", "tree")
    (src / "SegmentationClass").mkdir()
    np.save(src / "SegmentationClass/p0.npy", numbers(0, 1))
    save(src / "SegmentationClassVisualization/p0.jpg", photograph())
    result, data, said = imported(src)
    assert data.classes == ("background", "boat", "hut", "tree") and "labelme" in said
    assert result["p0"][0, 0] == 255 and result["p0"][1, :4].tolist() == [0, 1, 2, 3]
    text(src / "class_names.txt", "__ignore__", "_background_", "boat", "hut", "tree")
    assert imported(src, tmp_path / "listed")[0]["p0"][1, :4].tolist() == [0, 1, 2, 3]


def shape(label, points, kind="polygon", **more):
    return {"label": label, "points": points, "shape_type": kind, "group_id": None, **more}


def labelme(src, name, *shapes, embed=False, **more):
    jpeg = io.BytesIO()
    photograph(height=HEIGHT * 4, width=WIDTH * 4).save(jpeg, "JPEG")
    if not embed:
        text(src / f"{name}.jpg")
        (src / f"{name}.jpg").write_bytes(jpeg.getvalue())
    data = {"version": "5", "imagePath": f"..\\photos\\{name}.jpg", "imageHeight": HEIGHT * 4, "imageWidth": WIDTH * 4,
            "imageData": base64.b64encode(jpeg.getvalue()).decode() if embed else None, "shapes": list(shapes)}
    text(src / f"{name}.json", json.dumps(data | more))
    return src


TRIANGLE, BOX = [[3, 4], [40.5, 8.2], [20, 40]], [[30, 30], [50, 44]]


def test_labelme_shapes_are_drawn_as_labelme_draws_them(tmp_path):
    labelme(tmp_path / "src", "a", shape("hut", TRIANGLE), shape("boat", BOX[::-1], "rectangle"))
    labelme(tmp_path / "src", "b", shape("__ignore__", [[20, 20], [26, 28]], "circle"), embed=True)
    result, data, said = imported(tmp_path / "src")
    assert data.classes == ("background", "boat", "hut") and "labelme JSON" in said

    expected = Image.new("L", (WIDTH * 4, HEIGHT * 4))
    pen = ImageDraw.Draw(expected)
    pen.polygon([tuple(point) for point in TRIANGLE], fill=2, outline=2)
    pen.rectangle([tuple(point) for point in BOX], fill=1)  # later ones on top
    np.testing.assert_array_equal(result["a"], expected)

    y, x = np.indices(result["b"].shape)
    distance = np.hypot(x - 20, y - 20)
    assert (result["b"][distance < 9.5] == 255).all() and not result["b"][distance > 10.5].any()
    assert data.image_path(1).suffix == ".jpg"


@pytest.mark.parametrize("kind, points, inside, outside", [
    ("line", [[5, 20], [60, 20]], (20, 30), (30, 30)), ("linestrip", [[5, 5], [5, 40], [60, 40]], (40, 30), (20, 30)),
    ("oriented_rectangle", [[20, 5], [40, 20], [25, 40], [5, 25]], (22, 22), (5, 5)),
    ("point", [[30, 20]], (20, 34), (20, 37)), (None, TRIANGLE, (12, 20), (40, 40)),
])
def test_labelmes_other_shapes(tmp_path, kind, points, inside, outside):
    for name in "ab":
        labelme(tmp_path / "src", name, shape("hut", points, kind))
    labels = imported(tmp_path / "src")[0]["a"]
    assert labels[inside] == 1 and labels[outside] == 0


def test_a_shape_painted_with_labelmes_brush(tmp_path):
    png = io.BytesIO()
    Image.fromarray(np.eye(6, 9, dtype=bool)).save(png, "PNG")
    painted = shape("hut", [[10, 20], [18, 25]], "mask", mask=base64.b64encode(png.getvalue()).decode())
    for name in "ab":
        labelme(tmp_path / "src", name, painted)
    labels = imported(tmp_path / "src")[0]["a"]
    np.testing.assert_array_equal(labels[20:26, 10:19], np.eye(6, 9))
    assert labels.sum() == 6


def test_classes_give_labelme_its_order_and_must_be_complete(tmp_path):
    for name in "ab":
        labelme(tmp_path / "src", name, shape("hut", TRIANGLE), shape("boat", BOX, "rectangle"))
    text(tmp_path / "labels.txt", "__ignore__", "_background_", "hut", "sheep", "boat")
    _, data, _ = imported(tmp_path / "src", classes=str(tmp_path / "labels.txt"))
    assert data.classes == ("background", "hut", "sheep", "boat")
    assert imported(tmp_path / "src", tmp_path / "o2", classes="boat,hut")[1].classes == ("background", "boat", "hut")
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "no", classes="background,boat"), "hut", "--classes")
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "no", foreground=255), "--foreground")


@pytest.mark.parametrize("bad, words", [
    (shape("hut", TRIANGLE[:2]), ("shape 0 (hut)", "3 points")), (shape("hut", TRIANGLE, "star"), ("'star'",)),
    (shape("hut", [[1, 2], [3, "x"], [5, 6]]), ("shape 0 (hut)",)), ({"points": TRIANGLE}, ("'label' is missing",)),
    (shape("hut", [[1, 2], [3, float("nan")], [5, 6]]), ("shape 0 (hut)",)), ("hut", ("a.json",)),
])
def test_bad_labelme_shapes_are_refused(tmp_path, bad, words):
    for name in "ab":
        labelme(tmp_path / "src", name, bad)
    refused(lambda: import_folder(tmp_path / "src", tmp_path / "out"), "a.json", *words)


def test_labelme_files_may_lie_in_a_folder_of_their_own(tmp_path):
    for name in "ab":
        labelme(tmp_path / "json", name, shape("hut", TRIANGLE), imagePath=f"../photos/{name}.jpg")
        (tmp_path / "photos").mkdir(exist_ok=True)
        (tmp_path / f"json/{name}.jpg").rename(tmp_path / f"photos/{name}.jpg")
    assert imported(tmp_path / "json")[1].ids == ["a", "b"]


def test_bad_labelme_files_are_refused(tmp_path):
    for k, (more, words) in enumerate([
        ({"imageHeight": 10}, ("68 x 10",)), ({"imageHeight": 10**9}, ("68 x 1000000000",)),
        ({"imagePath": "gone.jpg"}, ("no image called gone.jpg",)), ({"imagePath": ""}, ("neither",)),
        ({"imageData": "!"}, ("imageData",)),
    ]):
        for name in "ab":
            labelme(tmp_path / f"src{k}", name, shape("hut", TRIANGLE), **more)
        refused(lambda k=k: import_folder(tmp_path / f"src{k}", tmp_path / "out"), *words)


# ---- COCO

def square(left, top, side):
    return [left, top, left + side, top, left + side, top + side, left, top + side]


def annotation(image, category, segmentation, **more):
    return {"image_id": image, "category_id": category, "segmentation": segmentation, "iscrowd": 0, **more}


def coco_file(path, *annotations, count=2, first=0, **more):
    ks = range(first, first + count)
    images = [{"id": k, "file_name": f"p{k}.png", "height": HEIGHT, "width": WIDTH} for k in ks]
    for image in images:
        save(path.parent.parent / "images" / image["file_name"], photograph(image["id"]))
    categories = [{"id": 7, "name": "boat"}, {"id": 3, "name": "hut"}]
    text(path, json.dumps({"images": images, "annotations": annotations, "categories": categories} | more))
    return path.parent.parent


def test_coco_polygons_run_lengths_and_crowds(tmp_path):
    run = {"size": [HEIGHT, WIDTH], "counts": [1, 2, HEIGHT * WIDTH - 3]}  # down the columns: two pixels of the first
    src = coco_file(tmp_path / "src/annotations/instances.json",
                    annotation(0, 3, [square(4, 2, 3), square(10, 2, 2)]), annotation(0, 7, run),
                    annotation(1, 7, [square(2, 2, 2)]), annotation(1, 3, [square(1, 1, 6)]),
                    annotation(1, 7, {"size": [HEIGHT, WIDTH], "counts": [0, HEIGHT * 5, HEIGHT * 12]}, iscrowd=1))
    result, data, said = imported(src)
    assert data.classes == ("background", "hut", "boat") and "COCO" in said  # by id, as COCO numbers them
    expected = np.zeros((HEIGHT, WIDTH), int)
    expected[2:5, 4:7] = expected[2:4, 10:12] = 1
    expected[1:3, 0] = 2
    np.testing.assert_array_equal(result["p0"], expected)
    expected[:] = 0
    expected[:, :5] = 255  # the crowd, below all
    expected[1:7, 1:7] = 1
    expected[2:4, 2:4] = 2  # the small object lies on the large one, though it comes first
    np.testing.assert_array_equal(result["p1"], expected)
    assert imported(src / "annotations/instances.json", tmp_path / "by_file")[1].ids == ["p0", "p1"]


@pytest.mark.parametrize("counts, encoded", [
    ([1, 4, 2, 2, 1, 3, 4, 1, 1, 2, 1, 1, 2, 3, 5, 1, 1], "142NO13NM10O123NL"),
    ([85, 12, 48, 14, 106, 17, 43, 19, 41, 20, 40, 21, 39, 21, 39, 22, 98, 23, 37, 24, 36, 24, 36, 25, 35, 25, 35, 25,
      1390], "e2<`12j13QN2N1O1O001k11SN1O001O000[Z1"),
])
def test_compressed_run_lengths(counts, encoded):
    """As pycocotools 2.0.11 encodes them."""
    assert coco.uncompressed(encoded) == counts


def test_a_polygon_covers_the_pixels_whose_centres_it_holds():
    points = np.random.default_rng(3).uniform(-3, 20, (7, 2))
    y, x = np.indices((15, 18)) + 0.5
    odd = np.zeros((15, 18), bool)  # from the definition: an odd number of edges lies to the left
    for (x0, y0), (x1, y1) in zip(points, np.roll(points, -1, axis=0), strict=True):
        odd ^= ((y0 <= y) != (y1 <= y)) & (x0 + (y - y0) * (x1 - x0) / (y1 - y0) <= x)
    np.testing.assert_array_equal(coco.inside(points, (15, 18)), odd)


def test_polygons_with_a_common_edge_neither_overlap_nor_leave_a_gap():
    left, right = ([[0, 0], [7.5, 0], [4.5, 10], [0, 10]], [[7.5, 0], [12, 0], [12, 10], [4.5, 10]])
    covers = [coco.inside(np.array(points, float), (10, 12)).astype(int) for points in (left, right)]
    assert (sum(covers) == 1).all()


def test_boxes_without_an_outline_are_ignored_pixels(tmp_path):
    src = coco_file(tmp_path / "src/annotations/a.json", annotation(0, 3, [square(4, 2, 3)]),
                    annotation(1, 3, [], bbox=[2, 3, 4, 5]))
    result, _, said = imported(src)
    assert (result["p1"] == 255).sum() == 20 and (result["p1"][3:8, 2:6] == 255).all()
    assert "boxes without an outline, now 255 (ignored): 1" in said
    src = coco_file(tmp_path / "boxes/annotations/a.json", annotation(1, 3, [], bbox=[2, 3, 4, 5]))
    refused(lambda: import_folder(src, tmp_path / "no"), "only boxes")


def test_coco_files_for_training_and_validation_keep_their_split(tmp_path):
    coco_file(tmp_path / "src/annotations/instances_train2017.json", annotation(0, 3, [square(4, 2, 3)]))
    src = coco_file(tmp_path / "src/annotations/instances_val2017.json", annotation(2, 7, [square(4, 2, 3)]), first=2)
    _, data, _ = imported(src)
    assert VOCSegmentation(data.root, "train").ids == ["p0", "p1"]
    assert VOCSegmentation(data.root, "val").ids == ["p2", "p3"]


@pytest.mark.parametrize("bad, words", [
    ({"annotations": [annotation(5, 3, [square(1, 1, 2)])]}, ("5",)),
    ({"annotations": [annotation(0, 9, [square(1, 1, 2)], id=44)]}, ("annotation 44", "9")),
    ({"annotations": [annotation(0, 3, [[1, 2, 3]], id=44)]}, ("annotation 44",)),
    ({"annotations": [annotation(0, 3, {"size": [3, 3], "counts": [9]}, id=44)]}, ("annotation 44", "run lengths")),
    ({"annotations": [annotation(0, 3, {"size": [HEIGHT, WIDTH], "counts": [-1, 205]}, id=44)]}, ("annotation 44",)),
    ({"categories": [{"id": 1}]}, ("categories", "'name' is missing")),
    ({"images": [{"id": 0, "file_name": "gone.png"}]}, ("no image called gone.png",)),
])
def test_bad_coco_files_are_refused(tmp_path, bad, words):
    src = coco_file(tmp_path / "src/annotations/a.json", **bad)
    refused(lambda: import_folder(src, tmp_path / "out"), "a.json", *words)

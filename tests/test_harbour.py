"""Harbour teaches only if it is what it claims: context and resolution are needed, every mask is known to the bit."""
import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from minifcn.datasets import harbour
from minifcn.datasets.harbour_canvas import TICKS, Canvas, Dice
from minifcn.datasets.harbour_scene import draw
from minifcn.errors import InputError
from minifcn.metrics import ConfusionMatrix, resolution_bound
from minifcn.palette import VOID_COLOR, distinct_colors

C = len(harbour.CLASSES)
BOAT, PERSON = harbour.CLASSES.index("boat"), harbour.CLASSES.index("person")
SHA256 = "dd17ccb2751f0a7110130058d715d58676bd8c2afb9ea44f52ca5bd1b3a88f01"


def read(split):
    """All of a split: images (N,128,160,3) and labels (N,128,160)."""
    root = harbour.root()
    ids = (root / "ImageSets" / "Segmentation" / f"{split}.txt").read_text().split()
    images = np.stack([np.array(Image.open(root / "JPEGImages" / f"{i}.jpg")) for i in ids])
    return images, np.stack([np.array(Image.open(root / "SegmentationClass" / f"{i}.png")) for i in ids])


@pytest.fixture(scope="module")
def train():
    return read("train")


@pytest.fixture(scope="module")
def val():
    return read("val")


@pytest.fixture(scope="module")
def hard():
    return read("hard")


# What is shipped

def test_the_set_is_complete_small_and_in_voc_layout():
    root = harbour.root()
    names = {path.stem: path.read_text().split() for path in (root / "ImageSets" / "Segmentation").iterdir()}
    assert {split: len(ids) for split, ids in names.items()} == {"hard": 16, "train": 200, "trainval": 260, "val": 60}
    assert names["trainval"] == names["train"] + names["val"]
    everything = set(names["trainval"]) | set(names["hard"])
    assert len(everything) == 276
    assert {path.stem for path in (root / "JPEGImages").iterdir()} == everything
    assert {path.stem for path in (root / "SegmentationClass").iterdir()} == everything
    assert (root / "classes.txt").read_text().split() == list(harbour.CLASSES)
    assert sum(path.stat().st_size for path in root.rglob("*") if path.is_file()) <= 4 * 2**20


def test_masks_are_palette_files_in_the_colours_of_the_house():
    with Image.open(harbour.root() / "SegmentationClass" / "harbour_000.png") as image:
        assert image.mode == "P" and image.size == (160, 128)
        shown = np.array(image.getpalette("RGB")).reshape(-1, 3)
    np.testing.assert_array_equal(shown[:C], distinct_colors(C))
    assert tuple(shown[255].tolist()) == VOID_COLOR


def test_all_shipped_masks_to_the_bit(train, val, hard):
    digest = hashlib.sha256()
    for _, labels in (train, val, hard):
        digest.update(labels.tobytes())
    assert digest.hexdigest() == SHA256, "a mask changed: if that was meant, raise harbour.VERSION, pin the new digest"


@pytest.mark.parametrize("split, place", [("train", 0), ("train", 137), ("val", 31), ("hard", 9)])
def test_a_scene_made_again_is_the_shipped_one(request, split, place):
    images, labels = request.getfixturevalue(split)
    image, again = harbour.scene(harbour.SPLITS[split][place], hard=split == "hard")
    assert image.dtype == again.dtype == np.uint8 and image.shape == (128, 160, 3)
    np.testing.assert_array_equal(again, labels[place])
    file = io.BytesIO()
    Image.fromarray(image).save(file, "JPEG", **harbour.JPEG)
    error = np.abs(np.array(Image.open(file)).astype(int) - images[place])
    assert error.mean() < 0.5 and error.max() < 32  # a rounding may tip a coefficient of the file's over


def test_every_class_is_common(train, val):
    for _, labels in (train, val):
        assert set(np.unique(labels)) == {*range(C), 255}
        share = [(labels == c).any(axis=(1, 2)).mean() for c in range(C)]
        assert min(share) >= 0.45, dict(zip(harbour.CLASSES, share, strict=True))


# What makes it teach

def score(predicted, labels):
    return ConfusionMatrix(C).update(predicted, labels).mean_iu


@pytest.mark.parametrize("factor, low, high", [(32, 0.35, 0.60), (16, 0.75, 0.90), (8, 0.95, 1)])
def test_a_coarse_step_cannot_draw_the_truth(val, factor, low, high):
    _, labels = val
    coarse = np.stack([resolution_bound(truth, C, factor) for truth in labels])
    assert low <= score(coarse, labels) <= high


def test_saying_background_everywhere_scores_next_to_nothing(val):
    _, labels = val
    assert score(np.zeros_like(labels), labels) <= 0.12


@pytest.mark.parametrize("levels", [8, 16, 32])
@pytest.mark.parametrize("power", [0, 0.5, 1])
def test_a_pixels_colour_does_not_tell_its_class(train, val, levels, power):
    """The commonest class of each colour, classes weighted by 1 / frequency**power: no better than 0.45 for any."""
    def colour(images):
        return (images.astype(int) * levels // 256) @ (levels * levels, levels, 1)

    (images, labels), (val_images, val_labels) = train, val
    known = labels != 255
    pairs = colour(images)[known] * C + labels[known]
    counts = np.bincount(pairs, minlength=levels**3 * C).reshape(-1, C)
    table = (counts / counts.sum(axis=0) ** power).argmax(axis=1)
    assert score(table[colour(val_images)], val_labels) <= 0.45


def orange_share(images, labels, label):
    """How much of a class is as orange as a life vest."""
    r, g, b = np.moveaxis(images.astype(int), -1, 0)
    orange = (r > 200) & (r - g > 60) & (r - g < 160) & (b < 85)
    return orange[labels == label].mean()


def test_in_hard_life_vests_lie_in_boats_and_elsewhere_people_wear_them(train, hard):
    assert orange_share(*train, PERSON) > 0.1
    assert orange_share(*hard, BOAT) > 5 * orange_share(*train, BOAT)


def test_in_hard_nobody_is_in_a_boat():
    """Scenes drawn hard and not hard differ by their boats' crews, who are gone, and by the vests in their place."""
    crews = 0
    for seed in harbour.SPLITS["hard"]:
        (_, without), (_, manned) = draw(seed, hard=True), draw(seed)
        changed = without != manned
        assert not (without[changed] == PERSON).any()
        crews += (manned[changed] == PERSON).any()
    assert crews >= 8


# How it is made

def test_borders_between_classes_are_void_two_pixels_wide():
    """A pixel is void exactly if one of its four neighbours is of another class."""
    _, labels = draw(3)
    height, width = labels.shape
    void = np.zeros(labels.shape, bool)
    for y in range(height):
        for x in range(width):
            near = [(y - 1, x), (y + 1, x), (y, x - 1), (y, x + 1)]
            void[y, x] = any(labels[i, j] != labels[y, x] for i, j in near if 0 <= i < height and 0 <= j < width)
    np.testing.assert_array_equal(harbour.outline(labels), np.where(void, 255, labels))


def test_no_shipped_mask_lets_two_classes_touch(train, val, hard):
    for _, labels in (train, val, hard):
        for a, b in ((labels[:, 1:], labels[:, :-1]), (labels[:, :, 1:], labels[:, :, :-1])):
            assert not ((a != b) & (a != 255) & (b != 255)).any()


def test_dice_never_change():
    dice = Dice(7, 1)
    assert [dice.between(1, 1000) for _ in range(5)] == [771, 112, 190, 160, 432]


def test_polygons_that_share_an_edge_share_no_sample():
    """Two halves of a slanted square cover it exactly, whichever way round their corners are listed."""
    corners = [(-40, 70), (1500, 3), (1711, 1900), (95, 1333)]

    def cover(points):
        canvas = Canvas(Dice(1))
        canvas.polygon(points, (1, 1, 1))
        return canvas.image[..., 0]

    a, b, c, d = corners
    np.testing.assert_array_equal(cover([a, b, c]) + cover([d, c, a]), cover(corners))
    assert cover(corners).max() == 1


def test_a_pixel_half_covered_takes_the_label_and_one_less_covered_does_not():
    canvas = Canvas(Dice(1))
    canvas.polygon([(0, 0), (10 * TICKS + 16, 0), (10 * TICKS + 16, 64), (0, 64)], (255, 0, 0), 1)
    canvas.polygon([(0, 64), (10 * TICKS + 15, 64), (10 * TICKS + 7, 128), (0, 128)], (255, 0, 0), 1)
    assert canvas.labels[0].tolist() == [1] * 11 + [0] * 149
    assert canvas.labels[3].tolist() == [1] * 10 + [0] * 150
    assert canvas.image[0, 10, 0] == 127.5


@pytest.fixture
def few(monkeypatch):
    """Only four scenes, to be quick."""
    monkeypatch.setattr(harbour, "SPLITS", {"train": range(2), "val": range(200, 201), "hard": range(260, 261)})


def files(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_make_writes_the_same_set_every_time(tmp_path, few, val):
    first, second = (harbour.make(tmp_path / name) for name in ("deep/one", "two"))
    assert files(first) == files(second) and len(files(first)) == 4 + 4 + 4 + 2
    with Image.open(first / "SegmentationClass" / "harbour_200.png") as mask:
        np.testing.assert_array_equal(np.array(mask), val[1][0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["deep", "two"]  # nothing temporary is left


def test_make_replaces_harbour_and_nothing_else(tmp_path, few):
    out = harbour.make(tmp_path / "set")
    (out / "JPEGImages" / "harbour_000.jpg").unlink()
    assert len(files(harbour.make(out))) == 14
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("no copy")
    with pytest.raises(InputError, match="mine: is there already"):
        harbour.make(tmp_path / "mine")
    assert files(tmp_path / "mine") == {"thesis.txt": b"no copy"}


def test_make_interrupted_leaves_what_was_there(tmp_path, few, monkeypatch):
    out = harbour.make(tmp_path / "set")
    before = files(out)
    monkeypatch.setattr(harbour, "scene", lambda seed, hard: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        harbour.make(out)
    assert files(out) == before and [path.name for path in tmp_path.iterdir()] == ["set"]


def test_make_where_nothing_can_be_written_says_so_in_one_line(tmp_path, few):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot write") as problem:
        harbour.make(tmp_path / "file" / "set")
    assert "\n" not in str(problem.value)


def test_without_a_checkout_the_set_is_made_once_in_the_cache(tmp_path, few, monkeypatch, capsys):
    monkeypatch.setattr(harbour, "__file__", str(tmp_path / "site" / "minifcn" / "datasets" / "harbour.py"))
    monkeypatch.setenv("MINIFCN_CACHE", str(tmp_path / "cache"))
    root = harbour.root()
    assert root == tmp_path / "cache" / f"harbour-{harbour.VERSION}"
    out, err = capsys.readouterr()
    assert out == "" and err == f"making the data set Harbour in {root}\n"
    assert harbour.root() == root and capsys.readouterr().err == ""
    assert len(files(root)) == 14

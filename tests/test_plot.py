"""Pictures are judged by their pixels: what must be untouched, what must stand out, what must be there at all."""
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from test_overlay import CLASSES, COLORS, scene

from minifcn import plot


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def row(rng, nets=("FCN-32s", "FCN-16s", "FCN-8s"), zoom=(10, 20, 12, 18), **size):
    image, truth = scene(rng, **size)
    named = np.where(truth == 255, 0, truth)
    predictions = {net: np.roll(named, 8 - 3 * i, axis=1) for i, net in enumerate(nets)}
    iu = {net: 0.5 + 0.1 * i for i, net in enumerate(nets)}
    return {"title": "median image (0042)", "image": image, "truth": truth, "predictions": predictions, "iu": iu,
            "zoom": zoom}


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.int64)


def log_row(stage, epoch, **columns):
    return {"stage": stage, "epoch": epoch, "step": "10", "lr": "0.1", "loss": "1.5", "val_loss": 1.2,
            "pixel_accuracy": "0.8", "mean_accuracy": 0.5, "mean_iu": 0.4, "fw_iu": 0.6, "seconds": "9", **columns}


@pytest.mark.parametrize("log", [
    [log_row("fcn32s", 1)],
    [log_row("fcn32s", "1", val_loss="", mean_iu="nan"), log_row("fcn32s", "2", loss="inf", pixel_accuracy=None)],
    [log_row("fcn32s", 1, loss="nan", val_loss="nan", mean_iu="nan", pixel_accuracy="nan")],
    [log_row("fcn32s", 1), log_row("fcn32s", 2), log_row("fcn16s", 1), log_row("fcn8s", 1)],
], ids=["one row", "gaps", "nothing finite", "stages"])
def test_curves_are_written_for_every_log(tmp_path, log):
    plot.curves(log, tmp_path / "curves.png")
    assert pixels(tmp_path / "curves.png").shape == (380, 1000, 3)


@pytest.mark.parametrize("second", [(1, 2), (4, 5)], ids=["beginning anew", "counting on"])
def test_epochs_run_on_over_the_stages(second):
    log = [log_row("fcn32s", e) for e in (1, 2, 3)] + [log_row("fcn16s", str(e)) for e in second]
    assert plot._epochs(log) == ([1, 2, 3, 4, 5], [("fcn32s", 0.5), ("fcn16s", 3.5)])


def test_curves_draw_the_scores_they_are_given(tmp_path):
    for name, value in (("low", 0.4), ("high", 0.9)):
        plot.curves([log_row("fcn32s", 1, mean_iu=value)], tmp_path / f"{name}.png")
    low, high = pixels(tmp_path / "low.png"), pixels(tmp_path / "high.png")
    assert np.any(low[:, 500:] != high[:, 500:]) and not np.any(low[:, :500] != high[:, :500])  # scores on the right


@pytest.mark.parametrize("count", [2, 25, 60])
def test_confusion_is_written_for_any_number_of_classes(tmp_path, count):
    counts = np.eye(count, dtype=np.int64) * 1000 + 3
    counts[1] = 0  # a class without a pixel
    plot.confusion(counts, ["$a_{ $"] * count, tmp_path / "confusion.png")  # dollars are no formula
    assert min(pixels(tmp_path / "confusion.png").shape[:2]) >= 200


def test_confusion_divides_each_row_by_its_own_sum(tmp_path):
    counts = np.array([[900, 100], [2, 8]])
    plot.confusion(counts, ["a", "b"], tmp_path / "counts.png")
    plot.confusion(counts * [[1], [1000]], ["a", "b"], tmp_path / "scaled.png")
    plot.confusion(counts[:, ::-1], ["a", "b"], tmp_path / "turned.png")
    np.testing.assert_array_equal(pixels(tmp_path / "counts.png"), pixels(tmp_path / "scaled.png"))
    assert np.any(pixels(tmp_path / "counts.png") != pixels(tmp_path / "turned.png"))


def test_predictions_are_written_for_rows_of_all_sizes(rng, tmp_path):
    rows = [row(rng), row(rng, height=200, width=90), row(rng, zoom=None), row(rng, height=500, width=700)]
    plot.predictions(rows, CLASSES, COLORS, tmp_path / "predictions.png")
    height, width, _ = pixels(tmp_path / "predictions.png").shape
    assert 980 <= width <= 1000 and height > 4 * 120


def test_predictions_of_a_single_net(rng, tmp_path):
    plot.predictions([row(rng, nets=["FCN-8s"])], CLASSES, COLORS, tmp_path / "one.png")
    assert 980 <= pixels(tmp_path / "one.png").shape[1] <= 1000


def test_a_wrong_prediction_is_drawn_brighter_than_a_right_one(rng, tmp_path):
    right = row(rng, nets=["FCN-8s"], zoom=None)
    right["predictions"]["FCN-8s"] = np.where(right["truth"] == 255, 3, right["truth"])  # anything is right on void
    wrong = {**right, "predictions": {"FCN-8s": np.uint8(3) - right["predictions"]["FCN-8s"]}}
    for name, drawn in (("right", right), ("wrong", wrong)):
        plot.predictions([drawn], CLASSES, COLORS, tmp_path / f"{name}.png")
    a, b = (pixels(tmp_path / f"{name}.png")[50:240, 670:980] for name in ("right", "wrong"))  # the last column
    assert a.max() <= 140 and np.median(b) >= 175


def test_the_window_is_framed_and_enlarged(rng, tmp_path):
    plain, zoomed = row(rng, zoom=None), row(rng)
    zoomed = {**plain, "zoom": zoomed["zoom"]}
    for name, drawn in (("plain", plain), ("zoomed", zoomed)):
        plot.predictions([drawn], CLASSES, COLORS, tmp_path / f"{name}.png")
    a, b = pixels(tmp_path / "plain.png"), pixels(tmp_path / "zoomed.png")
    assert b.shape[0] > a.shape[0] + 100
    changed = np.argwhere(np.any(a[40:160, 12:200] != b[40:160, 12:200], axis=-1))
    scale = 188 / 70
    np.testing.assert_allclose(changed.min(axis=0) + [40 - 44, 0], [scale * 10, scale * 20], atol=1.5)


def test_worst_is_a_grid_of_two_images_a_line(rng, tmp_path):
    heights = []
    for count in (1, 2, 3):
        rows = [{"id": f"{i:04d}", "image": (r := row(rng))["image"], "truth": r["truth"], "iu": 0.1 * i,
                 "prediction": r["predictions"]["FCN-8s"]} for i in range(count)]
        plot.worst(rows, CLASSES, COLORS, tmp_path / "worst.png")
        heights.append(pixels(tmp_path / "worst.png").shape[0])
    assert heights[0] < heights[2] - 80 and heights[1] < heights[2] - 100


def test_no_picture_touches_pyplot(tmp_path):
    code = ("import sys, numpy as np; from minifcn import plot; assert 'matplotlib' not in sys.modules; "
            f"plot.confusion(np.eye(2), ['a', 'b'], r'{tmp_path / 'c.png'}'); "
            "assert 'matplotlib' in sys.modules and 'matplotlib.pyplot' not in sys.modules")
    subprocess.run([sys.executable, "-c", code], check=True)


def square_and_stick():
    """Two truths of the same area: a square, and a stick."""
    square, stick = np.zeros((40, 60), np.uint8), np.zeros((40, 60), np.uint8)
    square[10:20, 10:20] = 1
    stick[10:12, 5:55] = 1
    return square, stick


def test_rows_are_chosen_by_their_rules():
    square, stick = square_and_stick()
    truths = [square, square, square, stick, square]
    scored = [{"id": name, "iu": {"FCN-32s": first, "FCN-8s": last}} for name, first, last in
              [("a", 0.7, 0.9), ("b", 0.6, 0.8), ("c", 0.6, 0.7), ("d", 0.5, 0.6), ("e", 0.1, 0.5)]]
    assert plot.choose_rows(scored, truths.__getitem__) == [
        {"index": 2, "title": "median image (c)"}, {"index": 4, "title": "largest gain (e)"},
        {"index": 3, "title": "thinnest object (d)"}]


def test_no_image_is_chosen_twice_and_none_without_a_score():
    square, stick = square_and_stick()
    scored = [{"id": "only", "iu": {"FCN-32s": 0.2, "FCN-8s": 0.9}},
              {"id": "void", "iu": {"FCN-32s": float("nan"), "FCN-8s": float("nan")}}]
    assert [pick["index"] for pick in plot.choose_rows(scored, [stick, square].__getitem__)] == [0]
    assert plot.choose_rows([], None) == []


def test_a_single_net_has_no_gain():
    square, stick = square_and_stick()
    scored = [{"id": str(i), "iu": {"FCN-8s": 0.1 * i}} for i in range(3)]
    titles = [pick["title"] for pick in plot.choose_rows(scored, [square, square, stick].__getitem__)]
    assert titles == ["median image (1)", "thinnest object (2)"]


def test_thinness_is_perimeter_over_area_at_any_size_of_image():
    square, stick = square_and_stick()
    assert plot.thinness(square) == pytest.approx(40 / 100 * 2400**0.5)
    assert plot.thinness(stick) == pytest.approx(104 / 100 * 2400**0.5)
    assert plot.thinness(np.kron(stick, np.ones((3, 3), np.uint8))) == pytest.approx(plot.thinness(stick))


def test_thinness_counts_neither_void_nor_specks():
    square, stick = square_and_stick()
    assert plot.thinness(np.full((9, 7), 255, np.uint8)) == 0
    void = np.where(stick == 1, np.uint8(255), stick)
    assert plot.thinness(void) == pytest.approx(104 / 2300 * 2400**0.5)  # the background's, around the void
    speck = square.copy()
    speck[30, 30] = 2
    assert plot.thinness(speck) == plot.thinness(square)


def test_the_window_lies_where_the_nets_differ_along_a_border():
    truth = np.zeros((80, 120), np.uint8)
    truth[:, 60:] = 1
    last = truth.copy()
    first = truth.copy()
    first[50:56, 56:60] = 1  # along the border
    first[5:25, 5:35] = 1  # larger, but far from any border
    top, left, height, width = plot.zoom_window(truth, {"FCN-32s": first, "FCN-8s": last})
    assert (height, width) == (20, 30)
    assert top <= 50 and top + height >= 56 and left <= 56 and left + width >= 60
    assert abs(top + height / 2 - 53) <= 1  # the difference in the middle


def test_the_window_of_a_single_net_lies_where_it_errs_and_void_is_no_error():
    truth = np.zeros((80, 120), np.uint8)
    truth[:, 60:] = 1
    predicted = truth.copy()
    predicted[70:76, 58:60] = 1
    assert plot.zoom_window(truth, {"FCN-8s": predicted})[0] >= 55
    truth[70:76, 58:60] = 255
    top, left, height, width = plot.zoom_window(truth, {"FCN-8s": predicted})
    assert left <= 60 <= left + width  # nothing differs: some border all the same


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (17, 5)])
def test_the_window_lies_inside_the_image(shape):
    labels = np.zeros(shape, np.uint8)
    top, left, height, width = plot.zoom_window(labels, {"FCN-8s": labels})
    assert 0 <= top and top + height <= shape[0] and 0 <= left and left + width <= shape[1] and height * width > 0

"""The classifier, the pieces of images it learns from, and the FCN made from it."""
import numpy as np
import pytest
from refusal import refused as refuses
from tiny_runs import CLASSES, done, folder, refused

import minifcn
from minifcn import checkpoint, crops, evaluate, predict, pretrain, train
from minifcn.datasets import VOCSegmentation
from minifcn.gradcheck import assert_gradient
from minifcn.nets import build, surgery


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data"))


@pytest.fixture
def net():
    return build("classifier", classes=3, dtype=np.float64)


def test_it_names_images_of_one_size(net, rng):
    assert net.side == 96
    assert net.forward(rng.normal(size=(2, 3, 96, 96))).shape == (2, 3)
    for shape in ((2, 3, 96, 128), (3, 96, 96), (2, 1, 96, 96)):
        with pytest.raises(ValueError, match="surgery"):
            net.forward(np.zeros(shape))


def test_with_depth_it_takes_images_of_the_same_size(rng):
    net = build("classifier", classes=3, modality="color-d", dtype=np.float64)
    assert net.side == 96 and net.forward(rng.normal(size=(2, 4, 96, 96))).shape == (2, 3)


def test_gradients_down_to_the_first_layer(net, rng):
    x, dy = rng.normal(size=(2, 3, 96, 96)), rng.normal(size=(2, 3))
    net.forward(x, train=True)
    net.backward(dy)
    grads = dict(net.grads)
    assert set(grads) == set(net.learned) == set(net.params)

    def scores(name):
        def forward(part):
            w = net.params[name]
            kept = w.copy()
            w.reshape(-1)[:5] = part
            y = net.forward(x)
            w[...] = kept
            return y
        return forward

    for name in ("conv1_1.w", "fc6.w", "fc7.b", "fc8.w", "fc8.b"):
        first = net.params[name].reshape(-1)[:5]
        assert_gradient(scores(name), first.copy(), dy, grads[name].reshape(-1)[:5], name,
                        tolerance=1e-4, h=1e-8)  # a larger step changes which of 9216 pixels wins some maximum


def test_the_middle_of_the_fcns_map_is_what_the_classifier_says(net, rng):
    """fc6 of mini pads by 1: over its own 96 x 96 pixels the FCN has 3 x 3 places, and the middle one sees it all."""
    fcn = build("fcn32s", classes=3, seed=1, dtype=np.float64)
    copied = fcn.load(surgery.convolutional(net))
    assert set(fcn.learned) == set(copied)
    x = rng.normal(size=(2, 3, 96, 96))
    coarse = fcn.head.layers["score_fr"].forward(fcn.body.forward(x)["drop7"])
    assert coarse.shape == (2, 3, 3, 3)
    np.testing.assert_allclose(coarse[:, :, 1, 1], net.forward(x), rtol=1e-10)


def test_a_crop_has_its_pixel_in_the_middle_and_grey_around_the_image(rng):
    image = rng.integers(0, 256, (5, 7, 3), np.uint8)
    for row, column in ((0, 0), (2, 3), (4, 6)):
        piece = crops.cut(image, row, column, 6)
        assert piece.shape == (6, 6, 3)
        np.testing.assert_array_equal(piece[3, 3], image[row, column])
    np.testing.assert_array_equal(crops.cut(image, 0, 0, 6)[:3], 128)
    np.testing.assert_array_equal(crops.cut(image, 2, 3, 4), image[0:4, 1:5])


def test_every_class_is_drawn_equally_often_and_lies_in_the_middle(data, rng):
    source = VOCSegmentation(data, "train")
    pieces, names = crops.Crops(source, 8).draw(rng, 600)
    assert pieces.shape == (600, 8, 8, 3) and min(np.bincount(names, minlength=3)) > 150
    for k in range(3):  # a class is its colour here: that of the middle, in either direction
        middle = pieces[names == k][:, 4, 3:5].astype(int)
        inside = np.abs(middle - np.array([[20, 60, 20], [240, 200, 40], [60, 90, 250]])[k]).max(axis=-1) < 12
        assert inside.any(axis=1).all()


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory):
    path = tmp_path_factory.mktemp("classifier") / "net.safetensors"
    text = done(pretrain, "--data", data, "--steps", 3, "--batch", 4, "--out", path)
    return path, text


def test_the_command_says_what_it_does_and_saves_what_load_opens(trained):
    path, text = trained
    assert "pieces of 96 x 96 pixels from 4 training and 2 validation images, 3 classes" in text
    assert "step     3/3" in text and f"--weights {path}" in text
    model = minifcn.load(path)
    assert model.classes == CLASSES and model.net.side == 96
    assert {"accuracy", "mean_accuracy"} == set(model.meta["scores"])


def test_the_same_seed_gives_the_same_bits(trained, data, tmp_path):
    done(pretrain, "--data", data, "--steps", 3, "--batch", 4, "--out", tmp_path / "again.safetensors")
    first, again = (checkpoint.read(path).params for path in (trained[0], tmp_path / "again.safetensors"))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])


def test_an_fcn_starts_from_it(trained, data, tmp_path):
    text = done(train, "--data", data, "--net", "fcn32s", "--epochs", 1, "--lr", "1e-30", "--weights", trained[0],
                "--out", tmp_path / "run")
    assert f"weights of {trained[0]} (classifier, 3 classes)" in text and "fresh" not in text
    wanted = surgery.convolutional(minifcn.load(trained[0]).net)
    for name, value in minifcn.load(tmp_path / "run/fcn32s.safetensors").net.params.items():
        if name in wanted:
            np.testing.assert_allclose(value, wanted[name], rtol=0, atol=1e-29)


def test_its_score_layer_stays_behind_where_the_classes_are_others(trained, tmp_path):
    other = folder(tmp_path / "other", classes=(*CLASSES, "kite"))
    text = done(train, "--data", other, "--net", "fcn16s", "--epochs", 1, "--weights", trained[0], "--out",
                tmp_path / "run")
    assert "fresh: score_fr.w, score_fr.b, score_pool4.w, score_pool4.b" in text


def test_who_wants_pixels_named_is_told_what_it_is(trained, data, tmp_path):
    refuses(lambda: minifcn.load(trained[0]).predict(np.zeros((9, 9, 3), np.uint8)), "names whole images")
    refused(evaluate, trained[0], "--data", data)
    refused(predict, trained[0], data / "JPEGImages/v0.png", "--out", tmp_path / "out")


@pytest.mark.parametrize(("argv", "says"), [
    (("--steps", 0), "--steps 0"), (("--lr", 0), "--lr 0"), (("--dropout", 1), "--dropout 1"),
    (("--lr", "1e20", "--steps", 2, "--batch", 2), "try --lr 1e+19"), (("--data", "nowhere"), "nowhere"),
])
def test_what_cannot_be_done_is_said_in_one_line(data, tmp_path, argv, says):
    data = () if "--data" in argv else ("--data", data)
    assert says in refused(pretrain, *data, "--out", tmp_path / "net.safetensors", *argv)


def test_nothing_is_written_over(trained):
    assert "choose another --out" in refused(pretrain, "--out", trained[0])

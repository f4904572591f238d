"""A body that is not trained: its features are computed once, and skips begin with features of one size."""
import numpy as np
import pytest
from tiny_nets import image, tiny_net
from tiny_runs import CLASSES, assert_same_bits, done, folder, refused, weights

from minifcn import checkpoint, estimate, features, plot, train
from minifcn.nets import build
from minifcn.nets.equalise import equalise
from minifcn.nets.structure import rows

CHAIN = "fcn32s-fixed,fcn8s-atonce-fixed,fcn8s-atonce"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "shapes")


@pytest.fixture
def quick(monkeypatch):
    for draw in ("curves", "confusion", "predictions", "worst"):
        monkeypatch.setattr(plot, draw, lambda *args: None)


@pytest.fixture
def start(tmp_path):
    """A checkpoint to start from; how good it is does not matter."""
    net = build("fcn32s", classes=3, seed=5)
    checkpoint.save(tmp_path / "start.safetensors", net, {"classes": list(CLASSES), "colors": [[0, 0, 0]] * 3})
    return tmp_path / "start.safetensors"


def test_what_was_seen_comes_back_to_the_bit_and_the_body_is_asked_once(rng, tmp_path):
    net, asked = tiny_net("fcn8s", rng, dtype=np.float32).freeze_body(), []
    body, real = net.body, net.body.forward
    body.forward = lambda x: asked.append(x.shape) or real(x)
    some, other = image(rng, dtype=np.float32), image(rng, dtype=np.float32)
    wanted = [net.head.forward(real(x), 37, 45) for x in (some, other)]
    features.remember(net, tmp_path / "features", features.taps_of(net))
    for _ in range(2):
        for x, scores in zip((some, other), wanted, strict=True):
            np.testing.assert_array_equal(net.forward(x, train=True), scores)
    assert len(asked) == 2
    net.backward(wanted[1])
    assert list(net.grads) == net.learned == [f"score_{tap}.{key}" for tap in ("fr", "pool4", "pool3") for key in "wb"]


def test_only_the_taps_that_heads_look_at_are_kept(rng, tmp_path):
    net = tiny_net("fcn32s", rng, dtype=np.float32).freeze_body()
    assert features.taps_of(net) == ["drop7"]
    assert features.taps_of(tiny_net("fcn8s", rng)) == ["pool3", "pool4", "drop7"]
    features.remember(net, tmp_path / "features", features.taps_of(net)).forward(image(rng, n=1, dtype=np.float32))
    file, = (tmp_path / "features").iterdir()
    shape = next(row.shape for row in rows(net, 37, 45) if row.name == "drop7")
    assert features.feature_bytes(net, 37, 45) == 4 * np.prod(shape) <= file.stat().st_size


def test_an_input_that_differs_in_one_number_is_another(rng, tmp_path):
    net = features.remember(tiny_net("fcn32s", rng, dtype=np.float32).freeze_body(), tmp_path / "features", ["drop7"])
    x = image(rng, n=1, dtype=np.float32)
    net.forward(x)
    x[0, 0, 0, 0] = np.nextafter(x[0, 0, 0, 0], np.float32(9))
    net.forward(x)
    assert len(list((tmp_path / "features").iterdir())) == 2


def chain(data, start, out, *options):
    return done(train, "--data", data, "--net", CHAIN, "--epochs", "2,2,1", "--batch", 1, "--no-mirror", "--equalise",
                "--weights", start, "--out", out, *options)


def test_a_run_with_features_on_disk_gives_the_bits_of_one_without(data, start, tmp_path, quick, monkeypatch):
    text = chain(data, start, tmp_path / "with")
    assert f"kept in {tmp_path / 'with/features'}" in text and not (tmp_path / "with/features").exists()
    monkeypatch.setattr(features.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1}))
    assert "are computed anew every time" in chain(data, start, tmp_path / "without")
    for name in CHAIN.split(","):
        assert_same_bits(*(weights(tmp_path / run / f"{name}.safetensors") for run in ("with", "without")))


def test_features_that_lie_there_already_need_no_room(tmp_path, monkeypatch):
    """Of 1000 bytes 900 are there, and 1200 are free: what was 2100 before is still more than twice 1000."""
    monkeypatch.setattr(features.shutil, "disk_usage", lambda path: type("Disk", (), {"free": 1200}))
    folder = tmp_path / "features"
    assert not features.room_for(1000, folder)
    folder.mkdir()
    (folder / "some.safetensors").write_bytes(bytes(900))
    assert features.room_for(1000, folder)


def test_the_body_stays_in_the_first_nets_and_moves_in_the_last(data, start, tmp_path, quick):
    chain(data, start, tmp_path / "run")
    first, second, last = (weights(tmp_path / f"run/{name}.safetensors") for name in CHAIN.split(","))
    for name, before in weights(start).items():
        if name.startswith(("conv", "fc")):
            np.testing.assert_array_equal(first[name], before)
            np.testing.assert_array_equal(second[name], before)
            assert (last[name] != before).any(), name
    assert (second["score_pool3.w"] != 0).any() and "score_pool3.w" not in first


def test_varied_images_are_not_kept(data, start, tmp_path, quick):
    text = done(train, "--data", data, "--net", "fcn32s-fixed", "--epochs", 1, "--batch", 1, "--mirror", "--weights",
                start, "--out", tmp_path / "run")
    assert "features" not in text


def test_a_body_of_random_numbers_is_not_left_as_it_is(data, tmp_path):
    assert "random numbers" in refused(train, "--data", data, "--net", "fcn8s-fixed", "--out", tmp_path / "run")


# --- features of one size ----------------------------------------------------------------------------------------

def size(a):
    return np.sqrt(np.mean(np.square(a, dtype=np.float64)))


@pytest.mark.parametrize("classes, modality", [(3, "color"), ((3, 2), "color"), (3, "color-hha")])
def test_scaled_features_are_as_large_as_the_last(rng, classes, modality):
    net = build("fcn8s-atonce", classes=classes, modality=modality)
    inputs = [rng.normal(size=(1, net.preprocess.channels, 64, 65)).astype(np.float32) for _ in range(3)]
    told = equalise(net, inputs)
    maps = {tap: np.concatenate([net.body.forward(x)[tap] for x in inputs]) for tap in net.body.taps}
    for tap, found in told.items():
        assert found == pytest.approx(size(maps[tap]), rel=1e-5)
    for stream in net.body.streams:
        for tap in ("pool4", "pool3"):
            for head in net.heads:
                w = net.params[f"scale_{tap}{stream}{head.suffix}.w"]
                scaled, wanted = w[:, None, None] * maps[tap + stream], maps["drop7" + stream]
                assert size(scaled) == pytest.approx(size(wanted), rel=1e-4)


def test_the_constants_are_the_released_ones_unless_asked(data, start, tmp_path, quick):
    done(train, "--data", data, "--net", "fcn8s-atonce", "--epochs", 1, "--weights", start, "--out", tmp_path / "run")
    found = weights(tmp_path / "run/fcn8s-atonce.safetensors")
    assert set(found["scale_pool4.w"]) == {np.float32(0.01)} and set(found["scale_pool3.w"]) == {np.float32(0.0001)}


# --- how long it will take ---------------------------------------------------------------------------------------

def test_a_step_is_measured_without_changing_what_comes_of_the_run(data, tmp_path, quick, monkeypatch):
    options = ("--data", data, "--net", "fcn32s", "--epochs", 1, "--dropout", 0.4)
    done(train, *options, "--out", tmp_path / "measured")
    monkeypatch.setattr("minifcn.announce._say_time", lambda *args: None)
    done(train, *options, "--out", tmp_path / "not")
    assert_same_bits(*(weights(tmp_path / run / "fcn32s.safetensors") for run in ("measured", "not")))


@pytest.mark.parametrize("name, classes", [("fcn32s", 3), ("fcn8s-atonce-fixed", 3), ("fcn16s", (3, 2))])
def test_every_kind_of_net_can_be_measured(name, classes):
    net = build(name, classes=classes, seed=None)
    assert all(seconds > 0 for seconds in estimate.measure(net, 2, (33, 47), (50, 61), "cpu"))


@pytest.mark.parametrize("seconds, words", [(7.4, "7 seconds"), (200, "3 minutes"), (9000, "2.5 hours"),
                                            (400_000, "4.6 days")])
def test_a_duration_is_said_as_precisely_as_it_is_known(seconds, words):
    assert estimate.duration(seconds) == words

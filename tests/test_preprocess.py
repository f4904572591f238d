"""What a net is fed: channels in its order, less the mean, times the scale."""
import json

import numpy as np
import pytest

from minifcn.preprocess import NYUD_MEAN, Preprocessing

CAFFE = {"order": "BGR", "mean": (104.007, 116.669, 122.679), "scale": 1}


@pytest.mark.parametrize("settings", [{}, CAFFE, {"order": "RGB", "mean": (1, 2, 3), "scale": 0.5}], ids=str)
def test_every_number_is_that_of_the_definition(rng, settings):
    images = rng.integers(0, 256, (2, 5, 7, 3), dtype=np.uint8)
    kept = images.copy()
    preprocess = Preprocessing(**settings)
    x = preprocess(images)
    assert x.shape == (2, 3, 5, 7) and x.dtype == np.float32 and x.flags.c_contiguous
    for c in range(3):
        channel = "RGB".index(preprocess.order[c])
        wanted = (images[..., channel].astype(float) - preprocess.mean[c]) * preprocess.scale
        np.testing.assert_allclose(x[:, c], wanted, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(images, kept)


def test_depth_is_its_logarithm_and_zero_where_it_is_unknown():
    images = np.array([[10, 20, 30, 2550], [0, 0, 0, 0], [200, 100, 50, 65535]], np.uint16).reshape(1, 1, 3, 4)
    x = NYUD_MEAN["color-d"](images)
    assert x.shape == (1, 4, 1, 3) and x.dtype == np.float32
    np.testing.assert_allclose(x[0, :3, 0, 0], [30 - 116.190, 20 - 97.203, 10 - 92.318], rtol=1e-6)
    np.testing.assert_allclose(x[0, 3, 0], [np.log(2550) - 7.844, 0, np.log(65535) - 7.844], rtol=1e-3, atol=1e-6)


def test_colour_is_turned_round_and_hha_is_not():
    images = np.arange(6, dtype=np.uint8).reshape(1, 1, 1, 6)
    x = Preprocessing("BGRHHA", (0,) * 6, 1)(images)
    np.testing.assert_array_equal(x.ravel(), [2, 1, 0, 3, 4, 5])


def test_without_settings_grey_is_zero_and_black_and_white_are_two():
    x = Preprocessing()(np.array([0, 128, 255], np.uint8).reshape(1, 1, 3, 1).repeat(3, axis=3))
    np.testing.assert_array_equal(x[0, 0, 0], [-2, 0, 127 / 64])


@pytest.mark.parametrize("settings", [{}, CAFFE], ids=str)
def test_it_comes_back_from_a_checkpoint_as_it_was(settings):
    preprocess = Preprocessing(**settings)
    assert Preprocessing(**json.loads(json.dumps(preprocess.to_dict()))) == preprocess


@pytest.mark.parametrize("settings", [{"order": "GBR"}, {"order": ["BGR"]}, {"mean": (1, 2)}, {"mean": 5}], ids=str)
def test_what_it_cannot_be_is_a_clear_error(settings):
    with pytest.raises(ValueError, match="must be one of RGB, BGR, .*, with a mean for each channel"):
        Preprocessing(**settings)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), 10**400, "1", None, 1j], ids=lambda n: str(n)[:9])
def test_mean_and_scale_are_finite_numbers(number):
    for settings in ({"scale": number}, {"mean": (1, number, 3)}):
        with pytest.raises(ValueError, match="must be finite numbers"):
            Preprocessing(**settings)

"""Where cells lie in the image: the figures of the papers come out of the layers, and the nets obey them."""
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_nets import NAMES, PADS, tiny_body, tiny_net

from minifcn.layers import Conv2d, ConvTranspose2d, MaxPool2d, ReLU
from minifcn.nets import build
from minifcn.nets.fcn import SKIPS, Head
from minifcn.nets.geometry import Grid, reach, receptive_field
from minifcn.nets.joints import Crop


def conv(k, stride=1, pad=0, dilation=1):
    return Conv2d(None, 1, 1, k, stride, pad, dilation)


def grid_after(layers):
    grid = Grid()
    for layer in layers:
        grid = grid.after(layer)
    return grid


def vgg16(rng, pad):
    return tiny_body(rng, pad, convs=(2, 2, 3, 3, 3), width=1)


# --- figures -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("pad", [0, 69, 81, 100])
def test_the_grids_of_vgg16(rng, pad):
    """Steps and origins of every map, for padding P on the first convolution."""
    grids = {name: Head(vgg16(rng, pad), 2, SKIPS[name]).grids for name in NAMES}
    maps = grids["fcn8s"]
    assert maps["pool3"] == Grid(8, 4.5 - pad)
    assert maps["pool4"] == Grid(16, 8.5 - pad)
    assert maps["pool5"] == Grid(32, 16.5 - pad)
    assert maps["fc6"] == maps["drop7"] == Grid(32, 112.5 - pad)
    assert maps["upscore2"] == maps["fuse_pool4"] == Grid(16, 88.5 - pad)
    assert maps["upscore_pool4"] == maps["fuse_pool3"] == Grid(8, 76.5 - pad)
    last = zip(NAMES, ("upscore", "upscore16", "upscore8"), strict=True)
    assert [grids[name][up] for name, up in last] == [Grid(1, a - pad) for a in (81, 73, 69)]
    assert all(grids[name]["score"] == Grid() for name in NAMES)


def test_the_crops_of_vgg16_padded_by_100_are_19_and_5_27_and_5_9_31(rng):
    crops = [layer.offset for name in NAMES for layer in Head(vgg16(rng, 100), 2, SKIPS[name]).graph.layers.values()
             if isinstance(layer, Crop)]
    assert crops == [19, 5, 27, 5, 9, 31]


def test_maps_that_fit_begin_with_the_image_and_need_no_crop(rng):
    """The first cell of step J covers the first J pixels: its centre is (J - 1)/2."""
    for head in (Head(tiny_body(rng), 2, SKIPS["fcn8s"]), build("fcn8s", classes=2).head):
        for name, step in (("pool3", 8), ("pool4", 16), ("drop7", 32), ("upscore2", 16), ("upscore_pool4", 8)):
            assert head.grids[name] == Grid(step, (step - 1) / 2)
        assert head.grids["upscore8"] == Grid(1, 0)


ALEXNET = [conv(11, 4, 100), MaxPool2d(3, 2), conv(5, pad=2), MaxPool2d(3, 2), conv(3, pad=1), conv(3, pad=1),
           conv(3, pad=1), MaxPool2d(3, 2), conv(6), conv(1)]
# the stem, and one branch of 5x5 in each of the blocks between the poolings: padded to fit, they move nothing
GOOGLENET = [conv(7, 2, 100), MaxPool2d(3, 2), conv(1), conv(3, pad=1), MaxPool2d(3, 2), conv(5, pad=2), conv(5, pad=2),
             MaxPool2d(3, 2), *[conv(5, pad=2)] * 5, MaxPool2d(3, 2), conv(5, pad=2), conv(5, pad=2)]


@pytest.mark.parametrize("layers, origin, crop, field", [(ALEXNET, 13, 18, 355), (GOOGLENET, -67, 98, 715)],
                         ids=["alexnet", "googlenet"])
def test_alexnet_and_googlenet_need_a_kernel_of_63(layers, origin, crop, field):
    """Their scores are centred on whole pixels: an even kernel would have to be cropped by half a pixel."""
    scores = grid_after(layers)
    assert scores == Grid(32, origin)
    assert scores.after(ConvTranspose2d(1, 63, 32)).offset(Grid()) == crop
    with pytest.raises(ValueError, match="no crop can align them"):
        scores.after(ConvTranspose2d(1, 64, 32)).offset(Grid())
    assert receptive_field(layers) == field


def test_the_receptive_field_of_vgg16_grows_as_listed(rng):
    listed = {"conv1_2": 5, "pool1": 6, "conv2_2": 14, "pool2": 16, "conv3_3": 40, "pool3": 44, "conv4_3": 92,
              "pool4": 100, "conv5_3": 196, "pool5": 212, "fc6": 404, "drop7": 404}
    layers = vgg16(rng, 100).layers
    names = list(layers)
    for name, field in listed.items():
        assert receptive_field([layers[n] for n in names[:names.index(name) + 1]]) == field, name


def test_a_dilated_kernel_reaches_further():
    assert receptive_field([conv(3, dilation=4)]) == 9
    assert Grid().after(conv(3, dilation=4, pad=4)) == Grid()
    assert Grid().after(conv(3, dilation=4)) == Grid(1, 4)


def test_layers_that_look_at_one_pixel_move_nothing():
    assert Grid(8, 3.5).after(ReLU()) == Grid(8, 3.5)


# --- grids against counting --------------------------------------------------------------------------------------

@given(k=st.integers(1, 6), stride=st.integers(1, 4), pad=st.integers(0, 3), dilation=st.integers(1, 3),
       step=st.sampled_from([1, 2, 8]), origin=st.sampled_from([0, 0.5, -3.5]), cell=st.integers(0, 5))
def test_a_cell_lies_in_the_middle_of_what_it_sees(k, stride, pad, dilation, step, origin, cell):
    grid = Grid(step, origin).after(conv(k, stride, pad, dilation))
    seen = [origin + step * (stride * cell + dilation * i - pad) for i in range(k)]
    assert grid.origin + grid.step * cell == np.mean(seen)


@given(k=st.integers(1, 6), stride=st.integers(1, 4), pad=st.integers(0, 3), cell=st.integers(0, 5))
def test_a_cell_lies_in_the_middle_of_what_it_is_upsampled_to(k, stride, pad, cell):
    grid = Grid(stride, 0.5).after(ConvTranspose2d(1, k, stride, pad))
    written = [grid.origin + grid.step * (stride * cell + i - pad) for i in range(k)]
    np.testing.assert_allclose(np.mean(written), 0.5 + stride * cell, atol=1e-12)


@pytest.mark.parametrize("other", [Grid(8, 4), Grid(16, 3.5), Grid(4, 3.5)], ids=str)
def test_grids_that_do_not_fall_on_each_other_are_an_error(other):
    with pytest.raises(ValueError, match="do not fall on each other"):
        Grid(8, 3.5).offset(other)


# --- grids against nets ------------------------------------------------------------------------------------------

def turned(axis, x):
    """Rows and columns exchanged for axis 2: what is written for columns then holds for rows."""
    return x.swapaxes(2, 3) if axis == 2 else x


@pytest.mark.parametrize("axis", [2, 3])
def test_what_a_cell_of_mini_sees_is_its_receptive_field_and_not_a_pixel_more(rng, axis):
    """All weights are positive and what is added is large: whatever sees it, changes."""
    body = build("fcn8s", classes=2).body
    for layer in body.layers.values():
        for w in layer.params.values():
            w[...] = abs(w) + 1e-3
    field = receptive_field(body.layers.values())
    assert field == 214
    cell, width = 4, 290
    first = round(15.5 + 32 * cell - (field - 1) / 2)  # of the pixels that the cell sees
    last = first + field - 1
    assert 0 < first and last < width - 1

    def seen(x):
        return turned(axis, body.forward(turned(axis, x))["drop7"])[0, :, 0, cell]

    x = rng.uniform(size=(1, 3, 33, width)).astype(np.float32)
    before = seen(x)
    for column in (first, last):
        touched = x.copy()
        touched[:, :, :, column] += 1000
        assert (seen(touched) > before).all()
    touched = x.copy()
    touched[..., :first] += 1000
    touched[..., last + 1:] += 1000
    np.testing.assert_allclose(seen(touched), before, rtol=1e-5)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("name", NAMES)
def test_an_edge_in_the_image_is_an_edge_in_the_scores_at_the_same_place(rng, name, pad, axis):
    """Every layer hands on its centre pixel, so that all maps step from 0 to 1 at a common border of their cells. Where
    they are interpolated, added and cropped rightly, two scores at equal distances from that border add up to one score
    of an image of ones."""
    net = tiny_net(name, rng, pad=pad)
    for key in net.learned:
        w = net.params[key]
        w[...] = 0
        if w.ndim == 4:
            w[0, 0, w.shape[2] // 2, w.shape[3] // 2] = 1
    edge = 160 - (pad - 1) % 32  # the maps begin P - 1 pixels before the image: the first kernel takes one off
    x = np.ones((2, 3, 181, 321))  # wide and high: a skip cropped wrongly by 80 pixels must still show the edge
    x[0, ..., :edge] = 0
    scores, ones = turned(axis, net.forward(turned(axis, x)))[:, 0, 130]
    left, right = scores[edge - 64:edge][::-1], scores[edge:edge + 64]
    assert right[0] > left[0] and ones[edge] > 0.5
    np.testing.assert_allclose(left + right, ones[edge], rtol=1e-12)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("name", NAMES)
def test_an_image_moved_by_32_pixels_has_scores_moved_by_32_pixels(rng, name, pad, axis):
    net = tiny_net(name, rng, pad=pad)
    margin, step = reach(net)
    assert step == 32
    x = rng.normal(size=(1, 3, 37, 2 * margin + 131))
    moved = np.concatenate([rng.normal(size=(1, 3, 37, 32)), x[..., :-32]], axis=3)
    scores, after = (turned(axis, net.forward(turned(axis, image))) for image in (x, moved))
    inner = slice(margin, x.shape[3] - 32 - margin)
    assert scores[..., inner].std() > 1e-3
    np.testing.assert_allclose(after[..., 32:][..., inner], scores[..., inner], rtol=0, atol=1e-12)


@pytest.mark.parametrize("axis", [2, 3])
@pytest.mark.parametrize("pad", PADS)
@pytest.mark.parametrize("name", NAMES)
def test_what_lies_beyond_reach_does_not_matter_to_a_pixel(rng, name, pad, axis):
    """All weights are positive and what is added is large, so that what matters shows; that much is within reach, and
    reach is no more than two steps too far."""
    net = tiny_net(name, rng, pad=pad)
    for w in net.params.values():
        w[...] = abs(w)
    margin, step = reach(net)
    width = 2 * margin + 97
    x = rng.uniform(size=(1, 3, 5, width))
    before = turned(axis, net.forward(turned(axis, x)))
    farthest = 0
    for column in (*range(width // 2, width // 2 + 32, 5), 0, width - 1):
        touched = x.copy()
        touched[..., column] += 100
        change = turned(axis, net.forward(turned(axis, touched))) - before
        changed = np.flatnonzero(np.abs(change).max(axis=(0, 1, 2)) > 1e-9)
        farthest = max(farthest, abs(changed - column).max())
    assert margin - 2 * step < farthest <= margin

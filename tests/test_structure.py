"""The structure of the papers' nets: every figure that the papers and the authors' models state, from the layers."""
import numpy as np
import pytest
from tiny_runs import done, refused

from minifcn.layers import Conv2d
from minifcn.nets import __main__ as command
from minifcn.nets import build
from minifcn.nets.geometry import Grid
from minifcn.nets.models import MODELS
from minifcn.nets.structure import crops, rows

# learned parameters, and those of the fixed upsampling kernels and scales
PARAMETERS = {
    "voc-fcn32s": (134_346_581, 1_806_336), "voc-fcn16s": (134_357_354, 458_640),
    "voc-fcn8s": (134_362_751, 127_008), "voc-fcn8s-atonce": (134_362_751, 127_008 + 768),
    "voc-fcn-alexnet": (56_954_261, 1_750_329), "voc-fcn-googlenet": (5_995_077, 1_750_329),
    "pascalcontext-fcn32s": (134_506_364, 14_745_600), "pascalcontext-fcn16s": (134_537_144, 3_744_000),
    "pascalcontext-fcn8s": (134_552_564, 1_036_800),
    "nyud-fcn32s-color": (134_424_424, 6_553_600), "nyud-fcn32s-hha": (134_424_424, 6_553_600),
    "nyud-fcn32s-color-d": (134_425_000, 6_553_600), "nyud-fcn32s-color-hha": (268_848_848, 6_553_600),
    "siftflow-fcn32s": (134_408_036, 4_497_408), "siftflow-fcn16s": (134_426_504, 1_141_920),
    "siftflow-fcn8s": (134_435_756, 316_224),
}
CROPS = {"fcn32s": [19], "fcn16s": [5, 27], "fcn8s": [5, 9, 31], "fcn8s-atonce": [5, 9, 31]}
SIDES = {  # of the maps of the VGG nets, for images of side 500, 375 and 256
    "conv1_1": (698, 573, 454), "conv1_2": (698, 573, 454), "pool1": (349, 287, 227), "pool2": (175, 144, 114),
    "pool3": (88, 72, 57), "pool4": (44, 36, 29), "pool5": (22, 18, 15), "fc6": (16, 12, 9), "fc7": (16, 12, 9),
    "score_fr": (16, 12, 9),
}
HEAD_SIDES = {
    "voc-fcn32s": {"upscore": (544, 416, 320)},
    "voc-fcn16s": {"upscore2": (34, 26, 20), "score_pool4": (44, 36, 29), "score_pool4c": (34, 26, 20),
                   "upscore16": (560, 432, 336)},
    "voc-fcn8s": {"upscore_pool4": (70, 54, 42), "score_pool3": (88, 72, 57), "score_pool3c": (70, 54, 42),
                  "upscore8": (568, 440, 344), "score": (500, 375, 256)},
}


def rows_of(name, height=500, width=500):
    return rows(build(seed=None, **MODELS[name]), height, width)


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters(name):
    found = rows_of(name, 33, 47)
    learned, fixed = PARAMETERS[name]
    assert sum(row.learned for row in found) == learned
    assert sum(row.stored for row in found) == learned + fixed
    net = build(seed=None, **MODELS[name])
    assert sum(net.params[key].size for key in net.learned) == learned
    assert sum(w.size for w in net.params.values()) == learned + fixed


def test_parameters_of_the_layers_of_alexnet_and_vgg16():
    stored = {row.name: row.stored for row in rows_of("voc-fcn-alexnet") if row.stored}
    assert stored == {
        "conv1": 34_944, "conv2": 307_456, "conv3": 885_120, "conv4": 663_936, "conv5": 442_624, "fc6": 37_752_832,
        "fc7": 16_781_312, "score_fr": 86_037, "upscore": 1_750_329}
    stored = {row.name: row.stored for row in rows_of("voc-fcn8s") if row.stored}
    assert list(stored.values())[:15] == [
        1_792, 36_928, 73_856, 147_584, 295_168, 590_080, 590_080, 1_180_160, 2_359_808, 2_359_808, 2_359_808,
        2_359_808, 2_359_808, 102_764_544, 16_781_312]
    assert [stored[f"score_{tap}"] for tap in ("fr", "pool4", "pool3")] == [86_037, 10_773, 5_397]


def test_parameters_of_the_blocks_of_googlenet():
    found = rows_of("voc-fcn-googlenet")
    blocks = [sum(row.stored for row in found if row.name.startswith(f"inception_{block}/"))
              for block in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")]
    assert blocks == [163_696, 388_736, 376_176, 449_160, 510_104, 605_376, 868_352, 1_043_456, 1_444_080]
    stem = {row.name: row.stored for row in found[:9] if row.stored}
    assert stem == {"conv1/7x7_s2": 9_472, "conv2/3x3_reduce": 4_160, "conv2/3x3": 110_784}
    assert sum(isinstance(row.layer, Conv2d) for row in found) == 58


@pytest.mark.parametrize("body, parameters", [("vgg16", 138_357_544), ("alexnet", 60_965_224),
                                              ("googlenet", 6_998_552)])
def test_parameters_of_the_classifiers(body, parameters):
    net = build("classifier", body, 1000, None)
    assert sum(row.stored for row in rows(net, net.side, net.side)) == parameters


@pytest.mark.parametrize("name, layers, field, step", [
    ("voc-fcn-alexnet", 8, 355, 32), ("voc-fcn32s", 16, 404, 32), ("voc-fcn-googlenet", 22, 715, 32)])
def test_layers_field_and_step(name, layers, field, step):
    """The papers' table 1; 907 is printed there for GoogLeNet."""
    found = rows_of(name)
    score = next(row for row in found if row.name == "score_fr")
    assert (score.depth, score.field, score.grid.step) == (layers, field, step)


def test_the_field_that_the_papers_print_for_googlenet_is_that_of_the_classifier():
    assert rows(build("classifier", "googlenet", 1000, None), 224, 224)[-1].field == 907


def test_the_field_grows_as_listed():
    vgg = {"conv1_2": 5, "pool1": 6, "conv2_2": 14, "pool2": 16, "conv3_3": 40, "pool3": 44, "conv4_3": 92,
           "pool4": 100, "conv5_3": 196, "pool5": 212, "fc6": 404}
    alexnet = {"conv1": 11, "pool1": 19, "conv2": 51, "pool2": 67, "conv3": 99, "conv4": 131, "conv5": 163,
               "pool5": 195, "fc6": 355}
    for name, listed in (("voc-fcn32s", vgg), ("voc-fcn-alexnet", alexnet)):
        found = {row.name: row.field for row in rows_of(name)}
        assert {layer: found[layer] for layer in listed} == listed


def test_crops():
    for name, model in MODELS.items():
        if model["body"] == "vgg16" and model["name"] in CROPS:
            heads = len(model["classes"]) if isinstance(model["classes"], tuple) else 1
            assert crops(rows_of(name)) == CROPS[model["name"]] * heads, name
    assert crops(rows_of("voc-fcn-alexnet")) == [18] and crops(rows_of("voc-fcn-googlenet")) == [98]


def test_grids():
    """Step and origin of every map, with the padding of 100."""
    found = {row.name: row.grid for row in rows_of("voc-fcn8s")}
    assert [found[name] for name in ("pool3", "pool4", "pool5", "fc6", "score_fr", "upscore2", "fuse_pool4",
                                     "upscore_pool4", "fuse_pool3", "upscore8", "score")] == [
        Grid(8, -95.5), Grid(16, -91.5), Grid(32, -83.5), Grid(32, 12.5), Grid(32, 12.5), Grid(16, -11.5),
        Grid(16, -11.5), Grid(8, -23.5), Grid(8, -23.5), Grid(1, -31), Grid(1, 0)]
    assert next(row.grid for row in rows_of("voc-fcn-alexnet") if row.name == "score_fr") == Grid(32, 13)
    assert next(row.grid for row in rows_of("voc-fcn-googlenet") if row.name == "score_fr") == Grid(32, 33 - 100)


def test_kernels_of_the_last_upsampling():
    """Even where scores lie between pixels, odd where they lie on them."""
    for name, kernel in {"voc-fcn32s": 64, "voc-fcn16s": 32, "voc-fcn8s": 16, "voc-fcn-alexnet": 63,
                         "voc-fcn-googlenet": 63}.items():
        assert rows_of(name)[-2].layer.kernel == kernel


@pytest.mark.parametrize("number, side", [(0, 500), (1, 375), (2, 256)])
def test_sizes_of_maps(number, side):
    for name, sides in HEAD_SIDES.items():
        found = {row.name: row.shape for row in rows_of(name, side, 500)}
        for layer, listed in (SIDES | sides).items():
            assert found[layer][2:] == (listed[number], listed[0]), layer


@pytest.mark.parametrize("name, layers, sides", [
    ("voc-fcn-alexnet", ("conv1", "pool1", "pool2", "pool5", "fc6", "score_fr", "upscore"),
     {500: (173, 86, 43, 21, 16, 16, 543), 375: (142, 71, 35, 17, 12, 12, 415)}),
    ("voc-fcn-googlenet", ("conv1/7x7_s2", "pool1/3x3_s2", "pool2/3x3_s2", "pool3/3x3_s2", "pool4/3x3_s2", "upscore"),
     {500: (347, 173, 86, 43, 21, 703), 375: (285, 142, 71, 35, 17, 575)}),
])
def test_sizes_of_maps_of_the_other_nets(name, layers, sides):
    for side, listed in sides.items():
        found = {row.name: row.shape for row in rows_of(name, side, 500)}
        assert tuple(found[layer][2] for layer in layers) == listed


def test_multiply_adds():
    """In 10^9, as listed to two digits."""
    for name, sides in {"voc-fcn32s": {500: 180.90, 375: 146.30}, "voc-fcn-alexnet": {500: 20.98, 375: 16.21},
                        "voc-fcn-googlenet": {500: 14.94}}.items():
        for side, listed in sides.items():
            assert round(sum(row.products for row in rows_of(name, side)) / 1e9, 2) == listed
    parts = {name: round(sum(row.products for row in rows_of("voc-fcn32s") if row.name.startswith(name)) / 1e9, 2)
             for name in ("conv", "fc6", "fc7", "score")}
    assert parts == {"conv": 150.28, "fc6": 26.31, "fc7": 4.29, "score": 0.02}


@pytest.mark.parametrize("name", ["fcn32s", "fcn16s", "fcn8s", "fcn8s-atonce", "fcn-pool3"])
def test_shapes_foretold_are_those_that_come(rng, name):
    net = build(name, "mini", (3, 2), preprocess=MODELS["nyud-fcn32s-color-hha"]["preprocess"], modality="color-hha")
    x = rng.normal(size=(2, 6, 37, 45)).astype(np.float32)
    maps = {}
    for graph in (net.body, *(head.graph for head in net.heads)):
        graph.taps = tuple(graph.layers)
        maps |= graph.forward({"data": x, **maps}) if graph is not net.body else graph.forward(x)
    assert {row.name: row.shape for row in rows(net, 37, 45, 2)} == {key: y.shape for key, y in maps.items()}


def test_the_command_prints_every_net_and_one_of_them_layer_by_layer():
    text = done(command)
    for name, (learned, fixed) in PARAMETERS.items():
        line = next(line for line in text.splitlines() if line.split()[:1] == [name])
        assert f"{learned:,}" in line and f"{learned + fixed:,}" in line
    text = done(command, "voc-fcn8s", "--size", "375x500")
    assert "score_pool4c crop 5 21 x 26 x 34 16 -11.5" in " ".join(text.split())
    assert "146.35 * 10^9 multiply-adds" in text
    assert "conv k5 s1 p2 g2" in done(command, "voc-fcn-alexnet")


@pytest.mark.parametrize("size", ["375", "375x", "0x5", "ax5", "-3x5"])
def test_a_size_that_is_none_is_refused(size):
    assert size in refused(command, f"--size={size}")


def test_a_size_that_is_absurd_is_refused_in_a_short_line():
    for side in ("1" * 7, "1" * 5000):
        assert len(refused(command, "--size", f"5x{side}")) < 200

"""The four inputs of NYUDv2 [CVPR 5, PAMI 5]: colour, HHA, colour with depth, colour and HHA.

    color-d     early fusion: one body, its first layer takes four channels
    color-hha   late fusion: two whole bodies, and the mean of their scores (PAMI and the released model; CVPR: the sum)
"""
from minifcn.nets.body import Body
from minifcn.nets.joints import Channels
from minifcn.preprocess import NYUD_MEAN, Preprocessing

MODALITIES = ("color", "hha", "color-d", "color-hha")


def with_modality(make, rng_for, modality, preprocess=None):
    """The body for an input; make(rng_for, preprocess=...) gives one of colour, or of whatever `preprocess` says.

    The names are those of the released models: "conv1_1_bgrd" takes four channels, "conv1_1color" and "conv1_1hha"
    belong to the two streams. `preprocess` None: NYUDv2's means, but for colour alone the body's own. Raises
    ValueError for another modality, and for a preprocess of other channels.
    """
    if modality not in MODALITIES:
        raise ValueError(f"modality {modality!r} is none of {', '.join(MODALITIES)}")
    if modality == "color" and preprocess is None:
        return make(rng_for)
    wanted = NYUD_MEAN[modality]
    preprocess = wanted if preprocess is None else preprocess
    if not isinstance(preprocess, Preprocessing):
        raise ValueError(f"{preprocess!r:.60} is no Preprocessing")
    if preprocess.channels != wanted.channels:
        raise ValueError(f"modality {modality} has {wanted.channels} channels, not those of {preprocess.order}")
    if modality in ("color", "hha"):
        return make(rng_for, preprocess=preprocess)
    if modality == "color-d":
        body = make(rng_for, preprocess=preprocess)
        first = next(iter(body.layers))
        return _joined(body, {"": body}, lambda name, _: f"{first}_bgrd" if name == first else name, preprocess)
    streams = {stream: make(lambda name, stream=stream: rng_for(name + stream), preprocess=NYUD_MEAN[stream])
               for stream in ("color", "hha")}
    return _joined(streams["color"], streams, lambda name, stream: name + stream, preprocess)


def _joined(like, streams, name_of, preprocess):
    """A body of renamed bodies side by side, each fed three channels of the image, or all where there is one."""
    layers, inputs = {}, {}
    for number, (stream, body) in enumerate(streams.items()):
        if stream:
            layers[f"data{stream}"] = Channels(3 * number, 3 * number + 3)
            inputs[f"data{stream}"] = ("data",)
        for name, layer, sources in body.walk():
            layers[name_of(name, stream)] = layer
            inputs[name_of(name, stream)] = tuple(name_of(source, stream) for source in sources)
    return Body(like.name, layers, like.channels, like.fits, preprocess, like.side, like.last, inputs, tuple(streams))

"""Judges of lesson 01: a fully connected layer slid over a map, folded to kernels; a classifier turned."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, run, value
from minifcn.nets import build
from minifcn.nets.surgery import convolutional
from minifcn.ops import conv2d


@exercise
def slide(answer):
    rng = np.random.default_rng(0)
    c, f, k = 3, 4, 2
    x, w = rng.normal(size=(c, 4, 6)), rng.normal(size=(f, c * k * k))
    mine = run(answer, x, w, k)
    if np.shape(mine) == (f,):
        raise Wrong("the answers for one patch were returned: they go into y[:, u, v], and y is returned in the end")

    def with_order(*axes):
        patches = [x[:, u:u + k, v:v + k].transpose(axes).ravel() for u in range(3) for v in range(5)]
        return (w @ np.stack(patches, axis=1)).reshape(f, 3, 5)

    truth, _ = conv2d(x[None], w.reshape(f, c, k, k))
    other = "the patch is flattened in another order than the layer had its inputs: C, H, W, the last running fastest"
    equal(mine, truth[0], "y", suspects={
        other: with_order(1, 2, 0), other + " ": with_order(0, 2, 1), other + "  ": with_order(2, 1, 0),
        "every place has the answer for the first patch: the patch is x[:, u:u + k, v:v + k]":
            np.broadcast_to(truth[0, :, :1, :1], truth[0].shape),
        "all F answers are the same number, a sum over all rows of w: each row gives one answer, so no sum over rows":
            np.broadcast_to(truth[0].sum(axis=0), truth[0].shape),
    })
    return "equal to conv2d with the same numbers as kernels, on a 4 x 6 map of 3 channels"


@exercise
def as_kernel(answer):
    rng = np.random.default_rng(0)
    f, c, k = 4, 2, 3
    w = rng.normal(size=(f, c * k * k))
    mine = run(answer, w, k)
    equal(mine, w.reshape(f, c, k, k), "the array of kernels", suspects={
        "folded as (F,k,k,C), with the axes put in order afterwards: that is the way back from another flattening":
            w.reshape(f, k, k, c).transpose(0, 3, 1, 2),
        "the axes are F,k,k,C, and should be F,C,k,k": w.reshape(f, k, k, c),
        "numbered with the first axis running fastest (order='F'); the inputs were not":
            w.reshape(f, c, k, k, order="F"),
        "folded as if filters were columns: row f of w is filter f": w.T.reshape(f, c, k, k),
    })
    return "every weight is where its input is: checked for 2 channels and a 3 x 3 kernel"


@exercise
def turned(answer):
    net = build("classifier", classes=5, seed=3)
    given, truth = dict(net.params), convolutional(net)
    mine = run(answer, given)
    if not isinstance(mine, dict):
        raise Wrong(f"a dictionary of arrays by name is asked for, not {type(mine).__name__}")
    if kept := [name for name in ("fc8.w", "fc8.b") if name in mine]:
        new = kept[0].replace("fc8", "score_fr")
        raise Wrong(f"{kept[0]} is still called so; the FCN calls it {new}, and would not find it")
    if missing := [name for name in truth if name not in mine]:
        more = f" and {len(missing) - 3} more" if missing[3:] else ""
        raise Wrong(f"{', '.join(missing[:3])}{more} missing: what is not folded goes into the result too")
    if strange := [name for name in mine if name not in truth]:
        raise Wrong(f"{strange[0]} is no parameter of the FCN")
    for name in truth:
        f, c, k, _ = truth[name].shape if truth[name].ndim == 4 else (1, 1, 1, 1)
        w = np.asarray(truth[name])
        suspects = {}
        if name.endswith(".b") and np.shape(mine[name]) != w.shape:
            raise Wrong(f"{name} has shape {np.shape(mine[name])}, and should keep {w.shape}: biases are not folded")
        if name == "fc6.w":
            flat = w.reshape(f, -1)
            suspects = {
                "each cell of the 3 x 3 has become channels of its own: fc6 looks at 3 x 3 cells of 128 channels":
                    flat[:, :, None, None],
                "folded as (F,3,3,C), with the axes put in order afterwards: that is the way back from another "
                "flattening": flat.reshape(f, k, k, c).transpose(0, 3, 1, 2),
            }
        equal(mine[name], w, name, suspects=suspects)
    return f"all {len(truth)} arrays are those of minifcn.nets.surgery.convolutional"


@exercise
def times(answer):
    mine = float(value(answer))
    crops, scene = 20 * 96 * 96, 128 * 160
    if np.isclose(mine, 20):
        raise Wrong("20 it would be if each crop were as large as the scene; it is smaller")
    if np.isclose(mine, scene / crops, rtol=0.02):
        raise Wrong("upside down: that is the one run in terms of the crops")
    if np.isclose(mine, 96 * 96 / scene, rtol=0.03):
        raise Wrong("that is a single crop; there are twenty")
    if not np.isclose(mine, crops / scene, rtol=0.02):
        raise Wrong(f"not {mine:g}: pixels in all twenty crops, {crops:,}, against pixels in the scene, {scene:,}")
    return "20 x 96 x 96 pixels against 128 x 160; every pixel of the scene's middle lies in nine crops"


@exercise
def runs(answer):
    mine = float(value(answer))
    if mine == 32 // 8:
        raise Wrong("4 shifts along one axis; the image is shifted along both")
    if mine == 8 * 8:
        raise Wrong("64 is the square of the step: the finer the step, the more runs, not the fewer")
    if mine == 32 * 32:
        raise Wrong("1024 runs give step 1, a name for every pixel")
    if mine == 8:
        raise Wrong("with step 16 it was 2 x 2; each halving of the step doubles the shifts along both axes")
    if mine != (32 // 8) ** 2:
        raise Wrong(f"not {mine:g}: how many times does the step 8 go into 32, along each axis?")
    return "4 shifts down, and 4 across for each"

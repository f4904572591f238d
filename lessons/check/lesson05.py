"""Judges of lesson 05: transposed convolution from its docstring, the weights that interpolate, sizes and overlaps."""
import traceback

import numpy as np

from lessons.check.judge import Wrong, equal, exercise, gradient, run, value
from minifcn.ops import bilinear_kernel, col2im, conv_transpose2d
from minifcn.ops.upsample import conv_transpose_size


@exercise
def middle(answer):
    """The number in the middle of [[1, 10], [100, 1000]] stamped with [[1, 2], [3, 4]], stride 1."""
    x, w = np.array(((1.0, 10), (100, 1000))), np.array(((1.0, 2), (3, 4)))
    truth = conv_transpose2d(x[None, None], w[None, None])[0][0, 0, 1, 1]
    mine = value(answer)
    if np.shape(mine):
        raise Wrong("one number is asked for, the one in the middle of the 3 x 3 result")
    if mine == truth:
        return "all four stamps meet there, and add"
    if mine == conv_transpose2d(x[None, None], w[None, None, ::-1, ::-1])[0][0, 0, 1, 1]:
        raise Wrong("the kernel is turned: the stamp of the 1 lies at the upper left, so the middle gets its lower "
                    "right corner, the 4")
    if mine in x * w[::-1, ::-1]:
        raise Wrong("that is the stamp of one cell alone; stamps that overlap add, and all four reach the middle")
    raise Wrong("write down the four stamps (each cell times the kernel) as 3 x 3 tables, and add the numbers in the "
                "middle of each")


@exercise
def side(answer):
    """S*(size - 1) + K - 2P."""
    cases = [(2, 2, 1, 0), (2, 2, 2, 0), (4, 64, 32, 16), (5, 4, 2, 1), (7, 3, 2, 1), (3, 5, 3, 0), (6, 3, 1, 1)]
    size, k, stride, pad = (np.array(column) for column in zip(*cases, strict=True))
    mine = [run(answer, *case) for case in cases]
    equal(mine, [conv_transpose_size(*case) for case in cases], "the sides for seven shapes", suspects={
        "that is S*H + K - 2P: the first stamp starts at 0, so the last of H stamps starts at S*(H - 1)":
            stride * size + k - 2 * pad,
        "that is how a convolution makes maps smaller: count where the last stamp starts, and how long it is":
            (size + 2 * pad - k) // stride + 1,
        "P is taken away on both sides, so twice": stride * (size - 1) + k - pad,
        "the padding is cut off here, not put on": stride * (size - 1) + k + 2 * pad,
        "the padding is not taken away yet": stride * (size - 1) + k,
        "that is S*H: what one often wants, but the last stamp hangs over": stride * size})
    return "the side of the map for seven shapes"


def _overwritten(x, w, b, stride, pad):
    (n, _, height, width), (_, f, k, _) = x.shape, w.shape
    ypad = np.zeros((n, f, stride * (height - 1) + k, stride * (width - 1) + k))
    for h, v in np.ndindex(height, width):
        ypad[:, :, stride * h:stride * h + k, stride * v:stride * v + k] = np.tensordot(x[:, :, h, v], w, 1)
    return _cropped(ypad, pad) + b[:, None, None]


def _cropped(ypad, pad):
    return ypad[:, :, pad:ypad.shape[2] - pad, pad:ypad.shape[3] - pad]


@exercise
def transposed(answer):
    """Forward, with its cache."""
    rng = np.random.default_rng(5)
    for stride, pad in ((2, 1), (3, 0)):
        x, w, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(3, 2, 4, 4)), rng.normal(size=2)
        try:
            result = run(answer, x, w, b, stride, pad)
        except ValueError as error:
            if words := _forward_words(error, stride, pad):
                raise Wrong(words) from error
            raise
        if not isinstance(result, tuple) or len(result) != 2:
            raise Wrong("two things are to be returned: y, and the cache (x, w, stride, pad)")
        y, cache = result
        if np.ndim(y) == 4 and not np.size(y):
            raise Wrong(f"y (stride {stride}, padding {pad}) is empty: where P is 0, [pad:-pad] is [0:0]")

        def truth(w=w, b=b, stride=stride, pad=pad, x=x):
            return conv_transpose2d(x, w, b, stride=stride, pad=pad)[0]

        def folded(matrix, x=x, b=b, stride=stride, pad=pad):
            return col2im(matrix @ x.reshape(2, 3, -1), truth().shape, 4, stride, pad) + b[:, None, None]

        whole = truth(pad=0)
        equal(y, truth(), f"y (stride {stride}, padding {pad})", suspects={
            "the overlap is lost: stamps must be added, += and not =": _overwritten(x, w, b, stride, pad),
            "the kernel is turned; the stamp of a cell is the kernel as it is": truth(w=w[..., ::-1, ::-1]),
            "w was reshaped to (F*K*K, C) without a transpose: reshape to (C, F*K*K), then take .T":
                folded(w.reshape(-1, 3)),
            "the first two axes of w were exchanged before the reshape: reshape to (C, F*K*K), then take .T":
                folded(w.swapaxes(0, 1).reshape(-1, 3)),
            "the bias is missing": truth(b=None),
            "the bias was added to the stamps: it comes once to every pixel, after col2im":
                truth(b=None) + b[:, None, None] * conv_transpose2d(
                    np.ones_like(x[:, :1]), np.ones((1, 1, 4, 4)), stride=stride, pad=pad)[0],
            "the padding is still there: P rows and columns are to be cut off on every side": whole,
            "the bias was added as if it were one number a column": truth(b=None) + b[0],
            "2P are cut off on one side alone: the map is shifted by P": whole[..., 2 * pad:, 2 * pad:],
            "2P are cut off at the end alone: the map is shifted by P":
                whole[..., :whole.shape[2] - 2 * pad, :whole.shape[3] - 2 * pad],
            "the stamps lie one pixel apart: the stride is not used": truth(stride=1)})
        if not isinstance(cache, tuple) or len(cache) != 4 or any(
                np.shape(mine) != np.shape(given) or np.any(mine != given)
                for mine, given in zip(cache, (x, w, stride, pad), strict=True)):
            raise Wrong("y is right; the cache should be (x, w, stride, pad), in this order")
    return "equal to minifcn.ops.conv_transpose2d on random maps of 4 x 5, at strides 2 and 3"


def _forward_words(error, stride, pad):
    """What NumPy's own error means in a transposed convolution of 4 x 5 pixels, K = 4."""
    frames = [frame.f_locals for frame, _ in traceback.walk_tb(error.__traceback__) if frame.f_code.co_name == "col2im"]
    if frames and tuple(frames[0]["x_shape"]) == (2, 2, *(stride * (side - 1) + 4 - 2 * pad for side in (4, 5))):
        return (f"col2im cannot place these columns ({error}). The shape is right: are k, stride and pad given to it, "
                f"in this order, and is there one column of F*K*K numbers for each cell of x?")
    if frames:
        return (f"col2im cannot place these columns ({error}). The shape it is given must be that of y, (N, F, U, V), "
                f"with the padding already taken off")
    if "broadcast" in str(error):
        return (f"{error}. If this is the bias: it has one number for each channel, but NumPy compares the last axes "
                f"first, so shape it as (F, 1, 1)")
    if "matmul" in str(error):
        return (f"the two matrices do not fit. For each image the product should be (F*K*K, C) @ (C, H*W): w reshaped "
                f"and transposed, times x reshaped. ({error})")
    return None


@exercise
def transposed_backward(answer):
    """dx, dw, db by central differences."""
    rng = np.random.default_rng(6)
    x, w, b, stride, pad = rng.normal(size=(2, 3, 3, 4)), rng.normal(size=(3, 2, 4, 4)), rng.normal(size=2), 2, 1
    y, _ = conv_transpose2d(x, w, b, stride=stride, pad=pad)
    dy = rng.normal(size=y.shape)
    try:
        result = run(answer, dy, (x, w, stride, pad))
    except ValueError as error:
        if f"into shape {x.shape}".replace(", ", ",") in str(error).replace(", ", ","):
            raise Wrong(f"dx: {error}. Forward made one column for each cell of x, so im2col needs the stride and the "
                        f"padding of the forward pass") from error
        if f"into shape {w.shape}".replace(", ", ",") in str(error).replace(", ", ","):
            raise Wrong(f"dw: {error}. The product gives one gradient for each image: sum over them first") from error
        if "matmul" in str(error):
            raise Wrong(f"the two matrices do not fit. For each image w, reshaped to (C, F*K*K), times the columns of "
                        f"dy, (F*K*K, H*W) if taken at the stride and padding of the forward pass, gives dx; x, "
                        f"(C, H*W), times the columns transposed gives dw. ({error})") from error
        raise
    if not isinstance(result, tuple) or len(result) != 3:
        raise Wrong("three gradients are to be returned: dx, dw, db")
    dx, dw, db = result

    def forward(x, w, b):
        return conv_transpose2d(x, w, b, stride=stride, pad=pad)[0]

    cols = np.stack([conv_columns(some, 4, stride, pad) for some in dy])
    each = np.stack([(x[n].reshape(3, -1) @ cols[n].T).reshape(w.shape) for n in range(2)])
    gradient(lambda x: forward(x, w, b), x, dy, dx, "dx", suspects={
        "the kernel is turned: dx is the plain convolution of dy with w, without a half turn":
            (w[..., ::-1, ::-1].reshape(3, -1) @ cols).reshape(x.shape),
        "the columns were not taken at the stride and padding of the forward pass, but from the upper left corner":
            (w.reshape(3, -1) @ np.stack([conv_columns(some, 4, stride, 0, x.shape[2:]) for some in dy])
             ).reshape(x.shape),
        "w was reshaped to (F*K*K, C): reshape to (C, F*K*K)": (w.reshape(-1, 3).T @ cols).reshape(x.shape)})
    gradient(lambda w: forward(x, w, b), w, dy, dw, "dw", suspects={
        "that is the first image's alone: one kernel served all images, their gradients add": each[0],
        "that is the last image's alone: one kernel served all images, their gradients add": each[-1],
        "that is the gradient of each image: one kernel served all images, their gradients add": each,
        "the gradient of the transposed matrix, (F*K*K, C), was reshaped: transpose it first, to (C, F*K*K)":
            each.sum(axis=0).reshape(3, -1).T.reshape(w.shape),
        "that is the mean over the images; their gradients add": each.mean(axis=0)})
    gradient(lambda b: forward(x, w, b), b, dy, db, "db", suspects={
        "b was added at every pixel of every image: dy is summed over all of them, not averaged": dy.mean((0, 2, 3)),
        "that is the first image's alone: b was added in every image": dy[0].sum((1, 2)),
        "that is each image's: b was added in every image": dy.sum((2, 3))})
    return "dx, dw and db agree with central differences"


def conv_columns(dy, k, stride, pad, places=None):
    """(F,U,V) -> (F*K*K, H*W), the patches of dy one by one."""
    padded = np.pad(dy, ((0, 0), (pad, pad), (pad, pad)))
    high, wide = places or ((side - k) // stride + 1 for side in padded.shape[1:])
    padded = np.pad(padded, ((0, 0), (0, k), (0, k)))
    return np.stack([padded[:, stride * h:stride * h + k, stride * v:stride * v + k].ravel()
                     for h, v in np.ndindex(high, wide)], axis=1)


@exercise
def line(answer):
    """1 - |i - (S - 1/2)| / S for i = 0..2S-1."""
    for stride in (4, 2, 32):
        truth = bilinear_kernel(1, 2 * stride, np.float64)[0, 0].sum(axis=0) / stride
        mine = run(answer, stride)
        i = np.arange(2 * stride)
        if np.shape(mine) == (2 * stride - 1,):
            raise Wrong(f"{2 * stride - 1} weights: those of a cell whose centre lies on a pixel. With S = {stride} "
                        f"the centre lies between two pixels, and {2 * stride} pixels are nearer than S to it")
        if np.shape(mine) == (stride,):
            raise Wrong(f"{stride} weights, for one side: the cell reaches S pixels on either side")
        if np.ndim(mine) == 2:
            raise Wrong("that is a kernel for the plane; only its line is asked for, 2S weights")
        equal(mine, truth, f"the line for S = {stride}", suspects={
            "half a pixel too far to the right: the first of the 2S pixels lies S - 1/2 before the centre":
                1 - abs(i - stride) / stride,
            "half a pixel too far to the left: the first of the 2S pixels lies S - 1/2 before the centre":
                1 - abs(i - (stride - 1)) / stride,
            "it fades over 2S pixels; the weight is to reach 0 at the next cell's centre, S pixels away":
                1 - abs(i - (stride - 0.5)) / (2 * stride),
            "it reaches 0 and 1. But no pixel lies on a cell's centre: the distances are 1/2, 3/2, ...":
                np.concatenate((np.linspace(0, 1, stride), np.linspace(1, 0, stride))),
            "its ends are 0. The outermost pixel is S - 1/2 from the centre, not yet S":
                1 - abs(np.linspace(-1, 1, 2 * stride)),
            "the distances are in pixels: divide them by S": 1 - abs(i - (stride - 0.5)),
            "a distance is never negative: take its absolute value": 1 - (i - (stride - 0.5)) / stride,
            "the distances are right, but a near cell must weigh more than a far one": abs(i - (stride - 0.5)) / stride,
            "it sums to 1. What must sum to 1 are the weights with which the two nearest cells reach one pixel; the "
            "whole line then sums to S": truth / stride})
    return "the line of weights for S = 2, 4 and 32"


@exercise
def overlaps(answer):
    """The fewest and the most stamps that reach a pixel inside, K = 5, S = 3."""
    k, stride = 5, 3
    count = conv_transpose2d(np.ones((1, 1, 9, 9)), np.ones((1, 1, k, k)), stride=stride)[0][0, 0, k:-k, k:-k]
    truth = int(count.min()), int(count.max())
    mine = value(answer)
    if np.shape(mine) != (2,):
        raise Wrong("two numbers are asked for: (fewest, most)")
    if tuple(mine) == truth:
        return "(fewest, most) as counted inside the map"
    if tuple(mine) == truth[::-1]:
        raise Wrong("the other way round: the fewest first")
    if tuple(mine) == (int(truth[0]**0.5), int(truth[1]**0.5)):
        raise Wrong("so many along one axis; a pixel is reached along both, and the two numbers multiply")
    if mine[0] == mine[1]:
        raise Wrong("5 is no multiple of 3, so not all pixels are reached by equally many stamps")
    raise Wrong("one axis first: stamps of 5 pixels start at 0, 3, 6, ...; how many of them cover pixel 5, how many "
                "pixel 6 and 7? Then multiply for both axes")


@exercise
def paper_side(answer):
    """The side of the FCN-32s upscore output for 16 cells, K = 64, S = 32, P = 0."""
    truth = conv_transpose_size(16, 64, 32)
    mine = value(answer)
    if np.shape(mine):
        raise Wrong("one number is asked for: the side of a square map")
    if mine == truth:
        return "S*(16 - 1) + 64, as conv_transpose2d makes it"
    if mine == 16 * 32:
        raise Wrong("16 x 32 is what P = S/2 would give; here nothing is cut off, and the last stamp hangs over")
    if mine == 500:
        raise Wrong("500 is the image's side, after cropping; the map is larger before")
    if mine == 32 * 16 + 64:
        raise Wrong("the first stamp starts at 0, so the last of the 16 starts at 32 * 15")
    raise Wrong("where does the last of the 16 stamps start, and how long is it?")

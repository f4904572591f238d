"""Judges of lesson 02. What stands where in the column matrix is asked of the library's im2col."""
import numpy as np

from lessons.check.judge import Wrong, equal, exercise, run, value
from minifcn import ops
from minifcn.ops.im2col import conv_size, im2col, taps

SIZES = [(3, 2, 4, 5), (2, 3, 3, 6), (4, 1, 5, 2), (1, 4, 2, 7)]  # C, K, U, V


def _named(C, K, U, V):
    """An image (1,C,U+K-1,V+K-1) in which every pixel has its own number, and its columns."""
    x = np.arange(C * (U + K - 1) * (V + K - 1)).reshape(1, C, U + K - 1, V + K - 1)
    return x, im2col(x, K, 1, 0)[0]


def _numbers(mine, count, what):
    """`mine` as a tuple of `count` whole numbers, or a number itself where count is 1."""
    parts = mine if isinstance(mine, tuple | list) else (mine,)
    if len(parts) != count or not all(np.ndim(part) == 0 and np.isreal(part) for part in parts):
        raise Wrong(f"{what} asked for: {'one number' if count == 1 else f'{count} numbers, with commas between them'}")
    if any(part != int(part) for part in parts):
        raise Wrong(f"{mine} is not whole: // divides without remainder, / does not")
    return int(parts[0]) if count == 1 else tuple(int(part) for part in parts)


def _judge(cases):
    """Raise Wrong unless mine == truth in all cases [(mine, truth, {words: what a mistake gives}, other words)].

    A mistake's words are said where it gives every one of the answers.
    """
    mines = [mine for mine, *_ in cases]
    if all(mine == truth for mine, truth, *_ in cases):
        return
    for words in cases[0][2]:
        if mines == [suspects[words] for _, _, suspects, _ in cases]:
            raise Wrong(words)
    raise Wrong(next(otherwise for mine, truth, _, otherwise in cases if mine != truth))


def _first(mine, suspects, otherwise):
    """Raise Wrong with the words of the first suspect that `mine` equals, else with `otherwise`."""
    raise Wrong(next((words for words, wrong in suspects.items() if mine == wrong), otherwise))


@exercise
def dilated(answer):
    mine = _numbers(value(answer), 2, "the number of places and the pixels left over are")
    starts = [start for start in range(20) if start % 2 == 0 and start + 2 * 4 < 20]
    truth = conv_size(20, 3, stride=2, dilation=4), 20 - (starts[-1] + 2 * 4 + 1)
    suspects = {
        "that is without the dilation: the taps lie on pixels 0, 4 and 8, not 0, 1 and 2": (9, 1),
        "the kernel reaches over 9 pixels, not 3 times 4: behind its last tap there is nothing": (5, 0),
        "that many starts fit with stride 1; the stride is 2": (12, 0),
        "the two numbers are the right ones, the other way round": truth[::-1],
        "6 places is right; do not count the odd pixels between the taps, only what lies behind the last tap of all":
            (truth[0], sum(pixel % 2 for pixel in range(20))),
        "6 places is right; the odd pixels between the taps do not count, and the last one is asked for":
            (truth[0], sum(pixel % 2 for pixel in range(19))),
    }
    if mine != truth:
        if mine[0] == truth[0]:
            otherwise = (f"{mine[0]} places is right; the last one starts at pixel {starts[-1]} and ends at "
                         f"{starts[-1] + 8}, so {mine[1]} pixels left over cannot be")
        elif mine[0] == truth[0] - 1:
            otherwise = f"one place is missing: the starts are {starts[0]}, {starts[1]}, ... and both ends are counted"
        else:
            otherwise = f"{mine[0]} places is not what counting gives: write down the starts, and where each one ends"
        _first(mine, suspects, otherwise)
    return f"{truth[0]} places, starting at {', '.join(map(str, starts))}; the last ends at pixel 18, and 19 is unseen"


@exercise
def columns_shape(answer):
    cases = []
    for C, K, U, V in SIZES:
        mine = _numbers(run(answer, C, K, U, V), 2, "rows and columns are")
        truth = _named(C, K, U, V)[1].shape
        cases.append((mine, truth, {
            "rows and columns are swapped: a column is a patch, so there are C*K*K rows": truth[::-1],
            "a patch goes through all channels: C is missing": (K * K, U * V),
            "a patch has K lines of K taps: one K is missing": (C * K, U * V),
            "the columns belong to places, U*V of them, and so not to channels": (K * K, C * U * V),
        }, f"for C, K, U, V = {C}, {K}, {U}, {V} you say {mine}, and im2col makes {truth}"))
    _judge(cases)
    return "as im2col's own, for four different sizes"


@exercise
def column_of_place(answer):
    cases = []
    for C, K, U, V in SIZES:
        x, cols = _named(C, K, U, V)
        for u, v in np.ndindex(U, V):
            mine = _numbers(run(answer, u, v, U, V), 1, "the number of a column is")
            truth = int(np.flatnonzero(cols[0] == x[0, 0, u, v])[0])
            cases.append((mine, truth, {
                "that counts down the columns of places, not along their rows": v * U + u,
                "before place (u, v) come u whole rows; a row has V places, not U": u * U + v,
                "columns are counted from 0: that is one too many": truth + 1,
            }, f"U, V = {U}, {V}: for place ({u}, {v}) you say {mine}, and im2col puts it into column {truth}"))
    _judge(cases)
    return "every place of four images, found where im2col puts it"


@exercise
def row_of_tap(answer):
    cases = []
    for C, K, U, V in SIZES:
        x, cols = _named(C, K, U, V)
        for c, i, j in np.ndindex(C, K, K):
            mine = _numbers(run(answer, c, i, j, K), 1, "the number of a row is")
            truth = int(np.flatnonzero(cols[:, 0] == x[0, c, i, j])[0])
            cases.append((mine, truth, {
                "i and j are swapped: j runs fastest, it is the word in the line": (c * K + j) * K + i,
                "a whole channel has K*K taps, so c counts K*K rows, not K": c * K + i * K + j,
                "c must be multiplied, too: a whole channel of taps comes before the next one": c + i * K + j,
                "that is the number of the tap within its channel: the channels before it are missing": i * K + j,
            }, f"K = {K}: for c, i, j = {c}, {i}, {j} you say {mine}, and im2col puts it into row {truth}"))
    _judge(cases)
    return "every tap of every channel, found where im2col puts it"


@exercise
def place_of_column(answer):
    cases = []
    for C, K, U, V in SIZES:
        x, cols = _named(C, K, U, V)
        for number in range(U * V):
            mine = _numbers(run(answer, number, U, V), 2, "u and v are")
            truth = tuple(int(k) for k in np.argwhere(x[0, 0] == cols[0, number])[0])
            cases.append((mine, truth, {
                "u and v are swapped: the whole part of the division is u": truth[::-1],
                "divide by V, the places in a row, not by U": divmod(number, U),
            }, f"U, V = {U}, {V}: for column {number} you say {mine}, and im2col's is place {truth}"))
    _judge(cases)
    return "every column of four images, traced back to its place"


@exercise
def tap_of_row(answer):
    cases = []
    for C, K, U, V in SIZES:
        x, cols = _named(C, K, U, V)
        for number in range(C * K * K):
            mine = _numbers(run(answer, number, K), 3, "c, i and j are")
            truth = tuple(int(k) for k in np.argwhere(x[0] == cols[number, 0])[0])
            c, i, j = truth
            cases.append((mine, truth, {
                "i and j are swapped: j is the remainder, since it runs fastest": (c, j, i),
                "the middle one still counts through all channels: i is less than K": (c, number // K, j),
                "a channel has K*K rows, not K: c comes out too large": (number // K, i, j),
                "the order is c, i, j": (j, i, c),
            }, f"K = {K}: for row {number} you say {mine}, and im2col's is {truth}"))
    _judge(cases)
    return "every row of four images, traced back to its tap"


@exercise
def pixel(answer):
    cases = []
    for S, P, K in ((1, 0, 2), (2, 1, 3), (3, 2, 4), (2, 3, 3)):
        height, width = 8, 11
        inside = np.arange(1, height * width + 1).reshape(1, 1, height, width)  # padding is 0
        U, V = conv_size(height, K, S, P), conv_size(width, K, S, P)
        cols = im2col(inside, K, S, P).reshape(K, K, U, V)
        for i, j, u, v in np.ndindex(K, K, U, V):
            mine = _numbers(run(answer, i, j, u, v, S, P), 2, "a row and a column are")
            truth = S * u + i - P, S * v + j - P
            found = cols[i, j, u, v]
            assert not found or tuple(np.argwhere(inside[0, 0] == found)[0]) == truth
            cases.append((mine, truth, {
                "that is the pixel of the padded image: the padding is to be taken off again":
                    (S * u + i, S * v + j),
                "the padding goes the other way: pixel (0, 0) of the image is (P, P) of the padded one":
                    (S * u + i + P, S * v + j + P),
                "the stride belongs to the place, not to the tap": (u + S * i - P, v + S * j - P),
                "the stride moves the window, it does not spread its taps: S * u + i":
                    (S * (u + i) - P, S * (v + j) - P),
                "the stride is missing": (u + i - P, v + j - P),
                "row and column are swapped": truth[::-1],
                "the padding is taken off before the stride is applied": (S * (u - P) + i, S * (v - P) + j),
                "negative numbers are wanted where it is padding: they lie outside the image":
                    (max(truth[0], 0), max(truth[1], 0)),
            }, f"S, P = {S}, {P}: for tap ({i}, {j}) at place ({u}, {v}) you say {mine}, and it is {truth}"))
    _judge(cases)
    return "every number of four column matrices, padding and stride included"


@exercise
def rows_met(answer):
    for height, K, S in ((9, 3, 1), (9, 2, 3), (12, 3, 2), (13, 4, 3), (3, 3, 1)):
        U = conv_size(height, K, S)
        rows = np.arange(height)
        for i, _, truth, _ in taps(K, S, 1, U, 1):
            mine = run(answer, i, S, U)
            if not isinstance(mine, slice):
                raise Wrong(f"a slice is asked for, as slice(start, stop, step), not {mine!r}")
            where = f"i, S, U = {i}, {S}, {U}: your slice meets rows {rows[mine].tolist()}"
            if np.array_equal(rows[mine], rows[truth]):
                continue
            if mine.step in (None, 1) and S > 1:
                raise Wrong(f"{where}: they are not S apart; the third number of a slice is its step")
            if len(rows[mine]) == U + 1 or np.array_equal(rows[mine], rows[slice(i, None, S)]):
                raise Wrong(f"{where}: too many; it runs on past the last place, and there are only {U}")
            if np.array_equal(rows[mine], rows[truth][:-1]):
                raise Wrong(f"{where}: the last one is missing; the stop of a slice is not included")
            raise Wrong(f"{where}, and tap i meets {rows[truth].tolist()}")
    return "the rows that the library's taps meet, where windows end at the edge and where places are left over"


@exercise
def appearances(answer):
    mine = _numbers(value(answer), 2, "how often an inner pixel and how often a corner pixel stands there is")
    x = np.arange(1, 8 * 9 + 1).reshape(1, 1, 8, 9)
    count = np.bincount(im2col(x, 3, 1, 1).ravel())[1:].reshape(8, 9)
    truth = int(count[4, 4]), int(count[0, 0])
    if mine != truth:
        _first(mine, {
            "a corner pixel stands there once only without padding: here windows are centred on its neighbours, too":
                (truth[0], 1),
            "6 is for a pixel at an edge; a corner has fewer neighbours": (truth[0], int(count[0, 4])),
            "the other way round": truth[::-1],
            "a pixel's own window counts, too": (truth[0] - 1, truth[1] - 1),
        }, "an inner pixel lies in one window for each tap: in one it is the upper left number, in another the next one"
           if mine[0] != truth[0] else f"the inner pixel is right; {mine[1]} is not how often the corner stands there")
    return "im2col of numbered pixels, and counted"


def _conv1_2():
    side = conv_size(conv_size(500, 3, pad=100), 3, pad=1)
    return 64, 64, 3, side  # channels, filters, kernel, side


def _count(answer, truth, suspects, unit):
    mine = value(answer)
    if np.ndim(mine) or isinstance(mine, str):
        raise Wrong("one number is asked for")
    if abs(mine - truth) <= 1e-3 * truth:
        return
    for words, wrong in suspects.items():
        if abs(mine - wrong) <= 1e-3 * wrong:
            raise Wrong(words)
    raise Wrong(f"{mine:,} is {mine / truth:.3g} times the {unit}")


@exercise
def column_bytes(answer):
    c, f, k, side = _conv1_2()
    truth = 4 * c * k * k * side**2
    _count(answer, truth, {
        "those are the numbers; each takes 4 bytes": truth / 4,
        "that is in gigabytes: bytes are asked for": truth / 1e9,
        "that is in megabytes: bytes are asked for": truth / 1e6,
        "that is the layer's input: its columns hold every pixel K*K times": truth / k**2,
        "a kernel of 3 x 3 has 9 taps: one factor 3 is missing": truth / k,
        "conv1_1 does not keep the size: 500 + 2*100 - 3 + 1 is 698, not 700": 4 * c * k * k * 700**2,
        "500 x 500 is the photo; conv1_1 pads by 100, so conv1_2 gets 698 x 698": 4 * c * k * k * 500**2,
        "one side only: there are U times V columns": truth / side,
        "the input of conv1_2 has 64 channels; 3 are those of the photo": truth * 3 / c,
        "the number of filters does not matter to the columns: they hold pixels": truth * f,
        "8 bytes a number is float64; float32 takes 4": truth * 2,
    }, "bytes of the columns: C*K*K rows, U*V columns, 4 bytes each")
    return f"{truth:,} bytes, {truth / 1e9:.2f} GB, nine times the input"


@exercise
def multiply_adds(answer):
    c, f, k, side = _conv1_2()
    truth = f * side**2 * c * k * k
    _count(answer, truth, {
        "every filter does this: a factor F = 64 is missing": truth / f,
        "a patch goes through all taps: a factor of K*K is missing": truth / k**2,
        "a kernel of 3 x 3 has 9 taps: one factor 3 is missing": truth / k,
        "conv1_1 does not keep the size: 500 + 2*100 - 3 + 1 is 698, not 700": f * c * k * k * 700**2,
        "500 x 500 is the photo; conv1_1 pads by 100, so conv1_2 gets 698 x 698": f * c * k * k * 500**2,
        "one side only: there are U times V places": truth / side,
        "a multiply-add counts once: that is exactly twice": truth * 2,
        "bytes do not come into it: that is exactly four times": truth * 4,
        "that is in billions: write the whole number": truth / 1e9,
    }, "multiply-adds: F*U*V results, each of C*K*K products")
    return f"{truth:,} multiply-adds, about 18 billion"


@exercise
def conv1x1(answer):
    rng = np.random.default_rng(0)
    x, w, b = rng.normal(size=(2, 3, 4, 5)), rng.normal(size=(6, 3, 1, 1)), rng.normal(size=6)
    try:
        mine = run(answer, x, w, b)
    except ValueError as error:
        if "matmul" not in str(error):
            raise
        raise Wrong("NumPy cannot multiply what stands on the two sides of @: it takes the last two axes of each as "
                    "the matrix. Those have to be F and C on the left, C and H*W on the right; w comes as (F,C,1,1), "
                    "x as (N,C,H,W), and both are to be reshaped first") from error
    truth, _ = ops.conv2d(x, w, b)
    equal(mine, truth, "y", suspects={
        "w.reshape(c, -1).T tears the filters apart: each filter must stay a row, (F, C)":
            (w.reshape(3, 6).T @ x.reshape(2, 3, 20)).reshape(2, 6, 4, 5) + b.reshape(-1, 1, 1),
        "the pixels are in the order of the columns, W before H: x was transposed before its reshape":
            (w[:, :, 0, 0] @ x.swapaxes(2, 3).reshape(2, 3, 20)).reshape(2, 6, 4, 5) + b.reshape(-1, 1, 1),
        "x.reshape(n, -1, c) is no transposition: it cuts the image at the wrong places":
            (x.reshape(2, 20, 3) @ w.reshape(6, 3).T).swapaxes(1, 2).reshape(2, 6, 4, 5) + b.reshape(-1, 1, 1),
        "the images are mixed: x needs its first axis, x.reshape(n, c, ...)":
            (w.reshape(6, 3) @ x.reshape(3, 40)).reshape(2, 6, 4, 5) + b.reshape(-1, 1, 1),
        "the bias is there twice: the last line adds it": truth + b.reshape(-1, 1, 1),
        "the product comes out as (N, H*W, F), and the reshape to (N, F, H, W) tears it apart":
            (x.reshape(2, 3, 20).swapaxes(1, 2) @ w.reshape(6, 3).T).reshape(2, 6, 4, 5) + b.reshape(-1, 1, 1),
    })
    return "equal to conv2d on two random images of 4 x 5, three channels to six"


@exercise
def turned(answer):
    mine = _numbers(value(answer), 1, "a factor is")
    edge = np.array([[[[-1, 0, 1]] * 3]], float)
    x = np.random.default_rng(0).normal(size=(1, 1, 6, 7))
    truth = float(np.vdot(ops.conv2d(x, edge)[0], ops.conv2d(x, np.flip(edge, (2, 3)))[0])
                  / np.vdot(ops.conv2d(x, edge)[0], ops.conv2d(x, edge)[0]))
    if mine != round(truth):
        _first(mine, {
            "that would be so for a kernel that looks the same after half a turn; this one changes sides": 1,
            "the products do not vanish: the turned kernel has the same numbers in other places": 0,
        }, "no weight becomes larger or smaller by turning: compare the turned kernel with the old one")
    return "right less left becomes left less right, and below less above its opposite"

"""Wrong answers to lesson 02."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()

wrong("dilated", says="without the dilation")((9, 1))
wrong("dilated", says="not 3 times 4")((5, 0))
wrong("dilated", says="other way round")((1, 6))
wrong("dilated", says="left over cannot be")((6, 0))
wrong("dilated", says="between the taps")((6, 10))
wrong("dilated", says="between the taps")((6, 9))
wrong("dilated", says="one place is missing")((5, 1))
wrong("dilated", says="where each one ends")((8, 2))
wrong("dilated", says="asked for: 2 numbers")(6)

wrong("columns_shape", says="swapped")(lambda C, K, U, V: (U * V, C * K * K))
wrong("columns_shape", says="all channels")(lambda C, K, U, V: (K * K, U * V))
wrong("columns_shape", says="one K is missing")(lambda C, K, U, V: (C * K, U * V))
wrong("columns_shape", says="im2col makes (12, 20)")(lambda C, K, U, V: (C + K * K, U * V))
wrong("columns_shape", says="2 numbers")(lambda C, K, U, V: C * K * K)

wrong("column_of_place", says="down the columns")(lambda u, v, U, V: v * U + u)
wrong("column_of_place", says="not U")(lambda u, v, U, V: u * U + v)
wrong("column_of_place", says="from 0")(lambda u, v, U, V: u * V + v + 1)
wrong("column_of_place", says="im2col puts it into column 5")(lambda u, v, U, V: u + v)

wrong("row_of_tap", says="j runs fastest")(lambda c, i, j, K: (c * K + j) * K + i)
wrong("row_of_tap", says="not K")(lambda c, i, j, K: c * K + i * K + j)
wrong("row_of_tap", says="must be multiplied")(lambda c, i, j, K: c + i * K + j)
wrong("row_of_tap", says="channels before it")(lambda c, i, j, K: i * K + j)

wrong("place_of_column", says="swapped")(lambda number, U, V: (number % V, number // V))
wrong("place_of_column", says="not by U")(lambda number, U, V: divmod(number, U))
wrong("place_of_column", says="not whole")(lambda number, U, V: (number / V, number % V))

wrong("tap_of_row", says="i and j are swapped")(lambda number, K: (number // K**2, number % K, number // K % K))
wrong("tap_of_row", says="i is less than K")(lambda number, K: (number // K**2, number // K, number % K))
wrong("tap_of_row", says="not K")(lambda number, K: (number // K, number // K % K, number % K))
wrong("tap_of_row", says="3 numbers")(lambda number, K: divmod(number, K))

wrong("pixel", says="padded image")(lambda i, j, u, v, S, P: (S * u + i, S * v + j))
wrong("pixel", says="other way")(lambda i, j, u, v, S, P: (S * u + i + P, S * v + j + P))
wrong("pixel", says="not to the tap")(lambda i, j, u, v, S, P: (u + S * i - P, v + S * j - P))
wrong("pixel", says="spread its taps")(lambda i, j, u, v, S, P: (S * (u + i) - P, S * (v + j) - P))
wrong("pixel", says="before the stride")(lambda i, j, u, v, S, P: (S * (u - P) + i, S * (v - P) + j))
wrong("pixel", says="outside the image")(lambda i, j, u, v, S, P: (max(S * u + i - P, 0), max(S * v + j - P, 0)))
wrong("pixel", says="swapped")(lambda i, j, u, v, S, P: (S * v + j - P, S * u + i - P))

wrong("rows_met", says="its step")(lambda i, S, U: slice(i, i + U))
wrong("rows_met", says="too many")(lambda i, S, U: slice(i, None, S))
wrong("rows_met", says="not included")(lambda i, S, U: slice(i, i + S * (U - 1), S))
wrong("rows_met", says="a slice is asked for")(lambda i, S, U: [i + S * u for u in range(U)])
wrong("rows_met", says="tap i meets")(lambda i, S, U: slice(S * i, S * i + S * (U - 1) + 1, S))

wrong("appearances", says="without padding")((9, 1))
wrong("appearances", says="at an edge")((9, 6))
wrong("appearances", says="own window")((8, 3))
wrong("appearances", says="one window for each tap")((6, 4))

wrong("column_bytes", says="4 bytes")(64 * 9 * 698**2)
wrong("column_bytes", says="gigabytes")(1.1225)
wrong("column_bytes", says="every pixel K*K times")(4 * 64 * 698**2)
wrong("column_bytes", says="698, not 700")(4 * 64 * 9 * 700**2)
wrong("column_bytes", says="500 x 500 is the photo")(4 * 64 * 9 * 500**2)
wrong("column_bytes", says="float64")(8 * 64 * 9 * 698**2)
wrong("column_bytes", says="times the bytes")(4 * 64 * 9 * 698**2 * 5)

wrong("multiply_adds", says="F = 64")(64 * 9 * 698**2)
wrong("multiply_adds", says="K*K is missing")(64 * 64 * 698**2)
wrong("multiply_adds", says="exactly twice")(2 * 64 * 64 * 9 * 698**2)
wrong("multiply_adds", says="500 x 500 is the photo")(64 * 64 * 9 * 500**2)

wrong("turned", says="changes sides")(1)
wrong("turned", says="do not vanish")(0)
wrong("turned", says="no weight becomes larger")(-2)


@wrong("conv1x1", says="tears the filters apart")
def filters_torn(x, w, b):
    n, c, height, width = x.shape
    y = w.reshape(c, -1).T @ x.reshape(n, c, height * width)
    return y.reshape(n, len(w), height, width) + b.reshape(-1, 1, 1)


@wrong("conv1x1", says="transposed before its reshape")
def pixels_transposed(x, w, b):
    n, c, height, width = x.shape
    y = w.reshape(-1, c) @ x.swapaxes(2, 3).reshape(n, c, height * width)
    return y.reshape(n, len(w), height, width) + b.reshape(-1, 1, 1)


@wrong("conv1x1", says="images are mixed")
def images_mixed(x, w, b):
    n, c, height, width = x.shape
    y = w.reshape(-1, c) @ x.reshape(c, -1)
    return y.reshape(n, len(w), height, width) + b.reshape(-1, 1, 1)


@wrong("conv1x1", says="both are to be reshaped first")
def nothing_reshaped(x, w, b):
    return w @ x


@wrong("conv1x1", says="both are to be reshaped first")
def only_w_reshaped(x, w, b):
    return w.reshape(len(w), -1) @ x


@wrong("conv1x1", says="F and C on the left")
def sides_swapped(x, w, b):
    n, c, height, width = x.shape
    return x.reshape(n, c, -1) @ w.reshape(len(w), c)


@wrong("conv1x1", says="bias is there twice")
def bias_twice(x, w, b):
    n, c, height, width = x.shape
    y = w.reshape(-1, c) @ x.reshape(n, c, height * width) + b[:, None]
    return y.reshape(n, len(w), height, width) + b.reshape(-1, 1, 1)


@wrong("conv1x1", says="argument x")
def writes_into_x(x, w, b):
    n, c, height, width = x.shape
    x -= 0.5
    y = np.einsum("fc,nchw->nfhw", w[:, :, 0, 0], x)
    return y + b.reshape(-1, 1, 1)

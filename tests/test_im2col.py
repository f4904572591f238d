"""Patches and columns."""
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from minifcn.ops import col2im, im2col
from minifcn.ops.im2col import conv_size


def columns_by_definition(x, k, stride, pad, dilation):
    """Column u*V + v of an image is the patch that the kernel sees at place (u, v), channel by channel, row by row."""
    xpad = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
    reach = dilation * (k - 1) + 1
    return np.stack([
        xpad[:, :, top:top + reach:dilation, left:left + reach:dilation].reshape(len(x), -1)
        for top in range(0, xpad.shape[2] - reach + 1, stride)
        for left in range(0, xpad.shape[3] - reach + 1, stride)
    ], axis=2)


geometry = {"k": st.integers(1, 5), "stride": st.integers(1, 4), "pad": st.integers(0, 3),
            "dilation": st.integers(1, 3), "height": st.integers(1, 9), "width": st.integers(1, 9)}


@given(**geometry)
def test_a_column_is_the_patch_that_one_output_pixel_sees(on, rng, k, stride, pad, dilation, height, width):
    assume(min(height, width) + 2 * pad > dilation * (k - 1))
    x = rng.normal(size=(2, 3, height, width))
    cols = on(im2col)(x, k, stride, pad, dilation)
    np.testing.assert_array_equal(cols, columns_by_definition(x, k, stride, pad, dilation))


@given(**geometry)
def test_col2im_is_the_adjoint_of_im2col(on, rng, k, stride, pad, dilation, height, width):
    """<im2col(x), c> == <x, col2im(c)> for every x and c."""
    assume(min(height, width) + 2 * pad > dilation * (k - 1))
    x = rng.normal(size=(2, 3, height, width))
    cols = on(im2col)(x, k, stride, pad, dilation)
    c = rng.normal(size=cols.shape)
    back = on(col2im)(c, x.shape, k, stride, pad, dilation)
    assert back.shape == x.shape
    np.testing.assert_allclose(np.sum(cols * c), np.sum(x * back), rtol=1e-11, atol=1e-11)


def test_a_pixel_collects_from_every_patch_that_sees_it(on):
    ones = np.ones((1, 4, 4))  # four patches of 2 x 2
    np.testing.assert_array_equal(on(col2im)(ones, (1, 1, 3, 3), 2, 1, 0)[0, 0], [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(on, rng, dtype):
    x = rng.normal(size=(2, 3, 5, 4)).astype(dtype)
    cols = on(im2col)(x, 3, 1, 1)
    assert cols.dtype == on(col2im)(cols, x.shape, 3, 1, 1).dtype == dtype


def test_a_kernel_that_fits_nowhere_is_an_error():
    with pytest.raises(ValueError, match="reach 5 does not fit 3 pixels"):
        conv_size(3, k=3, dilation=2)

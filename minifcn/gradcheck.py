"""Is a gradient right? Central differences in float64: the judge of the tests and of the lessons.

    df/dx_i  =  (f(x + h e_i) - f(x - h e_i)) / 2h  +  O(h^2)
"""
import numpy as np


def numeric_gradient(f, x, dy=1.0, h=1e-5):
    """Gradient of sum(f(x) * dy) with respect to x, one element at a time: float64, of x's shape.

    f takes an array like x and returns an array (or number) of dy's shape. x is copied, not touched. Raises TypeError
    unless x is float64: float32 differences of 1e-5 are mostly rounding.
    """
    if x.dtype != np.float64:
        raise TypeError(f"central differences need float64, not {x.dtype}")
    x = x.copy()
    gradient = np.empty_like(x)
    for i in np.ndindex(x.shape):
        centre = x[i]
        x[i] = centre + h
        above = np.copy(f(x))  # f may hand out x itself, or a view of it, which the next line changes
        x[i] = centre - h
        gradient[i] = np.sum((above - f(x)) * dy) / (2 * h)  # the difference first: large equal parts cancel exactly
        x[i] = centre
    return gradient


def assert_gradient(f, x, dy, dx, name="x", *, tolerance=1e-6, h=1e-5):
    """Raise AssertionError unless dx is the gradient of sum(f(x) * dy), naming the worst element and both values.

    For every element i and its central difference n_i:  |dx_i - n_i| <= tolerance * (rms(n) + |n_i| + 1e-12).
    One wrong element is enough to fail; the 1e-12 lets a gradient that is 0 everywhere pass.
    """
    numeric = numeric_gradient(f, x, dy, h)
    if dx is None or np.shape(dx) != x.shape:
        raise AssertionError(f"d{name} has shape {None if dx is None else np.shape(dx)}, {name} has {x.shape}")
    error = np.abs(dx - numeric) / (np.sqrt(np.mean(numeric**2)) + np.abs(numeric) + 1e-12)
    if not np.all(error <= tolerance):  # written so that NaN fails
        worst = np.unravel_index(np.nanargmax(np.where(np.isnan(error), np.inf, error)), x.shape)
        where = ", ".join(map(str, worst))
        wrong = np.count_nonzero(~(error <= tolerance))
        raise AssertionError(
            f"d{name} is wrong in {wrong} of {x.size} elements, most at [{where}]: "
            f"{dx[worst]:.6g} given, {numeric[worst]:.6g} by central differences"
        )

"""CUDA kernels for what is a dozen launches as array code: one each, with the same result within rounding.

A step of a net updates some forty parameters, 10 to 13 launches each as array code, and pools five times, 5 launches
there and 17 back. Every thread takes numbers i, i + all threads, ...: any number of threads gives the same bits.
The array code that they stand in for is in optim.py and ops/pool.py; the letters are those.
"""
from functools import cache

import numpy as np

THREADS, BLOCKS = 256, 2048  # of a block, and at most in a launch

SOURCE = """
typedef long long Int;
#define EVERY(i, size) \\
    for (Int i = blockIdx.x * (Int)blockDim.x + threadIdx.x; i < (size); i += (Int)gridDim.x * blockDim.x)

extern "C" __global__ void sgd(Real *w, const Real *g, Real *v, Real rate, Real momentum, Real decay, Int size) {
    EVERY(i, size) {
        v[i] = v[i] * momentum + (w[i] * decay + g[i]) * rate;
        w[i] -= v[i];
    }
}

extern "C" __global__ void adam(Real *w, const Real *grad, Real *m, Real *s, Real rate, Real decay, Real b1, Real b2,
                                Real rest1, Real rest2, Real root, Real eps, Int size) {
    EVERY(i, size) {  // rest1 is 1 - b1, to all digits; rate and root make up for the first steps' small means
        Real g = w[i] * decay + grad[i];
        s[i] = s[i] * b2 + g * g * rest2;
        m[i] = m[i] * b1 + g * rest1;
        w[i] -= m[i] * rate / (sqrt(s[i]) * root + eps);
    }
}

// N,C,H,W sizes and strides of a map, strides in numbers; what is nearest in memory is nearest among threads, too
struct Map { Int n, c, h, w, sn, sc, sh, sw; };
#define GIVEN(a) Int a##n, Int a##c, Int a##h, Int a##w, Int a##sn, Int a##sc, Int a##sh, Int a##sw
#define MAP(a) const Map a = {a##n, a##c, a##h, a##w, a##sn, a##sc, a##sh, a##sw}

__device__ Int at(const Map &a, Int n, Int c, Int row, Int column) {
    return n * a.sn + c * a.sc + row * a.sh + column * a.sw;
}

__device__ void place(const Map &a, Int i, Int &n, Int &c, Int &row, Int &column) {
    if (a.sc == 1) { c = i % a.c; i /= a.c; column = i % a.w; i /= a.w; row = i % a.h; n = i / a.h; }
    else { column = i % a.w; i /= a.w; row = i % a.h; i /= a.h; c = i % a.c; n = i / a.c; }
}

extern "C" __global__ void max_pool(const Real *x, Real *y, GIVEN(in), GIVEN(out), Int k, Int stride, Int pad,
                                    Int dilation) {
    MAP(in); MAP(out);
    EVERY(i, out.n * out.c * out.h * out.w) {
        Int n, c, u, v;
        place(out, i, n, c, u, v);
        Real most = (Real)-1e308 * 10;  // minus infinity, which NVRTC has no name for
        for (Int a = 0; a < k; a++)
            for (Int b = 0; b < k; b++) {
                Int h = u * stride - pad + a * dilation, w = v * stride - pad + b * dilation;
                if (h < 0 || h >= in.h || w < 0 || w >= in.w) continue;
                Real value = x[at(in, n, c, h, w)];
                if (most == most && !(value <= most)) most = value;  // not a number stays, as in NumPy
            }
        y[at(out, n, c, u, v)] = most;
    }
}

// From the pixel's side, so that no two threads add to one number: its windows, and whether it is the first largest.
extern "C" __global__ void max_pool_back(const Real *x, const Real *y, const Real *dy, Real *dx, GIVEN(in), GIVEN(out),
                                         GIVEN(dout), GIVEN(din), Int k, Int stride, Int pad, Int dilation,
                                         Int rectified) {
    MAP(in); MAP(out); MAP(dout); MAP(din);
    EVERY(i, in.n * in.c * in.h * in.w) {
        Int n, c, h, w;
        place(in, i, n, c, h, w);
        const Real mine = x[at(in, n, c, h, w)];
        Real sum = 0;
        for (Int a = 0; a < k; a++)
            for (Int b = 0; b < k; b++) {
                Int up = h + pad - a * dilation, left = w + pad - b * dilation;
                if (up < 0 || left < 0 || up % stride || left % stride) continue;
                Int u = up / stride, v = left / stride;
                if (u >= out.h || v >= out.w) continue;
                Real most = y[at(out, n, c, u, v)];
                if (mine != most || (rectified && !(most > 0))) continue;
                bool first = true;
                for (Int t = 0; t < a * k + b && first; t++) {
                    Int hh = up - pad + t / k * dilation, ww = left - pad + t % k * dilation;
                    if (hh < 0 || hh >= in.h || ww < 0 || ww >= in.w) continue;
                    first = x[at(in, n, c, hh, ww)] != most;
                }
                if (first) sum += dy[at(dout, n, c, u, v)];
            }
        dx[at(din, n, c, h, w)] = sum;
    }
}
"""
REALS = {"float32": "float", "float64": "double"}


def source(dtype):
    """The kernels for numbers of a dtype."""
    return f"typedef {REALS[np.dtype(dtype).name]} Real;\n{SOURCE}"


@cache
def _kernel(name, dtype):
    import cupy

    return cupy.RawKernel(source(dtype), name)


def _launch(name, dtype, size, *arguments):
    blocks = max(1, min(BLOCKS, -(-size // THREADS)))
    _kernel(name, np.dtype(dtype).name)((blocks,), (THREADS,), arguments)


def _maps(*arrays):
    """Sizes and strides, as GIVEN takes them."""
    return [number for a in arrays for number in (*a.shape, *(stride // a.itemsize for stride in a.strides))]


def sgd(w, g, v, rate, momentum, decay):
    """v and w in place, contiguous arrays all three."""
    real = w.dtype.type
    _launch("sgd", w.dtype, w.size, w, g, v, real(rate), real(momentum), real(decay), np.int64(w.size))


def adam(w, g, m, s, rate, decay, betas, steps, eps):
    """m, s and w in place, contiguous arrays all four."""
    b1, b2 = betas
    numbers = rate / (1 - b1**steps), decay, b1, b2, 1 - b1, 1 - b2, (1 - b2**steps)**-0.5, eps
    _launch("adam", w.dtype, w.size, w, g, m, s, *map(w.dtype.type, numbers), np.int64(w.size))


def max_pool2d(x, y, *numbers):
    """Fill y; numbers: K, S, P, D."""
    _launch("max_pool", x.dtype, y.size, x, y, *map(np.int64, (*_maps(x, y), *numbers)))


def max_pool2d_backward(x, y, dy, dx, *numbers):
    """Fill dx; numbers: K, S, P, D, and whether x came of a ReLU."""
    _launch("max_pool_back", x.dtype, x.size, x, y, dy, dx, *map(np.int64, (*_maps(x, y, dy, dx), *numbers)))

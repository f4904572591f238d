"""A stand-in for CuPy: the same tests prove device-blind code on machines without a GPU.

Its arrays keep a NumPy array inside and let nobody near it. Only the names in this file exist, each of them also in
CuPy (tests/test_standin.py looks). What CuPy does differently from NumPy, it does too:

- nothing becomes a NumPy array by itself, NumPy's functions and arrays are refused, in whatever form they come
  (CuPy's own __array_function__ would help out here and there, hiding a copy or a call to the wrong library);
- whatever makes the host wait for the device is written into `waits`;
- reductions and single elements are 0-dimensional arrays, new arrays are C-ordered, an index out of range wraps around;
- empty() really is uninitialised: it is full of NaN.
"""
import operator
import types

import cuda_on_host
import numpy as np

waits = []  # why the host had to wait for the device, in order


def _inside(value):
    """What an operation may see of its operand: the array in a stand-in, or a scalar."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, (np.ndarray, list)):
        raise TypeError(f"CuPy takes CuPy arrays and scalars, not {type(value).__module__}.{type(value).__name__}")
    return value


def _new(value):
    """The result of an operation: C-ordered, and an array even if it is a single number."""
    return ndarray(np.asarray(value, order="C"))


class ndarray:  # named as CuPy names it
    __slots__ = ("_host",)
    __module__ = "cupy"

    def __init__(self, host):
        self._host = host

    def __array__(self, *args, **kwargs):
        raise TypeError("implicit conversion of a CuPy array to NumPy: use to_numpy()")

    def __array_ufunc__(self, ufunc, *args, **kwargs):
        raise TypeError(f"np.{ufunc.__name__} of a CuPy array")

    def __array_function__(self, function, *args, **kwargs):
        raise TypeError(f"np.{function.__name__} of a CuPy array")

    def __len__(self):
        return len(self._host)

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __getitem__(self, key):
        if isinstance(key, ndarray) and key.dtype == bool:
            waits.append("reading by mask: how many there are decides the shape")
        return ndarray(np.asarray(self._host[self._key(key)]))

    def __setitem__(self, key, value):
        self._host[self._key(key)] = _inside(value)

    def _key(self, key):
        if isinstance(key, ndarray) and key.dtype.kind in "iu":
            return key._host % len(self)
        if isinstance(key, tuple) and any(isinstance(k, ndarray) for k in key):
            raise NotImplementedError("an array among several indices: nothing here has needed it yet")
        return _inside(key)

    def get(self):
        waits.append("get()")
        return self._host.copy()

    def item(self):
        waits.append("item()")
        return self._host.item()


def _complete(cls):
    """The methods that only differ in what they call. CuPy has no __imatmul__ and no __index__."""
    def binary(f):
        return lambda self, other: _new(f(self._host, _inside(other)))

    def reflected(f):
        return lambda self, other: _new(f(_inside(other), self._host))

    def in_place(f):
        def method(self, other):
            f(self._host, _inside(other))
            return self
        return method

    def waiting(kind):
        def method(self):
            waits.append(f"{kind.__name__}()")
            return kind(self._host)
        return method

    def computing(f):
        return lambda self, *args, **options: _new(f(self._host, *args, **options))

    def view(f):
        return lambda self, *args: ndarray(f(self._host, *args))

    def attribute(name):
        return property(lambda self: getattr(self._host, name))

    for name in ("add", "sub", "mul", "truediv", "pow", "and", "or", "xor", "matmul"):
        f = getattr(operator, f"{name}_" if name in ("and", "or") else name)
        setattr(cls, f"__{name}__", binary(f))
        setattr(cls, f"__r{name}__", reflected(f))
        if name != "matmul":
            setattr(cls, f"__i{name}__", in_place(getattr(operator, f"i{name}")))
    for name in ("eq", "ne", "lt", "le", "gt", "ge"):
        setattr(cls, f"__{name}__", binary(getattr(operator, name)))
    for kind in (float, int, bool):
        setattr(cls, f"__{kind.__name__}__", waiting(kind))
    for name in ("__neg__", "__invert__", "astype", "copy", "sum", "max", "min", "argmax"):
        setattr(cls, name, computing(getattr(np.ndarray, name)))
    for name in ("reshape", "transpose", "swapaxes"):
        setattr(cls, name, view(getattr(np.ndarray, name)))
    for name in ("shape", "dtype", "ndim", "size", "itemsize", "strides", "nbytes", "flags"):
        setattr(cls, name, attribute(name))
    cls.T = property(lambda self: ndarray(self._host.T))


_complete(ndarray)


def _device(f):
    """A NumPy function as one of CuPy's: stand-in arrays and scalars in (also as out=), stand-in arrays out."""
    def function(*args, **options):
        result = f(*map(_inside, args), **{name: _inside(value) for name, value in options.items()})
        return options["out"] if options.get("out") is not None else _new(result)
    return function


def _asarray(a, dtype=None):
    """From the host this is a copy, for which nobody waits."""
    if isinstance(a, ndarray):
        return a if dtype is None else ndarray(a._host.astype(dtype, copy=False))
    return ndarray(np.array(a, dtype))


def _empty(shape, dtype=float):
    return ndarray(np.full(shape, np.nan if np.dtype(dtype).kind == "f" else 77, dtype))


def _empty_like(x, shape=None):
    like = np.empty_like(x._host, shape=shape)
    like[...] = np.nan if like.dtype.kind == "f" else 77
    return ndarray(like)


def _take_along_axis(a, indices, axis):
    return _new(np.take_along_axis(_inside(a), _inside(indices) % a.shape[axis], axis))


def _as_strided(x, shape, strides):
    return ndarray(np.lib.stride_tricks.as_strided(x._host, shape, strides))


def _split(x, parts, axis=0):
    return [ndarray(part) for part in np.split(x._host, parts, axis)]


def _concatenate(arrays, axis=0):
    return _new(np.concatenate([a._host for a in arrays], axis))


class _Generator:
    def __init__(self, seed):
        self._rng = np.random.default_rng(seed)

    def random(self, size=None, dtype=np.float64):
        return _new(self._rng.random(size, dtype))


class _Device:
    id = 0


def _module():
    module = types.ModuleType("cupy", "stand-in")
    for name in ("zeros", "ones", "arange", "pad", "where", "ascontiguousarray", "matmul",
                 "maximum", "add", "subtract", "multiply", "exp", "log", "sqrt", "ones_like"):
        setattr(module, name, _device(getattr(np, name)))
    module.ndarray, module.asarray, module.empty, module.take_along_axis = ndarray, _asarray, _empty, _take_along_axis
    module.empty_like = _empty_like
    module.RawKernel = cuda_on_host.RawKernel
    module.split, module.concatenate = _split, _concatenate
    module.float32, module.float64, module.intp = np.float32, np.float64, np.intp
    module.lib = types.SimpleNamespace(stride_tricks=types.SimpleNamespace(as_strided=_as_strided))
    module.random = types.SimpleNamespace(default_rng=_Generator)
    runtime = types.SimpleNamespace(getDeviceCount=lambda: 1, getDeviceProperties=lambda i: {"name": b"stand-in"})
    module.cuda = types.SimpleNamespace(runtime=runtime, Device=_Device)

    def refuse(name):
        raise AttributeError(f"cupy.{name}: not in the stand-in. If CuPy has it, add it to tests/cupy_standin.py")

    module.__getattr__ = refuse
    return module


module = _module()  # what tests put into sys.modules["cupy"]

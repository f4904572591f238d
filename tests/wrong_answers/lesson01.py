"""Wrong answers to lesson 01."""
import numpy as np

from wrong_answers import Wrong

wrong = Wrong()


def _slid(x, w, k, flatten):
    height, width = x.shape[1] - k + 1, x.shape[2] - k + 1
    y = np.empty((len(w), height, width))
    for u, v in np.ndindex(height, width):
        y[:, u, v] = flatten(x[:, u:u + k, v:v + k])
    return y


@wrong("slide", says="another order")
def channels_last(x, w, k):
    return _slid(x, w, k, lambda patch: w @ patch.transpose(1, 2, 0).ravel())


@wrong("slide", says="another order")
def columns_first(x, w, k):
    return _slid(x, w, k, lambda patch: w @ patch.transpose(0, 2, 1).ravel())


@wrong("slide", says="answer for the first patch")
def always_the_corner(x, w, k):
    return _slid(x, w, k, lambda patch: w @ x[:, :k, :k].ravel())


@wrong("slide", says="each row gives one answer")
def summed_over_the_rows(x, w, k):
    return _slid(x, w, k, lambda patch: (w * patch.ravel()).sum())


@wrong("slide", says="y is returned in the end")
def returned_at_once(x, w, k):
    return w @ x[:, :k, :k].ravel()


@wrong("slide", says="0 everywhere")
def nothing_put_in(x, w, k):
    return np.zeros((len(w), x.shape[1] - k + 1, x.shape[2] - k + 1))


@wrong("slide", says="wrong in")
def largest_instead_of_sum(x, w, k):
    return _slid(x, w, k, lambda patch: (w * patch.ravel()).max(axis=1))


@wrong("as_kernel", says="another flattening")
def channels_last_kernel(w, k):
    return w.reshape(len(w), k, k, -1).transpose(0, 3, 1, 2)


@wrong("as_kernel", says="array of kernels has shape (2, 4, 3, 3)")
def channels_first(w, k):
    return w.reshape(-1, len(w), k, k)


@wrong("as_kernel", says="F,C,k,k")
def channels_stay_last(w, k):
    return w.reshape(len(w), k, k, -1)


@wrong("as_kernel", says="last two axes swapped")
def kernels_transposed(w, k):
    return w.reshape(len(w), -1, k, k).swapaxes(2, 3)


@wrong("as_kernel", says="filters were columns")
def filters_in_columns(w, k):
    f = len(w)
    return w.T.reshape(f, -1, k, k)


def _turned(params, fold, rename=True):
    return {name.replace("fc8", "score_fr") if rename else name: fold(name, value) for name, value in params.items()}


def _fold(name, value):
    k = 3 if name == "fc6.w" else 1
    return value.reshape(len(value), -1, k, k) if name.startswith("fc") and name.endswith(".w") else value


@wrong("turned", says="still called so")
def name_kept(params):
    return _turned(params, _fold, rename=False)


@wrong("turned", says="goes into the result too")
def only_the_folded(params):
    return {name.replace("fc8", "score_fr"): _fold(name, value) for name, value in params.items()
            if name.startswith("fc")}


@wrong("turned", says="channels of its own")
def all_one_by_one(params):
    return _turned(params, lambda name, w: w[:, :, None, None] if name[:2] == "fc" and w.ndim == 2 else w)


@wrong("turned", says="another flattening")
def wrong_order(params):
    def fold(name, w):
        return w.reshape(len(w), 3, 3, -1).transpose(0, 3, 1, 2) if name == "fc6.w" else _fold(name, w)
    return _turned(params, fold)


@wrong("turned", says="fc8.b is still called so")
def bias_name_kept(params):
    return {"fc8.b" if name == "score_fr.b" else name: w for name, w in _turned(params, _fold).items()}


@wrong("turned", says="biases are not folded")
def biases_folded_too(params):
    return _turned(params, lambda name, w: _fold(name, w) if w.ndim > 1 or name[:3] != "fc8" else w[:, None, None])


wrong("times", says="as large as the scene")(20)
wrong("times", says="upside down")(1 / 9)
wrong("times", says="single crop")(0.45)
wrong("times", says="20,480")(16)
wrong("runs", says="along both")(4)
wrong("runs", says="not the fewer")(64)
wrong("runs", says="every pixel")(1024)
wrong("runs", says="go into 32")(20)

"""Files written by torch.save, .pth or .pt: read by torch itself, and tensors alone.

Such a file is a pickle, and unpickling can run whatever its writer wanted. torch.load(weights_only=True) makes nothing
but tensors and the containers they lie in, and refuses all else before it is made. Twice there was a way round it
(CVE-2025-32434, CVE-2026-24747): torch before 2.10 is not trusted with a file.
"""
import warnings
import zipfile

from minifcn.errors import InputError
from minifcn.weights.contents import Contents, Tensor, printable, words

ZIP = b"PK\x03\x04"  # since torch 1.6; the legacy layout before that is a row of pickles
TRUSTED = "2.10"
WAYS_OUT = f"""pip install "torch>={TRUSTED}"; or take the same net as a safetensors file, such as timm/vgg16.tv_in1k"""


def open_torch(path):
    """The Contents of a dict of tensors that torch has saved, mapped into memory where the layout allows."""
    if _is_other_zip(path):
        raise InputError(f"{path}: a zip archive, no torch file")
    try:
        import torch
    except ImportError as error:
        raise InputError(f"{path}: a torch file, which torch alone can read: {WAYS_OUT}") from error
    if torch.__version__ < TRUSTED:  # as versions, not as texts
        raise InputError(f"{path}: a torch file, and torch {torch.__version__} could be made to run what is in it: "
                         f"{WAYS_OUT}")
    try:
        with open(path, "rb") as file:
            zipped = file.read(len(ZIP)) == ZIP
        if zipped:
            with zipfile.ZipFile(path) as archive:
                if any(entry.compress_type for entry in archive.infolist()):
                    raise ValueError("compressed, and torch compresses nothing")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what torch will change some day
            held = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    except Exception as error:  # over a damaged file torch raises nearly anything
        raise InputError(f"{path}: a torch file that is damaged, or holds more than tensors, and that is not opened "
                         f"({_first_sentence(error)})") from error
    if not isinstance(held, dict) or not all(isinstance(some, torch.Tensor) for some in held.values()):
        raise InputError(f"{path}: holds {_kinds(held)}, not tensors by name alone; save what state_dict() gives")
    for name, some in held.items():
        if not isinstance(name, str):
            raise InputError(f"{path}: {printable(repr(name))}: no name of a tensor")
        if some.layout != torch.strided or some.is_nested or some.is_quantized or some.is_meta:
            raise InputError(f"{path}: {printable(name)}: a nested, sparse, quantised or empty tensor, no plain one")
    tensors = {name: Tensor(tuple(some.shape), str(some.dtype).removeprefix("torch."), some.detach().numpy)
               for name, some in held.items()}
    return Contents(path, f"torch, {'zip' if zipped else 'legacy'} layout", tensors)


def _is_other_zip(path):
    """Whether a file is a whole zip archive without torch's pickle: NumPy's .npz, say."""
    try:
        with zipfile.ZipFile(path) as archive:
            return not any(name.endswith("data.pkl") for name in archive.namelist())
    except Exception:  # over a damaged file zipfile, too, raises nearly anything; torch says more of it
        return False


def _first_sentence(error):
    """torch explains at length how to trust a file; one sentence says what is wrong with it."""
    return words(error).partition(". ")[0] or type(error).__name__


def _kinds(held):
    if not isinstance(held, dict):
        return f"a {type(held).__name__}"
    return "a dict of " + ", ".join(sorted({type(some).__name__ for some in held.values()}))

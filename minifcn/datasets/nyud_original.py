"""NYUDv2 as NYU publishes it -> the layout that nyud.py reads, for who cannot get the authors' copy. Without HHA.

nyu_depth_v2_labeled.mat is MATLAB 7.3, that is HDF5, whose axes come out reversed: images (1449,3,640,480) uint8,
depths (1449,640,480) float32 metres, labels (1449,640,480) uint16, 0 or one of 894 names. The white frame is cut off
and the 894 names are mapped to 40 classes as by Gupta et al. 2013, who also cleaned the labels' double contours: these
labels differ a little from theirs.
"""
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image
from tqdm import tqdm

from minifcn.datasets.files import look_up
from minifcn.datasets.matfile import read_array
from minifcn.errors import InputError

CROP = slice(45, 470), slice(40, 600)  # 425 rows, 560 columns: Gupta's; that of NYU's toolbox starts a row higher
WIDTH, HEIGHT = 640, 480
FIRST_ID = 5000  # the authors' IDs are the numbers in the file, from 1 on, and this
# the numbers among the 894 of classes 1 to 37, then of 38 otherstructure and of 39 otherfurniture; the rest is 40
NAMED = (21, 11, 3, 157, 5, 83, 19, 28, 59, 88, 64, 7, 80, 36, 42, 89, 169, 119, 122, 143, 141, 4, 85, 17, 172, 15, 135,
         123, 26, 45, 331, 158, 124, 24, 144, 136, 55)
STRUCTURE = (8, 25, 33, 38, 51, 53, 57, 58, 62, 65, 79, 94, 104, 112, 134, 153, 215, 216, 223, 225, 238, 241, 242, 256,
             295, 301, 339, 342, 354, 363, 372, 380, 392, 408, 412, 453, 456, 463, 477, 497, 541, 550, 553, 567, 573,
             582, 591, 609, 612, 615, 642, 645, 657, 658, 659, 663, 667, 668, 686, 700, 702, 777, 778, 782, 850, 861,
             868, 874)
FURNITURE = (12, 43, 48, 50, 87, 106, 111, 161, 163, 174, 183, 204, 214, 219, 221, 224, 236, 262, 278, 291, 298, 313,
             343, 344, 356, 359, 373, 393, 401, 414, 418, 419, 430, 443, 444, 447, 448, 457, 458, 460, 462, 475, 479,
             485, 486, 493, 494, 498, 499, 509, 510, 515, 521, 524, 540, 549, 551, 554, 556, 558, 576, 580, 608, 625,
             703, 734, 770, 772, 797, 800, 803, 804, 813, 814, 815, 820, 829, 835, 858, 863, 882, 892)


def class_table():
    """(895,) uint8: the class 1..40 of every number in the labels; 0 is void in both."""
    table = np.full(895, 40, np.uint8)
    table[0] = 0
    table[list(NAMED)] = np.arange(1, 38)
    table[list(STRUCTURE)] = 38
    table[list(FURNITURE)] = 39
    return table


def convert(mat, splits, out):
    """Write images, depth, segmentation, trainval.txt and test.txt into the folder `out`.

    `mat` is nyu_depth_v2_labeled.mat, `splits` NYU's splits.mat. The authors' division of trainval into train and val
    is in neither. Images are read one by one. The lists come last: without them `out` is no data set yet, and the
    conversion can be run again. InputError where a file cannot be used or `out` holds a data set already.
    """
    mat, splits, out = Path(mat), Path(splits), Path(out)
    if lists := sorted(out.glob("*.txt")):
        raise InputError(f"{lists[0]}: there is a data set already; name another folder")
    with _opened(mat) as file:
        images, depths, labels = (_variable(file, mat, *expected) for expected in (
            ("images", np.uint8, (3, WIDTH, HEIGHT)), ("depths", np.floating, (WIDTH, HEIGHT)),
            ("labels", np.integer, (WIDTH, HEIGHT))))
        lists = read_splits(splits, min(map(len, (images, depths, labels))))
        for folder in ("data/images", "data/depth", "segmentation"):
            (out / folder).mkdir(parents=True, exist_ok=True)
        for number in tqdm(sorted(sum(lists.values(), [])), desc="NYUDv2", unit="image", disable=None):
            with _naming(mat):
                image, depth, label = (each[number - 1].T[CROP] for each in (images, depths, labels))
            _write(out, number, image, millimetres(depth, f"{mat}: depths {number}"),
                   look_up(label, class_table(), f"{mat}: labels {number}"))
    for name, numbers in lists.items():
        (out / f"{name}.txt").write_text("".join(f"{FIRST_ID + number}\n" for number in numbers), newline="\n")
    return out


def read_splits(path, count):
    """splits.mat -> the numbers, from 1 on, of the images of trainval and test."""
    lists = {name: read_array(path, variable).ravel().tolist()
             for name, variable in (("trainval", "trainNdxs"), ("test", "testNdxs"))}
    numbers = sum(lists.values(), [])
    if not 1 <= min(numbers) <= max(numbers) <= count:
        raise InputError(f"{path}: numbers {min(numbers)}..{max(numbers)}, but the images are 1..{count}")
    if len(set(numbers)) < len(numbers):
        raise InputError(f"{path}: an image is in the splits twice")
    return lists


def millimetres(metres, name):
    """Depth in metres, floats (H,W) -> uint16."""
    depth = np.rint(1000 * metres.astype(np.float64))
    if not (depth >= 0).all() or depth.max() > 65535:  # a NaN is not >= 0
        raise InputError(f"{name}: {metres.min():g}..{metres.max():g} metres do not fit into 16 bits of millimetres")
    return depth.astype(np.uint16)


def _write(out, number, image, depth, labels):
    from scipy.io import savemat

    name = f"img_{FIRST_ID + number}"
    Image.fromarray(np.ascontiguousarray(image)).save(out / f"data/images/{name}.png")
    Image.fromarray(depth).save(out / f"data/depth/{name}.png")
    savemat(out / f"segmentation/{name}.mat", {"segmentation": labels}, do_compression=True)


def hdf5(mat):
    """The library that reads NYU's file; an InputError where there is none."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(f'{mat}: is HDF5; reading it needs h5py: pip install "minifcn[nyud]"') from error
    return h5py


@contextmanager
def _opened(mat):
    h5py = hdf5(mat)
    with _naming(mat):
        file = h5py.File(mat, "r")
    with file:
        yield file


@contextmanager
def _naming(mat):
    try:
        yield
    except (OSError, RuntimeError) as error:
        raise InputError(f"{mat}: cannot be read as MATLAB 7.3 ({' '.join(str(error).split())})") from error


def _variable(file, mat, name, kind, shape):
    """The HDF5 data set, which must lie in this very file: links and external data would read others of ours."""
    import h5py

    with _naming(mat):
        if name not in list(file):  # `in file` would follow links
            raise InputError(f"{mat}: has no variable {name}")
        if file.id.links.get_info(name.encode()).type != h5py.h5l.TYPE_HARD:
            raise InputError(f"{mat}: {name} is a link to somewhere else")
        data = file[name]
        if not isinstance(data, h5py.Dataset) or data.external or data.is_virtual:
            raise InputError(f"{mat}: {name} is not an array in this file")
    if not np.issubdtype(data.dtype, kind) or data.shape[1:] != shape:
        raise InputError(f"{mat}: {name} is {data.dtype} {data.shape}, not {kind.__name__} (n, "
                         f"{', '.join(map(str, shape))})")
    return data

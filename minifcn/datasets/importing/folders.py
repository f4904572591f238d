"""Folders of photographs and of masks: CVAT's segmentation masks, labelme's VOC export, and whatever is like them."""
from functools import partial

import numpy as np

from minifcn.datasets.importing import common, masks
from minifcn.datasets.importing.common import IMAGE_SUFFIXES, VOID_NAMES, Item, Label, Source
from minifcn.datasets.voc import PARTS, VOC_CLASSES, read_lines
from minifcn.errors import InputError

IMAGE_FOLDERS = ("jpegimages", "images", "image", "imgs", "img", "photos")
MASK_FOLDERS = ("segmentationclasspng", "segmentationclass", "masks", "mask", "labels", "annotations")
LABEL_MAPS = {  # and whose they are
    "labelmap.txt": "CVAT segmentation masks",
    "class_names.txt": "labelme's VOC export",
    "label_colors.txt": None,
    "classes.txt": None,
    "labels.txt": None,
}
TAILS = ("", "_mask", "-mask", "_label", "_labels", "_seg", "_gt", "_L", ".jpg", ".jpeg", ".png")  # a.jpg, a_mask.png


def find(src):
    """The folders of photographs and of masks in src; None for one that is not there."""
    children = {path.name.lower(): path for path in src.iterdir() if path.is_dir()} if src.is_dir() else {}
    images = [children[name] for name in IMAGE_FOLDERS if name in children]
    some_masks = [children[name] for name in MASK_FOLDERS
                  if name in children and common.visible(children[name], IMAGE_SUFFIXES)]
    return next(iter(images), None), next(iter(some_masks), None)


def read(src, chosen=None, foreground=None):
    """-> Source. `chosen`: Labels where there is no label map; `foreground`: the number that means class 1, with 0."""
    image_folder, mask_folder = find(src)
    if image_folder is None:
        raise InputError(f"{src}: {mask_folder.name} but no photographs: no folder images or JPEGImages "
                         "(in CVAT, export with 'Save images')")
    label_map = next((src / name for name in LABEL_MAPS if (src / name).is_file()), None)
    if label_map and chosen:
        raise InputError(f"--classes, but there is {label_map} as well; give one of them")
    labels = common.read_label_map(label_map) if label_map else chosen
    if labels is None and mask_folder.name == PARTS[1]:
        labels = [Label(name) for name in VOC_CLASSES]
    pairs, notes = paired(image_folder, mask_folder)
    labels, meaning = masks.understand(mask_folder, [mask for _, _, mask in pairs], labels, foreground)
    owner = LABEL_MAPS[label_map.name] if label_map else None
    if not owner and not meaning.colored and foreground is None and all((src / part).is_dir() for part in PARTS):
        raise InputError(f"{src}: is in VOC layout already; train on it: python -m minifcn.train --data {src}")
    known = [label for label in labels if label.name not in VOID_NAMES]
    classes = common.count_checked([label.name for label in known], label_map or src)
    colors = np.array([label.color for label in known], np.uint8) if all(label.color for label in known) else None
    listed = listed_splits(src)
    items = []
    for key, image, mask in pairs:
        split = listed.get(key) or common.split_of(image.parent.relative_to(src))
        items.append(Item(image, partial(lambda image: image, image), partial(masks.convert, mask, meaning), split))
    kind = f"{owner or f'{image_folder.name}/ and {mask_folder.name}/'}, {'colours' if meaning.colored else 'numbers'}"
    return Source(kind, classes, items, colors, notes)


def paired(image_folder, mask_folder):
    """Photographs and masks of one name -> [(key, image, mask)], and notes about those without a partner."""
    images, masks_by_key = _by_key(image_folder), _by_key(mask_folder)
    tail = max(TAILS, key=lambda tail: sum(key + tail in masks_by_key for key in images))
    pairs = [(key, path, masks_by_key[key + tail]) for key, path in images.items() if key + tail in masks_by_key]
    if not pairs:
        raise InputError(f"{mask_folder}: no mask is called like an image in {image_folder}: "
                         f"there {next(iter(images), 'nothing')}, here {next(iter(masks_by_key))}")
    alone = {"images left out for want of a mask": [key for key in images if key + tail not in masks_by_key],
             "masks left out for want of an image": sorted(set(masks_by_key) - {key + tail for key in images})}
    notes = [f"{what}: {len(keys)} ({', '.join([*keys[:3], *['...'] * (len(keys) > 3)])})"
             for what, keys in alone.items() if keys]
    return pairs, notes


def _by_key(folder):
    files = {}
    for path in common.visible(folder, IMAGE_SUFFIXES):
        key = path.relative_to(folder).with_suffix("").as_posix()
        if key in files:
            raise InputError(f"{path}: there is {files[key].name} as well; which of the two?")
        files[key] = path
    return files


def listed_splits(src):
    """{key: split} as lists in ImageSets/Segmentation say; CVAT's may be called Validation.txt."""
    splits = {}
    for path in sorted((src / PARTS[2]).glob("*.txt")):
        if split := common.split_of(path.relative_to(path.parent)):
            splits.update((key, split) for key in read_lines(path))
    return splits

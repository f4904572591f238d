"""The papers' models by the names of the authors' folders: what build() makes them of."""
from minifcn.preprocess import CONTEXT_MEAN, NYUD_MEAN, SIFTFLOW_MEAN, VOC_MEAN

SIZES = ("fcn32s", "fcn16s", "fcn8s")
VOC = {"body": "vgg16", "classes": 21, "preprocess": VOC_MEAN}

MODELS = {
    **{f"voc-{name}": {"name": name, **VOC} for name in (*SIZES, "fcn8s-atonce", "fcn32s-fixed")},
    **{f"voc-fcn-pool{i}": {"name": f"fcn-pool{i}", **VOC} for i in (5, 4, 3)},  # [PAMI table 3]
    "voc-fcn-alexnet": {"name": "fcn32s", **VOC, "body": "alexnet"},
    "voc-fcn-googlenet": {"name": "fcn32s", **VOC, "body": "googlenet"},  # in the papers only, never released
    **{f"pascalcontext-{name}": {"name": name, "body": "vgg16", "classes": 60, "preprocess": CONTEXT_MEAN}
       for name in SIZES},
    **{f"siftflow-{name}": {"name": name, "body": "vgg16", "classes": (33, 3), "preprocess": SIFTFLOW_MEAN}
       for name in SIZES},
    **{f"nyud-fcn32s-{modality}": {"name": "fcn32s", "body": "vgg16", "classes": 40, "modality": modality,
                                   "preprocess": mean} for modality, mean in NYUD_MEAN.items()},
    # [CVPR table 4], never released
    "nyud-fcn16s-color-hha": {"name": "fcn16s", "body": "vgg16", "classes": 40, "modality": "color-hha"},
}

"""python -m minifcn.recipes: how the authors trained each of their models, as options of python -m minifcn.train.

A recipe is a set of options under the name of the authors' folder [its solver.prototxt and solve.py]; whatever else is
said on the command line stands above it. Common to the VGG nets: SGD at a fixed rate, momentum 0.99, decay 0.0005, one
image a step drawn with replacement, the loss a sum over pixels, biases at twice the rate and without decay, nothing
varied. The authors scored after every round of steps, which is an epoch here.
"""
from dataclasses import dataclass, field

from minifcn.cli import Parser, run
from minifcn.nets.models import MODELS

HEAVY = {  # what PAMI calls heavy learning
    "batch": 1, "optimizer": "sgd", "schedule": "fixed", "momentum": 0.99, "weight_decay": 5e-4, "reduction": "sum",
    "multiplier": ["*.b=2,0"], "dropout": 0.5, "mirror": False, "seed": 1337,
}
VOC = {"dataset": "sbd", "split": "train", "val_dataset": "voc", "val_split": "seg11valid"}
CONTEXT = {"dataset": "context", "split": "train", "val_split": "val"}
NYUD = {"dataset": "nyud", "split": "trainval", "val_split": "test"}
SIFTFLOW = {"dataset": "siftflow", "split": "trainval", "val_split": "test"}
ILSVRC = "VGG16, trained on ILSVRC"


@dataclass(frozen=True)
class Recipe:
    """model: its name in MODELS; start: what its weights are to be, in words; options of train, by their names there.

    random: the options that are others where it starts from random weights, None where that cannot work.
    """

    model: str
    start: str
    options: dict
    random: dict | None = field(default=None)

    @property
    def goes_on(self):
        """Whether it starts from another of their models, score layers and all."""
        return self.start.partition(" ")[0] in MODELS


def _recipe(model, start, data, lr, rounds, steps, **other):
    made = MODELS[model]
    options = {**HEAVY, **data, "net": [made["name"]], "body": made["body"], "lr": [lr], "epochs": [rounds],
               "round": steps, "modality": made.get("modality", "color"), **other}
    return Recipe(model, start, options)


RECIPES = {
    "voc-fcn32s": _recipe("voc-fcn32s", ILSVRC, VOC, 1e-10, 25, 4000),
    "voc-fcn16s": _recipe("voc-fcn16s", "voc-fcn32s", VOC, 1e-12, 25, 4000),
    "voc-fcn8s": _recipe("voc-fcn8s", "voc-fcn16s", VOC, 1e-14, 25, 4000),
    "voc-fcn8s-atonce": _recipe("voc-fcn8s-atonce", ILSVRC, VOC, 1e-10, 75, 4000),
    # 20 images a step, one after the other, the loss a mean; only the score layer has the doubled rate for biases
    "voc-fcn-alexnet": _recipe("voc-fcn-alexnet", "CaffeNet, trained on ILSVRC", VOC, 1e-4, 25, 4000, momentum=0.9,
                               accumulate=20, reduction="mean", multiplier=["score_fr.b=2,0"]),
    **{f"pascalcontext-fcn{n}s": _recipe(f"pascalcontext-fcn{n}s", start, CONTEXT, lr, 50, 8000)
       for n, start, lr in ((32, ILSVRC, 1e-10), (16, "pascalcontext-fcn32s", 1e-12),
                            (8, "pascalcontext-fcn16s", 1e-14))},
    **{f"siftflow-fcn{n}s": _recipe(f"siftflow-fcn{n}s", start, SIFTFLOW, lr, 50, 2000)
       for n, start, lr in ((32, ILSVRC, 1e-10), (16, "siftflow-fcn32s", 1e-12), (8, "siftflow-fcn16s", 1e-12))},
    **{f"nyud-fcn32s-{modality}": _recipe(f"nyud-fcn32s-{modality}", ILSVRC, NYUD, 1e-10, 50, 2000)
       for modality in ("color", "hha", "color-d")},
    "nyud-fcn32s-color-hha": _recipe("nyud-fcn32s-color-hha", "nyud-fcn32s-color and nyud-fcn32s-hha", NYUD, 1e-12, 50,
                                     2000),
    # An evening: a body that is not touched at first, its features computed once [the papers' "only the last layer"],
    # then skips, then everything. The rates are ours: Adam, whose steps do not depend on how large gradients are.
    "voc-small": Recipe("voc-fcn8s-atonce", ILSVRC, {
        "dataset": "voc", "split": "train", "val_split": "val", "subset": 200, "val_subset": 100, "body": "vgg16",
        "net": ["fcn32s-fixed", "fcn8s-atonce-fixed", "fcn8s-atonce"], "epochs": [12, 8, 4],
        "lr": [1e-3, 1e-3, 1e-5], "equalise": True, "batch": 1, "mirror": False, "dropout": 0.5,
    }, random={"net": ["fcn32s", "fcn8s-atonce"], "epochs": [12, 8], "lr": [1e-4, 1e-4], "dropout": 0.0}),
}


def main(argv=None):
    p = Parser("python -m minifcn.recipes", "List the recipes of python -m minifcn.train --recipe NAME: what each "
               "starts from, on what it is trained, and how.", ["python -m minifcn.recipes"])
    p.parse_args(argv)
    print(overview())
    return 0


def overview():
    """The table of all recipes."""
    lines = [f"{'':24}{'starts from':40}{'data':10}{'lr':>8}{'momentum':>10}{'steps':>10}  loss"]
    for name, recipe in RECIPES.items():
        o = recipe.options
        steps = o["epochs"][0] * o["round"] if "round" in o else ""
        lines.append(f"{name:24}{recipe.start:40}{o['dataset']:10}{o['lr'][0]:8g}{o.get('momentum', 'adam'):>10}"
                     f"{steps:>10}  {o.get('reduction', 'mean')}")
    return "\n".join(lines)


if __name__ == "__main__":
    run(main)

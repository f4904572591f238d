"""Draw the row at the top of the README, with the shipped nets, and that of the lessons: python -m docs.pictures"""
from pathlib import Path

import minifcn
from lessons.draw import lesson01, show
from minifcn import plot, report
from minifcn.datasets import VOCSegmentation, harbour
from minifcn.evaluate import evaluate
from minifcn.metrics import ConfusionMatrix

models = {name: minifcn.load(f"harbour-{name}") for name in report.TITLES}
val = VOCSegmentation(harbour.root(), "val")
scored = [{"id": id_, "iu": {}} for id_ in val.ids]
for name, model in models.items():
    def each(i, truth, guess, name=name):
        scored[i]["iu"][name] = ConfusionMatrix(len(val.classes)).update(guess, truth).mean_iu

    evaluate(model, val, each=each)
gain = plot.choose_rows(scored, val.labels)[1]  # the median image, the largest gain from 32s to 8s, ...
row = report.row(models, val, gain["index"], gain["title"])
plot.predictions([row], val.classes, val.colors, Path(__file__).with_name("harbour.png"))

image, labels = val[20]
three = show(lesson01.tasks(image, labels, val.classes, val.colors, several=["person"]),
             "One scene three times: the names in it, boxes around them, every pixel in the colour of its class.")
Path(__file__).with_name("lessons.png").write_bytes(three.png)

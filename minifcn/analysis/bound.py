"""How coarse may a prediction be? The truth itself, made coarse and scored [PAMI 6.3; CVPR's long version, appendix A].

On VOC its mean IU hardly falls down to the steps of real nets, which score far lower: what limits these is telling
things apart, not their resolution. And thin things and exact borders count for little in mean IU.
"""
from minifcn.metrics import resolution_bound
from minifcn.scoring import empty_matrices, of_kind

PUBLISHED = {128: 50.9, 64: 73.3, 32: 86.1, 16: 92.8, 8: 96.4, 4: 98.5}  # factor: mean IU in percent, on seg11valid
NOTE = ("a mark rather than a bound: other numbers in cells as coarse can draw the truth better; and how the papers "
        "resampled is not stated")


def bound(dataset, progress=None):
    """{factor: ConfusionMatrix} of a data set's labels, resampled by metrics.resolution_bound at the papers' factors.

    Of two kinds of labels the first is taken. progress() is called after every image.
    """
    matrices = {factor: empty_matrices(dataset)[0] for factor in PUBLISHED}
    kinds = len(empty_matrices(dataset))
    for i in range(len(dataset)):
        labels = of_kind(dataset.labels(i), 0, kinds)
        for factor, matrix in matrices.items():
            matrix.update(resolution_bound(labels, matrix.classes, factor), labels)
        if progress:
            progress()
    return matrices


def table(matrices):
    """Mean IU in percent at every factor, the papers' beneath -> text."""
    rows = {"factor": [f"{factor:8}" for factor in matrices],
            "mean IU": [f"{100 * matrix.mean_iu:8.1f}" for matrix in matrices.values()],
            "PAMI 6.3, VOC": [f"{PUBLISHED[factor]:8.1f}" for factor in matrices]}
    return "\n".join(f"{name:14}" + "".join(values) for name, values in rows.items())

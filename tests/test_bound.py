"""The truth made coarse, over a whole data set."""
import numpy as np
import pytest
from tiny_runs import folder

from minifcn.analysis.bound import PUBLISHED, bound, table
from minifcn.datasets import VOCSegmentation
from minifcn.metrics import ConfusionMatrix, resolution_bound


@pytest.fixture(scope="module")
def val(tmp_path_factory):
    return VOCSegmentation(folder(tmp_path_factory.mktemp("data"), train=1, val=3), "val")


class TwoKinds:
    """Semantic and geometric labels side by side, one class left out of the semantic means."""

    classes, left_out = (("sky", "sea", "cow"), ("far", "near")), ((2,), ())

    def __len__(self):
        return 2

    def labels(self, i):
        semantic = np.zeros((33, 41), np.uint8)
        semantic[:20 + i] = 1
        return np.stack([semantic, 1 - semantic], axis=2)


def test_one_matrix_over_all_images_for_every_factor_of_the_papers(val):
    seen = []
    found = bound(val, lambda: seen.append(1))
    assert list(found) == list(PUBLISHED) == [128, 64, 32, 16, 8, 4] and len(seen) == 3
    for factor, matrix in found.items():
        wanted = ConfusionMatrix(3)
        for i in range(3):
            wanted.update(resolution_bound(val.labels(i), 3, factor), val.labels(i))
        np.testing.assert_array_equal(matrix.counts, wanted.counts)


def test_finer_cells_keep_more(val):
    kept = [matrix.mean_iu for matrix in bound(val).values()]
    assert kept[2:] == sorted(kept[2:]) and kept[2] < kept[-1] < 1


def test_of_two_kinds_of_labels_the_first_is_taken():
    found = bound(TwoKinds())[4]
    assert found.counts.shape == (3, 3) and found.left_out == (2,) and found.counts.sum() == 2 * 33 * 41


def test_the_papers_figures_stand_beneath(val):
    factors, mine, papers = table(bound(val)).splitlines()
    assert factors.split() == ["factor", "128", "64", "32", "16", "8", "4"]
    assert papers.split()[-6:] == ["50.9", "73.3", "86.1", "92.8", "96.4", "98.5"]
    assert float(mine.split()[-1]) == pytest.approx(100 * bound(val)[4].mean_iu, abs=0.05)
    assert len(factors) == len(mine) == len(papers)

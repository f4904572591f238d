"""What a run says before its first step: above all, how much memory a step will take."""
import tracemalloc

import numpy as np
import pytest
from tiny_runs import folder

from minifcn import announce, arguments, backend, estimate, plan, rundata, stage
from minifcn.nets import build
from minifcn.nets.memory import step_bytes
from minifcn.optim import SGD, Adam
from minifcn.step import Step


@pytest.mark.parametrize("net, classes, body, optimizer", [("fcn8s", 7, 0, Adam), ("fcn32s", 21, 0, SGD),
                                                           ("fcn8s", 7, 1, Adam)])
@pytest.mark.parametrize("shape", [(1, 150, 201), (6, 64, 81)])
def test_the_memory_announced_is_about_what_a_step_takes(net, classes, body, optimizer, shape, rng):
    """Beside the threads' buffers, which are not announced: the first of these steps has made them."""
    n, height, width = shape
    x = rng.standard_normal((n, 3, height, width), dtype=np.float32)
    labels = rng.integers(0, classes, (n, height, width)).astype(np.uint8)

    def two_steps():
        made = build(net, "mini", classes)
        if body:
            made.freeze_body()
        steps, stepper = optimizer(made.params, 1e-3), Step(made)
        for _ in range(2):
            _, grads = stepper.gradients(iter([(x, labels)]), 1, (0, 0, 0))
            steps.step(grads)
        return made

    with backend.single_threaded_blas():
        two_steps()
        tracemalloc.start()
        announced = step_bytes(two_steps(), n, height, width, slots=2 if optimizer is Adam else 1)
    measured = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.6 < announced / measured < 1.6


def made(tmp_path, *options):
    """A run that has not begun."""
    args = arguments.parse(["--data", str(folder(tmp_path)), "--out", "nowhere", *map(str, options)])
    data = rundata.open_data(args)
    return stage.Run(args, data, plan.plan(args, data.pixels(args)), plan.net_options(args), None, "cpu")


@pytest.mark.parametrize("options, side", [((), (41, 45)), (("--scale",), (62, 68)), (("--crop", 30), (30, 30)),
                                           (("--crop", 43), (41, 43)), (("--max-side", 20), (18, 20))])
def test_memory_is_announced_for_the_largest_batch_that_can_come(tmp_path, monkeypatch, options, side):
    asked = []
    monkeypatch.setattr(announce, "step_bytes", lambda net, n, height, width, slots: asked.append((height, width)) or 0)
    announce.announce(made(tmp_path, *options), "")
    assert set(asked) == {side}


@pytest.mark.parametrize("options, trained, whole", [((), (41, 33), (41, 33)), (("--crop", 20), (20, 20), (41, 33)),
                                                     (("--scale",), (45, 36), (41, 33)),
                                                     (("--scale", "--crop", 43), (43, 36), (41, 33)),
                                                     (("--max-side", 20), (20, 16), (20, 16))])
def test_a_step_is_measured_at_the_size_of_training_and_scoring_at_that_of_whole_images(
        tmp_path, monkeypatch, options, trained, whole):
    asked = []
    monkeypatch.setattr(announce, "measure", lambda net, n, trained, whole, device: (
        asked.append((trained, whole)) or estimate.Seconds(1, 1, 1)))
    announce.announce(made(tmp_path, *options), "")
    assert set(asked) == {(trained, whole)}


def test_median_weights_are_median_frequency_over_frequency():
    """A class counts in the images that have it: half of one, a tenth of another, seven tenths of both."""
    found = rundata.median_weights(np.array([[50, 0, 0, 50], [0, 0, 10, 90]]))
    np.testing.assert_allclose(found, np.float32([1, 0, 5, 0.5 / 0.7]), rtol=1e-6)
    assert found.dtype == np.float32

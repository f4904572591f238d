"""Steps downhill."""
import numpy as np
import pytest

from minifcn.backend import to_numpy
from minifcn.optim import SGD, Adam, Cosine


@pytest.fixture
def example(rng):
    """example() draws parameters or their gradients, by name."""
    shapes = {"conv1.w": (3, 2, 4), "conv1.b": (3,)}

    def draw(dtype=np.float64):
        return {name: rng.normal(size=shape).astype(dtype) for name, shape in shapes.items()}

    return draw


def run(optimizer_class, xp, params, steps, **options):
    """Parameters after some steps, as NumPy arrays."""
    params = {name: xp.asarray(w.copy()) for name, w in params.items()}
    optimizer = optimizer_class(params, **options)
    for grads in steps:
        optimizer.step({name: xp.asarray(g) for name, g in grads.items()})
    return {name: to_numpy(w) for name, w in params.items()}


def assert_same(found, wanted):
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-12)


def test_sgd_takes_caffes_steps(example, xp):
    params, steps = example(), [example() for _ in range(3)]
    wanted = {}
    for name, w in params.items():
        v = 0
        for grads in steps:
            v = 0.9 * v + 0.1 * (grads[name] + 0.01 * w)
            w = w - v
        wanted[name] = w
    assert_same(run(SGD, xp, params, steps, lr=0.1, momentum=0.9, weight_decay=0.01), wanted)


def test_adam_takes_kingmas_and_bas_steps(example, xp):
    params, steps = example(), [example() for _ in range(3)]
    wanted = {}
    for name, w in params.items():
        m = s = 0
        for t, grads in enumerate(steps, 1):
            g = grads[name] + 0.01 * w
            m, s = 0.8 * m + 0.2 * g, 0.99 * s + 0.01 * g**2
            w = w - 0.1 * (m / (1 - 0.8**t)) / (np.sqrt(s / (1 - 0.99**t)) + 1e-8)
        wanted[name] = w
    assert_same(run(Adam, xp, params, steps, lr=0.1, betas=(0.8, 0.99), weight_decay=0.01), wanted)


def test_plain_gradient_descent_is_sgd_without_momentum(example, xp):
    params, grads = example(), example()
    wanted = {name: params[name] - 0.5 * grads[name] for name in params}
    assert_same(run(SGD, xp, params, [grads], lr=0.5, momentum=0), wanted)


@pytest.mark.parametrize("optimizer", [SGD, Adam])
def test_multipliers_are_factors_of_rate_and_decay_by_name_and_the_last_match_counts(example, xp, optimizer):
    params, steps = example(), [example() for _ in range(2)]
    multiplied = run(optimizer, xp, params, steps, lr=0.1, weight_decay=0.3, multipliers={"*": (5, 5), "*.b": (2, 0)})
    biases = run(optimizer, xp, params, steps, lr=0.2, weight_decay=0.0)
    weights = run(optimizer, xp, params, steps, lr=0.5, weight_decay=1.5)
    assert_same(multiplied, {"conv1.w": weights["conv1.w"], "conv1.b": biases["conv1.b"]})


def test_a_multiplier_that_matches_nothing_is_an_error():
    with pytest.raises(ValueError, match=r"'\*\.c', which matches none of a\.w, a\.b"):
        SGD({"a.w": np.ones(1), "a.b": np.ones(1)}, lr=1, multipliers={"*.c": (1, 1)})


@pytest.mark.parametrize("optimizer", [SGD, Adam])
class TestBoth:
    def test_steps_are_in_place(self, example, xp, optimizer):
        params = {name: xp.asarray(w) for name, w in example().items()}
        live = dict(params)
        optimizer(params, lr=0.1).step({name: xp.asarray(g) for name, g in example().items()})
        assert all(params[name] is live[name] for name in live)

    def test_only_names_in_the_gradients_move(self, example, xp, optimizer):
        params, grads = example(), example()
        moved = run(optimizer, xp, params, [{"conv1.w": grads["conv1.w"]}], lr=0.1, weight_decay=0.1)
        assert (moved["conv1.w"] != params["conv1.w"]).all()
        np.testing.assert_array_equal(moved["conv1.b"], params["conv1.b"])

    def test_a_gradient_of_none_is_skipped(self, optimizer):
        w = np.ones(3)
        optimizer({"w": w}, lr=0.1, weight_decay=0.1).step({"w": None})
        np.testing.assert_array_equal(w, 1)

    def test_gradients_are_not_written_to(self, optimizer):
        g = np.ones(3)
        g.flags.writeable = False
        params = {"w": np.ones(3)}
        for _ in range(2):
            optimizer(params, lr=0.1, weight_decay=0.1).step({"w": g})

    def test_the_dtype_stays(self, example, xp, optimizer):
        params, steps = example(np.float32), [example(np.float32) for _ in range(2)]
        w = run(optimizer, xp, params, steps, lr=0.1, weight_decay=0.1)["conv1.w"]
        assert w.dtype == np.float32

    def test_a_step_does_not_wait_for_the_gpu(self, example, cupy, optimizer):
        from cupy_standin import waits

        params, grads = ({name: cupy.asarray(a) for name, a in example().items()} for _ in range(2))
        optimizer = optimizer(params, lr=0.1, weight_decay=0.1)
        waits.clear()
        optimizer.step(grads)
        assert not waits

    def test_the_state_is_all_that_is_needed_to_go_on(self, example, optimizer):
        params, steps = example(), [example() for _ in range(4)]
        wanted = run(optimizer, np, params, steps, lr=0.1)
        halfway = {name: w.copy() for name, w in params.items()}
        first = optimizer(halfway, lr=0.1)
        for grads in steps[:2]:
            first.step(grads)
        second = optimizer(halfway, lr=0.1)
        second.state = {name: array.copy() for name, array in first.state.items()}
        if optimizer is Adam:
            second.steps = first.steps
        for grads in steps[2:]:
            second.step(grads)
        for name in wanted:
            np.testing.assert_array_equal(halfway[name], wanted[name])

    def test_it_finds_the_bottom_of_a_bowl(self, optimizer):
        w = np.array([3.0, -2.0])
        descent = optimizer({"w": w}, lr=0.05)
        for _ in range(500):
            descent.step({"w": 2 * (w - [1, 4])})
        np.testing.assert_allclose(w, [1, 4], atol=1e-3)


def test_the_cosine_falls_from_lr_to_almost_0():
    rates = [Cosine(0.4, steps=100)(step) for step in range(100)]
    assert rates[0] == 0.4 and rates[50] == pytest.approx(0.2) and 0 < rates[-1] < 0.001
    assert rates == sorted(rates, reverse=True)


def test_the_cosine_rises_linearly_while_warming_up():
    plain, warm = Cosine(1.0, steps=50), Cosine(1.0, steps=50, warmup=4)
    assert [warm(step) / plain(step) for step in range(6)] == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])

"""A run that was stopped or killed, at whatever instant, goes on to the same bits as one that never was."""
import csv
import json
import os
import shutil
import signal
import time

import pytest
from tiny_runs import assert_same_bits, done, folder, process, refused, run, weights

from minifcn import checkpoint, plot, report, train
from minifcn.step import Step

# every option that draws random numbers, an epoch that the batches do not divide, an optimiser with a state
OPTIONS = ("--epochs", 4, "--batch", 2, "--scale", "--crop", 36, "--dropout", 0.2, "--seed", 5)
NETS = ("fcn32s", "fcn16s", "fcn8s")


class Killed(BaseException):
    """What no part of the program catches."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return folder(tmp_path_factory.mktemp("data") / "shapes", train=5)


@pytest.fixture(scope="module", autouse=True)
def quick():
    """No pictures: drawing them takes longer than training a tiny net."""
    with pytest.MonkeyPatch.context() as patch:
        for draw in ("curves", "confusion", "predictions", "worst"):
            patch.setattr(plot, draw, lambda *args: None)
        yield


@pytest.fixture(scope="module")
def unbroken(data, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "unbroken"
    done(train, "--data", data, *OPTIONS, "--out", out)
    return out


def log(out):
    with open(out / "log.csv", newline="") as file:
        return [{name: value for name, value in row.items() if name != "seconds"} for row in csv.DictReader(file)]


def assert_same_run(out, unbroken):
    for name in (*NETS, "best", "last"):
        mine, other = (checkpoint.read(folder / f"{name}.safetensors") for folder in (out, unbroken))
        assert_same_bits(mine.params, other.params)
        assert_same_bits(mine.optimizer, other.optimizer)
        for meta in (mine.meta, other.meta):
            del meta["state"]["seconds"]
        assert mine.meta == other.meta
    assert log(out) == log(unbroken)
    assert (out / "results.json").read_bytes() == (unbroken / "results.json").read_bytes()


def killed(monkeypatch, module, name, call, *argv, half=False):
    """Whether a run died at that call of module.name; with half=True it leaves half of the file it was writing."""
    calls = 0
    real = getattr(module, name)

    def dies(*args, **options):
        nonlocal calls
        calls += 1
        if calls == call:
            if half:
                beside, path = args
                written = beside.read_bytes()
                path.with_name(f".{path.name}.1.tmp").write_bytes(written[:len(written) // 2])
            raise Killed
        return real(*args, **options)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, dies)
        try:
            run(train, *argv)
        except Killed:
            return True
    return False


# ---- killed

@pytest.mark.parametrize("call", range(1, 17))  # a run writes as many, and one more for each better net
def test_killed_while_it_writes_a_file(data, unbroken, tmp_path, monkeypatch, call):
    """Each file in turn: the options, the first state, a row of the log, the best net, ..., the results."""
    out = tmp_path / "run"
    start = ("--data", data, *OPTIONS, "--out", out)
    assert killed(monkeypatch, os, "replace", call, *start, half=True)
    for path in out.glob("[!.]*.safetensors"):
        checkpoint.read(path)  # whatever is there is whole
    done(train, *(start if call == 1 else ("--resume", out)))
    assert_same_run(out, unbroken)


@pytest.mark.parametrize("call", [1, 2, 4, 5, 6, 8])
def test_killed_in_the_middle_of_an_epoch(data, unbroken, tmp_path, monkeypatch, call):
    """Two steps an epoch, eight in all, a state saved at each of them."""
    out = tmp_path / "run"
    assert killed(monkeypatch, Step, "gradients", call, "--data", data, *OPTIONS, "--save-every", 0, "--out", out)
    done(train, "--resume", out)
    assert_same_run(out, unbroken)


def test_killed_again_and_again(data, unbroken, tmp_path, monkeypatch):
    """A run of which no process ever takes more than three steps comes to its end."""
    out = tmp_path / "run"
    argv, lives = ("--data", data, *OPTIONS, "--out", out), 0
    while killed(monkeypatch, Step, "gradients", 4, *argv, "--save-every", 0):
        argv, lives = ("--resume", out), lives + 1
    assert lives >= 2
    assert_same_run(out, unbroken)


def test_killed_while_it_draws_its_pictures(data, unbroken, tmp_path, monkeypatch):
    """Not a step is taken again."""
    out = tmp_path / "run"
    assert killed(monkeypatch, report, "finish", 1, "--data", data, *OPTIONS, "--out", out)
    assert not killed(monkeypatch, Step, "gradients", 1, "--resume", out)
    assert_same_run(out, unbroken)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
@pytest.mark.parametrize("wait", [0.3, 0.7, 1.0])
def test_killed_by_the_system(data, unbroken, tmp_path, wait):
    """At no instant in particular: while it imports, reads, trains or writes."""
    out = tmp_path / "run"
    start = ("--data", data, *OPTIONS, "--save-every", 0, "--out", out)
    running = process("train", *start)
    time.sleep(wait)
    running.kill()
    running.communicate()
    done(train, *(("--resume", out) if (out / "arguments.json").exists() else start))
    assert_same_run(out, unbroken)


@pytest.mark.parametrize("call, net, before", [(5, "fcn16s", "fcn32s"), (7, "fcn8s", "fcn16s")])
def test_a_stage_starts_as_what_the_one_before_has_learned(data, tmp_path, monkeypatch, call, net, before):
    """Seen in the state saved before its first step: what is new is zero."""
    out = tmp_path / "run"
    killed(monkeypatch, Step, "gradients", call, "--data", data, *OPTIONS, "--out", out)
    last, learned = checkpoint.read(out / "last.safetensors"), weights(out / f"{before}.safetensors")
    assert last.meta["net"] == net and not last.optimizer
    new = {name: last.params.pop(name) for name in set(last.params) - set(learned)}
    assert_same_bits(last.params, learned)
    assert len(new) == 2 and not any(value.any() for value in new.values())


# ---- stopped

@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_ctrl_c_or_sigterm(data, tmp_path, number):
    options = ("--data", data, "--net", "fcn32s", "--epochs", 40, "--batch", 2)
    out = tmp_path / "run"
    running = process("train", *options, "--out", out)
    while "epoch   2/40" not in running.stdout.readline():  # each line comes when it is printed, through a pipe too
        pass
    running.send_signal(number)
    said, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number
    assert said.endswith(f"stopped and saved; go on with: python -m minifcn.train --resume {out}\n")
    assert "\nstopping after this step\n" in errors and "Traceback" not in errors
    last = checkpoint.read(out / "last.safetensors").meta["state"]
    assert 2 <= last["epoch"] < 40

    done(train, "--resume", out)
    done(train, *options, "--out", tmp_path / "unbroken")
    assert_same_bits(weights(out / "fcn32s.safetensors"), weights(tmp_path / "unbroken/fcn32s.safetensors"))
    assert log(out) == log(tmp_path / "unbroken")


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_sends_ctrl_c_to_the_second_process_too(tmp_path, number):
    """On Harbour, whose batches are divided. Both finish the step in hand; one process goes on as two would."""
    options, out = ("--net", "fcn32s", "--subset", 16, "--val-subset", 2, "--epochs", 6), tmp_path / "run"
    running = process("train", *options, "--threads", 2, "--out", out, start_new_session=True)
    while "epoch   1/6" not in running.stdout.readline():
        pass
    os.killpg(running.pid, number)
    said, errors = running.communicate(timeout=60)
    assert running.returncode == 128 + number and "stopped and saved" in said
    assert "\nstopping after this step\n" in errors and "Traceback" not in errors and "second process" not in errors
    done(train, "--resume", out, "--threads", 1)
    done(train, *options, "--threads", 2, "--out", tmp_path / "unbroken")
    assert_same_bits(weights(out / "fcn32s.safetensors"), weights(tmp_path / "unbroken/fcn32s.safetensors"))


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_is_no_longer_caught(number, capfd):
    before = signal.getsignal(number)
    with train.Stop() as stop:
        os.kill(os.getpid(), number)
        assert stop.signal == number and signal.getsignal(number) is before
    assert "stopping after this step" in capfd.readouterr().err


def test_a_signal_at_any_step_is_obeyed_at_that_step(data, unbroken, tmp_path, monkeypatch):
    """The state is saved even where --save-every would not."""
    out, steps = tmp_path / "run", []
    real = Step.gradients

    def signalled(*args):
        steps.append(1)
        if len(steps) in (3, 5, 6):
            signal.raise_signal(signal.SIGTERM)
        return real(*args)

    monkeypatch.setattr(Step, "gradients", signalled)
    assert run(train, "--data", data, *OPTIONS, "--out", out).status == 128 + signal.SIGTERM
    assert len(steps) == 3
    for count in (5, 6):
        assert run(train, "--resume", out).status == 128 + signal.SIGTERM
        assert len(steps) == count
    done(train, "--resume", out)
    assert_same_run(out, unbroken)


def signal_at_scoring(monkeypatch, call):
    """Let a signal come when the net is scored for the call-th time."""
    calls, real = [], train.score

    def signalled(*args):
        calls.append(1)
        if len(calls) == call:
            signal.raise_signal(signal.SIGINT)
        return real(*args)

    monkeypatch.setattr(train, "score", signalled)


@pytest.mark.parametrize("call", [1, 2, 3, 4])
def test_a_signal_while_the_net_is_scored_is_obeyed_within_an_image_and_no_step_is_taken_again(
        data, unbroken, tmp_path, monkeypatch, call):
    out, steps, real = tmp_path / "run", [], Step.gradients
    monkeypatch.setattr(Step, "gradients", lambda *args: steps.append(1) or real(*args))
    with monkeypatch.context() as patch:
        signal_at_scoring(patch, call)
        assert run(train, "--data", data, *OPTIONS, "--out", out).status == 128 + signal.SIGINT
    assert checkpoint.read(out / "last.safetensors").meta["state"]["step"] == 2 and len(steps) == 2 * call
    assert len(log(out)) == call - 1 if call > 1 else not (out / "log.csv").exists()
    done(train, "--resume", out)
    assert len(steps) == 8
    assert_same_run(out, unbroken)


def test_a_net_that_its_last_step_ruined_is_not_saved_by_a_signal_either(data, tmp_path, monkeypatch):
    signal_at_scoring(monkeypatch, 1)
    message = refused(train, "--data", data, "--net", "fcn8s", "--epochs", 1, "--batch", 5, "--optimizer", "sgd",
                      "--lr", "1e30", "--no-mirror", "--out", tmp_path / "run")
    assert "not finite" in message
    assert checkpoint.read(tmp_path / "run/last.safetensors").meta["state"]["step"] == 0


# ---- what --resume takes

def test_a_finished_run_prints_its_table_again(unbroken):
    text = done(train, "--resume", unbroken)
    assert "this run is finished" in text
    assert json.loads((unbroken / "results.json").read_text())["table"] in text


@pytest.mark.parametrize("option", [("--epochs", 9), ("--lr", 0.1), ("--no-mirror",), ("--data", "x"), ("--seed", 0),
                                    ("--out", "elsewhere")])
def test_other_options_are_refused(unbroken, option):
    message = refused(train, "--resume", unbroken, *option)
    assert option[0].replace("--no-", "--") in message and "cannot be changed" in message


def test_where_it_runs_and_how_often_it_saves_may_be_said_anew(data, unbroken, tmp_path, monkeypatch):
    out = tmp_path / "run"
    killed(monkeypatch, Step, "gradients", 3, "--data", data, *OPTIONS, "--threads", 1, "--out", out)
    done(train, "--resume", out, "--threads", 2, "--device", "cpu", "--save-every", 1)
    assert_same_run(out, unbroken)


def test_a_run_goes_on_from_another_folder_and_after_its_own_was_moved(data, unbroken, tmp_path, monkeypatch):
    monkeypatch.chdir(data.parent)
    killed(monkeypatch, Step, "gradients", 3, "--data", data.name, *OPTIONS, "--out", tmp_path / "run")
    shutil.move(tmp_path / "run", tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    done(train, "--resume", "moved")
    assert_same_run(tmp_path / "moved", unbroken)


def test_a_folder_without_a_run_is_refused(tmp_path):
    assert "arguments.json" in refused(train, "--resume", tmp_path)
    assert "arguments.json" in refused(train, "--resume", tmp_path / "missing")


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", "null", "\ud800"])
def test_damaged_options_are_refused(tmp_path, text):
    (tmp_path / "arguments.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "damaged" in refused(train, "--resume", tmp_path)


def test_other_data_than_before_are_refused(data, tmp_path, monkeypatch):
    mine = shutil.copytree(data, tmp_path / "shapes")
    out = tmp_path / "run"
    killed(monkeypatch, Step, "gradients", 3, "--data", mine, *OPTIONS, "--out", out)
    (mine / "ImageSets/Segmentation/train.txt").write_text("t0\nt1\n")
    message = refused(train, "--resume", out)
    assert "trained on 5 images" in message and "has 2" in message


def test_a_last_state_of_another_kind_is_refused(data, tmp_path, monkeypatch):
    out = tmp_path / "run"
    killed(monkeypatch, Step, "gradients", 7, "--data", data, *OPTIONS, "--out", out)
    last = out / "last.safetensors"
    shutil.copy(out / "fcn32s.safetensors", last)
    assert "last.safetensors" in refused(train, "--resume", out)
    last.write_bytes(last.read_bytes()[:5000])
    assert "damaged" in refused(train, "--resume", out)

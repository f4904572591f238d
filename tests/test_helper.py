"""The second process: what goes there and comes back, and what happens when it or we are in trouble."""
import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from minifcn import helper
from minifcn.helper import Helper, Lost


class Hidden:
    """Not to be found in the second process: as a class of a notebook."""


Hidden.__module__ = "__main__"


class Thing:
    """Something to be copied; the second process finds it by its module's name."""

    def __init__(self, factor=2):
        self.factor = factor

    def times(self, *arrays):
        return [self.factor * a for a in arrays]

    def refuse(self):
        raise ValueError("this thing refuses")

    def say(self, text):
        print(text)
        os.write(1, text.encode())  # as a library of C would
        return os.getpid()

    def die(self):
        os._exit(3)

    def unpicklable(self):
        return lambda: None


@pytest.fixture(params=["shared memory", "pipes alone"])
def way(request, monkeypatch):
    """Both ways for arrays to travel; the second is that of systems without memfd_create."""
    if request.param == "pipes alone":
        monkeypatch.delattr(os, "memfd_create", raising=False)
    elif not hasattr(os, "memfd_create"):
        pytest.skip("this system has no memory without a name")
    helper.stop()
    yield
    helper.stop()


def here():
    return "mine"


def second_pid(thing):
    return thing.both(here, "say", "")[1]


def test_both_are_computed_and_arrays_come_and_go(way, rng):
    arrays = [rng.normal(size=(3, 5)), rng.normal(size=(4, 6)).astype(np.float32)[:, ::-2], np.empty((0, 2)),
              rng.normal(size=(5, 7)).T, np.float32(3)]
    mine, theirs = Helper(Thing()).both(here, "times", *arrays)
    assert mine == "mine"
    for a, b in zip(arrays, theirs, strict=True):
        assert b.shape == a.shape and np.asarray(b).tobytes() == np.asarray(2.0 * a).tobytes()


def test_larger_and_smaller_messages_follow_one_another(way, rng):
    thing = Helper(Thing())
    for size in (3, 10**6, 17, 3 * 10**6, 1):
        a = rng.normal(size=size)
        np.testing.assert_array_equal(thing.both(here, "times", a)[1][0], 2 * a)


def test_what_was_sent_first_is_kept_whatever_is_sent_later(way, rng):
    """The thing's own arrays do not lie where those of messages do."""
    thing = Thing()
    thing.factor = np.full(1000, 3.0)
    copy = Helper(thing)
    for _ in range(3):
        np.testing.assert_array_equal(copy.both(here, "times", np.full(1000, 5.0))[1][0], np.full(1000, 15.0))


def test_things_take_turns_in_one_process(way):
    first, second = Helper(Thing(2)), Helper(Thing(5))
    assert [h.both(here, "times", 10.0)[1] for h in (first, second, first)] == [[20.0], [50.0], [20.0]]
    assert second_pid(first) == second_pid(second) != os.getpid()


def test_what_fails_there_is_told(way):
    thing = Helper(Thing())
    with pytest.raises(Lost, match="ValueError: this thing refuses"):
        thing.both(here, "refuse")
    assert thing.both(here, "times", 1.0) == ("mine", [2.0])


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
def test_what_fails_here_is_raised_and_no_answer_of_it_comes_later(way, error):
    thing = Helper(Thing())

    def fails():
        raise error

    with pytest.raises(error):
        thing.both(fails, "times", 10.0)
    assert thing.both(here, "times", 1.0) == ("mine", [2.0])


def interrupted(call, at):
    """call(), with a Ctrl-C on the at-th line that it runs through in helper.py; whether it got that far."""
    seen = 0

    def trace(frame, event, arg):
        nonlocal seen
        if frame.f_code.co_filename != helper.__file__ or frame.f_code.co_name == "stop":
            return None
        seen += event == "line"
        if seen == at:
            sys.settrace(None)
            raise KeyboardInterrupt
        return trace

    sys.settrace(trace)
    try:
        call()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(None)
    return False


def test_interrupted_anywhere_no_answer_is_taken_for_that_of_a_later_call(way):
    thing, lines = Helper(Thing()), 1
    while interrupted(lambda: thing.both(here, "times", np.full(3, 10.0)), lines):
        try:
            np.testing.assert_array_equal(thing.both(here, "times", np.ones(3))[1][0], np.full(3, 2.0))
        except Lost as error:  # where the lock was about to be released, nobody has it any more
            assert "another thread" in str(error)
            helper._second["lock"].release()
        lines += 11  # all of them, a start of Python each, would take long
    assert lines > 20


def test_threads_do_not_get_one_anothers_answers(way):
    found = []

    def calls(factor):
        thing = Helper(Thing(factor))
        for k in range(50):
            try:
                mine, (theirs,) = thing.both(lambda k=k: k, "times", float(k))
                found.append((mine, theirs) == (k, factor * k))
            except Lost as error:
                assert "another thread is using it" in str(error)

    threads = [threading.Thread(target=calls, args=(factor,)) for factor in (2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found and all(found)


@pytest.mark.parametrize("thing, why", [(Hidden(), "get attribute 'Hidden'"), (lambda: None, "pickle")])
def test_what_cannot_be_sent_is_lost_and_nothing_else_is(way, monkeypatch, thing, why):
    monkeypatch.setattr(sys.modules["__main__"], "Hidden", Hidden, raising=False)
    with pytest.raises(Lost, match=why):
        Helper(thing).both(here, "times", 1.0)
    with pytest.raises(Lost, match=why):
        Helper(Thing()).both(here, "times", thing)
    assert Helper(Thing()).both(here, "times", 1.0) == ("mine", [2.0])


@pytest.mark.parametrize("method, status", [("die", 3), ("unpicklable", 1)])
def test_a_process_that_ends_is_told_of_and_another_one_takes_over(way, method, status):
    thing = Helper(Thing())
    pid = second_pid(thing)
    with pytest.raises(Lost, match=f"it ended, exit status {status}"):
        thing.both(here, method)
    assert second_pid(thing) != pid


def test_killed_while_it_waits(way):
    thing = Helper(Thing())
    os.kill(second_pid(thing), getattr(signal, "SIGKILL", signal.SIGTERM))
    time.sleep(0.2)
    with pytest.raises(Lost):
        thing.both(here, "times", np.ones(10**6))
    assert thing.both(here, "times", 1.0) == ("mine", [2.0])


def test_where_memory_without_a_name_is_refused_pipes_do(monkeypatch):
    def refuses(name):
        raise OSError("not here")

    monkeypatch.setattr(os, "memfd_create", refuses, raising=False)
    helper.stop()
    assert Helper(Thing()).both(here, "times", 1.0) == ("mine", [2.0])
    helper.stop()


def test_where_no_process_can_be_started(way, monkeypatch):
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(Lost, match="cannot start another"):
        Helper(Thing()).both(here, "times", 1.0)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(Lost, match="nowhere"):
        Helper(Thing()).both(here, "times", 1.0)
    monkeypatch.undo()
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    with pytest.raises(Lost, match="cannot start another"):
        Helper(Thing()).both(here, "times", 1.0)


def test_what_it_prints_is_no_answer(way, capfd):
    thing = Helper(Thing())
    assert isinstance(thing.both(here, "say", "something to read")[1], int)
    assert "something to read" in capfd.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="signals are sent as POSIX has them")
def test_signals_that_the_run_obeys_do_not_stop_it(way):
    thing = Helper(Thing())
    pid = second_pid(thing)
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(pid, number)
    assert second_pid(thing) == pid


@pytest.mark.skipif(os.name != "posix", reason="processes are asked for as POSIX has them")
@pytest.mark.parametrize("end", ["pass", "os.kill(os.getpid(), 9)", "os._exit(0)"])
def test_it_ends_with_the_process_that_started_it(end):
    code = ("import os, sys; sys.path.insert(0, 'tests')\nfrom test_helper import Helper, Thing, second_pid\n"
            f"print(second_pid(Helper(Thing())), flush=True)\n{end}")
    pid = int(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60).stdout)
    for _ in range(100):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail("the second process goes on without the first")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_starts_one_of_its_own(way):
    thing = Helper(Thing())
    pid = second_pid(thing)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.write(writer, str(second_pid(thing)).encode())
        helper.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert int(os.read(reader, 100)) != pid and second_pid(thing) == pid
    os.close(reader)
    os.close(writer)

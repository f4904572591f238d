"""A second process with a copy of an object, whose methods are called there while this process goes on.

Python runs one thread at a time between two calls of NumPy; a process of its own waits for nobody. What travels is
pickled, through the pipes between a process and the child that it has itself started.
"""
import atexit
import contextlib
import mmap
import os
import pickle
import subprocess
import sys
import threading
import warnings

HOLD = "hold"  # in place of a method's name: keep this thing from now on


class Lost(Exception):
    """There is no second process, or it failed; the message says why."""


class Helper:
    """A copy of `thing` in the second process. There is one such process, started when first needed and kept."""

    def __init__(self, thing):
        self._thing = thing

    def both(self, here, method, *args):
        """(here(), what thing.method(*args) of the copy returns), both computed at the same time. Raises Lost.

        Arrays of the answer are valid until the next call.
        """
        lock = _second["lock"]
        if not lock.acquire(blocking=False):
            raise Lost("another thread is using it")
        try:
            self._ask(method, args)
            return here(), _answer()
        except BaseException:  # Ctrl-C, too: a part of a message, or an answer, may be left in the pipes
            stop()
            raise
        finally:
            lock.release()

    def _ask(self, method, args):
        with _telling():
            if _second["process"] is None:
                _start()
            if _second["holds"] is not self:
                _second["to"].send((HOLD, self._thing), to_keep=True)
                _answer()
                _second["holds"] = self
            _second["to"].send((method, args))


def _answer():
    with _telling():
        done, answer = _second["from"].receive()
        if not done:
            raise Lost(answer)
        return answer


@contextlib.contextmanager
def _telling():
    """Whatever goes wrong within it is Lost: the caller can do without a second process."""
    try:
        yield
    except Lost:
        raise
    except Exception as error:
        ended = isinstance(error, EOFError | BrokenPipeError)
        why = f"it ended, exit status {_second['process'].wait()}" if ended else f"{type(error).__name__}: {error}"
        raise Lost(why) from error


def stop():
    """End the second process, in the middle of whatever it does. The next call starts another one."""
    process, *channels = (_second[name] for name in ("process", "to", "from"))
    _second.update(_NONE)
    if process:
        process.kill()
        for channel in channels:
            channel.close()
        process.wait()


_NONE = {"process": None, "to": None, "from": None, "holds": None}  # holds: the Helper whose thing is there
_second = _NONE | {"lock": threading.Lock()}
atexit.register(stop)
if hasattr(os, "register_at_fork"):  # the process is the parent's
    os.register_at_fork(after_in_child=lambda: _second.update(_NONE, lock=threading.Lock()))


def _start():
    if not sys.executable or getattr(sys, "frozen", False):  # an application that was made of this would start itself
        raise OSError("this Python cannot start another")
    memories = _memories()
    # Ctrl-C and SIGTERM are meant for the run, which may still want to finish a step. NumPy comes before minifcn, which
    # may otherwise choose kernels for it: here it finds the environment that it found there, and computes the same bits
    code = ("import signal; [signal.signal(s, signal.SIG_IGN) for s in (signal.SIGINT, signal.SIGTERM)]; "
            f"import sys; sys.path = {list(map(str, sys.path))}; "
            f"import numpy; from minifcn import helper; helper.serve({memories})")
    try:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   pass_fds=memories)
    except BaseException:
        for memory in memories:
            os.close(memory)
        raise
    to, back = memories or (None, None)
    _second.update({"process": process, "to": _Channel(process.stdin, to), "from": _Channel(process.stdout, back)})


def _memories():
    """Two files that lie in memory and have no name, one each way; none where the system has no such."""
    made = []
    try:
        for _ in range(2):
            made.append(os.memfd_create("minifcn"))
    except (AttributeError, OSError):
        for memory in made:
            os.close(memory)
        return []
    return made


class _Channel:
    """One way between two processes: pickles through a pipe, the numbers of arrays through memory that both have.

    memory: the descriptor of a file in memory, or None: the pipe takes all of it then, which for the weights and
    gradients of a small net takes 3 ms of a step's 80.
    """

    def __init__(self, pipe, memory):
        self._pipe, self._file = pipe, None if memory is None else open(memory, "r+b", buffering=0)
        self._map = b""

    def send(self, message, to_keep=False):
        """to_keep: its arrays do not lie in the shared memory, so they stay as they are."""
        arrays = []
        whole = to_keep or self._file is None
        head = pickle.dumps(message, protocol=5, buffer_callback=None if whole else arrays.append)
        arrays = [array.raw() for array in arrays]
        spans, end = [], 0
        for array in arrays:
            start = -(-end // 64) * 64
            end = start + array.nbytes
            spans.append((start, end))
        self._reach(end, grow=True)
        for (start, end), array in zip(spans, arrays, strict=True):
            self._map[start:end] = array
        pickle.dump((head, spans), self._pipe)
        self._pipe.flush()

    def receive(self):
        """The next message. What lies in the shared memory changes when one more comes."""
        head, spans = pickle.load(self._pipe)
        self._reach(spans[-1][1] if spans else 0)
        return pickle.loads(head, buffers=[memoryview(self._map)[start:end] for start, end in spans])

    def _reach(self, end, grow=False):
        if end > len(self._map):
            if grow:
                self._file.truncate(end)
            self._map = mmap.mmap(self._file.fileno(), 0)  # all of it; the old one stays as long as an array is in it

    def close(self):
        with contextlib.suppress(OSError):  # what nobody will read any more cannot be flushed
            self._pipe.close()
        if self._file:
            self._file.close()


def serve(memories):
    """What the second process does, until the pipe that it is told things by is closed."""
    from minifcn.backend import single_threaded_blas

    to, back = memories or (None, None)
    told, answers = _Channel(sys.stdin.buffer, to), _Channel(os.fdopen(os.dup(1), "wb"), back)
    os.dup2(2, 1)  # nothing that is printed, by a library of C either, may get among the answers
    thing = None
    with single_threaded_blas(), warnings.catch_warnings(), contextlib.suppress(EOFError, BrokenPipeError):
        warnings.simplefilter("ignore")  # the caller computes the like and is warned there
        while True:
            try:
                method, args = told.receive()
                if method == HOLD:
                    thing, answer = args, (True, None)
                else:
                    answer = True, getattr(thing, method)(*args)
            except EOFError:
                raise
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            answers.send(answer)

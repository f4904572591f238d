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
import warnings


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
        with _watched():
            if _second["process"] is None:
                _start()
            if _second["holds"] is not self:
                _second["to"].send(("hold", self._thing), to_keep=True)
                _second["holds"] = self
            _second["to"].send((method, args))
        try:
            mine = here()
        except BaseException:  # nobody will wait for the answer
            stop()
            raise
        with _watched():
            done, answer = _second["from"].receive()
        if not done:
            raise Lost(answer)
        return mine, answer


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
_second = dict(_NONE)
atexit.register(stop)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=lambda: _second.update(_NONE))  # it is the parent's


@contextlib.contextmanager
def _watched():
    """Within it whatever goes wrong, Ctrl-C too, ends the process: half a message may lie in its pipes."""
    try:
        yield
    except (OSError, EOFError, pickle.UnpicklingError) as error:
        process = _second["process"]
        what = f"it ended, exit status {process.wait()}" if process and isinstance(error, EOFError) else error
        stop()
        raise Lost(what) from error
    except BaseException:
        stop()
        raise


def _start():
    if not sys.executable:
        raise OSError("this Python cannot start another")
    memories = [os.memfd_create("minifcn") for _ in range(2)] if hasattr(os, "memfd_create") else []
    # NumPy first: it then finds the environment that it found here, and computes by the same kernels, to the bit
    code = (f"import sys; sys.path = {list(map(str, sys.path))}; import numpy; from minifcn import helper; "
            f"helper.serve({memories})")
    try:
        process = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                   pass_fds=memories)
    except BaseException:
        for memory in memories:
            os.close(memory)
        raise
    to, back = memories or (None, None)
    _second.update({"process": process, "to": _Channel(process.stdin, to), "from": _Channel(process.stdout, back)})


class _Channel:
    """One way between two processes: pickles through a pipe, the numbers of arrays through memory that both have.

    memory: a file that lies in memory and has no name, or None, where a system has no such: pipes take it all then, of
    a small net's weights 1 to 3 ms a step.
    """

    def __init__(self, pipe, memory):
        self._pipe, self._file = pipe, None if memory is None else open(memory, "r+b", buffering=0)
        self._map = b""

    def send(self, message, to_keep=False):
        """to_keep: its arrays do not lie in the shared memory, so they stay as they are."""
        arrays = []
        whole = to_keep or self._file is None
        head = pickle.dumps(message, protocol=5, buffer_callback=None if whole else arrays.append)
        spans, end = [], 0
        for array in (some.raw() for some in arrays):
            start = -(-end // 64) * 64
            end = start + array.nbytes
            spans.append((start, end))
        if end > len(self._map):
            self._file.truncate(end)
        self._reach(end)
        for (start, end), array in zip(spans, arrays, strict=True):
            self._map[start:end] = array.raw()
        pickle.dump((head, spans), self._pipe)
        self._pipe.flush()

    def receive(self):
        """The next message. What lies in the shared memory changes when one more comes."""
        head, spans = pickle.load(self._pipe)
        self._reach(spans[-1][1] if spans else 0)
        return pickle.loads(head, buffers=[memoryview(self._map)[start:end] for start, end in spans])

    def close(self):
        with contextlib.suppress(OSError):  # what nobody will read any more cannot be flushed
            self._pipe.close()
        if self._file:
            self._file.close()

    def _reach(self, end):
        if end > len(self._map):
            self._map = mmap.mmap(self._file.fileno(), 0)  # all of it; the old one stays as long as an array is in it


def serve(memories):
    """What the second process does, until the pipe that it is told things by is closed."""
    import signal

    from minifcn.backend import single_threaded_blas

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # they are meant for the run, which may still want to finish a step
    to, back = memories or (None, None)
    told, answers = _Channel(sys.stdin.buffer, to), _Channel(sys.stdout.buffer, back)
    sys.stdout = sys.stderr  # nothing that is printed may get among the answers
    thing = None
    with single_threaded_blas(), warnings.catch_warnings(), contextlib.suppress(EOFError, BrokenPipeError):
        warnings.simplefilter("ignore")  # the caller computes the like and is warned there
        while True:
            what, args = told.receive()
            if what == "hold":
                thing = args
                continue
            try:
                answer = True, getattr(thing, what)(*args)
            except Exception as error:
                answer = False, f"{type(error).__name__}: {error}"
            answers.send(answer)

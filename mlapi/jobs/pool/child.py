"""One task in a process of its own, which can be ended at any moment.

It is forked from a process that has imported everything and runs nothing (Python's forkserver), so that it
starts within milliseconds and inherits no thread that holds a lock.
"""

import errno
import logging
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection, wait
from typing import Any, Literal, TypeAlias

import orjson

from mlapi.errors import MlapiError, NotWritable, TaskOutOfMemory, TaskProcessEnded, TaskTimedOut
from mlapi.jobs.pool.confinement import confine, held
from mlapi.jobs.pool.errors import document_of
from mlapi.jobs.pool.messages import Message
from mlapi.wording import reason

logger = logging.getLogger(__name__)

Tell: TypeAlias = Callable[[dict[str, Any]], None]
"""A child says how far it is."""

Task: TypeAlias = Callable[[Message, Tell], Message]
"""A function at the top of a module."""

Ended: TypeAlias = Literal["done", "refused", "killed", "unwanted"]
"""`killed` is by somebody else than us; `unwanted`: nobody waits for it any more."""

_PROGRESS, _DONE, _LAST, _REFUSED = b"P", b"D", b"L", b"R"
"""What a child says; after the last two its process ends."""

_CONTEXT = multiprocessing.get_context("forkserver")

_LOST = 255
"""The status of a child of whose end its own parent could not tell, being killed itself."""

_FAULTS = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
"""How libraries end that do not expect that memory is refused: libsvm, for one."""

_TASKS = 100
"""A process does no more of them, for what leaks somewhere."""

_GROWTH = 0.1
"""Of the memory that a task may have: one that has kept more for itself has less left for the next."""

_LOOK_S = 0.25
"""How often it is asked whether a task is wanted."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended; `message` is its answer, or has an error in its head (`mlapi.jobs.pool.errors`)."""

    ended: Ended
    message: Message = field(default_factory=lambda: Message({}))


def _nothing(_: dict[str, Any]) -> None:
    return


def prepare(modules: Sequence[str]) -> None:
    """Have these imported by the process that children are forked from, which starts with the first of them:
    a server that is never asked for one takes 91 MiB in place of 336 (proportional, two workers)."""
    _CONTEXT.set_forkserver_preload(list(modules))


class Child:
    """A process that does tasks of one kind, one after the other.

    `stays` says, after one, whether it takes another: only one that has come to its end leaves it as it was.

    Args:
        nice: By how much it steps back for others (nice(2)).
        warm_up: Done at once. A process that was just forked finds its libraries' pages as it goes: a small
            fit took 17 ms in place of 2.

    Raises:
        OSError: No process can be started.
    """

    def __init__(
        self, task: Task, megabytes: int, *, nice: int = 0, warm_up: Callable[[], None] | None = None
    ) -> None:
        self._megabytes = megabytes
        self._ours, theirs = _CONTEXT.Pipe()
        given = (theirs, task, megabytes, nice, warm_up)
        self._process = _CONTEXT.Process(target=_run, args=given, daemon=True)
        try:
            self._process.start()
        except EOFError as error:
            raise OSError(errno.EAGAIN, "the process that forks has ended") from error
        theirs.close()
        self.stays = False

    def begin(self, message: Message) -> None:
        """
        Raises:
            OSError: Its process has ended meanwhile.
        """
        self.stays = False
        self._ours.send_bytes(orjson.dumps(message.head))
        self._ours.send_bytes(message.body)

    def end(self) -> None:
        self._process.kill()
        self._process.join()
        self._process.close()
        self._ours.close()

    def outcome(
        self,
        *,
        seconds: float,
        unless: Sequence[Any] = (),
        tell: Tell = _nothing,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Wait for its last word, but no longer than so many seconds, until one of `unless` (sockets, pipes)
        has something to say, or until it is not wanted any more."""
        now = time.monotonic()
        until, look = now + seconds, now
        while now < until:
            ready = wait([self._ours, *unless], min(until - now, _LOOK_S))
            if self._ours in ready and (outcome := self._heard(tell)):
                return outcome
            now = time.monotonic()  # also where it tells more than we can listen to
            if set(ready) - {self._ours} or (now >= look and not is_wanted()):
                return Outcome("unwanted")
            look = now + _LOOK_S if now >= look else look
        return refused(TaskTimedOut(f"it takes longer than the {seconds:g} s that it may"))

    def _heard(self, tell: Tell) -> Outcome | None:
        """What it says next, if that is its last word."""
        try:
            said = self._ours.recv_bytes()
            kind, head = said[:1], orjson.loads(said[1:])
            if kind == _PROGRESS:
                tell(head)
                return None
            body = self._ours.recv_bytes()
        except (EOFError, OSError):
            return self._lost()
        self.stays = kind == _DONE
        return Outcome("refused" if kind == _REFUSED else "done", Message(head, body))

    def _lost(self) -> Outcome:
        """Its process has ended without a last word."""
        self._process.join(5)
        code = self._process.exitcode
        how = f"by signal {-code}" if code and code < 0 else f"with status {code}"
        why = (
            f", most likely for want of more than {self._megabytes:,} MB of memory" if code in _FAULTS else ""
        )
        problem = document_of(TaskProcessEnded(f"its process was ended {how} before it was done{why}"))
        return Outcome("killed" if code in (-signal.SIGKILL, _LOST) else "refused", Message(problem))


def refused(error: MlapiError) -> Outcome:
    return Outcome("refused", Message(document_of(error)))


def _run(pipe: Connection, task: Task, megabytes: int, nice: int, warm_up: Callable[[], None] | None) -> None:
    """In the child: one task after the other, until it has grown or nobody listens any more."""
    confine(megabytes, nice)
    if warm_up is not None:
        warm_up()
    enough = held() + megabytes * 2**20 * _GROWTH
    with suppress(OSError, EOFError):
        for number in range(1, _TASKS + 1):
            message = Message(orjson.loads(pipe.recv_bytes()), pipe.recv_bytes())
            ended, answer = _done(task, message, megabytes, partial(_say_progress, pipe))
            stays = ended == _DONE and number < _TASKS and held() < enough
            pipe.send_bytes((ended if stays or ended == _REFUSED else _LAST) + orjson.dumps(answer.head))
            pipe.send_bytes(answer.body)
            if not stays:
                return


def _say_progress(pipe: Connection, progress: dict[str, Any]) -> None:
    try:
        pipe.send_bytes(_PROGRESS + orjson.dumps(progress))
    except OSError:
        os._exit(1)  # nobody listens any more


def _done(task: Task, message: Message, megabytes: int, tell: Tell) -> tuple[bytes, Message]:
    try:
        return _DONE, task(message, tell)
    except MemoryError:
        error: MlapiError = TaskOutOfMemory(
            f"it needs more than the {megabytes:,} MB of memory that it may have"
        )
    except MlapiError as refusal:
        error = refusal
    except OSError as refusal:
        logger.exception("a task failed")
        error = NotWritable(f"a file cannot be read or written: {reason(refusal)}")
    except Exception:  # the edge of what a task calls: whoever asked is told, and the log says why
        logger.exception("a task failed")
        error = MlapiError("a defect of the server; its log has the reason")
    return _REFUSED, Message(document_of(error))

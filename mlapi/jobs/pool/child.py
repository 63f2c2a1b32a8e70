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

from mlapi.errors import MlapiError, NotWritable
from mlapi.jobs.pool.confinement import confine, data_bytes
from mlapi.jobs.pool.errors import TaskOutOfMemory, TaskProcessEnded, TaskTimedOut, document_of
from mlapi.jobs.pool.messages import Message
from mlapi.wording import reason

logger = logging.getLogger(__name__)

ReportProgress: TypeAlias = Callable[[dict[str, Any]], None]
"""A task calls it with JSON that says how far it is; the process that started the child receives it."""

Task: TypeAlias = Callable[[Message, ReportProgress], Message]
"""What a child does: a message -> the answer. It is imported by its name, so it stands at the top of a
module."""

Ended: TypeAlias = Literal["done", "refused", "killed", "unwanted"]
"""How a task ended: with an answer; with an error, which includes that it went beyond a bound; because
somebody else killed its process; because whoever asked has gone, or does not want it any more."""

_PROGRESS = b"P"
"""The first byte of a message from a child that says how far it is."""

_DONE = b"D"
"""Of an answer, after which the child takes the next task."""

_LAST = b"L"
"""Of an answer, after which its process ends."""

_REFUSED = b"R"
"""Of an error, after which its process ends."""

_CONTEXT = multiprocessing.get_context("forkserver")

_LOST = 255
"""The exit status of a child whose parent, the process that forks, was killed before it could report it."""

_FAULTS = (-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS)
"""Exit codes of libraries, such as libsvm, that do not check whether an allocation has failed."""

_MOST_TASKS = 100
"""A process does no more of them, in case a library leaks memory."""

_GROWTH = 0.1
"""The share of a task's memory by which a process may grow over its tasks; beyond it no other task gets
in."""

_LOOK_S = 0.25
"""How often `is_wanted` is called while a task runs."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a task ended; `message` is its answer, or has an error in its head (`mlapi.jobs.pool.errors`)."""

    ended: Ended
    message: Message = field(default_factory=lambda: Message({}))


def _nothing(_: dict[str, Any]) -> None:
    return


def prepare(modules: Sequence[str]) -> None:
    """Name the modules that the process imports that children are forked from.

    It starts with the first child: a server that never needs one takes 91 MiB in place of 336 (proportional,
    two workers).
    """
    _CONTEXT.set_forkserver_preload(list(modules))


class Child:
    """A process that does tasks of one kind, one after the other.

    `takes_another` is True after a task that was done in a process that has hardly grown; after any other the
    process ends, or has to be ended.

    Args:
        megabytes: How much more memory it may have than it has at its start.
        nice: By how much its priority is lowered (nice(2)).
        warm_up: Called in the process before the first task. The pages of its libraries are mapped when they
            are first used: without it a small fit took 17 ms in place of 2.

    Raises:
        OSError: No process can be started.
    """

    def __init__(
        self, task: Task, megabytes: int, *, nice: int = 0, warm_up: Callable[[], None] | None = None
    ) -> None:
        self._megabytes = megabytes
        self._ours, theirs = _CONTEXT.Pipe()
        arguments = (theirs, task, megabytes, nice, warm_up)
        self._process = _CONTEXT.Process(target=_run, args=arguments, daemon=True)
        try:
            self._process.start()
        except EOFError as error:
            raise OSError(errno.EAGAIN, "the process that forks has ended") from error
        theirs.close()
        self.takes_another = False

    def begin(self, message: Message) -> None:
        """Have it begin a task; `outcome` waits for the end.

        Raises:
            OSError: Its process has ended meanwhile.
        """
        self.takes_another = False
        self._ours.send_bytes(orjson.dumps(message.head))
        self._ours.send_bytes(message.body)

    def end(self) -> None:
        """End its process at once, whatever it does."""
        self._process.kill()
        self._process.join()
        self._process.close()
        self._ours.close()

    def outcome(
        self,
        *,
        seconds: float,
        cancelled_by: Sequence[Any] = (),
        report: ReportProgress = _nothing,
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> Outcome:
        """Wait until the task has ended, and return how. One that has not ended still runs: `end` it.

        Args:
            seconds: After so long the outcome is `TaskTimedOut`.
            cancelled_by: Sockets or pipes; once one of them can be read, the outcome is "unwanted".
            report: Called with what the task reports meanwhile.
            is_wanted: Called every quarter of a second; once it returns False, the outcome is "unwanted".
        """
        now = time.monotonic()
        until, look = now + seconds, now
        while now < until:
            ready = wait([self._ours, *cancelled_by], min(until - now, _LOOK_S))
            if self._ours in ready and (outcome := self._receive(report)):
                return outcome
            now = time.monotonic()  # also where it reports faster than we can receive
            if set(ready) - {self._ours} or (now >= look and not is_wanted()):
                return Outcome("unwanted")
            look = now + _LOOK_S if now >= look else look
        return refusal(TaskTimedOut(f"it takes longer than the {seconds:g} s that it may"))

    def _receive(self, report: ReportProgress) -> Outcome | None:
        """Receive one message; None if it only says how far the task is."""
        try:
            content = self._ours.recv_bytes()
            kind, head = content[:1], orjson.loads(content[1:])
            if kind == _PROGRESS:
                report(head)
                return None
            body = self._ours.recv_bytes()
        except (EOFError, OSError):
            return self._ended_early()
        self.takes_another = kind == _DONE
        return Outcome("refused" if kind == _REFUSED else "done", Message(head, body))

    def _ended_early(self) -> Outcome:
        """The outcome where its process has ended before it had sent one."""
        self._process.join(5)
        code = self._process.exitcode
        how = f"by signal {-code}" if code and code < 0 else f"with status {code}"
        why = (
            f", most likely for want of more than {self._megabytes:,} MB of memory" if code in _FAULTS else ""
        )
        problem = document_of(TaskProcessEnded(f"its process was ended {how} before it was done{why}"))
        return Outcome("killed" if code in (-signal.SIGKILL, _LOST) else "refused", Message(problem))


def refusal(error: MlapiError) -> Outcome:
    """Return the outcome of a task that ended with an error, or was never begun because of it."""
    return Outcome("refused", Message(document_of(error)))


def _run(pipe: Connection, task: Task, megabytes: int, nice: int, warm_up: Callable[[], None] | None) -> None:
    """In the child: do one task after the other, until it has grown or nobody listens any more."""
    confine(megabytes, nice)
    if warm_up is not None:
        warm_up()
    most_bytes = data_bytes() + megabytes * 2**20 * _GROWTH
    with suppress(OSError, EOFError):
        for number in range(1, _MOST_TASKS + 1):
            message = Message(orjson.loads(pipe.recv_bytes()), pipe.recv_bytes())
            kind, answer = _perform(task, message, megabytes, partial(_send_progress, pipe))
            takes_another = kind == _DONE and number < _MOST_TASKS and data_bytes() < most_bytes
            pipe.send_bytes(
                (kind if takes_another or kind == _REFUSED else _LAST) + orjson.dumps(answer.head)
            )
            pipe.send_bytes(answer.body)
            if not takes_another:
                return


def _send_progress(pipe: Connection, progress: dict[str, Any]) -> None:
    try:
        pipe.send_bytes(_PROGRESS + orjson.dumps(progress))
    except OSError:
        os._exit(1)  # nobody listens any more


def _perform(task: Task, message: Message, megabytes: int, report: ReportProgress) -> tuple[bytes, Message]:
    """Do a task, and make a message of whatever it raises."""
    try:
        return _DONE, task(message, report)
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

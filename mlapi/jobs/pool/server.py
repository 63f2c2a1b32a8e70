"""The pool: the process that starts children, for all workers of a server, and turns away what is too much.

It listens beside the server's state. Of two servers with one state folder the second one's pool waits, and
until its turn comes the workers of both ask the first.
"""

import logging
import math
import socket
import threading
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path

from mlapi.errors import QueueFull
from mlapi.jobs.pool.child import Child, Outcome, Task, refused
from mlapi.jobs.pool.messages import SOCKET, Message, address, receive, send
from mlapi.storage import disk
from mlapi.storage.locks import locked

logger = logging.getLogger(__name__)

LOCK = "pool.lock"

_BACKLOG = 128

_LOOK_S = 0.25
"""How often it is seen whether one who waits is still there."""

_PATIENCE_S = 10.0
"""For a worker to say what it wants; it has all of it in memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """Of one kind of task: how many at once, how many more may wait, and what each may take.

    Those of more than a moment step back (`nice`). On two cores p99 of 100 predictions a second was 2.5 ms
    while a fit ran and 2.7 without. SCHED_IDLE did no better, and gets nothing done where all cores are busy.
    """

    running: int
    waiting: int
    seconds: float
    megabytes: int
    nice: int = 19


class Queue:
    """Tasks of one kind: so many run, so many wait, and others are turned away.

    After the first task a process is kept ready for the next: the one that did the last, if it came to its
    end; else, with `warm_up`, another.
    """

    def __init__(self, task: Task, bounds: Bounds, warm_up: Callable[[], None] | None = None) -> None:
        self._task, self._bounds, self._warm_up = task, bounds, warm_up
        self._turns = threading.Semaphore(bounds.running)
        self._places = threading.Semaphore(bounds.running + bounds.waiting)
        self._ready: deque[Child] = deque()

    def run(self, message: Message, asker: socket.socket, reply: Callable[[Outcome], None]) -> None:
        """Do the task once its turn has come, and reply."""
        if not self._places.acquire(blocking=False):
            most = self._bounds.running + self._bounds.waiting
            reply(refused(QueueFull(f"{most} of them run or wait already, and no more may")))
            return
        try:
            if self._comes_to_turn(asker):
                self._do(message, asker, reply)
        finally:
            self._places.release()

    def _comes_to_turn(self, asker: socket.socket) -> bool:
        while not self._turns.acquire(timeout=_LOOK_S):
            if wait([asker], 0):  # it has nothing more to say: it has gone
                return False
        return True

    def _do(self, message: Message, asker: socket.socket, reply: Callable[[Outcome], None]) -> None:
        try:
            child = self._begun(message)
            try:
                reply(child.outcome(seconds=self._bounds.seconds, unless=[asker]))
            finally:
                self._put_back(child)
        finally:
            self._turns.release()

    def _make_ready(self) -> None:
        """
        Raises:
            OSError: No process can be started.
        """
        if self._warm_up is not None and not self._ready:
            self._ready.append(self._child(self._warm_up))

    def _put_back(self, child: Child) -> None:
        if child.stays and len(self._ready) < self._bounds.running:
            self._ready.append(child)
        else:
            child.end()
            self._make_ready()

    def _begun(self, message: Message) -> Child:
        while True:
            try:
                child = self._ready.pop()
            except IndexError:
                child = self._child(None)
                child.begin(message)
                return child
            try:
                child.begin(message)
                return child
            except OSError:  # it was killed while it waited
                child.end()

    def _child(self, warm_up: Callable[[], None] | None) -> Child:
        return Child(self._task, self._bounds.megabytes, nice=self._bounds.nice, warm_up=warm_up)


class Pool:
    """Answers who asks. `queues` are those of what may be asked for, by name: the message's `do`."""

    def __init__(
        self, folder: Path, queues: Mapping[str, Queue], begin: Callable[[], None] = lambda: None
    ) -> None:
        self._folder, self._queues, self._begin = folder, queues, begin

    def serve(self) -> None:
        """For ever, once no other pool of this folder does; then `begin` is called, once.

        Raises:
            OSError: The folder cannot be written, or this process has too many open files.
        """
        disk.make_folder(self._folder, mode=0o700)
        lock = locked(self._folder / LOCK, patience_s=math.inf)  # until then the other pool works for all
        with lock, _listening(self._folder) as door:
            self._begin()
            while True:
                asker, _ = door.accept()
                threading.Thread(target=self._answer, args=(asker,), daemon=True).start()

    def _answer(self, asker: socket.socket) -> None:
        with asker, suppress(OSError):  # who has gone needs no answer
            asker.settimeout(_PATIENCE_S)
            message = receive(asker)
            self._queues[message.head["do"]].run(message, asker, partial(_reply, asker))


def _reply(asker: socket.socket, outcome: Outcome) -> None:
    head = {"ended": outcome.ended, "head": outcome.message.head}
    send(asker, Message(head, outcome.message.body))


def _listening(folder: Path) -> socket.socket:
    """In place of whoever listened there; who may connect is who may write to the socket's file."""
    sock = socket.socket(socket.AF_UNIX)
    disk.remove_file(folder / SOCKET)
    with address(folder) as place:
        sock.bind(place)
    (folder / SOCKET).chmod(0o600)
    sock.listen(_BACKLOG)
    return sock

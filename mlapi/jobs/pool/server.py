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

from mlapi.jobs.pool.child import Child, Outcome, Task, refusal
from mlapi.jobs.pool.errors import QueueFull
from mlapi.jobs.pool.messages import SOCKET, Message, address, receive, send
from mlapi.storage import disk
from mlapi.storage.locks import locked

logger = logging.getLogger(__name__)

LOCK = "pool.lock"
"""In the state folder, beside the socket: who holds it is the pool that serves."""

_BACKLOG = 128
"""Connections that the system keeps until they are accepted (listen(2))."""

_LOOK_S = 0.25
"""How often a task that waits in a queue checks whether its client is still connected."""

_PATIENCE_S = 10.0
"""How long a worker may take to send its message; it has all of it in memory."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What tasks of one kind may take."""

    running: int
    """How many run at once."""
    waiting: int
    """How many more may wait for their turn."""
    seconds: float
    """How long each may take, once its turn has come."""
    megabytes: int
    """How much memory each may take."""
    nice: int = 19
    """By how much the priority of its process is lowered (nice(2)); 0 for what takes a moment.

    With 19, on two cores, p99 of 100 predictions a second was 2.5 ms while a fit ran and 2.7 without.
    SCHED_IDLE did no better, and gets nothing done where all cores are busy.
    """


class Queue:
    """Tasks of one kind: some run, some wait, and others are turned away, as the bounds say.

    After the first task a process is kept ready for the next: the one that did the last, if it takes another;
    else a new one, if there is a `warm_up` for it.
    """

    def __init__(self, task: Task, bounds: Bounds, warm_up: Callable[[], None] | None = None) -> None:
        self._task, self._bounds, self._warm_up = task, bounds, warm_up
        self._turns = threading.Semaphore(bounds.running)
        self._places = threading.Semaphore(bounds.running + bounds.waiting)
        self._ready: deque[Child] = deque()

    def run(self, message: Message, client: socket.socket, reply: Callable[[Outcome], None]) -> None:
        """Do the task once its turn has come, and reply; give it up once its client has gone.

        Raises:
            OSError: No process can be started, or the client has gone.
        """
        if not self._places.acquire(blocking=False):
            most = self._bounds.running + self._bounds.waiting
            reply(refusal(QueueFull(f"{most} of them run or wait already, and no more may")))
            return
        try:
            if self._waits_for_turn(client):
                self._do(message, client, reply)
        finally:
            self._places.release()

    def _waits_for_turn(self, client: socket.socket) -> bool:
        """Wait for a turn; False if the client has gone meanwhile."""
        while not self._turns.acquire(timeout=_LOOK_S):
            if wait([client], 0):  # a client sends nothing more: it has gone
                return False
        return True

    def _do(self, message: Message, client: socket.socket, reply: Callable[[Outcome], None]) -> None:
        try:
            child = self._child_with(message)
            try:
                reply(child.outcome(seconds=self._bounds.seconds, cancelled_by=[client]))
            finally:
                self._put_back(child)
        finally:
            self._turns.release()

    def _make_ready(self) -> None:
        """Start a process for the next task, where none is ready.

        Raises:
            OSError: No process can be started.
        """
        if self._warm_up is not None and not self._ready:
            self._ready.append(self._child(self._warm_up))

    def _put_back(self, child: Child) -> None:
        if child.takes_another and len(self._ready) < self._bounds.running:
            self._ready.append(child)
        else:
            child.end()
            self._make_ready()

    def _child_with(self, message: Message) -> Child:
        """A child that has begun with the task: one that is ready, else a new one."""
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
    """Does what workers ask for, each request in a thread of its own.

    Args:
        folder: The state folder; the socket lies there.
        queues: By the name that the member `do` of a message has.
        begin: Called once, when this pool has the folder to itself.
    """

    def __init__(
        self, folder: Path, queues: Mapping[str, Queue], begin: Callable[[], None] = lambda: None
    ) -> None:
        self._folder, self._queues, self._begin = folder, queues, begin

    def serve(self) -> None:
        """Wait until no other pool serves this folder, then serve for ever.

        Raises:
            OSError: The folder cannot be written, or this process has too many open files.
        """
        disk.make_folder(self._folder, mode=0o700)
        lock = locked(self._folder / LOCK, patience_s=math.inf)  # until then the other pool works for all
        with lock, _listening(self._folder) as listener:
            self._begin()
            while True:
                client, _ = listener.accept()
                threading.Thread(target=self._answer, args=(client,), daemon=True).start()

    def _answer(self, client: socket.socket) -> None:
        with client, suppress(OSError):  # who has gone needs no answer
            client.settimeout(_PATIENCE_S)
            message = receive(client)
            self._queues[message.head["do"]].run(message, client, partial(_reply, client))


def _reply(client: socket.socket, outcome: Outcome) -> None:
    head = {"ended": outcome.ended, "head": outcome.message.head}
    send(client, Message(head, outcome.message.body))


def _listening(folder: Path) -> socket.socket:
    """Listen at the folder's socket, in place of whoever did before.

    Who may write to the socket's file may connect, and that is its owner alone.
    """
    sock = socket.socket(socket.AF_UNIX)
    disk.remove_file(folder / SOCKET)
    with address(folder) as path:
        sock.bind(path)
    (folder / SOCKET).chmod(0o600)
    sock.listen(_BACKLOG)
    return sock

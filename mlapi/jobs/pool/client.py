"""Asking the pool, from a worker's thread that waits for the answer."""

import time
from pathlib import Path
from socket import socket

from mlapi.jobs.pool.errors import PoolUnavailable, QueueFull, error_of
from mlapi.jobs.pool.messages import Disconnected, Message, connect, receive, send

RESTART_S = 2.0
"""How long to wait for a pool: that of a server that has just started, or one that is being started again."""

_LOOK_S = 0.05
"""How often to try to connect meanwhile."""


def ask(folder: Path, task: str, message: Message, *, seconds: float) -> Message:
    """Have the pool of a state folder do a task; wait for the answer and return it.

    Args:
        task: The name of the pool's queue.
        seconds: How long to wait, in the queue and for the task.

    Raises:
        PoolUnavailable: There is no pool, also not `RESTART_S` later, or it ended meanwhile.
        QueueFull: Too many tasks wait already, or the answer did not come in time.
        TaskTimedOut, TaskOutOfMemory, TaskProcessEnded: It went beyond a bound, or its process ended.
        MlapiError: What the task has raised.
    """
    try:
        with _connected(folder) as sock:
            sock.settimeout(seconds)
            send(sock, Message({**message.head, "do": task}, message.body))
            reply = receive(sock)
    except TimeoutError as error:
        raise QueueFull(f"its turn has not come within {seconds:g} s") from error
    except OSError as error:
        raise PoolUnavailable("no pool answers, or it ended before it had answered") from error
    if reply.head["ended"] == "done":
        return Message(reply.head["head"], reply.body)
    raise error_of(reply.head["head"])


def _connected(folder: Path) -> socket:
    until = time.monotonic() + RESTART_S
    while True:
        try:
            return connect(folder)
        except Disconnected:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_S)

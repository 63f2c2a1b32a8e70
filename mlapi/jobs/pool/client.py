"""Asking the pool, from a worker's thread that waits for the answer."""

import time
from pathlib import Path
from socket import socket

from mlapi.errors import FitsBusy, NoPool
from mlapi.jobs.pool.errors import error_of
from mlapi.jobs.pool.messages import Gone, Message, connect, receive, send

RESTART_S = 2.0
"""For a pool to be there: that of a server that has just started, or that was killed and is started again."""

_LOOK_S = 0.05


def ask(folder: Path, task: str, message: Message, *, seconds: float) -> Message:
    """The answer of a task that the pool of this folder has done.

    Args:
        seconds: How long to wait for it, its turn included.

    Raises:
        NoPool: Nobody keeps one, also not a moment later, or it ended meanwhile.
        FitsBusy: Too many wait already.
        MlapiError: Whatever the task raises, or Unfittable: it was too much, or ended its process.
    """
    try:
        with _connected(folder) as sock:
            sock.settimeout(seconds)
            send(sock, Message({**message.head, "do": task}, message.body))
            reply = receive(sock)
    except TimeoutError as error:
        raise FitsBusy(f"its turn has not come within {seconds:g} s") from error
    except OSError as error:
        raise NoPool("the process that fits is not there, or ended; it is started again at once") from error
    if reply.head["ended"] == "done":
        return Message(reply.head["head"], reply.body)
    raise error_of(reply.head["head"])


def _connected(folder: Path) -> socket:
    until = time.monotonic() + RESTART_S
    while True:
        try:
            return connect(folder)
        except Gone:
            if time.monotonic() > until:
                raise
            time.sleep(_LOOK_S)

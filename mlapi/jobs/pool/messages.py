"""Messages over a local socket: some JSON, and bytes behind it. Both sides are ours."""

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import orjson

SOCKET = "pool.sock"

_SIZES = struct.Struct("<IQ")
"""Before each message: the bytes of its head and of its body."""


class Message(NamedTuple):
    """`head` is JSON, `body` whatever the head says of it."""

    head: dict[str, Any]
    body: bytes = b""


class Disconnected(ConnectionError):
    """The other side has ended, or nobody listens there."""


def send(sock: socket.socket, message: Message) -> None:
    """Send a message, and wait until the system has taken all of it.

    Raises:
        OSError: The other side has gone.
    """
    head = orjson.dumps(message.head)
    sock.sendall(_SIZES.pack(len(head), len(message.body)) + head)
    if message.body:
        sock.sendall(message.body)


def receive(sock: socket.socket) -> Message:
    """Wait for a message, and read all of it.

    Raises:
        Disconnected: The other side ended before it had sent all.
        TimeoutError: It took longer than the socket's own timeout.
    """
    head, body = _SIZES.unpack(_exactly(sock, _SIZES.size))
    return Message(orjson.loads(_exactly(sock, head)), bytes(_exactly(sock, body)))


def connect(folder: Path) -> socket.socket:
    """Connect to the pool of a state folder.

    Raises:
        Disconnected: Nobody listens there.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        with address(folder) as path:
            sock.connect(path)
    except OSError as error:
        sock.close()
        raise Disconnected(str(error)) from error
    return sock


@contextmanager
def address(folder: Path) -> Iterator[str]:
    """Give, for as long as the block runs, a path of the pool's socket that is short enough for an address.

    An address holds 107 bytes (unix(7)), and a state folder may lie deeper: the path leads through the
    folder's open descriptor.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        through = Path(f"/proc/self/fd/{descriptor}")
        yield str((through if through.exists() else folder) / SOCKET)
    finally:
        os.close(descriptor)


def _exactly(sock: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    view, at = memoryview(content), 0
    while at < size:
        try:
            read = sock.recv_into(view[at:])
        except ConnectionError as error:
            raise Disconnected(str(error)) from error
        if not read:
            raise Disconnected("it ended in the middle of a message")
        at += read
    return content

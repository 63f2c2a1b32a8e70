"""When a worker accepts: the states of its listening sockets."""

import math
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from types import SimpleNamespace
from typing import Any

import pytest

from mlapi.server.worker import listeners as module
from mlapi.server.worker.balance import ConnectionCounts
from mlapi.server.worker.listeners import Listeners


class Poller:
    """Knows what is registered, and refuses what a real one refuses."""

    def __init__(self) -> None:
        self.watched: set[Any] = set()

    def register(self, listener: Any, _: int) -> None:
        assert listener not in self.watched
        self.watched.add(listener)

    def unregister(self, listener: Any) -> None:
        self.watched.remove(listener)


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[SimpleNamespace]:
    """The listeners of worker 1 beside a worker 2, and what they accept; nobody has to be quick."""
    monkeypatch.setattr(module, "YIELD_S", 60)
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        poller, counts, connections = Poller(), ConnectionCounts(), dict[int, Any]()
        worker = SimpleNamespace(sockets=[listener], age=1, worker_connections=3, log=None)

        def admit(sock: socket.socket, *_: Any) -> None:
            connections[sock.fileno()] = sock

        listeners = Listeners(worker, poller, counts, connections, admit=admit, make_room=connections.clear)
        yield SimpleNamespace(
            listeners=listeners, listener=listener, poller=poller, counts=counts, connections=connections
        )
        for sock in connections.values():
            sock.close()


def connect(world: SimpleNamespace) -> socket.socket:
    return socket.create_connection(world.listener.getsockname())


def test_listeners_are_open_from_the_first_look_on(world: SimpleNamespace) -> None:
    assert (world.listeners.resumes_at, world.poller.watched) == (0.0, set())

    world.listeners.resume()

    assert (world.listeners.resumes_at, world.poller.watched) == (math.inf, {world.listener})


def test_a_connection_is_left_to_a_worker_with_fewer_and_taken_if_that_does_not_come(
    world: SimpleNamespace,
) -> None:
    world.listeners.resume()
    with closing(connect(world)):
        world.listeners.accept_from(world.listener)
        world.counts.report(2, 0)
        with closing(connect(world)):
            world.listeners.accept_from(world.listener)
            assert (len(world.connections), world.poller.watched) == (1, set())

            assert time.monotonic() < world.listeners.resumes_at < math.inf
            world.listeners.resume()
            world.listeners.accept_from(world.listener)

            assert len(world.connections) == 2


def test_closed_listeners_stay_closed_and_report_nothing(world: SimpleNamespace) -> None:
    world.listeners.resume()

    world.listeners.close()

    assert (world.listeners.resumes_at, world.poller.watched) == (math.inf, set())
    world.listeners.resume()
    assert world.poller.watched == set()
    world.listeners.report()
    world.counts.report(2, 99)
    assert not world.counts.another_has_fewer(2), "the closed one does not count"

"""A steady load on a server: clients that keep their connections, and look at every answer.

The answer of a line for 1 is its version's number, so that an answer tells whether it is right.
"""

import http.client
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType

from tests.support.server import Server, ask
from tests.support.waiting import HANG_S, until

CLIENTS = 6
RATE = 200
"""Requests a second, of all clients together."""

FEWEST = 30
"""Requests before anything happens, and after it."""

BODY = b'{"X": [[1.0]]}'


@dataclass
class Load:
    """Runs for as long as its block; what it counted stays."""

    server: Server
    path: str
    statuses: Counter[object] = field(default_factory=Counter)
    """Of every request, after one retry where the connection broke."""
    broken_connections: int = 0
    wrong: list[object] = field(default_factory=list)
    """Answers that do not belong to the version that they name."""
    versions: list[int] = field(default_factory=list)
    """The versions that answered, in order."""

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask_on, args=(number,)) for number in range(CLIENTS)]

    def __enter__(self) -> "Load":
        for thread in self._threads:
            thread.start()
        self.wait_for(FEWEST)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.wait_for(FEWEST)
        self._over.set()
        for thread in self._threads:
            thread.join(HANG_S)

    @property
    def failed(self) -> int:
        return sum(self.statuses.values()) - self.statuses[200]

    def wait_for(self, more: int) -> None:
        """Until so many more requests were answered."""
        enough = sum(self.statuses.values()) + more
        until(lambda: sum(self.statuses.values()) >= enough, lambda: "the server does not answer")

    def wait_for_version(self, version: int) -> None:
        """Until nothing but this version answers."""
        until(lambda: self.versions[-30:] == [version] * 30, lambda: self.versions[-30:])

    def _ask_on(self, number: int) -> None:
        connection = self._connect()
        begin = time.monotonic()
        due = begin + number / RATE
        while not self._over.is_set() and due < begin + HANG_S:
            time.sleep(max(0.0, due - time.monotonic()))
            connection = self._ask(connection)
            due = max(due + CLIENTS / RATE, time.monotonic() - 1)
        connection.close()

    def _ask(self, connection: http.client.HTTPConnection) -> http.client.HTTPConnection:
        try:
            self._note(*ask(connection, "POST", self.path, BODY))
        except (OSError, http.client.HTTPException):
            connection.close()
            connection = self._connect()
            with self._lock:
                self.broken_connections += 1
            self._ask_again(connection)
        return connection

    def _ask_again(self, connection: http.client.HTTPConnection) -> None:
        try:
            self._note(*ask(connection, "POST", self.path, BODY))
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            self._note(repr(error), None)

    def _note(self, status: object, answer: object) -> None:
        with self._lock:
            self.statuses[status] += 1
            if status == 200:
                assert isinstance(answer, dict)
                self.versions.append(answer["version"])
                if abs(answer["prediction"][0] - answer["version"]) > 1e-9:
                    self.wrong.append(answer)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=HANG_S)

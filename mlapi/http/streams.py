"""Answers that go on for as long as something happens, and that no thread waits for meanwhile."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

LOOK_S = 1.0
"""How often a stream is asked for news."""


class Stream(ABC):
    """The body of such an answer. `mlapi.server.worker.worker` asks it for news now and then; under another
    server it is an iterable like any other, and takes a thread."""

    @abstractmethod
    def news(self) -> bytes | None:
        """What there is to say since the last time, b"" for nothing; None at the end.

        Must wait for nothing, no disk and no lock: no other client of the worker is read meanwhile.
        """

    @abstractmethod
    def close(self) -> None:
        """Nobody listens any more (PEP 3333); may be called twice."""

    def __iter__(self) -> Iterator[bytes]:
        while (news := self.news()) is not None:
            if news:
                yield news
            else:
                time.sleep(LOOK_S)

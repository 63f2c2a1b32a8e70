"""Answers that go on while something happens, such as the progress of a job, without a thread for each."""

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator

NEWS_EVERY_S = 1.0
"""Seconds from one time that a stream is asked for news to the next."""


class Stream(ABC):
    """The body of such an answer.

    The loop of our worker (mlapi.server.worker.loop, in its housekeeping) asks each stream for news every
    `NEWS_EVERY_S` seconds. For any other server a stream is an iterable like any other, and takes a thread.
    """

    @abstractmethod
    def news(self) -> bytes | None:
        """Return the bytes to send since the last call, b"" for nothing; None at the end.

        Must wait for nothing, no disk and no lock: no other client of the worker is read meanwhile.
        """

    @abstractmethod
    def close(self) -> None:
        """End the stream: the client has gone, or all is said (PEP 3333). May be called twice."""

    def __iter__(self) -> Iterator[bytes]:
        # Such a server notices when it sends that a client has gone: `news` sends something now and then.
        while (news := self.news()) is not None:
            if news:
                yield news
            else:
                time.sleep(NEWS_EVERY_S)

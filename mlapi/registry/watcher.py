"""The thread that keeps a registry up to date: one in each process, as long as somebody holds the
registry."""

import logging
import os
import threading
import time
import weakref
from typing import Protocol

logger = logging.getLogger(__name__)

_FIRST_S = 5.0
"""How long the first request of a process waits for other processes; then what is known answers."""


class Watched(Protocol):
    """What a watcher keeps up to date: the registry."""

    def refresh(self, *, patience_s: float) -> None:
        """Look at the disk once; wait so long for others that do."""

    def follow(self) -> None:
        """Look at the disk once, and do what else is done from time to time."""


class Watcher:
    """Starts the thread where none runs yet: a fork copies the memory of a process, and no thread."""

    def __init__(self, poll_s: float) -> None:
        self._poll_s = poll_s
        self._starting = threading.Lock()
        self._process: int | None = None

    @property
    def runs_here(self) -> bool:
        """Whether this process has the thread."""
        return self._process == os.getpid()

    def start(self, watched: Watched) -> None:
        """Look once, and start the thread; do nothing if another thread has done so meanwhile."""
        with self._starting:  # nobody is answered from what was known before the fork
            if self.runs_here:
                return
            watched.refresh(patience_s=_FIRST_S)
            arguments = (weakref.ref(watched), self._poll_s)
            threading.Thread(target=_poll, args=arguments, name="registry", daemon=True).start()
            self._process = os.getpid()


def _poll(reference: "weakref.ref[Watched]", poll_s: float) -> None:
    """Call `follow` every `poll_s` seconds until nobody holds the registry any more."""
    while True:
        time.sleep(poll_s)
        watched = reference()
        if watched is None:
            return
        try:
            watched.follow()
        except Exception:  # else the thread ends, and this process never follows again
            logger.exception("models not followed")
        del watched

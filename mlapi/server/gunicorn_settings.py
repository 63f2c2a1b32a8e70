"""What of gunicorn's settings follows from ours: which worker serves, with how many threads and streams."""

from mlapi.settings import Settings

WORKER_CLASSES = {"mlapi": "mlapi.server.worker.worker.Worker", "gthread": "gthread"}
"""gunicorn's `worker_class`, by the setting of this name."""

STREAM_THREADS = 50
"""Threads of a gthread worker for streams alone, each of which holds one: so many it may have at most."""


def thread_count(settings: Settings) -> int:
    """Return how many calls a worker may be inside at once; a thread is made when it is needed.

    Those for fits on request, which only wait for another process, come on top of four, and those for streams
    where a stream takes a thread.
    """
    count = 4 + settings.fit_workers + settings.fits_waiting
    return count + (most_streams(settings) if settings.worker_class == "gthread" else 0)


def most_streams(settings: Settings) -> int:
    """Return how many clients of one worker may follow jobs, so that they leave threads for others."""
    return min(settings.streams, STREAM_THREADS) if settings.worker_class == "gthread" else settings.streams

"""gunicorn's worker process: a loop that reads all clients, and few threads that answer them.

One thread leads: it waits for all connections, reads each until a request is whole, and answers it there and
then (mlapi.server.worker.loop), for handing a request to another thread costs more than an empty view. Should
that take longer than a moment, the main thread, which only watches, gives the lead to a spare thread; the
first one finishes its request, hands the connection back, and is a spare thread itself
(mlapi.server.worker.threads; as Go's runtime does with system calls that take long). So a client that sends
slowly, reads nothing, or stays silent has no thread at all.
"""

from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from mlapi.server.worker.balance import ConnectionCounts
from mlapi.server.worker.configuration import take_no_names_from_headers
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.error_pages import ErrorPage
from mlapi.server.worker.loop import Loop


class Worker(ThreadWorker):  # type: ignore[misc]
    """gunicorn's gthread worker, with another loop and the application's error documents."""

    connection_counts: ConnectionCounts | None = None
    """How many connections each worker holds; made once in the master, so that all workers share it."""

    # Two of our settings. config/gunicorn.conf.py sets them on each worker after the fork
    # (`post_worker_init`); these values hold under another configuration.

    request_seconds = 120.0
    """The longest that a call may take."""

    max_body_bytes = 16 * 1024 * 1024
    """The largest body that is not refused."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if Worker.connection_counts is None:  # in the master, before the first fork
            Worker.connection_counts = ConnectionCounts()
        self._connection_counts = Worker.connection_counts

    def run(self) -> None:
        """Serve until SIGTERM or SIGQUIT comes. TLS and protocols other than HTTP/1 are left to gthread."""
        take_no_names_from_headers(self.cfg, self.log)
        if self.cfg.is_ssl or self.cfg.protocol != "http" or "h2" in self.cfg.http_protocols:
            super().run()
            return
        Connection.max_gathered = self.max_body_bytes + 1024 * 1024  # and its head
        Loop(self, self._connection_counts).lead_thread.watch()

    def handle_error(self, req: Any, client: Any, addr: Any, exc: BaseException) -> None:
        """Log and answer an error as gunicorn does, with a problem document in place of gunicorn's page."""
        if isinstance(client, Connection):
            client = ErrorPage(client, exc, self.log)
        super().handle_error(req, client, addr, exc)

"""One request of one connection -> its answer, in whichever thread: gunicorn's parser and response around
the WSGI application, and what becomes of an error. Knows nothing of the other connections.
"""

import logging
from datetime import datetime
from typing import Any

from gunicorn.http import wsgi
from gunicorn.http.errors import NoMoreData

from mlapi.http.body import LEAVE_TO_POOL
from mlapi.http.streams import Stream
from mlapi.server.worker.configuration import FrozenConfig
from mlapi.server.worker.connection import Connection
from mlapi.server.worker.direct_reader import read_directly
from mlapi.server.worker.heads import normalize
from mlapi.settings import path_prefix


class RequestHandler:
    """Answers requests, in several threads at once."""

    def __init__(self, worker: Any, cfg: FrozenConfig) -> None:
        self._worker, self._cfg, self._log = worker, cfg, worker.log
        self._application = worker.wsgi
        self._prefix = path_prefix()
        self._logs_access = self._log.access_log_enabled and self._log.access_log.isEnabledFor(logging.INFO)

    def answer_request(self, connection: Connection) -> bool:
        """Answer the request that the connection has; return whether another can follow.

        May wait for the client, and for whatever the application waits for. An error becomes an answer, or a
        line in the log.
        """
        request = None
        try:
            request = next(connection.parser)
            normalize(request, self._prefix)
            read_directly(request.body, connection.recv)
            if connection.was_told_to_send:
                request._expected_100_continue = False  # else gunicorn tells it again
            return self._call(request, connection) and connection.next_request()
        except (NoMoreData, StopIteration) as error:
            self._log.debug("Closing connection. %s", error)
        except BaseException as error:  # any of them would end the thread, asyncio's CancelledError too
            if connection.broken:
                self._log.debug("Ignoring a broken connection. %s", error)
            else:
                self._worker.handle_error(request, connection, connection.client, error)
        return False

    def _call(self, request: Any, connection: Connection) -> bool:
        environ: dict[str, Any] = {}
        response = None
        began = datetime.now() if self._logs_access else None
        try:
            self._cfg.pre_request(self._worker, request)
            response, environ = wsgi.create(
                request, connection, connection.client, connection.server, connection.cfg
            )
            environ["wsgi.multithread"] = True
            environ[LEAVE_TO_POOL] = connection.leave_to_pool
            self._count(response)
            answer = self._application(environ, response.start_response)
            if request.body.failed:  # where the next request begins is not known
                response.force_close()
            if isinstance(answer, Stream):
                connection.follow(answer, response)
                return False
            self._write(answer, response, environ)
            connection.flush()
            if began:
                self._log.access(response, request, environ, datetime.now() - began)
            return not response.should_close()
        except BaseException:
            if connection.broken or not response or not response.headers_sent:
                raise
            self._log.exception("Error handling request")
            return False
        finally:
            self._end(request, environ, response)

    def _end(self, request: Any, environ: dict[str, Any], response: Any) -> None:
        try:
            self._cfg.post_request(self._worker, request, environ, response)
        except Exception:  # an error page would follow an answer that is whole
            self._log.exception("Exception in post_request hook")

    def _count(self, response: Any) -> None:
        worker = self._worker
        worker.nr += 1
        if worker.nr >= worker.max_requests and worker.alive:
            self._log.info("Autorestarting worker after current request.")
            worker.alive = False
        if not worker.alive or not self._cfg.keepalive:
            response.force_close()

    def _write(self, answer: Any, response: Any, environ: dict[str, Any]) -> None:
        try:
            if isinstance(answer, environ["wsgi.file_wrapper"]):
                response.write_file(answer)
            else:
                for piece in answer:
                    response.write(piece)
            response.close()
        finally:
            if hasattr(answer, "close"):
                answer.close()

"""Flask without what this service has no use for: sessions, and hosts in routes.

Both are asked for at each request, and together take a quarter of what an empty view does.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.routing import MapAdapter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class Application(Flask):
    session_interface = _NoSessions()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # no view is a coroutine: nothing has to be looked at to know that

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return MapAdapter(
            self.url_map,
            server_name="",  # for links to other hosts, of which there are none
            script_name=environ.get("SCRIPT_NAME", ""),
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=environ.get("PATH_INFO", "").encode("latin1").decode(errors="replace"),  # PEP 3333
            default_method=environ["REQUEST_METHOD"],
        )


class Bytes(Response):
    """A response of some bytes, complete as it stands: for the answers that have to be quick.

    Its headers go out as they are; Werkzeug looks through them for what it could complete.
    """

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[Any]:
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response

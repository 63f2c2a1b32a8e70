"""Flask without what this service has no use for: sessions, hosts in routes, views that are coroutines.

Flask asks for them at each request, and looks each path up anew; together that is a third of what an empty
view takes. Only what Flask documents as open to subclasses is overridden.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from flask import Flask, Request, Response
from flask.sessions import NullSession, SessionInterface
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound
from werkzeug.routing import MapAdapter

from mlapi.http.streams import Stream

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

_Known: TypeAlias = dict[tuple[str, str], Any]
"""Rules and their arguments by path and method."""

_MOST_KNOWN = 1000
"""Paths hold what clients make up."""


class Application(Flask):
    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False  # a path is right or a problem, never a redirect
        self._known: _Known = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return _Routes(
            self._known,
            map=self.url_map,
            server_name="",  # for links to other hosts, of which there are none
            script_name=environ.get("SCRIPT_NAME", ""),
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            # PEP 3333; RFC 9110, section 4.2.3: an empty path is "/".
            path_info=environ.get("PATH_INFO", "").encode("latin1").decode(errors="replace") or "/",
            default_method=environ["REQUEST_METHOD"],
        )


class Bytes(Response):
    """A response of some bytes, complete as it stands: for the answers that have to be quick.

    Its headers go out as they are; Werkzeug looks through them for what it could complete.
    """

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[Any]:
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response


class Streaming(Bytes):
    """A response whose body is a `Stream`, which the worker has to get as it is."""

    def __init__(self, stream: Stream, headers: Mapping[str, str]) -> None:
        super().__init__(headers=Headers(headers))
        self.response = stream


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        return self._none


class _Routes(MapAdapter):
    """Remembers the routes that it found."""

    def __init__(self, known: _Known, **given: Any) -> None:
        super().__init__(**given)
        self._known = known

    def match(self, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        key = self.path_info, self.default_method
        found = self._known.get(key)
        if found is None:
            if self.path_info[:1] != "/" or self.path_info[:2] == "//":
                raise NotFound  # Werkzeug would look for what is behind all slashes, past a proxy's rules
            found = super().match(return_rule=True)
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()  # else made-up names would keep the real ones out
            self._known[key] = found
        rule, values = found
        return rule, dict(values)

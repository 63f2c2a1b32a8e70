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

_Matches: TypeAlias = dict[tuple[str, str], Any]
"""The match of Werkzeug for a path and a method: a rule and its arguments."""

_MOST_MATCHES = 1000
"""How many matches are remembered: clients may make up any number of paths that match."""


class Application(Flask):
    """The WSGI application: Flask without sessions, coroutines and redirects, which remembers paths' routes.

    gunicorn's class of the same name is another thing: the program around it (`mlapi.server.gunicorn_app`).
    """

    def __init__(self, name: str) -> None:
        super().__init__(name, static_folder=None)
        self.session_interface = _NoSessions()
        self.url_map.merge_slashes = False  # a path is right or a problem, never a redirect
        self._matches: _Matches = {}

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return the view itself: none of ours is a coroutine, and Flask would look at each request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return what matches the path of a request; hosts and subdomains count for nothing."""
        if request is None:
            return super().create_url_adapter(None)
        environ = request.environ
        return _Routes(
            self._matches,
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
    """A response for the answers that have to be quick: a body of bytes, and all headers that it needs.

    They are sent as they are. Werkzeug's own response looks through its headers for what it could complete.
    """

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[Any]:
        start_response(self.status, self.headers.to_wsgi_list())
        return self.response


class Streaming(Bytes):
    """A response whose body is a `Stream`. The worker gets the stream itself, to ask it for news."""

    def __init__(self, stream: Stream, headers: Mapping[str, str]) -> None:
        super().__init__(headers=Headers(headers))
        self.response = stream


class _NoSessions(SessionInterface):
    _none = NullSession()

    def open_session(self, app: Flask, request: Request) -> NullSession:
        """Return one and the same empty session, for every request."""
        return self._none


class _Routes(MapAdapter):
    """Looks a path up once, and remembers what it matched."""

    def __init__(self, matches: _Matches, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._matches = matches

    def match(self, *args: Any, **kwargs: Any) -> Any:
        """Return the rule for the path and its arguments, as Werkzeug does.

        Raises:
            NotFound: No rule matches, or the path begins otherwise than with one slash.
        """
        if args or kwargs != {"return_rule": True}:
            return super().match(*args, **kwargs)
        key = self.path_info, self.default_method
        match = self._matches.get(key)
        if match is None:
            if self.path_info[:1] != "/" or self.path_info[:2] == "//":
                raise NotFound  # Werkzeug would look for what is behind all slashes, past a proxy's rules
            match = super().match(return_rule=True)
            if len(self._matches) >= _MOST_MATCHES:
                self._matches.clear()  # else made-up names would keep the real ones out
            self._matches[key] = match
        rule, values = match
        return rule, dict(values)

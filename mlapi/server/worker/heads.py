"""What a request's head has to be where gunicorn's parsers ask for less (27.0.1), and what it then means: its
target, version, `Host` and framing (RFC 9112). Works on what a parser made of the bytes, whichever it was.
"""

import re
from typing import Any

from gunicorn.http.errors import InvalidRequestLine

_NAME = r"[\w.~!$&'()*+,;=-]*+"
_HOST = (
    rf"(?:\[[0-9A-Fa-f:.]+\]|\[v[0-9A-Fa-f]+\.[\w.~!$&'()*+,;=:-]+\]|{_NAME}(?:%[0-9A-Fa-f]{{2}}{_NAME})*+)"
)
_AUTHORITY = re.compile(rf"{_HOST}(?::[0-9]*)?", re.ASCII)
_TUNNEL = re.compile(rf"(?!:){_HOST}:[0-9]+", re.ASCII)
_ABSOLUTE = re.compile(rf"https?://((?![:/?]|\Z){_HOST}(?::[0-9]*)?)(?:[/?].*)?", re.ASCII | re.IGNORECASE)
"""RFC 3986, section 3.2, without user information: RFC 9110, section 4.2.4, takes that for an attack."""

_SLASH = re.compile("%2f", re.IGNORECASE)

_NEWEST = (1, 1)
"""The version of HTTP that a request of a later one is taken for."""

_OLDEST = (1, 0)
"""The version of HTTP that a request of an earlier one is taken for."""

_CHECKED = frozenset({"HOST", "TRANSFER-ENCODING", "CONNECTION"})
"""The headers whose values are looked at."""


class InvalidHead(InvalidRequestLine):  # type: ignore[misc]
    """400: a head that can be read in two ways, or in none. gunicorn takes it for a client's mistake."""

    def __str__(self) -> str:
        return str(self.req)


class OutsideOfPrefix(InvalidHead):
    """404: a path that is not below the server's prefix."""


def normalize(request: Any, prefix: str) -> None:
    """Check a request's head, and write into the request what its path, version and `Host` mean.

    Args:
        request: gunicorn's, as either of its parsers made it.
        prefix: What all paths of this server begin with; "" for nothing.

    Raises:
        InvalidHead: It could be read in two ways.
        OutsideOfPrefix: Nothing of this server is at its path.
    """
    host = _check_headers(request)
    if host is None and request.version > _OLDEST:
        raise InvalidHead("a request of HTTP/1.1 names the server in a Host header; this one has none")
    if not request.uri.startswith("/") or request.method == "CONNECT":
        _normalize_target(request)
    if "#" in request.uri:
        raise InvalidHead("a request's target has no fragment: leave out what begins with #")
    if "%" in request.path:
        # A slash that is part of a name: decoded, it would lead to paths that a proxy has not seen.
        request.path = _SLASH.sub("%252F", request.path)
    if prefix and not _is_under(prefix, request.path):
        raise OutsideOfPrefix(f"nothing is at this path: all paths here begin with {prefix}")
    if request.version not in (_NEWEST, _OLDEST):  # RFC 9110, section 2.5
        request.version = min(max(request.version, _OLDEST), _NEWEST)


def _check_headers(request: Any) -> str | None:
    """Return the `Host` of a request, of which the parser lets pass one at most."""
    host = None
    for name, value in request.headers:
        if name not in _CHECKED:
            continue
        if name == "HOST":
            if not _AUTHORITY.fullmatch(value):
                raise InvalidHead("the Host header is no host, or one with a port")
            host = value
        elif name == "TRANSFER-ENCODING" and value.lower() != "chunked":
            raise InvalidHead("a body comes with its length or in chunks, without another coding around them")
        elif name == "CONNECTION" and "close" in value.lower():  # also in a list, or the second of two
            request.force_close()
    return host


def _normalize_target(request: Any) -> None:
    """Take apart a target that is no path (RFC 9112, section 3.2)."""
    if request.method == "CONNECT":
        if not _TUNNEL.fullmatch(request.uri):
            raise InvalidHead("the target of CONNECT is a host and a port")
        request.path, request.query = "/", ""  # which answers 405: this is no proxy
    elif request.uri != "*":
        absolute = _ABSOLUTE.fullmatch(request.uri)
        if absolute is None:
            raise InvalidHead("a target is a path, or a URL of http or https without user information")
        request.path = request.path or "/"
        # Section 3.2.2: the Host header counts for nothing beside it.
        others = [header for header in request.headers if header[0] != "HOST"]
        request.headers = [("HOST", absolute[1]), *others]


def _is_under(prefix: str, path: str) -> bool:
    """Whether gunicorn can cut the prefix off, and a path is left."""
    return path.startswith(prefix) and (prefix.endswith("/") or path[len(prefix) :][:1] in ("", "/"))

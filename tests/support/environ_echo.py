"""A WSGI application that answers with its environment, as far as that is text, and its body's length."""

import json
from collections.abc import Callable, Iterable
from typing import Any


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Fails under /fail; /patient bears with a body that breaks off."""
    path = environ["PATH_INFO"]
    if path == "/fail":
        raise ValueError("on purpose")
    document = {name: value for name, value in environ.items() if isinstance(value, str)}
    try:
        document["bytes"] = str(len(environ["wsgi.input"].read()))
    except Exception:
        if path != "/patient":
            raise
    body = json.dumps(document).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

"""What one request costs, counted and not timed: so it is the same on any machine.

When a figure here grows, look for what was added to the way of every request, and take it out again; if it
has to be there, say why where the figure stands. When one falls, write it down.
"""

import io
import sys
from collections import Counter
from pathlib import Path
from types import FrameType
from typing import Any

import orjson
import pytest
from flask import Flask
from sklearn.datasets import load_diabetes
from werkzeug.routing import MapAdapter

from mlapi.http import application
from tests.conftest import AppFactory

GROWTH = 1.1

CALLS = {
    "one row of ten numbers": 183,
    "one record of ten numbers": 184,
    "a hundred rows of ten numbers": 230,
}
"""Python functions that one request calls, from the WSGI application's own call on; CPython 3.11."""


def body_of(work: str) -> bytes:
    rows = load_diabetes(as_frame=True).data
    if work == "one record of ten numbers":
        return orjson.dumps(rows.iloc[0].to_dict())
    count = 100 if work.startswith("a hundred") else 1
    return orjson.dumps({"instances": rows.to_numpy()[:count].tolist()})


def ask(app: Flask, body: bytes) -> bytes:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/predict/linear_regression",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "localhost:8000",
        "HTTP_ACCEPT": "*/*",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    answer = app(environ, lambda *_: lambda _: None)
    content = b"".join(answer)
    if hasattr(answer, "close"):
        answer.close()
    return content


def calls_of(app: Flask, body: bytes) -> Counter[str]:
    """The Python functions that one request calls."""
    calls: Counter[str] = Counter()

    def see(frame: FrameType, event: str, _: Any) -> None:
        if event == "call":
            calls[f"{frame.f_globals.get('__name__')}.{frame.f_code.co_qualname}"] += 1

    before = sys.getprofile()
    sys.setprofile(see)
    try:
        ask(app, body)
    finally:
        sys.setprofile(before)
    return calls


@pytest.mark.parametrize("work", CALLS)
def test_a_request_calls_no_more_functions_than_it_did(work: str, shared_app: Flask) -> None:
    body = body_of(work)
    for _ in range(3):  # the first ones fill caches
        assert b'"prediction":[' in ask(shared_app, body)

    calls = calls_of(shared_app, body)

    assert calls.total() <= CALLS[work] * GROWTH, f"{calls.total()} calls: {calls.most_common(20)}"


def test_a_route_is_looked_up_once_whatever_names_others_make_up(
    make_app: AppFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_app(tmp_path).test_client()
    monkeypatch.setattr(application, "_MOST_MATCHES", 3)
    for number in range(10):
        client.get(f"/models/made-up-{number}")
    client.get("/health/live")

    monkeypatch.setattr(MapAdapter, "match", lambda *_, **__: pytest.fail("looked up"))

    assert client.get("/health/live").status_code == 200

"""What the worker itself adds to one request, counted and not timed: so it is the same on any machine."""

import logging
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import closing
from types import FrameType, SimpleNamespace
from typing import Any

from gunicorn.config import Config
from gunicorn.workers.gthread import PollableMethodQueue

from mlapi.server.worker.balance import ConnectionCounts
from mlapi.server.worker.loop import Loop

GROWTH = 1.1

CALLS = 55
"""Functions of the worker's own that a request of a kept connection calls; CPython 3.11."""

UNCOUNTED, COUNTED = 20, 100
"""Requests; the first ones are not counted."""


def empty(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def worker_of(listener: socket.socket) -> Any:
    """As much of gunicorn's worker as the loop touches."""
    cfg = Config()
    cfg.set("http_parser", "python")
    log = SimpleNamespace(access_log_enabled=False, access_log=logging.getLogger(), debug=lambda *_: None)
    method_queue = PollableMethodQueue()
    method_queue.init()
    return SimpleNamespace(
        cfg=cfg,
        log=log,
        wsgi=empty,
        alive=True,
        nr=0,
        max_requests=10**9,
        method_queue=method_queue,
        sockets=[listener],
        age=1,
        worker_connections=100,
        notify=lambda: None,
        is_parent_alive=lambda: True,
    )


def test_a_request_calls_no_more_functions_of_the_worker_than_it_did() -> None:
    calls = Counter[str]()
    counts = threading.Event()

    def see(frame: FrameType, event: str, _: Any) -> None:
        module = frame.f_globals.get("__name__", "")
        if event == "call" and counts.is_set() and module.startswith("mlapi.server.worker"):
            calls[f"{module}.{frame.f_code.co_qualname}"] += 1

    def ask() -> None:
        with closing(socket.create_connection(listener.getsockname())) as sock:
            for number in range(UNCOUNTED + COUNTED):
                if number == UNCOUNTED:
                    counts.set()
                sock.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                assert sock.recv(1000).startswith(b"HTTP/1.1 200")
            counts.clear()

    def ask_and_stop() -> None:
        try:
            ask()
        finally:
            worker.alive = False
            worker.method_queue.defer(time.monotonic)  # wakes the loop

    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        worker = worker_of(listener)
        loop = Loop(worker, ConnectionCounts())
        client = threading.Thread(target=ask_and_stop)
        client.start()
        before = sys.getprofile()
        sys.setprofile(see)
        try:
            loop._lead()
        finally:
            sys.setprofile(before)
            client.join()
            worker.method_queue.close()
            loop._poller.close()

    assert calls.total() / COUNTED <= CALLS * GROWTH, calls.most_common(20)

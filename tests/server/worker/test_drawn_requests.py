"""Whatever bytes a client sends: no 5xx, no redirect, and no request that another server would not see.

Each test draws on from one number for a few seconds; a failure tells the number.
"""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from tests.support.drawn_requests import request
from tests.support.server import GUNICORN, Server, running
from tests.support.wire import Answer, exchange

SECONDS, MOST = 6.0, 3000


def numbers(first: int) -> Iterator[int]:
    """To draw by, as many as there is time for."""
    until = time.monotonic() + SECONDS
    for number in range(first, first + MOST):
        if time.monotonic() > until:
            return
        yield number


def is_fit(answer: Answer, sent: bytes) -> bool:
    if answer.status < 300:
        return True
    is_coded = answer.status == 501 and b"transfer-encoding" in sent.lower()
    if answer.status >= 500 and not is_coded:
        return False
    return answer.status == 304 or answer.headers["content-type"] == "application/problem+json"


def test_no_bytes_are_a_5xx_or_a_redirect(trained: Path, tmp_path: Path) -> None:
    statuses = Counter[int]()
    with running(trained, tmp_path, MLAPI_ALLOW_WRITES="false") as server:
        for number in numbers(0):
            sent = request(number)
            # The length of an answer to HEAD is not that of what follows.
            answers = exchange(server.port, sent.replace(b"HEAD ", b"GET "), ends=True)
            statuses.update(answer.status for answer in answers)
            assert all(is_fit(answer, sent) for answer in answers), (number, sent, answers)
        assert "Traceback" not in server.log

    assert {200, 400, 404} <= set(statuses)


def test_ours_sees_no_request_that_gthread_does_not_see(tmp_path: Path) -> None:
    statuses = Counter[str]()
    with (
        environ_echo("mlapi.server.worker.worker.Worker", tmp_path / "ours") as ours,
        environ_echo("gthread", tmp_path / "peer") as peer,
    ):
        for number in numbers(100_000):
            sent = request(number).replace(b"HEAD ", b"GET ")
            here, there = (exchange(server.port, sent, ends=True) for server in (ours, peer))
            assert len(here) <= len(there), (number, sent, here, there)
            for answer, other in zip(here, there, strict=False):
                statuses[f"{answer.status} {other.status}"] += 1
                assert same(answer, other), (number, sent, answer, other)

    assert statuses["200 200"] > 0 < statuses["400 400"]


def same(ours: Answer, theirs: Answer) -> bool:
    """Whether both see the same request, or ours is the one to refuse it."""
    if ours.status != 200:
        return ours.status >= 400
    return theirs.status == 200 and [ours.document[name] for name in ("REQUEST_METHOD", "bytes")] == [
        theirs.document[name] for name in ("REQUEST_METHOD", "bytes")
    ]


def environ_echo(worker: str, folder: Path) -> AbstractContextManager[Server]:
    folder.mkdir()
    command = [*GUNICORN[:-1], "--worker-class", worker, "tests.support.environ_echo:app"]
    return running(folder / "models", folder, command, MLAPI_WORKERS="1")

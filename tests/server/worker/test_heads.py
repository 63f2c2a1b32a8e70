"""What is a request and what is none (RFC 9112), asked of real servers byte by byte.

Ours is compared with gunicorn's own workers around the same application (tests/support/environ_echo.py):
where they differ, ours is the stricter.
"""

import importlib.util
import re
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.heads import ANSWERED, CLOSED, GET, HOST, PROBE, REFUSED, STATUSES, head
from tests.support.server import GUNICORN, ROOT, Server, running
from tests.support.waiting import HANG_S
from tests.support.wire import Answer, answers_in, everything_from, exchange

SLUGS = dict(
    re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
)

PARSERS = ["python", "fast"] if importlib.util.find_spec("gunicorn_h1c") else ["python"]
"""gunicorn's: the compiled one is a package of its own, and nothing here needs it."""

LENIENT = {"two spaces", "two spaces later"}
"""What the compiled parser (gunicorn_h1c 0.6.10) reads, as RFC 9112, section 3, allows."""


@contextmanager
def environ_echo(tmp_path: Path, *options: str, **environ: str) -> Iterator[Server]:
    """One worker with our configuration, as far as the options leave it."""
    command = [*GUNICORN[:-1], *options, "tests.support.environ_echo:app"]
    with running(tmp_path / "models", tmp_path, command, MLAPI_WORKERS="1", **environ) as server:
        yield server


@pytest.fixture(scope="module", params=PARSERS)
def parser(request: pytest.FixtureRequest) -> str:
    parser: str = request.param
    return parser


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, parser: str) -> Iterator[Server]:
    with environ_echo(tmp_path_factory.mktemp("ours"), "--http-parser", parser) as server:
        yield server


@pytest.fixture(scope="module", params=["gthread", "sync"])
def peer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another of gunicorn's workers with our configuration."""
    with environ_echo(tmp_path_factory.mktemp(request.param), "--worker-class", request.param) as server:
        yield server


def environ_of(answer: Answer) -> dict[str, str]:
    """The environment that the application was called with: the parts of it that are text."""
    assert answer.status == 200, answer
    assert answer.version in ("1.0", "1.1")
    environ: dict[str, str] = answer.document
    return environ


def assert_problem(answer: Answer, status: int) -> None:
    document = answer.document
    assert (answer.status, document["status"]) == (status, status), answer
    assert document["type"] == f"/problems/{SLUGS[str(status)]}"
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["x-request-id"] == document["request_id"]
    assert answer.headers["connection"] == "close"


def assert_tells(answer: Answer, expected: dict[str, str | None]) -> None:
    environ = environ_of(answer)
    assert {name: environ.get(name) for name in expected} == expected


@pytest.mark.parametrize(("sent", "becomes"), ANSWERED.values(), ids=ANSWERED)
def test_a_request_is_answered_once_and_so_is_the_next(
    server: Server, sent: bytes, becomes: dict[str, str | None]
) -> None:
    first, second = exchange(server.port, sent + PROBE)

    assert_tells(first, becomes)
    assert environ_of(second)["PATH_INFO"] == "/probe"


@pytest.mark.parametrize(("sent", "becomes"), CLOSED.values(), ids=CLOSED)
def test_a_request_that_ends_its_connection_is_answered_and_no_other_is(
    server: Server, sent: bytes, becomes: dict[str, str | None]
) -> None:
    (only,) = exchange(server.port, sent + PROBE)

    assert_tells(only, becomes)
    assert only.headers["connection"] == "close"


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_request_is_one_problem_and_ends_its_connection(
    server: Server, parser: str, name: str
) -> None:
    if parser == "fast" and name in LENIENT:
        return
    (only,) = exchange(server.port, REFUSED[name] + PROBE)

    status = STATUSES.get(name, 400)
    assert_problem(only, 400 if parser == "fast" and status == 501 and only.status == 400 else status)


def test_a_later_minor_version_is_answered_as_the_one_that_is_known(server: Server, parser: str) -> None:
    """RFC 9110, section 2.5; the compiled parser refuses it."""
    first, *others = exchange(server.port, head(b"GET /a HTTP/1.9") + PROBE)

    if parser == "fast":
        assert_problem(first, 400)
    else:
        assert_tells(first, {"SERVER_PROTOCOL": "HTTP/1.1"})
        assert len(others) == 1


@pytest.mark.parametrize("name", [*ANSWERED, *CLOSED])
def test_gunicorns_other_workers_refuse_nothing_that_ours_answers(peer: Server, name: str) -> None:
    sent = {**ANSWERED, **CLOSED}[name][0]

    statuses = [answer.status for answer in exchange(peer.port, sent + PROBE)]

    assert set(statuses) == {200}
    assert len(statuses) <= 2


def test_a_host_that_is_none_is_told_before_the_client_sends_its_body(server: Server) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=HANG_S) as sock:
        sock.sendall(head(b"POST /a HTTP/1.1", b"Expect: 100-continue\r\nContent-Length: 3\r\n"))
        sent_back = everything_from(sock)

    assert sent_back.startswith(b"HTTP/1.1 400 ")


def test_a_body_that_breaks_its_framing_ends_its_connection_whoever_read_it(server: Server) -> None:
    """Also where the application makes an answer of it, which says so."""
    sent = head(b"POST /patient HTTP/1.1", HOST + b"Transfer-Encoding: chunked\r\n", b"3\r\nabcd\r\n")

    (only,) = exchange(server.port, sent + PROBE)

    assert (only.status, only.headers["connection"]) == (200, "close")


@pytest.mark.parametrize(
    "options",
    [
        ["--forwarder-headers", "SCRIPT_NAME,PATH_INFO,REMOTE_USER", "--header-map", "dangerous"],
        ["--forwarder-headers", "*", "--forwarded-allow-ips", "*", "--header-map", "dangerous"],
    ],
)
def test_no_header_becomes_a_name_of_the_environment_whatever_is_configured(
    tmp_path: Path, options: list[str]
) -> None:
    names = {name: ANSWERED[name] for name in ANSWERED if "_" in name}
    assert len(names) == 20

    with environ_echo(tmp_path, *options) as server:
        for sent, becomes in names.values():
            assert_tells(exchange(server.port, sent + PROBE)[0], becomes)
        log = server.log

    assert "forwarder_headers counts for nothing here" in log


def test_without_our_configuration_no_header_becomes_a_name_of_the_environment_either(tmp_path: Path) -> None:
    options = ["--worker-class", "mlapi.server.worker.worker.Worker", "--bind", "127.0.0.1:{port}"]
    command = [sys.executable, "-m", "gunicorn", *options, "tests.support.environ_echo:app"]

    with running(tmp_path / "models", tmp_path, command) as server:
        (only,) = exchange(server.port, head(GET, HOST + b"SCRIPT_NAME: /a\r\nConnection: close\r\n"))

    assert_tells(only, {"SCRIPT_NAME": "", "PATH_INFO": "/a"})


def test_a_header_name_with_an_underscore_is_refused_where_gunicorn_is_told_to(tmp_path: Path) -> None:
    with environ_echo(tmp_path, "--header-map", "refuse") as server:
        (only,) = exchange(server.port, head(GET, HOST + b"SCRIPT_NAME: /a\r\n") + PROBE)

    assert_problem(only, 400)


def test_gthread_with_our_configuration_takes_no_script_name_either(tmp_path: Path) -> None:
    with environ_echo(tmp_path, "--worker-class", "gthread") as server:
        (only,) = exchange(server.port, head(GET, HOST + b"SCRIPT_NAME: /a\r\nConnection: close\r\n"))

    assert_tells(only, {"SCRIPT_NAME": "", "PATH_INFO": "/a"})


def test_a_unix_socket_is_no_exception(tmp_path: Path) -> None:
    place = tmp_path / "socket"
    with environ_echo(tmp_path, "--bind", f"unix:{place}", "--bind", "127.0.0.1:{port}"):
        for fields in (HOST, b"Host:\r\n", b"Host: [::1]:80\r\n"):
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(20)
                sock.connect(str(place))
                sock.sendall(head(GET, fields + b"SCRIPT_NAME: /a\r\nConnection: close\r\n"))
                (only,) = answers_in(everything_from(sock))

            assert_tells(only, {"SCRIPT_NAME": "", "PATH_INFO": "/a"})


PREFIXES = {
    "/ml": (["/ml", "/ml/", "/ml/a", "/ml/ml/a", "/ml?x=1"], ["/", "/a", "/mlx", "/m", "*", "/x/ml/a"]),
    "/ml/": (["/ml/", "/ml/a"], ["/", "/ml", "/mlx"]),
    "/": (["/", "/a"], []),
}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_under_a_prefix_what_is_outside_of_it_is_404(tmp_path: Path, prefix: str) -> None:
    inside, outside = PREFIXES[prefix]

    with environ_echo(tmp_path, SCRIPT_NAME=prefix) as server:
        for target in inside:
            (only,) = exchange(server.port, head(b"GET %s HTTP/1.0" % target.encode()))
            environ = environ_of(only)
            path = target.partition("?")[0]
            assert environ["SCRIPT_NAME"] == prefix
            assert environ["SCRIPT_NAME"] + environ["PATH_INFO"] == path
        for target in outside:
            (only,) = exchange(server.port, head(b"OPTIONS %s HTTP/1.1" % target.encode()) + PROBE)
            assert_problem(only, 404)
            assert prefix in only.document["detail"]


def test_the_log_has_the_request_id_of_every_500(server: Server) -> None:
    (only,) = exchange(server.port, head(b"GET /fail HTTP/1.1") + PROBE)

    assert_problem(only, 500)
    assert f"request_id={only.document['request_id']}" in server.log

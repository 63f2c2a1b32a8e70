"""gunicorn with our own worker class: what clients do to it, and what it does under long calls.

The server is the real one with its real configuration, around a small application (tests/support/echo.py).
"""

import hashlib
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from gunicorn.config import Config

from mlapi.server.worker import clients, timing
from mlapi.server.worker import connection as connections
from tests.support.echo_server import (
    GET,
    echo,
    open_socket,
    open_sockets,
    read_all,
    read_answer,
    read_document,
    read_problem,
    read_rest,
)
from tests.support.server import ROOT, Server, ask, halted
from tests.support.waiting import HANG_S, until

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="looks at the server's processes in /proc: Linux only"
)

POST = b"POST / HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker."""
    with echo(tmp_path_factory.mktemp("echo")) as server:
        yield server


@pytest.fixture(scope="module")
def server_without_epoll(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with echo(tmp_path_factory.mktemp("poll"), WITHOUT_EPOLL="1") as server:
        yield server


@pytest.fixture(scope="module", params=["epoll", "poll"])
def patient_server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """It never cuts who is slow."""
    with_poll = {"WITHOUT_EPOLL": "1"} if request.param == "poll" else {}
    with echo(tmp_path_factory.mktemp("patient"), PATIENT="1", **with_poll) as server:
        yield server


@pytest.fixture(params=["server", "server_without_epoll"])
def either_server(request: pytest.FixtureRequest) -> Server:
    server: Server = request.getfixturevalue(request.param)
    return server


def test_requests_that_come_at_once_are_answered_in_their_order(either_server: Server) -> None:
    requests = [b"GET /%d HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc" % n for n in range(200)]

    with open_socket(either_server) as sock:
        sock.sendall(b"".join(requests) + b"GET /end HTTP/1.0\r\n\r\n")
        paths = re.findall(rb'"path": "(\w+)", "bytes": (\d)', read_all(sock))

    assert paths == [(b"%d" % n, b"3") for n in range(200)] + [(b"end", b"0")]


@pytest.mark.parametrize(
    "tail",
    [
        b"Content-Length: 5\r\n\r\nhello",
        b"Transfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3;a=b\r\nllo\r\n0\r\n\r\n",
        b"Transfer-Encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\nX-Trailer: 1\r\n\r\n",
    ],
)
def test_a_request_may_arrive_byte_by_byte(patient_server: Server, tail: bytes) -> None:
    with open_socket(patient_server) as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in POST + tail:
            sock.sendall(bytes([byte]))

        document = read_document(sock)

    assert (document["bytes"], document["sha256"]) == (5, hashlib.sha256(b"hello").hexdigest())


@pytest.mark.parametrize("size", [70_000, 1_000_000, 3_000_000])
@pytest.mark.parametrize("chunked", [False, True])
def test_large_bodies_arrive_whole_and_the_connection_is_kept(
    server: Server, size: int, chunked: bool
) -> None:
    body = bytes(range(250)) * (size // 250)
    connection = server.connect()

    for _ in range(2):
        pieces = iter([body[: size // 3], body[size // 3 :]]) if chunked else body
        connection.request("POST", "/", pieces, encode_chunked=chunked)
        document = json.loads(connection.getresponse().read())
        assert document["sha256"] == hashlib.sha256(body).hexdigest()
        sock = connection.sock

    assert sock is connection.sock is not None


def test_a_client_that_waits_to_be_told_to_send_is_told(patient_server: Server) -> None:
    with open_socket(patient_server) as sock:
        sock.sendall(POST + b"Expect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        sock.sendall(b"hello")

        assert read_document(sock)["bytes"] == 5


def test_head_has_no_body_and_keeps_the_connection(server: Server) -> None:
    with open_socket(server) as sock:
        for _ in range(2):
            sock.sendall(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
            response, _ = read_answer(sock, method="HEAD")
            assert (response.status, response.headers["Connection"]) == (200, "keep-alive")


@pytest.mark.parametrize(
    "request_", [b"GET /a HTTP/1.0\r\n\r\n", b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
)
def test_who_asks_for_it_is_answered_and_closed(server: Server, request_: bytes) -> None:
    with open_socket(server) as sock:
        sock.sendall(request_)

        answer = read_all(sock)

    assert b"\r\nConnection: close\r\n" in answer
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["path"] == "a"


def test_a_stream_is_chunked_and_whole(server: Server) -> None:
    connection = server.connect()
    connection.request("GET", "/stream/1000")

    assert connection.getresponse().read() == b"".join(b"%d\n" % number for number in range(1000))


def test_a_body_that_nobody_read_does_not_become_the_next_request(server: Server) -> None:
    connection = server.connect()

    for size in (10, 20_000):
        connection.request("POST", "/ignore/1", b"GET / HTTP/1.1\r\n\r\n" * (size // 10))
        assert connection.getresponse().read().startswith(b'{"pid"')
    assert ask(connection, "GET", "/after")[1]["path"] == "after"


SLUGS = dict(
    re.findall(r"^\| (\d+) \| `([a-z-]+)` \|", (ROOT / "docs" / "errors.md").read_text(), re.MULTILINE)
)


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"GET / HTTP/1.1\n\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\nA: b", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: strange\r\n\r\n", 501),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: x\r\nExpect: a miracle\r\n\r\n", 417),
        (b"GET /%s HTTP/1.1\r\nHost: x\r\n\r\n" % (b"a" * 9000), 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nA: %s\r\n\r\n" % (b"a" * 9000), 431),
        (GET % b"fail/0", 500),
    ],
)
def test_what_is_no_request_is_a_problem_document_at_once(
    server: Server, request_: bytes, status: int
) -> None:
    """Who waited for more of it would answer 408."""
    with open_socket(server) as sock:
        sock.sendall(request_)

        problem = read_problem(sock, status)

    assert problem["type"] == f"/problems/{SLUGS[str(status)]}"


def test_an_answer_that_breaks_off_is_closed_and_the_server_serves_on(server: Server) -> None:
    with open_socket(server) as sock:
        sock.sendall(GET % b"fail/2")
        assert read_all(sock).endswith(b"piecepiece")

    assert server.get("/health/live")[0] == 200


@pytest.mark.parametrize("error", ["cancelled", "disk", "wordless"])
def test_whatever_the_application_raises_is_a_problem_and_costs_no_thread(server: Server, error: str) -> None:
    for _ in range(6):
        with open_socket(server) as sock:
            sock.sendall(GET % b"raise/%s" % error.encode())
            assert read_problem(sock, 500)["type"] == "/problems/internal-server-error"


def test_a_hook_that_fails_leaves_the_answer_alone(server: Server) -> None:
    with open_socket(server) as sock:
        for _ in range(2):
            sock.sendall(GET % b"hook")
            assert read_document(sock)["path"] == "hook"


def test_what_is_wrong_with_a_body_that_nobody_read_is_no_second_answer(server: Server) -> None:
    with open_socket(server) as sock:
        sock.sendall(b"POST /ignore/1 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
        answer = read_all(sock)

    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert answer.count(b"HTTP/1.1") == 1


def test_half_a_request_is_408_and_silence_does_no_harm(server: Server) -> None:
    halves = [
        b"GET / HT",
        POST + b"Content-Length: 9\r\n\r\nabc",
        POST + b"Transfer-Encoding: chunked\r\n\r\n5",
    ]
    with open_socket(server) as idle, open_sockets(server, 3, b"") as socks:
        for sock, half in zip(socks, halves, strict=True):
            sock.sendall(half)
        for sock in socks:
            assert read_problem(sock, 408)["type"] == "/problems/request-timeout"

        idle.sendall(GET % b"late")
        assert read_document(idle)["path"] == "late"


CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
TRICKLES = {
    "a head": POST + b"X: " + b"x" * 60_000,
    "a chunk's line": CHUNKED + b"5;" + b"x" * 1_000_000,
    "trailers": CHUNKED + b"0\r\n" + b"x" * 1_000_000,
}


@pytest.mark.parametrize("sent", TRICKLES.values(), ids=TRICKLES)
def test_what_trickles_in_is_not_searched_anew_for_each_byte(sent: bytes) -> None:
    assert trickle_s(sent) < 20 * trickle_s(POST + b"X: ")  # 120 times, where all is searched


def trickle_s(sent: bytes) -> float:
    """Of the processor's time: what a thousand bytes take that come one by one after these."""
    ours, theirs = socket.socketpair()
    connection = connections.Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
    with closing(ours), closing(theirs):
        for start in range(0, len(sent), 60_000):
            theirs.sendall(sent[start : start + 60_000])
            connection.gather()
        began = time.process_time()
        for _ in range(1000):
            theirs.sendall(b"x")
            connection.gather()
            connection.advance()
            if connection.is_ready:  # a thread of those for large requests waits for the rest
                break
        return time.process_time() - began


SLOW = {
    "connects only": b"",
    "half a head": b"POST / HTTP/1.1\r\nHost: x\r\nConte",
    "a stalled body": POST + b"Content-Length: 100\r\n\r\nabc",
    "a stalled chunk": POST + b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc",
    "a stalled large body": POST + b"Content-Length: 3000000\r\n\r\nabc",
    "a stalled endless body": POST + b"Content-Length: 1%s\r\n\r\nabc" % (b"0" * 30),
    "a body framed by a second field": POST + b"Transfer-Encoding: identity\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n64\r\nabc",
    "waits to be told, and sends nothing": POST + b"Expect: 100-continue\r\nContent-Length: 9\r\n\r\n",
}


@pytest.mark.parametrize("sent", SLOW.values(), ids=SLOW)
def test_200_slow_clients_cost_the_others_nothing(patient_server: Server, sent: bytes) -> None:
    with open_sockets(patient_server, 200, sent):
        for _ in range(10):
            assert patient_server.get("/health/live")[0] == 200


def is_held(sock: socket.socket) -> bool:
    """Whether the server has not closed its side of this connection."""
    ours, theirs = (f":{place[1]:04X}" for place in (sock.getsockname(), sock.getpeername()))
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()]
    return any(row[1].endswith(theirs) and row[2].endswith(ours) and row[3] == "01" for row in rows)


def test_clients_that_do_not_read_their_answers_hold_no_thread_and_are_cut(either_server: Server) -> None:
    with open_sockets(either_server, 12, GET % b"large/9000000") as deaf:
        for sock in deaf:
            until(lambda sock=sock: either_server.get("/health/live")[0] == 200 and not is_held(sock))  # type: ignore[misc]
            with pytest.raises((http.client.IncompleteRead, ConnectionResetError)):
                read_answer(sock)


@pytest.mark.parametrize("count", [1, 2])
def test_an_answer_larger_than_all_that_may_wait_is_whole_for_who_reads(tmp_path: Path, count: int) -> None:
    size = clients.MUCH_UNSENT + 3_000_000
    with echo(tmp_path, PATIENT="1") as server, open_sockets(server, count, b"") as socks:
        for sock in socks:
            sock.sendall(GET % b"large/%d" % size)
            sock.recv(1)
        missing = dict.fromkeys(socks, size)
        while missing:  # in turns: each waits for the other again and again
            for sock in list(missing):
                got = read_rest(sock, min(missing[sock], 1_000_000))
                missing[sock] -= got
                if missing[sock] <= 0:
                    del missing[sock]
                else:
                    assert got, f"cut, with {missing[sock]} bytes to come"


@pytest.mark.parametrize(("size", "count", "stalled_s"), [(30_000_000, 4, "0.1"), (70_000_000, 6, "1e6")])
def test_who_reads_its_answer_is_not_cut_for_those_who_do_not(
    tmp_path: Path, size: int, count: int, stalled_s: str
) -> None:
    """Over the first bound, where the others have had their time; and over the second, where nobody has."""
    with (
        echo(tmp_path, PATIENT="1", STALLED_S=stalled_s) as server,
        open_sockets(server, count, b"") as (reader, *deaf),
    ):
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)  # what is read has just been sent
        reader.sendall(GET % b"large/%d" % size)
        got = read_rest(reader, 6_000_000)
        for sock in deaf:
            sock.sendall(GET % b"large/%d" % size)
            sock.recv(1)
            server.get("/after/it")  # what is read from here on is read after that answer began to wait
            got += read_rest(reader, 6_000_000)
        until(lambda: not is_held(deaf[0]))

        assert is_held(deaf[-1])
        assert got + read_rest(reader, size - got) >= size


def test_of_those_who_do_not_read_as_many_wait_as_there_is_room_for(tmp_path: Path) -> None:
    with (
        echo(tmp_path, PATIENT="1", STALLED_S="0.1") as server,
        open_sockets(server, 12, GET % b"large/9000000") as deaf,
    ):
        room = clients.MUCH_UNSENT // 9_000_000 + 1  # beside the largest

        until(lambda: sum(map(is_held, deaf)) == room)
        server.get("/health/live")

        assert sum(map(is_held, deaf)) == room


def test_who_does_not_read_an_answer_that_goes_on_is_cut(either_server: Server) -> None:
    with open_sockets(either_server, 1, GET % b"flood/9000000") as (deaf,):
        deaf.recv(1)

        assert until(lambda: not is_held(deaf))


def test_an_answer_that_goes_on_and_is_not_read_saves_no_other_one(tmp_path: Path) -> None:
    with (
        echo(tmp_path, PATIENT="1", STALLED_S="1.5") as server,
        open_sockets(server, 2, GET % b"flood/40000000") as streams,
        open_sockets(server, 3, GET % b"large/40000000") as deaf,
    ):
        until(lambda: sum(map(is_held, [*streams, *deaf])) == 2)
        server.get("/health/live")

        assert sum(map(is_held, [*streams, *deaf])) == 2


def test_clients_that_are_cut_and_leave_at_once_do_not_break_the_loop(server: Server) -> None:
    """What the poller told of a connection may come after another one's answer has cut it."""
    worker = server.worker
    with open_sockets(server, 12, GET % b"one") as socks:
        assert {read_document(sock)["path"] for sock in socks} == {"one"}
        deaf, eager = socks[:6], socks[6:]
        for sock in deaf:
            sock.sendall(GET % b"large/45000000")
            sock.recv(1)
        with halted(worker):
            for sock in eager:
                sock.sendall(GET % b"large/45000000")
            for sock in deaf:
                sock.close()
        assert server.get("/health/live")[0] == 200

    assert server.workers == [worker], server.log


def test_answers_that_have_left_take_no_memory(server: Server) -> None:
    worker = server.worker
    with open_sockets(server, 60, b"") as socks:
        for sock in socks:
            sock.sendall(GET % b"large/9000000")
            assert len(read_answer(sock)[1]) == 9_000_000

        status = Path(f"/proc/{worker}/status").read_text()

    # Four threads keep up to 64 MB each for the next one; sixty answers would be 540 MB.
    assert int(status.partition("VmRSS:")[2].split()[0]) < 350_000


def test_an_answer_that_a_client_was_too_slow_for_is_not_sent_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "TRANSFER_GRACE_S", 0.01)
    monkeypatch.setattr(timing, "SLOWEST_RATE", 1e12)
    ours, theirs = socket.socketpair()
    connection = connections.Connection(Config(), ours, ("127.0.0.1", 1), ("127.0.0.1", 2))
    whole = bytes(range(256)) * 20_000
    connection.send(whole)
    got = theirs.recv(200_000)  # makes room for a part

    with closing(theirs):
        with pytest.raises(TimeoutError):
            connection.send(b"more")
        sent = bytes(connection.unsent)
        connection.close()
        got += read_all(theirs)

    assert (sent, got) == (b"", whole[: len(got)])


def test_many_connections_at_once_are_all_answered(server: Server) -> None:
    with open_sockets(server, 800, GET % b"one") as socks:
        assert {read_document(sock)["path"] for sock in socks} == {"one"}


@pytest.mark.parametrize("is_new", [False, True])
def test_a_client_waits_for_one_request_of_each_other_client(either_server: Server, is_new: bool) -> None:
    worker = either_server.worker
    with open_sockets(either_server, 5, GET % b"one") as socks:
        before = max(read_document(sock)["number"] for sock in socks)
        *greedy, modest = socks
        with halted(worker):
            for sock in greedy:
                sock.sendall(GET % b"more" * 1500)
            if is_new:  # it is accepted when one request of each has been answered
                modest.close()
                modest = open_socket(either_server)
            modest.sendall(GET % b"mine")

        waited = read_document(modest)["number"] - before - 1
        modest.close()

    assert waited <= 2 * len(greedy)


def test_all_who_have_come_while_a_turn_was_long_are_accepted_at_once(server: Server) -> None:
    worker = server.worker
    with open_sockets(server, 3, GET % b"one") as greedy:
        before = max(read_document(sock)["number"] for sock in greedy)
        with halted(worker):
            for sock in greedy:
                sock.sendall(GET % b"more" * 1500)
            newcomers = [open_socket(server) for _ in range(20)]
            for sock in newcomers:
                sock.sendall(GET % b"mine")
        last = max(read_document(sock)["number"] for sock in newcomers) - before
        for sock in newcomers:
            sock.close()

    assert last <= 40  # one a turn, the last would wait for sixty and the twenty


def test_long_calls_leave_the_others_unharmed(either_server: Server, tmp_path: Path) -> None:
    """Three of four threads are inside a call; the fourth reads and answers."""
    worker = either_server.worker
    end = tmp_path / "end"
    with open_sockets(either_server, 3, GET % b"wait/1?%s" % os.fsencode(end)) as waiting:
        for _ in range(30):
            assert either_server.get("/health/live")[0] == 200
        end.touch()

        assert [read_document(sock)["pid"] for sock in waiting] == [worker] * 3


def test_more_long_calls_than_threads_take_turns(server: Server) -> None:
    with open_sockets(server, 10, GET % b"sleep/0.3") as sleepers:
        assert {read_document(sock)["slept"] for sock in sleepers} == {"0.3"}

    assert server.get("/health/live")[0] == 200


def test_a_call_longer_than_gunicorns_timeout_is_answered(tmp_path: Path) -> None:
    """Somebody tells the master that the worker lives, also when every thread is inside a call."""
    with echo(tmp_path, "--timeout", "4") as server, open_sockets(server, 4, GET % b"sleep/6") as sleepers:
        pids = {read_document(sock)["pid"] for sock in sleepers}

        assert pids == set(server.workers)


@pytest.mark.parametrize("start", range(4))
def test_connections_spread_over_the_workers(tmp_path: Path, start: int) -> None:
    with echo(tmp_path, workers=2, PATIENT="1") as server:
        answered = set[int]()
        while len(answered) < 2:  # both have started
            answered.add(server.get("/")[1]["pid"])

        connections = [server.connect() for _ in range(16)]
        for connection in connections:
            connection.connect()
        counts = Counter(ask(connection, "GET", "/")[1]["pid"] for connection in connections)

    assert min(counts[pid] for pid in answered) >= 6, (start, counts)


def test_a_worker_that_is_stuck_does_not_keep_connections_from_the_other(tmp_path: Path) -> None:
    with echo(tmp_path, workers=2) as server:
        stuck, _ = server.wait_for_workers()
        with halted(stuck):
            for _ in range(50):
                connection = server.connect()
                assert ask(connection, "GET", "/")[1]["pid"] != stuck


def test_a_worker_that_has_answered_enough_is_replaced_and_nothing_is_lost(tmp_path: Path) -> None:
    with echo(tmp_path, "--max-requests", "50", "--max-requests-jitter", "0") as server:
        connection, pids = server.connect(), Counter[int]()
        for _ in range(300):
            pids[ask(connection, "GET", "/")[1]["pid"]] += 1

    assert len(pids) >= 5
    assert max(pids.values()) <= 51


def test_sigterm_answers_what_was_asked_in_every_thread_and_sends_it_whole(tmp_path: Path) -> None:
    with echo(tmp_path) as server, open_sockets(server, 1, GET % b"large/9000000") as (late,):
        late.recv(1)
        with open_sockets(server, 6, GET % b"sleep/0.5") as sleepers:
            assert server.get("/health/live")[0] == 200  # it waited for a thread, so they were all inside

            server.signal(signal.SIGTERM)

            assert {read_document(sock)["slept"] for sock in sleepers} == {"0.5"}
        assert read_rest(late, 8_999_999) >= 8_999_999
        late.close()
        assert server.process.wait(HANG_S) == 0


@pytest.fixture(scope="module")
def strict_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One thread, and little room and patience."""
    options = ("--threads", "1", "--keep-alive", "1", "--worker-connections", "20")
    with echo(tmp_path_factory.mktemp("strict"), *options) as server:
        yield server


def open_files(process: int) -> list[str]:
    names = []
    for path in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            names.append(os.readlink(path))
    return names


def test_a_worker_holds_as_many_connections_as_it_may(strict_server: Server) -> None:
    worker = strict_server.worker

    def held() -> int:
        return sum(name.startswith("socket:") for name in open_files(worker))

    with open_sockets(strict_server, 40, b"GET / HT"):
        until(lambda: held() >= 20)
        time.sleep(0.1)  # were there no bound, more would come

        assert held() <= 22


def test_a_full_worker_cuts_who_is_idle_for_newcomers_and_nobody_who_asks(tmp_path: Path) -> None:
    options = ("--worker-connections", "20", "--keep-alive", "600")
    with echo(tmp_path, *options) as server, open_sockets(server, 2, GET % b"one") as (asking, sleeper):
        assert [read_document(asking)["path"], read_document(sleeper)["path"]] == ["one", "one"]
        sleeper.sendall(GET % b"sleep/3")
        with open_sockets(server, 40, b""):
            for _ in range(30):
                assert server.get("/health/live")[0] == 200
            asking.sendall(GET % b"two")  # silent ones were cut, it was not

            assert read_document(asking)["path"] == "two"
            assert read_document(sleeper)["slept"] == "3"


LARGE = POST + b"Content-Length: 10000000\r\n\r\n"


def test_large_bodies_that_come_slowly_keep_nobody_waiting(server: Server) -> None:
    """Each has tens of seconds for what it has sent."""
    with open_sockets(server, 6, LARGE + bytes(1_500_000)) as slow:
        connection = server.connect()
        for _ in range(3):
            connection.request("POST", "/", bytes(9_000_000))
            assert json.loads(connection.getresponse().read())["bytes"] == 9_000_000
        for sock in slow:
            sock.setblocking(False)
            with pytest.raises(BlockingIOError):
                sock.recv(1)


def test_who_waits_to_be_told_to_send_holds_no_thread(server: Server) -> None:
    expecting = POST + b"Expect: 100-continue\r\nContent-Length: 3000000\r\n\r\n"
    with open_sockets(server, 12, expecting) as socks:
        for sock in socks:  # all of them before any has sent
            assert sock.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        socks[0].sendall(bytes(3_000_000))
        assert read_document(socks[0])["bytes"] == 3_000_000


def whole(body: bytes, chunk: int) -> bytes:
    """A request with this body, by its length or in chunks of so many bytes."""
    if not chunk:
        return LARGE + body
    pieces = [body[place : place + chunk] for place in range(0, len(body), chunk)]
    return CHUNKED + b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"


@pytest.mark.parametrize("chunk", [0, 700, 3_000_000])
def test_what_does_not_fit_into_memory_of_large_bodies_waits_in_files(tmp_path: Path, chunk: int) -> None:
    body = random.Random(0).randbytes(10_000_000)
    request = whole(body, chunk)
    with echo(tmp_path) as server, open_sockets(server, 12, request[:9_500_000]) as socks:
        worker = server.worker
        assert server.get("/health/live")[0] == 200
        files = open_files(worker)
        memory = Path(f"/proc/{worker}/status").read_text().partition("VmRSS:")[2].split()[0]
        for sock in socks:
            sock.sendall(request[9_500_000:])
            assert read_document(sock)["sha256"] == hashlib.sha256(body).hexdigest()
            sock.sendall(GET % b"next")
            assert read_document(sock)["path"] == "next"

    assert sum(name.endswith("(deleted)") for name in files) > 3
    assert int(memory) < 190_000


def test_who_asks_while_every_thread_is_in_a_call_is_answered_however_late(strict_server: Server) -> None:
    with open_sockets(strict_server, 2, GET % b"one") as (sleeper, asking):
        assert [read_document(sleeper)["path"], read_document(asking)["path"]] == ["one", "one"]

        sleeper.sendall(GET % b"sleep/3.5")
        time.sleep(0.1)  # it is inside
        asking.sendall(GET % b"two")

        assert read_document(asking)["path"] == "two"


def test_a_worker_whose_loop_breaks_is_replaced(strict_server: Server) -> None:
    before = strict_server.worker
    with open_socket(strict_server) as sock:
        sock.sendall(b"GET /break/1 HTTP/1.0\r\n\r\n")
        assert read_all(sock) == b""

    assert strict_server.get("/")[1]["pid"] != before
    assert "The worker's loop broke" in strict_server.log


@pytest.mark.parametrize(("trusted", "scheme"), [("127.0.0.1", "https"), ("10.0.0.0/8", "http")])
def test_only_a_trusted_proxy_says_what_the_scheme_was(tmp_path: Path, trusted: str, scheme: str) -> None:
    with echo(tmp_path, "--forwarded-allow-ips", trusted) as server:
        connection = server.connect()
        for _ in range(2):
            connection.request("GET", "/", headers={"X-Forwarded-Proto": "https"})

            assert json.loads(connection.getresponse().read())["scheme"] == scheme


def test_arithmetic_has_one_thread_because_numpy_comes_after_the_environment() -> None:
    """gunicorn imports the worker before it sets OMP_NUM_THREADS and the like."""
    modules = "mlapi.server.worker.worker, mlapi.settings, mlapi.server.gunicorn_app"
    code = f"import sys, {modules}; sys.exit('numpy' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=HANG_S, check=False).returncode == 0

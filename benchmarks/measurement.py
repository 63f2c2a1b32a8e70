"""One server's turn: started, its answers compared with scikit-learn's, measured at each work, ended."""

import http.client
import json
import os
import subprocess
import time
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from benchmarks.models import Models
from benchmarks.process import Process, machine_busy_s
from benchmarks.servers import Server, started
from benchmarks.work import RECORD, ROW, SVM_ROW, WORKS, Question, questions, write_requests

SCRIPT = Path(__file__).with_name("load.lua")

TOLERATED = 0.1
"""The share of the machine that other processes may take before a measurement is made again."""

START_LIMIT_S = 60


class Wrong(Exception):
    """A server did not do what it should: the run is worth nothing."""


@dataclass(frozen=True, slots=True)
class Load:
    """What wrk saw, what it cost the server, and which share of the machine other processes took."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    per_second: float
    cpu_us: float
    others: float


@dataclass(frozen=True, slots=True)
class Turn:
    """`start_s` is the time to the first right answers of all three models."""

    server: str
    start_s: float
    memory_mib: float
    work: dict[str, Load]


def rehearse(server: Server, models: Models) -> None:
    """Start a server and check all its answers: a mistake shows at once, and the disk is warm."""
    asked = _asked(server, models)
    with started(server, models) as process:
        wait(process, _firsts(asked), server.is_floor)
        check(process, chain.from_iterable(asked.values()), server.is_floor)


def measure(server: Server, models: Models, seconds: int) -> Turn:
    """A turn.

    Raises:
        Wrong: An answer is not scikit-learn's, or a request failed.
    """
    asked = _asked(server, models)
    files = {name: write_requests(models.folder / name, asked[name]) for name in asked}
    with started(server, models) as process:
        start_s = wait(process, _firsts(asked), server.is_floor)
        check(process, chain.from_iterable(asked.values()), server.is_floor)
        for name in (ROW, RECORD, SVM_ROW):  # a warm-up, of every model
            load(process, files[name], WORKS[name].connections, 1)
        turn = Turn(server.name, start_s, process.memory_mib(), {})
        for name, work in WORKS.items():
            turn.work[name] = calm_load(process, files[name], work.connections, seconds)
        check(process, [each[0] for each in asked.values()], server.is_floor)
        return turn


def _asked(server: Server, models: Models) -> dict[str, list[Question]]:
    return {name: questions(work, server.path(work), models) for name, work in WORKS.items()}


def _firsts(asked: dict[str, list[Question]]) -> list[Question]:
    """One question for each of the three models."""
    return [asked[name][0] for name in (ROW, RECORD, SVM_ROW)]


def wait(process: Process, asked: list[Question], is_floor: bool = False) -> float:
    """Seconds from the start until all of these have been answered, rightly."""
    for question in asked:
        while not _is_answered(process, question):
            if process.has_ended or time.perf_counter() - process.started > START_LIMIT_S:
                raise Wrong(f"a server does not answer; its log ends:\n{process.log[-10_000:]}")
            time.sleep(0.01)
    took = time.perf_counter() - process.started
    check(process, asked, is_floor)
    return took


def check(process: Process, asked: Iterable[Question], is_floor: bool = False) -> None:
    """Compare the answers with scikit-learn's labels; of the floor's, only the status."""
    with closing(_connection(process)) as connection:
        for question in asked:
            status, content = _post(connection, question)
            if status != 200 or (not is_floor and json.loads(content)["prediction"] != question.labels):
                raise Wrong(f"{question.path} answered {status} {content[:300]!r} to {question.body[:300]!r}")


def calm_load(process: Process, requests: Path, connections: int, seconds: int) -> Load:
    """Made again, twice at most, while others take the machine: the calmest counts, be it fast or slow."""
    tries = [load(process, requests, connections, seconds)]
    while tries[-1].others > TOLERATED and len(tries) < 3:
        tries.append(load(process, requests, connections, seconds))
    return min(tries, key=lambda each: each.others)


def load(process: Process, requests: Path, connections: int, seconds: int) -> Load:
    """Drive a server with wrk.

    Raises:
        Wrong: A request failed.
    """
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s", "-s", str(SCRIPT)]
    command += [f"http://127.0.0.1:{process.port}/", "--", str(requests)]
    busy, spent, driven, began = machine_busy_s(), _spent(process), _children_s(), time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=seconds + 60)  # noqa: S603
    wall = time.perf_counter() - began
    busy, spent, driven = machine_busy_s() - busy, _spent(process) - spent, _children_s() - driven
    found = _figures(done)
    took = found["microseconds"] / 1e6
    return Load(
        requests=found["requests"],
        seconds=took,
        p50_ms=found["p50"] / 1000,
        p99_ms=found["p99"] / 1000,
        per_second=found["requests"] / took,
        cpu_us=spent / found["requests"] * 1e6,
        others=max(0.0, busy - spent - driven) / wall / (os.cpu_count() or 1),
    )


def _figures(done: "subprocess.CompletedProcess[str]") -> dict[str, Any]:
    said = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not said:
        raise Wrong(f"wrk failed: {done.stdout[-500:]}{done.stderr[-500:]}")
    found: dict[str, Any] = json.loads(said[-1])
    if found["bad"] or not found["requests"]:
        raise Wrong(f"{found['bad']} of {found['requests']} requests failed:\n{done.stdout}")
    return found


def _is_answered(process: Process, question: Question) -> bool:
    try:
        with closing(_connection(process)) as connection:
            return _post(connection, question)[0] == 200
    except (OSError, http.client.HTTPException):
        return False


def _connection(process: Process) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", process.port, timeout=30)


def _post(connection: http.client.HTTPConnection, question: Question) -> tuple[int, bytes]:
    connection.request("POST", question.path, question.body, {"Content-Type": "application/json"})
    response = connection.getresponse()
    return response.status, response.read()


def _spent(process: Process) -> float:
    return sum(process.cpu_s().values())


def _children_s() -> float:
    times = os.times()
    return times.children_user + times.children_system

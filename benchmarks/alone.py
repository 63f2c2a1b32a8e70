"""What is measured of this server alone: many models, starts, and the parsers beside it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import orjson

from benchmarks.measurement import Load, calm_load, check, load, wait
from benchmarks.models import HUNDRED, Models
from benchmarks.servers import OURS, SERVERS, started
from benchmarks.work import ALONE, ROW, TEN_THOUSAND, WORKS, Question, questions, write_requests

simdjson: Any
try:
    import simdjson
except ImportError:  # no wheel for this Python or processor
    simdjson = None


@dataclass(frozen=True, slots=True)
class Round:
    """One row at a time where one model is served, and where a hundred are; and the parsers by name."""

    one: Load
    hundred: Load
    parsers_ms: dict[str, float]


@dataclass(frozen=True, slots=True)
class Alone:
    """`smallest_shares` has one figure for each start."""

    rounds: list[Round]
    smallest_shares: list[float]


def measure_alone(models: Models, seconds: int) -> Round:
    return Round(*_many_models(models, seconds), _parsers_ms(models))


def smallest_share(models: Models) -> float:
    """Of the workers' processor time under 16 kept-alive connections, after a start; 0 is an idle one."""
    asked = _asked(ROW, models)
    requests = write_requests(models.folder / "alone", asked)
    with started(SERVERS[OURS], models) as process:
        wait(process, asked[:1])
        load(
            process, requests, WORKS[ROW].connections, 1
        )  # what a worker's own start takes is no sign of work
        before = process.cpu_s()
        load(process, requests, WORKS[ROW].connections, 1)
        after = process.cpu_s()
    less, more = sorted(after[pid] - before.get(pid, 0.0) for pid in after)[
        -2:
    ]  # the first process only watches
    return less / (less + more)


def _many_models(models: Models, seconds: int) -> tuple[Load, Load]:
    """The same requests to one model, and to a hundred in turn."""
    asked = _asked(ALONE, models)
    spread = [
        replace(asked[number % len(asked)], path=f"/predict/{name}") for number, name in enumerate(HUNDRED)
    ]
    return _served(models, models.one, asked, seconds), _served(models, models.hundred, spread, seconds)


def _served(models: Models, published: Path, asked: list[Question], seconds: int) -> Load:
    requests = write_requests(models.folder / "alone", asked)
    with started(SERVERS[OURS], models, published) as process:
        wait(process, asked[:1])
        check(process, asked)
        load(process, requests, 1, 1)
        return calm_load(process, requests, 1, seconds)


def _parsers_ms(models: Models) -> dict[str, float]:
    """What parsing alone takes of the body of 10,000 rows: to objects, or by pysimdjson to one array."""
    body = _asked(TEN_THOUSAND, models)[0].body
    found = {"orjson": _median_ms(lambda: orjson.loads(body))}
    if simdjson is not None:
        parser = simdjson.Parser()
        found["pysimdjson"] = _median_ms(
            lambda: np.frombuffer(parser.parse(body)["instances"].as_buffer(of_type="d"))
        )
    return found


def _asked(work: str, models: Models) -> list[Question]:
    return questions(WORKS[work], SERVERS[OURS].path(WORKS[work]), models)


def _median_ms(call: Callable[[], Any]) -> float:
    """Processor time, of 20 calls."""
    taken = []
    for _ in range(20):
        began = time.process_time()
        call()
        taken.append(time.process_time() - began)
    return median(taken) * 1000

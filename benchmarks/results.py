"""What the rounds gave, as one JSON document: every figure, medians, ratios, and which goals are reached."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from benchmarks.alone import Alone
from benchmarks.measurement import Turn
from benchmarks.servers import FLOOR, OURS, TUTORIAL
from benchmarks.work import ALONE, RECORD, ROW, SVM_ROW, TEN_THOUSAND, THOUSAND, WORKS

FIGURES = ("p50_ms", "p99_ms", "per_second", "cpu_us")

WHOLE = "server"
"""The row of the figures of a server as a whole, beside those of each work."""

REFERENCES = (FLOOR, TUTORIAL)

IDLE = 0.1
"""A worker with less than this share of the processor time idles."""

Medians = dict[str, dict[str, dict[str, float]]]
"""By server, by work, by figure."""


@dataclass(frozen=True, slots=True)
class Goal:
    """This server's figure against the best one of some others; `limit` is the most that the ratio may be."""

    title: str
    row: str
    figure: str
    others: tuple[str, ...]
    limit: float


_FASTAPI = ("fastapi-async", "fastapi-threads")
_PEERS = (TUTORIAL, *_FASTAPI)

GOALS = (
    Goal("one row: CPU, of an empty Flask view", ROW, "cpu_us", (FLOOR,), 1.25),
    Goal("one row: CPU, of the tutorials' app", ROW, "cpu_us", (TUTORIAL,), 0.45),
    Goal("one row: CPU, of the faster FastAPI", ROW, "cpu_us", _FASTAPI, 0.8),
    Goal("16 connections: time a request, of the best other", ROW, "ms_each", _PEERS, 1.0),
    Goal("1 connection: p50, of the best other", ALONE, "p50_ms", _PEERS, 1.0),
    Goal("one penguin: CPU, of an empty Flask view", RECORD, "cpu_us", (FLOOR,), 1.4),
    Goal("one penguin: CPU, of FastAPI with a DataFrame", RECORD, "cpu_us", _FASTAPI, 0.1),
    Goal("1,000 rows: CPU, of the tutorials' app", THOUSAND, "cpu_us", (TUTORIAL,), 0.2),
    Goal("10,000 rows: CPU, of the tutorials' app", TEN_THOUSAND, "cpu_us", (TUTORIAL,), 0.15),
    Goal("SVC, one row: CPU, of the faster FastAPI", SVM_ROW, "cpu_us", _FASTAPI, 0.5),
    Goal("start to first right answers, of the tutorials' app", WHOLE, "start_s", (TUTORIAL,), 0.6),
    Goal("memory, of the tutorials' app", WHOLE, "memory_mib", (TUTORIAL,), 0.6),
)


def document(turns: Sequence[Turn], alone: Alone | None, facts: dict[str, Any]) -> dict[str, Any]:
    """All of it, ready for JSON."""
    found = medians(turns)
    ratios = {name: ratios_to(found, name) for name in REFERENCES if name in found}
    return {
        **facts,
        "goals": goals(found, alone),
        "medians": _rounded(found),
        "ratios": _rounded(ratios),
        "alone": _rounded(asdict(alone)) if alone else None,
        "turns": [_rounded(asdict(turn)) for turn in turns],
    }


def medians(turns: Sequence[Turn]) -> Medians:
    found: Medians = {}
    for name in dict.fromkeys(turn.server for turn in turns):
        mine = [turn for turn in turns if turn.server == name]
        whole = {key: median(getattr(turn, key) for turn in mine) for key in ("start_s", "memory_mib")}
        found[name] = {WHOLE: whole}
        for work in WORKS:
            loads = [turn.work[work] for turn in mine]
            row = {figure: median(getattr(load, figure) for load in loads) for figure in FIGURES}
            found[name][work] = {**row, "ms_each": 1000 / row["per_second"]}
    return found


def ratios_to(found: Medians, reference: str) -> Medians:
    """Each figure as a multiple of the reference's."""
    base = found[reference]
    return {
        server: {
            row: {figure: value / base[row][figure] for figure, value in figures.items()}
            for row, figures in rows.items()
        }
        for server, rows in found.items()
    }


def goals(found: Medians, alone: Alone | None) -> list[dict[str, Any]]:
    """Those that the servers of this run can tell."""
    told = []
    for goal in GOALS:
        if {OURS, *goal.others} <= found.keys():
            best = min(found[other][goal.row][goal.figure] for other in goal.others)
            told.append(_told(goal.title, found[OURS][goal.row][goal.figure] / best, goal.limit))
    if alone:
        told += _goals_alone(found[OURS], alone)
    return told


def _goals_alone(ours: dict[str, dict[str, float]], alone: Alone) -> list[dict[str, Any]]:
    parsers = [each.parsers_ms for each in alone.rounds]
    parser = median(times.get("pysimdjson", times["orjson"]) for times in parsers)
    one = median(each.one.p50_ms for each in alone.rounds)
    hundred = median(each.hundred.p50_ms for each in alone.rounds)
    idle = sum(share < IDLE for share in alone.smallest_shares)
    return [
        _told("10,000 rows: CPU, of the parser alone", ours[TEN_THOUSAND]["cpu_us"] / 1000 / parser, 1.6),
        _told("a hundred models: p50, of one model", hundred / one, 1.05),
        _told(f"starts with an idle worker, of {len(alone.smallest_shares)}", idle, 0),
    ]


def _told(title: str, ratio: float, limit: float) -> dict[str, Any]:
    return {"goal": title, "limit": limit, "ratio": _rounded(ratio), "reached": ratio <= limit}


def _rounded(found: Any) -> Any:
    """To four digits: no more of them would come again."""
    if isinstance(found, dict):
        return {name: _rounded(value) for name, value in found.items()}
    if isinstance(found, list):
        return [_rounded(value) for value in found]
    return float(f"{found:.4g}") if isinstance(found, float) else found

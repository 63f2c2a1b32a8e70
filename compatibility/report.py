"""The outcomes as tables: how many of each kind, all that are not right, and whether that is good enough."""

import collections
import json
from collections.abc import Sequence
from dataclasses import asdict

from rich.console import Console
from rich.table import Table

from compatibility.case import OUTCOMES, SERVER_ERROR, TRACEBACK, Outcome

LEAST_RIGHT = 0.97
"""The share of all cases that has to be right; of scikit-learn's own it is all."""


def is_good(outcomes: Sequence[Outcome]) -> bool:
    right = sum(outcome.is_right for outcome in outcomes)
    own = all(outcome.is_right for outcome in outcomes if outcome.is_own)
    failed = any(outcome.outcome in (TRACEBACK, SERVER_ERROR) for outcome in outcomes)
    return own and not failed and right >= LEAST_RIGHT * len(outcomes)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    kinds = Table(box=None)
    kinds.add_column("kind", no_wrap=True)
    for heading in ("cases", "right", "with an edit", *OUTCOMES):
        kinds.add_column(heading, justify="right")
    for kind in dict.fromkeys(outcome.kind for outcome in outcomes):
        kinds.add_row(kind, *_counts([outcome for outcome in outcomes if outcome.kind == kind]))
    kinds.add_row(
        "scikit-learn's own together", *_counts([outcome for outcome in outcomes if outcome.is_own])
    )
    kinds.add_row("all", *_counts(outcomes))
    console.print(kinds)
    for outcome in outcomes:
        if not outcome.is_right:
            console.print(line(outcome), soft_wrap=True)


def line(outcome: Outcome) -> str:
    return f"{outcome.kind}: {outcome.name}: {outcome.outcome} {outcome.message}".rstrip()


def as_json(outcomes: Sequence[Outcome]) -> str:
    return json.dumps([asdict(outcome) for outcome in outcomes], indent=1, ensure_ascii=False) + "\n"


def _counts(outcomes: Sequence[Outcome]) -> list[str]:
    count = collections.Counter(outcome.outcome for outcome in outcomes)
    edited = sum(outcome.edits > 0 for outcome in outcomes)
    right = sum(outcome.is_right for outcome in outcomes)
    return [str(len(outcomes)), str(right), str(edited), *(str(count[name] or "") for name in OUTCOMES)]

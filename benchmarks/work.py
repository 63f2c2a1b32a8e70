"""What the servers are asked: how many rows at a time of which model, over how many connections."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import orjson

from benchmarks.models import Models

Form = Literal["row", "rows", "record"]


@dataclass(frozen=True, slots=True)
class Work:
    """`bodies` is how many different ones take turns."""

    name: str
    title: str
    model: str
    form: Form
    rows: int
    connections: int
    bodies: int


ALONE, ROW, RECORD = "row_alone", "row", "record"
THOUSAND, TEN_THOUSAND = "thousand_rows", "ten_thousand_rows"
SVM_ROW, SVM_THOUSAND = "svm_row", "svm_thousand_rows"

WORKS = {
    work.name: work
    for work in (
        Work(ALONE, "one row of 30 numbers, 1 connection", "numbers", "row", 1, 1, 64),
        Work(ROW, "one row of 30 numbers, 16 connections", "numbers", "row", 1, 16, 64),
        Work(RECORD, "one penguin: words, numbers, blanks", "penguins", "record", 1, 16, 64),
        Work(THOUSAND, "1,000 × 30 numbers, 4 connections", "numbers", "rows", 1000, 4, 2),
        Work(TEN_THOUSAND, "10,000 × 30 numbers, 1 connection", "numbers", "rows", 10_000, 1, 1),
        Work(SVM_ROW, "SVC (RBF): one row, 16 connections", "svm", "row", 1, 16, 64),
        Work(SVM_THOUSAND, "SVC (RBF): 1,000 rows, 4 connections", "svm", "rows", 1000, 4, 2),
    )
}

_BODIES: dict[Form, Callable[[list[Any]], Any]] = {
    "row": lambda asked: {"features": asked[0]},
    "rows": lambda asked: {"instances": asked},
    "record": lambda asked: asked[0],
}


@dataclass(frozen=True, slots=True)
class Question:
    """A request, and scikit-learn's own labels for it."""

    path: str
    body: bytes
    labels: list[Any]


def questions(work: Work, path: str, models: Models) -> list[Question]:
    """The different bodies of a work: rows of the model's own table, from its start over and over."""
    asked, labels = models.asked[work.model], models.labels[work.model]
    made = []
    for number in range(work.bodies):
        rows = [(number * 7 + row) % len(asked) for row in range(work.rows)]
        body = orjson.dumps(_BODIES[work.form]([asked[row] for row in rows]))
        made.append(Question(path, body, [labels[row] for row in rows]))
    return made


def write_requests(file: Path, asked: list[Question]) -> Path:
    """The requests as load.lua reads them."""
    file.write_bytes(b"".join(b"%s\t%s\n" % (each.path.encode(), each.body) for each in asked))
    return file

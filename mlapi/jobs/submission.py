"""What a training job is asked with, JSON or a form with a file -> a recipe, and a file of rows."""

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePath
from typing import Any

import orjson

from mlapi.data.limits import TableLimits
from mlapi.data.rows.values import shown
from mlapi.errors import Finding, TooLarge
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.formats import multipart, negotiation
from mlapi.formats.decoded import plain_data
from mlapi.jobs.jobs import RESERVED, ROWS
from mlapi.schemas import errors
from mlapi.schemas import parameters as parameter_schemas

_KEYS = ("algorithm", "X", "y", "parameters", "feature_names")
_FIELDS = ("file", "target", "algorithm", "parameters")
_TARGET = "target"
"""What y is called in the table that is made of rows, unless a feature is."""

_SCALARS = frozenset({int, float, str, bool, type(None)})
_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


def read(content_type: str | None, body: bytes, limits: TableLimits) -> tuple[dict[str, Any], str, bytes]:
    """The recipe (as `mlapi.training.recipes.make_recipe` takes it), a file's name, and its content.

    Raises:
        InvalidInput: Something of it is wrong; all of it is told.
        MalformedBody, UnsupportedFormat: It cannot be read.
        TooLarge: It has more rows, columns or classes.
    """
    if negotiation.media_type_of(content_type) == multipart.MEDIA_TYPE:
        return _of_form(str(content_type), body)
    return _of_rows(negotiation.decode(content_type, body), limits)


def _of_rows(data: Any, limits: TableLimits) -> tuple[dict[str, Any], str, bytes]:
    data = plain_data(data)
    if not isinstance(data, dict):
        raise errors.invalid([Finding((), 'expected an object: {"algorithm": …, "X": rows, "y": values}')])
    X: Any = data.get("X")
    y, names = data.get("y"), _names(data)
    _check_size(X, y, names, limits)
    findings = [
        *(Finding((key,), "unknown key") for key in data if key not in _KEYS),
        *_wrong_choice(data.get("algorithm"), data.get("parameters", {})),
        *_wrong_rows(X, names, "feature_names" if "feature_names" in data else "X"),
        *_wrong_values(y, X),
    ]
    if findings:
        raise errors.invalid(findings, 0)
    rows = [[row[name] for name in names] if isinstance(row, dict) else row for row in X]
    target = _TARGET
    while target in names:
        target += "_"
    content = orjson.dumps({"columns": names, "rows": rows, "target": target, "values": y})
    return _recipe(target, data.get("algorithm"), data.get("parameters")), ROWS, content


def _names(data: Mapping[str, Any]) -> list[Any]:
    """The columns' names: told, or the keys of the first row, or x1, x2, …"""
    X, told = data.get("X"), data.get("feature_names")
    if told is not None:
        return told if isinstance(told, list) else []
    first = X[0] if isinstance(X, list) and X else None
    if isinstance(first, dict):
        return list(first)
    return [f"x{place}" for place in range(1, len(first) + 1)] if isinstance(first, list) else []


def _check_size(X: Any, y: Any, names: list[Any], limits: TableLimits) -> None:
    rows = len(X) if isinstance(X, list) else 0
    if rows > limits.rows or len(names) > limits.columns:
        raise TooLarge(
            f"X: {rows:,} rows of {len(names):,} columns; a job takes {limits.rows:,} rows and "
            f"{limits.columns:,} columns at most"
        )
    labels = {value for value in y if isinstance(value, str)} if isinstance(y, list) else set()
    if len(labels) > limits.classes:
        raise TooLarge(f"y: {len(labels):,} classes; a job takes {limits.classes:,} at most")


def _wrong_choice(algorithm: Any, parameters: Any) -> Iterable[Finding]:
    known = [name for name, entry in ALGORITHMS.items() if entry.bare]
    if algorithm is None:
        return [Finding((parameter_schemas.KEY,), "whose? name an algorithm")] if parameters else []
    if algorithm not in known:
        return [Finding(("algorithm",), f"expected one of {', '.join(known)}, got {shown(algorithm)}")]
    return parameter_schemas.wrong(ALGORITHMS[algorithm], parameters, bare=False)


def _wrong_rows(X: Any, names: list[Any], named_by: str) -> Iterator[Finding]:
    if not isinstance(X, list) or not X:
        yield Finding(("X",), "expected rows: a list of lists, or of objects")
        return
    if not names or not all(isinstance(name, str) and name for name in names) or len(set(names)) < len(names):
        yield Finding((named_by,), "expected names of columns, each once")
        return
    form, columns = type(X[0]), set(names)
    for number, row in enumerate(X):
        if type(row) is not form or form not in (list, dict):
            yield Finding(("X", number), "expected all rows as lists, or all as objects")
        elif form is list and len(row) != len(names):
            yield Finding(("X", number), f"expected {len(names)} values, got {len(row)}")
        elif form is dict and row.keys() != columns:
            yield Finding(("X", number), "expected the same columns in every row")
        elif not _SCALARS.issuperset(map(type, row.values() if form is dict else row)):
            yield Finding(("X", number), "expected numbers, texts, flags and blanks")


def _wrong_values(y: Any, X: Any) -> Iterator[Finding]:
    if not isinstance(y, list) or not y:
        yield Finding(("y",), "expected a list with a value for each row")
    elif isinstance(X, list) and len(X) != len(y):
        yield Finding(("y",), f"expected {len(X):,} values, a row each, got {len(y):,}")
    elif not _SCALARS.issuperset(map(type, y)):
        yield Finding(("y",), "expected numbers, texts or flags")


def _of_form(content_type: str, body: bytes) -> tuple[dict[str, Any], str, bytes]:
    parts = multipart.parts(content_type, body, len(_FIELDS) + 16)
    found = {part.name: part for part in parts}
    findings: list[Finding] = [Finding((name,), "unknown field") for name in found if name not in _FIELDS]
    if len(found) < len(parts):
        findings.append(Finding((), "expected each field once"))
    file = found.pop("file", None)
    if file is None or not file.content:
        findings.append(Finding(("file",), "expected a CSV or Parquet file: curl -F file=@data.csv"))
    words = {name: part.content.decode("utf-8", "replace") for name, part in found.items()}
    if not words.get("target"):
        findings.append(Finding(("target",), "expected the column to predict"))
    try:
        parameters = orjson.loads(words.get("parameters") or "{}")
    except orjson.JSONDecodeError:
        parameters = None  # what follows says what was expected
    algorithm = words.get("algorithm") or None
    findings += _wrong_choice(algorithm, parameters)
    if findings or file is None:
        raise errors.invalid(findings, 0)
    return _recipe(words["target"], algorithm, parameters), _called(file), file.content


def _called(file: multipart.Part) -> str:
    """The client's own name for its file, which messages repeat, if it is a plain one."""
    name = PurePath(file.file_name or "").name
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return "data.parquet" if file.content.startswith(b"PAR1") else "data.csv"


def _recipe(target: str, algorithm: Any, parameters: Any) -> dict[str, Any]:
    given = {"target": target, "algorithm": algorithm, "parameters": parameters}
    return {name: value for name, value in given.items() if value}

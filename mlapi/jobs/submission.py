"""The body that asks for a training job, JSON or a form with a file -> a recipe, and a file of rows."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import PurePath
from typing import Any, NamedTuple

import orjson

from mlapi.data.limits import TableLimits
from mlapi.data.tables.dialects import CsvOptions
from mlapi.errors import DatasetError
from mlapi.formats import multipart, negotiation
from mlapi.jobs.jobs import RESERVED, ROWS
from mlapi.schemas.errors import invalid
from mlapi.schemas.parameters import wrong_choice
from mlapi.schemas.submissions import JobRequest, JobTable
from mlapi.wording import Finding

_CSV_OPTIONS = tuple(option.name for option in fields(CsvOptions))

_FIELDS = ("file", "target", "algorithm", "parameters", *_CSV_OPTIONS)
"""The fields of a form."""

_TARGET = "target"
"""The name of the target's column in the file of rows; with underscores behind it where a feature has it."""

_PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


class TrainingInput(NamedTuple):
    """What a training job works on."""

    recipe: dict[str, Any]
    """What to train, as `mlapi.training.recipes.make_recipe` takes it."""
    file_name: str
    content: bytes
    """The content of the file with the rows: CSV or Parquet as it was sent, or the rows of a JSON body,
    written anew."""


def parse(content_type: str | None, body: bytes, limits: TableLimits) -> TrainingInput:
    """Parse and check a body that asks for a training job. The rows in a file are not looked at.

    Raises:
        InvalidInput: Something of it is wrong; the error has all of it.
        MalformedBody, UnsupportedFormat: It cannot be read.
        TooLarge: It has more rows, columns or classes than the limits.
    """
    if negotiation.media_type_of(content_type) == multipart.MEDIA_TYPE:
        return _of_form(str(content_type), body)
    return _of_table(JobRequest(limits).read(negotiation.decode(content_type, body)))


def _of_table(table: JobTable) -> TrainingInput:
    target = _TARGET
    while target in table.names:
        target += "_"
    content = orjson.dumps(
        {"columns": table.names, "rows": table.rows, "target": target, "values": table.values}
    )
    return TrainingInput(_recipe(target, table.algorithm, table.parameters), ROWS, content)


def _of_form(content_type: str, body: bytes) -> TrainingInput:
    parts = multipart.parts(content_type, body, len(_FIELDS) + 16)
    by_name = {part.name: part for part in parts}
    findings: list[Finding] = [Finding((name,), "unknown field") for name in by_name if name not in _FIELDS]
    if len(by_name) < len(parts):
        findings.append(Finding((), "expected each field once"))
    file = by_name.pop("file", None)
    if file is None or not file.content:
        findings.append(Finding(("file",), "expected a CSV or Parquet file: curl -F file=@data.csv"))
    texts = {name: part.content.decode("utf-8", "replace") for name, part in by_name.items()}
    if not texts.get("target"):
        findings.append(Finding(("target",), "expected the column to predict"))
    try:
        parameters = orjson.loads(texts.get("parameters") or "{}")
    except orjson.JSONDecodeError:
        parameters = None  # what follows says what was expected
    algorithm = texts.get("algorithm") or None
    findings += wrong_choice(algorithm, parameters)
    options = {name: texts[name] for name in _CSV_OPTIONS if texts.get(name)}
    findings += _wrong_options(options)
    if findings or file is None:
        raise invalid(findings)
    recipe = _recipe(texts["target"], algorithm, parameters) | _typed(options)
    return TrainingInput(recipe, _name_of(file), file.content)


def _wrong_options(options: Mapping[str, str]) -> Iterator[Finding]:
    """Find what no CSV file can be written in, field by field."""
    for name, text in options.items():
        try:
            CsvOptions(**_typed({name: text}))
        except ValueError:
            yield Finding((name,), "expected a number of lines")
        except DatasetError as error:
            yield Finding((name,), str(error))


def _typed(options: Mapping[str, str]) -> dict[str, Any]:
    return {name: int(text) if name == "skip_lines" else text for name, text in options.items()}


def _name_of(file: multipart.Part) -> str:
    """Return the client's own name for its file, which messages repeat, if it is a plain one."""
    name = PurePath(file.file_name or "").name
    if _PLAIN.fullmatch(name) and name not in RESERVED:
        return name
    return "data.parquet" if file.content.startswith(b"PAR1") else "data.csv"


def _recipe(target: str, algorithm: Any, parameters: Any) -> dict[str, Any]:
    entries = {"target": target, "algorithm": algorithm, "parameters": parameters}
    return {name: value for name, value in entries.items() if value}

"""A CSV file and a model -> predictions as CSV, with the checks of a request and without a server."""

import csv
import io
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from mlapi.errors import DatasetError
from mlapi.model import Model, Prediction
from mlapi.rows import InvalidRows, Reader, Remark
from mlapi.signature import Feature
from mlapi.tables import csv_rows

CHUNK = 10_000
"""Rows answered at a time, so that a long file costs no more memory than a short one."""


def predict_csv(
    model: Model, file: Path, include: Collection[str], warn: Callable[[str], None]
) -> Iterator[str]:
    """The header and one line a row.

    Args:
        warn: Called with each warning, at most 20 of every 10,000 rows.

    Raises:
        DatasetError: The file is not CSV, or a cell does not fit the model; the message has its line.
        UnknownOutput, Unanswerable: As `Model.predict`.
        OSError: The file cannot be read.
    """
    reader = Reader(model.signature)
    header: list[str] | None = None
    for lines, rows in _chunks(file, model.signature.features):
        try:
            found = reader.read(rows)
        except InvalidRows as error:
            raise DatasetError(f"{file}: {_sentence(error.remarks[0], lines)}") from error
        for warning in found.warnings:
            warn(f"{file}: {_sentence(warning, lines)}")
        columns = _columns(model.predict(found.batch, include))
        if header is None:
            header = list(columns)
            yield _line(header)
        yield from map(_line, zip(*columns.values(), strict=True))
    if header is None:
        raise DatasetError(f"{file} has no rows")


def _chunks(file: Path, features: Collection[Feature]) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Some rows at a time, with the line in the file that each one ends on."""
    by_name = {feature.name: feature for feature in features}
    rows = csv_rows(file)
    _, header = next(rows, (0, []))
    while chunk := list(islice(rows, CHUNK)):
        records = [_record(header, cells, by_name) for _, cells in chunk]
        yield [line for line, _ in chunk], records


def _record(header: list[str], cells: list[str], features: Mapping[str, Feature]) -> dict[str, Any]:
    return {
        name: _value(features[name], text) if name in features else text
        for name, text in zip(header, cells, strict=True)
    }


def _value(feature: Feature, text: str) -> Any:
    """A cell's text as the JSON value that a client would send for it; blank is null."""
    if not text:
        return None
    if feature.kind in ("number", "integer"):
        return _number(text)
    if feature.kind == "boolean":
        return {"true": True, "false": False}.get(text.lower(), text)
    if feature.kind == "category":
        return {str(category): category for category in feature.categories or ()}.get(text, text)
    return text


def _number(text: str) -> float | str:
    try:
        number = float(text)
    except ValueError:
        return text
    return number if abs(number) < float("inf") and "_" not in text else text


def _columns(prediction: Prediction) -> dict[str, list[Any]]:
    """Name and values of each column of the answer; a matrix gives one a class."""
    columns = {"prediction": prediction.values.tolist()}
    for name, values in prediction.outputs.items():
        if values.ndim == 1:
            columns[name] = values.tolist()
            continue
        labels = prediction.classes or range(values.shape[1])
        columns |= {f"{name}_{label}": values[:, i].tolist() for i, label in enumerate(labels)}
    return columns


def _sentence(remark: Remark, lines: list[int]) -> str:
    (number, *rest), detail = remark
    where = "".join(f", column {token}" for token in rest)
    return f"line {lines[int(number)]}{where}: {detail}"


def _line(cells: Collection[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()

"""A CSV file, or pictures, and a model -> predictions as CSV: the checks of a request, without a server."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import isfinite, nan
from pathlib import Path
from typing import Any

from mlapi.data.images import decoding
from mlapi.data.rows.reader import Reader
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import NUMERIC, Feature, Signature
from mlapi.data.tables.cells import is_marker, parse_numbers
from mlapi.data.tables.csv_files import CsvOptions, open_csv
from mlapi.errors import DatasetError, Finding, MalformedBody, TooLarge, UnsupportedFormat
from mlapi.inference.model import Model, Prediction
from mlapi.wording import counted

CHUNK = 10_000
"""Rows answered at a time, so that a long file costs no more memory than a short one."""

CELLS = 4_000_000
"""Of as many rows as are answered at a time, at most, be they cells of a file or pixels of pictures."""

PICTURES = 256
"""Answered at a time."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
"""Of the files that are taken from a folder."""


def predict_csv(
    model: Model, file: Path, include: Collection[str], warn: Callable[[str], None]
) -> Iterator[str]:
    """The header and one line a row. A file is written as the recipe says that the training's was.

    Where the model takes pictures, a row is the pixels of one, each in a column that the signature names.

    Args:
        warn: Called with each warning, at most 20 of the rows that are answered at a time.

    Raises:
        DatasetError: The file is not CSV, or a cell does not fit the model; the message has its line.
        UnknownOutput, Unanswerable: As `Model.predict`.
        OSError: The file cannot be read.
    """
    signature = model.signature
    features = signature.flat
    reader = Reader(Signature(features, signature.target, signature.ignored))
    header: list[str] | None = None
    written = model.manifest.recipe
    told = CsvOptions(
        **{sign: written.get(sign) for sign in ("delimiter", "encoding", "decimal", "thousands")}
    )
    for lines, rows in _chunks(file, told, features):
        try:
            found = reader.read_rows(rows)
        except InvalidRows as error:
            raise DatasetError(f"{file}: {_sentence(error.findings[0], lines)}") from error
        for warning in found.warnings:
            warn(f"{file}: {_sentence(warning, lines)}")
        columns = _columns(model.predict(found.batch, include))
        if header is None:
            header = list(columns)
            yield _line(header)
        yield from map(_line, zip(*columns.values(), strict=True))
    if header is None:
        raise DatasetError(f"{file} has no rows")


def predict_pictures(  # noqa: PLR0913, PLR0917 - as many as `predict_csv` and what is the pictures' own
    model: Model,
    image: Feature,
    places: Iterable[Path],
    include: Collection[str],
    max_pixels: int,
    warn: Callable[[str], None],
) -> Iterator[str]:
    """The header and one line a picture; a folder stands for all pictures in it that are not hidden.

    Args:
        warn: Called with each file that cannot be read, and why.

    Raises:
        DatasetError: A folder has no pictures; or, after all others are answered, some could not be read.
        UnknownOutput, Unanswerable: As `Model.predict`.
    """
    files = [file for place in places for file in _pictures(place)]
    at_once = max(1, min(PICTURES, CELLS // image.size))
    header: list[str] | None = None
    answered = 0
    for start in range(0, len(files), at_once):
        read = [
            (str(file), _pixels(file, image, max_pixels, warn)) for file in files[start : start + at_once]
        ]
        drawn = [(name, pixels) for name, pixels in read if pixels is not None]
        if not drawn:
            continue
        batch = decoding.to_matrix([pixels for _, pixels in drawn], image)
        columns = {"file": [name for name, _ in drawn], **_columns(model.predict(batch, include))}
        if header is None:
            header = list(columns)
            yield _line(header)
        yield from map(_line, zip(*columns.values(), strict=True))
        answered += len(drawn)
    if answered < len(files):
        raise DatasetError(f"{len(files) - answered:,} of {counted(len(files), 'file')} cannot be read")


def _pictures(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    found = sorted(file for file in place.rglob("*") if _is_picture(file, place))
    if not found:
        raise DatasetError(f"{place} has no pictures: {', '.join(sorted(SUFFIXES))}")
    return found


def _is_picture(file: Path, folder: Path) -> bool:
    """By its name. What is hidden is passed over, as in training: systems leave it behind."""
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and file.suffix.lower() in SUFFIXES and file.is_file()


def _pixels(
    file: Path, image: Feature, max_pixels: int, warn: Callable[[str], None]
) -> decoding.Pixels | None:
    try:
        return decoding.read(file.read_bytes(), image, max_pixels)
    except (MalformedBody, TooLarge, UnsupportedFormat) as error:
        warn(f"{file}: {error}")
    except OSError as error:
        warn(f"{file}: {error.strerror or error}")
    return None


def _chunks(
    file: Path, told: CsvOptions, features: Collection[Feature]
) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Some rows at a time, with the line in the file that each one ends on."""
    by_name = {feature.name: feature for feature in features}
    with open_csv(file, told) as (dialect, rows):
        _, header = next(rows, (0, []))
        while chunk := list(islice(rows, max(1, min(CHUNK, CELLS // (len(header) or 1))))):
            lines, cells = zip(*chunk, strict=True)
            columns = {
                name: _values(by_name.get(name), column, dialect.decimal, told.thousands)
                for name, column in zip(header, zip(*cells, strict=True), strict=True)
            }
            used = {name: column for name, column in columns.items() if name in by_name or any(column)}
            rows_of_cells = zip(*used.values(), strict=True) if used else [()] * len(lines)
            yield list(lines), [dict(zip(used, row, strict=True)) for row in rows_of_cells]


def _values(
    feature: Feature | None, words: Sequence[str], decimal: str, thousands: str | None = None
) -> list[Any]:
    """Cells of one column as the JSON values that a client would send for them; blank is null."""
    distinct = sorted(set(words) - {""})
    values: dict[str, Any] = dict(zip(distinct, distinct, strict=True))
    if feature is not None and feature.kind != "text":
        known = _numbers(distinct, decimal, thousands) if feature.kind in NUMERIC else _constants(feature)
        values |= known
        if feature.nullable:
            values |= {word: None for word in distinct if word not in known and is_marker(word)}
    return list(map(values.get, words))


def _numbers(words: Sequence[str], decimal: str, thousands: str | None) -> dict[str, float]:
    """The words that are finite numbers: all in one style, or else those that are plain."""
    found = parse_numbers(words, decimal=decimal, thousands=thousands)
    values = map(_number, words) if found is None else found.values.tolist()
    return {word: value for word, value in zip(words, values, strict=True) if isfinite(value)}


def _number(word: str) -> float:
    try:
        return nan if "_" in word else float(word)
    except ValueError:
        return nan


def _constants(feature: Feature) -> Mapping[str, Any]:
    """The words that the feature knows, and what they stand for."""
    if feature.kind == "boolean":
        return {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
    return {str(category): category for category in feature.categories or ()}


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


def _sentence(finding: Finding, lines: list[int]) -> str:
    number, *rest = finding.place
    where = "".join(f", column {token}" for token in rest)
    return f"line {lines[int(number)]}{where}: {finding.detail}"


def _line(cells: Collection[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()

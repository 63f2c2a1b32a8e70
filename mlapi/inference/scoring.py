"""A CSV or Parquet file, or image files, and a model -> predictions as CSV: a request's checks, no server."""

import csv
import io
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from mlapi.data.images import decoding
from mlapi.data.rows.reader import Reader
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Feature, Signature
from mlapi.data.tables.csv_files import open_csv
from mlapi.data.tables.dialects import NO_OPTIONS, CsvOptions
from mlapi.data.tables.headers import INDEX
from mlapi.data.tables.parquet_files import is_parquet, read_batches
from mlapi.errors import DatasetError, MalformedBody, TooLarge, Unanswerable, UnsupportedFormat
from mlapi.inference.file_cells import FileCells
from mlapi.inference.model import Model, Prediction
from mlapi.wording import Finding, counted

CHUNK = 10_000
"""The most rows that are answered at a time, so that a long file costs no more memory than a short one."""

CELLS = 4_000_000
"""The most cells of a file, or values of images, that are answered at a time."""

IMAGES = 256
"""The most images that are answered at a time."""

SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp"})
"""The endings of the files that are taken from a folder."""


def predict_table(
    model: Model,
    file: Path,
    include: Collection[str],
    warn: Callable[[str], None],
    options: CsvOptions = NO_OPTIONS,
) -> Iterator[str]:
    """Yield the header, then a line of CSV for each row of a file.

    Where the model takes images, a row is the pixels of one, each in a column that the signature names.

    Args:
        include: The names of the outputs to give beside the prediction.
        warn: Called with each warning: at most 20 times for the rows that are answered together; and in the
            end with what was assumed about the file, or passed over.
        options: How a CSV file is written. What they leave open is as the recipe says of the training's file.

    Raises:
        DatasetError: The file is no table, a cell does not fit the model, or a row has no answer; the message
            has its line, or the row of a Parquet file.
        UnknownOutput, Unanswerable: As `Model.predict`.
        OSError: The file cannot be read.
    """
    signature = model.signature
    features = signature.flat
    reader = Reader(Signature(features, signature.target, signature.ignored))
    header: list[str] | None = None
    is_binary = is_parquet(file)
    place = "row" if is_binary else "line"
    reading = FileCells(model.manifest, options)
    chunks = _of_parquet(file, signature) if is_binary else _of_csv(file, reading, signature, warn)
    for numbers, rows in chunks:
        try:
            instances = reader.read_rows(rows)
        except InvalidRows as error:
            raise DatasetError(f"{file}: {_sentence(error.findings[0], place, numbers)}") from error
        for warning in instances.warnings:
            warn(f"{file}: {_sentence(warning, place, numbers)}")
        try:
            columns = _columns(model.predict(instances.batch, include))
        except Unanswerable as error:
            if not error.findings:
                raise
            raise DatasetError(f"{file}: {_sentence(error.findings[0], place, numbers)}") from error
        if header is None:
            header = list(columns)
            yield _line(header)
        yield from map(_line, zip(*columns.values(), strict=True))
    if header is None:
        raise DatasetError(f"{file} has no rows")


def predict_images(  # noqa: PLR0913, PLR0917 - as many as `predict_table` and what is the images' own
    model: Model,
    image: Feature,
    places: Iterable[Path],
    include: Collection[str],
    max_pixels: int,
    warn: Callable[[str], None],
) -> Iterator[str]:
    """Yield the header, then a line of CSV for each image.

    Args:
        image: The feature of the model that is an image.
        places: Image files, and folders: these stand for all images in them that are not hidden.
        include: The names of the outputs to give beside the prediction.
        max_pixels: The most pixels that a file may have.
        warn: Called with each file that cannot be read, and why.

    Raises:
        DatasetError: A folder has no images; or, after all others are answered, some could not be read.
        UnknownOutput, Unanswerable: As `Model.predict`.
    """
    files = [file for place in places for file in _image_files(place)]
    at_once = max(1, min(IMAGES, CELLS // image.size))
    header: list[str] | None = None
    answered = 0
    for start in range(0, len(files), at_once):
        read = [
            (str(file), _pixels(file, image, max_pixels, warn)) for file in files[start : start + at_once]
        ]
        readable = [(name, pixels) for name, pixels in read if pixels is not None]
        if not readable:
            continue
        batch = decoding.to_matrix([pixels for _, pixels in readable], image)
        columns = {"file": [name for name, _ in readable], **_columns(model.predict(batch, include))}
        if header is None:
            header = list(columns)
            yield _line(header)
        yield from map(_line, zip(*columns.values(), strict=True))
        answered += len(readable)
    if answered < len(files):
        raise DatasetError(f"{len(files) - answered:,} of {counted(len(files), 'file')} cannot be read")


def _image_files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    files = sorted(file for file in place.rglob("*") if _is_image_file(file, place))
    if not files:
        raise DatasetError(f"{place} has no pictures: {', '.join(sorted(SUFFIXES))}")
    return files


def _is_image_file(file: Path, folder: Path) -> bool:
    """Return whether a file's name says that it is an image.

    Hidden files and folders are passed over, as in training: operating systems leave them behind.
    """
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


def _of_parquet(file: Path, signature: Signature) -> Iterator[tuple[Sequence[int], list[dict[str, Any]]]]:
    """Yield some rows at a time, as records, with the number of each one: the first is 1.

    As of a CSV file, a column that the model does not know may be blank.
    """
    known, start = signature.known_columns, 1
    for records in read_batches(file, lambda columns: max(1, min(CHUNK, CELLS // columns))):
        used = [name for name in records[0] if name in known or any(record[name] for record in records)]
        yield range(start, start + len(records)), [{name: row[name] for name in used} for row in records]
        start += len(records)


def _of_csv(
    file: Path, reading: FileCells, signature: Signature, warn: Callable[[str], None]
) -> Iterator[tuple[list[int], list[dict[str, Any]]]]:
    """Yield some rows at a time, as records, with the line of the file that each one begins on.

    What there is to say about the file is said at its end, but for what is wrong with its letters.
    """
    by_name = {feature.name: feature for feature in signature.flat}
    spelled = {name.strip(): name for name in by_name if name.strip() not in by_name}
    with open_csv(file, reading.options) as table:
        for warning in table.warnings:
            warn(f"Warning: {file}: {warning}")
        has_index = not table.header[0].strip() and table.names[0] not in signature.known_columns
        rows = iter(table)
        while chunk := list(islice(rows, max(1, min(CHUNK, CELLS // len(table.names))))):
            lines, cells = zip(*chunk, strict=True)
            columns = {
                name: reading.values(by_name.get(name), column, lines, table.dialect.decimal)
                for name, column in zip(
                    (spelled.get(name, name) for name in table.names), zip(*cells, strict=True), strict=True
                )
            }
            if has_index and all(map(str.isdecimal, map(str, columns[table.names[0]]))):
                del columns[table.names[0]]
            used = {name: column for name, column in columns.items() if name in by_name or any(column)}
            rows_of_cells = zip(*used.values(), strict=True) if used else [()] * len(lines)
            yield list(lines), [dict(zip(used, row, strict=True)) for row in rows_of_cells]
        left_out = [f"left out: the first column, {INDEX}"] if has_index else []
        for note in (*table.notes, *left_out, *reading.notes()):
            warn(f"{file}: {note}")


def _columns(prediction: Prediction) -> dict[str, list[Any]]:
    """Return the values of each column of the answer by its name; a matrix gives a column for each class.

    Several targets give a column for each class of each.
    """
    columns = {"prediction": prediction.values.tolist()}
    for name, values in prediction.outputs.items():
        classes = prediction.classes or []
        if values.ndim == 1:
            columns[name] = values.tolist()
        elif values.ndim == 2:
            labels = classes if len(classes) == values.shape[1] else range(values.shape[1])
            columns |= {f"{name}_{label}": values[:, i].tolist() for i, label in enumerate(labels)}
        else:
            places = [(i, j, label) for i, labels in enumerate(classes) for j, label in enumerate(labels)]
            columns |= {f"{name}_{i}_{label}": values[:, i, j].tolist() for i, j, label in places}
    return columns


def _sentence(finding: Finding, place: str, numbers: Sequence[int]) -> str:
    """Say what is wrong with a row, and where: "line 3" or "row 2", by the numbers of the rows."""
    number, *rest = finding.place
    where = "".join(f", column {token}" for token in rest)
    return f"{place} {numbers[int(number)]}{where}: {finding.detail}"


def _line(cells: Collection[Any]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(cells)
    return buffer.getvalue()

"""Read images as clients send them into a batch that a model takes; and choose the reader of a signature.

A client sends an image as a file, as an object that holds a file in base64, or as the flat list of its
pixels, which is read like any other row of numbers. Knows signatures; knows nothing of media types,
marshmallow or HTTP.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from mlapi.data.images import decoding
from mlapi.data.limits import ImageLimits
from mlapi.data.rows.reader import Instances, Reader, Row
from mlapi.data.rows.values import text_of
from mlapi.data.rows.violations import InvalidRows, violations
from mlapi.data.signature import Feature, Matrix, Signature
from mlapi.errors import MalformedBody, TooLarge, UnsupportedFormat
from mlapi.wording import Finding, Place, bounded

BASE64 = "b64"
"""The member of an object that holds an image file in base64: `{"b64": "…"}`."""

PlacedFile: TypeAlias = tuple[Place, bytes | str]
"""The place of an image in the request, and the bytes of its file; or the place and, as text, the reason why
there is no file."""

_DATA_URL = re.compile(r"data:[^,]{0,200}?(;base64)?,", re.IGNORECASE)
"""The head of a data: URL, up to its content (RFC 2397)."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")
"""Turns the URL-safe alphabet of base64 into the standard one (RFC 4648)."""

_MOST_NUMBERS = 8 * 1024 * 1024
"""The most cells in the matrix of one request, which takes 64 MiB: for a large model each image has hundreds
of thousands."""

_MOST_COLUMNS = 65_536
"""The most pixel values of an image that may be sent as numbers: each becomes a `Feature` of its own when the
first such row comes."""

_REQUEST_PIXELS = 2
"""All images of a request together may have so many times the pixels that one file may have. With the usual
limit that is eight images from a phone, 12 million pixels each."""


class ImageReader:
    """Read the rows of a model whose only feature is an image; the counterpart of
    `mlapi.data.rows.reader.Reader`, with the same methods.

    Every method returns a batch as a `Matrix` of `(rows, columns)`, an image in each row. Places in errors
    start at the rows: `(3, "b64")`. Threads may share a reader.
    """

    def __init__(self, signature: Signature, feature: Feature, limits: ImageLimits) -> None:
        self._signature = signature
        self._feature = feature
        self._limits = limits
        self._known = signature.known_columns | {BASE64}
        self._numbers: Reader | None = None

    def knows(self, names: Iterable[str]) -> bool:
        """Return whether a record may have all of these names: the feature's, `b64`, ignored columns."""
        return self._known.issuperset(names)

    def read_rows(self, rows: Sequence[Any]) -> Instances:
        """Read rows, either all objects with an image file or all lists of pixel values.

        Raises:
            InvalidRows: There is no row, or some are neither, or some images cannot be read.
            TooLarge: One image has too many pixels, or all have together, or there are too many images.
        """
        if not rows:
            raise violations(rows, self._signature)
        if all(type(row) is list for row in rows) and (numbers := self._of_numbers()):
            return numbers.read_rows(rows)
        self._check_count(len(rows))
        return self._read(file for number, row in enumerate(rows) for file in self._of_row(row, (number,)))

    def read_row(self, row: Any) -> Instances:
        """Read one row, as `read_rows` does; the places in an error are without the row's number."""
        if type(row) is list and (numbers := self._of_numbers()):
            return numbers.read_row(row)
        return self._read(self._of_row(row, ()))

    def read_files(self, files: Sequence[bytes]) -> Instances:
        """Read image files; the place of a file in an error is its number.

        Raises:
            MalformedBody, UnsupportedFormat: There is one file, and it cannot be read.
            InvalidRows: There are several files, and some cannot be read.
            TooLarge: As for `read_rows`.
        """
        if len(files) == 1:
            return self._batch([decoding.read(files[0], self._feature, self._limits.pixels)])
        self._check_count(len(files))
        return self._read(((number,), file) for number, file in enumerate(files))

    def try_rows(self, rows: Sequence[Any]) -> Instances | None:
        """Read rows as `read_rows` does; return None where it raises `InvalidRows`."""
        if type(rows[0]) is list and (numbers := self._of_numbers()):
            return numbers.try_rows(rows)
        try:
            return self.read_rows(rows)
        except InvalidRows:
            return None

    def try_row(self, row: Any) -> Instances | None:
        """Read a row as `read_row` does; return None where it raises `InvalidRows`."""
        if type(row) is list and (numbers := self._of_numbers()):
            return numbers.try_row(row)
        try:
            return self.read_row(row)
        except InvalidRows:
            return None

    def try_without_arrays(self, row: Any) -> Row | None:
        """Read a list of pixel values as `mlapi.data.rows.reader.Reader.try_without_arrays` does; None for
        any other row."""
        numbers = self._of_numbers() if type(row) is list else None
        return None if numbers is None else numbers.try_without_arrays(row)

    def try_matrix(self, matrix: Matrix) -> Instances | None:
        """Read a matrix of pixel values `(rows, columns)`; return None if it does not fit the signature."""
        numbers = self._of_numbers()
        return None if numbers is None else numbers.try_matrix(matrix)

    def _of_numbers(self) -> Reader | None:
        """Return the reader of rows of pixel values, made when first asked for; None above `_MOST_COLUMNS`.

        Two threads may both make one, which does no harm: the last one stays.
        """
        if self._numbers is None and self._feature.size <= _MOST_COLUMNS:
            self._numbers = Reader(Signature(self._signature.flat, self._signature.target))
        return self._numbers

    def _check_count(self, count: int) -> None:
        if self._limits.images is None:
            return
        max_count = min(self._limits.images, _MOST_NUMBERS // self._feature.size)
        if count > max_count:
            raise TooLarge(f"{count:,} pictures; this model takes at most {max_count:,} in one request")

    def _batch(self, images: Sequence[decoding.Pixels]) -> Instances:
        return Instances(decoding.to_matrix(images, self._feature))

    def _read(self, files: Iterable[PlacedFile]) -> Instances:
        max_pixels, total = self._limits.pixels * _REQUEST_PIXELS, 0
        images, findings = [], []
        for place, file in files:
            try:
                image = decoding.open_image(_content(file), self._limits.pixels)
                total += image.width * image.height
                if total <= max_pixels:
                    images.append(decoding.decode(image, self._feature))
            except (MalformedBody, UnsupportedFormat) as error:
                findings.append(Finding(place, str(error)))
        if total > max_pixels:
            raise TooLarge(f"{total:,} pixels in all pictures; at most {max_pixels:,} in one request")
        if findings:
            raise InvalidRows(*bounded(findings))
        return self._batch(images)

    def _of_row(self, row: Any, place: Place) -> Iterator[PlacedFile]:
        if not isinstance(row, dict):
            yield place, f"{self._expected}, got {text_of(row)}"
            return
        unknown = [name for name in row if name not in self._known]
        yield from (((*place, name), f"unknown name; {self._expected}") for name in unknown)
        name = self._feature.name
        if unknown:
            return
        if (BASE64 in row) == (name in row) and name != BASE64:
            yield place, self._expected
        elif BASE64 in row:
            yield self._of_text(row[BASE64], (*place, BASE64))
        elif isinstance(row[name], dict) and set(row[name]) == {BASE64}:
            yield self._of_text(row[name][BASE64], (*place, name, BASE64))
        else:
            yield (*place, name), f'expected {{"{BASE64}": "…"}}, got {text_of(row[name])}'

    @property
    def _expected(self) -> str:
        size = self._feature.size
        numbers = f", or a list of {size:,} numbers" if size <= _MOST_COLUMNS else ""
        return f'expected a picture, {{"{BASE64}": "…"}}{numbers}'

    def _of_text(self, text: Any, place: Place) -> PlacedFile:
        if not isinstance(text, str):
            return place, f"expected a file in base64, got {text_of(text)}"
        return place, _decoded(text)


def reader_of(signature: Signature, limits: ImageLimits | None = None) -> Reader | ImageReader:
    """Return the reader of rows for a signature; without limits it takes any number of images."""
    if signature.image is None:
        return Reader(signature)
    return ImageReader(signature, signature.image, limits or ImageLimits())


def _content(file: bytes | str) -> bytes:
    """Return the bytes of a `PlacedFile`; raise the error if it has the reason instead of bytes."""
    if isinstance(file, str):
        raise MalformedBody(file)
    return file


def _decoded(text: str) -> bytes | str:
    """Decode base64 of either alphabet (RFC 4648), padded or not, alone or in a data: URL.

    Returns the bytes; or a text that says why there are none.
    """
    if text[:5].lower() == "data:":
        head = _DATA_URL.match(text)
        if head is None or head[1] is None:
            return "a data: URL that is not in base64; expected data:image/png;base64,…"
        text = text[head.end() :]
    try:
        letters = text.encode("ascii").translate(_URL_SAFE)
        padding = b"" if letters.endswith(b"=") else b"=" * (-len(letters) % 4)
        return binascii.a2b_base64(letters + padding, strict_mode=True)
    except ValueError:
        return "not base64: expected letters, digits, + and /, or - and _, and nothing between them"

"""Pictures as clients send them -> a batch that a model takes; and which reader a signature has.

A picture is a file, an object that holds one in base64, or the flat list of its pixels, which is a row of
numbers like any other. Knows signatures; knows nothing of media types, marshmallow or HTTP.
"""

import binascii
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeAlias

from mlapi.data.images import decoding
from mlapi.data.limits import ImageLimits
from mlapi.data.rows.reader import Instances, Reader
from mlapi.data.rows.values import shown
from mlapi.data.rows.violations import InvalidRows, violations
from mlapi.data.signature import Feature, Matrix, Signature
from mlapi.errors import Finding, MalformedBody, Place, TooLarge, UnsupportedFormat
from mlapi.wording import bounded

BASE64 = "b64"
"""The member of an object that holds a picture."""

PlacedFile: TypeAlias = tuple[Place, bytes | str]
"""Where a picture stands, and its file; or what is wrong with it, in words."""

_DATA_URL = re.compile(r"data:[^,]{0,200}?(;base64)?,", re.IGNORECASE)
"""RFC 2397."""

_URL_SAFE = bytes.maketrans(b"-_", b"+/")

_MOST_NUMBERS = 8 * 1024 * 1024
"""What the pictures of one request may become, 64 MiB: of a large model each is hundreds of thousands."""

_MOST_COLUMNS = 65_536
"""Of a picture that is sent as numbers: each is a feature, made when they are first asked for."""

_AT_ONCE = 2
"""The pictures of a request may have so many times the pixels of one: eight of a phone's 12 million each."""


class ImageReader:
    """`mlapi.data.rows.reader.Reader` where the one feature is a picture. Threads may share it."""

    def __init__(self, signature: Signature, image: Feature, limits: ImageLimits) -> None:
        self._signature = signature
        self._image = image
        self._limits = limits
        self._known = signature.known | {BASE64}
        self._numbers: Reader | None = None

    def knows(self, names: Iterable[str]) -> bool:
        """Whether every name is one of a picture's, or ignored."""
        return self._known.issuperset(names)

    def read(self, rows: Sequence[Any]) -> Instances:
        """Rows, all of them pictures or all of them lists of pixels, as a batch.

        Raises:
            InvalidRows: There is no row, or one is neither, or its picture cannot be read.
            TooLarge: A picture has too many pixels, or all have, or there are too many of them.
        """
        if not rows:
            raise violations(rows, self._signature)
        if all(type(row) is list for row in rows) and (numbers := self._of_numbers()):
            return numbers.read(rows)
        self._check_number(len(rows))
        return self._read(given for number, row in enumerate(rows) for given in self._of_row(row, (number,)))

    def read_one(self, row: Any) -> Instances:
        """`read` of one row; no path has the row's number."""
        if type(row) is list and (numbers := self._of_numbers()):
            return numbers.read_one(row)
        return self._read(self._of_row(row, ()))

    def read_files(self, files: Sequence[bytes]) -> Instances:
        """Pictures as they are; a path is the number of one.

        Raises:
            MalformedBody, UnsupportedFormat: There is one, and it cannot be read.
            InvalidRows: There are several, and some cannot be read.
            TooLarge: As `read`.
        """
        if len(files) == 1:
            return self._batch([decoding.read(files[0], self._image, self._limits.pixels)])
        self._check_number(len(files))
        return self._read(((number,), file) for number, file in enumerate(files))

    def accept(self, rows: Sequence[Any]) -> Instances | None:
        """What `read` gives; None where it raises `InvalidRows`."""
        if type(rows[0]) is list and (numbers := self._of_numbers()):
            return numbers.accept(rows)
        try:
            return self.read(rows)
        except InvalidRows:
            return None

    def accept_one(self, row: Any) -> Instances | None:
        """What `read_one` gives; None where it raises `InvalidRows`."""
        if type(row) is list and (numbers := self._of_numbers()):
            return numbers.accept_one(row)
        try:
            return self.read_one(row)
        except InvalidRows:
            return None

    def accept_row(self, row: Any) -> Instances | None:
        """As `mlapi.data.rows.reader.Reader` does, of pixels."""
        numbers = self._of_numbers() if type(row) is list else None
        return None if numbers is None else numbers.accept_row(row)

    def accept_matrix(self, matrix: Matrix) -> Instances | None:
        """Rows of pixels; None if they do not fit the signature."""
        numbers = self._of_numbers()
        return None if numbers is None else numbers.accept_matrix(matrix)

    def _of_numbers(self) -> Reader | None:
        """For pixels; None where there are too many columns. Two threads may make it: the last one stays."""
        if self._numbers is None and self._image.size <= _MOST_COLUMNS:
            self._numbers = Reader(Signature(self._signature.flat, self._signature.target))
        return self._numbers

    def _check_number(self, number: int) -> None:
        if self._limits.pictures is None:
            return
        most = min(self._limits.pictures, _MOST_NUMBERS // self._image.size)
        if number > most:
            raise TooLarge(f"{number:,} pictures; this model takes at most {most:,} in one request")

    def _batch(self, drawn: Sequence[decoding.Pixels]) -> Instances:
        return Instances(decoding.to_matrix(drawn, self._image))

    def _read(self, given: Iterable[PlacedFile]) -> Instances:
        most, total = self._limits.pixels * _AT_ONCE, 0
        drawn, findings = [], []
        for place, file in given:
            try:
                picture = decoding.open_image(_file(file), self._limits.pixels)
                total += picture.width * picture.height
                if total <= most:
                    drawn.append(decoding.pixels(picture, self._image))
            except (MalformedBody, UnsupportedFormat) as error:
                findings.append(Finding(place, str(error)))
        if total > most:
            raise TooLarge(f"{total:,} pixels in all pictures; at most {most:,} in one request")
        if findings:
            raise InvalidRows(*bounded(findings))
        return self._batch(drawn)

    def _of_row(self, row: Any, path: Place) -> Iterator[PlacedFile]:
        if not isinstance(row, dict):
            yield path, f"{self._expected}, got {shown(row)}"
            return
        unknown = [name for name in row if name not in self._known]
        yield from (((*path, name), f"unknown name; {self._expected}") for name in unknown)
        name = self._image.name
        if unknown:
            return
        if (BASE64 in row) == (name in row) and name != BASE64:
            yield path, self._expected
        elif BASE64 in row:
            yield self._of_text(row[BASE64], (*path, BASE64))
        elif isinstance(row[name], dict) and set(row[name]) == {BASE64}:
            yield self._of_text(row[name][BASE64], (*path, name, BASE64))
        else:
            yield (*path, name), f'expected {{"{BASE64}": "…"}}, got {shown(row[name])}'

    @property
    def _expected(self) -> str:
        size = self._image.size
        numbers = f", or a list of {size:,} numbers" if size <= _MOST_COLUMNS else ""
        return f'expected a picture, {{"{BASE64}": "…"}}{numbers}'

    def _of_text(self, text: Any, path: Place) -> PlacedFile:
        if not isinstance(text, str):
            return path, f"expected a file in base64, got {shown(text)}"
        return path, _decoded(text)


def reader_of(signature: Signature, limits: ImageLimits | None = None) -> Reader | ImageReader:
    """Who reads rows for a signature; without limits, as many pictures as there are."""
    if signature.image is None:
        return Reader(signature)
    return ImageReader(signature, signature.image, limits or ImageLimits())


def _file(given: bytes | str) -> bytes:
    if isinstance(given, str):
        raise MalformedBody(given)
    return given


def _decoded(text: str) -> bytes | str:
    """Base64 of either alphabet (RFC 4648), padded or not, alone or in a data: URL; or what is wrong."""
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

"""What a file of a table is packed in, and what it is if it is no table: known by its first bytes.

Compressed files are opened as streams; a zip has to hold one file. Knows nothing of encodings and rows.
"""

import bz2
import codecs
import gzip
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

from mlapi.errors import DatasetError, MlapiError
from mlapi.wording import listed, quoted, reason

PARQUET = b"PAR1"
"""What a Parquet file begins with."""

_ZIP = b"PK\x03\x04"

_OPENERS: Mapping[bytes, Callable[[Any], Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\x00": lzma.open,
}
"""What opens a compressed file, by its first bytes; what the file's name ends in does not matter."""

_PICTURE = "a picture, and no table; --images takes a folder of them"

_OF_R = "a file of R's; save its table with write.csv(…, row.names = FALSE)"

_PICKLE = "a pickle, which is not read; save its table as Parquet or CSV (in pandas frame.to_parquet)"

_PAGE = "a web page, not the file that it shows; download that file itself"

_TEXTS: Mapping[bytes, str] = {
    **dict.fromkeys((b"<!doctype html", b"<html"), _PAGE),
    b"<?xml": "XML; save its table as CSV",
    b"%pdf-": "a PDF; save its table as CSV",
    b"@relation": "an ARFF file; save it as CSV",
    b"{\\rtf": "a text with its layout (RTF); save it as plain text",
    b"version https://git-lfs": "a pointer of Git LFS, and not the file; `git lfs pull` gets it",
    b"<stata_dta>": "a Stata file; save its table as CSV",
    b"$fl2@(#)": "an SPSS file; save its table as CSV",
    **dict.fromkeys((b"rdx2\n", b"rdx3\n"), _OF_R),
    **dict.fromkeys((b'{"', b"{\n", b"{ ", b"[{", b"[[", b"[\n", b"[ "), "JSON; save its rows as CSV"),
}
"""What texts begin with, in lower case, that are neither CSV nor Parquet, and what to do. No name of a column
begins so."""

_BINARY: Mapping[bytes, str] = {
    b"PK\x03\x04": "an Excel file or another archive; save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind; save its sheet as CSV",
    b"SQLite format 3": "a database; save the table as CSV",
    b"ARROW1": "a Feather file; save it as Parquet or CSV",
    b"ORC": "an ORC file; save it as Parquet or CSV",
    b"Obj\x01": "an Avro file; save it as Parquet or CSV",
    b"\x93NUMPY": "an array of numpy's; save it as CSV or Parquet",
    b"\x89HDF": "an HDF5 file; save its table as CSV or Parquet",
    b"\0" * 12 + b"\xc2\xea\x81\x60": "a SAS file; save its table as CSV",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    **dict.fromkeys((b"\x89PNG", b"\xff\xd8\xff", b"GIF8"), _PICTURE),
    b"X\n\0\0\0": _OF_R,
    **dict.fromkeys((b"\x1f\x8b", b"BZh", b"\xfd7zXZ"), "compressed more than once; decompress it first"),
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"Rar!": "a RAR archive; unpack it first",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first",
}
"""The same of files that are no text, which another byte has to tell as well: a column may be called ORC."""

_OF_NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")

_PART_OF_PAGE = re.compile(rb"<(?:head|body|table)\b[^<>]*>\s*<")
"""How a part of a web page begins: a tag, and another one. A column may be called <TABLE>."""

_LOOKED_AT = 64
"""How many bytes tell what a file is."""

_TAR = slice(257, 262), b"ustar"
"""Where a tar archive says what it is, and how."""


def unpacked(name: str, content: BinaryIO) -> BinaryIO:
    """Return the stream, or one over what it holds if it begins as gzip, bzip2, xz or zip does.

    The archive that a spreadsheet is stays as it is.

    Args:
        content: A stream that can go back to its start.

    Raises:
        DatasetError: It is an archive that holds several files, or cannot be read.
    """
    start = content.read(_LOOKED_AT)
    content.seek(0)
    if start.startswith(_ZIP):
        content = _member(name, content)
        start = content.read(_LOOKED_AT)
        content.seek(0)
    opener = next((opener for magic, opener in _OPENERS.items() if start.startswith(magic)), None)
    return opener(content) if opener else content


def _member(name: str, content: BinaryIO) -> BinaryIO:
    """Return a stream over the one file in an archive, or the archive itself where it is a spreadsheet."""
    try:
        archive = zipfile.ZipFile(content)
        members = [entry for entry in archive.namelist() if _is_file_of_people(entry)]
        if "[Content_Types].xml" in members or "mimetype" in members:
            content.seek(0)
            return content
        if len(members) == 1:
            return archive.open(members[0])  # type: ignore[return-value] # a stream of bytes, in all but name
    except MemoryError:
        raise
    except Exception as error:  # of the decoders, which have nothing but these bytes to stumble over
        raise DatasetError(f"{name} is an archive that cannot be unpacked: {reason(error)}") from error
    held = listed(map(quoted, members))
    raise DatasetError(f"{name} holds {len(members)} files ({held}); unpack the one meant")


def _is_file_of_people(entry: str) -> bool:
    """Return whether an entry of an archive is a file, and none that macOS or Windows has put there."""
    name = entry.rpartition("/")[2]
    return (
        bool(name)
        and not name.startswith(".")
        and name.lower() not in _OF_SYSTEMS
        and "__MACOSX/" not in entry
    )


_OF_SYSTEMS = frozenset({"thumbs.db", "desktop.ini"})


@contextmanager
def readable(name: str) -> Iterator[None]:
    """Turn the errors of unpacking and decoding into one that names the file.

    Raises:
        DatasetError: The content could not be unpacked or decoded.
        OSError: The system could not read the file. Such errors have a number; those of bzip2 and gzip about
            the content have none.
    """
    try:
        yield
    except (MlapiError, MemoryError):
        raise
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"{name} is a damaged or incomplete compressed file; get it again") from error
    except UnicodeError as error:
        raise DatasetError(f"{name} is not in the encoding {error.args[0]}: {error}") from error


def refuse_foreign(name: str, start: bytes) -> None:
    """Refuse a file that is no table at all, by its first bytes.

    Raises:
        DatasetError: It is none; the message says what it is, and what to do.
    """
    beginning = start[:_LOOKED_AT].removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n")
    foreign = _foreign(beginning)
    if start[_TAR[0]] == _TAR[1]:
        foreign = "a tar archive; unpack it, and name the file meant"
    if foreign:
        raise DatasetError(f"{name} is {foreign}")


def _foreign(beginning: bytes) -> str | None:
    """Return what a file is that begins so, and what to do; None if nothing tells."""
    in_lower_case = beginning.lower()
    if _PART_OF_PAGE.match(in_lower_case):
        return "a web page, not a table; download the file itself, or save the page's table as CSV"
    binary = _BINARY if _OF_NO_TEXT.search(beginning) else {}
    known = [what for magic, what in binary.items() if beginning.startswith(magic)]
    known += [what for text, what in _TEXTS.items() if in_lower_case.startswith(text)]
    return known[0] if known else None

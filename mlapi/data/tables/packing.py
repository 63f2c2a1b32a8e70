"""What a file of a table is packed in, and what it is if it is no table: known by its first bytes.

Compressed files are opened as streams; a zip has to hold one file. Knows nothing of encodings and rows.
"""

import bz2
import codecs
import gzip
import lzma
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

_FOREIGN: Mapping[bytes, str] = {
    b"pk\x03\x04": "an Excel file or another archive; save its sheet as CSV",
    b"\xd0\xcf\x11\xe0": "an Excel file of the old kind; save its sheet as CSV",
    b"<!doctype html": "a web page, not the file that it shows; download that file itself",
    **dict.fromkeys(
        (b"<head", b"<body", b"<table", b"<script", b"<!--"),
        "a web page, not a table; download the file itself, or save the page's table as CSV",
    ),
    b"<html": "a web page, not the file that it shows; download that file itself",
    b"<?xml": "XML; save its table as CSV",
    b"%pdf": "a PDF; save its table as CSV",
    b"sqlite format 3": "a database; save the table as CSV",
    b"arrow1": "a Feather file; save it as Parquet or CSV",
    b"\x93numpy": "an array of numpy's; save it as CSV or Parquet",
    **dict.fromkeys((b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"), _PICKLE),
    **dict.fromkeys(
        (b"\x89png", b"\xff\xd8\xff", b"gif8"), "a picture, and no table; --images takes a folder of them"
    ),
    b"\x89hdf": "an HDF5 file; save its table as CSV or Parquet",
    **dict.fromkeys(
        (b"rdx2", b"rdx3", b"x\n\0\0\0"), "a file of R's; save its table with write.csv(…, row.names = FALSE)"
    ),
    b"\0" * 12 + b"\xc2\xea\x81\x60": "a SAS file; save its table as CSV",
    b"<stata_dta>": "a Stata file; save its table as CSV",
    b"$fl2": "an SPSS file; save its table as CSV",
    b"obj\x01": "an Avro file; save it as Parquet or CSV",
    b"@relation": "an ARFF file; save it as CSV",
    b"{\\rtf": "a text with its layout (RTF); save it as plain text",
    b"version https://git-lfs": "a pointer of Git LFS, and not the file; `git lfs pull` gets it",
    **dict.fromkeys((b"\x1f\x8b", b"bzh", b"\xfd7zxz"), "compressed more than once; decompress it first"),
    b"7z\xbc\xaf": "a 7z archive; unpack it first",
    b"rar!": "a RAR archive; unpack it first",
    b"orc": "an ORC file; save it as Parquet or CSV",
    b"\x28\xb5\x2f\xfd": "compressed with zstd; decompress it first",
    **dict.fromkeys((b'{"', b"{\n", b"{ ", b"[{", b"[[", b"[\n", b"[ "), "JSON; save its rows as CSV"),
}
"""What files begin with, in lower case, that are neither CSV nor Parquet, and what to do."""

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
    beginning = start[:_LOOKED_AT].removeprefix(codecs.BOM_UTF8).lstrip(b" \t\r\n").lower()
    foreign = next((what for magic, what in _FOREIGN.items() if beginning.startswith(magic)), None)
    if start[_TAR[0]] == _TAR[1]:
        foreign = "a tar archive; unpack it, and name the file meant"
    if foreign:
        raise DatasetError(f"{name} is {foreign}")

"""What a body is that cannot be read, in one sentence that ends with the way out.

Called after a refusal, and never before: a body that is read costs nothing here. Looks at the beginning of a
body, and at the place where the parser has stopped. Knows no model.
"""

import re
from collections.abc import Sequence

import orjson

from mlapi.data.images.formats import kind_of

BOM = b"\xef\xbb\xbf"
"""The byte order mark of UTF-8, which some editors write first; JSON is read without it (RFC 8259, 8.1)."""

_SEND_JSON = "send JSON"

_BEGINNINGS: Sequence[tuple[bytes, str]] = (
    (b"\x1f\x8b", "compressed (it begins as gzip does): send it uncompressed"),
    (b"\x28\xb5\x2f\xfd", "compressed (it begins as zstd does): send it uncompressed"),
    (b"\x78\x01", "compressed (it begins as deflate does): send it uncompressed"),
    (b"\x78\x9c", "compressed (it begins as deflate does): send it uncompressed"),
    (b"\x78\xda", "compressed (it begins as deflate does): send it uncompressed"),
    (b"BZh", "compressed (it begins as bzip2 does): send it uncompressed"),
    (b"\xfd7zXZ\0", "compressed (it begins as xz does): send it uncompressed"),
    (b"PK\3\4", f"a ZIP archive or an Excel workbook: {_SEND_JSON}"),
    (b"\x93NUMPY", f"an array of numpy's: {_SEND_JSON}, in Python array.tolist()"),
    (b"PAR1", f"a Parquet file: {_SEND_JSON}"),
    (b"ARROW1", f"an Arrow file: {_SEND_JSON}"),
    (b"\x80\4", f"a pickle, and none of a client is ever read: {_SEND_JSON}"),
    (b"\x80\5", f"a pickle, and none of a client is ever read: {_SEND_JSON}"),
    (b"\xff\xfe\0\0", "UTF-32: send UTF-8"),
    (b"\0\0\xfe\xff", "UTF-32: send UTF-8"),
    (b"\xff\xfe", "UTF-16: send UTF-8"),
    (b"\xfe\xff", "UTF-16: send UTF-8"),
)
"""How bodies begin that are no text in UTF-8, and what they are. The first match counts."""

_UTF_16 = re.compile(rb"\s?\0?[\[{]\0|\0[\s\[{]\0")
"""How JSON begins in UTF-16 without a byte order mark."""

_FILE_NAME = re.compile(
    r"\s*@?[^\s\"'{}\[\]<>=&,;]{0,200}"
    r"\.(?:json|jsonl|ndjson|csv|tsv|txt|parquet|xlsx?|png|jpe?g|webp|gif|bmp)\s*\Z",
    re.IGNORECASE,
)
"""What a body is that curl has sent for `-d rows.json`, without an @."""

_TEXTS: Sequence[tuple[re.Pattern[str], str]] = (
    (_FILE_NAME, "the name of a file: for what is in the file curl needs an @, curl -d @rows.json"),
    (re.compile(r"\s*--.{1,200}\r?\nContent-", re.IGNORECASE), f"a form with parts: {_SEND_JSON}"),
    (re.compile(r"\s*<"), f"XML or HTML: {_SEND_JSON}"),
    (re.compile(r"\s*%(?:7B|5B)", re.IGNORECASE), "JSON as URLs have it: send it as it is, with curl -d"),
    (
        re.compile(r"\s*(?:eyJ|eyA|ewo|W3s|W1s)[A-Za-z0-9+/_-]{8,4096}=*\s*\Z"),
        "JSON in base64: send it as it is",
    ),
    (
        re.compile(r"\s*[\w.%+\[\]-]{1,200}=(?![=>\s]|\Z)"),
        f"a form: {_SEND_JSON}; in Python requests.post(url, json=…) and not data=…",
    ),
    (
        re.compile(r"(?=[^\n]{0,1000}[,;\t|])[^\n{}]{1,1000}\n"),
        f"CSV, it seems: {_SEND_JSON}, a row for each line; `mlapi predict` reads CSV files",
    ),
)
"""How texts begin that are no JSON, and what they are. The first match counts."""

_SIGNS: Sequence[tuple[re.Pattern[str], str]] = (
    (re.compile(r"[-+]?(?:NaN|Inf(?:inity)?)\b", re.IGNORECASE), "send null for a blank"),
    (re.compile(r"(?:None|True|False)\b"), "in Python json.dumps writes JSON"),
    (re.compile(r"undefined\b"), "send null for a blank"),
    (re.compile(r"'|‘|’|“|”"), 'names and words stand in "double quotes", as json.dumps writes them'),
    (re.compile(r"(?:np\.)?(?:array|ndarray|float\d+|int\d+)\("), "in Python array.tolist() is a list"),
    (re.compile(r"//|/\*|#"), "leave comments out"),
)
"""What other languages write where JSON has another sign, and the way out."""

_BARE_NAME = re.compile(r"\w+\s*:")
"""A name without its quotes, which many shells take away."""

_BEGINNING = 4096
"""So many bytes of a body are looked at."""


def unlike_json(body: bytes, error: orjson.JSONDecodeError) -> str:
    """Return why a body is not JSON, for the error that the parser has raised."""
    what = _what_it_is(body)
    if what is not None:
        return f"the body is {what}"
    try:
        body.decode()
    except UnicodeDecodeError as wrong:
        return f"the body is not UTF-8 (byte 0x{body[wrong.start]:02X} at {wrong.start:,}): send UTF-8"
    where = f"line {error.lineno} column {error.colno}"
    rest = error.doc[max(0, error.pos - 1) : error.pos + 200]
    for text in (rest, rest[min(error.pos, 1) :]):  # the parser stops behind a minus
        for pattern, way_out in _SIGNS:
            if (sign := pattern.match(text)) is not None:
                return f"{sign[0]} is not JSON, at {where}: {way_out}"
    if _BARE_NAME.match(rest[min(error.pos, 1) :]) and "key" in error.msg:
        return (
            f"not JSON: a name without quotes at {where}; where a shell takes them away, put the body into a "
            "file, and send it with curl -d @rows.json"
        )
    if error.doc[error.pos : error.pos + 1] in ("{", "[") and "after document" in error.msg:
        return f"not JSON: a second document begins at {where}; send all rows in one"
    return f"not JSON: {error.msg} at {where}"


def unlike_any(media_type: str, body: bytes) -> str:
    """Return what a body is whose media type is not read, as the end of a message; "" if it is not known."""
    what = _what_it_is(body)
    if what is None and media_type.startswith("multipart/"):
        what = f"a form with parts: {_SEND_JSON}"
    return "" if what is None else f"; the body is {what}"


def names_a_file(body: bytes) -> bool:
    """Return whether a body is the name of a file, and not what is in it."""
    return len(body) <= _BEGINNING and _FILE_NAME.match(body.decode("utf-8", "replace")) is not None


def _what_it_is(body: bytes) -> str | None:
    for beginning, what in _BEGINNINGS:
        if body.startswith(beginning):
            return what
    if _UTF_16.match(body):
        return "UTF-16: send UTF-8"
    text = body[:_BEGINNING].removeprefix(BOM).decode("utf-8", "replace")
    if text.lstrip()[:1] in ("{", "["):
        return None
    for pattern, what in _TEXTS:
        if pattern.match(text):
            return what
    kind = kind_of(body)
    return None if kind is None else f"a file of the kind {kind}: {_SEND_JSON}"

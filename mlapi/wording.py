"""How a message is worded: names in a list, a client's own word in quotes, the place of a value, the way out.

Whatever comes from somebody else is shortened here, and made safe to print and to encode.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import TypeVar

T = TypeVar("T")

SHOWN = 20
"""How many findings, or known names, one message lists at most."""

LONGEST_NAME = 80
"""Characters of a name that is listed among others."""

_COMPARED = 100
"""Characters of a name for which a similar one is sought: the time grows with their square."""

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""Controls, marks of direction and of lines, and halves of pairs, which no encoding has."""

_PATH = re.compile(r"(?<![\w.])/[^\s'\":,)]+")

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("pyarrow>=21",),
    "vision": ("torch>=2.9,<3", "onnx>=1.19,<2"),
    "dask": ("distributed>=2025.7",),
    "s3": ("s3fs>=2025.7",),
    "gcs": ("gcsfs>=2025.7",),
}
"""The extras of pyproject.toml, word by word."""


def listed(names: Iterable[object]) -> str:
    """The first names, comma separated, and how many more there are; "none" if there are none.

    On one line, and of each a beginning: they may be somebody else's words.
    """
    known = list(names)
    shown = [printable(shortened(str(name), LONGEST_NAME)).replace("\n", "\\n") for name in known[:SHOWN]]
    rest = len(known) - SHOWN
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") or "none"


def counted(number: int, noun: str) -> str:
    """So many of something: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(text: str, limit: int = 40) -> str:
    """The caller's own word, shortened, safe to print and to encode."""
    plain = (
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in shortened(text, limit)
    )
    return f'"{"".join(plain)}"'


def shortened(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """With what a terminal would obey, or show in another order, written as its escape: `\\x1b`.

    Line ends and tabs stay, and so does whatever a script needs to be read.
    """
    return _OBEYED.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def bounded(findings: Iterable[T]) -> tuple[tuple[T, ...], int]:
    """The first findings, and the number of all, in constant memory."""
    shown: list[T] = []
    count = 0
    for finding in findings:
        count += 1
        if count <= SHOWN:
            shown.append(finding)
    return tuple(shown), count


def reason(error: BaseException) -> str:
    """The error's class and first line, short, and without the server's paths: clients see it."""
    told = error.strerror if isinstance(error, OSError) and error.strerror else str(error)  # it names no file
    first = (told.splitlines() or [""])[0]
    first = _PATH.sub("…", first)[:160]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def did_you_mean(name: str, known: Collection[str]) -> str:
    """What follows "unknown setting" or the like: the most similar known name, or else the first of them."""
    start = name[:_COMPARED]
    near = get_close_matches(start, known, n=1) or [
        other for other in known if other.lower() == start.lower()
    ]
    return f", did you mean {quoted(near[0])}?" if near else f"; known are {listed(known)}"


def pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join(f"/{escaped(token)}" for token in path)


def escaped(token: str | int) -> str:
    """One token of a JSON pointer (RFC 6901), safe to encode."""
    return encodable(str(token)).replace("~", "~0").replace("/", "~1")


def encodable(text: str) -> str:
    """The text with each half of a surrogate pair, which UTF-8 cannot hold, written as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def how_to_install(extra: str) -> str:
    """The command that brings what an extra needs, in a checkout and beside an installed wheel alike."""
    return " ".join(["pip install", *(f"'{requirement}'" for requirement in EXTRAS[extra])])

"""How messages are worded: lists of names, a client's own word in quotes, the nearest name. And findings: a
place in a body, with a sentence about it.

Text from somebody else is shortened here, and made safe to print and to encode.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from difflib import get_close_matches
from typing import NamedTuple, TypeAlias, TypeVar

T = TypeVar("T")

SHOWN = 20
"""How many findings, or known names, one message lists at most."""

LONGEST_NAME = 80
"""Characters of a name that is listed among others."""

LONGEST_POINTER = 500
"""Characters of a JSON pointer that an answer repeats; a client may send names of megabytes."""

_COMPARED = 100
"""Characters of a name for which a similar one is sought: the time grows with their square."""

_OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]"
)
"""Characters that a terminal obeys: controls, marks of direction and of lines. And halves of surrogate pairs,
which no encoding has."""

_PATH = re.compile(r"(?<![\w.])/[^\s'\":,)]+")
"""An absolute path in a message."""

EXTRAS: Mapping[str, tuple[str, ...]] = {
    "parquet": ("pyarrow>=21",),
    "vision": ("torch>=2.9,<3", "onnx>=1.19,<2"),
    "xgboost": ("xgboost-cpu>=3",),
    "lightgbm": ("lightgbm>=4.6",),
    "catboost": ("catboost>=1.2.8",),
    "mlflow": ("pyyaml>=6",),
    "dask": ("distributed>=2025.7",),
    "s3": ("s3fs>=2025.7",),
    "gcs": ("gcsfs>=2025.7",),
}
"""The extras of pyproject.toml: the same names and requirements."""


Place: TypeAlias = tuple[str | int, ...]
"""Where something stands in a body, from the outside in: `("instances", 3, "age")` is the cell of the feature
age in the fourth row, `("X", 3, 2)` the third cell of a row that is a list, `()` the body itself."""


class Finding(NamedTuple):
    """One thing to say about one place of a request body: a violation or a warning.

    Whoever reads rows counts the place from the rows on; whoever took them out of a body puts it `below` the
    member that held them. A place may hold a client's own names, of megabytes; a pointer is short.
    """

    place: Place
    detail: str

    @property
    def pointer(self) -> str:
        """The place as a JSON pointer (RFC 6901), of which an answer repeats 500 characters."""
        text = pointer(self.place)
        return text if len(text) <= LONGEST_POINTER else text[:LONGEST_POINTER] + "…"

    def below(self, *tokens: str | int) -> "Finding":
        """Return the same finding with these tokens before its place: seen from further outside."""
        return Finding((*tokens, *self.place), self.detail)

    def short_place(self) -> list[str | int]:
        """Return the place, or as much of it as fills a pointer of twice the length that is shown.

        It can be encoded: its names are free of halves of surrogate pairs.
        """
        tokens: list[str | int] = []
        left = 2 * LONGEST_POINTER
        for token in self.place:
            tokens.append(token if isinstance(token, int) else encodable(token[: 2 * LONGEST_POINTER]))
            left -= 1 + len(str(token))
            if left < 0:
                break
        return tokens

    def to_json(self) -> dict[str, str]:
        """Return the members that an answer has for it: pointer and detail."""
        return {"pointer": self.pointer, "detail": self.detail}


def listed(names: Iterable[object]) -> str:
    """Return the first 20 names, comma separated, and how many more there are; "none" if there are none.

    The text is one line, and of each name has 80 characters at most: they may be somebody else's words.
    """
    known = list(names)
    shown = [printable(shortened(str(name), LONGEST_NAME)).replace("\n", "\\n") for name in known[:SHOWN]]
    rest = len(known) - SHOWN
    return ", ".join(shown) + (f" and {rest} more" if rest > 0 else "") or "none"


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: "1 row", "2,000 rows"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def quoted(text: str, limit: int = 40) -> str:
    """Return a client's own word in quotes, shortened to `limit` characters, safe to print and to encode."""
    plain = (
        sign if sign.isprintable() else sign.encode("unicode_escape").decode()
        for sign in shortened(text, limit)
    )
    return f'"{"".join(plain)}"'


def shortened(text: str, limit: int) -> str:
    """Return a text of at most `limit` characters; where something was cut off, the last one is "…"."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def printable(text: str) -> str:
    """Return the text with each character that a terminal would obey written as its escape: `\\x1b`.

    Line ends and tabs stay, and so does whatever a language needs to be read.
    """
    return _OBEYED.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def bounded(findings: Iterable[T]) -> tuple[tuple[T, ...], int]:
    """Return the first 20 findings, and the number of all; an iterator of millions takes no more memory."""
    shown: list[T] = []
    count = 0
    for finding in findings:
        count += 1
        if count <= SHOWN:
            shown.append(finding)
    return tuple(shown), count


def reason(error: BaseException) -> str:
    """Return an error's class and the first line of its message, without paths: clients see it."""
    # The strerror of an OSError names no file.
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    first = (message.splitlines() or [""])[0]
    first = _PATH.sub("…", first)[:160]
    return f"{type(error).__name__}: {first}" if first else type(error).__name__


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return what follows "unknown setting" or the like: the most similar known name, or else a list of them.

    Takes up to some milliseconds: only for what is shown.
    """
    start = name[:_COMPARED]
    near = get_close_matches(start, known, n=1) or [
        other for other in known if other.lower() == start.lower()
    ]
    return f", did you mean {quoted(near[0])}?" if near else f"; known are {listed(known)}"


def pointer(path: Iterable[str | int]) -> str:
    """Return a JSON pointer (RFC 6901) to the place that these names and positions lead to."""
    return "".join(f"/{escaped(token)}" for token in path)


def escaped(token: str | int) -> str:
    """Return one token of a JSON pointer (RFC 6901), safe to encode."""
    return encodable(str(token)).replace("~", "~0").replace("/", "~1")


def encodable(text: str) -> str:
    """Return the text with each half of a surrogate pair, which UTF-8 cannot hold, written as its escape."""
    return text.encode("utf-8", "backslashreplace").decode()


def how_to_install(extra: str) -> str:
    """Return the command that installs what an extra needs, in a checkout or beside an installed wheel."""
    return " ".join(["pip install", *(f"'{requirement}'" for requirement in EXTRAS[extra])])

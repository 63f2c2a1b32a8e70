"""The bytes of a text file -> its encoding, and what to say where the letters come out wrong.

A byte order mark decides, else UTF-8 if all bytes are, else Windows' cp1252, in which nearly any bytes are
letters. Whether these are what people write is looked at by shape alone: no language of Western Europe puts
a sign inside of a word, or three accented letters in a row. Knows nothing of delimiters and rows.
"""

import codecs
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from itertools import chain

from mlapi.errors import DatasetError
from mlapi.wording import quoted

MARK = "\ufeff"
"""The byte order mark as a character: it may stand before everything else, and is no part of the text."""

CHUNK_BYTES = 1024 * 1024
"""How many bytes are decoded at once while the encoding is detected."""

_BY_MARK = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",  # before UTF-16's, which it begins with
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
"""The encoding of a file, by the byte order mark that it begins with."""

_FALLBACK = "cp1252"

_OPTION = " (--encoding)"

_LOOKED_AT = 64 * 1024
"""How many bytes of words with other letters than a to z are looked at."""

_LETTER = re.compile(rb"""[\x80-\xff][^\s,;|"]{0,80}""")
"""A byte that is not ASCII, and the rest of its word."""

_BETWEEN_WORDS = re.compile(rb"""[\s,;|"]""")

_BEFORE = 40
"""How many bytes before a letter belong to its word at most."""

_ODD_SHARE = 0.4
"""From which share of odd letters on a text is taken for one in another encoding."""

_NO_WORDS = re.compile(
    r"(?<=[^\W\d_])[^\w\s\x00-\x7f’‘·–—²°×]{1,3}(?=[^\W\d_])"  # signs inside of a word: K”ln
    r"|(?<!\w)[£¥¤¦§¬¯³¹](?=[^\W\d_])"  # a sign before a word: £ódŸ
    r"|(?<=[a-zß-öø-ÿ])[À-ÖØ-ÞŒŠŽŸ]"  # a capital inside of a word: mŽga
    r"|(?<=[A-Za-z])[\u0370-\u06ff]|[\u0370-\u06ff](?=[A-Za-z])"  # two scripts in one word: Mьller
)
"""Letters and signs as no language puts them together."""

_IN_A_ROW = re.compile(r"[\x80-\u036f\u2000-\u2bff]{3,}")
"""Letters and signs in a row that are not ASCII, where Latin is written: ëîùàäü. Three may be capitals of the
North, hardly anybody writes four."""

_FOREIGN = re.compile(r"[^\W\x00-\u036f]")
"""A letter of another script than Latin."""

_COMMON = frozenset("äöüßéèêëàâáãåæçíîïñóôõøúùûœ")
"""Letters that Western Europe writes often, by which one of several encodings is preferred."""

_NAMES = {
    "gb18030": "gbk",
    "cp932": "shift_jis",
    "cp949": "euc_kr",
    "euc_jis_2004": "euc_jp",
    "cp1125": "cp866",
}
"""The names under which people know encodings that the detector calls otherwise, where these fit as well."""

_FEW = 3
"""Letters in a row that count as one odd letter only."""

_LATIN = ("mac_roman", "cp850", "cp1250", "iso8859_2")
"""Other encodings of Latin letters than cp1252: of old Macs, of DOS, of Eastern Europe."""

_CYRILLIC = ("koi8_r", "cp1251", "cp866")
"""Encodings that are tried beside what the detector finds, which does not know the first."""

_UNUSUAL = ["utf_16", "utf_16_le", "utf_16_be", "utf_7", "shift_jis_2004", "shift_jisx0213"]
"""Encodings that the detector finds where others are meant."""

_ENOUGH = 2048
"""How many bytes the detector is asked about at least: of a few words it knows little."""

_TWICE = re.compile(rb"\xc3\x83(?:[\xc2\xc5\xc6\xcb].|\xe2..)|\xc3\x82\xc2[\xa0-\xbf]", re.DOTALL)
"""Two characters in UTF-8 that are the two bytes of one, each taken for a character: Ã¼ for ü."""

_NUL_SHARE = 0.3
"""From which share of NULs in every second byte on a file is UTF-16 without a mark."""


@dataclass(frozen=True, slots=True)
class Encoding:
    """The encoding of a file by the name that Python has for it.

    `notes` say what was assumed, `warnings` what seems to be wrong, in parts of sentences.
    """

    name: str
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def encoding_of(name: str, read: Callable[[], Iterable[bytes]]) -> Encoding:
    """Detect the encoding of a file from all of its bytes.

    Args:
        name: What messages call the file.
        read: Gives the bytes, from the start on, in pieces of any size.

    Raises:
        DatasetError: It is neither UTF-8 nor cp1252, or UTF-8 up to some byte that is damaged; the message
            has the line.
    """
    first = next(rest := iter(read()), b"")
    marked = next((encoding for mark, encoding in _BY_MARK.items() if first.startswith(mark)), None)
    if marked:
        return Encoding(marked)
    if wide := _wide(first):
        return Encoding(wide, (f"it has no byte order mark, and was read as {wide.upper()}",))
    try:
        return _narrow(chain([first], rest, [b""]))
    except _Undecodable as error:
        line = _line(read(), error.position)
        raise DatasetError(f"{name} is {error.problem.format(line=line)}") from error


def _wide(first: bytes) -> str | None:
    """Return the UTF-16 that a file without a mark is in, by the NULs that ASCII has in every second byte."""
    even, odd = first[0:4096:2], first[1:4096:2]
    if not odd:
        return None
    shares = even.count(0) / len(even), odd.count(0) / len(odd)
    if min(shares) > 0.01 or max(shares) < _NUL_SHARE or (len(first) % 2 and len(first) < 4096):
        return None
    return "utf-16-le" if shares[1] > shares[0] else "utf-16-be"


class _Undecodable(Exception):
    """A byte at some position of a file is in no encoding that is detected."""

    def __init__(self, position: int, problem: str) -> None:
        super().__init__(problem)
        self.position = position
        self.problem = problem


def _narrow(pieces: Iterable[bytes]) -> Encoding:
    utf_8, cp1252 = codecs.getincrementaldecoder("utf-8")(), codecs.getincrementaldecoder(_FALLBACK)()
    is_utf_8 = is_ascii = True
    position, words, twice = 0, _Words(), None
    for piece in pieces:
        if piece.isascii() and piece and not utf_8.getstate()[0]:
            position += len(piece)
            continue  # 15 times as fast as decoding it
        try:
            if is_utf_8:
                is_ascii = utf_8.decode(piece, final=not piece).isascii() and is_ascii
                twice = twice or _TWICE.search(piece)
        except UnicodeDecodeError as error:
            if not (is_ascii and piece[: error.start].isascii()):
                problem = f"UTF-8 only at first: line {{line}} is not; mend it, or tell its encoding{_OPTION}"
                raise _Undecodable(position + error.start, problem) from error
            is_utf_8 = False
            utf_8.reset()
        if not is_utf_8:
            words.add(piece)
            try:
                cp1252.decode(piece)
            except UnicodeDecodeError as error:
                guess = _guess(words.sample)
                problem = f"neither UTF-8 nor {_FALLBACK}, in line {{line}}; tell its encoding{guess}"
                raise _Undecodable(position + error.start, problem) from error
        position += len(piece)
    if is_utf_8:
        return Encoding("utf-8", warnings=_warnings_about_utf_8(twice[0]) if twice else ())
    return _fallback(words.sample)


def _line(pieces: Iterable[bytes], position: int) -> int:
    """Return the line of a file that a byte stands on."""
    line = 1
    for piece in pieces:
        line += piece.count(b"\n", 0, max(0, position))
        position -= len(piece)
    return line


class _Words:
    """The distinct words of a file that are not ASCII: as many as are looked at."""

    def __init__(self) -> None:
        self._words: dict[bytes, None] = {}
        self._size = 0

    def add(self, piece: bytes) -> None:
        for match in _LETTER.finditer(piece):
            if self._size >= _LOOKED_AT:
                return
            start = _BETWEEN_WORDS.split(piece[max(0, match.start() - _BEFORE) : match.start()])[-1]
            word = start + match[0]
            if word not in self._words:
                self._words[word] = None
                self._size += len(word)

    @property
    def sample(self) -> bytes:
        return b"\n".join(self._words)


def _fallback(sample: bytes) -> Encoding:
    note = f"it is not UTF-8, so it was read as {_FALLBACK} (Windows, Western Europe)"
    text = sample.decode(_FALLBACK)
    if _oddness(text) < _ODD_SHARE:
        return Encoding(_FALLBACK, (note,))
    word = max(text.split("\n"), key=_oddness)
    likely = _likely(sample)
    way_out = (
        f"it may be {' or '.join(likely)} (--encoding {likely[0]})"
        if likely
        else "tell its encoding (--encoding), or save it as UTF-8"
    )
    return Encoding(
        _FALLBACK, warnings=(f"{note}, but no language writes {quoted(word)}, among others: {way_out}",)
    )


def _warnings_about_utf_8(twice: bytes) -> tuple[str, ...]:
    """Return a warning about two characters that were one, unless they are what they seem."""
    wrong = twice.decode("utf-8", "ignore")
    try:
        meant = wrong.encode(_FALLBACK).decode("utf-8")
    except UnicodeError:
        return ()
    return (
        f'it has {quoted(wrong)} where "{meant}" was meant: it was read in a wrong encoding before it was '
        f"saved as UTF-8; export it once more",
    )


def _guess(sample: bytes) -> str:
    likely = _likely(sample)
    return f", which may be {' or '.join(likely)} (--encoding {likely[0]})" if likely else _OPTION


def _likely(sample: bytes) -> list[str]:
    """Return at most two encodings in which a file's words are what people write, the likeliest first."""
    texts = {
        encoding: text
        for encoding in (*_detected(sample), *_CYRILLIC, *_LATIN)
        if (text := _decoded(sample, encoding)) and _oddness(text) < _ODD_SHARE / 2
    }
    foreign = [encoding for encoding, text in texts.items() if _FOREIGN.search(text)]
    if foreign:
        return foreign[:1]
    latin = [encoding for encoding in _LATIN if encoding in texts]
    return sorted(latin, key=lambda encoding: -_common(texts[encoding]))[:2]


def _detected(sample: bytes) -> Iterator[str]:
    """Yield the encodings that a detector finds, the likeliest first, under the names that people know."""
    detector = import_module("charset_normalizer")  # rarely needed: a server never comes here
    repeated = b"\n".join([sample] * (1 + _ENOUGH // (1 + len(sample))))
    for match in detector.from_bytes(repeated, cp_exclusion=_UNUSUAL):
        known = _NAMES.get(match.encoding, match.encoding)
        yield match.encoding if _decoded(sample, known) is None else known


def _decoded(sample: bytes, encoding: str) -> str | None:
    try:
        return sample.decode(encoding)
    except (UnicodeError, LookupError):
        return None


def _oddness(text: str) -> float:
    """Return the share of odd letters and signs among those that are not ASCII; it may be above one."""
    others = sum(not sign.isascii() for sign in text)
    no_words = sum(len(match[0]) for match in _NO_WORDS.finditer(text))
    in_a_row = sum(1 if len(run) == _FEW else len(run) for run in _IN_A_ROW.findall(text))
    return (2 * no_words + in_a_row) / max(1, others)


def _common(text: str) -> float:
    letters = [sign.lower() for sign in text if not sign.isascii()]
    return sum(letter in _COMMON for letter in letters) / max(1, len(letters))

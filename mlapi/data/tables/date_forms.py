"""Dates in the forms of programs and of other languages -> a datetime, or the same date in English.

`mlapi.data.tables.datetimes` asks here for what is neither ISO 8601 nor in one of its formats: the dates of
Unix, JavaScript and web servers, quarters, and months and weekdays in other languages than English.
"""

import re
from collections.abc import Mapping
from datetime import datetime

from mlapi.data.tables.cells import plainly

_MONTHS: Mapping[str, str] = {
    "January": "jan januar jänner janvier enero gennaio janeiro januari janv ene gen",
    "February": "feb februar feber février fevrier febrero febbraio fevereiro februari févr fevr fév fev",
    "March": "mar märz maerz mars marzo março marco maart mrz mär mrt",
    "April": "apr avril abril aprile avr abr",
    "May": "mai mayo maggio maio mei maj mag",
    "June": "jun juni juin junio giugno junho giu",
    "July": "jul juli juillet julio luglio julho juil lug",
    "August": "aug août aout agosto augustus augusti ago",
    "September": "sep sept septembre septiembre settembre setembro set",
    "October": "oct oktober octobre octubre ottobre outubro okt ott out",
    "November": "nov novembre noviembre novembro",
    "December": "dec dezember décembre decembre diciembre dicembre dezembro dez déc dic",
}
"""The months in German, French, Spanish, Italian, Portuguese, Dutch and Swedish, in full and abbreviated."""

_ENGLISH = {word: month for month, words in _MONTHS.items() for word in (month.lower(), *words.split())}

_SHORT_IN_FULL = frozenset({"mars", "märz", "june", "juni", "juin", "july", "juli", "août", "aout"})
"""Names of months in full that are as short as abbreviations."""

_WEEKDAYS = (
    "monday tuesday wednesday thursday friday saturday sunday mon tue tues wed thu thurs fri sat sun "
    "montag dienstag mittwoch donnerstag freitag samstag sonnabend sonntag mo di mi do fr sa so "
    "lundi mardi mercredi jeudi vendredi samedi dimanche lun mer jeu ven sam dim "
    "lunes martes miércoles jueves viernes sábado domingo mié jue vie sáb dom "
    "lunedì martedì mercoledì giovedì venerdì sabato domenica gio sab "
    "maandag dinsdag woensdag donderdag vrijdag zaterdag zondag ma wo vr za zo"
)
"""In the same languages, without those that are months as well: mar is March, and no mardi."""

_ARE_WEEKDAYS = frozenset(_WEEKDAYS.split())

_LEADING_WORD = re.compile(r"([^\W\d_]+)\.?,? (?=\S)")

_WORD = re.compile(r"([^\W\d_]{3,})\.?")

_ORDINAL = re.compile(r"(?<=[0-9])(?:st|nd|rd|th|er|º|ª)\b|(?<=[0-9])\.(?= [^\W\d_])", re.IGNORECASE)
"""What makes the first of 1: 1st, 1er, 1º, and 1. before a month."""

_PARTICLE = re.compile(r" (?:de|del|of) (?=\S)", re.IGNORECASE)

_CHINESE = re.compile(r"([0-9]{4})年([0-9]{1,2})月([0-9]{1,2})日?")

_QUARTER = re.compile(r"([0-9]{4})[- /]?Q([1-4])|Q([1-4])[- /]?([0-9]{4})", re.IGNORECASE)
"""2024Q1, 2024-Q1, Q1 2024."""

_CLOCK = r"[0-9]{1,2}:[0-9]{2}:[0-9]{2}"

_UNIX = re.compile(
    rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[0-9]{{1,2}}) (?P<clock>{_CLOCK})"
    r"(?: (?P<zone>[a-z]{3,4}|[+-][0-9]{4}))? (?P<year>[0-9]{4})",
    re.IGNORECASE,
)
"""`Wed Jan 3 10:05:00 2024` (C), with `UTC` (Unix) or `+0000` (Twitter, Ruby) before the year."""

_JAVASCRIPT = re.compile(
    rf"[a-z]{{3}} (?P<month>[a-z]{{3}}) (?P<day>[0-9]{{1,2}}) (?P<year>[0-9]{{4}}) (?P<clock>{_CLOCK})"
    r" GMT(?P<zone>[+-][0-9]{4})(?: \([^)]*\))?",
    re.IGNORECASE,
)
"""`Wed Jan 03 2024 10:05:00 GMT+0100 (Central European Standard Time)`."""

_LOG = re.compile(
    rf"\[?(?P<day>[0-9]{{1,2}})/(?P<month>[a-z]{{3}})/(?P<year>[0-9]{{4}}):(?P<clock>{_CLOCK})"
    r" (?P<zone>[+-][0-9]{4})\]?",
    re.IGNORECASE,
)
"""`[03/Jan/2024:10:05:00 +0000]`, of Apache and nginx."""

_OFFSETS: Mapping[str, str] = {
    **dict.fromkeys(("Z", "UT", "UTC", "GMT", "WET"), "+00:00"),
    **dict.fromkeys(("CET", "WEST", "BST"), "+01:00"),
    **dict.fromkeys(("CEST", "EET", "SAST"), "+02:00"),
    **dict.fromkeys(("EEST", "MSK"), "+03:00"),
    **dict.fromkeys(("EDT",), "-04:00"),
    **dict.fromkeys(("EST", "CDT"), "-05:00"),
    **dict.fromkeys(("CST", "MDT"), "-06:00"),
    **dict.fromkeys(("MST", "PDT"), "-07:00"),
    **dict.fromkeys(("PST",), "-08:00"),
    **dict.fromkeys(("HKT", "SGT"), "+08:00"),
    **dict.fromkeys(("JST", "KST"), "+09:00"),
    **dict.fromkeys(("AEST",), "+10:00"),
    **dict.fromkeys(("AEDT",), "+11:00"),
}
"""What the names of zones are in ISO 8601; where two have one name, the one of RFC 2822, or of Europe."""


def offset_of(zone: str) -> str:
    """Return an offset from UTC as `datetime.fromisoformat` takes it: of "CET", "Z", "+0100".

    Raises:
        ValueError: The name of a zone that is not known.
    """
    if zone[0] in "+-":
        return zone
    offset = _OFFSETS.get(zone.upper())
    if offset is None:
        raise ValueError(f"unknown zone {zone}")
    return offset


def read_form(text: str) -> datetime | None:
    """Read the date of a program, or a quarter as its first day; with its offset where it has one.

    Returns None for any other text.

    Raises:
        ValueError: It is no day of the calendar.
    """
    if match := _QUARTER.fullmatch(text):
        year, quarter = (match[1], match[2]) if match[1] else (match[4], match[3])
        return datetime(int(year), 3 * int(quarter) - 2, 1)
    for form in (_UNIX, _JAVASCRIPT, _LOG):
        if match := form.fullmatch(text):
            parts = match.groupdict()
            when = f"{parts['day']} {parts['month']} {parts['year']} {parts['clock']}"
            value = datetime.strptime(when, "%d %b %Y %H:%M:%S")
            zone = parts["zone"]
            return datetime.fromisoformat(value.isoformat() + offset_of(zone)) if zone else value
    return None


def in_ascii(text: str) -> str:
    """Return a date with the digits 0 to 9 and without signs that nobody sees; 2024年1月5日 is 2024-1-5."""
    return _CHINESE.sub(r"\1-\2-\3", plainly(text))


def in_english(text: str) -> str:
    """Return a date with its month in English, without a weekday before it, and 1 for 1st: 3. Januar 2024 is
    3 January 2024. Any other text stays nearly as it is.
    """
    if (word := _LEADING_WORD.match(text)) and word[1].lower() in _ARE_WEEKDAYS:
        text = text[word.end() :]
    text = _PARTICLE.sub(" ", _ORDINAL.sub("", text))
    return _WORD.sub(_month, text, count=1)


def _month(word: re.Match[str]) -> str:
    """Return a month in English, in full or as its first three letters, as it was written; else the word."""
    month = _ENGLISH.get(word[1].lower())
    if month is None:
        return word[0]
    is_full = len(word[1]) > 4 or word[1].lower() in _SHORT_IN_FULL
    return month if is_full else month[:3]

"""Regular expressions that split a text in time that grows as the text does.

Python's `re` tries every way to repeat what may be repeated. So a pattern can take for ever on sixty letters,
while all threads of the process wait. A pattern is quick, for this module, if after a step of variable length
no step can fail: then nothing is tried a second time. A pattern is read as the steps that Python's own parser
makes of it, each an opcode and its arguments.
"""

import re
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_SINGLE = frozenset({codes.LITERAL, codes.NOT_LITERAL, codes.IN, codes.ANY, codes.CATEGORY})
"""Opcodes of steps that read one character."""

_REPEATS = frozenset({codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT})
"""Opcodes of steps that repeat others."""

_BORDERS = frozenset({codes.AT_BOUNDARY, codes.AT_BEGINNING, codes.AT_BEGINNING_STRING})
"""Positions that a step can ask for without reading a character."""

_BORDER = (codes.AT, codes.AT_BOUNDARY)
r"""The step `\b`."""

_LONGEST = 500
"""The most characters of a pattern, and the most that it can need in a text before it fails: from each
character of the text so many may be read in vain."""

_MOST = 100
"""The most times that something must be repeated, for the same reason."""

_OPTIONAL = 3
"""The most optional characters before others, in the whole pattern: each doubles the ways to try."""


def is_quick(pattern: str) -> bool:
    r"""Return whether `re.findall` takes time in proportion to the text, whatever the text is.

    `\b\w\w+\b`, `[a-z]+(?:'[a-z]+)?` and `\w+|\S` are; `(a|aa)+$` and `\d+\.\d+` are not known to be.
    """
    if len(pattern) > _LONGEST:
        return False
    try:
        steps = list(parser.parse(pattern))
    except (re.error, RecursionError, OverflowError):
        return False
    if _required(steps) > _LONGEST:
        return False
    spare = _OPTIONAL if _optional(steps) <= _OPTIONAL else 0
    if len(steps) == 1 and steps[0][0] is codes.BRANCH:
        return all(_is_word(list(branch)) or _is_quick(branch, spare) for branch in steps[0][1][1])
    return _is_word(steps) or _is_quick(steps, spare)


def _parts(step: Any) -> list[Any]:
    """Return the patterns within a step."""
    code, value = step
    if code is codes.BRANCH:
        return list(value[1])
    return [value[-1]] if code is codes.SUBPATTERN or code in _REPEATS else []


def _required(steps: Any) -> int:
    """Return how many characters are read at most before it is known that the steps fail."""
    count = 0
    for step in steps:
        times = max(1, step[1][0]) if step[0] in _REPEATS else 1
        count += times * sum(map(_required, _parts(step))) + (step[0] in _SINGLE)
    return count


def _optional(steps: Any) -> int:
    """Count the optional characters, in patterns within patterns too."""
    return sum(_is_optional(step) + sum(map(_optional, _parts(step))) for step in steps)


def _is_word(steps: list[Any]) -> bool:
    r"""Return whether this is `\b[a-z][a-z]+\b` or alike: there is one way to read each word of a text."""
    if len(steps) < 3 or steps[0] != _BORDER or steps[-1] != _BORDER:
        return False
    middle = steps[1:-1]
    if len(middle) == 1 and middle[0][0] is codes.SUBPATTERN:
        middle = list(middle[0][1][-1])
    *letters, last = middle or [_BORDER]
    code, value = last
    ends = _is_letter(last) or (
        code in _REPEATS and value[0] <= _MOST and len(value[2]) == 1 and _is_letter(value[2][0])
    )
    return ends and all(map(_is_letter, letters))


def _is_letter(step: Any) -> bool:
    """Return whether a step reads one character, of those that words consist of."""
    code, value = step
    if code is codes.LITERAL:
        return _are_letters(value, value)
    return code is codes.IN and all(
        (kind is codes.CATEGORY and what in (codes.CATEGORY_WORD, codes.CATEGORY_DIGIT))
        or (kind is codes.LITERAL and _are_letters(what, what))
        or (kind is codes.RANGE and _are_letters(*what))
        for kind, what in value
    )


def _are_letters(first: int, last: int) -> bool:
    return last - first < _LONGEST and all(re.match(r"\w", chr(code)) for code in range(first, last + 1))


def _is_quick(steps: Any, spare: int) -> bool:
    """Return whether nothing fails after the first step of variable length, as all after it may be missing.

    Args:
        spare: How many optional characters may come before it.
    """
    steps = list(steps)
    optional = _leading(steps)
    if optional <= spare:
        steps = steps[optional:]
    varies = False
    for step in steps:
        if varies and not (step[0] in _REPEATS and step[1][0] == 0):
            return False
        if not _has_one_length(step):
            if not _may_vary(step, spare):
                return False
            varies = True
    return True


def _leading(steps: list[Any]) -> int:
    """Return how many optional characters the steps begin with."""
    return next((place for place, step in enumerate(steps) if not _is_optional(step)), len(steps))


def _is_optional(step: Any) -> bool:
    code, value = step
    return code in _REPEATS and value[1] == 1 and len(value[2]) == 1 and value[2][0][0] in _SINGLE


def _has_one_length(step: Any) -> bool:
    code, value = step
    if code in _SINGLE:
        return True
    if code is codes.AT:
        return value in _BORDERS
    if code in _REPEATS:
        low, high, body = value
        return low == high <= _MOST and len(body) == 1 and body[0][0] in _SINGLE
    return code is codes.SUBPATTERN and all(map(_has_one_length, value[-1]))


def _may_vary(step: Any, spare: int) -> bool:
    code, value = step
    if code in _REPEATS:
        low, _, body = value
        return _is_quick(body, spare) and (low <= 1 or (low <= _MOST and all(map(_has_one_length, body))))
    if code is codes.SUBPATTERN:
        return _is_quick(value[-1], spare)
    if code is codes.BRANCH:
        return all(_is_quick(branch, spare) for branch in value[1])
    return False  # it looks around, refers back, or is new to this list

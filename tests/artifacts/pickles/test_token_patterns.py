"""Which regular expressions take time in proportion to the text."""

import re
import time

import pytest

from mlapi.artifacts.pickles.fitted.token_patterns import is_quick

QUICK = [
    r"(?u)\b\w\w+\b",
    r"(?u)\b\w+\b",
    r"(?u)\b[a-zA-Z]{2,}\b",
    r"\b(\w+)\b",
    r"\w+",
    r"\S+",
    r"[^ ]+",
    r"[a-z]+(?:'[a-z]+)?",
    r"[A-Z]?[a-z]+",
    r"\w+|\S",
    r"(?u)\b\w\w+\b|!|\?",
    r"#\w+",
    r"\d{4}",
    r"(?:a|ab)+",
    r"\w+(?:-?\w+)*",
    r"\w+[.]?[a-z]?[0-9]?-?",
    "(?:monday|tuesday|wednesday|thursday|friday)" + "|some_long_word_or_other" * 18,
    "",
]

SLOW = [
    r"(a|aa)+$",
    r"(?:a|a|aa)+$|\w+",
    r"(a*)*b",
    r"a*b",
    r"\d+\.\d+",
    r"(?:a+b)+",
    r"(?:a+){50}",
    r"(?:a{2,}){3}",
    r"(?:a?){30}a{30}",
    r"(?:(?:a?){30}a{30})?",
    r"a?a?a?a?b",
    r"\b[a-z]+[a-z]+\b",
    r"[a-z]{5000,}",
    r"(?=a)b",
    r"(a)\1",
    "a?a?a?(?i:a?a?a?(?i:a?a?a?(?i:b)))",
    "(?:(?i:a?a?b)|a?(?i:a?c))+",
    "(?:" + "a{99}" * 90 + "b){99,}",
    "[ab]" + "a{99}" * 90 + "b",
    "x?(?:" + "a{99}" * 90 + "b)?",
    "(?:a|" + "a{99}" * 9 + ")",
    "(" * 5000,
    "a" * 501,
]


@pytest.mark.parametrize("pattern", QUICK)
def test_usual_patterns_are_known_to_be_quick(pattern: str) -> None:
    assert is_quick(pattern)


@pytest.mark.parametrize("pattern", SLOW, ids=lambda pattern: pattern[:20])
def test_what_may_be_tried_in_many_ways_is_not(pattern: str) -> None:
    assert not is_quick(pattern)


@pytest.mark.parametrize("text", ["a", "a!", "ab", "a1", "aB", "a'", " ", "1"])
@pytest.mark.parametrize("pattern", QUICK)
def test_a_quick_pattern_takes_no_more_for_each_letter_of_a_long_text(pattern: str, text: str) -> None:
    """Sixteen times the text in the square of the time would be 256 times as long."""

    def seconds(length: int) -> float:
        start = time.process_time()
        re.findall(pattern, text * length + "!")
        return time.process_time() - start

    assert seconds(160_000) < 100 * max(min(seconds(10_000) for _ in range(3)), 0.001)

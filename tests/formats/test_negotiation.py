"""Which of several formats an Accept header prefers (RFC 9110, 12.5.1)."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.errors import NotAcceptable
from mlapi.formats import negotiation
from mlapi.formats.negotiation import Format, preferred
from mlapi.formats.strict_json import decode_json, encode_json

JSON, CSV = "application/json", "text/csv"

TWO = {JSON: Format(decode_json, encode_json), CSV: Format(decode_json, encode_json)}


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", JSON),
        ("application/json", JSON),
        ("text/csv", CSV),
        ("TEXT/CSV", CSV),
        ("text/*", CSV),
        ("application/*, text/*", JSON),
        ("text/csv, application/json", JSON),
        ("text/csv, */*", CSV),
        ("text/csv, application/*", CSV),
        ("text/*, */*", CSV),
        ("application/json;q=0.5, text/csv", CSV),
        ("application/json;q=0.5, text/csv;q=0.4", JSON),
        ("application/json;q=0.5, text/csv;q=0.5", JSON),
        ("application/json; Q=0.5 , text/csv ; q=1.000", CSV),
        ("text/csv;q=0.1, */*;q=0.9", JSON),
        ("text/html, application/xml;q=0.9, */*;q=0.8", JSON),
        ("application/json;q=0, */*", CSV),
        ("application/json;q=0, text/csv;q=0.001", CSV),
        ("text/*;q=0, */*;q=0.1", JSON),
        ("text/*;q=0.9, text/csv;q=0, application/*;q=0.1", JSON),
        ("text/*;q=0, text/csv", CSV),
        ("application/json;version=2;q=0.2, text/csv;q=0.1", JSON),
        ("application/json;q=9", JSON),
        ("application/json;q=high", JSON),
        ("application/json, application/json;q=0", JSON),
        (",, text/csv", CSV),
    ],
)
def test_the_highest_weight_wins_then_the_more_specific_range(accept: str, media_type: str) -> None:
    assert preferred(accept, TWO) == media_type


@pytest.mark.parametrize(
    "accept",
    ["text/html", "text/csv;q=0, application/json;q=0.0", "*/*;q=0", ",", "json", "text"],
)
def test_a_weight_of_zero_refuses_and_so_does_silence(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        preferred(accept, TWO)

    assert caught.value.headers == {"Accept": "application/json, text/csv"}


def test_a_more_specific_refusal_holds_against_a_general_wish() -> None:
    with pytest.raises(NotAcceptable):
        negotiation.encoder("application/json;q=0, */*")


@given(st.text("aj/*;q=01., \x00ä", max_size=40))
def test_any_header_has_an_answer(accept: str) -> None:
    with suppress(NotAcceptable):
        assert preferred(accept, TWO) in TWO

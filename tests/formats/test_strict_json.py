import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.errors import InvalidInput, MalformedBody, NotAcceptable, UnsupportedFormat
from mlapi.formats import negotiation, strict_json

BODY = b' {"features": [1, 2.5]}'


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "application/json; charset=utf-8",
        "APPLICATION/JSON",
        "application/vnd.api+json",
        "application/x-www-form-urlencoded",
        "text/plain",
        "application/x-unknown",
    ],
)
def test_what_starts_as_json_is_json_unless_another_supported_format_is_named(
    content_type: str | None,
) -> None:
    assert negotiation.decode(content_type, BODY) == {"features": [1, 2.5]}


@pytest.mark.parametrize(
    "content_type", ["application/x-unknown", "application/x-www-form-urlencoded", "image/png"]
)
def test_other_formats_are_415_and_say_what_is_read(content_type: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        negotiation.decode(content_type, b"a,b\n1,2")

    assert caught.value.headers == {"Accept": "application/json"}


@pytest.mark.parametrize("body", [b"NaN", b"Infinity", b" -Infinity\n"])
def test_what_is_no_number_is_broken_json_whatever_the_header_says(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        negotiation.decode("application/x-www-form-urlencoded", body)


@pytest.mark.parametrize("body", [b"3", b"null", b'"word"', b" true "])
def test_short_json_of_any_sort_is_json_whatever_the_header_says(body: bytes) -> None:
    assert negotiation.decode("text/plain", body) == json.loads(body)


def test_an_empty_body_cannot_be_read_whatever_the_header_says() -> None:
    with pytest.raises(MalformedBody, match="empty"):
        negotiation.decode("application/x-www-form-urlencoded", b"")


def test_a_refusal_does_not_repeat_a_name_of_megabytes() -> None:
    name = "x" * 1_000_000
    with pytest.raises(InvalidInput) as caught:
        strict_json.decode_json(f'{{"{name}": [{",".join(["1e999"] * 50)}]}}'.encode())

    assert len(str(caught.value)) < 1000
    assert all(len(finding.pointer) < 600 for finding in caught.value.findings)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"  \n",
        b"hello",
        b"{",
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": -Infinity}',
        b'{"a": 01}',
        b'{"a": 1}}',
        b"\xff\xfe",
        b'{"a": "\\ud800"}',
        b'{"a": "\\ud800", "b": NaN}',
        b"[" * 10_000,
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
    ],
)
def test_what_is_not_json_cannot_be_read(body: bytes) -> None:
    with pytest.raises(MalformedBody):
        negotiation.decode("application/json", body)


@pytest.mark.parametrize("number", [b"1e999", b"-1e999", b"9" * 400, b"1" + b"0" * 5000])
def test_a_number_beyond_float64_is_told_from_what_is_not_json(number: bytes) -> None:
    with pytest.raises(InvalidInput) as caught:
        strict_json.decode_json(b'{"instances": [[1], [' + number + b"]]}")

    assert [finding.pointer for finding in caught.value.findings] == ["/instances/1/0"]


def test_a_deep_body_with_a_huge_number_is_answered() -> None:
    depth = 900
    with pytest.raises((InvalidInput, MalformedBody)):
        strict_json.decode_json(b"[" * depth + b"1e999" + b"]" * depth)


def test_a_lone_surrogate_beside_a_huge_number_can_be_told() -> None:
    with pytest.raises(InvalidInput) as caught:
        strict_json.decode_json(b'{"\\ud800": 1e999}')

    strict_json.encode_json([finding.pointer for finding in caught.value.findings])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        (b'{"a": 1, "a": 2}', "/a"),
        (b'{"instances": [{"x": 1}, {"x": 1, "y": 2, "x": 3}]}', "/instances/1/x"),
        (b'{"features": {"x": 1, "x": 1}}', "/features/x"),
        (b'{"features": [1], "features": [2]}', "/features"),
        (b'{"a": {"b": {"c": 1, "c": 1}}}', "/a/b/c"),
        (b'{"a/b~": ":", "a/b~": 1}', "/a~1b~0"),
    ],
)
def test_one_name_twice_is_noticed(body: bytes, pointer: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        strict_json.decode_json(body)

    assert [finding.pointer for finding in caught.value.findings] == [pointer]


def test_many_duplicates_are_counted_and_twenty_kept() -> None:
    rows = ",".join(['{"x":1,"x":2}'] * 1000)
    with pytest.raises(InvalidInput) as caught:
        strict_json.decode_json(f'{{"instances":[{rows}]}}'.encode())

    assert (len(caught.value.findings), caught.value.count) == (20, 1000)


def test_colons_in_strings_are_no_duplicates() -> None:
    body = {"a:b": "::", "rows": [{"t": "10:30"}]}

    assert strict_json.decode_json(json.dumps(body).encode()) == body


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
)


@given(values)
def test_any_json_without_duplicates_is_read_as_it_stands(value: Any) -> None:
    assert strict_json.decode_json(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    "accept", [None, "", "*/*", "application/*", "application/json", "text/html, */*;q=0.1"]
)
def test_json_is_answered_where_it_is_accepted(accept: str | None) -> None:
    assert negotiation.encoder(accept)[0] == "application/json"


@pytest.mark.parametrize(
    "accept", ["application/x-unknown", "application/xml", "application/json;q=0", "*/*; q=0.000", "nonsense"]
)
def test_other_wishes_are_406_and_say_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable) as caught:
        negotiation.encoder(accept)

    assert caught.value.headers == {"Accept": "application/json"}


@pytest.mark.parametrize("encoding", ["gzip", "br", "deflate", "GZIP"])
def test_compressed_bodies_are_refused(encoding: str) -> None:
    with pytest.raises(UnsupportedFormat) as caught:
        negotiation.check_encoding(encoding)

    assert caught.value.headers == {"Accept-Encoding": "identity"}


def test_objects_within_rows_are_counted_and_not_built_a_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    deep = b'{"instances": [{"a": {"b": ":\\"", "c": [{"d": 1}]}}, 1]}'
    twice = deep.replace(b'{"d": 1}', b'{"d": 1, "d": 2}')

    with pytest.raises(InvalidInput, match="/instances/0/a/c/0/d: the name stands twice"):
        negotiation.decode(None, twice)
    monkeypatch.setattr(strict_json, "_check_unique", lambda _: pytest.fail("built a second time"))

    assert negotiation.decode(None, deep) == json.loads(deep)
    assert negotiation.decode(None, b'{"a": "1:2\\\\", "b": {":": ":"}}') == {"a": "1:2\\", "b": {":": ":"}}

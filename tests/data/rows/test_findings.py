"""Places as JSON pointers: bounded, safe to encode, and the same from wherever they are counted."""

import orjson
import pytest

from mlapi.data.rows.violations import InvalidRows
from mlapi.jobs.pool.errors import document_of, error_of
from mlapi.schemas.errors import findings_in, invalid
from mlapi.wording import LONGEST_POINTER, Finding, pointer


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("instances", 3, "age"), "/instances/3/age"),
        (("a/b", "~"), "/a~1b/~0"),
        (("half a pair \ud800",), "/half a pair \\ud800"),
    ],
)
def test_a_place_is_a_pointer(place: tuple[str | int, ...], text: str) -> None:
    assert Finding(place, "").pointer == text


@pytest.mark.parametrize(
    "place",
    [
        ("x" * 10**6,),
        ("X", 1, "~" * 499),
        tuple("ab" * 10_000),
        ("x" * 400, "y" * 400, "z"),
        tuple(range(1000)),
        ("a" * 495, "b"),
        ("a" * 496, "b"),
        ("a" * 497, "b"),
        ("a" * 498, "b"),
    ],
)
def test_a_pointer_is_cut_as_the_whole_place_would_be(place: tuple[str | int, ...]) -> None:
    whole = pointer(("X", *place))
    expected = whole if len(whole) <= LONGEST_POINTER else whole[:LONGEST_POINTER] + "…"
    finding = Finding(place, "").below("X")

    sent = document_of(invalid([finding]))
    again = error_of(orjson.loads(orjson.dumps(sent)))

    assert finding.pointer == again.findings[0].pointer == expected
    assert len(orjson.dumps(sent)) < 10 * LONGEST_POINTER


def test_what_marshmallow_and_a_reader_say_is_one_list() -> None:
    many = InvalidRows((Finding((3, "age"), "too old"), Finding((4,), "no row")), 7)

    findings, hidden = findings_in(
        {"X": [many], "_schema": ["one form"], "scale": {"_schema": ["odd"], 0: ["even"]}}
    )

    assert [(finding.pointer, finding.detail) for finding in findings] == [
        ("/X/3/age", "too old"),
        ("/X/4", "no row"),
        ("", "one form"),
        ("/scale/_schema", "odd"),
        ("/scale/0", "even"),
    ]
    assert hidden == 5
    assert invalid(findings, hidden).count == 10


def test_a_finding_survives_the_way_out_of_a_child() -> None:
    error = invalid([Finding(("X", 3, "\ud800"), "odd")], 4)

    again = error_of(orjson.loads(orjson.dumps(document_of(error))))

    assert (again.findings[0].to_json(), again.count) == (error.findings[0].to_json(), error.count)

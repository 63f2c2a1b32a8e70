from dataclasses import replace

import pytest

from mlapi.data import signature as signatures
from mlapi.data.rows.reader import Reader
from mlapi.data.signature import Feature, Kind, Signature, Target, breaking_changes

SIGNATURE = Signature(
    (
        Feature("n", minimum=0, maximum=2.5),
        Feature("whole", "integer", nullable=True),
        Feature("flag", "boolean"),
        Feature("city", "category", categories=("Oslo", 3, True)),
        Feature("since", "datetime", False, "2021-03-04", "2021-03-05T06:07:08", format="%d.%m.%Y"),
        Feature("until", "datetime"),
        Feature("note", "text"),
    ),
    Target("y", "category", ("no", "yes")),
    ("y", "id"),
)


def test_what_is_written_is_read_back() -> None:
    again = signatures.from_json(signatures.to_json(SIGNATURE))

    assert again == SIGNATURE
    assert hash(again) == hash(SIGNATURE)


def test_fields_of_a_newer_writer_are_passed_over() -> None:
    document = signatures.to_json(SIGNATURE)
    document["features"][0]["colour"] = "red"

    assert signatures.from_json(document) == SIGNATURE


def test_what_clients_are_promised_is_always_there() -> None:
    for entry in signatures.to_json(SIGNATURE)["features"]:
        assert {"name", "kind", "nullable", "minimum", "maximum", "categories"} <= set(entry)


def test_equal_values_of_other_types_are_another_signature() -> None:
    def of(*categories: int) -> Signature:
        return replace(SIGNATURE, features=(Feature("c", "category", categories=categories),))

    assert of(0, 1) != of(False, True)
    assert of(0, 1) == of(0, 1)


def test_the_example_is_a_row_that_the_signature_accepts() -> None:
    found = Reader(SIGNATURE).read_row(signatures.example(SIGNATURE))

    assert found.warning_count == 0


@pytest.mark.parametrize(
    ("kind", "bound"),
    [
        ("datetime", 3.0),
        ("datetime", "yesterday"),
        ("datetime", "2021-01-01T00:00+01:00"),
        ("number", "2021-01-01"),
        ("integer", "3"),
    ],
)
@pytest.mark.parametrize("place", ["minimum", "maximum"])
def test_a_bound_is_of_the_kind_of_its_feature(kind: Kind, bound: float | str, place: str) -> None:
    document = signatures.to_json(SIGNATURE)
    document["features"][0] = {"name": "n", "kind": kind, place: bound}

    with pytest.raises(ValueError, match=r"bound|isoformat"):
        signatures.from_json(document)


@pytest.mark.parametrize("names", [(), ("a", "a")])
def test_there_is_a_feature_and_each_has_a_name_of_its_own(names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="each name once"):
        Signature(tuple(map(Feature, names)), Target("y", "number"))


NUMBER = Target("y", "number")


def signature(*features: Feature, target: Target = NUMBER) -> Signature:
    return Signature(features, target)


IMAGE = Feature("image", "image", minimum=0, maximum=255, width=6, height=6, channels=3)
NUMBERS = "the class numbers of /classify stand for others"


def of(*classes: str) -> Target:
    return Target("y", "category", classes)


X, NULLABLE = Feature("x"), Feature("x", nullable=True)


@pytest.mark.parametrize(
    ("old", "new", "change"),
    [
        (signature(X, Feature("z")), signature(X), "z is gone"),
        (signature(X), signature(X, Feature("z")), "z is new, and needed"),
        (signature(X), signature(Feature("x", "text")), "x is of kind text instead of number"),
        (
            signature(Feature("x", "integer", fractions=True)),
            signature(Feature("x", "integer")),
            "x takes no fractions any more",
        ),
        (signature(X), signature(Feature("x", "integer")), "x is of kind integer instead of number"),
        (signature(NULLABLE), signature(X), "x may not be blank any more"),
        (signature(X, Feature("z")), signature(Feature("z"), X), "another length or order"),
        (signature(X), signature(X, Feature("z", nullable=True)), "another length or order"),
        (signature(X), signature(X, target=Target("y", "category")), "the answer is of kind category"),
        (
            signature(Feature("c", "category", categories=("a", "b"))),
            signature(Feature("c", "category", categories=("a",))),
            "c no longer knows b",
        ),
        (signature(IMAGE), signature(replace(IMAGE, width=4, height=9)), "where its pixels are sent"),
        (signature(IMAGE), signature(replace(IMAGE, minimum=-1)), "where its pixels are sent"),
        (
            signature(IMAGE, target=of("cat", "dog")),
            signature(IMAGE, target=of("bat", "cat", "dog")),
            NUMBERS,
        ),
        (signature(IMAGE, target=of("cat", "dog")), signature(IMAGE, target=of("cat")), NUMBERS),
    ],
)
def test_what_would_break_a_caller_is_named(old: Signature, new: Signature, change: str) -> None:
    assert change in ", ".join(breaking_changes(old, new))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (signature(X), signature(NULLABLE)),
        (signature(Feature("x", "integer")), signature(X)),
        (signature(Feature("x", minimum=0, maximum=9)), signature(Feature("x", minimum=1, maximum=2))),
        (
            signature(Feature("c", "category", categories=("a",))),
            signature(Feature("c", "category", categories=("a", "b"))),
        ),
        (signature(IMAGE, target=of("cat")), signature(IMAGE, target=of("cat", "dog"))),
        (signature(X, target=of("cat", "dog")), signature(X, target=of("bat", "cat", "dog"))),
        (signature(IMAGE), signature(replace(IMAGE, mean=(0, 0, 0), std=(1, 1, 1)))),
    ],
)
def test_what_takes_all_that_it_took_breaks_nobody(old: Signature, new: Signature) -> None:
    assert breaking_changes(old, new) == []


def test_the_size_of_a_picture_is_bounded() -> None:
    image = Feature("image", "image", minimum=0, maximum=255, width=256, height=256, channels=4)

    assert image.size == 262_144
    with pytest.raises(ValueError, match="an image without a size"):
        replace(image, width=257)

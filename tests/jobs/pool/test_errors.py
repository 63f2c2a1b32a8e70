"""Errors on their way between processes: class, message and what a client gets arrive as they left."""

from typing import Any

import orjson
import pytest

import mlapi.server.app  # noqa: F401 - whoever defines an error is there
from mlapi.errors import (
    InvalidInput,
    MlapiError,
    ModelUnavailable,
    NotAcceptable,
    UnsupportedFormat,
)
from mlapi.jobs.pool.errors import LONGEST_DETAIL, class_of, document_of, error_of
from mlapi.jobs.pool.messages import Message
from mlapi.wording import Finding


def classes(above: type[MlapiError] = MlapiError) -> list[type[MlapiError]]:
    return [above, *(each for below in above.__subclasses__() for each in classes(below))]


WITH_A_SLUG = [each for each in classes() if "slug" in vars(each)]

MADE: dict[type[MlapiError], MlapiError] = {
    UnsupportedFormat: UnsupportedFormat("not XML", headers={"Accept": "application/json"}),
    NotAcceptable: NotAcceptable("text/ü" * 20, ["application/json", "image/png"]),
    InvalidInput: InvalidInput([Finding(("X", 0), "is no number"), Finding((), "too long")], 7),
    ModelUnavailable: ModelUnavailable("for now", is_temporary=True),
}


def sent(error: MlapiError) -> MlapiError:
    message = Message(orjson.loads(orjson.dumps(document_of(error))))
    return error_of(message.head)


@pytest.mark.parametrize("kind", WITH_A_SLUG, ids=lambda kind: kind.slug)
def test_every_error_with_a_slug_survives_the_way(kind: type[MlapiError]) -> None:
    error = MADE.get(kind) or kind("what is wrong")

    arrived: Any = sent(error)

    assert type(arrived) is kind
    assert str(arrived) == str(error)
    assert arrived.headers == error.headers
    assert vars(arrived) == vars(error)
    assert document_of(arrived) == document_of(error)


def test_no_two_errors_have_one_slug() -> None:
    slugs = [each.slug for each in WITH_A_SLUG]

    assert len(slugs) == len(set(slugs)) > 30
    assert all(class_of(each.slug) is each for each in WITH_A_SLUG)


def test_one_without_a_slug_arrives_as_a_defect() -> None:
    class Own(MlapiError):
        pass

    assert type(sent(Own("secret"))) is MlapiError
    assert class_of("of-a-newer-mlapi") is MlapiError


def test_a_message_has_an_end() -> None:
    assert len(str(sent(MlapiError("a" * 10_000)))) == LONGEST_DETAIL

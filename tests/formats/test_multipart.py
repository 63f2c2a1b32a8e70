"""multipart/form-data: what clients write, and what is refused."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import EnvironBuilder

from mlapi.errors import MalformedBody, TooLarge
from mlapi.formats.multipart import Part, parts

HEAD = b'Content-Disposition: form-data; name="image"; filename="a.png"\r\n'


def body(*pieces: bytes, boundary: bytes = b"x") -> bytes:
    return (
        b"".join(b"--" + boundary + b"\r\n" + piece + b"\r\n" for piece in pieces)
        + b"--"
        + boundary
        + b"--\r\n"
    )


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_what_a_client_writes_is_read_as_it_was(contents: list[bytes]) -> None:
    files = {"image": [(io.BytesIO(content), "a.png") for content in contents]}
    environ = EnvironBuilder(method="POST", data=files).get_environ()

    found = parts(environ["CONTENT_TYPE"], environ["wsgi.input"].read(), 10)

    assert found == [Part("image", content, "a.png") for content in contents]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (HEAD, ("image", "a.png")),
        (
            b'Content-Type: image/png\r\ncontent-disposition:form-data;NAME=image;filename=""\r\n',
            ("image", ""),
        ),
        (
            b'Content-Disposition: form-data; filename="; name=\\"evil\\"; x=\\""; name="image"\r\n',
            ("image", '; name="evil"; x="'),
        ),
        (b"Content-Disposition: form-data; name=image\r\n", ("image", None)),
        (b'Content-Disposition: form-data; name="\xc3\xa9"\r\n', ("é", None)),
        (b"Content-Disposition: form-data; name=image; filename*=UTF-8''a%20b.png\r\n", ("image", "a b.png")),
        (b"Content-Disposition: form-data\r\n", ("", None)),
    ],
)
def test_names_are_read_from_all_forms_of_the_header(head: bytes, expected: tuple[str, bool]) -> None:
    (found,) = parts("multipart/form-data; boundary=x", body(head + b"\r\n\r\n1\r\n"), 1)

    assert (found.name, found.file_name) == expected
    assert found.content == b"\r\n1\r\n"


@pytest.mark.parametrize("header", ['boundary="a b"', 'charset=utf-8; Boundary="a b"'])
def test_a_boundary_may_stand_in_quotes(header: str) -> None:
    given = b"preamble\r\n" + body(HEAD + b"\r\n1", boundary=b"a b") + b"epilogue"

    assert parts(f"multipart/form-data; {header}", given, 1) == [Part("image", b"1", "a.png")]


@pytest.mark.parametrize(
    ("content_type", "given"),
    [
        ("multipart/form-data", body(HEAD + b"\r\n1")),
        ("multipart/form-data; boundary=", body(HEAD + b"\r\n1")),
        ("multipart/form-data; boundary=y", body(HEAD + b"\r\n1")),
        ("multipart/form-data; boundary=y", body(HEAD + b"\r\n" + bytes(200_000))),
        ("multipart/form-data; boundary=x", b"\r\n--x" * 1_000_000),
        ("multipart/form-data; boundary=x", b""),
        ("multipart/form-data; boundary=x", body(HEAD + b"\r\n1")[:-6]),
        ("multipart/form-data; boundary=x", body(b"Content-Type: image/png\r\n\r\n1")),
        ("multipart/form-data; boundary=x", body(b"\r\n1")),
        ("multipart/form-data; boundary=\u20ac", body(HEAD + b"\r\n1")),
    ],
)
def test_what_is_no_form_is_refused(content_type: str, given: bytes) -> None:
    with pytest.raises(MalformedBody, match="multipart/form-data"):
        parts(content_type, given, 1)


def test_the_number_of_parts_is_bounded() -> None:
    given = body(*[HEAD + b"\r\n1"] * 4)

    assert len(parts("multipart/form-data; boundary=x", given, 4)) == 4
    with pytest.raises(TooLarge, match="more than 3 parts"):
        parts("multipart/form-data; boundary=x", given, 3)


def test_what_follows_the_last_boundary_counts_for_nothing() -> None:
    given = body(HEAD + b"\r\n1") + bytes(300_000)

    assert parts("multipart/form-data; boundary=x", given, 1) == [Part("image", b"1", "a.png")]


@given(st.binary(max_size=300), st.text(max_size=20))
def test_garbage_is_read_or_refused(garbage: bytes, boundary: str) -> None:
    for content in (garbage, b"--x\r\n" + garbage + b"\r\n--x--"):
        for header in (boundary, "x"):
            try:
                found = parts(f"multipart/form-data; boundary={header}", content, 3)
            except (MalformedBody, TooLarge):
                continue
            assert len(found) <= 3
            assert all(part.content in content for part in found)

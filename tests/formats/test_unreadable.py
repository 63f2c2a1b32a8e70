"""What a body is that cannot be read: one sentence, with the way out."""

import base64
import bz2
import gzip
import io
import json
import lzma
import pickle
import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.errors import InvalidInput, MalformedBody, UnsupportedFormat
from mlapi.formats import images, negotiation
from tests.support.cost import cost

JSON, FORM = "application/json", "application/x-www-form-urlencoded"
BODY = b'{"area":80.5,"rooms":3,"Ort":"Malm\xc3\xb6"}'
ROWS = {"area": 80.5, "rooms": None, "new": True}


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros((2, 2)))
    return file.getvalue()


BINARY = {
    "gzip": (gzip.compress(BODY), "compressed (it begins as gzip does): send it uncompressed"),
    "deflate": (zlib.compress(BODY), "compressed (it begins as deflate does): send it uncompressed"),
    "zstd": (b"\x28\xb5\x2f\xfd\x20\x02", "compressed (it begins as zstd does): send it uncompressed"),
    "bzip2": (bz2.compress(BODY), "compressed (it begins as bzip2 does): send it uncompressed"),
    "xz": (lzma.compress(BODY), "compressed (it begins as xz does): send it uncompressed"),
    "utf-16": (BODY.decode().encode("utf-16"), "UTF-16: send UTF-8"),
    "utf-16, big end first": (b"\xfe\xff" + BODY.decode().encode("utf-16-be"), "UTF-16: send UTF-8"),
    "utf-16, no mark": (BODY.decode().encode("utf-16-le"), "UTF-16: send UTF-8"),
    "utf-16, big end, no mark": (BODY.decode().encode("utf-16-be"), "UTF-16: send UTF-8"),
    "utf-32": (BODY.decode().encode("utf-32"), "UTF-32: send UTF-8"),
    "numpy": (npy(), "an array of numpy's: send JSON, in Python array.tolist()"),
    "pickle": (pickle.dumps(ROWS), "a pickle, and none of a client is ever read: send JSON"),
    "Parquet": (b"PAR1\x15\4", "a Parquet file: send JSON"),
    "Excel": (b"PK\3\4\x14\0", "a ZIP archive or an Excel workbook: send JSON"),
    "picture": (b"\x89PNG\r\n\x1a\n\0", "a file of the kind PNG: send JSON"),
}
TEXTS = {
    "file name": (b"file.json", "the name of a file: for what is in the file curl needs an @"),
    "path": (b"./data/my-rows_2.csv\n", "the name of a file: for what is in the file curl needs an @"),
    "name with @": (b"@rows.json", "the name of a file: for what is in the file curl needs an @"),
    "form": (b"area=80.5&rooms=3", "a form: send JSON; in Python requests.post(url, json=…) and not data=…"),
    "URL": (b"%7B%22area%22%3A80.5%7D", "JSON as URLs have it: send it as it is, with curl -d"),
    "base64": (base64.b64encode(BODY), "JSON in base64: send it as it is"),
    "rows in base64": (base64.b64encode(b"[[80.5, 3]]"), "JSON in base64: send it as it is"),
    "XML": (b"<?xml version='1.0'?><row/>", "XML or HTML: send JSON"),
    "CSV": (b"area;rooms\r\n80,5;3\r\n", "CSV, it seems: send JSON, a row for each line"),
    "parts": (b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', "a form with parts: send JSON"),
}


def refusal(content_type: str, body: bytes) -> str:
    with pytest.raises((MalformedBody, UnsupportedFormat)) as caught:
        negotiation.decode(content_type, body)
    return str(caught.value)


@pytest.mark.parametrize("content_type", [JSON, FORM])
@pytest.mark.parametrize("kind", BINARY | TEXTS)
def test_a_body_of_another_kind_is_called_what_it_is(kind: str, content_type: str) -> None:
    body, what = (BINARY | TEXTS)[kind]

    assert f"the body is {what}" in refusal(content_type, body)


@pytest.mark.parametrize("content_type", [None, "", JSON, FORM, "text/plain"])
@pytest.mark.parametrize("body", [BODY, b"\n" + BODY, b'{"X": [' + b"[1.5, 2]," * 400 + b"[1, 2]]}"])
def test_a_byte_order_mark_is_passed_over(content_type: str | None, body: bytes) -> None:
    assert negotiation.decode(content_type, b"\xef\xbb\xbf" + body) == json.loads(body)


@pytest.mark.parametrize("body", [b"\xef\xbb\xbf", b"\xef\xbb\xbf \n"])
def test_a_byte_order_mark_alone_is_an_empty_body(body: bytes) -> None:
    assert refusal(JSON, body) == "the body is empty; expected JSON"


def test_only_one_byte_order_mark_is_passed_over() -> None:
    assert refusal(JSON, b"\xef\xbb\xbf" * 100_000 + BODY).startswith("not JSON")


@pytest.mark.parametrize("content_type", [JSON, f"{JSON}; charset=iso-8859-1", FORM])
def test_bytes_that_are_not_utf_8_are_told_with_their_place(content_type: str) -> None:
    body = BODY.decode().encode("latin-1")

    told = refusal(content_type, body)

    assert told == f"the body is not UTF-8 (byte 0xF6 at {body.index(0xF6)}): send UTF-8"


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (b'{"area":NaN}', "NaN is not JSON, at line 1 column 9: send null for a blank"),
        (b'{"a":1,\n "b":-Infinity}', "-Infinity is not JSON, at line 2 column 7: send null for a blank"),
        (b'{"a": nan}', "nan is not JSON, at line 1 column 7: send null for a blank"),
        (b'{"a": undefined}', "undefined is not JSON, at line 1 column 7: send null for a blank"),
        (b'{"a": None}', "None is not JSON, at line 1 column 7: in Python json.dumps writes JSON"),
        (b'{"a": True}', "True is not JSON, at line 1 column 7: in Python json.dumps writes JSON"),
        (str(ROWS).encode(), '\' is not JSON, at line 1 column 2: names and words stand in "double quotes"'),
        (b"""'{"a": 1}'""", "' is not JSON, at line 1 column 1: names and words"),
        ("{“a”: 1}".encode(), "“ is not JSON, at line 1 column 2: names and words"),
        (b'{"a": 1} // one', "// is not JSON, at line 1 column 10: leave comments out"),
        (b'{"X": array([[1., 2.]])}', "array( is not JSON, at line 1 column 7: in Python array.tolist()"),
        (b'{"X": [np.float64(1.5)]}', "np.float64( is not JSON, at line 1 column 8: in Python"),
        (b"{area: 1}", "a name without quotes at line 1 column 2; where a shell takes them away"),
        (b'{"a": 1}\n{"a": 2}\n', "a second document begins at line 2 column 1; send all rows in one"),
        (b'{"a": 1,}', "trailing comma is not allowed at line 1 column 8"),
        (b'{"a": 1', "unexpected end of data at line 1 column 8"),
        (b"hello", "not JSON: unexpected character"),
    ],
)
def test_what_other_languages_write_is_told_with_the_way_out(body: bytes, sentence: str) -> None:
    assert sentence in refusal(JSON, body)


@pytest.mark.parametrize("body", [b"cat.png", b"./my_cats/../cat.JPG\n", b"@rows.json"])
def test_the_name_of_a_picture_is_told_from_a_picture(body: bytes) -> None:
    with pytest.raises(
        UnsupportedFormat, match=r"the name of a file: send the file, curl -F image=@picture\.png"
    ):
        images.decode(FORM, body, 10)


@given(st.binary(max_size=60) | st.text("'\"{}[]:,-#/ \nNaItn1.=<>@\ufeff", max_size=40).map(str.encode))
def test_any_body_is_read_or_refused_in_one_line(body: bytes) -> None:
    for content_type in (JSON, FORM):
        sentence = ""
        try:
            negotiation.decode(content_type, body)
        except (MalformedBody, UnsupportedFormat, InvalidInput) as error:
            sentence = str(error)
        assert len(sentence.splitlines()) <= 1


@pytest.mark.parametrize("piece", [b"a,", b"a=", b"a.json", b"-", b"\xef\xbb\xbf", b" ", b"<"])
def test_a_large_body_of_another_kind_is_refused_quickly(piece: bytes) -> None:
    body = piece * (2_000_000 // len(piece)) + b"x"

    assert cost(lambda: refusal(FORM, body)) < 3

"""Bodies of rows of numbers: read as the strict reader reads them, or left to it."""

import json
import sys
import threading

import numpy as np
import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlapi.errors import MlapiError
from mlapi.formats import json_matrix, strict_json

if json_matrix.simdjson is None:
    pytest.skip("needs pysimdjson, which has no wheel here", allow_module_level=True)


@pytest.fixture(autouse=True)
def _short_bodies_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_matrix, "_LEAST_BYTES", 0)


@pytest.mark.parametrize("form", ["instances", "X"])
@pytest.mark.parametrize("space", ["", " ", "\n\t "])
def test_rows_of_numbers_become_one_matrix(form: str, space: str) -> None:
    body = f'{space}{{{space}"{form}"{space}:{space}[{space}[1, -2.5e3],{space}[0, 1e-300]]{space}}}{space}'

    found = json_matrix.read(body.encode())

    assert found is not None
    name, matrix = found
    assert name == form
    assert (matrix.dtype, matrix.flags.c_contiguous) == (np.float64, True)
    np.testing.assert_array_equal(matrix, [[1.0, -2500.0], [0.0, 1e-300]])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[[1]]",
        b'{"features": [1, 2]}',
        b'{"instances": []}',
        b'{"instances": [[]]}',
        b'{"instances": [1, 2]}',
        b'{"instances": [[1], [1, 2]]}',
        b'{"instances": [[1, 2], [3]]}',
        b'{"instances": [[1, []], [2, 3]]}',
        b'{"instances": [[1, [2, 3], []]]}',
        b'{"instances": [[[1, 2]]]}',
        b'{"instances": [[1, [2]], [3, [4]]]}',
        b'{"instances": [[1, null]]}',
        b'{"instances": [[1, true]]}',
        b'{"instances": [[1, "2"]]}',
        b'{"instances": [[1, {}]]}',
        b'{"instances": [[1]], "instances": [[2]]}',
        b'{"instances": [[1]], "X": 3}',
        b'{"instances": [[1]]} x',
        b'{"instances": [[1]',
        b'{"instances": [[NaN]]}',
        b'{"instances": [[1e999]]}',
        b'{"instances": [[01]]}',
        b'{"instances": [[1_0]]}',
        b'{"instances": [[' + b"9" * 400 + b"]]}",
        b'{"instances": [[1]], \xff: 1}',
        b'\xef\xbb\xbf{"instances": [[1]]}',
        '{"instances": [["é"]]}'.encode(),
    ],
)
def test_anything_else_is_left_to_the_strict_reader(body: bytes) -> None:
    assert json_matrix.read(body) is None


numbers = st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
tables = st.integers(1, 5).flatmap(
    lambda width: st.lists(st.lists(numbers, min_size=width, max_size=width), min_size=1, max_size=5)
)


@given(tables, st.sampled_from(["instances", "X"]))
def test_every_number_is_what_the_strict_reader_makes_of_it(rows: list[list[float]], form: str) -> None:
    body = orjson.dumps({form: rows})

    found = json_matrix.read(body)

    assert found is not None
    np.testing.assert_array_equal(found[1], np.array(orjson.loads(body)[form], dtype=np.float64))


anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=12,
)


@given(anything, st.integers(0, 60), st.binary(max_size=2))
def test_no_body_is_read_that_the_strict_reader_refuses(value: object, cut: int, noise: bytes) -> None:
    whole = json.dumps({"instances": [value, value]}).encode()
    body = whole[:cut] + noise + whole[cut:]

    found = json_matrix.read(body)

    if found is not None:
        try:
            plain = strict_json.decode_plain_json(body)
        except MlapiError as error:
            pytest.fail(f"{body!r} was read, and is refused: {error}")
        np.testing.assert_array_equal(found[1], np.array(plain[found[0]], dtype=np.float64))


def test_threads_do_not_share_a_parser() -> None:
    """A short switch interval makes a shared parser fail at once."""
    bodies = [orjson.dumps({"X": [[float(number)] * 50] * 200}) for number in range(4)]
    wrong: list[int] = []

    def read(number: int) -> None:
        for _ in range(50):
            found = json_matrix.read(bodies[number])
            if found is None or not (found[1] == number).all():
                wrong.append(number)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)

    assert wrong == []


def test_a_parser_that_grew_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_matrix, "_REUSED_BYTES", 100)
    monkeypatch.setattr(json_matrix, "_idle", [])
    json_matrix.read(b'{"X": [[1]]}')
    assert len(json_matrix._idle) == 1

    json_matrix.read(orjson.dumps({"X": [[1.5] * 100]}))

    assert json_matrix._idle == []


def test_short_bodies_are_left_to_the_strict_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_matrix, "_LEAST_BYTES", 50)

    found = [json_matrix.read(b'{"X": [[1]' + b" " * spaces + b"]}") for spaces in (0, 50)]

    assert found[0] is None
    assert found[1] is not None

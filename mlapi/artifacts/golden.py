"""Golden rows: some rows of a version's own data, with the answers that training got from its estimator.

They lie beside the estimator as golden.json, the rows as a client sends them. Whoever loads the version
answers them again, by the path that will serve. So an upgraded library, another processor or a damaged file
is noticed here, and not by a client.
"""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import orjson
from numpy.typing import NDArray

from mlapi.data.images.reader import reader_of
from mlapi.data.rows.violations import InvalidRows
from mlapi.data.signature import Signature
from mlapi.errors import BrokenArtifact, MlapiError
from mlapi.wording import reason

PREDICTION = "prediction"
"""The output that every version has."""

TOLERANCE = 1e-9
"""The relative error that any version may have: scikit-learn's own answers differ in the last bits with the
number of rows and the processor."""

LOOSEST = 1e-3
"""The largest tolerance that `tolerance` gives. With a larger one a damaged estimator would pass too; one
that is off by more has to be looked at by somebody."""

_ALONE = 16
"""How many golden rows, at most, are answered one by one."""

_MARGIN = 30
"""How many times the error of a row that is answered alone a version may be off. Answers on another processor
were off by at most four times that error in what was tried; the rest is a reserve."""

SMALL = 1e-3
"""Errors are relative to the expected number, or to this share of the output's largest number if that is
more: a decision value near zero is the difference of large numbers, and has no more digits than they have."""


class AnsweringModel(Protocol):
    """A loaded model, as far as its golden rows are concerned."""

    def answers(self, batch: Any, outputs: Any) -> Mapping[str, NDArray[Any]]:
        """Return the outputs of a batch by name, each (rows,) or (rows, classes).

        Raises:
            MlapiError: The model has no answer to these rows.
        """


@dataclass(frozen=True, slots=True)
class Golden:
    """Some rows, and the answers that training got for them."""

    rows: list[list[Any]]
    """The rows as a client sends them: lists of cells, in the order of the signature's features."""
    outputs: Mapping[str, Any]
    """The answers by the name of the output, each a list with an entry for each row: a number, a label, or a
    list of numbers."""
    least: float = TOLERANCE
    """The smallest tolerance; more for an estimator that computes in float32. It is not stored."""


def to_bytes(golden: Golden) -> bytes:
    """Return the content of golden.json."""
    return orjson.dumps({"rows": golden.rows, "outputs": golden.outputs}) + b"\n"


def from_bytes(content: bytes) -> Golden:
    """Read what `to_bytes` wrote.

    Raises:
        BrokenArtifact: It is something else, or has no rows.
    """
    try:
        document = orjson.loads(content)
        golden = Golden(document["rows"], document["outputs"])
        if not golden.rows or not golden.outputs[PREDICTION]:
            raise ValueError("no rows")
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenArtifact(f"the golden rows cannot be read: {reason(error)}") from error
    return golden


def check(model: AnsweringModel, signature: Signature, golden: Golden, tolerance: float) -> None:
    """Answer all golden rows at once, and compare.

    Args:
        tolerance: The largest relative error that passes (`distance`).

    Raises:
        BrokenArtifact: They are refused, or an answer differs by more; the message says by how much.
    """
    try:
        answers = model.answers(reader_of(signature).read_rows(golden.rows).batch, list(golden.outputs))
    except (MlapiError, InvalidRows) as error:
        raise BrokenArtifact(f"its golden rows cannot be answered: {error}") from error
    for name, expected in golden.outputs.items():
        _compare(name, *distance(answers[name], expected), tolerance)


def check_alone(model: AnsweringModel, signature: Signature, golden: Golden, tolerance: float) -> None:
    """Answer up to 16 golden rows one by one, and compare: a model may have a path of its own for a single
    row.

    Raises:
        BrokenArtifact: As `check`. A row that no reader takes alone is passed over.
    """
    reader = reader_of(signature)
    expected = golden.outputs[PREDICTION]
    size = SMALL * _largest(expected)
    for row in range(min(len(golden.rows), _ALONE)):
        accepted = reader.try_without_arrays(golden.rows[row])
        if accepted is not None:
            try:
                answer = model.answers(accepted, [PREDICTION])[PREDICTION]
            except MlapiError as error:
                raise BrokenArtifact(f"its golden row {row} cannot be answered alone: {error}") from error
            off, _ = distance(answer, [expected[row]], least=size)
            _compare(PREDICTION, off, row, tolerance)


def _compare(name: str, off: float, row: int, tolerance: float) -> None:
    if not off <= tolerance:  # also where it is NaN
        far = f"off by {off:.1e} of its size" if np.isfinite(off) else "another one"
        raise BrokenArtifact(
            f"it does not reproduce its golden rows: the {name} of row {row} is {far}, "
            f"and may be {tolerance:.0e}"
        )


def tolerance(model: AnsweringModel, signature: Signature, golden: Golden) -> float:
    """Return how large a relative error this version may have: more than `TOLERANCE` if it has fewer digits.

    It is measured: a row that is answered alone takes the same sums in another order than among others, as it
    does on another processor. Of a Gaussian process that can change the fifth digit. The result is `_MARGIN`
    times the largest error of up to 16 rows, at least `golden.least` and at most `LOOSEST`.
    """
    largest = golden.least
    sizes = {name: _largest(expected) for name, expected in golden.outputs.items()}
    for row in sorted({len(golden.rows) * place // _ALONE for place in range(_ALONE)}):
        with suppress(MlapiError):  # a model that takes no row alone says nothing here
            answers = model.answers(
                reader_of(signature).read_rows([golden.rows[row]]).batch, list(golden.outputs)
            )
            for name, expected in golden.outputs.items():
                off, _ = distance(answers[name], [expected[row]], least=SMALL * sizes[name])
                largest = max(largest, _MARGIN * off) if np.isfinite(off) else largest
    return min(largest, LOOSEST)


def _largest(expected: Any) -> float:
    """Return the largest number of an output, without its sign; 0 for labels."""
    values = np.array(expected)
    return float(np.abs(values).max()) if values.dtype.kind == "f" else 0.0


def distance(actual: NDArray[Any], expected: Any, *, least: float = 0.0) -> tuple[float, int]:
    """Return the largest relative error of an output, and the row that has it.

    The error of a number is |actual - expected| / max(|expected|, `SMALL` * max|expected| of all rows,
    least). It is infinite for a label that differs, and for another shape.

    Args:
        actual: (rows,) or (rows, classes); float64, or labels of any dtype.
        expected: The same as lists.
        least: The least that a difference is divided by.
    """
    are_numbers = actual.dtype.kind == "f"
    try:
        wanted = np.array(expected, dtype=np.float64 if are_numbers else object)
    except (ValueError, TypeError):  # labels where numbers are expected, or rows of unequal length
        return np.inf, 0
    if actual.shape != wanted.shape:
        return np.inf, 0
    errors = (
        _relative_errors(actual, wanted, least)
        if are_numbers
        else np.where(actual.astype(object) == wanted, 0.0, np.inf)
    )
    by_row = errors.reshape(len(errors), -1).max(axis=1)
    row = int(by_row.argmax())
    return float(by_row[row]), row


def _relative_errors(
    actual: NDArray[np.float64], wanted: NDArray[np.float64], least: float
) -> NDArray[np.float64]:
    size = np.maximum(np.abs(wanted), max(SMALL * np.abs(wanted).max(initial=0.0), least))
    difference = np.abs(actual - wanted)
    errors: NDArray[np.float64] = np.where(difference == 0, 0.0, np.inf)
    np.divide(difference, size, out=errors, where=size > 0)
    return errors

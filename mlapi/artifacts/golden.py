"""Golden rows: some rows of a version's own data, with the answers that training got from its estimator.

They are kept beside the estimator as golden.json, the rows as a client sends them. Whoever loads the version
answers them again, through the path that will serve: a library that was upgraded, another processor or a
damaged file shows itself here, and not to a client.
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

TOLERANCE = 1e-9
"""scikit-learn's own answers differ in the last bits with the number of rows and the processor."""

LOOSEST = 1e-3
"""An estimator whose digits are all noise is better told from a damaged one by hand."""

_ALONE = 16
"""So many golden rows are asked for one by one."""

_MARGIN = 30
"""Another processor is off by more than that; by four times at most in what was tried."""

SMALL = 1e-3
"""What is smaller than this share of an output's largest number is measured against that share instead:
a decision value near zero is the difference of large numbers, and has no more digits than they."""


class AnsweringModel(Protocol):
    """A loaded model, as far as its golden rows are concerned."""

    def answers(self, batch: Any, outputs: Any) -> Mapping[str, NDArray[Any]]: ...


@dataclass(frozen=True, slots=True)
class Golden:
    """`rows` as a client sends them, lists in signature order; `outputs` by name, an entry a row."""

    rows: list[list[Any]]
    outputs: Mapping[str, Any]
    least: float = TOLERANCE
    """What `tolerance` gives at least: of an estimator that computes in float32 more."""


def to_bytes(golden: Golden) -> bytes:
    return orjson.dumps({"rows": golden.rows, "outputs": golden.outputs}) + b"\n"


def from_bytes(content: bytes) -> Golden:
    """
    Raises:
        BrokenArtifact: It is not what `to_bytes` wrote.
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
    """Answer the golden rows and compare.

    Raises:
        BrokenArtifact: They are refused, or an answer differs; the message says how far.
    """
    try:
        answers = model.answers(reader_of(signature).read_rows(golden.rows).batch, list(golden.outputs))
    except (MlapiError, InvalidRows) as error:
        raise BrokenArtifact(f"its golden rows cannot be answered: {error}") from error
    for name, expected in golden.outputs.items():
        _compare(name, *distance(answers[name], expected), tolerance)


def check_alone(model: AnsweringModel, signature: Signature, golden: Golden, tolerance: float) -> None:
    """`check` of some rows one by one, for a model that has a path of its own for a single row.

    Raises:
        BrokenArtifact: As `check`.
    """
    reader = reader_of(signature)
    expected = golden.outputs[PREDICTION]
    size = SMALL * _largest(expected)
    for row in range(min(len(golden.rows), _ALONE)):
        usual = reader.try_usual_row(golden.rows[row])
        if usual is not None:
            try:
                answer = model.answers(usual, [PREDICTION])[PREDICTION]
            except MlapiError as error:
                raise BrokenArtifact(f"its golden row {row} cannot be answered alone: {error}") from error
            off, _ = distance(answer, [expected[row]], least=size)
            _compare(PREDICTION, off, row, tolerance)


def _compare(name: str, off: float, row: int, tolerance: float) -> None:
    if not off <= tolerance:
        far = f"off by {off:.1e} of its size" if np.isfinite(off) else "another one"
        raise BrokenArtifact(
            f"it does not reproduce its golden rows: the {name} of row {row} is {far}, "
            f"and may be {tolerance:.0e}"
        )


def tolerance(model: AnsweringModel, signature: Signature, golden: Golden) -> float:
    """How far off this version may be: more than `TOLERANCE` where it has fewer digits to give.

    Alone a row takes another order of the same sums, as it does on another processor. What that changes is
    not known better by anybody: of a Gaussian process it can be the fifth digit.
    """
    far = golden.least
    sizes = {name: _largest(expected) for name, expected in golden.outputs.items()}
    for row in sorted({len(golden.rows) * place // _ALONE for place in range(_ALONE)}):
        with suppress(MlapiError):  # one that takes no row alone tells nothing
            answers = model.answers(
                reader_of(signature).read_rows([golden.rows[row]]).batch, list(golden.outputs)
            )
            for name, expected in golden.outputs.items():
                off, _ = distance(answers[name], [expected[row]], least=SMALL * sizes[name])
                far = max(far, _MARGIN * off) if np.isfinite(off) else far
    return min(far, LOOSEST)


def _largest(expected: Any) -> float:
    values = np.array(expected)
    return float(np.abs(values).max()) if values.dtype.kind == "f" else 0.0


def distance(actual: NDArray[Any], expected: Any, *, least: float = 0.0) -> tuple[float, int]:
    """How far the farthest answer is from the expected one, relative to that one, and its row.

    Infinite for a label that differs, and for another shape.
    """
    are_numbers = actual.dtype.kind == "f"
    try:
        wanted = np.array(expected, dtype=np.float64 if are_numbers else object)
    except (ValueError, TypeError):  # words, or rows of unequal length
        return np.inf, 0
    if actual.shape != wanted.shape:
        return np.inf, 0
    far = (
        _relative(actual, wanted, least)
        if are_numbers
        else np.where(actual.astype(object) == wanted, 0.0, np.inf)
    )
    by_row = far.reshape(len(far), -1).max(axis=1)
    row = int(by_row.argmax())
    return float(by_row[row]), row


def _relative(actual: NDArray[np.float64], wanted: NDArray[np.float64], least: float) -> NDArray[np.float64]:
    size = np.maximum(np.abs(wanted), max(SMALL * np.abs(wanted).max(initial=0.0), least))
    apart = np.abs(actual - wanted)
    far: NDArray[np.float64] = np.where(apart == 0, 0.0, np.inf)
    np.divide(apart, size, out=far, where=size > 0)
    return far

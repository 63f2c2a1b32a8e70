"""Whether an estimator answers what a server asks as it answers its owner's rows, and in which dtypes.

A server knows numbers, words, flags and times, and makes the usual dtypes of them. Most estimators answer the
same; for others the signature says the dtype. What no dtype mends is refused before anything is published.
All outputs are compared: labels can be the same where probabilities are not.
"""

import warnings
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pandas.api import types
from sklearn.exceptions import NotFittedError

from mlapi.artifacts.golden import PREDICTION, TOLERANCE, distance
from mlapi.data.signature import NUMERIC, Feature, Signature
from mlapi.errors import RegistrationError, Unanswerable
from mlapi.inference.dtypes import CATEGORY
from mlapi.inference.model import estimator_input
from mlapi.training.preparation import features
from mlapi.training.versions.golden import MOST_NUMBERS, answers_to
from mlapi.training.workflows.sample_columns import EstimatorSample
from mlapi.wording import counted, listed, reason

MOST_ROWS = 10_000
"""The most rows that are answered both ways."""

_FEW_ROWS = 500
"""The most rows on which it is tried which columns need their dtype."""

_FEWEST_ROWS = 3
"""The rows that are answered without a value, to see whether it may be missing."""

_MOST_TRIED = 300
"""The most columns that are tried one by one; others are as in the sample."""

_SHOWN = 3
"""How many rows with another answer than expected are named."""

OwnAnswers: TypeAlias = Mapping[str, NDArray[Any]]
"""Outputs by name, `(rows,)` or `(rows, columns)`, and the prediction among them."""

_WAY_OUT = "give the sample as Parquet, which keeps dtypes, or say what the columns are with --types"
"""What to do where a CSV file does not tell dtypes."""


def proven(estimator: Any, sample: EstimatorSample, signature: Signature) -> Signature:
    """Return the signature with the dtypes that the estimator needs, once it has answered as a server asks.

    Raises:
        RegistrationError: It fails, does not give one prediction a row, or gives others than to the sample as
            it is.
    """
    sample = sample.spread(MOST_ROWS)
    way_out = "" if sample.is_exact else f"; {_WAY_OUT}"
    try:
        served = _served(estimator, sample.frame, signature, way_out)
    except RegistrationError:
        if not (sample.is_exact or signature.typed):
            raise
        served = None
    if served is not None and served[PREDICTION].shape[:1] != (len(sample.frame),):
        count, shape = len(sample.frame), served[PREDICTION].shape
        raise RegistrationError(f"{count} rows of the sample gave predictions of shape {shape}")
    if served is not None and not hasattr(estimator, "predict"):
        _check_width(served[PREDICTION])
    if not sample.is_exact and not hasattr(estimator, "feature_names_in_"):
        return signature  # a file tells nothing of the matrix that it was fitted on
    own = _own(estimator, sample)
    if served is not None and _agree(served, own):
        return signature
    if not sample.is_exact:
        raise RegistrationError(
            f"the estimator gives other predictions when whole numbers arrive as 13.0, which is how a "
            f"client's numbers arrive: convert them in its pipeline, or {_WAY_OUT}"
        )
    is_matrix = not hasattr(estimator, "feature_names_in_")
    typed = replace(signature, features=tuple(_typed(sample.frame, signature, is_matrix=is_matrix)))
    if not typed.typed or not _agree(_served(estimator, sample.frame, typed), own):
        raise RegistrationError(
            "the estimator gives other predictions for the values that a client can send than for the sample "
            "itself; convert its columns in a pipeline"
        )
    return _without_needless(estimator, sample.spread(_FEW_ROWS), typed)


def _check_width(transformed: NDArray[Any]) -> None:
    """Refuse answers `(rows, columns)` of a transformer that are too long for a client."""
    width = transformed[0].size
    if width > MOST_NUMBERS:
        raise RegistrationError(
            f"the estimator transforms a row into {width:,} numbers; {MOST_NUMBERS:,} are the most that an "
            f"answer has: end the pipeline with a PCA, a TruncatedSVD or an estimator that predicts"
        )


def with_missing(estimator: Any, sample: EstimatorSample, signature: Signature) -> Signature:
    """Return the signature whose features are nullable where the estimator answers rows that lack the value.

    It is tried: a few rows without a blank cell do not say that none will ever come.
    """
    rows = features.served_columns(sample.frame.iloc[:_FEWEST_ROWS], signature.features)
    blank = [place for place, feature in enumerate(signature.features) if not feature.nullable]
    everywhere = _nullable(signature, blank)
    if _answers_without(estimator, rows, everywhere, blank):
        return everywhere
    for place in blank[:_MOST_TRIED]:
        here = _nullable(signature, [place])
        if _answers_without(estimator, rows, here, [place]):
            signature = here
    return signature


def taking_tables(estimator: Any, sample: EstimatorSample) -> Any:
    """Return the estimator, or a copy that notes the names of its columns, so that it is served with tables.

    A first step of somebody's own may take columns by their names, and not note them as those of
    scikit-learn do: it fails on a matrix.
    """
    first = _first_step(estimator)
    is_noted = hasattr(estimator, "feature_names_in_")
    if is_noted or type(first).__module__.startswith("sklearn.") or not hasattr(first, "__dict__"):
        return estimator
    frame = sample.frame.drop(columns=[sample.expect], errors="ignore").iloc[:_FEWEST_ROWS]
    if _is_answered(estimator, frame.to_numpy()) or not _is_answered(estimator, frame):
        return estimator
    noted = deepcopy(estimator)
    _first_step(noted).feature_names_in_ = np.array(list(map(str, frame.columns)), dtype=object)
    return noted if hasattr(noted, "feature_names_in_") else estimator


def _first_step(estimator: Any) -> Any:
    while True:
        if hasattr(estimator, "best_estimator_"):
            estimator = estimator.best_estimator_
        elif getattr(estimator, "steps", None):
            estimator = estimator.steps[0][1]
        else:
            return estimator


def _is_answered(estimator: Any, rows: Any) -> bool:
    """Return whether the estimator answers rows `(rows, columns)` at all."""
    try:
        with predicting():
            return len(_answers(estimator, rows)[PREDICTION]) == len(rows)
    except (RegistrationError, TypeError):
        return False


def check_expected(
    estimator: Any, sample: EstimatorSample, signature: Signature, expected: pd.Series
) -> None:
    """Compare the estimator's answers to the sample, as a server gets them, with those expected, `(rows,)`.

    Raises:
        RegistrationError: Some differ, numbers by more than a relative 1e-9; the message has the first rows.
    """
    answers = _served(estimator, sample.frame, signature)[PREDICTION]
    if answers.ndim != 1:
        raise RegistrationError(
            "the estimator gives several answers a row, and one column cannot expect them"
        )
    differs = _differ(answers, expected)
    if differs.any():
        places = np.flatnonzero(differs)
        first = listed(
            f"row {place + 1}: expected {expected.iloc[place]}, got {answers[place]}"
            for place in places[:_SHOWN]
        )
        raise RegistrationError(
            f"{counted(len(places), 'row')} of {len(expected):,} of the sample {_verb(len(places))} another "
            f"answer than expected: {first}"
        )


@contextmanager
def predicting(way_out: str = "") -> Iterator[None]:
    """Turn whatever an estimator's own code raises into one error.

    Args:
        way_out: What is said behind it, of what may help.

    Raises:
        RegistrationError: It cannot serve, whatever it has raised.
    """
    try:
        yield
    except NotFittedError as error:
        raise RegistrationError("the estimator is not fitted: call its fit before you save it") from error
    except Unanswerable as error:
        raise RegistrationError(f"the estimator cannot predict the sample: {error}{way_out}") from error
    except Exception as error:  # somebody else's code
        raise RegistrationError(
            f"the estimator cannot predict the sample ({reason(error)}){way_out}"
        ) from error


def _served(estimator: Any, frame: pd.DataFrame, signature: Signature, way_out: str = "") -> OwnAnswers:
    """Return the answers to rows `(rows, features)` of a sample, as a server makes them."""
    return _asked(estimator, features.served_columns(frame, signature.features), signature, way_out)


def _asked(estimator: Any, served: pd.DataFrame, signature: Signature, way_out: str = "") -> OwnAnswers:
    """Return the answers to rows `(rows, features)` that a server has made."""
    with predicting(way_out):
        return _answers(estimator, estimator_input(estimator, signature, features.batch(served, signature)))


def _own(estimator: Any, sample: EstimatorSample) -> OwnAnswers:
    frame = sample.frame.reset_index(drop=True)
    rows: Any = frame
    if not hasattr(estimator, "feature_names_in_"):
        is_texts = frame.shape[1] == 1 and not hasattr(estimator, "n_features_in_")
        rows = frame.iloc[:, 0].to_numpy() if is_texts else frame.to_numpy()
    with predicting():
        return _answers(estimator, rows)


def _answers(estimator: Any, rows: Any) -> OwnAnswers:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of names where it was fitted without: they do not matter here
        return answers_to(estimator, rows)


def _agree(one: OwnAnswers, other: OwnAnswers) -> bool:
    return one.keys() == other.keys() and all(
        distance(values, other[name])[0] <= TOLERANCE for name, values in one.items()
    )


def _nullable(signature: Signature, places: Collection[int]) -> Signature:
    entries = [
        replace(feature, nullable=True) if place in places else feature
        for place, feature in enumerate(signature.features)
    ]
    return replace(signature, features=tuple(entries))


def _answers_without(
    estimator: Any, rows: pd.DataFrame, signature: Signature, places: Collection[int]
) -> bool:
    """Return whether the estimator answers rows `(rows, features)` that are blank in these places."""
    blank = {rows.columns[place]: _blank(rows.iloc[:, place]) for place in places}
    try:
        return len(_asked(estimator, rows.assign(**blank), signature)[PREDICTION]) == len(rows)
    except RegistrationError:
        return False


def _blank(column: pd.Series) -> pd.Series:
    """Return a column `(rows,)` as a server makes it of cells of which none is there."""
    cells = column.astype(object) if column.dtype.kind == "b" else column
    return cells.where(cells.isna(), pd.NaT if column.dtype.kind == "M" else np.nan)


def _differ(answers: NDArray[Any], expected: pd.Series) -> NDArray[np.bool_]:
    """Return where answers are not what is expected, `(rows,)` each."""
    if answers.dtype.kind == "f" and types.is_numeric_dtype(expected.dtype):
        near: NDArray[np.bool_] = np.isclose(answers, expected.to_numpy(dtype=np.float64), rtol=1e-9, atol=0)
        return ~near
    are_numbers = answers.dtype.kind in "iu" and types.is_numeric_dtype(expected.dtype)
    if are_numbers or answers.dtype.kind == "b":
        return np.asarray(answers != expected.to_numpy())
    return np.array(
        [str(one) != str(other) for one, other in zip(answers, expected, strict=True)], dtype=bool
    )


def _verb(count: int) -> str:
    return "gets" if count == 1 else "get"


def _typed(frame: pd.DataFrame, signature: Signature, *, is_matrix: bool) -> Iterator[Feature]:
    """Yield the features with the dtypes of the frame `(rows, features)`, where these are unusual.

    A matrix has one dtype for all columns, so that each of them counts.
    """
    usual = features.served_columns(frame.iloc[:1], signature.features)
    for place, feature in enumerate(signature.features):
        dtype = frame.iloc[:, place].dtype
        is_usual = dtype == usual[feature.name].dtype and not is_matrix
        yield feature if is_usual else _with_dtype(feature, dtype)


def _with_dtype(feature: Feature, dtype: Any) -> Feature:
    if isinstance(dtype, pd.CategoricalDtype):
        return replace(feature, dtype=CATEGORY, ordered=dtype.ordered or None)
    is_whole = feature.kind in NUMERIC and types.is_integer_dtype(dtype)
    return replace(feature, dtype=str(dtype), kind="integer" if is_whole else feature.kind)


def _without_needless(estimator: Any, sample: EstimatorSample, signature: Signature) -> Signature:
    """Return the signature without the dtypes that change nothing: a client may then send 2.5 for an age."""
    own = _own(estimator, sample)
    for place, feature in enumerate(signature.features):
        if feature.dtype is not None and feature.dtype != CATEGORY:
            kind = "number" if feature.kind in NUMERIC else feature.kind
            plain = replace(feature, dtype=None, kind=kind)
            entries = (*signature.features[:place], plain, *signature.features[place + 1 :])
            simpler = replace(signature, features=entries)
            try:
                if _agree(_served(estimator, sample.frame, simpler), own):
                    signature = simpler
            except RegistrationError:
                continue  # without this dtype it fails
    return signature

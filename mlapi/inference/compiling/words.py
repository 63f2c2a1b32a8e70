"""Columns of categories, booleans and codes -> tables: for each the numbers that transformers make of it.

Knows one-hot, ordinal and target encoders, and this project's `Flags` and `Frequent`. A table is made of
what the fitted transformers hold, by the rules of their `transform` (scikit-learn 1.8 and 1.9 were read), and
looked up by `dict`, which takes the same values for equal as they do."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, TargetEncoder

from mlapi.data.signature import Matrix
from mlapi.estimators.preprocessing import OTHER, Flags, Frequent
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable
from mlapi.inference.compiled.steps import Owners, Step
from mlapi.inference.compiled.words import Codes, Table, TrimmedCodes
from mlapi.inference.compiling.forms import gives_sparse
from mlapi.inference.compiling.preprocessing import steps

MOST_NUMBERS = 2**24
"""The most numbers in the tables of a chain, side by side: 128 MB. 4,000 categories of one column have as
many."""

_CodedRows: TypeAlias = tuple[Codes, Matrix]
"""The codes of one column's categories, and the numbers that each code becomes, `(codes, numbers)`."""


def reads_categories(transformer: Any) -> bool:
    """Return whether a chain that begins with this takes categories, or booleans or codes, which are looked
    up alike."""
    is_filler = type(transformer) is SimpleImputer and transformer._fill_dtype.kind == "O"
    return is_filler or type(transformer) in (Flags, Frequent, *ENCODERS)


def tables(
    transformers: Sequence[Any], columns: Sequence[int], later: Sequence[Step] = ()
) -> tuple[tuple[Table, ...], int]:
    """Return what a chain of transformers makes of columns of categories, and how many numbers together.

    Args:
        columns: The positions of the columns in a batch.
        later: Steps after the transformers.

    Raises:
        Uncompilable: Its first transformers read no categories, or a later one mixes columns.
    """
    reader, rest = _reader(transformers)
    coded = list(reader)
    if len(coded) != len(columns):
        raise Uncompilable
    owners = np.repeat(np.arange(len(coded)), [rows.shape[1] for _, rows in coded])
    # The steps that follow are applied to each row of each table once, beside rows of the other tables.
    longest = max(len(rows) for _, rows in coded)
    if longest * len(owners) > MOST_NUMBERS:
        raise Uncompilable
    matrix = np.concatenate([np.resize(rows, (longest, rows.shape[1])) for _, rows in coded], axis=1)
    for step in (*steps(rest, is_sparse=_is_sparse(transformers, rest)), *later):
        matrix, owners = step.apply(matrix), step.owners(owners)
    return tuple(_tables(coded, columns, matrix, owners)), matrix.shape[1]


def split(transformers: Sequence[Any]) -> tuple[Sequence[Any], tuple[Step, ...]]:
    """Return the transformers that read categories, and the steps of those after them.

    Raises:
        Uncompilable: The first ones read no categories, or a later one is not understood.
    """
    _, rest = _reader(transformers)
    readers = transformers[: len(transformers) - len(rest)]
    return readers, steps(rest, is_sparse=_is_sparse(transformers, rest))


def _is_sparse(transformers: Sequence[Any], rest: Sequence[Any]) -> bool:
    """Return whether the last transformer before the rest gives a sparse matrix."""
    return gives_sparse(transformers[len(transformers) - len(rest) - 1], is_sparse=False)


def _tables(
    coded: Sequence[_CodedRows], columns: Sequence[int], matrix: Matrix, owners: Owners
) -> Iterator[Table]:
    """Divide the matrix of all tables side by side into one for each column."""
    for place, (codes, rows) in enumerate(coded):
        places = np.flatnonzero(owners == place)
        yield Table(columns[place], codes, matrix[: len(rows)].take(places, axis=1), places)


def _reader(transformers: Sequence[Any]) -> tuple[Iterable[_CodedRows], Sequence[Any]]:
    """Return what the transformers that read categories make of each column, and the transformers after them.

    Raises:
        Uncompilable: The first ones read no categories, or not as is known here.
    """
    first, *rest = transformers or (None,)
    second = rest[0] if rest else None
    if type(first) is Flags:
        return [_flags()] * first.n_features_in_, rest
    if type(first) in ENCODERS:
        return _encoded(first), rest
    if type(first) is Frequent and type(second) in ENCODERS:
        pairs = zip(first.words_, _encoded(second), strict=True)
        return [(_frequent(categories, codes), rows) for categories, (codes, rows) in pairs], rest[1:]
    if type(first) is SimpleImputer and type(second) in ENCODERS:
        pairs = zip(_fillings(first), _encoded(second), strict=True)
        return [(_filled(category, codes), rows) for category, (codes, rows) in pairs], rest[1:]
    raise Uncompilable


def _flags() -> _CodedRows:
    return Codes({True: 0, False: 1}, blank=2, other=None), np.array([[1.0], [0.0], [np.nan]])


def _frequent(categories: Iterable[Any], codes: Codes) -> Codes:
    """Return the codes of `Frequent` and an encoder: for that all but the frequent categories are `OTHER`."""
    known = {category: codes[category] for category in categories}
    return TrimmedCodes(known, codes.blank, _code(codes, OTHER))


def _filled(category: Any, codes: Codes) -> Codes:
    """Return the codes of an encoder for which missing values are this category."""
    return Codes(codes, _code(codes, category), codes.other)


def _fillings(imputer: SimpleImputer) -> Iterable[Any]:
    """Return the category that missing values become, of each column.

    Raises:
        Uncompilable: Other values than NaN are missing, or the columns were no texts in `fit`.
    """
    is_nan = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    if not is_nan or imputer.add_indicator or imputer._fill_dtype.kind != "O":
        raise Uncompilable
    if any(type(category) is not str for category in imputer.statistics_):
        raise Uncompilable
    return list(imputer.statistics_)


def _code(codes: Codes, category: Any) -> int | None:
    """Return the row of a category that stands for others; None if the pipeline refuses it, and so them."""
    try:
        return codes[category]
    except Fallback:
        return None


def _encoded(encoder: Any) -> list[_CodedRows]:
    """Return what an encoder makes of each column.

    Raises:
        Uncompilable: It makes other things than numbers, or is set up in a way that is not known here.
    """
    if np.dtype(getattr(encoder, "dtype", np.float64)).kind not in "fiu":
        raise Uncompilable
    return list(ENCODERS[type(encoder)](encoder))


def _one_hot(encoder: OneHotEncoder) -> Iterator[_CodedRows]:
    """Yield a row with one 1 for each category that has a column; zeros for those dropped, or not known."""
    if encoder.handle_unknown not in ("error", "ignore", "infrequent_if_exist", "warn"):
        raise Uncompilable
    for place, categories in enumerate(encoder.categories_):
        groups = _groups(encoder, place, len(categories))
        width = groups.max() + 1
        if width**2 > MOST_NUMBERS:
            raise Uncompilable
        rows = np.vstack((np.eye(width), np.zeros(width)))
        other: int | None = width
        if encoder.handle_unknown == "error":
            other = None
        elif encoder.handle_unknown in ("infrequent_if_exist", "warn") and _rare(encoder, place) is not None:
            other = width - 1  # rare categories are the last group
        drops = encoder._drop_idx_after_grouping
        if drops is not None and drops[place] is not None:
            rows = np.delete(rows, int(drops[place]), axis=1)
            rows[int(drops[place])] = 0
        yield _codes(categories, groups.tolist(), other), rows


def _ordinal(encoder: OrdinalEncoder) -> Iterator[_CodedRows]:
    """Yield a row with the number of each category, and with those of missing values and unknown ones."""
    kind = np.dtype(encoder.dtype)
    for place, categories in enumerate(encoder.categories_):
        has_missing = place in encoder._missing_indices
        groups = _groups(encoder, place, len(categories) - has_missing).tolist()
        numbers = [*map(float, range(max(groups, default=-1) + 1))]
        other = None
        if has_missing:
            groups.append(len(numbers))
            numbers.append(encoder.encoded_missing_value)
        if encoder.handle_unknown == "use_encoded_value":
            other = len(numbers)
            numbers.append(encoder.unknown_value)
        rows = np.array(numbers, dtype=np.float64).astype(kind).astype(np.float64)
        yield _codes(categories, groups, other), rows[:, None]


def _target(encoder: TargetEncoder) -> Iterator[_CodedRows]:
    """Yield a row with what each category says of the target, and last one of all unknown categories."""
    targets = np.atleast_1d(encoder.target_mean_)
    for place, categories in enumerate(encoder.categories_):
        start = place * len(targets)  # of several classes each has an encoding of its own
        known = np.column_stack(encoder.encodings_[start : start + len(targets)])
        rows = np.vstack((known, targets)).astype(np.float64)
        yield _codes(categories, range(len(categories)), len(categories)), rows


ENCODERS: Mapping[type, Callable[[Any], Iterator[_CodedRows]]] = {
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    TargetEncoder: _target,
}
"""By exact class, what an encoder makes of each column."""


def _codes(categories: NDArray[Any], groups: Sequence[int], other: int | None) -> Codes:
    """Return the codes of an encoder's categories, NaN among them if missing values were in `fit`."""
    known = dict(zip(categories.tolist(), groups, strict=True))
    nans = [category for category in known if category != category]  # noqa: PLR0124 - NaN
    blank = known.pop(nans[0]) if nans else other
    if None in known:  # for scikit-learn it is another category than NaN, and no batch holds it
        raise Uncompilable
    return Codes(known, blank, other)


def _groups(encoder: Any, place: int, categories: int) -> NDArray[np.intp]:
    """Return the group of each category, (categories,): its own, or the last one, that of all rare ones."""
    if _rare(encoder, place) is None:
        return np.arange(categories)
    return np.asarray(encoder._default_to_infrequent_mappings[place], dtype=np.intp)


def _rare(encoder: Any, place: int) -> Any:
    return encoder._infrequent_indices[place] if encoder._infrequent_enabled else None

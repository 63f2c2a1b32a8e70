"""Columns of words, flags and codes -> tables: for each word the numbers that the transformers make of it.

One-hot and ordinal encoders, this project's flags and frequent words. A table is made of what the fitted
transformers hold, by the rules of their `transform` (scikit-learn 1.8 and 1.9 were read), and looked up by
`dict`, which takes the same values for equal as they do.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import MaxAbsScaler, OneHotEncoder, OrdinalEncoder, RobustScaler, StandardScaler

from mlapi.data.signature import Matrix
from mlapi.estimators.preprocessing import OTHER, Flags, Frequent
from mlapi.inference.compiled.final_estimator import Fallback, Uncompilable
from mlapi.inference.compiled.words import Codes, Table
from mlapi.inference.compiling.preprocessing import steps

MOST_NUMBERS = 2**24
"""Of the tables of a chain, side by side: 128 MB. 4,000 categories of one column have as many."""

SPARSE = frozenset({MaxAbsScaler, RobustScaler, StandardScaler})
"""What does to a sparse matrix just what it does to a dense one."""


def reads_words(transformer: Any) -> bool:
    """Whether a chain that begins with it takes words, or what is looked up like them."""
    is_filler = type(transformer) is SimpleImputer and transformer._fill_dtype.kind == "O"
    return is_filler or type(transformer) in (Flags, Frequent, *ENCODERS)


def tables(transformers: Sequence[Any], columns: Sequence[int]) -> tuple[tuple[Table, ...], int]:
    """What a chain of transformers makes of columns of words, and how many numbers of all.

    Raises:
        Uncompilable: Its first ones read no words, or a later one mixes columns.
    """
    reader, rest = _reader(transformers)
    found = list(reader)
    if len(found) != len(columns):
        raise Uncompilable
    owners = np.repeat(np.arange(len(found)), [rows.shape[1] for _, rows in found])
    # The steps that follow see each row of each table once, beside rows of the other ones.
    longest = max(len(rows) for _, rows in found)
    if longest * len(owners) > MOST_NUMBERS:
        raise Uncompilable
    matrix = np.concatenate([np.resize(rows, (longest, rows.shape[1])) for _, rows in found], axis=1)
    for step in steps(rest):
        matrix, owners = step.apply(matrix), step.owners(owners)
    return tuple(_tables(found, columns, matrix, owners)), matrix.shape[1]


def _tables(
    found: Sequence[tuple[Codes, Matrix]], columns: Sequence[int], matrix: Matrix, owners: NDArray[np.intp]
) -> Iterator[Table]:
    for place, (codes, rows) in enumerate(found):
        places = np.flatnonzero(owners == place)
        yield Table(columns[place], codes, matrix[: len(rows)].take(places, axis=1), places)


_Read = Iterable[tuple[Codes, Matrix]]


def _reader(transformers: Sequence[Any]) -> tuple[_Read, Sequence[Any]]:
    """The tables of the transformers that read words, and the transformers after them."""
    first, *rest = transformers or (None,)
    second = rest[0] if rest else None
    if type(first) is Flags:
        return [_flags()] * first.n_features_in_, rest
    if type(first) in ENCODERS:
        return _encoded(first, rest), rest
    if type(first) is Frequent and type(second) in ENCODERS:
        read = zip(first.words_, _encoded(second, rest[1:]), strict=True)
        return [(_frequent(words, codes), rows) for words, (codes, rows) in read], rest[1:]
    if type(first) is SimpleImputer and type(second) in ENCODERS:
        read = zip(_fillings(first), _encoded(second, rest[1:]), strict=True)
        return [(_filled(word, codes), rows) for word, (codes, rows) in read], rest[1:]
    raise Uncompilable


def _flags() -> tuple[Codes, Matrix]:
    return Codes({True: 0, False: 1}, blank=2, other=None), np.array([[1.0], [0.0], [np.nan]])


def _frequent(words: Iterable[Any], codes: Codes) -> Codes:
    """`Frequent`, then an encoder: all words but the frequent ones are one word for it."""
    return Codes({word: codes[word] for word in words}, codes.blank, _code(codes, OTHER))


def _filled(word: Any, codes: Codes) -> Codes:
    return Codes(codes, _code(codes, word), codes.other)


def _fillings(imputer: SimpleImputer) -> Iterable[Any]:
    """The word for the blanks of each column; only for columns that were words in `fit`."""
    is_nan = isinstance(imputer.missing_values, float) and np.isnan(imputer.missing_values)
    if not is_nan or imputer.add_indicator or imputer._fill_dtype.kind != "O":
        raise Uncompilable
    if any(type(word) is not str for word in imputer.statistics_):
        raise Uncompilable
    return list(imputer.statistics_)


def _code(codes: Codes, word: Any) -> int | None:
    """The row of a word that is not sent, but stands for others: none, if those are refused."""
    try:
        return codes[word]
    except Fallback:
        return None


def _encoded(encoder: Any, rest: Sequence[Any]) -> list[tuple[Codes, Matrix]]:
    if np.dtype(encoder.dtype).kind not in "fiu":
        raise Uncompilable
    if getattr(encoder, "sparse_output", False) and not set(map(type, rest)) <= SPARSE:
        raise Uncompilable
    return list(ENCODERS[type(encoder)](encoder))


def _one_hot(encoder: OneHotEncoder) -> Iterator[tuple[Codes, Matrix]]:
    """A row of one 1 for each category that has a column; none for one that is dropped, or not known."""
    if encoder.handle_unknown not in ("error", "ignore", "infrequent_if_exist"):
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
        elif encoder.handle_unknown == "infrequent_if_exist" and _rare(encoder, place) is not None:
            other = width - 1  # rare categories are the last group
        drops = encoder._drop_idx_after_grouping
        if drops is not None and drops[place] is not None:
            rows = np.delete(rows, int(drops[place]), axis=1)
            rows[int(drops[place])] = 0
        yield _codes(categories, groups.tolist(), other), rows


def _ordinal(encoder: OrdinalEncoder) -> Iterator[tuple[Codes, Matrix]]:
    """A category's number; what blanks and unknown words are told to be."""
    kind = np.dtype(encoder.dtype)
    for place, categories in enumerate(encoder.categories_):
        has_blank = place in encoder._missing_indices
        groups = _groups(encoder, place, len(categories) - has_blank).tolist()
        numbers = [*map(float, range(max(groups, default=-1) + 1))]
        other = None
        if has_blank:
            groups.append(len(numbers))
            numbers.append(encoder.encoded_missing_value)
        if encoder.handle_unknown == "use_encoded_value":
            other = len(numbers)
            numbers.append(encoder.unknown_value)
        rows = np.array(numbers, dtype=np.float64).astype(kind).astype(np.float64)
        yield _codes(categories, groups, other), rows[:, None]


ENCODERS: Mapping[type, Callable[[Any], Iterator[tuple[Codes, Matrix]]]] = {
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
}


def _codes(categories: NDArray[Any], groups: Sequence[int], other: int | None) -> Codes:
    known = dict(zip(categories.tolist(), groups, strict=True))
    blanks = [word for word in known if word != word]  # noqa: PLR0124 - NaN
    blank = known.pop(blanks[0]) if blanks else other
    if None in known:  # which scikit-learn tells from NaN, and no batch holds
        raise Uncompilable
    return Codes(known, blank, other)


def _groups(encoder: Any, place: int, categories: int) -> NDArray[np.intp]:
    """Each category's group: its own, or the last one, that of all rare categories."""
    if _rare(encoder, place) is None:
        return np.arange(categories)
    return np.asarray(encoder._default_to_infrequent_mappings[place], dtype=np.intp)


def _rare(encoder: Any, place: int) -> Any:
    return encoder._infrequent_indices[place] if encoder._infrequent_enabled else None

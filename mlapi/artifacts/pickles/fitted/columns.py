"""What is checked of transformers; `mlapi.artifacts.pickles.fitted.invariants` says why, and names the
classes."""

from math import comb
from types import NoneType
from typing import Any

import numpy as np

from mlapi.artifacts.pickles.fitted.attributes import (
    FittedAttributes,
    is_code,
    is_integers,
    is_plain,
    repr_of,
    require,
    width_of,
)
from mlapi.artifacts.pickles.fitted.token_patterns import is_quick
from mlapi.estimators.calendar import DURATIONS, PARTS

_MOST_TERMS = 10**6
"""The most columns that polynomials may make of a row."""

_MOST_DEGREES = 100
"""The highest degree of polynomials and splines: one value of a spline costs its square."""

_LONGEST_GRAM = 10
"""The most words, or letters, of an n-gram: each size is one more copy of the text, in pieces."""

_ANALYZERS = ("word", "char", "char_wb")
"""The analyzers of a vectorizer that scikit-learn has."""


def vectorizer(fitted: FittedAttributes) -> None:
    """Refuse a vectorizer that opens files, or can take for ever or any memory on some text."""
    require(
        fitted.input == "content",
        f"it has a vectorizer that opens files: its input is {repr_of(fitted.input)}; 'content' opens none",
    )
    analyzer, pattern = fitted.analyzer, fitted.token_pattern
    require(is_code(analyzer) or analyzer in _ANALYZERS, "it has a vectorizer with an unknown analyzer")
    for step in (fitted.tokenizer, fitted.preprocessor):
        require(step is None or is_code(step), "it has a vectorizer whose steps are no functions")
    require(type(fitted.strip_accents) in (str, NoneType), "it strips accents by code")
    # A pattern that the analyzer does not use is not looked at: scikit-learn keeps its default there.
    uses_pattern = analyzer == "word" and fitted.tokenizer is None
    require(
        not uses_pattern or (type(pattern) is str and is_quick(pattern)),
        f"it has a vectorizer with the token_pattern {repr_of(pattern)}, which can take for ever on some "
        r"texts; a pattern such as (?u)\b\w\w+\b, [a-z]+ or \S+ cannot",
    )
    grams = fitted.ngram_range
    require(
        type(grams) is tuple and len(grams) == 2 and all(type(size) is int for size in grams)
        and 1 <= grams[0] <= grams[1] <= _LONGEST_GRAM,
        f"it has a vectorizer with the ngram_range {repr_of(grams)}; {_LONGEST_GRAM} is the most",
    )  # fmt: skip
    _dtypes(fitted.dtype)
    _vocabulary(fitted.vocabulary_)


def _vocabulary(words: Any) -> None:
    if words is None:
        return
    places = np.array(list(words.values()), dtype=object) if type(words) is dict else np.array([None])
    are_integers = all(isinstance(place, int | np.integer) for place in places)
    require(
        are_integers
        and sorted(places.tolist()) == list(range(len(places)))
        and all(type(word) is str for word in words),
        "it has a vocabulary whose places are not 0, 1, 2, … each once",
    )


def calendar(fitted: FittedAttributes) -> None:
    """Refuse other parts than the calendar's, and than days since a column before: each is one column."""
    parts = fitted.parts_
    if parts is None:
        return
    problem = "it has moments with other parts than the calendar's, each once"
    require(type(parts) is list and len(parts) == width_of(fitted), problem)
    for place, names in enumerate(parts):
        require(type(names) is list and all(type(name) is str for name in names), problem)
        require(len(set(names)) == len(names) and set(names) <= {*PARTS, *DURATIONS[:place]}, problem)


def column_transformer(fitted: FittedAttributes) -> None:
    """Refuse a column transformer without its width, or whose parts have another form.

    How many columns it makes is counted by these (`mlapi.artifacts.pickles.fitted.widths`).
    """
    parts = fitted.transformers_
    if parts is None:
        return
    width_of(fitted)
    require(
        type(parts) is list and all(type(part) is tuple and len(part) == 3 for part in parts),
        "it divides columns among other things than named transformers",
    )


def imputer(fitted: FittedAttributes) -> None:
    """Refuse an imputer with a dtype of texts: what it fills in has that dtype, for each missing value."""
    _dtypes(fitted._fill_dtype, fitted._fit_dtype)


def ordinal(fitted: FittedAttributes) -> None:
    """Refuse an ordinal encoder whose numbers have a dtype of texts."""
    _dtypes(fitted.dtype)


def _dtypes(*dtypes: Any) -> None:
    """Refuse dtypes of texts. A dtype that is None is the class's own, or was never fitted."""
    require(
        all(dtype is None or is_plain(dtype) for dtype in dtypes),
        "it makes cells of another dtype than numbers, flags or objects, which may take any memory",
    )


def one_hot(fitted: FittedAttributes) -> None:
    """Refuse a one-hot encoder that would write outside of its columns."""
    _dtypes(fitted.dtype)
    columns = fitted.categories_
    if columns is None:
        return
    problem = "it has an encoder whose places lie outside of its columns"
    width = width_of(fitted)
    require(type(columns) is list and len(columns) == width and all(map(_is_in_order, columns)), problem)
    grouped = fitted._infrequent_enabled
    require(type(grouped) is bool, problem)
    nothing = [None] * width
    rare = (fitted._infrequent_indices or nothing) if grouped else nothing
    places = (fitted._default_to_infrequent_mappings or nothing) if grouped else nothing
    dropped = fitted._drop_idx_after_grouping
    dropped = nothing if dropped is None else np.asarray(dropped, dtype=object).tolist()
    counts = fitted._n_features_outs
    parts = (rare, places, dropped, counts)
    require(all(type(part) is list and len(part) == width for part in parts), problem)
    for column, few, mapping, drop, count in zip(columns, *parts, strict=True):
        require(_outputs_of(len(column), few, mapping, drop) == count, problem)


def _outputs_of(categories: int, few: Any, mapping: Any, drop: Any) -> int | None:
    """Return how many columns one feature becomes; None if a position would lie outside of them.

    Args:
        few: The categories that are rare, if there are any.
        mapping: For each category its column, all rare ones the last.
        drop: The column that is left out.
    """
    outputs = categories
    if (few is None) != (mapping is None):
        return None
    if mapping is not None:
        if not (type(few) is np.ndarray and len(few) and is_integers(few, len(few), categories)):
            return None
        outputs = categories - len(few) + 1
        if not is_integers(mapping, categories, outputs):
            return None
    if drop is None:
        return outputs
    return outputs - 1 if isinstance(drop, int | np.integer) and 0 <= drop < outputs else None


def _is_in_order(column: Any) -> bool:
    """Return whether these categories are in order, NaN last: scikit-learn searches numbers by halves.

    Texts are looked up in another way.
    """
    if type(column) is not np.ndarray or column.ndim != 1:
        return False
    if column.dtype.kind in "OUS":
        return True
    if column.dtype.kind == "f" and len(column) and np.isnan(column[-1]):
        column = column[:-1]
    return column.dtype.kind in "biuf" and bool((column[1:] > column[:-1]).all())


def polynomials(fitted: FittedAttributes) -> None:
    """Refuse polynomials that make another number of columns than they say, or too many."""
    if fitted.n_output_features_ is None:
        return
    features, least, most = fitted.n_features_in_, fitted._min_degree, fitted._max_degree
    problem = "it has polynomials of other columns than it says"
    require(all(type(number) is int and number >= 0 for number in (features, least, most)), problem)
    require(features <= _MOST_TERMS and most <= _MOST_DEGREES, problem)
    flags = fitted.interaction_only, fitted.include_bias
    require(all(type(flag) is bool for flag in flags), problem)
    terms = _terms(features, least, most, *flags), _terms(features, 0, most, *flags)
    require(
        terms == (fitted.n_output_features_, fitted._n_out_full) and terms[1] <= _MOST_TERMS,
        problem,
    )


def _terms(features: int, least: int, most: int, interactions: bool, bias: bool) -> int:
    """Count the terms as `sklearn.preprocessing.PolynomialFeatures._num_combinations` does (scikit-learn
    1.9)."""
    if interactions:
        terms = sum(comb(features, degree) for degree in range(max(1, least), min(most, features) + 1))
    else:
        terms = comb(features + most, most) - (comb(features + least - 1, least - 1) if least > 0 else 1)
    return terms + bias


def splines(fitted: FittedAttributes) -> None:
    """Refuse splines of too high a degree, or that make another number of columns than they say."""
    splines = fitted.bsplines_
    if splines is None:
        return
    problem = "it has splines that are none, or of too high a degree"
    require(
        type(splines) is list and len(splines) == width_of(fitted) and fitted.sparse_output is False,
        problem,
    )
    degree = fitted.degree
    require(type(degree) is int and 0 <= degree <= _MOST_DEGREES, problem)
    require(all(spline.k == degree and spline.c.ndim == 2 for spline in splines), problem)
    columns = sum(spline.c.shape[1] - (not fitted.include_bias) for spline in splines)
    require(fitted.n_features_out_ == columns, "it has splines of other columns than it says")

"""How many numbers a fitted estimator makes of one row, and how many n-grams of one letter.

A row is followed through the estimator by the attributes of each part; no method is called. A row of a few
bytes can become a million products of its numbers, and a text ten copies of itself, in n-grams. So the width
of a row is limited when an estimator is loaded, and many rows are answered some at a time
(`mlapi.inference.estimator_calls`, `mlapi.inference.compiled.predictor`); `join_answers` puts their answers
together.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from mlapi.artifacts.pickles.parts.names import NotAllowed, name_of
from mlapi.data.labels import float64s_per_label
from mlapi.errors import Unanswerable

MOST = 10**6
"""The most numbers that one row may become: 8 MB."""

AT_ONCE = 2**23
"""The most numbers that are made of many rows at once: 64 MB, and scikit-learn holds two or three copies."""

_MOST_ANSWERED = 2**29
"""The most bytes of the answers to all rows of a request, before they are written as JSON."""


class RowSize(NamedTuple):
    """What an estimator makes of one row."""

    width: int
    """The most numbers that are held of it at once."""
    grams: float
    """The n-grams that begin with one letter of a text."""

    @property
    def rows_at_once(self) -> int:
        """How many rows may be asked at once."""
        return max(1, AT_ONCE // max(1, self.width))


_KNOWN: "WeakKeyDictionary[Any, RowSize]" = WeakKeyDictionary()
"""By estimator its size: it does not change once it is fitted, and is asked again and again."""


def size_of(estimator: Any) -> RowSize:
    """Return what this estimator makes of a row. The first time costs some microseconds a part."""
    try:
        known = _KNOWN.get(estimator)
        if known is None:
            known = _KNOWN[estimator] = _size(estimator)
    except TypeError:  # somebody else's class, which cannot be a key
        return _size(estimator)
    return known


def _size(estimator: Any) -> RowSize:
    walk = _Walk()
    walk.follow(estimator, _Row(1))
    return RowSize(walk.widest, walk.grams)


def check(estimator: Any) -> None:
    """Refuse an estimator that makes too many numbers of a row.

    Raises:
        NotAllowed: A row becomes more numbers than `MOST`.
    """
    width = size_of(estimator).width if hasattr(estimator, "__dict__") else 0
    if width > MOST:
        raise NotAllowed(f"it makes {width:,} numbers of one row; {MOST:,} are the most that are served")


def join_answers(parts: Iterable[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """Return by method the answers to all rows, `(rows,)` or `(rows, columns)`.

    Args:
        parts: By method the answers to some of the rows, in order.

    Raises:
        Unanswerable: They take more than half a gigabyte.
    """
    answered: list[Mapping[str, NDArray[Any]]] = []
    left = _MOST_ANSWERED
    for part in parts:
        left -= sum(answers.nbytes for answers in part.values())
        if left < 0:
            raise Unanswerable("the answer to so many rows is too large: send fewer at once")
        answered.append(part)
    return {method: np.concatenate([part[method] for part in answered]) for method in answered[0]}


class _Row(NamedTuple):
    """One row between two parts of an estimator."""

    columns: int
    held: int | None = None
    """How many numbers a sparse row holds; None for a dense row."""

    @property
    def is_sparse(self) -> bool:
        """Whether it holds fewer numbers than it has columns."""
        return self.held is not None

    @property
    def numbers(self) -> int:
        """How many numbers it holds."""
        return self.columns if self.held is None else self.held


class _Walk:
    """Follows rows, and notes the widest. A part that is reached twice by rows of one width is followed
    once."""

    def __init__(self) -> None:
        self.widest = 0
        self.grams = 0.0
        self._became: dict[tuple[int, _Row], _Row] = {}
        self._without_parts: set[int] = set()
        """By identity, the lists that hold no parts."""

    def follow(self, part: Any, row: _Row) -> _Row:
        """Return what becomes of a row in one part, and in all within."""
        if part is None or isinstance(part, str):  # "passthrough" and "drop"
            return row if part != "drop" else _Row(0)
        if not hasattr(part, "__dict__"):
            return row
        row = _as_taken(part, row)
        if (id(part), row) not in self._became:
            self._became[id(part), row] = row  # while it is open: a part of somebody else's may hold itself
            result = self._became[id(part), row] = self._followed(part, row)
            self.widest = max(self.widest, row.numbers, result.numbers, _answered(part))
        return self._became[id(part), row]

    def _followed(self, part: Any, row: _Row) -> _Row:
        fitted = vars(part)
        for kind in type(part).__mro__:
            become = _BECOMES.get(name_of(kind))
            if become is not None:
                return become(self, fitted, row)
        for within in self._estimators(fitted.values()):
            self.follow(within, row)
        components = _rows_of(fitted.get("components_"))
        return _Row(components) if components else row

    def _estimators(self, values: Iterable[Any]) -> Iterator[Any]:
        """Yield the parts that may be estimators among attributes, also in lists of them."""
        for value in values:
            if isinstance(value, list | tuple | dict | np.ndarray):
                if id(value) not in self._without_parts:
                    parts = list(self._estimators(_listed(value)))
                    if not parts:
                        self._without_parts.add(id(value))
                    yield from parts
            elif hasattr(value, "__dict__") and not isinstance(value, type):
                yield value


def _listed(values: Any) -> Iterable[Any]:
    if isinstance(values, np.ndarray):
        return values.ravel().tolist() if values.dtype.kind == "O" else ()
    return values.values() if isinstance(values, dict) else values


def _as_taken(part: Any, row: _Row) -> _Row:
    """Return the row with as many columns as the part was fitted to: how many come in first is not known."""
    takes = vars(part).get("n_features_in_")
    is_more = isinstance(takes, int) and takes > row.columns and not row.is_sparse
    return _Row(takes) if is_more else row


def _chain(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    for _, step in fitted.get("steps") or ():
        row = walk.follow(step, row)
    return row


def _side_by_side(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    """Follow a row through a column transformer: all results are held before they are joined."""
    parts = []
    for name, part, columns in fitted.get("transformers_") or ():
        chosen = _chosen(fitted, name, columns, row.columns)
        walk.widest = max(walk.widest, chosen)
        parts.append(walk.follow(part, _Row(chosen)))
    columns, numbers = sum(part.columns for part in parts), sum(part.numbers for part in parts)
    return _Row(columns, numbers) if fitted.get("sparse_output_") else _Row(columns)


def _chosen(fitted: Mapping[str, Any], name: Any, columns: Any, width: int) -> int:
    """Return how many columns a part takes: as many as it says, or as are noted under its name."""
    by_name = fitted.get("_transformer_to_input_indices")
    named = len(by_name.get(name, ())) if isinstance(by_name, dict) else 0
    if isinstance(columns, slice):
        of_numbers = all(end is None or isinstance(end, int) for end in (columns.start, columns.stop))
        return max(named, len(range(*columns.indices(width))) if of_numbers else 0)
    return max(named, 1 if isinstance(columns, str | int) else len(columns))


def _union(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    parts = [walk.follow(part, row) for _, part in fitted.get("transformer_list") or ()]
    columns, numbers = sum(part.columns for part in parts), sum(part.numbers for part in parts)
    return _Row(columns, numbers) if any(part.is_sparse for part in parts) else _Row(columns)


def _search(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return walk.follow(fitted.get("best_estimator_"), row)


def _polynomials(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    walk.widest = max(walk.widest, fitted.get("_n_out_full") or 0)
    return _Row(fitted.get("n_output_features_") or row.columns)


def _splines(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(fitted.get("n_features_out_") or row.columns)


def _one_hot(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    """Follow a row: texts that are compared with categories take as much memory as the longest of these."""
    categories = fitted.get("categories_") or ()
    walk.widest = max([walk.widest, *(float64s_per_label(column) for column in categories)])
    columns = sum(fitted.get("_n_features_outs") or ())
    return _Row(columns, len(categories)) if fitted.get("sparse_output", True) else _Row(columns)


def _ordinal(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    categories = fitted.get("categories_") or ()
    walk.widest = max([walk.widest, *(float64s_per_label(column) for column in categories)])
    return row


def _vectorizer(walk: _Walk, fitted: Mapping[str, Any], _: _Row) -> _Row:
    least, most = fitted.get("ngram_range") or (1, 1)
    letters = 1 if fitted.get("analyzer") in ("char", "char_wb") else 2  # a word, and a blank behind it
    walk.grams = max(walk.grams, (most - least + 1) / letters)
    return _Row(len(fitted.get("vocabulary_") or ()), 0)


def _calendar(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(sum(map(len, fitted.get("parts_") or ())))


def _imputer(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    indicator = fitted.get("indicator_")
    flagged = len(vars(indicator).get("features_", ())) if indicator is not None else 0
    return _Row(row.columns + flagged, None if row.held is None else row.held + flagged)


def _indicator(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(len(fitted.get("features_", ())))


def _kernel(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(max(_rows_of(fitted.get("components_")), _rows_of(fitted.get("normalization_"))))


def _birch(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    """Follow a row past the nodes, which no answer reads."""
    return _Row(_rows_of(fitted.get("subcluster_centers_")) or row.columns)


def _hashed(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _vectorizer(walk, fitted, row)._replace(columns=fitted.get("n_features") or 0)


def _sketch(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    columns = int(fitted.get("n_components") or 0)
    walk.widest = max(walk.widest, columns * int(fitted.get("degree") or 1))
    return _Row(columns)


def _sampled(_: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(row.columns * max(1, 2 * int(fitted.get("sample_steps") or 1) - 1))


def _targeted(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return _Row(max(_ordinal(walk, fitted, row).columns, len(fitted.get("encodings_") or ())))


def _binned(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return walk.follow(fitted.get("_encoder"), row)


def _kernel_columns(walk: _Walk, fitted: Mapping[str, Any], row: _Row) -> _Row:
    return walk.follow(fitted.get("nystroem_"), row)


_BECOMES: Mapping[str, Callable[[_Walk, Mapping[str, Any], _Row], _Row]] = {
    "mlapi.estimators.algorithms.kernels.KernelColumns": _kernel_columns,
    "mlapi.estimators.preprocessing.CalendarParts": _calendar,
    "sklearn.cluster._birch.Birch": _birch,
    "sklearn.compose._column_transformer.ColumnTransformer": _side_by_side,
    "sklearn.feature_extraction.text.CountVectorizer": _vectorizer,
    "sklearn.feature_extraction.text.HashingVectorizer": _hashed,
    "sklearn.impute._base.MissingIndicator": _indicator,
    "sklearn.impute._base.SimpleImputer": _imputer,
    "sklearn.kernel_approximation.AdditiveChi2Sampler": _sampled,
    "sklearn.kernel_approximation.Nystroem": _kernel,
    "sklearn.kernel_approximation.PolynomialCountSketch": _sketch,
    "sklearn.model_selection._search.BaseSearchCV": _search,
    "sklearn.pipeline.FeatureUnion": _union,
    "sklearn.pipeline.Pipeline": _chain,
    "sklearn.preprocessing._discretization.KBinsDiscretizer": _binned,
    "sklearn.preprocessing._encoders.OneHotEncoder": _one_hot,
    "sklearn.preprocessing._encoders.OrdinalEncoder": _ordinal,
    "sklearn.preprocessing._polynomial.PolynomialFeatures": _polynomials,
    "sklearn.preprocessing._polynomial.SplineTransformer": _splines,
    "sklearn.preprocessing._target_encoder.TargetEncoder": _targeted,
}
"""By class, what becomes of a row. In a part of another class it becomes as many numbers as the part has
components, or stays as it is."""


def _answered(part: Any) -> int:
    """Return how many numbers a row's answer holds, or how many training rows it is compared with."""
    fitted = vars(part)
    counts = [_classes(fitted), fitted.get("n_trees_per_iteration_"), _outputs(fitted.get("coef_"))]
    counts += [_outputs(fitted.get(rows)) for rows in _COMPARED]
    counts += [max(np.shape(layer)) for layer in _layers(fitted)]
    kind = name_of(type(part))
    if "Radius" in kind or kind.endswith(".NearestNeighbors"):  # a row may have all others for neighbors
        counts.append(_rows_of(fitted.get("_fit_X")))
    counts += [np.size(chosen) for name in _SUBSETS for chosen in _listed_parts(fitted.get(name))]
    if kind.startswith(_ASK_MANY):
        counts.append(len(_listed_parts(fitted.get("estimators_"))) * max(1, _classes(fitted)))
    return min(MOST, max([count for count in counts if isinstance(count, int)], default=0))


_COMPARED = (
    *(
        "X_",
        "X_fit_",
        "X_train_",
        "centroids_",
        "cluster_centers_",
        "code_book_",
        "means_",
        "subcluster_centers_",
    ),
    *("dictionary", "feature_log_prob_", "theta_"),
)
"""The attributes whose rows a row is compared with, all at once."""

_SUBSETS = ("estimators_features_", "pairwise_indices_")
"""The attributes that say which features each part takes: they are copied for it."""

_ASK_MANY = ("sklearn.ensemble._stacking.", "sklearn.ensemble._voting.", "sklearn.multi")
"""How the names of classes begin that hold the answers of all their parts at once."""


def _layers(fitted: Mapping[str, Any]) -> list[Any]:
    """Return the matrices that a row is multiplied with: of a network, or of random features."""
    layers = [*_listed_parts(fitted.get("coefs_")), fitted.get("random_weights_")]
    return [layer for layer in layers if isinstance(layer, np.ndarray) and layer.ndim > 0]


def _listed_parts(value: Any) -> list[Any]:
    return value if type(value) is list else []


def _classes(fitted: Mapping[str, Any]) -> int:
    """Return how many decisions there are: one a class, or of a support vector machine one a pair of them."""
    classes = fitted.get("classes_")
    if not isinstance(classes, np.ndarray):
        return 0
    is_paired = "_n_support" in fitted
    return max(
        len(classes) * (len(classes) - 1) // 2 if is_paired else len(classes), float64s_per_label(classes)
    )


def _outputs(array: Any) -> int:
    return int(array.shape[0]) if isinstance(array, np.ndarray) and array.ndim == 2 else 0


def _rows_of(matrix: Any) -> int:
    """Return how many rows a matrix has: also a sparse one, which has no `len`."""
    shape = getattr(matrix, "shape", None)
    return int(shape[0]) if shape else 0

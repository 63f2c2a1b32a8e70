"""What a fitted estimator itself tells of its columns: names, and the categories of each.

Encoders and boosters keep the categories that they were fitted on. A file of rows does not: there 10115 is
a number, whatever the estimator takes it for.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import numpy as np

from mlapi.data.signature import Scalar
from mlapi.estimators.external.onnx_model import WORDS, OnnxClassifier, OnnxRegressor


class KnownColumn(NamedTuple):
    """The categories of one column, in the estimator's order, without the missing one.

    There are none of texts, and None of words that the estimator does not list. `by_dtype` says that it tells
    categories by the dtype `category`, as boosters do.
    """

    categories: tuple[Scalar, ...] | None
    by_dtype: bool = False
    blank_is_none: bool = False
    """Whether the estimator knows a missing word as None: another one is a word that it does not know."""

    @property
    def has_words(self) -> bool:
        """Whether the estimator takes the cells for words or texts."""
        return all(isinstance(category, str) for category in self.categories or ())


def fitted_names(estimator: Any) -> list[str] | None:
    """Return the names of the columns that an estimator was fitted on, in order; None if it knows none.

    The names that LightGBM and CatBoost themselves give to the columns of a matrix are none.
    """
    names = getattr(estimator, "feature_names_in_", None)
    if names is None:
        names = getattr(estimator, "feature_names_", None)
    if names is None:
        return None
    names = np.asarray(names, dtype=object).tolist()
    own = [str(place) for place in range(len(names))], [f"Column_{place}" for place in range(len(names))]
    return None if names in own else names


def fitted_width(estimator: Any) -> int | None:
    """Return how many columns an estimator was fitted on; None if it does not say."""
    with suppress(AttributeError):  # CatBoost loses it with the first pickle, and is 0 then
        if estimator.n_features_in_:
            return int(estimator.n_features_in_)
    names = getattr(estimator, "feature_names_", None)
    return None if names is None else len(names)


def dropped_columns(estimator: Any) -> frozenset[str]:
    """Return the columns of the fit that a ColumnTransformer, the first step, neither reads nor hands on.

    scikit-learn takes a frame without them. Only where columns were chosen by their names.
    """
    while hasattr(estimator, "best_estimator_"):
        estimator = estimator.best_estimator_
    while hasattr(estimator, "steps"):
        estimator = estimator.steps[0][1]
    names = getattr(estimator, "feature_names_in_", ())
    read: set[str] = set()
    for _, part, columns in getattr(estimator, "transformers_", ()):
        chosen = (
            [columns] if isinstance(columns, str) else list(columns) if np.iterable(columns) else [columns]
        )
        if isinstance(part, str) and part == "drop":
            continue
        if not all(isinstance(name, str) for name in chosen):
            return frozenset()
        read.update(chosen)
    return frozenset(names) - read if read else frozenset()


def known_columns(estimator: Any, names: Sequence[str]) -> Mapping[str, KnownColumn]:
    """Return what an estimator tells of the categories of its columns, by name.

    Pipelines are looked into as far as columns stay what they are. What is not understood tells nothing.

    Args:
        names: The columns, in the order of the fit.
    """
    known: dict[str, KnownColumn] = {}
    for place, column in _told(estimator, list(range(len(names))), names):
        known.setdefault(names[place], column)
    return known


_WRAPPED = ("best_estimator_", "estimator_", "regressor_")
"""The attributes in which estimators of estimators have the fitted one that gets the same columns."""

_WRAPPED_LISTS = ("estimators_", "calibrated_classifiers_")
"""The same, of several."""


def _told(estimator: Any, places: list[int], names: Sequence[str]) -> Iterator[tuple[int, KnownColumn]]:
    """Yield what an estimator tells of the columns that it gets: the places of these among all."""
    if isinstance(estimator, str) or estimator is None:
        return
    for part, chosen in _parts(estimator, places, names):
        yield from _told(part, chosen, names)
    for lists in (
        _of_encoder(estimator),
        _of_boosting(estimator),
        _of_catboost(estimator),
        _of_onnx(estimator),
    ):
        if len(lists) == len(places):
            yield from ((place, column) for place, column in zip(places, lists, strict=True) if column)


def _parts(estimator: Any, places: list[int], names: Sequence[str]) -> Iterator[tuple[Any, list[int]]]:
    """Yield the estimators within another one that get columns as they are, with the places of these."""
    for _, part, columns in getattr(estimator, "transformers_", ()):
        chosen = _chosen(columns, places, names)
        if chosen is not None:
            yield part, chosen
    for _, part in getattr(estimator, "transformer_list", ()):
        yield part, places
    for _, part in getattr(estimator, "steps", ()):
        yield part, places
        if not _keeps_columns(part, len(places)):
            break
    yield from ((part, places) for part in _wrapped(estimator))


def _wrapped(estimator: Any) -> Iterator[Any]:
    """Yield the fitted estimators within another one that get the same columns; of a list the first."""
    for attribute in _WRAPPED:
        if hasattr(estimator, attribute):
            yield getattr(estimator, attribute)
    for attribute in _WRAPPED_LISTS:
        parts = getattr(estimator, attribute, None)
        if isinstance(parts, list) and parts and not hasattr(estimator, "estimators_features_"):
            yield getattr(parts[0], "estimator", parts[0])


def _chosen(columns: Any, places: list[int], names: Sequence[str]) -> list[int] | None:
    """Return the places of the columns that a ColumnTransformer gives to one of its parts."""
    here = [names[place] for place in places]
    with suppress(ValueError, IndexError, TypeError):
        if isinstance(columns, str | int):
            columns = [columns]
        if isinstance(columns, slice):
            return places[columns]
        if len(columns) == len(here) and all(isinstance(entry, bool | np.bool_) for entry in columns):
            return [place for place, taken in zip(places, columns, strict=True) if taken]
        return [places[here.index(entry) if isinstance(entry, str) else int(entry)] for entry in columns]
    return None


def _keeps_columns(step: Any, width: int) -> bool:
    """Return whether a step hands on its columns in the same order, with words where there were words."""
    if step is None or step == "passthrough":
        return True
    fills = type(step).__name__ == "SimpleImputer" and not getattr(step, "add_indicator", True)
    return fills and len(getattr(step, "statistics_", ())) == width


def _of_encoder(estimator: Any) -> list[KnownColumn | None]:
    """Return the categories of an encoder's columns; none, which stands for texts, of a vectorizer's."""
    if hasattr(estimator, "build_analyzer"):
        return [KnownColumn(())]
    lists = getattr(estimator, "categories_", None)
    return [_known(values) for values in lists] if isinstance(lists, list) else []


def _known(values: Any, *, by_dtype: bool = False) -> KnownColumn | None:
    categories = [value for value in np.asarray(values).tolist() if not _is_missing(value)]
    if not categories or not all(isinstance(value, str | int | float | bool) for value in categories):
        return None
    blank_is_none = None in np.asarray(values).tolist() and all(isinstance(word, str) for word in categories)
    return KnownColumn(tuple(categories), by_dtype, blank_is_none)


def _is_missing(value: Any) -> bool:
    return value is None or value != value  # noqa: PLR0124 - NaN alone differs from itself


def _of_boosting(estimator: Any) -> list[KnownColumn | None]:
    """Return the categories of the columns that a booster was fitted on as of the dtype `category`."""
    with suppress(Exception):  # somebody else's code, of any version: what it does not tell is not known
        for kind in type(estimator).__mro__:
            read = _BOOSTERS.get(f"{kind.__module__.partition('.')[0]}.{kind.__name__}")
            if read is not None:
                return [
                    None if values is None else _known(values, by_dtype=True) for values in read(estimator)
                ]
    return []


def _of_catboost(estimator: Any) -> list[KnownColumn | None]:
    """Return which columns CatBoost takes for words; it does not list them."""
    if not hasattr(estimator, "get_cat_feature_indices"):
        return []
    places = set(estimator.get_cat_feature_indices())
    return [KnownColumn(None) if place in places else None for place in range(len(estimator.feature_names_))]


def _of_onnx(estimator: Any) -> list[KnownColumn | None]:
    """Return which columns an ONNX graph takes for words; it does not list them."""
    if not isinstance(estimator, OnnxClassifier | OnnxRegressor):
        return []
    types = [each.type for each in estimator.inputs() for _ in range(each.width)]
    return [KnownColumn(None) if kind == WORDS else None for kind in types]


def _of_hist_gradient_boosting(estimator: Any) -> list[Any]:
    if estimator.is_categorical_ is None or estimator.categorical_features != "from_dtype":
        return []
    lists = iter(estimator._preprocessor.named_transformers_["encoder"].categories_)
    return [next(lists) if is_categorical else None for is_categorical in estimator.is_categorical_.tolist()]


def _of_xgboost(estimator: Any) -> list[Any]:
    columns = dict(estimator.get_booster().get_categories(export_to_arrow=True).to_arrow())
    return [None if values is None else values.to_pylist() for values in columns.values()]


def _of_lightgbm(estimator: Any) -> list[Any]:
    booster = estimator.booster_
    lists = dict(zip(booster.params["categorical_column"], booster.pandas_categorical, strict=True))
    return [lists.get(place) for place in range(booster.num_feature())]


_BOOSTERS = {
    "lightgbm.LGBMModel": _of_lightgbm,
    "sklearn.BaseHistGradientBoosting": _of_hist_gradient_boosting,
    "xgboost.XGBModel": _of_xgboost,
}
"""By package and class, what reads the categories of each column; None for a column of numbers."""

"""The signature of a model: its features and its target, as frozen values.

Training makes a signature, the manifest keeps it, and clients read it. It is hashable, so that what is
derived from it can be cached. It states types and ranges; it never checks a value (see
`mlapi.data.rows.reader`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from itertools import product
from math import inf
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["number", "integer", "boolean", "category", "datetime", "text", "image"]
"""What the cells of a column hold."""

Scalar: TypeAlias = str | int | float | bool
"""A value as JSON has it: a category, or the class of a prediction."""

Matrix: TypeAlias = NDArray[np.float64]
"""`(rows, columns)`, float64, C-contiguous; NaN where a value is missing. Each numeric feature is a column.
An image is as many columns as it has pixels times channels: row by row from the top left, channels last."""

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""An array `(rows,)` for each feature, in signature order; a missing value is NaN, or NaT for a datetime."""

Batch: TypeAlias = Matrix | Columns
"""Validated rows: a `Matrix` `(rows, columns)` where every feature is a number or the only one is an image,
else `Columns`, each `(rows,)`."""

_OPTIONAL = frozenset(
    {
        *("format", "fractions", "class_names", "dtype", "ordered"),
        *("width", "height", "channels", "mean", "std"),
    }
)
"""Fields that the JSON of a signature leaves out where they are None; the others are null there."""

NUMERIC: frozenset[Kind] = frozenset({"number", "integer"})
"""The kinds that are columns of a `Matrix`."""

IMAGE: Kind = "image"
"""The kind of an image, and the name of the one feature that has it."""

_MOST_COLUMNS = 256 * 256 * 4
"""The most columns of an image: whatever a client sends is scaled to its size, and takes eight bytes each."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One input of a model.

    `minimum` and `maximum` are the range of the training rows; numbers, images and datetimes have one, the
    last as texts in ISO 8601 without a zone. `categories` are the values of a category that training saw; any
    other value of their type is accepted with a warning.
    `nullable` says that a value may be missing.
    """

    name: str
    kind: Kind = "number"
    nullable: bool = False
    minimum: float | str | None = None
    maximum: float | str | None = None
    categories: tuple[Scalar, ...] | None = None
    format: str | None = None
    """For a datetime: the format of the training file, as `strptime` takes it, read beside ISO 8601."""
    fractions: bool | None = None
    """For an integer: True if a fraction is answered, with a warning, since it is a number to the model; else
    fractions are refused."""
    width: int | None = None
    """For an image: the width in pixels. What a client sends is scaled to the width and height, and its
    values to `minimum` (black) to `maximum` (white)."""
    height: int | None = None
    """For an image: the height in pixels."""
    channels: int | None = None
    """For an image: 1 for grey, 3 for red, green and blue, 4 for these and alpha."""
    mean: tuple[float, ...] | None = None
    """For an image: the mean of each channel, which the network itself subtracts from the values."""
    std: tuple[float, ...] | None = None
    """For an image: the standard deviation of each channel, by which the network then divides them."""
    dtype: str | None = None
    """The dtype of pandas' that the estimator takes, where it is not the usual one of the kind: `int64`. For
    `category`, `categories` are all that the dtype has, in its order; any other value is missing there."""
    ordered: bool | None = None
    """For the dtype `category`: true where its categories are ordered."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.format, str | None):
            raise ValueError(f"feature {self.name!r}: a name or a format that is no text")
        if self.kind not in get_args(Kind):
            raise ValueError(f"feature {self.name!r}: no kind {self.kind!r}")
        self._check_bounds()
        if not isinstance(self.categories, tuple | None) or not all(
            isinstance(category, str | int | float | bool) for category in self.categories or ()
        ):
            raise ValueError(f"feature {self.name!r}: categories that are no words, numbers or flags")
        if not isinstance(self.dtype, str | None) or not isinstance(self.ordered, bool | None):
            raise ValueError(f"feature {self.name!r}: a dtype that is no text, or an order that is no flag")
        if self.kind == IMAGE and not self._is_complete_image():
            raise ValueError(f"feature {self.name!r}: an image without a size, its channels, black or white")

    @property
    def size(self) -> int:
        """How many columns of a `Matrix` this feature takes."""
        return 1 if self.kind != IMAGE else (self.width or 0) * (self.height or 0) * (self.channels or 0)

    @property
    def bounds(self) -> tuple[float, float]:
        """The minimum and the maximum of a number or an image; infinite where there is none."""
        low, high = self.minimum, self.maximum
        return -inf if low is None else float(low), inf if high is None else float(high)

    def _check_bounds(self) -> None:
        bounds = [bound for bound in (self.minimum, self.maximum) if bound is not None]
        if self.kind == "datetime":
            for bound in bounds:
                if not isinstance(bound, str) or datetime.fromisoformat(bound).tzinfo is not None:
                    raise ValueError(f"feature {self.name!r}: a bound that is no time without a zone")
        elif not all(isinstance(bound, int | float) for bound in bounds):
            raise ValueError(f"feature {self.name!r}: a bound that is no number")

    def _is_complete_image(self) -> bool:
        """Return whether all fields of an image are there and sensible."""
        black, white = self.bounds
        return (
            all(type(side) is int and side > 0 for side in (self.width, self.height))
            and self.channels in (1, 3, 4)
            and self.size <= _MOST_COLUMNS
            and self.minimum is not None
            and self.maximum is not None
            and black < white
        )


@dataclass(frozen=True, slots=True)
class Target:
    """What a model predicts."""

    name: str
    kind: Kind
    classes: tuple[Scalar, ...] | None = None
    """For a classifier: all values that it can predict, in the order of its probabilities."""
    class_names: tuple[str, ...] | None = None
    """The names of `classes`, in the same order, where the data set had names for numbers."""


@dataclass(frozen=True, slots=True)
class Signature:
    """The features of a model in their order, its target, and the columns that a row may have in addition."""

    features: tuple[Feature, ...]
    target: Target
    ignored: tuple[str, ...] = ()
    """Columns of the training data that are no features, the target among them: a record may have them."""
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    """The names of the features, in order."""
    known_columns: frozenset[str] = field(init=False, compare=False, repr=False)
    """The names of all columns that a record may have: the features, and those that are ignored."""
    typed: tuple[Feature, ...] = field(init=False, compare=False, repr=False)
    """The features that the estimator takes in another dtype than the usual one of their kind."""
    _types: tuple[type, ...] = field(init=False, repr=False)
    """The types of all categories, for equality: without them (0, 1) would be equal to (False, True)."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = tuple(feature.name for feature in self.features)
        if not names or len(set(names)) != len(names):
            raise ValueError("features: expected at least one, each name once")
        if not all(isinstance(name, str) for name in self.ignored):
            raise ValueError("ignored: expected names")
        if len(names) > 1 and any(feature.kind == IMAGE for feature in self.features):
            raise ValueError("features: an image is the only one")
        types = (type(category) for feature in self.features for category in feature.categories or ())
        object.__setattr__(self, "_types", tuple(types))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "known_columns", frozenset(names) | frozenset(self.ignored))
        typed = tuple(feature for feature in self.features if feature.dtype is not None)
        object.__setattr__(self, "typed", typed)
        # Computed once, because every request looks something up by its model's signature.
        object.__setattr__(self, "_hash", hash((self.features, self.target, self.ignored)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def is_numeric(self) -> bool:
        """Whether a batch for this signature is a `Matrix`."""
        return self.image is not None or all(feature.kind in NUMERIC for feature in self.features)

    @property
    def image(self) -> Feature | None:
        """The feature that is an image, which is then the only one; None for a model of tables."""
        return self.features[0] if self.features[0].kind == IMAGE else None

    @property
    def flat(self) -> tuple[Feature, ...]:
        """The features, with a feature for each number of an image in its place."""
        return self.features if self.image is None else pixel_features(self.image)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of the columns of a `Matrix`."""
        return self.names if self.image is None else tuple(pixel.name for pixel in self.flat)


@lru_cache(64)
def pixel_features(image: Feature) -> tuple[Feature, ...]:
    """Return a feature for each channel of each pixel, in the order of a `Matrix`.

    They are named as scikit-learn's digits are, `pixel_<row>_<column>`; with several channels
    `pixel_<row>_<column>_<channel>`.
    """
    pixels = product(range(image.height or 0), range(image.width or 0))
    names = [f"pixel_{row}_{column}" for row, column in pixels]
    if image.channels != 1:
        names = [f"{name}_{channel}" for name in names for channel in range(image.channels or 0)]
    return tuple(Feature(name, minimum=image.minimum, maximum=image.maximum) for name in names)


def example(signature: Signature) -> list[Scalar | None]:
    """Return a row that the model accepts, for its documentation."""
    return [_example(feature) for feature in signature.features]


def breaking_changes(old: Signature, new: Signature) -> list[str]:
    """List what no longer works for a client of the old signature, a phrase each.

    The list is empty if the new signature accepts all that the old one did. A range that shrinks is no
    breaking change: values outside of it are answered, with a warning.
    """
    known = {feature.name: feature for feature in new.features}
    changes = [change for feature in old.features for change in _narrowing(feature, known.get(feature.name))]
    names = {feature.name for feature in old.features}
    changes += [f"{name} is new, and needed" for name in new.names if name not in names | _nullable(new)]
    if not changes and new.names != old.names:
        changes.append("rows as lists have another length or order")
    if old.target.kind != new.target.kind:
        changes.append(f"the answer is of kind {new.target.kind} instead of {old.target.kind}")
    if old.image and new.image and _is_renumbered(old.target, new.target):
        changes.append("the class numbers of /classify stand for others")
    return changes


def to_json(signature: Signature) -> dict[str, Any]:
    """Return the signature as the manifest and the answers to clients have it; `from_json` reads it."""
    return {
        "features": [_fields(feature) for feature in signature.features],
        "target": _fields(signature.target),
        "ignored": list(signature.ignored),
    }


def from_json(document: Mapping[str, Any]) -> Signature:
    """Read what `to_json` wrote; fields that a later release added are ignored.

    Raises:
        KeyError, TypeError, ValueError: The document is not a signature.
    """
    return Signature(
        features=tuple(_read(Feature, entry) for entry in document["features"]),
        target=_read(Target, document["target"]),
        ignored=tuple(document["ignored"]),
    )


_WIDER: frozenset[tuple[Kind, Kind]] = frozenset({("integer", "number")})
"""Changes of kind that still accept every value of the old one: (old, new)."""


def _narrowing(old: Feature, new: Feature | None) -> Iterator[str]:
    """Yield what the new feature no longer accepts, a phrase each."""
    if new is None:
        yield f"{old.name} is gone"
        return
    if new.kind != old.kind and (old.kind, new.kind) not in _WIDER:
        yield f"{old.name} is of kind {new.kind} instead of {old.kind}"
    if old.kind == IMAGE and _pixel_format(old) != _pixel_format(new):
        yield f"{old.name}, where its pixels are sent as numbers, has others"
    if old.fractions and new.kind == "integer" and not new.fractions:
        yield f"{old.name} takes no fractions any more"
    if old.nullable and not new.nullable:
        yield f"{old.name} may not be blank any more"
    lost = [
        str(category) for category in old.categories or () if category not in (new.categories or (category,))
    ]
    if lost:
        yield f"{old.name} no longer knows {', '.join(lost[:3])}"


def _pixel_format(image: Feature) -> tuple[float | str | None, ...]:
    """Return what a client has to know of a feature to send an image as numbers."""
    return image.height, image.width, image.channels, image.minimum, image.maximum


def _is_renumbered(old: Target, new: Target) -> bool:
    """Return whether a class number stands for another class or name; classes added at the end do no harm."""
    pairs = ((old.classes or (), new.classes or ()), (old.class_names or (), new.class_names or ()))
    return any(after[: len(before)] != before for before, after in pairs)


def _nullable(signature: Signature) -> frozenset[str]:
    return frozenset(feature.name for feature in signature.features if feature.nullable)


def _example(feature: Feature) -> Scalar | None:
    if feature.minimum is not None and feature.kind != IMAGE:
        return feature.minimum
    if feature.categories:
        return feature.categories[0]
    examples: Mapping[Kind, Scalar] = {
        "number": 0,
        "integer": 0,
        "boolean": True,
        "datetime": "2026-01-31",
        "text": "words",
    }
    return examples.get(feature.kind)


def _fields(entry: Feature | Target) -> dict[str, Any]:
    """Return the fields as JSON: those that clients may count on are always there, null where they do not
    apply."""
    values = {name: getattr(entry, name) for name in entry.__slots__}
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in values.items()
        if value is not None or name not in _OPTIONAL
    }


def _read(kind: type[Any], entry: Mapping[str, Any]) -> Any:
    values = {name: entry[name] for name in kind.__slots__ if name in entry}
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    )

"""What goes into a model and what comes out, as plain frozen values.

A signature is made by training, kept in the manifest, shown to clients, and hashable, so that what is
derived from it can be cached by it. It states types and ranges; it never checks a value (see
`mlapi.data.rows.reader`).
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

Kind: TypeAlias = Literal["number", "integer", "boolean", "category", "datetime", "text", "image"]
Scalar: TypeAlias = str | int | float | bool

Matrix: TypeAlias = NDArray[np.float64]
"""(rows, columns), float64, C-contiguous; NaN where a cell is blank. A number is a column, and so is each
channel of each pixel of a picture: row by row from the top left, channels last."""

Columns: TypeAlias = Mapping[str, NDArray[Any]]
"""One array a feature, in signature order; blank is NaN, or NaT for a datetime."""

Batch: TypeAlias = Matrix | Columns
"""Validated rows: a matrix when every feature is a number or the one feature a picture, else columns."""

_OPTIONAL = frozenset({"format", "class_names", "width", "height", "channels", "mean", "std"})

NUMERIC: frozenset[Kind] = frozenset({"number", "integer"})

IMAGE: Kind = "image"

_MOST_COLUMNS = 256 * 256 * 4
"""Of a picture: what clients send is scaled to its size, and takes eight bytes a column."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One input. `minimum` and `maximum` are what training saw; None where no order is kept."""

    name: str
    kind: Kind = "number"
    nullable: bool = False
    minimum: float | None = None
    maximum: float | None = None
    categories: tuple[Scalar, ...] | None = None
    format: str | None = None
    """For a datetime: the form of the training file, as `strptime` takes it, beside ISO 8601."""
    width: int | None = None
    """Of an image, as are all that follow: what a client sends is scaled to this size, and its values to
    `minimum` (black) to `maximum` (white)."""
    height: int | None = None
    channels: int | None = None
    """1: grey, 3: red, green, blue, 4: and alpha."""
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    """By channel: what a network subtracts from the values, and then divides them by."""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not isinstance(self.format, str | None):
            raise ValueError(f"feature {self.name!r}: a name or a format that is no text")
        if self.kind not in get_args(Kind):
            raise ValueError(f"feature {self.name!r}: no kind {self.kind!r}")
        if not all(isinstance(bound, int | float | None) for bound in (self.minimum, self.maximum)):
            raise ValueError(f"feature {self.name!r}: a bound that is no number")
        if not isinstance(self.categories, tuple | None) or not all(
            isinstance(category, str | int | float | bool) for category in self.categories or ()
        ):
            raise ValueError(f"feature {self.name!r}: categories that are no words, numbers or flags")
        if self.kind == IMAGE and not self._is_drawable():
            raise ValueError(f"feature {self.name!r}: an image without a size, its channels, black or white")

    @property
    def size(self) -> int:
        """How many columns of a matrix it takes."""
        return 1 if self.kind != IMAGE else (self.width or 0) * (self.height or 0) * (self.channels or 0)

    def _is_drawable(self) -> bool:
        """Whether a picture can be scaled to it."""
        sides, black, white = (self.width, self.height), self.minimum, self.maximum
        return (
            all(type(side) is int and side > 0 for side in sides)
            and self.channels in (1, 3, 4)
            and self.size <= _MOST_COLUMNS
            and black is not None
            and white is not None
            and black < white
        )


@dataclass(frozen=True, slots=True)
class Target:
    """The output. `class_names` says in words what `classes` are, where the data told."""

    name: str
    kind: Kind
    classes: tuple[Scalar, ...] | None = None
    class_names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Signature:
    """`ignored` are columns that training saw and left out, the target among them."""

    features: tuple[Feature, ...]
    target: Target
    ignored: tuple[str, ...] = ()
    names: tuple[str, ...] = field(init=False, compare=False, repr=False)
    known: frozenset[str] = field(init=False, compare=False, repr=False)
    """All columns: features, and those that are ignored."""
    _types: tuple[type, ...] = field(init=False, repr=False)
    """Of all categories: without them (0, 1) would be equal to (False, True)."""
    _hash: int = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        names = tuple(feature.name for feature in self.features)
        if not names or len(set(names)) != len(names):
            raise ValueError("features: expected at least one, each name once")
        if not all(isinstance(name, str) for name in self.ignored):
            raise ValueError("ignored: expected names")
        if len(names) > 1 and any(feature.kind == IMAGE for feature in self.features):
            raise ValueError("features: an image is the only one")
        types = (type(word) for feature in self.features for word in feature.categories or ())
        object.__setattr__(self, "_types", tuple(types))
        object.__setattr__(self, "names", names)
        object.__setattr__(self, "known", frozenset(names) | frozenset(self.ignored))
        # Once, because every request looks something up by its model's signature.
        object.__setattr__(self, "_hash", hash((self.features, self.target, self.ignored)))

    def __hash__(self) -> int:
        return self._hash

    @property
    def is_numeric(self) -> bool:
        """Whether a batch for this signature is one matrix."""
        return self.image is not None or all(feature.kind in NUMERIC for feature in self.features)

    @property
    def image(self) -> Feature | None:
        """The feature that is a picture."""
        return self.features[0] if self.features[0].kind == IMAGE else None

    @property
    def flat(self) -> tuple[Feature, ...]:
        """The features, a picture as the numbers that its pixels are."""
        return self.features if self.image is None else pixels(self.image)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of a matrix's columns."""
        return self.names if self.image is None else tuple(pixel.name for pixel in self.flat)


@lru_cache(64)
def pixels(image: Feature) -> tuple[Feature, ...]:
    """The numbers that a picture is, named as scikit-learn's digits name theirs."""
    places = product(range(image.height or 0), range(image.width or 0))
    names = [f"pixel_{row}_{column}" for row, column in places]
    if image.channels != 1:
        names = [f"{name}_{channel}" for name in names for channel in range(image.channels or 0)]
    return tuple(Feature(name, minimum=image.minimum, maximum=image.maximum) for name in names)


def example(signature: Signature) -> list[Scalar | None]:
    """A row that the model accepts."""
    return [_example(feature) for feature in signature.features]


def breaking_changes(old: Signature, new: Signature) -> list[str]:
    """What a caller of the old signature would stumble over, in words; empty if all it sends is still taken.

    A range that shrinks is none: values outside are answered, with a warning.
    """
    known = {feature.name: feature for feature in new.features}
    found = [change for feature in old.features for change in _narrowing(feature, known.get(feature.name))]
    names = {feature.name for feature in old.features}
    found += [f"{name} is new, and needed" for name in new.names if name not in names | _nullable(new)]
    if not found and new.names != old.names:
        found.append("rows as lists have another length or order")
    if old.target.kind != new.target.kind:
        found.append(f"the answer is of kind {new.target.kind} instead of {old.target.kind}")
    if old.image and new.image and _is_renumbered(old.target, new.target):
        found.append("the class numbers of /classify stand for others")
    return found


def to_json(signature: Signature) -> dict[str, Any]:
    return {
        "features": [_fields(feature) for feature in signature.features],
        "target": _fields(signature.target),
        "ignored": list(signature.ignored),
    }


def from_json(document: Mapping[str, Any]) -> Signature:
    """Read what `to_json` wrote; fields that a newer writer added are passed over.

    Raises:
        KeyError, TypeError, ValueError: The document is not a signature.
    """
    return Signature(
        features=tuple(_read(Feature, entry) for entry in document["features"]),
        target=_read(Target, document["target"]),
        ignored=tuple(document["ignored"]),
    )


_WIDER: frozenset[tuple[Kind, Kind]] = frozenset({("integer", "number")})
"""Kinds that may become others without refusing what they took."""


def _narrowing(old: Feature, new: Feature | None) -> Iterator[str]:
    if new is None:
        yield f"{old.name} is gone"
        return
    if new.kind != old.kind and (old.kind, new.kind) not in _WIDER:
        yield f"{old.name} is of kind {new.kind} instead of {old.kind}"
    if old.kind == IMAGE and _drawn(old) != _drawn(new):
        yield f"{old.name}, where its pixels are sent as numbers, has others"
    if old.nullable and not new.nullable:
        yield f"{old.name} may not be blank any more"
    lost = [str(word) for word in old.categories or () if word not in (new.categories or (word,))]
    if lost:
        yield f"{old.name} no longer knows {', '.join(lost[:3])}"


def _drawn(image: Feature) -> tuple[float | None, ...]:
    """What it takes to send a picture as numbers."""
    return image.height, image.width, image.channels, image.minimum, image.maximum


def _is_renumbered(old: Target, new: Target) -> bool:
    """Whether a place among the classes, or its name, is another; further ones at the end do no harm."""
    pairs = ((old.classes or (), new.classes or ()), (old.class_names or (), new.class_names or ()))
    return any(after[: len(before)] != before for before, after in pairs)


def _nullable(signature: Signature) -> frozenset[str]:
    return frozenset(feature.name for feature in signature.features if feature.nullable)


def _example(feature: Feature) -> Scalar | None:
    if feature.kind in NUMERIC:
        return 0 if feature.minimum is None else feature.minimum
    if feature.categories:
        return feature.categories[0]
    examples: Mapping[Kind, Scalar] = {"boolean": True, "datetime": "2026-01-31", "text": "words"}
    return examples.get(feature.kind)


def _fields(entry: Feature | Target) -> dict[str, Any]:
    """What clients are promised is always there, null where it does not apply."""
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

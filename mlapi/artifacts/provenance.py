"""Where a version comes from: the member `data` of its manifest, as a value. Touches no disk.

Training writes it, and model cards, jobs and the command read it. Its form grows by members alone: a reader
keeps those that it does not know, and an older manifest that lacks one gets the default.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from types import MappingProxyType, NoneType
from typing import Any

from mlapi.data.signature import Kind


@dataclass(frozen=True, slots=True)
class ColumnRecord:
    """What training decided about one column of a table: its kind (None if it is left out), why, and what the
    pipeline does with its cells."""

    name: str
    kind: Kind | None
    explanation: str
    done: str


@dataclass(frozen=True, slots=True)
class Promotion:
    """Whether the version was to become `production`, why (half a sentence), and in place of which version;
    None if there was none in production.

    The first version of a model became `production` even if `promotes` is False.
    """

    promotes: bool
    reason: str
    over: int | None


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a version comes from: its data, how they were divided, and what was decided about them.

    Of an estimator that was registered only `source`, `sample_rows`, `notes`, `warnings`, `requires` and what
    its file says of itself (`fitted_with`, `libraries`) are set; the rest are defaults.
    """

    source: str = ""
    """A file, a URL without its password, a data set's name, "a DataFrame" or "registered"."""
    sha256: str = ""
    """The digest of the data that was read; equal tables, or pictures, have equal ones. Empty if nothing was
    trained."""
    rows: int = 0
    """How many rows were read; the next three are shares of them."""
    training_rows: int = 0
    validation_rows: int | None = None
    """Only of pictures: those on which a network's training decides when it ends. None of tables."""
    test_rows: int = 0
    test_size: float = 0.0
    """Between 0 and 1, as the recipe has it."""
    seed: int = 0
    split: str = ""
    """How training and test rows were told apart, in words."""
    left_out: tuple[str, ...] = ()
    columns: tuple[ColumnRecord, ...] = ()
    number_styles: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """How 1234.5 is written in each column of numbers of a CSV file: "1.234,5". Files that are predicted are
    read in the same way, where they can be read in two."""
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a reader has to know though nothing is wrong; no end of a sentence is needed."""
    search: str | None = None
    """How algorithm and parameters were chosen, in words; None if they were named."""
    intervals: str = ""
    """What the intervals of the metrics mean, and how they were computed."""
    seconds: float | None = None
    """How long fitting took; of pictures alone, as the next four. A table's version does not depend on it."""
    epochs: int | None = None
    """How many times a network was fitted to each picture; None of other estimators, as the next two."""
    apart: float | None = None
    """How far ONNX Runtime's probabilities are from PyTorch's at most."""
    rounding: float | None = None
    """What rounding the weights to 16 bits changes in a probability at most."""
    machine: str | None = None
    """What the version was fitted on: processor, cores and libraries."""
    sample_rows: int | None = None
    """How many rows the sample has that was registered with an estimator."""
    fitted_with: tuple[str, ...] = ()
    """The versions of scikit-learn that a registered estimator says it was saved with, the oldest first."""
    libraries: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """The packages that a registered estimator names, each with its version where it was registered."""
    requires: tuple[str, ...] = ()
    """What has to be installed where it is served, as pip takes it: "churn-features==1.2"."""
    job: str | None = None
    """The id of the training job that made the version."""
    sent_by: str | None = None
    """The address of the client that sent the job."""
    promotion: Promotion | None = None
    more: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    """Members that another mlapi wrote, or with another type than here: they stay as they are."""

    def to_json(self) -> dict[str, Any]:
        """Return the member `data` of a manifest, in the order of the fields, `more` last.

        A training writes all of its members, also those that are empty or null; of others only those are
        written that are there.
        """
        written = [entry.name for entry in fields(self) if self._writes(entry.name)]
        return {name: _plain(getattr(self, name)) for name in written} | dict(self.more)

    def _writes(self, name: str) -> bool:
        if name in _OF_TRAINING:
            return bool(self.sha256) or bool(getattr(self, name))
        if name in _OF_PICTURES:
            return self.machine is not None
        return name != "more" and getattr(self, name) not in (None, "", (), {})


_OF_TRAINING = frozenset(
    {
        *("rows", "training_rows", "test_rows", "test_size", "seed", "split", "left_out", "columns"),
        *("warnings", "notes", "search", "intervals"),
    }
)
"""What every training writes, whatever it has to say."""

_OF_PICTURES = frozenset({"seconds", "epochs", "apart", "rounding"})
"""What a training on pictures writes besides."""


def from_json(document: Mapping[str, Any]) -> Provenance:
    """Read the member `data` of a manifest, of this mlapi or another.

    Raises nothing: a member that is unknown here, or has another type, is in `more`.
    """
    known: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for name, value in document.items():
        try:
            known[name] = _READERS[name](value)
        except (KeyError, TypeError):
            more[name] = value
    return Provenance(**known, more=MappingProxyType(more))


def _exactly(*kinds: type) -> Callable[[Any], Any]:
    """Return a reader that takes values of these types alone: a bool is no int here."""

    def read(value: Any) -> Any:
        if type(value) not in kinds:
            raise TypeError
        return value

    return read


_text, _count, _list = _exactly(str), _exactly(int), _exactly(list)


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, _list(value)))


def _text_by_text(value: Any) -> Mapping[str, str]:
    return MappingProxyType({_text(key): _text(entry) for key, entry in _exactly(dict)(value).items()})


def _columns(value: Any) -> tuple[ColumnRecord, ...]:
    return tuple(ColumnRecord(**_members(entry, _COLUMN_KEYS)) for entry in _list(value))


def _promotion(value: Any) -> Promotion:
    return Promotion(**_members(value, _PROMOTION_KEYS))


def _members(value: Any, keys: Mapping[str, str]) -> dict[str, Any]:
    """An object's values by the names of fields; TypeError unless it has these keys and no other."""
    if type(value) is not dict or value.keys() != keys.keys():
        raise TypeError
    return {keys[key]: entry for key, entry in value.items()}


_COLUMN_KEYS = {"name": "name", "kind": "kind", "story": "explanation", "done": "done"}
"""The keys in the manifest, and the fields that they fill."""

_PROMOTION_KEYS = {name: name for name in ("promotes", "reason", "over")}

_READERS: Mapping[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("source", "sha256", "split", "intervals", "machine", "job", "sent_by"), _text),
    **dict.fromkeys(("rows", "training_rows", "validation_rows", "test_rows", "seed", "sample_rows"), _count),
    **dict.fromkeys(("test_size", "seconds"), _exactly(int, float)),
    **dict.fromkeys(("apart", "rounding"), _exactly(float, NoneType)),
    **dict.fromkeys(("left_out", "warnings", "notes", "fitted_with", "requires"), _texts),
    **dict.fromkeys(("libraries", "number_styles"), _text_by_text),
    "search": _exactly(str, NoneType),
    "epochs": _exactly(int, NoneType),
    "columns": _columns,
    "promotion": _promotion,
}
"""What makes a field of a member's JSON, or raises TypeError."""


def _plain(value: Any) -> Any:
    """Return a field's value as JSON."""
    if isinstance(value, tuple):
        return [_plain(entry) for entry in value]
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, ColumnRecord):
        return {key: getattr(value, name) for key, name in _COLUMN_KEYS.items()}
    return asdict(value) if isinstance(value, Promotion) else value

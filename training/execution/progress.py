"""What a training tells while it runs, to whoever shows it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from mlapi.estimators.algorithms.declaration import Parameters

if TYPE_CHECKING:
    from mlapi.training.preparation.preparation import Prepared
    from mlapi.training.recipes import Recipe
    from mlapi.training.tables.datasets import Dataset


class Learning(Protocol):
    """How far a network is: `share` of its training, and what it got right of the pictures of this epoch."""

    @property
    def epoch(self) -> int: ...
    @property
    def share(self) -> float: ...
    @property
    def loss(self) -> float: ...
    @property
    def accuracy(self) -> float: ...
    @property
    def pictures_per_second(self) -> float: ...
    @property
    def seconds_left(self) -> float: ...
    @property
    def validation_accuracy(self) -> float | None: ...


@dataclass(frozen=True, slots=True)
class TrialState:
    """How far a comparison or a search is; nothing is best until something has been scored on every fold."""

    done: int
    planned: int
    best_mean: float | None
    best_algorithm: str | None
    best_parameters: Parameters | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One algorithm's score: over the folds; NaN, and `note` says why, where it has none."""

    algorithm: str
    mean: float
    std: float
    seconds: float
    note: str | None


STEPS = ("reading", "choosing", "fitting", "evaluating", "publishing")


class Progress(Protocol):
    def began(self, step: str) -> None:
        """One of `STEPS` begins."""

    def understood(self, recipe: "Recipe", data: "Dataset", prepared: "Prepared") -> None:
        """The table is read, and decided on."""

    def told(self, name: str, sentences: tuple[str, ...]) -> None:
        """The pictures for the model of this name are read, and divided."""

    def learnt(self, state: Learning) -> None:
        """A network has learnt a little more; some times a second."""

    def compared(self, candidates: tuple[Candidate, ...], metric: str) -> None:
        """The algorithms are compared, the best one first."""

    def tried(self, trial: TrialState) -> None:
        """One more choice of parameters has a score."""


class Silent:
    """Shows nothing."""

    def began(self, step: str) -> None: ...
    def understood(self, recipe: "Recipe", data: "Dataset", prepared: "Prepared") -> None: ...
    def told(self, name: str, sentences: tuple[str, ...]) -> None: ...
    def learnt(self, state: Learning) -> None: ...
    def compared(self, candidates: tuple[Candidate, ...], metric: str) -> None: ...
    def tried(self, trial: TrialState) -> None: ...


SILENT = Silent()

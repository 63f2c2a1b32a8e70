"""What a training reports while it runs, as events, to whoever shows it: a terminal, or a job's record.

An event carries words and figures that can be shown as they are: whoever shows them need not know what a
table or a recipe is.
"""

from dataclasses import dataclass
from typing import Protocol

from mlapi.estimators.algorithms.declaration import Parameters


class NetworkState(Protocol):
    """How far a network's training is.

    `share` of the training is done, from 0 to 1. `loss` and `accuracy` are means over the pictures of this
    epoch so far; `validation_accuracy` is that of pictures which the network is not fitted on, None before
    they were asked for the first time.
    """

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
    """How far a comparison or a search is.

    `best_mean` and the two after it are None until a trial has a score on every fold.
    """

    done: int
    planned: int
    best_mean: float | None
    best_algorithm: str | None
    best_parameters: Parameters | None


@dataclass(frozen=True, slots=True)
class Candidate:
    """One algorithm's score: mean and standard deviation over the folds.

    Where it has no score both are NaN, and `note` says why.
    """

    algorithm: str
    mean: float
    std: float
    seconds: float
    note: str | None


@dataclass(frozen=True, slots=True)
class DataDescription:
    """What was read, and what was decided about it: lines to be shown as they are, in this order.

    `columns` has an entry for each column of a table but the target: its name, the kind that it was taken for
    (None: it was left out) and why. It is empty for pictures.
    """

    summary: tuple[str, ...] = ()
    columns: tuple[tuple[str, str | None, str], ...] = ()
    remarks: tuple[str, ...] = ()


STEPS = ("reading", "choosing", "fitting", "evaluating", "publishing")
"""The steps of a training, in order. A training of pictures has no "choosing"."""


class Progress(Protocol):
    """Is called at each event, in the thread that trains: what it raises ends the training."""

    def step_began(self, step: str) -> None:
        """Note that one of `STEPS` begins."""

    def data_described(self, model: str, description: DataDescription) -> None:
        """Note that the data for the model of this name is read and divided."""

    def network_advanced(self, state: NetworkState) -> None:
        """Note how far a network is; comes some times a second."""

    def algorithms_compared(self, candidates: tuple[Candidate, ...], metric: str) -> None:
        """Note that the algorithms are compared by this metric; the best one stands first."""

    def trial_ended(self, state: TrialState) -> None:
        """Note that one more choice of parameters has a score; comes once before the first, too."""


class Silent:
    """Shows nothing; a base for whoever wants some of the events."""

    def step_began(self, step: str) -> None: ...
    def data_described(self, model: str, description: DataDescription) -> None: ...
    def network_advanced(self, state: NetworkState) -> None: ...
    def algorithms_compared(self, candidates: tuple[Candidate, ...], metric: str) -> None: ...
    def trial_ended(self, state: TrialState) -> None: ...


SILENT = Silent()

"""What a training tells while it runs, to whoever shows it."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from training.contest import Tried
    from training.datasets import Table
    from training.preparation import Prepared
    from training.recipes import Recipe
    from training.search import Candidate

STEPS = ("reading", "choosing", "fitting", "evaluating", "publishing")


class Progress(Protocol):
    def began(self, step: str) -> None:
        """One of `STEPS` begins."""

    def understood(self, recipe: "Recipe", data: "Table", prepared: "Prepared") -> None:
        """The table is read, and decided on."""

    def compared(self, candidates: "tuple[Candidate, ...]", metric: str) -> None:
        """The algorithms are compared, the best one first."""

    def tried(self, trial: "Tried") -> None:
        """One more choice of parameters has a score."""


class Silent:
    """Shows nothing."""

    def began(self, step: str) -> None: ...
    def understood(self, recipe: "Recipe", data: "Table", prepared: "Prepared") -> None: ...
    def compared(self, candidates: "tuple[Candidate, ...]", metric: str) -> None: ...
    def tried(self, trial: "Tried") -> None: ...


SILENT = Silent()

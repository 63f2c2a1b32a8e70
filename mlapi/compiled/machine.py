"""What a compiled final estimator is asked, and what it answers.

Knows neither pipelines nor any estimator: `linear.py`, `svm.py` and `trees.py` make machines of those.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mlapi.signature import Matrix


class Unanswered(Exception):
    """The compiled path has no answer to these rows, or none that it is sure of: scikit-learn is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Outputs by scikit-learn's method name, shaped and typed as scikit-learn gives them.

    `doubtful` marks rows whose label hangs on the last digits: scikit-learn is asked for those.
    """

    outputs: dict[str, NDArray[Any]]
    doubtful: NDArray[np.bool_] | None


class Machine(Protocol):
    """A final estimator on a dense float64 matrix, what the preprocessing before it gives.

    It is asked with numpy's warnings off, and raises `Unanswered` for what it is not sure of.
    """

    methods: frozenset[str]

    def answer(self, matrix: Matrix, methods: Collection[str]) -> Answer: ...


Machines: TypeAlias = Mapping[type, Callable[[Any], Machine | None]]
"""By the exact type of a fitted estimator; None for a configuration that is not known."""

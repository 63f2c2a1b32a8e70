"""How the compiler of a final estimator is chosen: by its exact type."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mlapi.inference.compiled.final_estimator import FinalEstimator

Compilers: TypeAlias = Mapping[type, Callable[[Any], FinalEstimator | None]]
"""By the exact type of a fitted estimator, what compiles it; that gives None if it does not know how this one
is set up."""

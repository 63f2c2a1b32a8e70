"""How machines are found: by the exact type of a fitted estimator."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from mlapi.inference.compiled.final_estimator import FinalEstimator

Machines: TypeAlias = Mapping[type, Callable[[Any], FinalEstimator | None]]
"""None for a configuration that is not known."""

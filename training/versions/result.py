"""What a training hands over, of whatever data: a version that is ready to be published, and judged."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import Draft
from mlapi.training.versions.promotion import EvaluationRows


@dataclass(frozen=True, slots=True)
class Result:
    """`files` are those of the version beside its estimator, by name."""

    draft: Draft
    estimator: Any
    answers: Golden
    files: Mapping[str, bytes]
    test: EvaluationRows

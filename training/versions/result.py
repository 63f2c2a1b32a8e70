"""What a training hands over, of whatever data: a version that is ready to be compared and published."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.manifest import Draft
from mlapi.training.versions.promotion import EvaluationRows


@dataclass(frozen=True, slots=True)
class TrainingResult:
    """A version before it is published.

    `golden` has its golden rows, `files` those beside the estimator by name, and `test` the test rows on
    which it is compared with the version in production.
    """

    draft: Draft
    estimator: Any
    golden: Golden
    files: Mapping[str, bytes]
    test: EvaluationRows

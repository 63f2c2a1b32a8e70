"""What a case is, and what can come of it. Knows no estimator and no server."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from compatibility import saving

ROWS = 60
"""The most rows of a request: more than 50, from where batches go another way than a few rows."""

REGISTER = "register"
"""A file and a sample, through the command."""

PUBLISH = "publish"
"""`mlapi.publish`, in the process that fitted the estimator."""


@dataclass(frozen=True)
class Fitted:
    """A fitted estimator, and rows to ask it."""

    estimator: Any
    rows: pd.DataFrame
    """As a client has them: a column for each feature, by name."""
    own: Any = None
    """The same rows as the estimator takes them in its own process; None for the table itself."""
    answers: Mapping[str, Any] = field(default_factory=dict)
    """What is right by the name of the output, where the estimator's methods do not say it."""
    include: tuple[str, ...] = ()
    """The outputs that are asked for beside the prediction, further than probabilities and decisions."""
    sample: Literal["csv", "parquet", "none"] = "csv"
    """How the sample is saved; none where the model has rows of its own beside it."""


@dataclass(frozen=True)
class Case:
    """One model that somebody brings."""

    kind: str
    name: str
    make: Callable[[], Fitted]
    save: Callable[[Fitted, Path], Path] = saving.with_joblib
    """Writes the estimator into a folder, and returns the file or folder that is registered."""
    way: Literal["register", "publish"] = REGISTER
    refusal: str | None = None
    """Where a refusal is right: a regular expression of what its sentence says."""
    may_refuse: str | None = None
    """Where an equal answer is right and a refusal is too: what its sentence says."""
    is_own: bool = False
    """Whether all of it is scikit-learn's own, in a file of this release."""


BEYOND_CSV = r"Parquet|publish"
"""What a refusal says where the sample is CSV, which cannot say what the estimator has to know."""

EQUAL = "equal"
REFUSED = "refused"
WRONG = "wrong"
TRACEBACK = "traceback"
SERVER_ERROR = "5xx"
TOO_SLOW = "too slow"
NOT_MADE = "not made"

OUTCOMES = (EQUAL, REFUSED, WRONG, TRACEBACK, SERVER_ERROR, TOO_SLOW, NOT_MADE)
"""Not made: the estimator cannot be fitted or saved here, which is no fault of the server's."""


@dataclass(frozen=True)
class Outcome:
    """What came of a case."""

    kind: str
    name: str
    outcome: str
    is_right: bool
    """Equal; or refused where that is right, in a sentence that says what the case expects."""
    is_own: bool = False
    message: str = ""
    edits: int = 0
    """How often a refusal named a setting, and the case went on with it."""
    served_by: str = ""
    seconds: float = 0.0

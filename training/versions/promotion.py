"""Whether a version that was just trained becomes `production`."""

from collections.abc import Callable
from typing import Any, NamedTuple

from numpy.typing import NDArray

from mlapi.artifacts.names import PRODUCTION
from mlapi.data.signature import Batch, Signature, breaking_changes
from mlapi.errors import ModelNotFound, ModelUnavailable, VersionNotFound
from mlapi.inference.estimator_calls import in_this_thread
from mlapi.inference.model import Model, estimator_input
from mlapi.registry.registry import Registry
from mlapi.training.evaluation.metrics import evaluate, is_worse
from mlapi.training.recipes import ALWAYS, NEVER
from mlapi.wording import listed, reason


class Verdict(NamedTuple):
    """Whether a version becomes `production`; `reason` says why, in half a sentence.

    The first version of a model becomes `production` even if `promotes` is False.
    """

    promotes: bool
    reason: str


class EvaluationRows(NamedTuple):
    """The test rows of a training, by which the new version is compared with the one in production.

    `rows` makes them a batch `(rows, columns)` for a model of some signature; it raises KeyError or
    ValueError where it cannot. `truth` is their target `(rows,)`, and `score` the new version's metric.
    """

    rows: Callable[[Signature], Batch]
    truth: NDArray[Any]
    task: str
    metric: str
    score: float


def decide_promotion(
    policy: str, *, allow_breaking: bool, new: Signature, test: EvaluationRows, old: Model | None
) -> Verdict:
    """Decide whether a new version becomes `production`.

    Args:
        policy: One of `mlapi.training.recipes.POLICIES`.
        allow_breaking: Whether it may break callers of the version in production.
        new: The signature of the new version.
        test: Its test rows.
        old: What answers for `production` now, None if nothing does.
    """
    if policy == NEVER:
        return Verdict(False, "its recipe says never")
    if old is None:
        return Verdict(True, f"no version answers for `{PRODUCTION}`")
    broken = breaking_changes(old.signature, new)
    if broken and not allow_breaking:
        return Verdict(False, f"it would break callers of version {old.version} ({listed(broken)})")
    if policy == ALWAYS:
        return Verdict(True, "its recipe says always")
    return _compare(test, old)


def in_production(registry: Registry, name: str) -> Model | None:
    """Return the version that answers for `production`, None if none does."""
    try:
        return registry.get(name, PRODUCTION)
    except (ModelNotFound, VersionNotFound, ModelUnavailable):
        return None


def _compare(test: EvaluationRows, old: Model) -> Verdict:
    metric = test.metric
    try:
        rows = estimator_input(old.estimator, old.signature, test.rows(old.signature))
        with in_this_thread():  # a job has no processes to give to an estimator that asks for some
            score = evaluate(test.task, old.estimator, rows, test.truth)[metric]
    except ModelUnavailable as error:
        return Verdict(False, f"version {old.version} cannot be judged ({error})")
    except (
        KeyError,
        ValueError,
        TypeError,
        AttributeError,
    ) as error:  # another task, or rows that it cannot take
        return Verdict(False, f"version {old.version} cannot be judged on the same rows ({reason(error)})")
    comparison = f"{metric} {test.score:.4g} against {score:.4g} of version {old.version}"
    return Verdict(not is_worse(metric, test.score, score), f"{comparison}, on the same held-out rows")

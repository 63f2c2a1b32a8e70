"""Which algorithm, with which parameters: as the recipe says, or the best that comparing and tuning find."""

from dataclasses import dataclass, replace

from mlapi.errors import RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import Parameters
from mlapi.training.execution.engine import Engine
from mlapi.training.execution.progress import Candidate, Progress
from mlapi.training.preparation.features import PipelineFactory
from mlapi.training.preparation.preparation import Prepared
from mlapi.training.preparation.splits import folds, sample
from mlapi.training.recipes import Recipe
from mlapi.training.search import search
from mlapi.training.search.search import SearchResult
from mlapi.training.search.trials import CrossValidation

_COMPARING = 0.5
"""The share of the budget that comparing algorithms may take at most; tuning the best one has the rest."""

_ENDS = {
    "done": "all of them",
    "budget": "until the time was over",
    "interrupt": "until it was stopped by hand",
}
"""By why a search ended: how many of its trials were done, in words."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An algorithm and its parameters: those of the recipe, or the best that a search has found.

    `candidates` are the algorithms that were compared, the best first. `search` says in words how parameters
    were searched, None if they were not; `notes` are parts of sentences.
    """

    algorithm: str
    parameters: Parameters
    candidates: tuple[Candidate, ...] = ()
    search: str | None = None
    notes: tuple[str, ...] = ()


def choose(recipe: Recipe, prepared: Prepared, metric: str, engine: Engine, progress: Progress) -> Choice:
    """Compare the algorithms if the recipe names none, and tune the best one, both within its budget.

    Either uses a sample of the training rows where there are many. Ctrl-C ends both, with the best so far.

    Args:
        metric: What decides which is best.

    Raises:
        RecipeError: Nothing can be fitted.
    """
    budget_s, notes = recipe.budget_s, list[str]()
    if recipe.algorithm is None:
        validation = _cross_validation(recipe, prepared, metric, search.MOST_COMPARED_ROWS)
        compared = search.compare(
            validation, engine, budget_s=_COMPARING * budget_s, progress=progress.trial_ended
        )
        progress.algorithms_compared(compared.candidates, metric)
        budget_s = 0.0 if compared.stopped == "interrupt" else budget_s - compared.seconds
        notes += _sampled(compared.rows, prepared, "compared")
        best = ALGORITHMS[compared.candidates[0].algorithm]
        choice = Choice(best.name, best.start_for(prepared.task), compared.candidates)
    else:
        choice = Choice(recipe.algorithm, recipe.parameters)
    algorithm = ALGORITHMS[choice.algorithm]
    if budget_s > 0 and algorithm.search:
        validation = _cross_validation(recipe, prepared, metric, search.MOST_SEARCHED_ROWS)
        tuned = search.tune(
            validation,
            engine,
            algorithm,
            recipe.parameters,
            seed=recipe.seed,
            budget_s=budget_s,
            progress=progress.trial_ended,
        )
        notes += _sampled(len(validation.y), prepared, "tuned")
        choice = replace(choice, parameters=tuned.parameters, search=_explanation(tuned, metric))
    parameters, note = algorithm.at_scale(choice.parameters, len(prepared.train.y))
    return replace(choice, parameters=parameters, notes=(*notes, *([note] if note else [])))


def pipeline_factory(recipe: Recipe, prepared: Prepared) -> PipelineFactory:
    """Return what makes pipelines for the training rows, of any algorithm."""
    return PipelineFactory(
        prepared.task, prepared.used_columns, len(prepared.train.y), recipe.seed, recipe.expansion
    )


def _cross_validation(recipe: Recipe, prepared: Prepared, metric: str, most_rows: int) -> CrossValidation:
    train = prepared.train
    sampled = train.take(sample(train.keys, most_rows)) if len(train.y) > most_rows else train
    splits = folds(sampled.keys)
    if not splits:
        raise RecipeError("too few rows to compare or tune anything; name an algorithm and --budget 0")
    return CrossValidation(
        task=prepared.task,
        X=prepared.pipeline_input(sampled),
        y=sampled.y,
        folds=splits,
        metric=metric,
        build=pipeline_factory(recipe, prepared).pipeline,
        rows=len(train.y),
    )


def _sampled(rows: int, prepared: Prepared, what: str) -> list[str]:
    if rows == len(prepared.train.y):
        return []
    return [f"{what} on a sample of {rows:,} of the {len(prepared.train.y):,} training rows"]


def _explanation(tuned: SearchResult, metric: str) -> str:
    failed = f", {tuned.trials_failed} could not be fitted" if tuned.trials_failed else ""
    return (
        f"random search over {tuned.trials_done} of {tuned.trials_planned} choices of parameters in "
        f"{tuned.seconds:.0f} s ({_ENDS[tuned.stopped]}{failed}); the best has a cross-validated {metric} "
        f"of {tuned.mean:.4g}"
    )

"""The model card of a version that was trained on a table: its content, by what training knows."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from mlapi.artifacts.manifest import Draft, library_versions
from mlapi.training.cards.report import CardContent, ColumnSummary, report, sentence
from mlapi.training.preparation.columns import Column
from mlapi.training.recipes import Recipe
from mlapi.training.workflows.fitting import TableFit


def card(recipe: Recipe, draft: Draft, fitted: TableFit, example: Mapping[str, Any]) -> bytes:
    """Return the content of report.html.

    Args:
        example: A row as a client sends it, for the card's example of a request; empty for pictures.
    """
    dataset, prepared, choice, assessment = fitted.dataset, fitted.prepared, fitted.choice, fitted.assessment
    target, provenance = prepared.signature.target, draft.provenance
    return report(
        CardContent(
            name=draft.name,
            algorithm=draft.algorithm,
            task=draft.task,
            target=prepared.target,
            trained_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
            source=dataset.source,
            sha256=provenance.sha256,
            rows=len(dataset.target),
            training_rows=len(prepared.train.y),
            test_rows=len(prepared.test.y),
            split=sentence(prepared.train.keys.explanation),
            seed=recipe.seed,
            metrics=draft.metrics,
            primary=fitted.metric,
            intervals=assessment.intervals,
            answers=assessment.answers,
            columns=list(map(_summary, prepared.columns)),
            left_out=list(map(sentence, prepared.left_out)),
            warnings=list(map(sentence, prepared.warnings)),
            notes=list(map(sentence, provenance.notes)),
            parameters=draft.parameters,
            search=choice.search and sentence(choice.search),
            candidates=choice.candidates,
            recipe=_shown(draft.recipe, dataset.source),
            calibration=assessment.calibration,
            importance=assessment.importance,
            learning_curve=assessment.learning_curve,
            example=example,
            environment=library_versions(),
            class_names=target.class_names,
        )
    )


def _shown(recipe: Mapping[str, Any], source: str) -> Mapping[str, Any]:
    """Return the recipe without the path of the data: clients read the card."""
    return {**recipe, "data": source} if "data" in recipe else recipe


def _summary(column: Column) -> ColumnSummary:
    treatment = column.treatment_in_words
    words = f"{column.explanation}: {treatment}" if treatment else column.explanation
    return ColumnSummary(column.name, column.kind or "left out", sentence(words))

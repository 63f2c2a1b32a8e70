"""Tables of generated columns of every kind, as CSV files; and models that are trained on them."""

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.random import Generator

from mlapi.artifacts.manifest import Draft, make_manifest
from mlapi.artifacts.provenance import Provenance
from mlapi.inference.compiling import compile_pipeline
from mlapi.inference.model import Model, model_of
from mlapi.training.preparation.features import pipeline_input
from mlapi.training.preparation.preparation import Prepared, prepare
from mlapi.training.recipes import make_recipe, to_json
from mlapi.training.search.choice import pipeline_factory
from mlapi.training.workflows.sources import load
from mlapi.training.workflows.table_version import number_styles

Texts = list[str]

_NOUNS = ("film", "plot", "day", "song", "meal", "größe", "naïve", "C++", "don't", "x,y", 'a "b"')


def _chosen(*words: str) -> Callable[[Generator, int], Texts]:
    return lambda random, rows: [words[place] for place in random.integers(0, len(words), rows)]


def _sentences(random: Generator, rows: int) -> Texts:
    return [" ".join(random.choice(_NOUNS, random.integers(3, 9))) for _ in range(rows)]


def _days(random: Generator, rows: int) -> Texts:
    days = np.datetime64("2021-01-01") + random.integers(0, 900, rows)
    return [str(day) for day in days]


def _moments(random: Generator, rows: int) -> Texts:
    moments = np.datetime64("2023-03-01T00:00:00") + random.integers(0, 10_000_000, rows)
    return [str(moment) for moment in moments]


def _many_words(random: Generator, rows: int) -> Texts:
    return [f"w{place}" for place in random.integers(0, 2 + rows // 3, rows)]


KINDS: Mapping[str, Callable[[Generator, int], Texts]] = {
    "numbers": lambda random, rows: [repr(value) for value in random.normal(0, 3, rows).round(3).tolist()],
    "large numbers": lambda random, rows: [f"{value:.1f}" for value in random.lognormal(20, 2, rows)],
    "tiny numbers": lambda random, rows: [f"{value:.3e}" for value in random.lognormal(-20, 2, rows)],
    "whole numbers": lambda random, rows: list(map(str, random.integers(-500, 5000, rows).tolist())),
    "whole numbers with a point": lambda random, rows: [
        f"{value}.0" for value in random.integers(9, 99, rows)
    ],
    "few whole numbers": lambda random, rows: list(map(str, random.integers(1, 4, rows).tolist())),
    "flags": _chosen("true", "false"),
    "yes or no": _chosen("yes", "no"),
    "zero or one": _chosen("0", "1"),
    "words": _chosen("red", "green", "blue"),
    "awkward words": _chosen("a,b", 'say "x"', "größe", "C#", "N.Y.", "-"),
    "many words": _many_words,
    "codes": _chosen("01067", "10115", "20095"),
    "days": _days,
    "moments": _moments,
    "texts": _sentences,
}
"""What a column can be: so many cells of it."""

TARGETS: Mapping[str, tuple[Callable[[Generator, int], Texts], str]] = {
    "number": (KINDS["numbers"], "linear_regression"),
    "classes": (_chosen("low", "mid", "high"), "logistic_regression"),
    "two classes": (_chosen("1", "0"), "decision_tree"),
}
"""What the target can be, and the quick algorithm that learns it."""

TARGET = "the target"


@dataclass(frozen=True)
class Trained:
    """A model of a table, and what is right for each of its rows."""

    models: tuple[Model, ...]
    """One for each path that can answer: compiled where it can be, and the estimator itself."""
    prepared: Prepared
    rows: pd.DataFrame
    """(rows, features): as training reads the file, in its order."""
    right: np.ndarray[Any, Any]
    """(rows,): the pipeline's own answers to them."""
    draft: Draft
    pipeline: Any

    @property
    def records(self) -> list[dict[str, Any]]:
        """The rows as a client sends them."""
        columns = {name: list(map(_cell, self.rows[name].tolist())) for name in self.rows}
        return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def write(file: Path, kinds: Sequence[str], target: str, seed: int, *, rows: int, gaps: float = 0.0) -> None:
    """Write a table that is the same for the same seed; `gaps` is the share of cells that are blank."""
    random = np.random.default_rng(seed)
    columns = {f"{kind} {place}": KINDS[kind](random, rows) for place, kind in enumerate(kinds)}
    for cells in columns.values():
        for row in np.flatnonzero(random.random(rows) < gaps):
            cells[row] = ""
    columns[TARGET] = TARGETS[target][0](random, rows)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def train(file: Path, target: str, **options: Any) -> Trained:
    """Train on a file by the steps that every training takes, without the card and its figures."""
    algorithm = TARGETS[target][1]
    recipe = make_recipe("table", {"data": str(file), "target": TARGET, "algorithm": algorithm, **options})
    dataset = load(recipe)
    prepared = prepare(recipe, dataset)
    pipeline = pipeline_factory(recipe, prepared).pipeline(str(recipe.algorithm), {})
    pipeline.fit(prepared.pipeline_input(prepared.train), prepared.train.y)
    rows = pd.concat([prepared.train.frame, prepared.test.frame]).sort_index()
    draft = Draft(
        name="table",
        algorithm=str(recipe.algorithm),
        task=prepared.task,
        signature=prepared.signature,
        parameters={},
        metrics={},
        data=Provenance(number_styles=number_styles(dataset, prepared.columns)).to_json(),
        recipe=to_json(recipe),
    )
    model = model_of(make_manifest(draft, 1, {}, 1e-9), pipeline)
    compiled = compile_pipeline(pipeline, prepared.signature.columns)
    models = (model,) if compiled is None else (model.with_pipeline(compiled), model)
    right = pipeline.predict(pipeline_input(rows, prepared.used_columns))
    return Trained(models, prepared, rows, right, draft, pipeline)


def _cell(value: Any) -> Any:
    """Return a cell as JSON has it: blank is null, days and times are texts."""
    if value is None or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return None
    return value.isoformat() if isinstance(value, pd.Timestamp) else value

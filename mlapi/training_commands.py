"""The commands that train: the one place that imports training/."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from mlapi.names import PRODUCTION
from mlapi.settings import load_settings
from mlapi.terminal import changes_of, stderr, stdout, table

if TYPE_CHECKING:
    from mlapi.changes import Changes
    from mlapi.snapshot import Snapshot
    from training.recipes import Recipe


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--missing", is_flag=True, help="Only the recipes that have no version that serves.")
@click.option("--breaking", is_flag=True, help="Promote also what callers of the old version stumble over.")
def train(names: tuple[str, ...], missing: bool, breaking: bool) -> None:
    """Train the recipes of config/models.toml: all of them, or the named ones.

    A new version becomes `production` if it is not worse there than the one before: see docs/training.md.
    """
    settings = load_settings()
    from training.recipes import load_recipes, select

    recipes = select(load_recipes(), names)
    changes = changes_of(settings, eager=missing)
    if missing:
        snapshot = changes.registry.snapshot
        recipes = [recipe for recipe in recipes if not _has_version(snapshot, recipe.name)]
    if recipes:
        _train(recipes, changes, breaking)
    _tell_unpromoted(changes.registry.snapshot)


def _has_version(snapshot: "Snapshot", name: str) -> bool:
    return name in snapshot.models and snapshot.models[name].latest is not None


def _train(recipes: "list[Recipe]", changes: "Changes", breaking: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from training.workflow import STEPS, train

    rows = table("model", "version", "rows", "metrics on held-out rows", "seconds")
    verdicts = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
            steps = bar.add_task("training", total=len(recipes) * len(STEPS))
            for recipe in recipes:

                def begin(step: str, name: str = recipe.name) -> None:
                    bar.update(steps, description=f"{name}: {step}", advance=1)

                manifest, seconds, verdict = train(recipe, changes, begin, allow_breaking=breaking)
                if verdict is not None:
                    told = "promoted" if verdict.promotes else "not promoted"
                    verdicts.append(f"{recipe.name}: version {manifest.version} is {told}: {verdict.reason}.")
                rows.add_row(
                    manifest.name,
                    str(manifest.version),
                    f"{manifest.data['training_rows']} + {manifest.data['test_rows']}",
                    ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items()),
                    f"{seconds:.2f}",
                )
    finally:  # what was published before one failed is told too
        if rows.row_count:
            stdout.print(rows)
        for line in verdicts:
            stdout.print(line, soft_wrap=True)


def _tell_unpromoted(snapshot: "Snapshot") -> None:
    """Where a request without a version gets no answer, though a version could give one."""
    for record in snapshot.models.values():
        production = record.aliases.get(PRODUCTION)
        if production and record.answering(PRODUCTION) is None and record.latest is not None:
            stdout.print(
                f"{record.name}: `{PRODUCTION}` is version {production.version}, which does not serve, until "
                f"`mlapi promote {record.name} {record.latest}`.",
                soft_wrap=True,
            )


@click.command()
@click.argument("name")
@click.argument("estimator", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    required=True,
    help="A CSV file with a header and some rows of features, without the target.",
)
def register(name: str, estimator: Path, sample: Path) -> None:
    """Publish your own fitted estimator, a joblib or pickle file, as the next version of a model.

    The file is loaded once every class that it names is allowed (the setting allowed_classes): loading
    runs what those do.
    """
    changes = changes_of(load_settings())
    from training.registration import register as publish

    manifest = publish(name, estimator, sample, changes)
    stdout.print(f"{manifest.name} version {manifest.version}: {manifest.algorithm}, {manifest.task}")

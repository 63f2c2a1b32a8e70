"""The `mlapi` command: what an operator and a data person type. The one place that imports training/.

A mistake of the user is one line and an exit status of 1, or of 2 for wrong usage; a traceback is a defect
of ours.
"""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from mlapi.errors import MlapiError
from mlapi.names import PRODUCTION, is_alias
from mlapi.settings import Settings, load_settings, settings_rows

if TYPE_CHECKING:
    from mlapi.registry import Registry
    from mlapi.snapshot import ModelRecord, Snapshot
    from training.recipes import Recipe

# The commands import what they need when they run: scikit-learn costs a second, `--help` should not.

# No markup: what is shown is people's own words, brackets included.
stdout = Console(markup=False, emoji=False, highlight=False)
stderr = Console(stderr=True, markup=False, emoji=False, highlight=False)


class WrongUsage(click.ClickException):
    exit_code = click.UsageError.exit_code


class Commands(click.Group):
    """Turns what a user can mend into one line."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        with _one_line():
            return super().parse_args(context, args)

    def invoke(self, context: click.Context) -> Any:
        with _one_line():
            return super().invoke(context)


@contextmanager
def _one_line() -> Iterator[None]:
    try:
        yield
    except click.exceptions.NoArgsIsHelpError:
        raise
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mlapi"
        raise WrongUsage(f"{error.format_message()} See `{command} --help`.") from error
    except MlapiError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(installed("mlapi"), prog_name="mlapi")
def main() -> None:
    """Train scikit-learn models into versioned artifacts and serve them over HTTP.

    Settings come from config/mlapi.toml and from MLAPI_* variables: see `mlapi settings`.
    """
    # A command says what matters itself; the server's log has its own configuration.
    logging.getLogger("mlapi").addHandler(logging.NullHandler())


@main.command()
@click.option("--models-dir", type=click.Path(path_type=Path), help="Serve this folder of models.")
@click.option("--host", help="Listen on this address.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Listen on this port.")
@click.option("--workers", type=click.IntRange(1, 256), help="Serve with this many processes.")
def serve(**given: Any) -> None:
    """Serve the models under gunicorn until SIGTERM or Ctrl-C."""
    settings = replace(load_settings(), **{name: value for name, value in given.items() if value})
    from mlapi.server import Server

    Server(settings).run()


@main.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--missing", is_flag=True, help="Only the recipes that have no version that serves.")
def train(names: tuple[str, ...], missing: bool) -> None:
    """Train the recipes of config/models.toml: all of them, or the named ones."""
    settings = load_settings()
    from training.recipes import load_recipes, select

    recipes = select(load_recipes(), names)
    registry = _registry(settings)
    if missing:
        snapshot = registry.snapshot
        recipes = [recipe for recipe in recipes if not _has_version(snapshot, recipe.name)]
    if recipes:
        _train(recipes, settings)
        registry.refresh()
    _tell_unpromoted(registry.snapshot, {recipe.name for recipe in recipes})


def _has_version(snapshot: "Snapshot", name: str) -> bool:
    return name in snapshot.models and snapshot.models[name].latest is not None


def _train(recipes: "list[Recipe]", settings: Settings) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from training.workflow import STEPS, train

    table = _table("model", "version", "rows", "metrics on held-out rows", "seconds")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    try:
        with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as bar:
            steps = bar.add_task("training", total=len(recipes) * len(STEPS))
            for recipe in recipes:

                def begin(step: str, name: str = recipe.name) -> None:
                    bar.update(steps, description=f"{name}: {step}", advance=1)

                manifest, seconds = train(recipe, settings.models_dir, begin)
                table.add_row(
                    manifest.name,
                    str(manifest.version),
                    f"{manifest.data['training_rows']} + {manifest.data['test_rows']}",
                    ", ".join(f"{name} {value:.4g}" for name, value in manifest.metrics.items()),
                    f"{seconds:.2f}",
                )
    finally:  # what was published before one failed is told too
        if table.row_count:
            stdout.print(table)


def _tell_unpromoted(snapshot: "Snapshot", trained: set[str]) -> None:
    """Where a request without a version does not get the latest one, though it might expect to."""
    for record in snapshot.models.values():
        production = record.aliases.get(PRODUCTION)
        if production is None or record.latest in (None, production):
            continue
        if record.name in trained or record.name not in snapshot.serving:
            stdout.print(
                f"{record.name}: `{PRODUCTION}` is version {production} until "
                f"`mlapi promote {record.name} {record.latest}`.",
                soft_wrap=True,
            )


@main.command()
def models() -> None:
    """List the models, their versions and aliases."""
    snapshot = _registry(load_settings(), eager=False).snapshot
    if snapshot.problem:
        raise click.ClickException(snapshot.problem)
    table = _table("model", "algorithm", "versions", "latest", "aliases")
    for record in snapshot.models.values():
        table.add_row(
            record.name,
            record.algorithm or "?",
            ", ".join(map(str, record.numbers)),
            str(record.latest or "-"),
            ", ".join(f"{alias} = {number}" for alias, number in record.aliases.items()),
        )
    stdout.print(table)


@main.command()
@click.argument("name")
@click.argument("rows", type=click.Path(path_type=Path))
@click.option("--ref", help="A version or an alias.")
@click.option("--include", multiple=True, help="`probabilities` or `decision`, repeatable.")
def predict(name: str, rows: Path, ref: str | None, include: tuple[str, ...]) -> None:
    """Answer the rows of a CSV file, without a server: the predictions as CSV."""
    settings = load_settings()
    from mlapi.offline import predict_csv

    model = _registry(settings, eager=False).get(name, ref)
    for line in predict_csv(model, rows, include, warn=lambda text: click.echo(text, err=True)):
        click.echo(line, nl=False)


@main.command()
@click.argument("name")
@click.argument("estimator", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    required=True,
    help="A CSV file with a header and some rows of features, without the target.",
)
def register(name: str, estimator: Path, sample: Path) -> None:
    """Publish your own fitted estimator, a joblib file, as the next version of a model.

    Loading the file runs whatever is in it: register only what you trust like your own code.
    """
    settings = load_settings()
    from training.registration import register as publish

    manifest = publish(name, estimator, sample, settings.models_dir)
    stdout.print(f"{manifest.name} version {manifest.version}: {manifest.algorithm}, {manifest.task}")


@main.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--alias", default=PRODUCTION, show_default=True)
def promote(name: str, version: int, alias: str) -> None:
    """Let an alias name this version; running servers follow within seconds."""
    if not is_alias(alias):
        raise click.ClickException(f"no alias can be called {alias!r}")
    settings = load_settings()
    from mlapi.aliases import set_alias

    registry = _registry(settings, eager=False)
    registry.get(name, str(version))  # raises unless it is there and serves
    set_alias(registry.home(name), alias, version)
    stdout.print(f"{name}: {alias} = {version}")


@main.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Check and load every version; exit status 1 if one is broken."""
    settings = load_settings()
    registry = _registry(settings, eager=False)
    snapshot = registry.snapshot
    if snapshot.problem:
        raise click.ClickException(snapshot.problem)
    records = [snapshot.record(name)] if name else list(snapshot.models.values())
    table = _table("model", "version", "status")
    broken = 0
    for record in records:
        for number, reason in _verdicts(registry, record):
            broken += reason is not None
            table.add_row(record.name, number, reason or "ok")
    stdout.print(table)
    if broken:
        raise click.ClickException(f"{broken} broken")


def _verdicts(registry: "Registry", record: "ModelRecord") -> Iterator[tuple[str, str | None]]:
    if record.problem:
        yield "-", record.problem
    for number in record.numbers:
        try:
            registry.get(record.name, str(number))
        except MlapiError as error:
            yield str(number), str(error)
        else:
            yield str(number), None


@main.command()
def settings() -> None:
    """Show every setting, its value, and where the value comes from."""
    table = _table("setting", "value", "source", "what for")
    for row in settings_rows():
        table.add_row(row.name, "" if row.value is None else str(row.value), row.source, row.help)
    stdout.print(table)


def _registry(settings: Settings, *, eager: bool = True) -> "Registry":
    from mlapi.registry import Registry

    return Registry(
        settings.models_dir,
        poll_s=settings.models_poll_s,
        loaded_versions=settings.loaded_versions,
        eager=eager,
    )


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    return table


if __name__ == "__main__":
    sys.exit(main())

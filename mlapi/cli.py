"""The `mlapi` command: what an operator and a data person type. The one place that imports training/.

A mistake of the user is one line and an exit status of 1, or of 2 for wrong usage; a traceback is a defect
of ours.
"""

import getpass
import logging
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version as installed
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from mlapi.errors import MlapiError
from mlapi.names import PRODUCTION
from mlapi.settings import Settings, load_settings, settings_rows

if TYPE_CHECKING:
    from mlapi.changes import Changes
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
@click.option("--models-dir", help="Serve the models of this folder or URL.")
@click.option("--host", help="Listen on this address.")
@click.option("--port", type=click.IntRange(1, 65_535), help="Listen on this port.")
@click.option("--workers", type=click.IntRange(1, 256), help="Serve with this many processes.")
def serve(**given: Any) -> None:
    """Serve the models under gunicorn until SIGTERM or Ctrl-C."""
    settings = load_settings(options={name: value for name, value in given.items() if value is not None})
    from mlapi.server import Server

    Server(settings).run()


@main.command()
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
    changes = _changes(settings, eager=missing)
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

    table = _table("model", "version", "rows", "metrics on held-out rows", "seconds")
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
            ", ".join(f"{alias} = {entry.version}" for alias, entry in record.aliases.items()),
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
    """Publish your own fitted estimator, a joblib or pickle file, as the next version of a model.

    The file is loaded once every class that it names is allowed (the setting allowed_classes): loading
    runs what those do.
    """
    changes = _changes(load_settings())
    from training.registration import register as publish

    manifest = publish(name, estimator, sample, changes)
    stdout.print(f"{manifest.name} version {manifest.version}: {manifest.algorithm}, {manifest.task}")


@main.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--alias", default=PRODUCTION, show_default=True)
def promote(name: str, version: int, alias: str) -> None:
    """Let an alias name this version; running servers follow within seconds."""
    changes = _changes(load_settings())
    changes.promote(name, version, alias)
    stdout.print(f"{name}: {alias} = {version}")


@main.command()
@click.argument("name")
@click.option("--alias", default=PRODUCTION, show_default=True)
def rollback(name: str, alias: str) -> None:
    """Let an alias name the version that it held before; running servers follow within seconds."""
    old, new = _changes(load_settings()).roll_back(name, alias)
    stdout.print(f"{name}: {alias} = {new} (was {old})")


@main.command()
@click.option("--keep", type=click.IntRange(1), required=True, help="Of each model, keep this many.")
def gc(keep: int) -> None:
    """Delete old versions that no alias names or has just held, and what crashes left behind."""
    deleted = _changes(load_settings()).collect(keep)
    for name, version in deleted:
        stdout.print(f"{name}: version {version} is deleted")
    stdout.print(f"{len(deleted)} deleted")


@main.group(cls=Commands)
def keys() -> None:
    """The keys that say who published a version."""


@keys.command()
@click.option("--replace", "replaces", is_flag=True, help="Make another; the old one stays trusted.")
def create(replaces: bool) -> None:
    """Make the key that this machine signs with, and print its public half.

    Who serves what this machine trains sets it in `trusted_keys`.
    """
    settings = load_settings()
    from mlapi.keys import create_key

    click.echo(create_key(settings.state_dir, replace=replaces).public)


@keys.command("list")
def list_keys() -> None:
    """Show the public keys whose versions are served here."""
    settings = load_settings()
    from mlapi.trust import trust_of

    table = _table("id", "key")
    for id_, key in trust_of(settings).keys.items():
        table.add_row(id_, str(key))
    stdout.print(table)


@main.command()
@click.argument("name", required=False)
def verify(name: str | None) -> None:
    """Check and load every version, and answer its golden rows; exit status 1 if one is broken."""
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
    for trouble in record.troubles:
        yield "-", trouble
    for number in record.numbers:
        try:
            registry.verify(record.name, number)
        except MlapiError as error:
            yield str(number), str(error)
        else:
            yield str(number), None


@main.command()
def settings() -> None:
    """Show every setting, its value, and where the value comes from."""
    table = _table("setting", "value", "source", "what for")
    for row in settings_rows():
        value = ", ".join(row.value) if isinstance(row.value, tuple) else row.value
        table.add_row(row.name, "" if value is None else str(value), row.source, row.help)
    stdout.print(table)


def _registry(settings: Settings, *, eager: bool) -> "Registry":
    from mlapi.registry import open_registry

    return open_registry(settings, eager=eager)


def _changes(settings: Settings, *, eager: bool = False) -> "Changes":
    from mlapi.changes import open_changes

    return open_changes(settings, _who(), eager=eager)


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"


def _table(*columns: str) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        table.add_column(column, overflow="fold")
    return table


if __name__ == "__main__":
    sys.exit(main())

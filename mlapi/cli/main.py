"""The `mlapi` command: what an operator and a data person type.

A mistake of the user is one line and an exit status of 1, or of 2 for wrong usage; a traceback is a defect
of ours.
"""

import logging
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlapi import __version__
from mlapi.artifacts.names import PRODUCTION
from mlapi.cli.jobs import jobs
from mlapi.cli.terminal import (
    Commands,
    changes_as_user,
    csv_options,
    open_changes_as_user,
    registry_of,
    show_waiting,
    stderr,
    stdout,
    table,
    write,
)
from mlapi.cli.training import card, register, train
from mlapi.errors import MlapiError
from mlapi.settings import load_settings, settings_rows

if TYPE_CHECKING:
    from mlapi.registry.changes import Changes
    from mlapi.registry.snapshot import ModelRecord

# The commands import what they need when they run: scikit-learn costs a second, `--help` should not.


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mlapi")
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
def serve(**options: Any) -> None:
    """Serve the models under gunicorn until SIGTERM or Ctrl-C."""
    settings = load_settings(options={name: value for name, value in options.items() if value is not None})
    from mlapi.server.gunicorn_app import GunicornServer

    GunicornServer(settings).run()


@main.command()
def models() -> None:
    """List the models, their versions and aliases."""
    snapshot = registry_of(load_settings()).current_snapshot()
    if snapshot.problem:
        raise click.ClickException(snapshot.problem)
    rows = table("model", "algorithm", "versions", "latest", "aliases")
    for record in snapshot.models.values():
        rows.add_row(
            record.name,
            record.algorithm or "?",
            ", ".join(map(str, record.numbers)),
            str(record.latest or "-"),
            ", ".join(f"{alias} = {entry.version}" for alias, entry in record.aliases.items()),
        )
    stdout.print(rows)


@main.command()
@click.argument("name")
@click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option("--ref", help="A version or an alias.")
@click.option("--include", multiple=True, help="`probabilities`, `decision` or `names`, repeatable.")
@csv_options
def predict(
    name: str, files: tuple[Path, ...], ref: str | None, include: tuple[str, ...], **options: Any
) -> None:
    """Answer the rows of a CSV or Parquet file, or pictures and folders of them, without a server: as CSV."""
    settings = load_settings()
    from mlapi.data.tables.dialects import CsvOptions
    from mlapi.inference.scoring import predict_images, predict_table

    model = registry_of(settings).get(name, ref)
    image = model.signature.image
    warn = partial(stderr.print, soft_wrap=True)
    if image is not None and not any(file.suffix.lower() in (".csv", ".parquet") for file in files):
        lines = predict_images(model, image, files, include, settings.max_pixels, warn)
    elif len(files) > 1:
        raise click.UsageError(f"model {name!r} takes rows: one file at a time, and nothing beside it")
    else:
        lines = predict_table(model, files[0], include, warn, CsvOptions(**options))
    for line in lines:
        write(line)


@main.command()
@click.argument("name")
@click.argument("version", type=click.IntRange(1))
@click.option("--alias", default=PRODUCTION, show_default=True)
def promote(name: str, version: int, alias: str) -> None:
    """Let an alias name this version; running servers follow within seconds."""
    changes = open_changes_as_user(load_settings())
    changes.promote(name, version, alias)
    stdout.print(f"{name}: {alias} = {version}")


@main.command()
@click.argument("name")
@click.option("--alias", default=PRODUCTION, show_default=True)
def rollback(name: str, alias: str) -> None:
    """Let an alias name the version that it held before; running servers follow within seconds."""
    old, new = open_changes_as_user(load_settings()).roll_back(name, alias)
    stdout.print(f"{name}: {alias} = {new} (was {old})")


@main.command()
@click.option("--keep", type=click.IntRange(1), required=True, help="Of each model, keep this many.")
def gc(keep: int) -> None:
    """Delete old versions that no alias names or has just held, and what crashes left behind."""
    deleted = open_changes_as_user(load_settings()).collect(keep)
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
    from mlapi.artifacts.keys import create_key

    show_waiting()
    write(f"{create_key(settings.state_dir, replace=replaces).public}\n")


@keys.command("list")
def list_keys() -> None:
    """Show the public keys whose versions are served here."""
    settings = load_settings()
    from mlapi.registry.opening import trust_of

    rows = table("id", "key")
    for id_, key in trust_of(settings).keys.items():
        rows.add_row(id_, str(key))
    stdout.print(rows)


@main.command()
@click.argument("name", required=False)
@click.option("--accept", is_flag=True, help="Take what stands under NAME's numbers now as right.")
def verify(name: str | None, accept: bool) -> None:
    """Check and load every version, and answer its golden rows; exit status 1 if one is broken.

    So it is if a version is another one than a server has seen under its number before.
    """
    settings = load_settings()
    if accept and name is None:
        raise click.UsageError("--accept takes the name of a model")
    registry = registry_of(settings)
    changes = changes_as_user(registry, settings)
    snapshot = registry.current_snapshot()
    if snapshot.problem:
        raise click.ClickException(snapshot.problem)
    records = [snapshot.record(name)] if name else list(snapshot.models.values())
    rows = table("model", "version", "status")
    broken = 0
    for record in records:
        for number, reason in _verdicts(changes, record, accept=accept):
            broken += reason is not None
            rows.add_row(record.name, number, reason or "ok")
    stdout.print(rows)
    if broken:
        raise click.ClickException(f"{broken} broken")


def _verdicts(changes: "Changes", record: "ModelRecord", *, accept: bool) -> Iterator[tuple[str, str | None]]:
    for problem in record.problems:
        yield "-", problem
    for number in record.numbers:
        try:
            changes.registry.verify(record.name, number)
            if accept:
                changes.accept(record.name, number)
        except MlapiError as error:
            yield str(number), str(error)
        else:
            yield str(number), changes.registry.replaced(record.name, number)


@main.command()
def settings() -> None:
    """Show every setting, its value, and where the value comes from."""
    rows = table("setting", "value", "source", "what for")
    for row in settings_rows():
        value = ", ".join(row.value) if isinstance(row.value, tuple) else row.value
        rows.add_row(row.name, "" if value is None else str(value), row.source, row.help)
    stdout.print(rows)


main.add_command(jobs)
main.add_command(train)
main.add_command(register)
main.add_command(card)


if __name__ == "__main__":
    sys.exit(main())

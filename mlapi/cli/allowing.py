"""`mlapi register --allow`: shows what a file names that is not allowed, asks, and writes the settings."""

import sys
from collections.abc import Callable, Mapping
from typing import TypeVar

import click

from mlapi.artifacts import allowing
from mlapi.artifacts.pickles.named_sets import SETS, set_of
from mlapi.cli.terminal import stderr, table
from mlapi.errors import ClassesNotAllowed
from mlapi.settings import FILE, PREFIX, Settings, load_settings, settings_rows

T = TypeVar("T")


def allow_and_retry(publish: Callable[[Settings], T], *, allow: bool, yes: bool) -> T:
    """Publish; where classes are not allowed, and `--allow` was given, ask for them and try once more.

    Args:
        publish: Raises ClassesNotAllowed for what the settings do not allow.
        yes: Whether nothing is asked.

    Raises:
        ClassesNotAllowed: `--allow` was not given; the message names the source that is in force.
        ClickException: They were not allowed now, or cannot be.
    """
    settings = load_settings()
    try:
        return publish(settings)
    except ClassesNotAllowed as error:
        lists = allowing.with_names(error.names, _allowed(settings))
        variables = _variables(lists)
        if variables:  # they hide the file
            raise ClassesNotAllowed(
                f"{_names(error)} {_of_variables(variables, lists)}", error.names
            ) from error
        if not allow:
            raise
        _ask(error.names, lists, yes=yes)
    try:
        allowing.write(FILE, lists)
    except ValueError as error:
        raise click.ClickException(f"{FILE}: {error}; write yourself: {allowing.as_lines(lists)}") from error
    stderr.print(
        f"{FILE} has now {allowing.as_lines(lists)}. Servers read it when they are restarted.", soft_wrap=True
    )
    return publish(load_settings())


def _allowed(settings: Settings) -> frozenset[str]:
    of_sets = (SETS[name].names for name in settings.allowed_sets)
    return frozenset(settings.allowed_classes).union(*of_sets)


def _names(error: ClassesNotAllowed) -> str:
    """Return the part of the message that says what is not allowed, without what to do."""
    return str(error).partition(" If you ")[0]


def _variables(lists: Mapping[str, object]) -> list[str]:
    """Return the settings of these that a variable of the environment sets."""
    sources = {row.name: row.source for row in settings_rows()}
    return [name for name in lists if sources[name].startswith(PREFIX)]


def _of_variables(variables: list[str], lists: Mapping[str, tuple[str, ...]]) -> str:
    together = " ".join(f"{PREFIX}{name.upper()}={','.join(lists[name])}" for name in variables)
    return (
        f"The environment is in force here, and not {FILE}. If you trust them, set, here and where it is "
        f"served: {together}"
    )


def _ask(names: Mapping[str, str], lists: Mapping[str, tuple[str, ...]], *, yes: bool) -> None:
    """Show what is to be allowed, and ask.

    Raises:
        ClickException: There is no terminal to ask at.
        Abort: The answer is no.
    """
    if not yes and not sys.stdin.isatty():
        lines = allowing.as_lines(lists)
        raise click.ClickException(
            f"nobody can be asked here: repeat it with --yes, or write into {FILE}: {lines}"
        )
    rows = table("names", "of", "allowed by")
    for name, package in names.items():
        rows.add_row(name, package, f"the set {set_of(name)}" if set_of(name) else allowing.CLASSES)
    stderr.print(rows)
    for of_set in dict.fromkeys(filter(None, map(set_of, names))):
        stderr.print(f"The set {of_set} trusts {SETS[of_set].trusts}.", soft_wrap=True)
    if not yes:
        click.confirm("Loading the file runs what these do. Do you trust it?", abort=True, err=True)

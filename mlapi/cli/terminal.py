"""What the commands share: how they print, how a mistake becomes one line, and how they open the registry."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from mlapi.errors import MlapiError
from mlapi.settings import Settings
from mlapi.wording import printable

if TYPE_CHECKING:
    from mlapi.registry.changes import Changes
    from mlapi.registry.registry import Registry

CommandFunction = TypeVar("CommandFunction", bound=Callable[..., Any])

_PATIENCE_S = 600.0
"""Seconds that a command waits for a lock: a person can end it, and a training may have taken hours."""


class Terminal(Console):
    """A rich console that prints any text as it is: brackets are no markup, control characters are escaped.

    Every string that is printed, alone or in a table, comes through here.
    """

    def __init__(self, **how: Any) -> None:
        super().__init__(markup=False, emoji=False, highlight=False, **how)

    def render_str(self, text: str, **how: Any) -> Text:
        return super().render_str(printable(text), **how)


stdout = Terminal()
stderr = Terminal(stderr=True)


class _Description(ProgressColumn):
    """rich's own column of text takes brackets for markup, and everything else as it is."""

    def render(self, task: Task) -> Text:
        return Text(printable(task.description))


class WrongUsage(click.ClickException):
    """A command is used wrongly; its one line is printed without click's usage text. Exit status 2."""

    exit_code = click.UsageError.exit_code


class Commands(click.Group):
    """A group of commands that prints one line, and no traceback, for an error that the user can mend."""

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
    except (click.exceptions.NoArgsIsHelpError, BrokenPipeError):
        raise  # click says nothing where nobody reads any further, as after `| head`
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "mlapi"
        raise WrongUsage(printable(f"{error.format_message()} See `{command} --help`.")) from error
    except WrongUsage:
        raise
    except click.ClickException as error:
        raise click.ClickException(printable(error.format_message())) from error
    except ModuleNotFoundError as error:
        if error.name != "mlapi.training":
            raise
        raise click.ClickException(
            "mlapi/training is no link to training/, as it is in a checkout; `make link` mends it"
        ) from error
    except MlapiError as error:
        raise click.ClickException(printable(str(error))) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(printable(f"{where}{error.strerror or error}")) from error


def registry_of(settings: Settings) -> "Registry":
    """Open the registry to read it; a version is loaded when a command asks for it, and not before."""
    from mlapi.registry.opening import open_registry

    return open_registry(settings, eager=False)


def open_changes_as_user(settings: Settings, *, eager: bool = False) -> "Changes":
    """Open the registry, to change it in the name of whoever runs this.

    The terminal shows which lock it waits for.

    Args:
        eager: As for `mlapi.registry.registry.Registry`.
    """
    from mlapi.registry.audit import who
    from mlapi.registry.opening import open_changes

    show_waiting()
    return open_changes(settings, who(), eager=eager, patience_s=_PATIENCE_S)


def changes_as_user(registry: "Registry", settings: Settings) -> "Changes":
    """Return what changes a registry that is open, in the name of whoever runs this; it needs no key."""
    from mlapi.registry.audit import who
    from mlapi.registry.changes import changes_to

    return changes_to(registry, settings.state_dir, who(), patience_s=_PATIENCE_S)


def show_waiting() -> None:
    """Show on the terminal, from now on, which lock this process waits for; a server's log has it anyway."""
    logging.getLogger("mlapi.storage.locks").addHandler(_WAITING)


class _Waiting(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        holder, file = vars(record)["holder"], vars(record)["file"]
        stderr.print(f"waits for {file}, which somebody else holds (process {holder})", soft_wrap=True)


_WAITING = _Waiting(logging.WARNING)


def bar(**how: Any) -> Progress:
    """Return a progress bar that goes away when it is over."""
    return Progress(_Description(), BarColumn(), TimeElapsedColumn(), console=stderr, transient=True, **how)


def csv_options(command: CommandFunction) -> CommandFunction:
    """Add the options that say how a CSV file is written, under the names of `CsvOptions`."""
    for option in reversed(_CSV_OPTIONS):
        command = option(command)
    return command


_CSV_OPTIONS: tuple[Callable[[Any], Any], ...] = (
    click.option("--delimiter", help="Of the CSV file; else found."),
    click.option("--encoding", help="Of the CSV file; else found."),
    click.option("--decimal", help="The decimal sign; else found."),
    click.option("--thousands", help="What sets thousands apart; else found."),
    click.option("--skip-lines", type=int, help="Lines of the CSV file above the names; else found."),
)


def write(data: str | bytes) -> None:
    """Write data to standard output: as it is for a file or a program, with escapes for a terminal."""
    text = data.decode() if isinstance(data, bytes) else data
    sys.stdout.write(printable(text) if sys.stdout.isatty() else text)  # click.echo would take colors out


def table(*columns: str) -> Table:
    """Return an empty table with these headings; its first column is never wrapped."""
    rows = Table(box=None, header_style="bold", pad_edge=False)
    rows.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        rows.add_column(column, overflow="fold")
    return rows

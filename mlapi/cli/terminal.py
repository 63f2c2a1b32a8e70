"""What the commands share: where they print, tables, one line for a mistake, and their registry."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

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

_PATIENCE_S = 600.0
"""What a person can end with Ctrl-C may wait; a training that has taken hours had better."""


class Terminal(Console):
    """Shows people's own words: brackets are no markup, and what a terminal would obey is an escape.

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


def registry_of(settings: Settings, *, eager: bool) -> "Registry":
    from mlapi.registry.opening import open_registry

    return open_registry(settings, eager=eager)


def changes_of(settings: Settings, *, eager: bool = False) -> "Changes":
    from mlapi.registry.audit import who
    from mlapi.registry.opening import open_changes

    tell_of_waiting()
    return open_changes(settings, who(), eager=eager, patience_s=_PATIENCE_S)


def changes_in(registry: "Registry", settings: Settings) -> "Changes":
    """By whoever runs this, who need not have a key."""
    from mlapi.registry.audit import who
    from mlapi.registry.changes import changes_of

    return changes_of(registry, settings.state_dir, who(), patience_s=_PATIENCE_S)


def tell_of_waiting() -> None:
    """From now on the terminal shows which lock this process waits for; a server's log has it anyway."""
    logging.getLogger("mlapi.storage.locks").addHandler(_WAITING)


class _Waiting(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        holder, file = vars(record)["holder"], vars(record)["file"]
        stderr.print(f"waits for {file}, which somebody else holds (process {holder})", soft_wrap=True)


_WAITING = _Waiting(logging.WARNING)


def bar(**how: Any) -> Progress:
    """How far something is, which goes away when it is over."""
    return Progress(_Description(), BarColumn(), TimeElapsedColumn(), console=stderr, transient=True, **how)


def write(data: str | bytes) -> None:
    """Data on standard output: as it is for a file or a program, and printable on a terminal."""
    words = data.decode() if isinstance(data, bytes) else data
    sys.stdout.write(printable(words) if sys.stdout.isatty() else words)  # click.echo would take colors out


def table(*columns: str) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        made.add_column(column, overflow="fold")
    return made

"""What the commands share: where they print, tables, one line for a mistake, and their registry."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from mlapi.errors import MlapiError
from mlapi.settings import Settings

if TYPE_CHECKING:
    from mlapi.changes import Changes
    from mlapi.registry import Registry

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
    except ModuleNotFoundError as error:
        if error.name != "mlapi.training":
            raise
        raise click.ClickException(
            "mlapi/training is no link to training/, as it is in a checkout; `make link` mends it"
        ) from error
    except MlapiError as error:
        raise click.ClickException(str(error)) from error
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        raise click.ClickException(f"{where}{error.strerror or error}") from error


def registry_of(settings: Settings, *, eager: bool) -> "Registry":
    from mlapi.registry import open_registry

    return open_registry(settings, eager=eager)


def changes_of(settings: Settings, *, eager: bool = False) -> "Changes":
    from mlapi.audit import who
    from mlapi.changes import open_changes

    return open_changes(settings, who(), eager=eager)


def table(*columns: str) -> Table:
    made = Table(box=None, header_style="bold", pad_edge=False)
    made.add_column(columns[0], no_wrap=True)
    for column in columns[1:]:
        made.add_column(column, overflow="fold")
    return made

"""The database of the jobs (SQLite, WAL): opened, brought to the form of this mlapi, written in
transactions."""

import errno
import sqlite3
from collections.abc import Iterator, Set
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from mlapi.storage import disk
from mlapi.wording import listed

FILE = "jobs.sqlite"

PATIENCE_S = 10.0
"""How long one writer waits for another."""

_FORMS = (
    """
create table if not exists jobs (
    number integer primary key,
    id text not null unique,
    state text not null,
    model text not null,
    recipe text not null,
    source text not null,
    caller text not null,
    key text unique,
    digest text not null,
    created real not null,
    started real,
    ended real,
    progress real not null default 0,
    message text not null default 'waits for its turn',
    attempts integer not null default 0,
    cancelled integer not null default 0,
    version integer,
    problem text
)
""",
)
"""The statements that make each form of the database out of the form before.

`pragma user_version` is the number of the form; it is 0 where there is nothing yet, and where there is the
table of form 1 from before forms were counted. To change the database, append a statement; change none of
these.
"""


@dataclass(frozen=True, slots=True)
class Database:
    """The database in a state folder. It holds nothing open: threads may share it, and a process may fork."""

    folder: Path
    columns: frozenset[str]
    """The columns that its table has to have."""
    patience_s: float = PATIENCE_S
    """How long a writer waits for another."""

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """Give a connection for as long as the block runs; make the file, or a newer form of it, where
        needed.

        Raises:
            OSError: It cannot be read or written, or has another form than this mlapi knows.
        """
        disk.make_folder(self.folder, mode=0o700)
        try:
            with closing(self._connect()) as connection:
                yield connection
        except sqlite3.Error as error:
            raise OSError(errno.EIO, f"the jobs cannot be read or written: {error}") from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Give a connection in a transaction, after those of other writers. An exception undoes all of it.

        Raises:
            OSError: As `open`.
        """
        with self.open() as connection:
            connection.execute("begin immediate")
            yield connection
            connection.execute("commit")

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.folder / FILE, timeout=self.patience_s, isolation_level=None)
        connection.row_factory = sqlite3.Row
        try:
            connection.execute("pragma synchronous = full")
            _check_form(connection, self.columns)
        except BaseException:
            connection.close()
            raise
        return connection


def is_locked(error: OSError) -> bool:
    """Return whether the error may be over in a moment: another process has locked the database."""
    cause = error.__cause__
    return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode in (
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    )


def _check_form(database: sqlite3.Connection, columns: Set[str]) -> None:
    """Bring the database to the form of this mlapi.

    Raises:
        OSError: It has another one.
    """
    form = _form_of(database)
    if form > len(_FORMS):
        raise unusable(f"it has form {form}, of a newer mlapi, and this one reads {len(_FORMS)}")
    if form < len(_FORMS):
        _migrate(database, columns)
    _check_columns(database, columns)


def _migrate(database: sqlite3.Connection, columns: Set[str]) -> None:
    """Make the newest form, whole or not at all; of several processes at once, one does it."""
    database.execute("pragma journal_mode = wal")
    database.execute("begin immediate")
    for number in range(_form_of(database), len(_FORMS)):
        database.execute(_FORMS[number])
        database.execute(f"pragma user_version = {number + 1}")
    _check_columns(database, columns)
    database.execute("commit")


def _form_of(database: sqlite3.Connection) -> int:
    return int(database.execute("pragma user_version").fetchone()[0])


def _check_columns(database: sqlite3.Connection, columns: Set[str]) -> None:
    present = {row["name"] for row in database.execute("pragma table_info(jobs)")}
    missing = sorted(columns - present)
    if missing:
        raise unusable(f"its table of jobs lacks {listed(missing)}")


def unusable(why: str) -> OSError:
    """Return the error to raise for a database that this mlapi cannot read."""
    way_out = "start the mlapi that wrote it, or move the file away, and its jobs with it"
    return OSError(errno.EINVAL, f"{FILE} cannot be used: {why}; {way_out}")

"""Training jobs: who asked for what, how far it is, and how it ended. Survives every process.

A database in the state folder (SQLite, WAL), and beside it a folder a job with the rows that were sent.
Workers submit jobs and ask for their status; one process, the pool, claims and ends them.
"""

import hashlib
import json
import secrets
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, TypeAlias

from mlapi.errors import Conflict, JobNotFound, QueueFull, TooManyJobs
from mlapi.jobs.database import FILE, PATIENCE_S, Database, unusable
from mlapi.storage import disk
from mlapi.storage.locks import locked
from mlapi.wording import quoted

FOLDER = "jobs"

ROWS = "rows.json"
"""In a job's folder: {"columns": names, "rows": lists, "target": name, "values": list}."""

_LOCK = "lock"

RESERVED = frozenset({_LOCK, ROWS})
"""What no client's own file is called there."""

JOB = "job"
"""What a version's manifest calls the job that has made it."""

State: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]

OVER = frozenset({"succeeded", "failed", "cancelled"})

KEPT_S = 30 * 86_400
"""A job that is over is forgotten so long after it was asked for, and its key with it."""

_ABANDONED_S = 3600
"""A folder as old as this that no job knows, or whose job is over, is what a crash has left."""


@dataclass(frozen=True, slots=True)
class Job:
    """`recipe` is what `mlapi.training.recipes.make_recipe` takes, `source` the name of the file in its
    folder; times are seconds since 1970; `problem` is what `mlapi.jobs.pool.errors.document_of` says."""

    id: str
    state: State
    model: str
    recipe: Mapping[str, Any]
    source: str
    caller: str
    digest: str
    created: float
    started: float | None
    ended: float | None
    progress: float
    message: str
    attempts: int
    cancelled: bool
    version: int | None
    problem: Mapping[str, Any] | None

    @property
    def is_over(self) -> bool:
        return self.state in OVER


_COLUMNS = frozenset({"number", "key", *(entry.name for entry in fields(Job))})


@dataclass(frozen=True, slots=True)
class Submission:
    """A job that is asked for. `key` is the client's own name for it."""

    model: str
    recipe: Mapping[str, Any]
    source: str
    content: bytes
    caller: str
    key: str | None = None

    @property
    def digest(self) -> str:
        """Of what is to be trained."""
        told = json.dumps([self.model, self.recipe, self.source], sort_keys=True)
        return hashlib.sha256(told.encode() + b"\0" + self.content).hexdigest()


def held(folder: Path, *, patience_s: float) -> AbstractContextManager[object]:
    """A job's folder, by the process that runs it.

    Raises:
        BlockingIOError: Another process has it for so long.
        FileNotFoundError: There is no such folder.
    """
    return locked(folder / _LOCK, patience_s=patience_s)


class Jobs:
    """The jobs of one state folder. Holds nothing open: it may be shared by threads, and forked.

    Whatever it is asked may raise OSError: the disk is full, or the database cannot be read.
    """

    def __init__(self, state_dir: Path, patience_s: float = PATIENCE_S) -> None:
        """With how long to wait for whoever else writes."""
        self._state_dir = state_dir
        self._database = Database(state_dir, _COLUMNS, patience_s)

    def folder(self, job: str) -> Path:
        return self._state_dir / FOLDER / job

    def problem(self) -> str | None:
        """Why they cannot be used, if they cannot. Makes nothing where there are none yet."""
        try:
            if (self._state_dir / FILE).exists():
                with self._database.open():
                    pass
        except OSError as error:
            return error.strerror or str(error)
        return None

    def submit(self, order: Submission, *, most: int, most_of_caller: int) -> Job:
        """A new job, or the one that this key has named already.

        Raises:
            Conflict: The key has named something else.
            TooManyJobs: This caller has too many that wait or run.
            QueueFull: So many of all callers do.
        """
        known = self._known(order)
        if known is not None:
            return known
        job = secrets.token_hex(8)
        folder = self.folder(job)
        disk.make_folder(folder, mode=0o700)
        try:
            disk.write(folder / order.source, order.content, mode=0o600)
            disk.flush_folder(folder)
            with self._database.writing() as database:
                known = _of_key(database, order)
                if known is None:
                    _check_room(database, order.caller, most, most_of_caller)
                    _insert(database, job, order)
        except BaseException:
            disk.remove(folder)
            raise
        if known is not None:
            disk.remove(folder)
        return known or self.status(job)

    def status(self, job: str) -> Job:
        """
        Raises:
            JobNotFound: There is none of this id.
        """
        with self._database.open() as database:
            row = database.execute("select * from jobs where id = ?", (job,)).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {quoted(job)}, or it was forgotten")
        return _job(row)

    def several(self, jobs: Sequence[str]) -> dict[str, Job]:
        """Those of these jobs that there are, by their ids."""
        marks = ", ".join("?" * len(jobs))
        with self._database.open() as database:
            rows = database.execute(f"select * from jobs where id in ({marks})", jobs)  # noqa: S608 - marks
            return {row["id"]: _job(row) for row in rows}

    def stamp(self) -> tuple[int, ...]:
        """Another one when anything has changed; costs microseconds."""
        stats = []
        for name in (FILE, f"{FILE}-wal"):
            with suppress(FileNotFoundError):  # whoever closes the database last removes its log
                stats.append((self._state_dir / name).stat())
        return tuple(part for stat in stats for part in (stat.st_ino, stat.st_mtime_ns, stat.st_size))

    def newest(self, count: int) -> list[Job]:
        with self._database.open() as database:
            rows = database.execute("select * from jobs order by number desc limit ?", (count,))
            return [_job(row) for row in rows]

    def cancel(self, job: str) -> Job:
        """Ask for its end: at once if it waits, soon if it runs; nothing changes where it is over.

        Raises:
            JobNotFound: As `status`.
        """
        with self._database.writing() as database:
            database.execute("update jobs set cancelled = 1 where id = ? and state = 'running'", (job,))
            database.execute(
                "update jobs set state = 'cancelled', ended = ?, message = 'cancelled before it began' "
                "where id = ? and state = 'queued'",
                (time.time(), job),
            )
        found = self.status(job)
        if found.is_over:
            disk.remove(self.folder(job))
        return found

    # For the pool.

    def claim(self) -> Job | None:
        """The next one that waits, which runs from now on. Jobs of one model run one after the other."""
        with self._database.open() as database:
            if database.execute("select 1 from jobs where state = 'queued' limit 1").fetchone() is None:
                return None
        with self._database.writing() as database:
            row = database.execute(
                "select id from jobs where state = 'queued' and model not in "
                "(select model from jobs where state = 'running') order by number limit 1"
            ).fetchone()
            if row is None:
                return None
            database.execute(
                "update jobs set state = 'running', started = ?, attempts = attempts + 1, message = 'begins' "
                "where id = ?",
                (time.time(), row["id"]),
            )
        return self.status(row["id"])

    def running(self) -> list[Job]:
        with self._database.open() as database:
            rows = database.execute("select * from jobs where state = 'running' order by number")
            return [_job(row) for row in rows]

    def tell(self, job: str, progress: float, message: str) -> None:
        """How far it is."""
        with self._database.writing() as database:
            database.execute(
                "update jobs set progress = ?, message = ? where id = ? and state = 'running'",
                (progress, message, job),
            )

    def end(
        self,
        job: str,
        state: State,
        message: str,
        *,
        version: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        with self._database.writing() as database:
            database.execute(
                "update jobs set state = ?, message = ?, ended = ?, version = ?, problem = ?, "
                "progress = iif(? = 'succeeded', 1, progress) where id = ? and state = 'running'",
                (state, message, time.time(), version, problem and json.dumps(problem), state, job),
            )
        disk.remove(self.folder(job))

    def queue_again(self, job: str) -> None:
        with self._database.writing() as database:
            database.execute(
                "update jobs set state = 'queued', progress = 0, message = 'begins anew: its process ended' "
                "where id = ? and state = 'running'",
                (job,),
            )

    def tidy(self) -> None:
        """Forget what is long over, and remove what crashes have left."""
        now = time.time()
        with self._database.writing() as database:
            database.execute("delete from jobs where ended is not null and created < ?", (now - KEPT_S,))
            kept = {row["id"] for row in database.execute("select id from jobs where ended is null")}
        folder = self._state_dir / FOLDER
        for entry in folder.iterdir() if folder.exists() else ():
            if entry.name not in kept and entry.stat().st_mtime < now - _ABANDONED_S:
                disk.remove(entry)

    # The database.

    def _known(self, order: Submission) -> Job | None:
        with self._database.open() as database:
            return _of_key(database, order)


def _of_key(database: sqlite3.Connection, order: Submission) -> Job | None:
    if order.key is None:
        return None
    row = database.execute("select * from jobs where key = ?", (order.key,)).fetchone()
    if row is None:
        return None
    found = _job(row)
    if found.digest != order.digest:
        raise Conflict("this Idempotency-Key came with something else before: take a new one")
    return found


def _check_room(database: sqlite3.Connection, caller: str, most: int, most_of_caller: int) -> None:
    waiting = "select count(*) from jobs where ended is null"
    if database.execute(waiting + " and caller = ?", (caller,)).fetchone()[0] >= most_of_caller:
        raise TooManyJobs(f"{most_of_caller} jobs of yours wait or run, and no more may")
    if database.execute(waiting).fetchone()[0] >= most:
        raise QueueFull(f"{most} jobs wait or run, and no more may")


def _insert(database: sqlite3.Connection, job: str, order: Submission) -> None:
    database.execute(
        "insert into jobs (id, state, model, recipe, source, caller, key, digest, created) "
        "values (?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
        (
            job,
            order.model,
            json.dumps(dict(order.recipe)),
            order.source,
            order.caller,
            order.key,
            order.digest,
            time.time(),
        ),
    )


def _job(row: sqlite3.Row) -> Job:
    found = dict(row)
    problem = found["problem"]
    try:
        recipe, problem = json.loads(found["recipe"]), problem and json.loads(problem)
    except (ValueError, TypeError) as error:
        raise unusable(f"the job {quoted(str(found['id']))} in it is garbled") from error
    given = {entry.name: found[entry.name] for entry in fields(Job)}
    return Job(**given | {"recipe": recipe, "cancelled": bool(found["cancelled"]), "problem": problem})

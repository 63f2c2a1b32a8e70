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

from mlapi.errors import Conflict, JobNotFound, TooManyJobs
from mlapi.jobs.database import FILE, PATIENCE_S, Database, unusable
from mlapi.jobs.pool.errors import QueueFull
from mlapi.storage import disk
from mlapi.storage.locks import locked
from mlapi.wording import quoted

FOLDER = "jobs"

ROWS = "rows.json"
"""In a job's folder: {"columns": names, "rows": lists, "target": name, "values": list}."""

_LOCK = "lock"

RESERVED = frozenset({_LOCK, ROWS})
"""Names in a job's folder that no file of a client's gets."""

JobState: TypeAlias = Literal["queued", "running", "succeeded", "failed", "cancelled"]

OVER = frozenset({"succeeded", "failed", "cancelled"})
"""The states that no job leaves again."""

KEPT_S = 30 * 86_400
"""How long after its submission a job that is over is deleted, and its key with it."""

_ABANDONED_S = 3600
"""The least age of a folder that is deleted because no unfinished job has it: a crash has left it."""


@dataclass(frozen=True, slots=True)
class Job:
    """One row of the database. Times are seconds since 1970."""

    id: str
    state: JobState
    model: str
    recipe: Mapping[str, Any]
    """What `mlapi.training.recipes.make_recipe` takes."""
    source: str
    """The name of the file of rows in the job's folder."""
    caller: str
    """The address of the client that submitted it."""
    digest: str
    """That of its `Submission`."""
    created: float
    started: float | None
    """When the last attempt began."""
    ended: float | None
    progress: float
    """From 0 to 1."""
    message: str
    attempts: int
    """How often it was begun."""
    cancelled: bool
    """Whether somebody asked for its end while it ran."""
    version: int | None
    """What it has published."""
    problem: Mapping[str, Any] | None
    """Why it failed, as `mlapi.jobs.pool.errors.document_of` has it."""

    @property
    def is_over(self) -> bool:
        """Whether it has ended, however it did."""
        return self.state in OVER


_COLUMNS = frozenset({"number", "key", *(entry.name for entry in fields(Job))})


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks to be trained; the fields that a `Job` has too mean the same there."""

    model: str
    recipe: Mapping[str, Any]
    source: str
    content: bytes
    """Of the file of rows."""
    caller: str
    key: str | None = None
    """The client's own name for the job (Idempotency-Key): who submits it twice gets one job."""

    @property
    def digest(self) -> str:
        """Return the sha256 of all that decides what is trained: equal submissions have equal ones."""
        head = json.dumps([self.model, self.recipe, self.source], sort_keys=True)
        return hashlib.sha256(head.encode() + b"\0" + self.content).hexdigest()


def folder_lock(folder: Path, *, patience_s: float) -> AbstractContextManager[object]:
    """Return a lock on a job's folder. The process that runs the job holds it as long as it lives.

    Raises:
        BlockingIOError: Another process has held it for `patience_s`.
        FileNotFoundError: There is no such folder.
    """
    return locked(folder / _LOCK, patience_s=patience_s)


class Jobs:
    """The jobs of one state folder. It holds nothing open: threads may share it, and a process may fork.

    Every method may raise OSError: the disk is full, the database cannot be read, or another process has
    written to it for longer than `patience_s`.
    """

    def __init__(self, state_dir: Path, patience_s: float = PATIENCE_S) -> None:
        self._state_dir = state_dir
        self._database = Database(state_dir, _COLUMNS, patience_s)

    def folder(self, job: str) -> Path:
        """Return where the files of a job lie, by its id; it is removed when the job is over."""
        return self._state_dir / FOLDER / job

    def problem(self) -> str | None:
        """Return why the jobs cannot be used; None if they can. Make no database where there is none yet."""
        try:
            if (self._state_dir / FILE).exists():
                with self._database.open():
                    pass
        except OSError as error:
            return error.strerror or str(error)
        return None

    def submit(self, submission: Submission, *, most: int, most_of_caller: int) -> Job:
        """Queue a job and return it, or the one that this key has named already.

        Args:
            most: How many jobs may wait or run.
            most_of_caller: How many of one address may.

        Raises:
            Conflict: The key has named something else.
            TooManyJobs: This caller has `most_of_caller` jobs.
            QueueFull: There are `most` jobs.
        """
        known = self._known(submission)
        if known is not None:
            return known
        job = secrets.token_hex(8)
        folder = self.folder(job)
        disk.make_folder(folder, mode=0o700)
        try:
            disk.write(folder / submission.source, submission.content, mode=0o600)
            disk.flush_folder(folder)
            with self._database.writing() as database:
                known = _of_key(database, submission)
                if known is None:
                    _check_room(database, submission.caller, most, most_of_caller)
                    _insert(database, job, submission)
        except BaseException:
            disk.remove(folder)
            raise
        if known is not None:
            disk.remove(folder)
        return known or self.status(job)

    def status(self, job: str) -> Job:
        """Return a job by its id.

        Raises:
            JobNotFound: There is none.
        """
        with self._database.open() as database:
            row = database.execute("select * from jobs where id = ?", (job,)).fetchone()
        if row is None:
            raise JobNotFound(f"there is no job {quoted(job)}, or it was forgotten")
        return _job(row)

    def several(self, jobs: Sequence[str]) -> dict[str, Job]:
        """Return the jobs of these ids, by id, without those that do not exist."""
        places = ", ".join("?" * len(jobs))
        with self._database.open() as database:
            rows = database.execute(f"select * from jobs where id in ({places})", jobs)  # noqa: S608 - "?, ?"
            return {row["id"]: _job(row) for row in rows}

    def stamp(self) -> tuple[int, ...]:
        """Return a value that changes when any job does; it costs microseconds, without opening the
        database."""
        stats = []
        for name in (FILE, f"{FILE}-wal"):
            with suppress(FileNotFoundError):  # whoever closes the database last removes its log
                stats.append((self._state_dir / name).stat())
        return tuple(part for stat in stats for part in (stat.st_ino, stat.st_mtime_ns, stat.st_size))

    def newest(self, count: int) -> list[Job]:
        """Return the jobs that were submitted last, the newest first."""
        with self._database.open() as database:
            rows = database.execute("select * from jobs order by number desc limit ?", (count,))
            return [_job(row) for row in rows]

    def cancel(self, job: str) -> Job:
        """Cancel a job and return it: one that waits is over at once, one that runs soon, one that is over
        stays.

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
        cancelled = self.status(job)
        if cancelled.is_over:
            disk.remove(self.folder(job))
        return cancelled

    # For the pool.

    def claim(self) -> Job | None:
        """Let the next job that waits run, and return it; None if none may. Of one model one runs at a
        time."""
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
        """Return the jobs that were claimed and are not over, in the order of submission."""
        with self._database.open() as database:
            rows = database.execute("select * from jobs where state = 'running' order by number")
            return [_job(row) for row in rows]

    def report(self, job: str, progress: float, message: str) -> None:
        """Write how far a running job is, from 0 to 1, and what it does."""
        with self._database.writing() as database:
            database.execute(
                "update jobs set progress = ?, message = ? where id = ? and state = 'running'",
                (progress, message, job),
            )

    def end(
        self,
        job: str,
        state: JobState,
        message: str,
        *,
        version: int | None = None,
        problem: Mapping[str, Any] | None = None,
    ) -> None:
        """Write how a running job ended, and remove its folder."""
        with self._database.writing() as database:
            database.execute(
                "update jobs set state = ?, message = ?, ended = ?, version = ?, problem = ?, "
                "progress = iif(? = 'succeeded', 1, progress) where id = ? and state = 'running'",
                (state, message, time.time(), version, problem and json.dumps(problem), state, job),
            )
        disk.remove(self.folder(job))

    def queue_again(self, job: str) -> None:
        """Let a running job whose process has ended wait for another attempt, in its old place."""
        with self._database.writing() as database:
            database.execute(
                "update jobs set state = 'queued', progress = 0, message = 'begins anew: its process ended' "
                "where id = ? and state = 'running'",
                (job,),
            )

    def tidy(self) -> None:
        """Delete jobs that are long over, and folders that crashes have left."""
        now = time.time()
        with self._database.writing() as database:
            database.execute("delete from jobs where ended is not null and created < ?", (now - KEPT_S,))
            unfinished = {row["id"] for row in database.execute("select id from jobs where ended is null")}
        folder = self._state_dir / FOLDER
        for entry in folder.iterdir() if folder.exists() else ():
            if entry.name not in unfinished and entry.stat().st_mtime < now - _ABANDONED_S:
                disk.remove(entry)

    # The database.

    def _known(self, submission: Submission) -> Job | None:
        with self._database.open() as database:
            return _of_key(database, submission)


def _of_key(database: sqlite3.Connection, submission: Submission) -> Job | None:
    """Return the job that the submission's key has named before; None if there is none."""
    if submission.key is None:
        return None
    row = database.execute("select * from jobs where key = ?", (submission.key,)).fetchone()
    if row is None:
        return None
    job = _job(row)
    if job.digest != submission.digest:
        raise Conflict("this Idempotency-Key came with something else before: take a new one")
    return job


def _check_room(database: sqlite3.Connection, caller: str, most: int, most_of_caller: int) -> None:
    waiting = "select count(*) from jobs where ended is null"
    if database.execute(waiting + " and caller = ?", (caller,)).fetchone()[0] >= most_of_caller:
        raise TooManyJobs(f"{most_of_caller} jobs of yours wait or run, and no more may")
    if database.execute(waiting).fetchone()[0] >= most:
        raise QueueFull(f"{most} jobs wait or run, and no more may")


def _insert(database: sqlite3.Connection, job: str, submission: Submission) -> None:
    database.execute(
        "insert into jobs (id, state, model, recipe, source, caller, key, digest, created) "
        "values (?, 'queued', ?, ?, ?, ?, ?, ?, ?)",
        (
            job,
            submission.model,
            json.dumps(dict(submission.recipe)),
            submission.source,
            submission.caller,
            submission.key,
            submission.digest,
            time.time(),
        ),
    )


def _job(row: sqlite3.Row) -> Job:
    problem = row["problem"]
    try:
        recipe, problem = json.loads(row["recipe"]), problem and json.loads(problem)
    except (ValueError, TypeError) as error:
        raise unusable(f"the job {quoted(str(row['id']))} in it is garbled") from error
    columns = {entry.name: row[entry.name] for entry in fields(Job)}
    return Job(**columns | {"recipe": recipe, "cancelled": bool(row["cancelled"]), "problem": problem})

"""One training job, in a process of the pool: a client's table -> a version, as by `mlapi train`."""

import json
import logging
import time
from functools import partial
from importlib import import_module
from pathlib import Path

import pandas as pd

from mlapi.data.limits import TableLimits
from mlapi.data.tables.dialects import CsvOptions
from mlapi.data.tables.packing import PARQUET
from mlapi.errors import BrokenArtifact, DatasetError, RecipeError, TooLarge, Unfittable
from mlapi.jobs.jobs import ROWS, folder_lock
from mlapi.jobs.pool.child import ReportProgress
from mlapi.jobs.pool.messages import Message
from mlapi.registry.opening import open_changes
from mlapi.settings import Settings
from mlapi.training.execution.engine import Engine, engine
from mlapi.training.execution.progress import STEPS, Progress, Silent, TrialState
from mlapi.training.recipes import Recipe, make_recipe
from mlapi.training.tables import files
from mlapi.training.versions.result import TrainingResult
from mlapi.training.workflows.sources import SourcedTable, TableSource
from mlapi.training.workflows.table_version import version_of_table
from mlapi.training.workflows.train import TrainedVersion, TrainingOptions, train

logger = logging.getLogger(__name__)

_HERE = Engine(workers=1)

_BETWEEN_S = 0.25
"""Seconds at least between two reports of trials: each is written to disk."""


def perform(settings: Settings, message: Message, tell: ReportProgress) -> Message:
    """Train what the job's folder holds, and return the version's number.

    Args:
        message: The job, and the folder where its table lies.
        tell: Is called with the job's progress: a share from 0 to 1, and words.

    Raises:
        Unfittable, TooLarge: It cannot be trained; nothing is published.
        OSError: The disk fails, or another process is at it.
    """
    try:
        trained = _trained(settings, message, tell)
    except (RecipeError, DatasetError) as error:
        raise Unfittable(str(error)) from error
    except BrokenArtifact as error:
        if isinstance(error.__cause__, OSError):
            raise error.__cause__ from error
        logger.exception("a version that was made cannot be served")
        raise Unfittable(f"what was made of these rows cannot be served: {error}") from error
    return Message({"version": trained.manifest.version})


def _trained(settings: Settings, message: Message, tell: ReportProgress) -> TrainedVersion:
    job = message.head
    folder = Path(job["folder"])
    with folder_lock(folder, patience_s=0):
        recipe = make_recipe(job["model"], job["recipe"])
        return train(
            recipe,
            open_changes(settings, f"http {job['caller']}"),
            _Reporter(tell),
            table=_table(folder / job["source"], job["caller"], settings.job_limits, recipe.csv_options),
            options=TrainingOptions(
                make_version=partial(_make_version, settings, tell), job=job["id"], sent_by=job["caller"]
            ),
        )


def _make_version(
    settings: Settings, tell: ReportProgress, recipe: Recipe, progress: Progress, table: TableSource
) -> TrainingResult:
    """Train in this process, which can be ended without harm to the server; or on a cluster."""
    if settings.jobs_engine is None:
        return version_of_table(recipe, progress, table, engine=_HERE, limits=settings.job_limits)
    with engine(settings.jobs_engine) as running:
        return running.send(_make_version_on_worker, recipe, table, settings.job_limits, tell=tell)


def _make_version_on_worker(
    tell: ReportProgress, recipe: Recipe, table: TableSource, limits: TableLimits
) -> TrainingResult:
    return version_of_table(recipe, _Reporter(tell), table, engine=_HERE, limits=limits)


def _table(path: Path, caller: str, limits: TableLimits, options: CsvOptions) -> SourcedTable:
    if path.name == ROWS:
        sent = json.loads(path.read_bytes())
        frame = pd.DataFrame(sent["rows"], columns=sent["columns"])
        frame[sent["target"]] = sent["values"]
        return SourcedTable(f"rows sent over HTTP by {caller}", files.RawTable(frame))
    _check_size(path.name, _claimed_shape(path), limits)
    table = files.read(str(path), options, called=path.name)
    _check_size(path.name, table.frame.shape, limits)
    return SourcedTable(f"{path.name}, sent over HTTP by {caller}", table)


def _claimed_shape(path: Path) -> tuple[int, int]:
    """Read rows and columns off a Parquet file's footer: its bytes may become more than memory has.

    The shape of any other file is (0, 0).
    """
    with path.open("rb") as file:
        if file.read(4) != PARQUET:
            return 0, 0
    try:
        footer = import_module("pyarrow.parquet").read_metadata(path)
    except Exception:  # whatever pyarrow makes of these bytes: whoever reads them says what is wrong
        return 0, 0
    return footer.num_rows, footer.num_columns


def _check_size(name: str, shape: tuple[int, int], limits: TableLimits) -> None:
    rows, columns = shape
    if rows > limits.rows or columns > limits.columns + 1:
        raise TooLarge(
            f"{name}: {rows:,} rows of {columns:,} columns; a job takes {limits.rows:,} rows, and "
            f"{limits.columns:,} columns beside the target, at most"
        )


class _Reporter(Silent):
    """Tells the job's record. Each step is an equal share of the whole; "choosing" grows with its trials."""

    def __init__(self, tell: ReportProgress) -> None:
        self._tell = tell
        self._last_trial = 0.0

    def step_began(self, step: str) -> None:
        self._tell({"progress": STEPS.index(step) / len(STEPS), "message": step})

    def trial_ended(self, state: TrialState) -> None:
        if time.monotonic() < self._last_trial + _BETWEEN_S:
            return
        self._last_trial = time.monotonic()
        share = (STEPS.index("choosing") + state.done / max(1, state.planned)) / len(STEPS)
        self._tell({"progress": share, "message": f"{state.done} of {state.planned} tried"})

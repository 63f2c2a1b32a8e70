"""`mlapi jobs`: list, watch and cancel training jobs, on the machine whose server runs them."""

import time
from datetime import datetime

import click

from mlapi.cli.terminal import Commands, bar, stdout, table
from mlapi.jobs.jobs import Job, Jobs
from mlapi.settings import load_settings

_SHOWN = 30
"""Jobs that are listed, the newest ones."""

_WATCH_EVERY_S = 0.5
"""Seconds between two looks at a job that is watched."""


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """List the training jobs, the newest first."""
    context.obj = Jobs(load_settings().state_dir)
    if context.invoked_subcommand is not None:
        return
    rows = table("job", "model", "state", "", "from", "since")
    for job in context.obj.newest(_SHOWN):
        outcome = f"version {job.version}" if job.version else job.message
        rows.add_row(job.id, job.model, job.state, outcome, job.caller, _time(job.created))
    stdout.print(rows)


@jobs.command()
@click.argument("job")
@click.pass_obj
def watch(all_jobs: Jobs, job: str) -> None:
    """Show how far a job is, until it ends; the status is 1 where it has no version then."""
    status = all_jobs.status(job)
    with bar() as shown:
        task = shown.add_task("", total=1.0)
        while not status.is_over:
            shown.update(task, description=f"{status.model}: {status.message}", completed=status.progress)
            time.sleep(_WATCH_EVERY_S)
            status = all_jobs.status(job)
    stdout.print(f"{status.model}: {status.state}: {_outcome(status)}", soft_wrap=True)
    if status.version is None:
        raise SystemExit(1)


@jobs.command()
@click.argument("job")
@click.pass_obj
def cancel(all_jobs: Jobs, job: str) -> None:
    """End a job that waits or runs."""
    status = all_jobs.cancel(job)
    state = status.state if status.is_over else "is being ended"
    stdout.print(f"{status.model}: {state}")


def _outcome(job: Job) -> str:
    return f"version {job.version}: {job.message}" if job.version else job.message


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")

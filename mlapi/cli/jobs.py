"""`mlapi jobs`: training jobs, seen and ended from the terminal of the machine that runs them."""

import time
from datetime import datetime

import click

from mlapi.cli.terminal import Commands, bar, stdout, table
from mlapi.jobs.jobs import Job, Jobs
from mlapi.settings import load_settings

_SHOWN = 30
_LOOK_S = 0.5


@click.group(cls=Commands, invoke_without_command=True)
@click.pass_context
def jobs(context: click.Context) -> None:
    """List the training jobs, the newest first."""
    context.obj = Jobs(load_settings().state_dir)
    if context.invoked_subcommand is not None:
        return
    rows = table("job", "model", "state", "", "from", "since")
    for job in context.obj.newest(_SHOWN):
        told = f"version {job.version}" if job.version else job.message
        rows.add_row(job.id, job.model, job.state, told, job.caller, _time(job.created))
    stdout.print(rows)


@jobs.command()
@click.argument("job")
@click.pass_obj
def watch(known: Jobs, job: str) -> None:
    """Show how far a job is, until it ends; the status is 1 where it has no version then."""
    found = known.status(job)
    with bar() as shown:
        task = shown.add_task("", total=1.0)
        while not found.is_over:
            shown.update(task, description=f"{found.model}: {found.message}", completed=found.progress)
            time.sleep(_LOOK_S)
            found = known.status(job)
    stdout.print(f"{found.model}: {found.state}: {_told(found)}", soft_wrap=True)
    if found.version is None:
        raise SystemExit(1)


@jobs.command()
@click.argument("job")
@click.pass_obj
def cancel(known: Jobs, job: str) -> None:
    """End a job that waits or runs."""
    found = known.cancel(job)
    told = found.state if found.is_over else "is being ended"
    stdout.print(f"{found.model}: {told}")


def _told(job: Job) -> str:
    return f"version {job.version}: {job.message}" if job.version else job.message


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).isoformat(" ", "seconds")

"""A real Dask cluster on this machine: a scheduler and two worker processes."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import distributed

from tests.support.server import ROOT, free_port
from tests.support.waiting import HANG_S


@contextmanager
def process(folder: Path, *words: str) -> Iterator[None]:
    """Run `python -m` with these words within the block; its output goes to a log in the folder."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DASK_TEMPORARY_DIRECTORY": str(folder)}
    with (folder / "log").open("ab") as log:
        started = subprocess.Popen(
            [sys.executable, "-m", *words], cwd=ROOT, env=environment, stdout=log, stderr=log
        )
    try:
        yield
    finally:
        started.terminate()
        try:
            started.wait(10)
        except subprocess.TimeoutExpired:
            started.kill()
            started.wait()


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Run a scheduler and two workers within the block, and give the URL for `--engine`."""
    address = f"127.0.0.1:{free_port()}"
    host, port = address.split(":")
    scheduler = ("distributed.cli.dask_scheduler", "--host", host, "--port", port, "--no-dashboard")
    worker = ("distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard")
    with ExitStack() as stack:
        stack.enter_context(process(folder, *scheduler, "--dashboard-address", "127.0.0.1:0"))
        for _ in range(2):
            stack.enter_context(process(folder, *worker))
        with distributed.Client(address, timeout=HANG_S, set_as_default=False) as client:
            client.wait_for_workers(2, timeout=HANG_S)
        yield f"dask://{address}"

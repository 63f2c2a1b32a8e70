"""How gunicorn serves. Where and with how many workers is said in the settings (`mlapi settings`)."""

import os
import sys

# gunicorn lets the current folder come first where modules are looked for: somebody's random.py there would
# take the library's place. As the last it still has wsgi.py, and shadows nothing.
sys.path.sort(key=lambda place: os.path.realpath(place) == os.getcwd())

import atexit
import ctypes
import gc
from pathlib import Path
from typing import Any

from mlapi.errors import SettingsError
from mlapi.server.gunicorn_settings import WORKER_CLASSES, thread_count
from mlapi.settings import process_settings

try:
    _settings = process_settings()
except SettingsError as _error:
    sys.exit(f"mlapi: {_error}")

bind = [_settings.address]
workers = _settings.workers
# An empty Flask view on two workers, in one run on a busy machine of two cores, medians of three rounds:
# CPU µs a request at 1 and at 16 connections, p50 at one, requests a second at 16, while 150 clients
# have sent half a request; and, in three other runs, answers to one client in 1.5 s while six calls of 2 s
# that block outside of Python are under way (gthread: one worker may get four of them, and accepts on).
#   gthread, 4 threads   279  260   278 µs   2,600   nobody is answered   1, 3, 2,900
#   gevent               211  234   222 µs   2,000   answered             1, 1, 1
#   this project's       165  181   160 µs   4,900   answered             3,100, 3,900, 4,300
# With eight such calls, one in every thread, nobody is answered by any.
# (`sync`, in another run: 305 and 272; it closes every connection after one answer. The same view under
# granian, in this run: 124, 113, 159 µs, 7,900.)
worker_class = WORKER_CLASSES[_settings.worker_class]
# Of a worker, inside long calls at once; of ours a short one never leaves the loop's own thread.
threads = thread_count(_settings)
keepalive = 15
worker_connections = 1000  # of a worker; below the 1,024 open files that many systems allow a process
backlog = 2048  # a burst of 800 connections at once is answered whole (tests/server/worker/test_worker.py)
max_requests = 1_000_000  # memory that leaks somewhere does not add up for ever; a restart loses no request
max_requests_jitter = 200_000  # not all workers at once

# Models are loaded once, before the fork: workers share their pages, and one that is respawned cannot
# fail on an import or a file, which would stop the whole server.
preload_app = True


# The pool of processes that fit on request and run jobs: see mlapi/server/pool_process.py.
dirty_apps = ["mlapi.server.pool_process:PoolProcess"]
dirty_workers = int(_settings.fit_workers + _settings.job_workers > 0)
# By this name gunicorn finds, and ends, what a killed master has left: that of two servers must differ.
proc_name = f"mlapi {_settings.address}"


def pre_fork(server: object, worker: object) -> None:
    """Keep the collector from writing to, and so copying, the pages that the workers share: 72 MB in
    place of 73 for two workers without models (proportional), more with what a model holds in objects."""
    gc.freeze()


def _end_at_once(process: object) -> None:
    """Leave out what C++ libraries do when a process ends: of one that was forked, onnxruntime (1.31.1) joins
    threads that only its parent had, and aborts a worker, or lets gunicorn's dirty arbiter hang."""
    atexit.register(os._exit, 0)


on_dirty_starting = _end_at_once


def post_worker_init(worker: Any) -> None:
    """Give our worker two settings that gunicorn has no name for (mlapi.server.worker.worker)."""
    worker.request_seconds = _settings.request_seconds
    worker.max_body_bytes = _settings.max_body_bytes
    _end_at_once(worker)


# What the pool starts are programs of Python's, which look into the current folder first unless told not to.
#
# One thread of arithmetic a worker: more of them fight over the same cores, and a model that used
# OpenMP before the fork would hang after it. gunicorn sets these before it loads the application, and
# nothing that it imports until then imports numpy (tests/server/worker/test_worker.py holds the worker to
# that).
raw_env = ["PYTHONSAFEPATH=1", "OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1"]

# What a large request took is kept for the next one, up to 64 MiB, in place of being given back to the
# system and faulted in again: 10,000 rows of 30 numbers take 7.3 ms where they took 9.6 (mallopt(3):
# M_MMAP_THRESHOLD and M_TRIM_THRESHOLD; glibc has it, others do not).
_mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
if _mallopt is not None:
    _mallopt(-8, 1)  # M_ARENA_MAX: else each thread keeps as much
    _mallopt(-3, 32 * 2**20)
    _mallopt(-1, 64 * 2**20)

timeout = 30
graceful_timeout = 25
_memory = Path("/dev/shm")  # noqa: S108 - heartbeats must not wait for a disk
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
http_parser = "python"  # "auto" takes any installed C parser, also old ones that accept malformed requests
# No header is SCRIPT_NAME or PATH_INFO: by default whoever reaches 127.0.0.1, also through a proxy there that
# passes headers on, may say so which part of the path counts. Our worker insists, whatever is configured.
forwarder_headers = ""
header_map = "drop"
control_socket_disable = True
umask = 0o077

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "mlapi.http.telemetry.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "mlapi": {"level": _settings.log_level.upper()},
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
    },
}

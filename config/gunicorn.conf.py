"""How gunicorn serves. Where and with how many workers is said in the settings (`mlapi settings`)."""

import sys
from pathlib import Path

from mlapi.errors import SettingsError
from mlapi.settings import process_settings

try:
    _settings = process_settings()
except SettingsError as _error:
    sys.exit(f"mlapi: {_error}")

bind = [f"{_settings.host}:{_settings.port}"]
workers = _settings.workers
worker_class = "mlapi.worker.Worker"
threads = 4
keepalive = 15

# Models are loaded once, before the fork: workers share their pages, and one that is respawned cannot
# fail on an import or a file, which would stop the whole server.
preload_app = True
# One thread of arithmetic a worker: more of them fight over the same cores, and a model that used
# OpenMP before the fork would hang after it.
raw_env = ["OMP_NUM_THREADS=1", "OPENBLAS_NUM_THREADS=1", "MKL_NUM_THREADS=1"]

timeout = 30
graceful_timeout = 25
_memory = Path("/dev/shm")  # noqa: S108 - heartbeats must not wait for a disk
worker_tmp_dir = str(_memory) if _memory.is_dir() else None
http_parser = "python"  # "auto" takes any installed C parser, also old ones that accept malformed requests
control_socket_disable = True
umask = 0o077

logconfig_dict = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"()": "mlapi.telemetry.LineFormatter"}},
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"level": "WARNING", "handlers": ["stderr"]},
    "loggers": {
        "mlapi": {"level": _settings.log_level.upper()},
        "gunicorn.error": {"level": "INFO", "handlers": ["stderr"], "propagate": False},
        "gunicorn.access": {"level": "WARNING", "handlers": [], "propagate": False},
    },
}

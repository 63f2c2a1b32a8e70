"""The servers of the comparison: how each is started, and where it is asked. To add one, add a row.

All have two workers, one thread of arithmetic each, and write no access log.
"""

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.models import Models
from benchmarks.process import Process, free_port, running
from benchmarks.work import Work

OURS, FLOOR, TUTORIAL = "mlapi", "flask-view", "tutorial"

_GUNICORN = ("gunicorn", "-c", "config/gunicorn.conf.py")


@dataclass(frozen=True, slots=True)
class Server:
    """`command` is a module of Python's and its arguments; `title` is for those who know none of this."""

    name: str
    title: str
    command: tuple[str, ...]
    row: str = "/predict/{model}"
    rows: str = "/predict/{model}"
    record: str = "/predict/{model}"
    is_floor: bool = False

    def path(self, work: Work) -> str:
        return str(getattr(self, work.form)).format(model=work.model)


def _granian(app: str) -> tuple[str, ...]:
    return ("granian", "--interface", "wsgi", "--workers", "2", "--port", "{port}", app)


def _fastapi(kind: str) -> Server:
    command = ("uvicorn", "--workers", "2", "--no-access-log", "--port", "{port}")
    return Server(
        f"fastapi-{kind}",
        f"FastAPI, {kind}",
        (*command, "benchmarks.fastapi_app:app"),
        row=f"/{kind}/row/{{model}}",
        rows=f"/{kind}/rows/{{model}}",
        record=f"/{kind}/record/{{model}}",
    )


SERVERS = {
    server.name: server
    for server in (
        Server(OURS, "mlapi", (*_GUNICORN, "wsgi:app")),
        Server("mlapi-granian", "mlapi under granian", _granian("wsgi:app")),
        Server(FLOOR, "an empty Flask view", (*_GUNICORN, "benchmarks.flask_view:app"), is_floor=True),
        Server(
            TUTORIAL,
            "the tutorials' Flask app",
            ("gunicorn", "-w", "2", "-b", "127.0.0.1:{port}", "benchmarks.tutorial_app:app"),
        ),
        _fastapi("async"),
        _fastapi("threads"),
    )
}


@contextmanager
def started(server: Server, models: Models, published: Path | None = None) -> Iterator[Process]:
    """A server on a free port, which may not answer yet; ours serves all models, or those of a folder."""
    port = free_port()
    command = [sys.executable, "-m", *(word.format(port=port) for word in server.command)]
    environ = _environ(models, published or models.published, port, is_floor=server.is_floor)
    with running(command, environ, port, models.folder / f"{server.name}.log") as process:
        yield process


def _environ(models: Models, published: Path, port: int, *, is_floor: bool) -> Mapping[str, str]:
    no_pool = {"MLAPI_FIT_WORKERS": "0", "MLAPI_JOB_WORKERS": "0"} if is_floor else {}
    return {
        **no_pool,
        "ESTIMATORS": str(models.estimators),
        "MLAPI_MODELS_DIR": str(published),
        "MLAPI_STATE_DIR": str(models.state),
        "MLAPI_HOST": "127.0.0.1",
        "MLAPI_PORT": str(port),
        "MLAPI_WORKERS": "2",
        "MLAPI_LOG_LEVEL": "warning",  # no line for each request, as with the others
    }

"""gunicorn around the application, for `mlapi serve`: the settings decide, no file of the current folder
and no GUNICORN_CMD_ARGS does."""

from pathlib import Path
from typing import Any

from gunicorn.app.base import Application

from mlapi.server.gunicorn_settings import WORKER_CLASSES, thread_count
from mlapi.settings import Settings

_PACKAGE = Path(__file__).resolve().parents[1]


class GunicornServer(Application):  # type: ignore[misc]
    """gunicorn as a program, for `mlapi serve`: `run` serves until SIGTERM or SIGINT comes.

    gunicorn calls its own program an application. What it serves is another one: the WSGI application
    (`mlapi.http.application.Application`), which `load` returns.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        """Read our configuration file, then set what options of the command may have changed."""
        self.load_config_from_file(str(config_file()))
        self.cfg.set("bind", [self._settings.address])
        self.cfg.set("workers", self._settings.workers)
        self.cfg.set("worker_class", WORKER_CLASSES[self._settings.worker_class])
        self.cfg.set("threads", thread_count(self._settings))
        self.cfg.set("proc_name", f"mlapi {self._settings.address}")

    def load(self) -> Any:
        """Return the WSGI application; gunicorn calls it once, before the first fork."""
        # Here and not above: numpy must find the limits on its threads that the configuration sets.
        from mlapi.server.app import create_app  # noqa: PLC0415
        from mlapi.server.pool_process import PoolProcess  # noqa: PLC0415

        PoolProcess.settings = self._settings
        return create_app(self._settings)


def config_file() -> Path:
    """Return where config/gunicorn.conf.py is: in the checkout, or the copy that the wheel carries."""
    packaged = _PACKAGE / "gunicorn.conf.py"
    return packaged if packaged.exists() else _PACKAGE.parent / "config" / "gunicorn.conf.py"

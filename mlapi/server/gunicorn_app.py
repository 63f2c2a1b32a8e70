"""gunicorn around the application, for `mlapi serve`: the settings decide, no file of the current folder
and no GUNICORN_CMD_ARGS does."""

from pathlib import Path
from typing import Any

from gunicorn.app.base import Application

from mlapi.settings import Settings

_HERE = Path(__file__).resolve().parents[1]


class Server(Application):  # type: ignore[misc]
    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        super().__init__()

    def load_config(self) -> None:
        self.load_config_from_file(str(config_file()))
        self.cfg.set("bind", [self._settings.address])
        self.cfg.set("workers", self._settings.workers)
        self.cfg.set("proc_name", f"mlapi {self._settings.address}")

    def load(self) -> Any:
        # Here and not above: numpy must find the limits on its threads that the configuration sets.
        from mlapi.server.app import create_app  # noqa: PLC0415
        from mlapi.server.pool_process import PoolProcess  # noqa: PLC0415

        PoolProcess.settings = self._settings
        return create_app(self._settings)


def config_file() -> Path:
    """config/gunicorn.conf.py: of the checkout, or the copy that the wheel carries."""
    carried = _HERE / "gunicorn.conf.py"
    return carried if carried.exists() else _HERE.parent / "config" / "gunicorn.conf.py"

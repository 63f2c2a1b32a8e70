"""gunicorn's real configuration, and a hook that fails where a test asks for it."""

from runpy import run_path
from typing import Any

globals().update(run_path("config/gunicorn.conf.py"))


def post_request(worker: Any, request: Any, *_: Any) -> None:
    if request.path == "/hook":
        raise ValueError("on purpose")

"""Where and with what the figures were measured; nothing that tells whose machine it is."""

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    *("flask", "gunicorn", "granian", "fastapi", "uvicorn", "uvloop", "httptools", "pydantic", "orjson"),
    *("pysimdjson", "scikit-learn", "numpy", "pandas"),
)


def machine() -> dict[str, Any]:
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": {
            "processor": _field("/proc/cpuinfo", "model name"),
            "cores": os.cpu_count(),
            "memory_gib": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1024**2, 1),
            "kernel": f"{platform.system()} {platform.release()}",
        },
        "versions": {"python": platform.python_version(), "wrk": _wrk(), **_packages()},
    }


def _field(file: str, name: str) -> str:
    """The value of the first line that begins with the name; some processors have no model's name."""
    for line in Path(file).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return platform.machine()


def _packages() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def _wrk() -> str:
    """`wrk -v` exits with 1, after "wrk 4.1.0 [epoll] Copyright …"."""
    said = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False).stdout  # noqa: S607
    return said.split()[1]

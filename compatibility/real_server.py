"""The models that were served equal, once more: all of them by one server, in processes of gunicorn's."""

import http.client
import json
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from compatibility import questions, trial
from compatibility.case import SERVER_ERROR, WRONG, Outcome

_READY_S = 600.0

_CLIENTS = 4


def ask_again(outcomes: Mapping[Path, Outcome], folder: Path) -> Iterator[Outcome]:
    """Serve the models of some cases together; yield their outcomes, with what went otherwise this time.

    Args:
        outcomes: By the folder of the case. All were equal.
        folder: Where the cases' folders are.
    """
    if not outcomes:
        return
    whole = folder / "whole"
    (whole / "config").mkdir(parents=True)
    for place in outcomes:
        shutil.copytree(place / "models", whole / "models", dirs_exist_ok=True)
    (whole / trial.CONFIGURATION).write_text(_configuration(list(outcomes)))
    with _served(whole) as port, ThreadPoolExecutor(_CLIENTS) as clients:
        yield from clients.map(lambda entry: _again(*entry, port), outcomes.items())


def _configuration(places: list[Path]) -> str:
    """Return the settings of all cases together: lists become one list, what else they say is the same."""
    lists: dict[str, set[str]] = {}
    first = ""
    for place in places:
        first, *rest = (place / trial.CONFIGURATION).read_text().splitlines()
        for line in rest:
            name, _, value = line.partition(" = ")
            lists.setdefault(name, set()).update(json.loads(value))
    return "\n".join([first, *(f"{name} = {json.dumps(sorted(values))}" for name, values in lists.items())])


def _again(place: Path, outcome: Outcome, port: int) -> Outcome:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(path: str, body: Any) -> tuple[int, Any]:
        content = None if body is None else json.dumps(body)
        connection.request(
            "GET" if body is None else "POST", path, content, {"Content-Type": "application/json"}
        )
        response = connection.getresponse()
        return response.status, json.loads(response.read())

    try:
        differences = list(questions.differences(place.name, place, ask))
    except OSError as error:
        differences = [(500, str(error))]
    finally:
        connection.close()
    if not differences:
        return outcome
    kind = SERVER_ERROR if any(status >= 500 for status, _ in differences) else WRONG
    return replace(outcome, outcome=kind, is_right=False, message=f"under gunicorn: {differences[0][1]}")


@contextmanager
def _served(whole: Path) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with (whole / "log").open("w") as log:
        command = [sys.executable, "-m", "mlapi.cli.main", "serve", "--port", str(port)]
        server = subprocess.Popen(command, cwd=whole, stdout=log, stderr=log)
    try:
        _wait_until_ready(server, port, whole / "log")
        yield port
    finally:
        server.terminate()
        server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _READY_S
    while time.monotonic() < deadline and server.poll() is None:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health/ready")
            if connection.getresponse().status == http.client.OK:
                return
        except OSError:
            pass
        finally:
            connection.close()
        time.sleep(0.2)
    sys.exit(f"The server did not start:\n{log.read_text()[-2000:]}")

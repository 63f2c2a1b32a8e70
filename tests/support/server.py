"""A real gunicorn on loopback for tests: started on a free port, stopped by its process id."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Collection, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import STATE
from tests.support.waiting import HANG_S, until

ROOT = Path(__file__).parents[2]
PATIENT = f"--keep-alive {HANG_S} --timeout {HANG_S}"
"""A test that comes to its turn late is no idle client, and so is a worker no dead one."""

GUNICORN = [sys.executable, "-m", "gunicorn", "-c", "config/gunicorn.conf.py", "wsgi:app"]


class Server:
    """A running server: its processes, its log, and requests to it."""

    def __init__(self, process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
        self.process = process
        self.port = port
        self._log = log
        self._connections: list[http.client.HTTPConnection] = []

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def workers(self) -> list[int]:
        """The process ids of the workers, lowest first."""
        if not Path("/proc").exists():
            pytest.skip("looks at processes in /proc: Linux only")
        return [pid for pid in children(self.process.pid) if not children(pid)]

    @property
    def worker(self) -> int:
        """The process id of the only worker, once it is there."""
        return self.wait_for_workers(1)[0]

    @property
    def pool(self) -> list[int]:
        """The process ids of the pool and of who restarts it, that one first; none while there is no pool."""
        arbiters = [pid for pid in children(self.process.pid) if children(pid)]
        return [*arbiters, *(pid for arbiter in arbiters for pid in children(arbiter))]

    def connect(self) -> http.client.HTTPConnection:
        """Return a connection, not yet open, that is kept alive until the server is stopped."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)
        self._connections.append(connection)
        return connection

    def connect_to(self, worker: int) -> http.client.HTTPConnection:
        """Return an open connection that this worker holds: the others are halted while it is made."""
        with ExitStack() as stack:
            for pid in self.workers:
                if pid != worker:
                    stack.enter_context(halted(pid))
            connection = self.connect()
            assert ask(connection, "GET", "/health/live")[0] == 200
        return connection

    def wait_for_workers(self, count: int = 2, *, other_than: Collection[int] = ()) -> list[int]:
        """Return the process ids of the workers, once so many are there, and none of `other_than`."""

        def all_of_them() -> list[int]:
            workers = self.workers
            return workers if len(workers) == count and not set(workers) & set(other_than) else []

        return until(all_of_them, lambda: self.log)

    def disconnect(self) -> None:
        while self._connections:
            self._connections.pop().close()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)

    def get(self, path: str) -> tuple[int, Any]:
        return self._ask_once("GET", path)

    def post(self, path: str, body: Any) -> tuple[int, Any]:
        return self._ask_once("POST", path, json.dumps(body).encode())

    def _ask_once(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG_S)) as connection:
            return ask(connection, method, path, body)


def children(pid: int) -> list[int]:
    """Return the process ids of a process's children, lowest first; none of one that has ended.

    Linux counts a child as that of the thread that started it, until that thread ends.
    """
    pids: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with suppress(OSError):
                pids += map(int, (thread / "children").read_text().split())
    return sorted(pids)


@contextmanager
def halted(pid: int) -> Iterator[None]:
    """Halt a process for as long as the block; then it runs on, with whatever has arrived meanwhile."""
    os.kill(pid, signal.SIGSTOP)
    until(lambda: all("T (stopped)" in (task / "status").read_text() for task in _tasks(pid)))
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _tasks(pid: int) -> list[Path]:
    """Its threads: the one that accepts connections may not be the one that takes a signal."""
    return list(Path(f"/proc/{pid}/task").iterdir())


def is_running(pid: int) -> bool:
    """Return whether a process runs; one that has ended, and that nobody has waited for yet, does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def ask(
    connection: http.client.HTTPConnection, method: str, path: str, body: bytes | None = None
) -> tuple[int, Any]:
    """Send one request, and return its answer's status and JSON; the connection stays open."""
    connection.request(method, path, body)
    response = connection.getresponse()
    return response.status, json.loads(response.read())


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def running(
    models_dir: Path, tmp_path: Path, command: list[str] | None = None, cwd: Path = ROOT, **environ: str
) -> Iterator[Server]:
    """Start the server, and end it with the block, whatever happens in it; the block begins once it answers.

    Args:
        command: Instead of gunicorn with `wsgi:app`; "{port}" in it becomes the port.
        environ: Variables of the environment, settings for example.
    """
    port = free_port()
    log = tmp_path / "server.log"
    settings = {
        "MLAPI_MODELS_DIR": str(models_dir),
        "MLAPI_STATE_DIR": str(STATE),
        "MLAPI_PORT": str(port),
        "MLAPI_FIT_WORKERS": "0",  # no pool, where no test is about it
        "MLAPI_JOB_WORKERS": "0",
        "GUNICORN_CMD_ARGS": PATIENT,
        **environ,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [word.format(port=port) for word in command or GUNICORN],
            cwd=cwd,
            env={**os.environ, **settings},
            stdout=output,
            stderr=output,
        )
    server = Server(process, port, log)
    try:
        path = environ.get("SCRIPT_NAME", "").rstrip("/") + "/health/live"
        until(lambda: _is_live(server, path), lambda: server.log)
        if command is None:
            has_pool = {settings["MLAPI_FIT_WORKERS"], settings["MLAPI_JOB_WORKERS"]} != {"0"}
            if has_pool and Path("/proc").exists():
                until(lambda: server.pool, lambda: server.log)  # who starts it looks like a worker until then
            server.wait_for_workers()
        yield server
    finally:
        server.disconnect()
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(HANG_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait(HANG_S)


def _is_live(server: Server, path: str) -> bool:
    """Of one that has not ended."""
    try:
        return server.get(path)[0] == 200
    except OSError:
        assert server.process.poll() is None, server.log
        return False

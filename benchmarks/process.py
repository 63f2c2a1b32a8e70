"""A server's processes: started, told by a mark in their environment, looked at in /proc, and ended."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

ROOT = Path(__file__).parent.parent

MARK = "BENCHMARK_MARK"

FOREIGN = ("MLAPI_", "GUNICORN_", "UVICORN_", "GRANIAN_", "WEB_CONCURRENCY", "PORT")
"""What would change a server from outside."""

ONE_THREAD = {f"{pool}_NUM_THREADS": "1" for pool in ("OMP", "OPENBLAS", "MKL")}

TICKS = os.sysconf("SC_CLK_TCK")


class Process:
    """A process with all that it starts."""

    def __init__(self, command: Sequence[str], environ: Mapping[str, str], port: int, log: Path) -> None:
        self.port = port
        mark = uuid4().hex
        self._mark = f"{MARK}={mark}".encode()
        self._log = log
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        self.started = time.perf_counter()
        with log.open("wb") as output:
            self._first = subprocess.Popen(  # noqa: S603 - our own commands
                command,
                cwd=ROOT,
                env={**inherited, **ONE_THREAD, **environ, MARK: mark},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,  # a Ctrl-C is for the run, which ends its servers in order
            )

    @property
    def has_ended(self) -> bool:
        return self._first.poll() is not None

    @property
    def log(self) -> str:
        return self._log.read_text(errors="replace")

    def cpu_s(self) -> dict[int, float]:
        """User and system time so far, in seconds, by process id; the first process comes first."""
        return {pid: _cpu_s(pid) for pid in self._pids()}

    def memory_mib(self) -> float:
        """What all of it takes, a shared page counted in parts (PSS)."""
        return sum(map(_pss_kib, self._pids())) / 1024

    def stop(self) -> None:
        """Asks it to end, and ends what does not."""
        self._first.terminate()
        deadline = time.monotonic() + 10
        while self._pids() and time.monotonic() < deadline:
            self._first.poll()
            time.sleep(0.05)
        for pid in self._pids():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._first.wait()

    def _pids(self) -> list[int]:
        folders = Path("/proc").glob("[0-9]*")
        found = [int(folder.name) for folder in folders if self._mark in _bytes(folder / "environ")]
        return sorted(found, key=lambda pid: (pid != self._first.pid, pid))


@contextmanager
def running(command: Sequence[str], environ: Mapping[str, str], port: int, log: Path) -> Iterator[Process]:
    """The processes of a command, ended with the block whatever happens in it."""
    process = Process(command, environ, port, log)
    try:
        yield process
    finally:
        process.stop()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def machine_busy_s() -> float:
    """The time that all processors together have worked for processes and the kernel, in seconds."""
    user, nice, system = map(int, Path("/proc/stat").read_text().split(maxsplit=4)[1:4])
    return (user + nice + system) / TICKS


def _bytes(path: Path) -> bytes:
    """Nothing where the process has gone, or is not ours to look at."""
    try:
        return path.read_bytes()
    except OSError:
        return b""


def _cpu_s(pid: int) -> float:
    """Fields 14 and 15 of /proc/<pid>/stat (proc(5)); the name before them may hold spaces and brackets."""
    fields = _bytes(Path(f"/proc/{pid}/stat")).rpartition(b")")[2].split()
    return sum(map(int, fields[11:13])) / TICKS


def _pss_kib(pid: int) -> int:
    for line in _bytes(Path(f"/proc/{pid}/smaps_rollup")).splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1])
    return 0

"""A process that changes models, and dies or is failed by the disk at a given step: `python -m
tests.support.crash`.

It reads one case a line, JSON, and answers each with a line. A case runs in a fork, so that the imports are
paid for once. A step is a call that changes the disk, as near to the kernel as Python shows it.
"""

import errno
import fcntl
import gc
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import pytest

import mlapi.estimators.algorithms  # noqa: F401 - what a change imports is there before the fork
from mlapi.artifacts.keys import create_key
from mlapi.registry.changes import Changes
from mlapi.registry.opening import open_changes
from mlapi.settings import Settings
from tests.support import lines

ROOT = Path(__file__).parents[2]

Step: TypeAlias = Callable[[], Any]
"""What would be done; there may be a second one that does half of it: writes half, or opens in vain."""

CHANGES: Mapping[str, Callable[[Changes, float], object]] = {
    "publish": lines.publish,
    "promote": lambda changes, _: changes.promote("line", 2),
    "roll back": lambda changes, _: changes.roll_back("line"),
    "delete": lambda changes, _: changes.delete_version("line", 2),
    "replace the key": lambda changes, _: create_key(changes.state_dir, replace=True),
}


def settings_of(world: Path) -> Settings:
    return Settings(models_dir=world / "models", state_dir=world / "state", models_poll_s=0.05)


def _die(*_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail(number: int) -> None:
    raise OSError(number, os.strerror(number))


def _all(step: Step, half: Step | None, then: Callable[[], object]) -> Any:
    try:
        return step()
    finally:
        then()


def _half(step: Step, half: Step | None, then: Callable[[], object]) -> Any:
    done = (half or step)()
    then()
    return done


FAULTS: Mapping[str, Callable[[Step, Step | None], Any]] = {
    "killed before": lambda step, half: _die(),
    "killed after": lambda step, half: _all(step, half, _die),
    "killed within": lambda step, half: _half(step, half, _die),
    "no space": lambda step, half: _fail(errno.ENOSPC),
    "input/output error": lambda step, half: _fail(errno.EIO),
    "error told late": lambda step, half: _half(step, half, lambda: _fail(errno.EIO)),
    "read only from here on": lambda step, half: _fail(errno.EROFS),
    "short write": lambda step, half: _half(step, half, lambda: None),
}
"""What happens at a step."""

KILLS = [fault for fault in FAULTS if fault.startswith("killed")]
ERRORS = [fault for fault in FAULTS if fault not in KILLS]

LASTING = ("read only from here on",)
"""What happens at every later step too."""

ONLY_WRITES = ("killed within", "short write")
"""What differs from other faults only where something is written."""


class Steps:
    """Of the thread that made it: a registry of another test may still look at its models in this process."""

    def __init__(self, at: int | None, fault: str) -> None:
        self.names: list[str] = []
        self._thread = threading.get_ident()
        self._at = at
        self._fault = FAULTS[fault]
        self._lasts = fault in LASTING

    def take(self, name: str, step: Step, half: Step | None = None) -> Any:
        if threading.get_ident() != self._thread:
            return step()
        self.names.append(name)
        return self._fault(step, half) if self._is_due() else step()

    def _is_due(self) -> bool:
        here = len(self.names)
        return self._at is not None and (here == self._at or (here > self._at and self._lasts))

    def counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **named: self.take(name, lambda: real(*args, **named))


@contextmanager
def watched(steps: Steps) -> Iterator[None]:
    """Meanwhile each change of the disk by this process is a step."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("mkdir", "rename", "replace", "link", "unlink", "rmdir", "fsync", "truncate"):
            patch.setattr(os, name, steps.counted(name, getattr(os, name)))
        patch.setattr(fcntl, "flock", _locking(steps, fcntl.flock))
        patch.setattr(os, "open", _opening(steps, os.open, lambda flags: flags & _WRITING))
        patch.setattr(io, "open", _opening(steps, io.open, lambda mode: set(mode) & set("wax+")))
        patch.setattr(os, "write", _writing(steps, os.write))
        patch.setattr(os, "fdopen", _wrapping(steps, os.fdopen))
        yield


_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


def _locking(steps: Steps, real: Callable[..., Any]) -> Callable[..., Any]:
    def flock(file: Any, operation: int) -> Any:
        if operation == fcntl.LOCK_UN:  # which a kernel does not refuse
            return real(file, operation)
        return steps.take("lock", lambda: real(file, operation))

    return flock


def _opening(steps: Steps, real: Callable[..., Any], writes: Callable[[Any], object]) -> Callable[..., Any]:
    def open_(path: Any, how: Any = "r", *args: Any, **named: Any) -> Any:
        def step() -> Any:
            return real(path, how, *args, **named)

        def no_use() -> None:
            made = step()
            os.close(made) if isinstance(made, int) else made.close()

        return steps.take("open", step, no_use) if writes(how) else step()

    return open_


def _writing(steps: Steps, real: Callable[[Any, Any], int]) -> Callable[[Any, Any], int]:
    def write(where: Any, content: Any) -> int:
        half = memoryview(content)[: len(content) // 2]
        return steps.take("write", lambda: real(where, content), lambda: real(where, half))

    return write


def _wrapping(steps: Steps, real: Callable[..., Any]) -> Callable[..., Any]:
    class File(io.FileIO):
        write = _writing(steps, io.FileIO.write)

    def fdopen(descriptor: int, mode: str = "r", *args: Any, **named: Any) -> Any:
        if mode == "wb":
            return io.BufferedWriter(File(descriptor, mode))
        return real(descriptor, mode, *args, **named)

    return fdopen


def change(case: Mapping[str, Any]) -> dict[str, Any]:
    """In this process: which steps it took, and what came of it."""
    changes = open_changes(settings_of(Path(case["world"])), "tests")
    steps = Steps(case["at"], case["fault"])
    try:
        with watched(steps):
            CHANGES[case["change"]](changes, case["slope"])
    except OSError as error:
        return {"outcome": "refused", "steps": steps.names, "reason": str(error)}
    return {"outcome": "done", "steps": steps.names}


def forked(cases: list[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Each in a process of its own, all at once."""
    gate, opener = os.pipe()
    children = [_fork(case, gate, opener) for case in cases]
    os.close(gate)
    os.close(opener)
    return [_answer_of(*child) for child in children]


def _fork(case: Mapping[str, Any], gate: int, opener: int) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    os.close(opener)
    os.read(gate, 1)  # ends once everybody has closed the other end: all children are there
    os.write(writing, json.dumps(change(case)).encode())
    os._exit(0)


def _answer_of(child: int, reading: int) -> dict[str, Any]:
    with os.fdopen(reading, "rb") as file:
        answer = file.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    outcome = "killed" if status == -signal.SIGKILL else f"ended with {status}"
    return json.loads(answer) if answer else {"outcome": outcome}


class Process:
    """The process, as a test speaks to it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def run(self, cases: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """What came of each case; they run at once."""
        assert self._process.stdin
        assert self._process.stdout
        print(json.dumps(list(cases)), file=self._process.stdin, flush=True)
        return list(json.loads(self._process.stdout.readline()))


def case_of(
    change: str, world: Path, slope: float = 7, at: int | None = None, fault: str = "killed before"
) -> dict[str, Any]:
    return {"change": change, "world": str(world), "slope": slope, "at": at, "fault": fault}


@contextmanager
def process(tmp_path: Path) -> Iterator[Process]:
    environ = {**os.environ, "TMPDIR": str(tmp_path), "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "tests.support.crash"]
    with subprocess.Popen(
        command, cwd=ROOT, env=environ, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as child:
        yield Process(child)


if __name__ == "__main__":
    gc.disable()  # it would write to every page, and copy it in every fork
    for line in sys.stdin:
        print(json.dumps(forked(json.loads(line))), flush=True)

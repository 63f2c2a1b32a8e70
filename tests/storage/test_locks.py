"""Locks on files: whoever leaves one, dies, or forks, and whatever lies in the file's place."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from mlapi.storage import locks
from mlapi.storage.locks import locked
from tests.support.server import ROOT
from tests.support.waiting import HANG_S


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / ".lock"


@contextmanager
def forked() -> Iterator[int]:
    """A process that was forked here and now, and does nothing; ended with the block."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"!")
        signal.pause()
        os._exit(0)
    try:
        os.read(reading, 1)
        os.close(reading)
        os.close(writing)
        yield child
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


def test_what_is_held_is_refused_to_who_does_not_wait_and_free_afterwards(path: Path) -> None:
    with locked(path), pytest.raises(BlockingIOError, match=r"somebody else holds \.lock: try again"):
        locked(path, patience_s=0).__enter__()
    with locked(path, patience_s=0):
        pass


def test_a_lock_that_is_left_is_free_whatever_was_forked_meanwhile(path: Path) -> None:
    with locked(path):
        process = forked()
        process.__enter__()
    try:
        with locked(path, patience_s=0) as file:
            assert not file.closed
    finally:
        process.__exit__(None, None, None)


def test_a_process_that_was_forked_leaves_the_lock_to_its_parent(path: Path) -> None:
    """It closes the file, which it shares, and must not end the lock by that."""
    with locked(path), forked() as child:
        open_there = [os.readlink(entry) for entry in Path(f"/proc/{child}/fd").iterdir()]
        with pytest.raises(BlockingIOError):
            locked(path, patience_s=0).__enter__()

    assert str(path) not in open_there


HOLDER = """
import os, signal, sys
from pathlib import Path
from mlapi.storage.locks import locked

with locked(Path(sys.argv[1])):
    child = os.fork()
    if child == 0:
        signal.pause()
    print(child, flush=True)
    signal.pause()
"""


def test_a_lock_ends_with_its_holder_though_a_process_that_it_forked_lives(path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout
    child = int(holder.stdout.readline())
    try:
        with pytest.raises(BlockingIOError):
            locked(path, patience_s=0).__enter__()

        holder.kill()
        holder.wait()

        with locked(path, patience_s=HANG_S):  # the child closes the file as soon as it runs
            os.kill(child, 0)  # it is there
    finally:
        os.kill(child, signal.SIGKILL)
        holder.stdout.close()


def test_a_program_that_is_started_meanwhile_does_not_get_the_file(path: Path) -> None:
    with locked(path) as file:
        assert not os.get_inheritable(file.fileno())


def test_who_waits_gets_it_when_the_holder_has_left(path: Path) -> None:
    order: list[str] = []

    def wait() -> None:
        with locked(path):
            order.append("second")

    with locked(path):
        thread = threading.Thread(target=wait)
        thread.start()
        order.append("first")
    thread.join(timeout=HANG_S)

    assert order == ["first", "second"]


def test_threads_of_a_process_keep_one_another_out(path: Path) -> None:
    inside: list[int] = []
    most: list[int] = []

    def enter() -> None:
        for _ in range(20):
            with locked(path):
                inside.append(1)
                most.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=enter) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=HANG_S)

    assert most == [1] * 80


def test_who_waits_in_vain_says_for_whom_and_ends(
    path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(locks, "TELL_S", 0.0)

    told = pytest.raises(BlockingIOError, match=r"somebody else holds \.lock for 0\.1 s and more")
    with locked(path), told:
        locked(path, patience_s=0.1).__enter__()

    (record,) = caplog.records
    assert (record.getMessage(), vars(record)["file"]) == ("waits for a lock", str(path))
    if Path("/proc/locks").exists():
        assert vars(record)["holder"] in (os.getpid(), "?"), "a container may not see it"


IN_ITS_PLACE: dict[str, Callable[[Path], object]] = {
    "a link to a file": lambda path: path.symlink_to(path.with_name("other")),
    "a link to nowhere": lambda path: path.symlink_to(path.with_name("nowhere")),
    "a pipe": os.mkfifo,
}


@pytest.mark.parametrize("kind", IN_ITS_PLACE)
def test_a_link_is_not_followed_and_a_pipe_not_waited_for(path: Path, kind: str) -> None:
    path.with_name("other").write_bytes(b"untouched")
    IN_ITS_PLACE[kind](path)

    with pytest.raises(OSError, match=r"\.lock is a link or no plain file: remove it") as caught:
        locked(path).__enter__()

    assert caught.value.errno == errno.EINVAL
    assert path.with_name("other").read_bytes() == b"untouched"
    assert not path.with_name("nowhere").exists()
    assert path.lstat().st_ino not in inodes_held()


def inodes_held() -> set[int]:
    """Of all locks of this process: those of other tests' registries are among them, which come and go."""
    held = set()
    for file in list(locks._open):
        with suppress(OSError, ValueError):  # closed meanwhile
            held.add(os.fstat(file.fileno()).st_ino)
    return held


def test_notes_are_kept_for_who_comes_next(path: Path) -> None:
    with locked(path) as file:
        file.write(b"first")
    with locked(path) as file:
        file.seek(0)
        assert file.read() == b"first"
        file.truncate(0)
        file.write(b"second")

    assert path.read_bytes() == b"second"

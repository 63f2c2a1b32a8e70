"""The pool's processes: each with its bounds, and whatever becomes of one, the others go on."""

import ctypes
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlapi.errors import MlapiError, NotWritable, Unfittable
from mlapi.jobs.pool import client
from mlapi.jobs.pool.child import Child, Outcome, ReportProgress, Task, prepare
from mlapi.jobs.pool.client import ask
from mlapi.jobs.pool.errors import PoolUnavailable, QueueFull, TaskOutOfMemory, TaskProcessEnded, TaskTimedOut
from mlapi.jobs.pool.messages import Message, connect, send
from mlapi.jobs.pool.server import Bounds, Pool, Queue
from tests.support.pools import serve
from tests.support.waiting import HANG_S, until

pytestmark = pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are bounded so on Linux")

BOUNDS = Bounds(running=1, waiting=1, seconds=HANG_S, megabytes=64)


def echo(message: Message, _: ReportProgress) -> Message:
    return Message({**message.head, "pid": os.getpid()}, message.body[::-1])


def loop(_: Message, __: ReportProgress) -> Message:
    while True:
        pass


def hoard(message: Message, _: ReportProgress) -> Message:
    return Message({"sum": float(np.ones(message.head["gigabytes"] * 2**27).sum())})


def keep_a_little(message: Message, _: ReportProgress) -> Message:
    Kept.memory.append(np.ones(2 * 2**20))
    return echo(message, _)


class Kept:
    memory: list[Any] = []


def crash(_: Message, __: ReportProgress) -> Message:
    ctypes.string_at(0)
    return Message({})


def leave(_: Message, __: ReportProgress) -> Message:
    os._exit(3)


def fail(_: Message, __: ReportProgress) -> Message:
    raise KeyError("a secret")


def refuse(_: Message, __: ReportProgress) -> Message:
    raise Unfittable("not so")


def meet_a_full_disk(_: Message, __: ReportProgress) -> Message:
    raise OSError(28, "No space left on device", "/a/secret/path")


def wait_for(message: Message, _: ReportProgress) -> Message:
    while not Path(message.head["file"]).exists():
        time.sleep(0.01)
    return Message({})


def tell_and_wait(message: Message, report: ReportProgress) -> Message:
    report({"pid": os.getpid(), "nice": os.nice(0)})
    return wait_for(message, report)


def chatter(_: Message, report: ReportProgress) -> Message:
    while True:
        report({"so": "on"})


def nothing() -> None:
    return


TASKS: dict[str, Task] = {
    task.__name__: task
    for task in (
        *(echo, loop, hoard, keep_a_little, crash, leave, fail, refuse, meet_a_full_disk, wait_for),
        tell_and_wait,
    )
}


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> None:
    prepare([__name__])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a pool with a queue for each of the tasks above; an endless one is ended after a second."""
    folder = tmp_path_factory.mktemp("pool")
    bounds = {"loop": Bounds(1, 1, 1, 64)}
    queues = {name: Queue(task, bounds.get(name, BOUNDS), nothing) for name, task in TASKS.items()}
    serve(folder, Pool(folder, queues))
    return folder


def asked(folder: Path, task: str, body: bytes = b"", **head: Any) -> Message:
    return ask(folder, task, Message(head, body), seconds=HANG_S)


def test_a_task_is_done_in_a_process_of_its_own_that_takes_the_next_one(folder: Path) -> None:
    asked(folder, "echo")  # by the one that was made ready for it, or before there was one
    first = asked(folder, "echo", b"abc", a=1)
    second = asked(folder, "echo", b"x" * 10_000_000)

    assert (first.head["a"], first.body) == (1, b"cba")
    assert first.head["pid"] != os.getpid()
    assert second.head["pid"] == first.head["pid"]
    assert len(second.body) == 10_000_000


@pytest.mark.parametrize(
    ("task", "error", "told"),
    [
        ("loop", TaskTimedOut, "longer than the 1 s that it may"),
        (
            "crash",
            TaskProcessEnded,
            "by signal 11 before it was done, most likely for want of more than 64 MB",
        ),
        ("leave", TaskProcessEnded, "with status 3"),
        ("refuse", Unfittable, "not so"),
        ("fail", MlapiError, "a defect of the server; its log has the reason"),
        ("meet_a_full_disk", NotWritable, "No space left on device"),
    ],
)
def test_however_a_task_ends_its_asker_is_told_and_the_next_one_is_done(
    folder: Path, task: str, error: type[MlapiError], told: str
) -> None:
    with pytest.raises(error) as raised:
        asked(folder, task)

    assert told in str(raised.value)
    assert "secret" not in str(raised.value)
    assert type(raised.value) is error
    assert asked(folder, "echo", b"ab").body == b"ba"


def test_a_task_that_takes_8_gib_is_ended_at_its_limit(folder: Path) -> None:
    with pytest.raises(TaskOutOfMemory, match="more than the 64 MB of memory that it may have"):
        asked(folder, "hoard", gigabytes=8)


def test_a_process_that_keeps_memory_for_itself_gets_no_other_task(folder: Path) -> None:
    assert asked(folder, "keep_a_little").head["pid"] != asked(folder, "keep_a_little").head["pid"]


def test_what_waits_beyond_the_bound_is_turned_away(folder: Path, tmp_path: Path) -> None:
    ended, refused = list[Message](), list[str]()

    def ask_and_note() -> None:
        try:
            ended.append(asked(folder, "wait_for", file=str(tmp_path / "go")))
        except QueueFull as error:
            refused.append(str(error))

    threads = [threading.Thread(target=ask_and_note) for _ in range(5)]
    for thread in threads:
        thread.start()
    until(lambda: len(refused) == 3)
    (tmp_path / "go").touch()
    for thread in threads:
        thread.join(HANG_S)

    assert len(ended) == 2
    assert set(refused) == {"2 of them run or wait already, and no more may"}


def test_who_goes_away_keeps_neither_a_turn_nor_a_place(folder: Path, tmp_path: Path) -> None:
    for _ in range(4):
        with closing(connect(folder)) as gone:
            send(gone, Message({"do": "wait_for", "file": str(tmp_path / "never")}))
        assert until(lambda: is_free(folder))


def is_free(folder: Path) -> bool:
    try:
        asked(folder, "wait_for", file="/")
    except QueueFull:
        return False
    return True


def test_nobody_there_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESTART_S", 0.1)
    with pytest.raises(PoolUnavailable):
        asked(tmp_path, "echo")
    with closing(socket.socket(socket.AF_UNIX)) as sock:
        sock.bind(str(tmp_path / "pool.sock"))
        with pytest.raises(PoolUnavailable):
            asked(tmp_path, "echo")


def test_a_pool_that_comes_in_a_moment_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "RESTART_S", HANG_S)
    coming = threading.Timer(0.3, serve, (tmp_path, Pool(tmp_path, {"echo": Queue(echo, BOUNDS, nothing)})))
    coming.start()

    assert asked(tmp_path, "echo", b"ab").body == b"ba"


def test_a_socket_may_lie_deeper_than_an_address_can_say(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    serve(deep, Pool(deep, {"echo": Queue(echo, BOUNDS, nothing)}))

    assert (deep / "pool.sock").stat().st_mode & 0o777 == 0o600
    assert asked(deep, "echo", b"ab").body == b"ba"


def test_a_second_pool_of_a_folder_waits_for_the_first(folder: Path) -> None:
    begun = threading.Event()
    threading.Thread(target=Pool(folder, {}, begun.set).serve, daemon=True).start()

    assert not begun.wait(0.2)
    assert asked(folder, "echo", b"ab").body == b"ba"


@pytest.fixture
def child() -> Iterator[Child]:
    child = Child(tell_and_wait, 64, nice=19)
    yield child
    child.end()


def outcome_of(child: Child, file: Path, meanwhile: Callable[[dict[str, Any]], object]) -> Outcome:
    child.begin(Message({"file": str(file)}))
    return child.outcome(seconds=HANG_S, report=meanwhile)


def test_a_child_steps_back_for_others(child: Child, tmp_path: Path) -> None:
    def look(said: dict[str, Any]) -> None:
        assert said["nice"] == 19
        (tmp_path / "go").touch()

    assert outcome_of(child, tmp_path / "go", look).ended == "done"


def test_a_child_that_somebody_kills_is_told_from_one_that_fails(child: Child, tmp_path: Path) -> None:
    found = outcome_of(child, tmp_path / "never", lambda said: os.kill(said["pid"], signal.SIGKILL))

    assert found.ended == "killed"
    assert "signal 9" in found.message.head["detail"]


def test_a_child_that_is_not_wanted_any_more_is_left(child: Child, tmp_path: Path) -> None:
    child.begin(Message({"file": str(tmp_path / "never")}))

    assert child.outcome(seconds=HANG_S, is_wanted=lambda: False).ended == "unwanted"


@pytest.mark.parametrize(("is_wanted", "ended"), [(True, "refused"), (False, "unwanted")])
def test_a_child_that_never_stops_talking_is_ended_all_the_same(is_wanted: bool, ended: str) -> None:
    child = Child(chatter, 64)
    try:
        child.begin(Message({}))
        assert child.outcome(seconds=0.5, is_wanted=lambda: is_wanted).ended == ended
    finally:
        child.end()


def test_a_child_that_was_killed_while_it_waited_is_not_noticed(tmp_path: Path) -> None:
    serve(tmp_path, Pool(tmp_path, {"echo": Queue(echo, BOUNDS, nothing)}))
    asked(tmp_path, "echo")
    first = asked(tmp_path, "echo").head["pid"]

    os.kill(first, signal.SIGKILL)
    until(lambda: not Path(f"/proc/{first}").exists())

    assert asked(tmp_path, "echo").head["pid"] != first

"""What a worker keeps of large requests: the real server, around small models."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.pools import until
from tests.support.server import Server, running

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="looks at the server's processes in /proc: Linux only"
)

NESTED = b'{"instances": [%b1]}' % (b'{"a":{"b":1}},' * 70_000)
"""Less than a megabyte, and 34 MB as Python's objects."""

ROW = [13.2, 1.8, 2.1, 11.2, 100, 2.6, 2.8, 0.26, 1.3, 4.4, 1.05, 3.4, 1050]

PEAK, KEPT = 200, 50
"""MiB of a worker's memory beyond what it has at the start: 90, of which 25 stay. Without bounds 80 stay, and
up to 500 where the machine is quick enough to read more of them at once."""


@pytest.fixture
def server(trained: Path, tmp_path: Path) -> Iterator[Server]:
    with running(trained, tmp_path) as server:
        yield server


def memory_of(pid: int, line: str) -> int:
    """In MiB: `VmRSS` is what a process has now, `VmHWM` the most that it has had."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition(f"{line}:")[2].split()[0]) // 1024


@pytest.mark.exhaustive
def test_bodies_that_become_much_more_in_memory_are_bounded_and_leave_little_behind(server: Server) -> None:
    statuses: list[int] = []

    def ask() -> None:
        with closing(server.connect()) as connection:
            connection.timeout = 120
            connection.request("POST", "/predict/svm", NESTED)
            response = connection.getresponse()
            response.read()
            statuses.append(response.status)

    for _ in range(20):
        assert server.post("/predict/svm", {"features": ROW})[0] == 200
    before = {pid: memory_of(pid, "VmRSS") for pid in server.workers}
    for _ in range(2):
        threads = [threading.Thread(target=ask) for _ in range(26)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert statuses == [422] * 52
    assert list(before) == server.workers
    for pid, size in before.items():
        assert memory_of(pid, "VmHWM") - size < PEAK
    until(lambda: all(memory_of(pid, "VmRSS") - size < KEPT for pid, size in before.items()))

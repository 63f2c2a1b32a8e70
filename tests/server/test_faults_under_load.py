"""What happens to a server that is being asked 200 times a second, while something goes wrong."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL
from mlapi.registry.aliases import FILE as ALIASES
from mlapi.registry.aliases import change_aliases, pointing
from tests.conftest import changes_in
from tests.support.lines import publish
from tests.support.load import CLIENTS, RATE, Load
from tests.support.server import Server, running

pytestmark = pytest.mark.skipif(
    not Path("/proc/self").exists(), reason="looks at the server's processes in /proc: Linux only"
)

POLL_S = 0.05
SEVERAL_LOOKS = int(4 * POLL_S * RATE)
"""Requests, while which every worker looks at the models several times."""

PROMOTIONS = 20
BETWEEN_S = 0.1


NAMES = [f"line-{number}" for number in range(24)]
"""A model a test, so that no test sees what another has left."""


@pytest.fixture(scope="module")
def models_dir(tmp_path_factory: pytest.TempPathFactory, worker_class: str) -> Path:
    """Lines with two versions, of which the first is production; others for each worker class."""
    folder = tmp_path_factory.mktemp("load") / "models"
    for name, version in product(NAMES, (1, 2)):
        publish(changes_in(folder), version, name)
    return folder


@pytest.fixture(scope="module")
def server(models_dir: Path, tmp_path_factory: pytest.TempPathFactory, worker_class: str) -> Iterator[Server]:
    environ = {"MLAPI_MODELS_POLL_S": str(POLL_S), "MLAPI_WORKER_CLASS": worker_class}
    with running(models_dir, tmp_path_factory.mktemp("server"), **environ) as server:
        yield server


@pytest.fixture(scope="module")
def names(worker_class: str) -> Iterator[str]:
    return iter(NAMES)


@pytest.fixture
def home(models_dir: Path, names: Iterator[str]) -> Path:
    """The folder of a model that no other test asks."""
    return models_dir / next(names)


def assert_nothing_failed(load: Load) -> None:
    assert load.broken_connections == 0
    assert_right_after_a_retry(load)


def assert_right_after_a_retry(load: Load) -> None:
    assert load.failed == 0, load.statuses
    assert load.wrong == []
    assert load.statuses[200] >= SEVERAL_LOOKS


def under(server: Server, home: Path) -> Load:
    return Load(server, f"/predict/{home.name}")


def kill_a_worker(server: Server) -> None:
    victim = server.workers[0]
    os.kill(victim, signal.SIGKILL)
    server.wait_for_workers(other_than=[victim])


def remove_bit_by_bit(folder: Path, load: Load) -> None:
    """As a slow disk does it: the servers look several times in between."""
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
        os.utime(folder.parent)  # a folder that has not changed is not looked into
        load.wait_for(SEVERAL_LOOKS // 4 + 2)
    folder.rmdir()


def remove_at_once(folder: Path, load: Load) -> None:
    shutil.rmtree(folder)


def rename(folder: Path, load: Load) -> None:
    folder.rename(folder.with_name(".away"))


REMOVALS: list[Callable[[Path, Load], None]] = [remove_bit_by_bit, remove_at_once, rename]


def test_a_killed_worker_takes_only_its_connections_along(server: Server, home: Path) -> None:
    with under(server, home) as load:
        kill_a_worker(server)
        load.wait_for(SEVERAL_LOOKS)

    assert load.broken_connections <= CLIENTS
    assert_right_after_a_retry(load)
    assert set(load.versions) == {1}


def test_a_reload_fails_nothing(server: Server, home: Path) -> None:
    before = server.workers
    with under(server, home) as load:
        server.signal(signal.SIGHUP)
        server.wait_for_workers(other_than=before)

    assert_nothing_failed(load)


def test_promotions_fail_nothing_and_every_answer_is_its_versions(server: Server, home: Path) -> None:
    with under(server, home) as load:
        for number in range(PROMOTIONS):
            change_aliases(home, pointing("production", 2 - number % 2))
            load.wait_for(int(RATE * BETWEEN_S))
        last = 2 - (PROMOTIONS - 1) % 2
        load.wait_for_version(last)

    assert_nothing_failed(load)
    assert set(load.versions) == {1, 2}


@pytest.mark.parametrize("remove", REMOVALS)
def test_the_models_of_a_running_server_may_go(
    server: Server, models_dir: Path, home: Path, remove: Any
) -> None:
    copy = Path(shutil.copytree(models_dir, models_dir.with_name("copy")))
    for other in copy.iterdir():
        if remove is remove_bit_by_bit and other.name != home.name:
            shutil.rmtree(models_dir / other.name)
    with under(server, home) as load:
        remove(models_dir, load)
        load.wait_for(SEVERAL_LOOKS)
        kill_a_worker(server)
        load.wait_for(SEVERAL_LOOKS)

    shutil.rmtree(models_dir.with_name(".away"), ignore_errors=True)
    copy.rename(models_dir)
    assert load.broken_connections <= CLIENTS
    assert_right_after_a_retry(load)
    assert set(load.versions) == {1}


@pytest.mark.parametrize("remove", REMOVALS)
def test_the_folder_of_a_loaded_version_may_go(server: Server, home: Path, remove: Any) -> None:
    with under(server, home) as load:
        remove(home / "1", load)
        load.wait_for(SEVERAL_LOOKS)

    assert_nothing_failed(load)
    assert set(load.versions) == {1}


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


def promote(home: Path, version: int) -> None:
    change_aliases(home, pointing("production", version))


def write_by_hand(home: Path, version: int) -> None:
    """Without what the alias held before."""
    document = {"format": 1, "aliases": {"production": {"version": version}}}
    (home / ALIASES).write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("damaged", "point"),
    [
        (MANIFEST, promote),
        (MODEL, promote),
        (MODEL, write_by_hand),
        (GOLDEN, write_by_hand),
        ("none is there", write_by_hand),
    ],
)
def test_a_broken_version_that_is_promoted_takes_nothing_away(
    server: Server, home: Path, tmp_path: Path, damaged: str, point: Callable[[Path, int], None]
) -> None:
    if (home / "2" / damaged).exists():
        aside = tmp_path / home.name
        shutil.copytree(home, aside)
        publish(changes_in(tmp_path), 3, home.name)
        spoil(aside / "3" / damaged)
        (aside / "3").rename(home / "3")
    with under(server, home) as load:
        point(home, 3)
        load.wait_for(SEVERAL_LOOKS)
        kill_a_worker(server)
        load.wait_for(SEVERAL_LOOKS)

    assert load.broken_connections <= CLIENTS
    assert_right_after_a_retry(load)
    assert set(load.versions) == {1}


@pytest.mark.parametrize(
    ("damaged", "damage"), [(MANIFEST, spoil), (MANIFEST, Path.unlink), (MODEL, spoil), (MODEL, empty)]
)
def test_a_version_that_is_damaged_while_it_serves_serves_on_and_a_new_worker_answers_what_was_before(
    server: Server, home: Path, damaged: str, damage: Callable[[Path], None]
) -> None:
    promote(home, 2)
    publish(changes_in(home.parent), 3, home.name)
    promote(home, 3)
    with under(server, home) as load:
        load.wait_for_version(3)
        intact = len(load.versions)
        damage(home / "3" / damaged)
        load.wait_for(SEVERAL_LOOKS)
        before = set(load.versions[intact:])
        kill_a_worker(server)
        load.wait_for(SEVERAL_LOOKS)

    assert before == {3}
    assert load.broken_connections <= CLIENTS
    assert_right_after_a_retry(load)
    assert set(load.versions[intact:]) <= {2, 3}


@pytest.mark.parametrize("content", ["garbage", None], ids=["words", "gone"])
def test_a_garbled_alias_file_leaves_the_aliases_as_they_were(
    server: Server, home: Path, content: str | None
) -> None:
    with under(server, home) as load:
        (home / ALIASES).unlink() if content is None else (home / ALIASES).write_text(content)
        load.wait_for(SEVERAL_LOOKS)
        kill_a_worker(server)
        load.wait_for(SEVERAL_LOOKS)

    assert load.broken_connections <= CLIENTS
    assert_right_after_a_retry(load)
    assert set(load.versions) == {1}

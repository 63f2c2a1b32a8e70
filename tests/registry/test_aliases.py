import os
import threading
from pathlib import Path

import pytest

from mlapi.errors import BrokenArtifact
from mlapi.registry.aliases import FILE, REMEMBERED, Alias, change_aliases, pointing, read_aliases
from tests.support.waiting import HANG_S


def point(home: Path, alias: str, version: int) -> None:
    change_aliases(home, pointing(alias, version))


def test_an_alias_names_what_it_was_last_set_to_and_remembers_what_it_held(tmp_path: Path) -> None:
    for version in (1, 2, 4):
        point(tmp_path, "production", version)
    point(tmp_path, "canary", 3)

    assert read_aliases(tmp_path) == {"canary": Alias(3), "production": Alias(4, (2, 1))}


def test_an_alias_remembers_so_many_steps_and_no_more(tmp_path: Path) -> None:
    for version in range(1, 30):
        point(tmp_path, "production", version)

    previous = read_aliases(tmp_path)["production"].previous
    assert previous == tuple(range(28, 28 - REMEMBERED, -1))


def test_going_back_forgets_what_came_after() -> None:
    assert Alias(4, (3, 2, 1)).moved_back_to(2) == Alias(2, (1,))


def test_no_file_is_no_alias(tmp_path: Path) -> None:
    assert read_aliases(tmp_path) == {}


def test_setting_what_holds_already_writes_nothing_and_is_no_step(tmp_path: Path) -> None:
    point(tmp_path, "production", 1)
    before = (tmp_path / FILE).stat().st_ino

    point(tmp_path, "production", 1)

    assert (tmp_path / FILE).stat().st_ino == before
    assert read_aliases(tmp_path) == {"production": Alias(1)}


def test_a_change_leaves_the_file_as_readable_as_it_was(tmp_path: Path) -> None:
    """A server writes under a stricter umask than who trains."""
    point(tmp_path, "production", 1)
    (tmp_path / FILE).chmod(0o640)
    before = os.umask(0o077)
    try:
        point(tmp_path, "production", 2)
    finally:
        os.umask(before)

    assert (tmp_path / FILE).stat().st_mode & 0o777 == 0o640


def test_an_edit_that_raises_writes_nothing(tmp_path: Path) -> None:
    point(tmp_path, "production", 1)

    with pytest.raises(LookupError):
        change_aliases(tmp_path, lambda aliases: {"production": aliases["nothing"]})

    assert read_aliases(tmp_path) == {"production": Alias(1)}


def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [threading.Thread(target=point, args=(tmp_path, f"a{i}", i + 1)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(HANG_S)

    assert read_aliases(tmp_path) == {f"a{i}": Alias(i + 1) for i in range(20)}


def test_a_file_without_previous_versions_is_read(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text('{"format": 1, "aliases": {"production": {"version": 2}}}')

    assert read_aliases(tmp_path) == {"production": Alias(2)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 9, "aliases": {}}',
        '{"format": 1, "aliases": {"production": 1}}',
        '{"format": 1, "aliases": {"production": {"version": true}}}',
        '{"format": 1, "aliases": {"production": {"version": 99999999999999999999}}}',
        '{"format": 1, "aliases": {"production": {"version": 2, "previous": ["1"]}}}',
        '{"format": 1, "aliases": {"production": {"version": 2, "previous": 1}}}',
        '{"format": 1, "aliases": {"latest": {"version": 1}}}',
        '{"format": 1, "aliases": {"../x": {"version": 1}}}',
    ],
)
def test_garbage_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)

    with pytest.raises(BrokenArtifact, match=FILE):
        point(tmp_path, "production", 1)

    assert (tmp_path / FILE).read_text() == content

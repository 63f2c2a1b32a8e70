import threading
from pathlib import Path

import pytest

from mlapi.aliases import FILE, read_aliases, set_alias
from mlapi.errors import BrokenArtifact


def test_an_alias_names_what_it_was_last_set_to(tmp_path: Path) -> None:
    set_alias(tmp_path, "production", 1)
    set_alias(tmp_path, "canary", 3)
    set_alias(tmp_path, "production", 2)

    assert read_aliases(tmp_path) == {"canary": 3, "production": 2}


def test_no_file_is_no_alias(tmp_path: Path) -> None:
    assert read_aliases(tmp_path) == {}


def test_setting_what_holds_already_writes_nothing(tmp_path: Path) -> None:
    set_alias(tmp_path, "production", 1)
    before = (tmp_path / FILE).stat().st_ino

    set_alias(tmp_path, "production", 1)

    assert (tmp_path / FILE).stat().st_ino == before


def test_changes_at_once_lose_nothing(tmp_path: Path) -> None:
    threads = [threading.Thread(target=set_alias, args=(tmp_path, f"a{i}", i + 1)) for i in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=30)

    assert read_aliases(tmp_path) == {f"a{i}": i + 1 for i in range(20)}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"format": 9, "aliases": {}}',
        '{"format": 1, "aliases": {"production": 1}}',
        '{"format": 1, "aliases": {"production": {"version": true}}}',
        '{"format": 1, "aliases": {"production": {"version": 99999999999999999999}}}',
        '{"format": 1, "aliases": {"latest": {"version": 1}}}',
        '{"format": 1, "aliases": {"../x": {"version": 1}}}',
    ],
)
def test_garbage_is_refused_and_left_alone(tmp_path: Path, content: str) -> None:
    (tmp_path / FILE).write_text(content)

    with pytest.raises(BrokenArtifact, match=FILE):
        set_alias(tmp_path, "production", 1)

    assert (tmp_path / FILE).read_text() == content

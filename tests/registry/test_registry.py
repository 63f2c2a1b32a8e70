import errno
import os
import shutil
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from joblib.numpy_pickle import NumpyUnpickler
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.folder import SIGNATURE_FILE, read_manifest
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL, NETWORK, PREDICTOR, Manifest
from mlapi.errors import BrokenArtifact, ModelNotFound, ModelUnavailable, NotReady, VersionNotFound
from mlapi.inference import loading
from mlapi.inference.model import Model
from mlapi.registry import inspection, version_loader
from mlapi.registry.aliases import FILE, Alias, change_aliases, pointing
from mlapi.registry.backends.folder import Folder
from mlapi.registry.registry import Registry
from tests.conftest import publish_fitted, replace_file, trusting
from tests.support.learnt_pictures import across_or_down, drawn
from tests.support.waiting import HANG_S
from tests.support.waiting import until as wait_until

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})

MISSING_CLASS = (b"sklearn.linear_model._base", b"sklearn.linear_modem._base")
"""What a pickle names, and what it would name if the class had been renamed since."""


def line(folder: Path, slope: float, name: str = "line") -> int:
    """Publish a line through the origin; its prediction for 1 tells the version."""
    estimator = LinearRegression().fit(FRAME.to_numpy(), FRAME["x"].to_numpy() * slope)
    return publish_fitted(folder, name, estimator, FRAME).version


def open_registry(folder: Path, on_demand_bytes: int = 1 << 20, *, eager: bool = True) -> Registry:
    return Registry(Folder(folder), trusting(), poll_s=0.02, on_demand_bytes=on_demand_bytes, eager=eager)


def set_alias(home: Path, alias: str, version: int) -> None:
    change_aliases(home, pointing(alias, version))


def slope(registry: Registry, ref: str | None = None) -> float:
    model = registry.get("line", ref)
    return round(float(model.predict(FRAME.to_numpy()[1:2]).values[0]), 6)


def spoil(path: Path) -> None:
    """Alter a file without changing its length."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def spoilt_line(folder: Path, version: int) -> None:
    """Publish the next version, altered before a registry that follows the folder can see it."""
    elsewhere = shutil.copytree(folder, folder.with_name(f"{folder.name}-elsewhere"))
    line(elsewhere, version)
    spoil(elsewhere / "line" / str(version) / MODEL)
    (elsewhere / "line" / str(version)).rename(folder / "line" / str(version))


def test_references_mean_what_the_wire_contract_says(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    set_alias(tmp_path / "line", "production", 2)
    set_alias(tmp_path / "line", "canary", 1)

    registry = open_registry(tmp_path)

    assert [slope(registry, ref) for ref in (None, "latest", "canary", "1", "3")] == [2, 3, 1, 1, 3]


def test_without_production_the_latest_is_meant(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    (tmp_path / "line" / FILE).unlink()

    assert slope(open_registry(tmp_path)) == 2


def test_unknown_names_list_the_known_ones(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)

    with pytest.raises(ModelNotFound, match="models: line"):
        registry.get("lime")
    with pytest.raises(VersionNotFound, match="versions: 1; aliases: production"):
        registry.get("line", "7")


@pytest.mark.parametrize("ref", ["0", "01", "-1", "1.0", "../1", "Production", "٣"])
def test_what_is_no_version_is_not_found(tmp_path: Path, ref: str) -> None:
    line(tmp_path, 1)

    with pytest.raises(VersionNotFound):
        open_registry(tmp_path).get("line", ref)


def test_a_new_version_is_picked_up(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry, "latest") == 1

    line(tmp_path, 2)

    wait_until(lambda: slope(registry, "latest") == 2)
    assert slope(registry) == 1, "production moves only when it is told to"


def test_a_moved_alias_is_picked_up(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    set_alias(tmp_path / "line", "production", 2)

    wait_until(lambda: slope(registry) == 2)


def test_a_model_that_comes_later_and_one_that_goes_are_seen(tmp_path: Path) -> None:
    registry = open_registry(tmp_path)
    assert registry.current_snapshot().serving == []

    line(tmp_path, 1)
    wait_until(lambda: registry.current_snapshot().serving == ["line"])

    change_aliases(tmp_path / "line", lambda _: {})
    Folder(tmp_path).delete("line", 1)
    wait_until(lambda: list(registry.current_snapshot().models) == [])


def test_what_is_loaded_serves_on_until_its_deletion_is_said(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    shutil.rmtree(tmp_path / "line" / "1")
    (tmp_path / "line" / FILE).unlink()
    wait_until(lambda: bool(registry.current_snapshot().models["line"].versions[1].note))
    assert (slope(registry), slope(registry, "latest")) == (1, 2)

    shutil.rmtree(tmp_path / "line")
    wait_until(lambda: "its folder is gone" in str(registry.current_snapshot().models["line"].folder_problem))
    assert (slope(registry), slope(registry, "latest")) == (1, 2)


def test_a_folder_made_anew_under_the_same_number_is_another_version(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    shutil.rmtree(tmp_path / "line")
    line(tmp_path, 5)

    wait_until(lambda: slope(registry) == 5)


def test_a_broken_version_is_listed_and_the_others_serve(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    line(tmp_path, 9, name="other")
    spoil(tmp_path / "line" / "2" / MODEL)

    registry = open_registry(tmp_path)

    assert [(name, number) for name, number, _ in registry.current_snapshot().broken] == [("line", 2)]
    assert slope(registry, "latest") == 1, "latest is the highest version that is good"
    assert registry.current_snapshot().serving == ["line", "other"]
    with pytest.raises(ModelUnavailable, match="altered"):
        registry.get("line", "2")


def test_a_version_whose_class_is_not_installed_is_broken_with_the_reason(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    replace_file(tmp_path / "line" / "2", PREDICTOR, None)
    _repickle(tmp_path / "line" / "2", *MISSING_CLASS)

    registry = open_registry(tmp_path)

    assert slope(registry, "latest") == 1
    (_, number, reason), *_ = registry.current_snapshot().broken
    assert number == 2
    assert "it names sklearn.linear_modem._base.LinearRegression, which is not allowed" in reason


def test_what_is_compiled_serves_where_the_class_is_not_installed_and_a_check_says_so(tmp_path: Path) -> None:
    line(tmp_path, 1)
    _repickle(tmp_path / "line" / "1", *MISSING_CLASS)

    registry = open_registry(tmp_path)

    assert slope(registry) == 1
    assert list(registry.current_snapshot().broken) == []
    with pytest.raises(ModelUnavailable, match=r"version 1 of .* is broken: .* which is not allowed"):
        registry.verify("line", 1)
    assert slope(registry) == 1


def test_a_version_that_fails_on_demand_is_listed_as_broken(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    replace_file(tmp_path / "line" / "2", PREDICTOR, None)
    _repickle(tmp_path / "line" / "2", *MISSING_CLASS)
    registry = open_registry(tmp_path)
    assert list(registry.current_snapshot().broken) == []

    with pytest.raises(ModelUnavailable, match="broken"):
        registry.get("line", "2")

    wait_until(lambda: [number for _, number, _ in registry.current_snapshot().broken] == [2])
    for _ in range(5):
        registry.refresh()
        assert [number for _, number, _ in registry.current_snapshot().broken] == [2], "it stays broken"


def test_a_version_that_memory_was_too_short_for_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    def refuse(_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(NumpyUnpickler, "load", refuse)
        with pytest.raises(ModelUnavailable, match="MemoryError"):
            registry.get("line", "2")

    assert slope(registry, "2") == 2


def test_a_mended_version_serves_again(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    file = tmp_path / "line" / "2" / MODEL
    whole = file.read_bytes()
    spoil(file)
    registry = open_registry(tmp_path)
    assert slope(registry, "latest") == 1

    file.write_bytes(whole)

    wait_until(lambda: slope(registry, "latest") == 2)


def test_what_is_loaded_survives_the_loss_of_the_folder(tmp_path: Path) -> None:
    line(tmp_path / "models", 1)
    registry = open_registry(tmp_path / "models")
    assert slope(registry) == 1

    (tmp_path / "models").rename(tmp_path / "away")
    wait_until(lambda: registry.current_snapshot().problem is not None)
    assert slope(registry) == 1

    (tmp_path / "away").rename(tmp_path / "models")
    wait_until(lambda: registry.current_snapshot().problem is None)


def test_no_models_folder_is_a_problem_and_no_crash(tmp_path: Path) -> None:
    registry = open_registry(tmp_path / "none")

    assert (
        registry.current_snapshot().problem == "the models folder cannot be read: No such file or directory"
    )
    with pytest.raises(NotReady):
        registry.get("line")


def test_an_unreadable_alias_file_does_not_promote_anything(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    (tmp_path / "line" / FILE).write_text("garbage")

    registry = open_registry(tmp_path)

    with pytest.raises(ModelUnavailable, match=r"aliases\.json"):
        registry.get("line")
    assert slope(registry, "1") == 1


def test_an_alias_file_that_turns_to_garbage_leaves_the_aliases_as_they_were(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    (tmp_path / "line" / FILE).write_text("garbage")

    wait_until(lambda: bool(list(registry.current_snapshot().broken)))
    assert slope(registry) == 1


def test_an_alias_of_a_deleted_version_is_unavailable(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    shutil.rmtree(tmp_path / "line" / "1")

    registry = open_registry(tmp_path)

    with pytest.raises(ModelUnavailable, match="names version 1, which is gone"):
        registry.get("line")
    assert registry.current_snapshot().serving == []


def test_a_version_that_fails_leaves_the_one_before_it_answering(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
        set_alias(tmp_path / "line", "production", version)
    registry = open_registry(tmp_path)
    assert slope(registry) == 3

    spoilt_line(tmp_path, 4)
    set_alias(tmp_path / "line", "production", 4)
    wait_until(lambda: registry.current_snapshot().models["line"].aliases["production"].version == 4)
    for present in (registry, open_registry(tmp_path)):  # also in a process that starts afterwards
        assert slope(present) == 3
        told = (
            "alias 'production' names version 4, which is broken; version 3, which it named before, answers"
        )
        assert told in [reason for _, _, reason in present.current_snapshot().broken]
        assert present.current_snapshot().serving == ["line"]

    spoil(tmp_path / "line" / "3" / MODEL)
    assert slope(registry) == 3, "what is loaded is not lost"
    assert slope(open_registry(tmp_path)) == 2


def test_where_no_version_before_it_serves_the_reason_is_told(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    spoil(tmp_path / "line" / "1" / MODEL)

    with pytest.raises(ModelUnavailable, match=r"version 1 of .* is broken: model\.joblib was altered"):
        slope(open_registry(tmp_path))


def test_a_version_that_nobody_asks_for_is_checked_in_the_background(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    spoil(tmp_path / "line" / "2" / MODEL)

    registry = open_registry(tmp_path)

    wait_until(lambda: [number for _, number, _ in registry.current_snapshot().broken] == [2])
    assert registry.current_snapshot().models["line"].latest == 3


def test_a_version_that_was_read_while_its_folder_was_away_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What comes back is the folder that it was before, to the last time of a file."""
    models = tmp_path / "models"
    for version in (1, 2, 3):
        line(models, version)
    read, away = version_loader.read_manifest, tmp_path / "away"

    def read_once_it_has_gone(folder: Path, *told: Any, **how: Any) -> Manifest:
        if folder.name == "2" and not away.exists():
            (models / "line").rename(away)
        return read(folder, *told, **how)

    with monkeypatch.context() as patch:
        patch.setattr(version_loader, "read_manifest", read_once_it_has_gone)
        registry = open_registry(models)
        wait_until(lambda: registry.current_snapshot().models["line"].versions[2].reason)
    away.rename(models / "line")

    wait_until(lambda: not list(registry.current_snapshot().broken))
    assert slope(registry, "2") == 2


def test_a_look_does_not_wait_for_digests_and_is_not_undone_by_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    registry = open_registry(tmp_path)
    registry.refresh()

    def compare_meanwhile(folder: Path, _: Manifest) -> None:
        set_alias(tmp_path / "line", "production", 3)
        Folder(tmp_path).delete("line", int(folder.name))
        look = threading.Thread(target=registry.refresh)
        look.start()
        look.join(HANG_S)
        assert not look.is_alive()

    monkeypatch.setattr(version_loader, "check_files", compare_meanwhile)
    registry.check()

    record = registry._snapshot.models["line"]
    assert (record.numbers, record.aliases["production"].version) == ([1, 3], 3)


def test_golden_rows_that_are_not_reproduced_break_a_version(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    folder = tmp_path / "line" / "2"
    kept = orjson.loads((folder / GOLDEN).read_bytes())
    kept["outputs"]["prediction"][2] *= 1.01
    replace_file(folder, GOLDEN, orjson.dumps(kept))

    registry = open_registry(tmp_path)

    (_, number, reason), *_ = registry.current_snapshot().broken
    assert number == 2
    assert "the prediction of row 2 is off by 9.9e-03 of its size, and may be 1e-09" in reason
    assert slope(registry, "latest") == 1


def test_only_what_is_named_is_loaded_and_the_rest_is_bounded(tmp_path: Path) -> None:
    for version in range(1, 7):
        line(tmp_path, version)
    files = read_manifest(tmp_path / "line" / "1", trusting()).files
    size = files[MODEL].bytes + files[PREDICTOR].bytes
    registry = open_registry(tmp_path, on_demand_bytes=2 * (size + 64 * 1024))
    assert sorted(number for _, number in registry.current_snapshot().loaded) == [1, 6]

    answers = [slope(registry, str(version)) for version in (2, 3, 4, 2)]

    assert answers == [2, 3, 4, 2]
    assert len(registry._loader._recent._models) == 2


def test_a_network_counts_as_it_lies_in_memory(tmp_path: Path) -> None:
    X = pd.DataFrame(drawn(40, (8, 8, 1))[0].reshape(40, 64)).add_prefix("p")
    for _ in range(5):
        files = publish_fitted(tmp_path, "bars", across_or_down(), X).files
    without_sessions = sum(files[name].bytes for name in (MODEL, PREDICTOR, NETWORK)) + 64 * 1024
    registry = open_registry(tmp_path, on_demand_bytes=2 * without_sessions)

    for version in (2, 3, 4):
        registry.get("bars", str(version))

    assert list(registry._loader._recent._models) == [("bars", 4)]


def test_a_version_with_more_than_its_manifest_lists_is_broken(tmp_path: Path) -> None:
    line(tmp_path, 1)
    note = tmp_path / "line" / "1" / "note"
    note.symlink_to("nowhere")
    registry = open_registry(tmp_path)

    (_, number, reason), *_ = registry.current_snapshot().broken
    assert (number, reason) == (1, '"note" is there, which manifest.json does not list')

    note.unlink()
    wait_until(lambda: registry.current_snapshot().serving == ["line"])


def test_hidden_and_foreign_entries_are_no_models(tmp_path: Path) -> None:
    line(tmp_path, 1)
    (tmp_path / "README.md").touch()
    (tmp_path / "notes").touch()
    (tmp_path / ".staging-1").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "line" / ".staging-2").mkdir()

    snapshot = open_registry(tmp_path).current_snapshot()

    assert list(snapshot.models) == ["line"]
    assert snapshot.models["line"].numbers == [1]


def test_an_alias_file_edited_in_place_is_noticed(tmp_path: Path) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    for path in (tmp_path / "line", tmp_path / "line" / FILE):
        os.utime(path, ns=(1, 1))
    registry = open_registry(tmp_path)
    registry.refresh()

    text = (tmp_path / "line" / FILE).read_text()
    with (tmp_path / "line" / FILE).open("r+") as file:
        file.write(text.replace('"version": 1', '"version": 2'))

    wait_until(lambda: slope(registry) == 2)
    assert registry.current_snapshot().models["line"].aliases == {"production": Alias(2)}


def test_a_defect_that_one_model_meets_does_not_hold_back_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line(tmp_path, 1)
    line(tmp_path, 1, name="other")
    real = version_loader.read_manifest

    def defect(folder: Path, *rest: Any, **named: Any) -> Manifest:
        if folder.parent.name == "other":
            raise RuntimeError("never thought of")
        return real(folder, *rest, **named)

    monkeypatch.setattr(version_loader, "read_manifest", defect)
    registry = open_registry(tmp_path)

    assert slope(registry) == 1
    assert [name for name, _, _ in registry.current_snapshot().broken] == ["other"]
    assert "never thought of" in caplog.text


def test_a_defect_in_a_look_does_not_end_the_looking(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    def defect() -> None:
        raise RuntimeError("never thought of")

    with monkeypatch.context() as patch:
        patch.setattr(registry, "check", defect)
        wait_until(lambda: "never thought of" in caplog.text)
    line(tmp_path, 2)

    wait_until(lambda: slope(registry, "latest") == 2)


def test_a_version_in_a_folder_that_nobody_may_enter_is_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line(tmp_path, 1)
    folder = tmp_path / "line" / "1"

    def refuse(path: Path) -> bool:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_symlink", refuse)

    with pytest.raises(BrokenArtifact, match="the folder cannot be read: Permission denied"):
        read_manifest(folder, trusting())


def test_what_is_broken_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    line(tmp_path, 1)
    spoil(tmp_path / "line" / "1" / MODEL)
    registry = open_registry(tmp_path)

    for _ in range(5):
        registry.refresh()

    assert [record.getMessage() for record in caplog.records] == ["broken"]


def test_trouble_with_the_disk_for_a_moment_does_not_break_a_version(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path / "models", version)
    registry = open_registry(tmp_path / "models")
    assert slope(registry) == 1

    (tmp_path / "models").rename(tmp_path / "away")
    with pytest.raises(ModelUnavailable, match="cannot be read"):
        registry.get("line", "2")
    (tmp_path / "away").rename(tmp_path / "models")

    wait_until(lambda: registry.current_snapshot().problem is None)
    assert slope(registry, "2") == 2


def test_a_file_that_cannot_be_read_for_a_moment_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line(tmp_path, 1)
    for path in (tmp_path / "line", tmp_path / "line" / FILE):
        os.utime(path, ns=(1, 1))
    trouble = OSError(errno.EMFILE, "Too many open files")

    def refuse(*_: object, **__: object) -> None:
        raise BrokenArtifact("model.joblib cannot be read: Too many open files") from trouble

    with monkeypatch.context() as patch:
        patch.setattr(version_loader, "read_manifest", refuse)
        registry = open_registry(tmp_path)
        assert [number for _, number, _ in registry.current_snapshot().broken] == [1]

    wait_until(lambda: registry.current_snapshot().serving == ["line"])


def test_a_model_whose_folder_cannot_be_read_keeps_serving(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    def refuse(_: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(inspection, "version_numbers", refuse)
        os.utime(tmp_path / "line")
        wait_until(lambda: bool(list(registry.current_snapshot().broken)))
        assert slope(registry) == 1
        assert slope(registry, "1") == 1

    wait_until(lambda: not list(registry.current_snapshot().broken))


def test_whoever_asks_first_waits_for_the_look_at_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a fork the old snapshot answers nobody."""
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    registry.refresh()
    line(tmp_path, 2)
    real = registry.refresh

    def slow(**named: Any) -> None:
        time.sleep(0.2)
        real(**named)

    monkeypatch.setattr(registry, "refresh", slow)
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: slope(registry, "latest"), range(4)))

    assert answers == [2, 2, 2, 2]


def test_requests_at_once_load_a_version_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    registry = open_registry(tmp_path)
    registry.refresh()
    loads: list[int] = []
    real = version_loader.load_model

    def load(folder: Path, manifest: Manifest, *others: Any) -> Model:
        loads.append(manifest.version)
        time.sleep(0.05)
        return real(folder, manifest, *others)

    monkeypatch.setattr(version_loader, "load_model", load)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: slope(registry, "2"), range(4))) == [2, 2, 2, 2]

    assert loads == [2]


def test_a_look_that_is_not_eager_loads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line(tmp_path, 1)
    monkeypatch.setattr(version_loader, "load_model", lambda *_: pytest.fail("loaded"))

    registry = open_registry(tmp_path, eager=False)

    assert registry.current_snapshot().models["line"].latest == 1


def test_a_look_that_is_not_eager_finds_the_versions_that_a_server_does(tmp_path: Path) -> None:
    for version in (1, 2, 3, 4):
        line(tmp_path, version)
        set_alias(tmp_path / "line", "production", version)
    spoil(tmp_path / "line" / "4" / MODEL)
    spoil(tmp_path / "line" / "3" / GOLDEN)

    for eager in (True, False):
        registry = open_registry(tmp_path, eager=eager)
        assert [slope(registry, ref) for ref in (None, "production", "latest")] == [2, 2, 2]
        with pytest.raises(ModelUnavailable, match=r"version 4 .* is broken: model\.joblib was altered"):
            registry.get("line", "4")


def test_a_look_that_is_not_eager_knows_the_latest_that_is_signed(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path, version)
    for version in ("2", "3"):
        (tmp_path / "line" / version / SIGNATURE_FILE).unlink()

    assert open_registry(tmp_path, eager=False).current_snapshot().models["line"].latest == 1


def test_nothing_is_read_again_while_nothing_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line(tmp_path, 1)
    for path in (tmp_path / "line", tmp_path / "line" / FILE):
        os.utime(path, ns=(1, 1))
    registry = open_registry(tmp_path)
    registry.refresh()
    before = registry.current_snapshot().models["line"]

    registry.refresh()

    assert registry.current_snapshot().models["line"] is before


def test_a_version_without_manifest_is_broken(tmp_path: Path) -> None:
    line(tmp_path, 1)
    (tmp_path / "line" / "1" / MANIFEST).unlink()

    registry = open_registry(tmp_path)

    assert registry.current_snapshot().models["line"].latest is None
    with pytest.raises(ModelUnavailable):
        registry.get("line")


def _repickle(folder: Path, old: bytes, new: bytes) -> None:
    """Change the pickle and sign it anew, as another version of a library would have made it."""
    content = (folder / MODEL).read_bytes()
    assert old in content
    replace_file(folder, MODEL, content.replace(old, new))


def test_what_is_loaded_outlives_the_damage_of_its_files_and_says_so(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1
    whole = (tmp_path / "line" / "1" / MANIFEST).read_bytes()

    (tmp_path / "line" / "1" / MANIFEST).write_bytes(whole[:-1])
    os.utime(tmp_path / "line")
    wait_until(lambda: bool(list(registry.current_snapshot().broken)))
    (_, number, told), *_ = registry.current_snapshot().broken
    assert (number, slope(registry)) == (1, 1)
    assert told.startswith("its files are damaged (manifest.json was altered: its signature does not hold)")

    (tmp_path / "line" / "1" / MANIFEST).write_bytes(whole)
    wait_until(lambda: not list(registry.current_snapshot().broken))
    assert slope(registry) == 1


def test_an_empty_folder_in_the_place_of_the_models_takes_nothing_away(tmp_path: Path) -> None:
    """As where a volume is not mounted: neither from a model without aliases, nor from what was asked for."""
    for version in (1, 2, 3):
        line(tmp_path / "models", version)
    (tmp_path / "models" / "line" / FILE).unlink()
    registry = open_registry(tmp_path / "models")
    assert (slope(registry), slope(registry, "2")) == (3, 2)

    (tmp_path / "models").rename(tmp_path / "away")
    (tmp_path / "models").mkdir()
    wait_until(lambda: "its folder is gone" in str(registry.current_snapshot().models["line"].folder_problem))
    assert [slope(registry, ref) for ref in (None, "latest", "3", "2")] == [3, 3, 3, 2]
    assert registry.current_snapshot().serving == ["line"]

    (tmp_path / "models").rmdir()
    (tmp_path / "away").rename(tmp_path / "models")
    wait_until(lambda: list(registry.current_snapshot().broken) == [])
    assert [slope(registry, ref) for ref in (None, "2", "1")] == [3, 2, 1]


def test_a_version_whose_folder_was_away_is_whole_again_when_it_is_back(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    (tmp_path / "line" / "1").rename(tmp_path / "away")
    wait_until(lambda: bool(registry.current_snapshot().models["line"].versions[1].note))
    (tmp_path / "away").rename(tmp_path / "line" / "1")

    wait_until(lambda: list(registry.current_snapshot().broken) == [])


def test_damage_that_is_mended_is_none_any_more_though_the_manifest_is_as_it_was(tmp_path: Path) -> None:
    line(tmp_path, 1)
    registry = open_registry(tmp_path)
    assert slope(registry) == 1

    (tmp_path / "line" / "1" / "more").touch()
    for path in (tmp_path / "line" / "1" / MANIFEST, tmp_path / "line"):
        os.utime(path)
    wait_until(lambda: '"more" is there' in str(registry.current_snapshot().models["line"].versions[1].note))
    (tmp_path / "line" / "1" / "more").unlink()

    wait_until(lambda: list(registry.current_snapshot().broken) == [])


def test_what_memory_does_not_hold_and_the_disk_does_not_show_is_not_there(tmp_path: Path) -> None:
    for version in (1, 2, 3):
        line(tmp_path / "models", version)
    registry = open_registry(tmp_path / "models")
    assert slope(registry) == 1

    (tmp_path / "models").rename(tmp_path / "away")
    (tmp_path / "models").mkdir()
    wait_until(lambda: "its folder is gone" in str(registry.current_snapshot().models["line"].folder_problem))

    with pytest.raises(VersionNotFound, match="versions: 1, 3"):
        registry.get("line", "2")


def test_a_new_version_that_meets_a_fault_is_loaded_once_that_has_passed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line(tmp_path, 1)
    line(tmp_path, 2)
    registry = open_registry(tmp_path)
    real = loading.read_file

    def refuse(folder: Path, manifest: Manifest, name: str) -> bytes:
        if name == PREDICTOR:
            trouble = OSError(errno.EMFILE, "Too many open files")
            raise BrokenArtifact(f"{name} cannot be read: Too many open files") from trouble
        return real(folder, manifest, name)

    with monkeypatch.context() as patch:
        patch.setattr(loading, "read_file", refuse)
        registry.refresh()
        assert registry._snapshot.models["line"].latest is None

    wait_until(lambda: registry.current_snapshot().models["line"].latest == 2)

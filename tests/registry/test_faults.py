"""What the disk, a kill and a stranger can do to models: real files, real processes.

Whatever happens, a reader sees the state before a change or the one after it, and no wrong byte is served.
"""

import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any, TypeAlias

import joblib
import numpy as np
import pytest

from mlapi.artifacts.folder import GONE, SIGNATURE_FILE, check_files, read_manifest, sign, taken_numbers
from mlapi.artifacts.keys import SigningKey, local_key
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL, PREDICTOR, REFERENCE, REPORT
from mlapi.artifacts.pickles import pickling
from mlapi.errors import MlapiError, ModelUnavailable
from mlapi.inference.loading import load_model
from mlapi.registry.aliases import FILE as ALIASES
from mlapi.registry.aliases import LOCK, Alias
from mlapi.registry.audit import FILE as AUDIT
from mlapi.registry.opening import open_changes, open_registry, trust_of
from mlapi.registry.registry import Registry
from mlapi.server.app import create_app
from tests.support import crash
from tests.support.crash import ERRORS, KILLS, LASTING, ONLY_WRITES, Process, case_of, settings_of
from tests.support.lines import fit, publish, slope
from tests.support.problems import assert_problem
from tests.support.server import ROOT, running
from tests.support.waiting import HANG_S, until

FILES = [MANIFEST, SIGNATURE_FILE, MODEL, PREDICTOR, GOLDEN, REFERENCE, REPORT]


def new_world(folder: Path, *changes: str) -> Path:
    """Models and the state beside them, after these changes. A version's answer for 1 is its number."""
    (folder / "models").mkdir(parents=True)
    local_key(folder / "state")
    for number, change in enumerate(changes, 1):
        crash.CHANGES[change](changes_of(folder), number)
    return folder


def changes_of(world: Path) -> Any:
    return open_changes(settings_of(world), "tests")


def registry_of(world: Path) -> Registry:
    return open_registry(settings_of(world))


def copy_of(world: Path, to: Path) -> Path:
    return Path(shutil.copytree(world, to, symlinks=True))


# Corruption


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Version 2 is production, and was version 1 before. Not to be changed: take a copy."""
    return new_world(tmp_path_factory.mktemp("two") / "world", "publish", "publish", "promote")


@pytest.fixture
def world(two_versions: Path, tmp_path: Path) -> Path:
    return copy_of(two_versions, tmp_path / "world")


@pytest.fixture
def unpickled(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The bytes of everything that was unpickled."""
    seen: list[bytes] = []
    real = pickling._load

    def load(content: bytes, names: Any) -> Any:
        seen.append(content)
        return real(content, names)

    monkeypatch.setattr(pickling, "_load", load)
    return seen


def read_whole(folder: Path, world: Path) -> None:
    """As the server does it: the manifest, every digest, then the estimator."""
    trust = trust_of(settings_of(world))
    manifest = read_manifest(folder, trust)
    check_files(folder, manifest)
    load_model(folder, manifest, trust)


def flipped(file: Path, bits: Collection[int] | None = None) -> Iterator[int]:
    """The file with one bit altered, at every byte: one of its bits, or each of the given ones."""
    whole = file.read_bytes()
    for position in range(len(whole)):
        for bit in bits or [position % 8]:
            altered = bytearray(whole)
            altered[position] ^= 1 << bit
            file.write_bytes(altered)
            yield position


@pytest.mark.exhaustive
@pytest.mark.parametrize(("name", "bits"), [(name, None) for name in FILES] + [(SIGNATURE_FILE, range(8))])
def test_no_flipped_bit_gets_past_the_reader(
    world: Path, unpickled: list[bytes], name: str, bits: Collection[int] | None
) -> None:
    """JSON and hexadecimal digits have several spellings; of a signature only one is taken."""
    folder = world / "models" / "line" / "2"
    read_whole(folder, world)
    unpickled.clear()

    for _ in flipped(folder / name, bits):
        with pytest.raises(MlapiError):
            read_whole(folder, world)

    assert unpickled == []


def _link_to_a_copy(path: Path) -> None:
    outside = path.parents[3] / "outside"
    path.rename(outside)
    path.symlink_to(outside)


def _in_its_place(make: Callable[[Path], object]) -> Callable[[Path], None]:
    def replace(path: Path) -> None:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
        make(path)

    return replace


ALTERATIONS: Mapping[str, Callable[[Path], object]] = {
    "a flipped bit": lambda path: next(flipped(path)),
    "emptied": lambda path: os.truncate(path, 0),
    "cut in half": lambda path: os.truncate(path, path.stat().st_size // 2),
    "a byte short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "a byte more": lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    "removed": Path.unlink,
    "a link to a copy": _link_to_a_copy,
    "a link to nowhere": _in_its_place(lambda path: path.symlink_to("nowhere")),
    "a pipe": _in_its_place(os.mkfifo),
    "a folder": _in_its_place(Path.mkdir),
}


@pytest.mark.parametrize("alteration", ALTERATIONS)
@pytest.mark.parametrize("name", FILES)
def test_an_altered_version_is_broken_with_a_reason_and_the_one_before_answers(
    world: Path, unpickled: list[bytes], name: str, alteration: str
) -> None:
    folder = world / "models" / "line" / "2"
    altered = (folder / MODEL).read_bytes()
    ALTERATIONS[alteration](folder / name)

    registry = registry_of(world)

    if name in (REFERENCE, REPORT) and alteration == "a flipped bit":
        assert slope(registry) == 2, "nothing that answers is altered"
    else:
        assert slope(registry) == 1
        assert altered not in unpickled
    with pytest.raises(ModelUnavailable, match=r"version 2 of model 'line' is broken: ."):
        registry.verify("line", 2)


OTHER_FOLDERS: Mapping[str, Callable[[Path], object]] = {
    "a file more": lambda folder: (folder / "more").touch(),
    "a hidden file more": lambda folder: (folder / ".more").touch(),
    "a folder more": lambda folder: (folder / "more").mkdir(),
    "a file of a newer name": lambda folder: (folder / MODEL).rename(folder / "model.pickle"),
    "a link to a copy": _link_to_a_copy,
    "a link to another version": _in_its_place(lambda folder: folder.symlink_to("1")),
    "another version": _in_its_place(lambda folder: shutil.copytree(folder.with_name("1"), folder)),
    "empty": _in_its_place(Path.mkdir),
    "a file": _in_its_place(Path.touch),
    "a pipe": _in_its_place(os.mkfifo),
}


@pytest.mark.parametrize("kind", OTHER_FOLDERS)
def test_a_folder_that_is_not_as_published_is_broken_and_the_version_before_answers(
    world: Path, unpickled: list[bytes], kind: str
) -> None:
    folder = world / "models" / "line" / "2"
    altered = (folder / MODEL).read_bytes()
    OTHER_FOLDERS[kind](folder)

    registry = registry_of(world)

    assert slope(registry) == 1
    assert altered not in unpickled
    assert registry.current_snapshot().models["line"].versions[2].reason
    with pytest.raises(ModelUnavailable, match=r"version 2 of model 'line' is broken: ."):
        registry.verify("line", 2)


# Pickles that would do something


class Burglar:
    """Unpickled, it makes a file."""

    def __init__(self, traces: Path) -> None:
        self.traces = traces

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.traces,)


PICKLES: Mapping[str, Callable[[Path], Any]] = {
    "plain": Burglar,
    "in an estimator": lambda traces: _carrying(Burglar(traces)),
    "in an array": lambda traces: np.array([Burglar(traces)], dtype=object),
}

SIGNED: Mapping[str, tuple[Callable[[Path], SigningKey | None], str]] = {
    "not signed again": (lambda world: None, "its signature does not hold"),
    "signed by a stranger": (lambda world: SigningKey.generate(), "which is not trusted here"),
    "signed by a trusted key": (lambda world: local_key(world / "state"), "which is not allowed"),
}


def _carrying(burglar: Burglar) -> Any:
    estimator = fit(2)
    estimator.carried_ = burglar
    return estimator


def plant(folder: Path, pickle: Any, key: SigningKey | None, *, compiled: bool = False) -> None:
    """Put a pickle in the place of a version's own, with a manifest that has the right digest.

    Args:
        compiled: Whether the version keeps what its own pickle was compiled to.
    """
    before = (folder / MODEL).read_bytes()
    joblib.dump(pickle, folder / MODEL)
    after = (folder / MODEL).read_bytes()
    document = json.loads((folder / MANIFEST).read_bytes())
    assert document["files"][MODEL]["sha256"] == hashlib.sha256(before).hexdigest()
    document["files"][MODEL] = {"bytes": len(after), "sha256": hashlib.sha256(after).hexdigest()}
    if not compiled:
        (folder / PREDICTOR).unlink()
        del document["files"][PREDICTOR]
    manifest = json.dumps(document).encode()
    (folder / MANIFEST).write_bytes(manifest)
    if key:
        (folder / SIGNATURE_FILE).write_bytes(sign(manifest, key))


@pytest.mark.parametrize("pickle", PICKLES)
@pytest.mark.parametrize("signed", SIGNED)
def test_a_pickle_that_would_make_a_file_makes_none(world: Path, signed: str, pickle: str) -> None:
    traces = world / "traces"
    key, why = SIGNED[signed]
    plant(world / "models" / "line" / "2", PICKLES[pickle](traces), key(world))

    registry = registry_of(world)

    assert slope(registry) == 1
    with pytest.raises(ModelUnavailable, match=why):
        registry.verify("line", 2)
    assert not traces.exists()


TOO_LARGE = {"X": [[1e308]]}
"""Twice that is no float64: what is compiled leaves such rows to the estimator."""


@pytest.mark.parametrize("pickle", PICKLES)
def test_where_a_predictor_answers_such_a_pickle_is_read_only_for_what_takes_it_and_then_refused(
    world: Path, unpickled: list[bytes], caplog: pytest.LogCaptureFixture, pickle: str
) -> None:
    traces = world / "traces"
    folder = world / "models" / "line" / "2"
    plant(folder, PICKLES[pickle](traces), local_key(world / "state"), compiled=True)
    app = create_app(settings_of(world))
    client = app.test_client()

    assert client.post("/predict/line", json={"X": [[1]]}).json["prediction"] == [pytest.approx(2)]
    assert (folder / MODEL).read_bytes() not in unpickled

    for _ in range(3):
        refused = client.post("/predict/line", json=TOO_LARGE)
        assert "which is not allowed" in assert_problem(refused, 503, "model-unavailable")["detail"]
    assert client.post("/predict/line", json={"X": [[1]]}).json["prediction"] == [pytest.approx(2)]
    assert unpickled.count((folder / MODEL).read_bytes()) == 1
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert [(record.getMessage(), record.exc_info) for record in warnings] == [("estimator not loaded", None)]
    with pytest.raises(ModelUnavailable, match="which is not allowed"):
        registry_of(world).verify("line", 2)
    assert not traces.exists()


@pytest.mark.exhaustive
def test_a_server_unpickles_none_of_them(tmp_path: Path, worker_class: str) -> None:
    world = new_world(tmp_path / "world")
    names = [f"line-{number}" for number in range(len(SIGNED) * len(PICKLES))]
    compiled = [f"compiled-{number}" for number in range(len(PICKLES))]
    cases = [*product(SIGNED, PICKLES), *product(["signed by a trusted key"], PICKLES)]
    for name, (signed, pickle) in zip(names + compiled, cases, strict=True):
        for version in (1, 2):
            publish(changes_of(world), version, name)
        changes_of(world).promote(name, 2)
        traces, folder = tmp_path / f"traces-{name}", world / "models" / name / "2"
        plant(folder, PICKLES[pickle](traces), SIGNED[signed][0](world), compiled=name in compiled)

    environ = {"MLAPI_STATE_DIR": str(world / "state"), "MLAPI_WORKER_CLASS": worker_class}
    with running(world / "models", tmp_path, **environ) as server:
        for name in names:
            status, answer = server.post(f"/predict/{name}", {"X": [[1]]})
            assert (status, answer["version"], answer["prediction"]) == (200, 1, [pytest.approx(1)])
            assert server.post(f"/predict/{name}/2", {"X": [[1]]})[0] == 503
        for name in compiled:
            assert server.post(f"/predict/{name}", {"X": [[1]]})[1]["prediction"] == [pytest.approx(2)]
            assert server.post(f"/predict/{name}", TOO_LARGE)[0] == 503
        broken = server.get("/health/ready")[1]["broken"]

    assert {entry["model"] for entry in broken if entry["version"] == 2} == set(names)
    assert list(tmp_path.glob("traces*")) == []


# Killed, or failed by the disk, at every step


Run: TypeAlias = Callable[[Iterable[dict[str, Any]]], Iterable[dict[str, Any]]]
"""Cases -> what came of each."""

BEFORE: Mapping[str, tuple[str, ...]] = {
    "publish the first": (),
    "publish": ("publish",),
    "promote": ("publish", "publish"),
    "roll back": ("publish", "publish", "promote"),
    "delete": ("publish", "publish"),
    "replace the key": ("publish",),
}
"""What happened before the change."""


@pytest.fixture(scope="module")
def process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    with crash.process(tmp_path_factory.mktemp("process")) as process:
        yield process


def seen(world: Path) -> Any:
    """What a reader sees, once it has seen that every version is whole: numbers, aliases, who answers."""
    registry = registry_of(world)
    snapshot = registry.current_snapshot()
    assert snapshot.problem is None
    assert list(snapshot.broken) == []
    for name, record in snapshot.models.items():
        for number in record.numbers:
            registry.verify(name, number)
            assert slope(registry, str(number)) == number
    return {
        name: (record.numbers, record.aliases, registry.get(name).version)
        for name, record in snapshot.models.items()
    }


def assert_nothing_is_left_over(world: Path) -> None:
    """What nobody sees and somebody has to clean up. What is left of a deleted version is known to be."""

    def left_over() -> list[str]:
        found = [path.name for path in world.rglob(".*") if GONE not in str(path)]
        return [name for name in found if name not in (LOCK, ".lock")]

    # A registry of this process may just be writing down which versions it has seen.
    until(lambda: left_over() == [], left_over)


def numbers_taken(world: Path) -> set[int]:
    home = world / "models" / "line"
    return taken_numbers(home) if home.exists() else set()


def audited(world: Path) -> list[Any]:
    """The lines of the log, None for one that is torn."""

    def parse(line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError:
            return None

    return [parse(line) for line in (world / "state" / AUDIT).read_bytes().splitlines()]


@dataclass
class Case:
    """One change that met a fault at one step, in a world of its own."""

    step: str
    world: Path
    answer: Any


def change_at_every_step(run: Run, change: str, fault: str, folder: Path) -> tuple[list[Case], Any, Any]:
    """What became of it, and what a reader sees before and after a change that meets no fault."""
    base = new_world(folder / "base", *BEFORE[change])
    what = change.removesuffix(" the first")
    slope = BEFORE[change].count("publish") + 1
    whole = copy_of(base, folder / "whole")
    steps = crash.change(case_of(what, whole, slope))["steps"]
    places = [at for at, step in enumerate(steps, 1) if is_place_for(fault, step, at == len(steps))]
    worlds = [copy_of(base, folder / str(at)) for at in places]
    answers = run(case_of(what, world, slope, at, fault) for at, world in zip(places, worlds, strict=True))
    names = [f"{at}: {steps[at - 1]}" for at in places]
    return list(map(Case, names, worlds, answers)), seen(base), seen(whole)


def is_place_for(fault: str, step: str, is_last: bool) -> bool:
    """After a step and before the next one the disk is the same, so that after matters once."""
    if fault == "killed after":
        return is_last
    return step == "write" or fault not in ONLY_WRITES


def assert_the_next_publish_works(world: Path) -> None:
    number = max(numbers_taken(world), default=0) + 1

    assert publish(changes_of(world), number) == number

    assert number in seen(world)["line"][0]
    assert audited(world)[-1]["to"] == number, "a torn line spoils no other"


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", KILLS)
@pytest.mark.parametrize("change", BEFORE)
def test_a_kill_at_any_step_leaves_the_state_before_or_after(
    process: Process, tmp_path: Path, change: str, fault: str
) -> None:
    cases, before, after = change_at_every_step(process.run, change, fault, tmp_path)

    for case in cases:
        assert case.answer == {"outcome": "killed"}, case
        assert seen(case.world) in (before, after), case
        assert_the_next_publish_works(case.world)


def outcomes(case: Case, fault: str) -> set[str]:
    if fault == "short write":
        return {"done"}
    # A folder that is there need not be made, and what is left of a deleted version may lie on.
    return {"refused", "done"} if case.step.split()[-1] in ("mkdir", "unlink", "rmdir") else {"refused"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("fault", ERRORS)
@pytest.mark.parametrize("change", BEFORE)
def test_an_error_at_any_step_is_told_and_leaves_the_state_before_or_after(
    tmp_path: Path, change: str, fault: str
) -> None:
    cases, before, after = change_at_every_step(partial(map, crash.change), change, fault, tmp_path)

    for case in cases:
        assert case.answer["outcome"] in outcomes(case, fault), case
        assert seen(case.world) in ([after] if case.answer["outcome"] == "done" else [before, after]), case
        if fault not in LASTING:
            assert_nothing_is_left_over(case.world)
        assert_the_next_publish_works(case.world)


def test_twenty_publishers_at_once_lose_nothing(process: Process, tmp_path: Path) -> None:
    world = new_world(tmp_path / "world")
    slopes = [float(slope) for slope in range(1, 21)]

    answers = process.run(case_of("publish", world, slope) for slope in slopes)

    assert [answer["outcome"] for answer in answers] == ["done"] * 20
    registry = registry_of(world)
    record = registry.current_snapshot().models["line"]
    assert record.numbers == list(range(1, 21))
    assert sorted(slope(registry, str(number)) for number in record.numbers) == slopes
    for number in record.numbers:
        registry.verify("line", number)
    assert record.aliases == {"production": Alias(1)}
    published = [line["to"] for line in audited(world) if line["what"] == "publish"]
    assert sorted(published) == record.numbers
    assert_nothing_is_left_over(world)


# A disk that is full, or cannot be written


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"mounts a small disk, which takes root: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def make_read_only(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


def fill(disk: Path, but: int) -> Path:
    """Fill the disk but for so many bytes."""
    free = os.statvfs(disk)
    (disk / "filling").write_bytes(bytes(max(free.f_bavail * free.f_frsize - but, 0)))
    return disk / "filling"


def test_a_version_that_does_not_fit_on_the_disk_is_not_there(disk: Path) -> None:
    world = new_world(disk / "world", "publish")
    before = seen(world)

    with pytest.raises(OSError, match="No space left on device"):
        publish(changes_of(world), 2, weights_=np.zeros(100_000))

    assert seen(world) == before
    assert_nothing_is_left_over(world)
    assert publish(changes_of(world), 2) == 2


def test_however_full_the_disk_is_a_version_is_whole_or_not_there(disk: Path) -> None:
    world = new_world(disk / "world", "publish")
    page = os.statvfs(disk).f_frsize
    outcomes = []

    for pages in range(15):
        filling = fill(disk, pages * page)
        before = seen(world)["line"][0]
        number = len(before) + 1
        try:
            outcomes.append(publish(changes_of(world), number))
        except OSError as error:
            outcomes.append(error.errno)
        assert seen(world)["line"][0] in (before, [*before, number])
        assert_nothing_is_left_over(world)
        filling.unlink()

    assert outcomes[0] == errno.ENOSPC
    published = [number for number in outcomes if number != errno.ENOSPC]
    assert published == list(range(2, 2 + len(published)))
    assert outcomes[-1] == published[-1], "with enough space it succeeds"


@pytest.fixture
def frozen(disk: Path) -> Path:
    """Models and state on a disk that became read-only."""
    world = new_world(disk / "world", "publish", "publish", "publish")
    make_read_only(disk)
    return world


def test_models_on_a_read_only_disk_are_served_and_a_change_is_503(frozen: Path, tmp_path: Path) -> None:
    state = Path(shutil.copytree(frozen / "state", tmp_path / "state"))

    for state_dir in (state, frozen / "state"):
        settings = replace(settings_of(frozen), state_dir=state_dir, allow_writes=True)
        client = create_app(settings).test_client()
        assert client.post("/predict/line", json={"X": [[1]]}).json["prediction"] == [pytest.approx(1)]
        for refused in (
            client.put("/models/line/aliases/production", json={"version": 2}),
            client.delete("/models/line/aliases/production"),
            client.delete("/models/line/versions/2"),
        ):
            assert_problem(refused, 503, "not-writable")
        assert client.get("/models/line").json["aliases"] == {"production": 1}


GARBAGE = [b"", b"garbage", b"\0" * 100, b'{"format": 1, "aliases": {"production": {"vers']
"""What is no file of aliases: among it one of zeros, as a crash of a whole machine may leave."""


@pytest.mark.parametrize("content", GARBAGE, ids=["empty", "words", "zeros", "torn"])
def test_no_change_is_made_on_top_of_a_garbled_alias_file(world: Path, content: bytes) -> None:
    file = world / "models" / "line" / ALIASES
    settings = replace(settings_of(world), allow_writes=True)
    client = create_app(settings).test_client()
    assert client.post("/predict/line", json={"X": [[1]]}).json["version"] == 2
    file.write_bytes(content)

    for refused in (
        client.put("/models/line/aliases/production", json={"version": 1}),
        client.delete("/models/line/aliases/production"),
        client.delete("/models/line/versions/1"),
    ):
        assert_problem(refused, 409, "conflict")

    assert file.read_bytes() == content
    assert client.post("/predict/line", json={"X": [[1]]}).json["version"] == 2
    assert publish(changes_of(world), 3) == 3, "which leaves the aliases alone"


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    "command", [["promote", "line", "2"], ["rollback", "line"], ["gc", "--keep", "1"], ["train", "svm"]]
)
def test_a_command_on_a_read_only_disk_says_so_in_a_line(frozen: Path, command: list[str]) -> None:
    environ = {"MLAPI_MODELS_DIR": str(frozen / "models"), "MLAPI_STATE_DIR": str(frozen / "state")}

    done = subprocess.run(
        [sys.executable, "-m", "mlapi.cli.main", *command],
        cwd=ROOT,
        env={**os.environ, **environ},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )

    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "Read-only file system" in line

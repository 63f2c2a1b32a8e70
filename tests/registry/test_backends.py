import io
import multiprocessing
import os
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from flask import Flask
from fsspec.implementations.memory import MemoryFileSystem
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.folder import MAX_MANIFEST_BYTES, SIGNATURE_FILE
from mlapi.artifacts.manifest import MANIFEST, MODEL, Draft
from mlapi.data.signature import Signature, Target
from mlapi.errors import ModelUnavailable, SettingsError
from mlapi.http import problems
from mlapi.registry.aliases import Alias, Aliases, pointing
from mlapi.registry.audit import Audit
from mlapi.registry.backends.bucket import REVISIONS, Bucket, open_bucket
from mlapi.registry.backends.mirror import Mirror
from mlapi.registry.changes import Changes
from mlapi.registry.registry import Registry
from mlapi.resources import add_routes
from mlapi.settings import Settings
from mlapi.storage import disk
from mlapi.storage import remote as remote_module
from mlapi.storage.remote import Remote
from mlapi.training.preparation import features
from mlapi.training.versions.golden import make_golden
from tests.conftest import STATE, trusting
from tests.support.server import PATIENT, free_port, running
from tests.support.waiting import HANG_S
from tests.support.waiting import until as wait_until

FRAME = pd.DataFrame({"x": [0.0, 1.0, 2.0]})


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    """The environment that leads to an S3 server of this process."""
    server_module = pytest.importorskip("moto.server", reason="an S3 server needs moto[s3]")
    s3fs = pytest.importorskip("s3fs", reason="s3:// needs s3fs")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    environ = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environ.items():
            patch.setenv(name, value)
        s3fs.S3FileSystem(skip_instance_cache=True).makedirs("models", exist_ok=True)
        yield environ
    remote_module._disconnect()
    server.stop()


@pytest.fixture(params=["memory", "s3"])
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty place."""
    if request.param == "s3":
        for name, value in request.getfixturevalue("s3").items():
            monkeypatch.setenv(name, value)
    else:
        _behave_as_storage(monkeypatch)
    return f"{request.param}://models/{uuid.uuid4().hex}"


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> str:
    _behave_as_storage(monkeypatch)
    return f"memory://models/{uuid.uuid4().hex}"


def _behave_as_storage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the storage in memory behave as S3 and its like do.

    By itself (fsspec 2026.9) it looks whether a file is there and then creates it, shows a file that is put
    before its content, and lets all readers of a file share one position.
    """
    lock, pipe, real_open = threading.Lock(), MemoryFileSystem.pipe_file, MemoryFileSystem._open

    def pipe_file(*args: Any, **named: Any) -> None:
        with lock:
            pipe(*args, **named)

    def open_(self: Any, path: str, mode: str = "rb", **named: Any) -> Any:
        file = real_open(self, path, mode, **named)
        return io.BytesIO(file.getvalue()) if mode == "rb" else file

    def put_file(self: Any, lpath: str, rpath: str, **_: Any) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes())

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", pipe_file)
    monkeypatch.setattr(MemoryFileSystem, "_open", open_)
    monkeypatch.setattr(MemoryFileSystem, "put_file", put_file)


def machine(url: str, state_dir: Path) -> Changes:
    """One of the machines that work with a place, each with a copy of its own."""
    poll_s = 0.05 if url.startswith("memory") else 0.3  # the S3 server shares the tests' processor
    registry = Registry(open_bucket(url, state_dir), trusting(), poll_s=poll_s, on_demand_bytes=1 << 20)
    return Changes(registry, STATE, Audit(STATE, "tests"))


def line(changes: Changes, slope: float, name: str = "line") -> int:
    """Publish a line through the origin; its prediction for 1 tells the version."""
    estimator = LinearRegression().fit(FRAME.to_numpy(), FRAME["x"].to_numpy() * slope)
    signature = Signature(features.features_of_sample(FRAME), Target("y", "number"))
    draft = Draft(
        name=name,
        algorithm="linear_regression",
        task="regression",
        signature=signature,
        parameters={},
        metrics={},
        data={},
    )
    golden = make_golden(estimator, FRAME.to_numpy(), FRAME, signature)
    return changes.publish(draft, estimator, golden, {"report.html": b"<p>"}).version


def slope(changes: Changes, ref: str | None = None) -> float:
    model = changes.registry.get("line", ref)
    return round(float(model.predict(FRAME.to_numpy()[1:2]).values[0]), 6)


def store(changes: Changes) -> Bucket:
    assert isinstance(changes.registry.store, Bucket)
    return changes.registry.store


def remote(changes: Changes) -> Remote:
    return store(changes).remote


def spoil(changes: Changes, key: str) -> None:
    """Alter a file elsewhere without changing its length."""
    content = bytearray(remote(changes).read({key: MAX_MANIFEST_BYTES})[key])
    content[len(content) // 2] ^= 1
    remote(changes).write(key, bytes(content))


def break_off(monkeypatch: pytest.MonkeyPatch, after: int) -> list[str]:
    """Let all writing to a place fail after so many files; the keys that were written."""
    written: list[str] = []

    def breaking(real: Any) -> Any:
        def write(self: Remote, one: Any, other: Any) -> Any:
            if len(written) == after:
                raise OSError("the cable was pulled")
            written.append(str(other if isinstance(one, Path) else one))
            return real(self, one, other)

        return write

    for name in ("create", "write", "put"):
        monkeypatch.setattr(Remote, name, breaking(getattr(Remote, name)))
    return written


def test_what_one_machine_publishes_another_serves(url: str, tmp_path: Path) -> None:
    here, there = machine(url, tmp_path / "here"), machine(url, tmp_path / "there")

    assert [line(here, 1), line(there, 2), line(here, 3)] == [1, 2, 3]

    there.registry.refresh()
    assert [slope(there, ref) for ref in (None, "latest", "2")] == [1, 3, 2]
    there.registry.verify("line", 1)


def test_promotions_rollbacks_and_deletions_reach_the_other_machine(url: str, tmp_path: Path) -> None:
    here, there = machine(url, tmp_path / "here"), machine(url, tmp_path / "there")
    for version in (1, 2, 3):
        line(here, version)

    here.promote("line", 3)
    there.registry.refresh()
    assert slope(there) == 3

    assert there.roll_back("line") == (3, 1)
    here.registry.refresh()
    assert slope(here) == 1

    there.delete_version("line", 3)
    here.registry.refresh()
    assert here.registry.current_snapshot().models["line"].numbers == [1, 2]
    assert not list(store(here).folder.glob("line/3/*"))
    assert not [key for key in remote(here).entries() if key.startswith("line/3/")]
    assert line(here, 4) == 4, "the number of a deleted version is never given again"


def test_a_change_is_seen_without_being_asked_for(url: str, tmp_path: Path) -> None:
    here, there = machine(url, tmp_path / "here"), machine(url, tmp_path / "there")
    line(here, 1)
    assert slope(there) == 1

    line(here, 2)
    wait_until(lambda: slope(there, "latest") == 2)

    here.promote("line", 2)
    wait_until(lambda: slope(there) == 2)


def test_only_what_serves_is_downloaded(memory: str, tmp_path: Path) -> None:
    here, there = machine(memory, tmp_path / "here"), machine(memory, tmp_path / "there")
    for version in (1, 2, 3):
        line(here, version)

    assert slope(there) == 1

    copied = sorted(path.parent.name for path in store(there).folder.rglob(MODEL))
    assert copied == ["1", "3"], "production and latest"


@pytest.mark.parametrize("steps", range(7))
def test_a_publisher_that_breaks_off_leaves_the_old_state(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    here, there = machine(memory, tmp_path / "here"), machine(memory, tmp_path / "there")
    line(here, 1)

    with monkeypatch.context() as patch:
        written = break_off(patch, steps)
        try:
            line(here, 2)
        except OSError:
            assert "line/2/manifest.json" not in written, "the manifest goes last"

    there.registry.refresh()
    numbers = there.registry.current_snapshot().models["line"].numbers
    assert numbers == ([1, 2] if "line/2/manifest.json" in written else [1])
    assert not list(there.registry.current_snapshot().broken)
    number = line(here, 3)
    there.registry.refresh()
    assert number == (3 if steps > 0 else 2), "a claim that nothing came of costs its number"
    assert (slope(there, str(number)), slope(there)) == (3, 1)


def test_publishers_at_once_get_different_numbers(url: str, tmp_path: Path) -> None:
    machines = [machine(url, tmp_path / str(number)) for number in range(3)]

    with ThreadPoolExecutor(len(machines)) as pool:
        numbers = list(pool.map(line, machines, (1.0, 2.0, 3.0)))

    reader = machine(url, tmp_path / "reader")
    assert sorted(numbers) == [1, 2, 3]
    assert [slope(reader, str(number)) for number in numbers] == [1, 2, 3]
    assert reader.registry.current_snapshot().models["line"].aliases["production"].version in numbers


@pytest.mark.exhaustive
def test_alias_changes_at_once_lose_nothing(url: str, tmp_path: Path) -> None:
    stores = [open_bucket(url, tmp_path / str(number)) for number in range(10)]

    def point(number: int) -> tuple[Aliases, Aliases]:
        return stores[number].change_aliases("line", pointing(f"alias-{number}", number + 1))

    with ThreadPoolExecutor(10) as pool:
        changes = list(pool.map(point, range(10)))

    _, found = stores[0].change_aliases("line", lambda before: before)
    assert found == {f"alias-{number}": Alias(number + 1) for number in range(10)}
    assert sorted(len(after) for _, after in changes) == list(range(1, 11)), "one after the other"


def test_old_revisions_of_the_aliases_are_removed(memory: str, tmp_path: Path) -> None:
    bucket = open_bucket(memory, tmp_path)

    for version in range(1, REVISIONS + 11):
        bucket.change_aliases("line", pointing("production", version))

    assert len(bucket.remote.entries("line/aliases")) == REVISIONS
    _, found = bucket.change_aliases("line", lambda before: before)
    assert found["production"].version == REVISIONS + 10


def test_a_change_that_waited_too_long_is_made_again(memory: str, tmp_path: Path) -> None:
    """Its revision was taken and forgotten in the meantime, so that creating it proves nothing."""
    bucket = open_bucket(memory, tmp_path)
    seen: list[Aliases] = []

    def edit(before: Aliases) -> Aliases:
        seen.append(before)
        if len(seen) == 1:
            for version in range(1, REVISIONS + 3):
                bucket.change_aliases("line", pointing("production", version))
        return pointing("slow", 1)(before)

    _, after = bucket.change_aliases("line", edit)

    assert after == bucket.change_aliases("line", lambda before: before)[1]
    assert set(after) == {"production", "slow"}


def test_an_answer_that_got_lost_is_no_rival(memory: str, tmp_path: Path) -> None:
    place = open_bucket(memory, tmp_path).remote

    assert place.create("line/1.claim", b"mine")
    assert place.create("line/1.claim", b"mine"), "asked again, and it is there: written by us"
    assert not place.create("line/1.claim", b"theirs")


def test_storage_that_creates_a_file_twice_is_refused(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = MemoryFileSystem.pipe_file
    monkeypatch.setattr(
        MemoryFileSystem, "pipe_file", lambda self, path, value, mode="overwrite": real(self, path, value)
    )

    with pytest.raises(OSError, match="conditional writes"):
        line(machine(memory, tmp_path), 1)


def test_a_rival_at_the_same_moment_is_told_from_trouble(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S3 answers 409 rather than 412 while another creation of the key is under way."""

    def conflict(*_: object, **__: object) -> None:
        raise OSError("An error occurred (ConditionalRequestConflict) when calling the PutObject operation")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", conflict)

    assert not open_bucket(memory, tmp_path).remote.create("line/1.claim", b"mine")


def test_no_secret_of_a_url_gets_into_a_message(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no answer from https://user:secret@storage.example/models?signature=secret")

    monkeypatch.setattr(MemoryFileSystem, "find", refuse)

    with pytest.raises(OSError, match="RuntimeError: no answer from …") as caught:
        open_bucket(memory, tmp_path).refresh()
    assert "secret" not in str(caught.value)


def test_a_folder_that_was_copied_up_is_served_and_goes_on(memory: str, tmp_path: Path) -> None:
    here = machine(memory, tmp_path / "here")
    for version in (1, 2):
        line(here, version)
    here.promote("line", 2)
    copied = open_bucket(f"{memory}-copied", tmp_path / "copied").remote
    for path in (path for path in store(here).folder.glob("line/**/*") if path.is_file()):
        copied.put(path, path.relative_to(store(here).folder).as_posix())

    there = machine(copied.url, tmp_path / "there")

    assert (slope(there), slope(there, "1")) == (2, 1)
    assert line(there, 3) == 3
    there.promote("line", 3)
    assert there.roll_back("line") == (3, 2), "what aliases.json said is not forgotten"


@pytest.mark.parametrize("file", [MODEL, MANIFEST, SIGNATURE_FILE])
def test_what_was_altered_elsewhere_is_broken_and_never_unpickled(
    memory: str, tmp_path: Path, file: str
) -> None:
    here, there = machine(memory, tmp_path / "here"), machine(memory, tmp_path / "there")
    line(here, 1)
    line(here, 2)
    spoil(here, f"line/2/{file}")

    there.registry.refresh()

    assert slope(there, "latest") == 1
    with pytest.raises(ModelUnavailable, match=r"altered|signature"):
        there.registry.get("line", "2")
    assert not (store(there).folder / "line" / "2" / MODEL).exists(), "it does not even get its name"

    spoil(here, f"line/2/{file}")
    wait_until(lambda: slope(there, "latest") == 2)


def test_no_path_of_the_copy_gets_into_a_message(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for copy in (Path("state"), tmp_path / "state"):
        registry = Registry(open_bucket(memory, copy), trusting(), poll_s=3600, on_demand_bytes=0)
        line(Changes(registry, STATE, Audit(STATE, "tests")), 1)
        app = Flask("test")
        problems.add_error_handler(app, 0)
        add_routes(problems.Api(app), registry, Settings())
        client = app.test_client()
        assert client.get("/models/line/versions/1/report").status_code == 200

        with monkeypatch.context() as patch:
            patch.setattr(Mirror, "fetch", lambda self, *_: (self.folder / "gone").read_bytes())
            problem = client.get("/models/line/versions/1/report").get_json()

        assert problem["status"] == 503
        assert "No such file or directory" in problem["detail"]
        assert "state" not in problem["detail"]


def test_a_file_larger_than_its_manifest_says_is_not_downloaded(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = machine(memory, tmp_path / "here"), machine(memory, tmp_path / "there")
    line(here, 1)
    remote(here).write(f"line/1/{MODEL}", b"x" * 100_000)
    downloaded: list[str] = []
    real = Remote.get
    monkeypatch.setattr(
        Remote, "get", lambda self, key, file: downloaded.append(key) or real(self, key, file)
    )

    with pytest.raises(ModelUnavailable, match="100000 bytes instead of"):
        there.registry.get("line", "1")

    assert f"line/1/{MODEL}" not in downloaded


@pytest.mark.parametrize("damage", [lambda content: content[:-1], lambda content: b"x" + content[1:]])
@pytest.mark.parametrize("file", [MODEL, MANIFEST])
def test_a_copy_that_was_damaged_here_is_fetched_again(
    memory: str, tmp_path: Path, file: str, damage: Callable[[bytes], bytes]
) -> None:
    first = machine(memory, tmp_path)
    line(first, 1)
    path = store(first).folder / "line" / "1" / file
    path.write_bytes(damage(path.read_bytes()))

    assert slope(machine(memory, tmp_path)) == 1


def test_a_model_card_is_fetched_alone(memory: str, tmp_path: Path) -> None:
    line(machine(memory, tmp_path / "here"), 1)
    bucket = open_bucket(memory, tmp_path / "there")
    bucket.refresh()

    bucket.fetch("line", 1, "report.html")

    copied = {path.name for path in (bucket.folder / "line" / "1").iterdir()}
    assert copied == {MANIFEST, SIGNATURE_FILE, "report.html"}


def test_keys_that_are_no_models_touch_nothing(memory: str, tmp_path: Path) -> None:
    bucket = open_bucket(memory, tmp_path / "state")
    for key in (
        "../out/1/manifest.json",
        "A/1/manifest.json",
        "line/01/manifest.json",
        "line/1/../manifest.json",
    ):
        bucket.remote.write(key, b"{}")
    bucket.remote.write("line/1/deep/manifest.json", b"{}")

    bucket.refresh()

    assert {path.name for path in tmp_path.iterdir()} == {"state"}
    assert not [path for path in bucket.folder.rglob("*") if path.is_file() and not path.name.startswith(".")]


def test_what_vanished_elsewhere_stays_here_and_what_comes_back_is_another(
    memory: str, tmp_path: Path
) -> None:
    here, there = machine(memory, tmp_path / "here"), machine(memory, tmp_path / "there")
    line(here, 1)
    line(here, 2)
    here.promote("line", 2)
    here.delete_version("line", 1)
    assert slope(there) == 2

    for key in remote(here).entries():
        remote(here).remove(key)
    there.registry.refresh()
    assert slope(there) == 2

    fresh = machine(memory, tmp_path / "fresh")
    assert [line(fresh, 8), line(fresh, 9)] == [1, 2]
    there.registry.refresh()
    assert [slope(there, ref) for ref in (None, "1", "2")] == [8, 8, 9]


def identities(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Of its files, in which writing them would show, and reading not."""
    stats = {path: path.stat() for path in folder.rglob("*") if path.name != ".lock"}
    return {path: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for path, stat in stats.items()}


def test_while_nothing_changes_nothing_is_read_or_written(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, bucket = machine(url, tmp_path / "here"), open_bucket(url, tmp_path / "there")
    line(here, 1)
    bucket.refresh()
    before = identities(bucket.folder)
    reads: list[tuple[str, str]] = []
    real = Remote.read

    def read(self: Remote, sizes: Mapping[str, int]) -> Mapping[str, bytes]:
        reads.extend((self.url, key) for key in sizes)
        return real(self, sizes)

    monkeypatch.setattr(Remote, "read", read)

    bucket.refresh()

    assert url not in dict(reads)
    assert identities(bucket.folder) == before


def test_processes_that_wait_for_a_look_share_it(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stores = [open_bucket(memory, tmp_path) for _ in range(8)]
    looks: list[str] = []
    all_have_asked = threading.Barrier(8)
    real_entries, real_make_folder = Remote.entries, disk.make_folder

    def make_folder(folder: Path, **named: Any) -> None:
        real_make_folder(folder, **named)
        if folder == stores[0].folder:
            all_have_asked.wait(HANG_S)

    monkeypatch.setattr(disk, "make_folder", make_folder)
    monkeypatch.setattr(
        Remote, "entries", lambda self, *rest: looks.append(self.url) or real_entries(self, *rest)
    )
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda each: each.refresh(), stores))

    assert looks.count(memory) == 1


def test_out_of_reach_what_was_copied_serves_on(
    s3: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"s3://models/{uuid.uuid4().hex}"
    line(machine(url, tmp_path / "here"), 1)
    there = machine(url, tmp_path / "there")
    assert slope(there) == 1

    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    remote_module._disconnect()
    wait_until(lambda: there.registry.current_snapshot().problem is not None)
    assert slope(there) == 1

    restarted = machine(url, tmp_path / "there")
    assert slope(restarted) == 1
    assert "cannot be reached" in str(restarted.registry.current_snapshot().problem)
    assert "127.0.0.1" not in str(restarted.registry.current_snapshot().problem)


def test_a_place_that_was_never_reached_is_a_problem_and_no_crash(s3: dict[str, str], tmp_path: Path) -> None:
    snapshot = machine("s3://no-such-bucket/models", tmp_path).registry.current_snapshot()

    assert snapshot.problem is not None
    assert "bucket does not exist" in snapshot.problem


def test_a_url_that_nothing_here_reads_stops_the_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="Protocol not known: quux"):
        open_bucket("quux://models", tmp_path)


def test_a_process_that_was_forked_reaches_the_place_again(s3: dict[str, str], tmp_path: Path) -> None:
    url = f"s3://models/{uuid.uuid4().hex}"

    # In a process of its own: threads of other tests must not hold a lock while it forks.
    parent = multiprocessing.get_context("spawn").Process(target=_promote_in_a_fork, args=(url, tmp_path))
    parent.start()
    parent.join(HANG_S)

    assert parent.exitcode == 0
    aliases, _ = store(machine(url, tmp_path)).change_aliases("line", lambda aliases: aliases)
    assert aliases == {"production": Alias(1), "canary": Alias(1)}


def _promote_in_a_fork(url: str, folder: Path) -> None:
    here = machine(url, folder)
    line(here, 1)
    child = os.fork()
    if not child:
        store(here).change_aliases("line", pointing("canary", 1))
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def test_a_real_server_follows_a_bucket(s3: dict[str, str], tmp_path: Path, worker_class: str) -> None:
    """Two workers, forked from a master that has looked at the bucket already."""
    url = f"s3://models/{uuid.uuid4().hex}"
    here = machine(url, tmp_path / "here")
    line(here, 1)
    line(here, 2)
    body = {"instances": [[1.0]]}

    patient = {
        "GUNICORN_CMD_ARGS": f"{PATIENT} --graceful-timeout {2 * HANG_S}",
        "MLAPI_MODELS_POLL_S": "0.1",
        "MLAPI_WORKER_CLASS": worker_class,
    }
    with running(tmp_path, tmp_path, MLAPI_MODELS_DIR=url, **patient, **s3) as server:
        answers = {server.post("/predict/line", body)[1]["version"] for _ in range(20)}
        assert answers == {1}

        here.promote("line", 2)

        def follows() -> bool:
            return all(server.post("/predict/line", body)[1]["version"] == 2 for _ in range(20))

        wait_until(follows)

    assert server.process.returncode == 0, "workers stop at once, however patient the master is"
    assert "Traceback" not in server.log

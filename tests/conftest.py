"""What the tests share: trained models, small foreign ones, an application, and two guards."""

import atexit
import hashlib
import io
import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, settings
from threadpoolctl import threadpool_limits

from mlapi.artifacts.folder import SIGNATURE_FILE, sign
from mlapi.artifacts.keys import local_key
from mlapi.artifacts.manifest import MANIFEST, MODEL, Draft, Manifest
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.artifacts.trust import Trust
from mlapi.cli import main
from mlapi.data.signature import Signature, Target
from mlapi.errors import BrokenArtifact
from mlapi.inference.model import estimator_input
from mlapi.registry.backends.folder import Folder
from mlapi.registry.changes import Changes
from mlapi.registry.opening import open_changes
from mlapi.registry.publication import publish
from mlapi.server.app import create_app
from mlapi.settings import PREFIX, Settings
from mlapi.training.preparation import features
from mlapi.training.recipes import load_recipes
from mlapi.training.versions.golden import choose_golden_rows, make_golden
from mlapi.training.workflows.registration import algorithm_of, task_of
from mlapi.training.workflows.train import train

ROOT = Path(__file__).parent.parent

settings.register_profile("mlapi", deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
settings.load_profile("mlapi")

AppFactory = Callable[..., Flask]

Run = Callable[..., Result]

STATE = Path(tempfile.mkdtemp(prefix="mlapi-tests-"))
"""One state for all tests: what one of them publishes, every server of another trusts."""

atexit.register(
    shutil.rmtree, STATE, ignore_errors=True
)  # also where a test starts a process that imports this

KEY = local_key(STATE)

threadpool_limits(
    1
)  # threads of arithmetic that share a core wait for each other: boosting takes many times longer

# A shell lets what it runs in the background ignore Ctrl-C, and so would the programs that tests press it on.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(autouse=True)
def _no_foreign_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(variable)
    monkeypatch.setenv("MLAPI_STATE_DIR", str(STATE))


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The three shipped recipes, version 1 each. Not to be changed: take a copy."""
    folder = tmp_path_factory.mktemp("trained")
    for recipe in load_recipes(ROOT / "config" / "models.toml").values():
        train(recipe, changes_in(folder))
    return folder


@pytest.fixture(scope="module", params=["mlapi", pytest.param("gthread", marks=pytest.mark.exhaustive)])
def worker_class(request: pytest.FixtureRequest) -> str:
    """Each of the workers that can serve: what a test of the service asks with it holds for both of them."""
    return str(request.param)


@pytest.fixture
def models_dir(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained models for one test to change."""
    return Path(shutil.copytree(trained, tmp_path / "models"))


@pytest.fixture
def make_app() -> AppFactory:
    def make(folder: Path, **changes: Any) -> Flask:
        return create_app(settings_for(folder, models_poll_s=0.05, **changes))

    return make


@pytest.fixture(scope="session")
def shared_app(trained: Path) -> Flask:
    return create_app(settings_for(trained, default_model="logistic_regression"))


@pytest.fixture
def client(shared_app: Flask) -> Iterator[FlaskClient]:
    """A client of the three trained models; `/predict` is logistic_regression."""
    with shared_app.test_client() as client:
        yield client


def publish_fitted(
    folder: Path,
    name: str,
    estimator: Any,
    frame: pd.DataFrame,
    *,
    signature: Signature | None = None,
    files: dict[str, bytes] | None = None,
) -> Manifest:
    """Publish an estimator that is fitted on the frame (or on its matrix)."""
    target = Target("y", "number" if task_of(estimator) == "regression" else "category")
    signature = signature or Signature(features.features_of_sample(frame), target)
    draft = Draft(
        name=name,
        algorithm=algorithm_of(estimator),
        task=task_of(estimator),
        signature=signature,
        parameters={},
        metrics={},
        data={},
    )
    chosen = frame.iloc[choose_golden_rows(frame, signature)]
    columns = {column: chosen[column].to_numpy() for column in chosen}
    batch = features.matrix(chosen) if signature.is_numeric else columns
    golden = make_golden(estimator, estimator_input(estimator, signature, batch), chosen, signature)
    return publish(
        Folder(folder), draft, estimator, golden, files or {}, KEY, trusting(classes_of(estimator))
    )


def resign(folder: Path, manifest: bytes) -> None:
    """Another manifest for a version, signed by the key that the tests trust."""
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE_FILE).write_bytes(sign(manifest, KEY))


def replace_file(folder: Path, name: str, content: bytes | None) -> None:
    """Another content of a version's file, None for no such file; its manifest says so, and is signed."""
    document = orjson.loads((folder / MANIFEST).read_bytes())
    if content is None:
        (folder / name).unlink()
        del document["files"][name]
    else:
        (folder / name).write_bytes(content)
        document["files"][name] = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    resign(folder, orjson.dumps(document))


def classes_of(estimator: Any) -> list[str]:
    """What has to be allowed to load an estimator."""
    buffer = io.BytesIO()
    pickling.dump(estimator, buffer)
    return names_in(buffer.getvalue())


def trusting(classes: Iterable[str] = ()) -> Trust:
    return Trust({KEY.public.id: KEY.public}, classes=frozenset(classes))


def settings_for(folder: Path, **changes: Any) -> Settings:
    """Settings that trust what the tests publish, and allow all that is in the folder."""
    allowed = {name for file in folder.glob(f"*/*/{MODEL}") for name in _names_in(file)}
    given = {"models_dir": folder, "state_dir": STATE, "allowed_classes": tuple(sorted(allowed)), **changes}
    return Settings(**given)


def _names_in(file: Path) -> list[str]:
    try:
        return names_in(file.read_bytes())
    except BrokenArtifact:
        return []


def changes_in(folder: Path, **given: Any) -> Changes:
    folder.mkdir(exist_ok=True)
    return open_changes(settings_for(folder, **given), "tests")


@pytest.fixture
def run(folder: Path) -> Run:
    """The command, with the exit status that is expected; `folder`, where it runs, is each file's own."""

    def run(*words: str, status: int = 0) -> Result:
        done = CliRunner().invoke(main.main, words)
        assert done.exit_code == status, done.output
        return done

    return run


def assert_no_training(folder: Path, words: Iterable[str], message: str) -> None:
    """`mlapi train` with these words says in one line what is wrong, and publishes nothing in the folder."""
    done = CliRunner().invoke(main.main, ["train", *words])

    assert done.exit_code in (1, 2)
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert not list(folder.glob("models/*/*/manifest.json"))


@pytest.fixture
def one_torch_thread() -> Iterator[None]:
    """Two threads for small networks wait for each other where others work, too."""
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)

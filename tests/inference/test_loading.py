"""How a version is loaded: from its stored predictor, without scikit-learn, or the long way."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi.artifacts.folder import read_manifest
from mlapi.artifacts.manifest import MODEL, PREDICTOR
from mlapi.artifacts.pickles import pickling
from mlapi.data.signature import Batch
from mlapi.errors import BrokenArtifact, ModelUnavailable, Unanswerable
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import IMAGE_CLASSIFICATION
from mlapi.inference.compiled.form import PICKLED
from mlapi.inference.loading import _outside_of_the_main_thread, load_model
from mlapi.inference.model import Model
from mlapi.training.preparation import features
from mlapi.training.preparation.columns import infer_columns
from mlapi.training.preparation.features import PipelineFactory
from mlapi.training.recipes import IF_NOT_WORSE, Expansion, Overrides
from mlapi.training.versions.promotion import EvaluationRows, decide_promotion
from tests.conftest import STATE, publish_fitted, replace_file, trusting
from tests.support.customers import customers
from tests.support.lines import FRAME, fit
from tests.support.server import ROOT
from tests.support.waiting import HANG_S

WORDS = infer_columns(customers(200).drop(columns=["customer_id", "churn"]), Overrides())
NUMBERS = infer_columns(
    pd.DataFrame(np.random.default_rng(0).normal(size=(200, 4)), columns=list("abcd")), Overrides()
)
TABLES = {"words": WORDS, "numbers": NUMBERS}

PLAIN = Expansion()

COMPILED = {"linear_regression", "logistic_regression", "svm"}
"""The algorithms whose predictors need nothing of scikit-learn."""


def trained(folder: Path, name: str, table: str, task: str, expansion: Expansion = PLAIN) -> Path:
    """The folder of a version with a pipeline as training makes it."""
    found = TABLES[table]
    pipeline = PipelineFactory(task, found.used_columns, len(found.frame), 0, expansion).pipeline(name, {})
    target = np.arange(200.0) ** 0.5 if task == "regression" else np.tile(["yes", "no", "perhaps", "no"], 50)
    pipeline.fit(features.pipeline_input(found.frame, found.used_columns), target)
    publish_fitted(folder, f"{name}-{table}", pipeline, found.frame)
    return folder / f"{name}-{table}" / "1"


def straight(folder: Path, slope: float = 2) -> Path:
    """The folder of a version that is a line through the origin."""
    publish_fitted(folder, "line", fit(slope), FRAME)
    return folder / "line" / "1"


def loaded(folder: Path) -> Model:
    return load_model(folder, read_manifest(folder, trusting()), trusting())


def bits(model: Model, batch: Batch) -> Mapping[str, Any]:
    """All that a model answers, to the last bit."""
    answers = model.answers(batch, ["prediction", *model.outputs])
    return {
        name: found.tolist() if found.dtype == object else found.tobytes() for name, found in answers.items()
    }


@pytest.mark.exhaustive
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    ("name", "task"),
    [
        (name, task)
        for name, algorithm in ALGORITHMS.items()
        for task in algorithm.builders
        if task != IMAGE_CLASSIFICATION
    ],
)
def test_a_stored_predictor_answers_to_the_bit_as_a_compiled_one_and_unpickles_no_estimator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, task: str, table: str
) -> None:
    folder = trained(tmp_path, name, table, task)
    assert (folder / PREDICTOR).exists() == (name in COMPILED)
    if name not in COMPILED:
        return
    batch = features.batch(TABLES[table].frame, read_manifest(folder, trusting()).signature)
    with monkeypatch.context() as patch:
        patch.setattr(pickling, "load", lambda *_: pytest.fail("unpickled"))
        stored = loaded(folder)
        assert stored.served_by == "compiled"
        answers = bits(stored, batch)

    replace_file(folder, PREDICTOR, None)  # as before predictors were stored
    anew = loaded(folder)

    assert anew.served_by == "compiled"
    assert answers == bits(anew, batch)


def test_splines_keep_scikit_learns_own_and_are_compiled_at_each_load(tmp_path: Path) -> None:
    folder = trained(tmp_path, "linear_regression", "numbers", "regression", Expansion(splines=5))

    assert not (folder / PREDICTOR).exists()
    assert loaded(folder).served_by == "compiled"


SERVER = """
import sys

def heavy():
    named = {"sklearn", "scipy", "pandas", "PIL", "onnxruntime"}
    return sorted({name.split(".")[0] for name in sys.modules} & named)

from wsgi import app
client = app.test_client()
assert client.get("/health/ready").json["broken"] == []
assert heavy() == [], heavy()
plain = {"plan": "basic", "signed_up": "2025-11-03T00:00:00", "monthly_fee": None, "support_calls": 4}
for name, row in (
    ("logistic_regression-words", plain),
    ("logistic_regression-numbers", [0.1, 0.2, 0.3, 0.4]),
    ("svm-numbers", [0.1, 0.2, 0.3, 0.4]),
    ("svm-words", plain),
):
    found = client.post(f"/predict/{name}?include=probabilities,decision", json={"X": [row, row]})
    assert found.status_code == 200 and len(found.json["probabilities"]) == 2, found.text
assert heavy() == [], heavy()
assert client.post("/predict/line", json={"X": [[1e308]]}).status_code == 422
assert "sklearn" in heavy(), "twice that is no float64: what is compiled asks the estimator"
"""


def test_a_server_answers_numbers_words_and_machines_without_scikit_learn_scipy_or_pandas(
    tmp_path: Path,
) -> None:
    for name in ("logistic_regression", "svm"):
        for table in TABLES:
            trained(tmp_path, name, table, "classification")
    straight(tmp_path)

    done = subprocess.run(
        [sys.executable, "-c", SERVER],
        cwd=ROOT,
        env={**os.environ, "MLAPI_MODELS_DIR": str(tmp_path), "MLAPI_STATE_DIR": str(STATE)},
        capture_output=True,
        text=True,
        timeout=HANG_S,
        check=False,
    )

    assert done.returncode == 0, done.stderr


def dumped(predictor: Any) -> bytes:
    file = BytesIO()
    joblib.dump(predictor, file)
    return file.getvalue()


def with_changes(**changes: Any) -> Callable[[bytes], bytes]:
    return lambda content: dumped({**pickling.load_predictor(content, PICKLED), **changes})


STRANGE: Mapping[str, Callable[[bytes], bytes]] = {
    "of another form": with_changes(form=2),
    "of a form that is no number": with_changes(form=np.arange(3)),
    "of a class that is not compiled": with_changes(answering=LinearRegression()),
    "of a function that is not compiled": with_changes(answering=print),
    "that answers nothing": with_changes(answering=None),
    "without outputs": with_changes(outputs=None),
    "of a list": lambda _: dumped([1, 2]),
    "cut in half": lambda content: content[: len(content) // 2],
    "of nothing": lambda _: b"",
    "of garbage": lambda _: bytes(range(256)),
}


@pytest.mark.parametrize("strange", STRANGE)
def test_a_rightly_signed_predictor_that_cannot_be_used_is_passed_over_with_a_line_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, strange: str
) -> None:
    folder = straight(tmp_path)
    replace_file(folder, PREDICTOR, STRANGE[strange]((folder / PREDICTOR).read_bytes()))

    model = loaded(folder)

    assert [record.getMessage() for record in caplog.records] == ["stored predictor not used"]
    assert model.served_by == "compiled"
    assert model.predict(np.array([[3.0]])).values == pytest.approx([6])


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ 1 << position % 8]) + content[position + 1 :]


def test_no_flipped_bit_of_a_predictor_gets_past_a_load(tmp_path: Path) -> None:
    folder = straight(tmp_path)
    whole = (folder / PREDICTOR).read_bytes()

    for position in range(len(whole)):
        (folder / PREDICTOR).write_bytes(flipped(whole, position))
        with pytest.raises(BrokenArtifact, match=r"predictor\.joblib was altered"):
            loaded(folder)


def test_damage_before_the_signature_costs_no_more_than_the_predictor(tmp_path: Path) -> None:
    """Whatever such a file holds, the golden rows are answered rightly, by another path if need be."""
    folder = straight(tmp_path)
    whole = (folder / PREDICTOR).read_bytes()

    for position in range(0, len(whole), 3):
        replace_file(folder, PREDICTOR, flipped(whole, position))
        assert loaded(folder).predict(FRAME.to_numpy()).values == pytest.approx([0, 2, 4], rel=1e-9)


def test_threads_that_ask_for_the_estimator_at_once_load_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = loaded(straight(tmp_path))
    real, loads = pickling.load, []

    def slow(*given: Any) -> Any:
        loads.append(given)
        time.sleep(0.05)
        return real(*given)

    monkeypatch.setattr(pickling, "load", slow)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: model.estimator, range(8)))

    assert len(loads) == 1
    assert len(set(map(id, found))) == 1


def test_an_estimator_that_the_disk_refused_is_asked_for_again(tmp_path: Path) -> None:
    folder = straight(tmp_path)
    model = loaded(folder)
    too_large = np.array([[1e308]])
    (folder / MODEL).rename(folder / "away")
    with pytest.raises(
        ModelUnavailable, match=r"estimator of version 1 of model 'line', which cannot be loaded"
    ):
        model.predict(too_large)

    (folder / "away").rename(folder / MODEL)

    with pytest.raises(Unanswerable, match="the answer is not finite"):
        model.predict(too_large)


def test_a_version_in_production_that_cannot_be_judged_stays_there(tmp_path: Path) -> None:
    folder = straight(tmp_path)
    content = (folder / MODEL).read_bytes()
    replace_file(folder, MODEL, content.replace(b"sklearn.linear_model._base", b"sklearn.linear_modem._base"))
    old = loaded(folder)
    test = EvaluationRows(FRAME, np.array([0.0, 2.0, 4.0]), "regression", "r2", 1.0)

    verdict = decide_promotion(IF_NOT_WORSE, allow_breaking=False, new=old.signature, test=test, old=old)

    assert not verdict.promotes
    assert "which is not allowed" in verdict.reason


def test_golden_rows_are_answered_in_a_thread_that_ends_and_not_in_the_main_one() -> None:
    """gunicorn forks from the main thread, and what OpenMP has begun there does not survive it."""
    own = _outside_of_the_main_thread(threading.current_thread)
    with ThreadPoolExecutor(1) as pool:
        within, thread = pool.submit(
            lambda: (_outside_of_the_main_thread(threading.current_thread), threading.current_thread())
        ).result()

    assert own is not threading.main_thread()
    assert not own.is_alive()
    assert within is thread

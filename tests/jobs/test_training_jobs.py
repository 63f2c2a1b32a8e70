"""Training over HTTP: what is sent becomes a version, by way of a real pool, or a job that says why not."""

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from flask.testing import FlaskClient

from mlapi.cli.main import main
from mlapi.errors import Unfittable
from mlapi.jobs.jobs import Job, Jobs
from mlapi.server.app import create_app
from mlapi.server.pool_process import pool_of
from mlapi.settings import Settings
from mlapi.training.workflows import job as training_jobs
from tests.support.pools import claimed, message_of, serve
from tests.support.server import free_port
from tests.support.waiting import HANG_S, until

RNG = np.random.default_rng(0)
X = RNG.normal(size=(80, 3)).round(3)
Y = (X @ [1.0, 2.0, 3.0] + RNG.normal(size=80)).round(3)
BODY = {"algorithm": "linear_regression", "X": X.tolist(), "y": Y.tolist()}
TABLE = pd.DataFrame(X, columns=["a", "b", "c"]).assign(y=np.where(Y > 0, "yes", "no"))
CSV = TABLE.to_csv(index=False).encode()


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("jobs")
    (folder / "models").mkdir()
    return Settings(
        models_dir=folder / "models",
        state_dir=folder / "state",
        allow_writes=True,
        job_workers=2,
        job_rows=20_000,
        job_columns=20,
        job_classes=4,
        max_body_bytes=2_000_000,
        models_poll_s=0.05,
    )


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[FlaskClient]:
    serve(settings.state_dir, pool_of(settings))
    with create_app(settings).test_client() as client:
        yield client


def submitted(client: FlaskClient, model: str, body: Any = None, **changes: Any) -> str:
    response = client.post(f"/models/{model}/versions", json={**BODY, **changes} if body is None else body)
    assert response.status_code == 202, response.json
    assert response.headers["Location"] == f"/jobs/{response.json['id']}"
    return str(response.json["id"])


def test_under_a_prefix_the_location_is_under_it_too(client: FlaskClient) -> None:
    under = {"base_url": "http://localhost/ml"}

    response = client.post("/models/prefixed/versions", json=BODY, **under)

    assert response.headers["Location"] == f"/ml/jobs/{response.json['id']}"
    assert client.get(response.headers["Location"].removeprefix("/ml"), **under).status_code == 200
    assert ended(client, response.json["id"])["state"] == "succeeded"


def sent(client: FlaskClient, model: str, content: bytes, name: str = "data.csv", **words: str) -> Any:
    form = {"file": (io.BytesIO(content), name), "target": "y", **words}
    return client.post(f"/models/{model}/versions", data=form, content_type="multipart/form-data")


def ended(client: FlaskClient, job: str) -> Any:
    def look() -> Any:
        found = client.get(f"/jobs/{job}").json
        return found["state"] in ("succeeded", "failed", "cancelled") and found

    return until(look)


def described(client: FlaskClient, model: str, version: int) -> Any:
    return client.get(f"/models/{model}/versions/{version}").json


def test_rows_become_a_version_like_any_other(client: FlaskClient) -> None:
    job = ended(client, submitted(client, "rows", feature_names=["a", "b", "c"]))

    assert (job["state"], job["version"], job["progress"]) == ("succeeded", 1, 1)
    assert job["message"].startswith("published and promoted: no version answers")
    assert job["problem"] is None
    version = described(client, "rows", 1)
    assert version["status"] == "ready"
    assert version["artifact"]["signed_by"]
    assert version["metrics"]["r2"]["value"] > 0.8
    assert version["data"]["job"] == job["id"]
    assert version["data"]["sent_by"] == "127.0.0.1"
    assert version["data"]["source"] == "rows sent over HTTP by 127.0.0.1"
    assert client.get("/models/rows/versions/1/report").status_code == 200
    answer = client.post("/predict/rows", json={"a": 1, "b": 1, "c": 1}).json
    assert answer["prediction"][0] == pytest.approx(6, abs=1.5)


def test_records_give_their_columns_names(client: FlaskClient) -> None:
    rows = [dict(zip(("size", "target"), row, strict=True)) for row in X[:, :2].tolist()]
    rows[1] = dict(reversed(rows[1].items()))

    job = ended(client, submitted(client, "records", X=rows))

    assert job["state"] == "succeeded", job
    signature = described(client, "records", 1)["signature"]
    assert [feature["name"] for feature in signature["features"]] == ["size", "target"]
    assert signature["target"]["name"] == "target_"


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_a_file_becomes_a_version(client: FlaskClient, kind: str) -> None:
    if kind == "parquet":
        pytest.importorskip("pyarrow", reason="`make setup` installs pyarrow")
    content = CSV if kind == "csv" else TABLE.to_parquet()

    response = sent(
        client, kind, content, f"leads.{kind}", algorithm="logistic_regression", parameters='{"C": 0.5}'
    )
    job = ended(client, response.json["id"])

    assert job["state"] == "succeeded", job
    version = described(client, kind, 1)
    assert version["parameters"]["C"] == 0.5
    assert version["data"]["source"] == f"leads.{kind}, sent over HTTP by 127.0.0.1"
    assert client.post(f"/predict/{kind}", json={"a": 1, "b": 1, "c": 1}).json["prediction"] == ["yes"]


def test_of_two_jobs_for_one_model_at_once_the_later_is_judged_and_says_how(client: FlaskClient) -> None:
    worse = {"parameters": {"penalty": "lasso", "alpha": 100.0}}
    jobs = submitted(client, "judged"), submitted(client, "judged", **worse)

    first, second = (ended(client, job) for job in jobs)

    assert (first["version"], second["version"]) == (1, 2)
    assert second["message"].startswith("published and not promoted: ")
    verdict = described(client, "judged", 2)["data"]["promotion"]
    assert (verdict["promotes"], verdict["over"]) == (False, 1)
    assert client.get("/models/judged").json["aliases"] == {"production": 1}


def test_one_idempotency_key_is_one_job(client: FlaskClient) -> None:
    headers = {"Idempotency-Key": "again"}
    first, second = (client.post("/models/key/versions", json=BODY, headers=headers) for _ in range(2))
    other = client.post("/models/key/versions", json={**BODY, "y": Y[::-1].tolist()}, headers=headers)

    assert (first.status_code, second.status_code, other.status_code) == (202, 202, 409)
    assert first.json["id"] == second.json["id"]
    assert ended(client, first.json["id"])["version"] == 1


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,b,y\n" + b"1,2,3\n" * 40 + b'1,"2,3\n4,5,6\n', "data.csv"),
        (b"a,b\n1,2\n", "no column 'y'"),
        (b"PK\x03\x04nothing", "data.csv is an archive that cannot be unpacked"),
        (b"a,b,c,y\n1,2,3,yes\n", "at least two are needed"),
    ],
)
def test_a_table_that_cannot_be_trained_on_says_why(client: FlaskClient, content: bytes, told: str) -> None:
    job = ended(client, sent(client, "bad", content).json["id"])

    assert (job["state"], job["version"]) == ("failed", None)
    assert job["problem"]["type"] == "/problems/unfittable"
    assert job["problem"]["status"] == 422
    assert told in job["problem"]["detail"]
    assert str(Path.cwd().root) + "tmp" not in job["problem"]["detail"]
    assert client.get("/models/bad").status_code == 404


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"a,y\n" + b"1,2\n" * 20_001, "20,001 rows of 2 columns; a job takes 20,000 rows"),
        (",".join(f"c{n}" for n in range(22)).encode() + b",y\n" + b"1," * 22 + b"1\n", "23 columns"),
        (b"a,y\n" + b"".join(b"%d,class %d\n" % (n % 7, n % 5) for n in range(100)), "5 classes"),
    ],
)
def test_a_table_beyond_a_bound_fails_with_the_bound(client: FlaskClient, content: bytes, told: str) -> None:
    job = ended(client, sent(client, "large", content, algorithm="decision_tree").json["id"])

    assert job["problem"]["status"] == 413
    assert told in job["problem"]["detail"]


def test_a_parquet_file_that_claims_100_million_cells_is_not_read(client: FlaskClient) -> None:
    pytest.importorskip("pyarrow", reason="`make setup` installs pyarrow")
    content = pd.DataFrame({"a": np.zeros(50_000_000, np.int8), "y": np.int8(1)}).to_parquet()
    assert len(content) < 1_000_000

    job = ended(client, sent(client, "claims", content).json["id"])

    assert "50,000,000 rows of 2 columns; a job takes 20,000" in job["problem"]["detail"]


@pytest.mark.exhaustive
def test_a_kernel_that_is_hopeless_is_approximated_and_that_is_said(client: FlaskClient) -> None:
    X = RNG.normal(size=(14_000, 2)).round(2)
    quick = {"algorithm": "svm", "parameters": {"probabilities": False}}
    job = ended(client, submitted(client, "kernel", **quick, X=X.tolist(), y=(X[:, 0] > 0).tolist()))

    assert job["state"] == "succeeded", job
    assert "The rbf kernel would take too long on 10,500 rows: a linear machine" in job["message"]


@pytest.mark.parametrize(
    ("changes", "pointer", "detail"),
    [
        ({"algorithm": "magic"}, "/algorithm", "expected one of linear_regression"),
        ({"parameters": {"penalty": "l3", "alhpa": 1}}, "/parameters/alhpa", 'did you mean "alpha"'),
        ({"parameters": [1]}, "/parameters", "expected an object"),
        ({"algorithm": None, "parameters": {"C": 1}}, "/parameters", "name an algorithm"),
        ({"y": [1]}, "/y", "a value for each of the 80 rows, got 1"),
        ({"y": None}, "/y", "a value for each row"),
        ({"X": []}, "/X", "expected rows"),
        ({"X": [[1], [1, 2]], "y": [1, 2]}, "/X/1", "expected 1 values, got 2"),
        ({"X": [[1], [[2]]], "y": [1, 2]}, "/X/1", "numbers, texts, flags and blanks"),
        ({"X": [{"a": 1}, {"b": 1}], "y": [1, 2]}, "/X/1", "the same columns"),
        ({"X": [[1], {"a": 1}], "y": [1, 2]}, "/X/1", "rows of both forms"),
        ({"feature_names": ["a", "a", "b"]}, "/feature_names", "each once"),
        ({"feature_names": "abc"}, "/feature_names", "expected names"),
        ({"budget": 1}, "/budget", "unknown key"),
    ],
)
def test_what_is_wrong_with_an_order_is_told_before_it_waits(
    client: FlaskClient, changes: Any, pointer: str, detail: str
) -> None:
    response = client.post("/models/wrong/versions", json={**BODY, **changes})

    assert response.status_code == 422
    assert detail in {error["pointer"]: error["detail"] for error in response.json["errors"]}[pointer]


@pytest.mark.parametrize(
    ("words", "pointer"),
    [
        ({"target": ""}, "/target"),
        ({"algorithm": "magic"}, "/algorithm"),
        ({"algorithm": "svm", "parameters": "{"}, "/parameters"),
        ({"algorithm": "svm", "parameters": '{"C": -1}'}, "/parameters/C"),
        ({"colour": "red"}, "/colour"),
    ],
)
def test_what_is_wrong_with_a_form_is_told(client: FlaskClient, words: Any, pointer: str) -> None:
    response = sent(client, "wrong", CSV, **words)

    assert response.status_code == 422
    assert pointer in {error["pointer"] for error in response.json["errors"]}


def test_sizes_are_refused_before_anything_waits(client: FlaskClient) -> None:
    def status(**changes: Any) -> int:
        return int(client.post("/models/large/versions", json={**BODY, **changes}).status_code)

    assert status(X=[[1]] * 20_001, y=[1] * 20_001) == 413
    assert status(X=[[1] * 21] * 80) == 413
    assert status(y=[f"class {n}" for n in range(80)]) == 413
    assert client.post("/models/large/versions", data=b"a" * 2_000_001).status_code == 413
    assert client.post("/models/Not A Name/versions", json=BODY).status_code == 422
    assert client.post("/models/large/versions", data=b"{").status_code == 400


def test_a_job_that_runs_is_cancelled(client: FlaskClient, settings: Settings) -> None:
    slow = {"algorithm": "random_forest", "parameters": {"n_estimators": 10_000}}
    job = submitted(client, "slow", **slow)
    until(lambda: client.get(f"/jobs/{job}").json["state"] == "running")

    response = client.delete(f"/jobs/{job}")

    assert response.status_code == 202
    assert ended(client, job)["state"] == "cancelled"
    until(lambda: not Jobs(settings.state_dir).folder(job).exists())
    assert client.get("/models/slow").status_code == 404
    assert client.delete(f"/jobs/{job}").json["state"] == "cancelled"


def test_events_tell_each_change_until_the_end(client: FlaskClient) -> None:
    job = submitted(client, "events")

    response = client.get(f"/jobs/{job}/events")

    assert response.content_type == "text/event-stream"
    events = [json.loads(line[6:]) for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert [event["id"] for event in events] == [job] * len(events)
    assert events[-1]["state"] == "succeeded"
    assert [event["progress"] for event in events] == sorted(event["progress"] for event in events)
    assert client.get("/jobs").json["jobs"][0]["id"] == job
    assert client.get("/jobs/nobody/events").status_code == 404
    assert client.get("/jobs/nobody").status_code == 404


def test_only_who_may_write_may_train(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state")
    with create_app(settings).test_client() as client:
        assert client.post("/models/a/versions", json=BODY).status_code == 403
        assert client.delete("/jobs/a").status_code == 403
    with create_app(Settings(**{**vars(settings), "allow_writes": True})).test_client() as client:
        foreign = {"Origin": "https://evil.example"}
        assert client.post("/models/a/versions", json=BODY, headers=foreign).status_code == 403


def test_no_jobs_where_none_run_and_429_and_503_beyond_the_bounds(tmp_path: Path) -> None:
    where: Any = {"models_dir": tmp_path / "models", "state_dir": tmp_path / "state", "allow_writes": True}
    with create_app(Settings(**where, job_workers=0)).test_client() as client:
        assert client.post("/models/a/versions", json=BODY).json["type"] == "/problems/not-offered"
    serve(where["state_dir"], pool_of(Settings(**where, job_workers=0)))
    with create_app(Settings(**where, jobs_waiting=2, jobs_per_caller=1)).test_client() as client:
        statuses = [
            client.post("/models/a/versions", json=BODY, environ_base={"REMOTE_ADDR": address})
            for address in ("10.0.0.1", "10.0.0.1", "10.0.0.2", "10.0.0.3")
        ]
    assert [response.status_code for response in statuses] == [202, 429, 202, 503]
    assert all("Retry-After" in statuses[place].headers for place in (1, 3))


def die_before_promoting(settings: Settings, job: Job) -> None:
    """What the job's process does, in one of its own that ends too early."""
    command = [sys.executable, "-c", _PERFORM, job.id]
    environ = {"MLAPI_MODELS_DIR": str(settings.models_dir), "MLAPI_STATE_DIR": str(settings.state_dir)}
    subprocess.run(command, check=True, env={**os.environ, **environ}, timeout=HANG_S)


_PERFORM = """
import os
import sys
from mlapi.registry.changes import Changes
from mlapi.jobs.jobs import Jobs
from mlapi.jobs.pool.messages import Message
from mlapi.settings import process_settings
from mlapi.training.workflows.job import perform

settings = process_settings()
jobs = Jobs(settings.state_dir)
job = jobs.status(sys.argv[1])
head = {name: getattr(job, name) for name in ("id", "model", "recipe", "source", "caller")}
Changes.promote = lambda *_: os._exit(0)
perform(settings, Message({**head, "folder": str(jobs.folder(job.id))}), print)
"""


@pytest.mark.exhaustive
def test_a_pool_that_comes_back_ends_what_an_earlier_one_left(tmp_path: Path) -> None:
    settings = Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state")
    bad = {**BODY, "parameters": {"penalty": "lasso", "alpha": 100.0}}
    first, lost, cancelled = (claimed(settings, name, bad) for name in ("done", "lost", "cancelled"))
    training_jobs.perform(settings, message_of(settings, first), print)
    jobs = Jobs(settings.state_dir)
    jobs.end(first.id, "succeeded", "published", version=1)
    unjudged = claimed(settings, "done", BODY)
    die_before_promoting(settings, unjudged)
    jobs.cancel(cancelled.id)

    serve(settings.state_dir, pool_of(settings))

    with create_app(settings).test_client() as client:
        found = ended(client, unjudged.id)
        assert (found["version"], jobs.status(unjudged.id).attempts) == (2, 1)
        assert found["message"].startswith("published and promoted: r2 ")
        assert client.get("/models/done").json["aliases"] == {"production": 2}
        assert (ended(client, lost.id)["version"], jobs.status(lost.id).attempts) == (1, 2)
        assert ended(client, cancelled.id)["state"] == "cancelled"


def test_the_command_lists_watches_and_cancels(
    client: FlaskClient, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*words: str, status: int = 0) -> str:
        done = CliRunner().invoke(main, ["jobs", *words])
        assert done.exit_code == status, done.output
        return str(done.output)

    monkeypatch.setenv("MLAPI_STATE_DIR", str(settings.state_dir))
    job = submitted(client, "command")

    assert "command: succeeded: version 1: published and promoted" in run("watch", job)
    assert job in run()
    assert run("cancel", job) == "command: succeeded\n"
    bad = sent(client, "bad", b"a,b\n1,2\n").json["id"]
    assert "bad: failed: " in run("watch", bad, status=1)
    assert "there is no job" in run("watch", "nobody", status=1)


def test_a_cluster_that_is_not_there_fails_the_job(tmp_path: Path) -> None:
    url = f"dask://127.0.0.1:{free_port()}"
    settings = Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state", jobs_engine=url)
    job = claimed(settings, "dask", BODY)

    with pytest.raises(Unfittable, match="no Dask scheduler answers"):
        training_jobs.perform(settings, message_of(settings, job), print)

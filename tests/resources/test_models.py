"""GET /models and below, through the client."""

from pathlib import Path

import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.linear_model import LinearRegression

from mlapi.registry.aliases import change_aliases, pointing
from tests.conftest import KEY, AppFactory, publish_fitted, resign
from tests.support.problems import assert_problem

FRAME = pd.DataFrame({"x": [0.0, 1.0]})
CARD = b"<!doctype html><title>card</title>"


@pytest.fixture
def line(tmp_path: Path) -> Path:
    model = LinearRegression().fit(FRAME.to_numpy(), [0.0, 1.0])
    publish_fitted(tmp_path, "line", model, FRAME)
    publish_fitted(tmp_path, "line", model, FRAME, files={"report.html": CARD})
    return tmp_path


def test_the_list_of_models(client: FlaskClient) -> None:
    response = client.get("/models")

    assert response.get_json() == {
        "models": [
            {
                "name": name,
                "algorithm": name,
                "task": task,
                "versions": [1],
                "latest": 1,
                "aliases": {"production": 1},
            }
            for name, task in (
                ("linear_regression", "regression"),
                ("logistic_regression", "classification"),
                ("svm", "classification"),
            )
        ]
    }


def test_one_model_is_its_entry_with_an_etag(client: FlaskClient) -> None:
    response = client.get("/models/svm")

    assert response.get_json() == client.get("/models").get_json()["models"][2]
    unchanged = client.get("/models/svm", headers={"If-None-Match": response.headers["ETag"]})
    assert (unchanged.status_code, unchanged.data) == (304, b"")


def test_reading_heeds_if_none_match_alone(client: FlaskClient) -> None:
    for condition in ('"x"', "*"):
        assert client.get("/models/svm", headers={"If-Match": condition}).status_code == 200


def test_the_etag_changes_with_an_alias(line: Path, make_app: AppFactory) -> None:
    before = make_app(line).test_client().get("/models/line").headers["ETag"]

    change_aliases(line / "line", pointing("production", 2))

    assert make_app(line).test_client().get("/models/line").headers["ETag"] != before


@pytest.mark.parametrize("ref", ["1", "production", "latest"])
def test_a_version_tells_all_about_itself(client: FlaskClient, ref: str) -> None:
    version = client.get(f"/models/logistic_regression/versions/{ref}").get_json()

    assert set(version) == {
        *("model", "version", "aliases", "status", "reason", "algorithm", "task", "created_at"),
        *("signature", "metrics", "parameters", "data", "environment", "artifact", "notes"),
        "served_by",
        "outputs",
    }
    assert (version["version"], version["status"], version["reason"]) == (1, "ready", None)
    assert version["aliases"] == ["production"]
    first = version["signature"]["features"][0]
    assert (first["name"], first["kind"], first["nullable"]) == ("mean radius", "number", False)
    assert first["minimum"] < first["maximum"]
    assert first["categories"] is None
    assert version["signature"]["target"]["classes"] == [0, 1]
    assert version["signature"]["ignored"] == ["target"]
    assert version["metrics"]["accuracy"]["value"] >= 0.95
    assert version["artifact"]["signed_by"] == KEY.public.id
    assert version["artifact"]["bytes"] > 0
    assert len(version["artifact"]["sha256"]) == 64
    assert version["data"]["rows"] == 569
    assert version["served_by"] == "compiled"
    assert {"python", "scikit-learn", "numpy", "joblib"} <= set(version["environment"])


def test_a_broken_version_says_why(line: Path, make_app: AppFactory) -> None:
    resign(line / "line" / "1", b"{")

    version = make_app(line).test_client().get("/models/line/versions/1").get_json()

    assert version["status"] == "broken"
    assert "manifest.json is not JSON" in version["reason"]
    assert version["signature"] is None


def test_the_model_card_is_shown_and_may_run_nothing(line: Path, make_app: AppFactory) -> None:
    client = make_app(line).test_client()

    response = client.get("/models/line/versions/2/report")

    assert response.data == CARD
    assert response.content_type == "text/html; charset=utf-8"
    assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert_problem(client.get("/models/line/versions/1/report"), 404, "report-not-found")


def test_an_altered_model_card_is_not_shown(line: Path, make_app: AppFactory) -> None:
    client = make_app(line).test_client()
    client.get("/models")
    (line / "line" / "2" / "report.html").write_bytes(b"<script>")

    assert_problem(client.get("/models/line/versions/2/report"), 503, "model-unavailable")


@pytest.mark.parametrize(
    ("path", "slug"),
    [
        ("/models/nothing", "model-not-found"),
        ("/models/..", "model-not-found"),
        ("/models/nothing/versions/1", "model-not-found"),
        ("/models/svm/versions/0", "version-not-found"),
        ("/models/svm/versions/2", "version-not-found"),
        ("/models/svm/versions/2/report", "version-not-found"),
        ("/models/svm/1", "not-found"),
    ],
)
def test_what_there_is_not(client: FlaskClient, path: str, slug: str) -> None:
    assert_problem(client.get(path), 404, slug)


def test_reading_loads_nothing(line: Path, make_app: AppFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    client = make_app(line).test_client()
    client.get("/models")

    def refuse(*_: object) -> None:
        raise AssertionError("unpickled")

    monkeypatch.setattr("joblib.load", refuse)
    for path in ("", "/line", "/line/versions/1", "/line/versions/2/report"):
        assert client.get(f"/models{path}").status_code == 200

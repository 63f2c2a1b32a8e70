"""Every JSON answer of every route has the members that its Resource promises, and no others."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask import Flask
from flask.testing import FlaskClient
from marshmallow import RAISE, Schema, fields
from sklearn.ensemble import RandomForestClassifier
from werkzeug.test import TestResponse

from mlapi.resources.fit import TUTORIALS, Fit
from mlapi.resources.models import ModelCard
from mlapi.resources.predict import RESOURCES, EstimatorResource, Predict
from mlapi.schemas.errors import ProblemResponse
from mlapi.server.app import create_app
from mlapi.server.pool_process import pool_of
from tests.conftest import publish_fitted, settings_for
from tests.support.pictures import digits, drawn, file_of, fitted_digits, publish_pictures
from tests.support.pools import serve
from tests.support.waiting import HANG_S, until

ROWS = {"linear_regression": 10, "logistic_regression": 30, "svm": 13}
"""How many features the shipped models have."""

FIT = {"X": [[1], [2], [3], [4]], "y": [1, 2, 3, 4]}
LABELS = {"X": [[1], [2], [3], [4]], "y": ["a", "a", "b", "b"]}

TYPES = {fields.String: str, fields.Integer: int, fields.Float: (int, float), fields.Boolean: bool}
"""What JSON has for a field, where marshmallow would also take a text that reads like it."""


def wrong(schema: Schema, answer: Any) -> Any:
    """What is wrong with an answer: members that are missing, unknown, or of another type."""
    if not isinstance(answer, dict):
        return "no object"
    types = {
        name: f"a {type(answer[name]).__name__}"
        for field in schema.fields.values()
        if (name := field.data_key or field.name) in answer and not is_of(field, answer[name])
    }
    assert schema.unknown == RAISE
    return {**schema.validate(answer), **types}


def is_of(field: Any, value: Any) -> bool:
    if value is None:
        return bool(field.allow_none)
    if isinstance(field, fields.Nested):
        return wrong(field.schema, value) == {}
    if isinstance(field, fields.List):
        return isinstance(value, list) and all(is_of(field.inner, entry) for entry in value)
    if isinstance(field, fields.Dict):
        inner = field.value_field or fields.Raw(allow_none=True)
        return isinstance(value, dict) and all(is_of(inner, entry) for entry in value.values())
    kinds = [kind for kind in TYPES if isinstance(field, kind)]
    is_flag = isinstance(value, bool) and not isinstance(field, fields.Boolean)
    return not kinds or (isinstance(value, TYPES[kinds[0]]) and not is_flag)


class Routes:
    """Asks routes, checks their answers, and notes which methods of which it asked."""

    def __init__(self, app: Flask) -> None:
        self.app, self.client = app, app.test_client()
        self.asked: set[tuple[str, str]] = set()

    def ask(self, path: str, method: str = "GET", status: int = 200, **request: Any) -> Any:
        response = self.client.open(path, method=method, **request)
        assert response.status_code == status, response.text
        rule, _ = self.app.url_map.bind("localhost").match(path.partition("?")[0], method, return_rule=True)
        self.asked.add((rule.rule, method))
        resource = self.app.view_functions[rule.endpoint].view_class  # type: ignore[attr-defined]
        if status == 204:
            assert response.data == b""
            return None
        if resource is ModelCard:
            assert response.mimetype == "text/html"
            return None
        answer = events(response)[0] if response.mimetype == "text/event-stream" else response.get_json()
        schema = self.schema_of(resource, rule.rule, method, answer)
        assert wrong(schema, answer) == {}, (path, answer)
        return answer

    def schema_of(self, resource: Any, rule: str, method: str, answer: Any) -> Schema:
        """The one that a Resource declares; Predict leaves it to who answers for the model's algorithm."""
        if resource is Predict:
            algorithm = self.client.get(f"/models/{answer['model']}").json["algorithm"]
            return RESOURCES.get(algorithm, EstimatorResource).response_schema
        if resource is Fit and method == "GET":
            return Fit.list_schema if rule == "/fit" else Fit.entry_schema
        declared: Schema = resource.response_schema
        return declared


def events(response: TestResponse) -> list[Any]:
    first = next(iter(response.response))
    response.close()
    return [json.loads(bytes(first).removeprefix(b"data: "))]


@pytest.fixture
def app(models_dir: Path, tmp_path: Path) -> Flask:
    frame = pd.DataFrame({"size": np.arange(20.0), "word": ["a", "b"] * 10})
    forest = RandomForestClassifier(5, random_state=0).fit(frame[["size"]].to_numpy(), frame["word"])
    for _ in range(3):
        publish_fitted(models_dir, "forest", forest, frame[["size"]])
    publish_pictures(models_dir, "digits", fitted_digits())
    (models_dir / "forest" / "1" / "model.joblib").write_bytes(b"")
    settings = settings_for(
        models_dir,
        state_dir=tmp_path / "state",
        require_signature=False,
        default_model="svm",
        image_model="digits",
        allow_writes=True,
        job_workers=1,
        fit_seconds=HANG_S,
    )
    serve(settings.state_dir, pool_of(settings))
    return create_app(settings)


def test_every_route_answers_as_its_resource_declares(app: Flask) -> None:
    routes = Routes(app)
    ask_for_models(routes)
    ask_for_predictions(routes)
    ask_for_fits(routes)
    ask_for_jobs(routes)

    everything = {
        (rule.rule, method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if method not in ("HEAD", "OPTIONS")
    }
    assert everything == routes.asked


@pytest.mark.parametrize(
    ("path", "method", "status", "sent"),
    [
        ("/nothing", "GET", 404, {}),
        ("/models", "POST", 405, {}),
        ("/models/made-up", "GET", 404, {}),
        ("/models", "GET", 406, {"headers": {"Accept": "application/x-unknown"}}),
        ("/predict/svm", "POST", 400, {"data": b"{"}),
        ("/predict/svm", "POST", 415, {"data": b"a,b", "content_type": "application/x-unknown"}),
        ("/predict/svm", "POST", 422, {"json": {"X": [["x"] * 13] * 30}}),
        ("/models/svm/aliases/spare", "PUT", 403, {"json": {"version": 1}}),
    ],
)
def test_every_error_answers_as_one_schema_declares(
    client: FlaskClient, path: str, method: str, status: int, sent: dict[str, Any]
) -> None:
    response = client.open(path, method=method, **sent)

    assert response.status_code == status
    assert wrong(ProblemResponse(), response.get_json()) == {}


def ask_for_models(routes: Routes) -> None:
    routes.ask("/")
    routes.ask("/health/live")
    broken = routes.ask("/health/ready")["broken"]
    assert broken
    assert len(routes.ask("/models")["models"]) == 5
    routes.ask("/models/forest")
    assert routes.ask("/models/forest/versions/1")["status"] == "broken"
    assert routes.ask("/models/svm/versions/production")["status"] == "ready"
    routes.ask("/models/svm/versions/1/report")
    routes.ask("/models/forest/aliases/spare", "PUT", json={"version": 3})
    routes.ask("/models/forest/aliases/spare", "DELETE", status=204)
    routes.ask("/models/forest/versions/2", "DELETE", status=204)


def ask_for_predictions(routes: Routes) -> None:
    for name, width in ROWS.items():
        answer = routes.ask(f"/predict/{name}", "POST", json={"X": [[-1e6] * width]})
        assert answer["warnings"]
        routes.ask(f"/predict/{name}/1", "POST", json={"X": [[-1e6] * width] * 30})
    routes.ask("/predict", "POST", json={"features": [0] * ROWS["svm"]})
    for name in ("svm", "logistic_regression"):
        path = f"/predict/{name}?include=probabilities,decision&top=2"
        assert "top" in routes.ask(path, "POST", json={"X": [[0] * ROWS[name]]})
    routes.ask("/predict/forest/3?include=probabilities&top=9", "POST", json={"size": 3})
    picture = {"data": file_of(drawn(digits()[0][0])), "content_type": "image/png"}
    routes.ask("/predict/digits", "POST", **picture)
    routes.ask("/classify", "POST", **picture)


def ask_for_fits(routes: Routes) -> None:
    for entry in routes.ask("/fit")["algorithms"]:
        assert routes.ask(entry["path"]) == entry
        routes.ask(entry["path"], "POST", json=FIT if "regression" in entry["tasks"] else LABELS)
    for path in TUTORIALS:
        routes.ask(path)
        routes.ask(path, "POST", json=FIT)
    assert "notes" in routes.ask("/fit/linear_regression", "POST", json={"X": [[1, 1], [1, 2]], "y": [1, 2]})
    assert routes.client.post("/fit", json=FIT).status_code == 404  # names no algorithm: never answers
    routes.asked.add(("/fit", "POST"))


def ask_for_jobs(routes: Routes) -> None:
    job = routes.ask("/models/made/versions", "POST", status=202, json=LABELS)
    path = f"/jobs/{job['id']}"
    routes.ask(f"{path}/events")
    until(lambda: routes.ask(path)["ended_at"])
    assert routes.ask(path)["problem"] is not None
    assert [entry["id"] for entry in routes.ask("/jobs")["jobs"]] == [job["id"]]
    routes.ask(path, "DELETE")

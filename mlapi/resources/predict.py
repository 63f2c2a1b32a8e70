"""POST /predict: one Resource a family of estimators, on one small base.

The version that a request names decides the class that answers: its algorithm is looked up in
`RESOURCES`, and any that is not there is served by `Estimator`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Response, request
from flask_restful import Resource
from werkzeug.datastructures import Headers

from mlapi import formats, schemas, telemetry
from mlapi.application import Bytes
from mlapi.body import read_body
from mlapi.errors import ModelNotFound, NotReady, listed
from mlapi.model import Model, Prediction
from mlapi.registry import Registry
from mlapi.rows import Instances
from mlapi.settings import Settings


class Predictor(Resource):  # type: ignore[misc]
    """Answers rows with one model."""

    request_schema: ClassVar[type[schemas.PredictRequest]]
    response_schema: ClassVar[schemas.PredictResponse]

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings

    def post(self) -> Response:
        given = request.environ
        media_type, encode = formats.encoder(given.get("HTTP_ACCEPT"))
        formats.check_encoding(given.get("HTTP_CONTENT_ENCODING"))
        body = read_body(given, self.settings.max_body_bytes)
        data = formats.decode(given.get("CONTENT_TYPE"), body)
        schema = schemas.request_schema(self.request_schema, self.model.signature, self.settings.max_rows)
        instances = schema.read(data)
        include = _include(request.args.getlist("include")) if given.get("QUERY_STRING") else ()
        prediction = self.model.predict(instances.batch, include)
        return Bytes(
            encode(self._answer(prediction, instances)), headers=Headers([("Content-Type", media_type)])
        )

    def _answer(self, prediction: Prediction, instances: Instances) -> dict[str, Any]:
        """What `response_schema` describes, its arrays as they are: the encoder writes them."""
        answer = {
            "model": self.model.name,
            "version": self.model.version,
            "prediction": prediction.values,
            **prediction.outputs,
        }
        if prediction.classes is not None:
            answer["classes"] = prediction.classes
        if instances.warnings:
            answer["warnings"] = schemas.warnings_json(instances.warnings)
            answer["warning_count"] = instances.warning_count
        return answer


class LinearRegression(Predictor):
    request_schema = schemas.LinearRegressionRequest
    response_schema = schemas.LinearRegressionResponse()


class LogisticRegression(Predictor):
    request_schema = schemas.LogisticRegressionRequest
    response_schema = schemas.LogisticRegressionResponse()


class SVM(Predictor):
    request_schema = schemas.SVMRequest
    response_schema = schemas.SVMResponse()


class Estimator(Predictor):
    """Any estimator that somebody registered."""

    request_schema = schemas.EstimatorRequest
    response_schema = schemas.EstimatorResponse()


RESOURCES: Mapping[str, type[Predictor]] = {
    "linear_regression": LinearRegression,
    "logistic_regression": LogisticRegression,
    "svm": SVM,
}
"""The Resource by algorithm."""


class Predict(Resource):  # type: ignore[misc]
    """`/predict`, `/predict/<model>`, `/predict/<model>/<ref>`: finds the version, then who answers."""

    init_every_request = False

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings

    def post(self, name: str | None = None, ref: str | None = None) -> Response:
        model = self.registry.get(self._default() if name is None else name, ref)
        telemetry.note(request.environ, model=model.name, version=model.version)
        resource = RESOURCES.get(model.algorithm, Estimator)
        return resource(model, self.settings).post()

    def _default(self) -> str:
        if self.settings.default_model is not None:
            return self.settings.default_model
        snapshot = self.registry.snapshot
        serving = snapshot.serving
        if not serving and snapshot.problem:
            raise NotReady(snapshot.problem)
        if len(serving) != 1:
            raise ModelNotFound(
                "`/predict` needs a model: name one in the path, or set `default_model`; "
                f"models that serve: {listed(serving)}"
            )
        return serving[0]


def _include(given: list[str]) -> list[str]:
    """The outputs that a request asks for, each once."""
    names = (name.strip() for name in ",".join(given).split(","))
    return list(dict.fromkeys(name for name in names if name))

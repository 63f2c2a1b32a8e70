"""POST /predict: one Resource a family of estimators, on one small base.

The version that a request names decides the class that answers: its algorithm is looked up in
`RESOURCES`, and any that is not there is served by `Estimator`.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Response, request
from flask_restful import Resource
from werkzeug.datastructures import Headers

from mlapi.data.rows.reader import Instances
from mlapi.errors import ModelNotFound, NotReady
from mlapi.formats import images, negotiation
from mlapi.http import telemetry
from mlapi.http.application import Bytes
from mlapi.http.body import Environ, read_body
from mlapi.inference.model import Model, Prediction
from mlapi.registry.registry import Registry
from mlapi.resources.outputs import NOTHING, Outputs, asked
from mlapi.schemas import prediction as schemas
from mlapi.settings import Settings
from mlapi.wording import listed


class ModelResource(Resource):  # type: ignore[misc]
    """Answers rows with one model."""

    request_schema: ClassVar[type[schemas.PredictRequest]]
    response_schema: ClassVar[schemas.PredictResponse]

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings

    def post(self) -> Response:
        given = request.environ
        media_type, encode = negotiation.encoder(given.get("HTTP_ACCEPT"))
        instances = self.read(given)
        outputs = asked() if given.get("QUERY_STRING") else NOTHING
        prediction = self.model.predict(instances.batch, outputs.needed)
        answer = self._answer(prediction, instances, outputs)
        return Bytes(encode(answer), headers=Headers([("Content-Type", media_type)]))

    def read(self, given: Environ) -> Instances:
        """The rows or pictures of a request."""
        negotiation.check_encoding(given.get("HTTP_CONTENT_ENCODING"))
        body = read_body(given, self.settings.max_body_bytes)
        signature, limits = self.model.signature, self.settings.picture_limits
        schema: schemas.PredictRequest = schemas.request_schema(
            self.request_schema, signature, self.settings.max_rows, limits
        )
        if signature.image is None:
            return schema.read(negotiation.decode(given.get("CONTENT_TYPE"), body))
        data = images.decode(given.get("CONTENT_TYPE"), body, self.settings.max_pictures)
        return schema.read_files(data) if isinstance(data, images.Uploads) else schema.read(data)

    def _answer(self, prediction: Prediction, instances: Instances, outputs: Outputs) -> dict[str, Any]:
        """What `response_schema` describes, its arrays as they are: the encoder writes them."""
        answer = {
            "model": self.model.name,
            "version": self.model.version,
            "prediction": prediction.values,
            **outputs.of(prediction),
        }
        if instances.warnings:
            answer["warnings"] = schemas.warnings_json(instances.warnings)
            answer["warning_count"] = instances.warning_count
        return answer


class LinearRegression(ModelResource):
    request_schema = schemas.LinearRegressionRequest
    response_schema = schemas.LinearRegressionResponse()


class LogisticRegression(ModelResource):
    request_schema = schemas.LogisticRegressionRequest
    response_schema = schemas.LogisticRegressionResponse()


class SVM(ModelResource):
    request_schema = schemas.SVMRequest
    response_schema = schemas.SVMResponse()


class ImageClassifier(ModelResource):
    request_schema = schemas.ImageClassifierRequest
    response_schema = schemas.ImageClassifierResponse()


class Estimator(ModelResource):
    """Any estimator that somebody registered."""

    request_schema = schemas.EstimatorRequest
    response_schema = schemas.EstimatorResponse()


RESOURCES: Mapping[str, type[ModelResource]] = {
    "linear_regression": LinearRegression,
    "logistic_regression": LogisticRegression,
    "svm": SVM,
    "cnn": ImageClassifier,
}
"""The Resource by algorithm."""


def resource_for(model: Model, settings: Settings) -> ModelResource:
    """Who answers for a version."""
    return RESOURCES.get(model.algorithm, Estimator)(model, settings)


class Predict(Resource):  # type: ignore[misc]
    """`/predict`, `/predict/<model>`, `/predict/<model>/<ref>`: finds the version, then who answers."""

    init_every_request = False

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings

    def post(self, name: str | None = None, ref: str | None = None) -> Response:
        model = self.registry.get(self._default() if name is None else name, ref)
        telemetry.note(request.environ, model=model.name, version=model.version)
        return resource_for(model, self.settings).post()

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

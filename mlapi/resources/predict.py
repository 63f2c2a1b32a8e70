"""POST /predict: `Predict` finds the version, and a class for its algorithm reads the request and answers it.

That class is looked up in `RESOURCES` by the algorithm that the version's manifest names; any other algorithm
is served by `Estimator`. They differ in their schemas alone.
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
from mlapi.resources.outputs import NO_OUTPUTS, RequestedOutputs, requested_outputs
from mlapi.schemas import prediction as schemas
from mlapi.settings import Settings
from mlapi.wording import listed


class ModelResource(Resource):  # type: ignore[misc]
    """Answers a request with one version of a model."""

    request_schema: ClassVar[type[schemas.PredictRequest]]
    response_schema: ClassVar[schemas.PredictResponse]

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings

    def post(self) -> Response:
        """Answer the current request: one entry of `prediction` for each of its rows or images."""
        environ = request.environ
        media_type, encode = negotiation.encoder(environ.get("HTTP_ACCEPT"))
        instances = self.read(environ)
        outputs = requested_outputs() if environ.get("QUERY_STRING") else NO_OUTPUTS
        prediction = self.model.predict(instances.batch, outputs.of_model)
        answer = self._answer(prediction, instances, outputs)
        return Bytes(encode(answer), headers=Headers([("Content-Type", media_type)]))

    def read(self, environ: Environ) -> Instances:
        """Read the rows or images of a request, and check them against the model's signature.

        Raises:
            MalformedBody, UnsupportedFormat, InvalidInput: The body is not what the model takes.
            TooLarge: It has more bytes, rows or pixels than the settings allow.
        """
        negotiation.check_encoding(environ.get("HTTP_CONTENT_ENCODING"))
        body = read_body(environ, self.settings.max_body_bytes)
        signature, limits = self.model.signature, self.settings.picture_limits
        schema: schemas.PredictRequest = schemas.request_schema(
            self.request_schema, signature, self.settings.max_rows, limits
        )
        if signature.image is None:
            return schema.read(negotiation.decode(environ.get("CONTENT_TYPE"), body))
        data = images.decode(environ.get("CONTENT_TYPE"), body, self.settings.max_pictures)
        return schema.read_files(data) if isinstance(data, images.Uploads) else schema.read(data)

    def _answer(
        self, prediction: Prediction, instances: Instances, outputs: RequestedOutputs
    ) -> dict[str, Any]:
        """The answer that `response_schema` describes. Its arrays stay arrays, which the encoder writes."""
        answer = {
            "model": self.model.name,
            "version": self.model.version,
            "prediction": prediction.values,
            **outputs.members(prediction),
        }
        if instances.warnings:
            answer["warnings"] = schemas.warnings_json(instances.warnings)
            answer["warning_count"] = instances.warning_count
        return answer


class LinearRegression(ModelResource):
    """A linear regression."""

    request_schema = schemas.LinearRegressionRequest
    response_schema = schemas.LinearRegressionResponse()


class LogisticRegression(ModelResource):
    """A logistic regression."""

    request_schema = schemas.LogisticRegressionRequest
    response_schema = schemas.LogisticRegressionResponse()


class SVM(ModelResource):
    """A support vector machine."""

    request_schema = schemas.SVMRequest
    response_schema = schemas.SVMResponse()


class ImageClassifier(ModelResource):
    """A network for images."""

    request_schema = schemas.ImageClassifierRequest
    response_schema = schemas.ImageClassifierResponse()


class Estimator(ModelResource):
    """Any other estimator, most of which somebody registered."""

    request_schema = schemas.EstimatorRequest
    response_schema = schemas.EstimatorResponse()


RESOURCES: Mapping[str, type[ModelResource]] = {
    "linear_regression": LinearRegression,
    "logistic_regression": LogisticRegression,
    "svm": SVM,
    "cnn": ImageClassifier,
}
"""The class that answers, by algorithm."""


def resource_for(model: Model, settings: Settings) -> ModelResource:
    """Make the resource that answers for a version, by its algorithm."""
    return RESOURCES.get(model.algorithm, Estimator)(model, settings)


class Predict(Resource):  # type: ignore[misc]
    """`/predict`, `/predict/<model>`, `/predict/<model>/<ref>`: finds the version that the path means.

    Without a model it is the setting `default_model`, else the only one that serves.
    """

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
        snapshot = self.registry.current_snapshot()
        serving = snapshot.serving
        if not serving and snapshot.problem:
            raise NotReady(snapshot.problem)
        if len(serving) != 1:
            raise ModelNotFound(
                "`/predict` needs a model: name one in the path, or set `default_model`; "
                f"models that serve: {listed(serving)}"
            )
        return serving[0]

"""POST /predict: `Predict` finds the version, and a class for its algorithm reads the request and answers it.

`RESOURCES` has that class by the algorithm that the version's manifest names; `EstimatorResource` answers for
any other algorithm. These classes differ in their schemas alone. None of them is an estimator: the model is,
and they turn a request into a batch for it, and its prediction into an answer.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from flask import Response, request
from werkzeug.datastructures import Headers

from mlapi.data.rows.reader import Instances
from mlapi.errors import ModelNotFound, NotReady, Unanswerable
from mlapi.formats import images, negotiation
from mlapi.http import telemetry
from mlapi.http.application import Bytes
from mlapi.http.body import Environ, read_body
from mlapi.http.resource import Resource
from mlapi.inference.model import Model, Prediction
from mlapi.registry.registry import Registry
from mlapi.resources.outputs import NO_OUTPUTS, QUERY_PARAMETERS, RequestedOutputs, requested_outputs
from mlapi.schemas import prediction as schemas
from mlapi.settings import Settings
from mlapi.wording import listed


class ModelResource(Resource):
    """Answers a request with one version of a model.

    It is in no route: `Predict` is, which makes one for each request, once the version is known, and hands
    the request to its `post`.
    """

    request_schema: ClassVar[type[schemas.PredictRequest]]
    """Reads the body."""
    response_schema: ClassVar[schemas.PredictResponse]
    """Describes the answer. Tests check answers by it; no answer is written by it, which would be slow."""

    def __init__(self, model: Model, settings: Settings) -> None:
        self.model = model
        self.settings = settings

    def post(self) -> Response:
        """Answer the current request: one entry of `prediction` for each of its rows or images."""
        environ = request.environ
        media_type, encode = negotiation.encoder(environ.get("HTTP_ACCEPT"))
        instances = self.read(environ)
        outputs = requested_outputs() if environ.get("QUERY_STRING") else NO_OUTPUTS
        try:
            prediction = self.model.predict(instances.batch, outputs.of_model)
        except Unanswerable as error:
            raise schemas.located(error, instances) from error
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


class LinearRegressionResource(ModelResource):
    """Answers for a linear regression."""

    request_schema = schemas.LinearRegressionRequest
    response_schema = schemas.LinearRegressionResponse()


class LogisticRegressionResource(ModelResource):
    """Answers for a logistic regression."""

    request_schema = schemas.LogisticRegressionRequest
    response_schema = schemas.LogisticRegressionResponse()


class SVMResource(ModelResource):
    """Answers for a support vector machine."""

    request_schema = schemas.SVMRequest
    response_schema = schemas.SVMResponse()


class ImageClassifierResource(ModelResource):
    """Answers for a network that classifies images."""

    request_schema = schemas.ImageClassifierRequest
    response_schema = schemas.ImageClassifierResponse()


class EstimatorResource(ModelResource):
    """Answers for any other estimator: another algorithm of training, or one that somebody registered."""

    request_schema = schemas.EstimatorRequest
    response_schema = schemas.EstimatorResponse()


RESOURCES: Mapping[str, type[ModelResource]] = {
    "linear_regression": LinearRegressionResource,
    "logistic_regression": LogisticRegressionResource,
    "svm": SVMResource,
    "cnn": ImageClassifierResource,
}
"""The class that answers, by algorithm; `EstimatorResource` for all that are not listed."""


def resource_for(model: Model, settings: Settings) -> ModelResource:
    """Make the resource that answers for a version, by its algorithm."""
    return RESOURCES.get(model.algorithm, EstimatorResource)(model, settings)


class Predict(Resource):
    """`/predict`, `/predict/<model>`, `/predict/<model>/<ref>`: finds the version that the path means, and
    hands the request to the `ModelResource` for its algorithm.

    A path without a model means the one that the setting `default_model` names; without that setting it means
    the only model that serves.
    """

    init_every_request = False
    query_parameters = QUERY_PARAMETERS

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

"""POST /classify: the class of one image, by the model that the setting `image_model` names."""

from typing import Any

from flask import Response, request
from werkzeug.datastructures import Headers

from mlapi.data.rows.reader import Row
from mlapi.errors import InvalidInput, ModelNotFound, Unanswerable
from mlapi.formats import negotiation
from mlapi.http import telemetry
from mlapi.http.application import Bytes
from mlapi.http.resource import Resource
from mlapi.inference.model import Model, Prediction
from mlapi.inference.outputs import PROBABILITIES
from mlapi.registry.registry import Registry
from mlapi.resources.predict import resource_for
from mlapi.schemas import prediction as schemas
from mlapi.settings import Settings
from mlapi.wording import Finding


class Classify(Resource):
    """`/classify`"""

    init_every_request = False
    response_schema = schemas.ClassifyResponse()

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings

    def post(self) -> Response:
        media_type, encode = negotiation.encoder(request.environ.get("HTTP_ACCEPT"))
        model = self.registry.get(self.settings.image_model)
        telemetry.note(request.environ, model=model.name, version=model.version)
        if model.signature.image is None or model.capabilities.classes is None:
            raise ModelNotFound(
                f"`/classify` needs a classifier of pictures, and model {model.name!r} is none: "
                "set `image_model`"
            )
        instances = resource_for(model, self.settings).read(request.environ)
        batch = instances.batch
        if isinstance(batch, Row):
            batch = batch.to_batch()
        if len(batch) != 1:
            detail = f"expected one picture, got {len(batch)}; /predict/{model.name} takes many"
            raise InvalidInput([Finding((), detail)], 1)
        include = [PROBABILITIES] if PROBABILITIES in model.outputs else []
        try:
            prediction = model.predict(batch, include)
        except Unanswerable as error:
            raise schemas.located(error, instances) from error
        answer = _answer(model, model.capabilities.classes, prediction)
        return Bytes(encode(answer), headers=Headers([("Content-Type", media_type)]))


def _answer(model: Model, classes: list[Any], prediction: Prediction) -> dict[str, Any]:
    """The answer that `response_schema` describes, to a prediction for one image."""
    (label,) = prediction.values.tolist()
    position = classes.index(label)
    names = model.signature.target.class_names
    probabilities = prediction.outputs.get(PROBABILITIES)
    return {
        "model": model.name,
        "version": model.version,
        "class": position,
        "class_name": names[position] if names else str(label),
        "probability": None if probabilities is None else probabilities[0, position],
    }

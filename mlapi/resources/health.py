"""GET /health: whether the process lives, and which models serve or are broken; for probes and operators."""

from flask import Response, request

from mlapi.errors import NotReady
from mlapi.http.resource import Resource
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import Snapshot
from mlapi.resources.responses import respond
from mlapi.schemas import service
from mlapi.wording import listed


class Live(Resource):
    """`/health/live`: looks at nothing else, so that it answers whatever is wrong."""

    response_schema = service.LiveResponse()

    def get(self) -> Response:
        return respond({"status": "live"})


class Ready(Resource):
    """`/health/ready`: whether any model serves; with `?model=`, whether this one does."""

    query_parameters = ("model",)
    response_schema = service.ReadyResponse()

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self) -> Response:
        snapshot = self.registry.current_snapshot()
        name = request.args.get("model")
        if name is not None:
            snapshot.record(name)  # raises ModelNotFound
        serving = [model for model in snapshot.serving if name in (None, model)]
        if not serving:
            raise NotReady(_why(snapshot, name))
        broken = [
            {"model": model, "version": version, "reason": reason}
            for model, version, reason in snapshot.broken
            if name in (None, model)
        ]
        return respond({"status": "ready", "models": serving, "broken": broken})


def _why(snapshot: Snapshot, name: str | None) -> str:
    if snapshot.problem:
        return snapshot.problem
    reasons = [
        f"{model} version {version}: {reason}" if version else f"{model}: {reason}"
        for model, version, reason in snapshot.broken
        if name in (None, model)
    ]
    if reasons:
        return f"broken: {listed(reasons)}"
    return f"model {name!r} has no version that serves" if name else "the models folder holds no model"

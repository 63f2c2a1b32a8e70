"""GET /: a page for a browser, the links as data for everybody else."""

import shlex

from flask import Response, render_template, request

from mlapi import __version__
from mlapi.data.signature import example
from mlapi.formats.images import FIELD
from mlapi.formats.strict_json import encode_json
from mlapi.http.resource import Resource
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import Snapshot
from mlapi.resources.responses import respond
from mlapi.schemas import service

LINKS = {
    "models": "/models",
    "predict": "/predict/{model}",
    "classify": "/classify",
    "fit": "/fit/{algorithm}",
    "jobs": "/jobs",
    "live": "/health/live",
    "ready": "/health/ready",
}
"""The paths where everything begins, by what they are for."""

PAGE_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Index(Resource):
    """`/`: as HTML where the Accept header prefers that, else as JSON."""

    response_schema = service.IndexResponse()

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self) -> Response:
        if request.accept_mimetypes.best_match(["application/json", "text/html"]) == "text/html":
            return self._page()
        links = {name: request.root_path + path for name, path in LINKS.items()}
        response = respond({"name": "mlapi", "version": __version__, "links": links})
        response.vary.add("Accept")
        return response

    def _page(self) -> Response:
        snapshot = self.registry.current_snapshot()
        page = render_template(
            "index.html",
            prefix=request.root_path,
            version=__version__,
            models=snapshot.models.values(),
            serving=snapshot.serving,
            broken=list(snapshot.broken),
            example=self._example(snapshot),
        )
        headers = {"Content-Security-Policy": PAGE_POLICY, "Vary": "Accept"}
        return Response(page, content_type="text/html; charset=utf-8", headers=headers)

    def _example(self, snapshot: Snapshot) -> str | None:
        """A command line for a shell, with curl, which gets a prediction; None if no model serves."""
        if not snapshot.serving:
            return None
        model = self.registry.get(snapshot.serving[0])
        # Not `host_url`: it decodes international names, and a client may send a wrong one.
        url = f"{request.scheme}://{request.host}{request.root_path}/predict/{model.name}"
        if model.signature.image is not None:
            return f"curl {shlex.quote(url)} -F {FIELD}=@picture.png"
        body = encode_json({"features": example(model.signature)}).decode()
        return f"curl {shlex.quote(url)} -d {shlex.quote(body)}"

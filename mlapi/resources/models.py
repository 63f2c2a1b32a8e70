"""GET /models: what there is. Reading never unpickles anything."""

import hashlib
from typing import Any

from flask import Response, request
from flask_restful import Resource

from mlapi import schemas
from mlapi import signature as signatures
from mlapi.artifact import MODEL, REPORT, Manifest, read_file
from mlapi.errors import BrokenArtifact, ModelUnavailable, ReportNotFound
from mlapi.registry import Registry
from mlapi.resources.responses import respond
from mlapi.snapshot import ModelRecord, VersionRecord

_ENTRY = schemas.ModelEntry()
_VERSION = schemas.VersionEntry()

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A model card is one file: it may show its own styles and pictures, and run and fetch nothing."""


class Models(Resource):  # type: ignore[misc]
    """`/models`"""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self) -> Response:
        records = self.registry.snapshot.models.values()
        return respond({"models": [_ENTRY.dump(record) for record in records]})


class OneModel(Resource):  # type: ignore[misc]
    """`/models/<model>`, with an ETag that changes with its versions and aliases."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self, name: str) -> Response:
        response = respond(_ENTRY.dump(self.registry.snapshot.record(name)))
        etag = hashlib.sha256(response.get_data()).hexdigest()[:32]
        if request.if_none_match.contains(etag):
            response = Response(status=304)
        response.set_etag(etag)
        return response


class Version(Resource):  # type: ignore[misc]
    """`/models/<model>/versions/<ref>`"""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self, name: str, ref: str) -> Response:
        record = self.registry.snapshot.record(name)
        version = record.versions[record.resolve(ref)]
        return respond(_VERSION.dump(_describe(record, version)))


class Report(Resource):  # type: ignore[misc]
    """`/models/<model>/versions/<ref>/report`: the model card."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self, name: str, ref: str) -> Response:
        record = self.registry.snapshot.record(name)
        manifest = record.versions[record.resolve(ref)].manifest
        if manifest is None or REPORT not in manifest.files:
            raise ReportNotFound(f"version {ref[:64]!r} of model {name!r} has no model card")
        try:
            content = read_file(self.registry.home(name), manifest, REPORT)
        except BrokenArtifact as error:
            raise ModelUnavailable(f"the model card cannot be shown: {error}") from error
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return Response(content, content_type="text/html; charset=utf-8", headers=headers)


def _describe(record: ModelRecord, version: VersionRecord) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "model": record.name,
        "version": version.number,
        "aliases": [alias for alias, number in record.aliases.items() if number == version.number],
        "status": "broken" if version.reason else "ready",
        "reason": version.reason,
        "algorithm": None,
        "task": None,
        "created_at": None,
        "signature": None,
        "metrics": None,
        "parameters": None,
        "data": None,
        "environment": None,
        "artifact": None,
        **({} if manifest is None else _known(manifest)),
    }


def _known(manifest: Manifest) -> dict[str, Any]:
    file = manifest.files[MODEL]
    return {
        "algorithm": manifest.algorithm,
        "task": manifest.task,
        "created_at": manifest.created_at,
        "signature": signatures.to_json(manifest.signature),
        "metrics": manifest.metrics,
        "parameters": manifest.parameters,
        "data": manifest.data,
        "environment": manifest.environment,
        "artifact": {"sha256": file.sha256, "bytes": file.bytes, "signed_by": None},
    }

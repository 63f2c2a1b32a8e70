"""/models: which models and versions there are; and changes of versions and aliases, if the settings allow.

Reading never unpickles anything.
"""

import hashlib
from collections.abc import Callable, Iterator
from typing import Any

from flask import Response, request

from mlapi.artifacts.manifest import MODEL, REPORT, Manifest, differences, fitted_elsewhere
from mlapi.artifacts.names import parse_version
from mlapi.data import signature as signatures
from mlapi.errors import (
    BrokenArtifact,
    ModelUnavailable,
    PreconditionFailed,
    ReportNotFound,
    VersionNotFound,
)
from mlapi.formats import negotiation, strict_json
from mlapi.http.access import MODELS_AND_LOG, check_writes, shared_access
from mlapi.http.body import read_body
from mlapi.http.resource import Resource
from mlapi.inference.model import Model
from mlapi.registry.changes import Changes, changes_to
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import ModelRecord, VersionRecord
from mlapi.resources.responses import respond
from mlapi.schemas import models
from mlapi.settings import Settings
from mlapi.wording import listed, quoted

_ALIAS = models.AliasRequest()
_ENTRY = models.ModelEntry()
_LIST = models.ModelList()
_VERSION = models.VersionEntry()

REPORT_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""A model card is one file: the browser shows its own styles and pictures; it runs no script and fetches
nothing."""


class Models(Resource):
    """`/models`: all models."""

    response_schema = _LIST

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self) -> Response:
        return respond(_LIST.dump({"models": list(self.registry.current_snapshot().models.values())}))


class OneModel(Resource):
    """`/models/<model>`, with an ETag that changes with its versions and aliases."""

    response_schema = _ENTRY

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self, name: str) -> Response:
        record = self.registry.current_snapshot().record(name)
        if request.if_none_match.contains(_etag(record)):
            return _tagged(Response(status=304), record)
        return _tagged(respond(_ENTRY.dump(record)), record)


class Version(Resource):
    """`/models/<model>/versions/<ref>`: a number, an alias, or `latest`; a DELETE takes a number only."""

    response_schema = _VERSION

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings

    def get(self, name: str, ref: str) -> Response:
        record = self.registry.current_snapshot().record(name)
        version = self.registry.version(name, record.resolve(ref))
        return respond(_VERSION.dump(_describe(record, version, self.registry.loaded(name, version.number))))

    def delete(self, name: str, ref: str) -> Response:
        check_writes(self.settings)
        number = parse_version(ref)
        if number is None:
            known = listed(self.registry.current_snapshot().record(name).numbers)
            raise VersionNotFound(f"{quoted(ref)} is no version's number; versions: {known}")
        with shared_access(MODELS_AND_LOG) as patience_s:
            changes = _changes(self.registry, self.settings, patience_s)
            changes.delete_version(name, number, _unchanged(changes, name))
        return Response(status=204)


class ModelCard(Resource):
    """`/models/<model>/versions/<ref>/report`: the model card."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def get(self, name: str, ref: str) -> Response:
        number = self.registry.current_snapshot().record(name).resolve(ref)
        try:
            content = self.registry.read_file(name, number, REPORT)
        except BrokenArtifact as error:
            raise ModelUnavailable(f"the model card cannot be shown: {error}") from error
        if content is None:
            raise ReportNotFound(f"version {ref[:64]!r} of model {name!r} has no model card")
        headers = {"Content-Security-Policy": REPORT_POLICY}
        return Response(content, content_type="text/html; charset=utf-8", headers=headers)


class OneAlias(Resource):
    """`/models/<model>/aliases/<alias>`: a PUT points it at a version, a DELETE removes it."""

    response_schema = _ENTRY

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.settings = settings

    def put(self, name: str, alias: str) -> Response:
        check_writes(self.settings)
        negotiation.encoder(request.headers.get("Accept"))  # a refusal must come before the change
        negotiation.check_encoding(request.headers.get("Content-Encoding"))
        body = read_body(request.environ, self.settings.max_body_bytes)
        version = _ALIAS.read(negotiation.decode(request.headers.get("Content-Type"), body))
        with shared_access(MODELS_AND_LOG) as patience_s:
            changes = _changes(self.registry, self.settings, patience_s)
            changes.promote(name, version, alias, _unchanged(changes, name))
        record = self.registry.current_snapshot().record(name)
        return _tagged(respond(_ENTRY.dump(record)), record)

    def delete(self, name: str, alias: str) -> Response:
        check_writes(self.settings)
        with shared_access(MODELS_AND_LOG) as patience_s:
            changes = _changes(self.registry, self.settings, patience_s)
            changes.remove_alias(name, alias, _unchanged(changes, name))
        return Response(status=204)


def _changes(registry: Registry, settings: Settings, patience_s: float) -> Changes:
    """Changes on behalf of the address that the request comes from."""
    who = f"http {request.remote_addr}"
    return changes_to(registry, settings.state_dir, who, patience_s=patience_s)


def _unchanged(changes: Changes, name: str) -> Callable[[], None]:
    """The check that `If-Match` asks for: the model is what it was when the client read its ETag."""
    registry = changes.registry

    def check() -> None:
        changes.refresh()
        # Looked up by name: an empty or garbled header matches nothing, and is not the same as none.
        is_conditional = "If-Match" in request.headers
        if is_conditional and not request.if_match.contains(_etag(registry.current_snapshot().record(name))):
            raise PreconditionFailed(f"model {name!r} is not what If-Match says any more; read it again")

    return check


def _etag(record: ModelRecord) -> str:
    return hashlib.sha256(strict_json.encode_json(_ENTRY.dump(record))).hexdigest()[:32]


def _tagged(response: Response, record: ModelRecord) -> Response:
    response.set_etag(_etag(record))
    return response


def _describe(record: ModelRecord, version: VersionRecord, model: Model | None) -> dict[str, Any]:
    manifest = version.manifest
    return {
        "model": record.name,
        "version": version.number,
        "aliases": [alias for alias, entry in record.aliases.items() if entry.version == version.number],
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
        "served_by": None if model is None else model.served_by,
        "outputs": None if model is None else list(model.outputs),
        "notes": list(_notes(version, model)),
        **({} if manifest is None else _known(manifest)),
    }


def _notes(version: VersionRecord, model: Model | None) -> Iterator[str]:
    yield from filter(None, (version.note, version.replaced))
    if model is not None:
        yield from model.notes
    elif version.manifest:
        yield from filter(None, (fitted_elsewhere(version.manifest),))
        if other := ", ".join(differences(version.manifest)):
            yield f"Here is {other}; its golden rows decide when it is loaded."


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
        "artifact": {"sha256": file.sha256, "bytes": file.bytes, "signed_by": manifest.signed_by},
    }

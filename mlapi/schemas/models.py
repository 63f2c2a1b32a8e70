"""The schemas of models and versions in answers, and of the body that points an alias at a version."""

from collections.abc import Mapping
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from mlapi.errors import InvalidInput
from mlapi.schemas.errors import findings_of, invalid
from mlapi.wording import Finding


class AliasesField(fields.Dict):
    """The aliases of a model as its record has them -> the number that each names."""

    def _serialize(self, value: Mapping[str, Any], *_: Any, **__: Any) -> dict[str, int]:  # type: ignore[override]
        return {alias: entry.version for alias, entry in value.items()}


class ModelEntry(Schema):
    """One model; made from a `mlapi.registry.snapshot.ModelRecord`.

    The algorithm and the task are those of the version that a request without a version means. They are null
    where no manifest can be read; the latest version is null where none serves.
    """

    name = fields.String(required=True)
    algorithm = fields.String(required=True, allow_none=True)
    task = fields.String(required=True, allow_none=True)
    versions = fields.List(fields.Integer(strict=True), attribute="numbers", required=True)
    latest = fields.Integer(required=True, allow_none=True, strict=True)
    aliases = AliasesField(keys=fields.String(), values=fields.Integer(strict=True), required=True)


class ModelList(Schema):
    """All models."""

    models = fields.List(fields.Nested(ModelEntry), required=True)


class ArtifactEntry(Schema):
    """The file that holds the estimator, and the key that signed the version."""

    sha256 = fields.String(required=True)
    bytes = fields.Integer(required=True, strict=True)
    signed_by = fields.String(required=True, allow_none=True)


class VersionEntry(Schema):
    """All that is known of one version; what a broken manifest cannot tell is null."""

    model = fields.String(required=True)
    version = fields.Integer(required=True, strict=True)
    aliases = fields.List(fields.String(), required=True)
    status = fields.String(required=True)
    reason = fields.String(required=True, allow_none=True)
    algorithm = fields.String(required=True, allow_none=True)
    task = fields.String(required=True, allow_none=True)
    created_at = fields.String(required=True, allow_none=True)
    signature = fields.Dict(required=True, allow_none=True)
    metrics = fields.Dict(required=True, allow_none=True)
    parameters = fields.Dict(required=True, allow_none=True)
    data = fields.Dict(required=True, allow_none=True)
    environment = fields.Dict(required=True, allow_none=True)
    artifact = fields.Nested(ArtifactEntry, required=True, allow_none=True)
    served_by = fields.String(required=True, allow_none=True)
    outputs = fields.List(fields.String(), required=True, allow_none=True)
    notes = fields.List(fields.String(), required=True)


class AliasRequest(Schema):
    """`{"version": 2}`: the version that an alias shall name."""

    version = fields.Integer(strict=True, required=True, validate=validate.Range(1))

    def read(self, body: Any) -> int:
        """Return the number that a body names.

        Raises:
            InvalidInput: The body is something else.
        """
        if not isinstance(body, dict):
            raise InvalidInput([Finding((), 'expected an object: {"version": 2}')], 1)
        if isinstance(body.get("version"), bool | float):
            raise InvalidInput([Finding(("version",), "expected a whole number")], 1)
        try:
            return int(self.load(body)["version"])
        except ValidationError as error:
            raise invalid(*findings_of(error)) from error

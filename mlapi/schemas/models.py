"""What is said of models and versions, and what an alias is asked to name."""

from typing import Any

from marshmallow import (
    Schema,
    ValidationError,
    fields,
    validate,
)

from mlapi.errors import Finding, InvalidInput
from mlapi.schemas.errors import findings_of, invalid


class ModelEntry(Schema):
    """One model in the list of models; made from a `registry.ModelRecord`."""

    name = fields.String()
    algorithm = fields.String()
    task = fields.String()
    versions = fields.List(fields.Integer(), attribute="numbers")
    latest = fields.Integer()
    aliases = fields.Function(
        lambda record: {alias: entry.version for alias, entry in record.aliases.items()}
    )


class VersionEntry(Schema):
    """All that is known of one version; what a broken manifest cannot tell is null."""

    model = fields.String()
    version = fields.Integer()
    aliases = fields.List(fields.String())
    status = fields.String()
    reason = fields.String()
    algorithm = fields.String()
    task = fields.String()
    created_at = fields.String()
    signature = fields.Raw()
    metrics = fields.Raw()
    parameters = fields.Raw()
    data = fields.Raw()
    environment = fields.Raw()
    artifact = fields.Raw()
    served_by = fields.String(allow_none=True)
    notes = fields.List(fields.String())


class AliasRequest(Schema):
    """`{"version": 2}`: what an alias shall name."""

    version = fields.Integer(strict=True, required=True, validate=validate.Range(1))

    def read(self, body: Any) -> int:
        """
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

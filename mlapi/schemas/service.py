"""The schemas of answers about the server itself: its links, and whether it lives and serves."""

from marshmallow import Schema, fields


class IndexResponse(Schema):
    """What the server is, and the paths where everything else begins."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String(), required=True)


class LiveResponse(Schema):
    """Says that the process answers, and no more."""

    status = fields.String(required=True)


class BrokenEntry(Schema):
    """A version that does not serve; without a version, a model whose aliases or folder are at fault."""

    model = fields.String(required=True)
    version = fields.Integer(required=True, allow_none=True, strict=True)
    reason = fields.String(required=True)


class ReadyResponse(Schema):
    """The models that serve, and what is broken beside them."""

    status = fields.String(required=True)
    models = fields.List(fields.String(), required=True)
    broken = fields.List(fields.Nested(BrokenEntry), required=True)

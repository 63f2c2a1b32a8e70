"""The schemas of training jobs in answers."""

from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields


class TimeField(fields.String):
    """Seconds since 1970 -> ISO 8601 in UTC, with milliseconds."""

    def _serialize(self, value: float | None, *_: Any, **__: Any) -> str | None:  # type: ignore[override]
        if value is None:
            return None
        return datetime.fromtimestamp(value, UTC).isoformat(timespec="milliseconds")


class ProblemTypeField(fields.String):
    """The slug of an error -> the type of a problem."""

    def _serialize(self, value: str, *_: Any, **__: Any) -> str:  # type: ignore[override]
        return f"/problems/{value}"


class ProblemEntry(Schema):
    """Why a job failed, as an answer would say it (RFC 9457)."""

    type = ProblemTypeField(attribute="slug", required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True, strict=True)
    detail = fields.String(required=True)


class JobEntry(Schema):
    """One job; made from a `mlapi.jobs.jobs.Job`."""

    id = fields.String(required=True)
    state = fields.String(required=True)
    progress = fields.Float(required=True)
    message = fields.String(required=True)
    model = fields.String(required=True)
    version = fields.Integer(required=True, allow_none=True, strict=True)
    problem = fields.Nested(ProblemEntry, required=True, allow_none=True)
    created_at = TimeField(attribute="created", required=True)
    started_at = TimeField(attribute="started", required=True, allow_none=True)
    ended_at = TimeField(attribute="ended", required=True, allow_none=True)


class JobList(Schema):
    """The newest jobs, the newest first."""

    jobs = fields.List(fields.Nested(JobEntry), required=True)

"""What is said of a training job."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from marshmallow import Schema, fields


class JobEntry(Schema):
    """One job; made from a `mlapi.jobs.jobs.Job`."""

    id = fields.String()
    state = fields.String()
    progress = fields.Float()
    message = fields.String()
    model = fields.String()
    version = fields.Integer(allow_none=True)
    problem = fields.Function(lambda job: job.problem and _problem(job.problem))
    created_at = fields.Function(lambda job: _time(job.created))
    started_at = fields.Function(lambda job: _time(job.started))
    ended_at = fields.Function(lambda job: _time(job.ended))


def _problem(document: Mapping[str, Any]) -> dict[str, Any]:
    """As an answer would say it (RFC 9457)."""
    members = {name: document[name] for name in ("title", "status", "detail")}
    return {"type": f"/problems/{document['slug']}", **members}


def _time(seconds: float | None) -> str | None:
    """Seconds since 1970 -> ISO 8601 in UTC, with milliseconds."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")

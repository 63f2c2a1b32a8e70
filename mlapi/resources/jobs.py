"""/jobs: trainings that outlast their request. `POST /models/<model>/versions` submits one."""

from flask import Response, request
from werkzeug.datastructures import Headers

from mlapi.artifacts.names import is_model_name
from mlapi.errors import InvalidInput, NotOffered
from mlapi.formats.negotiation import check_encoding
from mlapi.formats.strict_json import encode_json
from mlapi.http.access import JOBS, check_writes, shared_access
from mlapi.http.application import Bytes, Streaming
from mlapi.http.body import leave_to_pool, read_body
from mlapi.http.resource import Resource
from mlapi.jobs.client_errors import raised_for_clients
from mlapi.jobs.jobs import Job, Jobs, Submission
from mlapi.jobs.pool.client import ask
from mlapi.jobs.pool.messages import Message
from mlapi.resources.responses import respond
from mlapi.resources.subscriptions import Subscriptions
from mlapi.schemas import jobs
from mlapi.settings import Settings
from mlapi.wording import Finding, quoted

_ENTRY = jobs.JobEntry()
_LIST = jobs.JobList()

_NEWEST = 100
"""How many jobs are listed."""


class Versions(Resource):
    """`/models/<model>/versions`: a POST submits a job that trains the next version."""

    response_schema = _ENTRY

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def post(self, name: str) -> Response:
        settings = self.settings
        check_writes(settings)
        check_encoding(request.headers.get("Content-Encoding"))
        if not is_model_name(name):
            raise InvalidInput([Finding((), f"no model can be called {quoted(name)}")], 1)
        if settings.job_workers == 0:
            raise NotOffered("no training jobs are run here: the setting job_workers is 0")
        body = read_body(request.environ, settings.max_body_bytes)
        leave_to_pool(request.environ)
        submission = self._submission(name, body)
        with shared_access(JOBS) as patience_s, raised_for_clients():
            job = Jobs(settings.state_dir, patience_s).submit(
                submission, most=settings.jobs_waiting, most_of_caller=settings.jobs_per_caller
            )
        response = _shown(job)
        response.status_code = 202
        response.headers["Location"] = f"{request.root_path}/jobs/{job.id}"
        return response

    def _submission(self, name: str, body: bytes) -> Submission:
        """The body, checked by a process of the pool: a worker has no memory for its rows."""
        message = Message({"content_type": request.headers.get("Content-Type")}, body)
        with raised_for_clients():
            read = ask(self.settings.state_dir, "order", message, seconds=self.settings.fit_seconds)
        caller, key = str(request.remote_addr), request.headers.get("Idempotency-Key")
        return Submission(name, read.head["recipe"], read.head["source"], read.body, caller, key)


class AllJobs(Resource):
    """`/jobs`: the newest jobs."""

    response_schema = _LIST

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def get(self) -> Response:
        with shared_access(JOBS) as patience_s:
            newest = Jobs(self.settings.state_dir, patience_s).newest(_NEWEST)
        return respond(_LIST.dump({"jobs": newest}))


class OneJob(Resource):
    """`/jobs/<id>`: its state; a DELETE cancels it, at once if it waits (200), else soon (202)."""

    response_schema = _ENTRY

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def get(self, job: str) -> Response:
        with shared_access(JOBS) as patience_s:
            return _shown(Jobs(self.settings.state_dir, patience_s).status(job))

    def delete(self, job: str) -> Response:
        check_writes(self.settings)
        with shared_access(JOBS) as patience_s:
            cancelled = Jobs(self.settings.state_dir, patience_s).cancel(job)
        response = _shown(cancelled)
        response.status_code = 200 if cancelled.is_over else 202
        return response


class JobEvents(Resource):
    """`/jobs/<id>/events`: what `/jobs/<id>` says, again whenever it changes, until the job ends."""

    response_schema = _ENTRY

    def __init__(self, settings: Settings, subscriptions: Subscriptions) -> None:
        self.settings = settings
        self.subscriptions = subscriptions

    def get(self, job: str) -> Response:
        with shared_access(JOBS) as patience_s:
            followed = Jobs(self.settings.state_dir, patience_s).status(job)
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        if request.method == "HEAD":  # follows nothing, and takes no stream's place
            return Bytes(headers=Headers(headers))
        return Streaming(self.subscriptions.open(followed, str(request.remote_addr)), headers)


def subscriptions(settings: Settings) -> Subscriptions:
    """Make what counts all event streams of a process, and reads the jobs that they follow."""
    return Subscriptions(
        Jobs(settings.state_dir),
        _event,
        most=settings.streams,
        most_of_caller=settings.streams_per_caller,
    )


def _event(job: Job) -> bytes:
    return b"data: " + encode_json(_ENTRY.dump(job)) + b"\n\n"


def _shown(job: Job) -> Response:
    return respond(_ENTRY.dump(job))

"""/fit: scikit-learn's own estimators, fitted to the rows of one request and forgotten."""

from flask import Response, request
from werkzeug.datastructures import Headers

from mlapi.errors import NotOffered
from mlapi.formats import negotiation
from mlapi.http import telemetry
from mlapi.http.application import Bytes
from mlapi.http.body import leave_to_pool, read_body
from mlapi.http.resource import Resource
from mlapi.jobs.client_errors import raised_for_clients
from mlapi.jobs.pool.client import ask
from mlapi.jobs.pool.messages import Message
from mlapi.resources.responses import respond
from mlapi.schemas import fit_answers
from mlapi.settings import Settings

TUTORIALS = {"/linear_regression": "linear_regression", "/support_vector_machine": "svm"}
"""Paths that tutorials use."""

_START_S = 60.0
"""How much longer the first request of all may wait, in seconds: until the process runs that every fit is
forked from. That takes 2 s on an idle machine."""


class Fit(Resource):
    """`/fit`, `/fit/<algorithm>`, and the tutorials' names for it."""

    init_every_request = False
    response_schema = fit_answers.FitResponse()
    list_schema = fit_answers.AlgorithmList()
    entry_schema = fit_answers.AlgorithmEntry()

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def get(self, name: str | None = None) -> Response:
        """Answer with the parameters of the algorithm that the path names, or of all."""
        self._check_offered()
        name = TUTORIALS.get(request.path, name)
        return respond(self._ask("describe", Message({"algorithm": name})).head)

    def post(self, name: str | None = None) -> Response:
        """Answer with a fit to the rows of the body. A process of the pool computes it; the thread waits."""
        self._check_offered()
        name = TUTORIALS.get(request.path, name)
        accept = request.environ.get("HTTP_ACCEPT")
        media_type, _ = negotiation.encoder(accept, negotiation.JSON_ALONE)  # which the pool writes
        negotiation.check_encoding(request.environ.get("HTTP_CONTENT_ENCODING"))
        body = read_body(request.environ, self.settings.max_body_bytes)
        head = {"algorithm": name, "content_type": request.environ.get("CONTENT_TYPE")}
        answer = self._ask("fit", Message(head, body))
        telemetry.note(request.environ, algorithm=name, rows=answer.head["rows"])
        return Bytes(answer.body, headers=Headers([("Content-Type", media_type)]))

    def _check_offered(self) -> None:
        if self.settings.fit_workers == 0:
            raise NotOffered("nothing is fitted on request here: the setting fit_workers is 0")

    def _ask(self, task: str, message: Message) -> Message:
        leave_to_pool(request.environ)
        settings = self.settings
        patience = _START_S + settings.fit_seconds * (2 + settings.fits_waiting / settings.fit_workers)
        with raised_for_clients():
            return ask(settings.state_dir, task, message, seconds=patience)

"""One document for every error, whichever part of the server sends it."""

import json
import subprocess
import sys

from flask.testing import FlaskClient

from mlapi.server.worker.error_pages import error_page
from tests.support.server import ROOT
from tests.support.waiting import HANG_S


def test_the_application_and_the_worker_send_the_same_members_in_the_same_order(client: FlaskClient) -> None:
    page = error_page(404, "Not Found", "nothing is at this path", "0123")
    head, _, body = page.partition(b"\r\n\r\n")
    document = json.loads(body)

    assert list(document) == list(json.loads(client.get("/nothing").get_data()))
    assert document["type"] == "/problems/not-found"
    assert (document["instance"], document["request_id"]) == (None, "0123")
    assert b"\r\nContent-Length: %d" % len(body) in head
    assert head.endswith(b"%d" % len(body))


def test_the_worker_builds_it_without_flask() -> None:
    code = "import sys, mlapi.http.problem_document; sys.exit('flask' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=HANG_S, check=False).returncode == 0

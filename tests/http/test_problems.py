"""Health, the index page, request ids and the one shape of errors."""

import errno
import html
import logging
import re
import sys
import threading
from pathlib import Path

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import create_environ, run_wsgi_app

from mlapi.http.problems import Api
from mlapi.http.telemetry import LineFormatter
from mlapi.registry.aliases import Alias, change_aliases
from tests.conftest import AppFactory
from tests.support.problems import assert_problem


def test_a_server_with_models_is_live_and_ready(client: FlaskClient) -> None:
    assert client.get("/health/live").get_json() == {"status": "live"}
    ready = client.get("/health/ready")
    assert ready.status_code == 200
    assert ready.get_json()["broken"] == []


def test_without_a_models_folder_it_lives_and_says_why_it_is_not_ready(
    tmp_path: Path, make_app: AppFactory
) -> None:
    client = make_app(tmp_path / "none").test_client()

    assert client.get("/health/live").status_code == 200
    response = client.get("/health/ready")
    assert "models folder cannot be read" in assert_problem(response, 503, "not-ready")["detail"]
    assert "Retry-After" in response.headers
    assert client.get("/models").get_json() == {"models": []}


def test_an_empty_models_folder_is_told(tmp_path: Path, make_app: AppFactory) -> None:
    response = make_app(tmp_path).test_client().get("/health/ready")

    assert "holds no model" in assert_problem(response, 503, "not-ready")["detail"]


def test_a_broken_model_is_listed_and_does_not_hold_back_the_others(
    models_dir: Path, make_app: AppFactory
) -> None:
    (models_dir / "svm" / "1" / "model.joblib").write_bytes(b"")
    client = make_app(models_dir).test_client()

    ready = client.get("/health/ready")

    assert ready.status_code == 200
    (entry,) = ready.get_json()["broken"]
    assert (entry["model"], entry["version"]) == ("svm", 1)
    assert "model.joblib was altered" in entry["reason"]
    assert client.get("/health/ready?model=linear_regression").status_code == 200
    assert "altered" in assert_problem(client.get("/health/ready?model=svm"), 503, "not-ready")["detail"]
    assert_problem(client.get("/health/ready?model=nothing"), 404, "model-not-found")


def test_an_alias_of_a_version_that_is_gone_is_told(models_dir: Path, make_app: AppFactory) -> None:
    change_aliases(models_dir / "svm", lambda _: {"production": Alias(9)})
    client = make_app(models_dir).test_client()

    told = "alias 'production' names version 9, which is gone"
    assert client.get("/health/ready").get_json()["broken"] == [
        {"model": "svm", "version": None, "reason": told}
    ]
    assert told in assert_problem(client.get("/health/ready?model=svm"), 503, "not-ready")["detail"]
    response = client.post("/predict/svm", json={"features": []})
    assert told in assert_problem(response, 503, "model-unavailable")["detail"]


def test_only_broken_models_are_not_ready(models_dir: Path, make_app: AppFactory) -> None:
    for file in models_dir.glob("*/1/model.joblib"):
        file.unlink()

    response = make_app(models_dir).test_client().get("/health/ready")

    assert "svm version 1: model.joblib is missing" in assert_problem(response, 503, "not-ready")["detail"]


def test_the_index_is_a_page_for_browsers_and_data_for_others(client: FlaskClient) -> None:
    browser = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    other = client.get("/")

    assert browser.content_type.startswith("text/html")
    page = browser.get_data(as_text=True)
    assert "logistic_regression" in page
    assert "production = 1 " in page
    assert "default-src 'none'" in browser.headers["Content-Security-Policy"]
    assert set(other.get_json()) == {"name", "version", "links"}
    assert browser.headers["Vary"] == other.headers["Vary"] == "Accept"


@pytest.mark.parametrize("host", ["xn--a", "<script>", "a b", "ä"])
def test_no_host_breaks_the_page(shared_app: Flask, host: str) -> None:
    # Not the test client, which trips over such a host itself.
    environ = create_environ(headers={"Accept": "text/html", "Host": host})

    body, status, _ = run_wsgi_app(shared_app, environ)

    assert status in ("200 OK", "400 BAD REQUEST")
    assert b"<script>" not in b"".join(body)


def test_the_call_that_the_page_shows_works(client: FlaskClient) -> None:
    page = html.unescape(client.get("/", headers={"Accept": "text/html"}).get_data(as_text=True))

    (path, body), *_ = re.findall(r"curl http://localhost(/\S+) -d '(.*)'", page)

    assert client.post(path, data=body).status_code == 200


def test_under_a_prefix_every_link_begins_with_it(client: FlaskClient) -> None:
    under = {"base_url": "http://localhost/ml"}
    page = html.unescape(client.get("/", headers={"Accept": "text/html"}, **under).get_data(as_text=True))

    links = [*client.get("/", **under).get_json()["links"].values(), *re.findall(r'href="([^"]*)"', page)]

    assert len(links) > 15
    assert [link for link in links if not link.startswith("/ml/")] == []
    assert "curl http://localhost/ml/predict/" in page
    assert assert_problem(client.get("/x", **under), 404, "not-found")["instance"] == "/ml/x"


@pytest.mark.parametrize("path", ["//health/live", "///health/live", "//", "health/live"])
def test_a_path_that_begins_otherwise_than_with_one_slash_leads_nowhere(shared_app: Flask, path: str) -> None:
    """A proxy's rules for /health would not see it."""
    body, status, _ = run_wsgi_app(shared_app, {**create_environ(), "PATH_INFO": path})

    assert status == "404 NOT FOUND"
    assert b'"/problems/not-found"' in b"".join(body)


def test_an_empty_path_is_the_index_and_no_redirect(shared_app: Flask) -> None:
    body, status, _ = run_wsgi_app(shared_app, {**create_environ(), "PATH_INFO": ""})

    assert status == "200 OK"
    assert b'"links"' in b"".join(body)


@pytest.mark.parametrize("given", ["abc-123", "A.b_c", "x" * 64])
def test_a_sane_request_id_is_kept(client: FlaskClient, given: str) -> None:
    assert client.get("/models", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "a b", "ä", "a\tb", "<script>"])
def test_another_request_id_is_replaced(client: FlaskClient, given: str) -> None:
    got = client.get("/nothing", headers={"X-Request-ID": given}).headers["X-Request-ID"]

    assert got != given
    assert len(got) == 32


def test_every_answer_has_an_id_of_its_own(client: FlaskClient) -> None:
    ids = {client.get(path).headers["X-Request-ID"] for path in ("/", "/models", "/health/live", "/nothing")}

    assert len(ids) == 4


def test_a_defect_of_ours_tells_a_request_id_and_nothing_else(
    shared_app: object, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def defect(*_: object) -> None:
        raise RuntimeError("secret /path/of/the/server")

    monkeypatch.setattr("mlapi.resources.models.respond", defect)

    body = assert_problem(client.get("/models"), 500, "internal-error")

    assert "secret" not in str(body)
    assert "secret" in caplog.text


def test_a_request_is_one_line_without_its_body(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, "mlapi"):
        client.post("/predict/svm?include=canary", json={"features": ["canary"]})

    (record,) = caplog.records
    line = LineFormatter().format(record)
    assert "info request method=POST path=/predict/svm status=422" in line
    assert "model=svm version=1 problem=invalid-input" in line
    assert "canary" not in line


def test_a_log_line_stays_one_line() -> None:
    record = logging.makeLogRecord(
        {"msg": "request", "levelname": "INFO", "path": "/a\nfake line", "empty": ""}
    )

    line = LineFormatter().format(record)

    assert line.count("\n") == 0
    assert "path='/a\\nfake line' empty=''" in line


def test_the_api_hands_errors_to_flask_with_whatever_arguments_it_gets() -> None:
    """Flask 3.2 gives its handlers one more argument."""
    assert Api().error_router(lambda *args: args, "context", "error") == ("context", "error")


def test_what_the_server_lacks_for_now_is_told_as_that(
    shared_app: object, client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def lack(*_: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files", "/path/of/the/server")

    monkeypatch.setattr("mlapi.resources.models.respond", lack)

    response = client.get("/models")

    body = assert_problem(response, 503, "overloaded")
    assert body["detail"] == "the server lacks for now what this takes: OSError: Too many open files"
    assert "Retry-After" in response.headers
    assert "Traceback" in caplog.text


def test_the_page_opens_no_file(shared_app: Flask, client: FlaskClient) -> None:
    client.get("/models")
    opened: list[object] = []
    threads = {threading.get_ident()}

    def note(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and threading.get_ident() in threads:
            opened.append(arguments)

    sys.addaudithook(note)  # which nobody can take away again
    try:
        for accept in ("text/html", "application/json"):
            assert client.get("/", headers={"Accept": accept}).status_code == 200
    finally:
        threads.clear()

    assert opened == []

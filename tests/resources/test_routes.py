"""Every route with every method, its optional parts left out: none of that is a defect of the server's."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from mlapi.jobs.tasks import FITTED
from mlapi.server.app import create_app
from mlapi.server.pool_process import pool_of
from tests.conftest import settings_for
from tests.support.pools import serve
from tests.support.problems import assert_problem

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

WORDS = {"name": ("svm", "made-up"), "ref": ("1", "made-up"), "alias": ("made-up",), "job": ("made-up",)}
"""What stands for the parts of a path."""

FIT = b'{"X": [[1], [2], [3]], "y": [1, 2, 4], "predict": [[1]]}'
BODIES = (b"", b"{}", b"[]", b"null", FIT, b"a,b\n1,2\n")


@pytest.fixture(scope="module")
def app(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Flask:
    """Nothing can be written, so that no method changes a model."""
    settings = settings_for(trained, state_dir=tmp_path_factory.mktemp("state"), require_signature=False)
    serve(settings.state_dir, pool_of(settings))
    return create_app(settings)


@pytest.fixture(scope="module")
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


def paths(app: Flask) -> dict[str, Any]:
    """A path for each rule and each word that stands for its parts, and the rule."""
    found = {}
    for rule in app.url_map.iter_rules():
        parts = sorted(rule.arguments)
        for words in product(*(WORDS[part] for part in parts)):
            path = rule.rule
            for part, word in zip(parts, words, strict=True):
                path = path.replace(f"<{part}>", word)
            found[path] = rule
    return found


def test_no_request_for_a_route_is_a_defect(app: Flask, client: FlaskClient) -> None:
    known = paths(app)
    assert {"/fit", "/predict", "/predict/svm/1", "/models/made-up/aliases/made-up"} <= known.keys()

    for path, method in product(known, METHODS):
        for body in BODIES if method in ("POST", "PUT", "PATCH") else (b"",):
            response = client.open(path, method=method, data=body)
            assert response.status_code < 500, (method, path, body, response.text)


def test_no_route_takes_a_parameter_that_it_does_not_read(app: Flask, client: FlaskClient) -> None:
    for path, rule in paths(app).items():
        for method in rule.methods - {"OPTIONS"}:
            response = client.open(f"{path}?no-such=1", method=method, data=FIT)

            assert response.status_code == 422, (method, path)
            if method != "HEAD":
                detail = assert_problem(response, 422, "unknown-output")["detail"]
                assert detail.startswith('the query has an unknown parameter "no-such"')


@pytest.mark.parametrize(
    ("path", "way_out"),
    [
        ("/predict/svm?includes=probabilities", 'parameter "includes", did you mean "include"?'),
        ("/predict/svm/1?Top=2", 'parameter "Top", did you mean "top"?'),
        ("/predict/made-up?x=1", 'parameter "x"; known are include, top'),
        ("/health/ready?models=nope", 'parameter "models", did you mean "model"?'),
        ("/health/ready?model=svm&mode=1", 'parameter "mode", did you mean "model"?'),
        ("/models?page=2", 'parameter "page": nothing at this path takes any'),
        ("/?%1b=1&a&b&c&d", 'an unknown parameter "\\x1b": nothing at this path takes any; an unknown'),
        ("/?a&b&c&d", "(and 1 more)"),
    ],
)
def test_an_unknown_parameter_of_a_query_is_told_with_the_nearest_one(
    client: FlaskClient, path: str, way_out: str
) -> None:
    response = client.open(path, method="POST" if path.startswith("/predict") else "GET")

    assert way_out in assert_problem(response, 422, "unknown-output")["detail"]


@pytest.mark.parametrize(
    ("method", "path", "status", "way_out"),
    [
        ("GET", "/predict/svm", 405, "this path does not answer GET, but POST"),
        ("PUT", "/jobs/made-up", 405, "this path does not answer PUT, but DELETE, GET"),
        ("POST", "/predict/svm/", 404, "GET / lists what there is; no path ends with a slash"),
        ("POST", "/invocations", 404, "POST /predict/<model> takes rows, GET / lists what there is"),
        ("GET", "/invocations", 404, "there is nothing at this path; GET / lists what there is"),
    ],
)
def test_a_path_or_method_that_is_not_there_is_told_with_what_is(
    client: FlaskClient, method: str, path: str, status: int, way_out: str
) -> None:
    response = client.open(path, method=method, data=FIT)

    slug = "not-found" if status == 404 else "method-not-allowed"
    assert assert_problem(response, status, slug)["detail"].endswith(way_out)


@pytest.mark.parametrize("query", ["", "?", "?&", "?model=svm"])
def test_a_query_without_an_unknown_parameter_is_answered(client: FlaskClient, query: str) -> None:
    assert client.get(f"/health/ready{query}").status_code == 200


def test_a_fit_without_an_algorithm_lists_those_that_there_are(client: FlaskClient) -> None:
    for body in (FIT, b"", b"{}"):
        problem = assert_problem(client.post("/fit", data=body), 404, "algorithm-not-found")

        assert "no algorithm is named" in problem["detail"]
        assert all(name in problem["detail"] for name in FITTED)

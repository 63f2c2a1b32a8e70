"""Pictures over HTTP, through the client: the bodies, the answers, and what is refused."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from PIL import Image
from sklearn.datasets import load_wine
from sklearn.svm import SVC
from werkzeug.test import TestResponse

from mlapi.data.images import decoding
from mlapi.server.app import create_app
from tests.conftest import AppFactory, publish_fitted, settings_for
from tests.support.pictures import DIGIT, digits, drawn, file_of, fitted_digits, publish_pictures
from tests.support.problems import assert_problem, pointers

ROWS, LABELS = digits()
FILES = [file_of(drawn(row)) for row in ROWS[:10]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The model `digits`, and `plain`, which tells no probabilities."""
    folder = tmp_path_factory.mktemp("models")
    publish_pictures(folder, "digits", fitted_digits())
    publish_pictures(folder, "plain", SVC().fit(ROWS, LABELS))
    wine = load_wine(as_frame=True)
    publish_fitted(folder, "wine", SVC().fit(wine.data.to_numpy(), wine.target), wine.data)
    return folder


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[FlaskClient]:
    with create_app(settings_for(folder, image_model="digits")).test_client() as client:
        yield client


def encoded(file: bytes) -> str:
    return base64.b64encode(file).decode()


def form(*files: bytes, field: str = "image") -> dict[str, Any]:
    return {field: [(io.BytesIO(file), f"{number}.png") for number, file in enumerate(files)]}


def ask(client: FlaskClient, path: str = "/predict/digits", **body: Any) -> TestResponse:
    return client.post(path, **body)


TEXT = encoded(FILES[3])
NUMBERS = ROWS[3].tolist()

ONE: dict[str, dict[str, Any]] = {
    "multipart": {"data": form(FILES[3])},
    "raw": {"data": FILES[3], "content_type": "image/png"},
    "raw, named wrongly": {"data": FILES[3], "content_type": "image/jpeg"},
    "raw, as octets": {"data": FILES[3], "content_type": "application/octet-stream"},
    "raw, of no type": {"data": FILES[3]},
    "raw, as curl names it": {"data": FILES[3], "content_type": "application/x-www-form-urlencoded"},
    "instances": {"json": {"instances": [{"b64": TEXT}]}},
    "X": {"json": {"X": [{"b64": TEXT}]}},
    "features": {"json": {"features": {"b64": TEXT}}},
    "bare": {"json": {"b64": TEXT}},
    "by its name": {"json": {"instances": [{"image": {"b64": TEXT}}]}},
    "bare, by its name": {"json": {"image": {"b64": TEXT}}},
    "a data: URL": {"json": {"b64": f"data:image/png;base64,{TEXT}"}},
    "not padded": {"json": {"b64": TEXT.rstrip("=")}},
    "safe in URLs": {"json": {"b64": base64.urlsafe_b64encode(FILES[3]).decode()}},
    "numbers": {"json": {"instances": [NUMBERS]}},
    "numbers alone": {"json": {"features": NUMBERS}},
}


def again(body: dict[str, Any]) -> dict[str, Any]:
    """Forms hold files that are read once."""
    return {"data": form(FILES[3])} if isinstance(body.get("data"), dict) else body


@pytest.mark.parametrize("body", ONE.values(), ids=ONE)
def test_one_picture_is_sent_in_many_ways(client: FlaskClient, body: dict[str, Any]) -> None:
    response = ask(client, **again(body))

    assert response.status_code == 200, response.get_json()
    assert response.get_json() == {"model": "digits", "version": 1, "prediction": [3]}


@pytest.mark.parametrize("body", ONE.values(), ids=ONE)
def test_each_way_is_classified(client: FlaskClient, body: dict[str, Any]) -> None:
    answer = ask(client, "/classify", **again(body)).get_json()

    probability = answer.pop("probability")
    assert answer == {"model": "digits", "version": 1, "class": 3, "class_name": "three"}
    assert probability == pytest.approx(0.94, abs=0.01)


def test_many_pictures_are_answered_in_their_order(client: FlaskClient) -> None:
    for body in ({"data": form(*FILES)}, {"json": {"X": [{"b64": encoded(file)} for file in FILES]}}):
        assert ask(client, **body).get_json()["prediction"] == LABELS[:10].tolist()


def test_the_answer_is_the_estimators_own(client: FlaskClient) -> None:
    expected = fitted_digits().predict_proba(
        decoding.to_matrix([decoding.read(file, DIGIT) for file in FILES], DIGIT)
    )

    answer = ask(client, "/predict/digits?include=probabilities", data=form(*FILES)).get_json()

    assert answer["classes"] == list(range(10))
    np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-9)


def test_many_rows_of_pixels_are_one_matrix(client: FlaskClient) -> None:
    answer = ask(client, json={"X": ROWS.tolist()}).get_json()

    assert answer["prediction"] == fitted_digits().predict(ROWS).tolist()


def test_pixels_beyond_white_are_answered_with_a_warning(client: FlaskClient) -> None:
    answer = ask(client, json={"X": [[17, *NUMBERS[1:]]]}).get_json()

    assert answer["prediction"] == [3]
    assert [entry["pointer"] for entry in answer["warnings"]] == ["/X/0/0"]


@pytest.mark.parametrize("top", [1, 3, 10, 99])
def test_the_likeliest_classes_are_told_on_request(client: FlaskClient, top: int) -> None:
    path = f"/predict/digits?top={top}&include=probabilities"

    answer = ask(client, path, data=form(*FILES[:4])).get_json()

    for row, probabilities in zip(answer["top"], answer["probabilities"], strict=True):
        assert len(row) == min(top, 10)
        assert [entry["probability"] for entry in row] == sorted(probabilities, reverse=True)[:top]
        assert all(probabilities[entry["class"]] == entry["probability"] for entry in row)


def test_top_alone_tells_no_other_probabilities(client: FlaskClient) -> None:
    assert set(ask(client, "/predict/digits?top=2", data=FILES[0]).get_json()) == {
        *("model", "version", "prediction", "top")
    }


@pytest.mark.parametrize("top", ["0", "-1", "x", "1.5", "", "9" * 5000, "²"])
def test_a_top_that_is_no_number_from_1_is_refused(client: FlaskClient, top: str) -> None:
    response = client.post("/predict/digits", query_string={"top": top}, data=FILES[0])

    assert "whole number from 1" in assert_problem(response, 422, "unknown-output")["detail"]


def test_a_model_without_probabilities_has_no_likeliest_classes(client: FlaskClient) -> None:
    response = ask(client, "/predict/plain?top=1", data=FILES[0])

    assert "can include decision" in assert_problem(response, 422, "unknown-output")["detail"]


def test_any_model_with_probabilities_tells_the_likeliest_classes(trained: Path) -> None:
    client = create_app(settings_for(trained)).test_client()
    rows = {"X": load_wine().data[:2].tolist()}

    (first, _) = client.post("/predict/svm?top=2", json=rows).get_json()["top"]

    assert len(first) == 2
    assert first[0]["probability"] >= first[1]["probability"]


@pytest.mark.parametrize(
    ("file", "status", "slug", "words"),
    [
        (b"hello", 400, "malformed-body", "not a picture; can read PNG"),
        (FILES[0][:60], 400, "malformed-body", "damaged or cut off"),
        (b"<svg/>", 415, "unsupported-format", "SVG"),
        (b"<!doctype html><title>Not found</title>", 415, "unsupported-format", "HTML"),
        (file_of(Image.new("1", (10_000, 10_000))), 413, "too-large", "at most 50,000,000"),
    ],
    ids=["text", "cut off", "svg", "html", "bomb"],
)
def test_one_picture_is_refused_with_the_status_of_its_problem(
    client: FlaskClient, file: bytes, status: int, slug: str, words: str
) -> None:
    for path in ("/predict/digits", "/classify"):
        for body in ({"data": file, "content_type": "image/jpeg"}, {"data": form(file)}):
            assert words in assert_problem(ask(client, path, **body), status, slug)["detail"]


BOMB = file_of(Image.new("1", (10_000, 10_000)))


@pytest.mark.parametrize(
    "body",
    [
        {"json": {"b64": encoded(BOMB)}},
        {"json": {"features": {"b64": encoded(BOMB)}}},
        {"json": {"X": [{"b64": TEXT}, {"b64": "&"}, {"b64": encoded(BOMB)}]}},
        {"files": (FILES[0], b"hello", BOMB)},
    ],
    ids=["bare", "features", "X", "form"],
)
def test_too_many_pixels_are_too_large_wherever_they_stand(client: FlaskClient, body: dict[str, Any]) -> None:
    given = {"data": form(*body["files"])} if "files" in body else body

    assert "at most 50,000,000" in assert_problem(ask(client, **given), 413, "too-large")["detail"]


def test_a_form_that_is_broken_is_so_in_any_size(client: FlaskClient) -> None:
    for size in (1_000, 200_000):
        data = b'--a\r\nContent-Disposition: form-data; name="image"; filename="a"\r\n\r\n' + bytes(size)
        response = ask(client, data=data, content_type="multipart/form-data; boundary=b")
        assert_problem(response, 400, "malformed-body")


def test_of_several_pictures_each_wrong_one_is_named(client: FlaskClient) -> None:
    response = ask(client, data=form(FILES[0], b"hello", FILES[1], FILES[2][:60], b"<svg/>"))

    body = assert_problem(response, 422, "invalid-input")
    assert pointers(body) == ["/image/1", "/image/3", "/image/4"]
    assert "SVG" in body["errors"][2]["detail"]


@pytest.mark.parametrize(
    ("body", "wrong"),
    [
        ({"instances": [{"b64": TEXT}, {"b64": "&"}, {"b64": 5}]}, ["/instances/1/b64", "/instances/2/b64"]),
        ({"instances": [{"b64": TEXT}, {"b65": TEXT}]}, ["/instances/1/b65"]),
        ({"instances": [{"image": TEXT}]}, ["/instances/0/image"]),
        ({"instances": [{"b64": TEXT, "image": {"b64": TEXT}}]}, ["/instances/0"]),
        ({"instances": [TEXT]}, ["/instances/0"]),
        ({"instances": [{"b64": TEXT}, NUMBERS]}, ["/instances/1"]),
        ({"instances": [NUMBERS[:-1]]}, ["/instances/0"]),
        ({"instances": [[*NUMBERS[:-1], "x"]]}, ["/instances/0/63"]),
        ({"instances": []}, ["/instances"]),
        ({"features": {"image": {"b64": "data:image/png,abc"}}}, ["/features/image/b64"]),
        ({"features": {}}, ["/features"]),
        ({"b64": encoded(b"hello")}, ["/b64"]),
        ({"b64": encoded(b"<svg/>")}, ["/b64"]),
        ({"b64": ""}, ["/b64"]),
        ({"b64": "é"}, ["/b64"]),
        ({"b64": None}, ["/b64"]),
        ({}, [""]),
    ],
)
def test_json_without_pictures_is_refused_with_places(
    client: FlaskClient, body: Any, wrong: list[str]
) -> None:
    found = assert_problem(ask(client, json=body), 422, "invalid-input")

    assert sorted(pointers(found)) == sorted(wrong)


def test_twenty_wrong_pictures_are_shown_and_all_counted(client: FlaskClient) -> None:
    for body in ({"json": {"X": [{"b64": "&"}] * 50}}, {"data": form(*[b"hello"] * 50)}):
        found = assert_problem(ask(client, **body), 422, "invalid-input")
        assert (len(found["errors"]), found["error_count"]) == (20, 50)


@pytest.mark.parametrize(
    ("data", "wrong", "words"),
    [
        ({"picture": (io.BytesIO(FILES[0]), "a.png")}, ["/picture"], "curl -F image=@picture.png"),
        ({"image": (io.BytesIO(b""), "a.png")}, ["/image/0"], "empty"),
        ({"image": "a.png", "a": (io.BytesIO(b"x"), "x")}, ["/image/0", "/a"], "with an @"),
        ({"": (io.BytesIO(b"x"), "x")}, ["/"], "unknown field"),
    ],
)
def test_a_wrong_form_is_refused_with_the_right_call(
    client: FlaskClient, data: Any, wrong: list[str], words: str
) -> None:
    found = assert_problem(ask(client, data=data), 422, "invalid-input")

    assert sorted(pointers(found)) == sorted(wrong)
    assert any(words in error["detail"] for error in found["errors"])


def test_a_form_without_parts_is_refused_with_the_right_call(client: FlaskClient) -> None:
    response = ask(client, data=b"--x--\r\n", content_type="multipart/form-data; boundary=x")

    assert "curl -F image=@picture.png" in assert_problem(response, 422, "invalid-input")["detail"]


@pytest.mark.parametrize("count", [65, 500])
def test_more_pictures_than_allowed_are_refused(client: FlaskClient, count: int) -> None:
    for body in ({"data": form(*[FILES[0]] * count)}, {"json": {"X": [{"b64": TEXT}] * count}}):
        assert "64" in assert_problem(ask(client, **body), 413, "too-large")["detail"]


def test_as_many_pictures_as_allowed_are_answered(client: FlaskClient) -> None:
    assert len(ask(client, data=form(*[FILES[0]] * 64)).get_json()["prediction"]) == 64


def test_the_pixels_of_a_request_are_bounded_in_all(folder: Path, make_app: AppFactory) -> None:
    client = make_app(folder, max_pixels=10_000).test_client()
    file = file_of(Image.new("L", (100, 90)))

    response = client.post("/predict/digits", data=form(file, file, file))

    assert "27,000 pixels" in assert_problem(response, 413, "too-large")["detail"]
    assert client.post("/predict/digits", data=form(file, file)).status_code == 200


def test_classify_takes_one_picture(client: FlaskClient) -> None:
    for body in ({"data": form(*FILES[:2])}, {"json": {"X": [{"b64": TEXT}] * 2}}):
        found = assert_problem(ask(client, "/classify", **body), 422, "invalid-input")
        assert "expected one picture, got 2" in found["detail"]


def test_classify_of_a_model_without_probabilities_tells_none(folder: Path, make_app: AppFactory) -> None:
    client = make_app(folder, image_model="plain").test_client()

    answer = client.post("/classify", data=FILES[3]).get_json()

    assert (answer["class_name"], answer["probability"]) == ("three", None)


@pytest.mark.parametrize(("name", "words"), [("wine", "image_model"), ("none", "digits, plain, wine")])
def test_classify_needs_a_model_of_pictures(
    folder: Path, make_app: AppFactory, name: str, words: str
) -> None:
    client = make_app(folder, image_model=name).test_client()

    response = client.post("/classify", data=FILES[3])

    assert words in assert_problem(response, 404, "model-not-found")["detail"]


def test_a_model_of_rows_takes_no_picture(client: FlaskClient) -> None:
    for body in ({"data": FILES[0], "content_type": "image/png"}, {"data": form(FILES[0])}):
        response = ask(client, "/predict/wine", **body)
        assert_problem(response, 415, "unsupported-format")
        assert response.headers["Accept"] == "application/json"


def test_another_format_is_refused_with_all_that_can_be_read(client: FlaskClient) -> None:
    response = ask(client, data=b"a,b\n1,2", content_type="application/x-unknown")

    assert_problem(response, 415, "unsupported-format")
    assert response.headers["Accept"].startswith("application/json, multipart/form-data, image/png")


def test_an_empty_body_cannot_be_read(client: FlaskClient) -> None:
    for content_type in ("image/png", "application/json", "application/octet-stream", None):
        assert_problem(ask(client, data=b"", content_type=content_type), 400, "malformed-body")


def test_the_index_shows_how_to_send_a_picture(client: FlaskClient) -> None:
    page = client.get("/", headers={"Accept": "text/html"}).get_data(as_text=True)

    assert "curl http://localhost/predict/digits -F image=@picture.png" in page
    assert client.get("/").get_json()["links"]["classify"] == "/classify"

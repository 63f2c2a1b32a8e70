"""What every error answer of the service has in common."""

from typing import Any

from werkzeug.test import TestResponse


def assert_problem(response: TestResponse, status: int, slug: str) -> dict[str, Any]:
    """The answer is this problem, complete and without anything of the server's inside; its body."""
    body: dict[str, Any] = response.get_json(force=True)
    assert (response.status_code, body["type"]) == (status, f"/problems/{slug}"), body
    assert response.content_type == "application/problem+json"
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    assert body["instance"].startswith("/")
    assert body["request_id"] == response.headers["X-Request-ID"]
    text = response.get_data(as_text=True)
    assert "Traceback" not in text
    assert "/site-packages/" not in text
    assert "/tmp/" not in text
    for error in body.get("errors", []):
        assert set(error) == {"pointer", "detail"}
    assert len(body.get("errors", [])) <= 20
    return body


def pointers(body: dict[str, Any]) -> list[str]:
    return [error["pointer"] for error in body["errors"]]

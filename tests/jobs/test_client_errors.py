"""What clients are told for the pool's own errors: the problem of a fit or a job."""

from pathlib import Path

import pytest

from mlapi.errors import Conflict, MlapiError
from mlapi.jobs.client_errors import client_error, raised_for_clients
from mlapi.jobs.pool import client as client_of_the_pool
from mlapi.jobs.pool.errors import (
    PoolError,
    PoolUnavailable,
    QueueFull,
    TaskOutOfMemory,
    TaskProcessEnded,
    TaskTimedOut,
    document_of,
)
from mlapi.server.app import create_app
from mlapi.settings import Settings
from tests.support.problems import assert_problem

UNFITTABLE = ("unfittable", "These rows cannot be fitted so", 422, {})
BUSY = ("fits-busy", "Too many fits at once", 503, {"Retry-After": "10"})
ABSENT = ("no-pool", "Nothing can be fitted now", 503, {"Retry-After": "10"})
NO_POOL = "the process that fits is not there, or ended; it is started again at once"


@pytest.mark.parametrize(
    ("error", "expected", "detail"),
    [
        (TaskTimedOut("longer than 1 s"), UNFITTABLE, "longer than 1 s"),
        (TaskOutOfMemory("more than 64 MB"), UNFITTABLE, "more than 64 MB"),
        (TaskProcessEnded("by signal 9"), UNFITTABLE, "by signal 9"),
        (QueueFull("2 of them wait"), BUSY, "2 of them wait"),
        (PoolUnavailable("nobody listens"), ABSENT, NO_POOL),
    ],
)
def test_a_client_hears_of_its_fit_and_not_of_a_pool(
    error: PoolError, expected: tuple[str, str, int, dict[str, str]], detail: str
) -> None:
    document = document_of(client_error(error))

    assert tuple(document[name] for name in ("slug", "title", "status", "headers")) == expected
    assert document["detail"] == detail
    with pytest.raises(type(client_error(error))), raised_for_clients():
        raise error


def test_none_of_the_pools_errors_is_forgotten() -> None:
    for kind in PoolError.__subclasses__():
        assert client_error(kind("")).status != 500


def test_other_errors_pass_as_they_are() -> None:
    error: MlapiError = Conflict("no")

    assert client_error(error) is error
    with pytest.raises(Conflict), raised_for_clients():
        raise error


def test_where_no_pool_answers_fits_and_jobs_say_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_of_the_pool, "RESTART_S", 0.1)
    settings = Settings(
        models_dir=tmp_path / "models", state_dir=tmp_path / "state", allow_writes=True, job_workers=1
    )
    settings.state_dir.mkdir()
    with create_app(settings).test_client() as client:
        for path in ("/fit/svm", "/models/a/versions"):
            problem = assert_problem(client.post(path, json={}), 503, "no-pool")
            assert (problem["title"], problem["detail"]) == (ABSENT[1], NO_POOL)

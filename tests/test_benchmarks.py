"""The benchmark's parts: the others answer as scikit-learn does, figures are right, nothing is left."""

import importlib
import io
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from flask.testing import FlaskClient
from rich.console import Console

from benchmarks import picture, report
from benchmarks.alone import Alone, Round, smallest_share
from benchmarks.measurement import Load, Turn, Wrong, check, load, wait
from benchmarks.models import Models, make_models
from benchmarks.process import Process
from benchmarks.results import document
from benchmarks.servers import FLOOR, OURS, SERVERS, TUTORIAL, started
from benchmarks.tables import drawn, penguins
from benchmarks.work import RECORD, ROW, SVM_ROW, THOUSAND, WORKS, Question, questions, write_requests
from tests.conftest import ROOT
from tests.support.server import is_running
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts in /proc: Linux only")

needs_wrk = pytest.mark.skipif(
    shutil.which("wrk") is None, reason="wrk is not installed: apt-get install wrk"
)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("benchmark")
    drawn(np.random.default_rng(0)).to_csv(folder / "drawn.csv", index=False)
    return make_models(folder, folder / "drawn.csv")


@pytest.fixture(scope="module")
def tutorial(models: Models) -> Iterator[FlaskClient]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ESTIMATORS", str(models.estimators))
        yield importlib.import_module("benchmarks.tutorial_app").app.test_client()


@pytest.fixture(scope="module")
def floor(models: Models) -> Iterator[Process]:
    """The empty view, answering."""
    with started(SERVERS[FLOOR], models) as process:
        wait(process, asked(FLOOR, ROW, models)[:1], is_floor=True)
        yield process


def asked(server: str, work: str, models: Models) -> list[Question]:
    return questions(WORKS[work], SERVERS[server].path(WORKS[work]), models)


@pytest.mark.parametrize("work", [ROW, RECORD, THOUSAND, SVM_ROW])
def test_the_tutorials_app_gives_scikit_learns_labels(
    tutorial: FlaskClient, models: Models, work: str
) -> None:
    for question in asked(TUTORIAL, work, models):
        answer = tutorial.post(question.path, data=question.body, content_type="application/json")

        assert answer.get_json() == {"prediction": question.labels}


@pytest.mark.parametrize("name", ["fastapi-async", "fastapi-threads"])
def test_fastapi_gives_scikit_learns_labels(models: Models, name: str) -> None:
    pytest.importorskip("fastapi", reason="FastAPI comes with `make bench`")

    with started(SERVERS[name], models) as process:
        start_s = wait(process, [asked(name, work, models)[0] for work in (ROW, RECORD, THOUSAND, SVM_ROW)])

    assert start_s > 0  # `wait` raises for any other answer than scikit-learn's


def test_records_have_words_numbers_and_blanks(models: Models) -> None:
    cells = [type(cell) for record in models.asked["penguins"] for cell in record.values()]

    assert set(cells) == {str, float, type(None)}
    assert set(models.labels["penguins"]) == {"Adelie", "Chinstrap", "Gentoo"}


def test_a_table_is_drawn_where_the_penguins_are_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.tables.SHARED", ROOT / "nowhere.csv")

    table, source = penguins(None)

    assert source == "drawn"
    assert table.shape == (344, 7)
    assert table.isna().sum().tolist() == [0, 0, 2, 2, 2, 2, 11]


def test_the_processes_of_a_server_are_counted_and_ended(models: Models) -> None:
    with suppress(KeyboardInterrupt), started(SERVERS[FLOOR], models) as process:
        wait(process, asked(FLOOR, ROW, models)[:1], is_floor=True)
        spent, memory = process.cpu_s(), process.memory_mib()
        raise KeyboardInterrupt  # as Ctrl-C does

    assert len(spent) >= 2, "the first process and one worker or both"
    assert sum(spent.values()) > 0.05
    assert memory > 10
    assert process.has_ended
    until(lambda: not any(map(is_running, spent)))


def test_a_server_that_does_not_start_is_shown_with_its_log(models: Models, tmp_path: Path) -> None:
    with started(SERVERS[TUTORIAL], Models(tmp_path, "", {}, {})) as process, pytest.raises(Wrong) as error:
        wait(process, asked(TUTORIAL, ROW, models)[:1])

    assert "numbers.joblib" in str(error.value)


def test_a_wrong_answer_ends_the_run(floor: Process, models: Models) -> None:
    with pytest.raises(Wrong, match=r'/predict/numbers answered 200 .*"prediction":\[0\]'):
        check(floor, asked(OURS, THOUSAND, models))


@needs_wrk
def test_load_is_measured(floor: Process, models: Models, tmp_path: Path) -> None:
    requests = write_requests(tmp_path / "requests", asked(FLOOR, RECORD, models))

    found = load(floor, requests, 4, 1)

    assert found.requests == pytest.approx(found.per_second * found.seconds)
    assert 0 < found.p50_ms <= found.p99_ms
    assert 20 < found.cpu_us < 20_000
    assert 0 <= found.others <= 1


@needs_wrk
def test_a_refused_request_ends_the_run(floor: Process, models: Models, tmp_path: Path) -> None:
    requests = write_requests(tmp_path / "requests", [Question("/nowhere", b"{}", [])])

    with pytest.raises(Wrong, match="requests failed"):
        load(floor, requests, 1, 1)


@needs_wrk
def test_the_share_of_the_lesser_worker_is_at_most_a_half(models: Models) -> None:
    assert 0 <= smallest_share(models) <= 0.5


def results() -> dict[str, Any]:
    """Three rounds in which a server's figures are 100, 101 and 102 times its own factor."""
    factors = {
        name: 2.0**place for place, name in enumerate(SERVERS)
    }  # ours 1, the floor 4, the tutorials' 8
    turns = [
        Turn(name, start_s=10 * factor, memory_mib=50 * factor, work=dict.fromkeys(WORKS, cost))
        for name, factor in factors.items()
        for more in range(3)
        for cost in [Load(99, 1.0, factor, 2 * factor, 1000 / factor, (100 + more) * factor, 0.0)]
    ]
    one, hundred = (Load(99, 1.0, p50, 1.0, 1.0, 1.0, 0.0) for p50 in (0.5, 0.6))
    alone = Alone([Round(one, hundred, {"orjson": 0.2, "pysimdjson": 0.1})], [0.5, 0.02])
    facts = {"rounds": 3, "seconds": 1, "penguins": "drawn", "machine": {"cores": 2}}
    return document(turns, alone, facts)


def test_figures_are_medians_and_their_ratios() -> None:
    found = results()

    assert found["medians"][OURS][ROW]["cpu_us"] == 101
    assert found["medians"][TUTORIAL]["server"] == {"start_s": 80, "memory_mib": 400}
    assert found["ratios"][FLOOR][OURS][ROW]["cpu_us"] == pytest.approx(0.25)
    assert found["ratios"][TUTORIAL][OURS]["server"]["memory_mib"] == pytest.approx(0.125)
    assert len(found["turns"]) == 3 * len(SERVERS)
    assert json.loads(json.dumps(found)) == found


def test_goals_are_reached_or_not() -> None:
    goals = {goal["goal"]: (goal["ratio"], goal["reached"]) for goal in results()["goals"]}

    assert goals["one row: CPU, of an empty Flask view"] == (0.25, True)
    assert goals["16 connections: time a request, of the best other"] == (0.125, True)
    assert goals["a hundred models: p50, of one model"] == (pytest.approx(1.2), False)
    assert goals["10,000 rows: CPU, of the parser alone"] == (pytest.approx(1.01), True)
    assert goals["starts with an idle worker, of 2"] == (1, False)


def test_the_report_shows_every_server_work_and_goal() -> None:
    found = results()
    terminal = io.StringIO()

    report.show(found, Console(width=80, file=terminal))

    shown = " ".join(terminal.getvalue().split())
    for word in (
        *SERVERS,
        *(work.title for work in WORKS.values()),
        *(goal["goal"] for goal in found["goals"]),
    ):
        assert word in shown
    assert "101 0.25/0.12" in shown
    assert "…" not in shown, "it fits into 80 columns"


def test_the_picture_is_small_and_the_same_for_the_same_figures() -> None:
    drawing = picture.draw(results())

    root = ElementTree.fromstring(drawing)
    words = "".join(root.itertext())
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert all(server.title in words for server in SERVERS.values())
    assert "101 µs (×0.12)" in words
    assert len(drawing) < 100_000
    assert picture.draw(results()) == drawing


def test_the_readme_says_what_was_measured() -> None:
    kept = ROOT / "benchmarks" / "results.json"

    assert report.sentence(json.loads(kept.read_text())) in (ROOT / "README.md").read_text().replace(
        "\n", " "
    )

"""What a terminal is shown of words from outside: as they are, but nothing that it would obey."""

import csv
import logging
import os
import pty
import re
import sys
import zipfile
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console

from mlapi.cli import main, terminal
from mlapi.errors import MlapiError
from mlapi.http.telemetry import LineFormatter
from mlapi.jobs.jobs import Jobs, Submission
from mlapi.wording import listed, printable
from tests.conftest import Run
from tests.training.tables.test_hostile_files import end_of, zipped

EVIL = "\x1b]0;pwned\x07\x1b[31m[red]\x9b2J\u202eevil\u2066\x7f\b\r"
"""A title for the window, colors, markup, a cleared screen, and marks that turn the direction."""

OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")

SHOWN = r"\x1b]0;pwned\x07\x1b[31m[red]\x9b2J\u202eevil\u2066\x7f\x08\r"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("MLAPI_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def assert_obeys_nothing(text: str) -> None:
    assert not OBEYED.search(text), ascii(text)


def test_what_a_terminal_would_obey_is_an_escape_and_other_scripts_stay() -> None:
    assert printable(EVIL) == SHOWN
    assert (
        printable("a\tb\nÄ \u0645\u06cc\u200c\u062e 👩\u200d🔬")
        == "a\tb\nÄ \u0645\u06cc\u200c\u062e 👩\u200d🔬"
    )
    assert printable("\ud800") == r"\ud800"


def test_names_that_are_listed_are_short_and_on_one_line() -> None:
    found = listed(["a\nWarning: b", "c" * 60_000, EVIL])

    assert "\n" not in found
    assert len(found) < 250
    assert_obeys_nothing(found)


@pytest.mark.parametrize("how", [{}, {"soft_wrap": True}])
def test_lines_tables_and_bars_show_words_as_they_are(how: dict[str, bool]) -> None:
    console = terminal.Terminal(width=200, force_terminal=False)
    rows = terminal.table("model", EVIL)
    rows.add_row("[bold]a[/bold]", EVIL)

    with console.capture() as captured:
        console.print(EVIL, **how)
        console.print(rows)
    shown = captured.get()

    assert shown.count(SHOWN) == 3
    assert "[bold]a[/bold]" in shown
    assert_obeys_nothing(shown)


def test_a_bar_shows_words_as_they_are() -> None:
    console = Console(width=200, force_terminal=False)
    bar = terminal.bar()
    bar.add_task(f"[red]{EVIL}", total=1.0)

    with console.capture() as captured:
        console.print(bar.make_tasks_table(bar.tasks))

    assert f"[red]{SHOWN}" in captured.get()


def test_column_names_categories_and_file_names_are_shown_by_training(folder: Path, run: Run) -> None:
    pd.DataFrame(
        {f"a{EVIL}": [f"x{EVIL}", "y", "z", "y"] * 10, "b": range(40, 80), "y": [f"u{EVIL}", "v"] * 20}
    ).to_csv(folder / f"t{EVIL.replace('/', '')}.csv", index=False, quoting=csv.QUOTE_ALL)
    file = next(folder.glob("*.csv"))

    table = ("--data", file.name, "--delimiter", ",")
    done = run("train", *table, "--target", "y", "--name", "m", "--algorithm", "decision_tree")

    assert_obeys_nothing(done.output)
    assert "[red]" in done.stdout
    for command in ("models", "verify", "settings"):
        assert_obeys_nothing(run(command).output)
    shown = run("train", *table, "--target", f"c{EVIL}", status=1)
    assert_obeys_nothing(shown.output)


def test_what_a_job_was_sent_is_shown_by_its_commands(folder: Path, run: Run) -> None:
    members = {f"{EVIL}.csv": b"a", "b" * 60_000: b"b"}
    end = end_of(folder / "job", zipped(members))
    jobs = Jobs(folder / "state")
    order = Submission("m", {"target": EVIL}, "data.csv", b"a", EVIL)
    jobs.submit(order, most=9, most_of_caller=9)
    job = jobs.claim()
    assert job is not None
    jobs.end(job.id, "failed", f"{end['detail']} {EVIL}", problem=end)

    assert len(end["detail"]) < 500
    shown = run("jobs")
    assert_obeys_nothing(shown.output)
    assert "[red]" in shown.stdout
    assert_obeys_nothing(run("jobs", "watch", job.id, status=1).output)
    assert_obeys_nothing(run("jobs", "watch", EVIL, status=1).output)


def test_folders_of_pictures_are_shown_by_training(folder: Path, run: Run) -> None:
    archive = folder / "pictures.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        opened.writestr(f"a{EVIL}/{EVIL}.png", b"no picture")
        opened.writestr(f"b{EVIL}/1.png", b"no picture")

    assert_obeys_nothing(run("train", "--images", "pictures.zip", status=1).output)


def test_an_error_is_one_line_that_is_obeyed_by_nobody(folder: Path) -> None:
    for words in (["predict", EVIL, "a.csv"], ["promote", EVIL, "1"], [EVIL], ["train", f"--{EVIL}"]):
        done = CliRunner().invoke(main.main, words)

        assert done.exit_code in (1, 2)
        assert_obeys_nothing(done.output)


def test_data_is_written_as_it_is_and_printable_on_a_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    terminal.write(EVIL)
    assert capfd.readouterr().out == EVIL

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w") as screen, pytest.MonkeyPatch.context() as patched:
        patched.setattr(sys, "stdout", screen)
        terminal.write(f"{EVIL}\n".encode())
    shown = os.read(ours, 1000).decode()
    os.close(ours)

    assert shown.strip() == SHOWN


def test_nothing_is_printed_but_through_one_door() -> None:
    rooms = [file for file in Path(main.__file__).parent.rglob("*.py") if file.name != "terminal.py"]
    doors = re.compile(r"click\.s?echo\(|(?<![.\w])print\(|Console\(|TextColumn\(|sys\.std(out|err)\.write")

    assert rooms
    assert not [file.name for file in rooms if doors.search(file.read_text())]


def test_a_line_of_the_log_holds_no_escape_sequence() -> None:
    try:
        raise MlapiError(EVIL)
    except MlapiError:
        record = logging.getLogger().makeRecord(
            "mlapi", logging.ERROR, "x", 1, f"a task {EVIL}", (), sys.exc_info(), extra={"path": EVIL}
        )

    assert_obeys_nothing(LineFormatter().format(record))

"""The form that asks for a training job: what it says of its file reaches whoever reads that."""

from pathlib import Path

import pytest

from mlapi.data.limits import TableLimits
from mlapi.errors import InvalidInput, Unfittable
from mlapi.jobs.pool.messages import Message
from mlapi.jobs.submission import parse
from mlapi.settings import Settings
from mlapi.training.workflows.job import perform

LIMITS = TableLimits(rows=100, columns=10, classes=10)


def form(**fields: str) -> tuple[str, bytes]:
    """A media type, and a body with a file and these fields."""
    names = ('name="file"; filename="a.csv"', *(f'name="{name}"' for name in fields))
    parts = [
        f"--x\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n"
        for name, text in zip(names, ("a;b\n1;2\n", *fields.values()), strict=True)
    ]
    return "multipart/form-data; boundary=x", ("".join(parts) + "--x--\r\n").encode()


def test_how_the_file_is_written_is_part_of_the_recipe() -> None:
    body = form(target="b", encoding="gbk", delimiter=";", skip_lines="2", thousands="")

    assert parse(*body, LIMITS).recipe == {
        "target": "b",
        "encoding": "gbk",
        "delimiter": ";",
        "skip_lines": 2,
    }


@pytest.mark.parametrize(
    ("name", "text", "detail"),
    [
        ("encoding", "klingon", 'there is no encoding "klingon"'),
        ("delimiter", "||", 'the delimiter is one character, not "||"'),
        ("skip_lines", "two", "expected a number of lines"),
        ("skip_lines", "-1", "0 to 1,000 lines can be skipped, not -1"),
        ("quote", "x", "unknown field"),
    ],
)
def test_what_no_file_is_written_in_is_refused_with_its_field(name: str, text: str, detail: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        parse(*form(target="b", **{name: text}), LIMITS)

    assert [(finding.pointer, finding.detail) for finding in refusal.value.findings] == [(f"/{name}", detail)]


def test_a_job_reads_its_file_as_the_recipe_says_and_names_the_line(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("Title\na,b\n1,2\n")
    recipe = {"target": "b", "skip_lines": 0}
    head = {
        "id": "1",
        "model": "m",
        "recipe": recipe,
        "source": "a.csv",
        "caller": "c",
        "folder": str(tmp_path),
    }
    settings = Settings(models_dir=tmp_path / "models", state_dir=tmp_path / "state")

    with pytest.raises(Unfittable, match=r"^a.csv: line 2 has 2 cells where the header has 1"):
        perform(settings, Message(head), lambda _: None)

"""A table in, a served model out: through the command, and then through HTTP."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner, Result
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from mlapi.artifacts.folder import read_manifest
from mlapi.artifacts.manifest import Manifest
from mlapi.cli.main import main
from mlapi.server.app import create_app
from mlapi.training.preparation.preparation import prepare
from mlapi.training.recipes import make_recipe
from mlapi.training.workflows import sources
from mlapi.training.workflows.train import train
from tests.conftest import ROOT, changes_in, settings_for, trusting

SHARED = ROOT.parent / "shared" / "data"
QUICK = {"algorithm": "logistic_regression", "budget": 0}
RANDOM = np.random.default_rng(0)
ROWS = 60


def table(**columns: Any) -> pd.DataFrame:
    """Some numbers and words with a target that depends on the numbers."""
    number = np.random.default_rng(1).normal(size=ROWS).round(3)
    words = ["red", "green", "blue"] * (ROWS // 3)
    answer = np.where(number > 0, "yes", "no")
    return pd.DataFrame({"number": number, "word": words, "y": answer} | columns)


MIXED = table(
    count=[None, *RANDOM.integers(0, 50, ROWS - 1).tolist()],
    share=[f"{percent}%" for percent in RANDOM.integers(0, 99, ROWS)],
    flag=[None, True, False] * 20,
    zip=[f"{code:05}" for code in RANDOM.integers(100, 110, ROWS)],
    day=[*pd.date_range("2023-01-30", periods=ROWS - 1, freq="9D").strftime("%d.%m.%Y"), None],
    time=pd.date_range("1960-01-30", periods=ROWS, freq="777h").strftime("%Y-%m-%dT%H:%M:%S+02:00"),
    note=[None if row % 3 else f"it was {row} times a good day in {row % 7}" for row in range(ROWS)],
    constant=1,
    id=range(ROWS),
    empty=None,
)


def run(frame: pd.DataFrame | bytes, *options: str, name: str = "data.csv") -> Result:
    """`mlapi train` in a folder of its own; `models` is there afterwards."""
    content = frame if isinstance(frame, bytes) else frame.to_csv(index=False).encode()
    Path(name).write_bytes(content)
    arguments = ["train", "--data", name, "--target", "y", "--budget", "0", *options]
    if "--algorithm" not in options:
        arguments += ["--algorithm", "logistic_regression"]
    return CliRunner(catch_exceptions=False).invoke(main, arguments)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLAPI_MODELS_DIR", str(tmp_path / "models"))
    return tmp_path


def manifest_of(folder: Path, name: str = "y") -> Manifest:
    return read_manifest(folder / "models" / name / "1", trusting())


# Serving: a record with the file's own words gets what the pipeline says.


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows as a client has them that reads the same file: numbers, flags and words; blanks are null."""
    return [
        {str(name): _cell(value) for name, value in row.items()}
        for row in frame.astype(object).to_dict("records")
    ]


def _cell(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, str) and value.endswith("%"):
        return float(value[:-1])  # a number in quotes is none: the unit is the client's business
    return value.item() if isinstance(value, np.generic) else value


class Served:
    """A table that is trained and published, and the pipeline as it lies in the artifact."""

    def __init__(self, folder: Path, frame: pd.DataFrame | None = None, **given: Any) -> None:
        recipe = make_recipe("y", {**QUICK, "target": "y", **given})
        self.manifest = train(recipe, changes_in(folder), table=frame).manifest
        self.pipeline = joblib.load(folder / "y" / "1" / "model.joblib")
        self.prepared = prepare(recipe, sources.load(recipe, frame))
        self.client = create_app(settings_for(folder)).test_client()

    def post(self, rows: list[Any]) -> dict[str, Any]:
        response = self.client.post("/predict/y?include=probabilities", json={"instances": rows})
        assert response.status_code == 200, response.get_json()
        return dict(response.get_json())

    def assert_same(self, rows: list[dict[str, Any]]) -> None:
        """Every row that has a target, whichever side of the split it was on."""
        for part in (self.prepared.train, self.prepared.test):
            given = self.prepared.pipeline_input(part)
            answer = self.post([rows[position] for position in part.frame.index])
            assert answer["prediction"] == self.pipeline.predict(given).tolist()
            expected = self.pipeline.predict_proba(given)
            np.testing.assert_allclose(answer["probabilities"], expected, rtol=1e-9, atol=1e-12)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Served:
    return Served(tmp_path_factory.mktemp("mixed"), MIXED)


def test_each_row_of_a_mixed_table_gets_what_the_pipeline_predicts(mixed: Served) -> None:
    kinds = {feature.name: feature.kind for feature in mixed.manifest.signature.features}

    assert kinds == {
        **{"number": "number", "word": "category", "count": "integer", "share": "number", "flag": "boolean"},
        **{"zip": "category", "day": "datetime", "time": "datetime", "note": "text"},
    }
    assert mixed.manifest.signature.ignored == ("constant", "id", "empty", "y")
    mixed.assert_same(records(MIXED))


def test_a_row_alone_gets_what_it_gets_among_others(mixed: Served) -> None:
    rows = records(MIXED[:12])
    together = mixed.post(rows)

    alone = [mixed.post([row]) for row in rows]

    assert [answer["prediction"][0] for answer in alone] == together["prediction"]
    np.testing.assert_allclose(
        [answer["probabilities"][0] for answer in alone], together["probabilities"], rtol=1e-9
    )


def test_blanks_and_words_that_training_never_saw_are_answered(mixed: Served) -> None:
    strange = {"number": 0.5, "word": "purple", "zip": "99999", "time": "2050-01-01", "share": 1e6}

    answer = mixed.post([strange])  # what is nullable may be left out

    assert answer["prediction"][0] in ("yes", "no")
    told = " ".join(warning["pointer"] for warning in answer["warnings"])
    assert all(name in told for name in ("word", "zip", "share"))


def test_columns_that_were_left_out_count_for_nothing_and_others_are_refused(mixed: Served) -> None:
    row = records(MIXED[:1])[0]
    other = {**row, "y": "whatever", "id": None, "constant": "x", "empty": [1]}

    assert mixed.post([row]) == mixed.post([other])
    refused = mixed.client.post("/predict/y", json={"instances": [{**row, "wrd": "red"}]})
    assert refused.status_code == 422
    assert "word" in refused.get_json()["errors"][0]["detail"]


cells = {
    "floats": st.floats(-1e9, 1e9).map(lambda value: round(value, 3)),
    "integers": st.integers(-(10**9), 10**9),
    "words": st.sampled_from(["a", "b", "ü", "x y", "<b>", "1a", "N/A", "None", '"', "nan", "true story"]),
    "flags": st.booleans(),
    "days": st.dates().map(lambda day: day.isoformat()),
    "moments": st.datetimes().map(lambda moment: moment.isoformat(sep=" ")),
    "german": st.dates().map(lambda day: f"{day.day:02}.{day.month:02}.{day.year:04}"),
    "texts": st.lists(st.sampled_from(["it", "was", "a", "day", "3", "!"]), min_size=2).map(" ".join),
}


@st.composite
def tables(draw: st.DrawFn) -> pd.DataFrame:
    """Columns of any sorts, blanks in some, with a target that may be blank too."""
    size = draw(st.integers(12, 40))
    columns = {}
    for number, sort in enumerate(draw(st.lists(st.sampled_from(sorted(cells)), min_size=1, max_size=4))):
        cell = cells[sort]
        if draw(st.booleans()):
            cell = st.none() | cell
        columns[f"{sort} {number}"] = pd.Series(draw(st.lists(cell, min_size=size, max_size=size)))
    target = ["yes", "no"] * 4 + draw(
        st.lists(st.sampled_from(["yes", "no", None]), min_size=size - 8, max_size=size - 8)
    )
    return pd.DataFrame({**columns, "y": target, "plain": range(0, 3 * size, 3)})


@settings(max_examples=5, phases=[Phase.generate])  # each is a training: shrinking takes minutes
@given(frame=tables())
def test_any_table_is_answered_as_its_pipeline_predicts(
    frame: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> None:
    served = Served(tmp_path_factory.mktemp("any"), frame)

    served.assert_same(records(frame[frame["y"].notna()]))


REAL = [("penguins.csv", "species", {}), ("titanic.csv", "survived", {"drop": ["alive"]})]


@pytest.mark.parametrize(("name", "target", "given"), REAL)
def test_each_row_of_a_real_file_gets_what_the_pipeline_predicts(
    tmp_path: Path, name: str, target: str, given: Any
) -> None:
    """Read anew by Python's csv, which knows of no kinds: what the signature calls a number is made one."""
    file = SHARED / name
    if not file.exists():
        pytest.skip("the file is not here")
    served = Served(tmp_path, data=str(file), target=target, **given)
    kinds = {feature.name: feature.kind for feature in served.manifest.signature.features}

    with file.open(newline="") as lines:
        served.assert_same([dict(as_json(row, kinds)) for row in csv.DictReader(lines)])


def as_json(row: dict[str, str], kinds: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for name, word in row.items():
        kind = kinds.get(name)
        if word == "":
            yield name, None
        elif kind in ("number", "integer", "boolean"):
            yield name, json.loads(word.lower())
        else:
            yield name, word


# Training: a result with a plain warning, or one line and nothing published.


@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (MIXED, ("--target", "nowhere"), "no column 'nowhere'"),
        (MIXED.assign(y="yes"), (), "target 'y' has one class, \"yes\""),
        (MIXED[:1], (), "target 'y' has no class"),
        (MIXED[["empty", "constant", "y"]], (), "no column is left to learn from"),
        (MIXED, ("--drop", "y"), "'y' is the target"),
        (MIXED, ("--drop", "nmber"), "no column 'nmber', did you mean \"number\"?"),
        (MIXED, ("--numeric", "word"), "column 'word' is told to be numeric, but 60 of 60 cells"),
        (MIXED, ("--group", "word", "--numeric", "word"), "'word' is the group"),
        (MIXED, ("--group", "empty"), "all rows are of one group"),
        (MIXED, ("--group", "word", "--time-column", "day"), "leave one of them out"),
        (MIXED, ("--time-column", "flag"), "time column 'flag' holds"),
        (MIXED, ("--time-column", "empty"), "time column 'empty' is blank"),
        (MIXED, ("--time-column", "word"), "that are no dates or times"),
        (MIXED, ("--test-size", "0.001"), "test_size 0.001 of 60 rows"),
        (MIXED, ("--metric", "r2"), "metric: there is no r2 of a classification"),
        (MIXED, ("--algorithm", "linear_regression"), "a regression needs numbers"),
        (MIXED, ("--algorithm", "svm", "--parameter", "epsilon=1"), "epsilon: is for regression only"),
        (MIXED, ("--polynomial", "9"), "polynomial: expected a degree from 2 to 5"),
        (b"a,a,y\n1,2,x\n", (), "two columns are called 'a'"),
        (b"", (), "data.csv is empty"),
        (b"PAR1 and no more", (), "damaged or incomplete Parquet file"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_published(
    folder: Path, frame: pd.DataFrame | bytes, options: tuple[str, ...], words: str
) -> None:
    result = run(frame, *options)

    assert result.exit_code == 1
    [line] = result.stderr.splitlines()
    assert line.startswith("Error: ")
    assert words in line
    assert not list(folder.glob("models/*/*"))


def test_one_table_and_the_names_of_recipes_do_not_go_together(folder: Path) -> None:
    result = run(MIXED, "svm")

    assert result.exit_code == 2
    assert "leave the recipes' names out" in result.stderr


WIDE = pd.DataFrame(RANDOM.normal(size=(ROWS, 120))).add_prefix("x").assign(y=MIXED["y"])


@pytest.mark.exhaustive
@pytest.mark.parametrize(
    ("frame", "options", "words"),
    [
        (MIXED[:10], (), "rows to judge by: the metrics are rough"),
        (WIDE, (), "120 columns and only 45 rows to learn from"),
        (table(number=[np.inf, *RANDOM.normal(size=ROWS - 1)]), (), "column 'number' has 1 cell infinite"),
        (table(y=["rare", *MIXED["y"][1:]]), (), '1 row whose class has no other row ("rare")'),
        (table(y=[None, *MIXED["y"][1:]]), (), "1 row whose y is blank"),
        (table(site=[None, *range(1, 10)] * 6), ("--group", "site"), "6 rows without a group"),
        (
            table(y=[np.inf, *RANDOM.normal(size=ROWS - 1)]),
            ("--algorithm", "linear_regression"),
            "1 row whose y is inf",
        ),
        (table(when=[None, *range(ROWS - 1)]), ("--time-column", "when"), "1 row whose when is blank"),
        (table(note=["!", "?!"] * 30), ("--text", "note"), "texts without a letter or a digit"),
        (table(big=[1e200, -1e200] * 30), (), "beyond 1e+150"),
        (
            MIXED.rename(columns={"number": "<script>", "word": "x\x1b[31m", "flag": "n" * 200}),
            (),
            "x\\x1b[31m",
        ),
    ],
)
def test_an_odd_table_is_trained_with_a_plain_word_on_it(
    folder: Path, frame: pd.DataFrame, options: tuple[str, ...], words: str
) -> None:
    result = run(frame, *options)

    assert (result.exit_code, result.stderr) == (0, "")
    assert words in result.stdout.replace("\n", " ")
    assert manifest_of(folder).version == 1


@pytest.mark.parametrize("where", ["train", "test"])
def test_a_column_that_only_one_side_of_the_split_knows(folder: Path, where: str) -> None:
    """Nothing can be learnt of what is known in held-out rows alone."""
    recipe = make_recipe("y", {**QUICK, "target": "y"})
    known = getattr(prepare(recipe, sources.load(recipe, MIXED)), where).frame.index
    note = [f"it was {row} times a good day" for row in range(ROWS)]
    parts = {"a number": MIXED["number"], "a word": MIXED["word"], "a note": pd.Series(note)}
    frame = table(**{name: part.where(part.index.isin(known)) for name, part in parts.items()})

    served = Served(folder, frame)

    assert parts.keys() & set(served.manifest.signature.names) == (
        parts.keys() if where == "train" else set()
    )
    served.assert_same(records(frame))

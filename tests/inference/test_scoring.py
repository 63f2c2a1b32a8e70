"""A CSV file, or pictures, and a model -> predictions, in whatever style numbers and blanks are written."""

from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from sklearn.dummy import DummyRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mlapi.data.signature import Feature, Signature, Target
from mlapi.data.tables.cells import UNDECIDED, CellOptions
from mlapi.data.tables.dialects import CsvOptions
from mlapi.data.tables.headers import INDEX
from mlapi.errors import DatasetError
from mlapi.inference.file_cells import values_of
from mlapi.inference.model import Model
from mlapi.inference.scoring import predict_images, predict_table
from mlapi.registry.opening import open_registry
from mlapi.training.preparation import features
from tests.conftest import publish_fitted, settings_for
from tests.support.pictures import DIGIT, digits, drawn, file_of, fitted_digits, publish_pictures


def test_numbers_and_blanks_are_what_a_client_would_send() -> None:
    feature = Feature("n", "number", nullable=True)

    assert values_of(feature, ["1,234", "", "12.5", "n/a", "?"], UNDECIDED) == [1234, None, 12.5, None, None]
    assert values_of(feature, ["1,234", "12"], CellOptions(decimal_of_file=",")) == [1.234, 12]
    assert values_of(feature, ["12%", "7%"], UNDECIDED) == [12, 7]
    assert values_of(feature, ["$1,000", "(5)"], UNDECIDED) == [1000, -5]
    assert values_of(feature, ["1.234", "2.500"], CellOptions(thousands=".")) == [1234, 2500]


def test_blanks_around_a_cell_are_no_part_of_it_and_a_zero_date_is_blank() -> None:
    flag, day = Feature("f", "boolean"), Feature("d", "datetime", nullable=True)

    assert values_of(flag, ["TRUE ", " false"], UNDECIDED) == [True, False]
    assert values_of(day, ["2024-01-05 ", "0000-00-00", "#NAME?"], UNDECIDED) == ["2024-01-05 ", None, None]


def test_a_number_that_fits_no_style_stays_a_word_and_does_not_spoil_the_others() -> None:
    feature = Feature("n", "number")

    cells = ["12", "x", "1_0", "nan", "inf", "007"]

    assert values_of(feature, cells, UNDECIDED) == [12, "x", "1_0", "nan", "inf", 7]


@pytest.mark.parametrize(
    ("feature", "words", "values"),
    [
        (
            Feature("c", "category", True, categories=("NA", "EU")),
            ["NA", "EU", "n/a", "US"],
            ["NA", "EU", None, "US"],
        ),
        (Feature("c", "category", False, categories=("EU",)), ["NA"], ["NA"]),
        (Feature("c", "category", True, categories=(0, 1)), ["0", "1", "null", ""], [0, 1, None, None]),
        (Feature("b", "boolean", True), ["TRUE", "false", "?", "yes"], [True, False, None, "yes"]),
        (Feature("t", "datetime", True), ["2024-01-31", "NaT"], ["2024-01-31", None]),
        (Feature("w", "text", True), ["none", ""], ["none", None]),
    ],
)
def test_a_marker_is_blank_only_where_it_is_no_word_of_the_feature(
    feature: Feature, words: list[str], values: list[Any]
) -> None:
    assert values_of(feature, words, UNDECIDED) == values


@pytest.mark.parametrize(
    "content",
    [
        "id,x,z\n7,1,234.5\n8,,2\n",
        'x,z\n1,"234.50"\nn/a,2\n',
        "x;z;\n1;234,5;\n?;2;\n",
        "\ufeffx\tz\n1\t234,5\n-\t2\n",
        'x,z\n1%,"$234.50"\nNULL,$2\n',
    ],
)
def test_a_file_is_answered_in_the_style_that_it_is_written_in(tmp_path: Path, content: str) -> None:
    frame = pd.DataFrame({"x": [1.0, None, 3.0], "z": [1.0, 5.0, 9.0]})
    estimator = make_pipeline(SimpleImputer(), LinearRegression()).fit(frame.to_numpy(), [1, 2, 4])
    described = Signature(features.features_of_sample(frame), Target("y", "number"), ignored=("id",))
    publish_fitted(tmp_path / "models", "line", estimator, frame, signature=described)
    (tmp_path / "rows.csv").write_text(content)
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("line", None)

    header, *lines = predict_table(model, tmp_path / "rows.csv", (), lambda _: None)

    expected = estimator.predict([[1, 234.5], [float("nan"), 2]])
    assert header == "prediction\n"
    assert [float(line) for line in lines] == pytest.approx(expected.tolist())


def test_a_parquet_file_is_answered_as_its_rows_would_be(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": [1.0, None, 3.0, 5.0], "n": [0.0, 1, 2, 3]})
    fitted = make_pipeline(SimpleImputer(), LinearRegression()).fit(frame.to_numpy(), [1, 2, 4, 5])
    publish_fitted(tmp_path / "models", "line", fitted, frame)
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("line", None)
    file, told = tmp_path / "rows.parquet", list[str]()

    rows = pd.DataFrame(
        {"x": [Decimal("1.50"), None, Decimal("900.00")], "n": [1, 2, 3], "note": None}, index=["a", "b", "c"]
    )
    rows.to_parquet(file)
    header, *lines = predict_table(model, file, (), told.append)

    expected = fitted.predict([[1.5, 1], [float("nan"), 2], [900, 3]])
    assert (header, [float(line) for line in lines]) == ("prediction\n", pytest.approx(expected.tolist()))
    assert told == [f"{file}: row 3, column x: 900 is outside of what training saw, 1.0 to 5.0"]
    for odd, sentence in (
        ({"x": ["1", "two"]}, 'row 1, column x: expected a number, got "1"'),
        ({"x": [b"1", b"2"]}, "column 'x' holds values of type bytes; leave the column out"),
        ({"x": [1.0, 2.0], "z": [1, 2]}, "row 1, column z: unknown feature"),
    ):
        pd.DataFrame({"n": [1, 2], **odd}).to_parquet(file)
        with pytest.raises(DatasetError, match=sentence):
            list(predict_table(model, file, (), print))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(DatasetError, match="is a damaged or incomplete Parquet file"):
        list(predict_table(model, file, (), print))


def test_a_date_outside_of_the_range_is_told_with_its_line(tmp_path: Path) -> None:
    days = pd.DataFrame({"day": pd.date_range("2021-01-01", periods=20)})
    publish_fitted(tmp_path / "models", "days", DummyRegressor().fit(days, range(20)), days)
    (tmp_path / "rows.csv").write_text("day\n2021-01-20\n2031-01-20\n")
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("days", None)
    warnings: list[str] = []

    _, *lines = predict_table(model, tmp_path / "rows.csv", (), warnings.append)

    assert len(lines) == 2
    (warning,) = warnings
    unseen = '"2031-01-20" is outside of what training saw, 2021-01-01 to 2021-01-20'
    assert warning.endswith(f"rows.csv: line 3, column day: {unseen}")


def test_a_row_that_the_estimator_refuses_is_told_with_its_line(tmp_path: Path) -> None:
    words = pd.DataFrame({"plan": ["basic", "plus"] * 10})
    estimator = make_pipeline(OrdinalEncoder(), LinearRegression()).fit(words, range(20))
    publish_fitted(tmp_path / "models", "plans", estimator, words)
    (tmp_path / "rows.csv").write_text("plan\nbasic\ngold\n")
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("plans", None)

    with pytest.raises(DatasetError, match=r"line 3: the estimator refused this row \(ValueError\)"):
        list(predict_table(model, tmp_path / "rows.csv", (), lambda _: None))


def test_pictures_and_folders_of_them_are_answered_by_file(tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("digits", None)
    rows, labels = digits()
    (tmp_path / "deep").mkdir()
    files = [tmp_path / "deep" / "1.png", tmp_path / "deep" / "0.JPG", tmp_path / "any"]
    for row, file, form in zip(rows, files, ("PNG", "JPEG", "PNG"), strict=False):
        file.write_bytes(file_of(drawn(row), form))
    (tmp_path / "deep" / "notes.txt").write_text("not a picture")
    given = [tmp_path / "deep", tmp_path / "any"]

    header, *lines = predict_images(model, DIGIT, given, ["probabilities"], 10_000, print)

    cells = [line.rstrip().split(",") for line in lines]
    assert header.startswith("file,prediction,probabilities_0,probabilities_1,")
    assert [cell[0] for cell in cells] == [str(files[1]), str(files[0]), str(files[2])]
    assert [int(cell[1]) for cell in cells] == [labels[1], labels[0], labels[2]]


def test_files_that_cannot_be_read_are_named_and_the_others_answered(tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("digits", None)
    good = tmp_path / "good.png"
    good.write_bytes(file_of(drawn(digits()[0][0])))
    (tmp_path / "a.png").write_text("<html>")
    warnings: list[str] = []

    answers = predict_images(
        model, DIGIT, [tmp_path / "a.png", tmp_path / "none.png", good, good], (), 10_000, warnings.append
    )

    assert [next(answers) for _ in range(3)] == ["file,prediction\n", f"{good},0\n", f"{good},0\n"]
    with pytest.raises(DatasetError, match="2 of 4 files cannot be read"):
        next(answers)
    assert "a.png: cannot read a file of the kind HTML" in warnings[0]
    assert "none.png: No such file" in warnings[1]


def test_hidden_files_are_no_pictures(tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("digits", None)
    folder = tmp_path / ".photos"
    (folder / ".trash").mkdir(parents=True)
    for name in ("a.png", "._a.png", ".trash/b.png"):
        (folder / name).write_bytes(file_of(drawn(digits()[0][1])))

    _, *lines = predict_images(model, DIGIT, [folder], (), 10_000, print)

    assert lines == [f"{folder / 'a.png'},1\n"]
    (folder / "a.png").unlink()
    with pytest.raises(DatasetError, match=r"photos has no pictures"):
        list(predict_images(model, DIGIT, [folder], (), 10_000, print))


def test_rows_of_pixels_are_answered_as_pictures(tmp_path: Path) -> None:
    publish_pictures(tmp_path / "models", "digits", fitted_digits())
    model = open_registry(settings_for(tmp_path / "models"), eager=False).get("digits", None)
    rows, labels = digits()
    frame = pd.DataFrame(rows[:20], columns=list(model.signature.columns))
    frame.to_csv(tmp_path / "rows.csv", index=False)

    header, *lines = predict_table(model, tmp_path / "rows.csv", (), print)

    assert header == "prediction\n"
    assert [int(line) for line in lines] == labels[:20].tolist()
    frame.drop(columns="pixel_3_4").to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DatasetError, match="line 2, column pixel_3_4: missing"):
        list(predict_table(model, tmp_path / "rows.csv", (), print))


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Model:
    """A model of two numbers, x and z."""
    folder = tmp_path_factory.mktemp("line") / "models"
    frame = pd.DataFrame({"x": [1.0, 2.0, 3.0], "z": [1.0, 5.0, 9.5]})
    publish_fitted(folder, "line", LinearRegression().fit(frame.to_numpy(), [1, 2, 4]), frame)
    return open_registry(settings_for(folder), eager=False).get("line", None)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("x,z\n1,2\n3,5\n,\n,\n", ["passed over: 2 blank rows of nothing but delimiters (lines 4, 5)"]),
        ("x,z\n1,2\nx,z\n3,5\n", ["left out: 1 row that repeats the header (line 3)"]),
        ("Homes\n\nx,z\n1,2\n3,5\n", ['left out: 1 line above the names of the columns ("Homes")']),
        ("x   z\n1   2\n3   5\n", ["its cells are set apart by spaces"]),
        (",x,z\n7,1,2\n5,3,5\n", [f"left out: the first column, {INDEX}"]),
        ("x,z,\n1,2,\n3,5\n", []),
    ],
)
def test_what_is_no_row_is_not_answered_and_that_is_said(
    line: Model, tmp_path: Path, content: str, told: list[str]
) -> None:
    file, said = tmp_path / "rows.csv", list[str]()
    file.write_text(content)

    _, *answers = predict_table(line, file, (), said.append)

    file.write_text("x,z\n1,2\n3,5\n")
    assert answers == list(predict_table(line, file, (), said.append))[1:]
    assert said == [f"{file}: {words}" for words in told]


def test_a_file_is_read_as_the_options_say_and_else_as_the_training_s_was(
    line: Model, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("x,z\n1,2.5\n")
    expected = list(predict_table(line, file, (), print))
    recipe = {"delimiter": ";", "decimal": ",", "skip_lines": 1}
    as_trained = replace(line, manifest=replace(line.manifest, recipe=recipe))

    file.write_text("of ours\nx;z\n1;2,5\n")
    assert list(predict_table(line, file, (), print, CsvOptions(**recipe))) == expected
    assert list(predict_table(as_trained, file, (), print)) == expected

    file.write_text("x|z\n1|2,5\n")
    options = CsvOptions(delimiter="|", skip_lines=0)
    assert list(predict_table(as_trained, file, (), print, options)) == expected


def test_a_cell_that_does_not_fit_is_told_by_the_line_that_its_row_begins_on(
    line: Model, tmp_path: Path
) -> None:
    file = tmp_path / "rows.csv"
    file.write_text('Title\n\nx,z\n"1",2\n\n"\n3",many\n')

    with pytest.raises(DatasetError, match=r"rows.csv: line 6, column z: expected a number"):
        list(predict_table(line, file, (), print))


def test_letters_that_come_out_wrong_are_warned_about_before_anything_is_answered(
    line: Model, tmp_path: Path
) -> None:
    file, said = tmp_path / "rows.csv", list[str]()
    file.write_bytes("x,z,город\n1,2,\n".encode("cp1251"))

    next(predict_table(line, file, (), said.append))

    assert said[0].startswith(f"Warning: {file}: it is not UTF-8")
    assert "(--encoding cp1251)" in said[0]

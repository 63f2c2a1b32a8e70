"""Numbers of which pandas makes one float, however they are written."""

from pathlib import Path

import pytest

from mlapi.data.tables.dialects import CsvOptions
from mlapi.training.preparation.columns import Column, infer_columns
from mlapi.training.preparation.features import features_of_sample
from mlapi.training.recipes import Overrides
from mlapi.training.tables.files import read


def column_of(folder: Path, cells: list[str], **options: str) -> Column:
    """Return what a column of a file is taken for; beside it stands another one."""
    file = folder / "rows.csv"
    file.write_text("c;other\n" + "".join(f"{cell};{row % 7}\n" for row, cell in enumerate(cells)))
    table = read(str(file), CsvOptions(**options))
    return infer_columns(table.frame.assign(**table.texts), Overrides()).columns[0]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["31", "30", "29"], "integer"),
        (["31", "", "29"], "integer"),
        (["31.0", "30.0", "29.0"], "number"),
        (["31.0", "", "29.0"], "number"),
        (["31.5", "", "29.0"], "number"),
    ],
)
def test_who_writes_points_means_numbers_that_take_fractions(
    tmp_path: Path, cells: list[str], kind: str
) -> None:
    assert column_of(tmp_path, cells * 8).kind == kind


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        (
            ["1.230", "12.500", "950"],
            'thousands set apart by "." (assumed; --decimal . reads them otherwise)',
        ),
        ([f"{place}.{place % 9 + 1}21" for place in range(1, 40)] + ["950"], 'thousands set apart by "."'),
        (["1.231", "2.502", "9.503"], 'decimal sign "." (assumed; --thousands . reads them otherwise)'),
        (["0.231", "2.502", "9.503"], "numbers, 0.231 to 9.503"),
        (["1.23", "2.502", "950"], "numbers, 1.23 to 950"),
    ],
)
def test_points_that_may_stand_between_thousands_are_told(
    tmp_path: Path, cells: list[str], words: str
) -> None:
    assert words in column_of(tmp_path, cells * 8).explanation


def test_a_sample_of_rows_for_somebodys_estimator_has_numbers(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("age,b\n18.0,1.231\n,2.502\n20.0,9.503\n")

    assert [feature.kind for feature in features_of_sample(read(str(tmp_path / "rows.csv")).frame)] == [
        "number"
    ] * 2


def test_what_the_user_says_of_points_is_done_and_no_longer_assumed(tmp_path: Path) -> None:
    cells = ["1.230", "12.500", "950"] * 8

    assert column_of(tmp_path, cells, decimal=".").explanation == "numbers, 1.23 to 950"

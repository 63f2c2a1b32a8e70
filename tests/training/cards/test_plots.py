"""The card's pictures: well-formed, whatever names they show, small, the same again, and quiet."""

import base64
import logging
import os
import stat
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import numpy as np
import pytest

from mlapi.training.cards import plots
from mlapi.training.cards.drawing import Plot, label
from mlapi.training.evaluation.answers import Answers
from mlapi.training.evaluation.calibration import Calibration, Spread, calibration_of
from mlapi.training.evaluation.curves import Importance, LearningCurve
from tests.support.waiting import HANG_S

HOSTILE = [
    *("$x_1$", "a $ b", "50 %", "a_b^{c", "<b>&amp;</b>", "line\nbreak", "nul\0bell\7", "x" * 200, "", " "),
    *("العمر بالسنوات", "年齢", "\u202eevil", "half \ud800", "🐧", r"\frac{1}{2}", "'\"]]>"),
]


def classes(number: int, rows: int = 400) -> Answers:
    random = np.random.default_rng(0)
    truth = np.arange(rows) % number
    said = random.random((rows, number)) + 0.5 * np.eye(number)[truth]
    said /= said.sum(axis=1, keepdims=True)
    return Answers(truth, said.argmax(axis=1), tuple(range(number)), said)


def values(rows: int = 200) -> tuple[Answers, Spread]:
    random = np.random.default_rng(0)
    truth = random.normal(size=rows)
    answers = Answers(truth, truth + 0.1 * random.normal(size=rows))
    spread = calibration_of(answers)
    assert isinstance(spread, Spread)
    return answers, spread


def calibrated(answers: Answers) -> Calibration:
    found = calibration_of(answers)
    assert isinstance(found, Calibration)
    return found


def svg(plot: Plot) -> bytes:
    start, content = plot.uri.split(",", 1)
    assert start == "data:image/svg+xml;base64"
    return base64.b64decode(content, validate=True)


def words(plot: Plot) -> list[str]:
    return [
        text.text or "" for text in ElementTree.fromstring(svg(plot)).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_shown_as_it_is(name: str) -> None:
    answers, names = classes(3), [name, "b", "c"]
    drawn = [
        *plots.of_values(*values(), target=name),
        *plots.of_classes(answers, names, name),
        plots.of_calibration(calibrated(classes(2)), ["a", name], name),
        plots.of_importance(Importance("r2", 0.5, ((name, 0.2, 0.1),), "")),
    ]

    for plot in drawn:
        assert any(label(name) in text for text in words(plot)), plot.title


@pytest.mark.parametrize(("name", "short"), [("a\nb", "a b"), ("", "(blank)"), ("\0", "(blank)"), (7, "7")])
def test_a_label_is_one_line_of_characters_that_show(name: object, short: str) -> None:
    assert label(name) == short


def test_long_labels_keep_both_ends() -> None:
    found = label("income_of_the_household_in_2019")

    assert len(found) == 24
    assert found == "income_of_th…old_in_2019"


@pytest.mark.exhaustive
@pytest.mark.parametrize("number", [2, 3, 4, 5, 15, 16, 31, 100])
def test_the_pictures_of_any_number_of_classes_are_small_and_name_what_they_can(number: int) -> None:
    drawn = list(plots.of_classes(classes(number), [f"class {code}" for code in range(number)], "y"))

    assert [plot.title.split()[0] for plot in drawn] == ["Confusion", "ROC", "Precision"]
    assert all(len(plot.uri) < 100_000 for plot in drawn)
    assert "class 0" in words(drawn[0])
    assert len([text for text in words(drawn[0]) if text.startswith("class")]) <= 60


def test_a_confusion_matrix_counts_actual_down_and_predicted_across() -> None:
    answers = Answers(np.array([0, 0, 1]), np.array([0, 1, 1]), ("a", "b"))

    assert plots.confusion(answers).tolist() == [[1, 1], [0, 1]]


def test_classes_without_probabilities_have_no_curves() -> None:
    answers = Answers(np.array([0, 1]), np.array([0, 1]), ("a", "b"))

    assert [plot.title.split()[0] for plot in plots.of_classes(answers, "ab", "y")] == ["Confusion"]


def test_a_class_without_held_out_rows_has_no_curve_and_the_others_have() -> None:
    answers = classes(3)
    kept = np.flatnonzero(answers.truth != 2)

    drawn = list(plots.of_classes(answers.take(kept), ["a", "b", "c"], "y"))

    assert [text[-1] for text in words(drawn[1]) if text[:2] in ("0.", "1.") and text[-1] in "abc"]
    assert not [text for text in words(drawn[1]) if text.endswith(" c")]


def test_many_points_are_drawn_as_a_sample_which_the_title_tells() -> None:
    drawn = list(plots.of_values(*values(50_000), target="y"))

    assert drawn[0].title == "Predicted against actual (1,500 of 50,000 rows)"
    assert all(len(plot.uri) < 100_000 for plot in drawn)


def test_values_beyond_what_axes_can_hold_are_not_drawn() -> None:
    answers = Answers(np.array([1e300, -1e300]), np.array([0.0, 1.0]))

    assert list(plots.of_values(answers, Spread(1.0, 1.0, 0.0), "y")) == []


def test_alternative_texts_tell_the_figures() -> None:
    curve = LearningCurve("rmse", (25, 250), (0.1, 0.2), (0.5, 0.25), "")

    assert "rmse is 0.5 after 25 rows and 0.25 after 250" in plots.of_learning(curve).alt
    assert "400 rows" in next(iter(plots.of_classes(classes(3), "abc", "y"))).alt
    assert "nine tenths at most" in next(iter(plots.of_values(*values(), target="y"))).alt


def test_the_same_figures_give_the_same_bytes() -> None:
    first, second = (list(plots.of_classes(classes(3), "abc", "y")) for _ in range(2))

    assert first == second


def test_nothing_of_matplotlibs_settings_or_of_its_log_is_changed_or_used() -> None:
    mpl.rcParams["text.usetex"] = True  # of a user whose machine has LaTeX, or once had
    before, level = mpl.rcParams.copy(), logging.getLogger("matplotlib").level
    try:
        drawn = list(plots.of_values(*values(), target="$"))
        after = mpl.rcParams.copy()
    finally:
        mpl.rcParams["text.usetex"] = False

    assert before == after
    assert logging.getLogger("matplotlib").level == level
    assert "actual $" in words(drawn[0])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write into every home")
def test_a_home_that_cannot_be_written_is_no_news(tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)

    assert _drawn_with_home(tmp_path) == ""


def test_no_home_is_no_news(tmp_path: Path) -> None:
    """A file in its place can be no folder, not even for root."""
    home = tmp_path / "home"
    home.write_text("")

    assert _drawn_with_home(home) == ""


def _drawn_with_home(home: Path) -> str:
    """What a first drawing says, where matplotlib finds no cache and no display."""
    code = (
        "from mlapi.training.cards import plots;"
        "from mlapi.training.evaluation.curves import LearningCurve as L;"
        "plots.of_learning(L('年', (1, 2), (0, 1), (0, 1), ''))"
    )
    environment = {"HOME": str(home), "PATH": os.environ["PATH"], "PYTHONPATH": str(Path.cwd())}
    ran = subprocess.run(
        [sys.executable, "-c", code],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=HANG_S,
    )
    return ran.stdout + ran.stderr

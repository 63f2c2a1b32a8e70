"""The model card: one page that needs nothing else, says how good the model is, and survives any data."""

import re
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.cards.report import CardContent, ColumnSummary, number, report, verdict
from mlapi.training.evaluation.answers import Answers, answers_of, guesses
from mlapi.training.evaluation.calibration import calibration_of
from mlapi.training.evaluation.curves import Sample, importance, learning_curve
from mlapi.training.evaluation.intervals import BY_BOOTSTRAP, intervals_by_bootstrap
from mlapi.training.evaluation.metrics import PRIMARY, figures, measure
from mlapi.training.execution.progress import Candidate

HOSTILE = "<script>alert('1')</script>\"'{{ 7 * 7 }} $x_1$ %s \u202e \ud800 \n" + "x" * 200

CASES = {
    "regression": (REGRESSION, load_diabetes, LinearRegression()),
    "two classes": (CLASSIFICATION, load_breast_cancer, LogisticRegression(max_iter=1000)),
    "three classes": (CLASSIFICATION, load_iris, LogisticRegression(max_iter=1000)),
}

VOID = {"meta", "img", "br", "link", "input", "hr"}


class Page(HTMLParser):
    """Every tag with its attributes, every text; refuses tags that are left open."""

    def __init__(self, content: bytes) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(content.decode())
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def account_of(case: str) -> CardContent:
    """A whole card, made as training makes it."""
    task, load, estimator = CASES[case]
    X, y = load(return_X_y=True, as_frame=True)
    order = np.random.default_rng(0).permutation(len(X))
    seen, new = (Sample(X, y).take(part) for part in np.split(order, [len(X) * 3 // 4]))
    fitted = make_pipeline(StandardScaler(), estimator).fit(*seen)
    answers, metric = answers_of(task, fitted, *new), PRIMARY[task]
    intervals = {name: (low, high) for name, (_, low, high) in intervals_by_bootstrap(answers, 0, 50).items()}
    return CardContent(
        name="example",
        algorithm="linear_regression",
        task=task,
        target="target",
        trained_at="2026-11-22",
        source="rows.csv",
        sha256="0" * 64,
        rows=len(X),
        training_rows=len(seen.y),
        test_rows=len(new.y),
        split="A quarter of the rows was held out at random.",
        seed=0,
        metrics=figures(
            measure(answers),
            intervals=intervals,
            baseline=measure(guesses(answers, seen.y)),
            cross_validated={metric: 0.5},
        ),
        primary=metric,
        intervals=BY_BOOTSTRAP,
        answers=answers,
        columns=[ColumnSummary(name, "number", "Scaled.") for name in X],
        left_out=["Two rows have no target."],
        warnings=["The classes are uneven."],
        notes=["A note."],
        parameters={"alpha": 0.5, "solver": "lbfgs", "weights": None},
        search="25 settings were tried.",
        candidates=[
            Candidate("linear_regression", 0.5, 0.0625, 1.5, "chosen"),
            Candidate("svm", float("nan"), float("nan"), 0.0, ""),
        ],
        recipe={"data": "rows.csv", "columns": {"age": {"kind": "number"}}},
        calibration=calibration_of(answers),
        importance=importance(task, fitted, new, metric=metric, seed=0),
        learning_curve=learning_curve(task, fitted, seen, new, metric=metric, seed=0),
        example={"age": 0.04, "word": "it's", "blank": None},
        environment={"python": "3.13.1"},
    )


@pytest.fixture(scope="module", params=CASES)
def card(request: pytest.FixtureRequest) -> CardContent:
    return account_of(request.param)


@pytest.fixture(scope="module")
def content(card: CardContent) -> bytes:
    return report(card)


def bare(task: str = REGRESSION, **changes: Any) -> CardContent:
    """What every card has, and nothing else."""
    given: dict[str, Any] = {
        **dict.fromkeys(("name", "algorithm", "target", "trained_at", "source", "sha256", "split"), "a"),
        **dict.fromkeys(("rows", "training_rows", "test_rows", "seed"), 1000),
        **{"task": task, "metrics": {}, "primary": PRIMARY[task], "intervals": ""},
        "answers": Answers(np.zeros(3), np.zeros(3)),
    }
    return CardContent(**(given | changes))


def test_the_page_needs_nothing_but_itself(content: bytes) -> None:
    page = Page(content)

    policy = page.all("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert {tag for tag, _ in page.tags}.isdisjoint(
        {"script", "link", "iframe", "object", "form", "base", "svg"}
    )
    for _, attributes in page.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("href", "srcset", "action")
        ]
    assert all((image["src"] or "").startswith("data:image/") for image in page.all("img"))
    [style] = re.findall("<style>(.*?)</style>", content.decode(), re.DOTALL)
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_is_small(content: bytes) -> None:
    assert len(content) < 500_000


def test_the_page_tells_all_that_the_account_has(card: CardContent, content: bytes) -> None:
    text = " ".join(Page(content).text.split())

    for words in (
        *(*card.left_out, *card.warnings, *card.notes, card.split, card.intervals),
        *(card.source, card.sha256, card.search, card.parameters["solver"], "3.13.1"),
        *(str(column.name) for column in card.columns),
        *card.metrics,
        *('"kind": "number"', verdict(card), card.importance and card.importance.note),
        card.learning_curve and card.learning_curve.note,
        "curl http://127.0.0.1:8000/predict/example -d",
        *("meanstandard deviationseconds", "linear_regression0.50000.06251.5chosen", "svm––0.0"),
    ):
        assert str(words) in text


def test_pictures_and_tables_can_be_heard(content: bytes) -> None:
    page = Page(content)

    assert all(len(image["alt"] or "") > 30 for image in page.all("img"))
    assert len(page.all("caption")) == len(page.all("table"))
    assert all(heading.get("scope") in ("row", "col") for heading in page.all("th"))
    assert len(page.all("h1")) == 1


TITLES = {
    REGRESSION: ("Predicted against actual", "Residuals"),
    CLASSIFICATION: ("Confusion matrix", "ROC curve", "Precision and recall", "Calibration"),
}


def test_each_task_has_its_pictures(card: CardContent, content: bytes) -> None:
    alternatives = [image["alt"] or "" for image in Page(content).all("img")]

    expected = [*TITLES[card.task], "Permutation importance", "Learning curve"]
    assert [
        title for title, alt in zip(expected, alternatives, strict=True) if not alt.startswith(title)
    ] == []


def test_whatever_data_says_is_text() -> None:
    card = replace(
        account_of("three classes"),
        **dict.fromkeys(("target", "source", "split", "search"), HOSTILE),
        **{name: [HOSTILE] for name in ("warnings", "left_out", "notes")},
        **{name: {HOSTILE: HOSTILE} for name in ("parameters", "recipe", "example", "environment")},
        columns=[ColumnSummary(HOSTILE, HOSTILE, HOSTILE)],
        candidates=[Candidate(HOSTILE, 1.0, 0.5, 2.0, HOSTILE)],
        class_names=[HOSTILE, "b", "c"],
    )

    page = Page(report(card))

    assert page.all("script") == []
    assert "<script>alert('1')</script>" in page.text
    assert "{{ 7 * 7 }}" in page.text


def test_the_call_survives_a_shell() -> None:
    text = Page(report(account_of("regression"))).text

    assert """-d '{"features": {"age": 0.04, "word": "it'"'"'s", "blank": null}}'""" in text


def test_an_account_of_the_least_is_a_page() -> None:
    page = Page(report(bare()))

    assert "Its r2 on the held-out rows is not defined." in page.text
    assert page.all("img") == []


def test_many_columns_and_classes_are_folded() -> None:
    answers = Answers(np.arange(300) % 100, np.arange(300) % 97, tuple(range(100)))
    columns = [ColumnSummary(f"column {place}", "number", "Scaled.") for place in range(500)]

    page = Page(report(bare(CLASSIFICATION, answers=answers, columns=columns, example={"x" * 2_000: 1})))

    assert "500 columns" in page.text
    assert "The most frequent mistakes" in page.text
    assert len(page.all("details")) == len(page.all("summary")) == 3
    assert not [fold for fold in page.all("details") if "open" in fold]


def figure(value: float, guess: float, *interval: float) -> dict[str, Any]:
    return {"value": value, "baseline": guess, "interval": list(interval)}


@pytest.mark.parametrize(
    ("task", "primary", "metrics", "said"),
    [
        (
            *(CLASSIFICATION, "accuracy", {"accuracy": figure(0.975, 0.44, 0.95, 1)}),
            "It gives the right class to 97.5% of 1,000 held-out rows. Always answering the most frequent "
            "class, without looking at a row, would be right for 44.0%.",
        ),
        (
            *(CLASSIFICATION, "accuracy", {"accuracy": figure(0.5, 0.45, 0.4, 0.6)}),
            "right for 45.0%. By its interval, it may be no better than that.",
        ),
        (
            *(CLASSIFICATION, "accuracy", {"accuracy": figure(0.4, 0.45, 0.3, 0.5)}),
            "It is no better than that.",
        ),
        (
            *(REGRESSION, "r2", {"r2": figure(0.5, -0.001, 0.4, 0.6), "mae": figure(12345.6, 20000, 1, 2)}),
            "It explains 50.0% of the variance of a in 1,000 held-out rows (R² 0.5000), and is 12,346 off on "
            "average. Always answering the mean, without looking at a row, would be 20,000 off.",
        ),
        (
            *(REGRESSION, "rmse", {"rmse": figure(0.5, 0.6, 0.4, 0.7)}),
            "Its rmse on 1,000 held-out rows is 0.5000. Always answering the mean, without looking at a row, "
            "would get 0.6000. By its interval, it may be no better than that.",
        ),
        (*(REGRESSION, "r2", {"r2": {"value": -0.25}}), "Its r2 on 1,000 held-out rows is -0.2500."),
    ],
)
def test_the_verdict_says_how_much_better_than_guessing_it_is(
    task: str, primary: str, metrics: dict[str, Any], said: str
) -> None:
    answers = Answers(np.zeros(3, int), np.zeros(3, int), ("a",) if task == CLASSIFICATION else ())

    found = verdict(bare(task, primary=primary, metrics=metrics, answers=answers))

    assert found.endswith(said)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "–"),
        (float("nan"), "–"),
        (1.0, "1"),
        (0.5, "0.5000"),
        (-0.00020431, "-0.0002043"),
        (12345.6, "12,346"),
    ],
)
def test_numbers_have_four_digits(value: float | None, said: str) -> None:
    assert number(value) == said

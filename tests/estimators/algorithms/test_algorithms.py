"""Every algorithm for tables and each of its tasks: built, searched, scaled, pickled, published, served."""

import io
import json
import re
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.ensemble import (
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.metrics import accuracy_score, r2_score
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.scanner import names_in
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import (
    CLASSIFICATION,
    IMAGE_CLASSIFICATION,
    REGRESSION,
    Algorithm,
    Parameter,
)
from mlapi.estimators.preprocessing import PICKLED
from mlapi.server.app import create_app
from mlapi.training.workflows.registration import algorithm_of
from tests.conftest import ROOT, publish_fitted, settings_for
from tests.support.server import ask, running

RANDOM = np.random.default_rng(0)
X = np.hstack([RANDOM.normal(size=(90, 4)), np.eye(3)[RANDOM.integers(3, size=90)]])
VALUES = 20 * X[:, 0] + 5 * X[:, 4] + RANDOM.normal(size=90)
THREE = np.array(["high", "low", "middle"])[(X[:, 0] > 0.5).astype(int) + (X[:, 1] > 0)]
TWO = X[:, 0] + X[:, 5] > 0.3
TARGETS = {"values": VALUES, "three classes": THREE, "two classes": TWO}

OF_TABLES = [entry for entry in ALGORITHMS.values() if IMAGE_CLASSIFICATION not in entry.builders]

EACH = [
    pytest.param(algorithm, task, id=f"{algorithm.name}-{task}")
    for algorithm in OF_TABLES
    for task in algorithm.builders
]
each_algorithm_and_task = pytest.mark.parametrize(("algorithm", "task"), EACH)


def targets(task: str) -> list[Any]:
    return [VALUES] if task == REGRESSION else [THREE, TWO]


def fits(algorithm: Algorithm) -> list[tuple[str, Any]]:
    return [(task, y) for task in algorithm.builders for y in targets(task)]


FEW = {"gradient_boosting": {"max_iter": 5}, "random_forest": {"n_estimators": 5}}
"""Trees, where a test is not about how many."""


def corners(algorithm: Algorithm, task: str) -> Iterator[dict[str, Any]]:
    """The defaults, each choice and flag alone, what many rows make of them, and some draws."""
    few = FEW.get(algorithm.name, {})
    yield few
    for name, entry in algorithm.parameters.items():
        yield from ({**few, name: choice} for choice in entry.choices)
        yield from ({**few, name: flag} for flag in (True, False) if entry.kind is bool)
    yield {**algorithm.at_scale(algorithm.complete({}), 1_000_000)[0], **few}
    yield {**algorithm.quick, **few}
    yield from ({**drawn, **few} for drawn in islice(algorithm.candidates(task), 12))


def dumped(estimator: Any) -> bytes:
    buffer = io.BytesIO()
    pickling.dump(estimator, buffer)
    return buffer.getvalue()


def names_of_loaded(algorithm: Algorithm, fitted: Any, rows: Any) -> set[str]:
    """The names in its pickle, once that has been loaded and has answered the rows as it did."""
    content = dumped(fitted)
    loaded = pickling.load(content, PICKLED.union(algorithm.classes))
    for method in ("predict", "predict_proba", "decision_function"):
        assert hasattr(loaded, method) is hasattr(fitted, method)
        if hasattr(fitted, method):
            np.testing.assert_array_equal(getattr(loaded, method)(rows), getattr(fitted, method)(rows))
    return set(names_in(content)) - PICKLED


@pytest.mark.exhaustive
@pytest.mark.parametrize("algorithm", OF_TABLES, ids=lambda algorithm: algorithm.name)
def test_the_pickles_of_every_corner_name_what_is_declared_and_load(algorithm: Algorithm) -> None:
    named = set()
    for task, y in fits(algorithm):
        for parameters in corners(algorithm, task):
            named |= names_of_loaded(algorithm, algorithm.build(task, parameters).fit(X, y), X)
        if not algorithm.dense:  # what a pipeline gives that reads texts
            words = sparse.csr_matrix(np.where(X > 0, X, 0))
            for changed in ({}, algorithm.at_scale(algorithm.complete({}), 1_000_000)[0]):
                given = {**changed, **FEW.get(algorithm.name, {})}
                named |= names_of_loaded(algorithm, algorithm.build(task, given).fit(words, y), words)
    assert named == set(algorithm.classes), "all that are declared, and no others"


@pytest.mark.exhaustive
@each_algorithm_and_task
def test_what_a_search_draws_is_in_range_and_fits_without_a_warning(algorithm: Algorithm, task: str) -> None:
    drawn = list(islice(algorithm.candidates(task), 200))
    tables = [X] if algorithm.dense else [X, sparse.csr_matrix(X)]
    few = FEW.get(algorithm.name, {})

    assert len(drawn) > 150
    assert drawn == list(islice(algorithm.candidates(task), 200))
    assert not [problem for parameters in drawn for problem in algorithm.problems(parameters, task)]
    assert json.loads(json.dumps(drawn)) == drawn
    for place, parameters in enumerate(drawn[::4]):
        table, y = tables[place % len(tables)], targets(task)[place % len(targets(task))]
        machine = algorithm.build(task, {**algorithm.quick, **parameters, **few}).fit(table, y)
        assert machine.predict(table).shape == y.shape


@each_algorithm_and_task
def test_dense_says_whether_a_sparse_matrix_is_taken(algorithm: Algorithm, task: str) -> None:
    machine = algorithm.build(task, {})

    if algorithm.dense:
        with pytest.raises(TypeError, match="dense"):
            machine.fit(sparse.csr_matrix(X), targets(task)[0])
        return
    from_sparse = clone(machine).fit(sparse.csr_matrix(X), targets(task)[0]).predict(sparse.csr_matrix(X))
    from_dense = machine.fit(X, targets(task)[0]).predict(X)
    agreement = r2_score if task == REGRESSION else accuracy_score
    assert agreement(from_dense, from_sparse) > 0.95


@pytest.mark.parametrize(
    ("name", "task", "plain"),
    [
        ("linear_regression", REGRESSION, LinearRegression()),
        ("svm", REGRESSION, SVR()),
        ("decision_tree", REGRESSION, DecisionTreeRegressor(random_state=0)),
        ("decision_tree", CLASSIFICATION, DecisionTreeClassifier(random_state=0)),
        ("random_forest", REGRESSION, RandomForestRegressor(random_state=0)),
        ("random_forest", CLASSIFICATION, RandomForestClassifier(random_state=0)),
        ("gradient_boosting", REGRESSION, HistGradientBoostingRegressor(random_state=0)),
        ("gradient_boosting", CLASSIFICATION, HistGradientBoostingClassifier(random_state=0)),
    ],
)
def test_without_parameters_it_is_scikit_learns_own(name: str, task: str, plain: Any) -> None:
    built = ALGORITHMS[name].build(task, {})

    assert type(built) is type(plain)
    assert {**built.get_params(), "early_stopping": None} == {**plain.get_params(), "early_stopping": None}


@each_algorithm_and_task
def test_one_seed_gives_one_model(algorithm: Algorithm, task: str) -> None:
    many, y = np.tile(X, (3, 1)) + RANDOM.normal(size=(270, 7)) / 9, np.tile(targets(task)[0], 3)
    parameters = {**algorithm.at_scale(algorithm.complete({}), 1_000_000)[0], **FEW.get(algorithm.name, {})}
    one, other = (dumped(algorithm.build(task, parameters, seed=7).fit(many, y)) for _ in range(2))

    assert one == other


@pytest.mark.parametrize(
    ("penalty", "kind"), [("ridge", Ridge), ("lasso", Lasso), ("elastic_net", ElasticNet)]
)
def test_a_penalty_is_one_parameter(penalty: str, kind: type) -> None:
    line = ALGORITHMS["linear_regression"].build(
        REGRESSION, {"penalty": penalty, "alpha": 2, "l1_ratio": 0.3}
    )

    assert type(line) is kind
    assert line.alpha == 2
    assert penalty != "elastic_net" or line.l1_ratio == 0.3


@pytest.mark.parametrize("l1_ratio", [0.0, 0.5, 1.0])
def test_the_penalty_of_logistic_regression_is_said_without_a_deprecation(l1_ratio: float) -> None:
    algorithm = ALGORITHMS["logistic_regression"]
    strong = {"l1_ratio": l1_ratio, "C": 0.05, "max_iter": 5000}

    dropped = (algorithm.build(CLASSIFICATION, strong).fit(X, THREE).coef_ == 0).sum()

    assert (dropped > 0) == (l1_ratio > 0)


def test_a_parameter_of_the_other_task_is_told_and_counts_for_nothing() -> None:
    svm = ALGORITHMS["svm"]

    assert list(svm.problems({"epsilon": 0.5}, REGRESSION)) == []
    assert list(svm.problems({"epsilon": 0.5})) == []
    assert list(svm.problems({"epsilon": 0.5}, CLASSIFICATION)) == [
        "epsilon: is for regression only, and this is classification"
    ]
    assert (
        svm.build(CLASSIFICATION, {"epsilon": 0.5}).get_params() == svm.build(CLASSIFICATION, {}).get_params()
    )


def test_a_whole_number_for_a_share_is_a_share() -> None:
    tree = ALGORITHMS["decision_tree"].build(REGRESSION, {"max_features": 1})

    assert type(tree.max_features) is float


@pytest.mark.parametrize("value", [10**400, float("nan"), float("inf"), "1", True, None, [1.0], -1])
def test_what_is_no_number_of_the_range_is_refused(value: object) -> None:
    assert Parameter(1.0, "", float, minimum=0).problem(value)


@pytest.mark.parametrize("rows", [100, 10_000, 53_940, 1_000_000, 10**9])
@pytest.mark.parametrize("given", [{}, {"n_estimators": 10_000}, {"min_samples_leaf": 50}, {"max_depth": 8}])
def test_a_forest_of_many_rows_has_no_more_leaves_than_a_bound(rows: int, given: dict[str, Any]) -> None:
    forest = ALGORITHMS["random_forest"]

    for parameters, note in (forest.at_scale(given, rows), forest.at_scale(forest.complete(given), rows)):
        changed = forest.complete(parameters)
        assert not list(forest.problems(parameters))
        assert (note is None) == (changed == forest.complete(given))
        leaves = min(
            0.64 * rows / changed["min_samples_leaf"],
            2.0 ** (changed["max_depth"] or 99),
            changed["max_leaf_nodes"] or rows,
        )
        assert leaves * changed["n_estimators"] <= 1_100_000


def test_what_was_changed_for_many_rows_is_said_in_words() -> None:
    _, note = ALGORITHMS["random_forest"].at_scale({}, 53_940)

    assert note == "53,940 rows could grow a very large model: each of 100 trees has at most 10,000 leaves."


@each_algorithm_and_task
def test_it_is_published_and_answers(tmp_path: Path, algorithm: Algorithm, task: str) -> None:
    frame = pd.DataFrame(X, columns=list("abcdefg"))
    machine = algorithm.build(task, {}).fit(X, targets(task)[0])
    manifest = publish_fitted(tmp_path, "some", machine, frame)

    with create_app(settings_for(tmp_path, allowed_classes=())).test_client() as client:
        include = "?include=probabilities" if task == CLASSIFICATION else ""
        answer = client.post(f"/predict/some{include}", json={"X": X[:9].tolist()})

    assert answer.status_code == 200, answer.json
    assert manifest.algorithm == algorithm.name
    expected = machine.predict(X[:9])
    if task == REGRESSION:
        np.testing.assert_allclose(answer.json["prediction"], expected, rtol=1e-9)
    else:
        assert answer.json["prediction"] == expected.tolist()
        np.testing.assert_allclose(answer.json["probabilities"], machine.predict_proba(X[:9]), rtol=1e-9)


@pytest.mark.parametrize("kind", [kind for algorithm in ALGORITHMS.values() for kind in algorithm.recognises])
def test_a_bare_estimator_is_known_by_its_class(kind: type) -> None:
    assert kind in ALGORITHMS[algorithm_of(kind())].recognises


@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="finds the workers in /proc: Linux only")
def test_gradient_boosting_answers_in_both_workers_of_a_preloading_server(
    tmp_path: Path, worker_class: str
) -> None:
    """It computes with OpenMP: on its golden rows before the fork, and on requests after it."""
    machine = ALGORITHMS["gradient_boosting"].build(CLASSIFICATION, {"max_iter": 20}).fit(X, THREE)
    publish_fitted(tmp_path / "models", "boosted", machine, pd.DataFrame(X, columns=list("abcdefg")))
    row = json.dumps({"X": X[:1].tolist()}).encode()

    with running(tmp_path / "models", tmp_path, MLAPI_WORKER_CLASS=worker_class) as server:
        for worker in server.workers:
            connection = server.connect_to(worker)
            status, answer = ask(connection, "POST", "/predict/boosted?include=probabilities", row)

            assert (status, answer["prediction"]) == (200, machine.predict(X[:1]).tolist())
            np.testing.assert_allclose(answer["probabilities"], machine.predict_proba(X[:1]), rtol=1e-9)


def test_the_page_on_training_lists_the_algorithms_in_their_order() -> None:
    """Of equally good ones the first wins, as the page says."""
    page = (ROOT / "docs" / "training.md").read_text().partition("## Algorithms")[2].partition("\n## ")[0]

    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(ALGORITHMS)

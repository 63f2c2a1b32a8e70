"""Answers beside the prediction: what estimators can give is given, by `include`, and equals their own."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from flask.testing import FlaskClient
from sklearn.cluster import KMeans
from sklearn.cross_decomposition import PLSRegression
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import IsolationForest, RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.linear_model import BayesianRidge, LinearRegression, LogisticRegression
from sklearn.mixture import GaussianMixture
from sklearn.model_selection import GridSearchCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import ClassifierChain, MultiOutputClassifier, MultiOutputRegressor
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, StandardScaler

from mlapi.schemas.prediction import EstimatorResponse
from mlapi.server.app import create_app
from tests.conftest import publish_fitted, settings_for

RANDOM = np.random.default_rng(0)
ROWS = pd.DataFrame(RANDOM.normal(size=(60, 3)), columns=["a", "b", "c"])
NUMBERS = ROWS["a"].to_numpy() * 2 - ROWS["b"].to_numpy()
LABELS = np.where(NUMBERS > 1, "high", np.where(NUMBERS < -1, "low", "middle"))
FLAGS = np.stack([NUMBERS > 0, ROWS["c"] > 0], axis=1).astype(int)
FEW = ROWS.to_numpy()[:4]

MODELS: dict[str, tuple[Any, Any, tuple[str, ...]]] = {
    "mixture": (GaussianMixture(2, random_state=0), None, ("probabilities", "scores")),
    "scaled_mixture": (
        make_pipeline(StandardScaler(), GaussianMixture(2)),
        None,
        ("probabilities", "scores"),
    ),
    "process": (GaussianProcessRegressor(alpha=0.1), NUMBERS, ("std",)),
    "scaled_ridge": (make_pipeline(StandardScaler(), BayesianRidge()), NUMBERS, ("std",)),
    "searched_ridge": (GridSearchCV(BayesianRidge(), {"max_iter": [50]}, cv=2), NUMBERS, ("std",)),
    "forest": (IsolationForest(n_estimators=5, random_state=0), None, ("decision", "scores")),
    "means": (KMeans(3, n_init=1, random_state=0), None, ("distances",)),
    "scaled_means": (make_pipeline(StandardScaler(), KMeans(3, n_init=1)), None, ("distances",)),
    "discriminant": (LinearDiscriminantAnalysis(), LABELS, ("probabilities", "decision", "embedding")),
    "cannot_transform": (LinearDiscriminantAnalysis(solver="lsqr"), LABELS, ("probabilities", "decision")),
    "partial": (PLSRegression(2), NUMBERS, ("embedding",)),
    "several": (MultiOutputClassifier(LogisticRegression()), FLAGS, ("probabilities",)),
    "chain": (ClassifierChain(LogisticRegression()), FLAGS, ("probabilities", "decision")),
    "trees": (RandomForestClassifier(5, random_state=0), FLAGS, ("probabilities",)),
    "rest": (OneVsRestClassifier(LogisticRegression()), FLAGS, ("probabilities", "decision")),
    "network": (
        make_pipeline(StandardScaler(), MLPClassifier((2,), tol=0.1, n_iter_no_change=1)),
        FLAGS,
        ("probabilities",),
    ),
    "stack": (
        StackingClassifier([("near", KNeighborsClassifier(3))], DummyClassifier(), cv=2),
        FLAGS,
        ("probabilities",),
    ),
    "near": (KNeighborsClassifier(3), FLAGS, ("probabilities",)),
    "votes": (
        VotingClassifier([("one", LogisticRegression())], voting="soft"),
        LABELS,
        ("probabilities",),
    ),
    "line": (LinearRegression(), NUMBERS, ()),
    "components": (make_pipeline(StandardScaler(), PCA(2)), None, ("scores",)),
    "words": (
        make_pipeline(KBinsDiscretizer(3, encode="ordinal", quantile_method="linear"), OneHotEncoder()),
        None,
        (),
    ),
    "lines": (MultiOutputRegressor(LinearRegression()), np.stack([NUMBERS, -NUMBERS], axis=1), ()),
}


def own(estimator: Any, output: str) -> Any:
    """What the estimator itself answers."""
    best = getattr(estimator, "best_estimator_", estimator)
    if output == "std":
        return best.predict(FEW, return_std=True)[1]
    names = {"probabilities": "predict_proba", "decision": "decision_function", "scores": "score_samples"}
    return getattr(estimator, names.get(output, "transform"))(FEW)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """The models by name, published."""
    folder = tmp_path_factory.mktemp("outputs") / "models"
    for name, (estimator, target, _) in MODELS.items():
        publish_fitted(folder, name, estimator.fit(ROWS.to_numpy(), target), ROWS)
    return folder, {name: estimator for name, (estimator, _, _) in MODELS.items()}


@pytest.fixture(scope="module")
def asked(fitted: tuple[Path, dict[str, Any]]) -> FlaskClient:
    return create_app(settings_for(fitted[0])).test_client()


@pytest.mark.parametrize("name", MODELS)
def test_a_version_gives_what_its_estimator_can(asked: FlaskClient, fitted: Any, name: str) -> None:
    outputs = MODELS[name][2]
    estimator = fitted[1][name]
    include = f"?include={','.join(outputs)}" if outputs else ""

    answer = asked.post(f"/predict/{name}{include}", json={"X": FEW.tolist()}).get_json()

    EstimatorResponse().load(answer)
    assert asked.get(f"/models/{name}/versions/1").get_json()["outputs"] == list(outputs)
    predict = getattr(estimator, "predict", None) or estimator.transform
    np.testing.assert_array_equal(np.shape(answer["prediction"]), predict(FEW).shape)
    for output in outputs:
        expected = own(estimator, output)
        if isinstance(expected, list):
            expected = np.stack(expected, axis=1)
        elif name in ("chain", "rest", "network") and output == "probabilities":
            expected = np.stack([1 - expected, expected], axis=2)
        elif name == "stack":  # which gives the first class of each label
            expected = np.stack([expected, 1 - expected], axis=2)
        np.testing.assert_allclose(answer[output], expected, rtol=1e-9, err_msg=output)


@pytest.mark.parametrize(
    ("name", "classes"),
    [
        ("mixture", [0, 1]),
        ("several", [[0, 1], [0, 1]]),
        ("chain", [[0, 1], [0, 1]]),
        ("rest", [[0, 1], [0, 1]]),
        ("network", [[0, 1], [0, 1]]),
        ("stack", [[0, 1], [0, 1]]),
        ("discriminant", ["high", "low", "middle"]),
    ],
)
def test_probabilities_come_with_the_classes_of_each_target(
    asked: FlaskClient, name: str, classes: list[Any]
) -> None:
    answer = asked.post(f"/predict/{name}?include=probabilities", json={"X": FEW.tolist()}).get_json()

    assert answer["classes"] == classes
    chances = np.array(answer["probabilities"])
    assert chances.shape[1:] == np.shape(classes)
    np.testing.assert_allclose(chances.sum(axis=-1), 1)


def test_the_likeliest_classes_are_those_of_one_target(asked: FlaskClient) -> None:
    assert asked.post("/predict/mixture?top=1", json={"X": FEW.tolist()}).status_code == 200
    refused = asked.post("/predict/several?top=1", json={"X": FEW.tolist()})
    assert refused.status_code == 422
    assert "this model has several" in refused.get_json()["detail"]


@pytest.mark.parametrize(
    ("name", "output"), [("line", "std"), ("cannot_transform", "embedding"), ("votes", "embedding")]
)
def test_what_a_version_cannot_give_is_refused_with_what_it_can(
    asked: FlaskClient, name: str, output: str
) -> None:
    refused = asked.post(f"/predict/{name}?include={output}", json={"X": FEW.tolist()})

    assert refused.status_code == 422
    assert f"cannot include '{output}'; can include" in refused.get_json()["detail"]


class Between(LinearRegression):
    """It says how sure it is, as conformal regressors do."""

    coverage_ = 0.75

    def predict_interval(self, rows: Any) -> Any:
        middle = self.predict(rows)
        return np.stack([middle - 1, middle + 1], axis=1)


def test_intervals_come_with_their_coverage(tmp_path: Path) -> None:
    model = Between().fit(ROWS.to_numpy(), NUMBERS)
    publish_fitted(tmp_path / "models", "between", model, ROWS)
    client = create_app(settings_for(tmp_path / "models")).test_client()

    answer = client.post("/predict/between?include=interval", json={"X": FEW.tolist()}).get_json()
    without = client.post("/predict/between", json={"X": FEW.tolist()}).get_json()

    EstimatorResponse().load(answer)
    assert answer["coverage"] == 0.75
    np.testing.assert_allclose(answer["interval"], model.predict_interval(FEW), rtol=1e-9)
    assert not {"coverage", "interval"} & set(without)


def test_targets_with_unequally_many_classes_have_lists_of_unequal_length(tmp_path: Path) -> None:
    targets = np.stack([LABELS, np.where(NUMBERS > 0, "up", "down")], axis=1)
    neighbors = KNeighborsClassifier(3).fit(ROWS.to_numpy(), targets)
    publish_fitted(tmp_path / "models", "uneven", neighbors, ROWS)
    client = create_app(settings_for(tmp_path / "models")).test_client()

    answer = client.post("/predict/uneven?include=probabilities", json={"X": FEW.tolist()}).get_json()

    EstimatorResponse().load(answer)
    assert answer["classes"] == [["high", "low", "middle"], ["down", "up"]]
    expected = [list(map(list, row)) for row in zip(*neighbors.predict_proba(FEW), strict=True)]
    assert answer["probabilities"] == expected

"""Writes a folder of files beside it: run in an environment that has another release of scikit-learn.

Those here are of scikit-learn 1.3.2 and 1.5.2 with numpy 1.26.4; of 1.6.1, 1.7.2 and 1.8.0 with 2.4.6.
"""

import json
from pathlib import Path

import joblib
import numpy as np
import sklearn
from sklearn.compose import make_column_transformer
from sklearn.datasets import load_iris
from sklearn.ensemble import (
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    IsolationForest,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import KBinsDiscretizer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

ESTIMATORS = {
    "linear": LinearRegression(),
    "logistic": make_pipeline(StandardScaler(), LogisticRegression()),
    "columns": make_pipeline(
        make_column_transformer((StandardScaler(), [0, 1]), (KBinsDiscretizer(3), [2])), LogisticRegression()
    ),
    "machine": SVC(),
    "neighbours": KNeighborsClassifier(),
    "tree": DecisionTreeClassifier(max_depth=3, random_state=0),
    "forest": RandomForestClassifier(3, max_depth=3, random_state=0),
    "boosting": HistGradientBoostingClassifier(max_iter=2),
    "older-boosting": GradientBoostingRegressor(n_estimators=2),
    "outliers": IsolationForest(n_estimators=2, max_samples=20, random_state=0),
    "search": GridSearchCV(DecisionTreeClassifier(random_state=0), {"max_depth": [2, 3]}, cv=2),
}

ROWS = 60
"""As many rows are answered, every other one."""

NUMBERS = {"linear", "older-boosting"}


def main() -> None:
    flowers, species = load_iris(return_X_y=True)
    folder = Path(__file__).parent / sklearn.__version__
    folder.mkdir(exist_ok=True)
    answers = {}
    for name, estimator in ESTIMATORS.items():
        estimator.fit(flowers, flowers[:, 0] * 2.0 if name in NUMBERS else species)
        joblib.dump(estimator, folder / f"{name}.joblib", compress=3)
        right = {"prediction": estimator.predict(flowers[::2][:ROWS]).tolist()}
        if hasattr(estimator, "predict_proba"):
            right["probabilities"] = estimator.predict_proba(flowers[::2][:ROWS]).tolist()
        answers[name] = right
    versions = {"scikit-learn": sklearn.__version__, "numpy": np.__version__}
    (folder / "answers.json").write_text(json.dumps({"made by": versions, "answers": answers}) + "\n")


if __name__ == "__main__":
    main()

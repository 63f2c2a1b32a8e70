"""One decision tree, for classes or values."""

from scipy.stats import randint
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mlapi.estimators.algorithms import trees
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Algorithm, Parameter

ALGORITHM = Algorithm(
    name="decision_tree",
    builders={CLASSIFICATION: DecisionTreeClassifier, REGRESSION: DecisionTreeRegressor},
    bare={CLASSIFICATION: DecisionTreeClassifier, REGRESSION: DecisionTreeRegressor},
    parameters={
        **trees.PARAMETERS,
        "max_features": Parameter(
            None,
            "The share of features that each question may choose from.",
            float,
            minimum=0,
            maximum=1,
            above=True,
            choices=(None, "sqrt", "log2"),
        ),
        "ccp_alpha": Parameter(
            0.0, "What a leaf must save to be kept when the grown tree is pruned.", float, minimum=0
        ),
    },
    recognises=(DecisionTreeClassifier, DecisionTreeRegressor),
    classes=(
        "sklearn.tree._classes.DecisionTreeClassifier",
        "sklearn.tree._classes.DecisionTreeRegressor",
        "sklearn.tree._tree.Tree",
    ),
    # The ranges of auto-sklearn's decision_tree, but for leaves, which many rows want larger.
    search=(
        {
            "max_depth": [None, 3, 4, 5, 6, 8, 10, 15, 20],
            "min_samples_leaf": [1, 2, 5, 10, 20, 50, 100],
            "min_samples_split": randint(2, 21),
        },
    ),
    at_scale=trees.at_scale,
    splits=True,
    seeded=True,
)

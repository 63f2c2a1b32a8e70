"""Gradient boosting: trees one after the other, each for what those before it got wrong."""

from scipy.stats import loguniform, uniform
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION, Algorithm, Parameter

ALGORITHM = Algorithm(
    name="gradient_boosting",
    builders={CLASSIFICATION: HistGradientBoostingClassifier, REGRESSION: HistGradientBoostingRegressor},
    bare={CLASSIFICATION: HistGradientBoostingClassifier, REGRESSION: HistGradientBoostingRegressor},
    parameters={
        "learning_rate": Parameter(0.1, "How much of each tree counts.", float, minimum=0, above=True),
        "max_iter": Parameter(100, "The most trees, for each class.", int, minimum=1, maximum=10_000),
        "max_leaf_nodes": Parameter(
            31, "The most leaves of a tree.", int, minimum=2, maximum=65_536, choices=(None,)
        ),
        "max_depth": Parameter(
            None, "The most questions in a row.", int, minimum=1, maximum=1000, choices=(None,)
        ),
        "min_samples_leaf": Parameter(
            20, "The fewest rows that a leaf may hold.", int, minimum=1, maximum=1e9
        ),
        "l2_regularization": Parameter(0.0, "Strength of the penalty on leaves.", float, minimum=0),
        "max_features": Parameter(
            1.0,
            "The share of features that each question may choose from.",
            float,
            minimum=0,
            maximum=1,
            above=True,
        ),
        # scikit-learn's "auto" holds a tenth of more than 10,000 rows out, which a search does already.
        "early_stopping": Parameter(
            False, "Whether rows are held out, to stop when these are answered no better.", bool
        ),
        "class_weight": Parameter(
            None,
            "'balanced' weighs classes by their rarity.",
            choices=(None, "balanced"),
            tasks=(CLASSIFICATION,),
        ),
    },
    recognises=(HistGradientBoostingClassifier, HistGradientBoostingRegressor),
    classes=(
        "numpy.random._pcg64.PCG64",
        "numpy.random._pickle.__bit_generator_ctor",
        "numpy.random._pickle.__generator_ctor",
        "numpy.random.bit_generator.SeedSequence",
        "numpy.random.bit_generator.__pyx_unpickle_SeedSequence",
        "sklearn._loss._loss.CyHalfBinomialLoss",
        "sklearn._loss._loss.CyHalfMultinomialLoss",
        "sklearn._loss._loss.CyHalfSquaredError",
        "sklearn._loss._loss.__pyx_unpickle_CyHalfMultinomialLoss",
        "sklearn._loss.link.IdentityLink",
        "sklearn._loss.link.Interval",
        "sklearn._loss.link.LogitLink",
        "sklearn._loss.link.MultinomialLogit",
        "sklearn._loss.loss.HalfBinomialLoss",
        "sklearn._loss.loss.HalfMultinomialLoss",
        "sklearn._loss.loss.HalfSquaredError",
        "sklearn.ensemble._hist_gradient_boosting.binning._BinMapper",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier",
        "sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingRegressor",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.preprocessing._label.LabelEncoder",
    ),
    # auto-sklearn's gradient_boosting, with fewer leaves at most (its 2,047 take minutes) and slower at most.
    search=(
        {
            "learning_rate": loguniform(0.01, 0.5),
            "max_iter": [50, 100, 200, 400],
            "max_leaf_nodes": [3, 7, 15, 31, 63, 127, 255],
            "min_samples_leaf": [1, 2, 5, 10, 20, 50, 100, 200],
            "l2_regularization": loguniform(1e-10, 1.0),
            "max_features": uniform(0.3, 0.7),
        },
    ),
    dense=True,
    splits=True,
    seeded=True,
)

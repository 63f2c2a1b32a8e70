"""Named sets of classes that somebody can allow at once: of libraries that people fit beside scikit-learn.

Each class was read for what its `__setstate__` and `__reduce__` do, and is made empty, never called. What a
set asks to be trusted with, besides, is said with it: a booster's own format is read by its library's C++,
which no check of ours looks into. That is why none is allowed unasked.
"""

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class NamedSet(NamedTuple):
    """The classes of one library."""

    names: frozenset[str]
    """By full name."""
    trusts: str
    """What somebody who allows the set trusts, besides these classes: half a sentence."""


_PANDAS = (
    *("pandas.CategoricalDtype", "pandas.DataFrame", "pandas.Index", "pandas.NA", "pandas.RangeIndex"),
    *("pandas.Series", "pandas.StringDtype", "pandas._libs.internals._unpickle_block"),
    *("pandas.arrays.ArrowStringArray", "pandas.core.indexes.base._new_Index"),
    *("pandas.core.internals.managers.BlockManager", "pandas.core.internals.managers.SingleBlockManager"),
    *("pyarrow.lib._restore_array", "pyarrow.lib.py_buffer", "pyarrow.lib.type_for_alias"),
)
"""What frames and series are pickled as (pandas 3)."""

_UNDER = "imblearn.under_sampling._prototype_"

_ANSWERS = ("Classifier", "Regressor")

SETS: Mapping[str, NamedSet] = {
    "catboost": NamedSet(
        frozenset(f"catboost.core.CatBoost{what}" for what in ("", "Classifier", "Ranker", "Regressor")),
        "CatBoost's C++ to read the booster in its own format",
    ),
    "category-encoders": NamedSet(
        frozenset(
            {
                *_PANDAS,
                *(
                    f"category_encoders.{name}"
                    for name in (
                        *("backward_difference.BackwardDifferenceEncoder", "basen.BaseNEncoder"),
                        *("binary.BinaryEncoder", "cat_boost.CatBoostEncoder", "count.CountEncoder"),
                        *("count_target.CountTargetEncoder", "glmm.GLMMEncoder", "gray.GrayEncoder"),
                        *(
                            "hashing.HashingEncoder",
                            "helmert.HelmertEncoder",
                            "james_stein.JamesSteinEncoder",
                        ),
                        *("leave_one_out.LeaveOneOutEncoder", "m_estimate.MEstimateEncoder"),
                        *("multi_hot.MultiHotEncoder", "one_hot.OneHotEncoder", "ordinal.OrdinalEncoder"),
                        *("polynomial.PolynomialEncoder", "quantile_encoder.QuantileEncoder"),
                        *(
                            "quantile_encoder.SummaryEncoder",
                            "rankhot.RankHotEncoder",
                            "sum_coding.SumEncoder",
                        ),
                        *("target_encoder.TargetEncoder", "woe.WOEEncoder"),
                    )
                ),
            }
        ),
        "pandas to read its frames, and pyarrow the words in them from raw memory",
    ),
    "imbalanced-learn": NamedSet(
        frozenset(
            {
                "imblearn.pipeline.Pipeline",
                *(f"imblearn.combine._smote_{name}" for name in ("enn.SMOTEENN", "tomek.SMOTETomek")),
                *(
                    f"imblearn.ensemble._{name}"
                    for name in (
                        *("bagging.BalancedBaggingClassifier", "easy_ensemble.EasyEnsembleClassifier"),
                        *("forest.BalancedRandomForestClassifier", "weight_boosting.RUSBoostClassifier"),
                    )
                ),
                *(
                    f"imblearn.over_sampling._{name}"
                    for name in (
                        *("adasyn.ADASYN", "random_over_sampler.RandomOverSampler", "smote.base.SMOTE"),
                        *("smote.base.SMOTEN", "smote.base.SMOTENC", "smote.cluster.KMeansSMOTE"),
                        *("smote.filter.BorderlineSMOTE", "smote.filter.SVMSMOTE"),
                    )
                ),
                f"{_UNDER}generation._cluster_centroids.ClusterCentroids",
                *(
                    f"{_UNDER}selection._{name}"
                    for name in (
                        *("condensed_nearest_neighbour.CondensedNearestNeighbour",),
                        *("edited_nearest_neighbours.AllKNN", "nearmiss.NearMiss", "tomek_links.TomekLinks"),
                        *("edited_nearest_neighbours.EditedNearestNeighbours",),
                        *("edited_nearest_neighbours.RepeatedEditedNearestNeighbours",),
                        *("instance_hardness_threshold.InstanceHardnessThreshold",),
                        *("neighbourhood_cleaning_rule.NeighbourhoodCleaningRule",),
                        *("one_sided_selection.OneSidedSelection",),
                        *("random_under_sampler.RandomUnderSampler",),
                    )
                ),
            }
        ),
        "Python code alone: no answer calls its samplers",
    ),
    "lightgbm": NamedSet(
        frozenset(
            {
                *("lightgbm.basic.Booster", "lightgbm.sklearn.LGBMClassifier", "lightgbm.sklearn.LGBMModel"),
                *("lightgbm.sklearn.LGBMRanker", "lightgbm.sklearn.LGBMRegressor"),
                *(f"mlapi.estimators.external.lightgbm_booster.LightGBM{name}" for name in _ANSWERS),
            }
        ),
        "LightGBM's C++ to read the booster's text",
    ),
    "mapie": NamedSet(
        frozenset(
            {
                "mlapi.estimators.external.conformal.ConformalRegressor",
                *(
                    f"mapie.conformity_scores.bounds.{name}"
                    for name in (
                        *("absolute.AbsoluteConformityScore", "gamma.GammaConformityScore"),
                        *("quantile.AbsoluteQuantileRegressionScore", "quantile.QuantileRegressionScore"),
                        *("residuals.ResidualNormalisedScore", "std_normalised.StdConformityScore"),
                    )
                ),
                *(f"mapie.estimator.regressor.Ensemble{what}Regressor" for what in ("", "Std")),
                *(
                    f"mapie.regression.quantile_regression.{name}"
                    for name in (
                        "ConformalizedQuantileRegressor",
                        "CrossConformalizedQuantileRegressor",
                        "_MapieQuantileRegressor",
                    )
                ),
                *(
                    f"mapie.regression.regression.{name}"
                    for name in (
                        *("CrossConformalRegressor", "JackknifeAfterBootstrapRegressor"),
                        *("SplitConformalRegressor", "_MapieRegressor"),
                    )
                ),
                *(f"mapie.subsample.{name}" for name in ("BlockBootstrap", "Subsample")),
            }
        ),
        "Python code alone: intervals around what the estimators within predict",
    ),
    "onnx": NamedSet(
        frozenset(f"mlapi.estimators.external.onnx_model.Onnx{kind}" for kind in ("Classifier", "Regressor")),
        "onnxruntime's C++ to run a graph of operators, whatever that costs",
    ),
    "xgboost": NamedSet(
        frozenset(
            {
                "xgboost.core.Booster",
                *(
                    f"xgboost.sklearn.XGB{name}"
                    for name in ("Classifier", "Model", "RFClassifier", "RFRegressor", "Ranker", "Regressor")
                ),
            }
        ),
        "XGBoost's C++ to read the booster in its own format",
    ),
}
"""By name, as the library is called where it is installed from."""


def classes_of(names: Iterable[str]) -> frozenset[str]:
    """Return all classes of these sets."""
    return frozenset[str]().union(*(SETS[name].names for name in names))


def set_of(full: str) -> str | None:
    """Return the name of the set that a class is in; None if it is in none."""
    return next((name for name, known in SETS.items() if full in known.names), None)


MADE_EMPTY = classes_of(SETS) - frozenset(_PANDAS)
"""Those of them of which a pickle makes an object without arguments, which then gets a dictionary as its
state: called, a booster's class would open the file that an argument names."""

"""scikit-learn's own estimators that are loaded although nobody has allowed them: a table, and why.

Each class was read with a hostile state in mind (scikit-learn 1.9): what its `__setstate__`, its compiled
code and its loops do with attributes that `fit` never makes. A class whose answers Python and numpy alone
compute needs no check: numpy looks before it reads, and a wrong attribute ends in an exception. What follows
an attribute without looking, or takes memory or time by a number in it, has a check.

Out on purpose, to be allowed by whoever trusts the file: DictVectorizer and FeatureHasher (their rows are
dictionaries), IterativeImputer (experimental), PairwiseKernel (it calls a metric with any arguments),
KernelDensity, DBSCAN and whatever else does not answer for new rows, `functools.partial` (it calls any
function with any arguments), and pandas' objects (pyarrow rebuilds them from raw memory).
"""

from collections.abc import Callable, Mapping

from mlapi.artifacts.pickles.fitted import columns as column_invariants
from mlapi.artifacts.pickles.fitted import distances
from mlapi.artifacts.pickles.fitted import estimators as checks
from mlapi.artifacts.pickles.fitted.attributes import FittedAttributes

_BY_NUMPY = {
    "sklearn.cross_decomposition._pls": ("CCA", "PLSCanonical", "PLSRegression", "PLSSVD"),
    "sklearn.decomposition._factor_analysis": ("FactorAnalysis",),
    "sklearn.decomposition._fastica": ("FastICA",),
    "sklearn.decomposition._incremental_pca": ("IncrementalPCA",),
    "sklearn.decomposition._pca": ("PCA",),
    "sklearn.decomposition._truncated_svd": ("TruncatedSVD",),
    "sklearn.discriminant_analysis": ("LinearDiscriminantAnalysis", "QuadraticDiscriminantAnalysis"),
    "sklearn.ensemble._weight_boosting": ("AdaBoostClassifier", "AdaBoostRegressor"),
    "sklearn.ensemble._bagging": ("BaggingClassifier", "BaggingRegressor"),
    "sklearn.ensemble._voting": ("VotingClassifier", "VotingRegressor"),
    "sklearn.feature_selection._rfe": ("RFE", "RFECV"),
    "sklearn.feature_selection._sequential": ("SequentialFeatureSelector",),
    "sklearn.feature_selection._univariate_selection": (
        *(
            "GenericUnivariateSelect",
            "SelectFdr",
            "SelectFpr",
            "SelectFwe",
            "SelectKBest",
            "SelectPercentile",
        ),
    ),
    "sklearn.feature_selection._variance_threshold": ("VarianceThreshold",),
    "sklearn.frozen._frozen": ("FrozenEstimator",),
    "sklearn.gaussian_process._gpc": ("GaussianProcessClassifier", "_BinaryGaussianProcessClassifierLaplace"),
    "sklearn.gaussian_process._gpr": ("GaussianProcessRegressor",),
    "sklearn.gaussian_process.kernels": (
        *(
            "CompoundKernel",
            "ConstantKernel",
            "DotProduct",
            "ExpSineSquared",
            "Exponentiation",
        ),
        *("Matern", "Product", "RBF", "RationalQuadratic", "Sum", "WhiteKernel"),
    ),
    "sklearn.kernel_approximation": ("RBFSampler", "SkewedChi2Sampler"),
    "sklearn.linear_model._ransac": ("RANSACRegressor",),
    "sklearn.metrics._scorer": ("_CurveScorer", "_MultimetricScorer", "_PassthroughScorer", "_Scorer"),
    "sklearn.mixture._bayesian_mixture": ("BayesianGaussianMixture",),
    "sklearn.mixture._gaussian_mixture": ("GaussianMixture",),
    "sklearn.model_selection._search": ("GridSearchCV", "RandomizedSearchCV"),
    "sklearn.model_selection._search_successive_halving": ("HalvingGridSearchCV", "HalvingRandomSearchCV"),
    "sklearn.model_selection._split": (
        *("GroupKFold", "KFold", "LeaveOneOut", "RepeatedKFold", "RepeatedStratifiedKFold", "ShuffleSplit"),
        *("StratifiedGroupKFold", "StratifiedKFold", "StratifiedShuffleSplit", "TimeSeriesSplit"),
    ),
    "sklearn.multiclass": (
        "OneVsOneClassifier",
        "OneVsRestClassifier",
        "OutputCodeClassifier",
        "_ConstantPredictor",
    ),
    "sklearn.multioutput": ("MultiOutputClassifier", "MultiOutputRegressor"),
    "sklearn.naive_bayes": ("BernoulliNB", "CategoricalNB", "ComplementNB", "GaussianNB", "MultinomialNB"),
    "sklearn.neighbors._nca": ("NeighborhoodComponentsAnalysis",),
    "sklearn.neural_network._multilayer_perceptron": ("MLPClassifier", "MLPRegressor"),
    "sklearn.neural_network._rbm": ("BernoulliRBM",),
    "sklearn.neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "sklearn.pipeline": ("FeatureUnion",),
    "sklearn.preprocessing._data": (
        *("Binarizer", "KernelCenterer", "MaxAbsScaler", "MinMaxScaler", "Normalizer", "PowerTransformer"),
        *("QuantileTransformer", "RobustScaler"),
    ),
    "sklearn.preprocessing._label": ("LabelBinarizer", "MultiLabelBinarizer"),
    "sklearn.preprocessing._target_encoder": ("TargetEncoder",),
    "sklearn.random_projection": ("GaussianRandomProjection", "SparseRandomProjection"),
    "sklearn.semi_supervised._self_training": ("SelfTrainingClassifier",),
    "sklearn.utils._bunch": ("Bunch",),
    "sklearn.utils._metadata_requests": ("MetadataRequest", "MethodMetadataRequest"),
    "sklearn._loss.link": ("HalfLogitLink", "LogLink"),
    "sklearn._loss.loss": (
        *("AbsoluteError", "ExponentialLoss", "HalfGammaLoss", "HalfPoissonLoss", "HalfTweedieLoss"),
        *("HalfTweedieLossIdentity", "HuberLoss", "PinballLoss"),
    ),
}
"""By module, the classes whose attributes Python, numpy and scipy use alone, which look before they read.

A Gaussian process solves systems of its own size. A search, a selector, a vote or a network of layers asks
the estimators within, each of which is checked itself, or multiplies arrays."""

_LINEAR = {
    "sklearn.linear_model._bayes": ("ARDRegression", "BayesianRidge"),
    "sklearn.linear_model._coordinate_descent": (
        *("ElasticNetCV", "LassoCV", "MultiTaskElasticNet", "MultiTaskElasticNetCV", "MultiTaskLasso"),
        "MultiTaskLassoCV",
    ),
    "sklearn.linear_model._glm.glm": ("GammaRegressor", "PoissonRegressor", "TweedieRegressor"),
    "sklearn.linear_model._huber": ("HuberRegressor",),
    "sklearn.linear_model._least_angle": ("Lars", "LarsCV", "LassoLars", "LassoLarsCV", "LassoLarsIC"),
    "sklearn.linear_model._logistic": ("LogisticRegressionCV",),
    "sklearn.linear_model._omp": ("OrthogonalMatchingPursuit", "OrthogonalMatchingPursuitCV"),
    "sklearn.linear_model._passive_aggressive": ("PassiveAggressiveClassifier", "PassiveAggressiveRegressor"),
    "sklearn.linear_model._perceptron": ("Perceptron",),
    "sklearn.linear_model._quantile": ("QuantileRegressor",),
    "sklearn.linear_model._ridge": ("RidgeCV", "RidgeClassifier", "RidgeClassifierCV", "_RidgeGCV"),
    "sklearn.linear_model._stochastic_gradient": ("SGDClassifier", "SGDOneClassSVM", "SGDRegressor"),
    "sklearn.linear_model._theil_sen": ("TheilSenRegressor",),
}
"""By module, the linear models: coefficients that fit the features."""

_CHECKED: Mapping[str, Callable[[FittedAttributes], None]] = {
    **{
        f"sklearn.{module}.{name}": check
        for check, classes in (
            (distances.clusters, {"cluster._kmeans": ("KMeans", "MiniBatchKMeans")}),
            (distances.bisecting, {"cluster._bisect_k_means": ("BisectingKMeans",)}),
            (distances.bisecting_node, {"cluster._bisect_k_means": ("_BisectingTree",)}),
            (
                distances.centers,
                {
                    "cluster._affinity_propagation": ("AffinityPropagation",),
                    "cluster._mean_shift": ("MeanShift",),
                },
            ),
            (distances.agglomeration, {"cluster._agglomerative": ("FeatureAgglomeration",)}),
            (distances.envelope, {"covariance._elliptic_envelope": ("EllipticEnvelope",)}),
            (
                checks.factorization,
                {
                    "decomposition._nmf": ("MiniBatchNMF", "NMF"),
                    "decomposition._lda": ("LatentDirichletAllocation",),
                },
            ),
            (
                checks.dictionary,
                {
                    "decomposition._dict_learning": (
                        "DictionaryLearning",
                        "MiniBatchDictionaryLearning",
                        "SparseCoder",
                    ),
                    "decomposition._sparse_pca": ("MiniBatchSparsePCA", "SparsePCA"),
                },
            ),
            (
                distances.kernel_method,
                {"decomposition._kernel_pca": ("KernelPCA",), "kernel_ridge": ("KernelRidge",)},
            ),
            (
                distances.propagation,
                {"semi_supervised._label_propagation": ("LabelPropagation", "LabelSpreading")},
            ),
            (checks.dummy, {"dummy": ("DummyClassifier", "DummyRegressor")}),
            (checks.isolation_forest, {"ensemble._iforest": ("IsolationForest",)}),
            (checks.embedding, {"ensemble._forest": ("RandomTreesEmbedding",)}),
            (
                checks.stacking,
                {
                    "ensemble._stacking": ("StackingClassifier", "StackingRegressor"),
                    "multioutput": ("ClassifierChain", "RegressorChain"),
                    "model_selection._classification_threshold": (
                        *("FixedThresholdClassifier", "TunedThresholdClassifierCV"),
                    ),
                },
            ),
            (checks.hashing, {"feature_extraction.text": ("HashingVectorizer",)}),
            (checks.selector, {"feature_selection._from_model": ("SelectFromModel",)}),
            (distances.knn_imputer, {"impute._knn": ("KNNImputer",)}),
            (checks.anything, {"isotonic": ("IsotonicRegression",)}),  # `unpickling` looks at its state
            (checks.sketch, {"kernel_approximation": ("AdditiveChi2Sampler", "PolynomialCountSketch")}),
            (
                distances.manifold,
                {"manifold._isomap": ("Isomap",), "manifold._locally_linear": ("LocallyLinearEmbedding",)},
            ),
            (
                distances.neighbors,
                {
                    "neighbors._classification": ("KNeighborsClassifier", "RadiusNeighborsClassifier"),
                    "neighbors._regression": ("KNeighborsRegressor", "RadiusNeighborsRegressor"),
                    "neighbors._graph": ("KNeighborsTransformer", "RadiusNeighborsTransformer"),
                    "neighbors._unsupervised": ("NearestNeighbors",),
                    "neighbors._lof": ("LocalOutlierFactor",),
                },
            ),
            (distances.centroids, {"neighbors._nearest_centroid": ("NearestCentroid",)}),
            (checks.discretizer, {"preprocessing._discretization": ("KBinsDiscretizer",)}),
            (checks.function, {"preprocessing._function_transformer": ("FunctionTransformer",)}),
            (column_invariants.splines, {"preprocessing._polynomial": ("SplineTransformer",)}),
        )
        for module, names in classes.items()
        for name in names
    },
    "scipy.interpolate._bsplines.BSpline": checks.b_spline,
    "sklearn.cluster._birch.Birch": distances.birch,
    "sklearn.cluster._birch._CFNode": distances.birch_node,
    "sklearn.cluster._birch._CFSubcluster": distances.birch_node,
}
"""By class, the check of what its compiled code or its loops follow."""


def _names(classes: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [f"{module}.{name}" for module, names in classes.items() for name in names]


AUDITED: Mapping[str, Callable[[FittedAttributes], None]] = {
    **dict.fromkeys(_names(_BY_NUMPY), checks.anything),
    **dict.fromkeys(_names(_LINEAR), checks.linear),
    **_CHECKED,
}
"""By class, the check of its attributes."""

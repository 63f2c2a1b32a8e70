"""Fitted estimators around others -> `mlapi.inference.compiled.committees` and
`mlapi.inference.compiled.wrappers`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import StackingClassifier, StackingRegressor, VotingClassifier, VotingRegressor
from sklearn.model_selection import FixedThresholdClassifier, TunedThresholdClassifierCV

from mlapi.inference.compiled.committees import HardVote, MeanValue, Member, SoftVote, Stack
from mlapi.inference.compiled.final_estimator import (
    DECISION_FUNCTION,
    PREDICT,
    PREDICT_PROBA,
    Uncompilable,
)
from mlapi.inference.compiled.linear import Linear
from mlapi.inference.compiled.wrappers import CalibratedMean, Calibrator, Threshold


class Members(Protocol):
    """Compiles estimators within others. Its methods raise Uncompilable where one is not known exactly."""

    def quick(self, estimator: Any) -> Member:
        """Return what answers by the quickest path, and says how far it may be from scikit-learn's."""
        ...

    def exact(self, estimator: Any) -> Member:
        """Return what gives scikit-learn's numbers to the last bit."""
        ...

    def final(self, estimator: Any) -> Member:
        """Return what answers the matrix that other members make: a linear model, or what is exact."""
        ...


Committee: TypeAlias = SoftVote | HardVote | MeanValue | Stack | CalibratedMean | Threshold
"""What estimators around others are compiled to."""


def _voting_classifier(voting: VotingClassifier, members: Members) -> Committee:
    vote = SoftVote if voting.voting == "soft" else HardVote
    return vote(list(map(members.quick, voting.estimators_)), voting._weights_not_none, _labels(voting))


def _voting_regressor(voting: VotingRegressor, members: Members) -> Committee:
    return MeanValue(list(map(members.quick, voting.estimators_)), voting._weights_not_none)


def _stacking(stacking: Any, members: Members) -> Committee:
    """
    Raises:
        Uncompilable: The last estimator gets more than numbers of the others, or there are several targets.
    """
    if stacking.passthrough or isinstance(getattr(stacking, "_label_encoder", None), list):
        raise Uncompilable
    is_classifier = isinstance(stacking, StackingClassifier)
    if is_classifier and PREDICT in stacking.stack_method_:
        raise Uncompilable  # labels, which need not be numbers
    final = members.final(stacking.final_estimator_)
    compile_member = members.quick if isinstance(final, Linear) else members.exact
    within = list(map(compile_member, stacking.estimators_))
    return Stack(within, stacking.stack_method_, final, _labels(stacking) if is_classifier else None)


def _calibrated(calibrated: CalibratedClassifierCV, members: Members) -> Committee:
    within = [_one_calibrated(one, members) for one in calibrated.calibrated_classifiers_]
    return CalibratedMean(within, _labels(calibrated))


def _one_calibrated(one: Any, members: Members) -> tuple[Member, str, Sequence[tuple[int, Calibrator]]]:
    """Return a classifier, the method that is calibrated, and what that becomes by class.

    Raises:
        Uncompilable: It is calibrated in another way than by sigmoids or isotonic regression.
    """
    if one.method not in _CALIBRATIONS:
        raise Uncompilable
    classes, own = one.classes.tolist(), one.estimator.classes_.tolist()
    places = [1] if len(classes) == 2 else [classes.index(label) for label in own]
    method = DECISION_FUNCTION if hasattr(one.estimator, DECISION_FUNCTION) else PREDICT_PROBA
    calibrations = map(_CALIBRATIONS[one.method], one.calibrators)
    return members.quick(one.estimator), method, list(zip(places, calibrations, strict=True))


_CALIBRATIONS: Mapping[str, Callable[[Any], Calibrator]] = {
    "isotonic": lambda fitted: Calibrator(0.0, 0.0, *_points(fitted)),
    "sigmoid": lambda fitted: Calibrator(float(fitted.a_), float(fitted.b_), None, None),
}
"""By scikit-learn's name of a method, what compiles its calibrator."""


def _points(isotonic: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the points between which an isotonic regression interpolates, (points,) each.

    Raises:
        Uncompilable: It refuses values beyond them, or is not of float64.
    """
    points = isotonic.X_thresholds_, isotonic.y_thresholds_
    if isotonic.out_of_bounds != "clip" or any(line.dtype != np.float64 for line in points):
        raise Uncompilable
    return points


def _fixed_threshold(model: FixedThresholdClassifier, members: Members) -> Committee:
    return _threshold(model, members, model.threshold, model.pos_label)


def _tuned_threshold(model: TunedThresholdClassifierCV, members: Members) -> Committee:
    return _threshold(model, members, model.best_threshold_, model._curve_scorer._get_pos_label())


def _threshold(model: Any, members: Members, threshold: Any, positive: Any) -> Committee:
    """
    Args:
        threshold: The least score of the positive class, or "auto".
        positive: The label of that class; None for the second.
    """
    inner = getattr(model, "estimator_", model.estimator)
    asked = model._get_response_method()
    methods = [asked] if isinstance(asked, str) else asked
    method = next(method for method in methods if hasattr(inner, method))
    second = 1 if positive is None else inner.classes_.tolist().index(positive)
    if isinstance(threshold, str):
        threshold = 0.5 if method == PREDICT_PROBA else 0.0
    return Threshold(members.quick(inner), method, _labels(inner), second, float(threshold))


def _labels(estimator: Any) -> NDArray[Any]:
    """Return the labels of a classifier, (classes,).

    Raises:
        Uncompilable: They are not those of one target.
    """
    classes = estimator.classes_
    if not isinstance(classes, np.ndarray) or classes.ndim != 1:
        raise Uncompilable
    return classes


COMMITTEES: Mapping[type, Callable[[Any, Members], Committee]] = {
    CalibratedClassifierCV: _calibrated,
    FixedThresholdClassifier: _fixed_threshold,
    StackingClassifier: _stacking,
    StackingRegressor: _stacking,
    TunedThresholdClassifierCV: _tuned_threshold,
    VotingClassifier: _voting_classifier,
    VotingRegressor: _voting_regressor,
}
"""By class of an estimator around others, what compiles it."""

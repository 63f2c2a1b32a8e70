"""Estimators published from Python, by one call in the process that fitted them."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from compatibility.case import PUBLISH, Case

_KINDS = {"columns of one kind", "transformed targets", "texts", "labels", "several outputs"}

_TYPED = {"types of columns", "LightGBM", "XGBoost", "CatBoost"}


def again(cases: Iterable[Case]) -> Iterator[Case]:
    """Yield the cases whose data say more than a file of samples can, and some of others."""
    for case in cases:
        if case.kind in _KINDS or (case.kind in _TYPED and "from CSV" not in case.name):
            name = f"{case.kind}, {case.name}"
            yield replace(case, kind="published from Python", name=name, way=PUBLISH, is_own=False)

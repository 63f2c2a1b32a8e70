"""How an algorithm is declared: the estimator that it builds for each task, and the parameters that it
takes."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import ParameterSampler

CLASSIFICATION = "classification"
"""The task of predicting a label from a row of a table."""

REGRESSION = "regression"
"""The task of predicting a number from a row of a table."""

IMAGE_CLASSIFICATION = "image-classification"
"""The task of predicting a label from an image."""

EstimatorBuilder: TypeAlias = Callable[..., Any]
"""Parameters as keyword arguments -> an estimator that is not fitted."""

Parameters: TypeAlias = Mapping[str, Any]
"""By name, values of an algorithm's parameters."""

AtScale: TypeAlias = Callable[[Parameters, int], tuple[Parameters, str | None]]
"""Parameters and a number of rows -> parameters that can be fitted on so many, and a sentence if they
differ."""

MOST_DRAWS = 1000
"""How many candidates are drawn; a search tries the first of them."""


def _unchanged(parameters: Parameters, _: int) -> tuple[Parameters, str | None]:
    return parameters, None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an estimator, under scikit-learn's own name for it."""

    default: object
    help: str
    kind: type[bool] | type[int] | type[float] | None = None
    """The type of its values; None if it has `choices` alone."""
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    """Whether a number has to be above the minimum, and not the minimum itself."""
    choices: tuple[object, ...] = ()
    """Further values, beside those of its type."""
    tasks: tuple[str, ...] = (CLASSIFICATION, REGRESSION)
    """The tasks that have the parameter."""
    ours: bool = False
    """Whether scikit-learn's own estimator has no such parameter."""

    def problem(self, value: object) -> str | None:
        """Return what is wrong with a value, as a sentence; None if it is allowed."""
        if any(
            value is choice or (type(value) is type(choice) and value == choice) for choice in self.choices
        ):
            return None
        if self.kind is bool and isinstance(value, bool):
            return None
        if self.kind in (int, float) and self._is_in_range(value):
            return None
        return f"expected {self.expected}, got {value!r:.60}"

    @property
    def expected(self) -> str:
        """What values are allowed, in words."""
        return " or ".join(self._alternatives())

    def _is_in_range(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, int if self.kind is int else int | float):
            return False
        low = -float("inf") if self.minimum is None else self.minimum
        high = float("inf") if self.maximum is None else self.maximum
        return low <= value <= high and not (self.above and value == low) and abs(value) <= sys.float_info.max

    def _alternatives(self) -> Iterator[str]:
        if self.kind is bool:
            yield "true or false"
        elif self.kind is not None:
            number = "a whole number" if self.kind is int else "a number"
            low = "" if self.minimum is None else f" {'above' if self.above else 'from'} {self.minimum:g}"
            high = "" if self.maximum is None else f" up to {self.maximum:g}"
            yield number + low + high
        yield from (repr(choice) for choice in self.choices)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """An algorithm under its name in recipes, and what training makes of it."""

    name: str
    builders: Mapping[str, EstimatorBuilder]
    """By task, what builds an estimator of all parameters."""
    bare: Mapping[str, EstimatorBuilder]
    """By task, scikit-learn's own estimator with its own defaults; it takes the parameters that are not
    `ours`."""
    parameters: Mapping[str, Parameter]
    recognises: tuple[type, ...]
    """The classes of estimators that somebody else has fitted and that count as this algorithm."""
    classes: tuple[str, ...]
    """The classes that the pickle of a fitted estimator may name, by full name. Nothing else is
    imported."""
    search: tuple[Mapping[str, Any], ...] = ()
    """What a search draws from: mappings of a parameter to a distribution of scipy.stats or a list, as
    `sklearn.model_selection.ParameterSampler` takes them, each with one distribution at least."""
    start: Parameters = field(default_factory=dict)
    """The parameters to begin with where nobody has chosen any, if the defaults suit few tables."""
    tries_defaults: bool = True
    """Whether a search tries the defaults as well."""
    quick: Parameters = field(default_factory=dict)
    """Parameters that cost less and leave the predictions as they are, for fits that are only scored."""
    at_scale: AtScale = _unchanged
    bare_rows: int | None = None
    """The most rows that the `bare` estimators can be fitted on in reasonable time; None for any number."""
    dense: bool = False
    """Whether the estimator takes no sparse matrix."""
    splits: bool = False
    """Whether the estimator asks of one column at a time, as trees do: columns may add up."""
    seeded: bool = False
    """Whether the builders take `random_state`."""

    def problems(self, parameters: Mapping[str, object], task: str | None = None) -> Iterator[str]:
        """Yield a sentence for each parameter that is unknown, has a value that is not allowed, or is for
        another task than this one, if it is known."""
        for name, value in parameters.items():
            entry = self.parameters.get(name)
            if entry is None:
                yield f"{self.name} has no parameter {name!r}; it has {', '.join(self.parameters)}"
            elif task is not None and task not in entry.tasks:
                yield f"{name}: is for {' and '.join(entry.tasks)} only, and this is {task}"
            elif problem := entry.problem(value):
                yield f"{name}: {problem}"

    def complete(self, parameters: Parameters) -> dict[str, Any]:
        """Return all parameters: these values, and the defaults of the others."""
        defaults = {name: entry.default for name, entry in self.parameters.items()}
        return {name: self._typed(name, value) for name, value in (defaults | {**parameters}).items()}

    def build(self, task: str, parameters: Parameters, *, seed: int = 0) -> Any:
        """Return an estimator that is not fitted; missing parameters have their defaults.

        Parameters of other tasks are ignored.
        """
        chance = {"random_state": seed} if self.seeded else {}
        return self.builders[task](**self.complete_for(task, parameters), **chance)

    def complete_for(self, task: str, parameters: Parameters) -> dict[str, Any]:
        """Return all parameters that the task has, the missing ones with their defaults."""
        complete = self.complete(parameters).items()
        return {name: value for name, value in complete if task in self.parameters[name].tasks}

    def start_for(self, task: str) -> dict[str, Any]:
        """Return the parameters of `start` that this task has."""
        return {name: value for name, value in self.start.items() if task in self.parameters[name].tasks}

    def candidates(
        self, task: str, fixed: Parameters = MappingProxyType({}), *, seed: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Yield up to `MOST_DRAWS` draws from `search`, of plain Python values.

        Always all are drawn at once: of lists alone, fewer draws would be others.

        Args:
            fixed: Parameters that somebody has chosen, and that are not drawn.
        """
        spaces = list(self._free(task, fixed))
        if not spaces:
            return
        with warnings.catch_warnings(action="ignore"):  # of lists with few combinations, all drawn then
            draws = list(ParameterSampler(spaces, MOST_DRAWS, random_state=seed))
        for drawn in draws:
            yield {name: _plain(value) for name, value in drawn.items()}

    def _free(self, task: str, fixed: Parameters) -> Iterator[Mapping[str, Any]]:
        """Yield the spaces without the parameters that are fixed: those that allow their values, if any
        does."""
        for space in [space for space in self.search if _allows(space, fixed)] or self.search:
            free = {
                name: values
                for name, values in space.items()
                if name not in fixed and task in self.parameters[name].tasks
            }
            if free:
                yield free

    def _typed(self, name: str, value: Any) -> Any:
        """Return a whole number as a float, where a float is meant: scikit-learn takes `max_features=1` for a
        count, and 1.0 for a share."""
        return float(value) if self.parameters[name].kind is float and type(value) is int else value


def _allows(space: Mapping[str, Any], fixed: Parameters) -> bool:
    """Return whether the lists of a space have the values that are fixed."""
    return all(
        fixed[name] in values for name, values in space.items() if name in fixed and isinstance(values, list)
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

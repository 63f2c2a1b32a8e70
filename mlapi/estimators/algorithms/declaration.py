"""How an algorithm is declared: what it builds for each task, and the parameters that it takes."""

import sys
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

import numpy as np
from sklearn.model_selection import ParameterSampler

CLASSIFICATION = "classification"
REGRESSION = "regression"
IMAGE_CLASSIFICATION = "image-classification"

EstimatorBuilder: TypeAlias = Callable[..., Any]

Parameters: TypeAlias = Mapping[str, Any]
AtScale: TypeAlias = Callable[[Parameters, int], tuple[Parameters, str | None]]


MOST_DRAWS = 1000
"""So many candidates are drawn, of which a search tries the first."""


def _unchanged(parameters: Parameters, _: int) -> tuple[Parameters, str | None]:
    return parameters, None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an estimator, under scikit-learn's own name for it.

    A number lies from `minimum` (not itself, if `above`) to `maximum`; `choices` are further values. `tasks`
    are those that have the parameter; `ours` says that scikit-learn's estimator has no such one.
    """

    default: object
    help: str
    kind: type[bool] | type[int] | type[float] | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple[object, ...] = ()
    tasks: tuple[str, ...] = (CLASSIFICATION, REGRESSION)
    ours: bool = False

    def problem(self, value: object) -> str | None:
        """What is wrong with a value, or None."""
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
    """`builders` by task; `bare` are scikit-learn's own estimators by task, with its defaults, which take
    parameters that are not `ours`, and `bare_rows` the most rows that those take within reason. `recognises`
    are the classes of a foreign estimator that this one serves.

    `classes` are those that a fitted one's pickle names, `module.name`: nothing else is imported to load it.

    What training makes of it: `search` are distributions by parameter (scipy.stats, or lists), one mapping or
    several as `sklearn.model_selection.ParameterSampler` takes them, each with one distribution at least;
    `start` are parameters to begin with where nobody told any, if the defaults suit few tables, and
    `tries_defaults` says whether a search tries those as well;
    `quick` are parameters that leave the predictions as they are but cost less, where a fit is only scored.
    `at_scale` takes the parameters and a number of rows, and gives those that can be fitted on so many, with
    a sentence where they differ. `dense` says that the estimator takes no sparse matrix, `seeded` that its
    builders take `random_state`.
    """

    name: str
    builders: Mapping[str, EstimatorBuilder]
    bare: Mapping[str, EstimatorBuilder]
    parameters: Mapping[str, Parameter]
    recognises: tuple[type, ...]
    classes: tuple[str, ...]
    search: tuple[Mapping[str, Any], ...] = ()
    start: Parameters = field(default_factory=dict)
    tries_defaults: bool = True
    quick: Parameters = field(default_factory=dict)
    at_scale: AtScale = _unchanged
    bare_rows: int | None = None
    dense: bool = False
    seeded: bool = False

    def problems(self, parameters: Mapping[str, object], task: str | None = None) -> Iterator[str]:
        """Every parameter that is unknown, out of its range, or, where the task is known, of another one."""
        for name, value in parameters.items():
            entry = self.parameters.get(name)
            if entry is None:
                yield f"{self.name} has no parameter {name!r}; it has {', '.join(self.parameters)}"
            elif task is not None and task not in entry.tasks:
                yield f"{name}: is for {' and '.join(entry.tasks)} only, and this is {task}"
            elif problem := entry.problem(value):
                yield f"{name}: {problem}"

    def complete(self, parameters: Parameters) -> dict[str, Any]:
        """All parameters: those that are given, and the others' defaults."""
        defaults = {name: entry.default for name, entry in self.parameters.items()}
        return {name: self._typed(name, value) for name, value in (defaults | {**parameters}).items()}

    def build(self, task: str, parameters: Parameters, *, seed: int = 0) -> Any:
        """An estimator that is not fitted yet; what is not given has its default.

        Parameters of the other task count for nothing.
        """
        chance = {"random_state": seed} if self.seeded else {}
        return self.builders[task](**self.taken(task, parameters), **chance)

    def taken(self, task: str, parameters: Parameters) -> dict[str, Any]:
        """All parameters that the task has."""
        given = self.complete(parameters).items()
        return {name: value for name, value in given if task in self.parameters[name].tasks}

    def start_for(self, task: str) -> dict[str, Any]:
        """The parameters of `start` that this task has."""
        return {name: value for name, value in self.start.items() if task in self.parameters[name].tasks}

    def candidates(
        self, task: str, given: Parameters = MappingProxyType({}), *, seed: int = 0
    ) -> Iterator[dict[str, Any]]:
        """Draws from `search`, each value a plain one within its range; what is given is not drawn.

        Always as many are drawn: those from lists alone would be others if fewer were.
        """
        spaces = list(self._free(task, given))
        if not spaces:
            return
        with warnings.catch_warnings(action="ignore"):  # of lists with few combinations, all drawn then
            draws = list(ParameterSampler(spaces, MOST_DRAWS, random_state=seed))
        for drawn in draws:
            yield {name: _plain(value) for name, value in drawn.items()}

    def _free(self, task: str, given: Parameters) -> Iterator[Mapping[str, Any]]:
        """What is left to search where some is given: only spaces that go with it, if there are such."""
        for space in [space for space in self.search if _goes_with(space, given)] or self.search:
            free = {
                name: values
                for name, values in space.items()
                if name not in given and task in self.parameters[name].tasks
            }
            if free:
                yield free

    def _typed(self, name: str, value: Any) -> Any:
        """A whole number for a share is one: scikit-learn takes `max_features=1` for a count."""
        return float(value) if self.parameters[name].kind is float and type(value) is int else value


def _goes_with(space: Mapping[str, Any], given: Parameters) -> bool:
    return all(
        given[name] in values for name, values in space.items() if name in given and isinstance(values, list)
    )


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value

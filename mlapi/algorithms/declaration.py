"""How an algorithm is declared: what it builds for each task, and the parameters that it takes."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

CLASSIFICATION = "classification"
REGRESSION = "regression"

Build: TypeAlias = Callable[..., Any]

Parameters: TypeAlias = Mapping[str, Any]
AtScale: TypeAlias = Callable[[Parameters, int], tuple[Parameters, str | None]]


def _unchanged(parameters: Parameters, _: int) -> tuple[Parameters, str | None]:
    return parameters, None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of an estimator, under scikit-learn's own name for it.

    A number lies from `minimum` (not itself, if `above`) to `maximum`; `choices` are further values.
    """

    default: object
    help: str
    kind: type[bool] | type[int] | type[float] | None = None
    minimum: float | None = None
    maximum: float | None = None
    above: bool = False
    choices: tuple[object, ...] = ()

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
        return low <= value <= high and not (self.above and value == low) and abs(value) < float("inf")

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
    """`builders` by task; `recognises` are the classes of a foreign estimator that this one serves.

    `classes` are those that a fitted one's pickle names, `module.name`: nothing else is imported to load it.

    What training makes of it: `search` are distributions by parameter (scipy.stats, or lists), one mapping or
    several as `sklearn.model_selection.ParameterSampler` takes them; `quick` are parameters that leave the
    predictions as they are but cost less, for fits that are only scored. `at_scale` takes the parameters and
    a number of rows, and gives those that can be fitted on so many, with a sentence where they differ.
    `dense` says that the estimator takes no sparse matrix, `seeded` that its builders take `random_state`.
    """

    name: str
    builders: Mapping[str, Build]
    parameters: Mapping[str, Parameter]
    recognises: tuple[type, ...]
    classes: tuple[str, ...]
    search: tuple[Mapping[str, Any], ...] = ()
    quick: Parameters = field(default_factory=dict)
    at_scale: AtScale = _unchanged
    dense: bool = False
    seeded: bool = False

    def problems(self, parameters: Mapping[str, object]) -> Iterator[str]:
        """Every parameter that is unknown or out of its range."""
        for name, value in parameters.items():
            if name not in self.parameters:
                yield f"{self.name} has no parameter {name!r}; it has {', '.join(self.parameters)}"
                continue
            problem = self.parameters[name].problem(value)
            if problem:
                yield f"{name}: {problem}"

    def complete(self, parameters: Parameters) -> dict[str, Any]:
        """All parameters: those that are given, and the others' defaults."""
        return {**{name: entry.default for name, entry in self.parameters.items()}, **parameters}

    def build(self, task: str, parameters: Parameters, *, seed: int = 0) -> Any:
        """An estimator that is not fitted yet; what is not given has its default."""
        chance = {"random_state": seed} if self.seeded else {}
        return self.builders[task](**self.complete(parameters), **chance)

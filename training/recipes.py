"""config/models.toml -> recipes: what to train, checked before anything is trained."""

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mlapi.algorithms import ALGORITHMS
from mlapi.errors import RecipeError, listed
from mlapi.names import is_model_name
from training.datasets import BUILT_IN
from training.evaluate import METRICS
from training.promotion import IF_NOT_WORSE, POLICIES

FILE = Path("config/models.toml")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model to train. Together with the data and the library versions it decides the result."""

    name: str
    algorithm: str
    dataset: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    test_size: float = 0.25
    seed: int = 0
    promote: str = IF_NOT_WORSE
    metric: str | None = None
    """The metric that decides; None: the task's own (`training.evaluate.PRIMARY`)."""


_KEYS = tuple(entry.name for entry in fields(Recipe) if entry.name != "name")
_REQUIRED = ("algorithm", "dataset")


def load_recipes(file: Path = FILE) -> dict[str, Recipe]:
    """The recipes by name, in the file's order.

    Raises:
        RecipeError: The file is missing or not TOML, or recipes are wrong: then all problems at once.
    """
    document = _read(file)
    problems = [
        f"[{name}] {problem}" for name, entry in document.items() for problem in _problems(name, entry)
    ]
    if problems:
        raise RecipeError(f"{file}: {'; '.join(problems)}")
    return {name: Recipe(name, **entry) for name, entry in document.items()}


def select(recipes: Mapping[str, Recipe], names: tuple[str, ...]) -> list[Recipe]:
    """The named recipes, or all.

    Raises:
        RecipeError: There is none of a name.
    """
    for name in names:
        if name not in recipes:
            raise RecipeError(f"no recipe {name!r}; recipes: {listed(recipes)}")
    return [recipes[name] for name in names or recipes]


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"{file} is missing: it declares what to train, a table [name] with algorithm and dataset"
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # not TOML, and what tomllib chokes on
        raise RecipeError(f"{file} cannot be read: {error}") from error


def _problems(name: str, entry: object) -> Iterator[str]:
    if not is_model_name(name):
        yield "a model's name is lower case letters, digits, _ and -, at most 63, a letter first"
    if not isinstance(entry, dict):
        yield "expected a table"
        return
    yield from (f"unknown key {key!r}; known are {', '.join(_KEYS)}" for key in entry if key not in _KEYS)
    yield from (f"{key} is missing" for key in _REQUIRED if key not in entry)
    yield from _wrong_values(entry)


def _wrong_values(entry: Mapping[str, Any]) -> Iterator[str]:
    algorithm, dataset = entry.get("algorithm"), entry.get("dataset")
    if algorithm is not None and str(algorithm) not in ALGORITHMS:
        yield f"no algorithm {algorithm!r}; known are {', '.join(ALGORITHMS)}"
    if dataset is not None and str(dataset) not in BUILT_IN:
        yield f"no dataset {dataset!r}; known are {', '.join(BUILT_IN)}"
    if "test_size" in entry and not _is_share(entry["test_size"]):
        yield f"test_size: expected a number between 0 and 1, got {entry['test_size']!r}"
    if "seed" in entry and not _is_seed(entry["seed"]):
        yield f"seed: expected a whole number from 0 to 2**32 - 1, got {entry['seed']!r}"
    if entry.get("promote", IF_NOT_WORSE) not in POLICIES:
        yield f"promote: expected one of {', '.join(POLICIES)}, got {entry['promote']!r}"
    known = [metric for metrics in METRICS.values() for metric in metrics]
    if "metric" in entry and entry["metric"] not in known:
        yield f"metric: expected one of {', '.join(known)}, got {entry['metric']!r}"
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        yield f"parameters: expected a table, got {parameters!r}"
    elif str(algorithm) in ALGORITHMS:
        yield from ALGORITHMS[str(algorithm)].problems(parameters)


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _is_seed(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32

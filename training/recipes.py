"""Recipes: what to train, from config/models.toml or from options, checked before anything is trained."""

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from mlapi.artifacts.names import is_model_name
from mlapi.data.tables.dialects import CsvOptions
from mlapi.errors import DatasetError, RecipeError
from mlapi.estimators.algorithms import ALGORITHMS
from mlapi.estimators.algorithms.declaration import CLASSIFICATION, REGRESSION
from mlapi.training.evaluation.metrics import METRICS, PRIMARY
from mlapi.training.tables.datasets import BUILT_IN
from mlapi.wording import did_you_mean, listed

ALWAYS = "always"
"""Promote each new version, unless it breaks callers of the one in production."""

IF_NOT_WORSE = "if_not_worse"
"""Promote a new version if it is not worse on the test rows than the one in production."""

NEVER = "never"
"""Promote no version but the first, which becomes `production` whatever its recipe says."""

POLICIES = (ALWAYS, IF_NOT_WORSE, NEVER)
"""What a recipe may say of promotion (`mlapi.training.versions.promotion`)."""

FILE = Path("config/models.toml")
"""Where recipes are declared, from the folder that the command runs in."""

BUDGET_S = 60.0
"""Seconds for comparing and tuning, where a recipe names neither an algorithm nor a budget."""


@dataclass(frozen=True, slots=True)
class Overrides:
    """The columns that the user has decided on, by what they are to be taken for; `drop` leaves them out."""

    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()

    @property
    def mentioned(self) -> tuple[str, ...]:
        """Every column that stands anywhere, twice if it stands twice."""
        return tuple(name for entry in fields(self) for name in getattr(self, entry.name))

    def of(self, name: str) -> str | None:
        """Return what a column is to be taken for, the name of a field; None if it stands in none."""
        return next((entry.name for entry in fields(self) if name in getattr(self, entry.name)), None)

    def check(self, names: list[str]) -> None:
        """Check the names against those of a table's columns.

        Raises:
            DatasetError: A name is no column's, or stands in two places.
        """
        for name in self.mentioned:
            if name not in names:
                raise DatasetError(f"there is no column {name!r}{did_you_mean(name, names)}")
            if self.mentioned.count(name) > 1:
                raise DatasetError(f"column {name!r} is told twice what it is; once will do")


@dataclass(frozen=True, slots=True)
class Expansion:
    """Terms that are made of numeric columns: products up to a degree, or splines with so many knots."""

    polynomial: int | None = None
    splines: int | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """One model to train. Together with the data and the library versions it decides the result."""

    name: str
    algorithm: str | None = None
    """None: all that suit the target are compared."""
    dataset: str | None = None
    """The name of a table that scikit-learn carries (`mlapi.training.tables.datasets.BUILT_IN`)."""
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The algorithm's own; what is left out has its default, or is searched."""
    test_size: float = 0.25
    """The share of rows to test on."""
    seed: int = 0
    """Decides every choice that is made at random."""
    promote: str = IF_NOT_WORSE
    """One of `POLICIES`."""
    metric: str | None = None
    """The metric that decides; None: the task's own (`mlapi.training.evaluation.metrics.PRIMARY`)."""
    data: str | None = None
    """A path or URL of a table; None with a `dataset`, or where Python code brings the rows."""
    target: str | None = None
    """The column to predict; None with a `dataset`, which has its own."""
    task: str | None = None
    """None: inferred from the target."""
    numeric: tuple[str, ...] = ()
    categorical: tuple[str, ...] = ()
    datetime: tuple[str, ...] = ()
    text: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    """Columns to leave out; the four before it are columns to be taken for that kind."""
    group: str | None = None
    """A column; rows of one group are never on both sides of a split."""
    time_column: str | None = None
    """A column; the newest rows are the test rows."""
    polynomial: int | None = None
    """The degree up to which products of numeric columns are made."""
    splines: int | None = None
    """The knots of splines that numeric columns become."""
    budget: float | None = None
    """Seconds for comparing and tuning; None: `BUDGET_S` without an algorithm, else 0."""
    delimiter: str | None = None
    encoding: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    skip_lines: int | None = None
    """How many lines stand above the names of the columns. This and the four before it say how a CSV file is
    written; None: found out."""
    day_first: bool | None = None
    """Whether 3/12/2024 is a day in December; None: the dates decide, else the month stands first."""
    images: str | None = None
    """A folder or archive of pictures, a folder a class, instead of a table."""
    size: int | None = None
    """The side that pictures are scaled to; None: their own, or what suits them."""
    pictures_in_card: bool = True
    """Whether the card shows the mistakes as pictures; else by name, for those that may not be passed on."""

    @property
    def overrides(self) -> Overrides:
        """What the recipe says of columns."""
        return Overrides(self.numeric, self.categorical, self.datetime, self.text, self.drop)

    @property
    def csv_options(self) -> CsvOptions:
        """What the recipe says of how a CSV file is written.

        Raises:
            DatasetError: No file can be written so.
        """
        return CsvOptions(**{entry.name: getattr(self, entry.name) for entry in fields(CsvOptions)})

    @property
    def expansion(self) -> Expansion:
        """What the recipe says of terms that are made of numbers."""
        return Expansion(self.polynomial, self.splines)

    @property
    def budget_s(self) -> float:
        """Seconds for comparing and tuning; 0: the one algorithm is fitted as it is."""
        if self.budget is not None:
            return self.budget
        return BUDGET_S if self.algorithm is None else 0.0

    @property
    def source(self) -> str:
        """Where the rows or pictures come from, for messages."""
        return self.images or self.data or self.dataset or "a DataFrame"


_KEYS = tuple(entry.name for entry in fields(Recipe) if entry.name != "name")
"""What a table of config/models.toml may have."""

_NAMES = ("numeric", "categorical", "datetime", "text", "drop")
"""The keys whose values are names of columns."""

_OF_IMAGES = ("size", "pictures_in_card")
"""The keys that go with `images` only."""

_WITH_IMAGES = frozenset(
    {
        "images",
        *_OF_IMAGES,
        *("algorithm", "parameters", "test_size", "seed", "promote", "metric", "budget"),
    }
)
"""All that a recipe of `images` may have; the rest is for tables."""

FOR_PICTURES = "cnn"
"""The algorithm for pictures where none is named."""

_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h|)")
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}


def load_recipes(file: Path = FILE) -> dict[str, Recipe]:
    """Read the recipes, by name and in the file's order.

    Raises:
        RecipeError: The file is missing or not TOML, or recipes are wrong: then all problems at once.
    """
    document = _read_toml(file)
    problems = [
        f"[{name}] {problem}" for name, entry in document.items() for problem in _problems(name, entry)
    ]
    if problems:
        raise RecipeError(f"{file}: {'; '.join(problems)}")
    return {name: _recipe(name, entry) for name, entry in document.items()}


def make_recipe(name: str, values: Mapping[str, Any]) -> Recipe:
    """Make a recipe of plain values, as a table of config/models.toml has them.

    It may name no rows: these may come from elsewhere. What is None or () counts as not there.

    Raises:
        RecipeError: It is wrong: all problems at once.
    """
    entry = {key: value for key, value in values.items() if value is not None and value != ()}
    problems = list(_problems(name, entry, needs_rows=False))
    if problems:
        raise RecipeError("; ".join(problems))
    return _recipe(name, entry)


def to_json(recipe: Recipe) -> dict[str, Any]:
    """Return what `make_recipe` takes, without the name and what has its default."""
    defaults = {entry.name: entry.default for entry in fields(Recipe)}
    return {
        key: list(value) if isinstance(value, tuple) else value
        for key, value in asdict(recipe).items()
        if key != "name" and value not in (defaults[key], {}, ())
    }


def select(recipes: Mapping[str, Recipe], names: tuple[str, ...]) -> list[Recipe]:
    """Return the recipes of these names, in their order, or all if there are no names.

    Raises:
        RecipeError: There is none of a name.
    """
    for name in names:
        if name not in recipes:
            raise RecipeError(f"no recipe {name!r}; recipes: {listed(recipes)}")
    return [recipes[name] for name in names or recipes]


def deciding_metric(recipe: Recipe, task: str) -> str:
    """Return the metric that decides: the recipe's, or the task's own.

    Raises:
        RecipeError: The recipe names one that the task does not have.
    """
    metric = recipe.metric or PRIMARY[task]
    if metric not in METRICS[task]:
        known = ", ".join(METRICS[task])
        raise RecipeError(f"metric: there is no {metric} of a {task}; there are {known}")
    return metric


def seconds(duration: object) -> float | None:
    """Return the seconds of 60, "60s", "5m" or "1.5h"; None if it is something else."""
    if isinstance(duration, int | float) and not isinstance(duration, bool):
        return float(duration) if 0 <= duration < float("inf") else None
    match = _DURATION.fullmatch(str(duration).strip().lower())
    return float(match[1]) * _SECONDS[match[2]] if match else None


def _recipe(name: str, entry: Mapping[str, Any]) -> Recipe:
    values: dict[str, Any] = {
        key: tuple(_names(value)) if key in _NAMES else value for key, value in entry.items()
    }
    if "budget" in values:
        values["budget"] = seconds(values["budget"])
    if "images" in values:
        values.setdefault("algorithm", FOR_PICTURES)
    return Recipe(name, **values)


def _names(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise RecipeError(
            f"{file} is missing: it declares what to train, a table [name] with algorithm and dataset; a "
            f"table of your own is trained by `mlapi train --data FILE --target COLUMN`"
        ) from error
    except (OSError, ValueError, RecursionError) as error:  # not TOML, and what tomllib chokes on
        raise RecipeError(f"{file} cannot be read: {error}") from error


def _problems(name: str, entry: object, *, needs_rows: bool = True) -> Iterator[str]:
    if not is_model_name(name):
        yield "a model's name is lower case letters, digits, _ and -, at most 63, a letter first"
    if not isinstance(entry, dict):
        yield "expected a table"
        return
    yield from (f"unknown key {key!r}; known are {', '.join(_KEYS)}" for key in entry if key not in _KEYS)
    if needs_rows and len(entry.keys() & {"dataset", "data", "images"}) != 1:
        yield (
            "expected one of `dataset`, a table of scikit-learn's, and `data`, a path or URL; or `images`, a "
            "folder or archive of pictures"
        )
    if "data" in entry and "target" not in entry:
        yield "target is missing: the column of `data` to predict"
    if "dataset" in entry and "target" in entry:
        yield "target: a `dataset` has its own"
    yield from _misplaced_keys(entry)
    for key, (is_valid, expected) in _VALUES.items():
        if key in entry and not is_valid(entry[key]):
            yield f"{key}: expected {expected}, got {entry[key]!r:.100}"
    yield from _wrong_choices(entry)


def _misplaced_keys(entry: Mapping[str, Any]) -> Iterator[str]:
    """Find keys of tables in a recipe of pictures, and the other way round."""
    if "images" in entry:
        for key in sorted(entry.keys() & set(_KEYS) - _WITH_IMAGES):
            yield f"{key}: is for tables, and `images` is none; leave it out"
    else:
        for key in _OF_IMAGES:
            if key in entry:
                yield f"{key}: goes with `images`; leave it out"


def _wrong_choices(entry: Mapping[str, Any]) -> Iterator[str]:
    algorithm = entry.get("algorithm", FOR_PICTURES if "images" in entry else None)
    dataset = entry.get("dataset")
    if {"group", "time_column"} <= entry.keys():
        yield "group, time_column: either decides which rows are held out; leave one of them out"
    if algorithm is not None and str(algorithm) not in ALGORITHMS:
        yield f"no algorithm {algorithm!r}; known are {', '.join(ALGORITHMS)}"
    if dataset is not None and str(dataset) not in BUILT_IN:
        yield f"no dataset {dataset!r}; known are {', '.join(BUILT_IN)}"
    parameters = entry.get("parameters", {})
    if not isinstance(parameters, dict):
        yield f"parameters: expected a table, got {parameters!r}"
    elif parameters and algorithm is None:
        yield "parameters: whose? name an algorithm"
    elif str(algorithm) in ALGORITHMS:
        yield from ALGORITHMS[str(algorithm)].problems(parameters)


def _is_share(value: object) -> bool:
    return isinstance(value, float) and 0 < value < 1


def _is_seed(value: object) -> bool:
    return type(value) is int and 0 <= value < 2**32


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value != ""


def _are_names(value: object) -> bool:
    return isinstance(value, str) or (
        isinstance(value, list | tuple) and all(isinstance(name, str) for name in value)
    )


def _is_sign(value: object) -> bool:
    return isinstance(value, str) and len(value) == 1


def _between(low: int, high: int) -> Callable[[object], bool]:
    return lambda value: type(value) is int and low <= value <= high


def _one_of(words: tuple[str, ...]) -> tuple[Callable[[object], bool], str]:
    return lambda value: isinstance(value, str) and value in words, f"one of {', '.join(words)}"


_VALUES: Mapping[str, tuple[Callable[[object], bool], str]] = {
    "test_size": (_is_share, "a number between 0 and 1"),
    "seed": (_is_seed, "a whole number from 0 to 2**32 - 1"),
    "promote": _one_of(POLICIES),
    "metric": _one_of(tuple(metric for metrics in METRICS.values() for metric in metrics)),
    "task": _one_of((REGRESSION, CLASSIFICATION)),
    "budget": (lambda value: seconds(value) is not None, "a time such as 90, 60s or 5m"),
    "size": (_between(4, 256), "a side from 4 to 256 pixels"),
    **dict.fromkeys(
        ("pictures_in_card", "day_first"), (lambda value: isinstance(value, bool), "true or false")
    ),
    "polynomial": (_between(2, 5), "a degree from 2 to 5"),
    "splines": (_between(2, 50), "a number of knots from 2 to 50"),
    "delimiter": (_is_sign, "one sign"),
    "decimal": (_is_sign, "one sign"),
    "thousands": (_is_sign, "one sign"),
    "skip_lines": (_between(0, 1000), "a number of lines from 0 to 1,000"),
    **dict.fromkeys(("data", "images", "target", "group", "time_column", "encoding"), (_is_text, "a text")),
    **dict.fromkeys(_NAMES, (_are_names, "a list of columns' names")),
}
"""By key: whether a value will do, and in words what is expected."""

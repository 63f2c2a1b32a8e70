"""The commands that train: `mlapi train`, `card` and `register`."""

import tomllib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from mlapi.artifacts.names import PRODUCTION, as_model_name
from mlapi.cli.allowing import allow_and_retry
from mlapi.cli.progress import Display, print_comparison
from mlapi.cli.terminal import csv_options, open_changes_as_user, registry_of, stderr, stdout, write
from mlapi.settings import Settings, load_settings

if TYPE_CHECKING:
    from mlapi.artifacts.manifest import Manifest
    from mlapi.registry.changes import Changes
    from mlapi.registry.registry import Registry
    from mlapi.registry.snapshot import Snapshot
    from mlapi.training.execution.engine import Engine
    from mlapi.training.recipes import Recipe

_COLUMNS: Any = {"multiple": True, "metavar": "COLUMN"}
"""How an option is declared that names a column, and may be repeated."""

_OWN_DATA = frozenset({"data", "images"})
"""The options that bring data of one's own; without them recipes of config/models.toml are trained."""


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--missing", is_flag=True, help="Only the recipes that have no version that serves.")
@click.option("--breaking", is_flag=True, help="Promote also what callers of the old version stumble over.")
@click.option("--again", metavar="NAME@VERSION", help="Train a version again and compare; publishes nothing.")
@click.option("--engine", metavar="URL", help="Where fits run: dask://host:port, else on this machine.")
@click.option("--data", metavar="FILE|URL", help="Train this table, CSV or Parquet, instead of a recipe.")
@click.option("--images", metavar="DIR|FILE", help="Train pictures: a folder, or archive, a folder a class.")
@click.option("--size", type=int, metavar="PIXELS", help="The side that pictures are scaled to.")
@click.option(
    "--pictures-in-card/--no-pictures-in-card", default=None, help="Show mistakes in the card, or name them."
)
@click.option(
    "--resume", "leftover", flag_value="resume", help="Go on with a training of pictures that broke off."
)
@click.option("--restart", "leftover", flag_value="restart", help="Forget it, and begin anew.")
@click.option("--target", metavar="COLUMN", help="The column to predict.")
@click.option("--name", help="The model's name; else the target's, or that of the pictures' folder.")
@click.option("--algorithm", help="One algorithm; else all that suit are compared.")
@click.option("--parameter", "parameters", multiple=True, metavar="NAME=VALUE", help="Of the algorithm.")
@click.option("--task", help="regression or classification; else read off the target.")
@click.option("--budget", metavar="TIME", help="For comparing and tuning, or for a network: 90, 60s, 5m.")
@click.option("--metric", help="What decides; else accuracy or r2.")
@click.option("--numeric", **_COLUMNS, help="Take this column for numbers.")
@click.option("--categorical", **_COLUMNS, help="Take this column for categories.")
@click.option("--datetime", **_COLUMNS, help="Take this column for dates or times.")
@click.option("--text", **_COLUMNS, help="Take this column for texts.")
@click.option("--drop", **_COLUMNS, help="Leave this column out.")
@click.option("--group", metavar="COLUMN", help="Rows of one group are never on both sides of a split.")
@click.option("--time-column", metavar="COLUMN", help="Judge by the newest rows.")
@click.option("--polynomial", type=int, metavar="DEGREE", help="Add products of numbers up to this degree.")
@click.option("--splines", type=int, metavar="KNOTS", help="Make splines of the numbers.")
@click.option("--test-size", type=float, metavar="SHARE", help="The share of rows held out.")
@click.option("--seed", type=int, help="Decides every choice that is made by chance.")
@click.option("--promote", help="always, if_not_worse or never.")
@click.option(
    "--day-first/--month-first",
    default=None,
    help="Whether 3/12/2024 is in December; else read off the dates.",
)
@csv_options
def train(
    names: tuple[str, ...],
    missing: bool,
    breaking: bool,
    again: str | None,
    engine: str | None,
    **recipe_options: Any,
) -> None:
    """Train the recipes of config/models.toml, all or the named ones; or a table or pictures of your own.

    \b
        mlapi train --data customers.csv --target churn
        mlapi train --images pictures/

    A new version becomes `production` if it is not worse there than the one before: see docs/training.md.
    """
    settings = load_settings()
    leftover = recipe_options.pop("leftover") or "refuse"
    option_values = {key: value for key, value in recipe_options.items() if value not in (None, ())}
    _check_usage(names, option_values, missing=missing, again=again)
    from mlapi.training.execution.engine import engine as engine_at

    with engine_at(engine) as running:
        if again:
            _train_again(again, registry_of(settings), running)
            return
        # `--missing` asks what serves: only loading shows that a version is broken
        changes = open_changes_as_user(settings, eager=missing)
        recipes = _recipes(names, option_values)
        if missing:
            snapshot = changes.registry.current_snapshot()
            recipes = [recipe for recipe in recipes if not _has_version(snapshot, recipe.name)]
        _train(recipes, changes, running, settings, allow_breaking=breaking, leftover=leftover)
        _print_unpromoted(changes.registry.current_snapshot())


def _check_usage(
    names: tuple[str, ...], option_values: Mapping[str, Any], *, missing: bool, again: str | None
) -> None:
    """Refuse what does not go together.

    Raises:
        UsageError: The message says what to leave out, or to add.
    """
    if again and (names or missing or option_values):
        raise click.UsageError("--again takes the version's own recipe: leave the rest out.")
    if (
        option_values
        and not names
        and not ({"data", "target"} <= option_values.keys() or "images" in option_values)
    ):
        raise click.UsageError("Expected --data and --target, or --images, or the names of recipes.")
    own = option_values.keys() & _OWN_DATA
    if names and own:
        raise click.UsageError(f"--{min(own)} is data of your own: leave the recipes' names out.")


def _recipes(names: tuple[str, ...], option_values: Mapping[str, Any]) -> "list[Recipe]":
    """Return the recipe that the options make of data of one's own, or those of config/models.toml."""
    values = _with_parameters(option_values)
    return [_own_recipe(values)] if option_values.keys() & _OWN_DATA else _declared_recipes(names, values)


def _own_recipe(values: Mapping[str, Any]) -> "Recipe":
    """Make a recipe for data of one's own; without a name it has the target's, or the folder's."""
    from mlapi.training.recipes import make_recipe

    words = (
        values["target"] if "target" in values else Path(values["images"]).resolve().name.partition(".")[0]
    )
    name = values.get("name") or as_model_name(words)
    return make_recipe(name, {key: value for key, value in values.items() if key != "name"})


def _declared_recipes(names: tuple[str, ...], values: Mapping[str, Any]) -> "list[Recipe]":
    """Read the recipes of these names, or all; options take the place of their entries."""
    from mlapi.training.recipes import load_recipes, make_recipe, select, to_json

    if "name" in values:
        raise click.UsageError("--name goes with --data or --images; a recipe has a name.")
    recipes = select(load_recipes(), names)
    if not values:
        return recipes
    return [make_recipe(recipe.name, {**to_json(recipe), **values}) for recipe in recipes]


def _with_parameters(option_values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options with `--parameter C=10` as recipes have it: `{"parameters": {"C": 10}}`."""
    values = {key: value for key, value in option_values.items() if key != "parameters"}
    if "parameters" in option_values:
        values["parameters"] = dict(map(_parameter, option_values["parameters"]))
    return values


def _parameter(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return name.strip(), value.strip()  # a word may do without quotes


def _has_version(snapshot: "Snapshot", name: str) -> bool:
    return name in snapshot.models and snapshot.models[name].latest is not None


def _train(
    recipes: "list[Recipe]",
    changes: "Changes",
    engine: "Engine",
    settings: Settings,
    **options: Any,
) -> None:
    """Train one recipe after the other, `options` being fields of `TrainingOptions`."""
    from mlapi.artifacts.manifest import REPORT
    from mlapi.training.workflows.table_version import version_of_table
    from mlapi.training.workflows.train import TrainingOptions
    from mlapi.training.workflows.train import train as train_recipe

    how = TrainingOptions(make_version=partial(version_of_table, engine=engine), **options)
    with Display(of_several=len(recipes) > 1) as display:
        for recipe in recipes:
            trained = train_recipe(recipe, changes, display, options=how)
            manifest = trained.manifest
            display.trained(trained, f"{settings.models_dir}/{manifest.name}/{manifest.version}/{REPORT}")


def _train_again(which: str, registry: "Registry", engine: "Engine") -> None:
    from mlapi.training.workflows.reproduction import train_again

    name, _, ref = which.partition("@")
    model = registry.get(name, ref or None)
    with Display() as display:
        comparison = train_again(model, engine, display)
    print_comparison(f"{name} version {model.version}", comparison)
    if not comparison.is_same:
        raise click.ClickException("not the same")


def _print_unpromoted(snapshot: "Snapshot") -> None:
    """Print which models answer no request without a version, though one of their versions could."""
    for record in snapshot.models.values():
        production = record.aliases.get(PRODUCTION)
        if production and record.serving_version(PRODUCTION) is None and record.latest is not None:
            stdout.print(
                f"{record.name}: `{PRODUCTION}` is version {production.version}, which does not serve, until "
                f"`mlapi promote {record.name} {record.latest}`.",
                soft_wrap=True,
            )


@click.command()
@click.argument("name")
@click.option("--images", metavar="DIR|FILE", required=True, help="The pictures that it learnt from.")
@click.option("--ref", help="A version or an alias.")
def card(name: str, images: str, ref: str | None) -> None:
    """Make the card of a version anew, with its hardest mistakes as pictures, where it only names them.

    mlapi card flowers --images flowers/ > card.html
    """
    registry = registry_of(load_settings())
    from mlapi.training.images.card import card_of_published

    write(card_of_published(registry.get(name, ref), images))


@click.command()
@click.argument("name")
@click.argument("estimator", type=click.Path(path_type=Path))
@click.option(
    "--sample",
    type=click.Path(path_type=Path),
    help="A Parquet file, or a CSV file with a header, of some rows of features, without the target. A "
    "folder of MLflow's may have some.",
)
@click.option("--allow", is_flag=True, help="Show what it names that is not allowed, ask, and allow it.")
@click.option("--yes", is_flag=True, help="With --allow: ask nothing.")
@click.option(
    "--requires",
    multiple=True,
    metavar="PACKAGE==VERSION",
    help="A package that has to be installed where it is served, repeatable.",
)
@click.option(
    "--types",
    default="",
    metavar="COLUMN=KIND,…",
    help="What columns are, where a CSV file cannot tell: zip=category,area=number.",
)
@click.option(
    "--ranges-from",
    type=click.Path(path_type=Path),
    help="A file of more rows: their ranges and categories count as well.",
)
@click.option("--expect", metavar="COLUMN", help="The sample's column with the answers that are expected.")
@csv_options
def register(name: str, estimator: Path, sample: Path | None, **options: Any) -> None:
    """Publish your own fitted estimator as the next version of a model: a file of joblib, pickle, skops,
    XGBoost, LightGBM, CatBoost or ONNX, or a folder of MLflow.

    scikit-learn's own estimators need nothing else. Of others the file is loaded once every class that it
    names is allowed (the settings allowed_classes and allowed_sets): loading runs what those do.
    """
    from mlapi.artifacts.manifest import fitted_elsewhere
    from mlapi.data.tables.dialects import CsvOptions

    allow, yes, requires = (options.pop(option) for option in ("allow", "yes", "requires"))
    types, expect, ranges_from = (options.pop(option) for option in ("types", "expect", "ranges_from"))

    def publish(settings: Settings) -> "Manifest":
        changes = open_changes_as_user(settings)
        from mlapi.training.workflows.registration import register as register_file
        from mlapi.training.workflows.sample_columns import SampleOptions, parse_types

        said = SampleOptions(parse_types(types), expect, ranges_from)
        return register_file(
            name, estimator, sample, changes, CsvOptions(**options), said=said, requires=requires
        )

    if yes and not allow:
        raise click.UsageError("--yes goes with --allow.")
    manifest = allow_and_retry(publish, allow=allow, yes=yes)
    for remark in (*manifest.provenance.notes, *map("Warning: {}".format, manifest.provenance.warnings)):
        stderr.print(f"{(sample or estimator).name}: {remark}", soft_wrap=True)
    stdout.print(f"{manifest.name} version {manifest.version}: {manifest.algorithm}, {manifest.task}")
    note = fitted_elsewhere(manifest)
    if note:
        stderr.print(note, soft_wrap=True)

"""The settings: one typed table, fed by config/mlapi.toml, then by MLAPI_* variables, then by options.

The only module that reads the environment. Settings are read once, at the start, and passed as an
argument from there; a name or a value that is wrong stops the start with every problem listed.
"""

import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from mlapi.artifacts.keys import parse_public_key
from mlapi.artifacts.names import is_model_name
from mlapi.artifacts.pickles.named_sets import SETS
from mlapi.data.limits import DEFAULT_PIXELS, ImageLimits, TableLimits
from mlapi.errors import SettingsError
from mlapi.wording import did_you_mean

FILE = Path("config/mlapi.toml")
"""Below the current folder."""

PREFIX = "MLAPI_"
"""Of the variables in the environment that are settings."""

_SAFE_PATH = "PYTHONSAFEPATH"
"""Python's own variable: not to import from the folder of a program, nor from the current one."""

PROJECT_KEY = "ed25519:gun31iC1HJzznlMMpD6oe/fHXB8zw0MVkkODI+ypY84="
"""The public key of this project: its private half signed models/cifar10/1, and is in no commit."""

_MOST_PIXELS = 178_956_970
"""Pillow opens no picture that has more (twice `PIL.Image.MAX_IMAGE_PIXELS`)."""

LOG_LEVELS = ("debug", "info", "warning", "error")


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError("expected a path")
    return Path(value)


def _folder_or_url(value: object) -> Path | str:
    """Read a folder, or the URL of one; that of a local file is a folder too."""
    path = _path(value)
    url = str(value)
    protocol, separator, rest = url.partition("://")
    if not separator:
        return path
    if not protocol or not rest.strip("/"):
        raise ValueError("expected a place behind the ://")
    if protocol not in ("file", "local"):
        return url.rstrip("/")
    if not rest.startswith("/"):
        raise ValueError(f"expected {protocol}:/// and an absolute path")
    return Path(rest)


def _texts(value: object) -> list[str]:
    """Read a list of texts, as TOML has it, or one text with commas; leave empty ones out."""
    texts = value.split(",") if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ValueError("expected texts, as a list or with commas between them")
    return [text.strip() for text in texts if text.strip()]


def _public_keys(value: object) -> tuple[str, ...]:
    return tuple(str(parse_public_key(text)) for text in _texts(value))


def _class_names(value: object) -> tuple[str, ...]:
    names = _texts(value)
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")) or "." not in name:
            raise ValueError(
                f"expected names such as sklearn.ensemble._forest.RandomForestClassifier, not {name!r}"
            )
    return tuple(names)


def _set_names(value: object) -> tuple[str, ...]:
    names = _texts(value)
    for name in names:
        if name not in SETS:
            raise ValueError(f"expected names of {', '.join(SETS)}, not {name!r}")
    return tuple(names)


def _boolean(value: object) -> bool:
    flag = {"true": True, "1": True, "false": False, "0": False}.get(str(value).lower())
    if flag is None:
        raise ValueError("expected true or false")
    return flag


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("expected a text")
    return value


def _model_name(value: object) -> str:
    if not isinstance(value, str) or not is_model_name(value):
        raise ValueError("expected a model's name")
    return value


def _dask(value: object) -> str:
    if not isinstance(value, str) or not re.fullmatch(r"dask://[^/\s]+", value):
        raise ValueError("expected dask://host:port")
    return value


def _one_of(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return str(value)

    return parse


def _whole_number(minimum: int, maximum: int) -> Callable[[object], int]:
    def parse(value: object) -> int:
        number = _number(value, int)
        if number is None or not minimum <= number <= maximum:
            raise ValueError(f"expected a whole number from {minimum:,} to {maximum:,}")
        return int(number)

    return parse


def _seconds(minimum: float, maximum: float) -> Callable[[object], float]:
    def parse(value: object) -> float:
        number = _number(value, float)
        if number is None or not minimum <= number <= maximum:
            raise ValueError(f"expected seconds from {minimum:g} to {maximum:g}")
        return float(number)

    return parse


def _number(value: object, kind: Callable[[str], float]) -> float | None:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        return kind(str(value))
    except ValueError:
        return None


def _setting(default: Any, parse: Callable[[object], Any], purpose: str) -> Any:
    return field(default=default, metadata={"parse": parse, "help": purpose})


@dataclass(frozen=True)
class Settings:
    """The table itself: a name, its type, its default, what it is for.

    docs/operating.md has the same table, and a test compares them.
    """

    models_dir: Path | str = _setting(
        Path("models"), _folder_or_url, "Where the models are: a folder, or a URL such as s3://bucket/models."
    )
    models_poll_s: float = _setting(
        0.5, _seconds(0.05, 3600), "How often a worker looks for new versions and moved aliases."
    )
    on_demand_bytes: int = _setting(
        1024**3,
        _whole_number(0, 2**50),
        "The most memory for versions that no alias and not `latest` names, loaded when asked for.",
    )
    state_dir: Path = _setting(
        Path("state"),
        _path,
        "The folder for the keys, the audit log, training jobs, and copies of distant and large models.",
    )
    trusted_keys: tuple[str, ...] = _setting(
        (PROJECT_KEY,), _public_keys, "Public keys whose versions are served, beside those of this machine."
    )
    require_signature: bool = _setting(
        True, _boolean, "Whether a version that no trusted key signed is broken."
    )
    allowed_classes: tuple[str, ...] = _setting(
        (), _class_names, "Classes that registered estimators may name, beyond scikit-learn's own."
    )
    allowed_sets: tuple[str, ...] = _setting(
        (),
        _set_names,
        f"Libraries whose classes registered estimators may name: {', '.join(SETS)}.",
    )
    allow_writes: bool = _setting(
        False, _boolean, "Whether models can be changed and trained over HTTP, by anyone who reaches it."
    )
    default_model: str | None = _setting(
        None, _model_name, "The model that answers `POST /predict`; unset, the only one there is."
    )
    max_body_bytes: int = _setting(
        16 * 1024 * 1024, _whole_number(1, 2**31), "The largest request body, in bytes."
    )
    request_seconds: float = _setting(
        120.0,
        _seconds(0.1, 86_400),
        "The longest that a request may take a worker; what the pool does for it has limits of its own.",
    )
    image_model: str = _setting("cifar10", _model_name, "The model that answers `POST /classify`.")
    max_rows: int = _setting(100_000, _whole_number(1, 10_000_000), "The most rows in one request.")
    max_pictures: int = _setting(64, _whole_number(1, 10_000), "The most pictures in one request.")
    max_pixels: int = _setting(
        DEFAULT_PIXELS,
        _whole_number(1, _MOST_PIXELS),
        "The most pixels of one picture, a WebP a quarter of it; those of one request, twice as many.",
    )
    fit_workers: int = _setting(
        1, _whole_number(0, 64), "How many fits on request run at once; 0 for none at all."
    )
    fits_waiting: int = _setting(
        8, _whole_number(0, 1000), "How many more may wait; others are told to come later."
    )
    fit_seconds: float = _setting(30.0, _seconds(0.1, 3600), "The longest that a fit on request may take.")
    fit_megabytes: int = _setting(
        1024, _whole_number(16, 2**20), "The most memory that a fit on request may take."
    )
    fit_rows: int = _setting(100_000, _whole_number(1, 10_000_000), "The most rows of a fit on request.")
    fit_columns: int = _setting(1000, _whole_number(1, 100_000), "The most columns of a fit on request.")
    fit_classes: int = _setting(100, _whole_number(2, 10_000), "The most classes of a fit on request.")
    job_workers: int = _setting(
        1, _whole_number(0, 64), "How many training jobs run at once; 0 for none at all."
    )
    jobs_waiting: int = _setting(100, _whole_number(1, 100_000), "The most jobs that wait or run.")
    jobs_per_caller: int = _setting(20, _whole_number(1, 100_000), "Of them, the most from one address.")
    streams: int = _setting(
        500, _whole_number(1, 100_000), "The most clients of one worker that follow jobs."
    )
    streams_per_caller: int = _setting(50, _whole_number(1, 100_000), "Of them, the most from one address.")
    job_seconds: float = _setting(3600.0, _seconds(1, 7 * 86_400), "The longest that a job may take.")
    job_megabytes: int = _setting(4096, _whole_number(16, 2**20), "The most memory that a job may take.")
    job_rows: int = _setting(1_000_000, _whole_number(1, 100_000_000), "The most rows of a job.")
    job_columns: int = _setting(1000, _whole_number(1, 100_000), "The most columns of a job.")
    job_classes: int = _setting(100, _whole_number(2, 10_000), "The most classes of a job.")
    jobs_engine: str | None = _setting(
        None, _dask, "Where jobs fit: `dask://host:port` for a Dask cluster; unset, on this machine."
    )
    host: str = _setting("127.0.0.1", _text, "The address that the server listens on.")
    port: int = _setting(8000, _whole_number(1, 65_535), "The port that the server listens on.")
    workers: int = _setting(2, _whole_number(1, 256), "How many worker processes serve.")
    worker_class: str = _setting(
        "mlapi", _one_of("mlapi", "gthread"), "Which worker serves: `mlapi`, or gunicorn's own `gthread`."
    )
    log_level: str = _setting("info", _one_of(*LOG_LEVELS), "The least level that is logged.")

    @property
    def address(self) -> str:
        """`host:port`, to listen on."""
        return f"{self.host}:{self.port}"

    @property
    def picture_limits(self) -> ImageLimits:
        """Of the images in one request."""
        return ImageLimits(self.max_pixels, self.max_pictures)

    @property
    def fit_limits(self) -> TableLimits:
        """Of the table that a fit on request takes."""
        return TableLimits(self.fit_rows, self.fit_columns, self.fit_classes)

    @property
    def job_limits(self) -> TableLimits:
        """Of the table that a job takes."""
        return TableLimits(self.job_rows, self.job_columns, self.job_classes)


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is in force: its value, which source gave it, and what it is for."""

    name: str
    value: Any
    source: str
    help: str


_TABLE = {entry.name: entry for entry in fields(Settings)}


def load_settings(
    file: Path = FILE,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] = MappingProxyType({}),
) -> Settings:
    """Return the settings in force: those of the options, of the environment, of the file, or the defaults.

    Args:
        file: TOML; it need not exist.
        environ: None for that of the process.
        options: Settings by name that a command line gives; they win.

    Raises:
        SettingsError: A name is unknown or a value is wrong, wherever it comes from.
    """
    return Settings(**{row.name: row.value for row in settings_rows(file, environ, options)})


@cache
def process_settings() -> Settings:
    """Return what `load_settings` returned the first time in this process.

    So a reload cannot fail on a file that was edited since.
    """
    return load_settings()


def path_prefix() -> str:
    """Return what all paths begin with, from where gunicorn takes it once a worker has started."""
    return os.environ.get("SCRIPT_NAME", "")


def settings_rows(
    file: Path = FILE,
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] = MappingProxyType({}),
) -> list[SettingRow]:
    """Return every setting with its value and its source, in the table's order.

    Raises:
        SettingsError: As `load_settings`.
    """
    rows = {
        name: SettingRow(name, entry.default, "default", entry.metadata["help"])
        for name, entry in _TABLE.items()
    }
    problems = []
    for name, value, source in _sources(file, os.environ if environ is None else environ, options):
        if name not in _TABLE:
            problems.append(f"{source}: unknown setting{did_you_mean(name, _TABLE)}")
            continue
        try:
            parsed = _TABLE[name].metadata["parse"](value)
        except ValueError as error:
            problems.append(f"{source}: {error}, got {value!r}")
            continue
        rows[name] = SettingRow(name, parsed, source, _TABLE[name].metadata["help"])
    if _is_inside(rows["state_dir"].value, rows["models_dir"].value):
        problems.append("state_dir lies in models_dir: keys must not lie where models are written")
    if problems:
        raise SettingsError("; ".join(problems))
    return list(rows.values())


@contextmanager
def safe_path() -> Iterator[None]:
    """Start Python programs, within this context, so that they import nothing from the current folder.

    Else a file of somebody's there that is called json.py takes the place of the library's. Changes the
    environment of the process meanwhile.
    """
    before = os.environ.get(_SAFE_PATH)
    os.environ[_SAFE_PATH] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ[_SAFE_PATH]
        else:
            os.environ[_SAFE_PATH] = before


def _is_inside(folder: Path, place: Path | str) -> bool:
    return isinstance(place, Path) and folder.resolve().is_relative_to(place.resolve())


def _sources(
    file: Path, environ: Mapping[str, str], options: Mapping[str, object]
) -> Iterator[tuple[str, object, str]]:
    """Name, value and source of all that anybody has set; what comes later wins."""
    for name, value in _read(file).items():
        yield name, value, f"{file}: {name}"
    for variable in sorted(environ):
        if variable.startswith(PREFIX):
            yield variable.removeprefix(PREFIX).lower(), environ[variable], variable
    for name, option in options.items():
        yield name, option, f"--{name.replace('_', '-')}"


def _read(file: Path) -> dict[str, object]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:  # not TOML, and what tomllib chokes on
        raise SettingsError(f"{file} cannot be read: {error}") from error

"""A folder of MLflow's -> the file of the model in it, and what MLflow knows of its rows.

The folder's own description says which file it is. It is read as data, with suspicion: no name in it leads
out of the folder, and no code that the folder carries is run.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import pandas as pd
from packaging.requirements import InvalidRequirement, Requirement

from mlapi.artifacts.pickles.origins import installed
from mlapi.data.signature import Kind
from mlapi.errors import BrokenArtifact, RegistrationError
from mlapi.wording import how_to_install, listed

DESCRIPTION = "MLmodel"
"""The file that describes the folder."""

_MOST_BYTES = 1 << 20
"""The most bytes of the description, and of the requirements."""

_MOST_EXAMPLE_BYTES = 1 << 26
"""The most bytes of the input example."""

_FILES: Mapping[str, str] = {
    "sklearn": "pickled_model",
    "xgboost": "data",
    "lightgbm": "data",
    "catboost": "data",
    "onnx": "data",
}
"""By flavor, under which key it names its file."""

_VERSIONS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "sklearn": ("sklearn_version", ("scikit-learn",)),
    "xgboost": ("xgb_version", ("xgboost", "xgboost-cpu")),
    "lightgbm": ("lgb_version", ("lightgbm",)),
    "catboost": ("catboost_version", ("catboost",)),
}
"""By flavor, under which key it has the version of its library, and how that is installed."""

_WRITERS = frozenset({"cloudpickle", "onnx", "psutil", "skops"})
"""Packages that a model is saved with, and whose versions no answer depends on."""

_OWN_CODE = "python_function"
"""The flavor that every folder has: how MLflow runs it, by code of its own or of somebody's."""

_KINDS: Mapping[str, Kind] = {
    "boolean": "boolean",
    "datetime": "datetime",
    "double": "number",
    "float": "number",
    "integer": "integer",
    "long": "integer",
    "string": "category",
}
"""By MLflow's type of a column, the kind whose cells it has."""


@dataclass(frozen=True)
class ModelFile:
    """The file of a model, and what lies beside it: some rows `(rows, columns)`, and what columns are."""

    path: Path
    example: pd.DataFrame | None = None
    kinds: Mapping[str, Kind] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def model_file_at(path: Path) -> ModelFile:
    """Return the file of the model at a path: in a folder of MLflow's the one that it names, else the path.

    Raises:
        RegistrationError: The folder has no model that is read here, or PyYAML is not installed.
        BrokenArtifact: Its description is damaged, or leads out of it.
        OSError: It cannot be read.
    """
    folder = path.parent if path.name == DESCRIPTION else path
    if not (folder / DESCRIPTION).is_file():
        return ModelFile(path)
    try:
        return _in_folder(folder)
    except RegistrationError as error:
        raise RegistrationError(f"{folder.name} {error}") from error
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{folder.name}: {error}") from error


def _in_folder(folder: Path) -> ModelFile:
    if find_spec("yaml") is None:
        raise RegistrationError(
            f"is a folder of MLflow's, which needs PyYAML here: {how_to_install('mlflow')}"
        )
    document = _description(folder / DESCRIPTION)
    flavors = document.get("flavors")
    if not isinstance(flavors, dict):
        raise BrokenArtifact(f"its {DESCRIPTION} is damaged: it names no flavors")
    flavor = next((name for name in _FILES if isinstance(flavors.get(name), dict)), None)
    if flavor is None:
        raise RegistrationError(_refused([str(name) for name in flavors]))
    file = _within(folder, flavors[flavor].get(_FILES[flavor]))
    example = _example(folder, document.get("saved_input_example_info"))
    versions = _other_versions(folder, flavor, flavors[flavor])
    return ModelFile(file, example, _kinds(document.get("signature")), tuple(versions))


def _refused(flavors: list[str]) -> str:
    others = [name for name in flavors if name != _OWN_CODE]
    if others:
        return (
            f"is a model of MLflow's flavor {listed(others)}, which is not read here: those of "
            f"{listed(_FILES)} are. Save it as one of these: networks as ONNX (mlflow.onnx.save_model)"
        )
    return (
        "is a model of code of somebody's own (MLflow's python_function), and no server runs code of a file. "
        "Save the estimator in it itself, by mlflow.sklearn.save_model or joblib.dump"
    )


def _description(file: Path) -> dict[str, Any]:
    """Read MLmodel as plain data.

    Raises:
        BrokenArtifact: It is none.
    """
    import yaml  # noqa: PLC0415 - an extra

    class _PlainLoader(yaml.SafeLoader):  # type: ignore[misc]
        """Takes no parts that refer to others: a few lines could become any number of them."""

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.AliasEvent):
                raise yaml.YAMLError("it refers to other parts of itself")
            return super().compose_node(parent, index)

    try:
        document = yaml.load(_bounded(file, _MOST_BYTES), Loader=_PlainLoader)  # noqa: S506 - it is a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise BrokenArtifact(f"its {DESCRIPTION} is damaged: it cannot be read as YAML") from error
    if not isinstance(document, dict):
        raise BrokenArtifact(f"its {DESCRIPTION} is damaged: it describes no model")
    return document


def _bounded(file: Path, most: int) -> bytes:
    """Return the content of a file.

    Raises:
        BrokenArtifact: It has more bytes.
    """
    with file.open("rb") as opened:
        content = opened.read(most + 1)
    if len(content) > most:
        raise BrokenArtifact(f"its {file.name} has more than {most:,} bytes")
    return content


def _within(folder: Path, name: Any) -> Path:
    """Return a file that the folder names.

    Raises:
        BrokenArtifact: It is not in the folder.
    """
    is_name = isinstance(name, str) and name and "\0" not in name
    if not is_name or ".." in PurePosixPath(name).parts or PureWindowsPath(name).is_absolute():
        raise BrokenArtifact(f"its {DESCRIPTION} names no file of the folder")
    file: Path = folder / str(name)
    if not file.resolve().is_relative_to(folder.resolve()):  # an absolute path, or a link
        raise BrokenArtifact(f"its {DESCRIPTION} names a file that is not in the folder")
    if not file.is_file():
        raise BrokenArtifact(f"it lacks the file {name!r:.80} that its {DESCRIPTION} names; copy it again")
    return file


def _example(folder: Path, described: Any) -> pd.DataFrame | None:
    """Return the rows `(rows, columns)` of the input example; None where there is none that is a table."""
    if not isinstance(described, dict) or "artifact_path" not in described:
        return None
    content = _bounded(_within(folder, described["artifact_path"]), _MOST_EXAMPLE_BYTES)
    try:
        frame = _frame(json.loads(content))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return None if frame is None or frame.empty else frame


def _frame(document: Any) -> pd.DataFrame | None:
    """Return the table `(rows, columns)` in a form of pandas or of MLflow's server; None of another one."""
    if isinstance(document, dict):
        for key in ("dataframe_split", "dataframe_records", "inputs", "instances"):
            if key in document:
                return _frame(document[key])
        if isinstance(document.get("columns"), list):
            return pd.DataFrame(document["data"], columns=list(map(str, document["columns"])))
        rows = document.get("data")
        return _frame(rows) if rows is not None else pd.DataFrame(document)
    if not isinstance(document, list) or not document:
        return None
    if isinstance(document[0], dict):
        return pd.DataFrame(document)
    table = pd.DataFrame(document)
    return table.set_axis([f"x{place}" for place in range(table.shape[1])], axis=1)


def _kinds(signature: Any) -> dict[str, Kind]:
    """Return the kinds of the columns that MLflow's signature names."""
    inputs = signature.get("inputs") if isinstance(signature, dict) else None
    try:
        columns = json.loads(inputs) if isinstance(inputs, str) else []
    except (ValueError, RecursionError):
        return {}
    columns = [column for column in columns if isinstance(column, dict)] if isinstance(columns, list) else []
    return {
        column["name"]: _KINDS[column["type"]]
        for column in columns
        if isinstance(column.get("name"), str) and str(column.get("type")) in _KINDS
    }


def _other_versions(folder: Path, flavor: str, described: Mapping[str, Any]) -> Iterator[str]:
    """Yield the note on libraries that the model was saved with in other versions than are installed."""
    key, names = _VERSIONS.get(flavor, ("", ()))
    saved = {**_pinned(folder / "requirements.txt"), **dict.fromkeys(names, str(described.get(key, "")))}
    here = {name: installed(name) for name in saved}
    others = [
        f"{name} {version} (here {here[name]})"
        for name, version in saved.items()
        if version and here[name] and here[name] != version
    ]
    if others:
        yield (
            f"{folder.name} was saved with other versions than are installed here: {listed(others)}; "
            f"compare some answers with your own"
        )


def _pinned(file: Path) -> dict[str, str]:
    """Return the versions that a file of requirements asks for, by package on which answers may depend."""
    if not file.is_file() or file.is_symlink():
        return {}
    pinned: dict[str, str] = {}
    for line in _bounded(file, _MOST_BYTES).decode(errors="replace").splitlines():
        try:
            requirement = Requirement(line)
        except InvalidRequirement:
            continue
        exact = [part.version for part in requirement.specifier if part.operator == "=="]
        is_of_answers = requirement.name not in _WRITERS and not requirement.name.startswith("mlflow")
        if len(exact) == 1 and is_of_answers:
            pinned[requirement.name] = exact[0]
    return pinned

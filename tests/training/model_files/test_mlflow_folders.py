"""Folders of MLflow's: the file in it, its rows and types, and no way out of the folder."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression

from mlapi.errors import BrokenArtifact, DatasetError, MlapiError, RegistrationError
from mlapi.registry.changes import Changes
from mlapi.training.model_files import mlflow_folders
from mlapi.training.model_files.mlflow_folders import model_file_at
from mlapi.training.workflows.registration import register
from mlapi.training.workflows.sample_columns import SampleOptions
from tests.conftest import changes_in

pytest.importorskip("yaml", reason="PyYAML is not installed")

ROWS = pd.DataFrame({"zip": ["10115", "20095", "80331"], "area": [20.0, 35, 50], "rooms": [1, 2, 2]})

FITTED = LinearRegression().fit(ROWS[["area", "rooms"]], [5.0, 7, 9])

SKLEARN = """\
flavors:
  python_function:
    loader_module: mlflow.sklearn
    model_path: model.pkl
  sklearn:
    code: null
    pickled_model: model.pkl
    serialization_format: pickle
    sklearn_version: 0.22.1
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "string", "name": "zip"}, {"type": "double", "name": "area"},
    {"type": "long", "name": "rooms"}, {"type": "tensor"}, 7]'
"""

EXAMPLE = "saved_input_example_info:\n  artifact_path: input_example.json\n  pandas_orient: split\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "model"
    made.mkdir()
    joblib.dump(FITTED, made / "model.pkl")
    (made / "MLmodel").write_text(SKLEARN)
    return made


def changes(folder: Path) -> Changes:
    return changes_in(folder / "models", state_dir=folder / "state")


def refusal(path: Path) -> str:
    with pytest.raises(MlapiError) as caught:
        model_file_at(path)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_file_that_the_flavor_names_is_registered(folder: Path, tmp_path: Path) -> None:
    ROWS.to_csv(tmp_path / "rows.csv", index=False)

    for path in (folder, folder / "MLmodel"):
        manifest = register("flats", path, tmp_path / "rows.csv", changes(tmp_path))

    kinds = {feature.name: feature.kind for feature in manifest.signature.features}
    assert (manifest.version, kinds) == (2, {"area": "number", "rooms": "number"})
    assert manifest.provenance.notes[0].startswith(
        "model was saved with other versions than are installed here: scikit-learn 0.22.1 (here "
    )


def test_a_path_that_is_no_folder_of_mlflows_stays_as_it_is(tmp_path: Path) -> None:
    assert model_file_at(tmp_path) == mlflow_folders.ModelFile(tmp_path)
    assert model_file_at(tmp_path / "own.joblib").path == tmp_path / "own.joblib"


def test_the_sample_may_be_left_out_where_the_folder_has_rows(folder: Path, tmp_path: Path) -> None:
    (folder / "MLmodel").write_text(SKLEARN + EXAMPLE)
    (folder / "input_example.json").write_text(json.dumps(ROWS.to_dict("split", index=False)))

    manifest = register("flats", folder, None, changes(tmp_path))

    assert "the sample is the 3 rows of MLflow's input example" in manifest.provenance.notes
    assert manifest.provenance.sample_rows == 3
    (folder / "input_example.json").unlink()
    with pytest.raises(BrokenArtifact, match=r"model: it lacks the file 'input_example\.json'"):
        register("flats", folder, None, changes(tmp_path))
    (folder / "MLmodel").write_text(SKLEARN)
    with pytest.raises(RegistrationError) as caught:
        register("flats", folder, None, changes(tmp_path))
    assert str(caught.value) == (
        "the sample is missing, and model.pkl has no rows beside it: say --sample rows.parquet, some rows of "
        "features without the target"
    )


@pytest.mark.parametrize(
    ("example", "columns"),
    [
        ({"columns": ["a", 2], "data": [[1, 2]]}, ["a", "2"]),
        ({"dataframe_split": {"columns": ["a"], "data": [[1]]}}, ["a"]),
        ({"dataframe_records": [{"a": 1, "b": "x"}]}, ["a", "b"]),
        ({"inputs": [[1, 2], [3, 4]]}, ["x0", "x1"]),
        ({"inputs": {"a": [1], "b": [2]}}, ["a", "b"]),
        ([[1, 2]], ["x0", "x1"]),
        ({"data": [[1, 2]]}, ["x0", "x1"]),
        (["a good film"], ["x0"]),
        ([], None),
        ({"columns": ["a"], "data": [[1, 2]]}, None),
        ("a text", None),
        (7, None),
    ],
)
def test_an_example_is_read_in_each_form(folder: Path, example: Any, columns: list[str] | None) -> None:
    (folder / "MLmodel").write_text(SKLEARN + EXAMPLE)
    (folder / "input_example.json").write_text(json.dumps(example))

    frame = model_file_at(folder).example

    assert (None if frame is None else list(frame)) == columns


def test_types_of_the_signature_count_where_the_sample_is_csv(folder: Path, tmp_path: Path) -> None:
    """Digits are words to the estimator: CSV cannot say so, MLflow's signature does."""
    from sklearn.compose import make_column_transformer  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import FunctionTransformer, OneHotEncoder  # noqa: PLC0415

    columns = make_column_transformer((OneHotEncoder(), ["zip"]), (FunctionTransformer(), ["area", "rooms"]))
    joblib.dump(make_pipeline(columns, LinearRegression()).fit(ROWS, [5.0, 7, 9]), folder / "model.pkl")
    ROWS.to_csv(tmp_path / "rows.csv", index=False)

    manifest = register("flats", folder, tmp_path / "rows.csv", changes(tmp_path))

    kinds = {feature.name: feature.kind for feature in manifest.signature.features}
    assert kinds["zip"] == "category"
    ROWS.assign(rooms=[1.5, 2, 2]).to_csv(tmp_path / "rows.csv", index=False)
    with pytest.raises(DatasetError, match=r"column 'rooms' is not of kind integer in all rows: \"1\.5\""):
        register("flats", folder, tmp_path / "rows.csv", changes(tmp_path))
    said = SampleOptions(types={"rooms": "number"})
    assert register("flats", folder, tmp_path / "rows.csv", changes(tmp_path), said=said).version == 2


def named(path: str) -> str:
    return SKLEARN.replace("pickled_model: model.pkl", f"pickled_model: {json.dumps(path)}")


REFUSED: dict[str, tuple[str, str]] = {
    "own code": (
        "flavors:\n  python_function:\n    loader_module: own\n",
        "model is a model of code of somebody's own (MLflow's python_function), and no server runs code of a",
    ),
    "another flavor": (
        "flavors:\n  pytorch: {model_data: data}\n  python_function: {}\n",
        "model is a model of MLflow's flavor pytorch, which is not read here: those of sklearn, xgboost, "
        "lightgbm, catboost, onnx are. Save it as one of these: networks as ONNX",
    ),
    "an absolute path": (named("/etc/passwd"), "model: its MLmodel names a file that is not in the folder"),
    "a path upwards": (named("a/../../own.pkl"), "model: its MLmodel names no file of the folder"),
    "a link that leads out": (named("link.pkl"), "model: its MLmodel names a file that is not in the folder"),
    "a file that is not there": (named("b.pkl"), "model: it lacks the file 'b.pkl' that its MLmodel names"),
    "a folder": (named("."), "model: it lacks the file '.' that its MLmodel names"),
    "no name": (named("").replace('""', "[1]"), "model: its MLmodel names no file of the folder"),
    "no flavors": ("flavors: 3\n", "model: its MLmodel is damaged: it names no flavors"),
    "no description": ("- 1\n", "model: its MLmodel is damaged: it describes no model"),
    "no YAML": ("flavors: [", "model: its MLmodel is damaged: it cannot be read as YAML"),
    "an object of Python's": (
        "flavors: !!python/object/apply:os.system ['touch never']\n",
        "model: its MLmodel is damaged: it cannot be read as YAML",
    ),
    "parts of parts": (
        "a: &a [1]\nb: &b [*a, *a]\nflavors: *b\n",
        "model: its MLmodel is damaged: it cannot be read as YAML",
    ),
    "lists in lists": ("flavors: " + "[" * 600, "model: its MLmodel is damaged: it cannot be read as YAML"),
    "a megabyte": ("a: " + "x" * 2**20, "model: its MLmodel has more than 1,048,576 bytes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_folder_that_is_not_as_mlflow_writes_it_is_refused(folder: Path, name: str) -> None:
    text, said = REFUSED[name]
    (folder / "link.pkl").symlink_to("../own.pkl")
    (folder.parent / "own.pkl").write_bytes(b"")
    (folder / "MLmodel").write_text(text)

    assert refusal(folder).startswith(said)


def test_without_pyyaml_it_says_what_to_install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_folders, "find_spec", lambda name: None)

    assert refusal(folder) == (
        "model is a folder of MLflow's, which needs PyYAML here: pip install 'pyyaml>=6'"
    )


def test_requirements_of_other_versions_are_said_once(folder: Path) -> None:
    pins = [
        "mlflow==1.0",
        "skops==0.1",
        "cloudpickle==1.0",
        f"pandas=={pd.__version__}",
        "numpy==1.20.0",
        "scikit-learn==0.22.1",
        "-r x",
        "a b",
    ]
    (folder / "requirements.txt").write_text("\n".join(pins))

    (note,) = model_file_at(folder).notes

    assert f"numpy 1.20.0 (here {np.__version__})" in note
    assert note.count("scikit-learn") == 1
    assert not [name for name in ("mlflow", "skops", "cloudpickle", "pandas") if f"{name} " in note]


def skops_of(estimator: Any) -> bytes:
    content: bytes = pytest.importorskip("skops.io", reason="skops is not installed").dumps(estimator)
    return content


def booster_of(estimator: Any) -> bytes:
    xgboost = pytest.importorskip("xgboost", reason="XGBoost is not installed")
    fitted = xgboost.XGBRegressor(n_estimators=1, n_jobs=1).fit(ROWS[["area", "rooms"]], [5.0, 7, 9])
    return bytes(fitted.get_booster().save_raw("ubj"))


@pytest.mark.parametrize(
    ("flavor", "key", "write", "algorithm"),
    [
        pytest.param(
            *("sklearn", "pickled_model", skops_of, "linear_regression"), marks=pytest.mark.exhaustive
        ),
        ("xgboost", "data", booster_of, "xgb_regressor"),
    ],
)
def test_the_file_in_a_folder_may_be_of_any_kind(
    folder: Path, flavor: str, key: str, write: Callable[[Any], bytes], algorithm: str
) -> None:
    (folder / "file").write_bytes(write(FITTED))
    (folder / "MLmodel").write_text(f"flavors:\n  {flavor}:\n    {key}: file\n")
    buffer = io.BytesIO()
    ROWS.to_csv(buffer, index=False)
    (folder / "rows.csv").write_bytes(buffer.getvalue())
    allowing = changes_in(folder / "models", state_dir=folder / "state", allowed_sets=("xgboost",))

    assert register("flats", folder, folder / "rows.csv", allowing).algorithm == algorithm

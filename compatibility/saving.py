"""The ways in which people save fitted models: each writes a file or a folder, and returns it."""

import gzip
import pickle
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import joblib
import pandas as pd

if TYPE_CHECKING:
    from compatibility.case import Fitted


def with_joblib(fitted: "Fitted", folder: Path) -> Path:
    return Path(joblib.dump(fitted.estimator, folder / "model.joblib")[0])


def compressed(method: str) -> Any:
    """Return a way to save: by joblib, compressed with zlib, gzip, bz2, lzma or xz."""

    def save(fitted: "Fitted", folder: Path) -> Path:
        return Path(joblib.dump(fitted.estimator, folder / f"model.{method}", compress=(method, 3))[0])

    return save


def pickled(protocol: int = pickle.DEFAULT_PROTOCOL) -> Any:
    """Return a way to save: by pickle, in one of its protocols."""

    def save(fitted: "Fitted", folder: Path) -> Path:
        file = folder / "model.pkl"
        file.write_bytes(pickle.dumps(fitted.estimator, protocol))
        return file

    return save


def with_cloudpickle(fitted: "Fitted", folder: Path) -> Path:
    import cloudpickle

    file = folder / "model.cloudpickle"
    file.write_bytes(cloudpickle.dumps(fitted.estimator))
    return file


def with_skops(fitted: "Fitted", folder: Path) -> Path:
    from skops.io import dump

    dump(fitted.estimator, folder / "model.skops")
    return folder / "model.skops"


@dataclass(frozen=True)
class Bare:
    """An estimator whose own answers are not asked for."""

    estimator: Any


def as_onnx(fitted: "Fitted", folder: Path) -> Path:
    """Write what skl2onnx makes of an estimator."""
    (folder / "model.onnx").write_bytes(graph_of(fitted))
    return folder / "model.onnx"


def graph_of(fitted: "Fitted") -> bytes:
    """Return what skl2onnx makes of an estimator: labels, and probabilities as a matrix.

    Its graph takes a matrix of numbers, or each column of a table with words by name.
    """
    from skl2onnx import to_onnx

    estimator = fitted.estimator.estimator if isinstance(fitted.estimator, Bare) else fitted.estimator
    options = {"zipmap": False} if hasattr(estimator, "classes_") else None
    rows = as_graphs_take(fitted.rows)[:1]
    content: bytes = to_onnx(
        estimator, rows if _has_words(rows) else rows.to_numpy(), options=options
    ).SerializeToString()
    return content


def as_graphs_take(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows with the types that skl2onnx gives to inputs; whole numbers only beside words."""
    same = "Oi" if _has_words(rows) else ""
    return rows.astype({name: "float32" for name in rows if rows[name].dtype.kind not in same})


def _has_words(rows: pd.DataFrame) -> bool:
    return any(dtype.kind == "O" for dtype in rows.dtypes)


def in_gzip(fitted: "Fitted", folder: Path) -> Path:
    """Write a pickle through `gzip.open`."""
    with gzip.open(folder / "model.pkl.gz", "wb") as file:
        pickle.dump(fitted.estimator, file)
    return folder / "model.pkl.gz"


def with_mlflow(**how: Any) -> Any:
    """Return a way to save: `mlflow.sklearn.save_model`, with these arguments."""

    def save(fitted: "Fitted", folder: Path) -> Path:
        import mlflow.sklearn

        mlflow.sklearn.save_model(fitted.estimator, folder / "mlflow", **how)
        return folder / "mlflow"

    return save


def with_example(fitted: "Fitted", folder: Path) -> Path:
    """Write MLflow's folder of an estimator, with its rows as the input example."""
    return Path(with_mlflow(pip_requirements=[], input_example=fitted.rows)(fitted, folder))


def with_mlflow_as_onnx(fitted: "Fitted", folder: Path) -> Path:
    """Write MLflow's folder of what skl2onnx makes of an estimator."""
    import mlflow.onnx
    import onnx

    graph = onnx.load_from_string(graph_of(fitted))
    mlflow.onnx.save_model(graph, folder / "mlflow", pip_requirements=[])
    return folder / "mlflow"


def by_flavor(flavor: str, *, is_native: bool = False) -> Any:
    """Return a way to save: by another flavor of MLflow's; the booster alone if it is native."""

    def save(fitted: "Fitted", folder: Path) -> Path:
        from importlib import import_module

        model = fitted.estimator
        if is_native:
            model = model.booster_ if flavor == "lightgbm" else model.get_booster()
        module = import_module(f"mlflow.{flavor}")
        module.save_model(model, folder / "mlflow", pip_requirements=[])
        return folder / "mlflow"

    return save


def by_its_own(name: str) -> Any:
    """Return a way to save: `estimator.save_model`, as XGBoost and CatBoost have it."""

    def save(fitted: "Fitted", folder: Path) -> Path:
        fitted.estimator.save_model(str(folder / name))
        return folder / name

    return save


def as_lightgbm_text(fitted: "Fitted", folder: Path) -> Path:
    fitted.estimator.booster_.save_model(folder / "model.txt")
    return folder / "model.txt"


def cut(fitted: "Fitted", folder: Path) -> Path:
    """Write two thirds of a file, as a copy that was interrupted."""
    file = with_joblib(fitted, folder)
    content = file.read_bytes()
    file.write_bytes(content[: len(content) * 2 // 3])
    return file


def foreign(name: str, content: bytes) -> Any:
    """Return a way to save that writes something else."""

    def save(_: "Fitted", folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return save


def as_state_dict(_: "Fitted", folder: Path) -> Path:
    """Write a file as `torch.save(net.state_dict())` does: a ZIP with a pickle and storages."""
    pickle_of_torch = (
        b"\x80\x02ccollections\nOrderedDict\nq\x00)Rq\x01X\x06\x00\x00\x00weightq\x02ctorch._utils\n_rebuild_tensor_v2\n"
        b"q\x03((X\x07\x00\x00\x00storageq\x04ctorch\nFloatStorage\nq\x05X\x01\x00\x00\x000q\x06X\x03\x00\x00\x00cpu"
        b"q\x07K\x04tq\x08QK\x00K\x02K\x02\x86q\tK\x02K\x01\x86q\n\x89h\x00)Rq\x0btq\x0cRq\rs."
    )
    with zipfile.ZipFile(folder / "net.pt", "w") as archive:
        archive.writestr("net/data.pkl", pickle_of_torch)
        archive.writestr("net/byteorder", b"little")
        archive.writestr("net/data/0", bytes(16))
        archive.writestr("net/version", b"3\n")
    return folder / "net.pt"

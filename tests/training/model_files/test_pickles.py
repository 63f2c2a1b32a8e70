"""What a file is that somebody registers, and what is said of one that no server could load."""

import gzip
import io
import json
import os
import pickle
import random
import shutil
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import cloudpickle
import hypothesis
import joblib
import numpy as np
import pandas as pd
import pytest
import sklearn.base
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from mlapi.errors import ClassesNotAllowed, MlapiError, RegistrationError
from mlapi.training.model_files.reading import check_requirements, read_estimator

NO_ROWS = pd.DataFrame()

X = np.arange(20.0).reshape(10, 2)
FITTED = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, X[:, 0] > 9)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "own.joblib"


def refusal(file: Path, content: bytes | None = None, *allowed: str) -> str:
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(MlapiError) as caught:
        read_estimator(file, allowed, NO_ROWS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def zipped(*names: str, **contents: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name in names:
            archive.writestr(name, contents.get("content", b""))
    return buffer.getvalue()


def tarred() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model/MLmodel"))
    return buffer.getvalue()


FOREIGN: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "but empty; copy it again"),
    "CSV": (b"age,income\n1,2.5\n", "but a text; `mlapi register` takes what joblib.dump"),
    "CSV of letters": ("größe,x^2\n1,2\n".encode(), "but a text"),
    "a text like zlib": (b"x^2,y\n1,2\n", "but a text"),
    "CSV, compressed": (gzip.compress(b"a,b\n1,2\n"), "but a text"),
    "PNG": (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "but a PNG picture"),
    "JSON": (b'{"coef": [1, 2]}', "but JSON"),
    "XGBoost, compressed": (
        gzip.compress(json.dumps({"learner": {}}).encode()),
        "but a booster as JSON; decompress it first",
    ),
    "XGBoost's old format": (
        b"binf\0\0\0?",
        "booster = xgboost.Booster(model_file=FILE); booster.save_model(",
    ),
    "LightGBM, compressed": (
        gzip.compress(b"tree\nversion=v4\nnum_class=1\n"),
        "but a booster of LightGBM's as text; decompress it first",
    ),
    "weights of PyTorch": (
        zipped("net/data.pkl", content=b"ccollections\nOrderedDict\n"),
        "saved by torch.save; in Python, build the network and then: net.load_state_dict(torch.load(FILE)); "
        "net.eval(); torch.onnx.export(net, ",
    ),
    "a network of PyTorch": (
        zipped("net/data.pkl", content=b"ctorch.nn.modules\nLinear\n"),
        "saved by torch.save; in Python: net = torch.load(FILE, weights_only=False); net.eval(); torch.onnx",
    ),
    "a zip": (zipped("x.txt"), "but a zip archive; unpack it first"),
    "a zip, cut": (zipped("x.txt")[:30], "but a zip archive, damaged or cut off"),
    "a tar": (tarred(), "but an archive; unpack it first"),
    "a web page": (b"<!DOCTYPE html><html>", "but a web page; download the file itself"),
    "Git LFS": (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS to a file"),
    "old joblib": (b"ZF0x1234             x\x9c", "but a file of joblib's before 0.10"),
    "bytes": (bytes(range(200, 256)), "it is no joblib or pickle file; `mlapi register` takes"),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_file_that_is_no_pickle_is_said_to_be_what_it_is(file: Path, kind: str) -> None:
    content, said = FOREIGN[kind]

    message = refusal(file, content)

    assert message.startswith("own.joblib: it is no joblib or pickle file")
    assert said in message


def test_a_folder_is_none(tmp_path: Path) -> None:
    assert refusal(tmp_path).startswith(
        f"{tmp_path.name} is a folder, and none of MLflow's: `mlapi register` takes what joblib.dump"
    )


def written(how: str) -> bytes:
    buffer = io.BytesIO()
    if how.startswith("protocol"):
        return pickle.dumps(FITTED, int(how[-1]))
    joblib.dump(FITTED, buffer, compress=0 if how == "joblib" else (how, 3))
    return buffer.getvalue()


WAYS = ("joblib", "zlib", "gzip", "bz2", "lzma", "xz", *(f"protocol {number}" for number in range(6)))


@pytest.mark.parametrize("how", WAYS)
def test_a_file_that_is_cut_anywhere_is_damaged(file: Path, how: str) -> None:
    content = written(how)
    file.write_bytes(content)
    assert read_estimator(file, (), NO_ROWS).estimator.predict(X).tolist() == FITTED.predict(X).tolist()

    for end in random.Random(0).sample(range(20, len(content) - 1), 15):
        message = refusal(file, content[:end])
        said = "no joblib or pickle file" if end < 40 else "damaged or cut off"
        assert said in message or how in ("protocol 0", "protocol 1"), f"{end}: {message}"
        assert "Error: " not in message


@pytest.mark.parametrize("how", WAYS)
def test_a_file_with_any_byte_changed_loads_or_is_refused_in_a_sentence(file: Path, how: str) -> None:
    content, choice = written(how), random.Random(0)

    for _ in range(40):
        place = choice.randrange(len(content))
        file.write_bytes(content[:place] + bytes([choice.randrange(256)]) + content[place + 1 :])
        assert "\n" not in outcome(file)


def outcome(file: Path) -> str:
    try:
        read_estimator(file, (), NO_ROWS)
    except MlapiError as error:
        return str(error)
    return "loaded"


def of_script(name: str) -> bytes:
    """An estimator whose scaler was defined in a module of this name."""
    module = ModuleType(name)
    scaler = type("Ratio", (StandardScaler,), {"__module__": name})
    module.Ratio = scaler  # type: ignore[attr-defined]
    before = sys.modules.get(name)
    sys.modules[name] = module
    try:
        return pickle.dumps(make_pipeline(scaler(), LogisticRegression()).fit(X, X[:, 0] > 9))
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before


def test_a_class_of_a_script_is_refused_whoever_allows_it(file: Path) -> None:
    content = of_script("__main__")

    for allowed in ((), ("__main__.Ratio",)):
        message = refusal(file, content, *allowed)

        assert message.startswith(
            "own.joblib names __main__.Ratio, defined in a script or notebook, which no "
        )
        assert "Put that into a module of a package that is installed here and where it is served" in message
        assert "allowed_classes" not in message


def test_a_module_that_only_lies_beside_the_file_is_to_be_installed(file: Path) -> None:
    message = refusal(file, of_script("churn_steps"), "churn_steps.Ratio")
    assert message.startswith(
        "own.joblib names churn_steps.Ratio of churn_steps, which is not installed here. "
    )

    (file.parent / "churn_steps.py").write_text("raise SystemExit\n")

    assert "of churn_steps.py, which lies in a folder that no server imports from" in refusal(file)


def test_code_within_a_pickle_is_refused_with_the_way_out(file: Path) -> None:
    scaler = type("Ratio", (StandardScaler,), {"__module__": "__main__", "half": lambda self: 0.5})

    message = refusal(file, cloudpickle.dumps(make_pipeline(scaler()).fit(X)))

    assert message.startswith("own.joblib holds code itself, as cloudpickle and dill write it (")
    assert "allowed_classes" not in message


@pytest.mark.parametrize("call", [eval, exec, os.system, setattr, shutil.rmtree])
def test_what_runs_any_code_is_never_advised_to_be_allowed(file: Path, call: Callable[..., Any]) -> None:
    class Gadget:
        def __reduce__(self) -> Any:
            return call, ("1",)

    message = refusal(file, pickle.dumps([FITTED, Gadget()]))

    assert "which can run any code: a fitted estimator needs no such thing" in message
    assert "allow" not in message.partition("any code")[2]


def test_results_of_statsmodels_are_refused_with_the_lines_that_make_an_estimator(file: Path) -> None:
    content = b"cstatsmodels.regression.linear_model\nOLSResults\n)\x81."

    message = refusal(file, content, "statsmodels.regression.linear_model.OLSResults")

    assert "make one of their numbers, as LinearRegression" in message


def test_a_library_that_is_not_installed_is_to_be_installed(file: Path) -> None:
    content = of_script("boosting9")

    message = refusal(file, content, "boosting9.Ratio")

    assert "of boosting9, which is not installed here. Install it here and where it is served" in message


def saved_with(version: str, estimator: Any, monkeypatch: pytest.MonkeyPatch) -> bytes:
    with monkeypatch.context() as patch:
        patch.setattr(sklearn.base, "__version__", version)
        return pickle.dumps(estimator)


def test_a_module_that_only_an_older_scikit_learn_has_is_said_to_be_of_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved_with("0.20.3", LogisticRegression().fit(X, X[:, 0] > 9), monkeypatch)
    old = b"sklearn.linear_model.logistic"
    content = content.replace(b"\x8c\x1esklearn.linear_model._logistic", b"\x8c" + bytes([len(old)]) + old)
    content = content[:3] + (len(content) - 11 - 1).to_bytes(8, "little") + content[11:]

    message = refusal(file, content)

    assert "names sklearn.linear_model.logistic.LogisticRegression, which scikit-learn" in message
    assert "does not have: scikit-learn 0.20.3 has saved it, and" in message


def test_a_class_that_scikit_learn_has_no_more_is_not_advised_to_be_allowed(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = saved_with("1.2.2", LogisticRegression().fit(X, X[:, 0] > 9), monkeypatch)

    message = refusal(file, content.replace(b"LogisticRegression", b"LogisticRegressiom"))

    assert "LogisticRegressiom, which scikit-learn" in message
    assert "does not have: scikit-learn 1.2.2 has saved it" in message
    assert "allow" not in message


def test_compiled_losses_are_found_under_the_name_that_scikit_learn_1_6_wrote(file: Path) -> None:
    fitted = HistGradientBoostingRegressor(max_iter=1, min_samples_leaf=2).fit(X, X[:, 0])
    content = pickle.dumps(fitted, 2)
    file.write_bytes(content.replace(b"csklearn._loss._loss\n", b"c_loss\n"))
    assert file.read_bytes() != content

    assert read_estimator(file, (), NO_ROWS).estimator.predict(X).tolist() == fitted.predict(X).tolist()


def test_the_versions_that_saved_it_are_read_off_its_parts(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [saved_with(number, FITTED[0], monkeypatch) for number in ("1.10.0", "1.2.2", "1.9.0")]
    file.write_bytes(b"\x80\x05(" + b"".join(part[2 + 9 : -1] for part in parts) + b"l.")

    found = read_estimator(file, (), NO_ROWS)

    assert found.fitted_with == ("1.2.2", "1.9.0", "1.10.0")
    assert dict(found.libraries) == {"scikit-learn": sklearn.__version__}


def test_an_estimator_that_lacks_what_its_class_needs_here_ends_in_a_sentence(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So does a LinearRegression of 1.6, which had no `tol`."""
    older = LinearRegression().fit(X, X[:, 0])
    del older.tol

    message = refusal(file, saved_with("1.6.1", older, monkeypatch))

    assert message.startswith("own.joblib cannot be used here (AttributeError: ")
    assert (
        f"scikit-learn 1.6.1 has saved it, and {sklearn.__version__} is installed here. Fit it again"
        in message
    )


@pytest.mark.filterwarnings("error")
def test_another_version_of_scikit_learn_is_no_warning_of_its_own(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file.write_bytes(saved_with("1.2.2", FITTED, monkeypatch))

    assert read_estimator(file, (), NO_ROWS).fitted_with == ("1.2.2",)


def test_what_is_not_allowed_is_named_with_its_package(file: Path) -> None:
    file.write_bytes(pickle.dumps(hypothesis.settings))

    with pytest.raises(ClassesNotAllowed, match=r"hypothesis\S* \(of hypothesis [0-9.]+\)") as caught:
        read_estimator(file, (), NO_ROWS)

    assert set(caught.value.names) == {"hypothesis._settings.settings"}


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        (("numpy",), None),
        ((f"numpy=={np.__version__}", "scikit-learn>=1"), None),
        (("numpy==1.2",), f"it needs numpy==1.2, and {np.__version__} is installed here"),
        (("churn-features==1.2",), "it needs churn-features==1.2, which is not installed here"),
        (("not a package!",), '"not a package!" names no package and version, such as churn-features==1.2'),
        (("numpy; python_version < '3'",), "names more than a package and its version"),
    ],
)
def test_a_package_that_is_needed_is_looked_for(requires: tuple[str, ...], said: str | None) -> None:
    if said is None:
        check_requirements(requires)
        return
    with pytest.raises(RegistrationError) as caught:
        check_requirements(requires)
    assert said in str(caught.value)

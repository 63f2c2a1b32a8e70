"""A file of joblib's, pickle's or skops' -> the estimator in it, once all that it names is allowed.

Nothing that the file names is imported or run before. What is no such file, and what no server could load, is
refused with what to do.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from mlapi.artifacts.allowing import as_lines, with_names
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.pickles.foreign_files import is_text, kind_of
from mlapi.artifacts.pickles.origins import (
    Location,
    Origin,
    file_beside,
    installed,
    is_gone,
    origin_of,
    packages_of,
)
from mlapi.artifacts.pickles.scanner import NO_PICKLE, Contents, scan
from mlapi.artifacts.pickles.skops_files import as_pickle
from mlapi.artifacts.provenance import Provenance
from mlapi.errors import BrokenArtifact, ClassesNotAllowed, RegistrationError
from mlapi.estimators.algorithms import CLASSES
from mlapi.training.model_files.estimator_file import EstimatorFile
from mlapi.wording import listed, reason

TAKES = (
    "`mlapi register` takes what joblib.dump(estimator, file) writes, files of ONNX, skops, XGBoost, "
    "LightGBM and CatBoost, and folders of MLflow"
)
"""What to do with a file of another kind."""

_AS_MODULE = (
    "into a module of a package that is installed here and where it is served, import it from there, and "
    "dump the estimator again"
)
"""What to do with code that only the script has that saved the estimator."""


def read_pickle(content: bytes, allowed: Collection[str], folder: Path) -> EstimatorFile:
    """Unpickle a file of joblib's or pickle's, once all that it names is allowed.

    Args:
        content: The file as it is, compressed or not.
        allowed: The classes and functions that it may name beyond those that every estimator may.
        folder: Where the file lies, and perhaps the script that saved it.

    Raises:
        ClassesNotAllowed: It names others; nothing was imported.
        RegistrationError: No server could load it, or its estimator is of no use here.
        BrokenArtifact: It is no such file, or damaged.
    """
    pickled, contents = _scanned(content)
    _check_names(contents, allowed, folder)
    estimator = _loaded(pickled, contents, allowed)
    return EstimatorFile(estimator, contents.versions, packages_of(contents.modules.values()))


def read_skops(content: bytes, allowed: Collection[str], folder: Path) -> EstimatorFile:
    """Read a file of skops', once all that it names is allowed.

    Args:
        content: The file as it is.
        allowed, folder: As for `read_pickle`.

    Raises:
        ClassesNotAllowed, RegistrationError, BrokenArtifact: As `read_pickle`.
    """
    return read_pickle(as_pickle(content), allowed, folder)


def reloaded(estimator: Any, allowed: Collection[str], notes: tuple[str, ...] = ()) -> EstimatorFile:
    """Return an estimator that its library has read, as the server will load it: from its own pickle.

    Raises:
        ClassesNotAllowed: The pickle names what is not allowed.
        RegistrationError, BrokenArtifact: As `read_pickle`, of the pickle.
    """
    return replace(read_pickle(pickling.dumps(estimator), allowed, Path()), notes=notes)


def examined(estimator: Any, allowed: Collection[str]) -> tuple[Provenance, Mapping[str, str]]:
    """Return where an estimator in memory comes from, and what of its pickle is not allowed.

    Returns:
        Provenance: What its pickle says of itself.
        names: By full name of a class or function the package that it is of, as for a message.

    Raises:
        RegistrationError: It cannot be pickled, or names what no server can import.
    """
    try:
        pickled = pickling.dumps(estimator)
    except Exception as error:  # somebody else's code
        raise RegistrationError(
            f"the estimator cannot be saved: {reason(error)}. Functions and classes that it holds have to be "
            f"defined in a module, and be no lambdas"
        ) from error
    contents = scan(pickled)
    names: Mapping[str, str] = {}
    try:
        _check_names(contents, allowed, Path())
    except ClassesNotAllowed as error:
        names = error.names
    except RegistrationError as error:
        raise RegistrationError(f"the estimator {error}") from error
    libraries = packages_of(contents.modules.values())
    return EstimatorFile(estimator, contents.versions, libraries).provenance, names


def _scanned(content: bytes) -> tuple[bytes, Contents]:
    """Return the pickle in a file, and what it says of itself.

    Raises:
        BrokenArtifact: There is none, or it is damaged.
    """
    _check_kind(content)
    try:
        pickled = pickling.decompress(content)
    except BrokenArtifact as error:
        raise BrokenArtifact(_a_text() if is_text(content) else str(error)) from error
    _check_kind(pickled)
    try:
        return pickled, scan(pickled)
    except BrokenArtifact as error:
        if str(error) != NO_PICKLE:
            raise BrokenArtifact(f"{error}; copy it again, or dump the estimator again") from error
        raise BrokenArtifact(_a_text() if is_text(pickled) else f"{NO_PICKLE}; {TAKES}") from error


def _a_text() -> str:
    return f"{NO_PICKLE} but a text; {TAKES}"


def _check_kind(content: bytes) -> None:
    kind = kind_of(content)
    if kind is not None:
        what, way_out = kind
        raise BrokenArtifact(f"{NO_PICKLE} but {what}; {way_out or TAKES}")


def _check_names(contents: Contents, allowed: Collection[str], folder: Path) -> None:
    """Refuse names that no server can import, whoever allows them, and then those that nobody has allowed.

    Args:
        folder: Where the file lies, and perhaps the script that saved it.

    Raises:
        RegistrationError: No server can import them.
        ClassesNotAllowed: They are not allowed.
    """
    known = CLASSES | pickling.AUDITED
    others = {name: module for name, module in contents.modules.items() if name not in known}
    if any(name.startswith("statsmodels.") for name in others):
        raise RegistrationError(_RESULTS)
    origins = {name: origin_of(name, module) for name, module in others.items()}
    for place, sentence in _NEVER.items():
        names = [
            name
            for name, origin in origins.items()
            if origin.location is place and (place in _WHOEVER_ALLOWS or name not in allowed)
        ]
        if names:
            raise RegistrationError(sentence(names))
    absent = [name for name, origin in origins.items() if origin.location is Location.NOWHERE]
    if absent:
        raise RegistrationError(_absent(absent[0], others[absent[0]], origins[absent[0]], contents, folder))
    unknown = {name: origin.shown for name, origin in origins.items() if name not in allowed}
    gone = [name for name in unknown if is_gone(name, others[name])]
    if gone:
        raise RegistrationError(_absent(gone[0], others[gone[0]], origins[gone[0]], contents, folder))
    if unknown:
        whose = listed(sorted(set(unknown.values())))
        raise ClassesNotAllowed(
            f"names classes that are not allowed: {listed(unknown)} (of {whose}). Loading it would import "
            f"them and run what they do. If you trust them, register it with --allow, or set in "
            f"config/mlapi.toml, here and where it is served: {as_lines(with_names(unknown, allowed))}",
            unknown,
        )


_RESULTS = (
    "holds results of statsmodels, which are no estimator: make one of their numbers, as "
    "LinearRegression(fit_intercept=False) with coef_ = results.params, intercept_ = 0.0 and "
    "n_features_in_ = len(results.params), or fit the same with scikit-learn; docs/training.md has the lines"
)
"""What to do with results of statsmodels, which keep their data and formulas as code."""

_NEVER: Mapping[Location, Callable[[list[str]], str]] = {
    Location.COMMANDS: lambda names: (
        f"names {listed(names)}, which can run any code: a fitted estimator needs no such thing. Do not load "
        f"this file, unless you know who made it; a function of a module can take the place of a method"
    ),
    Location.OLD_FILES: lambda _: (
        "was written by joblib before 0.10, with its arrays in files beside: load it with that joblib, and "
        "dump it with a new one"
    ),
    Location.PICKLE: lambda names: (
        f"holds code itself, as cloudpickle and dill write it ({listed(names)}): no server runs code of a "
        f"file. Put what you have defined {_AS_MODULE}, by joblib"
    ),
    Location.SCRIPT: lambda names: (
        f"names {listed(names)}, defined in a script or notebook, which no server can import. Put that "
        f"{_AS_MODULE}"
    ),
}
"""By place, the sentence on names there that no server can import."""

_WHOEVER_ALLOWS = (Location.OLD_FILES, Location.SCRIPT)
"""The places whose names cannot be imported even if they are allowed."""


def _absent(name: str, module: str, origin: Origin, contents: Contents, folder: Path) -> str:
    """Return what is said of a name whose module is not installed here."""
    beside = file_beside(module, folder) or file_beside(module, Path())
    if origin.version:
        saved = f": {_saved(contents)}" if origin.package == "scikit-learn" and contents.versions else ""
        return (
            f"names {listed([name])}, which {origin.shown} does not have{saved}. Fit it again with "
            f"{origin.shown}, or register and serve it where its own version is installed"
        )
    if beside:
        return (
            f"names {listed([name])} of {beside}, which lies in a folder that no server imports from. Put it "
            f"into a package that is installed here and where it is served, or its folder into PYTHONPATH"
        )
    return (
        f"names {listed([name])} of {listed([origin.package])}, which is not installed here. Install it here "
        f"and where it is served, in the version that the estimator was fitted with"
    )


def _loaded(content: bytes, contents: Contents, allowed: Collection[str]) -> Any:
    """Unpickle an estimator, and ask it for what every estimator says of itself.

    Raises:
        BrokenArtifact: It cannot be unpickled.
        RegistrationError: It lacks attributes that its class needs here: another version has saved it.
    """
    differs = bool(contents.versions) and contents.versions != (installed("scikit-learn"),)
    try:
        estimator = pickling.load(content, CLASSES.union(allowed))
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{error} ({_saved(contents)})" if differs else str(error)) from error
    if isinstance(estimator, type) or not hasattr(estimator, "get_params"):
        return estimator
    try:
        estimator.get_params()
        estimator.__sklearn_tags__()
    except Exception as error:  # whatever an estimator of another version, or of somebody's own, raises
        saved = f": {_saved(contents)}. Fit it again, or register and serve it where that is installed"
        raise RegistrationError(f"cannot be used here ({reason(error)}){saved if differs else ''}") from error
    return estimator


def _saved(contents: Contents) -> str:
    versions = " and ".join(dict.fromkeys((contents.versions[0], contents.versions[-1])))
    return f"scikit-learn {versions} has saved it, and {installed('scikit-learn')} is installed here"

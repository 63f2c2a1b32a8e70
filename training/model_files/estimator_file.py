"""What a reader of model files returns, and what all readers refuse alike."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any

from mlapi.artifacts.allowing import as_lines, with_names
from mlapi.artifacts.pickles.named_sets import SETS
from mlapi.artifacts.provenance import Provenance
from mlapi.errors import ClassesNotAllowed, RegistrationError
from mlapi.wording import how_to_install


@dataclass(frozen=True)
class EstimatorFile:
    """An estimator, and what its file says of itself."""

    estimator: Any
    fitted_with: tuple[str, ...] = ()
    """The versions of scikit-learn that its parts say they were saved with, the oldest first."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """The installed packages that it names, each with its version here."""
    notes: tuple[str, ...] = ()
    """What was decided about it, in sentences."""

    @property
    def provenance(self) -> Provenance:
        """Return what the file says of where the estimator comes from."""
        return Provenance(
            source="registered", notes=self.notes, fitted_with=self.fitted_with, libraries=self.libraries
        )


def numbers_for_labels(name: str, classes: int) -> str:
    """Return the note on a file without the names of its classes."""
    return (
        f"{name} has no names of classes: the answers are the numbers 0 to {classes - 1}, in the order of "
        f"the sorted classes of the fit; joblib.dump the estimator itself to get its names"
    )


def check_set(name: str, allowed: Collection[str]) -> None:
    """Check that a set of classes is allowed whose library reads the file, here and where it is served.

    Raises:
        ClassesNotAllowed: It is not. The message goes on after the name of the file and its kind.
    """
    entry = SETS[name]
    unknown = sorted(entry.names.difference(allowed))
    if unknown:
        raise ClassesNotAllowed(
            f"needs the set {name!r}, which trusts {entry.trusts}. If you do, register it with --allow, or "
            f"set in config/mlapi.toml, here and where it is served: "
            f"{as_lines(with_names(unknown[:1], allowed))}",
            dict.fromkeys(unknown, name),
        )


def check_library(name: str, allowed: Collection[str]) -> None:
    """Check that the library that reads the file is installed here, and its set of classes allowed.

    Args:
        name: Of the library as it is imported; its extra and its set are called so too.

    Raises:
        RegistrationError: It is not installed. The message goes on after the name of the file and its kind.
        ClassesNotAllowed: As `check_set`.
    """
    if find_spec(name) is None:
        raise RegistrationError(
            f"needs {name}, which is not installed here: {how_to_install(name)}, here and where it is served"
        )
    check_set(name, allowed)

"""What a name in a pickle becomes where nobody has allowed it in particular: of use to the unpickler alone.

A class that a pickle got as it is could be handed on to whatever else it may call, and be called by that.
"""

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any


class NotAllowed(Exception):
    """A pickle asks for what none of ours does."""


class Name:
    """A class or function by its full name. It cannot be called, and nothing can be done to it."""

    __slots__ = ("full", "real")

    def __init__(self, full: str, real: Any) -> None:
        self.full, self.real = full, real


def name_of(kind: Any) -> str:
    """The name by which a pickle would import a class or function."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


OURS = frozenset(
    {
        *(f"mlapi.estimators.algorithms.{module}" for module in ("cnn", "kernels", "svm")),
        "mlapi.estimators.preprocessing",
        *(
            f"mlapi.inference.compiled.{module}"
            for module in (
                *("columns", "kernels", "linear", "network", "one_row"),
                *("predictor", "steps", "svm", "votes", "words"),
            )
        ),
    }
)
"""The modules of this project that pickles may name. They are part of the file format: a class that moves
out of one of them, or a module that moves, needs a line in `_MOVED`."""

_MOVED = {
    "mlapi.algorithms": "mlapi.estimators.algorithms",
    "mlapi.compiled": "mlapi.inference.compiled",
    "mlapi.preprocessing": "mlapi.estimators.preprocessing",
}
"""Where our classes are today, by the modules or packages that 0.1.0's first versions name."""


def of_today(module: str, name: str, protocol: int) -> tuple[str, str]:
    """A name as it is called today: ours may have moved since, and protocols 0 to 2 spell some as Python 2
    did, `copy_reg` for `copyreg`."""
    package = ".".join(module.split(".")[:2])
    if package in _MOVED:
        module = _MOVED[package] + module.removeprefix(package)
    if protocol >= 3:
        return module, name
    return NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)

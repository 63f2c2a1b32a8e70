"""The names in a pickle: what they become, what they are called today, and which modules of ours they may
name.

A pickle gets no class as it is, unless somebody has allowed that class in particular: as an argument of a
call it could be called in turn.
"""

from _compat_pickle import IMPORT_MAPPING, NAME_MAPPING
from typing import Any


class NotAllowed(Exception):
    """A pickle asks for what none of ours does."""


class Name:
    """A class or function as a pickle gets it, which a pickle can neither call nor alter.

    `full` is its full name, and `real` the class or function itself.
    """

    __slots__ = ("full", "real")

    def __init__(self, full: str, real: Any) -> None:
        self.full, self.real = full, real


def name_of(kind: Any) -> str:
    """Return the name by which a pickle would import a class or function, its module before it."""
    return f"{getattr(kind, '__module__', '')}.{getattr(kind, '__qualname__', '')}"


OURS = frozenset(
    {
        *(f"mlapi.estimators.algorithms.{module}" for module in ("cnn", "kernels", "svm")),
        "mlapi.estimators.preprocessing",
        *(
            f"mlapi.inference.compiled.{module}"
            for module in (
                *("bayes", "columns", "committees", "functions", "kernels", "linear", "links", "network"),
                *(
                    "one_row",
                    "perceptron",
                    "predictor",
                    "selection",
                    "steps",
                    "svm",
                    "votes",
                    "words",
                    "wrappers",
                ),
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


def current_name(module: str, name: str, protocol: int) -> tuple[str, str]:
    """Return the module and the name by which a class is imported today.

    Ours may have moved since it was pickled, as numpy's have. Protocols 0 to 2 write some modules as Python 2
    called them, `copy_reg` for `copyreg`.
    """
    package = ".".join(module.split(".")[:2])
    if package == "numpy.core":  # as numpy 1 called it
        module = "numpy._core" + module.removeprefix(package)
    if module == "_loss":  # as scikit-learn 1.3 to 1.6 named its compiled losses
        module = "sklearn._loss._loss"
    if package in _MOVED:
        module = _MOVED[package] + module.removeprefix(package)
    if protocol >= 3:
        return module, name
    return NAME_MAPPING.get((module, name)) or (IMPORT_MAPPING.get(module, module), name)

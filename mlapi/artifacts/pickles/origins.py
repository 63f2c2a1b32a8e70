"""Whose the classes and functions are that a pickle names, without importing any of them.

A pickle says where a class lies, not what it is. Some places tell at once that no server can load it: the
script that made it, a module that is not installed, or the pickle itself.
"""

import importlib.util
import re
import sys
from collections.abc import Iterable, Mapping
from enum import Enum
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import NamedTuple


class Location(Enum):
    """Where a class or function lies."""

    SCRIPT = "script"
    """In the script or notebook that saved it."""
    PICKLE = "pickle"
    """In the pickle itself, as code: cloudpickle and dill write such for what lies in a script."""
    COMMANDS = "commands"
    """Among what runs programs or any code at all, which no fitted estimator needs."""
    OLD_FILES = "old files"
    """In files beside, as joblib wrote arrays before 0.10."""
    NOWHERE = "nowhere"
    """In a module that is not installed here."""
    INSTALLED = "installed"
    """In an installed package, or a module of somebody's own that can be imported."""


class Origin(NamedTuple):
    """Where a class or function lies, and in which package."""

    location: Location
    package: str
    """What is installed with pip, or the first part of the module's name; "Python" for its own library."""
    version: str | None
    """Of the package; None of one's own module, or where it is not installed."""

    @property
    def shown(self) -> str:
        """Return the package and its version: "xgboost 3.2.0"."""
        return f"{self.package} {self.version}" if self.version else self.package


_SCRIPTS = frozenset({"__main__", "__mp_main__"})
"""What Python calls the module of a script, whatever its file is."""

_BY_VALUE = frozenset({"cloudpickle", "dill"})
"""The packages whose functions rebuild code from a pickle."""

_OLD_FILES = re.compile(r"joblib\.numpy_pickle(_compat)?\.Z?NDArrayWrapper")
"""The classes by which joblib referred to files beside."""

_RUNS = frozenset(
    {
        *(
            "_posixsubprocess",
            "code",
            "codeop",
            "ctypes",
            "importlib",
            "nt",
            "os",
            "pdb",
            "pip",
            "posix",
            "pty",
        ),
        *("pickle", "runpy", "shutil", "socket", "subprocess", "sys", "timeit", "webbrowser"),
    }
)
"""Modules that run programs or any code, open files, or end the process."""

_RUN_ANY = frozenset(
    {
        *(f"builtins.{name}" for name in ("__import__", "breakpoint", "compile", "eval", "exec", "open")),
        *(
            f"builtins.{name}"
            for name in ("delattr", "getattr", "globals", "input", "locals", "setattr", "vars")
        ),
        *(f"types.{name}" for name in ("CodeType", "FunctionType", "MethodType", "ModuleType")),
    }
)
"""Python's own functions and types of which a pickle makes any code."""


def origin_of(full: str, module: str) -> Origin:
    """Return where a class or function lies.

    Args:
        full: Its name, that of its module before it.
        module: The name of its module.
    """
    top = module.partition(".")[0]
    if top in _SCRIPTS:
        return Origin(Location.SCRIPT, top, None)
    if top in _BY_VALUE:
        return Origin(Location.PICKLE, top, None)
    if _OLD_FILES.fullmatch(full):
        return Origin(Location.OLD_FILES, "joblib", None)
    if top in _RUNS or full in _RUN_ANY:
        return Origin(Location.COMMANDS, "Python", None)
    if top in sys.stdlib_module_names:
        return Origin(Location.INSTALLED, "Python", None)
    package = _package_of(top)
    return Origin(
        Location.INSTALLED if is_importable(module) else Location.NOWHERE, package, installed(package)
    )


def is_importable(module: str) -> bool:
    """Return whether Python finds a module by this name. Imports neither it nor the packages around it."""
    if not all(part.isidentifier() for part in module.split(".")):
        return False
    if module in sys.modules:
        return True
    spec: ModuleSpec | None = None
    for end in range(1, module.count(".") + 2):
        name = ".".join(module.split(".")[:end])
        if spec is None:
            spec = _first(name)
        elif spec.submodule_search_locations is None:
            return False
        else:
            spec = PathFinder.find_spec(name, list(spec.submodule_search_locations))
        if spec is None:
            return False
    return True


def is_gone(full: str, module: str) -> bool:
    """Return whether a module that is imported already has no such class or function: it has moved since."""
    known = sys.modules.get(module)
    name = full.removeprefix(f"{module}.").partition(".")[0]
    return known is not None and module.partition(".")[0] not in _SCRIPTS and name not in vars(known)


def file_beside(module: str, folder: Path) -> str | None:
    """Return the name of the file in a folder from which a script there imports this module; None if there
    is none."""
    top = module.partition(".")[0]
    places = (f"{top}.py", f"{top}/__init__.py") if top.isidentifier() else ()
    return next((place for place in places if (folder / place).is_file()), None)


@cache
def installed(package: str) -> str | None:
    """Return the version of an installed package; None where it is not installed."""
    try:
        return version(package)
    except (PackageNotFoundError, ValueError):
        return None


def packages_of(modules: Iterable[str]) -> Mapping[str, str]:
    """Return the installed packages that these modules belong to, each with its version, in order.

    mlapi itself is left out: it checks the form of what it has pickled, and no answer depends on its version.
    """
    tops = {module.partition(".")[0] for module in modules} - sys.stdlib_module_names - {"mlapi"}
    versions = {package: installed(package) for package in map(_package_of, sorted(tops))}
    return {package: number for package, number in sorted(versions.items()) if number}


def _first(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):  # a module that says nothing of where it comes from
        return None


@cache
def _by_module() -> Mapping[str, list[str]]:
    """By the first part of a module's name, the installed packages that bring it. Reads all of them."""
    return packages_distributions()


def _package_of(top: str) -> str:
    return (_by_module().get(top) or [top])[0]

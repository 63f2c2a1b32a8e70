"""Packages that a version declares it needs where it is served, as pip writes them: "churn-features==1.2"."""

from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version

from packaging.requirements import InvalidRequirement, Requirement
from packaging.version import InvalidVersion

from mlapi.wording import quoted, shortened


def problems(requirements: Iterable[str]) -> list[str]:
    """Return what is wrong with each requirement that is not met here, in words; an empty list if all are.

    Extras, markers and URLs are none that can be looked at here, and count as unreadable.
    """
    return [problem for problem in map(_problem, requirements) if problem]


def _problem(text: str) -> str | None:
    try:
        wanted = Requirement(text)
    except InvalidRequirement:
        return f"{quoted(text)} names no package and version, such as churn-features==1.2"
    if wanted.url or wanted.marker or wanted.extras:
        return f"{quoted(text)} names more than a package and its version"
    needs = shortened(f"{wanted.name}{wanted.specifier}", 100)
    try:
        here = version(wanted.name)
        is_met = wanted.specifier.contains(here, prereleases=True)
    except PackageNotFoundError:
        return f"it needs {needs}, which is not installed here"
    except InvalidVersion:
        return f"it needs {needs}, and what is installed here has no version that can be compared"
    return None if is_met else f"it needs {needs}, and {here} is installed here"

"""All cases, a file for each kind of them."""

from compatibility.case import Case
from compatibility.cases import (
    boosters,
    estimators,
    files,
    habits,
    outputs,
    own_code,
    preparation,
    published,
    releases,
    texts,
    transformers,
    wrappers,
)


def all_cases() -> list[Case]:
    modules = (
        estimators, transformers, preparation, texts, wrappers, outputs, boosters, files, own_code,
        releases, habits,
    )  # fmt: skip
    registered = [case for module in modules for case in module.cases()]
    return [*registered, *published.again(registered)]

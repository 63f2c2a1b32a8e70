"""The tree of errors in the docstring of `mlapi.errors` is the tree of its classes."""

import re

from mlapi import errors
from mlapi.errors import MlapiError


def test_the_drawing_shows_each_class_below_its_parent() -> None:
    classes = [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, MlapiError)
    ]

    assert _drawing() == {each.__name__: each.__base__.__name__ for each in classes if each.__base__}


def _drawing() -> dict[str, str]:
    """The parent of each class in the drawing, by name; the depth of a line is where its names begin."""
    parents = {"MlapiError": "Exception"}
    above = {0: "MlapiError"}
    for line in re.findall(r"^    ([ |]*)\+- (.*)$", errors.__doc__ or "", re.MULTILINE):
        depth = (len(line[0]) + 3) // 4
        names = line[1].split(", ")
        parents |= dict.fromkeys(names, above[depth - 1])
        above[depth] = names[-1]
    return parents

"""Whom and what a server trusts: signatures and classes. Made from its settings, never from a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlapi.artifacts.keys import PublicKey


@dataclass(frozen=True)
class Trust:
    """What a version has to prove before it is loaded."""

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    """The keys whose signatures are trusted, by id."""
    required: bool = True
    """Whether a version is broken that none of these keys has signed."""
    classes: frozenset[str] = frozenset()
    """The classes that an artifact may name beside those of this project's own algorithms, as
    "package.module.Class"."""

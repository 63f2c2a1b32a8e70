"""What a server trusts: whose signatures, and which classes. Made from its settings, never from a model."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mlapi.artifacts.keys import PublicKey


@dataclass(frozen=True)
class Trust:
    """`keys` by id; with `required` a version that none of them signed is broken.

    `classes` are those that an artifact may name beyond what this project's own algorithms need.
    """

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    required: bool = True
    classes: frozenset[str] = frozenset()

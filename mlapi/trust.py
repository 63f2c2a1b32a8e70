"""What a server trusts: whose signatures, and which classes. Made from its settings, never from a model."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mlapi.errors import KeyProblem, reason
from mlapi.keys import PublicKey, local_key, trusted_keys
from mlapi.settings import Settings

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trust:
    """`keys` by id; with `required` a version that none of them signed is broken.

    `classes` are those that an artifact may name beyond what this project's own algorithms need. `copies` is
    a folder where nobody else writes: large files are mapped from there (`mlapi.copies`), without one read.
    """

    keys: Mapping[str, PublicKey] = field(default_factory=dict)
    required: bool = True
    classes: frozenset[str] = frozenset()
    copies: Path | None = None


def make_key(settings: Settings) -> None:
    """Make this machine's key where there is none yet, for whoever is about to train or to serve.

    Raises nothing: a server that may not write its state, or read its private key, trusts what it can read.
    """
    try:
        local_key(settings.state_dir)
    except (OSError, KeyProblem) as error:
        logger.warning("no key of this machine", extra={"reason": reason(error)})


def trust_of(settings: Settings) -> Trust:
    """What the settings say."""
    return Trust(
        trusted_keys(settings.state_dir, settings.trusted_keys),
        settings.require_signature,
        frozenset(settings.allowed_classes),
    )

"""Makes what the settings describe: a store, whom to trust, a registry, and what changes it."""

import logging
from pathlib import Path

from mlapi.artifacts import mapped_copies
from mlapi.artifacts.keys import local_key, trusted_keys
from mlapi.artifacts.pickles.named_sets import classes_of
from mlapi.artifacts.trust import Trust
from mlapi.errors import KeyProblem
from mlapi.registry.backends.folder import Folder
from mlapi.registry.backends.store import Store
from mlapi.registry.changes import Changes, changes_to
from mlapi.registry.ledger import Ledger
from mlapi.registry.registry import Registry
from mlapi.settings import Settings
from mlapi.storage.locks import USUAL_S
from mlapi.wording import reason

logger = logging.getLogger(__name__)


def open_registry(settings: Settings, *, eager: bool = True) -> Registry:
    """Make the registry that the settings describe. Nothing is read or loaded yet.

    Args:
        eager: As for `mlapi.registry.registry.Registry`. With it large files are also mapped,
            from copies that the processes of a server share.
    """
    return Registry(
        open_store(settings),
        trust_of(settings),
        copies=settings.state_dir / mapped_copies.FOLDER if eager else None,
        poll_s=settings.models_poll_s,
        on_demand_bytes=settings.on_demand_bytes,
        eager=eager,
        ledger=Ledger(settings.state_dir, _path_or_url(settings)),
    )


def _path_or_url(settings: Settings) -> str:
    """Return the address of the models, under which the ledger keeps what it has seen."""
    models_dir = settings.models_dir
    return str(models_dir.resolve() if isinstance(models_dir, Path) else models_dir)


def make_key(settings: Settings) -> None:
    """Make this machine's key where there is none yet; for commands that train or serve.

    Raises nothing: a server that may not write its state, or read its private key, trusts what it can read.
    """
    try:
        local_key(settings.state_dir)
    except (OSError, KeyProblem) as error:
        logger.warning("no key of this machine", extra={"reason": reason(error)})


def trust_of(settings: Settings) -> Trust:
    """Return whom and what the settings trust; reads the public keys in the state folder."""
    return Trust(
        trusted_keys(settings.state_dir, settings.trusted_keys),
        settings.require_signature,
        classes_of(settings.allowed_sets).union(settings.allowed_classes),
    )


def open_store(settings: Settings) -> Store:
    """Return the store that the settings name; reaches for nothing yet.

    Raises:
        SettingsError: Nothing installed here reads such a URL.
    """
    if isinstance(settings.models_dir, Path):
        return Folder(settings.models_dir)
    from mlapi.registry.backends.bucket import open_bucket  # noqa: PLC0415 - fsspec, only where models lie elsewhere

    return open_bucket(settings.models_dir, settings.state_dir)


def open_changes(
    settings: Settings, who: str, *, eager: bool = False, patience_s: float = USUAL_S
) -> Changes:
    """Open the registry that the settings describe, to change it in somebody's name.

    Makes this machine's key where there is none yet.

    Args:
        who: What the audit log says.
        eager: As for `mlapi.registry.registry.Registry`.
    """
    make_key(settings)
    return changes_to(open_registry(settings, eager=eager), settings.state_dir, who, patience_s=patience_s)

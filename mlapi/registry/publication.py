"""How a version comes to be: whole or not at all, whatever fails.

It is staged in a hidden folder, flushed, loaded once as a server will load it, and appears in one step. A
crash leaves at most what is hidden; `sweep` removes it.
"""

import hashlib
import secrets
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from mlapi.artifacts import golden, manifest
from mlapi.artifacts.folder import DELETED, GONE, SIGNATURE, STAGING, sign, version_numbers
from mlapi.artifacts.golden import Golden
from mlapi.artifacts.keys import SigningKey
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL, NETWORK, PREDICTOR, Draft, FileDigest, Manifest
from mlapi.artifacts.names import PRODUCTION, parse_version
from mlapi.artifacts.networks import carries_network
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.trust import Trust
from mlapi.inference.loading import load_model, stored
from mlapi.registry import aliases
from mlapi.registry.aliases import Aliases
from mlapi.registry.backends.store import Store
from mlapi.storage import disk

_ABANDONED_S = 24 * 3600
"""A staging folder older than this is nobody's any more."""


def publish(  # noqa: PLR0913, PLR0917 - what a version is made of, and who makes it
    store: Store,
    draft: Draft,
    estimator: Any,
    answers: Golden,
    files: Mapping[str, bytes],
    key: SigningKey,
    trust: Trust,
) -> Manifest:
    """Write the next version of the draft's model; the first of a name becomes `production`.

    Publishers at work at once get different numbers.

    Args:
        files: More files of the version by name, reference.json among them.

    Raises:
        BrokenArtifact: No server could load it, or would get its golden answers.
        OSError: It cannot be written.
    """
    home = store.folder / draft.name
    staging = home / f"{STAGING}{secrets.token_hex(8)}"
    disk.make_folder(staging)
    try:
        bare, network = _detached(estimator)
        entries = {MODEL: _write(staging / MODEL, lambda file: pickling.dump(bare, file))}
        for name, content in {**files, **network, GOLDEN: golden.to_bytes(answers)}.items():
            entries[name] = _write(staging / name, partial(_put, content))
        unnumbered = manifest.describe(draft, 1, entries, answers.least)
        model = load_model(staging, unnumbered, trust)
        tolerance = golden.tolerance(model, draft.signature, answers)
        predictor = stored(model)
        if predictor is not None:
            entries[PREDICTOR] = _write(staging / PREDICTOR, partial(_put, predictor))
            unnumbered = manifest.describe(draft, 1, entries, tolerance)
            load_model(staging, unnumbered, trust)
        return _number(store, staging, replace(unnumbered, tolerance=tolerance), key)
    except BaseException:
        disk.remove(staging)
        raise


def _detached(estimator: Any) -> tuple[Any, dict[str, bytes]]:
    """A network lies beside its estimator, where a server, or anybody who reads ONNX, finds it alone."""
    if not carries_network(estimator):
        return estimator, {}
    return estimator.without_network(), {NETWORK: estimator.network_}


class _Hashing:
    """A file that is written, and the digest of all that was."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._bytes = 0

    def write(self, content: bytes) -> int:
        self._digest.update(content)
        self._bytes += memoryview(content).nbytes
        return self._file.write(content)

    def tell(self) -> int:
        return self._bytes

    @property
    def written(self) -> FileDigest:
        return FileDigest(self._bytes, self._digest.hexdigest())


def _write(path: Path, dump: Callable[[Any], object]) -> FileDigest:
    """Write a file, and tell what was written: what lies there now may be somebody else's."""
    found = []

    def hashing(file: BinaryIO) -> None:
        dump(target := _Hashing(file))
        found.append(target.written)

    disk.write_with(path, hashing)
    return found[0]


def _put(content: bytes, file: _Hashing) -> None:
    file.write(content)


def _number(store: Store, staging: Path, unnumbered: Manifest, key: SigningKey) -> Manifest:
    """Give the staged version the next free number, sign it, and let it appear."""
    name = unnumbered.name
    while True:
        number = max(store.taken(name), default=0) + 1
        numbered = replace(unnumbered, version=number, signed_by=key.public.id)
        content = manifest.to_bytes(numbered)
        disk.write(staging / MANIFEST, content)
        disk.write(staging / SIGNATURE, sign(content, key))
        disk.flush_folder(staging)
        _name_first(store, name, number)
        if store.place(name, number, staging):
            return replace(numbered, digest=hashlib.sha256(content).hexdigest())


def _name_first(store: Store, name: str, number: int) -> None:
    """The first version becomes `production`, and before it is there, so that no crash leaves it without."""

    def edit(known: Aliases) -> Aliases:
        if version_numbers(store.folder / name):
            return known
        return aliases.pointing(PRODUCTION, number)(known)

    store.refresh()  # what others published elsewhere is not first any more
    if not version_numbers(store.folder / name):
        store.change_aliases(name, edit)


def sweep(models_dir: Path) -> None:
    """Remove what crashes left behind, and what is left of deleted versions."""
    for home in models_dir.iterdir():
        if home.is_dir():
            for entry in list(home.iterdir()):
                if _is_left_over(entry):
                    disk.remove(entry)


def _is_left_over(entry: Path) -> bool:
    if entry.name.startswith(STAGING):
        return _is_abandoned(entry)
    if parse_version(entry.name) is not None:
        return entry.with_name(entry.name + DELETED).exists()
    return entry.name.startswith(GONE)


def _is_abandoned(staging: Path) -> bool:
    try:
        return time.time() - staging.stat().st_mtime > _ABANDONED_S
    except FileNotFoundError:  # published in this moment
        return False

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

from mlapi.artifacts import golden as golden_rows
from mlapi.artifacts import manifest
from mlapi.artifacts.folder import DELETED, GONE, SIGNATURE_FILE, STAGING, sign, version_numbers
from mlapi.artifacts.golden import Golden
from mlapi.artifacts.keys import SigningKey
from mlapi.artifacts.manifest import GOLDEN, MANIFEST, MODEL, NETWORK, PREDICTOR, Draft, FileDigest, Manifest
from mlapi.artifacts.names import PRODUCTION, parse_version
from mlapi.artifacts.networks import carries_network
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.trust import Trust
from mlapi.inference.loading import load_model, predictor_content
from mlapi.registry import aliases
from mlapi.registry.aliases import Aliases
from mlapi.registry.backends.store import Store
from mlapi.storage import disk

_ABANDONED_S = 24 * 3600
"""The age at which a staging folder is removed: whoever made it is gone."""


def publish(  # noqa: PLR0913, PLR0917 - what a version is made of, and who makes it
    store: Store,
    draft: Draft,
    estimator: Any,
    golden: Golden,
    files: Mapping[str, bytes],
    key: SigningKey,
    trust: Trust,
) -> Manifest:
    """Write the next version of the draft's model, and return its manifest; the first one becomes
    `production`.

    The version is loaded twice before it appears, once without and once with the stored predictor. Several
    publishers at once get different numbers.

    Args:
        golden: Rows with the answers of the estimator. Each load compares its own answers with them.
        files: More files of the version by name, reference.json among them.
        key: What signs the manifest.

    Raises:
        BrokenArtifact: A server could not load it, or would get other answers to the golden rows.
        OSError: It cannot be written.
    """
    home = store.folder / draft.name
    staging = home / f"{STAGING}{secrets.token_hex(8)}"
    disk.make_folder(staging)
    try:
        bare, network = _detached(estimator)
        entries = {MODEL: _write(staging / MODEL, lambda file: pickling.dump(bare, file))}
        for name, content in {**files, **network, GOLDEN: golden_rows.to_bytes(golden)}.items():
            entries[name] = _write(staging / name, partial(_put, content))
        # Its number is 1 for now: `_number` puts the real one in, once the version is known to load.
        unnumbered = manifest.make_manifest(draft, 1, entries, golden.least)
        model = load_model(staging, unnumbered, trust)
        tolerance = golden_rows.tolerance(model, draft.signature, golden)
        predictor = predictor_content(model)
        if predictor is not None:
            entries[PREDICTOR] = _write(staging / PREDICTOR, partial(_put, predictor))
            unnumbered = manifest.make_manifest(draft, 1, entries, tolerance)
            load_model(staging, unnumbered, trust)
        return _number(store, staging, replace(unnumbered, tolerance=tolerance), key)
    except BaseException:
        disk.remove(staging)
        raise


def _detached(estimator: Any) -> tuple[Any, dict[str, bytes]]:
    """Return the estimator without its network, and the network as a file of its own.

    A server, and anybody who reads ONNX, can read that file without the estimator.
    """
    if not carries_network(estimator):
        return estimator, {}
    return estimator.without_network(), {NETWORK: estimator.network_}


class _HashedFile:
    """A file to write to, which remembers the digest of what was written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._sha256 = hashlib.sha256()
        self._bytes = 0

    def write(self, content: bytes) -> int:
        self._sha256.update(content)
        self._bytes += memoryview(content).nbytes
        return self._file.write(content)

    def tell(self) -> int:
        return self._bytes

    @property
    def digest(self) -> FileDigest:
        return FileDigest(self._bytes, self._sha256.hexdigest())


def _write(path: Path, dump: Callable[[Any], object]) -> FileDigest:
    """Let `dump` write a file, and return the digest of what it wrote.

    The file is not read for that: somebody else may have replaced it by then.
    """

    def dump_hashed(file: BinaryIO) -> FileDigest:
        hashed = _HashedFile(file)
        dump(hashed)
        return hashed.digest

    return disk.write_with(path, dump_hashed)


def _put(content: bytes, file: _HashedFile) -> None:
    file.write(content)


def _number(store: Store, staging: Path, unnumbered: Manifest, key: SigningKey) -> Manifest:
    """Give the staged version the next free number, sign it, and let it appear."""
    name = unnumbered.name
    while True:
        number = max(store.taken(name), default=0) + 1
        numbered = replace(unnumbered, version=number, signed_by=key.public.id)
        content = manifest.to_bytes(numbered)
        disk.write(staging / MANIFEST, content)
        disk.write(staging / SIGNATURE_FILE, sign(content, key))
        disk.flush_folder(staging)
        _make_first_production(store, name, number)
        if store.make_visible(name, number, staging):
            return replace(numbered, digest=hashlib.sha256(content).hexdigest())


def _make_first_production(store: Store, name: str, number: int) -> None:
    """Let `production` name a model's first version, before that appears: no crash may leave it without."""

    def edit(before: Aliases) -> Aliases:
        if version_numbers(store.folder / name):
            return before
        return aliases.pointing(PRODUCTION, number)(before)

    store.refresh()  # what others published elsewhere is not first any more
    if not version_numbers(store.folder / name):
        store.change_aliases(name, edit)


def sweep(models_dir: Path) -> None:
    """Remove what crashes have left in a folder of models, and what is left of deleted versions."""
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

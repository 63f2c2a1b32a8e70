"""The folder of one version, read with suspicion. `mlapi.registry.publication` writes it.

    models/churn/
      aliases.json      which version each alias names (`mlapi.registry.aliases`)
      3.deleted         a version that was deleted: its number is never used again
      1/ 2/             immutable once visible
        manifest.json     what the version is, and the digest of every other file
        manifest.sig      by whose key, and the signature over manifest.json
        model.joblib      the fitted estimator, uncompressed
        predictor.joblib  the compiled pipeline, if there is one (`mlapi.inference.loading.predictor_content`)
        network.onnx      the network of an estimator that has one
        golden.json       rows, or drawn pictures, with the answers that training got
        reference.json    statistics of the training data
        report.html       the model card, where there is one

Reading goes signature, manifest, digests, and only then unpickling, from the very bytes that were hashed.
"""

import hashlib
import os
import stat
from mmap import mmap
from pathlib import Path
from typing import Any

import orjson

from mlapi.artifacts import manifest, mapped_copies
from mlapi.artifacts.keys import SigningKey
from mlapi.artifacts.manifest import MANIFEST, MODEL, NETWORK, FileDigest, Manifest
from mlapi.artifacts.names import parse_version
from mlapi.artifacts.networks import carries_network
from mlapi.artifacts.pickles import pickling
from mlapi.artifacts.trust import Trust
from mlapi.errors import BrokenArtifact
from mlapi.storage import disk
from mlapi.wording import quoted, reason

SIGNATURE_FILE = "manifest.sig"
"""The file with the cryptographic signature over manifest.json; `Manifest.signature` is the columns."""

DELETED = ".deleted"
"""Behind the number of a deleted version: the name of its tombstone, an empty file."""

STAGING = ".staging-"
"""Before the name of a folder that is being made."""

GONE = ".gone-"
"""Before the name of a folder that is being removed."""

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
"""A manifest that is larger is not read; nor is a file of aliases in a bucket."""

_MAX_SIGNATURE_FILE_BYTES = 4096

_DOMAIN = b"mlapi-manifest-v1\0"
"""Before the manifest's bytes in what is signed, so that no other use of a key makes the same signature."""


def version_numbers(home: Path) -> list[int]:
    """Return the versions in a model's folder in order, broken ones too, without the deleted ones.

    Raises:
        OSError: The folder cannot be read.
    """
    deleted: set[int] = set()
    numbers: set[int] = set()
    with os.scandir(home) as entries:
        for entry in entries:
            number = parse_version(entry.name.removesuffix(DELETED))
            if number is not None:
                (deleted if entry.name.endswith(DELETED) else numbers).add(number)
    return sorted(numbers - deleted)


def taken_numbers(home: Path) -> set[int]:
    """Return the numbers that no new version may get: those of versions that are there, and of deleted ones.

    Raises:
        OSError: The folder cannot be read.
    """
    numbers = (parse_version(entry.name.removesuffix(DELETED)) for entry in home.iterdir())
    return {number for number in numbers if number is not None}


def deleted_numbers(home: Path) -> frozenset[int]:
    """Return the numbers of the versions that were deleted.

    Raises:
        OSError: The folder cannot be read.
    """
    names = (entry.name for entry in home.iterdir() if entry.name.endswith(DELETED))
    numbers = (parse_version(name.removesuffix(DELETED)) for name in names)
    return frozenset(number for number in numbers if number is not None)


def read_manifest(folder: Path, trust: Trust, *, partial: bool = False) -> Manifest:
    """Read the manifest of one version: check its signature, its name and number, and which files there are.

    Args:
        folder: The version's, below its model's: both names must be those of the manifest.
        partial: Whether files may be missing or of another size, since they are fetched before they are read.

    Raises:
        BrokenArtifact: It is missing or unreadable, no trusted key has signed it, it is another version's, or
            the folder holds other files than it lists.
    """
    _check_folder(folder)
    content = _read(folder, MANIFEST, MAX_MANIFEST_BYTES)
    document = manifest.from_bytes(content, _signed_by(folder, content, trust))
    if (document.name, str(document.version)) != (folder.parent.name, folder.name):
        raise BrokenArtifact(f"{MANIFEST} belongs to version {document.version} of {document.name!r:.80}")
    _check_entries(folder, document, partial=partial)
    return document


def check_files(folder: Path, manifest: Manifest, *names: str) -> None:
    """Compare the digests of files with the manifest's, all of them if none is named. Unpickles nothing.

    Raises:
        BrokenArtifact: A file is missing or altered.
    """
    for name in names or manifest.files:
        try:
            _compare(name, manifest.files[name], describe_file(folder / name))
        except OSError as error:
            raise BrokenArtifact(f"{name} cannot be read: {error.strerror}") from error


def read_file(folder: Path, manifest: Manifest, name: str) -> bytes:
    """Read one file, and check its digest.

    Raises:
        BrokenArtifact: It is missing or altered.
    """
    entry = manifest.files[name]
    content = _read(folder, name, entry.bytes)
    _compare(name, entry, FileDigest(len(content), hashlib.sha256(content).hexdigest()))
    return content


def describe_file(path: Path) -> FileDigest:
    """Return a file's size and digest; reads all of it.

    Raises:
        OSError: It cannot be read, or is a link.
    """
    with disk.open_plain(path) as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        return FileDigest(file.tell(), sha256)


def load_estimator(folder: Path, manifest: Manifest, trust: Trust, copies: Path | None = None) -> Any:
    """Unpickle the estimator of a version, from the same bytes that were hashed.

    Args:
        copies: A folder where nobody else writes: a large file is copied there once, and mapped by all
            processes (`mlapi.artifacts.mapped_copies`). With None each process reads the file.

    Raises:
        BrokenArtifact: The bytes are not those of the manifest, or cannot be unpickled here.
    """
    from mlapi.estimators.algorithms import CLASSES  # noqa: PLC0415 - scikit-learn: only to load, not to list

    content = _mapped(folder, manifest, copies) or read_file(folder, manifest, MODEL)
    try:
        estimator = pickling.load(content, CLASSES | trust.classes)
    except BrokenArtifact as error:
        raise BrokenArtifact(f"{MODEL}: {error}") from error
    if NETWORK in manifest.files:
        if not carries_network(estimator):
            raise BrokenArtifact(f"{MODEL} has no use for {NETWORK}")
        estimator.load_network(read_file(folder, manifest, NETWORK))
    return estimator


def sign(content: bytes, key: SigningKey) -> bytes:
    """Return the content of manifest.sig for a manifest's bytes."""
    return _signature_file_content(key.public.id, key.sign(_DOMAIN + content))


def _signature_file_content(key: str, signature: bytes) -> bytes:
    return orjson.dumps({"key": key, "signature": signature.hex()}) + b"\n"


def _mapped(folder: Path, manifest: Manifest, copies: Path | None) -> mmap | None:
    entry = manifest.files[MODEL]
    if copies is None or entry.bytes < mapped_copies.LEAST_BYTES:
        return None
    return mapped_copies.mapped(folder / MODEL, entry, copies)


def _signed_by(folder: Path, content: bytes, trust: Trust) -> str | None:
    """Return the id of the trusted key that signed the manifest; None if none did and none has to.

    Raises:
        BrokenArtifact: None did and one has to, or a trusted key's signature does not hold.
    """
    try:
        key, signature = _read_signature_file(folder)
        if key not in trust.keys:
            raise BrokenArtifact(f"it is signed by the key {quoted(key)}, which is not trusted here")
    except BrokenArtifact:
        if trust.required:
            raise
        return None
    if not trust.keys[key].signed(_DOMAIN + content, signature):
        raise BrokenArtifact(f"{MANIFEST} was altered: its signature does not hold")
    return key


def _read_signature_file(folder: Path) -> tuple[str, bytes]:
    if not os.path.lexists(folder / SIGNATURE_FILE):
        raise BrokenArtifact(f"it is not signed: {SIGNATURE_FILE} is missing")
    try:
        content = _read(folder, SIGNATURE_FILE, _MAX_SIGNATURE_FILE_BYTES)
        document = orjson.loads(content)
        key, signature = str(document["key"]), bytes.fromhex(document["signature"])
        if content != _signature_file_content(key, signature):  # JSON and hexadecimal have several spellings
            raise ValueError("it was altered")
    except (ValueError, KeyError, TypeError) as error:
        raise BrokenArtifact(f"{SIGNATURE_FILE} is no signature: {reason(error)}") from error
    return key, signature


def _check_folder(folder: Path) -> None:
    try:
        is_link = folder.is_symlink()
    except OSError as error:
        raise BrokenArtifact(f"the folder cannot be read: {error.strerror}") from error
    if is_link:
        raise BrokenArtifact("its folder is a link")


def _check_entries(folder: Path, manifest: Manifest, *, partial: bool) -> None:
    """Refuse what digests do not cover (more files, links), and what needs no digest to be seen as wrong."""
    expected = {name: entry.bytes for name, entry in manifest.files.items()}
    try:
        with os.scandir(folder) as entries:
            present = {entry.name: entry.stat(follow_symlinks=False) for entry in entries}
    except OSError as error:
        raise BrokenArtifact(f"the folder cannot be read: {error.strerror}") from error
    for name, status in sorted(present.items()):
        if name not in expected and name not in (MANIFEST, SIGNATURE_FILE):
            raise BrokenArtifact(f"{quoted(name)} is there, which {MANIFEST} does not list")
        if not stat.S_ISREG(status.st_mode):
            raise BrokenArtifact(f"{name} is a link or no file")
        if status.st_size != expected.get(name, status.st_size) and not partial:
            raise BrokenArtifact(f"{name} was altered: {status.st_size} bytes instead of {expected[name]}")
    missing = sorted(expected.keys() - present)
    if missing and not partial:
        raise BrokenArtifact(f"{missing[0]} is missing")


def _compare(name: str, entry: FileDigest, actual: FileDigest) -> None:
    if actual != entry:
        raise BrokenArtifact(f"{name} was altered: its sha256 is not the manifest's")


def _read(folder: Path, name: str, limit: int) -> bytes:
    try:
        return disk.read(folder / name, limit)
    except OSError as error:
        raise BrokenArtifact(f"{name} cannot be read: {error.strerror}") from error

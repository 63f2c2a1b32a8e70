"""The folder of one version: its layout, its manifest, its digests. Written once, read with suspicion.

    models/churn/
      aliases.json      which version each alias names (`mlapi.aliases`)
      3.deleted         a version that was deleted: its number is never used again
      1/ 2/             immutable once visible
        manifest.json   what the version is, and the digest of every other file
        model.joblib    the fitted estimator, uncompressed: numbers hardly shrink, and loading is quick
        reference.json  statistics of the training data
        report.html     the model card, where there is one

A version appears by one rename of a complete, flushed folder. Reading goes manifest, digests, and only
then unpickling, from the very bytes that were hashed. Nothing else in this project unpickles or writes
a version.

`FORMAT` grows when a reader of today could misread what is written tomorrow. To change it: raise it,
keep reading the older ones, and keep a test that holds a version of each.
"""

import errno
import hashlib
import json
import os
import platform
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from importlib.metadata import version as installed
from io import BytesIO
from pathlib import Path
from typing import Any

import joblib
import orjson

from mlapi import disk
from mlapi import signature as signatures
from mlapi.aliases import set_alias
from mlapi.errors import BrokenArtifact, reason
from mlapi.names import PRODUCTION, parse_version
from mlapi.signature import Signature

FORMAT = 1

MANIFEST = "manifest.json"
MODEL = "model.joblib"
REFERENCE = "reference.json"
REPORT = "report.html"

MAX_MANIFEST_BYTES = 16 * 1024 * 1024
PINNED = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")
"""The packages whose versions can change a model's answers."""


@dataclass(frozen=True, slots=True)
class File:
    bytes: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What training knows of a version before it has a number."""

    name: str
    algorithm: str
    task: str
    signature: Signature
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Manifest(Draft):
    """A version's description of itself; `files` lists every file but the manifest."""

    format: int = FORMAT
    version: int
    created_at: str
    environment: Mapping[str, str]
    files: Mapping[str, File] = field(default_factory=dict)


_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("name", "algorithm", "task", "created_at"), str),
    **dict.fromkeys(("signature", "parameters", "metrics", "data", "environment", "files"), dict),
    "version": int,
}


def publish(models_dir: Path, draft: Draft, estimator: Any, files: Mapping[str, bytes]) -> Manifest:
    """Write the next version of the draft's model; the first of a name becomes `production`.

    Whole or not at all: a reader sees the complete version or none, and a crash leaves at most a hidden
    folder. Publishers at work at once get different numbers.

    Args:
        files: More files of the version by name, reference.json among them.

    Raises:
        OSError: The folder cannot be written.
    """
    home = models_dir / draft.name
    home.mkdir(parents=True, exist_ok=True)
    if not any(_taken(home)):
        set_alias(home, PRODUCTION, 1)  # before the version, so that no crash leaves it without
    staging = home / f".staging-{secrets.token_hex(8)}"
    staging.mkdir()
    try:
        with (staging / MODEL).open("wb") as file:
            joblib.dump(estimator, file)
            file.flush()
            os.fsync(file.fileno())
        for name, content in files.items():
            disk.write(staging / name, content)
        manifest = _claim(home, staging, draft)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    disk.flush_folder(home)
    disk.flush_folder(models_dir)
    return manifest


def _claim(home: Path, staging: Path, draft: Draft) -> Manifest:
    """Rename the staged folder to the next free number."""
    entries = {path.name: File(path.stat().st_size, _digest(path)) for path in staging.iterdir()}
    while True:
        number = max(_taken(home), default=0) + 1
        manifest = _describe(draft, number, entries)
        disk.write(staging / MANIFEST, _to_bytes(manifest))
        disk.flush_folder(staging)
        try:
            # Onto a folder that is not empty a rename fails, so whoever comes second takes the next.
            staging.rename(home / str(number))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return manifest


def version_numbers(home: Path) -> list[int]:
    """The versions in a model's folder, in order, whole or broken.

    Raises:
        OSError: The folder cannot be read.
    """
    with os.scandir(home) as entries:
        numbers = [parse_version(entry.name) for entry in entries if entry.is_dir()]
    return sorted(number for number in numbers if number is not None)


def read_manifest(home: Path, number: int) -> Manifest:
    """The manifest of one version, checked against the name and number of its folder.

    Raises:
        BrokenArtifact: It is missing, unreadable, of an unknown format, or another version's.
    """
    document = _parse(_read(home / str(number), MANIFEST, MAX_MANIFEST_BYTES))
    if document.get("format") != FORMAT:
        raise BrokenArtifact(
            f"{MANIFEST} has format {document.get('format')!r:.40}; this mlapi reads {FORMAT}"
        )
    try:
        manifest = _from_document(document)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenArtifact(f"{MANIFEST} lacks or misstates {str(error)[:80]}") from error
    if (manifest.name, manifest.version) != (home.name, number):
        raise BrokenArtifact(f"{MANIFEST} belongs to version {manifest.version} of {manifest.name!r:.80}")
    if MODEL not in manifest.files:
        raise BrokenArtifact(f"{MANIFEST} lists no {MODEL}")
    return manifest


def check_files(home: Path, manifest: Manifest) -> None:
    """Check the digest of every file that the manifest lists; unpickles nothing.

    Raises:
        BrokenArtifact: A file is missing or altered.
    """
    for name, entry in manifest.files.items():
        try:
            actual = _digest(home / str(manifest.version) / name)
        except OSError as error:
            raise BrokenArtifact(f"{name} cannot be read: {error.strerror}") from error
        _compare(name, entry, actual)


def read_file(home: Path, manifest: Manifest, name: str) -> bytes:
    """The content of one file, after its digest was checked.

    Raises:
        BrokenArtifact: It is missing or altered.
    """
    entry = manifest.files[name]
    content = _read(home / str(manifest.version), name, entry.bytes)
    _compare(name, entry, hashlib.sha256(content).hexdigest())
    return content


def load_estimator(home: Path, manifest: Manifest) -> Any:
    """Unpickle the estimator, from the same bytes that were hashed.

    Raises:
        BrokenArtifact: The bytes are not those of the manifest, or cannot be unpickled here.
    """
    content = read_file(home, manifest, MODEL)
    try:
        return joblib.load(BytesIO(content))
    except Exception as error:  # whatever an unpickler raises, the version is unusable
        raise BrokenArtifact(f"{MODEL} cannot be loaded: {reason(error)}") from error


def read_own_estimator(path: Path) -> Any:
    """Unpickle a file that its owner hands over on the command line: it runs with the owner's rights.

    Raises:
        BrokenArtifact: It is not a pickle, or needs what is not installed.
        OSError: It cannot be read.
    """
    content = path.read_bytes()
    try:
        return joblib.load(BytesIO(content))
    except Exception as error:  # as above
        raise BrokenArtifact(f"{path.name} cannot be loaded: {reason(error)}") from error


def _taken(home: Path) -> Iterator[int]:
    for entry in home.iterdir():
        number = parse_version(entry.name.removesuffix(".deleted"))
        if number is not None:
            yield number


def _describe(draft: Draft, number: int, entries: Mapping[str, File]) -> Manifest:
    known = {entry.name: getattr(draft, entry.name) for entry in fields(Draft)}
    return Manifest(
        **known,
        version=number,
        created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        environment=_environment(),
        files=dict(sorted(entries.items())),
    )


def _environment() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}-{platform.machine()}",
        "mlapi": installed("mlapi"),
        **{package: installed(package) for package in PINNED},
    }


def _to_bytes(manifest: Manifest) -> bytes:
    document = {entry.name: getattr(manifest, entry.name) for entry in fields(Manifest)}
    document["signature"] = signatures.to_json(manifest.signature)
    document["files"] = {name: asdict(entry) for name, entry in manifest.files.items()}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content)  # strict: what it reads can be sent to a client
    except orjson.JSONDecodeError as error:
        raise BrokenArtifact(f"{MANIFEST} is not JSON: {reason(error)}") from error
    if not isinstance(document, dict):
        raise BrokenArtifact(f"{MANIFEST} is not a JSON object")
    return document


def _from_document(document: Mapping[str, Any]) -> Manifest:
    """Fields that a newer writer added are passed over."""
    known = {entry.name: document[entry.name] for entry in fields(Manifest)}
    for name, kind in _TYPES.items():
        if type(known[name]) is not kind:
            raise TypeError(name)
    known["signature"] = signatures.from_json(known["signature"])
    known["files"] = {name: _file(name, entry) for name, entry in known["files"].items()}
    return Manifest(**known)


def _file(name: str, entry: Mapping[str, Any]) -> File:
    size, sha256 = entry["bytes"], entry["sha256"]
    if not _FILE.fullmatch(name):
        raise ValueError(f"the name of a file: {name!r}")
    if type(size) is not int or size < 0 or type(sha256) is not str:
        raise ValueError(f"the size or digest of {name}")
    return File(size, sha256)


def _compare(name: str, entry: File, actual: str) -> None:
    if actual != entry.sha256:
        raise BrokenArtifact(f"{name} was altered: its sha256 is not the manifest's")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path, name: str, limit: int) -> bytes:
    """At most one byte over the limit: enough to see that the file is not the one described."""
    try:
        with (folder / name).open("rb") as file:
            return file.read(limit + 1)
    except OSError as error:
        raise BrokenArtifact(f"{name} cannot be read: {error.strerror}") from error

"""What a version says of itself: manifest.json, as a value and as bytes. Touches no disk.

`FORMAT` grows when a reader of today could misread what is written tomorrow. To change it: raise it,
keep reading the older ones, and keep a test that holds a version of each.
"""

import hashlib
import json
import platform
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed
from typing import Any

import orjson

from mlapi import __version__
from mlapi.artifacts import provenance
from mlapi.artifacts.provenance import Provenance
from mlapi.data import signature as signatures
from mlapi.data.signature import Signature
from mlapi.errors import BrokenArtifact
from mlapi.wording import reason

FORMAT = 1

MANIFEST = "manifest.json"
MODEL = "model.joblib"
GOLDEN = "golden.json"
PREDICTOR = "predictor.joblib"
NETWORK = "network.onnx"
REFERENCE = "reference.json"
REPORT = "report.html"

_FITS = "scikit-learn"

PINNED = ("scikit-learn", "numpy", "scipy", "pandas", "joblib")
"""The packages whose versions can change the answers of any model."""

_FOR_PICTURES = "pillow"
"""The package whose version can change the answers of a model that takes pictures."""

_FOR_NETWORKS = "onnxruntime"
"""The package whose version can change the answers of a network."""


@dataclass(frozen=True, slots=True)
class FileDigest:
    """The size and digest of one file."""

    bytes: int
    sha256: str
    """64 hexadecimal digits."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """What training says of a version, in its draft and in its manifest.

    `data` is what `mlapi.artifacts.provenance.Provenance.to_json` returns, and `recipe` what it takes to
    train the version again; empty where it was not trained here.
    """

    name: str
    algorithm: str
    task: str
    signature: Signature
    parameters: Mapping[str, Any]
    metrics: Mapping[str, Any]
    data: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def provenance(self) -> Provenance:
        """Return `data` as a value; each call reads it anew."""
        return provenance.from_json(self.data)


@dataclass(frozen=True, kw_only=True)
class Draft(Description):
    """A version that is not published yet, and has no number."""


@dataclass(frozen=True, kw_only=True)
class Manifest(Description):
    """A version's description of itself. The last two fields are no part of the document."""

    format: int = FORMAT
    version: int
    created_at: str
    """ISO 8601, UTC, to the second: "2026-01-31T12:00:00Z"."""
    environment: Mapping[str, str]
    """The versions of Python and of packages, where it was trained; of a registered version where it was
    registered, but for that of scikit-learn, which its estimator says itself."""
    tolerance: float
    """The largest relative error that its answers to the golden rows may have (`mlapi.artifacts.golden`)."""
    files: Mapping[str, FileDigest] = field(default_factory=dict)
    """Every file of the version but the manifest and its signature, by name."""
    signed_by: str | None = field(default=None)
    """The id of the trusted key that signed it."""
    digest: str = field(default="", compare=False)
    """The sha256 of the document's bytes."""


_STORED = tuple(entry.name for entry in fields(Manifest) if entry.name not in ("signed_by", "digest"))

_SHA256 = re.compile(r"[0-9a-f]{64}")  # it names a file in `mlapi.artifacts.mapped_copies`

_FILE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")

_TYPES: Mapping[str, type] = {
    **dict.fromkeys(("name", "algorithm", "task", "created_at"), str),
    **dict.fromkeys(("signature", "parameters", "metrics", "data", "recipe", "environment", "files"), dict),
    "version": int,
    "tolerance": float,
}


def make_manifest(draft: Draft, number: int, files: Mapping[str, FileDigest], tolerance: float) -> Manifest:
    """Make the manifest of a version that is published here and now."""
    description = {entry.name: getattr(draft, entry.name) for entry in fields(Description)}
    return Manifest(
        **description,
        version=number,
        created_at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        environment=library_versions() | _of_pickle(draft.provenance),
        tolerance=tolerance,
        files=dict(sorted(files.items())),
    )


def differences(manifest: Manifest) -> Iterator[str]:
    """Yield which packages that can change its answers have another version here than where its golden rows
    were answered.

    In words: "numpy 2.4.0 instead of 2.3.5". A package that an older manifest does not name is passed over.
    """
    libraries = manifest.provenance.libraries
    for package in dict.fromkeys((*_packages(manifest), *libraries)):
        trained = libraries.get(package, manifest.environment.get(package))
        here = _installed(package)
        if trained not in (None, here):
            yield f"{package} {here} instead of {trained}"


def fitted_elsewhere(manifest: Manifest) -> str | None:
    """Return the sentence on an estimator that another scikit-learn has fitted than gave its golden answers.

    None where it was the same one, or where nothing says which it was.
    """
    provenance = manifest.provenance
    here = provenance.libraries.get(_FITS)
    if here is None or set(provenance.fitted_with) <= {here}:
        return None
    versions = " to ".join(dict.fromkeys((provenance.fitted_with[0], provenance.fitted_with[-1])))
    return (
        f"{_FITS} {versions} fitted this estimator. Its answers are those of {_FITS} {here}, with which it "
        f"was registered: compare some with your own."
    )


def to_bytes(manifest: Manifest) -> bytes:
    """Return the content of manifest.json."""
    document = {name: getattr(manifest, name) for name in _STORED}
    document["signature"] = signatures.to_json(manifest.signature)
    document["files"] = {name: asdict(entry) for name, entry in manifest.files.items()}
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def from_bytes(content: bytes, signed_by: str | None) -> Manifest:
    """Read what `to_bytes` wrote; fields that a newer writer added are passed over.

    Raises:
        BrokenArtifact: It is no manifest, or of an unknown format.
    """
    document = _parse(content)
    if document.get("format") != FORMAT:
        raise BrokenArtifact(
            f"{MANIFEST} has format {document.get('format')!r:.40}; this mlapi reads {FORMAT}"
        )
    try:
        digest = hashlib.sha256(content).hexdigest()
        manifest = Manifest(**_fields(document), signed_by=signed_by, digest=digest)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise BrokenArtifact(f"{MANIFEST} lacks or misstates {str(error)[:80]}") from error
    for name in (MODEL, GOLDEN):
        if name not in manifest.files:
            raise BrokenArtifact(f"{MANIFEST} lists no {name}")
    return manifest


def library_versions() -> dict[str, str]:
    """Return the versions of Python, mlapi and the packages that can change answers; "none" if not
    installed."""
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system().lower()}-{platform.machine()}",
        "mlapi": __version__,
        **{package: _installed(package) for package in (*PINNED, _FOR_PICTURES, _FOR_NETWORKS)},
    }


def _of_pickle(provenance: Provenance) -> dict[str, str]:
    """Return the version of scikit-learn that fitted a registered estimator, if its file says so."""
    return {_FITS: provenance.fitted_with[0]} if provenance.fitted_with else {}


def _packages(manifest: Manifest) -> Iterator[str]:
    """Yield the packages whose versions can change the answers of this model version."""
    yield from PINNED
    if manifest.signature.image is not None:
        yield _FOR_PICTURES
    if NETWORK in manifest.files:
        yield _FOR_NETWORKS


@cache  # a look takes a millisecond, and what was imported once does not change in a process
def _installed(package: str) -> str:
    try:
        return installed(package)
    except PackageNotFoundError:
        return "none"


def _parse(content: bytes) -> dict[str, Any]:
    try:
        document = orjson.loads(content)  # strict: what it reads can be sent to a client
    except orjson.JSONDecodeError as error:
        raise BrokenArtifact(f"{MANIFEST} is not JSON: {reason(error)}") from error
    if not isinstance(document, dict):
        raise BrokenArtifact(f"{MANIFEST} is not a JSON object")
    return document


def _fields(document: Mapping[str, Any]) -> dict[str, Any]:
    stored = {"recipe": {}} | {
        name: document[name] for name in _STORED if name in document or name != "recipe"
    }
    for name, kind in _TYPES.items():
        if type(stored[name]) is not kind:
            raise TypeError(name)
    stored["signature"] = _signature(orjson.dumps(stored["signature"]))
    stored["files"] = {name: _file(name, entry) for name, entry in stored["files"].items()}
    return stored


@lru_cache(1024)  # a model's versions mostly share one: it is half the time of reading a manifest
def _signature(document: bytes) -> Signature:
    return signatures.from_json(orjson.loads(document))


def _file(name: str, entry: Mapping[str, Any]) -> FileDigest:
    size, sha256 = entry["bytes"], entry["sha256"]
    if not _FILE.fullmatch(name):
        raise ValueError(f"the name of a file: {name!r}")
    if type(size) is not int or size < 0 or type(sha256) is not str or not _SHA256.fullmatch(sha256):
        raise ValueError(f"the size or digest of {name}")
    return FileDigest(size, sha256)

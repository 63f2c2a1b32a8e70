"""Who may publish: Ed25519 keys. Training signs with the private one, a server trusts public ones.

    state/keys/
      local.key       the private key that this machine signs with (PEM, PKCS #8, mode 0600)
      local.pub       its public key, to be given away
      <id>.pub        public keys that were used here before: what they signed stays good

A public key is one line, `ed25519:` and 32 bytes in base64; its id is the start of the sha256 of those bytes.
Every .pub file here is trusted, and every key that the setting `trusted_keys` names.
"""

import base64
import binascii
import hashlib
import logging
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from mlapi.errors import KeyProblem
from mlapi.storage import disk
from mlapi.storage.locks import locked
from mlapi.wording import reason

logger = logging.getLogger(__name__)

FOLDER = "keys"

_PREFIX = "ed25519:"
"""The beginning of a public key's line."""

_PRIVATE = "local.key"
_PUBLIC = "local.pub"
_LOCK = ".lock"

_MOST_BYTES = 10_000
"""No more of a file of a key is read."""


@dataclass(frozen=True, slots=True)
class PublicKey:
    """An Ed25519 key that signatures are checked with: 32 bytes. As text it is the line of a .pub file."""

    raw: bytes

    @property
    def id(self) -> str:
        """The start of the sha256 of its bytes, 16 hexadecimal digits."""
        return hashlib.sha256(self.raw).hexdigest()[:16]

    def __str__(self) -> str:
        return _PREFIX + base64.b64encode(self.raw).decode()

    def signed(self, message: bytes, signature: bytes) -> bool:
        """Return whether a signature over a message was made with the private key of this one."""
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key, which signs manifests."""

    private: Ed25519PrivateKey

    @classmethod
    def generate(cls) -> "SigningKey":
        """Make a new random key."""
        return cls(Ed25519PrivateKey.generate())

    @property
    def public(self) -> PublicKey:
        """The key that its signatures are checked with."""
        return PublicKey(self.private.public_key().public_bytes_raw())

    def sign(self, message: bytes) -> bytes:
        """Return the signature over a message: 64 bytes."""
        return self.private.sign(message)


def parse_public_key(text: str) -> PublicKey:
    """Read the line of a public key.

    Raises:
        ValueError: It is not one.
    """
    try:
        raw = base64.b64decode(text.strip().removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("not a public key: no base64") from error
    if not text.strip().startswith(_PREFIX) or len(raw) != 32:
        raise ValueError(f"not a public key: expected {_PREFIX} and 32 bytes in base64")
    return PublicKey(raw)


def local_key(state_dir: Path) -> SigningKey:
    """Return this machine's key; make it if there is none yet, and its .pub file if that is missing.

    Raises:
        KeyProblem: The file is not a private key.
        OSError: The folder cannot be read or written.
    """
    folder = state_dir / FOLDER
    try:
        key = _read_private(folder / _PRIVATE)
    except FileNotFoundError:
        disk.make_folder(folder, mode=0o700)
        with suppress(FileExistsError):  # another process was faster; theirs is the key
            disk.create(folder / _PRIVATE, _to_pem(SigningKey.generate()), 0o600)
        key = _read_private(folder / _PRIVATE)
    if not _is_public(folder / _PUBLIC, key):  # new, or a crash came between the two
        with locked(folder / _LOCK):
            _keep_public(folder)
            disk.replace(folder / _PUBLIC, _to_line(_read_private(folder / _PRIVATE)))
    return key


def create_key(state_dir: Path, *, replace: bool = False) -> SigningKey:
    """Make this machine's key and return it. One that is replaced stays trusted, but signs nothing any more.

    Raises:
        KeyProblem: There is one already, and it shall not be replaced.
        OSError: The folder cannot be written.
    """
    folder = state_dir / FOLDER
    if not (folder / _PRIVATE).exists():
        return local_key(state_dir)
    if not replace:
        raise KeyProblem(f"{folder / _PRIVATE} exists; --replace makes a new one and goes on trusting it")
    with locked(folder / _LOCK):
        old, new = _read_private(folder / _PRIVATE), SigningKey.generate()
        disk.replace(folder / f"{old.public.id}.pub", _to_line(old))  # first: no crash may distrust it
        disk.replace(folder / _PRIVATE, _to_pem(new), 0o600)
        disk.replace(folder / _PUBLIC, _to_line(new))
    return new


def trusted_keys(state_dir: Path, named: Iterable[str]) -> Mapping[str, PublicKey]:
    """Return the public keys in the state folder, and those that the settings name as lines, by id.

    A .pub file that holds none is passed over, with a line in the log.

    Raises:
        ValueError: A line of the settings is no key.
    """
    keys = [parse_public_key(line) for line in named]
    for file in sorted((state_dir / FOLDER).glob("*.pub")):
        try:
            keys.append(parse_public_key(disk.read(file, _MOST_BYTES).decode()))
        except (OSError, ValueError) as error:
            logger.warning("key not readable", extra={"file": file.name, "reason": reason(error)})
    return {key.id: key for key in keys}


def _read_private(file: Path) -> SigningKey:
    content = disk.read(file, _MOST_BYTES)
    try:
        private = load_pem_private_key(content, password=None)
    except (ValueError, TypeError) as error:
        raise KeyProblem(f"{file} is not a private key without a password: {error}") from error
    if not isinstance(private, Ed25519PrivateKey):
        raise KeyProblem(f"{file} is not an Ed25519 key")
    return SigningKey(private)


def _is_public(file: Path, key: SigningKey) -> bool:
    try:
        return disk.read(file, _MOST_BYTES) == _to_line(key)
    except FileNotFoundError:
        return False


def _keep_public(folder: Path) -> None:
    """Keep the key in local.pub under its id before it is replaced: it may be another machine's, copied there
    to be trusted."""
    try:
        key = parse_public_key(disk.read(folder / _PUBLIC, _MOST_BYTES).decode())
    except (FileNotFoundError, ValueError):
        return
    disk.replace(folder / f"{key.id}.pub", f"{key}\n".encode())


def _to_line(key: SigningKey) -> bytes:
    return f"{key.public}\n".encode()


def _to_pem(key: SigningKey) -> bytes:
    return key.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

"""Models in storage elsewhere, behind a URL: published, changed and deleted there, read from a copy here.

    <url>/churn/
      aliases/0000000007.json   the model's aliases, whole; the highest revision is in force
      aliases.json              in force as long as there is no revision
      3.claim                   somebody took the number 3, whether or not a version came of it
      3.deleted, 1/, 2/         as in a folder; a version is there once its manifest.json is

No lock is held there: who creates a file first is first, and who comes second takes the next number.
"""

import errno
import hashlib
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlapi.artifacts.folder import DELETED, MAX_MANIFEST_BYTES, SIGNATURE_FILE
from mlapi.artifacts.manifest import MANIFEST
from mlapi.artifacts.names import parse_version
from mlapi.registry import aliases
from mlapi.registry.aliases import Aliases, Edit
from mlapi.registry.backends.mirror import Listed, Mirror, by_model
from mlapi.storage.locks import USUAL_S
from mlapi.storage.remote import Remote, open_remote

CLAIM = ".claim"
"""Behind a number: the name of the file that its publisher has created."""

REVISIONS = 20
"""How many revisions of a model's aliases stay; older ones are removed."""

_ATTEMPTS = 50
"""How often a change of aliases is tried, while others change them too."""


@dataclass(frozen=True, slots=True)
class Bucket:
    """A `mlapi.registry.backends.store.Store`, for many threads, processes and machines at once."""

    remote: Remote
    mirror: Mirror
    is_partial = True

    @property
    def folder(self) -> Path:
        return self.mirror.folder

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        self.mirror.refresh(patience_s)

    def fetch(self, name: str, number: int, *files: str) -> None:
        self.mirror.fetch(name, number, files)

    def taken(self, name: str) -> set[int]:
        heads = (key.removeprefix(f"{name}/").partition("/")[0] for key in self.remote.entries(name))
        numbers = (parse_version(head.removesuffix(CLAIM).removesuffix(DELETED)) for head in heads)
        return {number for number in numbers if number is not None}

    def make_visible(self, name: str, number: int, staging: Path) -> bool:
        if not self._claim(f"{name}/{number}{CLAIM}"):
            return False
        if self.remote.entries(f"{name}/{number}"):
            return False  # copied there by hand, without a claim
        files = {path.name for path in staging.iterdir()} - {MANIFEST, SIGNATURE_FILE}
        for file in (*sorted(files), SIGNATURE_FILE, MANIFEST):
            self.remote.put(staging / file, f"{name}/{number}/{file}")
        with suppress(OSError):  # it is published; the copy follows
            self.mirror.adopt(staging, name, number)
        return True

    def change_aliases(
        self, name: str, edit: Edit, *, patience_s: float = USUAL_S
    ) -> tuple[Aliases, Aliases]:
        for _ in range(_ATTEMPTS):
            revision, before = self._read_aliases(name)
            after = edit(before)
            if after == before:
                return before, after
            if self._write_aliases(name, revision + 1, after):
                with suppress(OSError):  # it is changed; the copy follows
                    self.refresh(patience_s=patience_s)
                return before, after
        raise OSError(errno.EBUSY, f"others keep changing the aliases of {name!r}")

    def delete(self, name: str, number: int, *, patience_s: float = USUAL_S) -> None:
        self.remote.write(f"{name}/{number}{DELETED}", b"")  # from here on it is gone
        with suppress(OSError):  # whatever is left of it goes with the next one
            listed = self._listed(name)
            for key in [key for gone in listed.deleted for key in listed.versions.get(gone, ())]:
                self.remote.remove(key)
        with suppress(OSError):
            self.refresh(patience_s=patience_s)

    def _claim(self, key: str) -> bool:
        """Create a file; False if somebody else has done so.

        Raises:
            OSError: The storage has no exclusive creation, so that publishers would overwrite one another.
        """
        if not self.remote.create(key, secrets.token_hex(16).encode()):
            return False
        if self.remote.create(key, b"twice"):
            raise OSError(errno.ENOTSUP, "the storage creates a file twice: it lacks conditional writes")
        return True

    def _read_aliases(self, name: str) -> tuple[int, Aliases]:
        """The number of the revision in force, 0 if there is none, and its aliases."""
        revisions = self._listed(name).revisions
        if not revisions:
            return 0, {}
        newest = max(revisions)
        for content in self.remote.read({revisions[newest]: MAX_MANIFEST_BYTES}).values():
            return newest, aliases.from_bytes(content)
        raise OSError(errno.EBUSY, f"the aliases of {name!r} changed while they were read")

    def _write_aliases(self, name: str, revision: int, after: Aliases) -> bool:
        """Put a revision in force, unless there is a newer one; those long before the newest are removed."""
        if not self.remote.create(f"{name}/aliases/{revision:010}.json", aliases.to_bytes(after)):
            return False
        revisions = self._listed(f"{name}/aliases", name).revisions
        newest = max(revisions)
        for old in [old for old in revisions if old <= newest - REVISIONS]:
            with suppress(OSError):
                self.remote.remove(revisions[old])
        return revision > newest - REVISIONS  # else it has the number of one that was removed

    def _listed(self, folder: str, name: str | None = None) -> Listed:
        return by_model(self.remote.entries(folder)).get(name or folder) or Listed()


def open_bucket(url: str, state_dir: Path) -> Bucket:
    """Return the store that a URL names, its copy in the state folder; connect to nothing yet.

    Raises:
        SettingsError: Nothing installed here reads such a URL.
    """
    remote = open_remote(url)
    copy = state_dir / "cache" / hashlib.sha256(url.encode()).hexdigest()[:16]
    return Bucket(remote, Mirror(copy, remote))

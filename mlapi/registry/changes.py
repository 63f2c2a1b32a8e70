"""Everything that alters what is published: each change is checked, made whole, and written to the audit
log."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from mlapi.artifacts.golden import Golden
from mlapi.artifacts.keys import local_key
from mlapi.artifacts.manifest import Draft, Manifest
from mlapi.artifacts.names import PRODUCTION, is_alias
from mlapi.errors import (
    BrokenArtifact,
    Conflict,
    InvalidAlias,
    MlapiError,
    ModelUnavailable,
    UnknownVersion,
    VersionNotFound,
)
from mlapi.registry import publication
from mlapi.registry.aliases import Alias, Aliases, Edit, pointing
from mlapi.registry.audit import Audit
from mlapi.registry.registry import Registry
from mlapi.registry.snapshot import Key, ModelRecord
from mlapi.storage.locks import USUAL_S
from mlapi.wording import listed

Precondition = Callable[[], None]
"""Called once nobody else can change the model's aliases; raises if the change must not be made any more."""

_Move: TypeAlias = tuple[int | None, int | None]
"""From which version an alias goes to which; None for none."""


def _always() -> None:
    pass


@dataclass(frozen=True, slots=True)
class Changes:
    """Alters what a registry shows.

    Every method raises OSError where the models, or the log, cannot be written, or where another process has
    locked them for longer than `patience_s`.
    """

    registry: Registry
    state_dir: Path
    audit: Audit
    patience_s: float = USUAL_S
    """How long to wait for other processes that change the same, or look at it."""

    def publish(self, draft: Draft, estimator: Any, golden: Golden, files: Mapping[str, bytes]) -> Manifest:
        """Publish a fitted estimator as its model's next version, and return its manifest.

        Args:
            golden: Golden rows (`mlapi.artifacts.golden`).
            files: More files of the version by name, reference.json among them.

        Raises:
            BrokenArtifact: No server could load it, or would get other answers; nothing is published.
            KeyProblem: The file of the key that signs it holds no usable key.
        """
        self.audit.prepare()
        key = local_key(self.state_dir)
        registry = self.registry
        manifest = publication.publish(registry.store, draft, estimator, golden, files, key, registry.trust)
        self.audit.record("publish", manifest.name, None, manifest.version, manifest=manifest.digest)
        self._note_republished(manifest)
        self._show()
        if self.is_only(manifest):
            self.audit.record("promote", manifest.name, None, manifest.version, alias=PRODUCTION)
        return manifest

    def accept(self, name: str, number: int) -> None:
        """Let the ledger take the version that stands under a number as the right one; load it first, as
        proof.

        Raises:
            ModelNotFound, ModelUnavailable: There is no such model; the version is broken.
        """
        self.registry.verify(name, number)
        manifest, ledger = self.registry.version(name, number).manifest, self.registry.ledger
        if manifest is None or ledger is None:
            return
        self.audit.prepare()
        before = ledger.accept((name, number), manifest.digest)
        self.audit.record("accept", name, before, manifest.digest, version=number)

    def _note_republished(self, manifest: Manifest) -> None:
        """Let the ledger take a version that was just published under a number that another one had.

        That happens where somebody has removed the folder of the other one by hand.
        """
        ledger, key = self.registry.ledger, (manifest.name, manifest.version)
        if ledger is not None and ledger.first_digests().get(key) not in (None, manifest.digest):
            with suppress(OSError):  # if this fails, servers report another version until somebody accepts it
                ledger.accept(key, manifest.digest)

    def refresh(self) -> None:
        """Bring the registry up to date with the disk.

        Raises:
            TimeoutError: Another thread has been doing so for longer than `patience_s`.
        """
        self.registry.refresh(patience_s=self.patience_s)

    def is_only(self, manifest: Manifest) -> bool:
        """Return whether a version that was just published is its model's only one, as far as can be seen
        here."""
        record = self.registry.current_snapshot().models.get(manifest.name)
        return record is not None and record.numbers == [manifest.version]

    def promote(
        self, name: str, version: int, alias: str = PRODUCTION, precondition: Precondition = _always
    ) -> None:
        """Let an alias name a version, once that has proved that it serves.

        Raises:
            InvalidAlias, ModelNotFound, UnknownVersion: There is no such thing.
            ModelUnavailable: Nobody can tell now whether the version serves.
            Conflict: The version is broken.
        """
        if not is_alias(alias):
            raise InvalidAlias(f"no alias can be called {alias[:64]!r}")
        self._require(name, version, UnknownVersion)
        try:
            self.registry.verify(name, version)
        except ModelUnavailable as error:
            if error.is_temporary:
                raise
            raise Conflict(str(error)) from error

        def edit(aliases: Aliases) -> Aliases:
            precondition()
            self._require(name, version, UnknownVersion)
            return pointing(alias, version)(aliases)

        self._change_alias("promote", name, alias, edit)

    def roll_back(self, name: str, alias: str = PRODUCTION) -> tuple[int, int]:
        """Let an alias name the version before: the last one that it named and that serves.

        Returns:
            Which version it named, and which it names now.

        Raises:
            ModelNotFound, VersionNotFound: There is no such model or alias.
            ModelUnavailable: Nobody can tell now which of them serves.
            Conflict: It has held no other version that serves.
        """

        def edit(aliases: Aliases) -> Aliases:
            entry = _existing(name, aliases, alias)
            others = (number for number in entry.previous if number != entry.version)
            target = next((number for number in others if self._serves(name, number)), None)
            if target is None:
                raise Conflict(f"alias {alias!r} of model {name!r} has held no other version that serves")
            return {**aliases, alias: entry.moved_back_to(target)}

        self._record(name)
        before, after = self._change_alias("rollback", name, alias, edit)
        return before[alias].version, after[alias].version

    def remove_alias(self, name: str, alias: str, precondition: Precondition = _always) -> None:
        """Remove an alias; the version that it names stays.

        Raises:
            ModelNotFound, VersionNotFound: There is no such model or alias.
        """

        def edit(aliases: Aliases) -> Aliases:
            precondition()
            _existing(name, aliases, alias)
            return {other: entry for other, entry in aliases.items() if other != alias}

        self._record(name)
        self._change_alias("remove alias", name, alias, edit)

    def delete_version(self, name: str, version: int, precondition: Precondition = _always) -> None:
        """Delete a version; no other will get its number.

        Raises:
            ModelNotFound, VersionNotFound: There is no such version.
            Conflict: An alias names it.
        """

        def edit(aliases: Aliases) -> Aliases:
            precondition()
            self._require(name, version, VersionNotFound)
            holders = [alias for alias, entry in aliases.items() if entry.version == version]
            if holders:
                raise Conflict(f"version {version} of model {name!r} is held by {listed(holders)}")
            self.audit.record("delete", name, version, None)
            try:
                self.registry.store.delete(name, version, patience_s=self.patience_s)
            except OSError:
                self._failed("delete", name, None, (version, None))
                raise
            return aliases

        self._record(name)
        self._edit(name, edit)

    def collect(self, keep: int) -> list[Key]:
        """Delete old versions, and what crashes have left; return which were deleted.

        These versions of each model stay: the `keep` newest, `latest`, those that aliases name, and those
        that aliases named just before.
        """
        deleted = []
        for record in list(self.registry.current_snapshot().models.values()):
            for number in _dispensable(record, keep):
                self.delete_version(record.name, number)
                deleted.append((record.name, number))
        publication.sweep(self.registry.store.folder)
        return deleted

    def _change_alias(self, what: str, name: str, alias: str, edit: Edit) -> tuple[Aliases, Aliases]:
        logged: list[_Move] = []  # one at most: what the log has, and may not come to be

        def logging_edit(aliases: Aliases) -> Aliases:
            after = edit(aliases)
            if logged:  # somebody else was faster, and the store calls this again
                self._failed(what, name, alias, logged.pop())
            if after != aliases:
                logged.append(_move(alias, aliases, after))
                self.audit.record(what, name, *logged[-1], alias=alias)
            return after

        try:
            return self._edit(name, logging_edit)
        except OSError:
            if logged:
                self._failed(what, name, alias, logged.pop())
            raise

    def _edit(self, name: str, edit: Edit) -> tuple[Aliases, Aliases]:
        self.audit.prepare()
        try:
            store = self.registry.store
            states = store.change_aliases(name, edit, patience_s=self.patience_s)
        except BrokenArtifact as error:
            if isinstance(error.__cause__, OSError):
                raise error.__cause__ from error
            raise Conflict(f"model {name!r}: {error}") from error
        self._show()
        return states

    def _show(self) -> None:
        """Show what was changed. Where that takes long the next look does it: the change itself is made."""
        with suppress(TimeoutError):
            self.refresh()

    def _failed(self, what: str, name: str, alias: str | None, move: "_Move") -> None:
        """Log that a change failed whose line is in the log already.

        Changes of aliases, and deletions, write their line before they are made, so that none lacks its line.
        `publish` writes its line after the change: only then is the number known.
        """
        with suppress(OSError):
            self.audit.record(f"{what} failed", name, *move, alias=alias)

    def _record(self, name: str) -> ModelRecord:
        self.refresh()
        return self.registry.current_snapshot().record(name)

    def _require(self, name: str, version: int, missing: type[MlapiError]) -> None:
        record = self._record(name)
        if version not in record.versions:
            raise missing(f"model {name!r} has no version {version}; versions: {listed(record.numbers)}")

    def _serves(self, name: str, version: int) -> bool:
        try:
            self.registry.verify(name, version)
        except (MlapiError, KeyError) as error:
            if isinstance(error, ModelUnavailable) and error.is_temporary:
                raise  # else a rollback would go further back than it has to
            return False
        return True


def changes_to(registry: Registry, state_dir: Path, who: str, *, patience_s: float = USUAL_S) -> Changes:
    """Return what makes changes in somebody's name to what a registry shows."""
    return Changes(registry, state_dir, Audit(state_dir, who), patience_s)


def _move(alias: str, before: Aliases, after: Aliases) -> _Move:
    old, new = (state[alias].version if alias in state else None for state in (before, after))
    return old, new


def _existing(name: str, aliases: Aliases, alias: str) -> Alias:
    if alias not in aliases:
        raise VersionNotFound(f"model {name!r} has no alias {alias[:64]!r}; aliases: {listed(aliases)}")
    return aliases[alias]


def _dispensable(record: ModelRecord, keep: int) -> list[int]:
    named = {number for alias in record.aliases.values() for number in (alias.version, *alias.previous[:1])}
    newest = {*sorted(record.versions)[-keep:], record.latest}  # an older one if the newest are broken
    return [number for number in record.versions if number not in named | newest]

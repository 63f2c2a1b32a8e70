"""What is known of the models folder at one moment: plain frozen records, and what a reference means.

Made by `mlapi.registry.registry`, which swaps one snapshot for the next; nothing here touches the disk.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from mlapi.artifacts.manifest import MANIFEST, Manifest
from mlapi.artifacts.names import LATEST, PRODUCTION, parse_version
from mlapi.errors import BrokenArtifact, ModelNotFound, ModelUnavailable, NotReady, VersionNotFound, passes
from mlapi.inference.model import Model
from mlapi.registry.aliases import Alias
from mlapi.wording import listed

Key: TypeAlias = tuple[str, int]
"""A model's name and one of its versions."""

Stamp: TypeAlias = Mapping[str, tuple[int, int]]
"""Inode and time of change by file; another stamp means that something changed."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version on disk as it was found; with a `reason` it is broken and never served."""

    number: int
    manifest: Manifest | None
    reason: str | None
    stamp: Stamp | None
    """Of its files as they were read; None where the next look may find another state of the disk."""
    is_checked: bool = False
    """Whether the digest of every file was compared. What is loaded was, as far as it was read."""
    note: str | None = None
    """What is wrong with its files, though it serves."""
    may_pass: bool = False
    """Whether it is broken for want of something that the server may have again in a moment."""
    replaced: str | None = None
    """That another version stood under its number before; it serves."""

    @property
    def is_read(self) -> bool:
        return bool(self.manifest or self.reason)

    def broken_by(self, error: BrokenArtifact) -> "VersionRecord":
        """The same version, broken; to be looked at again if that may pass."""
        stamp = None if error.may_pass else self.stamp
        return replace(self, reason=str(error), stamp=stamp, may_pass=passes(error))

    def still_holds(self, stamp: Stamp) -> bool:
        """Whether a look at the files would find the same.

        A good version is one as long as its manifest is the same file (a folder deleted by hand may be
        trained again under its number); a broken or damaged one is looked at again when any file changed.
        """
        if self.reason or self.note or self.stamp is None:
            return self.stamp == stamp
        return self.stamp.get(MANIFEST) == stamp.get(MANIFEST)


@dataclass(frozen=True)
class ModelRecord:
    """A model on disk. `stamp` tells whether its folder changed since, None that it may have."""

    name: str
    versions: Mapping[int, VersionRecord]
    aliases: Mapping[str, Alias]
    problem: str | None = None
    """Why this is what was known, and not what there is: its folder is gone, or cannot be read."""
    aliases_problem: str | None = None
    """Why its aliases are those of before; with none of before nobody knows what it answers by itself."""
    stamp: Stamp | None = None
    answered: Mapping[str, int] = field(default_factory=dict)
    """Which version answered for an alias when the model was last looked at."""
    deleted: frozenset[int] = frozenset()

    def with_version(self, version: VersionRecord) -> "ModelRecord":
        """The same model with another record of one version; if that may change, so may the model."""
        versions = {**self.versions, version.number: version}
        return replace(self, versions=versions, stamp=version.stamp and self.stamp)

    @property
    def numbers(self) -> list[int]:
        return list(self.versions)

    @property
    def latest(self) -> int | None:
        """The highest version that is not broken."""
        good = (number for number, record in self.versions.items() if record.reason is None)
        return max(good, default=None)

    @property
    def wanted(self) -> set[int]:
        """The versions that must be loaded before a request asks: those of aliases, and the latest."""
        named = (self.latest, *map(self.answering, self.aliases))
        return {number for number in named if number is not None}

    def answering(self, alias: str) -> int | None:
        """The version that answers for an alias: what it names, else the newest it held that is good.

        Else the one that answered last: whoever wrote the file by hand may have left out what it held.
        """
        held = (self.aliases[alias].version, *self.aliases[alias].previous, self.answered.get(alias))
        return next((number for number in held if number is not None and self._is_good(number)), None)

    @property
    def answering_now(self) -> dict[str, int]:
        """By alias, for those for which a version answers."""
        found = {alias: self.answering(alias) for alias in self.aliases}
        return {alias: number for alias, number in found.items() if number is not None}

    def _is_good(self, number: int) -> bool:
        return number in self.versions and self.versions[number].reason is None

    @property
    def algorithm(self) -> str | None:
        manifest = self._manifest
        return None if manifest is None else manifest.algorithm

    @property
    def task(self) -> str | None:
        manifest = self._manifest
        return None if manifest is None else manifest.task

    @property
    def _manifest(self) -> Manifest | None:
        """Of the version that a request without a version gets, else of the newest that has one."""
        production = self.answering(PRODUCTION) if PRODUCTION in self.aliases else None
        preferred = [production or 0, self.latest or 0, *sorted(self.versions, reverse=True)]
        found = (self.versions[number] for number in preferred if number in self.versions)
        return next((version.manifest for version in found if version.manifest), None)

    def resolve(self, ref: str | None) -> int:
        """The version that a number, an alias, `latest` or nothing means.

        Raises:
            VersionNotFound: No version or alias of this model is called so.
            ModelUnavailable: There is none that serves.
        """
        if ref is None:
            if self.aliases_problem and not self.aliases:
                raise ModelUnavailable(f"model {self.name!r}: {self.aliases_problem}")
            ref = PRODUCTION if PRODUCTION in self.aliases else LATEST
        if ref == LATEST:
            if self.latest is None:
                why = f": {self.problem}" if self.problem else ""
                raise ModelUnavailable(f"model {self.name!r} has no version that serves{why}")
            return self.latest
        if ref in self.aliases:
            number = self.answering(ref) or self.aliases[ref].version
            if number not in self.versions:
                raise ModelUnavailable(f"model {self.name!r}: {self._trouble(ref)}")
            return number  # one that is broken too: whoever loads it tells the reason
        named = parse_version(ref)
        if named is None or named not in self.versions:
            raise VersionNotFound(
                f"model {self.name!r} has no version {ref[:64]!r}; versions: "
                f"{listed(self.numbers)}; aliases: {listed(self.aliases)}"
            )
        return named

    @property
    def troubles(self) -> Iterator[str]:
        """What is wrong with the model as a whole and with its aliases; its versions tell theirs."""
        yield from filter(None, (self.problem, self.aliases_problem))
        for alias, entry in self.aliases.items():
            if entry.version not in self.versions or self.answering(alias) not in (entry.version, None):
                yield self._trouble(alias)

    def _trouble(self, alias: str) -> str:
        number = self.aliases[alias].version
        state = "broken" if number in self.versions else "gone"
        answering = self.answering(alias)
        instead = f"; version {answering}, which it named before, answers" if answering else ""
        return f"alias {alias!r} names version {number}, which is {state}{instead}"


@dataclass(frozen=True)
class Snapshot:
    """What is known at one moment; `loaded` are the versions that aliases and `latest` name."""

    models: Mapping[str, ModelRecord] = field(default_factory=dict)
    loaded: Mapping[Key, Model] = field(default_factory=dict)
    problem: str | None = None

    @cached_property
    def serving(self) -> list[str]:
        """The models that answer a request without a version."""
        return [name for name, record in self.models.items() if self._serves(record)]

    @property
    def broken(self) -> Iterator[tuple[str, int | None, str]]:
        """Model, version and reason of all that is not as it should be; no version: the model itself."""
        for name, record in self.models.items():
            yield from ((name, None, trouble) for trouble in record.troubles)
            for version in record.versions.values():
                for why in (version.reason or version.note, version.replaced):
                    if why:
                        yield name, version.number, why

    def _serves(self, record: ModelRecord) -> bool:
        try:
            return (record.name, record.resolve(None)) in self.loaded
        except (ModelUnavailable, VersionNotFound):
            return False

    def record(self, name: str) -> ModelRecord:
        """One model.

        Raises:
            ModelNotFound: There is none of this name.
            NotReady: Nobody can tell: the models folder cannot be read.
        """
        if name not in self.models:
            if self.problem:
                raise NotReady(self.problem)
            raise ModelNotFound(f"no model {name[:64]!r}; models: {listed(self.models)}")
        return self.models[name]

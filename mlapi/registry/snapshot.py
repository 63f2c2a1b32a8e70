"""What is known of the models folder at one moment: plain frozen records, and which version a reference
means.

Made by `mlapi.registry.registry`, which swaps one snapshot for the next; nothing here touches the disk.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeAlias

from mlapi.artifacts.manifest import MANIFEST, Manifest
from mlapi.artifacts.names import LATEST, PRODUCTION, parse_version
from mlapi.errors import (
    BrokenArtifact,
    ModelNotFound,
    ModelUnavailable,
    NotReady,
    VersionNotFound,
    is_temporary,
)
from mlapi.inference.model import Model
from mlapi.registry.aliases import Alias
from mlapi.wording import listed

Key: TypeAlias = tuple[str, int]
"""A model's name and one of its versions."""

Stamp: TypeAlias = Mapping[str, tuple[int, int]]
"""By file: its inode, and when it was changed, in nanoseconds. Another stamp means that something changed."""


@dataclass(frozen=True, slots=True)
class VersionRecord:
    """A version on disk, as a look at its folder has left it."""

    number: int
    manifest: Manifest | None
    """None as long as it was not read, or if it cannot be."""
    reason: str | None
    """Why the version is broken and never served; None if it is not, as far as is known."""
    stamp: Stamp | None
    """The stamp of the version's files when they were read; None if the next look has to read them again."""
    is_checked: bool = False
    """Whether the digest of every file was compared. What is loaded was compared as far as it was read."""
    note: str | None = None
    """What is wrong with the version's files, while it serves from memory."""
    reason_is_temporary: bool = False
    """Whether it is broken only because the server lacks something for now, such as memory."""
    replaced: str | None = None
    """A sentence that says that another version stood under its number before; it serves all the same."""

    @property
    def is_read(self) -> bool:
        """Whether its manifest was read, or cannot be."""
        return bool(self.manifest or self.reason)

    def broken_by(self, error: BrokenArtifact) -> "VersionRecord":
        """Return the same version as broken; the next look reads it again after a read error."""
        stamp = None if error.is_read_error else self.stamp
        return replace(self, reason=str(error), stamp=stamp, reason_is_temporary=is_temporary(error))

    def is_current(self, stamp: Stamp) -> bool:
        """Return whether this record is true of the version's files, which have this stamp now.

        A good version is the same as long as its manifest is the same file: a folder that was deleted by hand
        may come again under its number. A broken or damaged one is read again when any of its files has
        changed.
        """
        if self.reason or self.note or self.stamp is None:
            return self.stamp == stamp
        return self.stamp.get(MANIFEST) == stamp.get(MANIFEST)


@dataclass(frozen=True)
class ModelRecord:
    """A model on disk, with its versions by number and its aliases by name."""

    name: str
    versions: Mapping[int, VersionRecord]
    aliases: Mapping[str, Alias]
    folder_problem: str | None = None
    """Why this record is an old one: the model's folder is gone, or cannot be read."""
    aliases_problem: str | None = None
    """Why the aliases are old ones, or none: their file cannot be read. Without aliases, a request that names
    no version cannot be answered."""
    stamp: Stamp | None = None
    """The stamp of the model's folder; None if the next look has to read it again."""
    served_before: Mapping[str, int] = field(default_factory=dict)
    """Which version answered for each alias at the last look (`serving_versions` of that record)."""
    deleted: frozenset[int] = frozenset()
    """The numbers of deleted versions."""

    def with_version(self, version: VersionRecord) -> "ModelRecord":
        """Return the same model with another record of one version. If that has to be read again, so has the
        model."""
        versions = {**self.versions, version.number: version}
        return replace(self, versions=versions, stamp=version.stamp and self.stamp)

    @property
    def numbers(self) -> list[int]:
        """Its versions in order, broken ones included."""
        return list(self.versions)

    @property
    def latest(self) -> int | None:
        """The highest version that is not broken."""
        good = (number for number, record in self.versions.items() if record.reason is None)
        return max(good, default=None)

    @property
    def wanted(self) -> set[int]:
        """The versions that must be loaded before a request asks: those of aliases, and the latest."""
        named = (self.latest, *map(self.serving_version, self.aliases))
        return {number for number in named if number is not None}

    def serving_version(self, alias: str) -> int | None:
        """Return the version that answers for an alias; None if none of these is good.

        First comes what the alias names, then what it named before, the last one first, then what answered at
        the last look: whoever wrote the file by hand may have left out what it named before.
        """
        candidates = (
            self.aliases[alias].version,
            *self.aliases[alias].previous,
            self.served_before.get(alias),
        )
        return next((number for number in candidates if number is not None and self._is_good(number)), None)

    @property
    def serving_versions(self) -> dict[str, int]:
        """Which version answers for each alias, without aliases for which none does."""
        numbers = {alias: self.serving_version(alias) for alias in self.aliases}
        return {alias: number for alias, number in numbers.items() if number is not None}

    def _is_good(self, number: int) -> bool:
        return number in self.versions and self.versions[number].reason is None

    @property
    def algorithm(self) -> str | None:
        """The algorithm of the version that stands for the model (`_manifest`); None if none was read."""
        manifest = self._manifest
        return None if manifest is None else manifest.algorithm

    @property
    def task(self) -> str | None:
        """The task of the same version as `algorithm`."""
        manifest = self._manifest
        return None if manifest is None else manifest.task

    @property
    def _manifest(self) -> Manifest | None:
        """The manifest of the version that answers a request that names none; if that was not read, the one
        of the newest version whose manifest was."""
        production = self.serving_version(PRODUCTION) if PRODUCTION in self.aliases else None
        preferred = [production or 0, self.latest or 0, *sorted(self.versions, reverse=True)]
        versions = (self.versions[number] for number in preferred if number in self.versions)
        return next((version.manifest for version in versions if version.manifest), None)

    def resolve(self, ref: str | None) -> int:
        """Return the version that a number, an alias, `latest` or None means. It may be broken.

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
                why = f": {self.folder_problem}" if self.folder_problem else ""
                raise ModelUnavailable(f"model {self.name!r} has no version that serves{why}")
            return self.latest
        if ref in self.aliases:
            number = self.serving_version(ref) or self.aliases[ref].version
            if number not in self.versions:
                raise ModelUnavailable(f"model {self.name!r}: {self._alias_problem(ref)}")
            return number  # also a broken one: whoever loads it says why
        named = parse_version(ref)
        if named is None or named not in self.versions:
            raise VersionNotFound(
                f"model {self.name!r} has no version {ref[:64]!r}; versions: "
                f"{listed(self.numbers)}; aliases: {listed(self.aliases)}"
            )
        return named

    @property
    def problems(self) -> Iterator[str]:
        """What is wrong with the model as a whole and with its aliases, in sentences; not with its
        versions."""
        yield from filter(None, (self.folder_problem, self.aliases_problem))
        for alias, entry in self.aliases.items():
            if entry.version not in self.versions or self.serving_version(alias) not in (entry.version, None):
                yield self._alias_problem(alias)

    def _alias_problem(self, alias: str) -> str:
        number = self.aliases[alias].version
        state = "broken" if number in self.versions else "gone"
        serving = self.serving_version(alias)
        instead = f"; version {serving}, which it named before, answers" if serving else ""
        return f"alias {alias!r} names version {number}, which is {state}{instead}"


@dataclass(frozen=True)
class Snapshot:
    """All models at one moment."""

    models: Mapping[str, ModelRecord] = field(default_factory=dict)
    loaded: Mapping[Key, Model] = field(default_factory=dict)
    """The versions that aliases and `latest` name, where they are loaded ahead."""
    problem: str | None = None
    """Why all of it may be old: the models cannot be reached or read."""

    @cached_property
    def serving(self) -> list[str]:
        """The models that answer a request without a version."""
        return [name for name, record in self.models.items() if self._serves(record)]

    @property
    def broken(self) -> Iterator[tuple[str, int | None, str]]:
        """Model, version and reason of all that is not as it should be; the version is None if it is the
        model."""
        for name, record in self.models.items():
            yield from ((name, None, problem) for problem in record.problems)
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
        """Return the record of a model.

        Raises:
            ModelNotFound: There is none of this name.
            NotReady: Nobody can tell: the models folder cannot be read.
        """
        if name not in self.models:
            if self.problem:
                raise NotReady(self.problem)
            raise ModelNotFound(f"no model {name[:64]!r}; models: {listed(self.models)}")
        return self.models[name]

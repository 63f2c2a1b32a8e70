"""Where models are kept. Readers look at a folder; a store keeps that folder true, and takes what is new.

`Folder` is a folder of this machine, and has little to do. `mlapi.bucket` is the same for storage elsewhere.
"""

import errno
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlapi import aliases, disk
from mlapi.aliases import Aliases, Edit
from mlapi.artifact import DELETED, GONE, taken_numbers
from mlapi.locks import USUAL_S
from mlapi.settings import Settings


class Store(Protocol):
    @property
    def folder(self) -> Path:
        """The models as files: the place itself, or a copy of it."""

    @property
    def is_partial(self) -> bool:
        """Whether files of a version may be missing until they are fetched."""

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        """Bring the folder up to date.

        Args:
            patience_s: How long to wait for another process that is at it.

        Raises:
            OSError: The place cannot be reached, or another process is at it for so long.
        """

    def fetch(self, name: str, number: int, *files: str) -> None:
        """Bring files of a version into the folder, all of them if none is named.

        Raises:
            BrokenArtifact: There is no such file as the manifest describes.
            OSError: The place cannot be reached.
        """

    def taken(self, name: str) -> set[int]:
        """The numbers that no new version of a model may get."""

    def place(self, name: str, number: int, staging: Path) -> bool:
        """Let a complete, flushed folder appear under its number; False if that is taken by now."""

    def change_aliases(
        self, name: str, edit: Edit, *, patience_s: float = USUAL_S
    ) -> tuple[Aliases, Aliases]:
        """As `mlapi.aliases.change_aliases`."""

    def delete(self, name: str, number: int, *, patience_s: float = USUAL_S) -> None:
        """Let a version be gone from one moment to the next, and its number never be used again."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder of this machine, or one that is mounted."""

    folder: Path
    is_partial = False

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        pass

    def fetch(self, name: str, number: int, *files: str) -> None:
        pass

    def taken(self, name: str) -> set[int]:
        return taken_numbers(self.folder / name)

    def place(self, name: str, number: int, staging: Path) -> bool:
        try:
            # Onto a folder that is not empty a rename fails, so whoever comes second takes the next number.
            disk.rename(staging, self.folder / name / str(number))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            return False
        disk.flush_folder(self.folder / name)
        disk.flush_folder(self.folder)
        return True

    def change_aliases(
        self, name: str, edit: Edit, *, patience_s: float = USUAL_S
    ) -> tuple[Aliases, Aliases]:
        return aliases.change_aliases(self.folder / name, edit, patience_s=patience_s)

    def delete(self, name: str, number: int, *, patience_s: float = USUAL_S) -> None:
        home = self.folder / name
        disk.write(home / f"{number}{DELETED}", b"")  # from here on it is gone, whatever is left of it
        disk.flush_folder(home)
        gone = home / f"{GONE}{secrets.token_hex(8)}"
        with suppress(FileNotFoundError):  # its files were gone before
            disk.rename(home / str(number), gone)
        disk.remove(gone)


def open_store(settings: Settings) -> Store:
    """The store that the settings name."""
    if isinstance(settings.models_dir, Path):
        return Folder(settings.models_dir)
    from mlapi.bucket import open_bucket  # noqa: PLC0415 - fsspec, only where models lie elsewhere

    return open_bucket(settings.models_dir, settings.state_dir)

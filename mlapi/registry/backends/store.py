"""Where models are kept. Readers look at a folder; a store keeps that folder true, and takes what is new.

`Folder` is a folder of this machine, and has little to do. `mlapi.registry.backends.bucket` is the same for
storage elsewhere.
"""

from pathlib import Path
from typing import Protocol

from mlapi.registry.aliases import Aliases, Edit
from mlapi.storage.locks import USUAL_S


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
        """As `mlapi.registry.aliases.change_aliases`."""

    def delete(self, name: str, number: int, *, patience_s: float = USUAL_S) -> None:
        """Let a version be gone from one moment to the next, and its number never be used again."""

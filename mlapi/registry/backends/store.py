"""Where models are kept. Readers look at a folder; a store keeps it up to date, and takes in versions.

`Folder` is a folder of this machine, and has little to do. `mlapi.registry.backends.bucket` is the same for
storage elsewhere.
"""

from pathlib import Path
from typing import Protocol

from mlapi.registry.aliases import Aliases, Edit
from mlapi.storage.locks import USUAL_S


class Store(Protocol):
    """What a registry and its changes need of a place with models."""

    @property
    def folder(self) -> Path:
        """The models as files: the place itself, or a copy of it."""

    @property
    def is_partial(self) -> bool:
        """Whether files of a version may be missing until they are fetched."""

    def refresh(self, *, patience_s: float = USUAL_S) -> None:
        """Bring the folder up to date.

        Args:
            patience_s: How long to wait for another process that does so.

        Raises:
            OSError: The place cannot be reached, or another process has been doing so for that long.
        """

    def fetch(self, name: str, number: int, *files: str) -> None:
        """Bring files of a version into the folder, all of them if none is named.

        Raises:
            BrokenArtifact: A file is missing there, or is not what the manifest describes.
            OSError: The place cannot be reached.
        """

    def taken(self, name: str) -> set[int]:
        """Return the numbers that no new version of a model may get."""

    def make_visible(self, name: str, number: int, staging: Path) -> bool:
        """Move a complete, flushed staging folder to where readers see it, as a version of this number.

        Returns:
            Whether that was done. If the number is taken it was not, and the folder stays where it is.
        """

    def change_aliases(
        self, name: str, edit: Edit, *, patience_s: float = USUAL_S
    ) -> tuple[Aliases, Aliases]:
        """Do as `mlapi.registry.aliases.change_aliases`; `edit` may be called more than once."""

    def delete(self, name: str, number: int, *, patience_s: float = USUAL_S) -> None:
        """Delete a version in one step for readers; its number is never used again."""

"""Models in a folder of this machine, or in one that is mounted."""

import errno
import secrets
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from mlapi.artifacts.folder import DELETED, GONE, taken_numbers
from mlapi.registry import aliases
from mlapi.registry.aliases import Aliases, Edit
from mlapi.storage import disk
from mlapi.storage.locks import USUAL_S


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

    def make_visible(self, name: str, number: int, staging: Path) -> bool:
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

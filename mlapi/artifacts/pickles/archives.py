"""The parts of a ZIP archive that nobody has signed, each bounded before it is decompressed."""

import zipfile
from io import BytesIO

from mlapi.errors import BrokenArtifact

MOST_PARTS = 100_000
"""The most parts of an archive."""


class Parts:
    """The parts of an archive by name; all that is read is counted together."""

    def __init__(self, content: bytes, most: int) -> None:
        """
        Args:
            most: The most bytes that are read, a part each time that it is.

        Raises:
            BrokenArtifact: It is no archive, or damaged.
        """
        try:
            self._archive = zipfile.ZipFile(BytesIO(content))
        except Exception as error:  # damaged in one of many ways
            raise BrokenArtifact("it is damaged or cut off") from error
        if len(self._archive.infolist()) > MOST_PARTS:
            raise BrokenArtifact(f"it has more than {MOST_PARTS:,} parts")
        self._left = most
        self._most = most

    def read(self, name: str) -> bytes:
        """Return the content of a part.

        Raises:
            BrokenArtifact: There is none of this name, it is damaged, or all are too large together.
        """
        try:
            size = self._archive.getinfo(name).file_size
        except KeyError as error:
            raise BrokenArtifact("it lacks a part that it names; copy it again") from error
        self._left -= size
        if self._left < 0:
            raise BrokenArtifact(f"its parts become more than {self._most:,} bytes")
        try:
            with self._archive.open(name) as part:
                return part.read(size)
        except Exception as error:  # a wrong checksum, a method that is not known, a password
            raise BrokenArtifact("it is damaged or cut off") from error

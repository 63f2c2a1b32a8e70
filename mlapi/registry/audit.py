"""The audit log: a line of JSON for every change to what is published. Only ever appended to.

It has what was done through mlapi, and by whom; the ledger (`mlapi.registry.ledger`) has what a server found
on the disk, whoever put it there. A line of state/audit.jsonl holds `time`, `who`, `what`, `model`, `from`
and `to`. The log lies with the server's state and not with the models, so that who may write models cannot
rewrite their history.
"""

import getpass
import os
import socket
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import orjson

from mlapi.storage import disk

FILE = "audit.jsonl"


@dataclass(frozen=True, slots=True)
class Audit:
    """The log, and whose changes these are."""

    state_dir: Path
    who: str

    def record(self, what: str, model: str, old: object, new: object, **more: object) -> None:
        """Append a line, and wait until the disk has it.

        Args:
            what: What was done, as "promote".
            old: From what, as a version; None for nothing.
            new: To what.
            more: Other members of the line.

        Raises:
            OSError: The log cannot be written.
        """
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "who": self.who,
            "what": what,
            "model": model,
            "from": old,
            "to": new,
            **more,
        }
        disk.append(self.state_dir / FILE, orjson.dumps(line) + b"\n")

    def prepare(self) -> None:
        """Make sure that a line can be written, before a change is made that needs one.

        Raises:
            OSError: The log cannot be written.
        """
        disk.make_folder(self.state_dir, mode=0o700)
        disk.append(self.state_dir / FILE, b"")


def who() -> str:
    """Return who runs this process, and where: "user@host"."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run as a number that has no name
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"

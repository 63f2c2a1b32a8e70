"""What a client has sent of its request, in memory or partly in a file, and where the request ends.

Knows framing as far as is needed to tell where a request ends. What a request means, and whether it is legal,
is the business of gunicorn's parser.
"""

import re
from tempfile import TemporaryFile
from typing import IO

LARGEST_HEAD = 64 * 1024
"""Bytes of a request's first line and headers."""

LONGEST_LINE = 8 * 1024
"""Bytes of a chunk's own line, or of all trailers: each arrival has them searched for their end."""

_BARE_LF = re.compile(rb"(?<!\r)\n")


class Incoming:
    """The bytes of a request, and whatever the client has sent after it.

    `advance` looks for the end of the request, and the properties say how far it was found. `take` takes the
    bytes away; after that the properties say nothing. Places are counted from the beginning of the request.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._spool: IO[bytes] | None = None
        """The file with the first part of a request, if memory was short; the buffer has the rest."""
        self.forget_request()

    def forget_request(self) -> None:
        """Begin anew: what is left in memory belongs to the next request."""
        self._searched = 0
        """Up to this place the buffer was searched, and has no end of a head."""
        self._head = 0
        """Where the head ends; 0 while its end has not come."""
        self.is_whole = False
        """Whether `advance` has found the request's end, or something that the parser refuses."""
        self._end = 0
        """Where the request ends, if its head says so."""
        self._chunk = 0
        """Where the body's next chunk begins; 0 for a body without chunks, or after the last one."""
        self.waits_to_be_told = False
        """Whether the client waits to be told before it sends its body (RFC 9110, section 10.1.1)."""
        self._is_for_parser = False
        """Whether only the parser knows what the head's expectation means."""
        self._spooled = 0
        self._is_rewound = False
        self.close()

    def close(self) -> None:
        """Close the file, if there is one; what is in it is lost."""
        if self._spool is not None:
            self._spool.close()
            self._spool = None

    def clear(self) -> None:
        """Forget what is in memory."""
        self._buffer.clear()

    @property
    def has_begun(self) -> bool:
        """Whether anything of a request is here."""
        return bool(self._buffer) or self._spool is not None

    @property
    def has_head(self) -> bool:
        """Whether `advance` has found the end of the head."""
        return self._head > 0

    @property
    def size(self) -> int:
        """Bytes of a whole request, head and body."""
        return self._end

    @property
    def in_memory(self) -> int:
        """Bytes that are gathered in memory."""
        return len(self._buffer)

    @property
    def spooled(self) -> int:
        """Bytes that are gathered in a file."""
        return self._spooled

    @property
    def _total(self) -> int:
        return self._spooled + len(self._buffer)

    def add(self, data: bytes) -> None:
        """Append what has arrived."""
        self._buffer += data

    def put_back(self, data: bytes) -> None:
        """Put bytes of the next request, which were taken too many, before the others."""
        self._buffer[:0] = data

    # Where it ends.

    def advance(self) -> None:
        """Look for the request's end in what was added since the last call, and in nothing else."""
        searched = self._searched
        if not self._head and not self._find_head():
            # A bare LF the parser refuses at once; the end of such a head would never come.
            self.is_whole = _BARE_LF.search(self._buffer, searched) is not None
            return
        if self._chunk:
            self._skip_chunks()
        self.is_whole = not self._chunk and self._spooled + len(self._buffer) >= self._end

    def is_larger_than(self, size: int) -> bool:
        """Return whether a request that is not whole has more than so many bytes, or a head or a line that is
        longer than any may be."""
        if not self._head:
            return len(self._buffer) > LARGEST_HEAD
        is_endless = self._chunk > 0 and self._total - self._chunk > LONGEST_LINE
        return self._is_for_parser or is_endless or max(self._end, self._total) > size

    def _find_head(self) -> bool:
        blank_line = self._buffer.find(b"\r\n\r\n", self._searched)
        if blank_line < 0:
            self._searched = max(0, len(self._buffer) - 3)
            return False
        head = bytes(self._buffer[: blank_line + 2]).lower()
        length, coding = _field(head, b"content-length"), _field(head, b"transfer-encoding")
        self._head = self._end = blank_line + 4
        if b"\r\nexpect:" in head:
            is_new = head.partition(b"\r\n")[0].endswith(b" http/1.1")
            has_host = head.count(b"\r\nhost:") == 1
            self.waits_to_be_told = is_new and has_host and _field(head, b"expect") == b"100-continue"
            self._is_for_parser = not self.waits_to_be_told
        if length.isdigit() and not coding:
            self._end += int(length.lstrip(b"0")[:20] or b"0")  # Python refuses thousands of digits
        elif coding.endswith(b"chunked") and not length:
            self._chunk = self._head
        return True  # any other framing the parser refuses

    def _skip_chunks(self) -> None:
        """Go from chunk to chunk to the body's end, as far as it is here (RFC 9112, section 7.1)."""
        buffer, begin = self._buffer, self._chunk - self._spooled
        while (line := buffer.find(b"\r\n", begin)) >= 0:
            try:
                size = int(bytes(buffer[begin:line]).partition(b";")[0], 16)
            except ValueError:
                size = -1
            if size > 0:
                begin = line + 2 + size + 2
                continue
            last = buffer.find(b"\r\n\r\n", line)
            if size == 0 and last < 0:
                break
            self._chunk = 0  # whole, or something that the parser refuses
            self._end = self._spooled + last + 4 if size == 0 else 0
            return
        self._chunk = self._spooled + begin

    # What is in a file.

    @property
    def spoolable(self) -> int:
        """Bytes in memory that may go to a file: those of a body of which more will come.

        A part of a chunk's line stays in memory: it has to be searched.
        """
        if not self._head:
            return 0
        if self._chunk:
            return max(0, min(self._total, self._chunk) - self._spooled)
        return len(self._buffer) if self._total < self._end else 0

    def spool(self) -> bool:
        """Move the spoolable bytes to a file without a name; return whether there was room for them.

        May wait for the disk.
        """
        size = self.spoolable
        try:
            if self._spool is None:
                self._spool = TemporaryFile()  # noqa: SIM115 - as long as the request
            with memoryview(self._buffer) as view, view[:size] as piece:
                self._spool.write(piece)
        except OSError:
            return False
        del self._buffer[:size]
        self._spooled += size
        return True

    # Taking it away.

    def take(self, size: int) -> bytes:
        """Take up to `size` bytes away, and return them; b"" if there are no more."""
        if self._spool is not None:
            if not self._is_rewound:
                self._is_rewound = True
                self._spool.seek(0)
            if data := self._spool.read(size):
                return data
            self.close()
        if size >= len(self._buffer):
            data = bytes(self._buffer)
            self._buffer.clear()
        else:
            with memoryview(self._buffer) as view:
                data = bytes(view[:size])
            del self._buffer[:size]
        return data


def _field(head: bytes, name: bytes) -> bytes:
    """Return the value of a field in a head of lower case, the last of several; b"" where there is none."""
    at = head.rfind(b"\r\n" + name + b":")
    if at < 0:
        return b""
    begin = at + len(name) + 3
    return head[begin : head.index(b"\r\n", begin)].strip(b" \t")

"""Reading an HTTP/1.1 answer, without I/O: as much of RFC 9112 as a proxy on loopback uses."""

from http import HTTPStatus


class BadAnswer(Exception):
    """What came is not the answer that was expected."""


class Answer:
    """One answer to a POST, fed with bytes cut anywhere."""

    def __init__(self) -> None:
        self.status = 0
        self.body = bytearray()
        self.complete = False
        self._input = bytearray()
        self._chunked = False
        self._left = 0
        """Bytes until the end of the body; if it is chunked, of the chunk and its line end."""

    def feed(self, data: bytes) -> None:
        """Take more bytes. Raises BadAnswer for what is no answer, and for bytes after its end."""
        self._input += data
        if not self.status and not self._take_head():
            return
        if self._chunked:
            while not self.complete and self._take_chunk():
                pass
        else:
            self._take_sized()
        if self.complete and self._input:
            raise BadAnswer(f"bytes after the answer's end: {bytes(self._input[:100])!r}")

    def _take_head(self) -> bool:
        end = self._input.find(b"\r\n\r\n")
        if end < 0:
            return False
        start, *lines = self._input[:end].decode("latin-1").split("\r\n")
        del self._input[: end + 4]
        version, _, status = start.partition(" ")
        if version != "HTTP/1.1" or not status[:3].isdigit():
            raise BadAnswer(f"not a status line: {start!r}")
        fields = dict(_field(line) for line in lines)
        self.status = HTTPStatus(int(status[:3]))
        self._chunked = fields.get("transfer-encoding") == "chunked"
        if not self._chunked:
            self._left = int(fields["content-length"])
        return True

    def _take_sized(self) -> None:
        self.body += self._input[: self._left]
        taken = min(self._left, len(self._input))
        del self._input[:taken]
        self._left -= taken
        self.complete = not self._left

    def _take_chunk(self) -> bool:
        """Take one chunk, if it is all there; in the last one nothing but its end is expected."""
        line = self._input.find(b"\r\n")
        if line < 0:
            return False
        size = int(self._input[:line], 16)
        end = line + 2 + size
        if len(self._input) < end + 2:
            return False
        if self._input[end : end + 2] != b"\r\n":
            raise BadAnswer("a chunk does not end where it said")
        self.body += self._input[line + 2 : end]
        del self._input[: end + 2]
        self.complete = not size
        return True


def _field(line: str) -> tuple[str, str]:
    name, _, value = line.partition(":")
    return name.lower(), value.strip()

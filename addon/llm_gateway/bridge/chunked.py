"""Chunked request bodies (RFC 9112 §7.1), to the letter and within bounds.

It takes the place of h11's reader, which lets a client send extensions without end, takes each
chunk for an event of its own, however small it is, and whose trailers make mitmproxy crash.
"""

import re

import h11
from h11._receivebuffer import ReceiveBuffer

from llm_gateway.bridge.heads import cut_short
from llm_gateway.errors import RequestError

_CRLF = b"\r\n"
# 2^60 bytes are enough. An extension means nothing to us; no control characters are in it.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\x00-\x08\x0a-\x1f\x7f]*)?\r\n")
_PLAIN_LINE = 17
"""The longest line that says nothing but a size."""
_TRAILER = re.compile(rb"[^\x00-\x20\x7f:]+:[^\x00-\x08\x0a-\x1f\x7f]*\r\n")


class ChunkedBody:
    """Reads one body. As a reader of h11's it is called with the buffer until it gives None."""

    def __init__(self, bound: int) -> None:
        """``bound``: bytes that the extensions and the trailers, which we ignore, come to."""
        self._left = bound
        self._size = 0
        """Bytes of the chunk that are still to come, with its CRLF."""
        self._last = False

    def __call__(self, buffer: ReceiveBuffer) -> h11.Data | h11.EndOfMessage | None:
        """What is there, all chunks in one; the end after that. Raises RequestError (400)."""
        pieces: list[bytearray] = []
        while not self._last and self._read_piece(buffer, pieces):
            pass
        if pieces:
            return h11.Data(data=b"".join(pieces))
        return h11.EndOfMessage() if self._last and self._read_trailers(buffer) else None

    def _read_piece(self, buffer: ReceiveBuffer, pieces: list[bytearray]) -> bool:
        """Read a size, or what is there of a chunk. False: there is nothing more."""
        if self._size == 0:
            return self._read_size(buffer)
        if self._size > len(_CRLF):
            piece = buffer.maybe_extract_at_most(self._size - len(_CRLF))
            if piece is None:
                return False
            pieces.append(piece)
            self._size -= len(piece)
            return True
        piece = buffer.maybe_extract_at_most(self._size)
        if piece is None:
            return False
        if not _CRLF[-self._size :].startswith(piece):
            raise _malformed()
        self._size -= len(piece)
        return True

    def _read_size(self, buffer: ReceiveBuffer) -> bool:
        line = self._line(buffer, _PLAIN_LINE)
        if line is None:
            return False
        match = _SIZE.fullmatch(line)
        if match is None:
            raise _malformed()
        size = int(match[1], 16)
        self._last = size == 0
        self._size = size + len(_CRLF) if size else 0
        return True

    def _read_trailers(self, buffer: ReceiveBuffer) -> bool:
        """Read and forget them (RFC 9110 §6.5.1). Whether they have ended."""
        while (line := self._line(buffer, len(_CRLF))) is not None:
            if line == _CRLF:
                return True
            if _TRAILER.fullmatch(line) is None:
                raise _malformed()
        return False

    def _line(self, buffer: ReceiveBuffer, free: int) -> bytearray | None:
        """The next line with its CRLF; what is longer than ``free`` counts."""
        line = buffer.maybe_extract_next_line()
        length = len(buffer) if line is None else len(line)
        if length - free > self._left:
            raise RequestError(400, "The chunked body has too long extensions or trailers.")
        if line is not None:
            self._left -= max(0, length - free)
        elif b"\n" in bytes(buffer):
            raise _malformed()
        return line

    def read_eof(self) -> h11.EndOfMessage:
        """The client has closed its side in the middle of it."""
        raise cut_short()


def _malformed() -> RequestError:
    return RequestError(
        400, "The request is no valid HTTP/1.1. Its chunked body does not consist of chunks."
    )

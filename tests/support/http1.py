"""HTTP/1.1 messages on asyncio streams (RFC 9112), for the recording server and the raw client.

Strict on purpose: what a lenient peer would forgive is an error here.
"""

import asyncio
import re
from collections.abc import AsyncGenerator

type Headers = list[tuple[str, str]]

MAX_HEAD = 256 * 1024
PIECE = 64 * 1024

_FIELD = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK_SIZE = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[^\r\n]*)?\r\n")


class Malformed(Exception):
    """The peer sent something that is not an HTTP/1.1 message."""


def values(headers: Headers, name: str) -> list[str]:
    """Return the values of every field called `name`, in order, names compared without case."""
    return [value for key, value in headers if key.lower() == name.lower()]


async def read_head(reader: asyncio.StreamReader) -> tuple[str, Headers] | None:
    """Read a start line and the header fields, decoded as latin-1; None at a clean end.

    Raises asyncio.IncompleteReadError when the connection ends inside the head.
    """
    try:
        raw = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError:
        raise Malformed(f"the head is longer than {MAX_HEAD} bytes") from None
    start, *lines = raw[:-4].decode("latin-1").split("\r\n")
    return start, [_field(line) for line in lines]


def _field(line: str) -> tuple[str, str]:
    match = _FIELD.fullmatch(line)
    if match is None:
        raise Malformed(f"bad header line of {len(line)} characters")
    return match[1], match[2]


def body_length(headers: Headers) -> int | None:
    """Return the declared length in bytes, or None for a chunked body or no declaration.

    Raises Malformed on more than one declaration (RFC 9112 §6.3).
    """
    lengths = values(headers, "content-length")
    codings = values(headers, "transfer-encoding")
    if len(lengths) + len(codings) > 1:
        raise Malformed("more than one declaration of the body's length")
    if codings and codings[0].lower() != "chunked":
        raise Malformed("a transfer coding other than chunked")
    if not lengths:
        return None
    if not re.fullmatch("[0-9]{1,15}", lengths[0]):
        raise Malformed("a content-length that is not a number")
    return int(lengths[0])


def is_chunked(headers: Headers) -> bool:
    """Tell whether the body is chunked."""
    return bool(values(headers, "transfer-encoding"))


async def read_chunk(reader: asyncio.StreamReader) -> bytes:
    """Read one chunk of a chunked body; b"" is the last one, its trailer section read too.

    Raises asyncio.IncompleteReadError when the connection ends inside the body.
    """
    match = _CHUNK_SIZE.fullmatch(await reader.readuntil(b"\r\n"))
    if match is None:
        raise Malformed("bad chunk size line")
    size = int(match[1], 16)
    if size == 0:
        while await reader.readuntil(b"\r\n") != b"\r\n":
            pass
        return b""
    data = await reader.readexactly(size)
    if await reader.readexactly(2) != b"\r\n":
        raise Malformed("a chunk longer than its size")
    return data


async def length_body(reader: asyncio.StreamReader, length: int) -> AsyncGenerator[bytes]:
    """Yield the pieces of a body of `length` bytes as they arrive.

    Raises asyncio.IncompleteReadError when the connection ends inside the body.
    """
    left = length
    while left:
        piece = await reader.read(min(left, PIECE))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        yield piece


async def chunked_body(reader: asyncio.StreamReader) -> AsyncGenerator[bytes]:
    """Yield the chunks of a chunked body, each whole."""
    while chunk := await read_chunk(reader):
        yield chunk


async def read_request_body(reader: asyncio.StreamReader, headers: Headers) -> bytes:
    """Read a request's body, which is empty when none is declared."""
    length = body_length(headers)
    pieces = chunked_body(reader) if is_chunked(headers) else length_body(reader, length or 0)
    return b"".join([piece async for piece in pieces])

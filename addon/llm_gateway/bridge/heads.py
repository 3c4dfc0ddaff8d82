"""Heads of clients' HTTP/1 requests: read within bounds, and refused unless every byte is clear.

RFC 9112 lets a server guess at what some old clients meant: bare line feeds, folded lines, control
bytes in values. A proxy in front of us may guess otherwise, and then one request is read as two
(request smuggling). So nothing is guessed here. No message repeats what the client wrote: there may
be a token in it.
"""

import re
import string
from collections.abc import Iterable
from typing import Self, override

from h11._receivebuffer import ReceiveBuffer
from mitmproxy import http
from mitmproxy.net.http import http1

from llm_gateway.config.values import Bounds
from llm_gateway.errors import RequestError

_END = b"\r\n\r\n"
_CONTROLS = bytes({*range(0x20), 0x7F} - {0x09})
_FORBIDDEN = _CONTROLS.translate(None, b"\r\n")
_NAME = b"!#$%&'*+-.^_`|~" + string.digits.encode() + string.ascii_letters.encode()
_REQUEST_LINE = re.compile(rb"([!-~]+) ([^\x00-\x20\x7f]+) HTTP/([0-9]\.[0-9])")
_VERSIONS = {b"1.0", b"1.1"}
_BLANK_LINES = 8
"""Empty lines before a request that are passed over; RFC 9112 §2.2 asks for one at least."""


class HeadBuffer(ReceiveBuffer):
    """What a client has sent and nobody has read yet. Each byte is looked at once."""

    def __init__(self) -> None:
        super().__init__()
        self._seen = 0
        self._has_line = False
        self._blank_lines = 0

    @override
    def __iadd__(self, byteslike: bytes | bytearray) -> Self:
        self._data += byteslike
        return self

    def take_head(self, bounds: Bounds) -> bytes | None:
        """The next head whole, without its empty line; None until its end is there.

        Raises RequestError as soon as no end could make it a head within `bounds`.
        """
        while self._data.startswith(b"\r\n"):
            self.maybe_extract_at_most(2)
            self._blank_lines += 1
            if self._blank_lines > _BLANK_LINES:
                raise _malformed("There is no request, but empty lines.")
        end = self._data.find(_END, max(0, self._seen - 3), bounds.header_bytes + len(_END))
        if end < 0:
            self._check_beginning(bounds)
            return None
        head = bytes(self._extract(end + len(_END))[:end])
        self._blank_lines = 0
        return head

    @override
    def _extract(self, count: int) -> bytearray:
        self._seen = 0
        self._has_line = False
        return super()._extract(count)

    def _check_beginning(self, bounds: Bounds) -> None:
        begun = self._data
        if len(begun) >= bounds.header_bytes + len(_END):
            raise _too_long(bounds) if b"\r\n" in begun else _target_too_long(bounds)
        # As far as a line may have ended in it, and its line feed be still to come.
        seen, self._seen = self._seen, len(begun) - begun.endswith(b"\r")
        fresh = begun[max(0, seen - 1) : self._seen]
        if len(fresh.translate(None, _FORBIDDEN)) != len(fresh):
            raise _malformed("Its head has control characters.")
        if fresh.count(b"\n", 1 if seen else 0) != fresh.count(b"\r\n"):
            raise _malformed("Its lines have to end with CRLF.")
        if not self._has_line and (end := begun.find(b"\r\n", max(0, seen - 1))) >= 0:
            self._has_line = True
            _check_request_line(bytes(begun[:end]), bounds)


def read_head(head: bytes, bounds: Bounds) -> http.Request:
    """The request of a whole head. Raises RequestError: 400, 414, 431, 505."""
    lines = head.split(b"\r\n")
    _check_request_line(lines[0], bounds)
    if len(lines) - 1 > bounds.headers:
        raise _too_many(bounds)
    # CR and LF stand only in the pairs that it was split at.
    if len(head) - len(head.translate(None, _CONTROLS)) != 2 * (len(lines) - 1):
        raise _malformed("Its head has control characters, or lines that do not end with CRLF.")
    if b"\r\n " in head or b"\r\n\t" in head:
        raise _malformed("A header goes on in the next line.")
    try:
        request = http1.read_request_head(lines)
    except ValueError:
        raise _malformed("Its request line or a header is not of the right form.") from None
    # mitmproxy looks at the names as well, but later, and then its words repeat them.
    if b"".join(name for name, _ in request.headers.fields).translate(None, _NAME):
        raise _malformed("The name of a header is not valid.")
    return request


def body_size(request: http.Request) -> int | None:
    """The length that the head says its body has; None: chunked. Raises RequestError (400)."""
    try:
        size = http1.expected_http_body_size(request)
        # mitmproxy would take compressed ones as well, and pass the compressed bytes on.
        if size is None and request.headers["transfer-encoding"].lower() != "chunked":
            raise ValueError
    except ValueError:
        raise _malformed("Its Content-Length or Transfer-Encoding is not valid.") from None
    return size


def check_fields(fields: Iterable[tuple[bytes, bytes]], bounds: Bounds) -> None:
    """Whether an HTTP/2 head, pseudo-headers included, is within bounds. Raises RequestError."""
    size = count = 0
    for name, value in fields:
        size += len(name) + len(value) + len(b": \r\n")
        if name[:1] != b":":
            count += 1
        elif name == b":path":
            _check_path(value, bounds)
    if count > bounds.headers:
        raise _too_many(bounds)
    if size > bounds.header_bytes:
        raise _too_long(bounds)


def _check_path(path: bytes, bounds: Bounds) -> None:
    """RFC 9113 §8.3.1. Behind an authority, what does not begin with a slash goes on with it."""
    if len(path) > bounds.path_bytes:
        raise _target_too_long(bounds)
    if path[:1] != b"/" and path != b"*":
        raise _malformed("Its :path does not begin with a slash.")


def cut_short() -> RequestError:
    """What a client is told that closes its side in the middle of a request."""
    return RequestError(400, "The connection was closed before the request was complete.")


def _check_request_line(line: bytes, bounds: Bounds) -> None:
    match = _REQUEST_LINE.fullmatch(line)
    if match is None:
        raise _malformed("It does not begin with a method, a target and HTTP/1.1.")
    if len(match[2]) > bounds.path_bytes:
        raise _target_too_long(bounds)
    if match[3] not in _VERSIONS:
        raise RequestError(505, "Speak HTTP/1.1, or over TLS HTTP/2 by ALPN.")


def _malformed(why: str) -> RequestError:
    return RequestError(400, f"The request is no valid HTTP/1.1. {why}")


def _target_too_long(bounds: Bounds) -> RequestError:
    return RequestError(
        414,
        f"The request's target is longer than the {bounds.path_bytes} bytes allowed "
        "(gateway.bounds.path_bytes).",
    )


def _too_long(bounds: Bounds) -> RequestError:
    return RequestError(
        431,
        f"The request's head is longer than the {bounds.header_bytes} bytes allowed "
        "(gateway.bounds.header_bytes).",
    )


def _too_many(bounds: Bounds) -> RequestError:
    return RequestError(
        431,
        f"The request has more than the {bounds.headers} headers allowed (gateway.bounds.headers).",
    )

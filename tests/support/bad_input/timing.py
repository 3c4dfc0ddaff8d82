"""Rows that time decides: who sends too little is told so, or the connection is closed.

They are for a gateway with BOUNDS.
"""

from support.bad_input.case import (
    CHAT,
    GOOD,
    JSON,
    After,
    Answer,
    Request,
    Row,
    error,
    get,
    raw,
    refused,
)
from support.scene import BEARER, HOST

BOUNDS = {"head_time": "2s", "body_time": "2s", "body_rate": "1MiB", "idle": "2s"}
"""Seconds where an honest client is given minutes; less might pass before all is sent that should
come before it has passed."""

_LATE = error(408, "request_timeout", connection="close")
_HEAD = "".join(f"{name}: {value}\r\n" for name, value in (("Host", HOST), BEARER, JSON))


def _post(*lines: str, body: bytes = b"") -> bytes:
    return raw(f"POST {CHAT} HTTP/1.1\r\n", _HEAD, *lines, "\r\n", body=body)


def _late(id: str, sent: bytes, answer: Answer = _LATE) -> Row:
    return refused(id, sent, answer, after=After.CLOSED, http2=False)


def _silent(id: str, sent: bytes, *answers: Answer) -> Row:
    return Row(id, sent, answers, After.CLOSED, http2=False)


_CHUNKED = "Transfer-Encoding: chunked\r\n"
_TOO_LARGE = error(413, "request_too_large", connection="close")

ROWS = (
    _late("W9-two-bytes-of-ten", _post("Content-Length: 10\r\n", body=b'{"')),
    _late("W9-no-byte-of-ten", _post("Content-Length: 10\r\n")),
    _late("W9-half-a-chunk", _post(_CHUNKED, body=b'5\r\n{"')),
    _late("W9-half-a-size", _post(_CHUNKED, body=b"5")),
    _late("W9-no-last-chunk", _post(_CHUNKED, body=b"1\r\n{\r\n")),
    _late("W9-no-end-of-trailers", _post(_CHUNKED, body=b"1\r\n{\r\n0\r\n")),
    _late("W9-half-a-head", get().bytes()[:-2]),
    _late("W9-half-a-line", b"GET /v1/mod"),
    _late("W9-one-byte", b"G"),
    Row(
        "W9-half-a-head-behind-a-request",
        get().bytes() + b"GET /v1",
        (GOOD, _LATE),
        After.CLOSED,
        http2=False,
    ),
    _late("W3-too-much-announced", _post("Content-Length: 99999999999\r\n"), _TOO_LARGE),
    _late(
        "A1-body-that-never-comes",
        Request("POST", CHAT, (("Content-Length", "1000"),)).bytes(),
        error(401, None),
    ),
    _silent("W13-tls-hello", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(100)),
    _silent("W13-nothing", b""),
    _silent("W16-empty-lines", b"\r\n\r\n"),
    _silent("W16-an-empty-line-behind-a-request", get().bytes() + b"\r\n", GOOD),
    _silent("W14-idle", get().bytes(), GOOD),
)

"""Rows W: the framing of messages."""

from support.bad_input.case import (
    CHAT,
    MODELS,
    After,
    Answer,
    Row,
    chat,
    error,
    get,
    malformed,
    raw,
    refused,
    served,
    without,
)
from support.scene import BEARER, HOST

_BODY = chat().body
_HEAD = f"Host: {HOST}\r\n{BEARER[0]}: {BEARER[1]}\r\nContent-Type: application/json\r\n"
_LENGTH = f"Content-Length: {len(_BODY)}\r\n"
_CHUNKED = "Transfer-Encoding: chunked\r\n"
_TOO_LARGE = error(413, "request_too_large", connection="close")
_TOO_MANY = error(431, None, connection="close")


def _post(*lines: str | bytes, body: bytes = _BODY) -> bytes:
    """A chat request with these further fields in its head."""
    return raw(f"POST {CHAT} HTTP/1.1\r\n", _HEAD, *lines, "\r\n", body=body)


def _get(*lines: str | bytes, end: str = "\r\n") -> bytes:
    head = f"GET {MODELS} HTTP/1.1{end}Host: {HOST}{end}{BEARER[0]}: {BEARER[1]}{end}"
    return raw(head, *lines, end)


def _chunks(*pieces: bytes, end: bytes = b"0\r\n\r\n") -> bytes:
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + end


def _broken(id: str, body: bytes) -> Row:
    """A chunked body that breaks off in nonsense."""
    answer = error(400, None, says="body", connection="close")
    sent = _post(_CHUNKED, body=body)
    return refused(id, sent, answer, after=After.CLOSED, http2=False)


_LENGTHS = {
    "minus": "-1",
    "plus": "+2",
    "hexadecimal": "0x2",
    "underscore": "1_0",
    "word": "ten",
    "empty": "",
    "point": "2.0",
    "list": f"{len(_BODY)}, {len(_BODY)}",
    "space-inside": "1 0",
    "other-digits": "\xb2",
}
_CODINGS = ("xchunked", "identity", "gzip", "chunked, identity", "chunked, chunked", "chunkedx")
_BAD_FIELDS: dict[str, str | bytes] = {
    "space-before-colon": "X-A : b\r\n",
    "tab-before-colon": "X-A\t: b\r\n",
    "non-ascii-name": b"X-\xc3\xa9: b\r\n",
    "no-colon": "X-A b\r\n",
    "empty-name": ": b\r\n",
    "nul-in-name": b"X\0A: b\r\n",
    "at-in-name": "X@A: b\r\n",
}

_NO_NAME = ("no-colon", "empty-name")

ROWS = (
    malformed("W1-both", _post(_LENGTH, _CHUNKED, body=_chunks(_BODY)), by_mitmproxy=True),
    malformed("W1-both-other-order", _post(_CHUNKED, "Content-Length: 4\r\n"), by_mitmproxy=True),
    malformed("W2-same-twice", _post(_LENGTH, _LENGTH), by_mitmproxy=True),
    malformed("W2-different", _post(_LENGTH, "Content-Length: 5\r\n"), by_mitmproxy=True),
    *(
        malformed(f"W2-{name}", _post(f"Content-Length: {value}\r\n"), by_mitmproxy=True)
        for name, value in _LENGTHS.items()
    ),
    refused(
        "W3-beyond-64-bits",
        _post("Content-Length: 99999999999999999999\r\n"),
        _TOO_LARGE,
        after=After.DRAINED,
        http2=False,
    ),
    refused(
        "W3-one-too-many",
        _post(f"Content-Length: {32 * 1024 * 1024 + 1}\r\n"),
        _TOO_LARGE,
        after=After.DRAINED,
        http2=False,
    ),
    refused(
        "W3-digits-without-end",
        _post(f"Content-Length: {'9' * 5000}\r\n"),
        error(400, None, connection="close"),
        after=After.CLOSED,
        http2=False,
        by_mitmproxy=True,
    ),
    refused(
        "W3-chunked",
        _post(_CHUNKED, body=_chunks(*[bytes(1_000_000)] * 34, end=b"")),
        _TOO_LARGE,
        after=After.DRAINED,
        http2=False,
    ),
    *(
        malformed(f"W4-{each}", _post(f"Transfer-Encoding: {each}\r\n"), by_mitmproxy=True)
        for each in _CODINGS
    ),
    malformed("W4-twice", _post(_CHUNKED, _CHUNKED, body=_chunks(_BODY)), by_mitmproxy=True),
    malformed(
        "W4-in-1.0",
        raw(f"POST {CHAT} HTTP/1.0\r\n", _HEAD, _CHUNKED, "\r\n", body=_chunks(_BODY)),
        by_mitmproxy=True,
    ),
    _broken("W5-word", b"hello\r\n"),
    _broken("W5-negative", b"-5\r\nhello\r\n"),
    _broken("W5-0x", b"0x5\r\nhello\r\n"),
    _broken("W5-beyond-64-bits", b"f" * 21 + b"\r\nhello\r\n"),
    _broken("W5-too-short", b"2\r\nhello\r\n0\r\n\r\n"),
    _broken("W5-space-first", b" 5\r\nhello\r\n0\r\n\r\n"),
    *(
        served(
            f"W6-{name}",
            _post(_CHUNKED, body=_chunks(_BODY, end=b"0\r\n%b\r\n" % trailers)),
            calls=1,
            http2=False,
        )
        for name, trailers in {
            "trailer": b"X-Trailer: a\r\n",
            "trailers": b"X-Trailer: a\r\n" * 10,
            "host-in-a-trailer": b"Host: evil.example\r\nContent-Length: 5\r\n",
        }.items()
    ),
    _broken("W6-trailer-without-colon", _chunks(_BODY, end=b"0\r\nX-Trailer\r\n\r\n")),
    _broken("W6-trailers-without-end", _chunks(_BODY, end=b"0\r\n" + b"X-A: b\r\n" * 20_000)),
    _broken("W7-bare-lf", b"%x\n%b\n0\n\n" % (len(_BODY), _BODY)),
    served(
        "W7-extension",
        _post(_CHUNKED, body=b"%x;a=b\r\n%b\r\n0\r\n\r\n" % (len(_BODY), _BODY)),
        calls=1,
        http2=False,
    ),
    *(
        refused(
            f"W8-fin-{name}",
            sent,
            error(400, None, says="closed before", connection="close"),
            after=After.CLOSED,
            ends=True,
            http2=False,
        )
        for name, sent in {
            "in-the-body": _post("Content-Length: 1000\r\n", body=b'{"'),
            "before-the-body": _post("Content-Length: 1000\r\n", body=b""),
            "in-the-head": _get()[:-8],
            "in-a-chunk": _post(_CHUNKED, body=b"50\r\n{"),
            "before-the-last-chunk": _post(_CHUNKED, body=_chunks(_BODY, end=b"")),
            "in-the-trailers": _post(_CHUNKED, body=_chunks(_BODY, end=b"0\r\nX-A")),
        }.items()
    ),
    Row("W8-fin-at-once", b"", (), After.CLOSED, ends=True, http2=False),
    Row("W8-fin-after-an-empty-line", b"\r\n", (), After.CLOSED, ends=True, http2=False),
    malformed("W10-folded", _get("X-A: b\r\n c\r\n")),
    malformed("W10-folded-with-a-tab", _get("X-A: b\r\n\tc\r\n")),
    malformed("W10-folded-first", raw(f"GET {MODELS} HTTP/1.1\r\n Host: {HOST}\r\n\r\n")),
    malformed("W10-bare-lf", _get(end="\n")),
    malformed("W10-one-bare-lf", _get("X-A: b\n")),
    malformed("W10-bare-cr", _get("X-A: b\rX-B: c\r\n")),
    malformed("W10-nul", _get("X-A: b\0\r\n")),
    *(
        malformed(f"W11-{name}", _get(field), by_mitmproxy=name in _NO_NAME)
        for name, field in _BAD_FIELDS.items()
    ),
    *(
        refused(f"W12-{name}", sent, _TOO_MANY, after=After.CLOSED, http2=http2)
        for name, sent, http2 in (
            ("201-fields", get(MODELS, *[("X-A", "b")] * 200), True),
            ("10000-fields", _get("X-A: b\r\n" * 10_000), False),
            ("70-kB", get(MODELS, *[("X-A", "b" * 7000)] * 10), True),
            ("100-kB", _get(f"X-A: {'b' * 100_000}\r\n"), False),
            ("8-MB", _get(f"X-A: {'b' * 8_000_000}\r\n"), False),
            ("8-MB-without-an-end", f"GET / HTTP/1.1\r\n{'X' * 8_000_000}".encode(), False),
        )
    ),
    refused(
        "W12-8-MB-line",
        b"X" * 8_000_000,
        error(414, None, connection="close"),
        after=After.CLOSED,
        http2=False,
    ),
    malformed("W13-garbage", b"garbage\r\n\r\n"),
    malformed("W13-control", b"\x00\x01\x02\r\n\r\n"),
    malformed("W13-smtp", b"EHLO evil.example\r\n\r\n"),
    malformed("W13-ssh", b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    malformed("W13-http-0.9", b"GET /\r\n\r\n"),
    served("W14-two", get().bytes() + chat().bytes(), Answer(), Answer(), calls=1, http2=False),
    Row(
        "W14-refused-first",
        get("/none").bytes() + get().bytes(),
        (error(404, "unknown_url"), Answer()),
        http2=False,
    ),
    served("W14-more-than-the-body", chat().bytes() + b"\r\n", calls=1, http2=False),
    served(
        "W15-100",
        chat(("Expect", "100-continue")).bytes(),
        Answer(100),
        Answer(),
        calls=1,
        http2=False,
    ),
    refused(
        "W15-100-refused",
        without(chat(("Expect", "100-continue")), "authorization").bytes(),
        error(401, None),
        after=After.CLOSED,
        http2=False,
    ),
    refused(
        "W15-other",
        get(MODELS, ("Expect", "coffee")),
        error(417, "expectation_failed", says="100-continue"),
    ),
    served("W16-one", b"\r\n" + _get(), http2=False),
    malformed("W16-many", b"\r\n" * 100),
    malformed("W16-bare-lf", b"\n" + _get()),
    served("W16-several", b"\r\n\r\n\r\n" + _get(), http2=False),
)

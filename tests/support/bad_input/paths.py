"""Rows P: methods, paths and versions."""

from support.bad_input.case import (
    CHAT,
    MODELS,
    After,
    Answer,
    Request,
    chat,
    error,
    get,
    malformed,
    post,
    raw,
    refused,
    served,
)
from support.scene import BEARER, HOST

UNKNOWN_URL = error(404, "unknown_url", says="Invalid URL (GET ")
UNKNOWN_MODEL = error(404, "model_not_found", "model", says="does not exist")
_FIELDS = f"Host: {HOST}\r\n{BEARER[0]}: {BEARER[1]}\r\n\r\n"


def _not_allowed(method: str, allow: str) -> Answer:
    return error(405, "method_not_supported", says=f"Not allowed to {method} on ", allow=allow)


def _method(method: str, target: str = CHAT) -> Request:
    return Request(method, target, (BEARER,))


def _line(line: str | bytes) -> bytes:
    return raw(line, "\r\n", _FIELDS)


_OTHER_METHODS = ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "PROPFIND", "BREW", "M-SEARCH")
_UNKNOWN = {
    "P2-root": "/",
    "P2-v1": "/v1",
    "P2-other": "/v1/nothing",
    "P2-version": "/v2/models",
    "P2-case": "/V1/MODELS",
    "P2-semicolon": f"{MODELS};x=1",
    "P3-doubled": "//v1//models",
    "P3-doubled-inside": "/v1//models",
    "P3-trailing": f"{MODELS}/",
    "P3-dot": "/v1/./models",
    "P4-up": "/v1/../admin",
    "P4-up-and-back": "/v1/../v1/models",
    "P4-encoded-up": "/v1/%2e%2e/x",
    "P4-encoded-slash": "/v1%2Fmodels",
    "P4-encoded-letter": "/v1/%6dodels",
    "P4-backslash": "/v1\\models",
    "P4-file": "/etc/passwd",
    "P4-our-page": "/flows",
    "P4-config": "/provider_config.yaml",
    "P4-null-page": "/ping%00",
}
_STRANGE = {
    "P5-utf-8": "/v1/mod\xc3\xa9ls".encode("latin-1"),
    "P5-no-utf-8": b"/v1/\xff\xfe",
    "P5-fragment": b"/v1/models#frag",
}

ROWS = (
    refused("P1-get", get(CHAT), _not_allowed("GET", "POST")),
    refused("P1-get-images", get("/v1/images/generations"), _not_allowed("GET", "POST")),
    refused("P1-post", _method("POST", MODELS), _not_allowed("POST", "GET, HEAD")),
    refused(
        "P1-delete-model",
        _method("DELETE", f"{MODELS}/gpt-test"),
        _not_allowed("DELETE", "GET, HEAD"),
    ),
    refused("P1-put-ping", _method("PUT", "/ping"), _not_allowed("PUT", "GET, HEAD")),
    *(refused(id, get(target), UNKNOWN_URL) for id, target in _UNKNOWN.items()),
    refused(
        "P3-trailing-chat",
        post(chat().body, target=f"{CHAT}/"),
        error(404, "unknown_url", says="(POST "),
        after=After.CLOSED,
    ),
    refused("P4-model-up", get(f"{MODELS}/../../admin"), UNKNOWN_MODEL),
    refused("P4-model-encoded-up", get(f"{MODELS}/..%2F..%2Fadmin"), UNKNOWN_MODEL),
    refused("P4-model-null", get(f"{MODELS}/gpt-test%00"), UNKNOWN_MODEL),
    refused("P4-model-twice-encoded", get(f"{MODELS}/fake%252Fgpt-test"), UNKNOWN_MODEL),
    served("P4-model-slash", get(f"{MODELS}/fake/gpt-test")),
    served("P4-model-encoded-slash", get(f"{MODELS}/fake%2Fgpt-test")),
    *(
        refused(id, _line(b"GET %b HTTP/1.1" % target), UNKNOWN_URL, http2=False)
        for id, target in _STRANGE.items()
    ),
    malformed("P5-nul", _line(b"GET /v1/mod\0els HTTP/1.1")),
    malformed("P5-escape", _line(b"GET /\x1b[31mred HTTP/1.1")),
    malformed("P5-delete", _line(b"GET /\x7f HTTP/1.1")),
    malformed("P5-space", _line(f"GET {MODELS} x HTTP/1.1")),
    malformed("P5-tab-apart", _line("GET\t\t\tHTTP/1.1")),
    *(
        refused(
            f"P6-{name}",
            get(target),
            error(414, None, says="8192", connection="close"),
            after=After.CLOSED,
            http2=len(target) < 10_000,
        )
        for name, target in {
            "9-kB": f"/{'x' * 9000}",
            "query": f"{MODELS}?{'x' * 9000}",
            "1-MB": f"/{'x' * 1_000_000}",
        }.items()
    ),
    *(refused(f"P7-{each}", _method(each), _not_allowed(each, "POST")) for each in _OTHER_METHODS),
    refused("P7-options-star", _method("OPTIONS", "*"), _not_allowed("OPTIONS", "GET, HEAD, POST")),
    refused("P7-odd-name", _line(f"G@T {CHAT} HTTP/1.1"), _not_allowed("G@T", "POST")),
    served("P7-lower-case", _line(f"get {MODELS} HTTP/1.1"), http2=False),
    refused(
        "P7-long",
        _line(f"{'A' * 500} {CHAT} HTTP/1.1"),
        error(405, "method_not_supported", allow="POST"),
        http2=False,
    ),
    served("P8-models", _method("HEAD", MODELS), Answer(bodiless=True)),
    served("P8-ping", Request("HEAD", "/ping"), Answer(bodiless=True)),
    served("P8-model", _method("HEAD", f"{MODELS}/gpt-test"), Answer(bodiless=True)),
    refused("P8-chat", _method("HEAD"), Answer(405, bodiless=True, fields={"allow": "POST"})),
    refused("P8-unknown", _method("HEAD", "/none"), Answer(404, bodiless=True)),
    refused(
        "P8-no-token",
        Request("HEAD", MODELS),
        Answer(401, bodiless=True, fields={"www-authenticate": "Bearer .*"}),
    ),
    *(
        malformed(f"P9-{version}", _line(f"GET {MODELS} {version}"))
        for version in ("HTTP/11", "HTTP/1", "HTP/1.1", "http/1.1", "HTTP/1.10", "HTTP/-1.1")
    ),
    *(
        refused(
            f"P9-{version}",
            _line(f"GET {MODELS} {version}"),
            error(505, None, says="HTTP/1.1", connection="close"),
            after=After.CLOSED,
            http2=False,
        )
        for version in ("HTTP/2.0", "HTTP/3.0", "HTTP/9.9", "HTTP/0.9", "HTTP/1.2")
    ),
    served("P9-HTTP/1.0", _line(f"GET {MODELS} HTTP/1.0"), after=After.CLOSED, http2=False),
    served(
        "P10-websocket",
        get(
            MODELS,
            ("Connection", "Upgrade"),
            ("Upgrade", "websocket"),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ),
        http2=False,
    ),
    served(
        "P10-h2c",
        get(
            MODELS,
            ("Connection", "Upgrade, HTTP2-Settings"),
            ("Upgrade", "h2c"),
            ("HTTP2-Settings", "AAMAAABkAAQAAP__"),
        ),
        http2=False,
    ),
    refused(
        "P10-prior-knowledge",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        error(505, None, connection="close"),
        after=After.CLOSED,
        http2=False,
    ),
)

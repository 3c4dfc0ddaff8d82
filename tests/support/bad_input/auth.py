"""Rows A: tokens, and where they may stand."""

from dataclasses import replace

from support.bad_input.case import (
    CHAT,
    JSON,
    MODELS,
    REALM,
    After,
    Answer,
    Request,
    Row,
    chat,
    error,
    get,
    malformed,
    refused,
    served,
    without,
)
from support.scene import BEARER, TOKEN

_DESCRIBED = r', error_description="[ !#-\[\]-~]+"'
NO_TOKEN = error(401, None, says="API key", www_authenticate=REALM)
BAD_TOKEN = error(
    401, "invalid_api_key", www_authenticate=f'{REALM}, error="invalid_token"{_DESCRIBED}'
)
BAD_FORM = error(
    400, "invalid_request", www_authenticate=f'{REALM}, error="invalid_request"{_DESCRIBED}'
)
HALF = TOKEN[: len(TOKEN) // 2]
BODY = chat().body


def _asking(*values: str) -> Request:
    return Request("GET", MODELS, tuple(("Authorization", value) for value in values))


def _wrong(id: str, value: str, answer: Answer = BAD_TOKEN, **rest: object) -> Row:
    sent = value.rpartition(" ")[2].encode("latin-1")
    hidden = (sent,) if len(sent) >= 8 else ()
    return refused(id, _asking(value), answer, hidden=hidden, **rest)


ROWS = (
    refused("A1-get", _asking(), NO_TOKEN),
    refused("A1-post", without(chat(), "authorization"), NO_TOKEN, after=After.CLOSED),
    refused("A1-unknown-path", Request("GET", "/none"), NO_TOKEN),
    refused("A1-head-of-a-model", Request("GET", "/v1/models/gpt-test"), NO_TOKEN),
    _wrong("A1-empty", "", NO_TOKEN),
    _wrong("A2-basic", "Basic dXNlcjpwYXNzd29yZA==", NO_TOKEN),
    _wrong("A2-digest", 'Digest username="u"', NO_TOKEN),
    _wrong("A2-token-alone", TOKEN, NO_TOKEN),
    _wrong("A2-token-scheme", f"Token {TOKEN}", NO_TOKEN),
    _wrong("A3-scheme-alone", "Bearer"),
    _wrong("A3-scheme-and-space", "Bearer "),
    _wrong("A4-same-length", f"Bearer {'x' * len(TOKEN)}"),
    _wrong("A4-last-letter", f"Bearer {TOKEN[:-1]}x"),
    _wrong("A4-prefix", f"Bearer {HALF}"),
    _wrong("A4-suffix", f"Bearer {TOKEN[len(HALF) :]}"),
    _wrong("A4-longer", f"Bearer {TOKEN}x"),
    _wrong("A4-upper-case", f"Bearer {TOKEN.upper()}"),
    _wrong("A4-provider-key", "Bearer sk-test-provider-key"),
    served("A5-space-after", _asking(f"Bearer {TOKEN} "), http2=False),
    served("A5-tab-after", _asking(f"Bearer {TOKEN}\t"), http2=False),
    served("A5-two-spaces-between", _asking(f"Bearer  {TOKEN}")),
    _wrong("A5-tab-between", f"Bearer\t{TOKEN}"),
    served("A6-lower-case", _asking(f"bearer {TOKEN}")),
    served("A6-upper-case", _asking(f"BEARER {TOKEN}")),
    _wrong("A7-two-words", "Bearer a b"),
    _wrong("A7-token-and-word", f"Bearer {TOKEN} b"),
    _wrong("A7-comma", f"Bearer {TOKEN},{TOKEN}"),
    _wrong("A7-no-space", f"Bearer{TOKEN}"),
    refused("A8-same-twice", _asking(BEARER[1], BEARER[1]), BAD_FORM),
    refused("A8-right-and-wrong", _asking(BEARER[1], "Bearer wrong-token"), BAD_FORM),
    refused("A8-wrong-and-right", _asking("Bearer wrong-token", BEARER[1]), BAD_FORM),
    refused("A8-basic-and-right", _asking("Basic eA==", BEARER[1]), BAD_FORM),
    _wrong("A9-no-utf-8", "Bearer \xff\xfe\xff\xfe"),
    _wrong("A9-in-the-token", f"Bearer {TOKEN}\xff\xfe"),
    _wrong("A9-latin-1", "Bearer \xe9"),
    _wrong("A10-5-kB", f"Bearer {'x' * 5000}"),
    refused(
        "A10-1-MB",
        _asking(f"Bearer {'x' * 1_000_000}").bytes(),
        error(431, None, connection="close"),
        after=After.CLOSED,
        http2=False,
    ),
    refused("A11-api_key", Request("GET", f"{MODELS}?api_key={TOKEN}"), BAD_FORM),
    refused("A11-access_token", Request("GET", f"{MODELS}?access_token={TOKEN}"), BAD_FORM),
    refused("A11-key-and-header", get(f"{MODELS}?key={TOKEN}"), BAD_FORM),
    refused("A11-encoded-name", Request("GET", f"{MODELS}?api%5Fkey={TOKEN}"), BAD_FORM),
    refused("A11-cookie", Request("GET", MODELS, (("Cookie", f"token={TOKEN}"),)), NO_TOKEN),
    refused("A11-x-api-key", Request("GET", MODELS, (("X-Api-Key", TOKEN),)), NO_TOKEN),
    refused("A11-api-key", Request("GET", MODELS, (("Api-Key", TOKEN),)), NO_TOKEN),
    refused(
        "A11-proxy-authorization",
        Request("GET", MODELS, (("Proxy-Authorization", BEARER[1]),)),
        NO_TOKEN,
    ),
    refused(
        "A11-body",
        Request("POST", CHAT, (JSON,), b'{"api_key": "%b", "model": "m"}' % TOKEN.encode()),
        NO_TOKEN,
        after=After.CLOSED,
    ),
    *(
        malformed(f"A12-{name}", _asking(value).bytes(), hidden=(HALF.encode(),))
        for name, value in {
            "nul-in-the-token": f"Bearer {HALF}\0{TOKEN}",
            "nul-after": f"Bearer {TOKEN}\0",
            "carriage-return": f"Bearer {HALF}\r{TOKEN}",
            "line-feed": f"Bearer {HALF}\n{TOKEN}",
            "escape": f"Bearer \x1b[31m{TOKEN}",
        }.items()
    ),
    refused(
        "A13-much-behind-it",
        replace(without(chat(), "authorization"), body=b"x" * 30_000_000),
        NO_TOKEN,
        after=After.CLOSED,
        http2=False,
    ),
)

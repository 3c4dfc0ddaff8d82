"""Rows M: the model that is asked for."""

from dataclasses import replace
from typing import Any

from support.bad_input.case import (
    MODELS,
    Request,
    chat,
    error,
    get,
    post,
    refused,
    served,
    without,
)
from support.bad_input.stage import ALIAS, CLAUDE, GEMINI, GUEST_TOKEN
from support.recording_server import Received
from support.scene import BEARER, KEY, MODEL

UNKNOWN = error(
    404, "model_not_found", "model", says="does not exist or you do not have access to it."
)
_WHOLE = chat().body
_OTHER_TYPES: dict[str, Any] = {
    "null": None,
    "1": 1,
    "list": [],
    "object": {},
    "true": True,
    "list-of-one": [MODEL],
}
_STRANGE = {
    "up": "../../x",
    "files": "a/../../v1/files",
    "encoded-up": "%2e%2e",
    "query": "x?key=1",
    "fragment": "x#f",
    "line-break": "a\r\nX: 1",
    "method": "a:streamGenerateContent?",
    "address": "//evil.example",
    "url": "http://evil.example/v1",
    "10-kB": "m" * 10_000,
    "emoji": "\U0001f600",
    "nul": "gpt\0test",
    "right-to-left": "\u202etset-tpg",
    "space-after": f"{MODEL} ",
    "space-before": f" {MODEL}",
    "full-width": "\uff47pt-test",
    "upper-case": MODEL.upper(),
    "backticks": "`x`",
    "provider-alone": "fake/",
    "other-provider": "other/gpt-test",
    "up-behind-the-provider": "fake/../gpt-test",
    "query-behind-it": f"{MODEL}?x",
    "markup": "<script>alert(1)</script>",
    "template": "{0.__class__}%s${x}",
}
_ROUTING: dict[str, Any] = {
    "api_base": "http://evil.example",
    "base_url": "http://evil.example",
    "api_key": "stolen",
    "organization": "o",
    "extra_headers": {"X-Evil": "1"},
    "extra_body": {"a": 1},
    "extra_query": {"a": 1},
    "headers": {"X-Evil": "1"},
    "custom_llm_provider": "openai",
    "provider": {"base_url": "http://evil.example"},
    "timeout": 1e9,
    "proxy": "http://evil.example",
}

_UNKNOWN_ENTRY = error(404, "model_not_found", "model", says="does not exist")
_REJECTED = error(400, "upstream_rejected", ...)


def _as_guest(request: Request) -> Request:
    """The same, asked by a client that may not ask for everything."""
    bearer = (BEARER[0], f"Bearer {GUEST_TOKEN}")
    return replace(request, fields=(bearer, *without(request, "authorization").fields))


def _has_our_key(received: Received) -> bool:
    """The provider asked is the configured one, with its own key; it knows no such field."""
    return received.header("authorization") == f"Bearer {KEY}"


ROWS = (
    refused(
        "M1-none",
        post(b'{"messages":[{"role":"user","content":"hi"}]}'),
        error(400, "missing_required_parameter", "model"),
    ),
    refused("M1-nothing", post(b"{}"), error(400, "missing_required_parameter", "model")),
    refused("M2-empty", chat(model=""), error(400, "invalid_value", "model")),
    *(
        refused(f"M2-{name}", chat(model=value), error(400, "invalid_type", "model"))
        for name, value in _OTHER_TYPES.items()
    ),
    refused("M3-unknown", chat(model="gpt-9"), UNKNOWN),
    *(
        refused(f"M5-{name}", _as_guest(chat(model=name)), UNKNOWN)
        for name in (MODEL, ALIAS, GEMINI, f"fake/{MODEL}", f"gemini/{GEMINI}", "BIG")
    ),
    refused("M5-shown", _as_guest(get(f"{MODELS}/{MODEL}")), _UNKNOWN_ENTRY),
    refused("M5-shown-alias", _as_guest(get(f"{MODELS}/{ALIAS}")), _UNKNOWN_ENTRY),
    served("M5-its-own", _as_guest(chat(model=CLAUDE)), calls=1),
    served("M5-alias-of-others", chat(model=ALIAS), calls=1),
    *(refused(f"M4-{name}", chat(model=value), UNKNOWN) for name, value in _STRANGE.items()),
    *(
        refused(f"M6-{name}", chat(**{name: value}), _REJECTED, calls=1, forwarded=_has_our_key)
        for name, value in _ROUTING.items()
    ),
    served("M6-all-translated", chat(model=CLAUDE, **_ROUTING), calls=1),
)

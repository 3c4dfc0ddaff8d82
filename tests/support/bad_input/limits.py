"""Rows R and V: quotas, fields that mean nothing, and the other addresses."""

from functools import partial

from support.bad_input.case import (
    MODELS,
    Answer,
    Request,
    Row,
    chat,
    error,
    get,
    refused,
    served,
)
from support.bad_input.stage import RARE, RARE_BY_DAY
from support.recording_server import Received

_OWN_ID = {"x-request-id": r"req_[0-9a-f]{32}"}
_OWN = Answer(fields=_OWN_ID)


def _reached(window: str) -> Answer:
    return error(
        429,
        "rate_limit_exceeded",
        says=window,
        type="requests",
        retry_after=r"[1-9][0-9]{0,4}",
        x_ratelimit_limit_requests="1",
        x_ratelimit_remaining_requests="0",
    )


def _is_without(name: str, received: Received) -> bool:
    return received.header(name) is None


_TWICE = {RARE: "minute", RARE_BY_DAY: "day"}

ROWS = (
    *(
        Row(
            f"R{number}-{window}",
            chat(model=model).bytes() * 2,
            (Answer(), _reached(window)),
            calls=1,
            http2=False,
        )
        for number, (model, window) in enumerate(_TWICE.items(), 1)
    ),
    *(
        served(f"R4-{name}", chat((name, value)), calls=1, forwarded=partial(_is_without, name))
        for name, value in {
            "X-RateLimit-Remaining-Requests": "0",
            "X-Should-Retry": "false",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": "evil.example",
            "X-AI-Proxy-Model": "fake/other",
            "X-HTTP-Method-Override": "DELETE",
            "X-Original-URL": "/admin",
            "Forwarded": "for=127.0.0.1;host=evil.example",
            "Range": "bytes=0-1",
            "If-None-Match": "*",
            "OpenAI-Organization": "stolen",
            "X-Portkey-Custom-Host": "http://evil.example",
        }.items()
    ),
    served("R4-connection", get(MODELS, ("Connection", "authorization, host")), http2=False),
    *(
        served(f"R5-{name}", get(MODELS, ("X-Request-Id", value)), _OWN)
        for name, value in {
            "plain": "mine-1",
            "10-kB": "x" * 10_000,
            "emoji": "\xf0\x9f\x98\x80",
        }.items()
    ),
    *(
        served(f"R6-timeout-{value}", chat(("X-Stainless-Read-Timeout", value)), calls=1)
        for value in ("nan", "-1", "1e9", "0", "inf", "999999999999", "", "\xb2")
    ),
    *(
        served(f"R6-count-{value}", chat(("X-Stainless-Retry-Count", value)), calls=1)
        for value in ("x", "-1", "1e9", "99999999999999999999", "\xb2")
    ),
    served("V1-query", get(f"{MODELS}?limit=5&after=x")),
    served("V1-odd-query", get(f"{MODELS}?limit=%00&%ff=1&&&=&a")),
    refused("V1-unknown", get(f"{MODELS}/unknown"), error(404, "model_not_found", "model")),
    *(
        refused(
            f"V2-{target}",
            Request("POST", f"/v1/{target}", get().fields),
            error(404, "unknown_url"),
        )
        for target in ("embeddings", "files", "responses", "completions", "audio/speech")
    ),
    *(
        refused(f"V3-{target}", get(target), error(404, "unknown_url"))
        for target in ("/metrics", "/health", "/healthz", "/status", "/admin", "/.env", "/docs")
    ),
    *(
        refused(f"V3-{target}-no-token", Request("GET", target), error(401))
        for target in ("/metrics", "/health", "/openapi.yaml", "/ai")
    ),
    served("V3-ping", Request("GET", "/ping")),
)

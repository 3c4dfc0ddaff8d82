"""The header fields that answers have, beside ``content-type`` and ``content-length``."""

from typing import Any

type Schema = dict[str, Any]

REQUEST_ID = "x-request-id"
CHALLENGE = "www-authenticate"
ALLOW = "allow"
RETRY = ("retry-after", "retry-after-ms", "x-should-retry")
ROUTE = ("x-ai-proxy-model", "x-ai-proxy-attempts", "x-ai-proxy-route", "x-ai-proxy-dropped")
RATE_LIMITS = tuple(
    f"x-ratelimit-{what}-{unit}"
    for unit in ("requests", "tokens")
    for what in ("limit", "remaining", "reset")
)
CACHING = ("etag", "cache-control")

_TEXT: Schema = {"type": "string", "minLength": 1}
_COUNT: Schema = {"type": "string", "pattern": "^[0-9]+$"}
_DURATION: Schema = {"type": "string", "pattern": r"^([0-9]+h)?([0-9]+m)?([0-9.]+s|[0-9]+ms)$"}


def _header(description: str, schema: Schema, **more: Any) -> Schema:
    return {"description": description, "schema": schema, **more}


def _rate_limit(name: str) -> Schema:
    what, _, unit = name.removeprefix("x-ratelimit-").partition("-")
    said = {
        "limit": f"How many {unit} the tightest window has: of the token's `limits`, or where it "
        "has none of the target's.",
        "remaining": f"How many {unit} of it are left.",
        "reset": "When it is whole again: a duration such as `120ms` or `6m0s`.",
    }
    return _header(said[what], _DURATION if what == "reset" else _COUNT)


HEADERS: dict[str, Schema] = {
    REQUEST_ID: _header(
        "Names the exchange in the log and, as `ai.exchange`, in the flows' metadata.",
        {"type": "string", "pattern": "^req_[0-9a-f]{32}$"},
        required=True,
    ),
    CHALLENGE: _header(
        "How to authenticate, and what was wrong with it "
        "([RFC 6750](https://www.rfc-editor.org/rfc/rfc6750#section-3)).",
        {"type": "string", "pattern": '^Bearer realm="[^"]+"'},
    ),
    ALLOW: _header("The methods that the path takes.", _TEXT, required=True),
    "retry-after": _header("In how many seconds to come again.", _COUNT),
    "retry-after-ms": _header("The same in milliseconds, which OpenAI's SDKs read.", _COUNT),
    "x-should-retry": _header(
        "To come again is of no use. OpenAI's SDKs read it.", {"const": "false"}
    ),
    "x-ai-proxy-model": _header(
        "`provider/model` that answered, or was asked last.",
        {"type": "string", "pattern": "^[^/]+/.+"},
    ),
    "x-ai-proxy-attempts": _header("How many calls to providers were made.", _COUNT),
    "x-ai-proxy-route": _header(
        "Who was asked or passed over, and what came of each, if it was not the first alone.", _TEXT
    ),
    "x-ai-proxy-dropped": _header(
        "Places of the request that the provider could not be told, such as "
        "`seed, messages[].name`. What would change the meaning of the answer is refused instead.",
        _TEXT,
    ),
    **{name: _rate_limit(name) for name in RATE_LIMITS},
    "etag": _header("Changes with the document.", {"type": "string", "pattern": '^"[0-9a-f]+"$'}),
    "cache-control": _header("How long it may be kept.", _TEXT),
}
"""Every field by name. A field is in each answer that refers to it only where it is required."""


def references(*names: str) -> dict[str, Schema]:
    """The ``headers`` of a response that has these."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}

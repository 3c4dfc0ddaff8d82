"""Every failure that a client may be told: its status, its code, when, and of which requests."""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from llm_gateway.api.routes import Endpoint
from llm_gateway.errors import INVALID_REQUEST, SERVER_ERROR

_CALLS = frozenset({Endpoint.CHAT, Endpoint.IMAGES, Endpoint.PICTURE})


class Scope(enum.Enum):
    """Which requests a failure may be the answer to."""

    NOWHERE = "requests for what is not here"
    ANY = "every request"
    CLIENTS = "every request that wants a token"
    BODIES = "requests with a body"
    NAMED = "requests that name a model"
    CALLS = "requests that a provider answers"
    CHAT = "chat completions"

    def covers(self, endpoint: Endpoint) -> bool:
        """Whether requests to an endpoint are meant."""
        match self:
            case Scope.NOWHERE:
                return False
            case Scope.ANY:
                return True
            case Scope.CLIENTS:
                return endpoint not in {Endpoint.PING, Endpoint.OPENAPI}
            case Scope.NAMED:
                return endpoint in _CALLS or endpoint is Endpoint.MODEL
            case Scope.BODIES | Scope.CALLS:
                return endpoint in _CALLS
            case Scope.CHAT:
                return endpoint is Endpoint.CHAT


@dataclass(frozen=True, slots=True)
class Failure:
    """``status`` is a number, or ``4XX`` and ``5XX`` for what a provider may have said itself.

    ``code`` None is null, ``*`` any that a provider gives. ``type`` as in OpenAI's error object.
    """

    status: str
    code: str | None
    scope: Scope
    when: str
    type: str = INVALID_REQUEST


def _of(status: int, scope: Scope, rows: dict[str | None, str], **more: str) -> Sequence[Failure]:
    return [Failure(str(status), code, scope, when, **more) for code, when in rows.items()]


FAILURES: tuple[Failure, ...] = (
    *_of(
        400,
        Scope.ANY,
        {None: "The request is malformed: no or several hosts, an address in its place."},
    ),
    *_of(
        400,
        Scope.CLIENTS,
        {"invalid_request": "The token comes twice, or in the address."},
    ),
    *_of(
        400,
        Scope.BODIES,
        {
            None: "The body is not JSON, or is beyond `bounds.depth` or `bounds.values`.",
            "missing_required_parameter": "A field is missing; `param` says which.",
            "invalid_type": "A field has a value of another type.",
            "invalid_value": "A field has a value that cannot be right.",
            "integer_below_min_value": "A number is too small.",
            "integer_above_max_value": "A number is too large.",
        },
    ),
    *_of(
        400,
        Scope.CHAT,
        {
            "decimal_below_min_value": "A number is too small.",
            "empty_array": "There are no messages.",
            "array_above_max_length": "More messages or tools than `bounds` allow.",
        },
    ),
    *_of(
        400,
        Scope.CALLS,
        {
            "unsupported_parameter": "The provider has no way to say this, or the token may not; "
            "`param` says where.",
            "context_length_exceeded": "Longer than any target of the model takes.",
            "content_filter": "The provider's filter left nothing of the answer.",
            "content_policy_violation": "The provider refused the content.",
            "no_picture": "The provider answered with words in place of a picture.",
            "upstream_rejected": "The provider refused the request, in its own words.",
        },
    ),
    *_of(
        401,
        Scope.CLIENTS,
        {
            None: "There is no token.",
            "invalid_api_key": "The token is not one of the gateway's. A provider's key is none.",
        },
    ),
    *_of(
        404,
        Scope.NAMED,
        {
            "model_not_found": "Nothing here, or at the provider, has this name; or what has it "
            "cannot do what is asked of it. See `GET /v1/models`."
        },
    ),
    *_of(404, Scope.NOWHERE, {"unknown_url": "No such path."}),
    *_of(
        405,
        Scope.NOWHERE,
        {"method_not_supported": "The path takes another method; `allow` says which."},
    ),
    *_of(
        408,
        Scope.ANY,
        {"request_timeout": "The head or the body did not arrive within `bounds`."},
    ),
    *_of(
        413,
        Scope.BODIES,
        {"request_too_large": "The body is longer than `gateway.max_request_bytes`."},
    ),
    *_of(414, Scope.ANY, {None: "The address is longer than `bounds.path_bytes`."}),
    *_of(
        415,
        Scope.BODIES,
        {"unsupported_media_type": "The body is not plain `application/json` in UTF-8."},
    ),
    *_of(417, Scope.ANY, {"expectation_failed": "`Expect` is not `100-continue`."}),
    *_of(
        421,
        Scope.ANY,
        {"misdirected_request": "The host is none of `gateway.virtual_hosts`."},
    ),
    *_of(
        429,
        Scope.CLIENTS,
        {
            "rate_limit_exceeded": "A limit is reached: of the token, its requests at a time "
            "among them, of the target or of the provider; `type` is `requests` or `tokens`."
        },
        type="requests",
    ),
    *_of(
        429,
        Scope.CALLS,
        {
            "insufficient_quota": "The provider's account has no money.",
            "credit_balance_exhausted": "The same, as others call it.",
        },
        type="insufficient_quota",
    ),
    *_of(431, Scope.ANY, {None: "The head is beyond `bounds.headers` or `bounds.header_bytes`."}),
    *_of(
        500,
        Scope.ANY,
        {"internal_error": "A bug in the gateway; its log has the details."},
        type=SERVER_ERROR,
    ),
    *_of(
        502,
        Scope.NOWHERE,
        {"bad_gateway": "With `gateway.passthrough`: the other host did not answer as it should."},
        type=SERVER_ERROR,
    ),
    *_of(
        502,
        Scope.CALLS,
        {
            "upstream_auth_error": "The provider refused the *gateway's* key or account.",
            "upstream_connection_error": "No connection to the provider, or it broke.",
            "upstream_invalid_response": "The provider's answer is none.",
            "upstream_stream_incomplete": "The provider's stream ended before its answer did.",
            "upstream_error": "The provider failed in another way.",
        },
        type=SERVER_ERROR,
    ),
    *_of(
        503,
        Scope.ANY,
        {"gateway_shutdown": "The gateway is being stopped."},
        type=SERVER_ERROR,
    ),
    *_of(
        503,
        Scope.CALLS,
        {
            "bodies_full": "The bodies of requests under way take all the memory for them.",
            "no_healthy_upstream": "Every target's latest calls failed, so it is left alone.",
            "queue_full": "Too many requests wait for the provider already.",
            "queue_timeout": "The request waited too long for its turn.",
            "upstream_unavailable": "The provider's own server error.",
        },
        type=SERVER_ERROR,
    ),
    *_of(504, Scope.CALLS, {"upstream_timeout": "No answer in time."}, type=SERVER_ERROR),
    *_of(505, Scope.ANY, {None: "It is neither HTTP/1.1 nor HTTP/2."}),
    *_of(508, Scope.ANY, {"loop": "The gateway has asked itself."}),
    Failure("4XX", "*", Scope.CALLS, "What the provider refuses, with its own status and code."),
    Failure(
        "5XX",
        "upstream_unavailable",
        Scope.CALLS,
        "The provider's own server error, with its own status.",
        SERVER_ERROR,
    ),
)
"""In the order of their statuses; what a provider says of its own accord comes last."""


def failures_of(endpoint: Endpoint) -> dict[str, list[Failure]]:
    """What a request to an endpoint may be answered with, by status."""
    by_status: dict[str, list[Failure]] = {}
    for failure in FAILURES:
        if failure.scope.covers(endpoint):
            by_status.setdefault(failure.status, []).append(failure)
    return by_status

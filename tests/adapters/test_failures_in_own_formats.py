"""Real error replies in formats of their own, and what each of them becomes.

The bodies are those of providers.md, in the provider's section. Here they are read by the shared
code alone; what only the provider's own adapter knows is in that adapter's tests.
"""

from typing import Any

import pytest

from support.failure_replies import (
    BROKEN,
    CANARIES,
    ELSEWHERE,
    HERE,
    INVALID,
    LIMITED,
    NEVER,
    REJECTED,
    Reply,
    classified,
    no_access,
    strings,
)


def google(code: int, status: str, message: str, *details: Any) -> Any:
    error = {"code": code, "message": message, "status": status}
    return {"error": {**error, "details": list(details)} if details else error}


QUOTA = "You exceeded your current quota. Please retry in 34.07s."
GOOGLE = [
    Reply("google: quota", 429,
          google(429, "RESOURCE_EXHAUSTED", QUOTA,
                 {"@type": "type.googleapis.com/google.rpc.QuotaFailure",
                  "violations": [{"quotaId": "GenerateRequestsPerMinutePerProjectPerModel-FreeTier",
                                  "quotaValue": "10"}]},
                 {"@type": "type.googleapis.com/google.rpc.Help", "links": [{"url": "…"}]},
                 {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34s"}),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=34),
    Reply("google: quota in words", 429, [google(429, "RESOURCE_EXHAUSTED", QUOTA)],
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=34.07),
    Reply("google: argument", 400,
          google(400, "INVALID_ARGUMENT", "Invalid JSON payload received. Unknown name \"x\" at "
                 "'generation_config': Cannot find field."),
          REJECTED, NEVER, 400, "upstream_rejected"),
    Reply("google: context", 400,
          google(400, "INVALID_ARGUMENT", "The input token count (1200293) exceeds the maximum "
                 "number of tokens allowed (1048576)."),
          REJECTED, ELSEWHERE, 400, "context_length_exceeded"),
    no_access("google: access", 403,
          google(403, "PERMISSION_DENIED", "Consumer 'project_number:canary' is suspended.")),
    Reply("google: model", 404,
          google(404, "NOT_FOUND", "models/gemini-9 is not found for API version v1beta."),
          REJECTED, ELSEWHERE, 404, "model_not_found"),
    Reply("google: cancelled", 499, google(499, "CANCELLED", "The operation was cancelled."),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("google: overloaded", 503, google(503, "UNAVAILABLE", "The model is overloaded."),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("google: deadline", 504, google(504, "DEADLINE_EXCEEDED", "Deadline expired."),
          BROKEN, HERE, 504, "upstream_unavailable"),
    Reply("google: in a stream", 200, google(503, "UNAVAILABLE", "The model is overloaded."),
          BROKEN, HERE, 503, "upstream_unavailable"),
]  # fmt: skip


def cloudflare(code: int, message: str) -> Any:
    errors = [{"code": code, "message": message}]
    return {"result": None, "success": False, "errors": errors, "messages": []}


NEURONS = "AiError: you have used up your daily free allocation of 10,000 neurons"
BAD_INPUT = (
    "AiError: Bad input: Error: oneOf at '/' not met, 0 matches: required properties at '/' are "
    "'prompt', Type mismatch of '/messages/0/content', 'array' not in 'string'"
)
CLOUDFLARE = [
    Reply("cloudflare: neurons", 429, cloudflare(4006, NEURONS),
          LIMITED, ELSEWHERE, 429, "rate_limit_exceeded"),
    Reply("cloudflare: capacity", 429, cloudflare(3040, "AiError: Capacity exceeded"),
          LIMITED, HERE, 429, "rate_limit_exceeded"),
    Reply("cloudflare: input", 400, cloudflare(5006, BAD_INPUT),
          REJECTED, NEVER, 400, "upstream_rejected"),
    no_access("cloudflare: key", 401, cloudflare(10000, "Authentication error")),
    Reply("cloudflare: route", 404,
          cloudflare(7003, "Could not route to /accounts/0123456789abcdef0123456789abcdef/ai"),
          REJECTED, ELSEWHERE, 404, "upstream_rejected",
          message="Could not route to /accounts/***/ai"),
    Reply("cloudflare: method", 405, cloudflare(7001, "Method not allowed"),
          REJECTED, ELSEWHERE, 405, "upstream_rejected"),
    Reply("cloudflare: timeout", 408, cloudflare(3007, "AiError: Timeout"),
          REJECTED, HERE, 408, "upstream_rejected"),
    Reply("cloudflare: too large", 413, cloudflare(3006, "AiError: Request is too large"),
          REJECTED, ELSEWHERE, 413, "upstream_rejected"),
    Reply("cloudflare: context", 400,
          cloudflare(5021, "AiError: The estimated number of input and maximum output tokens "
                     "(9000) exceeded this model context window limit (7968)."),
          REJECTED, ELSEWHERE, 400, "context_length_exceeded"),
    Reply("cloudflare: an object", 500, {"success": False, "errors": {"message": "Internal"}},
          BROKEN, HERE, 500, "upstream_unavailable"),
    Reply("cloudflare: bare", 500,
          {"name": "AiError", "internalCode": 4006, "httpCode": 429, "message": NEURONS,
           "description": "canary", "requestId": "r"},
          LIMITED, ELSEWHERE, 429, "rate_limit_exceeded"),
    Reply("cloudflare: in a success", 200, cloudflare(3040, "AiError: Capacity exceeded"),
          INVALID, HERE, 502, "upstream_invalid_response"),
    Reply("cloudflare: gateway", 400,
          {"success": False, "result": [], "messages": [],
           "error": [{"code": 2008, "message": "Invalid provider"}]},
          REJECTED, NEVER, 400, "upstream_rejected"),
    no_access("cloudflare: gateway's token", 401,
          {"name": "AiGatewayError", "internalCode": 2009, "message": "Unauthorized canary"}),
    Reply("cloudflare: a page", 524, "<html>A timeout occurred canary</html>",
          BROKEN, HERE, 503, "upstream_unavailable",
          message="The provider failed with status 524."),
]  # fmt: skip

GIGACHAT = [
    Reply("gigachat: limit", 429, {"status": 429, "message": "Too many requests"},
          LIMITED, HERE, 429, "rate_limit_exceeded"),
    no_access("gigachat: token", 401, {"status": 401, "message": "Token expired: eyJcanary0123"}),
    no_access("gigachat: package", 402, {"status": 402, "message": "Payment Required"}),
    Reply("gigachat: model", 404, {"status": 404, "message": "No such model"},
          REJECTED, ELSEWHERE, 404, "model_not_found"),
    Reply("gigachat: order", 422,
          {"status": 422, "message": "Invalid params: system message must be the first message"},
          REJECTED, NEVER, 422, "upstream_rejected"),
    Reply("gigachat: server", 500, {"status": 500, "message": "Internal Server Error"},
          BROKEN, HERE, 500, "upstream_unavailable"),
    Reply("gigachat: in a stream", 200, {"status": 500, "message": "Ошибка"},
          BROKEN, HERE, 500, "upstream_unavailable"),
    no_access("gigachat: key", 401, {"code": 6, "message": "credentials doesn't match db data"}),
    Reply("gigachat: scope", 400, {"code": 5, "message": "scope is empty"},
          REJECTED, NEVER, 400, "upstream_rejected"),
]  # fmt: skip


def anthropic(type: str, message: str, **more: Any) -> Any:
    error = {"type": type, "message": message, **more}
    return {"type": "error", "error": error, "request_id": "req_011CSHoEeqs5C35K2UUqR7Fy"}


ANTHROPIC = [
    Reply("anthropic: request", 400,
          anthropic("invalid_request_error", "x: Extra inputs are not permitted"),
          REJECTED, NEVER, 400, "upstream_rejected"),
    Reply("anthropic: context", 400,
          anthropic("invalid_request_error", "prompt is too long: 201928 tokens > 200000 maximum"),
          REJECTED, ELSEWHERE, 400, "context_length_exceeded"),
    Reply("anthropic: content", 400,
          anthropic("invalid_request_error", "Output blocked by content filtering policy"),
          REJECTED, NEVER, 400, "content_policy_violation"),
    no_access("anthropic: key", 401, anthropic("authentication_error", "invalid x-api-key canary")),
    no_access("anthropic: billing", 402, anthropic("billing_error", "canary")),
    no_access("anthropic: permission", 403, anthropic("permission_error", "canary")),
    Reply("anthropic: model", 404, anthropic("not_found_error", "model: claude-x"),
          REJECTED, ELSEWHERE, 404, "model_not_found"),
    Reply("anthropic: too large", 413, anthropic("request_too_large", "Request exceeds 32 MB"),
          REJECTED, ELSEWHERE, 413, "upstream_rejected"),
    Reply("anthropic: limit", 429,
          anthropic("rate_limit_error", "This request would exceed your organization's rate limit "
                    "of 40,000 input tokens per minute."),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=17, headers={"retry-after": "17"}),
    Reply("anthropic: reset in headers", 429, anthropic("rate_limit_error", "Slow down"),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=60,
          headers={"anthropic-ratelimit-input-tokens-remaining": "0",
           "anthropic-ratelimit-input-tokens-reset": "2025-11-21T04:41:00Z"}),
    Reply("anthropic: server", 500, anthropic("api_error", "Internal server error"),
          BROKEN, HERE, 500, "upstream_unavailable"),
    Reply("anthropic: timeout", 504, anthropic("timeout_error", "Timed out"),
          BROKEN, HERE, 504, "upstream_unavailable"),
    Reply("anthropic: overloaded", 529, anthropic("overloaded_error", "Overloaded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("anthropic: in a stream", 200, anthropic("overloaded_error", "Overloaded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
]  # fmt: skip

REPLIES = [*GOOGLE, *CLOUDFLARE, *GIGACHAT, *ANTHROPIC]


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
def test_the_reply_is_read_as_what_it_is(reply: Reply) -> None:
    error = classified(reply)
    read = (type(error), error.retry, error.status, error.code)
    assert read == (reply.kind, reply.retry, reply.client_status, reply.code)
    assert error.message in ([reply.message] if reply.message else strings(reply.body))
    assert error.retry_after == pytest.approx(reply.wait)


@pytest.mark.parametrize("reply", REPLIES, ids=lambda reply: reply.name)
def test_it_says_nothing_that_is_not_for_the_client(reply: Reply) -> None:
    error = classified(reply)
    assert not [each for each in CANARIES if each.encode() in error.body()]
    assert not [each for each in CANARIES if each in error.detail]

"""Real error replies in OpenAI's format, its dialects too, and what each of them becomes.

The bodies are those of providers.md, in the provider's section. Here they are read by the shared
code alone; what only the provider's own adapter knows is in that adapter's tests.
"""

import json
from typing import Any

import pytest

from support.failure_replies import (
    BROKEN,
    CANARIES,
    ELSEWHERE,
    HERE,
    LIMITED,
    NEVER,
    REJECTED,
    Reply,
    classified,
    no_access,
    strings,
)


def openai(message: str, type: str, code: str | None = None, param: str | None = None) -> Any:
    return {"error": {"message": message, "type": type, "param": param, "code": code}}


OPENAI = [
    Reply("openai: context", 400,
          openai("This model's maximum context length is 8192 tokens.", "invalid_request_error",
                 "context_length_exceeded", "messages"),
          REJECTED, ELSEWHERE, 400, "context_length_exceeded"),
    Reply("openai: parameter", 400,
          openai("Unsupported parameter: 'max_tokens' is not supported with this model.",
                 "invalid_request_error", "unsupported_parameter", "max_tokens"),
          REJECTED, NEVER, 400, "unsupported_parameter"),
    no_access("openai: key", 401,
          openai("Incorrect API key provided: sk-canary0123456789.", "invalid_request_error",
                 "invalid_api_key")),
    no_access("openai: country", 403,
          openai("Country not supported", "permission", "unsupported_country_region_territory")),
    Reply("openai: model", 404,
          openai("The model `gpt-9` does not exist or you do not have access to it.",
                 "invalid_request_error", "model_not_found"),
          REJECTED, ELSEWHERE, 404, "model_not_found"),
    Reply("openai: requests per minute", 429,
          openai("Rate limit reached for gpt-4o in organization org-AbCd1234EfGh on requests per "
                 "min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.",
                 "requests", "rate_limit_exceeded"),
          LIMITED, HERE, 429, "rate_limit_exceeded",
          message="Rate limit reached for gpt-4o in organization *** on requests per "
          "min (RPM): Limit 3, Used 3, Requested 1. Please try again in 20s.", wait=20),
    Reply("openai: milliseconds", 429, openai("Slow down", "rate_limit_error", "slow_down"),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=0.25,
          headers={"retry-after-ms": "250", "retry-after": "1"}),
    Reply("openai: reset in headers", 429, openai("Slow down", "tokens", "rate_limit_exceeded"),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=41.724,
          headers={"x-ratelimit-remaining-requests": "499", "x-ratelimit-reset-requests": "120ms",
           "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "41.724s"}),
    Reply("openai: quota", 429,
          openai("You exceeded your current quota, please check your plan and billing details.",
                 "insufficient_quota", "insufficient_quota"),
          LIMITED, ELSEWHERE, 429, "insufficient_quota", headers={"x-should-retry": "true"}),
    Reply("openai: credit", 429, openai("No credit", "billing", "credit_balance_exhausted"),
          LIMITED, ELSEWHERE, 429, "credit_balance_exhausted"),
    Reply("openai: server", 500,
          openai("The server had an error while processing your request.", "server_error"),
          BROKEN, HERE, 500, "upstream_unavailable"),
    Reply("openai: overloaded", 503,
          openai("Overloaded", "service_unavailable_error", "server_is_overloaded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("openai: in a stream", 200, openai("Overloaded", "server_error", "server_is_overloaded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("openai: content", 400,
          openai("Your request was rejected by our safety system.", "image_generation_user_error",
                 "moderation_blocked"),
          REJECTED, NEVER, 400, "content_policy_violation"),
]  # fmt: skip


def openrouter(code: int, message: str, **metadata: Any) -> Any:
    error = {"code": code, "message": message, **({"metadata": metadata} if metadata else {})}
    return {"error": error, "user_id": "user_30vF8Qm2Lw"}


PER_DAY = (
    "Rate limit exceeded: free-models-per-day. Add 10 credits to unlock 1000 free model requests "
    "per day"
)
OPENROUTER = [
    no_access("openrouter: key", 401, openrouter(401, "No auth credentials found")),
    no_access("openrouter: credits", 402, openrouter(402, "Insufficient credits. canary")),
    Reply("openrouter: moderation", 403,
          openrouter(403, 'Your input was flagged for "violence".', reasons=["violence"],
                     flagged_input="canary", provider_name="Chutes", model_slug="canary"),
          REJECTED, NEVER, 400, "content_policy_violation"),
    Reply("openrouter: no endpoints", 404, openrouter(404, "No endpoints found for vendor/x."),
          REJECTED, ELSEWHERE, 404, "upstream_rejected"),
    Reply("openrouter: timeout", 408, openrouter(408, "Request timed out"),
          REJECTED, HERE, 408, "upstream_rejected"),
    Reply("openrouter: upstream's own words", 400,
          openrouter(400, "Provider returned error", provider_name="Chutes", is_byok=False,
                     raw=json.dumps(openai("Supports at most 1 image per prompt.",
                                           "invalid_request_error", "invalid_request_error"))),
          REJECTED, NEVER, 400, "invalid_request_error",
          message="Supports at most 1 image per prompt."),
    Reply("openrouter: upstream's context", 400,
          openrouter(400, "Provider returned error", provider_name="Chutes",
                     raw="prompt is too long: 201928 tokens > 200000 maximum"),
          REJECTED, ELSEWHERE, 400, "context_length_exceeded"),
    Reply("openrouter: shared pool", 429,
          openrouter(429, "Provider returned error", provider_name="Chutes",
                     raw="qwen/qwen3-coder:free is temporarily rate-limited upstream.",
                     limit_source="upstream_provider_shared_pool"),
          LIMITED, HERE, 429, "rate_limit_exceeded"),
    Reply("openrouter: per minute", 429,
          openrouter(429, "Rate limit exceeded: free-models-per-min",
                     headers={"X-RateLimit-Limit": "20", "X-RateLimit-Remaining": "0",
                              "X-RateLimit-Reset": "1763700042000"}),
          LIMITED, HERE, 429, "rate_limit_exceeded", wait=42),
    Reply("openrouter: per day", 429,
          openrouter(429, PER_DAY,
                     headers={"X-RateLimit-Limit": "50", "X-RateLimit-Remaining": "0",
                              "X-RateLimit-Reset": "1763769600000"}),
          LIMITED, ELSEWHERE, 429, "rate_limit_exceeded", wait=69_600),
    Reply("openrouter: in a success", 200,
          openrouter(429, "Provider returned error", raw="error code: 1015",
                     provider_name="Kluster"),
          LIMITED, HERE, 429, "rate_limit_exceeded"),
    Reply("openrouter: cut off", 200,
          openrouter(502, "Provider disconnected unexpectedly", error_type="provider_unavailable"),
          BROKEN, HERE, 502, "upstream_unavailable"),
    Reply("openrouter: timeout of its own", 524, openrouter(524, "Timeout"),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("openrouter: overloaded", 529, openrouter(529, "Overloaded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
]  # fmt: skip


def reached(dimension: str, numbers: str, wait: str, organization: str) -> str:
    return (
        f"Rate limit reached for model `m` in organization `{organization}` service tier "
        f"`on_demand` on {dimension}: {numbers}. Please try again in {wait}. Need more tokens? "
        "Upgrade to Dev Tier today at https://console.groq.com/settings/billing"
    )


ORGANIZATION = "org_01kjh7p9n8f1qs6nz2bz77vy6b"
MINUTE = ("tokens per minute (TPM)", "Limit 8000, Used 5536, Requested 5599", "23.5125s")
DAY = ("tokens per day (TPD)", "Limit 100000, Used 97050, Requested 3619", "9m38.016s")
REQUESTS = ("requests per day (RPD)", "Limit 1000, Used 1000, Requested 1", "1h2m3s")
TOO_LARGE = (
    "Request too large for model `m` in organization `{}` service tier `on_demand` on tokens per "
    "minute (TPM): Limit 6000, Requested 14368, please reduce your message size and try again."
)


def groq(message: str, type: str, code: str, **more: Any) -> Any:
    return {"error": {"message": message, "type": type, "code": code, **more}}


GROQ = [
    Reply("groq: tokens per minute", 429,
          groq(reached(*MINUTE, ORGANIZATION), "tokens", "rate_limit_exceeded"),
          LIMITED, HERE, 429, "rate_limit_exceeded", message=reached(*MINUTE, "***"), wait=23.5125),
    Reply("groq: with the header", 429,
          groq(reached(*MINUTE, ORGANIZATION), "tokens", "rate_limit_exceeded"),
          LIMITED, HERE, 429, "rate_limit_exceeded", message=reached(*MINUTE, "***"), wait=24,
          headers={"retry-after": "24", "x-ratelimit-remaining-requests": "0",
           "x-ratelimit-reset-requests": "2m59.56s"}),
    Reply("groq: tokens per day", 429,
          groq(reached(*DAY, ORGANIZATION), "tokens", "rate_limit_exceeded"),
          LIMITED, ELSEWHERE, 429, "rate_limit_exceeded",
          message=reached(*DAY, "***"), wait=578.016),
    Reply("groq: requests per day", 429,
          groq(reached(*REQUESTS, ORGANIZATION), "requests", "rate_limit_exceeded"),
          LIMITED, ELSEWHERE, 429, "rate_limit_exceeded",
          message=reached(*REQUESTS, "***"), wait=3723),
    Reply("groq: too large", 413,
          groq(TOO_LARGE.format(ORGANIZATION), "tokens", "rate_limit_exceeded"),
          REJECTED, ELSEWHERE, 413, "rate_limit_exceeded", message=TOO_LARGE.format("***"),
          headers={"retry-after": "60"}),
    Reply("groq: tool", 400,
          groq("Failed to call a function.", "invalid_request_error", "tool_use_failed",
               failed_generation="<canary>"),
          REJECTED, NEVER, 400, "tool_use_failed"),
    no_access("groq: key", 401,
          groq("Invalid API Key gsk_canary0123456789", "invalid_request_error", "invalid_api_key")),
    Reply("groq: model", 404,
          groq("The model `x` does not exist", "invalid_request_error", "model_not_found"),
          REJECTED, ELSEWHERE, 404, "model_not_found"),
    Reply("groq: capacity", 498, groq("Flex capacity", "flex", "capacity_exceeded"),
          BROKEN, HERE, 503, "upstream_unavailable"),
    Reply("groq: in a stream", 200,
          {"error": {"message": "Over capacity", "type": "internal_server_error",
                     "status_code": 503}},
          BROKEN, HERE, 503, "upstream_unavailable"),
]  # fmt: skip


REPLIES = [*OPENAI, *OPENROUTER, *GROQ]


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

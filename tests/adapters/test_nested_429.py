"""A provider behind a provider is out of quota: one failure in all its disguises.

Each ends as the same 429.
"""

import json
from typing import Any

import pytest

from llm_gateway.adapters.failures import as_error_object, classify, error_object
from llm_gateway.errors import Retry, UpstreamError, UpstreamRateLimited

SENTENCE = (
    "qwen/qwen3-coder:free is temporarily rate-limited upstream. Please retry shortly, or add your "
    "own key to accumulate your rate limits: https://openrouter.ai/settings/integrations"
)


def nested(raw: object, code: object = 429, message: str = "Provider returned error") -> Any:
    """The canonical body; ``raw`` is what the provider behind said."""
    metadata = {"raw": raw, "provider_name": "Chutes-canary"}
    error = {"message": message, "code": code, "metadata": metadata}
    return {"error": error, "user_id": "user_30vFcanary0123"}


def upstream(**error: object) -> dict[str, Any]:
    """What the provider behind answered as a body."""
    return {"error": error}


CANONICAL = nested(SENTENCE)
TEXT = json.dumps(CANONICAL)
BROKEN_TEXT = TEXT[: len(TEXT) // 2]

DIRECT = [
    pytest.param(429, TEXT, id="its own status"),
    pytest.param(200, TEXT, id="a success"),
    pytest.param(500, TEXT, id="another status"),
    pytest.param(429, json.dumps([CANONICAL]), id="in a list"),
    pytest.param(500, f"unexpected status code: 429, body: {TEXT}", id="after words"),
    pytest.param(500, f"unexpected status code: 429, body: {TEXT}\n", id="between words"),
    pytest.param(500, f"error: [{TEXT}]", id="after words, in a list"),
    pytest.param(502, json.dumps(nested(SENTENCE, code="429")), id="the code in digits"),
]  # fmt: skip


def check(error: UpstreamError, message: str) -> None:
    assert isinstance(error, UpstreamRateLimited)
    assert (error.status, error.retry, error.code) == (429, Retry.HERE, "rate_limit_exceeded")
    assert error.message == message
    assert b"canary" not in error.body()
    assert "429" in error.detail


@pytest.mark.parametrize(("status", "body"), DIRECT)
def test_the_same_429_in_every_envelope(status: int, body: str) -> None:
    check(classify(status, {}, error_object(body.encode())), SENTENCE)


@pytest.mark.parametrize(
    "reply",
    [
        {"id": "gen-1", "choices": [{"message": {"content": None}, "error": CANONICAL["error"]}]},
        {"id": "gen-1", "choices": [{"delta": {"content": ""}, "error": CANONICAL["error"]}]},
    ],
)
def test_the_same_429_in_a_choice(reply: dict[str, Any]) -> None:
    error = as_error_object(reply["choices"][0]["error"])
    check(classify(200, {}, error), SENTENCE)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("OpenRouter error: Provider returned error (status: 429)", None),
        ("unexpected status code: 429, body: ", "unexpected status code: 429, body:"),
        (f"unexpected status code: 429, body: {BROKEN_TEXT}", "unexpected status code: 429, body:"),
        (json.dumps({"error": "Provider returned error (status: 429)"}),
         "Provider returned error (status: 429)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [200, 500, 502])
def test_the_same_429_in_words_alone(status: int, body: str, message: str | None) -> None:
    check(classify(status, {}, error_object(body.encode())), message or body)


RAWS = [
    pytest.param(SENTENCE, SENTENCE, id="sentence"),
    pytest.param("error code: 1015", "error code: 1015", id="another sentence"),
    pytest.param(upstream(message="Slow", code=429), "Slow", id="object"),
    pytest.param(json.dumps(upstream(message="Slow", code=429)), "Slow", id="JSON"),
    pytest.param(json.dumps(upstream(message="Slow", code=429), indent=2), "Slow", id="long JSON"),
    pytest.param(json.dumps([upstream(message="Slow", code=429)]), "Slow", id="JSON list"),
    pytest.param(json.dumps({"message": "Slow", "code": 429}), "Slow", id="bare JSON"),
    pytest.param(json.dumps(nested("Slow")), "Slow", id="nested again"),
    pytest.param(json.dumps(nested(json.dumps(upstream(message="Slow")))), "Slow", id="and again"),
    pytest.param(upstream(code=429), "Provider returned error", id="no sentence"),
    pytest.param('{"error":{"mess', "Provider returned error", id="broken JSON"),
    pytest.param("<html>Too many</html>", "Provider returned error", id="a page"),
    pytest.param("", "Provider returned error", id="nothing"),
    pytest.param(None, "Provider returned error", id="null"),
    pytest.param([], "Provider returned error", id="a list"),
]


@pytest.mark.parametrize("status", [200, 429, 500])
@pytest.mark.parametrize(("raw", "message"), RAWS)
def test_whatever_the_provider_behind_said_it_in(status: int, raw: object, message: str) -> None:
    body = json.dumps(nested(raw)).encode()
    check(classify(status, {}, error_object(body)), message)


@pytest.mark.parametrize("code", [400, 500, 502, None])
@pytest.mark.parametrize(
    "inner",
    [
        upstream(message="Slow", code=429),
        upstream(message="Slow", code="429"),
        {"status": 429, "message": "Slow"},
    ],
)
def test_the_provider_behind_knows_better_than_the_one_in_front(
    code: object, inner: dict[str, Any]
) -> None:
    for raw in (inner, json.dumps(inner)):
        body = json.dumps(nested(raw, code)).encode()
        check(classify(502, {}, error_object(body)), "Slow")


@pytest.mark.parametrize("name", ["code", "type"])
def test_its_name_counts_where_the_one_in_front_only_failed(name: str) -> None:
    raw = json.dumps(upstream(message="Slow", **{name: "rate_limit_exceeded"}))
    check(classify(502, {}, error_object(json.dumps(nested(raw, 502)).encode())), "Slow")


@pytest.mark.parametrize(
    ("raw", "seconds"),
    [
        (SENTENCE, None),
        ("Rate limit reached. Please try again in 23.5125s.", 23.5125),
        (json.dumps(upstream(message="Please retry in 34.07s.", code=429)), 34.07),
        (upstream(details=[{"@type": "x/google.rpc.RetryInfo", "retryDelay": "57s"}]), 57),
    ],
)
def test_its_hint_is_read_through_the_one_in_front(raw: object, seconds: float | None) -> None:
    error = classify(429, {}, error_object(json.dumps(nested(raw)).encode()))
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("code", "retry"),
    [
        (429, Retry.HERE),
        (500, Retry.HERE),
        (502, Retry.HERE),
        (503, Retry.HERE),
        (400, Retry.NEVER),
    ],
)
def test_limits_and_faults_are_tried_again_and_bad_requests_are_not(
    code: int, retry: Retry
) -> None:
    text = f"unexpected status code: {code}, body: {json.dumps(nested(SENTENCE, code))}"
    error = classify(500, {}, error_object(text.encode()))
    assert (error.status, error.retry) == (code, retry)


def test_a_reply_that_is_nothing_at_all_says_nothing() -> None:
    assert error_object(b"invalid json") == {}
    error = classify(500, {}, {})
    assert error.message == "The provider failed with status 500."

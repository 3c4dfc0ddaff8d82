"""What a status, its headers and its error object together mean."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.failures import MAX_MESSAGE, classify, error_object
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRejected,
    UpstreamUnavailable,
)

NOW = 1_763_700_000.0


def summary(error: UpstreamError) -> tuple[type[UpstreamError], int, Retry]:
    return type(error), error.status, error.retry


@pytest.mark.parametrize(
    "error",
    [
        {"code": "model_decommissioned", "message": "Gone."},
        {"message": "The model `mixtral` has been decommissioned and is no longer supported."},
        {"code": 400, "message": "free/llama-9 is not a valid model ID"},
        {"code": "model_not_found", "message": "No."},
    ],
)
def test_a_400_about_the_model_is_for_another_target(error: dict[str, Any]) -> None:
    found = classify(400, {}, error)
    assert summary(found) == (UpstreamRejected, 404, Retry.ELSEWHERE)
    assert found.code == "model_not_found"


@pytest.mark.parametrize(
    "code", ["organization_restricted", "billing_hard_limit_reached", "account_deactivated"]
)
def test_a_400_about_our_account_is_no_fault_of_the_request(code: str) -> None:
    found = classify(400, {}, {"code": code, "message": "Pay first."})
    assert summary(found) == (UpstreamAuthError, 502, Retry.ELSEWHERE)


@pytest.mark.parametrize(
    ("status", "kind", "client_status", "retry"),
    [
        (400, UpstreamRejected, 400, Retry.NEVER),
        (401, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (402, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (403, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (404, UpstreamRejected, 404, Retry.ELSEWHERE),
        (405, UpstreamRejected, 405, Retry.ELSEWHERE),
        (407, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (408, UpstreamRejected, 408, Retry.HERE),
        (409, UpstreamRejected, 409, Retry.HERE),
        (410, UpstreamRejected, 410, Retry.ELSEWHERE),
        (413, UpstreamRejected, 413, Retry.ELSEWHERE),
        (418, UpstreamRejected, 418, Retry.NEVER),
        (422, UpstreamRejected, 422, Retry.NEVER),
        (424, UpstreamRejected, 424, Retry.ELSEWHERE),
        (425, UpstreamRejected, 425, Retry.HERE),
        (429, UpstreamRateLimited, 429, Retry.HERE),
        (451, UpstreamRejected, 451, Retry.ELSEWHERE),
        (477, UpstreamRejected, 400, Retry.NEVER),
        (498, UpstreamUnavailable, 503, Retry.HERE),
        (499, UpstreamUnavailable, 503, Retry.HERE),
        (500, UpstreamUnavailable, 500, Retry.HERE),
        (502, UpstreamUnavailable, 502, Retry.HERE),
        (503, UpstreamUnavailable, 503, Retry.HERE),
        (504, UpstreamUnavailable, 504, Retry.HERE),
        (509, UpstreamUnavailable, 503, Retry.HERE),
        (520, UpstreamUnavailable, 503, Retry.HERE),
        (524, UpstreamUnavailable, 503, Retry.HERE),
        (529, UpstreamUnavailable, 503, Retry.HERE),
        (599, UpstreamUnavailable, 503, Retry.HERE),
        (200, UpstreamInvalidResponse, 502, Retry.HERE),
        (204, UpstreamInvalidResponse, 502, Retry.HERE),
        (302, UpstreamInvalidResponse, 502, Retry.HERE),
        (600, UpstreamInvalidResponse, 502, Retry.HERE),
    ],
)
def test_each_status_has_its_error(
    status: int, kind: type[UpstreamError], client_status: int, retry: Retry
) -> None:
    error = classify(status, {}, {})
    assert summary(error) == (kind, client_status, retry)
    assert error.message
    assert str(status) in error.detail


@pytest.mark.parametrize("http_status", [200, 500])
@pytest.mark.parametrize(
    ("error", "kind", "client_status"),
    [
        ({"code": 429}, UpstreamRateLimited, 429),
        ({"code": "429"}, UpstreamRateLimited, 429),
        ({"code": None, "status_code": 429}, UpstreamRateLimited, 429),
        ({"code": 429, "status": "RESOURCE_EXHAUSTED"}, UpstreamRateLimited, 429),
        ({"code": "rate_limited", "status": 429}, UpstreamRateLimited, 429),
        ({"code": 401}, UpstreamAuthError, 502),
        ({"code": 400}, UpstreamRejected, 400),
        ({"code": 502}, UpstreamUnavailable, 502),
        ({"code": 529}, UpstreamUnavailable, 503),
    ],
)
def test_a_number_in_the_error_says_more_than_the_status(
    http_status: int, error: dict[str, Any], kind: type[UpstreamError], client_status: int
) -> None:
    found = classify(http_status, {}, error)
    assert (type(found), found.status) == (kind, client_status)


@pytest.mark.parametrize(
    "code",
    [
        0,
        1,
        200,
        302,
        399,
        600,
        1502,
        True,
        429.5,
        "4290",
        "\uff14\uff12\uff19",
        "x429",
        "",
        [429],
        {},
    ],
)
def test_what_is_no_error_status_does_not_count(code: object) -> None:
    assert summary(classify(500, {}, {"code": code})) == (UpstreamUnavailable, 500, Retry.HERE)


@pytest.mark.parametrize(
    ("error", "client_status"),
    [
        ({"code": "rate_limit_exceeded", "type": "requests"}, 429),
        ({"code": None, "type": "rate_limit_error"}, 429),
        ({"type": "overloaded_error"}, 503),
        ({"code": "server_is_overloaded", "type": "server_error"}, 503),
        ({"type": "server_error"}, 500),
        ({"type": "api_error"}, 500),
        ({"type": "invalid_request_error"}, 400),
        ({"code": "context_length_exceeded", "type": "invalid_request_error"}, 400),
        ({"code": "model_not_found", "type": "invalid_request_error"}, 404),
        ({"type": "authentication_error"}, 502),
        ({"code": "invalid_api_key", "type": "invalid_request_error"}, 502),
        ({"code": "insufficient_quota"}, 429),
        ({"status": "RESOURCE_EXHAUSTED"}, 429),
        ({"status": "UNAVAILABLE"}, 503),
        ({"message": "Provider returned error (status: 429)"}, 429),
        ({"code": "something_else"}, 502),
        ({}, 502),
    ],
)
def test_inside_a_success_the_error_s_name_gives_the_status(
    error: dict[str, Any], client_status: int
) -> None:
    assert classify(200, {}, error).status == client_status


def test_beside_an_error_status_the_name_does_not_count() -> None:
    assert classify(500, {}, {"code": "rate_limit_exceeded"}).status == 500


def test_a_plain_rate_limit_is_openai_s() -> None:
    error = classify(429, {"retry-after": "7"}, {"code": "slow", "type": "tokens"})
    assert (error.type, error.code) == ("requests", "rate_limit_exceeded")
    assert error.retry_after == 7
    assert error.headers == (("retry-after", "7"), ("retry-after-ms", "7000"))


def test_an_unavailable_provider_s_hint_is_kept_too() -> None:
    assert classify(503, {"retry-after": "7"}, {}).retry_after == 7


@pytest.mark.parametrize(
    ("status", "error", "client_status"),
    [
        (502, {"metadata": {"raw": {"error": {"type": "rate_limit_error"}}}}, 429),
        (200, {"code": 502, "metadata": {"raw": {"error": {"code": "429"}}}}, 429),
        (400, {"code": 400, "metadata": {"raw": '{"error":{"code":503}}'}}, 503),
        (500, {"code": 429, "metadata": {"raw": {"error": {"type": "api_error"}}}}, 429),
        (404, {"metadata": {"raw": {"error": {"type": "invalid_request_error"}}}}, 404),
    ],
)
def test_an_error_inside_says_more_than_the_one_outside(
    status: int, error: dict[str, Any], client_status: int
) -> None:
    assert classify(status, {}, error).status == client_status


@pytest.mark.parametrize("text", ["(status: 429)", "Upstream status code: 429."])
def test_a_status_in_words_counts_where_no_number_says_more(text: str) -> None:
    assert classify(500, {}, {"message": text}).status == 429
    assert classify(200, {}, {"message": text}).status == 429
    assert classify(500, {}, {"message": text, "code": 500}).status == 429


def test_a_refusal_may_be_about_the_status_of_something_else() -> None:
    message = "Error while downloading https://x.example/a.png. Upstream status code: 429."
    error = classify(400, {}, {"message": message, "code": "invalid_image_url"})
    assert summary(error) == (UpstreamRejected, 400, Retry.NEVER)
    assert error.message == message


@pytest.mark.parametrize(
    ("error", "code"),
    [
        ({"message": "No such model"}, "model_not_found"),
        ({"message": "models/x is not found", "code": 404}, "model_not_found"),
        ({"message": "No such model", "code": "gone"}, "gone"),
        ({"message": "No endpoints found"}, "upstream_rejected"),
        ({}, "upstream_rejected"),
    ],
)
def test_a_model_that_is_missing_has_openai_s_code(error: dict[str, Any], code: str) -> None:
    assert classify(404, {}, error).code == code


def test_a_status_in_digits_is_no_code_for_the_client() -> None:
    raw = {
        "error": {"code": "400", "message": "Param Incorrect", "param": "messages[2]", "type": ""}
    }
    error = classify(400, {}, {"code": 400, "type": "outer", "metadata": {"raw": raw}})
    assert (error.code, error.type, error.param) == ("upstream_rejected", "outer", "messages[2]")


def test_a_rejection_keeps_the_provider_s_four_keys() -> None:
    given_error = {"message": "Too long", "type": "t", "param": "messages", "code": "c"}
    error = classify(400, {}, given_error)
    assert json.loads(error.body())["error"] == given_error


@pytest.mark.parametrize("junk", [1, True, [], {}, None])
def test_keys_of_a_wrong_type_fall_back(junk: object) -> None:
    error = classify(400, {}, {"message": junk, "type": junk, "param": junk, "code": junk})
    assert (error.type, error.param, error.code) == (
        "invalid_request_error",
        None,
        "upstream_rejected",
    )
    assert error.message == "The provider refused the request with status 400."


def test_the_client_learns_nothing_of_the_gateway_s_own_credentials() -> None:
    error = classify(401, {}, {"message": "Incorrect key canary-1 of org-2", "code": "canary-3"})
    assert b"canary" not in error.body()
    assert b"org-2" not in error.body()
    assert error.code == "upstream_auth_error"


@pytest.mark.parametrize("status", [400, 429, 500, 200])
@pytest.mark.parametrize("word", ["x", "x "])
def test_messages_and_details_are_not_endless(status: int, word: str) -> None:
    endless = word * 100_000
    error = classify(status, {}, {"message": endless, "code": endless, "type": endless})
    assert len(error.message) <= MAX_MESSAGE
    assert error.detail == f"provider answered {status}"
    assert len(error.body()) < 4 * MAX_MESSAGE


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("field", ["message", "type", "param", "code"])
def test_no_key_of_an_error_leaves_the_gateway(status: int, field: str) -> None:
    error = classify(status, {}, {field: "at sk-canary-0123456789abcdef."})
    assert b"canary" not in error.body()
    assert "canary" not in error.detail
    assert "canary" not in repr(error)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ERRORS = st.dictionaries(
    st.sampled_from(
        ["message", "type", "param", "code", "status", "status_code", "metadata", "details"]
    ),
    JSON,
)
HEADERS = st.sampled_from(["retry-after", "x-should-retry", "x-ratelimit-reset"])


@given(st.integers(100, 999), ERRORS, st.dictionaries(HEADERS, st.text()))
def test_any_error_object_has_a_reading(
    status: int, error: dict[str, Any], headers: dict[str, str]
) -> None:
    check(classify(status, headers, error))


@given(st.integers(100, 999), st.binary() | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_body_has_a_reading(status: int, body: bytes) -> None:
    check(classify(status, {}, error_object(body)))


def check(error: UpstreamError) -> None:
    assert 400 <= error.status < 600
    assert error.status not in {401, 403, 407}
    body = json.loads(error.body())
    assert list(body) == ["error"]
    assert list(body["error"]) == ["message", "type", "param", "code"]
    assert body["error"]["message"]
    assert isinstance(body["error"]["type"], str)
    assert isinstance(body["error"]["code"], str)
    assert isinstance(body["error"]["param"], str | None)
    assert all(int(value) > 0 for _, value in error.headers)

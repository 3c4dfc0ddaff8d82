"""Providers' failures in all their envelopes, and the one error each of them becomes."""

import email.utils
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llm_gateway.adapters.failures import (
    MAX_MESSAGE,
    classify,
    error_object,
    redact,
    retry_after,
)
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
    ("status", "kind", "client_status", "retry"),
    [
        (400, UpstreamRejected, 400, Retry.NEVER),
        (401, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (402, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (403, UpstreamAuthError, 502, Retry.ELSEWHERE),
        (404, UpstreamRejected, 404, Retry.ELSEWHERE),
        (408, UpstreamRejected, 408, Retry.HERE),
        (409, UpstreamRejected, 409, Retry.HERE),
        (410, UpstreamRejected, 410, Retry.ELSEWHERE),
        (413, UpstreamRejected, 413, Retry.ELSEWHERE),
        (422, UpstreamRejected, 422, Retry.NEVER),
        (425, UpstreamRejected, 425, Retry.HERE),
        (429, UpstreamRateLimited, 429, Retry.HERE),
        (500, UpstreamUnavailable, 500, Retry.HERE),
        (502, UpstreamUnavailable, 502, Retry.HERE),
        (503, UpstreamUnavailable, 503, Retry.HERE),
        (504, UpstreamUnavailable, 504, Retry.HERE),
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


@pytest.mark.parametrize("code", ["insufficient_quota", "credit_balance_exhausted"])
def test_a_quota_that_is_used_up_is_not_tried_again_here(code: str) -> None:
    error = classify(429, {}, {"code": code, "message": "Pay first"})
    assert summary(error) == (UpstreamRateLimited, 429, Retry.ELSEWHERE)
    assert (error.type, error.code, error.message) == (code, code, "Pay first")


def test_a_plain_rate_limit_is_openai_s() -> None:
    error = classify(429, {"retry-after": "7"}, {"code": "slow", "type": "tokens"})
    assert (error.type, error.code) == ("requests", "rate_limit_exceeded")
    assert error.retry_after == 7
    assert error.headers == (("retry-after", "7"),)


def test_an_unavailable_provider_s_hint_is_kept_too() -> None:
    assert classify(503, {"retry-after": "7"}, {}).retry_after == 7


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
def test_messages_and_details_are_not_endless(status: int) -> None:
    error = classify(
        status, {}, {"message": "x" * 100_000, "code": "c" * 100_000, "type": "t" * 100_000}
    )
    assert len(error.message) <= MAX_MESSAGE
    assert error.detail == f"provider answered {status}"
    assert len(error.body()) < 4 * MAX_MESSAGE


def bodies() -> list[tuple[object, dict[str, Any]]]:
    inner = {"message": "m", "code": 429}
    return [
        ({"error": inner}, inner),
        ({"error": "sentence"}, {"message": "sentence"}),
        ([{"error": inner}], inner),
        ([{"error": "sentence"}], {"message": "sentence"}),
        (inner, inner),
        ([inner], inner),
        ({"error": None}, {}),
        ({"error": 5}, {}),
        ({"error": ["a"]}, {}),
        ([], {}),
        ([[]], {}),
        ("sentence", {}),
        (None, {}),
        (7, {}),
    ]


@pytest.mark.parametrize(("reply", "expected"), bodies())
def test_the_error_object_is_found_in_every_envelope(
    reply: object, expected: dict[str, Any]
) -> None:
    assert error_object(json.dumps(reply).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>Bad gateway</html>", b"{", b"\xff", b"NaN", b"[" * 5000, b"\xef\xbb\xbf{}"],
)
def test_a_body_that_is_no_json_has_no_error_object(body: bytes) -> None:
    assert error_object(body) == {}


KEYS = [
    "sk-proj-AbCdEf_0123456789",
    "sk-or-v1-0123456789abcdef",
    "sk-ant-api03-AAAA-BBBB_CCCC",
    "sk-...abcd1234",
    "sk-abcd************wxyz",
    "gsk_0123456789abcdef",
    "xai-0123456789abcdef",
    "AIzaSyA0123456789012345678901234567890",
    "pk_live_0123456789",
]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("sentence", ["Incorrect API key provided: {}.", '"{}"', "{}", "key={}&"])
def test_what_looks_like_a_key_is_masked(key: str, sentence: str) -> None:
    text = redact(sentence.format(key))
    assert key.rstrip(".") not in text
    assert key[4:12] not in text
    assert "***" in text


@pytest.mark.parametrize(
    "text", ["Bearer canary", "bearer  canary/+=", "authorization: BEARER\tcanary"]
)
def test_a_bearer_token_of_any_form_is_masked(text: str) -> None:
    assert "canary" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "Invalid value for 'messages[0].role'.",
        "Unknown parameter: 'task_identifier'.",
        "The risk-assessment model is not available.",
        "The disk_usage_limit is reached.",
        "Unsupported monkey-patching of the network_work_queue.",
        "The model `qwen/qwen3-coder:free` is overloaded.",
    ],
)
def test_plain_words_are_left_alone(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
@pytest.mark.parametrize("field", ["message", "type", "param", "code"])
def test_no_key_of_an_error_leaves_the_gateway(status: int, field: str) -> None:
    error = classify(status, {}, {field: "at sk-canary-0123456789abcdef."})
    assert b"canary" not in error.body()
    assert "canary" not in error.detail
    assert "canary" not in repr(error)


def test_a_key_at_the_edge_of_a_long_message_is_masked_whole() -> None:
    message = "x" * (MAX_MESSAGE - 10) + " sk-canary-0123456789abcdef"
    error = classify(400, {}, {"message": message})
    assert "sk-" not in error.message


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "1"}, 1),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": " 20 "}, 20),
        ({"retry-after": "3600"}, 3600),
        ({"retry-after": "0"}, None),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "-inf"}, None),
        ({"retry-after": "1e400"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "٣"}, None),
        ({"retry-after": "\uff13"}, None),
        ({"retry-after": "0x10"}, None),
        ({"retry-after": "1_0"}, None),
        ({"retry-after": "20s"}, None),
        ({"retry-after-ms": "100"}, 0.1),
        ({"retry-after-ms": "100", "retry-after": "5"}, 0.1),
        ({"retry-after-ms": "junk", "retry-after": "5"}, 5),
        ({"retry-after-ms": "-5", "retry-after": "5"}, 5),
        ({"retry-after-ms": "NaN"}, None),
        ({"retry-after": email.utils.formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry-after": email.utils.formatdate(NOW + 90).replace("-0000", "+0000")}, 90),
        ({"retry-after": email.utils.formatdate(NOW, usegmt=True)}, None),
        ({"retry-after": email.utils.formatdate(NOW - 90, usegmt=True)}, None),
        ({"retry-after": "Mon, 99 Foo 2026 25:61:61 GMT"}, None),
        ({"retry-after": "Fri, 21 Nov 99999999 04:40:00 GMT"}, None),
    ],
)
def test_every_dialect_of_retry_after_is_read_or_ignored(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert retry_after(headers, NOW) == seconds


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_the_old_form_of_a_date_is_gmt_whatever_the_zone_here(
    zone: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asctime = time.asctime(time.gmtime(NOW + 90))
    try:
        with monkeypatch.context() as patch:
            patch.setenv("TZ", zone)
            time.tzset()
            assert retry_after({"retry-after": asctime}, NOW) == 90
    finally:
        time.tzset()


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms"]), st.text()))
def test_no_header_whatever_breaks_the_reading_of_hints(headers: dict[str, str]) -> None:
    hint = retry_after(headers, NOW)
    assert hint is None or hint > 0


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
ERRORS = st.dictionaries(
    st.sampled_from(["message", "type", "param", "code", "status", "status_code"]), JSON
)


@given(st.integers(200, 599), ERRORS)
def test_any_error_object_has_a_reading(status: int, error: dict[str, Any]) -> None:
    found = classify(status, {}, error)
    assert 400 <= found.status < 600
    assert found.status != 401
    assert json.loads(found.body())["error"]["message"]

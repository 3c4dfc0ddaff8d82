"""The error tree: statuses, OpenAI's bodies, and the decisions each error carries."""

import json

import pytest

from llm_gateway.errors import (
    INVALID_REQUEST,
    SERVER_ERROR,
    GatewayError,
    InternalError,
    RequestError,
    Retry,
    UpstreamAuthError,
    UpstreamConnectionError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamRecorded,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamUnavailable,
    UpstreamUnsupported,
    shown,
)


def body(error: GatewayError) -> dict[str, object]:
    """The error object of an error's body, which holds nothing else."""
    (name, value), *others = json.loads(error.body()).items()
    assert (name, others) == ("error", [])
    assert isinstance(value, dict)
    return value


def test_the_body_is_openai_s_object_with_all_four_keys() -> None:
    error = RequestError(404, "No “such” model", code="model_not_found", param="model")
    assert body(error) == {
        "message": "No “such” model",
        "type": INVALID_REQUEST,
        "param": "model",
        "code": "model_not_found",
    }


def test_keys_that_say_nothing_are_null_and_not_missing() -> None:
    assert body(RequestError(400, "No")) == {
        "message": "No",
        "type": INVALID_REQUEST,
        "param": None,
        "code": None,
    }


def test_the_detail_is_for_the_log_and_not_in_the_body() -> None:
    error = GatewayError(500, "Sorry", detail="line 7 of the engine")
    assert error.detail == "line 7 of the engine"
    assert b"engine" not in error.body()


def test_the_text_of_an_error_is_its_message() -> None:
    assert str(GatewayError(418, "Teapot", detail="hidden")) == "Teapot"


def test_a_bug_of_ours_says_nothing_of_its_cause_to_the_client() -> None:
    error = InternalError("KeyError('canary')")
    assert (error.status, error.code, error.type) == (500, "internal_error", SERVER_ERROR)
    assert b"canary" not in error.body()
    assert error.detail == "KeyError('canary')"


@pytest.mark.parametrize(
    ("kind", "status", "type_", "code", "retry"),
    [
        (UpstreamError, 502, SERVER_ERROR, "upstream_error", Retry.HERE),
        (UpstreamConnectionError, 502, SERVER_ERROR, "upstream_connection_error", Retry.HERE),
        (UpstreamTimeout, 504, SERVER_ERROR, "upstream_timeout", Retry.HERE),
        (UpstreamAuthError, 502, SERVER_ERROR, "upstream_auth_error", Retry.ELSEWHERE),
        (UpstreamRateLimited, 429, "requests", "rate_limit_exceeded", Retry.HERE),
        (UpstreamRejected, 400, INVALID_REQUEST, "upstream_rejected", Retry.NEVER),
        (UpstreamUnsupported, 400, INVALID_REQUEST, "unsupported_parameter", Retry.ELSEWHERE),
        (UpstreamUnavailable, 503, SERVER_ERROR, "upstream_unavailable", Retry.HERE),
        (UpstreamInvalidResponse, 502, SERVER_ERROR, "upstream_invalid_response", Retry.HERE),
    ],
)
def test_each_upstream_error_has_its_status_code_and_decision(
    kind: type[UpstreamError], status: int, type_: str, code: str, retry: Retry
) -> None:
    error = kind("It failed.")
    assert (error.status, error.type, error.code, error.retry) == (status, type_, code, retry)
    assert (error.param, error.headers, error.retry_after) == (None, (), None)


def test_what_the_provider_said_replaces_the_defaults() -> None:
    error = UpstreamRejected(
        "No", status=422, type="t", code="c", param="p", retry=Retry.ELSEWHERE, detail="d"
    )
    assert body(error) == {"message": "No", "type": "t", "param": "p", "code": "c"}
    assert (error.status, error.retry, error.detail) == (422, Retry.ELSEWHERE, "d")


def test_what_a_provider_cannot_do_names_the_place_and_leaves_it_to_another() -> None:
    error = UpstreamUnsupported("The provider's API has no 'n'.", param="n")
    assert body(error) == {
        "message": "The provider's API has no 'n'.",
        "type": INVALID_REQUEST,
        "param": "n",
        "code": "unsupported_parameter",
    }
    assert (error.status, error.retry, error.headers) == (400, Retry.ELSEWHERE, ())


def test_what_a_provider_cannot_do_is_not_what_it_refused() -> None:
    assert issubclass(UpstreamUnsupported, UpstreamError)
    assert not issubclass(UpstreamUnsupported, UpstreamRejected)
    assert not issubclass(UpstreamUnsupported, RequestError)


@pytest.mark.parametrize(
    ("seconds", "header"),
    [(0.02, "1"), (1, "1"), (1.2, "2"), (1.9, "2"), (20, "20"), (20.4, "21"), (3600, "3600")],
)
def test_a_client_that_waits_as_long_as_it_is_told_does_not_come_too_early(
    seconds: float, header: str
) -> None:
    error = UpstreamRateLimited("Slow down", retry_after=seconds)
    assert dict(error.headers)["retry-after"] == header
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gpt-test", "gpt-test"),
        ("", ""),
        ("é 😀", "é 😀"),
        ("a\r\nX-Evil: 1", "a??X-Evil: 1"),
        ("\x1b[31m\0", "?[31m?"),
        ("\u202eltr\u2028", "?ltr?"),
        ("\udcff", "?"),
        ("`code`", "?code?"),
        ("x" * 64, "x" * 64),
        ("x" * 65, "x" * 64 + "…"),
        ("x" * 1_000_000, "x" * 64 + "…"),
    ],
)
def test_a_client_s_string_is_shown_short_and_printable(text: str, expected: str) -> None:
    assert shown(text) == expected
    assert RequestError(404, shown(text)).body()


def test_a_recorded_failure_has_no_defaults() -> None:
    waits = (("retry-after", "7"),)
    error = UpstreamRecorded(429, "Slow.", type="tokens", code=None, param=None, headers=waits)
    assert (error.status, error.headers, error.retry, error.retry_after) == (
        429,
        waits,
        Retry.NEVER,
        None,
    )
    told = {"message": "Slow.", "type": "tokens", "param": None, "code": None}
    assert json.loads(error.body()) == {"error": told}

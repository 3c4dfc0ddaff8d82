"""GigaChat's errors are read, wherever they stand."""

from typing import Any

import orjson
import pytest

from llm_gateway.adapters.gigachat.failures import (
    failure_of,
    refuse_error,
    successful,
    successful_object,
)
from llm_gateway.errors import (
    Retry,
    UpstreamAuthError,
    UpstreamError,
    UpstreamInvalidResponse,
    UpstreamRateLimited,
    UpstreamUnavailable,
)
from support.calls import whole


def test_a_401_is_tried_again_with_a_new_token() -> None:
    error = failure_of(401, {}, b'{"status":401,"message":"Token has expired"}')
    assert isinstance(error, UpstreamAuthError)
    assert error.retry is Retry.HERE


@pytest.mark.parametrize("status", [402, 403])
def test_other_matters_of_the_account_are_not(status: int) -> None:
    error = failure_of(status, {}, b"")
    assert isinstance(error, UpstreamAuthError)
    assert error.retry is Retry.ELSEWHERE


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ({"status": 429, "message": "Too many requests"}, UpstreamRateLimited),
        ({"status": 500, "message": "Internal Server Error"}, UpstreamUnavailable),
        ({"error": {"code": 503, "message": "Later"}}, UpstreamUnavailable),
        ({"error": "Later"}, UpstreamInvalidResponse),
        ({"message": "Later", "choices": []}, UpstreamInvalidResponse),
    ],
)
def test_an_error_in_a_success_is_an_error(
    reply: dict[str, Any], kind: type[UpstreamError]
) -> None:
    with pytest.raises(UpstreamError) as caught:
        refuse_error(reply)
    assert type(caught.value) is kind


@pytest.mark.parametrize(
    "reply",
    [
        {},
        {"choices": [{}], "message": "not an error"},
        {"object": "list", "data": []},
        {"id": "f", "object": "file", "bytes": 1, "filename": "a.png"},
        {"choices": [], "usage": {}},
        {"error": None},
    ],
)
def test_what_is_no_error_passes(reply: dict[str, Any]) -> None:
    refuse_error(reply)
    assert successful_object(whole(200, orjson.dumps(reply)), "It") == reply


def test_what_is_no_success_has_no_body() -> None:
    assert successful(whole(200, b"bytes")) == b"bytes"
    with pytest.raises(UpstreamRateLimited) as caught:
        successful(whole(429, b'{"message":"Too many requests"}', retry_after="3"))
    assert (caught.value.message, caught.value.retry_after) == ("Too many requests", 3)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"<html>"])
def test_a_success_may_be_no_object(body: bytes) -> None:
    with pytest.raises(UpstreamInvalidResponse, match="It is n"):
        successful_object(whole(200, body), "It")

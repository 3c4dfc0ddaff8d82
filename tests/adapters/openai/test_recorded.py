"""Recorded answers pass as they are, and recorded failures are told as they were told."""

from dataclasses import replace
from typing import Any

import orjson
import pytest

from llm_gateway.adapters.contract import Whole
from llm_gateway.adapters.openai.recorded import KIND, as_recorded
from llm_gateway.errors import Retry, UpstreamRecorded
from support.calls import make_call, make_image_call
from support.openai_shapes import error_body
from support.tapes import whole


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (429, {"message": "Slow down.", "type": "tokens", "param": None, "code": "rate_limit"}),
        (400, {"message": "The model is odd.", "type": "x", "param": "model", "code": "odd"}),
        (401, {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}),
        (
            502,
            {"message": "sk-1234567890abcdef", "type": "t", "param": None, "code": "c"},
        ),
        (404, {"message": "m" * 5000, "type": "t", "param": None, "code": "model_not_found"}),
    ],
)
def test_a_failure_is_what_it_was(status: int, error: dict[str, Any]) -> None:
    failure = as_recorded(status, {}, error)
    assert (failure.status, orjson.loads(failure.body())["error"]) == (status, error)
    assert failure.retry is Retry.NEVER
    assert failure.headers == ()


def test_with_it_is_told_when_to_come_again_and_nothing_else() -> None:
    headers = {
        "Retry-After": "7",
        "retry-after-ms": "6500",
        "x-should-retry": "true",
        "X-RateLimit-Remaining-Requests": "0",
        "x-request-id": "req_old",
        "content-length": "9",
    }
    assert as_recorded(429, headers, {"message": "No."}).headers == (
        ("retry-after", "7"),
        ("retry-after-ms", "6500"),
        ("x-should-retry", "true"),
        ("x-ratelimit-remaining-requests", "0"),
    )


@pytest.mark.parametrize(
    ("error", "status"),
    [
        ({"message": "Slow down.", "type": "requests", "code": "rate_limit_exceeded"}, 429),
        (
            {"message": "It broke.", "type": "t", "code": "upstream_connection_error"},
            502,
        ),
        ({"message": "Too long.", "code": "context_length_exceeded"}, 400),
    ],
)
def test_what_was_told_in_a_stream_gets_the_status_of_what_it_means(
    error: dict[str, Any], status: int
) -> None:
    failure = as_recorded(200, {}, error)
    assert (failure.status, failure.message, failure.code) == (
        status,
        error["message"],
        error["code"],
    )


def test_an_error_without_words_is_still_one() -> None:
    failure = as_recorded(500, {}, {})
    assert (failure.status, failure.message, failure.type, failure.code) == (
        500,
        "",
        "server_error",
        None,
    )


def test_the_log_names_the_status_but_of_what_was_never_recorded() -> None:
    assert as_recorded(429, {}, {"message": "No."}).detail == "recorded status 429"
    assert as_recorded(404, {}, {"code": "recording_not_found"}).detail == ""


def test_the_request_passes_with_the_name_that_was_asked_for() -> None:
    body = {"model": "gpt-5", "messages": [{"role": "user", "content": "Hi"}], "x": {"y": None}}
    sent = KIND.chat(make_call(body, model="gpt-4o")).encode()
    assert orjson.loads(sent.body) == body
    assert sent.url.endswith("/chat/completions")


def test_answers_pass_byte_for_byte() -> None:
    adapter = KIND.chat(make_call({"model": "m", "messages": []}))
    assert adapter.decode(whole("Hi")) == whole("Hi")
    failure = adapter.failure(429, {"retry-after": "7"}, orjson.dumps(error_body("No.")))
    assert isinstance(failure, UpstreamRecorded)
    with pytest.raises(UpstreamRecorded):
        adapter.decode(orjson.dumps(error_body("It broke.")))


def test_a_request_for_pictures_passes_whole() -> None:
    assert KIND.images is not None
    body = {"model": "gpt-image-1", "prompt": "A cat", "response_format": "url", "svg": 1}
    call = replace(make_image_call(body), model="gpt-4o")
    steps = KIND.images(call).steps()
    [sent] = next(steps)
    assert orjson.loads(sent.body) == body
    with pytest.raises(UpstreamRecorded):
        steps.send([Whole(400, {}, orjson.dumps(error_body("No.")))])

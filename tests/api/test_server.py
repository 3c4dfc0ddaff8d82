"""The API over fake wires and sinks: answers, headers, and one log line for each exchange."""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import override

import pytest

from llm_gateway.api import openapi
from llm_gateway.api.http import ClientRequest
from llm_gateway.api.server import Api
from llm_gateway.config import Http
from llm_gateway.errors import RequestError
from support.fakes import (
    FakeResponse,
    FakeSink,
    chat_body,
    make_config,
    make_model,
)
from support.openai_shapes import (
    error_body,
)
from support.served import (
    ANSWER,
    BROKEN,
    DONE,
    FIRST,
    HELLO,
    LAST,
    PROMPT,
    STREAMED,
    Clock,
    Served,
    error_of,
)


@pytest.fixture(autouse=True)
def _log_everything(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)


async def test_a_whole_answer_has_its_headers_and_its_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog, FakeResponse(ANSWER, content_type="application/json"))
    sink = await served.serve()
    assert (sink.status, sink.body, sink.ended, sink.streamed) == (200, ANSWER, True, False)
    assert sorted(sink.headers) == [
        ("content-type", "application/json"),
        ("x-ai-proxy-attempts", "1"),
        ("x-ai-proxy-model", "p/up-model"),
        ("x-request-id", "req_test"),
    ]
    assert served.line == (
        "req_test POST /v1/chat/completions m -> p/up-model 200 total 0.500s tokens 3+2"
    )


async def test_a_stream_has_its_headers_and_its_line(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog, FakeResponse(FIRST, HELLO, LAST, DONE))
    sink = await served.serve(body=STREAMED)
    assert (sink.status, sink.ended, sink.streamed) == (200, True, True)
    assert sink.body == FIRST + HELLO + LAST + DONE
    assert sink.pieces[0] == FIRST + HELLO
    assert sorted(sink.headers) == [
        ("cache-control", "no-cache"),
        ("content-type", "text/event-stream"),
        ("x-ai-proxy-attempts", "1"),
        ("x-ai-proxy-model", "p/up-model"),
        ("x-request-id", "req_test"),
    ]
    assert served.line == (
        "req_test POST /v1/chat/completions m -> p/up-model 200 ttft 0.500s total 0.600s tokens 3+2"
    )


async def test_the_document_is_served_with_headers_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog)
    sink = await served.serve("/openapi.json", b"", method="GET")
    assert (sink.status, sink.body) == (200, openapi.reply().body)
    headers = dict(sink.headers)
    assert headers["content-type"] == "application/json"
    assert headers.keys() == {"content-type", "x-request-id", "etag", "cache-control"}
    assert served.line == "req_test GET /openapi.json 200 total 0.100s"


async def test_ping_answers_ok(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog)
    sink = await served.serve("/ping", b"", method="GET")
    assert (sink.status, sink.body) == (200, b"OK")
    assert sink.header("content-type") == "text/plain; charset=utf-8"
    assert sink.header("x-request-id") == "req_test"
    assert served.line == "req_test GET /ping 200 total 0.100s"


@pytest.mark.parametrize("path", ["/v1/models", "/models"])
async def test_the_models_are_listed(path: str, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog)
    sink = await served.serve(path, b"", method="GET")
    assert sink.status == 200
    assert json.loads(sink.body) == served.runtime.catalogue.listing()
    assert served.line.startswith(f"req_test GET {path} 200 ")


@pytest.mark.parametrize("name", ["m", "p/m", "p%2Fup-model"])
async def test_one_model_is_shown(name: str, caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog)
    sink = await served.serve(f"/v1/models/{name}", b"", method="GET")
    assert (sink.status, json.loads(sink.body)["object"]) == (200, "model")
    assert served.line


async def test_an_unknown_model_is_not_found(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog)
    sink = await served.serve("/v1/models/nope", b"", method="GET")
    assert (sink.status, error_of(sink)["code"]) == (404, "model_not_found")
    assert "404 model_not_found" in served.line


async def test_an_unknown_model_in_a_chat_is_not_found_and_shown_safely(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog)
    sink = await served.serve(body=chat_body(model="a\r\nreq_fake GET / 200" + "x" * 1000))
    assert (sink.status, error_of(sink)["code"]) == (404, "model_not_found")
    assert sink.header("x-ai-proxy-model") is None
    assert "-> nowhere 404 model_not_found" in served.line
    assert len(served.line) < 300
    assert served.wire.requests == []


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", None),
        (b"[]", "invalid_type"),
        (b"{}", "missing_required_parameter"),
        (b'{"model": 7, "messages": []}', "invalid_type"),
    ],
)
async def test_a_bad_body_is_refused(
    body: bytes, code: str | None, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(caplog)
    sink = await served.serve(body=body)
    assert (sink.status, error_of(sink)["code"]) == (400, code)
    place = error_of(sink)["param"]
    said = f"{code or 'invalid_request_error'}{f' {place}' if place else ''}"
    assert f" 400 {said} total " in served.line


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nope", 404), ("PUT", "/v1/models", 405)]
)
async def test_a_path_or_method_that_there_is_not_is_refused(
    method: str, path: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(caplog)
    sink = await served.serve(path, b"", method=method)
    assert sink.status == status
    assert sink.header("allow") == ("GET, HEAD" if status == 405 else None)
    assert served.line


async def test_what_was_refused_at_the_door_is_answered_and_logged_likewise(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served, sink = Served(caplog), FakeSink()
    error = RequestError(401, "No.", headers=(("www-authenticate", "Bearer"),))
    request = ClientRequest("req_test", "POST", "/v1/x?api_key=canary-client-token", b"")
    await served.api.refuse(request, error, sink)
    assert (sink.status, error_of(sink)["message"]) == (401, "No.")
    assert sink.header("www-authenticate") == "Bearer"
    assert sink.header("x-request-id") == "req_test"
    assert served.line == "req_test POST /v1/x 401 invalid_request_error total 0.100s"


@pytest.mark.parametrize("stream", [True, False])
async def test_a_provider_s_failure_is_answered_with_its_status(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    body = json.dumps(error_body("Slow down")).encode()
    headers = {"retry-after": "7", "set-cookie": "a=b", "x-evil": "1"}
    served = Served(
        caplog, FakeResponse(body, status=429, content_type="application/json", headers=headers)
    )
    sink = await served.serve(body=chat_body(PROMPT, stream=stream))
    assert (sink.status, error_of(sink)["code"]) == (429, "rate_limit_exceeded")
    assert sorted(sink.headers) == [
        ("content-type", "application/json"),
        ("retry-after", "7"),
        ("retry-after-ms", "7000"),
        ("x-ai-proxy-attempts", "1"),
        ("x-ai-proxy-model", "p/up-model"),
        ("x-request-id", "req_test"),
    ]
    assert " 429 rate_limit_exceeded (" in served.line


async def test_a_failure_to_connect_is_logged_with_its_detail(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog, BROKEN)
    sink = await served.serve()
    assert (sink.status, error_of(sink)["message"]) == (502, "It broke.")
    assert "502 upstream_connection_error (ServerDisconnectedError: Server dis" in served.line


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("field", ["message", "code", "type"])
async def test_whatever_a_provider_says_the_log_has_one_line(
    stream: bool, field: str, caplog: pytest.LogCaptureFixture
) -> None:
    text = "a\r\nreq_fake GET /ping 200 total 0.000s\x1b[31m\u2028b"
    body = json.dumps({"error": {"message": "m", field: text}}).encode()
    served = Served(caplog, FakeResponse(body, status=400, content_type="application/json"))
    await served.serve(body=chat_body(PROMPT, stream=stream))
    assert " 400 " in served.line


async def test_what_a_provider_repeats_of_the_prompt_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    body = json.dumps(error_body(f"This is not allowed: {PROMPT}")).encode()
    served = Served(caplog, FakeResponse(body, status=400, content_type="application/json"))
    sink = await served.serve()
    assert PROMPT in error_of(sink)["message"]
    assert " 400 " in served.line


async def test_a_stream_that_fails_is_ended_properly_and_logged_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    served = Served(caplog, FakeResponse(FIRST, HELLO, BROKEN))
    sink = await served.serve(body=STREAMED)
    assert sink.ended
    assert sink.body.startswith(FIRST + HELLO)
    assert sink.body.endswith(DONE)
    assert " 200 upstream_connection_error (" in served.line


async def test_a_silent_stream_is_ended_properly_and_logged_as_failed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    config = make_config(models=[make_model(http=Http(idle=0.02))])
    served = Served(caplog, FakeResponse(HELLO, asyncio.Event()), config=config)
    sink = await served.serve(body=STREAMED)
    assert sink.ended
    assert " 200 upstream_timeout " in served.line


@pytest.mark.parametrize("stream", [True, False])
async def test_a_bug_of_ours_is_a_500_that_says_nothing_and_a_log_that_does(
    stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(caplog, ZeroDivisionError("the cause"))
    sink = await served.serve(body=chat_body(PROMPT, stream=stream))
    assert (sink.status, error_of(sink)["code"]) == (500, "internal_error")
    assert b"the cause" not in sink.body
    assert " 500 internal_error " in served.line
    [record] = [r for r in caplog.records if r.levelno == logging.ERROR]
    assert "req_test" in record.getMessage()
    assert record.exc_info is not None


async def test_after_a_bug_the_next_request_is_served(caplog: pytest.LogCaptureFixture) -> None:
    good = FakeResponse(ANSWER, content_type="application/json")
    served = Served(caplog, ZeroDivisionError(), good)
    assert (await served.serve()).status == 500
    assert (await served.serve()).status == 200


async def test_a_stream_whose_connection_cannot_be_given_back_is_ended_all_the_same(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Broken(FakeResponse):
        @override
        async def release(self) -> None:
            raise RuntimeError("a bug")

    response = Broken(FIRST, LAST, DONE)
    served = Served(caplog, response)
    sink = FakeSink()
    await served.serve(body=STREAMED, sink=sink)
    assert sink.ended
    assert sink.body == FIRST + LAST + DONE
    assert response.closed


async def test_the_body_ends_without_waiting_for_the_end_of_the_provider_s(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Open(FakeResponse):
        @override
        async def release(self) -> None:
            await asyncio.Event().wait()

    sink = FakeSink()
    served = Served(caplog, Open(FIRST, LAST, DONE))
    async with asyncio.timeout(1):
        await served.serve(body=STREAMED, sink=sink)
    assert sink.ended
    assert " 200 ttft " in served.line


@pytest.mark.parametrize(
    "answer",
    [
        lambda: FakeResponse(ANSWER, content_type="application/json"),
        lambda: FakeResponse(FIRST, LAST, DONE),
        lambda: BROKEN,
        ZeroDivisionError,
    ],
    ids=["whole", "stream", "failure", "bug"],
)
async def test_a_runtime_is_in_use_while_it_serves_and_not_longer(
    answer: Callable[[], FakeResponse | Exception], caplog: pytest.LogCaptureFixture
) -> None:
    gate = asyncio.Event()
    served = Served(caplog, gate, answer())
    work = asyncio.create_task(served.serve(body=STREAMED))
    await served.wire.waiting.wait()
    unused = asyncio.create_task(served.runtime.wait_unused())
    await asyncio.sleep(0)
    assert not unused.done()
    gate.set()
    await work
    async with asyncio.timeout(1):
        await unused


async def test_each_request_is_served_by_the_configuration_that_is_current(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first, second = Served(caplog), Served(caplog)
    runtimes = [first.runtime, second.runtime]
    api = Api(lambda: runtimes.pop(0), Clock())
    for _ in range(2):
        sink = FakeSink()
        await api.serve(ClientRequest("req_test", "GET", "/v1/models", b""), sink)
        assert sink.status == 200
    assert runtimes == []

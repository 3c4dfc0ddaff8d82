"""Whose request it is: what it may ask for, what it is charged, and what the log says of it."""

import asyncio
import json
import logging
from dataclasses import replace
from typing import Any

import pytest

from llm_gateway.api.http import ClientRequest
from llm_gateway.config import Capability, ClientToken, Config, Limits, Windows
from llm_gateway.errors import UpstreamConnectionError
from support.fakes import FakeResponse, FakeSink, make_config, make_model
from support.served import ANSWER, DONE, FIRST, HELLO, LAST, STREAMED, Served, error_of

CI = ClientToken("on call", b"1", limits=Limits(Windows(minute=2), Windows(hour=1000)))
NOBODY = replace(CI, models=())
JSON = "application/json"


def answers(count: int) -> list[FakeResponse]:
    return [FakeResponse(ANSWER, content_type=JSON) for _ in range(count)]


async def ask(
    served: Served,
    client: ClientToken | None = CI,
    path: str = "/v1/chat/completions",
    method: str = "POST",
    **body: Any,
) -> FakeSink:
    sink = FakeSink()
    content = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **body}
    data = json.dumps(content).encode() if method == "POST" else b""
    await served.api.serve(ClientRequest("req_test", method, path, data, client=client), sink)
    # What was spent is put right by a task.
    await asyncio.sleep(0)
    return sink


def limits(sink: FakeSink) -> dict[str, str | None]:
    names = ("limit-requests", "remaining-requests", "limit-tokens", "remaining-tokens")
    return {name: sink.header(f"x-ratelimit-{name}") for name in names}


@pytest.fixture
def served(caplog: pytest.LogCaptureFixture) -> Served:
    caplog.set_level(logging.INFO)
    return Served(caplog, *answers(3))


async def test_the_log_and_the_headers_tell_of_the_client(served: Served) -> None:
    sink = await ask(served)
    assert sink.status == 200
    assert limits(sink)["limit-requests"] == "2"
    assert limits(sink)["remaining-requests"] == "1"
    assert served.line.endswith(" client on call")


async def test_nothing_is_told_of_nobody(served: Served) -> None:
    sink = await ask(served, None)
    assert sink.status == 200
    assert set(limits(sink).values()) == {None}
    assert "client" not in served.line


async def test_what_is_charged_is_what_was_used(served: Served) -> None:
    before = limits(await ask(served))["remaining-tokens"]
    after = limits(await ask(served))["remaining-tokens"]
    estimate = 1000 - int(before or 0)
    assert int(after or 0) == 1000 - 5 - estimate


async def test_who_has_nothing_left_is_refused_before_anybody_is_asked(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    for _ in range(2):
        await ask(served)
    sink = await ask(served)
    assert (sink.status, error_of(sink)["code"]) == (429, "rate_limit_exceeded")
    assert len(served.wire.requests) == 2
    assert [name for name, _ in sink.headers].count("x-ratelimit-limit-requests") == 1
    assert " m -> nowhere 429 rate_limit_exceeded total " in caplog.messages[-1]


@pytest.mark.parametrize(
    ("path", "method"),
    [("/ping", "GET"), ("/v1/models", "GET"), ("/v1/models/m", "GET")],
)
async def test_looking_is_free(served: Served, path: str, method: str) -> None:
    for _ in range(5):
        assert (await ask(served, path=path, method=method)).status == 200
    assert limits(await ask(served))["remaining-requests"] == "1"


@pytest.mark.parametrize(
    "body", [{"model": "unknown"}, {"messages": []}, {"messages": "x"}, {"model": 1}], ids=str
)
async def test_a_request_that_is_wrong_costs_nothing(served: Served, body: dict[str, Any]) -> None:
    for _ in range(3):
        assert (await ask(served, **body)).status in {400, 404}
    assert limits(await ask(served))["remaining-requests"] == "1"


async def test_a_call_that_never_left_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    errors = [UpstreamConnectionError("Nobody there.").unsent() for _ in range(3)]
    served = Served(caplog, *errors, *answers(1))
    for _ in range(3):
        assert (await ask(served)).status == 502
    assert limits(await ask(served))["remaining-requests"] == "1"


async def test_a_call_that_failed_costs_a_request(caplog: pytest.LogCaptureFixture) -> None:
    served = Served(caplog, UpstreamConnectionError("It broke."), *answers(1))
    assert (await ask(served)).status == 502
    sink = await ask(served)
    assert limits(sink)["remaining-requests"] == "0"


async def test_a_stream_is_charged_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    stream = FakeResponse(FIRST, HELLO, LAST, DONE)
    served = Served(caplog, stream, *answers(1))
    sink = await ask(served, **STREAMED)
    assert limits(sink)["remaining-requests"] == "1"
    left = int(limits(await ask(served))["remaining-tokens"] or 0)
    assert left > 1000 - 5 - 40


def with_pictures() -> Config:
    draws = make_model("draws", model="draws", capabilities=[Capability.IMAGE])
    return make_config(models=[make_model(), draws])


@pytest.mark.parametrize("path", ["/v1/images/generations", "/image"])
@pytest.mark.parametrize("body", [{"prompt": "x"}, {"prompt": "x", "model": "draws"}], ids=str)
async def test_pictures_are_made_by_what_is_allowed(
    caplog: pytest.LogCaptureFixture, path: str, body: dict[str, Any]
) -> None:
    served = Served(caplog, config=with_pictures())
    sink = await ask(served, NOBODY, path, **{"model": None, **body})
    assert (sink.status, error_of(sink)["code"]) == (404, "model_not_found")
    assert not served.wire.requests


async def test_a_target_s_limit_is_told_where_the_client_has_none_of_its_own(
    caplog: pytest.LogCaptureFixture,
) -> None:
    model = make_model(limits=Limits(Windows(minute=1), Windows(minute=50)))
    served = Served(caplog, *answers(1), config=make_config(models=[model]))
    only_requests = ClientToken("r", b"2", limits=Limits(Windows(minute=9)))
    told = limits(await ask(served, only_requests))
    assert (told["limit-requests"], told["limit-tokens"]) == ("9", "50")
    sink = await ask(served, only_requests)
    assert sink.status == 429
    assert "target p/up-model" in error_of(sink)["message"]
    assert [name for name, _ in sink.headers].count("x-ratelimit-limit-requests") == 1

"""A large request lets others have a turn between its stages; a small one is not kept by it."""

import asyncio

import pytest

from llm_gateway.api.server import LARGE
from support.fakes import FakeResponse, chat_body
from support.served import ANSWER, Served


@pytest.mark.parametrize(("size", "asked"), [(1, []), (LARGE, [0])])
async def test_others_have_a_turn_before_a_large_request_is_translated(
    size: int, asked: list[int], caplog: pytest.LogCaptureFixture
) -> None:
    served = Served(caplog, FakeResponse(ANSWER, content_type="application/json"))
    seen: list[int] = []
    asyncio.get_running_loop().call_soon(lambda: seen.append(len(served.wire.requests)))
    sink = await served.serve(body=chat_body("x" * size))
    assert (sink.status, seen) == (200, asked)

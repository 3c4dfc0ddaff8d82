"""``ai.fault`` at mitmweb's command bar, and what a client of the official SDK then sees."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support.fake_openai import FakeOpenAI
from support.mitmweb import FlowJSON, Mitmweb
from support.process import Gateway, run_gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "gateway-token-of-the-test"
KEY = "provider-key-of-the-test"
FIRST_EVENT = 0.3
"""Seconds that a stream's first event is waited for."""
TEXT = "one two three four five six seven eight"


@dataclass(frozen=True)
class Scene:
    """A gateway with the models `both`, at the providers first and second, and `alone`."""

    gateway: Gateway
    provider: FakeOpenAI
    client: AsyncOpenAI

    async def ask(self, model: str) -> str | None:
        answer = await self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": TEXT}]
        )
        return answer.choices[0].message.content

    async def stream(self, model: str, read: list[str]) -> None:
        """The texts of a stream, as far as they come, into `read`."""
        async for chunk in await self.client.chat.completions.create(
            model=model, messages=[{"role": "user", "content": TEXT}], stream=True
        ):
            read.append(chunk.choices[0].delta.content or "")


def config_text(base_url: str) -> str:
    provider = {
        "kind": "openai",
        "base_url": base_url,
        "api_key": KEY,
        "http": {"first_event": f"{FIRST_EVENT}s", "answer": f"{FIRST_EVENT}s"},
    }
    models = [
        {"name": "both", "model": "gpt-test", "provider": "first", "priority": 1},
        {"name": "both", "model": "gpt-test", "provider": "second", "priority": 2},
        {"name": "alone", "model": "gpt-test", "provider": "second"},
    ]
    content = {
        "gateway": {"tokens": [TOKEN]},
        "retry": {"attempts": 3, "base": "10ms"},
        "breaker": "none",
        "providers": {"first": provider, "second": provider},
        "models": models,
    }
    # JSON is YAML.
    return json.dumps(content)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def scene(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Scene]:
    """One mitmweb for all tests of this module."""
    directory = tmp_path_factory.mktemp("mitmweb")
    async with (
        FakeOpenAI(KEY) as provider,
        run_gateway(
            directory, tool="mitmweb", config_text=config_text(provider.base_url)
        ) as gateway,
        AsyncOpenAI(
            base_url=f"{gateway.url}/v1", api_key=TOKEN, max_retries=0, timeout=10
        ) as client,
    ):
        yield Scene(gateway, provider, client)


@pytest_asyncio.fixture(loop_scope="module")
async def web(scene: Scene) -> AsyncIterator[Mitmweb]:
    """Its page, with an empty list of flows and nothing to be injected."""
    async with Mitmweb(scene.gateway) as page:
        await page.clear()
        yield page
        await page.command("ai.fault", "off")


async def rows(web: Mitmweb, number: int) -> list[FlowJSON]:
    """So many flows, once they are over; the client's is the first."""

    def over(flow: FlowJSON) -> bool:
        return "error" in flow or flow.get("response", {}).get("timestamp_end") is not None

    await web.until(lambda: len(web.flows) == number and all(map(over, web.flows.values())))
    return [*web.flows.values()]


async def faults(web: Mitmweb) -> list[object]:
    """The injected fault of each attempt, in order."""
    saved = [*(await web.saved()).values()]
    saved.sort(key=lambda flow: flow.metadata.get("ai.attempt", 0))
    return [flow.metadata.get("ai.fault") for flow in saved[1:]]


async def test_two_rate_limits_are_retried_and_then_it_answers(scene: Scene, web: Mitmweb) -> None:
    asked = len(scene.provider.requests)
    pending = await web.command("ai.fault", "second/gpt-test", "429:0.01", "2")
    assert pending == "the next 2 attempts meet 429:0.01 at second/gpt-test"
    assert await scene.ask("alone") == f"You said: {TEXT}"
    assert len(scene.provider.requests) == asked + 1
    assert await web.command("ai.faults") == "No faults are pending."
    _, *attempts = await rows(web, 4)
    assert [flow["response"]["status_code"] for flow in attempts] == [429, 429, 200]
    assert await faults(web) == ["429:0.01", "429:0.01", None]
    assert ["injected 429:0.01" in flow["comment"] for flow in attempts] == [True, True, False]
    body = json.loads(await web.content(attempts[0], "response"))
    assert body["error"]["message"] == "Injected fault 429."


async def test_after_a_target_that_fails_the_next_one_is_asked(scene: Scene, web: Mitmweb) -> None:
    await web.command("ai.fault", "first", "refuse")
    assert await scene.ask("both") == f"You said: {TEXT}"
    _, *attempts = await rows(web, 3)
    assert await faults(web) == ["refuse", None]
    assert attempts[0]["error"]["msg"] == "injected by ai.fault"


async def test_a_stall_meets_the_time_limit(scene: Scene, web: Mitmweb) -> None:
    await web.command("ai.fault", "*", "stall", "3")
    with pytest.raises(openai.InternalServerError, match=f"no event within {FIRST_EVENT:g} s"):
        await scene.stream("alone", [])
    await rows(web, 4)
    assert await faults(web) == ["stall", "stall", "stall"]


async def test_a_stream_that_is_cut_ends_with_an_error_event(scene: Scene, web: Mitmweb) -> None:
    await web.command("ai.fault", "second/gpt-test", "cut")
    read: list[str] = []
    with pytest.raises(openai.APIError, match="connection to the provider broke"):
        await scene.stream("alone", read)
    assert "".join(read)
    assert f"You said: {TEXT}".startswith("".join(read))
    client, attempt = await rows(web, 2)
    assert (client["response"]["status_code"], attempt["error"]["msg"]) == (
        200,
        "injected by ai.fault",
    )
    assert await faults(web) == ["cut"]


async def test_a_whole_answer_that_is_cut_is_asked_for_again(scene: Scene, web: Mitmweb) -> None:
    await web.command("ai.fault", "second/gpt-test", "cut")
    assert await scene.ask("alone") == f"You said: {TEXT}"
    await rows(web, 3)
    assert await faults(web) == ["cut", None]


async def test_an_attempt_that_is_replayed_by_hand_meets_no_fault(
    scene: Scene, web: Mitmweb
) -> None:
    await scene.ask("alone")
    _, attempt = await rows(web, 2)
    await web.command("ai.fault", "*", "500")
    replayed = await web.replay(attempt["id"])
    assert replayed["response"]["status_code"] == 200
    assert await web.command("ai.faults") == "the next attempt meets 500 at any target"


async def test_what_there_is_not_is_refused_in_words(web: Mitmweb) -> None:
    with pytest.raises(AssertionError, match=r"no target 'nobody'.*first, second"):
        await web.command("ai.fault", "nobody", "429")
    with pytest.raises(AssertionError, match="no fault 'nothing'"):
        await web.command("ai.fault", "first", "nothing")

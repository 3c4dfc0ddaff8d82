"""What the official SDK was answered once it is answered again, without key or network."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
import pytest
import pytest_asyncio
from openai import AsyncOpenAI

from support import behaviours
from support.echo import echo
from support.fake_openai import FakeOpenAI
from support.mitmweb import Mitmweb, read_flows
from support.openai_shapes import JSONObject, error_body
from support.process import Gateway, run_gateway
from support.raw_http import RawConnection, json_request
from support.rig import ONE_ATTEMPT
from support.tapes import record

pytestmark = pytest.mark.asyncio(loop_scope="module")

TOKEN = "client-token-of-the-recordings"
KEY = "sk-canary-key-of-the-recorded-provider"
MODELS = ("gpt-test", "limited", "busy", "picky", "breaking")
TOOLS: Any = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"place": {"type": "string"}}},
        },
    }
]
NEVER = 10**9
"""Milliseconds after which no test waits any more."""


def user(text: str) -> Any:
    return [{"role": "user", "content": text}]


def client_of(gateway: Gateway, **options: Any) -> AsyncOpenAI:
    settings: dict[str, Any] = {"api_key": TOKEN, "max_retries": 0, "timeout": 10, **options}
    return AsyncOpenAI(base_url=f"{gateway.url}/v1", **settings)


async def collect(stream: AsyncIterator[Any], seen: list[Any]) -> None:
    async for chunk in stream:
        seen.append(chunk.to_dict())


async def ask(client: AsyncOpenAI, **fields: Any) -> Any:
    """What a client sees of one answer: itself, its chunks, or its failure."""
    seen: list[Any] = []
    try:
        answer = await client.chat.completions.create(**fields)
        if not fields.get("stream"):
            return answer.to_dict()
        await collect(answer, seen)
    except openai.APIStatusError as error:
        waits = [error.response.headers.get(name) for name in ("retry-after", "retry-after-ms")]
        return (type(error).__name__, error.status_code, error.body, waits)
    except openai.APIError as error:
        seen.append((type(error).__name__, error.message, error.body))
    return seen


async def interview(client: AsyncOpenAI) -> list[Any]:
    """What a client sees of everything that was recorded."""
    usage = {"include_usage": True}
    fox = user("What is a fox?")
    answers = [
        await ask(client, model="gpt-test", messages=fox, temperature=0.2),
        await ask(client, model="gpt-test", messages=user("Stream!"), stream=True),
        await ask(client, model="BIG", messages=fox, stream=True, stream_options=usage),
        await ask(client, model="gpt-test", messages=fox, tools=TOOLS),
        await ask(client, model="gpt-test", messages=fox, tools=TOOLS, stream=True),
        await ask(client, model="limited", messages=fox),
        await ask(client, model="busy", messages=fox, stream=True),
        await ask(client, model="busy", messages=fox, stream=True),
        await ask(client, model="picky", messages=fox),
        await ask(client, model="breaking", messages=fox, stream=True),
    ]
    for form in ("b64_json", "url"):
        picture = await client.images.generate(
            model="gpt-image-2", prompt="A fox", response_format=form
        )
        answers.append(picture.to_dict())
    return answers


def config_text(base_url: str) -> str:
    models: list[JSONObject] = [{"name": name, "provider": "fake"} for name in MODELS]
    models[0]["size"] = "BIG"
    models.append({"name": "gpt-image-2", "provider": "fake", "capabilities": ["image"]})
    # JSON is YAML.
    return json.dumps(
        {
            **ONE_ATTEMPT,
            "gateway": {"tokens": [TOKEN]},
            "providers": {"fake": {"kind": "openai", "base_url": base_url, "api_key": KEY}},
            "models": models,
        }
    )


def script(provider: FakeOpenAI) -> None:
    slow = error_body("Slow down, please.", "tokens", code="rate_limit_exceeded")
    provider.script("limited", behaviours.error_json(429, slow, [("retry-after", "7")]))
    busy = behaviours.error_json(503, error_body("Busy.", "server_error"))
    provider.script("busy", behaviours.by_turn(busy, echo))
    picky = error_body("Not like this.", param="messages", code="odd_one")
    provider.script("picky", behaviours.error_json(400, picky))
    provider.script("breaking", behaviours.dies_after(2, "reset"))


@dataclass(frozen=True)
class Replay:
    """A recording, what was seen when it was made, and a gateway that has nothing else."""

    tape: Path
    seen: list[Any]
    gateway: Gateway


@asynccontextmanager
async def recorded(directory: Path) -> AsyncIterator[tuple[Path, list[Any]]]:
    tape = directory / "tape.mitm"
    async with FakeOpenAI(KEY, models=MODELS, painters=["gpt-image-2"]) as provider:
        script(provider)
        text = config_text(provider.base_url)
        async with run_gateway(directory, config_text=text, args=["-w", str(tape)]) as gateway:
            async with client_of(gateway) as client:
                seen = await interview(client)
            async with client_of(gateway, api_key="wrong") as stranger:
                await ask(stranger, model="gpt-test", messages=user("Let me in"))
    yield tape, seen


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def replay(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Replay]:
    """One recording and one mitmweb that plays it, for all tests of this module."""
    async with (
        recorded(tmp_path_factory.mktemp("recorder")) as (tape, seen),
        run_gateway(
            tmp_path_factory.mktemp("player"),
            tool="mitmweb",
            args=["--set", f"ai_replay={tape}"],
            env={"AUTH_TOKEN": TOKEN},
        ) as gateway,
    ):
        yield Replay(tape, seen, gateway)


@pytest_asyncio.fixture(loop_scope="module")
async def client(replay: Replay) -> AsyncIterator[AsyncOpenAI]:
    async with client_of(replay.gateway) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="module")
async def web(replay: Replay) -> AsyncIterator[Mitmweb]:
    """The page of the gateway that plays."""
    async with Mitmweb(replay.gateway) as page:
        await page.clear()
        yield page


def shown(seen: Iterable[Any]) -> list[Any]:
    """The kinds of what was seen, in short."""
    return [each[:2] if isinstance(each, tuple) else type(each).__name__ for each in seen]


async def test_the_sdk_sees_what_it_saw_when_it_was_recorded(
    replay: Replay, client: AsyncOpenAI
) -> None:
    assert shown(replay.seen) == [
        "dict",
        "list",
        "list",
        "dict",
        "list",
        ("RateLimitError", 429),
        ("InternalServerError", 503),
        "list",
        ("BadRequestError", 400),
        "list",
        "dict",
        "dict",
    ]
    assert replay.seen[5][3] == ["7", "7000"]
    assert replay.seen[9][-1][0] == "APIError"
    assert await interview(client) == replay.seen


async def test_it_says_what_it_serves(replay: Replay, client: AsyncOpenAI) -> None:
    said = (
        f"Serving 12 answers of 7 models from {replay.tape}, and asking no provider "
        "(left out: 1 refused by the gateway)."
    )
    await replay.gateway.wait_output(said)
    listed = [model.id async for model in client.models.list()]
    assert listed == [*MODELS, "gpt-image-2", "BIG"]


@pytest.mark.parametrize("stream", [True, False])
async def test_what_was_recorded_in_one_form_is_served_in_the_other(
    client: AsyncOpenAI, stream: bool
) -> None:
    if stream:
        chunks = await ask(
            client,
            model="gpt-test",
            messages=user("What is a fox?"),
            temperature=0.2,
            stream=True,
        )
        deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
        text = "".join(delta.get("content") or "" for delta in deltas)
    else:
        whole = await ask(client, model="gpt-test", messages=user("Stream!"))
        text = whole["choices"][0]["message"]["content"]
        assert whole["usage"]["completion_tokens"] > 0
    assert text == ("You said: What is a fox?" if stream else "You said: Stream!")


async def test_a_picture_comes_by_the_other_route_too(replay: Replay) -> None:
    async with RawConnection(replay.gateway.port) as raw:
        head, body = await raw.exchange(
            json_request(
                "/image",
                {"inputs": "A fox", "model": "gpt-image-2"},
                host="localhost",
                token=TOKEN,
            )
        )
    assert (head.status, body[:4]) == (200, b"\x89PNG")


async def test_a_request_that_was_not_recorded_says_what_differs_and_is_not_tried_again(
    replay: Replay, web: Mitmweb
) -> None:
    question = user("What is a canary-wolf?")
    async with client_of(replay.gateway, max_retries=2) as client:
        with pytest.raises(openai.NotFoundError) as missing:
            await client.chat.completions.create(
                model="gpt-test", messages=question, temperature=0.7
            )
    assert missing.value.code == "recording_not_found"
    assert "The nearest is number 1 of 12 (gpt-test, asked 20" in missing.value.message
    assert (
        'messages[0].content: recorded "What is a fox?", asked "What is a canary-wolf?"; '
        "temperature: recorded 0.2, asked 0.7."
    ) in missing.value.message
    flows = web.flows
    await web.until(lambda: len(flows) == 2 and all("response" in each for each in flows.values()))
    assert {each["response"]["status_code"] for each in flows.values()} == {404}
    assert "canary-wolf" not in replay.gateway.output()


async def test_a_name_that_was_not_recorded_is_told_which_one_was(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match='model: recorded "gpt-test", asked "gpt-9"'):
        await client.chat.completions.create(
            model="gpt-9", messages=user("What is a fox?"), temperature=0.2
        )


async def test_each_answer_has_its_attempt_s_row_with_one_try(
    replay: Replay, web: Mitmweb, client: AsyncOpenAI
) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="gpt-test", messages=user("What is a fox?"), temperature=0.2
    )
    assert raw.headers["x-ai-proxy-model"] == "recording/gpt-test"
    assert raw.headers["x-ai-proxy-attempts"] == "1"
    await web.until(lambda: len(web.flows) == 2)
    hosts = {flow["request"]["host"] for flow in web.flows.values()}
    assert "recording.invalid" in hosts


async def test_a_person_may_send_an_attempt_again(
    replay: Replay, web: Mitmweb, client: AsyncOpenAI
) -> None:
    fields: Any = {"model": "gpt-test", "messages": user("Stream!"), "stream": True}
    await ask(client, **fields)
    flows = web.flows
    await web.until(lambda: len(flows) == 2 and all("response" in each for each in flows.values()))
    [attempt] = [each for each in flows.values() if each["request"]["host"] == "recording.invalid"]
    before = await web.content(attempt, "response")
    replayed = await web.replay(attempt["id"])
    assert replayed["response"]["status_code"] == 200
    assert await web.content(replayed, "response") == before


def held_back(tape: Path) -> Path:
    """The same recording, of whose streams nothing comes after the second event."""
    flows = read_flows(tape.read_bytes())
    for flow in flows:
        if "ai.arrivals" in flow.metadata and flow.response is not None:
            body = flow.response.content or b""
            second = body.index(b"\n\n", body.index(b"\n\n") + 2) + 2
            flow.metadata["ai.arrivals"] = [second, 0, len(body), NEVER]
    return record(tape.with_name("held.mitm"), flows)


async def test_with_the_recorded_pace_what_is_not_due_is_not_there(
    replay: Replay, web: Mitmweb, client: AsyncOpenAI
) -> None:
    held = str(held_back(replay.tape))
    async with web.options(ai_replay=held, ai_replay_pace="recorded"):
        stream = await client.chat.completions.create(
            model="gpt-test", messages=user("Stream!"), stream=True
        )
        chunks = aiter(stream)
        assert (await anext(chunks)).choices[0].delta.role == "assistant"
        assert (await anext(chunks)).choices[0].delta.content == "You "
        further = asyncio.ensure_future(anext(chunks))
        # Somebody else is served meanwhile, and nothing more has come.
        await ask(client, model="picky", messages=user("What?"))
        assert not further.done()
        further.cancel()
        await stream.close()
    async with web.options(ai_replay=held, ai_replay_pace="none"):
        fields: Any = {"model": "gpt-test", "messages": user("Stream!"), "stream": True}
        assert await ask(client, **fields) == replay.seen[1]


async def test_a_file_that_cannot_be_used_is_refused_and_the_old_one_is_played_on(
    replay: Replay, web: Mitmweb, client: AsyncOpenAI
) -> None:
    with pytest.raises(AssertionError, match=r"missing\.mitm cannot be read"):
        async with web.options(ai_replay=str(replay.tape.with_name("missing.mitm"))):
            pass
    fields: Any = {"model": "gpt-test", "messages": user("Stream!"), "stream": True}
    assert await ask(client, **fields) == replay.seen[1]

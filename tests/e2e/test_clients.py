"""Several clients at one gateway: each with a token, a name, models and limits of its own."""

import hashlib
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support import behaviours
from support.echo import echo
from support.fake_openai import FakeOpenAI
from support.gate import Gate
from support.process import Gateway, run_gateway
from support.raw_http import Head, RawConnection, json_request, request_bytes
from support.scene import HOST, KEY, MODEL, chat_body, config_text, error_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

OTHER = "gpt-other"
DRAWS = "draws"
"""A token for each client; the gateway knows HASHED and FILED by their hashes alone."""
BOSS = "sk-gw-boss-of-all-the-clients"
HASHED = "sk-gw-known-by-its-hash-alone"
FILED = "sk-gw-in-a-file-of-its-own/1"
LONELY = "sk-gw-one-request-at-a-time"
SPENDER = "sk-gw-twenty-tokens-a-minute"
TOKENS = (BOSS, HASHED, FILED, LONELY, SPENDER)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


CLIENTS = f"""
    - {{name: boss, token: {BOSS}}}
    - {{name: ci, sha256: {digest(HASHED)}, models: [gpt-t*], limits: {{minute: 3}}}}
    - {{name: lonely, token: {LONELY}, concurrent: 1}}
    - {{name: spender, token: {SPENDER}, limits: {{tokens: {{minute: 20}}}}}}
"""
FEWER = f"""
    - {{name: boss, token: {"y" * 40}}}
    - {{name: ci, sha256: {digest(HASHED)}, limits: {{minute: 3}}}}
"""
FILE = f"- {{name: filed, sha256: {digest(FILED)}, models: [SMALL, alias-of-big]}}\n"


def configuration(base_url: str, clients: str = CLIENTS, rest: str = "") -> str:
    text = config_text(base_url, gateway="tokens_file: clients.yaml", models=(MODEL, OTHER))
    text = text.replace("  tokens: [client-token-of-the-tests]\n", f"  tokens:{clients}")
    assert clients in text
    return f"{text}routing: {{aliases: {{nickname: {MODEL}, alias-of-big: BIG}}}}\n{rest}"


@dataclass(frozen=True)
class House:
    """A gateway with several clients, and the provider behind it."""

    gateway: Gateway
    provider: FakeOpenAI
    directory: Path

    async def ask(self, token: str, request: bytes) -> tuple[Head, Any]:
        async with RawConnection(self.gateway.port) as client:
            head, body = await client.exchange(request.replace(b"TOKEN", token.encode()))
        return head, json.loads(body)

    async def chat(self, token: str, model: str = MODEL) -> tuple[Head, Any]:
        return await self.ask(token, chat(model))


def chat(model: str = MODEL, **fields: Any) -> bytes:
    body = chat_body(model=model, **{"stream": False, **fields})
    return json_request("/v1/chat/completions", body, host=HOST, token="TOKEN")


def get(target: str) -> bytes:
    return request_bytes("GET", target, [("Authorization", "Bearer TOKEN")], host=HOST)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    directory = tmp_path_factory.mktemp("clients")
    (directory / "clients.yaml").write_text(FILE)
    async with FakeOpenAI(key=KEY, models=(MODEL, OTHER)) as provider:
        provider.script(MODEL, echo)
        provider.script(OTHER, echo)
        text = configuration(provider.base_url)
        async with run_gateway(directory, config_text=text) as gateway:
            yield House(gateway, provider, directory)


def names(listing: Any) -> list[str]:
    return [entry["id"] for entry in listing["data"]]


async def test_each_client_sees_and_gets_the_models_that_are_its_own(house: House) -> None:
    _, every = await house.ask(BOSS, get("/v1/models"))
    assert names(every) == [MODEL, OTHER, "nickname", "alias-of-big", "BIG"]
    _, some = await house.ask(HASHED, get("/v1/models"))
    assert names(some) == [MODEL, "nickname"]
    head, _ = await house.ask(HASHED, get("/v1/models/nickname"))
    assert head.status == 200
    _, none = await house.ask(FILED, get("/v1/models"))
    assert names(none) == []


@pytest.mark.parametrize("model", [OTHER, f"fake/{MODEL}", "BIG", "alias-of-big", "nothing"])
async def test_what_a_client_may_not_ask_for_is_to_it_as_if_it_were_not_there(
    house: House, model: str
) -> None:
    before = len(house.provider.requests)
    for request in (chat(model), get(f"/v1/models/{model}")):
        head, answer = await house.ask(HASHED, request)
        unknown_head, unknown = await house.ask(
            HASHED, request.replace(model.encode(), b"x" * len(model))
        )
        assert head.status == unknown_head.status == 404
        assert [name for name, _ in head.headers] == [name for name, _ in unknown_head.headers]
        assert error_of(answer)["code"] == "model_not_found"
        assert answer == json.loads(json.dumps(unknown).replace("x" * len(model), model))
    assert len(house.provider.requests) == before


async def test_a_client_s_own_limit_is_told_and_kept(house: House) -> None:
    for left in (2, 1, 0):
        head, _ = await house.chat(HASHED, "nickname")
        assert head.status == 200
        assert head.header("x-ratelimit-limit-requests") == "3"
        assert head.header("x-ratelimit-remaining-requests") == str(left)
    before = len(house.provider.requests)
    head, answer = await house.chat(HASHED)
    error = error_of(answer)
    assert (head.status, error["type"], error["code"]) == (429, "requests", "rate_limit_exceeded")
    assert error["message"].startswith("Rate limit reached for token `ci`: 3 requests per minute")
    assert 0 < int(head.header("retry-after") or 0) <= 61
    assert head.header("x-ratelimit-remaining-requests") == "0"
    assert len(house.provider.requests) == before
    head, _ = await house.chat(BOSS)
    assert head.status == 200
    assert head.header("x-ratelimit-limit-requests") is None


async def test_tokens_are_charged_as_the_provider_counts_them(house: House) -> None:
    """The echo answers with a usage of four tokens, whatever was estimated."""
    remaining = []
    for _ in range(2):
        head, answer = await house.chat(SPENDER)
        assert answer["usage"]["total_tokens"] == 4
        remaining.append(int(head.header("x-ratelimit-remaining-tokens") or 0))
    estimate = 20 - remaining[0]
    assert remaining[1] == 20 - 4 - estimate


async def test_a_client_has_as_many_requests_under_way_as_it_may(house: House) -> None:
    gate = Gate()
    house.provider.script(OTHER, behaviours.numbered_events(1, gate))
    streams = chat(OTHER, stream=True).replace(b"TOKEN", LONELY.encode())
    async with RawConnection(house.gateway.port) as client:
        await client.send(streams)
        await house.provider.request(len(house.provider.requests) + 1)
        head, answer = await house.chat(LONELY)
        assert (head.status, error_of(answer)["type"]) == (429, "requests")
        assert "token `lonely`: 1 request at a time" in error_of(answer)["message"]
        gate.open()
        await client.read_body(await client.read_head())
    house.provider.script(OTHER, echo)
    async with RawConnection(house.gateway.port) as client:
        for _ in range(20):
            head, _ = await client.exchange(chat().replace(b"TOKEN", LONELY.encode()))
            assert head.status == 200


async def test_the_log_names_clients_and_shows_no_token(house: House) -> None:
    for token in TOKENS:
        for target in (f"/v1/nothing/{token}", f"/v1/models/{token}?x={token}"):
            await house.ask(token, get(target))
    await house.ask("wrong", get("/v1/models"))
    await house.gateway.wait_output("invalid_api_key")
    output = house.gateway.output()
    for name in ("boss", "ci", "filed", "lonely", "spender"):
        assert f" client {name}\n" in output
    for token in TOKENS:
        assert token not in output


async def test_tokens_change_while_the_gateway_runs(house: House) -> None:
    for _ in range(3):
        await house.chat(HASHED)
    gate = Gate()
    house.provider.script(MODEL, behaviours.numbered_events(2, gate))
    file, config = house.directory / "clients.yaml", house.directory / "provider_config.yaml"
    async with RawConnection(house.gateway.port) as client:
        await client.send(chat(stream=True).replace(b"TOKEN", BOSS.encode()))
        gate.allow()
        head = await client.read_head()
        file.write_text(f"- {{name: filed, sha256: [{digest('x' * 40)}, {digest(FILED)}]}}\n")
        await house.gateway.wait_output("client tokens  6")
        for token in ("x" * 40, FILED):
            head_of_models, _ = await house.ask(token, get("/v1/models"))
            assert head_of_models.status == 200
        config.write_text(configuration(house.provider.base_url, FEWER))
        await house.gateway.wait_output("client tokens  4")
        head_of_models, answer = await house.ask(BOSS, get("/v1/models"))
        assert (head_of_models.status, error_of(answer)["code"]) == (401, "invalid_api_key")
        gate.open()
        events = [event async for event in client.events(head)]
    assert events[-1] == "[DONE]"
    house.provider.script(MODEL, echo)
    head, answer = await house.chat(HASHED)
    assert (head.status, error_of(answer)["code"]) == (429, "rate_limit_exceeded")

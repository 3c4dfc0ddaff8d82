"""What outlives a configuration: lists of models, and what was remembered of exchanges."""

import asyncio
from collections.abc import Callable

import pytest

from llm_gateway.adapters.contract import Call, Listed, Site, Steps
from llm_gateway.config import Capability, ClientToken, Config, Gateway, Provider
from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import RequestError
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.trace import Trace
from llm_gateway.wire import Label, Wire
from support.fakes import (
    FakeResponse,
    FakeWire,
    chat_body,
    make_config,
    make_model,
    make_provider,
)
from support.scripted import PlainAdapter, make_kind

P = make_provider(discover=True)


def listing(site: Site, label: Label) -> Steps[tuple[Listed, ...]]:
    """One request; its answer is the name of a model in each line."""
    [answer] = yield [site.request("GET", "/models", label)]
    return tuple(Listed(line, "chat") for line in answer.body.decode().splitlines())


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[Call]:
    """The chats, with providers of a kind that lists models."""
    seen: list[Call] = []

    def make(call: Call) -> PlainAdapter:
        seen.append(call)
        return PlainAdapter(call)

    kinds = {"openai": make_kind(make, models=listing)}
    monkeypatch.setattr("llm_gateway.runtime.KINDS", kinds)
    return seen


@pytest.fixture(autouse=True)
def _kinds(calls: list[Call]) -> None:
    del calls


def names(*models: str) -> FakeResponse:
    return FakeResponse("\n".join(models).encode(), content_type="text/plain")


def plain(wire: Wire) -> Wire:
    return wire


def make_engine(*wires: FakeWire, publish: Callable[[Wire], Wire] = plain) -> Engine:
    """An engine that is given these wires in turn."""
    left = iter(wires)
    return Engine(lambda _: next(left), publish, Secret("canary-token"), 1_763_700_000)


def config(*providers: Provider, token: str = "t") -> Config:
    models = [make_model(f"m-{each.name}", provider=each.name) for each in providers]
    return make_config(
        providers, models, gateway=Gateway(tokens=(ClientToken.of("t", Secret(token)),))
    )


async def settle() -> None:
    """Let everything happen that needs no more than turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


def is_known(engine: Engine, name: str) -> bool:
    try:
        engine.current.catalogue.targets(name, Capability.CHAT)
    except RequestError:
        return False
    return True


def listed(wire: FakeWire) -> int:
    """How often this wire was asked for models."""
    return sum(request.url.endswith("/models") for request in wire.requests)


async def test_a_new_configuration_s_providers_are_asked_for_their_models_at_once() -> None:
    wire, other = FakeWire(names("a")), FakeWire()
    engine = make_engine(wire, other)
    engine.adopt(config(P, make_provider("q")))
    await settle()
    assert (listed(wire), listed(other)) == (1, 0)
    assert is_known(engine, "p/a")
    await engine.close()


async def test_the_list_is_asked_for_where_it_is_seen() -> None:
    """By the published wire, so that mitmproxy shows the request."""
    wire, published = FakeWire(), FakeWire(names("a"))
    engine = make_engine(wire, publish=lambda _: published)
    engine.adopt(config(P))
    await settle()
    assert (listed(wire), listed(published)) == (0, 1)
    await engine.close()


async def test_what_was_learnt_is_there_before_the_list_is_there_again() -> None:
    wire = FakeWire(names("a"), asyncio.Event())
    engine = make_engine(wire)
    engine.adopt(config(P))
    await settle()
    engine.adopt(config(P, token="another"))
    assert is_known(engine, "p/a")
    await wire.waiting.wait()
    assert listed(wire) == 2
    await engine.close()


async def test_what_is_learnt_anew_takes_the_place_of_what_was_inherited() -> None:
    engine = make_engine(FakeWire(names("a"), names("b")))
    engine.adopt(config(P))
    await settle()
    engine.adopt(config(P, token="another"))
    await settle()
    assert (is_known(engine, "p/a"), is_known(engine, "p/b")) == (False, True)
    await engine.close()


async def test_of_a_provider_that_changed_nothing_is_inherited() -> None:
    engine = make_engine(FakeWire(names("a")), FakeWire(asyncio.Event()))
    engine.adopt(config(P))
    await settle()
    engine.adopt(config(make_provider(discover=True, key="another-key")))
    assert not is_known(engine, "p/a")
    await engine.close()


async def test_when_a_configuration_is_replaced_it_asks_no_more() -> None:
    response = FakeResponse(asyncio.Event())
    old = FakeWire(response)
    engine = make_engine(old, FakeWire())
    engine.adopt(config(P))
    await response.waiting.wait()
    engine.adopt(config(make_provider("q")))
    await settle()
    assert response.closed
    assert old.closed
    assert listed(old) == 1
    await engine.close()


async def test_when_the_engine_is_closed_it_asks_no_more() -> None:
    response = FakeResponse(asyncio.Event())
    wire = FakeWire(response)
    engine = make_engine(wire)
    engine.adopt(config(P))
    await response.waiting.wait()
    await engine.close()
    await settle()
    assert response.closed
    assert wire.closed


async def test_asking_for_models_does_not_keep_a_configuration_in_use() -> None:
    engine = make_engine(FakeWire(asyncio.Event()))
    engine.adopt(config(P))
    async with asyncio.timeout(1):
        await engine.current.wait_unused()
    await engine.close()


async def test_a_configuration_whose_wires_cannot_be_made_leaves_the_old_one_asking() -> None:
    response = FakeResponse(asyncio.Event())
    engine = make_engine(FakeWire(response))
    engine.adopt(config(P))
    await response.waiting.wait()
    # There is no further wire.
    with pytest.raises(StopIteration):
        engine.adopt(config(P, make_provider("q")))
    await settle()
    assert not response.closed
    await engine.close()


async def chat(engine: Engine, name: str) -> None:
    request = ChatRequest(chat_body(), name, stream=False)
    await engine.current.dispatcher.chat(request, Trace("req_test"))


async def test_what_was_remembered_is_known_to_every_configuration(calls: list[Call]) -> None:
    def fine() -> FakeResponse:
        return FakeResponse(b"fine", content_type="application/json")

    engine = make_engine(FakeWire(fine()), FakeWire(fine()))
    engine.adopt(config(make_provider()))
    await chat(engine, "m-p")
    calls[0].memory.keep("p", "call_1", "a signature")
    engine.adopt(config(make_provider("q")))
    await chat(engine, "m-q")
    assert [call.memory.recall("p", "call_1") for call in calls] == ["a signature"] * 2
    await engine.close()


async def test_two_engines_remember_apart(calls: list[Call]) -> None:
    for _ in range(2):
        engine = make_engine(FakeWire(FakeResponse(b"fine", content_type="application/json")))
        engine.adopt(config(make_provider()))
        await chat(engine, "m-p")
        await engine.close()
    first, second = calls
    assert first.memory is not second.memory

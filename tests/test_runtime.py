"""How one configuration follows another: which wires stay, and when the others are closed."""

import asyncio
import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from typing import override

import pytest

from llm_gateway.api.http import RequestHead
from llm_gateway.config import ClientToken, Config, Gateway, Http, Provider
from llm_gateway.dispatch import ChatRequest
from llm_gateway.errors import RequestError
from llm_gateway.runtime import Engine
from llm_gateway.secret import Secret
from llm_gateway.trace import Trace
from llm_gateway.wire import Wire
from support.fakes import (
    TOKEN,
    FakeResponse,
    FakeWire,
    chat_body,
    make_config,
    make_model,
    make_provider,
)
from support.openai_shapes import completion, message, usage

FALLBACK = Secret("canary-fallback-token")
CREATED = 1_763_700_000


class Wires:
    """Makes fake wires and keeps all it made."""

    def __init__(self, kind: Callable[[], FakeWire] = FakeWire) -> None:
        self.made: list[tuple[Provider, FakeWire]] = []
        self._kind = kind

    def __call__(self, provider: Provider) -> FakeWire:
        wire = self._kind()
        self.made.append((provider, wire))
        return wire

    def of(self, name: str) -> list[FakeWire]:
        """The wires of a provider in the order in which they were made."""
        return [wire for provider, wire in self.made if provider.name == name]


def plain(wire: Wire) -> Wire:
    return wire


def make_engine(wires: Wires | None = None) -> Engine:
    return Engine(wires or Wires(), plain, FALLBACK, CREATED)


def config(*providers: Provider, tokens: tuple[str, ...] = ()) -> Config:
    models = [make_model(each.name, provider=each.name) for each in providers]
    gateway = Gateway(tokens=tuple(ClientToken.of("t", Secret(text)) for text in tokens))
    return make_config(providers, models, gateway=gateway)


async def settle() -> None:
    """Let everything happen that needs no more than turns of the loop."""
    for _ in range(20):
        await asyncio.sleep(0)


def a(base_url: str = "http://a.invalid/v1") -> Provider:
    return make_provider("a", base_url=base_url)


def b() -> Provider:
    return make_provider("b")


def test_without_a_configuration_there_is_nothing_to_serve_by() -> None:
    with pytest.raises(RuntimeError, match="no configuration"):
        _ = make_engine().current


async def test_a_provider_that_is_off_has_no_wire() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a(), make_provider("b", off="no key")))
    assert [provider.name for provider, _ in wires.made] == ["a"]
    assert engine.current.wire("a") is wires.of("a")[0]
    assert engine.current.wire("b") is None
    assert engine.current.wire("nobody") is None


async def test_exchanges_go_through_the_published_wire_and_resends_do_not() -> None:
    answer = completion("m", [message("Hi")], "stop", usage(1, 1))

    class Published(FakeWire):
        def __init__(self, inner: Wire) -> None:
            super().__init__(
                FakeResponse(json.dumps(answer).encode(), content_type="application/json")
            )
            self.inner = inner

    published: list[Published] = []

    def publish(wire: Wire) -> Wire:
        published.append(Published(wire))
        return published[-1]

    wires = Wires()
    engine = Engine(wires, publish, FALLBACK, CREATED)
    engine.adopt(config(a()))
    request = ChatRequest(chat_body(), "a", stream=False)
    await engine.current.dispatcher.chat(request, Trace("req_test"))
    [wrapper], [inner] = published, wires.of("a")
    assert (len(wrapper.requests), len(inner.requests)) == (1, 0)
    assert wrapper.inner is inner
    assert engine.current.wire("a") is inner


def admits(engine: Engine, token: str) -> bool:
    field = f"Bearer {token}".encode()
    head = RequestHead("GET", "/v1/models", ("localhost",), (field,), None, None, None)
    try:
        engine.current.front_door.admit(head)
    except RequestError:
        return False
    return True


async def test_without_tokens_in_the_configuration_the_made_up_one_counts() -> None:
    engine = make_engine()
    engine.adopt(config(a()))
    assert admits(engine, FALLBACK.reveal())


async def test_with_tokens_in_the_configuration_the_made_up_one_does_not_count() -> None:
    engine = make_engine()
    engine.adopt(config(a(), tokens=(TOKEN,)))
    assert admits(engine, TOKEN)
    assert not admits(engine, FALLBACK.reveal())


async def test_a_new_configuration_s_tokens_and_models_count_at_once() -> None:
    engine = make_engine()
    engine.adopt(config(a(), tokens=("old-token",)))
    engine.adopt(config(b(), tokens=("new-token",)))
    assert admits(engine, "new-token")
    assert not admits(engine, "old-token")
    assert [entry["id"] for entry in engine.current.catalogue.listing()["data"]] == ["b"]
    await engine.close()


async def test_an_unchanged_provider_keeps_its_wire() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a(), b()))
    engine.adopt(config(a(), tokens=(TOKEN,)))
    await settle()
    [kept], [gone] = wires.of("a"), wires.of("b")
    assert engine.current.wire("a") is kept
    assert (kept.closed, gone.closed) == (False, True)


@pytest.mark.parametrize(
    "changed",
    [
        a("http://other.invalid/v1"),
        make_provider("a", base_url="http://a.invalid/v1", key="another-key"),
        make_provider("a", base_url="http://a.invalid/v1", key=None),
        make_provider("a", base_url="http://a.invalid/v1", http=Http(connect=1)),
    ],
    ids=["address", "key", "no key", "timeouts"],
)
async def test_a_changed_provider_gets_a_new_wire(changed: Provider) -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a()))
    engine.adopt(config(changed))
    await settle()
    old, new = wires.of("a")
    assert engine.current.wire("a") is new
    assert (old.closed, new.closed) == (True, False)


async def test_a_wire_in_use_is_closed_only_when_the_last_request_is_done() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a()))
    first, second = ExitStack(), ExitStack()
    for stack in (first, second):
        stack.enter_context(engine.current.in_use())
    engine.adopt(config(b()))
    [old] = wires.of("a")
    for stack in (first, second):
        await settle()
        assert not old.closed
        stack.close()
    await settle()
    assert old.closed


def adopt_and_fail(engine: Engine, new: Config) -> None:
    with engine.current.in_use():
        engine.adopt(new)
        raise KeyError


async def test_a_request_that_fails_is_done_as_well() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a()))
    with pytest.raises(KeyError):
        adopt_and_fail(engine, config(b()))
    await settle()
    assert wires.of("a")[0].closed


async def test_a_wire_that_three_configurations_shared_outlives_the_first_two() -> None:
    """The first runtime's request may still use the wire that the second one kept."""
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a(), b()))
    with engine.current.in_use():
        engine.adopt(config(a()))
        with engine.current.in_use():
            engine.adopt(config(b()))
            await settle()
            assert [wire.closed for wire in wires.of("a")] == [False]
        await settle()
        assert [wire.closed for wire in wires.of("a")] == [False]
        assert [wire.closed for wire in wires.of("b")] == [False, False]
    await settle()
    assert [wire.closed for wire in wires.of("a")] == [True]
    assert [wire.closed for wire in wires.of("b")] == [True, False]


async def test_a_provider_that_comes_back_gets_a_wire_that_is_open() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a()))
    with engine.current.in_use():
        engine.adopt(config(b()))
        engine.adopt(config(a()))
    await settle()
    old, new = wires.of("a")
    assert engine.current.wire("a") is new
    assert (old.closed, new.closed) == (True, False)
    assert wires.of("b")[0].closed


class Picky(Wires):
    """Makes no wire to the provider `bad`."""

    @override
    def __call__(self, provider: Provider) -> FakeWire:
        if provider.name == "bad":
            raise ValueError("no wire to that")
        return super().__call__(provider)


async def test_a_configuration_whose_wires_cannot_be_made_changes_nothing() -> None:
    """The wires that were made for it are closed; those in use are not."""
    wires = Picky()
    engine = make_engine(wires)
    engine.adopt(config(a(), tokens=(TOKEN,)))
    before = engine.current
    with pytest.raises(ValueError, match="no wire to that"):
        engine.adopt(config(a(), b(), make_provider("bad"), tokens=("new-token",)))
    await settle()
    [kept], [needless] = wires.of("a"), wires.of("b")
    assert (kept.closed, needless.closed) == (False, True)
    assert engine.current is before
    assert [token.reveal() for token in engine.tokens] == [TOKEN]
    await engine.close()
    assert kept.closed


class Stubborn(FakeWire):
    """A wire that cannot be closed."""

    @override
    async def close(self) -> None:
        await super().close()
        raise OSError("will not close")


async def test_a_wire_that_fails_to_close_does_not_keep_the_others_open(
    caplog: pytest.LogCaptureFixture,
) -> None:
    wires = Wires(Stubborn)
    engine = make_engine(wires)
    with caplog.at_level(logging.ERROR):
        engine.adopt(config(a(), b()))
        engine.adopt(config(make_provider("c")))
        engine.adopt(config(make_provider("d")))
        await settle()
    assert [wire.closed for name in "abcd" for wire in wires.of(name)] == [True, True, True, False]


async def test_closing_closes_every_wire() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a(), b()))
    await engine.close()
    assert all(wire.closed for _, wire in wires.made)


async def test_closing_closes_the_wires_of_older_configurations_too() -> None:
    wires = Wires()
    engine = make_engine(wires)
    engine.adopt(config(a()))
    with engine.current.in_use():
        engine.adopt(config(b()))
        await settle()
        await engine.close()
        assert all(wire.closed for _, wire in wires.made)


async def test_closing_before_any_configuration_does_nothing() -> None:
    await make_engine().close()


async def test_how_the_targets_stand_is_told_for_the_configuration_in_force() -> None:
    engine = make_engine()
    engine.adopt(config(a(), b()))
    assert [state.label for state in engine.current.overview()] == ["a/up-model", "b/up-model"]
    engine.adopt(config(b()))
    assert [state.label for state in engine.current.overview()] == ["b/up-model"]
    await engine.close()
